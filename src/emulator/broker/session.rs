//! What the broker remembers of a client id: subscriptions, waiting messages, the live connection if there is one.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytestring::ByteString;
use parking_lot::Mutex;
use rmqtt_codec::v5::PublishProperties;
use tokio::sync::{Notify, watch};

use super::index::SubOptions;
use super::{Connection, Limits};
use crate::emulator::hooks::Session;

/// What a waiting message takes beside its topic and payload, about.
const OVERHEAD: usize = 128;

/// A message on its way to one session.
#[derive(Clone)]
pub(super) struct Delivery {
    pub(super) topic: ByteString,
    pub(super) payload: Bytes,
    /// 0 or 1.
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) properties: Option<Arc<PublishProperties>>,
    pub(super) expires: Option<Instant>,
}

impl Delivery {
    /// A message without properties that does not expire.
    pub(super) fn plain(topic: impl Into<ByteString>, payload: Bytes, qos: u8) -> Self {
        Self { topic: topic.into(), payload, qos, retain: false, properties: None, expires: None }
    }

    /// True when it must not be delivered any more.
    pub(super) fn expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    fn cost(&self) -> usize {
        OVERHEAD + self.topic.len() + self.payload.len()
    }
}

/// A message as it is written to a connection.
pub(super) struct Outgoing {
    pub(super) delivery: Delivery,
    /// At QoS 1.
    pub(super) id: Option<NonZeroU16>,
    /// It was sent before.
    pub(super) dup: bool,
}

/// Why a connection is cut from outside.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// AWS's `disconnectReason`.
    pub(super) reason: String,
    /// The MQTT 5 DISCONNECT reason code.
    pub(super) code: u8,
    pub(super) clean_session: bool,
    pub(super) prevent_will: bool,
}

/// The connection that serves a session now.
pub(super) struct Live {
    pub(super) who: Session,
    /// Wakes the connection task: something to send, or an order to end.
    pub(super) wake: Notify,
    cut: Mutex<Option<Cut>>,
    over: watch::Sender<bool>,
}

impl Live {
    pub(super) fn new(who: Session) -> Arc<Self> {
        let over = watch::Sender::new(false);
        Arc::new(Self { who, wake: Notify::new(), cut: Mutex::new(None), over })
    }

    /// Orders the connection to end. The first order stands.
    pub(super) fn order(&self, cut: Cut) {
        self.cut.lock().get_or_insert(cut);
        self.wake.notify_one();
    }

    /// The order to end, if one was given.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.cut.lock().clone()
    }

    /// The connection has ended and everybody was told.
    pub(super) fn set_over(&self) {
        self.over.send_replace(true);
    }

    /// Waits for [`Live::set_over`].
    pub(super) async fn over(&self) {
        // The sender lives as long as `self`.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }
}

/// One client id.
pub(super) struct SessionState {
    pub(super) client_id: Arc<str>,
    live: AtomicBool,
    /// Bytes that wait for all sessions of the broker.
    all_bytes: Arc<AtomicUsize>,
    pub(super) inner: Mutex<Inner>,
}

/// A will that waits for its delay.
pub(super) struct LastWords {
    pub(super) who: Session,
    pub(super) delivery: Delivery,
}

/// The changing part of a session.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) subscriptions: BTreeMap<String, SubOptions>,
    pub(super) live: Option<Arc<Live>>,
    pub(super) info: Option<Connection>,
    /// The `versionNumber` of lifecycle events.
    pub(super) version: u64,
    /// When a session without a connection is forgotten.
    pub(super) expires: Option<Instant>,
    /// The delayed will of the last connection.
    pub(super) will: Option<LastWords>,
    waiting: VecDeque<Delivery>,
    /// Sent on an earlier connection and not acknowledged.
    again: VecDeque<Sent>,
    in_flight: VecDeque<Sent>,
    bytes: usize,
    next_id: u16,
}

struct Sent {
    id: NonZeroU16,
    delivery: Delivery,
    first: Instant,
}

impl SessionState {
    pub(super) fn new(client_id: &str, all_bytes: &Arc<AtomicUsize>) -> Arc<Self> {
        Arc::new(Self {
            client_id: client_id.into(),
            live: AtomicBool::new(false),
            all_bytes: Arc::clone(all_bytes),
            inner: Mutex::default(),
        })
    }

    #[cfg(test)]
    pub(super) fn detached(client_id: &str) -> Arc<Self> {
        Self::new(client_id, &Arc::default())
    }

    pub(super) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// The connection that serves the session from now on.
    pub(super) fn set_live(&self, inner: &mut Inner, live: Arc<Live>) {
        self.live.store(true, Ordering::Relaxed);
        inner.live = Some(live);
    }

    /// The connection is ending: nothing more is for it. It keeps its place until everybody was told, so that its successor
    /// comes after it.
    pub(super) fn retire(&self) {
        self.live.store(false, Ordering::Relaxed);
    }

    /// Orders the live connection to end; false when there is none.
    pub(super) fn order(&self, cut: Cut) -> bool {
        let live = self.inner.lock().live.clone();
        live.inspect(|live| live.order(cut)).is_some()
    }

    /// Queues a message. QoS 1 waits for an absent client; QoS 0 does not. False when it was not queued.
    pub(super) fn push(&self, delivery: Delivery, limits: &Limits) -> bool {
        let cost = delivery.cost();
        let mut inner = self.inner.lock();
        let wanted = self.is_live() || delivery.qos > 0;
        if !wanted
            || inner.waiting.len() >= limits.session_messages
            || inner.bytes + cost > limits.session_bytes
            || self.all_bytes.load(Ordering::Relaxed) + cost > limits.all_bytes
        {
            return false;
        }
        inner.bytes += cost;
        self.all_bytes.fetch_add(cost, Ordering::Relaxed);
        inner.waiting.push_back(delivery);
        if let Some(live) = &inner.live {
            live.wake.notify_one();
        }
        true
    }

    /// Takes messages to send, `most` of them or `most_bytes`, as far as `window` unacknowledged ones allow; true when more
    /// may follow at once. Messages that nobody acknowledged for `patience` no longer count.
    pub(super) fn take(
        &self,
        window: usize,
        patience: Duration,
        most: usize,
        most_bytes: usize,
        out: &mut Vec<Outgoing>,
    ) -> bool {
        let mut inner = self.inner.lock();
        if inner.waiting.is_empty() && inner.again.is_empty() {
            return false;
        }
        let now = Instant::now();
        let (mut bytes, mut freed) = (0, 0);
        let mut more = true;
        while out.len() < most && bytes < most_bytes {
            let full = inner.in_flight.len() >= window;
            if full && inner.in_flight.front().is_some_and(|s| now.duration_since(s.first) >= patience) {
                freed += inner.in_flight.pop_front().map_or(0, |s| s.delivery.cost());
                continue;
            }
            if let Some(sent) = inner.again.front() {
                if now.duration_since(sent.first) >= patience || sent.delivery.expired(now) {
                    freed += inner.again.pop_front().map_or(0, |s| s.delivery.cost());
                    continue;
                }
                if full {
                    more = false;
                    break;
                }
                let Some(sent) = inner.again.pop_front() else { break };
                bytes += sent.delivery.cost();
                out.push(Outgoing { delivery: sent.delivery.clone(), id: Some(sent.id), dup: true });
                inner.in_flight.push_back(sent);
                continue;
            }
            let Some(next) = inner.waiting.front() else {
                more = false;
                break;
            };
            if next.qos > 0 && full {
                more = false;
                break;
            }
            let Some(delivery) = inner.waiting.pop_front() else { break };
            let cost = delivery.cost();
            if delivery.expired(now) {
                freed += cost;
                continue;
            }
            bytes += cost;
            let id = if delivery.qos > 0 {
                let id = inner.packet_id();
                inner.in_flight.push_back(Sent { id, delivery: delivery.clone(), first: now });
                Some(id)
            } else {
                freed += cost;
                None
            };
            out.push(Outgoing { delivery, id, dup: false });
        }
        self.free(&mut inner, freed);
        more
    }

    /// A message was acknowledged, or will never be sent.
    pub(super) fn acknowledged(&self, id: u16) {
        let mut inner = self.inner.lock();
        let Some(at) = inner.in_flight.iter().position(|s| s.id.get() == id) else { return };
        let cost = inner.in_flight.remove(at).map_or(0, |s| s.delivery.cost());
        self.free(&mut inner, cost);
    }

    /// The connection is gone and the session stays: what was not acknowledged comes again, QoS 0 does not.
    pub(super) fn park(&self, inner: &mut Inner) {
        let mut freed = 0;
        inner.waiting.retain(|d| {
            let keep = d.qos > 0;
            freed += if keep { 0 } else { d.cost() };
            keep
        });
        while let Some(sent) = inner.in_flight.pop_back() {
            inner.again.push_front(sent);
        }
        self.free(inner, freed);
    }

    /// The session ends: forgets waiting messages and gives the filters that were subscribed to.
    pub(super) fn clear(&self, inner: &mut Inner) -> BTreeMap<String, SubOptions> {
        inner.waiting = VecDeque::new();
        inner.again = VecDeque::new();
        inner.in_flight = VecDeque::new();
        inner.expires = None;
        let held = inner.bytes;
        self.free(inner, held);
        std::mem::take(&mut inner.subscriptions)
    }

    fn free(&self, inner: &mut Inner, bytes: usize) {
        inner.bytes -= bytes;
        self.all_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Inner {
    /// True when nothing waits for the client.
    pub(super) fn is_idle(&self) -> bool {
        self.bytes == 0
    }

    /// A packet identifier that no unacknowledged message uses. There are far fewer of those than identifiers.
    fn packet_id(&mut self) -> NonZeroU16 {
        loop {
            self.next_id = self.next_id.wrapping_add(1);
            let Some(id) = NonZeroU16::new(self.next_id) else { continue };
            if !self.in_flight.iter().chain(&self.again).any(|sent| sent.id == id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOREVER: Duration = Duration::from_secs(3600);

    fn live(session: &SessionState) {
        let who = Session {
            client_id: "c".into(),
            principal: crate::emulator::hooks::Principal::Anonymous,
            serial: 1,
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
        };
        session.set_live(&mut session.inner.lock(), Live::new(who));
    }

    fn take(session: &SessionState, window: usize, patience: Duration) -> Vec<(u16, bool, Bytes)> {
        let mut out = Vec::new();
        session.take(window, patience, 1000, usize::MAX, &mut out);
        out.into_iter().map(|o| (o.id.map_or(0, NonZeroU16::get), o.dup, o.delivery.payload)).collect()
    }

    fn push(session: &SessionState, payload: &'static str, qos: u8) -> bool {
        session.push(Delivery::plain("t", Bytes::from_static(payload.as_bytes()), qos), &Limits::default())
    }

    #[test]
    fn unacknowledged_messages_fill_the_window_and_come_again_after_a_reconnect() {
        let session = SessionState::detached("c");
        live(&session);
        for payload in ["1", "2", "3"] {
            assert!(push(&session, payload, 1));
        }
        assert_eq!(take(&session, 2, FOREVER), [(1, false, "1".into()), (2, false, "2".into())]);
        session.acknowledged(1);
        assert_eq!(take(&session, 2, FOREVER), [(3, false, "3".into())]);
        session.park(&mut session.inner.lock());
        push(&session, "4", 1);
        assert_eq!(take(&session, 2, FOREVER), [(2, true, "2".into()), (3, true, "3".into())]);
        session.acknowledged(2);
        session.acknowledged(3);
        assert_eq!(take(&session, 2, FOREVER), [(4, false, "4".into())]);
        session.acknowledged(4);
        assert!(session.inner.lock().is_idle());
        assert_eq!(session.all_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_message_nobody_acknowledges_is_given_up() {
        let session = SessionState::detached("c");
        live(&session);
        push(&session, "1", 1);
        push(&session, "2", 1);
        assert_eq!(take(&session, 1, FOREVER).len(), 1);
        assert_eq!(take(&session, 1, Duration::ZERO), [(2, false, "2".into())]);
    }

    #[test]
    fn an_absent_client_waits_for_qos_1_only_and_within_bounds() {
        let session = SessionState::detached("c");
        assert!(!push(&session, "lost", 0));
        let limits = Limits { session_bytes: 3 * OVERHEAD, ..Limits::default() };
        let message = || Delivery::plain("t", Bytes::from_static(b"x"), 1);
        assert!(session.push(message(), &limits) && session.push(message(), &limits));
        assert!(!session.push(message(), &limits), "three do not fit");
        let all = Limits { all_bytes: 2 * OVERHEAD, ..Limits::default() };
        assert!(!session.push(message(), &all));
        let few = Limits { session_messages: 2, ..Limits::default() };
        assert!(!session.push(message(), &few));
        let filters = session.clear(&mut session.inner.lock());
        assert!(filters.is_empty() && session.inner.lock().is_idle());
        assert_eq!(session.all_bytes.load(Ordering::Relaxed), 0);
    }
}
