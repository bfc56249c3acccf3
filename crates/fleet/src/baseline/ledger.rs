//! The false alarms an operator accepts, what was spent of them, and how patient that makes early warning.
//!
//! Chance is held off by distance: how far out is too far follows from the budget and a tail heavier than most fleets have.
//! What no distance holds off is the first message of a kind a device never sent: an hourly report, a crash dump, or the
//! first bad message. It is told at once as long as the budget lasts; one that was followed by ordinary messages is spent,
//! and the next of its size, from whichever device, must be followed by a second before it is told. What goes on is no
//! false alarm and is paid back. So the workshop's rogue is told on its first message, and a fleet that reports every hour
//! costs one alarm and not one a device.

use std::collections::VecDeque;

use super::Ms;
use super::size::OUTSIDE;

/// Alarms that may turn out wrong before anything is known of a fleet: what learning costs.
const FREE: f64 = 3.0;
/// Sizes of messages that came once, kept.
const KINDS: usize = 32;
/// Time counts as listened to in steps no longer than this: a laptop that slept heard nothing.
const STEP: Ms = 60_000;
const DAY: f64 = 86_400_000.0;

/// How far out is too far, from the false alarms accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget(f64);

impl Budget {
    /// `per_device_day` false alarms are accepted of all kinds together.
    pub(crate) fn new(per_device_day: f64) -> Self {
        let sane = if per_device_day.is_finite() { per_device_day.clamp(1e-6, 1_000.0) } else { 0.01 };
        // Sizes, bursts, minutes and pauses are the kinds that chance alone can raise.
        Self(sane / 4.0)
    }

    /// How many median absolute deviations one of `a_day` sizes may be off. A normal tail: what scatters further than
    /// that is held off by the extremes already seen.
    pub(super) fn spreads(self, a_day: f64) -> f32 {
        self.deviations(a_day) * 1.48
    }

    /// The same in standard deviations.
    pub(super) fn deviations(self, a_day: f64) -> f32 {
        (2.0 * self.logarithm(a_day)).sqrt().max(3.0) as f32
    }

    /// How many times its mean an exponential may exceed, when it is drawn `a_day` times.
    pub(super) fn logarithm(self, a_day: f64) -> f64 {
        (a_day.max(1.0) / self.0).ln().max(0.0)
    }
}

/// The account of one fleet.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(super) budget: Budget,
    device_days: f64,
    counted: Option<Ms>,
    /// Told at once, and not followed by a second.
    unproven: u32,
    /// Their sizes, log2, the newest last.
    kinds: VecDeque<f32>,
}

impl Ledger {
    /// `per_device_day` false alarms are accepted.
    pub(crate) fn new(per_device_day: f64) -> Self {
        let budget = Budget::new(per_device_day);
        Self { budget, device_days: 0.0, counted: None, unproven: 0, kinds: VecDeque::new() }
    }

    /// Another number of false alarms is accepted from now on.
    pub(crate) fn set_budget(&mut self, per_device_day: f64) {
        self.budget = Budget::new(per_device_day);
    }

    /// So many devices are listened to; called as time passes.
    pub(crate) fn listened(&mut self, devices: usize, now: Ms) {
        let since = self.counted.replace(now).unwrap_or(now);
        self.device_days += (now - since).clamp(0, STEP) as f64 * devices as f64 / DAY;
    }

    /// Whether a message of this size, the first of its kind from a device, is told without waiting for a second.
    pub(super) fn is_prompt(&self, size: f32) -> bool {
        let allowed = (self.budget.0 * 4.0 * self.device_days).max(FREE);
        f64::from(self.unproven) < allowed && !self.kinds.iter().any(|kind| (kind - size).abs() <= OUTSIDE)
    }

    /// It was told.
    pub(super) fn told(&mut self, size: f32) {
        self.unproven = self.unproven.saturating_add(1);
        if self.kinds.len() == KINDS {
            self.kinds.pop_front();
        }
        self.kinds.push_back(size);
    }

    /// It went on: that was no false alarm.
    pub(super) fn proven(&mut self, size: f32) {
        self.unproven = self.unproven.saturating_sub(1);
        self.kinds.retain(|kind| (kind - size).abs() > OUTSIDE);
    }
}
