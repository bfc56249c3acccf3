//! CreateThing, DescribeThing, UpdateThing, DeleteThing, ListThings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::http_groups::{direct_groups, reference};
use super::things::ThingChange;
use super::{Thing, ThingSpec, delete_thing};
use crate::account::Account;
use crate::api::{ApiError, Req, Resp, validate};

/// `attributePayload` of things and groups.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct AttributePayload {
    #[serde(default)]
    pub(super) attributes: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) merge: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody {
    thing_type_name: Option<String>,
    attribute_payload: Option<AttributePayload>,
    billing_group_name: Option<String>,
}

/// CreateThing.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("thingName");
    let body: CreateBody = req.json()?;
    let spec = ThingSpec {
        type_name: body.thing_type_name,
        attributes: body.attribute_payload.and_then(|p| p.attributes).unwrap_or_default(),
        billing_group: body.billing_group_name,
    };
    let mut state = req.account.write();
    let thing = state.registry.create_thing(name, spec, req.account.clock.now_ms())?;
    Resp::json(json!({
        "thingName": name,
        "thingArn": req.account.arn("thing", name),
        "thingId": thing.id,
    }))
}

/// DescribeThing.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("thingName");
    validate::name("thingName", name)?;
    let state = req.account.read();
    let Some(thing) = state.registry.thing(name) else {
        return Err(ApiError::not_found(format!("Thing {}:{name} not found.", req.account.id)));
    };
    Resp::json(described(&req.account, name, thing))
}

/// A thing as DescribeThing answers it.
fn described(account: &Account, name: &str, thing: &Thing) -> Value {
    let mut body = summary(name, thing, &account.arn("thing", name));
    body["defaultClientId"] = json!(name);
    body["thingId"] = json!(thing.id);
    if let Some(group) = &thing.billing_group {
        body["billingGroupName"] = json!(group);
    }
    body
}

/// What a rule reads of a thing by the name of the operation; `None` for another one, and where there is no such thing.
pub fn read_for_rule(account: &Account, operation: &str, name: &str) -> Option<Value> {
    let state = account.read();
    let thing = state.registry.thing(name)?;
    match operation {
        "DescribeThing" => Some(described(account, name, thing)),
        "ListThingGroupsForThing" => {
            let groups: Vec<Value> =
                direct_groups(&state, name).into_iter().map(|group| reference(account, group)).collect();
            Some(json!({ "thingGroups": groups }))
        }
        _ => None,
    }
}

/// What ListThings and DescribeThing share.
fn summary(name: &str, thing: &Thing, arn: &str) -> Value {
    let mut row = json!({
        "thingName": name,
        "thingArn": arn,
        "attributes": thing.attributes,
        "version": thing.version,
    });
    if let Some(kind) = &thing.type_name {
        row["thingTypeName"] = json!(kind);
    }
    row
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateBody {
    thing_type_name: Option<String>,
    attribute_payload: Option<AttributePayload>,
    expected_version: Option<i64>,
    #[serde(default)]
    remove_thing_type: bool,
}

/// UpdateThing.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let body: UpdateBody = req.json()?;
    let payload = body.attribute_payload.unwrap_or_default();
    let change = ThingChange {
        type_name: body.thing_type_name,
        remove_type: body.remove_thing_type,
        attributes: payload.attributes,
        merge: payload.merge.unwrap_or(false),
        expected_version: body.expected_version,
    };
    req.account.write().registry.update_thing(req.path("thingName"), change)?;
    Resp::empty()
}

/// DeleteThing.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    delete_thing(&req.account, req.path("thingName"), req.long("expectedVersion")?)?;
    Resp::empty()
}

/// ListThings, by attribute, by type or all.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 50)?;
    let (name, value) = (req.query("attributeName"), req.query("attributeValue"));
    if name.is_none() && value.is_some() {
        return Err(ApiError::invalid("attributeName must be specified when attributeValue is"));
    }
    let (kind, by_prefix) = (req.query("thingTypeName"), req.flag("usePrefixAttributeValue"));
    let wanted = |thing: &Thing| {
        let attribute = match name {
            None => true,
            Some(name) => thing.attributes.get(name).is_some_and(|held| match value {
                None => true,
                Some(value) if by_prefix => held.starts_with(value),
                Some(value) => held == value,
            }),
        };
        attribute && kind.is_none_or(|k| thing.type_name.as_deref() == Some(k))
    };
    let state = req.account.read();
    let rows = state.registry.things_after(page.after.as_deref()).filter(|(_, t)| wanted(t));
    let rows = rows.map(|(name, thing)| (name, summary(name, thing, &req.account.arn("thing", name))));
    let (things, next) = page.take(rows);
    Resp::page("things", things, next)
}
