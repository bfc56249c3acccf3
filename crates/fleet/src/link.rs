//! The MQTT connection as the fleet knows it, when it was listening, and how much came.

use std::collections::VecDeque;

use crate::text::SafeText;

use super::event::LinkEvent;
use super::{Changes, Fleet, Ms, SourceId};

/// Where the connection stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LinkState {
    /// Nothing was tried yet.
    #[default]
    Off,
    /// Trying.
    Connecting,
    /// Connected and subscribed.
    Up,
    /// Lost or not reached.
    Down {
        /// One sentence.
        reason: SafeText,
        /// When the next attempt is made, if one is.
        retry_at: Option<Ms>,
    },
}

/// The connection's life.
#[derive(Clone, Debug, Default)]
pub struct Link {
    state: LinkState,
    since: Option<Ms>,
    client_id: Option<SafeText>,
    filters: Vec<SafeText>,
    refused: Vec<(SafeText, SafeText)>,
    reconnects: u64,
    watch: Watch,
    /// For each connection, by second: messages and bytes.
    seconds: Vec<[(Ms, u64, u64); 8]>,
}

/// When the stream was listened to.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Closed stretches, oldest first, and the open one.
    stretches: VecDeque<(Ms, Ms)>,
    open: Option<Ms>,
}

/// Stretches remembered: an hour of a connection that is lost once a minute.
const STRETCHES: usize = 64;

/// From this share of a connection's limit on it is worth saying.
pub(super) const NEAR: f64 = 0.8;

/// Messages and bytes a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Messages a second.
    pub messages_per_s: f64,
    /// Payload bytes a second.
    pub bytes_per_s: f64,
}

impl Watch {
    /// True when the whole of `from..to` was listened to.
    pub fn covers(&self, from: Ms, to: Ms) -> bool {
        let inside = |since: Ms, until: Ms| since <= from && to <= until;
        self.open.is_some_and(|since| inside(since, Ms::MAX))
            || self.stretches.iter().any(|(since, until)| inside(*since, *until))
    }

    /// True when `from..to` lies in a gap as a whole.
    pub(super) fn misses(&self, from: Ms, to: Ms) -> bool {
        self.gaps().any(|(lost, back)| lost <= from && back.is_none_or(|back| to <= back))
    }

    /// Since when it is listened without interruption.
    pub fn since(&self) -> Option<Ms> {
        self.open
    }

    /// The gaps between stretches, oldest first: `(lost, back)`; the last may still be open.
    pub fn gaps(&self) -> impl Iterator<Item = (Ms, Option<Ms>)> + '_ {
        self.stretches.iter().enumerate().map(|(i, (_, until))| {
            let next = self.stretches.get(i + 1).map(|(since, _)| *since).or(self.open);
            (*until, next)
        })
    }

    /// Listening, as far back as one can ask.
    pub(super) fn always() -> Self {
        Self { stretches: VecDeque::new(), open: Some(Ms::MIN) }
    }

    /// When the last closed stretch ended.
    pub(super) fn last_end(&self) -> Option<Ms> {
        self.stretches.back().map(|(_, until)| *until)
    }

    pub(super) fn begin(&mut self, at: Ms) {
        self.open.get_or_insert(at);
    }

    pub(super) fn end(&mut self, at: Ms) {
        if let Some(since) = self.open.take() {
            if self.stretches.len() == STRETCHES {
                self.stretches.pop_front();
            }
            self.stretches.push_back((since, at.max(since)));
        }
    }
}

impl Link {
    /// Where it stands.
    pub fn state(&self) -> &LinkState {
        &self.state
    }

    /// True when connected and subscribed.
    pub fn is_up(&self) -> bool {
        self.state == LinkState::Up
    }

    /// Since when it stands there.
    pub fn since(&self) -> Option<Ms> {
        self.since
    }

    /// Our client id.
    pub fn client_id(&self) -> Option<&SafeText> {
        self.client_id.as_ref()
    }

    /// Filters the broker accepted.
    pub fn filters(&self) -> &[SafeText] {
        &self.filters
    }

    /// Filters the broker refused, each with the reason: what they would bring is not seen.
    pub fn refused(&self) -> &[(SafeText, SafeText)] {
        &self.refused
    }

    /// How often the connection came back.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Stretches in which nothing was heard because nobody listened: `(lost, back)`.
    pub fn gaps(&self) -> impl Iterator<Item = (Ms, Option<Ms>)> + '_ {
        self.watch.gaps()
    }

    /// When it was listened.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(super) fn set_filters(&mut self, filters: Vec<SafeText>) {
        self.refused.retain(|(refused, _)| !filters.contains(refused));
        self.filters = filters;
    }

    pub(super) fn with(connections: u32) -> Self {
        Self { seconds: vec![Default::default(); connections.clamp(1, 64) as usize], ..Self::default() }
    }

    /// How many connections share the load.
    pub fn connections(&self) -> usize {
        self.seconds.len()
    }

    /// Counts what was heard on a topic: its number tells the connection.
    pub(super) fn note(&mut self, topic: u32, at: Ms, messages: u64, bytes: u64) {
        let second = at.div_euclid(1000);
        let connection = topic as usize % self.seconds.len().max(1);
        let slots = self.seconds.get_mut(connection);
        let slot = slots.and_then(|slots| {
            let slot = second.rem_euclid(slots.len() as Ms) as usize;
            slots.get_mut(slot)
        });
        if let Some(kept) = slot {
            if kept.0 == second {
                kept.1 += messages;
                kept.2 += bytes;
            } else if kept.0 < second {
                *kept = (second, messages, bytes);
            }
        }
    }

    /// The rates of each connection.
    pub(super) fn each(&self, now: Ms) -> impl Iterator<Item = Rates> + '_ {
        /// Whole seconds looked at; the running one is not whole yet.
        const OVER: Ms = 5;
        let this = now.div_euclid(1000);
        // While listening for less than five seconds, divide by what was listened.
        let over =
            self.watch.open.map_or(OVER, |since| (this - since.div_euclid(1000)).clamp(1, OVER)) as f64;
        self.seconds.iter().map(move |seconds| {
            let (messages, bytes) = seconds
                .iter()
                .filter(|(second, ..)| (this - OVER..this).contains(second))
                .fold((0, 0), |sum, (_, m, b)| (sum.0 + m, sum.1 + b));
            Rates { messages_per_s: messages as f64 / over, bytes_per_s: bytes as f64 / over }
        })
    }

    pub(super) fn rates(&self, now: Ms) -> Rates {
        self.each(now).fold(Rates::default(), |sum, one| Rates {
            messages_per_s: sum.messages_per_s + one.messages_per_s,
            bytes_per_s: sum.bytes_per_s + one.bytes_per_s,
        })
    }
}

impl Fleet {
    pub(super) fn link_event(&mut self, event: LinkEvent) -> Changes {
        let link = &mut self.link;
        match event {
            LinkEvent::Connecting { at } => {
                // Keep the reason of a failure in sight until the connection is up.
                if !matches!(link.state, LinkState::Down { .. }) {
                    link.since = Some(at);
                    link.state = LinkState::Connecting;
                }
            }
            LinkEvent::Up { at, client_id, filters } => {
                self.detection.listen(true, at);
                let again = link.client_id.is_some();
                link.reconnects += u64::from(again);
                link.state = LinkState::Up;
                link.since = Some(at);
                link.client_id = Some(client_id);
                link.set_filters(filters);
                link.watch.begin(at);
                self.losses.connected(at);
                if again {
                    // What changed while nobody listened was never announced (docs/aws-iot.md#6.20).
                    for source in [SourceId::Violations, SourceId::Jobs] {
                        self.want(source);
                    }
                    let groups = self.limits.quarantine_groups.clone();
                    for group in groups {
                        self.want(SourceId::Members(super::model::Name::new(&group)));
                    }
                }
            }
            LinkEvent::Answered { .. } | LinkEvent::Unanswered { .. } => return Changes::NONE,
            LinkEvent::Focus { at, things, wanted, filters } => {
                return self.focused(things, wanted, filters, at);
            }
            LinkEvent::FilterRefused { filter, why, .. } => {
                link.filters.retain(|f| *f != filter);
                link.refused.retain(|(f, _)| *f != filter);
                if link.refused.len() < 64 {
                    link.refused.push((filter, why));
                }
            }
            LinkEvent::Down { at, reason, retry_at } => {
                self.detection.listen(false, at);
                link.watch.end(at);
                if !matches!(link.state, LinkState::Down { .. }) {
                    link.since = Some(at);
                }
                // Not having been connected yet is no loss.
                if link.client_id.is_some() {
                    self.losses.disconnected(at, &reason);
                }
                link.state = LinkState::Down { reason, retry_at };
            }
        }
        Changes::LINK
    }
}
