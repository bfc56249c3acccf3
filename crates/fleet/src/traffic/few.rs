//! The first messages of a device, as they came: nothing is added up before there is something to add.
//!
//! What is told of them is what [`Many`] tells of the same messages; the tests hold one against the other.

use crate::Ms;
use crate::baseline::{Ledger, Shape};
use crate::series::{Series, pack, unpack};

use super::{BUCKET, BUCKETS, Heard, LARGEST, Many, SLOT, is_chosen, median};

/// Messages kept one by one: fewer than it takes to know what is ordinary, so that of none of them anything was to be told.
const MOST: usize = 6;

/// Bits of a length: no MQTT packet is longer.
const LEN: u32 = 28;
/// What a payload looked like, above them; 0 where there is no message.
const SHAPE: u32 = 0b11;
/// Whether the device was listened to since the message before, above that.
const LISTENED: u32 = 1 << (LEN + 2);

/// One message.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// Milliseconds from the first one; one that came late may be earlier.
    after: i32,
    /// Length, shape and whether the pause before it is the device's own.
    what: u32,
}

/// The first messages of a device. 56 bytes.
#[derive(Clone, Debug)]
pub(crate) struct Few {
    first: Ms,
    said: [Said; MOST],
}

impl Said {
    fn len(self) -> u32 {
        self.what & ((1 << LEN) - 1)
    }

    fn shape(self) -> Option<Shape> {
        match (self.what >> LEN) & SHAPE {
            0 => None,
            1 => Some(Shape::Unknown),
            2 => Some(Shape::Json),
            _ => Some(Shape::Other),
        }
    }
}

/// One message with what came before it.
struct Step {
    said: Said,
    at: Ms,
    /// When the last one before it came.
    before: Option<Ms>,
}

impl Step {
    fn is_late(&self) -> bool {
        self.before.is_some_and(|before| self.at < before)
    }
}

impl Few {
    /// None yet; the first will come at `first`.
    pub(super) fn new(first: Ms) -> Self {
        Self { first, said: [Said::default(); MOST] }
    }

    /// Keeps a message; false when that cannot be done, and nothing is changed.
    pub(super) fn note(&mut self, at: Ms, since: Ms, heard: Heard) -> bool {
        let Heard { count, bytes, largest, last, shape } = heard;
        let one = count == 1 && bytes == u64::from(largest) && last == largest && largest >> LEN == 0;
        let last = self.steps().map(|step| step.at).max().unwrap_or(Ms::MIN);
        let free = self.said.iter_mut().find(|said| said.shape().is_none());
        let (true, Ok(after), Some(free)) = (one, i32::try_from(at - self.first), free) else { return false };
        let shape: u32 = match shape {
            Shape::Unknown => 1,
            Shape::Json => 2,
            Shape::Other => 3,
        };
        let listened = if last >= since { LISTENED } else { 0 };
        *free = Said { after, what: largest | shape << LEN | listened };
        true
    }

    /// The messages in the order they came.
    fn steps(&self) -> impl Iterator<Item = Step> {
        let messages = self.said.iter().take_while(|said| said.shape().is_some());
        messages.scan(None, |last, said| {
            let at = self.first + Ms::from(said.after);
            let before = *last;
            *last = before.max(Some(at));
            Some(Step { said: *said, at, before })
        })
    }

    /// The same as sums and rings.
    pub(super) fn added_up(&self) -> Many {
        let mut many = Many::new(self.first);
        // So few are judged by no budget; what one says of bursts is said anew with every five seconds.
        let (mut ledger, mut none) = (Ledger::new(0.0), Vec::new());
        for Step { said, at, .. } in self.steps() {
            let len = said.len();
            let shape = said.shape().unwrap_or(Shape::Unknown);
            let heard = Heard { count: 1, bytes: len.into(), largest: len, last: len, shape };
            let since = if said.what & LISTENED > 0 { Ms::MIN } else { Ms::MAX };
            many.note(at, since, heard, &mut ledger, &mut none);
        }
        many
    }

    pub(super) fn first(&self) -> Ms {
        self.first
    }

    pub(super) fn received(&self) -> u64 {
        self.steps().count() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.steps().map(|step| u64::from(step.said.len())).sum()
    }

    pub(super) fn last(&self) -> Ms {
        self.steps().map(|step| step.at).max().unwrap_or(self.first)
    }

    pub(super) fn last_len(&self) -> u32 {
        self.steps().filter(|step| !step.is_late()).last().map_or(0, |step| step.said.len())
    }

    pub(super) fn p50(&self) -> Option<u32> {
        let (mut sizes, mut slots, mut in_slot) = ([0; MOST], 0, 0);
        for (received, step) in (1..).zip(self.steps()).filter(|(_, step)| !step.is_late()) {
            let same = step.before.is_some_and(|before| before.div_euclid(SLOT) == step.at.div_euclid(SLOT));
            (slots, in_slot) = if same { (slots, in_slot + 1) } else { (slots + 1, 1) };
            if let Some(size) = sizes.get_mut(slots - 1)
                && (!same || is_chosen(received, in_slot))
            {
                *size = pack(step.said.len());
            }
        }
        median(sizes.get_mut(..slots)?)
    }

    pub(super) fn largest(&self) -> Option<u32> {
        let since = self.last() - LARGEST;
        let recent = self.steps().filter(|step| step.at >= since);
        recent.map(|step| unpack(pack(step.said.len()))).max()
    }

    pub(super) fn cadence(&self) -> Option<Ms> {
        let (mut intervals, mut n) = ([0; MOST], 0);
        for step in self.steps().filter(|step| !step.is_late() && step.said.what & LISTENED > 0) {
            if let (Some(before), Some(interval)) = (step.before, intervals.get_mut(n)) {
                *interval = pack(u32::try_from(step.at - before).unwrap_or(u32::MAX));
                n += 1;
            }
        }
        median(intervals.get_mut(..n)?).map(Ms::from)
    }

    pub(super) fn in_a_minute(&self, now: Ms) -> u64 {
        let (index, newest) = (now.div_euclid(BUCKET), self.last().div_euclid(BUCKET));
        let is_in = |at: Ms| {
            let bucket = at.div_euclid(BUCKET);
            bucket <= index && bucket > index.max(newest) - BUCKETS as Ms
        };
        self.steps().filter(|step| is_in(step.at)).count() as u64
    }

    pub(super) fn series(&self) -> Series {
        let mut series = Series::default();
        for step in self.steps() {
            series.note(step.at, step.said.len());
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Signal;
    use crate::traffic::Traffic;

    const T0: Ms = 1_700_000_000_000;

    fn heard(len: u32, shape: Shape) -> Heard {
        Heard { count: 1, bytes: len.into(), largest: len, last: len, shape }
    }

    proptest::proptest! {
        /// Whatever comes, and however late: a few messages say what they say added up.
        #[test]
        fn a_few_say_what_they_say_added_up(
            messages in proptest::collection::vec(
                (-20_000_i64..40_000, 1_u32..9_000, 0_i64..60_000, 0_usize..3), 1..60),
            slowly in 1_i64..30,
            look in 0_i64..200_000,
        ) {
            let mut ledgers = [Ledger::new(0.01), Ledger::new(0.01), Ledger::new(0.0)];
            let (mut traffic, mut many, mut by_no_budget) = (Traffic::None, Many::new(T0), Many::new(T0));
            let mut at = T0;
            let mut kept_one_by_one = 0;
            for (n, (step, len, ago, shape)) in messages.into_iter().enumerate() {
                let when = if n == 0 { T0 } else { at + step * slowly };
                at = at.max(when);
                let heard = heard(len, [Shape::Unknown, Shape::Json, Shape::Other][shape]);
                // Listened to for a while, which may be shorter than the last pause.
                let since = at - ago * slowly;
                let (mut by_few, mut by_many) = (Vec::<Signal>::new(), Vec::new());
                traffic.note(when, since, heard, &mut ledgers[0], &mut by_few);
                many.note(when, since, heard, &mut ledgers[1], &mut by_many);
                proptest::prop_assert_eq!(&by_few, &by_many);
                kept_one_by_one += usize::from(matches!(traffic, Traffic::Few(_)));
                let other = Traffic::Many(Box::new(many.clone()));
                let told = |t: &Traffic, now| (t.received(), t.bytes(), t.last(), t.last_len(), t.p50(), t.cadence(), t.per_minute(now), t.overdue(now));
                for now in [at, at + look] {
                    proptest::prop_assert_eq!(told(&traffic, now), told(&other, now), "after {} messages", n + 1);
                }
                proptest::prop_assert_eq!(format!("{:?}", traffic.series()), format!("{:?}", other.series()));
                // A ring tells of whole buckets, a few messages to the millisecond.
                let (exact, whole) = (traffic.largest(), traffic.series().largest_since(traffic.last().unwrap() - LARGEST));
                proptest::prop_assert!(exact <= whole);
                by_no_budget.note(when, since, heard, &mut ledgers[2], &mut Vec::new());
                if let Traffic::Few(few) = &traffic {
                    proptest::prop_assert_eq!(format!("{:?}", few.added_up()), format!("{by_no_budget:?}"));
                }
            }
            proptest::prop_assert!(kept_one_by_one > 0);
        }
    }

    #[test]
    fn what_does_not_fit_is_added_up() {
        let mut ledger = Ledger::new(0.01);
        let mut said = |messages: &[(Ms, Heard)]| {
            let mut traffic = Traffic::None;
            for (at, heard) in messages {
                traffic.note(*at, Ms::MIN, *heard, &mut ledger, &mut Vec::new());
            }
            let bytes: u64 = messages.iter().map(|(_, heard)| heard.bytes).sum();
            assert_eq!(traffic.bytes(), bytes, "{messages:?}");
            matches!(traffic, Traffic::Few(_))
        };
        let small = heard(9, Shape::Unknown);
        assert!(said(&[(T0, small); MOST]));
        assert!(!said(&[(T0, small); MOST + 1]), "more");
        assert!(said(&[(T0, heard((1 << LEN) - 1, Shape::Other))]));
        assert!(!said(&[(T0, heard(1 << LEN, Shape::Other))]), "longer than MQTT knows");
        assert!(!said(&[(T0, Heard { count: 2, bytes: 18, ..small })]), "several as one");
        assert!(!said(&[(T0, small), (T0 + Ms::from(i32::MAX) + 1, small)]), "a month later");
        assert!(said(&[(T0, small), (T0 - 5_000, small)]), "late");
    }
}
