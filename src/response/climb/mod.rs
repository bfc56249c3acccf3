//! One target's staircase: what was requested, what was seen, and whether that proves the response. Pure: facts and times
//! in, rows and an outcome out.
//!
//! A device is not contained because AWS accepted a request (docs/aws-iot.md#6.1): it is contained when the policy denies it and
//! it kept silent for three of its usual intervals while somebody listened.

mod rows;
mod silence;

use quell_fleet::Ms;
use quell_fleet::event::PresenceKind;
use quell_fleet::text::SafeText;

use super::execute::{Accepted, Failed};
use super::listen::{Ear, Fact};
use super::plan::draft::seconds;
use super::plan::request::{Proof, Request, Work};
use super::rules::{CACHE_MS, Rules};
use super::view::{RowState, StairRow, TargetOutcome, TargetView};

/// AWS takes one cut a second for a client (docs/aws-iot.md#2.7).
const BETWEEN_CUTS: Ms = 1_000;

/// What a look at the account found; `None` where it was not asked, an error where it could not be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::response) struct Look {
    pub(in crate::response) member: Option<bool>,
    pub(in crate::response) denied: Option<Result<bool, SafeText>>,
    pub(in crate::response) connected: Option<bool>,
    /// AWS has never heard of the client id: what is connected, is connected under another.
    pub(in crate::response) unknown: bool,
    pub(in crate::response) status: Option<bool>,
    /// Of a task of AWS's: whether it ended well or badly, and how far it is.
    pub(in crate::response) task: Option<(Option<bool>, SafeText)>,
}

/// What is still worth asking the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::response) struct Wants {
    pub(in crate::response) member: bool,
    pub(in crate::response) denied: bool,
}

/// The rows after the requests'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    Member,
    NotMember,
    Denied,
    Status,
    Gone,
    Silent,
    Heard,
    Exists,
}

/// A target on its way.
#[derive(Debug)]
pub(in crate::response) struct Climb {
    pub(in crate::response) work: Work,
    rows: Vec<StairRow>,
    rungs: Vec<Rung>,
    began: Ms,
    /// When the last request was accepted: the proof is waited for from here.
    sent: Option<Ms>,
    cut: Option<Ms>,
    tried_cut: Option<Ms>,
    heard: Option<Ms>,
    connected: Option<Ms>,
    /// The connection that was there is known to be over: only a new one could speak, and that one meets the policy.
    ended: bool,
    /// Since when AWS has said that the client is not connected.
    gone: Option<Ms>,
    /// Since when there is a connection to listen by.
    link: Option<Ms>,
    /// Since when it is listened to, among others; `None` while it is not.
    focus: Option<Ms>,
    /// When the connection last carried all it may.
    full: Option<Ms>,
    listens: bool,
    wants_cut: bool,
    patience: Ms,
    cache: Ms,
    /// When time was last looked at.
    now: Ms,
    pub(in crate::response) next_look: Ms,
    outcome: Option<TargetOutcome>,
}

impl Climb {
    /// A target whose plan was confirmed at `began`; `ear` tells since when telemetry is received, if it is.
    pub(in crate::response) fn new(work: Work, began: Ms, ear: &Ear, rules: &Rules) -> Self {
        let rungs = match &work.proof {
            Proof::Isolated { ask, .. } if ask.is_some() => {
                vec![Rung::Member, Rung::Denied, Rung::Gone, Rung::Silent]
            }
            Proof::Isolated { .. } => vec![Rung::Member, Rung::Gone, Rung::Silent],
            Proof::Barred { .. } => vec![Rung::Status, Rung::Gone, Rung::Silent],
            Proof::Released { .. } => vec![Rung::NotMember, Rung::Heard],
            Proof::Activated { .. } => vec![Rung::Status, Rung::Heard],
            Proof::Member { is: true, .. } => vec![Rung::Member],
            Proof::Member { is: false, .. } => vec![Rung::NotMember],
            Proof::Job { .. }
            | Proof::Ready { .. }
            | Proof::Mitigated { .. }
            | Proof::Audited { .. }
            | Proof::Shown => {
                vec![Rung::Exists]
            }
        };
        let row = |title: SafeText| StairRow { title, state: RowState::Waiting, detail: SafeText::default() };
        let mut rows: Vec<StairRow> = work.requests.iter().map(|r| row(r.title())).collect();
        rows.extend(rungs.iter().map(|r| row(SafeText::new(&rows::words(*r, &work.proof)))));
        let listens = work.mapped;
        let (link, focus) = (ear.link, ear.focus(work.name.raw()));
        Self {
            work,
            rows,
            rungs,
            began,
            sent: None,
            cut: None,
            tried_cut: None,
            heard: None,
            connected: None,
            ended: false,
            gone: None,
            link,
            focus,
            full: None,
            listens,
            wants_cut: false,
            patience: rules.patience(),
            cache: rules.scaled(CACHE_MS),
            now: began,
            next_look: 0,
            outcome: None,
        }
    }

    /// Gives the proof more time: others are looked at first.
    pub(in crate::response) fn wait_longer(&mut self, by: Ms) {
        self.patience = self.patience.saturating_add(by);
    }

    pub(in crate::response) fn view(&self) -> TargetView {
        TargetView { name: self.work.name.clone(), rows: self.rows.clone(), outcome: self.outcome.clone() }
    }

    pub(in crate::response) fn outcome(&self) -> Option<&TargetOutcome> {
        self.outcome.as_ref()
    }

    /// True when every request was accepted and the proof is being waited for.
    pub(in crate::response) fn proving(&self) -> bool {
        self.sent.is_some() && self.outcome.is_none()
    }

    /// What is not known yet.
    pub(in crate::response) fn wants(&self) -> Wants {
        let open = |rung: Rung| {
            let row = self.at(rung).and_then(|i| self.rows.get(i));
            row.is_some_and(|r| matches!(r.state, RowState::Waiting | RowState::Running))
        };
        Wants { member: open(Rung::Member), denied: open(Rung::Denied) }
    }

    /// The proof still waited for.
    pub(in crate::response) fn waiting_for(&self) -> SafeText {
        let open = self.rows.iter().find(|r| matches!(r.state, RowState::Waiting | RowState::Running));
        match (open, self.stands_until().map(|until| until - self.now)) {
            // Nothing but time is left to wait for.
            (Some(_), Some(left)) if left > 0 => {
                SafeText::new(&format!("AWS applies it within {}", seconds(left / 10_000 * 10_000)))
            }
            (Some(open), _) => open.title.clone(),
            (None, _) => SafeText::default(),
        }
    }

    pub(in crate::response) fn requesting(&mut self, i: usize) {
        self.set(i, RowState::Running);
    }

    pub(in crate::response) fn requested(&mut self, i: usize, result: &Result<Accepted, Failed>, now: Ms) {
        match result {
            Ok(accepted) => {
                self.set(i, RowState::Done(now - self.began));
                let id = accepted.request_id.as_ref().map(|id| format!("request {id}"));
                let said = accepted.remark.as_ref().map(|r| r.as_str().to_owned()).or(id);
                self.detail(i, &said.unwrap_or_default());
                if let (Proof::Audited { task }, Some(made)) = (&mut self.work.proof, &accepted.made) {
                    *task = Some(made.clone());
                }
                if matches!(self.work.requests.get(i), Some(Request::Cut { .. })) {
                    self.cut = Some(now);
                    self.tried_cut = Some(now);
                    self.wants_cut = false;
                    self.ended |= accepted.remark.is_none();
                }
            }
            Err(failed) if self.work.requests.get(i).is_some_and(|r| failed.only_uncut(r)) => {
                self.set(i, RowState::Skipped(failed.reason.clone()));
                self.detail(i, "the connection stands until AWS applies the change");
            }
            Err(failed) => {
                let partly =
                    self.rows.iter().any(|r| matches!(r.state, RowState::Done(_))) || !failed.certain;
                self.set(i, RowState::Failed(failed.reason.clone()));
                for later in i + 1..self.rows.len() {
                    self.set(later, RowState::Skipped(SafeText::new("not reached")));
                }
                self.outcome = Some(TargetOutcome::Failed { reason: failed.reason.clone(), partly });
            }
        }
    }

    /// All requests were accepted.
    pub(in crate::response) fn all_sent(&mut self, now: Ms) {
        self.sent = Some(now);
        self.next_look = now;
        for i in self.work.requests.len()..self.rows.len() {
            self.set(i, RowState::Running);
        }
    }

    /// A connection that was cut again.
    pub(in crate::response) fn cut_again(&mut self, accepted: bool, now: Ms) {
        self.tried_cut = Some(now);
        if accepted {
            self.cut = Some(now);
            self.wants_cut = false;
            self.ended = true;
        }
    }

    /// True when the device came back before the deny held, and a cut is due.
    pub(in crate::response) fn cut_due(&self, now: Ms) -> bool {
        self.proving()
            && self.wants_cut
            && now - self.began <= self.patience
            && self.tried_cut.is_none_or(|at| now - at >= BETWEEN_CUTS)
            && self.work.requests.iter().any(|r| matches!(r, Request::Cut { .. }))
    }

    /// Something was heard. Facts from before the confirmation prove nothing.
    pub(in crate::response) fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Heard { thing, at } if *thing == self.work.name => {
                self.listens = true;
                if *at > self.began {
                    self.heard = self.heard.max(Some(*at));
                    self.wants_cut |= self.cut.is_some_and(|cut| *at > cut);
                    if self.sent.is_some_and(|sent| *at >= sent) {
                        self.done(Rung::Heard, *at);
                    }
                }
            }
            Fact::Presence { client, kind, at } if *client == self.work.client => match kind {
                PresenceKind::Connected if *at > self.began => {
                    self.gone = None;
                    self.done(Rung::Heard, *at);
                    self.reconnected(*at);
                }
                PresenceKind::Disconnected if *at > self.began => {
                    self.over(*at);
                }
                PresenceKind::ConnectFailed if *at > self.began => {
                    self.over(*at);
                    self.say(Rung::Gone, "tried to connect and was refused");
                }
                _ => {}
            },
            Fact::LinkUp { at } => self.link = Some(*at),
            Fact::LinkDown { .. } => self.link = None,
            Fact::AtLimit { at } => self.full = Some(*at),
            Fact::Focus { only, at } => {
                let among = only.as_ref().is_none_or(|only| only.contains(self.work.name.raw()));
                self.focus = among.then(|| self.focus.unwrap_or(*at));
            }
            _ => {}
        }
    }

    /// The account was looked at.
    pub(in crate::response) fn look(&mut self, look: &Look, now: Ms) {
        match look.member {
            Some(true) => self.done(Rung::Member, now),
            Some(false) => self.done(Rung::NotMember, now),
            None => {}
        }
        match &look.denied {
            Some(Ok(true)) => self.done(Rung::Denied, now),
            Some(Ok(false)) => self.say(Rung::Denied, "AWS says it could still publish"),
            Some(Err(why)) => self.mark(Rung::Denied, RowState::Skipped(why.clone())),
            None => {}
        }
        if look.status == Some(true) {
            self.done(Rung::Status, now);
            self.done(Rung::Exists, now);
        }
        if let Some((ended, words)) = &look.task {
            self.say(Rung::Exists, words.as_str());
            match ended {
                Some(true) => self.done(Rung::Exists, now),
                Some(false) => {
                    self.mark(Rung::Exists, RowState::Failed(words.clone()));
                    // AWS began it, and some of it may have happened.
                    self.outcome = Some(TargetOutcome::Failed { reason: words.clone(), partly: true });
                }
                None => {}
            }
        }
        match look.connected {
            Some(true) => {
                if self.gone.take().is_some() || self.connected.is_none() {
                    self.reconnected(now);
                } else if !self.may_connect() {
                    self.wants_cut |= self.cut.is_some();
                    self.reopen(Rung::Gone);
                }
                if self.ear().is_none() {
                    self.done(Rung::Heard, now);
                    self.say(
                        Rung::Heard,
                        "connected, says GetConnection; its telemetry is not received here",
                    );
                }
            }
            Some(false) if !look.unknown => self.over(now),
            Some(false) => {
                self.gone.get_or_insert(now);
                self.wants_cut = false;
                self.done(Rung::Gone, now);
            }
            None => {}
        }
    }

    /// Time passed.
    pub(in crate::response) fn tick(&mut self, now: Ms) {
        self.now = now;
        if !self.proving() {
            return;
        }
        if let Proof::Isolated { silence, .. } | Proof::Barred { silence, .. } = self.work.proof {
            self.silence(silence, now);
        }
        let open = |r: &StairRow| matches!(r.state, RowState::Waiting | RowState::Running);
        if !self.rows.iter().any(open) {
            self.outcome = Some(TargetOutcome::Proven { took: self.took() });
        } else if now - self.began > self.patience + self.window() {
            let missing = match self.heard {
                Some(at) if self.rungs.contains(&Rung::Silent) => {
                    SafeText::new(&format!("silence: heard {} ago", seconds((now - at).max(0))))
                }
                _ => self.waiting_for(),
            };
            self.outcome = Some(TargetOutcome::Unproven { missing });
        }
    }

    /// Since when its telemetry would be received; `None` while it would not.
    fn ear(&self) -> Option<Ms> {
        Some(self.link?.max(self.focus?)).filter(|_| self.listens)
    }

    /// Gives the proof up, for `why`.
    pub(in crate::response) fn give_up(&mut self, why: &str) {
        if self.outcome.is_none() {
            self.outcome = Some(if self.sent.is_some() {
                TargetOutcome::Unproven { missing: SafeText::new(&format!("{} ({why})", self.waiting_for())) }
            } else {
                let partly =
                    self.rows.iter().any(|r| matches!(r.state, RowState::Done(_) | RowState::Running));
                TargetOutcome::Failed { reason: SafeText::new(why), partly }
            });
        }
    }

    fn window(&self) -> Ms {
        match self.work.proof {
            Proof::Isolated { silence, .. } | Proof::Barred { silence, .. } => silence,
            _ => 0,
        }
    }

    /// From the confirmation to the last message heard or the last cut, for a containment; else to the last row.
    fn took(&self) -> Ms {
        if self.rungs.contains(&Rung::Silent) {
            return [self.heard, self.cut]
                .into_iter()
                .flatten()
                .max()
                .map_or(0, |at| (at - self.began).max(0));
        }
        let times = self.rows.iter().filter_map(|r| match r.state {
            RowState::Done(took) => Some(took),
            _ => None,
        });
        times.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod uncut_tests;
