//! `quell isolate | release | deactivate | activate | revoke`: plan, confirm, execute, prove, without a screen.

mod ask;
mod hold;
mod session;
mod show;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use futures_util::{Stream, stream};
use serde_json::json;

use crate::cloud::now_ms;
use crate::config::{self, Environment, Settings};
use crate::console::event_loop::Ends;
use crate::response::{HeldFor, Intent, Stop, Swept, Target, recover, timed};
use quell_fleet::model::Name;

pub(super) use session::{Ended, Session, code};
pub(super) use show::{plan_json, plan_text, result_json, sweeps_text};

use super::{Common, exit, output};

/// Flags of the commands that act on things.
#[derive(Args, Debug)]
pub struct ThingsArgs {
    /// The things
    #[arg(required = true, value_name = "THING")]
    pub things: Vec<String>,
    /// The isolation group instead of the configured one
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// First keep what this destroys in a new case, in this folder: see `quell case`
    #[arg(long, value_name = "DIR")]
    pub case: Option<PathBuf>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// Flags of `quell isolate`.
#[derive(Args, Debug)]
pub struct IsolateArgs {
    /// Which, and how
    #[command(flatten)]
    pub things: ThingsArgs,
    /// For so long, e.g. 30m, 4h: released then with proof, unless they offended again, by the guard that acts here, or see --wait
    #[arg(long = "for", value_name = "DURATION", value_parser = timed::length)]
    pub length: Option<Duration>,
    /// With --for: stay until then, and release them
    #[arg(long, requires = "length")]
    pub wait: bool,
}

/// Flags of the commands that act on certificates.
#[derive(Args, Debug)]
pub struct CertificateArgs {
    /// The things; without any, those the certificate of --certificate serves
    #[arg(required_unless_present = "certificate", value_name = "THING")]
    pub things: Vec<String>,
    /// This certificate: only it of the things' named, or it and all that it serves (its id, or its ARN)
    #[arg(long, value_name = "ID", value_parser = certificate_id)]
    pub certificate: Option<String>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// Flags of `quell cut`.
#[derive(Args, Debug)]
pub struct CutArgs {
    /// The thing
    #[arg(value_name = "THING")]
    pub thing: String,
    /// The client id of the session to cut; it must have been seen with a principal of the thing
    #[arg(long, value_name = "ID")]
    pub client: String,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// Flags of `quell flag`.
#[derive(Args, Debug)]
pub struct FlagArgs {
    /// The things
    #[arg(required = true, value_name = "THING")]
    pub things: Vec<String>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// Flags of the commands that change membership.
#[derive(Args, Debug)]
pub struct GroupArgs {
    /// The thing group
    #[arg(value_name = "GROUP")]
    pub group: String,
    /// The things
    #[arg(required = true, value_name = "THING")]
    pub things: Vec<String>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// How a response is run without a screen.
#[derive(Args, Clone, Debug, Default)]
pub struct How {
    /// Print the plan, send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// What would be typed to confirm: the name, the number of devices, or the account
    #[arg(long, value_name = "TEXT")]
    pub confirm: Option<String>,
    /// One JSON document on stdout
    #[arg(long)]
    pub json: bool,
    /// Give up waiting for the proof after so long, e.g. 90s, 5m (a bare number is seconds)
    #[arg(long, value_name = "DURATION", value_parser = super::output::duration)]
    pub timeout: Option<Duration>,
}

/// The id of a certificate: 64 hexadecimal digits, alone or at the end of an ARN.
fn certificate_id(text: &str) -> Result<String, String> {
    let id = text.rsplit_once(":cert/").map_or(text, |(_, id)| id);
    let whole = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if whole {
        Ok(id.to_ascii_lowercase())
    } else {
        Err("a certificate's id has 64 hexadecimal digits".to_owned())
    }
}

/// The commands that act on certificates.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    Deactivate,
    Activate,
    Revoke,
}

pub(super) fn isolate(args: &IsolateArgs, common: &Common) -> color_eyre::Result<u8> {
    let IsolateArgs { things: args, length, wait } = args;
    let (things, group) = (targets(&args.things), args.group.as_deref().map(Name::new));
    let time = length.map(|length| HeldFor { waits: *wait, ..HeldFor::of(length) });
    keeping(Intent::Isolate { things, group, time }, args.case.as_deref(), &args.how, common)
}

pub(super) fn release(args: &ThingsArgs, common: &Common) -> color_eyre::Result<u8> {
    let (things, group) = (targets(&args.things), args.group.as_deref().map(Name::new));
    keeping(Intent::Release { things, group }, args.case.as_deref(), &args.how, common)
}

pub(super) fn certificates(verb: Verb, args: &CertificateArgs, common: &Common) -> color_eyre::Result<u8> {
    let (things, certificate) = (targets(&args.things), args.certificate.clone());
    let intent = match verb {
        Verb::Activate => Intent::Activate { things, certificate },
        Verb::Revoke => Intent::Revoke { things, certificate },
        _ => Intent::Deactivate { things, certificate },
    };
    respond(intent, &args.how, common)
}

pub(super) fn cut(args: &CutArgs, common: &Common) -> color_eyre::Result<u8> {
    let things = targets(std::slice::from_ref(&args.thing));
    respond(Intent::Cut { things, client: Name::new(&args.client) }, &args.how, common)
}

pub(super) fn flag(args: &FlagArgs, common: &Common) -> color_eyre::Result<u8> {
    respond(Intent::Flag { things: targets(&args.things) }, &args.how, common)
}

pub(super) fn group(join: bool, args: &GroupArgs, common: &Common) -> color_eyre::Result<u8> {
    let (things, group) = (targets(&args.things), Name::new(&args.group));
    let intent = if join { Intent::Join { things, group } } else { Intent::Leave { things, group } };
    respond(intent, &args.how, common)
}

/// The things named, each once, in the order given.
pub(super) fn targets(names: &[String]) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for name in names {
        if !targets.iter().any(|t| t.thing.raw() == name) {
            targets.push(Target::named(Name::new(name)));
        }
    }
    targets
}

/// The settings, with a configuration error as the exit code scripts know.
pub(super) fn settings(common: &Common) -> Result<Settings, u8> {
    config::load(common, &Environment::of_process()).map_err(|e| {
        let _ = writeln!(io::stderr(), "quell: {e}");
        exit::USAGE
    })
}

/// A runtime for one command.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// Runs one intent from plan to proof.
pub(super) fn respond(intent: Intent, how: &How, common: &Common) -> color_eyre::Result<u8> {
    keeping(intent, None, how, common)
}

/// The same, with the evidence kept in a case between the confirmation and the first request.
fn keeping(intent: Intent, case: Option<&Path>, how: &How, common: &Common) -> color_eyre::Result<u8> {
    let settings = match settings(common) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    runtime()?.block_on(Box::pin(run(intent, case, how, &settings)))
}

/// What stops a response from outside, each time it is asked to: ctrl-c, or the end of the process or of its terminal.
fn stops(ends: Ends) -> impl Stream<Item = Stop> {
    stream::unfold(ends, |mut ends| async move {
        let stop = match ends.any().await {
            "SIGINT" => Stop::Operator,
            name => Stop::Signal(name),
        };
        Some((stop, ends))
    })
}

/// The plan that is to be finished or undone, and whether it is to be undone.
fn intent_of_past(intent: &Intent) -> Option<(&str, bool)> {
    match intent {
        Intent::Undo { plan } => Some((plan, true)),
        Intent::Finish { plan } => Some((plan, false)),
        _ => None,
    }
}

async fn run(intent: Intent, case: Option<&Path>, how: &How, settings: &Settings) -> color_eyre::Result<u8> {
    let mut session = Session::open(settings).await?;
    let intent = session.served(intent).await;
    let intent = session.acquaint(intent).await;
    let plan = session.plan(intent).await?;
    let planned = plan_json(&plan);
    if how.dry_run {
        output::text(&if how.json { format!("{planned:#}\n") } else { plan_text(&plan) })?;
        return Ok(if plan.refused().is_some() { exit::REFUSED } else { exit::DONE });
    }
    // The reader of stderr may be gone; what is done does not depend on it.
    let _ = io::stderr().write_all(plan_text(&plan).as_bytes());
    if plan.refused().is_none() && plan.steps().is_empty() {
        if let Some((id, undo)) = intent_of_past(plan.intent())
            && !settings.read_only
            && let Err(error) = recover::nothing_left(&settings.journal, id, undo)
        {
            let _ = writeln!(io::stderr(), "quell: the journal could not be written: {error}");
        }
        let why = plan.would_change_nothing().map(|w| format!(": {w}")).unwrap_or_default();
        let _ = writeln!(io::stderr(), "nothing to do{why}");
        if how.json {
            output::text(&format!("{:#}\n", json!({"plan": planned, "outcome": "nothing to do"})))?;
        }
        return Ok(exit::DONE);
    }
    let planned_for = plan.intent().clone();
    let ended = match ask::confirm(&plan, how)? {
        Ok(typed) => {
            if let Some(path) = case
                && let Err(error) = super::case::kept(&session, plan.intent().things(), path).await
            {
                let _ = writeln!(
                    io::stderr(),
                    "quell: the case could not be kept in {}: {error}",
                    path.display()
                );
                session.decline(plan, "the case could not be kept").await?;
                return Ok(exit::FAILED);
            }
            session.run(plan, typed, how.timeout, stops(Ends::new()?)).await?
        }
        Err(why) => session.decline(plan, why).await?,
    };
    match ended {
        Ended::Refused(reason) => {
            let _ = writeln!(io::stderr(), "refused: {reason}");
            if how.json {
                output::result(&format!("{:#}\n", json!({"plan": planned, "refused": reason})));
            }
            Ok(exit::REFUSED)
        }
        Ended::View { view, interrupted } => {
            let mut code = code(&view, interrupted);
            let held = hold::Held::of(&planned_for, &view, now_ms());
            // The proof is told first: a sweep of many devices takes its time.
            if !how.json {
                output::result(&show::result_text(&view));
            }
            if view.swept == Swept::Running {
                let _ = writeln!(io::stderr(), "looking for what was left behind");
            }
            let mut ends = Ends::new()?;
            let view = session.swept(view, ends.any()).await;
            let mut whole = result_json(&view, &planned);
            if !how.json {
                output::result(&show::swept_text(&view));
            }
            if let Some(held) = held {
                let releaser = held.releaser(settings, interrupted).await;
                let _ = io::stderr().write_all(held.words(releaser).as_bytes());
                whole["held"] = held.json(releaser);
                if releaser.is_none() && !interrupted {
                    drop(ends);
                    let (released, ended) = Box::pin(held.stay(&session, settings, how)).await?;
                    whole["released"] = released.into();
                    code = if ended == exit::DONE { code } else { ended };
                }
            }
            if how.json {
                output::result(&format!("{whole:#}\n"));
            }
            Ok(code)
        }
    }
}
