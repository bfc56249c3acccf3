//! Changes to a topic rule, as plans: a statement that can never match, and a metric that counts where it was meant to
//! measure, are said before anything is written (docs/aws-iot.md#1.1).

use crate::response::plan::draft::Draft;
use crate::response::plan::facts::Facts;
use crate::response::plan::request::{Proof, Request, Work};
use crate::response::plan::{Level, Reversible};
use quell_fleet::account::{RuleDelivery, RuleMetric};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_rules::sql::{Statement, Version};
use quell_rules::topics::Dialect;

use super::request::RuleRequest;
use super::{RuleBody, RuleChange, RuleEdit, RuleFacts};

/// What is wrong with a rule before AWS is asked: the first list AWS would refuse, the second it would take and should not be
/// meant.
pub fn doubts(name: &str, body: &RuleBody) -> (Vec<String>, Vec<String>) {
    let (mut wrong, mut doubtful) = (Vec::new(), Vec::new());
    if name.is_empty() || name.len() > 128 || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        wrong.push("a rule's name has 1 to 128 letters, digits or _".to_owned());
    }
    let Some(version) = Version::parse(&body.version) else {
        wrong.push(format!("there is no SQL version {}", body.version));
        return (wrong, doubtful);
    };
    let statement = Statement::parse(&body.sql, version);
    match &statement {
        Err(error) => wrong.push(error.to_string()),
        Ok(statement) => {
            if statement.from.is_none() {
                doubtful.push("without FROM only messages to $aws/rules/… reach it".to_owned());
            }
            doubtful.extend(statement.remarks().into_iter().map(|r| r.text));
        }
    }
    if let Some(delivery) = &body.delivery {
        delivered(delivery, statement.as_ref().ok(), &mut wrong, &mut doubtful);
    }
    let Some(metric) = &body.metric else { return (wrong, doubtful) };
    for (what, text) in [
        ("namespace", &metric.namespace),
        ("name", &metric.name),
        ("value", &metric.value),
        ("unit", &metric.unit),
    ] {
        if text.raw().is_empty() {
            wrong.push(format!("the metric needs a {what}"));
        } else if let Some(Err(error)) = statement.as_ref().ok().map(|s| s.template(text.raw())) {
            wrong.push(format!("the metric's {what}: {error}"));
        }
    }
    if !is_role(&metric.role) {
        wrong
            .push("the rules engine needs a role to write the metric with: arn:aws:iam::…:role/…".to_owned());
    }
    if metric.namespace.raw().starts_with("AWS/") {
        wrong.push("namespaces that begin with AWS/ are AWS's own".to_owned());
    }
    doubtful.extend(counts(metric));
    (wrong, doubtful)
}

fn is_role(role: &Name) -> bool {
    role.raw().starts_with("arn:") && role.raw().contains(":role/")
}

/// What is wrong with a delivery, and what should not be meant; its templates are read where the statement could be.
fn delivered(
    delivery: &RuleDelivery,
    statement: Option<&Statement>,
    wrong: &mut Vec<String>,
    doubtful: &mut Vec<String>,
) {
    let needs_role = "the rules engine needs a role to publish with: arn:aws:iam::…:role/…";
    match delivery {
        RuleDelivery::Sns { topic, role, format } => {
            if !topic.raw().starts_with("arn:") || !topic.raw().contains(":sns:") {
                wrong.push("the SNS topic's ARN is missing: arn:aws:sns:…".to_owned());
            }
            if !is_role(role) {
                wrong.push(needs_role.to_owned());
            }
            if !["RAW", "JSON"].contains(&format.raw()) {
                wrong.push(format!("SNS takes RAW or JSON, not {}", format.raw()));
            }
        }
        RuleDelivery::Republish { topic, qos, role } => {
            let raw = topic.raw();
            match statement.map(|statement| statement.template(raw)) {
                Some(Err(error)) => wrong.push(format!("the topic to republish to: {error}")),
                _ if raw.is_empty() => wrong.push("which topic is it republished to?".to_owned()),
                _ if !raw.contains("${") && raw.contains(['+', '#']) => {
                    wrong.push("it is republished to one topic: + and # are for filters".to_owned());
                }
                _ if raw.starts_with("$aws") => {
                    wrong.push("a reserved topic is written $$aws/… in a rule".to_owned());
                }
                _ => {}
            }
            if !(0..=1).contains(qos) {
                wrong.push("AWS IoT knows QoS 0 and 1".to_owned());
            }
            if !is_role(role) {
                wrong.push(needs_role.to_owned());
            }
            if statement
                .and_then(|s| s.from.as_deref())
                .is_some_and(|filter| Dialect::Aws.matches(filter, raw))
            {
                doubtful.push(
                    "it is republished to a topic it reads itself: a loop, each round paid for".to_owned(),
                );
            }
        }
        RuleDelivery::Lambda { function } => {
            if !function.raw().starts_with("arn:") || !function.raw().contains(":function:") {
                wrong.push("the Lambda function's ARN is missing: arn:aws:lambda:…:function:…".to_owned());
            }
        }
    }
}

/// A fixed value counts messages, whatever they say.
fn counts(metric: &RuleMetric) -> Option<String> {
    let fixed: f64 = metric.value.raw().trim().parse().ok()?;
    Some(format!(
        "the value {fixed} is the same for every message: Sum then counts messages; ${{state.reported.Humidity}}, say, \
         would record the reading"
    ))
}

pub(in crate::response::plan) fn build(draft: &mut Draft<'_>, facts: &Facts, wanted: &RuleChange) {
    let rule = wanted.rule.clone();
    let found = facts.rule.as_ref();
    let request = match (&wanted.change, found) {
        (RuleEdit::Write(body), found) => match write(draft, wanted, body, found) {
            Some(request) => request,
            None => return,
        },
        (RuleEdit::Amend(body), found) => {
            let held = found.map(|f| f.body.clone()).unwrap_or_default();
            let whole = RuleBody {
                metric: body.metric.clone().or(held.metric),
                delivery: body.delivery.clone().or(held.delivery),
                ..RuleBody::clone(body)
            };
            match write(draft, wanted, &whole, found) {
                Some(request) => request,
                None => return,
            }
        }
        (_, None) => return draft.refuse(format!("the account has no topic rule {}", rule.raw())),
        (RuleEdit::Enable | RuleEdit::Disable, Some(found)) => {
            let on = wanted.change == RuleEdit::Enable;
            if found.body.disabled != on {
                draft.nothing = Some(SafeText::new(if on { "it is enabled" } else { "it is disabled" }));
                return;
            }
            if on {
                let (_, doubtful) = doubts(rule.raw(), &found.body);
                doubtful.iter().for_each(|d| draft.note(Level::Warn, d));
            } else {
                draft.note(Level::Warn, "what hangs on it is not told any more: its metric stands still");
            }
            RuleRequest::Switch { rule: rule.clone(), on }
        }
        (RuleEdit::Delete, Some(found)) => {
            let whole = found.others == 0 && !found.error_action && found.body.acts();
            if !whole {
                draft.reversible = Reversible::No(SafeText::new(
                    "it has actions quell cannot write again; disable it instead",
                ));
            }
            draft.type_name = Some((rule.shown().clone(), None));
            RuleRequest::Delete { rule: rule.clone(), was: whole.then(|| found.body.clone()) }
        }
    };
    draft.work.push(Work::of(rule, vec![Request::Rule(Box::new(request))], Proof::Shown));
    draft.prove("the account shows it as it was written");
}

fn write(
    draft: &mut Draft<'_>,
    wanted: &RuleChange,
    body: &RuleBody,
    found: Option<&RuleFacts>,
) -> Option<RuleRequest> {
    let rule = wanted.rule.clone();
    let (wrong, doubtful) = doubts(rule.raw(), body);
    for text in &wrong {
        draft.refuse(text);
        draft.note(Level::Danger, text);
    }
    for text in &doubtful {
        draft.note(Level::Warn, text);
    }
    if body.metric.is_some() {
        draft.note(
            Level::Info,
            "a custom namespace stands by itself in CloudWatch, without dimensions; what AWS counts of the rule is in AWS/IoT",
        );
    }
    if matches!(body.delivery, Some(RuleDelivery::Lambda { .. })) {
        draft.note(
            Level::Info,
            "the function's own policy must let iot.amazonaws.com invoke it: a rule cannot grant that",
        );
    }
    let Some(found) = found else {
        if !body.acts() {
            draft.refuse("a rule without an action does nothing: AWS refuses it");
        }
        draft.reversible = Reversible::Yes(SafeText::new("undo deletes it"));
        return Some(RuleRequest::Create { rule, body: body.clone() });
    };
    if found.body == *body {
        draft.nothing = Some(SafeText::new("it is written like this already"));
        return None;
    }
    if found.body.acts() && !body.acts() && found.others == 0 {
        draft.refuse("a rule without an action does nothing: AWS refuses it");
    }
    if found.others > 0 || found.error_action {
        draft.note(Level::Info, "its other actions stay as they are");
    }
    draft.note(Level::Warn, format!("it replaces: {}", found.body.sql));
    Some(RuleRequest::Replace { rule, to: body.clone(), was: found.body.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(sql: &str, value: &str) -> RuleBody {
        RuleBody {
            sql: sql.to_owned(),
            version: "2016-03-23".to_owned(),
            metric: Some(RuleMetric {
                namespace: Name::new("IoT"),
                name: Name::new("HighHumidity"),
                value: Name::new(value),
                unit: Name::new("Count"),
                role: Name::new("arn:aws:iam::123456789012:role/IoTtoCloudWatchAlerting"),
            }),
            ..RuleBody::default()
        }
    }

    #[test]
    fn the_seeds_rule_is_doubted_and_the_corrected_one_is_not() {
        let seed =
            "SELECT Humidity FROM '$aws/things/IoT-Temperature-Device/shadow/update' WHERE Humidity > 50";
        let (wrong, doubtful) = doubts("HighHumidity", &body(seed, "1"));
        assert_eq!(wrong, Vec::<String>::new(), "AWS takes it");
        assert!(doubtful.iter().any(|d| d.contains("never match")), "{doubtful:?}");
        assert!(doubtful.iter().any(|d| d.contains("counts messages")), "{doubtful:?}");
        let right = "SELECT state.reported.Humidity AS Humidity FROM '$aws/things/+/shadow/update/accepted' \
                     WHERE state.reported.Humidity > 50";
        assert_eq!(
            doubts("HighHumidity", &body(right, "${state.reported.Humidity}")),
            (Vec::new(), Vec::new())
        );
    }

    #[test]
    fn deliveries_are_checked_before_aws_is_asked() {
        let role = || Name::new("arn:aws:iam::123456789012:role/Rules");
        let with = |delivery| RuleBody {
            metric: None,
            delivery: Some(delivery),
            ..body("SELECT * FROM 'dt/+/data'", "1")
        };
        let to = |topic: &str| RuleDelivery::Republish { topic: Name::new(topic), qos: 1, role: role() };
        assert_eq!(doubts("Again", &with(to("alarms/${topic(2)}"))), (Vec::new(), Vec::new()));
        let (wrong, doubtful) = doubts("Loop", &with(to("dt/x/data")));
        assert!(wrong.is_empty() && doubtful.iter().any(|d| d.contains("loop")), "{wrong:?} {doubtful:?}");
        for topic in ["", "dt/+/data", "$aws/things/x/shadow/update", "a/${"] {
            let (wrong, _) = doubts("Wrong", &with(to(topic)));
            assert_eq!(wrong.len(), 1, "{topic:?}: {wrong:?}");
        }
        let sns = RuleDelivery::Sns {
            topic: Name::new("BadIoTDevices"),
            role: Name::new(""),
            format: Name::new("RAW"),
        };
        assert_eq!(doubts("Sns", &with(sns)).0.len(), 2);
        let lambda =
            RuleDelivery::Lambda { function: Name::new("arn:aws:lambda:us-east-1:123456789012:function:f") };
        assert_eq!(doubts("Lambda", &with(lambda)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_aws_would_refuse_is_said_before_it_is_asked() {
        let (wrong, _) = doubts("high-humidity", &body("SELEKT 1", ""));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
    }
}
