//! Reads of AWS: whole lists, each with its trouble said; what is not known is never a number.

use serde_json::Value;

use crate::door::Answer;
use crate::world::{Cloud, quell};

fn stands<'a>(lines: &'a [Value], source: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == "poll" && line["source"] == source).collect()
}

#[test]
fn lists_are_read_to_their_last_page() {
    let cloud = Cloud::start();
    let iot = cloud.iot();
    cloud.block(async {
        iot.create_thing_group().thing_group_name("IsolatedDevices").send().await.unwrap();
        let mut made = tokio::task::JoinSet::new();
        for i in 0..300 {
            let iot = iot.clone();
            made.spawn(async move {
                let thing = format!("thing-{i:03}");
                while iot.create_thing().thing_name(&thing).send().await.is_err() {}
                let add =
                    || iot.add_thing_to_thing_group().thing_name(&thing).thing_group_name("IsolatedDevices");
                while add().send().await.is_err() {}
            });
            if made.len() >= 16 {
                made.join_next().await;
            }
        }
        while made.join_next().await.is_some() {}
        iot.create_job()
            .job_id("j1")
            .targets("arn:aws:iot:us-east-1:123456789012:thing/thing-001")
            .document("{}")
            .send()
            .await
            .unwrap();
    });
    let watch = cloud.watch(&["--types", "poll"]);
    let count = |source: &'static str, wanted: u64| {
        watch.wait(source, move |line| line["source"] == source && line["count"] == wanted);
    };
    count("things", 300);
    count("jobs", 1);
    count("violations", 0);
    watch.wait("members", |line| {
        line["source"] == "members" && line["subject"] == "IsolatedDevices" && line["count"] == 300
    });
    let pages = cloud.door.asked("GET /things?");
    assert!(pages.len() >= 2 && pages.iter().any(|line| line.contains("nextToken=")), "{pages:?}");
    let args = [&["things".to_owned(), "--json".to_owned()][..], &cloud.flags()[..4]].concat();
    let output = quell(&args, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let things: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(things["things"].as_array().unwrap().len(), 300);
}

#[test]
fn a_refused_read_names_the_permission_and_no_number() {
    let cloud = Cloud::start();
    cloud.door.refuse(|line| {
        let message = "User: arn:aws:iam::123456789012:user/u is not authorized to perform: \
                       iot:ListActiveViolations on resource: *";
        line.contains("/active-violations").then(|| Answer::error(403, "AccessDeniedException", message))
    });
    let watch = cloud.watch(&["--types", "poll"]);
    let line = watch.wait("the refusal", |line| line["source"] == "violations");
    assert_eq!(
        (&line["state"], &line["missing_action"]),
        (&"denied".into(), &"iot:ListActiveViolations".into())
    );
    assert_eq!((&line["count"], &line["known_since"]), (&Value::Null, &Value::Null));
    // Everything else works.
    for source in ["identity", "things", "jobs", "profiles", "violation_events"] {
        watch.wait(source, |line| line["source"] == source && line["state"] == "ok");
    }
    assert!(stands(&watch.lines(), "violations").iter().all(|line| line["count"].is_null()));
    let args = [&["violations".to_owned()][..], &cloud.flags()[..4]].concat();
    let output = quell(&args, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "a refused read has no result");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("missing permission: iot:ListActiveViolations"), "{said}");
}

#[test]
fn detect_closed_to_the_account_shows_as_such() {
    let cloud = Cloud::start();
    cloud.door.refuse(|line| {
        let message = "AWS IoT Device Defender Detect is not available to new customers";
        line.contains("/active-violations").then(|| Answer::error(403, "AccessDeniedException", message))
    });
    let watch = cloud.watch(&["--types", "poll"]);
    let line = watch.wait("the refusal", |line| line["source"] == "violations");
    assert_eq!((&line["state"], &line["missing_action"]), (&"not_offered".into(), &Value::Null));
}

#[test]
fn a_throttled_read_slows_down_keeps_what_it_knew_and_recovers() {
    let cloud = Cloud::start();
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), "[polls]\nidle-seconds = 1\nalarm-seconds = 1\n").unwrap();
    let watch = cloud.watch(&["--types", "poll", "--config", config.path().to_str().unwrap()]);
    watch.wait("the first answer", |line| line["source"] == "violations" && line["count"] == 0);
    cloud.door.refuse(|line| {
        line.contains("/active-violations")
            .then(|| Answer::error(429, "ThrottlingException", "Rate exceeded"))
    });
    let line =
        watch.wait("the throttle", |line| line["source"] == "violations" && line["state"] == "throttled");
    assert!(line["known_since"].is_string() && line["count"].is_null(), "{line}");
    let before = cloud.door.asked("/active-violations").len();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let during = cloud.door.asked("/active-violations").len() - before;
    assert!(during <= 6, "a throttled API was asked {during} times in 3 s");
    cloud.door.relent();
    watch.wait_all("the recovery", |lines| {
        let stands = stands(lines, "violations");
        (stands.last()?["state"] == "ok" && stands.len() >= 3).then_some(())
    });
}

#[test]
fn the_doctor_prints_the_policies_of_this_account_and_configuration() {
    let cloud = Cloud::start();
    let args = [&["doctor".to_owned(), "--iam".to_owned()][..], &cloud.flags()].concat();
    let output = quell(&args, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = document["instructor"].to_string();
    assert!(text.contains("arn:aws:iot:us-east-1:123456789012:topicfilter/temperature-device-01"), "{text}");
    assert!(document["responder"].to_string().contains("thinggroup/IsolatedDevices"));
}
