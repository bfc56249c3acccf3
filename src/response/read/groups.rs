//! Reads thing groups: their policies and ancestors, the hierarchies things are in, their members.

use std::collections::HashMap;

use serde_json::Value;

use crate::cloud::Aws;
use crate::response::aws::{not_found, trouble};
use crate::response::plan::facts::{GroupFacts, ThingFacts};
use quell_fleet::Ms;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

pub(super) async fn group(c: &Aws, name: &Name, prefix: &str, now: Ms) -> Result<GroupFacts, Trouble> {
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
pub(super) async fn policy_document(c: &Aws, policy: &str, now: Ms) -> Result<Option<Value>, Trouble> {
    match c.iot.get_policy().policy_name(policy).send().await {
        Ok(found) => {
            Ok(Some(serde_json::from_str(found.policy_document().unwrap_or_default()).unwrap_or_default()))
        }
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:GetPolicy", now)),
    }
}

/// Fills in the hierarchies of the groups the things are in.
pub(super) async fn roots(c: &Aws, things: &mut [ThingFacts], now: Ms) -> Result<(), Trouble> {
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

/// The members of a group and of those below it; `None` when there is no such group.
pub(super) async fn members(c: &Aws, group: &str, now: Ms) -> Result<Option<Vec<Name>>, Trouble> {
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
