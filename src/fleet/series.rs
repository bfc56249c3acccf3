//! Largest payload per interval over ten minutes and over an hour, in a few bytes a device.
//!
//! A bucket holds the largest length seen in it, packed into 16 bits: exact up to 2047 and within 0.1 % above, which no
//! sparkline can show. Buckets are aligned to the epoch, so the same messages give the same picture however they were
//! split into batches.

use super::Ms;

/// Length of a fine bucket.
const FINE: Ms = 10_000;
/// Fine buckets kept: a little more than ten minutes.
const FINES: usize = 64;
/// Length of a coarse bucket.
const COARSE: Ms = 120_000;
/// Coarse buckets kept: a little more than an hour.
const COARSES: usize = 32;

/// One column of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Nobody listened: before the start, or while the connection was down.
    NotWatching,
    /// Listened, and no message came.
    Silent,
    /// The largest payload heard, in bytes.
    Largest(u32),
}

/// A device's sizes over time.
#[derive(Clone, Debug)]
pub struct Series {
    fine: [u16; FINES],
    coarse: [u16; COARSES],
    newest_fine: Ms,
    newest_coarse: Ms,
}

impl Default for Series {
    fn default() -> Self {
        Self { fine: [0; FINES], coarse: [0; COARSES], newest_fine: Ms::MIN, newest_coarse: Ms::MIN }
    }
}

/// Packs a length into 16 bits, order kept: five bits of shift, eleven of value.
pub(super) fn pack(len: u32) -> u16 {
    let shift = (32 - len.leading_zeros()).saturating_sub(11);
    // After the shift the value fits in eleven bits; for a shifted one the leading bit is always set, so order holds.
    ((shift << 11) | (len >> shift)) as u16
}

/// The length a packed value stands for.
pub(super) fn unpack(packed: u16) -> u32 {
    (u32::from(packed) & 0x7ff) << (packed >> 11)
}

/// Zero means "no message", so a bucket keeps the packed length plus one.
fn raise(ring: &mut [u16], newest: &mut Ms, index: Ms, packed: u16) {
    let slots = ring.len() as Ms;
    if *newest == Ms::MIN || index - *newest >= slots {
        ring.fill(0);
        *newest = index;
    } else if index > *newest {
        for i in (*newest + 1)..=index {
            if let Some(slot) = ring.get_mut(i.rem_euclid(slots) as usize) {
                *slot = 0;
            }
        }
        *newest = index;
    } else if *newest - index >= slots {
        return;
    }
    if let Some(slot) = ring.get_mut(index.rem_euclid(slots) as usize) {
        *slot = (*slot).max(packed.saturating_add(1));
    }
}

impl Series {
    /// Notes a payload of `len` bytes received at `at`.
    pub(super) fn note(&mut self, at: Ms, len: u32) {
        let packed = pack(len);
        raise(&mut self.fine, &mut self.newest_fine, at.div_euclid(FINE), packed);
        raise(&mut self.coarse, &mut self.newest_coarse, at.div_euclid(COARSE), packed);
    }

    /// The largest length heard since `since`, as far as ten minutes back.
    pub(super) fn largest_since(&self, since: Ms) -> Option<u32> {
        let first = since.div_euclid(FINE).max(self.newest_fine.saturating_sub(FINES as Ms - 1));
        (first..=self.newest_fine).filter_map(|i| Self::at(&self.fine, self.newest_fine, i)).max()
    }

    fn at(ring: &[u16], newest: Ms, index: Ms) -> Option<u32> {
        let slots = ring.len() as Ms;
        if newest == Ms::MIN || index > newest || newest - index >= slots {
            return None;
        }
        match ring.get(index.rem_euclid(slots) as usize) {
            None | Some(0) => None,
            Some(kept) => Some(unpack(kept - 1)),
        }
    }

    /// Fills `out` with `columns` columns that together cover the `span` milliseconds before `now`, oldest first. A
    /// column shows the largest payload of every bucket it touches, so that a device speaking once a bucket has no
    /// holes from rounding. `watch` tells silence from not listening.
    pub fn columns<'a>(
        &self,
        watch: impl Into<super::Listening<'a>>,
        now: Ms,
        span: Ms,
        columns: usize,
        out: &mut Vec<Column>,
    ) {
        let watch = watch.into();
        out.clear();
        let count = columns as Ms;
        if count == 0 || span <= 0 {
            return;
        }
        let fine = span <= FINE * (FINES as Ms - 1);
        let (ring, newest, width): (&[u16], Ms, Ms) = if fine {
            (&self.fine, self.newest_fine, FINE)
        } else {
            (&self.coarse, self.newest_coarse, COARSE)
        };
        // Columns are aligned to whole column widths: they move left in steps instead of flickering.
        let step = (span / count).max(1);
        let end = (now.div_euclid(step) + 1) * step;
        for c in 0..count {
            let from = end - (count - c) * step;
            let to = from + step;
            let first = from.div_euclid(width);
            let last = (to - 1).div_euclid(width);
            let largest = (first..=last).filter_map(|i| Self::at(ring, newest, i)).max();
            // A bucket is wider than a column: what was heard before and after a gap must not cover it.
            out.push(match largest.filter(|_| !watch.misses(from, to)) {
                Some(len) => Column::Largest(len),
                None if watch.covers(from, to.min(now)) => Column::Silent,
                None => Column::NotWatching,
            });
        }
    }
}
