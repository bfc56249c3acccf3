//! The REST door of a device's jobs: service `iot-jobs-data` (docs/aws-iot.md#2.6). Its paths are partly those of the control
//! plane; the credential scope tells them apart.

use super::device::{self, Refusal, Request};
use super::presign::Presigner;
use super::{Env, change, publish};
use crate::api::{ApiError, Req, Resp};

fn thing_of(req: &Req) -> Result<&str, ApiError> {
    let thing = req.path("thingName");
    match req.account.read().registry.thing(thing) {
        Some(_) => Ok(thing),
        None => Err(ApiError::not_found(format!("Thing {thing} not found"))),
    }
}

/// GetPendingJobExecutions.
///
/// # Errors
/// 404 for an unknown thing.
pub fn pending(req: &Req) -> Result<Resp, ApiError> {
    let thing = thing_of(req)?;
    Resp::json(device::pending(&req.account.read().jobs, thing))
}

/// DescribeJobExecution of `iot-jobs-data`; the job may be `$next`.
///
/// # Errors
/// 404 when the thing or its execution is not there.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let thing = thing_of(req)?;
    let number = req.query("executionNumber").map(str::parse).transpose();
    let request = Request {
        execution_number: number.map_err(|_| ApiError::invalid("Invalid executionNumber"))?,
        include_job_document: req.query("includeJobDocument").map(|v| v.eq_ignore_ascii_case("true")),
        ..Request::default()
    };
    let account = &req.account;
    let presigner = Presigner::of(account);
    let state = account.read();
    let env = Env::of(account, &state.registry, presigner);
    Resp::json(device::describe(&state.jobs, &env, thing, req.path("jobId"), &request, true)?)
}

/// StartNextPendingJobExecution.
///
/// # Errors
/// 404 for an unknown thing, 400 for what breaks a limit.
pub fn start_next(req: &Req) -> Result<Resp, ApiError> {
    let thing = thing_of(req)?;
    let request: Request = req.json()?;
    let (answer, messages) = change(&req.account, |jobs, env, changes| {
        device::start_next(jobs, env, changes, thing, &request, true)
    })
    .map_err(|refusal: Refusal| ApiError::from(refusal))?;
    publish(&req.account, messages);
    Resp::json(answer)
}

/// UpdateJobExecution.
///
/// # Errors
/// 404, 409 for a step the state machine lacks, of which any after a terminal state is one.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let thing = thing_of(req)?;
    let request: Request = req.json()?;
    let (answer, messages) = change(&req.account, |jobs, env, changes| {
        device::update(jobs, env, changes, thing, req.path("jobId"), &request, true)
    })
    .map_err(|mut refusal: Refusal| {
        // TerminalStateException is DescribeJobExecution's alone: the model of an update has no such error.
        if refusal.code == "TerminalStateReached" {
            refusal.code = "InvalidStateTransition";
        }
        ApiError::from(refusal)
    })?;
    publish(&req.account, messages);
    Resp::json(answer)
}
