//! Early warning: each device against its own ordinary, on the first message that is out of it.
//!
//! No model and no black box: a median, a spread and the extremes of what was heard, of sizes, of messages in five seconds
//! and in a minute, and of pauses. How far out is too far follows from the false alarms the operator accepts a device and
//! day; [`ledger`] keeps the account. The hot path is a few integer comparisons; what they compare with is
//! computed at most once a second.

mod ledger;
mod pace;

use std::num::NonZeroU32;

use super::Ms;

pub(super) use ledger::Ledger;
pub(super) use pace::Pace;

/// Sizes heard before a device has an ordinary one.
const LEARN: u32 = 8;
/// How far one size moves the ordinary one, in octaves: a doubling becomes ordinary after some 300 sizes.
const DRIFT: f32 = 0.003;
/// How fast what was once seen is forgotten, in octaves a size.
const FORGET: f32 = 0.0005;
/// At least this far from the ordinary size, in octaves: a doubling.
const FAR: f32 = 1.0;
/// And this far outside of everything seen, in octaves.
const OUTSIDE: f32 = 0.32;
/// Further out than this is not the tail of a device's sizes but a kind of its own, in octaves.
const KIND: f32 = 1.0;
/// A rare kind is known until so many sizes were learned without it: more than two days of a message every ten seconds.
const KEPT: u32 = 20_000;
/// Ordinary sizes in a row that end a warning.
const CALM: u8 = 3;
/// Unusual sizes that are no accident any more.
const PROVEN: u8 = 2;
/// Five-second buckets heard before a device has an ordinary rate: two minutes.
const BUCKETS: u16 = 24;
/// JSON payloads in a row before one that is none is worth a word.
const JSON: u8 = 8;
const DAY_MS: f64 = 86_400_000.0;

/// What a payload looks like, by its first and last byte: enough to see a device change its tongue, and cheap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Not looked at.
    Unknown,
    /// An object, a list, a string, a number, or a literal.
    Json,
    /// Anything else.
    Other,
}

impl Shape {
    /// Looks at a payload.
    pub(super) fn of(payload: Option<&[u8]>) -> Self {
        let Some(bytes) = payload.map(<[u8]>::trim_ascii) else { return Self::Unknown };
        let json = match (bytes.first(), bytes.last()) {
            (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) => true,
            (Some(b'"'), Some(b'"')) => bytes.len() > 1,
            (Some(b'-' | b'0'..=b'9'), _) => {
                let number = |b: &u8| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
                bytes.len() <= 40 && bytes.iter().all(number)
            }
            _ => matches!(bytes, b"true" | b"false" | b"null"),
        };
        if json { Self::Json } else { Self::Other }
    }
}

/// What is out of a device's ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WarningKind {
    /// Message size.
    Size,
    /// JSON before, not JSON now.
    NotJson,
    /// Messages a minute.
    Rate,
    /// Connects and refused connects.
    Reconnects,
    /// Shadow updates.
    ShadowChurn,
    /// A topic it never used.
    NewTopic,
    /// No message for longer than ever.
    Silence,
}

impl WarningKind {
    /// One word, for machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::NotJson => "not_json",
            Self::Rate => "rate",
            Self::Reconnects => "reconnects",
            Self::ShadowChurn => "shadow_churn",
            Self::NewTopic => "new_topic",
            Self::Silence => "silence",
        }
    }
}

/// What one message changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Signal {
    /// Out of the ordinary: how many times, in few words, in a sentence.
    Raise(WarningKind, f32, String, String),
    /// Ordinary again.
    Calm(WarningKind),
}

/// One device's ordinary. About 100 bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Baseline {
    /// Median, median absolute deviation and extremes of sizes, log2.
    ordinary: f32,
    spread: f32,
    low: f32,
    high: f32,
    learned: u32,
    /// What the hot path compares with: sizes within are ordinary.
    at_most: u32,
    at_least: u32,
    /// The next size is looked at even when it is ordinary.
    attend: bool,
    size_out: bool,
    /// Unusual sizes since it was last ordinary, the furthest of them (log2), and whether one of them was told unproven.
    out: u8,
    told: f32,
    spent: bool,
    calm: u8,
    /// Sizes that come now and then, log2; when one last came, in sizes learned; how many in a row, and the most ever.
    rare: (f32, f32),
    rare_seen: Option<NonZeroU32>,
    rare_run: u8,
    rare_most: u8,
    json: u8,
    not_json: u8,
    /// Messages in five seconds and in a minute: mean, variance of the minute's, and the most seen.
    bucket_mean: f32,
    bucket_peak: f32,
    minute_mean: f32,
    minute_var: f32,
    minute_peak: f32,
    buckets: u16,
    burst: u16,
    minute_limit: f32,
    rate_out: bool,
    /// The longest pause, the mean of all, and how far from it they are on average; ms.
    longest: u32,
    pause_mean: f32,
    pause_off: f32,
    pauses: u8,
}

impl Baseline {
    /// The hot path: one payload.
    #[inline]
    pub(super) fn size(&mut self, len: u32, ledger: &mut Ledger) -> Option<Signal> {
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
        let text = format!("size {times:.1}× its own baseline");
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
    pub(super) fn prove(&mut self, ledger: &mut Ledger) {
        if std::mem::take(&mut self.spent) {
            ledger.proven(self.told);
        }
    }

    /// It was held back by a response and is let go: what stood against it is over, a backlog is no flood, and how
    /// often it speaks is learned anew.
    pub(super) fn resume(&mut self) {
        (self.attend, self.size_out, self.spent) = (false, false, false);
        (self.out, self.calm, self.rare_run, self.not_json) = (0, 0, 0, 0);
        (self.buckets, self.rate_out) = (0, false);
    }

    /// Learns one size, at most one a second. `samples` are the last ones, for the first median.
    pub(super) fn learn(&mut self, len: u32, samples: &[u32], cadence: Option<Ms>, ledger: &Ledger) {
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

    /// What the payload looks like.
    #[inline]
    pub(super) fn shape(&mut self, shape: Shape) -> Option<Signal> {
        match shape {
            Shape::Unknown => None,
            Shape::Json => {
                self.json = self.json.saturating_add(1);
                let back = self.not_json > 0;
                self.not_json = 0;
                back.then_some(Signal::Calm(WarningKind::NotJson))
            }
            Shape::Other if self.json >= JSON => {
                self.not_json = self.not_json.saturating_add(1);
                if self.not_json == u8::MAX {
                    // It speaks another tongue for good.
                    (self.json, self.not_json) = (0, 0);
                    return Some(Signal::Calm(WarningKind::NotJson));
                }
                if self.not_json > 1 {
                    return None;
                }
                let before = if self.json == u8::MAX { "hundreds".to_owned() } else { self.json.to_string() };
                let sentence = format!("a payload that is not JSON, after {before} that were");
                Some(Signal::Raise(WarningKind::NotJson, 1.0, "not JSON any more".to_owned(), sentence))
            }
            Shape::Other => {
                self.json = 0;
                None
            }
        }
    }

    /// The running five-second bucket has so many.
    #[inline]
    pub(super) fn bucket(&mut self, count: u16) -> Option<Signal> {
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
    pub(super) fn rolled(&mut self, count: u16, minute: u32, empty: u32, ledger: &Ledger) -> Option<Signal> {
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

    /// A pause ended.
    #[inline]
    pub(super) fn pause(&mut self, interval: Ms) {
        let interval = u32::try_from(interval).unwrap_or(u32::MAX);
        self.longest = self.longest.max(interval);
        // Within a burst there is no pause.
        if self.pauses > 8 && (interval as f32) < self.pause_mean / 8.0 {
            return;
        }
        self.pauses = self.pauses.saturating_add(1);
        let weight = (1.0 / f32::from(self.pauses)).max(0.02);
        let off = interval as f32 - self.pause_mean;
        self.pause_mean += weight * off;
        self.pause_off += weight * (off.abs() - self.pause_off);
    }

    /// Silence longer than this is out of the ordinary; `None` while that is not known.
    pub(super) fn silence_limit(&self, cadence: Option<Ms>, ledger: &Ledger) -> Option<Ms> {
        if self.learned < LEARN {
            return None;
        }
        let longest = Ms::from(self.longest);
        // Of pauses that scatter as chance does the mean deviation is 2/e of the mean; a clock's is nothing.
        let scale = f64::from(self.pause_off) * 1.36 * (1.0 + 8.0 / f64::from(self.pauses.max(1)));
        let a_day = DAY_MS / f64::from(self.pause_mean.max(1_000.0));
        let chance = f64::from(self.pause_mean) + scale * ledger.budget.logarithm(a_day);
        Some((cadence? * 5 / 2).max(longest + longest / 2).max(3_000).max(chance as Ms))
    }

    /// The longest pause heard.
    pub(super) fn longest(&self) -> Ms {
        self.longest.into()
    }
}

fn log2(len: u32) -> f32 {
    (len.max(1) as f32).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_ends() {
        for json in ["{\"a\":1}", " [1] ", "23.45", "-1e9", "true", "null", "\"x\""] {
            assert_eq!(Shape::of(Some(json.as_bytes())), Shape::Json, "{json}");
        }
        for other in ["QX8Z", "", "1A", "\"", "{", "\u{1f}\u{8b}"] {
            assert_eq!(Shape::of(Some(other.as_bytes())), Shape::Other, "{other}");
        }
        assert_eq!(Shape::of(None), Shape::Unknown);
    }

    #[test]
    fn a_smaller_budget_is_more_patient() {
        use super::ledger::Budget;
        let (strict, loose) = (Budget::new(0.001), Budget::new(1.0));
        assert!(strict.spreads(8_640.0) > loose.spreads(8_640.0));
        assert!(strict.deviations(8_640.0) > loose.deviations(8_640.0));
    }
}
