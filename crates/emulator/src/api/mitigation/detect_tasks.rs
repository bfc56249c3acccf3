//! Tasks that apply mitigation actions to things in violation of a security profile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Desk, Execution, Kind, Order, Task, accept, engine, missing_task, pending};
use crate::account::State;
use crate::api::audit::check_id;
use crate::api::detect::Violation;
use crate::api::{ApiError, Req, Resp, when};

/// Tasks in progress at the same time.
const AT_ONCE: usize = 5;

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    violation_ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    security_profile_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    behavior_name: Option<String>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Range {
    start_time: f64,
    end_time: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    target: Option<Target>,
    actions: Option<Vec<String>>,
    violation_event_occurrence_range: Option<Range>,
    include_only_active_violations: Option<bool>,
    include_suppressed_alerts: Option<bool>,
    client_request_token: Option<String>,
}

/// Violation id → the violation, for every one a request means.
fn violations<'a>(
    state: &'a State,
    start: &Start,
    target: &Target,
) -> Result<BTreeMap<&'a str, &'a Violation>, ApiError> {
    let range = match start.violation_event_occurrence_range {
        None => i64::MIN..=i64::MAX,
        Some(r) => match (when::millis(r.start_time), when::millis(r.end_time)) {
            (Some(start), Some(end)) => when::range(start, end)?,
            _ => return Err(ApiError::invalid("violationEventOccurrenceRange is not a time range")),
        },
    };
    let only_active = start.include_only_active_violations.unwrap_or(false);
    let mut known: BTreeMap<&str, (&Violation, bool)> = BTreeMap::new();
    if !only_active {
        for event in state.detect.history() {
            let within = range.contains(&event.at_ms);
            known.entry(&event.violation.id).or_insert((&event.violation, within)).1 |= within;
        }
    }
    for violation in state.detect.active() {
        let within = violation.start_ms <= *range.end() && violation.last_ms >= *range.start();
        known.entry(&violation.id).or_insert((violation, within)).1 |= within;
    }
    let ids = match (&target.violation_ids, &target.security_profile_name) {
        (Some(_), Some(_)) | (None, None) => {
            return Err(ApiError::invalid("The target must hold either violationIds or securityProfileName"));
        }
        (Some(ids), None) if target.behavior_name.is_some() || !(1..=25).contains(&ids.len()) => {
            return Err(ApiError::invalid("violationIds must hold 1 to 25 IDs and stand alone"));
        }
        (Some(ids), None) => {
            let all = |id: &str| {
                state.detect.active().any(|v| v.id == id)
                    || state.detect.history().any(|e| e.violation.id == id)
            };
            if let Some(bad) = ids.iter().find(|id| !all(id)) {
                return Err(ApiError::invalid(format!("Violation {bad} cannot be found.")));
            }
            Some(ids)
        }
        (None, Some(profile)) => {
            let held = state.detect.profile(profile);
            let held = held
                .ok_or_else(|| ApiError::invalid(format!("Security profile {profile} cannot be found.")))?;
            if let Some(behavior) = &target.behavior_name
                && !held.behaviors.iter().any(|b| b.name == *behavior)
            {
                return Err(ApiError::invalid(format!(
                    "Security profile {profile} has no behavior {behavior}"
                )));
            }
            None
        }
    };
    let suppressed = start.include_suppressed_alerts.unwrap_or(false);
    let meant = |v: &Violation| match ids {
        Some(ids) => ids.contains(&v.id),
        None => {
            target.security_profile_name.as_ref() == Some(&v.profile)
                && target.behavior_name.as_ref().is_none_or(|b| *b == v.behavior.name)
        }
    };
    let chosen = known.into_iter().filter(|(_, (v, within))| {
        *within && meant(v) && (suppressed || v.behavior.suppress_alerts != Some(true))
    });
    Ok(chosen.map(|(id, (v, _))| (id, v)).collect())
}

/// StartDetectMitigationActionsTask. Only actions that add things to groups apply to violations.
pub fn start(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("taskId");
    check_id("taskId", id, 128)?;
    let body: Start = req.json()?;
    let target = body.target.clone().ok_or_else(|| when::missing("target"))?;
    let names = body.actions.clone().ok_or_else(|| when::missing("actions"))?;
    let request = json!({
        "target": target,
        "actions": names,
        "violationEventOccurrenceRange": body.violation_event_occurrence_range,
        "onlyActiveViolationsIncluded": body.include_only_active_violations.unwrap_or(false),
        "suppressedAlertsIncluded": body.include_suppressed_alerts.unwrap_or(false),
    });
    let taken = {
        let mut state = req.account.write();
        let definitions = state.mitigation.definitions(&names)?;
        if let Some(bad) = definitions.iter().find(|d| d.action_params.kind() != "ADD_THINGS_TO_THING_GROUP")
        {
            return Err(ApiError::invalid(format!(
                "Mitigation action {} of type {} cannot be applied to violations",
                bad.name,
                bad.action_params.kind()
            )));
        }
        let mut executions = Vec::new();
        for (subject, violation) in violations(&state, &body, &target)? {
            for definition in &definitions {
                let mut execution = pending(id, subject, definition);
                execution.thing = Some(violation.thing.clone());
                executions.push(execution);
            }
        }
        let order =
            Order { id: id.to_owned(), token: body.client_request_token, request, definitions, executions };
        accept(&mut state, Kind::Detect, order, AT_ONCE, req.account.clock.now_ms())?
    };
    if taken {
        engine::spawn(&req.account, Kind::Detect, id);
    }
    Resp::json(json!({"taskId": id}))
}

fn status(task: &Task) -> &str {
    if task.status == "COMPLETED" { "SUCCESSFUL" } else { &task.status }
}

fn summary(desk: &Desk, id: &str, task: &Task) -> Value {
    let (mut executed, mut skipped, mut failed) = (0, 0, 0);
    for (_, execution) in desk.executions_of(id) {
        match execution.status.as_str() {
            "COMPLETED" => executed += 1,
            "SKIPPED" | "CANCELED" => skipped += 1,
            "FAILED" => failed += 1,
            _ => {}
        }
    }
    let mut out = json!({
        "taskId": id,
        "taskStatus": status(task),
        "taskStartTime": when::seconds(task.start_ms),
        "target": task.request["target"],
        "onlyActiveViolationsIncluded": task.request["onlyActiveViolationsIncluded"],
        "suppressedAlertsIncluded": task.request["suppressedAlertsIncluded"],
        "actionsDefinition": task.definitions,
        "taskStatistics": {"actionsExecuted": executed, "actionsSkipped": skipped, "actionsFailed": failed},
    });
    if let Some(end) = task.end_ms {
        out["taskEndTime"] = json!(when::seconds(end));
    }
    if !task.request["violationEventOccurrenceRange"].is_null() {
        out["violationEventOccurrenceRange"] = task.request["violationEventOccurrenceRange"].clone();
    }
    out
}

/// DescribeDetectMitigationActionsTask.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("taskId");
    let state = req.account.read();
    let desk = state.mitigation.desk(Kind::Detect);
    let task = desk.tasks.get(id).ok_or_else(|| missing_task(id))?;
    Resp::json(json!({"taskSummary": summary(desk, id, task)}))
}

/// CancelDetectMitigationActionsTask.
pub fn cancel(req: &Req) -> Result<Resp, ApiError> {
    let now = req.account.clock.now_ms();
    req.account.write().mitigation.desk_mut(Kind::Detect).cancel(req.path("taskId"), now)?;
    Resp::empty()
}

/// ListDetectMitigationActionsTasks, in the order of their start.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let range = when::query_range(req)?;
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let desk = state.mitigation.desk(Kind::Detect);
    let mut rows: Vec<(String, Value)> = desk
        .tasks
        .iter()
        .filter(|(_, t)| range.contains(&t.start_ms))
        .map(|(id, t)| (format!("{:016}{id}", t.start_ms), summary(desk, id, t)))
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let (tasks, next) = page.take(rows.into_iter());
    Resp::page("tasks", tasks, next)
}

fn execution(held: &Execution) -> Value {
    let status = match held.status.as_str() {
        "COMPLETED" => "SUCCESSFUL",
        "PENDING" => "IN_PROGRESS",
        "CANCELED" => "SKIPPED",
        other => other,
    };
    let mut out = json!({
        "taskId": held.task,
        "violationId": held.subject,
        "actionName": held.action,
        "thingName": held.thing,
        "status": status,
    });
    held.tell_end(&mut out, ["executionStartDate", "executionEndDate"]);
    out
}

/// ListDetectMitigationActionsExecutions: by task, violation, thing, time.
pub fn executions(req: &Req) -> Result<Resp, ApiError> {
    let (task, violation, thing) = (req.query("taskId"), req.query("violationId"), req.query("thingName"));
    let from = when::query_time(req, "startTime")?.unwrap_or(i64::MIN);
    let to = when::query_time(req, "endTime")?.unwrap_or(i64::MAX);
    let range = when::range(from, to)?;
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let rows = state
        .mitigation
        .desk(Kind::Detect)
        .executions
        .after(page.after.as_deref())
        .filter(|(_, e)| task.is_none_or(|t| t == e.task) && violation.is_none_or(|v| v == e.subject))
        .filter(|(_, e)| thing.is_none_or(|t| Some(t) == e.thing.as_deref()))
        // What has not begun yet is as new as can be.
        .filter(|(_, e)| range.contains(&e.start_ms.unwrap_or(*range.end())))
        .map(|(key, e)| (key, execution(e)));
    let (rows, next) = page.take(rows);
    Resp::page("actionsExecutions", rows, next)
}
