//! The control plane of job executions (docs/aws-iot.md#2.6).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{Execution, Status};
use super::{Jobs, change, device, machine, publish};
use crate::api::{ApiError, Req, Resp, validate};

fn missing(jobs: &Jobs, job: &str, thing: &str) -> ApiError {
    ApiError::not_found(match jobs.job(job) {
        Some(_) => format!("Job execution for thing {thing} cannot be found within job {job}."),
        None => format!("Job execution cannot be found as the Job {job} does not exist."),
    })
}

fn wrong_state(execution: &Execution, refused: &str) -> ApiError {
    let (thing, job) = (&execution.thing, &execution.job);
    ApiError::new(
        409,
        "InvalidStateTransitionException",
        format!("Job execution for thing {thing} within job {job} {refused}."),
    )
}

/// An execution number: a whole number from 1.
fn number(text: &str) -> Result<u64, ApiError> {
    match text.parse() {
        Ok(0) | Err(_) => Err(ApiError::invalid("Execution number is invalid.")),
        Ok(number) => Ok(number),
    }
}

fn status_filter(req: &Req) -> Result<Option<Status>, ApiError> {
    let Some(word) = req.query("status") else { return Ok(None) };
    validate::one_of("status", word, &Status::ALL.map(Status::as_str))?;
    Ok(Status::parse(word))
}

fn times(execution: &Execution) -> Value {
    let seconds = |ms: i64| json!(ms as f64 / 1000.0);
    let mut body = json!({
        "status": execution.status.as_str(),
        "queuedAt": seconds(execution.queued_ms),
        "lastUpdatedAt": seconds(execution.updated_ms),
        "executionNumber": execution.number,
    });
    if let Some(started) = execution.started_ms {
        body["startedAt"] = seconds(started);
    }
    body
}

fn summary(execution: &Execution) -> Value {
    let mut body = times(execution);
    body["retryAttempt"] = json!(execution.retry_attempt());
    body
}

/// Where an execution stands in a list of names, those of one name from the newest on. A space comes before every
/// character of a name.
fn place(name: &str, execution: &Execution) -> String {
    format!("{name} {:020}", u64::MAX - execution.number)
}

fn page(rows: Vec<Value>, token: Option<String>) -> Result<Resp, ApiError> {
    let mut body = json!({ "executionSummaries": rows });
    if let Some(token) = token {
        body["nextToken"] = json!(token);
    }
    Resp::json(body)
}

/// ListJobExecutionsForJob: every execution, in the order of the things' names, the newest of a thing first.
///
/// # Errors
/// 404 for an unknown job, 400 for a status AWS does not know.
pub fn for_job(req: &Req) -> Result<Resp, ApiError> {
    let (id, status) = (req.path("jobId"), status_filter(req)?);
    let wanted = req.page(250, 250)?;
    let state = req.account.read();
    if state.jobs.job(id).is_none() {
        return Err(ApiError::not_found(format!("Job {id} cannot be found.")));
    }
    let rows = state.jobs.executions_of(id).flat_map(|(_, e)| state.jobs.with_earlier(e));
    let rows = rows.filter(|e| status.is_none_or(|s| e.status == s));
    let (rows, token) = wanted.take(rows.map(|e| (place(&e.thing, e), e)));
    let row = |e: &Execution| json!({"thingArn": req.account.arn("thing", &e.thing), "jobExecutionSummary": summary(e)});
    page(rows.into_iter().map(row).collect(), token)
}

/// ListJobExecutionsForThing: every execution, in the order of job ids, the newest of a job first.
///
/// # Errors
/// 404 for an unknown thing, 400 for a status AWS does not know.
pub fn for_thing(req: &Req) -> Result<Resp, ApiError> {
    let (thing, status) = (req.path("thingName"), status_filter(req)?);
    let (job, namespace) = (req.query("jobId"), req.query("namespaceId"));
    let wanted = req.page(250, 250)?;
    let state = req.account.read();
    state.registry.require_thing(thing)?;
    let in_namespace = |id: &str| {
        namespace.is_none_or(|n| {
            state.jobs.job(id).and_then(|job| job.echoed.get("namespaceId")).is_some_and(|v| v == n)
        })
    };
    let jobs = state.jobs.jobs_of(thing).filter(|(id, _)| job.is_none_or(|j| j == *id) && in_namespace(id));
    let rows = jobs.flat_map(|(_, e)| state.jobs.with_earlier(e));
    let rows = rows.filter(|e| status.is_none_or(|s| e.status == s));
    let (rows, token) = wanted.take(rows.map(|e| (place(&e.job, e), e)));
    let row = |e: &Execution| json!({"jobId": e.job, "jobExecutionSummary": summary(e)});
    page(rows.into_iter().map(row).collect(), token)
}

/// DescribeJobExecution of the control plane.
///
/// # Errors
/// 404 when there is no such execution.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let (job, thing) = (req.path("jobId"), req.path("thingName"));
    let number = req.query("executionNumber").map(number).transpose()?;
    let state = req.account.read();
    let execution =
        state.jobs.numbered(job, thing, number).ok_or_else(|| missing(&state.jobs, job, thing))?;
    let mut body = times(execution);
    body["jobId"] = json!(execution.job);
    body["thingArn"] = json!(req.account.arn("thing", thing));
    body["versionNumber"] = json!(execution.version);
    body["forceCanceled"] = json!(execution.force_canceled);
    body["statusDetails"] = execution.details.as_ref().map_or(json!({}), |map| json!({ "detailsMap": map }));
    if let Some(at) = execution.deadline_ms() {
        body["approximateSecondsBeforeTimedOut"] = json!((at - req.account.clock.now_ms()).max(0) / 1000);
    }
    Resp::json(json!({ "execution": body }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Cancel {
    expected_version: Option<u64>,
    status_details: Option<BTreeMap<String, String>>,
}

/// CancelJobExecution; one in progress needs `force`.
///
/// # Errors
/// 404 when there is none, 409 when it is over, in progress without `force`, or of another version.
pub fn cancel(req: &Req) -> Result<Resp, ApiError> {
    let (job, thing) = (req.path("jobId"), req.path("thingName"));
    let body: Cancel = req.json()?;
    device::check_details(body.status_details.as_ref()).map_err(ApiError::invalid)?;
    let force = req.flag("force");
    let ((), messages) = change(&req.account, |jobs, env, changes| {
        let mut execution = jobs.execution(job, thing).cloned().ok_or_else(|| missing(jobs, job, thing))?;
        if execution.status.is_terminal() || (execution.status == Status::InProgress && !force) {
            return Err(wrong_state(&execution, "cannot be canceled"));
        }
        if body.expected_version.is_some_and(|v| v != execution.version) {
            return Err(ApiError::version_conflict(format!(
                "Expected version {} but found version {}",
                body.expected_version.unwrap_or_default(),
                execution.version
            )));
        }
        machine::end(&mut execution, Status::Canceled, env.now_ms);
        if body.status_details.is_some() {
            execution.details = body.status_details;
        }
        jobs.ended(env, changes, execution);
        jobs.advance(env, changes, job);
        Ok::<_, ApiError>(())
    })?;
    publish(&req.account, messages);
    Resp::empty()
}

/// DeleteJobExecution; one that is not over needs `force`.
///
/// # Errors
/// 404 when there is no such execution, 409 when it is not over and `force` is not given.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let (job, thing) = (req.path("jobId"), req.path("thingName"));
    let number = number(req.path("executionNumber"))?;
    let force = req.flag("force");
    let ((), messages) = change(&req.account, |jobs, env, changes| {
        let execution =
            jobs.numbered(job, thing, Some(number)).cloned().ok_or_else(|| missing(jobs, job, thing))?;
        if !execution.status.is_terminal() && !force {
            return Err(wrong_state(
                &execution,
                &format!("in status {} cannot be deleted without force flag", execution.status.as_str()),
            ));
        }
        changes.execution(env, &execution, "deleted");
        jobs.forget(job, thing, number, changes);
        jobs.advance(env, changes, job);
        Ok::<_, ApiError>(())
    })?;
    publish(&req.account, messages);
    Resp::empty()
}
