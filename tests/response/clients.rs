//! Devices whose MQTT client id is not their thing's name: what reaches them, and which client is cut (docs/aws-iot.md#4.3).

use quell::response::{ActionView, Intent, Level, Outcome, Plan};
use serde_json::Value;

use crate::world::{Console, World};

fn says(plan: &Plan, level: Level, text: &str) -> bool {
    plan.affects().iter().any(|note| note.level == level && note.text.as_str().contains(text))
}

/// The clients that were asked to be cut.
fn cut(entries: &[Value]) -> Vec<&str> {
    let cuts = entries.iter().filter(|e| e["operation"] == "iot:DeleteConnection");
    let mut clients: Vec<&str> = cuts.map(|e| e["resource"].as_str().unwrap()).collect();
    clients.dedup();
    clients
}

/// A console that heard the thing's device connect as `gw-7`.
async fn gateway(world: &World, certificate: &str) -> Console {
    let mut console = world.console();
    console.listens().await;
    world.device_on("gw-7", certificate, "temperature/Thing02").await;
    console.hears("Thing02").await;
    console
}

fn isolate(console: &Console) -> Intent {
    Intent::Isolate { things: vec![console.target("Thing02")], group: None, time: None }
}

fn proven(view: &ActionView) {
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_s_policy_does_not_reach_a_client_of_another_name_and_its_certificate_does() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    let mut console = gateway(&world, &certificate).await;
    let plan = console.plan(isolate(&console)).await;
    assert!(says(&plan, Level::Danger, "Thing02 connects as gw-7"), "{:#?}", plan.affects());
    assert!(plan.would_change_nothing().is_some_and(|why| why.as_str().contains("gw-7")));
    let instead = plan.instead().cloned().unwrap();
    assert!(matches!(&instead, Intent::Deactivate { certificate: Some(id), .. } if *id == certificate));

    let plan = console.plan(instead).await;
    assert_eq!(plan.refused(), None);
    let view = console.confirm(plan, None).await.unwrap();
    proven(&view);
    assert_eq!(cut(&console.entries()), ["client/gw-7"]);
    assert!(!world.connection("gw-7").unwrap().connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_exclusive_attachment_the_group_reaches_it_under_any_name() {
    let world = World::start().await;
    let certificate = world.exclusively("Thing02").await;
    let mut console = gateway(&world, &certificate).await;
    let plan = console.plan(isolate(&console)).await;
    assert_eq!((plan.refused(), plan.would_change_nothing()), (None, None));
    assert!(plan.instead().is_none() && !says(&plan, Level::Danger, "gw-7"), "{:#?}", plan.affects());
    assert!(says(&plan, Level::Info, "gw-7"), "{:#?}", plan.affects());
    let view = console.confirm(plan, None).await.unwrap();
    proven(&view);
    assert_eq!(cut(&console.entries()), ["client/gw-7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn run_all_the_same_it_is_never_called_contained() {
    let world = World::at(300.0).await;
    let certificate = world.things(&["Thing02"]).await;
    let mut console = gateway(&world, &certificate).await;
    let plan = console.plan(isolate(&console)).await;
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Unproven), "{view:#?}");
    assert_eq!(cut(&console.entries()), ["client/gw-7"], "what is cut is what is connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_id_that_nobody_saw_is_said_and_the_index_knows_some() {
    let world = World::start().await;
    world.things(&["Thing01"]).await;
    let certificate = world.exclusively("Thing02").await;
    let mut console = world.console();
    let unseen = Intent::Isolate { things: vec![console.target("Thing01")], group: None, time: None };
    let plan = console.plan(unseen).await;
    assert!(says(&plan, Level::Warn, "the client id of Thing01 was never seen"), "{:#?}", plan.affects());
    let call = plan.steps().iter().flat_map(|s| &s.calls).find(|c| c.operation == "iot:DeleteConnection");
    assert_eq!(call.unwrap().resource.as_str(), "client/Thing01", "its name is a candidate");

    // Connected before anybody listened, so that no presence event tells of it.
    world.device_on("gw-7", &certificate, "temperature/elsewhere").await;
    while !world.connection("gw-7").is_some_and(|c| c.connected) {
        tokio::task::yield_now().await;
    }
    let ran = world.run(&["isolate", "Thing02", "--dry-run", "--json"]).await;
    let text = ran.json()["steps"].to_string();
    assert!(text.contains("client/gw-7") && !text.contains("client/Thing02"), "{ran:?}");
}
