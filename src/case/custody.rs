//! Holding a case's files against its custody log: every file has one entry, with the sum it was put in with.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use crate::response::journal::Journal;

use super::CUSTODY;

/// Is it a file of the custody log itself: the log, a part that was set aside, or its head?
pub(super) fn is_own(name: &str) -> bool {
    match name.strip_prefix(CUSTODY) {
        Some("" | ".head") => true,
        Some(rest) => {
            rest.strip_prefix('.').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        }
        None => false,
    }
}

/// How many entries the log has.
///
/// # Errors
/// It cannot be read, or its chain is broken: with the first fault.
pub(super) fn chained(log: &Journal) -> Result<u64, String> {
    let say = |e: io::Error| format!("{CUSTODY}: {e}");
    let verdict = log.verify().map_err(say)?;
    match verdict.faults.first() {
        Some(fault) => Err(format!("{CUSTODY}: {fault}")),
        None if verdict.lines == 0 => Err(format!("{CUSTODY} is missing")),
        None => Ok(verdict.lines),
    }
}

/// Compares the files, each with its sum, with the entries they were put in with.
///
/// # Errors
/// The log cannot be read, or a file differs, has no entry or is missing: which.
pub(super) fn compare<'a>(
    log: &Journal,
    files: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), String> {
    let mut noted: BTreeMap<String, String> = BTreeMap::new();
    let mut twice = None;
    log.each(|entry| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if matches!(text("kind").as_str(), "kept" | "added")
            && noted.insert(text("file"), text("sha256")).is_some()
        {
            twice.get_or_insert_with(|| text("file"));
        }
    })
    .map_err(|e| format!("{CUSTODY}: {e}"))?;
    if let Some(name) = twice {
        return Err(format!("{CUSTODY} says twice that {name} was put in"));
    }
    for (name, sum) in files.filter(|(name, _)| !is_own(name)) {
        match noted.remove(name) {
            Some(noted) if noted == sum => {}
            Some(_) => return Err(format!("{name} is not what {CUSTODY} says was put in: it was changed")),
            None => return Err(format!("{name} has no entry in {CUSTODY}: it was not put in by quell")),
        }
    }
    match noted.keys().next() {
        Some(name) => Err(format!("{name} is missing, which {CUSTODY} says was put in")),
        None => Ok(()),
    }
}
