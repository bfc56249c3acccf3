//! Reads thing groups: their policies and ancestors, the hierarchies things are in, their members.

use std::collections::HashMap;

use serde_json::Value;

use crate::cloud::Aws;
use crate::cloud::read::{self as cloud, PolicyRecord};
use crate::response::plan::facts::{GroupFacts, ThingFacts};
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

pub(super) async fn group(c: &Aws, name: &Name, prefix: &str) -> Result<GroupFacts, Trouble> {
    let mut facts = GroupFacts {
        name: name.clone(),
        exists: true,
        dynamic: false,
        ancestors: Vec::new(),
        policies: Vec::new(),
    };
    let Some(found) = cloud::describe_thing_group(c, name.raw()).await? else {
        facts.exists = false;
        return Ok(facts);
    };
    facts.dynamic = found.dynamic_query.is_some();
    facts.ancestors = found.ancestors;
    for group in std::iter::once(name).chain(&facts.ancestors) {
        let target = format!("{prefix}thinggroup/{}", group.raw());
        let found = cloud::attached_policies(c, &target).await?;
        facts.policies.extend(found.iter().map(|policy| (policy.name.raw().to_owned(), document(policy))));
    }
    Ok(facts)
}

fn document(policy: &PolicyRecord) -> Value {
    serde_json::from_str(policy.document.as_deref().unwrap_or_default()).unwrap_or_default()
}

/// The document of a policy; `None` when there is no such policy.
pub(super) async fn policy_document(c: &Aws, policy: &str) -> Result<Option<Value>, Trouble> {
    Ok(cloud::policy(c, policy).await?.as_ref().map(document))
}

/// Fills in the hierarchies of the groups the things are in.
pub(super) async fn roots(c: &Aws, things: &mut [ThingFacts]) -> Result<(), Trouble> {
    let mut known: HashMap<Name, (Name, bool)> = HashMap::new();
    for of_thing in things.iter_mut().flat_map(|t| &mut t.groups) {
        let (root, dynamic) = match known.get(&of_thing.name) {
            Some(found) => found.clone(),
            None => {
                // Deleted a moment ago: then it stands in nobody's way.
                let Some(found) = cloud::describe_thing_group(c, of_thing.name.raw()).await? else {
                    continue;
                };
                let root = found.ancestors.first().unwrap_or(&of_thing.name).clone();
                let learnt = (root, found.dynamic_query.is_some());
                known.insert(of_thing.name.clone(), learnt.clone());
                learnt
            }
        };
        of_thing.root = root;
        of_thing.dynamic = dynamic;
    }
    Ok(())
}
