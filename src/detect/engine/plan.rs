//! What to judge: the behaviours of all profiles, compiled so that a message costs a few additions.

use std::sync::Arc;

use crate::detect::alarm::Patience;
use crate::detect::metric::Metric;
use crate::detect::model::{Behavior, ComparisonOperator};

/// The behaviours of one security profile, as input of [`Plan::new`].
#[derive(Clone, Debug)]
pub struct Profile {
    /// The security profile's name.
    pub name: Arc<str>,
    /// Its behaviours.
    pub behaviors: Vec<Behavior>,
    /// Metrics whose values are kept although no behaviour asks for them, by name.
    pub retained: Vec<String>,
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
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) metric: Metric,
    pub(super) length_ms: i64,
    pub(super) topics: Option<Arc<Topics>>,
    /// Kept for ListMetricValues.
    pub(super) retained: bool,
}

/// A TOPIC_FILTER dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// MQTT topic filters; `${iot:ClientId}` stands for the device.
    pub filters: Vec<String>,
    /// True for the operator `NOT_IN`.
    pub negated: bool,
}

impl Topics {
    /// True when a message of `device` on `topic` counts.
    pub fn counts(&self, device: &str, topic: &str) -> bool {
        self.filters.iter().any(|f| matches_filter(&f.replace("${iot:ClientId}", device), topic))
            != self.negated
    }
}

fn matches_filter(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for part in filter.split('/') {
        if part == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if part == "+" || part == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// The compiled behaviours of all profiles.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) rules: Vec<Rule>,
    pub(super) series: Vec<Series>,
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
        let mut plan = Self { profiles: profiles.len(), ..Self::default() };
        for (position, profile) in profiles.iter().enumerate() {
            for behavior in &profile.behaviors {
                let Some(criteria) = &behavior.criteria else { continue };
                let Some(metric) = behavior.metric.as_deref().and_then(Metric::parse) else { continue };
                let topics = match &behavior.metric_dimension {
                    None => None,
                    Some(dimension) => match filters(&dimension.dimension_name) {
                        None => continue,
                        Some(filters) => Some(Arc::new(Topics {
                            filters,
                            negated: dimension.operator.as_deref() == Some("NOT_IN"),
                        })),
                    },
                };
                let length_ms = window_ms(criteria.duration_seconds.unwrap_or(300)).max(1);
                let kind = if criteria.ml_detection_config.is_some() {
                    Kind::Never
                } else if criteria.statistical_threshold.is_some() || metric.needs_window() {
                    Kind::Window(plan.series(&metric, length_ms, topics.as_ref(), true))
                } else if metric == Metric::MessageByteSize {
                    // Its values are kept per window all the same, for ListMetricValues.
                    plan.series(&metric, window_ms(300).max(1), topics.as_ref(), true);
                    Kind::PerMessage
                } else {
                    Kind::Sample
                };
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
            for metric in profile.retained.iter().filter_map(|name| Metric::parse(name)) {
                plan.series(&metric, window_ms(300).max(1), None, true);
            }
        }
        plan
    }

    /// How many profiles it was made of: the length of what [`super::Engine::enroll`] takes.
    pub fn profiles(&self) -> usize {
        self.profiles
    }

    /// The shortest window, in milliseconds: how often looking for ended windows makes sense.
    pub fn shortest_window_ms(&self) -> Option<i64> {
        self.series.iter().map(|s| s.length_ms).min()
    }

    fn series(
        &mut self,
        metric: &Metric,
        length_ms: i64,
        topics: Option<&Arc<Topics>>,
        retained: bool,
    ) -> usize {
        let series = Series { metric: metric.clone(), length_ms, topics: topics.cloned(), retained };
        if let Some(found) = self.series.iter().position(|s| *s == series) {
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
            filters: vec!["dt/${iot:ClientId}/+".to_owned(), "alerts/#".to_owned()],
            negated: false,
        };
        assert!(topics.counts("Thing01", "dt/Thing01/t"));
        assert!(!topics.counts("Thing02", "dt/Thing01/t"));
        assert!(topics.counts("Thing02", "alerts/a/b") && topics.counts("x", "alerts"));
        let outside = Topics { negated: true, ..topics };
        assert!(!outside.counts("Thing01", "dt/Thing01/t") && outside.counts("Thing01", "other"));
    }
}
