//! What expressions come to.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::ast::{Cast, Expr, Item, Op, Select};
use super::value::{self, Num, Val};
use super::{Message, Outcome, Statement, Variable, Version};

/// What the evaluation of one statement for one message may cost: a step an expression, and a byte or so for each byte of what
/// it makes. Nested queries and functions that repeat their arguments would otherwise have no end.
#[derive(Debug)]
pub(super) struct Work(Cell<Option<usize>>);

/// A statement that copies a payload of 128 KB a hundred times stays below.
const MOST_WORK: usize = 32 << 20;

/// What an expression costs by itself.
const STEP: usize = 16;

impl Default for Work {
    fn default() -> Self {
        Self(Cell::new(Some(MOST_WORK)))
    }
}

impl Work {
    /// Does `cost`; false when that is too much, and from then on.
    pub(super) fn spend(&self, cost: usize) -> bool {
        let left = self.0.get().and_then(|left| left.checked_sub(cost));
        self.0.set(left);
        left.is_some()
    }

    fn is_spent(&self) -> bool {
        self.0.get().is_none()
    }
}

/// What an expression is evaluated in.
#[derive(Clone, Copy)]
pub(super) struct Env<'a> {
    pub(super) message: &'a Message<'a>,
    /// The document names are looked up in: the payload, or the element of a nested query. `None` when not JSON.
    pub(super) root: Option<&'a Value>,
    pub(super) version: Version,
    /// What SET gave its variables so far.
    pub(super) variables: &'a [Val],
    pub(super) work: &'a Work,
}

pub(super) fn statement(statement: &Statement, message: &Message<'_>) -> Outcome {
    let select = &statement.select;
    // The payload as it came, JSON or not.
    let raw = matches!(select.items[..], [Item::Star]);
    let document: Option<Value> =
        if statement.document { serde_json::from_slice(message.payload).ok() } else { None };
    if statement.document && document.is_none() {
        return Outcome::ParseError;
    }
    let (root, version, work) = (document.as_ref(), statement.version, Work::default());
    let variables = set(&statement.variables, Env { message, root, version, variables: &[], work: &work });
    let env = Env { message, root, version, variables: &variables, work: &work };
    let passes = env.passes(select.filter.as_ref());
    let selected = match passes {
        true if raw => None,
        true => Some(env.project(select)),
        false => None,
    };
    match selected {
        _ if work.is_spent() => Outcome::TooMuch,
        _ if !passes => Outcome::NotSelected,
        None => Outcome::Selected(message.payload.to_vec().into()),
        // Undefined by itself is serialized as nothing.
        Some(None) => Outcome::Selected(bytes::Bytes::new()),
        Some(Some(value)) => Outcome::Selected(value.to_string().into()),
    }
}

/// What SET gives its variables, each seeing those before it.
pub(super) fn set(variables: &[Variable], env: Env<'_>) -> Vec<Val> {
    let mut out = Vec::with_capacity(variables.len());
    for (_, expr) in variables {
        let value = Env { variables: &out, ..env }.eval(expr);
        out.push(value);
    }
    out
}

impl Env<'_> {
    fn passes(&self, filter: Option<&Expr>) -> bool {
        filter.is_none_or(|f| self.eval(f).as_ref().and_then(value::boolean) == Some(true))
    }

    fn project(&self, select: &Select) -> Val {
        if select.value {
            return match select.items.first()? {
                Item::Star => self.eval(&Expr::Star),
                Item::Column(expr, _) => self.eval(expr),
            };
        }
        if matches!(select.items[..], [Item::Star]) {
            return self.eval(&Expr::Star);
        }
        let mut out = Map::new();
        for item in &select.items {
            match item {
                Item::Star => {
                    if let Some(Value::Object(all)) = self.eval(&Expr::Star) {
                        out.extend(all);
                    }
                }
                Item::Column(expr, path) => {
                    if let Some(value) = self.eval(expr) {
                        place(&mut out, path, value);
                    }
                }
            }
        }
        Some(Value::Object(out))
    }

    /// A whole-number decimal of the payload is an integer to the newer dialect.
    fn read(&self, value: &Value) -> Value {
        match value {
            Value::Number(n) if self.version == Version::V2016_03_23 => match Num::of(n) {
                Num::Dec(d) if d.fract() == 0.0 => {
                    Num::Dec(d).rounded(f64::trunc).into_val().unwrap_or_else(|| value.clone())
                }
                _ => value.clone(),
            },
            _ => value.clone(),
        }
    }

    /// A path of names, followed without copying what lies between.
    fn find<'v>(&'v self, expr: &Expr) -> Option<&'v Value> {
        match expr {
            Expr::Star => self.root,
            Expr::Name(name) => self.root?.get(name),
            Expr::Variable(at) => self.variables.get(*at)?.as_ref(),
            Expr::Member(inner, name) => self.find(inner)?.get(name),
            _ => None,
        }
    }

    /// What an expression comes to; Undefined when there is no work left for it.
    pub(super) fn eval(&self, expr: &Expr) -> Val {
        if !self.work.spend(STEP) {
            return None;
        }
        let value = self.value(expr)?;
        self.work.spend(value::weight(&value)).then_some(value)
    }

    fn value(&self, expr: &Expr) -> Val {
        match expr {
            Expr::Literal(value) => Some(value.clone()),
            Expr::Undefined => None,
            Expr::Star => self.root.cloned(),
            Expr::Name(name) => Some(self.read(self.root?.get(name)?)),
            Expr::Variable(at) => self.variables.get(*at)?.clone(),
            Expr::Member(inner, name) => match self.find(expr) {
                Some(value) => Some(self.read(value)),
                None => self.eval(inner)?.get(name).map(|v| self.read(v)),
            },
            Expr::Not(e) => Some((!value::boolean(&self.eval(e)?)?).into()),
            Expr::Neg(e) => match value::number(&self.eval(e)?)? {
                Num::Int(n) => n.checked_neg().map_or(Num::Dec(-(n as f64)), Num::Int).into_val(),
                Num::Dec(d) => Num::Dec(-d).into_val(),
            },
            Expr::Exists(e) => Some(match self.eval(e) {
                Some(Value::Array(items)) => (!items.is_empty()).into(),
                other => other.is_some().into(),
            }),
            Expr::Binary(op, a, b) => binary(*op, self.eval(a), self.eval(b)),
            Expr::Call(function, args) => function.call(self, args),
            Expr::Cast(e, to) => cast(&self.eval(e)?, *to),
            Expr::Case(subject, arms, other) => {
                let subject = self.eval(subject)?;
                let arm =
                    arms.iter().find(|(when, _)| self.eval(when).is_some_and(|w| value::equal(&w, &subject)));
                match (arm, other) {
                    (Some((_, then)), _) => self.eval(then),
                    (None, Some(other)) => self.eval(other),
                    (None, None) => None,
                }
            }
            Expr::Array(items) => Some(items.iter().filter_map(|e| self.eval(e)).collect()),
            Expr::Object(items) => Some(Value::Object(
                items.iter().filter_map(|(k, e)| Some((k.clone(), self.eval(e)?))).collect(),
            )),
            Expr::Query(select, from) => {
                let source = self.eval(from)?;
                let elements = match &source {
                    Value::Array(items) => items.as_slice(),
                    object @ Value::Object(_) => std::slice::from_ref(object),
                    _ => return None,
                };
                Some(
                    elements
                        .iter()
                        .filter_map(|element| {
                            let inner = Env { root: Some(element), ..*self };
                            inner.passes(select.filter.as_ref()).then(|| inner.project(select)).flatten()
                        })
                        .collect(),
                )
            }
        }
    }
}

/// Sets `value` at `AS a.b.c`.
fn place(out: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => drop(out.insert(name.clone(), value)),
        [name, rest @ ..] => {
            let slot = out.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(inner) = slot {
                place(inner, rest, value);
            }
        }
    }
}

pub(super) fn binary(op: Op, a: Val, b: Val) -> Val {
    let (a, b) = (a?, b?);
    let compare = |test: fn(std::cmp::Ordering) -> bool| {
        let ordering = match (value::number(&a)?, value::number(&b)?) {
            (Num::Int(x), Num::Int(y)) => x.cmp(&y),
            (x, y) => x.as_f64().partial_cmp(&y.as_f64())?,
        };
        Some(test(ordering).into())
    };
    match op {
        Op::And => Some((value::boolean(&a)? & value::boolean(&b)?).into()),
        Op::Or => Some((value::boolean(&a)? | value::boolean(&b)?).into()),
        Op::Eq => Some(value::equal(&a, &b).into()),
        Op::Ne => Some((!value::equal(&a, &b)).into()),
        Op::Lt => compare(std::cmp::Ordering::is_lt),
        Op::Le => compare(std::cmp::Ordering::is_le),
        Op::Gt => compare(std::cmp::Ordering::is_gt),
        Op::Ge => compare(std::cmp::Ordering::is_ge),
        Op::In => Some(b.as_array()?.iter().any(|item| value::equal(&a, item)).into()),
        Op::Add if a.is_string() || b.is_string() => Some((value::text(&a)? + &value::text(&b)?).into()),
        Op::Add if !a.is_number() || !b.is_number() => None,
        Op::Add => arithmetic(&a, &b, i64::checked_add, |x, y| x + y),
        Op::Sub => arithmetic(&a, &b, i64::checked_sub, |x, y| x - y),
        Op::Mul => arithmetic(&a, &b, i64::checked_mul, |x, y| x * y),
        Op::Div => arithmetic(&a, &b, i64::checked_div, |x, y| x / y),
        Op::Rem => arithmetic(&a, &b, i64::checked_rem, |x, y| x % y),
    }
}

/// Integers stay integers unless they overflow; division by zero is Undefined.
pub(super) fn arithmetic(
    a: &Value,
    b: &Value,
    ints: fn(i64, i64) -> Option<i64>,
    decimals: fn(f64, f64) -> f64,
) -> Val {
    let (x, y) = (value::number(a)?, value::number(b)?);
    if let (Num::Int(x), Num::Int(y)) = (x, y)
        && let Some(n) = ints(x, y)
    {
        return Some(n.into());
    }
    Num::Dec(decimals(x.as_f64(), y.as_f64())).into_val()
}

fn cast(value: &Value, to: Cast) -> Val {
    match to {
        Cast::Text => value::text(value).map(Value::from),
        Cast::Bool => match value {
            Value::Number(n) => Some((Num::of(n).as_f64() != 0.0).into()),
            other => value::boolean(other).map(Value::from),
        },
        Cast::Decimal | Cast::Int => {
            let number = match value {
                Value::Bool(b) => Num::Int(i64::from(*b)),
                other => value::number(other)?,
            };
            if to == Cast::Int { number.rounded(f64::floor).into_val() } else { number.into_val() }
        }
    }
}
