//! The MQTT door of a device's jobs: answers go to the client that asked and pass by everybody else (docs/aws-iot.md#3.4, #3.7).

use bytes::Bytes;
use serde_json::{Value, json};

use super::device::{self, Refusal, Request};
use super::presign::Presigner;
use super::{Env, Messages, change, publish};
use crate::account::Account;
use crate::broker::Session;

/// Bytes of a client token.
const LONGEST_TOKEN: usize = 64;

/// A client published to `$aws/things/{thing}/jobs/{rest}`.
pub fn on_publish(account: &Account, session: &Session, thing: &str, rest: &str, payload: &Bytes) {
    let asked = match rest {
        "get" => Asked::Pending,
        "start-next" => Asked::StartNext,
        _ => match rest.split_once('/') {
            Some((job, "get")) => Asked::Describe(job),
            Some((job, "update")) => Asked::Update(job),
            _ => Asked::Nothing,
        },
    };
    let (token, outcome) = match (&asked, parse(payload)) {
        (Asked::Nothing, _) => (token_of(payload), Err(no_such_topic())),
        (_, Ok(request)) => (request.client_token.clone(), answer(account, thing, &asked, &request)),
        (_, Err(refusal)) => (token_of(payload), Err(refusal)),
    };
    let (verdict, mut body, messages) = match outcome {
        Ok((body, messages)) => ("accepted", body, messages),
        Err(refusal) => {
            let mut body = json!({"code": refusal.code, "message": refusal.message});
            if let Some(state) = refusal.state {
                body["executionState"] = state;
            }
            ("rejected", body, Messages::new())
        }
    };
    body["timestamp"] = (account.clock.now_ms() / 1000).into();
    if let Some(token) = token {
        body["clientToken"] = token.into();
    }
    let topic = format!("$aws/things/{thing}/jobs/{rest}/{verdict}");
    account.broker().reply(&session.client_id, &topic, Bytes::from(body.to_string()));
    publish(account, messages);
}

enum Asked<'a> {
    Pending,
    StartNext,
    Describe(&'a str),
    Update(&'a str),
    /// A topic of the jobs that is no request.
    Nothing,
}

fn no_such_topic() -> Refusal {
    Refusal::new("InvalidTopic", "The request was sent to a topic that does not map to any API operation.")
}

fn parse(payload: &[u8]) -> Result<Request, Refusal> {
    if payload.iter().all(u8::is_ascii_whitespace) {
        return Ok(Request::default());
    }
    let value: Value = serde_json::from_slice(payload).map_err(|_| {
        Refusal::new("InvalidJson", "The contents of the request could not be interpreted as JSON.")
    })?;
    if !value.is_object() {
        return Err(Refusal::invalid("The request must be a JSON object"));
    }
    let request: Request =
        serde_json::from_value(value).map_err(|e| Refusal::invalid(format!("Invalid request: {e}")))?;
    if request.client_token.as_ref().is_some_and(|token| token.len() > LONGEST_TOKEN) {
        return Err(Refusal::invalid("clientToken must have at most 64 bytes"));
    }
    Ok(request)
}

fn token_of(payload: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    value.get("clientToken")?.as_str().filter(|token| token.len() <= LONGEST_TOKEN).map(str::to_owned)
}

fn answer(
    account: &Account,
    thing: &str,
    asked: &Asked<'_>,
    request: &Request,
) -> Result<(Value, Messages), Refusal> {
    if account.read().registry.thing(thing).is_none() {
        return Err(Refusal::new("ResourceNotFound", format!("Thing {thing} not found")));
    }
    match asked {
        Asked::Nothing => Err(no_such_topic()),
        Asked::Pending => Ok((device::pending(&account.read().jobs, thing), Messages::new())),
        Asked::Describe(job) => {
            let presigner = Presigner::of(account);
            let state = account.read();
            let env = Env::of(account, &state.registry, presigner);
            Ok((device::describe(&state.jobs, &env, thing, job, request, false)?, Messages::new()))
        }
        Asked::StartNext => change(account, |jobs, env, changes| {
            device::start_next(jobs, env, changes, thing, request, false)
        }),
        Asked::Update(job) => change(account, |jobs, env, changes| {
            device::update(jobs, env, changes, thing, job, request, false)
        }),
    }
}
