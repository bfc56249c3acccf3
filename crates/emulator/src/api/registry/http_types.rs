//! Thing types: CreateThingType, DescribeThingType, UpdateThingType, ListThingTypes, DeprecateThingType, DeleteThingType.

use serde::Deserialize;
use serde_json::{Value, json};

use super::ThingType;
use super::tags::{self, Tag};
use crate::api::{ApiError, Req, Resp};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    thing_type_properties: Value,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    undo_deprecate: bool,
}

/// CreateThingType.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (req.path("thingTypeName"), req.json::<Body>()?);
    let arn = req.account.arn("thingtype", name);
    tags::check(&body.tags)?;
    let mut state = req.account.write();
    let now = req.account.clock.now_ms();
    let id = state.registry.create_thing_type(name, body.thing_type_properties, now)?.id.clone();
    state.registry.set_tags(&arn, &body.tags)?;
    Resp::json(json!({ "thingTypeName": name, "thingTypeArn": arn, "thingTypeId": id }))
}

fn described(name: &str, held: &ThingType, arn: &str) -> Value {
    let mut metadata = json!({
        "deprecated": held.deprecated_ms.is_some(),
        "creationDate": held.created_ms as f64 / 1000.0,
    });
    if let Some(at) = held.deprecated_ms {
        metadata["deprecationDate"] = json!(at as f64 / 1000.0);
    }
    json!({
        "thingTypeName": name,
        "thingTypeArn": arn,
        "thingTypeProperties": held.properties,
        "thingTypeMetadata": metadata,
    })
}

/// DescribeThingType.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("thingTypeName");
    let state = req.account.read();
    let held = state.registry.require_type(name)?;
    let mut body = described(name, held, &req.account.arn("thingtype", name));
    body["thingTypeId"] = json!(held.id);
    Resp::json(body)
}

/// UpdateThingType.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let body: Body = req.json()?;
    req.account.write().registry.update_type(req.path("thingTypeName"), body.thing_type_properties)?;
    Resp::empty()
}

/// ListThingTypes, one of a name or all.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 50)?;
    let wanted = req.query("thingTypeName");
    let state = req.account.read();
    let rows = state.registry.types_after(page.after.as_deref());
    let rows = rows
        .filter(|(name, _)| wanted.is_none_or(|w| w == *name))
        .map(|(name, held)| (name, described(name, held, &req.account.arn("thingtype", name))));
    let (types, next) = page.take(rows);
    Resp::page("thingTypes", types, next)
}

/// DeprecateThingType, or its undoing.
pub fn deprecate(req: &Req) -> Result<Resp, ApiError> {
    let body: Body = req.json()?;
    let now = req.account.clock.now_ms();
    req.account.write().registry.deprecate_type(req.path("thingTypeName"), body.undo_deprecate, now)?;
    Resp::empty()
}

/// DeleteThingType.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("thingTypeName");
    let mut state = req.account.write();
    state.registry.delete_type(name, &req.account.clock)?;
    state.registry.drop_tags(&req.account.arn("thingtype", name));
    Resp::empty()
}
