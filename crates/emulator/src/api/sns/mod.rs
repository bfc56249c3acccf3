//! SNS as far as alerts need it: topics, subscriptions, and messages that really arrive (docs/aws-iot.md#2.7, #3.9).
//!
//! `store.rs` keeps topics and subscriptions, `message.rs` makes and signs envelopes, `deliver.rs` brings them: over HTTP to
//! endpoints on this machine, for everything else (mail, text messages, Lambda, queues, endpoints elsewhere) as lines of the
//! outbox file. `topics.rs`, `subscriptions.rs` and `publishing.rs` are the operations.

mod deliver;
mod message;
mod publishing;
mod store;
mod subscriptions;
mod tags;
mod topics;

#[cfg(test)]
mod tests;

pub use publishing::{publish, publish_batch, publish_operation};
pub use store::Sns;
pub use subscriptions::{
    confirm_subscription, get_subscription_attributes, list_subscriptions, list_subscriptions_by_topic,
    set_subscription_attributes, subscribe, unsubscribe,
};
pub use tags::{list_tags, tag_resource, untag_resource};
pub use topics::arn as topic_arn;
pub use topics::{create_topic, delete_topic, get_topic_attributes, list_topics, set_topic_attributes};

use std::sync::Arc;

use super::{ApiError, Req, Resp, query};
use crate::account::Account;

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// An answer with a result document.
fn answer(action: &str, result: &str) -> Result<Resp, ApiError> {
    query::answer(action, NAMESPACE, result)
}

fn not_found(what: &str) -> ApiError {
    ApiError::new(404, "NotFound", format!("{what} does not exist"))
}

fn invalid(message: impl std::fmt::Display) -> ApiError {
    ApiError::new(400, "InvalidParameter", format!("Invalid parameter: {message}"))
}

fn required<'a>(req: &'a Req, name: &str) -> Result<&'a str, ApiError> {
    req.query(name).filter(|v| !v.is_empty()).ok_or_else(|| invalid(name))
}

/// The map a form writes as `PREFIX.entry.N.key` and `PREFIX.entry.N.value`.
fn entries(req: &Req, prefix: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (name, key) in &req.query {
        let Some(number) =
            name.strip_prefix(prefix).and_then(|n| n.strip_prefix(".entry.")?.strip_suffix(".key"))
        else {
            continue;
        };
        let value = req.query(&format!("{prefix}.entry.{number}.value")).unwrap_or_default();
        out.push((key.clone(), value.to_owned()));
    }
    out
}

/// What anybody may fetch without a signature: the certificate messages are signed with, and the links of a confirmation
/// message. `None` when the request is neither.
pub(super) fn unsigned(req: &Req, method: &str, path: &str) -> Option<Result<Resp, ApiError>> {
    if method != "GET" {
        return None;
    }
    if path.starts_with("/SimpleNotificationService-") {
        return Some(message::certificate(&req.account, path));
    }
    match req.query("Action") {
        Some("ConfirmSubscription") if path == "/" => Some(confirm_subscription(req)),
        Some("Unsubscribe") if path == "/" => Some(unsubscribe(req)),
        _ => None,
    }
}

/// Starts the deliveries over HTTP; once, from within the runtime, when the account is served.
pub fn start(account: &Arc<Account>) {
    deliver::start(account);
}
