//! What is other in a message than in the one before it on its topic: member by member where both are JSON, else where the
//! bytes begin and end to differ.

use std::collections::BTreeMap;

use serde_json::Value;

use quell_fleet::text::SafeText;
use quell_fleet::{Kept, Ms};

/// Members of a document that are compared.
const MEMBERS: usize = 2_000;
/// Changes kept.
const CHANGES: usize = 200;
/// Bytes of a value that are told.
const VALUE: usize = 120;
/// Levels followed before a value is compared as a whole.
const DEPTH: usize = 16;
/// Bytes told of before where two texts begin to differ.
const LEAD: usize = 12;

/// What is other than before.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// The message before; `None` where none is kept.
    pub(super) before: Option<Before>,
    /// What is other, in the order of its paths.
    pub(super) changes: Vec<Change>,
    /// How many members are as they were.
    pub(super) same: usize,
    /// There is more than was compared.
    pub(super) more: bool,
}

/// The message before.
#[derive(Debug)]
pub(super) struct Before {
    /// When it was received.
    pub(super) at: Ms,
    /// Its length in bytes.
    pub(super) len: u32,
    /// Whether its payload is still kept.
    pub(super) payload: bool,
}

/// A member that is other than before.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    Other { path: SafeText, before: SafeText, now: SafeText },
    New { path: SafeText, now: SafeText },
    Gone { path: SafeText, before: SafeText },
}

/// Compares a message, and the document in it, with the one before.
pub(super) fn between(
    before: Option<&Kept>,
    document_before: Option<&Value>,
    now: &Kept,
    document: Option<&Value>,
) -> Difference {
    let mut out = Difference {
        before: before.map(|kept| Before { at: kept.at, len: kept.len, payload: kept.payload.is_some() }),
        ..Difference::default()
    };
    match (document_before, document) {
        (Some(was), Some(is)) => documents(was, is, &mut out),
        _ => {
            if let (Some(was), Some(is)) = (before.and_then(|k| k.payload.as_deref()), now.payload.as_deref())
            {
                bytes(was, is, &mut out);
            }
        }
    }
    out
}

fn documents(was: &Value, is: &Value, out: &mut Difference) {
    let (mut before, mut now) = (BTreeMap::new(), BTreeMap::new());
    out.more = members(was, &mut before) | members(is, &mut now);
    let safe = |text: &str| SafeText::limited(text.as_bytes(), VALUE);
    let told = |value: &Value| safe(&value.to_string());
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    for path in paths {
        let shown = if path.is_empty() { safe("value") } else { safe(path) };
        let change = match (before.get(path), now.get(path)) {
            (Some(was), Some(is)) if was == is => {
                out.same += 1;
                continue;
            }
            (Some(was), Some(is)) => Change::Other { path: shown, before: told(was), now: told(is) },
            (None, Some(is)) => Change::New { path: shown, now: told(is) },
            (Some(was), None) => Change::Gone { path: shown, before: told(was) },
            (None, None) => continue,
        };
        if out.changes.len() >= CHANGES {
            out.more = true;
            break;
        }
        out.changes.push(change);
    }
}

/// The members of a document by their paths; true when there are more.
pub(super) fn members<'a>(document: &'a Value, out: &mut BTreeMap<String, &'a Value>) -> bool {
    let mut open = vec![(String::new(), document, 0)];
    while let Some((path, value, depth)) = open.pop() {
        if out.len() + open.len() > MEMBERS {
            return true;
        }
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            Value::Object(inside) if !inside.is_empty() && depth < DEPTH => {
                open.extend(inside.iter().take(MEMBERS).map(|(name, value)| (below(name), value, depth + 1)));
            }
            Value::Array(inside) if !inside.is_empty() && depth < DEPTH => {
                let items = inside.iter().take(MEMBERS).enumerate();
                open.extend(items.map(|(at, value)| (below(&at.to_string()), value, depth + 1)));
            }
            value => {
                out.insert(path, value);
            }
        }
    }
    false
}

/// Where two payloads differ that are no documents.
fn bytes(was: &[u8], is: &[u8], out: &mut Difference) {
    if was == is {
        return;
    }
    let first = was.iter().zip(is).take_while(|(a, b)| a == b).count();
    let part = |bytes: &[u8]| {
        let from = first.saturating_sub(LEAD);
        let to = bytes.len().min(from + VALUE);
        let text = SafeText::from_bytes(bytes.get(from..to).unwrap_or_default());
        let (lead, tail) = (if from > 0 { "…" } else { "" }, if to < bytes.len() { "…" } else { "" });
        SafeText::new(&format!("{lead}{text}{tail}"))
    };
    let path = SafeText::new(&format!("from byte {first} on"));
    out.changes.push(Change::Other { path, before: part(was), now: part(is) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn kept(payload: &str) -> Kept {
        let payload = Bytes::from(payload.to_owned());
        Kept { seq: 0, topic: 0, len: payload.len() as u32, at: 0, payload: Some(payload) }
    }

    fn told(was: &str, is: &str) -> Difference {
        let (was, is) = (kept(was), kept(is));
        let read = |k: &Kept| serde_json::from_slice::<Value>(k.payload.as_deref().unwrap()).ok();
        between(Some(&was), read(&was).as_ref(), &is, read(&is).as_ref())
    }

    #[test]
    fn members_are_compared_by_their_paths() {
        let found = told(
            r#"{"a": 1, "b": {"c": [1, 2], "d": "x"}, "gone": null}"#,
            r#"{"b": {"c": [1, 3], "d": "x"}, "a": 1, "new": {}}"#,
        );
        let text = |text: &str| SafeText::new(text);
        assert_eq!(
            found.changes,
            [
                Change::Other { path: text("b.c.1"), before: text("2"), now: text("3") },
                Change::Gone { path: text("gone"), before: text("null") },
                Change::New { path: text("new"), now: text("{}") },
            ]
        );
        assert_eq!((found.same, found.more), (3, false));
    }

    #[test]
    fn what_is_no_document_is_compared_by_its_bytes() {
        let found = told("status running since 12:00:01", "status running since 12:00:02");
        let [Change::Other { path, now, .. }] = found.changes.as_slice() else { panic!("{found:?}") };
        assert_eq!((path.as_str(), now.as_str()), ("from byte 28 on", "…ince 12:00:02"));
        assert!(told("same", "same").changes.is_empty());
        let hostile = told("a\u{1b}[2J", "a\u{9b}31m");
        assert!(format!("{hostile:?}").chars().all(|c| !c.is_control()), "{hostile:?}");
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_in_two_messages_is_compared(was in "\\PC{0,80}", is in "\\PC{0,80}") {
            let found = told(&was, &is);
            proptest::prop_assert_eq!(found.changes.is_empty(), was == is || found.same > 0 || same_value(&was, &is));
        }
    }

    fn same_value(was: &str, is: &str) -> bool {
        let read = |text: &str| serde_json::from_str::<Value>(text).ok();
        read(was).is_some() && read(was) == read(is)
    }
}
