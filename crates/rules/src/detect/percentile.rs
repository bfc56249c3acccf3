//! The fleet's value a statistical criterion compares with: nearest rank, which AWS leaves undocumented.

/// The statistics AWS accepts, with their fraction in ten-thousandths of the fleet.
pub const STATISTICS: [(&str, u64); 11] = [
    ("p0", 0),
    ("p0.01", 1),
    ("p0.1", 10),
    ("p1", 100),
    ("p10", 1_000),
    ("p50", 5_000),
    ("p90", 9_000),
    ("p99", 9_900),
    ("p99.9", 9_990),
    ("p99.99", 9_999),
    ("p100", 10_000),
];

/// The value of `statistic` among `sorted` (ascending) by nearest rank; `None` without values, for an unknown statistic,
/// and with a negative value, for which AWS leaves percentiles undefined.
pub(super) fn nearest_rank(sorted: &[f64], statistic: &str) -> Option<f64> {
    let (_, ten_thousandths) = STATISTICS.iter().find(|(name, _)| *name == statistic)?;
    if sorted.first().is_none_or(|lowest| *lowest < 0.0) {
        return None;
    }
    let rank = (*ten_thousandths as usize * sorted.len()).div_ceil(10_000).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank_takes_a_value_that_is_there() {
        assert_eq!(nearest_rank(&[150.0, 90_000.0], "p50"), Some(150.0));
        assert_eq!(nearest_rank(&[1.0, 2.0, 3.0], "p50"), Some(2.0));
        assert_eq!(nearest_rank(&[1.0, 2.0, 3.0], "p0"), Some(1.0));
        assert_eq!(nearest_rank(&[1.0, 2.0, 3.0], "p100"), Some(3.0));
        assert_eq!(nearest_rank(&[1.0, 2.0, 3.0], "p42"), None);
        assert_eq!(nearest_rank(&[], "p50"), None);
        assert_eq!(nearest_rank(&[-1.0, 2.0], "p50"), None);
    }

    proptest::proptest! {
        #[test]
        fn percentiles_rise_and_are_members(mut values in proptest::collection::vec(0.0..1e9_f64, 1..200)) {
            values.sort_by(f64::total_cmp);
            let ranked: Vec<f64> = STATISTICS.iter().filter_map(|(s, _)| nearest_rank(&values, s)).collect();
            proptest::prop_assert_eq!(ranked.len(), STATISTICS.len());
            proptest::prop_assert!(ranked.is_sorted());
            proptest::prop_assert!(ranked.iter().all(|r| values.contains(r)));
        }
    }
}
