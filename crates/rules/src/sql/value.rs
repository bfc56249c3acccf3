//! Conversions between the types of the language. `None` is Undefined throughout.

use serde_json::{Number, Value};

/// A value, or Undefined.
pub(super) type Val = Option<Value>;

/// A number as the language computes with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Num {
    Int(i64),
    Dec(f64),
}

impl Num {
    pub(super) fn of(number: &Number) -> Self {
        number.as_i64().map_or_else(|| Self::Dec(number.as_f64().unwrap_or(f64::NAN)), Self::Int)
    }

    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Int(n) => n as f64,
            Self::Dec(d) => d,
        }
    }

    /// `None` when it is not finite, or an integer too large.
    pub(super) fn into_val(self) -> Val {
        match self {
            Self::Int(n) => Some(n.into()),
            Self::Dec(d) => Number::from_f64(d).map(Value::Number),
        }
    }

    /// Rounded by `how` to an integer; a decimal when it does not fit.
    pub(super) fn rounded(self, how: fn(f64) -> f64) -> Self {
        match self {
            Self::Int(_) => self,
            Self::Dec(d) => {
                let rounded = how(d);
                // 2^53: beyond it a double holds no fraction anyway.
                if rounded.abs() < 9_007_199_254_740_992.0 {
                    Self::Int(rounded as i64)
                } else {
                    Self::Dec(rounded)
                }
            }
        }
    }
}

/// Text that AWS takes for a decimal: `-?\d+(\.\d+)?([eE]-?\d+)?`.
fn decimal_text(text: &str) -> Option<Num> {
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((w, f)) => (w, Some(f)),
        None => (mantissa, None),
    };
    let good = digits(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix('-').unwrap_or(e)));
    if !good {
        return None;
    }
    match text.parse::<i64>() {
        Ok(n) => Some(Num::Int(n)),
        Err(_) => text.parse::<f64>().ok().map(Num::Dec),
    }
}

/// The standard conversion to a number.
pub(super) fn number(value: &Value) -> Option<Num> {
    match value {
        Value::Number(n) => Some(Num::of(n)),
        Value::String(text) => decimal_text(text),
        _ => None,
    }
}

/// The standard conversion to an integer: decimals are cut.
pub(super) fn int(value: &Value) -> Option<i64> {
    match number(value)?.rounded(f64::trunc) {
        Num::Int(n) => Some(n),
        Num::Dec(d) if d > 0.0 => Some(i64::MAX),
        Num::Dec(_) => Some(i64::MIN),
    }
}

/// The standard conversion to a boolean: `true` and `false` in any case.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::String(s) if s.eq_ignore_ascii_case("true") => Some(true),
        Value::String(s) if s.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The standard conversion to text; Null has none.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(s) => Some(s.clone()),
        other => Some(other.to_string()),
    }
}

/// What a value weighs, in bytes or so.
pub(super) fn weight(value: &Value) -> usize {
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(key, value)| NODE + key.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// What anything weighs at least.
const NODE: usize = 16;

/// Equality within a type: integers and decimals compare as numbers, other types never equal one another.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (Num::of(x), Num::of(y)) {
            (Num::Int(x), Num::Int(y)) => x == y,
            (x, y) => x.as_f64() == y.as_f64(),
        },
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(a, b)| equal(a, b)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, a)| y.get(k).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}
