//! What is read of the account besides devices and violations: one record a thing AWS tells, safe to show.

use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::audit::{AuditSetup, AuditTasks, Resource};
use crate::model::{ExecutionRecord, Name, Violation};
use crate::text::SafeText;
use quell_rules::detect::model::MetricValue;

/// A policy in effect for one certificate of a thing (GetEffectivePolicies).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectivePolicy {
    /// Its name.
    pub name: SafeText,
    /// What it hangs on: a certificate or a thing group, in words.
    #[serde(alias = "certificate")]
    pub hangs_on: SafeText,
    /// Its statements in words: `Deny iot:* on *`; empty when the document could not be read.
    pub statements: Vec<SafeText>,
    /// The certificate it is in effect for: its id.
    #[serde(default)]
    pub principal: String,
    /// The document; `None` when AWS gave none.
    #[serde(default)]
    pub document: Option<String>,
    /// Whether it hangs on a thing group.
    #[serde(default)]
    pub of_group: bool,
}

/// A topic rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleRecord {
    /// Its name.
    pub name: Name,
    /// True when it is switched off.
    pub disabled: bool,
    /// The SQL statement.
    pub sql: SafeText,
    /// The version of the SQL it is read with.
    pub sql_version: SafeText,
    /// The description.
    pub description: SafeText,
    /// Its actions, each in a line.
    pub actions: Vec<SafeText>,
    /// What is done when an action fails.
    pub error_action: Option<SafeText>,
    /// When it was created.
    pub created: Option<Ms>,
    /// The CloudWatch metrics its actions write.
    #[serde(default)]
    pub metrics: Vec<RuleMetric>,
    /// Where other actions of it send what it selected, as far as quell can write them.
    #[serde(default)]
    pub deliveries: Vec<RuleDelivery>,
}

/// An action of a rule that hands on what it selected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RuleDelivery {
    /// To the subscribers of an SNS topic.
    Sns {
        /// The topic's ARN.
        topic: Name,
        /// The role the rules engine publishes with.
        role: Name,
        /// `RAW`, or `JSON` for a text of its own for each protocol.
        format: Name,
    },
    /// To another MQTT topic.
    Republish {
        /// The topic; `${…}` is filled for each message.
        topic: Name,
        /// 0 or 1.
        qos: i32,
        /// The role the rules engine publishes with.
        role: Name,
    },
    /// To a Lambda function, whose own policy must let AWS IoT call it.
    Lambda {
        /// The function's ARN.
        function: Name,
    },
}

impl RuleDelivery {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Sns { topic, .. } => format!("SNS topic {}", topic.raw()),
            Self::Republish { topic, .. } => format!("republish to {}", topic.raw()),
            Self::Lambda { function } => format!("Lambda function {}", function.raw()),
        }
    }
}

/// A CloudWatch metric an action of a rule writes, each part as it stands in the rule: `${…}` is filled for each message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleMetric {
    /// The namespace; a custom one has no dimensions.
    pub namespace: Name,
    /// The metric's name.
    pub name: Name,
    /// The value, a text.
    pub value: Name,
    /// The unit.
    pub unit: Name,
    /// The role the rules engine writes with.
    pub role: Name,
}

/// How far back a rule's metrics are read, in milliseconds: the workshop looks at 30 minutes.
pub const RULE_WINDOW: Ms = 30 * 60_000;

/// A metric of CloudWatch that tells about a rule: sums of a minute each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleSeries {
    /// `IoT` for what the rule writes, `AWS/IoT` for what AWS counts of it.
    pub namespace: SafeText,
    /// `HighHumidity`, `TopicMatch`.
    pub name: SafeText,
    /// The beginning of each minute with data and its sum, oldest first. A minute without data is not a zero.
    pub points: Vec<(Ms, f64)>,
}

/// A finding of an audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRecord {
    /// Its id.
    pub id: SafeText,
    /// The check: `DEVICE_CERTIFICATE_SHARED_CHECK`.
    pub check: SafeText,
    /// `CRITICAL`, `HIGH`, `MEDIUM`, `LOW`.
    pub severity: SafeText,
    /// What does not comply.
    pub resource: SafeText,
    /// The same, exact, as a suppression names it.
    #[serde(default)]
    pub resource_id: Resource,
    /// Resources beside it.
    pub related: Vec<SafeText>,
    /// Why, as AWS says it.
    pub reason: SafeText,
    /// True when a suppression hides it.
    pub suppressed: bool,
    /// When it was found.
    pub at: Ms,
}

/// A metric of a thing over time (ListMetricValues).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSeries {
    /// The metric: `aws:all-bytes-out`.
    pub metric: SafeText,
    /// What was reported, oldest first.
    pub points: Vec<(Ms, MetricValue)>,
}

/// A dimension: topic filters that a behaviour's metric is limited to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DimensionRecord {
    /// Its name.
    pub name: SafeText,
    /// The topic filters.
    pub values: Vec<SafeText>,
}

/// A metric the account defined, that devices report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomMetricRecord {
    /// Its name.
    pub name: SafeText,
    /// `number`, `number-list`, `string-list` or `ip-address-list`.
    pub kind: SafeText,
    /// What people call it.
    pub display: Option<SafeText>,
}

/// How far AWS's learning of an ML behaviour is (GetBehaviorModelTrainingSummaries).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// The security profile.
    pub profile: SafeText,
    /// The behaviour.
    pub behavior: SafeText,
    /// `PENDING_BUILD`, `ACTIVE` or `EXPIRED`.
    pub status: SafeText,
    /// Percent of the datapoints it needs.
    pub collected: Option<f64>,
    /// Since when it collects.
    pub since: Option<Ms>,
    /// When the model was made last.
    pub refreshed: Option<Ms>,
}

/// What a job runs, and how it is rolled out (GetJobDocument, DescribeJob).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    /// The document, as devices get it: 32 KB at most; null where AWS told none.
    pub document: serde_json::Value,
    /// Things told of it a minute at most.
    pub per_minute: Option<u32>,
    /// A rate that grows, in words.
    pub growing: Option<SafeText>,
    /// What ends it before its time, in words.
    pub abort: Vec<SafeText>,
    /// Minutes one execution may be in progress.
    pub timeout_minutes: Option<i64>,
    /// What is tried again how often, in words.
    pub retries: Vec<SafeText>,
}

/// What was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AccountReading {
    /// ListDimensions and DescribeDimension of each.
    Dimensions(Vec<DimensionRecord>),
    /// ListCustomMetrics and DescribeCustomMetric of each.
    CustomMetrics(Vec<CustomMetricRecord>),
    /// GetBehaviorModelTrainingSummaries.
    Training(Vec<TrainingRecord>),
    /// Active violations whose alerts are suppressed, which AWS leaves out unless it is asked for them.
    Suppressed(Vec<Violation>),
    /// ListMetricValues of the metric of a violation.
    Values(Name, MetricSeries),
    /// GetEffectivePolicies of each of a thing's certificates.
    Policies(Name, Vec<EffectivePolicy>),
    /// ListJobExecutionsForThing.
    JobsOf(Name, Vec<ExecutionRecord>),
    /// GetJobDocument and DescribeJob of one job; `None` when there is no such job.
    JobDetail(Name, Option<JobDetail>),
    /// ListMetricValues of each device-side metric.
    Metrics(Name, Vec<MetricSeries>),
    /// ListTopicRules and GetTopicRule of each.
    Rules(Vec<RuleRecord>),
    /// ListAuditFindings.
    Findings(Vec<FindingRecord>),
    /// GetMetricData of a rule's metrics.
    RuleMetrics(Name, Vec<RuleSeries>),
    /// Audit settings, suppressions, mitigation actions.
    AuditSetup(AuditSetup),
    /// Audits and mitigation tasks.
    AuditTasks(AuditTasks),
}

impl AccountReading {
    /// How many were read.
    pub fn len(&self) -> usize {
        match self {
            Self::Policies(_, list) => list.len(),
            Self::JobsOf(_, list) => list.len(),
            Self::JobDetail(_, found) => usize::from(found.is_some()),
            Self::Metrics(_, list) => list.len(),
            Self::Dimensions(list) => list.len(),
            Self::CustomMetrics(list) => list.len(),
            Self::Training(list) => list.len(),
            Self::Suppressed(list) => list.len(),
            Self::Values(_, series) => series.points.len(),
            Self::Rules(list) => list.len(),
            Self::Findings(list) => list.len(),
            Self::RuleMetrics(_, list) => list.len(),
            Self::AuditSetup(setup) => setup.checks.len(),
            Self::AuditTasks(tasks) => tasks.audits.len(),
        }
    }

    /// True when there was nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
