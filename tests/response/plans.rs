//! Plans run by the library: proven, refused.

use quell::response::journal::Journal;
use quell::response::{Intent, JobOptions, JobRequest, JobTarget, Level, Outcome, RowState};
use quell_fleet::event::Stage;
use quell_fleet::model::Name;

use crate::world::{World, isolate, target};

#[tokio::test(flavor = "multi_thread")]
async fn an_isolation_is_proven_and_a_release_is_heard() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let mut console = world.console();
    console.hears("Thing02").await;

    let plan = console.plan(isolate("Thing02")).await;
    assert_eq!(plan.refused(), None);
    assert_eq!(world.changed(), 0, "planning changes nothing");
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    assert!(world.member("Thing02").await);
    assert!(
        view.rows.iter().all(|r| matches!(r.state, RowState::Done(_) | RowState::Skipped(_))),
        "{view:#?}"
    );
    let stages = console.stages_until(|s| matches!(s, Stage::Contained { .. })).await;
    assert!(matches!(stages.first(), Some((t, Stage::Containing { .. })) if t == "Thing02"), "{stages:?}");
    assert!(
        matches!(stages.last(), Some((_, Stage::Contained { took, .. })) if *took < 30_000),
        "{stages:?}"
    );

    let kinds: Vec<String> =
        console.entries().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        kinds.first().map(String::as_str),
        Some("intent"),
        "intent is written before the first request"
    );
    console.swept().await;
    let entries = console.entries();
    let outcome = entries.iter().position(|e| e["kind"] == "outcome").unwrap();
    let after: Vec<&str> = entries[outcome + 1..].iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(after, ["request", "sweep"], "the client is asked, and what was left behind is looked for");
    assert!(entries[0]["who"]["arn"].as_str().unwrap().starts_with("arn:aws:"));
    let add = entries.iter().find(|e| e["operation"] == "iot:AddThingToThingGroup").unwrap();
    assert_eq!(add["accepted"], true);
    assert!(add["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{add}");
    assert_eq!(entries[outcome]["outcome"], "proven");
    assert!(Journal::open(&console.journal).unwrap().verify().unwrap().faults.is_empty());

    let plan = console.plan(Intent::Release { things: vec![target("Thing02")], group: None }).await;
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    assert!(!world.member("Thing02").await);
    let shadow = world.data.get_thing_shadow().thing_name("Thing02").send().await.unwrap();
    let shadow: serde_json::Value = serde_json::from_slice(shadow.payload().unwrap().as_ref()).unwrap();
    assert_eq!(shadow.pointer("/state/desired/quarantine"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_certificate_names_the_others_and_a_revocation_wants_its_name() {
    let world = World::start().await;
    let certificate = world.things(&["Thing01", "Thing02", "Thing03"]).await;
    world.device("Thing02", &certificate).await;
    let mut console = world.console();
    console.hears("Thing02").await;
    let revoke = || Intent::Revoke { things: vec![target("Thing02")], certificate: None };
    let plan = console.plan(revoke()).await;
    let first = &plan.affects()[0];
    assert_eq!(first.level, Level::Danger);
    assert!(
        plan.affects().iter().any(|n| n.text.as_str().contains("also serves Thing01, Thing03")),
        "{plan:#?}"
    );
    for wrong in [None, Some(""), Some("Thing01")] {
        let plan = console.plan(revoke()).await;
        assert!(console.confirm(plan, wrong).await.unwrap_err().contains("not confirmed"));
    }
    assert_eq!(world.changed(), 0);
    let view = console.confirm(plan, Some("Thing02")).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    let found = world.iot.describe_certificate().certificate_id(&certificate).send().await.unwrap();
    assert_eq!(found.certificate_description().unwrap().status().unwrap().as_str(), "REVOKED");
    console.stages_until(|s| matches!(s, Stage::Revoked)).await;
    let again = console.plan(Intent::Activate { things: vec![target("Thing02")], certificate: None }).await;
    assert!(again.refused().is_some_and(|r| r.as_str().contains("REVOKED")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_a_deny_is_refused_before_anything_is_sent() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    world.group("Quarantine").await;
    world.door.forget();
    let mut console = world.console();
    let plan = console
        .plan(Intent::Isolate {
            things: vec![target("Thing02")],
            group: Some(Name::new("Quarantine")),
            time: None,
        })
        .await;
    assert!(plan.would_change_nothing().is_some_and(|t| t.as_str().contains("would change nothing")));
    assert!(console.confirm(plan, None).await.is_err());
    let plan = console.plan(isolate("nobody")).await;
    assert!(console.confirm(plan, None).await.is_err());
    assert_eq!(world.changed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_nothing_is_sent() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    std::fs::create_dir_all(&world.rules.journal).unwrap();
    let mut console = world.console();
    let plan = console.plan(isolate("Thing02")).await;
    let refused = console.confirm(plan, None).await.unwrap_err();
    assert!(refused.contains("journal"), "{refused}");
    assert_eq!(world.changed(), 0);
    assert!(!world.member("Thing02").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_created_canceled_and_refused_for_isolated_things() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    world.group("NeedsUpdate").await;
    let add = |group: &'static str| {
        world.iot.add_thing_to_thing_group().thing_name("Thing02").thing_group_name(group).send()
    };
    add("NeedsUpdate").await.unwrap();
    let mut console = world.console();
    let job = JobRequest {
        id: "Update-temp-firmware".to_owned(),
        targets: vec![JobTarget::Group(Name::new("NeedsUpdate"))],
        document: r#"{"operation":"update"}"#.to_owned(),
        continuous: true,
        description: Some("new firmware".to_owned()),
        options: JobOptions::default(),
    };
    let plan = console.plan(Intent::LaunchJob(job.clone())).await;
    assert_eq!(plan.refused(), None, "{plan:#?}");
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    let found = world.iot.describe_job().job_id("Update-temp-firmware").send().await.unwrap();
    assert_eq!(found.job().unwrap().target_selection().unwrap().as_str(), "CONTINUOUS");
    let cancel = Intent::CancelJob { job: Name::new("Update-temp-firmware"), force: false };
    let plan = console.plan(cancel.clone()).await;
    assert_eq!(console.confirm(plan, None).await.unwrap().finished, Some(Outcome::Proven));
    let plan = console.plan(cancel).await;
    assert!(console.confirm(plan, None).await.unwrap_err().contains("CANCELED already"));
    add("IsolatedDevices").await.unwrap();
    let plan = console.plan(Intent::LaunchJob(JobRequest { id: "again".to_owned(), ..job })).await;
    assert!(console.confirm(plan, None).await.unwrap_err().contains("Release it first"));
}
