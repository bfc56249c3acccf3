//! What the broker remembers of a client id: subscriptions, waiting messages, the live connection if there is one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;
use parking_lot::Mutex;
use rmqtt_codec::v5::PublishProperties;
use tokio::sync::Notify;

use super::Connection;
use super::index::SubOptions;
use crate::emulator::hooks::Session;

/// The longest queue for a client that reads too slowly (or is away): beyond it QoS 0 is dropped and counted.
pub(super) const LONGEST_QUEUE: usize = 20_000;
/// AWS's limit of unacknowledged outbound messages.
pub(super) const MOST_IN_FLIGHT: usize = 100;

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
}

impl Live {
    pub(super) fn new(who: Session) -> Arc<Self> {
        Arc::new(Self { who, wake: Notify::new(), cut: Mutex::new(None) })
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
}

/// One client id.
pub(super) struct SessionState {
    pub(super) client_id: Arc<str>,
    live: AtomicBool,
    /// QoS 0 messages let go because the queue was full.
    pub(super) dropped: AtomicU64,
    pub(super) inner: Mutex<Inner>,
}

/// The changing part of a session.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) subscriptions: BTreeMap<String, SubOptions>,
    pub(super) queue: VecDeque<Delivery>,
    pub(super) in_flight: VecDeque<(u16, Delivery)>,
    pub(super) live: Option<Arc<Live>>,
    pub(super) info: Option<Connection>,
    /// The `versionNumber` of lifecycle events.
    pub(super) version: u64,
    /// When a session without a connection is forgotten.
    pub(super) expires: Option<Instant>,
    next_id: u16,
}

impl SessionState {
    pub(super) fn new(client_id: &str) -> Arc<Self> {
        Arc::new(Self {
            client_id: client_id.into(),
            live: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            inner: Mutex::default(),
        })
    }

    #[cfg(test)]
    pub(super) fn detached(client_id: &str) -> Arc<Self> {
        Self::new(client_id)
    }

    pub(super) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn set_live(&self, inner: &mut Inner, live: Option<Arc<Live>>) {
        self.live.store(live.is_some(), Ordering::Relaxed);
        inner.live = live;
    }

    /// Orders the live connection to end; false when there is none.
    pub(super) fn order(&self, cut: Cut) -> bool {
        let live = self.inner.lock().live.clone();
        live.inspect(|live| live.order(cut)).is_some()
    }

    /// Queues a message. QoS 1 waits for an absent client; QoS 0 does not. False when it was dropped.
    pub(super) fn push(&self, delivery: Delivery) -> bool {
        let mut inner = self.inner.lock();
        let wanted = inner.live.is_some() || delivery.qos > 0;
        if !wanted || inner.queue.len() >= LONGEST_QUEUE {
            if wanted {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            return false;
        }
        inner.queue.push_back(delivery);
        if let Some(live) = &inner.live {
            live.wake.notify_one();
        }
        true
    }
}

impl Inner {
    /// A packet identifier that no message in flight uses.
    pub(super) fn packet_id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id.wrapping_add(1).max(1);
            if !self.in_flight.iter().any(|(id, _)| *id == self.next_id) {
                return self.next_id;
            }
        }
    }
}
