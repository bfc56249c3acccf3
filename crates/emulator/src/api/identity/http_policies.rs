//! Policies and their versions over HTTP; effective policies and TestAuthorization.

use quell_rules::policy::{Bound, Decision, StatementId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http_attachments::principal_of;
use crate::api::policy::{bind, context_of, effective_policies};
use crate::api::registry::tags::{self, Tag};
use crate::api::{ApiError, Req, Resp, validate};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentBody {
    policy_document: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

impl DocumentBody {
    fn document(&self) -> Result<&str, ApiError> {
        let missing = || ApiError::invalid("Missing required parameter: policyDocument");
        self.policy_document.as_deref().ok_or_else(missing)
    }
}

/// CreatePolicy.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (req.path("policyName"), req.json::<DocumentBody>()?);
    let document = body.document()?;
    tags::check(&body.tags)?;
    let arn = req.account.arn("policy", name);
    let mut state = req.account.write();
    state.identity.create_policy(name, document, req.account.clock.now_ms())?;
    state.registry.set_tags(&arn, &body.tags)?;
    Resp::json(json!({
        "policyName": name,
        "policyArn": arn,
        "policyDocument": document,
        "policyVersionId": "1",
    }))
}

/// GetPolicy.
pub fn get(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("policyName");
    validate::policy_name(name)?;
    let state = req.account.read();
    let Some(policy) = state.identity.policy(name) else {
        return Err(ApiError::not_found("Policy default version not found"));
    };
    Resp::json(json!({
        "policyName": name,
        "policyArn": req.account.arn("policy", name),
        "policyDocument": policy.document(),
        "defaultVersionId": policy.default.to_string(),
        "creationDate": policy.created_ms as f64 / 1000.0,
        "lastModifiedDate": policy.modified_ms as f64 / 1000.0,
        "generationId": policy.generation_id,
    }))
}

/// ListPolicies, in the order of names; reversed only when `isAscendingOrder=false` is given.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 25)?;
    let state = req.account.read();
    let row = |name: &str| json!({ "policyName": name, "policyArn": req.account.arn("policy", name) });
    let rows = state.identity.policies().map(|(name, _)| (name, row(name)));
    let (rows, next) = if req.query("isAscendingOrder") == Some("false") {
        page.take_descending(rows.rev())
    } else {
        page.take(rows)
    };
    Resp::page_as("policies", rows, "nextMarker", next)
}

/// DeletePolicy: an empty body.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("policyName");
    let mut state = req.account.write();
    state.identity.delete_policy(name)?;
    state.registry.drop_tags(&req.account.arn("policy", name));
    Resp::nothing()
}

/// CreatePolicyVersion.
pub fn create_version(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (req.path("policyName"), req.json::<DocumentBody>()?);
    let (document, default) = (body.document()?, req.flag("setAsDefault"));
    let now = req.account.clock.now_ms();
    let number = req.account.write().identity.create_policy_version(name, document, default, now)?;
    Resp::json(json!({
        "policyArn": req.account.arn("policy", name),
        "policyDocument": document,
        "policyVersionId": number.to_string(),
        "isDefaultVersion": default,
    }))
}

/// GetPolicyVersion.
pub fn get_version(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("policyName");
    let state = req.account.read();
    let (number, version) = state.identity.policy_version(name, req.path("policyVersionId"))?;
    let policy = state.identity.require_policy(name)?;
    Resp::json(json!({
        "policyArn": req.account.arn("policy", name),
        "policyName": name,
        "policyDocument": version.document,
        "policyVersionId": number.to_string(),
        "isDefaultVersion": policy.default == number,
        "creationDate": version.created_ms as f64 / 1000.0,
        "lastModifiedDate": policy.modified_ms as f64 / 1000.0,
        "generationId": policy.generation_id,
    }))
}

/// ListPolicyVersions, newest first.
pub fn list_versions(req: &Req) -> Result<Resp, ApiError> {
    let state = req.account.read();
    let policy = state.identity.require_policy(req.path("policyName"))?;
    let rows: Vec<Value> = policy
        .versions
        .iter()
        .rev()
        .map(|(number, version)| {
            json!({
                "versionId": number.to_string(),
                "isDefaultVersion": policy.default == *number,
                "createDate": version.created_ms as f64 / 1000.0,
            })
        })
        .collect();
    Resp::json(json!({ "policyVersions": rows }))
}

/// DeletePolicyVersion: an empty body.
pub fn delete_version(req: &Req) -> Result<Resp, ApiError> {
    let (name, version) = (req.path("policyName"), req.path("policyVersionId"));
    req.account.write().identity.delete_policy_version(name, version)?;
    Resp::nothing()
}

/// SetDefaultPolicyVersion: an empty body.
pub fn set_default_version(req: &Req) -> Result<Resp, ApiError> {
    let (name, version) = (req.path("policyName"), req.path("policyVersionId"));
    let now = req.account.clock.now_ms();
    req.account.write().identity.set_default_version(name, version, now)?;
    Resp::nothing()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PrincipalBody {
    principal: Option<String>,
    #[serde(default)]
    auth_infos: Vec<AuthInfo>,
    #[serde(default)]
    policy_names_to_add: Vec<String>,
    #[serde(default)]
    policy_names_to_skip: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthInfo {
    action_type: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
}

/// GetEffectivePolicies: what governs the principal when it connects as the thing; without a principal, what the thing's
/// groups bring.
pub fn effective(req: &Req) -> Result<Resp, ApiError> {
    let body: PrincipalBody = req.json()?;
    let thing = req.query("thingName");
    let state = req.account.read();
    if let Some(thing) = thing {
        state.registry.require_thing(thing)?;
    }
    let policies: Vec<(String, String)> = match (&body.principal, thing) {
        (Some(principal), thing) => {
            let principal = principal_of(&req.account, &state, principal)?;
            effective_policies(&state, &principal, thing).policies
        }
        (None, Some(thing)) => state
            .registry
            .all_groups_of(thing)
            .iter()
            .flat_map(|group| state.identity.policies_of_group(group))
            .filter_map(|p| Some((p.clone(), state.identity.policy(p)?.document().to_owned())))
            .collect(),
        (None, None) => return Err(ApiError::invalid("A principal or a thingName must be provided")),
    };
    let rows: Vec<Value> = policies
        .into_iter()
        .map(|(name, document)| {
            let arn = req.account.arn("policy", &name);
            json!({ "policyName": name, "policyArn": arn, "policyDocument": document })
        })
        .collect();
    Resp::json(json!({ "effectivePolicies": rows }))
}

/// TestAuthorization: what the policies say now, whatever live connections still have cached.
pub fn test_authorization(req: &Req) -> Result<Resp, ApiError> {
    let body: PrincipalBody = req.json()?;
    if body.auth_infos.is_empty() || body.auth_infos.len() > 10 {
        return Err(ApiError::invalid("authInfos must have 1 to 10 members"));
    }
    let client_id = req.query("clientId");
    let state = req.account.read();
    let principal = match &body.principal {
        Some(principal) => principal_of(&req.account, &state, principal)?,
        None => return Err(ApiError::invalid("A principal or a cognitoIdentityPoolId must be provided")),
    };
    let effective = effective_policies(&state, &principal, client_id);
    let mut policies = effective.policies;
    policies.retain(|(name, _)| !body.policy_names_to_skip.contains(name));
    for name in &body.policy_names_to_add {
        policies.push((name.clone(), state.identity.require_policy(name)?.document().to_owned()));
    }
    let now = req.account.clock.now_ms();
    let context = context_of(&state, &principal, client_id, effective.thing.as_deref(), None, now);
    let bound = bind(&policies, &context);
    let mut results = Vec::with_capacity(body.auth_infos.len());
    for info in &body.auth_infos {
        results.push(judge(req, &bound, info)?);
    }
    Resp::json(json!({ "authResults": results }))
}

/// One `authInfo`: allowed only when every resource of it is.
fn judge(req: &Req, bound: &Bound, info: &AuthInfo) -> Result<Value, ApiError> {
    let kind = info.action_type.as_deref().unwrap_or_default();
    validate::one_of("authInfos.actionType", kind, &["PUBLISH", "SUBSCRIBE", "RECEIVE", "CONNECT"])?;
    if info.resources.is_empty() {
        return Err(ApiError::invalid("authInfos.resources must not be empty"));
    }
    let action = match kind {
        "PUBLISH" => "iot:Publish",
        "SUBSCRIBE" => "iot:Subscribe",
        "RECEIVE" => "iot:Receive",
        _ => "iot:Connect",
    };
    let (mut allowing, mut denying, mut implicit) = (Vec::new(), Vec::new(), false);
    for resource in &info.resources {
        match bound.decide(action, resource) {
            Decision::Allowed { by } => allowing.extend(by),
            Decision::ExplicitDeny { by, despite } => {
                denying.extend(by);
                allowing.extend(despite);
            }
            Decision::ImplicitDeny { .. } => implicit = true,
        }
    }
    let list = |statements: Vec<StatementId>| -> Vec<Value> {
        let mut names: Vec<String> = statements.into_iter().map(|statement| statement.policy).collect();
        names.sort();
        names.dedup();
        names
            .into_iter()
            .map(|name| json!({ "policyArn": req.account.arn("policy", &name), "policyName": name }))
            .collect()
    };
    let decision = match (denying.is_empty(), implicit) {
        (false, _) => "EXPLICIT_DENY",
        (true, true) => "IMPLICIT_DENY",
        (true, false) => "ALLOWED",
    };
    Ok(json!({
        "authInfo": { "actionType": kind, "resources": info.resources },
        "allowed": { "policies": list(allowing) },
        "denied": {
            "implicitDeny": { "policies": [] },
            "explicitDeny": { "policies": list(denying) },
        },
        "authDecision": decision,
        "missingContextValues": bound.missing().collect::<Vec<_>>(),
    }))
}
