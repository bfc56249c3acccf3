//! What an engine knows, as a file can hold it: the sums of open windows and how far each alarm is on its way, each under the
//! name of what it is of, so that an engine with other behaviours takes over what it still judges.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::device::{Link, Slot};
use super::verdict::{Outcome, Verdict, verdict};
use super::{Engine, Topics};
use crate::detect::alarm::Alarm;
use crate::detect::model::{Behavior, MetricValue};

/// Windows and alarms of an engine. What was taken over by [`Engine::resume`] is gone from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Devices by number.
    devices: Vec<Arc<str>>,
    rules: Vec<KeptRule>,
    series: Vec<KeptSeries>,
    /// Who is gone, and since when.
    #[serde(default)]
    gone: Vec<(u32, i64)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptRule {
    profile: Arc<str>,
    behavior: Behavior,
    alarms: Vec<(u32, Alarm)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptSeries {
    metric: String,
    length_ms: i64,
    topics: Option<Topics>,
    /// The last window judged.
    judged: i64,
    /// By device: window numbers and sums.
    sums: Vec<(u32, Vec<(i64, f64)>)>,
}

impl Kept {
    /// True when nothing is left to take over.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.series.is_empty() && self.gone.is_empty()
    }

    /// What is known here, and what `waiting` knows of behaviours and windows that are not judged here yet.
    pub fn and(mut self, waiting: &Self) -> Self {
        let mut numbers: HashMap<Arc<str>, u32> = self.devices.iter().cloned().zip(0..).collect();
        let numbers: Vec<u32> = waiting
            .devices
            .iter()
            .map(|name| {
                *numbers.entry(Arc::clone(name)).or_insert_with(|| {
                    self.devices.push(Arc::clone(name));
                    u32::try_from(self.devices.len() - 1).unwrap_or(u32::MAX)
                })
            })
            .collect();
        let here = |number: u32| numbers.get(number as usize).copied();
        for rule in &waiting.rules {
            if self.rules.iter().all(|r| (&r.profile, &r.behavior) != (&rule.profile, &rule.behavior)) {
                let alarms = rule.alarms.iter().filter_map(|(n, alarm)| Some((here(*n)?, *alarm)));
                self.rules.push(KeptRule { alarms: alarms.collect(), ..rule.clone() });
            }
        }
        for (number, since) in &waiting.gone {
            if let Some(number) = here(*number).filter(|n| self.gone.iter().all(|(known, _)| known != n)) {
                self.gone.push((number, *since));
            }
        }
        for series in &waiting.series {
            let is = |s: &KeptSeries| {
                s.metric == series.metric && s.length_ms == series.length_ms && s.topics == series.topics
            };
            if !self.series.iter().any(is) {
                let sums = series.sums.iter().filter_map(|(n, sums)| Some((here(*n)?, sums.clone())));
                self.series.push(KeptSeries { sums: sums.collect(), ..series.clone() });
            }
        }
        self
    }

    fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.devices.get(number as usize)
    }
}

impl Engine {
    /// What is known, to go on from after a restart.
    pub fn keep(&self) -> Kept {
        let devices = self.devices.keys().cloned().collect();
        let numbered = || self.devices.values().zip(0_u32..);
        let rules = self.plan.rules.iter().enumerate().map(|(index, rule)| KeptRule {
            profile: Arc::clone(&rule.profile_name),
            behavior: (*rule.behavior).clone(),
            alarms: numbered()
                .map(|(device, number)| (number, device.alarm(index)))
                .filter(|(_, alarm)| *alarm != Alarm::default())
                .collect(),
        });
        let series = self.plan.series.iter().enumerate().map(|(index, series)| KeptSeries {
            metric: series.metric.name().to_owned(),
            length_ms: series.length_ms,
            topics: series.topics.as_deref().cloned(),
            judged: self.judged.get(index).copied().unwrap_or(i64::MIN),
            sums: numbered()
                .map(|(device, number)| (number, device.sums(index).to_vec()))
                .filter(|(_, sums)| !sums.is_empty())
                .collect(),
        });
        let gone = numbered().filter_map(|(device, number)| match device.link {
            Some(Link::Down(since)) => Some((number, since)),
            _ => None,
        });
        Kept { rules: rules.collect(), series: series.collect(), gone: gone.collect(), devices }
    }

    /// Goes on from what an earlier engine knew, as far as it is judged here; the rest stays in `kept`, for when further
    /// behaviours come to be judged. `stands` says since when, or until when last heard of, an alarm of a device, a profile
    /// and a behaviour stands: that is known better than here, because a file of windows may be older than what was told of
    /// alarms. Returns the devices it took something over of; each must be enrolled.
    pub fn resume(
        &mut self,
        kept: &mut Kept,
        stands: &dyn Fn(&str, &str, &str) -> Option<i64>,
    ) -> Vec<Arc<str>> {
        let mut taken: HashMap<Arc<str>, ()> = HashMap::new();
        for old in std::mem::take(&mut kept.rules) {
            let at = self
                .plan
                .rules
                .iter()
                .position(|r| r.profile_name == old.profile && *r.behavior == old.behavior);
            let Some(at) = at else {
                kept.rules.push(old);
                continue;
            };
            for (number, alarm) in old.alarms {
                let Some(name) = kept.name(number).cloned() else { continue };
                let last = stands(&name, &old.profile, &old.behavior.name);
                let device = self.device(&name);
                if let Some(slot) = device.slots.get_mut(at) {
                    slot.alarm = match last {
                        Some(last) if !alarm.in_alarm() => Alarm::standing(last),
                        None if alarm.in_alarm() => Alarm::default(),
                        _ => alarm,
                    };
                }
                taken.insert(name, ());
            }
        }
        for old in std::mem::take(&mut kept.series) {
            let at = self.plan.series.iter().position(|s| {
                s.metric.name() == old.metric
                    && s.length_ms == old.length_ms
                    && s.topics.as_deref() == old.topics.as_ref()
            });
            let Some(at) = at else {
                kept.series.push(old);
                continue;
            };
            if let Some(judged) = self.judged.get_mut(at) {
                *judged = old.judged;
            }
            for (number, sums) in old.sums {
                let Some(name) = kept.name(number).cloned() else { continue };
                let device = self.device(&name);
                for (window, sum) in sums {
                    if window > old.judged {
                        device.add(at, window, sum);
                    }
                }
                taken.insert(name, ());
            }
        }
        for (number, since) in std::mem::take(&mut kept.gone) {
            let Some(name) = kept.name(number).cloned() else { continue };
            // What was heard of it since the start is newer.
            self.device(&name).link.get_or_insert(Link::Down(since));
            taken.insert(name, ());
        }
        taken.into_keys().collect()
    }

    /// Forgets that alarms of a device stand: it was held back for them and is let go, and what it does next is judged anew.
    pub fn absolve(&mut self, device: &str, now_ms: i64) -> Vec<Verdict> {
        let Some((_, name, known)) = self.devices.get_full_mut(device) else { return Vec::new() };
        let mut gone = Vec::new();
        for (rule, slot) in self.plan.rules.iter().zip(&mut known.slots) {
            if slot.alarm.in_alarm() {
                *slot = Slot::default();
                gone.push(verdict(rule, name, Outcome::Invalidated, now_ms, MetricValue::default()));
            }
        }
        gone
    }

    /// True when an alarm of the device stands under the profile at that place of the plan.
    pub fn stands(&self, device: &str, profile: usize) -> bool {
        self.devices.get(device).is_some_and(|device| {
            self.plan
                .rules
                .iter()
                .enumerate()
                .any(|(at, r)| r.profile == profile && device.alarm(at).in_alarm())
        })
    }
}
