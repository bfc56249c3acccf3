//! `SafeText`: the only type the terminal, the log or a notification prints for outside data.
//!
//! Thing names, topics, payloads, job documents and error messages are chosen by devices, and a device may be the
//! attacker. An escape sequence in a topic must never move the operator's cursor, a bidirectional override must never
//! make one name look like another, and a 128 KB line must never be laid out cell by cell. So outside text becomes
//! `SafeText` where it enters the process, and stays it.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;
use unicode_width::UnicodeWidthChar as _;

/// Text whose every character is visible, takes one or two cells, and cannot change the terminal's state.
///
/// What was not printable is shown as a visible escape (`\x1b`, `\u{202e}`), so that two different inputs do not
/// become the same picture. Up to 24 bytes, as most names have, stand in it.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SafeText(CompactString);

/// The longest text kept by [`SafeText::new`], in bytes of input: names, topics and messages are far shorter.
pub const DEFAULT_LIMIT: usize = 4096;

impl SafeText {
    /// Makes outside text printable, keeping at most [`DEFAULT_LIMIT`] bytes of it.
    pub fn new(raw: &str) -> Self {
        Self::limited(raw.as_bytes(), DEFAULT_LIMIT)
    }

    /// Makes outside bytes printable; what is not UTF-8 appears as `\xNN`.
    pub fn from_bytes(raw: &[u8]) -> Self {
        Self::limited(raw, DEFAULT_LIMIT)
    }

    /// Makes at most `limit` bytes of `raw` printable and ends with `…` when something was left off.
    pub fn limited(raw: &[u8], limit: usize) -> Self {
        let cut = raw.len() > limit;
        // Nearly everything is plain, and needs no second look.
        if !cut
            && raw.iter().all(|b| matches!(b, b' '..=b'~'))
            && let Ok(plain) = std::str::from_utf8(raw)
        {
            return Self(CompactString::new(plain));
        }
        let mut head = raw.get(..limit).unwrap_or(raw);
        if cut {
            // Do not split a character: at most three bytes belong to one that began before the cut.
            for back in 0..4 {
                let Some(shorter) = head.get(..head.len().saturating_sub(back)) else { break };
                if std::str::from_utf8(shorter).is_ok() {
                    head = shorter;
                    break;
                }
            }
        }
        let mut out = String::with_capacity(head.len() + 4);
        for chunk in head.utf8_chunks() {
            for c in chunk.valid().chars() {
                push_visible(&mut out, c);
            }
            for b in chunk.invalid() {
                out.push_str(&format!("\\x{b:02x}"));
            }
        }
        if cut {
            out.push('…');
        }
        Self(out.into())
    }

    /// The printable text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The printable text as a key that is cheap to clone; it is copied once.
    pub(crate) fn shared(&self) -> Arc<str> {
        self.as_str().into()
    }

    /// Width in terminal cells.
    pub fn width(&self) -> usize {
        unicode_width::UnicodeWidthStr::width(self.as_str())
    }

    /// True when there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_hidden(c) => {
            if (c as u32) < 0x80 {
                out.push_str(&format!("\\x{:02x}", c as u32));
            } else {
                out.push_str(&format!("\\u{{{:x}}}", c as u32));
            }
        }
        c => out.push(c),
    }
}

/// Controls (C0, DEL, C1), everything of zero width (joiners, combining marks stacked without end, variation
/// selectors, tags), bidirectional controls, line and paragraph separators, private use and non-characters.
fn is_hidden(c: char) -> bool {
    if c.is_control() {
        return true;
    }
    match c as u32 {
        0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F => true,
        0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB => {
            true
        }
        0xE000..=0xF8FF | 0xF0000..=0x10FFFF | 0xE0000..=0xE0FFF => true,
        _ => c.width().unwrap_or(0) == 0,
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Borrow<str> for SafeText {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for SafeText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SafeText {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

impl From<String> for SafeText {
    fn from(raw: String) -> Self {
        Self::new(&raw)
    }
}

impl serde::Serialize for SafeText {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for SafeText {
    /// What was written is outside text again: it is made safe anew, which changes nothing about text that is.
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = <String as serde::Deserialize>::deserialize(d)?;
        Ok(Self::limited(raw.as_bytes(), 16 * DEFAULT_LIMIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_visible_and_distinct() {
        assert_eq!(SafeText::new("\x1b]52;c;AAAA\x07").as_str(), "\\x1b]52;c;AAAA\\x07");
        assert_eq!(SafeText::new("a\r\nb\tc").as_str(), "a\\r\\nb\\tc");
        assert_eq!(SafeText::new("abc\u{202e}def").as_str(), "abc\\u{202e}def");
        assert_eq!(SafeText::new("\u{9b}31m").as_str(), "\\u{9b}31m");
        assert_eq!(SafeText::new("zero\u{200b}width").as_str(), "zero\\u{200b}width");
        assert_eq!(SafeText::from_bytes(b"ok\xff\xfe").as_str(), "ok\\xff\\xfe");
        assert_eq!(SafeText::new("e\u{301}").as_str(), "e\\u{301}");
        assert_eq!(SafeText::new("größe 温度").as_str(), "größe 温度");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let raw = "ä".repeat(100);
        let cut = SafeText::limited(raw.as_bytes(), 11);
        assert_eq!(cut.as_str(), "äääää…");
        assert_eq!(SafeText::limited(b"abc", 3).as_str(), "abc");
    }

    proptest::proptest! {
        #[test]
        fn nothing_unprintable_survives(raw in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let safe = SafeText::from_bytes(&raw);
            for c in safe.as_str().chars() {
                proptest::prop_assert!(!is_hidden(c), "{:?} survived", c);
            }
        }
    }
}
