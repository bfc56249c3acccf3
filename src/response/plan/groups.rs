//! Plans about membership in any static thing group: no containment is claimed, only membership is proven.

use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::Level;
use super::draft::{Draft, listed};
use super::facts::{Facts, GroupFacts};
use super::isolate::obstacle;
use super::request::{Proof, Request, Work};

pub(super) fn join(draft: &mut Draft<'_>, facts: &Facts, group: &Name) {
    let Some(found) = usable(draft, facts, group) else { return };
    let isolation = draft.rules.quarantine_groups.contains(group);
    match (found.full_deny(), found.any_deny()) {
        (Some(policy), _) => draft.note(
            Level::Danger,
            format!(
                "{}policy {policy} of {} denies iot:* on *: the devices will be cut off; isolate would prove it",
                if isolation { "an isolation group: " } else { "" },
                group.raw()
            ),
        ),
        (None, Some(policy)) => draft.note(
            Level::Danger,
            format!(
                "{}policy {policy} of {} denies publishing or connecting: the devices will fall silent; isolate would prove it",
                if isolation { "an isolation group: " } else { "" },
                group.raw()
            ),
        ),
        (None, None) if isolation => {
            let policies: Vec<&str> = found.policies.iter().map(|(name, _)| name.as_str()).collect();
            let read = match policies.is_empty() {
                true => "it has no policy".to_owned(),
                false => format!("read: {}", policies.join(", ")),
            };
            draft.note(
                Level::Danger,
                format!(
                    "{} is listed as an isolation group and denies nothing ({read}): nobody in it is held back",
                    group.raw()
                ),
            );
        }
        (None, None) => {}
    }
    standing(draft, facts, group, "they get it as soon as they are in the group");
    for thing in facts.things.iter().filter(|t| t.registered) {
        let name = &thing.target.thing;
        if thing.groups.iter().any(|g| g.name == *group) {
            draft.note_of(Level::Info, name, format!("is already in {}", group.raw()));
            continue;
        }
        if let Some(obstacle) = obstacle(thing, found) {
            draft.note_of(Level::Danger, name, &obstacle);
            if facts.things.len() == 1 {
                draft.refuse(format!("{} {obstacle}", name.raw()));
            }
            continue;
        }
        let add = Request::AddToGroup { thing: name.clone(), group: group.clone() };
        let proof = Proof::Member { group: group.clone(), is: true };
        draft.work.push(Work::of(name.clone(), vec![add], proof));
    }
    if draft.work.is_empty() && draft.refused.is_none() {
        draft.nothing = Some(SafeText::new(&format!("every one of them is in {} already", group.raw())));
    }
    finish(draft, "ListThingGroupsForThing names it");
}

pub(super) fn leave(draft: &mut Draft<'_>, facts: &Facts, group: &Name) {
    let Some(found) = usable(draft, facts, group) else { return };
    if let Some(policy) = found.any_deny() {
        draft.note(
            Level::Warn,
            format!(
                "policy {policy} of {} denies: the devices will speak again; release would prove it and clear the flag",
                group.raw()
            ),
        );
    }
    standing(draft, facts, group, "what is still QUEUED for them is REMOVED");
    for thing in facts.things.iter().filter(|t| t.registered) {
        let name = &thing.target.thing;
        if !thing.groups.iter().any(|g| g.name == *group) {
            draft.note_of(Level::Info, name, format!("is not in {}", group.raw()));
            continue;
        }
        let remove = Request::RemoveFromGroup { thing: name.clone(), group: group.clone() };
        let proof = Proof::Member { group: group.clone(), is: false };
        draft.work.push(Work::of(name.clone(), vec![remove], proof));
    }
    if draft.work.is_empty() && draft.refused.is_none() {
        draft.nothing = Some(SafeText::new(&format!("none of them is in {}", group.raw())));
    }
    finish(draft, "ListThingGroupsForThing no longer names it");
}

fn usable<'f>(draft: &mut Draft<'_>, facts: &'f Facts, group: &Name) -> Option<&'f GroupFacts> {
    match &facts.group {
        Some(found) if !found.exists => {
            draft.refuse(format!("there is no thing group {}", group.raw()));
            None
        }
        Some(found) if found.dynamic => {
            let text = format!("{} is a dynamic group: it takes and loses no members by hand", group.raw());
            draft.nothing = Some(SafeText::new(&text));
            draft.refuse(text);
            None
        }
        Some(found) => Some(found),
        None => {
            draft.refuse("the group could not be read");
            None
        }
    }
}

/// A continuous job bound to the group acts on whoever joins: that is the point of such a group, and must be seen.
fn standing(draft: &mut Draft<'_>, facts: &Facts, group: &Name, what: &str) {
    if !facts.standing.is_empty() {
        let names: Vec<&Name> = facts.standing.iter().collect();
        draft.note(
            Level::Warn,
            format!("{} is the target of the continuous job {}: {what}", group.raw(), listed(&names)),
        );
    }
}

fn finish(draft: &mut Draft<'_>, proof: &str) {
    draft.prove(proof);
    let count = draft.work.len();
    draft.note(Level::Info, if count == 1 { "1 device".to_owned() } else { format!("{count} devices") });
}
