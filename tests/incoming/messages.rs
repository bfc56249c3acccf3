//! Messages: whose they are, what they say, and that none is lost from the counts.

use std::collections::HashMap;

use serde_json::Value;

use crate::world::{Cloud, Watch};

#[test]
fn a_message_belongs_to_the_thing_its_topic_names_and_to_nobody_otherwise() {
    let cloud = Cloud::start();
    let watch = cloud.watch(&[
        "--payload",
        "--topic",
        "temperature-device-02",
        "--topic",
        "dt/+/data",
        "--topic",
        "other/+",
        "--thing-from",
        r"temperature-device-(\d+)=Thing$1",
        "--thing-from",
        "dt/{thing}/data",
    ]);
    watch.wait_up();
    let publisher = cloud.publisher();
    publisher.publish("temperature-device-02", b"21.5");
    publisher.publish("dt/pump-7/data", &[0xff, 0x00, 0x1b]);
    // Looks like a device, and no rule says so.
    publisher.publish("other/Thing01", b"{}");
    publisher.publish("not/watched", b"x");
    let heard = |topic: &'static str| {
        watch.wait(topic, move |line| line["type"] == "telemetry" && line["topic"] == topic)
    };
    let line = heard("temperature-device-02");
    assert_eq!(
        (&line["thing"], &line["bytes"], &line["payload"]),
        (&"Thing02".into(), &4.into(), &"21.5".into())
    );
    let line = heard("dt/pump-7/data");
    assert_eq!(line["thing"], "pump-7");
    assert_eq!((&line["payload"], &line["payload_base64"]), (&Value::Null, &"/wAb".into()));
    let line = heard("other/Thing01");
    assert!(line.get("thing").is_none(), "guessed: {line}");
    assert!(!watch.lines().iter().any(|line| line["topic"] == "not/watched"));
}

#[test]
fn aws_topics_are_understood_as_what_they_say() {
    let cloud = Cloud::start();
    let watch = cloud.watch(&[]);
    watch.wait_up();
    let publisher = cloud.publisher();
    publisher.publish("$aws/things/dev-XBHY/shadow/update", br#"{"state":{"desired":{"quarantine":true}}}"#);
    let delta = watch.wait("the delta", |line| line["type"] == "shadow_delta");
    assert_eq!((&delta["thing"], &delta["version"]), (&"dev-XBHY".into(), &1.into()));
    assert_eq!(delta["state"]["quarantine"], true);
    // The publisher's own connection was announced before the console listened; another's is heard.
    let other = cloud.publisher();
    other.publish("x", b"x");
    let line = watch.wait("presence", |line| {
        line["type"] == "presence"
            && line["event"] == "connected"
            && line["client"].as_str().unwrap().starts_with("test-")
    });
    assert!(line["version"].is_number());
    drop(publisher);
}

/// Messages seen one by one and counted together, for each topic.
fn counted(lines: &[Value]) -> HashMap<String, u64> {
    let mut sums = HashMap::new();
    for line in lines {
        let messages = match line["type"].as_str() {
            Some("telemetry") => 1,
            Some("gap") if line["reason"] == "merged" => line["messages"].as_u64().unwrap(),
            _ => continue,
        };
        *sums.entry(line["topic"].as_str().unwrap().to_owned()).or_default() += messages;
    }
    sums
}

#[test]
fn a_burst_nobody_reads_is_merged_and_every_message_still_counts() {
    const EACH: u64 = 20_000;
    let cloud = Cloud::start();
    // The plain listener: on the others the emulator discards what is over AWS's 100 messages a second, as AWS does.
    let plain = format!("mqtt://{}", cloud.running().mqtt.unwrap());
    let mut args = vec!["watch".to_owned()];
    args.extend(
        cloud.flags().into_iter().map(|flag| if flag.starts_with("ws://") { plain.clone() } else { flag }),
    );
    args.extend(["--topic", "burst/+", "--types", "telemetry,gap,link"].map(String::from));
    let watch = Watch::spawn(&args, &[]);
    watch.wait_up();
    let publisher = cloud.publisher();
    {
        let _unread = watch.stop_reading();
        publisher.burst((0..EACH * 3).map(|i| (format!("burst/{}", i % 3), vec![b'x'; 50])));
    }
    let sums = watch.wait_all("every message", |lines| {
        let sums = counted(lines);
        (sums.values().sum::<u64>() >= EACH * 3).then_some(sums)
    });
    for i in 0..3 {
        assert_eq!(sums[&format!("burst/{i}")], EACH);
    }
    let lines = watch.lines();
    assert!(
        lines.iter().any(|line| line["reason"] == "merged"),
        "nothing was merged: the test proves less than it says"
    );
    let again: Vec<_> = lines.iter().filter(|line| line["state"] == "down").collect();
    assert!(again.is_empty(), "the keep-alive waited for the reader: {again:?}");
}

#[test]
fn near_aws_limit_it_says_so() {
    let cloud = Cloud::start();
    let watch = cloud.watch(&["--topic", "t/+", "--types", "link"]);
    watch.wait_up();
    let publisher = cloud.publisher();
    for _ in 0..4 {
        publisher.burst((0..300).map(|i| (format!("t/{i}"), b"x".to_vec())));
        std::thread::sleep(std::time::Duration::from_millis(900));
    }
    let near = watch.wait("the warning", |line| line["state"] == "near_limit");
    assert!(near["share"].as_f64().unwrap() >= 0.8, "{near}");
    watch.wait("the relief", |line| line["state"] == "below_limit");
}
