//! What a run tells of its targets: the journal's line, the stage the fleet shows, and the outcome as a whole.

use serde_json::json;

use crate::response::plan::request::{CertificateStatus, Proof};
use crate::response::prover::Prover;
use crate::response::stop::Stop;
use crate::response::view::{Outcome, RowState, TargetOutcome, TargetView};
use quell_fleet::Ms;
use quell_fleet::event::Stage;
use quell_fleet::format::iso;
use quell_fleet::text::SafeText;

/// One target of a response, as its outcome is written down; `silent_until` is until when the silence that proved it is known.
pub(super) fn target_json(target: &TargetView, silent_until: Option<Ms>) -> serde_json::Value {
    let rows: Vec<_> = target
        .rows
        .iter()
        .map(|r| {
            let (state, ms) = match &r.state {
                RowState::Done(ms) => ("done", Some(*ms)),
                RowState::Failed(_) => ("failed", None),
                RowState::Skipped(_) => ("skipped", None),
                RowState::Waiting | RowState::Running => ("open", None),
            };
            json!({"proof": r.title, "state": state, "after_ms": ms, "detail": r.detail})
        })
        .collect();
    let (result, took, why) = TargetOutcome::told(target.outcome.as_ref());
    json!({
        "target": target.name.raw(), "result": result, "took_ms": took, "why": why,
        "silent_until": silent_until.and_then(iso), "steps": rows,
    })
}

pub(super) fn stage(prover: &Prover, began: Ms) -> Option<Stage> {
    let containing = prover.work.proof.holds();
    match (&prover.work.proof, prover.outcome()) {
        (
            Proof::Job { .. }
            | Proof::OneLeft { .. }
            | Proof::Flagged
            | Proof::Member { .. }
            | Proof::Ready { .. }
            | Proof::Mitigated { .. }
            | Proof::Audited { .. }
            | Proof::Shown,
            _,
        ) => None,
        (Proof::Barred { is: CertificateStatus::Revoked, .. }, Some(TargetOutcome::Proven { .. })) => {
            Some(Stage::Revoked)
        }
        (_, Some(TargetOutcome::Proven { took })) if containing => {
            Some(Stage::Contained { began, took: *took })
        }
        (_, Some(TargetOutcome::Unproven { missing })) if containing => {
            Some(Stage::Unproven { began, missing: missing.clone() })
        }
        (_, Some(TargetOutcome::Failed { reason: what, .. } | TargetOutcome::Left { why: what, .. }))
            if containing =>
        {
            Some(Stage::Failed { began, what: what.clone(), left: left(prover) })
        }
        (_, None) if containing => Some(Stage::Containing { began, waiting_for: prover.waiting_for() }),
        // From the moment it may speak on purpose, hearing it is no leak.
        (_, _)
            if !containing
                && (prover.proving() || matches!(prover.outcome(), Some(TargetOutcome::Proven { .. }))) =>
        {
            Some(Stage::Released)
        }
        _ => None,
    }
}

/// What of a target was not done, in a few words.
fn left(prover: &Prover) -> SafeText {
    let view = prover.view();
    let open = view.rows.iter().filter(|row| !matches!(row.state, RowState::Done(_)));
    let titles: Vec<&str> = open.map(|row| row.title.as_str()).collect();
    SafeText::new(&titles.join(", "))
}

/// How it ended as a whole. A proof that did not come within the time given for it is a missing proof; one that was
/// stopped, or left, is told by that.
pub(super) fn outcome(provers: &[Prover], stopped: Option<Stop>) -> Outcome {
    let count = |f: fn(&TargetOutcome) -> bool| provers.iter().filter(|c| c.outcome().is_some_and(f)).count();
    let failed = count(|o| matches!(o, TargetOutcome::Failed { .. }));
    let partly = count(|o| matches!(o, TargetOutcome::Failed { partly: true, .. }));
    let unproven = count(|o| matches!(o, TargetOutcome::Unproven { .. }));
    match () {
        () if stopped == Some(Stop::Operator) => Outcome::Interrupted,
        () if matches!(stopped, Some(Stop::Left | Stop::Signal(_))) => Outcome::Left,
        () if failed == provers.len() && partly == 0 => Outcome::Failed,
        () if failed > 0 => Outcome::Partly,
        () if unproven > 0 => Outcome::Unproven,
        () => Outcome::Proven,
    }
}
