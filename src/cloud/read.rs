//! Single reads of the account, all pages: what polls, plans and the headless commands share.

use std::collections::BTreeMap;

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
use super::{Aws, convert, read_detect, read_whole, trouble};

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
    /// Its ARN, exact.
    pub arn: String,
    /// `ACTIVE`, `INACTIVE`, `REVOKED`, …
    pub status: String,
}

/// A policy, with its document where it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyRecord {
    /// Its name.
    pub name: Name,
    /// The document, exact.
    pub document: Option<String>,
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

/// Whether a thing is registered (DescribeThing).
pub async fn is_registered(aws: &Aws, thing: &str) -> Read<bool> {
    match one!(aws, aws.iot.describe_thing().thing_name(thing), "iot:DescribeThing", false) {
        Ok(_) => Ok(true),
        Err(e) if trouble::is_not_found(&e) => Ok(false),
        Err(e) => Err(trouble::of(&e, "iot:DescribeThing")),
    }
}

/// ListThingGroupsForThing: direct memberships.
pub async fn groups_of(aws: &Aws, thing: &str) -> Read<Vec<Name>> {
    let call = aws.iot.list_thing_groups_for_thing().thing_name(thing).max_results(250);
    let list = pages!(aws, call, "iot:ListThingGroupsForThing", thing_groups);
    let list = failed("iot:ListThingGroupsForThing", list)?;
    Ok(list.iter().filter_map(sdk::GroupNameAndArn::group_name).map(name).collect())
}

/// ListThingsInThingGroup, with the groups below it when `recursive`; `None` when there is no such group.
pub async fn members(aws: &Aws, group: &str, recursive: bool) -> Read<Option<Vec<Name>>> {
    let call = aws.iot.list_things_in_thing_group().thing_group_name(group).max_results(250);
    let call = call.set_recursive(recursive.then_some(true));
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

/// DescribeCertificate; `None` when there is no such certificate.
pub async fn certificate(aws: &Aws, id: &str) -> Read<Option<CertificateDetail>> {
    let found = read_whole::certificate(aws, id).await?;
    Ok(found.map(|found| CertificateDetail { arn: found.arn, status: found.status }))
}

/// A certificate's status; `None` when there is no such certificate.
pub async fn certificate_status(aws: &Aws, id: &str) -> Read<Option<String>> {
    Ok(certificate(aws, id).await?.map(|found| found.status))
}

/// The certificates of a thing, each with its status and the things it serves.
pub async fn certificates(aws: &Aws, thing: &str) -> Read<Vec<CertificateRecord>> {
    let mut out = Vec::new();
    for arn in principals(aws, thing).await? {
        // A principal may also be a Cognito identity: no certificate, nothing to revoke.
        let Some((_, id)) = arn.split_once(":cert/") else { continue };
        let status = certificate_status(aws, id).await?;
        let things = things_of_principal(aws, &arn).await?;
        let status = SafeText::new(status.as_deref().unwrap_or("unknown"));
        out.push(CertificateRecord { id: id.to_owned(), status, things });
    }
    Ok(out)
}

/// GetPolicy: its default version's document; `None` when there is no such policy.
pub async fn policy(aws: &Aws, called: &str) -> Read<Option<PolicyRecord>> {
    match one!(aws, aws.iot.get_policy().policy_name(called), "iot:GetPolicy", true) {
        Ok(found) => {
            Ok(Some(PolicyRecord { name: name(called), document: found.policy_document().map(String::from) }))
        }
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:GetPolicy")),
    }
}

/// ListAttachedPolicies of a certificate or thing group ARN: names, exact; `None` when there is no such target.
pub async fn attached(aws: &Aws, target: &str) -> Read<Option<Vec<String>>> {
    let call = aws.iot.list_attached_policies().target(target).page_size(250);
    let list = pages!(aws, call, "iot:ListAttachedPolicies", policies, set_marker, next_marker, &mut |_| ());
    match list {
        Ok(list) => Ok(Some(list.into_iter().filter_map(|policy| policy.policy_name).collect())),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:ListAttachedPolicies")),
    }
}

/// The policies attached to a certificate or thing group ARN, with the documents of their default versions; one that is
/// deleted meanwhile is left out.
pub async fn attached_policies(aws: &Aws, target: &str) -> Read<Vec<PolicyRecord>> {
    let mut out = Vec::new();
    for called in attached(aws, target).await?.unwrap_or_default() {
        out.extend(policy(aws, &called).await?);
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
            document: policy.policy_document().map(String::from),
        })
        .collect())
}

/// What TestAuthorization says of one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The action asked about.
    pub action: sdk::ActionType,
    /// The resources asked about, as ARNs.
    pub resources: Vec<String>,
    /// What AWS would decide.
    pub decision: sdk::AuthDecision,
}

/// TestAuthorization: what AWS would decide for this principal about each resource of the questions, as if the policies named
/// in `add` were in force too. Without a client id it is a request over HTTPS (docs/aws-iot.md#3.10).
pub async fn test_authorization(
    aws: &Aws,
    principal: &str,
    client_id: Option<&str>,
    questions: Vec<(sdk::ActionType, Vec<String>)>,
    add: &[String],
) -> Read<Vec<Decided>> {
    let call = aws.iot.test_authorization().principal(principal).set_client_id(client_id.map(String::from));
    let mut call = call.set_policy_names_to_add((!add.is_empty()).then(|| add.to_vec()));
    for (action, resources) in questions {
        let info = sdk::AuthInfo::builder().action_type(action).set_resources(Some(resources)).build();
        call = call.auth_infos(info.map_err(|e| Trouble {
            kind: TroubleKind::Failed,
            message: SafeText::new(&e.to_string()),
            missing_action: None,
            since: super::now_ms(),
        })?);
    }
    let found = failed("iot:TestAuthorization", one!(aws, call, "iot:TestAuthorization", true))?;
    let decided = |result: &sdk::AuthResult| {
        let asked = result.auth_info()?;
        Some(Decided {
            action: asked.action_type()?.clone(),
            resources: asked.resources().to_vec(),
            decision: result.auth_decision()?.clone(),
        })
    };
    Ok(found.auth_results().iter().filter_map(decided).collect())
}

/// Whether a client is connected (GetConnection); `None` when AWS does not know it: never connected, or gone for more than
/// half an hour.
pub async fn connected(aws: &Aws, client_id: &str) -> Read<Option<bool>> {
    match one!(aws, aws.data.get_connection().client_id(client_id), "iot:GetConnection", false) {
        Ok(found) => Ok(Some(found.connected())),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:GetConnection")),
    }
}

/// The client id under which the fleet index has a thing connected (GetThingConnectivityData); `None` when it has none.
pub async fn indexed_client(aws: &Aws, thing: &str) -> Read<Option<String>> {
    let call = aws.iot.get_thing_connectivity_data().thing_name(thing);
    let found =
        failed("iot:GetThingConnectivityData", one!(aws, call, "iot:GetThingConnectivityData", false))?;
    Ok(found.client_id().filter(|_| found.connected() == Some(true)).map(str::to_owned))
}

/// The principals attached to a thing exclusively (ListThingPrincipalsV2): what connects with one of them acts as the thing
/// under any client id (docs/aws-iot.md#4.3).
pub async fn exclusive_principals(aws: &Aws, thing: &str) -> Read<Vec<String>> {
    let call = aws
        .iot
        .list_thing_principals_v2()
        .thing_name(thing)
        .thing_principal_type(aws_sdk_iot::types::ThingPrincipalType::ExclusiveThing);
    let held = failed(
        "iot:ListThingPrincipalsV2",
        pages!(aws, call, "iot:ListThingPrincipalsV2", thing_principal_objects),
    )?;
    Ok(held.iter().map(|held| held.principal().to_owned()).collect())
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

/// ListJobs, in AWS's own words and order.
pub async fn listed_jobs(aws: &Aws) -> Read<Vec<sdk::JobSummary>> {
    let call = aws.iot.list_jobs().max_results(250);
    failed("iot:ListJobs", pages!(aws, call, "iot:ListJobs", jobs))
}

/// ListJobs, newest first; without process details ([`job`] has them).
pub async fn jobs(aws: &Aws) -> Read<Vec<JobRecord>> {
    let mut jobs: Vec<_> = listed_jobs(aws).await?.iter().map(convert::job_summary).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job.created));
    Ok(jobs)
}

/// ListJobs of the CONTINUOUS jobs bound to a thing group: whoever joins it gets those that still run.
pub async fn continuous_jobs(aws: &Aws, group: &str) -> Read<Vec<JobRecord>> {
    let call = aws.iot.list_jobs().thing_group_name(group).max_results(250);
    let call = call.target_selection(sdk::TargetSelection::Continuous);
    let list = failed("iot:ListJobs", pages!(aws, call, "iot:ListJobs", jobs))?;
    Ok(list.iter().map(convert::job_summary).collect())
}

/// DescribeJob, in AWS's own words; `None` when there is no such job.
pub async fn described_job(aws: &Aws, id: &str) -> Read<Option<sdk::Job>> {
    match one!(aws, aws.iot.describe_job().job_id(id), "iot:DescribeJob", true) {
        Ok(found) => Ok(found.job),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:DescribeJob")),
    }
}

/// DescribeJob; `None` when there is no such job.
pub async fn job(aws: &Aws, id: &str) -> Read<Option<JobRecord>> {
    Ok(described_job(aws, id).await?.as_ref().map(convert::job))
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
    let mut out = Vec::new();
    for called in read_detect::profile_names(aws, None, None).await?.unwrap_or_default() {
        // One that is deleted meanwhile is left out.
        let Some((whole, version)) = read_detect::profile(aws, &called).await? else { continue };
        let Some(targets) = read_detect::profile_targets(aws, &called).await? else { continue };
        let mut dimensions = BTreeMap::new();
        for dimension in whole.behaviors.iter().filter_map(|b| b.metric_dimension.as_ref()) {
            let name = &dimension.dimension_name;
            if dimensions.contains_key(name) {
                continue;
            }
            // What cannot be read is not judged by, and that is said of the behaviour.
            match read_detect::dimension(aws, name).await {
                Ok(Some(filters)) => drop(dimensions.insert(name.clone(), filters)),
                Ok(None) => {}
                Err(trouble) => tracing::warn!(dimension = name, why = %trouble.message, "not read"),
            }
        }
        out.push(ProfileRecord {
            dimensions,
            name: SafeText::new(&called),
            behaviors: whole.behaviors.clone(),
            targets: targets.iter().map(|arn| SafeText::new(arn)).collect(),
            whole: Some(Box::new(whole)),
            version: Some(version),
        });
    }
    Ok(out)
}
