//! `Publish`, for callers and for the emulator's own alerts.

use serde_json::{Map, Value, json};

use super::deliver::{self, Job};
use super::message::{self, Notification};
use super::{answer, invalid, not_found, required};
use crate::account::Account;
use crate::api::query::escape;
use crate::api::registry::uuid;
use crate::api::{ApiError, Req, Resp, cloudwatch};

/// SNS's limit on a message with its attributes.
const LARGEST: usize = 256 * 1024;

/// Publishes to a topic: Detect's alerts, audit findings, rules. Gives the message id. Never waits for a subscriber.
pub fn publish(
    account: &Account,
    topic: &str,
    subject: Option<&str>,
    message: &str,
) -> Result<String, ApiError> {
    send(account, topic, subject, message, Map::new())
}

/// `Publish`.
pub fn publish_operation(req: &Req) -> Result<Resp, ApiError> {
    let Some(topic) = req.query("TopicArn").or_else(|| req.query("TargetArn")) else {
        return Err(invalid("TopicArn or TargetArn Reason: no value for required parameter"));
    };
    let id = publish_form(req, topic, "")?;
    answer("Publish", &format!("<MessageId>{id}</MessageId>"))
}

/// Publishes the message whose fields' names begin with `prefix`.
fn publish_form(req: &Req, topic: &str, prefix: &str) -> Result<String, ApiError> {
    let field = |name: &str| req.query(&format!("{prefix}{name}"));
    let message = field("Message").filter(|m| !m.is_empty()).ok_or_else(|| invalid("Message"))?;
    let subject = field("Subject");
    if subject.is_some_and(|s| s.is_empty() || s.chars().count() > 100 || s.contains(['\n', '\r'])) {
        return Err(invalid("Subject"));
    }
    // A structured message has a text for each protocol; everybody here gets the default one.
    let structured;
    let message = if field("MessageStructure") == Some("json") {
        let forms: Value = serde_json::from_str(message)
            .map_err(|_| invalid("Message Structure - JSON message body failed to parse"))?;
        structured = forms.get("default").and_then(Value::as_str).map(str::to_owned);
        structured
            .as_deref()
            .ok_or_else(|| invalid("Message Structure - No default entry in JSON message body"))?
    } else {
        message
    };
    send(&req.account, topic, subject, message, attributes(req, prefix)?)
}

/// Messages of one batch.
const BATCH: usize = 10;

/// `PublishBatch`: up to ten messages, each with an answer of its own.
pub fn publish_batch(req: &Req) -> Result<Resp, ApiError> {
    let topic = required(req, "TopicArn")?;
    if !req.account.sns.has_topic(topic) {
        return Err(not_found("Topic"));
    }
    let refuse = |code: &'static str, text: &str| Err(ApiError::new(400, code, text));
    let entries: Vec<(String, &str)> = (1..)
        .map(|n| format!("PublishBatchRequestEntries.member.{n}."))
        .map_while(|prefix| req.query(&format!("{prefix}Id")).map(|id| (prefix, id)))
        .collect();
    if entries.is_empty() {
        return refuse("EmptyBatchRequest", "The batch request doesn't contain any entries.");
    }
    if entries.len() > BATCH {
        let text = "The batch request contains more entries than permissible.";
        return refuse("TooManyEntriesInBatchRequest", text);
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if entries.iter().any(|(_, id)| !(1..=80).contains(&id.len()) || !id.chars().all(word)) {
        let text = "The Id of a batch entry in a batch request doesn't abide by the specification.";
        return refuse("InvalidBatchEntryId", text);
    }
    let ids: std::collections::HashSet<&str> = entries.iter().map(|(_, id)| *id).collect();
    if ids.len() != entries.len() {
        let text = "Two or more batch entries in the request have the same Id.";
        return refuse("BatchEntryIdsNotDistinct", text);
    }
    let bytes: usize =
        entries.iter().filter_map(|(prefix, _)| req.query(&format!("{prefix}Message"))).map(str::len).sum();
    if bytes > LARGEST {
        let text = "The length of all the batch messages put together is more than the limit.";
        return refuse("BatchRequestTooLong", text);
    }
    let (mut successful, mut failed) = (String::new(), String::new());
    for (prefix, id) in entries {
        match publish_form(req, topic, &prefix) {
            Ok(message) => {
                successful.push_str(&format!("<member><Id>{id}</Id><MessageId>{message}</MessageId></member>"));
            }
            Err(error) => failed.push_str(&format!(
                "<member><Id>{id}</Id><Code>{}</Code><Message>{}</Message><SenderFault>true</SenderFault></member>",
                error.code,
                escape(&error.message)
            )),
        }
    }
    answer("PublishBatch", &format!("<Successful>{successful}</Successful><Failed>{failed}</Failed>"))
}

/// `MessageAttributes.entry.N.{Name, Value.DataType, Value.StringValue, Value.BinaryValue}`.
fn attributes(req: &Req, prefix: &str) -> Result<Map<String, Value>, ApiError> {
    let mut out = Map::new();
    let entry = format!("{prefix}MessageAttributes.entry.");
    for (field, name) in &req.query {
        let Some(number) = field.strip_prefix(&entry).and_then(|f| f.strip_suffix(".Name")) else {
            continue;
        };
        let of = |part: &str| req.query(&format!("{entry}{number}.Value.{part}"));
        let kind =
            of("DataType").ok_or_else(|| invalid(format_args!("MessageAttributes.{name}.DataType")))?;
        let value = of("StringValue").or_else(|| of("BinaryValue"));
        let value = value.ok_or_else(|| invalid(format_args!("MessageAttributes.{name}.Value")))?;
        out.insert(name.clone(), json!({"Type": kind, "Value": value}));
    }
    Ok(out)
}

fn send(
    account: &Account,
    topic: &str,
    subject: Option<&str>,
    message: &str,
    attributes: Map<String, Value>,
) -> Result<String, ApiError> {
    if message.is_empty() {
        return Err(invalid("Empty message"));
    }
    if message.len() > LARGEST {
        return Err(invalid("Message too long"));
    }
    let (base, subscribers) = {
        let inner = account.sns.inner.lock();
        if !inner.topics.contains(topic) {
            return Err(not_found("Topic"));
        }
        let subscribers: Vec<_> = inner
            .subscriptions
            .iter()
            .filter(|(_, s)| s.topic == topic && s.token.is_none())
            .map(|(arn, s)| (arn.to_owned(), s.clone()))
            .collect();
        (inner.base(&account.region), subscribers)
    };
    let name = topic.rsplit(':').next().unwrap_or_default();
    cloudwatch::count(account, "AWS/SNS", "NumberOfMessagesPublished", &[("TopicName", name)], 1.0);
    let notification = Notification {
        id: uuid(),
        topic: topic.to_owned(),
        subject: subject.map(str::to_owned),
        message: message.to_owned(),
        attributes,
        timestamp: message::timestamp(account),
    };
    for (arn, row) in subscribers {
        let body = match row.protocol.as_str() {
            "lambda" => notification.lambda_event(account, &base, &arn),
            _ if row.attributes.get("RawMessageDelivery").is_some_and(|v| v == "true") => message.into(),
            _ => notification.envelope(account, &base, &arn),
        };
        deliver::send(account, Job::new(&arn, &row, "Notification", body).of_message(&notification.id));
    }
    Ok(notification.id)
}
