//! After the proof: the clients are asked themselves, and what the contained devices left behind is looked for. The proof is
//! told before, and nothing here changes it.

use std::sync::Arc;

use serde_json::json;

use crate::response::gate::Grant;
use crate::response::plan::PlanId;
use crate::response::plan::request::{Proof, Request, Work};
use crate::response::prover::Prover;
use crate::response::sweep::{self, Subject, Sweep};
use crate::response::view::TargetOutcome;
use quell_fleet::text::SafeText;

use super::send::sent;
use super::{Shared, now};

/// The clients of so many devices are asked one after the other: each may take some seconds to answer.
const ASKED: usize = 20;

/// What there is to sweep: the devices that were proven contained.
pub(super) fn contained(provers: &[Prover]) -> Vec<(Work, Subject)> {
    let proven = |p: &&Prover| matches!(p.outcome(), Some(TargetOutcome::Proven { .. }));
    provers.iter().filter(proven).filter_map(|p| Some((p.work.clone(), subject(p)?))).collect()
}

fn subject(prover: &Prover) -> Option<Subject> {
    let (connects, barred) = match prover.work.proof {
        Proof::Isolated { connects, .. } => (connects, false),
        Proof::Barred { .. } => (false, true),
        _ => return None,
    };
    Some(Subject {
        thing: prover.work.name.clone(),
        clients: prover.watched(),
        siblings: prover.work.siblings.clone(),
        topics: prover.work.topics.clone(),
        connects,
        barred,
        told: Vec::new(),
    })
}

/// Asks and looks, and writes what was found into the journal. A fault in it is told as what it is: nothing is known.
pub(super) async fn run(
    shared: &Shared,
    grant: Arc<Grant>,
    plan: &PlanId,
    devices: Vec<(Work, Subject)>,
) -> Vec<Sweep> {
    let names: Vec<_> = devices.iter().map(|(_, subject)| subject.thing.clone()).collect();
    let made = tokio::spawn(Box::pin(look(shared.clone(), grant, devices))).await;
    let broken = "a fault in quell itself ended the sweep; the log has the report";
    let sweeps =
        made.unwrap_or_else(|_| names.into_iter().map(|thing| Sweep::unmade(thing, broken)).collect());
    let targets: Vec<_> = sweeps.iter().map(Sweep::json).collect();
    if let Err(error) = shared.journal.append(now(), "sweep", &plan.0, json!({ "targets": targets })).await {
        tracing::warn!(%error, "what a sweep found could not be written to the journal");
    }
    sweeps
}

async fn look(shared: Shared, grant: Arc<Grant>, devices: Vec<(Work, Subject)>) -> Vec<Sweep> {
    let mut subjects = Vec::new();
    let many = devices.len() > ASKED;
    for (work, mut subject) in devices {
        for question in &work.questions {
            let Request::Ask { client } = question else { continue };
            if many {
                let why = format!("of more than {ASKED} devices at once none is asked");
                subject.told.push(((client.clone(), Err(SafeText::new(&why))), None));
                continue;
            }
            let answer = sent(&shared, &grant, question, work.name.raw(), None).await;
            subject.told.push(match answer {
                Ok(accepted) => {
                    let reply = accepted.reply.ok_or_else(|| "no answer is understood".into());
                    ((client.clone(), reply), accepted.request_id)
                }
                Err(failed) => ((client.clone(), Err(failed.reason)), failed.request_id),
            });
        }
        subjects.push(subject);
    }
    sweep::sweep(&shared.clients, &shared.rules, subjects, now()).await
}
