//! The same faults as in `faults.rs`, on the screen: the console in a terminal, no key pressed. After each: no crash, no
//! hot loop, no number that is wrong, everything back by itself, and the gap to be seen.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quell::emulator::start::Options;
use serde_json::json;

use crate::door::Answer;
use crate::screen::{Devices, Screen, bar, shows_gap};
use crate::world::{Cloud, Publisher, Watch, free_port};

/// Three things that speak, and a violation of a fourth.
fn fleet(cloud: &Cloud) -> Devices {
    let iot = cloud.iot();
    cloud.block(async {
        for i in 0..3 {
            iot.create_thing().thing_name(format!("thing-{i}")).send().await.unwrap();
        }
    });
    violated(cloud);
    Devices::speak(cloud.publisher())
}

/// Detect says so, as long as nothing else answers for it.
fn violated(cloud: &Cloud) {
    cloud.door.refuse(|line| {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let body = include_str!("../fixtures/list-active-violations.json").to_owned();
        line.contains("/active-violations").then_some(Answer { status: 200, headers, body })
    });
}

/// The console on that fleet, everything known.
fn settled(cloud: &Cloud) -> Screen {
    let mut screen = Screen::of(cloud, &["--topic", "dt/+/data", "--thing-from", "dt/{thing}/data"]);
    screen.never(&["0 things", "0 alarm", "0 active"]);
    screen.wait("everything", whole);
    // Long enough for a stretch of bars.
    screen.look_on(Duration::from_secs(3));
    screen
}

/// What is true of the fleet.
fn whole(screen: &str) -> bool {
    screen.contains("4 things")
        && screen.contains("1 alarm")
        && screen.contains("●mqtt")
        && screen.contains("●poll")
}

#[test]
fn a_broker_killed_and_back() {
    let home = tempfile::tempdir().unwrap();
    let (http, mqtt) = (free_port(), free_port());
    let start = || {
        let (http, mqtt) = (format!("127.0.0.1:{http}"), format!("127.0.0.1:{mqtt}"));
        let state = home.path().to_str().unwrap();
        let args = [
            "local",
            "--json",
            "--devices",
            "0",
            "--http",
            &http,
            "--mqtt",
            &mqtt,
            "--mqtts",
            "127.0.0.1:0",
            "--state",
            state,
        ];
        let cloud = Watch::spawn(&args.map(String::from), &[]);
        cloud.wait("the emulator", |line| line["event"] == "ready");
        cloud
    };
    let publisher = || Publisher::to(std::net::SocketAddr::from(([127, 0, 0, 1], mqtt)));
    let first = start();
    let (endpoint, ws) = (format!("http://127.0.0.1:{http}"), format!("ws://127.0.0.1:{http}/mqtt"));
    let flags = ["--region", "us-east-1", "--endpoint-url", &endpoint, "--mqtt-url", &ws];
    let topics = ["--topic", "dt/+/data", "--thing-from", "dt/{thing}/data"];
    let args: Vec<String> = flags.iter().chain(&topics).map(|arg| (*arg).to_owned()).collect();
    let mut screen =
        Screen::start(&args, &[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    screen.wait("the connection", |s| s.contains("●mqtt"));
    let devices = Devices::speak(publisher());
    screen.wait("the devices", |s| s.contains("3 things"));
    screen.never(&["0 things"]);
    screen.look_on(Duration::from_secs(3));
    screen.begin();
    first.signal("-KILL");
    screen.wait("the loss", |s| s.contains("mqtt down"));
    drop((devices, first));
    screen.look_on(Duration::from_secs(5));
    let _second = start();
    screen.wait("the connection", |s| s.contains("●mqtt") && s.contains("●poll"));
    let _devices = Devices::speak(publisher());
    screen.wait("the gap", |s| shows_gap(s, "thing-0") && s.contains("3 things"));
    screen.end();
}

#[test]
fn half_open_connections() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let screen = settled(&cloud);
    screen.begin();
    cloud.door.silence(true);
    screen.wait("the loss", |s| s.contains("mqtt down"));
    // What was known stays, with its age.
    screen.wait("the age of what is known", |s| {
        s.contains("○poll") && s.contains("4 things") && s.contains("1 alarm")
    });
    cloud.door.silence(false);
    screen.wait("all of it", |s| whole(s) && shows_gap(s, "thing-0"));
    screen.end();
}

#[test]
fn a_stall_of_30_seconds() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let screen = settled(&cloud);
    screen.begin();
    cloud.door.silence(true);
    screen.look_on(Duration::from_secs(30));
    cloud.door.silence(false);
    screen.wait("all of it", |s| whole(s) && shows_gap(s, "thing-0"));
    screen.end();
}

#[test]
fn two_seconds_of_latency() {
    let cloud = Cloud::start();
    cloud.door.slow(Duration::from_secs(2));
    let _devices = fleet(&cloud);
    let screen = settled(&cloud);
    screen.begin();
    screen.look_on(Duration::from_secs(4));
    screen.end();
    assert!(!screen.term.screen().contains("mqtt down"));
}

#[test]
fn one_call_in_ten_failing() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let screen = settled(&cloud);
    cloud.door.relent();
    let calls = AtomicUsize::new(0);
    cloud.door.refuse(move |line| match calls.fetch_add(1, Ordering::Relaxed) % 20 {
        _ if line.contains("/mqtt") => None,
        4 => Some(Answer::error(429, "ThrottlingException", "Rate exceeded")),
        14 => Some(Answer::error(500, "InternalFailureException", "oops")),
        _ => None,
    });
    violated(&cloud);
    screen.begin();
    screen.look_on(Duration::from_secs(6));
    screen.wait("all of it", whole);
    screen.end();
}

#[test]
fn throttling_for_a_while() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let screen = settled(&cloud);
    cloud.door.relent();
    cloud.door.refuse(|line| {
        let refused = !line.contains("/mqtt");
        refused.then(|| Answer::error(429, "ThrottlingException", "Rate exceeded"))
    });
    screen.begin();
    let asked = cloud.door.asked("GET").len();
    screen.wait("the reason", |s| s.contains("○poll") && s.contains("throttled"));
    screen.look_on(Duration::from_secs(10));
    let asked = cloud.door.asked("GET").len() - asked;
    assert!(asked < 60, "a throttled account was asked {asked} times");
    cloud.door.relent();
    violated(&cloud);
    screen.wait("all of it", whole);
    screen.end();
}

#[test]
fn credentials_rotated_and_a_url_expired() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let folder = tempfile::tempdir().unwrap();
    let (config, script, printed) =
        (folder.path().join("config"), folder.path().join("keys.sh"), folder.path().join("keys.json"));
    std::fs::write(&script, format!("#!/bin/sh\ncat {}\n", printed.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let profile = format!("[profile desk]\nregion = us-east-1\ncredential_process = {}\n", script.display());
    std::fs::write(&config, profile).unwrap();
    let account = &cloud.running().account;
    let all = json!([{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}]);
    let keys = |key: &str, token: &str| {
        let user = json!({"UserName": "ana", "AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": token,
            "Policies": all});
        account.iam.set(account, &json!({"Users": [user]}).to_string()).unwrap();
    };
    let print = |key: &str, token: &str| {
        let text = json!({"Version": 1, "AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": token});
        std::fs::write(&printed, text.to_string()).unwrap();
    };
    keys("ASIAFIRST", "one/token==");
    print("ASIAFIRST", "one/token==");
    let mut args = cloud.flags()[2..].to_vec();
    let more = ["--profile", "desk", "--topic", "dt/+/data", "--thing-from", "dt/{thing}/data"];
    args.extend(more.map(str::to_owned));
    let mut screen = Screen::start(&args, &[("AWS_CONFIG_FILE", config.to_str().unwrap())]);
    screen.never(&["0 things", "0 alarm"]);
    screen.wait("everything", whole);
    screen.look_on(Duration::from_secs(2));
    screen.begin();
    keys("ASIASECOND", "two/token==");
    // The connection ends, and its URL is signed by a key that nobody knows any more.
    cloud.door.shut();
    cloud.door.open();
    screen.wait("the loss", |s| s.contains("mqtt down"));
    screen.look_on(Duration::from_secs(3));
    print("ASIASECOND", "two/token==");
    screen.wait("all of it", |s| whole(s) && shows_gap(s, "thing-0"));
    screen.end();
    let urls = cloud.door.asked("GET /mqtt?");
    let last = urls.last().unwrap();
    assert!(last.contains("ASIASECOND") && last.contains("X-Amz-Security-Token=two%2Ftoken%3D%3D"), "{last}");
}

#[test]
fn a_filter_that_is_forbidden() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let account = &cloud.running().account;
    let forbidden = json!([{"Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iot:Subscribe", "Resource": "*:topicfilter/secret/*"},
    ]}]);
    let user =
        json!({"UserName": "ana", "AccessKeyId": "AKIAANA", "SecretAccessKey": "s", "Policies": forbidden});
    account.iam.set(account, &json!({"Users": [user]}).to_string()).unwrap();
    let mut args = cloud.flags();
    let more = ["--topic", "dt/+/data", "--topic", "secret/+", "--thing-from", "dt/{thing}/data"];
    args.extend(more.map(str::to_owned));
    let mut screen =
        Screen::start(&args, &[("AWS_ACCESS_KEY_ID", "AKIAANA"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    screen.never(&["0 things", "0 alarm"]);
    screen.begin();
    screen.wait("the rest", whole);
    let connects = cloud.door.asked("GET /mqtt?").len();
    screen.look_on(Duration::from_secs(4));
    screen.end();
    assert_eq!(cloud.door.asked("GET /mqtt?").len(), connects, "what is forbidden is asked for once");
    screen.wait("its messages", |s| whole(s) && s.contains("thing-0") && s.contains(bar));
}

#[test]
fn a_clock_ten_minutes_wrong() {
    let ahead = Duration::from_secs(600);
    let cloud = Cloud::with(Options { devices: Some(0), clock_ahead: ahead, ..Options::on_free_ports() });
    violated(&cloud);
    let _devices = Devices::speak(cloud.publisher());
    let mut screen = Screen::of(&cloud, &["--topic", "dt/+/data", "--thing-from", "dt/{thing}/data"]);
    screen.never(&["0 alarm"]);
    screen.begin();
    // Every signature would be five minutes too old: it is the measured skew that makes them good.
    screen.wait("everything", whole);
    screen.look_on(Duration::from_secs(3));
    screen.end();
}

#[test]
fn a_control_plane_that_answers_garbage() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let screen = settled(&cloud);
    cloud.door.relent();
    let turn = AtomicUsize::new(0);
    cloud.door.refuse(move |line| {
        // Of the last, and of the third where it lists other things, the SDK would make an empty list.
        let bodies =
            ["<html>welcome</html>", "{\"things\":[{", "{\"things\": 7}", "\u{0}\u{1b}]0;x\u{7}", ""];
        let body = bodies[turn.fetch_add(1, Ordering::Relaxed) % bodies.len()].to_owned();
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        (!line.contains("/mqtt")).then_some(Answer { status: 200, headers, body })
    });
    screen.begin();
    screen.look_on(Duration::from_secs(5));
    assert!(!screen.term.bytes().windows(4).any(|w| w == b"\x1b]0;"), "an escape sequence came through");
    cloud.door.relent();
    violated(&cloud);
    screen.wait("all of it", whole);
    screen.end();
}

#[test]
fn a_shadow_of_names_64_kb_long() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let screen = settled(&cloud);
    screen.begin();
    let name = "n".repeat(64 * 1024);
    let broker = cloud.running().account.broker().unwrap();
    for version in 2..12 {
        let payload = json!({"version": version, "state": {&name: {&name: version}}}).to_string();
        broker.publish("$aws/things/thing-0/shadow/update/delta", payload.into_bytes().into());
    }
    screen.wait("the delta", |s| whole(s) && s.contains("nnnnnnnn"));
    screen.look_on(Duration::from_secs(2));
    screen.end();
}
