//! What is attached to what: things to principals, policies to principals and groups.

use super::{Attached, Identity};
use crate::api::ApiError;

/// Policies of one principal.
const POLICIES_OF_A_PRINCIPAL: usize = 10;
/// Policies of one thing group.
const POLICIES_OF_A_GROUP: usize = 2;

/// What a policy can be attached to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A certificate id or Cognito identity id.
    Principal(String),
    /// A static thing group.
    Group(String),
}

impl Identity {
    /// The things a principal is attached to, in the order of their names; `true` marks an exclusive attachment.
    pub fn things_of(&self, principal: &str) -> Vec<(String, bool)> {
        let held = self.attached.get(principal);
        held.map(|a| a.things.iter().map(|(t, x)| (t.clone(), *x)).collect()).unwrap_or_default()
    }

    /// The principals attached to a thing: certificate ids or Cognito identity ids, in order.
    pub fn principals_of(&self, thing: &str) -> Vec<String> {
        self.by_thing.get(thing).into_iter().flatten().cloned().collect()
    }

    /// Is the principal attached to the thing?
    pub fn is_attached(&self, principal: &str, thing: &str) -> bool {
        self.attached.get(principal).is_some_and(|a| a.things.contains_key(thing))
    }

    /// The thing a principal belongs to exclusively.
    pub fn exclusive_thing(&self, principal: &str) -> Option<&str> {
        self.attached.get(principal)?.things.iter().find(|(_, x)| **x).map(|(t, _)| t.as_str())
    }

    /// The policies attached to a principal, in the order of attachment.
    pub fn policies_of(&self, principal: &str) -> &[String] {
        self.attached.get(principal).map_or(&[], |a| &a.policies)
    }

    /// The policies attached to a group itself, not to its ancestors.
    pub fn policies_of_group(&self, group: &str) -> &[String] {
        self.group_policies.get(group).map_or(&[], |p| p)
    }

    /// What a policy is attached to, in order.
    pub fn targets_of(&self, policy: &str) -> impl Iterator<Item = &Target> {
        self.by_policy.get(policy).into_iter().flatten()
    }

    /// AttachThingPrincipal; idempotent. That both exist is the caller's to check. `exclusive: None` keeps what was.
    pub fn attach_thing(
        &mut self,
        principal: &str,
        thing: &str,
        exclusive: Option<bool>,
    ) -> Result<(), ApiError> {
        let mut held = self.attached.get(principal).cloned().unwrap_or_default();
        let others = |a: &Attached| a.things.keys().any(|t| t != thing);
        if exclusive == Some(true) && others(&held) {
            return Err(ApiError::invalid(
                "Principal is already attached to another thing and cannot be attached exclusively",
            ));
        }
        if let Some((other, _)) = held.things.iter().find(|(t, x)| **x && t.as_str() != thing) {
            return Err(ApiError::invalid(format!("Principal is exclusively attached to thing {other}")));
        }
        if let Some(kept) = held.things.get(thing)
            && exclusive.is_some_and(|x| x != *kept)
        {
            return Err(ApiError::invalid(format!(
                "Principal is already attached to thing {thing} with another thingPrincipalType"
            )));
        }
        held.things.entry(thing.to_owned()).or_insert(exclusive.unwrap_or(false));
        self.attached.put(principal, held);
        self.by_thing.entry(thing.to_owned()).or_default().insert(principal.to_owned());
        Ok(())
    }

    /// DetachThingPrincipal; false when it was not attached.
    pub fn detach_thing(&mut self, principal: &str, thing: &str) -> bool {
        if !self.is_attached(principal, thing) {
            return false;
        }
        self.attached.update(principal, |a| a.things.remove(thing));
        self.tidy(principal);
        if let Some(principals) = self.by_thing.get_mut(thing) {
            principals.remove(principal);
        }
        true
    }

    /// AttachPolicy; idempotent. That the target exists and a group is static is the caller's to check.
    pub fn attach_policy(&mut self, policy: &str, target: &Target) -> Result<(), ApiError> {
        self.require_policy(policy)?;
        let (held, most) = match target {
            Target::Principal(p) => (self.policies_of(p), POLICIES_OF_A_PRINCIPAL),
            Target::Group(g) => (self.policies_of_group(g), POLICIES_OF_A_GROUP),
        };
        if held.iter().any(|p| p == policy) {
            return Ok(());
        }
        if held.len() >= most {
            return Err(ApiError::limit(format!(
                "The number of policies attached to the target is at its limit of {most}"
            )));
        }
        match target {
            Target::Principal(p) => {
                let mut attached = self.attached.get(p).cloned().unwrap_or_default();
                attached.policies.push(policy.to_owned());
                self.attached.put(p, attached);
            }
            Target::Group(g) => {
                let mut policies = self.policies_of_group(g).to_vec();
                policies.push(policy.to_owned());
                self.group_policies.put(g, policies);
            }
        }
        self.by_policy.entry(policy.to_owned()).or_default().insert(target.clone());
        Ok(())
    }

    /// DetachPolicy; false when it was not attached.
    pub fn detach_policy(&mut self, policy: &str, target: &Target) -> bool {
        let was = self.by_policy.get_mut(policy).is_some_and(|t| t.remove(target));
        if was {
            match target {
                Target::Principal(p) => {
                    self.attached.update(p, |a| a.policies.retain(|held| held != policy));
                    self.tidy(p);
                }
                Target::Group(g) => {
                    self.group_policies.update(g, |held| held.retain(|p| p != policy));
                    if self.policies_of_group(g).is_empty() {
                        self.group_policies.remove(g);
                    }
                }
            }
        }
        was
    }

    /// Forgets the policies of a group that is gone.
    pub fn drop_group(&mut self, group: &str) {
        for policy in self.policies_of_group(group).to_vec() {
            self.detach_policy(&policy, &Target::Group(group.to_owned()));
        }
    }

    fn tidy(&mut self, principal: &str) {
        if self.attached.get(principal).is_some_and(|a| a.things.is_empty() && a.policies.is_empty()) {
            self.attached.remove(principal);
        }
    }
}
