//! Accounts too large to list: the fleet index is asked where it is on, and where it is not, everything is listed, with the
//! reason and without holding up a key.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_iot::types as sdk;
use quell_emulator::start::Options;
use rumqttc::{Client, MqttOptions, PublishOptions};

use crate::door::Answer;
use crate::screen::Screen;
use crate::world::Cloud;

pub(crate) const CONFIG: &str = "aws-speed = 60\n[polls]\nidle-seconds = 600\nalarm-seconds = 600\nregistry-seconds = 7200\n\
                      jobs-seconds = 600\n[mqtt]\nversion = '3.1.1'\n";

/// An account with so many things; thing 42 is in quarantine.
pub(crate) fn account(things: usize) -> Cloud {
    let cloud = Cloud::with(Options { devices: Some(0), speed: 60.0, ..Options::on_free_ports() });
    let names = (0..things).map(|i| (format!("thing-{i:05}"), BTreeMap::new()));
    cloud.running().account().create_things(names).unwrap();
    let iot = cloud.iot();
    cloud.block(async {
        iot.create_thing_group().thing_group_name("Quarantine").send().await.unwrap();
        let add = iot.add_thing_to_thing_group().thing_group_name("Quarantine");
        add.thing_name("thing-00042").send().await.unwrap();
    });
    cloud
}

/// Turns the index on, with connectivity and violations, and waits until it is built.
pub(crate) fn index(cloud: &Cloud) {
    let iot = cloud.iot();
    cloud.block(async {
        let things = sdk::ThingIndexingConfiguration::builder()
            .thing_indexing_mode(sdk::ThingIndexingMode::Registry)
            .thing_connectivity_indexing_mode(sdk::ThingConnectivityIndexingMode::Status)
            .device_defender_indexing_mode(sdk::DeviceDefenderIndexingMode::Violations)
            .build()
            .unwrap();
        iot.update_indexing_configuration().thing_indexing_configuration(things).send().await.unwrap();
        let deadline = Instant::now() + crate::world::PATIENCE;
        loop {
            let found = iot.describe_index().index_name("AWS_Things").send().await.unwrap();
            if found.index_status() == Some(&sdk::IndexStatus::Active) {
                return;
            }
            assert!(Instant::now() < deadline, "the index is not built");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

/// A device that sends more than its profile allows, until AWS says so.
fn violate(cloud: &Cloud, thing: &str) {
    let iot = cloud.iot();
    cloud.block(async {
        let criteria = sdk::BehaviorCriteria::builder()
            .comparison_operator(sdk::ComparisonOperator::LessThan)
            .value(sdk::MetricValue::builder().count(100).build())
            .consecutive_datapoints_to_alarm(1)
            .build();
        let behavior =
            sdk::Behavior::builder().name("small").metric("aws:message-byte-size").criteria(criteria).build();
        let create = iot.create_security_profile().security_profile_name("sizes");
        create.behaviors(behavior.unwrap()).send().await.unwrap();
        let arn = "arn:aws:iot:us-east-1:123456789012:all/things";
        let attach = iot.attach_security_profile().security_profile_name("sizes");
        attach.security_profile_target_arn(arn).send().await.unwrap();
    });
    let address = cloud.running().mqtt.unwrap();
    let options = MqttOptions::new(thing, (address.ip().to_string(), address.port()));
    let (client, mut connection) = Client::builder(options).capacity(8).build();
    let topic = format!("dt/{thing}/data");
    // It goes on: a size that is not measured any more is no violation any more.
    std::thread::spawn(move || {
        while client.publish(&topic, vec![b'x'; 500], PublishOptions::at_most_once()).is_ok() {
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    std::thread::spawn(move || connection.iter().take_while(Result::is_ok).count());
    let deadline = Instant::now() + crate::world::PATIENCE;
    while cloud.block(iot.list_active_violations().send()).unwrap().active_violations().is_empty() {
        assert!(Instant::now() < deadline, "no violation");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_large_account_is_asked_for_what_matters_and_not_listed() {
    let cloud = account(20_000);
    index(&cloud);
    violate(&cloud, "thing-07777");
    // Detect's own list is not to be had: the index has the violations, too.
    cloud.door.refuse(|line| {
        let message = "User: u is not authorized to perform: iot:ListActiveViolations on resource: *";
        line.contains("/active-violations").then(|| Answer::error(403, "AccessDeniedException", message))
    });
    let args = [
        cloud.flags(),
        ["--topic", "dt/+/data", "--thing-from", "dt/{thing}/data"].map(String::from).to_vec(),
    ]
    .concat();
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let mut screen = Screen::with(&args, &keys, CONFIG);
    screen.never(&["0 things", "0 ALARM", "20000 things  ", "passes the filter"]);
    screen.wait("what the index says", |s| {
        let rows = s.contains("thing-07777") && s.contains("thing-00042");
        s.contains("20000 things (indexed), 201 shown") && rows && s.contains("1 ALARM")
    });
    screen.term.keys("gl");
    screen.wait("the totals", |s| s.contains("fleet index: 20000 things; in alarm 1, connected 1"));
    assert!(cloud.door.asked("GET /things?").is_empty(), "it was listed all the same");
    assert!(cloud.door.asked("POST /indices/search").len() >= 2);
    drop(screen);

    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), CONFIG).unwrap();
    let watch = cloud.watch(&["--types", "poll,violation", "--config", config.path().to_str().unwrap()]);
    let things = watch.wait("things", |line| line["source"] == "things" && line["state"] == "ok");
    assert_eq!(things["count"], 20_000);
    assert_eq!((&things["indexed"]["in_alarm"], &things["indexed"]["more"]), (&1.into(), &false.into()));
    let violation = watch.wait("the violation", |line| line["type"] == "violation");
    assert_eq!((&violation["thing"], &violation["violationId"]), (&"thing-07777".into(), &().into()));
}

#[test]
fn without_an_index_everything_is_listed_and_no_key_waits() {
    let cloud = account(20_000);
    let args = [
        cloud.flags(),
        ["--topic", "dt/+/data", "--thing-from", "dt/{thing}/data"].map(String::from).to_vec(),
    ]
    .concat();
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let mut screen = Screen::with(&args, &keys, CONFIG);
    screen.never(&["0 things"]);
    let far = |s: &str| s.contains("reading ") && s.contains("thing-00");
    screen.wait("the first pages", far);
    for (keys, wanted) in [("gl", "Connection"), ("1", "THING"), ("gl", "Connection")] {
        screen.term.keys(keys);
        screen.wait(wanted, |s| s.contains(wanted));
    }
    // All that was while it was being read.
    screen.wait("that it is still being read", |s| s.contains("reading"));
    screen.wait("the reason", |s| s.contains("all things are listed: fleet indexing is off"));
    screen.wait("all of them", |s| s.contains("20000 things") && !s.contains("reading"));
}

/// Above a hundred things the index is asked; here all three hundred are listed all the same, for this reason.
#[track_caller]
fn listed_because(cloud: &Cloud, reason: &str) {
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), format!("{CONFIG}[fleet]\nindex-above = 100\n")).unwrap();
    let watch = cloud.watch(&["--types", "poll", "--config", config.path().to_str().unwrap()]);
    let line = watch.wait("the reason", |line| line["source"] == "things" && line["state"] == "listing");
    assert_eq!(line["reason"], reason);
    watch.wait("all of them", |line| line["source"] == "things" && line["count"] == 300);
}

#[test]
fn an_index_that_is_refused_is_said_with_its_permission() {
    let cloud = account(300);
    index(&cloud);
    cloud.door.refuse(|line| {
        let message = "User: u is not authorized to perform: iot:GetStatistics on resource: *";
        line.contains("/indices/statistics").then(|| Answer::error(403, "AccessDeniedException", message))
    });
    listed_because(&cloud, "fleet indexing: missing permission: iot:GetStatistics");
}

#[test]
fn an_index_that_answers_without_a_number_is_no_zero() {
    let cloud = account(300);
    index(&cloud);
    cloud.door.refuse(|line| {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let answer = Answer { status: 200, headers, body: "{}".to_owned() };
        line.contains("/indices/statistics").then_some(answer)
    });
    listed_because(&cloud, "fleet indexing: iot:GetStatistics: an answer without a number");
}

#[test]
fn an_index_that_was_asked_and_does_not_answer_is_not_made_up_for_by_listing() {
    let cloud = account(300);
    index(&cloud);
    let config = "aws-speed = 60\n[fleet]\nindex-above = 100\n[polls]\nidle-seconds = 60\nalarm-seconds = 60\n\
                  registry-seconds = 60\njobs-seconds = 600\n[mqtt]\nversion = '3.1.1'\n";
    let args = [cloud.flags(), ["--topic", "dt/+/data"].map(String::from).to_vec()].concat();
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    // How many there are is known, and what of them matters is not: they are not listed, from the first read on.
    let throttled = |path: &'static str| {
        cloud.door.refuse(move |line| {
            line.contains(path).then(|| Answer::error(429, "ThrottlingException", "Rate exceeded"))
        });
    };
    throttled("/indices/search");
    let mut screen = Screen::with(&args, &keys, config);
    screen.never(&["0 things", "all things are listed"]);
    screen.term.keys("gl");
    screen.wait("the reason", |s| {
        s.lines()
            .any(|line| line.contains("things") && line.contains("never") && line.contains("fleet indexing"))
    });
    cloud.door.relent();
    screen.wait("the index", |s| s.contains("300 things (indexed)") && s.contains("fleet index: 300 things"));
    // Throttled, broken, or a proxy that answers for it: what is known stays, with its age and the reason.
    let page = "<html>the service is resting</html>";
    for (answer, reason) in [
        (Answer::error(429, "ThrottlingException", "Rate exceeded"), "throttled"),
        (Answer::error(503, "ServiceUnavailableException", "try again"), "try again"),
        (Answer { status: 200, headers: Vec::new(), body: page.to_owned() }, "not understood"),
    ] {
        cloud.door.refuse(move |line| line.contains("/indices/").then(|| answer.clone()));
        let before = cloud.door.asked("/indices/").len();
        screen.wait(reason, |s| {
            let row = s.lines().find(|line| line.contains("  things ") && line.contains("fleet indexing"));
            row.is_some_and(|row| row.contains(reason) && !row.contains("never"))
        });
        screen.look_on(Duration::from_secs(3));
        let asked = cloud.door.asked("/indices/").len() - before;
        assert!(asked <= 20, "{reason}: asked {asked} times");
        let shown = screen.term.screen();
        assert!(
            shown.contains("300 things (indexed)") && shown.contains("fleet index: 300 things"),
            "{shown}"
        );
        cloud.door.relent();
        screen.wait("the index again", |s| !s.contains("fleet indexing: "));
    }
    assert!(cloud.door.asked("GET /things?").is_empty(), "it was listed");
    // Refused for good they are listed, and that is said.
    screen.never(&["0 things"]);
    cloud.door.refuse(|line| {
        let message = "User: u is not authorized to perform: iot:GetStatistics on resource: *";
        line.contains("/indices/statistics").then(|| Answer::error(403, "AccessDeniedException", message))
    });
    screen.wait("the list", |s| {
        s.contains("all things are listed: fleet indexing: missing permission: iot:GetStatistics")
            && s.contains("300 things")
            && !s.contains("(indexed)")
    });
    assert!(!cloud.door.asked("GET /things?").is_empty());
}
