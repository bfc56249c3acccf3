//! The configuration file, read by the table of keys; everything in it that cannot be used is told at once, each with its line.

use std::path::Path;

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use quell_fleet::text::SafeText;

use super::guard::GuardFile;
use super::guardrails::GuardrailsFile;
use super::key::{Key, Written, Wrong};
use super::load::ConfigError;
use super::{KEYS, Settings};

/// The table whose `levels` and `rule` are no plain keys.
const GUARDRAILS: &str = "guardrails";
const RULES: [&str; 2] = ["levels", "rule"];
/// The table whose `sink` is no plain key.
const GUARD: &str = "guard";
const SINKS: &str = "sink";

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

/// Takes over what the file says; `text` is what is in it.
///
/// # Errors
/// Everything that cannot be used, with its line.
pub(super) fn read(settings: &mut Settings, path: &Path, text: &str) -> Result<(), ConfigError> {
    let mut wrong = Vec::new();
    match DeTable::parse(text) {
        Ok(file) => table(settings, path, "", file.get_ref(), &mut wrong),
        Err(e) => {
            let at = e.span().map_or(0, |span| span.start);
            wrong.push(Wrong { at, message: e.message().to_owned() });
        }
    }
    wrong.sort_by_key(|wrong| wrong.at);
    let said = |wrong: Wrong| (format!("{}:{}", path.display(), line_of(text, wrong.at)), wrong.message);
    ConfigError::unless_empty(wrong.into_iter().map(said).collect())
}

/// One table of the file: the whole of it, or one below a name.
fn table(settings: &mut Settings, path: &Path, inside: &str, found: &DeTable<'_>, wrong: &mut Vec<Wrong>) {
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut rules, mut sinks) = (DeTable::new(), DeTable::new());
    for (name, value) in found {
        let full = if inside.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{inside}.{}", name.get_ref())
        };
        if let Some(key) = KEYS.iter().find(|key| key.name == full) {
            let written = Written { value, kind: key.kind, folder };
            if let Err(Wrong { at, message }) = (key.read)(settings, &written) {
                wrong.push(Wrong { at, message: format!("{full}: {message}") });
            }
        } else if inside == GUARDRAILS && RULES.contains(&name.get_ref().as_ref()) {
            rules.insert(name.clone(), value.clone());
        } else if inside == GUARD && name.get_ref() == SINKS {
            sinks.insert(name.clone(), value.clone());
        } else if tables().any(|table| table == full) {
            match value.get_ref() {
                DeValue::Table(below) => table(settings, path, &full, below, wrong),
                _ => {
                    wrong.push(Wrong { at: value.span().start, message: format!("{full}: must be a table") });
                }
            }
        } else {
            wrong.push(Wrong { at: name.span().start, message: unknown(inside, name.get_ref()) });
        }
    }
    if !rules.is_empty() {
        let value = Spanned::new(0..0, DeValue::Table(rules));
        let read = GuardrailsFile::deserialize(value.into_deserializer());
        let read = read.map_err(|e| (e.span().map_or(0, |span| span.start), e.message().to_owned()));
        if let Err((at, message)) = read.and_then(|read| read.read(&mut settings.guardrails)) {
            wrong.push(Wrong { at, message: format!("{GUARDRAILS}: {message}") });
        }
    }
    if !sinks.is_empty() {
        let value = Spanned::new(0..0, DeValue::Table(sinks));
        let read = GuardFile::deserialize(value.into_deserializer());
        let read = read.map_err(|e| (e.span().map_or(0, |span| span.start), e.message().to_owned()));
        match read.and_then(|read| read.read(folder)) {
            Ok(read) => settings.guard.sinks = read,
            Err((at, message)) => wrong.push(Wrong { at, message: format!("{GUARD}: {message}") }),
        }
    }
}

/// The tables of the file.
fn tables() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(|key: &Key| key.name.split_once('.').map(|(table, _)| table))
}

/// A key nobody knows, and the nearest that is one.
fn unknown(inside: &str, name: &str) -> String {
    let here = KEYS.iter().filter_map(|key| match key.name.split_once('.') {
        Some((table, name)) => (table == inside).then_some(name),
        None => inside.is_empty().then_some(key.name),
    });
    let more: Vec<&str> = match inside {
        "" => tables().collect(),
        GUARDRAILS => RULES.to_vec(),
        GUARD => vec![SINKS],
        _ => Vec::new(),
    };
    let far = |known: &str| strsim::levenshtein(name, known);
    // What shares less than half of its letters is no guess but a riddle.
    let nearest =
        here.chain(more).min_by_key(|known| far(known)).filter(|known| far(known) * 2 <= known.len());
    let known = match nearest {
        Some(known) => format!(": did you mean {known:?}?"),
        None => ": `quell config --template` lists them".to_owned(),
    };
    format!("unknown key {:?}{known}", SafeText::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ThingFrom, parse_size};
    use crate::mutate::{self, Rng, SEED};

    #[test]
    fn mutated_files_are_survived() {
        let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("tests/corpus/config"));
        let path = Path::new("/nowhere/config.toml");
        for text in &texts {
            read(&mut Settings::default(), path, text).unwrap();
        }
        let pieces = &[
            "[guardrails]\n",
            "[[guardrails.rule]]\n",
            " = [",
            "99999999GB",
            "outside = \"Mon-",
            "(\\\\d+)=",
            "mqtt.",
        ];
        let mut taken = 0;
        for _ in 0..4_000 {
            let text = mutate::mutated(&texts, pieces, &mut rng);
            match read(&mut Settings::default(), path, &text) {
                Ok(()) => taken += 1,
                // Each with its line.
                Err(wrong) => assert!(wrong.to_string().contains("config.toml:"), "{wrong}"),
            }
            let word = text.get(..40).unwrap_or(&text);
            let _ = parse_size(word);
            if let Ok(rule) = ThingFrom::parse(word) {
                let _ = rule.thing("temperature-device-\u{e9}");
            }
        }
        assert!(taken > 100, "too few of the mutations are configurations still: {taken}");
    }
}
