//! The same faults as in `faults.rs`, on the screen: the console in a terminal, no key pressed. After each: no crash, no
//! hot loop, no number that is wrong, everything back by itself, and the gap to be seen.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quell_emulator::start::Options;
use serde_json::json;

use crate::door::{Answer, Door};
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
        let body =
            include_str!("../../crates/emulator/tests/fixtures/list-active-violations.json").to_owned();
        line.contains("/active-violations").then_some(Answer { status: 200, headers, body })
    });
}

/// The console on that fleet, everything known.
fn settled(cloud: &Cloud) -> Screen {
    let mut screen = Screen::of(cloud, &["--topic", "dt/+/data", "--thing-from", "dt/{thing}/data"]);
    screen.never(&["0 things", "0 ALARM", "0 active"]);
    screen.wait("everything", whole);
    // Long enough for a stretch of bars.
    screen.look_on(Duration::from_secs(3));
    screen
}

/// A fault that begins: what it costs is counted until it is over. Nothing is pressed meanwhile.
struct Fault<'a> {
    cloud: &'a Cloud,
    began: Instant,
    asked: (usize, usize),
}

/// Reads a second of a healthy console, polling every second as it does here, at the most: three of them ask what the
/// isolation group denies.
const READS: f64 = 14.0;

impl<'a> Fault<'a> {
    fn begins(cloud: &'a Cloud) -> Self {
        Self { cloud, began: Instant::now(), asked: cloud.door.counts() }
    }

    /// It is over: nothing ran in a loop towards AWS, and it took so many connections at the most.
    #[track_caller]
    fn over(self, connections: usize) {
        let (reads, connects) = self.cloud.door.counts();
        let (reads, connects) = (reads - self.asked.0, connects - self.asked.1);
        let seconds = self.began.elapsed().as_secs_f64();
        assert!((reads as f64) < READS * seconds.max(4.0), "{reads} reads in {seconds:.1} s");
        assert!(connects <= connections, "{connects} connections in {seconds:.1} s");
    }
}

/// The connection view, opened when all is over, has it listed.
fn lists(screen: &mut Screen, text: &str) {
    screen.term.keys("gl");
    screen.wait(text, |s| s.contains(text));
}

/// What is true of the fleet.
fn whole(screen: &str) -> bool {
    screen.contains("4 things")
        && screen.contains("1 ALARM")
        && screen.contains("●MQTT")
        && screen.contains("●AWS")
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
    let door = Door::to(std::net::SocketAddr::from(([127, 0, 0, 1], http)));
    let (endpoint, ws) = (format!("http://{}", door.address()), format!("ws://{}/mqtt", door.address()));
    let flags = ["--region", "us-east-1", "--endpoint-url", &endpoint, "--mqtt-url", &ws];
    let topics = ["--topic", "dt/+/data", "--thing-from", "dt/{thing}/data"];
    let args: Vec<String> = flags.iter().chain(&topics).map(|arg| (*arg).to_owned()).collect();
    let mut screen =
        Screen::start(&args, &[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    screen.wait("the connection", |s| s.contains("●MQTT"));
    let devices = Devices::speak(publisher());
    screen.wait("the devices", |s| s.contains("3 things"));
    screen.never(&["0 things"]);
    screen.look_on(Duration::from_secs(3));
    let before = door.counts();
    first.signal("-KILL");
    screen.wait("the loss", |s| s.contains("MQTT down"));
    drop((devices, first));
    screen.wait("the age of what is known", |s| s.contains("○AWS") && s.contains("3 things"));
    screen.look_on(Duration::from_secs(5));
    let (reads, connects) = door.counts();
    // Each second one waits longer: a broker that starts is not met by a storm.
    assert!(connects - before.1 <= 8, "{} connections", connects - before.1);
    assert!(reads - before.0 <= 120, "{} reads", reads - before.0);
    let _second = start();
    screen.wait("the connection", |s| s.contains("●MQTT") && s.contains("●AWS"));
    let _devices = Devices::speak(publisher());
    screen.wait("the gap", |s| shows_gap(s, "thing-0") && s.contains("3 things"));
}

#[test]
fn half_open_connections() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let mut screen = settled(&cloud);
    let fault = Fault::begins(&cloud);
    cloud.door.silence(true);
    screen.wait("the loss", |s| s.contains("MQTT down"));
    // What was known stays, with its age.
    screen.wait("the age of what is known", |s| {
        ["read 15 s", "read 20 s"].iter().any(|age| s.contains(age))
            && s.contains("4 things")
            && s.contains("1 ALARM")
    });
    cloud.door.silence(false);
    screen.wait("all of it", |s| whole(s) && shows_gap(s, "thing-0"));
    fault.over(6);
    lists(&mut screen, "not connected: ");
}

#[test]
fn a_stall_of_30_seconds() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let mut screen = settled(&cloud);
    let fault = Fault::begins(&cloud);
    cloud.door.silence(true);
    screen.look_on(Duration::from_secs(30));
    let stalled = screen.term.screen();
    // A read waits for its answer for half a minute; meanwhile what is known says its age.
    assert!(stalled.contains("MQTT down") && stalled.contains("4 things"), "{stalled}");
    assert!(!stalled.contains("read just now") && !stalled.contains("read 5 s"), "{stalled}");
    cloud.door.silence(false);
    screen.wait("all of it", |s| whole(s) && shows_gap(s, "thing-0"));
    fault.over(8);
    lists(&mut screen, "not connected: ");
}

#[test]
fn two_seconds_of_latency() {
    let cloud = Cloud::start();
    cloud.door.slow(Duration::from_secs(2));
    let _devices = fleet(&cloud);
    let mut screen = settled(&cloud);
    screen.never(&["0 things", "0 ALARM", "0 active", "MQTT down", "MQTT connecting"]);
    let fault = Fault::begins(&cloud);
    screen.look_on(Duration::from_secs(8));
    // Late is not lost: no gap, and nothing is asked twice.
    let screen_now = screen.wait("all of it", |s| whole(s) && s.contains(bar));
    assert!(!shows_gap(&screen_now, "thing-0"), "{screen_now}");
    fault.over(0);
}

#[test]
fn one_call_in_ten_failing() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let mut screen = settled(&cloud);
    cloud.door.relent();
    let calls = AtomicUsize::new(0);
    cloud.door.refuse(move |line| match calls.fetch_add(1, Ordering::Relaxed) % 20 {
        _ if line.contains("/mqtt") => None,
        4 => Some(Answer::error(429, "ThrottlingException", "Rate exceeded")),
        14 => Some(Answer::error(500, "InternalFailureException", "oops")),
        _ => None,
    });
    violated(&cloud);
    screen.never(&["0 things", "0 ALARM", "0 active", "MQTT down"]);
    let fault = Fault::begins(&cloud);
    screen.look_on(Duration::from_secs(10));
    screen.wait("all of it", whole);
    fault.over(0);
}

#[test]
fn throttling_for_a_minute() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let mut screen = settled(&cloud);
    cloud.door.relent();
    cloud.door.refuse(|line| {
        let refused = !line.contains("/mqtt");
        refused.then(|| Answer::error(429, "ThrottlingException", "Rate exceeded"))
    });
    screen.never(&["0 things", "0 ALARM", "0 active", "MQTT down"]);
    let fault = Fault::begins(&cloud);
    let asked = || cloud.door.counts().0;
    let before = asked();
    screen.wait("the reason", |s| s.contains("○AWS") && s.contains("throttled"));
    screen.look_on(Duration::from_secs(30));
    let half = asked();
    screen.look_on(Duration::from_secs(30));
    let all = asked();
    // A healthy console asks more often in ten seconds; and the longer it lasts the less is asked.
    assert!(all - before < 120, "a throttled account was asked {} times in a minute", all - before);
    assert!(all - half < half - before, "{} times, and then {}", half - before, all - half);
    // What was known a minute ago is still there, and says how old it is.
    let throttled = screen.term.screen();
    assert!(throttled.contains("4 things") && throttled.contains("1 ALARM"), "{throttled}");
    assert!(
        ["60 s", "65 s", "70 s", "75 s"].iter().any(|age| throttled.contains(&format!("○AWS read {age}"))),
        "{throttled}"
    );
    cloud.door.relent();
    violated(&cloud);
    // As long as it was told to ask less it may wait, and no longer.
    screen.wait_within(Duration::from_secs(90), "all of it", whole);
    fault.over(0);
    lists(&mut screen, "throttled by AWS: active violations");
}

#[test]
fn credentials_rotated_and_a_url_expired() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let folder = tempfile::tempdir().unwrap();
    let (config, script, printed) =
        (folder.path().join("config"), folder.path().join("keys.sh"), folder.path().join("keys.json"));
    let ran = folder.path().join("ran");
    let text = format!("#!/bin/sh\necho x >> {}\ncat {}\n", ran.display(), printed.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let profile = format!("[profile desk]\nregion = us-east-1\ncredential_process = {}\n", script.display());
    std::fs::write(&config, profile).unwrap();
    let account = cloud.running().account();
    let all = json!([{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}]);
    let keys = |key: &str, token: &str| {
        let user = json!({"UserName": "ana", "AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": token,
            "Policies": all});
        account.set_identities(&json!({"Users": [user]}).to_string()).unwrap();
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
    screen.never(&["0 things", "0 ALARM"]);
    screen.wait("everything", whole);
    screen.look_on(Duration::from_secs(2));
    let fault = Fault::begins(&cloud);
    keys("ASIASECOND", "two/token==");
    // The connection ends, and its URL is signed by a key that nobody knows any more.
    cloud.door.shut();
    cloud.door.open();
    screen.wait("the loss", |s| s.contains("MQTT down"));
    screen.wait("the reason, and what was known", |s| s.contains("4 things") && s.contains("1 ALARM"));
    screen.look_on(Duration::from_secs(3));
    let runs = std::fs::read_to_string(&ran).unwrap().lines().count();
    assert!((1..=4).contains(&runs), "the process ran {runs} times");
    print("ASIASECOND", "two/token==");
    screen.wait("all of it", |s| whole(s) && shows_gap(s, "thing-0"));
    fault.over(8);
    lists(&mut screen, "not connected: ");
    let urls = cloud.door.asked("GET /mqtt?");
    // No URL is used again: each would expire.
    let fresh: std::collections::HashSet<&String> = urls.iter().collect();
    assert_eq!(fresh.len(), urls.len(), "{urls:?}");
    let last = urls.last().unwrap();
    assert!(last.contains("ASIASECOND") && last.contains("X-Amz-Security-Token=two%2Ftoken%3D%3D"), "{last}");
}

#[test]
fn a_filter_that_is_forbidden() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let account = cloud.running().account();
    let forbidden = json!([{"Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iot:Subscribe", "Resource": "*:topicfilter/secret/*"},
    ]}]);
    let user =
        json!({"UserName": "ana", "AccessKeyId": "AKIAANA", "SecretAccessKey": "s", "Policies": forbidden});
    account.set_identities(&json!({"Users": [user]}).to_string()).unwrap();
    let mut args = cloud.flags();
    let more = ["--topic", "dt/+/data", "--topic", "secret/+", "--thing-from", "dt/{thing}/data"];
    args.extend(more.map(str::to_owned));
    let mut screen =
        Screen::start(&args, &[("AWS_ACCESS_KEY_ID", "AKIAANA"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    screen.never(&["0 things", "0 ALARM"]);
    screen.wait("the rest", |s| whole(s) && s.contains("1 filter refused"));
    // The ways to find out: together, and then one by one.
    assert!(cloud.door.counts().1 <= 12, "{} connections", cloud.door.counts().1);
    let fault = Fault::begins(&cloud);
    screen.look_on(Duration::from_secs(4));
    // What is forbidden is asked for once.
    fault.over(0);
    screen.wait("its messages", |s| whole(s) && s.contains("thing-0") && s.contains(bar));
    lists(&mut screen, "secret/+ is refused: missing permission: iot:Subscribe on topicfilter/secret/+");
}

#[test]
fn a_clock_ten_minutes_wrong() {
    let ahead = Duration::from_secs(600);
    let cloud = Cloud::with(Options { devices: Some(0), clock_ahead: ahead, ..Options::on_free_ports() });
    violated(&cloud);
    let _devices = Devices::speak(cloud.publisher());
    let mut screen = Screen::of(&cloud, &["--topic", "dt/+/data", "--thing-from", "dt/{thing}/data"]);
    screen.never(&["0 ALARM"]);
    let fault = Fault::begins(&cloud);
    // Every signature would be five minutes too old: it is the measured skew that makes them good.
    screen.wait("everything", whole);
    screen.look_on(Duration::from_secs(3));
    fault.over(3);
    lists(&mut screen, "10 m off AWS's, which is made up for");
}

#[test]
fn a_control_plane_that_answers_garbage() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let mut screen = settled(&cloud);
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
    screen.never(&["0 things", "0 ALARM", "0 active", "MQTT down"]);
    let fault = Fault::begins(&cloud);
    screen.wait("that nothing is understood", |s| s.contains("○AWS") && !s.contains("●AWS"));
    screen.look_on(Duration::from_secs(5));
    let garbage = screen.term.screen();
    assert!(garbage.contains("4 things") && garbage.contains("1 ALARM"), "{garbage}");
    assert!(!screen.term.bytes().windows(4).any(|w| w == b"\x1b]0;"), "an escape sequence came through");
    cloud.door.relent();
    violated(&cloud);
    screen.wait("all of it", whole);
    fault.over(0);
}

#[test]
fn a_shadow_of_names_64_kb_long() {
    let cloud = Cloud::start();
    let _devices = fleet(&cloud);
    let mut screen = settled(&cloud);
    screen.never(&["0 things", "0 ALARM", "0 active", "MQTT down"]);
    let fault = Fault::begins(&cloud);
    let name = "n".repeat(64 * 1024);
    let account = cloud.running().account();
    let broker = account.broker();
    for version in 2..12 {
        let payload = json!({"version": version, "state": {&name: {&name: version}}}).to_string();
        broker.publish("$aws/things/thing-0/shadow/update/delta", payload.into_bytes().into());
    }
    screen.wait("the delta", |s| whole(s) && s.contains("nnnnnnnn"));
    screen.look_on(Duration::from_secs(2));
    fault.over(0);
}
