//! The changing requests of Device Defender Audit.

use aws_sdk_iot::types::{
    AddThingsToThingGroupParams, AuditCheckConfiguration, AuditFrequency, CaCertificateUpdateAction,
    DayOfWeek, DeviceCertificateUpdateAction, EnableIoTLoggingParams, LogLevel, MitigationActionParams,
    PolicyTemplateName, PublishFindingToSnsParams, ReplaceDefaultPolicyVersionParams,
    UpdateCaCertificateParams, UpdateDeviceCertificateParams,
};
use aws_smithy_types::DateTime;

use crate::cloud::{Changes, read_audit};
use crate::response::aws::request_id;
use crate::response::plan::ActionSpec;
use crate::response::plan::audit::request::AuditRequest;
use quell_fleet::Ms;
use quell_fleet::audit::Schedule;
use quell_fleet::text::SafeText;

use super::{Accepted, Failed, Sent};

/// Sends one request of a granted plan.
pub(in crate::response) async fn send(
    door: Changes<'_>,
    request: &AuditRequest,
    now: Ms,
) -> Result<Accepted, Failed> {
    let sent = Sent { action: request.operation(), now };
    match request {
        AuditRequest::Enable { checks, role } => {
            let mut call = door.iot().update_account_audit_configuration().set_role_arn(role.clone());
            for check in checks {
                let on = AuditCheckConfiguration::builder().enabled(true).build();
                call = call.audit_check_configurations(check, on);
            }
            sent.done(call.send().await)
        }
        AuditRequest::Disable { checks } => {
            let mut call = door.iot().update_account_audit_configuration();
            for check in checks {
                let off = AuditCheckConfiguration::builder().enabled(false).build();
                call = call.audit_check_configurations(check, off);
            }
            sent.done(call.send().await)
        }
        AuditRequest::Start { checks } => {
            let asked = door.iot().start_on_demand_audit_task().set_target_check_names(Some(checks.clone()));
            match asked.send().await {
                Ok(answer) => Ok(Accepted {
                    request_id: request_id(&answer),
                    remark: answer.task_id().map(|id| SafeText::new(&format!("audit {id}"))),
                    made: answer.task_id().map(str::to_owned),
                    ..Accepted::default()
                }),
                Err(e) => Err(sent.failed(&e)),
            }
        }
        AuditRequest::Cancel { task } => {
            sent.done(door.iot().cancel_audit_task().task_id(task.raw()).send().await)
        }
        AuditRequest::Suppress { check, resource, until, description, token } => {
            let text = Some(description.clone()).filter(|d| !d.is_empty());
            sent.done(
                door.iot()
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
            door.iot()
                .delete_audit_suppression()
                .check_name(check.raw())
                .resource_identifier(read_audit::sdk_identifier(resource))
                .send()
                .await,
        ),
        AuditRequest::CreateSchedule(to) => sent.done(
            door.iot()
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
            door.iot()
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
            sent.done(door.iot().delete_scheduled_audit().scheduled_audit_name(was.name.raw()).send().await)
        }
        AuditRequest::CreateAction { name, does, role } => {
            let params = params(does)?;
            sent.done(
                door.iot()
                    .create_mitigation_action()
                    .action_name(name.raw())
                    .role_arn(role)
                    .action_params(params)
                    .send()
                    .await,
            )
        }
        AuditRequest::DeleteAction { name, .. } => {
            sent.done(door.iot().delete_mitigation_action().action_name(name.raw()).send().await)
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
