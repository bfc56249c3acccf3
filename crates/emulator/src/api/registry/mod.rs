//! Things, thing types and thing groups (docs/aws-iot.md#2.4, #4.4).
//!
//! * `things.rs`, `types.rs`, `groups.rs`: the store and its rules, free of HTTP, also used by start-up seeding.
//! * `dynamic.rs`: who is in which dynamic group.
//! * `membership.rs`: who is in which group, and what a change of that sets off.
//! * `events.rs`: which registry events are published, and their configuration.
//! * `billing.rs`: billing groups.
//! * `tags.rs`: tags on any resource, by ARN.
//! * `http_*.rs`: the operations, thin.

pub mod billing;
mod dynamic;
pub mod events;
mod groups;
pub mod http_groups;
pub mod http_things;
pub mod http_types;
mod membership;
pub mod routes;
pub mod tags;
mod things;
mod types;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

pub use groups::GroupSpec;
pub use http_things::read_for_rule;
pub use membership::{MembershipChange, add_to_group, announce, remove_from_group};
pub(super) use things::ThingChange;
pub use things::{ThingSpec, delete_thing};

use super::arn::Arns;
use crate::store::{Table, Wal};

/// A thing. Its name is its key.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Thing {
    /// `thingId`, a UUID; a thing made again under the same name gets another.
    pub id: String,
    /// Thing type, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Attributes.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Starts at 1, grows with each change.
    pub version: i64,
    /// Billing group, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_group: Option<String>,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// The static groups it is directly in, at most ten, in the order of joining.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// What makes a group dynamic.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct DynamicQuery {
    /// `AWS_Things`.
    pub index_name: String,
    /// The fleet-index query.
    pub query: String,
    /// `2017-09-30`.
    pub query_version: String,
}

/// A thing group. Its name is its key.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ThingGroup {
    /// `thingGroupId`, a UUID.
    pub id: String,
    /// The parent group; `None` for a root group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// `thingGroupDescription`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Attributes.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Starts at 1, grows with each change.
    pub version: i64,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// Present for a dynamic group only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<DynamicQuery>,
}

/// A thing type. Its name is its key.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ThingType {
    /// `thingTypeId`, a UUID.
    pub id: String,
    /// `thingTypeProperties` as given.
    pub properties: serde_json::Value,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// Epoch milliseconds of the deprecation, when deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated_ms: Option<i64>,
}

/// Things, thing types, thing groups and who is in which; also tags and the event configuration.
pub struct Registry {
    arns: Arns,
    things: Table<Thing>,
    types: Table<ThingType>,
    groups: Table<ThingGroup>,
    billing: Table<billing::BillingGroup>,
    tags: Table<BTreeMap<String, String>>,
    event_configuration: Table<events::EventConfiguration>,
    /// Group → its direct members. Derived from the things' rows, and from the queries of dynamic groups.
    members: HashMap<String, BTreeSet<String>>,
    /// Memberships in dynamic groups. Derived from their queries.
    dynamic: dynamic::Dynamic,
    /// Parent → its direct children. Derived from the groups' rows.
    children: HashMap<String, BTreeSet<String>>,
}

impl Registry {
    /// What `wal` held.
    pub fn open(wal: &Wal, arns: Arns) -> Self {
        let mut registry = Self {
            arns,
            things: Table::open(wal, "things"),
            types: Table::open(wal, "thing-types"),
            groups: Table::open(wal, "thing-groups"),
            billing: Table::open(wal, "billing-groups"),
            tags: Table::open(wal, "tags"),
            event_configuration: Table::open(wal, "event-configuration"),
            members: HashMap::new(),
            dynamic: dynamic::Dynamic::default(),
            children: HashMap::new(),
        };
        for (name, thing) in registry.things.iter() {
            for group in &thing.groups {
                registry.members.entry(group.clone()).or_default().insert(name.to_owned());
            }
        }
        for (name, group) in registry.groups.iter() {
            if let Some(parent) = &group.parent {
                registry.children.entry(parent.clone()).or_default().insert(name.to_owned());
            }
        }
        registry
    }
}

/// A fresh random UUID (version 4) in its usual form.
pub fn uuid() -> String {
    let (high, low) = (fastrand::u64(..), fastrand::u64(..));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests;
