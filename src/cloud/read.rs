//! Single reads of the account, all pages: what polls, plans and the headless commands share.

use std::sync::Arc;

use aws_sdk_iot::types as sdk;
use serde_json::Value;

use quell_fleet::Ms;
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::{
    CertificateRecord, ExecutionRecord, Identity, JobRecord, Name, ProfileRecord, ShadowDocument, Standing,
    ThingRecord, Violation, ViolationEvent,
};
use quell_fleet::text::SafeText;

pub use super::call::Read;
use super::call::{failed, one, pages};
use super::{Aws, convert, profile, trouble};

/// A thing group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRecord {
    /// Its name.
    pub name: Name,
    /// Its ARN, exact.
    pub arn: String,
    /// Its ancestors, root first.
    pub ancestors: Vec<Name>,
    /// The query of a dynamic group: such a group carries no policy (docs/aws-iot.md#6.7).
    pub dynamic_query: Option<SafeText>,
}

/// A certificate as DescribeCertificate gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificateDetail {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its ARN, exact.
    pub arn: String,
    /// `ACTIVE`, `INACTIVE`, `REVOKED`, …
    pub status: SafeText,
}

/// A policy, with its document where it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyRecord {
    /// Its name.
    pub name: Name,
    /// Its ARN, exact.
    pub arn: String,
    /// The document, exact.
    pub document: Option<String>,
}

/// What AWS would decide about one resource (TestAuthorization).
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizationResult {
    /// The action, as AWS writes it: `PUBLISH`, `CONNECT`, …
    pub action: SafeText,
    /// The resources asked about, exact.
    pub resources: Vec<String>,
    /// `ALLOWED`, `EXPLICIT_DENY` or `IMPLICIT_DENY`.
    pub decision: SafeText,
    /// Names of the policies that deny, explicitly.
    pub denied_by: Vec<Name>,
}

/// A connection (GetConnection).
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionRecord {
    /// Whether it is connected.
    pub connected: bool,
    /// The thing it is exclusively bound to, if it is.
    pub thing: Option<Name>,
    /// Since when it is connected.
    pub since: Option<Ms>,
    /// Since when it is not, for half an hour.
    pub disconnected_since: Option<Ms>,
    /// Why it is not.
    pub reason: Option<SafeText>,
}

fn name(raw: impl AsRef<str>) -> Name {
    Name::new(raw.as_ref())
}

/// Who the credentials belong to (STS GetCallerIdentity).
pub async fn caller_identity(aws: &Aws) -> Read<Identity> {
    let call = aws.sts.get_caller_identity();
    let found = failed("sts:GetCallerIdentity", one!(aws, call, "sts:GetCallerIdentity", false))?;
    Ok(Identity {
        account: SafeText::new(found.account().unwrap_or_default()),
        arn: SafeText::new(found.arn().unwrap_or_default()),
        region: SafeText::new(&aws.region),
        alias: None,
    })
}

/// When the credentials end and how wrong the clock is; asks nobody but the chain of credentials.
pub async fn standing(aws: &Aws) -> Read<Standing> {
    aws.credentials.get().await.map_err(|error| Trouble {
        kind: TroubleKind::Credentials,
        message: SafeText::new(&super::keys::words(&error)),
        missing_action: None,
        since: super::now_ms(),
    })?;
    let expires = aws.credentials.expiry().await.map(|end| {
        let since = end.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ms::try_from(since.as_millis()).unwrap_or(Ms::MAX)
    });
    Ok(Standing { expires, skew: aws.skew.ms() })
}

/// ListActiveViolations, of one thing or of all; suppressed ones are left out, as AWS does.
pub async fn active_violations(aws: &Aws, thing: Option<&str>) -> Read<Vec<Violation>> {
    let call = aws.iot.list_active_violations().set_thing_name(thing.map(String::from)).max_results(250);
    let list =
        failed("iot:ListActiveViolations", pages!(aws, call, "iot:ListActiveViolations", active_violations))?;
    Ok(list.iter().map(convert::violation).collect())
}

/// ListViolationEvents between two times, in milliseconds.
pub async fn violation_events(aws: &Aws, from: Ms, to: Ms) -> Read<Vec<ViolationEvent>> {
    let time = aws_smithy_types::DateTime::from_millis;
    let call = aws.iot.list_violation_events().start_time(time(from)).end_time(time(to)).max_results(250);
    let list =
        failed("iot:ListViolationEvents", pages!(aws, call, "iot:ListViolationEvents", violation_events))?;
    Ok(list.iter().map(convert::violation_event).collect())
}

/// ListThings.
pub async fn things(aws: &Aws) -> Read<Vec<ThingRecord>> {
    things_seen(aws, |_| ()).await
}

/// ListThings; `seen` is told of each page as it comes, for a registry that takes minutes to read.
pub async fn things_seen(aws: &Aws, mut seen: impl FnMut(Vec<ThingRecord>) + Send) -> Read<Vec<ThingRecord>> {
    let call = aws.iot.list_things().max_results(250);
    let mut told = 0;
    let list = pages!(aws, call, "iot:ListThings", things, set_next_token, next_token, &mut |all| {
        seen(all.iter().skip(told).map(thing_record).collect());
        told = all.len();
    });
    Ok(failed("iot:ListThings", list)?.iter().map(thing_record).collect())
}

fn thing_record(thing: &sdk::ThingAttribute) -> ThingRecord {
    ThingRecord {
        name: name(thing.thing_name().unwrap_or_default()),
        thing_type: thing.thing_type_name().map(SafeText::new),
    }
}

/// ListThingGroupsForThing: direct memberships.
pub async fn groups_of(aws: &Aws, thing: &str) -> Read<Vec<Name>> {
    let call = aws.iot.list_thing_groups_for_thing().thing_name(thing).max_results(250);
    let list = pages!(aws, call, "iot:ListThingGroupsForThing", thing_groups);
    let list = failed("iot:ListThingGroupsForThing", list)?;
    Ok(list.iter().filter_map(sdk::GroupNameAndArn::group_name).map(name).collect())
}

/// ListThingsInThingGroup; `None` when there is no such group.
pub async fn members(aws: &Aws, group: &str) -> Read<Option<Vec<Name>>> {
    let call = aws.iot.list_things_in_thing_group().thing_group_name(group).max_results(250);
    match pages!(aws, call, "iot:ListThingsInThingGroup", things) {
        Ok(list) => Ok(Some(list.into_iter().map(name).collect())),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:ListThingsInThingGroup")),
    }
}

/// DescribeThingGroup; `None` when there is no such group.
pub async fn describe_thing_group(aws: &Aws, group: &str) -> Read<Option<GroupRecord>> {
    let call = aws.iot.describe_thing_group().thing_group_name(group);
    match one!(aws, call, "iot:DescribeThingGroup", false) {
        Ok(found) => {
            let ancestors = found
                .thing_group_metadata()
                .map(|m| m.root_to_parent_thing_groups())
                .unwrap_or_default()
                .iter()
                .filter_map(sdk::GroupNameAndArn::group_name);
            Ok(Some(GroupRecord {
                name: name(found.thing_group_name().unwrap_or(group)),
                arn: found.thing_group_arn().unwrap_or_default().to_owned(),
                ancestors: ancestors.map(name).collect(),
                dynamic_query: found.query_string().map(SafeText::new),
            }))
        }
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:DescribeThingGroup")),
    }
}

/// ListThingPrincipals: ARNs, exact.
pub async fn principals(aws: &Aws, thing: &str) -> Read<Vec<String>> {
    let call = aws.iot.list_thing_principals().thing_name(thing).max_results(250);
    failed("iot:ListThingPrincipals", pages!(aws, call, "iot:ListThingPrincipals", principals))
}

/// ListPrincipalThings.
pub async fn things_of_principal(aws: &Aws, arn: &str) -> Read<Vec<Name>> {
    let call = aws.iot.list_principal_things().principal(arn).max_results(250);
    let list = failed("iot:ListPrincipalThings", pages!(aws, call, "iot:ListPrincipalThings", things))?;
    Ok(list.into_iter().map(name).collect())
}

/// DescribeCertificate.
pub async fn certificate(aws: &Aws, id: &str) -> Read<CertificateDetail> {
    let call = aws.iot.describe_certificate().certificate_id(id);
    let found = failed("iot:DescribeCertificate", one!(aws, call, "iot:DescribeCertificate", true))?;
    let description = found.certificate_description();
    let text = |get: fn(&sdk::CertificateDescription) -> Option<&str>| {
        description.and_then(get).unwrap_or_default().to_owned()
    };
    Ok(CertificateDetail {
        id: text(sdk::CertificateDescription::certificate_id),
        arn: text(sdk::CertificateDescription::certificate_arn),
        status: SafeText::new(description.and_then(|d| d.status()).map_or("unknown", |s| s.as_str())),
    })
}

/// The certificates of a thing, each with its status and the things it serves.
pub async fn certificates(aws: &Aws, thing: &str) -> Read<Vec<CertificateRecord>> {
    let mut out = Vec::new();
    for arn in principals(aws, thing).await? {
        // A principal may also be a Cognito identity: no certificate, nothing to revoke.
        let Some((_, id)) = arn.split_once(":cert/") else { continue };
        let detail = certificate(aws, id).await?;
        let things = things_of_principal(aws, &arn).await?;
        out.push(CertificateRecord { id: detail.id, status: detail.status, things });
    }
    Ok(out)
}

/// ListAttachedPolicies of a certificate or thing group ARN, with the documents of their default versions.
pub async fn attached_policies(aws: &Aws, target: &str) -> Read<Vec<PolicyRecord>> {
    let call = aws.iot.list_attached_policies().target(target).page_size(250);
    let list = pages!(aws, call, "iot:ListAttachedPolicies", policies, set_marker, next_marker, &mut |_| ());
    let list = failed("iot:ListAttachedPolicies", list)?;
    let mut out = Vec::new();
    for policy in list {
        let raw = policy.policy_name().unwrap_or_default();
        let call = aws.iot.get_policy().policy_name(raw);
        let found = failed("iot:GetPolicy", one!(aws, call, "iot:GetPolicy", true))?;
        out.push(PolicyRecord {
            name: name(raw),
            arn: policy.policy_arn().unwrap_or_default().to_owned(),
            document: found.policy_document().map(String::from),
        });
    }
    Ok(out)
}

/// GetEffectivePolicies of a principal as a thing.
pub async fn effective_policies(aws: &Aws, thing: &str, principal: &str) -> Read<Vec<PolicyRecord>> {
    let call = aws.iot.get_effective_policies().principal(principal).thing_name(thing);
    let found = failed("iot:GetEffectivePolicies", one!(aws, call, "iot:GetEffectivePolicies", true))?;
    Ok(found
        .effective_policies()
        .iter()
        .map(|policy| PolicyRecord {
            name: name(policy.policy_name().unwrap_or_default()),
            arn: policy.policy_arn().unwrap_or_default().to_owned(),
            document: policy.policy_document().map(String::from),
        })
        .collect())
}

/// TestAuthorization: what AWS would decide for this principal and client id, `skip`ping and `add`ing policies by name.
pub async fn test_authorization(
    aws: &Aws,
    principal: &str,
    client_id: &str,
    questions: &[(sdk::ActionType, Vec<String>)],
    add: &[String],
    skip: &[String],
) -> Read<Vec<AuthorizationResult>> {
    let refusal = |message: String| Trouble {
        kind: TroubleKind::Failed,
        message: SafeText::new(&message),
        missing_action: None,
        since: super::now_ms(),
    };
    let mut call = aws.iot.test_authorization().principal(principal).client_id(client_id);
    for (action, resources) in questions {
        let info = sdk::AuthInfo::builder()
            .action_type(action.clone())
            .set_resources(Some(resources.clone()))
            .build()
            .map_err(|e| refusal(e.to_string()))?;
        call = call.auth_infos(info);
    }
    for policy in add {
        call = call.policy_names_to_add(policy);
    }
    for policy in skip {
        call = call.policy_names_to_skip(policy);
    }
    let found = failed("iot:TestAuthorization", one!(aws, call, "iot:TestAuthorization", true))?;
    Ok(found
        .auth_results()
        .iter()
        .map(|result| AuthorizationResult {
            action: SafeText::new(
                result.auth_info().and_then(|i| i.action_type()).map_or("", sdk::ActionType::as_str),
            ),
            resources: result.auth_info().map(|i| i.resources().to_vec()).unwrap_or_default(),
            decision: SafeText::new(result.auth_decision().map_or("", sdk::AuthDecision::as_str)),
            denied_by: result
                .denied()
                .and_then(|d| d.explicit_deny())
                .map(|d| d.policies())
                .unwrap_or_default()
                .iter()
                .filter_map(sdk::Policy::policy_name)
                .map(name)
                .collect(),
        })
        .collect())
}

/// GetConnection; `None` when the client is unknown (never connected, or gone for more than half an hour).
pub async fn connection(aws: &Aws, client_id: &str) -> Read<Option<ConnectionRecord>> {
    match one!(aws, aws.data.get_connection().client_id(client_id), "iot:GetConnection", false) {
        Ok(found) => {
            let time = |ms: i64| (ms > 0).then_some(ms);
            Ok(Some(ConnectionRecord {
                connected: found.connected(),
                thing: found.thing_name().map(name),
                since: time(found.connected_since()),
                disconnected_since: time(found.disconnected_since()),
                reason: found.disconnect_reason().map(SafeText::new),
            }))
        }
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:GetConnection")),
    }
}

/// GetThingShadow (classic without a name); `None` when there is none.
pub async fn shadow(aws: &Aws, thing: &str, shadow: Option<&str>) -> Read<Option<ShadowDocument>> {
    let call = aws.data.get_thing_shadow().thing_name(thing).set_shadow_name(shadow.map(String::from));
    match one!(aws, call, "iot:GetThingShadow", false) {
        Ok(found) => {
            let bytes = found.payload().map(aws_smithy_types::Blob::as_ref).unwrap_or_default();
            let document: Value = serde_json::from_slice(bytes).map_err(|e| Trouble {
                kind: TroubleKind::Unreachable,
                message: SafeText::new(&format!("the shadow is not JSON: {e}")),
                missing_action: None,
                since: super::now_ms(),
            })?;
            Ok(Some(shadow_document(document)))
        }
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:GetThingShadow")),
    }
}

/// `{"state":{…},"metadata":{…},"version":n}` as a record.
fn shadow_document(mut document: Value) -> ShadowDocument {
    let mut state = document.get_mut("state").map(Value::take).unwrap_or_default();
    let mut section = |key: &str| state.get_mut(key).map(Value::take).unwrap_or_default();
    ShadowDocument {
        reported: section("reported"),
        desired: section("desired"),
        delta: section("delta"),
        version: document.get("version").and_then(Value::as_i64).unwrap_or_default(),
        metadata: document.get_mut("metadata").map(Value::take).unwrap_or_default(),
    }
}

/// ListJobs, newest first; without process details ([`job`] has them).
pub async fn jobs(aws: &Aws) -> Read<Vec<JobRecord>> {
    let call = aws.iot.list_jobs().max_results(250);
    let list = failed("iot:ListJobs", pages!(aws, call, "iot:ListJobs", jobs))?;
    let mut jobs: Vec<_> = list.iter().map(convert::job_summary).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job.created));
    Ok(jobs)
}

/// DescribeJob; `None` when there is no such job.
pub async fn job(aws: &Aws, id: &str) -> Read<Option<JobRecord>> {
    match one!(aws, aws.iot.describe_job().job_id(id), "iot:DescribeJob", true) {
        Ok(found) => Ok(found.job().map(convert::job)),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:DescribeJob")),
    }
}

/// ListJobExecutionsForJob.
pub async fn executions(aws: &Aws, job: &str) -> Read<Vec<ExecutionRecord>> {
    let call = aws.iot.list_job_executions_for_job().job_id(job).max_results(250);
    let list = pages!(aws, call, "iot:ListJobExecutionsForJob", execution_summaries);
    let list = failed("iot:ListJobExecutionsForJob", list)?;
    let id = name(job);
    Ok(list
        .iter()
        .map(|found| {
            let summary = found.job_execution_summary();
            ExecutionRecord {
                job: id.clone(),
                thing: name(
                    found.thing_arn().and_then(|arn| arn.split_once(":thing/")).map_or("", |(_, t)| t),
                ),
                status: SafeText::new(summary.and_then(|s| s.status()).map_or("", |s| s.as_str())),
                number: summary.and_then(|s| s.execution_number()).unwrap_or_default(),
                queued: convert::ms(summary.and_then(|s| s.queued_at())),
                started: convert::ms(summary.and_then(|s| s.started_at())),
                updated: convert::ms(summary.and_then(|s| s.last_updated_at())),
            }
        })
        .collect())
}

/// Security profiles with their behaviours and targets.
pub async fn profiles(aws: &Aws) -> Read<Vec<ProfileRecord>> {
    let call = aws.iot.list_security_profiles().max_results(250);
    let list = pages!(aws, call, "iot:ListSecurityProfiles", security_profile_identifiers);
    let list = failed("iot:ListSecurityProfiles", list)?;
    let mut out = Vec::new();
    for found in list {
        let raw: Arc<str> = found.name().into();
        let call = aws.iot.describe_security_profile().security_profile_name(&*raw);
        let described = one!(aws, call, "iot:DescribeSecurityProfile", true);
        let described = failed("iot:DescribeSecurityProfile", described)?;
        let call = aws.iot.list_targets_for_security_profile().security_profile_name(&*raw).max_results(250);
        let targets = pages!(aws, call, "iot:ListTargetsForSecurityProfile", security_profile_targets);
        let targets = failed("iot:ListTargetsForSecurityProfile", targets)?;
        out.push(ProfileRecord {
            name: SafeText::new(&raw),
            behaviors: described.behaviors().iter().map(convert::behavior).collect(),
            targets: targets.iter().map(|t| SafeText::new(t.arn())).collect(),
            whole: Some(Box::new(profile::whole(&described))),
            version: Some(described.version()),
        });
    }
    Ok(out)
}
