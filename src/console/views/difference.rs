//! What is other in a message than in the one before it on its topic: member by member where both are JSON, else where the
//! bytes begin and end to differ.

use std::collections::BTreeMap;

use serde_json::Value;

use quell_fleet::text::SafeText;
use quell_fleet::{Kept, Ms};

/// Changes kept; of more it is only told how many there are.
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
    /// What is other, in the order of its paths; the first of it, where that is much.
    pub(super) changes: Vec<Change>,
    /// How many changes there are besides.
    pub(super) more: usize,
    /// How many members are as they were.
    pub(super) same: usize,
    /// Whether both payloads were compared to their ends; without that, no change is not the same.
    pub(super) compared: bool,
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
        (Some(was), Some(is)) => {
            documents(&mut Vec::new(), Some(was), Some(is), &mut out);
            out.compared = true;
        }
        _ => {
            if let (Some(was), Some(is)) = (before.and_then(|k| k.payload.as_deref()), now.payload.as_deref())
            {
                bytes(was, is, &mut out);
                out.compared = true;
            }
        }
    }
    out
}

/// Walks both documents at once, so that whatever their size a member is only told to be new, gone or the same when both
/// were looked at. Payloads read as documents are small enough to be walked to their ends.
fn documents<'a>(
    path: &mut Vec<Step<'a>>,
    was: Option<&'a Value>,
    is: Option<&'a Value>,
    out: &mut Difference,
) {
    let follows = path.len() < DEPTH;
    match (was, is) {
        (Some(Value::Object(a)), Some(Value::Object(b))) if follows && !(a.is_empty() && b.is_empty()) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                path.push(Step::Name(name));
                documents(path, a.get(name), b.get(name), out);
                path.pop();
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if follows && !(a.is_empty() && b.is_empty()) => {
            for at in 0..a.len().max(b.len()) {
                path.push(Step::At(at));
                documents(path, a.get(at), b.get(at), out);
                path.pop();
            }
        }
        (Some(was), Some(is)) if was == is => out.same += 1,
        _ if out.changes.len() >= CHANGES => out.more += 1,
        _ => {
            let safe = |text: &str| SafeText::limited(text.as_bytes(), VALUE);
            let told = |value: &Value| safe(&value.to_string());
            let steps: Vec<String> = path.iter().map(Step::text).collect();
            let path = safe(if steps.is_empty() { "value".to_owned() } else { steps.join(".") }.as_str());
            out.changes.extend(match (was, is) {
                (Some(was), Some(is)) => Some(Change::Other { path, before: told(was), now: told(is) }),
                (None, Some(is)) => Some(Change::New { path, now: told(is) }),
                (Some(was), None) => Some(Change::Gone { path, before: told(was) }),
                (None, None) => None,
            });
        }
    }
}

/// A step into a document.
enum Step<'a> {
    Name(&'a str),
    At(usize),
}

impl Step<'_> {
    fn text(&self) -> String {
        match self {
            Self::Name(name) => (*name).to_owned(),
            Self::At(at) => at.to_string(),
        }
    }
}

/// The members of a document by their paths, at most so many of them; true when there are more.
pub(super) fn members<'a>(document: &'a Value, most: usize, out: &mut BTreeMap<String, &'a Value>) -> bool {
    let mut open = vec![(String::new(), document, 0)];
    while let Some((path, value, depth)) = open.pop() {
        if out.len() >= most {
            return true;
        }
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        // What is left off is counted as there: one more than there is room for is enough to know.
        match value {
            Value::Object(inside) if !inside.is_empty() && depth < DEPTH => {
                let members = inside.iter().take(most + 1);
                open.extend(members.rev().map(|(name, value)| (below(name), value, depth + 1)));
            }
            Value::Array(inside) if !inside.is_empty() && depth < DEPTH => {
                let items = inside.iter().enumerate().take(most + 1);
                open.extend(items.rev().map(|(at, value)| (below(&at.to_string()), value, depth + 1)));
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
        assert_eq!((found.same, found.more, found.compared), (3, 0, true));
    }

    #[test]
    fn however_many_members_there_are_the_one_that_is_other_is_found() {
        let document = |at: usize, value: u32| {
            let members = (0..4_000).map(|i| format!("\"m{i}\":{}", if i == at { value } else { 0 }));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        for at in [0, 1_999, 2_000, 3_999] {
            let found = told(&document(at, 0), &document(at, 7));
            assert_eq!((found.changes.len(), found.same, found.more), (1, 3_999, 0), "{at}");
        }
        let found = told(&document(0, 0), "{}");
        assert_eq!((found.changes.len(), found.same, found.more), (CHANGES, 0, 4_000 - CHANGES));
    }

    #[test]
    fn members_that_are_left_off_are_known_to_be() {
        let document: Value = serde_json::from_str(r#"{"a": [1, 2, 3], "b": {}}"#).unwrap();
        for (most, all) in [(3, false), (4, true), (5, true)] {
            let mut found = BTreeMap::new();
            assert_eq!(members(&document, most, &mut found), !all, "{most}");
            assert_eq!(found.len(), most.min(4));
        }
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
            proptest::prop_assert_eq!(found.changes.is_empty(), was == is || same_value(&was, &is));
        }
    }

    fn same_value(was: &str, is: &str) -> bool {
        let read = |text: &str| serde_json::from_str::<Value>(text).ok();
        read(was).is_some() && read(was) == read(is)
    }
}
