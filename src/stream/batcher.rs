//! Messages gathered and handed over a few times a second; when the console is busy they are merged, never lost from
//! the counts.

use std::collections::HashMap;

use bytes::BytesMut;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::config::ThingFrom;
use quell_fleet::Ms;
use quell_fleet::event::{Batch, Counted, Event, Message, Notice};

use super::topics::Topics;

/// Messages held one by one while the console does not take them; then they are merged.
const HELD: usize = 16_384;
/// Payload bytes held meanwhile; then payloads are let go.
const HELD_BYTES: usize = 4 << 20;
/// Events that may wait for the console. More would be old news when it gets to them, and each can hold
/// [`HELD_BYTES`].
const WAITING: usize = 4;
/// Notices held meanwhile.
const HELD_NOTICES: usize = 8_192;

/// The batch being gathered.
#[derive(Debug)]
pub struct Batcher {
    topics: Topics,
    batch: Batch,
    /// Payloads one after another: one allocation for a batch instead of one for each message. They are copied, because
    /// a slice of the read buffer would keep all of it.
    arena: BytesMut,
    spans: Vec<(u32, u32)>,
    merged: HashMap<u32, usize>,
    events: mpsc::Sender<Event>,
    closed: bool,
}

impl Batcher {
    /// Nothing gathered yet.
    pub fn new(topics: Topics, events: mpsc::Sender<Event>) -> Self {
        Self {
            topics,
            batch: Batch::default(),
            arena: BytesMut::new(),
            spans: Vec::new(),
            merged: HashMap::new(),
            events,
            closed: false,
        }
    }

    /// Other rules for whose a topic is.
    pub(super) fn set_rules(&mut self, rules: Vec<ThingFrom>) {
        self.topics.set_rules(rules);
    }

    /// Takes one message in, and gives what it says if it is one of AWS's.
    pub fn push(&mut self, topic: &str, payload: &[u8], at: Ms) {
        let known = self.topics.of(topic);
        if let Some(notice) = known.meaning.notice(topic, payload, at)
            && self.batch.notices.len() < HELD_NOTICES
        {
            self.batch.notices.push(notice);
        }
        if self.batch.messages.len() >= HELD {
            self.merge();
        }
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let kept = self.arena.len() + payload.len() <= HELD_BYTES;
        let start = u32::try_from(self.arena.len()).unwrap_or(u32::MAX);
        if kept {
            self.arena.extend_from_slice(payload);
        }
        self.spans.push(if kept { (start, len) } else { (u32::MAX, 0) });
        self.batch.messages.push(Message { topic: known.id, len, at, payload: None });
    }

    /// Counts the held messages instead of keeping them.
    fn merge(&mut self) {
        self.spans.clear();
        self.arena.clear();
        for message in self.batch.messages.drain(..) {
            let position = *self.merged.entry(message.topic).or_insert_with(|| {
                self.batch.counted.push(Counted {
                    topic: message.topic,
                    count: 0,
                    bytes: 0,
                    largest: 0,
                    last: 0,
                    at: message.at,
                });
                self.batch.counted.len() - 1
            });
            if let Some(counted) = self.batch.counted.get_mut(position) {
                counted.count = counted.count.saturating_add(1);
                counted.bytes += u64::from(message.len);
                counted.largest = counted.largest.max(message.len);
                counted.last = message.len;
                counted.at = message.at;
            }
        }
    }

    /// The notices gathered and not handed over yet.
    pub(super) fn notices(&self) -> &[Notice] {
        &self.batch.notices
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.batch.messages.len()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.batch.messages.is_empty() && self.batch.counted.is_empty() && self.batch.notices.is_empty()
    }

    /// True when nobody takes batches any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Hands the batch over if there is room; otherwise it grows on. True when nothing waits any more.
    pub fn flush(&mut self) -> bool {
        if self.is_empty() {
            return true;
        }
        if self.events.max_capacity() - self.events.capacity() >= WAITING && !self.events.is_closed() {
            return false;
        }
        match self.events.clone().try_reserve() {
            Ok(permit) => {
                let batch = self.take();
                permit.send(Event::Batch(batch));
                true
            }
            Err(TrySendError::Full(())) => false,
            Err(TrySendError::Closed(())) => {
                self.closed = true;
                false
            }
        }
    }

    /// The batch, with its payloads.
    pub fn take(&mut self) -> Batch {
        // Counted messages precede the ones kept: they are older.
        let payloads = self.arena.split().freeze();
        for (message, (start, len)) in self.batch.messages.iter_mut().zip(self.spans.drain(..)) {
            if start != u32::MAX {
                let start = start as usize;
                message.payload = Some(payloads.slice(start..start + len as usize));
            }
        }
        self.merged.clear();
        self.batch.topics = self.topics.take_fresh();
        self.batch.beyond = self.topics.take_beyond();
        std::mem::take(&mut self.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_console_gets_exact_counts_later() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut batcher = Batcher::new(Topics::new(Vec::new(), 0), sender);
        batcher.push("a", b"x", 0);
        assert!(batcher.flush());
        // The channel is full now: everything below is held, merged, and still counted.
        let total = HELD * 3 + 5;
        for i in 0..total {
            batcher.push(if i % 3 == 0 { "a" } else { "b" }, &[0; 300], i as Ms);
            if i % 100 == 0 {
                assert!(!batcher.flush());
            }
        }
        assert!(batcher.len() <= HELD);
        assert!(batcher.arena.len() <= HELD_BYTES);
        let Some(Event::Batch(first)) = receiver.blocking_recv() else { panic!("no batch") };
        assert_eq!(first.messages.first().unwrap().payload.as_deref(), Some(&b"x"[..]));
        assert!(batcher.flush());
        let Some(Event::Batch(second)) = receiver.blocking_recv() else { panic!("no batch") };
        let counted: u32 = second.counted.iter().map(|c| c.count).sum();
        assert_eq!(counted as usize + second.messages.len(), total);
        let bytes: u64 = second.counted.iter().map(|c| c.bytes).sum();
        assert_eq!(bytes + second.messages.iter().map(|m| u64::from(m.len)).sum::<u64>(), total as u64 * 300);
        assert_eq!(second.counted.len(), 2);
    }
}
