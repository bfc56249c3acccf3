//! The SDK's types as the fleet's records: names made safe, times in milliseconds.

use aws_sdk_iot::types as sdk;
use aws_smithy_types::DateTime;

use quell_fleet::Ms;
use quell_fleet::model::{JobCounts, JobRecord, Name, Violation, ViolationEvent};
use quell_fleet::text::SafeText;
use quell_rules::detect::model::{
    Behavior, ComparisonOperator, Criteria, MetricDimension, MetricValue, MlDetectionConfig,
    StatisticalThreshold,
};

pub(super) fn ms(time: Option<&DateTime>) -> Option<Ms> {
    time.and_then(|t| t.to_millis().ok())
}

fn safe(text: Option<&str>) -> SafeText {
    SafeText::new(text.unwrap_or_default())
}

fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

pub(super) fn value(from: &sdk::MetricValue) -> MetricValue {
    MetricValue {
        count: from.count(),
        cidrs: some(from.cidrs()),
        ports: (!from.ports().is_empty()).then(|| from.ports().iter().map(|p| i64::from(*p)).collect()),
        number: from.number(),
        numbers: (!from.numbers().is_empty()).then(|| from.numbers().to_vec()),
        strings: some(from.strings()),
    }
}

pub(super) fn behavior(from: &sdk::Behavior) -> Behavior {
    Behavior {
        name: from.name().to_owned(),
        metric: from.metric().map(String::from),
        metric_dimension: from.metric_dimension().map(|dimension| MetricDimension {
            dimension_name: dimension.dimension_name().to_owned(),
            operator: dimension.operator().map(|o| o.as_str().to_owned()),
        }),
        criteria: from.criteria().map(|criteria| Criteria {
            // An operator newer than this build has no meaning here: absent, not guessed.
            comparison_operator: criteria.comparison_operator().and_then(|operator| {
                serde_json::from_value::<ComparisonOperator>(operator.as_str().into()).ok()
            }),
            value: criteria.value().map(value),
            duration_seconds: criteria.duration_seconds().map(i64::from),
            consecutive_datapoints_to_alarm: criteria.consecutive_datapoints_to_alarm().map(i64::from),
            consecutive_datapoints_to_clear: criteria.consecutive_datapoints_to_clear().map(i64::from),
            statistical_threshold: criteria
                .statistical_threshold()
                .map(|t| StatisticalThreshold { statistic: t.statistic().map(String::from) }),
            ml_detection_config: criteria
                .ml_detection_config()
                .map(|ml| MlDetectionConfig { confidence_level: ml.confidence_level().as_str().to_owned() }),
        }),
        suppress_alerts: from.suppress_alerts(),
        export_metric: from.export_metric(),
    }
}

pub(super) fn violation(from: &sdk::ActiveViolation) -> Violation {
    Violation {
        id: from.violation_id().unwrap_or_default().to_owned(),
        thing: Name::new(from.thing_name().unwrap_or_default()),
        profile: safe(from.security_profile_name()),
        behavior: from.behavior().map_or_else(nameless, behavior),
        value: from.last_violation_value().map(value),
        verification: from.verification_state().map(|s| SafeText::new(s.as_str())),
        note: from.verification_state_description().map(SafeText::new),
        started: ms(from.violation_start_time()).unwrap_or_default(),
        last: ms(from.last_violation_time()).unwrap_or_default(),
    }
}

fn nameless() -> Behavior {
    Behavior {
        name: String::new(),
        metric: None,
        metric_dimension: None,
        criteria: None,
        suppress_alerts: None,
        export_metric: None,
    }
}

pub(super) fn violation_event(from: &sdk::ViolationEvent) -> ViolationEvent {
    ViolationEvent {
        id: from.violation_id().unwrap_or_default().to_owned(),
        thing: Name::new(from.thing_name().unwrap_or_default()),
        profile: safe(from.security_profile_name()),
        behavior: safe(from.behavior().map(sdk::Behavior::name)),
        kind: safe(from.violation_event_type().map(sdk::ViolationEventType::as_str)),
        value: from.metric_value().map(value),
        verification: from.verification_state().map(|s| SafeText::new(s.as_str())),
        note: from.verification_state_description().map(SafeText::new),
        at: ms(from.violation_event_time()).unwrap_or_default(),
    }
}

/// `arn:aws:iot:R:A:thinggroup/NAME` → `NAME`, safe.
pub(super) fn last_segment(arn: &str) -> SafeText {
    SafeText::new(arn.rsplit(['/', ':']).next().unwrap_or(arn))
}

pub(super) fn job(from: &sdk::Job) -> JobRecord {
    let count = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    JobRecord {
        id: Name::new(from.job_id().unwrap_or_default()),
        status: safe(from.status().map(sdk::JobStatus::as_str)),
        continuous: from.target_selection() == Some(&sdk::TargetSelection::Continuous),
        targets: from.targets().iter().map(|arn| last_segment(arn)).collect(),
        counts: from.job_process_details().map(|details| JobCounts {
            queued: count(details.number_of_queued_things()),
            in_progress: count(details.number_of_in_progress_things()),
            succeeded: count(details.number_of_succeeded_things()),
            failed: count(details.number_of_failed_things()),
            rejected: count(details.number_of_rejected_things()),
            timed_out: count(details.number_of_timed_out_things()),
            canceled: count(details.number_of_canceled_things()),
            removed: count(details.number_of_removed_things()),
        }),
        created: ms(from.created_at()),
        updated: ms(from.last_updated_at()),
        description: from.description().map(SafeText::new),
    }
}

pub(super) fn job_summary(from: &sdk::JobSummary) -> JobRecord {
    JobRecord {
        id: Name::new(from.job_id().unwrap_or_default()),
        status: safe(from.status().map(sdk::JobStatus::as_str)),
        continuous: from.target_selection() == Some(&sdk::TargetSelection::Continuous),
        targets: Vec::new(),
        counts: None,
        created: ms(from.created_at()),
        updated: ms(from.last_updated_at()),
        description: None,
    }
}
