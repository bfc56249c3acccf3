//! What can be said of a statement before any message came: that it can never match, that a column is always empty, and
//! where the member it asks for really is.
//!
//! AWS documents the members of its own messages. Where a statement reads from such a topic, a name that no such message
//! has is Undefined, and whatever is computed from Undefined is Undefined: so a condition can be found never to be true
//! without a message. What a device puts beneath `reported` stays open: nothing is said there.

use super::ast::{Expr, Item, Op};
use super::{Statement, eval};
use crate::sql::value::Val;

/// What is wrong with a statement, though it can be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// True when no message of its topic can ever match.
    pub never: bool,
    /// The sentence.
    pub text: String,
}

/// The members a message of AWS has.
#[derive(Clone, Copy)]
enum Shape {
    /// Anything may be beneath.
    Free,
    /// These and no others.
    Members(&'static [(&'static str, Shape)]),
}

use Shape::{Free, Members};

const SIDES: Shape = Members(&[("desired", Free), ("reported", Free), ("delta", Free)]);
const DOCUMENT: Shape = Members(&[("state", SIDES), ("metadata", Free), ("version", Free)]);

/// What the topics of a shadow carry (docs/aws-iot.md#3.6), by what follows `shadow/` or `shadow/name/NAME/`; beside it the path
/// under which a device's readings are.
static SHADOW: &[(&str, Shape, &str)] = &[
    (
        "update/accepted",
        Members(&[
            ("state", SIDES),
            ("metadata", Free),
            ("version", Free),
            ("timestamp", Free),
            ("clientToken", Free),
        ]),
        "state.reported",
    ),
    (
        "update/documents",
        Members(&[("previous", DOCUMENT), ("current", DOCUMENT), ("timestamp", Free), ("clientToken", Free)]),
        "current.state.reported",
    ),
    (
        "update/delta",
        Members(&[
            ("state", Free),
            ("metadata", Free),
            ("version", Free),
            ("timestamp", Free),
            ("clientToken", Free),
        ]),
        "state",
    ),
    (
        "get/accepted",
        Members(&[
            ("state", SIDES),
            ("metadata", Free),
            ("version", Free),
            ("timestamp", Free),
            ("clientToken", Free),
        ]),
        "state.reported",
    ),
    // A request with another member at its top is one the shadow service refuses: it lacks `state`.
    ("update", Members(&[("state", SIDES), ("version", Free), ("clientToken", Free)]), "state.reported"),
];

/// Presence (docs/aws-iot.md#3.5): every member of every kind of it.
static PRESENCE: Shape = Members(&[
    ("clientId", Free),
    ("timestamp", Free),
    ("eventType", Free),
    ("sessionIdentifier", Free),
    ("principalIdentifier", Free),
    ("ipAddress", Free),
    ("versionNumber", Free),
    ("clientInitiatedDisconnect", Free),
    ("disconnectReason", Free),
    ("connectFailureReason", Free),
]);

/// The shape of the messages on a topic filter, when it is AWS's own, and where a device's readings are in it.
fn shape(filter: &str) -> Option<(Shape, &'static str)> {
    if let Some(rest) = filter.strip_prefix("$aws/things/") {
        let mut levels = rest.split('/');
        levels.next()?;
        if levels.next()? != "shadow" {
            return None;
        }
        let mut rest: Vec<&str> = levels.collect();
        if rest.first() == Some(&"name") {
            rest.drain(..2.min(rest.len()));
        }
        let rest = rest.join("/");
        return SHADOW.iter().find(|(topic, ..)| *topic == rest).map(|(_, shape, at)| (*shape, *at));
    }
    // Only where all levels are given: `#` may bring other events.
    let presence = filter.strip_prefix("$aws/events/presence/")?;
    (presence.split('/').count() == 2 && !presence.contains('#')).then_some((PRESENCE, ""))
}

/// What an expression comes to for every message of the shape.
enum Certain {
    /// Always this.
    Is(Val),
    /// Now one thing, now another, but never true.
    NeverTrue,
    /// Depends on the message.
    Open,
}

impl Certain {
    fn never_true(&self) -> bool {
        match self {
            Self::Is(value) => value.as_ref().and_then(super::value::boolean) != Some(true),
            Self::NeverTrue => true,
            Self::Open => false,
        }
    }
}

struct Known {
    shape: Shape,
    /// Names found to be in no such message, in order.
    missing: Vec<String>,
}

impl Known {
    /// The path of an expression that is one.
    fn path(expr: &Expr) -> Option<Vec<&str>> {
        match expr {
            Expr::Name(name) => Some(vec![name]),
            Expr::Member(inner, name) if matches!(**inner, Expr::Star) => Some(vec![name]),
            Expr::Member(inner, name) => {
                let mut path = Self::path(inner)?;
                path.push(name);
                Some(path)
            }
            _ => None,
        }
    }

    fn has(&self, path: &[&str]) -> bool {
        let mut shape = self.shape;
        for name in path {
            match shape {
                Free => return true,
                Members(members) => match members.iter().find(|(member, _)| member == name) {
                    Some((_, below)) => shape = *below,
                    None => return false,
                },
            }
        }
        true
    }

    fn judge(&mut self, expr: &Expr) -> Certain {
        use Certain::{Is, NeverTrue, Open};
        if let Some(path) = Self::path(expr) {
            if self.has(&path) {
                return Open;
            }
            let name = path.join(".");
            if !self.missing.contains(&name) {
                self.missing.push(name);
            }
            return Is(None);
        }
        match expr {
            Expr::Literal(value) => Is(Some(value.clone())),
            Expr::Undefined => Is(None),
            Expr::Not(inner) => match self.judge(inner) {
                Is(value) => Is(value.as_ref().and_then(super::value::boolean).map(|b| (!b).into())),
                _ => Open,
            },
            Expr::Exists(inner) => match self.judge(inner) {
                Is(value) => Is(Some(value.is_some().into())),
                _ => Open,
            },
            Expr::Neg(inner) | Expr::Cast(inner, _) => match self.judge(inner) {
                Is(None) => Is(None),
                _ => Open,
            },
            Expr::Binary(op, a, b) => match (op, self.judge(a), self.judge(b)) {
                // Undefined spreads, through OR as well.
                (_, Is(None), _) | (_, _, Is(None)) => Is(None),
                (op, Is(a), Is(b)) => Is(eval::binary(*op, a, b)),
                (Op::And, a, b) if a.never_true() || b.never_true() => NeverTrue,
                (Op::Or, a, b) if a.never_true() && b.never_true() => NeverTrue,
                _ => Open,
            },
            Expr::Call(function, args) => {
                let judged: Vec<Certain> = args.iter().map(|a| self.judge(a)).collect();
                let values: Option<Vec<Val>> =
                    judged.into_iter().map(|c| if let Is(value) = c { Some(value) } else { None }).collect();
                match values.filter(|v| !v.is_empty()).and_then(|values| function.of_values(&values)) {
                    Some(value) => Is(value),
                    None => Open,
                }
            }
            _ => Open,
        }
    }
}

impl Statement {
    /// What is wrong with it, though it can be parsed: a condition that can never be true on its topic, or a column that
    /// is always left out, or something only AWS can tell. Empty when nothing is known against it.
    pub fn remarks(&self) -> Vec<Remark> {
        let told = self.unmodelled().or(self.elsewhere.as_ref());
        let told = told.map(|told| format!("it cannot be tried here: {}", told.message));
        let mut out: Vec<Remark> = told.into_iter().map(|text| Remark { never: false, text }).collect();
        let Some((shape, readings)) = self.from.as_deref().and_then(shape) else { return out };
        if let Some(filter) = &self.select.filter {
            let mut known = Known { shape, missing: Vec::new() };
            if known.judge(filter).never_true() {
                let text = match known.missing.first() {
                    Some(name) => format!(
                        "this rule can never match: no message on this topic has {name}{}, so {name} is \
                         Undefined and the condition is never true{}",
                        if name.contains('.') { "" } else { " at its top level" },
                        place(name, shape, readings)
                    ),
                    None => "this rule can never match: its condition is never true".to_owned(),
                };
                out.push(Remark { never: true, text });
            }
        }
        for item in &self.select.items {
            let Item::Column(expr, path) = item else { continue };
            let mut known = Known { shape, missing: Vec::new() };
            if matches!(known.judge(expr), Certain::Is(None))
                && let Some(name) = known.missing.first()
            {
                let text = format!(
                    "the column {} is always left out: no message on this topic has {name} there{}",
                    path.join("."),
                    place(name, shape, readings)
                );
                out.push(Remark { never: false, text });
            }
        }
        out
    }
}

/// Where the member is meant to be.
fn place(name: &str, shape: Shape, readings: &str) -> String {
    if readings.is_empty() {
        let Members(members) = shape else { return String::new() };
        let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        return format!("; it has {}", names.join(", "));
    }
    // `state.Humidity` is one level short: the reading itself is what was meant.
    let last = name.rsplit('.').next().unwrap_or(name);
    format!("; a device's reading is at {readings}.{last}")
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, Version};

    fn remarks(sql: &str) -> Vec<(bool, String)> {
        let parsed = Statement::parse(sql, Version::V2016_03_23).unwrap();
        parsed.remarks().into_iter().map(|r| (r.never, r.text)).collect()
    }

    fn never(condition: &str) -> bool {
        let sql = format!("SELECT * FROM '$aws/things/+/shadow/update/accepted' WHERE {condition}");
        remarks(&sql).iter().any(|(never, _)| *never)
    }

    #[test]
    fn the_seeds_rule_is_told_why_it_stays_silent() {
        let seed =
            "SELECT Humidity FROM '$aws/things/IoT-Temperature-Device/shadow/update' WHERE Humidity > 50";
        let told = remarks(seed);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].0 && told[0].1.contains("state.reported.Humidity"), "{told:?}");
        assert!(!told[1].0 && told[1].1.contains("column Humidity"), "{told:?}");
        let right = "SELECT state.reported.Humidity AS Humidity, topic(3) AS thing \
                     FROM '$aws/things/+/shadow/update/accepted' WHERE state.reported.Humidity > 50";
        assert_eq!(remarks(right), []);
    }

    #[test]
    fn never_is_said_of_what_is_certain_only() {
        for condition in [
            "Humidity > 50",
            "Humidity > 50 OR state.reported.x > 1",
            "state.Humidity > 50",
            "isUndefined(Humidity) = false",
            "state.reported.x > 1 AND 1 > 2",
            "upper(Humidity) = 'A'",
            "NOT Humidity",
        ] {
            assert!(never(condition), "{condition}");
        }
        for condition in [
            "state.reported.Humidity > 50",
            "state.reported.x > 1 OR 1 > 2",
            "isUndefined(Humidity)",
            "isUndefined(Humidity) AND version > 2",
            "NOT (state.reported.x AND 1 > 2)",
            "rand() > 0.5",
            "topic(3) = 'Thing01'",
            "nanvl(Humidity, 60) > 50",
            "get_thing_shadow('t', 'arn').state > 1",
        ] {
            assert!(!never(condition), "{condition}");
        }
    }

    #[test]
    fn each_topic_of_a_shadow_has_its_own_shape() {
        let on = |topic: &str, condition: &str| {
            remarks(&format!("SELECT * FROM '$aws/things/+/shadow/{topic}' WHERE {condition}"))
                .iter()
                .any(|(never, _)| *never)
        };
        assert!(on("update/documents", "state.reported.Humidity > 50"));
        assert!(!on("update/documents", "current.state.reported.Humidity > 50"));
        assert!(!on("update/delta", "state.Humidity > 50"));
        assert!(on("name/config/update/accepted", "Humidity > 50"));
        assert!(!on("name/config/update/accepted", "state.desired.Humidity > 50"));
        // Of topics that are not AWS's nothing is known.
        assert_eq!(remarks("SELECT Humidity FROM 'dt/+/data' WHERE Humidity > 50"), []);
        assert_eq!(remarks("SELECT * FROM '$aws/events/#' WHERE Humidity > 50"), []);
        let asked = remarks("SELECT aws_lambda('arn', *) AS v FROM 'dt/+/data'");
        assert!(!asked[0].0 && asked[0].1.contains("aws_lambda() is not modelled"), "{asked:?}");
        let presence = remarks("SELECT * FROM '$aws/events/presence/connected/+' WHERE thingName = 'x'");
        assert!(presence[0].0 && presence[0].1.contains("clientId"), "{presence:?}");
    }
}
