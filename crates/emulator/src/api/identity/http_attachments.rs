//! Things on principals, policies on principals and groups, over HTTP.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Target;
use crate::account::{Account, State};
use crate::api::{ApiError, Req, Resp, validate};

/// `EXCLUSIVE_THING` or `NON_EXCLUSIVE_THING`.
const KINDS: [&str; 2] = ["EXCLUSIVE_THING", "NON_EXCLUSIVE_THING"];

/// The principal an ARN (of a registered certificate) or a Cognito identity id names.
pub(super) fn principal_of(account: &Account, state: &State, text: &str) -> Result<String, ApiError> {
    if let Some(id) = account.arns.name_of("cert", text) {
        state.identity.require_certificate(id)?;
        return Ok(id.to_owned());
    }
    if is_cognito(text) {
        return Ok(text.to_owned());
    }
    Err(ApiError::invalid(format!("Invalid principal: {text}")))
}

/// `REGION:UUID`.
fn is_cognito(text: &str) -> bool {
    text.split_once(':').is_some_and(|(region, id)| {
        region.contains('-')
            && id.len() == 36
            && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
            && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

/// How a principal appears on the wire: a certificate by its ARN.
fn wire(account: &Account, principal: &str) -> String {
    if principal.len() == 64 { account.arn("cert", principal) } else { principal.to_owned() }
}

fn cross_account() -> ApiError {
    let text = "Cross account not allowed. Please check the account of the resource specified.";
    ApiError::new(403, "AccessDeniedException", text)
}

/// What AttachPolicy and its like take: a certificate or thing group of this account and region, or a Cognito identity.
fn target_of(account: &Account, state: &State, text: &str) -> Result<Target, ApiError> {
    if is_cognito(text) {
        return Ok(Target::Principal(text.to_owned()));
    }
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let &["arn", _, service, region, owner, resource] = fields.as_slice() else {
        return Err(ApiError::invalid("Invalid Target"));
    };
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    if service != "iot" || !matches!(kind, "cert" | "thinggroup") {
        return Err(ApiError::invalid(format!("Invalid Target: {text}")));
    }
    if owner != account.id {
        return Err(cross_account());
    }
    if region != account.region {
        return Err(ApiError::invalid("Invalid Target"));
    }
    if kind == "cert" {
        return certificate_target(state, name);
    }
    let group = name;
    state.registry.require_group(group)?;
    if state.registry.is_dynamic(group) {
        return Err(ApiError::invalid(format!(
            "Policies cannot be attached to dynamic thing groups: {group}"
        )));
    }
    Ok(Target::Group(group.to_owned()))
}

fn certificate_target(state: &State, id: &str) -> Result<Target, ApiError> {
    if state.identity.certificate(id).is_none() {
        return Err(ApiError::not_found("The certificate given in the principal does not exist."));
    }
    Ok(Target::Principal(id.to_owned()))
}

/// What the older operations take: a certificate of this account, in any region, or a Cognito identity.
fn older_target_of(account: &Account, state: &State, text: &str) -> Result<Target, ApiError> {
    if is_cognito(text) {
        return Ok(Target::Principal(text.to_owned()));
    }
    if !text.starts_with("arn:") {
        return Err(ApiError::invalid("Invalid principal type"));
    }
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let &[_, _, _, _, owner, resource] = fields.as_slice() else {
        return Err(ApiError::invalid("ARN not in proper syntax."));
    };
    let Some(id) = resource.strip_prefix("cert/") else {
        return Err(ApiError::invalid("The given ARN does not represent a cert"));
    };
    if owner != account.id {
        return Err(cross_account());
    }
    certificate_target(state, id)
}

/// The principal of a call about things; `what` could not be done when there is none.
fn thing_principal(
    account: &Account,
    state: &State,
    text: &str,
    what: impl FnOnce() -> String,
) -> Result<String, ApiError> {
    principal_of(account, state, text).map_err(|error| match error.status {
        404 => {
            ApiError::not_found(format!("{} because the principal does not exist in your account", what()))
        }
        _ => error,
    })
}

fn require_thing(state: &State, thing: &str, what: impl FnOnce() -> String) -> Result<(), ApiError> {
    match state.registry.thing(thing) {
        Some(_) => Ok(()),
        None => {
            Err(ApiError::not_found(format!("{} because the thing does not exist in your account", what())))
        }
    }
}

fn wire_target(account: &Account, target: &Target) -> String {
    match target {
        Target::Principal(principal) => wire(account, principal),
        Target::Group(group) => account.arn("thinggroup", group),
    }
}

fn header<'a>(req: &'a Req, name: &str) -> Result<&'a str, ApiError> {
    req.header(name).ok_or_else(|| ApiError::invalid(format!("Missing required header: {name}")))
}

/// The filter or the wish of a request, as "exclusive?".
fn exclusive(req: &Req) -> Result<Option<bool>, ApiError> {
    let Some(kind) = req.query("thingPrincipalType") else { return Ok(None) };
    validate::one_of("thingPrincipalType", kind, &KINDS)?;
    Ok(Some(kind == KINDS[0]))
}

fn kind_of(exclusive: bool) -> &'static str {
    if exclusive { KINDS[0] } else { KINDS[1] }
}

/// AttachThingPrincipal.
pub fn attach_thing(req: &Req) -> Result<Resp, ApiError> {
    let (thing, wanted) = (req.path("thingName"), exclusive(req)?);
    let given = header(req, "x-amzn-principal")?;
    let mut state = req.account.write();
    require_thing(&state, thing, || format!("Failed to attach the principal {given} to thing {thing}"))?;
    let principal = thing_principal(&req.account, &state, given, || {
        format!("Can't attach the principal {given} to thing {thing}")
    })?;
    state.identity.attach_thing(&principal, thing, wanted)?;
    Resp::empty()
}

/// DetachThingPrincipal.
pub fn detach_thing(req: &Req) -> Result<Resp, ApiError> {
    let thing = req.path("thingName");
    let given = header(req, "x-amzn-principal")?;
    let mut state = req.account.write();
    require_thing(&state, thing, || format!("Failed to detach the principal {given} from thing {thing}"))?;
    let principal = thing_principal(&req.account, &state, given, || {
        format!("Can't detach the principal {given} from thing {thing}")
    })?;
    state.identity.detach_thing(&principal, thing);
    Resp::empty()
}

fn principals(req: &Req, version_2: bool) -> Result<Resp, ApiError> {
    let (thing, page) = (req.path("thingName"), req.page(250, 50)?);
    let wanted = if version_2 { exclusive(req)? } else { None };
    let state = req.account.read();
    // The missing space is AWS's.
    require_thing(&state, thing, || format!("Failed to list principals for thing{thing}"))?;
    let identity = &state.identity;
    let rows = identity.principals_of(thing).into_iter().filter_map(|principal| {
        let held = identity.things_of(&principal).into_iter().find(|(t, _)| t == thing)?.1;
        let shown = wire(&req.account, &principal);
        let row = if version_2 {
            json!({ "principal": shown, "thingPrincipalType": kind_of(held) })
        } else {
            json!(shown)
        };
        wanted.is_none_or(|w| w == held).then_some((principal, row))
    });
    let (rows, next) = page.take(rows);
    Resp::page(if version_2 { "thingPrincipalObjects" } else { "principals" }, rows, next)
}

/// ListThingPrincipals.
pub fn list_principals(req: &Req) -> Result<Resp, ApiError> {
    principals(req, false)
}

/// ListThingPrincipalsV2.
pub fn list_principals_v2(req: &Req) -> Result<Resp, ApiError> {
    principals(req, true)
}

fn things(req: &Req, version_2: bool) -> Result<Resp, ApiError> {
    let page = req.page(250, 50)?;
    let wanted = if version_2 { exclusive(req)? } else { None };
    let state = req.account.read();
    let given = header(req, "x-amzn-principal")?;
    let principal = thing_principal(&req.account, &state, given, || {
        format!("Can't list things for the principal {given}")
    })?;
    let held = state.identity.things_of(&principal);
    let rows = held.into_iter().filter(|(_, x)| wanted.is_none_or(|w| w == *x)).map(|(thing, x)| {
        let row = if version_2 {
            json!({ "thingName": thing, "thingPrincipalType": kind_of(x) })
        } else {
            json!(thing)
        };
        (thing, row)
    });
    let (rows, next) = page.take(rows);
    Resp::page(if version_2 { "principalThingObjects" } else { "things" }, rows, next)
}

/// ListPrincipalThings.
pub fn list_things(req: &Req) -> Result<Resp, ApiError> {
    things(req, false)
}

/// ListPrincipalThingsV2.
pub fn list_things_v2(req: &Req) -> Result<Resp, ApiError> {
    things(req, true)
}

#[derive(Deserialize)]
struct TargetBody {
    target: Option<String>,
}

fn body_target(req: &Req) -> Result<String, ApiError> {
    let body: TargetBody = req.json()?;
    body.target.ok_or_else(|| ApiError::invalid("Missing required parameter: target"))
}

/// AttachPolicy: an empty body.
pub fn attach_policy(req: &Req) -> Result<Resp, ApiError> {
    let text = body_target(req)?;
    attach(req, &text, target_of)
}

/// AttachPrincipalPolicy, the older form.
pub fn attach_principal_policy(req: &Req) -> Result<Resp, ApiError> {
    attach(req, header(req, "x-amzn-iot-principal")?, older_target_of)
}

type TargetOf = fn(&Account, &State, &str) -> Result<Target, ApiError>;

fn attach(req: &Req, text: &str, target_of: TargetOf) -> Result<Resp, ApiError> {
    let mut state = req.account.write();
    state.identity.require_policy(req.path("policyName"))?;
    let target = target_of(&req.account, &state, text)?;
    state.identity.attach_policy(req.path("policyName"), &target)?;
    Resp::nothing()
}

/// DetachPolicy: an empty body, also when the policy or the target is unknown.
pub fn detach_policy(req: &Req) -> Result<Resp, ApiError> {
    let text = body_target(req)?;
    let mut state = req.account.write();
    match target_of(&req.account, &state, &text) {
        Ok(target) => {
            state.identity.detach_policy(req.path("policyName"), &target);
        }
        Err(error) if error.status == 404 => {}
        Err(error) => return Err(error),
    }
    Resp::nothing()
}

/// DetachPrincipalPolicy, the older form.
pub fn detach_principal_policy(req: &Req) -> Result<Resp, ApiError> {
    let text = header(req, "x-amzn-iot-principal")?;
    let mut state = req.account.write();
    state.identity.require_policy(req.path("policyName"))?;
    let target = older_target_of(&req.account, &state, text)?;
    state.identity.detach_policy(req.path("policyName"), &target);
    Resp::nothing()
}

/// ListAttachedPolicies; for a group, `recursive` adds those of its ancestors.
pub fn list_attached(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 25)?;
    let state = req.account.read();
    let target = target_of(&req.account, &state, req.path("target"))?;
    let mut names = match &target {
        Target::Principal(principal) => state.identity.policies_of(principal).to_vec(),
        Target::Group(group) => state.identity.policies_of_group(group).to_vec(),
    };
    if let Target::Group(group) = &target
        && req.flag("recursive")
    {
        for ancestor in state.registry.ancestors(group) {
            names.extend_from_slice(state.identity.policies_of_group(&ancestor));
        }
    }
    policies_page(req, &page, names)
}

/// ListPrincipalPolicies, the older form.
pub fn list_principal_policies(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 25)?;
    let state = req.account.read();
    let principal = principal_of(&req.account, &state, header(req, "x-amzn-iot-principal")?)?;
    policies_page(req, &page, state.identity.policies_of(&principal).to_vec())
}

fn policies_page(
    req: &Req,
    page: &crate::api::request::Page,
    mut names: Vec<String>,
) -> Result<Resp, ApiError> {
    names.sort();
    names.dedup();
    let rows = names.into_iter().map(|name| {
        let row = json!({ "policyArn": req.account.arn("policy", &name), "policyName": name });
        (name, row)
    });
    let (rows, next) = page.take(rows);
    Resp::page_as("policies", rows, "nextMarker", next)
}

/// ListTargetsForPolicy.
pub fn list_targets(req: &Req) -> Result<Resp, ApiError> {
    let policy = req.path("policyName");
    req.account.read().identity.require_policy(policy)?;
    targets(req, policy, "targets", |_| true)
}

/// ListPolicyPrincipals, the older form: principals only, none of a policy that is not there (docs/aws-iot.md#2.4).
pub fn list_policy_principals(req: &Req) -> Result<Resp, ApiError> {
    targets(req, header(req, "x-amzn-iot-policy")?, "principals", |t| matches!(t, Target::Principal(_)))
}

fn targets(req: &Req, policy: &str, member: &str, wanted: fn(&Target) -> bool) -> Result<Resp, ApiError> {
    let page = req.page(250, 25)?;
    let state = req.account.read();
    let mut rows: Vec<String> = state
        .identity
        .targets_of(policy)
        .filter(|t| wanted(t))
        .map(|target| wire_target(&req.account, target))
        .collect();
    rows.sort();
    let (rows, next) = page.take(rows.into_iter().map(|t| (t.clone(), Value::from(t))));
    Resp::page_as(member, rows, "nextMarker", next)
}
