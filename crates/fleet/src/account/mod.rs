//! What a few views read of the account: policies in effect, a thing's job executions, device-side metrics, topic rules,
//! audit findings. Each with its own age and trouble, and bounded: a shared console runs for weeks.

mod records;

use std::collections::HashMap;
use std::sync::Arc;

use crate::text::SafeText;

pub use records::{
    AccountReading, CustomMetricRecord, DimensionRecord, EffectivePolicy, FindingRecord, JobDetail,
    MetricSeries, RULE_WINDOW, RuleDelivery, RuleMetric, RuleRecord, RuleSeries, TrainingRecord,
};

use super::audit::{AuditSetup, AuditTasks};
use super::known::Known;
use super::model::{ExecutionRecord, Name, Violation};
use super::{Changes, Fleet, Ms, SourceId};

/// Things whose details are kept; they are read again when somebody looks.
const THINGS: usize = 256;

/// By thing, bounded.
type ByThing<T> = HashMap<Arc<str>, Known<Vec<T>>>;

/// What was read, and how that went.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) policies: ByThing<EffectivePolicy>,
    pub(super) jobs_of: ByThing<ExecutionRecord>,
    pub(super) job_details: HashMap<Arc<str>, Known<Option<JobDetail>>>,
    pub(super) metrics: ByThing<MetricSeries>,
    pub(super) rules: Known<Vec<RuleRecord>>,
    pub(super) findings: Known<Vec<FindingRecord>>,
    pub(super) rule_metrics: ByThing<RuleSeries>,
    pub(super) audit_setup: Known<AuditSetup>,
    pub(super) audit_tasks: Known<AuditTasks>,
    pub(super) dimensions: Known<Vec<DimensionRecord>>,
    pub(super) custom_metrics: Known<Vec<CustomMetricRecord>>,
    pub(super) training: Known<Vec<TrainingRecord>>,
    pub(super) suppressed: Known<Vec<Violation>>,
    pub(super) values: HashMap<(Arc<str>, SafeText), Known<MetricSeries>>,
}

/// The place of a thing's details; where too many are kept, all go.
pub(super) fn slot<'a, T>(map: &'a mut HashMap<Arc<str>, Known<T>>, thing: &Name) -> &'a mut Known<T> {
    if map.len() >= THINGS && !map.contains_key(thing.raw()) {
        map.clear();
    }
    map.entry(thing.key()).or_default()
}

impl Account {
    /// What to read next because of it: an audit that ended has findings now.
    pub(super) fn wants(&self, reading: &AccountReading) -> Option<SourceId> {
        let AccountReading::AuditTasks(tasks) = reading else { return None };
        let running = |t: &AuditTasks| t.audits.iter().filter(|a| a.status.as_str() == "IN_PROGRESS").count();
        let before = self.audit_tasks.get().map_or(0, running);
        (running(tasks) < before).then_some(SourceId::Findings)
    }

    pub(super) fn learn(&mut self, reading: AccountReading, at: Ms) -> Changes {
        match reading {
            AccountReading::Policies(thing, list) => slot(&mut self.policies, &thing).learn(list, at),
            AccountReading::JobsOf(thing, list) => slot(&mut self.jobs_of, &thing).learn(list, at),
            AccountReading::JobDetail(job, found) => slot(&mut self.job_details, &job).learn(found, at),
            AccountReading::Metrics(thing, list) => slot(&mut self.metrics, &thing).learn(list, at),
            AccountReading::Rules(list) => self.rules.learn(list, at),
            AccountReading::Findings(list) => self.findings.learn(list, at),
            AccountReading::RuleMetrics(rule, list) => slot(&mut self.rule_metrics, &rule).learn(list, at),
            AccountReading::AuditSetup(setup) => self.audit_setup.learn(setup, at),
            AccountReading::AuditTasks(tasks) => self.audit_tasks.learn(tasks, at),
            AccountReading::Dimensions(list) => self.dimensions.learn(list, at),
            AccountReading::CustomMetrics(list) => self.custom_metrics.learn(list, at),
            AccountReading::Training(list) => self.training.learn(list, at),
            AccountReading::Suppressed(list) => self.suppressed.learn(list, at),
            AccountReading::Values(thing, series) => {
                self.series(&thing, &series.metric.clone()).learn(series, at);
            }
        }
        Changes::POLLS
    }

    /// The place of a metric of a thing.
    pub(super) fn series(&mut self, thing: &Name, metric: &SafeText) -> &mut Known<MetricSeries> {
        let key = (thing.key(), metric.clone());
        if self.values.len() >= THINGS && !self.values.contains_key(&key) {
            self.values.clear();
        }
        self.values.entry(key).or_default()
    }
}

impl Fleet {
    /// Policies in effect for a thing's certificates, if they were ever asked for.
    pub fn policies_of(&self, thing: &str) -> Option<&Known<Vec<EffectivePolicy>>> {
        self.account.policies.get(thing)
    }

    /// What a job runs and how it is rolled out, if it was ever asked for; `None` where there is no such job.
    pub fn job_detail(&self, job: &str) -> Option<&Known<Option<JobDetail>>> {
        self.account.job_details.get(job)
    }

    /// A thing's job executions, if they were ever asked for.
    pub fn jobs_of(&self, thing: &str) -> Option<&Known<Vec<ExecutionRecord>>> {
        self.account.jobs_of.get(thing)
    }

    /// A thing's device-side metrics, if they were ever asked for.
    pub fn metrics_of(&self, thing: &str) -> Option<&Known<Vec<MetricSeries>>> {
        self.account.metrics.get(thing)
    }

    /// Topic rules.
    pub fn rules(&self) -> &Known<Vec<RuleRecord>> {
        &self.account.rules
    }

    /// What CloudWatch has of a rule, if it was ever asked for.
    pub fn rule_metrics(&self, rule: &str) -> Option<&Known<Vec<RuleSeries>>> {
        self.account.rule_metrics.get(rule)
    }

    /// Audit settings, suppressions and mitigation actions.
    pub fn audit_setup(&self) -> &Known<AuditSetup> {
        &self.account.audit_setup
    }

    /// Audits and mitigation tasks.
    pub fn audit_tasks(&self) -> &Known<AuditTasks> {
        &self.account.audit_tasks
    }

    /// Dimensions.
    pub fn dimensions(&self) -> &Known<Vec<DimensionRecord>> {
        &self.account.dimensions
    }

    /// Custom metrics.
    pub fn custom_metrics(&self) -> &Known<Vec<CustomMetricRecord>> {
        &self.account.custom_metrics
    }

    /// How far AWS's learning is.
    pub fn training(&self) -> &Known<Vec<TrainingRecord>> {
        &self.account.training
    }

    /// Active violations whose alerts are suppressed.
    pub fn suppressed(&self) -> &Known<Vec<Violation>> {
        &self.account.suppressed
    }

    /// AWS's own values of a metric of a thing, if they were ever asked for.
    pub fn values_of(&self, thing: &Name, metric: &SafeText) -> Option<&Known<MetricSeries>> {
        self.account.values.get(&(thing.key(), metric.clone()))
    }

    /// Audit findings.
    pub fn findings(&self) -> &Known<Vec<FindingRecord>> {
        &self.account.findings
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, Poll, Reading};
    use super::super::known::{Trouble, TroubleKind};
    use super::super::{Fleet, Limits};
    use super::*;

    fn poll(fleet: &mut Fleet, source: SourceId, outcome: Result<Reading, Trouble>) {
        fleet.apply(Event::Poll(Poll { source, generation: 1, at: 5, outcome, next_at: None }), 5);
    }

    #[test]
    fn unread_refused_and_empty_are_three_things() {
        let mut fleet = Fleet::new(Limits::default());
        assert!(fleet.findings().get().is_none() && fleet.findings().trouble().is_none());
        let trouble = Trouble {
            kind: TroubleKind::Denied,
            message: "denied".into(),
            missing_action: Some("iot:ListAuditFindings".into()),
            since: 5,
        };
        poll(&mut fleet, SourceId::Findings, Err(trouble));
        assert!(fleet.findings().get().is_none() && fleet.findings().trouble().is_some());
        poll(&mut fleet, SourceId::Findings, Ok(Reading::Account(AccountReading::Findings(Vec::new()))));
        assert_eq!(fleet.findings().get(), Some(&Vec::new()));
        assert!(fleet.findings().is_current());
    }

    #[test]
    fn details_of_many_things_stay_bounded() {
        let mut fleet = Fleet::new(Limits::default());
        for i in 0..1_000 {
            let name = Name::new(&format!("thing-{i}"));
            let reading = AccountReading::JobsOf(name.clone(), Vec::new());
            poll(&mut fleet, SourceId::JobsOf(name), Ok(Reading::Account(reading)));
        }
        assert!(fleet.account.jobs_of.len() <= THINGS);
        assert!(fleet.jobs_of("thing-999").is_some());
    }
}
