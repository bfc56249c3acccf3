//! Sends requests. The only place in quell that changes an account; each function wants a [`Grant`] that covers the very
//! request it sends.

mod audit;
mod detect;
mod rule;

use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iot::operation::RequestId;
use aws_sdk_iot::types::{
    AbortAction, AbortConfig, AbortCriteria, AuditMitigationActionsTaskTarget,
    DetectMitigationActionsTaskTarget, JobExecutionFailureType, JobExecutionsRolloutConfig, TargetSelection,
    TimeoutConfig,
};
use aws_sdk_iotdataplane::config::retry::RetryConfig;
use aws_sdk_iotdataplane::primitives::Blob;
use aws_smithy_runtime_api::http::Response;

use crate::cloud::Aws;
use quell_fleet::Ms;
use quell_fleet::known::Trouble;
use quell_fleet::text::SafeText;

use super::aws::{not_found, request_id, trouble};
use super::gate::Grant;
use super::plan::JobAbort;
use super::plan::request::{ASKED_ON, CertificateStatus, Request, flag_payload};
use super::read;

/// A request that AWS accepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::response) struct Accepted {
    /// AWS's request id.
    pub(in crate::response) request_id: Option<String>,
    /// Something the operator should know about it.
    pub(in crate::response) remark: Option<SafeText>,
    /// The id AWS gave to what was made, where the proof needs it.
    pub(in crate::response) made: Option<String>,
    /// What a client answered that was asked.
    pub(in crate::response) reply: Option<Reply>,
}

/// What became of a direct message to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::response) enum Reply {
    /// The client acknowledged it: it is there.
    Confirmed,
    /// It is connected, and did not acknowledge it in time.
    Unconfirmed,
    /// It is not connected.
    Absent,
}

/// Seconds in which a client has to acknowledge a direct message; AWS takes 1 to 15.
const CONFIRM: i32 = 3;

/// Why a request was not accepted.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::response) struct Failed {
    pub(in crate::response) reason: SafeText,
    pub(in crate::response) request_id: Option<String>,
    /// True when it is certain that AWS did nothing; false when an answer is missing.
    pub(in crate::response) certain: bool,
}

impl Failed {
    /// True when AWS would not cut the connection: the policy and the certificate do their work without it, only later.
    pub(in crate::response) fn only_uncut(&self, request: &Request) -> bool {
        self.certain && matches!(request, Request::Cut { .. })
    }

    pub(in crate::response) fn local(reason: &str) -> Self {
        Self { reason: SafeText::new(reason), request_id: None, certain: true }
    }
}

pub(in crate::response) fn failed(trouble: Trouble, request_id: Option<String>) -> Failed {
    let certain = trouble.kind != quell_fleet::known::TroubleKind::Unreachable;
    Failed { reason: trouble.message, request_id, certain }
}

/// What was sent, and when: what an answer is told with.
#[derive(Clone, Copy)]
pub(in crate::response) struct Sent<'a> {
    /// The IAM action (`iot:UpdateCertificate`).
    pub(in crate::response) action: &'a str,
    pub(in crate::response) now: Ms,
}

impl Sent<'_> {
    /// The request id of the answer or of the failure, and the failure as a sentence.
    pub(in crate::response) fn done<T, E>(
        self,
        answer: Result<T, SdkError<E, Response>>,
    ) -> Result<Accepted, Failed>
    where
        T: RequestId,
        E: ProvideErrorMetadata + std::error::Error + 'static,
        SdkError<E, Response>: RequestId,
    {
        match answer {
            Ok(answer) => Ok(Accepted { request_id: request_id(&answer), ..Accepted::default() }),
            Err(e) => Err(self.failed(&e)),
        }
    }

    /// Why it was not accepted.
    pub(in crate::response) fn failed<E>(self, error: &SdkError<E, Response>) -> Failed
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        SdkError<E, Response>: RequestId,
    {
        failed(trouble(error, self.action, self.now), request_id(error))
    }
}

/// Sends one request of a granted plan.
pub(in crate::response) async fn send(
    c: &Aws,
    grant: &Grant,
    request: &Request,
    now: Ms,
) -> Result<Accepted, Failed> {
    if !grant.covers(request) {
        return Err(Failed::local("not part of the confirmed plan: not sent"));
    }
    let sent = Sent { action: request.operation(), now };
    let door = c.changes(grant);
    match request {
        Request::AddToGroup { thing, group } => sent.done(
            door.iot()
                .add_thing_to_thing_group()
                .thing_name(thing.raw())
                .thing_group_name(group.raw())
                .send()
                .await,
        ),
        Request::RemoveFromGroup { thing, group } => sent.done(
            door.iot()
                .remove_thing_from_thing_group()
                .thing_name(thing.raw())
                .thing_group_name(group.raw())
                .send()
                .await,
        ),
        Request::Flag { thing, to, .. } => {
            let payload = Blob::new(flag_payload(to.as_ref()));
            sent.done(door.data().update_thing_shadow().thing_name(thing.raw()).payload(payload).send().await)
        }
        Request::Certificate { id, arn, status, things, .. } => {
            // The blast radius may have grown since the plan was shown.
            let served = read::things_of(c, arn).await.map_err(|t| failed(t, None))?;
            if served.iter().any(|t| !things.contains(t)) {
                return Err(Failed::local(
                    "the certificate serves other things than the plan showed: not sent, plan again",
                ));
            }
            let status = match status {
                CertificateStatus::Active => aws_sdk_iot::types::CertificateStatus::Active,
                CertificateStatus::Inactive => aws_sdk_iot::types::CertificateStatus::Inactive,
                CertificateStatus::Revoked => aws_sdk_iot::types::CertificateStatus::Revoked,
            };
            sent.done(door.iot().update_certificate().certificate_id(id).new_status(status).send().await)
        }
        Request::Cut { client } => {
            let asked = door
                .data()
                .delete_connection()
                .client_id(client.raw())
                .clean_session(true)
                .prevent_will_message(true)
                .send()
                .await;
            match asked {
                Ok(answer) => Ok(Accepted { request_id: request_id(&answer), ..Accepted::default() }),
                // What is to be cut is not there: that is what was wanted.
                Err(e) if not_found(&e) => Ok(Accepted {
                    request_id: request_id(&e),
                    remark: Some(SafeText::new("was not connected")),
                    ..Accepted::default()
                }),
                Err(e) => Err(sent.failed(&e)),
            }
        }
        Request::ClearRetained { topic } => sent
            .done(door.data().publish().topic(topic).qos(1).retain(true).payload(Blob::new("")).send().await),
        Request::Ask { client } => {
            let message = door
                .data()
                .send_direct_message()
                .client_id(client.raw())
                .topic(ASKED_ON)
                .confirmation(true)
                .timeout(CONFIRM);
            // Sent again it would be another message; a client that did not answer has answered.
            let once = aws_sdk_iotdataplane::config::Builder::new().retry_config(RetryConfig::disabled());
            let (reply, said, id) = match message.customize().config_override(once).send().await {
                Ok(answer) => (Reply::Confirmed, "confirmed by the client", request_id(&answer)),
                Err(e) if not_found(&e) => (Reply::Absent, "was not connected", request_id(&e)),
                Err(e) if e.code() == Some("GatewayTimeoutException") => {
                    (Reply::Unconfirmed, "not confirmed in time", request_id(&e))
                }
                Err(e) => return Err(sent.failed(&e)),
            };
            let remark = Some(SafeText::new(said));
            Ok(Accepted { request_id: id, remark, reply: Some(reply), ..Accepted::default() })
        }
        Request::CreateJob { id, targets, document, continuous, description, options } => {
            let selection = if *continuous { TargetSelection::Continuous } else { TargetSelection::Snapshot };
            let inline = options.source.is_none() && options.template.is_none();
            let rollout = options
                .per_minute
                .map(|n| JobExecutionsRolloutConfig::builder().maximum_per_minute(n).build());
            let timeout = options
                .timeout_minutes
                .map(|n| TimeoutConfig::builder().in_progress_timeout_in_minutes(n).build());
            let abort = options.abort.as_ref().map(abort).transpose()?;
            sent.done(
                door.iot()
                    .create_job()
                    .job_id(id)
                    .set_targets(Some(targets.clone()))
                    .set_document(inline.then(|| document.clone()))
                    .set_document_source(options.source.clone())
                    .set_job_template_arn(options.template.clone())
                    .target_selection(selection)
                    .set_description(description.clone())
                    .set_job_executions_rollout_config(rollout)
                    .set_abort_config(abort)
                    .set_timeout_config(timeout)
                    .send()
                    .await,
            )
        }
        Request::CreateGroup { group } => {
            sent.done(door.iot().create_thing_group().thing_group_name(group.raw()).send().await)
        }
        Request::DeleteGroup { group } => {
            sent.done(door.iot().delete_thing_group().thing_group_name(group.raw()).send().await)
        }
        Request::CreatePolicy { policy, document } => sent.done(
            door.iot().create_policy().policy_name(policy.raw()).policy_document(document).send().await,
        ),
        Request::DeletePolicy { policy } => {
            sent.done(door.iot().delete_policy().policy_name(policy.raw()).send().await)
        }
        Request::AttachPolicy { policy, target } => {
            sent.done(door.iot().attach_policy().policy_name(policy.raw()).target(target).send().await)
        }
        Request::DetachPolicy { policy, target } => {
            sent.done(door.iot().detach_policy().policy_name(policy.raw()).target(target).send().await)
        }
        Request::Rule(request) => Box::pin(rule::send(c, door, request, now)).await,
        Request::Audit(request) => Box::pin(audit::send(door, request, now)).await,
        Request::Detect(request) => Box::pin(detect::send(c, door, request, now)).await,
        Request::Mitigate { task, violations, actions } => {
            let target = DetectMitigationActionsTaskTarget::builder()
                .set_violation_ids(Some(violations.clone()))
                .build();
            sent.done(
                door.iot()
                    .start_detect_mitigation_actions_task()
                    .task_id(task)
                    .target(target)
                    .set_actions(Some(actions.clone()))
                    // The task's own id: sent twice, it is one task.
                    .client_request_token(task)
                    .send()
                    .await,
            )
        }
        Request::MitigateFindings { task, findings, check, actions } => {
            let target =
                AuditMitigationActionsTaskTarget::builder().set_finding_ids(Some(findings.clone())).build();
            sent.done(
                door.iot()
                    .start_audit_mitigation_actions_task()
                    .task_id(task)
                    .target(target)
                    .audit_check_to_actions_mapping(check, actions.clone())
                    .client_request_token(task)
                    .send()
                    .await,
            )
        }
        Request::CancelJob { job, force } => sent.done(
            door.iot()
                .cancel_job()
                .job_id(job.raw())
                .force(*force)
                .comment("canceled with quell")
                .send()
                .await,
        ),
    }
}

fn abort(wanted: &JobAbort) -> Result<AbortConfig, Failed> {
    let built = AbortCriteria::builder()
        .failure_type(JobExecutionFailureType::from(wanted.failure.as_str()))
        .action(AbortAction::Cancel)
        .threshold_percentage(wanted.percent)
        .min_number_of_executed_things(wanted.after)
        .build()
        .and_then(|criteria| AbortConfig::builder().criteria_list(criteria).build());
    built.map_err(|e| Failed::local(&e.to_string()))
}
