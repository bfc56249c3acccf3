//! Whether one session or none is left of an identity that several used, after one of them was cut. A cut holds nobody: what
//! counts is that the client stays away, or, where all share one client id, that nobody takes the session over again.

use quell_fleet::Ms;
use quell_fleet::event::PresenceKind;
use quell_fleet::format::seconds;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

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
        let full = self.full.is_some_and(|full| now - full < window);
        let by_presence = self.link.filter(|_| self.presence && !full);
        if self.lost.is_some() && by_presence.is_some() {
            return self.say(ProofStep::Away, UNHEARD);
        }
        // Where presence events do not come, or not all of them, only AWS's word counts, and of sessions that share one id it
        // tells nothing.
        let (from, until) = match by_presence {
            Some(since) => {
                let since = since.max(self.full.unwrap_or(since));
                (since, self.answered.map_or(since, |answered| answered.min(now)))
            }
            None if self.shares_one_id() => {
                let why = match self.link {
                    None => UNHEARD,
                    Some(_) if full => {
                        "the connection is at AWS's limit, where presence events are discarded"
                    }
                    Some(_) => "presence events do not come: their filter was refused",
                };
                return self.say(ProofStep::Away, why);
            }
            None => (sent, self.left.looked.as_ref().map_or(sent, |(_, at)| *at)),
        };
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

#[cfg(test)]
mod tests {
    use super::super::tests::{BEGAN, rules, thing, tick};
    use super::super::{Fact, Hearing, Look};
    use super::*;
    use crate::response::execute::Accepted;
    use crate::response::plan::request::{Request, Work};

    /// A cut of one of `clients` that was accepted; `hearing` is the link it is watched by.
    fn cut(clients: &[&str], hearing: &Hearing) -> Prover {
        let clients: Vec<Name> = clients.iter().map(|client| Name::new(client)).collect();
        let cut = Name::new("gw-7");
        let requests = vec![Request::Cut { client: cut.clone() }];
        let work = Work { clients, ..Work::of(thing(), requests, Proof::OneLeft { cut, silence: 30_000 }) };
        let mut prover = Prover::new(work, BEGAN, hearing, &rules());
        prover.requested(0, &Ok(Accepted::default()), BEGAN + 100);
        prover.all_sent(BEGAN + 100);
        prover
    }

    fn look(prover: &mut Prover, clients: &[(&str, bool)], now: Ms) {
        let clients = clients.iter().map(|(client, there)| (Name::new(client), Some(*there))).collect();
        prover.look(&Look { clients, ..Look::default() }, now);
    }

    fn why(prover: &Prover) -> String {
        let row = prover.at(ProofStep::Away).and_then(|i| prover.rows.get(i)).unwrap();
        format!("{}: {}", row.title, row.detail)
    }

    #[test]
    fn where_presence_events_are_discarded_nobody_is_known_to_stay_away() {
        let mut prover = cut(&["gw-7"], &Hearing::with(Some(0)));
        for second in 1..100 {
            let now = BEGAN + second * 1_000;
            prover.fact(&Fact::AtLimit { at: now });
            look(&mut prover, &[("gw-7", false)], now);
            tick(&mut prover, now);
        }
        assert_eq!(prover.outcome(), None);
        assert!(why(&prover).starts_with("nobody takes the session of gw-7 over"), "{}", why(&prover));
        assert!(why(&prover).contains("at AWS's limit"), "{}", why(&prover));
        tick(&mut prover, BEGAN + 128_900);
        assert_eq!(prover.outcome(), None, "since the limit there was not yet a whole silence");
        look(&mut prover, &[("gw-7", true)], BEGAN + 129_500);
        tick(&mut prover, BEGAN + 130_000);
        assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })), "{}", why(&prover));
    }

    #[test]
    fn where_the_filter_of_presence_events_was_refused_only_aws_counts() {
        let mut hearing = Hearing::with(Some(0));
        hearing.presence = false;
        let mut shared = cut(&["gw-7"], &hearing);
        for second in 1..100 {
            look(&mut shared, &[("gw-7", false)], BEGAN + second * 1_000);
            tick(&mut shared, BEGAN + second * 1_000);
        }
        assert_eq!(shared.outcome(), None);
        assert!(why(&shared).contains("filter was refused"), "{}", why(&shared));
        tick(&mut shared, BEGAN + 800_000);
        let Some(TargetOutcome::Unproven { missing }) = shared.outcome() else {
            panic!("{:?}", shared.outcome())
        };
        assert!(missing.as_str().contains("filter was refused"), "{missing}");

        let mut two = cut(&["gw-7", "Thing02"], &hearing);
        tick(&mut two, BEGAN + 60_000);
        assert_eq!(two.outcome(), None, "nobody looked");
        look(&mut two, &[("gw-7", false), ("Thing02", true)], BEGAN + 61_000);
        tick(&mut two, BEGAN + 61_200);
        assert!(matches!(two.outcome(), Some(TargetOutcome::Proven { .. })), "{}", why(&two));
    }
}
