//! Consecutive datapoints to alarm and to clear, for one behaviour of one device (docs/aws-iot.md#4.1.3, #4.1.4).

use serde::{Deserialize, Serialize};

use super::model::Criteria;

/// How many successive datapoints it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// Violating ones until the alarm, 1..=10.
    pub(super) to_alarm: u8,
    /// Conforming ones until it clears, 1..=10.
    pub(super) to_clear: u8,
}

impl Patience {
    /// What the criteria ask for; 1 where they say nothing.
    pub(super) fn of(criteria: &Criteria) -> Self {
        let clamp = |n: Option<i64>| n.unwrap_or(1).clamp(1, 10) as u8;
        Self {
            to_alarm: clamp(criteria.consecutive_datapoints_to_alarm),
            to_clear: clamp(criteria.consecutive_datapoints_to_clear),
        }
    }
}

/// What a datapoint changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// `in-alarm`: a new violation.
    Raised,
    /// A further violating datapoint of a violation that stands.
    Updated,
    /// `alarm-cleared`.
    Cleared,
}

/// The state between datapoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Alarm {
    in_alarm: bool,
    run: u8,
    last_ms: i64,
}

impl Alarm {
    /// The state of a violation that stood when the process started, last heard of at `last_ms`.
    pub(super) fn standing(last_ms: i64) -> Self {
        Self { in_alarm: true, run: 0, last_ms }
    }

    /// True between `Raised` and `Cleared` or invalidation.
    pub(super) fn in_alarm(&self) -> bool {
        self.in_alarm
    }

    /// Takes one datapoint of time `at_ms`. The run is of datapoints that speak for a change; one that does not restarts it.
    pub(super) fn datapoint(&mut self, normal: bool, patience: Patience, at_ms: i64) -> Option<Change> {
        self.last_ms = self.last_ms.max(at_ms);
        let for_change = normal == self.in_alarm;
        self.run = if for_change { self.run.saturating_add(1) } else { 0 };
        let enough = if self.in_alarm { patience.to_clear } else { patience.to_alarm };
        if self.run >= enough {
            self.in_alarm = !self.in_alarm;
            self.run = 0;
            return Some(if self.in_alarm { Change::Raised } else { Change::Cleared });
        }
        (self.in_alarm && !normal).then_some(Change::Updated)
    }

    /// `alarm-invalidated`: true, once, when the alarm stands and no datapoint came for longer than `silence_ms`.
    pub(super) fn invalidate(&mut self, now_ms: i64, silence_ms: i64) -> bool {
        let gone = self.in_alarm && now_ms.saturating_sub(self.last_ms) > silence_ms;
        if gone {
            *self = Self { last_ms: self.last_ms, ..Self::default() };
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_restarts_the_count() {
        let patience = Patience { to_alarm: 3, to_clear: 2 };
        let mut alarm = Alarm::default();
        let mut seen = Vec::new();
        for normal in [false, false, true, false, false, false, false, true, false, true, true] {
            seen.push(alarm.datapoint(normal, patience, 0));
        }
        use Change::{Cleared, Raised, Updated};
        assert_eq!(
            seen,
            [
                None,
                None,
                None,
                None,
                None,
                Some(Raised),
                Some(Updated),
                None,
                Some(Updated),
                None,
                Some(Cleared)
            ]
        );
    }

    #[test]
    fn silence_neither_clears_nor_is_forgotten_before_two_days() {
        let mut alarm = Alarm::default();
        alarm.datapoint(false, Patience { to_alarm: 1, to_clear: 1 }, 1_000);
        let two_days = 2 * 86_400_000;
        assert!(!alarm.invalidate(1_000 + two_days, two_days));
        assert!(alarm.in_alarm());
        assert!(alarm.invalidate(1_001 + two_days, two_days));
        assert!(!alarm.invalidate(1_002 + two_days, two_days));
    }

    proptest::proptest! {
        #[test]
        fn raised_and_cleared_alternate(points in proptest::collection::vec(proptest::bool::ANY, 0..200), a in 1_u8..=10, c in 1_u8..=10) {
            let mut alarm = Alarm::default();
            let mut up = false;
            for normal in points {
                match alarm.datapoint(normal, Patience { to_alarm: a, to_clear: c }, 0) {
                    Some(Change::Raised) => { proptest::prop_assert!(!up && !normal); up = true; }
                    Some(Change::Cleared) => { proptest::prop_assert!(up && normal); up = false; }
                    Some(Change::Updated) => proptest::prop_assert!(up && !normal),
                    None => {}
                }
                proptest::prop_assert_eq!(up, alarm.in_alarm());
            }
        }
    }
}
