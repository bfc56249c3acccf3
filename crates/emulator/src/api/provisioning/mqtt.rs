//! The MQTT door of fleet provisioning: a device with a claim certificate asks for a certificate of its own and has itself
//! registered (docs/aws-iot.md#3.11). Answers go to the client that asked, over the same connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::register::{OWNERSHIP, Refusal, ownership_token, register};
use crate::account::Account;
use crate::api::identity::{CertStatus, issue};
use crate::broker::Session;

/// Requests answered at the same time: making a key takes a while.
static ROOM: Semaphore = Semaphore::const_new(16);

/// A request, by its topic.
#[derive(Debug)]
enum Asked {
    Keys,
    Csr,
    Register(String),
}

/// How payloads are written.
#[derive(Clone, Copy, Debug)]
enum Format {
    Json,
    Cbor,
}

impl Format {
    fn read(self, payload: &[u8]) -> Option<Value> {
        if payload.iter().all(u8::is_ascii_whitespace) {
            return Some(json!({}));
        }
        match self {
            Self::Json => serde_json::from_slice(payload).ok(),
            Self::Cbor => ciborium::from_reader(payload).ok(),
        }
    }

    fn write(self, value: &Value) -> Bytes {
        match self {
            Self::Json => value.to_string().into(),
            Self::Cbor => {
                let mut out = Vec::new();
                // Writing to memory does not fail.
                let _ = ciborium::into_writer(value, &mut out);
                out.into()
            }
        }
    }
}

fn asked(topic: &str) -> Option<(Asked, Format)> {
    let (rest, format) = topic.rsplit_once('/')?;
    let format = match format {
        "json" => Format::Json,
        "cbor" => Format::Cbor,
        _ => return None,
    };
    let asked = match rest {
        "$aws/certificates/create" => Asked::Keys,
        "$aws/certificates/create-from-csr" => Asked::Csr,
        _ => {
            let name = rest.strip_prefix("$aws/provisioning-templates/")?.strip_suffix("/provision")?;
            Asked::Register(name.to_owned())
        }
    };
    Some((asked, format))
}

/// Is it the topic of a request of fleet provisioning?
pub fn is_request(topic: &str) -> bool {
    asked(topic).is_some()
}

/// A client published to a topic of fleet provisioning. The answer comes later: a key is made in the meantime.
pub fn on_publish(account: &Account, session: &Session, topic: &str, payload: &Bytes) {
    let Some((asked, format)) = asked(topic) else { return };
    let Some(account) = account.shared() else { return };
    let (payload, topic) = (payload.clone(), topic.to_owned());
    let client = Arc::clone(&session.client_id);
    let work = move || {
        let outcome = match ROOM.try_acquire() {
            Ok(_room) => answer(&account, &asked, format, &payload),
            Err(_) => Err(Refusal::new(429, "Throttled", "Rate exceeded")),
        };
        let (verdict, body) = match outcome {
            Ok(body) => ("accepted", body),
            Err(Refusal { status, code, message }) => {
                tracing::debug!(client = %client, topic, code, message, "provisioning rejected");
                ("rejected", json!({"statusCode": status, "errorCode": code, "errorMessage": message}))
            }
        };
        account.broker().reply(&client, &format!("{topic}/{verdict}"), format.write(&body));
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

fn answer(account: &Arc<Account>, asked: &Asked, format: Format, payload: &[u8]) -> Result<Value, Refusal> {
    let request = format
        .read(payload)
        .filter(Value::is_object)
        .ok_or_else(|| Refusal::new(400, "InvalidPayload", "The payload could not be parsed."))?;
    let text = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default();
    let answer = match asked {
        Asked::Keys => {
            let issued = issue::keys_and_certificate(issue::KeyKind::Rsa2048)?;
            let mut answer = pending(account, &issued.certificate_pem)?;
            answer["privateKey"] = issued.private_key_pem.into();
            answer
        }
        Asked::Csr => {
            let csr = text("certificateSigningRequest");
            if csr.is_empty() {
                return Err(Refusal::new(400, "InvalidParameters", "CSR cannot be empty."));
            }
            let pem = issue::certificate_for(csr).map_err(|error| {
                Refusal::new(error.status, "InvalidCertificateSigningRequest", error.message)
            })?;
            pending(account, &pem)?
        }
        Asked::Register(template) => {
            let given = parameters(request.get("parameters"))?;
            register(account, template, text("certificateOwnershipToken"), &given)?
        }
    };
    account.wal.commit_in_place().map_err(|error| {
        tracing::error!(%error, "a provisioned device could not be kept");
        Refusal::new(500, "InternalError", "Internal service failure")
    })?;
    Ok(answer)
}

fn parameters(given: Option<&Value>) -> Result<BTreeMap<String, String>, Refusal> {
    let refuse = |what: String| Refusal::new(400, "InvalidParameters", what);
    let members = match given {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(members)) => members,
        Some(_) => return Err(refuse("parameters must be a map.".to_owned())),
    };
    members
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name.clone(), text.clone())),
            _ => Err(refuse(format!("The value of parameter {name} must be a string."))),
        })
        .collect()
}

/// Registers a new certificate that waits for its device's registration, and forgets it when none comes in time.
fn pending(account: &Arc<Account>, pem: &str) -> Result<Value, Refusal> {
    let now = account.clock.now_ms();
    let id = account.write().identity.register_certificate(
        pem,
        CertStatus::PendingActivation,
        false,
        None,
        now,
    )?;
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let (account, id) = (Arc::clone(account), id.clone());
        runtime.spawn(async move {
            tokio::time::sleep(account.clock.scaled(OWNERSHIP)).await;
            let mut state = account.write();
            let waits =
                |held: &crate::api::identity::Certificate| held.status == CertStatus::PendingActivation;
            if state.identity.certificate(&id).is_some_and(waits)
                && let Err(error) = state.identity.delete_certificate(&id, false)
            {
                tracing::debug!(certificate = id, message = error.message, "never registered, and stays");
            }
        });
    }
    Ok(json!({
        "certificateId": id,
        "certificatePem": pem,
        "certificateOwnershipToken": ownership_token(account, &id),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_known_by_their_topics() {
        for topic in [
            "$aws/certificates/create/json",
            "$aws/certificates/create/cbor",
            "$aws/certificates/create-from-csr/json",
            "$aws/provisioning-templates/T/provision/cbor",
        ] {
            assert!(is_request(topic), "{topic}");
        }
        for topic in [
            "$aws/certificates/create",
            "$aws/certificates/create/xml",
            "$aws/certificates/create/json/accepted",
            "$aws/certificates/delete/json",
            "$aws/provisioning-templates/T/provision",
            "$aws/provisioning-templates/provision/json",
        ] {
            assert!(!is_request(topic), "{topic}");
        }
    }
}
