//! Filters that overlap: what each broker brings by them, and that nothing is missed or heard twice.

use serde_json::Value;

use crate::cable::Cable;
use crate::mosquitto::{ABSENT, local, mosquitto};
use crate::outside::skipped;
use crate::world::{Cloud, Publisher, Watch, free_port};

/// The topics heard before `last`, and it.
fn heard(watch: &Watch, publisher: &Publisher, topics: &[&str], last: &str) -> Vec<String> {
    for topic in topics.iter().chain([&last]) {
        publisher.publish(topic, b"x");
    }
    watch.wait(last, |line| line["topic"] == last);
    let telemetry = |line: &&Value| line["type"] == "telemetry";
    watch.lines().iter().filter(telemetry).map(|line| line["topic"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn on_aws_the_parent_of_a_tree_needs_a_filter_of_its_own() {
    let cloud = Cloud::start();
    let watch = cloud.watch(&["--topic", "a", "--topic", "a/#", "--topic", "end"]);
    watch.wait_up();
    assert_eq!(
        heard(&watch, &cloud.publisher(), &["a", "a/b", "a/b/c"], "end"),
        ["a", "a/b", "a/b/c", "end"]
    );
    // Where only the tree is asked for, AWS does not bring its parent.
    let tree = cloud.watch(&["--topic", "a/#", "--topic", "end"]);
    tree.wait_up();
    assert_eq!(heard(&tree, &cloud.publisher(), &["a", "a/"], "end"), ["a/", "end"]);
}

#[test]
fn elsewhere_a_tree_brings_its_parent_once() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(_broker) = mosquitto(folder.path(), port, "allow_anonymous true") else {
        return skipped(ABSENT);
    };
    let url = format!("mqtt://{}", local(port));
    let args = ["watch", "--no-aws", "--mqtt-url", &url, "--topic", "a", "--topic", "a/#", "--topic", "a/b"];
    let watch = Watch::spawn(&args.map(String::from), &[]);
    let up = watch.wait_up();
    assert_eq!(up["filters"].as_array().unwrap().len(), 3, "all of them are heard: {up}");
    let publisher = Publisher::to(local(port));
    assert_eq!(heard(&watch, &publisher, &["a", "a/b", "a/b/c"], "a/end"), ["a", "a/b", "a/b/c", "a/end"]);
}

#[test]
fn a_cable_that_carries_nothing_is_told_within_seconds_and_replaced() {
    let cloud = Cloud::start();
    for version in ["5", "3.1.1"] {
        let cable = Cable::to(cloud.running().mqtt.unwrap());
        let url = format!("mqtt://{}", cable.address());
        let config = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(config.path(), format!("[mqtt]\nversion = '{version}'\n")).unwrap();
        let file = config.path().to_str().unwrap();
        let args = ["watch", "--no-aws", "--mqtt-url", &url, "--topic", "a", "--config", file];
        let watch = Watch::spawn(&args.map(String::from), &[]);
        watch.wait_up();
        let publisher = cloud.publisher();
        publisher.publish("a", b"1");
        watch.wait("a message", |line| line["topic"] == "a");
        assert!(!watch.lines().iter().any(|line| line["state"] == "suspect"), "{:#?}", watch.lines());
        cable.freeze(true);
        publisher.publish("a", b"2");
        let suspect = watch.wait("the suspicion", |line| line["state"] == "suspect");
        assert!(suspect["reason"].as_str().unwrap().contains("may have been said"), "{suspect}");
        let down = watch.wait("the end", |line| line["state"] == "down");
        assert!(down["reason"].as_str().unwrap().contains("it was asked, and nothing came"), "{down}");
        cable.freeze(false);
        watch.wait_all("a new connection", |lines| {
            (lines.iter().filter(|line| line["state"] == "up").count() == 2).then_some(())
        });
        watch.wait("what happened meanwhile, as a gap", |line| line["type"] == "gap");
    }
}
