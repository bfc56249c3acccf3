//! Retained messages: the last one of each topic that was published to be kept.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;

use super::session::Delivery;

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

#[derive(Default)]
pub(super) struct RetainedMessages(Mutex<Held>);

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
    /// Keeps (or, with an empty payload, removes) the message of a topic; beyond `most` bytes of all it is not kept.
    pub(super) fn keep(&self, delivery: &Delivery, now_ms: i64, most: usize) {
        let mut held = self.0.lock();
        held.remove(&delivery.topic);
        let bytes = delivery.topic.len() + delivery.payload.len();
        if delivery.payload.is_empty() {
            return;
        }
        if held.bytes + bytes > most {
            tracing::warn!(topic = &*delivery.topic, "no room to retain a message");
            return;
        }
        held.bytes += bytes;
        held.messages
            .insert(delivery.topic.to_string(), (Delivery { retain: true, ..delivery.clone() }, now_ms));
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
        let held = self.0.lock();
        let rows = held.messages.range::<str, _>((start, Bound::Unbounded)).map(|(_, row)| row);
        rows.filter(|(d, _)| !d.expired(now)).take(most).map(|(d, at)| described(d, *at)).collect()
    }

    fn find(&self, topic: &str) -> Option<(Delivery, i64)> {
        let mut held = self.0.lock();
        let row = held.messages.get(topic)?;
        if row.0.expired(Instant::now()) {
            held.remove(topic);
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
        user_properties: pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_replaced() {
        let held = RetainedMessages::default();
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
}
