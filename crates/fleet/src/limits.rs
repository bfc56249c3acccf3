//! How much a fleet remembers, and by which durations it judges.

use std::sync::Arc;

use super::Ms;
use super::model::ProfileRecord;

/// What a fleet may hold, and the durations it judges by. Durations that mirror AWS's own are divided by the speed of a
/// sped-up emulator before they come here.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of payload kept; the oldest go first. Counts stay exact.
    pub payload_bytes: u64,
    /// Messages kept, with or without payload.
    pub messages: usize,
    /// Shadow deltas kept.
    pub deltas: usize,
    /// Shadow documents kept.
    pub shadows: usize,
    /// Presence kept of clients that are no known thing.
    pub strangers: usize,
    /// Silence shorter than this never makes a device stale.
    pub stale_after: Ms,
    /// How long AWS may take to enforce a group's policy (docs/aws-iot.md#6.1: 6–8 minutes): a quarantined device that is
    /// heard within it is being contained, later it leaks.
    pub policy_delay: Ms,
    /// How long a `disconnected` waits for a `connected` that overtook it (docs/aws-iot.md#3.5: about 5 s).
    pub settle: Ms,
    /// MQTT connections that share the load: topic numbers go round over them.
    pub connections: u32,
    /// What one connection may carry, messages and bytes a second, where the broker silently discards the excess
    /// (AWS: docs/aws-iot.md#3.3).
    pub ceiling: Option<(f64, f64)>,
    /// Groups whose members are quarantined.
    pub quarantine_groups: Vec<Arc<str>>,
    /// What the durations of Device Defender are divided by: 1 but for a sped-up emulator.
    pub detect_speed: f64,
    /// False alarms of early warning accepted a device and day.
    pub false_alarms: f64,
    /// The broker tells who connects and disconnects, as AWS does (docs/aws-iot.md#3.5): what is counted of connections can be
    /// judged. Elsewhere it is once one was told of.
    pub presence: bool,
    /// Security profiles of a file, judged by beside the account's.
    pub security_profiles: Vec<ProfileRecord>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes: 16 << 20,
            messages: 10_000,
            deltas: 1_000,
            shadows: 2_000,
            strangers: 10_000,
            stale_after: 60_000,
            policy_delay: 8 * 60_000,
            settle: 5_000,
            connections: 1,
            ceiling: None,
            quarantine_groups: vec!["IsolatedDevices".into(), "Quarantine".into()],
            detect_speed: 1.0,
            false_alarms: 0.01,
            presence: true,
            security_profiles: Vec::new(),
        }
    }
}
