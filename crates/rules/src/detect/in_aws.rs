//! A behaviour as a statement of AWS's own rules engine, which judges any number of devices without a connection. What a
//! statement cannot say is refused with the reason: a rule sees one message, remembers nothing, and knows no groups.

use super::metric::Metric;
use super::model::{Behavior, ComparisonOperator as Op};

/// The dialect that a statement is written in.
pub const VERSION: crate::sql::Version = crate::sql::Version::V2016_03_23;

/// Bytes of a message: base64 has four letters for three bytes, and what fills up the last four says nothing.
const SIZE: &str = "floor(length(regexp_replace(encode(*, 'base64'), '=', '')) * 0.75)";

/// The statement that selects what violates `behavior` of `profile` on the topics of `filter`: an object of `profile`,
/// `behavior`, `topic`, `client`, `at` (epoch milliseconds) and `bytes`. What is published on `raised`, where that is handed
/// on to, is left out.
///
/// # Errors
/// Why a rule cannot judge it, in words.
pub fn statement(profile: &str, behavior: &Behavior, filter: &str, raised: &str) -> Result<String, String> {
    let metric = behavior.metric.as_deref().unwrap_or_default();
    match Metric::parse(metric) {
        Some(Metric::MessageByteSize) => {}
        Some(known) if known.needs_window() => {
            return Err(format!("{metric} is counted over a window, and a rule remembers nothing"));
        }
        Some(Metric::SourceIp) => return Err(format!("{metric}: SQL compares no address ranges")),
        Some(_) => return Err(format!("{metric} is in agents' reports, which no rule is known to read")),
        None => return Err(format!("{metric} is no metric of Device Defender")),
    }
    let Some(criteria) = &behavior.criteria else {
        return Err("it has no criteria: it is exported only".to_owned());
    };
    if criteria.ml_detection_config.is_some() {
        return Err("a learned model is AWS's own".to_owned());
    }
    if criteria.statistical_threshold.is_some() {
        return Err("a percentile is of the whole fleet, and a rule sees one message".to_owned());
    }
    if let Some(in_a_row @ 2..) = criteria.consecutive_datapoints_to_alarm {
        return Err(format!("{in_a_row} datapoints in a row are needed, and a rule sees one message"));
    }
    if behavior.metric_dimension.is_some() {
        return Err("its dimension's topics are not known here".to_owned());
    }
    if criteria.duration_seconds.is_some() {
        return Err("durationSeconds does not go with the size of each message".to_owned());
    }
    let Some(limit) = criteria.value.as_ref().and_then(|value| value.count) else {
        return Err("it has no value to compare with".to_owned());
    };
    // What is selected is what is not normal.
    let violates = match criteria.comparison_operator {
        Some(Op::LessThan) => ">=",
        Some(Op::LessThanEquals) => ">",
        Some(Op::GreaterThan) => "<=",
        Some(Op::GreaterThanEquals) => "<",
        _ => return Err("its operator compares no sizes".to_owned()),
    };
    for (what, text) in [("profile", profile), ("behavior", &behavior.name), ("filter", filter)] {
        if text.contains(['\'', '\\', '"']) || text.chars().any(char::is_control) {
            return Err(format!("its {what} has a quote, which a statement cannot hold"));
        }
    }
    let mut sql = format!(
        "SELECT '{profile}' AS profile, '{}' AS behavior, topic() AS topic, clientid() AS client, timestamp() AS at, \
         {SIZE} AS bytes FROM '{filter}' WHERE {SIZE} {violates} {limit}",
        behavior.name
    );
    if crate::topics::Dialect::Aws.matches(filter, raised) {
        sql.push_str(&format!(" AND topic() <> '{raised}'"));
    }
    Ok(sql)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::detect::judge::is_normal;
    use crate::detect::model::MetricValue;
    use crate::sql::{Message, Outcome, Statement};

    const RAISED: &str = "quell/guard/raised";

    fn behavior(criteria: Value) -> Behavior {
        let metric = "aws:message-byte-size";
        serde_json::from_value(json!({"name": "Large", "metric": metric, "criteria": criteria})).unwrap()
    }

    fn outcome(sql: &str, topic: &str, payload: &[u8]) -> Outcome {
        let message = Message {
            topic,
            payload,
            client_id: Some("gw-7"),
            principal: None,
            source_ip: None,
            now_ms: 1_700_000_000_000,
            account_id: "123456789012",
            trace_id: "t",
            shadow: None,
            registry: None,
            properties: None,
        };
        Statement::parse(sql, VERSION).unwrap().evaluate(&message)
    }

    proptest! {
        /// A rule raises on a message what the judge finds in it, and says its size.
        #[test]
        fn a_rule_raises_what_the_judge_finds(
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            limit in 0i64..200,
            operator in 0usize..4,
        ) {
            let names = ["less-than", "less-than-equals", "greater-than", "greater-than-equals"];
            let behavior =
                behavior(json!({"comparisonOperator": names[operator], "value": {"count": limit}}));
            let sql = statement("P", &behavior, "dt/#", RAISED).unwrap();
            let criteria = behavior.criteria.as_ref().unwrap();
            let measured = MetricValue { count: Some(payload.len() as i64), ..MetricValue::default() };
            let expected = criteria.value.as_ref().unwrap();
            let normal = is_normal(&measured, criteria.comparison_operator.unwrap(), expected).unwrap();
            match outcome(&sql, "dt/gw/7", &payload) {
                Outcome::NotSelected => prop_assert!(normal, "{sql}"),
                Outcome::Selected(bytes) => {
                    prop_assert!(!normal, "{sql}");
                    let raised: Value = serde_json::from_slice(&bytes).unwrap();
                    prop_assert_eq!(raised, json!({"profile": "P", "behavior": "Large", "topic": "dt/gw/7",
                        "client": "gw-7", "at": 1_700_000_000_000_i64, "bytes": payload.len()}));
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_raised_is_not_judged_again() {
        let behavior = behavior(json!({"comparisonOperator": "less-than", "value": {"count": 1}}));
        let all = statement("P", &behavior, "#", RAISED).unwrap();
        assert_eq!(outcome(&all, RAISED, b"long enough"), Outcome::NotSelected);
        assert!(matches!(outcome(&all, "dt/x", b"long enough"), Outcome::Selected(_)));
        assert!(!statement("P", &behavior, "dt/#", RAISED).unwrap().contains(RAISED));
    }

    #[test]
    fn what_a_rule_cannot_say_is_refused_with_the_reason() {
        let refused = |value: Value, reason: &str| {
            let behavior: Behavior = serde_json::from_value(value).unwrap();
            let why = statement("P", &behavior, "dt/#", RAISED).unwrap_err();
            assert!(why.contains(reason), "{why}");
        };
        let sized =
            |criteria: Value| json!({"name": "B", "metric": "aws:message-byte-size", "criteria": criteria});
        refused(json!({"name": "B", "metric": "aws:num-messages-sent"}), "over a window");
        refused(json!({"name": "B", "metric": "aws:source-ip-address"}), "address ranges");
        refused(json!({"name": "B", "metric": "aws:listening-tcp-ports"}), "agents' reports");
        refused(json!({"name": "B", "metric": "aws:message-byte-size"}), "no criteria");
        let limit = json!({"comparisonOperator": "less-than", "value": {"count": 1}});
        let with = |key: &str, value: Value| {
            let mut criteria = limit.clone();
            criteria[key] = value;
            sized(criteria)
        };
        refused(with("consecutiveDatapointsToAlarm", json!(2)), "2 datapoints in a row");
        refused(with("statisticalThreshold", json!({"statistic": "p99"})), "percentile");
        refused(with("mlDetectionConfig", json!({"confidenceLevel": "HIGH"})), "learned");
        let mut dimension = sized(limit.clone());
        dimension["metricDimension"] = json!({"dimensionName": "D"});
        refused(dimension, "dimension");
        let plain: Behavior = serde_json::from_value(sized(limit)).unwrap();
        assert!(statement("P", &plain, "it's/#", RAISED).unwrap_err().contains("quote"));
    }
}
