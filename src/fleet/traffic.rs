//! What one device's messages add up to: totals, rate, cadence, typical size, and when a size is out of its own ordinary.
//!
//! About 400 bytes, allocated with the first message. [`Traffic::note`] is the hot path: a few stores, no allocation,
//! no hashing. Medians are computed when somebody looks.

use super::Ms;
use super::series::{Series, pack, unpack};

/// Intervals kept for the cadence.
const INTERVALS: usize = 8;
/// Sizes kept for the typical size.
const SAMPLES: usize = 24;
/// At most one size is kept a second, chosen evenly among those of that second: a fast device's burst must not
/// replace its history.
const SLOT: Ms = 1_000;
/// Length of a bucket of the rate.
const BUCKET: Ms = 5_000;
/// Buckets of the rate: a minute and the running one.
const BUCKETS: usize = 13;
/// Sizes heard before a device has an ordinary one.
const LEARN: u32 = 8;
/// How far one size moves the ordinary one, in octaves: a doubling becomes ordinary after some 300 sizes.
const DRIFT: f32 = 0.003;
/// Octaves above the ordinary size at which the warning begins, and at which it ends.
const WARN: f32 = 1.0;
/// See [`WARN`].
const CALM: f32 = 0.58;

/// A device's messages, added up.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) received: u64,
    pub(super) bytes: u64,
    pub(super) first: Ms,
    pub(super) last: Ms,
    pub(super) last_len: u32,
    /// The ordinary size, log2.
    ordinary: f32,
    slots: u32,
    slot: Ms,
    in_slot: u32,
    interval_count: u32,
    intervals: [u16; INTERVALS],
    samples: [u16; SAMPLES],
    counts: [u16; BUCKETS],
    newest: Ms,
    pub(super) series: Series,
}

/// What a message did to the judgement of a device's sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Judged {
    /// Nothing new.
    Same,
    /// Ordinary again.
    Calm,
    /// This many times the ordinary size.
    Times(f32),
}

impl Traffic {
    pub(super) fn new(at: Ms) -> Self {
        Self {
            received: 0,
            bytes: 0,
            first: at,
            last: Ms::MIN,
            last_len: 0,
            ordinary: 0.0,
            slots: 0,
            slot: Ms::MIN,
            in_slot: 0,
            interval_count: 0,
            intervals: [0; INTERVALS],
            samples: [0; SAMPLES],
            counts: [0; BUCKETS],
            newest: at.div_euclid(BUCKET),
            series: Series::default(),
        }
    }

    /// One message, or `count` messages of which only the sum, the largest and the last are known.
    pub(super) fn note(&mut self, at: Ms, count: u32, bytes: u64, largest: u32, last: u32) -> Judged {
        self.received += u64::from(count);
        self.bytes += bytes;
        self.count(at, count);
        self.series.note(at, largest);
        if at < self.last {
            return Judged::Same;
        }
        if self.last != Ms::MIN {
            let interval = (at - self.last) / Ms::from(count.max(1));
            let packed = pack(u32::try_from(interval).unwrap_or(u32::MAX));
            for _ in 0..count.min(INTERVALS as u32) {
                if let Some(kept) = self.intervals.get_mut(self.interval_count as usize % INTERVALS) {
                    *kept = packed;
                }
                self.interval_count = self.interval_count.wrapping_add(1).max(1);
            }
        }
        self.last = at;
        self.last_len = last;
        self.sample(at, last)
    }

    fn count(&mut self, at: Ms, count: u32) {
        let index = at.div_euclid(BUCKET);
        let slots = BUCKETS as Ms;
        if index > self.newest {
            for i in (self.newest + 1).max(index - slots + 1)..=index {
                if let Some(slot) = self.counts.get_mut(i.rem_euclid(slots) as usize) {
                    *slot = 0;
                }
            }
            self.newest = index;
        } else if self.newest - index >= slots {
            return;
        }
        if let Some(slot) = self.counts.get_mut(index.rem_euclid(slots) as usize) {
            *slot = slot.saturating_add(u16::try_from(count).unwrap_or(u16::MAX));
        }
    }

    fn sample(&mut self, at: Ms, len: u32) -> Judged {
        let slot = at.div_euclid(SLOT);
        if slot == self.slot {
            self.in_slot = self.in_slot.saturating_add(1);
            // Each of a second's messages is kept with the same likelihood; the choice is a hash, so that a replay
            // chooses the same.
            let hash = self.received.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
            if hash.is_multiple_of(u64::from(self.in_slot.max(1)))
                && let Some(kept) = self.samples.get_mut((self.slots as usize).wrapping_sub(1) % SAMPLES)
            {
                *kept = pack(len);
            }
            return Judged::Same;
        }
        self.slot = slot;
        self.in_slot = 1;
        if let Some(kept) = self.samples.get_mut(self.slots as usize % SAMPLES) {
            *kept = pack(len);
        }
        self.slots = self.slots.saturating_add(1);
        self.judge(len)
    }

    fn judge(&mut self, len: u32) -> Judged {
        if self.slots < LEARN {
            return Judged::Same;
        }
        if self.slots == LEARN {
            self.ordinary = log2(self.p50().unwrap_or(0));
            return Judged::Same;
        }
        let last = self.slots as usize;
        let mut recent =
            [1, 2, 3].map(|back| self.samples.get((last - back) % SAMPLES).copied().unwrap_or(0));
        recent.sort_unstable();
        let above = log2(unpack(recent.get(1).copied().unwrap_or(0))) - self.ordinary;
        if above < CALM {
            self.ordinary += (log2(len) - self.ordinary).clamp(-DRIFT, DRIFT);
            return Judged::Calm;
        }
        self.ordinary += DRIFT / 4.0;
        if above >= WARN { Judged::Times(above.exp2()) } else { Judged::Same }
    }

    /// Median of the sizes kept: the last two dozen, at most one of each second.
    pub(super) fn p50(&self) -> Option<u32> {
        let mut sorted = self.samples;
        let sorted = sorted.get_mut(..(self.slots as usize).min(SAMPLES))?;
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map(|kept| unpack(*kept))
    }

    /// Median of the last intervals: one missed or doubled message does not change it.
    pub(super) fn cadence(&self) -> Option<Ms> {
        let mut sorted = self.intervals;
        let sorted = sorted.get_mut(..(self.interval_count as usize).min(INTERVALS))?;
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map(|kept| Ms::from(unpack(*kept)))
    }

    /// Messages a minute: counted over the last minute, or from the cadence for a device that speaks less often.
    pub(super) fn per_minute(&self, now: Ms) -> f64 {
        let index = now.div_euclid(BUCKET);
        let slots = BUCKETS as Ms;
        let sum: u64 = (index - slots + 1..=index)
            .filter(|i| *i <= self.newest && self.newest - *i < slots)
            .map(|i| u64::from(self.counts.get(i.rem_euclid(slots) as usize).copied().unwrap_or(0)))
            .sum();
        let cadence = self.cadence().unwrap_or(0);
        if sum < 8 && cadence >= 6_000 {
            let overdue = now - self.last > cadence * 2 + 1_000;
            return if overdue { sum as f64 } else { 60_000.0 / cadence as f64 };
        }
        let over = (now - self.first.max((index - slots + 1) * BUCKET)).clamp(BUCKET, 65_000);
        sum as f64 * 60_000.0 / over as f64
    }
}

fn log2(len: u32) -> f32 {
    (len.max(1) as f32).log2()
}
