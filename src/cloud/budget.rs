//! Requests a second for each API, shared by everything that reads: AWS counts ten calls a second over all consoles and
//! Lambdas of an account (docs/aws-iot.md#6.15), so a console takes half at most, and less when it is told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Half of AWS's usual ten.
const RATE: f64 = 5.0;
/// What may come at once after a pause.
const BURST: f64 = 10.0;
/// Never slower: five minutes a request is as good as none.
const SLOWEST: f64 = 1.0 / 60.0;
/// A `Retry-After` longer than this is not waited for within one read.
const PATIENCE: Duration = Duration::from_secs(20);

/// The budget of all APIs. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Arc<Mutex<HashMap<&'static str, Bucket>>>);

#[derive(Debug)]
struct Bucket {
    rate: f64,
    level: f64,
    at: Instant,
    held_until: Option<Instant>,
}

impl Bucket {
    fn new(now: Instant) -> Self {
        Self { rate: RATE, level: BURST, at: now, held_until: None }
    }

    /// Takes one request; how long to wait before it is made.
    fn take(&mut self, now: Instant) -> Duration {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        self.level = (self.level + gained).min(BURST) - 1.0;
        self.at = now;
        let for_rate =
            if self.level < 0.0 { Duration::from_secs_f64(-self.level / self.rate) } else { Duration::ZERO };
        let for_hold = self.held_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        for_rate.max(for_hold)
    }

    fn throttled(&mut self, now: Instant, retry_after: Option<Duration>) -> Duration {
        self.rate = (self.rate / 2.0).max(SLOWEST);
        self.level = self.level.min(0.0);
        let hold = retry_after.unwrap_or_else(|| Duration::from_secs_f64((1.0 / self.rate).min(60.0)));
        let until = now + hold;
        self.held_until = Some(self.held_until.map_or(until, |known| known.max(until)));
        hold
    }

    fn went_well(&mut self) {
        self.rate = (self.rate * 1.05).min(RATE);
    }
}

impl Budget {
    fn with<T>(&self, action: &'static str, act: impl FnOnce(&mut Bucket, Instant) -> T) -> T {
        let now = Instant::now();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(buckets.entry(action).or_insert_with(|| Bucket::new(now)), now)
    }

    /// Waits until a request of `action` may be made.
    pub(super) async fn take(&self, action: &'static str) {
        let wait = self.with(action, Bucket::take);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// AWS said that it is too much; true when it is worth trying again within the same read.
    pub(super) fn throttled(&self, action: &'static str, retry_after: Option<Duration>) -> bool {
        self.with(action, |bucket, now| bucket.throttled(now, retry_after)) <= PATIENCE
    }

    pub(super) fn went_well(&self, action: &'static str) {
        self.with(action, |bucket, _| bucket.went_well());
    }

    /// How long an API rests because it was told to.
    pub(super) fn held(&self, action: &'static str) -> Duration {
        self.with(action, |bucket, now| {
            bucket.held_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_spaces_requests_slows_when_told_and_recovers() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let waits: Vec<Duration> = (0..20).map(|_| bucket.take(start)).collect();
        assert!(waits.iter().take(10).all(Duration::is_zero));
        assert_eq!(waits.last(), Some(&Duration::from_secs(2)), "ten more at five a second");
        let later = start + Duration::from_secs(10);
        assert_eq!(bucket.throttled(later, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert!(bucket.take(later) >= Duration::from_secs(7));
        assert!(bucket.take(later + Duration::from_secs(60)).is_zero());
        assert!((bucket.rate - RATE / 2.0).abs() < 1e-9);
        for _ in 0..100 {
            bucket.went_well();
        }
        assert!((bucket.rate - RATE).abs() < 1e-9);
        for _ in 0..50 {
            bucket.throttled(later, None);
        }
        assert!(bucket.rate >= SLOWEST);
    }
}
