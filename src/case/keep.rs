//! Keeping what containment destroys: everything AWS tells of a thing, read once, each part with its request ids, and each part
//! that cannot be read with the reason. All reads wait for the budget that polls and responses share.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cloud::read::{self, Read};
use crate::cloud::{Aws, cite, read_account, read_left, read_whole, traced};
use quell_fleet::Fleet;
use quell_fleet::Target;
use quell_fleet::format::iso_or_ms as iso;
use quell_fleet::known::Trouble;
use quell_fleet::model::ShadowDocument;
use quell_fleet::text::SafeText;

/// Client ids asked about.
const CLIENTS: usize = 16;
/// Named shadows read.
const SHADOWS: usize = 16;
/// Retained messages read with their payloads.
const RETAINED: usize = 64;
/// Messages heard that are kept, the latest.
const MESSAGES: usize = 1_000;
/// Bytes of payloads kept of the messages heard.
const PAYLOADS: usize = 4 << 20;

/// What was kept of a thing: the name of each part, and the part.
pub type Parts = Vec<(&'static str, Value)>;

/// Reads what AWS tells of `of` now. What was heard of it comes from [`heard`].
pub async fn read(aws: &Aws, of: &Target) -> Parts {
    let thing = of.thing.raw();
    let mut parts = Parts::new();
    parts.push(("thing", part(Box::pin(described(aws, thing))).await));
    // Read once, and cited by each part that rests on it.
    let (found, ids) = traced(Box::pin(read::principals(aws, thing))).await;
    let principals = Principals { found, ids };
    let clients = Clients::of(of, &principals);
    parts.push(("groups", part(Box::pin(groups(aws, thing))).await));
    parts.push(("certificates", part(Box::pin(certificates(aws, thing, &principals))).await));
    parts.push(("policies", part(Box::pin(policies(aws, thing, &principals))).await));
    parts.push(("sessions", part(Box::pin(sessions(aws, &clients))).await));
    parts.push(("shadows", part(Box::pin(shadows(aws, thing))).await));
    parts.push(("jobs", part(Box::pin(jobs(aws, thing))).await));
    parts.push(("violations", part(Box::pin(violations(aws, thing))).await));
    parts.push(("metrics", part(Box::pin(metrics(aws, thing))).await));
    parts.push(("retained", part(Box::pin(retained(aws, of, &clients))).await));
    parts
}

/// One part as it is written: what was read, with the request ids; or why it is not known.
async fn part(reads: impl Future<Output = Read<Value>>) -> Value {
    let (found, ids) = traced(reads).await;
    let at = iso(crate::cloud::now_ms());
    match found {
        Ok(value) => json!({"readAt": at, "requestIds": ids, "read": value}),
        Err(trouble) => json!({"readAt": at, "requestIds": ids, "unknown": why(&trouble)}),
    }
}

fn why(trouble: &Trouble) -> String {
    match &trouble.missing_action {
        Some(action) => format!("{} (missing permission: {action})", trouble.message),
        None => trouble.message.to_string(),
    }
}

/// What is attached to the thing, read once.
struct Principals {
    found: Read<Vec<String>>,
    ids: Vec<SafeText>,
}

impl Principals {
    /// The principals, for a part that rests on them.
    fn cited(&self) -> Read<&[String]> {
        cite(&self.ids);
        self.found.as_deref().map_err(Trouble::clone)
    }
}

/// The client ids of a thing: its own name, and those seen with its certificates.
struct Clients {
    ids: Vec<String>,
    /// How many more there are.
    left: usize,
    /// Why those of its certificates are not known.
    unknown: Option<String>,
}

impl Clients {
    fn of(of: &Target, principals: &Principals) -> Self {
        let mut ids = vec![of.thing.raw().to_owned()];
        let arns = principals.found.as_deref().unwrap_or_default();
        for id in arns.iter().filter_map(|arn| arn.split_once(":cert/")).map(|(_, id)| id) {
            for seen in of.clients.of(id) {
                if !ids.iter().any(|known| known == seen.client.raw()) {
                    ids.push(seen.client.raw().to_owned());
                }
            }
        }
        let left = ids.len().saturating_sub(CLIENTS);
        ids.truncate(CLIENTS);
        Self { ids, left, unknown: principals.found.as_ref().err().map(why) }
    }
}

async fn described(aws: &Aws, thing: &str) -> Read<Value> {
    Ok(match read_whole::thing(aws, thing).await? {
        Some(found) => json!({"thingName": thing, "thingTypeName": found.thing_type,
            "attributes": found.attributes, "version": found.version}),
        None => json!({"thingName": thing, "registered": false}),
    })
}

async fn groups(aws: &Aws, thing: &str) -> Read<Value> {
    let mut all = Vec::new();
    for name in read::groups_of(aws, thing).await? {
        let Some(group) = read::describe_thing_group(aws, name.raw()).await? else { continue };
        let policies = read::attached_policies(aws, &group.arn).await?;
        let policies: Vec<Value> = policies
            .iter()
            .map(|policy| json!({"policyName": policy.name.raw(), "policyDocument": document(policy.document.as_deref())}))
            .collect();
        let above: Vec<&str> = group.ancestors.iter().map(|name| name.raw()).collect();
        all.push(json!({"groupName": name.raw(), "groupArn": group.arn, "ancestors": above,
            "queryString": group.dynamic_query, "policies": policies}));
    }
    Ok(json!({ "thingGroups": all }))
}

async fn certificates(aws: &Aws, thing: &str, principals: &Principals) -> Read<Value> {
    let mut all = Vec::new();
    let arns = principals.cited()?;
    let exclusive = read::exclusive_principals(aws, thing).await.ok();
    for arn in arns {
        let Some((_, id)) = arn.split_once(":cert/") else {
            all.push(json!({"principal": arn}));
            continue;
        };
        let Some(found) = read_whole::certificate(aws, id).await? else {
            all.push(json!({"certificateId": id, "certificateArn": arn, "registered": false}));
            continue;
        };
        let things = read::things_of_principal(aws, arn).await?;
        let things: Vec<&str> = things.iter().map(|name| name.raw()).collect();
        all.push(json!({"certificateId": id, "certificateArn": found.arn, "status": found.status,
            "certificatePem": found.pem, "creationDate": found.created.map(iso),
            "lastModifiedDate": found.modified.map(iso), "things": things,
            "exclusive": exclusive.as_ref().map(|held| held.contains(arn))}));
    }
    Ok(json!({ "certificates": all }))
}

/// A policy's document: as JSON where it is, so that it reads well.
fn document(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

async fn policies(aws: &Aws, thing: &str, principals: &Principals) -> Read<Value> {
    let mut all = Vec::new();
    for arn in principals.cited()? {
        for policy in read::effective_policies(aws, thing, arn).await? {
            all.push(json!({"principal": arn, "policyName": policy.name.raw(),
                "policyDocument": document(policy.document.as_deref())}));
        }
    }
    Ok(json!({ "effectivePolicies": all }))
}

async fn sessions(aws: &Aws, clients: &Clients) -> Read<Value> {
    let mut all = Vec::new();
    for client in &clients.ids {
        let connection = read_left::connection(aws, client).await?.map(|found| {
            json!({"connected": found.connected, "since": iso(found.since),
                "disconnectedSince": found.gone.map(iso), "sessionExpiry": found.kept})
        });
        // A console may be let to ask for connections and not for subscriptions.
        let subscriptions = match read_left::subscriptions(aws, client).await {
            Ok(found) => json!({ "read": found }),
            Err(trouble) => json!({ "unknown": why(&trouble) }),
        };
        all.push(json!({"clientId": client, "connection": connection, "subscriptions": subscriptions}));
    }
    Ok(json!({"sessions": all, "notRead": clients.left, "certificatesUnknown": clients.unknown}))
}

fn shadow(name: Option<&str>, found: Option<&ShadowDocument>) -> Value {
    json!({"shadowName": name, "document": found.map(|found| json!({
        "state": {"reported": found.reported, "desired": found.desired, "delta": found.delta},
        "metadata": found.metadata, "version": found.version}))})
}

async fn shadows(aws: &Aws, thing: &str) -> Read<Value> {
    let mut all = vec![shadow(None, read::shadow(aws, thing, None).await?.as_ref())];
    let names = read_left::named_shadows(aws, thing).await?;
    for name in names.iter().take(SHADOWS) {
        all.push(shadow(Some(name.raw()), read::shadow(aws, thing, Some(name.raw())).await?.as_ref()));
    }
    Ok(json!({"shadows": all, "notRead": names.len().saturating_sub(SHADOWS)}))
}

async fn jobs(aws: &Aws, thing: &str) -> Read<Value> {
    Ok(json!({ "executions": read_account::jobs_of(aws, thing).await? }))
}

async fn violations(aws: &Aws, thing: &str) -> Read<Value> {
    Ok(json!({ "activeViolations": read::active_violations(aws, Some(thing)).await? }))
}

async fn metrics(aws: &Aws, thing: &str) -> Read<Value> {
    Ok(json!({ "metrics": read_account::metrics_of(aws, thing).await? }))
}

async fn retained(aws: &Aws, of: &Target, clients: &Clients) -> Read<Value> {
    let all = read_left::retained(aws).await?;
    let thing = of.thing.raw();
    let own = |topic: &str| {
        of.topics.iter().any(|heard| heard == topic)
            || topic
                .split('/')
                .any(|level| level == thing || clients.ids.iter().any(|client| client == level))
    };
    let own: Vec<_> = all.iter().filter(|found| own(&found.topic)).collect();
    let mut kept = Vec::new();
    for found in own.iter().take(RETAINED) {
        let message = read_whole::retained(aws, &found.topic).await?.map(|(payload, qos, at)| {
            json!({"payload": STANDARD.encode(payload), "qos": qos, "lastModifiedTime": iso(at)})
        });
        kept.push(json!({"topic": found.topic, "bytes": found.bytes, "message": message}));
    }
    Ok(json!({"retained": kept, "notRead": own.len().saturating_sub(RETAINED), "ofTheAccount": all.len(),
        "certificatesUnknown": clients.unknown}))
}

/// The last messages that were heard of a thing, from when to when was listened, and what quell had to say of it. While nothing
/// is listened to, that nothing came says nothing.
pub fn heard(fleet: &Fleet, of: &Target) -> Value {
    let link = fleet.link();
    let since = link.watch().since();
    let listened = json!({"now": link.is_up(), "since": since.map(iso), "first": link.watch().first().map(iso),
        "gaps": link.watch().gaps().map(|(lost, back)| json!([iso(lost), back.map(iso)])).collect::<Vec<_>>()});
    if !link.is_up() && link.watch().first().is_none() {
        return json!({"unknown": "telemetry was not received", "listened": listened});
    }
    let Some(id) = fleet.find(of.thing.raw()) else {
        let why = match link.is_up() {
            true => "nothing was heard of it while this was kept",
            false => "telemetry is not received any more, and nothing was heard of it before",
        };
        return json!({"unknown": why, "listened": listened});
    };
    let (mut room, mut left_out) = (PAYLOADS, 0_usize);
    let mut messages = Vec::new();
    for kept in fleet.stream().iter().rev() {
        let Some(topic) = fleet.topic(kept.topic).filter(|topic| topic.device() == Some(id)) else {
            continue;
        };
        if messages.len() >= MESSAGES {
            left_out += 1;
            continue;
        }
        let payload = kept.payload.as_ref().filter(|payload| payload.len() <= room);
        room -= payload.map_or(0, |payload| payload.len());
        messages.push(json!({"at": iso(kept.at), "topic": topic.text(), "bytes": kept.len,
            "payload": payload.map(|payload| STANDARD.encode(payload))}));
    }
    messages.reverse();
    json!({"messages": messages, "leftOut": left_out, "listened": listened, "facets": fleet.facets_json(id), "topics": of.topics})
}
