//! CA certificates over HTTP.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Registration;
use crate::api::registry::tags::Tag;
use crate::api::{ApiError, Req, Resp, validate, when};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Register {
    ca_certificate: Option<String>,
    verification_certificate: Option<String>,
    registration_config: Option<Value>,
    certificate_mode: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

fn id_of(req: &Req) -> Result<&str, ApiError> {
    let id = req.path("caCertificateId");
    validate::certificate_id(id)?;
    Ok(id)
}

fn arn(req: &Req, id: &str) -> String {
    req.account.arn("cacert", id)
}

/// RegisterCACertificate.
pub(super) fn register(req: &Req) -> Result<Resp, ApiError> {
    let body: Register = req.json()?;
    let mode = body.certificate_mode.as_deref().unwrap_or("DEFAULT");
    validate::one_of("certificateMode", mode, &["DEFAULT", "SNI_ONLY"])?;
    let wanted = Registration {
        pem: body.ca_certificate.ok_or_else(|| when::missing("caCertificate"))?,
        verification_pem: body.verification_certificate,
        sni_only: mode == "SNI_ONLY",
        active: req.flag("setAsActive"),
        auto_registration: req.flag("allowAutoRegistration"),
        registration: body.registration_config,
    };
    let mut state = req.account.write();
    let id = state.authorities.register(wanted, req.account.clock.now_ms()).map_err(|mut error| {
        let held = error.extra.get("resourceId").and_then(Value::as_str).map(|id| arn(req, id));
        error.extra.extend(held.map(|arn| ("resourceArn".to_owned(), arn.into())));
        error
    })?;
    let arn = arn(req, &id);
    state.registry.set_tags(&arn, &body.tags)?;
    Resp::json(json!({"certificateArn": arn, "certificateId": id}))
}

fn status(active: bool) -> &'static str {
    if active { "ACTIVE" } else { "INACTIVE" }
}

/// DescribeCACertificate.
pub(super) fn describe(req: &Req) -> Result<Resp, ApiError> {
    let id = id_of(req)?;
    let state = req.account.read();
    let held = state.authorities.require(id)?;
    let mut body = json!({"certificateDescription": {
        "certificateArn": arn(req, id),
        "certificateId": id,
        "status": status(held.active),
        "certificatePem": held.pem,
        "ownedBy": req.account.id,
        "creationDate": when::seconds(held.created_ms),
        "autoRegistrationStatus": if held.auto_registration { "ENABLE" } else { "DISABLE" },
        "lastModifiedDate": when::seconds(held.modified_ms),
        "customerVersion": held.version,
        "generationId": held.generation_id,
        "validity": {"notBefore": held.not_before as f64, "notAfter": held.not_after as f64},
        "certificateMode": if held.sni_only { "SNI_ONLY" } else { "DEFAULT" },
    }});
    if let Some(registration) = &held.registration {
        body["registrationConfig"] = registration.clone();
    }
    Resp::json(body)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Update {
    registration_config: Option<Value>,
    remove_auto_registration: bool,
}

/// UpdateCACertificate: an empty body.
pub(super) fn update(req: &Req) -> Result<Resp, ApiError> {
    let id = id_of(req)?;
    let body: Update = req.json()?;
    let (new, auto) = (req.query("newStatus"), req.query("newAutoRegistrationStatus"));
    if let Some(status) = new {
        validate::one_of("newStatus", status, &["ACTIVE", "INACTIVE"])?;
    }
    if let Some(status) = auto {
        validate::one_of("newAutoRegistrationStatus", status, &["ENABLE", "DISABLE"])?;
    }
    if body.remove_auto_registration && body.registration_config.is_some() {
        return Err(ApiError::invalid("removeAutoRegistration and registrationConfig exclude each other"));
    }
    let now = req.account.clock.now_ms();
    req.account.write().authorities.change(id, now, |held| {
        held.active = new.map_or(held.active, |s| s == "ACTIVE");
        held.auto_registration = auto.map_or(held.auto_registration, |s| s == "ENABLE");
        if body.remove_auto_registration {
            held.registration = None;
        } else if body.registration_config.is_some() {
            held.registration = body.registration_config;
        }
    })?;
    Resp::nothing()
}

/// DeleteCACertificate: only one that is INACTIVE.
pub(super) fn delete(req: &Req) -> Result<Resp, ApiError> {
    let id = id_of(req)?;
    let mut state = req.account.write();
    if state.authorities.require(id)?.active {
        let text = format!("The CA certificate must be INACTIVE before it is deleted. id={id}");
        return Err(ApiError::new(406, "CertificateStateException", text));
    }
    state.authorities.table.remove(id);
    state.registry.drop_tags(&arn(req, id));
    Resp::empty()
}

/// A page of rows by the time of their making, newest first unless asked otherwise.
fn by_creation(req: &Req, mut rows: Vec<(String, Value)>) -> Result<Resp, ApiError> {
    let page = req.page(250, 25)?;
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let (rows, next) = if req.flag("isAscendingOrder") {
        page.take(rows.into_iter())
    } else {
        page.take_descending(rows.into_iter().rev())
    };
    Resp::page_as("certificates", rows, "nextMarker", next)
}

/// ListCACertificates.
pub(super) fn list(req: &Req) -> Result<Resp, ApiError> {
    let state = req.account.read();
    let template = req.query("templateName");
    let rows = state
        .authorities
        .iter()
        .filter(|(_, held)| {
            let named = held.registration.as_ref().and_then(|r| r.get("templateName")?.as_str());
            template.is_none_or(|t| named == Some(t))
        })
        .map(|(id, held)| {
            let row = json!({
                "certificateArn": arn(req, id),
                "certificateId": id,
                "status": status(held.active),
                "creationDate": when::seconds(held.created_ms),
            });
            (format!("{:016}{id}", held.created_ms), row)
        });
    by_creation(req, rows.collect())
}

/// ListCertificatesByCA.
pub(super) fn issued(req: &Req) -> Result<Resp, ApiError> {
    let ca = id_of(req)?;
    let state = req.account.read();
    let rows =
        state.identity.certificates().filter(|(_, c)| c.ca_id.as_deref() == Some(ca)).map(|(id, held)| {
            let row = json!({
                "certificateArn": req.account.arn("cert", id),
                "certificateId": id,
                "status": held.status.name(),
                "certificateMode": if held.sni_only { "SNI_ONLY" } else { "DEFAULT" },
                "creationDate": when::seconds(held.created_ms),
            });
            (format!("{:016}{id}", held.created_ms), row)
        });
    by_creation(req, rows.collect())
}

/// GetRegistrationCode.
pub(super) fn registration_code(req: &Req) -> Result<Resp, ApiError> {
    let code = req.account.write().authorities.registration_code();
    // A GET is not committed by the front, but this one may have made something.
    req.account.wal.commit_in_place().map_err(|_| ApiError::internal("The state could not be written."))?;
    Resp::json(json!({"registrationCode": code}))
}

/// DeleteRegistrationCode: the next one is another.
pub(super) fn delete_registration_code(req: &Req) -> Result<Resp, ApiError> {
    match req.account.write().authorities.code.remove(super::ONLY) {
        Some(_) => Resp::empty(),
        None => Err(ApiError::not_found("There is no registration code.")),
    }
}
