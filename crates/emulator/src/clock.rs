//! One time scale for everything that takes time in AWS.
//!
//! `--speed N` divides the emulator's *durations* (metric windows, the policy cache, the certificate delay, the alert
//! latency, device cadence). Timestamps stay wall-clock: a client that signs requests or reads `lastViolationTime` must
//! never see a time that is not now.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall time, and the factor by which durations shrink.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    speed: f64,
    ahead_ms: i64,
}

impl Clock {
    /// A clock whose durations are divided by `speed`, which is clamped to 0.01..=10,000.
    pub fn new(speed: f64) -> Self {
        Self { speed: if speed.is_finite() { speed.clamp(0.01, 10_000.0) } else { 1.0 }, ahead_ms: 0 }
    }

    /// The same clock, ahead of this machine's: what a client meets whose own clock is slow.
    pub fn ahead(self, by: Duration) -> Self {
        Self { ahead_ms: i64::try_from(by.as_millis()).unwrap_or(0), ..self }
    }

    /// True when it shows another time than this machine.
    pub fn is_ahead(&self) -> bool {
        self.ahead_ms != 0
    }

    /// The factor durations are divided by.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64) + self.ahead_ms
    }

    /// Seconds since the Unix epoch, with fraction, as the control plane's JSON bodies carry them.
    pub fn now_secs(&self) -> f64 {
        self.now_ms() as f64 / 1000.0
    }

    /// How long `real` (a duration of AWS's documentation) takes here.
    pub fn scaled(&self, real: Duration) -> Duration {
        real.div_f64(self.speed)
    }

    /// [`Clock::scaled`] for whole seconds, in milliseconds, at least 1.
    pub fn scaled_secs_ms(&self, real_secs: u64) -> i64 {
        ((real_secs as f64 * 1000.0 / self.speed) as i64).max(1)
    }
}
