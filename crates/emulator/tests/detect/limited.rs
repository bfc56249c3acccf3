//! Behaviours limited, kept, muted, verified and exported: dimensions, retained metrics, suppression, verification states.

use std::time::{Duration, Instant};

use aws_sdk_iot::primitives::DateTime;
use aws_sdk_iot::types::{
    Behavior, BehaviorCriteria, BehaviorCriteriaType, ComparisonOperator, ConfidenceLevel, DimensionType,
    DimensionValueOperator, MachineLearningDetectionConfig, MetricDimension, MetricToRetain,
    MetricsExportConfig, ModelStatus, VerificationState,
};
use serde_json::Value;

use super::reports::{Mqtt, behavior, values};
use super::{ALL, count, emulator_at, violations};

#[tokio::test]
async fn a_dimension_counts_only_its_topics_and_its_values_are_exported() {
    let (running, iot) = emulator_at(300.0).await;
    let alerts = MetricDimension::builder()
        .dimension_name("alerts")
        .operator(DimensionValueOperator::In)
        .build()
        .unwrap();
    let few = BehaviorCriteria::builder()
        .comparison_operator(ComparisonOperator::LessThan)
        .value(count(3))
        .duration_seconds(300)
        .build();
    let limited = Behavior::builder()
        .name("alerts")
        .metric("aws:num-messages-sent")
        .metric_dimension(alerts.clone())
        .criteria(few)
        .export_metric(true)
        .build()
        .unwrap();
    let create = iot
        .create_security_profile()
        .security_profile_name("Alerts")
        .behaviors(limited)
        .additional_metrics_to_retain_v2(
            MetricToRetain::builder()
                .metric("aws:message-byte-size")
                .metric_dimension(alerts)
                .build()
                .unwrap(),
        )
        .metrics_export_config(
            MetricsExportConfig::builder()
                .mqtt_topic("exported")
                .role_arn("arn:aws:iam::123456789012:role/export")
                .build()
                .unwrap(),
        );
    let refused = create.clone().send().await.unwrap_err().into_service_error();
    assert!(refused.is_invalid_request_exception(), "the dimension is not there: {refused:?}");
    iot.create_dimension()
        .name("alerts")
        .r#type(DimensionType::TopicFilter)
        .string_values("alerts/${iot:ClientId}/#")
        .client_request_token("t")
        .send()
        .await
        .unwrap();
    create.send().await.unwrap();
    iot.attach_security_profile()
        .security_profile_name("Alerts")
        .security_profile_target_arn(ALL)
        .send()
        .await
        .unwrap();
    let named = iot.list_security_profiles().dimension_name("alerts").send().await.unwrap();
    assert_eq!(named.security_profile_identifiers().len(), 1);

    let mut listener = Mqtt::connect(&running, "listener", &["exported"]).await;
    let device = Mqtt::connect(&running, "dev-1", &[]).await;
    for topic in ["dt/dev-1", "dt/dev-1", "dt/dev-1", "dt/dev-1", "alerts/other/x", "alerts/dev-1/x"] {
        device.publish(topic, "0123456789").await;
    }
    let batch: Value = serde_json::from_slice(&listener.hear().await.1).unwrap();
    let row = &batch["metrics"][0];
    assert_eq!((row["name"].as_str(), row["thing"].as_str()), (Some("aws:num-messages-sent"), Some("dev-1")));
    assert_eq!(
        (row["value"]["count"].as_i64(), row["dimension"]["name"].as_str()),
        (Some(1), Some("alerts"))
    );
    let ask = iot
        .list_metric_values()
        .thing_name("dev-1")
        .metric_name("aws:message-byte-size")
        .start_time(DateTime::from_secs(0))
        .end_time(DateTime::from_secs(4_000_000_000));
    let kept = ask
        .clone()
        .dimension_name("alerts")
        .dimension_value_operator(DimensionValueOperator::In)
        .send()
        .await
        .unwrap();
    assert_eq!(kept.metric_datum_list()[0].value().unwrap().count(), Some(10));
    let whole = ask.send().await.unwrap_err().into_service_error();
    assert!(whole.is_invalid_request_exception(), "nobody keeps it for all topics: {whole:?}");
    // Three on the topics of the dimension break it.
    for _ in 0..9 {
        device.publish("alerts/dev-1/y", "0").await;
    }
    assert_eq!(violations(&iot, 1).await[0].thing_name(), Some("dev-1"));
    running.shutdown().await;
}

#[tokio::test]
async fn lists_filter_by_kind_state_and_suppression_and_a_change_invalidates() {
    let (running, iot) = emulator_at(1000.0).await;
    let loud = behavior("loud", "aws:message-byte-size", ComparisonOperator::LessThan, count(5));
    let mut quiet = loud.clone();
    quiet.name = "quiet".to_owned();
    quiet.suppress_alerts = Some(true);
    let learned = Behavior::builder()
        .name("learned")
        .metric("aws:num-messages-sent")
        .criteria(
            BehaviorCriteria::builder()
                .ml_detection_config(
                    MachineLearningDetectionConfig::builder()
                        .confidence_level(ConfidenceLevel::High)
                        .build()
                        .unwrap(),
                )
                .build(),
        )
        .build()
        .unwrap();
    iot.create_security_profile()
        .security_profile_name("Size")
        .behaviors(loud.clone())
        .behaviors(quiet.clone())
        .behaviors(learned)
        .send()
        .await
        .unwrap();
    iot.attach_security_profile()
        .security_profile_name("Size")
        .security_profile_target_arn(ALL)
        .send()
        .await
        .unwrap();
    let device = Mqtt::connect(&running, "dev-1", &[]).await;
    device.publish("dt/dev-1", "0123456789").await;
    let found = violations(&iot, 1).await;
    assert_eq!(found.len(), 1, "the suppressed one is not listed: {found:?}");
    let list = || iot.list_active_violations();
    assert_eq!(list().list_suppressed_alerts(true).send().await.unwrap().active_violations().len(), 2);
    for (kind, number) in [
        (BehaviorCriteriaType::Static, 1),
        (BehaviorCriteriaType::Statistical, 0),
        (BehaviorCriteriaType::MachineLearning, 0),
    ] {
        assert_eq!(
            list().behavior_criteria_type(kind).send().await.unwrap().active_violations().len(),
            number
        );
    }
    let id = found[0].violation_id().unwrap();
    iot.put_verification_state_on_violation()
        .violation_id(id)
        .verification_state(VerificationState::BenignPositive)
        .verification_state_description("a test")
        .send()
        .await
        .unwrap();
    let benign = list().verification_state(VerificationState::BenignPositive).send().await.unwrap();
    assert_eq!(benign.active_violations()[0].verification_state_description(), Some("a test"));
    assert!(
        list()
            .verification_state(VerificationState::UnknownValue)
            .send()
            .await
            .unwrap()
            .active_violations()
            .is_empty()
    );
    let models = iot.get_behavior_model_training_summaries().send().await.unwrap();
    assert_eq!(models.summaries()[0].model_status(), Some(&ModelStatus::PendingBuild));

    // The changed behaviour's alarm is invalidated, the other's stands; the events stay.
    let mut changed = loud;
    changed.criteria.as_mut().unwrap().value = Some(count(6));
    iot.update_security_profile()
        .security_profile_name("Size")
        .behaviors(changed)
        .behaviors(quiet)
        .send()
        .await
        .unwrap();
    let left = list().list_suppressed_alerts(true).send().await.unwrap();
    let left: Vec<_> =
        left.active_violations().iter().map(|v| v.behavior().unwrap().name().to_owned()).collect();
    assert_eq!(left, ["quiet"]);
    iot.delete_security_profile().security_profile_name("Size").send().await.unwrap();
    let events = iot
        .list_violation_events()
        .security_profile_name("Size")
        .thing_name("dev-1")
        .list_suppressed_alerts(true)
        .start_time(DateTime::from_secs(0))
        .end_time(DateTime::from_secs(4_000_000_000))
        .max_results(1)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .unwrap();
    let mut kinds: Vec<_> = events
        .iter()
        .map(|e| format!("{} {}", e.behavior().unwrap().name(), e.violation_event_type().unwrap().as_str()))
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        ["loud alarm-invalidated", "loud in-alarm", "quiet alarm-invalidated", "quiet in-alarm"]
    );
    running.shutdown().await;
}

#[tokio::test]
async fn a_device_that_went_away_violates_its_disconnect_duration() {
    // A minute is 60 ms.
    let (running, iot) = emulator_at(1000.0).await;
    let gone = behavior("gone", "aws:disconnect-duration", ComparisonOperator::LessThan, count(4));
    iot.create_security_profile().security_profile_name("Gone").behaviors(gone).send().await.unwrap();
    iot.attach_security_profile()
        .security_profile_name("Gone")
        .security_profile_target_arn(ALL)
        .send()
        .await
        .unwrap();
    let device = Mqtt::connect(&running, "dev-1", &[]).await;
    drop(device);
    let found = violations(&iot, 1).await;
    assert!(found[0].last_violation_value().unwrap().count().unwrap() >= 4, "{found:?}");
    let _back = Mqtt::connect(&running, "dev-1", &[]).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !iot.list_active_violations().send().await.unwrap().active_violations().is_empty() {
        assert!(Instant::now() < deadline, "it is back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let kept = values(&iot, "dev-1", "aws:disconnect-duration", 2).await;
    assert!(
        kept.iter().any(|v| v.count() == Some(0)) && kept.iter().any(|v| v.count() >= Some(4)),
        "{kept:?}"
    );
    running.shutdown().await;
}
