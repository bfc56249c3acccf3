//! Certificates on their way to another account. Where there is one (any key is taken), whoever signs for it accepts or
//! rejects; a room's participants are kept apart, and their transfers stay pending until they are cancelled.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::certificates::{CertStatus, Certificate, state_error};
use crate::account::Account;
use crate::api::arn::Arns;
use crate::api::when::seconds;
use crate::api::{ApiError, Req, Resp, validate};

/// A transfer that was begun.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Transfer {
    /// The account it goes to.
    to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Epoch milliseconds.
    at_ms: i64,
    /// How it ended, and when; still pending without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<(End, i64)>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
enum End {
    /// With the account it came from.
    Accepted(String),
    /// With the reason, if one was given.
    Rejected(Option<String>),
}

impl Transfer {
    /// `transferData` of a certificate's description.
    pub(super) fn data(&self) -> Value {
        let mut out = json!({ "transferDate": seconds(self.at_ms) });
        if let Some(message) = &self.message {
            out["transferMessage"] = json!(message);
        }
        match &self.end {
            Some((End::Accepted(_), at)) => out["acceptDate"] = json!(seconds(*at)),
            Some((End::Rejected(reason), at)) => {
                out["rejectDate"] = json!(seconds(*at));
                if let Some(reason) = reason {
                    out["rejectReason"] = json!(reason);
                }
            }
            None => {}
        }
        out
    }

    /// The account the certificate came from.
    pub(super) fn came_from(&self) -> Option<&str> {
        match &self.end {
            Some((End::Accepted(from), _)) => Some(from),
            _ => None,
        }
    }

    fn is_pending(&self) -> bool {
        self.end.is_none()
    }
}

/// The certificates that other accounts have offered to this one, with the account that has each.
pub(super) fn offered(account: &Account) -> Vec<(Arc<Account>, String, Certificate)> {
    let mut found = Vec::new();
    for peer in account.peers() {
        let state = peer.read();
        let to_me = state.identity.certificates().filter(|(_, held)| {
            held.transfer.as_ref().is_some_and(|transfer| transfer.is_pending() && transfer.to == account.id)
        });
        found.extend(to_me.map(|(id, held)| (Arc::clone(&peer), id.to_owned(), held.clone())));
    }
    found
}

/// The account that offers this certificate, and the certificate.
fn offer(account: &Account, id: &str) -> Result<(Arc<Account>, Certificate), ApiError> {
    let found = offered(account).into_iter().find(|(_, offered, _)| offered == id);
    if let Some((from, _, held)) = found {
        return Ok((from, held));
    }
    let state = account.read();
    match state.identity.require_certificate(id)?.transfer {
        Some(_) => Err(completed(id)),
        None => {
            Err(ApiError::invalid(format!("The certificate {id} is not being transferred to this account")))
        }
    }
}

fn completed(id: &str) -> ApiError {
    let text = format!("The transfer of certificate {id} is completed already");
    ApiError::new(410, "TransferAlreadyCompletedException", text)
}

/// The change another account's certificate went through is kept before it is told of.
fn keep(account: &Account) -> Result<(), ApiError> {
    account.wal.commit_in_place().map_err(|error| {
        tracing::error!(account = account.id, %error, "a transfer could not be kept");
        ApiError::internal("The state could not be written.")
    })
}

/// AcceptCertificateTransfer: the certificate is this account's, INACTIVE unless asked otherwise.
pub fn accept(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("certificateId");
    let (from, held) = offer(&req.account, id)?;
    let now = req.account.clock.now_ms();
    if req.account.read().identity.certificate(id).is_some() {
        return Err(ApiError::invalid(format!("The certificate {id} is registered in this account already")));
    }
    // Two accounts' locks are never held together: whoever takes it out has it.
    let taken = {
        let mut theirs = from.write();
        let pending = |held: &Certificate| held.transfer.as_ref().is_some_and(Transfer::is_pending);
        let there = theirs.identity.certificate(id).is_some_and(pending);
        there.then(|| theirs.identity.abandon(id))
    };
    taken.ok_or_else(|| completed(id))?;
    let mut mine = held;
    mine.status = if req.flag("setAsActive") { CertStatus::Active } else { CertStatus::Inactive };
    mine.modified_ms = now;
    mine.customer_version += 1;
    if let Some(transfer) = &mut mine.transfer {
        transfer.end = Some((End::Accepted(from.id.clone()), now));
    }
    req.account.write().identity.certificates.put(id, mine);
    keep(&from)?;
    Resp::nothing()
}

/// RejectCertificateTransfer: it is INACTIVE again where it is, with the reason.
pub fn reject(req: &Req) -> Result<Resp, ApiError> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Body {
        reject_reason: Option<String>,
    }
    let id = req.path("certificateId");
    let reason = req.json::<Body>()?.reject_reason;
    let (from, _) = offer(&req.account, id)?;
    let now = req.account.clock.now_ms();
    from.write().identity.certificates.update(id, |held| {
        if let Some(transfer) = held.transfer.as_mut().filter(|transfer| transfer.is_pending()) {
            transfer.end = Some((End::Rejected(reason), now));
            held.status = CertStatus::Inactive;
            held.modified_ms = now;
            held.customer_version += 1;
        }
    });
    keep(&from)?;
    Resp::nothing()
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
        held.transfer = Some(Transfer { to: account.to_owned(), message, at_ms: now, end: None });
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
    if !state.identity.require_certificate(id)?.transfer.as_ref().is_some_and(Transfer::is_pending) {
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
        let transfer = held.transfer.as_ref().filter(|transfer| transfer.is_pending())?;
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
