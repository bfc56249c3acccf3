//! The control plane of jobs (docs/aws-iot.md#2.6).

use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{Job, JobStatus, Settings};
use super::validate::{self as check, CreateJob};
use super::{change, presign, publish, settings, templates};
use crate::api::{ApiError, Req, Resp, validate};

/// Jobs that are not over, in one account.
const MOST_CONCURRENT: usize = 500;

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Job {id} cannot be found."))
}

fn named(job: &Job, req: &Req) -> Result<Resp, ApiError> {
    let mut body = json!({"jobArn": req.account.arn("job", &job.id), "jobId": job.id});
    if let Some(description) = &job.settings.description {
        body["description"] = json!(description);
    }
    Resp::json(body)
}

fn seconds(ms: i64) -> Value {
    json!(ms as f64 / 1000.0)
}

/// CreateJob. A job whose targets fit the rollout's first minute is queued before this answers.
///
/// # Errors
/// 400 for a member out of bounds, 404 for a target that is not there, 409 for an id in use, 410 beyond 500 open jobs.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("jobId");
    check::job_id("jobId", id)?;
    let mut body: CreateJob = req.json()?;
    let account = &req.account;
    let arn = account.arn("job", id);
    let now_ms = account.clock.now_ms();
    let template = templates::of(account, body.job_template_arn.as_deref())?;
    let document = match &template {
        Some(template) if body.document.is_none() && body.document_source.is_none() => {
            body.document_source.clone_from(&template.document_source);
            template.document.clone()
        }
        _ => check::document(account, body.document.as_deref(), body.document_source.as_deref())?,
    };
    if let Some(template) = template {
        if template.echoed.contains_key(templates::WINDOWS) {
            return Err(ApiError::invalid(match body.target_selection.as_deref() {
                Some("CONTINUOUS") => "maintenanceWindows are not available in this emulator",
                _ => "TargetSelection is invalid. MaintenanceWindow cannot be used with SNAPSHOT job.",
            }));
        }
        // The description is the template's own.
        let own = body.settings.description.take();
        body.settings = std::mem::take(&mut body.settings).over(template.settings);
        body.settings.description = own;
    }
    let times = body.check(now_ms, account.clock.scaled_secs_ms(60))?;
    presign::check(&document, &body.settings, id)?;
    let taken = || ApiError::already_exists(format!("Job {id} already exists."), id, &arn);
    if !body.tags.is_empty() {
        let mut state = account.write();
        if state.jobs.job(id).is_some() {
            return Err(taken());
        }
        state.registry.set_tags(&arn, &body.tags)?;
    }
    let created = change(account, |jobs, env, changes| {
        if jobs.job(id).is_some() {
            return Err(taken());
        }
        check::targets(&body.targets, env.arns, env.registry)?;
        let open = |job: &Job| matches!(job.status, JobStatus::InProgress | JobStatus::Scheduled);
        if jobs.jobs.iter().filter(|(_, job)| open(job)).count() >= MOST_CONCURRENT {
            return Err(ApiError::limit(format!("At most {MOST_CONCURRENT} jobs can be active")));
        }
        let mut targets = body.targets.clone();
        let mut seen = std::collections::HashSet::new();
        targets.retain(|target| seen.insert(target.clone()));
        let echoed = [
            ("jobTemplateArn", body.job_template_arn.clone().map(Value::from)),
            ("namespaceId", body.namespace_id.clone().map(Value::from)),
            ("destinationPackageVersions", body.destination_package_versions.clone().map(Value::from)),
        ];
        let job = Job {
            id: id.to_owned(),
            targets,
            continuous: body.target_selection.as_deref() == Some("CONTINUOUS"),
            document,
            document_source: body.document_source.clone(),
            settings: body.settings.clone(),
            scheduling: body.scheduling_config.clone(),
            start_ms: times.start_ms,
            end_ms: times.end_ms,
            echoed: echoed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
            status: if times.start_ms.is_some() { JobStatus::Scheduled } else { JobStatus::InProgress },
            force_canceled: false,
            stopped: false,
            reason_code: None,
            comment: None,
            created_ms: env.now_ms,
            updated_ms: env.now_ms,
            completed_ms: None,
            minute_began_ms: env.now_ms,
            minute_queued: 0,
            notified: 0,
        };
        jobs.start(env, changes, job.clone());
        Ok(job)
    });
    if created.is_err() && !body.tags.is_empty() {
        let mut state = account.write();
        if state.jobs.job(id).is_none() {
            state.registry.drop_tags(&arn);
        }
    }
    let (job, messages) = created?;
    publish(account, messages);
    named(&job, req)
}

/// DescribeJob.
///
/// # Errors
/// 404 for an unknown job.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let state = req.account.read();
    let job = state.jobs.job(req.path("jobId")).ok_or_else(|| missing(req.path("jobId")))?;
    let mut body = serde_json::to_value(&job.settings).map_err(|e| ApiError::internal(e.to_string()))?;
    body["jobArn"] = json!(req.account.arn("job", &job.id));
    body["jobId"] = json!(job.id);
    body["targetSelection"] = json!(selection(job));
    body["status"] = json!(job.status.as_str());
    body["targets"] = json!(job.targets);
    body["createdAt"] = seconds(job.created_ms);
    body["lastUpdatedAt"] = seconds(job.updated_ms);
    body["isConcurrent"] = json!(state.jobs.is_waiting(&job.id));
    body["jobProcessDetails"] = state.jobs.process_details(job);
    if job.force_canceled || job.status == JobStatus::Canceled {
        body["forceCanceled"] = json!(job.force_canceled);
    }
    for (name, value) in [("reasonCode", &job.reason_code), ("comment", &job.comment)] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    if let Some(at) = job.completed_ms {
        body["completedAt"] = seconds(at);
    }
    if let Some(scheduling) = &job.scheduling {
        body["schedulingConfig"] = json!(scheduling);
    }
    for (name, value) in &job.echoed {
        body[name.as_str()] = value.clone();
    }
    let mut answer = json!({ "job": body });
    if let Some(source) = &job.document_source {
        answer["documentSource"] = json!(source);
    }
    Resp::json(answer)
}

fn selection(job: &Job) -> &'static str {
    if job.continuous { "CONTINUOUS" } else { "SNAPSHOT" }
}

/// ListJobs, in the order of ids.
///
/// # Errors
/// 400 for a filter value AWS does not know.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 250)?;
    let (status, wanted) = (req.query("status"), req.query("targetSelection"));
    if let Some(status) = status {
        let known = ["IN_PROGRESS", "CANCELED", "COMPLETED", "DELETION_IN_PROGRESS", "SCHEDULED"];
        validate::one_of("status", status, &known)?;
    }
    if let Some(wanted) = wanted {
        validate::one_of("targetSelection", wanted, &["SNAPSHOT", "CONTINUOUS"])?;
    }
    let namespace = req.query("namespaceId");
    let state = req.account.read();
    let group = match (req.query("thingGroupName"), req.query("thingGroupId")) {
        (Some(name), _) => Some(name.to_owned()),
        // An id nobody has matches no job: no group can have an empty name.
        (None, Some(id)) => {
            let found = state.registry.groups().find(|(_, group)| group.id == id);
            Some(found.map(|(name, _)| name.to_owned()).unwrap_or_default())
        }
        (None, None) => None,
    };
    let group = group.map(|name| req.account.arn("thinggroup", &name));
    let rows = state.jobs.jobs.iter().filter(|(_, job)| {
        status.is_none_or(|s| job.status.as_str() == s)
            && wanted.is_none_or(|w| selection(job) == w)
            && group.as_ref().is_none_or(|arn| job.targets.contains(arn))
            && namespace.is_none_or(|n| job.echoed.get("namespaceId").is_some_and(|v| v == n))
    });
    let (jobs, token) = page.take(rows.map(|(id, job)| {
        let mut row = json!({
            "jobArn": req.account.arn("job", id),
            "jobId": id,
            "targetSelection": selection(job),
            "status": job.status.as_str(),
            "createdAt": seconds(job.created_ms),
            "lastUpdatedAt": seconds(job.updated_ms),
            "isConcurrent": state.jobs.is_waiting(id),
        });
        if let Some(at) = job.completed_ms {
            row["completedAt"] = seconds(at);
        }
        (id, row)
    }));
    let mut body = json!({ "jobs": jobs });
    if let Some(token) = token {
        body["nextToken"] = json!(token);
    }
    Resp::json(body)
}

/// GetJobDocument.
///
/// # Errors
/// 404 for an unknown job.
pub fn document(req: &Req) -> Result<Resp, ApiError> {
    let state = req.account.read();
    let job = state.jobs.job(req.path("jobId")).ok_or_else(|| missing(req.path("jobId")))?;
    Resp::json(json!({"document": job.document}))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Remarks {
    reason_code: Option<String>,
    comment: Option<String>,
    targets: Vec<String>,
}

/// CancelJob; `force` also cancels what is in progress.
///
/// # Errors
/// 404 for an unknown job, 400 for one that is over.
pub fn cancel(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("jobId");
    let remarks: Remarks = req.json()?;
    check::remarks(remarks.reason_code.as_deref(), remarks.comment.as_deref())?;
    let force = req.flag("force");
    let (job, messages) = change(&req.account, |jobs, env, changes| {
        let job = jobs.job(id).ok_or_else(|| missing(id))?;
        match job.status {
            JobStatus::Completed => {
                return Err(ApiError::invalid(format!("Job {id} is COMPLETED and cannot be canceled.")));
            }
            JobStatus::Canceled if !force => {
                return Err(ApiError::invalid(format!("Job {id} is already CANCELED.")));
            }
            _ => {}
        }
        jobs.jobs.update(id, |job| {
            job.reason_code = remarks.reason_code.or(job.reason_code.take());
            job.comment = remarks.comment.or(job.comment.take());
        });
        jobs.cancel(env, changes, id, force);
        jobs.job(id).cloned().ok_or_else(|| missing(id))
    })?;
    publish(&req.account, messages);
    named(&job, req)
}

/// DeleteJob; `force` deletes a job that is not over.
///
/// # Errors
/// 404 for an unknown job, 409 for one that is not over without `force`.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("jobId");
    let force = req.flag("force");
    let ((), messages) = change(&req.account, |jobs, env, changes| {
        let job = jobs.job(id).ok_or_else(|| missing(id))?.clone();
        if !force && matches!(job.status, JobStatus::InProgress | JobStatus::Scheduled) {
            return Err(ApiError::new(
                409,
                "InvalidStateTransitionException",
                format!("Job {id} is {} and cannot be deleted without force.", job.status.as_str()),
            ));
        }
        changes.job(env, jobs, &job, "deletion_in_progress");
        for (_, execution) in jobs.executions_of(id) {
            changes.execution(env, execution, "deleted");
        }
        changes.job(env, jobs, &job, "deleted");
        jobs.erase(id, changes);
        Ok::<_, ApiError>(())
    })?;
    req.account.write().registry.drop_tags(&req.account.arn("job", id));
    publish(&req.account, messages);
    Resp::empty()
}

/// UpdateJob: what is named is replaced. A new timeout is for executions that start later.
///
/// # Errors
/// 404 for an unknown job, 400 for one that is over or a member out of bounds.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("jobId");
    let new: Settings = req.json()?;
    settings::check(&new)?;
    settings::check_update(id, &new, None)?;
    let ((), messages) = change(&req.account, |jobs, env, changes| {
        let job = jobs.job(id).ok_or_else(|| missing(id))?;
        if !matches!(job.status, JobStatus::InProgress | JobStatus::Scheduled) {
            return Err(ApiError::invalid(format!(
                "Job {id} in status {} cannot be updated.",
                job.status.as_str()
            )));
        }
        settings::check_update(id, &new, Some(&job.settings))?;
        jobs.jobs.update(id, |job| {
            job.settings = new.over(std::mem::take(&mut job.settings));
            job.updated_ms = env.now_ms;
        });
        jobs.advance(env, changes, id);
        Ok::<_, ApiError>(())
    })?;
    publish(&req.account, messages);
    Resp::empty()
}

/// AssociateTargetsWithJob: more targets for a continuous job.
///
/// # Errors
/// 404 for an unknown job or target, 400 for a snapshot job, one that is over, or too many targets.
pub fn associate(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("jobId");
    let body: Remarks = req.json()?;
    check::remarks(None, body.comment.as_deref())?;
    let (job, messages) = change(&req.account, |jobs, env, changes| {
        let job = jobs.job(id).ok_or_else(|| missing(id))?;
        if !job.continuous || !matches!(job.status, JobStatus::InProgress | JobStatus::Scheduled) {
            return Err(ApiError::invalid(format!(
                "Targets can only be associated with a CONTINUOUS job that is not over; job {id} is {} and {}.",
                selection(job),
                job.status.as_str()
            )));
        }
        check::targets(&body.targets, env.arns, env.registry)?;
        let mut fresh: Vec<String> = Vec::new();
        for target in body.targets {
            if !job.targets.contains(&target) && !fresh.contains(&target) {
                fresh.push(target);
            }
        }
        let running = job.status == JobStatus::InProgress;
        jobs.jobs.update(id, |job| {
            job.targets.extend(fresh.iter().cloned());
            job.comment = body.comment.or(job.comment.take());
            job.updated_ms = env.now_ms;
        });
        if running {
            jobs.take_aim(env, id, &fresh);
            jobs.advance(env, changes, id);
        }
        jobs.job(id).cloned().ok_or_else(|| missing(id))
    })?;
    publish(&req.account, messages);
    named(&job, req)
}
