//! AWS's limits, at the limit and one beyond it (docs/aws-iot.md#3.3).

use crate::World;
use crate::client::{Client, options};
use crate::client5::{Client5, options5};
use crate::raw::Raw;

#[tokio::test]
async fn eight_filters_fit_into_a_subscribe() {
    let world = World::start().await;
    let mut client = world.client("c").await;
    let filters: Vec<String> = (0..9).map(|n| format!("f/{n}")).collect();
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    assert_eq!(client.try_subscribe(&filters[..8]).await, vec![Some(1); 8]);
    assert_eq!(client.try_subscribe(&filters).await, vec![None; 9]);
    assert_eq!(client.try_subscribe(&filters[..1]).await, [Some(1)], "the connection stays");
}

#[tokio::test]
async fn fifty_subscriptions_fit_on_a_connection() {
    let world = World::start().await;
    let mut client = world.client("c").await;
    for n in 0..50 {
        client.subscribe(&[format!("f/{n}").as_str()]).await;
    }
    assert_eq!(client.try_subscribe(&["f/0", "f/50", "f/49"]).await, [Some(1), None, Some(1)]);
    let listed = world.data.list_subscriptions().client_id("c").max_results(200).send().await.unwrap();
    assert_eq!(listed.subscriptions().len(), 50);
    client.handle.unsubscribe("f/0").await.unwrap();
    client.subscribe(&["f/50"]).await;
}

#[tokio::test]
async fn a_payload_may_have_128_kilobytes() {
    let world = World::start().await;
    let (mut console, mut device) = (world.client("console").await, world.client("device").await);
    console.subscribe(&["a"]).await;
    device.publish("a", vec![b'x'; 128 * 1024]).await;
    assert_eq!(console.message().await.payload.len(), 128 * 1024);
    device.publish_and_be_cut("a", vec![b'x'; 128 * 1024 + 1]).await;
    console.silence().await;
}

#[tokio::test]
async fn a_topic_may_have_seven_slashes_and_256_bytes() {
    let world = World::start().await;
    let mut console = world.client("console").await;
    let longest = "é".repeat(128);
    for good in ["a/b/c/d/e/f/g/h", longest.as_str(), "$aws/rules/R/a/b/c/d/e/f/g/h"] {
        let mut device = world.client("device").await;
        if !good.starts_with('$') {
            console.subscribe(&[good]).await;
        }
        device.publish(good, "x").await;
    }
    for bad in ["a/b/c/d/e/f/g/h/i", &format!("{longest}x")] {
        world.client("device").await.publish_and_be_cut(bad, "x").await;
        let mut subscriber = world.client("subscriber").await;
        subscriber.handle.subscribe(bad, rumqttc::QoS::AtMostOnce).await.unwrap();
        subscriber.ended().await;
    }
    // What a client library does not send.
    for packet in [&b"\x30\x05\x00\x03a\0b"[..], b"\x82\x08\x00\x01\x00\x03a\0b\x00"] {
        assert_eq!(Raw::plain(&world, 4).await.end(packet).await, b"");
    }
    // Seven slashes after `$share/GROUP/`, and filters whose wildcards fill whole levels only.
    console.subscribe(&["$share/g/a/b/c/d/e/f/g/h"]).await;
}

#[tokio::test]
async fn a_client_id_may_have_128_bytes() {
    let world = World::start().await;
    world.client(&"x".repeat(128)).await;
    let reason = Client::refused(options(&"x".repeat(129), world.plain())).await;
    assert_eq!(reason, "BadClientId");
}

#[tokio::test]
async fn an_empty_client_id_is_replaced() {
    let world = World::start().await;
    let (_client, ack) = Client5::connect(options5("", world.plain())).await;
    let assigned = ack.properties.unwrap().assigned_client_identifier.unwrap();
    assert!(assigned.starts_with("$GEN/") && assigned.len() > 30, "{assigned}");
    let mut old = world.client("").await;
    old.publish("x", "1").await;
}

#[tokio::test]
async fn the_keep_alive_is_between_30_and_1200_seconds() {
    let world = World::start().await;
    for (asked, granted) in
        [(0, 1200), (5, 30), (29, 30), (30, 30), (1200, 1200), (1201, 1200), (65_535, 1200)]
    {
        let mut options = options("c", world.plain());
        options.set_keep_alive(asked);
        let _client = Client::connect(options).await;
        let held = world.data.get_connection().client_id("c").send().await.unwrap();
        assert_eq!(held.keep_alive_duration(), granted, "{asked}");
    }
    let mut options = options5("c5", world.plain());
    options.set_keep_alive(5);
    let (_client, ack) = Client5::connect(options).await;
    assert_eq!(ack.properties.unwrap().server_keep_alive, Some(30), "MQTT 5 is told");
}

#[tokio::test]
async fn qos_2_is_not_there() {
    let world = World::start().await;
    let mut console = world.client("console").await;
    console.subscribe(&["a"]).await;
    let mut device = world.client("device").await;
    device.handle.publish("a", "x", rumqttc::PublishOptions::exactly_once()).await.unwrap();
    device.ended().await;
    console.silence().await;
    // A SUBSCRIBE that asks for it is not answered.
    let mut device = world.client("device").await;
    device.handle.subscribe("b", rumqttc::QoS::ExactlyOnce).await.unwrap();
    assert_eq!(device.try_subscribe(&["c"]).await, [Some(1)], "the first SUBACK is for the second SUBSCRIBE");
    assert_eq!(
        world.data.list_subscriptions().client_id("device").send().await.unwrap().subscriptions().len(),
        1
    );
}

#[tokio::test]
async fn a_hundred_messages_may_be_unacknowledged() {
    let world = World::start().await;
    let mut options = options("slow", world.plain());
    options.set_ack_mode(rumqttc::AckMode::Manual);
    options.set_inflight(200);
    let mut slow = Client::connect(options).await;
    slow.subscribe(&["a"]).await;
    let mut device = world.client("device").await;
    for n in 0..130 {
        device.publish("a", n.to_string()).await;
    }
    let mut held = Vec::new();
    for n in 0..100 {
        let message = slow.message().await;
        assert_eq!(message.payload, n.to_string());
        held.push(message);
    }
    slow.silence().await;
    for message in held.drain(..30) {
        slow.handle.ack(&message).await.unwrap();
    }
    for n in 100..130 {
        assert_eq!(slow.message().await.payload, n.to_string());
    }
}
