//! Which alerts were answered, by whichever process of this host: what the journal says of them, read as it grows.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use quell_fleet::Ms;

use crate::response::journal::Journal;
use crate::response::journal::reading::Mark;

use super::envelope::Alert;

/// What makes an alert the same as another. A violation lives on while a device misbehaves: its id alone would make a replay
/// of what AWS raises again after the device was released, and an id that is used again could keep another thing from being
/// answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    violation: String,
    thing: String,
    profile: String,
    behavior: String,
    /// When AWS judged it.
    at: Option<Ms>,
}

impl From<&Alert> for Key {
    fn from(alert: &Alert) -> Self {
        Self {
            violation: alert.violation.clone(),
            thing: alert.thing.clone(),
            profile: alert.profile.clone(),
            behavior: alert.behavior.clone(),
            at: alert.at,
        }
    }
}

/// An entry about an alert.
#[derive(Deserialize)]
struct Line {
    kind: String,
    at: String,
    #[serde(default)]
    plan: String,
    #[serde(default)]
    handled: bool,
    violation_id: String,
    thing: String,
    #[serde(default)]
    profile: String,
    #[serde(default)]
    behavior: String,
    #[serde(default)]
    judged_at: Option<Ms>,
}

/// The alerts of the journal.
#[derive(Debug, Default)]
pub struct Ledger {
    mark: Option<Mark>,
    /// The plan that answered each.
    handled: HashMap<Key, String>,
    /// When each was answered, handled or not.
    times: Vec<Ms>,
    /// Which thing was acted on by a plan, and when: telling people is not acting.
    acted: Vec<(Ms, String)>,
}

impl Ledger {
    /// Reads what was written since it was asked last.
    ///
    /// # Errors
    /// The journal cannot be read: then nobody knows what was answered.
    pub fn refresh(&mut self, journal: &Path) -> io::Result<()> {
        let Self { mark, handled, times, acted } = self;
        let all = std::cell::RefCell::new((handled, times, acted));
        Journal::open(journal)?.since(
            mark,
            || {
                let (handled, times, acted) = &mut *all.borrow_mut();
                handled.clear();
                times.clear();
                acted.clear();
            },
            |line| {
                let Ok(line) = serde_json::from_slice::<Line>(line) else { return };
                if line.kind != "alert" {
                    return;
                }
                let (handled, times, acted) = &mut *all.borrow_mut();
                let at = line.at.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond).ok();
                times.extend(at);
                if line.handled {
                    acted.extend(at.filter(|_| !line.plan.is_empty()).map(|at| (at, line.thing.clone())));
                    let key = Key {
                        violation: line.violation_id,
                        thing: line.thing,
                        profile: line.profile,
                        behavior: line.behavior,
                        at: line.judged_at,
                    };
                    handled.insert(key, line.plan);
                }
            },
        )
    }

    /// The plan that answered this very alert, if one did.
    pub fn answered(&self, alert: &Alert) -> Option<&str> {
        self.handled.get(&Key::from(alert)).map(String::as_str)
    }

    /// Things that were acted on since a moment.
    pub fn things_since(&self, moment: Ms) -> HashSet<&str> {
        self.acted.iter().rev().take_while(|(at, _)| *at >= moment).map(|(_, thing)| thing.as_str()).collect()
    }

    /// How many alerts were answered since a moment.
    pub fn since(&self, moment: Ms) -> usize {
        self.times.iter().rev().take_while(|at| **at >= moment).count()
    }

    /// The journal's fields about an answer.
    pub fn fields(alert: &Alert, message_id: &str, result: &str, why: &str, handled: bool) -> Value {
        json!({
            "violation_id": alert.violation, "message_id": message_id, "thing": alert.thing,
            "profile": alert.profile, "behavior": alert.behavior, "judged_at": alert.at,
            "result": result, "why": why, "handled": handled,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AlertKind, Severity};

    fn alert(thing: &str, at: Ms) -> Alert {
        Alert {
            thing: thing.to_owned(),
            event: "in-alarm".to_owned(),
            violation: "v".to_owned(),
            profile: "p".to_owned(),
            behavior: "b".to_owned(),
            metric: None,
            at: Some(at),
            value: None,
            kind: AlertKind::Alarm,
            severity: Severity::High,
        }
    }

    #[test]
    fn an_alert_is_the_same_by_more_than_its_violation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let journal = Journal::open(&path).unwrap();
        let mut ledger = Ledger::default();
        ledger.refresh(&path).unwrap();
        assert_eq!(ledger.answered(&alert("T", 1)), None);
        let write = |alert: &Alert, handled| {
            let fields = Ledger::fields(alert, "m", "isolated", "", handled);
            journal.append(1_700_000_000_000, "alert", "plan", fields).unwrap();
        };
        write(&alert("T", 1), true);
        write(&alert("T", 3), false);
        ledger.refresh(&path).unwrap();
        assert_eq!(ledger.answered(&alert("T", 1)), Some("plan"));
        assert_eq!(ledger.answered(&alert("T", 2)), None, "raised again");
        assert_eq!(ledger.answered(&alert("U", 1)), None, "another thing under its id");
        assert_eq!(ledger.answered(&alert("T", 3)), None, "it failed");
        write(&alert("T", 2), true);
        ledger.refresh(&path).unwrap();
        assert_eq!(ledger.answered(&alert("T", 2)), Some("plan"));
        assert_eq!((ledger.since(1_700_000_000_000), ledger.since(1_700_000_000_001)), (3, 0));
    }
}
