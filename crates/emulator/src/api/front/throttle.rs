//! Requests a second for each operation: a token bucket of the documented rate. Time that runs N times as fast allows N times
//! as many.

use std::time::Instant;

use parking_lot::Mutex;

use crate::api::routes::{self, Route};

/// Requests a bucket holds when full, as a multiple of its rate; AWS documents none.
const BURST: f64 = 2.0;
/// The smallest bucket: even a 1 TPS operation can be called a few times in a row.
const SMALLEST: f64 = 10.0;

struct Bucket {
    rate: f64,
    size: f64,
    level: Mutex<(f64, Instant)>,
}

/// One bucket for each row of the route table.
pub struct Throttle(Vec<Bucket>);

impl Throttle {
    /// Full buckets, for time that runs at `speed`.
    pub fn new(speed: f64) -> Self {
        Self::of(routes::all(), speed)
    }

    fn of(routes: impl Iterator<Item = &'static Route>, speed: f64) -> Self {
        let now = Instant::now();
        let bucket = |route: &Route| {
            let rate = f64::from(route.tps) * speed.max(1.0);
            let size = (rate * BURST).max(SMALLEST);
            Bucket { rate, size, level: Mutex::new((size, now)) }
        };
        Self(routes.map(bucket).collect())
    }

    /// May the operation of that row run now?
    pub(super) fn admit(&self, index: usize) -> bool {
        self.admit_at(index, Instant::now())
    }

    fn admit_at(&self, index: usize, now: Instant) -> bool {
        let Some(bucket) = self.0.get(index).filter(|b| b.rate > 0.0) else { return true };
        let mut level = bucket.level.lock();
        let gained = now.saturating_duration_since(level.1).as_secs_f64() * bucket.rate;
        *level = ((level.0 + gained).min(bucket.size), now);
        if level.0 < 1.0 {
            return false;
        }
        level.0 -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::routes::routes;
    use crate::api::{ApiError, Req, Resp};

    fn nothing(_: &Req) -> Result<Resp, ApiError> {
        Resp::empty()
    }

    #[test]
    fn a_bucket_empties_at_its_burst_and_fills_at_its_rate() {
        static ROWS: &[Route] = routes! {
            Iot {
                Limited   GET "/x" 10 nothing,
                Unlimited GET "/y" 0  nothing,
            }
        };
        let throttle = Throttle::of(ROWS.iter(), 1.0);
        let start = Instant::now();
        assert_eq!((0..100).filter(|_| throttle.admit_at(0, start)).count(), 20);
        assert_eq!((0..100).filter(|_| throttle.admit_at(1, start)).count(), 100);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..100).filter(|_| throttle.admit_at(0, later)).count(), 5);
        let faster = Throttle::of(ROWS.iter(), 4.0);
        assert_eq!((0..100).filter(|_| faster.admit_at(0, start)).count(), 80);
    }
}
