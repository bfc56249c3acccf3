//! What is read from AWS, as one table: by these names a read is asked for, answered, and told how old it is. How each is
//! read, and how often, stands in the program's `cloud` room; what an answer changes, in [`crate::Fleet`].

use serde::{Deserialize, Serialize};

use crate::text::SafeText;

use super::model::Name;

/// Makes the enum and all that is said of each source from one row: what it is, its members, the word `watch` and
/// recordings use, the IAM action whose budget it draws on most, what it is about, and the words for a person.
macro_rules! sources {
    ($(
        $(#[$doc:meta])*
        $variant:ident $(($($member:ident: $type:ty),*))? = $name:literal, $action:literal, $about:expr, $words:expr;
    )*) => {
        /// What is read from AWS, each with its own age and trouble.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum SourceId {
            $($(#[$doc])* $variant $(($($type),*))?,)*
        }

        impl SourceId {
            /// The word of the `poll` lines: small letters and `_`.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }

            /// The IAM action whose budget a read of it draws on most.
            pub fn action(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $action,)*
                }
            }

            /// The thing, group, job, rule or query it is about, if it is about one.
            pub fn about(&self) -> Option<&Name> {
                match self {
                    $(Self::$variant $(($($member),*))? => { $($(let _ = $member;)*)? $about })*
                }
            }

            /// The source in words for a person.
            pub fn words(&self) -> String {
                match self {
                    $(Self::$variant $(($($member),*))? => { $($(let _ = $member;)*)? $words })*
                }
            }
        }
    };
}

sources! {
    /// Who we are.
    Identity = "identity", "sts:GetCallerIdentity", None, "who we are".to_owned();
    /// The account's alias, which people know better than its number.
    Alias = "alias", "iam:ListAccountAliases", None, "the account's alias".to_owned();
    /// The registry.
    Things = "things", "iot:ListThings", None, "things".to_owned();
    /// Active violations.
    Violations = "violations", "iot:ListActiveViolations", None, "active violations".to_owned();
    /// Past violation events.
    ViolationEvents = "violation_events", "iot:ListViolationEvents", None, "past violations".to_owned();
    /// Members of a group, by group name (the quarantine groups).
    Members(group: Name) = "members", "iot:ListThingsInThingGroup", Some(group), format!("members of {}", group.shown());
    /// Principals of a thing.
    Certificates(thing: Name) = "certificates", "iot:ListThingPrincipals", Some(thing), format!("certificates of {}", thing.shown());
    /// Groups of a thing.
    GroupsOf(thing: Name) = "groups", "iot:ListThingGroupsForThing", Some(thing), format!("groups of {}", thing.shown());
    /// Whether a group's policies deny (the quarantine groups).
    Denial(group: Name) = "denial", "iot:ListAttachedPolicies", Some(group), format!("policies of {}", group.shown());
    /// Jobs.
    Jobs = "jobs", "iot:ListJobs", None, "jobs".to_owned();
    /// Executions of a job.
    Executions(job: Name) = "executions", "iot:ListJobExecutionsForJob", Some(job), format!("executions of {}", job.shown());
    /// A shadow (classic when no name).
    Shadow(thing: Name, shadow: Option<SafeText>) = "shadow", "iot:GetThingShadow", Some(thing), shadow_of(thing, shadow.as_ref());
    /// Shadows whose desired state is not reported.
    Outstanding = "outstanding_shadows", "iot:ListNamedShadowsForThing", None, "outstanding shadows".to_owned();
    /// Security profiles.
    Profiles = "profiles", "iot:ListSecurityProfiles", None, "security profiles".to_owned();
    /// When the credentials end, and how wrong the clock is.
    Standing = "credentials", "sts:GetCallerIdentity", None, "credentials and clock".to_owned();
    /// Policies in effect for a thing's certificates.
    PoliciesOf(thing: Name) = "policies", "iot:GetEffectivePolicies", Some(thing), format!("policies of {}", thing.shown());
    /// Job executions of a thing.
    JobsOf(thing: Name) = "jobs_of_thing", "iot:ListJobExecutionsForThing", Some(thing), format!("jobs of {}", thing.shown());
    /// What a job runs, and how it is rolled out.
    JobDetail(job: Name) = "job_document", "iot:GetJobDocument", Some(job), format!("document of job {}", job.shown());
    /// Device-side metrics of a thing.
    MetricsOf(thing: Name) = "metrics", "iot:ListMetricValues", Some(thing), format!("agent metrics of {}", thing.shown());
    /// Topic rules.
    Rules = "rules", "iot:ListTopicRules", None, "topic rules".to_owned();
    /// Audit findings.
    Findings = "audit_findings", "iot:ListAuditFindings", None, "audit findings".to_owned();
    /// What CloudWatch has of a rule.
    RuleMetrics(rule: Name) = "rule_metrics", "cloudwatch:GetMetricData", Some(rule), format!("metrics of rule {}", rule.shown());
    /// Audit settings, suppressions, mitigation actions.
    AuditSetup = "audit_setup", "iot:DescribeAccountAuditConfiguration", None, "audit configuration".to_owned();
    /// Audits and mitigation tasks.
    AuditTasks = "audit_tasks", "iot:ListAuditTasks", None, "audit tasks".to_owned();
    /// Dimensions.
    Dimensions = "dimensions", "iot:ListDimensions", None, "dimensions".to_owned();
    /// Custom metrics.
    CustomMetrics = "custom_metrics", "iot:ListCustomMetrics", None, "custom metrics".to_owned();
    /// How far AWS's learning of ML behaviours is.
    Training = "training", "iot:GetBehaviorModelTrainingSummaries", None, "training of ML behaviours".to_owned();
    /// Active violations whose alerts are suppressed.
    Suppressed = "suppressed_violations", "iot:ListActiveViolations", None, "suppressed violations".to_owned();
    /// Things that match a query of the fleet index.
    Search(query: Name) = "search", "iot:SearchIndex", Some(query), format!("things with {}", query.shown());
    /// AWS's values of a metric of a thing.
    Values(thing: Name, metric: SafeText) = "metric_values", "iot:ListMetricValues", Some(thing), format!("{metric} of {}", thing.shown());
}

fn shadow_of(thing: &Name, shadow: Option<&SafeText>) -> String {
    match shadow {
        None => format!("shadow of {}", thing.shown()),
        Some(name) => format!("shadow {name} of {}", thing.shown()),
    }
}
