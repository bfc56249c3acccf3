//! CloudWatch's GetMetricData, in the service's AWS JSON 1.0 protocol.

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use serde_json::{Value, json};

use quell_fleet::Ms;
use quell_fleet::account::{RULE_WINDOW, RuleSeries};
use quell_fleet::text::SafeText;

use super::read::Read;
use super::signed::{Service, post};
use super::{Aws, trouble};

/// A datapoint's length in seconds.
const PERIOD: i64 = 60;
const ACTION: &str = "cloudwatch:GetMetricData";

/// CloudWatch of a region, or of a private endpoint.
pub(super) fn service(connector: SharedHttpConnector, endpoint: Option<&str>, region: &str) -> Service {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let url = endpoint.map_or_else(|| format!("https://monitoring.{region}.{domain}"), str::to_owned);
    let url = format!("{}/", url.trim_end_matches('/'));
    Service { called: "CloudWatch", name: "monitoring", region: region.to_owned(), url, connector }
}

/// One metric asked for.
struct Query {
    namespace: String,
    name: String,
    dimensions: Vec<(&'static str, String)>,
}

/// What CloudWatch has of a rule in the half hour before `now`: the metrics its actions write, and what AWS counts of it.
///
/// # Errors
/// When a call fails. A rule that is gone has no metrics.
pub async fn of_rule(aws: &Aws, rule: &str, now: Ms) -> Read<Vec<RuleSeries>> {
    let found = match aws.iot.get_topic_rule().rule_name(rule).send().await {
        Ok(found) => found,
        Err(e) if trouble::is_not_found(&e) => return Ok(Vec::new()),
        Err(e) => return Err(trouble::of(&e, "iot:GetTopicRule")),
    };
    let mut queries: Vec<Query> = found
        .rule()
        .map(|r| r.actions())
        .unwrap_or_default()
        .iter()
        .filter_map(|a| a.cloudwatch_metric())
        // A name that is filled in for each message names no one metric.
        .filter(|m| !m.metric_namespace().contains("${") && !m.metric_name().contains("${"))
        .map(|m| Query {
            namespace: m.metric_namespace().to_owned(),
            name: m.metric_name().to_owned(),
            dimensions: Vec::new(),
        })
        .collect();
    let counted = |name: &str, kind: Option<&str>| {
        let mut dimensions = vec![("RuleName", rule.to_owned())];
        dimensions.extend(kind.map(|kind| ("ActionType", kind.to_owned())));
        Query { namespace: "AWS/IoT".to_owned(), name: name.to_owned(), dimensions }
    };
    queries.push(counted("TopicMatch", None));
    queries.push(counted("ParseError", None));
    if queries.iter().any(|q| q.dimensions.is_empty()) {
        queries.push(counted("Success", Some("CloudwatchMetric")));
        queries.push(counted("Failure", Some("CloudwatchMetric")));
    }
    let _turn = aws.turn(ACTION).await;
    let answer = ask(aws, &body(&queries, now)).await?;
    Ok(series(&queries, &answer))
}

fn body(queries: &[Query], now: Ms) -> Value {
    let end = (now / 1000 / PERIOD + 1) * PERIOD;
    let queries: Vec<Value> = queries
        .iter()
        .enumerate()
        .map(|(i, q)| {
            let dimensions: Vec<Value> =
                q.dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
            let metric = json!({"Namespace": q.namespace, "MetricName": q.name, "Dimensions": dimensions});
            json!({"Id": format!("m{i}"), "MetricStat": {"Metric": metric, "Period": PERIOD, "Stat": "Sum"}})
        })
        .collect();
    json!({"StartTime": end - RULE_WINDOW / 1000, "EndTime": end, "MetricDataQueries": queries})
}

/// The answer's series, each under its query; oldest first.
fn series(queries: &[Query], answer: &Value) -> Vec<RuleSeries> {
    let results = answer.get("MetricDataResults").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of = |id: String| results.iter().find(|r| r.get("Id").and_then(Value::as_str) == Some(&id));
    queries
        .iter()
        .enumerate()
        .map(|(i, q)| {
            let numbers = |name: &str| -> Vec<f64> {
                let list = of(format!("m{i}")).and_then(|r| r.get(name)).and_then(Value::as_array);
                list.map(|all| all.iter().filter_map(Value::as_f64).collect()).unwrap_or_default()
            };
            let times = numbers("Timestamps");
            let mut points: Vec<(Ms, f64)> =
                times.iter().map(|at| (at * 1000.0) as Ms).zip(numbers("Values")).collect();
            points.sort_by_key(|(at, _)| *at);
            RuleSeries { namespace: SafeText::new(&q.namespace), name: SafeText::new(&q.name), points }
        })
        .collect()
}

/// Sends the request and reads the answer.
async fn ask(aws: &Aws, body: &Value) -> Read<Value> {
    let headers = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "GraniteServiceVersion20100801.GetMetricData"),
    ];
    let (status, bytes) = post(aws, &aws.metrics, &headers, &body.to_string()).await?;
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if (200..300).contains(&status) && answer.is_object() {
        return Ok(answer);
    }
    let text = |names: &[&str]| {
        names.iter().find_map(|n| answer.get(*n)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let code = text(&["__type", "code"]);
    let code = code.rsplit('#').next().unwrap_or_default();
    Err(trouble::answered(code, &text(&["message", "Message"]), status, ACTION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_id_and_put_in_order() {
        let query =
            |name: &str| Query { namespace: "IoT".to_owned(), name: name.to_owned(), dimensions: Vec::new() };
        let queries = [query("A"), query("B")];
        let asked = body(&queries, 90_000);
        assert_eq!((asked["EndTime"].as_i64(), asked["StartTime"].as_i64()), (Some(120), Some(120 - 1800)));
        let answer = json!({"MetricDataResults": [
            {"Id": "m1", "Timestamps": [120, 60], "Values": [2.0, 1.0]}, {"Id": "m0", "Timestamps": [], "Values": []}]});
        let found = series(&queries, &answer);
        assert_eq!(found[0].points, []);
        assert_eq!(found[1].points, [(60_000, 1.0), (120_000, 2.0)]);
    }
}
