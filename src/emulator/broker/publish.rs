//! From an accepted message to the queues of those it is for.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::Broker;
use super::index::Matched;
use super::session::Delivery;

/// A retained message.
#[derive(Clone, Debug)]
pub struct Retained {
    /// Its payload.
    pub payload: Bytes,
    /// The QoS it was published with.
    pub qos: u8,
    /// When, in milliseconds since 1970.
    pub modified_ms: i64,
}

impl Broker {
    /// Queues `delivery` for everyone in `matched`; `from` is the client that published it, for MQTT 5's "no local".
    pub(super) fn route(&self, matched: &Matched, delivery: &Delivery, from: Option<&str>) -> usize {
        let mut queued = 0;
        for target in self.index.chosen(matched) {
            if target.options.no_local && from == Some(&*target.session.client_id) {
                continue;
            }
            let mut copy = delivery.clone();
            copy.qos = delivery.qos.min(target.options.qos);
            copy.retain = delivery.retain && target.options.retain_as_published;
            let waits = copy.qos > 0 || target.session.is_live();
            if target.session.push(copy) {
                queued += 1;
            } else if waits {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        queued
    }

    /// Keeps (or, with an empty payload, removes) the retained message of a topic.
    pub(super) fn keep(&self, delivery: &Delivery) {
        let mut retained = self.retained.lock();
        if delivery.payload.is_empty() {
            retained.remove(&*delivery.topic);
        } else {
            let kept = Delivery { retain: true, ..delivery.clone() };
            retained.insert(delivery.topic.to_string(), (kept, self.clock.now_ms()));
        }
    }

    /// The retained message of a topic. AWS gives it only to a filter that equals the topic, never to a wildcard.
    pub(super) fn retained(&self, topic: &str) -> Option<Delivery> {
        self.retained_since(topic).map(|(held, _)| held)
    }

    fn retained_since(&self, topic: &str) -> Option<(Delivery, i64)> {
        let mut retained = self.retained.lock();
        let (held, since) = retained.get(topic)?;
        if held.expires.is_some_and(|at| at <= std::time::Instant::now()) {
            retained.remove(topic);
            return None;
        }
        Some((held.clone(), *since))
    }

    /// The retained message of a topic, for those who are no client.
    pub fn retained_message(&self, topic: &str) -> Option<Retained> {
        let (held, modified_ms) = self.retained_since(topic)?;
        Some(Retained { payload: held.payload, qos: held.qos, modified_ms })
    }

    /// The topics that hold a retained message, in order.
    pub fn retained_topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = self.retained.lock().keys().cloned().collect();
        topics.sort_unstable();
        topics
    }

    /// Hands a message to one connected client, subscribed or not; whether its policies let it receive the topic is
    /// decided at delivery. False when the client is not connected.
    pub fn send_direct(&self, client_id: &str, topic: &str, payload: Bytes, qos: u8) -> bool {
        let Some(session) = self.session(client_id).filter(|s| s.is_live()) else { return false };
        self.published.fetch_add(1, Ordering::Relaxed);
        session.push(Delivery {
            topic: topic.into(),
            payload,
            qos: qos.min(1),
            retain: false,
            properties: None,
            expires: None,
        })
    }
}
