//! The messages of a device that sent more than a few: sums, rings and its ordinary.
//!
//! 256 bytes and the [`Series`]. [`Many::note`] is the hot path: a few stores, no allocation, no hashing.

use crate::Ms;
use crate::baseline::{Baseline, Ledger, Signal};
use crate::kept::KeptTraffic;
use crate::series::{Series, pack, unpack};

use super::{BUCKET, BUCKETS, Heard, INTERVALS, SLOT, is_chosen, median};

/// Sizes kept for the typical size.
const SAMPLES: usize = 24;

/// A device's messages, added up.
#[derive(Clone, Debug)]
pub(crate) struct Many {
    pub(super) received: u64,
    pub(super) bytes: u64,
    pub(super) first: Ms,
    pub(super) last_len: u32,
    pub(super) baseline: Baseline,
    /// Where the next sample goes; [`SAMPLES`] more once all are filled.
    slots: u8,
    in_slot: u32,
    /// As `slots`, for the intervals.
    interval_count: u8,
    intervals: [u16; INTERVALS],
    samples: [u16; SAMPLES],
    counts: [u16; BUCKETS],
    pub(super) series: Series,
}

/// Puts `value` over the oldest; `next` counts on to twice the length, so that it also tells how many there are.
fn push(ring: &mut [u16], next: &mut u8, value: u16) {
    let length = ring.len();
    if let Some(kept) = ring.get_mut(usize::from(*next) % length.max(1)) {
        *kept = value;
    }
    *next += 1;
    if usize::from(*next) >= 2 * length {
        *next -= length as u8;
    }
}

impl Many {
    pub(super) fn new(at: Ms) -> Self {
        Self {
            received: 0,
            bytes: 0,
            first: at,
            last_len: 0,
            baseline: Baseline::default(),
            slots: 0,
            in_slot: 0,
            interval_count: 0,
            intervals: [0; INTERVALS],
            samples: [0; SAMPLES],
            counts: [0; BUCKETS],
            series: Series::default(),
        }
    }

    /// What it takes to go on after a restart.
    pub(super) fn keep(&self) -> KeptTraffic {
        KeptTraffic {
            first: self.first,
            last: self.last(),
            last_len: self.last_len,
            intervals: self.intervals.to_vec(),
            interval_count: self.interval_count,
            baseline: self.baseline.clone(),
        }
    }

    /// Goes on from what was kept: nothing was received since the start, and yet it is known how the device speaks.
    pub(super) fn resumed(kept: KeptTraffic) -> Self {
        let mut intervals = [0; INTERVALS];
        for (to, from) in intervals.iter_mut().zip(kept.intervals) {
            *to = from;
        }
        let interval_count = kept.interval_count.min(2 * INTERVALS as u8 - 1);
        let mut series = Series::default();
        series.note(kept.last, kept.last_len);
        Self {
            last_len: kept.last_len,
            baseline: kept.baseline,
            interval_count,
            intervals,
            series,
            ..Self::new(kept.first)
        }
    }

    /// One message, or `count` messages of which only the sum, the largest and the last are known. What is out of the
    /// device's ordinary, or back in it, goes to `out`. Since `since` it was listened to and not held back by a response:
    /// the pause before is not its own.
    pub(super) fn note(
        &mut self,
        at: Ms,
        since: Ms,
        heard: Heard,
        ledger: &mut Ledger,
        out: &mut Vec<Signal>,
    ) {
        let last_at = self.last();
        let Heard { count, bytes, largest, last, shape } = heard;
        self.received += u64::from(count);
        self.bytes += bytes;
        out.extend(self.count(at, since, count, ledger));
        self.series.note(at, largest);
        if at < last_at {
            return;
        }
        if last_at != Ms::MIN && last_at >= since {
            let interval = (at - last_at) / Ms::from(count.max(1));
            self.baseline.pause(interval);
            let packed = pack(u32::try_from(interval).unwrap_or(u32::MAX));
            for _ in 0..count.min(INTERVALS as u32) {
                push(&mut self.intervals, &mut self.interval_count, packed);
            }
        }
        self.last_len = last;
        out.extend(self.baseline.size(largest, ledger));
        out.extend(self.baseline.shape(shape));
        self.sample(at, last_at, last, ledger);
    }

    /// When it was last heard; the least time there is before the first message.
    pub(super) fn last(&self) -> Ms {
        self.series.last()
    }

    fn count(&mut self, at: Ms, since: Ms, count: u32, ledger: &Ledger) -> Option<Signal> {
        let index = at.div_euclid(BUCKET);
        let slots = BUCKETS as Ms;
        let last = self.last();
        let newest = if last == Ms::MIN { index } else { last.div_euclid(BUCKET) };
        let mut signal = None;
        if index > newest {
            let over = self.counts.get(newest.rem_euclid(slots) as usize).copied().unwrap_or(0);
            // A minute is the twelve buckets up to the one that is over; the thirteenth is the oldest.
            let oldest = self.counts.get((newest + 1).rem_euclid(slots) as usize).copied().unwrap_or(0);
            let minute = self.counts.iter().map(|c| u32::from(*c)).sum::<u32>() - u32::from(oldest);
            let empty = u32::try_from(index - newest - 1).unwrap_or(u32::MAX);
            // How much came while nobody listened is not known.
            if self.received > u64::from(count) && last >= since {
                signal = self.baseline.rolled(over, minute, empty, ledger);
            }
            for i in (newest + 1).max(index - slots + 1)..=index {
                if let Some(slot) = self.counts.get_mut(i.rem_euclid(slots) as usize) {
                    *slot = 0;
                }
            }
        } else if newest - index >= slots {
            return signal;
        }
        if let Some(slot) = self.counts.get_mut(index.rem_euclid(slots) as usize) {
            *slot = slot.saturating_add(u16::try_from(count).unwrap_or(u16::MAX));
            let now = *slot;
            return signal.or_else(|| self.baseline.bucket(now));
        }
        signal
    }

    fn sample(&mut self, at: Ms, before: Ms, len: u32, ledger: &Ledger) {
        if at.div_euclid(SLOT) == before.div_euclid(SLOT) {
            self.in_slot = self.in_slot.saturating_add(1);
            if is_chosen(self.received, self.in_slot)
                && let Some(kept) = self.samples.get_mut((usize::from(self.slots) + SAMPLES - 1) % SAMPLES)
            {
                *kept = pack(len);
            }
            return;
        }
        self.in_slot = 1;
        push(&mut self.samples, &mut self.slots, pack(len));
        let mut samples = self.samples.map(unpack);
        let kept = samples.get_mut(..usize::from(self.slots).min(SAMPLES)).unwrap_or_default();
        let cadence = self.cadence();
        self.baseline.learn(len, kept, cadence, ledger);
    }

    /// Median of the sizes kept: the last two dozen, at most one of each second.
    pub(super) fn p50(&self) -> Option<u32> {
        let mut sizes = self.samples;
        median(sizes.get_mut(..usize::from(self.slots).min(SAMPLES))?)
    }

    /// Median of the last intervals: one missed or doubled message does not change it.
    pub(super) fn cadence(&self) -> Option<Ms> {
        let mut intervals = self.intervals;
        median(intervals.get_mut(..usize::from(self.interval_count).min(INTERVALS))?).map(Ms::from)
    }

    /// How many intervals the cadence is the median of.
    pub(super) fn intervals(&self) -> usize {
        usize::from(self.interval_count).min(INTERVALS)
    }

    /// How many came in the minute up to `now`, in the running bucket and the twelve before it.
    pub(super) fn in_a_minute(&self, now: Ms) -> u64 {
        let index = now.div_euclid(BUCKET);
        let slots = BUCKETS as Ms;
        let newest = self.last().div_euclid(BUCKET);
        (index - slots + 1..=index)
            .filter(|i| *i <= newest && newest - *i < slots)
            .map(|i| u64::from(self.counts.get(i.rem_euclid(slots) as usize).copied().unwrap_or(0)))
            .sum()
    }
}
