//! `quell audit` and `quell action`: what an audit found, what is suppressed, how far audits are; and — through plan and
//! gate — auditing, suppressing, and making mitigation actions.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cloud::read_audit;
use crate::response::{ActionSpec, AuditChange, Intent};
use quell_fleet::audit::{Resource, Schedule};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::Common;
use super::output::{iso, seconds, table};
use super::reads::{ReadArgs, one};
use super::respond_cmds::{How, respond};

/// Arguments of `quell audit`.
#[derive(Args, Debug)]
pub struct AuditArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// What to do; without one, the findings
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
}

/// The subcommands of `quell audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Audit now and watch it to its end; checks that are not enabled yet are enabled
    Start {
        /// The checks; without one all that are enabled
        #[arg(value_name = "CHECK")]
        checks: Vec<String>,
        /// The role audits look with, where none was configured
        #[arg(long, value_name = "ARN")]
        role: Option<String>,
        /// How to run
        #[command(flatten)]
        how: How,
    },
    /// Stop an audit
    Cancel {
        /// Its id
        task: String,
        /// How to run
        #[command(flatten)]
        how: How,
    },
    /// Tell findings about a resource no more
    Suppress {
        /// The resource and how it ends
        #[command(flatten)]
        what: ResourceArgs,
        /// End by itself after so many days; without it, never
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        /// How to run
        #[command(flatten)]
        how: How,
    },
    /// Tell them again
    Unsuppress {
        /// The resource
        #[command(flatten)]
        what: ResourceArgs,
        /// How to run
        #[command(flatten)]
        how: How,
    },
    /// Let an audit run by itself, or one of that name at other times; checks that are not enabled yet are enabled
    Schedule {
        /// Its name
        name: String,
        /// How often: daily, weekly, biweekly, monthly
        #[arg(long, value_name = "FREQUENCY", ignore_case = true,
            value_parser = clap::builder::PossibleValuesParser::new(Schedule::FREQUENCIES))]
        every: String,
        /// The day of the week (MON to SUN), or of the month (1 to 31, LAST); none for a daily one
        #[arg(long, value_name = "DAY")]
        on: Option<String>,
        /// A check it runs (repeatable); without one all that are enabled
        #[arg(long = "check", value_name = "CHECK")]
        checks: Vec<String>,
        /// The role audits look with, where none was configured
        #[arg(long, value_name = "ARN")]
        role: Option<String>,
        /// How to run
        #[command(flatten)]
        how: How,
    },
    /// End an audit that runs by itself
    Unschedule {
        /// Its name
        name: String,
        /// How to run
        #[command(flatten)]
        how: How,
    },
    /// The settings, what is suppressed until when, and the newest audits
    Status(ReadArgs),
}

/// A resource of an audit check.
#[derive(Args, Debug)]
pub struct ResourceArgs {
    /// The audit check
    #[arg(value_name = "CHECK")]
    pub check: String,
    /// The resource as AWS names it: deviceCertificateId=…, policyName=… and policyVersionId=…, clientId=…
    #[arg(value_name = "MEMBER=VALUE", required = true, value_parser = member)]
    pub resource: Vec<(String, String)>,
}

fn member(written: &str) -> Result<(String, String), String> {
    let (name, value) = written.split_once('=').ok_or("use MEMBER=VALUE, as in clientId=Thing01")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl ResourceArgs {
    fn resource(&self) -> Resource {
        let members = self.resource.iter().map(|(name, value)| (name.clone(), Name::new(value)));
        Resource(members.collect::<BTreeMap<_, _>>())
    }
}

/// Arguments of `quell action`.
#[derive(Args, Debug)]
pub struct ActionArgs {
    /// What to do
    #[command(subcommand)]
    pub command: ActionCommand,
}

/// The subcommands of `quell action`.
#[derive(Debug, Subcommand)]
pub enum ActionCommand {
    /// The account's mitigation actions
    List(ReadArgs),
    /// Make a mitigation action; `quell mitigate` runs it
    Create(Box<CreateArgs>),
    /// Delete a mitigation action
    Delete {
        /// Its name
        name: String,
        /// How to run
        #[command(flatten)]
        how: How,
    },
}

/// Arguments of `quell action create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Its name
    pub name: String,
    /// The role AWS does it with
    #[arg(long, value_name = "ARN")]
    pub role: String,
    /// What it does
    #[command(flatten)]
    pub does: Does,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// What a mitigation action does: one of these.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Does {
    /// Add the things to this thing group (repeatable)
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// Set the device certificate INACTIVE
    #[arg(long)]
    pub deactivate_certificate: bool,
    /// Set the CA certificate INACTIVE
    #[arg(long)]
    pub deactivate_ca: bool,
    /// Put a blank version of the policy in force
    #[arg(long)]
    pub blank_policy: bool,
    /// Publish the finding to this topic
    #[arg(long, value_name = "ARN")]
    pub sns: Option<String>,
}

/// `quell audit …`.
pub(super) fn run(args: AuditArgs, common: &Common) -> color_eyre::Result<u8> {
    let act = |change: AuditChange, how: &How| respond(Intent::Audit(change), how, common);
    match args.command {
        None => findings(args.json, common),
        Some(AuditCommand::Status(read)) => status(read.json, common),
        Some(AuditCommand::Start { checks, role, how }) => act(AuditChange::Start { checks, role }, &how),
        Some(AuditCommand::Cancel { task, how }) => act(AuditChange::Cancel { task: Name::new(&task) }, &how),
        Some(AuditCommand::Suppress { what, days, reason, how }) => {
            let now = jiff::Timestamp::now().as_millisecond();
            let until = days.map(|days| now + i64::from(days) * 86_400_000);
            let change = AuditChange::Suppress {
                check: Name::new(&what.check),
                resource: what.resource(),
                until,
                description: reason,
            };
            act(change, &how)
        }
        Some(AuditCommand::Schedule { name, every, on, checks, role, how }) => {
            let wanted = Schedule {
                name: Name::new(&name),
                frequency: every.to_ascii_uppercase(),
                day: on.map(|day| day.to_ascii_uppercase()),
                checks,
            };
            act(AuditChange::Schedule { wanted, role }, &how)
        }
        Some(AuditCommand::Unschedule { name, how }) => {
            act(AuditChange::Unschedule { name: Name::new(&name) }, &how)
        }
        Some(AuditCommand::Unsuppress { what, how }) => {
            let (check, resource) = (Name::new(&what.check), what.resource());
            act(AuditChange::Unsuppress { check, resource }, &how)
        }
    }
}

/// `quell action …`.
pub(super) fn action(args: ActionArgs, common: &Common) -> color_eyre::Result<u8> {
    match args.command {
        ActionCommand::List(read) => one(common, read.json, |clients| async move {
            let setup = read_audit::setup(&clients).await?;
            let json: Vec<_> = setup
                .actions
                .iter()
                .map(|a| json!({"actionName": a.name.raw(), "actionType": a.kind, "does": a.does}))
                .collect();
            let rows: Vec<_> = setup
                .actions
                .iter()
                .map(|a| [a.name.shown().clone(), a.kind.clone(), a.does.clone()])
                .collect();
            Ok((json!({ "actions": json }), table(["ACTION", "TYPE", "DOES"], &rows)))
        }),
        ActionCommand::Create(args) => {
            let does = match args.does {
                Does { sns: Some(topic), .. } => ActionSpec::Sns(topic),
                Does { deactivate_certificate: true, .. } => ActionSpec::Certificate,
                Does { deactivate_ca: true, .. } => ActionSpec::CaCertificate,
                Does { blank_policy: true, .. } => ActionSpec::BlankPolicy,
                Does { groups, .. } => ActionSpec::Groups(groups),
            };
            let change = AuditChange::CreateAction { name: Name::new(&args.name), does, role: args.role };
            respond(Intent::Audit(change), &args.how, common)
        }
        ActionCommand::Delete { name, how } => {
            respond(Intent::Audit(AuditChange::DeleteAction { name: Name::new(&name) }), &how, common)
        }
    }
}

/// `quell audit status`.
fn status(json: bool, common: &Common) -> color_eyre::Result<u8> {
    one(common, json, |clients| async move {
        let setup = read_audit::setup(&clients).await?;
        let tasks = read_audit::tasks(&clients).await?;
        let checks: Vec<_> =
            setup.checks.iter().map(|(name, on)| json!({"checkName": name.raw(), "enabled": on})).collect();
        let suppressions: Vec<_> = setup
            .suppressions
            .iter()
            .map(|s| {
                json!({"checkName": s.check.raw(), "resourceIdentifier": s.resource.0,
                    "expirationDate": s.until.map(seconds), "description": s.description})
            })
            .collect();
        let audits: Vec<_> = tasks
            .audits
            .iter()
            .map(|t| {
                json!({"taskId": t.id.raw(), "taskStatus": t.status, "taskStartTime": t.started.map(seconds),
                    "totalChecks": t.total, "endedChecks": t.ended, "nonCompliantChecks": t.non_compliant,
                    "failedChecks": t.failed})
            })
            .collect();
        let mut rows = Vec::new();
        for (name, on) in &setup.checks {
            let state = SafeText::new(if *on { "enabled" } else { "off" });
            rows.push([SafeText::new("check"), name.shown().clone(), state]);
        }
        for s in &setup.suppressions {
            let until = s.until.map_or("for ever".to_owned(), |at| format!("until {}", iso(at)));
            let what = format!("{} {}", s.check.shown(), s.resource.shown());
            rows.push([SafeText::new("suppressed"), SafeText::new(&what), SafeText::new(&until)]);
        }
        for s in setup.schedules.iter().flatten() {
            let words = format!("{}, {} checks", s.when(), s.checks.len());
            rows.push([SafeText::new("scheduled"), s.name.shown().clone(), SafeText::new(&words)]);
        }
        for t in &tasks.audits {
            let words = format!("{} {}/{} checks", t.status, t.ended, t.total);
            rows.push([SafeText::new("audit"), t.id.shown().clone(), SafeText::new(&words)]);
        }
        let schedules = setup.schedules.as_ref().map(|all| all.iter().map(schedule_json).collect::<Vec<_>>());
        let json = json!({"roleArn": setup.role, "checks": checks, "suppressions": suppressions,
            "tasks": audits, "scheduledAudits": schedules});
        Ok((json, table(["WHAT", "NAME", "STATE"], &rows)))
    })
}

/// A scheduled audit with AWS's member names.
fn schedule_json(s: &Schedule) -> serde_json::Value {
    let day = if s.frequency == "MONTHLY" { "dayOfMonth" } else { "dayOfWeek" };
    let mut out = json!({"scheduledAuditName": s.name.raw(), "frequency": s.frequency,
        "targetCheckNames": s.checks});
    if let (Some(value), Some(members)) = (&s.day, out.as_object_mut()) {
        members.insert(day.to_owned(), json!(value));
    }
    out
}

/// The findings, the worst first.
fn findings(json: bool, common: &Common) -> color_eyre::Result<u8> {
    one(common, json, |clients| async move {
        let mut list = read_audit::findings(&clients).await?;
        list.sort_by_key(|finding| (rank(finding.severity.as_str()), std::cmp::Reverse(finding.at)));
        let json: Vec<_> = list
            .iter()
            .map(|finding| {
                json!({
                    "findingId": finding.id,
                    "checkName": finding.check,
                    "severity": finding.severity,
                    "nonCompliantResource": finding.resource,
                    "relatedResources": finding.related,
                    "reasonForNonCompliance": finding.reason,
                    "isSuppressed": finding.suppressed,
                    "findingTime": seconds(finding.at),
                })
            })
            .collect();
        let rows: Vec<_> = list
            .iter()
            .map(|finding| {
                [
                    finding.severity.clone(),
                    finding.check.clone(),
                    finding.resource.clone(),
                    finding.reason.clone(),
                    SafeText::new(&iso(finding.at)),
                ]
            })
            .collect();
        let head = ["SEVERITY", "CHECK", "RESOURCE", "REASON", "FOUND"];
        Ok((json!({ "findings": json }), table(head, &rows)))
    })
}

/// The worst first; what is not known goes last.
fn rank(severity: &str) -> u8 {
    match severity {
        "CRITICAL" => 0,
        "HIGH" => 1,
        "MEDIUM" => 2,
        "LOW" => 3,
        _ => 4,
    }
}
