//! Things: the store's rules.

use std::collections::BTreeMap;

use super::{MembershipChange, Registry, Thing, announce, uuid};
use crate::account::Account;
use crate::api::{ApiError, validate};

/// Attributes a thing without a type may have; with a type it is [`TYPED_ATTRIBUTES`].
const UNTYPED_ATTRIBUTES: usize = 3;
const TYPED_ATTRIBUTES: usize = 50;

/// What a thing is made from.
#[derive(Clone, Debug, Default)]
pub struct ThingSpec {
    /// Thing type; must exist and not be deprecated.
    pub type_name: Option<String>,
    /// Attributes.
    pub attributes: BTreeMap<String, String>,
    /// Billing group.
    pub billing_group: Option<String>,
}

/// What UpdateThing changes.
#[derive(Clone, Debug, Default)]
pub(in crate::api) struct ThingChange {
    pub(in crate::api) type_name: Option<String>,
    pub(in crate::api) remove_type: bool,
    pub(in crate::api) attributes: Option<BTreeMap<String, String>>,
    pub(in crate::api) merge: bool,
    pub(in crate::api) expected_version: Option<i64>,
}

impl Registry {
    /// The thing of that name.
    pub fn thing(&self, name: &str) -> Option<&Thing> {
        self.things.get(name)
    }

    /// The thing of that name, or AWS's refusal.
    pub fn require_thing(&self, name: &str) -> Result<&Thing, ApiError> {
        self.thing(name).ok_or_else(|| ApiError::not_found(format!("Thing {name} not found.")))
    }

    /// All things in the order of their names.
    pub fn things(&self) -> impl Iterator<Item = (&str, &Thing)> {
        self.things.iter()
    }

    /// Things whose name is greater than `after`, in order.
    pub fn things_after<'a>(&'a self, after: Option<&str>) -> impl Iterator<Item = (&'a str, &'a Thing)> {
        self.things.after(after)
    }

    /// How many things there are.
    pub fn thing_count(&self) -> usize {
        self.things.len()
    }

    /// CreateThing: idempotent for the same configuration, 409 for another.
    pub fn create_thing(&mut self, name: &str, spec: ThingSpec, now_ms: i64) -> Result<&Thing, ApiError> {
        validate::name("thingName", name)?;
        self.check_type(spec.type_name.as_deref())?;
        if let Some(group) = &spec.billing_group {
            self.require_billing_group(group)?;
        }
        let mut attributes = spec.attributes;
        attributes.retain(|_, v| !v.is_empty());
        check_attributes(spec.type_name.is_some(), &attributes)?;
        match self.things.get(name) {
            Some(held)
                if held.type_name == spec.type_name
                    && held.attributes == attributes
                    && held.billing_group == spec.billing_group => {}
            Some(held) => {
                return Err(ApiError::already_exists(
                    format!("Thing {name} already exists in account with different attributes"),
                    &held.id,
                    &self.arns.iot("thing", name),
                ));
            }
            None => {
                let thing = Thing {
                    id: uuid(),
                    type_name: spec.type_name,
                    attributes,
                    version: 1,
                    billing_group: spec.billing_group,
                    created_ms: now_ms,
                    groups: Vec::new(),
                };
                self.things.put(name, thing);
            }
        }
        self.require_thing(name)
    }

    /// UpdateThing.
    pub(in crate::api) fn update_thing(&mut self, name: &str, change: ThingChange) -> Result<(), ApiError> {
        self.check_type(change.type_name.as_deref())?;
        let thing = self.require_thing(name)?;
        expect_version(change.expected_version, thing.version, || format!("thing {name}"))?;
        if change.remove_type && change.type_name.is_some() {
            return Err(ApiError::invalid("thingTypeName and removeThingType cannot be used together"));
        }
        let type_name =
            if change.remove_type { None } else { change.type_name.or_else(|| thing.type_name.clone()) };
        let attributes = match change.attributes {
            None => thing.attributes.clone(),
            Some(given) => merged(change.merge.then_some(&thing.attributes), given),
        };
        check_attributes(type_name.is_some(), &attributes)?;
        self.things.update(name, |thing| {
            thing.type_name = type_name;
            thing.attributes = attributes;
            thing.version += 1;
        });
        Ok(())
    }

    /// Removes the thing and its memberships; gives the groups it left.
    pub(super) fn remove_thing(&mut self, name: &str) -> Vec<MembershipChange> {
        let dynamic = self.dynamic_gone(None, Some(name));
        let Some(thing) = self.things.remove(name) else { return Vec::new() };
        for group in &thing.groups {
            if let Some(members) = self.members.get_mut(group) {
                members.remove(name);
            }
        }
        thing
            .groups
            .into_iter()
            .chain(dynamic)
            .map(|group| MembershipChange {
                thing: name.to_owned(),
                thing_id: thing.id.clone(),
                group,
                added: false,
            })
            .collect()
    }

    fn check_type(&self, type_name: Option<&str>) -> Result<(), ApiError> {
        let Some(type_name) = type_name else { return Ok(()) };
        validate::name("thingTypeName", type_name)?;
        if self.require_type(type_name)?.deprecated_ms.is_some() {
            return Err(ApiError::invalid(format!(
                "Can not create new thing with deprecated thing type: {type_name}"
            )));
        }
        Ok(())
    }
}

/// DeleteThing: refused while a principal is attached; fine for a thing that is not there.
pub fn delete_thing(account: &Account, name: &str, expected_version: Option<i64>) -> Result<(), ApiError> {
    let changes = {
        let mut state = account.write();
        if let Some(thing) = state.registry.thing(name) {
            expect_version(expected_version, thing.version, || format!("thing {name}"))?;
        }
        if !state.identity.principals_of(name).is_empty() {
            return Err(ApiError::invalid(format!(
                "Cannot delete. Thing {name} is still attached to one or more principals"
            )));
        }
        state.registry.remove_thing(name)
    };
    announce(account, &changes);
    crate::api::jobs::on_thing_deleted(account, name);
    Ok(())
}

/// Attributes after an update: `held` when merging, nothing otherwise; an empty value removes.
pub(super) fn merged(
    held: Option<&BTreeMap<String, String>>,
    given: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut out = held.cloned().unwrap_or_default();
    out.extend(given);
    out.retain(|_, v| !v.is_empty());
    out
}

/// 409 when the caller expected another version.
pub(super) fn expect_version(
    expected: Option<i64>,
    held: i64,
    what: impl FnOnce() -> String,
) -> Result<(), ApiError> {
    match expected {
        Some(version) if version != held => Err(ApiError::version_conflict(format!(
            "The version for {} does not match the expected version.",
            what()
        ))),
        _ => Ok(()),
    }
}

fn check_attributes(typed: bool, attributes: &BTreeMap<String, String>) -> Result<(), ApiError> {
    validate::attributes(attributes, if typed { TYPED_ATTRIBUTES } else { UNTYPED_ATTRIBUTES })
}
