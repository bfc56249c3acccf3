//! Reads of AWS's mitigation actions and of the tasks that run them.

use crate::cloud::Aws;
use crate::response::aws::{not_found, trouble};
use crate::response::plan::Mitigation;
use crate::response::plan::facts::Facts;
use quell_fleet::Ms;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

/// The actions asked for, and the things the violations are about.
pub(super) async fn read(c: &Aws, wanted: &Mitigation, facts: &mut Facts, now: Ms) -> Result<(), Trouble> {
    for name in &wanted.actions {
        let kind = match c.iot.describe_mitigation_action().action_name(name).send().await {
            Ok(found) => Some(found.action_type().map_or("", |t| t.as_str()).to_owned()),
            Err(e) if not_found(&e) => None,
            Err(e) => return Err(trouble(&e, "iot:DescribeMitigationAction", now)),
        };
        facts.actions.push((name.clone(), kind));
    }
    let mut missing: Vec<&String> = wanted.violations.iter().collect();
    let mut pages = c.iot.list_active_violations().into_paginator().items().send();
    while let (Some(found), false) = (pages.next().await, wanted.violations.is_empty()) {
        let found = found.map_err(|e| trouble(&e, "iot:ListActiveViolations", now))?;
        if found.violation_id().is_some_and(|id| wanted.violations.iter().any(|v| v == id)) {
            facts.mitigated.extend(found.thing_name().map(Name::new));
            missing.retain(|id| found.violation_id() != Some(id.as_str()));
        }
    }
    facts.missing = missing.into_iter().map(|id| Name::new(id)).collect();
    // A finding is about a certificate or a policy: the findings themselves are the targets then.
    if !wanted.findings.is_empty() {
        facts.mitigated = wanted.findings.iter().map(|f| Name::new(f)).collect();
    }
    if facts.mitigated.is_empty() {
        facts.mitigated = wanted.violations.iter().map(|v| Name::new(v)).collect();
    }
    facts.mitigated.sort();
    facts.mitigated.dedup();
    Ok(())
}

/// The status of a task; `None` when there is no such task.
async fn status(c: &Aws, task: &str, audit: bool, now: Ms) -> Result<Option<String>, Trouble> {
    if audit {
        return match c.iot.describe_audit_mitigation_actions_task().task_id(task).send().await {
            Ok(found) => Ok(found.task_status().map(|s| s.as_str().to_owned())),
            Err(e) if not_found(&e) => Ok(None),
            Err(e) => Err(trouble(&e, "iot:DescribeAuditMitigationActionsTask", now)),
        };
    }
    match c.iot.describe_detect_mitigation_actions_task().task_id(task).send().await {
        Ok(found) => {
            let status = found.task_summary().and_then(|s| s.task_status());
            Ok(status.map(|s| s.as_str().to_owned()))
        }
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:DescribeDetectMitigationActionsTask", now)),
    }
}

/// Whether the task is there.
pub(super) async fn exists(c: &Aws, task: &str, audit: bool, now: Ms) -> Result<bool, Trouble> {
    Ok(status(c, task, audit, now).await?.is_some())
}

/// Whether the task ended well: SUCCESSFUL for Detect, COMPLETED for Audit (docs/aws-iot.md#2.5).
pub(in crate::response) async fn ended(c: &Aws, task: &str, audit: bool, now: Ms) -> Result<bool, Trouble> {
    let status = status(c, task, audit, now).await?;
    Ok(matches!(status.as_deref(), Some("SUCCESSFUL" | "COMPLETED")))
}
