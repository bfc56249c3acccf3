//! Checks of certificates: shared, aged, expiring, weak keys.

use super::super::{Resource, ResourceIdentifier};
use super::{Draft, Outcome, Window, keys as quality, time};
use crate::account::Account;
use crate::api::authorities::Authority;
use crate::api::identity::{CertStatus, Certificate};

const DAY_MS: i64 = 86_400_000;

/// Days before its end from which a certificate counts as expiring, unless configured otherwise.
const EXPIRING_DAYS: i64 = 30;
/// Days after which a certificate is too old, unless configured otherwise.
const AGE_DAYS: i64 = 365;

fn device(account: &Account, id: &str) -> Resource {
    Resource::new("DEVICE_CERTIFICATE", ResourceIdentifier::device_certificate(id, &account.arn("cert", id)))
}

/// DEVICE_CERTIFICATE_SHARED_CHECK: a certificate used by several client ids, with them and their times.
pub(super) fn shared(account: &Account, window: Window) -> Outcome {
    let used = account.trail.certificates(window.from_ms);
    let state = account.read();
    let used: Vec<_> = used.into_iter().filter(|(id, _)| state.identity.certificate(id).is_some()).collect();
    let drafts = used
        .iter()
        .filter(|(_, seen)| seen.len() > 1)
        .map(|(id, seen)| Draft {
            resource: device(account, id),
            related: seen
                .iter()
                .map(|s| {
                    let client = Resource::new("CLIENT_ID", ResourceIdentifier::client(&s.client))
                        .with("CONNECT_TIME", time(s.connected_ms));
                    match s.disconnected_ms {
                        Some(at) => client.with("DISCONNECT_TIME", time(at)),
                        None => client,
                    }
                })
                .collect(),
            reason: format!(
                "Certificate shared by multiple devices: {} client IDs connected with it.",
                seen.len()
            ),
            code: "CERTIFICATE_SHARED_BY_MULTIPLE_DEVICES",
        })
        .collect();
    Outcome::Looked(used.len() as u64, drafts)
}

/// Looks at the device certificates that can authenticate, now or once they are transferred.
fn each(account: &Account, judge: impl Fn(&Certificate) -> Option<(&'static str, String)>) -> Outcome {
    let state = account.read();
    let (mut total, mut drafts) = (0, Vec::new());
    for (id, certificate) in state.identity.certificates() {
        if !matches!(certificate.status, CertStatus::Active | CertStatus::PendingTransfer) {
            continue;
        }
        total += 1;
        if let Some((code, reason)) = judge(certificate) {
            drafts.push(Draft { resource: device(account, id), related: Vec::new(), reason, code });
        }
    }
    Outcome::Looked(total, drafts)
}

fn expiry(not_after: i64, window: Window, days: i64) -> Option<(&'static str, String)> {
    let end = not_after.saturating_mul(1000);
    if end <= window.now_ms {
        Some(("CERTIFICATE_PAST_EXPIRATION", format!("Certificate expired on {}.", time(end))))
    } else if end <= window.now_ms + days * DAY_MS {
        Some(("CERTIFICATE_APPROACHING_EXPIRATION", format!("Certificate expires on {}.", time(end))))
    } else {
        None
    }
}

/// DEVICE_CERTIFICATE_EXPIRING_CHECK: within 30 days, or the configured number, or past its end.
pub(super) fn expiring(account: &Account, window: Window) -> Outcome {
    let days = account.read().audit.threshold(
        "DEVICE_CERTIFICATE_EXPIRING_CHECK",
        "CERT_EXPIRATION_THRESHOLD_IN_DAYS",
        EXPIRING_DAYS,
    );
    each(account, |c| expiry(c.not_after, window, days))
}

/// DEVICE_CERTIFICATE_AGE_CHECK: registered for as many days as configured, 365 by default.
pub(super) fn aged(account: &Account, window: Window) -> Outcome {
    let days = account.read().audit.threshold(
        "DEVICE_CERTIFICATE_AGE_CHECK",
        "CERT_AGE_THRESHOLD_IN_DAYS",
        AGE_DAYS,
    );
    each(account, |c| {
        let age = (window.now_ms - c.created_ms).max(0) / DAY_MS;
        (age >= days).then(|| {
            ("CERTIFICATE_PAST_AGE_THRESHOLD", format!("Certificate is {age} days old; {days} are allowed."))
        })
    })
}

/// DEVICE_CERTIFICATE_KEY_QUALITY_CHECK.
pub(super) fn keys(account: &Account, _: Window) -> Outcome {
    // Many keys are read without the account's lock.
    let active = |c: &Certificate| matches!(c.status, CertStatus::Active | CertStatus::PendingTransfer);
    let held: Vec<(String, String)> = {
        let state = account.read();
        let all = state.identity.certificates().filter(|(_, c)| active(c));
        all.map(|(id, c)| (id.to_owned(), c.pem.clone())).collect()
    };
    let weak = held.iter().filter_map(|(id, pem)| Some((id, quality::weakness(pem)?)));
    let drafts = weak.map(|(id, (code, reason))| Draft {
        resource: device(account, id),
        related: Vec::new(),
        reason,
        code,
    });
    Outcome::Looked(held.len() as u64, drafts.collect())
}

/// Looks at the CA certificates that are ACTIVE.
fn each_authority(
    account: &Account,
    judge: impl Fn(&Authority) -> Option<(&'static str, String)>,
) -> Outcome {
    let state = account.read();
    let (mut total, mut drafts) = (0, Vec::new());
    for (id, authority) in state.authorities.iter().filter(|(_, a)| a.active) {
        total += 1;
        if let Some((code, reason)) = judge(authority) {
            let resource = Resource::new("CA_CERTIFICATE", ResourceIdentifier::ca_certificate(id));
            drafts.push(Draft { resource, related: Vec::new(), reason, code });
        }
    }
    Outcome::Looked(total, drafts)
}

/// CA_CERTIFICATE_EXPIRING_CHECK: within 30 days, or past its end.
pub(super) fn ca_expiring(account: &Account, window: Window) -> Outcome {
    each_authority(account, |a| expiry(a.not_after, window, EXPIRING_DAYS))
}

/// CA_CERTIFICATE_KEY_QUALITY_CHECK.
pub(super) fn ca_keys(account: &Account, _: Window) -> Outcome {
    each_authority(account, |a| quality::weakness(&a.pem))
}
