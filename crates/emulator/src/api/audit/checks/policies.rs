//! Checks of IoT policies: what the document in force allows too much, or denies in vain.

use quell_rules::policy::{Document, audit};

use super::super::{Resource, ResourceIdentifier};
use super::{Draft, Outcome, Window};
use crate::account::Account;

fn each(account: &Account, look: impl Fn(&Document) -> Option<(&'static str, String)>) -> Outcome {
    let state = account.read();
    let (mut total, mut drafts) = (0, Vec::new());
    for (name, policy) in state.identity.policies() {
        total += 1;
        let Ok(document) = Document::parse(policy.document()) else { continue };
        if let Some((code, reason)) = look(&document) {
            let resource = Resource::new("IOT_POLICY", ResourceIdentifier::policy(name, policy.default));
            drafts.push(Draft { resource, related: Vec::new(), reason, code });
        }
    }
    Outcome::Looked(total, drafts)
}

/// IOT_POLICY_OVERLY_PERMISSIVE_CHECK.
pub(super) fn permissive(account: &Account, _: Window) -> Outcome {
    each(account, |document| {
        let broad = audit::broad_access(document);
        (!broad.is_empty()).then(|| {
            let reason =
                format!("Policy allows broad access to IoT data plane actions: [{}].", broad.join(", "));
            ("ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS", reason)
        })
    })
}

/// IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK.
pub(super) fn misconfigured(account: &Account, _: Window) -> Outcome {
    each(account, |document| {
        if let Some(resource) = audit::mqtt_wildcard_in_deny(document) {
            let reason =
                format!("A deny statement holds an MQTT wildcard, which is no wildcard there: {resource}.");
            return Some(("POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT", reason));
        }
        audit::deny_evaded_by_filter(document).map(|(denied, filter)| {
            let reason = format!("Topic filters meant to be denied ({denied}) are allowed through {filter}.");
            ("TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS", reason)
        })
    })
}
