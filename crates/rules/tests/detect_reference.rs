//! Detect beside a slow, obvious judge: written from the facts (docs/aws-iot.md#4.1), looking at everything that ever happened
//! for each datapoint, and sharing no code with the engine. The engine and the emulator cannot both be wrong in the same way
//! where this one disagrees.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;
use quell_rules::detect::engine::{Engine, Outcome, Plan, Profile};
use quell_rules::detect::metric::Metric;
use quell_rules::detect::model::{Behavior, MetricValue};
use serde_json::{Value, json};

/// A multiple of every window's length.
const T0: i64 = 1_574_251_200_000;
const LATENCY: i64 = 36_000;
const DAY: i64 = 86_400_000;
const DEVICES: [&str; 3] = ["d0", "d1", "d2"];
const TOPICS: [&str; 5] = ["a", "a/b", "own/d0", "own/d1", "$aws/x"];
/// The dimension `own` of the account.
const FILTERS: [&str; 2] = ["own/${iot:ClientId}", "a/#"];

/// Something that happened.
#[derive(Clone, Debug)]
struct Event {
    device: &'static str,
    /// Since the event before, in milliseconds.
    after: i64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// A message of so many bytes.
    Sent(&'static str, i64),
    /// So many of a counted metric.
    Counted(&'static str, &'static str, i64),
    /// A value an agent reports.
    Reported(&'static str, Value),
}

/// What one behaviour says of one device, in order: the time, what changed, and the value.
type Said = Vec<(i64, &'static str, Option<f64>)>;

// --- the judge ---

/// One datapoint: its time, the value, and whether it is normal.
type Datapoint = (i64, Option<f64>, bool);

fn holds(operator: &str, left: f64, right: f64) -> bool {
    match operator {
        "less-than" => left < right,
        "less-than-equals" => left <= right,
        "greater-than" => left > right,
        "greater-than-equals" => left >= right,
        other => panic!("{other}"),
    }
}

/// 4.1.9: does a message on this topic count for this device?
fn counts(behavior: &Value, device: &str, topic: &str) -> bool {
    let Some(dimension) = behavior.get("metricDimension") else { return true };
    // `own/${iot:ClientId}` or `a/#`, which on AWS does not match `a`.
    let inside = topic == format!("own/{device}") || topic.starts_with("a/");
    if dimension["operator"] == "NOT_IN" { !inside } else { inside }
}

/// What an event adds to the metric of a behaviour; `None` when it is about something else.
fn amount(behavior: &Value, device: &str, what: &What) -> Option<f64> {
    let metric = behavior["metric"].as_str().unwrap();
    match what {
        What::Sent(topic, bytes) if counts(behavior, device, topic) => match metric {
            "aws:message-byte-size" => Some(*bytes as f64),
            "aws:num-messages-sent" => Some(1.0),
            _ => None,
        },
        What::Counted(name, topic, n) if *name == metric && counts(behavior, device, topic) => {
            Some(*n as f64)
        }
        What::Reported(name, value) if *name == metric => {
            value.get("count").or(value.get("number")).and_then(Value::as_f64)
        }
        _ => None,
    }
}

/// 4.1.5: the smallest value that at least this share of the values does not exceed; undefined with negative values.
fn percentile(mut values: Vec<f64>, statistic: &str) -> Option<f64> {
    if values.is_empty() || values.iter().any(|v| *v < 0.0) {
        return None;
    }
    values.sort_by(f64::total_cmp);
    // In hundredths of a percent, so that the share is exact.
    let share = (statistic[1..].parse::<f64>().unwrap() * 100.0).round() as usize;
    let reached = |v: f64| values.iter().filter(|w| **w <= v).count() * 10_000 >= share * values.len();
    values.iter().copied().find(|v| reached(*v))
}

fn ipv4(text: &str) -> (u32, u32) {
    let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
    let mask = u32::MAX.checked_shl(32 - bits.parse::<u32>().unwrap()).unwrap_or(0);
    (u32::from(address.parse::<Ipv4Addr>().unwrap()) & mask, mask)
}

/// 4.1.1: is what an agent reported normal? For sets every element must fit; an empty list conforms.
fn set_is_normal(operator: &str, reported: &Value, expected: &Value) -> bool {
    let member =
        ["ports", "cidrs", "strings", "numbers"].into_iter().find(|m| reported.get(m).is_some()).unwrap();
    let set = expected[member].as_array().unwrap();
    let is_in = |element: &Value| match member {
        "cidrs" => set.iter().any(|range| {
            let (network, mask) = ipv4(range.as_str().unwrap());
            ipv4(element.as_str().unwrap()).0 & mask == network
        }),
        _ => set.contains(element),
    };
    let wanted = !operator.starts_with("not-");
    reported[member].as_array().unwrap().iter().all(|element| is_in(element) == wanted)
}

/// Everything that happened, at its time.
type History<'a> = [(i64, &'static str, &'a What)];

/// Whether a metric's static behaviours have windows (the table of docs/aws-iot.md#4.1).
fn has_windows(metric: &str) -> bool {
    [
        "aws:num-messages-sent",
        "aws:num-messages-received",
        "aws:num-authorization-failures",
        "aws:num-disconnects",
    ]
    .contains(&metric)
}

fn datapoints(behavior: &Value, device: &str, history: &History<'_>) -> Vec<Datapoint> {
    let criteria = &behavior["criteria"];
    let operator = criteria["comparisonOperator"].as_str().unwrap();
    let statistic = criteria["statisticalThreshold"]["statistic"].as_str();
    let expected = criteria["value"].get("count").or(criteria["value"].get("number")).and_then(Value::as_f64);
    if statistic.is_none() && !has_windows(behavior["metric"].as_str().unwrap()) {
        // Each message, and each value reported, is one.
        return history
            .iter()
            .filter(|(_, who, _)| *who == device)
            .filter_map(|(at, who, what)| match (what, expected) {
                (What::Reported(name, value), None) => (behavior["metric"] == *name)
                    .then(|| (*at, None, set_is_normal(operator, value, &criteria["value"]))),
                (_, Some(expected)) => {
                    amount(behavior, who, what).map(|v| (*at, Some(v), holds(operator, v, expected)))
                }
                _ => None,
            })
            .collect();
    }
    // 4.1.2: windows aligned to multiples of their length; one datapoint for each with activity.
    let length = criteria["durationSeconds"].as_i64().unwrap_or(300) * 1000;
    let first = history.iter().map(|(at, ..)| at / length).min().unwrap_or(0);
    let last = history.iter().map(|(at, ..)| at / length).max().unwrap_or(-1);
    let sum = |device: &str, number: i64| -> Option<f64> {
        let inside = |at: &i64| at / length == number;
        let amounts: Vec<f64> = history
            .iter()
            .filter(|(at, who, _)| *who == device && inside(at))
            .filter_map(|(_, who, what)| amount(behavior, who, what))
            .collect();
        (!amounts.is_empty()).then(|| amounts.iter().sum())
    };
    (first..=last)
        .filter_map(|number| {
            let value = sum(device, number)?;
            let expected = match statistic {
                Some(statistic) => {
                    percentile(DEVICES.iter().filter_map(|other| sum(other, number)).collect(), statistic)?
                }
                None => expected?,
            };
            Some(((number + 1) * length, Some(value), holds(operator, value, expected)))
        })
        .collect()
}

/// 4.1.3 and 4.1.4: what the datapoints lead to.
fn judge(behavior: &Value, device: &str, history: &History<'_>) -> Said {
    let wanted = |member: &str| behavior["criteria"][member].as_u64().unwrap_or(1) as usize;
    let (to_alarm, to_clear) =
        (wanted("consecutiveDatapointsToAlarm"), wanted("consecutiveDatapointsToClear"));
    let mut said: Said = Vec::new();
    let mut in_alarm = false;
    // Whether each datapoint since the last change was normal.
    let mut since: Vec<bool> = Vec::new();
    let mut before: Option<i64> = None;
    for (at, value, normal) in datapoints(behavior, device, history) {
        if in_alarm && before.is_some_and(|before| at - before > 2 * DAY) {
            said.push((0, "invalidated", None));
            (in_alarm, since) = (false, Vec::new());
        }
        before = Some(at);
        since.push(normal);
        let latest =
            |n: usize, normal: bool| since.len() >= n && since.iter().rev().take(n).all(|one| *one == normal);
        if !in_alarm && latest(to_alarm, false) {
            said.push((at, "in-alarm", value));
            (in_alarm, since) = (true, Vec::new());
        } else if in_alarm && latest(to_clear, true) {
            said.push((at, "cleared", value));
            (in_alarm, since) = (false, Vec::new());
        }
    }
    let end = history.last().map_or(T0, |(at, ..)| *at);
    if in_alarm && before.is_some_and(|before| end - before > 2 * DAY) {
        said.push((0, "invalidated", None));
    }
    said
}

// --- the engine, asked in the same words ---

fn engine(behaviors: &[Value], history: &History<'_>) -> BTreeMap<(String, String), Said> {
    let behaviors: Vec<Behavior> =
        behaviors.iter().map(|b| serde_json::from_value(b.clone()).unwrap()).collect();
    let profile = Profile { name: "P".into(), behaviors, retained: Vec::new() };
    let filters = |name: &str| (name == "own").then(|| FILTERS.map(String::from).to_vec());
    let mut engine = Engine::new(LATENCY, 2 * DAY);
    engine.set_plan(Plan::new(&[profile], |secs| secs * 1000, filters), T0);
    for device in DEVICES {
        engine.enroll(device, vec![true], T0);
    }
    let mut said: BTreeMap<(String, String), Said> = BTreeMap::new();
    let mut now = T0;
    let mut look = |engine: &mut Engine, to: i64| {
        // Every half minute while something happens, every hour while nothing does.
        while now < to {
            now = (now + if to - now > DAY { 3_600_000 } else { 30_000 }).min(to);
            for verdict in engine.due(now).verdicts {
                let value = verdict.value.count.map(|n| n as f64).or(verdict.value.number);
                let what = match verdict.outcome {
                    Outcome::Raised => (verdict.at_ms, "in-alarm", value),
                    Outcome::Cleared => (verdict.at_ms, "cleared", value),
                    Outcome::Invalidated => (0, "invalidated", None),
                    Outcome::Updated => continue,
                };
                said.entry((verdict.behavior.name.clone(), verdict.device.to_string()))
                    .or_default()
                    .push(what);
            }
        }
    };
    for (at, device, what) in history {
        look(&mut engine, *at);
        let metric = |name: &str| Metric::parse(name).unwrap();
        assert!(match what {
            What::Sent(topic, bytes) => engine.message(device, topic, *bytes as usize, *at),
            What::Counted(name, topic, n) => engine.count(device, &metric(name), topic, *n, *at),
            What::Reported(name, value) => {
                let value: MetricValue = serde_json::from_value(value.clone()).unwrap();
                engine.sample(device, &metric(name), &value, *at)
            }
        });
    }
    let end = history.last().map_or(T0, |(at, ..)| *at);
    look(&mut engine, end + 3_600_000 + 2 * LATENCY);
    said
}

// --- what may happen ---

fn number() -> impl Strategy<Value = i64> {
    // Few values, so that limits are met exactly.
    prop::sample::select(vec![0, 1, 2, 3, 100, 1024, 1025])
}

fn reported() -> impl Strategy<Value = What> {
    let ports = prop::collection::vec(prop::sample::select(vec![22, 80, 443, 8883]), 0..4);
    let addresses =
        prop::collection::vec(prop::sample::select(vec!["10.0.0.1", "10.1.2.3", "192.0.2.9"]), 0..3);
    let words = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..3);
    prop_oneof![
        ports.prop_map(|p| What::Reported("aws:listening-tcp-ports", json!({"ports": p}))),
        number().prop_map(|n| What::Reported("aws:num-listening-tcp-ports", json!({"count": n}))),
        addresses.prop_map(|a| What::Reported("aws:destination-ip-addresses", json!({"cidrs": a}))),
        words.prop_map(|w| What::Reported("words", json!({"strings": w}))),
        (-3i64..30).prop_map(|n| What::Reported("load", json!({"number": n}))),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let topic = || prop::sample::select(TOPICS.to_vec());
    let counted = prop::sample::select(vec![
        "aws:num-messages-received",
        "aws:num-authorization-failures",
        "aws:num-disconnects",
    ]);
    let what = prop_oneof![
        4 => (topic(), number()).prop_map(|(topic, bytes)| What::Sent(topic, bytes)),
        2 => (counted, topic(), 1i64..5).prop_map(|(metric, topic, n)| What::Counted(metric, topic, n)),
        2 => reported(),
    ];
    // Close together, windows apart, and for longer than an alarm lives.
    let after = prop_oneof![8 => 0i64..60_000, 4 => 0i64..1_000_000, 1 => Just(3 * DAY)];
    (prop::sample::select(DEVICES.to_vec()), after, what).prop_map(|(device, after, what)| Event {
        device,
        after,
        what,
    })
}

fn behavior() -> impl Strategy<Value = Value> {
    let order =
        || prop::sample::select(vec!["less-than", "less-than-equals", "greater-than", "greater-than-equals"]);
    let statistic = || {
        prop::sample::select(vec![
            "p0", "p0.01", "p0.1", "p1", "p10", "p50", "p90", "p99", "p99.9", "p99.99", "p100",
        ])
    };
    let duration = || prop::sample::select(vec![300, 600, 900, 1800, 3600]);
    let summed = prop::sample::select(vec![
        "aws:num-messages-sent",
        "aws:num-messages-received",
        "aws:num-authorization-failures",
        "aws:num-disconnects",
    ]);
    let ranked = prop::sample::select(vec!["aws:message-byte-size", "aws:num-messages-sent", "load"]);
    let single = prop::sample::select(vec!["aws:message-byte-size", "aws:num-listening-tcp-ports"]);
    let is_in = |set: &'static str| prop::sample::select(vec![format!("in-{set}"), format!("not-in-{set}")]);
    let criteria = prop_oneof![
        3 => (summed, order(), number(), duration()).prop_map(|(m, o, n, d)| {
            (m, json!({"comparisonOperator": o, "value": {"count": n}, "durationSeconds": d}))
        }),
        3 => (ranked, order(), statistic(), duration()).prop_map(|(m, o, s, d)| {
            (m, json!({"comparisonOperator": o, "statisticalThreshold": {"statistic": s}, "durationSeconds": d}))
        }),
        3 => (single, order(), number()).prop_map(|(m, o, n)| {
            (m, json!({"comparisonOperator": o, "value": {"count": n}}))
        }),
        1 => (order(), -2i64..25).prop_map(|(o, n)| ("load", json!({"comparisonOperator": o, "value": {"number": n}}))),
        1 => is_in("port-set").prop_map(|o| {
            ("aws:listening-tcp-ports", json!({"comparisonOperator": o, "value": {"ports": [22, 443]}}))
        }),
        1 => is_in("cidr-set").prop_map(|o| {
            let value = json!({"cidrs": ["10.0.0.0/15", "192.0.2.0/29"]});
            ("aws:destination-ip-addresses", json!({"comparisonOperator": o, "value": value}))
        }),
        1 => is_in("set").prop_map(|o| ("words", json!({"comparisonOperator": o, "value": {"strings": ["a", "b"]}}))),
    ];
    let patience = (1u8..5, 1u8..5, any::<bool>());
    let dimension = prop::option::of(prop::sample::select(vec!["IN", "NOT_IN"]));
    (criteria, patience, dimension).prop_map(
        |((metric, mut criteria), (to_alarm, to_clear, given), dimension)| {
            if given {
                criteria["consecutiveDatapointsToAlarm"] = json!(to_alarm);
                criteria["consecutiveDatapointsToClear"] = json!(to_clear);
            }
            let mut behavior = json!({"metric": metric, "criteria": criteria});
            let on_topics = ["aws:message-byte-size", "aws:num-messages-sent", "aws:num-messages-received"];
            if let Some(operator) = dimension.filter(|_| on_topics.contains(&metric)) {
                behavior["metricDimension"] = json!({"dimensionName": "own", "operator": operator});
            }
            behavior
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_says_what_the_facts_say(
        behaviors in prop::collection::vec(behavior(), 1..5),
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut at = T0 + 1;
        let times: Vec<i64> = events.iter().map(|e| { at += e.after; at }).collect();
        let history: Vec<(i64, &'static str, &What)> =
            times.iter().zip(&events).map(|(at, e)| (*at, e.device, &e.what)).collect();
        let behaviors: Vec<Value> = behaviors
            .into_iter()
            .enumerate()
            .map(|(i, mut b)| { b["name"] = json!(format!("b{i}")); b })
            .collect();
        let mut said = engine(&behaviors, &history);
        for behavior in &behaviors {
            for device in DEVICES {
                let key = (behavior["name"].as_str().unwrap().to_owned(), device.to_owned());
                let got = said.remove(&key).unwrap_or_default();
                prop_assert_eq!(&got, &judge(behavior, device, &history), "{} of {}", behavior, device);
            }
        }
        prop_assert!(said.is_empty());
    }
}
