//! The MQTT broker of the emulated account: 3.1.1 and 5, QoS 0 and 1, over any byte stream it is handed.
//!
//! It knows MQTT and AWS's limits (docs/aws-iot.md#3.3); everything that is policy, service or metric it asks or tells
//! its [`Host`]. One task serves one connection; sessions, the subscription index and retained messages are shared.

mod connection;
mod host;
mod index;
mod lifecycle;
mod limits;
mod pace;
mod publish;
mod retained;
mod session;
mod topic;
mod wire;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

use super::clock::Clock;
use super::store::Wal;
use connection::LateWill;
pub use host::{Action, ConnectAttributes, Host, Principal, Routing, Session};
use index::Index;
pub use limits::Limits;
use pace::Pace;
pub use retained::Retained;
use retained::RetainedMessages;
use session::{Cut, Delivery, Inner, LastWords, SessionState};
pub(crate) use topic::publishable;

/// The MQTT 5 properties an application message carries from its publisher to its subscribers.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Properties {
    /// The payload is UTF-8 text.
    pub utf8: bool,
    /// What the payload is.
    pub content_type: Option<String>,
    /// Where an answer is wanted.
    pub response_topic: Option<String>,
    /// What the answer is to carry.
    pub correlation_data: Option<Bytes>,
    /// Names and values, in order.
    pub user_properties: Vec<(String, String)>,
    /// Seconds after which it is no longer delivered.
    pub expiry: Option<u32>,
}

impl Properties {
    /// What a message carries on; `None` when that is nothing. Its time is told elsewhere, since it runs.
    fn carried(mut self) -> Option<Self> {
        self.expiry = None;
        (self != Self::default()).then_some(self)
    }
}

/// How long GetConnection remembers a client that left.
const REMEMBERED: Duration = Duration::from_secs(30 * 60);

/// Where a byte stream came from and who authenticated on it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The remote socket address.
    pub remote: SocketAddr,
    /// The local socket address.
    pub local: SocketAddr,
    /// Who the transport authenticated.
    pub principal: Principal,
    /// True over WebSocket: the connection ends after 24 h.
    pub websocket: bool,
}

/// What GetConnection tells about a client id.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Connected now?
    pub connected: bool,
    /// Epoch milliseconds of the last connect.
    pub connected_since: i64,
    /// Epoch milliseconds of the last disconnect, when not connected.
    pub disconnected_since: Option<i64>,
    /// AWS's `disconnectReason`, when not connected.
    pub disconnect_reason: Option<String>,
    /// Negotiated keep-alive in seconds.
    pub keep_alive: u16,
    /// Clean session (3.1.1) or clean start (5).
    pub clean_session: bool,
    /// Session expiry in seconds.
    pub session_expiry: u32,
    /// Who authenticated.
    pub principal: Principal,
    /// The client's socket address.
    pub remote: SocketAddr,
    /// The listener's socket address.
    pub local: SocketAddr,
}

/// What the broker has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Messages received from clients and services.
    pub published: u64,
    /// Messages handed to subscribers.
    pub delivered: u64,
    /// Messages let go: beyond a connection's rate, or too many waited for a subscriber that read too slowly or was away.
    pub dropped: u64,
}

/// What a connection runs on.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The broker. All methods may be called from any thread; none blocks.
pub struct Broker {
    /// Weak: the host has the broker, not the other way round. A connection holds its host while it lasts.
    host: Weak<dyn Host>,
    clock: Clock,
    index: Index,
    sessions: Mutex<HashMap<Arc<str>, Arc<SessionState>>>,
    retained: RetainedMessages,
    limits: Limits,
    queued_bytes: Arc<AtomicUsize>,
    serial: AtomicU64,
    swept: Mutex<Instant>,
    /// What all connections together send; none without a limit of it.
    pace: Option<Mutex<Pace>>,
    live: AtomicUsize,
    connections: AtomicU64,
    published: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
}

impl Broker {
    /// A broker that asks `host` about everything that is AWS and keeps retained messages in `wal`.
    pub fn new(host: Weak<dyn Host>, wal: &Wal, clock: Clock, limits: Limits) -> Arc<Self> {
        let retained = RetainedMessages::open(wal, clock.now_ms());
        let all = limits.all_messages_per_second.map(|n| f64::from(n) * clock.speed().max(1.0));
        Arc::new(Self {
            pace: all.map(|messages| Mutex::new(Pace::of(messages, f64::MAX))),
            live: AtomicUsize::new(0),
            limits,
            queued_bytes: Arc::default(),
            host,
            clock,
            index: Index::default(),
            sessions: Mutex::default(),
            retained,
            serial: AtomicU64::new(1),
            swept: Mutex::new(Instant::now()),
            connections: AtomicU64::new(0),
            published: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        })
    }

    /// Serves one connection until it ends. Never call from an accept loop without spawning.
    ///
    /// A certificate that is not ACTIVE is refused before any MQTT: the stream is just closed.
    pub async fn serve(self: Arc<Self>, io: Box<dyn Stream>, peer: Peer) {
        let Some(host) = self.host.upgrade().filter(|host| host.authenticate(&peer.principal)) else {
            return;
        };
        let late = connection::run(&self, &*host, io, peer).await;
        drop(host);
        if let Some(LateWill { delay, session, version }) = late {
            // Whoever ends the broker does not wait for a will.
            let broker = Arc::downgrade(&self);
            drop(self);
            tokio::time::sleep(delay).await;
            if let Some(broker) = broker.upgrade() {
                broker.speak_late(&session, version);
            }
        }
    }

    /// Publishes as AWS itself (QoS 0) to every subscriber; returns how many sessions it was queued for. Whether a session
    /// may receive it is decided when it is delivered.
    pub fn publish(&self, topic: &str, payload: Bytes) -> usize {
        if let Some(host) = self.host.upgrade() {
            host.published_by_aws(topic, &payload);
        }
        let delivery = Delivery::plain(topic, payload, 0);
        self.published.fetch_add(1, Ordering::Relaxed);
        self.route(&self.index.matches(topic), &delivery, None)
    }

    /// Publishes as AWS itself on behalf of an HTTP caller or a rule, with QoS 0 or 1, retained when asked, and with MQTT 5
    /// properties.
    pub fn publish_with(
        &self,
        topic: &str,
        payload: Bytes,
        qos: u8,
        retain: bool,
        properties: Properties,
    ) -> usize {
        let mut delivery = Delivery { retain, ..Delivery::plain(topic, payload, qos.min(1)) };
        delivery.expires = properties.expiry.map(|s| Instant::now() + Duration::from_secs(s.into()));
        delivery.properties = properties.carried().map(Arc::new);
        if retain {
            self.retained.keep(&delivery, self.clock.now_ms(), self.limits.retained_bytes);
        }
        self.published.fetch_add(1, Ordering::Relaxed);
        self.route(&self.index.matches(topic), &delivery, None)
    }

    /// The retained message of a topic.
    pub fn retained(&self, topic: &str) -> Option<Retained> {
        self.retained.describe(topic)
    }

    /// Up to `most` retained messages after the topic `after`, by topic.
    pub fn list_retained(&self, after: Option<&str>, most: usize) -> Vec<Retained> {
        self.retained.list(after, most)
    }

    /// Bytes that wait for clients now; a payload that waits for two is counted twice.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Delivers to one client only, if it is connected and subscribed to `topic`: the direct responses of jobs requests,
    /// which no third party can observe.
    pub fn reply(&self, client_id: &str, topic: &str, payload: Bytes) -> bool {
        let Some(session) = self.session(client_id) else { return false };
        let matched = self.index.matches(topic);
        let Some(target) = matched.direct.iter().find(|t| Arc::ptr_eq(&t.session, &session)) else {
            return false;
        };
        self.push(&session, Delivery::plain(topic, payload, target.options.qos))
    }

    /// Delivers to one connected client, subscribed or not, with MQTT 5 properties; whether it may receive the topic is
    /// decided at delivery. With `confirm` at QoS 1, and told when the client has acknowledged it. False when the client is
    /// not connected.
    pub fn send_direct(
        &self,
        client: &str,
        topic: &str,
        payload: Bytes,
        with: Properties,
        confirm: Option<tokio::sync::mpsc::Sender<()>>,
    ) -> bool {
        let Some(session) = self.session(client).filter(|s| s.is_live()) else { return false };
        let mut delivery = Delivery::plain(topic, payload, u8::from(confirm.is_some()));
        delivery.properties = with.carried().map(Arc::new);
        delivery.confirm = confirm;
        self.published.fetch_add(1, Ordering::Relaxed);
        self.push(&session, delivery)
    }

    /// Cuts a client's connection with an AWS `disconnectReason`; `clean_session` also drops its stored session. False when
    /// it is not connected (and had no session to drop).
    pub fn disconnect(&self, client_id: &str, reason: &str, clean_session: bool, prevent_will: bool) -> bool {
        let Some(session) = self.session(client_id) else { return false };
        // 0x98: administrative action.
        let cut = Cut { reason: reason.to_owned(), code: 0x98, clean_session, prevent_will };
        session.order(cut) || (clean_session && self.end_session(&session, |_| true))
    }

    /// Cuts every connection of a certificate; returns how many.
    pub fn disconnect_certificate(&self, certificate_id: &str, reason: &str) -> usize {
        let live: Vec<_> =
            self.sessions.lock().values().filter_map(|s| s.inner.lock().live.clone()).collect();
        let of_certificate = |p: &Principal| matches!(p, Principal::Certificate(id) if id == certificate_id);
        let cut = Cut { reason: reason.to_owned(), code: 0x87, clean_session: false, prevent_will: false };
        live.iter().filter(|l| of_certificate(&l.who.principal)).inspect(|l| l.order(cut.clone())).count()
    }

    /// Cuts every connection, at shutdown.
    pub fn disconnect_all(&self) {
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        for session in sessions {
            // 0x8b: server shutting down.
            session.order(Cut {
                reason: "SERVER_INITIATED_DISCONNECT".into(),
                code: 0x8b,
                clean_session: false,
                prevent_will: true,
            });
        }
    }

    /// The state of a client id, kept for 30 minutes after a disconnect.
    pub fn connection(&self, client_id: &str) -> Option<Connection> {
        self.session(client_id)?.inner.lock().info.as_deref().cloned()
    }

    /// The state of every client id that is remembered.
    pub fn connections(&self) -> Vec<(Arc<str>, Connection)> {
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        let state =
            |s: Arc<SessionState>| Some((Arc::clone(&s.client_id), s.inner.lock().info.as_deref().cloned()?));
        sessions.into_iter().filter_map(state).collect()
    }

    /// The client ids that are connected now.
    pub fn connected_clients(&self) -> Vec<Arc<str>> {
        self.sessions.lock().values().filter(|s| s.is_live()).map(|s| Arc::clone(&s.client_id)).collect()
    }

    /// Whether somebody who signs, and is no device, is connected now.
    pub fn has_identities(&self) -> bool {
        let signs = |s: &Arc<SessionState>| {
            let inner = s.inner.lock();
            inner.live.as_ref().is_some_and(|live| matches!(live.who.principal, Principal::Iam(_)))
        };
        self.sessions.lock().values().any(signs)
    }

    /// The filters a client is subscribed to, with their QoS.
    pub fn subscriptions(&self, client_id: &str) -> Vec<(String, u8)> {
        self.session(client_id).map_or_else(Vec::new, |session| {
            session.inner.lock().subscriptions.iter().map(|(f, o)| (f.to_owned(), o.qos)).collect()
        })
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        Counters {
            connections: self.connections.load(Ordering::Relaxed),
            published: self.published.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }

    fn session(&self, client_id: &str) -> Option<Arc<SessionState>> {
        self.sessions.lock().get(client_id).cloned()
    }

    fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Ends a session that has no connection, when `so`: forgets subscriptions and waiting messages, publishes a will that
    /// waited. True when there was anything.
    fn end_session(&self, session: &Arc<SessionState>, so: impl FnOnce(&Inner) -> bool) -> bool {
        let mut inner = session.inner.lock();
        if inner.live.is_some() || !so(&inner) {
            return false;
        }
        let had = !inner.subscriptions.is_empty() || !inner.is_idle();
        let words = inner.will.take();
        for (filter, _) in session.clear(&mut inner).iter() {
            self.index.remove(filter, session);
        }
        drop(inner);
        self.speak(words);
        had
    }

    /// Publishes a will that waited.
    fn speak(&self, words: Option<Box<LastWords>>) {
        if let Some(words) = words {
            self.publish_will(&words.who, &words.delivery);
        }
    }

    /// Forgets sessions that expired and clients that left long ago; at most every ten seconds.
    fn sweep(&self) {
        let now = Instant::now();
        {
            let mut swept = self.swept.lock();
            if now.duration_since(*swept) < Duration::from_secs(10) {
                return;
            }
            *swept = now;
        }
        let horizon = self.clock.now_ms() - REMEMBERED.as_millis() as i64;
        let all: Vec<_> = self.sessions.lock().values().cloned().collect();
        for session in all {
            // A connect takes the lock of all sessions as well: it either finds the session or makes a new one.
            let mut sessions = self.sessions.lock();
            let inner = session.inner.lock();
            if inner.live.is_some() {
                continue;
            }
            let expired = inner.expires.is_some_and(|at| at <= now);
            let left = inner.info.as_ref().and_then(|i| i.disconnected_since);
            let ended = expired || inner.expires.is_none();
            drop(inner);
            if ended && left.is_none_or(|at| at < horizon) {
                sessions.remove(&session.client_id);
            }
            if expired {
                drop(sessions);
                // Its client may be back by now.
                self.end_session(&session, |inner| inner.expires.is_some_and(|at| at <= now));
            }
        }
    }
}
