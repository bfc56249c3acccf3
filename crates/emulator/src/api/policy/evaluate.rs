//! Documents bound to the context of one connection, and the decision: explicit deny, then allow, then implicit deny.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use super::conditions;
use super::document::{Document, Effect, Selection};
use super::glob::Glob;

/// What policy variables and condition keys resolve to. Keys are compared without regard to case, as in IAM.
#[derive(Debug, Default)]
pub struct Context {
    values: BTreeMap<String, Vec<String>>,
    missing: Mutex<BTreeSet<String>>,
}

impl Context {
    /// Sets the value of a key.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Adds a value to those of a key.
    pub(super) fn add(&mut self, key: &str, value: impl Into<String>) {
        self.values.entry(key.to_ascii_lowercase()).or_default().push(value.into());
    }

    /// The values of a key; none when it has none.
    pub(super) fn all(&self, key: &str) -> &[String] {
        self.values.get(&key.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The value of a key; of several, the first.
    pub(in crate::api) fn get(&self, key: &str) -> Option<&str> {
        self.all(key).first().map(String::as_str)
    }

    /// The variables some document asked for that had no value, so far.
    pub fn missing(&self) -> Vec<String> {
        self.missing.lock().iter().cloned().collect()
    }

    /// Replaces `${…}`: as a pattern in which only the text outside variables has wildcards, and as plain text. `None` when
    /// a variable has no value.
    pub(super) fn substitute(&self, text: &str) -> Option<(Glob, String)> {
        let (mut glob, mut plain) = (Glob::default(), String::new());
        let mut rest = text;
        while let Some((before, variable)) = rest.split_once("${") {
            // What is not closed is text, from its beginning.
            let Some((key, after)) = variable.split_once('}') else { break };
            glob.push_pattern(before);
            plain.push_str(before);
            let key = key.trim();
            let value = match key {
                "*" | "?" | "$" => key,
                key => match self.get(key) {
                    Some(value) => value,
                    None => {
                        self.missing.lock().insert(key.to_owned());
                        return None;
                    }
                },
            };
            glob.push_literal(value);
            plain.push_str(value);
            rest = after;
        }
        glob.push_pattern(rest);
        plain.push_str(rest);
        Some((glob, plain))
    }
}

#[derive(Debug)]
struct Matcher {
    globs: Vec<Glob>,
    negated: bool,
}

impl Matcher {
    fn matches(&self, text: &str) -> bool {
        self.globs.iter().any(|g| g.matches(text)) != self.negated
    }
}

#[derive(Debug)]
struct BoundStatement {
    policy: usize,
    effect: Effect,
    actions: Matcher,
    resources: Matcher,
}

/// The outcome of one evaluation, with the policies (by name) that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Some statement allows it and none denies it.
    Allowed(Vec<String>),
    /// These deny it; the second list would have allowed it.
    ExplicitDeny(Vec<String>, Vec<String>),
    /// No statement speaks of it.
    ImplicitDeny,
}

/// Policies bound to one connection: variables replaced, conditions judged.
#[derive(Debug, Default)]
pub struct Bound {
    policies: Vec<String>,
    statements: Vec<BoundStatement>,
}

impl Bound {
    /// Binds `(name, document)` pairs to `context`. A document that does not parse denies nothing and allows nothing (none
    /// can be stored). A statement with an unresolved variable does not match (docs/aws-iot.md#4.3): of a list of resources, only
    /// the resolvable ones count.
    pub fn new<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>, context: &Context) -> Self {
        let mut bound = Self::default();
        for (name, text) in documents {
            let index = bound.policies.len();
            bound.policies.push(name.to_owned());
            let Ok(document) = Document::parse(text) else { continue };
            for statement in document.statements {
                let (effect, variables) = (statement.effect, document.variables);
                let verdicts =
                    statement.conditions.iter().map(|c| conditions::holds(c, effect, context, variables));
                // Each is asked: variables without a value are told of.
                if !verdicts.fold(true, |all, verdict| all & verdict) {
                    continue;
                }
                let Some(resources) = bind(&statement.resources, context, document.variables) else {
                    continue;
                };
                let actions = Matcher {
                    globs: statement
                        .actions
                        .patterns
                        .iter()
                        .map(|a| Glob::new(&a.to_ascii_lowercase()))
                        .collect(),
                    negated: statement.actions.negated,
                };
                bound.statements.push(BoundStatement {
                    policy: index,
                    effect: statement.effect,
                    actions,
                    resources,
                });
            }
        }
        bound
    }

    /// True when no policy governs the connection at all.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// Is `action` (`iot:Publish`) on `resource` (an ARN) allowed?
    pub fn allows(&self, action: &str, resource: &str) -> bool {
        matches!(self.decide(action, resource), Decision::Allowed(_))
    }

    /// The decision, with its reasons.
    pub fn decide(&self, action: &str, resource: &str) -> Decision {
        let action = action.to_ascii_lowercase();
        let (mut allowing, mut denying) = (BTreeSet::new(), BTreeSet::new());
        for statement in &self.statements {
            if statement.actions.matches(&action) && statement.resources.matches(resource) {
                match statement.effect {
                    Effect::Allow => allowing.insert(statement.policy),
                    Effect::Deny => denying.insert(statement.policy),
                };
            }
        }
        let names =
            |set: BTreeSet<usize>| set.into_iter().map(|i| self.policies[i].clone()).collect::<Vec<_>>();
        if !denying.is_empty() {
            Decision::ExplicitDeny(names(denying), names(allowing))
        } else if !allowing.is_empty() {
            Decision::Allowed(names(allowing))
        } else {
            Decision::ImplicitDeny
        }
    }
}

/// The resources of a statement. An unresolved variable under `NotResource` would widen what matches: the statement is
/// left out then.
fn bind(selection: &Selection, context: &Context, variables: bool) -> Option<Matcher> {
    let mut globs = Vec::with_capacity(selection.patterns.len());
    for pattern in &selection.patterns {
        if !variables {
            globs.push(Glob::new(pattern));
        } else if let Some((glob, _)) = context.substitute(pattern) {
            globs.push(glob);
        } else if selection.negated {
            return None;
        }
    }
    (!globs.is_empty()).then_some(Matcher { globs, negated: selection.negated })
}
