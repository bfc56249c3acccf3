//! The messages kept to be looked at: a ring with a budget for payload bytes. Payloads are let go oldest first; the
//! totals never forget.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Ms;

/// A kept message.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Grows by one with every kept message; never reused, so that a paused view can hold on to it.
    pub seq: u64,
    /// The topic's number: [`super::Fleet::topic`].
    pub topic: u32,
    /// Payload length in bytes.
    pub len: u32,
    /// When it was received.
    pub at: Ms,
    /// The payload, unless it was let go.
    pub payload: Option<Bytes>,
}

/// The ring and its totals.
#[derive(Debug, Default)]
pub struct MessageLog {
    ring: VecDeque<Kept>,
    length: usize,
    budget: u64,
    held: u64,
    /// How many messages at the front of the ring have been looked at for a payload to let go.
    bare: usize,
    next: u64,
    received: u64,
    bytes: u64,
    let_go: u64,
    merged: u64,
}

/// What one small payload costs besides its bytes: its share of an allocation.
const OVERHEAD: u64 = 32;

impl MessageLog {
    /// Another budget; what is over it is let go with the next message.
    pub(super) fn set_budget(&mut self, budget: u64) {
        self.budget = budget;
    }

    pub(super) fn new(length: usize, budget: u64) -> Self {
        Self { length: length.max(1), budget, ..Self::default() }
    }

    pub(super) fn push(&mut self, topic: u32, len: u32, at: Ms, payload: Option<Bytes>) {
        self.received += 1;
        self.bytes += u64::from(len);
        match &payload {
            Some(bytes) => self.held += bytes.len() as u64 + OVERHEAD,
            None => self.let_go += 1,
        }
        if self.ring.len() >= self.length
            && let Some(old) = self.ring.pop_front()
        {
            self.bare = self.bare.saturating_sub(1);
            if let Some(bytes) = old.payload {
                self.held -= bytes.len() as u64 + OVERHEAD;
                self.let_go += 1;
            }
        }
        self.ring.push_back(Kept { seq: self.next, topic, len, at, payload });
        self.next += 1;
        while self.held > self.budget
            && let Some(kept) = self.ring.get_mut(self.bare)
        {
            if let Some(bytes) = kept.payload.take() {
                self.held -= bytes.len() as u64 + OVERHEAD;
                self.let_go += 1;
            }
            self.bare += 1;
        }
    }

    pub(super) fn count(&mut self, messages: u64, bytes: u64) {
        self.received += messages;
        self.bytes += bytes;
        self.merged += messages;
        self.let_go += messages;
    }

    /// Kept messages, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Kept> + ExactSizeIterator {
        self.ring.iter()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// True when none is kept.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// A kept message by its position, 0 the oldest.
    pub fn get(&self, position: usize) -> Option<&Kept> {
        self.ring.get(position)
    }

    /// The position of a sequence number, if it is still kept.
    pub fn position(&self, seq: u64) -> Option<usize> {
        let first = self.ring.front()?.seq;
        let position = usize::try_from(seq.checked_sub(first)?).ok()?;
        (position < self.ring.len()).then_some(position)
    }

    /// Messages received since the start: exact.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Payload bytes received since the start: exact.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Messages whose payload is no longer, or never was, kept.
    pub fn let_go(&self) -> u64 {
        self.let_go
    }

    /// Messages that were counted without being handed over one by one, because the console was busy.
    pub fn merged(&self) -> u64 {
        self.merged
    }

    /// Bytes the kept payloads take.
    pub fn held(&self) -> u64 {
        self.held
    }
}
