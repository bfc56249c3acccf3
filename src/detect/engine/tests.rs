use serde_json::json;

use super::*;

const LATENCY: i64 = 36_000;
const TWO_DAYS: i64 = 2 * 86_400_000;
/// A multiple of 300 s.
const T0: i64 = 1_574_254_200_000;

fn engine(behaviors: serde_json::Value) -> Engine {
    let profile = Profile {
        name: "P".into(),
        behaviors: serde_json::from_value(behaviors).unwrap(),
        retained: Vec::new(),
    };
    let mut engine = Engine::new(LATENCY, TWO_DAYS);
    engine.set_plan(Plan::new(&[profile], |secs| secs * 1000, |_| None), T0);
    engine
}

fn alarms(due: &Due) -> Vec<(&str, Outcome, i64, Option<i64>)> {
    due.verdicts.iter().map(|v| (&*v.device, v.outcome, v.at_ms, v.value.count)).collect()
}

/// Five minutes of the workshop: 120-byte messages every 10 s, and a rogue that sends 3000.
fn workshop(engine: &mut Engine) {
    for device in ["Thing01", "Thing02"] {
        engine.enroll(device, vec![true], T0);
    }
    for i in 0..30 {
        assert!(engine.message("Thing01", "temperature-device-01", 120, T0 + i * 10_000));
        assert!(engine.message("Thing02", "temperature-device-02", 3000, T0 + i * 10_000 + 5));
    }
}

#[test]
fn the_workshops_inverted_profile_alarms_the_healthy_thing() {
    let mut engine = engine(
        json!([{"name": "LargeMessageSize", "metric": "aws:message-byte-size", "criteria":
        {"comparisonOperator": "greater-than", "statisticalThreshold": {"statistic": "p50"}, "durationSeconds": 300,
         "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 2}}]),
    );
    workshop(&mut engine);
    assert_eq!(engine.due(T0 + 300_000 + LATENCY - 1), Due::default());
    let due = engine.due(T0 + 300_000 + LATENCY);
    assert_eq!(alarms(&due), [("Thing01", Outcome::Raised, T0 + 300_000, Some(3600))]);
    assert_eq!(due.data.len(), 2);
}

#[test]
fn the_corrected_profile_alarms_only_the_rogue_on_its_first_message() {
    let mut engine =
        engine(json!([{"name": "LargeMessageSize", "metric": "aws:message-byte-size", "criteria":
        {"comparisonOperator": "less-than-equals", "value": {"count": 1024}}}]));
    workshop(&mut engine);
    assert_eq!(alarms(&engine.due(T0 + 5 + LATENCY - 1)), []);
    assert_eq!(alarms(&engine.due(T0 + 5 + LATENCY)), [("Thing02", Outcome::Raised, T0 + 5, Some(3000))]);
    let all: Vec<_> = (0..40).flat_map(|i| engine.due(T0 + 40_000 + i * 10_000).verdicts).collect();
    assert!(all.iter().all(|v| &*v.device == "Thing02" && v.outcome == Outcome::Updated), "{all:?}");
    assert_eq!(all.last().map(|v| v.at_ms), Some(T0 + 290_005), "the last datapoint is told in the end");
}

#[test]
fn less_than_five_on_27_messages_alarms_at_the_boundary() {
    let mut engine =
        engine(json!([{"name": "MsgSentBehavior", "metric": "aws:num-messages-sent", "criteria":
        {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300}}]));
    engine.enroll("dev-XBHY", vec![true], T0);
    for i in 0..27 {
        engine.message("dev-XBHY", "t", 10, T0 + i * 11_000);
    }
    let due = engine.due(T0 + 300_000 + LATENCY);
    assert_eq!(alarms(&due), [("dev-XBHY", Outcome::Raised, 1_574_254_500_000, Some(27))]);
    // Silence is no datapoint: the alarm stands for two days, then it is invalidated.
    assert_eq!(engine.due(T0 + 86_400_000), Due::default());
    let late = engine.due(T0 + 300_001 + TWO_DAYS);
    assert_eq!(late.verdicts.iter().map(|v| v.outcome).collect::<Vec<_>>(), [Outcome::Invalidated]);
}

#[test]
fn a_profile_that_does_not_apply_judges_nothing() {
    let mut engine = engine(json!([{"name": "b", "metric": "aws:message-byte-size", "criteria":
        {"comparisonOperator": "less-than-equals", "value": {"count": 10}}}]));
    assert!(!engine.message("x", "t", 100, T0), "not enrolled yet");
    engine.enroll("x", vec![false], T0);
    assert!(engine.message("x", "t", 100, T0));
    assert_eq!(engine.due(T0 + LATENCY).verdicts, []);
    engine.enroll("x", vec![true], T0);
    engine.message("x", "t", 100, T0 + 1);
    assert_eq!(engine.due(T0 + 1 + LATENCY).verdicts.len(), 1);
    let gone = engine.enroll("x", vec![false], T0 + 2);
    assert_eq!(gone.iter().map(|v| v.outcome).collect::<Vec<_>>(), [Outcome::Invalidated]);
}

#[test]
fn a_changed_plan_keeps_what_did_not_change() {
    let sent = json!({"name": "sent", "metric": "aws:num-messages-sent", "criteria":
        {"comparisonOperator": "less-than", "value": {"count": 2}, "durationSeconds": 300}});
    let size = json!({"name": "size", "metric": "aws:message-byte-size", "criteria":
        {"comparisonOperator": "less-than-equals", "value": {"count": 10}}});
    let mut engine = engine(json!([size, sent]));
    engine.enroll("x", vec![true], T0);
    engine.message("x", "t", 100, T0);
    engine.message("x", "t", 100, T0 + 1);
    let profile = Profile {
        name: "P".into(),
        behaviors: serde_json::from_value(json!([sent])).unwrap(),
        retained: Vec::new(),
    };
    let gone = engine.set_plan(Plan::new(&[profile], |s| s * 1000, |_| None), T0 + 2);
    assert_eq!(gone.iter().map(|v| v.behavior.name.as_str()).collect::<Vec<_>>(), ["size"]);
    assert!(!engine.is_enrolled("x"));
    engine.enroll("x", vec![true], T0 + 2);
    let due = engine.due(T0 + 300_000 + LATENCY);
    let sent: Vec<_> =
        due.verdicts.iter().filter(|v| v.behavior.name == "sent").map(|v| v.value.count).collect();
    assert_eq!(sent, [Some(2)], "the messages before the change count");
}

#[test]
fn addresses_are_judged_as_they_are_seen() {
    let mut engine = engine(json!([{"name": "home", "metric": "aws:source-ip-address", "criteria":
        {"comparisonOperator": "in-cidr-set", "value": {"cidrs": ["10.0.0.0/8"]}}}]));
    engine.enroll("x", vec![true], T0);
    let from = |ip: &str| MetricValue { cidrs: Some(vec![ip.to_owned()]), ..MetricValue::default() };
    engine.sample("x", &Metric::SourceIp, &from("10.1.1.1"), T0);
    engine.sample("x", &Metric::SourceIp, &from("192.0.2.1"), T0 + 1);
    engine.sample("x", &Metric::SourceIp, &from("10.1.1.1"), T0 + 2);
    let due = engine.due(T0 + 2 + LATENCY);
    assert_eq!(
        due.verdicts.iter().map(|v| v.outcome).collect::<Vec<_>>(),
        [Outcome::Raised, Outcome::Cleared]
    );
}

proptest::proptest! {
    /// However messages fall, a window's count is the number of messages in it.
    #[test]
    fn every_message_is_counted_once(times in proptest::collection::vec(0_i64..1_200_000, 1..100)) {
        let mut times = times;
        times.sort_unstable();
        let mut engine = engine(json!([{"name": "sent", "metric": "aws:num-messages-sent", "criteria":
            {"comparisonOperator": "less-than", "value": {"count": 1}, "durationSeconds": 300}}]));
        engine.enroll("x", vec![true], T0);
        let mut told = 0;
        for at in &times {
            engine.message("x", "t", 1, T0 + at);
            told += engine.due(T0 + at).data.iter().map(|d| d.count).sum::<i64>();
        }
        told += engine.due(T0 + 2_000_000).data.iter().map(|d| d.count).sum::<i64>();
        proptest::prop_assert_eq!(told, times.len() as i64);
    }
}
