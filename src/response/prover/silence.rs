//! Whether hearing nothing proves anything. A connection that was not seen to end may still speak until AWS has applied the
//! policy to it, six to eight minutes later (docs/aws-iot.md#4.3), however quiet it is. A device that was refused when it
//! tried to connect says more than silence does: it wants to speak and cannot.

use crate::response::plan::request::Proof;
use crate::response::view::{Gauge, RowState};
use quell_fleet::Ms;
use quell_fleet::format::seconds;
use quell_fleet::text::SafeText;

use super::{ProofStep, Prover, UNHEARD};

/// A connection that did not answer for so long is said to be silent itself: it is asked every two seconds.
const UNANSWERED_MS: Ms = 8_000;

impl Prover {
    pub(super) fn silence(&mut self, window: Ms, now: Ms) {
        if self.silent_until.is_some() {
            // Proven, and nothing came since; the other proofs are waited for.
            return;
        }
        if let Some(how) = self.kept_out(window) {
            return self.silent(self.answered.unwrap_or(now), now, &how);
        }
        self.gauge(None);
        let (cut, connected) = (self.last_cut(), self.last_connected());
        let said = [Some(self.began), cut, self.heard, connected];
        // Somebody listens to a topic known to be this device's, and hears all there is.
        let by_listening = self
            .hearing()
            .map(|since| said.into_iter().flatten().fold(since.max(self.full.unwrap_or(since)), Ms::max));
        // Nobody does: then only AWS's word that it is not connected counts.
        let by_aws =
            self.gone_since().map(|gone| [cut, self.heard].into_iter().flatten().fold(gone, Ms::max));
        let full = self.full.is_some_and(|full| now - full < window);
        if self.unheard() && !full {
            return self.say(ProofStep::Silent, UNHEARD);
        }
        let (quiet_since, deaf) = match by_listening {
            Some(since) if !full => (Some(since), false),
            _ => (by_aws, true),
        };
        let Some(since) = quiet_since else {
            return self.say(
                ProofStep::Silent,
                if full {
                    "the connection is at AWS's limit, where messages are discarded: waiting for GetConnection to say it is gone"
                } else {
                    "telemetry is not received here; waiting for GetConnection to say it is gone"
                },
            );
        };
        // Silence counts up to the latest answer of the connection: what it had for us then has come.
        let until = if deaf { now } else { self.answered.map_or(since, |answered| answered.min(now)) };
        let quiet = (until - since).max(0);
        let stands = self.stands_until().map(|until| until - now).filter(|left| *left > 0);
        if quiet >= window && stands.is_none() {
            // Silence is the proof; an open row about presence only means that no event came.
            if self.is_open(ProofStep::Gone) {
                let why = if self.may_connect() {
                    "it may connect, for its jobs; silence proves it"
                } else {
                    "no presence event; silence proves it"
                };
                self.mark(ProofStep::Gone, RowState::Skipped(SafeText::new(why)));
            }
            let how = match deaf {
                true if full => "by GetConnection: at AWS's message limit".to_owned(),
                true => "by GetConnection: its telemetry is not received here".to_owned(),
                false => format!("silent for {}", seconds(quiet)),
            };
            return self.silent(until.max(since), now, &how);
        }
        let spoke = cut.is_some_and(|cut| self.heard.is_some_and(|heard| heard > cut));
        // AWS's delay counts from a deny that was read; where nothing denies, nothing is about to change.
        let left = self.denied.map(|_| (self.began + self.cache - now).max(0)).filter(|left| *left > 0);
        let text = match (stands, left) {
            (Some(stands), _) if self.denied.is_some() || self.is_barred() => format!(
                "its connection was not cut: AWS applies the change within {}; silent for {}",
                seconds(stands),
                seconds(quiet / 1000 * 1000)
            ),
            (None, Some(left)) if spoke => {
                format!("spoke after the cut; the deny applies within about {}", seconds(left))
            }
            _ if now - until > UNANSWERED_MS => format!(
                "the connection has not answered for {}: silence does not count",
                seconds((now - until) / 1000 * 1000)
            ),
            _ if spoke && self.is_open(ProofStep::Denied) => {
                "spoke after the cut; nothing denies it yet".to_owned()
            }
            _ if self.refused[1].is_some() => {
                let quiet = self.refused[1].map_or(0, |at| (until - since.max(at)).max(0));
                self.gauge(Some(Gauge { done: quiet, of: interval(window) }));
                format!(
                    "refused; a second refusal or {} of silence proves it, {} so far",
                    seconds(interval(window)),
                    seconds(quiet / 1000 * 1000)
                )
            }
            _ => {
                self.gauge(Some(Gauge { done: quiet, of: window }));
                format!("silent for {} of {}", seconds(quiet / 1000 * 1000), seconds(window))
            }
        };
        self.say(ProofStep::Silent, &text);
    }

    /// It is silent, as far as it is known until then.
    fn silent(&mut self, until: Ms, now: Ms, how: &str) {
        self.silent_until = Some(until);
        self.done(ProofStep::Silent, now);
        self.say(ProofStep::Silent, how);
    }

    /// How far the wait for silence is.
    fn gauge(&mut self, gauge: Option<Gauge>) {
        if let Some(row) = self.at(ProofStep::Silent).and_then(|i| self.rows.get_mut(i)) {
            row.gauge = gauge;
        }
    }

    /// How it is known to be kept out, when it is: after the deny was read a connect was refused, no session of it is left,
    /// and then it was refused again or kept silent for one usual interval.
    fn kept_out(&self, window: Ms) -> Option<String> {
        let last = self.refused[1]?;
        self.denied?;
        let first = self.refused[0].unwrap_or(last);
        if self.may_connect() || self.gone_since().is_none() || self.is_open(ProofStep::Gone) {
            return None;
        }
        // Asked after the refusal: a session of another client would still be there.
        let looked = self.looked_gone.is_some_and(|at| at >= first);
        let full = self.full.is_some_and(|full| self.now - full < window);
        let from = first.max(self.hearing()?);
        let answered = self.answered.is_some_and(|asked| asked >= first);
        if !looked || full || !answered || self.heard.is_some_and(|at| at > first) {
            return None;
        }
        if first < last && from == first {
            return Some(format!("refused twice in {}, and no session is left", seconds(last - first)));
        }
        // MQTT keeps order: what came later was sent later, so nothing of the device's is under way before it.
        let quiet = self.answered? - from.max(last);
        (quiet >= interval(window)).then(|| format!("refused, then silent for {}", seconds(quiet)))
    }

    fn is_barred(&self) -> bool {
        matches!(self.work.proof, Proof::Barred { .. })
    }
}

/// The usual interval of a device whose proof is a silence of three.
fn interval(window: Ms) -> Ms {
    window / 3
}
