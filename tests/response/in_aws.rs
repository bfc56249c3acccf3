//! `quell guard --in-aws` against the emulator's rules engine: what it compiles raises what a guard finds, and is taken back.

use serde_json::json;

use crate::guard::{changes, ends, file_sink, guard, lines_until, of, world};
use crate::sns::Running;
use crate::world::World;

const ROLE: &str = "arn:aws:iam::123456789012:role/Rules";

async fn rules(world: &World) -> Vec<String> {
    let list = world.iot.list_topic_rules().send().await.unwrap();
    list.rules().iter().filter_map(|rule| rule.rule_name().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_in_aws_finds_is_told_and_never_acted_on() {
    let world = world().await;
    let line = ["guard", "--in-aws", "--role", ROLE, "--security-profiles", "profile.json"];
    let ran = world.run(&line).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("nothing was changed"), "{ran:?}");
    assert!(changes(&world).is_empty() && rules(&world).await.is_empty(), "it is dry unless told");

    let ran = world.run(&[&line[..], &["--yes", "--read-only"]].concat()).await;
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(changes(&world).is_empty(), "nor in read-only mode");

    let ran = world.run(&[&line[..], &["--yes"]].concat()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let made = rules(&world).await;
    let [rule] = made.as_slice() else { panic!("{made:?}") };
    assert!(rule.starts_with("quell_Strict_Tiny_"), "{rule}");

    // It listens to nothing a device says.
    let flags = ["--yes", "--raised", "--topic", "quiet/x"];
    let mut running = Running::of(guard(&world, &flags, &file_sink(&world, "alerts.jsonl")).spawn().unwrap());
    running.says("guarding").await;
    let path = world.folder.path().join("alerts.jsonl");
    let found = lines_until(&path, |all| !of(all, "in-alarm").is_empty()).await;
    let alarm = of(&found, "in-alarm")[0];
    assert_eq!((&alarm["thingName"], &alarm["behavior"]["name"]), (&json!("dev-IZWB"), &json!("Tiny")));
    assert_eq!(alarm["metricValue"], json!({"count": 4}));
    assert!(alarm["quell"]["sentence"].as_str().unwrap().contains("by a rule in AWS"), "{alarm}");
    assert_eq!(ends(&mut running.child, "-TERM").await, Some(130));
    let all = lines_until(&path, |all| !all.is_empty()).await;
    assert_eq!(of(&all, "in-alarm").len(), 1, "raised again and again, told once: {all:#?}");
    assert!(of(&all, "quell-action").is_empty() && !world.member("dev-IZWB").await, "{all:#?}");

    let ran = world.run(&["undo", "--yes"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(rules(&world).await.is_empty(), "taken back like every change");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_rule_can_judge_is_said_and_nothing_is_made() {
    let world = World::start().await;
    world.file(
        "many.json",
        r#"[{"securityProfileName": "Many", "behaviors": [{"name": "Often", "metric": "aws:num-messages-sent",
            "criteria": {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300}}]}]"#,
    );
    let line = ["guard", "--in-aws", "--yes", "--role", ROLE, "--security-profiles", "many.json"];
    let ran = world.run(&line).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("no rule can judge Many/Often") && ran.err.contains("over a window"), "{ran:?}");
    assert!(rules(&world).await.is_empty());
    let ran = world.run(&["guard", "--in-aws", "--yes"]).await;
    assert_eq!(ran.code, Some(2), "a role is needed: {ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_devices_connect_from_is_judged_by_a_rule_on_presence() {
    let world = World::start().await;
    world.file(
        "home.json",
        r#"{"securityProfileName": "Home", "behaviors": [
            {"name": "Within", "metric": "aws:source-ip-address",
             "criteria": {"comparisonOperator": "in-cidr-set", "value": {"cidrs": ["10.0.0.0/12", "192.0.2.0/24"]}}},
            {"name": "Ports", "metric": "aws:num-listening-tcp-ports",
             "criteria": {"comparisonOperator": "less-than", "value": {"count": 5}}}]}"#,
    );
    let line = ["guard", "--in-aws", "--yes", "--role", ROLE, "--security-profiles", "home.json"];
    let ran = world.run(&[&line[..], &["--topic", "quiet/x"]].concat()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("no rule can judge Home/Ports: none of the topics ends in"), "{ran:?}");
    let made = rules(&world).await;
    let [rule] = made.as_slice() else { panic!("{made:?}") };
    let made = world.iot.get_topic_rule().rule_name(rule).send().await.unwrap();
    let sql = made.rule().and_then(|rule| rule.sql()).unwrap_or_default();
    assert!(
        sql.contains("FROM '$aws/events/presence/connected/#'") && sql.contains("clientId AS client"),
        "{sql}"
    );
    // With topics that may carry reports there is a rule for them too.
    let ran = world.run(&[&line[..], &["--topic", "fleet/+/defender/metrics/json"]].concat()).await;
    assert_eq!(rules(&world).await.len(), 2, "{ran:?}");
}
