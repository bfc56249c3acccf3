//! Which message reaches whom.

use quell_emulator::Counters;
use rumqttc::QoS;
use rumqttc_v5::{SubscribeFilter, SubscribeReasonCode};

use crate::World;

#[tokio::test]
async fn wildcards_select_topics_as_aws_does() {
    let world = World::start().await;
    let (mut console, mut device) = (world.client("console").await, world.client("device").await);
    for (filter, hits, misses) in [
        ("sensor/#", &["sensor/a", "sensor/a/b"][..], &["sensor", "sensors/a"][..]),
        ("+/b", &["a/b", "/b"], &["a/b/c", "b"]),
        ("a/+/c", &["a/b/c", "a//c"], &["a/c", "a/b/c/d"]),
        ("exact", &["exact"], &["exact/", "Exact"]),
    ] {
        console.subscribe(&[filter, "marker"]).await;
        for topic in hits.iter().chain(misses) {
            device.publish(topic, *topic).await;
        }
        let mut seen = Vec::new();
        device.publish("marker", "marker").await;
        loop {
            match console.text().await {
                (topic, _) if topic == "marker" => break,
                (topic, payload) => {
                    assert_eq!(topic, payload);
                    seen.push(topic);
                }
            }
        }
        assert_eq!(seen, hits, "{filter}");
        console.handle.unsubscribe(filter).await.unwrap();
        console.wait("an UNSUBACK", |p| matches!(p, rumqttc::Packet::UnsubAck(_)).then_some(())).await;
    }
}

#[tokio::test]
async fn a_hash_never_delivers_reserved_topics() {
    let world = World::start().await;
    let mut console = world.client("console").await;
    console.subscribe(&["#", "+/events/#", "+/things/+/shadow/#"]).await;
    let mut device = world.client("device").await;
    device.publish("$aws/things/Thing01/shadow/update", r#"{"state":{"desired":{"a":1}}}"#).await;
    console.nothing_before(&mut device, "dt/own").await;
    console.subscribe(&["$aws/things/+/shadow/update/delta", "$aws/events/#"]).await;
    device.publish("$aws/things/Thing01/shadow/update", r#"{"state":{"desired":{"a":2}}}"#).await;
    let mut topics = Vec::new();
    while !topics.iter().any(|t| t == "$aws/things/Thing01/shadow/update/delta") {
        topics.push(console.message().await.topic);
    }
}

#[tokio::test]
async fn a_client_with_overlapping_filters_hears_a_message_once_at_the_best_level() {
    let world = World::start().await;
    let (mut console, mut device) = (world.client("console").await, world.client("device").await);
    console.handle.subscribe("a/#", QoS::AtMostOnce).await.unwrap();
    console.suback().await;
    console.subscribe(&["a/+", "a/b"]).await;
    device.publish("a/b", "once").await;
    assert_eq!(console.message().await.qos, QoS::AtLeastOnce);
    console.nothing_before(&mut device, "a/own").await;
}

#[tokio::test]
async fn a_shared_subscription_gives_each_message_to_one_member() {
    let world = World::start().await;
    let (mut one, mut two) = (world.client("one").await, world.client("two").await);
    let mut device = world.client("device").await;
    one.subscribe(&["$share/workers/job/#"]).await;
    two.subscribe(&["$share/workers/job/#"]).await;
    for n in 0..10 {
        device.publish("job/x", n.to_string()).await;
    }
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(one.text().await.1);
        seen.push(two.text().await.1);
    }
    seen.sort();
    assert_eq!(seen, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    // A member that leaves is not waited for.
    drop(two);
    crate::until("the leaver is gone", async || {
        let held = world.data.get_connection().client_id("two").send().await.unwrap();
        (!held.connected()).then_some(())
    })
    .await;
    for n in 0..4 {
        device.publish("job/y", n.to_string()).await;
        assert_eq!(one.text().await.1, n.to_string());
    }
}

#[tokio::test]
async fn basic_ingest_reaches_no_subscriber() {
    let world = World::start().await;
    let (mut console, mut device) = (world.client("console").await, world.client("device").await);
    console.subscribe(&["#", "$aws/rules/#"]).await;
    device.publish("$aws/rules/HighHumidity/dt/x", "{}").await;
    console.nothing_before(&mut device, "dt/own").await;
}

#[tokio::test]
async fn versions_3_and_5_talk_to_each_other() {
    let world = World::start().await;
    let (mut old, mut new) = (world.client("old").await, world.client5("new").await);
    old.subscribe(&["to/old"]).await;
    new.subscribe("to/new").await;
    old.publish("to/new", "from old").await;
    assert_eq!(new.text().await, "from old");
    new.publish("to/old", "from new", false).await;
    assert_eq!(old.text().await.1, "from new");
    // No local: a client's own message does not come back.
    let mut filter = SubscribeFilter::new("own", rumqttc_v5::QoS::AtMostOnce);
    filter.nolocal = true;
    let code = new.subscribe_with(filter).await;
    assert_eq!(code, SubscribeReasonCode::Success(rumqttc_v5::QoS::AtMostOnce));
    new.publish("own", "echo", false).await;
    old.publish("own", "from old").await;
    assert_eq!(new.text().await, "from old");
}

#[tokio::test]
async fn what_passes_is_counted() {
    let world = World::start().await;
    let broker = world.running.account().broker().clone();
    let (mut console, mut device) = (world.client("console").await, world.client("device").await);
    console.subscribe(&["dt/#"]).await;
    let before = broker.counters();
    for _ in 0..5 {
        device.publish("dt/x", "1").await;
        console.message().await;
    }
    let after = broker.counters();
    assert_eq!(
        after,
        Counters { published: before.published + 5, delivered: before.delivered + 5, ..before },
    );
}
