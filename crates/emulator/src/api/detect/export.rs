//! Metrics export: values a profile marks with `exportMetric`, in batches on its MQTT topic (docs/aws-iot.md#3.9).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::live::Standing;
use crate::account::{Account, State};
use quell_rules::detect::engine::Datum;

/// Values in one message, at most: well under the largest MQTT payload.
const BATCH: usize = 200;

/// One profile's export.
struct Export {
    topic: String,
    targets: Vec<String>,
    /// Metric, with the dimension and its operator.
    metrics: Vec<(String, Option<(String, bool)>)>,
}

/// What is to be exported of the values that just became due.
pub(super) struct Exports {
    profiles: Vec<Export>,
    batches: BTreeMap<String, Vec<Value>>,
}

/// The dimension of a `metricDimension` member.
fn dimension_of(value: Option<&Value>) -> Option<(String, bool)> {
    let value = value?;
    let name = value.get("dimensionName")?.as_str()?.to_owned();
    Some((name, value.get("operator").and_then(Value::as_str) == Some("NOT_IN")))
}

impl Exports {
    /// The exports of all profiles; nearly always none.
    pub(super) fn of(state: &State) -> Self {
        let mut profiles = Vec::new();
        for (_, profile) in state.detect.profiles.iter() {
            let topic = profile.export.as_ref().and_then(|e| e.get("mqttTopic")?.as_str());
            let Some(topic) = topic else { continue };
            let judged = profile.behaviors.iter().filter(|b| b.export_metric == Some(true)).filter_map(|b| {
                let dimension = b.metric_dimension.as_ref();
                let dimension =
                    dimension.map(|d| (d.dimension_name.clone(), d.operator.as_deref() == Some("NOT_IN")));
                Some((b.metric.clone()?, dimension))
            });
            let retained = profile
                .retain
                .iter()
                .filter(|m| m.get("exportMetric") == Some(&Value::Bool(true)))
                .filter_map(|m| {
                    Some((m.get("metric")?.as_str()?.to_owned(), dimension_of(m.get("metricDimension"))))
                });
            profiles.push(Export {
                topic: topic.to_owned(),
                metrics: judged.chain(retained).collect(),
                targets: profile.targets.iter().cloned().collect(),
            });
        }
        Self { profiles, batches: BTreeMap::new() }
    }

    /// Takes a value that is kept.
    pub(super) fn add(&mut self, account: &Account, state: &State, datum: &Datum) {
        for profile in &self.profiles {
            let wanted = profile.metrics.iter().any(|(metric, dimension)| {
                metric == datum.metric.name()
                    && dimension.as_ref().map(|(n, not)| (n.as_str(), *not))
                        == datum.topics.as_ref().map(|t| (t.name.as_str(), t.negated))
            });
            if !wanted || !Standing::new(state, account, &datum.device).is_watched(profile.targets.iter()) {
                continue;
            }
            let mut row = json!({"name": datum.metric.name(), "thing": &*datum.device, "value": datum.value, "version": 1,
                "timestamp": datum.at_ms});
            if let (Some(topics), Some(row)) = (&datum.topics, row.as_object_mut()) {
                let operator = if topics.negated { "NOT_IN" } else { "IN" };
                row.insert("dimension".into(), json!({"name": topics.name, "operator": operator}));
            }
            self.batches.entry(profile.topic.clone()).or_default().push(row);
        }
    }

    /// Publishes the batches. Call it without the account's lock.
    pub(super) fn publish(self, account: &Account) {
        for (topic, rows) in self.batches {
            for batch in rows.chunks(BATCH) {
                let payload = json!({"version": "1.0", "metrics": batch}).to_string();
                account.broker().publish(&topic, payload.into());
            }
        }
    }
}
