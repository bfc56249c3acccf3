//! The seventeen checks of Device Defender Audit and what each finds (docs/aws-iot.md#2.5).
//!
//! * `certificates.rs`: sharing, age, expiry and key quality. `policies.rs`: what IoT policies allow.
//!
//! A check that would need what the emulator does not have (revocation lists, Cognito, IAM) says so: it never claims that
//! anything complies which it did not look at.

mod certificates;
mod keys;
mod policies;

use super::{Resource, ResourceIdentifier};
use crate::account::Account;
use crate::api::ApiError;
use crate::broker::Principal;

/// How far on-demand audits look back at connections: 31 days, in milliseconds.
pub(super) const LOOK_BACK_MS: i64 = 31 * 86_400_000;

/// Something a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What does not comply.
    pub resource: Resource,
    /// What has to do with it.
    pub related: Vec<Resource>,
    /// Why, in words.
    pub reason: String,
    /// Why, as one of AWS's codes.
    pub code: &'static str,
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It looked at so many resources; these do not comply.
    Looked(u64, Vec<Draft>),
    /// It cannot be done here, for this reason.
    Cannot(&'static str),
}

/// When a check runs and how far back it looks, in epoch milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Connections before are not considered.
    pub from_ms: i64,
    /// Now.
    pub now_ms: i64,
}

/// One kind of check.
pub struct Check {
    /// AWS's name.
    pub name: &'static str,
    /// `CRITICAL`, `HIGH`, `MEDIUM` or `LOW`.
    pub severity: &'static str,
    /// The `resourceType` of its findings.
    pub resource_type: &'static str,
    look: fn(&Account, Window) -> Outcome,
}

impl Check {
    /// Looks at the account as it is now. Takes the account's lock itself.
    pub fn look(&self, account: &Account, window: Window) -> Outcome {
        (self.look)(account, window)
    }
}

const fn check(
    name: &'static str,
    severity: &'static str,
    resource_type: &'static str,
    look: fn(&Account, Window) -> Outcome,
) -> Check {
    Check { name, severity, resource_type, look }
}

/// All checks.
pub static CHECKS: [Check; 17] = [
    check(
        "AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK",
        "CRITICAL",
        "COGNITO_IDENTITY_POOL",
        no_cognito,
    ),
    check("CA_CERTIFICATE_EXPIRING_CHECK", "MEDIUM", "CA_CERTIFICATE", certificates::ca_expiring),
    check("CA_CERTIFICATE_KEY_QUALITY_CHECK", "CRITICAL", "CA_CERTIFICATE", certificates::ca_keys),
    check("CONFLICTING_CLIENT_IDS_CHECK", "HIGH", "CLIENT_ID", conflicting_clients),
    check("DEVICE_CERTIFICATE_AGE_CHECK", "LOW", "DEVICE_CERTIFICATE", certificates::aged),
    check("DEVICE_CERTIFICATE_EXPIRING_CHECK", "MEDIUM", "DEVICE_CERTIFICATE", certificates::expiring),
    check("DEVICE_CERTIFICATE_KEY_QUALITY_CHECK", "CRITICAL", "DEVICE_CERTIFICATE", certificates::keys),
    check("DEVICE_CERTIFICATE_SHARED_CHECK", "CRITICAL", "DEVICE_CERTIFICATE", certificates::shared),
    check(
        "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK",
        "CRITICAL",
        "ISSUER_CERTIFICATE",
        no_revocation_lists,
    ),
    check("IOT_POLICY_OVERLY_PERMISSIVE_CHECK", "CRITICAL", "IOT_POLICY", policies::permissive),
    check("IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK", "MEDIUM", "IOT_POLICY", policies::misconfigured),
    check("IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK", "MEDIUM", "ROLE_ALIAS", no_roles),
    check("IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK", "CRITICAL", "ROLE_ALIAS", no_roles),
    check("LOGGING_DISABLED_CHECK", "LOW", "ACCOUNT_SETTINGS", logging_disabled),
    check("REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK", "CRITICAL", "CA_CERTIFICATE", no_revocation_lists),
    check(
        "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK",
        "MEDIUM",
        "DEVICE_CERTIFICATE",
        no_revocation_lists,
    ),
    check(
        "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK",
        "CRITICAL",
        "COGNITO_IDENTITY_POOL",
        no_cognito,
    ),
];

/// The check of that name.
pub fn find(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|c| c.name == name)
}

/// The check of that name, or AWS's refusal.
pub fn require(name: &str) -> Result<&'static Check, ApiError> {
    find(name).ok_or_else(|| ApiError::invalid(format!("{name} is not an audit check")))
}

fn no_cognito(_: &Account, _: Window) -> Outcome {
    Outcome::Cannot("Amazon Cognito identity pools and their roles are not emulated, so nothing was checked.")
}

fn no_roles(_: &Account, _: Window) -> Outcome {
    Outcome::Cannot("IAM roles and role aliases are not emulated, so nothing was checked.")
}

fn no_revocation_lists(_: &Account, _: Window) -> Outcome {
    Outcome::Cannot("Certificate revocation lists of issuers are not read here, so nothing was checked.")
}

/// CONFLICTING_CLIENT_IDS_CHECK: client ids whose connection another one took.
fn conflicting_clients(account: &Account, window: Window) -> Outcome {
    let mut drafts: Vec<Draft> = Vec::new();
    for takeover in account.trail.takeovers(window.from_ms) {
        let id = ResourceIdentifier::client(&takeover.client);
        let related = match &takeover.principal {
            Principal::Certificate(certificate) => Resource::new(
                "DEVICE_CERTIFICATE",
                ResourceIdentifier::device_certificate(certificate, &account.arn("cert", certificate)),
            ),
            other => Resource::new("CLIENT_ID", id.clone()).with("PRINCIPAL_ID", other.identifier()),
        }
        .with("DISCONNECT_TIME", time(takeover.at_ms));
        match drafts.iter_mut().find(|d| d.resource.resource_identifier == id) {
            Some(draft) => draft.related.push(related),
            None => drafts.push(Draft {
                resource: Resource::new("CLIENT_ID", id),
                related: vec![related],
                reason: "Several connections used the client ID; each took it from the one before."
                    .to_owned(),
                code: "DUPLICATE_CLIENT_ID_ACROSS_CONNECTIONS",
            }),
        }
    }
    Outcome::Looked(account.trail.clients(window.from_ms) as u64, drafts)
}

/// LOGGING_DISABLED_CHECK: neither the old nor the new logging options are on.
fn logging_disabled(account: &Account, _: Window) -> Outcome {
    if account.read().logging.is_on() {
        return Outcome::Looked(1, Vec::new());
    }
    let draft = Draft {
        resource: Resource::new("ACCOUNT_SETTINGS", ResourceIdentifier::account(&account.id)),
        related: Vec::new(),
        reason: "AWS IoT logs are not written to Amazon CloudWatch.".to_owned(),
        code: "LOGGING_DISABLED",
    };
    Outcome::Looked(1, vec![draft])
}

/// Epoch milliseconds as people read them.
fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|t| t.to_string()).unwrap_or_default()
}
