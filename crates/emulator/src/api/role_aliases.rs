//! Role aliases: what a device names when it asks the credential provider for a role's credentials. Here they are a
//! registry; there is no credential provider.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::registry::tags::{self, Tag};
use super::routes::{Route, routes};
use super::when::{missing, seconds};
use super::{ApiError, Req, Resp, audit, validate};

/// The kind in a role alias's ARN.
const KIND: &str = "rolealias";
/// Seconds credentials are good for, when nothing is said.
const DURATION: i64 = 3600;

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        CreateRoleAlias   POST   "/role-aliases/{roleAlias}" 10 create,
        DescribeRoleAlias GET    "/role-aliases/{roleAlias}" 10 describe,
        UpdateRoleAlias   PUT    "/role-aliases/{roleAlias}" 10 update,
        DeleteRoleAlias   DELETE "/role-aliases/{roleAlias}" 10 delete,
        ListRoleAliases   GET    "/role-aliases"             10 list,
    }
};

/// A role alias. Its name is its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoleAlias {
    role: String,
    duration_seconds: i64,
    created_ms: i64,
    modified_ms: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    role_arn: Option<String>,
    credential_duration_seconds: Option<i64>,
    tags: Vec<Tag>,
}

impl Body {
    fn check(&self) -> Result<(), ApiError> {
        if let Some(role) = &self.role_arn {
            audit::check_role("roleArn", role)?;
        }
        match self.credential_duration_seconds {
            Some(seconds) if !(900..=43_200).contains(&seconds) => Err(ApiError::invalid(format!(
                "1 validation error detected: Value '{seconds}' at 'credentialDurationSeconds' failed to satisfy constraint: \
                 Member must have value between 900 and 43200"
            ))),
            _ => Ok(()),
        }
    }
}

fn name(req: &Req) -> Result<&str, ApiError> {
    let name = req.path("roleAlias");
    validate::loose_name("roleAlias", name)?;
    Ok(name)
}

fn absent(name: &str) -> ApiError {
    ApiError::not_found(format!("Role alias {name} does not exist."))
}

fn create(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (name(req)?, req.json::<Body>()?);
    body.check()?;
    tags::check(&body.tags)?;
    let (now, arn) = (req.account.clock.now_ms(), req.account.arn(KIND, name));
    let alias = RoleAlias {
        role: body.role_arn.ok_or_else(|| missing("roleArn"))?,
        duration_seconds: body.credential_duration_seconds.unwrap_or(DURATION),
        created_ms: now,
        modified_ms: now,
    };
    let mut state = req.account.write();
    if state.role_aliases.contains(name) {
        return Err(ApiError::already_exists(format!("Role alias {name} already exists."), name, &arn));
    }
    state.role_aliases.put(name, alias);
    state.registry.set_tags(&arn, &body.tags)?;
    Resp::json(json!({ "roleAlias": name, "roleAliasArn": arn }))
}

fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = name(req)?;
    let state = req.account.read();
    let alias = state.role_aliases.get(name).ok_or_else(|| absent(name))?;
    Resp::json(json!({ "roleAliasDescription": {
        "roleAlias": name,
        "roleAliasArn": req.account.arn(KIND, name),
        "roleArn": alias.role,
        "owner": req.account.id,
        "credentialDurationSeconds": alias.duration_seconds,
        "creationDate": seconds(alias.created_ms),
        "lastModifiedDate": seconds(alias.modified_ms),
    }}))
}

fn update(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (name(req)?, req.json::<Body>()?);
    body.check()?;
    let now = req.account.clock.now_ms();
    let updated = req.account.write().role_aliases.update(name, |alias| {
        alias.role = body.role_arn.unwrap_or_else(|| std::mem::take(&mut alias.role));
        alias.duration_seconds = body.credential_duration_seconds.unwrap_or(alias.duration_seconds);
        alias.modified_ms = now;
    });
    updated.ok_or_else(|| absent(name))?;
    Resp::json(json!({ "roleAlias": name, "roleAliasArn": req.account.arn(KIND, name) }))
}

fn delete(req: &Req) -> Result<Resp, ApiError> {
    let name = name(req)?;
    let mut state = req.account.write();
    state.role_aliases.remove(name).ok_or_else(|| absent(name))?;
    state.registry.drop_tags(&req.account.arn(KIND, name));
    Resp::empty()
}

fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 25)?;
    let state = req.account.read();
    let rows = state.role_aliases.iter().map(|(name, _)| (name, name));
    let (rows, next) = if req.descending() { page.take_descending(rows.rev()) } else { page.take(rows) };
    Resp::page_as("roleAliases", rows, "nextMarker", next)
}
