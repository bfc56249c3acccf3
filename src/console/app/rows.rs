//! The device table's rows: filtered, sorted, and cached, because a hundred thousand devices are not sorted per frame.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use quell_fleet::{Device, DeviceId, Fleet, Ms};

use super::super::views::Sort;
use super::super::words;
use super::Env;
use super::filter::{self, Filter, Subject, topic_matches};
use super::list::Key;

/// Rows are sorted again at most this often: an order that jumps faster cannot be read.
const INTERVAL: Ms = 300;

/// The rows in order.
#[derive(Default)]
pub(crate) struct DeviceRows {
    ids: Vec<DeviceId>,
    /// These are all devices of the fleet there were: numbers are dense, and none is taken back.
    whole: bool,
    keys: Vec<Key>,
    sort: Sort,
    revision: Option<u64>,
    at: Ms,
    cost: Duration,
    held: bool,
    longest: u16,
    most: u32,
    by_name: ByName,
}

/// All things by name, for what shows each at a place of its own: names never change, so only new ones are sorted in.
#[derive(Default)]
struct ByName {
    ids: Vec<DeviceId>,
    /// Devices of the fleet that were looked at.
    seen: usize,
    at: Ms,
    cost: Duration,
    /// There are new ones, which wait for their turn.
    behind: bool,
}

impl ByName {
    fn refresh(&mut self, env: &Env<'_>) {
        let (fleet, len) = (env.fleet, env.fleet.len());
        let wait = self.cost.as_millis() as Ms * 20;
        self.behind = len > self.seen && (0..wait).contains(&(env.now - self.at));
        if len == self.seen || self.behind {
            return;
        }
        let began = Instant::now();
        let fresh = fleet.devices().skip(self.seen).filter(|(_, device)| !device.is_unattributed());
        self.ids.extend(fresh.map(|(id, _)| id));
        // Two runs are merged by this sort, not sorted anew.
        let name = |id: &DeviceId| fleet.device(*id).name().raw();
        self.ids.sort_by(|a, b| words::natural(name(a), name(b)));
        self.seen = len;
        self.at = env.now;
        self.cost = began.elapsed();
    }
}

impl DeviceRows {
    /// No rows yet, in this order.
    pub(super) fn sorted(sort: Sort) -> Self {
        Self { sort, ..Self::default() }
    }

    /// The devices in order.
    pub(crate) fn ids(&self) -> &[DeviceId] {
        &self.ids
    }

    /// Their keys, in the same order.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What they are sorted by.
    pub(crate) fn sort(&self) -> Sort {
        self.sort
    }

    /// A device by its key.
    pub(crate) fn device_of(&self, key: Key) -> Option<DeviceId> {
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

    /// All things, by name.
    pub(crate) fn by_name(&self) -> &[DeviceId] {
        &self.by_name.ids
    }

    /// Takes new things in among the names.
    pub(super) fn refresh_names(&mut self, env: &Env<'_>) {
        self.by_name.refresh(env);
    }

    /// True when what is listed was changed by hand, and not yet made anew.
    pub(super) fn is_outdated(&self) -> bool {
        self.revision.is_none()
    }

    /// True when the rows are older than the fleet: a frame is due when they may be sorted again.
    pub(in crate::console) fn is_behind(&self, fleet: &Fleet) -> bool {
        self.by_name.behind || (!self.held && self.revision != Some(fleet.revision()))
    }

    /// True while the rows stay where they are: a hand is on them.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// Cells of the longest name of the account.
    pub(crate) fn longest(&self) -> u16 {
        self.longest
    }

    /// Bytes of the largest message of the account.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Takes the devices in. While the order is `held` rows stay where they are, and new ones come last.
    pub(super) fn refresh(
        &mut self,
        env: &Env<'_>,
        filter: Option<&Filter>,
        marks: &HashSet<DeviceId>,
        held: bool,
    ) {
        let revision = env.fleet.revision();
        // What was asked for by hand, another order or another filter, is done whatever is held.
        self.held = held && self.revision.is_some();
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
        // Held, the next chance to sort is still to come.
        self.revision = Some(if self.held { revision.wrapping_sub(1) } else { revision });
        self.at = env.now;
        self.cost = began.elapsed();
    }

    fn sort_now(&mut self, env: &Env<'_>, filter: Option<&Filter>, marks: &HashSet<DeviceId>) {
        let mut matcher = filter::matcher();
        let fleet = env.fleet;
        (self.longest, self.most) = (0, 0);
        for (_, device) in fleet.devices() {
            self.longest = self.longest.max(words::cells(device.name().shown().as_str()));
            self.most = self.most.max(device.max().unwrap_or(0));
        }
        let before = std::mem::take(&mut self.ids);
        // By number, as devices are: there may be a million, in a table of their own they would take four times as much.
        let mut places = vec![u32::MAX; if self.held { fleet.len() } else { 0 }];
        if self.held {
            for (at, id) in (0..).zip(&before) {
                places.get_mut(id.index()).into_iter().for_each(|place| *place = at);
            }
        }
        // Most rows stay where they are, and this sort takes a run that is in order as it is.
        let mut rows = if self.whole { before } else { Vec::new() };
        rows.extend(fleet.devices().skip(rows.len()).map(|(id, _)| id));
        // What is marked stays in sight: nobody acts on what a filter hides.
        let mut stays =
            |id: &DeviceId, f| accepts(f, *id, fleet.device(*id), env, &mut matcher) || marks.contains(id);
        rows.retain(|id| filter.is_none_or(|f| stays(id, f)));
        let place = |id: &DeviceId| places.get(id.index()).copied().unwrap_or(u32::MAX);
        rows.sort_by(|i, j| {
            let compare = || self.sort.compare(fleet.device(*i), fleet.device(*j), env.now);
            place(i).cmp(&place(j)).then_with(compare)
        });
        self.whole = rows.len() == fleet.len();
        self.ids = rows;
        self.keys.clear();
        self.keys.extend(self.ids.iter().map(|id| id.index() as Key));
    }
}

/// Whether a device is known to be in a thing group.
pub(super) fn is_in_group(env: &Env<'_>, device: &Device, group: &str) -> bool {
    let listed = env
        .fleet
        .members(group)
        .and_then(|known| known.get())
        .and_then(Option::as_ref)
        .is_some_and(|members| members.contains(device.name()));
    listed
        || device.quarantined_in().is_some_and(|g| g.raw() == group)
        || device.groups().get().is_some_and(|groups| groups.iter().any(|g| g.raw() == group))
}

fn accepts(
    filter: &Filter,
    id: DeviceId,
    device: &Device,
    env: &Env<'_>,
    matcher: &mut nucleo_matcher::Matcher,
) -> bool {
    let in_group = |group: &str| is_in_group(env, device, group);
    let on_topic = |wanted: &str| {
        device
            .topics()
            .iter()
            .filter_map(|id| env.fleet.topic(*id))
            .any(|topic| topic_matches(wanted, topic.text()))
    };
    let subject = Subject {
        state: Some(device.word().text()),
        size: device.last_len().map(f64::from),
        rate: env.fleet.per_minute(id, env.now),
        in_group: &in_group,
        on_topic: &on_topic,
        ..Subject::text(device.name().shown().as_str())
    };
    filter.accepts(&subject, matcher)
}
