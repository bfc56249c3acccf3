//! An MQTT 5 client (rumqttc) whose packets a test waits for one by one.

use rumqttc_v5::{
    AsyncClient, ConnAck, ConnectReturnCode, ConnectionError, Event, MqttOptions, Packet, Publish,
    PublishOptions, PublishProperties, QoS, SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::{LONG, World};

/// What a client hears: packets, then the reason its connection ended.
pub(crate) enum Heard5 {
    Packet(Packet),
    Ended(String),
}

/// A client; its connection is cut, without a DISCONNECT, when it is dropped.
pub(crate) struct Client5 {
    pub(crate) handle: AsyncClient,
    heard: mpsc::UnboundedReceiver<Heard5>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Client5 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Options for plain MQTT 5 with a clean start.
pub(crate) fn options5(client_id: &str, port: u16) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, ("127.0.0.1", port));
    options.set_keep_alive(30);
    options.set_max_packet_size(Some(512 * 1024));
    // A client of a test never was another one before: what is left of its session is the broker's to know.
    options.set_broker_session_resume_policy(rumqttc_v5::BrokerSessionResumePolicy::AllowBrokerOnly);
    options
}

impl World {
    /// A connected MQTT 5 client on plain MQTT.
    pub(crate) async fn client5(&self, client_id: &str) -> Client5 {
        Client5::connect(options5(client_id, self.plain())).await.0
    }
}

impl Client5 {
    pub(crate) fn open(options: MqttOptions) -> Self {
        let (handle, mut events) = AsyncClient::builder(options).capacity(256).build();
        let (tell, heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let reason = loop {
                match events.poll().await {
                    Ok(Event::Incoming(packet)) => {
                        let _ = tell.send(Heard5::Packet(packet));
                    }
                    Ok(Event::Outgoing(_) | Event::Auth(_)) => {}
                    Err(ConnectionError::ConnectionRefused(code)) => break format!("{code:?}"),
                    Err(error) => break error.to_string(),
                }
            };
            let _ = tell.send(Heard5::Ended(reason));
        });
        Self { handle, heard, task }
    }

    /// Connects; the CONNACK.
    pub(crate) async fn connect(options: MqttOptions) -> (Self, ConnAck) {
        let mut client = Self::open(options);
        match client.next().await {
            Heard5::Packet(Packet::ConnAck(ack)) => {
                assert_eq!(ack.code, ConnectReturnCode::Success);
                (client, ack)
            }
            Heard5::Packet(packet) => panic!("{packet:?}"),
            Heard5::Ended(reason) => panic!("refused: {reason}"),
        }
    }

    pub(crate) async fn next(&mut self) -> Heard5 {
        timeout(LONG, self.heard.recv()).await.expect("something is heard").expect("not after the end")
    }

    pub(crate) async fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(Packet) -> Option<T>) -> T {
        loop {
            match self.next().await {
                Heard5::Packet(packet) => {
                    if let Some(found) = wanted(packet) {
                        return found;
                    }
                }
                Heard5::Ended(reason) => panic!("waiting for {what}: the connection ended: {reason}"),
            }
        }
    }

    pub(crate) async fn subscribe_with(&mut self, filter: SubscribeFilter) -> SubscribeReasonCode {
        self.handle.subscribe_many([filter]).await.unwrap();
        self.wait("a SUBACK", |p| match p {
            Packet::SubAck(ack) => ack.return_codes.into_iter().next(),
            _ => None,
        })
        .await
    }

    /// Subscribes at QoS 1; fails when refused.
    pub(crate) async fn subscribe(&mut self, filter: &str) {
        let code = self.subscribe_with(SubscribeFilter::new(filter, QoS::AtLeastOnce)).await;
        assert_eq!(code, SubscribeReasonCode::Success(QoS::AtLeastOnce), "{filter}");
    }

    /// Publishes at QoS 1 and waits for the acknowledgement.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &str, retain: bool) {
        self.publish_with(topic, payload, retain, PublishProperties::default()).await;
    }

    pub(crate) async fn publish_with(
        &mut self,
        topic: &str,
        payload: &str,
        retain: bool,
        properties: PublishProperties,
    ) {
        let options = PublishOptions::at_least_once().retain(retain).properties(properties);
        self.handle.publish(topic, payload.to_owned(), options).await.unwrap();
        self.wait("a PUBACK", |p| matches!(p, Packet::PubAck(_)).then_some(())).await;
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Publish {
        self.wait("a message", |packet| match packet {
            Packet::Publish(message) => Some(message),
            _ => None,
        })
        .await
    }

    /// The next message's payload as text.
    pub(crate) async fn text(&mut self) -> String {
        String::from_utf8(self.message().await.payload.to_vec()).unwrap()
    }
}
