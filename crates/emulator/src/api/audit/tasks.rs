//! Audits: start, describe, list, cancel.

use serde::Deserialize;
use serde_json::json;

use super::configuration::required_checks;
use super::{CheckRun, engine};
use crate::api::{ApiError, Req, Resp, validate, when};

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Audit task {id} cannot be found."))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    target_check_names: Option<Vec<String>>,
}

/// StartOnDemandAuditTask.
pub fn start(req: &Req) -> Result<Resp, ApiError> {
    let names = required_checks(req.json::<Start>()?.target_check_names)?;
    Resp::json(json!({"taskId": engine::start(&req.account, None, &names)?}))
}

/// DescribeAuditTask.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("taskId");
    super::check_id("taskId", id, 40)?;
    let state = req.account.read();
    let task = state.audit.tasks.get(id).ok_or_else(|| missing(id))?;
    let mut body = json!({
        "taskStatus": task.status,
        "taskType": task.kind(),
        "taskStartTime": when::seconds(task.start_ms),
        "taskStatistics": {
            "totalChecks": task.checks.len(),
            "inProgressChecks": task.count("IN_PROGRESS"),
            "waitingForDataCollectionChecks": task.count("WAITING_FOR_DATA_COLLECTION"),
            "compliantChecks": task.count("COMPLETED_COMPLIANT"),
            "nonCompliantChecks": task.count("COMPLETED_NON_COMPLIANT"),
            "failedChecks": task.count("FAILED"),
            "canceledChecks": task.count("CANCELED"),
        },
        "auditDetails": task.checks,
    });
    if let Some(schedule) = &task.schedule {
        body["scheduledAuditName"] = json!(schedule);
    }
    Resp::json(body)
}

/// ListAuditTasks, oldest first.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let range = when::query_range(req)?;
    let (kind, status) = (req.query("taskType"), req.query("taskStatus"));
    if let Some(kind) = kind {
        validate::one_of("taskType", kind, &["ON_DEMAND_AUDIT_TASK", "SCHEDULED_AUDIT_TASK"])?;
    }
    if let Some(status) = status {
        validate::one_of("taskStatus", status, &["IN_PROGRESS", "COMPLETED", "FAILED", "CANCELED"])?;
    }
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let rows = state
        .audit
        .tasks
        .after(page.after.as_deref())
        .filter(|(_, t)| range.contains(&t.start_ms))
        .filter(|(_, t)| kind.is_none_or(|k| k == t.kind()) && status.is_none_or(|s| s == t.status))
        .map(|(id, t)| (id, json!({"taskId": id, "taskStatus": t.status, "taskType": t.kind()})));
    let (tasks, next) = page.take(rows);
    Resp::page("tasks", tasks, next)
}

/// CancelAuditTask: what was found so far stays.
pub fn cancel(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("taskId");
    super::check_id("taskId", id, 40)?;
    {
        let mut state = req.account.write();
        let task = state.audit.tasks.get(id).ok_or_else(|| missing(id))?;
        if task.status != "IN_PROGRESS" {
            return Err(ApiError::invalid(format!("Audit task {id} is {}, not in progress", task.status)));
        }
        state.audit.tasks.update(id, |task| {
            "CANCELED".clone_into(&mut task.status);
            for run in task.checks.values_mut().filter(|c| c.check_run_status == "IN_PROGRESS") {
                *run = CheckRun::with_status("CANCELED");
            }
        });
    }
    engine::tell(&req.account, id);
    Resp::empty()
}
