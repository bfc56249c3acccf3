//! What a behaviour means, in sentences: what is normal, for how long, and where it is likely to be a mistake.
//!
//! The criteria of a behaviour say what is *normal*, not what is wrong (docs/aws-iot.md#1.2): the seeds' own mistake was to
//! write them the other way round, which alarms every healthy device.

use quell_fleet::Word;
use quell_fleet::model::ProfileRecord;
use quell_fleet::text::SafeText;
use quell_rules::detect::model::{Behavior, ComparisonOperator, Criteria};

use super::super::app::Env;
use super::super::words;
use super::limit::Limit;
use super::violations::expected;

/// `normal when message size below 2.0 kB; alarms after 2 in a row`.
pub(in crate::console) fn normal(behavior: &Behavior) -> String {
    let text = expected(behavior);
    let Some(criteria) = &behavior.criteria else { return format!("no criterion: {text}") };
    let mut out = format!("normal when {text}");
    let alarm = criteria.consecutive_datapoints_to_alarm.unwrap_or(1);
    let clear = criteria.consecutive_datapoints_to_clear.unwrap_or(1);
    if alarm > 1 || clear > 1 {
        out.push_str(&format!("; alarms after {alarm} in a row, clears after {clear}"));
    }
    if let Some(dimension) = &behavior.metric_dimension {
        out.push_str(&format!("; only {}", dimension.dimension_name));
    }
    SafeText::new(&out).to_string()
}

/// What is likely to be a mistake in a behaviour, judged by itself and by what was [`heard`] of its metric.
pub(super) fn doubts(behavior: &Behavior, heard: Option<&Heard>) -> Vec<String> {
    let mut out = Vec::new();
    let Some(criteria) = &behavior.criteria else { return out };
    if let Some(threshold) = &criteria.statistical_threshold {
        out.extend(by_construction(criteria, threshold.statistic.as_deref()));
    }
    if let Some(seen) = heard {
        let above = !seen.limit.is_upper();
        if seen.outside > 0 && seen.outside * 2 >= seen.values.len() {
            let lead =
                if above { "the criterion says what is NORMAL and looks inverted" } else { "too tight" };
            out.push(format!(
                "{lead}: {} of {} heard would alarm now",
                seen.outside,
                devices(seen.values.len())
            ));
        } else if above {
            out.push("the criterion says what is NORMAL: whatever is below it alarms".to_owned());
        }
        if seen.outside == 0 && seen.in_alarm > 0 {
            out.push("no device heard is outside it now, though some alarm".to_owned());
        }
    }
    if behavior.suppress_alerts == Some(true) {
        out.push("its alerts are suppressed: violations are recorded, nobody is told".to_owned());
    }
    out
}

/// What is likely to be a mistake in a profile as a whole.
pub(super) fn profile_doubts(profile: &ProfileRecord) -> Vec<String> {
    let mut out = Vec::new();
    if profile.targets.is_empty() {
        out.push("it is attached to nothing: it judges nobody".to_owned());
    }
    if profile.behaviors.is_empty() {
        out.push("it has no behaviours: it only retains metrics".to_owned());
    }
    out
}

fn devices(n: usize) -> String {
    words::plural(n, "device", "devices")
}

/// A percentile makes a part of the fleet abnormal whatever it does.
fn by_construction(criteria: &Criteria, statistic: Option<&str>) -> Option<String> {
    let percentile: f64 = statistic.unwrap_or("p90").trim_start_matches('p').parse().ok()?;
    let outside = match criteria.comparison_operator {
        Some(ComparisonOperator::GreaterThan | ComparisonOperator::GreaterThanEquals) => percentile,
        _ => 100.0 - percentile,
    };
    let text = format!("by construction about {} % of the fleet is outside it", words::number(outside));
    (outside >= 1.0)
        .then(|| if outside >= 25.0 { format!("{text}: half of a healthy fleet may alarm") } else { text })
}

/// What was heard of a behaviour's metric, one value a device, beside a static criterion.
pub(super) struct Heard {
    pub(super) values: Vec<f64>,
    pub(super) limit: Limit,
    /// Devices the criterion would call abnormal now.
    pub(super) outside: usize,
    in_alarm: usize,
}

/// `None` where nothing was heard that the behaviour is about.
pub(super) fn heard(behavior: &Behavior, env: &Env<'_>) -> Option<Heard> {
    let criteria = behavior.criteria.as_ref()?;
    let limit = Limit::of(criteria)?;
    let (size, minutes) = match behavior.metric.as_deref()? {
        "aws:message-byte-size" => (true, 0.0),
        "aws:num-messages-sent" => (false, env.fleet.window_ms(criteria.duration_seconds?) as f64 / 60_000.0),
        _ => return None,
    };
    let mut heard = Heard { values: Vec::new(), limit, outside: 0, in_alarm: 0 };
    for (id, device) in env.fleet.devices().filter(|(_, d)| !d.is_unattributed()) {
        let quiet = matches!(device.word(), Word::Contained | Word::Revoked);
        let value = match size {
            true => device.last_len().map(f64::from),
            false => env.fleet.per_minute(id, env.now).map(|rate| rate * minutes),
        };
        let Some(value) = value.filter(|_| !quiet) else { continue };
        heard.values.push(value);
        heard.outside += usize::from(limit.is_beyond(value));
        let mine = device.violations().iter().filter_map(|i| env.fleet.violations().get()?.get(*i as usize));
        heard.in_alarm += usize::from(mine.into_iter().any(|v| v.behavior.name == behavior.name));
    }
    (!heard.values.is_empty()).then_some(heard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quell_fleet::event::{Batch, Event, Message, TopicEntry};
    use quell_fleet::model::Name;
    use quell_fleet::{Fleet, Limits};
    use quell_rules::detect::model::{MetricValue, StatisticalThreshold};

    fn size(operator: ComparisonOperator, limit: i64) -> Behavior {
        Behavior {
            name: "LargeMessageSize".to_owned(),
            metric: Some("aws:message-byte-size".to_owned()),
            metric_dimension: None,
            criteria: Some(Criteria {
                comparison_operator: Some(operator),
                value: Some(MetricValue { count: Some(limit), ..MetricValue::default() }),
                consecutive_datapoints_to_alarm: Some(2),
                ..Criteria::default()
            }),
            suppress_alerts: None,
            export_metric: None,
        }
    }

    /// Four healthy devices and a rogue.
    fn heard() -> Fleet {
        let mut fleet = Fleet::new(Limits::default());
        let mut batch = Batch::default();
        for id in 0..5_u32 {
            batch.topics.push(TopicEntry {
                id,
                topic: format!("t{id}").as_str().into(),
                thing: Some(Name::new(&format!("Thing0{id}"))),
                telemetry: true,
            });
            batch.messages.push(Message {
                topic: id,
                len: if id == 4 { 3000 } else { 110 },
                at: 9,
                payload: None,
            });
        }
        fleet.apply(Event::Batch(batch), 9);
        fleet
    }

    #[test]
    fn an_inverted_criterion_is_told_by_what_was_heard() {
        let fleet = heard();
        let env = Env { fleet: &fleet, now: 10 };
        let told = |behavior: &Behavior| doubts(behavior, super::heard(behavior, &env).as_ref());
        let wrong = told(&size(ComparisonOperator::GreaterThan, 2000));
        assert!(wrong[0].contains("inverted") && wrong[0].contains("4 of 5 devices"), "{wrong:?}");
        assert!(told(&size(ComparisonOperator::LessThan, 2000)).is_empty());
        let text = normal(&size(ComparisonOperator::LessThan, 2000));
        assert_eq!(text, "normal when message size below 2.0 kB; alarms after 2 in a row, clears after 1");
    }

    #[test]
    fn a_percentile_tells_whom_it_calls_abnormal() {
        let mut behavior = size(ComparisonOperator::LessThanEquals, 0);
        if let Some(criteria) = &mut behavior.criteria {
            criteria.value = None;
            criteria.statistical_threshold = Some(StatisticalThreshold { statistic: Some("p50".to_owned()) });
        }
        let fleet = heard();
        let seen = super::heard(&behavior, &Env { fleet: &fleet, now: 10 });
        let told = doubts(&behavior, seen.as_ref());
        assert!(told[0].contains("50 %") && told[0].contains("half"), "{told:?}");
    }
}
