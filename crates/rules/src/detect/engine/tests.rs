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
    assert!(!engine.message("x", "t", 1, T0 + 2), "it has to be enrolled again");
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
    let from = |ip: &str| ip.parse().unwrap();
    engine.address("x", None, from("10.1.1.1"), T0);
    engine.address("x", None, from("192.0.2.1"), T0 + 1);
    engine.address("x", None, from("10.1.1.1"), T0 + 2);
    let due = engine.due(T0 + 2 + LATENCY);
    assert_eq!(
        due.verdicts.iter().map(|v| v.outcome).collect::<Vec<_>>(),
        [Outcome::Raised, Outcome::Cleared]
    );
}

#[test]
fn a_message_is_looked_at_once_in_300_seconds_for_where_it_comes_from() {
    let behavior = json!([{"name": "home", "metric": "aws:source-ip-address", "metricDimension": {"dimensionName": "d"},
        "criteria": {"comparisonOperator": "in-cidr-set", "value": {"cidrs": ["10.0.0.0/8"]}, "consecutiveDatapointsToAlarm": 2}}]);
    let profile = Profile {
        name: "P".into(),
        behaviors: serde_json::from_value(behavior).unwrap(),
        retained: Vec::new(),
    };
    let mut engine = Engine::new(LATENCY, TWO_DAYS);
    engine.set_plan(Plan::new(&[profile], |secs| secs * 1000, |_| Some(vec!["dt/#".to_owned()])), T0);
    engine.enroll("x", vec![true], T0);
    let away = "192.0.2.1".parse().unwrap();
    engine.address("x", None, away, T0);
    engine.address("x", Some("other"), away, T0 + 1);
    for i in 0..10 {
        engine.address("x", Some("dt/x"), away, T0 + 2 + i);
    }
    let due = engine.due(T0 + 100_000);
    assert_eq!((alarms(&due), due.data.len()), (vec![], 1), "one datapoint of the two it takes");
    engine.address("x", Some("dt/x"), away, T0 + 300_000);
    assert_eq!(alarms(&engine.due(T0 + 300_000 + LATENCY)).len(), 1);
}

#[test]
fn a_device_that_is_gone_violates_by_the_minute_and_clears_when_it_is_back() {
    let mut engine = engine(json!([{"name": "gone", "metric": "aws:disconnect-duration", "criteria":
        {"comparisonOperator": "less-than", "value": {"count": 6}}}]));
    engine.enroll("x", vec![true], T0);
    engine.enroll("never", vec![true], T0);
    engine.connected("x", 1);
    // The newer connection took over before the older one's end was told.
    engine.connected("x", 2);
    engine.disconnected("x", 1, T0 + 1_000);
    assert_eq!(engine.due(T0 + 300_000).data[0].value.count, Some(0));
    engine.disconnected("x", 2, T0 + 360_000);
    assert_eq!(engine.due(T0 + 600_000).data[0].value.count, Some(4));
    assert_eq!(alarms(&engine.due(T0 + 900_000)), [("x", Outcome::Raised, T0 + 900_000, Some(9))]);
    engine.connected("x", 3);
    assert_eq!(alarms(&engine.due(T0 + 1_200_000)), [("x", Outcome::Cleared, T0 + 1_200_000, Some(0))]);
}

#[test]
fn reported_values_are_kept_and_ranked() {
    let mut engine = engine(json!([
        {"name": "load", "metric": "load", "criteria": {"comparisonOperator": "less-than-equals",
            "statisticalThreshold": {"statistic": "p50"}, "durationSeconds": 300}},
        {"name": "few", "metric": "aws:num-listening-tcp-ports", "criteria": {"comparisonOperator": "less-than", "value": {"count": 3}}}]));
    let load = Metric::Custom("load".to_owned());
    for (device, number) in [("a", 0.5), ("b", 1.5)] {
        engine.enroll(device, vec![true], T0);
        let value = MetricValue { number: Some(number), ..MetricValue::default() };
        engine.sample(device, &load, &value, T0 + 1);
    }
    engine.sample("a", &Metric::ListeningTcpCount, &count(3), T0 + 1);
    let due = engine.due(T0 + 300_000 + LATENCY);
    let raised: Vec<_> = due.verdicts.iter().map(|v| (&*v.device, v.behavior.name.as_str())).collect();
    assert_eq!(raised, [("a", "few"), ("b", "load")]);
    assert_eq!(
        due.data
            .iter()
            .map(|d| (d.at_ms, d.value.number.or(d.value.count.map(|c| c as f64))))
            .collect::<Vec<_>>(),
        [(T0 + 1, Some(0.5)), (T0 + 1, Some(1.5)), (T0 + 1, Some(3.0))]
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
            told += engine.due(T0 + at).data.iter().filter_map(|d| d.value.count).sum::<i64>();
        }
        told += engine.due(T0 + 2_000_000).data.iter().filter_map(|d| d.value.count).sum::<i64>();
        proptest::prop_assert_eq!(told, times.len() as i64);
    }
}

proptest::proptest! {
    /// An engine that is kept as JSON and gone on from, at any moment, judges as one that was never interrupted.
    #[test]
    fn a_restart_between_any_two_messages_changes_no_verdict(
        times in proptest::collection::vec((0_i64..1_800_000, 0_usize..3, 0_usize..2_000), 1..80), cut in 0_usize..80,
    ) {
        let behaviors = json!([
            {"name": "sent", "metric": "aws:num-messages-sent", "criteria": {"comparisonOperator": "less-than",
                "value": {"count": 4}, "durationSeconds": 300, "consecutiveDatapointsToAlarm": 2}},
            {"name": "size", "metric": "aws:message-byte-size", "criteria": {"comparisonOperator": "less-than",
                "value": {"count": 1000}, "consecutiveDatapointsToClear": 2}}]);
        let mut times = times;
        times.sort_unstable();
        let run = |cut: Option<usize>| {
            let mut judging = engine(behaviors.clone());
            let mut told: Vec<Verdict> = Vec::new();
            let mut standing: Vec<(String, String)> = Vec::new();
            for device in ["a", "b", "c"] {
                judging.enroll(device, vec![true], T0);
            }
            for (i, (at, device, size)) in times.iter().enumerate() {
                if cut == Some(i) {
                    let text = serde_json::to_string(&judging.keep()).unwrap();
                    let mut kept: Kept = serde_json::from_str(&text).unwrap();
                    judging = engine(behaviors.clone());
                    let stands = |device: &str, _: &str, behavior: &str| {
                        standing.iter().any(|(d, b)| d == device && b == behavior).then_some(T0)
                    };
                    judging.resume(&mut kept, &stands);
                    assert!(kept.is_empty());
                    for device in ["a", "b", "c"] {
                        assert!(judging.enroll(device, vec![true], T0 + at).is_empty());
                    }
                }
                judging.message(["a", "b", "c"][*device], "t", *size, T0 + at);
                let due = judging.due(T0 + at + LATENCY).verdicts;
                for verdict in due.into_iter().filter(|v| v.outcome != Outcome::Updated) {
                    let key = (verdict.device.to_string(), verdict.behavior.name.clone());
                    match verdict.outcome {
                        Outcome::Raised => standing.push(key),
                        _ => standing.retain(|known| *known != key),
                    }
                    told.push(verdict);
                }
            }
            let last = judging.due(T0 + 2_400_000 + LATENCY).verdicts;
            told.extend(last.into_iter().filter(|v| v.outcome != Outcome::Updated));
            told
        };
        proptest::prop_assert_eq!(run(Some(cut % times.len())), run(None));
    }
}

#[test]
fn what_is_kept_waits_until_its_behaviour_is_judged_and_gives_way_to_what_was_told() {
    let behaviors = json!([{"name": "size", "metric": "aws:message-byte-size", "criteria":
        {"comparisonOperator": "less-than", "value": {"count": 10}}}]);
    let mut first = engine(behaviors.clone());
    first.enroll("x", vec![true], T0);
    first.message("x", "t", 20, T0);
    assert_eq!(first.due(T0 + LATENCY).verdicts.len(), 1);
    let mut kept = first.keep();
    let mut second = Engine::new(LATENCY, TWO_DAYS);
    assert!(second.resume(&mut kept, &|_, _, _| Some(T0)).is_empty());
    assert!(!kept.is_empty(), "nothing is judged yet");
    let profile = Profile {
        name: "P".into(),
        behaviors: serde_json::from_value(behaviors).unwrap(),
        retained: Vec::new(),
    };
    second.set_plan(Plan::new(&[profile], |secs| secs * 1000, |_| None), T0);
    // The clearing was told, and the file of windows is older than that.
    assert_eq!(second.resume(&mut kept, &|_, _, _| None).len(), 1);
    second.enroll("x", vec![true], T0);
    second.message("x", "t", 20, T0 + 1);
    let due = second.due(T0 + LATENCY + 1);
    assert_eq!(alarms(&due), [("x", Outcome::Raised, T0 + 1, Some(20))], "it is raised anew");
}
