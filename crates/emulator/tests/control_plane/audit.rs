//! Audits over the real SDK: settings, tasks, what the checks find in the account as it is, suppressions, schedules.

use std::time::Duration;

use aws_sdk_iot::primitives::DateTime;
use aws_sdk_iot::types::{
    AuditCheckConfiguration, AuditFinding, AuditFrequency, AuditNotificationTarget, AuditNotificationType,
    AuditTaskStatus, DayOfWeek, LogLevel, LoggingOptionsPayload, ResourceIdentifier,
};
use tokio::time::Instant;

use crate::live::device;
use crate::wire::signed;
use crate::{World, is, refusal};

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/AuditRole";
pub(crate) const SHARED: &str = "DEVICE_CERTIFICATE_SHARED_CHECK";
pub(crate) const POLICY: &str = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK";
pub(crate) const LOGGING: &str = "LOGGING_DISABLED_CHECK";
pub(crate) const CLIENTS: &str = "CONFLICTING_CLIENT_IDS_CHECK";
const REVOKED: &str = "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK";
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

impl World {
    /// Audits are set up with these checks.
    pub(crate) async fn audits(&self, checks: &[&str]) {
        let mut update = self.iot.update_account_audit_configuration().role_arn(ROLE);
        for check in checks {
            let on = AuditCheckConfiguration::builder().enabled(true).build();
            update = update.audit_check_configurations(*check, on);
        }
        update.send().await.unwrap();
    }

    /// Runs an audit to its end; its id.
    pub(crate) async fn audit(&self, checks: &[&str]) -> String {
        let names = checks.iter().map(|c| (*c).to_owned()).collect();
        let started = self.iot.start_on_demand_audit_task().set_target_check_names(Some(names));
        let id = started.send().await.unwrap().task_id.unwrap();
        let deadline = Instant::now() + LONG;
        loop {
            let task = self.iot.describe_audit_task().task_id(&id).send().await.unwrap();
            if task.task_status != Some(AuditTaskStatus::InProgress) {
                return id;
            }
            assert!(Instant::now() < deadline, "the audit ends");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn findings(&self, task: &str) -> Vec<AuditFinding> {
        self.iot.list_audit_findings().task_id(task).send().await.unwrap().findings.unwrap_or_default()
    }
}

#[tokio::test]
async fn settings_come_first_and_disabled_checks_do_not_run() {
    let world = World::start().await;
    let iot = &world.iot;
    let none = iot.describe_account_audit_configuration().send().await.unwrap();
    assert_eq!(none.role_arn, None);
    let checks = none.audit_check_configurations.unwrap();
    assert_eq!(checks.len(), 17);
    assert!(checks.values().all(|c| !c.enabled));
    let on = || AuditCheckConfiguration::builder().enabled(true).build();
    let early = iot.update_account_audit_configuration().audit_check_configurations(SHARED, on());
    assert_eq!(refusal(early.send().await), is(400, "InvalidRequestException"));
    let start = |check: &str| iot.start_on_demand_audit_task().target_check_names(check).send();
    assert_eq!(refusal(start(SHARED).await), is(400, "InvalidRequestException"));
    world.audits(&[SHARED]).await;
    assert!(start(SHARED).await.is_ok());
    assert_eq!(refusal(start(LOGGING).await), is(400, "InvalidRequestException"));
    assert_eq!(refusal(start("NO_CHECK").await), is(400, "InvalidRequestException"));
    let age = |days: &str| {
        let configured = AuditCheckConfiguration::builder()
            .enabled(true)
            .configuration("CERT_AGE_THRESHOLD_IN_DAYS".into(), days)
            .build();
        iot.update_account_audit_configuration()
            .audit_check_configurations("DEVICE_CERTIFICATE_AGE_CHECK", configured)
    };
    assert_eq!(refusal(age("29").send().await), is(400, "InvalidRequestException"));
    age("30").send().await.unwrap();
    let held = iot.describe_account_audit_configuration().send().await.unwrap();
    assert_eq!(held.role_arn.as_deref(), Some(ROLE));
    let checks = held.audit_check_configurations.unwrap();
    assert!(
        checks["DEVICE_CERTIFICATE_AGE_CHECK"].enabled && checks[SHARED].enabled && !checks[LOGGING].enabled
    );
    iot.delete_account_audit_configuration().send().await.unwrap();
    assert_eq!(refusal(start(SHARED).await), is(400, "InvalidRequestException"));
    let again = iot.delete_account_audit_configuration().send().await;
    assert_eq!(refusal(again), is(404, "ResourceNotFoundException"));
}

#[tokio::test]
async fn a_certificate_two_clients_connect_with_is_found_and_a_takeover_too() {
    let world = World::at_speed(300.0).await;
    let (shared, shared_arn) = world.certificate(true).await;
    let (own, own_arn) = world.certificate(true).await;
    let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
    world.policy("AllowAll", all).await;
    for arn in [&shared_arn, &own_arn] {
        world.iot.attach_policy().policy_name("AllowAll").target(arn).send().await.unwrap();
    }
    let port = world.listen(&shared).await;
    let other = world.listen(&own).await;
    let mut first = device(port, "Thing01");
    assert!(first.connected().await);
    assert!(device(port, "Thing02").connected().await);
    assert!(device(other, "Thing03").connected().await);
    assert!(device(port, "Thing01").connected().await);
    first.ended().await;

    world.audits(&[SHARED, CLIENTS, REVOKED]).await;
    let task = world.audit(&[SHARED, CLIENTS, REVOKED]).await;
    let described = world.iot.describe_audit_task().task_id(&task).send().await.unwrap();
    assert_eq!(described.task_status, Some(AuditTaskStatus::Completed));
    let statistics = described.task_statistics.unwrap();
    assert_eq!(
        (statistics.total_checks, statistics.non_compliant_checks, statistics.failed_checks),
        (Some(3), Some(2), Some(1))
    );
    let details = described.audit_details.unwrap();
    assert_eq!(details[SHARED].total_resources_count, Some(2));
    assert_eq!(details[SHARED].non_compliant_resources_count, Some(1));
    assert_eq!(details[SHARED].check_compliant, Some(false));
    let failed = &details[REVOKED];
    assert_eq!(failed.check_run_status.as_ref().unwrap().as_str(), "FAILED");
    assert!(failed.message.as_deref().unwrap().contains("not read"), "it never says it complies");
    assert_eq!(failed.check_compliant, None);

    let findings = world.findings(&task).await;
    assert_eq!(findings.len(), 2);
    let finding = findings.iter().find(|f| f.check_name.as_deref() == Some(SHARED)).unwrap();
    assert_eq!(
        finding.reason_for_non_compliance_code.as_deref(),
        Some("CERTIFICATE_SHARED_BY_MULTIPLE_DEVICES")
    );
    assert_eq!(finding.severity.as_ref().unwrap().as_str(), "CRITICAL");
    let resource = finding.non_compliant_resource.as_ref().unwrap().resource_identifier.as_ref().unwrap();
    assert_eq!(resource.device_certificate_id.as_deref(), Some(shared.as_str()));
    let id = finding.finding_id.as_deref().unwrap();
    let related = world.iot.list_related_resources_for_audit_finding().finding_id(id).send().await.unwrap();
    let mut clients: Vec<String> = related
        .related_resources()
        .iter()
        .map(|r| r.resource_identifier.as_ref().unwrap().client_id.clone().unwrap())
        .collect();
    clients.sort();
    assert_eq!(clients, ["Thing01", "Thing02"]);
    let taken = findings.iter().find(|f| f.check_name.as_deref() == Some(CLIENTS)).unwrap();
    let resource = taken.non_compliant_resource.as_ref().unwrap().resource_identifier.as_ref().unwrap();
    assert_eq!(resource.client_id.as_deref(), Some("Thing01"));

    let one = world.iot.describe_audit_finding().finding_id(id).send().await.unwrap().finding.unwrap();
    assert_eq!(&one, finding);
    let missing = world.iot.describe_audit_finding().finding_id("nothing").send().await;
    assert_eq!(refusal(missing), is(404, "ResourceNotFoundException"));
    let missing = world.iot.list_related_resources_for_audit_finding().finding_id("nothing").send().await;
    assert_eq!(refusal(missing), is(404, "ResourceNotFoundException"));
}

#[tokio::test]
async fn policies_and_logging_are_judged_and_the_next_audit_sees_the_remedy() {
    let world = World::at_speed(300.0).await;
    let iot = &world.iot;
    let everything =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
    let narrow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:us-east-1:123456789012:topic/dt/${iot:ClientId}"}]}"#;
    world.policy("AllowAll", everything).await;
    world.policy("Narrow", narrow).await;
    world.audits(&[POLICY, LOGGING]).await;
    let findings = world.findings(&world.audit(&[POLICY, LOGGING]).await).await;
    let names: Vec<&str> =
        findings.iter().map(|f| f.reason_for_non_compliance_code.as_deref().unwrap()).collect();
    assert_eq!(names, ["ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS", "LOGGING_DISABLED"]);
    let version = findings[0].non_compliant_resource.clone().unwrap().resource_identifier.unwrap();
    let version = version.policy_version_identifier.unwrap();
    assert_eq!(
        (version.policy_name.as_deref(), version.policy_version_id.as_deref()),
        (Some("AllowAll"), Some("1"))
    );
    let again = iot.create_policy_version().policy_name("AllowAll").policy_document(narrow);
    again.set_as_default(true).send().await.unwrap();
    let never = iot.get_v2_logging_options().send().await;
    assert_eq!(refusal(never), is(404, "NotConfiguredException"));
    iot.set_v2_logging_options().role_arn(ROLE).default_log_level(LogLevel::Error).send().await.unwrap();
    let held = iot.get_v2_logging_options().send().await.unwrap();
    assert_eq!((held.role_arn.as_deref(), held.default_log_level), (Some(ROLE), Some(LogLevel::Error)));
    assert!(world.findings(&world.audit(&[POLICY, LOGGING]).await).await.is_empty());
    let payload =
        LoggingOptionsPayload::builder().role_arn(ROLE).log_level(LogLevel::Disabled).build().unwrap();
    iot.set_logging_options().logging_options_payload(payload).send().await.unwrap();
    assert_eq!(iot.get_logging_options().send().await.unwrap().log_level, Some(LogLevel::Disabled));
    iot.set_v2_logging_options().disable_all_logs(true).send().await.unwrap();
    assert_eq!(world.findings(&world.audit(&[LOGGING]).await).await.len(), 1);
}

#[tokio::test]
async fn suppressed_findings_do_not_count() {
    let world = World::at_speed(300.0).await;
    let iot = &world.iot;
    world.audits(&[LOGGING]).await;
    let resource = ResourceIdentifier::builder().account(crate::ACCOUNT).build();
    let create = |token: &str, check: &str| {
        iot.create_audit_suppression()
            .check_name(check)
            .resource_identifier(resource.clone())
            .suppress_indefinitely(true)
            .client_request_token(token)
            .send()
    };
    create("t1", LOGGING).await.unwrap();
    create("t1", LOGGING).await.unwrap();
    assert_eq!(refusal(create("t2", LOGGING).await), is(409, "ResourceAlreadyExistsException"));
    assert_eq!(refusal(create("t3", SHARED).await), is(400, "InvalidRequestException"));
    let both = iot.create_audit_suppression().check_name(CLIENTS).client_request_token("t4");
    let both = both.resource_identifier(ResourceIdentifier::builder().client_id("a").build());
    assert_eq!(refusal(both.clone().send().await), is(400, "InvalidRequestException"));
    let past = both.clone().expiration_date(DateTime::from_secs(1));
    assert_eq!(refusal(past.send().await), is(400, "InvalidRequestException"));
    let soon = DateTime::from_millis(world.now_ms() + 3_600_000);
    both.expiration_date(soon).description("known").send().await.unwrap();

    let task = world.audit(&[LOGGING]).await;
    let details = iot.describe_audit_task().task_id(&task).send().await.unwrap().audit_details.unwrap();
    assert_eq!(details[LOGGING].suppressed_non_compliant_resources_count, Some(1));
    assert_eq!(details[LOGGING].non_compliant_resources_count, Some(0));
    assert_eq!(details[LOGGING].check_compliant, Some(true));
    assert!(world.findings(&task).await[0].is_suppressed == Some(true));
    let list = |suppressed: bool| {
        iot.list_audit_findings().task_id(&task).list_suppressed_findings(suppressed).send()
    };
    assert_eq!(list(true).await.unwrap().findings().len(), 1);
    assert_eq!(list(false).await.unwrap().findings().len(), 0);

    let pages = iot.list_audit_suppressions().max_results(1).into_paginator().items().send();
    let rows: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
    let names: Vec<&str> = rows.iter().map(|s| s.check_name.as_str()).collect();
    assert_eq!(names, [CLIENTS, LOGGING], "soonest first");
    assert_eq!(rows[0].expiration_date.unwrap().secs(), soon.secs());
    let down = iot.list_audit_suppressions().ascending_order(false).send().await.unwrap();
    assert_eq!(down.suppressions()[0].check_name, LOGGING);
    let describe =
        || iot.describe_audit_suppression().check_name(LOGGING).resource_identifier(resource.clone()).send();
    assert_eq!(describe().await.unwrap().suppress_indefinitely, Some(true));
    let update = iot.update_audit_suppression().check_name(LOGGING).resource_identifier(resource.clone());
    update.expiration_date(soon).description("for now").send().await.unwrap();
    let described = describe().await.unwrap();
    assert_eq!((described.suppress_indefinitely, described.description.as_deref()), (None, Some("for now")));
    let delete =
        || iot.delete_audit_suppression().check_name(LOGGING).resource_identifier(resource.clone()).send();
    delete().await.unwrap();
    delete().await.unwrap();
    assert_eq!(refusal(describe().await), is(404, "ResourceNotFoundException"));
    assert_eq!(world.findings(&world.audit(&[LOGGING]).await).await[0].is_suppressed, Some(false));
}

#[tokio::test]
async fn tasks_are_listed_canceled_and_limited() {
    let world = World::start().await;
    let iot = &world.iot;
    world.audits(&[LOGGING, POLICY]).await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        let started = iot.start_on_demand_audit_task().target_check_names(LOGGING).send().await.unwrap();
        ids.push(started.task_id.unwrap());
    }
    let more = iot.start_on_demand_audit_task().target_check_names(LOGGING).send().await;
    assert_eq!(refusal(more), is(410, "LimitExceededException"));
    let cancel = |id: &str| iot.cancel_audit_task().task_id(id).send();
    cancel(&ids[0]).await.unwrap();
    assert_eq!(refusal(cancel(&ids[0]).await), is(400, "InvalidRequestException"));
    assert_eq!(refusal(cancel("unknown").await), is(404, "ResourceNotFoundException"));
    let task = iot.describe_audit_task().task_id(&ids[0]).send().await.unwrap();
    assert_eq!(task.task_status, Some(AuditTaskStatus::Canceled));
    assert_eq!(task.task_statistics.unwrap().canceled_checks, Some(1));
    let now = world.now_ms();
    let list = iot.list_audit_tasks();
    let list =
        list.start_time(DateTime::from_millis(now - 60_000)).end_time(DateTime::from_millis(now + 60_000));
    let all: Vec<_> =
        list.clone().max_results(3).into_paginator().items().send().collect::<Result<_, _>>().await.unwrap();
    let listed: Vec<&str> = all.iter().map(|t| t.task_id.as_deref().unwrap()).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(listed, sorted);
    let canceled = list.clone().task_status(AuditTaskStatus::Canceled).send().await.unwrap();
    assert_eq!(canceled.tasks().len(), 1);
    let backwards = list.start_time(DateTime::from_millis(now + 120_000)).send().await;
    assert_eq!(refusal(backwards), is(400, "InvalidRequestException"));
    let neither = iot.list_audit_findings().send().await;
    assert_eq!(refusal(neither), is(400, "InvalidRequestException"));
}

#[tokio::test]
async fn scheduled_audits_run_by_themselves_and_tell_a_topic() {
    // A day is 0.2 s here.
    let world = World::at_speed(400_000.0 / 10.0).await;
    let iot = &world.iot;
    let outbox = world.outbox();
    let topic = "arn:aws:sns:us-east-1:123456789012:Audits";
    let unknown =
        signed(&world, "sns", "POST", "/", &format!("Action=Publish&TopicArn={topic}&Message=x")).await;
    assert!(unknown.contains("<Code>NotFound</Code>"), "{unknown}");
    let made = signed(&world, "sns", "POST", "/", "Action=CreateTopic&Name=Audits").await;
    assert!(made.contains(topic), "{made}");
    let subscribe = format!(
        "Action=Subscribe&TopicArn={topic}&Protocol=sqs&Endpoint=arn:aws:sqs:us-east-1:123456789012:q"
    );
    signed(&world, "sns", "POST", "/", &subscribe).await;
    world.audits(&[LOGGING]).await;
    let target = AuditNotificationTarget::builder().enabled(true).target_arn(topic).role_arn(ROLE).build();
    let told = iot.update_account_audit_configuration();
    told.audit_notification_target_configurations(AuditNotificationType::Sns, target).send().await.unwrap();
    let create = |name: &str, frequency: AuditFrequency| {
        iot.create_scheduled_audit()
            .scheduled_audit_name(name)
            .frequency(frequency)
            .target_check_names(LOGGING)
    };
    assert_eq!(refusal(create("w", AuditFrequency::Weekly).send().await), is(400, "InvalidRequestException"));
    let made = create("daily", AuditFrequency::Daily).send().await.unwrap();
    assert!(made.scheduled_audit_arn.unwrap().ends_with(":scheduledaudit/daily"));
    assert_eq!(
        refusal(create("daily", AuditFrequency::Daily).send().await),
        is(409, "ResourceAlreadyExistsException")
    );
    let now = world.now_ms();
    let deadline = Instant::now() + LONG;
    loop {
        let listed = iot
            .list_audit_findings()
            .start_time(DateTime::from_millis(now))
            .end_time(DateTime::from_millis(now + 600_000))
            .send()
            .await
            .unwrap();
        if let Some(finding) = listed.findings().first() {
            let task = finding.task_id.as_deref().unwrap();
            let task = iot.describe_audit_task().task_id(task).send().await.unwrap();
            assert_eq!(task.scheduled_audit_name.as_deref(), Some("daily"));
            break;
        }
        assert!(Instant::now() < deadline, "it runs");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    loop {
        let text = std::fs::read_to_string(&outbox).unwrap_or_default();
        if text.contains("scheduledAuditName") {
            assert!(text.contains("COMPLETED_NON_COMPLIANT"), "{text}");
            break;
        }
        assert!(Instant::now() < deadline, "the topic hears of it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let off = AuditCheckConfiguration::builder().enabled(false).build();
    let off = iot.update_account_audit_configuration().audit_check_configurations(LOGGING, off);
    assert_eq!(refusal(off.send().await), is(400, "InvalidRequestException"));
    let update =
        iot.update_scheduled_audit().scheduled_audit_name("daily").frequency(AuditFrequency::Biweekly);
    update.day_of_week(DayOfWeek::Sun).send().await.unwrap();
    let held = iot.describe_scheduled_audit().scheduled_audit_name("daily").send().await.unwrap();
    assert_eq!((held.frequency, held.day_of_week), (Some(AuditFrequency::Biweekly), Some(DayOfWeek::Sun)));
    assert_eq!(held.target_check_names.unwrap(), [LOGGING]);
    for n in 0..4 {
        create(&format!("d{n}"), AuditFrequency::Daily).send().await.unwrap();
    }
    assert_eq!(refusal(create("d4", AuditFrequency::Daily).send().await), is(410, "LimitExceededException"));
    let pages = iot.list_scheduled_audits().max_results(2).into_paginator().items().send();
    assert_eq!(pages.collect::<Result<Vec<_>, _>>().await.unwrap().len(), 5);
    let gone = || iot.delete_scheduled_audit().scheduled_audit_name("d0").send();
    gone().await.unwrap();
    assert_eq!(refusal(gone().await), is(404, "ResourceNotFoundException"));
    let kept = iot.delete_account_audit_configuration().send().await;
    assert_eq!(refusal(kept), is(400, "InvalidRequestException"));
    iot.delete_account_audit_configuration().delete_scheduled_audits(true).send().await.unwrap();
    assert!(iot.list_scheduled_audits().send().await.unwrap().scheduled_audits().is_empty());
}
