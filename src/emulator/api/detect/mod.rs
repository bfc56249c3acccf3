//! Device Defender Detect: security profiles, metric windows, violations (contract §2.3, §4.1).
//!
//! * `live.rs`: what the broker tells ([`on_published`] …), judged by [`crate::detect`]; the task that judges ended windows.
//! * `profiles.rs`, `targets.rs`: security profiles and what they watch. `definitions.rs`: dimensions, custom metrics.
//! * `violations.rs`: active violations, their events, metric values.
//! * `report.rs`: what device-side agents report.

mod alerts;
pub mod definitions;
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

use crate::detect::model::{Behavior, MetricValue};
use crate::emulator::clock::Clock;
use crate::emulator::store::{Table, Wal};

pub use live::{
    Live, on_connected, on_delivered, on_denied, on_disconnected, on_published, refresh, run, settle,
};
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

/// Values kept of one metric of one device: end of window (epoch milliseconds) and sum.
type Values = VecDeque<(i64, i64)>;

/// Security profiles, targets, metric values, violations.
pub struct DetectStore {
    profiles: Table<SecurityProfile>,
    dimensions: Table<definitions::Dimension>,
    custom_metrics: Table<definitions::CustomMetric>,
    /// By device, profile and behaviour: [`violation_key`].
    violations: Table<Violation>,
    /// By time.
    events: Table<ViolationEvent>,
    /// By thing and metric. Not kept across restarts.
    values: HashMap<(String, String), Values>,
    reports: report::Reports,
    live: Arc<Live>,
}

impl DetectStore {
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

/// Epoch seconds with fraction, as JSON bodies carry them.
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
