//! Sessions that outlive their connection.

use rumqttc::{Packet, PublishOptions};

use crate::World;
use crate::client::{Client, options};
use crate::client5::{Client5, options5};

fn lasting(world: &World) -> rumqttc::MqttOptions {
    let mut options = options("Thing01", world.plain());
    options.set_clean_session(false);
    options.set_ack_mode(rumqttc::AckMode::Manual);
    options
}

#[tokio::test]
async fn a_session_keeps_subscriptions_and_what_came_meanwhile() {
    let world = World::start().await;
    let mut device = Client::connect(lasting(&world)).await;
    device.subscribe(&["cmd/#"]).await;
    device.handle.disconnect().await.unwrap();
    device.ended().await;
    let mut console = world.client("console").await;
    console.publish("cmd/a", "kept").await;
    console.handle.publish("cmd/b", "lost", PublishOptions::at_most_once()).await.unwrap();
    console.publish("cmd/c", "kept too").await;
    let (mut device, present) = Client::connect_session(lasting(&world)).await;
    assert!(present);
    for expected in ["kept", "kept too"] {
        let message = device.message().await;
        assert_eq!((&message.payload[..], message.dup), (expected.as_bytes(), false));
        device.handle.ack(&message).await.unwrap();
    }
    console.publish("cmd/d", "live").await;
    assert_eq!(device.text().await.1, "live");
    // A clean session forgets all of it.
    drop(device);
    let mut device = Client::connect(options("Thing01", world.plain())).await;
    console.publish("cmd/e", "nobody").await;
    device.silence().await;
    let (_device, present) = {
        drop(device);
        Client::connect_session(lasting(&world)).await
    };
    assert!(!present, "the clean session left nothing");
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_marked_as_a_duplicate() {
    let world = World::start().await;
    let mut device = Client::connect(lasting(&world)).await;
    device.subscribe(&["cmd/#"]).await;
    let mut console = world.client("console").await;
    for n in ["1", "2", "3"] {
        console.publish("cmd/a", n).await;
    }
    let mut ids = Vec::new();
    for n in ["1", "2", "3"] {
        let message = device.message().await;
        assert_eq!((&message.payload[..], message.dup), (n.as_bytes(), false));
        ids.push(message.pkid);
        if n == "2" {
            device.handle.ack(&message).await.unwrap();
        }
    }
    // The acknowledgement has arrived when the answer to what followed it is there.
    device.publish("other", "x").await;
    drop(device);
    console.publish("cmd/a", "4").await;
    for _ in 0..2 {
        let (mut device, present) = Client::connect_session(lasting(&world)).await;
        assert!(present);
        for (payload, id, dup) in [("1", Some(ids[0]), true), ("3", Some(ids[2]), true)] {
            let message = device.message().await;
            assert_eq!((&message.payload[..], message.dup), (payload.as_bytes(), dup));
            assert_eq!(Some(message.pkid), id, "the same packet identifier");
        }
        let last = device.message().await;
        assert_eq!(&last.payload[..], b"4");
        assert!(!ids.contains(&last.pkid) || last.pkid == ids[1], "an identifier in use is not given again");
    }
}

#[tokio::test]
async fn mqtt_5_says_how_long_its_session_lasts() {
    let world = World::start().await;
    let with = |clean: bool, expiry: Option<u32>| {
        let mut options = options5("Thing01", world.plain());
        options.set_clean_start(clean);
        options.set_session_expiry_interval(expiry);
        options
    };
    let (device, ack) = Client5::connect(with(true, Some(60 * 60 * 24 * 30))).await;
    assert_eq!(ack.properties.unwrap().session_expiry_interval, Some(604_800), "a week at most");
    drop(device);
    let (device, ack) = Client5::connect(with(false, Some(100))).await;
    assert!(ack.session_present);
    drop(device);
    let (device, ack) = Client5::connect(with(false, None)).await;
    assert!(ack.session_present);
    drop(device);
    let (mut device, ack) = Client5::connect(with(false, Some(1))).await;
    assert!(!ack.session_present, "without an expiry the session ended with its connection");
    device.subscribe("cmd/#").await;
    drop(device);
    crate::until("the session expires", async || {
        let (device, ack) = Client5::connect(with(false, Some(1))).await;
        let gone = !ack.session_present;
        if !gone {
            drop(device);
            tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        }
        gone.then_some(())
    })
    .await;
}

#[tokio::test]
async fn deleting_the_connection_can_delete_the_session_as_well() {
    let world = World::start().await;
    let mut device = Client::connect(lasting(&world)).await;
    device.subscribe(&["cmd/#"]).await;
    world.data.delete_connection().client_id("Thing01").send().await.unwrap();
    device.ended().await;
    let (mut device, present) = Client::connect_session(lasting(&world)).await;
    assert!(present, "a cut alone leaves the session");
    crate::until("the second of the rate limit passes", async || {
        let delete = world.data.delete_connection().client_id("Thing01").clean_session(true);
        delete.send().await.ok()
    })
    .await;
    device.ended().await;
    let (_device, present) = Client::connect_session(lasting(&world)).await;
    assert!(!present);
}

#[tokio::test]
async fn an_absent_client_holds_a_bounded_queue() {
    let world = World::start().await;
    let mut device = Client::connect(lasting(&world)).await;
    device.subscribe(&["cmd/#"]).await;
    drop(device);
    let broker = world.running.account().broker().clone();
    let mut console = world.client("console").await;
    let payload = vec![b'x'; 100 * 1024];
    let mut published = 0;
    while broker.counters().dropped == 0 {
        console.publish("cmd/a", payload.clone()).await;
        published += 1;
        assert!(published < 2000, "200 MB are held for one absent client");
    }
    let (mut device, _) = Client::connect_session(lasting(&world)).await;
    let first = device.message().await;
    assert_eq!(first.payload.len(), payload.len());
    let mut received = 1;
    device.handle.ack(&first).await.unwrap();
    while received < published - 1 {
        let message = device.message().await;
        device.handle.ack(&message).await.unwrap();
        received += 1;
    }
    console.handle.publish("cmd/a", "room again", PublishOptions::at_least_once()).await.unwrap();
    console.wait("a PUBACK", |p| matches!(p, Packet::PubAck(_)).then_some(())).await;
    assert_eq!(device.text().await.1, "room again");
}
