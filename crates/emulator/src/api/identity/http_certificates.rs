//! Certificates over HTTP.

use serde::Deserialize;
use serde_json::{Value, json};

use super::certificates::state_error;
use super::{CertStatus, Certificate, issue, set_certificate_status};
use crate::api::{ApiError, Req, Resp, validate};

/// CreateKeysAndCertificate.
pub fn create_keys_and_certificate(req: &Req) -> Result<Resp, ApiError> {
    let issued = issue::keys_in_place()?;
    let id = register_issued(req, &issued.certificate_pem)?;
    Resp::json(json!({
        "certificateArn": req.account.arn("cert", &id),
        "certificateId": id,
        "certificatePem": issued.certificate_pem,
        "keyPair": { "PublicKey": issued.public_key_pem, "PrivateKey": issued.private_key_pem },
    }))
}

fn register_issued(req: &Req, pem: &str) -> Result<String, ApiError> {
    let status = if req.flag("setAsActive") { CertStatus::Active } else { CertStatus::Inactive };
    let now = req.account.clock.now_ms();
    req.account.write().identity.register_certificate(pem, status, false, None, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PemBody {
    certificate_signing_request: Option<String>,
    certificate_pem: Option<String>,
    ca_certificate_pem: Option<String>,
    status: Option<String>,
}

fn required(value: Option<String>, name: &str) -> Result<String, ApiError> {
    value.ok_or_else(|| ApiError::invalid(format!("Missing required parameter: {name}")))
}

/// CreateCertificateFromCsr.
pub fn create_from_csr(req: &Req) -> Result<Resp, ApiError> {
    let body: PemBody = req.json()?;
    let csr = required(body.certificate_signing_request, "certificateSigningRequest")?;
    let pem = issue::certificate_for(&csr)?;
    let id = register_issued(req, &pem)?;
    Resp::json(json!({
        "certificateArn": req.account.arn("cert", &id),
        "certificateId": id,
        "certificatePem": pem,
    }))
}

/// RegisterCertificate. The CA need not be registered first (see the deviation register).
pub fn register(req: &Req) -> Result<Resp, ApiError> {
    register_with(req, false)
}

/// RegisterCertificateWithoutCA.
pub fn register_without_ca(req: &Req) -> Result<Resp, ApiError> {
    register_with(req, true)
}

fn register_with(req: &Req, sni_only: bool) -> Result<Resp, ApiError> {
    let body: PemBody = req.json()?;
    let pem = required(body.certificate_pem, "certificatePem")?;
    let status = match body.status.as_deref() {
        None if req.flag("setAsActive") => CertStatus::Active,
        None => CertStatus::Inactive,
        Some(name) => match wanted(name, "status")? {
            status @ (CertStatus::Active | CertStatus::Inactive | CertStatus::RegisterInactive) => status,
            _ => return Err(state_error(format!("A certificate cannot be registered in state {name}"))),
        },
    };
    let ca = body.ca_certificate_pem.filter(|_| !sni_only);
    let now = req.account.clock.now_ms();
    let id = req.account.write().identity.register_certificate(&pem, status, sni_only, ca.as_deref(), now)?;
    Resp::json(json!({ "certificateArn": req.account.arn("cert", &id), "certificateId": id }))
}

fn wanted(name: &str, field: &str) -> Result<CertStatus, ApiError> {
    validate::one_of(field, name, &CertStatus::NAMES)?;
    CertStatus::parse(name).ok_or_else(|| ApiError::invalid(format!("{name} is not a status")))
}

fn mode(held: &Certificate) -> &'static str {
    if held.sni_only { "SNI_ONLY" } else { "DEFAULT" }
}

/// DescribeCertificate.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("certificateId");
    validate::certificate_id(id)?;
    // One that is offered is described as it is where it is.
    let mine = req.account.read().identity.certificate(id).cloned();
    let (owner, held) = match mine {
        Some(held) => (req.account.id.clone(), held),
        None => {
            match super::transfer::offered(&req.account).into_iter().find(|(_, offered, _)| offered == id) {
                Some((from, _, held)) => (from.id.clone(), held),
                None => (String::new(), req.account.read().identity.require_certificate(id)?.clone()),
            }
        }
    };
    let mut description = json!({
        "certificateArn": req.account.arn("cert", id),
        "certificateId": id,
        "status": held.status.name(),
        "certificatePem": held.pem,
        "ownedBy": owner,
        "creationDate": held.created_ms as f64 / 1000.0,
        "lastModifiedDate": held.modified_ms as f64 / 1000.0,
        "customerVersion": held.customer_version,
        "transferData": {},
        "generationId": held.generation_id,
        "validity": { "notBefore": held.not_before as f64, "notAfter": held.not_after as f64 },
        "certificateMode": mode(&held),
    });
    if let Some(transfer) = &held.transfer {
        description["transferData"] = transfer.data();
        if let Some(from) = transfer.came_from() {
            description["previousOwnedBy"] = json!(from);
        }
    }
    if let Some(ca) = &held.ca_id {
        description["caCertificateId"] = json!(ca);
    }
    Resp::json(json!({ "certificateDescription": description }))
}

/// ListCertificates, in the order of creation, newest first unless asked otherwise; those that other accounts offer are
/// among them.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 25)?;
    let offered = super::transfer::offered(&req.account);
    let state = req.account.read();
    let offered = offered.iter().map(|(_, id, held)| (id.as_str(), held));
    let mut rows: Vec<(String, Value)> = state
        .identity
        .certificates()
        .chain(offered)
        .map(|(id, held)| {
            let row = json!({
                "certificateArn": req.account.arn("cert", id),
                "certificateId": id,
                "status": held.status.name(),
                "certificateMode": mode(held),
                "creationDate": held.created_ms as f64 / 1000.0,
            });
            (format!("{:016}{id}", held.created_ms), row)
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let (rows, next) = if req.flag("isAscendingOrder") {
        page.take(rows.into_iter())
    } else {
        page.take_descending(rows.into_iter().rev())
    };
    Resp::page_as("certificates", rows, "nextMarker", next)
}

/// UpdateCertificate: an empty body.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("certificateId");
    validate::certificate_id(id)?;
    let status = wanted(req.required_query("newStatus")?, "newStatus")?;
    set_certificate_status(&req.account, id, status)?;
    Resp::nothing()
}

/// DeleteCertificate: an empty body.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("certificateId");
    validate::certificate_id(id)?;
    req.account.write().identity.delete_certificate(id, req.flag("forceDelete"))?;
    Resp::nothing()
}
