//! The shapes of Device Defender Detect, as AWS's API writes them (docs/aws-iot.md#2.2).

use serde::{Deserialize, Serialize};

/// A named expectation: the criteria describe what is *normal*; a datapoint for which they are false violates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// 1..=128 characters of `[a-zA-Z0-9:_-]`.
    pub name: String,
    /// `aws:message-byte-size`, …, or a custom metric's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Restricts a cloud-side metric to some topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_dimension: Option<MetricDimension>,
    /// What is normal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criteria: Option<Criteria>,
    /// Evaluated, but no alert is sent and lists omit it by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppress_alerts: Option<bool>,
    /// Also published on the profile's export topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_metric: Option<bool>,
}

/// The dimension a behaviour's metric is limited to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricDimension {
    /// The dimension's name.
    pub dimension_name: String,
    /// `IN` (default) or `NOT_IN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// `BehaviorCriteria`: exactly one of `value`, `statistical_threshold`, `ml_detection_config`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Criteria {
    /// How the measured value must relate to the expected one to be normal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison_operator: Option<ComparisonOperator>,
    /// The expected value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<MetricValue>,
    /// 300, 600, 900, 1800 or 3600 where the metric has windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i64>,
    /// 1..=10, default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_datapoints_to_alarm: Option<i64>,
    /// 1..=10, default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_datapoints_to_clear: Option<i64>,
    /// Compares with a percentile of the fleet instead of a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistical_threshold: Option<StatisticalThreshold>,
    /// Compares with a learned model instead of a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ml_detection_config: Option<MlDetectionConfig>,
}

/// AWS's comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComparisonOperator {
    /// `<`
    LessThan,
    /// `<=`
    LessThanEquals,
    /// `>`
    GreaterThan,
    /// `>=`
    GreaterThanEquals,
    /// Every address lies in one of the ranges.
    InCidrSet,
    /// No address lies in any of the ranges.
    NotInCidrSet,
    /// Every port is one of the set.
    InPortSet,
    /// No port is one of the set.
    NotInPortSet,
    /// Every string or number is one of the set.
    InSet,
    /// No string or number is one of the set.
    NotInSet,
}

/// A measured or expected value; one member is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// A count, at least 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// Address ranges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidrs: Option<Vec<String>>,
    /// Ports, 0..=65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<i64>>,
    /// A custom number, of any sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<f64>,
    /// Custom numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Vec<f64>>,
    /// Custom strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strings: Option<Vec<String>>,
}

/// `p50`, `p99.9`, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatisticalThreshold {
    /// One of p0, p0.1, p0.01, p1, p10, p50, p90, p99, p99.9, p99.99, p100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<String>,
}

/// The confidence an ML behaviour asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MlDetectionConfig {
    /// `LOW`, `MEDIUM` or `HIGH`.
    pub confidence_level: String,
}
