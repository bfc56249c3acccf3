//! `quell journal recover`, `quell undo`, `quell finish`: plans of the journal, told truly and taken up again.

use std::fmt::Write as _;

use clap::Args;
use color_eyre::eyre::eyre;
use serde_json::{Value, json};

use crate::cli::respond_cmds::{How, respond, runtime, settings};
use crate::cli::{Common, exit, output};
use crate::cloud::Aws;
use crate::config::Settings;
use crate::response::{Intent, recover};

/// Arguments of `quell undo` and `quell finish`.
#[derive(Args, Debug)]
pub struct PastArgs {
    /// The plan, as `quell journal` names it; the latest that fits without one
    #[arg(value_name = "PLAN")]
    pub plan: Option<String>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

pub(in crate::cli) fn past(undo: bool, args: &PastArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match settings(common) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let found = match &args.plan {
        Some(plan) => Ok(plan.clone()),
        None => runtime()?.block_on(async {
            if undo {
                recover::last_undoable(&settings.journal, settings.account_since).await
            } else {
                recover::last_unfinished(&settings.journal, settings.account_since).await
            }
        })?,
    };
    let plan = found.map_err(|why| eyre!("{why}"))?;
    respond(if undo { Intent::Undo { plan } } else { Intent::Finish { plan } }, &args.how, common)
}

pub(super) fn run(close: Option<&str>, as_json: bool, settings: &Settings) -> color_eyre::Result<u8> {
    if let Some(plan) = close {
        recover::close(&settings.journal, plan).map_err(|e| eyre!("{plan}: {e}"))?;
        return Ok(exit::DONE);
    }
    let plans = runtime()?.block_on(async {
        let clients = Aws::connect(settings).await.map_err(|t| crate::cli::reads::Unreached::from(&t))?;
        Box::pin(recover::unfinished(&clients, &settings.journal, settings.account_since))
            .await
            .map_err(color_eyre::Report::from)
    })?;
    if as_json {
        let plans: Vec<Value> = plans.iter().map(recover::json).collect();
        output::text(&format!("{:#}\n", json!({ "plans": plans })))?;
        return Ok(exit::DONE);
    }
    let mut out = String::new();
    if plans.is_empty() {
        out.push_str("every plan came to an end\n");
    }
    for plan in &plans {
        writeln!(out, "{}  {}  {}", plan.id, plan.at, plan.title)?;
        for step in &plan.steps {
            let target = plan.target_of(step).map_or_else(Default::default, |t| t.shown().clone());
            writeln!(out, "  {target}  {} {}  {}", step.operation(), step.resource(), step.truth())?;
        }
        writeln!(
            out,
            "  finish: quell finish {0}   undo: quell undo {0}   let it rest: quell journal recover --close {0}",
            plan.id
        )?;
    }
    output::text(&out)?;
    Ok(exit::DONE)
}
