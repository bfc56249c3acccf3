//! Thing groups: the hierarchy and the store's rules.

use std::collections::{BTreeMap, BTreeSet};

use super::things::{expect_version, merged};
use super::{DynamicQuery, MembershipChange, Registry, ThingGroup, uuid};
use crate::api::{ApiError, validate};

/// Levels of a hierarchy, the root included (docs/aws-iot.md#2.4).
const DEPTH: usize = 7;
/// Direct children of one group.
const CHILDREN: usize = 100;
/// Dynamic groups of an account.
const DYNAMIC_GROUPS: usize = 100;
/// Attributes of a group.
const ATTRIBUTES: usize = 50;

/// What a group is made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupSpec {
    /// The parent, which must exist and be static.
    pub parent: Option<String>,
    /// `thingGroupDescription`.
    pub description: Option<String>,
    /// Attributes.
    pub attributes: BTreeMap<String, String>,
    /// Makes it a dynamic group.
    pub dynamic: Option<DynamicQuery>,
}

/// What UpdateThingGroup and UpdateDynamicThingGroup change.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupChange {
    pub(super) description: Option<String>,
    pub(super) attributes: Option<BTreeMap<String, String>>,
    pub(super) merge: bool,
    pub(super) expected_version: Option<i64>,
    pub(super) query: Option<String>,
}

impl Registry {
    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<&ThingGroup> {
        self.groups.get(name)
    }

    /// The group of that name, or AWS's refusal.
    pub fn require_group(&self, name: &str) -> Result<&ThingGroup, ApiError> {
        self.group(name).ok_or_else(|| {
            ApiError::not_found(format!(
                "Cannot find requested thing group for accountId: {} and thing group name: {name}",
                self.arns.account()
            ))
        })
    }

    /// All groups in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &ThingGroup)> {
        self.groups.iter()
    }

    pub(super) fn groups_after<'a>(
        &'a self,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a ThingGroup)> {
        self.groups.after(after)
    }

    /// True for a dynamic group: it takes no policies and no manual members.
    pub fn is_dynamic(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|g| g.dynamic.is_some())
    }

    /// The groups above `group`, root first; empty for a root group.
    pub fn ancestors(&self, group: &str) -> Vec<String> {
        let mut out = Vec::new();
        let mut at = self.groups.get(group).and_then(|g| g.parent.as_deref());
        while let Some(name) = at {
            out.push(name.to_owned());
            at = self.groups.get(name).and_then(|g| g.parent.as_deref());
            if out.len() > DEPTH {
                break;
            }
        }
        out.reverse();
        out
    }

    /// Everything below `group`, itself not included.
    pub fn descendants(&self, group: &str) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        let mut open = vec![group.to_owned()];
        while let Some(name) = open.pop() {
            for child in self.children.get(&name).into_iter().flatten() {
                if out.insert(child.clone()) {
                    open.push(child.clone());
                }
            }
        }
        out
    }

    /// The direct children of `group`.
    pub fn children_of(&self, group: &str) -> impl Iterator<Item = &str> {
        self.children.get(group).into_iter().flatten().map(String::as_str)
    }

    pub(super) fn root_of(&self, group: &str) -> String {
        self.ancestors(group).into_iter().next().unwrap_or_else(|| group.to_owned())
    }

    /// CreateThingGroup and CreateDynamicThingGroup: idempotent for the same configuration, 409 for another.
    pub fn create_group(
        &mut self,
        name: &str,
        spec: GroupSpec,
        now_ms: i64,
    ) -> Result<&ThingGroup, ApiError> {
        validate::name("thingGroupName", name)?;
        validate::attributes(&spec.attributes, ATTRIBUTES)?;
        if let Some(text) = &spec.description {
            validate::description("thingGroupProperties.thingGroupDescription", text)?;
        }
        if let Some(held) = self.groups.get(name) {
            let same = held.parent == spec.parent
                && held.description == spec.description
                && held.attributes == spec.attributes
                && held.dynamic == spec.dynamic;
            if !same {
                return Err(ApiError::already_exists(
                    format!("Thing Group {name} already exists in current account with different properties"),
                    &held.id,
                    &self.arns.iot("thinggroup", name),
                ));
            }
            return self.require_group(name);
        }
        if let Some(parent) = &spec.parent {
            validate::name("parentGroupName", parent)?;
            if self.group(parent).is_none() {
                return Err(ApiError::invalid(format!(
                    "Cannot create group using non-existing group as parent : {parent}"
                )));
            }
            if self.is_dynamic(parent) {
                return Err(ApiError::invalid(format!(
                    "Dynamic thing group {parent} cannot be a parent group"
                )));
            }
            if self.ancestors(parent).len() + 2 > DEPTH {
                return Err(ApiError::invalid(format!(
                    "Thing group {name} exceeds the maximum depth of {DEPTH} of a group hierarchy"
                )));
            }
            if self.children.get(parent).is_some_and(|c| c.len() >= CHILDREN) {
                return Err(ApiError::invalid(format!(
                    "Parent thing group {parent} has the maximum number of {CHILDREN} direct child groups"
                )));
            }
        }
        if spec.dynamic.is_some()
            && self.groups.iter().filter(|(_, g)| g.dynamic.is_some()).count() >= DYNAMIC_GROUPS
        {
            return Err(ApiError::limit(format!(
                "At most {DYNAMIC_GROUPS} dynamic thing groups are allowed"
            )));
        }
        if let Some(parent) = &spec.parent {
            self.children.entry(parent.clone()).or_default().insert(name.to_owned());
        }
        self.groups.put(
            name,
            ThingGroup {
                id: uuid(),
                parent: spec.parent,
                description: spec.description,
                attributes: spec.attributes,
                version: 1,
                created_ms: now_ms,
                dynamic: spec.dynamic,
            },
        );
        self.require_group(name)
    }

    /// UpdateThingGroup and UpdateDynamicThingGroup; gives the new version.
    pub(super) fn update_group(&mut self, name: &str, change: GroupChange) -> Result<i64, ApiError> {
        let group = self.require_group(name)?;
        expect_version(change.expected_version, group.version, || format!("thing group {name}"))?;
        if let Some(text) = &change.description {
            validate::description("thingGroupProperties.thingGroupDescription", text)?;
        }
        let attributes = match change.attributes {
            None => group.attributes.clone(),
            Some(given) => merged(change.merge.then_some(&group.attributes), given),
        };
        validate::attributes(&attributes, ATTRIBUTES)?;
        let version = group.version + 1;
        let mut requeried = false;
        self.groups.update(name, |g| {
            if let Some(text) = change.description {
                g.description = (!text.is_empty()).then_some(text);
            }
            if let (Some(query), Some(dynamic)) = (change.query, g.dynamic.as_mut()) {
                requeried = dynamic.query != query;
                dynamic.query = query;
            }
            g.attributes = attributes;
            g.version = version;
        });
        if requeried {
            self.dynamic_changed(name);
        }
        Ok(version)
    }

    /// DeleteThingGroup and DeleteDynamicThingGroup: fine for a group that is not there, refused while it has children.
    /// Its members leave it. Attached policies are the identity store's to forget.
    pub(super) fn delete_group(
        &mut self,
        name: &str,
        expected_version: Option<i64>,
    ) -> Result<Vec<MembershipChange>, ApiError> {
        let Some(group) = self.groups.get(name) else { return Ok(Vec::new()) };
        expect_version(expected_version, group.version, || format!("thing group {name}"))?;
        if self.children.get(name).is_some_and(|c| !c.is_empty()) {
            return Err(ApiError::invalid(format!(
                "Cannot delete thing group : {name} when there are still child groups attached to it"
            )));
        }
        if let Some(parent) = group.parent.clone()
            && let Some(siblings) = self.children.get_mut(&parent)
        {
            siblings.remove(name);
        }
        self.dynamic_gone(Some(name), None);
        let members: Vec<String> = self.members.remove(name).into_iter().flatten().collect();
        let mut changes = Vec::with_capacity(members.len());
        for thing in members {
            let id = self.things.update(&thing, |t| {
                t.groups.retain(|g| g != name);
                t.id.clone()
            });
            changes.push(MembershipChange {
                thing,
                thing_id: id.unwrap_or_default(),
                group: name.to_owned(),
                added: false,
            });
        }
        self.groups.remove(name);
        Ok(changes)
    }
}
