//! What is put is what is got.

use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::store::Wal;
use std::sync::Arc;

fn account() -> Arc<Account> {
    Account::open("123456789012", "us-east-1", Clock::new(1.0), Wal::default(), "AKIA", "secret")
}

fn call(account: &Arc<Account>, handler: fn(&Req) -> Result<Resp, ApiError>, body: &Value) -> (u16, Value) {
    let req = Req {
        account: account.clone(),
        caller: "AKIA".to_owned(),
        device: None,
        path: Vec::new(),
        query: Vec::new(),
        headers: vec![("x-amz-target".to_owned(), "GraniteServiceVersion20100801.X".to_owned())],
        body: body.to_string().into(),
    };
    let resp = handler(&req).unwrap();
    (resp.status, serde_json::from_slice(&resp.body).unwrap())
}

#[test]
fn statistics_of_a_period_are_those_of_its_values() {
    let account = account();
    let now = account.clock.now_ms() / 3_600_000 * 3600;
    for (second, value) in [(0, 1.0), (10, 5.0), (61, 3.0)] {
        let (status, _) = call(
            &account,
            put_metric_data,
            &json!({"Namespace": "IoT", "MetricData": [
                {"MetricName": "HighHumidity", "Value": value, "Unit": "Count", "Timestamp": now - 600 + second}]}),
        );
        assert_eq!(status, 200);
    }
    let query = |stat: &str, period: u32| {
        let (_, body) = call(
            &account,
            get_metric_data,
            &json!({"StartTime": now - 600, "EndTime": now, "ScanBy": "TimestampAscending", "MetricDataQueries": [{"Id": "a",
                "MetricStat": {"Metric": {"Namespace": "IoT", "MetricName": "HighHumidity"}, "Period": period, "Stat": stat}}]}),
        );
        body["MetricDataResults"][0]["Values"].clone()
    };
    assert_eq!(query("Sum", 60), json!([6.0, 3.0]));
    assert_eq!(query("Average", 300), json!([3.0]));
    assert_eq!(query("SampleCount", 60), json!([2.0, 1.0]));
    assert_eq!(query("Minimum", 300), json!([1.0]));
    assert_eq!(query("Maximum", 300), json!([5.0]));
    assert_eq!(query("p50", 300), json!([3.0]));
    assert_eq!(query("p100", 60), json!([5.0, 3.0]));
    let (_, list) = call(&account, list_metrics, &json!({"Namespace": "IoT"}));
    assert_eq!(
        list,
        json!({"Metrics": [{"Namespace": "IoT", "MetricName": "HighHumidity", "Dimensions": []}]})
    );
    let (_, statistics) = call(
        &account,
        get_metric_statistics,
        &json!({"Namespace": "IoT", "MetricName": "HighHumidity", "StartTime": now - 600, "EndTime": now, "Period": 600,
            "Statistics": ["Sum", "SampleCount"], "ExtendedStatistics": ["p90"]}),
    );
    let point = &statistics["Datapoints"][0];
    assert_eq!((&point["Sum"], &point["SampleCount"]), (&json!(9.0), &json!(3.0)));
    assert_eq!((&point["ExtendedStatistics"]["p90"], &point["Unit"]), (&json!(5.0), &json!("Count")));
}

#[test]
fn what_aws_counts_is_there_at_once_and_dimensions_tell_series_apart() {
    let account = account();
    for rule in ["a", "a", "b"] {
        count(&account, "AWS/IoT", "TopicMatch", &[("RuleName", rule)], 1.0);
    }
    let now = account.clock.now_ms() as f64 / 1000.0;
    let sum = |rule: &str| {
        let (_, body) = call(
            &account,
            get_metric_data,
            &json!({"StartTime": now - 120.0, "EndTime": now + 60.0, "MetricDataQueries": [{"Id": "a", "MetricStat": {
                "Metric": {"Namespace": "AWS/IoT", "MetricName": "TopicMatch", "Dimensions": [{"Name": "RuleName", "Value": rule}]},
                "Period": 3600, "Stat": "Sum"}}]}),
        );
        body["MetricDataResults"][0]["Values"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_f64)
            .sum::<f64>()
    };
    assert_eq!((sum("a"), sum("b"), sum("c")), (2.0, 1.0, 0.0));
    let (_, list) =
        call(&account, list_metrics, &json!({"Dimensions": [{"Name": "RuleName", "Value": "b"}]}));
    assert_eq!(list["Metrics"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_cloudwatch_refuses_is_refused_whole() {
    let account = account();
    let good = json!({"MetricName": "m", "Value": 1});
    for (namespace, datum) in [
        ("AWS/IoT", good.clone()),
        ("IoT", json!({"MetricName": "m"})),
        ("IoT", json!({"MetricName": "m", "Value": "many"})),
        ("IoT", json!({"MetricName": "m", "Value": 1, "Unit": "Humidity"})),
        ("IoT", json!({"MetricName": "m", "Value": 1, "Timestamp": 1000})),
        ("IoT", json!({"MetricName": "m", "Value": 1, "Values": [1]})),
    ] {
        let body = json!({"Namespace": namespace, "MetricData": [good.clone(), datum]});
        assert_eq!(call(&account, put_metric_data, &body).0, 400, "{body}");
    }
    assert_eq!(call(&account, list_metrics, &json!({})).1, json!({"Metrics": []}));
}

#[test]
fn percentiles_survive_more_values_than_are_kept_apart() {
    let account = account();
    let series = Series::new("IoT", "m", &[]);
    for value in 1..=1000 {
        put_metric(&account, &series, f64::from(value), "None", 60_000).unwrap();
    }
    let periods = account.metrics.periods(&series, (0, 120_000), 60_000, None);
    let median = periods.values().next().and_then(|b| b.statistic("p50")).unwrap();
    assert!((490.0..=510.0).contains(&median), "{median}");
    assert!(put_metric(&account, &series, f64::NAN, "None", 0).is_err());
}
