//! What a job and an execution are, as they are stored (docs/aws-iot.md#2.6, #4.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The status of one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Waiting for the device.
    Queued,
    /// The device works on it.
    InProgress,
    /// Done.
    Succeeded,
    /// The device failed.
    Failed,
    /// A timer ran out.
    TimedOut,
    /// The device refused.
    Rejected,
    /// The thing left the target of a continuous job.
    Removed,
    /// Cancelled by an operator or by an abort criterion.
    Canceled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::InProgress,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Rejected,
        Self::Removed,
        Self::Canceled,
    ];

    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Rejected => "REJECTED",
            Self::Removed => "REMOVED",
            Self::Canceled => "CANCELED",
        }
    }

    /// The status of AWS's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// True for all but QUEUED and IN_PROGRESS.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }
}

/// The status of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobStatus {
    /// Before its start time.
    Scheduled,
    /// Rolling out, or (continuous) ready for joiners.
    InProgress,
    /// Cancelled, by hand or by an abort criterion.
    Canceled,
    /// Every execution is terminal and none can follow.
    Completed,
}

impl JobStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::InProgress => "IN_PROGRESS",
            Self::Canceled => "CANCELED",
            Self::Completed => "COMPLETED",
        }
    }
}

/// `jobExecutionsRolloutConfig`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// 1..=1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_per_minute: Option<u32>,
    /// A rate that grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exponential_rate: Option<ExponentialRate>,
}

/// `exponentialRate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExponentialRate {
    /// Things a minute at the start, 1..=1000.
    pub base_rate_per_minute: u32,
    /// 1.1..=5.
    pub increment_factor: f64,
    /// When the rate grows.
    pub rate_increase_criteria: RateIncrease,
}

/// `rateIncreaseCriteria`: exactly one of the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateIncrease {
    /// Each time this many more were notified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_notified_things: Option<u32>,
    /// Each time this many more succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_succeeded_things: Option<u32>,
}

/// `abortConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Abort {
    /// Any of them cancels the job.
    pub criteria_list: Vec<AbortCriterion>,
}

/// One of `abortConfig.criteriaList`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbortCriterion {
    /// FAILED, REJECTED, TIMED_OUT or ALL.
    pub failure_type: String,
    /// CANCEL.
    pub action: String,
    /// Per cent of the finished things, above 0 and at most 100.
    pub threshold_percentage: f64,
    /// Finished things before the criterion counts.
    pub min_number_of_executed_things: u64,
}

/// `timeoutConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeout {
    /// 1..=10080.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_progress_timeout_in_minutes: Option<u64>,
}

/// `jobExecutionsRetryConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// One for each failure type.
    pub criteria_list: Vec<RetryCriterion>,
}

/// One of `jobExecutionsRetryConfig.criteriaList`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryCriterion {
    /// FAILED, TIMED_OUT or ALL.
    pub failure_type: String,
    /// 0..=10.
    pub number_of_retries: u32,
}

/// `schedulingConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduling {
    /// When the rollout begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When `end_behavior` applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// STOP_ROLLOUT, CANCEL or FORCE_CANCEL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_behavior: Option<String>,
    /// Recurring windows; refused for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_windows: Option<Vec<Value>>,
}

/// The members of CreateJob that UpdateJob may change, echoed by DescribeJob.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `{roleArn, expiresInSec}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presigned_url_config: Option<Value>,
    /// How fast executions are queued; absent: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_executions_rollout_config: Option<Rollout>,
    /// When the job cancels itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_config: Option<Abort>,
    /// The in-progress timer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_config: Option<Timeout>,
    /// Which failures are tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_executions_retry_config: Option<Retry>,
}

impl Settings {
    /// These settings where they say something, and `base` where they do not.
    pub fn over(self, base: Self) -> Self {
        Self {
            description: self.description.or(base.description),
            presigned_url_config: self.presigned_url_config.or(base.presigned_url_config),
            job_executions_rollout_config: self
                .job_executions_rollout_config
                .or(base.job_executions_rollout_config),
            abort_config: self.abort_config.or(base.abort_config),
            timeout_config: self.timeout_config.or(base.timeout_config),
            job_executions_retry_config: self
                .job_executions_retry_config
                .or(base.job_executions_retry_config),
        }
    }
}

/// A job. Its id is its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// `jobId`.
    pub id: String,
    /// Target ARNs, things and thing groups.
    pub targets: Vec<String>,
    /// True for CONTINUOUS.
    pub continuous: bool,
    /// The job document: JSON text.
    pub document: String,
    /// Where the document came from, when it came from S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_source: Option<String>,
    /// What UpdateJob may change.
    pub settings: Settings,
    /// `schedulingConfig` as given.
    pub scheduling: Option<Scheduling>,
    /// Epoch milliseconds of the start time, if scheduled.
    pub start_ms: Option<i64>,
    /// Epoch milliseconds of the end time.
    pub end_ms: Option<i64>,
    /// Members that are echoed only: `namespaceId`, `jobTemplateArn`, `destinationPackageVersions`.
    pub echoed: BTreeMap<String, Value>,
    /// Where it stands.
    pub status: JobStatus,
    /// CancelJob with force.
    pub force_canceled: bool,
    /// Nothing more is rolled out: the end time passed.
    pub stopped: bool,
    /// Of CancelJob.
    pub reason_code: Option<String>,
    /// Of CancelJob or AssociateTargetsWithJob.
    pub comment: Option<String>,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// Epoch milliseconds.
    pub updated_ms: i64,
    /// Epoch milliseconds.
    pub completed_ms: Option<i64>,
    /// When the current minute of the rollout began, epoch milliseconds.
    pub minute_began_ms: i64,
    /// Executions queued in the current minute.
    pub minute_queued: u32,
    /// Executions queued by the rollout so far.
    pub notified: u64,
}

/// One execution: a job on a thing. The newest is under `job/thing`, older ones in the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// `jobId`.
    pub job: String,
    /// The thing.
    pub thing: String,
    /// Starts at 1; a retry or a return to the target group gets the next.
    pub number: u64,
    /// Starts at 1, grows with each change.
    pub version: u64,
    /// Where it stands.
    pub status: Status,
    /// `statusDetails`, at most ten pairs; none until a device reports some.
    pub details: Option<BTreeMap<String, String>>,
    /// Cancelled while it was in progress.
    pub force_canceled: bool,
    /// Epoch milliseconds.
    pub queued_ms: i64,
    /// Epoch milliseconds.
    pub started_ms: Option<i64>,
    /// Epoch milliseconds.
    pub updated_ms: i64,
    /// When the job's in-progress timer runs out, epoch milliseconds.
    pub job_deadline_ms: Option<i64>,
    /// When the device's step timer runs out, epoch milliseconds.
    pub step_deadline_ms: Option<i64>,
    /// Retries so far after FAILED and after TIMED_OUT.
    pub retries: [u32; 2],
}

impl Execution {
    /// A fresh execution in QUEUED.
    pub fn queued(job: &str, thing: &str, number: u64, now_ms: i64) -> Self {
        Self {
            job: job.to_owned(),
            thing: thing.to_owned(),
            number,
            version: 1,
            status: Status::Queued,
            details: None,
            force_canceled: false,
            queued_ms: now_ms,
            started_ms: None,
            updated_ms: now_ms,
            job_deadline_ms: None,
            step_deadline_ms: None,
            retries: [0, 0],
        }
    }

    /// `retryAttempt`.
    pub fn retry_attempt(&self) -> u32 {
        self.retries[0] + self.retries[1]
    }

    /// The earlier of its timers, while it is in progress.
    pub fn deadline_ms(&self) -> Option<i64> {
        (self.status == Status::InProgress)
            .then(|| self.job_deadline_ms.into_iter().chain(self.step_deadline_ms).min())
            .flatten()
    }
}

/// A job template. Its id is its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// The document jobs made from it get.
    pub document: String,
    /// Where the document came from, when it came from S3.
    pub document_source: Option<String>,
    /// What jobs made from it are given unless they say otherwise.
    pub settings: Settings,
    /// Members that are echoed only: `destinationPackageVersions`.
    pub echoed: BTreeMap<String, Value>,
    /// Epoch milliseconds.
    pub created_ms: i64,
}
