//! Condition operators, over the context of one connection (docs/aws-iot.md#4.3).
//!
//! A key that is not modelled here fails closed: an Allow with such a condition does not count, a Deny does, whatever the
//! operator. [`is_modelled`] is the list.

use super::document::Condition;
use super::evaluate::{Binding, Why};
use super::glob::Glob;

/// Keys that resolve on a connection or would if it had them, in lower case; a last `.` or `[` stands for what follows it.
const MODELLED: [&str; 9] = [
    "aws:currenttime",
    "aws:epochtime",
    "aws:securetransport",
    "aws:sourceip",
    "iot:certificate.",
    "iot:certificateid",
    "iot:clientid",
    "iot:connectattributes",
    "iot:connection.thing.",
];

/// Is it a condition key this engine knows the value of?
pub(super) fn is_modelled(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    MODELLED.iter().any(|known| if known.ends_with('.') { key.starts_with(known) } else { key == *known })
}

/// What a single value is compared by.
#[derive(Clone, Copy)]
enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Bool,
    Null,
    IpAddress,
    Numeric(fn(f64, f64) -> bool),
    Date(fn(f64, f64) -> bool),
}

/// How a key with several values is judged.
#[derive(Clone, Copy, PartialEq)]
enum Quantity {
    /// A key of one value.
    One,
    /// `ForAllValues:`.
    All,
    /// `ForAnyValue:`.
    Any,
}

struct Operator {
    test: Test,
    negated: bool,
    if_exists: bool,
    quantity: Quantity,
}

fn parse(name: &str) -> Option<Operator> {
    let (quantity, name) = match name.split_once(':') {
        Some(("ForAllValues", rest)) => (Quantity::All, rest),
        Some(("ForAnyValue", rest)) => (Quantity::Any, rest),
        Some(_) => return None,
        None => (Quantity::One, name),
    };
    let (if_exists, name) = match name.strip_suffix("IfExists") {
        Some(rest) => (true, rest),
        None => (false, name),
    };
    let (test, negated) = match name {
        "StringEquals" | "BinaryEquals" => (Test::Equals, false),
        "StringNotEquals" => (Test::Equals, true),
        "StringEqualsIgnoreCase" => (Test::EqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoreCase, true),
        "StringLike" | "ArnLike" | "ArnEquals" => (Test::Like, false),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Test::Like, true),
        "Bool" => (Test::Bool, false),
        "Null" if !if_exists => (Test::Null, false),
        "IpAddress" => (Test::IpAddress, false),
        "NotIpAddress" => (Test::IpAddress, true),
        other => {
            let (date, relation) = match other.strip_prefix("Numeric") {
                Some(relation) => (false, relation),
                None => (true, other.strip_prefix("Date")?),
            };
            let (holds, negated): (fn(f64, f64) -> bool, bool) = match relation {
                "Equals" => (|a, b| a == b, false),
                "NotEquals" => (|a, b| a == b, true),
                "LessThan" => (|a, b| a < b, false),
                "LessThanEquals" => (|a, b| a <= b, false),
                "GreaterThan" => (|a, b| a > b, false),
                "GreaterThanEquals" => (|a, b| a >= b, false),
                _ => return None,
            };
            (if date { Test::Date(holds) } else { Test::Numeric(holds) }, negated)
        }
    };
    Some(Operator { test, negated, if_exists, quantity })
}

/// Is it an operator this engine evaluates? A document with another is malformed.
pub(super) fn is_known(operator: &str) -> bool {
    parse(operator).is_some()
}

/// Does the condition hold?
///
/// # Errors
/// Why the statement does not count.
pub(super) fn hold(condition: &Condition, with: Binding<'_>) -> Result<(), Why> {
    let Binding { context, variables, widen } = with;
    let not_known = |key: &str| if widen { Ok(()) } else { Err(Why::NotKnown(key.to_owned())) };
    if !is_modelled(&condition.key) || context.is_unknown(&condition.key) {
        return not_known(&condition.key);
    }
    let no = || Err(Why::Condition { operator: condition.operator.clone(), key: condition.key.clone() });
    let Some(operator) = parse(&condition.operator) else { return no() };
    let held = context.all(&condition.key);
    if matches!(operator.test, Test::Null) {
        let absent = held.is_empty();
        let holds = condition.values.iter().any(|v| v.eq_ignore_ascii_case("true") == absent);
        return if holds { Ok(()) } else { no() };
    }
    let mut patterns = Vec::with_capacity(condition.values.len());
    for value in &condition.values {
        match if variables { context.substitute(value, false) } else { Ok(plain(value)) } {
            Ok(pattern) => patterns.push(pattern),
            Err(Why::NotKnown(variable)) => return not_known(&variable),
            Err(why) => return Err(why),
        }
    }
    if held.is_empty() {
        // IAM: an absent key satisfies negated operators, …IfExists and ForAllValues, and never ForAnyValue.
        let negated = operator.negated && operator.quantity != Quantity::Any;
        let holds = negated || operator.if_exists || operator.quantity == Quantity::All;
        return if holds { Ok(()) } else { no() };
    }
    let equals = |value: &String| patterns.iter().any(|pattern| compare(operator.test, value, pattern));
    let holds = match (operator.quantity, operator.negated) {
        (Quantity::One, negated) => held.iter().any(equals) != negated,
        (Quantity::Any, negated) => held.iter().any(|value| equals(value) != negated),
        (Quantity::All, negated) => held.iter().all(|value| equals(value) != negated),
    };
    if holds { Ok(()) } else { no() }
}

fn plain(value: &str) -> (Glob, String) {
    (Glob::new(value), value.to_owned())
}

fn compare(test: Test, held: &str, (glob, text): &(Glob, String)) -> bool {
    match test {
        Test::Equals => held == text,
        Test::EqualsIgnoreCase | Test::Bool => held.eq_ignore_ascii_case(text),
        Test::Like => glob.matches(held),
        Test::Null => false,
        Test::IpAddress => {
            let Ok(ip) = held.parse::<std::net::IpAddr>() else { return false };
            text.parse::<ipnet::IpNet>().map_or_else(|_| text.parse() == Ok(ip), |net| net.contains(&ip))
        }
        Test::Numeric(holds) => match (held.parse(), text.parse()) {
            (Ok(a), Ok(b)) => holds(a, b),
            _ => false,
        },
        Test::Date(holds) => match (instant(held), instant(text)) {
            (Some(a), Some(b)) => holds(a, b),
            _ => false,
        },
    }
}

/// A date as IAM takes it: ISO 8601, as far as to the day, or seconds since the epoch; in seconds.
fn instant(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse::<f64>()
        && text.len() > 4
    {
        return seconds.is_finite().then_some(seconds);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond() as f64 / 1000.0);
    }
    let day: jiff::civil::Date = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    }
    .parse()
    .ok()?;
    let at = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(at.timestamp().as_second() as f64)
}
