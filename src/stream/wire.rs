//! One connection, MQTT 5 or 3.1.1 alike: what is heard, and in what words it is lost. MQTT 5 is asked for first, because
//! it says why: a refused filter and a taken-over client id come with their reason instead of a hang-up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rumqttc_v5 as v5;

use super::dial::Socket;
use super::tap::{Inbox, Messages, Tap};
use super::words;

/// AWS allows 128 KiB of payload; topic, header and a pair of 8 KB shadow states come on top.
const PACKET_AWS: u32 = 256 * 1024;
/// Other brokers allow up to 256 MB; one message must not take the machine.
pub(super) const PACKET: u32 = 16 << 20;
/// Requests under way: a console only subscribes, and gives up at most every filter AWS allows at once.
const REQUESTS: u16 = 128;

/// The version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V5,
    V4,
}

/// What a broker is greeted with.
pub(super) struct Greeting {
    pub(super) version: Version,
    pub(super) client_id: String,
    pub(super) keep_alive: Duration,
    /// How long the broker may take to answer.
    pub(super) timeout: Duration,
    pub(super) aws: bool,
    /// A user name, and a password unless it is empty.
    pub(super) login: Option<(String, Option<String>)>,
}

/// What is heard.
pub(super) enum Heard {
    /// Messages that were read together.
    Messages(Messages),
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
    /// The broker took a message of ours, or why it did not.
    Taken(Option<String>),
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
pub(super) struct Topic(Bytes);

impl Topic {
    pub(super) fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
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
    /// The broker refused the connection.
    Refused,
    /// No WebSocket was opened: nothing of MQTT was said yet.
    Unopened,
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
pub(super) struct Wire {
    asker: Asker,
    inbox: Inbox,
    /// The library at work: it puts into the inbox what it hears, and ends when the connection does.
    library: Pin<Box<dyn Future<Output = Loss> + Send>>,
    /// How the connection was lost, until everything before that is taken.
    lost: Option<Loss>,
}

/// What a connection is asked by.
#[derive(Clone)]
pub(super) enum Asker {
    V4(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// The connection that stands, for the library to take once: it would make a second one of its own after a loss, and is not
/// asked that far.
fn once(
    line: Box<dyn Socket>,
) -> impl Fn() -> std::future::Ready<io::Result<Box<dyn Socket>>> + Send + Sync + 'static {
    let line = Arc::new(Mutex::new(Some(line)));
    move || std::future::ready(line.lock().take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
}

/// Gives a library's options the login: those of the two versions are of two types with the same names.
macro_rules! log_in {
    ($options:ident, $login:expr) => {
        match $login {
            Some((user, Some(password))) => {
                $options.set_credentials(user, password);
            }
            Some((user, None)) => {
                $options.set_username(user);
            }
            None => {}
        }
    };
}

/// Listens with a library's event loop until the connection is lost: those of the two versions are of two types with the same
/// names.
macro_rules! listen {
    ($eventloop:ident, $heard:ident, $loss:path, $inbox:ident) => {
        Box::pin(async move {
            loop {
                match $eventloop.poll().await {
                    Ok(event) => $inbox.push($heard(event)),
                    Err(error) => return $loss(&error),
                }
                // What was read together with it.
                while let Some(event) = $eventloop.state.events.pop_front() {
                    $inbox.push($heard(event));
                }
                $inbox.taken().await;
            }
        })
    };
}

impl Wire {
    /// Greets the broker at the other end of `line`; [`Self::next`] does it.
    pub(super) fn new(greeting: Greeting, line: Box<dyn Socket>) -> Self {
        let packet = if greeting.aws { PACKET_AWS } else { PACKET };
        let keep_alive = u16::try_from(greeting.keep_alive.as_secs()).unwrap_or(u16::MAX);
        let inbox = Inbox::default();
        let line = once(Box::new(Tap::new(line, greeting.version, inbox.clone())));
        let heard = inbox.clone();
        let (asker, library): (_, Pin<Box<dyn Future<Output = Loss> + Send>>) = match greeting.version {
            Version::V4 => {
                // The line leads there already: host and port are never looked at.
                let mut options = rumqttc::MqttOptions::new(greeting.client_id, "");
                let size = packet as usize;
                options
                    .set_socket_connector(move |_, _| line())
                    .set_keep_alive(keep_alive)
                    .set_max_packet_size(size, size)
                    .set_inflight(REQUESTS)
                    .set_clean_session(true);
                log_in!(options, greeting.login);
                let builder = rumqttc::AsyncClient::builder(options).capacity(usize::from(REQUESTS));
                let (client, mut eventloop) = builder.build();
                eventloop.network_options.set_connection_timeout(greeting.timeout.as_secs());
                (Asker::V4(client), listen!(eventloop, heard_v4, words::loss_v4, heard))
            }
            Version::V5 => {
                let mut options = v5::MqttOptions::new(greeting.client_id, "");
                options
                    .set_socket_connector(move |_, _| line())
                    .set_keep_alive(keep_alive)
                    .set_max_packet_size(Some(packet))
                    .set_connect_timeout(greeting.timeout)
                    .set_outgoing_inflight_upper_limit(REQUESTS)
                    .set_clean_start(true);
                log_in!(options, greeting.login);
                let (client, mut eventloop) =
                    v5::AsyncClient::builder(options).capacity(usize::from(REQUESTS)).build();
                (Asker::V5(client), listen!(eventloop, heard_v5, words::loss_v5, heard))
            }
        };
        Self { asker, inbox, library, lost: None }
    }

    /// What asks for filters and gives them up, also while [`Self::next`] is waited for.
    pub(super) fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// What is there already, without looking at the socket.
    #[inline]
    pub(super) fn buffered(&mut self) -> Option<Heard> {
        self.inbox.pop()
    }

    /// The next thing heard, waited for; connects first. Not asked again after an error.
    pub(super) async fn next(&mut self) -> Result<Heard, Loss> {
        std::future::poll_fn(|context| {
            if self.inbox.is_empty()
                && self.lost.is_none()
                && let Poll::Ready(loss) = self.library.as_mut().poll(context)
            {
                self.lost = Some(loss);
            }
            match (self.inbox.pop(), &mut self.lost) {
                (Some(heard), _) => Poll::Ready(Ok(heard)),
                (None, lost) => lost.take().map_or(Poll::Pending, |loss| Poll::Ready(Err(loss))),
            }
        })
        .await
    }
}

impl Asker {
    /// Asks for filters; false when there is no room. Never waits: the room would be made by the one who waits.
    pub(super) fn subscribe(&self, filters: &[String]) -> bool {
        match self {
            Self::V4(client) => {
                let ask =
                    |path: &String| rumqttc::SubscribeFilter::new(path.clone(), rumqttc::QoS::AtMostOnce);
                client.try_subscribe_many(filters.iter().map(ask)).is_ok()
            }
            Self::V5(client) => {
                let ask = |path: &String| v5::SubscribeFilter::new(path.clone(), v5::QoS::AtMostOnce);
                client.try_subscribe_many(filters.iter().map(ask)).is_ok()
            }
        }
    }

    /// Publishes with QoS 1; false when there is no room, or the topic is none. A console never does: only what tells a guard's
    /// alerts to a broker of somebody's own.
    pub(super) fn publish(&self, topic: &str, payload: &[u8]) -> bool {
        match self {
            Self::V4(client) => {
                client.try_publish(topic, payload, rumqttc::PublishOptions::at_least_once()).is_ok()
            }
            Self::V5(client) => {
                client.try_publish(topic, payload, v5::PublishOptions::at_least_once()).is_ok()
            }
        }
    }

    /// Says that the connection ends.
    pub(super) fn leave(&self) {
        let _ = match self {
            Self::V4(client) => client.try_disconnect().is_ok(),
            Self::V5(client) => client.try_disconnect().is_ok(),
        };
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
        Event::Incoming(Packet::Publish(publish)) => Heard::Message(Topic(publish.topic), publish.payload),
        Event::Incoming(Packet::ConnAck(_)) => Heard::Welcome,
        Event::Incoming(Packet::SubAck(ack)) => {
            let answer = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(_) => Answer::Accepted,
                SubscribeReasonCode::Failure => Answer::Refused,
            };
            Heard::Answered(ack.pkid, ack.return_codes.iter().map(answer).collect())
        }
        Event::Incoming(Packet::UnsubAck(ack)) => Heard::Released(ack.pkid),
        Event::Incoming(Packet::PubAck(_)) => Heard::Taken(None),
        Event::Incoming(_) => Heard::Life,
        Event::Outgoing(Outgoing::Subscribe(id)) => Heard::Asked(id),
        Event::Outgoing(Outgoing::Unsubscribe(id)) => Heard::Left(id),
        Event::Outgoing(_) => Heard::Nothing,
    }
}

fn heard_v5(event: v5::Event) -> Heard {
    use v5::mqttbytes::v5::PubAckReason;
    use v5::{Event, Outgoing, Packet, SubscribeReasonCode};
    match event {
        Event::Incoming(Packet::Publish(publish)) => Heard::Message(Topic(publish.topic), publish.payload),
        Event::Incoming(Packet::ConnAck(_)) => Heard::Welcome,
        Event::Incoming(Packet::SubAck(ack)) => {
            let answer = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(_) => Answer::Accepted,
                SubscribeReasonCode::NotAuthorized => Answer::NotAuthorized,
                SubscribeReasonCode::QuotaExceeded => Answer::Quota,
                _ => Answer::Refused,
            };
            Heard::Answered(ack.pkid, ack.return_codes.iter().map(answer).collect())
        }
        Event::Incoming(Packet::UnsubAck(ack)) => Heard::Released(ack.pkid),
        Event::Incoming(Packet::PubAck(ack)) => Heard::Taken(match ack.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
            PubAckReason::NotAuthorized => Some("the broker allows no publishing on that topic".to_owned()),
            other => Some(format!("the broker did not take the message: {other:?}")),
        }),
        Event::Incoming(_) => Heard::Life,
        Event::Outgoing(Outgoing::Subscribe(id)) => Heard::Asked(id),
        Event::Outgoing(Outgoing::Unsubscribe(id)) => Heard::Left(id),
        Event::Outgoing(_) | Event::Auth(_) => Heard::Nothing,
    }
}
