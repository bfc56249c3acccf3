//! Undo restores what was, not a default.

use aws_sdk_iotdataplane::primitives::Blob;
use serde_json::{Value, json};

use crate::world::{World, isolate};

async fn quarantine(world: &World) -> Option<Value> {
    let found = world.data.get_thing_shadow().thing_name("Thing02").send().await.unwrap();
    let document: Value = serde_json::from_slice(found.payload().unwrap().as_ref()).unwrap();
    document.pointer("/state/desired/quarantine").cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolation_is_undone_to_the_shadow_that_was() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let before =
        Blob::new(json!({"state": {"desired": {"quarantine": "watch", "debug": "off"}}}).to_string());
    world.data.update_thing_shadow().thing_name("Thing02").payload(before).send().await.unwrap();
    let mut console = world.console();
    console.hears("Thing02").await;
    let plan = console.plan(isolate("Thing02")).await;
    console.confirm(plan, None).await.unwrap();
    assert_eq!(quarantine(&world).await, Some(json!(true)));
    drop(console);
    let undone = world.run(&["undo", "--yes", "--json"]).await;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert!(!world.member("Thing02").await);
    assert_eq!(quarantine(&world).await, Some(json!("watch")), "what was, not null");
    let again = world.run(&["undo", "--yes"]).await;
    assert_eq!(again.code, Some(1), "an undo is not undone by another: {again:?}");
    assert_eq!(world.run(&["journal", "verify"]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_is_left_alone_and_said() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    world.group("NeedsUpdate").await;
    let joined = world.run(&["join", "NeedsUpdate", "Thing02", "--yes", "--json"]).await;
    assert_eq!(joined.code, Some(0), "{joined:?}");
    let remove = world.iot.remove_thing_from_thing_group();
    remove.thing_name("Thing02").thing_group_name("NeedsUpdate").send().await.unwrap();
    world.door.forget();
    let undone = world.run(&["undo", "--yes"]).await;
    assert_eq!(undone.code, Some(4), "{undone:?}");
    assert!(undone.err.contains("changed since"), "{undone:?}");
    assert_eq!(world.changed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_canceled_by_somebody_else_is_not_canceled_again() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    let create = ["job", "create", "update-1", "--thing", "Thing02", "--document-json", "{}", "--yes"];
    let created = world.run(&create).await;
    assert_eq!(created.code, Some(0), "{created:?}");
    world.iot.cancel_job().job_id("update-1").send().await.unwrap();
    world.door.forget();
    let undone = world.run(&["undo", "--yes"]).await;
    assert_eq!(undone.code, Some(4), "{undone:?}");
    assert!(undone.err.contains("CANCELED already"), "{undone:?}");
    assert_eq!(world.changed(), 0);
}
