//! The MQTT connection as the fleet knows it, when it was listening, and how much came.

use std::collections::VecDeque;
use std::sync::Arc;

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
    /// When anything last came, messages or an answer.
    last_life: Option<Ms>,
    /// Since when nothing came any more from a fleet that spoke.
    suspect: Option<Ms>,
    /// The connection that does not answer, and when it was asked.
    unanswered: Option<(u32, Ms)>,
    /// Since when a connection carries all it may, and until when one did.
    full: Option<Ms>,
    full_until: Option<Ms>,
    /// For each connection: the time of the latest question it answered.
    answered: Vec<Ms>,
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

    /// True when somebody listened at some time.
    pub(super) fn ever(&self) -> bool {
        self.open.is_some() || !self.stretches.is_empty()
    }

    /// Since when it is listened without interruption.
    pub fn since(&self) -> Option<Ms> {
        self.open
    }

    /// Since when there is something to show: the begin of the oldest stretch that is remembered, whatever was lost since.
    pub fn first(&self) -> Option<Ms> {
        self.stretches.front().map(|(since, _)| *since).or(self.open)
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

    /// Since when the connection seems to stand and cannot be trusted: it does not answer, or nothing comes any more from a
    /// fleet that spoke.
    pub fn suspect(&self) -> Option<Ms> {
        let unanswered = self.unanswered.map(|(_, asked)| asked);
        match (self.suspect, unanswered) {
            (Some(silent), Some(asked)) => Some(silent.min(asked)),
            (silent, asked) => silent.or(asked),
        }
    }

    /// True when it was asked and does not answer.
    pub fn is_unanswered(&self) -> bool {
        self.unanswered.is_some()
    }

    /// Since when a connection carries all AWS lets it.
    pub fn full_since(&self) -> Option<Ms> {
        self.full
    }

    /// Until when a connection last carried all it may; the least time there is when none ever did.
    pub(super) fn full_until(&self) -> Ms {
        self.full_until.unwrap_or(Ms::MIN)
    }

    /// When anything last came.
    pub fn last_life(&self) -> Option<Ms> {
        self.last_life
    }

    /// The time of the latest question that a connection answered: what the broker had for it until then has come, since
    /// MQTT keeps order. The least time there is when there is no such connection.
    pub fn answered(&self, connection: usize) -> Ms {
        let all = self.answered.len().max(1);
        self.answered.get(connection % all).copied().unwrap_or(Ms::MIN)
    }

    /// Something came.
    pub(super) fn alive(&mut self, at: Ms) {
        if self.last_life.is_none_or(|last| at > last) {
            self.last_life = Some(at);
            self.suspect = None;
            // A single connection that brings something is there; of several, only its own answer tells.
            if self.seconds.len() <= 1 {
                self.unanswered = self.unanswered.filter(|(_, asked)| *asked >= at);
            }
        }
    }

    pub(super) fn set_suspect(&mut self, since: Option<Ms>) -> bool {
        std::mem::replace(&mut self.suspect, since) != since
    }

    pub(super) fn set_full(&mut self, full: bool, now: Ms) -> bool {
        match (full, self.full) {
            (true, None) => self.full = Some(now),
            (false, Some(_)) => {
                self.full = None;
                self.full_until = Some(now);
            }
            _ => return false,
        }
        true
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
    pub(super) fn link_event(&mut self, event: LinkEvent, now: Ms) -> Changes {
        if matches!(event, LinkEvent::Up { .. }) {
            Arc::make_mut(&mut self.clients).listen_anew();
            self.listen_to_clones_anew();
        }
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
                // The subscriptions were answered.
                link.answered = vec![at; link.seconds.len().max(1)];
                link.suspect = None;
                link.unanswered = None;
                link.last_life = link.last_life.max(Some(at));
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
            LinkEvent::Answered { connection, asked, at } => {
                link.alive(at);
                link.unanswered = link.unanswered.filter(|(other, _)| *other != connection);
                if let Some(known) = link.answered.get_mut(connection as usize) {
                    *known = asked.max(*known);
                }
                return Changes::NONE;
            }
            LinkEvent::Unanswered { connection, asked, .. } => {
                // What came until the question was asked is still good.
                link.unanswered.get_or_insert((connection, asked));
                return Changes::LINK | Changes::DEVICES;
            }
            LinkEvent::Focus { at, things, wanted, filters } => {
                return self.focused(things, wanted, filters, at) | self.judge_all(now);
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
                // A connection that was suspect heard nothing from the moment on at which the fleet fell silent.
                link.watch.end(link.suspect().unwrap_or(at));
                link.suspect = None;
                link.unanswered = None;
                link.set_full(false, at);
                link.answered.clear();
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
        Changes::LINK | self.judge_all(now)
    }
}
