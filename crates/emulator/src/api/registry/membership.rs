//! Who is in which group (docs/aws-iot.md#4.4), and what a change of that sets off: continuous jobs and membership events.

use std::collections::BTreeSet;

use super::Registry;
use crate::account::Account;
use crate::api::{ApiError, jobs};

/// Groups a thing may be in.
pub(super) const GROUPS_OF_A_THING: usize = 10;

/// One thing that joined or left one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipChange {
    /// The thing.
    pub thing: String,
    /// Its id, which outlives the row of a deleted thing.
    pub thing_id: String,
    /// The group.
    pub group: String,
    /// Joined (true) or left.
    pub added: bool,
}

impl Registry {
    /// The static groups `thing` is directly in, in the order of joining; empty for an unknown thing.
    pub fn groups_of(&self, thing: &str) -> &[String] {
        self.things.get(thing).map_or(&[], |t| &t.groups)
    }

    /// The groups whose policies, jobs and profiles reach `thing`: those it is in, dynamic ones too, and all their ancestors.
    pub fn all_groups_of(&self, thing: &str) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for group in self.groups_of(thing) {
            out.extend(self.ancestors(group));
            out.insert(group.clone());
        }
        out.extend(self.dynamic_groups_of(thing).map(str::to_owned));
        out
    }

    /// The direct members of `group`, in the order of their names.
    pub fn things_in(&self, group: &str) -> impl Iterator<Item = &str> {
        self.members.get(group).into_iter().flatten().map(String::as_str)
    }

    /// The members of `group` and of every group below it.
    pub fn things_under(&self, group: &str) -> BTreeSet<String> {
        let mut out: BTreeSet<String> = self.things_in(group).map(str::to_owned).collect();
        for child in self.descendants(group) {
            out.extend(self.things_in(&child).map(str::to_owned));
        }
        out
    }

    /// True when `thing` is directly in `group`.
    pub fn is_member(&self, thing: &str, group: &str) -> bool {
        self.members.get(group).is_some_and(|m| m.contains(thing))
    }

    /// Adds a thing to a static group; `None` when it already was there. That [`Registry::make_room`] gave up a dynamic group
    /// in an eleventh group's favour, as `override_dynamic` asks, is the caller's to see to.
    pub fn join_group(
        &mut self,
        thing: &str,
        group: &str,
        override_dynamic: bool,
    ) -> Result<Option<MembershipChange>, ApiError> {
        self.require_group(group)?;
        let held = self.require_thing(thing)?;
        if self.is_dynamic(group) {
            return Err(ApiError::invalid(format!("Cannot add thing to dynamic thing group {group}")));
        }
        if self.is_member(thing, group) {
            return Ok(None);
        }
        let root = self.root_of(group);
        if let Some(other) = held.groups.iter().find(|g| self.root_of(g) == root) {
            return Err(ApiError::invalid(format!(
                "Thing {thing} cannot be added to thing group {group}: it is already in thing group {other} of the same \
                 hierarchy"
            )));
        }
        if held.groups.len() + self.dynamic_groups_of(thing).count() >= GROUPS_OF_A_THING {
            let more =
                if override_dynamic { ", and there is no dynamic thing group to override" } else { "" };
            return Err(ApiError::invalid(format!(
                "Thing {thing} is already in the maximum number of {GROUPS_OF_A_THING} thing groups{more}"
            )));
        }
        let thing_id = self.things.update(thing, |t| {
            t.groups.push(group.to_owned());
            t.id.clone()
        });
        self.members.entry(group.to_owned()).or_default().insert(thing.to_owned());
        Ok(Some(MembershipChange {
            thing: thing.to_owned(),
            thing_id: thing_id.unwrap_or_default(),
            group: group.to_owned(),
            added: true,
        }))
    }

    /// Removes a thing from a static group; `None` when it was not in it, or there is no such group.
    pub fn leave_group(&mut self, thing: &str, group: &str) -> Result<Option<MembershipChange>, ApiError> {
        self.require_thing(thing)?;
        if self.is_dynamic(group) {
            return Err(ApiError::invalid(format!("Cannot remove thing from dynamic thing group {group}")));
        }
        if !self.is_member(thing, group) {
            return Ok(None);
        }
        let thing_id = self.things.update(thing, |t| {
            t.groups.retain(|g| g != group);
            t.id.clone()
        });
        if let Some(members) = self.members.get_mut(group) {
            members.remove(thing);
        }
        Ok(Some(MembershipChange {
            thing: thing.to_owned(),
            thing_id: thing_id.unwrap_or_default(),
            group: group.to_owned(),
            added: false,
        }))
    }
}

/// Adds a thing to a group and tells whom it concerns. Takes the account's lock itself.
pub fn add_to_group(
    account: &Account,
    thing: &str,
    group: &str,
    override_dynamic: bool,
) -> Result<(), ApiError> {
    let (dropped, joined) = {
        let mut state = account.write();
        let room = if override_dynamic { state.registry.make_room(thing, group) } else { None };
        (room, state.registry.join_group(thing, group, override_dynamic))
    };
    announce(account, dropped.as_slice());
    announce(account, joined?.as_slice());
    Ok(())
}

/// Removes a thing from a group and tells whom it concerns. Takes the account's lock itself.
pub fn remove_from_group(account: &Account, thing: &str, group: &str) -> Result<(), ApiError> {
    let change = account.write().registry.leave_group(thing, group)?;
    announce(account, change.as_slice());
    Ok(())
}

/// Tells jobs and, when THING_GROUP_MEMBERSHIP events are on, subscribers about changes already made. The account's lock
/// must not be held.
pub fn announce(account: &Account, changes: &[MembershipChange]) {
    for change in changes {
        jobs::on_membership(account, &change.thing, &change.group, change.added);
        super::events::membership(account, change);
    }
}
