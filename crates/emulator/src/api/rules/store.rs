//! The rules of the account, and the index that is rebuilt with each change.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use quell_rules::topics::{Dialect, Tree};

use super::check::{self, Rule};
use crate::store::{Table, Wal};

/// A rule as it was given, keyed by its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleRow {
    pub(super) sql: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) actions: Vec<Value>,
    pub(super) rule_disabled: bool,
    pub(super) aws_iot_sql_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_action: Option<Value>,
    /// Epoch milliseconds.
    pub(super) created_ms: i64,
}

/// The enabled rules by topic filter and by name.
pub(super) struct Index {
    filters: Tree<Arc<Rule>>,
    named: HashMap<Box<str>, Arc<Rule>>,
}

impl Index {
    fn insert(&mut self, rule: Rule) {
        let rule = Arc::new(rule);
        // Without FROM a rule is reached by Basic Ingest alone.
        if let Some(filter) = &rule.statement.from {
            self.filters.insert(filter, Arc::clone(&rule));
        }
        self.named.insert(rule.name.as_str().into(), rule);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The rule of that name, for `$aws/rules/NAME/…`.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Rule>> {
        self.named.get(name)
    }

    /// The rules whose filter matches the topic.
    pub(super) fn matching(&self, topic: &str) -> Vec<Arc<Rule>> {
        self.filters.matching(topic).into_iter().cloned().collect()
    }
}

/// The account's rules. Changed under a lock of their own, never held with another; read without any.
pub struct Rules {
    table: Mutex<Table<RuleRow>>,
    index: ArcSwap<Index>,
}

impl Rules {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        let table: Table<RuleRow> = Table::open(wal, "rules");
        let index = ArcSwap::from_pointee(compile(&table));
        Self { table: Mutex::new(table), index }
    }

    /// What is matched against now.
    pub(super) fn index(&self) -> arc_swap::Guard<Arc<Index>> {
        self.index.load()
    }

    /// Is there a rule of that name?
    pub fn has(&self, name: &str) -> bool {
        self.table.lock().contains(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<RuleRow> {
        self.table.lock().get(name).cloned()
    }

    /// Runs `change` and puts the rules it leaves into force.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Table<RuleRow>) -> R) -> R {
        let mut table = self.table.lock();
        let result = change(&mut table);
        self.index.store(Arc::new(compile(&table)));
        result
    }

    /// All rules in order of name.
    pub(super) fn all(&self) -> Vec<(String, RuleRow)> {
        self.table.lock().iter().map(|(name, row)| (name.to_owned(), row.clone())).collect()
    }
}

fn compile(table: &Table<RuleRow>) -> Index {
    let mut index = Index { filters: Tree::new(Dialect::Aws), named: HashMap::new() };
    for (name, row) in table.iter().filter(|(_, row)| !row.rule_disabled) {
        match check::compile(name, row) {
            Ok(rule) => index.insert(rule),
            // A row of an older version whose checks were other ones.
            Err(error) => tracing::warn!(name, error = error.message, "rule not understood"),
        }
    }
    index
}
