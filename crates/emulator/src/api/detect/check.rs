//! What is refused of a security profile: by itself (`quell_rules::detect::validate`), and for what the account does not have.

use serde_json::Value;

use super::DetectStore;
use crate::api::ApiError;
use crate::api::arn::is_of;
use quell_rules::detect::metric::Metric;
use quell_rules::detect::model::{Behavior, ComparisonOperator, Criteria};
use quell_rules::detect::validate;

/// Elements of lists a profile's expected values may have together.
const MAX_ELEMENTS: usize = 1000;

/// Everything that is wrong with `behaviors` in this account, one sentence each.
pub(super) fn behaviors(store: &DetectStore, behaviors: &[Behavior]) -> Vec<String> {
    let mut errors = validate::behaviors(behaviors);
    let mut elements = 0;
    for behavior in behaviors {
        let mut wrong = |what: String| errors.push(format!("Behavior {}: {what}", behavior.name));
        if let Some(dimension) = &behavior.metric_dimension {
            if store.dimensions.get(&dimension.dimension_name).is_none() {
                wrong(format!("dimension {} cannot be found", dimension.dimension_name));
            }
            if !matches!(dimension.operator.as_deref(), None | Some("IN" | "NOT_IN")) {
                wrong("the dimension's operator must be IN or NOT_IN".to_owned());
            }
        }
        let value = behavior.criteria.as_ref().and_then(|c| c.value.as_ref());
        elements += value.map_or(0, |v| {
            v.cidrs.as_ref().map_or(0, Vec::len)
                + v.ports.as_ref().map_or(0, Vec::len)
                + v.numbers.as_ref().map_or(0, Vec::len)
                + v.strings.as_ref().map_or(0, Vec::len)
        });
        if let (Some(Metric::Custom(name)), Some(criteria)) =
            (behavior.metric.as_deref().and_then(Metric::parse), &behavior.criteria)
        {
            match store.custom_metrics.get(&name) {
                None => wrong(format!("custom metric {name} cannot be found")),
                Some(metric) => custom(&name, metric.metric_type(), criteria, &mut wrong),
            }
        }
    }
    if elements > MAX_ELEMENTS {
        errors.push(format!("The values of a security profile can have at most {MAX_ELEMENTS} elements"));
    }
    errors
}

/// A criterion against the type of its custom metric.
fn custom(name: &str, kind: &str, criteria: &Criteria, wrong: &mut impl FnMut(String)) {
    use ComparisonOperator as Op;
    if kind != "number" {
        if criteria.ml_detection_config.is_some() || criteria.statistical_threshold.is_some() {
            wrong(format!("metric {name} is a {kind}: it can only have a value"));
        }
        if criteria.duration_seconds.is_some() {
            wrong(format!("durationSeconds cannot be used with metric {name}"));
        }
    }
    let fits = |operator: Op| match kind {
        "number" => {
            matches!(operator, Op::LessThan | Op::LessThanEquals | Op::GreaterThan | Op::GreaterThanEquals)
        }
        "ip-address-list" => matches!(operator, Op::InCidrSet | Op::NotInCidrSet),
        _ => matches!(operator, Op::InSet | Op::NotInSet),
    };
    if criteria.comparison_operator.is_some_and(|o| !fits(o)) {
        wrong(format!("comparisonOperator does not fit metric {name}, which is a {kind}"));
    }
    let valued = criteria.value.as_ref().is_none_or(|v| match kind {
        "number" => v.number.is_some(),
        "number-list" => v.numbers.is_some(),
        "string-list" => v.strings.is_some(),
        _ => v.cidrs.is_some(),
    });
    if !valued {
        wrong(format!("value does not fit metric {name}, which is a {kind}"));
    }
}

/// `additionalMetricsToRetainV2`.
pub(super) fn retained(store: &DetectStore, rows: &[Value]) -> Result<(), ApiError> {
    for row in rows {
        let name = row.get("metric").and_then(Value::as_str);
        let name = name.ok_or_else(|| ApiError::invalid("additionalMetricsToRetainV2 needs a metric"))?;
        let metric = Metric::parse(name);
        let known = match &metric {
            Some(Metric::Custom(name)) => store.custom_metrics.get(name).is_some(),
            known => known.is_some(),
        };
        if !known {
            return Err(ApiError::invalid(format!("Unknown metric {name}")));
        }
        let Some(dimension) = row.get("metricDimension") else { continue };
        if !metric.is_some_and(|m| m.takes_dimension()) {
            return Err(ApiError::invalid(format!("metric {name} does not support dimensions")));
        }
        let dimension = dimension.get("dimensionName").and_then(Value::as_str).unwrap_or_default();
        if store.dimensions.get(dimension).is_none() {
            return Err(ApiError::invalid(format!("dimension {dimension} cannot be found")));
        }
    }
    Ok(())
}

/// `alertTargets`: only SNS, with a topic and a role.
pub(super) fn alert_targets(targets: &Value) -> Result<(), ApiError> {
    let members = targets.as_object().ok_or_else(|| ApiError::invalid("alertTargets must be a map"))?;
    for (kind, target) in members {
        if kind != "SNS" {
            return Err(ApiError::invalid(format!("alertTargets: {kind} is not SNS")));
        }
        for (member, service) in [("alertTargetArn", "sns"), ("roleArn", "iam")] {
            if !target.get(member).and_then(Value::as_str).is_some_and(|arn| is_of(service, arn)) {
                return Err(ApiError::invalid(format!("alertTargets: {member} must be an ARN of {service}")));
            }
        }
    }
    Ok(())
}

/// `metricsExportConfig`: a topic to publish to, and a role.
pub(super) fn export(config: &Value) -> Result<(), ApiError> {
    for member in ["mqttTopic", "roleArn"] {
        if config.get(member).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(ApiError::invalid(format!("metricsExportConfig needs {member}")));
        }
    }
    if config["mqttTopic"].as_str().is_some_and(|t| t.contains(['+', '#']) || t.len() > 512) {
        return Err(ApiError::invalid("mqttTopic must be a topic, not a filter"));
    }
    Ok(())
}
