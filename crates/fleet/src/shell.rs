//! Commands that are shown to be run or copied. What stands in them was chosen by devices, and whoever pastes a line must run
//! that command and no other: each word is quoted, and no name is taken for an option.

use std::fmt::Write as _;

use crate::text::SafeText;

/// `text` as one word of a shell's command line (bash, zsh, ksh): as it is where nothing in it means anything, else in single
/// quotes, and with escapes (`$'\x1b'`) where it is not printable, so that it survives being shown.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@=+,%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    if SafeText::limited(text.as_bytes(), text.len()).as_str() == text {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut out = "$'".to_owned();
    for c in text.chars() {
        let mut utf8 = [0; 4];
        let shown = c.encode_utf8(&mut utf8);
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            _ if SafeText::new(shown).as_str() == &*shown => out.push(c),
            // By bytes: `\u` stands for what the locale makes of it.
            _ => {
                for byte in shown.bytes() {
                    let _ = write!(out, "\\x{byte:02x}");
                }
            }
        }
    }
    out.push('\'');
    out
}

/// A command line of `words` and then the `names` it is about, each quoted; where a name could be taken for an option, `--`
/// stands before them.
pub fn command<'a>(words: &[&str], names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let end = names.iter().any(|name| name.starts_with('-')).then_some("--");
    let all = words.iter().copied().chain(end).chain(names);
    all.map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_one_word_of_a_command() {
        assert_eq!(word("Thing02"), "Thing02");
        assert_eq!(word("a b; rm -rf '"), r"'a b; rm -rf '\'''");
        assert_eq!(word("$(reboot)`x`"), "'$(reboot)`x`'");
        assert_eq!(word(""), "''");
        assert_eq!(word("~root"), "'~root'");
        assert_eq!(word("a\n'\\\u{202e}b"), r"$'a\x0a\'\\\xe2\x80\xaeb'");
        assert_eq!(command(&["quell", "isolate"], ["a b", "c"]), "quell isolate 'a b' c");
        assert_eq!(command(&["quell", "isolate"], ["--yes"]), "quell isolate -- --yes");
    }

    #[test]
    fn a_shell_reads_the_word_back() {
        for text in ["x", "a b", "'", "$'x'", "a\tb\n", "\u{1b}[31m\u{202e}é'\\", "*?[a]{b,c}!#~"] {
            let script = format!("printf %s {}", word(text));
            let Ok(out) = std::process::Command::new("bash").args(["-c", &script]).output() else { return };
            assert_eq!(String::from_utf8_lossy(&out.stdout), text, "{script}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_what_was_quoted(raw in "\\PC*|.*") {
            let quoted = word(&raw);
            let shown = SafeText::limited(quoted.as_bytes(), quoted.len());
            proptest::prop_assert_eq!(shown.as_str(), quoted.as_str());
        }
    }
}
