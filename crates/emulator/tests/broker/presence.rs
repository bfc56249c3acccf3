//! Lifecycle events, and the disconnect reasons in them (docs/aws-iot.md#3.5).

use quell_emulator::start::Options;
use rumqttc::PublishOptions;

use crate::client::options;
use crate::raw::Raw;
use crate::{ALLOW, World};

#[tokio::test]
async fn a_connection_is_announced_from_beginning_to_end() {
    let world = World::start().await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/#"]).await;
    // The console's own subscription is an event too.
    let (topic, event) = console.json().await;
    assert_eq!(topic, "$aws/events/subscriptions/subscribed/console");
    assert_eq!(event["topics"], serde_json::json!(["$aws/events/#"]));
    let mut device = world.client("Thing02").await;
    let (topic, connected) = console.json().await;
    assert_eq!(topic, "$aws/events/presence/connected/Thing02");
    let keys: Vec<_> = connected.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "clientId",
            "timestamp",
            "eventType",
            "sessionIdentifier",
            "principalIdentifier",
            "ipAddress",
            "versionNumber"
        ]
    );
    assert_eq!((&connected["clientId"], &connected["eventType"]), (&"Thing02".into(), &"connected".into()));
    assert!(connected["timestamp"].as_i64().unwrap() > 1_573_002_230_757, "milliseconds");
    device.subscribe(&["a/b"]).await;
    let (topic, subscribed) = console.json().await;
    assert_eq!(topic, "$aws/events/subscriptions/subscribed/Thing02");
    assert_eq!(subscribed["sessionIdentifier"], connected["sessionIdentifier"]);
    device.handle.unsubscribe("a/b").await.unwrap();
    assert_eq!(console.json().await.0, "$aws/events/subscriptions/unsubscribed/Thing02");
    device.handle.disconnect().await.unwrap();
    let (topic, gone) = console.json().await;
    assert_eq!(topic, "$aws/events/presence/disconnected/Thing02");
    assert_eq!(gone["disconnectReason"], "CLIENT_INITIATED_DISCONNECT");
    assert_eq!(gone["clientInitiatedDisconnect"], true);
    assert_eq!(gone["sessionIdentifier"], connected["sessionIdentifier"]);
    assert_eq!(gone["versionNumber"], connected["versionNumber"]);
    let _again = world.client("Thing02").await;
    let (_, again) = console.json().await;
    assert!(again["versionNumber"].as_u64() > connected["versionNumber"].as_u64());
    assert_ne!(again["sessionIdentifier"], connected["sessionIdentifier"]);
}

#[tokio::test]
async fn each_way_to_go_has_its_reason() {
    let world = World::start().await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/presence/disconnected/#"]).await;

    drop(world.client("vanished").await);
    assert_eq!(console.json().await.1["disconnectReason"], "CONNECTION_LOST");

    let mut large = world.client("large").await;
    large.publish_and_be_cut("a", vec![b'x'; 128 * 1024 + 1]).await;
    assert_eq!(console.json().await.1["disconnectReason"], "CLIENT_ERROR");

    let mut reserved = world.client("reserved").await;
    reserved.publish_and_be_cut("$aws/events/presence/connected/x", "{}").await;
    assert_eq!(console.json().await.1["disconnectReason"], "FORBIDDEN_ACCESS");

    let mut cut = world.client("cut").await;
    world.data.delete_connection().client_id("cut").send().await.unwrap();
    cut.ended().await;
    assert_eq!(console.json().await.1["disconnectReason"], "API_INITIATED_DISCONNECT");
    let held = world.data.get_connection().client_id("cut").send().await.unwrap();
    assert_eq!((held.connected(), held.disconnect_reason()), (false, Some("API_INITIATED_DISCONNECT")));

    // A client id with a wildcard has no topic to be told on.
    drop(world.client("a#b").await);
    drop(world.client("a+b").await);
    drop(world.client("last").await);
    let (topic, _) = console.json().await;
    assert_eq!(topic, "$aws/events/presence/disconnected/last");
}

#[tokio::test]
async fn a_second_connection_takes_over_and_is_told_after_the_first_is_gone() {
    let world = World::start().await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/presence/#"]).await;
    let mut first = world.client("Thing02").await;
    let (_, one) = console.json().await;
    for _ in 0..5 {
        let second = world.client("Thing02").await;
        first.ended().await;
        let (topic, gone) = console.json().await;
        assert_eq!(topic, "$aws/events/presence/disconnected/Thing02");
        assert_eq!(gone["disconnectReason"], "DUPLICATE_CLIENTID");
        let (topic, two) = console.json().await;
        assert_eq!(topic, "$aws/events/presence/connected/Thing02");
        assert!(two["versionNumber"].as_u64() > one["versionNumber"].as_u64());
        first = second;
    }
    // The survivor is a whole connection.
    first.subscribe(&["x"]).await;
    first.publish("x", "1").await;
    assert_eq!(first.text().await.1, "1");
}

#[tokio::test]
async fn many_at_once_with_one_client_id_leave_one() {
    let world = World::start().await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/presence/#"]).await;
    let port = world.plain();
    let all: Vec<_> = (0..20).map(|_| crate::client::Client::open(options("Thing02", port))).collect();
    let (mut connected, mut gone) = (0, 0);
    while connected < 20 || gone < 19 {
        let (topic, event) = console.json().await;
        if topic.contains("/connected/") {
            assert_eq!(connected, gone, "never two at a time");
            connected += 1;
        } else {
            assert_eq!(event["disconnectReason"], "DUPLICATE_CLIENTID");
            gone += 1;
            assert_eq!(connected, gone);
        }
    }
    assert!(world.data.get_connection().client_id("Thing02").send().await.unwrap().connected());
    drop(all);
    assert_eq!(console.json().await.1["disconnectReason"], "CONNECTION_LOST");
}

#[tokio::test]
async fn an_mqtt_5_client_is_told_why_it_goes() {
    let world = World::start().await;
    let mut taken = Raw::plain(&world, 5).await;
    let mut second = Raw::plain(&world, 5).await;
    assert_eq!(taken.end(b"").await, [0xe0, 2, 0x8e, 0], "session taken over");
    world.data.delete_connection().client_id("raw").send().await.unwrap();
    assert_eq!(second.end(b"").await, [0xe0, 2, 0x98, 0], "administrative action");
    let mut large = Raw::plain(&world, 5).await;
    let publish = [&b"\x30\x85\x80\x08\x00\x01a\x00"[..], &vec![b'x'; 128 * 1024 + 1]].concat();
    assert_eq!(large.end(&publish).await, [0xe0, 2, 0x95, 0], "packet too large");
    let mut huge = Raw::plain(&world, 5).await;
    assert_eq!(huge.end(b"\x30\x81\x90\x09\x00\x01a").await, [0xe0, 2, 0x95, 0], "before it has come whole");
}

#[tokio::test]
async fn stopping_the_emulator_is_the_servers_doing() {
    let world = World::start().await;
    let identity = world.identity_with(ALLOW).await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/presence/disconnected/Thing02"]).await;
    let mut device = world.device("Thing02", &identity).await;
    device.handle.publish("x", "1", PublishOptions::at_most_once()).await.unwrap();
    let broker = world.running.account().broker().clone();
    assert!(broker.disconnect("Thing02", "SERVER_INITIATED_DISCONNECT", false, true));
    device.ended().await;
    assert_eq!(console.json().await.1["disconnectReason"], "SERVER_INITIATED_DISCONNECT");
}

#[tokio::test]
async fn a_certificate_used_from_elsewhere_tells_that_address() {
    let scenario = tempfile::NamedTempFile::new().unwrap();
    let step = "[[step]]\nat = \"0s\"\nthing = \"dev-IZWB\"\naction = \"permit\"\n\
                [[step]]\nat = \"60s\"\nthing = \"dev-IZWB\"\naction = \"clone\"\nid = \"gw-7\"\nfrom = \"203.0.113.41\"\n";
    std::fs::write(scenario.path(), step).unwrap();
    let world = World::with(Options {
        speed: 20.0,
        devices: Some(6),
        scenario: Some(scenario.path().to_owned()),
        ..Options::on_free_ports()
    })
    .await;
    let mut console = world.client("console").await;
    console
        .subscribe(&["$aws/events/presence/connected/gw-7", "$aws/events/presence/connected/dev-IZWB"])
        .await;
    let mut told = std::collections::BTreeMap::new();
    while told.len() < 2 {
        let (_, event) = console.json().await;
        told.insert(event["clientId"].as_str().unwrap().to_owned(), event);
    }
    assert_eq!(told["gw-7"]["ipAddress"], "203.0.113.41");
    assert_eq!(told["dev-IZWB"]["ipAddress"], "127.0.0.1");
    assert_eq!(told["gw-7"]["principalIdentifier"], told["dev-IZWB"]["principalIdentifier"]);
    let address = async |client: &str| {
        let held =
            world.data.get_connection().client_id(client).include_socket_information(true).send().await;
        held.unwrap().source_ip.unwrap()
    };
    assert_eq!(
        (address("gw-7").await, address("dev-IZWB").await),
        ("203.0.113.41".into(), "127.0.0.1".into())
    );
}
