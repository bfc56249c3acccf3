//! What comes out of the engine: steps of violations, and values to keep.

use std::sync::Arc;

use super::plan::{Rule, Topics};
use crate::detect::alarm::Change;
use crate::detect::metric::Metric;
use crate::detect::model::{Behavior, MetricValue};

/// What happened to a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `in-alarm`.
    Raised,
    /// A further violating datapoint: last value and last time change, nothing is sent.
    Updated,
    /// `alarm-cleared`.
    Cleared,
    /// `alarm-invalidated`.
    Invalidated,
}

/// One step of one violation.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The device: its client id.
    pub device: Arc<str>,
    /// The security profile.
    pub profile: Arc<str>,
    /// The behaviour as it was judged.
    pub behavior: Arc<Behavior>,
    /// What happened.
    pub outcome: Outcome,
    /// When, epoch milliseconds: the message's time, or the end of the window.
    pub at_ms: i64,
    /// The measured value; of an invalidation, the last one is not known here and the default is given.
    pub value: MetricValue,
}

/// A value that is kept, for ListMetricValues: a closed window's, or a single one where the metric has no windows.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// The device.
    pub device: Arc<str>,
    /// The metric.
    pub metric: Metric,
    /// The topics it is limited to.
    pub topics: Option<Arc<Topics>>,
    /// End of the window, or when it was measured; epoch milliseconds.
    pub at_ms: i64,
    /// The sum over the window, or what was measured.
    pub value: MetricValue,
}

/// What became due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Due {
    /// In the order they happened.
    pub verdicts: Vec<Verdict>,
    /// Values to keep.
    pub data: Vec<Datum>,
}

pub(super) fn outcome(change: Change) -> Outcome {
    match change {
        Change::Raised => Outcome::Raised,
        Change::Updated => Outcome::Updated,
        Change::Cleared => Outcome::Cleared,
    }
}

pub(super) fn verdict(
    rule: &Rule,
    device: &Arc<str>,
    outcome: Outcome,
    at_ms: i64,
    value: MetricValue,
) -> Verdict {
    Verdict {
        device: Arc::clone(device),
        profile: Arc::clone(&rule.profile_name),
        behavior: Arc::clone(&rule.behavior),
        outcome,
        at_ms,
        value,
    }
}

pub(super) fn count(count: i64) -> MetricValue {
    MetricValue { count: Some(count), ..MetricValue::default() }
}
