//! Last wills.

use bytes::Bytes;
use rumqttc_v5::{LastWill, LastWillProperties};

use crate::client::{Client, options, with_will};
use crate::client5::{Client5, options5};
use crate::{LONG, World};

async fn console(world: &World) -> Client {
    let mut console = world.client("console").await;
    console.subscribe(&["dt/last", "dt/own"]).await;
    console
}

fn mortal(world: &World) -> rumqttc::MqttOptions {
    with_will(options("Thing01", world.plain()), "dt/last", "gone", false)
}

#[tokio::test]
async fn a_will_is_published_unless_the_client_says_goodbye() {
    let world = World::start().await;
    let mut console = console(&world).await;
    drop(Client::connect(mortal(&world)).await);
    assert_eq!(console.text().await.1, "gone");
    // Taken over.
    let _first = Client::connect(mortal(&world)).await;
    let second = Client::connect(mortal(&world)).await;
    assert_eq!(console.text().await.1, "gone");
    // A farewell.
    second.handle.disconnect().await.unwrap();
    let mut marker = world.client("marker").await;
    let gone = async || {
        let held = world.data.get_connection().client_id("Thing01").send().await.unwrap();
        (!held.connected()).then_some(())
    };
    crate::until("the farewell arrives", gone).await;
    console.nothing_before(&mut marker, "dt/own").await;
    // DeleteConnection, with and without it.
    let mut cut = Client::connect(mortal(&world)).await;
    world.data.delete_connection().client_id("Thing01").prevent_will_message(true).send().await.unwrap();
    cut.ended().await;
    console.nothing_before(&mut marker, "dt/own").await;
    let _cut = Client::connect(mortal(&world)).await;
    crate::until("a second passes", async || {
        world.data.delete_connection().client_id("Thing01").send().await.ok()
    })
    .await;
    assert_eq!(console.text().await.1, "gone");
}

#[tokio::test]
async fn a_will_can_be_retained() {
    let world = World::start().await;
    let mut console = console(&world).await;
    drop(Client::connect(with_will(options("Thing01", world.plain()), "dt/last", "gone", true)).await);
    console.message().await;
    let mut late = world.client("late").await;
    late.subscribe(&["dt/last"]).await;
    assert!(late.message().await.retain);
}

#[tokio::test]
async fn a_will_on_an_impossible_topic_is_refused_and_does_nothing() {
    let world = World::start().await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/presence/#", "$aws/things/+/shadow/#", "#"]).await;
    for topic in [
        "$aws/events/presence/connected/x",
        "$aws/things/T/shadow/update/accepted",
        "a/#",
        "a/b/c/d/e/f/g/h/i",
    ] {
        Client::refused(with_will(options("Thing01", world.plain()), topic, "{}", false)).await;
    }
    console.silence().await;
}

fn patient(world: &World, clean: bool, delay: u32, expiry: u32) -> rumqttc_v5::MqttOptions {
    let mut options = options5("Thing01", world.plain());
    let properties = LastWillProperties {
        delay_interval: Some(delay),
        payload_format_indicator: Some(1),
        message_expiry_interval: None,
        content_type: Some("text/plain".into()),
        response_topic: Some("answers".into()),
        correlation_data: Some(Bytes::from_static(b"42")),
        user_properties: vec![("site".into(), "north".into())],
    };
    let qos = rumqttc_v5::QoS::AtLeastOnce;
    options.set_last_will(LastWill::new("dt/last", "gone", qos, false, Some(properties)));
    options.set_clean_start(clean);
    options.set_session_expiry_interval(Some(expiry));
    options
}

#[tokio::test]
async fn an_mqtt_5_will_carries_its_properties() {
    let world = World::start().await;
    let mut console = world.client5("console").await;
    console.subscribe("dt/last").await;
    drop(Client5::connect(patient(&world, true, 0, 0)).await);
    let properties = console.message().await.properties.unwrap();
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    assert_eq!(properties.response_topic.as_deref(), Some("answers"));
    assert_eq!(properties.correlation_data.as_deref(), Some(&b"42"[..]));
    assert_eq!(properties.payload_format_indicator, Some(1));
    assert_eq!(properties.user_properties, [("site".to_owned(), "north".to_owned())]);
}

#[tokio::test]
async fn a_delayed_will_waits_for_the_delay_or_the_end_of_the_session() {
    let world = World::start().await;
    let mut console = console(&world).await;
    let mut marker = world.client("marker").await;
    // The client comes back in time: nothing is published, also not later.
    drop(Client5::connect(patient(&world, true, 1, 600)).await);
    let (back, ack) = Client5::connect(patient(&world, false, 600, 600)).await;
    assert!(ack.session_present);
    tokio::time::sleep(std::time::Duration::from_millis(1300)).await;
    console.nothing_before(&mut marker, "dt/own").await;
    // A clean start ends the session before the delay does.
    drop(back);
    crate::until("the connection is gone", async || {
        let held = world.data.get_connection().client_id("Thing01").send().await.unwrap();
        (!held.connected()).then_some(())
    })
    .await;
    console.nothing_before(&mut marker, "dt/own").await;
    let (fresh, _) = Client5::connect(patient(&world, true, 1, 600)).await;
    assert_eq!(console.text().await.1, "gone");
    // The delay passes.
    let start = tokio::time::Instant::now();
    drop(fresh);
    assert_eq!(console.text().await.1, "gone");
    assert!(start.elapsed().as_millis() >= 900 && start.elapsed() < LONG, "{:?}", start.elapsed());
    // The session ends with its connection.
    drop(Client5::connect(patient(&world, true, 600, 0)).await);
    assert_eq!(console.text().await.1, "gone");
}

#[tokio::test]
async fn a_will_on_a_reserved_topic_reaches_subscribers_and_no_service() {
    let world = World::start().await;
    let topic = "$aws/things/T/shadow/update";
    let mut console = world.client("console").await;
    console.subscribe(&[topic, "dt/own", "$aws/things/T/shadow/update/+"]).await;
    let will = r#"{"state":{"reported":{"on":false}}}"#;
    drop(Client::connect(with_will(options("Thing01", world.plain()), topic, will, false)).await);
    let (heard, text) = console.text().await;
    assert_eq!((heard.as_str(), text.as_str()), (topic, will));
    let mut marker = world.client("marker").await;
    console.nothing_before(&mut marker, "dt/own").await;
    assert!(world.data.get_thing_shadow().thing_name("T").send().await.is_err(), "there is no shadow");
}
