//! Changes to a topic rule, as plans: a statement that can never match, and a metric that counts where it was meant to
//! measure, are said before anything is written (contract §1.1).

use crate::fleet::account::RuleMetric;
use crate::response::plan::draft::Draft;
use crate::response::plan::facts::Facts;
use crate::response::plan::request::{Proof, Request, Work};
use crate::response::plan::{Level, Reversible};
use crate::sql::{Statement, Template, Version};
use crate::text::SafeText;

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
    match Statement::parse(&body.sql, version) {
        Err(error) => wrong.push(error.to_string()),
        Ok(statement) => {
            if statement.from.is_none() {
                doubtful.push("without FROM only messages to $aws/rules/… reach it".to_owned());
            }
            doubtful.extend(statement.remarks().into_iter().map(|r| r.text));
        }
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
        } else if let Err(error) = Template::parse(text.raw(), version) {
            wrong.push(format!("the metric's {what}: {error}"));
        }
    }
    if !metric.role.raw().starts_with("arn:") || !metric.role.raw().contains(":role/") {
        wrong
            .push("the rules engine needs a role to write the metric with: arn:aws:iam::…:role/…".to_owned());
    }
    if metric.namespace.raw().starts_with("AWS/") {
        wrong.push("namespaces that begin with AWS/ are AWS's own".to_owned());
    }
    doubtful.extend(counts(metric));
    (wrong, doubtful)
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
            draft.reversible = Reversible::Yes(SafeText::new("undo switches it back"));
            RuleRequest::Switch { rule: rule.clone(), on }
        }
        (RuleEdit::Delete, Some(found)) => {
            let whole = found.others == 0 && !found.error_action && found.body.metric.is_some();
            draft.reversible = if whole {
                Reversible::Yes(SafeText::new("undo creates it again as it was"))
            } else {
                Reversible::No(SafeText::new("it has actions quell cannot write again; disable it instead"))
            };
            draft.type_name = Some((rule.shown().clone(), None));
            RuleRequest::Delete { rule: rule.clone(), was: whole.then(|| found.body.clone()) }
        }
    };
    draft.work.push(Work {
        name: rule.clone(),
        client: rule,
        requests: vec![Request::Rule(Box::new(request))],
        mapped: false,
        proof: Proof::Shown,
    });
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
    let Some(found) = found else {
        if body.metric.is_none() {
            draft.refuse("a rule without an action does nothing: AWS refuses it");
        }
        draft.reversible = Reversible::Yes(SafeText::new("undo deletes it"));
        return Some(RuleRequest::Create { rule, body: body.clone() });
    };
    if found.body == *body {
        draft.nothing = Some(SafeText::new("it is written like this already"));
        return None;
    }
    if found.body.metric.is_some() && body.metric.is_none() && found.others == 0 {
        draft.refuse("a rule without an action does nothing: AWS refuses it");
    }
    if found.others > 0 || found.error_action {
        draft.note(Level::Info, "its other actions stay as they are");
    }
    draft.note(Level::Warn, format!("it replaces: {}", found.body.sql));
    draft.reversible = Reversible::Yes(SafeText::new("undo restores what was"));
    Some(RuleRequest::Replace { rule, to: body.clone(), was: found.body.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::model::Name;

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
    fn what_aws_would_refuse_is_said_before_it_is_asked() {
        let (wrong, _) = doubts("high-humidity", &body("SELEKT 1", ""));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
    }
}
