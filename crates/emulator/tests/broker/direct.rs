//! What an operator asks a client itself: GetConnection, ListSubscriptions, SendDirectMessage.

use aws_sdk_iotdataplane::primitives::Blob;
use rumqttc::QoS;

use crate::World;
use crate::raw::Raw;

#[tokio::test]
async fn a_confirmed_message_was_acknowledged_by_its_client() {
    let world = World::start().await;
    let mut device = world.client("Thing01").await;
    device.subscribe(&["cmd/Thing01"]).await;
    let held = world.data.list_subscriptions().client_id("Thing01").send().await.unwrap();
    let [subscription] = held.subscriptions() else { panic!("{held:?}") };
    assert_eq!((subscription.topic_filter(), subscription.qos()), ("cmd/Thing01", 1));
    let send = |client: &str| {
        let send = world.data.send_direct_message().client_id(client).topic("question/of/ours").timeout(1);
        send.payload(Blob::new("are you there?"))
    };
    // Not subscribed to, and delivered.
    send("Thing01").send().await.unwrap();
    assert_eq!(device.message().await.qos, QoS::AtMostOnce);
    send("Thing01").confirmation(true).send().await.unwrap();
    let message = device.message().await;
    assert_eq!((message.qos, &message.payload[..]), (QoS::AtLeastOnce, &b"are you there?"[..]));
    let gone = send("Thing02").confirmation(true).send().await.unwrap_err();
    assert!(gone.into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn a_client_that_does_not_answer_confirms_nothing() {
    let world = World::start().await;
    let _mute = Raw::plain(&world, 4).await;
    let held = world.data.get_connection().client_id("raw").send().await.unwrap();
    assert!(held.connected());
    let send = world.data.send_direct_message().client_id("raw").topic("question").payload(Blob::new("?"));
    let error = send.confirmation(true).timeout(1).send().await.unwrap_err();
    assert!(error.into_service_error().is_gateway_timeout_exception());
}
