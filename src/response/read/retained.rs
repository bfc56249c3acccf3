//! Reads the retained messages that a plan would clear.

use crate::cloud::Aws;
use crate::cloud::read_left::{self, RetainedRecord};
use crate::response::plan::facts::ThingFacts;
use crate::response::rules::Rules;
use crate::response::sweep::Own;
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::Name;

/// The retained messages on the topics of `things`, and on the `topics` named directly.
pub(super) async fn of(
    c: &Aws,
    rules: &Rules,
    things: &[ThingFacts],
    topics: &[String],
) -> Result<Vec<(Option<Name>, RetainedRecord)>, Trouble> {
    let mut found: Vec<(Option<Name>, RetainedRecord)> = Vec::new();
    let mut add = |thing: Option<&Name>, one: RetainedRecord| {
        if !found.iter().any(|(_, known)| known.topic == one.topic) {
            found.push((thing.cloned(), one));
        }
    };
    for topic in topics {
        if let Some(one) = read_left::retained_on(c, topic).await? {
            add(None, one);
        }
    }
    if things.is_empty() {
        return Ok(found);
    }
    let list = match read_left::retained(c).await {
        Ok(list) => list,
        // Whoever may not list may still ask for the topics it was heard on.
        Err(trouble) if trouble.kind == TroubleKind::Denied => {
            let mut list = Vec::new();
            for topic in things.iter().flat_map(|thing| &thing.target.topics) {
                list.extend(read_left::retained_on(c, topic).await?);
            }
            if list.is_empty() {
                return Err(trouble);
            }
            list
        }
        Err(trouble) => return Err(trouble),
    };
    for thing in things {
        let clients = thing.client_ids();
        let own = Own { thing: &thing.target.thing, topics: &thing.target.topics, clients: &clients };
        for one in list.iter().filter(|one| own.is(rules, &one.topic)) {
            add(Some(&thing.target.thing), one.clone());
        }
    }
    Ok(found)
}
