//! The connection: signed anew each time, back without help, and its gaps said.

use std::collections::HashSet;

use crate::world::{Cloud, Watch, quell};

#[test]
fn each_connect_is_signed_anew_and_a_loss_is_a_gap() {
    let cloud = Cloud::start();
    let watch = cloud.watch(&["--topic", "a/+"]);
    watch.wait_up();
    cloud.door.shut();
    let down = watch.wait("the loss", |line| line["type"] == "link" && line["state"] == "down");
    assert!(down["retry_at"].is_string(), "{down}");
    cloud.door.open();
    let gap = watch.wait("the gap", |line| line["type"] == "gap");
    assert_eq!(gap["reason"], "not connected");
    assert!(gap["milliseconds"].as_i64().unwrap() > 0, "{gap}");
    watch.wait_all("the second connection", |lines| {
        (lines.iter().filter(|line| line["state"] == "up").count() == 2).then_some(())
    });
    let publisher = cloud.publisher();
    publisher.publish("a/b", b"after");
    watch.wait("a message after it", |line| line["topic"] == "a/b");
    let connects = cloud.door.asked("GET /mqtt?");
    assert!(connects.len() >= 2);
    let part = |line: &str, name: &str| {
        line.split(['?', '&', ' ']).find_map(|p| p.strip_prefix(name).map(String::from)).unwrap_or_default()
    };
    let signatures: HashSet<String> = connects.iter().map(|line| part(line, "X-Amz-Signature=")).collect();
    let dates: HashSet<String> = connects.iter().map(|line| part(line, "X-Amz-Date=")).collect();
    assert!(signatures.iter().all(|s| s.len() == 64), "{connects:?}");
    assert!(signatures.len() >= 2 && signatures.len() == dates.len(), "{connects:?}");
}

#[test]
fn a_killed_broker_comes_back_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let (http, mqtt) = (crate::world::free_port(), crate::world::free_port());
    let start = || {
        let args = [
            "local",
            "--json",
            "--devices",
            "0",
            "--http",
            &format!("127.0.0.1:{http}"),
            "--mqtt",
            &format!("127.0.0.1:{mqtt}"),
            "--mqtts",
            "127.0.0.1:0",
            "--credentials",
            home.path().to_str().unwrap(),
        ]
        .map(String::from);
        let cloud = Watch::spawn(&args, &[]);
        cloud.wait("the emulator", |line| line["event"] == "ready");
        cloud
    };
    let first = start();
    let args = [
        "watch",
        "--region",
        "us-east-1",
        "--endpoint-url",
        &format!("http://127.0.0.1:{http}"),
        "--mqtt-url",
        &format!("ws://127.0.0.1:{http}/mqtt"),
        "--topic",
        "a/+",
    ]
    .map(String::from);
    let watch = Watch::spawn(&args, &[]);
    watch.wait_up();
    first.signal("-KILL");
    watch.wait("the loss", |line| line["type"] == "link" && line["state"] == "down");
    drop(first);
    let _second = start();
    watch.wait("the gap", |line| line["type"] == "gap" && line["reason"] == "not connected");
    let publisher = crate::world::Publisher::to(std::net::SocketAddr::from(([127, 0, 0, 1], mqtt)));
    publisher.publish("a/b", b"x");
    watch.wait("a message after it", |line| line["topic"] == "a/b");
}

#[test]
fn any_broker_is_watched_without_aws() {
    let cloud = Cloud::start();
    let url = format!("mqtt://{}", cloud.running().mqtt.unwrap());
    let args = ["watch", "--no-aws", "--mqtt-url", &url, "--thing-from", "fleet/{thing}/t", "--count", "3"];
    let mut watch = Watch::spawn(&args.map(String::from), &[]);
    watch.wait_up();
    cloud.publisher().publish("fleet/x1/t", b"1");
    let line = watch.wait("the message", |line| line["type"] == "telemetry");
    assert_eq!(line["thing"], "x1");
    // connecting, up, the message: three lines.
    assert_eq!(watch.exit().0, Some(0));
}

#[test]
fn it_ends_as_the_contract_says() {
    let cloud = Cloud::start();
    let mut limited = cloud.watch(&["--for", "300ms"]);
    assert_eq!(limited.exit().0, Some(0));
    for name in ["-INT", "-TERM"] {
        let mut interrupted = cloud.watch(&[]);
        interrupted.wait_up();
        interrupted.signal(name);
        assert_eq!(interrupted.exit().0, Some(130), "{name}");
    }
    let code = |args: &[&str]| {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let output = quell(&args, &[]).output().unwrap();
        assert!(output.stdout.is_empty(), "stdout carries results only");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, said) = code(&["watch", "--topic", "temperature-device-+"]);
    assert_eq!(status, 2);
    assert!(said.contains("a + must fill a whole level"), "{said}");
    assert_eq!(code(&["watch", "--for", "soon"]).0, 2);
    let (status, said) = code(&["watch", "--no-aws"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("--mqtt-url"), "{said}");
    // Who does not say in which region used it wrongly, whatever was asked for; as the console says it.
    for words in [
        &["watch", "--mqtt-url", "ws://127.0.0.1:1/mqtt"][..],
        &["things"],
        &["isolate", "Thing02", "--dry-run"],
        &["job", "list"],
        &["sweep", "Thing02"],
        &["respond", "--poll"],
    ] {
        let (status, said) = code(words);
        assert_eq!(status, 2, "{words:?}: {said}");
        assert!(said.contains("no region: --region NAME, AWS_REGION"), "{words:?}: {said}");
    }
    // A reader that goes away ends it like `head` does.
    let mut command = quell(&[vec!["watch".to_owned()], cloud.flags()].concat(), &[]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
