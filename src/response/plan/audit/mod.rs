//! Audits started and stopped, findings suppressed for a while, mitigation actions made.

pub(in crate::response) mod build;
pub(in crate::response) mod request;

use crate::config::Verb;
use serde::{Deserialize, Serialize};

use quell_fleet::Ms;
use quell_fleet::audit::{AuditSetup, Resource, Schedule};
use quell_fleet::model::Name;

/// A change to Device Defender Audit.
#[derive(Clone, Debug, PartialEq)]
pub enum AuditChange {
    /// Audit now. Checks that are not enabled are enabled first.
    Start {
        /// Names of checks; none takes all that are enabled.
        checks: Vec<String>,
        /// The role audits look with, for an account that never configured one.
        role: Option<String>,
    },
    /// Stop an audit.
    Cancel {
        /// Its id.
        task: Name,
    },
    /// Tell findings about a resource no more.
    Suppress {
        /// Of this check.
        check: Name,
        /// The resource.
        resource: Resource,
        /// Until then; `None` for ever.
        until: Option<Ms>,
        /// Why.
        description: String,
    },
    /// Tell them again.
    Unsuppress {
        /// Of this check.
        check: Name,
        /// The resource.
        resource: Resource,
    },
    /// Let an audit run by itself, or one of that name at other times.
    Schedule {
        /// Its name, when it runs and what it checks; without checks all that are enabled.
        wanted: Schedule,
        /// The role audits look with, for an account that never configured one.
        role: Option<String>,
    },
    /// End an audit that runs by itself.
    Unschedule {
        /// Its name.
        name: Name,
    },
    /// Make a mitigation action.
    CreateAction {
        /// Its name: 1 to 128 of `[a-zA-Z0-9_-]`.
        name: Name,
        /// What it does.
        does: ActionSpec,
        /// The role AWS does it with.
        role: String,
    },
    /// Delete a mitigation action.
    DeleteAction {
        /// Its name.
        name: Name,
    },
}

/// What a mitigation action does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ActionSpec {
    /// Adds the things to groups.
    Groups(Vec<String>),
    /// Sets the device certificate INACTIVE.
    Certificate,
    /// Sets the CA certificate INACTIVE.
    CaCertificate,
    /// Puts a blank version of the policy in force.
    BlankPolicy,
    /// Switches logging on, with a role and a level.
    Logging {
        /// The role to log with.
        role: String,
        /// `ERROR`, `WARN`, `INFO`, `DEBUG`.
        level: String,
    },
    /// Publishes the finding.
    Sns(String),
}

impl ActionSpec {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Groups(groups) => format!("adds the things to {}", groups.join(", ")),
            Self::Certificate => "sets the device certificate INACTIVE".to_owned(),
            Self::CaCertificate => "sets the CA certificate INACTIVE".to_owned(),
            Self::BlankPolicy => "replaces the policy's default version with a blank one".to_owned(),
            Self::Logging { level, .. } => format!("switches AWS IoT logging on, level {level}"),
            Self::Sns(topic) => format!("publishes the finding to {topic}"),
        }
    }
}

impl AuditChange {
    /// The command's name, as the journal and the command line say it.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Start { .. } => Verb::StartAudit,
            Self::Cancel { .. } => Verb::CancelAudit,
            Self::Suppress { .. } => Verb::Suppress,
            Self::Unsuppress { .. } => Verb::Unsuppress,
            Self::Schedule { .. } => Verb::ScheduleAudit,
            Self::Unschedule { .. } => Verb::UnscheduleAudit,
            Self::CreateAction { .. } => Verb::CreateAction,
            Self::DeleteAction { .. } => Verb::DeleteAction,
        }
    }

    /// What it acts on.
    pub(in crate::response) fn target(&self) -> Name {
        match self {
            Self::Start { .. } => Name::new("audit"),
            Self::Cancel { task } => task.clone(),
            Self::Suppress { resource, .. } | Self::Unsuppress { resource, .. } => {
                Name::new(resource.shown().as_str())
            }
            Self::Schedule { wanted, .. } => wanted.name.clone(),
            Self::CreateAction { name, .. } | Self::DeleteAction { name } | Self::Unschedule { name } => {
                name.clone()
            }
        }
    }

    /// The plan's title.
    pub(in crate::response) fn title(&self) -> String {
        let target = self.target();
        let target = target.raw();
        let lead = self.verb().words().lead;
        match self {
            Self::Start { .. } => lead.to_owned(),
            Self::Unsuppress { .. } => format!("{lead} {target} again"),
            _ => format!("{lead} {target}"),
        }
    }
}

/// What was read for such a change.
#[derive(Clone, Debug, Default)]
pub struct AuditFacts {
    /// Settings, suppressions, mitigation actions.
    pub setup: AuditSetup,
    /// The status of the audit that is to be canceled.
    pub task: Option<String>,
    /// Thing groups the action names that do not exist.
    pub missing: Vec<String>,
    /// Mitigation action as quell could make it again: what it does, and its role.
    pub action: Option<(ActionSpec, String)>,
}
