//! What the broker remembers of a client id: subscriptions, waiting messages, the live connection if there is one.
//!
//! * `queue.rs`: how messages wait, go out, and are acknowledged.

mod queue;

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::Connection;
use super::index::SubOptions;
use crate::broker::{Properties, Session};

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
    pub(super) properties: Option<Arc<Properties>>,
    pub(super) expires: Option<Instant>,
    /// Who waits for the client's acknowledgement.
    pub(super) confirm: Option<Confirm>,
}

/// Told once when a client has acknowledged a message; ends without a word when that cannot happen any more.
pub(in crate::broker) type Confirm = mpsc::Sender<()>;

impl Delivery {
    /// A message without properties that does not expire.
    pub(super) fn plain(topic: impl Into<ByteString>, payload: Bytes, qos: u8) -> Self {
        Self {
            topic: topic.into(),
            payload,
            qos,
            retain: false,
            properties: None,
            expires: None,
            confirm: None,
        }
    }

    /// True when it must not be delivered any more.
    pub(super) fn expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Bytes of its topic and payload, as a connection's rate counts them.
    pub(super) fn size(&self) -> usize {
        self.topic.len() + self.payload.len()
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
    cut: Mutex<Option<Box<Cut>>>,
    over: AtomicBool,
    ended: Notify,
}

impl Live {
    pub(super) fn new(who: Session) -> Arc<Self> {
        Arc::new(Self {
            who,
            wake: Notify::new(),
            cut: Mutex::default(),
            over: AtomicBool::new(false),
            ended: Notify::new(),
        })
    }

    /// Orders the connection to end. The first order stands.
    pub(super) fn order(&self, cut: Cut) {
        self.cut.lock().get_or_insert_with(|| Box::new(cut));
        self.wake.notify_one();
    }

    /// The order to end, if one was given.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.cut.lock().as_deref().cloned()
    }

    /// The connection has ended and everybody was told.
    pub(super) fn set_over(&self) {
        self.over.store(true, Ordering::Release);
        self.ended.notify_waiters();
    }

    /// Waits for [`Live::set_over`].
    pub(super) async fn over(&self) {
        // Notified from its making on: an end in between is not missed.
        let ended = self.ended.notified();
        if !self.over.load(Ordering::Acquire) {
            ended.await;
        }
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
    pub(super) subscriptions: Subscriptions,
    pub(super) live: Option<Arc<Live>>,
    pub(super) info: Option<Box<Connection>>,
    /// The `versionNumber` of lifecycle events.
    pub(super) version: u64,
    /// When a session without a connection is forgotten.
    pub(super) expires: Option<Instant>,
    /// The delayed will of the last connection.
    pub(super) will: Option<Box<LastWords>>,
    waiting: VecDeque<Delivery>,
    /// Sent on an earlier connection and not acknowledged.
    again: VecDeque<Sent>,
    in_flight: VecDeque<Sent>,
    bytes: usize,
    next_id: u16,
}

/// The filters of a session, few of them: in their order, without room for more than there are.
#[derive(Default)]
pub(super) struct Subscriptions(Vec<(Box<str>, SubOptions)>);

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, filter: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(held, _)| (**held).cmp(filter))
    }

    pub(super) fn contains(&self, filter: &str) -> bool {
        self.find(filter).is_ok()
    }

    /// Adds a filter or replaces its options.
    pub(super) fn insert(&mut self, filter: &str, options: SubOptions) {
        match self.find(filter) {
            Ok(at) => self.0[at].1 = options,
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (filter.into(), options));
            }
        }
    }

    /// Forgets a filter; false when it was not there.
    pub(super) fn remove(&mut self, filter: &str) -> bool {
        self.find(filter).map(|at| self.0.remove(at)).is_ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, SubOptions)> {
        self.0.iter().map(|(filter, options)| (&**filter, *options))
    }
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
}
