//! What one device's messages add up to: totals, rate, cadence, typical size, and when a size is out of its own ordinary.
//!
//! The first few are kept as they came, in a sixth of the room that sums and rings take: of a million devices each of which spoke
//! a few times, little is known. Medians are computed when somebody looks.

mod few;
mod many;

use std::borrow::Cow;
use std::sync::OnceLock;

use few::Few;
use many::Many;

use super::Ms;
use super::baseline::{Baseline, Ledger, Shape, Signal};
use super::kept::KeptTraffic;
use super::series::{Series, unpack};

/// Intervals kept for the cadence.
const INTERVALS: usize = 8;
/// At most one size is kept a second, chosen evenly among those of that second: a fast device's burst must not
/// replace its history.
const SLOT: Ms = 1_000;
/// Length of a bucket of the rate.
const BUCKET: Ms = 5_000;
/// Buckets of the rate: a minute and the running one.
const BUCKETS: usize = 13;
/// How far back the largest payload is told.
const LARGEST: Ms = 600_000;

/// What was heard at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) count: u32,
    pub(super) bytes: u64,
    pub(super) largest: u32,
    pub(super) last: u32,
    pub(super) shape: Shape,
}

/// A device's messages.
#[derive(Debug, Default)]
pub(super) enum Traffic {
    /// None came.
    #[default]
    None,
    /// As many as are kept one by one.
    Few(Box<Few>),
    /// More.
    Many(Box<Many>),
}

/// Whether one more message of a second, the `received`th of all and the `nth` of that second, takes the place of the one that
/// is kept of it. Each is kept with the same likelihood; the choice is a hash, so that a replay chooses the same.
fn is_chosen(received: u64, nth: u32) -> bool {
    let hash = received.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    hash.is_multiple_of(u64::from(nth.max(1)))
}

/// The median of packed values, which are sorted by it.
fn median(packed: &mut [u16]) -> Option<u32> {
    packed.sort_unstable();
    packed.get(packed.len() / 2).map(|kept| unpack(*kept))
}

fn no_series() -> &'static Series {
    static NONE: OnceLock<Series> = OnceLock::new();
    NONE.get_or_init(Series::default)
}

impl Traffic {
    /// Goes on from what was kept: nothing was received since the start, and yet it is known how the device speaks.
    pub(super) fn resumed(kept: KeptTraffic) -> Self {
        Self::Many(Box::new(Many::resumed(kept)))
    }

    /// What it takes to go on after a restart; `None` when none came.
    pub(super) fn keep(&self) -> Option<KeptTraffic> {
        match self {
            Self::None => None,
            Self::Few(few) => Some(few.added_up().keep()),
            Self::Many(many) => Some(many.keep()),
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
        if let Self::None = self {
            *self = Self::Few(Box::new(Few::new(at)));
        }
        if let Self::Few(few) = self {
            if few.note(at, since, heard) {
                return;
            }
            *self = Self::Many(Box::new(few.added_up()));
        }
        if let Self::Many(many) = self {
            many.note(at, since, heard, ledger, out);
        }
    }

    /// How the device usually speaks, while that is known.
    pub(super) fn baseline(&self) -> Option<&Baseline> {
        match self {
            Self::None | Self::Few(_) => None,
            Self::Many(many) => Some(&many.baseline),
        }
    }

    /// Somebody acted on what was told of it.
    pub(super) fn prove(&mut self, ledger: &mut Ledger) {
        // Of few nothing was told.
        if let Self::Many(many) = self {
            many.baseline.prove(ledger);
        }
    }

    /// A response let the device go: how often it speaks is learned anew.
    pub(super) fn resume(&mut self) {
        if let Self::Few(few) = self {
            *self = Self::Many(Box::new(few.added_up()));
        }
        if let Self::Many(many) = self {
            many.baseline.resume();
        }
    }

    /// Messages since the start.
    pub(super) fn received(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Few(few) => few.received(),
            Self::Many(many) => many.received,
        }
    }

    /// Payload bytes since the start.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Few(few) => few.bytes(),
            Self::Many(many) => many.bytes,
        }
    }

    /// When the last came.
    pub(super) fn last(&self) -> Option<Ms> {
        match self {
            Self::None => None,
            Self::Few(few) => Some(few.last()),
            Self::Many(many) => Some(many.last()),
        }
    }

    /// Length of the last payload.
    pub(super) fn last_len(&self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::Few(few) => Some(few.last_len()),
            Self::Many(many) => Some(many.last_len),
        }
    }

    /// Median of the sizes kept: the last two dozen, at most one of each second.
    pub(super) fn p50(&self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::Few(few) => few.p50(),
            Self::Many(many) => many.p50(),
        }
    }

    /// The largest payload of the ten minutes before the last.
    pub(super) fn largest(&self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::Few(few) => few.largest(),
            Self::Many(many) => many.series.largest_since(many.last() - LARGEST),
        }
    }

    /// Median of the last intervals: one missed or doubled message does not change it.
    pub(super) fn cadence(&self) -> Option<Ms> {
        match self {
            Self::None => None,
            Self::Few(few) => few.cadence(),
            Self::Many(many) => many.cadence(),
        }
    }

    /// Whether the next message should long have come: two usual intervals are over, and a second.
    pub(super) fn overdue(&self, now: Ms) -> bool {
        let (Some(cadence), Some(last)) = (self.cadence(), self.last()) else { return false };
        now - last > cadence * 2 + 1_000
    }

    /// Messages a minute: counted over the last minute, or from the usual interval for a device that speaks less often, and
    /// for one that is heard for less than a minute. `None` before there is either: a part of a minute is not made a whole.
    pub(super) fn per_minute(&self, now: Ms) -> Option<f64> {
        let (sum, first, known) = match self {
            Self::None => return None,
            Self::Few(few) => (few.in_a_minute(now), few.first(), false),
            Self::Many(many) => (many.in_a_minute(now), many.first, many.intervals() >= INTERVALS),
        };
        let cadence = self.cadence();
        if let Some(cadence) = cadence.filter(|cadence| sum < 8 && *cadence >= 6_000) {
            return Some(if self.overdue(now) { sum as f64 } else { 60_000.0 / cadence as f64 });
        }
        if now - first < 60_000 {
            return known.then(|| 60_000.0 / cadence.unwrap_or(1).max(1) as f64);
        }
        // The running bucket and the twelve before it: between 60 and 65 seconds.
        let begin = (now.div_euclid(BUCKET) - BUCKETS as Ms + 1) * BUCKET;
        let over = (now - begin).clamp(60_000, 65_000);
        Some(sum as f64 * 60_000.0 / over as f64)
    }

    /// Sizes over time; made when it is looked at, where few came.
    pub(super) fn series(&self) -> Cow<'_, Series> {
        match self {
            Self::None => Cow::Borrowed(no_series()),
            Self::Few(few) => Cow::Owned(few.series()),
            Self::Many(many) => Cow::Borrowed(&many.series),
        }
    }
}
