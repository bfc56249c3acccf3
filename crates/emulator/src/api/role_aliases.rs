//! Role aliases, and the credentials provider: a device names an alias and gets temporary credentials of its role, with its
//! certificate as the only proof of who it is.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::registry::tags::{self, Tag};
use super::routes::{Route, routes};
use super::when::{missing, seconds};
use super::{ApiError, Req, Resp, audit, policy, sessions, validate};
use crate::account::Account;
use crate::broker::Session;

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

/// The alias in the path of a request to the credentials provider, when it is one.
pub(super) fn asked_for(method: &str, path: &str) -> Option<String> {
    let name = path.strip_prefix("/role-aliases/")?.strip_suffix("/credentials")?;
    let plain = method == "GET" && !name.is_empty() && !name.contains('/');
    plain.then(|| percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned())
}

/// The provider's answer to a certificate that is not registered or not ACTIVE.
pub(super) fn invalid_certificate() -> ApiError {
    ApiError::new(403, "AccessDeniedException", "Certificate is invalid on this endpoint")
}

/// The credentials provider: keys of the alias's role for a certificate whose policies allow
/// `iot:AssumeRoleWithCertificate` on the alias (docs/aws-iot.md#3.10). A thing the request names must be attached to the
/// certificate; its variables and the policies of its groups then count.
///
/// # Errors
/// In the order AWS finds them: 403 for a thing that is not attached, 403 without permission, 404 without the alias.
pub(super) fn credentials(
    account: &Account,
    device: &Session,
    alias: &str,
    thing: Option<&str>,
) -> Result<Resp, ApiError> {
    let certificate = device.principal.identifier();
    let arn = account.arn(KIND, alias);
    let held = {
        let state = account.read();
        if thing.is_some_and(|thing| !state.identity.is_attached(certificate, thing)) {
            return Err(ApiError::new(403, "AccessDeniedException", "Invalid thing name passed"));
        }
        if !policy::may_assume(&state, device, thing, &arn, account.clock.now_ms()) {
            return Err(ApiError::new(403, "AccessDeniedException", "Access Denied"));
        }
        state.role_aliases.get(alias).cloned()
    };
    let held = held.ok_or_else(|| ApiError::not_found("Role alias does not exist"))?;
    let role = held.role.rsplit('/').next().unwrap_or(&held.role);
    let who = format!("arn:{}:sts::{}:assumed-role/{role}/{certificate}", account.partition(), account.id);
    let (keys, expiration) = sessions::open(account, who, held.duration_seconds);
    Resp::json(json!({ "credentials": {
        "accessKeyId": keys.id,
        "secretAccessKey": keys.secret,
        "sessionToken": keys.token,
        "expiration": expiration,
    }}))
}
