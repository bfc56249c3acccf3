//! A large account is streamed where it matters: what the console subscribes to follows what is on the screen, marked or in
//! alarm, and what it does not listen to is never called silent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::large::{CONFIG, account, index};
use crate::screen::Screen;
use crate::world::{Cloud, PATIENCE};

const CLIENT: &str = "quell-desk";

fn config(more: &str) -> String {
    format!("{CONFIG}client-id = '{CLIENT}'\n[fleet]\nindex-above = 100\n{more}")
}

fn console(cloud: &Cloud, key: &str, config: &str) -> Screen {
    let more = ["--topic", "dt/+/data", "--thing-from", "dt/{thing}/data"].map(String::from);
    let args = [cloud.flags(), more.to_vec()].concat();
    let secret = key.to_lowercase();
    Screen::with(&args, &[("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", &secret)], config)
}

fn filters(cloud: &Cloud) -> BTreeSet<String> {
    let account = cloud.running().account();
    account.broker().subscriptions(CLIENT).into_iter().map(|(filter, _)| filter).collect()
}

#[track_caller]
fn wait_filters(cloud: &Cloud, what: &str, wanted: impl Fn(&BTreeSet<String>) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = filters(cloud);
        if wanted(&found) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_subscribed_to_follows_what_matters() {
    let cloud = account(300);
    index(&cloud);
    let mut screen = console(&cloud, "test", &config(""));
    screen.never(&["no device passes the filter;"]);
    screen.wait("the quarantined thing", |s| s.contains("thing-00042") && s.contains("300 things (indexed)"));
    let has = |found: &BTreeSet<String>, filter: &str| found.contains(filter);
    wait_filters(&cloud, "what is on the screen", |found| {
        has(found, "dt/thing-00042/data")
            && has(found, "$aws/things/thing-00042/#")
            && has(found, "$aws/events/presence/#")
            && !has(found, "dt/+/data")
            && !has(found, "$aws/things/+/shadow/update/delta")
    });
    screen.wait("that it is so", |s| s.contains(" streamed") && s.contains("200 shown"));
    let publisher = cloud.publisher();
    publisher.publish("dt/thing-00250/data", b"unheard-of");
    publisher.publish("dt/thing-00042/data", b"listened-to");
    screen.wait("its message", |s| s.contains("listened-to"));
    assert!(!screen.term.screen().contains("unheard-of"));

    // A thing that is looked at is listened to, though nothing was known of it.
    screen.term.keys(":thing-00999");
    screen.wait("the offer", |s| s.contains("look it up in AWS"));
    screen.term.keys("\r");
    screen.wait("that there is none", |s| {
        s.contains("nothing is known of this thing: ") && s.contains("thing-00999")
    });
    screen.term.keys("1:thing-00250\r");
    screen.wait("its view", |s| s.contains("thing-00250") && s.contains("Shadow"));
    wait_filters(&cloud, "what is looked at", |found| {
        has(found, "dt/thing-00250/data") && has(found, "dt/thing-00042/data")
    });
    publisher.publish("dt/thing-00250/data", b"heard-of-now");
    screen.wait("its message", |s| s.contains("heard-of-now"));

    // A filter finds what was never heard of, and what it leaves on the screen is listened to.
    screen.term.keys("1/thing-0027");
    screen.wait("things nobody spoke of", |s| s.contains("thing-00270") && s.contains("thing-00279"));
    wait_filters(&cloud, "what is found", |found| has(found, "dt/thing-00273/data"));
    screen.term.keys("xyz");
    screen.wait("that there is none", |s| {
        s.contains("no device passes the filter, here or in the fleet index")
    });
    screen.term.keys("\x1b");
    screen.wait("all again", |s| s.contains("thing-00042") && !s.contains("thing-0027xyz"));
    // The cursor stays on what was found, so that its neighbours are what is seen.
    wait_filters(&cloud, "what is seen around it", |found| has(found, "dt/thing-00199/data"));

    // It is said, and how much, and without a gap of the connection.
    screen.term.keys("gl");
    screen.wait("what is streamed", |s| s.contains("streamed: the ") && s.contains("never reconnected"));

    // Whoever looks elsewhere for a moment finds no gap when back.
    screen.look_on(Duration::from_secs(3));
    assert!(has(&filters(&cloud), "dt/thing-00199/data"), "{:?}", filters(&cloud));

    // The configuration wants all: at once, without a restart.
    std::fs::write(screen.home().join("config.toml"), config("stream = 'all'\n")).unwrap();
    wait_filters(&cloud, "everything again", |found| {
        has(found, "dt/+/data") && !has(found, "dt/thing-00042/data")
    });
    publisher.publish("dt/thing-00200/data", b"everything");
    screen.term.keys("1");
    screen.wait("any message", |s| s.contains("everything") && !s.contains(" streamed"));
}

#[test]
fn a_stream_that_never_pauses_is_narrowed_too() {
    let cloud = account(300);
    index(&cloud);
    let (publisher, go) = (cloud.publisher(), Arc::new(AtomicBool::new(true)));
    let on = Arc::clone(&go);
    let flood = std::thread::spawn(move || {
        while on.load(Ordering::Relaxed) {
            let one = |i: usize| (format!("dt/loud-{}/data", i % 10), b"x".to_vec());
            publisher.burst((0..40).map(one));
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let screen = console(&cloud, "test", &config(""));
    screen.wait("what the index says", |s| s.contains("300 things (indexed)"));
    wait_filters(&cloud, "what is on the screen", |found| {
        found.contains("dt/thing-00042/data") && !found.contains("dt/+/data")
    });
    go.store(false, Ordering::Relaxed);
    flood.join().unwrap();
}

#[test]
fn several_connections_stream_different_things() {
    let cloud = account(300);
    index(&cloud);
    let text = config("").replace("client-id", "connections = 2\nclient-id");
    let screen = console(&cloud, "test", &text);
    screen.wait("that both are narrow", |s| s.contains(" streamed") && s.contains("200 shown"));
    let second = format!("{CLIENT}-2");
    let of = |client: &str| -> BTreeSet<String> {
        let account = cloud.running().account();
        let broker = account.broker();
        broker.subscriptions(client).into_iter().map(|(filter, _)| filter).collect()
    };
    let deadline = Instant::now() + PATIENCE;
    let (first, second) = loop {
        let both = (of(CLIENT), of(&second));
        let telemetry =
            |filters: &BTreeSet<String>| filters.iter().filter(|f| f.starts_with("dt/thing-")).count();
        if telemetry(&both.0) > 4 && telemetry(&both.1) > 4 {
            break both;
        }
        assert!(Instant::now() < deadline, "{both:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(first.is_disjoint(&second), "{first:?} {second:?}");
    let publisher = cloud.publisher();
    let things = [&first, &second].map(|f| f.iter().find(|f| f.starts_with("dt/thing-")).unwrap());
    for (thing, words) in things.into_iter().zip(["by-the-first", "by-the-second"]) {
        publisher.publish(thing, words.as_bytes());
        screen.wait("its message", |s| s.contains(words));
    }
}

#[test]
fn what_a_policy_does_not_allow_to_narrow_is_streamed_whole_and_said() {
    let cloud = account(300);
    index(&cloud);
    let arn = "arn:aws:iot:us-east-1:123456789012";
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iot:Subscribe", "Resource": [format!("{arn}:topicfilter/dt/thing-*")]},
    ]});
    let users = json!({"Users": [{"UserName": "ana", "AccessKeyId": "AKIAANA", "SecretAccessKey": "akiaana",
        "Policies": [policy]}]});
    let account = cloud.running().account();
    account.set_identities(&users.to_string()).unwrap();
    let mut screen = console(&cloud, "AKIAANA", &config(""));
    screen.wait("what the index says", |s| {
        s.contains("300 things (indexed)") && s.contains("1 filter refused")
    });
    screen.term.keys("gl");
    screen.wait("the reason, and what comes instead", |s| {
        s.contains("iot:Subscribe on topicfilter/dt/thing-00042/data") && s.contains("streamed instead")
    });
    wait_filters(&cloud, "everything", |found| found.contains("dt/+/data"));
    cloud.publisher().publish("dt/thing-00100/data", b"all-the-same");
    screen.term.keys("1");
    screen.wait("any message", |s| s.contains("all-the-same"));
}
