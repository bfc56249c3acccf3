//! Reads of Device Defender Audit: findings, settings, suppressions, mitigation actions, audits and how far they are.

use std::collections::BTreeMap;

use aws_sdk_iot::operation::describe_mitigation_action::DescribeMitigationActionOutput;
use aws_sdk_iot::types as sdk;

use quell_fleet::Ms;
use quell_fleet::account::FindingRecord;
use quell_fleet::audit::{
    AuditSetup, AuditTask, AuditTasks, MitigationAction, MitigationTask, Resource, Schedule, Suppression,
};
use quell_fleet::known::TroubleKind;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::call::{Read, failed, one, pages};
use super::read_account::safe;
use super::{Aws, convert, now_ms, trouble};

/// Findings kept: the newest.
const FINDINGS: i32 = 250;
/// Audits and mitigation tasks that are described: each costs a call.
const TASKS: usize = 6;
/// Mitigation actions that are described: AWS allows 100.
const ACTIONS: usize = 30;
/// Findings, and with them the audits they came from, are kept by AWS for so long.
const BACK: Ms = 90 * 86_400_000;

fn since() -> aws_smithy_types::DateTime {
    aws_smithy_types::DateTime::from_millis(now_ms() - BACK)
}

fn until() -> aws_smithy_types::DateTime {
    aws_smithy_types::DateTime::from_millis(now_ms())
}

/// ListAuditFindings, the newest; suppressed ones too, marked.
///
/// # Errors
/// When the call fails.
pub async fn findings(aws: &Aws) -> Read<Vec<FindingRecord>> {
    let call = aws.iot.list_audit_findings().start_time(since()).end_time(until()).max_results(FINDINGS);
    let found = failed("iot:ListAuditFindings", one!(aws, call, "iot:ListAuditFindings", false))?;
    let mut all: Vec<_> = found.findings().iter().map(finding).collect();
    all.sort_by(|a, b| rank(&a.severity).cmp(&rank(&b.severity)).then(b.at.cmp(&a.at)));
    Ok(all)
}

/// The worst first.
fn rank(severity: &SafeText) -> u8 {
    match severity.as_str() {
        "CRITICAL" => 0,
        "HIGH" => 1,
        "MEDIUM" => 2,
        "LOW" => 3,
        _ => 4,
    }
}

fn finding(from: &sdk::AuditFinding) -> FindingRecord {
    FindingRecord {
        id: safe(from.finding_id()),
        check: safe(from.check_name()),
        severity: safe(from.severity().map(sdk::AuditFindingSeverity::as_str)),
        resource: from
            .non_compliant_resource()
            .map(|r| resource(r.resource_type(), r.resource_identifier()))
            .unwrap_or_default(),
        resource_id: from
            .non_compliant_resource()
            .and_then(|r| r.resource_identifier())
            .map(identifier)
            .unwrap_or_default(),
        related: from
            .related_resources()
            .iter()
            .map(|r| resource(r.resource_type(), r.resource_identifier()))
            .collect(),
        reason: safe(from.reason_for_non_compliance()),
        suppressed: from.is_suppressed() == Some(true),
        at: convert::ms(from.finding_time()).unwrap_or_default(),
    }
}

fn resource(kind: Option<&sdk::ResourceType>, id: Option<&sdk::ResourceIdentifier>) -> SafeText {
    let kind = kind.map_or("resource", sdk::ResourceType::as_str).to_lowercase().replace('_', " ");
    let name = id.and_then(|id| {
        [
            id.client_id(),
            id.device_certificate_id(),
            id.ca_certificate_id(),
            id.policy_version_identifier().and_then(|p| p.policy_name()),
            id.iam_role_arn(),
            id.role_alias_arn(),
            id.cognito_identity_pool_id(),
            id.account(),
        ]
        .into_iter()
        .flatten()
        .next()
        .map(str::to_owned)
    });
    SafeText::new(&format!("{kind} {}", name.unwrap_or_default()))
}

/// A resource as suppressions name it.
pub fn identifier(from: &sdk::ResourceIdentifier) -> Resource {
    let mut members = BTreeMap::new();
    let mut put = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            members.insert(key.to_owned(), Name::new(value));
        }
    };
    put("deviceCertificateId", from.device_certificate_id());
    put("deviceCertificateArn", from.device_certificate_arn());
    put("caCertificateId", from.ca_certificate_id());
    put("cognitoIdentityPoolId", from.cognito_identity_pool_id());
    put("clientId", from.client_id());
    put("account", from.account());
    put("iamRoleArn", from.iam_role_arn());
    put("roleAliasArn", from.role_alias_arn());
    if let Some(policy) = from.policy_version_identifier() {
        put("policyName", policy.policy_name());
        put("policyVersionId", policy.policy_version_id());
    }
    if let Some(issuer) = from.issuer_certificate_identifier() {
        put("issuerCertificateSubject", issuer.issuer_certificate_subject());
        put("issuerId", issuer.issuer_id());
        put("issuerCertificateSerialNumber", issuer.issuer_certificate_serial_number());
    }
    Resource(members)
}

/// The same back, for a request.
pub fn sdk_identifier(from: &Resource) -> sdk::ResourceIdentifier {
    let get = |key: &str| from.0.get(key).map(|name| name.raw().to_owned());
    let policy = get("policyName").map(|name| {
        sdk::PolicyVersionIdentifier::builder()
            .policy_name(name)
            .set_policy_version_id(get("policyVersionId"))
            .build()
    });
    let issuer = get("issuerId").map(|id| {
        sdk::IssuerCertificateIdentifier::builder()
            .issuer_id(id)
            .set_issuer_certificate_subject(get("issuerCertificateSubject"))
            .set_issuer_certificate_serial_number(get("issuerCertificateSerialNumber"))
            .build()
    });
    sdk::ResourceIdentifier::builder()
        .set_device_certificate_id(get("deviceCertificateId"))
        .set_device_certificate_arn(get("deviceCertificateArn"))
        .set_ca_certificate_id(get("caCertificateId"))
        .set_cognito_identity_pool_id(get("cognitoIdentityPoolId"))
        .set_client_id(get("clientId"))
        .set_account(get("account"))
        .set_iam_role_arn(get("iamRoleArn"))
        .set_role_alias_arn(get("roleAliasArn"))
        .set_policy_version_identifier(policy)
        .set_issuer_certificate_identifier(issuer)
        .build()
}

/// The role that Audit reads the account with, and each check and whether it is on, by name
/// (DescribeAccountAuditConfiguration).
///
/// # Errors
/// When the call fails.
pub async fn configuration(aws: &Aws) -> Read<(Option<SafeText>, Vec<(Name, bool)>)> {
    const ACTION: &str = "iot:DescribeAccountAuditConfiguration";
    let held = failed(ACTION, one!(aws, aws.iot.describe_account_audit_configuration(), ACTION, false))?;
    let mut checks: Vec<(Name, bool)> = held
        .audit_check_configurations()
        .map(|all| all.iter().map(|(name, check)| (Name::new(name), check.enabled())).collect())
        .unwrap_or_default();
    checks.sort_by(|a, b| a.0.raw().cmp(b.0.raw()));
    Ok((held.role_arn().map(SafeText::new), checks))
}

/// DescribeMitigationAction; `None` when there is none of that name.
///
/// # Errors
/// When the call fails.
pub async fn action(aws: &Aws, name: &str) -> Read<Option<DescribeMitigationActionOutput>> {
    let call = aws.iot.describe_mitigation_action().action_name(name);
    match one!(aws, call, "iot:DescribeMitigationAction", true) {
        Ok(found) => Ok(Some(found)),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:DescribeMitigationAction")),
    }
}

/// DescribeAccountAuditConfiguration, ListAuditSuppressions, ListMitigationActions and each action.
///
/// # Errors
/// When a call fails.
pub async fn setup(aws: &Aws) -> Read<AuditSetup> {
    let iot = &aws.iot;
    let (role, checks) = configuration(aws).await?;
    let list = pages!(aws, iot.list_audit_suppressions(), "iot:ListAuditSuppressions", suppressions);
    let suppressions = failed("iot:ListAuditSuppressions", list)?
        .iter()
        .map(|found| Suppression {
            check: Name::new(found.check_name()),
            resource: found.resource_identifier().map(identifier).unwrap_or_default(),
            until: convert::ms(found.expiration_date()),
            description: safe(found.description()),
        })
        .collect();
    let list = pages!(aws, iot.list_mitigation_actions(), "iot:ListMitigationActions", action_identifiers);
    let list = failed("iot:ListMitigationActions", list)?;
    let mut actions = Vec::new();
    for name in list.iter().filter_map(|a| a.action_name()).take(ACTIONS) {
        let Some(found) = action(aws, name).await? else { continue };
        actions.push(MitigationAction {
            name: Name::new(name),
            kind: safe(found.action_type().map(sdk::MitigationActionType::as_str)),
            does: does(found.action_params()),
        });
    }
    // An instructor's policy does not have these reads: then nothing is said of them.
    let schedules = match Box::pin(schedules(aws)).await {
        Ok(all) => Some(all),
        Err(trouble) if trouble.kind == TroubleKind::Denied => None,
        Err(trouble) => return Err(trouble),
    };
    Ok(AuditSetup { role, checks, suppressions, actions, schedules })
}

/// ListScheduledAudits and each of them: AWS keeps five of an account.
///
/// # Errors
/// When a call fails.
pub async fn schedules(aws: &Aws) -> Read<Vec<Schedule>> {
    let iot = &aws.iot;
    let list = pages!(aws, iot.list_scheduled_audits(), "iot:ListScheduledAudits", scheduled_audits);
    let mut all = Vec::new();
    for name in failed("iot:ListScheduledAudits", list)?.iter().filter_map(|s| s.scheduled_audit_name()) {
        all.extend(schedule(aws, name).await?);
    }
    Ok(all)
}

/// DescribeScheduledAudit; `None` when there is none of that name.
///
/// # Errors
/// When the call fails.
pub async fn schedule(aws: &Aws, name: &str) -> Read<Option<Schedule>> {
    let call = aws.iot.describe_scheduled_audit().scheduled_audit_name(name);
    let found = match one!(aws, call, "iot:DescribeScheduledAudit", true) {
        Ok(found) => found,
        Err(e) if trouble::is_not_found(&e) => return Ok(None),
        Err(e) => return Err(trouble::of(&e, "iot:DescribeScheduledAudit")),
    };
    let frequency = found.frequency().map_or("", sdk::AuditFrequency::as_str).to_owned();
    // A day that the frequency does not look at may have stayed from before.
    let day = match frequency.as_str() {
        "WEEKLY" | "BIWEEKLY" => found.day_of_week().map(|day| day.as_str().to_owned()),
        "MONTHLY" => found.day_of_month().map(str::to_owned),
        _ => None,
    };
    let mut checks = found.target_check_names().to_vec();
    checks.sort_unstable();
    Ok(Some(Schedule { name: Name::new(name), frequency, day, checks }))
}

/// What a mitigation action does, in words.
fn does(params: Option<&sdk::MitigationActionParams>) -> SafeText {
    let Some(params) = params else { return SafeText::default() };
    let text = if let Some(p) = params.add_things_to_thing_group_params() {
        format!("adds the things to {}", p.thing_group_names().join(", "))
    } else if params.update_device_certificate_params().is_some() {
        "sets the device certificate INACTIVE".to_owned()
    } else if params.update_ca_certificate_params().is_some() {
        "sets the CA certificate INACTIVE".to_owned()
    } else if params.replace_default_policy_version_params().is_some() {
        "replaces the policy's default version with a blank one".to_owned()
    } else if let Some(p) = params.enable_io_t_logging_params() {
        format!("switches AWS IoT logging on, level {}", p.log_level())
    } else if let Some(p) = params.publish_finding_to_sns_params() {
        format!("publishes the finding to {}", p.topic_arn())
    } else {
        String::new()
    };
    SafeText::new(&text)
}

/// ListAuditTasks and ListAuditMitigationActionsTasks, the newest, and each of them.
///
/// # Errors
/// When a call fails.
pub async fn tasks(aws: &Aws) -> Read<AuditTasks> {
    let call = aws.iot.list_audit_tasks().start_time(since()).end_time(until());
    let list = failed("iot:ListAuditTasks", pages!(aws, call, "iot:ListAuditTasks", tasks))?;
    let running = |t: &sdk::AuditTaskMetadata| t.task_status() == Some(&sdk::AuditTaskStatus::InProgress);
    let mut ids: Vec<(bool, String)> =
        list.iter().filter_map(|t| Some((running(t), t.task_id()?.to_owned()))).collect();
    let mut out = AuditTasks::default();
    // AWS does not say in which order they come: those that run are looked at first, and ids tell nothing.
    ids.sort_by_key(|(running, _)| !running);
    for (_, id) in ids.iter().take(TASKS) {
        out.audits.extend(task(aws, id).await?);
    }
    out.audits.sort_by_key(|t| std::cmp::Reverse(t.started));
    let call = aws.iot.list_audit_mitigation_actions_tasks().start_time(since()).end_time(until());
    let list = pages!(aws, call, "iot:ListAuditMitigationActionsTasks", tasks);
    let list = failed("iot:ListAuditMitigationActionsTasks", list)?;
    let mut found: Vec<(Option<Ms>, String)> =
        list.iter().filter_map(|t| Some((convert::ms(t.start_time()), t.task_id()?.to_owned()))).collect();
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (_, id) in found.iter().take(TASKS) {
        out.mitigations.extend(mitigation(aws, id).await?);
    }
    Ok(out)
}

/// DescribeAuditTask; `None` when there is no such audit.
///
/// # Errors
/// When the call fails.
pub async fn task(aws: &Aws, id: &str) -> Read<Option<AuditTask>> {
    let call = aws.iot.describe_audit_task().task_id(id);
    let found = match one!(aws, call, "iot:DescribeAuditTask", true) {
        Ok(found) => found,
        Err(e) if trouble::is_not_found(&e) => return Ok(None),
        Err(e) => return Err(trouble::of(&e, "iot:DescribeAuditTask")),
    };
    let counts = found.task_statistics();
    let count = |f: fn(&sdk::TaskStatistics) -> Option<i32>| {
        counts.and_then(f).and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
    };
    let open = count(sdk::TaskStatistics::in_progress_checks)
        + count(sdk::TaskStatistics::waiting_for_data_collection_checks);
    let total = count(sdk::TaskStatistics::total_checks);
    Ok(Some(AuditTask {
        id: Name::new(id),
        status: safe(found.task_status().map(sdk::AuditTaskStatus::as_str)),
        schedule: found.scheduled_audit_name().map(SafeText::new),
        started: convert::ms(found.task_start_time()),
        total,
        ended: total.saturating_sub(open),
        non_compliant: count(sdk::TaskStatistics::non_compliant_checks),
        failed: count(sdk::TaskStatistics::failed_checks),
    }))
}

/// DescribeAuditMitigationActionsTask; `None` when there is no such task.
///
/// # Errors
/// When the call fails.
pub async fn mitigation(aws: &Aws, id: &str) -> Read<Option<MitigationTask>> {
    let call = aws.iot.describe_audit_mitigation_actions_task().task_id(id);
    let found = match one!(aws, call, "iot:DescribeAuditMitigationActionsTask", true) {
        Ok(found) => found,
        Err(e) if trouble::is_not_found(&e) => return Ok(None),
        Err(e) => return Err(trouble::of(&e, "iot:DescribeAuditMitigationActionsTask")),
    };
    let sum = |f: fn(&sdk::TaskStatisticsForAuditCheck) -> Option<i64>| {
        let all = found.task_statistics().into_iter().flatten();
        let total: i64 = all.filter_map(|(_, counts)| f(counts)).sum();
        u32::try_from(total).unwrap_or(u32::MAX)
    };
    Ok(Some(MitigationTask {
        id: Name::new(id),
        status: safe(found.task_status().map(sdk::AuditMitigationActionsTaskStatus::as_str)),
        started: convert::ms(found.start_time()),
        actions: found.actions_definition().iter().map(|a| safe(a.name())).collect(),
        total: sum(sdk::TaskStatisticsForAuditCheck::total_findings_count),
        succeeded: sum(sdk::TaskStatisticsForAuditCheck::succeeded_findings_count),
        failed: sum(sdk::TaskStatisticsForAuditCheck::failed_findings_count),
        skipped: sum(sdk::TaskStatisticsForAuditCheck::skipped_findings_count),
    }))
}
