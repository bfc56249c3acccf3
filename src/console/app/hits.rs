//! The search through the messages kept: the newest first, so many at a time, so that no key waits for megabytes of payload.
//! What was looked at once is not looked at again.

use std::collections::VecDeque;

use quell_fleet::Kept;

use super::filter::{self, Subject};
use super::list::{Key, ListId};
use super::{App, Env, View, rows};

/// Messages looked at in one step.
const MESSAGES: usize = 2_000;
/// Bytes looked at in one step; patterns and documents count for more than they have.
const BYTES: u64 = 4 << 20;

/// What a search has found so far.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    /// What is searched for.
    text: String,
    /// Whether AWS's own notices are searched too.
    everything: bool,
    /// The messages found, the oldest first.
    found: VecDeque<Key>,
    /// Looked at are the messages from here on,
    from: u64,
    /// up to this one, which was not.
    to: u64,
    /// There are older messages, or newer ones, to be looked at.
    behind: bool,
    /// How many of those looked at pass each term by itself, while none passed all of them.
    each: Vec<u64>,
    /// How many were looked at, and how many of those had no payload any more.
    looked: [u64; 2],
}

impl Hits {
    /// The messages found, the oldest first.
    pub(super) fn found(&self) -> impl DoubleEndedIterator<Item = Key> + '_ {
        self.found.iter().copied()
    }

    /// What is searched for.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// How many were found, and how many were looked at.
    pub(crate) fn counts(&self) -> (usize, u64) {
        (self.found.len(), self.looked[0])
    }

    /// True while there is more to look at.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    fn note(&mut self, seq: u64, newest: bool, hit: bool, bare: bool) {
        self.looked[0] += 1;
        self.looked[1] += u64::from(bare);
        match (hit, newest) {
            (true, true) => self.found.push_back(seq),
            (true, false) => self.found.push_front(seq),
            (false, _) => {}
        }
        if newest {
            self.to = seq + 1;
        } else {
            self.from = seq;
        }
    }
}

impl App {
    /// The search of the stream, while there is one.
    pub(crate) fn hits(&self) -> Option<&Hits> {
        self.hits.as_ref()
    }

    /// True while messages are still to be searched: a frame is due.
    pub(in crate::console) fn is_searching(&self) -> bool {
        self.shows_stream() && self.hits.as_ref().is_some_and(Hits::is_behind)
    }

    /// Whether messages are listed in the view: elsewhere nothing is searched for.
    fn shows_stream(&self) -> bool {
        matches!(self.view(), View::Stream | View::Overview)
    }

    /// Goes on with the search of the stream by one step: what came since, and then what is older.
    pub(super) fn search_stream(&mut self, env: &Env<'_>) {
        if !self.shows_stream() {
            return;
        }
        let everything = *self.view() == View::Stream;
        let mut hits = self.hits.take();
        let Some(filter) = self.filter_of(ListId::Stream) else { return };
        let log = env.fleet.stream();
        let newest = log.iter().next_back().map_or(0, |kept| kept.seq + 1);
        let same = |hits: &Hits| hits.text == filter.text() && hits.everything == everything;
        let oldest = log.iter().next().map_or(newest, |kept| kept.seq);
        // All that was found was let go: what each term passes was not counted meanwhile, and is counted anew.
        let emptied = |hits: &Hits| hits.found.back().is_some_and(|seq| *seq < oldest);
        let mut hits = match hits.take_if(|hits| same(hits) && hits.to <= newest && !emptied(hits)) {
            Some(hits) => hits,
            None => Hits {
                text: filter.text().to_owned(),
                everything,
                from: newest,
                to: newest,
                each: vec![0; filter.written().len()],
                ..Hits::default()
            },
        };
        while hits.found.front().is_some_and(|seq| *seq < oldest) {
            hits.found.pop_front();
        }
        let mut matcher = filter::matcher();
        let effort = filter.effort();
        let (mut messages, mut bytes) = (0, 0);
        let mut look = |hits: &mut Hits, kept: &Kept, newest: bool| {
            let hit = self.streams(kept, env) && {
                self.message(kept, env, |subject| {
                    if hits.found.is_empty() {
                        filter.accepts_counting(subject, &mut matcher, &mut hits.each)
                    } else {
                        filter.accepts(subject, &mut matcher)
                    }
                })
            };
            hits.note(kept.seq, newest, hit, kept.payload.is_none());
            messages += 1;
            bytes += u64::from(kept.len).saturating_mul(effort);
            messages < MESSAGES && bytes < BYTES
        };
        let mut goes_on = true;
        let begin = hits.to.max(oldest);
        if let Some(at) = log.position(begin) {
            goes_on = log.iter().skip(at).all(|kept| look(&mut hits, kept, true));
        }
        if goes_on && let Some(at) = hits.from.checked_sub(1).and_then(|seq| log.position(seq)) {
            let older = log.iter().rev().skip(log.len() - 1 - at);
            for kept in older {
                if !look(&mut hits, kept, false) {
                    break;
                }
            }
        }
        hits.behind = hits.to < newest || hits.from > oldest;
        self.hits = Some(hits);
    }

    /// Asks about a message whatever a search of the stream may ask.
    pub(super) fn message(&self, kept: &Kept, env: &Env<'_>, ask: impl FnOnce(&Subject<'_>) -> bool) -> bool {
        let topic = env.fleet.topic(kept.topic);
        let text = topic.map_or("", |t| t.text());
        let on_topic = |wanted: &str| super::topic_matches(wanted, text);
        let device = topic.and_then(|t| t.device()).map(|id| env.fleet.device(id));
        let both = format!("{} {text}", device.map_or("", |device| device.name().shown().as_str()));
        let known = device.filter(|device| !device.is_unattributed());
        ask(&Subject {
            state: known.map(|device| device.word().text()),
            in_group: &|group| known.is_some_and(|device| rows::is_in_group(env, device, group)),
            kind: topic.map(|t| t.kind().text()),
            size: Some(f64::from(kept.len)),
            payload: kept.payload.as_deref(),
            on_topic: &on_topic,
            ..Subject::text(&both)
        })
    }

    /// Why a search shows nothing, in a sentence; `None` when it shows something.
    pub(crate) fn nothing_found(&self) -> Option<String> {
        let hits = self.hits.as_ref()?;
        let filter = self.filter_of(ListId::Stream)?;
        if !hits.found.is_empty() {
            return None;
        }
        if let Some(why) = filter.broken() {
            return Some(why);
        }
        let [looked, bare] = hits.looked;
        if hits.behind {
            return Some(format!("nothing yet in the newest {looked} messages"));
        }
        let mut parts = filter.written().zip(&hits.each).enumerate();
        if let Some((at, (term, _))) = parts.find(|(_, (_, count))| **count == 0) {
            let gone = match filter.needs_payload(at) && bare > 0 {
                true => format!("; {bare} of them have no payload any more"),
                false => String::new(),
            };
            return Some(format!("none of the {looked} messages searched has {term}{gone}"));
        }
        let each: Vec<String> =
            filter.written().zip(&hits.each).map(|(term, count)| format!("{term} {count}")).collect();
        Some(format!("none of the {looked} messages searched has all of it: {}", each.join(", ")))
    }
}
