//! A behaviour that is not in force, judged on what was held: who would have alarmed, and when.
//!
//! The same primitives as the [`super::engine`], over dense arrays instead of a stream, so that an operator can move a
//! threshold and see the answer at once. A property test holds the two to the same verdicts.

use super::alarm::{Alarm, Change, Patience};
use super::judge::{compare, is_normal};
use super::metric::Metric;
use super::model::{Behavior, ComparisonOperator, Criteria, MetricValue};
use super::percentile::{STATISTICS, nearest_rank};
use super::window;

/// Seconds of a base window: every duration AWS allows is a multiple of it.
const BASE_SECONDS: i64 = 300;

/// What was heard of a fleet, as far back as it was held.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// How long a base window lasts here, milliseconds: 300 s, less against a sped-up emulator.
    pub base_ms: i64,
    /// The number of the first base window.
    pub first: i64,
    /// Base windows held, all of them over.
    pub windows: usize,
    /// Per base window: true when it was not listened to from begin to end.
    pub partial: Vec<bool>,
    /// How many devices.
    pub devices: usize,
    /// Messages by device and base window, one row a device; 0 is no activity.
    pub counts: Vec<u32>,
    /// Payload bytes, as `counts`.
    pub sums: Vec<u32>,
    /// Single messages in the order they were heard, as far back as they are held.
    pub messages: Vec<Single>,
}

/// A single message that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Single {
    /// The device's row.
    pub device: u32,
    /// Payload length in bytes.
    pub len: u32,
    /// When it was heard.
    pub at_ms: i64,
}

/// An alarm that would have been raised or cleared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The device's row.
    pub device: u32,
    /// The message's time, or the end of the window.
    pub at_ms: i64,
    /// Raised, or cleared.
    pub raised: bool,
    /// The measured value.
    pub value: i64,
}

/// What would have happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WhatIf {
    /// In the order of their times.
    pub steps: Vec<Step>,
    /// Devices with a datapoint.
    pub judged: usize,
    /// Devices that would have alarmed.
    pub alarmed: usize,
    /// Datapoints.
    pub datapoints: usize,
    /// Of them, violating ones.
    pub violating: usize,
    /// The time the datapoints come from, milliseconds.
    pub span_ms: i64,
    /// What the fleet's percentile was in the last window judged.
    pub percentile: Option<f64>,
}

/// Judges `behavior` on what was held.
///
/// # Errors
/// A sentence when it cannot be judged on what this console hears: another metric, a learned model, nothing to compare with.
pub fn judge(held: &Held, behavior: &Behavior) -> Result<WhatIf, String> {
    let criteria = behavior.criteria.as_ref().ok_or("the behavior has no criteria: it is exported only")?;
    let name = behavior.metric.as_deref().unwrap_or("?");
    let metric = Metric::parse(name).ok_or_else(|| format!("unknown metric {name}"))?;
    if criteria.ml_detection_config.is_some() {
        return Err("a learned model cannot be judged here: AWS keeps it".to_owned());
    }
    if behavior.metric_dimension.is_some() {
        return Err("sums are held per device, not per topic: a dimension cannot be judged".to_owned());
    }
    let operator = criteria.comparison_operator.ok_or("comparisonOperator is missing")?;
    match metric {
        Metric::MessageByteSize if criteria.statistical_threshold.is_none() => {
            singles(held, criteria, operator)
        }
        Metric::MessageByteSize => windows(held, &held.sums, criteria, operator),
        Metric::MessagesSent => windows(held, &held.counts, criteria, operator),
        _ => Err(format!("{name} cannot be heard on the stream")),
    }
}

fn singles(held: &Held, criteria: &Criteria, operator: ComparisonOperator) -> Result<WhatIf, String> {
    let limit = criteria.value.as_ref().and_then(|v| v.count).ok_or("the expected count is missing")?;
    let patience = Patience::of(criteria);
    let mut alarms = vec![Alarm::default(); held.devices];
    let mut seen = vec![0_u8; held.devices];
    let mut out = WhatIf::default();
    for single in &held.messages {
        let Some((alarm, seen)) =
            alarms.get_mut(single.device as usize).zip(seen.get_mut(single.device as usize))
        else {
            continue;
        };
        *seen |= 1;
        let normal = compare(f64::from(single.len), operator, limit as f64);
        out.violating += usize::from(!normal);
        let change = alarm.datapoint(normal, patience, single.at_ms);
        let step = Step {
            device: single.device,
            at_ms: single.at_ms,
            raised: change == Some(Change::Raised),
            value: single.len.into(),
        };
        if matches!(change, Some(Change::Raised | Change::Cleared)) {
            *seen |= u8::from(step.raised) << 1;
            out.steps.push(step);
        }
    }
    out.datapoints = held.messages.len();
    out.judged = seen.iter().filter(|s| **s & 1 != 0).count();
    out.alarmed = seen.iter().filter(|s| **s & 2 != 0).count();
    let ends = held.messages.first().zip(held.messages.last());
    out.span_ms = ends.map_or(0, |(first, last)| last.at_ms - first.at_ms);
    Ok(out)
}

fn windows(
    held: &Held,
    amounts: &[u32],
    criteria: &Criteria,
    operator: ComparisonOperator,
) -> Result<WhatIf, String> {
    let seconds = criteria.duration_seconds.unwrap_or(BASE_SECONDS);
    let per = (seconds / BASE_SECONDS).max(1);
    let length_ms = held.base_ms.max(1) * per;
    let expected = match (&criteria.statistical_threshold, &criteria.value) {
        (Some(_), _) => None,
        (None, Some(value)) => Some(value),
        (None, None) => return Err("there is nothing to compare with".to_owned()),
    };
    let statistic =
        criteria.statistical_threshold.as_ref().map(|t| t.statistic.as_deref().unwrap_or("p90").to_owned());
    let upper = matches!(operator, ComparisonOperator::LessThan | ComparisonOperator::LessThanEquals);
    let patience = Patience::of(criteria);
    let mut alarms = vec![Alarm::default(); held.devices];
    let mut seen = vec![0_u8; held.devices];
    let mut out = WhatIf::default();
    let mut sorted: Vec<f64> = Vec::with_capacity(held.devices);
    each_window(held, amounts, per, |at_ms, partial, values| {
        let threshold = match &statistic {
            None => None,
            Some(_) if partial => return,
            Some(statistic) => {
                sorted.clear();
                sorted.extend(values.iter().map(|(_, v)| *v as f64));
                sorted.sort_unstable_by(f64::total_cmp);
                match nearest_rank(&sorted, statistic) {
                    Some(value) => Some(value),
                    None => return,
                }
            }
        };
        out.percentile = threshold.or(out.percentile);
        for (device, value) in values {
            let normal = match (threshold, expected) {
                (Some(threshold), _) => Some(compare(*value as f64, operator, threshold)),
                (None, Some(expected)) => is_normal(
                    &MetricValue { count: Some(*value), ..MetricValue::default() },
                    operator,
                    expected,
                ),
                (None, None) => None,
            };
            let Some(normal) = normal else { continue };
            if partial && (normal || !upper) {
                continue;
            }
            let at = *device as usize;
            let (Some(alarm), Some(seen)) = (alarms.get_mut(at), seen.get_mut(at)) else { continue };
            *seen |= 1;
            out.datapoints += 1;
            out.violating += usize::from(!normal);
            let change = alarm.datapoint(normal, patience, at_ms);
            if matches!(change, Some(Change::Raised | Change::Cleared)) {
                let raised = change == Some(Change::Raised);
                *seen |= u8::from(raised) << 1;
                out.steps.push(Step { device: *device, at_ms, raised, value: *value });
            }
        }
        out.span_ms += length_ms;
    });
    out.judged = seen.iter().filter(|s| **s & 1 != 0).count();
    out.alarmed = seen.iter().filter(|s| **s & 2 != 0).count();
    Ok(out)
}

/// Calls `each` with the end of every window of `per` base windows that lies wholly in what is held, whether part of it was
/// not listened to, and the sum of each device that was active in it.
fn each_window(held: &Held, amounts: &[u32], per: i64, mut each: impl FnMut(i64, bool, &[(u32, i64)])) {
    let length_ms = held.base_ms.max(1) * per;
    let end = held.first + held.windows as i64;
    let mut number = held.first.div_euclid(per) + i64::from(held.first.rem_euclid(per) != 0);
    let mut values: Vec<(u32, i64)> = Vec::with_capacity(held.devices);
    while (number + 1) * per <= end {
        let from = (number * per - held.first) as usize;
        let columns = from..from + per as usize;
        let partial = held.partial.get(columns.clone()).is_none_or(|p| p.contains(&true));
        let at_ms = window::end_ms(number, length_ms);
        number += 1;
        values.clear();
        for device in 0..held.devices {
            let row = device * held.windows;
            let range = row + columns.start..row + columns.end;
            let active = held.counts.get(range.clone()).is_some_and(|c| c.iter().any(|n| *n > 0));
            if active {
                let sum = amounts.get(range).map_or(0, |a| a.iter().map(|n| i64::from(*n)).sum());
                values.push((device as u32, sum));
            }
        }
        each(at_ms, partial, &values);
    }
}

/// A value that a behaviour is judged on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// The device's row.
    pub device: u32,
    /// The message's time, or the end of the window.
    pub at_ms: i64,
    /// The value.
    pub value: i64,
}

/// Every value that `behavior` is judged on, whatever its limit; none where [`judge`] has no answer. Of a window that was not
/// listened to as a whole the sum is too small, and no value.
pub fn values(held: &Held, behavior: &Behavior) -> Vec<Value> {
    let Some(criteria) = &behavior.criteria else { return Vec::new() };
    if judge(held, behavior).is_err() {
        return Vec::new();
    }
    let amounts = match behavior.metric.as_deref().and_then(Metric::parse) {
        Some(Metric::MessageByteSize) if criteria.statistical_threshold.is_none() => {
            let each = held.messages.iter();
            return each.map(|m| Value { device: m.device, at_ms: m.at_ms, value: m.len.into() }).collect();
        }
        Some(Metric::MessageByteSize) => &held.sums,
        Some(Metric::MessagesSent) => &held.counts,
        _ => return Vec::new(),
    };
    let per = (criteria.duration_seconds.unwrap_or(BASE_SECONDS) / BASE_SECONDS).max(1);
    let mut out = Vec::new();
    each_window(held, amounts, per, |at_ms, partial, values| {
        if partial {
            return;
        }
        out.extend(values.iter().map(|(device, value)| Value { device: *device, at_ms, value: *value }));
    });
    out
}

/// What a criterion means that its author may not have meant, one sentence each (docs/aws-iot.md#1.2, #6.14). `devices` is how
/// many report.
pub fn cautions(behavior: &Behavior, devices: usize) -> Vec<String> {
    let mut out = Vec::new();
    let Some(criteria) = &behavior.criteria else { return out };
    let Some(operator) = criteria.comparison_operator else { return out };
    let lower = matches!(operator, ComparisonOperator::GreaterThan | ComparisonOperator::GreaterThanEquals);
    let upper = matches!(operator, ComparisonOperator::LessThan | ComparisonOperator::LessThanEquals);
    let bad_when_big = matches!(
        behavior.metric.as_deref().and_then(Metric::parse),
        Some(
            Metric::MessageByteSize
                | Metric::MessagesSent
                | Metric::MessagesReceived
                | Metric::AuthorizationFailures
                | Metric::ConnectionAttempts
                | Metric::Disconnects
                | Metric::BytesOut
                | Metric::BytesIn
                | Metric::PacketsOut
                | Metric::PacketsIn
        )
    );
    if lower && bad_when_big {
        out.push(
            "inverted? criteria say what is NORMAL: this alarms devices that send less, and calls the ones that \
             send more normal; to catch too much, use less-than-equals"
                .to_owned(),
        );
    }
    let Some(threshold) = &criteria.statistical_threshold else { return out };
    let statistic = threshold.statistic.as_deref().unwrap_or("p90");
    let Some((_, below)) = STATISTICS.iter().find(|(s, _)| *s == statistic) else { return out };
    let share = if upper { 10_000 - below } else { *below };
    if share > 1_000 {
        let percent = share / 100;
        out.push(format!(
            "by construction: {statistic} puts about {percent} % of the fleet in alarm in every window, however \
             well it behaves"
        ));
    } else if (statistic == "p0" && operator == ComparisonOperator::GreaterThan)
        || (statistic == "p100" && operator == ComparisonOperator::LessThan)
    {
        let which = if lower { "smallest" } else { "largest" };
        out.push(format!("by construction: the {which} device of every window is always in alarm"));
    }
    if devices < 20 {
        out.push(format!("a percentile over {devices} devices is noise: it moves with each of them"));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::detect::engine::{Engine, Outcome, Plan, Profile};

    const BASE: i64 = 300_000;
    /// A multiple of an hour.
    const T0: i64 = 1_574_251_200_000;

    fn behavior(metric: &str, criteria: serde_json::Value) -> Behavior {
        serde_json::from_value(json!({"name": "b", "metric": metric, "criteria": criteria})).unwrap()
    }

    fn held(messages: &[(u32, i64, u32)], devices: usize, windows: usize) -> Held {
        let mut held = Held {
            base_ms: BASE,
            first: window::number(T0, BASE),
            windows,
            partial: vec![false; windows],
            devices,
            counts: vec![0; devices * windows],
            sums: vec![0; devices * windows],
            messages: Vec::new(),
        };
        for (device, at, len) in messages {
            let column = (window::number(T0 + at, BASE) - held.first) as usize;
            held.counts[*device as usize * windows + column] += 1;
            held.sums[*device as usize * windows + column] += len;
            held.messages.push(Single { device: *device, len: *len, at_ms: T0 + at });
        }
        held
    }

    fn engine_says(
        messages: &[(u32, i64, u32)],
        devices: usize,
        end: i64,
        behavior: &Behavior,
    ) -> Vec<(u32, i64, bool)> {
        let profile = Profile { name: "P".into(), behaviors: vec![behavior.clone()], retained: vec![] };
        let mut engine = Engine::new(0, i64::MAX / 4);
        engine.set_plan(Plan::new(&[profile], |s| s * 1000, |_| None), T0);
        let names: BTreeMap<String, u32> = (0..devices as u32).map(|d| (format!("{d:05}"), d)).collect();
        for name in names.keys() {
            engine.enroll(name, vec![true], T0);
        }
        let mut verdicts = Vec::new();
        for (device, at, len) in messages {
            verdicts.extend(engine.due(T0 + at - 1).verdicts);
            engine.message(&format!("{device:05}"), "t", *len as usize, T0 + at);
        }
        verdicts.extend(engine.due(T0 + end).verdicts);
        verdicts
            .iter()
            .filter(|v| matches!(v.outcome, Outcome::Raised | Outcome::Cleared))
            .map(|v| (names[&*v.device], v.at_ms, v.outcome == Outcome::Raised))
            .collect()
    }

    #[test]
    fn the_workshops_profile_would_alarm_the_healthy_thing() {
        let mut messages = Vec::new();
        for i in 0..30 {
            messages.push((0, i * 10_000, 120));
            messages.push((1, i * 10_000 + 5, 3000));
        }
        let held = held(&messages, 2, 1);
        let inverted = behavior(
            "aws:message-byte-size",
            json!({"comparisonOperator": "greater-than", "statisticalThreshold": {"statistic": "p50"},
                "durationSeconds": 300}),
        );
        let result = judge(&held, &inverted).unwrap();
        assert_eq!(
            result.steps,
            [Step { device: 0, at_ms: T0 + BASE, raised: true, value: 3600 }],
            "the healthy one"
        );
        let cautions = super::cautions(&inverted, 2);
        assert!(
            cautions.iter().any(|c| c.contains("inverted"))
                && cautions.iter().any(|c| c.contains("by construction"))
                && cautions.iter().any(|c| c.contains("noise")),
            "{cautions:?}"
        );
        let corrected = behavior(
            "aws:message-byte-size",
            json!({"comparisonOperator": "less-than-equals", "value": {"count": 1024}}),
        );
        let result = judge(&held, &corrected).unwrap();
        assert_eq!(result.steps, [Step { device: 1, at_ms: T0 + 5, raised: true, value: 3000 }]);
        assert!(super::cautions(&corrected, 2).is_empty());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]

        /// On the same data with the same behaviour, exactly what the emulator's engine says.
        #[test]
        fn agrees_with_the_engine(
            events in proptest::collection::vec((0..6_u32, 0..60_000_i64, 0..2_000_u32), 1..150),
            metric in 0..3_usize,
            operator in 0..4_usize,
            limit in 0..4_000_i64,
            statistic in 0..11_usize,
            duration in 0..5_usize,
            to_alarm in 1..4_i64,
            to_clear in 1..4_i64,
        ) {
            let mut at = 0;
            let messages: Vec<(u32, i64, u32)> =
                events.iter().map(|(d, gap, len)| { at += gap + 1; (*d, at, *len) }).collect();
            let operator = ["less-than", "less-than-equals", "greater-than", "greater-than-equals"][operator];
            let seconds = super::super::metric::DURATIONS[duration];
            let mut criteria = json!({"comparisonOperator": operator,
                "consecutiveDatapointsToAlarm": to_alarm, "consecutiveDatapointsToClear": to_clear});
            let name = match metric {
                0 => { criteria["value"] = json!({"count": limit}); "aws:message-byte-size" }
                1 => {
                    criteria["statisticalThreshold"] = json!({"statistic": STATISTICS[statistic].0});
                    criteria["durationSeconds"] = seconds.into();
                    "aws:message-byte-size"
                }
                _ => {
                    criteria["value"] = json!({"count": limit / 400});
                    criteria["durationSeconds"] = seconds.into();
                    "aws:num-messages-sent"
                }
            };
            let behavior = behavior(name, criteria);
            let windows = (at / BASE + 1).max(1) as usize;
            let ours = judge(&held(&messages, 6, windows), &behavior).unwrap();
            let mut ours: Vec<_> = ours.steps.iter().map(|s| (s.device, s.at_ms, s.raised)).collect();
            let mut theirs = engine_says(&messages, 6, windows as i64 * BASE, &behavior);
            ours.sort_unstable();
            theirs.sort_unstable();
            proptest::prop_assert_eq!(ours, theirs);
        }
    }
}
