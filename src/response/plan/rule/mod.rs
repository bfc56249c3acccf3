//! Changes to topic rules: switched on and off, written, deleted.

pub(in crate::response) mod build;
pub(in crate::response) mod request;

use crate::config::Verb;
use serde::{Deserialize, Serialize};

use quell_fleet::account::{RuleDelivery, RuleMetric};
use quell_fleet::model::Name;

/// A change to one topic rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleChange {
    /// The rule: 1 to 128 of `[a-zA-Z0-9_]`.
    pub rule: Name,
    /// What becomes of it.
    pub change: RuleEdit,
}

/// What becomes of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleEdit {
    /// Switched on.
    Enable,
    /// Switched off.
    Disable,
    /// Created, or replaced when there is one of that name.
    Write(Box<RuleBody>),
    /// The same, but what is not given of its metric and its delivery stays as it is.
    Amend(Box<RuleBody>),
    /// Deleted.
    Delete,
}

/// What quell writes of a rule. A rule may have other actions besides: these stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleBody {
    /// The SQL.
    pub sql: String,
    /// `2016-03-23`, `2015-10-08`, `beta`.
    pub version: String,
    /// The description.
    pub description: String,
    /// Created or left switched off.
    pub disabled: bool,
    /// The CloudWatch metric its first such action writes.
    pub metric: Option<RuleMetric>,
    /// Where the first of its actions of these kinds hands on what it selected.
    #[serde(default)]
    pub delivery: Option<RuleDelivery>,
}

impl RuleBody {
    /// Whether anything is done with what it selects, as far as quell writes it.
    pub fn acts(&self) -> bool {
        self.metric.is_some() || self.delivery.is_some()
    }
}

/// A rule as it was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleFacts {
    /// What quell writes of it.
    pub body: RuleBody,
    /// Actions it has besides.
    pub others: usize,
    /// Whether something is done when an action fails.
    pub error_action: bool,
}

impl RuleChange {
    /// The command's name, as the journal and the command line say it.
    pub fn verb(&self) -> Verb {
        match self.change {
            RuleEdit::Enable => Verb::EnableRule,
            RuleEdit::Disable => Verb::DisableRule,
            RuleEdit::Write(_) | RuleEdit::Amend(_) => Verb::WriteRule,
            RuleEdit::Delete => Verb::DeleteRule,
        }
    }

    /// The plan's title.
    pub(in crate::response) fn title(&self) -> String {
        format!("{} {}", self.verb().words().lead, self.rule.raw())
    }
}
