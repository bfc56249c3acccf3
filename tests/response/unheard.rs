//! A silence that could not have been heard: the way to the broker carries nothing any more, while every connection stands and
//! the device goes on speaking.

use std::time::Duration;

use quell::response::{Outcome, Swept, TargetOutcome};

use crate::cable::Cable;
use crate::world::{World, isolate};

#[tokio::test(flavor = "multi_thread")]
async fn a_cable_that_carries_nothing_proves_no_silence() {
    let mut world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let broker = world.settings.mqtt.url.clone().unwrap();
    let cable = Cable::to(broker.strip_prefix("mqtt://").unwrap().parse().unwrap());
    world.settings.mqtt.url = Some(format!("mqtt://{}", cable.address()));
    let mut console = world.console();
    console.hears("Thing02").await;
    let plan = console.plan(isolate("Thing02")).await;
    cable.freeze(true);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Unproven), "{view:?}");
    let Some(TargetOutcome::Unproven { missing }) = &view.targets[0].outcome else { panic!("{view:?}") };
    assert_eq!(missing.as_str(), "the link could not have heard it");
    let entries = console.entries();
    let outcome = entries.iter().find(|entry| entry["kind"] == "outcome").unwrap();
    assert_eq!(outcome["outcome"], "unproven", "{outcome}");
    // What holds as far as was asked is looked after all the same: AWS is asked another way than the device is heard.
    let view = console.swept().await;
    let Swept::Done(sweeps) = &view.swept else { panic!("{view:?}") };
    assert_eq!(sweeps.len(), 1);
    assert!(console.entries().iter().any(|entry| entry["kind"] == "sweep"));
}
