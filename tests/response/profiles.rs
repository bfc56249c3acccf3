//! Security profiles written through plan and gate: what the plan warns of, what is sent, how it is proven and taken back.

use serde_json::{Value, json};

use crate::world::World;

/// The workshop's profile, corrected: a message of more than 1024 bytes is not normal.
pub(crate) const CORRECTED: &str = r#"{"securityProfileName":"DetectLargeMessageSize",
"securityProfileDescription":"No large messages",
"behaviors":[{"name":"LargeMessageSize","metric":"aws:message-byte-size","criteria":{
  "comparisonOperator":"less-than-equals","value":{"count":1024},
  "consecutiveDatapointsToAlarm":1,"consecutiveDatapointsToClear":2}}],
"alertTargets":{"SNS":{"alertTargetArn":"arn:aws:sns:us-east-1:123456789012:BadIoTDevices",
  "roleArn":"arn:aws:iam::123456789012:role/workshop-SNSTopicRole"}},
"additionalMetricsToRetainV2":[{"metric":"aws:message-byte-size"},{"metric":"aws:num-messages-received"}],
"targets":["all things"]}"#;

/// A profile that judges all things.
pub(crate) async fn one(world: &World, name: &str) {
    let create = world.iot.create_security_profile().security_profile_name(name);
    create.send().await.unwrap();
    let attach = world.iot.attach_security_profile().security_profile_name(name);
    let all = "arn:aws:iot:us-east-1:123456789012:all/things";
    attach.security_profile_target_arn(all).send().await.unwrap();
}

async fn exported(world: &World, name: &str) -> Value {
    world.run(&["profiles", "export", name]).await.json()
}

/// The seed's own profile: greater than p50, 5 minutes, 1 to alarm, 2 to clear (docs/aws-iot.md#1.2).
fn as_the_seed_says() -> Value {
    let mut profile: Value = serde_json::from_str(CORRECTED).unwrap();
    profile["behaviors"][0]["criteria"] = json!({
        "comparisonOperator": "greater-than", "statisticalThreshold": {"statistic": "p50"},
        "durationSeconds": 300, "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 2});
    profile
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seed_s_profile_is_warned_of_and_the_corrected_one_is_written_and_taken_back() {
    let world = World::start().await;
    world.file("seed.json", &as_the_seed_says().to_string());
    world.file("profile.json", CORRECTED);
    let dry = world.run(&["profiles", "apply", "seed.json", "--dry-run"]).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    for told in ["inverted?", "p50 puts about 50 %", "ValidateSecurityProfileBehaviors"] {
        assert!(dry.out.contains(told), "{told}: {}", dry.out);
    }
    assert_eq!(world.door.changes(), [] as [&str; 0]);

    let made = world.run(&["profiles", "apply", "profile.json", "--yes", "--json"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(made.json()["outcome"], "proven");
    assert!(!made.err.contains("inverted"), "{made:?}");
    assert_eq!(world.door.changes().len(), 2, "created, then attached: {:?}", world.door.changes());
    let first = exported(&world, "DetectLargeMessageSize").await;
    assert_eq!(first["behaviors"][0]["criteria"]["value"]["count"], 1024);
    assert_eq!(first["targets"], json!(["arn:aws:iot:us-east-1:123456789012:all/things"]));
    let kept = first["additionalMetricsToRetainV2"].as_array().unwrap();
    assert_eq!(kept.len(), 2, "{first}");

    // What was exported can be applied again: nothing is left to do.
    world.file("again.json", &first.to_string());
    let again = world.run(&["profiles", "apply", "again.json", "--yes"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.err.contains("nothing to do"), "{again:?}");

    // A change, and back to what was.
    let mut other = first.clone();
    other["behaviors"][0]["criteria"]["value"]["count"] = json!(2048);
    other["alertTargets"] = json!({});
    other["targets"] = json!([]);
    world.file("other.json", &other.to_string());
    let changed = world.run(&["profiles", "apply", "other.json", "--yes", "--json"]).await;
    assert_eq!(changed.code, Some(0), "{changed:?}");
    assert!(changed.err.contains("judges nobody"), "{changed:?}");
    let now = exported(&world, "DetectLargeMessageSize").await;
    assert_eq!(now["behaviors"][0]["criteria"]["value"]["count"], 2048);
    assert!(now["alertTargets"].is_null() && now["targets"] == json!([]), "{now}");
    let plan = changed.json()["plan"]["id"].as_str().unwrap().to_owned();
    let undone = world.run(&["undo", &plan, "--yes"]).await;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert_eq!(exported(&world, "DetectLargeMessageSize").await, first);

    // The creation taken back: detached and gone.
    let plan = made.json()["plan"]["id"].as_str().unwrap().to_owned();
    let gone = world.run(&["undo", &plan, "--yes"]).await;
    assert_eq!(gone.code, Some(0), "{gone:?}");
    assert_eq!(world.run(&["profiles", "export", "DetectLargeMessageSize"]).await.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_would_refuse_is_refused_before_anything_is_sent() {
    let world = World::start().await;
    let mut profile = as_the_seed_says();
    profile["behaviors"][0]["metricDimension"] = json!({"dimensionName": "Nowhere"});
    world.file("unknown.json", &profile.to_string());
    let unknown = world.run(&["profiles", "apply", "unknown.json", "--yes"]).await;
    assert_eq!(unknown.code, Some(4), "{unknown:?}");
    assert!(unknown.err.contains("Nowhere"), "{unknown:?}");
    profile["behaviors"][0]["criteria"]["durationSeconds"] = json!(60);
    world.file("invalid.json", &profile.to_string());
    let invalid = world.run(&["profiles", "apply", "invalid.json", "--yes"]).await;
    assert_eq!(invalid.code, Some(2), "{invalid:?}");
    assert!(invalid.err.contains("300, 600"), "{invalid:?}");
    // A target takes five profiles.
    for name in ["A", "B", "C", "D", "E"] {
        one(&world, name).await;
    }
    world.door.forget();
    world.file("profile.json", CORRECTED);
    let full = world.run(&["profiles", "apply", "profile.json", "--yes"]).await;
    assert_eq!(full.code, Some(4), "{full:?}");
    assert!(full.err.contains("the most AWS allows"), "{full:?}");
    let nobody = world.run(&["profiles", "attach", "A", "NoSuchGroup", "--yes"]).await;
    assert_eq!(nobody.code, Some(4), "{nobody:?}");
    assert_eq!(world.door.changes(), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changed_by_somebody_else_is_not_taken_back_over_their_work() {
    let world = World::start().await;
    world.file("profile.json", CORRECTED);
    let made = world.run(&["profiles", "apply", "profile.json", "--yes", "--json"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let theirs = world.iot.update_security_profile().security_profile_name("DetectLargeMessageSize");
    theirs.security_profile_description("theirs").send().await.unwrap();
    let plan = made.json()["plan"]["id"].as_str().unwrap().to_owned();
    let undone = world.run(&["undo", &plan, "--yes"]).await;
    // Attached it was by us and still is; the profile itself is left as they made it.
    assert!(undone.err.contains("changed since"), "{undone:?}");
    let now = exported(&world, "DetectLargeMessageSize").await;
    assert_eq!(now["securityProfileDescription"], "theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn dimensions_and_custom_metrics_come_and_go() {
    let world = World::start().await;
    let run = async |line: &[&str], code: i32| {
        let ran = world.run(line).await;
        assert_eq!(ran.code, Some(code), "{line:?}: {ran:?}");
        ran
    };
    run(&["dimension", "create", "Temperatures", "temperature/#", "--yes"], 0).await;
    let changed = run(&["dimension", "create", "Temperatures", "t/+", "--yes", "--json"], 0).await.json();
    let list = run(&["dimension", "list", "--json"], 0).await.json();
    assert_eq!(list["dimensions"], json!([{"name": "Temperatures", "stringValues": ["t/+"]}]));
    run(&["undo", changed["plan"]["id"].as_str().unwrap(), "--yes"], 0).await;
    let list = run(&["dimension", "list", "--json"], 0).await.json();
    assert_eq!(list["dimensions"][0]["stringValues"], json!(["temperature/#"]));
    run(&["metric", "create", "battery", "--display-name", "Battery", "--yes"], 0).await;
    let again = run(&["metric", "create", "battery", "--yes"], 4).await;
    assert!(again.err.contains("exists already"), "{again:?}");
    let mut profile: Value = serde_json::from_str(CORRECTED).unwrap();
    profile["behaviors"][0]["metricDimension"] = json!({"dimensionName": "Temperatures"});
    let flat = json!({"name": "Flat", "metric": "battery", "criteria":
        {"comparisonOperator": "greater-than", "value": {"number": 20.0}}});
    profile["behaviors"].as_array_mut().unwrap().push(flat);
    world.file("profile.json", &profile.to_string());
    run(&["profiles", "apply", "profile.json", "--yes"], 0).await;
    let used = run(&["dimension", "delete", "Temperatures", "--yes"], 4).await;
    assert!(used.err.contains("DetectLargeMessageSize uses this dimension"), "{used:?}");
    run(&["metric", "delete", "battery", "--yes"], 4).await;
    run(&["profiles", "delete", "DetectLargeMessageSize", "--yes"], 0).await;
    run(&["metric", "delete", "battery", "--yes"], 0).await;
    run(&["dimension", "delete", "Temperatures", "--yes"], 0).await;
}
