//! What was read from AWS, taken in: each answer with its generation, its age and its trouble.

use std::collections::HashMap;
use std::sync::Arc;

use super::account::slot;
use super::event::{Poll, Reading};
use super::known::{Fallible, Trouble};
use super::model::Name;
use super::{Changes, Fleet, Indexing, Ms, SourceId};

/// How reading one source goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PollState {
    /// When it last succeeded.
    pub last_ok: Option<Ms>,
    /// When it is read next, if it is polled.
    pub next_at: Option<Ms>,
    /// Why the latest attempt failed.
    pub trouble: Option<Trouble>,
    generation: u64,
}

/// How many sources are remembered however long ago they were read.
const SOURCES: usize = 64;
/// One that was to be read so long ago is not asked for any more: nobody looks at what it feeds.
const LAPSED: Ms = 600_000;

/// Of this many devices found in an isolation group at once the certificates are asked for.
const WANTED: usize = 32;
/// A list that was read may be older than an event that was heard, by this much: it takes back no younger membership.
const READ_BEFORE: Ms = 10_000;
/// Executions of this many jobs are kept.
const JOBS: usize = 256;

impl Fleet {
    pub(super) fn poll(&mut self, poll: Poll, now: Ms) -> Changes {
        let Poll { source, generation, at, outcome, next_at } = poll;
        if matches!(source, SourceId::Search(_)) && !self.polls.contains_key(&source) {
            // Of what is typed letter by letter only the latest is of interest.
            self.polls.retain(|other, _| !matches!(other, SourceId::Search(_)));
        }
        if self.polls.len() >= SOURCES && !self.polls.contains_key(&source) {
            self.polls.retain(|_, state| state.next_at.is_none_or(|next| now - next < LAPSED));
        }
        let state = self.polls.entry(source.clone()).or_default();
        if generation < state.generation {
            return Changes::NONE;
        }
        state.generation = generation;
        let under_way = match &outcome {
            Ok(Reading::ThingsPage(..) | Reading::NotIndexed(_)) => true,
            Ok(Reading::Outstanding(reading)) => !reading.done,
            _ => false,
        };
        if !under_way {
            let throttled = matches!(&outcome, Err(t) if t.kind == super::known::TroubleKind::Throttled);
            self.losses.throttled(&source, throttled, at);
        }
        state.next_at = next_at;
        match outcome {
            // Not the end of the read: its age and its trouble stay.
            Ok(reading) if under_way => self.read(reading, at, now) | Changes::POLLS,
            Ok(reading) => {
                state.last_ok = Some(at);
                state.trouble = None;
                self.read(reading, at, now) | Changes::POLLS
            }
            Err(trouble) => {
                let since = state.trouble.as_ref().map_or(trouble.since, |t| t.since);
                state.trouble = Some(Trouble { since, ..trouble.clone() });
                self.unread(&source, trouble) | Changes::POLLS
            }
        }
    }

    fn read(&mut self, reading: Reading, at: Ms, now: Ms) -> Changes {
        match reading {
            Reading::Identity(identity) => {
                self.identity.learn(identity, at);
                Changes::POLLS
            }
            Reading::Alias(alias) => {
                self.alias.learn(alias, at);
                Changes::POLLS
            }
            Reading::Things(things) => {
                let mut changes = Changes::NONE;
                for device in &mut self.devices {
                    if !device.is_unattributed() && device.registered() != Some(false) {
                        device.set_registered(false);
                    }
                }
                self.things.learn(things.len(), at);
                self.reading = None;
                if self.indexing.used().is_some() {
                    self.indexing = Indexing::Unused;
                }
                changes |= self.register(things, now);
                changes | Changes::DEVICES
            }
            Reading::ThingsPage(things, so_far) => {
                self.reading = Some(so_far);
                self.register(things, now) | Changes::DEVICES
            }
            Reading::Indexed(reading) => self.indexed(*reading, at, now),
            Reading::Found(things) => self.take_indexed(things, at, now) | Changes::DEVICES,
            Reading::NotIndexed(why) => {
                self.indexing = Indexing::Instead(why);
                Changes::DEVICES
            }
            Reading::Standing(standing) => {
                self.standing.learn(standing, at);
                Changes::POLLS
            }
            Reading::Violations(list) => {
                let mut seen = std::mem::take(&mut self.seen_violations);
                self.seen_violations = list
                    .iter()
                    .map(|v| {
                        let (id, at) = seen.remove_entry(&v.id).unwrap_or_else(|| (v.id.clone(), at));
                        (id, at)
                    })
                    .collect();
                self.alarms.learn(&list, at, self.limits.detect_speed);
                self.violations.learn(list, at);
                self.assign_violations(now) | Changes::VIOLATIONS
            }
            Reading::ViolationEvents(list) => {
                self.violation_events.learn(list, at);
                Changes::VIOLATIONS
            }
            Reading::Members(group, members) => {
                self.members.entry(group.key()).or_default().learn(members, at);
                self.targets_changed(group.raw());
                self.assign_members(&group, now) | Changes::DEVICES
            }
            Reading::Certificates(thing, list) => {
                let id = self.thing(&thing, now);
                for certificate in &list {
                    self.clones.owned(&certificate.id, id);
                    for other in &certificate.things {
                        if let Some(other) = self.find(other.raw()) {
                            self.clones.owned(&certificate.id, other);
                        }
                    }
                }
                if let Some(device) = self.devices.get_mut(id.index()) {
                    device.certificates_mut().learn(list, at);
                }
                self.judge(id, now) | self.reconcile(id, now) | Changes::DEVICES
            }
            Reading::Denial(group, by) => self.learn_denial(&group, by, at, now),
            Reading::GroupsOf(thing, groups) => {
                let id = self.thing(&thing, now);
                let quarantined = groups.iter().find(|g| self.is_quarantine(g.raw())).cloned();
                if let Some(device) = self.devices.get_mut(id.index()) {
                    device.groups_mut().learn(groups, at);
                    device.set_quarantined(quarantined.clone(), at, READ_BEFORE);
                }
                if let Some(group) = quarantined {
                    self.want_denial(&group, &thing);
                }
                self.judge(id, now) | Changes::DEVICES
            }
            Reading::Jobs(list) => {
                self.jobs.learn(list, at);
                Changes::JOBS
            }
            Reading::Executions(job, list) => {
                if self.executions.len() >= JOBS && !self.executions.contains_key(job.raw()) {
                    self.executions.clear();
                }
                self.executions.entry(job.key()).or_default().learn(list, at);
                Changes::JOBS
            }
            Reading::Shadow(thing, shadow, document) => {
                self.shadows.learn(&thing, shadow.as_ref(), document, at);
                Changes::DELTAS
            }
            Reading::Outstanding(reading) => {
                self.shadows.settle(&reading);
                for read in reading.found {
                    self.shadows.learn(&read.thing, read.shadow.as_ref(), Some(read.document), at);
                }
                self.shadows.reach.learn(reading.reach, at);
                Changes::DELTAS
            }
            Reading::Profiles(list) => {
                self.profiles.learn(list, at);
                self.profiles_changed(now) | Changes::VIOLATIONS
            }
            Reading::Account(reading) => {
                if let Some(next) = self.account.wants(&reading) {
                    self.want(next);
                }
                self.account.learn(reading, at)
            }
        }
    }

    fn register(&mut self, things: Vec<super::model::ThingRecord>, now: Ms) -> Changes {
        let mut changes = Changes::NONE;
        for thing in things {
            let id = self.thing(&thing.name, now);
            if let Some(device) = self.devices.get_mut(id.index()) {
                device.set_registered(true);
                device.set_thing_type(thing.thing_type);
            }
            changes |= self.judge(id, now);
        }
        changes
    }

    fn unread(&mut self, source: &SourceId, trouble: Trouble) -> Changes {
        if matches!(source, SourceId::Things) {
            self.reading = None;
        }
        let (place, changes) = self.place(source);
        if let Some(place) = place {
            place.fail(trouble);
        }
        changes
    }

    /// Where what a source says is kept, and what changes with it; nowhere, where a thing that was only asked about is no
    /// device.
    fn place(&mut self, source: &SourceId) -> (Option<&mut dyn Fallible>, Changes) {
        let (place, changes): (&mut dyn Fallible, _) = match source {
            SourceId::Identity => (&mut self.identity, Changes::NONE),
            SourceId::Alias => (&mut self.alias, Changes::NONE),
            SourceId::Standing => (&mut self.standing, Changes::NONE),
            SourceId::Things => (&mut self.things, Changes::DEVICES),
            SourceId::Violations => (&mut self.violations, Changes::VIOLATIONS),
            SourceId::ViolationEvents => (&mut self.violation_events, Changes::VIOLATIONS),
            SourceId::Denial(group) => (self.denials.entry(group.key()).or_default(), Changes::DEVICES),
            SourceId::Members(group) => (self.members.entry(group.key()).or_default(), Changes::NONE),
            SourceId::Certificates(thing) | SourceId::GroupsOf(thing) => {
                let Some(id) = self.find(thing.raw()) else { return (None, Changes::DEVICES) };
                let Some(device) = self.devices.get_mut(id.index()) else { return (None, Changes::DEVICES) };
                match source {
                    SourceId::GroupsOf(_) => (device.groups_mut(), Changes::DEVICES),
                    _ => (device.certificates_mut(), Changes::DEVICES),
                }
            }
            SourceId::Jobs => (&mut self.jobs, Changes::JOBS),
            SourceId::Executions(job) => (self.executions.entry(job.key()).or_default(), Changes::JOBS),
            SourceId::Shadow(thing, shadow) => (self.shadows.slot(thing, shadow.as_ref()), Changes::DELTAS),
            SourceId::Outstanding => (&mut self.shadows.reach, Changes::DELTAS),
            SourceId::Profiles => (&mut self.profiles, Changes::VIOLATIONS),
            SourceId::PoliciesOf(thing) => (slot(&mut self.account.policies, thing), Changes::POLLS),
            SourceId::JobsOf(thing) => (slot(&mut self.account.jobs_of, thing), Changes::POLLS),
            SourceId::JobDetail(job) => (slot(&mut self.account.job_details, job), Changes::POLLS),
            SourceId::MetricsOf(thing) => (slot(&mut self.account.metrics, thing), Changes::POLLS),
            SourceId::Rules => (&mut self.account.rules, Changes::POLLS),
            SourceId::Findings => (&mut self.account.findings, Changes::POLLS),
            SourceId::RuleMetrics(rule) => (slot(&mut self.account.rule_metrics, rule), Changes::POLLS),
            SourceId::AuditSetup => (&mut self.account.audit_setup, Changes::POLLS),
            SourceId::AuditTasks => (&mut self.account.audit_tasks, Changes::POLLS),
            SourceId::Dimensions => (&mut self.account.dimensions, Changes::POLLS),
            SourceId::CustomMetrics => (&mut self.account.custom_metrics, Changes::POLLS),
            SourceId::Training => (&mut self.account.training, Changes::POLLS),
            SourceId::Suppressed => (&mut self.account.suppressed, Changes::POLLS),
            SourceId::Values(thing, metric) => (self.account.series(thing, metric), Changes::POLLS),
            // Found things are devices like all others: the trouble is that of the poll.
            SourceId::Search(_) => return (None, Changes::POLLS),
        };
        (Some(place), changes)
    }

    pub(super) fn is_quarantine(&self, group: &str) -> bool {
        self.limits.quarantine_groups.iter().any(|known| &**known == group)
    }

    /// Marks the devices of a quarantine group, and unmarks those that left it.
    fn assign_members(&mut self, group: &Name, now: Ms) -> Changes {
        if !self.is_quarantine(group.raw()) {
            return Changes::NONE;
        }
        let members: Vec<Name> =
            self.members.get(group.raw()).and_then(|m| m.get()).and_then(Option::clone).unwrap_or_default();
        let inside: HashMap<Arc<str>, ()> = members.iter().map(|name| (name.key(), ())).collect();
        let mut touched = Vec::new();
        for (i, device) in self.devices.iter_mut().enumerate() {
            if device.quarantined_in() == Some(group) && !inside.contains_key(device.name().raw()) {
                device.set_quarantined(None, now, READ_BEFORE);
                touched.push(super::DeviceId::at(i));
            }
        }
        for name in &members {
            let id = self.thing(name, now);
            if let Some(device) = self.devices.get_mut(id.index())
                && device.quarantined_in().is_none()
            {
                device.set_quarantined(Some(group.clone()), now, 0);
                touched.push(id);
            }
        }
        for id in touched.iter().copied().take(WANTED) {
            let device = self.device(id);
            if let Some(group) = device.quarantined_in().cloned() {
                let thing = device.name().clone();
                self.want_denial(&group, &thing);
            }
        }
        let answered: Vec<_> =
            self.devices().filter(|(_, d)| d.stage().is_some()).map(|(id, _)| id).collect();
        let changes = touched.into_iter().fold(Changes::NONE, |changes, id| changes | self.judge(id, now));
        answered.into_iter().fold(changes, |changes, id| changes | self.reconcile(id, now))
    }

    /// A group's member came or went, by notice.
    pub(super) fn membership(&mut self, group: &Name, thing: &Name, added: bool, at: Ms, now: Ms) -> Changes {
        self.want(SourceId::Members(group.clone()));
        self.targets_changed(group.raw());
        if let Some(members) =
            self.members.get_mut(group.raw()).and_then(|m| m.get_mut()).and_then(Option::as_mut)
        {
            members.retain(|name| name != thing);
            if added {
                members.push(thing.clone());
            }
        }
        if !self.is_quarantine(group.raw()) {
            return Changes::DEVICES;
        }
        let id = self.thing(thing, now);
        if let Some(device) = self.devices.get_mut(id.index()) {
            if added {
                device.set_quarantined(Some(group.clone()), at, 0);
            } else if device.quarantined_in() == Some(group) {
                device.set_quarantined(None, at, 0);
            }
        }
        if added {
            self.want_denial(group, thing);
        }
        self.judge(id, now) | Changes::DEVICES
    }
}
