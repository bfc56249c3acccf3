//! Whether hearing nothing proves anything: a connection that was not seen to end may still speak until AWS has applied the
//! policy to it, six to eight minutes later (docs/aws-iot.md#4.3), however quiet it is.

use crate::response::plan::draft::seconds;
use crate::response::plan::request::Proof;
use crate::response::view::RowState;
use quell_fleet::Ms;
use quell_fleet::text::SafeText;

use super::{Climb, Rung};

impl Climb {
    /// A connection of it ended.
    pub(super) fn over(&mut self, at: Ms) {
        self.ended = true;
        self.gone.get_or_insert(at);
        self.wants_cut = false;
        self.done(Rung::Gone, at);
    }

    /// It connected after the confirmation. Where the policy lets it connect, only speaking counts against it.
    pub(super) fn reconnected(&mut self, at: Ms) {
        if self.may_connect() {
            return;
        }
        self.connected = self.connected.max(Some(at));
        self.ended = false;
        self.wants_cut |= self.cut.is_some();
        self.reopen(Rung::Gone);
    }

    pub(super) fn may_connect(&self) -> bool {
        matches!(self.work.proof, Proof::Isolated { connects: true, .. })
    }

    /// Until when a connection that nobody saw end may still speak; `None` when none is left.
    pub(super) fn stands_until(&self) -> Option<Ms> {
        let lively = match self.work.proof {
            Proof::Isolated { lively, .. } | Proof::Barred { lively, .. } => lively,
            _ => return None,
        };
        let open = !self.ended && (lively || self.heard.is_some() || self.connected.is_some());
        self.sent.filter(|_| open).map(|sent| sent.saturating_add(self.cache))
    }

    pub(super) fn silence(&mut self, window: Ms, now: Ms) {
        let said = [Some(self.began), self.cut, self.heard, self.connected];
        // Somebody listens to a topic known to be this device's, and hears all there is.
        let by_ear =
            self.ear().map(|ear| said.into_iter().flatten().fold(ear.max(self.full.unwrap_or(ear)), Ms::max));
        // Nobody does: then only AWS's word that it is not connected counts.
        let by_aws = self.gone.map(|gone| [self.cut, self.heard].into_iter().flatten().fold(gone, Ms::max));
        let full = self.full.is_some_and(|full| now - full < window);
        let (quiet_since, deaf) = match by_ear {
            Some(since) if !full => (Some(since), false),
            _ => (by_aws, true),
        };
        let Some(since) = quiet_since else {
            return self.say(
                Rung::Silent,
                if full {
                    "the connection is at AWS's limit, where messages are discarded: waiting for GetConnection to say it is gone"
                } else {
                    "telemetry is not received here; waiting for GetConnection to say it is gone"
                },
            );
        };
        let quiet = (now - since).max(0);
        let stands = self.stands_until().map(|until| until - now).filter(|left| *left > 0);
        if quiet >= window && stands.is_none() {
            // Silence is the proof; an open row about presence only means that no event came.
            if let Some(i) = self.at(Rung::Gone)
                && !matches!(self.rows.get(i).map(|r| &r.state), Some(RowState::Done(_)))
            {
                let why = if self.may_connect() {
                    "it may connect, for its jobs; silence proves it"
                } else {
                    "no presence event; silence proves it"
                };
                self.set(i, RowState::Skipped(SafeText::new(why)));
            }
            if full {
                self.say(Rung::Silent, "by GetConnection: at AWS's message limit");
            } else if deaf {
                self.say(Rung::Silent, "by GetConnection: its telemetry is not received here");
            } else {
                self.say(Rung::Silent, &format!("silent for {}", seconds(quiet)));
            }
            self.done(Rung::Silent, now);
            return;
        }
        let left = (self.began + self.cache - now).max(0);
        let text = match stands {
            Some(left) => format!(
                "its connection was not cut: AWS applies the change within {}; silent for {}",
                seconds(left),
                seconds(quiet / 1000 * 1000)
            ),
            None if self.cut.is_some_and(|cut| self.heard.is_some_and(|h| h > cut)) && left > 0 => {
                format!("spoke after the cut; the deny applies within about {}", seconds(left))
            }
            None => format!("silent for {} of {}", seconds(quiet / 1000 * 1000), seconds(window)),
        };
        self.say(Rung::Silent, &text);
    }
}
