//! Operations on subscriptions.

use std::fmt::Write as _;

use super::deliver::{self, Job};
use super::message;
use super::store::Subscription;
use super::topics::{page, write_map};
use super::{answer, entries, invalid, not_found, required};
use crate::api::registry::uuid;
use crate::api::{ApiError, Req, Resp, query::escape};

/// Protocols of SNS; those in the second list must be confirmed by whoever reads the endpoint.
const PROTOCOLS: &[&str] =
    &["http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"];
const CONFIRMED_BY_OWNER: &[&str] = &["http", "https", "email", "email-json"];

/// `Subscribe`. The same endpoint again gives the same subscription.
pub fn subscribe(req: &Req) -> Result<Resp, ApiError> {
    let topic = required(req, "TopicArn")?;
    let protocol = required(req, "Protocol")?;
    let endpoint = required(req, "Endpoint")?;
    check_endpoint(protocol, endpoint)?;
    let attributes = entries(req, "Attributes");
    attributes.iter().try_for_each(|(n, _)| check_attribute(n))?;
    let confirms = CONFIRMED_BY_OWNER.contains(&protocol);
    let mut inner = req.account.sns.inner.lock();
    if !inner.topics.contains(topic) {
        return Err(not_found("Topic"));
    }
    if let Some(host) = req.header("host") {
        inner.base = Some(format!("http://{host}"));
    }
    let same = |s: &Subscription| s.topic == topic && s.protocol == protocol && s.endpoint == endpoint;
    let held = inner.subscriptions.iter().find(|(_, s)| same(s)).map(|(key, _)| key.to_owned());
    let arn = held.unwrap_or_else(|| format!("{topic}:{}", uuid()));
    if !inner.subscriptions.contains(&arn) {
        let row = Subscription {
            topic: topic.to_owned(),
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
            token: confirms.then(token),
            attributes: attributes.into_iter().collect(),
        };
        inner.subscriptions.put(&arn, row);
    }
    let base = inner.base(&req.account.region);
    let row = inner.subscriptions.get(&arn).cloned().ok_or_else(|| not_found("Subscription"))?;
    drop(inner);
    let pending = row.token.is_some();
    if let Some(token) = &row.token {
        let body = message::confirmation(&req.account, &base, topic, token);
        deliver::send(&req.account, Job::new(&arn, &row, "SubscriptionConfirmation", body));
    }
    let told = if pending && req.query("ReturnSubscriptionArn") != Some("true") {
        "pending confirmation"
    } else {
        arn.as_str()
    };
    answer("Subscribe", &format!("<SubscriptionArn>{}</SubscriptionArn>", escape(told)))
}

fn check_endpoint(protocol: &str, endpoint: &str) -> Result<(), ApiError> {
    if !PROTOCOLS.contains(&protocol) {
        return Err(invalid(format_args!("Does not support this protocol string: {protocol}")));
    }
    let good = match protocol {
        "http" => endpoint.starts_with("http://"),
        "https" => endpoint.starts_with("https://"),
        "email" | "email-json" => {
            endpoint.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
        }
        "sms" => endpoint.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c)),
        _ => endpoint.starts_with("arn:"),
    };
    if good && endpoint.len() <= 2048 && !endpoint.chars().any(char::is_control) {
        Ok(())
    } else if protocol.starts_with("http") {
        Err(invalid("Endpoint must match the specified protocol"))
    } else {
        Err(invalid(format_args!("{protocol} endpoint")))
    }
}

/// A confirmation token: long, and not to be guessed by a device that shares the machine.
fn token() -> String {
    (0..4).map(|_| uuid().replace('-', "")).collect()
}

/// `ConfirmSubscription`, also the unsigned link in the confirmation message.
pub fn confirm_subscription(req: &Req) -> Result<Resp, ApiError> {
    let (topic, token) = (required(req, "TopicArn")?, required(req, "Token")?);
    let mut inner = req.account.sns.inner.lock();
    let found = inner
        .subscriptions
        .iter()
        .find(|(_, s)| {
            s.topic == topic
                && s.attributes.get("quell.token").or(s.token.as_ref()).is_some_and(|t| t == token)
        })
        .map(|(key, _)| key.to_owned());
    let Some(arn) = found else { return Err(invalid("Token")) };
    inner.subscriptions.update(&arn, |s| {
        // Kept: confirming twice with the same token succeeds, as in AWS.
        if let Some(token) = s.token.take() {
            s.attributes.insert("quell.token".to_owned(), token);
        }
    });
    answer("ConfirmSubscription", &format!("<SubscriptionArn>{arn}</SubscriptionArn>"))
}

/// `Unsubscribe`, also the unsigned link in each message. Removing what is not there succeeds.
pub fn unsubscribe(req: &Req) -> Result<Resp, ApiError> {
    let arn = required(req, "SubscriptionArn")?;
    let mut inner = req.account.sns.inner.lock();
    if let Some(gone) = inner.subscriptions.remove(arn) {
        inner.topics.update(&gone.topic, |topic| topic.deleted += 1);
    }
    answer("Unsubscribe", "")
}

fn write_row(out: &mut String, arn: &str, row: &Subscription, owner: &str) {
    let arn = if row.token.is_some() { "PendingConfirmation" } else { arn };
    let _ = write!(
        out,
        "<TopicArn>{}</TopicArn><Protocol>{}</Protocol><SubscriptionArn>{}</SubscriptionArn><Owner>{owner}</Owner>\
         <Endpoint>{}</Endpoint>",
        escape(&row.topic),
        row.protocol,
        escape(arn),
        escape(&row.endpoint)
    );
}

/// `ListSubscriptions`.
pub fn list_subscriptions(req: &Req) -> Result<Resp, ApiError> {
    let inner = req.account.sns.inner.lock();
    let rows = inner.subscriptions.iter().map(|(key, row)| (key.to_owned(), row));
    let (members, next) = page(req, rows, |out, arn, row| write_row(out, arn, row, &req.account.id))?;
    answer("ListSubscriptions", &format!("<Subscriptions>{members}</Subscriptions>{next}"))
}

/// `ListSubscriptionsByTopic`.
pub fn list_subscriptions_by_topic(req: &Req) -> Result<Resp, ApiError> {
    let topic = required(req, "TopicArn")?;
    let inner = req.account.sns.inner.lock();
    if !inner.topics.contains(topic) {
        return Err(not_found("Topic"));
    }
    let rows =
        inner.subscriptions.iter().filter(|(_, s)| s.topic == topic).map(|(key, row)| (key.to_owned(), row));
    let (members, next) = page(req, rows, |out, arn, row| write_row(out, arn, row, &req.account.id))?;
    answer("ListSubscriptionsByTopic", &format!("<Subscriptions>{members}</Subscriptions>{next}"))
}

fn check_attribute(name: &str) -> Result<(), ApiError> {
    let known =
        ["DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"];
    if known.contains(&name) || name == "SubscriptionRoleArn" {
        Ok(())
    } else {
        Err(invalid("AttributeName"))
    }
}

/// `GetSubscriptionAttributes`.
pub fn get_subscription_attributes(req: &Req) -> Result<Resp, ApiError> {
    let arn = required(req, "SubscriptionArn")?;
    let inner = req.account.sns.inner.lock();
    let row = inner.subscriptions.get(arn).ok_or_else(|| not_found("Subscription"))?;
    let mut rows: std::collections::BTreeMap<&str, String> = [
        ("SubscriptionArn", arn.to_owned()),
        ("TopicArn", row.topic.clone()),
        ("Owner", req.account.id.clone()),
        ("Protocol", row.protocol.clone()),
        ("Endpoint", row.endpoint.clone()),
        ("PendingConfirmation", row.token.is_some().to_string()),
        ("ConfirmationWasAuthenticated", (!CONFIRMED_BY_OWNER.contains(&row.protocol.as_str())).to_string()),
        ("RawMessageDelivery", "false".to_owned()),
    ]
    .into();
    let set = row.attributes.iter().filter(|(n, _)| !n.starts_with("quell."));
    rows.extend(set.map(|(n, v)| (n.as_str(), v.clone())));
    answer("GetSubscriptionAttributes", &format!("<Attributes>{}</Attributes>", write_map(rows)))
}

/// `SetSubscriptionAttributes`.
pub fn set_subscription_attributes(req: &Req) -> Result<Resp, ApiError> {
    let arn = required(req, "SubscriptionArn")?;
    let name = required(req, "AttributeName")?;
    check_attribute(name)?;
    let value = req.query("AttributeValue").unwrap_or_default().to_owned();
    let mut inner = req.account.sns.inner.lock();
    inner
        .subscriptions
        .update(arn, |s| drop(s.attributes.insert(name.to_owned(), value)))
        .ok_or_else(|| not_found("Subscription"))?;
    answer("SetSubscriptionAttributes", "")
}
