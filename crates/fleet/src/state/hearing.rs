//! Whether a device could be heard: the connection, what it answers, what it may carry, which filters it has, and whom it
//! is narrowed to.

use quell_rules::topics::Dialect;

use crate::link::LinkState;
use crate::state::facets::{Deaf, Hearing, Reason};
use crate::state::words::Word;
use crate::{Changes, Device, DeviceId, Fleet, Ms};

/// A pause of the whole fleet shorter than this is looked at by nobody: what is under way may take as long.
const PAUSE: Ms = 3_000;
/// So many messages must be missing before a pause of all is no accident.
const MISSED: f64 = 8.0;
/// So many devices must be overdue: one that falls silent says nothing about the connection.
const OVERDUE: usize = 2;

/// How far the connection as a whole can be trusted to hear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heed<'a> {
    /// It hears.
    Hears,
    /// It does not, since then.
    Deaf(Deaf<'a>, Ms),
    /// It was never there.
    Never(Reason<'a>),
}

impl Fleet {
    /// Whether anything can be heard at all; what stands in the line above every view.
    pub fn heed(&self) -> Heed<'_> {
        let link = self.link();
        let lost = link.watch().last_end();
        match link.state() {
            LinkState::Up => match (link.suspect(), link.full_since()) {
                (Some(since), _) if link.is_unanswered() => Heed::Deaf(Deaf::Unanswered, since),
                (Some(since), _) => Heed::Deaf(Deaf::Frozen, since),
                (None, Some(since)) => Heed::Deaf(Deaf::AtLimit, since),
                (None, None) => Heed::Hears,
            },
            LinkState::Off => Heed::Never(Reason::NoStream),
            LinkState::Connecting | LinkState::Down { .. } => match lost {
                Some(since) => Heed::Deaf(Deaf::LinkDown, since),
                None => Heed::Never(Reason::NotConnectedYet),
            },
        }
    }

    /// Whether a device could be heard now.
    pub fn hearing(&self, id: DeviceId) -> Hearing<'_> {
        match self.heed() {
            Heed::Deaf(why, since) => {
                // What was never listened to before cannot be old news.
                let began = self.listening(id).ever();
                match began {
                    true => Hearing::NotListening {
                        why,
                        since: self.listening(id).ended().unwrap_or(since).min(since),
                    },
                    false => Hearing::Unknown(Reason::NeverListened(why)),
                }
            }
            Heed::Never(reason) => Hearing::Unknown(reason),
            Heed::Hears => {
                let listening = self.listening(id);
                let Some(since) = listening.since() else {
                    let why = Deaf::NotStreamed;
                    return match listening.ended() {
                        Some(since) => Hearing::NotListening { why, since },
                        None => Hearing::Unknown(Reason::NeverListened(why)),
                    };
                };
                if let Some(filter) = self.refused_for(self.device(id)) {
                    let why = Deaf::Refused(filter);
                    return match self.device(id).last_seen() {
                        Some(last) => Hearing::NotListening { why, since: last.max(since) },
                        None => Hearing::Unknown(Reason::NeverListened(why)),
                    };
                }
                Hearing::Listening { since: since.max(self.link().full_until()) }
            }
        }
    }

    /// The refused filter without which the device's telemetry does not come, if there is one.
    fn refused_for(&self, device: &Device) -> Option<&crate::text::SafeText> {
        let refused = self.link().refused();
        if refused.is_empty() {
            return None;
        }
        let telemetry = refused.iter().map(|(filter, _)| filter).filter(|f| !f.as_str().starts_with('$'));
        let mut telemetry = telemetry.peekable();
        telemetry.peek()?;
        if device.topics().is_empty() {
            // Which filter would have brought its messages is not known.
            return telemetry.next();
        }
        let topics = || device.topics().iter().take(16).filter_map(|id| self.topic(*id)).map(|t| t.text());
        // Only AWS has that limit, and only its `a/#` leaves `a` out.
        let dialect = if self.limits.ceiling.is_some() { Dialect::Aws } else { Dialect::Mqtt };
        let brought = |filter: &str| topics().any(|topic| dialect.matches(filter, topic));
        if self.link().filters().iter().any(|f| brought(f.as_str())) {
            return None;
        }
        telemetry.find(|filter| brought(filter.as_str()))
    }

    /// Looks whether the fleet as a whole fell silent, which a fleet does not do: then the connection is suspect, long before
    /// its keep-alive ends. And whether a connection is at its limit.
    pub(crate) fn heed_link(&mut self, now: Ms) -> Changes {
        let mut changed = self.link.set_full(self.is_at_limit(now), now);
        let Some(last) = self.link.last_life() else { return link_if(changed) };
        let pause = now - last;
        let suspect = self.link.is_up()
            && pause >= PAUSE
            && (self.link.suspect().is_some() || self.all_overdue(last, now));
        changed |= self.link.set_suspect(suspect.then_some(last));
        link_if(changed)
    }

    /// True when several devices that spoke regularly until `last` are all overdue.
    fn all_overdue(&self, last: Ms, now: Ms) -> bool {
        let (mut missed, mut overdue) = (0.0, 0);
        for (id, device) in self.devices() {
            let speaks = matches!(
                device.word(),
                Word::Ok | Word::Warning | Word::Finding | Word::Alarm | Word::Leaking | Word::Unattributed
            );
            let (true, Some(cadence), Some(heard)) = (speaks, device.cadence(), device.last_seen()) else {
                continue;
            };
            let cadence = cadence.max(1);
            let regular = heard >= last - cadence * 2 && device.connected() != Some(false);
            if !regular || self.listening(id).since().is_none() {
                continue;
            }
            missed += (now - last) as f64 / cadence as f64;
            overdue += usize::from(now - heard > cadence + cadence / 5 + 500);
            if overdue >= OVERDUE && missed >= MISSED {
                return true;
            }
        }
        false
    }

    /// True when each connection that carries the device's filters answered a question asked at `at` or later: what the broker
    /// had for us until then has come (MQTT keeps order).
    pub(crate) fn answered_since(&self, device: &Device, at: Ms) -> bool {
        self.carriers(device).all(|i| self.link.answered(i) >= at)
    }

    /// The connections that bring what the device says, from 0: those its telemetry came by, and the first, which has AWS's
    /// own topics. All, while none of its telemetry came.
    pub(crate) fn carriers<'a>(&'a self, device: &'a Device) -> impl Iterator<Item = usize> + 'a {
        let (all, topics) = (self.link.connections().max(1), device.topics());
        let by_topic = move |i: usize| topics.iter().take(16).any(|topic| *topic as usize % all == i);
        (0..all).filter(move |i| *i == 0 || topics.is_empty() || by_topic(*i))
    }

    /// The same of a thing by its name, as numbers of connections; all for one that is not known.
    pub fn carriers_of(&self, thing: &str) -> Vec<usize> {
        match self.find(thing) {
            Some(id) => self.carriers(self.device(id)).collect(),
            None => (0..self.link.connections().max(1)).collect(),
        }
    }
}

fn link_if(changed: bool) -> Changes {
    if changed { Changes::LINK | Changes::DEVICES } else { Changes::NONE }
}
