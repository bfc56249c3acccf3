//! Which lines each list has, by identity, in the order they are drawn: what cursors, filters and views agree on.

use std::collections::HashMap;

use quell_fleet::model::ViolationEvent;
use quell_fleet::text::SafeText;
use quell_fleet::{ClonedIdentity, DeltaEntry, Finding, Fleet, Outstanding};

use super::filter::{self, Subject};
use super::list::{Key, ListId, key_of};
use super::{App, Env, JournalLine, View};

/// The identity of a delta.
pub(in crate::console) fn delta_key(entry: &DeltaEntry) -> Key {
    key_of((entry.at, entry.thing.raw(), entry.version, entry.shadow.as_ref().map(SafeText::as_str)))
}

/// The identity of a shadow.
pub(in crate::console) fn outstanding_key(one: &Outstanding<'_>) -> Key {
    key_of(("shadow", one.thing.raw(), one.shadow.map(SafeText::as_str)))
}

/// Deltas of one shadow that ask for the same, one after the other: shown once, with how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeltaGroup<'a> {
    /// The first of them: the group's identity.
    pub oldest: &'a DeltaEntry,
    /// The last.
    pub newest: &'a DeltaEntry,
    /// How many.
    pub count: usize,
}

/// The deltas kept, repeated ones collapsed, the newest first.
pub(crate) fn delta_groups(fleet: &Fleet) -> Vec<DeltaGroup<'_>> {
    let mut groups: Vec<DeltaGroup<'_>> = Vec::new();
    let mut open: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    for entry in fleet.deltas() {
        let shadow = (entry.thing.raw(), entry.shadow.as_ref().map(SafeText::as_str));
        let at = open.get(&shadow).copied();
        match at.and_then(|at| groups.get_mut(at)) {
            Some(group) if group.newest.changes == entry.changes => {
                group.newest = entry;
                group.count += 1;
            }
            _ => {
                open.insert(shadow, groups.len());
                groups.push(DeltaGroup { oldest: entry, newest: entry, count: 1 });
            }
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.newest.at));
    groups
}

/// The identity of a finding.
pub(in crate::console) fn finding_key(finding: &Finding) -> Key {
    key_of(("finding", finding.thing.raw(), finding.profile.as_str(), &finding.behavior.name))
}

/// The identity of a finding that an identity is cloned.
pub(in crate::console) fn cloned_key(cloned: &ClonedIdentity) -> Key {
    key_of(("cloned", cloned.thing.raw()))
}

/// The identity of a past violation's event.
pub(in crate::console) fn event_key(event: &ViolationEvent) -> Key {
    key_of((event.id.as_str(), event.kind.as_str(), event.at))
}

impl JournalLine {
    /// The identity of an entry: what was refused has the plan's name too, so its time belongs to it.
    pub(in crate::console) fn key(&self) -> Key {
        key_of((self.plan.as_str(), self.at))
    }
}

impl App {
    /// The keys of a list's lines, in the order they are drawn.
    pub(crate) fn keys(&self, list: ListId, env: &Env<'_>) -> Vec<Key> {
        let filter = self.filter_of(list);
        let mut matcher = filter.map(|_| filter::matcher());
        let mut passes = |text: &dyn Fn() -> String| match (&filter, &mut matcher) {
            (Some(filter), Some(matcher)) => filter.accepts(&Subject::text(&text()), matcher),
            _ => true,
        };
        match list {
            ListId::Devices => self.rows.keys().to_vec(),
            ListId::Violations => {
                let active = env.fleet.violations().get().map_or(&[][..], Vec::as_slice);
                let mut keys: Vec<Key> = active
                    .iter()
                    .filter(|v| passes(&|| format!("{} {} {}", v.thing.shown(), v.behavior.name, v.profile)))
                    .map(|v| key_of(&v.id))
                    .collect();
                let own = env.fleet.findings_alone();
                keys.extend(
                    own.filter(|f| {
                        passes(&|| format!("{} {} {}", f.thing.shown(), f.behavior.name, f.profile))
                    })
                    .map(finding_key),
                );
                let cloned = env.fleet.cloned().iter();
                let cloned = cloned.filter(|f| passes(&|| format!("{} {}", f.thing.shown(), f.text())));
                keys.extend(cloned.map(cloned_key));
                keys
            }
            ListId::Deltas => delta_groups(env.fleet)
                .iter()
                .filter(|g| passes(&|| g.newest.thing.shown().to_string()))
                .map(|g| delta_key(g.oldest))
                .collect(),
            ListId::Shadows => env
                .fleet
                .outstanding()
                .iter()
                .filter(|one| {
                    passes(&|| format!("{} {}", one.thing.shown(), one.shadow.map_or("", SafeText::as_str)))
                })
                .map(outstanding_key)
                .collect(),
            ListId::Stream => self.stream_keys(env),
            ListId::Jobs => env.fleet.jobs().get().map_or_else(Vec::new, |jobs| {
                jobs.iter()
                    .filter(|j| passes(&|| j.id.shown().to_string()))
                    .map(|j| key_of(j.id.raw()))
                    .collect()
            }),
            ListId::Executions => {
                let View::Executions(job) = self.view() else { return Vec::new() };
                env.fleet.executions(job.raw()).and_then(|k| k.get()).map_or_else(Vec::new, |all| {
                    all.iter()
                        .filter(|e| passes(&|| format!("{} {}", e.thing.shown(), e.status)))
                        .map(|e| key_of(e.thing.raw()))
                        .collect()
                })
            }
            ListId::Journal => match &self.journal {
                Some(Ok(lines)) => lines.iter().map(JournalLine::key).collect(),
                _ => Vec::new(),
            },
            ListId::Profiles => env.fleet.profiles().get().map_or_else(Vec::new, |all| {
                let shown = all.iter().filter(|p| passes(&|| p.name.to_string()));
                shown.map(|p| key_of(p.name.as_str())).collect()
            }),
            ListId::History => {
                let Some(all) = env.fleet.violation_events().get() else { return Vec::new() };
                let mut events: Vec<_> = all
                    .iter()
                    .filter(|e| match (&filter, &mut matcher) {
                        (Some(filter), Some(matcher)) => {
                            let text = format!("{} {} {}", e.thing.shown(), e.behavior, e.profile);
                            let subject = Subject { state: Some(e.kind.as_str()), ..Subject::text(&text) };
                            filter.accepts(&subject, matcher)
                        }
                        _ => true,
                    })
                    .collect();
                events.sort_by_key(|e| std::cmp::Reverse(e.at));
                events.into_iter().map(event_key).collect()
            }
            ListId::Findings => env.fleet.findings().get().map_or_else(Vec::new, |all| {
                let shown =
                    all.iter().filter(|f| passes(&|| format!("{} {} {}", f.severity, f.check, f.resource)));
                shown.map(|f| key_of(f.id.as_str())).collect()
            }),
            ListId::Rules => env.fleet.rules().get().map_or_else(Vec::new, |all| {
                let shown = all.iter().filter(|r| passes(&|| format!("{} {}", r.name.shown(), r.sql)));
                shown.map(|r| key_of(r.name.raw())).collect()
            }),
            ListId::WhatIf => self
                .what_if_state()
                .map_or_else(Vec::new, |s| s.would.iter().map(|w| key_of(w.thing.raw())).collect()),
            ListId::Text => Vec::new(),
        }
    }
}
