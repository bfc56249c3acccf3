//! Reads the retained messages that a plan would clear.

use std::sync::Arc;

use crate::cloud::Aws;
use crate::cloud::read_left::{self, RetainedRecord};
use crate::response::plan::facts::ThingFacts;
use crate::response::rules::Rules;
use crate::response::sweep::Own;
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::Name;

/// Retained messages, as far as they could be read.
#[derive(Debug)]
pub(in crate::response) enum Retained {
    /// All of the account.
    All(Arc<[RetainedRecord]>),
    /// Those on topics that were asked for one by one.
    On {
        /// What was found.
        found: Vec<RetainedRecord>,
        /// How many topics were asked for.
        asked: usize,
        /// Why the account's could not be listed.
        unlisted: Trouble,
    },
}

impl Retained {
    /// `listed`, or, for whoever may not list, what is on `topics`: one topic may be asked for all the same.
    ///
    /// # Errors
    /// When neither can be read; no topic is nothing read.
    pub(in crate::response) async fn of(
        c: &Aws,
        listed: Result<Arc<[RetainedRecord]>, Trouble>,
        topics: &[String],
    ) -> Result<Self, Trouble> {
        let unlisted = match listed {
            Ok(all) => return Ok(Self::All(all)),
            Err(trouble) if trouble.kind == TroubleKind::Denied && !topics.is_empty() => trouble,
            Err(trouble) => return Err(trouble),
        };
        let mut found = Vec::new();
        for topic in topics {
            match read_left::retained_on(c, topic).await {
                Ok(one) => found.extend(one),
                Err(_) => return Err(unlisted),
            }
        }
        Ok(Self::On { found, asked: topics.len(), unlisted })
    }

    /// What was found.
    pub(in crate::response) fn found(&self) -> &[RetainedRecord] {
        match self {
            Self::All(found) => found,
            Self::On { found, .. } => found,
        }
    }
}

/// The retained messages on the topics of `things`, and on the `topics` named directly; with why the account's could not be
/// listed, where it could not.
pub(super) async fn of(
    c: &Aws,
    rules: &Rules,
    things: &[ThingFacts],
    topics: &[String],
) -> Result<(Vec<(Option<Name>, RetainedRecord)>, Option<Trouble>), Trouble> {
    let mut found: Vec<(Option<Name>, RetainedRecord)> = Vec::new();
    let mut add = |thing: Option<&Name>, one: RetainedRecord| {
        if !found.iter().any(|(_, known)| known.topic == one.topic) {
            found.push((thing.cloned(), one));
        }
    };
    for topic in topics {
        if let Some(one) = read_left::retained_on(c, topic).await? {
            add(None, one);
        }
    }
    if things.is_empty() {
        return Ok((found, None));
    }
    let heard: Vec<String> = things.iter().flat_map(|thing| thing.target.topics.clone()).collect();
    let list = Retained::of(c, read_left::retained(c).await.map(Arc::from), &heard).await?;
    let unlisted = match &list {
        Retained::On { found, unlisted, .. } if found.is_empty() => return Err(unlisted.clone()),
        Retained::On { unlisted, .. } => Some(unlisted.clone()),
        Retained::All(_) => None,
    };
    for thing in things {
        let clients = thing.client_ids();
        let own = Own { thing: &thing.target.thing, topics: &thing.target.topics, clients: &clients };
        for one in list.found().iter().filter(|one| own.is(rules, &one.topic)) {
            add(Some(&thing.target.thing), one.clone());
        }
    }
    Ok((found, unlisted))
}
