//! The names of what is read from AWS: by them a read is asked for, answered, and told how old it is.

use serde::{Deserialize, Serialize};

use crate::text::SafeText;

use super::model::Name;

/// What is read from AWS, each with its own age and trouble.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SourceId {
    /// Who we are.
    Identity,
    /// The registry.
    Things,
    /// Active violations.
    Violations,
    /// Past violation events.
    ViolationEvents,
    /// Members of a group, by group name (the quarantine groups).
    Members(Name),
    /// Principals of a thing.
    Certificates(Name),
    /// Groups of a thing.
    GroupsOf(Name),
    /// Whether a group's policies deny (the quarantine groups).
    Denial(Name),
    /// Jobs.
    Jobs,
    /// Executions of a job.
    Executions(Name),
    /// A shadow (classic when no name).
    Shadow(Name, Option<SafeText>),
    /// Security profiles.
    Profiles,
    /// When the credentials end, and how wrong the clock is.
    Standing,
    /// Policies in effect for a thing's certificates.
    PoliciesOf(Name),
    /// Job executions of a thing.
    JobsOf(Name),
    /// Device-side metrics of a thing.
    MetricsOf(Name),
    /// Topic rules.
    Rules,
    /// Audit findings.
    Findings,
    /// What CloudWatch has of a rule.
    RuleMetrics(Name),
    /// Audit settings, suppressions, mitigation actions.
    AuditSetup,
    /// Audits and mitigation tasks.
    AuditTasks,
    /// Dimensions.
    Dimensions,
    /// Custom metrics.
    CustomMetrics,
    /// How far AWS's learning of ML behaviours is.
    Training,
    /// Active violations whose alerts are suppressed.
    Suppressed,
    /// Things that match a query of the fleet index.
    Search(Name),
    /// AWS's values of a metric of a thing.
    Values(Name, SafeText),
}
