//! Reads the account for a plan, and again for its proofs. Changes nothing.

mod mitigation;
pub(in crate::response) mod seen;

use std::collections::HashMap;

use aws_sdk_iot::types::{ActionType, AuthDecision, AuthInfo, TargetSelection};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::cloud::Clients;
use crate::fleet::Ms;
use crate::fleet::known::{Trouble, TroubleKind};
use crate::fleet::model::Name;
use crate::text::SafeText;

use super::aws::{not_found, trouble};
use super::detect;
use super::pace::Pace;
use super::plan::facts::{Facts, GroupFacts, GroupOfThing, PrincipalFacts, ThingFacts};
use super::plan::request::DenyQuestion;
use super::plan::{Intent, JobRequest, JobTarget, Target};
use super::rules::Rules;

/// So many things are read at once: AWS allows 10 to 20 calls a second for most of these (contract §2.4).
const AT_ONCE: usize = 6;
/// TestAuthorization is asked about so many devices of one plan.
const ASKED: usize = 10;

/// Everything a plan for `intent` needs to know.
pub(in crate::response) async fn read(
    c: &Clients,
    rules: &Rules,
    intent: &Intent,
    now: Ms,
) -> Result<Facts, Trouble> {
    let mut facts = Facts { arn_prefix: arn_prefix(c, now).await?, ..Facts::default() };
    match intent {
        Intent::Isolate { things, group: wanted } | Intent::Release { things, group: wanted } => {
            let name = wanted.as_ref().unwrap_or(&rules.isolate_group);
            let isolating = matches!(intent, Intent::Isolate { .. });
            let found = group(c, name, &facts.arn_prefix, now).await?;
            let policies: Vec<String> =
                if isolating { found.policies.iter().map(|(n, _)| n.clone()).collect() } else { Vec::new() };
            facts.group = Some(found);
            facts.things = all(c, things, &facts.arn_prefix, &policies, now).await?;
            if isolating {
                roots(c, &mut facts.things, now).await?;
            }
        }
        Intent::Deactivate { things, .. }
        | Intent::Activate { things, .. }
        | Intent::Revoke { things, .. } => {
            facts.things = all(c, things, &facts.arn_prefix, &[], now).await?;
        }
        Intent::Join { things, group: name } | Intent::Leave { things, group: name } => {
            let found = group(c, name, &facts.arn_prefix, now).await?;
            if found.exists {
                facts.standing = standing(c, name.raw(), now).await?;
            }
            facts.group = Some(found);
            facts.things = all(c, things, &facts.arn_prefix, &[], now).await?;
            roots(c, &mut facts.things, now).await?;
        }
        Intent::Detect(change) => {
            facts.detect = Some(detect::facts(c, change, &facts.arn_prefix, now).await?);
        }
        Intent::Mitigate(wanted) => mitigation::read(c, wanted, &mut facts, now).await?,
        Intent::Setup(wanted) => {
            let name = wanted.group.as_ref().unwrap_or(&rules.isolate_group);
            facts.group = Some(group(c, name, &facts.arn_prefix, now).await?);
            let default = if wanted.patchable { "QuarantinePatchable" } else { "DenyAll" };
            let policy = wanted.policy.as_ref().map_or(default, |p| p.raw());
            facts.existing_policy = policy_document(c, policy, now).await?;
        }
        Intent::Undo { plan } | Intent::Finish { plan } => {
            facts.past = seen::past(c, rules, plan, now).await?;
        }
        Intent::LaunchJob(job) => launch(c, rules, job, &mut facts, now).await?,
        Intent::CancelJob { job, .. } => facts.job_status = job_status(c, job.raw(), now).await?,
    }
    Ok(facts)
}

/// `arn:aws:iot:REGION:ACCOUNT:`.
async fn arn_prefix(c: &Clients, now: Ms) -> Result<String, Trouble> {
    let who =
        c.sts.get_caller_identity().send().await.map_err(|e| trouble(&e, "sts:GetCallerIdentity", now))?;
    let partition = who.arn().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
    Ok(format!("arn:{partition}:iot:{}:{}:", c.region, who.account().unwrap_or_default()))
}

async fn all(
    c: &Clients,
    targets: &[Target],
    prefix: &str,
    policies: &[String],
    now: Ms,
) -> Result<Vec<ThingFacts>, Trouble> {
    let known = Known::default();
    let known = &known;
    let mut reads: Vec<futures_util::future::BoxFuture<'_, Result<ThingFacts, Trouble>>> = Vec::new();
    for (i, target) in targets.iter().enumerate() {
        // AWS answers ten of these a second: of many devices a few are asked about, the documents are read for all.
        let policies = if i < ASKED { policies } else { &[] };
        reads.push(Box::pin(thing(c, known, target, prefix, policies, now)));
    }
    futures_util::stream::iter(reads).buffered(AT_ONCE).try_collect().await
}

/// What was read once and serves all: a certificate may be many things'.
#[derive(Default)]
struct Known {
    pace: Pace,
    principals: tokio::sync::Mutex<HashMap<String, PrincipalFacts>>,
}

async fn thing(
    c: &Clients,
    known: &Known,
    target: &Target,
    prefix: &str,
    policies: &[String],
    now: Ms,
) -> Result<ThingFacts, Trouble> {
    let name = target.thing.raw();
    let mut facts = ThingFacts {
        target: target.clone(),
        registered: true,
        groups: Vec::new(),
        principals: Vec::new(),
        connected: Ok(None),
        flag: None,
        would_be_denied: None,
    };
    match c.iot.describe_thing().thing_name(name).send().await {
        Ok(_) => {}
        Err(e) if not_found(&e) => {
            facts.registered = false;
            return Ok(facts);
        }
        Err(e) => return Err(trouble(&e, "iot:DescribeThing", now)),
    }
    facts.groups = groups_of(c, name, now)
        .await?
        .into_iter()
        .map(|name| GroupOfThing { root: name.clone(), name, dynamic: false })
        .collect();
    facts.principals = principals(c, known, name, now).await?;
    facts.connected = connected(c, target.client_id().raw(), now).await;
    facts.flag = flag(c, name, now).await?;
    if let (Some(principal), false) = (facts.principals.first(), policies.is_empty()) {
        known.pace.turn("iot:TestAuthorization").await;
        let question = super::plan::build::question(prefix, &principal.arn, &facts);
        // Not every account lets a console ask this; the documents are read as well.
        facts.would_be_denied = would_deny(c, &question, policies, now).await.ok();
    }
    Ok(facts)
}

/// The groups a thing is in directly.
pub(in crate::response) async fn groups_of(c: &Clients, thing: &str, now: Ms) -> Result<Vec<Name>, Trouble> {
    let mut pages = c.iot.list_thing_groups_for_thing().thing_name(thing).into_paginator().items().send();
    let mut groups = Vec::new();
    while let Some(group) = pages.next().await {
        let group = group.map_err(|e| trouble(&e, "iot:ListThingGroupsForThing", now))?;
        groups.extend(group.group_name().map(Name::new));
    }
    Ok(groups)
}

async fn principals(
    c: &Clients,
    known: &Known,
    thing: &str,
    now: Ms,
) -> Result<Vec<PrincipalFacts>, Trouble> {
    known.pace.turn("iot:ListThingPrincipals").await;
    let mut pages = c.iot.list_thing_principals().thing_name(thing).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(arn) = pages.next().await {
        let arn = arn.map_err(|e| trouble(&e, "iot:ListThingPrincipals", now))?;
        // Held while it is read: the next one who asks finds it.
        let mut read = known.principals.lock().await;
        if let Some(facts) = read.get(&arn) {
            found.push(facts.clone());
            continue;
        }
        let certificate = arn.split_once(":cert/").map(|(_, id)| id.to_owned());
        let status = match &certificate {
            Some(id) => certificate_status(c, id, now).await?,
            None => None,
        };
        let things = things_of(c, &arn, now).await?;
        let facts = PrincipalFacts { arn: arn.clone(), certificate, status, things };
        read.insert(arn, facts.clone());
        drop(read);
        found.push(facts);
    }
    Ok(found)
}

/// A certificate's status; `None` when there is no such certificate.
pub(in crate::response) async fn certificate_status(
    c: &Clients,
    id: &str,
    now: Ms,
) -> Result<Option<String>, Trouble> {
    match c.iot.describe_certificate().certificate_id(id).send().await {
        Ok(found) => {
            Ok(found.certificate_description().and_then(|d| d.status()).map(|s| s.as_str().to_owned()))
        }
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:DescribeCertificate", now)),
    }
}

/// All things a principal is attached to.
pub(in crate::response) async fn things_of(
    c: &Clients,
    principal: &str,
    now: Ms,
) -> Result<Vec<Name>, Trouble> {
    let mut pages = c.iot.list_principal_things().principal(principal).into_paginator().items().send();
    let mut things = Vec::new();
    while let Some(name) = pages.next().await {
        things.push(Name::new(&name.map_err(|e| trouble(&e, "iot:ListPrincipalThings", now))?));
    }
    things.sort();
    Ok(things)
}

/// Whether a client id is connected; `None` when AWS has not heard of it lately.
pub(in crate::response) async fn connected(
    c: &Clients,
    client: &str,
    now: Ms,
) -> Result<Option<bool>, Trouble> {
    match c.data.get_connection().client_id(client).send().await {
        Ok(found) => Ok(Some(found.connected())),
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:GetConnection", now)),
    }
}

/// `desired.quarantine` of the classic shadow; `None` when it is not there.
async fn flag(c: &Clients, thing: &str, now: Ms) -> Result<Option<Value>, Trouble> {
    match c.data.get_thing_shadow().thing_name(thing).send().await {
        Ok(found) => {
            let bytes = found.payload().map(|b| b.as_ref().to_vec()).unwrap_or_default();
            let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            Ok(document.pointer("/state/desired/quarantine").cloned())
        }
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:GetThingShadow", now)),
    }
}

/// TestAuthorization: true when connecting or every publish would be denied. `add` names policies not in force yet.
pub(in crate::response) async fn would_deny(
    c: &Clients,
    question: &DenyQuestion,
    add: &[String],
    now: Ms,
) -> Result<bool, Trouble> {
    let info = |kind, resources: Vec<String>| {
        AuthInfo::builder().action_type(kind).set_resources(Some(resources)).build().map_err(|e| Trouble {
            kind: TroubleKind::Failed,
            message: SafeText::new(&e.to_string()),
            missing_action: None,
            since: now,
        })
    };
    let answer = c
        .iot
        .test_authorization()
        .principal(&question.principal)
        .client_id(question.client.raw())
        .set_policy_names_to_add((!add.is_empty()).then(|| add.to_vec()))
        .auth_infos(info(ActionType::Connect, vec![question.connect.clone()])?)
        .auth_infos(info(ActionType::Publish, question.publish.clone())?)
        .send()
        .await
        .map_err(|e| trouble(&e, "iot:TestAuthorization", now))?;
    let denied = |kind: &ActionType| {
        let mut of_kind = answer
            .auth_results()
            .iter()
            .filter(|r| r.auth_info().and_then(|i| i.action_type()) == Some(kind))
            .peekable();
        of_kind.peek().is_some() && of_kind.all(|r| r.auth_decision() != Some(&AuthDecision::Allowed))
    };
    Ok(denied(&ActionType::Connect) || denied(&ActionType::Publish))
}

async fn group(c: &Clients, name: &Name, prefix: &str, now: Ms) -> Result<GroupFacts, Trouble> {
    let mut facts = GroupFacts {
        name: name.clone(),
        exists: true,
        dynamic: false,
        ancestors: Vec::new(),
        policies: Vec::new(),
    };
    match c.iot.describe_thing_group().thing_group_name(name.raw()).send().await {
        Ok(found) => {
            facts.dynamic = found.query_string().is_some();
            if let Some(metadata) = found.thing_group_metadata() {
                let ancestors = metadata.root_to_parent_thing_groups().iter();
                facts.ancestors = ancestors.filter_map(|g| g.group_name()).map(Name::new).collect();
            }
        }
        Err(e) if not_found(&e) => {
            facts.exists = false;
            return Ok(facts);
        }
        Err(e) => return Err(trouble(&e, "iot:DescribeThingGroup", now)),
    }
    for group in std::iter::once(name).chain(&facts.ancestors) {
        let target = format!("{prefix}thinggroup/{}", group.raw());
        let mut pages = c.iot.list_attached_policies().target(target).into_paginator().items().send();
        while let Some(policy) = pages.next().await {
            let policy = policy.map_err(|e| trouble(&e, "iot:ListAttachedPolicies", now))?;
            let Some(policy) = policy.policy_name() else { continue };
            let found = c.iot.get_policy().policy_name(policy).send().await;
            let found = found.map_err(|e| trouble(&e, "iot:GetPolicy", now))?;
            let document =
                serde_json::from_str(found.policy_document().unwrap_or_default()).unwrap_or_default();
            facts.policies.push((policy.to_owned(), document));
        }
    }
    Ok(facts)
}

/// The document of a policy; `None` when there is no such policy.
async fn policy_document(c: &Clients, policy: &str, now: Ms) -> Result<Option<Value>, Trouble> {
    match c.iot.get_policy().policy_name(policy).send().await {
        Ok(found) => {
            Ok(Some(serde_json::from_str(found.policy_document().unwrap_or_default()).unwrap_or_default()))
        }
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:GetPolicy", now)),
    }
}

/// Whether a group exists and carries a policy that denies.
pub(in crate::response) async fn denies(c: &Clients, name: &Name, now: Ms) -> Result<bool, Trouble> {
    let prefix = arn_prefix(c, now).await?;
    let found = group(c, name, &prefix, now).await?;
    Ok(found.exists && found.any_deny().is_some())
}

pub(in crate::response) use mitigation::ended as mitigated;

/// Fills in the hierarchies of the groups the things are in.
async fn roots(c: &Clients, things: &mut [ThingFacts], now: Ms) -> Result<(), Trouble> {
    let mut known: HashMap<Name, (Name, bool)> = HashMap::new();
    for of_thing in things.iter_mut().flat_map(|t| &mut t.groups) {
        let (root, dynamic) = match known.get(&of_thing.name) {
            Some(found) => found.clone(),
            None => {
                let found = c.iot.describe_thing_group().thing_group_name(of_thing.name.raw()).send().await;
                let found = match found {
                    Ok(found) => found,
                    // Deleted a moment ago: then it stands in nobody's way.
                    Err(e) if not_found(&e) => continue,
                    Err(e) => return Err(trouble(&e, "iot:DescribeThingGroup", now)),
                };
                let ancestors =
                    found.thing_group_metadata().map(|m| m.root_to_parent_thing_groups()).unwrap_or_default();
                let root = ancestors.first().and_then(|g| g.group_name()).map(Name::new);
                let learnt = (root.unwrap_or_else(|| of_thing.name.clone()), found.query_string().is_some());
                known.insert(of_thing.name.clone(), learnt.clone());
                learnt
            }
        };
        of_thing.root = root;
        of_thing.dynamic = dynamic;
    }
    Ok(())
}

/// A job's status; `None` when there is no such job.
pub(in crate::response) async fn job_status(
    c: &Clients,
    job: &str,
    now: Ms,
) -> Result<Option<String>, Trouble> {
    match c.iot.describe_job().job_id(job).send().await {
        Ok(found) => Ok(found.job().and_then(|j| j.status()).map(|s| s.as_str().to_owned())),
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:DescribeJob", now)),
    }
}

/// Continuous jobs bound to a group that still run: whoever joins it gets them.
async fn standing(c: &Clients, group: &str, now: Ms) -> Result<Vec<Name>, Trouble> {
    let mut pages = c
        .iot
        .list_jobs()
        .thing_group_name(group)
        .target_selection(TargetSelection::Continuous)
        .into_paginator()
        .items()
        .send();
    let mut jobs = Vec::new();
    while let Some(job) = pages.next().await {
        let job = job.map_err(|e| trouble(&e, "iot:ListJobs", now))?;
        if job.status().is_some_and(|s| matches!(s.as_str(), "IN_PROGRESS" | "SCHEDULED")) {
            jobs.extend(job.job_id().map(Name::new));
        }
    }
    Ok(jobs)
}

/// The members of a group and of those below it; `None` when there is no such group.
async fn members(c: &Clients, group: &str, now: Ms) -> Result<Option<Vec<Name>>, Trouble> {
    let pages = c.iot.list_things_in_thing_group().thing_group_name(group).recursive(true);
    let mut pages = pages.into_paginator().items().send();
    let mut names = Vec::new();
    while let Some(name) = pages.next().await {
        match name {
            Ok(name) => names.push(Name::new(&name)),
            Err(e) if not_found(&e) => return Ok(None),
            Err(e) => return Err(trouble(&e, "iot:ListThingsInThingGroup", now)),
        }
    }
    Ok(Some(names))
}

async fn launch(
    c: &Clients,
    rules: &Rules,
    job: &JobRequest,
    facts: &mut Facts,
    now: Ms,
) -> Result<(), Trouble> {
    facts.job_status = job_status(c, &job.id, now).await?;
    let isolated = members(c, rules.isolate_group.raw(), now).await?.unwrap_or_default();
    let mut reached: Vec<Name> = Vec::new();
    for target in &job.targets {
        match target {
            JobTarget::Thing(name) => match c.iot.describe_thing().thing_name(name.raw()).send().await {
                Ok(_) => reached.push(name.clone()),
                Err(e) if not_found(&e) => facts.missing.push(name.clone()),
                Err(e) => return Err(trouble(&e, "iot:DescribeThing", now)),
            },
            JobTarget::Group(name) => match members(c, name.raw(), now).await? {
                Some(names) => reached.extend(names),
                None => facts.missing.push(name.clone()),
            },
        }
    }
    reached.sort();
    reached.dedup();
    facts.reached = reached.len();
    facts.isolated = reached.into_iter().filter(|t| isolated.contains(t)).collect();
    facts.group = Some(group(c, &rules.isolate_group, &facts.arn_prefix, now).await?);
    Ok(())
}
