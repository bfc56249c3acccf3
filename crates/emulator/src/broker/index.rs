//! Who subscribed to what: a trie over topic levels.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;

use super::session::SessionState;
use super::topic;

/// How one subscription wants its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubOptions {
    /// 0 or 1.
    pub(super) qos: u8,
    /// MQTT 5: not what the client itself published.
    pub(super) no_local: bool,
    /// MQTT 5: keep the retain flag.
    pub(super) retain_as_published: bool,
    /// MQTT 5: when the retained message is sent.
    pub(super) retain_handling: RetainHandling,
}

/// When a SUBSCRIBE is answered with the retained message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetainHandling {
    /// At every SUBSCRIBE; MQTT 3.1.1 always.
    Every,
    /// Only when the subscription is new.
    New,
    /// Never.
    Never,
}

/// One session a message goes to.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) session: Arc<SessionState>,
    pub(super) options: SubOptions,
}

struct Entry {
    target: Target,
    share: Option<Arc<str>>,
}

/// The next levels. Most nodes have one or two, and there are several nodes to a device: a table for each would be the larger
/// part of what a device takes.
enum Children {
    Few(Vec<(Box<str>, Node)>),
    Many(HashMap<Box<str>, Node>),
}

/// The children that are still looked through one by one.
const FEW: usize = 8;

impl Default for Children {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Children {
    fn is_empty(&self) -> bool {
        match self {
            Self::Few(few) => few.is_empty(),
            Self::Many(many) => many.is_empty(),
        }
    }

    fn get(&self, level: &str) -> Option<&Node> {
        match self {
            Self::Few(few) => few.iter().find(|(held, _)| **held == *level).map(|(_, node)| node),
            Self::Many(many) => many.get(level),
        }
    }

    fn get_mut(&mut self, level: &str) -> Option<&mut Node> {
        match self {
            Self::Few(few) => few.iter_mut().find(|(held, _)| **held == *level).map(|(_, node)| node),
            Self::Many(many) => many.get_mut(level),
        }
    }

    /// The child of that level, made when it is not there.
    fn entry(&mut self, level: &str) -> &mut Node {
        if let Self::Few(few) = self
            && few.len() >= FEW
            && !few.iter().any(|(held, _)| **held == *level)
        {
            *self = Self::Many(std::mem::take(few).into_iter().collect());
        }
        match self {
            Self::Few(few) => {
                let at = few.iter().position(|(held, _)| **held == *level).unwrap_or_else(|| {
                    few.reserve_exact(1);
                    few.push((level.into(), Node::default()));
                    few.len() - 1
                });
                &mut few[at].1
            }
            Self::Many(many) => many.entry(level.into()).or_default(),
        }
    }

    fn remove(&mut self, level: &str) {
        match self {
            Self::Few(few) => few.retain(|(held, _)| **held != *level),
            Self::Many(many) => drop(many.remove(level)),
        }
    }
}

#[derive(Default)]
struct Node {
    children: Children,
    here: Vec<Entry>,
    rest: Vec<Entry>,
}

/// The index, and a generation that grows with each change so that connections may cache what a topic matches.
#[derive(Default)]
pub(super) struct Index {
    root: RwLock<Node>,
    generation: AtomicU64,
    turn: AtomicUsize,
}

/// What a topic matched: sessions by their own subscription, and groups of which one member is chosen per message.
#[derive(Clone, Default)]
pub(super) struct Matched {
    pub(super) direct: Vec<Target>,
    groups: Vec<(Arc<str>, Vec<Target>)>,
}

impl Index {
    /// Changes whenever a subscription comes or goes.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Adds or replaces `session`'s subscription to `filter`.
    pub(super) fn add(&self, filter: &str, session: &Arc<SessionState>, options: SubOptions) {
        let (share, inner) = split(filter);
        let mut root = self.root.write();
        let entries = entries(&mut root, inner);
        entries.retain(|e| !(Arc::ptr_eq(&e.target.session, session) && e.share == share));
        if entries.len() < FEW {
            entries.reserve_exact(1);
        }
        entries.push(Entry { target: Target { session: Arc::clone(session), options }, share });
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Removes `session`'s subscription to `filter`.
    pub(super) fn remove(&self, filter: &str, session: &Arc<SessionState>) {
        let (share, inner) = split(filter);
        let mut root = self.root.write();
        remove(&mut root, inner, &|e: &Entry| Arc::ptr_eq(&e.target.session, session) && e.share == share);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Everyone a message on `topic` goes to. A session that matches by several filters is there once, at the highest QoS.
    pub(super) fn matches(&self, topic: &str) -> Matched {
        let mut found = Matched::default();
        let root = self.root.read();
        let reserved = topic.starts_with('$');
        walk(&root, topic, reserved, &mut found);
        found
    }

    /// Picks one member of each group, in turn.
    pub(super) fn chosen<'a>(&'a self, matched: &'a Matched) -> impl Iterator<Item = &'a Target> {
        matched.direct.iter().chain(matched.groups.iter().filter_map(|(_, members)| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let live: Vec<&Target> = members.iter().filter(|t| t.session.is_live()).collect();
            let pool: &[&Target] = &live;
            match pool.len() {
                0 => members.get(turn % members.len().max(1)),
                n => pool.get(turn % n).copied(),
            }
        }))
    }
}

fn split(filter: &str) -> (Option<Arc<str>>, &str) {
    match topic::share(filter) {
        Some((group, inner)) => (Some(Arc::from(format!("{group}/{inner}"))), inner),
        None => (None, filter),
    }
}

fn entries<'a>(root: &'a mut Node, filter: &str) -> &'a mut Vec<Entry> {
    let mut node = root;
    for level in filter.split('/') {
        if level == "#" {
            return &mut node.rest;
        }
        node = node.children.entry(level);
    }
    &mut node.here
}

/// Removes the entries `gone` names and prunes what is empty; gives whether this node is.
fn remove(node: &mut Node, filter: &str, gone: &dyn Fn(&Entry) -> bool) -> bool {
    let (level, rest) = match filter.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (filter, None),
    };
    if level == "#" {
        node.rest.retain(|e| !gone(e));
    } else if let Some(child) = node.children.get_mut(level) {
        let empty = match rest {
            Some(rest) => remove(child, rest, gone),
            None => {
                child.here.retain(|e| !gone(e));
                child.is_empty()
            }
        };
        if empty {
            node.children.remove(level);
        }
    }
    node.is_empty()
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.here.is_empty() && self.rest.is_empty()
    }
}

/// `reserved` is true at the first level of a `$…` topic, which no wildcard matches. `sensor/#` does not match `sensor`:
/// AWS differs from the MQTT specification here.
fn walk(node: &Node, rest: &str, reserved: bool, found: &mut Matched) {
    if !reserved {
        found.take(&node.rest);
    }
    let (level, tail) = match rest.split_once('/') {
        Some((level, tail)) => (level, Some(tail)),
        None => (rest, None),
    };
    let mut enter = |child: &Node| match tail {
        Some(tail) => walk(child, tail, false, found),
        None => found.take(&child.here),
    };
    if let Some(child) = node.children.get(level) {
        enter(child);
    }
    if !reserved && let Some(child) = node.children.get("+") {
        enter(child);
    }
}

impl Matched {
    fn take(&mut self, entries: &[Entry]) {
        for entry in entries {
            match &entry.share {
                Some(group) => match self.groups.iter_mut().find(|(g, _)| g == group) {
                    Some((_, members)) => members.push(entry.target.clone()),
                    None => self.groups.push((Arc::clone(group), vec![entry.target.clone()])),
                },
                None => {
                    let same =
                        self.direct.iter_mut().find(|t| Arc::ptr_eq(&t.session, &entry.target.session));
                    match same {
                        Some(held) => held.options.qos = held.options.qos.max(entry.target.options.qos),
                        None => self.direct.push(entry.target.clone()),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: SubOptions = SubOptions {
        qos: 0,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Every,
    };

    fn hits(filters: &[&str], topic: &str) -> usize {
        let index = Index::default();
        for filter in filters {
            index.add(filter, &SessionState::detached(filter), PLAIN);
        }
        index.chosen(&index.matches(topic)).count()
    }

    #[test]
    fn wildcards_match_as_aws_matches_them() {
        assert_eq!(hits(&["#", "+", "a", "a/#", "a/+"], "a"), 3, "`a/#` does not match `a`");
        assert_eq!(hits(&["#", "+/b", "a/b", "a/#", "a/+", "+/+", "a"], "a/b"), 6);
        assert_eq!(
            hits(
                &["#", "+/things/#", "$aws/things/+/shadow/update/delta"],
                "$aws/things/T/shadow/update/delta"
            ),
            1
        );
        assert_eq!(hits(&["$aws/#"], "$aws/events/presence/connected/x"), 1);
        assert_eq!(hits(&["$share/g/a/#", "$share/h/a/#"], "a/b"), 2);
    }

    #[test]
    fn many_levels_are_found_as_few_are() {
        let index = Index::default();
        let sessions: Vec<_> = (0..3 * FEW).map(|n| SessionState::detached(&n.to_string())).collect();
        for session in &sessions {
            index.add(&format!("a/{}/b", session.client_id), session, PLAIN);
        }
        for session in &sessions {
            let matched = index.matches(&format!("a/{}/b", session.client_id));
            assert_eq!(matched.direct.len(), 1);
            assert!(Arc::ptr_eq(&matched.direct[0].session, session));
        }
        for session in &sessions {
            index.remove(&format!("a/{}/b", session.client_id), session);
        }
        assert!(index.root.read().is_empty(), "nothing is left behind");
    }

    #[test]
    fn one_session_gets_a_message_once_at_the_highest_qos() {
        let index = Index::default();
        let session = SessionState::detached("c");
        index.add("a/#", &session, PLAIN);
        index.add("a/b", &session, SubOptions { qos: 1, ..PLAIN });
        let matched = index.matches("a/b");
        assert_eq!(matched.direct.len(), 1);
        assert_eq!(matched.direct[0].options.qos, 1);
        index.remove("a/#", &session);
        index.remove("a/b", &session);
        assert!(index.root.read().is_empty(), "nothing is left behind");
    }
}
