//! Metric windows: cut at multiples of their length since the Unix epoch, as AWS cuts them (docs/aws-iot.md#1.5, timing evidence).

/// The number of the window `at_ms` lies in, for windows `length_ms` long.
pub fn number(at_ms: i64, length_ms: i64) -> i64 {
    at_ms.div_euclid(length_ms.max(1))
}

/// When window `number` ends: the first millisecond that is not in it, which is also the time its violations carry.
pub fn end_ms(number: i64, length_ms: i64) -> i64 {
    (number + 1).saturating_mul(length_ms.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_at_multiples_of_their_length() {
        // Seed 004: the 54 messages before 2019-11-15T03:00:00Z were judged with violationEventTime 1573786800000.
        assert_eq!(end_ms(number(1_573_786_799_999, 300_000), 300_000), 1_573_786_800_000);
        assert_eq!(end_ms(number(1_573_786_800_000, 300_000), 300_000), 1_573_787_100_000);
        assert_eq!(end_ms(number(-1, 300_000), 300_000), 0);
    }

    proptest::proptest! {
        #[test]
        fn a_time_lies_in_its_window(at in -1_000_000_000_000_i64..4_000_000_000_000, length in 1_i64..10_000_000) {
            let end = end_ms(number(at, length), length);
            proptest::prop_assert!(at < end && at >= end - length && end % length == 0);
        }
    }
}
