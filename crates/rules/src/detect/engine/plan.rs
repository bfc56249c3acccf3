//! What to judge: the behaviours of all profiles, compiled so that a message costs a few additions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detect::alarm::Patience;
use crate::detect::metric::Metric;
use crate::detect::model::{Behavior, ComparisonOperator, MetricDimension};
use crate::topics::Dialect;

/// The behaviours of one security profile, as input of [`Plan::new`].
#[derive(Clone, Debug)]
pub struct Profile {
    /// The security profile's name.
    pub name: Arc<str>,
    /// Its behaviours.
    pub behaviors: Vec<Behavior>,
    /// Metrics whose values are kept although no behaviour asks for them.
    pub retained: Vec<Retained>,
}

/// A metric to keep the values of.
#[derive(Clone, Debug)]
pub struct Retained {
    /// Its name.
    pub metric: String,
    /// The topics it is limited to.
    pub dimension: Option<MetricDimension>,
}

/// How a rule's datapoints come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every message is one.
    PerMessage,
    /// A window of that series is one.
    Window(usize),
    /// Every sample that arrives is one.
    Sample,
    /// How long the device is gone, looked at once in 300 s.
    Absence,
    /// None: a learned model this engine does not build.
    Never,
}

/// One behaviour of one profile.
#[derive(Debug)]
pub(super) struct Rule {
    /// Position of the profile in the plan.
    pub(super) profile: usize,
    pub(super) profile_name: Arc<str>,
    pub(super) behavior: Arc<Behavior>,
    pub(super) metric: Metric,
    pub(super) operator: Option<ComparisonOperator>,
    pub(super) patience: Patience,
    pub(super) kind: Kind,
    pub(super) topics: Option<Arc<Topics>>,
}

/// Something summed per device and window.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) metric: Metric,
    pub(super) length_ms: i64,
    pub(super) topics: Option<Arc<Topics>>,
    /// The profiles, by position, that keep its values for ListMetricValues.
    pub(super) keepers: Vec<usize>,
}

impl Series {
    /// True when both sum the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.metric == other.metric && self.length_ms == other.length_ms && self.topics == other.topics
    }
}

/// A metric without windows of which every value is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) metric: Metric,
    pub(super) topics: Option<Arc<Topics>>,
    pub(super) keepers: Vec<usize>,
}

/// A TOPIC_FILTER dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topics {
    /// The dimension's name.
    pub name: String,
    /// MQTT topic filters; `${iot:ClientId}` stands for the device.
    pub filters: Vec<String>,
    /// True for the operator `NOT_IN`.
    pub negated: bool,
}

impl Topics {
    /// True when a message of `device` on `topic` counts.
    pub fn counts(&self, device: &str, topic: &str) -> bool {
        let matches = |filter: &String| {
            if filter.contains("${") {
                Dialect::Aws.matches(&filter.replace("${iot:ClientId}", device), topic)
            } else {
                Dialect::Aws.matches(filter, topic)
            }
        };
        self.filters.iter().any(matches) != self.negated
    }
}

/// Seconds between two looks at a device without a window of its own: how long it is gone, where it speaks from.
const LOOK_SECS: i64 = 300;

/// The compiled behaviours of all profiles.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) rules: Vec<Rule>,
    pub(super) series: Vec<Series>,
    pub(super) kept: Vec<Kept>,
    /// [`LOOK_SECS`] as they really pass.
    pub(super) look_ms: i64,
    /// A minute as it really passes.
    pub(super) minute_ms: i64,
    profiles: usize,
}

impl Plan {
    /// Compiles `profiles`. `window_ms` turns a behaviour's `durationSeconds` into the length windows really have;
    /// `filters` gives a dimension's topic filters, `None` when there is no such dimension (the behaviour is then not judged).
    pub fn new(
        profiles: &[Profile],
        window_ms: impl Fn(i64) -> i64,
        filters: impl Fn(&str) -> Option<Vec<String>>,
    ) -> Self {
        let mut plan = Self {
            profiles: profiles.len(),
            look_ms: window_ms(LOOK_SECS).max(1),
            minute_ms: window_ms(60).max(1),
            ..Self::default()
        };
        let topics_of = |dimension: Option<&MetricDimension>| match dimension {
            None => Some(None),
            Some(dimension) => filters(&dimension.dimension_name).map(|filters| {
                Some(Arc::new(Topics {
                    name: dimension.dimension_name.clone(),
                    filters,
                    negated: dimension.operator.as_deref() == Some("NOT_IN"),
                }))
            }),
        };
        for (position, profile) in profiles.iter().enumerate() {
            for behavior in &profile.behaviors {
                let Some(criteria) = &behavior.criteria else { continue };
                let Some(metric) = behavior.metric.as_deref().and_then(Metric::parse) else { continue };
                let Some(topics) = topics_of(behavior.metric_dimension.as_ref()) else { continue };
                let length_ms = window_ms(criteria.duration_seconds.unwrap_or(300)).max(1);
                let kind = if criteria.ml_detection_config.is_some() {
                    Kind::Never
                } else if criteria.statistical_threshold.is_some() || metric.needs_window() {
                    Kind::Window(plan.series(&metric, length_ms, topics.as_ref()))
                } else if metric == Metric::MessageByteSize {
                    Kind::PerMessage
                } else if metric == Metric::DisconnectDuration {
                    Kind::Absence
                } else {
                    Kind::Sample
                };
                plan.keep(&metric, topics.as_ref(), position);
                plan.rules.push(Rule {
                    profile: position,
                    profile_name: Arc::clone(&profile.name),
                    behavior: Arc::new(behavior.clone()),
                    metric,
                    operator: criteria.comparison_operator,
                    patience: Patience::of(criteria),
                    kind,
                    topics,
                });
            }
            for retained in &profile.retained {
                let Some(metric) = Metric::parse(&retained.metric) else { continue };
                let Some(topics) = topics_of(retained.dimension.as_ref()) else { continue };
                plan.keep(&metric, topics.as_ref(), position);
            }
        }
        plan
    }

    /// How many profiles it was made of: the length of what [`super::Engine::enroll`] takes.
    pub fn profiles(&self) -> usize {
        self.profiles
    }

    /// True when nothing a device does can matter.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.series.is_empty() && self.kept.is_empty()
    }

    /// True when it matters where devices speak from.
    pub fn watches_addresses(&self) -> bool {
        self.asks(&Metric::SourceIp)
    }

    /// True when a rule or the values kept ask for a metric that is sampled.
    pub(super) fn asks(&self, metric: &Metric) -> bool {
        self.kept.iter().any(|k| k.metric == *metric) || self.rules.iter().any(|r| r.metric == *metric)
    }

    /// Keeps a metric's values: those of 300 s windows, or every one where there are no windows.
    fn keep(&mut self, metric: &Metric, topics: Option<&Arc<Topics>>, profile: usize) {
        let keepers = if metric.needs_window() || *metric == Metric::MessageByteSize {
            let series = self.series(metric, self.look_ms, topics);
            &mut self.series[series].keepers
        } else if let Some(found) =
            self.kept.iter().position(|k| k.metric == *metric && k.topics.as_ref() == topics)
        {
            &mut self.kept[found].keepers
        } else {
            let kept = Kept { metric: metric.clone(), topics: topics.cloned(), keepers: vec![profile] };
            return self.kept.push(kept);
        };
        if keepers.last() != Some(&profile) {
            keepers.push(profile);
        }
    }

    fn series(&mut self, metric: &Metric, length_ms: i64, topics: Option<&Arc<Topics>>) -> usize {
        let series =
            Series { metric: metric.clone(), length_ms, topics: topics.cloned(), keepers: Vec::new() };
        if let Some(found) = self.series.iter().position(|s| s.is(&series)) {
            return found;
        }
        self.series.push(series);
        self.series.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dimension_selects_topics() {
        let topics = Topics {
            name: "d".to_owned(),
            filters: vec!["dt/${iot:ClientId}/+".to_owned(), "alerts/#".to_owned()],
            negated: false,
        };
        assert!(topics.counts("Thing01", "dt/Thing01/t"));
        assert!(!topics.counts("Thing02", "dt/Thing01/t"));
        assert!(topics.counts("Thing02", "alerts/a/b") && !topics.counts("x", "alerts"));
        let outside = Topics { negated: true, ..topics };
        assert!(!outside.counts("Thing01", "dt/Thing01/t") && outside.counts("Thing01", "other"));
    }
}
