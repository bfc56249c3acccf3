//! Thing types: the store's rules.

use std::time::Duration;

use serde_json::Value;

use super::{Registry, ThingType, uuid};
use crate::api::{ApiError, validate};
use crate::clock::Clock;

impl Registry {
    /// The thing type of that name.
    pub fn thing_type(&self, name: &str) -> Option<&ThingType> {
        self.types.get(name)
    }

    pub(super) fn require_type(&self, name: &str) -> Result<&ThingType, ApiError> {
        self.types.get(name).ok_or_else(|| {
            ApiError::not_found(format!("Thing Type {}:{name} not found.", self.arns.account()))
        })
    }

    pub(super) fn types_after<'a>(
        &'a self,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a ThingType)> {
        self.types.after(after)
    }

    /// CreateThingType: idempotent for the same properties, 409 for others.
    pub fn create_thing_type(
        &mut self,
        name: &str,
        properties: Value,
        now_ms: i64,
    ) -> Result<&ThingType, ApiError> {
        validate::name("thingTypeName", name)?;
        let properties = check_properties(properties)?;
        match self.types.get(name) {
            Some(held) if comparable(&held.properties) == comparable(&properties) => {}
            Some(held) => {
                return Err(ApiError::already_exists(
                    format!("Thing type {name} already exists in account with different properties"),
                    &held.id,
                    &self.arns.iot("thingtype", name),
                ));
            }
            None => {
                self.types
                    .put(name, ThingType { id: uuid(), properties, created_ms: now_ms, deprecated_ms: None });
            }
        }
        self.require_type(name)
    }

    pub(super) fn update_type(&mut self, name: &str, properties: Value) -> Result<(), ApiError> {
        let properties = check_properties(properties)?;
        self.require_type(name)?;
        self.types.update(name, |t| t.properties = properties);
        Ok(())
    }

    pub(super) fn deprecate_type(&mut self, name: &str, undo: bool, now_ms: i64) -> Result<(), ApiError> {
        self.require_type(name)?;
        self.types
            .update(name, |t| t.deprecated_ms = if undo { None } else { t.deprecated_ms.or(Some(now_ms)) });
        Ok(())
    }

    /// DeleteThingType: five minutes after its deprecation, and only when no thing has it; fine for a name that is not
    /// there.
    pub(super) fn delete_type(&mut self, name: &str, clock: &Clock) -> Result<(), ApiError> {
        validate::name("thingTypeName", name)?;
        let Some(held) = self.types.get(name) else { return Ok(()) };
        let Some(deprecated) = held.deprecated_ms else {
            return Err(ApiError::invalid(format!(
                "Thing type {name} must be deprecated before it can be deleted"
            )));
        };
        if self.things.iter().any(|(_, t)| t.type_name.as_deref() == Some(name)) {
            return Err(ApiError::invalid(format!(
                "Can not delete thing type {name} with things associated with it"
            )));
        }
        let wait = clock.scaled(Duration::from_secs(300)).as_millis() as i64;
        if clock.now_ms() - deprecated < wait {
            return Err(ApiError::invalid(format!(
                "Please wait for 5 minutes after deprecating thing type {name} before deleting it"
            )));
        }
        self.types.remove(name);
        Ok(())
    }
}

/// Properties as a repeated creation compares them: what is empty is as good as absent, and searchable attributes have no
/// order.
fn comparable(properties: &Value) -> Value {
    let mut out = properties.clone();
    if let Some(map) = out.as_object_mut() {
        if let Some(Value::Array(names)) = map.get_mut("searchableAttributes") {
            names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
        map.retain(|_, v| match v {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(inner) => !inner.is_empty(),
            Value::String(text) => !text.is_empty(),
            _ => true,
        });
    }
    out
}

/// An object with at most three searchable attributes; absent means `{}`.
fn check_properties(properties: Value) -> Result<Value, ApiError> {
    let properties = if properties.is_null() { Value::Object(Default::default()) } else { properties };
    if !properties.is_object() {
        return Err(ApiError::invalid("thingTypeProperties must be a structure"));
    }
    if let Some(text) = properties.get("thingTypeDescription").and_then(Value::as_str) {
        validate::description("thingTypeProperties.thingTypeDescription", text)?;
    }
    if properties.get("searchableAttributes").and_then(Value::as_array).is_some_and(|a| a.len() > 3) {
        return Err(ApiError::invalid("A thing type can have at most 3 searchable attributes"));
    }
    Ok(properties)
}
