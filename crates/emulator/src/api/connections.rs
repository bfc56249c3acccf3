//! Live MQTT connections over HTTP (docs/aws-iot.md#2.7).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{ApiError, Req, Resp};
use crate::broker::{Connection, Principal};

/// DeleteConnection for one client id: at most once in this time (docs/aws-iot.md#2.7), in real time.
const DELETE_INTERVAL: Duration = Duration::from_secs(1);
/// Client ids whose last DeleteConnection is remembered.
const REMEMBERED: usize = 4096;

/// When each client id was last cut.
#[derive(Default)]
pub struct DeletePace(Mutex<HashMap<String, Instant>>);

impl DeletePace {
    fn admit(&self, client_id: &str, now: Instant) -> bool {
        let mut held = self.0.lock();
        if held.len() >= REMEMBERED {
            held.retain(|_, at| now.saturating_duration_since(*at) < DELETE_INTERVAL);
        }
        let admitted =
            held.get(client_id).is_none_or(|at| now.saturating_duration_since(*at) >= DELETE_INTERVAL);
        if admitted {
            held.insert(client_id.to_owned(), now);
        }
        admitted
    }
}

pub(super) fn client_id(req: &Req) -> Result<&str, ApiError> {
    let id = req.path("clientId");
    if id.starts_with('$') || id.len() > 128 {
        return Err(ApiError::invalid("The client ID is not valid."));
    }
    Ok(id)
}

pub(super) fn not_connected() -> ApiError {
    ApiError::not_found("The specified client was not found.")
}

/// DeleteConnection: cuts a connected client; does not keep it from coming back.
pub(super) fn delete(req: &Req) -> Result<Resp, ApiError> {
    let (broker, id) = (req.account.broker(), client_id(req)?);
    if !broker.connection(id).is_some_and(|c| c.connected) {
        return Err(not_connected());
    }
    if req.account.throttle.is_some() && !req.account.delete_pace.admit(id, Instant::now()) {
        return Err(ApiError::new(429, "ThrottlingException", "Rate exceeded"));
    }
    let (clean, silent) = (req.flag("cleanSession"), req.flag("preventWillMessage"));
    if !broker.disconnect(id, "API_INITIATED_DISCONNECT", clean, silent) {
        return Err(not_connected());
    }
    Resp::empty()
}

/// GetConnection: also for half an hour after a disconnect.
pub(super) fn get(req: &Req) -> Result<Resp, ApiError> {
    let (broker, id) = (req.account.broker(), client_id(req)?);
    let held = broker.connection(id).ok_or_else(not_connected)?;
    let mut body = described(&held);
    body["clientId"] = json!(id);
    if let Principal::Certificate(certificate) = &held.principal
        && let Some(thing) = req.account.read().identity.exclusive_thing(certificate)
    {
        body["thingName"] = json!(thing);
    }
    if req.flag("includeSocketInformation") {
        sockets(&mut body, &held);
    }
    Resp::json(body)
}

fn described(held: &Connection) -> Value {
    let mut body = json!({
        "connected": held.connected,
        "cleanSession": held.clean_session,
        "connectedSince": held.connected_since,
        "keepAliveDuration": held.keep_alive,
        "sessionExpiry": held.session_expiry,
    });
    if !held.connected {
        if let Some(since) = held.disconnected_since {
            body["disconnectedSince"] = json!(since);
        }
        if let Some(reason) = &held.disconnect_reason {
            body["disconnectReason"] = json!(reason);
        }
    }
    body
}

fn sockets(body: &mut Value, held: &Connection) {
    body["sourceIp"] = json!(held.remote.ip().to_string());
    body["sourcePort"] = json!(held.remote.port());
    body["targetIp"] = json!(held.local.ip().to_string());
    body["targetPort"] = json!(held.local.port());
}

/// ListSubscriptions of a connected client.
pub(super) fn subscriptions(req: &Req) -> Result<Resp, ApiError> {
    let (broker, id) = (req.account.broker(), client_id(req)?);
    if broker.connection(id).is_none() {
        return Err(not_connected());
    }
    let mut held = broker.subscriptions(id);
    held.sort();
    let page = req.page(200, 50)?;
    let rows =
        held.into_iter().map(|(filter, qos)| (filter.clone(), json!({"topicFilter": filter, "qos": qos})));
    let (subscriptions, next) = page.take(rows);
    let mut body = json!({ "subscriptions": subscriptions });
    if let Some(token) = next {
        body["nextToken"] = json!(token);
    }
    Resp::json(body)
}

/// The connection of a thing: under an id that is the thing's name, or under any with a principal that is exclusively the
/// thing's (docs/aws-iot.md#4.3).
fn connection_of(req: &Req, thing: &str) -> Result<Option<(String, Connection)>, ApiError> {
    let broker = req.account.broker();
    if let Some(held) = broker.connection(thing) {
        return Ok(Some((thing.to_owned(), held)));
    }
    let state = req.account.read();
    let of_thing = |held: &Connection| match &held.principal {
        Principal::Certificate(id) => state.identity.exclusive_thing(id) == Some(thing),
        _ => false,
    };
    let mut found: Vec<_> = broker.connections().into_iter().filter(|(_, held)| of_thing(held)).collect();
    found
        .sort_by_key(|(id, held)| (!held.connected, std::cmp::Reverse(held.connected_since), Arc::clone(id)));
    Ok(found.into_iter().next().map(|(id, held)| (id.to_string(), held)))
}

/// GetThingConnectivityData: what the index knows of the thing's connection.
pub(super) fn connectivity(req: &Req) -> Result<Resp, ApiError> {
    let thing = req.path("thingName");
    req.account.read().registry.require_thing(thing)?;
    let body: Value = req.json()?;
    let Some((client, held)) = connection_of(req, thing)? else {
        return Resp::json(json!({"thingName": thing, "connected": false}));
    };
    let since =
        if held.connected { held.connected_since } else { held.disconnected_since.unwrap_or_default() };
    let mut out = json!({
        "thingName": thing,
        "clientId": client,
        "connected": held.connected,
        "timestamp": since as f64 / 1000.0,
        "keepAliveDuration": held.keep_alive,
        "cleanSession": held.clean_session,
        "sessionExpiry": held.session_expiry,
    });
    if let Some(reason) = held.disconnect_reason.as_ref().filter(|_| !held.connected) {
        out["disconnectReason"] = json!(reason);
    }
    if body.get("includeSocketInformation").and_then(Value::as_bool).unwrap_or(false) {
        sockets(&mut out, &held);
    }
    Resp::json(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_is_cut_at_most_once_a_second() {
        let (pace, start) = (DeletePace::default(), Instant::now());
        assert!(pace.admit("a", start));
        assert!(!pace.admit("a", start + Duration::from_millis(999)));
        assert!(pace.admit("b", start));
        assert!(pace.admit("a", start + DELETE_INTERVAL));
    }
}
