//! A policy document as AWS IoT reads it.

use serde_json::{Map, Value};

/// Characters a document may have, whitespace not counted (docs/aws-iot.md#2.4).
pub const CHARACTERS: usize = 2048;

/// The characters of a document that AWS counts: all but whitespace.
pub fn characters(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// Allow or Deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) patterns: Vec<String>,
    pub(super) negated: bool,
}

/// One condition: an operator, a key, and the values one of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) operator: String,
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) actions: Selection,
    pub(super) resources: Selection,
    pub(super) conditions: Vec<Condition>,
}

/// A parsed policy document. The default one has no statements, as no stored one has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Policy variables mean something (`2012-10-17`).
    pub(super) variables: bool,
    pub(super) statements: Vec<Statement>,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("not a JSON document: {e}"))?;
        let Value::Object(top) = value else { return Err("not a JSON object".to_owned()) };
        only(&top, "the document", &["Version", "Id", "Statement"])?;
        let variables = match top.get("Version").and_then(Value::as_str) {
            Some("2012-10-17") => true,
            Some("2008-10-17") | None if !matches!(top.get("Version"), Some(v) if !v.is_string()) => false,
            _ => return Err("Version must be 2012-10-17 or 2008-10-17".to_owned()),
        };
        let statements = match top.get("Statement") {
            Some(Value::Array(list)) if !list.is_empty() => {
                list.iter().map(statement).collect::<Result<Vec<_>, _>>()?
            }
            Some(one @ Value::Object(_)) => vec![statement(one)?],
            _ => return Err("Statement is missing or empty".to_owned()),
        };
        Ok(Self { variables, statements })
    }

    /// Reads the documents of a file, which may have several behind each other: each with `name`, and with a number from the
    /// second on.
    ///
    /// # Errors
    /// What is wrong with the first that is none, in a sentence.
    pub fn parse_all(name: &str, text: &str) -> Result<Vec<(String, Self)>, String> {
        let mut documents = Vec::new();
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            let value = value.map_err(|e| format!("not a JSON document: {e}"))?;
            let number = documents.len() + 1;
            let named = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            documents.push((named, Self::parse(&value.to_string())?));
        }
        if documents.is_empty() { Err("there is no policy in it".to_owned()) } else { Ok(documents) }
    }
}

fn only(map: &Map<String, Value>, place: &str, allowed: &[&str]) -> Result<(), String> {
    match map.keys().find(|k| !allowed.contains(&k.as_str())) {
        Some(key) => Err(format!("{key} is not an element of {place}")),
        None => Ok(()),
    }
}

fn statement(value: &Value) -> Result<Statement, String> {
    let Value::Object(map) = value else { return Err("a Statement is not an object".to_owned()) };
    only(
        map,
        "a Statement",
        &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"],
    )?;
    let effect = match map.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return Err("Effect must be Allow or Deny".to_owned()),
    };
    let actions = selection(map, "Action", "NotAction")?;
    if let Some(bad) = actions.patterns.iter().find(|a| a.as_str() != "*" && !a.contains(':')) {
        return Err(format!("{bad} is not an action"));
    }
    let resources = selection(map, "Resource", "NotResource")?;
    if let Some(bad) = resources.patterns.iter().find(|r| r.as_str() != "*" && !r.starts_with("arn:")) {
        return Err(format!("{bad} is not a resource ARN"));
    }
    let conditions = match map.get("Condition") {
        None => Vec::new(),
        Some(Value::Object(operators)) => conditions(operators)?,
        Some(_) => return Err("Condition is not an object".to_owned()),
    };
    let sid = map.get("Sid").and_then(Value::as_str).map(str::to_owned);
    Ok(Statement { sid, effect, actions, resources, conditions })
}

fn selection(map: &Map<String, Value>, yes: &str, no: &str) -> Result<Selection, String> {
    let (value, negated) = match (map.get(yes), map.get(no)) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        (None, None) => return Err(format!("{yes} is missing")),
        (Some(_), Some(_)) => return Err(format!("{yes} and {no} exclude each other")),
    };
    let patterns = strings(value).filter(|p| !p.is_empty());
    let patterns = patterns.ok_or_else(|| format!("{yes} must be a string or a list of strings"))?;
    Ok(Selection { patterns, negated })
}

/// A string or a list of strings; booleans and numbers count as their text, as in IAM conditions.
fn strings(value: &Value) -> Option<Vec<String>> {
    let one = |v: &Value| match v {
        Value::String(s) => Some(s.clone()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    };
    match value {
        Value::Array(list) => list.iter().map(one).collect(),
        value => one(value).map(|s| vec![s]),
    }
}

fn conditions(operators: &Map<String, Value>) -> Result<Vec<Condition>, String> {
    let mut out = Vec::new();
    for (operator, keys) in operators {
        if !super::conditions::is_known(operator) {
            return Err(format!("{operator} is not a condition operator"));
        }
        let Value::Object(keys) = keys else { return Err(format!("{operator} is not an object")) };
        for (key, values) in keys {
            let values = strings(values).ok_or_else(|| format!("the values of {key} are not strings"))?;
            out.push(Condition { operator: operator.clone(), key: key.clone(), values });
        }
    }
    Ok(out)
}
