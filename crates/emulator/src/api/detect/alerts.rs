//! What a violation event sets off outside Detect: the profile's SNS topic and CloudWatch (docs/aws-iot.md#3.9, #2.7).

use serde_json::{Value, json};

use super::ViolationEvent;
use crate::account::Account;
use crate::api::{cloudwatch, sns};

/// Tells everybody about events that were just kept. Call it without the account's lock.
pub(super) fn tell(account: &Account, events: &[ViolationEvent]) {
    for event in events {
        let violation = &event.violation;
        let metric = match event.kind.as_str() {
            "in-alarm" => "Violations",
            "alarm-cleared" => "ViolationsCleared",
            _ => "ViolationsInvalidated",
        };
        let dimensions = [
            ("SecurityProfileName", violation.profile.as_str()),
            ("BehaviorName", violation.behavior.name.as_str()),
        ];
        cloudwatch::count(account, "AWS/IoT", metric, &dimensions, 1.0);
        // A suppressed behavior is judged, and nobody is told.
        if violation.behavior.suppress_alerts == Some(true) {
            continue;
        }
        let Some(topic) = topic_of(account, &violation.profile) else { continue };
        if let Err(error) = sns::publish(account, &topic, None, &message(event).to_string()) {
            tracing::warn!(topic, error = error.message, "alert not sent");
        }
    }
}

/// The topic of a profile's alerts, while both are there.
fn topic_of(account: &Account, profile: &str) -> Option<String> {
    let state = account.read();
    let targets = state.detect.profiles.get(profile)?.alert_targets.as_ref()?;
    targets.pointer("/SNS/alertTargetArn").and_then(Value::as_str).map(str::to_owned)
}

/// The message of seed 004, member by member.
fn message(event: &ViolationEvent) -> Value {
    let violation = &event.violation;
    json!({
        "violationEventTime": event.at_ms,
        "thingName": violation.thing,
        "behavior": violation.behavior,
        "violationEventType": event.kind,
        "metricValue": violation.value,
        "violationId": violation.id,
        "securityProfileName": violation.profile,
    })
}
