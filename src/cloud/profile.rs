//! Security profiles between the SDK's types and AWS's shape as quell keeps it; both ways, for reading and for writing.

use std::collections::HashMap;

use aws_sdk_iot::operation::describe_security_profile::DescribeSecurityProfileOutput;
use aws_sdk_iot::types as sdk;

use quell_rules::detect::model::{Behavior, Criteria, MetricDimension, MetricValue};
use quell_rules::detect::profile::{AlertTarget, ExportConfig, MetricToRetain, SecurityProfile};

use super::convert;

/// What cannot be said in the SDK's types.
type Said<T> = Result<T, String>;

/// A profile as DescribeSecurityProfile answers it, without its targets.
pub fn whole(from: &DescribeSecurityProfileOutput) -> SecurityProfile {
    let mut out = SecurityProfile {
        security_profile_name: from.security_profile_name().unwrap_or_default().to_owned(),
        security_profile_description: from.security_profile_description().map(str::to_owned),
        behaviors: from.behaviors().iter().map(convert::behavior).collect(),
        retained: from.additional_metrics_to_retain_v2().iter().map(retained).collect(),
        metrics_export_config: from.metrics_export_config().map(|export| ExportConfig {
            mqtt_topic: export.mqtt_topic().to_owned(),
            role_arn: export.role_arn().to_owned(),
        }),
        ..SecurityProfile::default()
    };
    for (kind, target) in from.alert_targets().into_iter().flatten() {
        let target = AlertTarget {
            alert_target_arn: target.alert_target_arn().to_owned(),
            role_arn: target.role_arn().to_owned(),
        };
        out.alert_targets.insert(kind.as_str().to_owned(), target);
    }
    out
}

fn retained(from: &sdk::MetricToRetain) -> MetricToRetain {
    MetricToRetain {
        metric: from.metric().to_owned(),
        metric_dimension: from.metric_dimension().map(|dimension| MetricDimension {
            dimension_name: dimension.dimension_name().to_owned(),
            operator: dimension.operator().map(|o| o.as_str().to_owned()),
        }),
        export_metric: from.export_metric(),
    }
}

/// The behaviours of a profile, for a request.
///
/// # Errors
/// A sentence when a number does not fit AWS's.
pub fn behaviors(profile: &SecurityProfile) -> Said<Vec<sdk::Behavior>> {
    profile.behaviors.iter().map(behavior).collect()
}

fn behavior(from: &Behavior) -> Said<sdk::Behavior> {
    let said = |e: aws_smithy_types::error::operation::BuildError| e.to_string();
    sdk::Behavior::builder()
        .name(&from.name)
        .set_metric(from.metric.clone())
        .set_metric_dimension(from.metric_dimension.as_ref().map(dimension).transpose()?)
        .set_criteria(from.criteria.as_ref().map(criteria).transpose()?)
        .set_suppress_alerts(from.suppress_alerts)
        .set_export_metric(from.export_metric)
        .build()
        .map_err(said)
}

fn dimension(from: &MetricDimension) -> Said<sdk::MetricDimension> {
    sdk::MetricDimension::builder()
        .dimension_name(&from.dimension_name)
        .set_operator(from.operator.as_deref().map(sdk::DimensionValueOperator::from))
        .build()
        .map_err(|e| e.to_string())
}

fn criteria(from: &Criteria) -> Said<sdk::BehaviorCriteria> {
    let operator = match from.comparison_operator {
        // Its serde form is AWS's word.
        Some(operator) => serde_json::to_value(operator).ok().and_then(|v| v.as_str().map(str::to_owned)),
        None => None,
    };
    let threshold = from
        .statistical_threshold
        .as_ref()
        .map(|t| sdk::StatisticalThreshold::builder().set_statistic(t.statistic.clone()).build());
    let ml = from
        .ml_detection_config
        .as_ref()
        .map(|ml| {
            let level = sdk::ConfidenceLevel::from(ml.confidence_level.as_str());
            sdk::MachineLearningDetectionConfig::builder().confidence_level(level).build()
        })
        .transpose()
        .map_err(|e| e.to_string())?;
    Ok(sdk::BehaviorCriteria::builder()
        .set_comparison_operator(operator.as_deref().map(sdk::ComparisonOperator::from))
        .set_value(from.value.as_ref().map(value).transpose()?)
        .set_duration_seconds(from.duration_seconds.map(small).transpose()?)
        .set_consecutive_datapoints_to_alarm(from.consecutive_datapoints_to_alarm.map(small).transpose()?)
        .set_consecutive_datapoints_to_clear(from.consecutive_datapoints_to_clear.map(small).transpose()?)
        .set_statistical_threshold(threshold)
        .set_ml_detection_config(ml)
        .build())
}

fn small(n: i64) -> Said<i32> {
    i32::try_from(n).map_err(|_| format!("{n} is too large"))
}

fn value(from: &MetricValue) -> Said<sdk::MetricValue> {
    let ports = from.ports.as_ref().map(|ports| ports.iter().map(|p| small(*p)).collect()).transpose()?;
    Ok(sdk::MetricValue::builder()
        .set_count(from.count)
        .set_cidrs(from.cidrs.clone())
        .set_ports(ports)
        .set_number(from.number)
        .set_numbers(from.numbers.clone())
        .set_strings(from.strings.clone())
        .build())
}

/// The metrics a profile retains, for a request.
///
/// # Errors
/// A sentence when one cannot be said.
pub fn to_retain(profile: &SecurityProfile) -> Said<Vec<sdk::MetricToRetain>> {
    let one = |from: &MetricToRetain| {
        sdk::MetricToRetain::builder()
            .metric(&from.metric)
            .set_metric_dimension(from.metric_dimension.as_ref().map(dimension).transpose()?)
            .set_export_metric(from.export_metric)
            .build()
            .map_err(|e| e.to_string())
    };
    profile.canonical().retained.iter().map(one).collect()
}

/// The alert targets of a profile, for a request.
///
/// # Errors
/// A sentence when one cannot be said.
pub fn alert_targets(profile: &SecurityProfile) -> Said<HashMap<sdk::AlertTargetType, sdk::AlertTarget>> {
    let one = |(kind, from): (&String, &AlertTarget)| {
        let target = sdk::AlertTarget::builder()
            .alert_target_arn(&from.alert_target_arn)
            .role_arn(&from.role_arn)
            .build()
            .map_err(|e| e.to_string())?;
        Ok((sdk::AlertTargetType::from(kind.as_str()), target))
    };
    profile.alert_targets.iter().map(one).collect()
}

/// The export configuration of a profile, for a request.
///
/// # Errors
/// A sentence when it cannot be said.
pub fn export(profile: &SecurityProfile) -> Said<Option<sdk::MetricsExportConfig>> {
    let one = |from: &ExportConfig| {
        sdk::MetricsExportConfig::builder()
            .mqtt_topic(&from.mqtt_topic)
            .role_arn(&from.role_arn)
            .build()
            .map_err(|e| e.to_string())
    };
    profile.metrics_export_config.as_ref().map(one).transpose()
}
