//! Retained messages over MQTT and over HTTP.

use aws_smithy_types::Blob;
use rumqttc::{PublishOptions, QoS};
use rumqttc_v5::{RetainForwardRule, SubscribeFilter};

use crate::World;

async fn retain(world: &World, topic: &str, payload: &str) {
    let mut device = world.client("retainer").await;
    device.handle.publish(topic, payload, PublishOptions::at_least_once().retained()).await.unwrap();
    device.wait("a PUBACK", |p| matches!(p, rumqttc::Packet::PubAck(_)).then_some(())).await;
}

#[tokio::test]
async fn a_retained_message_waits_for_an_exact_filter_only() {
    let world = World::start().await;
    let mut early = world.client("early").await;
    early.subscribe(&["state/x"]).await;
    retain(&world, "state/x", "on").await;
    let live = early.message().await;
    assert!(!live.retain, "to a subscriber of the moment it is a message like others");
    let mut late = world.client("late").await;
    late.subscribe(&["state/#", "state/+", "#"]).await;
    late.silence().await;
    late.subscribe(&["state/x"]).await;
    let kept = late.message().await;
    assert_eq!((kept.retain, kept.qos, &kept.payload[..]), (true, QoS::AtLeastOnce, &b"on"[..]));
    // Another replaces it, an empty one removes it.
    retain(&world, "state/x", "off").await;
    let mut third = world.client("third").await;
    third.subscribe(&["state/x"]).await;
    assert_eq!(third.text().await.1, "off");
    retain(&world, "state/x", "").await;
    let mut fourth = world.client("fourth").await;
    fourth.subscribe(&["state/x"]).await;
    fourth.silence().await;
}

#[tokio::test]
async fn retained_messages_are_listed_and_read_over_http() {
    let world = World::start().await;
    for n in 0..3 {
        retain(&world, &format!("state/{n}"), "abc").await;
    }
    let publish = world.data.publish().topic("http/x").qos(0).retain(true).payload(Blob::new("over http"));
    publish.send().await.unwrap();
    let page = world.data.list_retained_messages().max_results(3).send().await.unwrap();
    let topics: Vec<_> = page.retained_topics().iter().map(|t| t.topic().unwrap()).collect();
    assert_eq!(topics, ["http/x", "state/0", "state/1"]);
    let row = &page.retained_topics()[1];
    assert_eq!((row.qos(), row.payload_size()), (1, 3));
    assert!(row.last_modified_time() > 1_573_002_230_757, "milliseconds");
    let rest =
        world.data.list_retained_messages().next_token(page.next_token().unwrap()).send().await.unwrap();
    assert_eq!((rest.retained_topics().len(), rest.next_token()), (1, None));
    let one = world.data.get_retained_message().topic("http/x").send().await.unwrap();
    assert_eq!((one.topic(), one.qos()), (Some("http/x"), 0));
    assert_eq!(one.payload().unwrap().as_ref(), b"over http");
    let none = world.data.get_retained_message().topic("state/none").send().await;
    assert!(none.unwrap_err().into_service_error().is_resource_not_found_exception());
    let mut late = world.client("late").await;
    late.subscribe(&["http/x"]).await;
    assert_eq!(late.text().await.1, "over http");
}

#[tokio::test]
async fn mqtt_5_says_when_it_wants_retained_messages() {
    let world = World::start().await;
    retain(&world, "state/x", "on").await;
    let mut client = world.client5("c").await;
    let with = |rule| {
        let mut filter = SubscribeFilter::new("state/x", rumqttc_v5::QoS::AtLeastOnce);
        filter.retain_forward_rule = rule;
        filter.preserve_retain = true;
        filter
    };
    client.subscribe("own").await;
    client.subscribe_with(with(RetainForwardRule::Never)).await;
    client.publish("own", "first", false).await;
    assert_eq!(client.text().await, "first", "nothing retained before");
    client.subscribe_with(with(RetainForwardRule::OnEverySubscribe)).await;
    assert_eq!(client.text().await, "on");
    client.subscribe_with(with(RetainForwardRule::OnNewSubscribe)).await;
    client.publish("own", "second", false).await;
    assert_eq!(client.text().await, "second", "the subscription was not new");
    client.handle.unsubscribe("state/x").await.unwrap();
    client.subscribe_with(with(RetainForwardRule::OnNewSubscribe)).await;
    let message = client.message().await;
    assert!(message.retain);
    assert_eq!(&message.payload[..], b"on");
    // Retain as published.
    retain(&world, "state/x", "again").await;
    assert!(client.message().await.retain);
}
