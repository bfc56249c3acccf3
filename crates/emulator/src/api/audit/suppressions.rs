//! Suppressions: findings of a check about a resource that are known and shall not count.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{AuditStore, ResourceIdentifier, checks};
use crate::account::Account;
use crate::api::request::Page;
use crate::api::{ApiError, Req, Resp, when};

/// One suppression. Check and resource are its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suppression {
    check: String,
    resource: ResourceIdentifier,
    /// Epoch milliseconds; `None` for ever.
    until_ms: Option<i64>,
    description: Option<String>,
    token: Option<String>,
}

impl AuditStore {
    /// Is a finding of `check` about `resource` suppressed now?
    pub(super) fn is_suppressed(&self, check: &str, resource: &ResourceIdentifier, now_ms: i64) -> bool {
        self.suppressions.iter().any(|(_, s)| {
            s.check == check && s.until_ms.is_none_or(|at| at > now_ms) && s.resource.is_part_of(resource)
        })
    }
}

/// Does `wanted` name `resource`? A certificate may be named by its id or its ARN.
pub(super) fn names(account: &Account, wanted: &ResourceIdentifier, resource: &ResourceIdentifier) -> bool {
    completed(account, wanted.clone()).is_part_of(resource)
}

/// The identifier with a certificate's ARN read as its id.
fn completed(account: &Account, mut id: ResourceIdentifier) -> ResourceIdentifier {
    if let Some(arn) = id.device_certificate_arn.take_if(|arn| account.arns.name_of("cert", arn).is_some()) {
        let held = account.arns.name_of("cert", &arn).map(str::to_owned);
        id.device_certificate_id = id.device_certificate_id.or(held);
    }
    id
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    check_name: Option<String>,
    resource_identifier: Option<ResourceIdentifier>,
    expiration_date: Option<f64>,
    suppress_indefinitely: Option<bool>,
    description: Option<String>,
    client_request_token: Option<String>,
}

impl Body {
    fn read(req: &Req) -> Result<(Self, String, ResourceIdentifier), ApiError> {
        let mut body: Self = req.json()?;
        let check = body.check_name.take().ok_or_else(|| when::missing("checkName"))?;
        let kind = checks::require(&check)?.resource_type;
        let resource = body.resource_identifier.take().ok_or_else(|| when::missing("resourceIdentifier"))?;
        resource.check(kind)?;
        if body.description.as_ref().is_some_and(|d| d.chars().count() > 1000 || d.contains(char::is_control))
        {
            return Err(ApiError::invalid("description must be at most 1000 printable characters"));
        }
        Ok((body, check, completed(&req.account, resource)))
    }

    /// Until when: outer `None` when nothing was said, inner `None` for ever.
    fn until(&self, now_ms: i64) -> Result<Option<Option<i64>>, ApiError> {
        match (self.expiration_date.and_then(when::millis), self.suppress_indefinitely) {
            (Some(_), Some(true)) => {
                Err(ApiError::invalid("expirationDate and suppressIndefinitely exclude each other"))
            }
            (Some(at), _) if at <= now_ms => Err(ApiError::invalid("expirationDate must be in the future")),
            (Some(at), _) => Ok(Some(Some(at))),
            (None, Some(true)) => Ok(Some(None)),
            (None, _) => Ok(None),
        }
    }
}

fn key(check: &str, resource: &ResourceIdentifier) -> String {
    format!("{check} {}", json!(resource))
}

fn missing() -> ApiError {
    ApiError::not_found("The audit suppression cannot be found.")
}

/// CreateAuditSuppression.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let (body, check, resource) = Body::read(req)?;
    let Some(until_ms) = body.until(req.account.clock.now_ms())? else {
        return Err(ApiError::invalid("Either expirationDate or suppressIndefinitely must be given"));
    };
    let key = key(&check, &resource);
    let made = Suppression {
        check,
        resource,
        until_ms,
        description: body.description,
        token: body.client_request_token,
    };
    let mut state = req.account.write();
    match state.audit.suppressions.get(&key) {
        Some(held) if held.token.is_some() && *held == made => {}
        Some(held) => {
            let text = format!("An audit suppression of {} for this resource exists already", held.check);
            return Err(ApiError::already_exists(text, &held.check, ""));
        }
        None => {
            state.audit.suppressions.put(&key, made);
        }
    }
    Resp::empty()
}

/// UpdateAuditSuppression: what is not given stays.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let (body, check, resource) = Body::read(req)?;
    let until = body.until(req.account.clock.now_ms())?;
    let updated = req.account.write().audit.suppressions.update(&key(&check, &resource), |held| {
        if let Some(until) = until {
            held.until_ms = until;
        }
        if body.description.is_some() {
            held.description = body.description;
        }
    });
    updated.ok_or_else(missing)?;
    Resp::empty()
}

/// DeleteAuditSuppression: fine when there is none.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let (_, check, resource) = Body::read(req)?;
    req.account.write().audit.suppressions.remove(&key(&check, &resource));
    Resp::empty()
}

fn described(held: &Suppression) -> Value {
    let mut out = Map::new();
    out.insert("checkName".into(), held.check.as_str().into());
    out.insert("resourceIdentifier".into(), json!(held.resource));
    match held.until_ms {
        Some(at) => out.insert("expirationDate".into(), when::seconds(at).into()),
        None => out.insert("suppressIndefinitely".into(), true.into()),
    };
    if let Some(text) = &held.description {
        out.insert("description".into(), text.as_str().into());
    }
    Value::Object(out)
}

/// DescribeAuditSuppression.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let (_, check, resource) = Body::read(req)?;
    let state = req.account.read();
    let held = state.audit.suppressions.get(&key(&check, &resource)).ok_or_else(missing)?;
    Resp::json(described(held))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListBody {
    check_name: Option<String>,
    resource_identifier: Option<ResourceIdentifier>,
    ascending_order: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// ListAuditSuppressions, by expiration date, soonest first unless asked otherwise.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let body: ListBody = req.json()?;
    let page = Page::of_body(body.max_results, body.next_token.as_deref(), 250)?;
    let state = req.account.read();
    let mut rows: Vec<(String, Value)> = state
        .audit
        .suppressions
        .iter()
        .filter(|(_, s)| body.check_name.as_ref().is_none_or(|name| *name == s.check))
        .filter(|(_, s)| {
            let wanted = body.resource_identifier.as_ref();
            wanted.is_none_or(|id| names(&req.account, id, &s.resource))
        })
        .map(|(key, s)| (format!("{:020}{key}", s.until_ms.unwrap_or(i64::MAX)), described(s)))
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let (suppressions, next) = if body.ascending_order.unwrap_or(true) {
        page.take(rows.into_iter())
    } else {
        page.take_descending(rows.into_iter().rev())
    };
    Resp::page("suppressions", suppressions, next)
}
