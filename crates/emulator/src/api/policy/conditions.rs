//! Condition operators, over the context of one connection.

use super::document::Condition;
use super::evaluate::Context;
use super::glob::Glob;

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
}

struct Operator {
    test: Test,
    negated: bool,
    if_exists: bool,
    for_all: bool,
}

fn parse(name: &str) -> Option<Operator> {
    let (for_all, name) = match name.split_once(':') {
        Some(("ForAllValues", rest)) => (true, rest),
        Some(("ForAnyValue", rest)) => (false, rest),
        Some(_) => return None,
        None => (false, name),
    };
    let (if_exists, name) = match name.strip_suffix("IfExists") {
        Some(rest) => (true, rest),
        None => (false, name),
    };
    let (test, negated) = match name {
        "StringEquals" | "ArnEquals" => (if name == "ArnEquals" { Test::Like } else { Test::Equals }, false),
        "StringNotEquals" => (Test::Equals, true),
        "StringEqualsIgnoreCase" => (Test::EqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoreCase, true),
        "StringLike" | "ArnLike" => (Test::Like, false),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Test::Like, true),
        "Bool" => (Test::Bool, false),
        "Null" => (Test::Null, false),
        "IpAddress" => (Test::IpAddress, false),
        "NotIpAddress" => (Test::IpAddress, true),
        "NumericEquals" => (Test::Numeric(|a, b| a == b), false),
        "NumericNotEquals" => (Test::Numeric(|a, b| a == b), true),
        "NumericLessThan" => (Test::Numeric(|a, b| a < b), false),
        "NumericLessThanEquals" => (Test::Numeric(|a, b| a <= b), false),
        "NumericGreaterThan" => (Test::Numeric(|a, b| a > b), false),
        "NumericGreaterThanEquals" => (Test::Numeric(|a, b| a >= b), false),
        _ => return None,
    };
    Some(Operator { test, negated, if_exists, for_all })
}

/// Is it an operator this engine evaluates? A document with another is malformed.
pub(super) fn is_known(operator: &str) -> bool {
    parse(operator).is_some()
}

/// Does the condition hold? `None` when a variable in its values cannot be resolved: the statement then does not match.
pub(super) fn holds(condition: &Condition, context: &Context, variables: bool) -> Option<bool> {
    let operator = parse(&condition.operator)?;
    let held = context.get(&condition.key);
    if matches!(operator.test, Test::Null) {
        let absent = held.is_none();
        return Some(condition.values.iter().any(|v| v.eq_ignore_ascii_case("true") == absent));
    }
    let Some(held) = held else {
        // IAM: an absent key satisfies negated operators, …IfExists and ForAllValues.
        return Some(operator.negated || operator.if_exists || operator.for_all);
    };
    let mut any = false;
    for value in &condition.values {
        let pattern = if variables { context.substitute(value)? } else { plain(value) };
        any |= compare(operator.test, held, &pattern);
    }
    Some(any != operator.negated)
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
    }
}
