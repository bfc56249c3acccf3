//! Topics as numbers, each looked at once: whose it is, and what its messages mean.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::config::ThingFrom;
use quell_fleet::event::TopicEntry;
use quell_fleet::model::Name;
use quell_fleet::texts::{Place, Texts};

use super::meaning::{Meaning, reporter};

/// Topics told apart at least; more share one row, still counted exactly.
const LEAST: usize = 1_000;
/// One topic is told apart for so many bytes of the memory budget: 200,000 with what it is by default, a million with 80 MB.
const EACH: u64 = 80;
/// A topic counts once more for each of so many bytes: AWS allows no longer ones, other brokers 64 KiB.
const LONG: usize = 256;

/// What is known of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: u32,
    pub(super) meaning: Meaning,
}

/// A topic in the table: twelve bytes.
#[derive(Clone, Copy, Debug)]
struct Slot {
    id: u32,
    text: Place,
    meaning: Meaning,
}

/// The topics seen in this run.
#[derive(Debug)]
pub struct Topics {
    table: HashTable<Slot>,
    /// Topics are chosen by devices: a keyed hash.
    hasher: RandomState,
    texts: Texts,
    /// How many were told apart, long ones counted as several.
    taken: usize,
    rules: Vec<ThingFrom>,
    /// Topics not handed over yet.
    fresh: Vec<TopicEntry>,
    next: u32,
    /// Numbers grow by this: each of several connections has its own.
    step: u32,
    most: usize,
    overflow: Option<u32>,
    /// That there are more was not told yet.
    beyond: bool,
}

impl Topics {
    /// No topic yet; `rules` say whose one is, and `budget` bytes of memory how many are told apart.
    pub fn new(rules: Vec<ThingFrom>, budget: u64) -> Self {
        Self::of_connection(rules, budget, 0, 1)
    }

    /// The same for one of `of` connections: the numbers of each leave the same remainder.
    pub fn of_connection(rules: Vec<ThingFrom>, budget: u64, index: u32, of: u32) -> Self {
        let most = usize::try_from(budget / EACH).unwrap_or(usize::MAX).max(LEAST);
        Self {
            table: HashTable::new(),
            hasher: RandomState::new(),
            texts: Texts::default(),
            taken: 0,
            rules,
            fresh: Vec::new(),
            next: index,
            step: of.max(1),
            most: (most / of.max(1) as usize).max(1),
            overflow: None,
            beyond: false,
        }
    }

    /// Other rules: every topic is looked at again, under a number of its own.
    pub(super) fn set_rules(&mut self, rules: Vec<ThingFrom>) {
        self.rules = rules;
        self.table.clear();
        self.texts.clear();
        self.taken = 0;
        self.overflow = None;
    }

    /// The number of a topic, new or not.
    pub(super) fn of(&mut self, topic: &str) -> Known {
        let hash = self.hasher.hash_one(topic);
        if let Some(slot) = self.table.find(hash, |slot| self.texts.is(slot.text, topic)) {
            return Known { id: slot.id, meaning: slot.meaning };
        }
        let meaning = Meaning::of(topic);
        let room = self.taken < self.most;
        let Some(text) = room.then(|| self.texts.push(topic)).flatten() else {
            let id = match self.overflow {
                Some(id) => id,
                None => {
                    let id = self.introduce("(more topics than are told apart)".into(), None, true);
                    self.overflow = Some(id);
                    self.beyond = true;
                    id
                }
            };
            return Known { id, meaning };
        };
        self.taken += 1 + topic.len() / LONG;
        let thing = match (topic.strip_prefix("$aws/things/"), reporter(topic)) {
            (_, Some(thing)) => Some(Name::new(thing)),
            (Some(rest), None) => rest.split('/').next().map(Name::new),
            (None, None) => ThingFrom::of(&self.rules, topic).map(|thing| Name::new(&thing)),
        };
        let id = self.introduce(topic.into(), thing, !topic.starts_with('$'));
        let hash_of = |slot: &Slot| self.hasher.hash_one(self.texts.get(slot.text));
        self.table.insert_unique(hash, Slot { id, text, meaning }, hash_of);
        Known { id, meaning }
    }

    fn introduce(&mut self, topic: Arc<str>, thing: Option<Name>, telemetry: bool) -> u32 {
        let id = self.next;
        self.next += self.step;
        self.fresh.push(TopicEntry { id, topic, thing, telemetry });
        id
    }

    /// Whether more topics came than are told apart; true once.
    pub(super) fn take_beyond(&mut self) -> bool {
        std::mem::take(&mut self.beyond)
    }

    /// The topics first seen since the last call.
    pub(super) fn take_fresh(&mut self) -> Vec<TopicEntry> {
        std::mem::take(&mut self.fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_takes_twelve_bytes_and_its_text() {
        assert_eq!(size_of::<Slot>(), 12);
    }

    #[test]
    fn long_topics_count_as_several_and_are_told_apart_by_their_ends() {
        let mut topics = Topics::new(Vec::new(), 1_000 * EACH);
        let long = |i: usize| format!("{}{i:04}", "x".repeat(9 * LONG));
        let told: Vec<u32> = (0..102).map(|i| topics.of(&long(i)).id).collect();
        assert_eq!(told[..100], Vec::from_iter(0..100));
        assert_eq!(told[100], told[101], "those beyond share a row");
        assert_eq!(told, (0..102).map(|i| topics.of(&long(i)).id).collect::<Vec<_>>());
        assert_eq!(topics.take_fresh().len(), 101);
    }

    #[test]
    fn other_rules_look_at_every_topic_again() {
        let mut topics = Topics::new(Vec::new(), 0);
        assert_eq!([topics.of("dt/a").id, topics.of("dt/b").id, topics.of("dt/a").id], [0, 1, 0]);
        topics.set_rules(vec![ThingFrom::parse("dt/{thing}").unwrap()]);
        assert_eq!([topics.of("dt/b").id, topics.of("dt/a").id], [2, 3]);
        let things: Vec<_> = topics.take_fresh().into_iter().map(|entry| entry.thing).collect();
        assert_eq!(things, [None, None, Some(Name::new("b")), Some(Name::new("a"))]);
    }

    #[test]
    fn what_is_beyond_the_budget_shares_a_row_and_is_said_once() {
        let mut topics = Topics::of_connection(Vec::new(), 4_000 * EACH, 1, 2);
        for i in 0..2_000 {
            topics.of(&format!("t/{i}"));
        }
        assert!(!topics.take_beyond());
        let rest = topics.of("t/2000").id;
        assert_eq!(topics.of("t/2001").id, rest);
        assert_ne!(topics.of("t/1999").id, rest, "what is told apart stays so");
        assert!(topics.take_beyond() && !topics.take_beyond());
        assert_eq!(topics.take_fresh().len(), 2_001);
        assert!(topics.of("t/0").id % 2 == 1, "each connection has numbers of its own");
    }
}
