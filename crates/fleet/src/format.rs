//! How times, lengths of time, ids and what a device left behind are written, everywhere alike.

use serde_json::Value;

use crate::Ms;

/// `2026-11-28T10:00:00.000Z`; `None` for what is no time that a calendar knows.
pub fn iso(at: Ms) -> Option<String> {
    jiff::Timestamp::from_millisecond(at).ok().map(|at| format!("{at:.3}"))
}

/// As [`iso`]; what is no time that a calendar knows is written as its number of milliseconds.
pub fn iso_or_ms(at: Ms) -> String {
    iso(at).unwrap_or_else(|| at.to_string())
}

/// Text that Markdown takes as text: names may be an attacker's, and nothing in them is markup.
pub fn markdown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if "\\`*_{}[]<>()#+!|~&".contains(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// `10 s`, `1.5 s`, `4 min`.
pub fn seconds(ms: Ms) -> String {
    match ms {
        ms if ms >= 120_000 => format!("{} min", ms / 60_000),
        ms if ms >= 10_000 || ms % 1000 == 0 => format!("{} s", ms / 1000),
        ms => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}

/// The first characters of a certificate's id, enough to tell it from others.
pub fn short(id: &str) -> String {
    let head: String = id.chars().take(8).collect();
    if head.len() < id.len() { format!("{head}…") } else { head }
}

/// The first few of many, and how many more there are.
pub fn few<T>(all: impl IntoIterator<Item = T>, word: impl Fn(T) -> String) -> String {
    const SHOWN: usize = 5;
    let mut all = all.into_iter();
    let head: Vec<String> = all.by_ref().take(SHOWN).map(word).collect();
    match all.count() {
        0 => head.join(", "),
        more => format!("{} and {more} more", head.join(", ")),
    }
}

/// What a sweep found of one device, from its entry in the journal: `retained, jobs (unknown: https)`. Nothing is left behind
/// only where each line was looked at.
pub fn left_behind(target: &Value) -> String {
    let lines = || target.get("lines").and_then(Value::as_array).into_iter().flatten();
    let of = |mark: &str| -> Vec<&str> {
        let lines = lines().filter(|line| line.get("mark").and_then(Value::as_str) == Some(mark));
        lines.filter_map(|line| line.get("residue")?.as_str()).collect()
    };
    let (found, unknown) = (of("found"), of("unknown"));
    match (found.is_empty(), unknown.is_empty()) {
        _ if unknown.len() == lines().count() => "unknown".to_owned(),
        (true, true) => "nothing".to_owned(),
        (true, false) => format!("none found (unknown: {})", unknown.join(", ")),
        (false, true) => found.join(", "),
        (false, false) => format!("{} (unknown: {})", found.join(", "), unknown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_left_behind_only_where_all_was_looked_at() {
        let target = |marks: &[(&str, &str)]| {
            let lines = marks.iter().map(|(residue, mark)| json!({"residue": residue, "mark": mark}));
            left_behind(&json!({"target": "T", "lines": lines.collect::<Vec<_>>()}))
        };
        assert_eq!(target(&[("retained", "clear"), ("jobs", "clear")]), "nothing");
        assert_eq!(target(&[("retained", "unknown"), ("jobs", "unknown")]), "unknown");
        assert_eq!(target(&[("retained", "unknown"), ("jobs", "clear")]), "none found (unknown: retained)");
        assert_eq!(target(&[("retained", "found"), ("jobs", "unknown")]), "retained (unknown: jobs)");
        assert_eq!(target(&[]), "unknown");
    }
}
