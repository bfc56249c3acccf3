//! What an operator wants, before anything was read about it.

use serde::{Deserialize, Serialize};

use quell_fleet::Target;
use quell_fleet::model::Name;
use quell_fleet::shell::word;

use crate::config::Verb;
use crate::response::timed::HeldFor;

use super::audit::AuditChange;
use super::detect::DetectChange;
use super::rule::RuleChange;

/// What an operator wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// Contain devices: isolation group, shadow flag, connection cut.
    Isolate {
        /// The devices.
        things: Vec<Target>,
        /// The isolation group; `None` takes the configured one.
        group: Option<Name>,
        /// For how long; `None` until somebody releases them.
        time: Option<HeldFor>,
    },
    /// Let isolated devices speak again.
    Release {
        /// The devices.
        things: Vec<Target>,
        /// The isolation group; `None` takes the configured one.
        group: Option<Name>,
    },
    /// Set the devices' certificates INACTIVE (can be taken back).
    Deactivate {
        /// The devices.
        things: Vec<Target>,
        /// Only this certificate (64 hexadecimal digits); `None` takes all of the thing's.
        certificate: Option<String>,
    },
    /// Set the devices' certificates ACTIVE.
    Activate {
        /// The devices.
        things: Vec<Target>,
        /// Only this certificate; `None` takes all of the thing's.
        certificate: Option<String>,
    },
    /// Set the devices' certificates REVOKED: final.
    Revoke {
        /// The devices.
        things: Vec<Target>,
        /// Only this certificate; `None` takes all of the thing's.
        certificate: Option<String>,
    },
    /// Cut one session of devices whose identity several use; the rest goes on.
    Cut {
        /// The devices.
        things: Vec<Target>,
        /// The client id of the session.
        client: Name,
    },
    /// Ask devices by their shadow (`desired.quarantine`) to quarantine themselves.
    Flag {
        /// The devices.
        things: Vec<Target>,
    },
    /// Put devices into a static thing group of any purpose, such as the target of a continuous job.
    Join {
        /// The devices.
        things: Vec<Target>,
        /// The group.
        group: Name,
    },
    /// Take devices out of a thing group.
    Leave {
        /// The devices.
        things: Vec<Target>,
        /// The group.
        group: Name,
    },
    /// Clear the retained messages on the devices' topics.
    ClearRetained {
        /// The devices.
        things: Vec<Target>,
        /// Topics named directly, exact, whosever they are.
        topics: Vec<String>,
    },
    /// Let AWS run its own mitigation actions.
    Mitigate(Mitigation),
    /// Change what Detect judges by: profiles, dimensions, custom metrics, verdicts.
    Detect(DetectChange),
    /// Change a topic rule.
    Rule(RuleChange),
    /// Change audits, suppressions or mitigation actions.
    Audit(AuditChange),
    /// Create the isolation group and its policy, as far as they are missing.
    Setup(SetupRequest),
    /// Take an earlier plan of the journal back, to what was before it.
    Undo {
        /// The plan's id.
        plan: String,
    },
    /// Send what an earlier plan of the journal left unsent.
    Finish {
        /// The plan's id.
        plan: String,
    },
    /// Create a job.
    LaunchJob(JobRequest),
    /// Cancel a job.
    CancelJob {
        /// The job's id.
        job: Name,
        /// Also cancel executions that are IN_PROGRESS.
        force: bool,
    },
}

impl Intent {
    /// The command it is.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Isolate { .. } => Verb::Isolate,
            Self::Release { .. } => Verb::Release,
            Self::Deactivate { .. } => Verb::Deactivate,
            Self::Activate { .. } => Verb::Activate,
            Self::Revoke { .. } => Verb::Revoke,
            Self::Cut { .. } => Verb::Cut,
            Self::Flag { .. } => Verb::Flag,
            Self::Join { .. } => Verb::Join,
            Self::Leave { .. } => Verb::Leave,
            Self::ClearRetained { .. } => Verb::ClearRetained,
            Self::Mitigate(_) => Verb::Mitigate,
            Self::Detect(change) => change.verb(),
            Self::Rule(change) => change.verb(),
            Self::Audit(change) => change.verb(),
            Self::Setup(_) => Verb::Setup,
            Self::Undo { .. } => Verb::Undo,
            Self::Finish { .. } => Verb::Finish,
            Self::LaunchJob(_) => Verb::LaunchJob,
            Self::CancelJob { .. } => Verb::CancelJob,
        }
    }

    /// The devices it is about, to fill in what the fleet knows of them.
    pub fn things_mut(&mut self) -> &mut [Target] {
        match self {
            Self::Isolate { things, .. }
            | Self::Release { things, .. }
            | Self::Deactivate { things, .. }
            | Self::Activate { things, .. }
            | Self::Revoke { things, .. }
            | Self::Cut { things, .. }
            | Self::Flag { things }
            | Self::Join { things, .. }
            | Self::Leave { things, .. }
            | Self::ClearRetained { things, .. } => things,
            _ => &mut [],
        }
    }

    /// The devices it is about; none for jobs.
    pub fn things(&self) -> &[Target] {
        match self {
            Self::Isolate { things, .. }
            | Self::Release { things, .. }
            | Self::Deactivate { things, .. }
            | Self::Activate { things, .. }
            | Self::Revoke { things, .. }
            | Self::Cut { things, .. }
            | Self::Flag { things }
            | Self::Join { things, .. }
            | Self::Leave { things, .. }
            | Self::ClearRetained { things, .. } => things,
            _ => &[],
        }
    }
}

/// A job to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRequest {
    /// The job's id: 1 to 64 of `[a-zA-Z0-9_-]`.
    pub id: String,
    /// What it runs on.
    pub targets: Vec<JobTarget>,
    /// The job document: JSON text of at most 32768 bytes.
    pub document: String,
    /// True for CONTINUOUS: things that join the group later get it too. False for SNAPSHOT.
    pub continuous: bool,
    /// The description.
    pub description: Option<String>,
    /// Where else the document comes from, and how it is rolled out.
    pub options: JobOptions,
}

/// The rest of CreateJob that operators use; the default is AWS's (docs/aws-iot.md#2.6).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobOptions {
    /// The document's S3 URL, instead of a document.
    pub source: Option<String>,
    /// The ARN of a job template, instead of a document.
    pub template: Option<String>,
    /// Things notified a minute at most: 1 to 1000.
    pub per_minute: Option<i32>,
    /// When the job is given up.
    pub abort: Option<JobAbort>,
    /// Minutes an execution may be IN_PROGRESS: 1 to 10080.
    pub timeout_minutes: Option<i64>,
}

/// Cancel the job when too many executions end badly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobAbort {
    /// `FAILED`, `REJECTED`, `TIMED_OUT` or `ALL`.
    pub failure: String,
    /// Percent of those executed.
    pub percent: f64,
    /// Not before so many executed it.
    pub after: i32,
}

impl JobOptions {
    /// The parameter that names the document.
    pub(in crate::response) fn document(&self, document: &str) -> String {
        match (&self.source, &self.template) {
            (Some(url), _) => format!("--document-source {}", word(url)),
            (None, Some(arn)) => format!("--job-template-arn {}", word(arn)),
            (None, None) => format!("--document '<{} bytes>'", document.len()),
        }
    }

    /// The other parameters, each with a space before it.
    pub(in crate::response) fn flags(&self) -> String {
        let mut out = String::new();
        if let Some(n) = self.per_minute {
            out.push_str(&format!(" --job-executions-rollout-config maximumPerMinute={n}"));
        }
        if let Some(JobAbort { failure, percent, after }) = &self.abort {
            out.push_str(&format!(
                " --abort-config {}",
                word(&format!("criteriaList=[{{failureType={failure},action=CANCEL,thresholdPercentage={percent},minNumberOfExecutedThings={after}}}]"))
            ));
        }
        if let Some(n) = self.timeout_minutes {
            out.push_str(&format!(" --timeout-config inProgressTimeoutInMinutes={n}"));
        }
        out
    }

    /// The same for people, each with a comma before it.
    pub(in crate::response) fn words(&self) -> String {
        let mut out = String::new();
        if let Some(url) = &self.source {
            out.push_str(&format!(", document {url}"));
        } else if let Some(arn) = &self.template {
            out.push_str(&format!(", template {}", arn.rsplit_once('/').map_or(arn.as_str(), |(_, n)| n)));
        }
        if let Some(n) = self.per_minute {
            out.push_str(&format!(", at most {n} a minute"));
        }
        if let Some(JobAbort { failure, percent, after }) = &self.abort {
            out.push_str(&format!(", given up at {percent} % {failure} of at least {after}"));
        }
        if let Some(n) = self.timeout_minutes {
            out.push_str(&format!(", {n} min each"));
        }
        out
    }
}

/// What AWS's mitigation runs on, and which mitigation actions of the account it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Mitigation {
    /// Names of mitigation actions.
    pub actions: Vec<String>,
    /// Ids of Detect violations; then `findings` is empty.
    pub violations: Vec<String>,
    /// Ids of audit findings, all of one check.
    pub findings: Vec<String>,
    /// The audit check of the findings.
    pub check: Option<String>,
    /// The task's id, made once so that a retry is the same task.
    pub task: String,
}

/// What `setup` makes sure of.
#[derive(Clone, Debug, PartialEq)]
pub struct SetupRequest {
    /// The isolation group; `None` takes the configured one.
    pub group: Option<Name>,
    /// The policy's name; `None` takes `DenyAll`, or `QuarantinePatchable`.
    pub policy: Option<Name>,
    /// Leave the device its own jobs and shadow topics, so that it can be patched while it is isolated.
    pub patchable: bool,
}

/// What a job runs on.
#[derive(Clone, Debug, PartialEq)]
pub enum JobTarget {
    /// One thing.
    Thing(Name),
    /// The members of a thing group.
    Group(Name),
}

impl JobTarget {
    /// The thing's or group's name.
    pub fn name(&self) -> &Name {
        match self {
            Self::Thing(name) | Self::Group(name) => name,
        }
    }
}
