//! `quell profiles`: read, export, and — through plan and gate — write, attach and delete; `quell dimension`,
//! `quell metric` and `quell verify` beside it.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use color_eyre::eyre::{WrapErr as _, eyre};
use serde_json::{Value, json};

use crate::cloud::{read, read_account};
use crate::response::{DetectChange, Intent};
use quell_fleet::model::{Name, ProfileRecord};
use quell_fleet::text::SafeText;
use quell_rules::detect::file;
use quell_rules::detect::profile::{SecurityProfile, Target, target_words};

use super::output::table;
use super::reads::{one, usage};
use super::respond_cmds::{How, respond};
use super::{Common, exit};

/// Arguments of `quell profiles`.
#[derive(Args, Debug)]
pub struct ProfilesArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// What to do; without one, list
    #[command(subcommand)]
    pub command: Option<ProfilesCommand>,
}

/// The subcommands of `quell profiles`.
#[derive(Debug, Subcommand)]
pub enum ProfilesCommand {
    /// Print profiles as JSON that `apply` and the AWS CLI take; all of them without a name
    Export {
        /// The profiles
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Create a profile from a file, or make the one of that name be as the file says
    Apply {
        /// JSON or TOML in AWS's shape; `-` reads JSON from stdin
        file: PathBuf,
        /// Which profile of a file that has several
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Judge these instead of the file's targets: "all things", registered, unregistered, or a thing group
        #[arg(long, value_name = "TARGET")]
        attach: Vec<String>,
        /// How to run
        #[command(flatten)]
        how: How,
    },
    /// Detach a profile from everything and delete it
    Delete {
        /// The profile
        name: String,
        /// How to run
        #[command(flatten)]
        how: How,
    },
    /// Let a profile judge these too
    Attach(TargetArgs),
    /// Let a profile no longer judge these
    Detach(TargetArgs),
}

/// Arguments of `quell profiles attach` and `detach`.
#[derive(Args, Debug)]
pub struct TargetArgs {
    /// The profile
    pub name: String,
    /// "all things", registered, unregistered, or a thing group
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// Arguments of `quell dimension`.
#[derive(Args, Debug)]
pub struct DimensionArgs {
    /// What to do
    #[command(subcommand)]
    pub command: DimensionCommand,
}

/// The subcommands of `quell dimension`.
#[derive(Debug, Subcommand)]
pub enum DimensionCommand {
    /// List dimensions with their topic filters
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Create a dimension, or change its topic filters
    Create {
        /// The dimension
        name: String,
        /// Topic filters
        #[arg(required = true, value_name = "FILTER")]
        filters: Vec<String>,
        /// How to run
        #[command(flatten)]
        how: How,
    },
    /// Delete a dimension
    Delete {
        /// The dimension
        name: String,
        /// How to run
        #[command(flatten)]
        how: How,
    },
}

/// Arguments of `quell metric`.
#[derive(Args, Debug)]
pub struct MetricArgs {
    /// What to do
    #[command(subcommand)]
    pub command: MetricCommand,
}

/// The subcommands of `quell metric`.
#[derive(Debug, Subcommand)]
pub enum MetricCommand {
    /// List custom metrics
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Create a custom metric
    Create {
        /// The metric
        name: String,
        /// What its values are
        #[arg(long = "type", value_name = "TYPE", default_value = "number",
            value_parser = ["number", "number-list", "string-list", "ip-address-list"])]
        kind: String,
        /// What people call it
        #[arg(long, value_name = "TEXT")]
        display_name: Option<String>,
        /// How to run
        #[command(flatten)]
        how: How,
    },
    /// Delete a custom metric
    Delete {
        /// The metric
        name: String,
        /// How to run
        #[command(flatten)]
        how: How,
    },
}

/// Arguments of `quell verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The ids of the violations
    #[arg(required = true, value_name = "VIOLATION")]
    pub violations: Vec<String>,
    /// What they were found to be
    #[arg(long, value_name = "STATE", ignore_case = true,
        value_parser = ["TRUE_POSITIVE", "FALSE_POSITIVE", "BENIGN_POSITIVE", "UNKNOWN"])]
    pub state: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

pub(super) fn run(args: ProfilesArgs, common: &Common) -> color_eyre::Result<u8> {
    let change = |change: DetectChange, how: &How| respond(Intent::Detect(change), how, common);
    match args.command {
        None => list(args.json, common),
        Some(ProfilesCommand::Export { names }) => export(names, common),
        Some(ProfilesCommand::Apply { file, name, attach, how }) => {
            let mut profile = match wanted(&file, name.as_deref())? {
                Ok(profile) => profile,
                Err(wrong) => return usage(&wrong),
            };
            if !attach.is_empty() {
                profile.targets = Some(attach.into_iter().map(Target::Plain).collect());
            }
            let profile = Box::new(profile);
            change(DetectChange::Apply { profile, heard: Vec::new(), devices: None, new: false }, &how)
        }
        Some(ProfilesCommand::Delete { name, how }) => {
            change(DetectChange::Delete { profile: Name::new(&name) }, &how)
        }
        Some(ProfilesCommand::Attach(args)) => {
            let profile = Name::new(&args.name);
            change(DetectChange::Attach { profile, targets: args.targets }, &args.how)
        }
        Some(ProfilesCommand::Detach(args)) => {
            let profile = Name::new(&args.name);
            change(DetectChange::Detach { profile, targets: args.targets }, &args.how)
        }
    }
}

pub(super) fn dimension(args: DimensionArgs, common: &Common) -> color_eyre::Result<u8> {
    let change = |change: DetectChange, how: &How| respond(Intent::Detect(change), how, common);
    match args.command {
        DimensionCommand::List { json } => one(common, json, |clients| async move {
            let list = read_account::dimensions(&clients).await?;
            let rows: Vec<_> = list
                .iter()
                .map(|d| {
                    let values: Vec<&str> = d.values.iter().map(SafeText::as_str).collect();
                    [d.name.clone(), SafeText::new(&values.join(" "))]
                })
                .collect();
            let json: Vec<_> =
                list.iter().map(|d| json!({"name": d.name, "stringValues": d.values})).collect();
            Ok((json!({ "dimensions": json }), table(["DIMENSION", "TOPIC FILTERS"], &rows)))
        }),
        DimensionCommand::Create { name, filters, how } => {
            change(DetectChange::PutDimension { name: Name::new(&name), values: filters }, &how)
        }
        DimensionCommand::Delete { name, how } => {
            change(DetectChange::DeleteDimension { name: Name::new(&name) }, &how)
        }
    }
}

pub(super) fn metric(args: MetricArgs, common: &Common) -> color_eyre::Result<u8> {
    let change = |change: DetectChange, how: &How| respond(Intent::Detect(change), how, common);
    match args.command {
        MetricCommand::List { json } => one(common, json, |clients| async move {
            let list = read_account::custom_metrics(&clients).await?;
            let rows: Vec<_> = list
                .iter()
                .map(|m| [m.name.clone(), m.kind.clone(), m.display.clone().unwrap_or_else(|| "-".into())])
                .collect();
            let json: Vec<_> = list
                .iter()
                .map(|m| json!({"metricName": m.name, "metricType": m.kind, "displayName": m.display}))
                .collect();
            Ok((json!({ "customMetrics": json }), table(["METRIC", "TYPE", "DISPLAY NAME"], &rows)))
        }),
        MetricCommand::Create { name, kind, display_name, how } => {
            change(DetectChange::CreateMetric { name: Name::new(&name), kind, display: display_name }, &how)
        }
        MetricCommand::Delete { name, how } => {
            change(DetectChange::DeleteMetric { name: Name::new(&name) }, &how)
        }
    }
}

pub(super) fn verify(args: VerifyArgs, common: &Common) -> color_eyre::Result<u8> {
    let state = args.state.to_ascii_uppercase();
    let change = DetectChange::Verify { violations: args.violations, state, note: args.note };
    respond(Intent::Detect(change), &args.how, common)
}

/// The one profile a file is about, or what is wrong with it.
fn wanted(path: &std::path::Path, name: Option<&str>) -> color_eyre::Result<Result<SecurityProfile, String>> {
    let shown = path.display().to_string();
    let text = if shown == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(path).wrap_err_with(|| eyre!("{shown} cannot be read"))?
    };
    let toml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    Ok(file::parse(&text, toml).and_then(|all| file::only(all, name)).map_err(|e| format!("{shown}: {e}")))
}

fn list(as_json: bool, common: &Common) -> color_eyre::Result<u8> {
    one(common, as_json, |clients| async move {
        let list = read::profiles(&clients).await?;
        let json: Vec<_> = list.iter().map(whole).collect();
        let rows: Vec<_> = list
            .iter()
            .map(|p| {
                let behaviors: Vec<&str> = p.behaviors.iter().map(|b| b.name.as_str()).collect();
                let targets: Vec<String> = p.targets.iter().map(|t| target_words(t.as_str())).collect();
                [p.name.clone(), SafeText::new(&behaviors.join(", ")), SafeText::new(&targets.join(", "))]
            })
            .collect();
        Ok((json!({ "securityProfiles": json }), table(["PROFILE", "BEHAVIORS", "TARGETS"], &rows)))
    })
}

/// All of a profile, with AWS's member names.
fn whole(profile: &ProfileRecord) -> Value {
    let mut json = serde_json::to_value(profile.document()).unwrap_or_default();
    if let (Some(json), Some(version)) = (json.as_object_mut(), profile.version) {
        json.insert("version".to_owned(), version.into());
    }
    json
}

fn export(names: Vec<String>, common: &Common) -> color_eyre::Result<u8> {
    let missing = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let absent = std::sync::Arc::clone(&missing);
    let code = one(common, false, |clients| async move {
        let all = read::profiles(&clients).await?;
        let find = |name: &String| all.iter().find(|p| p.name.as_str() == name);
        *absent.lock() = names.iter().filter(|n| find(n).is_none()).cloned().collect();
        let chosen: Vec<&ProfileRecord> =
            if names.is_empty() { all.iter().collect() } else { names.iter().filter_map(find).collect() };
        if !absent.lock().is_empty() {
            return Ok((Value::Null, Vec::new()));
        }
        let text = match chosen.as_slice() {
            [only] => serde_json::to_string_pretty(&only.document()),
            many => {
                let many: Vec<_> = many.iter().map(|p| p.document()).collect();
                serde_json::to_string_pretty(&json!({ "securityProfiles": many }))
            }
        };
        Ok((Value::Null, vec![ascii(&text.unwrap_or_default())]))
    })?;
    let missing = missing.lock();
    if code == exit::DONE && !missing.is_empty() {
        return usage(&format!("no security profile {}", missing.join(", "))).map(|_| exit::FAILED);
    }
    Ok(code)
}

/// Pretty JSON in ASCII only: nothing in it can move a terminal's cursor. What is not ASCII stands within strings.
fn ascii(pretty: &str) -> String {
    let mut out = String::with_capacity(pretty.len());
    for c in pretty.chars() {
        if c == '\n' || (c.is_ascii() && c != '\u{7f}') {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}
