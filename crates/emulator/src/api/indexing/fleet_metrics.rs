//! Fleet metrics: aggregations that are put into CloudWatch every period, in the namespace `AWS/IoTFleetMetrics`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::aggregate::{Over, cardinality, percentiles, statistics};
use super::{QUERY_VERSION, THINGS};
use crate::account::Account;
use crate::api::cloudwatch::{Series, UNITS, put_metric};
use crate::api::registry::tags::Tag;
use crate::api::{ApiError, Req, Resp, validate, when};

/// Fleet metrics of an account.
const METRICS: usize = 100;
const NAMESPACE: &str = "AWS/IoTFleetMetrics";
/// What a metric of statistics can give.
const STATISTICS: [&str; 8] =
    ["count", "average", "sum", "minimum", "maximum", "sumOfSquares", "variance", "stdDeviation"];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Aggregation {
    /// `Statistics`, `Percentiles`, `Cardinality`.
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

/// A fleet metric. Its name is its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FleetMetric {
    query: String,
    field: String,
    aggregation: Aggregation,
    /// Seconds.
    period: i64,
    description: Option<String>,
    unit: Option<String>,
    version: i64,
    created_ms: i64,
    modified_ms: i64,
    /// When it is put next, epoch milliseconds.
    next_ms: i64,
}

impl FleetMetric {
    /// The values it has now, each with the kind of aggregation it is.
    fn look(&self, account: &Account) -> Result<Vec<(String, f64)>, ApiError> {
        let over = Over { index: Some(THINGS), query: &self.query, version: None, field: &self.field };
        Ok(match self.aggregation.name.as_str() {
            "Statistics" => {
                let found = statistics(account, over)?;
                let one = |name: &String| Some((name.clone(), found.get(name)?.as_f64()?));
                self.aggregation.values.iter().filter_map(one).collect()
            }
            "Percentiles" => {
                let found = percentiles(account, over, &self.percents()?)?;
                found.into_iter().map(|(percent, value)| (format!("p{percent}"), value)).collect()
            }
            _ => vec![("cardinality".to_owned(), cardinality(account, over)? as f64)],
        })
    }

    fn percents(&self) -> Result<Vec<f64>, ApiError> {
        let one = |text: &String| {
            let number = text.trim_start_matches('p').parse::<f64>().ok();
            number.filter(|n| (0.0..=100.0).contains(n)).ok_or_else(|| {
                ApiError::invalid(format!("aggregationType.values: {text} is not a percentile"))
            })
        };
        self.aggregation.values.iter().map(one).collect()
    }

    /// Refuses what is not a metric, or cannot be computed now.
    fn check(&self, account: &Account) -> Result<(), ApiError> {
        let name = &self.aggregation.name;
        validate::one_of("aggregationType.name", name, &["Statistics", "Percentiles", "Cardinality"])?;
        if self.aggregation.values.len() > 12 {
            return Err(ApiError::invalid("aggregationType.values must hold at most 12 values"));
        }
        if name == "Statistics" {
            for value in &self.aggregation.values {
                validate::one_of("aggregationType.values", value, &STATISTICS)?;
            }
        }
        if name != "Cardinality" && self.aggregation.values.is_empty() {
            return Err(ApiError::invalid(format!(
                "aggregationType.values must say which {name} are wanted"
            )));
        }
        if !(60..=86_400).contains(&self.period) || self.period % 60 != 0 {
            return Err(ApiError::invalid("period must be a multiple of 60 between 60 and 86400"));
        }
        if let Some(unit) = self.unit.as_deref().filter(|u| *u != "None") {
            validate::one_of("unit", unit, UNITS)?;
        }
        if let Some(text) = &self.description {
            validate::description("description", text)?;
        }
        self.look(account).map(drop)
    }
}

/// Puts the metrics that are due.
pub(super) fn put_due(account: &Account) {
    let now = account.clock.now_ms();
    let due: Vec<(String, FleetMetric)> = {
        let state = account.read();
        let due = state.indexing.fleet_metrics.iter().filter(|(_, m)| m.next_ms <= now);
        due.map(|(name, metric)| (name.to_owned(), metric.clone())).collect()
    };
    for (name, metric) in due {
        let unit = metric.unit.as_deref().unwrap_or("None");
        let put = metric.look(account).and_then(|values| {
            values.into_iter().try_for_each(|(kind, value)| {
                let series = Series::new(NAMESPACE, &name, &[("AggregationType", &kind)]);
                put_metric(account, &series, value, unit, now)
            })
        });
        if let Err(error) = put {
            tracing::info!(metric = name, error = error.message, "a fleet metric has no value");
        }
        let next_ms = now + account.clock.scaled_secs_ms(metric.period as u64);
        account.write().indexing.fleet_metrics.update(&name, |m| m.next_ms = next_ms);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query_string: Option<String>,
    aggregation_type: Option<Aggregation>,
    aggregation_field: Option<String>,
    period: Option<i64>,
    description: Option<String>,
    query_version: Option<String>,
    index_name: Option<String>,
    unit: Option<String>,
    expected_version: Option<i64>,
    #[serde(default)]
    tags: Vec<Tag>,
}

impl Body {
    fn read(req: &Req) -> Result<Self, ApiError> {
        let body: Self = req.json()?;
        super::check_version(body.query_version.as_deref())?;
        match body.index_name.as_deref() {
            None | Some(THINGS) => Ok(body),
            Some(other) => Err(super::missing_index(other)),
        }
    }
}

fn name_of(req: &Req) -> Result<&str, ApiError> {
    let name = req.path("metricName");
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.len() > 128 || !name.chars().all(known) {
        return Err(ApiError::invalid(format!("metricName is not valid: {name}")));
    }
    Ok(name)
}

fn arn(req: &Req, name: &str) -> String {
    req.account.arn("fleetmetric", name)
}

fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("Fleet metric {name} cannot be found."))
}

/// CreateFleetMetric.
pub(super) fn create(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let body = Body::read(req)?;
    let now = req.account.clock.now_ms();
    let metric = FleetMetric {
        query: body.query_string.ok_or_else(|| when::missing("queryString"))?,
        field: body.aggregation_field.ok_or_else(|| when::missing("aggregationField"))?,
        aggregation: body.aggregation_type.ok_or_else(|| when::missing("aggregationType"))?,
        period: body.period.ok_or_else(|| when::missing("period"))?,
        description: body.description,
        unit: body.unit,
        version: 1,
        created_ms: now,
        modified_ms: now,
        next_ms: now,
    };
    metric.check(&req.account)?;
    let arn = arn(req, name);
    let mut state = req.account.write();
    let metrics = &state.indexing.fleet_metrics;
    if metrics.contains(name) {
        return Err(ApiError::already_exists(format!("Fleet metric {name} already exists"), name, &arn));
    }
    if metrics.len() >= METRICS {
        return Err(ApiError::limit(format!("At most {METRICS} fleet metrics are allowed")));
    }
    state.registry.set_tags(&arn, &body.tags)?;
    state.indexing.fleet_metrics.put(name, metric);
    Resp::json(json!({"metricName": name, "metricArn": arn}))
}

fn expect_version(metric: &FleetMetric, expected: Option<i64>) -> Result<(), ApiError> {
    if expected.is_some_and(|v| v != metric.version) {
        return Err(ApiError::version_conflict(format!(
            "The version of the fleet metric is {}",
            metric.version
        )));
    }
    Ok(())
}

/// UpdateFleetMetric: what is not given stays.
pub(super) fn update(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let body = Body::read(req)?;
    let mut metric =
        req.account.read().indexing.fleet_metrics.get(name).ok_or_else(|| missing(name))?.clone();
    expect_version(&metric, body.expected_version)?;
    metric.query = body.query_string.unwrap_or(metric.query);
    metric.field = body.aggregation_field.unwrap_or(metric.field);
    metric.aggregation = body.aggregation_type.unwrap_or(metric.aggregation);
    metric.period = body.period.unwrap_or(metric.period);
    metric.description = body.description.or(metric.description);
    metric.unit = body.unit.or(metric.unit);
    metric.modified_ms = req.account.clock.now_ms();
    metric.check(&req.account)?;
    let mut state = req.account.write();
    let held = state.indexing.fleet_metrics.get(name).ok_or_else(|| missing(name))?;
    metric.version = held.version + 1;
    state.indexing.fleet_metrics.put(name, metric);
    Resp::nothing()
}

/// DescribeFleetMetric.
pub(super) fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let state = req.account.read();
    let metric = state.indexing.fleet_metrics.get(name).ok_or_else(|| missing(name))?;
    let mut body = json!({
        "metricName": name,
        "metricArn": arn(req, name),
        "queryString": metric.query,
        "aggregationType": metric.aggregation,
        "aggregationField": metric.field,
        "period": metric.period,
        "queryVersion": QUERY_VERSION,
        "indexName": THINGS,
        "version": metric.version,
        "creationDate": when::seconds(metric.created_ms),
        "lastModifiedDate": when::seconds(metric.modified_ms),
    });
    for (member, text) in [("description", &metric.description), ("unit", &metric.unit)] {
        if let Some(text) = text {
            body[member] = json!(text);
        }
    }
    Resp::json(body)
}

/// DeleteFleetMetric: fine when there is none.
pub(super) fn delete(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let expected = req.long("expectedVersion")?;
    let mut state = req.account.write();
    if let Some(metric) = state.indexing.fleet_metrics.get(name) {
        expect_version(metric, expected)?;
    }
    state.indexing.fleet_metrics.remove(name);
    state.registry.drop_tags(&arn(req, name));
    Resp::nothing()
}

/// ListFleetMetrics.
pub(super) fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let rows = state.indexing.fleet_metrics.after(page.after.as_deref());
    let row = |name: &str| -> Value { json!({"metricName": name, "metricArn": arn(req, name)}) };
    let (metrics, next) = page.take(rows.map(|(name, _)| (name, row(name))));
    Resp::page("fleetMetrics", metrics, next)
}
