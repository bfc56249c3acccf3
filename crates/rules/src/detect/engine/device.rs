//! What is remembered of one device: sums of open windows and the alarms of its rules.

use crate::detect::alarm::Alarm;
use crate::detect::model::MetricValue;

/// Windows of one series a device keeps until they are judged.
const KEPT_WINDOWS: usize = 16;

/// One rule's alarm, and what is still to be told of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) alarm: Alarm,
    /// The next further datapoint to tell, and the newest after it.
    pub(super) next: Option<Box<(i64, MetricValue)>>,
    pub(super) latest: Option<Box<(i64, MetricValue)>>,
    /// The last window in which where it speaks from was judged.
    pub(super) looked: Option<i64>,
}

/// Whether a device is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// By the connection of that number.
    Up(u64),
    /// By one whose beginning was missed: it was heard long after it was gone.
    Here,
    /// Since, epoch milliseconds.
    Down(i64),
}

/// One device.
#[derive(Debug, Default)]
pub(super) struct Device {
    /// Which profiles of the plan apply; of another length than the plan's while not enrolled.
    pub(super) profiles: Vec<bool>,
    /// One per rule.
    pub(super) slots: Vec<Slot>,
    /// One per series: window number and sum, oldest first.
    sums: Vec<Vec<(i64, f64)>>,
    /// One per kept metric: the window an address was last kept in.
    pub(super) kept_in: Vec<Option<i64>>,
    /// Its connection, once it had one.
    pub(super) link: Option<Link>,
}

impl Device {
    pub(super) fn new(rules: usize, series: usize) -> Self {
        Self { slots: vec![Slot::default(); rules], sums: vec![Vec::new(); series], ..Self::default() }
    }

    /// It was heard. The times of presence events are up to two minutes off (docs/aws-iot.md#3.5), so that only what comes
    /// later than that says that a device is not gone any more.
    pub(super) fn here(&mut self, at_ms: i64, minute_ms: i64) {
        if matches!(self.link, Some(Link::Down(since)) if at_ms.saturating_sub(since) > 2 * minute_ms) {
            self.link = Some(Link::Here);
        }
    }

    pub(super) fn applies(&self, profile: usize) -> bool {
        self.profiles.get(profile).copied().unwrap_or(false)
    }

    pub(super) fn alarm(&self, rule: usize) -> Alarm {
        self.slots.get(rule).map(|s| s.alarm).unwrap_or_default()
    }

    /// Adds to the sum of a window.
    pub(super) fn add(&mut self, series: usize, number: i64, amount: f64) {
        let Some(windows) = self.sums.get_mut(series) else { return };
        match windows.iter_mut().rev().find(|(n, _)| *n == number) {
            Some((_, sum)) => *sum += amount,
            None => {
                if windows.len() == KEPT_WINDOWS {
                    windows.remove(0);
                }
                windows.push((number, amount));
            }
        }
    }

    /// The windows of a series that are not judged yet: numbers and sums, oldest first.
    pub(super) fn sums(&self, series: usize) -> &[(i64, f64)] {
        self.sums.get(series).map_or(&[], Vec::as_slice)
    }

    /// The sum of a window, which is forgotten together with older ones; `None` without activity in it.
    pub(super) fn take(&mut self, series: usize, number: i64) -> Option<f64> {
        let windows = self.sums.get_mut(series)?;
        let sum = windows.iter().find(|(n, _)| *n == number).map(|(_, sum)| *sum);
        windows.retain(|(n, _)| *n > number);
        sum
    }

    /// Moves alarms and sums to where the new plan has their rules and series, and asks to be enrolled again.
    pub(super) fn rearrange(&mut self, rules: &[Option<usize>], series: &[Option<usize>]) {
        let slots = rules
            .iter()
            .map(|old| Slot { alarm: old.map(|i| self.alarm(i)).unwrap_or_default(), ..Slot::default() });
        self.slots = slots.collect();
        self.sums = series
            .iter()
            .map(|old| old.and_then(|i| self.sums.get_mut(i)).map(std::mem::take).unwrap_or_default())
            .collect();
        self.kept_in.clear();
        self.profiles.clear();
    }
}
