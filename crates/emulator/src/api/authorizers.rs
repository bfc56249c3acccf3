//! Custom authorizers, as a registry: they are kept and answered, and nobody is let in by one, for there is no Lambda here
//! that could be asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::registry::tags::{self, Tag};
use super::routes::{Route, routes};
use super::when::{missing, seconds};
use super::{ApiError, Req, Resp, validate};
use crate::store::{Table, Wal};

/// The kind in an authorizer's ARN.
const KIND: &str = "authorizer";
const STATUSES: [&str; 2] = ["ACTIVE", "INACTIVE"];
/// The one key of the table that names the default.
const DEFAULT: &str = "default";

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        CreateAuthorizer          POST   "/authorizer/{authorizerName}" 10 create,
        DescribeAuthorizer        GET    "/authorizer/{authorizerName}" 10 describe,
        UpdateAuthorizer          PUT    "/authorizer/{authorizerName}" 10 update,
        DeleteAuthorizer          DELETE "/authorizer/{authorizerName}" 10 delete,
        ListAuthorizers           GET    "/authorizers/"                10 list,
        SetDefaultAuthorizer      POST   "/default-authorizer"          10 set_default,
        DescribeDefaultAuthorizer GET    "/default-authorizer"          10 describe_default,
        ClearDefaultAuthorizer    DELETE "/default-authorizer"          10 clear_default,
    }
};

/// An authorizer. Its name is its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Authorizer {
    function: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_key: Option<String>,
    #[serde(default)]
    signing_keys: BTreeMap<String, String>,
    active: bool,
    signing_disabled: bool,
    caching: bool,
    created_ms: i64,
    modified_ms: i64,
}

/// The account's authorizers and which of them is the default.
pub struct Authorizers {
    table: Table<Authorizer>,
    default: Table<String>,
}

impl Authorizers {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        Self { table: Table::open(wal, "authorizers"), default: Table::open(wal, "default-authorizer") }
    }

    /// Is there an authorizer of that name?
    pub fn has(&self, name: &str) -> bool {
        self.table.contains(name)
    }

    fn require(&self, name: &str) -> Result<&Authorizer, ApiError> {
        self.table.get(name).ok_or_else(|| ApiError::not_found(format!("Authorizer {name} not found")))
    }

    fn default_name(&self) -> Option<&str> {
        self.default.get(DEFAULT).map(String::as_str)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    authorizer_name: Option<String>,
    authorizer_function_arn: Option<String>,
    token_key_name: Option<String>,
    token_signing_public_keys: Option<BTreeMap<String, String>>,
    status: Option<String>,
    signing_disabled: bool,
    enable_caching_for_http: Option<bool>,
    tags: Vec<Tag>,
}

impl Body {
    fn check(&self) -> Result<(), ApiError> {
        if let Some(status) = &self.status {
            validate::one_of("status", status, &STATUSES)?;
        }
        if let Some(arn) = &self.authorizer_function_arn
            && !(arn.starts_with("arn:") && arn.contains(":lambda:") && arn.contains(":function:"))
        {
            return Err(ApiError::invalid(format!("Invalid authorizer function ARN: {arn}")));
        }
        Ok(())
    }
}

fn name(req: &Req) -> Result<&str, ApiError> {
    let name = req.path("authorizerName");
    validate::loose_name("authorizerName", name)?;
    Ok(name)
}

fn named(req: &Req, name: &str) -> Result<Resp, ApiError> {
    Resp::json(json!({ "authorizerName": name, "authorizerArn": req.account.arn(KIND, name) }))
}

fn create(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (name(req)?, req.json::<Body>()?);
    body.check()?;
    tags::check(&body.tags)?;
    let signing_keys = body.token_signing_public_keys.unwrap_or_default();
    if !body.signing_disabled && (body.token_key_name.is_none() || signing_keys.is_empty()) {
        return Err(ApiError::invalid(
            "tokenKeyName and tokenSigningPublicKeys are required when signing is enabled",
        ));
    }
    let (now, arn) = (req.account.clock.now_ms(), req.account.arn(KIND, name));
    let authorizer = Authorizer {
        function: body.authorizer_function_arn.ok_or_else(|| missing("authorizerFunctionArn"))?,
        token_key: body.token_key_name,
        signing_keys,
        active: body.status.as_deref() != Some("INACTIVE"),
        signing_disabled: body.signing_disabled,
        caching: body.enable_caching_for_http.unwrap_or(false),
        created_ms: now,
        modified_ms: now,
    };
    let mut state = req.account.write();
    if state.authorizers.table.contains(name) {
        return Err(ApiError::already_exists(format!("Authorizer {name} already exists"), name, &arn));
    }
    state.authorizers.table.put(name, authorizer);
    state.registry.set_tags(&arn, &body.tags)?;
    named(req, name)
}

fn description(req: &Req, name: &str, held: &Authorizer) -> Value {
    let mut out = json!({
        "authorizerName": name,
        "authorizerArn": req.account.arn(KIND, name),
        "authorizerFunctionArn": held.function,
        "tokenSigningPublicKeys": held.signing_keys,
        "status": STATUSES[usize::from(!held.active)],
        "creationDate": seconds(held.created_ms),
        "lastModifiedDate": seconds(held.modified_ms),
        "signingDisabled": held.signing_disabled,
        "enableCachingForHttp": held.caching,
    });
    if let Some(key) = &held.token_key {
        out["tokenKeyName"] = json!(key);
    }
    json!({ "authorizerDescription": out })
}

fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = name(req)?;
    let state = req.account.read();
    Resp::json(description(req, name, state.authorizers.require(name)?))
}

fn update(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (name(req)?, req.json::<Body>()?);
    body.check()?;
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    state.authorizers.require(name)?;
    state.authorizers.table.update(name, |held| {
        if let Some(function) = body.authorizer_function_arn {
            held.function = function;
        }
        if body.token_key_name.is_some() {
            held.token_key = body.token_key_name;
        }
        if let Some(keys) = body.token_signing_public_keys {
            held.signing_keys = keys;
        }
        if let Some(status) = body.status {
            held.active = status == STATUSES[0];
        }
        if let Some(caching) = body.enable_caching_for_http {
            held.caching = caching;
        }
        held.modified_ms = now;
    });
    named(req, name)
}

/// Refused while it is active, or the default.
fn delete(req: &Req) -> Result<Resp, ApiError> {
    let name = name(req)?;
    let mut state = req.account.write();
    let conflict = |text: String| Err(ApiError::new(409, "DeleteConflictException", text));
    if state.authorizers.require(name)?.active {
        return conflict(format!("Authorizer {name} is ACTIVE; deactivate it before deletion"));
    }
    if state.authorizers.default_name() == Some(name) {
        return conflict(format!("Authorizer {name} is the default authorizer"));
    }
    state.authorizers.table.remove(name);
    state.registry.drop_tags(&req.account.arn(KIND, name));
    Resp::empty()
}

fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 25)?;
    let status = req.query("status");
    if let Some(status) = status {
        validate::one_of("status", status, &STATUSES)?;
    }
    let state = req.account.read();
    let rows = state
        .authorizers
        .table
        .iter()
        .filter(|(_, held)| status.is_none_or(|wanted| (wanted == STATUSES[0]) == held.active))
        .map(|(name, _)| {
            (name, json!({ "authorizerName": name, "authorizerArn": req.account.arn(KIND, name) }))
        });
    let (rows, next) = if req.descending() { page.take_descending(rows.rev()) } else { page.take(rows) };
    Resp::page_as("authorizers", rows, "nextMarker", next)
}

fn set_default(req: &Req) -> Result<Resp, ApiError> {
    let name = req.json::<Body>()?.authorizer_name.ok_or_else(|| missing("authorizerName"))?;
    let mut state = req.account.write();
    state.authorizers.require(&name)?;
    if state.authorizers.default_name().is_some_and(|held| held != name) {
        let text = "A default authorizer is set already; clear it first";
        return Err(ApiError::already_exists(text, &name, &req.account.arn(KIND, &name)));
    }
    state.authorizers.default.put(DEFAULT, name.clone());
    named(req, &name)
}

fn describe_default(req: &Req) -> Result<Resp, ApiError> {
    let state = req.account.read();
    let none = || ApiError::not_found("No default authorizer is set");
    let name = state.authorizers.default_name().ok_or_else(none)?;
    Resp::json(description(req, name, state.authorizers.require(name)?))
}

fn clear_default(req: &Req) -> Result<Resp, ApiError> {
    let mut state = req.account.write();
    state
        .authorizers
        .default
        .remove(DEFAULT)
        .ok_or_else(|| ApiError::not_found("No default authorizer is set"))?;
    Resp::empty()
}
