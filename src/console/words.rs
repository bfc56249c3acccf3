//! Numbers, sizes, ages and times in few characters, the same everywhere on the screen.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use quell_fleet::Ms;

/// At most three significant digits: `6.0`, `119`, `3.0 k`, `12 k`, `1.5 M`.
pub(crate) fn number(value: f64) -> String {
    let (scaled, unit) = scale(value);
    if unit.is_empty() { digits(scaled) } else { format!("{} {unit}", digits(scaled)) }
}

/// A whole number: `7`, `119`, `3.0 k`.
pub(crate) fn count(value: u64) -> String {
    if value < 1000 { value.to_string() } else { number(value as f64) }
}

/// A size with its unit: `119 B`, `3.0 kB`.
pub(crate) fn bytes(value: f64) -> String {
    let (scaled, unit) = scale(value);
    if unit.is_empty() { format!("{scaled:.0} B") } else { format!("{} {unit}B", digits(scaled)) }
}

fn scale(value: f64) -> (f64, &'static str) {
    // Thresholds are where rounding would need a fourth digit.
    let size = value.abs();
    if size < 999.5 {
        (value, "")
    } else if size < 999_500.0 {
        (value / 1e3, "k")
    } else if size < 999_500_000.0 {
        (value / 1e6, "M")
    } else {
        (value / 1e9, "G")
    }
}

fn digits(value: f64) -> String {
    if value.abs() < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// How long, in one unit: `now`, `12 s`, `9 m`, `3 h`, `4 d`.
pub(crate) fn age(ms: Ms) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0 => "now".to_owned(),
        1..=99 => format!("{seconds} s"),
        100..=5_939 => format!("{} m", (seconds + 30) / 60),
        5_940..=172_799 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long ago: `just now`, `12 s ago`.
pub(crate) fn ago(ms: Ms) -> String {
    if ms < 1_000 { "just now".to_owned() } else { format!("{} ago", age(ms)) }
}

/// How soon: `now`, `in 12 s`.
pub(crate) fn within(ms: Ms) -> String {
    if ms < 1_000 { "now".to_owned() } else { format!("in {}", age(ms)) }
}

/// A duration with one decimal below ten seconds: `3.8 s`.
pub(crate) fn took(ms: Ms) -> String {
    if (0..10_000).contains(&ms) { format!("{:.1} s", ms as f64 / 1000.0) } else { age(ms) }
}

/// The time of day: `14:22:07`.
pub(crate) fn clock(at: Ms, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(at) {
        Ok(t) => t.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string(),
        Err(_) => "??:??:??".to_owned(),
    }
}

/// The time of day without seconds: `14:22`.
pub(crate) fn minute(at: Ms, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(at) {
        Ok(t) => t.to_zoned(zone.clone()).strftime("%H:%M").to_string(),
        Err(_) => "??:??".to_owned(),
    }
}

/// The time of day, with the date when it was another day: `11-20 14:22:07`.
pub(crate) fn moment(at: Ms, now: Ms, zone: &TimeZone) -> String {
    let (Ok(t), Ok(n)) = (Timestamp::from_millisecond(at), Timestamp::from_millisecond(now)) else {
        return "?".to_owned();
    };
    let (t, n) = (t.to_zoned(zone.clone()), n.to_zoned(zone.clone()));
    if t.date() == n.date() {
        t.strftime("%H:%M:%S").to_string()
    } else if t.year() == n.year() {
        t.strftime("%m-%d %H:%M").to_string()
    } else {
        t.strftime("%Y-%m-%d").to_string()
    }
}

/// The order a person expects of names: `Thing2` before `Thing10`. Digits that stand together are a number; names that are
/// the same but for leading zeros are told apart by them.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (digits_left, digits_right) = (digits_at(left), digits_at(right));
        if !digits_left.is_empty() && !digits_right.is_empty() {
            let (x, y) = (digits_left.trim_start_matches('0'), digits_right.trim_start_matches('0'));
            // Without leading zeros the longer number is the larger one, however long it is.
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
            if order.is_ne() {
                return order;
            }
            left = left.get(digits_left.len()..).unwrap_or_default();
            right = right.get(digits_right.len()..).unwrap_or_default();
            continue;
        }
        let (mut rest_left, mut rest_right) = (left.chars(), right.chars());
        match (rest_left.next(), rest_right.next()) {
            (None, None) => return a.cmp(b),
            (x, y) if x != y => return x.cmp(&y),
            _ => (left, right) = (rest_left.as_str(), rest_right.as_str()),
        }
    }
}

/// The digits that `text` begins with.
fn digits_at(text: &str) -> &str {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// How many cells a text takes.
pub(crate) fn cells(text: &str) -> u16 {
    // Nothing that is shown has control characters.
    let wide = if text.is_ascii() { text.len() } else { unicode_width::UnicodeWidthStr::width(text) };
    u16::try_from(wide).unwrap_or(u16::MAX)
}

/// `1 device`, `3 devices`.
pub(crate) fn plural(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_at_most() {
        let cases = [(0.0, "0.0"), (6.04, "6.0"), (9.96, "10"), (119.0, "119"), (999.4, "999")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(999.6), "1.0 k");
        assert_eq!(number(3000.0), "3.0 k");
        assert_eq!(number(128_000.0), "128 k");
        assert_eq!(number(999_600.0), "1.0 M");
        assert_eq!(count(7), "7");
        assert_eq!(bytes(8_100.0), "8.1 kB");
        assert_eq!(bytes(119.0), "119 B");
    }

    #[test]
    fn ages_have_one_unit() {
        assert_eq!(age(-5), "now");
        assert_eq!(ago(300), "just now");
        assert_eq!(ago(12_000), "12 s ago");
        assert_eq!(age(12_000), "12 s");
        assert_eq!(age(540_000), "9 m");
        assert_eq!(age(3 * 3_600_000), "3 h");
        assert_eq!(age(4 * 86_400_000), "4 d");
        assert_eq!(took(3_812), "3.8 s");
        assert_eq!(took(42_000), "42 s");
    }

    #[test]
    fn names_stand_in_the_order_a_person_expects() {
        let mut names =
            ["Thing10", "Thing2", "Thing02", "Thing", "a1b10", "a1b9", "x99999999999999999999999", "x3"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            ["Thing", "Thing02", "Thing2", "Thing10", "a1b9", "a1b10", "x3", "x99999999999999999999999"]
        );
    }

    proptest::proptest! {
        #[test]
        fn the_natural_order_is_an_order(a in "[a-b0-2é]{0,6}", b in "[a-b0-2é]{0,6}", c in "[a-b0-2é]{0,6}") {
            proptest::prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            proptest::prop_assert_eq!(natural(&a, &b).is_eq(), a == b);
            if natural(&a, &b).is_le() && natural(&b, &c).is_le() {
                proptest::prop_assert!(natural(&a, &c).is_le());
            }
        }
    }

    #[test]
    fn another_day_shows_its_date() {
        let utc = TimeZone::UTC;
        assert_eq!(clock(1_574_254_500_000, &utc), "12:55:00");
        assert_eq!(moment(1_574_254_500_000, 1_574_254_600_000, &utc), "12:55:00");
        assert_eq!(moment(1_574_254_500_000, 1_574_354_600_000, &utc), "11-20 12:55");
    }
}
