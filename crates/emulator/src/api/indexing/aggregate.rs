//! GetStatistics, GetPercentiles, GetCardinality, GetBucketsAggregation.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::document::{ThingView, View, presence};
use super::query::{Document as _, Leaf};
use super::{THINGS, check_version, query_for, ready};
use crate::account::Account;
use crate::api::{ApiError, Req, Resp, when};

/// What is counted when a request does not say.
const USUAL_FIELD: &str = "registry.version";
/// Percentiles when a request does not say.
const PERCENTS: [f64; 7] = [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0];
/// Buckets when a request does not say, and at most.
const BUCKETS: i64 = 10;
const MOST_BUCKETS: i64 = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    index_name: Option<String>,
    query_string: Option<String>,
    aggregation_field: Option<String>,
    query_version: Option<String>,
    percents: Option<Vec<f64>>,
    buckets_aggregation_type: Option<Value>,
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "InvalidAggregationException", message)
}

/// What is aggregated over.
#[derive(Clone, Copy)]
pub(super) struct Over<'a> {
    pub(super) index: Option<&'a str>,
    pub(super) query: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) field: &'a str,
}

impl Body {
    fn over(&self) -> Result<Over<'_>, ApiError> {
        Ok(Over {
            index: self.index_name.as_deref(),
            query: self.query_string.as_deref().ok_or_else(|| when::missing("queryString"))?,
            version: self.query_version.as_deref(),
            field: self.aggregation_field.as_deref().unwrap_or(USUAL_FIELD),
        })
    }
}

/// Looks at every thing that fits; gives the type of the aggregated field.
fn each(
    account: &Account,
    over: Over<'_>,
    mut look: impl FnMut(&ThingView<'_>, &str),
) -> Result<String, ApiError> {
    check_version(over.version)?;
    let sources = ready(account, over.index)?;
    if sources.groups {
        return Err(ApiError::invalid(format!("Only the index {THINGS} can be aggregated")));
    }
    let query = query_for(&sources, over.query)?;
    let field = over.field;
    let known = account.read().indexing.fields(THINGS);
    let Some(kind) = kind_of(&known, field) else {
        return Err(invalid(format!(
            "The field {field} is neither a managed nor a custom field of the index"
        )));
    };
    let wanted = field.starts_with("connectivity.") || query.names_field("connectivity.");
    let held = presence(account, &sources, wanted);
    let state = account.read();
    let view = View::new(&state, &sources, &held);
    for thing in view.things(&query, None) {
        look(&thing, field);
    }
    Ok(kind)
}

/// The type of a field. `shadow.name.S.version` is one of the managed field `shadow.name.*.version`.
fn kind_of(known: &[super::settings::Field], field: &str) -> Option<String> {
    let plain = field.strip_prefix("shadow.name.").and_then(|rest| rest.split_once('.'));
    let general = plain.map(|(_, rest)| format!("shadow.name.*.{rest}"));
    let alias = ["thingTypeName", "thingGroupNames"].contains(&field).then(|| format!("registry.{field}"));
    let names = [Some(field.to_owned()), general, alias];
    let held = known.iter().find(|f| names.iter().flatten().any(|n| *n == f.name));
    held.map(|f| f.kind.clone())
}

fn numbers(thing: &ThingView<'_>, field: &str, out: &mut Vec<f64>) {
    thing.field(field, &mut |leaf| {
        out.extend(leaf.number());
        false
    });
}

/// The statistics of a field by AWS's names: of numbers, and of booleans as 1 and 0; of texts the count only.
pub(super) fn statistics(account: &Account, over: Over<'_>) -> Result<Map<String, Value>, ApiError> {
    let (mut values, mut things) = (Vec::new(), 0_u64);
    let kind = each(account, over, |thing, field| {
        things += u64::from(thing.field(field, &mut |_| true));
        numbers(thing, field, &mut values);
    })?;
    let mut out = Map::new();
    let count = values.len();
    if kind == "String" || count == 0 {
        out.insert("count".into(), if kind == "String" { things.into() } else { 0.into() });
        return Ok(out);
    }
    let sum: f64 = values.iter().sum();
    let average = sum / count as f64;
    let variance = values.iter().map(|v| (v - average).powi(2)).sum::<f64>() / count as f64;
    out.insert("count".into(), count.into());
    for (name, value) in [
        ("average", average),
        ("sum", sum),
        ("minimum", values.iter().copied().fold(f64::INFINITY, f64::min)),
        ("maximum", values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        ("sumOfSquares", values.iter().map(|v| v * v).sum()),
        ("variance", variance),
        ("stdDeviation", variance.sqrt()),
    ] {
        out.insert(name.into(), value.into());
    }
    Ok(out)
}

/// GetStatistics.
pub(super) fn get_statistics(req: &Req) -> Result<Resp, ApiError> {
    let body: Body = req.json()?;
    Resp::json(json!({"statistics": statistics(&req.account, body.over()?)?}))
}

/// The percentiles of a field of numbers, by nearest rank; none when no thing fits.
pub(super) fn percentiles(
    account: &Account,
    over: Over<'_>,
    percents: &[f64],
) -> Result<Vec<(f64, f64)>, ApiError> {
    if let Some(bad) = percents.iter().find(|p| !(0.0..=100.0).contains(*p)) {
        return Err(ApiError::invalid(format!("percents must be between 0 and 100: {bad}")));
    }
    let mut values = Vec::new();
    let kind = each(account, over, |thing, field| numbers(thing, field, &mut values))?;
    if kind != "Number" {
        return Err(invalid(format!("Percentiles need a field of type Number, not {kind}")));
    }
    values.sort_by(f64::total_cmp);
    let of = |percent: f64| {
        let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
        Some((percent, *values.get(rank.max(1) - 1)?))
    };
    Ok(percents.iter().filter_map(|p| of(*p)).collect())
}

/// GetPercentiles.
pub(super) fn get_percentiles(req: &Req) -> Result<Resp, ApiError> {
    let body: Body = req.json()?;
    let percents = body.percents.as_deref().filter(|p| !p.is_empty()).unwrap_or(&PERCENTS);
    let found = percentiles(&req.account, body.over()?, percents)?;
    let rows: Vec<Value> = found.into_iter().map(|(p, v)| json!({"percent": p, "value": v})).collect();
    Resp::json(json!({"percentiles": rows}))
}

/// A value as two equal ones are counted as one.
fn key(leaf: &Leaf<'_>) -> String {
    leaf.text().into_owned()
}

/// How many different values a field has: exactly, where AWS approximates.
pub(super) fn cardinality(account: &Account, over: Over<'_>) -> Result<usize, ApiError> {
    let mut seen = BTreeSet::new();
    each(account, over, |thing, field| {
        thing.field(field, &mut |leaf| {
            seen.insert(key(&leaf));
            false
        });
    })?;
    Ok(seen.len())
}

/// GetCardinality.
pub(super) fn get_cardinality(req: &Req) -> Result<Resp, ApiError> {
    let body: Body = req.json()?;
    Resp::json(json!({"cardinality": cardinality(&req.account, body.over()?)?}))
}

/// GetBucketsAggregation: the commonest values first.
pub(super) fn get_buckets(req: &Req) -> Result<Resp, ApiError> {
    let body: Body = req.json()?;
    if body.aggregation_field.is_none() {
        return Err(when::missing("aggregationField"));
    }
    let kind =
        body.buckets_aggregation_type.as_ref().ok_or_else(|| when::missing("bucketsAggregationType"))?;
    let Some(terms) = kind.get("termsAggregation").filter(|t| t.is_object()) else {
        return Err(invalid("bucketsAggregationType must hold a termsAggregation"));
    };
    let most = terms.get("maxBuckets").and_then(Value::as_i64).unwrap_or(BUCKETS);
    if !(1..=MOST_BUCKETS).contains(&most) {
        return Err(ApiError::invalid(format!("maxBuckets must be between 1 and {MOST_BUCKETS}: {most}")));
    }
    let (mut total, mut counts) = (0_u64, HashMap::<String, u64>::new());
    each(&req.account, body.over()?, |thing, field| {
        total += 1;
        thing.field(field, &mut |leaf| {
            *counts.entry(key(&leaf)).or_default() += 1;
            false
        });
    })?;
    let mut buckets: Vec<(String, u64)> = counts.into_iter().collect();
    buckets.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let buckets: Vec<Value> = buckets
        .into_iter()
        .take(most as usize)
        .map(|(value, count)| json!({"keyValue": value, "count": count}))
        .collect();
    Resp::json(json!({"totalCount": total, "buckets": buckets}))
}
