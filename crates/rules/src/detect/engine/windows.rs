//! Windows that ended: every device's sum against the behaviours, alone or among the fleet.

use std::sync::Arc;

use super::plan::Kind;
use super::{Datum, Due, Engine, count, outcome, verdict};
use crate::detect::judge::{compare, is_normal};
use crate::detect::metric::Metric;
use crate::detect::model::{ComparisonOperator, MetricValue};
use crate::detect::percentile::nearest_rank;
use crate::detect::window;

impl Engine {
    pub(super) fn judge_window(
        &mut self,
        series: usize,
        number: i64,
        whole: &dyn Fn(Option<&str>, i64, i64) -> bool,
        due: &mut Due,
    ) {
        let length_ms = self.plan.series[series].length_ms;
        let at_ms = window::end_ms(number, length_ms);
        let partial = self.holes.iter().any(|(from, to)| *from < at_ms && *to > at_ms - length_ms);
        let metric = self.plan.series[series].metric.clone();
        let measured = |sum: f64| match metric {
            Metric::Custom(_) => MetricValue { number: Some(sum), ..MetricValue::default() },
            _ => count(sum as i64),
        };
        let mut sums: Vec<(Arc<str>, f64)> = self
            .devices
            .iter_mut()
            .filter_map(|(name, device)| Some((Arc::clone(name), device.take(series, number)?)))
            .collect();
        sums.sort_by(|a, b| a.0.cmp(&b.0));
        for (index, rule) in self.plan.rules.iter().enumerate() {
            if rule.kind != Kind::Window(series) {
                continue;
            }
            let (Some(operator), Some(criteria)) = (rule.operator, &rule.behavior.criteria) else { continue };
            let applies =
                |device: &Arc<str>| self.devices.get(device).is_some_and(|d| d.applies(rule.profile));
            let expected = match &criteria.statistical_threshold {
                None => None,
                Some(_) if partial || !whole(None, at_ms - length_ms, at_ms) => continue,
                Some(threshold) => {
                    let mut values: Vec<f64> =
                        sums.iter().filter(|(d, _)| applies(d)).map(|(_, sum)| *sum).collect();
                    values.sort_by(f64::total_cmp);
                    match nearest_rank(&values, threshold.statistic.as_deref().unwrap_or("p90")) {
                        Some(value) => Some(value),
                        None => continue,
                    }
                }
            };
            for (name, sum) in &sums {
                let Some(device) = self.devices.get_mut(name).filter(|d| d.applies(rule.profile)) else {
                    continue;
                };
                let value = measured(*sum);
                let normal = match (expected, &criteria.value) {
                    (Some(expected), _) => Some(compare(*sum, operator, expected)),
                    (None, Some(expected)) => is_normal(&value, operator, expected),
                    (None, None) => None,
                };
                let Some(normal) = normal else { continue };
                let certain = !normal
                    && matches!(operator, ComparisonOperator::LessThan | ComparisonOperator::LessThanEquals);
                if !certain && (partial || !whole(Some(&**name), at_ms - length_ms, at_ms)) {
                    continue;
                }
                if let Some(change) = device.slots[index].alarm.datapoint(normal, rule.patience, at_ms) {
                    due.verdicts.push(verdict(rule, name, outcome(change), at_ms, value));
                }
            }
        }
        let kept = &self.plan.series[series];
        if kept.keepers.is_empty() {
            return;
        }
        due.data.extend(
            sums.into_iter()
                .filter(|(name, _)| {
                    self.devices.get(name).is_some_and(|d| kept.keepers.iter().any(|p| d.applies(*p)))
                })
                .map(|(device, sum)| Datum {
                    device,
                    metric: metric.clone(),
                    topics: kept.topics.clone(),
                    at_ms,
                    value: measured(sum),
                }),
        );
    }
}
