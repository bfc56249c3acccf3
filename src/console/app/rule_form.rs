//! Topic rules from the keyboard: switched, deleted, written, and a statement tried on what was heard before it is written.

use bytes::Bytes;
use serde_json::json;

use crate::response::{Intent, RuleBody, RuleChange, RuleEdit, rule_doubts};
use quell_fleet::Ms;
use quell_fleet::account::{RuleDelivery, RuleMetric, RuleRecord};
use quell_fleet::model::{Name, ShadowDocument};
use quell_fleet::text::SafeText;
use quell_rules::sql::{Message, Outcome, Statement, Version};
use quell_rules::topics::Dialect;

use super::super::dialogs::{Dialog, Form, FormField, FormKind, Said};
use super::list::{ListId, key_of};
use super::{App, Env, Tone, View};

/// A statement is tried on so many of the last messages.
const TRIED: usize = 200;
/// What a rule made of a message is shown up to here.
const SHOWN: usize = 120;

const UNITS: [(&str, &str); 6] = [
    ("Count", "Count"),
    ("Percent", "Percent"),
    ("None", "None"),
    ("Bytes", "Bytes"),
    ("Seconds", "Seconds"),
    ("Count/Second", "Count/Second"),
];

impl App {
    /// The rule under the cursor.
    pub(crate) fn rule_here<'a>(&self, env: &Env<'a>) -> Option<&'a RuleRecord> {
        if *self.view() != View::Rules {
            return None;
        }
        let all = env.fleet.rules().get()?;
        let chosen = self.list(ListId::Rules).cursor();
        all.iter().find(|r| Some(key_of(r.name.raw())) == chosen)
    }

    fn change_rule(&mut self, env: &Env<'_>, change: impl FnOnce(&RuleRecord) -> (&'static str, RuleEdit)) {
        let Some(rule) = self.rule_here(env) else {
            return self.say(SafeText::new("no topic rule under the cursor"), Tone::Warn, env.now);
        };
        let (verb, change) = change(rule);
        let asked = SafeText::new(&format!("{verb} topic rule {}", rule.name.shown()));
        let rule = rule.name.clone();
        self.ask(env, asked, Intent::Rule(RuleChange { rule, change }));
    }

    /// Plan to switch the rule on, or off.
    pub(crate) fn rule_switch(&mut self, env: &Env<'_>) {
        self.change_rule(env, |rule| match rule.disabled {
            true => ("Enable", RuleEdit::Enable),
            false => ("Disable", RuleEdit::Disable),
        });
    }

    /// Plan to delete the rule.
    pub(crate) fn rule_delete(&mut self, env: &Env<'_>) {
        self.change_rule(env, |_| ("Delete", RuleEdit::Delete));
    }

    /// Write the rule under the cursor anew.
    pub(crate) fn rule_form(&mut self, env: &Env<'_>) {
        match self.rule_here(env) {
            Some(rule) => self.dialog = Some(Dialog::Form(Box::new(of_rule(rule)))),
            None => self.rule_new(env),
        }
    }

    /// Write a new rule.
    pub(crate) fn rule_new(&mut self, env: &Env<'_>) {
        // The role offered is one of the account.
        if self.account_known(env).is_none() {
            return;
        }
        let account = env.fleet.identity().get().map(|who| who.account.to_string()).unwrap_or_default();
        let blank = RuleRecord {
            name: Name::new(""),
            disabled: false,
            sql: SafeText::default(),
            sql_version: SafeText::new("2016-03-23"),
            description: SafeText::default(),
            actions: Vec::new(),
            error_action: None,
            created: None,
            metrics: vec![RuleMetric {
                namespace: Name::new("IoT"),
                name: Name::new(""),
                value: Name::new("1"),
                unit: Name::new("Count"),
                role: Name::new(&format!("arn:aws:iam::{account}:role/IoTtoCloudWatchAlerting")),
            }],
            deliveries: Vec::new(),
        };
        self.dialog = Some(Dialog::Form(Box::new(of_rule(&blank))));
    }
}

fn of_rule(rule: &RuleRecord) -> Form {
    let metric = rule.metrics.first();
    let part = |get: fn(&RuleMetric) -> &Name| metric.map_or("", |m| get(m).raw());
    let state = if rule.disabled { "disabled" } else { "enabled" };
    let version = if rule.sql_version.is_empty() { "2015-10-08" } else { rule.sql_version.as_str() };
    let mut units = UNITS.to_vec();
    let unit = part(|m| &m.unit);
    if !unit.is_empty() && !units.iter().any(|(known, _)| *known == unit) {
        units.push((unit, unit));
    }
    let (kind, target, role) = delivered(rule.deliveries.first());
    Form::new(
        FormKind::Rule,
        "Write topic rule",
        vec![
            FormField::text("rule", rule.name.raw()),
            FormField::text("SQL", rule.sql.as_str()),
            FormField::choice(
                "version",
                &[("2016-03-23", "2016-03-23"), ("2015-10-08", "2015-10-08")],
                version,
            ),
            FormField::choice("state", &[("enabled", "enabled"), ("disabled", "disabled")], state),
            FormField::text("description", rule.description.as_str()),
            FormField::text("namespace", part(|m| &m.namespace)),
            FormField::text("metric", part(|m| &m.name)),
            FormField::text("value", part(|m| &m.value)),
            FormField::choice("unit", &units, if unit.is_empty() { "Count" } else { unit }),
            FormField::text("role", part(|m| &m.role)),
            FormField::choice("hands on to", &DELIVERIES, kind),
            FormField::text("where", target),
            FormField::text("its role", role),
        ],
    )
}

/// What else a rule does with what it selects.
const DELIVERIES: [(&str, &str); 6] = [
    ("", "nobody"),
    ("sns", "an SNS topic"),
    ("sns-json", "an SNS topic, a text for each protocol"),
    ("republish-0", "another MQTT topic"),
    ("republish-1", "another MQTT topic, QoS 1"),
    ("lambda", "a Lambda function"),
];

/// A delivery as the form has it: what it is, where to, and with which role.
fn delivered(delivery: Option<&RuleDelivery>) -> (&'static str, &str, &str) {
    match delivery {
        None => ("", "", ""),
        Some(RuleDelivery::Sns { topic, role, format }) => {
            (if format.raw() == "JSON" { "sns-json" } else { "sns" }, topic.raw(), role.raw())
        }
        Some(RuleDelivery::Republish { topic, qos, role }) => {
            (if *qos == 1 { "republish-1" } else { "republish-0" }, topic.raw(), role.raw())
        }
        Some(RuleDelivery::Lambda { function }) => ("lambda", function.raw(), ""),
    }
}

impl Form {
    /// The rule as it stands; without a namespace and a name no metric is written.
    fn rule_body(&self) -> RuleBody {
        let name = |label: &str| Name::new(self.get(label));
        let wanted = !self.get("namespace").is_empty() || !self.get("metric").is_empty();
        RuleBody {
            sql: self.get("SQL").to_owned(),
            version: self.get("version").to_owned(),
            description: self.get("description").to_owned(),
            disabled: self.get("state") == "disabled",
            metric: wanted.then(|| RuleMetric {
                namespace: name("namespace"),
                name: name("metric"),
                value: name("value"),
                unit: name("unit"),
                role: name("role"),
            }),
            delivery: match self.get("hands on to") {
                kind @ ("sns" | "sns-json") => Some(RuleDelivery::Sns {
                    topic: name("where"),
                    role: name("its role"),
                    format: Name::new(if kind == "sns" { "RAW" } else { "JSON" }),
                }),
                kind @ ("republish-0" | "republish-1") => Some(RuleDelivery::Republish {
                    topic: name("where"),
                    qos: i32::from(kind == "republish-1"),
                    role: name("its role"),
                }),
                "lambda" => Some(RuleDelivery::Lambda { function: name("where") }),
                _ => None,
            },
        }
    }

    /// What the form asks for.
    pub(in crate::console) fn rule_intent(&self) -> Intent {
        let change = RuleEdit::Write(Box::new(self.rule_body()));
        Intent::Rule(RuleChange { rule: Name::new(self.get("rule")), change })
    }

    pub(in crate::console) fn rule_said(&self, env: &Env<'_>) -> Vec<(Said, String)> {
        let body = self.rule_body();
        let (wrong, doubtful) = rule_doubts(self.get("rule"), &body);
        let mut said: Vec<(Said, String)> = wrong.into_iter().map(|t| (Said::Wrong, t)).collect();
        said.extend(doubtful.into_iter().map(|t| (Said::Doubtful, t)));
        let version = Version::parse(&body.version).unwrap_or_default();
        if let Ok(statement) = Statement::parse(&body.sql, version) {
            said.extend(tried(&statement, env));
        }
        said
    }
}

/// What a statement makes of the last messages heard, and of the shadows as they are.
fn tried(statement: &Statement, env: &Env<'_>) -> Vec<(Said, String)> {
    if statement.unmodelled().is_some() {
        // Said among the doubts; what it would make of a message is AWS's to tell.
        return Vec::new();
    }
    let Some(filter) = statement.from.as_deref() else { return Vec::new() };
    let mut out = Vec::new();
    if let Some(thing) = filter.strip_prefix("$aws/things/").and_then(|rest| rest.split('/').next())
        && !thing.contains(['+', '#'])
        && env.fleet.find(thing).is_none_or(|id| env.fleet.device(id).is_unattributed())
    {
        let text = format!("no thing here is called {thing}: names in topics are exact to the letter");
        out.push((Said::Doubtful, text));
    }
    let results = trials(statement, env, TRIED);
    let heard = results.iter().filter(|trial| trial.at.is_some()).count();
    if results.is_empty() {
        out.push((Said::Plain, "no message on this topic was heard here: it cannot be tried".to_owned()));
        return out;
    }
    let hits: Vec<_> = results
        .iter()
        .filter_map(|t| if let Outcome::Selected(b) = &t.outcome { Some((&t.topic, b)) } else { None })
        .collect();
    let broken = results.iter().filter(|t| t.outcome == Outcome::ParseError).count();
    let what = match (heard, results.len() - heard) {
        (0, shadows) => format!("{shadows} shadows as they are now"),
        (n, 0) => format!("the last {n} messages heard"),
        (n, shadows) => format!("the last {n} messages heard and {shadows} shadows as they are now"),
    };
    let mut text = format!("tried on {what}: {} match", hits.len());
    if broken > 0 {
        text.push_str(&format!(", {broken} are not JSON"));
    }
    let heavy = results.iter().filter(|t| t.outcome == Outcome::TooMuch).count();
    if heavy > 0 {
        text.push_str(&format!(", {heavy} take more work than a rule may"));
    }
    let said = if hits.is_empty() { Said::Plain } else { Said::Good };
    out.push((said, text));
    if let Some((topic, bytes)) = hits.first() {
        let bytes: &[u8] = bytes;
        let shown = SafeText::limited(&bytes[..bytes.len().min(SHOWN)], SHOWN);
        out.push((Said::Good, format!("{topic} gives {shown}")));
    }
    out
}

/// What a statement makes of one message.
pub(in crate::console) struct Trial {
    /// When the message was heard; `None` for what a shadow says as it is now.
    pub(in crate::console) at: Option<Ms>,
    /// Its topic.
    pub(in crate::console) topic: String,
    /// What was published to it.
    pub(in crate::console) payload: Bytes,
    /// What the rule would do.
    pub(in crate::console) outcome: Outcome,
}

/// What a statement makes of the last messages on its topics, the newest first and at most `most` of them, and of the shadows
/// as they are.
pub(in crate::console) fn trials(statement: &Statement, env: &Env<'_>, most: usize) -> Vec<Trial> {
    let Some(filter) = statement.from.as_deref() else { return Vec::new() };
    let mut trials = Vec::new();
    for kept in env.fleet.stream().iter().rev() {
        let (Some(payload), Some(topic)) = (&kept.payload, env.fleet.topic(kept.topic)) else { continue };
        let topic = topic.text();
        if Dialect::Aws.matches(filter, topic) {
            let outcome = judge(statement, topic, payload, env);
            let payload = payload.clone();
            trials.push(Trial { at: Some(kept.at), topic: topic.to_owned(), payload, outcome });
            if trials.len() >= most {
                break;
            }
        }
    }
    for (thing, shadow) in shadows(env) {
        for (topic, message) in made(&thing, shadow) {
            if Dialect::Aws.matches(filter, &topic) {
                let payload = Bytes::from(message.to_string());
                let outcome = judge(statement, &topic, &payload, env);
                trials.push(Trial { at: None, topic, payload, outcome });
            }
        }
    }
    trials
}

fn judge(statement: &Statement, topic: &str, payload: &[u8], env: &Env<'_>) -> Outcome {
    let account = env.fleet.identity().get().map(|who| who.account.to_string()).unwrap_or_default();
    statement.evaluate(&Message {
        topic,
        payload,
        client_id: None,
        principal: None,
        source_ip: None,
        now_ms: env.now,
        account_id: &account,
        trace_id: "",
        shadow: None,
        registry: None,
        properties: None,
    })
}

/// The classic shadows that are known.
fn shadows<'a>(env: &Env<'a>) -> impl Iterator<Item = (String, &'a ShadowDocument)> {
    let fleet = env.fleet;
    let things = fleet.devices().map(|(_, device)| device.name().raw().to_owned());
    things.take(TRIED).filter_map(move |thing| {
        let shadow = fleet.shadow(&thing, None)?.get()?.as_ref()?;
        Some((thing, shadow))
    })
}

/// The messages AWS would publish about a shadow that becomes as it is: this console hears only some of their topics.
fn made(thing: &str, shadow: &ShadowDocument) -> Vec<(String, serde_json::Value)> {
    let topic = |rest: &str| format!("$aws/things/{thing}/shadow/{rest}");
    let mut state = serde_json::Map::new();
    for (name, part) in [("desired", &shadow.desired), ("reported", &shadow.reported)] {
        if part.is_object() {
            state.insert(name.to_owned(), part.clone());
        }
    }
    let version = shadow.version;
    vec![
        (topic("update"), json!({"state": state})),
        (topic("update/accepted"), json!({"state": state, "version": version})),
        (topic("update/documents"), json!({"current": {"state": state, "version": version}})),
    ]
}
