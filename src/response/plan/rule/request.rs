//! The requests that change a topic rule, each with what it replaces.

use serde::{Deserialize, Serialize};

use crate::response::plan::ApiCall;
use quell_fleet::account::RuleDelivery;
use quell_fleet::model::Name;
use quell_fleet::shell::word;
use quell_fleet::text::SafeText;

use super::{RuleBody, RuleFacts};

/// One changing request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::response) enum RuleRequest {
    /// EnableTopicRule or DisableTopicRule.
    Switch { rule: Name, on: bool },
    /// CreateTopicRule.
    Create { rule: Name, body: RuleBody },
    /// ReplaceTopicRule; the other actions are read and sent again. Not sent when the rule is no longer as it was.
    Replace { rule: Name, to: RuleBody, was: RuleBody },
    /// DeleteTopicRule; `was` is the whole rule, when quell could write it again.
    Delete { rule: Name, was: Option<RuleBody> },
}

impl RuleRequest {
    pub(in crate::response) fn operation(&self) -> &'static str {
        match self {
            Self::Switch { on: true, .. } => "iot:EnableTopicRule",
            Self::Switch { on: false, .. } => "iot:DisableTopicRule",
            Self::Create { .. } => "iot:CreateTopicRule",
            Self::Replace { .. } => "iot:ReplaceTopicRule",
            Self::Delete { .. } => "iot:DeleteTopicRule",
        }
    }

    pub(in crate::response) fn rule(&self) -> &Name {
        match self {
            Self::Switch { rule, .. }
            | Self::Create { rule, .. }
            | Self::Replace { rule, .. }
            | Self::Delete { rule, .. } => rule,
        }
    }

    /// The request that takes it back; `None` where quell cannot write what was.
    pub(in crate::response) fn inverse(&self) -> Option<Self> {
        Some(match self {
            Self::Switch { rule, on } => Self::Switch { rule: rule.clone(), on: !on },
            Self::Create { rule, body } => Self::Delete { rule: rule.clone(), was: Some(body.clone()) },
            Self::Replace { rule, to, was } => {
                Self::Replace { rule: rule.clone(), to: was.clone(), was: to.clone() }
            }
            Self::Delete { rule, was } => Self::Create { rule: rule.clone(), body: was.clone()? },
        })
    }

    /// Whether the account shows it as done.
    pub(in crate::response) fn shown_by(&self, found: Option<&RuleFacts>) -> bool {
        match (self, found) {
            (Self::Switch { on, .. }, Some(found)) => found.body.disabled != *on,
            (Self::Create { body, .. } | Self::Replace { to: body, .. }, Some(found)) => found.body == *body,
            (Self::Delete { .. }, found) => found.is_none(),
            (_, None) => false,
        }
    }

    pub(in crate::response) fn call(&self) -> ApiCall {
        let name = self.rule().raw();
        let payload = match self {
            Self::Create { body, .. } | Self::Replace { to: body, .. } => {
                let delivery = body.delivery.as_ref().map(|d| match d {
                    RuleDelivery::Sns { topic, role, format } => serde_json::json!({"sns": {
                        "roleArn": role, "targetArn": topic, "messageFormat": format}}),
                    RuleDelivery::Republish { topic, qos, role } => serde_json::json!({"republish": {
                        "roleArn": role, "topic": topic, "qos": qos}}),
                    RuleDelivery::Lambda { function } => {
                        serde_json::json!({"lambda": {"functionArn": function}})
                    }
                });
                let action = body.metric.as_ref().map(|m| {
                    serde_json::json!({"cloudwatchMetric": {
                        "roleArn": m.role, "metricNamespace": m.namespace, "metricName": m.name,
                        "metricValue": m.value, "metricUnit": m.unit,
                    }})
                });
                let payload = serde_json::json!({
                    "sql": body.sql, "awsIotSqlVersion": body.version, "description": body.description,
                    "ruleDisabled": body.disabled, "actions": action.into_iter().chain(delivery).collect::<Vec<_>>(),
                });
                format!(" --topic-rule-payload {}", word(&payload.to_string()))
            }
            Self::Switch { .. } | Self::Delete { .. } => String::new(),
        };
        ApiCall {
            operation: self.operation(),
            resource: SafeText::new(&format!("rule/{name}")),
            summary: SafeText::new(&format!("--rule-name {}{payload}", word(name))),
        }
    }

    pub(in crate::response) fn title(&self) -> String {
        let name = self.rule().raw();
        match self {
            Self::Switch { on: true, .. } => format!("rule {name} enabled"),
            Self::Switch { on: false, .. } => format!("rule {name} disabled"),
            Self::Create { .. } => format!("rule {name} created"),
            Self::Replace { .. } => format!("rule {name} replaced"),
            Self::Delete { .. } => format!("rule {name} deleted"),
        }
    }

    pub(in crate::response) fn words(&self) -> (&'static str, String) {
        let name = self.rule().raw().to_owned();
        match self {
            Self::Switch { on: true, .. } => ("enable topic rule", name),
            Self::Switch { on: false, .. } => ("disable topic rule", name),
            Self::Create { body, .. } => ("create topic rule", format!("{name}: {}", body.sql)),
            Self::Replace { to, .. } => ("replace topic rule", format!("{name}: {}", to.sql)),
            Self::Delete { .. } => ("delete topic rule", name),
        }
    }
}
