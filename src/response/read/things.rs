//! Reads what a plan must know of devices: registration, groups, principals, connection, shadow, and what AWS would deny.

use std::collections::HashMap;

use aws_sdk_iot::types::{ActionType, AuthDecision};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::cloud::{Aws, read as cloud};
use crate::response::plan::Target;
use crate::response::plan::facts::{GroupOfThing, PrincipalFacts, ThingFacts};
use crate::response::plan::request::DenyQuestion;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

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
) -> Result<Vec<ThingFacts>, Trouble> {
    let known = Known::default();
    let known = &known;
    let mut reads: Vec<futures_util::future::BoxFuture<'_, Result<ThingFacts, Trouble>>> = Vec::new();
    for (i, target) in targets.iter().enumerate() {
        // AWS answers ten of these a second: of many devices a few are asked about, the documents are read for all.
        let policies = if i < ASKED { policies } else { &[] };
        reads.push(Box::pin(thing(c, known, target, prefix, policies)));
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
) -> Result<ThingFacts, Trouble> {
    let name = target.thing.raw();
    let mut facts = ThingFacts {
        target: target.clone(),
        registered: true,
        groups: Vec::new(),
        principals: Vec::new(),
        clients: Vec::new(),
        flag: None,
        would_be_denied: None,
        effective: None,
    };
    if !cloud::is_registered(c, name).await? {
        facts.registered = false;
        return Ok(facts);
    }
    facts.groups = cloud::groups_of(c, name)
        .await?
        .into_iter()
        .map(|name| GroupOfThing { root: name.clone(), name, dynamic: false })
        .collect();
    facts.principals = principals(c, known, name).await?;
    facts.clients = super::clients::of(c, target, &mut facts.principals).await;
    facts.flag = flag(c, name).await?;
    // Asked with the group's policies added, AWS says what they would do to a client that they reach.
    let question = crate::response::plan::isolate::question(prefix, &facts).filter(|_| !policies.is_empty());
    if let (Some(question), true) = (question, facts.unreached().is_empty()) {
        // Not every account lets a console ask this; the documents are read as well.
        facts.would_be_denied = would_deny(c, &question, policies).await.ok();
    }
    Ok(facts)
}

/// GetEffectivePolicies of a few devices of a plan. Not every account lets a console ask this: then nothing is said of it.
pub(super) async fn effective(c: &Aws, things: &mut [ThingFacts]) {
    for thing in things.iter_mut().take(EFFECTIVE) {
        let Some(principal) = thing.principals.first() else { continue };
        let asked = cloud::effective_policies(c, thing.target.thing.raw(), &principal.arn).await;
        let Ok(found) = asked else { continue };
        let policies = found.iter().map(|policy| {
            let document = policy.document.as_deref().and_then(|d| serde_json::from_str(d).ok());
            (policy.name.raw().to_owned(), document.unwrap_or_default())
        });
        thing.effective = Some(policies.collect());
    }
}

async fn principals(c: &Aws, known: &Known, thing: &str) -> Result<Vec<PrincipalFacts>, Trouble> {
    let mut found = Vec::new();
    for arn in cloud::principals(c, thing).await? {
        // Held while it is read: the next one who asks finds it.
        let mut read = known.principals.lock().await;
        if let Some(facts) = read.get(&arn) {
            found.push(facts.clone());
            continue;
        }
        let certificate = arn.split_once(":cert/").map(|(_, id)| id.to_owned());
        let status = match &certificate {
            Some(id) => cloud::certificate_status(c, id).await?,
            None => None,
        };
        let things = things_of(c, &arn).await?;
        let facts = PrincipalFacts { arn: arn.clone(), certificate, status, things, exclusive: None };
        read.insert(arn, facts.clone());
        drop(read);
        found.push(facts);
    }
    Ok(found)
}

/// All things a principal is attached to, in order of their names.
pub(in crate::response) async fn things_of(c: &Aws, principal: &str) -> Result<Vec<Name>, Trouble> {
    let mut things = cloud::things_of_principal(c, principal).await?;
    things.sort();
    Ok(things)
}

/// `desired.quarantine` of the classic shadow; `None` when it is not there.
pub(super) async fn flag(c: &Aws, thing: &str) -> Result<Option<Value>, Trouble> {
    let shadow = cloud::shadow(c, thing, None).await?;
    Ok(shadow.and_then(|shadow| shadow.desired.get("quarantine").cloned()))
}

/// True when connecting or every publish would be denied. `add` names policies not in force yet.
pub(in crate::response) async fn would_deny(
    c: &Aws,
    question: &DenyQuestion,
    add: &[String],
) -> Result<bool, Trouble> {
    let questions = vec![
        (ActionType::Connect, vec![question.connect.clone()]),
        (ActionType::Publish, question.publish.clone()),
    ];
    let (principal, client) = (&question.principal, question.client.raw());
    let answers = cloud::test_authorization(c, principal, Some(client), questions, add).await?;
    let denied = |kind: &ActionType| {
        let mut of_kind = answers.iter().filter(|answer| answer.action == *kind).peekable();
        of_kind.peek().is_some() && of_kind.all(|answer| answer.decision != AuthDecision::Allowed)
    };
    Ok(denied(&ActionType::Connect) || denied(&ActionType::Publish))
}
