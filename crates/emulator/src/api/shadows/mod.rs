//! Device shadows over REST and MQTT (docs/aws-iot.md#3.6, #4.2).
//!
//! [`document`] knows what a shadow is; this file knows where requests come from and who hears of the outcome. Answers to
//! MQTT requests are ordinary publishes, so that others may watch them; REST errors are told to nobody on MQTT.

pub mod document;
pub mod routes;

use bytes::Bytes;
use serde_json::{Value, json};

use self::document::{Accepted, Rejection, Shadow, Update};
use super::{ApiError, Req, Resp};
use crate::account::Account;
use crate::broker::Session;
use crate::store::{Table, Wal};

/// Classic and named shadows, under `thing/` and `thing/name`: a thing's name cannot hold a slash.
pub struct Shadows {
    table: Table<Shadow>,
}

impl Shadows {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        Self { table: Table::open(wal, "shadows") }
    }

    /// The live shadow of a thing: the classic one without a name.
    pub fn get(&self, thing: &str, name: Option<&str>) -> Option<&Shadow> {
        self.table.get(&key(thing, name)).filter(|shadow| shadow.is_live())
    }

    fn update(&mut self, id: &Id<'_>, request: &Update, now: i64) -> Result<Accepted, Rejection> {
        let key = key(id.thing, id.name);
        if !self.table.contains(&key) {
            let mut shadow = Shadow::default();
            let accepted = shadow.update(request, now)?;
            self.table.put(&key, shadow);
            return Ok(accepted);
        }
        self.table.update(&key, |shadow| shadow.update(request, now)).unwrap_or_else(|| Err(id.missing()))
    }

    fn delete(&mut self, id: &Id<'_>, now: i64, token: Option<&str>) -> Result<Value, Rejection> {
        if self.get(id.thing, id.name).is_none() {
            return Err(id.missing());
        }
        self.table.update(&key(id.thing, id.name), |s| s.delete(now, token)).ok_or_else(|| id.missing())
    }
}

fn key(thing: &str, name: Option<&str>) -> String {
    format!("{thing}/{}", name.unwrap_or_default())
}

/// Which shadow a request is about.
struct Id<'a> {
    thing: &'a str,
    name: Option<&'a str>,
}

impl<'a> Id<'a> {
    fn checked(thing: &'a str, name: Option<&'a str>) -> Result<Self, Rejection> {
        let word = |text: &str, more: &str, longest: usize| {
            (1..=longest).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || ":_-".contains(c) || more.contains(c))
        };
        if !word(thing, "", 128) {
            return Err(Rejection::new(400, "Invalid thing name"));
        }
        if name.is_some_and(|name| !word(name, "$", 64)) {
            return Err(Rejection::new(400, "Invalid shadow name"));
        }
        Ok(Self { thing, name })
    }

    /// AWS names a named shadow `thing~shadow` in this message.
    fn missing(&self) -> Rejection {
        let name = self.name.map(|name| format!("~{name}")).unwrap_or_default();
        Rejection::new(404, format!("No shadow exists with name: '{}{name}'", self.thing))
    }

    fn prefix(&self) -> String {
        match self.name {
            None => format!("$aws/things/{}/shadow", self.thing),
            Some(name) => format!("$aws/things/{}/shadow/name/{name}", self.thing),
        }
    }
}

fn now(account: &Account) -> i64 {
    account.clock.now_ms() / 1000
}

fn tell(account: &Account, topic: &str, body: &Value) {
    account.broker().publish(topic, Bytes::from(body.to_string()));
}

/// Makes the change durable; what cannot be kept must not be acknowledged.
fn commit(account: &Account) -> Result<(), Rejection> {
    account.wal.commit_in_place().map_err(|error| {
        tracing::error!(%error, "a shadow change could not be kept");
        Rejection::new(500, "Internal service failure")
    })
}

/// Updates a shadow and tells subscribers: `accepted`, `documents` and, when something differs, `delta`.
fn update(account: &Account, id: &Id<'_>, payload: &[u8]) -> Result<Value, Rejection> {
    let request = Update::parse(payload)?;
    let said = account.write().shadows.update(id, &request, now(account))?;
    commit(account)?;
    let prefix = id.prefix();
    tell(account, &format!("{prefix}/update/accepted"), &said.accepted);
    tell(account, &format!("{prefix}/update/documents"), &said.documents);
    if let Some(delta) = &said.delta {
        tell(account, &format!("{prefix}/update/delta"), delta);
    }
    Ok(said.accepted)
}

fn get(account: &Account, id: &Id<'_>, token: Option<&str>) -> Result<Value, Rejection> {
    let state = account.read();
    let shadow = state.shadows.get(id.thing, id.name).ok_or_else(|| id.missing())?;
    Ok(shadow.document(now(account), token))
}

fn delete(account: &Account, id: &Id<'_>, token: Option<&str>) -> Result<Value, Rejection> {
    let said = account.write().shadows.delete(id, now(account), token)?;
    commit(account)?;
    tell(account, &format!("{}/delete/accepted", id.prefix()), &said);
    Ok(said)
}

/// Updates a thing's shadow as a REST client would: what start-up uses to give a thing its first state.
///
/// # Errors
/// The texts of docs/aws-iot.md#4.2.
pub fn seed(account: &Account, thing: &str, name: Option<&str>, request: &Value) -> Result<(), Rejection> {
    let id = Id::checked(thing, name)?;
    update(account, &id, request.to_string().as_bytes()).map(drop)
}

/// A client published to `$aws/things/{thing}/shadow/{rest}`.
pub fn on_publish(account: &Account, session: &Session, thing: &str, rest: &str, payload: &Bytes) {
    let (name, op) = match rest.strip_prefix("name/") {
        None => (None, rest),
        Some(named) => match named.split_once('/') {
            Some((name, op)) => (Some(name), op),
            None => return,
        },
    };
    if !matches!(op, "get" | "update" | "delete") {
        return;
    }
    let unchecked = Id { thing, name };
    let outcome = Id::checked(thing, name).and_then(|id| {
        if op == "update" {
            return update(account, &id, payload).map(drop);
        }
        let token = document::request_token(payload)?;
        let with_token = |rejection: Rejection| Rejection { token: token.clone(), ..rejection };
        if op == "delete" {
            return delete(account, &id, token.as_deref()).map(drop).map_err(with_token);
        }
        let document = get(account, &id, token.as_deref()).map_err(with_token)?;
        tell(account, &format!("{}/get/accepted", id.prefix()), &document);
        Ok(())
    });
    if let Err(rejection) = outcome {
        tracing::debug!(client = %session.client_id, thing, op, code = rejection.code, "shadow request rejected");
        let body = rejection.payload(now(account));
        tell(account, &format!("{}/{op}/rejected", unchecked.prefix()), &body);
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let code = match rejection.code {
            404 => "ResourceNotFoundException",
            409 => "ConflictException",
            413 => "RequestEntityTooLargeException",
            415 => "UnsupportedDocumentEncodingException",
            500 => "InternalFailureException",
            _ => "InvalidRequestException",
        };
        Self::new(rejection.code, code, rejection.message)
    }
}

fn id_of(req: &Req) -> Result<Id<'_>, ApiError> {
    Ok(Id::checked(req.path("thingName"), req.query("name"))?)
}

/// GetThingShadow.
///
/// # Errors
/// 404 when there is no document.
pub fn get_thing_shadow(req: &Req) -> Result<Resp, ApiError> {
    Resp::json(get(&req.account, &id_of(req)?, None)?)
}

/// UpdateThingShadow.
///
/// # Errors
/// The table of docs/aws-iot.md#4.2.
pub fn update_thing_shadow(req: &Req) -> Result<Resp, ApiError> {
    Resp::json(update(&req.account, &id_of(req)?, &req.body)?)
}

/// DeleteThingShadow.
///
/// # Errors
/// 404 when there is no document.
pub fn delete_thing_shadow(req: &Req) -> Result<Resp, ApiError> {
    Resp::json(delete(&req.account, &id_of(req)?, None)?)
}

/// ListNamedShadowsForThing.
///
/// # Errors
/// 400 for a page size outside 1..=100 or a token that is none of ours.
pub fn list_named_shadows(req: &Req) -> Result<Resp, ApiError> {
    let id = Id::checked(req.path("thingName"), None)?;
    let page = req.page(100, 25)?;
    let state = req.account.read();
    let prefix = key(id.thing, None);
    let rows = state
        .shadows
        .table
        .after(Some(&prefix))
        .take_while(|(key, _)| key.starts_with(&prefix))
        .filter(|(_, shadow)| shadow.is_live())
        .filter_map(|(key, _)| key.strip_prefix(&*prefix).map(|name| (name, name.to_owned())));
    let (results, token) = page.take(rows);
    let mut body = json!({"results": results, "timestamp": now(&req.account)});
    if let Some(token) = token {
        body["nextToken"] = token.into();
    }
    Resp::json(body)
}
