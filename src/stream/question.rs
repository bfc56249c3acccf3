//! Questions that change nothing and whose answers prove something: MQTT keeps order, so the answer to a question comes after
//! all that the broker had for us when it was asked. Only between two answers is a silence one (docs/aws-iot.md#6.1): a
//! connection whose cable was pulled looks quiet until its keep-alive ends, a minute and a half later.
//!
//! The question is an UNSUBSCRIBE from a filter nobody holds, which every broker answers with an UNSUBACK; the library does not
//! let a PINGREQ be sent when one is wanted, and sends none while something else is sent. Each connection asks by itself every [`EVERY`], and at once when somebody who
//! proves something wants it ([`Questions::ask`]).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use quell_fleet::Ms;

/// The filter nobody holds.
pub(super) const FILTER: &str = "quell/is-anything-left";

/// How often a connection asks by itself: what the screen says of a silence is no older than this.
const EVERY: Duration = Duration::from_secs(2);
/// An answer that stays away this long, while nothing else comes either, makes the connection suspect. A broker on the other
/// side of the world answers in half a second.
const SUSPECT: Duration = Duration::from_secs(3);
/// And this long: the connection is dead, and a new one is made.
const DEAD: Duration = Duration::from_secs(12);
/// How often a broker that never answered one is asked again: seldom, for as long as something is sent to it no PINGREQ is, and
/// that is the one question it may answer.
const UNHEEDED: Duration = Duration::from_secs(300);
/// Questions under way: no answer is worth more than the latest ones.
const OPEN: usize = 16;

/// Asks the connections of a stream whether something is left on its way. Cheap to clone; the answers come as
/// [`LinkEvent::Answered`](quell_fleet::event::LinkEvent::Answered).
#[derive(Clone, Debug)]
pub struct Questions(watch::Sender<u64>);

impl Questions {
    pub(super) fn new() -> (Self, watch::Receiver<u64>) {
        let (sender, receiver) = watch::channel(0);
        (Self(sender), receiver)
    }

    /// Every connection asks now. Never blocks; several calls in a row may become one question.
    pub fn ask(&self) {
        self.0.send_modify(|wanted| *wanted = wanted.wrapping_add(1));
    }
}

/// What is to be done next about questions, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// To ask.
    Ask,
    /// To say that the answer asked for at this time stays away.
    Suspect(Ms),
    /// To give the connection up.
    Dead,
}

/// The questions of one connection.
#[derive(Debug)]
pub(super) struct Asked {
    /// The UNSUBSCRIBEs that are not on the wire yet, in order: when a question was asked, `None` for filters given up.
    leaving: VecDeque<Option<Ms>>,
    /// The questions on the wire: packet identifier, and when it was asked.
    open: VecDeque<(u16, Ms)>,
    /// When it was last asked, and since when an answer is waited for.
    last: Instant,
    waiting: Option<(Instant, Ms)>,
    /// When anything last came.
    heard: Instant,
    told: bool,
    /// This broker answers: one that does not answer now is not there.
    answers: bool,
}

impl Asked {
    /// No question yet, on a new connection, whose first is due at once: only a broker that answered one is missed when it stays
    /// silent. `answers` tells whether the broker ever answered one.
    pub(super) fn new(answers: bool, now: Instant) -> Self {
        Self {
            leaving: VecDeque::new(),
            open: VecDeque::new(),
            last: now.checked_sub(EVERY).unwrap_or(now),
            waiting: None,
            heard: now,
            told: false,
            answers,
        }
    }

    /// The broker ever answered a question.
    pub(super) fn answers(&self) -> bool {
        self.answers
    }

    /// A question is on its way.
    pub(super) fn ask(&mut self, now: Instant, at: Ms) {
        self.leaving.push_back(Some(at));
        self.last = now;
        self.waiting.get_or_insert((now, at));
    }

    /// So many filters are being given up.
    pub(super) fn give_up(&mut self, filters: usize) {
        self.leaving.extend(std::iter::repeat_n(None, filters));
    }

    /// The next UNSUBSCRIBE went out.
    pub(super) fn sent(&mut self, id: u16) {
        let Some(Some(at)) = self.leaving.pop_front() else { return };
        if self.open.len() >= OPEN {
            self.open.pop_front();
        }
        self.open.push_back((id, at));
    }

    /// Anything came.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// An UNSUBACK came: when what it answers was asked, if that was a question.
    pub(super) fn answered(&mut self, id: u16, now: Instant) -> Option<Ms> {
        let place = self.open.iter().position(|(open, _)| *open == id)?;
        // Those before it were overtaken: they say nothing that this one does not.
        let (_, at) = self.open.drain(..=place).next_back()?;
        self.answers = true;
        self.told = false;
        let next =
            self.open.front().map(|(_, at)| *at).or_else(|| self.leaving.iter().copied().flatten().next());
        self.waiting = next.map(|at| (now, at));
        Some(at)
    }

    /// What comes next, and when.
    pub(super) fn next(&self) -> (Instant, Due) {
        let Some((since, at)) = self.waiting else { return (self.last + EVERY, Due::Ask) };
        // As long as something comes, the answer may stand behind it.
        let quiet = since.max(self.heard);
        match (self.told, self.answers) {
            (false, _) => (quiet + SUSPECT, Due::Suspect(at)),
            (true, true) => (quiet + DEAD, Due::Dead),
            (true, false) => (self.last + UNHEEDED, Due::Ask),
        }
    }

    /// It was said that an answer stays away.
    pub(super) fn suspected(&mut self) {
        self.told = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_that_of_its_question() {
        let now = Instant::now();
        let mut asked = Asked::new(false, now);
        asked.give_up(2);
        asked.ask(now, 1_000);
        asked.ask(now, 2_000);
        for id in [7, 8, 9] {
            asked.sent(id);
        }
        assert_eq!(asked.answered(7, now), None, "that was a filter");
        assert_eq!(asked.answered(9, now), Some(1_000));
        assert!(matches!(asked.next(), (_, Due::Suspect(2_000))), "the second is on its way still");
        asked.sent(10);
        assert_eq!(asked.answered(10, now), Some(2_000));
        assert_eq!(asked.next(), (now + EVERY, Due::Ask));
    }

    #[test]
    fn an_answer_that_stays_away_is_told_once_and_then_ends_the_connection() {
        let now = Instant::now();
        let mut asked = Asked::new(false, now);
        asked.ask(now, 1_000);
        asked.sent(1);
        assert_eq!(asked.answered(1, now), Some(1_000));
        asked.ask(now, 2_000);
        asked.sent(2);
        assert_eq!(asked.next(), (now + SUSPECT, Due::Suspect(2_000)));
        // What comes meanwhile may stand before it.
        let later = now + SUSPECT / 2;
        asked.heard(later);
        assert_eq!(asked.next(), (later + SUSPECT, Due::Suspect(2_000)));
        asked.suspected();
        assert_eq!(asked.next(), (later + DEAD, Due::Dead));
        assert_eq!(asked.answered(2, later), Some(2_000));
        assert_eq!(asked.next(), (now + EVERY, Due::Ask));
    }

    #[test]
    fn a_broker_that_never_answered_is_not_given_up_for_it() {
        let now = Instant::now();
        let mut asked = Asked::new(false, now);
        asked.ask(now, 1_000);
        asked.sent(1);
        asked.suspected();
        assert_eq!(asked.next(), (now + UNHEEDED, Due::Ask));
        for id in 0..100 {
            asked.ask(now, Ms::from(id));
            asked.sent(id);
        }
        assert_eq!((asked.open.len(), asked.leaving.len()), (OPEN, 0));
        assert_eq!(asked.answered(99, now), Some(99));
    }
}
