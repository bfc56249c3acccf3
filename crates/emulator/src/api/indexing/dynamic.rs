//! Dynamic thing groups: who fits their queries, looked at again and again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::document::{View, presence};
use super::query::Query;
use super::{THINGS, fleet_metrics, query_for, ready};
use crate::account::{Account, State};
use crate::api::ApiError;
use crate::api::registry::announce;

/// How often members are looked for. AWS's groups follow within seconds to minutes.
const LOOK: Duration = Duration::from_secs(5);
/// Looking may take this part of the time at most.
const SHARE: u32 = 20;

/// Refuses a dynamic group's query that is none, and any while things are not indexed.
///
/// # Errors
/// `InvalidRequestException`, `InvalidQueryException`.
pub fn check_query(state: &State, text: &str) -> Result<(), ApiError> {
    let Some(sources) = state.indexing.sources(THINGS) else {
        return Err(ApiError::invalid("Fleet indexing of things must be enabled for dynamic thing groups"));
    };
    query_for(&sources, text).map(drop)
}

/// Keeps the members of dynamic groups right and puts fleet metrics, until the process ends.
pub async fn run(account: Arc<Account>) {
    let step = account.clock.scaled(LOOK).clamp(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        let begun = Instant::now();
        let looking = Arc::clone(&account);
        let looked = tokio::task::spawn_blocking(move || {
            look(&looking);
            fleet_metrics::put_due(&looking);
        });
        if let Err(error) = looked.await {
            tracing::error!(%error, "what hangs on the index could not be brought up to date");
        }
        tokio::time::sleep(step.max(begun.elapsed() * SHARE)).await;
    }
}

/// Brings every dynamic group up to date.
fn look(account: &Account) {
    let groups: Vec<(String, String)> = {
        let state = account.read();
        let dynamic = state.registry.groups().filter_map(|(name, g)| Some((name, g.dynamic.as_ref()?)));
        dynamic.map(|(name, dynamic)| (name.to_owned(), dynamic.query.clone())).collect()
    };
    if groups.is_empty() {
        return;
    }
    let Ok(sources) = ready(account, Some(THINGS)) else { return };
    for (group, text) in groups {
        let Ok(query) = Query::parse(&text) else { continue };
        let held = presence(account, &sources, query.names_field("connectivity."));
        let found: BTreeSet<String> = {
            let state = account.read();
            let view = View::new(&state, &sources, &held);
            view.things(&query, None).map(|thing| thing.name.to_owned()).collect()
        };
        let changes = account.write().registry.set_dynamic_members(&group, &text, &found);
        if !changes.is_empty() {
            announce(account, &changes);
            if let Err(error) = account.wal.commit_in_place() {
                tracing::error!(%error, "a dynamic thing group could not be kept");
            }
        }
    }
}
