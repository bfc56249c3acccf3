//! Certificates on their way to another account. There is no other account here: a transfer stays pending until it is
//! cancelled.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::certificates::{CertStatus, state_error};
use crate::api::arn::Arns;
use crate::api::when::seconds;
use crate::api::{ApiError, Req, Resp, validate};

/// A transfer that was begun.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Transfer {
    to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Epoch milliseconds.
    at_ms: i64,
}

impl Transfer {
    /// `transferData` of a certificate's description.
    pub(super) fn data(&self) -> Value {
        let mut out = json!({ "transferDate": seconds(self.at_ms) });
        if let Some(message) = &self.message {
            out["transferMessage"] = json!(message);
        }
        out
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    transfer_message: Option<String>,
}

/// TransferCertificate: one that is not ACTIVE and has nothing attached.
pub fn begin(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("certificateId");
    validate::certificate_id(id)?;
    let account = req.required_query("targetAwsAccount")?;
    if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ApiError::invalid(format!("{account} is not an account id")));
    }
    if account == req.account.id {
        return Err(ApiError::invalid("A certificate cannot be transferred to the account that owns it"));
    }
    let message = req.json::<Body>()?.transfer_message;
    if message.as_ref().is_some_and(|text| text.chars().count() > 128) {
        return Err(ApiError::invalid("transferMessage has more than 128 characters"));
    }
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    let identity = &mut state.identity;
    match identity.require_certificate(id)?.status {
        CertStatus::Inactive => {}
        CertStatus::PendingTransfer => {
            let text = format!("The certificate {id} is being transferred already");
            return Err(ApiError::new(409, "TransferConflictException", text));
        }
        held => {
            return Err(state_error(format!(
                "The certificate {id} is in state {}, only INACTIVE ones are transferred",
                held.name()
            )));
        }
    }
    if !identity.things_of(id).is_empty() || !identity.policies_of(id).is_empty() {
        let text = format!("Policies and things must be detached before the transfer of certificate {id}");
        return Err(ApiError::new(409, "TransferConflictException", text));
    }
    identity.certificates.update(id, |held| {
        held.status = CertStatus::PendingTransfer;
        held.transfer = Some(Transfer { to: account.to_owned(), message, at_ms: now });
        held.modified_ms = now;
        held.customer_version += 1;
    });
    let arn = Arns::new(&req.account.region, account).iot("cert", id);
    Resp::json(json!({ "transferredCertificateArn": arn }))
}

/// CancelCertificateTransfer: an empty body.
pub fn cancel(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("certificateId");
    validate::certificate_id(id)?;
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    if state.identity.require_certificate(id)?.transfer.is_none() {
        let text = format!("The certificate {id} is not being transferred");
        return Err(ApiError::new(410, "TransferAlreadyCompletedException", text));
    }
    state.identity.certificates.update(id, |held| {
        held.status = CertStatus::Inactive;
        held.transfer = None;
        held.modified_ms = now;
        held.customer_version += 1;
    });
    Resp::nothing()
}

/// ListOutgoingCertificates.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 25)?;
    let state = req.account.read();
    let rows = state.identity.certificates().filter_map(|(id, held)| {
        let transfer = held.transfer.as_ref()?;
        let mut row = transfer.data();
        row["certificateArn"] = json!(req.account.arn("cert", id));
        row["certificateId"] = json!(id);
        row["transferredTo"] = json!(transfer.to);
        row["creationDate"] = json!(seconds(held.created_ms));
        Some((id, row))
    });
    let (rows, next) = if req.descending() { page.take_descending(rows.rev()) } else { page.take(rows) };
    Resp::page_as("outgoingCertificates", rows, "nextMarker", next)
}
