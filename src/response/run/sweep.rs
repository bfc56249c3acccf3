//! After the proof, had or missed: the clients are asked themselves, and what the contained devices left behind is looked for. The proof is
//! told before, and nothing here changes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::response::gate::Grant;
use crate::response::plan::PlanId;
use crate::response::plan::request::{Proof, Request, Work};
use crate::response::prover::Prover;
use crate::response::sweep::{self, Subject, Sweep};
use crate::response::view::TargetOutcome;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::send::sent;
use super::{Shared, now};

/// So many clients are asked at once: each may take some seconds to answer.
const AT_ONCE: usize = 8;
/// So many clients of one device are asked: a hostile one takes a name for each connection.
const CLIENTS: usize = 8;
/// After so long no more are asked; an answer that is under way is waited for, for it belongs into the journal.
const ASKING: Duration = Duration::from_secs(15);

/// What there is to sweep: the devices that hold as far as was asked, proven or not.
pub(super) fn contained(provers: &[Prover]) -> Vec<(Work, Subject)> {
    let held = |p: &&Prover| {
        matches!(p.outcome(), Some(TargetOutcome::Proven { .. } | TargetOutcome::Unproven { .. }))
    };
    provers.iter().filter(held).filter_map(|p| Some((p.work.clone(), subject(p)?))).collect()
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
        told: Some(Vec::new()),
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
    let until = Instant::now() + ASKING;
    let (works, mut subjects): (Vec<Work>, Vec<Subject>) = devices.into_iter().unzip();
    let mut questions: Vec<(usize, usize, Name, Request, Name)> = Vec::new();
    for (of, work) in works.iter().enumerate() {
        let asks = work.questions.iter().filter_map(|question| match question {
            Request::Ask { client } => Some((question.clone(), client.clone())),
            _ => None,
        });
        let thing = &work.name;
        questions.extend(asks.enumerate().map(|(nth, (ask, client))| (of, nth, thing.clone(), ask, client)));
    }
    // The first client of each device before the second of any.
    questions.sort_by_key(|(_, nth, ..)| *nth);
    let asked = stream::iter(questions).map(|(of, nth, thing, question, client)| {
        let (shared, grant) = (shared.clone(), Arc::clone(&grant));
        async move {
            let not = |why: String| (Err(SafeText::new(&why)), None);
            let (reply, id) = if nth >= CLIENTS {
                not(format!("of a device's clients {CLIENTS} are asked"))
            } else if Instant::now() >= until {
                not(format!("not asked within {} s", ASKING.as_secs()))
            } else {
                match sent(&shared, &grant, &question, thing.raw(), None).await {
                    Ok(accepted) => {
                        let reply = accepted.reply.ok_or_else(|| "no answer is understood".into());
                        (reply, accepted.request_id)
                    }
                    Err(failed) => (Err(failed.reason), failed.request_id),
                }
            };
            (of, nth, ((client, reply), id))
        }
    });
    let mut asked: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
    asked.sort_by_key(|(_, nth, _)| *nth);
    for (of, _, answer) in asked {
        if let Some(subject) = subjects.get_mut(of) {
            subject.told.get_or_insert_default().push(answer);
        }
    }
    sweep::sweep(&shared.clients, &shared.rules, None, subjects, now()).await
}
