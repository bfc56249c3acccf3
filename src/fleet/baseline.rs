//! Early warning: each device against its own ordinary, on the first message that is out of it.
//!
//! No model and no black box: a median, a spread and the extremes of what was heard, of sizes, of messages in five seconds
//! and in a minute, and of pauses. How far out is too far follows from the false alarms the operator accepts a device and
//! day, by a tail heavier than most fleets have. The hot path is a few integer comparisons; what they compare with is
//! computed at most once a second.

use super::Ms;

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
/// Ordinary sizes in a row that end a warning.
const CALM: u8 = 3;
/// Five-second buckets heard before a device has an ordinary rate: two minutes.
const BUCKETS: u16 = 24;
/// JSON payloads in a row before one that is none is worth a word.
const JSON: u8 = 8;

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

/// How far out is too far, from the false alarms accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget(f64);

impl Budget {
    /// `per_device_day` false alarms are accepted of all kinds together.
    pub(super) fn new(per_device_day: f64) -> Self {
        let sane = if per_device_day.is_finite() { per_device_day.clamp(1e-6, 1_000.0) } else { 0.01 };
        // Sizes, bursts and minutes are the kinds that chance alone can raise.
        Self(sane / 3.0)
    }

    /// How many median absolute deviations one of `a_day` sizes may be off. A normal tail: what scatters further than
    /// that is held off by the extremes already seen.
    fn spreads(self, a_day: f64) -> f32 {
        self.deviations(a_day) * 1.48
    }

    /// The same in standard deviations.
    fn deviations(self, a_day: f64) -> f32 {
        (2.0 * (a_day.max(1.0) / self.0).ln()).sqrt().max(3.0) as f32
    }
}

/// One device's ordinary. About 70 bytes.
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
    size_out: bool,
    /// The size that was told, log2.
    told: f32,
    calm: u8,
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
    /// The longest pause, ms.
    longest: u32,
}

impl Baseline {
    /// The hot path: one payload.
    #[inline]
    pub(super) fn size(&mut self, len: u32) -> Option<Signal> {
        if self.learned < LEARN || (len <= self.at_most && len >= self.at_least && !self.size_out) {
            return None;
        }
        self.unusual(len)
    }

    #[cold]
    fn unusual(&mut self, len: u32) -> Option<Signal> {
        if len <= self.at_most && len >= self.at_least {
            self.calm = self.calm.saturating_add(1);
            if self.calm < CALM {
                return None;
            }
            self.size_out = false;
            // Told once: what was only passing is known to happen, until it is forgotten.
            if self.told > self.high {
                self.high = self.told;
            } else if self.told < self.low {
                self.low = self.told;
            }
            return Some(Signal::Calm(WarningKind::Size));
        }
        self.calm = 0;
        if std::mem::replace(&mut self.size_out, true) {
            // Told already: a flood of bad messages costs no more than good ones.
            let seen = log2(len);
            if (seen - self.ordinary).abs() > (self.told - self.ordinary).abs() {
                self.told = seen;
            }
            return None;
        }
        let usual = self.ordinary.exp2();
        let times = len.max(1) as f32 / usual;
        let text = format!("size {times:.1}× its own baseline");
        let (least, most) = (self.low.exp2(), self.high.exp2());
        let sentence = format!(
            "a message of {len} bytes, {times:.1} times its usual {usual:.0}; it sent {least:.0} to {most:.0} before"
        );
        self.told = log2(len);
        Some(Signal::Raise(WarningKind::Size, times, text, sentence))
    }

    /// Learns one size, at most one a second. `samples` are the last ones, for the first median.
    pub(super) fn learn(&mut self, len: u32, samples: &[u32], cadence: Option<Ms>, budget: Budget) {
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
        } else {
            let off = size - self.ordinary;
            self.ordinary += off.clamp(-DRIFT, DRIFT);
            self.spread = (self.spread + (off.abs() - self.spread).clamp(-DRIFT, DRIFT)).max(0.0);
            self.high = (self.high - FORGET).max(size).max(self.ordinary);
            self.low = (self.low + FORGET).min(size).min(self.ordinary);
        }
        let a_day = 86_400_000.0 / cadence.unwrap_or(1_000).max(1_000) as f64;
        // The spread of few samples is itself uncertain.
        let doubt = 1.0 + 16.0 / self.learned as f32;
        let far = (self.spread * doubt * budget.spreads(a_day)).max(FAR);
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
    pub(super) fn rolled(&mut self, count: u16, minute: u32, empty: u32, budget: Budget) -> Option<Signal> {
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
        let z = budget.deviations(17_280.0);
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
        self.longest = self.longest.max(u32::try_from(interval).unwrap_or(u32::MAX));
    }

    /// Silence longer than this is out of the ordinary; `None` while that is not known.
    pub(super) fn silence_limit(&self, cadence: Option<Ms>) -> Option<Ms> {
        if self.learned < LEARN {
            return None;
        }
        let longest = Ms::from(self.longest);
        Some((cadence? * 5 / 2).max(longest + longest / 2).max(3_000))
    }

    /// The longest pause heard.
    pub(super) fn longest(&self) -> Ms {
        self.longest.into()
    }
}

fn log2(len: u32) -> f32 {
    (len.max(1) as f32).log2()
}

/// How often something rare happens to a device, by the minute.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    minute: i64,
    count: u16,
    peak: u16,
    minutes: u16,
}

impl Pace {
    /// Takes one in; the count of this minute and the most before, when that is out of the ordinary: more than twice the
    /// most ever seen and `known` or more, or `new` or more while less than three minutes were seen.
    pub(super) fn note(&mut self, at: Ms, known: u16, new: u16) -> Option<(u16, u16)> {
        let minute = at.div_euclid(60_000);
        if minute > self.minute {
            self.peak = self.peak.max(self.count);
            self.minutes = self.minutes.saturating_add(u16::from(self.minute != 0));
            (self.minute, self.count) = (minute, 0);
        } else if minute < self.minute {
            return None;
        }
        self.count = self.count.saturating_add(1);
        let limit = if self.minutes < 3 { new } else { known.max(self.peak.saturating_mul(2) + 1) };
        (self.count >= limit).then_some((self.count, self.peak))
    }
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
        let (strict, loose) = (Budget::new(0.001), Budget::new(1.0));
        assert!(strict.spreads(8_640.0) > loose.spreads(8_640.0));
        assert!(strict.deviations(8_640.0) > loose.deviations(8_640.0));
    }

    #[test]
    fn a_loop_is_measured_against_its_own_ordinary() {
        let mut steady = Pace::default();
        let mut told = 0;
        for i in 0..120 {
            told += usize::from(steady.note(1_000_000 + i * 10_000, 4, 8).is_some());
        }
        assert_eq!(told, 0, "six connects a minute are how this device works");
        let at = 1_000_000 + 120 * 10_000;
        assert!((0..20).any(|i| steady.note(at + i * 1_000, 4, 8).is_some()));
    }
}
