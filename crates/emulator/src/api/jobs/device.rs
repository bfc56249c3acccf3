//! What a device may ask of its jobs, whichever door it comes through (docs/aws-iot.md#3.7).
//!
//! The two doors differ in one thing only: over MQTT a job document is a JSON object, over REST a string.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::changes::Changes;
use super::machine::{self, Ask, Refused};
use super::model::{Execution, Status};
use super::{Env, Jobs};
use crate::api::ApiError;

/// AWS's limits on `statusDetails`.
const MOST_DETAILS: usize = 10;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 1024;

/// Why a device's request was refused: the code of the MQTT answer, and the state it carries.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) state: Option<Value>,
}

impl Refusal {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), state: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidRequest", message)
    }

    fn missing(job: &str, thing: &str) -> Self {
        Self::new("ResourceNotFound", format!("Job {job} not found for {thing}"))
    }
}

/// Only what keeps a change from being made durable comes this way.
impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::new("InternalError", error.message)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let mut error = match refusal.code {
            "ResourceNotFound" => Self::not_found(refusal.message),
            "TerminalStateReached" => Self::new(410, "TerminalStateException", refusal.message),
            "InvalidStateTransition" => Self::new(409, "InvalidStateTransitionException", refusal.message),
            // The model of iot-jobs-data has no name for it.
            "VersionMismatch" => {
                let message = format!("VersionMismatch: {}", refusal.message);
                Self::new(409, "InvalidStateTransitionException", message)
            }
            "InternalError" => Self::internal(refusal.message),
            _ => Self::invalid(refusal.message),
        };
        if let Some(state) = refusal.state {
            error.extra.insert("executionState".into(), state);
        }
        error
    }
}

/// Every member a device's request can have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Request {
    pub(super) client_token: Option<String>,
    pub(super) status: Option<String>,
    pub(super) status_details: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "number")]
    pub(super) expected_version: Option<u64>,
    #[serde(deserialize_with = "number")]
    pub(super) execution_number: Option<u64>,
    pub(super) include_job_execution_state: bool,
    pub(super) include_job_document: Option<bool>,
    #[serde(deserialize_with = "number")]
    pub(super) step_timeout_in_minutes: Option<i64>,
}

/// A number, or the text of one: AWS's own guide has devices send `"expectedVersion":"2"` (docs/aws-iot.md#3.7).
fn number<'de, D: Deserializer<'de>, N: FromStr>(from: D) -> Result<Option<N>, D::Error> {
    let text = match Value::deserialize(from)? {
        Value::Null => return Ok(None),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text,
        other => return Err(D::Error::custom(format!("{other} is not a number"))),
    };
    text.parse().map(Some).map_err(|_| D::Error::custom(format!("{text:?} is not a number that fits")))
}

/// Checks `statusDetails` against AWS's limits. Values may have line breaks: agents send what a command wrote.
pub(super) fn check_details(details: Option<&BTreeMap<String, String>>) -> Result<(), String> {
    let Some(details) = details else { return Ok(()) };
    if details.len() > MOST_DETAILS {
        return Err(format!("statusDetails can have at most {MOST_DETAILS} pairs"));
    }
    for (key, value) in details {
        let word = |c: char| c.is_ascii_alphanumeric() || ":_-".contains(c);
        if key.is_empty() || key.len() > LONGEST_KEY || !key.chars().all(word) {
            return Err("A statusDetails key must match [a-zA-Z0-9:_-]{1,128}".into());
        }
        if value.is_empty() || value.chars().count() > LONGEST_VALUE || value.chars().any(is_invisible) {
            return Err(format!("A statusDetails value must have 1 to {LONGEST_VALUE} characters"));
        }
    }
    Ok(())
}

fn is_invisible(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

impl Request {
    fn check(&self) -> Result<(), Refusal> {
        check_details(self.status_details.as_ref()).map_err(Refusal::invalid)?;
        match self.step_timeout_in_minutes {
            None | Some(-1 | 1..=10_080) => Ok(()),
            Some(other) => Err(Refusal::invalid(format!(
                "stepTimeoutInMinutes must be between 1 and 10080, or -1, not {other}"
            ))),
        }
    }

    /// What the state machine is asked. A status no device can set is a wrong step; no status at all a wrong request.
    fn ask(&self, status: Option<Status>) -> Ask {
        Ask {
            status,
            details: self.status_details.clone(),
            expected_version: self.expected_version,
            step_minutes: self.step_timeout_in_minutes,
        }
    }
}

/// A summary, as in `notify` and GetPendingJobExecutions.
pub(super) fn summary(execution: &Execution) -> Value {
    let mut body = json!({"jobId": execution.job, "queuedAt": execution.queued_ms / 1000});
    if let Some(started) = execution.started_ms {
        body["startedAt"] = (started / 1000).into();
    }
    body["lastUpdatedAt"] = (execution.updated_ms / 1000).into();
    body["executionNumber"] = execution.number.into();
    body["versionNumber"] = execution.version.into();
    body
}

/// An execution as a device sees it; its document as text for REST, as the object it is for MQTT.
pub(super) fn view(
    jobs: &Jobs,
    execution: &Execution,
    env: &Env<'_>,
    with_document: bool,
    as_text: bool,
) -> Value {
    let mut body = json!({
        "jobId": execution.job,
        "thingName": execution.thing,
        "status": execution.status.as_str(),
        "queuedAt": execution.queued_ms / 1000,
    });
    if let Some(details) = &execution.details {
        body["statusDetails"] = json!(details);
    }
    if let Some(started) = execution.started_ms {
        body["startedAt"] = (started / 1000).into();
    }
    body["lastUpdatedAt"] = (execution.updated_ms / 1000).into();
    body["versionNumber"] = execution.version.into();
    body["executionNumber"] = execution.number.into();
    if let Some(at) = execution.deadline_ms() {
        body["approximateSecondsBeforeTimedOut"] = ((at - env.now_ms).max(0) / 1000).into();
    }
    if with_document {
        body["jobDocument"] = document(jobs, env, &execution.job, as_text);
    }
    body
}

fn document(jobs: &Jobs, env: &Env<'_>, job: &str, as_text: bool) -> Value {
    let Some(job) = jobs.job(job) else { return json!({}) };
    let Ok(mut document) = serde_json::from_str(&job.document) else { return job.document.as_str().into() };
    without_nulls(&mut document);
    env.presigner.fill(&mut document, &job.settings);
    if as_text { document.to_string().into() } else { document }
}

/// Devices get a document without the members that are null, and written compactly.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

fn state_of(execution: &Execution) -> Value {
    let mut body = json!({ "status": execution.status.as_str() });
    if let Some(details) = &execution.details {
        body["statusDetails"] = json!(details);
    }
    body["versionNumber"] = execution.version.into();
    body
}

/// GetPendingJobExecutions.
pub(super) fn pending(jobs: &Jobs, thing: &str) -> Value {
    let of = |status: Status| -> Vec<Value> {
        jobs.pending_of(thing).into_iter().filter(|e| e.status == status).map(summary).collect()
    };
    json!({"inProgressJobs": of(Status::InProgress), "queuedJobs": of(Status::Queued)})
}

/// DescribeJobExecution; `$next` is the head of the list, and no execution when that is empty.
pub(super) fn describe(
    jobs: &Jobs,
    env: &Env<'_>,
    thing: &str,
    job: &str,
    request: &Request,
    as_text: bool,
) -> Result<Value, Refusal> {
    let with_document = request.include_job_document.unwrap_or(true);
    let execution = if job == "$next" {
        match jobs.pending_of(thing).first() {
            Some(head) => *head,
            None => return Ok(json!({})),
        }
    } else {
        jobs.numbered(job, thing, request.execution_number).ok_or_else(|| Refusal::missing(job, thing))?
    };
    if execution.status.is_terminal() {
        return Err(Refusal::new(
            "TerminalStateReached",
            "Job Execution has reached terminal state. It is neither IN_PROGRESS nor QUEUED",
        ));
    }
    Ok(json!({"execution": view(jobs, execution, env, with_document, as_text)}))
}

/// StartNextPendingJobExecution: the head as it is when it is in progress, started when it is queued.
pub(super) fn start_next(
    jobs: &mut Jobs,
    env: &Env<'_>,
    changes: &mut Changes,
    thing: &str,
    request: &Request,
    as_text: bool,
) -> Result<Value, Refusal> {
    request.check()?;
    let Some(mut head) = jobs.pending_of(thing).first().map(|head| (*head).clone()) else {
        return Ok(json!({}));
    };
    if head.status == Status::Queued {
        let ask = Ask { expected_version: None, ..request.ask(Some(Status::InProgress)) };
        step(jobs, env, &mut head, ask)?;
        jobs.set(head.clone(), changes);
    }
    Ok(json!({"execution": view(jobs, &head, env, true, as_text)}))
}

/// UpdateJobExecution.
pub(super) fn update(
    jobs: &mut Jobs,
    env: &Env<'_>,
    changes: &mut Changes,
    thing: &str,
    job: &str,
    request: &Request,
    as_text: bool,
) -> Result<Value, Refusal> {
    request.check()?;
    let word = request.status.as_deref().ok_or_else(|| Refusal::invalid("Missing required field: status"))?;
    let status = Status::parse(word)
        .ok_or_else(|| Refusal::invalid(format!("Invalid job execution status: {word}")))?;
    let mut execution = jobs
        .numbered(job, thing, request.execution_number)
        .cloned()
        .ok_or_else(|| Refusal::missing(job, thing))?;
    step(jobs, env, &mut execution, request.ask(Some(status)))?;
    let mut answer = json!({});
    if request.include_job_execution_state {
        answer["executionState"] = state_of(&execution);
    }
    if request.include_job_document.unwrap_or(false) {
        answer["jobDocument"] = document(jobs, env, job, as_text);
    }
    if execution.status.is_terminal() {
        jobs.ended(env, changes, execution);
        jobs.advance(env, changes, job);
    } else {
        jobs.set(execution, changes);
    }
    Ok(answer)
}

fn step(jobs: &Jobs, env: &Env<'_>, execution: &mut Execution, ask: Ask) -> Result<(), Refusal> {
    let timeout = jobs
        .job(&execution.job)
        .and_then(|job| job.settings.timeout_config.as_ref())
        .and_then(|config| config.in_progress_timeout_in_minutes);
    let asked = ask.status;
    let expected = ask.expected_version;
    machine::update(execution, ask, timeout, env.now_ms, env.minute_ms).map_err(|refused| {
        let now = execution.status.as_str();
        let (code, message) = match refused {
            Refused::Terminal => (
                "TerminalStateReached",
                format!(
                    "Job {} for {} has already finished with status {now}",
                    execution.job, execution.thing
                ),
            ),
            Refused::Version => (
                "VersionMismatch",
                format!("Expected version {} but found version {}", expected.unwrap_or(0), execution.version),
            ),
            Refused::Transition => (
                "InvalidStateTransition",
                format!(
                    "The status of job execution cannot be changed to be {}",
                    asked.map_or(now, Status::as_str)
                ),
            ),
        };
        Refusal { code, message, state: Some(state_of(execution)) }
    })
}
