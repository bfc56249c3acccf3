//! What MQTT 5 adds: properties, aliases, expiry, reason codes.

use std::time::Duration;

use bytes::Bytes;
use rumqttc_v5::QoS;
use rumqttc_v5::{Packet, PublishProperties, SubscribeFilter, SubscribeReasonCode, UnsubAckReason};

use crate::client5::{Client5, options5};
use crate::raw::Raw;
use crate::{ALLOW, World};

#[tokio::test]
async fn the_connack_tells_what_aws_supports() {
    let world = World::start().await;
    let (_client, ack) = Client5::connect(options5("c", world.plain())).await;
    let properties = ack.properties.unwrap();
    assert_eq!(properties.receive_max, Some(100));
    assert_eq!(properties.max_qos, Some(1));
    assert_eq!(properties.max_packet_size, Some(149_504));
    assert_eq!(properties.topic_alias_max, Some(8));
    assert_eq!(properties.subscription_identifiers_available, Some(0));
    assert_ne!(properties.shared_subscription_available, Some(0));
    assert_ne!(properties.wildcard_subscription_available, Some(0));
    assert_ne!(properties.retain_available, Some(0));
}

#[tokio::test]
async fn properties_travel_with_their_message() {
    let world = World::start().await;
    let (mut console, mut device) = (world.client5("console").await, world.client5("device").await);
    console.subscribe("a").await;
    let sent = PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: Some(600),
        topic_alias: Some(3),
        response_topic: Some("answers".into()),
        correlation_data: Some(Bytes::from_static(b"\x00\xff")),
        user_properties: vec![("k".into(), "1".into()), ("k".into(), "2".into())],
        subscription_identifiers: Vec::new(),
        content_type: Some("application/cbor".into()),
    };
    device.publish_with("a", "x", false, sent.clone()).await;
    let got = console.message().await.properties.unwrap();
    let left = got.message_expiry_interval.unwrap();
    assert!((590..=600).contains(&left), "{left}");
    let expected = PublishProperties { topic_alias: None, message_expiry_interval: Some(left), ..sent };
    assert_eq!(got, expected);
    // An alias stands for the topic it was given with.
    let alias = PublishProperties { topic_alias: Some(3), ..PublishProperties::default() };
    device.publish_with("", "by alias", false, alias).await;
    let message = console.message().await;
    assert_eq!((&message.topic[..], &message.payload[..]), (&b"a"[..], &b"by alias"[..]));
}

#[tokio::test]
async fn an_alias_beyond_eight_or_unknown_ends_the_connection() {
    let world = World::start().await;
    let mut raw = Raw::plain(&world, 5).await;
    assert_eq!(
        raw.end(b"\x30\x07\x00\x01a\x03\x23\x00\x09").await,
        [0xe0, 2, 0x94, 0],
        "topic alias invalid"
    );
    let mut raw = Raw::plain(&world, 5).await;
    assert_eq!(raw.end(b"\x30\x06\x00\x00\x03\x23\x00\x04").await, [0xe0, 2, 0x82, 0], "protocol error");
}

#[tokio::test]
async fn a_message_that_expired_is_not_delivered() {
    let world = World::start().await;
    let lasting = |clean| {
        let mut options = options5("Thing01", world.plain());
        options.set_clean_start(clean);
        options.set_session_expiry_interval(Some(600));
        options
    };
    let (mut device, _) = Client5::connect(lasting(true)).await;
    device.subscribe("a").await;
    drop(device);
    let mut console = world.client5("console").await;
    let brief = PublishProperties { message_expiry_interval: Some(1), ..PublishProperties::default() };
    console.publish_with("a", "stale", true, brief).await;
    console.publish("a", "fresh", false).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (mut device, ack) = Client5::connect(lasting(false)).await;
    assert!(ack.session_present);
    assert_eq!(device.text().await, "fresh");
    let mut late = world.client5("late").await;
    late.subscribe("own").await;
    late.subscribe("a").await;
    late.publish("own", "marker", false).await;
    assert_eq!(late.text().await, "marker", "the retained message expired as well");
    let gone = world.data.get_retained_message().topic("a").send().await;
    assert!(gone.unwrap_err().into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn refusals_carry_reason_codes() {
    let world = World::start().await;
    let deny = ALLOW.replace(
        r#"[{"#,
        r#"[{"Effect":"Deny","Action":["iot:Publish","iot:Subscribe"],"Resource":"arn:aws:iot:*:*:topic*/secret"},{"#,
    );
    let identity = world.identity_with(&deny).await;
    let mut raw = Raw::secure(&world, &identity, 5).await;
    let told = raw.end(b"\x32\x0c\x00\x06secret\x00\x07\x00x").await;
    assert_eq!(told, [0x40, 4, 0, 7, 0x87, 0, 0xe0, 2, 0x87, 0], "PUBACK and DISCONNECT: not authorized");
    let mut raw = Raw::secure(&world, &identity, 5).await;
    let told = raw.end(b"\x82\x0c\x00\x07\x00\x00\x06secret\x00").await;
    assert_eq!(told, [0x90, 4, 0, 7, 0, 0x87, 0xe0, 2, 0x87, 0], "SUBACK and DISCONNECT: not authorized");

    let mut device = world.client5("plain").await;
    device.handle.unsubscribe("never").await.unwrap();
    let reasons = device.wait("an UNSUBACK", |p| match p {
        Packet::UnsubAck(ack) => Some(ack.reasons),
        _ => None,
    });
    assert_eq!(reasons.await, [UnsubAckReason::NoSubscriptionExisted]);
    let filters = (0..9).map(|n| SubscribeFilter::new(format!("f/{n}"), QoS::AtMostOnce));
    device.handle.subscribe_many(filters).await.unwrap();
    let codes = device.wait("a SUBACK", |p| match p {
        Packet::SubAck(ack) => Some(ack.return_codes),
        _ => None,
    });
    assert_eq!(codes.await, vec![SubscribeReasonCode::QuotaExceeded; 9]);
}

#[tokio::test]
async fn what_aws_lacks_is_refused_with_its_code() {
    let world = World::start().await;
    for (what, packet, code) in [
        ("a subscription identifier", &b"\x82\x09\x00\x01\x02\x0b\x07\x00\x01a\x00"[..], 0xa1),
        ("no local for a share", b"\x82\x11\x00\x01\x00\x00\x0b$share/g/ab\x04", 0x82),
        ("QoS 2 in a SUBSCRIBE", b"\x82\x07\x00\x01\x00\x00\x01a\x02", 0x9b),
        ("QoS 2 in a PUBLISH", b"\x34\x06\x00\x01a\x00\x01\x00", 0x9b),
        ("a session that is to last after all", b"\xe0\x07\x00\x05\x11\x00\x00\x00\x09", 0x82),
        ("AUTH", b"\xf0\x00", 0x82),
    ] {
        let mut raw = Raw::plain(&world, 5).await;
        assert_eq!(raw.end(packet).await, [0xe0, 2, code, 0], "{what}");
    }
    // Enhanced authentication is refused with the CONNACK, and so is MQTT 3.1.
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", world.plain())).await.unwrap();
    let connect = b"\x10\x12\x00\x04MQTT\x05\x02\x00\x3c\x04\x15\x00\x01x\x00\x01h";
    assert_eq!(Raw::end_of(&mut stream, connect).await[3], 0x8c);
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", world.plain())).await.unwrap();
    let connect = b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01h";
    assert_eq!(Raw::end_of(&mut stream, connect).await, [0x20, 2, 0, 1]);
}

#[tokio::test]
async fn a_publish_over_http_carries_properties() {
    let world = World::start().await;
    let mut console = world.client5("console").await;
    console.subscribe("a").await;
    world
        .data
        .publish()
        .topic("a")
        .qos(1)
        .payload(aws_smithy_types::Blob::new("x"))
        .content_type("text/plain")
        .response_topic("answers")
        .correlation_data("NDI=")
        .message_expiry(600)
        .payload_format_indicator(aws_sdk_iotdataplane::types::PayloadFormatIndicator::Utf8Data)
        .user_properties(r#"[{"site":"north"},{"site":"south"}]"#)
        .send()
        .await
        .unwrap();
    let message = console.message().await;
    assert_eq!(message.qos, QoS::AtLeastOnce);
    let properties = message.properties.unwrap();
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    assert_eq!(properties.response_topic.as_deref(), Some("answers"));
    assert_eq!(properties.correlation_data.as_deref(), Some(&b"42"[..]));
    assert_eq!(properties.payload_format_indicator, Some(1));
    assert!(properties.message_expiry_interval.is_some_and(|s| (590..=600).contains(&s)));
    let pair = |v: &str| ("site".to_owned(), v.to_owned());
    assert_eq!(properties.user_properties, [pair("north"), pair("south")]);
}

#[tokio::test]
async fn rules_read_properties_and_the_registry_and_give_messages_their_own() {
    use aws_sdk_iot::types::{Action, MqttHeaders, RepublishAction, TopicRulePayload, UserProperty};
    let world = World::start().await;
    world.iot.create_thing().thing_name("T").send().await.unwrap();
    let pair = UserProperty::builder().key("from").value("${topic()}").build().unwrap();
    let headers = MqttHeaders::builder()
        .payload_format_indicator("UTF8_DATA")
        .content_type("application/${get_mqtt_property('content_type')}")
        .response_topic("${get_mqtt_property('response_topic')}")
        .correlation_data("AP8=")
        .message_expiry("600")
        .user_properties(pair)
        .build();
    let republish = RepublishAction::builder()
        .role_arn("arn:aws:iam::123456789012:role/rules")
        .topic("out")
        .headers(headers)
        .build()
        .unwrap();
    let sql = "SELECT get_mqtt_property('format_indicator') AS f, get_mqtt_property('correlation_data') AS c, \
               get_user_properties('k') AS k, \
               get_registry_data(\"DescribeThing\", clientid(), \"arn:aws:iam::123456789012:role/r\").thingName AS t, \
               get_registry_data(\"ListThingGroupsForThing\", 'T', \"arn:aws:iam::123456789012:role/r\") AS g FROM 'in'";
    let payload = TopicRulePayload::builder()
        .sql(sql)
        .aws_iot_sql_version("2016-03-23")
        .actions(Action::builder().republish(republish).build())
        .build()
        .unwrap();
    world.iot.create_topic_rule().rule_name("props").topic_rule_payload(payload).send().await.unwrap();
    let (mut console, mut device) = (world.client5("console").await, world.client5("T").await);
    console.subscribe("out").await;
    let sent = PublishProperties {
        correlation_data: Some(Bytes::from_static(b"\x01")),
        user_properties: vec![("k".into(), "1".into()), ("k".into(), "2".into())],
        content_type: Some("cbor".into()),
        ..PublishProperties::default()
    };
    device.publish_with("in", "x", false, sent).await;
    let message = console.message().await;
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&message.payload).unwrap(),
        serde_json::json!({"f": "UNSPECIFIED_BYTES", "c": "AQ==", "k": ["1", "2"], "t": "T", "g": {"thingGroups": []}})
    );
    let got = message.properties.unwrap();
    assert_eq!(got.content_type.as_deref(), Some("application/cbor"));
    assert_eq!(got.payload_format_indicator, Some(1));
    assert_eq!(got.response_topic, None, "the message that came had none");
    assert_eq!(got.correlation_data.as_deref(), Some(&b"\x00\xff"[..]));
    assert_eq!(got.user_properties, [("from".into(), "in".into())]);
    assert!(got.message_expiry_interval.is_some_and(|left| (590..=600).contains(&left)));
}
