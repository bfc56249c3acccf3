//! Device Defender Audit as it was read: what is switched on, audits and how far they are, what is suppressed until when,
//! and the mitigation actions with the tasks that ran them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::text::SafeText;

use super::Ms;
use super::model::Name;

/// A resource as AWS's audit names it: the members of `ResourceIdentifier` that are given, by AWS's name
/// (`deviceCertificateId`; `policyName` and `policyVersionId` stand for the version identifier).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource(pub BTreeMap<String, Name>);

impl Resource {
    /// What it is called, without saying what kind of thing it is.
    pub fn shown(&self) -> SafeText {
        let main = [
            "deviceCertificateId",
            "caCertificateId",
            "clientId",
            "policyName",
            "account",
            "iamRoleArn",
            "roleAliasArn",
            "cognitoIdentityPoolId",
        ];
        let first = main.iter().find_map(|key| self.0.get(*key)).or_else(|| self.0.values().next());
        first.map(|name| name.shown().clone()).unwrap_or_default()
    }
}

/// The account's audit settings and what hangs on them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditSetup {
    /// The role audits look with; `None` when audits were never configured.
    pub role: Option<SafeText>,
    /// Every check, and whether it is enabled.
    pub checks: Vec<(Name, bool)>,
    /// What is suppressed.
    pub suppressions: Vec<Suppression>,
    /// Mitigation actions of the account.
    pub actions: Vec<MitigationAction>,
    /// Audits that run by themselves; `None` where these credentials may not read them.
    #[serde(default)]
    pub schedules: Option<Vec<Schedule>>,
}

/// An audit that runs by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name: 1 to 128 of `[a-zA-Z0-9_-]`.
    pub name: Name,
    /// `DAILY`, `WEEKLY`, `BIWEEKLY`, `MONTHLY`.
    pub frequency: String,
    /// The day of the week (`MON` … `SUN`), or of the month (`1` … `31`, `LAST`); none for a daily one.
    pub day: Option<String>,
    /// The checks it runs.
    pub checks: Vec<String>,
}

impl Schedule {
    /// How often AWS lets an audit run.
    pub const FREQUENCIES: [&'static str; 4] = ["DAILY", "WEEKLY", "BIWEEKLY", "MONTHLY"];
    /// Days of a week as AWS names them.
    pub const DAYS: [&'static str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

    /// Why AWS would refuse its times; `None` when it would not.
    pub fn wrong(&self) -> Option<String> {
        let day = self.day.as_deref();
        let of_month = |day: &str| day == "LAST" || day.parse::<u8>().is_ok_and(|d| (1..=31).contains(&d));
        match (self.frequency.as_str(), day) {
            ("DAILY", None) => None,
            ("DAILY", Some(_)) => Some("a daily audit has no day".to_owned()),
            ("WEEKLY" | "BIWEEKLY", Some(day)) if Self::DAYS.contains(&day) => None,
            ("WEEKLY" | "BIWEEKLY", _) => Some(format!("on which day: one of {}", Self::DAYS.join(", "))),
            ("MONTHLY", Some(day)) if of_month(day) => None,
            ("MONTHLY", _) => Some("on which day: 1 to 31, or LAST".to_owned()),
            (other, _) => Some(format!("AWS audits {}, not {other}", Self::FREQUENCIES.join(", "))),
        }
    }

    /// When it runs, in words: `weekly on MON`.
    pub fn when(&self) -> String {
        let often = self.frequency.to_lowercase();
        match (&self.day, self.frequency.as_str()) {
            (None, _) | (_, "DAILY") => often,
            (Some(day), "MONTHLY") if day == "LAST" => "monthly on the last day".to_owned(),
            (Some(day), "MONTHLY") => format!("monthly on day {day}"),
            (Some(day), _) => format!("{often} on {day}"),
        }
    }
}

/// Findings that are not to be told again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suppression {
    /// Of this check.
    pub check: Name,
    /// About this resource.
    pub resource: Resource,
    /// Until then; `None` for ever.
    pub until: Option<Ms>,
    /// Why, as somebody wrote.
    pub description: SafeText,
}

/// A mitigation action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MitigationAction {
    /// Its name.
    pub name: Name,
    /// `ADD_THINGS_TO_THING_GROUP`, …
    pub kind: SafeText,
    /// What it does, in words.
    pub does: SafeText,
}

/// Audits and mitigation tasks, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditTasks {
    /// Audits.
    pub audits: Vec<AuditTask>,
    /// Tasks that ran mitigation actions on findings.
    pub mitigations: Vec<MitigationTask>,
}

impl AuditTasks {
    /// True while something of it goes on.
    pub fn busy(&self) -> bool {
        self.audits.iter().any(|t| t.status.as_str() == "IN_PROGRESS")
            || self.mitigations.iter().any(|t| t.status.as_str() == "IN_PROGRESS")
    }
}

/// An audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditTask {
    /// Its id.
    pub id: Name,
    /// `IN_PROGRESS`, `COMPLETED`, `FAILED`, `CANCELED`.
    pub status: SafeText,
    /// The scheduled audit it belongs to; `None` for one on demand.
    pub schedule: Option<SafeText>,
    /// When it began.
    pub started: Option<Ms>,
    /// Checks of it.
    pub total: u32,
    /// Checks of it that ended, one way or another.
    pub ended: u32,
    /// Checks that found something.
    pub non_compliant: u32,
    /// Checks that could not be done.
    pub failed: u32,
}

/// A task that ran mitigation actions on audit findings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MitigationTask {
    /// Its id.
    pub id: Name,
    /// `IN_PROGRESS`, `COMPLETED`, `FAILED`, `CANCELED`.
    pub status: SafeText,
    /// When it began.
    pub started: Option<Ms>,
    /// The actions it runs.
    pub actions: Vec<SafeText>,
    /// Findings it is about.
    pub total: u32,
    /// Findings it dealt with.
    pub succeeded: u32,
    /// Findings it could not deal with.
    pub failed: u32,
    /// Findings it left alone.
    pub skipped: u32,
}
