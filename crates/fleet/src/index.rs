//! A fleet too large to list: what AWS's fleet index says of it as a whole, and the few things that matter one by one.

use serde::{Deserialize, Serialize};

use crate::text::SafeText;

use super::event::PresenceKind;
use super::model::{Name, ThingRecord, Violation};
use super::{Changes, Fleet, Ms};

/// What the index said. A number is `None` where that part of the index is off: unknown, not zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IndexReading {
    /// Things of the account (GetStatistics).
    pub total: u64,
    /// Things with an active violation.
    pub in_alarm: Option<u64>,
    /// Things that are connected.
    pub connected: Option<u64>,
    /// Things that are not, of those that ever were.
    pub disconnected: Option<u64>,
    /// Why they are not, the commonest reason first.
    pub reasons: Vec<(SafeText, u64)>,
    /// Thing groups by their number of things, the largest first; the first few.
    pub groups: Vec<(Name, u64)>,
    /// Things in alarm or in quarantine (SearchIndex).
    pub things: Vec<IndexedThing>,
    /// There are more of those than were read.
    pub cut: bool,
}

/// A thing the index found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexedThing {
    /// Name and type.
    pub record: ThingRecord,
    /// The groups it is in.
    pub groups: Vec<Name>,
    /// Whether it is connected, since when, and why not; `None` where that is not indexed.
    pub connection: Option<(bool, Ms, Option<SafeText>)>,
    /// Its active violations, without AWS's ids and the behaviours' definitions.
    pub violations: Vec<Violation>,
}

/// How the things of the account are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Indexing {
    /// By ListThings, as usual.
    #[default]
    Unused,
    /// By the fleet index; the things themselves are among the devices.
    Used(Box<IndexReading>),
    /// By ListThings although there are many, and why.
    Instead(SafeText),
}

impl Indexing {
    /// What the index said, where it is in use.
    pub fn used(&self) -> Option<&IndexReading> {
        match self {
            Self::Used(reading) => Some(reading),
            _ => None,
        }
    }
}

/// A version lower than any lifecycle event's: what the index knows of a connection gives way to what was heard.
const BEFORE_EVENTS: i64 = -1;

impl Fleet {
    /// How the things of the account are known.
    pub fn indexing(&self) -> &Indexing {
        &self.indexing
    }

    /// Takes in what the index said. What it did not find is not gone: it was not asked about.
    pub(super) fn indexed(&mut self, mut reading: IndexReading, at: Ms, now: Ms) -> Changes {
        self.things.learn(usize::try_from(reading.total).unwrap_or(usize::MAX), at);
        self.reading = None;
        let found = std::mem::take(&mut reading.things);
        let alarms: Vec<Violation> =
            found.iter().flat_map(|thing| thing.violations.iter().cloned()).collect();
        let alarms_known = reading.in_alarm.is_some() && !reading.cut;
        self.indexing = Indexing::Used(Box::new(reading));
        let mut changes = Changes::DEVICES;
        for device in &mut self.devices {
            // Known not to be registered only by a list of all.
            if device.registered() == Some(false) {
                device.forget_registered();
            }
        }
        changes |= self.take_indexed(found, at, now);
        // Detect's own list has ids and definitions; without it, the index is the next best.
        if alarms_known && !self.violations.is_current() {
            self.alarms.learn(&alarms, at, self.limits.detect_speed);
            self.violations.learn(alarms, at);
            changes |= self.assign_violations(now) | Changes::VIOLATIONS;
        }
        changes
    }

    /// Things the index found: they are registered, and it knows their groups and whether they are connected.
    pub(super) fn take_indexed(&mut self, found: Vec<IndexedThing>, at: Ms, now: Ms) -> Changes {
        let mut changes = Changes::NONE;
        for thing in found {
            let id = self.thing(&thing.record.name, now);
            let quarantine = thing.groups.iter().find(|group| {
                self.is_quarantine(group.raw())
                    // The list of a group's members is newer than the index, where there is one.
                    && self.members.get(group.raw()).is_none_or(|members| members.get().is_none())
            });
            let (quarantine, settle) = (quarantine.cloned(), self.limits.settle);
            let Some(device) = self.devices.get_mut(id.index()) else { continue };
            device.set_registered(true);
            device.set_thing_type(thing.record.thing_type);
            if device.groups().get().is_none() {
                device.groups_mut().learn(thing.groups, at);
            }
            if quarantine.is_some() && device.quarantined_in().is_none() {
                device.set_quarantined(quarantine, at, 0);
            }
            if let Some((connected, since, reason)) = thing.connection {
                let kind = if connected { PresenceKind::Connected } else { PresenceKind::Disconnected };
                device.presence_mut(settle).index(kind, BEFORE_EVENTS, since, now, reason);
            }
            changes |= self.judge(id, now);
        }
        changes
    }
}
