//! Plans and outcomes as text for people and as JSON for programs.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use quell_fleet::shell::command;
use quell_fleet::text::SafeText;

use crate::response::{
    ActionView, Check, Confirmation, Intent, Level, Mark, Outcome, Plan, Reversible, RowState, Sweep, Swept,
    TargetOutcome, TargetView,
};

/// A plan as text for people.
pub(in crate::cli) fn plan_text(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing into a string never fails.
    let _ = write_plan(&mut out, plan);
    out
}

fn write_plan(out: &mut String, plan: &Plan) -> fmt::Result {
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
    for (level, text) in plan.told() {
        let mark = match level {
            Level::Info => "",
            Level::Warn => "warning: ",
            Level::Danger => "DANGER: ",
        };
        writeln!(out, "    {mark}{text}")?;
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
    if let Some(Intent::Cut { things, client }) = plan.cut_one() {
        let things = things.iter().map(|t| t.thing.raw());
        let client = format!("--client={}", client.raw());
        writeln!(out, "  OR: {}", command(&["quell", "cut", &client], things))?;
    }
    if let Some(intent) = plan.instead() {
        let certificate = certificate(intent).map(|id| format!("--certificate={id}"));
        let mut words = vec!["quell", intent.verb().id()];
        words.extend(certificate.as_deref());
        let things = intent.things().iter().map(|t| t.thing.raw());
        writeln!(out, "  INSTEAD: {}", command(&words, things))?;
    }
    Ok(())
}

/// A plan for programs.
pub(in crate::cli) fn plan_json(plan: &Plan) -> Value {
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
        "confirmation": confirmation(plan),
        "reversible": matches!(plan.reversible(), Reversible::Yes(_)),
        "reversibleHow": match plan.reversible() { Reversible::Yes(text) | Reversible::No(text) => text },
        "wouldChangeNothing": plan.would_change_nothing(),
        "refused": plan.refused(),
        "instead": plan.instead().map(instead),
        "cut": plan.cut_one().map(cut_one),
    })
}

/// What would reach the device where the plan would not.
fn instead(intent: &Intent) -> Value {
    let things: Vec<&str> = intent.things().iter().map(|t| t.thing.raw()).collect();
    json!({"action": intent.verb(), "things": things, "certificate": certificate(intent)})
}

/// What would cut one session only.
fn cut_one(intent: &Intent) -> Value {
    let things: Vec<&str> = intent.things().iter().map(|t| t.thing.raw()).collect();
    let client = if let Intent::Cut { client, .. } = intent { Some(client.raw()) } else { None };
    json!({"action": intent.verb(), "things": things, "client": client})
}

fn certificate(intent: &Intent) -> Option<&str> {
    match intent {
        Intent::Deactivate { certificate, .. } => certificate.as_deref(),
        _ => None,
    }
}

fn confirmation(plan: &Plan) -> &'static str {
    match plan.confirmation() {
        Confirmation::Nothing => "none",
        Confirmation::Enter => "confirm",
        Confirmation::TypeName { .. } => "name",
        Confirmation::TypeCount(_) => "count",
        Confirmation::TypeAccount(_) => "account",
    }
}

/// How it ended, for programs.
pub(in crate::cli) fn result_json(view: &ActionView, planned: &Value) -> Value {
    let outcome = view.finished.as_ref().map_or("open", Outcome::word);
    let targets: Vec<Value> = view.targets.iter().map(target_json).collect();
    let swept = match &view.swept {
        Swept::None => Value::Null,
        Swept::Running => "not told in time".into(),
        Swept::Done(sweeps) => sweeps.iter().map(Sweep::json).collect(),
    };
    json!({"plan": planned, "outcome": outcome, "targets": targets, "leftBehind": swept})
}

/// What was left behind, for people: a line for each residue, with the request ids, and the command that mends it.
pub(in crate::cli) fn swept_text(view: &ActionView) -> String {
    match &view.swept {
        Swept::None => String::new(),
        Swept::Running => "what was left behind was not told in time\n".to_owned(),
        Swept::Done(sweeps) => sweeps_text(sweeps),
    }
}

/// [`swept_text`] of sweeps.
pub(in crate::cli) fn sweeps_text(sweeps: &[Sweep]) -> String {
    let mut out = String::new();
    let _ = write_sweeps(&mut out, sweeps);
    out
}

fn write_sweeps(out: &mut String, sweeps: &[Sweep]) -> fmt::Result {
    for sweep in sweeps {
        writeln!(out, "{}  left behind: {}", sweep.thing.shown(), sweep.summary())?;
        for trace in &sweep.traces {
            let mark = match trace.mark {
                Mark::Clear => "✓",
                Mark::Found => "✗",
                Mark::Unknown => "unknown",
            };
            let ids = trace.requests.iter().map(SafeText::as_str).collect::<Vec<_>>().join(" ");
            let ids = if ids.is_empty() { ids } else { format!("  ({ids})") };
            writeln!(out, "  {mark:>7}  {:<22}  {}{ids}", trace.residue.title(), trace.text)?;
            if let Some(run) = &trace.run {
                writeln!(out, "           {run}")?;
            }
        }
    }
    Ok(())
}

/// How it ended, for people: of many devices, only those that are not proven with each of their steps.
pub(super) fn result_text(view: &ActionView) -> String {
    let mut out = String::new();
    let _ = write_result(&mut out, view);
    out
}

/// `3.3 s`.
fn tenths(ms: i64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

fn write_result(out: &mut String, view: &ActionView) -> fmt::Result {
    let many = view.targets.len() > 5;
    let proven = |t: &&TargetView| matches!(t.outcome, Some(TargetOutcome::Proven { .. }));
    if many {
        writeln!(out, "{} of {} proven", view.targets.iter().filter(proven).count(), view.targets.len())?;
    }
    for target in view.targets.iter().filter(|t| !many || !proven(t)) {
        let ended = match &target.outcome {
            Some(TargetOutcome::Proven { took }) => {
                let after = target.rows.iter().filter_map(|r| match r.state {
                    RowState::Done(after) => Some(after),
                    _ => None,
                });
                let after = after.max().unwrap_or(*took);
                let last = if *took < after {
                    format!("; the last sign of life came {} after the confirmation", tenths(*took))
                } else {
                    String::new()
                };
                format!("proven in {}{last}", tenths(after))
            }
            Some(TargetOutcome::Unproven { missing }) => format!("NOT PROVEN: {missing}"),
            Some(TargetOutcome::Left { why, missing }) => format!("NOT PROVEN: {why}; waited for: {missing}"),
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

fn target_json(target: &TargetView) -> Value {
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
    let (result, took, why) = TargetOutcome::told(target.outcome.as_ref());
    json!({"thingName": target.name.raw(), "result": result, "tookMs": took, "why": why, "steps": rows})
}
