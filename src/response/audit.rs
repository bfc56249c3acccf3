//! Device Defender Audit in the account: what is read before a change and for its proof, and the changing requests.

use aws_sdk_iot::types::{
    AddThingsToThingGroupParams, AuditCheckConfiguration, AuditFrequency, CaCertificateUpdateAction,
    DayOfWeek, DeviceCertificateUpdateAction, EnableIoTLoggingParams, LogLevel, MitigationActionParams,
    PolicyTemplateName, PublishFindingToSnsParams, ReplaceDefaultPolicyVersionParams,
    UpdateCaCertificateParams, UpdateDeviceCertificateParams,
};
use aws_smithy_types::DateTime;

use crate::cloud::{Aws, read_audit};
use quell_fleet::Ms;
use quell_fleet::audit::Schedule;
use quell_fleet::known::Trouble;
use quell_fleet::text::SafeText;

use super::aws::{not_found, request_id, trouble};
use super::execute::{Accepted, Failed, Sent};
use super::plan::audit::request::AuditRequest;
use super::plan::{ActionSpec, AuditChange, AuditFacts};

/// Everything a plan for `change` needs to know.
pub(in crate::response) async fn facts(
    c: &Aws,
    change: &AuditChange,
    now: Ms,
) -> Result<AuditFacts, Trouble> {
    let mut facts = AuditFacts { setup: read_audit::setup(c).await?, ..AuditFacts::default() };
    match change {
        AuditChange::Cancel { task } => {
            facts.task = read_audit::task(c, task.raw()).await?.map(|t| t.status.as_str().to_owned());
        }
        AuditChange::CreateAction { does: ActionSpec::Groups(groups), .. } => {
            for group in groups {
                match c.iot.describe_thing_group().thing_group_name(group).send().await {
                    Ok(_) => {}
                    Err(e) if not_found(&e) => facts.missing.push(group.clone()),
                    Err(e) => return Err(trouble(&e, "iot:DescribeThingGroup", now)),
                }
            }
        }
        AuditChange::DeleteAction { name } => facts.action = action(c, name.raw(), now).await?,
        _ => {}
    }
    Ok(facts)
}

/// A mitigation action as quell could make it again.
async fn action(c: &Aws, name: &str, now: Ms) -> Result<Option<(ActionSpec, String)>, Trouble> {
    let found = match c.iot.describe_mitigation_action().action_name(name).send().await {
        Ok(found) => found,
        Err(e) if not_found(&e) => return Ok(None),
        Err(e) => return Err(trouble(&e, "iot:DescribeMitigationAction", now)),
    };
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
pub(in crate::response) async fn shows(
    c: &Aws,
    request: &AuditRequest,
    now: Ms,
) -> Result<Option<bool>, Trouble> {
    Ok(match request {
        AuditRequest::Enable { checks, .. } => Some(enabled(c, checks, true, now).await?),
        AuditRequest::Disable { checks } => Some(enabled(c, checks, false, now).await?),
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
        AuditRequest::CreateAction { name, .. } => Some(action(c, name.raw(), now).await?.is_some()),
        AuditRequest::DeleteAction { name, .. } => Some(action(c, name.raw(), now).await?.is_none()),
    })
}

async fn enabled(c: &Aws, checks: &[String], on: bool, now: Ms) -> Result<bool, Trouble> {
    let held = c.iot.describe_account_audit_configuration().send().await;
    let held = held.map_err(|e| trouble(&e, "iot:DescribeAccountAuditConfiguration", now))?;
    let is = |name: &String| {
        let check = held.audit_check_configurations().and_then(|all| all.get(name));
        check.is_some_and(AuditCheckConfiguration::enabled)
    };
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

/// Sends one request of a granted plan.
pub(in crate::response) async fn send(c: &Aws, request: &AuditRequest, now: Ms) -> Result<Accepted, Failed> {
    let sent = Sent { action: request.operation(), now };
    match request {
        AuditRequest::Enable { checks, role } => {
            let mut call = c.iot.update_account_audit_configuration().set_role_arn(role.clone());
            for check in checks {
                let on = AuditCheckConfiguration::builder().enabled(true).build();
                call = call.audit_check_configurations(check, on);
            }
            sent.done(call.send().await)
        }
        AuditRequest::Disable { checks } => {
            let mut call = c.iot.update_account_audit_configuration();
            for check in checks {
                let off = AuditCheckConfiguration::builder().enabled(false).build();
                call = call.audit_check_configurations(check, off);
            }
            sent.done(call.send().await)
        }
        AuditRequest::Start { checks } => {
            let asked = c.iot.start_on_demand_audit_task().set_target_check_names(Some(checks.clone()));
            match asked.send().await {
                Ok(answer) => Ok(Accepted {
                    request_id: request_id(&answer),
                    remark: answer.task_id().map(|id| SafeText::new(&format!("audit {id}"))),
                    made: answer.task_id().map(str::to_owned),
                }),
                Err(e) => Err(sent.failed(&e)),
            }
        }
        AuditRequest::Cancel { task } => {
            sent.done(c.iot.cancel_audit_task().task_id(task.raw()).send().await)
        }
        AuditRequest::Suppress { check, resource, until, description, token } => {
            let text = Some(description.clone()).filter(|d| !d.is_empty());
            sent.done(
                c.iot
                    .create_audit_suppression()
                    .check_name(check.raw())
                    .resource_identifier(read_audit::sdk_identifier(resource))
                    .set_expiration_date(until.map(DateTime::from_millis))
                    .set_suppress_indefinitely(until.is_none().then_some(true))
                    .set_description(text)
                    .client_request_token(token)
                    .send()
                    .await,
            )
        }
        AuditRequest::Unsuppress { check, resource, .. } => sent.done(
            c.iot
                .delete_audit_suppression()
                .check_name(check.raw())
                .resource_identifier(read_audit::sdk_identifier(resource))
                .send()
                .await,
        ),
        AuditRequest::CreateSchedule(to) => sent.done(
            c.iot
                .create_scheduled_audit()
                .scheduled_audit_name(to.name.raw())
                .frequency(AuditFrequency::from(to.frequency.as_str()))
                .set_day_of_week(day_of_week(to))
                .set_day_of_month(day_of_month(to))
                .set_target_check_names(Some(to.checks.clone()))
                .send()
                .await,
        ),
        AuditRequest::UpdateSchedule { to, .. } => sent.done(
            c.iot
                .update_scheduled_audit()
                .scheduled_audit_name(to.name.raw())
                .frequency(AuditFrequency::from(to.frequency.as_str()))
                .set_day_of_week(day_of_week(to))
                .set_day_of_month(day_of_month(to))
                .set_target_check_names(Some(to.checks.clone()))
                .send()
                .await,
        ),
        AuditRequest::DeleteSchedule(was) => {
            sent.done(c.iot.delete_scheduled_audit().scheduled_audit_name(was.name.raw()).send().await)
        }
        AuditRequest::CreateAction { name, does, role } => {
            let params = params(does)?;
            sent.done(
                c.iot
                    .create_mitigation_action()
                    .action_name(name.raw())
                    .role_arn(role)
                    .action_params(params)
                    .send()
                    .await,
            )
        }
        AuditRequest::DeleteAction { name, .. } => {
            sent.done(c.iot.delete_mitigation_action().action_name(name.raw()).send().await)
        }
    }
}

fn day_of_week(schedule: &Schedule) -> Option<DayOfWeek> {
    let weekly = matches!(schedule.frequency.as_str(), "WEEKLY" | "BIWEEKLY");
    schedule.day.as_deref().filter(|_| weekly).map(DayOfWeek::from)
}

fn day_of_month(schedule: &Schedule) -> Option<String> {
    schedule.day.clone().filter(|_| schedule.frequency == "MONTHLY")
}

fn params(does: &ActionSpec) -> Result<MitigationActionParams, Failed> {
    let wrong = |e: aws_smithy_types::error::operation::BuildError| Failed::local(&e.to_string());
    let builder = MitigationActionParams::builder();
    let builder = match does {
        ActionSpec::Groups(groups) => builder.add_things_to_thing_group_params(
            AddThingsToThingGroupParams::builder()
                .set_thing_group_names(Some(groups.clone()))
                .build()
                .map_err(wrong)?,
        ),
        ActionSpec::Certificate => builder.update_device_certificate_params(
            UpdateDeviceCertificateParams::builder()
                .action(DeviceCertificateUpdateAction::Deactivate)
                .build()
                .map_err(wrong)?,
        ),
        ActionSpec::CaCertificate => builder.update_ca_certificate_params(
            UpdateCaCertificateParams::builder()
                .action(CaCertificateUpdateAction::Deactivate)
                .build()
                .map_err(wrong)?,
        ),
        ActionSpec::BlankPolicy => builder.replace_default_policy_version_params(
            ReplaceDefaultPolicyVersionParams::builder()
                .template_name(PolicyTemplateName::BlankPolicy)
                .build()
                .map_err(wrong)?,
        ),
        ActionSpec::Logging { role, level } => builder.enable_io_t_logging_params(
            EnableIoTLoggingParams::builder()
                .role_arn_for_logging(role)
                .log_level(LogLevel::from(level.as_str()))
                .build()
                .map_err(wrong)?,
        ),
        ActionSpec::Sns(topic) => builder.publish_finding_to_sns_params(
            PublishFindingToSnsParams::builder().topic_arn(topic).build().map_err(wrong)?,
        ),
    };
    Ok(builder.build())
}
