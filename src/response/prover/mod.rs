//! The prover of one target: what was requested, what was seen, and whether that proves the response. Pure: facts and times
//! in, rows and an outcome out.
//!
//! A device is not contained because AWS accepted a request (docs/aws-iot.md#6.1): it is contained when the policy denies it and
//! it kept silent for three of its usual intervals while somebody listened, or was refused when it tried to connect again.

mod connection;
mod left;
mod silence;
mod steps;

use quell_fleet::Ms;
use quell_fleet::format::seconds;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use connection::Connection;

use super::execute::{Accepted, Failed};
use super::listen::{Fact, Hearing};
use super::plan::request::{Proof, Request, Work};
use super::rules::{CACHE_MS, Rules};
use super::stop::Stop;
use super::view::{RowState, StairRow, TargetOutcome, TargetView};

/// What a look at the account found; `None` where it was not asked, an error where it could not be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::response) struct Look {
    pub(in crate::response) member: Option<bool>,
    pub(in crate::response) denied: Option<Result<bool, SafeText>>,
    /// Whether each client id is connected; `None` where AWS has not heard of it: what is connected, is connected under
    /// another.
    pub(in crate::response) clients: Vec<(Name, Option<bool>)>,
    pub(in crate::response) status: Option<bool>,
    /// Whether the device reports that it does what its shadow asks.
    pub(in crate::response) answers: Option<bool>,
    /// Of a task of AWS's: whether it ended well or badly, and how far it is.
    pub(in crate::response) task: Option<(Option<bool>, SafeText)>,
}

/// What is still worth asking the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::response) struct Wants {
    pub(in crate::response) member: bool,
    pub(in crate::response) denied: bool,
}

/// A step of the proof: the rows after the requests'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProofStep {
    Member,
    NotMember,
    Denied,
    Status,
    Gone,
    Silent,
    Heard,
    Exists,
    Answers,
    Away,
    OneLeft,
}

/// A device that does what its shadow asks reports it within this time, before scaling; one that does not is not waited for.
const ANSWERS_MS: f64 = 120_000.0;

/// Why a silence on a connection that was lost or does not answer is none.
const UNHEARD: &str = "the link could not have heard it";

/// A target whose response is being proven.
#[derive(Debug)]
pub(in crate::response) struct Prover {
    pub(in crate::response) work: Work,
    rows: Vec<StairRow>,
    proof_steps: Vec<ProofStep>,
    began: Ms,
    /// When the last request was accepted: the proof is waited for from here.
    sent: Option<Ms>,
    heard: Option<Ms>,
    connections: Vec<Connection>,
    /// Where one session is to be left: what was seen since the cut.
    left: left::Left,
    /// When a connect of it was refused for want of authorization, as it was heard: the latest two.
    refused: [Option<Ms>; 2],
    /// When the connections that listen were asked the latest question that each of them answered: silence counts up to there.
    answered: Option<Ms>,
    /// Of several connections, those that bring what the device says; `None` for all.
    carriers: Option<Vec<usize>>,
    /// Since when such a connection is lost, or asked without an answer.
    lost: Option<Ms>,
    /// Until when the silence that is proven is known.
    silent_until: Option<Ms>,
    /// When AWS last said of each client that it is not connected.
    looked_gone: Option<Ms>,
    /// When the policy was read to deny it.
    denied: Option<Ms>,
    /// Why it cannot be known whether the policy denies it.
    unasked: Option<SafeText>,
    /// Since when there is a connection to listen by.
    link: Option<Ms>,
    /// Presence events come by it.
    presence: bool,
    /// Since when it is listened to, among others; `None` while it is not.
    focus: Option<Ms>,
    /// When the connection last carried all it may.
    full: Option<Ms>,
    listens: bool,
    patience: Ms,
    cache: Ms,
    /// When time was last looked at.
    now: Ms,
    pub(in crate::response) next_look: Ms,
    outcome: Option<TargetOutcome>,
}

impl Prover {
    /// A target whose plan was confirmed at `began`; `hearing` tells since when telemetry is received, if it is.
    pub(in crate::response) fn new(work: Work, began: Ms, hearing: &Hearing, rules: &Rules) -> Self {
        let proof_steps = match &work.proof {
            Proof::Isolated { .. } => {
                vec![ProofStep::Member, ProofStep::Denied, ProofStep::Gone, ProofStep::Silent]
            }
            Proof::Barred { .. } => vec![ProofStep::Status, ProofStep::Gone, ProofStep::Silent],
            Proof::OneLeft { .. } => vec![ProofStep::Away, ProofStep::OneLeft],
            Proof::Released { .. } => vec![ProofStep::NotMember, ProofStep::Heard],
            Proof::Activated { .. } => vec![ProofStep::Status, ProofStep::Heard],
            Proof::Flagged => vec![ProofStep::Exists, ProofStep::Answers],
            Proof::Member { is: true, .. } => vec![ProofStep::Member],
            Proof::Member { is: false, .. } => vec![ProofStep::NotMember],
            Proof::Job { .. }
            | Proof::Ready { .. }
            | Proof::Mitigated { .. }
            | Proof::Audited { .. }
            | Proof::Shown => {
                vec![ProofStep::Exists]
            }
        };
        let row = |title: SafeText| StairRow {
            title,
            state: RowState::Waiting,
            detail: SafeText::default(),
            gauge: None,
        };
        let mut rows: Vec<StairRow> = work.requests.iter().map(|r| row(r.title(&work.name))).collect();
        rows.extend(proof_steps.iter().map(|r| row(SafeText::new(&steps::words(*r, &work)))));
        let listens = work.mapped;
        let (link, focus) = (hearing.link, hearing.focus(work.name.raw()));
        let connections = work.clients.iter().map(|id| Connection::new(id.clone(), &work.requests)).collect();
        let patience = match work.proof {
            Proof::Flagged => rules.patience().min(rules.scaled(ANSWERS_MS).max(10_000)),
            _ => rules.patience(),
        };
        let unasked = matches!(work.proof, Proof::Isolated { ask: None, .. })
            .then(|| SafeText::new("it has no principal, which a group's policy would need to reach it"));
        Self {
            work,
            rows,
            proof_steps,
            began,
            sent: None,
            heard: None,
            connections,
            left: left::Left::default(),
            refused: [None; 2],
            answered: None,
            carriers: None,
            lost: None,
            silent_until: None,
            looked_gone: None,
            denied: None,
            unasked,
            link,
            presence: hearing.presence,
            focus,
            full: None,
            listens,
            patience,
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
        let open = |step: ProofStep| {
            let row = self.at(step).and_then(|i| self.rows.get(i));
            row.is_some_and(|r| matches!(r.state, RowState::Waiting | RowState::Running))
        };
        Wants { member: open(ProofStep::Member), denied: open(ProofStep::Denied) }
    }

    /// The proof still waited for.
    pub(in crate::response) fn waiting_for(&self) -> SafeText {
        let open = self.rows.iter().find(|r| matches!(r.state, RowState::Waiting | RowState::Running));
        match (open, self.stands_until().map(|until| until - self.now)) {
            // Nothing but time is left to wait for.
            (Some(_), Some(left)) if left > 0 && !self.is_open(ProofStep::Denied) => {
                SafeText::new(&format!("AWS applies it within {}", seconds(left / 10_000 * 10_000)))
            }
            (Some(open), _) => open.title.clone(),
            (None, _) => SafeText::default(),
        }
    }

    pub(in crate::response) fn requesting(&mut self, i: usize) {
        self.set(i, RowState::Running);
        self.detail(i, "waits for AWS's answer, usually less than a second");
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
                if let Some(Request::Cut { client }) = self.work.requests.get(i) {
                    let client = client.clone();
                    if let Some(connection) = self.connection(&client) {
                        connection.cut(accepted.remark.is_none(), now);
                    }
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
                self.detail(i, "");
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
        for step in self.proof_steps.clone() {
            let text = steps::waits(step, &self.work.proof, self.cache);
            self.say(step, &text);
        }
    }

    /// A client that was to be cut again.
    pub(in crate::response) fn cut_again(&mut self, client: &Name, accepted: bool, now: Ms) {
        if let Some(connection) = self.connection(client) {
            connection.tried_cut = Some(now);
            if accepted {
                connection.cut(true, now);
            }
        }
    }

    /// The clients that came back before the deny held, and whose cut is due.
    pub(in crate::response) fn cuts_due(&self, now: Ms) -> Vec<Name> {
        if !self.proving() || self.leaves_one() || now - self.began > self.patience {
            return Vec::new();
        }
        self.connections.iter().filter(|c| c.cut_due(now)).map(|c| c.client.clone()).collect()
    }

    /// Something was heard. Facts from before the confirmation prove nothing.
    pub(in crate::response) fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Heard { thing, at } if *thing == self.work.name => {
                self.listens = true;
                self.spoke(*at);
            }
            Fact::Sign { thing, at } if *thing == self.work.name => self.spoke(*at),
            Fact::Carried { by } => {
                if let Some(by) = by.get(&self.work.name) {
                    self.carriers = Some(by.clone());
                }
            }
            Fact::Presence { client, principal, kind, reason, at }
                if *at > self.began && self.is_its(client, principal.as_ref()) =>
            {
                self.presence(client, *kind, reason.as_ref(), *at);
            }
            Fact::LinkUp { at, presence } => (self.link, self.presence) = (Some(*at), *presence),
            Fact::LinkDown { at } => {
                // One that never stood is not lost: then nobody was meant to hear it.
                if self.link.is_some() {
                    self.lost = self.lost.max(Some(*at));
                }
                self.link = None;
            }
            Fact::Unanswered { connection, at } if self.is_carried_by(*connection) => {
                self.lost = self.lost.max(Some(*at));
            }
            Fact::AtLimit { at } => self.full = Some(*at),
            Fact::Answered { asked } => {
                let of_its = asked.iter().enumerate().filter(|(i, _)| self.is_carried_by(*i));
                let asked = of_its.map(|(_, asked)| *asked).min().filter(|asked| *asked > Ms::MIN);
                self.answered = self.answered.max(asked);
                // What was asked after the loss tells that it is over.
                self.lost = self.lost.filter(|lost| self.answered.is_none_or(|asked| asked < *lost));
            }
            Fact::Focus { only, at } => {
                let among = only.as_ref().is_none_or(|only| only.contains(self.work.name.raw()));
                self.focus = among.then(|| self.focus.unwrap_or(*at));
            }
            _ => {}
        }
    }

    /// It gave a sign of life that AWS let through.
    fn spoke(&mut self, at: Ms) {
        if at <= self.began {
            return;
        }
        self.heard = self.heard.max(Some(at));
        // A message does not say which of its clients sent it.
        for connection in &mut self.connections {
            connection.wants_cut |= connection.cut.is_some_and(|cut| at > cut);
        }
        if self.sent.is_some_and(|sent| at >= sent) {
            self.done(ProofStep::Heard, at);
        }
        // The other proofs are waited for still: the silence that was proven is over.
        if self.outcome.is_none() && self.silent_until.is_some_and(|until| at > until) {
            self.silent_until = None;
            self.reopen(ProofStep::Silent);
        }
    }

    /// True when this connection brings what the device says.
    fn is_carried_by(&self, connection: usize) -> bool {
        self.carriers.as_ref().is_none_or(|by| by.contains(&connection))
    }

    /// Until when the silence is known that proved it; whatever comes later is a leak.
    pub(in crate::response) fn silent_until(&self) -> Option<Ms> {
        self.silent_until
    }

    /// The account was looked at.
    pub(in crate::response) fn look(&mut self, look: &Look, now: Ms) {
        match look.member {
            Some(true) => self.done(ProofStep::Member, now),
            Some(false) => self.done(ProofStep::NotMember, now),
            None => {}
        }
        match &look.denied {
            Some(Ok(true)) => self.denies(now),
            Some(Ok(false)) => {
                self.unasked = None;
                self.say(ProofStep::Denied, "AWS says it could still connect and publish");
            }
            Some(Err(why)) => {
                self.unasked = Some(why.clone());
                self.say(ProofStep::Denied, &format!("TestAuthorization could not be asked: {why}"));
            }
            None => {}
        }
        if look.status == Some(true) {
            self.done(ProofStep::Status, now);
            self.done(ProofStep::Exists, now);
        }
        if look.answers == Some(true) {
            self.done(ProofStep::Answers, now);
        }
        if let Some((ended, words)) = &look.task {
            match ended {
                Some(true) => self.done(ProofStep::Exists, now),
                Some(false) => {
                    self.mark(ProofStep::Exists, RowState::Failed(words.clone()));
                    // AWS began it, and some of it may have happened.
                    self.outcome = Some(TargetOutcome::Failed { reason: words.clone(), partly: true });
                }
                None => {}
            }
            self.say(ProofStep::Exists, words.as_str());
        }
        self.looked(&look.clients, now);
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
        self.left_tick(now);
        let open = |r: &StairRow| matches!(r.state, RowState::Waiting | RowState::Running);
        let left = self.rows.iter().filter(|r| open(r)).count();
        let only_unasked = left == 1 && self.unasked.is_some() && self.is_open(ProofStep::Denied);
        if left == 0 {
            self.outcome = Some(TargetOutcome::Proven { took: self.took() });
        } else if only_unasked {
            // All else is proven, and waiting does not bring an answer to what cannot be asked.
            let why = self.unasked.clone().unwrap_or_default();
            let missing = SafeText::new(&format!("that the policy denies it: {why}"));
            self.outcome = Some(TargetOutcome::Unproven { missing });
        } else if now - self.began > self.patience + self.window() {
            let missing = match self.heard {
                _ if self.is_open(ProofStep::Denied) => self.waiting_for(),
                _ if self.unheard() && self.is_open(ProofStep::Silent) => SafeText::new(UNHEARD),
                Some(at) if self.proof_steps.contains(&ProofStep::Silent) => {
                    SafeText::new(&format!("silence: heard {} ago", seconds((now - at).max(0))))
                }
                _ if self.is_open(ProofStep::Away) => self.explained(ProofStep::Away),
                _ => self.waiting_for(),
            };
            self.outcome = Some(TargetOutcome::Unproven { missing });
        }
    }

    /// A step that is waited for, and how far it is or why it cannot be had.
    fn explained(&self, step: ProofStep) -> SafeText {
        let Some(row) = self.at(step).and_then(|i| self.rows.get(i)) else { return self.waiting_for() };
        if row.detail.is_empty() {
            return row.title.clone();
        }
        SafeText::new(&format!("{}: {}", row.title, row.detail))
    }

    /// Since when its telemetry would be received; `None` while it would not.
    fn hearing(&self) -> Option<Ms> {
        Some(self.link?.max(self.focus?)).filter(|_| self.listens)
    }

    /// True when the connection that should hear it could not have: it was lost, or does not answer. What AWS says of a client
    /// it knows then proves no silence, for the device may speak by another.
    fn unheard(&self) -> bool {
        self.lost.is_some() && self.listens && self.focus.is_some()
    }

    /// True while a silence is waited for, which lasts up to an answer of the connection.
    pub(in crate::response) fn wants_answers(&self) -> bool {
        self.outcome.is_none() && (self.leaves_one() || self.proof_steps.contains(&ProofStep::Silent))
    }

    /// Gives the proof up. Only the time given for it leaves it unproven; one that is stopped or left does not hold, as far as
    /// anybody knows.
    pub(in crate::response) fn give_up(&mut self, stop: Stop) {
        if self.outcome.is_some() {
            return;
        }
        let why = stop.why();
        self.outcome = Some(match (self.sent, stop) {
            (Some(_), Stop::Timeout(_)) => {
                TargetOutcome::Unproven { missing: SafeText::new(&format!("{} ({why})", self.waiting_for())) }
            }
            (Some(_), _) => TargetOutcome::Left { why: SafeText::new(&why), missing: self.waiting_for() },
            (None, _) => {
                let partly =
                    self.rows.iter().any(|r| matches!(r.state, RowState::Done(_) | RowState::Running));
                TargetOutcome::Failed { reason: SafeText::new(&why), partly }
            }
        });
    }

    fn window(&self) -> Ms {
        match self.work.proof {
            Proof::Isolated { silence, .. }
            | Proof::Barred { silence, .. }
            | Proof::OneLeft { silence, .. } => silence,
            _ => 0,
        }
    }

    /// From the confirmation to the last message heard or the last cut, for a containment; else to the last row.
    fn took(&self) -> Ms {
        if self.proof_steps.contains(&ProofStep::Silent) {
            return [self.heard, self.last_cut()]
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
