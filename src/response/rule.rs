//! Topic rules in the account: what is read before a change and for its proof, and the changing requests.

use aws_sdk_iot::types::{
    Action, CloudwatchMetricAction, LambdaAction, MessageFormat, RepublishAction, SnsAction, TopicRule,
    TopicRulePayload,
};

use crate::cloud::{Aws, read_account};
use quell_fleet::Ms;
use quell_fleet::account::{RuleDelivery, RuleMetric};
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

use super::aws::{not_found, trouble};
use super::execute::{Accepted, Failed, Sent, failed};
use super::plan::rule::request::RuleRequest;
use super::plan::{RuleBody, RuleFacts};

/// The rule as it is; `None` when there is none of that name.
pub(in crate::response) async fn read(c: &Aws, rule: &str, now: Ms) -> Result<Option<RuleFacts>, Trouble> {
    Ok(whole(c, rule, now).await?.as_ref().map(facts))
}

async fn whole(c: &Aws, rule: &str, now: Ms) -> Result<Option<TopicRule>, Trouble> {
    // The model has no NotFound: AWS says "unauthorized" of a rule that does not exist (docs/aws-iot.md#2.7), so the list decides.
    match c.iot.get_topic_rule().rule_name(rule).send().await {
        Ok(found) => Ok(found.rule),
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => {
            let error = trouble(&e, "iot:GetTopicRule", now);
            let mut pages = c.iot.list_topic_rules().into_paginator().items().send();
            while let Some(found) = pages.next().await {
                match found {
                    Ok(found) if found.rule_name() == Some(rule) => return Err(error),
                    Ok(_) => {}
                    Err(e) => return Err(trouble(&e, "iot:ListTopicRules", now)),
                }
            }
            Ok(None)
        }
    }
}

fn facts(rule: &TopicRule) -> RuleFacts {
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

/// Sends one request of a granted plan.
pub(in crate::response) async fn send(c: &Aws, request: &RuleRequest, now: Ms) -> Result<Accepted, Failed> {
    let sent = Sent { action: request.operation(), now };
    match request {
        RuleRequest::Switch { rule, on: true } => {
            sent.done(c.iot.enable_topic_rule().rule_name(rule.raw()).send().await)
        }
        RuleRequest::Switch { rule, on: false } => {
            sent.done(c.iot.disable_topic_rule().rule_name(rule.raw()).send().await)
        }
        RuleRequest::Create { rule, body } => {
            let payload = payload(body, None)?;
            sent.done(
                c.iot.create_topic_rule().rule_name(rule.raw()).topic_rule_payload(payload).send().await,
            )
        }
        RuleRequest::Replace { rule, to, was } => {
            let there = whole(c, rule.raw(), now).await.map_err(|t| failed(t, None))?;
            let there = there.filter(|r| facts(r).body == *was);
            let Some(there) = there else {
                return Err(Failed::local(
                    "the rule is no longer as the plan showed it: not sent, plan again",
                ));
            };
            let payload = payload(to, Some(&there))?;
            sent.done(
                c.iot.replace_topic_rule().rule_name(rule.raw()).topic_rule_payload(payload).send().await,
            )
        }
        RuleRequest::Delete { rule, .. } => {
            sent.done(c.iot.delete_topic_rule().rule_name(rule.raw()).send().await)
        }
    }
}

/// The rule to send: what quell writes of it, and whatever else it has already.
fn payload(body: &RuleBody, there: Option<&TopicRule>) -> Result<TopicRulePayload, Failed> {
    let wrong = |e: aws_smithy_types::error::operation::BuildError| Failed::local(&e.to_string());
    let metric = body.metric.as_ref().map(|m| {
        CloudwatchMetricAction::builder()
            .role_arn(m.role.raw())
            .metric_namespace(m.namespace.raw())
            .metric_name(m.name.raw())
            .metric_value(m.value.raw())
            .metric_unit(m.unit.raw())
            .build()
    });
    let mut metric =
        metric.transpose().map_err(wrong)?.map(|m| Action::builder().cloudwatch_metric(m).build());
    let mut delivery = body.delivery.as_ref().map(delivers).transpose().map_err(wrong)?;
    let mut actions = Vec::new();
    let (mut replaced, mut delivered) = (false, false);
    for action in there.map(TopicRule::actions).unwrap_or_default() {
        // The first of each is the one the plan showed; its place among the actions stays.
        if action.cloudwatch_metric().is_some() && !replaced {
            replaced = true;
            actions.extend(metric.take());
        } else if !delivered && read_account::delivery(action).is_some() {
            delivered = true;
            actions.extend(delivery.take());
        } else {
            actions.push(action.clone());
        }
    }
    actions.extend(metric);
    actions.extend(delivery);
    TopicRulePayload::builder()
        .sql(&body.sql)
        .description(&body.description)
        .aws_iot_sql_version(&body.version)
        .rule_disabled(body.disabled)
        .set_actions(Some(actions))
        .set_error_action(there.and_then(|r| r.error_action().cloned()))
        .build()
        .map_err(wrong)
}

fn delivers(delivery: &RuleDelivery) -> Result<Action, aws_smithy_types::error::operation::BuildError> {
    let builder = Action::builder();
    Ok(match delivery {
        RuleDelivery::Sns { topic, role, format } => builder.sns(
            SnsAction::builder()
                .target_arn(topic.raw())
                .role_arn(role.raw())
                .message_format(MessageFormat::from(format.raw()))
                .build()?,
        ),
        RuleDelivery::Republish { topic, qos, role } => builder
            .republish(RepublishAction::builder().topic(topic.raw()).qos(*qos).role_arn(role.raw()).build()?),
        RuleDelivery::Lambda { function } => {
            builder.lambda(LambdaAction::builder().function_arn(function.raw()).build()?)
        }
    }
    .build())
}
