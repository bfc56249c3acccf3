//! One connection, MQTT 5 or 3.1.1 alike: what is heard, and in what words it is lost. MQTT 5 is asked for first, because
//! it says why: a refused filter and a taken-over client id come with their reason instead of a hang-up.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{NetworkOptions, Proxy, QoS, Transport, v5};

use super::words;

/// AWS allows 128 KiB of payload; topic, header and a pair of 8 KB shadow states come on top.
const PACKET_AWS: u32 = 256 * 1024;
/// Other brokers allow up to 256 MB; one message must not take the machine.
const PACKET: u32 = 16 << 20;
/// Requests under way: a console only subscribes, and gives up at most every filter AWS allows at once.
const REQUESTS: usize = 128;

/// The version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V5,
    V4,
}

/// How to connect.
pub(super) struct Route {
    pub(super) version: Version,
    pub(super) client_id: String,
    /// A host, or the whole URL of a WebSocket.
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) transport: Transport,
    pub(super) keep_alive: std::time::Duration,
    pub(super) timeout: std::time::Duration,
    pub(super) aws: bool,
    pub(super) login: Option<(String, String)>,
    pub(super) proxy: Option<Proxy>,
}

/// What is heard.
pub(super) enum Heard {
    /// A message.
    Message(Topic, Bytes),
    /// The broker accepted the connection.
    Welcome,
    /// Our SUBSCRIBE went out under this number.
    Asked(u16),
    /// The broker's answer to it, filter by filter.
    Answered(u16, Vec<Answer>),
    /// An UNSUBSCRIBE of ours went out under this number.
    Left(u16),
    /// The broker's answer to it.
    Released(u16),
    /// A sign of life that says nothing else.
    Life,
    /// Something of our own.
    Nothing,
}

/// What a broker says to one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted,
    NotAuthorized,
    /// The broker's limit of subscriptions.
    Quota,
    Refused,
}

/// A topic as it came; one that is not UTF-8 is no topic.
pub(super) enum Topic {
    Text(String),
    Bytes(Bytes),
}

impl Topic {
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        }
    }
}

/// How a connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Not reached, or broken off by the network.
    Network,
    /// No connection in time: not reached, or not understood.
    TimedOut,
    /// Nothing came for too long.
    Dead,
    /// The broker ended it.
    HungUp,
    /// The broker ended it because something was not allowed.
    NotAllowed,
    /// Another client took our client id.
    TakenOver,
    /// The broker refused the connection or the signature.
    Refused,
    /// What came is not MQTT, or not of this version, or too large.
    Garbled,
    /// The broker does not speak this version.
    Version,
}

/// A connection's end, in one sentence without the signed URL.
pub(super) struct Loss {
    pub(super) how: How,
    pub(super) words: String,
}

/// One connection.
pub(super) enum Wire {
    V4(rumqttc::AsyncClient, Box<rumqttc::EventLoop>),
    V5(v5::AsyncClient, Box<v5::EventLoop>),
}

/// What a connection is asked by.
pub(super) enum Asker {
    V4(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

impl Wire {
    pub(super) fn new(route: Route) -> Self {
        let packet = if route.aws { PACKET_AWS } else { PACKET };
        match route.version {
            Version::V4 => {
                let mut options = rumqttc::MqttOptions::new(route.client_id, route.address, route.port);
                let size = packet as usize;
                options
                    .set_transport(route.transport)
                    .set_keep_alive(route.keep_alive)
                    .set_max_packet_size(size, size)
                    // Packet identifiers go round within this.
                    .set_inflight(REQUESTS as u16)
                    .set_clean_session(true);
                if let Some((user, password)) = route.login {
                    options.set_credentials(user, password);
                }
                if let Some(proxy) = route.proxy {
                    options.set_proxy(proxy);
                }
                let (client, mut eventloop) = rumqttc::AsyncClient::new(options, REQUESTS);
                eventloop.network_options.set_tcp_nodelay(true);
                eventloop.network_options.set_connection_timeout(route.timeout.as_secs());
                Self::V4(client, Box::new(eventloop))
            }
            Version::V5 => {
                let mut options = v5::MqttOptions::new(route.client_id, route.address, route.port);
                let mut network = NetworkOptions::new();
                network.set_tcp_nodelay(true);
                options
                    .set_transport(route.transport)
                    .set_keep_alive(route.keep_alive)
                    .set_max_packet_size(Some(packet))
                    .set_connection_timeout(route.timeout.as_secs())
                    // Its tables are as long as this, and packet identifiers go round within it.
                    .set_outgoing_inflight_upper_limit(REQUESTS as u16)
                    .set_network_options(network)
                    .set_clean_start(true);
                if let Some((user, password)) = route.login {
                    options.set_credentials(user, password);
                }
                if let Some(proxy) = route.proxy {
                    options.set_proxy(proxy);
                }
                let (client, eventloop) = v5::AsyncClient::new(options, REQUESTS);
                Self::V5(client, Box::new(eventloop))
            }
        }
    }

    /// What asks for filters and gives them up, also while [`Self::next`] is waited for.
    pub(super) fn asker(&self) -> Asker {
        match self {
            Self::V4(client, _) => Asker::V4(client.clone()),
            Self::V5(client, _) => Asker::V5(client.clone()),
        }
    }

    /// What is there already, without looking at the socket.
    #[inline]
    pub(super) fn buffered(&mut self) -> Option<Heard> {
        match self {
            Self::V4(_, eventloop) => eventloop.state.events.pop_front().map(heard_v4),
            Self::V5(_, eventloop) => eventloop.state.events.pop_front().map(heard_v5),
        }
    }

    /// The next thing heard, waited for; connects first. Once begun it must be waited for to its end.
    pub(super) async fn next(&mut self) -> Result<Heard, Loss> {
        match self {
            Self::V4(_, eventloop) => eventloop.poll().await.map(heard_v4).map_err(|e| words::loss_v4(&e)),
            Self::V5(_, eventloop) => eventloop.poll().await.map(heard_v5).map_err(|e| words::loss_v5(&e)),
        }
    }
}

impl Asker {
    /// Asks for filters; false when there is no room. Never waits: the room would be made by the one who waits.
    pub(super) fn subscribe(&self, filters: &[String]) -> bool {
        match self {
            Self::V4(client) => {
                let ask = |path: &String| rumqttc::SubscribeFilter::new(path.clone(), QoS::AtMostOnce);
                client.try_subscribe_many(filters.iter().map(ask).collect::<Vec<_>>()).is_ok()
            }
            Self::V5(client) => {
                let ask = |path: &String| five::Filter::new(path.clone(), v5::mqttbytes::QoS::AtMostOnce);
                client.try_subscribe_many(filters.iter().map(ask).collect::<Vec<_>>()).is_ok()
            }
        }
    }

    /// Gives filters up; false when there is no room.
    pub(super) fn unsubscribe(&self, filters: Vec<String>) -> bool {
        filters.into_iter().all(|filter| match self {
            Self::V4(client) => client.try_unsubscribe(filter).is_ok(),
            Self::V5(client) => client.try_unsubscribe(filter).is_ok(),
        })
    }
}

fn heard_v4(event: rumqttc::Event) -> Heard {
    use rumqttc::{Event, Outgoing, Packet, SubscribeReasonCode};
    match event {
        Event::Incoming(Packet::Publish(publish)) => {
            Heard::Message(Topic::Text(publish.topic), publish.payload)
        }
        Event::Incoming(Packet::ConnAck(_)) => Heard::Welcome,
        Event::Incoming(Packet::SubAck(ack)) => {
            let answer = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(_) => Answer::Accepted,
                SubscribeReasonCode::Failure => Answer::Refused,
            };
            Heard::Answered(ack.pkid, ack.return_codes.iter().map(answer).collect())
        }
        Event::Incoming(Packet::UnsubAck(ack)) => Heard::Released(ack.pkid),
        Event::Incoming(_) => Heard::Life,
        Event::Outgoing(Outgoing::Subscribe(id)) => Heard::Asked(id),
        Event::Outgoing(Outgoing::Unsubscribe(id)) => Heard::Left(id),
        Event::Outgoing(_) => Heard::Nothing,
    }
}

fn heard_v5(event: v5::Event) -> Heard {
    use five::{Packet, SubscribeReasonCode};
    match event {
        v5::Event::Incoming(Packet::Publish(publish)) => {
            Heard::Message(Topic::Bytes(publish.topic), publish.payload)
        }
        v5::Event::Incoming(Packet::ConnAck(_)) => Heard::Welcome,
        v5::Event::Incoming(Packet::SubAck(ack)) => {
            let answer = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(_) => Answer::Accepted,
                SubscribeReasonCode::NotAuthorized => Answer::NotAuthorized,
                SubscribeReasonCode::QuotaExceeded => Answer::Quota,
                _ => Answer::Refused,
            };
            Heard::Answered(ack.pkid, ack.return_codes.iter().map(answer).collect())
        }
        v5::Event::Incoming(Packet::UnsubAck(ack)) => Heard::Released(ack.pkid),
        v5::Event::Incoming(_) => Heard::Life,
        v5::Event::Outgoing(rumqttc::Outgoing::Subscribe(id)) => Heard::Asked(id),
        v5::Event::Outgoing(rumqttc::Outgoing::Unsubscribe(id)) => Heard::Left(id),
        v5::Event::Outgoing(_) => Heard::Nothing,
    }
}
