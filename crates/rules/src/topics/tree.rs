//! Filters as a tree of levels, so that a topic is compared with no filter it cannot match.

use std::collections::HashMap;

use super::{Dialect, unshared};

/// Something for each topic filter, found by topic. Inserting and finding walk one node a level and never recurse deeper
/// than a filter inserted has levels.
#[derive(Debug)]
pub struct Tree<T> {
    dialect: Dialect,
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    levels: HashMap<Box<str>, Node<T>>,
    /// Under `+`.
    any: Option<Box<Node<T>>>,
    /// Filters that end here.
    here: Vec<T>,
    /// Filters that end in `#` here.
    below: Vec<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { levels: HashMap::new(), any: None, here: Vec::new(), below: Vec::new() }
    }
}

impl<T> Tree<T> {
    /// No filter yet.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, root: Node::default() }
    }

    /// Puts `item` at a valid filter, beside others that are there.
    pub fn insert(&mut self, filter: &str, item: T) {
        let mut node = &mut self.root;
        for level in unshared(filter).split('/') {
            node = match level {
                "#" => return node.below.push(item),
                "+" => node.any.get_or_insert_default(),
                literal => node.levels.entry(literal.into()).or_default(),
            };
        }
        node.here.push(item);
    }

    /// What stands at the filters that match `topic`, in no order.
    pub fn matching(&self, topic: &str) -> Vec<&T> {
        let mut out = Vec::new();
        if topic.starts_with('$') {
            // No wildcard stands for this level.
            let (first, rest) = cut(topic);
            if let Some(node) = self.root.levels.get(first) {
                self.collect(node, rest, &mut out);
            }
        } else {
            self.collect(&self.root, Some(topic), &mut out);
        }
        out
    }

    /// `rest` is what follows the level of `node`; `None` when the topic ended there.
    fn collect<'a>(&'a self, node: &'a Node<T>, rest: Option<&str>, out: &mut Vec<&'a T>) {
        if rest.is_some() || self.dialect == Dialect::Mqtt {
            out.extend(&node.below);
        }
        let Some(rest) = rest else { return out.extend(&node.here) };
        let (level, rest) = cut(rest);
        if let Some(next) = node.levels.get(level) {
            self.collect(next, rest, out);
        }
        if let Some(next) = &node.any {
            self.collect(next, rest, out);
        }
    }
}

/// The first level, and what follows.
fn cut(topic: &str) -> (&str, Option<&str>) {
    topic.split_once('/').map_or((topic, None), |(level, rest)| (level, Some(rest)))
}
