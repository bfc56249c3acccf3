//! The operations, on documents.

use jiff::Timestamp;
use serde_json::Value;

use super::store::{Bucket, MINUTE, Series, percentile_of};
use super::wire::Out;
use crate::account::Account;
use crate::api::ApiError;
use crate::api::request::{decode_token, encode_token};

/// Datapoints GetMetricData returns at most; GetMetricStatistics refuses to return more than 1,440.
const MOST: usize = 100_800;

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "InvalidParameterValueException", message)
}

fn missing(name: &str) -> ApiError {
    ApiError::new(400, "MissingRequiredParameterException", format!("The parameter {name} is required."))
}

fn text<'a>(from: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    from.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).ok_or_else(|| missing(name))
}

/// A number, which the Query protocol sends as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|n: &f64| n.is_finite())
}

fn numbers(value: Option<&Value>) -> Result<Vec<f64>, ApiError> {
    let items = value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().map(|v| number(v).ok_or_else(|| invalid("A value is not a finite number."))).collect()
}

/// A time in milliseconds: epoch seconds, or ISO 8601 as the Query protocol sends it.
fn time(value: &Value) -> Option<i64> {
    if let Some(seconds) = number(value) {
        return Some((seconds * 1000.0) as i64);
    }
    let text = value.as_str()?;
    let at: Result<Timestamp, _> = text.parse();
    at.or_else(|_| format!("{text}Z").parse()).ok().map(|t: Timestamp| t.as_millisecond())
}

fn required_time(from: &Value, name: &str) -> Result<i64, ApiError> {
    let value = from.get(name).filter(|v| !v.is_null()).ok_or_else(|| missing(name))?;
    time(value).ok_or_else(|| invalid(format!("The parameter {name} must be a timestamp.")))
}

fn dimensions(from: &Value) -> Result<Vec<(&str, &str)>, ApiError> {
    let items = from.get("Dimensions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if items.len() > 30 {
        return Err(invalid("The collection Dimensions must not have a size greater than 30."));
    }
    items.iter().map(|d| Ok((text(d, "Name")?, text(d, "Value")?))).collect()
}

fn series(namespace: &str, from: &Value) -> Result<Series, ApiError> {
    let name = text(from, "MetricName")?;
    if name.len() > 255 {
        return Err(invalid("The parameter MetricName must be shorter than 256 characters."));
    }
    Ok(Series::new(namespace, name, &dimensions(from)?))
}

/// CloudWatch's units but `None`: those a fleet metric may have.
pub(crate) const UNITS: &[&str] = &[
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
];

pub(super) fn check_unit(unit: &str) -> Result<(), ApiError> {
    if unit == "None" || UNITS.contains(&unit) {
        return Ok(());
    }
    Err(invalid(format!("The value {unit} for parameter Unit is invalid.")))
}

pub(super) fn put_metric_data(account: &Account, input: &Value) -> Result<Option<Out>, ApiError> {
    let namespace = text(input, "Namespace")?;
    if namespace.starts_with("AWS/") || namespace.starts_with(':') || namespace.len() > 255 {
        return Err(invalid(format!("The value {namespace} for parameter Namespace is invalid.")));
    }
    let data = input.get("MetricData").and_then(Value::as_array).ok_or_else(|| missing("MetricData"))?;
    if data.len() > 1000 {
        return Err(invalid("The collection MetricData must not have a size greater than 1000."));
    }
    let now = account.clock.now_ms();
    // All or nothing: a bad datum refuses the request.
    let rows = data.iter().map(|datum| point(namespace, datum, now)).collect::<Result<Vec<_>, _>>()?;
    for (series, at, bucket) in rows {
        account.metrics.put_bucket(&series, at, &bucket);
    }
    Ok(None)
}

fn point(namespace: &str, datum: &Value, now: i64) -> Result<(Series, i64, Bucket), ApiError> {
    let series = series(namespace, datum)?;
    let at = match datum.get("Timestamp").filter(|t| !t.is_null()) {
        Some(t) => time(t).ok_or_else(|| invalid("The parameter Timestamp must be a timestamp."))?,
        None => now,
    };
    if at < now - 14 * 24 * 60 * MINUTE || at > now + 2 * 60 * MINUTE {
        return Err(invalid(
            "The parameter Timestamp must specify a time within the past two weeks and no more than two hours in the future.",
        ));
    }
    let unit = datum.get("Unit").and_then(Value::as_str).unwrap_or("None");
    check_unit(unit)?;
    let mut bucket = Bucket::of(unit);
    let value = datum.get("Value").filter(|v| !v.is_null());
    let set = datum.get("StatisticValues").filter(|v| !v.is_null());
    let values = numbers(datum.get("Values"))?;
    match (value, set, values.is_empty()) {
        (Some(value), None, true) => {
            let value =
                number(value).ok_or_else(|| invalid("The parameter Value must be a finite number."))?;
            bucket.add(value, 1.0);
        }
        (None, Some(set), true) => {
            let of = |name: &str| set.get(name).and_then(number).ok_or_else(|| missing(name));
            bucket.add_set(of("SampleCount")?, of("Sum")?, of("Minimum")?, of("Maximum")?);
        }
        (None, None, false) => {
            let counts = numbers(datum.get("Counts"))?;
            if values.len() > 150 || (!counts.is_empty() && counts.len() != values.len()) {
                return Err(invalid(
                    "The parameters Values and Counts must have the same size, at most 150.",
                ));
            }
            for (at, value) in values.iter().enumerate() {
                bucket.add(*value, counts.get(at).copied().unwrap_or(1.0));
            }
        }
        (None, None, true) => return Err(missing("MetricData.member.1.Value")),
        _ => {
            return Err(ApiError::new(
                400,
                "InvalidParameterCombinationException",
                "The parameters Value, Values and StatisticValues are mutually exclusive.",
            ));
        }
    }
    Ok((series, at, bucket))
}

/// A period in milliseconds: 60 s or a multiple, or the high resolutions, which are kept as minutes here.
fn period(from: &Value) -> Result<i64, ApiError> {
    let seconds = from.get("Period").and_then(number).ok_or_else(|| missing("Period"))? as i64;
    match seconds {
        1 | 5 | 10 | 20 | 30 => Ok(MINUTE),
        s if s >= 60 && s % 60 == 0 => Ok(s * 1000),
        _ => Err(invalid("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")),
    }
}

fn check_statistic(stat: &str) -> Result<(), ApiError> {
    if ["SampleCount", "Sum", "Average", "Minimum", "Maximum"].contains(&stat)
        || percentile_of(stat).is_some()
    {
        return Ok(());
    }
    Err(invalid(format!("The value {stat} for parameter Stat is invalid.")))
}

fn window(input: &Value) -> Result<(i64, i64), ApiError> {
    let (start, end) = (required_time(input, "StartTime")?, required_time(input, "EndTime")?);
    if start >= end {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    Ok((start, end))
}

pub(super) fn get_metric_data(account: &Account, input: &Value) -> Result<Option<Out>, ApiError> {
    let window = window(input)?;
    let queries = input
        .get("MetricDataQueries")
        .and_then(Value::as_array)
        .ok_or_else(|| missing("MetricDataQueries"))?;
    let ascending = input.get("ScanBy").and_then(Value::as_str) == Some("TimestampAscending");
    let mut results = Vec::new();
    for query in queries {
        let id = text(query, "Id")?;
        let starts_low = id.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts_low || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(invalid(format!(
                "The value {id} for parameter MetricDataQueries.member.Id is invalid."
            )));
        }
        let Some(stat) = query.get("MetricStat").filter(|s| !s.is_null()) else {
            return Err(invalid("Metric math is not emulated: every query needs a MetricStat."));
        };
        let metric = stat.get("Metric").ok_or_else(|| missing("Metric"))?;
        let series = series(text(metric, "Namespace")?, metric)?;
        let name = text(stat, "Stat")?;
        check_statistic(name)?;
        let unit = stat.get("Unit").and_then(Value::as_str);
        let periods = account.metrics.periods(&series, window, period(stat)?, unit);
        let wanted = query.get("ReturnData").is_none_or(|r| r != false && r != "false");
        if !wanted {
            continue;
        }
        let mut points: Vec<(i64, f64)> =
            periods.iter().filter_map(|(at, b)| Some((*at, b.statistic(name)?))).take(MOST).collect();
        if !ascending {
            points.reverse();
        }
        let label = query.get("Label").and_then(Value::as_str).unwrap_or(&series.name);
        results.push(Out::fields([
            ("Id", Out::Text(id.to_owned())),
            ("Label", Out::Text(label.to_owned())),
            ("Timestamps", Out::List(points.iter().map(|(at, _)| Out::Time(*at)).collect())),
            ("Values", Out::List(points.iter().map(|(_, v)| Out::Number(*v)).collect())),
            ("StatusCode", Out::Text("Complete".to_owned())),
        ]));
    }
    Ok(Some(Out::fields([("MetricDataResults", Out::List(results)), ("Messages", Out::List(Vec::new()))])))
}

pub(super) fn get_metric_statistics(account: &Account, input: &Value) -> Result<Option<Out>, ApiError> {
    let series = series(text(input, "Namespace")?, input)?;
    let names = |field: &str| -> Vec<String> {
        let items = input.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (statistics, extended) = (names("Statistics"), names("ExtendedStatistics"));
    if statistics.is_empty() && extended.is_empty() {
        return Err(missing("Statistics"));
    }
    statistics.iter().chain(&extended).try_for_each(|s| check_statistic(s))?;
    let unit = input.get("Unit").and_then(Value::as_str);
    let periods = account.metrics.periods(&series, window(input)?, period(input)?, unit);
    if periods.len() > 1440 {
        return Err(ApiError::new(
            400,
            "InvalidParameterCombinationException",
            "You have requested more than 1,440 datapoints, which exceeds the limit.",
        ));
    }
    let points = periods
        .iter()
        .map(|(at, bucket)| {
            let mut fields = vec![("Timestamp".to_owned(), Out::Time(*at))];
            for name in &statistics {
                fields.extend(bucket.statistic(name).map(|v| (name.clone(), Out::Number(v))));
            }
            fields.push(("Unit".to_owned(), Out::Text(bucket.unit.clone())));
            if !extended.is_empty() {
                let map =
                    extended.iter().filter_map(|n| Some((n.clone(), Out::Number(bucket.statistic(n)?))));
                fields.push(("ExtendedStatistics".to_owned(), Out::Fields(map.collect())));
            }
            Out::Fields(fields)
        })
        .collect();
    Ok(Some(Out::fields([("Label", Out::Text(series.name)), ("Datapoints", Out::List(points))])))
}

pub(super) fn list_metrics(account: &Account, input: &Value) -> Result<Option<Out>, ApiError> {
    let of = |name: &str| input.get(name).and_then(Value::as_str);
    let filters = input.get("Dimensions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let filters: Vec<(&str, Option<&str>)> = filters
        .iter()
        .map(|d| Ok((text(d, "Name")?, d.get("Value").and_then(Value::as_str))))
        .collect::<Result<_, ApiError>>()?;
    let recent = match of("RecentlyActive") {
        None => None,
        Some("PT3H") => Some(account.clock.now_ms() - 180 * MINUTE),
        Some(other) => {
            return Err(invalid(format!("The value {other} for parameter RecentlyActive is invalid.")));
        }
    };
    let skip = match of("NextToken") {
        None => 0,
        Some(token) => decode_token(token)
            .and_then(|t| t.parse::<usize>().ok())
            .ok_or_else(|| invalid("The parameter NextToken is invalid."))?,
    };
    let mut rows = account
        .metrics
        .series(recent)
        .into_iter()
        .filter(|s| {
            of("Namespace").is_none_or(|n| n == s.namespace) && of("MetricName").is_none_or(|n| n == s.name)
        })
        .filter(|s| {
            filters.iter().all(|(n, v)| {
                s.dimensions.iter().any(|(name, value)| name == n && v.is_none_or(|v| v == value))
            })
        })
        .skip(skip);
    let page: Vec<Out> = rows.by_ref().take(500).map(metric).collect();
    let mut fields = vec![("Metrics".to_owned(), Out::List(page))];
    if rows.next().is_some() {
        fields.push(("NextToken".to_owned(), Out::Text(encode_token(&(skip + 500).to_string()))));
    }
    Ok(Some(Out::Fields(fields)))
}

fn metric(series: Series) -> Out {
    let dimensions = series
        .dimensions
        .into_iter()
        .map(|(n, v)| Out::fields([("Name", Out::Text(n)), ("Value", Out::Text(v))]))
        .collect();
    Out::fields([
        ("Namespace", Out::Text(series.namespace)),
        ("MetricName", Out::Text(series.name)),
        ("Dimensions", Out::List(dimensions)),
    ])
}
