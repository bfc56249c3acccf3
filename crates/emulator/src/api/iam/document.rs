//! Identity policies: who may do what on which resource. An explicit deny wins; what nothing allows is denied.
//!
//! What is not evaluated (conditions, variables, principals) is refused when it is read: a policy must never grant more
//! here than it says.

use quell_rules::policy::Glob;
use serde_json::{Map, Value};

/// All statements of an identity.
#[derive(Debug, Default)]
pub(super) struct Policy(Vec<Statement>);

/// What the statements come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Allowed, and nothing denies it.
    Allowed,
    /// Denied by a statement.
    Denied,
    /// Nothing speaks of it.
    Silent,
}

#[derive(Debug)]
struct Statement {
    allow: bool,
    actions: Set,
    resources: Set,
}

/// Patterns, or everything but them.
#[derive(Debug)]
struct Set {
    patterns: Vec<Glob>,
    without: bool,
}

impl Set {
    fn has(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(text)) != self.without
    }
}

impl Policy {
    /// Joins documents.
    ///
    /// # Errors
    /// In words, what is malformed or not evaluated here.
    pub(super) fn read(documents: &[Value]) -> Result<Self, String> {
        let mut statements = Vec::new();
        for document in documents {
            let found = match document.get("Statement") {
                Some(Value::Array(list)) => list.iter().collect(),
                Some(one @ Value::Object(_)) => vec![one],
                _ => return Err("a policy needs a Statement".to_owned()),
            };
            for statement in found {
                statements.push(Statement::read(statement)?);
            }
        }
        Ok(Self(statements))
    }

    /// Decides one action on one resource ARN, or on `*`.
    pub(super) fn decide(&self, action: &str, resource: &str) -> Decision {
        let action = action.to_ascii_lowercase();
        let mut decision = Decision::Silent;
        for statement in self.0.iter().filter(|s| s.actions.has(&action) && s.resources.has(resource)) {
            if !statement.allow {
                return Decision::Denied;
            }
            decision = Decision::Allowed;
        }
        decision
    }
}

impl Statement {
    fn read(statement: &Value) -> Result<Self, String> {
        let fields = statement.as_object().ok_or("a statement must be an object")?;
        if let Some(strange) = fields.keys().find(|key| {
            !["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource"].contains(&key.as_str())
        }) {
            return Err(format!("{strange} is not evaluated here"));
        }
        let allow = match fields.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("Effect must be Allow or Deny".to_owned()),
        };
        Ok(Self {
            allow,
            // Actions are compared without regard to case, resources exactly.
            actions: set(fields, "Action", "NotAction", str::to_ascii_lowercase)?,
            resources: set(fields, "Resource", "NotResource", str::to_owned)?,
        })
    }
}

fn set(
    fields: &Map<String, Value>,
    with: &str,
    without: &str,
    form: impl Fn(&str) -> String,
) -> Result<Set, String> {
    let (value, negated) = match (fields.get(with), fields.get(without)) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        _ => return Err(format!("a statement needs {with} or {without}")),
    };
    let texts: Option<Vec<&str>> = match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let texts = texts.filter(|texts| !texts.is_empty()).ok_or_else(|| format!("{with} must be text"))?;
    if let Some(text) = texts.iter().find(|text| text.contains("${")) {
        return Err(format!("variables are not evaluated here: {text}"));
    }
    Ok(Set { patterns: texts.iter().map(|text| Glob::new(&form(text))).collect(), without: negated })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(statements: Value) -> Result<Policy, String> {
        Policy::read(&[json!({"Version": "2012-10-17", "Statement": statements})])
    }

    #[test]
    fn a_deny_wins_and_silence_denies() {
        let policy = policy(json!([
            {"Effect": "Allow", "Action": "iot:*Thing*", "Resource": "arn:aws:iot:r:1:thing/a*"},
            {"Effect": "Deny", "Action": ["IOT:DeleteThing"], "Resource": "*"},
            {"Effect": "Allow", "NotAction": "iot:*", "Resource": "*"},
        ]))
        .unwrap();
        let decide = |action, resource| policy.decide(action, resource);
        assert_eq!(decide("iot:DescribeThing", "arn:aws:iot:r:1:thing/ab"), Decision::Allowed);
        assert_eq!(decide("iot:describething", "arn:aws:iot:r:1:thing/ab"), Decision::Allowed);
        assert_eq!(decide("iot:DescribeThing", "arn:aws:iot:r:1:thing/b"), Decision::Silent);
        assert_eq!(decide("iot:DeleteThing", "arn:aws:iot:r:1:thing/ab"), Decision::Denied);
        assert_eq!(decide("sns:Publish", "arn:aws:sns:r:1:t"), Decision::Allowed);
        assert_eq!(decide("iot:ListThings", "*"), Decision::Silent);
    }

    #[test]
    fn what_is_not_evaluated_is_not_taken() {
        for (statement, expected) in [
            (
                json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}),
                "Condition is not evaluated",
            ),
            (json!({"Effect": "Allow", "Action": "*", "Resource": "a/${aws:username}"}), "variables"),
            (json!({"Effect": "Maybe", "Action": "*", "Resource": "*"}), "Effect must be"),
            (json!({"Effect": "Allow", "Action": "*"}), "needs Resource"),
            (json!({"Effect": "Allow", "Action": [7], "Resource": "*"}), "Action must be text"),
        ] {
            let error = policy(statement).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn mutated_documents_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("corpus/iam"));
        let pieces = &["iot:Get*", "arn:aws:iot:*:*:", "Condition", "NotAction"];
        let mut read = 0;
        for _ in 0..10_000 {
            let text = mutate::mutated(&texts, pieces, &mut rng);
            let Ok(documents) = serde_json::from_str::<Vec<Value>>(&text) else { continue };
            let Ok(policy) = Policy::read(&documents) else { continue };
            read += 1;
            let _ = policy.decide("iot:DeleteConnection", "arn:aws:iot:us-east-1:123456789012:client/\u{e9}");
        }
        assert!(read > 200, "too few of the mutations are policies still: {read}");
    }
}
