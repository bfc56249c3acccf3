//! What the AWS CLI printed in seed 004 (docs/aws-iot.md#1.5): the SDK reads it and loses nothing, and the emulator, taken
//! through the same steps, answers the same.

use aws_sdk_iot::Client;
use aws_sdk_iot::types::{ActiveViolation, BehaviorCriteria, ComparisonOperator};
use aws_sdk_iotdataplane::primitives::Blob;
use quell_emulator_tests::http;
use serde_json::{Value, json};

use super::{count, emulator, profile_named, send, violations, window_start};

const VIOLATIONS: &str = include_str!("../fixtures/list-active-violations.json");
const GROUPS: &str = include_str!("../fixtures/list-thing-groups-for-thing.json");
const SHADOW: &str = include_str!("../fixtures/get-thing-shadow.json");

/// As the CLI prints it: every member the SDK knows of, times as seconds with a fraction.
fn printed(violation: &ActiveViolation) -> Value {
    let behavior = violation.behavior().unwrap();
    let criteria = behavior.criteria().unwrap();
    json!({
        "violationId": violation.violation_id(),
        "thingName": violation.thing_name(),
        "securityProfileName": violation.security_profile_name(),
        "behavior": {
            "name": behavior.name(),
            "metric": behavior.metric(),
            "criteria": {
                "comparisonOperator": criteria.comparison_operator().unwrap().as_str(),
                "value": {"count": criteria.value().unwrap().count()},
                "durationSeconds": criteria.duration_seconds(),
                "consecutiveDatapointsToAlarm": criteria.consecutive_datapoints_to_alarm(),
                "consecutiveDatapointsToClear": criteria.consecutive_datapoints_to_clear(),
            },
        },
        "lastViolationValue": {"count": violation.last_violation_value().unwrap().count()},
        "lastViolationTime": violation.last_violation_time().unwrap().as_secs_f64(),
        "violationStartTime": violation.violation_start_time().unwrap().as_secs_f64(),
    })
}

#[tokio::test]
async fn the_printed_violation_goes_through_the_sdk_unchanged() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    http::serve(listener, |request| {
        let known = request.uri().path() == "/active-violations";
        let body = if known { VIOLATIONS } else { "" };
        let answer = hyper::Response::builder().status(if known { 200 } else { 404 });
        std::future::ready(answer.header("content-type", "application/json").body(body.into()).unwrap())
    });
    let found = Client::new(&quell_emulator_tests::sdk::config(&endpoint))
        .list_active_violations()
        .send()
        .await
        .unwrap();
    let printed: Vec<Value> = found.active_violations().iter().map(printed).collect();
    let fixture: Value = serde_json::from_str(VIOLATIONS).unwrap();
    assert_eq!(json!({"activeViolations": printed}), fixture);
    assert!(fixture["activeViolations"][0]["lastViolationTime"].is_f64(), "1574254500.0 stays a double");
}

#[tokio::test]
async fn the_emulator_taken_through_the_same_steps_answers_the_same() {
    let (running, iot) = emulator().await;
    let criteria = BehaviorCriteria::builder()
        .comparison_operator(ComparisonOperator::LessThan)
        .value(count(10))
        .duration_seconds(300)
        .consecutive_datapoints_to_alarm(1)
        .consecutive_datapoints_to_clear(1)
        .build();
    profile_named(&iot, "MsgSentSecProfile", "MsgSentBehavior", "aws:num-messages-sent", criteria).await;
    window_start().await;
    send(&running, "dev-XBHY", 27, 20).await;
    let found = violations(&iot, 1).await;
    let got: Vec<Value> = found.iter().map(printed).collect();
    let mut fixture: Value = serde_json::from_str(VIOLATIONS).unwrap();
    // Only the id and the time are this run's own; the time is the same in both places.
    let expected = &mut fixture["activeViolations"][0];
    expected["violationId"] = got[0]["violationId"].clone();
    expected["lastViolationTime"] = got[0]["violationStartTime"].clone();
    expected["violationStartTime"] = got[0]["violationStartTime"].clone();
    assert_eq!(json!({"activeViolations": got}), fixture);

    // The workshop's Lambda: into the group, and a wish in the shadow.
    iot.create_thing().thing_name("dev-XBHY").send().await.unwrap();
    iot.create_thing_group().thing_group_name("Quarantine").send().await.unwrap();
    iot.update_thing_groups_for_thing()
        .thing_name("dev-XBHY")
        .thing_groups_to_add("Quarantine")
        .send()
        .await
        .unwrap();
    let groups = iot.list_thing_groups_for_thing().thing_name("dev-XBHY").send().await.unwrap();
    let groups: Vec<Value> = groups
        .thing_groups()
        .iter()
        .map(|g| json!({"groupName": g.group_name(), "groupArn": g.group_arn()}))
        .collect();
    assert_eq!(json!({"thingGroups": groups}), serde_json::from_str::<Value>(GROUPS).unwrap());

    let data = data_plane(&running);
    for desired in [json!({"debug": "off"}), json!({"quarantine": true})] {
        let payload = json!({"state": {"desired": desired}}).to_string();
        data.update_thing_shadow().thing_name("dev-XBHY").payload(Blob::new(payload)).send().await.unwrap();
    }
    let shadow = data.get_thing_shadow().thing_name("dev-XBHY").send().await.unwrap();
    let mut shadow: Value = serde_json::from_slice(shadow.payload().unwrap().as_ref()).unwrap();
    let mut fixture: Value = serde_json::from_str(SHADOW).unwrap();
    for document in [&mut shadow, &mut fixture] {
        for time in
            ["/metadata/desired/debug/timestamp", "/metadata/desired/quarantine/timestamp", "/timestamp"]
        {
            let time = document.pointer_mut(time).unwrap();
            assert!(time.is_u64(), "whole seconds: {time}");
            *time = Value::Null;
        }
    }
    assert_eq!(shadow, fixture);
    running.shutdown().await;
}

fn data_plane(running: &quell_emulator::start::Running) -> aws_sdk_iotdataplane::Client {
    aws_sdk_iotdataplane::Client::new(&quell_emulator_tests::sdk::config(&format!("http://{}", running.http)))
}
