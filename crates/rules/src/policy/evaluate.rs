//! Documents bound to the context of one connection, and the decision: explicit deny, then allow, then implicit deny.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::conditions;
use super::document::{Document, Effect, Selection};
use super::glob::Glob;

/// What policy variables and condition keys stand for. Keys are compared without regard to case, as in IAM.
///
/// A key without a value is one that AWS has no value for either: that decides by itself. A key that has a value which we do
/// not know is [`Context::unknown`], and what hangs on it is in [`Doubt`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    values: BTreeMap<String, Vec<String>>,
    unknown: BTreeSet<String>,
}

/// How what hangs on an unknown value is taken. A decision that is the same both ways is certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doubt {
    /// As closed: an Allow does not count, a Deny does.
    #[default]
    Closed,
    /// As open: an Allow counts, a Deny does not.
    Open,
}

impl Doubt {
    /// Whether a statement of this effect counts where it cannot be told.
    pub(super) fn counts(self, effect: Effect) -> bool {
        match self {
            Self::Closed => effect == Effect::Deny,
            Self::Open => effect == Effect::Allow,
        }
    }
}

impl Context {
    /// Sets the value of a key.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Adds a value to those of a key.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.values.entry(key.to_ascii_lowercase()).or_default().push(value.into());
    }

    /// The values of a key; none when it has none.
    pub fn all(&self, key: &str) -> &[String] {
        self.values.get(&key.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The value of a key; of several, the first.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.all(key).first().map(String::as_str)
    }

    /// A context in which every key has a value that is not known: what is certain in it is so on every connection.
    pub fn anybody() -> Self {
        let mut context = Self::default();
        context.unknown("aws:");
        context.unknown("iot:");
        context
    }

    /// Says that a key has a value that is not known. One that ends in `.`, `:` or `[` stands for all that begin with it.
    pub fn unknown(&mut self, key: &str) {
        self.unknown.insert(key.to_ascii_lowercase());
    }

    /// Has the key a value that is not known?
    pub(super) fn is_unknown(&self, key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        !self.values.contains_key(&key)
            && self.unknown.iter().any(|u| match u.ends_with(['.', ':', '[']) {
                true => key.starts_with(u),
                false => key == *u,
            })
    }

    /// Replaces `${…}`: as a pattern in which only the text outside variables has wildcards, and as plain text. An unknown
    /// value may be any in the pattern when `widen` is set.
    ///
    /// # Errors
    /// The first variable that has no value, or none that is known.
    pub(super) fn substitute(&self, text: &str, widen: bool) -> Result<(Glob, String), Why> {
        let (mut glob, mut plain) = (Glob::default(), String::new());
        let mut rest = text;
        while let Some((before, variable)) = rest.split_once("${") {
            // What is not closed is text, from its beginning.
            let Some((key, after)) = variable.split_once('}') else { break };
            glob.push_pattern(before);
            plain.push_str(before);
            let key = key.trim();
            rest = after;
            let value = match key {
                "*" | "?" | "$" => key,
                key => match self.get(key) {
                    Some(value) => value,
                    None if !self.is_unknown(key) => return Err(Why::NoValue(key.to_owned())),
                    None if !widen => return Err(Why::NotKnown(key.to_owned())),
                    None => {
                        glob.push_pattern("*");
                        continue;
                    }
                },
            };
            glob.push_literal(value);
            plain.push_str(value);
        }
        glob.push_pattern(rest);
        plain.push_str(rest);
        Ok((glob, plain))
    }
}

/// One statement of one policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatementId {
    /// The policy's name.
    pub policy: String,
    /// Which of its statements, from 0.
    pub index: usize,
    /// Its `Sid`, where it has one.
    pub sid: Option<String>,
}

impl fmt::Display for StatementId {
    /// `Sensors statement 2 (OwnTopics)`, counted from 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statement {}", self.policy, self.index + 1)?;
        match &self.sid {
            Some(sid) => write!(f, " ({sid})"),
            None => Ok(()),
        }
    }
}

/// Why a statement that names an action does not count for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// None of its resources is the one asked for.
    Resource,
    /// This policy variable has no value on the connection.
    NoValue(String),
    /// A condition does not hold.
    Condition {
        /// The operator, as written.
        operator: String,
        /// The condition key, as written.
        key: String,
    },
    /// The value of this variable or condition key is not known here, so that it cannot allow.
    NotKnown(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource => f.write_str("its resources do not match"),
            Self::NoValue(variable) => write!(f, "${{{variable}}} has no value on this connection"),
            Self::Condition { operator, key } => write!(f, "its condition {operator} on {key} does not hold"),
            Self::NotKnown(key) => write!(f, "the value of {key} is not known here"),
        }
    }
}

/// A statement that would allow the action, and why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Which.
    pub statement: StatementId,
    /// What it lacks.
    pub why: Why,
}

/// The outcome of one evaluation, with the statements that decided it, in the order of the policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// These allow it and none denies it.
    Allowed {
        /// At least one.
        by: Vec<StatementId>,
    },
    /// These deny it.
    ExplicitDeny {
        /// At least one.
        by: Vec<StatementId>,
        /// Those that would have allowed it.
        despite: Vec<StatementId>,
    },
    /// No statement allows it.
    ImplicitDeny {
        /// The Allow statements that name the action, and why each does not count.
        missed: Vec<Missed>,
    },
}

impl Decision {
    /// Allowed?
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
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
    index: usize,
    sid: Option<String>,
    effect: Effect,
    actions: Matcher,
    /// What it matches; or why it matches nothing on this connection.
    resources: Result<Matcher, Why>,
}

/// Policies bound to one connection: variables replaced, conditions judged.
#[derive(Debug, Default)]
pub struct Bound {
    policies: Vec<String>,
    statements: Vec<BoundStatement>,
    missing: BTreeSet<String>,
}

impl Bound {
    /// Binds policies, by name, to `context`; what hangs on values that are not known is taken as `doubt` says. A statement with an unresolved variable does not match (docs/aws-iot.md#4.3): of
    /// a list of resources, only the resolvable ones count.
    pub fn new<'a>(
        policies: impl IntoIterator<Item = (&'a str, &'a Document)>,
        context: &Context,
        doubt: Doubt,
    ) -> Self {
        let mut bound = Self::default();
        for (name, document) in policies {
            let policy = bound.policies.len();
            bound.policies.push(name.to_owned());
            for (index, statement) in document.statements.iter().enumerate() {
                let binding =
                    Binding { context, variables: document.variables, widen: doubt.counts(statement.effect) };
                let mut holds = Ok(());
                // Each is asked: variables without a value are told of.
                for condition in &statement.conditions {
                    let verdict = conditions::hold(condition, binding);
                    if let Err(Why::NoValue(variable)) = &verdict {
                        bound.missing.insert(variable.clone());
                    }
                    holds = holds.and(verdict);
                }
                let resources = holds.and_then(|()| bind(&statement.resources, binding, &mut bound.missing));
                let patterns = &statement.actions.patterns;
                let actions = Matcher {
                    globs: patterns.iter().map(|a| Glob::new(&a.to_ascii_lowercase())).collect(),
                    negated: statement.actions.negated,
                };
                bound.statements.push(BoundStatement {
                    policy,
                    index,
                    sid: statement.sid.clone(),
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

    /// The variables that a statement asked for and that have no value, as written.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().map(String::as_str)
    }

    /// Is `action` (`iot:Publish`) on `resource` (an ARN) allowed?
    pub fn allows(&self, action: &str, resource: &str) -> bool {
        let action = action.to_ascii_lowercase();
        let mut allowed = false;
        for statement in &self.statements {
            if let Ok(resources) = &statement.resources
                && statement.actions.matches(&action)
                && resources.matches(resource)
            {
                match statement.effect {
                    Effect::Deny => return false,
                    Effect::Allow => allowed = true,
                }
            }
        }
        allowed
    }

    /// The decision, with its reasons.
    pub fn decide(&self, action: &str, resource: &str) -> Decision {
        let action = action.to_ascii_lowercase();
        let (mut allowing, mut denying, mut missed) = (Vec::new(), Vec::new(), Vec::new());
        for statement in self.statements.iter().filter(|s| s.actions.matches(&action)) {
            let why = match &statement.resources {
                Ok(resources) if resources.matches(resource) => None,
                Ok(_) => Some(Why::Resource),
                Err(why) => Some(why.clone()),
            };
            match (statement.effect, why) {
                (Effect::Allow, None) => allowing.push(self.id(statement)),
                (Effect::Deny, None) => denying.push(self.id(statement)),
                (Effect::Allow, Some(why)) => missed.push(Missed { statement: self.id(statement), why }),
                (Effect::Deny, Some(_)) => {}
            }
        }
        if !denying.is_empty() {
            Decision::ExplicitDeny { by: denying, despite: allowing }
        } else if !allowing.is_empty() {
            Decision::Allowed { by: allowing }
        } else {
            Decision::ImplicitDeny { missed }
        }
    }

    fn id(&self, statement: &BoundStatement) -> StatementId {
        StatementId {
            policy: self.policies.get(statement.policy).cloned().unwrap_or_default(),
            index: statement.index,
            sid: statement.sid.clone(),
        }
    }
}

/// What the conditions and resources of one statement are bound with.
#[derive(Clone, Copy)]
pub(super) struct Binding<'a> {
    pub(super) context: &'a Context,
    /// Policy variables mean something.
    pub(super) variables: bool,
    /// What cannot be told counts.
    pub(super) widen: bool,
}

/// The resources of a statement. An unresolved variable under `NotResource` would widen what matches: the statement is
/// left out then.
fn bind(selection: &Selection, with: Binding<'_>, missing: &mut BTreeSet<String>) -> Result<Matcher, Why> {
    let mut globs = Vec::with_capacity(selection.patterns.len());
    let (mut unresolved, mut widened) = (None, false);
    for pattern in &selection.patterns {
        if !with.variables {
            globs.push(Glob::new(pattern));
            continue;
        }
        match with.context.substitute(pattern, with.widen && !selection.negated) {
            Ok((glob, _)) => globs.push(glob),
            // Of all but this one: whatever it is, more may match without it.
            Err(Why::NotKnown(_)) if with.widen => widened = true,
            Err(why) => {
                if let Why::NoValue(variable) = &why {
                    missing.insert(variable.clone());
                }
                unresolved.get_or_insert(why);
            }
        }
    }
    match unresolved {
        Some(why) if selection.negated || (globs.is_empty() && !widened) => Err(why),
        _ => Ok(Matcher { globs, negated: selection.negated }),
    }
}
