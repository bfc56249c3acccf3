//! The form without a screen.

use serde_json::json;

use super::*;
use quell_fleet::{Fleet, Limits};
use quell_rules::detect::metric::DURATIONS;

const ACCOUNT: &str = "arn:aws:iot:us-east-1:123456789012:";

fn form() -> ProfileForm {
    let fleet = Fleet::new(Limits::default());
    ProfileForm::new(&Env { fleet: &fleet, now: 0 }, ACCOUNT.to_owned())
}

fn set(form: &mut ProfileForm, field: ProfileField, text: &str) {
    form.field = field;
    *form.input().unwrap() = Input::new(text.to_owned());
}

#[test]
fn mistakes_stand_beside_their_fields_and_nothing_is_lost() {
    let mut form = form();
    assert_eq!((form.first_wrong(), form.mistakes()), (None, Vec::new()));
    set(&mut form, ProfileField::Name, "two words");
    set(&mut form, ProfileField::Value, "many");
    set(&mut form, ProfileField::Alarm, "99");
    set(&mut form, ProfileField::Retained, "message-byte-size, aws:nothing");
    set(&mut form, ProfileField::Topic, "BadIoTDevices");
    set(&mut form, ProfileField::Targets, "all things, no such thing!");
    let wrong: Vec<_> = ProfileField::ALL.into_iter().filter(|f| form.trouble(*f).is_some()).collect();
    use ProfileField as F;
    assert_eq!(wrong, [F::Name, F::Value, F::Alarm, F::Retained, F::Role, F::Targets]);
    assert_eq!(form.first_wrong(), Some(F::Name));
    set(&mut form, ProfileField::Role, "workshop-SNSTopicRole");
    assert_eq!(form.trouble(F::Role), None);
    assert_eq!(
        form.document().alert().unwrap().alert_target_arn,
        "arn:aws:sns:us-east-1:123456789012:BadIoTDevices"
    );
    let values: Vec<String> = form.lines().iter().map(|l| l.shown.to_string()).collect();
    assert!(values.contains(&"many".to_owned()) && values.contains(&"two words".to_owned()));
}

#[test]
fn the_seed_s_profile_can_be_written_key_by_key() {
    let mut form = form();
    form.field = ProfileField::Way;
    assert!(form.turn_choice(true));
    form.field = ProfileField::Operator;
    form.turn_choice(true);
    form.turn_choice(true);
    set(&mut form, ProfileField::Clear, "2");
    set(&mut form, ProfileField::Retained, "message-byte-size, num-messages-received");
    let document = form.document();
    let criteria = serde_json::to_value(&document.behaviors[0].criteria).unwrap();
    assert_eq!(
        criteria,
        json!({"comparisonOperator": "greater-than", "statisticalThreshold": {"statistic": "p50"},
            "durationSeconds": 300, "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 2})
    );
    assert_eq!(document.retained[1].metric, "aws:num-messages-received");
    assert_eq!(form.mistakes(), Vec::<String>::new(), "AWS takes it, inverted as it is");
}

#[test]
fn what_a_form_has_no_field_for_is_kept() {
    let profile: SecurityProfile = serde_json::from_value(json!({
        "securityProfileName": "P", "behaviors": [
            {"name": "ports", "metric": "aws:listening-tcp-ports", "exportMetric": true,
             "criteria": {"comparisonOperator": "in-port-set", "value": {"ports": [22, 443]}}},
            {"name": "few", "metric": "aws:num-messages-sent", "suppressAlerts": true,
             "criteria": {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 900,
                "consecutiveDatapointsToAlarm": 3}}],
        "additionalMetricsToRetainV2": [{"metric": "aws:num-disconnects", "exportMetric": true}],
        "metricsExportConfig": {"mqttTopic": "t", "roleArn": "arn:aws:iam::1:role/r"},
        "targets": ["arn:aws:iot:us-east-1:123456789012:thinggroup/G"]}))
    .unwrap();
    let fleet = Fleet::new(Limits::default());
    let form = ProfileForm::of(profile.clone(), &Env { fleet: &fleet, now: 0 }, ACCOUNT.to_owned());
    assert!(form.document().same(&profile), "{:#?}", form.document());
    assert_eq!(form.document().targets, profile.targets);
}

#[test]
fn every_metric_has_an_operator_and_a_form_that_aws_takes() {
    let mut form = form();
    let few = |shape: &str| if shape.contains("ports") { "22" } else { "10.0.0.0/8" };
    for _ in 0..quell_rules::detect::metric::BUILT_IN.len() {
        form.field = ProfileField::Metric;
        form.turn_choice(true);
        let metric = form.here().unwrap().metric.clone();
        let list = ["aws:listening-tcp-ports", "aws:listening-udp-ports", "aws:source-ip-address"];
        let text = if list.contains(&metric.as_str()) || metric.contains("destination") {
            few(&metric)
        } else {
            "5"
        };
        set(&mut form, ProfileField::Value, text);
        assert_eq!((form.first_wrong(), form.mistakes()), (None, Vec::new()), "{metric}");
        form.field = ProfileField::Way;
        form.turn_choice(true);
        assert_eq!(form.mistakes(), Vec::<String>::new(), "{metric}");
        while form.here().unwrap().way != Way::Value {
            form.turn_choice(true);
        }
    }
    assert_eq!(DURATIONS[0], 300);
}

#[test]
fn behaviours_are_added_and_taken_out() {
    let mut form = form();
    form.add_behavior();
    assert_eq!(form.first_wrong(), Some(ProfileField::Behavior), "it has no name yet");
    set(&mut form, ProfileField::Behavior, "LargeMessageSize");
    assert!(form.trouble(ProfileField::Behavior).unwrap().contains("another"));
    set(&mut form, ProfileField::Behavior, "Few");
    assert_eq!(form.document().behaviors.len(), 2);
    form.drop_behavior();
    form.drop_behavior();
    assert_eq!(form.document().behaviors.len(), 0);
    assert_eq!(form.lines().len(), 7);
    form.step(true);
    assert_eq!(form.field, ProfileField::Retained);
}
