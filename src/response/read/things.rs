//! Reads what a plan must know of devices: registration, groups, principals, connection, shadow, and what AWS would deny.

use std::collections::HashMap;

use aws_sdk_iot::types::{ActionType, AuthDecision, AuthInfo};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::cloud::Aws;
use crate::response::aws::{not_found, trouble};
use crate::response::plan::Target;
use crate::response::plan::facts::{GroupOfThing, PrincipalFacts, ThingFacts};
use crate::response::plan::request::DenyQuestion;
use quell_fleet::Ms;
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

/// So many things are read at once: AWS allows 10 to 20 calls a second for most of these (docs/aws-iot.md#2.4).
const AT_ONCE: usize = 6;
/// TestAuthorization is asked about so many devices of one plan.
const ASKED: usize = 10;
/// GetEffectivePolicies is asked about so many: AWS answers five a second.
const EFFECTIVE: usize = 3;

pub(super) async fn all(
    c: &Aws,
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
    principals: tokio::sync::Mutex<HashMap<String, PrincipalFacts>>,
}

async fn thing(
    c: &Aws,
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
        effective: None,
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
        let _turn = c.turn("iot:TestAuthorization").await;
        let question = crate::response::plan::isolate::question(prefix, &principal.arn, &facts);
        // Not every account lets a console ask this; the documents are read as well.
        facts.would_be_denied = would_deny(c, &question, policies, now).await.ok();
    }
    Ok(facts)
}

/// GetEffectivePolicies of a few devices of a plan. Not every account lets a console ask this: then nothing is said of it.
pub(super) async fn effective(c: &Aws, things: &mut [ThingFacts]) {
    for thing in things.iter_mut().take(EFFECTIVE) {
        let Some(principal) = thing.principals.first() else { continue };
        let _turn = c.turn("iot:GetEffectivePolicies").await;
        let asked = c.iot.get_effective_policies().thing_name(thing.target.thing.raw());
        let Ok(found) = asked.principal(&principal.arn).send().await else { continue };
        let policies = found.effective_policies().iter().map(|p| {
            let document = p.policy_document().and_then(|d| serde_json::from_str(d).ok());
            (p.policy_name().unwrap_or_default().to_owned(), document.unwrap_or_default())
        });
        thing.effective = Some(policies.collect());
    }
}

/// The groups a thing is in directly.
pub(in crate::response) async fn groups_of(c: &Aws, thing: &str, now: Ms) -> Result<Vec<Name>, Trouble> {
    let mut pages = c.iot.list_thing_groups_for_thing().thing_name(thing).into_paginator().items().send();
    let mut groups = Vec::new();
    while let Some(group) = pages.next().await {
        let group = group.map_err(|e| trouble(&e, "iot:ListThingGroupsForThing", now))?;
        groups.extend(group.group_name().map(Name::new));
    }
    Ok(groups)
}

async fn principals(c: &Aws, known: &Known, thing: &str, now: Ms) -> Result<Vec<PrincipalFacts>, Trouble> {
    let _turn = c.turn("iot:ListThingPrincipals").await;
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
    c: &Aws,
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
pub(in crate::response) async fn things_of(c: &Aws, principal: &str, now: Ms) -> Result<Vec<Name>, Trouble> {
    let mut pages = c.iot.list_principal_things().principal(principal).into_paginator().items().send();
    let mut things = Vec::new();
    while let Some(name) = pages.next().await {
        things.push(Name::new(&name.map_err(|e| trouble(&e, "iot:ListPrincipalThings", now))?));
    }
    things.sort();
    Ok(things)
}

/// Whether a client id is connected; `None` when AWS has not heard of it lately.
pub(in crate::response) async fn connected(c: &Aws, client: &str, now: Ms) -> Result<Option<bool>, Trouble> {
    match c.data.get_connection().client_id(client).send().await {
        Ok(found) => Ok(Some(found.connected())),
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:GetConnection", now)),
    }
}

/// `desired.quarantine` of the classic shadow; `None` when it is not there.
pub(super) async fn flag(c: &Aws, thing: &str, now: Ms) -> Result<Option<Value>, Trouble> {
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
    c: &Aws,
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
