//! Largest payload per interval over ten minutes and over an hour, in a few bytes a device.
//!
//! A bucket holds the largest length seen in it, packed into 16 bits: exact up to 2047 and within 0.1 % above, which no
//! sparkline can show. Buckets are aligned to the epoch, so the same messages give the same picture however they were
//! split into batches. Fine buckets are shortest at first, so that a chart fills within half a minute, and twice as long each
//! time what is held no longer fits; what few messages fill has long ones sooner. A ring is as long as what it holds: a device
//! heard now and then for a minute takes 24 bytes, after ten minutes 192.

use super::Ms;

/// Length of a fine bucket at first.
const FINEST: Ms = 1_250;
/// How often it may double.
const DOUBLINGS: u8 = 3;
/// Length of a fine bucket in the end.
const FINE: Ms = FINEST << DOUBLINGS;
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
    last: Ms,
    /// How often fine buckets have doubled.
    doublings: u8,
    /// The fine ring, and the coarse one of half its length behind it; empty before the first message.
    rings: Box<[u16]>,
}

/// Fine buckets to begin with: both rings fill the smallest allocation.
const SHORTEST: usize = 8;

impl Default for Series {
    fn default() -> Self {
        Self { last: Ms::MIN, doublings: 0, rings: Box::default() }
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

fn slot(ring: &mut [u16], index: Ms) -> Option<&mut u16> {
    let slots = ring.len().max(1) as Ms;
    ring.get_mut(index.rem_euclid(slots) as usize)
}

/// True when the next bucket of `ring` is `index` and something would be lost that is younger than `most` buckets.
fn is_short(ring: &[u16], newest: Ms, index: Ms, most: usize) -> bool {
    let slots = ring.len() as Ms;
    if index <= newest {
        return newest - index >= slots && newest - index < most as Ms;
    }
    ((newest - slots).max(index - most as Ms) + 1..=newest.min(index - slots))
        .any(|i| Series::at(ring, newest, i).is_some())
}

/// Zero means "no message", so a bucket keeps the packed length plus one.
fn raise(ring: &mut [u16], newest: Ms, index: Ms, packed: u16) {
    let slots = ring.len() as Ms;
    if newest - index >= slots {
        return;
    }
    for i in (newest + 1).max(index - slots + 1)..=index {
        if let Some(slot) = slot(ring, i) {
            *slot = 0;
        }
    }
    if let Some(slot) = slot(ring, index) {
        *slot = (*slot).max(packed.saturating_add(1));
    }
}

impl Series {
    /// Notes a payload of `len` bytes received at `at`.
    pub(super) fn note(&mut self, at: Ms, len: u32) {
        if self.last == Ms::MIN {
            self.last = at;
            self.rings = vec![0; SHORTEST + SHORTEST / 2].into();
        }
        let coarse = at.div_euclid(COARSE);
        let newest_coarse = self.last.div_euclid(COARSE);
        if at.div_euclid(self.width()) != self.last.div_euclid(self.width()) {
            loop {
                let (fine, full) = (self.loses(at), self.fine().len() >= FINES);
                // Few messages do not fill short buckets: longer ones hold them as well, in less room.
                let sparse =
                    || self.fine().iter().filter(|kept| **kept > 0).count() * 3 < self.fine().len() * 2;
                if fine && self.doublings < DOUBLINGS && (full || sparse()) {
                    self.widen();
                } else if !full && (fine || is_short(self.coarse(), newest_coarse, coarse, COARSES)) {
                    self.lengthen();
                } else {
                    break;
                }
            }
        }
        let (fine, newest_fine) = (at.div_euclid(self.width()), self.last.div_euclid(self.width()));
        let packed = pack(len);
        let (fines, coarses) = self.rings.split_at_mut(self.rings.len() / 3 * 2);
        raise(fines, newest_fine, fine, packed);
        raise(coarses, newest_coarse, coarse, packed);
        self.last = self.last.max(at);
    }

    /// When a payload was last heard; the least time there is before the first.
    pub(super) fn last(&self) -> Ms {
        self.last
    }

    /// Length of a fine bucket now.
    fn width(&self) -> Ms {
        FINEST << self.doublings
    }

    /// True when a message at `at` would push something out of the fine ring that is less than ten minutes old.
    fn loses(&self, at: Ms) -> bool {
        let most = FINES << (DOUBLINGS - self.doublings);
        is_short(self.fine(), self.last.div_euclid(self.width()), at.div_euclid(self.width()), most)
    }

    fn fine(&self) -> &[u16] {
        self.rings.get(..self.rings.len() / 3 * 2).unwrap_or_default()
    }

    fn coarse(&self) -> &[u16] {
        self.rings.get(self.rings.len() / 3 * 2..).unwrap_or_default()
    }

    /// Doubles both rings; what they hold stays.
    fn lengthen(&mut self) {
        let mut longer = vec![0; self.rings.len() * 2];
        let (fines, coarses) = longer.split_at_mut(self.rings.len() / 3 * 4);
        for (from, to, width) in [(self.fine(), fines, self.width()), (self.coarse(), coarses, COARSE)] {
            let newest = self.last.div_euclid(width);
            let slots = from.len() as Ms;
            for i in newest - slots + 1..=newest {
                if let (Some(kept), Some(slot)) = (from.get(i.rem_euclid(slots) as usize), slot(to, i)) {
                    *slot = *kept;
                }
            }
        }
        self.rings = longer.into();
    }

    /// Makes fine buckets twice as long: two become one.
    fn widen(&mut self) {
        let old = self.fine().to_vec();
        let newest = self.last.div_euclid(self.width());
        let slots = old.len() as Ms;
        let fines = old.len();
        let ring = self.rings.get_mut(..fines).unwrap_or_default();
        ring.fill(0);
        for i in newest - slots + 1..=newest {
            if let (Some(kept), Some(slot)) =
                (old.get(i.rem_euclid(slots) as usize), slot(ring, i.div_euclid(2)))
            {
                *slot = (*slot).max(*kept);
            }
        }
        self.doublings += 1;
    }

    /// The largest length heard since `since`, as far as ten minutes back.
    pub(super) fn largest_since(&self, since: Ms) -> Option<u32> {
        let newest = self.last.div_euclid(self.width());
        let first = since.div_euclid(self.width()).max(newest - FINES as Ms + 1);
        Self::largest(self.fine(), newest, first, newest)
    }

    /// The largest length in the buckets from `first` to `last`.
    fn largest(ring: &[u16], newest: Ms, first: Ms, last: Ms) -> Option<u32> {
        let slots = ring.len() as Ms;
        let (first, last) = (first.max(newest - slots + 1), last.min(newest));
        if first > last {
            return None;
        }
        let (from, to) = (first.rem_euclid(slots) as usize, last.rem_euclid(slots) as usize);
        let most = |cells: Option<&[u16]>| cells.unwrap_or_default().iter().copied().max();
        let kept = if from <= to {
            most(ring.get(from..=to))
        } else {
            most(ring.get(from..)).max(most(ring.get(..=to)))
        };
        // Packed lengths are in the order of lengths.
        kept.filter(|kept| *kept > 0).map(|kept| unpack(kept - 1))
    }

    fn at(ring: &[u16], newest: Ms, index: Ms) -> Option<u32> {
        let slots = ring.len() as Ms;
        if index > newest || newest - index >= slots {
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
        let (ring, width) = if fine { (self.fine(), self.width()) } else { (self.coarse(), COARSE) };
        let newest = self.last.div_euclid(width);
        // Columns are aligned to whole column widths: they move left in steps instead of flickering.
        let step = (span / count).max(1);
        let end = (now.div_euclid(step) + 1) * step;
        for c in 0..count {
            let from = end - (count - c) * step;
            let to = from + step;
            let first = from.div_euclid(width);
            let last = (to - 1).div_euclid(width);
            let largest = Self::largest(ring, newest, first, last);
            // A bucket is wider than a column: what was heard before and after a gap must not cover it.
            out.push(match largest.filter(|_| !watch.misses(from, to)) {
                Some(len) => Column::Largest(len),
                None if watch.covers(from, to.min(now)) => Column::Silent,
                None => Column::NotWatching,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// However long the rings and however wide their buckets are, nothing younger than ten minutes or an hour is lost,
        /// and each is told within the bucket it was heard in.
        #[test]
        fn a_ring_forgets_nothing(steps in proptest::collection::vec((-400_000_i64..700_000, 1_u32..5_000), 1..80), often in 1_i64..400) {
            let mut series = Series::default();
            let mut at = 1_700_000_000_000_i64;
            let mut heard = Vec::new();
            for (step, len) in steps {
                // Late ones come in between; time goes on, for some runs fast and for some slowly.
                let when = at + step / often;
                at = at.max(when - 300_000 / often);
                series.note(when, len);
                heard.push((when, len));
            }
            for (ring, width, long, most) in [(series.fine(), series.width(), FINE, FINES), (series.coarse(), COARSE, COARSE, COARSES)] {
                let newest = series.last.div_euclid(long);
                for bucket in newest - most as Ms + 1..=newest {
                    let inside = heard.iter().filter(|(when, _)| when.div_euclid(long) == bucket);
                    let expected = inside.map(|(_, len)| unpack(pack(*len))).max();
                    let each = bucket * (long / width)..(bucket + 1) * (long / width);
                    let told = each.filter_map(|i| Series::at(ring, series.last.div_euclid(width), i)).max();
                    proptest::prop_assert_eq!(told, expected, "bucket {} of {} ms", bucket, width);
                }
            }
        }
    }

    #[test]
    fn a_device_heard_now_and_then_takes_the_smallest_rings() {
        let mut series = Series::default();
        for i in 0..7 {
            series.note(1_700_000_000_000 + i * 10_000, 120);
        }
        assert_eq!(series.rings.len(), SHORTEST + SHORTEST / 2);
        for i in 7..70 {
            series.note(1_700_000_000_000 + i * 10_000, 120);
        }
        assert_eq!((series.rings.len(), series.width()), (FINES + COARSES, FINE));
    }

    #[test]
    fn a_chart_of_a_device_that_speaks_every_second_fills_within_half_a_minute() {
        let begin = 1_700_000_000_000;
        let mut series = Series::default();
        for i in 0..31 {
            series.note(begin + i * 1_000, 100 + u32::try_from(i).unwrap());
        }
        let mut watch = super::super::link::Watch::default();
        watch.begin(begin);
        let mut columns = Vec::new();
        series.columns(&watch, begin + 30_000, 30_000, 24, &mut columns);
        assert!(columns.iter().all(|column| matches!(column, Column::Largest(_))), "{columns:?}");
        // Fine enough to tell one moment from the next.
        columns.dedup();
        assert!(columns.len() >= 20, "{columns:?}");
    }
}
