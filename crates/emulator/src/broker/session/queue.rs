//! How messages wait for a client, go out to it, and are acknowledged.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Delivery, Inner, Outgoing, Sent, SessionState, Subscriptions};
use crate::broker::limits::Limits;
use crate::broker::pace::Pace;

impl SessionState {
    /// Queues a message. QoS 1 waits for an absent client; QoS 0 does not. False when it was not queued.
    pub(in crate::broker) fn push(&self, delivery: Delivery, limits: &Limits) -> bool {
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
    /// may follow at once. Messages that nobody acknowledged for `patience` no longer count. What goes beyond `pace` is
    /// discarded at QoS 0, and waits at QoS 1.
    pub(in crate::broker) fn take(
        &self,
        window: usize,
        patience: Duration,
        most: usize,
        most_bytes: usize,
        pace: &mut Pace,
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
                if full || !pace.admits(sent.delivery.size()) {
                    pace.hold(!full);
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
            let expired = next.expired(now);
            let admitted = expired || pace.admits(next.size());
            if next.qos > 0 && !admitted {
                pace.hold(true);
                more = false;
                break;
            }
            let Some(delivery) = inner.waiting.pop_front() else { break };
            let cost = delivery.cost();
            if expired || !admitted {
                pace.discarded(!expired);
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

    /// The client acknowledged a message.
    pub(in crate::broker) fn acknowledged(&self, id: u16) {
        if let Some(confirm) = self.settle(id).and_then(|delivery| delivery.confirm) {
            // Who waited may have given up.
            let _ = confirm.try_send(());
        }
    }

    /// A message will never be sent.
    pub(in crate::broker) fn withheld(&self, id: u16) {
        self.settle(id);
    }

    fn settle(&self, id: u16) -> Option<Delivery> {
        let mut inner = self.inner.lock();
        let at = inner.in_flight.iter().position(|s| s.id.get() == id)?;
        let delivery = inner.in_flight.remove(at)?.delivery;
        self.free(&mut inner, delivery.cost());
        Some(delivery)
    }

    /// The connection is gone and the session stays: what was not acknowledged comes again, QoS 0 does not.
    pub(in crate::broker) fn park(&self, inner: &mut Inner) {
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
    pub(in crate::broker) fn clear(&self, inner: &mut Inner) -> Subscriptions {
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
    pub(in crate::broker) fn is_idle(&self) -> bool {
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
    use bytes::Bytes;

    use super::*;
    use crate::broker::Session;
    use crate::broker::session::{Live, OVERHEAD};

    const FOREVER: Duration = Duration::from_secs(3600);

    fn live(session: &SessionState) {
        let who = Session {
            client_id: "c".into(),
            principal: crate::broker::Principal::Anonymous,
            serial: 1,
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            attributes: Default::default(),
        };
        session.set_live(&mut session.inner.lock(), Live::new(who));
    }

    fn take(session: &SessionState, window: usize, patience: Duration) -> Vec<(u16, bool, Bytes)> {
        take_within(session, window, patience, &mut Pace::unlimited())
    }

    fn take_within(
        session: &SessionState,
        window: usize,
        patience: Duration,
        pace: &mut Pace,
    ) -> Vec<(u16, bool, Bytes)> {
        let mut out = Vec::new();
        session.take(window, patience, 1000, usize::MAX, pace, &mut out);
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
    fn beyond_its_pace_a_client_loses_qos_0_and_waits_for_qos_1() {
        let session = SessionState::detached("c");
        live(&session);
        for (payload, qos) in [("1", 0), ("2", 0), ("3", 0), ("4", 1)] {
            push(&session, payload, qos);
        }
        let mut pace = Pace::of(2.0, 1e6);
        assert_eq!(
            take_within(&session, 9, FOREVER, &mut pace),
            [(0, false, "1".into()), (0, false, "2".into())]
        );
        assert_eq!((pace.take_discarded(), pace.is_held()), (1, true));
        assert_eq!(take(&session, 9, FOREVER), [(1, false, "4".into())]);
        session.acknowledged(1);
        assert!(session.inner.lock().is_idle());
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
