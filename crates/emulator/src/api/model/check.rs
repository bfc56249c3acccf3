//! A request held against the model of its operation.

use serde_json::Value;

use super::read::{Bounds, Field, MODEL, Member, Model, Place, Shape};
use crate::api::{ApiError, Req, Service, routes};

/// Checks a request, its path matched.
///
/// A body that is no JSON object, and a member of another JSON type than the model's, are left to the operation.
///
/// # Errors
/// `InvalidRequestException` that names every fault, in AWS's words.
pub(in crate::api) fn check(service: Service, op: &'static str, req: &Req) -> Result<(), ApiError> {
    let model = &*MODEL;
    let Some(members) = model.operations.get(&(service, op)) else {
        return Ok(());
    };
    let bodied = members.iter().any(|m| matches!(m.place, Place::Body | Place::Payload));
    let body = if !bodied {
        Value::Null
    } else if req.body.iter().all(u8::is_ascii_whitespace) {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::from_slice(&req.body).unwrap_or_default()
    };
    let shown = !routes::keeps_values_back(op);
    let mut faults = Faults { model, shown, found: Vec::new() };
    for member in members {
        faults.member(member, req, &body);
    }
    let found = faults.found;
    if found.is_empty() {
        return Ok(());
    }
    let (count, s) = (found.len(), if found.len() == 1 { "" } else { "s" });
    Err(ApiError::invalid(format!("{count} validation error{s} detected: {}", found.join("; "))))
}

struct Faults {
    model: &'static Model,
    /// Are values shown?
    shown: bool,
    found: Vec<String>,
}

impl Faults {
    fn member(&mut self, member: &Member, req: &Req, body: &Value) {
        let field = &member.field;
        let text = match member.place {
            Place::Body if body.is_object() => return self.field(field, body.get(member.wire), field.name),
            Place::Payload if body.is_object() => return self.field(field, Some(body), field.name),
            Place::Body | Place::Payload => return,
            Place::Path => req.path.iter().any(|(n, _)| *n == member.wire).then(|| req.path(member.wire)),
            Place::Query => req.query(member.wire),
            Place::Header => req.header(member.wire),
        };
        match text.map(|text| (text, field.shape.and_then(|s| self.model.shapes.get(s)))) {
            // The route names this segment otherwise: nothing to hold it against.
            None if member.place == Place::Path => {}
            None => self.field(field, None, field.name),
            Some((_, Some(Shape::List(_, Some(item))))) => {
                let items = req.query.iter().filter(|(n, _)| n == member.wire);
                for (at, (_, text)) in items.enumerate() {
                    self.value(
                        *item,
                        &Value::from(text.as_str()),
                        &format!("{}.{}.member", field.name, at + 1),
                    );
                }
            }
            Some((text, Some(Shape::Number(..)))) => {
                if let Ok(number) = text.parse::<i64>() {
                    self.field(field, Some(&number.into()), field.name);
                }
            }
            Some((text, Some(_))) => self.field(field, Some(&text.into()), field.name),
            Some((_, None)) => {}
        }
    }

    fn field(&mut self, field: &Field, value: Option<&Value>, path: &str) {
        match (value.filter(|v| !v.is_null()), field.shape) {
            (None, _) if field.required => self.found.push(format!(
                "Value null at '{path}' failed to satisfy constraint: Member must not be null"
            )),
            (Some(value), Some(shape)) => self.value(shape, value, path),
            _ => {}
        }
    }

    fn value(&mut self, shape: usize, value: &Value, path: &str) {
        let Some(shape) = self.model.shapes.get(shape) else { return };
        for constraint in broken(shape, value) {
            let value = match (shape, value.as_f64()) {
                (Shape::Number(_, true), Some(number)) => format!("{number:?}"),
                _ => shown(value),
            };
            self.say(&value, path, &constraint);
        }
        match (shape, value) {
            (Shape::List(_, Some(item)), Value::Array(items)) => match self.model.shapes.get(*item) {
                // Of plain values AWS shows the whole list and all the constraints.
                Some(plain @ (Shape::Text(..) | Shape::Enum(_))) => {
                    if items.iter().any(|item| !broken(plain, item).is_empty()) {
                        let all = constraints(plain).join(", ");
                        self.say(&shown(value), path, &format!("Member must satisfy constraint: [{all}]"));
                    }
                }
                _ => {
                    for (at, item_value) in items.iter().enumerate() {
                        self.value(*item, item_value, &format!("{path}.{}.member", at + 1));
                    }
                }
            },
            (Shape::Map(key, inner), Value::Object(entries)) => {
                for (name, entry) in entries {
                    if let Some(key) = key {
                        self.of_map(*key, &name.as_str().into(), value, path, "keys");
                    }
                    match inner.and_then(|i| self.model.shapes.get(i).map(|s| (i, s))) {
                        Some((i, Shape::Struct(_) | Shape::List(..) | Shape::Map(..))) => {
                            self.value(i, entry, &format!("{path}.{name}.member"));
                        }
                        Some((i, _)) => self.of_map(i, entry, value, path, "value"),
                        None => {}
                    }
                }
            }
            (Shape::Struct(fields), Value::Object(members)) => {
                for field in fields {
                    let at = camel(field.name);
                    self.field(field, members.get(field.name), &format!("{path}.{at}"));
                }
            }
            _ => {}
        }
    }

    /// A key or a value of a map: AWS shows the whole map and all the constraints.
    fn of_map(&mut self, shape: usize, value: &Value, map: &Value, path: &str, what: &str) {
        let Some(shape) = self.model.shapes.get(shape) else { return };
        if broken(shape, value).is_empty() {
            return;
        }
        let constraint = format!("Map {what} must satisfy constraint: [{}]", constraints(shape).join(", "));
        self.say(&shown(map), path, &constraint);
    }

    /// One more fault, unless it has been said already.
    fn say(&mut self, value: &str, path: &str, constraint: &str) {
        let value = if self.shown { format!("'{value}' ") } else { String::new() };
        let fault = format!("Value {value}at '{path}' failed to satisfy constraint: {constraint}");
        if !self.found.contains(&fault) {
            self.found.push(fault);
        }
    }
}

/// The constraints of a shape itself that a value does not satisfy.
fn broken(shape: &Shape, value: &Value) -> Vec<String> {
    match (shape, value) {
        (Shape::Text(bounds, pattern), Value::String(text)) => {
            let mut out = Vec::new();
            if let Some((written, regex)) = pattern
                && !regex.is_match(text)
            {
                out.push(matching(written));
            }
            out.extend(beyond(*bounds, text.chars().count() as f64, "length"));
            out
        }
        (Shape::Enum(allowed), Value::String(text)) if !allowed.contains(&text.as_str()) => {
            vec![among(allowed)]
        }
        (Shape::Number(bounds, _), Value::Number(number)) => {
            beyond(*bounds, number.as_f64().unwrap_or_default(), "value")
        }
        (Shape::List(bounds, _), Value::Array(items)) => beyond(*bounds, items.len() as f64, "length"),
        _ => Vec::new(),
    }
}

/// Every constraint of a shape.
fn constraints(shape: &Shape) -> Vec<String> {
    match shape {
        Shape::Text(bounds, pattern) => {
            let high = bounds.high.map(|n| at_most("length", n));
            let low = bounds.low.map(|n| at_least("length", n));
            high.into_iter().chain(low).chain(pattern.iter().map(|(written, _)| matching(written))).collect()
        }
        Shape::Enum(allowed) => vec![among(allowed)],
        Shape::Number(..) | Shape::List(..) | Shape::Map(..) | Shape::Struct(_) => Vec::new(),
    }
}

fn beyond(bounds: Bounds, actual: f64, what: &str) -> Vec<String> {
    let high = bounds.high.filter(|n| actual > *n).map(|n| at_most(what, n));
    let low = bounds.low.filter(|n| actual < *n).map(|n| at_least(what, n));
    high.into_iter().chain(low).collect()
}

fn at_most(what: &str, bound: f64) -> String {
    format!("Member must have {what} less than or equal to {bound}")
}

fn at_least(what: &str, bound: f64) -> String {
    format!("Member must have {what} greater than or equal to {bound}")
}

fn matching(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

fn among(allowed: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", allowed.join(", "))
}

/// AWS's own name of a member: a tag's `Key` is `key` there.
fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}", first.to_ascii_lowercase(), letters.as_str()))
}

/// A value as AWS prints it: `[a, b]`, `{k=v}`, text as it is.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<_> = members.iter().map(|(k, v)| format!("{k}={}", shown(v))).collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}
