//! Topic rules in the account: what is read before a change and for its proof.

use aws_sdk_iot::types::TopicRule;

use crate::cloud::{Aws, read_account};
use crate::response::plan::{RuleBody, RuleFacts};
use quell_fleet::account::RuleMetric;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

/// The rule as it is; `None` when there is none of that name.
pub(in crate::response) async fn read(c: &Aws, rule: &str) -> Result<Option<RuleFacts>, Trouble> {
    Ok(read_account::rule(c, rule).await?.as_ref().map(facts))
}

/// What a plan must know of a rule.
pub(in crate::response) fn facts(rule: &TopicRule) -> RuleFacts {
    let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
    let metric = rule.actions().iter().find_map(|a| a.cloudwatch_metric()).map(|m| RuleMetric {
        namespace: Name::new(m.metric_namespace()),
        name: Name::new(m.metric_name()),
        value: Name::new(m.metric_value()),
        unit: Name::new(m.metric_unit()),
        role: Name::new(m.role_arn()),
    });
    let delivery = rule.actions().iter().find_map(read_account::delivery);
    RuleFacts {
        others: rule.actions().len() - usize::from(metric.is_some()) - usize::from(delivery.is_some()),
        error_action: rule.error_action().is_some(),
        body: RuleBody {
            sql: text(rule.sql()),
            version: rule.aws_iot_sql_version().unwrap_or("2015-10-08").to_owned(),
            description: text(rule.description()),
            disabled: rule.rule_disabled().unwrap_or(false),
            metric,
            delivery,
        },
    }
}
