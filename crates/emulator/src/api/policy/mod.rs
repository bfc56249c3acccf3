//! IoT policies in an account: inheritance, and the cache of 6 to 8 minutes (docs/aws-iot.md#4.3). What a document says and
//! decides is [`quell_rules::policy`]'s.
//!
//! * `effective.rs`: which documents govern a principal, and its context.
//! * `cache.rs`: how long a connection lives with the documents it once loaded.

mod cache;
mod effective;

pub use cache::PolicyCache;
pub use effective::{bind, context_of, effective_policies};

use crate::account::{Account, State};
use crate::broker::{Action, Session};

impl Action {
    /// The action's name in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "iot:Connect",
            Self::Publish => "iot:Publish",
            Self::RetainPublish => "iot:RetainPublish",
            Self::Subscribe => "iot:Subscribe",
            Self::Receive => "iot:Receive",
        }
    }

    /// The kind of resource it is decided on, as in its ARN.
    pub fn resource_kind(self) -> &'static str {
        match self {
            Self::Connect => "client",
            Self::Subscribe => "topicfilter",
            Self::Publish | Self::RetainPublish | Self::Receive => "topic",
        }
    }
}

/// Decides one action of one session, from the policies cached for it. `resource` is the bare client id, topic or
/// filter.
pub fn authorize(account: &Account, session: &Session, action: Action, resource: &str) -> bool {
    account.policies.authorize(account, session, action, resource, std::time::Instant::now())
}

/// Decides an HTTPS request: every action on its resource, an ARN, must be allowed.
pub(super) fn authorize_request(account: &Account, device: &Session, needed: &[(String, String)]) -> bool {
    let bound = account.policies.of_request(account, device, std::time::Instant::now());
    needed.iter().all(|(action, resource)| bound.allows(action, resource))
}

/// Whether the policies of a certificate allow `iot:AssumeRoleWithCertificate` on a role alias, as they are now: for the
/// thing the request names, if any.
pub(super) fn may_assume(
    state: &State,
    device: &Session,
    thing: Option<&str>,
    alias_arn: &str,
    now_ms: i64,
) -> bool {
    let principal = device.principal.identifier();
    let effective = effective_policies(state, principal, thing);
    let context = context_of(state, principal, None, effective.thing.as_deref(), Some(device.ip), now_ms);
    bind(&effective.policies, &context).allows("iot:AssumeRoleWithCertificate", alias_arn)
}

/// Whether a session would be let in and heard on `topic`, by its policies as they are now: nothing of it is cached.
pub(crate) fn may_speak(account: &Account, session: &Session, topic: &str) -> bool {
    let bound = effective::load(&account.read(), session, account.clock.now_ms());
    let allows = |action: Action, resource: &str| {
        bound.allows(action.name(), &account.arn(action.resource_kind(), resource))
    };
    allows(Action::Connect, &session.client_id) && allows(Action::Publish, topic)
}

/// A session ended: its documents serve its client id for a short while more, then are forgotten.
pub fn forget(account: &Account, session: &Session) {
    account.policies.forget(account, session, std::time::Instant::now());
}

#[cfg(test)]
mod tests;
