//! The longer ways: patched while isolated, contained by policy alone, mitigated by AWS.

use std::time::{Duration, Instant};

use aws_sdk_iot::types::{
    AddThingsToThingGroupParams, AuditCheckConfiguration, EnableIoTLoggingParams, LogLevel,
    MitigationActionParams,
};
use quell::response::{Outcome, RowState};
use quell_fleet::event::Stage;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::door::Verdict;
use crate::world::{LONG, World, isolate};

const ROLE: &str = "arn:aws:iam::123456789012:role/Mitigation";

/// A device that speaks, and carries out the jobs it is given.
async fn worker(world: &World, name: &str, certificate: &str) {
    let port = world.listen(certificate).await;
    let mut options = MqttOptions::new(name, ("127.0.0.1", port));
    options.set_keep_alive(30);
    let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
    let (speaker, topic) = (client.clone(), format!("temperature/{name}"));
    let jobs = format!("$aws/things/{name}/jobs");
    tokio::spawn(async move {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    let filter = format!("{jobs}/start-next/accepted");
                    let _ = client.try_subscribe(filter, QoS::AtMostOnce);
                }
                Ok(Event::Incoming(Packet::Publish(message))) => {
                    let document: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
                    if let Some(job) = document.pointer("/execution/jobId").and_then(Value::as_str) {
                        let done = json!({"status": "SUCCEEDED"}).to_string();
                        let _ = client.try_publish(
                            format!("{jobs}/{job}/update"),
                            done,
                            PublishOptions::at_most_once(),
                        );
                    }
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    });
    let jobs = format!("$aws/things/{name}/jobs/start-next");
    tokio::spawn(async move {
        for n in 0_u64.. {
            // It asks for work more often than it speaks: speaking is what gets it cut off.
            let (topic, text) = if n.is_multiple_of(10) { (&topic, "21.5") } else { (&jobs, "{}") };
            let _ = speaker.try_publish(topic, text, PublishOptions::at_most_once());
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_patched_by_job_while_it_is_isolated_and_then_released() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    let groups = "[groups]\nisolate = \"Ward\"\n";
    let made = world.run_with(&["setup", "--patchable", "--yes", "--json"], groups, None).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    worker(&world, "Thing02", &certificate).await;
    let line = ["isolate", "Thing02", "--yes", "--json", "--timeout", "50s"];
    let isolated = world.run_with(&line, groups, None).await;
    assert_eq!(isolated.code, Some(0), "{isolated:?}");
    assert_eq!(isolated.json()["outcome"], "proven", "{isolated:?}");
    // Under this policy a job reaches it, and the plan does not advise against it.
    let job = ["job", "create", "patch-1", "--thing", "Thing02", "--document-json", "{}", "--yes", "--json"];
    let patched = world.run_with(&job, groups, None).await;
    assert_eq!(patched.code, Some(0), "{patched:?}");
    let until = Instant::now() + LONG;
    loop {
        let shown = world.run_with(&["job", "show", "patch-1", "--json"], groups, None).await.json();
        if shown["jobProcessDetails"]["numberOfSucceededThings"] == 1 {
            break;
        }
        assert!(Instant::now() < until, "the isolated device never carried its job out: {shown}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let released = world.run_with(&["release", "Thing02", "--yes", "--json"], groups, None).await;
    assert_eq!(released.code, Some(0), "{released:?}");
    assert_eq!(released.json()["outcome"], "proven");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_leave_to_cut_the_cache_s_time_is_shown_and_waited_for() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let mut console = world.console();
    console.hears("Thing02").await;
    world.door.rule(|_, line| if line.contains("/connections/") { Verdict::Refuse } else { Verdict::Pass });
    let plan = console.plan(isolate("Thing02")).await;
    let began = Instant::now();
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    // The emulator's cache holds seven seconds at this speed.
    assert!(began.elapsed() > Duration::from_secs(6), "contained before AWS could have: {view:#?}");
    let cut = view.rows.iter().find(|r| r.title.as_str() == "connection cut").unwrap();
    assert!(matches!(&cut.state, RowState::Skipped(why) if why.as_str().contains("injected")), "{cut:?}");
    let told = console.stages_until(|s| matches!(s, Stage::Contained { .. })).await;
    let counted = told.iter().any(
        |(_, s)| matches!(s, Stage::Containing { waiting_for, .. } if waiting_for.as_str().contains("AWS applies it within")),
    );
    assert!(counted, "the time that is left is told: {told:?}");
}

async fn action(world: &World, name: &str, params: MitigationActionParams) {
    let create = world.iot.create_mitigation_action().action_name(name);
    create.role_arn(ROLE).action_params(params).send().await.unwrap();
    world.door.forget();
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_s_mitigation_of_a_violation_is_followed_to_its_end() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.strict_profile().await;
    world.device("Thing02", &certificate).await;
    let group = AddThingsToThingGroupParams::builder().thing_group_names("IsolatedDevices").build().unwrap();
    let params = MitigationActionParams::builder().add_things_to_thing_group_params(group).build();
    action(&world, "Quarantine", params).await;
    let violation = timeout(LONG, async {
        loop {
            let active = world.iot.list_active_violations().send().await.unwrap();
            if let Some(id) = active.active_violations().first().and_then(|v| v.violation_id()) {
                return id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    let line = ["mitigate", "--action", "Quarantine", "--violation", &violation, "--json"];
    let shown = world.run(&[&line[..], &["--dry-run"]].concat()).await;
    assert_eq!((shown.code, world.changed()), (Some(0), 0), "{shown:?}");
    assert_eq!(shown.json()["targets"], json!(["Thing02"]), "the things concerned are named");
    assert_eq!(shown.json()["reversible"], false);
    let ran = world.run(&[&line[..], &["--yes"]].concat()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.json()["outcome"], "proven");
    assert!(world.member("Thing02").await, "AWS's own task put it there");
    let gone = world.run(&["mitigate", "--action", "Quarantine", "--violation", "nobody", "--yes"]).await;
    assert_eq!(gone.code, Some(1), "a violation that is not there: {gone:?}");
    assert!(gone.err.contains("no active violation nobody"), "the plan says so before: {gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_s_mitigation_of_a_finding_is_followed_to_its_end() {
    const CHECK: &str = "LOGGING_DISABLED_CHECK";
    let world = World::start().await;
    let iot = &world.iot;
    let on = AuditCheckConfiguration::builder().enabled(true).build();
    let configure = iot.update_account_audit_configuration().role_arn(ROLE);
    configure.audit_check_configurations(CHECK, on).send().await.unwrap();
    let params =
        EnableIoTLoggingParams::builder().role_arn_for_logging(ROLE).log_level(LogLevel::Error).build();
    let params = MitigationActionParams::builder().enable_io_t_logging_params(params.unwrap()).build();
    action(&world, "Log", params).await;
    let audit = iot.start_on_demand_audit_task().target_check_names(CHECK).send().await.unwrap();
    let audit = audit.task_id.unwrap();
    let finding = timeout(LONG, async {
        loop {
            let found = iot.list_audit_findings().task_id(&audit).send().await.unwrap();
            if let Some(id) = found.findings().first().and_then(|f| f.finding_id()) {
                return id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    world.door.forget();
    let line = ["mitigate", "--action", "Log", "--finding", &finding, "--check", CHECK, "--yes", "--json"];
    let ran = world.run(&line).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.json()["outcome"], "proven");
    let undo = world.run(&["undo", ran.json()["plan"]["id"].as_str().unwrap(), "--yes"]).await;
    assert_eq!(undo.code, Some(4), "AWS has no way back: {undo:?}");
}
