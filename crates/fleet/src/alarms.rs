//! Since when an alarm stands. AWS gives an alarm that comes back a new id and a new time; to the person who looks it is the
//! same one, so a flap is folded and does not begin anew.

use std::collections::HashMap;

use super::model::Violation;
use super::{Fleet, Ms};

/// An alarm that was away for no longer than this is the same one; in AWS's time, divided by an emulator's speed.
const FLAP: f64 = 900_000.0;

/// Whose alarm by which behaviour.
type Key = (std::sync::Arc<str>, String, String);

/// When each alarm began.
#[derive(Debug, Default)]
pub(super) struct Alarms(HashMap<Key, Alarm>);

#[derive(Clone, Copy, Debug)]
struct Alarm {
    first: Ms,
    /// When it was last seen to be gone.
    gone: Option<Ms>,
}

fn key(violation: &Violation) -> Key {
    (violation.thing.key(), violation.profile.to_string(), violation.behavior.name.clone())
}

impl Alarms {
    /// The active violations as read at `at`, by an account whose time runs `speed` times as fast.
    pub(super) fn learn(&mut self, active: &[Violation], at: Ms, speed: f64) {
        let flap = (FLAP / speed) as Ms;
        for alarm in self.0.values_mut() {
            alarm.gone.get_or_insert(at);
        }
        for violation in active {
            let fresh = Alarm { first: violation.started, gone: None };
            let alarm = self.0.entry(key(violation)).or_insert(fresh);
            if alarm.gone.is_some_and(|gone| gone < at && at - gone > flap) {
                *alarm = fresh;
            }
            *alarm = Alarm { first: alarm.first.min(violation.started), gone: None };
        }
        self.0.retain(|_, alarm| alarm.gone.is_none_or(|gone| at - gone <= flap));
    }
}

impl Fleet {
    /// Since when a violation stands, flaps folded.
    pub fn alarm_since(&self, violation: &Violation) -> Ms {
        self.alarms.0.get(&key(violation)).map_or(violation.started, |alarm| alarm.first)
    }
}
