//! The changing requests of topic rules.

use aws_sdk_iot::types::{
    Action, CloudwatchMetricAction, LambdaAction, MessageFormat, RepublishAction, SnsAction, TopicRule,
    TopicRulePayload,
};

use crate::cloud::{Aws, Changes, read_account};
use crate::response::plan::RuleBody;
use crate::response::plan::rule::request::RuleRequest;
use crate::response::read::rule;
use quell_fleet::Ms;
use quell_fleet::account::RuleDelivery;

use super::{Accepted, Failed, Sent, failed};

/// Sends one request of a granted plan.
pub(in crate::response) async fn send(
    c: &Aws,
    door: Changes<'_>,
    request: &RuleRequest,
    now: Ms,
) -> Result<Accepted, Failed> {
    let sent = Sent { action: request.operation(), now };
    match request {
        RuleRequest::Switch { rule, on: true } => {
            sent.done(door.iot().enable_topic_rule().rule_name(rule.raw()).send().await)
        }
        RuleRequest::Switch { rule, on: false } => {
            sent.done(door.iot().disable_topic_rule().rule_name(rule.raw()).send().await)
        }
        RuleRequest::Create { rule, body } => {
            let payload = payload(body, None)?;
            sent.done(
                door.iot().create_topic_rule().rule_name(rule.raw()).topic_rule_payload(payload).send().await,
            )
        }
        RuleRequest::Replace { rule, to, was } => {
            let there = read_account::rule(c, rule.raw()).await.map_err(|t| failed(t, None))?;
            let there = there.filter(|r| rule::facts(r).body == *was);
            let Some(there) = there else {
                return Err(Failed::local(
                    "the rule is no longer as the plan showed it: not sent, plan again",
                ));
            };
            let payload = payload(to, Some(&there))?;
            sent.done(
                door.iot()
                    .replace_topic_rule()
                    .rule_name(rule.raw())
                    .topic_rule_payload(payload)
                    .send()
                    .await,
            )
        }
        RuleRequest::Delete { rule, .. } => {
            sent.done(door.iot().delete_topic_rule().rule_name(rule.raw()).send().await)
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
