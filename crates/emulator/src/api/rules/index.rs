//! Enabled rules by topic filter: a tree of levels, so that a message is compared with no rule it cannot match.

use std::collections::HashMap;
use std::sync::Arc;

use super::check::Rule;

#[derive(Default)]
struct Node {
    levels: HashMap<Box<str>, Node>,
    /// Under `+`.
    any: Option<Box<Node>>,
    /// Rules whose filter ends here.
    here: Vec<Arc<Rule>>,
    /// Rules whose filter ends in `#` here.
    below: Vec<Arc<Rule>>,
}

/// The rules in force.
#[derive(Default)]
pub(super) struct Index {
    root: Node,
    named: HashMap<Box<str>, Arc<Rule>>,
}

impl Index {
    pub(super) fn insert(&mut self, rule: Rule) {
        let rule = Arc::new(rule);
        self.named.insert(rule.name.as_str().into(), Arc::clone(&rule));
        // Without FROM a rule is reached by Basic Ingest alone.
        let Some(filter) = rule.statement.from.clone() else { return };
        let mut node = &mut self.root;
        for level in filter.split('/') {
            node = match level {
                "#" => return node.below.push(rule),
                "+" => node.any.get_or_insert_default(),
                literal => node.levels.entry(literal.into()).or_default(),
            };
        }
        node.here.push(rule);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The rule of that name, for `$aws/rules/NAME/…`.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Rule>> {
        self.named.get(name)
    }

    /// Rules whose filter matches the topic. A wildcard in the first level does not match `$…`.
    pub(super) fn matching(&self, topic: &str) -> Vec<Arc<Rule>> {
        let mut out = Vec::new();
        if topic.starts_with('$') {
            let (first, rest) = topic.split_once('/').map_or((topic, None), |(f, r)| (f, Some(r)));
            if let Some(node) = self.root.levels.get(first) {
                collect(node, rest, &mut out);
            }
        } else {
            collect(&self.root, Some(topic), &mut out);
        }
        out
    }
}

/// `rest` is what follows the level of `node`; `None` when the topic ended there.
fn collect(node: &Node, rest: Option<&str>, out: &mut Vec<Arc<Rule>>) {
    out.extend(node.below.iter().cloned());
    let Some(rest) = rest else {
        out.extend(node.here.iter().cloned());
        return;
    };
    let (level, rest) = rest.split_once('/').map_or((rest, None), |(l, r)| (l, Some(r)));
    if let Some(next) = node.levels.get(level) {
        collect(next, rest, out);
    }
    if let Some(next) = &node.any {
        collect(next, rest, out);
    }
}
