//! Certificates: registration and the state machine of docs/aws-iot.md#4.3.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Identity;
use crate::account::Account;
use crate::api::ApiError;
use crate::api::registry::uuid;

/// How long AWS takes to disconnect the sessions of a certificate that left ACTIVE: "a few minutes".
const CERTIFICATE_OFF: Duration = Duration::from_secs(120);

/// AWS's certificate statuses.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CertStatus {
    /// Can authenticate.
    Active,
    /// Switched off; can be switched on again.
    Inactive,
    /// Off for good.
    Revoked,
    /// On its way to another account.
    PendingTransfer,
    /// Registered by its CA, never switched on.
    RegisterInactive,
    /// Registered just in time, not yet switched on.
    PendingActivation,
}

impl CertStatus {
    /// All of them, as they appear on the wire.
    pub const NAMES: [&'static str; 6] =
        ["ACTIVE", "INACTIVE", "REVOKED", "PENDING_TRANSFER", "REGISTER_INACTIVE", "PENDING_ACTIVATION"];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Revoked => "REVOKED",
            Self::PendingTransfer => "PENDING_TRANSFER",
            Self::RegisterInactive => "REGISTER_INACTIVE",
            Self::PendingActivation => "PENDING_ACTIVATION",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "ACTIVE" => Self::Active,
            "INACTIVE" => Self::Inactive,
            "REVOKED" => Self::Revoked,
            "PENDING_TRANSFER" => Self::PendingTransfer,
            "REGISTER_INACTIVE" => Self::RegisterInactive,
            "PENDING_ACTIVATION" => Self::PendingActivation,
            _ => return None,
        })
    }
}

/// A registered certificate. Its id is its key.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Certificate {
    /// The certificate in PEM.
    pub pem: String,
    /// Its status.
    pub status: CertStatus,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// Epoch milliseconds.
    pub modified_ms: i64,
    /// Grows with each change of status.
    pub customer_version: i64,
    /// A UUID.
    pub generation_id: String,
    /// Validity, epoch seconds.
    pub not_before: i64,
    /// Validity, epoch seconds.
    pub not_after: i64,
    /// True for `SNI_ONLY` (registered without a CA), false for `DEFAULT`.
    pub sni_only: bool,
    /// SHA-256 of the CA certificate's DER, when it was registered with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_id: Option<String>,
    /// The transfer to another account it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<super::transfer::Transfer>,
}

/// The AWS certificate id of a DER certificate: its SHA-256 in hexadecimal.
pub fn certificate_id_of(der: &[u8]) -> String {
    hex::encode(Sha256::digest(der))
}

/// The DER of the first certificate in a PEM text.
pub(super) fn der_of(pem: &str) -> Result<Vec<u8>, ApiError> {
    let refuse = || ApiError::new(400, "CertificateValidationException", "Failed to parse certificate PEM");
    let (_, parsed) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|_| refuse())?;
    if parsed.label != "CERTIFICATE" {
        return Err(refuse());
    }
    Ok(parsed.contents)
}

impl Identity {
    /// The certificate of that id.
    pub fn certificate(&self, id: &str) -> Option<&Certificate> {
        self.certificates.get(id)
    }

    /// The certificate of that id, or AWS's refusal.
    pub fn require_certificate(&self, id: &str) -> Result<&Certificate, ApiError> {
        self.certificate(id).ok_or_else(|| ApiError::not_found(format!("CertificateId {id} does not exist")))
    }

    /// All certificates in the order of their ids.
    pub fn certificates(&self) -> impl DoubleEndedIterator<Item = (&str, &Certificate)> {
        self.certificates.iter()
    }

    /// Registers a certificate; gives its id. 409 when it is registered already.
    pub fn register_certificate(
        &mut self,
        pem: &str,
        status: CertStatus,
        sni_only: bool,
        ca_pem: Option<&str>,
        now_ms: i64,
    ) -> Result<String, ApiError> {
        let der = der_of(pem)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|_| {
            ApiError::new(400, "CertificateValidationException", "Failed to parse certificate")
        })?;
        let id = certificate_id_of(&der);
        if self.certificates.contains(&id) {
            return Err(ApiError::already_exists(
                format!("The certificate is already provisioned or registered: {id}"),
                &id,
                &self.arns.iot("cert", &id),
            ));
        }
        let certificate = Certificate {
            pem: pem.to_owned(),
            status,
            created_ms: now_ms,
            modified_ms: now_ms,
            customer_version: 1,
            generation_id: uuid(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            sni_only,
            transfer: None,
            ca_id: ca_pem.map(|p| der_of(p).map(|d| certificate_id_of(&d))).transpose()?,
        };
        self.certificates.put(&id, certificate);
        Ok(id)
    }

    /// UpdateCertificate: REVOKED is final, PENDING_ACTIVATION and its like cannot be set. True when it left ACTIVE now.
    fn change_status(&mut self, id: &str, status: CertStatus, now_ms: i64) -> Result<bool, ApiError> {
        let held = self.require_certificate(id)?.status;
        if !matches!(
            status,
            CertStatus::Active | CertStatus::Inactive | CertStatus::Revoked | CertStatus::RegisterInactive
        ) {
            return Err(ApiError::invalid(format!(
                "The status {} cannot be set by UpdateCertificate",
                status.name()
            )));
        }
        if held == status {
            return Ok(false);
        }
        if matches!(held, CertStatus::Revoked | CertStatus::PendingTransfer) {
            return Err(state_error(format!(
                "The certificate {id} is in state {} and cannot be changed to {}",
                held.name(),
                status.name()
            )));
        }
        self.certificates.update(id, |c| {
            c.status = status;
            c.modified_ms = now_ms;
            c.customer_version += 1;
        });
        Ok(held == CertStatus::Active)
    }

    /// DeleteCertificate: only when not ACTIVE, and nothing is attached unless `force` (which drops attached policies,
    /// never things).
    pub fn delete_certificate(&mut self, id: &str, force: bool) -> Result<(), ApiError> {
        let held = self.require_certificate(id)?;
        if matches!(held.status, CertStatus::Active | CertStatus::PendingTransfer) {
            return Err(state_error(format!(
                "Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}"
            )));
        }
        if !self.things_of(id).is_empty() {
            return Err(ApiError::new(
                409,
                "DeleteConflictException",
                format!("Things must be detached before deletion (arn: {})", self.arns.iot("cert", id)),
            ));
        }
        if !force && !self.policies_of(id).is_empty() {
            return Err(ApiError::new(
                409,
                "DeleteConflictException",
                format!(
                    "Certificate policies must be detached before deletion (arn: {})",
                    self.arns.iot("cert", id)
                ),
            ));
        }
        self.drop_certificate(id);
        Ok(())
    }

    /// Takes back a certificate that was made a moment ago, with what it was attached to: nobody has it yet.
    pub fn abandon(&mut self, id: &str) {
        for (thing, _) in self.things_of(id) {
            self.detach_thing(id, &thing);
        }
        self.drop_certificate(id);
    }

    fn drop_certificate(&mut self, id: &str) {
        for policy in self.policies_of(id).to_vec() {
            self.detach_policy(&policy, &super::Target::Principal(id.to_owned()));
        }
        self.certificates.remove(id);
    }
}

pub(super) fn state_error(message: String) -> ApiError {
    ApiError::new(406, "CertificateStateException", message)
}

/// UpdateCertificate with its effect on live sessions: they end a while after the certificate left ACTIVE, unless it is
/// ACTIVE again by then. Takes the account's lock itself; must be called inside the runtime.
pub fn set_certificate_status(account: &Account, id: &str, status: CertStatus) -> Result<(), ApiError> {
    let left = account.write().identity.change_status(id, status, account.clock.now_ms())?;
    if left {
        let id = id.to_owned();
        account.spawn(async move |account| {
            tokio::time::sleep(account.clock.scaled(CERTIFICATE_OFF)).await;
            if !super::is_active(&account, &id) {
                let cut = account.broker().disconnect_certificate(&id, "AUTH_ERROR");
                tracing::debug!(certificate = id, cut, "sessions of a certificate that is not ACTIVE");
            }
        });
    }
    Ok(())
}
