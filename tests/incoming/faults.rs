//! What networks and services do to a console that must hold for a week. After each: no crash, no number
//! that was not read, back without a key press, and the gap said.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::door::Answer;
use crate::world::{Cloud, Watch};

/// Polls every second, and a connection that is known to be dead after ten (over MQTT 5 AWS asks for 30 s,
/// and 3.1.1 has no words for that: docs/aws-iot.md#3.3).
fn quick() -> tempfile::NamedTempFile {
    let config = tempfile::NamedTempFile::new().unwrap();
    let polls = "idle-seconds = 1\nalarm-seconds = 1\nregistry-seconds = 1\njobs-seconds = 1\n";
    std::fs::write(
        config.path(),
        format!("[polls]\n{polls}[mqtt]\nkeep-alive-seconds = 5\nversion = '3.1.1'\n"),
    )
    .unwrap();
    config
}

fn ups(lines: &[Value]) -> usize {
    lines.iter().filter(|line| line["type"] == "link" && line["state"] == "up").count()
}

fn with_things(things: usize) -> Cloud {
    let cloud = Cloud::start();
    let iot = cloud.iot();
    cloud.block(async {
        for i in 0..things {
            iot.create_thing().thing_name(format!("thing-{i}")).send().await.unwrap();
        }
    });
    cloud
}

/// How each source stands by the latest line about it.
fn latest(lines: &[Value], source: &str) -> Option<Value> {
    lines.iter().rev().find(|line| line["type"] == "poll" && line["source"] == source).cloned()
}

fn watch(cloud: &Cloud, config: &tempfile::NamedTempFile) -> Watch {
    cloud.watch(&["--topic", "a/+", "--config", config.path().to_str().unwrap()])
}

#[test]
fn a_pulled_cable_is_noticed_and_said() {
    let cloud = with_things(3);
    let config = quick();
    let watch = watch(&cloud, &config);
    watch.wait_up();
    watch.wait("things", |line| line["source"] == "things" && line["count"] == 3);
    cloud.door.silence(true);
    let down = watch.wait("the loss", |line| line["type"] == "link" && line["state"] == "down");
    assert!(down["reason"].as_str().unwrap().contains("stopped answering"), "{down}");
    cloud.door.silence(false);
    let gap = watch.wait("the gap", |line| line["type"] == "gap");
    // From the last sign of life, not from when the loss was noticed.
    assert!(gap["milliseconds"].as_i64().unwrap() >= 5_000, "{gap}");
    watch.wait_all("the connection", |lines| (ups(lines) == 2).then_some(()));
    assert!(!watch.lines().iter().any(|line| line["source"] == "things" && line["count"] == 0));
}

#[test]
fn an_unreachable_cloud_is_said_and_comes_back() {
    let cloud = with_things(2);
    let config = quick();
    let watch = watch(&cloud, &config);
    watch.wait_up();
    watch.wait("things", |line| line["source"] == "things" && line["count"] == 2);
    cloud.door.shut();
    watch.wait("the trouble", |line| line["source"] == "things" && line["state"] == "unreachable");
    cloud.door.open();
    watch.wait_all("both back", |lines| {
        let things = latest(lines, "things")?;
        (things["state"] == "ok" && things["count"] == 2 && ups(lines) == 2).then_some(())
    });
}

#[test]
fn two_seconds_of_latency_only_make_it_late() {
    let cloud = with_things(2);
    let config = quick();
    cloud.door.slow(Duration::from_secs(2));
    let watch = watch(&cloud, &config);
    watch.wait_up();
    watch.wait("things", |line| line["source"] == "things" && line["count"] == 2);
    cloud.publisher().publish("a/b", b"x");
    watch.wait("a message", |line| line["topic"] == "a/b");
    assert!(!watch.lines().iter().any(|line| line["state"] == "down"));
}

#[test]
fn one_call_in_ten_failing_is_no_news() {
    let cloud = with_things(4);
    let config = quick();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    cloud.door.refuse(move |line| {
        if line.contains("/mqtt") {
            return None;
        }
        match counted.fetch_add(1, Ordering::Relaxed) % 20 {
            4 => Some(Answer::error(429, "ThrottlingException", "Rate exceeded")),
            14 => Some(Answer::error(500, "InternalFailureException", "oops")),
            _ => None,
        }
    });
    let watch = watch(&cloud, &config);
    watch.wait_up();
    // Each of the two has come twice, and what failed has been asked for again.
    let deadline = Instant::now() + crate::world::PATIENCE;
    while calls.load(Ordering::Relaxed) < 40 || cloud.door.asked("/things").len() < 3 {
        assert!(Instant::now() < deadline, "{} calls", calls.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(20));
    }
    watch.wait_all("everything known", |lines| {
        let known = |source| latest(lines, source).is_some_and(|line| line["state"] == "ok");
        ["things", "violations", "jobs", "profiles", "identity"].iter().all(|s| known(s)).then_some(())
    });
    assert!(!watch.lines().iter().any(|line| line["source"] == "things" && line["count"] == 0));
}

#[test]
fn a_control_plane_of_garbage_says_nothing_and_the_stream_goes_on() {
    let cloud = with_things(1);
    let config = quick();
    let turn = AtomicUsize::new(0);
    cloud.door.refuse(move |line| {
        let body = [
            "<html>welcome to the hotel</html>",
            "{\"things\":[{",
            "{\"things\": 7}",
            "\u{0}\u{1b}]0;x\u{7}",
        ];
        let body = body[turn.fetch_add(1, Ordering::Relaxed) % body.len()].to_owned();
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        (!line.contains("/mqtt")).then_some(Answer { status: 200, headers, body })
    });
    let watch = watch(&cloud, &config);
    watch.wait_up();
    watch.wait("the trouble", |line| line["source"] == "things" && line["state"] != "ok");
    cloud.publisher().publish("a/b", b"x");
    watch.wait("a message", |line| line["topic"] == "a/b");
    assert!(!watch.lines().iter().any(|line| line["source"] == "things" && line["count"].is_number()));
    cloud.door.relent();
    watch.wait("the truth", |line| line["source"] == "things" && line["count"] == 1);
}

#[test]
fn a_shadow_of_names_64_kb_long_is_shown_and_stopped_by_nothing() {
    let cloud = with_things(1);
    let config = quick();
    let name = "n".repeat(64 * 1024);
    let watch = watch(&cloud, &config);
    watch.wait_up();
    // AWS would refuse such a document; a broker that does not must not hurt either.
    let topic = "$aws/things/thing-0/shadow/update/delta";
    let payload = serde_json::json!({"version": 2, "state": {name: 1}}).to_string();
    cloud.running().account().broker().publish(topic, payload.into_bytes().into());
    watch.wait("the delta", |line| line["type"] == "shadow_delta" && line["version"] == 2);
    cloud.publisher().publish("a/b", b"x");
    watch.wait("a message", |line| line["topic"] == "a/b");
}
