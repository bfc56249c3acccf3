//! Whether one session or none is left of an identity that several used, after one of them was cut. A cut holds nobody: what
//! counts is that the client stays away, or, where all share one client id, that nobody takes the session over again.

use quell_fleet::Ms;
use quell_fleet::event::PresenceKind;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use crate::response::plan::draft::seconds;
use crate::response::plan::request::Proof;
use crate::response::view::TargetOutcome;

use super::{ProofStep, Prover, UNHEARD};

/// What came back so often will not stay away.
const OFTEN: u32 = 3;

/// What was seen since the cut.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// When it last came back, or a session was last taken over.
    disturbed: Option<Ms>,
    times: u32,
    /// The clients that are connected, by the latest look, and when that was.
    looked: Option<(Vec<Name>, Ms)>,
}

impl Prover {
    /// The client that was cut, where one session is to be left.
    fn one_cut(&self) -> Option<(Name, Ms)> {
        match &self.work.proof {
            Proof::OneLeft { cut, silence } => Some((cut.clone(), *silence)),
            _ => None,
        }
    }

    /// True when all sessions share one client id.
    fn shares_one_id(&self) -> bool {
        self.work.clients.len() == 1
    }

    pub(super) fn leaves_one(&self) -> bool {
        matches!(self.work.proof, Proof::OneLeft { .. })
    }

    /// A presence event of a client of its; `at` is AWS's time.
    pub(super) fn left_presence(
        &mut self,
        client: &Name,
        kind: PresenceKind,
        reason: Option<&SafeText>,
        at: Ms,
    ) {
        let Some((cut, _)) = self.one_cut() else { return };
        let back = if self.shares_one_id() {
            let taken = reason.is_some_and(|why| why.as_str() == "DUPLICATE_CLIENTID");
            *client == cut && kind == PresenceKind::Disconnected && taken
        } else {
            // Under the name it was cut by, or under one that nobody knew.
            kind == PresenceKind::Connected && (*client == cut || !self.work.clients.contains(client))
        };
        if !back || self.sent.is_none() {
            return;
        }
        self.left.times += 1;
        self.left.disturbed = Some(self.now.max(at));
        let text = if self.shares_one_id() {
            format!("the session was taken over again, {} times", self.left.times)
        } else {
            format!("came back as {}, {} times", client.raw(), self.left.times)
        };
        self.say(ProofStep::Away, &text);
        if self.left.times >= OFTEN {
            let missing = SafeText::new(&format!("{text}: a cut does not hold it, isolate the identity"));
            self.outcome = Some(TargetOutcome::Unproven { missing });
        }
    }

    /// What AWS says of its clients.
    pub(super) fn left_looked(&mut self, clients: &[(Name, Option<bool>)], now: Ms) {
        let Some((cut, _)) = self.one_cut() else { return };
        let connected = clients.iter().filter(|(_, connected)| *connected == Some(true));
        let connected: Vec<Name> = connected.map(|(client, _)| client.clone()).collect();
        if !self.shares_one_id() && connected.contains(&cut) {
            self.left.disturbed = Some(now);
            self.say(ProofStep::Away, "connected, says GetConnection");
        }
        if clients.len() == self.work.clients.len() {
            self.left.looked = Some((connected, now));
        }
    }

    /// Time passed.
    pub(super) fn left_tick(&mut self, now: Ms) {
        let Some((_, window)) = self.one_cut() else { return };
        let Some(sent) = self.sent else { return };
        // Without a connection only AWS's word counts, and of sessions that share one id it tells nothing.
        let (from, until) = match self.link {
            Some(since) => (since, self.answered.map_or(since, |answered| answered.min(now))),
            None if self.shares_one_id() => return self.say(ProofStep::Away, UNHEARD),
            None => (sent, self.left.looked.as_ref().map_or(sent, |(_, at)| *at)),
        };
        if self.lost.is_some() && self.link.is_some() {
            return self.say(ProofStep::Away, UNHEARD);
        }
        let from = from.max(sent).max(self.left.disturbed.unwrap_or(sent));
        let quiet = (until - from).max(0);
        if quiet < window {
            if self.left.times == 0 {
                let text = format!("{} of {}", seconds(quiet / 1000 * 1000), seconds(window));
                self.say(ProofStep::Away, &text);
            }
            return;
        }
        self.done(ProofStep::Away, now);
        let Some((connected, at)) = &self.left.looked else { return };
        if *at < from {
            return;
        }
        let text = match connected.as_slice() {
            [] => "none is left, says GetConnection".to_owned(),
            [one] => format!("{} is left, says GetConnection", one.raw()),
            more => {
                let text = format!("{} are still connected", more.len());
                return self.say(ProofStep::OneLeft, &text);
            }
        };
        self.done(ProofStep::OneLeft, now);
        self.say(ProofStep::OneLeft, &text);
    }
}
