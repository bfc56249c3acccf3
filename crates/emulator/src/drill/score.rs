//! The score of one participant: pure, time is passed in.
//!
//! An incident has three stages. *Seen*: somebody asked about the device in particular, or changed something of it. *Answered*:
//! what the incident needs is true of the account (the device can neither connect nor publish, the retained message is gone,
//! the tampered state is not desired any more). *Proven*: after that the participant looked whether it is so, and the device
//! had been silent for a while. A device that speaks or may speak again takes both back.

use std::time::Duration;

use serde::Serialize;

use super::{Answer, Drill};

/// The points of a drill in which everything is done in time.
const ALL: f64 = 100.0;
/// What a hint costs.
const HINT: f64 = 5.0;
/// What it costs to take a healthy device off the air.
const HEALTHY: f64 = 15.0;
/// What it costs to take a certificate that healthy devices share.
const SHARED: f64 = 30.0;
/// Shares of an incident's points: seen, answered, proven.
const SHARES: [f64; 3] = [0.2, 0.5, 0.3];
/// What is left of a stage's points at the end of the drill.
const LATE: f64 = 0.5;
/// How long a device must have been silent for a proof: its cadence, and half of it again.
const SILENCE: Duration = Duration::from_secs(15);

/// A stage of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Somebody looked at the device in particular.
    Seen,
    /// What it needs has been done.
    Answered,
    /// And it was checked.
    Proven,
}

/// How one incident goes. Times in milliseconds of the drill, from its beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Card {
    /// The thing.
    pub thing: String,
    /// What it was; told when the drill is over.
    pub what: String,
    /// When it began.
    pub at: i64,
    /// Seen when.
    pub seen: Option<i64>,
    /// Answered when.
    pub answered: Option<i64>,
    /// Proven when.
    pub proven: Option<i64>,
    /// How often an answer was lost again.
    pub lost: u32,
    /// When it was looked at first after the answer.
    #[serde(skip)]
    checked: Option<i64>,
    /// It has been seen to be wrong: before that there is nothing to put right.
    #[serde(skip)]
    wrong: bool,
    /// Its points.
    pub points: f64,
}

/// Something that should not have been done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistake {
    /// When, in milliseconds of the drill.
    pub at: i64,
    /// What.
    pub what: String,
    /// What it costs.
    pub points: f64,
}

/// Something the instructor made go wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Injected {
    /// When, in milliseconds of the drill.
    pub at: i64,
    /// The thing.
    pub thing: String,
}

/// Where a participant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nothing is wrong yet, or nothing that is not answered and proven.
    Calm,
    /// Something is wrong that nobody has seen.
    Alarm,
    /// Something is seen and not answered.
    Seen,
    /// Everything that is wrong is answered, and something is not proven.
    Answered,
    /// Every incident is answered and proven.
    Done,
    /// The time is over.
    Over,
}

/// What is true of an account at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    /// Of each incident, in the drill's order: nothing of it is left.
    pub(crate) held: Vec<bool>,
    /// Of each incident: the last sign of life, in milliseconds of the drill.
    pub(crate) signs: Vec<Option<i64>>,
    /// Of each incident: when somebody asked about it in particular or changed something since the moment before.
    pub(crate) asked: Vec<Vec<i64>>,
    /// Likewise, with reads that only tell something to whoever has answered: of the shadow that was put right.
    pub(crate) looked: Vec<Vec<i64>>,
    /// Devices that cannot speak, by certificate: those of the drill too.
    pub(crate) mute: Vec<Mute>,
}

/// Devices that may not speak, though they could when the drill began.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mute {
    /// The things.
    pub(crate) things: Vec<String>,
    /// They were taken by the certificate they share.
    pub(crate) certificate: bool,
}

/// The score sheet of one participant.
#[derive(Clone, Debug, Serialize)]
pub struct Sheet {
    /// One card for each incident.
    pub cards: Vec<Card>,
    /// What was done wrong, once each.
    pub mistakes: Vec<Mistake>,
    /// Hints asked for.
    pub hints: usize,
    /// What the instructor made go wrong, in order.
    pub injected: Vec<Injected>,
    /// Milliseconds of the drill that have gone.
    pub now: i64,
    /// When it is over at the latest.
    pub lasts: i64,
    #[serde(skip)]
    drill: Drill,
    /// Things whose loss has been counted.
    #[serde(skip)]
    counted: Vec<String>,
}

fn ms(time: Duration) -> i64 {
    time.as_millis().min(i64::MAX as u128) as i64
}

impl Sheet {
    /// The sheet of a drill that begins.
    pub fn new(drill: &Drill) -> Self {
        let card = |incident: &super::Incident| Card {
            thing: incident.thing.clone(),
            what: incident.what.clone(),
            at: ms(incident.at),
            ..Card::default()
        };
        Self {
            cards: drill.incidents.iter().map(card).collect(),
            mistakes: Vec::new(),
            hints: 0,
            injected: Vec::new(),
            now: 0,
            lasts: ms(drill.lasts),
            drill: drill.clone(),
            counted: Vec::new(),
        }
    }

    /// The drill it is the sheet of.
    pub fn drill(&self) -> &Drill {
        &self.drill
    }

    /// The next hint, and one hint more on the sheet; `None` when there is none left.
    pub fn hint(&mut self) -> Option<String> {
        let hint = self.drill.hints.get(self.hints).cloned()?;
        self.hints += 1;
        Some(hint)
    }

    /// The instructor makes an incident go wrong `now`: its times count from then, unless it had begun. False for a drill that is
    /// over and for an incident that is none.
    pub(crate) fn inject(&mut self, incident: usize, now: i64) -> bool {
        let over = self.is_over();
        let Some(card) = self.cards.get_mut(incident).filter(|_| !over && now >= self.now) else {
            return false;
        };
        card.at = card.at.min(now);
        self.injected.push(Injected { at: now, thing: card.thing.clone() });
        true
    }

    /// Takes in what is true `now`, in milliseconds of the drill. Nothing counts after the end.
    pub(crate) fn observe(&mut self, sight: &Sight, now: i64) {
        if self.is_over() || now < self.now {
            return;
        }
        self.now = now.min(self.lasts);
        for (n, card) in self.cards.iter_mut().enumerate() {
            let Some(incident) = self.drill.incidents.get(n).filter(|_| now >= card.at) else { continue };
            let asked = sight.asked.get(n).map_or(&[][..], Vec::as_slice);
            if card.seen.is_none() {
                card.seen = asked.iter().copied().find(|at| *at >= card.at);
            }
            if incident.answer == Answer::Look {
                continue;
            }
            let contain = incident.answer == Answer::Contain;
            let spoke = sight.signs.get(n).copied().flatten().filter(|_| contain);
            let held = sight.held.get(n).copied().unwrap_or(false);
            card.wrong |= contain || !held;
            match card.answered {
                None if held && card.wrong => {
                    card.answered = Some(now);
                    card.seen.get_or_insert(now);
                }
                Some(_) if !held => {
                    card.lost += 1;
                    (card.answered, card.proven, card.checked) = (None, None, None);
                }
                // It was heard though it was held: it is held anew, or not at all.
                Some(since) if spoke.is_some_and(|at| at > since) => {
                    card.lost += 1;
                    (card.answered, card.proven, card.checked) = (Some(now), None, None);
                }
                _ => {}
            }
            let Some(since) = card.answered else { continue };
            let looked = sight.looked.get(n).map_or(&[][..], Vec::as_slice);
            card.checked = card.checked.or_else(|| looked.iter().copied().find(|at| *at > since));
            let silent = !contain || now - since >= ms(SILENCE);
            if card.proven.is_none() && card.checked.is_some() && silent {
                card.proven = Some(now);
            }
        }
        self.mistakes(sight);
        for (card, incident) in self.cards.iter_mut().zip(&self.drill.incidents) {
            card.points = worth(card, incident, self.drill.incidents.len(), self.lasts);
        }
    }

    /// Healthy devices that were taken off the air, each counted once: also those whose incident has not begun, or that should
    /// have been left as they are.
    fn mistakes(&mut self, sight: &Sight) {
        for mute in &sight.mute {
            let to_contain = |thing: &String| {
                let of_it = |(card, incident): (&Card, &super::Incident)| {
                    card.thing == *thing && incident.answer == Answer::Contain && self.now >= card.at
                };
                self.cards.iter().zip(&self.drill.incidents).any(of_it)
            };
            let wrong = |thing: &&String| !to_contain(thing) && !self.counted.contains(thing);
            let healthy: Vec<String> = mute.things.iter().filter(wrong).cloned().collect();
            if healthy.is_empty() {
                continue;
            }
            let names = healthy.join(", ");
            if mute.certificate && mute.things.len() > 1 {
                let what = format!("took the certificate that {names} needed");
                self.mistakes.push(Mistake { at: self.now, what, points: SHARED });
            } else {
                let points = HEALTHY * healthy.len() as f64;
                self.mistakes.push(Mistake {
                    at: self.now,
                    what: format!("took {names} off the air"),
                    points,
                });
            }
            self.counted.extend(healthy);
        }
    }

    /// The points so far: those of the cards, less what was wrong and what was told; never below nothing.
    pub fn points(&self) -> f64 {
        let earned: f64 = self.cards.iter().map(|card| card.points).sum();
        let wrong: f64 = self.mistakes.iter().map(|mistake| mistake.points).sum();
        (earned - wrong - HINT * self.hints as f64).max(0.0).round()
    }

    /// Whether the time is over, or there is nothing left to do.
    pub fn is_over(&self) -> bool {
        self.now >= self.lasts || self.is_done()
    }

    fn is_done(&self) -> bool {
        self.cards.iter().zip(&self.drill.incidents).all(|(card, incident)| match incident.answer {
            Answer::Look => card.seen.is_some(),
            _ => card.proven.is_some(),
        })
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        if self.is_done() {
            return Phase::Done;
        }
        if self.now >= self.lasts {
            return Phase::Over;
        }
        let open = |(card, incident): (&Card, &super::Incident)| {
            if self.now < card.at {
                return Phase::Calm;
            }
            match (card.seen, card.answered, card.proven) {
                (None, ..) => Phase::Alarm,
                (Some(_), ..) if incident.answer == Answer::Look => Phase::Calm,
                (_, None, _) => Phase::Seen,
                (_, _, None) => Phase::Answered,
                _ => Phase::Calm,
            }
        };
        let phases: Vec<Phase> = self.cards.iter().zip(&self.drill.incidents).map(open).collect();
        let worst = [Phase::Alarm, Phase::Seen, Phase::Answered];
        worst.into_iter().find(|phase| phases.contains(phase)).unwrap_or(Phase::Calm)
    }

    /// How long a stage took on average, in milliseconds of the drill, over the incidents that have it.
    pub fn took(&self, stage: Stage) -> Option<i64> {
        let times: Vec<i64> =
            self.cards.iter().filter_map(|card| Some(card.when(stage)? - card.at)).collect();
        (!times.is_empty()).then(|| times.iter().sum::<i64>() / times.len() as i64)
    }
}

impl Card {
    /// When it reached a stage.
    pub fn when(&self, stage: Stage) -> Option<i64> {
        match stage {
            Stage::Seen => self.seen,
            Stage::Answered => self.answered,
            Stage::Proven => self.proven,
        }
    }
}

/// The points of a card: each stage in full up to its time, then less in proportion, down to half at the end of the drill.
fn worth(card: &Card, incident: &super::Incident, incidents: usize, lasts: i64) -> f64 {
    let whole = ALL / incidents.max(1) as f64;
    let shares = if incident.answer == Answer::Look { [1.0, 0.0, 0.0] } else { SHARES };
    let stages = [card.seen, card.answered, card.proven];
    let stage = |((when, share), par): ((&Option<i64>, f64), Duration)| {
        let Some(when) = when else { return 0.0 };
        let (late, room) = (when - card.at - ms(par), lasts - card.at - ms(par));
        let part = if late <= 0 || room <= 0 { 0.0 } else { late as f64 / room as f64 };
        whole * share * (1.0 - LATE * part.min(1.0))
    };
    stages.iter().zip(shares).zip(incident.par).map(stage).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::Incident;
    use super::*;

    fn incident(thing: &str, answer: Answer) -> Incident {
        Incident {
            thing: thing.to_owned(),
            at: Duration::from_secs(60),
            answer,
            what: "what it was".to_owned(),
            clients: BTreeSet::from([thing.to_owned()]),
            par: [120, 240, 360].map(Duration::from_secs),
        }
    }

    fn drill(incidents: Vec<Incident>) -> Drill {
        Drill {
            title: "t".to_owned(),
            teaches: "x".to_owned(),
            lasts: Duration::from_secs(1200),
            hints: vec!["one".to_owned(), "two".to_owned()],
            incidents,
        }
    }

    /// A moment of the only incident.
    fn sight(held: bool, spoke: Option<i64>, asked: &[i64]) -> Sight {
        let (asked, looked) = (vec![asked.to_vec()], vec![asked.to_vec()]);
        Sight { held: vec![held], signs: vec![spoke], asked, looked, mute: Vec::new() }
    }

    #[test]
    fn seen_answered_and_proven_in_time_is_a_hundred() {
        let mut sheet = Sheet::new(&drill(vec![incident("T", Answer::Contain)]));
        sheet.observe(&sight(false, Some(50_000), &[30_000]), 55_000);
        assert_eq!(
            (sheet.phase(), sheet.cards[0].seen),
            (Phase::Calm, None),
            "before it began nothing counts"
        );
        sheet.observe(&sight(false, Some(61_000), &[]), 62_000);
        assert_eq!(sheet.phase(), Phase::Alarm);
        sheet.observe(&sight(false, Some(71_000), &[80_000]), 80_000);
        assert_eq!(sheet.phase(), Phase::Seen);
        sheet.observe(&sight(true, Some(81_000), &[90_000]), 90_000);
        assert_eq!(sheet.phase(), Phase::Answered);
        // Looking while it is still warm proves nothing yet.
        sheet.observe(&sight(true, Some(81_000), &[95_000]), 95_000);
        assert_eq!(sheet.cards[0].proven, None);
        sheet.observe(&sight(true, Some(81_000), &[]), 106_000);
        assert_eq!((sheet.phase(), sheet.points(), sheet.is_over()), (Phase::Done, 100.0, true));
        assert_eq!(sheet.took(Stage::Answered), Some(30_000));
        // Nothing counts after the end.
        let done = sheet.clone().cards;
        sheet.observe(&sight(false, Some(120_000), &[]), 130_000);
        assert_eq!(sheet.cards, done);
    }

    #[test]
    fn a_device_that_is_heard_again_takes_the_proof_back() {
        let mut sheet = Sheet::new(&drill(vec![incident("T", Answer::Contain), incident("U", Answer::Look)]));
        let both = |held, spoke, asked: &[i64]| Sight {
            held: vec![held, false],
            signs: vec![spoke, None],
            asked: vec![asked.to_vec(), Vec::new()],
            looked: vec![asked.to_vec(), Vec::new()],
            mute: Vec::new(),
        };
        sheet.observe(&both(true, None, &[70_000]), 70_000);
        sheet.observe(&both(true, None, &[80_000]), 86_000);
        assert_eq!(sheet.cards[0].proven, Some(86_000));
        sheet.observe(&both(true, Some(90_000), &[]), 91_000);
        let card = &sheet.cards[0];
        assert_eq!((card.lost, card.answered, card.proven), (1, Some(91_000), None));
        sheet.observe(&both(false, Some(90_000), &[]), 92_000);
        assert_eq!((sheet.cards[0].lost, sheet.cards[0].answered), (2, None));
        // Seen stays seen.
        assert_eq!(sheet.cards[0].seen, Some(70_000));
    }

    #[test]
    fn late_is_worth_less_and_never_less_than_half() {
        let at = |answered: i64| {
            let card = Card { at: 60_000, answered: Some(answered), ..Card::default() };
            worth(&card, &incident("T", Answer::Contain), 1, 1_200_000)
        };
        assert_eq!(at(60_000 + 240_000), 50.0);
        assert_eq!(at(1_200_000), 25.0);
        assert!((at(750_000) - 37.5).abs() < 1e-9);
    }

    #[test]
    fn a_healthy_device_taken_off_the_air_costs_once_and_a_shared_certificate_more() {
        let mut sheet = Sheet::new(&drill(vec![incident("T", Answer::Contain), incident("M", Answer::Look)]));
        let mute = |things: &[&str], certificate| Sight {
            mute: vec![Mute { things: things.iter().map(|t| (*t).to_owned()).collect(), certificate }],
            ..Sight::default()
        };
        // Its incident has not begun: nobody can know.
        sheet.observe(&mute(&["T"], false), 10_000);
        sheet.observe(&mute(&["M"], false), 70_000);
        sheet.observe(&mute(&["M", "H"], false), 80_000);
        let points: Vec<f64> = sheet.mistakes.iter().map(|m| m.points).collect();
        assert_eq!(points, [HEALTHY, HEALTHY, HEALTHY]);
        let mut sheet = Sheet::new(&drill(vec![incident("T", Answer::Contain)]));
        sheet.observe(&mute(&["H", "I", "T"], true), 70_000);
        sheet.observe(&mute(&["H", "I", "T"], true), 80_000);
        assert_eq!(sheet.mistakes.len(), 1);
        assert_eq!(
            (sheet.mistakes[0].points, sheet.mistakes[0].what.as_str()),
            (SHARED, "took the certificate that H, I needed")
        );
        assert_eq!(sheet.points(), 0.0);
    }

    #[test]
    fn what_is_injected_counts_from_then_and_is_told() {
        let mut sheet = Sheet::new(&drill(vec![incident("T", Answer::Contain), incident("U", Answer::Look)]));
        assert!(sheet.inject(0, 5_000) && !sheet.inject(2, 5_000));
        let moment = |held, asked: &[i64]| Sight {
            held: vec![held, false],
            signs: vec![None, None],
            asked: vec![asked.to_vec(), Vec::new()],
            looked: vec![asked.to_vec(), Vec::new()],
            mute: Vec::new(),
        };
        sheet.observe(&moment(false, &[]), 6_000);
        assert_eq!((sheet.phase(), sheet.cards[0].at, sheet.cards[1].at), (Phase::Alarm, 5_000, 60_000));
        sheet.observe(&moment(true, &[8_000]), 8_000);
        sheet.observe(&moment(true, &[24_000]), 24_000);
        assert_eq!((sheet.cards[0].proven, sheet.points()), (Some(24_000), 50.0));
        // Once more: when it began stays.
        assert!(sheet.inject(0, 30_000) && !sheet.inject(0, 20_000));
        assert_eq!(sheet.cards[0].at, 5_000);
        let told: Vec<_> = sheet.injected.iter().map(|told| (told.at, told.thing.as_str())).collect();
        assert_eq!(told, [(5_000, "T"), (30_000, "T")]);
    }

    #[test]
    fn hints_cost_and_end() {
        let mut sheet = Sheet::new(&drill(vec![incident("T", Answer::Look)]));
        assert_eq!(sheet.hint().as_deref(), Some("one"));
        sheet.observe(&sight(false, None, &[61_000]), 61_000);
        assert_eq!((sheet.points(), sheet.phase()), (95.0, Phase::Done));
        assert_eq!((sheet.hint().as_deref(), sheet.hint()), (Some("two"), None));
        assert_eq!(sheet.hints, 2);
    }

    proptest! {
        #[test]
        fn whatever_happens_stages_come_in_order_and_points_stay_within_bounds(
            moments in prop::collection::vec((any::<bool>(), prop::option::of(0..1_300_000i64), prop::option::of(0..1_300_000i64), 0..40_000i64), 0..60)
        ) {
            let mut sheet = Sheet::new(&drill(vec![incident("T", Answer::Contain)]));
            let mut now = 0;
            for (held, spoke, asked, gone) in moments {
                now += gone;
                let asked: Vec<i64> = asked.into_iter().filter(|at| *at <= now).collect();
                sheet.observe(&sight(held, spoke.filter(|at| *at <= now), &asked), now);
                let card = &sheet.cards[0];
                prop_assert!((0.0..=100.0).contains(&sheet.points()));
                prop_assert!(card.seen.is_some() || card.answered.is_none());
                prop_assert!(card.answered.is_some() || card.proven.is_none());
                prop_assert!(card.seen.is_none_or(|at| at >= card.at));
                prop_assert!(card.proven.zip(card.answered).is_none_or(|(p, a)| p >= a + ms(SILENCE)));
            }
        }
    }
}
