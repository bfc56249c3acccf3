//! Fleet indexing: what is indexed, searches, aggregations, dynamic thing groups (docs/aws-iot.md#2.7, #4.4).
//!
//! * `query/`: the query language. Pure.
//! * `document.rs`: things and thing groups as the index sees them.
//! * `settings.rs`: the indexing configuration and its operations.
//! * `search.rs`, `aggregate.rs`: the query operations, thin.
//! * `fleet_metrics.rs`: aggregations that become CloudWatch metrics, again and again.
//! * `dynamic.rs`: who is in which dynamic thing group.
//!
//! There is no index: a query looks at the account itself, which is in memory. So an answer is never behind.

mod aggregate;
mod document;
mod dynamic;
mod fleet_metrics;
pub mod query;
pub mod routes;
mod search;
mod settings;

pub use dynamic::{check_query, run};
pub use settings::IndexStore;

use super::ApiError;
use crate::account::Account;
use document::Sources;
use query::Query;

/// The index of things.
pub const THINGS: &str = "AWS_Things";
/// The index of thing groups.
const GROUPS: &str = "AWS_ThingGroups";
/// The query language's version.
pub const QUERY_VERSION: &str = "2017-09-30";

fn invalid_query(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "InvalidQueryException", message)
}

fn missing_index(name: &str) -> ApiError {
    ApiError::not_found(format!(
        "Index {name} does not exist. Please enable index by calling UpdateIndexingConfiguration"
    ))
}

/// Which index a request means, if it can be searched now.
///
/// # Errors
/// 404 for an index that is not there or not on, `IndexNotReadyException` while it is being built.
fn ready(account: &Account, name: Option<&str>) -> Result<Sources, ApiError> {
    let name = name.unwrap_or(THINGS);
    let state = account.read();
    let sources = state.indexing.sources(name).ok_or_else(|| missing_index(name))?;
    if state.indexing.status(name, account.clock.now_ms()) != "ACTIVE" {
        return Err(ApiError::new(400, "IndexNotReadyException", format!("Index {name} is not ready.")));
    }
    Ok(sources)
}

/// Reads a query for an index that is made of `sources`.
///
/// # Errors
/// `InvalidQueryException`, also for a geo query of a field that is not among the configuration's `geoLocations`.
fn query_for(sources: &Sources, text: &str) -> Result<Query, ApiError> {
    let query = Query::parse(text).map_err(invalid_query)?;
    let known = |field: &str| sources.locations.iter().any(|(name, _)| name == field);
    match query.unplaced(&known) {
        Some(field) => Err(invalid_query(format!("The field {field} is not indexed as a location"))),
        None => Ok(query),
    }
}

/// Refuses versions of the query language that are not there.
fn check_version(version: Option<&str>) -> Result<(), ApiError> {
    match version {
        None | Some(QUERY_VERSION) => Ok(()),
        Some(other) => Err(invalid_query(format!("Query version {other} is not supported"))),
    }
}
