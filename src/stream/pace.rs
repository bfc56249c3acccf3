//! How dense the traffic is, and when what was gathered is due to be handed over.

use std::time::{Duration, Instant};

/// Traffic is dense from this many messages in [`WINDOW`]: 250 a second.
const DENSE: u32 = 25;
/// See [`DENSE`].
const WINDOW: Duration = Duration::from_millis(100);
/// A dense stream is handed over this often; a quiet one at once. Well under the second within which a first bad message
/// is to be told.
pub(super) const HAND_OVER: Duration = Duration::from_millis(100);

/// The pace of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    heard: u32,
    before: u32,
    flushed: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        let now = Instant::now();
        Self { since: now, heard: 0, before: 0, flushed: now }
    }
}

impl Pace {
    pub(super) fn heard(&mut self) {
        self.heard += 1;
    }

    /// Looked at when there is nothing to read.
    pub(super) fn is_dense(&mut self) -> bool {
        let elapsed = self.since.elapsed();
        if elapsed >= WINDOW {
            self.before = if elapsed < WINDOW * 2 { self.heard } else { 0 };
            self.heard = 0;
            self.since = Instant::now();
        }
        self.before >= DENSE || self.heard >= DENSE
    }

    /// How long the socket may fill before the next read: it is waking up for each packet that costs (performance.md). The
    /// denser the traffic, the shorter, so that what the system buffers for us is never full.
    pub(super) fn pause(&self) -> Duration {
        match self.before.max(self.heard) {
            ..200 => HAND_OVER,
            200..1_500 => Duration::from_millis(40),
            1_500..4_000 => Duration::from_millis(15),
            _ => Duration::from_millis(5),
        }
    }

    /// After the next pause it would be late.
    pub(super) fn is_due_soon(&self) -> bool {
        self.flushed.elapsed() + self.pause() / 2 >= HAND_OVER
    }

    /// How long until what was gathered is handed over.
    pub(super) fn until_due(&self) -> Duration {
        HAND_OVER.saturating_sub(self.flushed.elapsed())
    }

    pub(super) fn is_due(&mut self) -> bool {
        // Looking at the clock for each message would cost more than the message.
        if !self.heard.is_multiple_of(64) && self.heard != 0 {
            return false;
        }
        let due = self.flushed.elapsed() >= HAND_OVER;
        if due {
            self.flushed = Instant::now();
        }
        due
    }

    pub(super) fn flushed(&mut self) {
        self.flushed = Instant::now();
    }
}
