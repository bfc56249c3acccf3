//! RegisterThing: what a provisioning template makes of a device that has proven which certificate is its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::template::{CertificatePlan, Plan, PolicyPlan, ThingPlan, plan};
use crate::account::{Account, State};
use crate::api::identity::{CertStatus, Target, issue, set_certificate_status};
use crate::api::registry::{MembershipChange, ThingChange, ThingSpec, announce};
use crate::api::{ApiError, Req, Resp};

/// How long a device may take from its new certificate to its registration (docs/aws-iot.md#3.11).
pub(super) const OWNERSHIP: std::time::Duration = std::time::Duration::from_secs(3600);

/// Why a request of fleet provisioning is rejected: what its answer says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }
}

/// The control plane's errors, by their names without `Exception`.
impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let code = match error.code.strip_suffix("Exception").unwrap_or(error.code) {
            "InvalidRequest" => "InvalidParameters",
            other => other,
        };
        Self::new(error.status, code, error.message)
    }
}

/// A text that proves, for an hour, that its bearer was given the certificate. Nothing is kept of it: it is signed with a
/// key made of the account's own.
pub(super) fn ownership_token(account: &Account, certificate: &str) -> String {
    let lasts = account.clock.scaled(OWNERSHIP).as_millis() as i64;
    let claim = format!("{certificate}.{}", account.clock.now_ms() + lasts);
    let proof = sign(account, &claim).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(&claim), URL_SAFE_NO_PAD.encode(proof))
}

fn sign(account: &Account, claim: &str) -> Option<Hmac<Sha256>> {
    let key = Sha256::digest(format!(
        "certificate ownership {} {}",
        account.id,
        account.iam.own_key(&account.id).1
    ));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(claim.as_bytes());
    Some(mac)
}

/// The certificate a token stands for.
fn owned(account: &Account, token: &str) -> Result<String, Refusal> {
    let refuse = |what: &str| Refusal::new(400, "InvalidCertificateOwnershipToken", what);
    if token.is_empty() {
        return Err(refuse("Certificate ownership token cannot be empty."));
    }
    let read = || {
        let (claim, proof) = token.split_once('.')?;
        let claim = String::from_utf8(URL_SAFE_NO_PAD.decode(claim).ok()?).ok()?;
        sign(account, &claim)?.verify_slice(&URL_SAFE_NO_PAD.decode(proof).ok()?).ok()?;
        let (certificate, until) = claim.split_once('.')?;
        Some((certificate.to_owned(), until.parse::<i64>().ok()?))
    };
    match read() {
        None => Err(refuse("Certificate ownership token is invalid.")),
        Some((_, until)) if until < account.clock.now_ms() => {
            Err(refuse("Certificate ownership token has expired."))
        }
        Some((certificate, _)) => Ok(certificate),
    }
}

/// Registers a device by a template; gives the answer.
///
/// # Errors
/// A token that proves nothing, a template that is not there or not enabled, parameters it lacks, resources it names that
/// are not there.
pub(super) fn register(
    account: &Arc<Account>,
    template: &str,
    token: &str,
    given: &BTreeMap<String, String>,
) -> Result<Value, Refusal> {
    let certificate = owned(account, token)?;
    let now = account.clock.now_ms();
    let (plan, joined) = {
        let mut state = account.write();
        let body = in_force(&state, template)?;
        let pending = |held: &crate::api::identity::Certificate| held.status == CertStatus::PendingActivation;
        if !state.identity.certificate(&certificate).is_some_and(pending) {
            let text = "The certificate of the ownership token is not waiting to be activated.";
            return Err(Refusal::new(400, "InvalidCertificateOwnershipToken", text));
        }
        let made = plan(&body, given, &pseudo(&state, &certificate, now))?;
        check(&state, &made)?;
        let (joined, _) = apply(&mut state, &certificate, &made, now)?;
        (made, joined)
    };
    let status = if plan.active { CertStatus::Active } else { CertStatus::Inactive };
    set_certificate_status(account, &certificate, status)?;
    announce(account, &joined);
    let mut answer = Map::new();
    answer.insert("deviceConfiguration".into(), Value::Object(plan.configuration));
    answer.insert("thingName".into(), json!(plan.thing.map(|thing| thing.name)));
    Ok(Value::Object(answer))
}

/// RegisterThing of the control plane: makes, at once, what the template in the request says, for the certificate it names,
/// makes of a signing request, or registers (docs/aws-iot.md#3.11).
pub(super) fn register_thing(req: &Req) -> Result<Resp, ApiError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        template_body: Option<String>,
        #[serde(default)]
        parameters: BTreeMap<String, String>,
    }
    let body: Body = req.json()?;
    let missing = || ApiError::invalid("Missing required parameter: templateBody");
    let template = body.template_body.ok_or_else(missing)?;
    Resp::json(registered(&req.account, &template, &body.parameters)?)
}

/// Makes what the template says with these parameters; gives the certificate, and what was made by the template's names.
///
/// # Errors
/// `InvalidRequestException` for a template that cannot be read, `ResourceRegistrationFailureException` for one that cannot be
/// carried out.
pub(super) fn registered(
    account: &Arc<Account>,
    template: &str,
    parameters: &BTreeMap<String, String>,
) -> Result<Value, ApiError> {
    // A template that cannot be read is the caller's mistake; one that cannot be carried out is a failed registration.
    let plan =
        plan(template, parameters, &BTreeMap::new()).map_err(|refusal| ApiError::invalid(refusal.message))?;
    let failed =
        |refusal: Refusal| ApiError::new(400, "ResourceRegistrationFailureException", refusal.message);
    let issued = match &plan.certificate {
        // Before anything is locked: it takes a while.
        Some(CertificatePlan::Csr(csr)) => Some(issue::certificate_for(csr).map_err(|e| failed(e.into()))?),
        _ => None,
    };
    let now = account.clock.now_ms();
    let status = if plan.active { CertStatus::Active } else { CertStatus::Inactive };
    let (id, joined, policies, pem) = {
        let mut state = account.write();
        check(&state, &plan).map_err(failed)?;
        let id = match (&plan.certificate, &issued) {
            (Some(CertificatePlan::Known(id)), _) => {
                state.identity.require_certificate(id).map_err(|e| failed(e.into()))?;
                id.clone()
            }
            (Some(CertificatePlan::Csr(_)), Some(pem)) => {
                let made = state.identity.register_certificate(pem, status, false, None, now);
                made.map_err(|e| failed(e.into()))?
            }
            (Some(CertificatePlan::Pem(pem, ca)), _) => {
                let made = state.identity.register_certificate(pem, status, ca.is_none(), ca.as_deref(), now);
                made.map_err(|e| failed(e.into()))?
            }
            _ => return Err(ApiError::invalid("Template must have certificate resource.")),
        };
        let (joined, policies) = match apply(&mut state, &id, &plan, now) {
            Ok(applied) => applied,
            Err(refusal) => {
                // A certificate made for a registration that failed is nobody's: it may not stay and be able to connect.
                if issued.is_some() || matches!(plan.certificate, Some(CertificatePlan::Pem(..))) {
                    state.identity.abandon(&id);
                }
                return Err(failed(refusal));
            }
        };
        let pem = state.identity.certificate(&id).map(|held| held.pem.clone()).unwrap_or_default();
        (id, joined, policies, pem)
    };
    if matches!(plan.certificate, Some(CertificatePlan::Known(_))) {
        set_certificate_status(account, &id, status).map_err(|e| failed(e.into()))?;
    }
    announce(account, &joined);
    let mut arns = Map::new();
    arns.insert(plan.names.certificate, account.arn("cert", &id).into());
    if let Some(thing) = &plan.thing {
        arns.insert(plan.names.thing, account.arn("thing", &thing.name).into());
    }
    for (logical, name) in plan.names.policies.into_iter().zip(&policies) {
        arns.insert(logical, account.arn("policy", name).into());
    }
    Ok(json!({ "certificatePem": pem, "resourceArns": arns }))
}

/// The body of a template that devices may use now.
fn in_force(state: &State, name: &str) -> Result<String, Refusal> {
    let held = super::templates::require(state, name)
        .map_err(|error| Refusal::new(404, "ResourceNotFound", error.message))?;
    let refuse = |what: &str| Err(Refusal::new(403, "AccessDenied", format!("Template {name} {what}")));
    if !held.serves_claims() {
        return refuse("is not for provisioning by claim.");
    }
    if !held.is_enabled() {
        return refuse("is not enabled.");
    }
    if held.has_hook() {
        // Nothing could say yes: there is no Lambda here.
        return refuse("has a pre-provisioning hook, which cannot be asked here.");
    }
    Ok(held.body().to_owned())
}

/// What templates may refer to without declaring it.
fn pseudo(state: &State, certificate: &str, now: i64) -> BTreeMap<String, String> {
    let context = crate::api::policy::context_of(state, certificate, None, None, None, now);
    let mut out = BTreeMap::from([("AWS::IoT::Certificate::Id".to_owned(), certificate.to_owned())]);
    for (name, field) in [
        ("CommonName", "CommonName"),
        ("SerialNumber", "SerialNumber"),
        ("Country", "Country"),
        ("Organization", "Organization"),
        ("OrganizationalUnit", "OrganizationalUnit"),
        ("StateName", "State"),
        ("DistinguishedNameQualifier", "DistinguishedNameQualifier"),
    ] {
        if let Some(value) = context.get(&format!("iot:Certificate.Subject.{field}")) {
            out.insert(format!("AWS::IoT::Certificate::{name}"), value.to_owned());
        }
    }
    out
}

/// Whether everything a plan names is there: nothing is made before that is known.
fn check(state: &State, plan: &Plan) -> Result<(), Refusal> {
    for policy in &plan.policies {
        if let PolicyPlan::Named(name) = policy {
            state.identity.require_policy(name).map_err(|_| {
                Refusal::new(404, "ResourceNotFound", format!("Policy {name} does not exist."))
            })?;
        }
    }
    let Some(thing) = &plan.thing else { return Ok(()) };
    for group in &thing.groups {
        state.registry.require_group(group)?;
        if state.registry.is_dynamic(group) {
            return Err(ApiError::invalid(format!("Cannot add thing to dynamic thing group {group}")).into());
        }
    }
    let failing = |what: &str| thing.overrides.get(what).is_some_and(|how| how == "FAIL");
    let conflict = state.registry.thing(&thing.name).is_some()
        && ["AttributePayload", "ThingTypeName", "ThingGroups"].iter().any(|what| failing(what));
    if conflict {
        let text = format!("Thing {} already exists.", thing.name);
        return Err(Refusal::new(409, "ResourceAlreadyExists", text));
    }
    Ok(())
}

fn apply(
    state: &mut State,
    certificate: &str,
    plan: &Plan,
    now: i64,
) -> Result<(Vec<MembershipChange>, Vec<String>), Refusal> {
    let (mut changes, mut policies) = (Vec::new(), Vec::new());
    if let Some(thing) = &plan.thing {
        make_thing(state, thing, now, &mut changes)?;
        state.identity.attach_thing(certificate, &thing.name, plan.exclusive)?;
    }
    for policy in &plan.policies {
        let name = match policy {
            PolicyPlan::Named(name) => name.clone(),
            PolicyPlan::Document(name, document) => {
                let name = name.clone().unwrap_or_else(|| hex::encode(Sha256::digest(document)));
                if state.identity.policy(&name).is_none() {
                    state.identity.create_policy(&name, document, now)?;
                }
                name
            }
        };
        state.identity.attach_policy(&name, &Target::Principal(certificate.to_owned()))?;
        policies.push(name);
    }
    Ok((changes, policies))
}

/// Creates the thing; of one that is there, only what `OverrideSettings` names is changed.
fn make_thing(
    state: &mut State,
    plan: &ThingPlan,
    now: i64,
    changes: &mut Vec<MembershipChange>,
) -> Result<(), Refusal> {
    let held = state.registry.thing(&plan.name).is_some();
    let how = |what: &str| plan.overrides.get(what).map_or("DO_NOTHING", String::as_str);
    if held {
        let attributes = matches!(how("AttributePayload"), "REPLACE" | "MERGE");
        let change = ThingChange {
            type_name: plan.type_name.clone().filter(|_| how("ThingTypeName") == "REPLACE"),
            attributes: attributes.then(|| plan.attributes.clone()),
            merge: how("AttributePayload") == "MERGE",
            ..ThingChange::default()
        };
        state.registry.update_thing(&plan.name, change)?;
        if how("ThingGroups") != "REPLACE" {
            return Ok(());
        }
        for group in state.registry.groups_of(&plan.name).to_vec() {
            if !plan.groups.contains(&group) {
                changes.extend(state.registry.leave_group(&plan.name, &group)?);
            }
        }
    } else {
        let spec = ThingSpec {
            type_name: plan.type_name.clone(),
            attributes: plan.attributes.clone(),
            billing_group: plan.billing_group.clone(),
        };
        state.registry.create_thing(&plan.name, spec, now)?;
    }
    for group in &plan.groups {
        changes.extend(state.registry.join_group(&plan.name, group, false)?);
    }
    Ok(())
}
