//! Device Defender Audit: checks of how the account is set up (docs/aws-iot.md#2.5).
//!
//! * `checks/`: what each check looks at. Pure functions of the account's state.
//! * `engine.rs`: runs audits, on demand and by schedule, and tells of their end.
//! * `trail.rs`: which certificate connected as whom: what two of the checks look back at.
//! * `resource.rs`: what a finding is about.
//! * `configuration.rs`, `tasks.rs`, `findings.rs`, `suppressions.rs`, `schedules.rs`: the operations, thin.

pub mod checks;
pub mod configuration;
mod engine;
pub mod findings;
pub mod resource;
pub mod routes;
pub mod schedules;
pub mod suppressions;
pub mod tasks;
mod trail;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use engine::run;
pub use resource::{Resource, ResourceIdentifier};
pub use trail::{Trail, on_connected, on_disconnected};

use super::ApiError;
use crate::store::{Table, Wal};

/// The only key of tables with one row.
const ONLY: &str = "account";

/// Where audits tell of their end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NotificationTarget {
    /// The SNS topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_arn: Option<String>,
    /// The role that may publish there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Switched on?
    pub enabled: bool,
}

/// One check's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckSettings {
    /// May audits include it?
    pub enabled: bool,
    /// Thresholds, as texts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub configuration: BTreeMap<String, String>,
}

/// The account's audit settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// The role audits run as.
    pub role: String,
    /// Notification targets by type: only `SNS`.
    pub targets: BTreeMap<String, NotificationTarget>,
    /// Settings of the checks that were ever set.
    pub checks: BTreeMap<String, CheckSettings>,
}

/// One check within one audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckRun {
    /// `checkRunStatus`.
    pub check_run_status: String,
    /// Once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_compliant: Option<bool>,
    /// Resources looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_resources_count: Option<u64>,
    /// Those that do not comply, suppressed ones not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub non_compliant_resources_count: Option<u64>,
    /// Those that do not comply and are suppressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_non_compliant_resources_count: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Why it failed, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl CheckRun {
    fn with_status(status: &str) -> Self {
        Self {
            check_run_status: status.to_owned(),
            check_compliant: None,
            total_resources_count: None,
            non_compliant_resources_count: None,
            suppressed_non_compliant_resources_count: None,
            error_code: None,
            message: None,
        }
    }
}

/// An audit. Its id is its key, and ids are in the order of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The scheduled audit that started it; `None` on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// `taskStatus`.
    pub status: String,
    /// Epoch milliseconds.
    pub start_ms: i64,
    /// Its checks by name.
    pub checks: BTreeMap<String, CheckRun>,
}

impl Task {
    /// `taskType`.
    pub fn kind(&self) -> &'static str {
        if self.schedule.is_some() { "SCHEDULED_AUDIT_TASK" } else { "ON_DEMAND_AUDIT_TASK" }
    }

    fn count(&self, status: &str) -> usize {
        self.checks.values().filter(|c| c.check_run_status == status).count()
    }
}

/// Something that does not comply. Its id is its key, and ids are in the order of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The audit.
    pub task: String,
    /// The check.
    pub check: String,
    /// When the audit started, epoch milliseconds.
    pub task_start_ms: i64,
    /// Epoch milliseconds.
    pub at_ms: i64,
    /// What does not comply.
    pub resource: Resource,
    /// What has to do with it.
    pub related: Vec<Resource>,
    /// Why, in words.
    pub reason: String,
    /// Why, as a code.
    pub code: String,
    /// Was it suppressed when it was found?
    pub suppressed: bool,
}

/// Audit settings, audits, findings, suppressions, schedules.
pub struct AuditStore {
    configuration: Table<Configuration>,
    tasks: Table<Task>,
    findings: Table<Finding>,
    suppressions: Table<suppressions::Suppression>,
    schedules: Table<schedules::Schedule>,
}

impl AuditStore {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        Self {
            configuration: Table::open(wal, "audit-configuration"),
            tasks: Table::open(wal, "audit-tasks"),
            findings: Table::open(wal, "audit-findings"),
            suppressions: Table::open(wal, "audit-suppressions"),
            schedules: Table::open(wal, "scheduled-audits"),
        }
    }

    /// The audit of that id.
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.get(id)
    }

    /// The finding of that id.
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.get(id)
    }

    /// All findings with their ids, oldest first.
    pub fn findings(&self) -> impl Iterator<Item = (&str, &Finding)> {
        self.findings.iter()
    }

    /// A setting of a check, `default` where it was never set.
    fn threshold(&self, check: &str, key: &str, default: i64) -> i64 {
        let settings = self.configuration.get(ONLY).and_then(|c| c.checks.get(check));
        settings.and_then(|s| s.configuration.get(key)?.parse().ok()).unwrap_or(default)
    }

    fn is_enabled(&self, check: &str) -> bool {
        self.configuration.get(ONLY).and_then(|c| c.checks.get(check)).is_some_and(|s| s.enabled)
    }

    /// Refuses check names that are empty, unknown or not enabled.
    fn check_targets(&self, names: &[String]) -> Result<(), ApiError> {
        if names.is_empty() {
            return Err(ApiError::invalid("targetCheckNames must name at least one check"));
        }
        for name in names {
            checks::require(name)?;
            if !self.is_enabled(name) {
                return Err(ApiError::invalid(format!("The audit check {name} is not enabled")));
            }
        }
        Ok(())
    }
}

/// A fresh id in UUID form that sorts by `now_ms` (as UUID version 7 does).
pub(super) fn ordered_id(now_ms: i64) -> String {
    let ms = now_ms.max(0) as u64 & 0xffff_ffff_ffff;
    let random = fastrand::u128(..);
    format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        ms >> 16,
        ms & 0xffff,
        random & 0xfff,
        0x8000 | (random >> 12) & 0x3fff,
        (random >> 32) & 0xffff_ffff_ffff
    )
}

/// Refuses what cannot be the ARN of a role (20 to 2048 characters).
pub(super) fn check_role(member: &str, arn: &str) -> Result<(), ApiError> {
    let role = arn.strip_prefix("arn:").and_then(|r| r.split_once(":iam::")).map(|(_, r)| r);
    let name = role.and_then(|r| r.split_once(":role/")).map(|(_, name)| name);
    if (20..=2048).contains(&arn.len()) && name.is_some_and(|n| !n.is_empty()) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("{member} is not the ARN of a role: {arn}")))
}

/// Refuses ids that are not 1 to `most` of `[a-zA-Z0-9_-]`.
pub(super) fn check_id(member: &str, id: &str, most: usize) -> Result<(), ApiError> {
    if (1..=most).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "1 validation error detected: Value '{id}' at '{member}' failed to satisfy constraint: Member must have length \
         less than or equal to {most} and satisfy regular expression pattern: [a-zA-Z0-9_-]+"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_differ() {
        let (a, b, c) = (ordered_id(1_700_000_000_000), ordered_id(1_700_000_000_001), ordered_id(0));
        assert!(c < a && a < b);
        assert_eq!(a.len(), 36);
        assert_ne!(ordered_id(5), ordered_id(5));
    }

    #[test]
    fn roles_and_ids_are_checked() {
        assert!(check_role("roleArn", "arn:aws:iam::123456789012:role/service-role/Audit").is_ok());
        for bad in ["", "arn:aws:iam::123456789012:role/", "arn:aws:sns:us-east-1:123456789012:topic"] {
            assert!(check_role("roleArn", bad).is_err(), "{bad}");
        }
        assert!(check_id("taskId", "a-B_9", 5).is_ok());
        assert!(check_id("taskId", "a-B_90", 5).is_err());
        assert!(check_id("taskId", "a b", 5).is_err());
        assert!(check_id("taskId", "", 5).is_err());
    }
}
