//! A limit that values are held against: what is drawn beyond it, what is called outside and what AWS would alarm on are one
//! question with one answer, also for a value that is the limit itself.

use quell_rules::detect::model::{ComparisonOperator, Criteria};

/// A limit, and the side of it that is normal: a behaviour's operator says what is *normal* (docs/aws-iot.md#1.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::console) struct Limit {
    /// The value, in the unit of its metric.
    pub(in crate::console) at: f64,
    /// Values below it are normal, else those above.
    upper: bool,
    /// The value itself is normal.
    inclusive: bool,
}

impl Limit {
    /// What `operator` says of `at`; `None` for one of sets, which knows no more and no less.
    pub(in crate::console) fn new(operator: ComparisonOperator, at: f64) -> Option<Self> {
        let (upper, inclusive) = match operator {
            ComparisonOperator::LessThan => (true, false),
            ComparisonOperator::LessThanEquals => (true, true),
            ComparisonOperator::GreaterThan => (false, false),
            ComparisonOperator::GreaterThanEquals => (false, true),
            _ => return None,
        };
        Some(Self { at, upper, inclusive })
    }

    /// The static limit of a criterion, where it has one.
    pub(super) fn of(criteria: &Criteria) -> Option<Self> {
        Self::new(criteria.comparison_operator?, criteria.value.as_ref()?.count? as f64)
    }

    /// Whether values above it are wrong; else those below are.
    pub(super) fn is_upper(&self) -> bool {
        self.upper
    }

    /// Whether a value is not normal.
    pub(super) fn is_beyond(&self, value: f64) -> bool {
        let normal = if self.upper { value < self.at } else { value > self.at };
        !(normal || self.inclusive && value == self.at)
    }

    /// The one of two upper limits that fewer values keep.
    pub(super) fn tighter(self, other: Self) -> Self {
        let (a, b) = ((self.at, self.inclusive), (other.at, other.inclusive));
        if b < a { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_normal_where_the_operator_says_so() {
        use ComparisonOperator::{GreaterThan, GreaterThanEquals, InSet, LessThan, LessThanEquals};
        for (operator, beyond) in [
            (LessThan, [false, true, true]),
            (LessThanEquals, [false, false, true]),
            (GreaterThan, [true, true, false]),
            (GreaterThanEquals, [true, false, false]),
        ] {
            let limit = Limit::new(operator, 1_000.0).unwrap();
            assert_eq!([999.0, 1_000.0, 1_001.0].map(|v| limit.is_beyond(v)), beyond, "{operator:?}");
        }
        assert_eq!(Limit::new(InSet, 1.0), None);
        let [less, most] = [LessThan, LessThanEquals].map(|o| Limit::new(o, 5.0).unwrap());
        assert_eq!((less.tighter(most), most.tighter(less)), (less, less));
    }
}
