//! Operations on topics.

use std::fmt::Write as _;

use serde_json::json;

use super::store::Topic;
use super::tags;
use super::{answer, entries, invalid, not_found, required};
use crate::account::Account;
use crate::api::request::{decode_token, encode_token};
use crate::api::{ApiError, Req, Resp, query::escape};

/// Rows of a page.
pub(super) const PAGE: usize = 100;

/// `arn:PARTITION:sns:REGION:ACCOUNT:NAME`.
pub fn arn(account: &Account, name: &str) -> String {
    format!("arn:{}:sns:{}:{}:{name}", account.partition(), account.region, account.id)
}

/// Attributes a caller may set.
const SETTABLE: &[&str] = &[
    "DeliveryPolicy",
    "DisplayName",
    "FifoTopic",
    "Policy",
    "SignatureVersion",
    "TracingConfig",
    "KmsMasterKeyId",
    "ContentBasedDeduplication",
    "ArchivePolicy",
    "FifoThroughputScope",
    "HTTPSuccessFeedbackRoleArn",
    "HTTPSuccessFeedbackSampleRate",
    "HTTPFailureFeedbackRoleArn",
    "LambdaSuccessFeedbackRoleArn",
    "LambdaSuccessFeedbackSampleRate",
    "LambdaFailureFeedbackRoleArn",
];

fn check_attribute(name: &str) -> Result<(), ApiError> {
    if SETTABLE.contains(&name) { Ok(()) } else { Err(invalid("AttributeName")) }
}

/// `CreateTopic`: the existing topic when the name is taken.
pub fn create_topic(req: &Req) -> Result<Resp, ApiError> {
    let name = required(req, "Name")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    if plain.is_empty() || name.len() > 256 || !plain.chars().all(allowed) {
        return Err(invalid("Topic Name"));
    }
    let attributes = entries(req, "Attributes");
    attributes.iter().try_for_each(|(n, _)| check_attribute(n))?;
    let tags = tags::given(req)?;
    let arn = arn(&req.account, name);
    let mut inner = req.account.sns.inner.lock();
    if inner.topics.contains(&arn) {
        let differs = inner
            .topics
            .get(&arn)
            .is_some_and(|t| attributes.iter().any(|(n, v)| t.attributes.get(n) != Some(v)));
        if !tags.is_empty() && inner.topics.get(&arn).is_some_and(|t| t.tags != tags) {
            return Err(invalid("Tags Reason: Topic already exists with different tags"));
        }
        if differs {
            return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
        }
    } else {
        let topic = Topic { attributes: attributes.into_iter().collect(), deleted: 0, tags };
        inner.topics.put(&arn, topic);
    }
    answer("CreateTopic", &format!("<TopicArn>{arn}</TopicArn>"))
}

/// `DeleteTopic`, with its subscriptions. Deleting what is not there succeeds.
pub fn delete_topic(req: &Req) -> Result<Resp, ApiError> {
    let arn = required(req, "TopicArn")?;
    let mut inner = req.account.sns.inner.lock();
    if inner.topics.remove(arn).is_some() {
        let gone: Vec<String> = inner
            .subscriptions
            .iter()
            .filter(|(_, s)| s.topic == arn)
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in gone {
            inner.subscriptions.remove(&key);
        }
    }
    answer("DeleteTopic", "")
}

/// A page of rows after the token: `(members, next token)`.
pub(super) fn page<T>(
    req: &Req,
    rows: impl Iterator<Item = (String, T)>,
    mut write: impl FnMut(&mut String, &str, T),
) -> Result<(String, String), ApiError> {
    let after = match req.query("NextToken") {
        None => String::new(),
        Some(token) => decode_token(token).ok_or_else(|| invalid("NextToken"))?,
    };
    let (mut members, mut count, mut last) = (String::new(), 0, String::new());
    for (key, row) in rows.skip_while(|(key, _)| *key <= after) {
        if count == PAGE {
            return Ok((members, format!("<NextToken>{}</NextToken>", encode_token(&last))));
        }
        members.push_str("<member>");
        write(&mut members, &key, row);
        members.push_str("</member>");
        count += 1;
        last = key;
    }
    Ok((members, String::new()))
}

/// `ListTopics`.
pub fn list_topics(req: &Req) -> Result<Resp, ApiError> {
    let inner = req.account.sns.inner.lock();
    let rows = inner.topics.iter().map(|(key, _)| (key.to_owned(), ()));
    let (members, next) = page(req, rows, |out, arn, ()| {
        let _ = write!(out, "<TopicArn>{}</TopicArn>", escape(arn));
    })?;
    answer("ListTopics", &format!("<Topics>{members}</Topics>{next}"))
}

/// An attribute map as XML.
pub(super) fn write_map<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut out = String::new();
    for (key, value) in rows {
        let _ = write!(out, "<entry><key>{key}</key><value>{}</value></entry>", escape(&value));
    }
    out
}

/// `GetTopicAttributes`.
pub fn get_topic_attributes(req: &Req) -> Result<Resp, ApiError> {
    let arn = required(req, "TopicArn")?;
    let inner = req.account.sns.inner.lock();
    let topic = inner.topics.get(arn).ok_or_else(|| not_found("Topic"))?;
    let of_topic = || inner.subscriptions.iter().filter(|(_, s)| s.topic == arn);
    let pending = of_topic().filter(|(_, s)| s.token.is_some()).count();
    let confirmed = of_topic().count() - pending;
    let account = &req.account.id;
    let policy = json!({
        "Version": "2008-10-17", "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": {"AWS": "*"},
            "Action": ["SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
                "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"],
            "Resource": arn, "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
        }],
    });
    let delivery = json!({"http": {
        "defaultHealthyRetryPolicy": {"minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3, "numMaxDelayRetries": 0,
            "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear"},
        "disableSubscriptionOverrides": false,
    }});
    let mut rows: std::collections::BTreeMap<&str, String> = [
        ("TopicArn", arn.to_owned()),
        ("Owner", account.clone()),
        ("DisplayName", String::new()),
        ("Policy", policy.to_string()),
        ("EffectiveDeliveryPolicy", delivery.to_string()),
        ("SubscriptionsConfirmed", confirmed.to_string()),
        ("SubscriptionsPending", pending.to_string()),
        ("SubscriptionsDeleted", topic.deleted.to_string()),
    ]
    .into();
    rows.extend(topic.attributes.iter().map(|(n, v)| (n.as_str(), v.clone())));
    answer("GetTopicAttributes", &format!("<Attributes>{}</Attributes>", write_map(rows)))
}

/// `SetTopicAttributes`.
pub fn set_topic_attributes(req: &Req) -> Result<Resp, ApiError> {
    let arn = required(req, "TopicArn")?;
    let name = required(req, "AttributeName")?;
    check_attribute(name)?;
    let value = req.query("AttributeValue").unwrap_or_default().to_owned();
    let mut inner = req.account.sns.inner.lock();
    inner
        .topics
        .update(arn, |topic| drop(topic.attributes.insert(name.to_owned(), value)))
        .ok_or_else(|| not_found("Topic"))?;
    answer("SetTopicAttributes", "")
}
