//! What a contained device left behind: each kind of residue is found by reads alone after the proof, told on the screen, on the
//! command line, in the journal, and what is retained is cleared by a plan of its own.

use std::time::Duration;

use aws_sdk_iotdataplane::primitives::Blob;
use quell::response::{Intent, Mark, Outcome, Residue, Swept};
use serde_json::Value;

use crate::headless::ROLE;
use crate::screen::{beside, console};
use crate::term::line_with;
use crate::world::{World, isolate, target};

const LIMIT: Duration = Duration::from_secs(60);
const TOPIC: &str = "temperature/Thing02";

/// Thing02, with a residue of each kind: something retained on its topic, a certificate that serves another thing that is
/// connected, a second certificate, HTTPS, a role alias, desired state and a job.
async fn messy() -> (World, String) {
    let world = World::start().await;
    let certificate = world.things(&["Thing02", "Thing03"]).await;
    let second = world.things(&[]).await;
    let principal = format!("arn:aws:iot:us-east-1:123456789012:cert/{second}");
    world.iot.attach_thing_principal().thing_name("Thing02").principal(principal).send().await.unwrap();
    let retain = world.data.publish().topic(TOPIC).qos(1).retain(true);
    retain.payload(Blob::new("set by an attacker")).send().await.unwrap();
    let other = world.data.publish().topic("temperature/Thing03").retain(true);
    other.payload(Blob::new("x")).send().await.unwrap();
    let alias = world.iot.create_role_alias().role_alias("Uploads").role_arn(ROLE);
    alias.credential_duration_seconds(1_800).send().await.unwrap();
    let shadow = r#"{"state":{"desired":{"led":"on"}}}"#;
    world.data.update_thing_shadow().thing_name("Thing02").payload(Blob::new(shadow)).send().await.unwrap();
    let thing = "arn:aws:iot:us-east-1:123456789012:thing/Thing02";
    world.iot.create_job().job_id("update-7").targets(thing).document("{}").send().await.unwrap();
    world.door.forget();
    (world, certificate)
}

fn line<'a>(sweep: &'a Value, residue: &str) -> &'a Value {
    let lines = sweep["lines"].as_array().unwrap();
    lines.iter().find(|line| line["residue"] == residue).unwrap_or_else(|| panic!("{sweep:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_residue_of_each_kind_is_found_after_the_proof_and_nothing_is_changed_for_it() {
    let (world, certificate) = messy().await;
    let mut console = world.console();
    console.listens().await;
    world.device("Thing02", &certificate).await;
    world.device("Thing03", &certificate).await;
    console.hears("Thing02").await;
    console.hears("Thing03").await;
    let things = vec![console.target("Thing02")];
    let plan = console.plan(Intent::Isolate { things, group: None, time: None }).await;
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    assert_eq!(view.swept, Swept::Running, "the proof is told before");
    let changed = world.changed();
    let view = console.swept().await;
    let Swept::Done(sweeps) = &view.swept else { panic!("{view:#?}") };
    let [sweep] = sweeps.as_slice() else { panic!("{sweeps:#?}") };
    let of = |residue| sweep.traces.iter().find(|trace| trace.residue == residue).unwrap();
    for (residue, mark, text) in [
        (Residue::Retained, Mark::Found, TOPIC),
        (Residue::Sessions, Mark::Found, "Thing03, on the same certificate, connected"),
        (Residue::Queued, Mark::Clear, "kept its last will back"),
        (Residue::Things, Mark::Found, "also serves Thing03"),
        (Residue::Certificates, Mark::Found, "2 ACTIVE"),
        (Residue::Https, Mark::Found, "may publish and retain on temperature/Thing02"),
        (Residue::Credentials, Mark::Found, "keys of role R"),
        (Residue::Desired, Mark::Found, "led"),
        (Residue::Jobs, Mark::Found, "update-7 QUEUED"),
        (Residue::Answer, Mark::Clear, "no message reached Thing02"),
    ] {
        let trace = of(residue);
        assert_eq!(trace.mark, mark, "{trace:#?}");
        assert!(trace.text.as_str().contains(text), "{trace:#?}");
        assert!(!trace.requests.is_empty(), "each has the request ids it rests on: {trace:#?}");
    }
    assert_eq!(of(Residue::Retained).run.as_ref().unwrap().as_str(), "quell retained clear Thing02");
    let deny = of(Residue::Credentials).run.as_ref().unwrap().as_str();
    assert!(
        deny.starts_with("aws iam put-role-policy --role-name R ") && deny.contains("aws:TokenIssueTime")
    );
    assert_eq!(world.changed(), changed, "nothing is changed: {:?}", world.door.changes());
    let entries = console.entries();
    let written = entries.iter().find(|entry| entry["kind"] == "sweep").unwrap();
    assert_eq!(line(&written["targets"][0], "jobs")["mark"], "found");
    assert!(entries.iter().any(|entry| entry["operation"] == "iot:SendDirectMessage"), "asked by the plan");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_asked_is_unknown_with_its_reason_and_the_proof_stands() {
    let world = World::start().await;
    let certificate = world.exclusively("Thing02").await;
    world.device("Thing02", &certificate).await;
    world.door.unreadable(&["/retainedMessage", "/messages"]);
    let ran = world.run(&["deactivate", "Thing02", "--yes", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let swept = &ran.json()["leftBehind"][0];
    for (residue, mark) in [
        ("retained", "unknown"),
        ("answer", "unknown"),
        ("https", "clear"),
        ("certificates", "clear"),
        ("things", "clear"),
        ("credentials", "clear"),
        ("desired", "clear"),
        ("jobs", "clear"),
    ] {
        assert_eq!(line(swept, residue)["mark"], mark, "{residue}: {swept:#}");
    }
    assert!(line(swept, "retained")["text"].as_str().unwrap().contains("needs iot:"), "{swept:#}");
    let told = world.run(&["journal", "--json"]).await.json();
    assert_eq!(told["plans"][0]["leftBehind"][0]["target"], "Thing02", "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_retained_is_cleared_by_a_plan_of_its_own_and_is_no_voice_of_the_device() {
    let (world, _) = messy().await;
    let mut console = world.console();
    console.listens().await;
    let clear = Intent::ClearRetained { things: vec![target("Thing02")], topics: Vec::new() };
    let plan = console.plan(clear.clone()).await;
    assert!(matches!(plan.reversible(), quell::response::Reversible::No(_)));
    let topics: Vec<&str> = plan.steps().iter().map(|step| step.detail.as_str()).collect();
    assert_eq!(topics, [TOPIC], "not what is retained on another's topic");
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    console.hears("Thing02").await;
    let heard = {
        let fleet = console.fleet.lock().unwrap();
        fleet.find("Thing02").and_then(|id| fleet.device(id).last_seen())
    };
    assert_eq!(heard, None, "an empty message of quell's own is no sign of life");
    let plan = console.plan(clear).await;
    assert!(plan.steps().is_empty() && plan.would_change_nothing().is_some(), "{plan:#?}");

    let list = world.run(&["retained", "--json"]).await.json();
    assert_eq!(list["retainedTopics"][0]["topic"], "temperature/Thing03");
    let ran = world.run(&["retained", "clear", "--on", "temperature/Thing03", "--yes", "--json"]).await;
    assert_eq!((ran.code, &ran.json()["outcome"]), (Some(0), &Value::from("proven")), "{ran:?}");
    let swept = world.run(&["sweep", "Thing03", "--json"]).await.json();
    assert_eq!(line(&swept["leftBehind"][0], "retained")["mark"], "unknown", "no topic of it is known");
    assert_eq!(line(&swept["leftBehind"][0], "things")["mark"], "found", "{swept:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_tells_the_proof_first_then_what_was_left_and_offers_to_clear_it() {
    let (world, certificate) = messy().await;
    world.device("Thing02", &certificate).await;
    world.device("Thing03", &certificate).await;
    let mut term = console(&world, "");
    beside(move || {
        term.wait_for("the device", LIMIT, |s| line_with(s, &["Thing02", "ok"]).is_some());
        term.keys("/Thing02\r");
        term.wait_for("the one", LIMIT, |s| line_with(s, &["Thing03", "ok"]).is_none());
        term.keys("i");
        let plan = term.wait_for("the plan", LIMIT, |s| s.contains("⏎ isolate"));
        assert!(plan.contains("over HTTPS"), "{plan}");
        term.keys("\r");
        let told =
            term.wait_for("the sweep", LIMIT, |s| line_with(s, &["queued jobs", "update-7"]).is_some());
        for (title, text) in [
            ("retained messages", TOPIC),
            ("connections", "Thing03"),
            ("other things", "Thing03"),
            ("other certificates", "2 ACTIVE"),
            ("publishing over HTTPS", "may publish"),
            ("AWS credentials", "role R"),
            ("desired state", "led"),
        ] {
            // The frame of a pane behind may begin the same line.
            let mut lines = told.lines();
            assert!(lines.any(|l| ["✗", title, text].iter().all(|p| l.contains(p))), "{title}:\n{told}");
        }
        assert!(told.contains("contained in") && told.contains("nothing else left behind"), "{told}");
        assert!(told.contains("C clear what is retained"), "{told}");
        term.keys("C");
        let plan = term.wait_for("the plan to clear", LIMIT, |s| s.contains("⏎ retained clear"));
        assert!(plan.contains("NOT reversible") && plan.contains(TOPIC), "{plan}");
        term.keys("\r");
        term.wait_for("it to be cleared", LIMIT, |s| s.contains("cleared in"));
        term.keys("\x1b");
        term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
        let after = term.wait_for("the word", LIMIT, |s| line_with(s, &["Thing02", "CONTAINED"]).is_some());
        assert!(!after.contains("LEAKING"), "{after}");
        term.keys("2");
        term.wait_for("the device's facts", LIMIT, |s| line_with(s, &["left behind"]).is_some());
    })
    .await;
    let listed = world.data.list_retained_messages().send().await.unwrap();
    assert!(listed.retained_topics().iter().all(|message| message.topic() != Some(TOPIC)));
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_an_isolation_group_says_what_it_denies() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    world.group("Quarantine").await;
    let says = |ran: &crate::program::Ran| ran.json()["affects"].to_string();
    let ran = world.run(&["join", "IsolatedDevices", "Thing02", "--dry-run", "--json"]).await;
    assert!(says(&ran).contains("policy DenyAll of IsolatedDevices denies iot:* on *"), "{ran:?}");
    let ran = world.run(&["join", "Quarantine", "Thing02", "--dry-run", "--json"]).await;
    assert!(says(&ran).contains("Quarantine is listed as an isolation group and denies nothing"), "{ran:?}");
    let mut console = world.console();
    let plan = console.plan(isolate("Thing02")).await;
    let https = plan.affects().iter().find(|note| note.text.as_str().contains("over HTTPS"));
    assert!(https.is_some_and(|note| note.text.as_str().contains("not attached exclusively")), "{plan:#?}");
}
