//! The device table's rows: filtered, sorted, and cached, because a hundred thousand devices are not sorted per frame.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::time::{Duration, Instant};

use quell_fleet::{Device, DeviceId, Fleet, Ms};

use super::Env;
use super::filter::{self, Filter, Subject, topic_matches};
use super::list::Key;
use super::state::condition_word;

/// What devices are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The worst first.
    #[default]
    Severity,
    /// By name.
    Name,
    /// The most talkative first.
    Rate,
    /// The largest last payload first.
    Size,
    /// The last heard first.
    Heard,
}

impl Sort {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Severity => "by severity",
            Self::Name => "by name",
            Self::Rate => "by rate",
            Self::Size => "by size",
            Self::Heard => "by last heard",
        }
    }

    pub(super) fn next(self) -> Self {
        match self {
            Self::Severity => Self::Name,
            Self::Name => Self::Rate,
            Self::Rate => Self::Size,
            Self::Size => Self::Heard,
            Self::Heard => Self::Severity,
        }
    }
}

/// Rows are sorted again at most this often: an order that jumps faster cannot be read.
const INTERVAL: Ms = 300;

/// The rows in order.
#[derive(Default)]
pub struct DeviceRows {
    ids: Vec<DeviceId>,
    keys: Vec<Key>,
    sort: Sort,
    revision: Option<u64>,
    at: Ms,
    cost: Duration,
}

impl DeviceRows {
    /// No rows yet, in this order.
    pub(super) fn sorted(sort: Sort) -> Self {
        Self { sort, ..Self::default() }
    }

    /// The devices in order.
    pub fn ids(&self) -> &[DeviceId] {
        &self.ids
    }

    /// Their keys, in the same order.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What they are sorted by.
    pub fn sort(&self) -> Sort {
        self.sort
    }

    /// A device by its key.
    pub fn device_of(&self, key: Key) -> Option<DeviceId> {
        self.keys.iter().position(|k| *k == key).and_then(|at| self.ids.get(at)).copied()
    }

    pub(super) fn set_sort(&mut self, sort: Sort) {
        self.sort = sort;
        self.revision = None;
    }

    /// Forces the next refresh.
    pub(super) fn outdate(&mut self) {
        self.revision = None;
    }

    /// True when what is listed was changed by hand, and not yet made anew.
    pub(super) fn is_outdated(&self) -> bool {
        self.revision.is_none()
    }

    /// True when the rows are older than the fleet: a frame is due when they may be sorted again.
    pub fn is_behind(&self, fleet: &Fleet) -> bool {
        self.revision != Some(fleet.revision())
    }

    pub(super) fn refresh(&mut self, env: &Env<'_>, filter: Option<&Filter>, marks: &HashSet<DeviceId>) {
        let revision = env.fleet.revision();
        if self.revision == Some(revision) {
            return;
        }
        // A large fleet is sorted less often: at most a twentieth of the time.
        let wait = INTERVAL.max(self.cost.as_millis() as Ms * 20);
        // The first devices are shown at once: an empty table would say that there are none.
        let first = filter.is_none() && self.ids.is_empty();
        if !first && self.revision.is_some() && (0..wait).contains(&(env.now - self.at)) {
            return;
        }
        let began = Instant::now();
        self.sort_now(env, filter, marks);
        self.revision = Some(revision);
        self.at = env.now;
        self.cost = began.elapsed();
    }

    fn sort_now(&mut self, env: &Env<'_>, filter: Option<&Filter>, marks: &HashSet<DeviceId>) {
        let mut matcher = filter::matcher();
        let mut rows: Vec<(DeviceId, &Device)> = env
            .fleet
            .devices()
            .filter(|(id, device)| {
                // What is marked stays in sight: nobody acts on what a filter hides.
                filter.is_none_or(|f| accepts(f, device, env, &mut matcher)) || marks.contains(id)
            })
            .collect();
        let now = env.now;
        let by_name = |a: &Device, b: &Device| a.name().raw().cmp(b.name().raw());
        rows.sort_unstable_by(|(_, a), (_, b)| {
            let order = match self.sort {
                Sort::Severity => a
                    .condition()
                    .cmp(&b.condition())
                    .then_with(|| b.violations().len().cmp(&a.violations().len())),
                Sort::Name => Ordering::Equal,
                Sort::Rate => b.per_minute(now).unwrap_or(-1.0).total_cmp(&a.per_minute(now).unwrap_or(-1.0)),
                Sort::Size => b.last_len().cmp(&a.last_len()),
                Sort::Heard => b.last_seen().cmp(&a.last_seen()),
            };
            order.then_with(|| by_name(a, b))
        });
        self.ids.clear();
        self.ids.extend(rows.iter().map(|(id, _)| *id));
        self.keys.clear();
        self.keys.extend(self.ids.iter().map(|id| id.index() as Key));
    }
}

fn accepts(filter: &Filter, device: &Device, env: &Env<'_>, matcher: &mut nucleo_matcher::Matcher) -> bool {
    let in_group = |group: &str| {
        let listed = env
            .fleet
            .members(group)
            .and_then(|known| known.get())
            .and_then(Option::as_ref)
            .is_some_and(|members| members.contains(device.name()));
        listed
            || device.quarantined_in().is_some_and(|g| g.raw() == group)
            || device.groups().get().is_some_and(|groups| groups.iter().any(|g| g.raw() == group))
    };
    let on_topic = |wanted: &str| {
        device
            .topics()
            .iter()
            .filter_map(|id| env.fleet.topic(*id))
            .any(|topic| topic_matches(wanted, topic.text().as_str()))
    };
    let subject = Subject {
        text: device.name().shown().as_str(),
        state: Some(condition_word(device.condition())),
        size: device.last_len().map(f64::from),
        rate: device.per_minute(env.now),
        in_group: &in_group,
        on_topic: &on_topic,
    };
    filter.accepts(&subject, matcher)
}
