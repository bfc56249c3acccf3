//! From an accepted message to the queues of those it is for.

use std::sync::atomic::Ordering;

use super::Broker;
use super::index::Matched;
use super::session::Delivery;

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
            retained.insert(delivery.topic.to_string(), Delivery { retain: true, ..delivery.clone() });
        }
    }

    /// The retained message of a topic. AWS gives it only to a filter that equals the topic, never to a wildcard.
    pub(super) fn retained(&self, topic: &str) -> Option<Delivery> {
        let mut retained = self.retained.lock();
        let held = retained.get(topic)?;
        if held.expires.is_some_and(|at| at <= std::time::Instant::now()) {
            retained.remove(topic);
            return None;
        }
        Some(held.clone())
    }
}
