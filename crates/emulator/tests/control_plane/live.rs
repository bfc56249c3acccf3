//! What the control plane does to live MQTT connections: isolation, revocation, DeleteConnection, events, publishing.

use std::time::Duration;

use aws_sdk_iot::types::{CertificateStatus, Configuration, EventType};
use aws_smithy_types::Blob;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::{ACCOUNT, World, is, refusal};

const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A client and what it hears; the channel closes when its connection ends.
pub(crate) struct Device {
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<Packet>,
}

impl Device {
    /// Waits for a packet that `wanted` accepts; `None` when the connection ended before.
    async fn wait<T>(&mut self, mut wanted: impl FnMut(Packet) -> Option<T>) -> Option<T> {
        timeout(LONG, async {
            while let Some(packet) = self.heard.recv().await {
                if let Some(found) = wanted(packet) {
                    return Some(found);
                }
            }
            None
        })
        .await
        .expect("an answer or an end")
    }

    pub(crate) async fn connected(&mut self) -> bool {
        let accepted = |p| match p {
            Packet::ConnAck(ack) => Some(ack.code == rumqttc::ConnectReturnCode::Success),
            _ => None,
        };
        self.wait(accepted).await.unwrap_or(false)
    }

    async fn subscribe(&mut self, filter: &str) {
        self.client.subscribe(filter, QoS::AtMostOnce).await.unwrap();
        self.wait(|p| matches!(p, Packet::SubAck(_)).then_some(())).await.expect("a SUBACK");
    }

    async fn message(&mut self) -> (String, String) {
        let text = |p| match p {
            Packet::Publish(m) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                Some((text(&m.topic), text(&m.payload)))
            }
            _ => None,
        };
        self.wait(text).await.expect("a message")
    }

    /// Publishes with QoS 1 until the connection ends or `until` has passed; how long it could.
    async fn talk(&mut self, until: Duration) -> Option<Duration> {
        let start = Instant::now();
        while start.elapsed() < until {
            if self.client.publish("dt/x", "1", PublishOptions::at_least_once()).await.is_err() {
                return Some(start.elapsed());
            }
            if self.wait(|p| matches!(p, Packet::PubAck(_)).then_some(())).await.is_none() {
                return Some(start.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }

    pub(crate) async fn ended(&mut self) {
        assert_eq!(self.wait(|_| None::<()>).await, None);
    }
}

pub(crate) fn device(port: u16, client_id: &str) -> Device {
    let mut options = MqttOptions::new(client_id, ("127.0.0.1", port));
    options.set_keep_alive(30);
    let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(packet) = event {
                let _ = tell.send(packet);
            }
        }
    });
    Device { client, heard }
}

struct Fleet {
    world: World,
    certificate: String,
    port: u16,
}

/// Thing02 with a certificate that may do anything, and the group that denies everything.
async fn fleet(speed: f64) -> Fleet {
    let world = World::at_speed(speed).await;
    world.policy("AllowAll", ALLOW).await;
    world.policy("DenyAll", DENY).await;
    world.thing("Thing02").await;
    let group = world.group("IsolatedDevices").await;
    let (id, arn) = world.certificate(true).await;
    let iot = &world.iot;
    iot.attach_policy().policy_name("AllowAll").target(&arn).send().await.unwrap();
    iot.attach_policy().policy_name("DenyAll").target(group).send().await.unwrap();
    iot.attach_thing_principal().thing_name("Thing02").principal(&arn).send().await.unwrap();
    let port = world.listen(&id).await;
    Fleet { world, certificate: id, port }
}

impl Fleet {
    async fn isolate(&self) {
        let add = self.world.iot.add_thing_to_thing_group();
        add.thing_name("Thing02").thing_group_name("IsolatedDevices").send().await.unwrap();
    }
}

#[tokio::test]
async fn an_isolated_device_is_cut_when_its_cached_policies_expire_and_cannot_come_back() {
    // 420 s at this speed are 1.05 s.
    let fleet = fleet(400.0).await;
    let since = Instant::now();
    let mut thing = device(fleet.port, "Thing02");
    assert!(thing.connected().await);
    fleet.isolate().await;
    let talked = thing.talk(LONG).await.expect("the deny cuts it in the end");
    assert!(
        since.elapsed() >= Duration::from_millis(900),
        "it talks until the cache expires, not {talked:?}"
    );
    let deadline = Instant::now() + LONG;
    while device(fleet.port, "Thing02").connected().await {
        assert!(Instant::now() < deadline, "the deny reaches new connections");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut alias = device(fleet.port, "SensorDevice02");
    assert!(alias.connected().await, "a client id that is not the thing's name escapes the group's policy");
    assert_eq!(alias.talk(Duration::from_millis(1500)).await, None);
}

#[tokio::test]
async fn cutting_the_connection_makes_the_deny_hold_in_seconds() {
    // 20 s at this speed are 0.5 s; the 420 s would be 10.5 s.
    let fleet = fleet(40.0).await;
    let mut thing = device(fleet.port, "Thing02");
    assert!(thing.connected().await);
    fleet.isolate().await;
    let start = Instant::now();
    loop {
        let cut = fleet.world.data.delete_connection().client_id("Thing02").clean_session(true);
        cut.send().await.unwrap();
        thing.ended().await;
        let held = fleet.world.data.get_connection().client_id("Thing02").send().await.unwrap();
        assert_eq!(held.disconnect_reason(), Some("API_INITIATED_DISCONNECT"));
        thing = device(fleet.port, "Thing02");
        if !thing.connected().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1050)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_revoked_certificate_loses_its_sessions_and_cannot_authenticate() {
    // 120 s at this speed are 0.12 s.
    let fleet = fleet(1000.0).await;
    let mut thing = device(fleet.port, "Thing02");
    assert!(thing.connected().await);
    let update = fleet.world.iot.update_certificate().certificate_id(&fleet.certificate);
    update.new_status(CertificateStatus::Revoked).send().await.unwrap();
    thing.ended().await;
    let held = fleet.world.data.get_connection().client_id("Thing02").send().await.unwrap();
    assert_eq!(held.disconnect_reason(), Some("AUTH_ERROR"));
    assert!(!device(fleet.port, "Thing02").connected().await);
}

#[tokio::test]
async fn a_certificate_switched_back_in_time_keeps_its_sessions() {
    let fleet = fleet(60.0).await;
    let mut thing = device(fleet.port, "Thing02");
    assert!(thing.connected().await);
    for status in [CertificateStatus::Inactive, CertificateStatus::Active] {
        let update = fleet.world.iot.update_certificate().certificate_id(&fleet.certificate);
        update.new_status(status).send().await.unwrap();
    }
    assert_eq!(thing.talk(Duration::from_millis(2500)).await, None, "120 s at speed 60 are 2 s");
}

#[tokio::test]
async fn connections_are_described_throttled_and_listed() {
    let fleet = fleet(1.0).await;
    let mut thing = device(fleet.port, "Thing02");
    assert!(thing.connected().await);
    thing.subscribe("cmd/Thing02/#").await;
    let data = &fleet.world.data;
    let held =
        data.get_connection().client_id("Thing02").include_socket_information(true).send().await.unwrap();
    assert_eq!((held.connected(), held.thing_name()), (true, None), "not attached exclusively");
    assert_eq!(held.source_ip(), Some("127.0.0.1"));
    assert_eq!(held.keep_alive_duration(), 30);
    let subscriptions = data.list_subscriptions().client_id("Thing02").send().await.unwrap();
    assert_eq!(subscriptions.subscriptions()[0].topic_filter(), "cmd/Thing02/#");
    let connectivity =
        fleet.world.iot.get_thing_connectivity_data().thing_name("Thing02").send().await.unwrap();
    assert_eq!(connectivity.connected(), Some(true));

    // On a machine so busy that a second passes between the two, the next round tells.
    for round in 1.. {
        let cut = Instant::now();
        data.delete_connection().client_id("Thing02").send().await.unwrap();
        thing.ended().await;
        thing = device(fleet.port, "Thing02");
        assert!(thing.connected().await, "a cut alone keeps nobody away");
        let Err(error) = data.delete_connection().client_id("Thing02").send().await else {
            assert!(cut.elapsed() >= Duration::from_secs(1) && round < 10);
            thing = device(fleet.port, "Thing02");
            assert!(thing.connected().await);
            tokio::time::sleep(Duration::from_millis(1050)).await;
            continue;
        };
        assert_eq!(refusal(Err::<(), _>(error)), is(429, "ThrottlingException"));
        break;
    }
}

#[tokio::test]
async fn publishing_and_membership_events_reach_subscribers() {
    let fleet = fleet(1.0).await;
    let mut console = device(fleet.world.running.mqtt.unwrap().port(), "console");
    assert!(console.connected().await);
    console.subscribe("dt/#").await;
    console.subscribe("$aws/events/thingGroupMembership/thingGroup/+/thing/+/added").await;
    let publish = fleet.world.data.publish().topic("dt/a/b").payload(Blob::new("hello"));
    publish.send().await.unwrap();
    assert_eq!(console.message().await, ("dt/a/b".to_owned(), "hello".to_owned()));
    let on = Configuration::builder().enabled(true).build();
    let update = fleet.world.iot.update_event_configurations();
    update.event_configurations(EventType::ThingGroupMembership, on).send().await.unwrap();
    fleet.isolate().await;
    let (topic, event) = console.message().await;
    assert_eq!(topic, "$aws/events/thingGroupMembership/thingGroup/IsolatedDevices/thing/Thing02/added");
    let event: serde_json::Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["operation"], "ADDED");
    assert_eq!(event["thingArn"], format!("arn:aws:iot:us-east-1:{ACCOUNT}:thing/Thing02"));
}
