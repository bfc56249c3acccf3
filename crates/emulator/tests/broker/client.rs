//! An MQTT 3.1.1 client (rumqttc) whose packets a test waits for one by one.

use std::sync::Arc;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, LastWill, MqttOptions, Packet, Publish,
    PublishOptions, QoS, SubscribeReasonCode,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

use crate::{Identity, LONG, SOON, World};

/// What a client hears: packets, then the reason its connection ended.
pub(crate) enum Heard {
    Packet(Packet),
    Ended(String),
}

/// A client; its connection is cut, without a DISCONNECT, when it is dropped.
pub(crate) struct Client {
    pub(crate) handle: AsyncClient,
    heard: mpsc::UnboundedReceiver<Heard>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Options for plain MQTT with AWS's packet sizes and a clean session.
pub(crate) fn options(client_id: &str, port: u16) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, ("127.0.0.1", port));
    options.set_keep_alive(30);
    options.set_max_packet_size(512 * 1024, 512 * 1024);
    options
}

impl World {
    /// Options for MQTT over TLS with a certificate.
    pub(crate) fn secure(&self, client_id: &str, identity: &Identity) -> MqttOptions {
        self.over_tls(client_id, self.tls(Some(identity), &[]))
    }

    /// Options for MQTT over TLS as `config` has it.
    pub(crate) fn over_tls(&self, client_id: &str, config: Arc<ClientConfig>) -> MqttOptions {
        let to = self.running.mqtts;
        let mut options = options(client_id, to.port());
        options.set_socket_connector(move |_, _| quell_emulator_tests::tunnel::dial(to, Arc::clone(&config)));
        options
    }

    /// A connected client on plain MQTT.
    pub(crate) async fn client(&self, client_id: &str) -> Client {
        Client::connect(options(client_id, self.plain())).await
    }

    /// A connected client with a certificate.
    pub(crate) async fn device(&self, client_id: &str, identity: &Identity) -> Client {
        Client::connect(self.secure(client_id, identity)).await
    }
}

/// The topic of a message.
pub(crate) fn topic(message: &Publish) -> String {
    String::from_utf8(message.topic.to_vec()).unwrap()
}

pub(crate) fn with_will(mut options: MqttOptions, topic: &str, payload: &str, retain: bool) -> MqttOptions {
    options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, retain));
    options
}

impl Client {
    /// Starts to connect; one connection, no retry.
    pub(crate) fn open(options: MqttOptions) -> Self {
        let (handle, mut events) = AsyncClient::builder(options).capacity(256).build();
        let (tell, heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let reason = loop {
                match events.poll().await {
                    Ok(Event::Incoming(packet)) => {
                        let _ = tell.send(Heard::Packet(packet));
                    }
                    Ok(Event::Outgoing(_)) => {}
                    Err(ConnectionError::ConnectionRefused(code)) => break format!("{code:?}"),
                    Err(error) => break error.to_string(),
                }
            };
            let _ = tell.send(Heard::Ended(reason));
        });
        Self { handle, heard, task }
    }

    /// Connects; fails the test when refused.
    pub(crate) async fn connect(options: MqttOptions) -> Self {
        let (client, present) = Self::connect_session(options).await;
        assert!(!present, "a new session");
        client
    }

    /// Connects; whether the broker remembered the session.
    pub(crate) async fn connect_session(options: MqttOptions) -> (Self, bool) {
        let mut client = Self::open(options);
        let present = client.connack().await.unwrap();
        (client, present)
    }

    async fn connack(&mut self) -> Result<bool, String> {
        match self.next().await {
            Heard::Packet(Packet::ConnAck(ack)) if ack.code == ConnectReturnCode::Success => {
                Ok(ack.session_present)
            }
            Heard::Packet(packet) => Err(format!("{packet:?}")),
            Heard::Ended(reason) => Err(reason),
        }
    }

    /// Tries to connect and gives the reason it could not.
    pub(crate) async fn refused(options: MqttOptions) -> String {
        let mut client = Self::open(options);
        client.connack().await.expect_err("a refusal")
    }

    /// The next thing heard.
    pub(crate) async fn next(&mut self) -> Heard {
        timeout(LONG, self.heard.recv()).await.expect("something is heard").expect("not after the end")
    }

    /// Waits for a packet; fails when the connection ends before.
    pub(crate) async fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(Packet) -> Option<T>) -> T {
        loop {
            match self.next().await {
                Heard::Packet(packet) => {
                    if let Some(found) = wanted(packet) {
                        return found;
                    }
                }
                Heard::Ended(reason) => panic!("waiting for {what}: the connection ended: {reason}"),
            }
        }
    }

    /// Waits until the connection has ended and gives the reason.
    pub(crate) async fn ended(&mut self) -> String {
        loop {
            if let Heard::Ended(reason) = self.next().await {
                return reason;
            }
        }
    }

    /// Subscribes at QoS 1 to each filter in one packet and gives the granted levels; `None` is a refusal.
    pub(crate) async fn try_subscribe(&mut self, filters: &[&str]) -> Vec<Option<u8>> {
        let filters =
            filters.iter().map(|f| rumqttc::SubscribeFilter::new((*f).to_owned(), QoS::AtLeastOnce));
        self.handle.subscribe_many(filters).await.unwrap();
        self.suback().await
    }

    pub(crate) async fn suback(&mut self) -> Vec<Option<u8>> {
        self.wait("a SUBACK", |packet| match packet {
            Packet::SubAck(ack) => Some(
                ack.return_codes
                    .iter()
                    .map(|code| match code {
                        SubscribeReasonCode::Success(qos) => Some(*qos as u8),
                        SubscribeReasonCode::Failure => None,
                    })
                    .collect(),
            ),
            _ => None,
        })
        .await
    }

    /// Subscribes at QoS 1; fails when refused.
    pub(crate) async fn subscribe(&mut self, filters: &[&str]) {
        for filter in filters {
            assert_eq!(self.try_subscribe(&[filter]).await, [Some(1)], "{filter}");
        }
    }

    /// Publishes at QoS 1 and waits for the acknowledgement.
    pub(crate) async fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.handle.publish(topic, payload.into(), PublishOptions::at_least_once()).await.unwrap();
        self.wait("a PUBACK", |p| matches!(p, Packet::PubAck(_)).then_some(())).await;
    }

    /// Publishes at QoS 1 and waits for the end of the connection, which must come without an acknowledgement.
    pub(crate) async fn publish_and_be_cut(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.handle.publish(topic, payload.into(), PublishOptions::at_least_once()).await.unwrap();
        loop {
            match self.next().await {
                Heard::Packet(Packet::PubAck(_)) => panic!("{topic} was acknowledged"),
                Heard::Packet(_) => {}
                Heard::Ended(_) => return,
            }
        }
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Publish {
        self.wait("a message", |packet| match packet {
            Packet::Publish(message) => Some(message),
            _ => None,
        })
        .await
    }

    /// The next message's topic and payload as text.
    pub(crate) async fn text(&mut self) -> (String, String) {
        let message = self.message().await;
        (topic(&message), String::from_utf8(message.payload.to_vec()).unwrap())
    }

    /// The next message as JSON.
    pub(crate) async fn json(&mut self) -> (String, serde_json::Value) {
        let (topic, text) = self.text().await;
        (topic, serde_json::from_str(&text).unwrap())
    }

    /// Asserts that no message comes before one published now on `own`, a topic this client subscribes to: whatever was on
    /// its way would have come first.
    pub(crate) async fn nothing_before(&mut self, publisher: &mut Self, own: &str) {
        publisher.publish(own, "marker").await;
        assert_eq!(self.text().await, (own.to_owned(), "marker".to_owned()));
    }

    /// Asserts that no message comes for a while.
    pub(crate) async fn silence(&mut self) {
        let message = async {
            loop {
                match self.heard.recv().await {
                    Some(Heard::Packet(Packet::Publish(message))) => return message,
                    Some(_) => {}
                    None => std::future::pending().await,
                }
            }
        };
        if let Ok(message) = timeout(SOON, message).await {
            panic!("unexpected message on {}", topic(&message));
        }
    }
}
