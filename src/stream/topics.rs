//! Topics as numbers, each looked at once: whose it is, and what its messages mean.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::ThingFrom;
use quell_fleet::event::TopicEntry;
use quell_fleet::model::Name;

use super::meaning::Meaning;

/// Topics told apart; more share one row, still counted exactly.
const MOST: usize = 200_000;

/// What is known of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: u32,
    pub(super) meaning: Meaning,
}

/// The topics seen in this run.
#[derive(Debug)]
pub struct Topics {
    known: HashMap<Arc<str>, Known>,
    rules: Vec<ThingFrom>,
    /// Topics not handed over yet.
    fresh: Vec<TopicEntry>,
    next: u32,
    /// Numbers grow by this: each of several connections has its own.
    step: u32,
    overflow: Option<u32>,
}

impl Topics {
    /// No topic yet; `rules` say whose one is.
    pub fn new(rules: Vec<ThingFrom>) -> Self {
        Self::of_connection(rules, 0, 1)
    }

    /// The same for one of `of` connections: the numbers of each leave the same remainder.
    pub fn of_connection(rules: Vec<ThingFrom>, index: u32, of: u32) -> Self {
        Self { known: HashMap::new(), rules, fresh: Vec::new(), next: index, step: of.max(1), overflow: None }
    }

    /// Other rules: every topic is looked at again, under a number of its own.
    pub(super) fn set_rules(&mut self, rules: Vec<ThingFrom>) {
        self.rules = rules;
        self.known.clear();
        self.overflow = None;
    }

    /// The number of a topic, new or not.
    pub(super) fn of(&mut self, topic: &str) -> Known {
        if let Some(known) = self.known.get(topic) {
            return *known;
        }
        if self.known.len() >= MOST {
            let id = match self.overflow {
                Some(id) => id,
                None => {
                    let id = self.introduce("(more topics than are told apart)".into(), None, true);
                    self.overflow = Some(id);
                    id
                }
            };
            return Known { id, meaning: Meaning::of(topic) };
        }
        let meaning = Meaning::of(topic);
        let text: Arc<str> = topic.into();
        let thing = match topic.strip_prefix("$aws/things/") {
            Some(rest) => rest.split('/').next().map(Name::new),
            None => ThingFrom::of(&self.rules, topic).map(|thing| Name::new(&thing)),
        };
        let id = self.introduce(Arc::clone(&text), thing, !topic.starts_with('$'));
        let known = Known { id, meaning };
        self.known.insert(text, known);
        known
    }

    fn introduce(&mut self, topic: Arc<str>, thing: Option<Name>, telemetry: bool) -> u32 {
        let id = self.next;
        self.next += self.step;
        self.fresh.push(TopicEntry { id, topic, thing, telemetry });
        id
    }

    /// The topics first seen since the last call.
    pub(super) fn take_fresh(&mut self) -> Vec<TopicEntry> {
        std::mem::take(&mut self.fresh)
    }
}
