//! Message sizes: a median, a spread and the extremes, in octaves; kinds that come now and then; what is out of it.

use std::num::NonZeroU32;

use super::{Baseline, DAY_MS, LEARN, Ledger, Signal, WarningKind};
use crate::Ms;

/// How far one size moves the ordinary one, in octaves: a doubling becomes ordinary after some 300 sizes.
const DRIFT: f32 = 0.003;
/// How fast what was once seen is forgotten, in octaves a size.
const FORGET: f32 = 0.0005;
/// At least this far from the ordinary size, in octaves: a doubling.
const FAR: f32 = 1.0;
/// And this far outside of everything seen, in octaves.
pub(super) const OUTSIDE: f32 = 0.32;
/// Further out than this is not the tail of a device's sizes but a kind of its own, in octaves.
const KIND: f32 = 1.0;
/// A rare kind is known until so many sizes were learned without it: more than two days of a message every ten seconds.
const KEPT: u32 = 20_000;
/// Ordinary sizes in a row that end a warning.
const CALM: u8 = 3;
/// Unusual sizes that are no accident any more.
const PROVEN: u8 = 2;

impl Baseline {
    /// The hot path: one payload.
    #[inline]
    pub(crate) fn size(&mut self, len: u32, ledger: &mut Ledger) -> Option<Signal> {
        if self.learned < LEARN || (len <= self.at_most && len >= self.at_least && !self.attend) {
            return None;
        }
        self.unusual(len, ledger)
    }

    #[cold]
    fn unusual(&mut self, len: u32, ledger: &mut Ledger) -> Option<Signal> {
        let size = log2(len);
        if len <= self.at_most && len >= self.at_least {
            self.rare_most = self.rare_most.max(std::mem::take(&mut self.rare_run));
            self.calm = self.calm.saturating_add(1);
            if self.out > 0 && self.calm < CALM {
                return None;
            }
            self.attend = false;
            if std::mem::take(&mut self.out) > 0 {
                self.remember();
            }
            return std::mem::take(&mut self.size_out).then_some(Signal::Calm(WarningKind::Size));
        }
        self.attend = true;
        if !self.size_out && self.is_rare(size) {
            self.rare_seen = NonZeroU32::new(self.learned);
            self.rare_run = self.rare_run.saturating_add(1);
            // What comes now and then is known; what comes on and on is news.
            if self.rare_run <= self.rare_most.saturating_mul(2).saturating_add(1) {
                return None;
            }
            self.out = PROVEN - 1;
        }
        self.calm = 0;
        self.out = self.out.saturating_add(1);
        if self.out == 1 || (size - self.ordinary).abs() > (self.told - self.ordinary).abs() {
            self.told = size;
        }
        if self.out >= PROVEN {
            self.prove(ledger);
        }
        // Told already: a flood of bad messages costs no more than good ones.
        if self.size_out || (self.out < PROVEN && !ledger.is_prompt(size)) {
            return None;
        }
        if self.out < PROVEN {
            ledger.told(size);
            self.spent = true;
        }
        self.size_out = true;
        let usual = self.ordinary.exp2();
        let times = len.max(1) as f32 / usual;
        let text = format!("size {times:.1} times its own baseline");
        let (least, most) = (self.low.exp2(), self.high.exp2());
        let which = match (self.rare_run, self.out) {
            (run @ 1.., _) => format!("the {run}th message in a row"),
            (_, PROVEN..) => "a second message".to_owned(),
            _ => "a message".to_owned(),
        };
        let sentence = format!(
            "{which} of {len} bytes, {times:.1} times its usual {usual:.0}; it sent {least:.0} to {most:.0} before"
        );
        Some(Signal::Raise(WarningKind::Size, times, text, sentence))
    }

    fn is_rare(&self, size: f32) -> bool {
        self.rare_seen.is_some_and(|seen| self.learned - seen.get() < KEPT)
            && size >= self.rare.0 - OUTSIDE
            && size <= self.rare.1 + OUTSIDE
    }

    /// What was only passing is known to happen, until it is forgotten: as a longer tail of the sizes, or as a kind of
    /// its own that comes now and then.
    fn remember(&mut self) {
        self.spent = false;
        let told = self.told;
        if told > self.high + KIND || told < self.low - KIND {
            let fresh = self.rare_seen.is_none_or(|seen| self.learned - seen.get() >= KEPT);
            let (low, high) = if fresh { (told, told) } else { self.rare };
            self.rare = (low.min(told), high.max(told));
            self.rare_seen = NonZeroU32::new(self.learned);
            self.rare_most = if fresh { 1 } else { self.rare_most.max(1) };
        } else {
            self.high = self.high.max(told);
            self.low = self.low.min(told);
        }
    }

    /// What was told was no false alarm: it goes on, or somebody acted on it.
    pub(crate) fn prove(&mut self, ledger: &mut Ledger) {
        if std::mem::take(&mut self.spent) {
            ledger.proven(self.told);
        }
    }

    /// Learns one size, at most one a second. `samples` are the last ones, for the first median.
    pub(crate) fn learn(&mut self, len: u32, samples: &[u32], cadence: Option<Ms>, ledger: &Ledger) {
        self.learned = self.learned.saturating_add(1);
        if self.learned < LEARN {
            return;
        }
        let size = log2(len);
        if self.learned == LEARN {
            let mut logs: Vec<f32> = samples.iter().map(|s| log2(*s)).collect();
            logs.sort_unstable_by(f32::total_cmp);
            self.ordinary = logs.get(logs.len() / 2).copied().unwrap_or(size);
            self.low = logs.first().copied().unwrap_or(size);
            self.high = logs.last().copied().unwrap_or(size);
            let mut off: Vec<f32> = logs.iter().map(|l| (l - self.ordinary).abs()).collect();
            off.sort_unstable_by(f32::total_cmp);
            self.spread = off.get(off.len() / 2).copied().unwrap_or(0.0);
        } else if self.size_out {
            // What stays becomes ordinary in the end, slowly.
            self.ordinary += (size - self.ordinary).clamp(-DRIFT, DRIFT) / 4.0;
        } else if len <= self.at_most && len >= self.at_least {
            let off = size - self.ordinary;
            self.ordinary += off.clamp(-DRIFT, DRIFT);
            self.spread = (self.spread + (off.abs() - self.spread).clamp(-DRIFT, DRIFT)).max(0.0);
            self.high = (self.high - FORGET).max(size).max(self.ordinary);
            self.low = (self.low + FORGET).min(size).min(self.ordinary);
        }
        let a_day = DAY_MS / cadence.unwrap_or(1_000).max(1_000) as f64;
        // The spread of few samples is itself uncertain.
        let doubt = 1.0 + 16.0 / self.learned as f32;
        let far = (self.spread * doubt * ledger.budget.spreads(a_day)).max(FAR);
        let above = (self.ordinary + far).max(self.high + OUTSIDE);
        let below = (self.ordinary - far).min(self.low - OUTSIDE);
        self.at_most = above.exp2() as u32;
        self.at_least = below.exp2() as u32;
    }
}

fn log2(len: u32) -> f32 {
    (len.max(1) as f32).log2()
}
