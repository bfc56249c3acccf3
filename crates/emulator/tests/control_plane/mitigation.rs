//! Mitigation over the real SDK: an audit finds, a task acts, and the account really is another one after it.

use std::time::Duration;

use aws_sdk_iot::operation::create_mitigation_action::builders::CreateMitigationActionFluentBuilder;
use aws_sdk_iot::primitives::DateTime;
use aws_sdk_iot::types::{
    AddThingsToThingGroupParams, AuditMitigationActionsTaskStatus, AuditMitigationActionsTaskTarget,
    CertificateStatus, DetectMitigationActionsTaskStatus, DetectMitigationActionsTaskTarget,
    DeviceCertificateUpdateAction, EnableIoTLoggingParams, LogLevel, MitigationActionParams,
    MitigationActionType, PolicyTemplateName, PublishFindingToSnsParams, ReplaceDefaultPolicyVersionParams,
    ResourceIdentifier, UpdateDeviceCertificateParams,
};
use quell_emulator::start::Options;
use tokio::time::Instant;

use crate::audit::{CLIENTS, LOGGING, POLICY, ROLE, SHARED};
use crate::live::device;
use crate::wire::signed;
use crate::{World, is, refusal};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn groups(names: &[&str]) -> MitigationActionParams {
    let names = names.iter().map(|n| (*n).to_owned()).collect();
    let params = AddThingsToThingGroupParams::builder().set_thing_group_names(Some(names)).build().unwrap();
    MitigationActionParams::builder().add_things_to_thing_group_params(params).build()
}

fn deactivate() -> MitigationActionParams {
    let params = UpdateDeviceCertificateParams::builder()
        .action(DeviceCertificateUpdateAction::Deactivate)
        .build()
        .unwrap();
    MitigationActionParams::builder().update_device_certificate_params(params).build()
}

impl World {
    fn new_action(&self, name: &str, params: MitigationActionParams) -> CreateMitigationActionFluentBuilder {
        self.iot.create_mitigation_action().action_name(name).role_arn(ROLE).action_params(params)
    }

    async fn action(&self, name: &str, params: MitigationActionParams) {
        self.new_action(name, params).send().await.unwrap();
    }

    /// Applies actions to the findings of one audit; the task's end.
    pub(crate) async fn mitigate(&self, task: &str, audit: &str, check: &str, actions: &[&str]) {
        let target = AuditMitigationActionsTaskTarget::builder().audit_task_id(audit).build();
        let actions = actions.iter().map(|a| (*a).to_owned()).collect();
        let start = self.iot.start_audit_mitigation_actions_task().task_id(task).target(target);
        start.audit_check_to_actions_mapping(check, actions).client_request_token(task).send().await.unwrap();
        let deadline = Instant::now() + LONG;
        loop {
            let held = self.iot.describe_audit_mitigation_actions_task().task_id(task).send().await.unwrap();
            if held.task_status != Some(AuditMitigationActionsTaskStatus::InProgress) {
                assert!(held.end_time.is_some());
                return;
            }
            assert!(Instant::now() < deadline, "the task ends");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn groups_of(&self, thing: &str) -> Vec<String> {
        let held = self.iot.list_thing_groups_for_thing().thing_name(thing).send().await.unwrap();
        held.thing_groups().iter().filter_map(|g| g.group_name().map(str::to_owned)).collect()
    }
}

#[tokio::test]
async fn the_workshops_shared_certificate_is_found_isolated_and_switched_off() {
    let options = Options { speed: 100.0, ..Options::on_free_ports() };
    let world = World::with(options).await;
    let deadline = Instant::now() + LONG;
    world.audits(&[SHARED]).await;
    let (audit, finding) = loop {
        let audit = world.audit(&[SHARED]).await;
        let found = world.findings(&audit).await;
        match found.into_iter().find(|f| f.related_resources().len() == 3) {
            Some(finding) => break (audit, finding),
            None => assert!(Instant::now() < deadline, "three devices connect with one certificate"),
        }
    };
    let id =
        finding.non_compliant_resource.unwrap().resource_identifier.unwrap().device_certificate_id.unwrap();
    world.action("Isolate", groups(&["IsolatedDevices"])).await;
    world.action("Deactivate", deactivate()).await;
    world.mitigate("m1", &audit, SHARED, &["Isolate", "Deactivate"]).await;
    for thing in ["Thing01", "Thing02", "Thing03"] {
        assert!(world.groups_of(thing).await.contains(&"IsolatedDevices".to_owned()), "{thing}");
    }
    assert!(!world.groups_of("dev-IZWB").await.contains(&"IsolatedDevices".to_owned()));
    let certificate = world.iot.describe_certificate().certificate_id(&id).send().await.unwrap();
    assert_eq!(certificate.certificate_description.unwrap().status, Some(CertificateStatus::Inactive));
    let held = world.iot.describe_audit_mitigation_actions_task().task_id("m1").send().await.unwrap();
    let statistics = &held.task_statistics.unwrap()[SHARED];
    assert_eq!((statistics.total_findings_count, statistics.succeeded_findings_count), (Some(1), Some(1)));
    assert_eq!(held.actions_definition.unwrap().len(), 2);
}

#[tokio::test]
async fn each_action_does_what_it_says() {
    let world = World::at_speed(300.0).await;
    let iot = &world.iot;
    let everything =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
    world.policy("AllowAll", everything).await;
    signed(&world, "sns", "POST", "/", "Action=CreateTopic&Name=Findings").await;
    let topic = "arn:aws:sns:us-east-1:123456789012:Findings";
    let subscribe = format!(
        "Action=Subscribe&TopicArn={topic}&Protocol=sqs&Endpoint=arn:aws:sqs:us-east-1:123456789012:q"
    );
    signed(&world, "sns", "POST", "/", &subscribe).await;
    let outbox = world.outbox();

    let blank = ReplaceDefaultPolicyVersionParams::builder()
        .template_name(PolicyTemplateName::BlankPolicy)
        .build()
        .unwrap();
    world
        .action(
            "Blank",
            MitigationActionParams::builder().replace_default_policy_version_params(blank).build(),
        )
        .await;
    let logging = EnableIoTLoggingParams::builder()
        .role_arn_for_logging(ROLE)
        .log_level(LogLevel::Warn)
        .build()
        .unwrap();
    world.action("Log", MitigationActionParams::builder().enable_io_t_logging_params(logging).build()).await;
    let publish = PublishFindingToSnsParams::builder().topic_arn(topic).build().unwrap();
    world
        .action("Tell", MitigationActionParams::builder().publish_finding_to_sns_params(publish).build())
        .await;
    world.action("Isolate", groups(&["IsolatedDevices"])).await;

    world.audits(&[POLICY, LOGGING]).await;
    let audit = world.audit(&[POLICY, LOGGING]).await;
    world.mitigate("policies", &audit, POLICY, &["Blank", "Tell"]).await;
    world.mitigate("logs", &audit, LOGGING, &["Log"]).await;
    let policy = iot.get_policy().policy_name("AllowAll").send().await.unwrap();
    assert_eq!(policy.default_version_id(), Some("2"));
    assert_eq!(policy.policy_document(), Some(r#"{"Version":"2012-10-17","Statement":[]}"#));
    let logs = iot.get_v2_logging_options().send().await.unwrap();
    assert_eq!(logs.default_log_level, Some(LogLevel::Warn));
    let told = std::fs::read_to_string(&outbox).unwrap();
    assert!(told.contains("ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS"), "{told}");
    // The version that was found is not in force any more: a second time there is nothing to do.
    world.mitigate("again", &audit, POLICY, &["Blank"]).await;
    let finding =
        world.findings(&audit).await.into_iter().find(|f| f.check_name.as_deref() == Some(POLICY)).unwrap();
    let finding = finding.finding_id.unwrap();
    let executions = iot.list_audit_mitigation_actions_executions().task_id("again").finding_id(&finding);
    let executions = executions.send().await.unwrap();
    assert_eq!(executions.actions_executions()[0].status.as_ref().unwrap().as_str(), "SKIPPED");
    assert_eq!(
        iot.get_policy().policy_name("AllowAll").send().await.unwrap().default_version_id(),
        Some("2")
    );

    let wrong = |check: &str, action: &str| {
        let target = AuditMitigationActionsTaskTarget::builder().audit_task_id(&audit).build();
        let start = iot.start_audit_mitigation_actions_task().task_id("wrong").target(target);
        start.audit_check_to_actions_mapping(check, vec![action.to_owned()]).send()
    };
    assert_eq!(refusal(wrong(POLICY, "Isolate").await), is(400, "InvalidRequestException"));
    assert_eq!(refusal(wrong(CLIENTS, "Blank").await), is(400, "InvalidRequestException"));
    assert_eq!(refusal(wrong(POLICY, "Nothing").await), is(400, "InvalidRequestException"));
    assert_eq!(refusal(wrong("NO_CHECK", "Tell").await), is(400, "InvalidRequestException"));
}

#[tokio::test]
async fn suppressed_findings_are_skipped_and_failures_are_told() {
    let world = World::at_speed(300.0).await;
    let iot = &world.iot;
    let (id, arn) = world.certificate(true).await;
    let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
    world.policy("AllowAll", all).await;
    iot.attach_policy().policy_name("AllowAll").target(&arn).send().await.unwrap();
    let port = world.listen(&id).await;
    assert!(device(port, "a").connected().await);
    assert!(device(port, "b").connected().await);
    world.action("Isolate", groups(&["IsolatedDevices"])).await;
    world.audits(&[SHARED]).await;
    let audit = world.audit(&[SHARED]).await;
    let finding = world.findings(&audit).await[0].finding_id.clone().unwrap();
    let executions = |task: &'static str| {
        let list = iot.list_audit_mitigation_actions_executions().task_id(task).finding_id(&finding);
        async move { list.send().await.unwrap().actions_executions().to_vec() }
    };
    // No thing is attached to the certificate.
    world.mitigate("nobody", &audit, SHARED, &["Isolate"]).await;
    let failed = executions("nobody").await;
    assert_eq!(failed[0].status.as_ref().unwrap().as_str(), "FAILED");
    assert_eq!(failed[0].error_code.as_deref(), Some("ResourceNotFoundException"));
    let task = iot.describe_audit_mitigation_actions_task().task_id("nobody").send().await.unwrap();
    assert_eq!(task.task_status, Some(AuditMitigationActionsTaskStatus::Failed));
    // Nor is there a group.
    world.thing("a").await;
    iot.attach_thing_principal().thing_name("a").principal(&arn).send().await.unwrap();
    world.mitigate("nowhere", &audit, SHARED, &["Isolate"]).await;
    assert!(executions("nowhere").await[0].message.as_deref().unwrap().contains("IsolatedDevices"));

    let resource = ResourceIdentifier::builder().device_certificate_arn(&arn).build();
    let suppress = iot.create_audit_suppression().check_name(SHARED).resource_identifier(resource);
    suppress.suppress_indefinitely(true).client_request_token("t").send().await.unwrap();
    let audit = world.audit(&[SHARED]).await;
    assert_eq!(world.findings(&audit).await[0].is_suppressed, Some(true));
    world.group("IsolatedDevices").await;
    world.mitigate("skipped", &audit, SHARED, &["Isolate"]).await;
    let task = iot.describe_audit_mitigation_actions_task().task_id("skipped").send().await.unwrap();
    assert_eq!(task.task_statistics.unwrap()[SHARED].skipped_findings_count, Some(1));
    assert!(world.groups_of("a").await.is_empty());
}

#[tokio::test]
async fn actions_are_kept_described_and_listed_by_type() {
    let world = World::start().await;
    let iot = &world.iot;
    world.action("Isolate", groups(&["IsolatedDevices"])).await;
    world.action("Deactivate", deactivate()).await;
    let again = world.new_action("Isolate", deactivate()).send().await;
    assert_eq!(refusal(again), is(409, "ResourceAlreadyExistsException"));
    for (name, params) in [
        ("none", MitigationActionParams::builder().build()),
        ("no groups", groups(&["g"])),
        ("empty", groups(&[])),
    ] {
        assert_eq!(
            refusal(world.new_action(name, params).send().await),
            is(400, "InvalidRequestException"),
            "{name}"
        );
    }
    let no_role =
        world.new_action("r", deactivate()).role_arn("arn:aws:sns:us-east-1:123456789012:x").send().await;
    assert_eq!(refusal(no_role), is(400, "InvalidRequestException"));
    let held = iot.describe_mitigation_action().action_name("Isolate").send().await.unwrap();
    assert_eq!(held.action_type, Some(MitigationActionType::AddThingsToThingGroup));
    assert_eq!(held.action_params, Some(groups(&["IsolatedDevices"])));
    let update = |params| iot.update_mitigation_action().action_name("Isolate").action_params(params).send();
    update(groups(&["Quarantine", "IsolatedDevices"])).await.unwrap();
    assert_eq!(refusal(update(deactivate()).await), is(400, "InvalidRequestException"));
    let held = iot.describe_mitigation_action().action_name("Isolate").send().await.unwrap();
    assert_eq!(held.action_params, Some(groups(&["Quarantine", "IsolatedDevices"])));
    assert!(held.last_modified_date >= held.creation_date);
    let pages = iot.list_mitigation_actions().max_results(1).into_paginator().items().send();
    let names: Vec<_> = pages
        .collect::<Result<Vec<_>, _>>()
        .await
        .unwrap()
        .into_iter()
        .map(|a| a.action_name.unwrap())
        .collect();
    assert_eq!(names, ["Deactivate", "Isolate"]);
    let one = iot.list_mitigation_actions().action_type(MitigationActionType::UpdateDeviceCertificate).send();
    assert_eq!(one.await.unwrap().action_identifiers().len(), 1);
    for _ in 0..2 {
        iot.delete_mitigation_action().action_name("Isolate").send().await.unwrap();
    }
    let gone = iot.describe_mitigation_action().action_name("Isolate").send().await;
    assert_eq!(refusal(gone), is(404, "ResourceNotFoundException"));
}

#[tokio::test]
async fn a_task_is_taken_once_and_can_be_canceled() {
    // An action takes 2 s: nothing ends by itself here.
    let world = World::start().await;
    let iot = &world.iot;
    world.audits(&[LOGGING]).await;
    let logging = EnableIoTLoggingParams::builder()
        .role_arn_for_logging(ROLE)
        .log_level(LogLevel::Warn)
        .build()
        .unwrap();
    world.action("Log", MitigationActionParams::builder().enable_io_t_logging_params(logging).build()).await;
    let audit = world.audit(&[LOGGING]).await;
    let finding = world.findings(&audit).await[0].finding_id.clone().unwrap();
    let start = |task: &str, token: &str| {
        let target = AuditMitigationActionsTaskTarget::builder().finding_ids(&finding).build();
        let start = iot.start_audit_mitigation_actions_task().task_id(task).target(target);
        start.audit_check_to_actions_mapping(LOGGING, vec!["Log".into()]).client_request_token(token).send()
    };
    start("t", "token").await.unwrap();
    start("t", "token").await.unwrap();
    assert_eq!(refusal(start("t", "other").await), is(400, "TaskAlreadyExistsException"));
    assert_eq!(refusal(start("u", "token").await), is(400, "TaskAlreadyExistsException"));
    let now = world.now_ms();
    let list = iot.list_audit_mitigation_actions_tasks();
    let list =
        list.start_time(DateTime::from_millis(now - 60_000)).end_time(DateTime::from_millis(now + 60_000));
    assert_eq!(list.clone().audit_task_id(&audit).send().await.unwrap().tasks().len(), 1);
    assert_eq!(list.clone().finding_id(&finding).send().await.unwrap().tasks().len(), 1);
    assert_eq!(list.finding_id("other").send().await.unwrap().tasks().len(), 0);
    let cancel = || iot.cancel_audit_mitigation_actions_task().task_id("t").send();
    cancel().await.unwrap();
    assert_eq!(refusal(cancel().await), is(400, "InvalidRequestException"));
    let task = iot.describe_audit_mitigation_actions_task().task_id("t").send().await.unwrap();
    assert_eq!(task.task_status, Some(AuditMitigationActionsTaskStatus::Canceled));
    assert_eq!(task.task_statistics.unwrap()[LOGGING].canceled_findings_count, Some(1));
    let never = iot.get_v2_logging_options().send().await;
    assert_eq!(refusal(never), is(404, "NotConfiguredException"));
    let unknown = iot.describe_audit_mitigation_actions_task().task_id("unknown").send().await;
    assert_eq!(refusal(unknown), is(404, "ResourceNotFoundException"));
}

#[tokio::test]
async fn a_violating_thing_is_put_into_its_group() {
    // The workshop's rogue device violates within seconds at this speed.
    let world = World::with(Options { speed: 200.0, ..Options::on_free_ports() }).await;
    let iot = &world.iot;
    world.action("Quarantine", groups(&["Quarantine"])).await;
    world.action("Deactivate", deactivate()).await;
    let deadline = Instant::now() + LONG;
    let violation = loop {
        let active = iot.list_active_violations().send().await.unwrap();
        match active.active_violations().first() {
            Some(violation) => break violation.clone(),
            None => assert!(Instant::now() < deadline, "the rogue device violates"),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    let (id, thing) = (violation.violation_id.unwrap(), violation.thing_name.unwrap());
    let start = |task: &str, action: &str, violation: &str| {
        let target = DetectMitigationActionsTaskTarget::builder().violation_ids(violation).build();
        let start = iot.start_detect_mitigation_actions_task().task_id(task).target(target);
        start.actions(action).client_request_token(task).send()
    };
    assert_eq!(refusal(start("t", "Deactivate", &id).await), is(400, "InvalidRequestException"));
    assert_eq!(refusal(start("t", "Nothing", &id).await), is(400, "InvalidRequestException"));
    assert_eq!(refusal(start("t", "Quarantine", "unknown").await), is(400, "InvalidRequestException"));
    start("t", "Quarantine", &id).await.unwrap();
    assert_eq!(refusal(start("t", "Deactivate", &id).await), is(400, "InvalidRequestException"));
    let summary = loop {
        let held = iot.describe_detect_mitigation_actions_task().task_id("t").send().await.unwrap();
        let summary = held.task_summary.unwrap();
        if summary.task_status == Some(DetectMitigationActionsTaskStatus::Successful) {
            break summary;
        }
        assert!(Instant::now() < deadline, "the task ends: {summary:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(summary.task_statistics.unwrap().actions_executed, Some(1));
    assert!(world.groups_of(&thing).await.contains(&"Quarantine".to_owned()));
    let executions = iot.list_detect_mitigation_actions_executions().thing_name(&thing).send().await.unwrap();
    let execution = &executions.actions_executions()[0];
    assert_eq!(execution.violation_id.as_deref(), Some(id.as_str()));
    assert_eq!(execution.status.as_ref().unwrap().as_str(), "SUCCESSFUL");
    let now = world.now_ms();
    let list = iot.list_detect_mitigation_actions_tasks();
    let list =
        list.start_time(DateTime::from_millis(now - 60_000)).end_time(DateTime::from_millis(now + 60_000));
    assert_eq!(list.send().await.unwrap().tasks().len(), 1);
    let done = iot.cancel_detect_mitigation_actions_task().task_id("t").send().await;
    assert_eq!(refusal(done), is(400, "InvalidRequestException"));
}
