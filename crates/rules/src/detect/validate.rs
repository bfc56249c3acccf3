//! What ValidateSecurityProfileBehaviors, and Create and Update with it, reject (docs/aws-iot.md#4.1.12).

use std::collections::BTreeSet;

use super::judge::parse_net;
use super::metric::{DURATIONS, Metric, Shape};
use super::model::{Behavior, ComparisonOperator, Criteria, MetricValue};
use super::percentile::STATISTICS;

/// Behaviours a profile may have.
pub const MAX_BEHAVIORS: usize = 100;

/// Everything that is wrong with `behaviors`, one sentence each; empty when they are valid.
pub fn behaviors(behaviors: &[Behavior]) -> Vec<String> {
    let mut errors = Vec::new();
    if behaviors.len() > MAX_BEHAVIORS {
        errors.push(format!("A security profile can have at most {MAX_BEHAVIORS} behaviors"));
    }
    let mut names = BTreeSet::new();
    for behavior in behaviors {
        let mut wrong = |what: String| errors.push(format!("Behavior {}: {what}", behavior.name));
        if !valid_name(&behavior.name) {
            wrong("name must be 1 to 128 characters of [a-zA-Z0-9:_-]".to_owned());
        }
        if !names.insert(behavior.name.as_str()) {
            wrong("duplicate behavior name".to_owned());
        }
        let Some(name) = &behavior.metric else {
            wrong("metric is required".to_owned());
            continue;
        };
        let Some(metric) = Metric::parse(name) else {
            wrong(format!("unknown metric {name}"));
            continue;
        };
        if behavior.metric_dimension.is_some() && !metric.takes_dimension() {
            wrong(format!("metric {name} does not support dimensions"));
        }
        match &behavior.criteria {
            None => wrong("criteria is required".to_owned()),
            Some(criteria) => self::criteria(&metric, criteria, &mut wrong),
        }
    }
    errors
}

/// True for 1..=128 characters of `[a-zA-Z0-9:_-]`: behaviours, profiles, dimensions, custom metrics.
pub fn valid_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b":_-".contains(&b))
}

fn criteria(metric: &Metric, criteria: &Criteria, wrong: &mut impl FnMut(String)) {
    let name = metric.name();
    let kinds = usize::from(criteria.value.is_some())
        + usize::from(criteria.statistical_threshold.is_some())
        + usize::from(criteria.ml_detection_config.is_some());
    if kinds != 1 {
        wrong(
            "criteria must have exactly one of value, statisticalThreshold and mlDetectionConfig".to_owned(),
        );
    }
    if let Some(ml) = &criteria.ml_detection_config {
        if !matches!(ml.confidence_level.as_str(), "LOW" | "MEDIUM" | "HIGH") {
            wrong("confidenceLevel must be LOW, MEDIUM or HIGH".to_owned());
        }
        if matches!(metric.shape(), Shape::Cidrs | Shape::Ports) || *metric == Metric::DisconnectDuration {
            wrong(format!("metric {name} cannot have an mlDetectionConfig"));
        }
    } else {
        match criteria.comparison_operator {
            None => wrong("comparisonOperator is required".to_owned()),
            Some(operator) if !metric.allows(operator) => {
                wrong(format!("comparisonOperator {} cannot be used with metric {name}", word(operator)));
            }
            Some(_) => {}
        }
    }
    if let Some(threshold) = &criteria.statistical_threshold {
        let statistic = threshold.statistic.as_deref().unwrap_or("p90");
        if !STATISTICS.iter().any(|(s, _)| *s == statistic) {
            wrong(format!("unknown statistic {statistic}"));
        }
        if !matches!(metric.shape(), Shape::Count | Shape::Any) || *metric == Metric::DisconnectDuration {
            wrong(format!("metric {name} cannot have a statisticalThreshold"));
        }
    }
    let per_message = *metric == Metric::MessageByteSize && criteria.value.is_some();
    match criteria.duration_seconds {
        Some(seconds) if !DURATIONS.contains(&seconds) => {
            wrong(format!("durationSeconds {seconds} must be one of 300, 600, 900, 1800, 3600"));
        }
        Some(_) if matches!(metric.shape(), Shape::Cidrs | Shape::Ports) || per_message => {
            wrong(format!("durationSeconds cannot be used with metric {name}"));
        }
        None if criteria.ml_detection_config.is_none()
            && (metric.needs_window()
                || (*metric == Metric::MessageByteSize && criteria.statistical_threshold.is_some())) =>
        {
            wrong(format!("durationSeconds is required with metric {name}"));
        }
        _ => {}
    }
    for (what, points) in [
        ("consecutiveDatapointsToAlarm", criteria.consecutive_datapoints_to_alarm),
        ("consecutiveDatapointsToClear", criteria.consecutive_datapoints_to_clear),
    ] {
        if points.is_some_and(|n| !(1..=10).contains(&n)) {
            wrong(format!("{what} must be between 1 and 10"));
        }
    }
    if let Some(value) = &criteria.value {
        expected(metric, value, wrong);
    }
}

fn expected(metric: &Metric, value: &MetricValue, wrong: &mut impl FnMut(String)) {
    let members = [
        value.count.is_some(),
        value.cidrs.is_some(),
        value.ports.is_some(),
        value.number.is_some(),
        value.numbers.is_some(),
        value.strings.is_some(),
    ];
    let fits = match metric.shape() {
        Shape::Count => value.count.is_some(),
        Shape::Cidrs => value.cidrs.is_some(),
        Shape::Ports => value.ports.is_some(),
        Shape::Any => members.contains(&true),
    };
    if !fits || members.iter().filter(|m| **m).count() != 1 {
        wrong(format!("value does not fit metric {}", metric.name()));
    }
    if value.count.is_some_and(|c| c < 0) {
        wrong("count must not be negative".to_owned());
    }
    if value.ports.iter().flatten().any(|p| !(0..=65_535).contains(p)) {
        wrong("ports must be between 0 and 65535".to_owned());
    }
    if let Some(bad) = value.cidrs.iter().flatten().find(|c| parse_net(c).is_none()) {
        wrong(format!("{bad} is not an address range"));
    }
}

fn word(operator: ComparisonOperator) -> String {
    serde_json::to_value(operator).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn errors(behavior: serde_json::Value) -> Vec<String> {
        behaviors(&[serde_json::from_value(behavior).unwrap()])
    }

    #[test]
    fn the_workshops_behaviours_are_valid() {
        let sent = json!({"name": "MsgSentBehavior", "metric": "aws:num-messages-sent", "criteria":
            {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300}});
        let inverted = json!({"name": "LargeMessageSize", "metric": "aws:message-byte-size", "criteria":
            {"comparisonOperator": "greater-than", "statisticalThreshold": {"statistic": "p50"}, "durationSeconds": 300,
             "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 2}});
        let size = json!({"name": "LargeMessageSize", "metric": "aws:message-byte-size", "criteria":
            {"comparisonOperator": "less-than-equals", "value": {"count": 1024}}});
        for valid in [sent, inverted, size] {
            assert_eq!(errors(valid), Vec::<String>::new());
        }
    }

    #[test]
    fn each_rule_rejects() {
        for (metric, criteria, expected) in [
            (
                "aws:num-messages-sent",
                json!({"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 60}),
                "must be one of 300",
            ),
            (
                "aws:num-messages-sent",
                json!({"comparisonOperator": "less-than", "value": {"count": 5}}),
                "durationSeconds is required",
            ),
            (
                "aws:num-messages-sent",
                json!({"comparisonOperator": "less-than", "durationSeconds": 300}),
                "exactly one of",
            ),
            (
                "aws:num-messages-sent",
                json!({"comparisonOperator": "less-than", "value": {"count": 5}, "statisticalThreshold": {"statistic": "p50"}, "durationSeconds": 300}),
                "exactly one of",
            ),
            (
                "aws:num-messages-sent",
                json!({"comparisonOperator": "in-port-set", "value": {"count": 5}, "durationSeconds": 300}),
                "cannot be used with metric",
            ),
            (
                "aws:num-messages-sent",
                json!({"comparisonOperator": "less-than", "value": {"count": -5}, "durationSeconds": 300}),
                "must not be negative",
            ),
            (
                "aws:num-messages-sent",
                json!({"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300, "consecutiveDatapointsToAlarm": 11}),
                "between 1 and 10",
            ),
            (
                "aws:listening-tcp-ports",
                json!({"comparisonOperator": "in-port-set", "value": {"ports": [22]}, "durationSeconds": 300}),
                "durationSeconds cannot",
            ),
            (
                "aws:message-byte-size",
                json!({"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300}),
                "durationSeconds cannot",
            ),
            (
                "aws:no-such-metric",
                json!({"comparisonOperator": "less-than", "value": {"count": 5}}),
                "unknown metric",
            ),
            (
                "aws:source-ip-address",
                json!({"comparisonOperator": "in-cidr-set", "value": {"cidrs": ["nowhere"]}}),
                "not an address range",
            ),
        ] {
            let found = errors(json!({"name": "b", "metric": metric, "criteria": criteria}));
            assert!(found.iter().any(|e| e.contains(expected)), "{metric} {expected}: {found:?}");
        }
    }

    #[test]
    fn names_must_be_valid_and_different() {
        let one: Behavior =
            serde_json::from_value(json!({"name": "b b", "metric": "aws:num-disconnects", "criteria":
            {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300}}))
            .unwrap();
        let found = behaviors(&[one.clone(), one]);
        assert!(
            found.iter().any(|e| e.contains("duplicate")) && found.iter().any(|e| e.contains("128")),
            "{found:?}"
        );
    }
}
