//! `quell retained`: the retained messages of the account, and clearing those of a device. `quell sweep`: what things left
//! behind, looked at now.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cloud::read_left;
use crate::response::{Intent, Sweep};
use quell_fleet::text::SafeText;

use super::output::{iso, table};
use super::reads::one;
use super::respond_cmds::{How, Session, respond, runtime, settings, sweeps_text, targets};
use super::{Common, exit, output};

/// Arguments of `quell retained`.
#[derive(Args, Debug)]
pub struct RetainedArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// What to do; without one, list
    #[command(subcommand)]
    pub command: Option<RetainedCommand>,
}

/// The subcommands of `quell retained`.
#[derive(Debug, Subcommand)]
pub enum RetainedCommand {
    /// Clear the retained messages on the topics of things (cannot be taken back)
    Clear(ClearArgs),
}

/// Arguments of `quell retained clear`.
#[derive(Args, Debug)]
pub struct ClearArgs {
    /// The things
    #[arg(required_unless_present = "on", value_name = "THING")]
    pub things: Vec<String>,
    /// This topic, whosever it is (repeatable)
    #[arg(long, value_name = "TOPIC")]
    pub on: Vec<String>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

pub(super) fn run(args: RetainedArgs, common: &Common) -> color_eyre::Result<u8> {
    match args.command {
        Some(RetainedCommand::Clear(clear)) => {
            let things = targets(&clear.things);
            respond(Intent::ClearRetained { things, topics: clear.on }, &clear.how, common)
        }
        None => one(common, args.json, |aws| async move {
            let list = read_left::retained(&aws).await?;
            let json: Vec<Value> = list
                .iter()
                .map(|found| {
                    json!({"topic": found.topic, "payloadSize": found.bytes, "lastModifiedTime": found.at})
                })
                .collect();
            let rows: Vec<[SafeText; 3]> = list
                .iter()
                .map(|found| {
                    let bytes = SafeText::new(&found.bytes.to_string());
                    [SafeText::new(&found.topic), bytes, SafeText::new(&iso(found.at))]
                })
                .collect();
            Ok((json!({ "retainedTopics": json }), table(["TOPIC", "BYTES", "PUBLISHED"], &rows)))
        }),
    }
}

/// Arguments of `quell sweep`.
#[derive(Args, Debug)]
pub struct SweepArgs {
    /// The things
    #[arg(required = true, value_name = "THING")]
    pub things: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

pub(super) fn sweep(args: &SweepArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match settings(common) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let sweeps: Vec<Sweep> = runtime()?.block_on(Box::pin(async {
        let session = Session::open(&settings).await?;
        let found = session.swept_now(&settings, targets(&args.things)).await;
        found.map_err(|trouble| color_eyre::Report::from(super::reads::Unreached::from(&trouble)))
    }))?;
    let text = match args.json {
        true => {
            let sweeps: Vec<Value> = sweeps.iter().map(Sweep::json).collect();
            format!("{:#}\n", json!({ "leftBehind": sweeps }))
        }
        false => sweeps_text(&sweeps),
    };
    output::text(&text)?;
    Ok(exit::DONE)
}
