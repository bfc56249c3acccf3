//! `quell isolate | release | deactivate | activate | revoke`: plan, confirm, execute, prove, without a screen.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use color_eyre::eyre::eyre;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cloud::Clients;
use crate::config::{self, Environment, Settings};
use crate::fleet::event::Event;
use crate::fleet::model::Name;
use crate::fleet::{Fleet, LinkState};
use crate::response::{
    ActionView, Answer, Check, Confirmation, Intent, Level, Listener, Outcome, Plan, Responder, Reversible,
    RowState, Target, TargetOutcome,
};

use super::{Common, exit};

/// How long the commands listen before they plan.
const LISTEN: Duration = Duration::from_secs(3);

/// Flags of the commands that act on things.
#[derive(Args, Debug)]
pub struct ThingsArgs {
    /// The things
    #[arg(required = true, value_name = "THING")]
    pub things: Vec<String>,
    /// The isolation group instead of the configured one
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// Flags of the commands that act on certificates.
#[derive(Args, Debug)]
pub struct CertificateArgs {
    /// The things
    #[arg(required = true, value_name = "THING")]
    pub things: Vec<String>,
    /// Only this certificate of theirs (64 hexadecimal digits)
    #[arg(long, value_name = "ID")]
    pub certificate: Option<String>,
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
    /// One JSON document on stdout
    #[arg(long)]
    pub json: bool,
    /// Give up waiting for the proof after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

/// The five commands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    Isolate,
    Release,
    Deactivate,
    Activate,
    Revoke,
}

pub(super) fn things(verb: Verb, args: &ThingsArgs, common: &Common) -> color_eyre::Result<u8> {
    let (things, group) = (targets(&args.things), args.group.as_deref().map(Name::new));
    let intent = match verb {
        Verb::Release => Intent::Release { things, group },
        _ => Intent::Isolate { things, group },
    };
    respond(intent, &args.how, common)
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

/// The things named, each once, in the order given.
fn targets(names: &[String]) -> Vec<Target> {
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
    let settings = match settings(common) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    runtime()?.block_on(Box::pin(run(intent, how, &settings)))
}

async fn run(intent: Intent, how: &How, settings: &Settings) -> color_eyre::Result<u8> {
    let clients = Clients::connect(settings).await.map_err(|t| eyre!("{}", t.message))?;
    let (events, received) = mpsc::channel::<Event>(64);
    let (answers, mut answered) = mpsc::channel(64);
    let responder = Responder::spawn(clients.clone(), settings, events.clone(), answers);
    let stream = crate::stream::spawn(
        settings,
        Some(super::source::signer(&clients)),
        clients.mqtt_host.as_deref(),
        events,
    );
    let fleet = Arc::new(Mutex::new(Fleet::new(settings.limits())));
    tokio::spawn(follow(received, responder.listener(), Arc::clone(&fleet)));
    let intent = acquaint(intent, &fleet).await;
    responder.plan(1, intent);
    let plan = loop {
        match answered.recv().await {
            Some(Answer::Plan { result, .. }) => break result.map_err(|t| eyre!("{}", t.message))?,
            Some(_) => {}
            None => return Err(eyre!("the plan was not computed")),
        }
    };
    if how.dry_run {
        let mut out = io::stdout().lock();
        if how.json {
            writeln!(out, "{:#}", plan_json(&plan))?;
        } else {
            print_plan(&mut out, &plan)?;
        }
        return Ok(if plan.refused().is_some() { exit::REFUSED } else { exit::DONE });
    }
    print_plan(&mut io::stderr().lock(), &plan)?;
    if plan.refused().is_none() && plan.steps().is_empty() {
        writeln!(io::stderr(), "nothing to do")?;
        if how.json {
            writeln!(io::stdout(), "{:#}", json!({"plan": plan_json(&plan), "outcome": "nothing to do"}))?;
        }
        return Ok(exit::DONE);
    }
    let typed = match confirm(&plan, how)? {
        Some(typed) => typed,
        None => {
            writeln!(io::stderr(), "not confirmed: nothing was sent")?;
            return Ok(exit::REFUSED);
        }
    };
    let id = plan.id().clone();
    let planned = plan_json(&plan);
    responder.confirm(*plan, Some(typed));
    let limit = how.timeout.map(Duration::from_secs);
    let deadline = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(deadline);
    let (mut interrupted, mut late, mut said) = (false, false, String::new());
    let view = loop {
        tokio::select! {
            answer = answered.recv() => match answer {
                Some(Answer::Done(view)) => break view,
                Some(Answer::Progress(view)) => progress(&view, &mut said)?,
                Some(Answer::Refused { reason, .. }) => {
                    writeln!(io::stderr(), "refused: {reason}")?;
                    if how.json {
                        writeln!(io::stdout(), "{:#}", json!({"plan": planned, "refused": reason}))?;
                    }
                    return Ok(exit::REFUSED);
                }
                Some(Answer::Plan { .. }) => {}
                None => return Err(eyre!("the response ended without an outcome; the journal says how far it came")),
            },
            () = &mut deadline, if !late => {
                late = true;
                responder.stop(&id);
            }
            Ok(()) = tokio::signal::ctrl_c(), if !interrupted => {
                interrupted = true;
                responder.stop(&id);
            }
        }
    };
    drop(stream);
    result(&view, how, &planned)?;
    Ok(code(&view, interrupted))
}

/// Keeps the fleet true while there is no screen that shows it.
async fn follow(mut received: mpsc::Receiver<Event>, mut listener: Listener, fleet: Arc<Mutex<Fleet>>) {
    while let Some(event) = received.recv().await {
        listener.observe(&event);
        let now = jiff::Timestamp::now().as_millisecond();
        fleet.lock().apply(event, now);
    }
}

/// Listens for a moment, so that silence can be told from a topic nobody knows, and says when nothing is received.
async fn acquaint(mut intent: Intent, fleet: &Mutex<Fleet>) -> Intent {
    if intent.things().is_empty() {
        return intent;
    }
    let names: Vec<String> = intent.things().iter().map(|t| t.thing.raw().to_owned()).collect();
    let known = || {
        let fleet = fleet.lock();
        names.iter().all(|n| fleet.find(n).is_some_and(|id| fleet.device(id).last_seen().is_some()))
    };
    let until = tokio::time::Instant::now() + LISTEN;
    while !known() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let fleet = fleet.lock();
    if !matches!(fleet.link().state(), LinkState::Up) {
        let _ = writeln!(io::stderr(), "telemetry is not received: GetConnection has to prove it");
    }
    for target in intent.things_mut() {
        if let Some(id) = fleet.find(target.thing.raw()) {
            *target = Target::seen(&fleet, fleet.device(id));
        }
    }
    intent
}

/// The exit code of an ended response.
fn code(view: &ActionView, interrupted: bool) -> u8 {
    let failed = view.targets.iter().any(|t| matches!(t.outcome, Some(TargetOutcome::Failed { .. })));
    match view.finished {
        _ if interrupted => exit::INTERRUPTED,
        Some(Outcome::Proven) => exit::DONE,
        // Stopped by --timeout: what was sent was sent.
        Some(Outcome::Interrupted) if failed => exit::PARTLY,
        Some(Outcome::Interrupted | Outcome::Unproven) => exit::UNPROVEN,
        Some(Outcome::Partly) => exit::PARTLY,
        Some(Outcome::Failed) | None => exit::FAILED,
    }
}

/// What was typed to confirm; `None` when it was not confirmed.
fn confirm(plan: &Plan, how: &How) -> io::Result<Option<String>> {
    let expected = match plan.confirmation() {
        Confirmation::Enter => String::new(),
        Confirmation::TypeName { name, .. } => name.as_str().to_owned(),
        Confirmation::TypeCount(n) => n.to_string(),
    };
    if how.yes || plan.refused().is_some() {
        // A refused plan goes to the gate, which says no and writes it down.
        return Ok(Some(expected));
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        writeln!(io::stderr(), "not a terminal: --yes confirms")?;
        return Ok(None);
    }
    let question = match plan.confirmation() {
        Confirmation::Enter => "go on? [y/N] ".to_owned(),
        Confirmation::TypeName { name, or: Some(or) } => format!("type {name} (or {or}) to go on: "),
        Confirmation::TypeName { name, or: None } => format!("type {name} to go on: "),
        Confirmation::TypeCount(n) => format!("type the number of devices ({n}) to go on: "),
    };
    let mut terminal = io::stderr();
    write!(terminal, "{question}")?;
    terminal.flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let typed = line.trim();
    Ok(match plan.confirmation() {
        Confirmation::Enter => matches!(typed, "y" | "Y" | "yes").then(String::new),
        other => other.accepts(Some(typed)).then(|| typed.to_owned()),
    })
}

fn print_plan(out: &mut impl Write, plan: &Plan) -> io::Result<()> {
    writeln!(out, "{}", plan.title())?;
    if !plan.steps().is_empty() {
        writeln!(out, "  will")?;
    }
    for step in plan.steps() {
        let check = match &step.check {
            Check::None => String::new(),
            Check::Passed(text) => format!("   {text}  ok"),
            Check::Doubtful(text) => format!("   {text}  ?"),
            Check::Failed(text) => format!("   {text}  FAILED"),
        };
        writeln!(out, "    {}  {}  {}{check}", step.n, step.title, step.detail)?;
        for call in &step.calls {
            writeln!(out, "         {} {}", call.operation, call.summary)?;
        }
    }
    if !plan.proofs().is_empty() {
        writeln!(out, "  then prove")?;
    }
    for proof in plan.proofs() {
        writeln!(out, "    {}  {}", proof.n, proof.text)?;
    }
    writeln!(out, "  affects")?;
    for note in plan.affects() {
        let mark = match note.level {
            Level::Info => "",
            Level::Warn => "warning: ",
            Level::Danger => "DANGER: ",
        };
        writeln!(out, "    {mark}{}", note.text)?;
    }
    match plan.reversible() {
        Reversible::Yes(how) => writeln!(out, "    reversible: {how}")?,
        Reversible::No(why) => writeln!(out, "    NOT reversible: {why}")?,
    }
    if let Some(text) = plan.would_change_nothing() {
        writeln!(out, "  WOULD CHANGE NOTHING: {text}")?;
    }
    if let Some(text) = plan.refused() {
        writeln!(out, "  REFUSED: {text}")?;
    }
    Ok(())
}

fn plan_json(plan: &Plan) -> Value {
    let steps: Vec<Value> = plan
        .steps()
        .iter()
        .map(|s| {
            let calls: Vec<Value> = s
                .calls
                .iter()
                .map(|c| json!({"operation": c.operation, "resource": c.resource, "parameters": c.summary}))
                .collect();
            let (verified, check) = match &s.check {
                Check::None => (None, None),
                Check::Passed(text) => (Some("passed"), Some(text)),
                Check::Doubtful(text) => (Some("doubtful"), Some(text)),
                Check::Failed(text) => (Some("failed"), Some(text)),
            };
            json!({"n": s.n, "title": s.title, "detail": s.detail, "verified": verified, "check": check, "calls": calls})
        })
        .collect();
    let notes: Vec<Value> = plan
        .affects()
        .iter()
        .map(|n| json!({"level": format!("{:?}", n.level).to_lowercase(), "text": n.text}))
        .collect();
    let proofs: Vec<&str> = plan.proofs().iter().map(|p| p.text.as_str()).collect();
    let targets: Vec<&str> = plan.targets().iter().map(|t| t.raw()).collect();
    json!({
        "id": plan.id().to_string(),
        "action": plan.intent().verb(),
        "title": plan.title(),
        "targets": targets,
        "steps": steps,
        "proofs": proofs,
        "affects": notes,
        "reversible": matches!(plan.reversible(), Reversible::Yes(_)),
        "wouldChangeNothing": plan.would_change_nothing(),
        "refused": plan.refused(),
    })
}

/// Tells on stderr what changed since it was last told.
fn progress(view: &ActionView, said: &mut String) -> io::Result<()> {
    let done = view.rows.iter().filter(|r| matches!(r.state, RowState::Done(_))).count();
    let open = view.rows.iter().find(|r| matches!(r.state, RowState::Running | RowState::Waiting));
    let Some(open) = open else { return Ok(()) };
    let line = format!("  {done}/{} · {}", view.rows.len(), open.title);
    if line != *said {
        writeln!(io::stderr(), "{line}")?;
        *said = line;
    }
    Ok(())
}

fn result(view: &ActionView, how: &How, planned: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let outcome = view.finished.as_ref().map_or("open", Outcome::word);
    if how.json {
        let targets: Vec<Value> = view.targets.iter().map(target_json).collect();
        return writeln!(out, "{:#}", json!({"plan": planned, "outcome": outcome, "targets": targets}));
    }
    for target in &view.targets {
        let ended = match &target.outcome {
            Some(TargetOutcome::Proven { took }) => {
                format!("proven, took {}.{} s", took / 1000, took % 1000 / 100)
            }
            Some(TargetOutcome::Unproven { missing }) => format!("NOT PROVEN: {missing}"),
            Some(TargetOutcome::Failed { reason, partly: true }) => format!("PARTLY DONE: {reason}"),
            Some(TargetOutcome::Failed { reason, partly: false }) => format!("FAILED: {reason}"),
            None => "open".to_owned(),
        };
        writeln!(out, "{}  {ended}", target.name.shown())?;
        for row in &target.rows {
            let state = match &row.state {
                RowState::Done(ms) => format!("{:>7}.{} s", ms / 1000, ms % 1000 / 100),
                RowState::Failed(why) => format!("   FAILED  {why}"),
                RowState::Skipped(why) => format!("        –  {why}"),
                RowState::Waiting | RowState::Running => "     open".to_owned(),
            };
            writeln!(out, "  {state}  {}  {}", row.title, row.detail)?;
        }
    }
    Ok(())
}

fn target_json(target: &crate::response::TargetView) -> Value {
    let rows: Vec<Value> = target
        .rows
        .iter()
        .map(|r| {
            let (state, after, why) = match &r.state {
                RowState::Done(ms) => ("done", Some(*ms), None),
                RowState::Failed(why) => ("failed", None, Some(why)),
                RowState::Skipped(why) => ("skipped", None, Some(why)),
                RowState::Running => ("running", None, None),
                RowState::Waiting => ("waiting", None, None),
            };
            json!({"title": r.title, "state": state, "afterMs": after, "why": why, "detail": r.detail})
        })
        .collect();
    let (result, took, why) = match &target.outcome {
        Some(TargetOutcome::Proven { took }) => ("proven", Some(*took), None),
        Some(TargetOutcome::Unproven { missing }) => ("unproven", None, Some(missing)),
        Some(TargetOutcome::Failed { reason, partly }) => {
            (if *partly { "partly" } else { "failed" }, None, Some(reason))
        }
        None => ("open", None, None),
    };
    json!({"thingName": target.name.raw(), "result": result, "tookMs": took, "why": why, "steps": rows})
}
