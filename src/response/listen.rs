//! What the prover must hear, taken from the events the fleet is fed with anyway: a response never opens a second MQTT
//! connection, and while nothing is being proven listening costs next to nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use tokio::sync::mpsc;

use quell_fleet::event::{Batch, Event, LinkEvent, Notice, PresenceKind};
use quell_fleet::model::Name;
use quell_fleet::state::Sign;
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Ms};

/// Something heard that can prove or disprove a response.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A telemetry message of a device.
    Heard {
        /// The device.
        thing: Name,
        /// When the last of them was received.
        at: Ms,
    },
    /// Another sign of life that AWS let through: a shadow report, a job update, an agent's report.
    Sign {
        /// The device.
        thing: Name,
        /// When.
        at: Ms,
    },
    /// Of several connections, those that bring what a device says: only their answers count for it.
    Carried {
        /// The connections, from 0, by device: all of the devices that are listened for.
        by: Arc<HashMap<Name, Vec<usize>>>,
    },
    /// A client connected, disconnected, or was refused.
    Presence {
        /// The MQTT client id.
        client: Name,
        /// The principal it used.
        principal: Option<SafeText>,
        /// Which.
        kind: PresenceKind,
        /// Why it was disconnected or refused.
        reason: Option<SafeText>,
        /// AWS's timestamp.
        at: Ms,
    },
    /// The MQTT connection is up: silence counts from here.
    LinkUp {
        /// When.
        at: Ms,
        /// Presence events come by it: the broker accepted a filter for them.
        presence: bool,
    },
    /// Other devices are listened to than before: only the silence of these counts, and from here.
    Focus {
        /// The things; `None` for all.
        only: Option<Arc<HashSet<String>>>,
        /// When.
        at: Ms,
    },
    /// The connection carries all AWS lets it, and the excess is discarded (docs/aws-iot.md#3.3): what is not heard now may have
    /// been said.
    AtLimit {
        /// When.
        at: Ms,
    },
    /// A connection answered a question. MQTT keeps order, so what the broker had for it when it was asked has come.
    Answered {
        /// For each connection, when the latest question was asked that it answered; the least time there is for none.
        asked: Arc<[Ms]>,
    },
    /// A connection was asked and does not answer, nor does anything else come: what is not heard may have been said.
    Unanswered {
        /// Which, from 0.
        connection: usize,
        /// When the answer was late.
        at: Ms,
    },
    /// The MQTT connection is gone: what is not heard now proves nothing.
    LinkDown {
        /// When.
        at: Ms,
    },
}

/// What could be heard now: whether there is a connection, and of which things it brings the messages.
#[derive(Clone, Debug, Default)]
pub(in crate::response) struct Hearing {
    /// Since when there is a connection; `None` while there is none.
    pub(in crate::response) link: Option<Ms>,
    /// Presence events come by it.
    pub(in crate::response) presence: bool,
    /// The things listened to and since when; `None` for all, always.
    only: Option<(Arc<HashSet<String>>, Ms)>,
    /// Since when all are, after it was only some.
    all: Option<Ms>,
}

impl Hearing {
    #[cfg(test)]
    pub(in crate::response) fn with(link: Option<Ms>) -> Self {
        Self { link, presence: link.is_some(), ..Self::default() }
    }

    pub(in crate::response) fn note(&mut self, fact: &Fact) {
        match fact {
            Fact::LinkUp { at, presence } => (self.link, self.presence) = (Some(*at), *presence),
            Fact::LinkDown { .. } => self.link = None,
            Fact::Focus { only: Some(only), at } => self.only = Some((Arc::clone(only), *at)),
            Fact::Focus { only: None, at } => (self.only, self.all) = (None, Some(*at)),
            Fact::Heard { .. }
            | Fact::Sign { .. }
            | Fact::Carried { .. }
            | Fact::Presence { .. }
            | Fact::AtLimit { .. }
            | Fact::Answered { .. }
            | Fact::Unanswered { .. } => {}
        }
    }

    /// Since when a thing is among those listened to; `None` when it is not.
    pub(in crate::response) fn focus(&self, thing: &str) -> Option<Ms> {
        match &self.only {
            None => Some(self.all.unwrap_or(Ms::MIN)),
            Some((only, since)) => only.contains(thing).then_some(*since),
        }
    }
}

/// Facts that wait for whoever proves; a second of a busy fleet has some hundred about the devices that are proven.
const WAITING: usize = 4_096;

/// Hands facts on, as many as are waited for. What finds no room is lost, and whoever proves hears of that before anything that
/// comes later: a silence does not count across it (an answer of the connection is a fact that comes later).
#[derive(Debug)]
pub(in crate::response) struct Facts {
    to: mpsc::Sender<Fact>,
    /// The connection, whom it is narrowed to and who carries whom, as last told: what is lost may be one of these.
    link: Option<Fact>,
    focus: Option<Fact>,
    carried: Option<Fact>,
    /// Since when something is lost that was not told.
    lost: Option<Ms>,
}

impl Facts {
    /// Both ends.
    pub(in crate::response) fn channel() -> (Self, mpsc::Receiver<Fact>) {
        let (to, from) = mpsc::channel(WAITING);
        (Self::to(to), from)
    }

    /// Another that hands on to the same receiver.
    pub(in crate::response) fn beside(&self) -> Self {
        Self::to(self.to.clone())
    }

    fn to(to: mpsc::Sender<Fact>) -> Self {
        Self { to, link: None, focus: None, carried: None, lost: None }
    }

    /// Hands `fact` on at `now`; never waits.
    pub(in crate::response) fn send(&mut self, fact: Fact, now: Ms) {
        match &fact {
            Fact::LinkUp { .. } | Fact::LinkDown { .. } => self.link = Some(fact.clone()),
            Fact::Focus { .. } => self.focus = Some(fact.clone()),
            Fact::Carried { .. } => self.carried = Some(fact.clone()),
            _ => {}
        }
        if self.lost.is_some() {
            // What was lost may have been said by a device; then how things stand now.
            let limit = Some(Fact::AtLimit { at: now });
            let told = [limit, self.link.clone(), self.focus.clone(), self.carried.clone()];
            for fact in told.into_iter().flatten() {
                if self.to.try_send(fact).is_err() {
                    self.lost = Some(now);
                    return;
                }
            }
            self.lost = None;
        }
        // One that is gone has nothing left to prove.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.to.try_send(fact) {
            self.lost = Some(now);
        }
    }
}

/// The names that are being proven right now, shared between the responder and its listeners.
#[derive(Debug, Default)]
pub(in crate::response) struct Watched {
    names: RwLock<HashSet<String>>,
    version: AtomicU64,
}

impl Watched {
    pub(in crate::response) fn set(&self, names: HashSet<String>) {
        *self.names.write() = names;
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// Picks the facts out of fleet events. One per receiver of the event channel; it must see every event from the first on,
/// because topics are announced once.
#[derive(Debug)]
pub struct Listener {
    facts: Facts,
    watched: Arc<Watched>,
    /// When it last looked: what is lost is lost then.
    now: Ms,
    seen: u64,
    /// By topic number: its thing when it is telemetry, and whether that thing is watched.
    topics: Vec<Option<(Name, bool)>>,
    any: bool,
    link: Option<Fact>,
    /// When it was last told that the connection is at its limit.
    full: Ms,
    /// When each connection was asked the latest question that it answered.
    answered: Vec<Ms>,
    /// Watched things of which a message on AWS's own topics may be a sign of life.
    signs: Vec<Name>,
    /// Other things are watched, or a topic of theirs is new: who carries them is to be told again.
    outdated: bool,
}

impl Listener {
    pub(in crate::response) fn new(facts: Facts, watched: Arc<Watched>) -> Self {
        Self {
            facts,
            watched,
            now: 0,
            seen: 0,
            topics: Vec::new(),
            any: false,
            link: None,
            full: 0,
            answered: Vec::new(),
            signs: Vec::new(),
            outdated: false,
        }
    }

    /// Looks at one event on its way to [`quell_fleet`]. Call it for every event, before the fleet consumes it, and
    /// [`Self::heed`] when the fleet has.
    pub fn observe(&mut self, event: &Event) {
        let version = self.watched.version.load(Ordering::Acquire);
        if version != self.seen {
            self.seen = version;
            let names = self.watched.names.read();
            self.any = !names.is_empty();
            self.outdated = true;
            for (thing, watched) in self.topics.iter_mut().flatten() {
                *watched = names.contains(thing.raw());
            }
        }
        match event {
            Event::Batch(batch) => self.batch(batch),
            Event::Link(LinkEvent::Up { at, filters, .. }) => {
                let presence = filters.iter().any(|f| f.as_str().starts_with("$aws/events/presence/"));
                self.link(Fact::LinkUp { at: *at, presence });
            }
            Event::Link(LinkEvent::Down { at, .. }) => self.link(Fact::LinkDown { at: *at }),
            Event::Link(LinkEvent::Focus { at, things, .. }) => {
                let only = things.as_ref().map(|things| things.iter().map(|t| t.raw().to_owned()).collect());
                self.send(Fact::Focus { only: only.map(Arc::new), at: *at });
            }
            Event::Link(LinkEvent::Answered { connection, asked, .. }) => self.answered(*connection, *asked),
            Event::Link(LinkEvent::Unanswered { connection, at, .. }) => {
                self.send(Fact::Unanswered { connection: *connection as usize, at: *at });
            }
            Event::Link(_) | Event::Poll(_) | Event::Response(_) | Event::Own(_) => {}
        }
    }

    /// Tells what the fleet made of the event that it was just given: signs of life that are no telemetry, a connection at its
    /// limit, and which of several connections bring what the watched things say.
    pub fn heed(&mut self, fleet: &Fleet, now: Ms) {
        self.now = now;
        let connections = fleet.link().connections();
        self.answered.resize(connections.max(1), Ms::MIN);
        if !self.any {
            return;
        }
        for thing in std::mem::take(&mut self.signs) {
            let Some(id) = fleet.find(thing.raw()) else { continue };
            let signs = fleet.facets(id).life.signs;
            let kinds = [Sign::ShadowReport, Sign::JobUpdate, Sign::AgentReport];
            if let Some(at) = kinds.into_iter().filter_map(|kind| signs.of(kind)).max() {
                self.send(Fact::Sign { thing, at });
            }
        }
        // Once a second is often enough: no silence is shorter.
        if now - self.full >= 1_000 && fleet.is_at_limit(now) {
            self.full = now;
            self.send(Fact::AtLimit { at: now });
        }
        if connections > 1 && std::mem::take(&mut self.outdated) {
            let names = self.watched.names.read();
            let by = names.iter().map(|name| (Name::new(name), fleet.carriers_of(name))).collect();
            drop(names);
            self.send(Fact::Carried { by: Arc::new(by) });
        }
    }

    fn batch(&mut self, batch: &Batch) {
        for entry in &batch.topics {
            let at = entry.id as usize;
            // Numbers are dense, so the table grows by the few that are new.
            if self.topics.len() <= at {
                self.topics.resize(at + 1, None);
            }
            let watched = |thing: &Name| self.watched.names.read().contains(thing.raw());
            let slot = entry.thing.as_ref().filter(|_| entry.telemetry).map(|t| (t.clone(), watched(t)));
            self.outdated |= slot.as_ref().is_some_and(|(_, watched)| *watched);
            if let Some(place) = self.topics.get_mut(at) {
                *place = slot;
            }
        }
        if !self.any {
            return;
        }
        let heard = batch
            .messages
            .iter()
            .map(|m| (m.topic, m.at))
            .chain(batch.counted.iter().map(|c| (c.topic, c.at)));
        let mut last: Vec<(u32, Ms)> = Vec::new();
        for (topic, at) in heard {
            if !matches!(self.topics.get(topic as usize), Some(Some((_, true)))) {
                continue;
            }
            match last.iter_mut().find(|(t, _)| *t == topic) {
                Some((_, latest)) => *latest = at.max(*latest),
                None => last.push((topic, at)),
            }
        }
        for (topic, at) in last {
            if let Some(Some((thing, _))) = self.topics.get(topic as usize) {
                let thing = thing.clone();
                self.send(Fact::Heard { thing, at });
            }
        }
        for notice in &batch.notices {
            if let Notice::ShadowDocument { thing, .. }
            | Notice::DefenderReport { thing, .. }
            | Notice::Report { thing, .. }
            | Notice::JobEvent { thing: Some(thing), .. } = notice
                && !self.signs.contains(thing)
                && self.watched.names.read().contains(thing.raw())
            {
                self.signs.push(thing.clone());
            }
            let Notice::Presence { client, kind, reason, principal, at, .. } = notice else { continue };
            let watched = {
                let names = self.watched.names.read();
                let by_principal = principal.as_ref().is_some_and(|p| names.contains(p.as_str()));
                by_principal || names.contains(client.raw())
            };
            if watched {
                self.send(Fact::Presence {
                    client: client.clone(),
                    principal: principal.clone(),
                    kind: *kind,
                    reason: reason.clone(),
                    at: *at,
                });
            }
        }
    }

    fn answered(&mut self, connection: u32, asked: Ms) {
        // Connections are few; a number beyond that is a mistake that must not take memory.
        let at = (connection as usize).min(63);
        if self.answered.len() <= at {
            self.answered.resize(at + 1, Ms::MIN);
        }
        if let Some(latest) = self.answered.get_mut(at) {
            *latest = asked.max(*latest);
        }
        if self.any {
            self.send(Fact::Answered { asked: self.answered.as_slice().into() });
        }
    }

    fn link(&mut self, fact: Fact) {
        self.answered.fill(Ms::MIN);
        self.link = Some(fact.clone());
        self.send(fact);
    }

    fn send(&mut self, fact: Fact) {
        let at = match &fact {
            Fact::Heard { at, .. } | Fact::Sign { at, .. } => *at,
            _ => self.now,
        };
        self.facts.send(fact, at.max(self.now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_found_no_room_is_told_before_what_comes_later() {
        let (mut facts, mut heard) = Facts::channel();
        facts.send(Fact::LinkUp { at: 1, presence: true }, 1);
        let thing = || Name::new("T");
        for at in 0..WAITING as Ms + 10 {
            facts.send(Fact::Heard { thing: thing(), at }, at);
        }
        facts.send(Fact::LinkDown { at: 9_000 }, 9_000);
        let mut first = 0;
        while heard.try_recv().is_ok() {
            first += 1;
        }
        assert_eq!(first, WAITING);
        facts.send(Fact::Answered { asked: [9_500].into() }, 9_600);
        let after: Vec<Fact> = std::iter::from_fn(|| heard.try_recv().ok()).collect();
        let down = Fact::LinkDown { at: 9_000 };
        assert_eq!(after, [Fact::AtLimit { at: 9_600 }, down, Fact::Answered { asked: [9_500].into() }]);
        facts.send(Fact::AtLimit { at: 9_700 }, 9_700);
        assert_eq!(heard.try_recv(), Ok(Fact::AtLimit { at: 9_700 }), "told once");
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn who_carries_a_device_is_told_again_when_it_found_no_room() {
        let (mut facts, mut heard) = Facts::channel();
        let thing = || Name::new("T");
        let carried = |by: usize| Fact::Carried { by: Arc::new(HashMap::from([(thing(), vec![by])])) };
        facts.send(carried(0), 1);
        for at in 0..WAITING as Ms {
            facts.send(Fact::Heard { thing: thing(), at }, at);
        }
        facts.send(carried(1), 9_000);
        while heard.try_recv().is_ok() {}
        let answered = Fact::Answered { asked: [9_500, 9_500].into() };
        facts.send(answered.clone(), 9_600);
        let after: Vec<Fact> = std::iter::from_fn(|| heard.try_recv().ok()).collect();
        assert_eq!(after, [Fact::AtLimit { at: 9_600 }, carried(1), answered]);
    }
}
