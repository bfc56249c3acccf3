//! One identity used by two devices: what a plan says of it, the session that is cut alone, and both that are held.

use std::time::Duration;

use quell::response::{ActionView, Intent, Level, Outcome, Plan};
use rumqttc::{AsyncClient, MqttOptions, PublishOptions};

use crate::world::{Console, World, isolate};

const LIMIT: Duration = Duration::from_secs(60);

fn says(plan: &Plan, level: Level, text: &str) -> bool {
    plan.affects().iter().any(|note| note.level == level && note.text.as_str().contains(text))
}

/// The row whose title holds `title`, with its detail.
fn row(view: &ActionView, title: &str) -> String {
    let rows = view.targets.iter().flat_map(|target| &target.rows);
    let row = rows.into_iter().find(|row| row.title.as_str().contains(title));
    row.map_or_else(|| panic!("no row {title}: {view:#?}"), |row| format!("{} {}", row.title, row.detail))
}

/// Another device with the certificate, under a client id of its choice; `comes_back` when it is cut.
async fn another(world: &World, client: &str, certificate: &str, payload: &'static str, comes_back: bool) {
    let port = world.listen(certificate).await;
    let mut options = MqttOptions::new(client, ("127.0.0.1", port));
    options.set_keep_alive(30);
    let (client, mut events) = AsyncClient::builder(options).capacity(4).build();
    let speaks = tokio::spawn(async move {
        loop {
            let _ = client.try_publish("temperature/Thing02", payload, PublishOptions::at_most_once());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    tokio::spawn(async move {
        loop {
            if events.poll().await.is_err() {
                if !comes_back {
                    return speaks.abort();
                }
                tokio::time::sleep(Duration::from_millis(350)).await;
            }
        }
    });
}

/// Waits until the console's fleet shows what is looked for.
async fn sees(console: &Console, sought: impl Fn(&quell_fleet::Fleet) -> bool) {
    let seen = async {
        while !sought(&console.fleet.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, seen).await.unwrap();
}

fn connected(fleet: &quell_fleet::Fleet, clients: &[&str]) -> bool {
    let Some(id) = fleet.find("Thing02") else { return false };
    clients.iter().all(|id_| fleet.clients_of(id).any(|c| c.connected && c.client.raw() == *id_))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_beside_is_cut_and_one_is_left() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    let mut console = world.console();
    console.listens().await;
    world.device("Thing02", &certificate).await;
    console.hears("Thing02").await;
    another(&world, "Thing02-b", &certificate, "21.5", false).await;
    sees(&console, |fleet| connected(fleet, &["Thing02", "Thing02-b"])).await;

    // The isolation says that it does not reach the other, and offers each of the ways.
    let plan = console
        .plan(Intent::Isolate { things: vec![console.target("Thing02")], group: None, time: None })
        .await;
    assert!(says(&plan, Level::Danger, "connects as Thing02-b"), "{:#?}", plan.affects());
    let cut = plan.cut_one().cloned().unwrap();
    assert!(matches!(&cut, Intent::Cut { client, .. } if client.raw() == "Thing02-b"), "{cut:?}");

    let plan = console.plan(cut).await;
    assert_eq!((plan.refused(), plan.would_change_nothing()), (None, None));
    assert!(says(&plan, Level::Info, "left as they are: Thing02"), "{:#?}", plan.affects());
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    assert!(row(&view, "one session or none").contains("Thing02 is left"), "{view:#?}");
    assert!(
        !world.connection("Thing02-b").unwrap().connected && world.connection("Thing02").unwrap().connected
    );
    let entries = console.entries();
    assert!(entries.iter().any(|e| e["kind"] == "intent" && e["what"] == "cut"), "{entries:#?}");
    let cuts = entries.iter().filter(|e| e["operation"] == "iot:DeleteConnection");
    assert_eq!(cuts.map(|e| e["resource"].as_str().unwrap()).collect::<Vec<_>>(), ["client/Thing02-b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_never_seen_is_not_cut() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    let mut console = world.console();
    console.listens().await;
    world.device("Thing02", &certificate).await;
    console.hears("Thing02").await;
    let (things, client) = (vec![console.target("Thing02")], quell_fleet::model::Name::new("somebody"));
    let plan = console.plan(Intent::Cut { things, client }).await;
    assert!(plan.refused().is_some_and(|why| why.as_str().contains("by a guess")), "{plan:#?}");
    assert_eq!(world.changed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_under_one_client_id_a_cut_holds_neither_and_the_isolation_both() {
    let world = World::start().await;
    let certificate = world.exclusively("Thing02").await;
    let mut console = world.console();
    console.listens().await;
    world.device("Thing02", &certificate).await;
    console.hears("Thing02").await;
    let large = "{\"t\": 21.5, \"from\": \"the other of the two\"}";
    another(&world, "Thing02", &certificate, large, true).await;
    sees(&console, |fleet| !fleet.cloned().is_empty()).await;

    let plan = console
        .plan(Intent::Isolate { things: vec![console.target("Thing02")], group: None, time: None })
        .await;
    assert!(says(&plan, Level::Danger, "two devices use the client id Thing02"), "{:#?}", plan.affects());
    assert!(says(&plan, Level::Danger, "messages of 4 bytes"), "{:#?}", plan.affects());
    assert!(plan.proofs().iter().any(|p| p.text.as_str().contains("no session is left of the two")));
    let cut = plan.cut_one().cloned().unwrap();
    let cut = console.plan(cut).await;
    assert!(says(&cut, Level::Warn, "both may come back"), "{:#?}", cut.affects());
    let view = console.confirm(cut, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Unproven), "{view:#?}");
    assert!(row(&view, "nobody takes the session of Thing02 over").contains("taken over again"), "{view:#?}");

    let plan = console.plan(isolate("Thing02")).await;
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    assert!(!world.connection("Thing02").unwrap().connected, "neither of the two is left");
}
