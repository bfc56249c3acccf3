//! The rows of a staircase: finding them, and what each is called.

use crate::response::plan::draft::seconds;
use crate::response::plan::request::Proof;
use crate::response::view::RowState;
use quell_fleet::Ms;
use quell_fleet::text::SafeText;

use super::{Climb, Rung};

impl Climb {
    pub(super) fn at(&self, rung: Rung) -> Option<usize> {
        self.rungs.iter().position(|r| *r == rung).map(|i| i + self.work.requests.len())
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

    pub(super) fn mark(&mut self, rung: Rung, state: RowState) {
        if let Some(i) = self.at(rung)
            && !matches!(self.rows.get(i).map(|r| &r.state), Some(RowState::Done(_)))
        {
            self.set(i, state);
        }
    }

    pub(super) fn done(&mut self, rung: Rung, now: Ms) {
        if self.sent.is_some() || rung == Rung::Gone {
            self.mark(rung, RowState::Done((now - self.began).max(0)));
        }
    }

    pub(super) fn reopen(&mut self, rung: Rung) {
        if let (Some(i), true) = (self.at(rung), self.outcome.is_none()) {
            self.set(i, if self.sent.is_some() { RowState::Running } else { RowState::Waiting });
        }
    }

    pub(super) fn say(&mut self, rung: Rung, text: &str) {
        if let Some(i) = self.at(rung) {
            self.detail(i, text);
        }
    }
}

pub(super) fn words(rung: Rung, proof: &Proof) -> String {
    match (rung, proof) {
        (Rung::Member, Proof::Isolated { group, .. } | Proof::Member { group, .. }) => {
            format!("member of {}", group.raw())
        }
        (Rung::NotMember, Proof::Released { group } | Proof::Member { group, .. }) => {
            format!("no longer a member of {}", group.raw())
        }
        (Rung::Denied, _) => "policy denies it".to_owned(),
        (Rung::Status, Proof::Barred { is, .. }) => format!("its certificate is {}", is.word()),
        (Rung::Status, _) => "its certificate is ACTIVE".to_owned(),
        (Rung::Gone, _) => "disconnected".to_owned(),
        (Rung::Silent, Proof::Isolated { silence, .. } | Proof::Barred { silence, .. }) => {
            format!("silent for {}", seconds(*silence))
        }
        (Rung::Heard, _) => "heard again".to_owned(),
        (Rung::Exists, Proof::Job { canceled: true, .. }) => "the job is CANCELED".to_owned(),
        (Rung::Exists, Proof::Ready { group, is: true }) => format!("{} denies", group.raw()),
        (Rung::Exists, Proof::Ready { group, is: false }) => format!("{} no longer denies", group.raw()),
        (Rung::Exists, Proof::Shown) => "the account shows it".to_owned(),
        (Rung::Exists, Proof::Mitigated { .. }) => "AWS's task succeeded".to_owned(),
        (Rung::Exists, Proof::Audited { .. }) => "the audit ended".to_owned(),
        (Rung::Exists, _) => "the job exists".to_owned(),
        (Rung::Member | Rung::NotMember | Rung::Silent, _) => String::new(),
    }
}
