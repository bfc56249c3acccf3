//! `quell journal`: what was done, by whom, when; and whether the journal is whole.

mod plans;
mod recover;

use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::response::journal::Journal;
use quell_fleet::format::left_behind;
use quell_fleet::text::SafeText;

use super::respond_cmds::settings;
use super::{Common, exit, output};

pub(super) use recover::{PastArgs, past};

/// Arguments of `quell journal`.
#[derive(Args, Debug)]
pub struct JournalArgs {
    /// One JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do; without one, list
    #[command(subcommand)]
    pub command: Option<JournalCommand>,
}

/// The subcommands of `quell journal`.
#[derive(Clone, Debug, Subcommand)]
pub enum JournalCommand {
    /// Check that no entry was changed, removed or cut off
    Verify,
    /// Plans that never ended, and what of them happened, read in the account
    Recover {
        /// Let this plan rest as it is
        #[arg(long, value_name = "PLAN")]
        close: Option<String>,
    },
}

pub(super) fn run(args: &JournalArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match settings(common) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let journal = Journal::open(&settings.journal)?;
    let mut out = String::new();
    let code = match &args.command {
        Some(JournalCommand::Recover { close }) => {
            return recover::run(close.as_deref(), args.json, &settings);
        }
        Some(JournalCommand::Verify) => {
            let verdict = journal.verify()?;
            if args.json {
                let found = serde_json::json!({"entries": verdict.lines, "faults": verdict.faults});
                writeln!(out, "{found:#}")?;
            } else if verdict.faults.is_empty() {
                writeln!(out, "{} entries, whole", verdict.lines)?;
            } else {
                for fault in &verdict.faults {
                    writeln!(out, "{fault}")?;
                }
            }
            if verdict.faults.is_empty() { exit::DONE } else { exit::FAILED }
        }
        None => return list(&journal, args.json),
    };
    output::text(&out)?;
    Ok(code)
}

/// All of it, as it is read: a journal of years is not held in memory. A reader that is gone ends it quietly.
fn list(journal: &Journal, as_json: bool) -> color_eyre::Result<u8> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if as_json { list_json(journal, &mut out) } else { list_text(journal, &mut out) };
    output::written(written.and_then(|()| out.flush()))?;
    Ok(exit::DONE)
}

fn list_text(journal: &Journal, out: &mut impl io::Write) -> io::Result<()> {
    let mut written = Ok(());
    journal.each(|entry| {
        if written.is_ok() {
            written = writeln!(out, "{}", line(&entry));
        }
    })?;
    written
}

/// One document: the plans, then the entries, one a line.
fn list_json(journal: &Journal, out: &mut impl io::Write) -> io::Result<()> {
    let mut plans = plans::Fold::default();
    journal.each(|entry| plans.add(&entry))?;
    out.write_all(b"{\n  \"plans\": [")?;
    let mut separator = "\n    ";
    for plan in plans.done() {
        write!(out, "{separator}{plan}")?;
        separator = ",\n    ";
    }
    out.write_all(b"\n  ],\n  \"entries\": [")?;
    let (mut written, mut separator) = (Ok(()), "\n    ");
    journal.each(|entry| {
        if written.is_ok() {
            written = write!(out, "{separator}{entry}");
            separator = ",\n    ";
        }
    })?;
    written?;
    out.write_all(b"\n  ]\n}\n")
}

/// One entry in one line.
fn line(entry: &Value) -> SafeText {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("");
    let targets: Vec<&str> =
        entry.get("targets").and_then(Value::as_array).into_iter().flatten().filter_map(name).collect();
    let what = match text("kind") {
        "intent" => {
            let who = entry.pointer("/who/arn").and_then(Value::as_str);
            let who = who.or_else(|| entry.pointer("/who/user").and_then(Value::as_str)).unwrap_or("unknown");
            format!("{} {} by {who}", text("what"), targets.join(" "))
        }
        "request" => {
            let accepted = entry.get("accepted").and_then(Value::as_bool) == Some(true);
            let verdict = if accepted { "accepted" } else { "FAILED" };
            format!(
                "{} {} {verdict} {} {}",
                text("operation"),
                text("resource"),
                text("request_id"),
                text("said")
            )
        }
        "outcome" => format!("{} {}", text("outcome"), targets.join(" ")),
        "sweep" => format!("left behind: {}", swept(entry)),
        "refused" => format!("{} {} REFUSED: {}", text("what"), targets.join(" "), text("reason")),
        "alert" => {
            let why = Some(text("why")).filter(|why| !why.is_empty()).map(|why| format!(": {why}"));
            let why = why.unwrap_or_default();
            format!("{} {} {}{why}", text("thing"), text("behavior"), text("result"))
        }
        "note" => {
            let who = entry.pointer("/who/arn").and_then(Value::as_str);
            let who = who.or_else(|| entry.pointer("/who/user").and_then(Value::as_str)).unwrap_or("unknown");
            let about =
                if targets.is_empty() { String::new() } else { format!(" about {}", targets.join(" ")) };
            format!("{}{about} by {who}", text("text"))
        }
        "closed" => format!("{} {}", text("plan"), text("why")),
        _ => String::new(),
    };
    SafeText::new(&format!("{} {:<8} {}", text("at"), text("kind"), what.trim_end()))
}

/// `Thing02 retained, jobs; Thing03 nothing`: what a sweep found.
fn swept(entry: &Value) -> String {
    let targets = entry.get("targets").and_then(Value::as_array).into_iter().flatten();
    let told = targets.map(|target| format!("{} {}", name(target).unwrap_or_default(), left_behind(target)));
    told.collect::<Vec<_>>().join("; ")
}

/// A target is a name in an intent, and an object with one in an outcome.
fn name(target: &Value) -> Option<&str> {
    target.as_str().or_else(|| target.get("target")?.as_str())
}
