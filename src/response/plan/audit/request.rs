//! The requests that change Device Defender Audit, each with what takes it back where AWS has that.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::response::plan::ApiCall;
use crate::response::plan::request::words;
use quell_fleet::Ms;
use quell_fleet::audit::{Resource, Schedule};
use quell_fleet::model::Name;
use quell_fleet::shell::word;
use quell_fleet::text::SafeText;

use super::ActionSpec;

/// One changing request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::response) enum AuditRequest {
    /// UpdateAccountAuditConfiguration: these checks on; `role` only where the account has none.
    Enable { checks: Vec<String>, role: Option<String> },
    /// The way back of it.
    Disable { checks: Vec<String> },
    /// StartOnDemandAuditTask.
    Start { checks: Vec<String> },
    /// CancelAuditTask.
    Cancel { task: Name },
    /// CreateAuditSuppression.
    Suppress { check: Name, resource: Resource, until: Option<Ms>, description: String, token: String },
    /// DeleteAuditSuppression; `until` and `description` are what it was.
    Unsuppress { check: Name, resource: Resource, until: Option<Ms>, description: String, token: String },
    /// CreateScheduledAudit.
    CreateSchedule(Schedule),
    /// UpdateScheduledAudit.
    UpdateSchedule { to: Schedule, was: Schedule },
    /// DeleteScheduledAudit; what it was.
    DeleteSchedule(Schedule),
    /// CreateMitigationAction.
    CreateAction { name: Name, does: ActionSpec, role: String },
    /// DeleteMitigationAction; `was` is what it did, when quell could make it again.
    DeleteAction { name: Name, was: Option<(ActionSpec, String)> },
}

impl AuditRequest {
    pub(in crate::response) fn operation(&self) -> &'static str {
        match self {
            Self::Enable { .. } | Self::Disable { .. } => "iot:UpdateAccountAuditConfiguration",
            Self::Start { .. } => "iot:StartOnDemandAuditTask",
            Self::Cancel { .. } => "iot:CancelAuditTask",
            Self::Suppress { .. } => "iot:CreateAuditSuppression",
            Self::Unsuppress { .. } => "iot:DeleteAuditSuppression",
            Self::CreateSchedule(_) => "iot:CreateScheduledAudit",
            Self::UpdateSchedule { .. } => "iot:UpdateScheduledAudit",
            Self::DeleteSchedule(_) => "iot:DeleteScheduledAudit",
            Self::CreateAction { .. } => "iot:CreateMitigationAction",
            Self::DeleteAction { .. } => "iot:DeleteMitigationAction",
        }
    }

    /// The request that takes it back; `None` where there is none.
    pub(in crate::response) fn inverse(&self) -> Option<Self> {
        Some(match self {
            Self::Enable { checks, .. } => Self::Disable { checks: checks.clone() },
            Self::Disable { checks } => Self::Enable { checks: checks.clone(), role: None },
            // An audit that was looked at cannot be unlooked, and one that was stopped does not go on.
            Self::Start { .. } | Self::Cancel { .. } => return None,
            Self::Suppress { check, resource, until, description, token } => Self::Unsuppress {
                check: check.clone(),
                resource: resource.clone(),
                until: *until,
                description: description.clone(),
                token: token.clone(),
            },
            Self::Unsuppress { check, resource, until, description, token } => Self::Suppress {
                check: check.clone(),
                resource: resource.clone(),
                until: *until,
                description: description.clone(),
                token: format!("{token}-again"),
            },
            Self::CreateSchedule(schedule) => Self::DeleteSchedule(schedule.clone()),
            Self::UpdateSchedule { to, was } => Self::UpdateSchedule { to: was.clone(), was: to.clone() },
            Self::DeleteSchedule(schedule) => Self::CreateSchedule(schedule.clone()),
            Self::CreateAction { name, does, role } => {
                Self::DeleteAction { name: name.clone(), was: Some((does.clone(), role.clone())) }
            }
            Self::DeleteAction { name, was } => {
                let (does, role) = was.clone()?;
                Self::CreateAction { name: name.clone(), does, role }
            }
        })
    }

    pub(in crate::response) fn call(&self) -> ApiCall {
        let (resource, summary) = match self {
            Self::Enable { checks, role } => {
                let role = role.as_ref().map(|r| format!("--role-arn {r} ")).unwrap_or_default();
                (
                    "account".to_owned(),
                    format!("{role}--audit-check-configurations {}=enabled", checks.join(",")),
                )
            }
            Self::Disable { checks } => (
                "account".to_owned(),
                format!("--audit-check-configurations {}", word(&format!("{}=disabled", checks.join(",")))),
            ),
            Self::Start { checks } => {
                ("account".to_owned(), format!("--target-check-names {}", words(checks)))
            }
            Self::Cancel { task } => {
                (format!("task/{}", task.raw()), format!("--task-id {}", word(task.raw())))
            }
            Self::Suppress { check, resource, until, .. } => {
                let until = until.map_or("--suppress-indefinitely".to_owned(), |at| {
                    format!("--expiration-date {}", at / 1000)
                });
                let id = word(&json!(resource.0).to_string());
                (
                    format!("suppression/{}", check.raw()),
                    format!("--check-name {} --resource-identifier {id} {until}", word(check.raw())),
                )
            }
            Self::Unsuppress { check, resource, .. } => (
                format!("suppression/{}", check.raw()),
                format!(
                    "--check-name {} --resource-identifier {}",
                    word(check.raw()),
                    word(&json!(resource.0).to_string())
                ),
            ),
            Self::CreateSchedule(schedule) | Self::UpdateSchedule { to: schedule, .. } => {
                let day = match (&schedule.day, schedule.frequency.as_str()) {
                    (Some(day), "MONTHLY") => format!(" --day-of-month {day}"),
                    (Some(day), _) => format!(" --day-of-week {day}"),
                    (None, _) => String::new(),
                };
                let (name, checks) = (schedule.name.raw(), words(&schedule.checks));
                (
                    format!("scheduledaudit/{name}"),
                    format!(
                        "--scheduled-audit-name {} --frequency {}{day} --target-check-names {checks}",
                        word(name),
                        schedule.frequency
                    ),
                )
            }
            Self::DeleteSchedule(schedule) => (
                format!("scheduledaudit/{}", schedule.name.raw()),
                format!("--scheduled-audit-name {}", word(schedule.name.raw())),
            ),
            Self::CreateAction { name, does, role } => (
                format!("mitigationaction/{}", name.raw()),
                format!(
                    "--action-name {} --role-arn {} --action-params {}",
                    word(name.raw()),
                    word(role),
                    word(&format!("<{}>", does.words()))
                ),
            ),
            Self::DeleteAction { name, .. } => {
                (format!("mitigationaction/{}", name.raw()), format!("--action-name {}", word(name.raw())))
            }
        };
        ApiCall {
            operation: self.operation(),
            resource: SafeText::new(&resource),
            summary: SafeText::new(&summary),
        }
    }

    pub(in crate::response) fn title(&self) -> String {
        match self {
            Self::Enable { checks, .. } => format!("{} enabled", count(checks)),
            Self::Disable { checks } => format!("{} disabled", count(checks)),
            Self::Start { .. } => "audit started".to_owned(),
            Self::Cancel { .. } => "audit canceled".to_owned(),
            Self::Suppress { .. } => "findings suppressed".to_owned(),
            Self::Unsuppress { .. } => "findings told again".to_owned(),
            Self::CreateSchedule(schedule) => format!("audit {} scheduled", schedule.name.raw()),
            Self::UpdateSchedule { to, .. } => format!("audit {} scheduled anew", to.name.raw()),
            Self::DeleteSchedule(schedule) => format!("scheduled audit {} ended", schedule.name.raw()),
            Self::CreateAction { name, .. } => format!("mitigation action {} created", name.raw()),
            Self::DeleteAction { name, .. } => format!("mitigation action {} deleted", name.raw()),
        }
    }

    pub(in crate::response) fn words(&self) -> (&'static str, String) {
        match self {
            Self::Enable { checks, .. } => ("enable audit checks", listed(checks)),
            Self::Disable { checks } => ("disable audit checks", listed(checks)),
            Self::Start { checks } => ("start an audit", listed(checks)),
            Self::Cancel { task } => ("cancel the audit", task.raw().to_owned()),
            Self::Suppress { check, resource, .. } => {
                ("suppress findings", format!("{} about {}", check.raw(), resource.shown()))
            }
            Self::Unsuppress { check, resource, .. } => {
                ("end the suppression", format!("{} about {}", check.raw(), resource.shown()))
            }
            Self::CreateSchedule(to) | Self::UpdateSchedule { to, .. } => {
                ("schedule an audit", format!("{}: {}, {}", to.name.raw(), to.when(), count(&to.checks)))
            }
            Self::DeleteSchedule(was) => {
                ("end the scheduled audit", format!("{} ({})", was.name.raw(), was.when()))
            }
            Self::CreateAction { name, does, .. } => {
                ("create mitigation action", format!("{}: {}", name.raw(), does.words()))
            }
            Self::DeleteAction { name, .. } => ("delete mitigation action", name.raw().to_owned()),
        }
    }
}

fn count(checks: &[String]) -> String {
    match checks {
        [_] => "1 check".to_owned(),
        many => format!("{} checks", many.len()),
    }
}

fn listed(checks: &[String]) -> String {
    match checks {
        few if few.len() <= 3 => few.join(", "),
        many => format!("{} and {} more", many[..2].join(", "), many.len() - 2),
    }
}
