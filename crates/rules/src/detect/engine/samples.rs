//! Metrics without windows: what agents report, where devices speak from, how long they are gone.

use std::net::IpAddr;
use std::sync::Arc;

use super::device::Link;
use super::plan::Kind;
use super::{Datum, Due, Engine, Topics, count, judge_now, outcome, verdict};
use crate::detect::judge::{is_normal, scalar};
use crate::detect::metric::Metric;
use crate::detect::model::MetricValue;
use crate::detect::window;

impl Engine {
    /// One value of a metric that has no windows: ports, connections, a custom metric. False when the device is not enrolled.
    pub fn sample(&mut self, device: &str, metric: &Metric, value: &MetricValue, at_ms: i64) -> bool {
        let Some((_, name, state)) = self.devices.get_full_mut(device) else { return false };
        if state.profiles.len() != self.plan.profiles() {
            return false;
        }
        for (index, rule) in self.plan.rules.iter().enumerate() {
            if rule.kind == Kind::Sample && rule.metric == *metric && state.applies(rule.profile) {
                judge_now(rule, index, state, name, value.clone(), at_ms, &mut self.waiting);
            }
        }
        if let Some(number) = scalar(value) {
            for (index, series) in self.plan.series.iter().enumerate() {
                if series.metric == *metric {
                    state.add(index, window::number(at_ms, series.length_ms), number);
                }
            }
        }
        for kept in self.plan.kept.iter().filter(|k| k.metric == *metric) {
            if kept.keepers.iter().any(|p| state.applies(*p)) {
                self.fresh.push(Datum {
                    device: Arc::clone(name),
                    metric: metric.clone(),
                    topics: kept.topics.clone(),
                    at_ms,
                    value: value.clone(),
                });
            }
        }
        true
    }

    /// Where a device speaks from: `aws:source-ip-address`. With a `topic` it is a message on it, which is a datapoint once
    /// in 300 s; without, it just connected, which always is one. False when the device is not enrolled.
    pub fn address(&mut self, device: &str, topic: Option<&str>, address: IpAddr, at_ms: i64) -> bool {
        let Some((_, name, state)) = self.devices.get_full_mut(device) else { return false };
        if state.profiles.len() != self.plan.profiles() {
            return false;
        }
        let number = Some(window::number(at_ms, self.plan.look_ms));
        let counts = |topics: Option<&Arc<Topics>>| match (topics, topic) {
            (None, _) => true,
            (Some(topics), Some(topic)) => topics.counts(name, topic),
            (Some(_), None) => false,
        };
        let value = || MetricValue { cidrs: Some(vec![address.to_string()]), ..MetricValue::default() };
        for (index, rule) in self.plan.rules.iter().enumerate() {
            if rule.kind == Kind::Sample
                && rule.metric == Metric::SourceIp
                && state.applies(rule.profile)
                && (topic.is_none() || state.slots[index].looked != number)
                && counts(rule.topics.as_ref())
            {
                state.slots[index].looked = number;
                judge_now(rule, index, state, name, value(), at_ms, &mut self.waiting);
            }
        }
        state.kept_in.resize(self.plan.kept.len(), None);
        for (index, kept) in self.plan.kept.iter().enumerate() {
            if kept.metric == Metric::SourceIp
                && (topic.is_none() || state.kept_in[index] != number)
                && kept.keepers.iter().any(|p| state.applies(*p))
                && counts(kept.topics.as_ref())
            {
                state.kept_in[index] = number;
                self.fresh.push(Datum {
                    device: Arc::clone(name),
                    metric: Metric::SourceIp,
                    topics: kept.topics.clone(),
                    at_ms,
                    value: value(),
                });
            }
        }
        true
    }

    /// The device connected; `connection` is a number no other connection of it has. False when it is not enrolled.
    pub fn connected(&mut self, device: &str, connection: u64) -> bool {
        let Some(state) = self.devices.get_mut(device) else { return false };
        state.link = Some(Link::Up(connection));
        state.profiles.len() == self.plan.profiles()
    }

    /// A connection of the device ended: from now on it is gone, unless it has a newer one. False when it is not enrolled.
    pub fn disconnected(&mut self, device: &str, connection: u64, at_ms: i64) -> bool {
        let Some(state) = self.devices.get_mut(device) else { return false };
        if !matches!(state.link, Some(Link::Up(newer)) if newer != connection) {
            state.link = Some(Link::Down(at_ms));
        }
        state.profiles.len() == self.plan.profiles()
    }

    /// The device was heard at that time: if it was gone by then, that it came back was missed.
    pub fn here(&mut self, device: &str, at_ms: i64) {
        let minute_ms = self.plan.minute_ms;
        if let Some(state) = self.devices.get_mut(device) {
            state.here(at_ms, minute_ms);
        }
    }

    /// True when the device disconnected and was not heard since.
    pub fn is_gone(&self, device: &str) -> bool {
        self.devices.get(device).is_some_and(|state| matches!(state.link, Some(Link::Down(_))))
    }

    /// `aws:disconnect-duration`: at the end of each 300 s the whole minutes since the device was there, 0 while it is.
    pub(super) fn look(&mut self, now_ms: i64, due: &mut Due) {
        let number = window::number(now_ms, self.plan.look_ms) - 1;
        if number <= self.looked {
            return;
        }
        self.looked = number;
        if !self.plan.asks(&Metric::DisconnectDuration) {
            return;
        }
        let at_ms = window::end_ms(number, self.plan.look_ms);
        for (name, state) in &mut self.devices {
            let gone_ms = match state.link {
                None => continue,
                Some(Link::Up(_) | Link::Here) => 0,
                Some(Link::Down(since)) => (at_ms - since).max(0),
            };
            let value = count(gone_ms / self.plan.minute_ms);
            for (index, rule) in self.plan.rules.iter().enumerate() {
                if rule.kind != Kind::Absence || !state.applies(rule.profile) {
                    continue;
                }
                let expected = rule.behavior.criteria.as_ref().and_then(|c| c.value.as_ref());
                let (Some(operator), Some(expected)) = (rule.operator, expected) else { continue };
                let Some(normal) = is_normal(&value, operator, expected) else { continue };
                if let Some(change) = state.slots[index].alarm.datapoint(normal, rule.patience, at_ms) {
                    due.verdicts.push(verdict(rule, name, outcome(change), at_ms, value.clone()));
                }
            }
            for kept in self.plan.kept.iter().filter(|k| k.metric == Metric::DisconnectDuration) {
                if kept.keepers.iter().any(|p| state.applies(*p)) {
                    due.data.push(Datum {
                        device: Arc::clone(name),
                        metric: Metric::DisconnectDuration,
                        topics: None,
                        at_ms,
                        value: value.clone(),
                    });
                }
            }
        }
    }
}
