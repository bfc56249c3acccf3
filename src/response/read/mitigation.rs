//! Reads of AWS's mitigation actions and of the tasks that run them.

use crate::cloud::{Aws, read, read_audit, read_detect};
use crate::response::plan::Mitigation;
use crate::response::plan::facts::Facts;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

/// The actions asked for, and the things the violations are about.
pub(super) async fn facts(c: &Aws, wanted: &Mitigation, facts: &mut Facts) -> Result<(), Trouble> {
    for name in &wanted.actions {
        let found = read_audit::action(c, name).await?;
        let kind = found.map(|found| found.action_type().map_or("", |t| t.as_str()).to_owned());
        facts.actions.push((name.clone(), kind));
    }
    let mut missing: Vec<&String> = wanted.violations.iter().collect();
    let active =
        if wanted.violations.is_empty() { Vec::new() } else { read::active_violations(c, None).await? };
    for found in active.into_iter().filter(|found| wanted.violations.contains(&found.id)) {
        missing.retain(|id| **id != found.id);
        facts.mitigated.push(found.thing);
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
async fn status(c: &Aws, task: &str, audit: bool) -> Result<Option<String>, Trouble> {
    if audit {
        return Ok(read_audit::mitigation(c, task).await?.map(|task| task.status.to_string()));
    }
    read_detect::mitigation_status(c, task).await
}

/// Whether the task is there.
pub(super) async fn exists(c: &Aws, task: &str, audit: bool) -> Result<bool, Trouble> {
    Ok(status(c, task, audit).await?.is_some())
}

/// Whether the task ended well: SUCCESSFUL for Detect, COMPLETED for Audit (docs/aws-iot.md#2.5).
pub(in crate::response) async fn ended(c: &Aws, task: &str, audit: bool) -> Result<bool, Trouble> {
    let status = status(c, task, audit).await?;
    Ok(matches!(status.as_deref(), Some("SUCCESSFUL" | "COMPLETED")))
}
