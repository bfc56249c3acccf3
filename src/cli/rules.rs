//! `quell rules`: what an account's topic rules do, what a statement would never match, and — through plan and gate —
//! switching, writing and deleting them.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cloud::read_account;
use crate::response::{Intent, RuleBody, RuleChange, RuleEdit, rule_doubts};
use quell_fleet::account::{RuleDelivery, RuleMetric};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::output::{self, seconds, table};
use super::reads::one;
use super::respond_cmds::{How, respond};
use super::{Common, exit};

/// Arguments of `quell rules`.
#[derive(Args, Debug)]
pub struct RulesArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// What to do; without one, list
    #[command(subcommand)]
    pub command: Option<RulesCommand>,
}

/// The subcommands of `quell rules`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Switch a rule on
    Enable(NameArgs),
    /// Switch a rule off
    Disable(NameArgs),
    /// Create a rule that writes a CloudWatch metric or hands messages on, or make the one of that name do so; its other
    /// actions stay
    Write(Box<WriteArgs>),
    /// Delete a rule
    Delete(NameArgs),
    /// Say what a statement could never match; asks nobody
    Check {
        /// The SQL
        sql: String,
        /// The dialect
        #[arg(long, value_name = "VERSION", default_value = "2016-03-23")]
        sql_version: String,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// A rule's name.
#[derive(Args, Debug)]
pub struct NameArgs {
    /// The rule
    #[arg(value_name = "RULE")]
    pub name: String,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// Arguments of `quell rules write`.
#[derive(Args, Debug)]
pub struct WriteArgs {
    /// The rule
    #[arg(value_name = "RULE")]
    pub name: String,
    /// The SQL
    #[arg(long)]
    pub sql: String,
    /// The dialect
    #[arg(long, value_name = "VERSION", default_value = "2016-03-23")]
    pub sql_version: String,
    /// The description
    #[arg(long, default_value = "")]
    pub description: String,
    /// Leave it switched off
    #[arg(long)]
    pub disabled: bool,
    /// The CloudWatch metric's namespace
    #[arg(long, default_value = "IoT")]
    pub namespace: String,
    /// The CloudWatch metric's name; the rule's own without it
    #[arg(long)]
    pub metric: Option<String>,
    /// Its value, filled in for each message: ${state.reported.Humidity}
    #[arg(long, required_unless_present_any = ["sns", "republish", "lambda"])]
    pub value: Option<String>,
    /// Its unit
    #[arg(long, default_value = "None")]
    pub unit: String,
    /// Publish what is selected to this SNS topic
    #[arg(long, value_name = "ARN", conflicts_with_all = ["republish", "lambda"])]
    pub sns: Option<String>,
    /// The form of what SNS gets: RAW, or JSON with a text for each protocol
    #[arg(long, value_name = "FORMAT", default_value = "RAW", value_parser = ["RAW", "JSON"])]
    pub sns_format: String,
    /// Publish what is selected to this MQTT topic; ${…} is filled in for each message
    #[arg(long, value_name = "TOPIC", conflicts_with = "lambda")]
    pub republish: Option<String>,
    /// With this QoS
    #[arg(long, value_name = "0|1", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=1))]
    pub qos: i32,
    /// Call this Lambda function with what is selected
    #[arg(long, value_name = "ARN")]
    pub lambda: Option<String>,
    /// The role the rules engine writes or publishes with; a Lambda function takes none
    #[arg(long, value_name = "ARN", required_unless_present = "lambda")]
    pub role: Option<String>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// `quell rules …`.
pub(super) fn run(args: RulesArgs, common: &Common) -> color_eyre::Result<u8> {
    let change = |args: NameArgs, change: RuleEdit| {
        let rule = Name::new(&args.name);
        respond(Intent::Rule(RuleChange { rule, change }), &args.how, common)
    };
    match args.command {
        None => list(args.json, common),
        Some(RulesCommand::Enable(args)) => change(args, RuleEdit::Enable),
        Some(RulesCommand::Disable(args)) => change(args, RuleEdit::Disable),
        Some(RulesCommand::Delete(args)) => change(args, RuleEdit::Delete),
        Some(RulesCommand::Write(args)) => {
            let role = Name::new(args.role.as_deref().unwrap_or_default());
            let metric = args.value.as_ref().map(|value| RuleMetric {
                namespace: Name::new(&args.namespace),
                name: Name::new(args.metric.as_ref().unwrap_or(&args.name)),
                value: Name::new(value),
                unit: Name::new(&args.unit),
                role: role.clone(),
            });
            let delivery = match (&args.sns, &args.republish, &args.lambda) {
                (Some(topic), ..) => Some(RuleDelivery::Sns {
                    topic: Name::new(topic),
                    role,
                    format: Name::new(&args.sns_format),
                }),
                (_, Some(topic), _) => {
                    Some(RuleDelivery::Republish { topic: Name::new(topic), qos: args.qos, role })
                }
                (.., Some(function)) => Some(RuleDelivery::Lambda { function: Name::new(function) }),
                (None, None, None) => None,
            };
            let body = RuleBody {
                sql: args.sql,
                version: args.sql_version,
                description: args.description,
                disabled: args.disabled,
                metric,
                delivery,
            };
            let rule = RuleChange { rule: Name::new(&args.name), change: RuleEdit::Amend(Box::new(body)) };
            respond(Intent::Rule(rule), &args.how, common)
        }
        Some(RulesCommand::Check { sql, sql_version, json }) => {
            let body = RuleBody { sql, version: sql_version, ..RuleBody::default() };
            let (wrong, doubtful) = rule_doubts("statement", &body);
            let safe = |all: &[String]| all.iter().map(|t| SafeText::new(t)).collect::<Vec<_>>();
            let (wrong, doubtful) = (safe(&wrong), safe(&doubtful));
            let text = if json {
                format!("{:#}\n", json!({"errors": wrong, "remarks": doubtful}))
            } else if wrong.is_empty() && doubtful.is_empty() {
                "nothing is known against it\n".to_owned()
            } else {
                wrong.iter().chain(&doubtful).map(|line| format!("{line}\n")).collect()
            };
            output::text(&text)?;
            Ok(if wrong.is_empty() { exit::DONE } else { exit::FAILED })
        }
    }
}

fn list(json: bool, common: &Common) -> color_eyre::Result<u8> {
    one(common, json, |clients| async move {
        let list = read_account::rules(&clients).await?;
        let json: Vec<_> = list
            .iter()
            .map(|rule| {
                json!({
                    "ruleName": rule.name.raw(),
                    "ruleDisabled": rule.disabled,
                    "sql": rule.sql,
                    "awsIotSqlVersion": rule.sql_version,
                    "description": rule.description,
                    "actions": rule.actions,
                    "errorAction": rule.error_action,
                    "createdAt": rule.created.map(seconds),
                })
            })
            .collect();
        let rows: Vec<_> = list
            .iter()
            .map(|rule| {
                let actions: Vec<&str> = rule.actions.iter().map(SafeText::as_str).collect();
                [
                    rule.name.shown().clone(),
                    SafeText::new(if rule.disabled { "disabled" } else { "enabled" }),
                    rule.sql.clone(),
                    SafeText::new(&actions.join(", ")),
                ]
            })
            .collect();
        Ok((json!({ "rules": json }), table(["RULE", "STATE", "SQL", "ACTIONS"], &rows)))
    })
}
