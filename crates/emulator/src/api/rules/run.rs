//! A message meets the rules.

use std::cell::Cell;

use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Value, json};

use super::actions;
use super::check::Rule;
use crate::account::Account;
use crate::api::cloudwatch;
use crate::api::registry::{self, uuid};
use crate::broker::{Principal, Properties, Session};
use quell_rules::sql::{self, Message, Outcome};

/// How often a message may be republished into the rules before they are thought to feed themselves.
const HOPS: u8 = 8;

thread_local! {
    /// Rules run where the message was published: how deep this thread is in republished messages.
    static DEPTH: Cell<u8> = const { Cell::new(0) };
}

/// Who published, and what came with it.
#[derive(Clone, Copy, Default)]
struct Origin<'a> {
    client_id: Option<&'a str>,
    principal: Option<&'a str>,
    ip: Option<std::net::IpAddr>,
    with: Option<&'a Properties>,
}

/// A client published; HTTP callers have an empty client id.
pub fn on_publish(
    account: &Account,
    session: &Session,
    topic: &str,
    payload: &Bytes,
    with: Option<&Properties>,
) {
    let principal = match &session.principal {
        Principal::Anonymous => None,
        known => Some(known.identifier()),
    };
    let origin = Origin {
        client_id: Some(&*session.client_id).filter(|id| !id.is_empty()),
        principal,
        ip: Some(session.ip),
        with,
    };
    run_matching(account, origin, topic, payload);
}

/// AWS itself published: shadow answers, lifecycle and registry events.
pub fn on_publish_by_aws(account: &Account, topic: &str, payload: &Bytes) {
    run_matching(account, Origin::default(), topic, payload);
}

fn run_matching(account: &Account, origin: Origin<'_>, topic: &str, payload: &Bytes) {
    let index = account.rules.index();
    if let Some(rest) = topic.strip_prefix("$aws/rules/") {
        // Basic Ingest: the rule is named, and sees the topic without the prefix.
        let (name, topic) = rest.split_once('/').unwrap_or((rest, ""));
        let rule = index.named(name).cloned();
        drop(index);
        match rule {
            Some(rule) => run(account, &rule, origin, topic, payload),
            None => count(account, "RuleNotFound", name),
        }
        return;
    }
    if index.is_empty() {
        return;
    }
    let rules = index.matching(topic);
    drop(index);
    for rule in rules {
        run(account, &rule, origin, topic, payload);
    }
}

/// Properties as rules read them.
fn readable(with: &Properties) -> sql::Properties<'_> {
    sql::Properties {
        content_type: with.content_type.as_deref(),
        utf8: with.utf8,
        response_topic: with.response_topic.as_deref(),
        correlation_data: with.correlation_data.as_deref(),
        user_properties: &with.user_properties,
    }
}

fn count(account: &Account, metric: &str, rule: &str) {
    cloudwatch::count(account, "AWS/IoT", metric, &[("RuleName", rule)], 1.0);
}

fn count_action(account: &Account, metric: &str, rule: &str, kind: &'static str) {
    let dimensions = [("ActionType", actions::metric_name(kind)), ("RuleName", rule)];
    cloudwatch::count(account, "AWS/IoT", metric, &dimensions, 1.0);
}

fn run(account: &Account, rule: &Rule, origin: Origin<'_>, topic: &str, payload: &Bytes) {
    let depth = DEPTH.get();
    if depth >= HOPS {
        tracing::warn!(rule = rule.name, "rules republish into one another; stopped");
        return;
    }
    DEPTH.set(depth + 1);
    evaluate(account, rule, origin, topic, payload);
    DEPTH.set(depth);
}

fn evaluate(account: &Account, rule: &Rule, origin: Origin<'_>, topic: &str, payload: &Bytes) {
    count(account, "TopicMatch", &rule.name);
    let trace_id = uuid();
    let ip = origin.ip.map(|ip| ip.to_string());
    let shadow = |thing: &str, name: Option<&str>| {
        let now = account.clock.now_ms() / 1000;
        account.read().shadows.get(thing, name).map(|s| s.document(now, None))
    };
    let registry = |read: &str, thing: &str| registry::read_for_rule(account, read, thing);
    let message = Message {
        topic,
        payload,
        client_id: origin.client_id,
        principal: origin.principal,
        source_ip: ip.as_deref(),
        now_ms: account.clock.now_ms(),
        account_id: &account.id,
        trace_id: &trace_id,
        shadow: Some(&shadow),
        registry: Some(&registry),
        properties: origin.with.map(readable),
    };
    let output = match rule.statement.evaluate(&message) {
        Outcome::NotSelected => return,
        Outcome::ParseError => return count(account, "ParseError", &rule.name),
        Outcome::TooMuch => {
            tracing::warn!(
                rule = rule.name,
                topic,
                "the rule takes more work than a rule may; it did not run"
            );
            return count(account, "Failure", &rule.name);
        }
        Outcome::Selected(output) => output,
    };
    if output.is_empty() && !payload.is_empty() {
        tracing::warn!(
            rule = rule.name,
            topic,
            "the rule selected Undefined: its actions get an empty payload"
        );
    }
    cloudwatch::count(account, "AWS/IoT", "RulesExecuted", &[], 1.0);
    let mut failures: Vec<Value> = Vec::new();
    for step in &rule.steps {
        match actions::run(account, step, &message, &output) {
            Ok(()) => count_action(account, "Success", &rule.name, step.kind),
            Err(failure) => {
                tracing::warn!(
                    rule = rule.name,
                    action = step.kind,
                    error = failure.message,
                    "rule action failed"
                );
                count_action(account, "Failure", &rule.name, step.kind);
                failures.push(json!({
                    "failedAction": format!("{}Action", actions::metric_name(step.kind)),
                    "failedResource": failure.resource,
                    "errorMessage": failure.message,
                }));
            }
        }
    }
    let Some(step) = rule.on_error.as_ref().filter(|_| !failures.is_empty()) else { return };
    let report = json!({
        "ruleName": rule.name,
        "topic": topic,
        "cloudwatchTraceId": trace_id,
        "clientId": origin.client_id.unwrap_or("N/A"),
        "base64OriginalPayload": base64::engine::general_purpose::STANDARD.encode(payload),
        "failures": failures,
    });
    let report = Bytes::from(report.to_string());
    match actions::run(account, step, &message, &report) {
        Ok(()) => count_action(account, "ErrorActionSuccess", &rule.name, step.kind),
        Err(failure) => {
            tracing::warn!(
                rule = rule.name,
                action = step.kind,
                error = failure.message,
                "error action failed"
            );
            count_action(account, "ErrorActionFailure", &rule.name, step.kind);
        }
    }
}
