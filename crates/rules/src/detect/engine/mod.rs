//! Devices, windows and rules: datapoints in, verdicts out, time passed in.

mod device;
mod kept;
mod plan;
mod samples;
#[cfg(test)]
mod tests;
mod verdict;
mod windows;

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexMap;

use self::device::Device;
pub use self::kept::Kept;
use self::plan::{Kind, Rule};
pub use self::plan::{Plan, Profile, Retained, Topics};
pub use self::verdict::{Datum, Due, Outcome, Verdict};
use self::verdict::{count, outcome, verdict};
use super::alarm::{Alarm, Change};
use super::judge::is_normal;
use super::metric::Metric;
use super::model::MetricValue;
use super::window;

/// Judges a fleet. Not shared: whoever feeds it from several threads puts it behind a lock; a message costs well under a
/// microsecond.
pub struct Engine {
    plan: Plan,
    devices: IndexMap<Arc<str>, Device>,
    /// Per series, the last window judged.
    judged: Vec<i64>,
    /// Verdicts of single messages and samples, waiting out the latency.
    waiting: VecDeque<Waiting>,
    latency_ms: i64,
    /// As `latency_ms`, for windows.
    window_latency_ms: i64,
    silence_ms: i64,
    /// Windows in which messages may have been missed, as a stretch of time: only what no missed message could mend is
    /// judged in them.
    holes: VecDeque<(i64, i64)>,
    /// Single values to keep.
    fresh: Vec<Datum>,
    /// The last window at whose end it was looked for devices that are gone.
    looked: i64,
    /// When it was last looked for alarms of silent devices.
    listened_ms: i64,
}

/// Holes remembered: as many as windows are looked back at.
const HOLES: usize = 64;

/// A device's place in the engine: valid as long as the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(usize);

/// Several messages of one device and topic, judged as one: the sums are exact, single sizes are represented by the largest.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// How many.
    pub count: i64,
    /// Their payload bytes together.
    pub bytes: i64,
    /// The largest payload.
    pub largest: i64,
    /// When the last was heard.
    pub at_ms: i64,
}

enum Waiting {
    Verdict(Verdict),
    /// The alarm of that device and rule has a further datapoint from `at_ms`.
    Refresh {
        device: Arc<str>,
        rule: usize,
        at_ms: i64,
    },
}

impl Engine {
    /// An engine without rules. `latency_ms` passes between a datapoint and its verdict; an alarm without a datapoint for
    /// longer than `silence_ms` is invalidated.
    pub fn new(latency_ms: i64, silence_ms: i64) -> Self {
        Self {
            plan: Plan::default(),
            devices: IndexMap::new(),
            judged: Vec::new(),
            waiting: VecDeque::new(),
            latency_ms,
            window_latency_ms: latency_ms,
            silence_ms,
            holes: VecDeque::new(),
            fresh: Vec::new(),
            looked: i64::MIN,
            listened_ms: i64::MIN,
        }
    }

    /// The same engine, waiting another time after a window's end than after a message: for messages still under way.
    #[must_use]
    pub fn with_window_latency(mut self, window_latency_ms: i64) -> Self {
        self.window_latency_ms = window_latency_ms;
        self
    }

    /// Says that nobody listens from `from_ms` on. In windows that touch such a time a sum is a lower bound: it can break
    /// "fewer than", and says nothing else.
    pub fn deaf(&mut self, from_ms: i64) {
        if self.holes.back().is_some_and(|(_, to)| *to == i64::MAX) {
            return;
        }
        if self.holes.len() == HOLES {
            self.holes.pop_front();
        }
        self.holes.push_back((from_ms, i64::MAX));
    }

    /// Says that somebody listens again from `at_ms` on.
    pub fn listening(&mut self, at_ms: i64) {
        if let Some((_, to)) = self.holes.back_mut().filter(|(_, to)| *to == i64::MAX) {
            *to = at_ms;
        }
    }

    /// The place of a device, made if it is not there.
    pub fn handle(&mut self, device: &str) -> Handle {
        if let Some(index) = self.devices.get_index_of(device) {
            return Handle(index);
        }
        let (rules, series) = (self.plan.rules.len(), self.plan.series.len());
        Handle(self.devices.insert_full(device.into(), Device::new(rules, series)).0)
    }

    /// True when a verdict of a single message or sample may be due: cheap.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Replaces the rules. Alarms of behaviours that did not change stand, and so do the sums of windows still open; alarms of
    /// behaviours that are gone are returned as invalidated. Every device must be enrolled again.
    pub fn set_plan(&mut self, plan: Plan, now_ms: i64) -> Vec<Verdict> {
        let old = std::mem::replace(&mut self.plan, plan);
        let mut gone = Vec::new();
        // A refresh names a rule by position; the next datapoint asks for it again.
        self.waiting.retain(|w| matches!(w, Waiting::Verdict(_)));
        let moved: Vec<Option<usize>> = self
            .plan
            .rules
            .iter()
            .map(|new| {
                old.rules
                    .iter()
                    .position(|o| o.profile_name == new.profile_name && o.behavior == new.behavior)
            })
            .collect();
        let series: Vec<Option<usize>> =
            self.plan.series.iter().map(|new| old.series.iter().position(|o| o.is(new))).collect();
        for (name, device) in &mut self.devices {
            for (index, rule) in old.rules.iter().enumerate() {
                if !moved.contains(&Some(index)) && device.alarm(index).in_alarm() {
                    gone.push(verdict(rule, name, Outcome::Invalidated, now_ms, MetricValue::default()));
                }
            }
            device.rearrange(&moved, &series);
        }
        self.judged = series
            .iter()
            .zip(&self.plan.series)
            .map(|(old, s)| match old {
                Some(old) => self.judged.get(*old).copied().unwrap_or(i64::MIN),
                None => window::number(now_ms, s.length_ms) - 1,
            })
            .collect();
        self.looked = self.looked.max(window::number(now_ms, self.plan.look_ms) - 1);
        gone
    }

    /// The rules in force.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The devices seen so far.
    pub fn devices(&self) -> impl Iterator<Item = &Arc<str>> {
        self.devices.keys()
    }

    /// Says which profiles of the plan apply to a device, by position. An alarm of one that no longer applies is invalidated.
    pub fn enroll(&mut self, device: &str, profiles: Vec<bool>, now_ms: i64) -> Vec<Verdict> {
        let name: Arc<str> = device.into();
        let (rules, series) = (self.plan.rules.len(), self.plan.series.len());
        let device = self.devices.entry(Arc::clone(&name)).or_insert_with(|| Device::new(rules, series));
        device.profiles = profiles;
        let mut gone = Vec::new();
        for (index, rule) in self.plan.rules.iter().enumerate() {
            if !device.applies(rule.profile) && device.alarm(index).in_alarm() {
                device.slots[index] = device::Slot::default();
                gone.push(verdict(rule, &name, Outcome::Invalidated, now_ms, MetricValue::default()));
            }
        }
        gone
    }

    /// Takes up a violation that stood before this process: its next datapoint updates or clears it.
    pub fn restore(&mut self, device: &str, profile: &str, behavior: &str, last_ms: i64) {
        let Some(index) =
            self.plan.rules.iter().position(|r| &*r.profile_name == profile && r.behavior.name == behavior)
        else {
            return;
        };
        self.device(device).slots[index].alarm = Alarm::standing(last_ms);
    }

    /// A device, made if it is not there.
    fn device(&mut self, name: &str) -> &mut Device {
        let (rules, series) = (self.plan.rules.len(), self.plan.series.len());
        self.devices.entry(name.into()).or_insert_with(|| Device::new(rules, series))
    }

    /// A message from the device: `aws:num-messages-sent` and `aws:message-byte-size`. False when it is not enrolled.
    pub fn message(&mut self, device: &str, topic: &str, bytes: usize, at_ms: i64) -> bool {
        let Some(index) = self.devices.get_index_of(device) else { return false };
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.heard(Handle(index), topic, Heard { count: 1, bytes, largest: bytes, at_ms })
    }

    /// As [`Engine::message`], without looking the name up, and for several messages at once.
    pub fn heard(&mut self, handle: Handle, topic: &str, heard: Heard) -> bool {
        let Some((name, state)) = self.devices.get_index_mut(handle.0) else { return false };
        if state.profiles.len() != self.plan.profiles() {
            return false;
        }
        state.here(heard.at_ms, self.plan.minute_ms);
        for (index, series) in self.plan.series.iter().enumerate() {
            let amount = match series.metric {
                Metric::MessagesSent => heard.count,
                Metric::MessageByteSize => heard.bytes,
                _ => continue,
            };
            if series.topics.as_ref().is_none_or(|t| t.counts(name, topic)) {
                state.add(index, window::number(heard.at_ms, series.length_ms), amount as f64);
            }
        }
        for (index, rule) in self.plan.rules.iter().enumerate() {
            if rule.kind != Kind::PerMessage
                || !state.applies(rule.profile)
                || !rule.topics.as_ref().is_none_or(|t| t.counts(name, topic))
            {
                continue;
            }
            judge_now(rule, index, state, name, count(heard.largest), heard.at_ms, &mut self.waiting);
        }
        true
    }

    /// Adds `amount` to a counted metric of the device: received messages, failures, bytes of a report. False when the
    /// device is not enrolled.
    pub fn count(&mut self, device: &str, metric: &Metric, topic: &str, amount: i64, at_ms: i64) -> bool {
        let Some(state) = self.devices.get_mut(device).filter(|d| d.profiles.len() == self.plan.profiles())
        else {
            return false;
        };
        for (index, series) in self.plan.series.iter().enumerate() {
            if series.metric == *metric && series.topics.as_ref().is_none_or(|t| t.counts(device, topic)) {
                state.add(index, window::number(at_ms, series.length_ms), amount as f64);
            }
        }
        true
    }

    /// Everything due at `now_ms`: verdicts of messages older than the latency, windows that ended longer ago than the
    /// latency, alarms of silent devices.
    pub fn due(&mut self, now_ms: i64) -> Due {
        self.due_where(now_ms, &|_, _, _| true)
    }

    /// As [`Self::due`], where not every device was heard all the time: `whole` says whether one was from the first time to
    /// the second, or all of them when none is named. A sum over less is a lower bound, as in a stretch that was
    /// [`Self::deaf`].
    pub fn due_where(&mut self, now_ms: i64, whole: &dyn Fn(Option<&str>, i64, i64) -> bool) -> Due {
        let mut due = Due { verdicts: Vec::new(), data: std::mem::take(&mut self.fresh) };
        self.due_messages(now_ms, &mut due.verdicts);
        self.look(now_ms, &mut due);
        let latency = self.window_latency_ms;
        for series in 0..self.plan.series.len() {
            let length = self.plan.series[series].length_ms;
            let closed = window::number(now_ms - latency, length) - 1;
            // A task that was stopped for long (a laptop asleep) has nothing to judge in between: sums are per window.
            let first = self.judged[series].saturating_add(1).max(closed - 16);
            for number in first..=closed {
                self.judge_window(series, number, whole, &mut due);
            }
            self.judged[series] = self.judged[series].max(closed);
        }
        // A thousandth of two days is soon enough, and spares looking at every device on every call.
        if now_ms.saturating_sub(self.listened_ms) < self.silence_ms / 1000 {
            return due;
        }
        self.listened_ms = now_ms;
        for (name, device) in &mut self.devices {
            for (rule, slot) in self.plan.rules.iter().zip(&mut device.slots) {
                if slot.alarm.invalidate(now_ms, self.silence_ms) {
                    due.verdicts.push(verdict(
                        rule,
                        name,
                        Outcome::Invalidated,
                        now_ms,
                        MetricValue::default(),
                    ));
                }
            }
        }
        due
    }

    /// Verdicts of single messages and samples older than the latency, in order.
    pub fn due_messages(&mut self, now_ms: i64, out: &mut Vec<Verdict>) {
        let mut again = Vec::new();
        while let Some(first) = self.waiting.front() {
            let at_ms = match first {
                Waiting::Verdict(v) => v.at_ms,
                Waiting::Refresh { at_ms, .. } => *at_ms,
            };
            if at_ms + self.latency_ms > now_ms {
                break;
            }
            match self.waiting.pop_front() {
                None => break,
                Some(Waiting::Verdict(verdict)) => out.push(verdict),
                Some(Waiting::Refresh { device, rule, .. }) => {
                    let (Some(state), Some(rule_)) =
                        (self.devices.get_mut(&*device), self.plan.rules.get(rule))
                    else {
                        continue;
                    };
                    let slot = &mut state.slots[rule];
                    if let Some(next) = slot.next.take() {
                        let (at, value) = *next;
                        out.push(verdict(rule_, &device, Outcome::Updated, at, value));
                    }
                    slot.next = slot.latest.take();
                    if let Some(at_ms) = slot.next.as_ref().map(|next| next.0) {
                        again.push(Waiting::Refresh { device, rule, at_ms });
                    }
                }
            }
        }
        // Back in the order of their times; there are as many as alarms that stand.
        for refresh in again {
            self.waiting.push_back(refresh);
        }
    }
}

/// Judges a datapoint that has no window. A raised or cleared alarm waits out the latency as a verdict; further violating
/// datapoints of a standing alarm are kept as the next to tell and the latest, so that a flood costs no memory.
fn judge_now(
    rule: &Rule,
    index: usize,
    state: &mut Device,
    name: &Arc<str>,
    value: MetricValue,
    at_ms: i64,
    waiting: &mut VecDeque<Waiting>,
) {
    let (Some(operator), Some(expected)) =
        (rule.operator, rule.behavior.criteria.as_ref().and_then(|c| c.value.as_ref()))
    else {
        return;
    };
    let Some(normal) = is_normal(&value, operator, expected) else { return };
    let slot = &mut state.slots[index];
    match slot.alarm.datapoint(normal, rule.patience, at_ms) {
        None => {}
        Some(Change::Updated) if slot.next.is_some() => slot.latest = Some(Box::new((at_ms, value))),
        Some(Change::Updated) => {
            slot.next = Some(Box::new((at_ms, value)));
            waiting.push_back(Waiting::Refresh { device: Arc::clone(name), rule: index, at_ms });
        }
        Some(change) => {
            slot.latest = None;
            waiting.push_back(Waiting::Verdict(verdict(rule, name, outcome(change), at_ms, value)));
        }
    }
}
