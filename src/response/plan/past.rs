//! Plans about earlier plans: finish what a crash or a failure left, or take back what was done, to what *was*.

use crate::response::past::{Past, PastStep, Seen};
use crate::response::plan::draft::{Draft, listed};
use quell_fleet::format::short;
use quell_fleet::text::SafeText;

use super::facts::Facts;
use super::request::{CertificateStatus, Proof, Request, Work};
use super::{Level, Reversible};

pub(super) fn finish(draft: &mut Draft<'_>, facts: &Facts, id: &str) {
    let Some(past) = usable(draft, facts, id) else { return };
    match &past.undone {
        Some(undone) if undone.whole => {
            return draft.refuse(format!(
                "it was undone by {} of {}: nothing is left to finish",
                undone.by, undone.at
            ));
        }
        Some(undone) => {
            return draft.refuse(format!(
                "its undo ({} of {}) was begun and did not come to its end: finish {0}, or undo {}",
                undone.by, undone.at, past.id
            ));
        }
        None => {}
    }
    tell(draft, past, "left", |step| !step.is_so());
    for (i, work) in past.work.iter().enumerate() {
        // A cut leaves no trace: one whose answer was lost is sent again, which harms nobody.
        let left = past.steps.iter().filter(|s| s.target == i && !s.is_so());
        let mut requests: Vec<Request> = left.map(|s| s.request.clone()).collect();
        let contains = work.proof.holds();
        if requests.is_empty() && past.unseen.contains(&i) && contains {
            // Everything was sent, but nobody saw it proven: cutting once more lets it be.
            let cuts =
                past.steps.iter().filter(|s| s.target == i && matches!(s.request, Request::Cut { .. }));
            for cut in cuts {
                if !requests.contains(&cut.request) {
                    requests.push(cut.request.clone());
                }
            }
        }
        if !requests.is_empty() {
            draft.work.push(Work { requests, ..work.clone() });
        }
    }
    if draft.work.is_empty() {
        draft.nothing = Some(SafeText::new("everything it was to do is done"));
        return;
    }
    certificates(draft, past);
    prove(draft);
}

pub(super) fn undo(draft: &mut Draft<'_>, facts: &Facts, id: &str) {
    let Some(past) = usable(draft, facts, id) else { return };
    match &past.undone {
        Some(undone) if undone.whole => {
            return draft.refuse(format!("it was undone already, by {} of {}", undone.by, undone.at));
        }
        Some(undone) => draft.note(
            Level::Info,
            format!(
                "its undo ({} of {}) did not come to its end: the rest is taken back",
                undone.by, undone.at
            ),
        ),
        None => {}
    }
    tell(draft, past, "to be taken back", |step| step.happened() && step.seen != Seen::No);
    for (i, work) in past.work.iter().enumerate() {
        let mut requests = Vec::new();
        for step in past.steps.iter().rev().filter(|s| s.target == i && s.happened()) {
            if past.undone.is_some() && step.seen == Seen::No {
                continue;
            }
            if let Some(request) = taken_back(draft, step) {
                requests.push(request);
            }
        }
        if requests.is_empty() {
            continue;
        }
        let proof = opposite(draft, work, &requests);
        if proof.holds() {
            requests.extend(work.clients.iter().map(|client| Request::Cut { client: client.clone() }));
        }
        let questions = match proof {
            Proof::Isolated { .. } | Proof::Barred { .. } => work.questions.clone(),
            _ => Vec::new(),
        };
        draft.work.push(Work { requests, questions, proof, ..work.clone() });
    }
    if draft.work.is_empty() {
        draft.reversible = Reversible::No(SafeText::new("nothing would be sent"));
        if past.undone.is_some() {
            draft.nothing = Some(SafeText::new("everything it did is taken back"));
            return;
        }
        return draft.refuse("there is nothing that AWS can take back");
    }
    draft.note(Level::Info, "each value goes back to what it was before, not to a default");
    certificates(draft, past);
    prove(draft);
}

/// A certificate action is no smaller for being an undo or a finish: the other things it serves are named, and what
/// cannot be taken back is typed.
fn certificates(draft: &mut Draft<'_>, past: &Past) {
    let mut requests = Vec::new();
    for work in &draft.work {
        for request in &work.requests {
            if let Request::Certificate { id, status, things, .. } = request {
                let others: Vec<_> = things.iter().filter(|t| past.targets().all(|n| n != *t)).collect();
                let others = if others.is_empty() { None } else { Some(listed(&others)) };
                requests.push((id.clone(), *status, others, work.name.shown().clone()));
            }
        }
    }
    for (id, status, others, name) in requests {
        let bars = status != CertificateStatus::Active;
        match others {
            Some(others) if bars => {
                draft.note(
                    Level::Danger,
                    format!("certificate {} also serves {others}: cut off as well", short(&id)),
                );
                draft.type_name.get_or_insert((name.clone(), None));
            }
            Some(others) => {
                draft
                    .note(Level::Warn, format!("certificate {} lets {others} connect again too", short(&id)));
            }
            None => {}
        }
        if status == CertificateStatus::Revoked {
            draft.note(Level::Danger, "REVOKED is final: AWS never lets the status change again");
            let suffix = id.get(id.len().saturating_sub(8)..).map(SafeText::new);
            draft.type_name = Some((name, suffix));
            draft.reversible = Reversible::No(SafeText::new(
                "a revoked certificate stays revoked; the device needs a new one",
            ));
        }
    }
}

/// What will be waited for, each kind of proof once.
fn prove(draft: &mut Draft<'_>) {
    let mut said: Vec<&'static str> = Vec::new();
    for work in &draft.work {
        let words = match &work.proof {
            Proof::Isolated { .. } => "the policy denies, and it keeps silent",
            Proof::Barred { .. } => {
                "its certificate's status, that it does not connect again, and that it keeps silent"
            }
            Proof::OneLeft { .. } => "the client stays away, and one session or none is left",
            Proof::Released { .. } => "it is out of the group, and heard again",
            Proof::Activated { .. } => "its certificate's status, and that it is heard again",
            Proof::Flagged => "the shadow asks, and the device reports that it does",
            Proof::Member { is: true, .. } => "it is a member of the group",
            Proof::Member { is: false, .. } => "it is no longer a member of the group",
            Proof::Job { canceled: true, .. } => "its status is CANCELED",
            Proof::Job { canceled: false, .. } => "the job exists",
            Proof::Ready { is: true, .. } => "the group carries a policy that denies",
            Proof::Ready { is: false, .. } => "the group no longer carries a policy that denies",
            Proof::Shown => "the account shows each of them",
            Proof::Audited { .. } => "the audit ends",
            Proof::Mitigated { .. } => "AWS's task succeeds",
        };
        if !said.contains(&words) {
            said.push(words);
        }
    }
    for words in said {
        draft.prove(words);
    }
    if draft.work.iter().any(|work| !work.questions.is_empty()) {
        draft.sweep();
    }
}

fn usable<'f>(draft: &mut Draft<'_>, facts: &'f Facts, id: &str) -> Option<&'f Past> {
    match &facts.past {
        None => draft.refuse(format!("the journal has no plan {id} that can be read")),
        Some(Past { busy: Some(process), .. }) => draft.refuse(format!(
            "process {process} of this host works on it: stop it there, or wait until it has ended"
        )),
        Some(past) => return Some(past),
    }
    None
}

/// What the plan was, and the truth about each step that matters now: the operator decides on facts.
fn tell(draft: &mut Draft<'_>, past: &Past, what: &str, matters: impl Fn(&PastStep) -> bool) {
    const SHOWN: usize = 40;
    let ended = past.outcome.as_deref().unwrap_or("never ended: its process is gone");
    let told: Vec<&PastStep> = past.steps.iter().filter(|s| matters(s)).collect();
    draft.note(
        Level::Info,
        format!(
            "{} of {} ({ended}): {} of {} requests {what}",
            past.title,
            past.at,
            told.len(),
            past.steps.len()
        ),
    );
    for step in told.iter().take(SHOWN) {
        let target = past.target_of(step).map_or("", |t| t.raw());
        draft.note(Level::Info, format!("{target}: {}: {}", step.operation(), step.truth()));
    }
    if told.len() > SHOWN {
        draft.note(Level::Info, format!("and {} requests more", told.len() - SHOWN));
    }
}

fn taken_back(draft: &mut Draft<'_>, step: &PastStep) -> Option<Request> {
    let Some(inverse) = step.request.inverse() else {
        match &step.request {
            Request::Cut { .. } => {}
            Request::Certificate { status: CertificateStatus::Revoked, .. } => {
                draft.note(
                    Level::Danger,
                    "a REVOKED certificate stays revoked: AWS cannot undo it; the device needs a new one",
                );
            }
            other => draft.note(Level::Warn, format!("{} cannot be undone", other.operation())),
        }
        return None;
    };
    if step.seen == Seen::No {
        draft.note(
            Level::Info,
            format!("{} {}: changed since, left as it is", step.operation(), step.resource()),
        );
        return None;
    }
    if let Seen::Over(how) = &step.seen {
        let words = format!("{} {}: {how} already, nothing to take back", step.operation(), step.resource());
        draft.note(Level::Info, words);
        return None;
    }
    Some(inverse)
}

/// What proves the inverse.
fn opposite(draft: &Draft<'_>, work: &Work, requests: &[Request]) -> Proof {
    match &work.proof {
        Proof::Isolated { group, .. } => Proof::Released { group: group.clone() },
        Proof::Released { group } => {
            // Only the flag may be left to restore: then nothing has to fall silent.
            if requests.iter().any(|r| matches!(r, Request::AddToGroup { .. })) {
                let silence = draft.rules.silence(None);
                Proof::Isolated { group: group.clone(), ask: None, silence, connects: false, lively: true }
            } else {
                Proof::Released { group: group.clone() }
            }
        }
        Proof::Barred { certificates, .. } => Proof::Activated { certificates: certificates.clone() },
        Proof::Activated { certificates } => Proof::Barred {
            certificates: certificates.clone(),
            is: CertificateStatus::Inactive,
            silence: draft.rules.silence(None),
            lively: true,
        },
        Proof::Member { group, is } => Proof::Member { group: group.clone(), is: !is },
        Proof::Job { job, canceled } => Proof::Job { job: job.clone(), canceled: !canceled },
        Proof::Ready { group, is } => Proof::Ready { group: group.clone(), is: !is },
        Proof::Mitigated { .. } | Proof::Shown | Proof::OneLeft { .. } => work.proof.clone(),
        // What was enabled for it is disabled again; the audit itself was only a look.
        Proof::Audited { .. } => Proof::Shown,
        // What a device reports is its own affair: the shadow no longer asks.
        Proof::Flagged => Proof::Shown,
    }
}
