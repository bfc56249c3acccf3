//! The steps of a proof: finding the row of one, what each is called, and what each waits for.

use crate::response::plan::request::{Proof, Work, stays_away};
use crate::response::view::RowState;
use quell_fleet::Ms;
use quell_fleet::format::seconds;
use quell_fleet::text::SafeText;

use super::{ProofStep, Prover};

impl Prover {
    pub(super) fn at(&self, step: ProofStep) -> Option<usize> {
        self.proof_steps.iter().position(|r| *r == step).map(|i| i + self.work.requests.len())
    }

    pub(super) fn set(&mut self, i: usize, state: RowState) {
        if let Some(row) = self.rows.get_mut(i) {
            row.state = state;
        }
    }

    pub(super) fn detail(&mut self, i: usize, text: &str) {
        if let Some(row) = self.rows.get_mut(i) {
            row.detail = SafeText::new(text);
        }
    }

    pub(super) fn mark(&mut self, step: ProofStep, state: RowState) {
        if let Some(i) = self.at(step)
            && !matches!(self.rows.get(i).map(|r| &r.state), Some(RowState::Done(_)))
        {
            self.set(i, state);
        }
    }

    pub(super) fn done(&mut self, step: ProofStep, now: Ms) {
        if (self.sent.is_some() || step == ProofStep::Gone)
            && let Some(i) = self.at(step)
            && !matches!(self.rows.get(i).map(|r| &r.state), Some(RowState::Done(_)))
        {
            self.set(i, RowState::Done((now - self.began).max(0)));
            if let Some(row) = self.rows.get_mut(i) {
                row.gauge = None;
            }
            // What it waited for is no longer of interest.
            self.detail(i, "");
        }
    }

    pub(super) fn reopen(&mut self, step: ProofStep) {
        if let (Some(i), true) = (self.at(step), self.outcome.is_none()) {
            self.set(i, if self.sent.is_some() { RowState::Running } else { RowState::Waiting });
        }
    }

    pub(super) fn say(&mut self, step: ProofStep, text: &str) {
        if let Some(i) = self.at(step) {
            self.detail(i, text);
        }
    }
}

/// What a step waits for, and how long that usually takes; `cache` is how long AWS may take to apply a change.
pub(super) fn waits(step: ProofStep, proof: &Proof, cache: Ms) -> String {
    match (step, proof) {
        (ProofStep::Member | ProofStep::NotMember, _) => {
            "waits for ListThingGroupsForThing, usually a second or two".to_owned()
        }
        (ProofStep::Denied, _) => "waits for TestAuthorization, usually a second or two".to_owned(),
        (ProofStep::Status, _) => "waits for DescribeCertificate, usually a second or two".to_owned(),
        (ProofStep::Gone, _) => {
            "waits for a presence event or GetConnection, usually a second or two after the cut".to_owned()
        }
        (ProofStep::Heard, _) => format!("waits for a message; AWS takes up to {}", seconds(cache)),
        (ProofStep::Exists, Proof::Audited { .. }) => "waits for AWS's audit, minutes to hours".to_owned(),
        (ProofStep::Exists, Proof::Mitigated { .. }) => "waits for AWS's task, usually a minute".to_owned(),
        (ProofStep::Exists, _) => "waits for the account to show it, usually a second or two".to_owned(),
        (ProofStep::Answers, _) => "waits for the device's report in its shadow".to_owned(),
        (ProofStep::OneLeft, _) => "waits for GetConnection, usually a second or two".to_owned(),
        // They say themselves how far they are.
        (ProofStep::Silent | ProofStep::Away, _) => String::new(),
    }
}

pub(super) fn words(step: ProofStep, work: &Work) -> String {
    match (step, &work.proof) {
        (ProofStep::Member, Proof::Isolated { group, .. } | Proof::Member { group, .. }) => {
            format!("member of {}", group.raw())
        }
        (ProofStep::NotMember, Proof::Released { group } | Proof::Member { group, .. }) => {
            format!("no longer a member of {}", group.raw())
        }
        (ProofStep::Denied, _) => "policy denies it".to_owned(),
        (ProofStep::Status, Proof::Barred { is, .. }) => format!("its certificate is {}", is.word()),
        (ProofStep::Status, _) => "its certificate is ACTIVE".to_owned(),
        (ProofStep::Gone, _) if work.clients.len() > 1 => {
            let names: Vec<&str> = work.clients.iter().map(|client| client.raw()).collect();
            format!("no session left: {}", names.join(", "))
        }
        (ProofStep::Gone, _) => "disconnected".to_owned(),
        (ProofStep::Silent, Proof::Isolated { silence, .. } | Proof::Barred { silence, .. }) => {
            format!("silent for {}", seconds(*silence))
        }
        (ProofStep::Heard, _) => "heard again".to_owned(),
        (ProofStep::Exists, Proof::Job { canceled: true, .. }) => "the job is CANCELED".to_owned(),
        (ProofStep::Exists, Proof::Ready { group, is: true }) => format!("{} denies", group.raw()),
        (ProofStep::Exists, Proof::Ready { group, is: false }) => format!("{} no longer denies", group.raw()),
        (ProofStep::Exists, Proof::Flagged) => "its shadow asks for quarantine".to_owned(),
        (ProofStep::Answers, _) => "the device reports quarantine".to_owned(),
        (ProofStep::Exists, Proof::Shown) => "the account shows it".to_owned(),
        (ProofStep::Exists, Proof::Mitigated { .. }) => "AWS's task succeeded".to_owned(),
        (ProofStep::Exists, Proof::Audited { .. }) => "the audit ended".to_owned(),
        (ProofStep::Exists, _) => "the job exists".to_owned(),
        (ProofStep::Away, Proof::OneLeft { cut, silence }) => {
            stays_away(cut, *silence, work.clients.len() == 1)
        }
        (ProofStep::OneLeft, _) => "one session or none is left".to_owned(),
        (ProofStep::Member | ProofStep::NotMember | ProofStep::Silent | ProofStep::Away, _) => String::new(),
    }
}
