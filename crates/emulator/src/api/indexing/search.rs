//! SearchIndex, DescribeIndex, ListIndices.

use serde::Deserialize;
use serde_json::{Value, json};

use super::document::{View, presence};
use super::{GROUPS, THINGS, check_version, missing_index, query_for, ready};
use crate::api::request::Page;
use crate::api::{ApiError, Req, Resp, when};

/// Rows of a page: the model says 100, the quota table 500.
const MOST: usize = 500;
const USUALLY: i64 = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Search {
    index_name: Option<String>,
    query_string: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
    query_version: Option<String>,
}

/// SearchIndex, in the order of names.
pub(super) fn search_index(req: &Req) -> Result<Resp, ApiError> {
    let body: Search = req.json()?;
    let text = body.query_string.ok_or_else(|| when::missing("queryString"))?;
    check_version(body.query_version.as_deref())?;
    let page = Page::of_body(body.max_results.or(Some(USUALLY)), body.next_token.as_deref(), MOST)?;
    let sources = ready(&req.account, body.index_name.as_deref())?;
    let query = query_for(&sources, &text)?;
    let held = presence(&req.account, &sources, true);
    let state = req.account.read();
    let view = View::new(&state, &sources, &held);
    let (member, rows, next): (_, Vec<Value>, _) = if sources.groups {
        let rows = view.groups(&query, page.after.as_deref()).map(|g| (g.name.to_owned(), g.described()));
        let (rows, next) = page.take(rows);
        ("thingGroups", rows, next)
    } else {
        let rows = view
            .things(&query, page.after.as_deref())
            .take(page.size + 1)
            .map(|t| (t.name.to_owned(), t.described(held.get(t.name))));
        let (rows, next) = page.take(rows);
        ("things", rows, next)
    };
    // AWS answers both lists, one of them empty.
    let mut body = json!({ "things": [], "thingGroups": [] });
    body[member] = rows.into();
    if let Some(next) = next {
        body["nextToken"] = next.into();
    }
    Resp::json(body)
}

/// DescribeIndex: an index that is off is not there.
pub(super) fn describe_index(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("indexName");
    let state = req.account.read();
    let sources = state.indexing.sources(name).ok_or_else(|| missing_index(name))?;
    let schema = match (sources.groups, sources.shadow, sources.connectivity) {
        (true, ..) => "GROUPS",
        (_, true, true) => "REGISTRY_AND_SHADOW_AND_CONNECTIVITY_STATUS",
        (_, true, false) => "REGISTRY_AND_SHADOW",
        (_, false, true) => "REGISTRY_AND_CONNECTIVITY_STATUS",
        _ => "REGISTRY",
    };
    let status = state.indexing.status(name, req.account.clock.now_ms());
    Resp::json(json!({"indexName": name, "indexStatus": status, "schema": schema}))
}

/// ListIndices: those that are on.
pub(super) fn list_indices(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(500, 500)?;
    let state = req.account.read();
    let on = [GROUPS, THINGS].into_iter().filter(|name| state.indexing.sources(name).is_some());
    let (names, next) = page.take(on.map(|name| (name, name)));
    Resp::page("indexNames", names, next)
}
