//! Messages in five seconds and in a minute: bursts, and more than ever.

use super::{Baseline, Ledger, Signal, WarningKind};

/// Five-second buckets heard before a device has an ordinary rate: two minutes.
const BUCKETS: u16 = 24;

impl Baseline {
    /// The running five-second bucket has so many.
    #[inline]
    pub(crate) fn bucket(&mut self, count: u16) -> Option<Signal> {
        if self.buckets < BUCKETS || count <= self.burst || self.rate_out {
            return None;
        }
        self.rate_out = true;
        let usual = self.bucket_mean;
        let times = f32::from(count) / usual.max(0.01);
        let text = format!("{count} messages in 5 s, usually {usual:.1}");
        let sentence = format!(
            "{count} messages within 5 s; usually {usual:.1}, never more than {:.0} before",
            self.bucket_peak
        );
        Some(Signal::Raise(WarningKind::Rate, times, text, sentence))
    }

    /// A bucket is over: it had `count`, the minute up to its end `minute`; `empty` buckets without a message followed.
    pub(crate) fn rolled(&mut self, count: u16, minute: u32, empty: u32, ledger: &Ledger) -> Option<Signal> {
        self.buckets = self.buckets.saturating_add(1);
        let (count, minute) = (f32::from(count), minute as f32);
        let mut signal = None;
        if self.buckets >= BUCKETS {
            if minute > self.minute_limit {
                if !self.rate_out {
                    let usual = self.minute_mean;
                    let text = format!("{minute:.0} messages a minute, usually {usual:.1}");
                    let sentence = format!(
                        "{minute:.0} messages within a minute; usually {usual:.1}, never more than {:.0} before",
                        self.minute_peak
                    );
                    let times = minute / usual.max(0.1);
                    signal = Some(Signal::Raise(WarningKind::Rate, times, text, sentence));
                }
                self.rate_out = true;
            } else if self.rate_out && count <= f32::from(self.burst) {
                self.rate_out = false;
                signal = Some(Signal::Calm(WarningKind::Rate));
            }
        }
        // While out of the ordinary the ordinary moves slowly.
        let weight = if self.rate_out { 0.001 } else { (1.0 / f32::from(self.buckets)).max(0.004) };
        let silent = (1.0 - weight).powi(empty.min(1_000) as i32);
        self.bucket_mean = (self.bucket_mean + weight * (count - self.bucket_mean)) * silent;
        let off = minute - self.minute_mean;
        self.minute_mean += weight * off;
        self.minute_var += weight * (off * off - self.minute_var);
        if !self.rate_out {
            self.bucket_peak = (self.bucket_peak * 0.9995).max(count);
            self.minute_peak = (self.minute_peak * 0.9995).max(minute);
        }
        let z = ledger.budget.deviations(17_280.0);
        // Poisson, with the correction of its longer tail; and at least twice what was ever seen.
        let chance = self.bucket_mean + z * self.bucket_mean.sqrt() + z * z / 3.0;
        self.burst = chance.max(2.0 * self.bucket_peak + 2.0).min(60_000.0) as u16;
        let spread = self.minute_mean + z * self.minute_var.sqrt();
        self.minute_limit = spread.max(1.5 * self.minute_peak + 3.0);
        signal
    }
}
