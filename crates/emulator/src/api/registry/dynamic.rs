//! Who is in which dynamic group. Worked out from queries by fleet indexing, never stored: a restart works it out anew.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::membership::GROUPS_OF_A_THING;
use super::{MembershipChange, Registry};

/// The dynamic side of memberships.
#[derive(Default)]
pub(super) struct Dynamic {
    /// Thing → its dynamic groups.
    of: HashMap<String, BTreeSet<String>>,
    /// Groups whose members are known.
    built: HashSet<String>,
    /// Groups whose members were known for another query.
    rebuilding: HashSet<String>,
    /// Groups made in this process: their first members join, those of older groups only come back.
    fresh: HashSet<String>,
}

impl Registry {
    /// The dynamic groups a thing is in, in order.
    pub fn dynamic_groups_of(&self, thing: &str) -> impl Iterator<Item = &str> {
        self.dynamic.of.get(thing).into_iter().flatten().map(String::as_str)
    }

    /// A dynamic group's `status`.
    pub(super) fn dynamic_status(&self, group: &str) -> &'static str {
        if self.dynamic.rebuilding.contains(group) {
            "REBUILDING"
        } else if self.dynamic.built.contains(group) {
            "ACTIVE"
        } else {
            "BUILDING"
        }
    }

    /// A dynamic group was made.
    pub(super) fn dynamic_made(&mut self, group: &str) {
        if !self.dynamic.built.contains(group) {
            self.dynamic.fresh.insert(group.to_owned());
        }
    }

    /// A dynamic group has another query now.
    pub(super) fn dynamic_changed(&mut self, group: &str) {
        if self.dynamic.built.contains(group) {
            self.dynamic.rebuilding.insert(group.to_owned());
        }
    }

    /// A dynamic group, or a thing, is gone; a thing's memberships are given.
    pub(super) fn dynamic_gone(&mut self, group: Option<&str>, thing: Option<&str>) -> BTreeSet<String> {
        if let Some(group) = group {
            self.dynamic.of.retain(|_, groups| {
                groups.remove(group);
                !groups.is_empty()
            });
            self.dynamic.built.remove(group);
            self.dynamic.rebuilding.remove(group);
            self.dynamic.fresh.remove(group);
        }
        let groups = thing.and_then(|t| self.dynamic.of.remove(t)).unwrap_or_default();
        for group in &groups {
            if let (Some(members), Some(thing)) = (self.members.get_mut(group), thing) {
                members.remove(thing);
            }
        }
        groups
    }

    /// Sets who is in a dynamic group, as far as things have room for one group more; gives what changed. Nothing happens when
    /// the group or its query is not what was looked at.
    pub fn set_dynamic_members(
        &mut self,
        group: &str,
        query: &str,
        found: &BTreeSet<String>,
    ) -> Vec<MembershipChange> {
        if self.groups.get(group).and_then(|g| g.dynamic.as_ref()).is_none_or(|d| d.query != query) {
            return Vec::new();
        }
        let before: BTreeSet<String> = self.things_in(group).map(str::to_owned).collect();
        let mut changes = Vec::new();
        for thing in before.difference(found) {
            changes.extend(self.dynamic_leave(thing, group));
        }
        for thing in found.difference(&before) {
            let Some(held) = self.things.get(thing) else { continue };
            if held.groups.len() + self.dynamic_groups_of(thing).count() >= GROUPS_OF_A_THING {
                continue;
            }
            changes.push(MembershipChange {
                thing: thing.clone(),
                thing_id: held.id.clone(),
                group: group.to_owned(),
                added: true,
            });
            self.dynamic.of.entry(thing.clone()).or_default().insert(group.to_owned());
            self.members.entry(group.to_owned()).or_default().insert(thing.clone());
        }
        self.dynamic.rebuilding.remove(group);
        let first = self.dynamic.built.insert(group.to_owned());
        if first && !self.dynamic.fresh.remove(group) {
            changes.clear();
        }
        changes
    }

    fn dynamic_leave(&mut self, thing: &str, group: &str) -> Option<MembershipChange> {
        self.members.get_mut(group)?.remove(thing);
        if let Some(groups) = self.dynamic.of.get_mut(thing) {
            groups.remove(group);
            if groups.is_empty() {
                self.dynamic.of.remove(thing);
            }
        }
        Some(MembershipChange {
            thing: thing.to_owned(),
            thing_id: self.things.get(thing)?.id.clone(),
            group: group.to_owned(),
            added: false,
        })
    }

    /// Takes a thing that is in as many groups as can be out of its most recently created dynamic one, if it has any, so that
    /// it can join `group`.
    pub(super) fn make_room(&mut self, thing: &str, group: &str) -> Option<MembershipChange> {
        let held = self.things.get(thing)?;
        let full = held.groups.len() + self.dynamic_groups_of(thing).count() >= GROUPS_OF_A_THING;
        if !full || self.is_dynamic(group) || self.is_member(thing, group) {
            return None;
        }
        let created = |g: &&str| self.groups.get(g).map_or(0, |g| g.created_ms);
        let newest = self.dynamic_groups_of(thing).max_by_key(created)?.to_owned();
        self.dynamic_leave(thing, &newest)
    }
}
