//! Retained messages: the last one of each topic that was published to be kept.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Properties;
use super::session::Delivery;
use crate::store::{Journal, Wal};

/// A retained message as GetRetainedMessage tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retained {
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Bytes,
    /// 0 or 1.
    pub qos: u8,
    /// When it was published, in epoch milliseconds.
    pub modified: i64,
    /// MQTT 5 user properties, in order.
    pub user_properties: Vec<(String, String)>,
}

/// A retained message as the state folder keeps it, under its topic.
#[derive(Serialize, Deserialize)]
struct Row {
    /// Base64.
    payload: String,
    qos: u8,
    modified_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    properties: Option<Properties>,
}

impl Row {
    fn of(delivery: &Delivery, now_ms: i64) -> Self {
        let left = |at: Instant| at.saturating_duration_since(Instant::now()).as_millis() as i64;
        Self {
            payload: STANDARD.encode(&delivery.payload),
            qos: delivery.qos,
            modified_ms: now_ms,
            expires_ms: delivery.expires.map(|at| now_ms.saturating_add(left(at))),
            properties: delivery.properties.as_deref().cloned(),
        }
    }

    /// `None` when it expired meanwhile.
    fn delivery(self, topic: &str, now_ms: i64) -> Option<(Delivery, i64)> {
        let payload = STANDARD.decode(&self.payload).ok()?;
        let mut delivery =
            Delivery { retain: true, ..Delivery::plain(topic, payload.into(), self.qos.min(1)) };
        if let Some(at) = self.expires_ms {
            let left = u64::try_from(at.saturating_sub(now_ms)).ok().filter(|left| *left > 0)?;
            delivery.expires = Instant::now().checked_add(Duration::from_millis(left));
        }
        delivery.properties = self.properties.and_then(Properties::carried).map(Arc::new);
        Some((delivery, self.modified_ms))
    }
}

pub(super) struct RetainedMessages {
    held: Mutex<Held>,
    journal: Journal,
}

#[derive(Default)]
struct Held {
    messages: BTreeMap<String, (Delivery, i64)>,
    bytes: usize,
}

impl Held {
    fn remove(&mut self, topic: &str) {
        if let Some((old, _)) = self.messages.remove(topic) {
            self.bytes -= old.topic.len() + old.payload.len();
        }
    }
}

impl RetainedMessages {
    /// What `wal` held.
    pub(super) fn open(wal: &Wal, now_ms: i64) -> Self {
        let (journal, rows) = Journal::open::<Row>(wal, "retained");
        let mut held = Held::default();
        for (topic, row) in rows {
            match row.delivery(&topic, now_ms) {
                Some((delivery, modified)) => {
                    held.bytes += delivery.topic.len() + delivery.payload.len();
                    held.messages.insert(topic, (delivery, modified));
                }
                None => journal.remove(&topic),
            }
        }
        Self { held: Mutex::new(held), journal }
    }

    /// Keeps (or, with an empty payload, removes) the message of a topic; beyond `most` bytes of all it is not kept.
    pub(super) fn keep(&self, delivery: &Delivery, now_ms: i64, most: usize) {
        let mut held = self.held.lock();
        held.remove(&delivery.topic);
        let bytes = delivery.topic.len() + delivery.payload.len();
        if delivery.payload.is_empty() {
            self.journal.remove(&delivery.topic);
            return;
        }
        if held.bytes + bytes > most {
            tracing::warn!(topic = &*delivery.topic, "no room to retain a message");
            self.journal.remove(&delivery.topic);
            return;
        }
        held.bytes += bytes;
        self.journal.put(&delivery.topic, || Row::of(delivery, now_ms));
        held.messages
            .insert(delivery.topic.to_string(), (Delivery { retain: true, ..delivery.clone() }, now_ms));
    }

    /// Makes what was kept durable.
    pub(super) fn commit(&self) -> io::Result<()> {
        self.journal.commit_in_place()
    }

    /// The message of a topic. AWS gives it only to a filter that equals the topic, never to a wildcard.
    pub(super) fn of(&self, topic: &str) -> Option<Delivery> {
        self.find(topic).map(|(delivery, _)| delivery)
    }

    /// The message of a topic, described.
    pub(super) fn describe(&self, topic: &str) -> Option<Retained> {
        self.find(topic).map(|(delivery, modified)| described(&delivery, modified))
    }

    /// Up to `most` messages after the topic `after`, by topic.
    pub(super) fn list(&self, after: Option<&str>, most: usize) -> Vec<Retained> {
        let now = Instant::now();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let held = self.held.lock();
        let rows = held.messages.range::<str, _>((start, Bound::Unbounded)).map(|(_, row)| row);
        rows.filter(|(d, _)| !d.expired(now)).take(most).map(|(d, at)| described(d, *at)).collect()
    }

    fn find(&self, topic: &str) -> Option<(Delivery, i64)> {
        let mut held = self.held.lock();
        let row = held.messages.get(topic)?;
        if row.0.expired(Instant::now()) {
            held.remove(topic);
            self.journal.remove(topic);
            return None;
        }
        Some(row.clone())
    }
}

fn described(delivery: &Delivery, modified: i64) -> Retained {
    let pairs = delivery.properties.iter().flat_map(|p| &p.user_properties);
    Retained {
        topic: delivery.topic.to_string(),
        payload: delivery.payload.clone(),
        qos: delivery.qos,
        modified,
        user_properties: pairs.cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_replaced() {
        let held = RetainedMessages::open(&Wal::default(), 0);
        let keep = |topic: &'static str, payload: &'static [u8]| {
            held.keep(&Delivery::plain(topic, Bytes::from_static(payload), 1), 7, 10);
        };
        keep("a", b"1234");
        keep("b", b"1234");
        keep("c", b"1");
        let topics = |rows: Vec<Retained>| rows.into_iter().map(|r| r.topic).collect::<Vec<_>>();
        assert_eq!(topics(held.list(None, 9)), ["a", "b"], "there was no room for c");
        keep("a", b"1");
        keep("c", b"1");
        assert_eq!(topics(held.list(Some("a"), 1)), ["b"]);
        assert_eq!(held.describe("a").map(|r| (r.payload, r.modified)), Some((Bytes::from_static(b"1"), 7)));
        keep("a", b"");
        assert!(held.of("a").is_none());
    }

    #[test]
    fn what_is_kept_is_there_after_a_start_unless_its_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let wal = Wal::open(dir.path()).unwrap();
        let held = RetainedMessages::open(&wal, 0);
        let properties = Properties {
            content_type: Some("text".into()),
            user_properties: vec![("k".into(), "v".into())],
            ..Properties::default()
        };
        let keep = |topic: &'static str, payload: &'static [u8], seconds: Option<u64>| {
            let mut delivery = Delivery::plain(topic, Bytes::from_static(payload), 1);
            delivery.expires = seconds.map(|s| Instant::now() + Duration::from_secs(s));
            delivery.properties = properties.clone().carried().map(Arc::new);
            held.keep(&delivery, 1000, 1 << 20);
        };
        keep("a", b"\xff1", None);
        keep("b", b"2", Some(10));
        keep("c", b"3", Some(100));
        keep("d", b"4", None);
        keep("d", b"", None);
        wal.commit().unwrap();
        let before = held.describe("a");
        drop((held, wal));
        let again = RetainedMessages::open(&Wal::open(dir.path()).unwrap(), 1000 + 50_000);
        let topics: Vec<_> = again.list(None, 9).into_iter().map(|r| r.topic).collect();
        assert_eq!(topics, ["a", "c"]);
        assert_eq!(again.describe("a"), before);
        assert_eq!(again.of("a").unwrap().properties.unwrap().content_type.as_deref(), Some("text"));
    }
}
