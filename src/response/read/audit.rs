//! Device Defender Audit in the account: what is read before a change and for its proof.

use crate::cloud::{Aws, read, read_audit};
use crate::response::plan::audit::request::AuditRequest;
use crate::response::plan::{ActionSpec, AuditChange, AuditFacts};
use quell_fleet::known::Trouble;
use quell_fleet::text::SafeText;

/// Everything a plan for `change` needs to know.
pub(in crate::response) async fn facts(c: &Aws, change: &AuditChange) -> Result<AuditFacts, Trouble> {
    let mut facts = AuditFacts { setup: read_audit::setup(c).await?, ..AuditFacts::default() };
    match change {
        AuditChange::Cancel { task } => {
            facts.task = read_audit::task(c, task.raw()).await?.map(|t| t.status.as_str().to_owned());
        }
        AuditChange::CreateAction { does: ActionSpec::Groups(groups), .. } => {
            for group in groups {
                if read::describe_thing_group(c, group).await?.is_none() {
                    facts.missing.push(group.clone());
                }
            }
        }
        AuditChange::DeleteAction { name } => facts.action = action(c, name.raw()).await?,
        _ => {}
    }
    Ok(facts)
}

/// A mitigation action as quell could make it again.
async fn action(c: &Aws, name: &str) -> Result<Option<(ActionSpec, String)>, Trouble> {
    let Some(found) = read_audit::action(c, name).await? else { return Ok(None) };
    let Some(params) = found.action_params() else { return Ok(None) };
    let spec = if let Some(p) = params.add_things_to_thing_group_params() {
        // Made again it would leave dynamic groups alone: only what is the same is promised.
        (p.override_dynamic_groups() != Some(true))
            .then(|| ActionSpec::Groups(p.thing_group_names().to_vec()))
    } else if params.update_device_certificate_params().is_some() {
        Some(ActionSpec::Certificate)
    } else if params.update_ca_certificate_params().is_some() {
        Some(ActionSpec::CaCertificate)
    } else if params.replace_default_policy_version_params().is_some() {
        Some(ActionSpec::BlankPolicy)
    } else if let Some(p) = params.enable_io_t_logging_params() {
        Some(ActionSpec::Logging {
            role: p.role_arn_for_logging().to_owned(),
            level: p.log_level().as_str().to_owned(),
        })
    } else {
        params.publish_finding_to_sns_params().map(|p| ActionSpec::Sns(p.topic_arn().to_owned()))
    };
    Ok(spec.zip(found.role_arn().map(str::to_owned)))
}

/// Whether the account shows a request as done; `None` where the account cannot tell.
pub(in crate::response) async fn shows(c: &Aws, request: &AuditRequest) -> Result<Option<bool>, Trouble> {
    Ok(match request {
        AuditRequest::Enable { checks, .. } => Some(enabled(c, checks, true).await?),
        AuditRequest::Disable { checks } => Some(enabled(c, checks, false).await?),
        AuditRequest::Start { .. } => None,
        AuditRequest::Cancel { task } => {
            Some(read_audit::task(c, task.raw()).await?.is_none_or(|t| t.status.as_str() != "IN_PROGRESS"))
        }
        AuditRequest::Suppress { check, resource, .. } => {
            let setup = read_audit::setup(c).await?;
            Some(setup.suppressions.iter().any(|s| s.check == *check && s.resource == *resource))
        }
        AuditRequest::Unsuppress { check, resource, .. } => {
            let setup = read_audit::setup(c).await?;
            Some(!setup.suppressions.iter().any(|s| s.check == *check && s.resource == *resource))
        }
        AuditRequest::CreateSchedule(to) | AuditRequest::UpdateSchedule { to, .. } => {
            Some(read_audit::schedule(c, to.name.raw()).await?.as_ref() == Some(to))
        }
        AuditRequest::DeleteSchedule(was) => Some(read_audit::schedule(c, was.name.raw()).await?.is_none()),
        AuditRequest::CreateAction { name, .. } => Some(action(c, name.raw()).await?.is_some()),
        AuditRequest::DeleteAction { name, .. } => Some(action(c, name.raw()).await?.is_none()),
    })
}

async fn enabled(c: &Aws, checks: &[String], on: bool) -> Result<bool, Trouble> {
    let (_, held) = read_audit::configuration(c).await?;
    let is = |name: &String| held.iter().any(|(check, enabled)| check.raw() == name && *enabled);
    Ok(checks.iter().all(|name| is(name) == on))
}

/// How far an audit is: whether it ended well or badly, and in words.
pub(in crate::response) async fn progress(c: &Aws, task: &str) -> Result<(Option<bool>, SafeText), Trouble> {
    let Some(found) = read_audit::task(c, task).await? else {
        return Ok((None, SafeText::new("AWS does not know the audit yet")));
    };
    let ended = match found.status.as_str() {
        "COMPLETED" => Some(true),
        "FAILED" | "CANCELED" => Some(false),
        _ => None,
    };
    const WIDTH: u32 = 20;
    let full = (found.ended * WIDTH).checked_div(found.total).unwrap_or(0).min(WIDTH);
    let bar = "#".repeat(full as usize) + &"-".repeat((WIDTH - full) as usize);
    let mut words = format!("[{bar}] {} of {} checks", found.ended, found.total);
    if ended.is_some() {
        words = format!("{}: {} found something", found.status, found.non_compliant);
        if found.failed > 0 {
            words.push_str(&format!(", {} could not be done", found.failed));
        }
    }
    Ok((ended, SafeText::new(&words)))
}

/// How far a mitigation task on findings is: whether it dealt with all of them, and in words.
pub(in crate::response) async fn mitigated(c: &Aws, task: &str) -> Result<(Option<bool>, SafeText), Trouble> {
    let Some(found) = read_audit::mitigation(c, task).await? else {
        return Ok((None, SafeText::new("AWS does not know the task yet")));
    };
    let words = format!(
        "{}: of {} findings {} dealt with, {} failed, {} skipped",
        found.status, found.total, found.succeeded, found.failed, found.skipped
    );
    let ended = match found.status.as_str() {
        "COMPLETED" => Some(found.failed == 0),
        "FAILED" | "CANCELED" => Some(false),
        _ => None,
    };
    Ok((ended, SafeText::new(&words)))
}
