//! Device Defender Detect: security profiles, metric windows, violations (docs/aws-iot.md#2.3, #4.1).
//!
//! * `live.rs`: what the broker tells ([`on_published`] …), judged by [`quell_rules::detect`]; the task that judges ended windows.
//! * `profiles.rs`, `check.rs`, `targets.rs`: security profiles, what is refused of them, what they watch. `definitions.rs`: dimensions, custom metrics.
//! * `violations.rs`: active violations, their events, metric values.
//! * `report.rs`: what device-side agents report. `alerts.rs`, `export.rs`: who is told.

mod alerts;
mod check;
pub mod definitions;
mod export;
mod live;
pub mod profiles;
mod report;
pub mod routes;
pub mod targets;
pub mod violations;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Clock;
use crate::store::{Table, Wal};
use quell_rules::detect::model::{Behavior, MetricValue};

pub use live::{Live, on_connected, on_delivered, on_denied, on_disconnected, on_published, refresh, run};
pub use report::on_report;

/// A security profile. Its name is its key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityProfile {
    /// `securityProfileDescription`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What is normal.
    #[serde(default)]
    pub behaviors: Vec<Behavior>,
    /// `alertTargets` as given.
    #[serde(default)]
    pub alert_targets: Option<Value>,
    /// `additionalMetricsToRetainV2`, into which the old member is folded.
    #[serde(default)]
    pub retain: Vec<Value>,
    /// `metricsExportConfig` as given.
    #[serde(default)]
    pub export: Option<Value>,
    /// Starts at 1, grows with each change.
    pub version: i64,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// Epoch milliseconds.
    pub modified_ms: i64,
    /// ARNs of what it watches.
    #[serde(default)]
    pub targets: BTreeSet<String>,
}

impl SecurityProfile {
    /// Does it judge or retain that metric?
    pub fn uses_metric(&self, name: &str) -> bool {
        self.behaviors.iter().any(|b| b.metric.as_deref() == Some(name))
            || self.retain.iter().any(|m| m["metric"] == name)
    }

    /// Does it judge or retain a metric within that dimension?
    pub fn uses_dimension(&self, name: &str) -> bool {
        self.behaviors.iter().any(|b| b.metric_dimension.as_ref().is_some_and(|d| d.dimension_name == name))
            || self.retain.iter().any(|m| m["metricDimension"]["dimensionName"] == name)
    }
}

/// A violation that stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Violation {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The thing, or the client id of an unregistered device.
    pub thing: String,
    /// The security profile.
    pub profile: String,
    /// The behaviour as it was when it was violated.
    pub behavior: Behavior,
    /// The last measured value.
    pub value: MetricValue,
    /// Epoch milliseconds of the last violating datapoint.
    pub last_ms: i64,
    /// Epoch milliseconds of the datapoint that raised it.
    pub start_ms: i64,
    /// `verificationState`, once somebody set it.
    #[serde(default)]
    pub verification: Option<String>,
    /// `verificationStateDescription`.
    #[serde(default)]
    pub verification_text: Option<String>,
}

/// One step of a violation, kept for 30 days.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ViolationEvent {
    /// The violation as it was then; its `value` is the event's.
    pub violation: Violation,
    /// `in-alarm`, `alarm-cleared`, `alarm-invalidated`.
    pub kind: String,
    /// Epoch milliseconds.
    pub at_ms: i64,
}

/// A value kept for ListMetricValues. Most are counts, of which there are many.
#[derive(Clone, Debug)]
enum Kept {
    Count(i64),
    Other(Box<MetricValue>),
}

impl Kept {
    fn of(value: MetricValue) -> Self {
        match value {
            MetricValue { count: Some(count), .. } => Self::Count(count),
            other => Self::Other(Box::new(other)),
        }
    }

    fn value(&self) -> MetricValue {
        match self {
            Self::Count(count) => MetricValue { count: Some(*count), ..MetricValue::default() },
            Self::Other(value) => (**value).clone(),
        }
    }
}

/// Values kept of one metric of one device: end of window or time of the report (epoch milliseconds) and value.
type Values = VecDeque<(i64, Kept)>;

/// Security profiles, targets, metric values, violations.
pub struct DetectStore {
    profiles: Table<SecurityProfile>,
    dimensions: Table<definitions::Dimension>,
    custom_metrics: Table<definitions::CustomMetric>,
    /// By device, profile and behaviour: [`violation_key`].
    violations: Table<Violation>,
    /// By time.
    events: Table<ViolationEvent>,
    /// By [`values_key`] and device. Not kept across restarts.
    values: HashMap<String, HashMap<Arc<str>, Values>>,
    reports: report::Reports,
    live: Arc<Live>,
}

impl DetectStore {
    /// Is there a security profile of that name?
    pub fn has_profile(&self, name: &str) -> bool {
        self.profiles.contains(name)
    }

    /// What `wal` held. Windows, latency and the silence after which an alarm is invalidated run with `clock`.
    pub fn open(wal: &Wal, clock: Clock) -> Self {
        Self {
            profiles: Table::open(wal, "security-profiles"),
            dimensions: Table::open(wal, "dimensions"),
            custom_metrics: Table::open(wal, "custom-metrics"),
            violations: Table::open(wal, "violations"),
            events: Table::open(wal, "violation-events"),
            values: HashMap::new(),
            reports: report::Reports::default(),
            live: Arc::new(Live::new(clock)),
        }
    }

    /// The security profile of that name.
    pub fn profile(&self, name: &str) -> Option<&SecurityProfile> {
        self.profiles.get(name)
    }

    /// The violations that stand.
    pub fn active(&self) -> impl Iterator<Item = &Violation> {
        self.violations.iter().map(|(_, v)| v)
    }

    /// The steps of violations that are kept, oldest first.
    pub fn history(&self) -> impl Iterator<Item = &ViolationEvent> {
        self.events.iter().map(|(_, e)| e)
    }
}

/// The key of the one violation a behaviour of a device can have.
fn violation_key(thing: &str, profile: &str, behavior: &str) -> String {
    format!("{thing}\u{1f}{profile}\u{1f}{behavior}")
}

/// The key of a metric's values, limited to the topics of a dimension when one is given.
fn values_key(metric: &str, dimension: Option<(&str, bool)>) -> String {
    match dimension {
        None => metric.to_owned(),
        Some((name, negated)) => {
            format!("{metric}\u{1f}{}\u{1f}{name}", if negated { "NOT_IN" } else { "IN" })
        }
    }
}

/// Epoch seconds with fraction, as JSON bodies carry them.
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
