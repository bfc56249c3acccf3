//! Tasks that apply mitigation actions to audit findings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Definition, Desk, Execution, Kind, Order, accept, engine, missing_task, pending};
use crate::account::State;
use crate::api::audit::{Finding, check_id, checks};
use crate::api::{ApiError, Req, Resp, validate, when};

/// Tasks in progress at the same time.
const AT_ONCE: usize = 10;
const STATUSES: [&str; 4] = ["IN_PROGRESS", "COMPLETED", "FAILED", "CANCELED"];

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_task_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding_ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_check_to_reason_code_filter: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    target: Option<Target>,
    audit_check_to_actions_mapping: Option<BTreeMap<String, Vec<String>>>,
    client_request_token: Option<String>,
}

/// Which types of actions AWS lets one apply to the findings of a check.
fn fits(check: &str, kind: &str) -> bool {
    kind == "PUBLISH_FINDING_TO_SNS"
        || match checks::find(check).map(|c| c.resource_type) {
            Some("DEVICE_CERTIFICATE") => {
                matches!(kind, "UPDATE_DEVICE_CERTIFICATE" | "ADD_THINGS_TO_THING_GROUP")
            }
            Some("CA_CERTIFICATE") => kind == "UPDATE_CA_CERTIFICATE",
            Some("IOT_POLICY") => kind == "REPLACE_DEFAULT_POLICY_VERSION",
            Some("ACCOUNT_SETTINGS") => kind == "ENABLE_IOT_LOGGING",
            _ => false,
        }
}

/// The actions of each check, all existing and fitting.
fn definitions(
    state: &State,
    mapping: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<String, Vec<Definition>>, ApiError> {
    let mut out = BTreeMap::new();
    for (check, names) in mapping {
        checks::require(check)?;
        let actions = state.mitigation.definitions(names)?;
        if let Some(bad) = actions.iter().find(|a| !fits(check, a.action_params.kind())) {
            return Err(ApiError::invalid(format!(
                "Mitigation action {} of type {} cannot be applied to findings of {check}",
                bad.name,
                bad.action_params.kind()
            )));
        }
        out.insert(check.clone(), actions);
    }
    if out.is_empty() {
        return Err(ApiError::invalid("auditCheckToActionsMapping must name at least one check"));
    }
    Ok(out)
}

/// The findings a target names, with their ids.
fn findings<'a>(state: &'a State, target: &Target) -> Result<Vec<(String, &'a Finding)>, ApiError> {
    let wanted = target.audit_check_to_reason_code_filter.as_ref();
    if let Some(bad) = wanted.and_then(|w| w.values().find(|codes| !(1..=25).contains(&codes.len()))) {
        return Err(ApiError::invalid(format!("1 to 25 reason codes must be given, not {}", bad.len())));
    }
    let passes = |f: &Finding| {
        wanted.is_none_or(|filter| filter.get(&f.check).is_some_and(|codes| codes.contains(&f.code)))
    };
    let all = || state.audit.findings().map(|(id, f)| (id.to_owned(), f));
    match (&target.finding_ids, &target.audit_task_id) {
        (Some(_), Some(_)) => Err(ApiError::invalid("auditTaskId and findingIds exclude each other")),
        (Some(ids), None) => {
            if !(1..=25).contains(&ids.len()) {
                return Err(ApiError::invalid("1 to 25 finding IDs must be given"));
            }
            let mut out = Vec::with_capacity(ids.len());
            for id in ids {
                let held = state
                    .audit
                    .finding(id)
                    .ok_or_else(|| ApiError::invalid(format!("Audit finding {id} cannot be found.")))?;
                if passes(held) {
                    out.push((id.clone(), held));
                }
            }
            Ok(out)
        }
        (None, Some(task)) => {
            if state.audit.task(task).is_none() {
                return Err(ApiError::invalid(format!("Audit task {task} cannot be found.")));
            }
            Ok(all().filter(|(_, f)| f.task == *task && passes(f)).collect())
        }
        (None, None) if wanted.is_some() => Ok(all().filter(|(_, f)| passes(f)).collect()),
        (None, None) => Err(ApiError::invalid(
            "The target must hold auditTaskId, findingIds or auditCheckToReasonCodeFilter",
        )),
    }
}

/// StartAuditMitigationActionsTask: suppressed findings, and those whose check has no action here, are left alone.
pub fn start(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("taskId");
    check_id("taskId", id, 128)?;
    let body: Start = req.json()?;
    let target = body.target.ok_or_else(|| when::missing("target"))?;
    let mapping =
        body.audit_check_to_actions_mapping.ok_or_else(|| when::missing("auditCheckToActionsMapping"))?;
    let request = json!({"target": target, "auditCheckToActionsMapping": mapping});
    let taken = {
        let mut state = req.account.write();
        let by_check = definitions(&state, &mapping)?;
        let mut executions = Vec::new();
        for (subject, finding) in findings(&state, &target)? {
            for definition in by_check.get(&finding.check).into_iter().flatten() {
                let mut execution = pending(id, &subject, definition);
                execution.check = Some(finding.check.clone());
                if finding.suppressed {
                    "SKIPPED".clone_into(&mut execution.status);
                    execution.message = Some("The finding is suppressed.".to_owned());
                }
                executions.push(execution);
            }
        }
        let mut definitions: Vec<Definition> = by_check.into_values().flatten().collect();
        definitions.sort_by(|a, b| a.name.cmp(&b.name));
        definitions.dedup_by(|a, b| a.name == b.name);
        let order =
            Order { id: id.to_owned(), token: body.client_request_token, request, definitions, executions };
        accept(&mut state, Kind::Audit, order, AT_ONCE, req.account.clock.now_ms())?
    };
    if taken {
        engine::spawn(&req.account, Kind::Audit, id);
    }
    Resp::json(json!({"taskId": id}))
}

/// Counts of findings for each check.
fn statistics(desk: &Desk, id: &str) -> Value {
    let mut findings: BTreeMap<(&str, &str), Vec<&Execution>> = BTreeMap::new();
    for (_, execution) in desk.executions_of(id) {
        let check = execution.check.as_deref().unwrap_or_default();
        findings.entry((check, execution.subject.as_str())).or_default().push(execution);
    }
    let mut out: BTreeMap<&str, [u64; 5]> = BTreeMap::new();
    for ((check, _), executions) in findings {
        let any = |status: &str| executions.iter().any(|e| e.status == status);
        let counts = out.entry(check).or_default();
        counts[0] += 1;
        let place = if executions.iter().any(|e| e.is_open()) {
            continue;
        } else if any("FAILED") {
            1
        } else if any("CANCELED") {
            4
        } else if any("COMPLETED") {
            2
        } else {
            3
        };
        counts[place] += 1;
    }
    let named = |[total, failed, succeeded, skipped, canceled]: [u64; 5]| {
        json!({"totalFindingsCount": total, "failedFindingsCount": failed, "succeededFindingsCount": succeeded,
            "skippedFindingsCount": skipped, "canceledFindingsCount": canceled})
    };
    out.into_iter().map(|(check, counts)| (check.to_owned(), named(counts))).collect::<Map<_, _>>().into()
}

/// DescribeAuditMitigationActionsTask.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("taskId");
    let state = req.account.read();
    let desk = state.mitigation.desk(Kind::Audit);
    let task = desk.tasks.get(id).ok_or_else(|| missing_task(id))?;
    let mut body = json!({
        "taskStatus": task.status,
        "startTime": when::seconds(task.start_ms),
        "taskStatistics": statistics(desk, id),
        "target": task.request["target"],
        "auditCheckToActionsMapping": task.request["auditCheckToActionsMapping"],
        "actionsDefinition": task.definitions,
    });
    if let Some(end) = task.end_ms {
        body["endTime"] = json!(when::seconds(end));
    }
    Resp::json(body)
}

/// CancelAuditMitigationActionsTask: what was done stays done.
pub fn cancel(req: &Req) -> Result<Resp, ApiError> {
    let now = req.account.clock.now_ms();
    req.account.write().mitigation.desk_mut(Kind::Audit).cancel(req.path("taskId"), now)?;
    Resp::empty()
}

/// ListAuditMitigationActionsTasks, in the order of their start.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let range = when::query_range(req)?;
    let (audit, finding, status) =
        (req.query("auditTaskId"), req.query("findingId"), req.query("taskStatus"));
    if let Some(status) = status {
        validate::one_of("taskStatus", status, &STATUSES)?;
    }
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let desk = state.mitigation.desk(Kind::Audit);
    let of_audit = |id: &str, audit: &str| {
        desk.executions_of(id).any(|(_, e)| state.audit.finding(&e.subject).is_some_and(|f| f.task == audit))
    };
    let mut rows: Vec<(String, Value)> = desk
        .tasks
        .iter()
        .filter(|(_, t)| range.contains(&t.start_ms) && status.is_none_or(|s| s == t.status))
        .filter(|(id, _)| finding.is_none_or(|f| desk.executions_of(id).any(|(_, e)| e.subject == f)))
        .filter(|(id, t)| audit.is_none_or(|a| t.request["target"]["auditTaskId"] == a || of_audit(id, a)))
        .map(|(id, t)| {
            let row = json!({"taskId": id, "startTime": when::seconds(t.start_ms), "taskStatus": t.status});
            (format!("{:016}{id}", t.start_ms), row)
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let (tasks, next) = page.take(rows.into_iter());
    Resp::page("tasks", tasks, next)
}

fn execution(held: &Execution) -> Value {
    let mut out = json!({
        "taskId": held.task,
        "findingId": held.subject,
        "actionName": held.action,
        "actionId": held.action_id,
        "status": held.status,
    });
    held.tell_end(&mut out, ["startTime", "endTime"]);
    out
}

/// ListAuditMitigationActionsExecutions: of one finding in one task.
pub fn executions(req: &Req) -> Result<Resp, ApiError> {
    let task = req.query("taskId").ok_or_else(|| when::missing("taskId"))?;
    let finding = req.query("findingId").ok_or_else(|| when::missing("findingId"))?;
    let status = req.query("actionStatus");
    if let Some(status) = status {
        let all = ["IN_PROGRESS", "COMPLETED", "FAILED", "CANCELED", "SKIPPED", "PENDING"];
        validate::one_of("actionStatus", status, &all)?;
    }
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let rows = state
        .mitigation
        .desk(Kind::Audit)
        .executions_of(task)
        .filter(|(_, e)| e.subject == finding && status.is_none_or(|s| s == e.status))
        .map(|(key, e)| (key, execution(e)));
    let (rows, next) = page.take(rows);
    Resp::page("actionsExecutions", rows, next)
}
