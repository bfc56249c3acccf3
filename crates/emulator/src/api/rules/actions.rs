//! What a rule does with what it selected.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use bytes::Bytes;
use serde_json::Value;

use super::check::{Action, Headers, Step};
use crate::account::Account;
use crate::api::{cloudwatch, s3, sns};
use crate::broker::{Host as _, Principal, Properties, Routing, Session};
use quell_rules::sql::{Message, Template};
use quell_rules::topics::Dialect;

/// Why an action could not be carried out.
pub(super) struct Failure {
    pub(super) resource: String,
    pub(super) message: String,
}

fn failure(resource: impl Into<String>, message: impl Into<String>) -> Failure {
    Failure { resource: resource.into(), message: message.into() }
}

/// The `ActionType` of CloudWatch and the beginning of `failedAction`: the member's name with a capital, SNS and the like in
/// AWS's own spelling.
pub(super) fn metric_name(kind: &'static str) -> &'static str {
    match kind {
        "cloudwatchAlarm" => "CloudwatchAlarm",
        "cloudwatchLogs" => "CloudwatchLogs",
        "cloudwatchMetric" => "CloudwatchMetric",
        "dynamoDB" => "DynamoDB",
        "dynamoDBv2" => "DynamoDBv2",
        "elasticsearch" => "Elasticsearch",
        "firehose" => "Firehose",
        "http" => "Http",
        "iotAnalytics" => "IotAnalytics",
        "iotEvents" => "IotEvents",
        "iotSiteWise" => "IotSiteWise",
        "kafka" => "Kafka",
        "kinesis" => "Kinesis",
        "lambda" => "Lambda",
        "location" => "Location",
        "openSearch" => "OpenSearch",
        "republish" => "Republish",
        "s3" => "S3",
        "salesforce" => "Salesforce",
        "sns" => "Sns",
        "sqs" => "Sqs",
        "stepFunctions" => "StepFunctions",
        "timestream" => "Timestream",
        other => other,
    }
}

/// Carries out one action with `output`, the parameters filled from the original `message`.
pub(super) fn run(
    account: &Account,
    step: &Step,
    message: &Message<'_>,
    output: &Bytes,
) -> Result<(), Failure> {
    let fill = |template: &Template| template.render(message);
    match &step.action {
        Action::Metric { namespace, name, value, unit, timestamp } => {
            let at = timestamp.as_ref().map(fill);
            metric(account, &fill(namespace), &fill(name), &fill(value), &fill(unit), at.as_deref())
        }
        Action::Republish { topic, qos, headers } => {
            let topic = fill(topic);
            let with = headers.as_ref().map(|headers| properties(headers, &topic, fill)).transpose()?;
            republish(account, &topic, &fill(qos), with, output)
        }
        Action::Sns { target, json } => {
            let target = fill(target);
            let text = String::from_utf8_lossy(output);
            let text = if *json {
                default_text(&text).ok_or_else(|| failure(&target, "The message has no default text"))?
            } else {
                text.into_owned()
            };
            match sns::publish(account, &target, None, &text) {
                Ok(_) => Ok(()),
                Err(e) => Err(failure(
                    target,
                    format!(
                        "Failed to publish a message on SNS topic. The error received was {} (Service: AmazonSNS; Status Code: {}; Error Code: {})",
                        e.message, e.status, e.code
                    ),
                )),
            }
        }
        Action::S3 { bucket, key } => {
            let (bucket, key) = (fill(bucket), fill(key));
            s3::put_object(account, &bucket, &key, output.clone()).map_err(|e| match e {
                s3::PutError::NoSuchBucket => failure(
                    &bucket,
                    "Failed to put S3 object. The error received was The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket)",
                ),
            })
        }
        Action::Logs { group } => {
            tracing::info!(group = fill(group), bytes = output.len(), "cloudwatchLogs action");
            Ok(())
        }
        Action::Elsewhere { resource } => {
            Err(failure(resource, format!("The {} action is not emulated", step.kind)))
        }
    }
}

/// The text of a structured message everybody gets.
fn default_text(document: &str) -> Option<String> {
    serde_json::from_str::<Value>(document).ok()?.get("default")?.as_str().map(str::to_owned)
}

fn metric(
    account: &Account,
    namespace: &str,
    name: &str,
    value: &str,
    unit: &str,
    at: Option<&str>,
) -> Result<(), Failure> {
    let refused = |message: String| failure(name, message);
    if namespace.is_empty() || name.is_empty() || namespace.starts_with("AWS/") {
        return Err(refused(format!("Invalid metric: namespace '{namespace}', name '{name}'")));
    }
    let number: f64 = value
        .trim()
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite())
        .ok_or_else(|| refused(format!("The metric value '{value}' is not a number")))?;
    let now = account.clock.now_ms();
    let at = match at.filter(|t| !t.is_empty()) {
        None => now,
        // Epoch seconds, says the model; milliseconds are what timestamp() gives and a common mistake.
        Some(text) => text
            .parse::<f64>()
            .ok()
            .map(|seconds| (seconds * 1000.0) as i64)
            .filter(|ms| (now - 14 * 86_400_000..now + 7_200_000).contains(ms))
            .ok_or_else(|| {
                refused(format!(
                    "The metric timestamp '{text}' is not a time in Unix epoch seconds within two weeks"
                ))
            })?,
    };
    let series = cloudwatch::Series::new(namespace, name, &[]);
    cloudwatch::put_metric(account, &series, number, unit, at).map_err(|e| refused(e.message))
}

/// The MQTT 5 properties of a republished message. What comes to nothing is left out.
fn properties(
    headers: &Headers,
    topic: &str,
    fill: impl Fn(&Template) -> String,
) -> Result<Properties, Failure> {
    let text = |template: &Option<Template>| template.as_ref().map(&fill).filter(|text| !text.is_empty());
    let refused = |what: String| failure(topic, what);
    let utf8 = match text(&headers.format).as_deref() {
        None | Some("UNSPECIFIED_BYTES") => false,
        Some("UTF8_DATA") => true,
        Some(other) => return Err(refused(format!("The payload format indicator '{other}' is unknown"))),
    };
    let correlation_data = text(&headers.correlation).map(|text| {
        let decoded = base64::engine::general_purpose::STANDARD.decode(&text);
        decoded.map(Bytes::from).map_err(|_| refused("The correlation data is not base64".to_owned()))
    });
    let expiry = text(&headers.expiry).map(|text| {
        text.parse().map_err(|_| refused(format!("The message expiry '{text}' is no number of seconds")))
    });
    Ok(Properties {
        utf8,
        content_type: text(&headers.content_type),
        response_topic: text(&headers.response_topic),
        correlation_data: correlation_data.transpose()?,
        user_properties: headers.user.iter().map(|(name, value)| (fill(name), fill(value))).collect(),
        expiry: expiry.transpose()?,
    })
}

fn republish(
    account: &Account,
    topic: &str,
    qos: &str,
    with: Option<Properties>,
    output: &Bytes,
) -> Result<(), Failure> {
    if let Err(why) = Dialect::Aws.valid_topic(topic) {
        return Err(failure(topic, format!("The topic is not valid: {why}")));
    }
    let qos = match qos {
        "0" => 0,
        "1" => 1,
        other => return Err(failure(topic, format!("QoS must be 0 or 1, not '{other}'"))),
    };
    // Through the same door as any publish: a shadow request is one, and other rules see it.
    let rules = Session {
        client_id: "".into(),
        principal: Principal::Iam("AWSIoTRulesEngine".to_owned()),
        serial: 0,
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        attributes: Default::default(),
    };
    if account.published(&rules, topic, output, with.as_ref()) == Routing::Subscribers {
        account.broker().publish_with(topic, output.clone(), qos, false, with.unwrap_or_default());
    }
    Ok(())
}
