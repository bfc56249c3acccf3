//! Shadow deltas, flattened to lines a person reads, and the shadow documents last heard or read.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use crate::text::SafeText;

use super::Ms;
use super::known::Known;
use super::model::{Name, ShadowDocument, ShadowsReach, ShadowsReading};

/// One delta message.
#[derive(Clone, Debug, PartialEq)]
pub struct DeltaEntry {
    /// When it was received.
    pub at: Ms,
    /// The thing.
    pub thing: Name,
    /// The named shadow; `None` for the classic one.
    pub shadow: Option<SafeText>,
    /// The shadow's version.
    pub version: i64,
    /// What the device was asked to change: path and value, bounded.
    pub changes: Vec<(SafeText, SafeText)>,
    /// True when there was more than `changes` shows.
    pub more: bool,
}

/// Lines kept of one delta.
const LINES: usize = 24;
/// Depth followed before a value is shown as JSON.
const DEPTH: usize = 6;
/// Bytes kept of one value.
const VALUE: usize = 200;

/// Entries of a document's metadata looked at for its latest time.
const ENTRIES: usize = 512;

/// The latest time in a section of a document's metadata, in seconds.
fn latest(section: &Value) -> Option<i64> {
    let mut open = vec![section];
    let (mut latest, mut seen) = (None, 0);
    while let Some(value) = open.pop() {
        seen += 1;
        if seen > ENTRIES {
            break;
        }
        match value {
            Value::Object(members) => {
                latest = latest.max(members.get("timestamp").and_then(Value::as_i64));
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    latest
}

/// True when what is new in a document is (also) what was reported: a device's sign of life, which a desired state set by an
/// operator is not. By the metadata's times where there are any, else by what differs.
pub(super) fn reports(known: Option<&ShadowDocument>, document: &ShadowDocument) -> bool {
    let times = |document: &ShadowDocument| {
        let section = |name: &str| document.metadata.get(name).and_then(latest);
        (section("reported"), section("desired"))
    };
    match (times(document), known) {
        ((Some(reported), _), Some(known)) => times(known).0.is_none_or(|before| reported > before),
        ((Some(reported), desired), None) => desired.is_none_or(|desired| reported >= desired),
        ((None, _), Some(known)) => !document.reported.is_null() && document.reported != known.reported,
        ((None, _), None) => !document.reported.is_null() && document.desired.is_null(),
    }
}

/// Flattens `state` into paths and values; true when something was left off.
pub(super) fn flatten(state: &Value) -> (Vec<(SafeText, SafeText)>, bool) {
    let mut out = Vec::new();
    let mut more = false;
    let mut open = VecDeque::from([(String::new(), state, 0)]);
    while let Some((path, value, depth)) = open.pop_front() {
        match value {
            Value::Object(members) if depth < DEPTH && !members.is_empty() => {
                // Depth first, in the order of the document.
                for (key, value) in members.iter().take(LINES * 2).rev() {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    open.push_front((path, value, depth + 1));
                }
                more |= members.len() > LINES * 2;
            }
            value if out.len() < LINES => {
                let path = SafeText::limited(path.as_bytes(), VALUE);
                out.push((path, SafeText::limited(bounded_json(value).as_bytes(), VALUE)));
            }
            _ => {
                more = true;
                break;
            }
        }
    }
    (out, more)
}

/// JSON text of a value, without first building all of a huge one.
fn bounded_json(value: &Value) -> String {
    struct Head(Vec<u8>);
    impl std::io::Write for Head {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0.len() > VALUE {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut head = Head(Vec::new());
    // The error only says that the head is full: what is there is shown with an ellipsis.
    let _ = serde_json::to_writer(&mut head, value);
    String::from_utf8_lossy(&head.0).into_owned()
}

/// A shadow whose desired state is not reported.
#[derive(Clone, Copy, Debug)]
pub struct Outstanding<'a> {
    /// The thing.
    pub thing: &'a Name,
    /// The named shadow; `None` for the classic one.
    pub shadow: Option<&'a SafeText>,
    /// Since when the oldest of what is asked for is; the time it was heard of, where that is not known.
    pub since: Ms,
    /// The shadow's version.
    pub version: i64,
    /// The document; `None` where only its delta was heard.
    pub document: Option<&'a ShadowDocument>,
    /// The last delta that was heard.
    pub asked: Option<&'a DeltaEntry>,
}

/// The times in a part of a document's metadata that are of members of `state`, in seconds, the earliest.
fn earliest(state: &Value, metadata: &Value) -> Option<i64> {
    let mut open = vec![(state, metadata)];
    let (mut earliest, mut seen) = (None::<i64>, 0);
    while let Some((state, metadata)) = open.pop() {
        seen += 1;
        if seen > ENTRIES {
            break;
        }
        match (state, metadata) {
            (Value::Object(members), Value::Object(times)) => {
                open.extend(members.iter().filter_map(|(key, value)| Some((value, times.get(key)?))));
            }
            // A list has a time for each of its items.
            (_, Value::Array(times)) => open.extend(times.iter().map(|time| (state, time))),
            (_, Value::Object(time)) => {
                let at = time.get("timestamp").and_then(Value::as_i64);
                earliest = earliest.into_iter().chain(at).min();
            }
            _ => {}
        }
    }
    earliest
}

/// A thing's shadows by name, `None` for the classic one.
#[derive(Debug)]
struct OfThing {
    thing: Name,
    all: BTreeMap<Option<SafeText>, Known<Option<ShadowDocument>>>,
}

fn is_nothing(delta: &Value) -> bool {
    delta.is_null() || delta.as_object().is_some_and(serde_json::Map::is_empty)
}

fn only_heard(entry: &DeltaEntry) -> Outstanding<'_> {
    let (thing, shadow, version) = (&entry.thing, entry.shadow.as_ref(), entry.version);
    Outstanding { thing, shadow, since: entry.at, version, document: None, asked: Some(entry) }
}

/// Shadow documents, bounded: the thing heard of first goes first.
#[derive(Debug)]
pub(super) struct Shadows {
    limit: usize,
    /// How far shadows with a delta were looked for.
    pub(super) reach: Known<ShadowsReach>,
    of: HashMap<Arc<str>, OfThing>,
    order: VecDeque<Arc<str>>,
    settled: Settled,
}

/// What the latest whole look covered: a delta heard before it, and not found by it, is over.
#[derive(Debug, Default)]
struct Settled {
    /// When it began.
    began: Ms,
    /// It covered all things, and of the named shadows those in `searched`; else the things in `looked`.
    all: bool,
    searched: Vec<SafeText>,
    looked: HashSet<Arc<str>>,
    /// The named shadows of the things in `looked` too.
    named: bool,
}

impl Settled {
    fn covers(&self, thing: &str, shadow: Option<&SafeText>, at: Ms) -> bool {
        let by_index = || self.all && shadow.is_none_or(|name| self.searched.contains(name));
        let one_by_one = || self.looked.contains(thing) && (shadow.is_none() || self.named);
        at < self.began && (by_index() || one_by_one())
    }
}

impl Shadows {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            reach: Known::default(),
            of: HashMap::new(),
            order: VecDeque::new(),
            settled: Settled::default(),
        }
    }

    pub(super) fn get(&self, thing: &str, shadow: Option<&str>) -> Option<&Known<Option<ShadowDocument>>> {
        self.of
            .get(thing)?
            .all
            .iter()
            .find(|(name, _)| name.as_ref().map(SafeText::as_str) == shadow)
            .map(|(_, known)| known)
    }

    /// The place for a shadow; room is made for it.
    pub(super) fn slot(
        &mut self,
        thing: &Name,
        shadow: Option<&SafeText>,
    ) -> &mut Known<Option<ShadowDocument>> {
        let key = thing.key();
        if !self.of.contains_key(&key) {
            if self.order.len() >= self.limit
                && let Some(oldest) = self.order.pop_front()
            {
                self.of.remove(&oldest);
            }
            self.order.push_back(Arc::clone(&key));
        }
        let of = || OfThing { thing: thing.clone(), all: BTreeMap::new() };
        let all = &mut self.of.entry(key).or_insert_with(of).all;
        // Eleven: the classic shadow and AWS's ten named ones; a broker that invents more loses the others.
        if all.len() >= 11 && !all.contains_key(&shadow.cloned()) {
            all.clear();
        }
        all.entry(shadow.cloned()).or_default()
    }

    /// Whether the account was looked through for a thing's classic shadow.
    pub(super) fn was_looked_at(&self, thing: &str) -> bool {
        self.settled.all || self.settled.looked.contains(thing)
    }

    /// The shadows whose desired state is not reported, the oldest first; those too of which only a delta was heard.
    pub(super) fn outstanding<'a>(&'a self, heard: &'a VecDeque<DeltaEntry>) -> Vec<Outstanding<'a>> {
        let mut last: HashMap<(&str, Option<&str>), &DeltaEntry> = HashMap::new();
        for entry in heard {
            last.insert((entry.thing.raw(), entry.shadow.as_ref().map(SafeText::as_str)), entry);
        }
        let mut out = Vec::new();
        for of in self.of.values() {
            for (shadow, known) in &of.all {
                let asked = last.remove(&(of.thing.raw(), shadow.as_ref().map(SafeText::as_str)));
                let Some(known_document) = known.get() else {
                    out.extend(asked.map(only_heard));
                    continue;
                };
                let Some(document) = known_document.as_ref().filter(|d| !is_nothing(&d.delta)) else {
                    continue;
                };
                let time = document.metadata.get("desired").and_then(|of| earliest(&document.delta, of));
                let since = time.map(|seconds| seconds.saturating_mul(1_000));
                let since = since.or(asked.map(|entry| entry.at)).or(known.read_at()).unwrap_or_default();
                let (thing, shadow, version) = (&of.thing, shadow.as_ref(), document.version);
                out.push(Outstanding { thing, shadow, since, version, document: Some(document), asked });
            }
        }
        let over =
            |entry: &&DeltaEntry| self.settled.covers(entry.thing.raw(), entry.shadow.as_ref(), entry.at);
        out.extend(last.into_values().filter(|entry| !over(entry)).map(only_heard));
        out.sort_by(|a, b| (a.since, a.thing, a.shadow).cmp(&(b.since, b.thing, b.shadow)));
        out
    }

    /// The account was looked through: a delta that was known before, and is not found any more, is over.
    pub(super) fn settle(&mut self, reading: &ShadowsReading) {
        if !reading.done || reading.began <= 0 {
            return;
        }
        self.settled = Settled {
            began: reading.began,
            all: reading.reach.indexed && !reading.reach.more,
            searched: reading.searched.clone(),
            looked: reading.looked.iter().map(Name::key).collect(),
            named: reading.reach.unnamed.is_none(),
        };
        let found: HashSet<(&str, Option<&str>)> =
            reading.found.iter().map(|f| (f.thing.raw(), f.shadow.as_ref().map(SafeText::as_str))).collect();
        for of in self.of.values_mut() {
            for (shadow, known) in &mut of.all {
                let read = known.read_at().unwrap_or(Ms::MAX);
                if self.settled.covers(of.thing.raw(), shadow.as_ref(), read)
                    && !found.contains(&(of.thing.raw(), shadow.as_ref().map(SafeText::as_str)))
                    && let Some(Some(document)) = known.get_mut()
                {
                    document.delta = Value::Null;
                }
            }
        }
    }

    /// A whole document as of its version; an older version than the known one is dropped.
    pub(super) fn learn(
        &mut self,
        thing: &Name,
        shadow: Option<&SafeText>,
        document: Option<ShadowDocument>,
        at: Ms,
    ) -> bool {
        let slot = self.slot(thing, shadow);
        if let (Some(Some(known)), Some(new)) = (slot.get(), &document)
            && known.version > new.version
            && slot.age(at).is_some_and(|age| age < 5_000)
        {
            // Only a recent document is newer for sure: a deleted and recreated shadow counts from 1 again.
            return false;
        }
        slot.learn(document, at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ShadowRecord;
    use serde_json::json;

    fn heard(thing: &str, shadow: Option<&str>, at: Ms) -> DeltaEntry {
        let shadow = shadow.map(SafeText::new);
        DeltaEntry { at, thing: Name::new(thing), shadow, version: 1, changes: Vec::new(), more: false }
    }

    fn document(delta: Value) -> ShadowDocument {
        let (reported, desired, metadata) = (json!({}), delta.clone(), json!({}));
        ShadowDocument { reported, desired, delta, version: 1, metadata }
    }

    fn names(shadows: &Shadows, log: &VecDeque<DeltaEntry>) -> Vec<String> {
        let all = shadows.outstanding(log);
        let mut names: Vec<String> = all
            .iter()
            .map(|o| format!("{}{}", o.thing.raw(), o.shadow.map(|s| format!("/{s}")).unwrap_or_default()))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_whole_look_does_not_find_is_over_and_what_came_later_is_not() {
        let mut shadows = Shadows::new(100);
        let delta = || document(json!({"led": 1}));
        shadows.learn(&Name::new("A"), None, Some(delta()), 100);
        shadows.learn(&Name::new("B"), None, Some(delta()), 100);
        shadows.learn(&Name::new("C"), None, Some(delta()), 300);
        let log =
            VecDeque::from([heard("D", None, 100), heard("E", Some("cfg"), 100), heard("F", None, 300)]);
        let all = ["A", "B", "C", "D", "E/cfg", "F"];
        assert_eq!(names(&shadows, &log), all);
        let found = vec![ShadowRecord { thing: Name::new("B"), shadow: None, document: delta() }];
        let mut reading = ShadowsReading { found, began: 200, done: false, ..ShadowsReading::default() };
        reading.reach.indexed = true;
        shadows.settle(&reading);
        assert_eq!(names(&shadows, &log), all, "not at its end");
        reading.done = true;
        reading.reach.more = true;
        shadows.settle(&reading);
        assert_eq!(names(&shadows, &log), all, "there are more than were read");
        reading.reach.more = false;
        reading.reach.unnamed = Some("not indexed".into());
        shadows.settle(&reading);
        assert_eq!(names(&shadows, &log), ["B", "C", "E/cfg", "F"], "named ones were not looked at");
        reading.reach.unnamed = None;
        reading.searched = vec!["other".into()];
        shadows.settle(&reading);
        assert_eq!(names(&shadows, &log), ["B", "C", "E/cfg", "F"], "the index does not know that one");
        reading.searched.push("cfg".into());
        shadows.settle(&reading);
        assert_eq!(names(&shadows, &log), ["B", "C", "F"]);

        // One by one, of the things that were looked at.
        let mut shadows = Shadows::new(100);
        for thing in ["A", "B"] {
            shadows.learn(&Name::new(thing), Some(&"cfg".into()), Some(delta()), 100);
        }
        let looked = vec![Name::new("A")];
        shadows.settle(&ShadowsReading { began: 200, done: true, looked, ..ShadowsReading::default() });
        assert_eq!(names(&shadows, &VecDeque::new()), ["B/cfg"]);
    }
}
