//! Early warning: each device against its own ordinary, on the first message that is out of it.
//!
//! No model and no black box: a median, a spread and the extremes of what was heard, of sizes, of messages in five seconds
//! and in a minute, and of pauses. How far out is too far follows from the false alarms the operator accepts a device and
//! day; [`ledger`] keeps the account. The hot path is a few integer comparisons; what they compare with is
//! computed at most once a second.

mod ledger;
mod pace;
mod rate;
mod size;

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::Ms;

pub(super) use ledger::Ledger;
pub(super) use pace::Pace;

/// Sizes heard before a device has an ordinary one.
const LEARN: u32 = 8;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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

    /// It was held back by a response and is let go: what stood against it is over, a backlog is no flood, and how
    /// often it speaks is learned anew.
    pub(super) fn resume(&mut self) {
        (self.attend, self.size_out, self.spent) = (false, false, false);
        (self.out, self.calm, self.rare_run, self.not_json) = (0, 0, 0, 0);
        (self.buckets, self.rate_out) = (0, false);
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
