//! What was not seen, and when: the connection was lost, it was at its limit, messages were merged, AWS throttled a read.
//! Kept as events, so that a week's losses can be listed and counted and a quiet hour is told from a deaf one.

use std::collections::VecDeque;

use crate::text::SafeText;

use super::{Ms, SourceId};

/// Losses listed; the totals go on counting.
const KEPT: usize = 200;
/// Merged batches this near each other are one loss.
const TOGETHER: Ms = 10_000;
/// From this share of the limit on, what the broker discards can no longer be told from what was not sent: the excess
/// never arrives, so the rate heard does not grow beyond it.
pub(super) const FULL: f64 = 0.97;

/// What kind of loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// Nothing was heard, because there was no connection; and why.
    NotConnected(SafeText),
    /// A connection carried all it may: AWS discards the excess without a word.
    AtLimit,
    /// So many messages were counted but not kept one by one: the console was busy.
    Merged(u64),
    /// AWS throttled this read: what it feeds is older than it should be.
    Throttled(SourceId),
}

/// A stretch in which less was seen than happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What kind.
    pub kind: LossKind,
    /// From when.
    pub from: Ms,
    /// Until when; `None` while it lasts.
    pub to: Option<Ms>,
}

/// How often each kind happened, and how long or how much it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossTotals {
    /// Times the connection was lost.
    pub disconnects: u64,
    /// Milliseconds without a connection, of the closed stretches.
    pub disconnected: Ms,
    /// Times a connection was at its limit.
    pub at_limit: u64,
    /// Messages counted but not kept one by one.
    pub merged: u64,
    /// Stretches in which a read was throttled.
    pub throttled: u64,
}

/// The losses, the newest last, and their totals.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    list: VecDeque<Loss>,
    totals: LossTotals,
}

impl Losses {
    /// The latest, the newest last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Loss> + ExactSizeIterator {
        self.list.iter()
    }

    /// All that ever happened, also what is no longer listed.
    pub fn totals(&self) -> LossTotals {
        self.totals
    }

    fn begin(&mut self, kind: LossKind, from: Ms) {
        if self.list.len() >= KEPT {
            self.list.pop_front();
        }
        self.list.push_back(Loss { kind, from, to: None });
    }

    fn open(&mut self, which: impl Fn(&LossKind) -> bool) -> Option<&mut Loss> {
        self.list.iter_mut().rev().find(|loss| loss.to.is_none() && which(&loss.kind))
    }

    pub(super) fn disconnected(&mut self, at: Ms, why: &SafeText) {
        if self.open(|kind| matches!(kind, LossKind::NotConnected(_))).is_none() {
            self.totals.disconnects += 1;
            self.begin(LossKind::NotConnected(why.clone()), at);
        }
    }

    pub(super) fn connected(&mut self, at: Ms) {
        if let Some(loss) = self.open(|kind| matches!(kind, LossKind::NotConnected(_))) {
            loss.to = Some(at.max(loss.from));
            self.totals.disconnected += (at - loss.from).max(0);
        }
    }

    /// `share` of what a connection may carry. True when a stretch begins or ends.
    pub(super) fn load(&mut self, share: Option<f64>, at: Ms) -> bool {
        let full = share.is_some_and(|share| share >= FULL);
        match self.open(|kind| *kind == LossKind::AtLimit) {
            Some(_) if full => false,
            Some(loss) => {
                loss.to = Some(at);
                true
            }
            None if full => {
                self.totals.at_limit += 1;
                self.begin(LossKind::AtLimit, at);
                true
            }
            None => false,
        }
    }

    pub(super) fn merged(&mut self, messages: u64, at: Ms) {
        self.totals.merged += messages;
        if let Some(Loss { kind: LossKind::Merged(count), to: Some(to), .. }) = self.list.back_mut()
            && at - *to <= TOGETHER
        {
            *count += messages;
            *to = at.max(*to);
            return;
        }
        self.begin(LossKind::Merged(messages), at);
        if let Some(last) = self.list.back_mut() {
            last.to = Some(at);
        }
    }

    /// How a read of `source` went.
    pub(super) fn throttled(&mut self, source: &SourceId, throttled: bool, at: Ms) {
        let same = |kind: &LossKind| matches!(kind, LossKind::Throttled(known) if known == source);
        match self.open(same) {
            Some(_) if throttled => {}
            Some(loss) => loss.to = Some(at),
            None if throttled => {
                self.totals.throttled += 1;
                self.begin(LossKind::Throttled(source.clone()), at);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_a_stretch_and_what_is_no_longer_listed_is_still_counted() {
        let mut losses = Losses::default();
        losses.disconnected(1_000, &"cable".into());
        losses.disconnected(2_000, &"still".into());
        losses.connected(5_000);
        losses.connected(6_000);
        losses.merged(10, 7_000);
        losses.merged(5, 8_000);
        losses.merged(1, 60_000);
        assert!(losses.load(Some(1.0), 61_000) && !losses.load(Some(1.0), 62_000));
        assert!(losses.load(None, 63_000) && !losses.load(Some(0.9), 64_000));
        losses.throttled(&SourceId::Violations, true, 65_000);
        losses.throttled(&SourceId::Jobs, false, 65_000);
        losses.throttled(&SourceId::Violations, true, 66_000);
        losses.throttled(&SourceId::Violations, false, 67_000);
        let listed: Vec<_> = losses.iter().cloned().collect();
        let loss = |kind, from, to| Loss { kind, from, to: Some(to) };
        assert_eq!(
            listed,
            [
                loss(LossKind::NotConnected("cable".into()), 1_000, 5_000),
                loss(LossKind::Merged(15), 7_000, 8_000),
                loss(LossKind::Merged(1), 60_000, 60_000),
                loss(LossKind::AtLimit, 61_000, 63_000),
                loss(LossKind::Throttled(SourceId::Violations), 65_000, 67_000),
            ]
        );
        for i in 0..1_000 {
            losses.merged(1, 100_000 + i * 60_000);
        }
        assert_eq!(losses.iter().len(), KEPT);
        let totals = losses.totals();
        assert_eq!((totals.disconnects, totals.disconnected, totals.at_limit), (1, 4_000, 1));
        assert_eq!((totals.merged, totals.throttled), (1_016, 1));
    }
}
