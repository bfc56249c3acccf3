//! Functions on numbers.

use serde_json::Value;

use super::Args;
use crate::sql::eval::arithmetic;
use crate::sql::value::{self, Num, Val};

fn num(args: Args<'_>, at: usize) -> Option<Num> {
    value::number(args.at(at)?)
}

/// A function with double precision; imaginary and infinite results are Undefined.
pub(super) fn double(args: Args<'_>, f: fn(f64) -> f64) -> Val {
    Num::Dec(f(num(args, 0)?.as_f64())).into_val()
}

/// [`double`] of two arguments.
pub(super) fn double2(args: Args<'_>, f: fn(f64, f64) -> f64) -> Val {
    Num::Dec(f(num(args, 0)?.as_f64(), num(args, 1)?.as_f64())).into_val()
}

pub(super) fn abs(args: Args<'_>) -> Val {
    match num(args, 0)? {
        Num::Int(n) => n.checked_abs().map_or(Num::Dec((n as f64).abs()), Num::Int),
        Num::Dec(d) => Num::Dec(d.abs()),
    }
    .into_val()
}

pub(super) fn bits(args: Args<'_>, f: fn(i64, i64) -> i64) -> Val {
    let int = |at: usize| match num(args, at)?.rounded(f64::floor) {
        Num::Int(n) => Some(n),
        Num::Dec(_) => None,
    };
    Some(f(int(0)?, int(1)?).into())
}

pub(super) fn round(args: Args<'_>, f: fn(f64) -> f64) -> Val {
    num(args, 0)?.rounded(f).into_val()
}

pub(super) fn remainder(args: Args<'_>) -> Val {
    arithmetic(args.at(0)?, args.at(1)?, i64::checked_rem, |x, y| x % y)
}

pub(super) fn sign(args: Args<'_>) -> Val {
    let value = num(args, 0)?.as_f64();
    Some(Value::from(i64::from(value > 0.0) - i64::from(value < 0.0)))
}

/// Cuts to a number of decimal places, 0 to 34.
pub(super) fn trunc(args: Args<'_>) -> Val {
    let places = value::int(args.at(1)?)?.clamp(0, 34) as i32;
    match num(args, 0)? {
        whole @ Num::Int(_) => whole,
        Num::Dec(d) => {
            let factor = 10f64.powi(places);
            let cut = (d * factor).trunc() / factor;
            if cut.is_finite() { Num::Dec(cut) } else { Num::Dec(d) }
        }
    }
    .into_val()
}
