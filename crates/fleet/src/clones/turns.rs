//! Sessions of one client id, each cut off by the next: whether every other one is of another device.

use std::collections::VecDeque;

use crate::Ms;
use crate::baseline::Shape;
use crate::model::Name;
use crate::text::SafeText;
use crate::traffic::Heard;

use super::{Sharing, Voice};

/// Sessions kept.
const KEPT: usize = 32;
/// Messages kept until it is known into which session they fall: presence events come late.
const RECENT: usize = 64;
/// A row of sessions ends where one is followed by the next only after so long.
const APART: Ms = 1_800_000;
/// Sessions that last longer than this on average are a device's that sleeps in between: what it sends with each waking may
/// well follow a rhythm of its own, so its habits tell nothing.
const QUICK: Ms = 120_000;
/// Each of the two is seen in so many sessions at least.
const EACH: usize = 3;
/// How unlikely a pattern has to be for one device whose sessions differ by chance, as a power of two: of a device that is
/// taken over a hundred times a day one in six hundred days is called a clone, less than the false alarms that are accepted.
const BITS: f64 = 16.0;
/// Sizes of the two lie at least so far apart.
const GAP: f64 = 1.25;
/// Rates of the two lie at least so far apart.
const FASTER: f64 = 3.0;

/// Names a session: by AWS's id of it, or else by the version, which a connect and its disconnect share.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) session: Option<SafeText>,
    pub(super) version: i64,
}

impl Key {
    fn is(&self, other: &Self) -> bool {
        match (&self.session, &other.session) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.version == other.version,
        }
    }
}

/// What was sent in a session.
#[derive(Clone, Copy, Debug, Default)]
struct Habit {
    messages: u32,
    least: u32,
    largest: u32,
    json: u32,
    other: u32,
}

impl Habit {
    fn add(&mut self, message: &Recent) {
        self.least = if self.messages == 0 { message.least } else { self.least.min(message.least) };
        self.largest = self.largest.max(message.largest);
        self.messages = self.messages.saturating_add(message.count);
        match message.shape {
            Shape::Json => self.json = self.json.saturating_add(1),
            Shape::Other => self.other = self.other.saturating_add(1),
            Shape::Unknown => {}
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Recent {
    at: Ms,
    count: u32,
    least: u32,
    largest: u32,
    shape: Shape,
}

/// One session.
#[derive(Clone, Debug)]
struct Turn {
    key: Key,
    began: Ms,
    until: Option<Ms>,
    /// It ended because another took it over.
    taken: bool,
    principal: Option<SafeText>,
    address: Option<SafeText>,
    habit: Habit,
}

/// The sessions of one client id. A few kilobytes, whatever happens.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    client: Name,
    /// The oldest first.
    turns: VecDeque<Turn>,
    recent: VecDeque<Recent>,
}

impl Turns {
    pub(super) fn new(client: Name) -> Self {
        Self { client, turns: VecDeque::new(), recent: VecDeque::new() }
    }

    pub(super) fn client(&self) -> &Name {
        &self.client
    }

    /// When something of its sessions was last heard.
    pub(super) fn last(&self) -> Ms {
        self.turns.back().map_or(Ms::MIN, |turn| turn.until.unwrap_or(turn.began))
    }

    /// Nobody listened before `at`: what came then is no row with what follows.
    pub(super) fn forget_before(&mut self, at: Ms) {
        if self.turns.back().is_some_and(|turn| turn.began < at && turn.until.is_none_or(|until| until < at))
        {
            self.turns.clear();
        }
    }

    /// A session began.
    pub(super) fn began(&mut self, key: Key, at: Ms, principal: Option<SafeText>, address: Option<SafeText>) {
        if let Some(known) = self.turns.iter_mut().find(|turn| turn.key.is(&key)) {
            // Its end was heard first.
            known.began = known.began.min(at);
            known.principal = known.principal.take().or(principal);
            known.address = known.address.take().or(address);
            return;
        }
        let late = self.turns.back().is_some_and(|newest| at < newest.began);
        if !late {
            self.push(Turn {
                key,
                began: at,
                until: None,
                taken: false,
                principal,
                address,
                habit: Habit::default(),
            });
        }
    }

    /// A session ended.
    pub(super) fn ended(&mut self, key: Key, at: Ms, taken: bool) {
        if let Some(known) = self.turns.iter_mut().find(|turn| turn.key.is(&key)) {
            if known.until.is_none() {
                (known.until, known.taken) = (Some(at), taken);
            }
            return;
        }
        // Its beginning was not heard, or comes yet.
        let began = match self.turns.back() {
            Some(newest) if at < newest.began || key.version < newest.key.version => return,
            Some(newest) => newest.until.unwrap_or(at),
            None => at,
        };
        self.push(Turn {
            key,
            began,
            until: Some(at),
            taken,
            principal: None,
            address: None,
            habit: Habit::default(),
        });
    }

    fn push(&mut self, turn: Turn) {
        if self.turns.len() == KEPT {
            self.turns.pop_front();
        }
        self.turns.push_back(turn);
    }

    /// The hot path: a message of the device.
    pub(super) fn heard(&mut self, at: Ms, heard: Heard) {
        if self.recent.len() == RECENT
            && let Some(oldest) = self.recent.pop_front()
            && let Some(turn) = self.turns.iter_mut().rev().find(|turn| turn.began <= oldest.at)
        {
            turn.habit.add(&oldest);
        }
        let Heard { count, largest, last, shape, .. } = heard;
        self.recent.push_back(Recent { at, count, least: largest.min(last), largest, shape });
    }

    /// What tells two devices from one that flaps, if anything does; with the time of the last takeover.
    pub(super) fn evidence(&self) -> Option<(Sharing, [Voice; 2], Ms)> {
        let row = self.row();
        let last = row.iter().filter(|turn| turn.taken).filter_map(|turn| turn.until).max()?;
        let habits = self.habits(&row);
        let turn = |back: usize| row.get(row.len() - 1 - back).copied();
        let principal = same(row.len(), |back| turn(back)?.principal.as_ref());
        let address = same(row.len(), |back| turn(back)?.address.as_ref());
        let habit = |back: usize| habits.get(row.len() - 1 - back).filter(|habit| habit.messages > 0);
        let size = apart(row.len(), GAP, |back| {
            habit(back).map(|habit| (f64::from(habit.least), f64::from(habit.largest)))
        });
        let json = apart(row.len(), GAP, |back| {
            let habit = habit(back)?;
            // All of it JSON, or nothing of it.
            let share = match (habit.json, habit.other) {
                (0, 0) => return None,
                (_, 0) => (2.0, 2.0),
                (0, _) => (1.0, 1.0),
                _ => (1.0, 2.0),
            };
            Some(share)
        });
        let rate = apart(row.len(), FASTER, |back| {
            let (turn, habit) = (turn(back)?, habit(back)?);
            let long = (turn.until? - turn.began) as f64;
            (habit.messages >= 2 && long >= 500.0).then(|| {
                let rate = f64::from(habit.messages) * 60_000.0 / long;
                (rate, rate)
            })
        });
        // Sessions of one device come quickly one after the other only where they are fought for.
        let quick = |row: usize| {
            let first = turn(row - 1).map_or(last, |turn| turn.began);
            turn(0).is_some_and(|newest| (newest.began - first) / row as Ms <= QUICK)
        };
        let habits = [&size, &json, &rate].map(|split| split.as_ref().filter(|split| quick(split.row)));
        // Sizes, payloads and rates are one habit: the clearest of them counts.
        let habit = habits.iter().flatten().map(|split| split.bits).fold(0.0, f64::max);
        let bits = |split: &Option<Split<&SafeText>>| split.as_ref().map_or(0.0, |split| split.bits);
        if bits(&principal) + bits(&address) + habit < BITS {
            return None;
        }
        let [size, json, rate] = habits;
        let rows = [principal.as_ref().map(|s| s.row), address.as_ref().map(|s| s.row)];
        let rows = rows.into_iter().chain([size, json, rate].map(|split| split.map(|s| s.row)));
        let sessions = rows.flatten().max().unwrap_or(0) as u32;
        let voice = |newest: bool| Voice {
            client: Some(self.client.clone()),
            principal: principal.as_ref().map(|split| (*split.of(newest)).clone()),
            address: address.as_ref().map(|split| (*split.of(newest)).clone()),
            bytes: size
                .map(|split| split.of(newest))
                .map(|(least, largest)| (*least as u32, *largest as u32)),
            json: json.map(|split| split.of(newest).0 > 1.5),
            per_minute: rate.map(|split| split.of(newest)).map(|(least, most)| (least + most) / 2.0),
        };
        let order = |voice: &Voice| {
            let address = voice.address.as_ref().map(|address| address.to_string());
            (voice.bytes, address, voice.principal.as_ref().map(|principal| principal.to_string()))
        };
        let open = turn(0).is_some_and(|newest| newest.until.is_none());
        let (newest, other) = (voice(true), voice(false));
        let (voices, place) =
            if order(&newest) <= order(&other) { ([newest, other], 0) } else { ([other, newest], 1) };
        Some((Sharing::InTurn { sessions, holds: open.then_some(place) }, voices, last))
    }

    /// The newest sessions of which each but the last was taken over by the next.
    fn row(&self) -> Vec<&Turn> {
        let mut row: Vec<&Turn> = Vec::new();
        for turn in self.turns.iter().rev() {
            if let Some(next) = row.last()
                && (!turn.taken || next.began - turn.began > APART)
            {
                break;
            }
            row.push(turn);
        }
        row.reverse();
        row
    }

    /// What was sent in each session of a row, with the messages that were not put to one yet.
    fn habits(&self, row: &[&Turn]) -> Vec<Habit> {
        let mut habits: Vec<Habit> = row.iter().map(|turn| turn.habit).collect();
        for message in &self.recent {
            if let Some(i) = row.iter().rposition(|turn| turn.began <= message.at)
                && let Some(habit) = habits.get_mut(i)
            {
                habit.add(message);
            }
        }
        habits
    }
}

/// A row of sessions in which every other one differs from those between.
struct Split<T> {
    /// How many sessions, the newest included, whether or not something is known of each.
    row: usize,
    /// What the newest is.
    newest: T,
    /// What those between are.
    between: T,
    /// How unlikely that is by chance, as a power of two.
    bits: f64,
}

impl<T> Split<T> {
    /// What one of the two is: the newest, or the other.
    fn of(&self, newest: bool) -> &T {
        if newest { &self.newest } else { &self.between }
    }
}

/// How unlikely it is by chance that `one` of `one + other` things stand exactly where they do, as a power of two; nothing
/// where there are too few.
fn unlikely(one: usize, other: usize) -> f64 {
    if one < EACH || other < EACH {
        return 0.0;
    }
    // Which of the two is the greater is not said before: half as unlikely.
    let ways: f64 = (1..=other).map(|i| ((one + i) as f64 / i as f64).log2()).sum();
    ways - 1.0
}

/// The longest row, from the newest back, in which every other session is alike and `differs` from those between. `merge`
/// makes one of two that are alike, if they are.
fn split<T: Copy>(
    rows: usize,
    known: impl Fn(usize) -> Option<T>,
    merge: impl Fn(T, T) -> Option<T>,
    differs: impl Fn(T, T) -> bool,
) -> Option<Split<T>> {
    let (mut newest, mut between): ((Option<T>, usize), (Option<T>, usize)) = ((None, 0), (None, 0));
    let mut row = 0;
    for back in 0..rows {
        if let Some(value) = known(back) {
            let (mine, theirs) =
                if back % 2 == 0 { (&mut newest, &between) } else { (&mut between, &newest) };
            let merged = mine.0.map_or(Some(value), |mine| merge(mine, value));
            let Some(merged) = merged.filter(|mine| theirs.0.is_none_or(|theirs| differs(*mine, theirs)))
            else {
                break;
            };
            *mine = (Some(merged), mine.1 + 1);
        }
        row = back + 1;
    }
    let bits = unlikely(newest.1, between.1);
    let (newest, between) = (newest.0?, between.0?);
    (bits > 0.0).then_some(Split { row, newest, between, bits })
}

/// Rows of one text each.
fn same<'a>(rows: usize, known: impl Fn(usize) -> Option<&'a SafeText>) -> Option<Split<&'a SafeText>> {
    split(rows, known, |mine, value| (mine == value).then_some(mine), |mine, theirs| mine != theirs)
}

/// Rows of ranges that lie apart, `gap` times.
fn apart(rows: usize, gap: f64, known: impl Fn(usize) -> Option<(f64, f64)>) -> Option<Split<(f64, f64)>> {
    let merge = |mine: (f64, f64), value: (f64, f64)| Some((mine.0.min(value.0), mine.1.max(value.1)));
    split(rows, known, merge, |mine, theirs| mine.1 * gap < theirs.0 || theirs.1 * gap < mine.0)
}
