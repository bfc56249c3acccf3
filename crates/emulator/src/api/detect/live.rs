//! The live side: the broker's events become datapoints; verdicts become violations and events.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;

use super::export::Exports;
use super::{Violation, ViolationEvent, violation_key};
use crate::account::{Account, State};
use crate::api::registry::uuid;
use crate::broker::{Action, Principal, Session};
use crate::clock::Clock;
use quell_rules::detect::engine::{Due, Engine, Outcome, Plan, Profile, Retained, Verdict};
use quell_rules::detect::metric::Metric;
use quell_rules::detect::model::MetricDimension;

/// AWS's observed latency between the end of a window and the alert, in seconds (docs/aws-iot.md#1.5).
const LATENCY_SECS: u64 = 36;
/// Seconds without a datapoint after which an alarm is invalidated: two days.
const SILENCE_SECS: u64 = 2 * 86_400;
/// How long violation events are kept, in milliseconds: 30 days.
const EVENTS_KEPT_MS: i64 = 30 * 86_400_000;
/// How long metric values are kept: 14 days.
const VALUES_KEPT_SECS: u64 = 14 * 86_400;
/// Metric values kept per thing and metric: one in 300 s for 14 days.
const VALUES_KEPT: usize = 4_032;

/// The engine, fed from connection tasks. Its lock is never held together with the account's.
pub struct Live {
    engine: Mutex<Engine>,
}

impl Live {
    /// An engine without profiles whose latency runs with `clock`.
    pub fn new(clock: Clock) -> Self {
        let engine = Engine::new(clock.scaled_secs_ms(LATENCY_SECS), clock.scaled_secs_ms(SILENCE_SECS));
        Self { engine: Mutex::new(engine) }
    }
}

/// A device is who authenticated as one: the console's own IAM sessions have no metrics.
fn is_device(session: &Session) -> bool {
    // A message over HTTPS has no client id to count it for.
    !matches!(session.principal, Principal::Iam(_)) && !session.client_id.is_empty()
}

/// Feeds the engine; a device it has not met is enrolled first.
pub(super) fn feed(account: &Account, device: &str, datapoint: impl Fn(&mut Engine, i64) -> bool) {
    let now = account.clock.now_ms();
    let live = Arc::clone(&account.read().detect.live);
    if datapoint(&mut live.engine.lock(), now) {
        return;
    }
    let profiles = profiles_of(&account.read(), account, device);
    let mut engine = live.engine.lock();
    if profiles.len() == engine.plan().profiles() {
        // Nothing can be invalidated: it was not enrolled, so none of its alarms is this plan's.
        engine.enroll(device, profiles, now);
        datapoint(&mut engine, now);
    }
}

/// `aws:num-connection-attempts`, `aws:source-ip-address`.
pub fn on_connected(account: &Account, session: &Session) {
    if is_device(session) {
        let id = &session.client_id;
        feed(account, id, |e, now| {
            e.connected(id, session.serial)
                && e.address(id, None, session.ip, now)
                && e.count(id, &Metric::ConnectionAttempts, "", 1, now)
        });
    }
}

/// `aws:num-disconnects`; from now on `aws:disconnect-duration` grows.
pub fn on_disconnected(account: &Account, session: &Session) {
    if is_device(session) {
        let id = &session.client_id;
        feed(account, id, |e, now| {
            e.disconnected(id, session.serial, now) && e.count(id, &Metric::Disconnects, "", 1, now)
        });
    }
}

/// `aws:num-authorization-failures`; a refused CONNECT is a connection attempt too.
pub fn on_denied(account: &Account, session: &Session, action: Action, resource: &str) {
    if is_device(session) {
        let id = &session.client_id;
        let topic = resource.split_once("topic/").map_or("", |(_, t)| t);
        feed(account, id, |e, now| {
            (action != Action::Connect || e.count(id, &Metric::ConnectionAttempts, "", 1, now))
                && e.count(id, &Metric::AuthorizationFailures, topic, 1, now)
        });
    }
}

/// `aws:num-messages-sent`, `aws:message-byte-size`, and `aws:source-ip-address` as long as somebody asks for it.
pub fn on_published(account: &Account, session: &Session, topic: &str, bytes: usize) {
    // An agent's report is not telemetry: it would violate every limit on message sizes.
    if is_device(session) && !(topic.starts_with("$aws/things/") && topic.contains("/defender/metrics/")) {
        let id = &session.client_id;
        feed(account, id, |e, now| {
            (!e.plan().watches_addresses() || e.address(id, Some(topic), session.ip, now))
                && e.message(id, topic, bytes, now)
        });
    }
}

/// `aws:num-messages-received`.
pub fn on_delivered(account: &Account, session: &Session, topic: &str) {
    if is_device(session) {
        let id = &session.client_id;
        feed(account, id, |e, now| e.count(id, &Metric::MessagesReceived, topic, 1, now));
    }
}

/// Which profiles watch a device, in the order of their names.
fn profiles_of(state: &State, account: &Account, device: &str) -> Vec<bool> {
    let device = Standing::new(state, account, device);
    state.detect.profiles.iter().map(|(_, p)| device.is_watched(p.targets.iter())).collect()
}

/// A device in the registry, looked up when it first matters.
pub(super) struct Standing<'a> {
    state: &'a State,
    account: &'a Account,
    device: &'a str,
    groups: OnceCell<BTreeSet<String>>,
}

impl<'a> Standing<'a> {
    /// The device of that client id.
    pub(super) fn new(state: &'a State, account: &'a Account, device: &'a str) -> Self {
        Self { state, account, device, groups: OnceCell::new() }
    }

    /// True when one of the targets is the device's.
    pub(super) fn is_watched(&self, mut targets: impl Iterator<Item = &'a String>) -> bool {
        let registered = || self.state.registry.thing(self.device).is_some();
        let groups = || self.groups.get_or_init(|| self.state.registry.all_groups_of(self.device));
        targets.any(|target| match self.account.arns.rest_of(target) {
            Some("all/things") => true,
            Some("all/registered-things") => registered(),
            Some("all/unregistered-things") => !registered(),
            Some(rest) => {
                rest.strip_prefix("thinggroup/").is_some_and(|g| registered() && groups().contains(g))
            }
            None => false,
        })
    }
}

/// Compiles the profiles anew after one of them, a target or a dimension changed. Call it without the account's lock.
pub fn refresh(account: &Account) {
    let clock = account.clock;
    let (live, plan, standing) = {
        let state = account.read();
        let profiles: Vec<Profile> = state
            .detect
            .profiles
            .iter()
            .map(|(name, p)| Profile {
                name: name.into(),
                behaviors: p.behaviors.clone(),
                retained: p
                    .retain
                    .iter()
                    .filter_map(|m| {
                        Some(Retained {
                            metric: m.get("metric")?.as_str()?.to_owned(),
                            dimension: m
                                .get("metricDimension")
                                .and_then(|d| MetricDimension::deserialize(d).ok()),
                        })
                    })
                    .collect(),
            })
            .collect();
        let window = |seconds: i64| clock.scaled_secs_ms(seconds.max(1) as u64);
        let plan = Plan::new(&profiles, window, |name| {
            Some(state.detect.dimensions.get(name)?.string_values.clone())
        });
        let standing: Vec<Violation> = state.detect.active().cloned().collect();
        (Arc::clone(&state.detect.live), plan, standing)
    };
    let now = clock.now_ms();
    let devices: Vec<Arc<str>> = {
        let mut engine = live.engine.lock();
        let first = engine.plan().profiles() == 0;
        let gone = engine.set_plan(plan, now);
        if first {
            for v in &standing {
                engine.restore(&v.thing, &v.profile, &v.behavior.name, v.last_ms);
            }
        }
        let devices = engine.devices().cloned().collect();
        drop(engine);
        record(account, Due { verdicts: gone, data: Vec::new() });
        devices
    };
    enroll(account, &live, &devices);
}

/// Says anew which profiles watch the devices: groups change.
fn enroll(account: &Account, live: &Live, devices: &[Arc<str>]) {
    let now = account.clock.now_ms();
    let enrolled: Vec<_> = {
        let state = account.read();
        devices.iter().map(|d| (d, profiles_of(&state, account, d))).collect()
    };
    let mut engine = live.engine.lock();
    let mut gone = Vec::new();
    for (device, profiles) in enrolled {
        if profiles.len() == engine.plan().profiles() {
            gone.extend(engine.enroll(device, profiles, now));
        }
    }
    drop(engine);
    record(account, Due { verdicts: gone, data: Vec::new() });
}

/// Judges what is due now.
pub fn settle(account: &Account) {
    let live = Arc::clone(&account.read().detect.live);
    let due = live.engine.lock().due(account.clock.now_ms());
    record(account, due);
}

/// Judges messages and ended windows as they become due, until the account's process ends.
pub async fn run(account: Arc<Account>) {
    refresh(&account);
    let latency = account.clock.scaled(Duration::from_secs(LATENCY_SECS));
    let step = (latency / 4).clamp(Duration::from_millis(10), Duration::from_millis(250));
    let mut beat = tokio::time::interval(step);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut beats: u32 = 0;
    loop {
        beat.tick().await;
        settle(&account);
        beats = beats.wrapping_add(1);
        if beats.is_multiple_of(8) {
            let (live, by_group) = {
                let state = account.read();
                let by_group = state
                    .detect
                    .profiles
                    .iter()
                    .any(|(_, p)| p.targets.iter().any(|t| !t.ends_with(":all/things")));
                (Arc::clone(&state.detect.live), by_group)
            };
            if by_group {
                let devices: Vec<Arc<str>> = live.engine.lock().devices().cloned().collect();
                enroll(&account, &live, &devices);
            }
        }
    }
}

/// Writes verdicts and values into the account.
fn record(account: &Account, due: Due) {
    if due.verdicts.is_empty() && due.data.is_empty() {
        return;
    }
    let kept_ms = account.clock.scaled_secs_ms(VALUES_KEPT_SECS);
    let mut state = account.write();
    let mut exports = Exports::of(&state);
    for datum in &due.data {
        exports.add(account, &state, datum);
    }
    let store = &mut state.detect;
    for datum in due.data {
        let dimension = datum.topics.as_ref().map(|t| (t.name.as_str(), t.negated));
        let key = super::values_key(datum.metric.name(), dimension);
        let values = store.values.entry(key).or_default().entry(datum.device).or_default();
        let oldest = datum.at_ms - kept_ms;
        while values.len() >= VALUES_KEPT || values.front().is_some_and(|(at, _)| *at < oldest) {
            values.pop_front();
        }
        values.push_back((datum.at_ms, super::Kept::of(datum.value)));
    }
    let updated = !due.verdicts.is_empty();
    let told: Vec<ViolationEvent> =
        due.verdicts.into_iter().filter_map(|verdict| record_verdict(store, verdict)).collect();
    if !told.is_empty() {
        let oldest = format!("{:014}", (account.clock.now_ms() - EVENTS_KEPT_MS).max(0));
        let expired: Vec<String> =
            store.events.iter().map(|(k, _)| k.to_owned()).take_while(|k| *k < oldest).collect();
        for key in expired {
            store.events.remove(&key);
        }
    }
    drop(state);
    exports.publish(account);
    if told.is_empty() && !updated {
        return;
    }
    if let Err(error) = account.wal.commit() {
        tracing::error!(%error, "violations could not be kept");
    }
    super::alerts::tell(account, &told);
}

/// The event that was added, if one was.
fn record_verdict(store: &mut super::DetectStore, verdict: Verdict) -> Option<ViolationEvent> {
    let key = violation_key(&verdict.device, &verdict.profile, &verdict.behavior.name);
    let (kind, violation) = match verdict.outcome {
        Outcome::Updated => {
            store.violations.update(&key, |v| {
                v.value = verdict.value;
                v.last_ms = verdict.at_ms;
            });
            return None;
        }
        Outcome::Raised => {
            let violation = Violation {
                id: uuid().replace('-', ""),
                thing: verdict.device.to_string(),
                profile: verdict.profile.to_string(),
                behavior: (*verdict.behavior).clone(),
                value: verdict.value,
                last_ms: verdict.at_ms,
                start_ms: verdict.at_ms,
                verification: None,
                verification_text: None,
            };
            store.violations.put(&key, violation.clone());
            ("in-alarm", violation)
        }
        Outcome::Cleared | Outcome::Invalidated => {
            let mut violation = store.violations.remove(&key)?;
            if verdict.outcome == Outcome::Cleared {
                violation.value = verdict.value;
                ("alarm-cleared", violation)
            } else {
                ("alarm-invalidated", violation)
            }
        }
    };
    tracing::info!(thing = %violation.thing, behavior = %violation.behavior.name, kind, "detect");
    let key = format!("{:014}-{}-{kind}", verdict.at_ms.max(0), violation.id);
    let event = ViolationEvent { violation, kind: kind.to_owned(), at_ms: verdict.at_ms };
    store.events.put(&key, event.clone());
    Some(event)
}
