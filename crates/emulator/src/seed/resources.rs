//! What the seeded account holds beside its devices: groups, policies, security profiles, SNS topics, the topic rule.
//!
//! Profiles, topics and the rule are made by the operations themselves, so they are checked as anybody's are.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::account::Account;
use crate::api::detect::{profiles, targets};
use crate::api::identity::Target;
use crate::api::registry::GroupSpec;
use crate::api::routes::Handler;
use crate::api::{ApiError, Req, rules, sns};

/// The group the workshop's continuous job is for.
pub(super) const UPDATE_GROUP: &str = "NeedsUpdate";

/// What the workshop's shared certificate may do: everything.
const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
/// What isolates: nothing is allowed.
const DENY_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;

/// What a device of its own certificate may do: be itself.
fn device_policy(account: &Account) -> String {
    let arn = |kind: &str, name: &str| account.arn(kind, name);
    let thing = "${iot:Connection.Thing.ThingName}";
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": arn("client", thing)},
        {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": [
            arn("topic", &format!("dt/{thing}/*")), arn("topic", "temperature-device-*"), arn("topic", &format!("$aws/things/{thing}/*"))]},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": arn("topicfilter", &format!("$aws/things/{thing}/*"))}
    ]})
    .to_string()
}

/// Makes what a participant finds: what the devices may do, the group of the lab, the topics of alerts.
pub(super) fn prepare(account: &Arc<Account>) -> Result<(), ApiError> {
    let now = account.clock.now_ms();
    let device_policy = device_policy(account);
    {
        let mut state = account.write();
        state.identity.create_policy("AllowAll", ALLOW_ALL, now)?;
        state.identity.create_policy("DevicePolicy", &device_policy, now)?;
        // It gets no policy: the workshop's mistake, which the console must see.
        state.registry.create_group("Quarantine", group("Devices under suspicion"), now)?;
    }
    for topic in ["BadIoTDevices", "DDD_Alerts"] {
        let name = ("Name".to_owned(), topic.to_owned());
        call(account, sns::create_topic, None, vec![name], &Value::Null)?;
    }
    Ok(())
}

/// Makes what the modules, the lab and the extra credit have a participant make.
pub(super) fn finish(account: &Arc<Account>) -> Result<(), ApiError> {
    let now = account.clock.now_ms();
    {
        let mut state = account.write();
        let isolated = group("Devices that may not speak: DenyAll is attached");
        state.registry.create_group("IsolatedDevices", isolated, now)?;
        state.registry.create_group(UPDATE_GROUP, group("Devices that need new firmware"), now)?;
        state.identity.create_policy("DenyAll", DENY_ALL, now)?;
        state.identity.attach_policy("DenyAll", &Target::Group("IsolatedDevices".to_owned()))?;
    }
    security_profiles(account)?;
    topic_rule(account)
}

fn group(description: &str) -> GroupSpec {
    GroupSpec { description: Some(description.to_owned()), ..GroupSpec::default() }
}

/// Runs an operation as a request would, without the HTTP around it.
fn call(
    account: &Arc<Account>,
    handler: Handler,
    path: Option<(&'static str, &str)>,
    query: Vec<(String, String)>,
    body: &Value,
) -> Result<(), ApiError> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let req = Req {
        account: Arc::clone(account),
        caller: account.iam.own_key(&account.id).0,
        device: None,
        path: path.map(|(name, value)| (name, value.to_owned())).into_iter().collect(),
        query,
        headers: Vec::new(),
        body: body.into(),
    };
    handler(&req).map(drop)
}

fn role(account: &Account, name: &str) -> String {
    format!("arn:{}:iam::{}:role/{name}", account.partition(), account.id)
}

/// The profiles, all on all things; those of the two workshops with an alert target tell it.
fn security_profiles(account: &Arc<Account>) -> Result<(), ApiError> {
    let topic = |name: &str, role_name: &str| {
        let arn = sns::topic_arn(account, name);
        json!({"SNS": {"alertTargetArn": arn, "roleArn": role(account, role_name)}})
    };
    for (name, text, alerts, behavior) in [
        (
            "DetectLargeMessageSize",
            "A message is at most 1024 bytes",
            topic("BadIoTDevices", "workshop-SNSTopicRole"),
            json!({"name": "LargeMessageSize", "metric": "aws:message-byte-size", "criteria":
                {"comparisonOperator": "less-than-equals", "value": {"count": 1024},
                 "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 1}}),
        ),
        (
            "MsgSentSecProfile",
            "A device sends fewer than 50 messages in 5 minutes",
            topic("DDD_Alerts", "DDDtoSNSRole"),
            json!({"name": "MsgSentBehavior", "metric": "aws:num-messages-sent", "criteria":
                {"comparisonOperator": "less-than", "value": {"count": 50}, "durationSeconds": 300,
                 "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 1}}),
        ),
        (
            "acceptablebehavior",
            "Few authorization failures",
            Value::Null,
            json!({"name": "AuthorizationFailures", "metric": "aws:num-authorization-failures", "criteria":
                {"comparisonOperator": "less-than-equals", "value": {"count": 60}, "durationSeconds": 300,
                 "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 1}}),
        ),
    ] {
        let path = Some(("securityProfileName", name));
        let mut body = json!({"securityProfileDescription": text, "behaviors": [behavior]});
        if alerts.is_object() {
            body["alertTargets"] = alerts;
        }
        call(account, profiles::create, path, Vec::new(), &body)?;
        let all = ("securityProfileTargetArn".to_owned(), account.arn("all", "things"));
        call(account, targets::attach, path, vec![all], &Value::Null)?;
    }
    Ok(())
}

/// The rule HighHumidity as the workshop meant it: its own SQL names a member no shadow document has at that place.
fn topic_rule(account: &Arc<Account>) -> Result<(), ApiError> {
    let body = json!({
        "sql": "SELECT state.reported.Humidity AS Humidity, topic(3) AS thing \
                FROM '$aws/things/+/shadow/update/accepted' WHERE state.reported.Humidity > 50",
        "awsIotSqlVersion": "2016-03-23",
        "description": "What a sensor measures above 50 percent",
        "actions": [{"cloudwatchMetric": {
            "metricNamespace": "IoT", "metricName": "HighHumidity", "metricValue": "${state.reported.Humidity}",
            "metricUnit": "Percent", "roleArn": role(account, "IoTtoCloudWatchAlerting")}}],
    });
    call(account, rules::create_topic_rule, Some(("ruleName", "HighHumidity")), Vec::new(), &body)
}
