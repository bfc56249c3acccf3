//! From an accepted message to the queues of those it is for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Broker;
use super::index::Matched;
use super::session::{Delivery, SessionState};
use super::topic;
use crate::broker::Session;

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
            queued += usize::from(self.push(&target.session, copy));
        }
        queued
    }

    /// Queues a message for one session; counts it when it had to be dropped.
    pub(super) fn push(&self, session: &Arc<SessionState>, delivery: Delivery) -> bool {
        let waits = delivery.qos > 0 || session.is_live();
        let queued = session.push(delivery, &self.limits);
        if !queued && waits {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        queued
    }

    /// Publishes a last will: it was authorized when its client connected.
    pub(super) fn publish_will(&self, who: &Session, delivery: &Delivery) {
        self.published.fetch_add(1, Ordering::Relaxed);
        let Some(host) = self.host.upgrade() else { return };
        host.spoke_last(who, &delivery.topic, &delivery.payload, delivery.properties.as_deref());
        if !delivery.topic.starts_with(topic::BASIC_INGEST) {
            if delivery.retain {
                self.retained.keep(delivery, self.clock.now_ms(), self.limits.retained_bytes);
            }
            self.route(&self.index.matches(&delivery.topic), delivery, None);
        }
    }
}
