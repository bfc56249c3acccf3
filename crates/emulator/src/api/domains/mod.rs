//! Domain configurations, as a registry: they are kept and answered; every listener serves every name.
//!
//! * `check.rs`: what a configuration may be.

mod check;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::registry::tags::{self, Tag};
use super::routes::{Route, routes};
use super::when::seconds;
use super::{ApiError, Req, Resp};
use crate::account::State;

/// The kind in a domain configuration's ARN.
const KIND: &str = "domainconfiguration";
/// What AWS IoT has of its own, and the services they are for.
const OWNED: [(&str, &str); 2] =
    [("iot:CredentialProvider", "CREDENTIAL_PROVIDER"), ("iot:Data-ATS", "DATA")];
const ATS: &str = "iot:Data-ATS";
/// How long a configuration of AWS's domain stays disabled before it can go.
const DISABLED_FOR: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        CreateDomainConfiguration   POST   "/domainConfigurations/{domainConfigurationName}" 1 create,
        DescribeDomainConfiguration GET    "/domainConfigurations/{domainConfigurationName}" 10 describe,
        UpdateDomainConfiguration   PUT    "/domainConfigurations/{domainConfigurationName}" 10 update,
        DeleteDomainConfiguration   DELETE "/domainConfigurations/{domainConfigurationName}" 10 delete,
        ListDomainConfigurations    GET    "/domainConfigurations"                           10 list,
    }
};

/// A domain configuration. Its name is its key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Domain {
    /// What follows the name in its ARN.
    suffix: String,
    domain: String,
    /// The ACM certificate of a custom domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authorizer: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_certificate: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_certificate: Option<Value>,
    enabled: bool,
    status_ms: i64,
    policy: String,
    authentication: String,
    protocol: String,
}

impl Domain {
    /// What follows the name in its ARN.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }
}

fn random(length: usize) -> String {
    let letter = || if fastrand::u8(..36) < 10 { fastrand::digit(10) } else { fastrand::lowercase() };
    std::iter::repeat_with(letter).take(length).collect()
}

fn arn(req: &Req, name: &str, held: &Domain) -> String {
    req.account.arn(KIND, &format!("{name}/{}", held.suffix))
}

fn absent(req: &Req, name: &str) -> ApiError {
    ApiError::not_found(format!(
        "Could not find domain configuration for given account ID and domain configuration name, AccountId: {}, \
         DomainConfigurationName: {name}",
        req.account.id
    ))
}

fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

/// CreateDomainConfiguration: of AWS's domain, or with a domain and an ACM certificate of one's own.
fn create(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (req.path("domainConfigurationName"), req.json::<Value>()?);
    check::name(name, false)?;
    check::model(&body)?;
    let given: Vec<Tag> = match body.get("tags") {
        None | Some(Value::Null) => Vec::new(),
        Some(list) => serde_json::from_value(list.clone()).map_err(|e| ApiError::invalid(e.to_string()))?,
    };
    tags::check(&given)?;
    if let Some(held) = req.account.read().domains.get(name) {
        let arn = arn(req, name, held);
        let id = req.account.arns.rest_of(&arn).unwrap_or_default();
        return Err(ApiError::already_exists("Domain configuration already exists", id, &arn));
    }
    match text(&body, "serviceType") {
        None | Some("DATA") => {}
        Some("JOBS") => return Err(ApiError::invalid("Invalid Service Type")),
        Some(_) => {
            return Err(ApiError::invalid("CreateDomainConfiguration only supports DATA Service Type"));
        }
    }
    let policy = check::security_policy(body.get("tlsConfig"), &req.account.region)?;
    check::both_halves(&body)?;
    let authentication = text(&body, "authenticationType").unwrap_or("DEFAULT");
    let protocol = text(&body, "applicationProtocol").unwrap_or("DEFAULT");
    check::combination(authentication, protocol, body.get("authorizerConfig"))?;
    let certificate = certificate(&body)?;
    let domain = match text(&body, "domainName") {
        Some(domain) => domain.to_owned(),
        None => format!("d{}-ats.iot.{}.amazonaws.com", random(20), req.account.region),
    };
    let row = Domain {
        suffix: random(5),
        domain,
        certificate,
        authorizer: body.get("authorizerConfig").cloned(),
        server_certificate: body.get("serverCertificateConfig").cloned(),
        client_certificate: body.get("clientCertificateConfig").cloned(),
        enabled: true,
        status_ms: req.account.clock.now_ms(),
        policy,
        authentication: authentication.to_owned(),
        protocol: protocol.to_owned(),
    };
    let arn = arn(req, name, &row);
    let mut state = req.account.write();
    state.domains.put(name, row);
    state.registry.set_tags(&arn, &given)?;
    Resp::json(json!({ "domainConfigurationName": name, "domainConfigurationArn": arn }))
}

/// The certificate of a domain of one's own. Whether ACM has it cannot be known here: its form is looked at.
fn certificate(body: &Value) -> Result<Option<String>, ApiError> {
    let certificate = body.pointer("/serverCertificateArns/0").and_then(Value::as_str);
    let Some(certificate) = certificate else {
        let refused = if text(body, "domainName").is_some() {
            "Cannot provide a custom domain name for an AWS Managed Domain"
        } else if text(body, "validationCertificateArn").is_some() {
            "Cannot provide a Validation Certificate for AWS Managed Domain Configurations"
        } else if body.get("serverCertificateConfig").is_some() {
            "Cannot create a server certificate config for an AWS Managed Domain"
        } else {
            return Ok(None);
        };
        return Err(ApiError::invalid(refused));
    };
    if text(body, "domainName").is_none_or(str::is_empty) {
        return Err(ApiError::invalid("Must provide a valid domain name to configure."));
    }
    let fields: Vec<&str> = certificate.splitn(6, ':').collect();
    if !matches!(fields.as_slice(), ["arn", _, "acm", _, _, rest] if rest.starts_with("certificate/")) {
        return Err(ApiError::invalid(format!("Certificate {certificate} does not exist.")));
    }
    if text(body, "validationCertificateArn") == Some(certificate) {
        return Err(ApiError::invalid(
            "Cannot provide a ServerCertificateArn that is the same as a ValidationCertificateArn",
        ));
    }
    Ok(Some(certificate.to_owned()))
}

/// One of AWS IoT's own: `iot:Data-ATS` has a TLS policy that can be changed.
fn owned(req: &Req, state: &State, name: &str, service: &str) -> Value {
    let held = state.domains.get(name);
    let mut out = json!({
        "domainConfigurationName": name,
        "domainConfigurationArn": req.account.arn(KIND, name),
        "domainName": req.header("host").unwrap_or("127.0.0.1"),
        "serverCertificates": [],
        "domainConfigurationStatus": "ENABLED",
        "serviceType": service,
        "domainType": "ENDPOINT",
    });
    if name == ATS {
        let policy = held.map_or(check::DEFAULT_POLICY, |held| &held.policy);
        out["tlsConfig"] = json!({ "securityPolicy": policy });
        out["authenticationType"] = json!("DEFAULT");
        out["applicationProtocol"] = json!("DEFAULT");
    }
    out
}

fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("domainConfigurationName");
    check::name(name, true)?;
    let state = req.account.read();
    if let Some((_, service)) = OWNED.iter().find(|(owned, _)| *owned == name) {
        return Resp::json(owned(req, &state, name, service));
    }
    if name == "iot:Jobs" {
        return Err(ApiError::invalid("Invalid DomainConfiguration Name"));
    }
    let held = state.domains.get(name).ok_or_else(|| absent(req, name))?;
    let certificates = held
        .certificate
        .iter()
        .map(|arn| json!({ "serverCertificateArn": arn, "serverCertificateStatus": "VALID" }))
        .collect::<Vec<_>>();
    let mut out = json!({
        "domainConfigurationName": name,
        "domainConfigurationArn": arn(req, name, held),
        "domainName": held.domain,
        "serverCertificates": certificates,
        "domainConfigurationStatus": if held.enabled { "ENABLED" } else { "DISABLED" },
        "serviceType": "DATA",
        "domainType": if held.certificate.is_some() { "CUSTOMER_MANAGED" } else { "AWS_MANAGED" },
        "lastStatusChangeDate": seconds(held.status_ms),
        "tlsConfig": { "securityPolicy": held.policy },
        "authenticationType": held.authentication,
        "applicationProtocol": held.protocol,
    });
    for (member, value) in [
        ("authorizerConfig", &held.authorizer),
        ("serverCertificateConfig", &held.server_certificate),
        ("clientCertificateConfig", &held.client_certificate),
    ] {
        if let Some(value) = value {
            out[member] = value.clone();
        }
    }
    Resp::json(out)
}

/// What an update may bring.
const MEMBERS: [&str; 7] = [
    "authorizerConfig",
    "domainConfigurationStatus",
    "tlsConfig",
    "serverCertificateConfig",
    "authenticationType",
    "applicationProtocol",
    "clientCertificateConfig",
];

fn update(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (req.path("domainConfigurationName"), req.json::<Value>()?);
    check::name(name, true)?;
    check::model(&body)?;
    let has = |member: &str| body.get(member).is_some_and(|value| !value.is_null());
    let removes = body.get("removeAuthorizerConfig").and_then(Value::as_bool) == Some(true);
    if name.starts_with("iot:") {
        if name != ATS || removes || MEMBERS.iter().any(|member| *member != "tlsConfig" && has(member)) {
            return Err(ApiError::invalid(
                "IoT owned domain configuration cannot be updated with the supplied arguments",
            ));
        }
        let policy = check::security_policy(body.get("tlsConfig"), &req.account.region)?;
        req.account.write().domains.put(name, Domain { policy, enabled: true, ..Domain::default() });
        let arn = req.account.arn(KIND, name);
        return Resp::json(json!({ "domainConfigurationName": name, "domainConfigurationArn": arn }));
    }
    if !removes && !MEMBERS.iter().any(|member| has(member)) {
        return Err(ApiError::invalid("No arguments supplied to update"));
    }
    if removes && has("authorizerConfig") {
        return Err(ApiError::invalid(
            "AuthorizerConfig supplied and removeAuthorizer is true, cannot set authorizer and remove it",
        ));
    }
    let policy = check::security_policy(body.get("tlsConfig"), &req.account.region)?;
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    let mut held = state.domains.get(name).cloned().ok_or_else(|| absent(req, name))?;
    if has("serverCertificateConfig") && held.certificate.is_none() {
        return Err(ApiError::invalid(
            "Cannot configure ServerCertificateConfig for non-customer-managed domains",
        ));
    }
    if removes {
        held.authorizer = None;
    }
    // An empty one changes nothing.
    if let Some(config) = body.get("authorizerConfig").and_then(Value::as_object).filter(|c| !c.is_empty()) {
        let held = held.authorizer.get_or_insert_with(|| json!({}));
        for (member, value) in config {
            held[member.as_str()] = value.clone();
        }
    }
    if let Some(authentication) = text(&body, "authenticationType") {
        authentication.clone_into(&mut held.authentication);
    }
    if let Some(protocol) = text(&body, "applicationProtocol") {
        protocol.clone_into(&mut held.protocol);
    }
    check::combination(&held.authentication, &held.protocol, held.authorizer.as_ref())?;
    if has("tlsConfig") {
        held.policy = policy;
    }
    for (member, place) in [
        ("serverCertificateConfig", &mut held.server_certificate),
        ("clientCertificateConfig", &mut held.client_certificate),
    ] {
        if has(member) {
            *place = body.get(member).cloned();
        }
    }
    if let Some(status) = text(&body, "domainConfigurationStatus")
        && held.enabled != (status == "ENABLED")
    {
        held.enabled = !held.enabled;
        held.status_ms = now;
    }
    let arn = arn(req, name, &held);
    state.domains.put(name, held);
    Resp::json(json!({ "domainConfigurationName": name, "domainConfigurationArn": arn }))
}

/// DeleteDomainConfiguration: only what is disabled, and of AWS's domain only seven days later; fine for a name that is not
/// there.
fn delete(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("domainConfigurationName");
    check::name(name, false)?;
    let mut state = req.account.write();
    let Some(held) = state.domains.get(name) else { return Err(absent(req, name)) };
    if held.enabled {
        return Err(ApiError::invalid("Cannot delete a domain configuration that is not disabled"));
    }
    let clock = &req.account.clock;
    let disabled_for = clock.now_ms().saturating_sub(held.status_ms);
    if held.certificate.is_none() && i128::from(disabled_for) < clock.scaled(DISABLED_FOR).as_millis() as i128
    {
        return Err(ApiError::invalid(
            "AWS Managed Domain Configuration must be disabled for at least 7 days before it can be deleted",
        ));
    }
    let arn = arn(req, name, held);
    state.domains.remove(name);
    state.registry.drop_tags(&arn);
    Resp::empty()
}

/// ListDomainConfigurations: AWS IoT's own among them; `serviceType` narrows nothing, as in AWS.
fn list(req: &Req) -> Result<Resp, ApiError> {
    match req.query("serviceType") {
        Some("JOBS") => return Err(ApiError::invalid("Invalid Service Type")),
        Some(service) => check::model(&json!({ "serviceType": service }))?,
        None => {}
    }
    if req.query("pageSize").and_then(|n| n.parse::<i64>().ok()).is_some_and(|n| n > 250) {
        return Err(check::constraint("pageSize", "have value less than or equal to 250"));
    }
    let page = req.page(250, 250).map_err(|error| match req.query("marker") {
        Some(_) if error.message == "Invalid nextToken" => ApiError::invalid("Invalid Token"),
        _ => error,
    })?;
    let state = req.account.read();
    let mut rows: Vec<(String, Value)> = state
        .domains
        .iter()
        .filter(|(name, _)| !name.starts_with("iot:"))
        .map(|(name, held)| (name.to_owned(), row(name, &arn(req, name, held), "DATA")))
        .collect();
    rows.extend(
        OWNED
            .iter()
            .map(|(name, service)| ((*name).to_owned(), row(name, &req.account.arn(KIND, name), service))),
    );
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let (rows, next) = page.take(rows.into_iter());
    Resp::page_as("domainConfigurations", rows, "nextMarker", next)
}

fn row(name: &str, arn: &str, service: &str) -> Value {
    json!({ "domainConfigurationName": name, "domainConfigurationArn": arn, "serviceType": service })
}
