//! Certificates, policies and what is attached to what (docs/aws-iot.md#2.4, #4.3).
//!
//! * `certificates.rs`, `policies.rs`, `attachments.rs`: the store and its rules, also used by start-up seeding.
//! * `issue.rs`: makes keys and certificates.
//! * `http_*.rs`: the operations, thin.

mod attachments;
mod certificates;
mod claims;
pub mod http_attachments;
pub mod http_certificates;
pub mod http_policies;
pub mod issue;
mod policies;
pub mod routes;
pub mod transfer;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

pub use attachments::Target;
pub use certificates::{CertStatus, Certificate, certificate_id_of, set_certificate_status};
pub use claims::Claim;
pub use policies::Policy;

use super::arn::Arns;
use crate::account::Account;
use crate::store::{Table, Wal};

/// What is attached to one principal: a certificate id (64 hexadecimal digits) or a Cognito identity id.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
struct Attached {
    /// Thing → attached exclusively?
    #[serde(default)]
    things: BTreeMap<String, bool>,
    /// Policies in the order of attachment.
    #[serde(default)]
    policies: Vec<String>,
}

/// Certificates, policies and what is attached to what.
///
/// A *principal* is named by its certificate id or Cognito identity id here; ARNs are the HTTP side's business.
pub struct Identity {
    arns: Arns,
    certificates: Table<Certificate>,
    /// By certificate id. Nothing of it is kept: a claim lasts minutes.
    claims: HashMap<String, Claim>,
    policies: Table<Policy>,
    attached: Table<Attached>,
    group_policies: Table<Vec<String>>,
    /// Thing → its principals. Derived from `attached`.
    by_thing: HashMap<String, BTreeSet<String>>,
    /// Policy → its targets. Derived from `attached` and `group_policies`.
    by_policy: HashMap<String, BTreeSet<Target>>,
}

impl Identity {
    /// What `wal` held.
    pub fn open(wal: &Wal, arns: Arns) -> Self {
        let mut identity = Self {
            arns,
            certificates: Table::open(wal, "certificates"),
            claims: HashMap::new(),
            policies: Table::open(wal, "policies"),
            attached: Table::open(wal, "attached"),
            group_policies: Table::open(wal, "group-policies"),
            by_thing: HashMap::new(),
            by_policy: HashMap::new(),
        };
        for (principal, attached) in identity.attached.iter() {
            for thing in attached.things.keys() {
                identity.by_thing.entry(thing.clone()).or_default().insert(principal.to_owned());
            }
            for policy in &attached.policies {
                let target = Target::Principal(principal.to_owned());
                identity.by_policy.entry(policy.clone()).or_default().insert(target);
            }
        }
        for (group, policies) in identity.group_policies.iter() {
            for policy in policies {
                identity.by_policy.entry(policy.clone()).or_default().insert(Target::Group(group.to_owned()));
            }
        }
        identity
    }
}

/// True when the certificate is registered and ACTIVE, the only status that can authenticate, or a claim that is still good.
pub fn is_active(account: &Account, certificate_id: &str) -> bool {
    let state = account.read();
    state.identity.certificate(certificate_id).is_some_and(|c| c.status == CertStatus::Active)
        || state.identity.claimed(certificate_id).is_some_and(|claim| claim.until_ms > account.clock.now_ms())
}

#[cfg(test)]
mod tests;
