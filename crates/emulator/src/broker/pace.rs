//! The rate of one connection: AWS lets 100 messages and 512 KB a second through, in and out together, and silently discards
//! what goes beyond (docs/aws-iot.md#3.3).

use std::time::Instant;

use super::limits::Limits;
use crate::broker::Principal;

/// A token bucket of messages and one of bytes, each as large as one second's worth.
pub(super) struct Pace {
    /// Messages and bytes a second; `None` without limits.
    rates: Option<(f64, f64)>,
    level: (f64, f64),
    at: Instant,
    held: bool,
    discarded: u64,
}

impl Pace {
    /// For a connection of `who`. Time that runs `speed` times as fast allows as many times as much; whoever came through the
    /// plain listener is nobody AWS would serve, and has no limits.
    pub(super) fn new(who: &Principal, limits: &Limits, speed: f64) -> Self {
        if matches!(who, Principal::Anonymous) {
            return Self::unlimited();
        }
        let speed = speed.max(1.0);
        Self::of(f64::from(limits.messages_per_second) * speed, f64::from(limits.bytes_per_second) * speed)
    }

    pub(super) fn of(messages: f64, bytes: f64) -> Self {
        let rates = (messages, bytes);
        Self { rates: Some(rates), level: rates, at: Instant::now(), held: false, discarded: 0 }
    }

    pub(super) fn unlimited() -> Self {
        Self { rates: None, level: (0.0, 0.0), at: Instant::now(), held: false, discarded: 0 }
    }

    /// May a message of so many bytes pass now? If so, it is counted.
    pub(super) fn admits(&mut self, bytes: usize) -> bool {
        let Some((messages, rate)) = self.rates else { return true };
        // A clock read for each message of a burst would cost more than the message.
        if self.level.0 < 1.0 || self.level.1 < bytes as f64 {
            let now = Instant::now();
            let gone = now.saturating_duration_since(self.at).as_secs_f64();
            self.level =
                ((self.level.0 + gone * messages).min(messages), (self.level.1 + gone * rate).min(rate));
            self.at = now;
        }
        // One message larger than a second's worth passes when the bucket is full.
        let needed = (bytes as f64).min(rate);
        if self.level.0 < 1.0 || self.level.1 < needed {
            return false;
        }
        self.level.0 -= 1.0;
        self.level.1 -= needed;
        true
    }

    /// A message waits for its turn (or none does).
    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Does a message wait for its turn?
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// Counts a message that was let go.
    pub(super) fn discarded(&mut self, it_was: bool) {
        self.discarded += u64::from(it_was);
    }

    /// Messages let go since the last call.
    pub(super) fn take_discarded(&mut self) -> u64 {
        std::mem::take(&mut self.discarded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_so_many_messages_and_bytes() {
        let mut pace = Pace::of(0.001, 0.001);
        pace.level = (3.0, 10.0);
        assert!(pace.admits(0) && pace.admits(0));
        let mut pace = Pace::of(100.0, 1000.0);
        assert_eq!(
            (0..1000).filter(|_| pace.admits(1)).count() / 10,
            10,
            "a hundred, and few more while counting"
        );
        let mut pace = Pace::of(1e6, 1000.0);
        assert!(pace.admits(5000), "whatever is larger takes a whole second's worth");
        assert!(!pace.admits(900));
        assert!((0..10_000).all(|_| Pace::unlimited().admits(1 << 30)));
    }
}
