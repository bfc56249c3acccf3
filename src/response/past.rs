//! What the journal says of plans that were begun: whether they came to an end, and which of their requests were answered.
//!
//! A plan and the plans that finished it are one *effort*: whatever was cut short how often, finishing and undoing see all
//! that was ever sent for it. The journal is read in one pass that keeps a few bytes a line; the plans that matter are read
//! again in full. The account is asked elsewhere.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io;

use serde::Deserialize;
use serde_json::Value;

use quell_fleet::Ms;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::journal::Journal;
use super::journal::reading::{Place, Reading};
use super::journal::who::alive;
use super::plan::request::{Request, Work};

/// What the account shows about one request now.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It is as the request would have it.
    Yes,
    /// It is not.
    No,
    /// It was, and what it began has ended by itself or by others; how.
    Over(SafeText),
    /// It cannot be seen, and why.
    Unknown(SafeText),
}

/// What the journal knows of the answer to one request. Of several attempts the one that says most counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    /// AWS accepted it.
    Accepted {
        /// AWS's request id.
        request_id: Option<String>,
    },
    /// AWS refused it, and why.
    Refused(SafeText),
    /// No answer was written down: it was not sent, or what became of it was lost.
    Never,
    /// The response came to its end without sending it.
    Unsent,
}

impl Answered {
    /// How much it says: an answer that was lost outweighs one that says that nothing happened.
    fn rank(&self) -> u8 {
        match self {
            Self::Unsent => 0,
            Self::Refused(_) => 1,
            Self::Never => 2,
            Self::Accepted { .. } => 3,
        }
    }
}

/// One request of a past plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PastStep {
    /// Which target's.
    pub(in crate::response) target: usize,
    pub(in crate::response) request: Request,
    pub(in crate::response) answered: Answered,
    pub(in crate::response) seen: Seen,
}

impl PastStep {
    /// True when it happened, by its answer or, without one, by what the account shows.
    pub fn happened(&self) -> bool {
        match self.answered {
            Answered::Accepted { .. } => true,
            Answered::Refused(_) | Answered::Unsent => false,
            Answered::Never => matches!(self.seen, Seen::Yes | Seen::Over(_)),
        }
    }

    /// True when it is the case, whoever did it: then nothing of it is left to send.
    pub(in crate::response) fn is_so(&self) -> bool {
        match self.seen {
            Seen::Yes | Seen::Over(_) => true,
            Seen::No => false,
            Seen::Unknown(_) => self.happened(),
        }
    }

    /// True when it may have happened, as far as the journal alone can tell.
    fn may_have_happened(&self) -> bool {
        matches!(self.answered, Answered::Accepted { .. } | Answered::Never)
    }

    /// `iot:AddThingToThingGroup`.
    pub fn operation(&self) -> &'static str {
        self.request.operation()
    }

    /// The resource, as the plan showed it.
    pub fn resource(&self) -> SafeText {
        self.request.call().resource
    }

    /// What the journal knows.
    pub fn answered(&self) -> &Answered {
        &self.answered
    }

    /// What the account shows.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The truth about it in a few words.
    pub fn truth(&self) -> SafeText {
        let words = match (&self.answered, &self.seen) {
            (Answered::Accepted { .. }, Seen::No) => "done, and changed back since".to_owned(),
            (Answered::Accepted { .. } | Answered::Never, Seen::Over(how)) => {
                format!("done, and {how} since")
            }
            (Answered::Accepted { .. }, _) => "done".to_owned(),
            (Answered::Refused(why), _) => format!("refused: {why}"),
            (Answered::Never, Seen::Yes) => "done: the account shows it, its answer was lost".to_owned(),
            (Answered::Unsent, Seen::Yes | Seen::Over(_)) => {
                "not sent; the account shows it all the same".to_owned()
            }
            (Answered::Unsent, _) => "not sent".to_owned(),
            (Answered::Never, Seen::No) => "not done".to_owned(),
            (Answered::Never, Seen::Unknown(why)) => format!("not known: {why}"),
        };
        SafeText::new(&words)
    }
}

/// The plan that took another back.
#[derive(Clone, Debug, PartialEq)]
pub struct Undone {
    /// Its name.
    pub by: String,
    /// When it was confirmed.
    pub at: String,
    /// False when it was cut short, or failed for some.
    pub whole: bool,
}

/// A plan of the journal, with the plans that finished it.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// Its name: that of the plan that began it.
    pub id: String,
    /// `isolate`.
    pub what: String,
    /// `Isolate Thing02`.
    pub title: SafeText,
    /// When its intent was written.
    pub at: String,
    /// Who began it, as the journal has it.
    pub who: Value,
    /// The plan that took it back, if one did.
    pub undone: Option<Undone>,
    /// The word of the outcome it came to; `None` when it never ended.
    pub outcome: Option<String>,
    /// Its requests, target by target, in order.
    pub steps: Vec<PastStep>,
    /// Who works on it at this moment: a process of this host.
    pub(in crate::response) busy: Option<i64>,
    /// When the journal last heard of it, in milliseconds since 1970.
    pub(in crate::response) last: Ms,
    pub(in crate::response) work: Vec<Work>,
    /// Targets whose proof nobody waited for to its end: what was sent for them may hold, and was never seen to.
    pub(in crate::response) unseen: HashSet<usize>,
}

impl Past {
    /// The targets.
    pub fn targets(&self) -> impl Iterator<Item = &Name> {
        self.work.iter().map(|w| &w.name)
    }

    /// The target a step is about.
    pub fn target_of(&self, step: &PastStep) -> Option<&Name> {
        self.work.get(step.target).map(|w| &w.name)
    }

    /// True when an answer to one of its requests was lost.
    pub(in crate::response) fn has_lost(&self) -> bool {
        self.steps.iter().any(|s| s.answered == Answered::Never)
    }

    /// True when something of it may be in the account.
    fn may_have_changed(&self) -> bool {
        self.steps.iter().any(PastStep::may_have_happened)
    }

    /// True when something of it may be in the account that can be taken back, and was not yet.
    pub(in crate::response) fn can_be_undone(&self) -> bool {
        !self.undone.as_ref().is_some_and(|undone| undone.whole)
            && self.steps.iter().any(|s| s.may_have_happened() && s.request.inverse().is_some())
    }
}

/// How a plan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Proven,
    Unproven,
    Partly,
    /// Nothing was changed.
    Failed,
    Interrupted,
    /// Its operator left, or its process was told to end: what was under way then has no answer.
    Left,
}

impl End {
    const ALL: [(Self, &str); 6] = [
        (Self::Proven, "proven"),
        (Self::Unproven, "unproven"),
        (Self::Partly, "partly"),
        (Self::Failed, "failed"),
        (Self::Interrupted, "interrupted"),
        (Self::Left, "left unproven"),
    ];

    fn of(word: &str) -> Self {
        // A word of a later version: all that is known is that it ended, not that all of it was answered.
        Self::ALL.iter().find(|(_, w)| *w == word).map_or(Self::Left, |(end, _)| *end)
    }

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(end, _)| *end == self).map_or("", |(_, word)| word)
    }

    /// True when requests may be left that were to be sent.
    fn is_short(self) -> bool {
        match self {
            Self::Partly | Self::Failed | Self::Interrupted | Self::Left => true,
            Self::Proven | Self::Unproven => false,
        }
    }
}

/// Where an effort stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// The plan of this number was begun and never ended.
    Open(usize),
    Ended(End),
    /// An operator lets it rest.
    Closed,
}

/// A line, as far as the first pass looks at it.
#[derive(Deserialize)]
struct Light<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    plan: Cow<'a, str>,
    #[serde(borrow, default)]
    at: Cow<'a, str>,
    #[serde(default)]
    finishes: Option<String>,
    #[serde(default)]
    undoes: Option<String>,
    #[serde(default)]
    outcome: Option<String>,
}

/// A plan, as far as the first pass keeps it.
#[derive(Debug)]
struct Brief {
    id: String,
    /// The first plan of its effort; itself, unless it finishes another.
    root: usize,
    /// The effort it takes back.
    undoes: Option<usize>,
    end: Option<End>,
    /// How many plans there were when the operator last let its effort rest.
    rested: usize,
    intent: Place,
    /// Its requests, and its outcome.
    lines: Vec<Place>,
    last: Ms,
}

/// All plans of a journal: what one pass keeps of them, and the files to read the rest from.
#[derive(Debug)]
pub(in crate::response) struct Plans {
    reading: Reading,
    plans: Vec<Brief>,
    numbers: HashMap<String, usize>,
    /// The plans of each effort, oldest first, by its root; empty for the others.
    efforts: Vec<Vec<usize>>,
    /// The efforts that take an effort back, oldest first, by its root.
    undoing: HashMap<usize, Vec<usize>>,
}

impl Plans {
    /// Reads the journal once. Plans begun before `since` are not among them: the account they were about is gone.
    ///
    /// # Errors
    /// It exists and cannot be read.
    pub(in crate::response) fn of(journal: &Journal, since: Option<Ms>) -> io::Result<Self> {
        let mut all = Self {
            reading: Reading::default(),
            plans: Vec::new(),
            numbers: HashMap::new(),
            efforts: Vec::new(),
            undoing: HashMap::new(),
        };
        let mut reading = journal.reading()?;
        reading.each(|place, line| {
            if let Ok(light) = serde_json::from_slice::<Light<'_>>(line) {
                all.note(place, &light, since);
            }
        })?;
        all.reading = reading;
        Ok(all)
    }

    fn note(&mut self, place: Place, line: &Light<'_>, since: Option<Ms>) {
        let at = || line.at.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond);
        if line.kind == "intent" {
            if since.is_some_and(|since| at() < since) {
                return;
            }
            let number = self.plans.len();
            let known = |id: &Option<String>| {
                id.as_ref()
                    .and_then(|id| self.numbers.get(id))
                    .and_then(|n| self.plans.get(*n))
                    .map(|p| p.root)
            };
            let undoes = known(&line.undoes);
            // An undo that was cut short and is begun again is one undo.
            let again = undoes.and_then(|n| self.undone(n)).filter(|(_, whole)| !whole).map(|(by, _)| by);
            let root = known(&line.finishes).or(again).unwrap_or(number);
            if self.numbers.contains_key(line.plan.as_ref()) {
                return;
            }
            self.numbers.insert(line.plan.clone().into_owned(), number);
            self.plans.push(Brief {
                id: line.plan.clone().into_owned(),
                root,
                undoes,
                end: None,
                rested: 0,
                intent: place,
                lines: Vec::new(),
                last: at(),
            });
            self.efforts.push(Vec::new());
            if let Some(effort) = self.efforts.get_mut(root) {
                effort.push(number);
            }
            if let Some(undoes) = undoes
                && again.is_none()
            {
                self.undoing.entry(undoes).or_default().push(number);
            }
            return;
        }
        let begun = self.plans.len();
        let Some(number) = self.numbers.get(line.plan.as_ref()).copied() else { return };
        let Some(root) = self.plans.get(number).map(|p| p.root) else { return };
        match line.kind.as_ref() {
            "request" => {}
            "outcome" => {
                let end = End::of(line.outcome.as_deref().unwrap_or_default());
                if let Some(plan) = self.plans.get_mut(number) {
                    plan.end = Some(end);
                }
            }
            "closed" => {
                if let Some(root) = self.plans.get_mut(root) {
                    root.rested = begun;
                }
                return;
            }
            _ => return,
        }
        if let Some(plan) = self.plans.get_mut(number) {
            plan.lines.push(place);
            plan.last = plan.last.max(at());
        }
    }

    /// The roots of all efforts, in the order in which something was last begun for them.
    fn roots(&self) -> Vec<usize> {
        let newest = |root: &usize| self.efforts.get(*root).and_then(|e| e.last()).copied();
        let mut roots: Vec<usize> = (0..self.plans.len()).filter(|n| newest(n).is_some()).collect();
        roots.sort_by_key(newest);
        roots
    }

    fn state(&self, root: usize) -> State {
        let effort = self.efforts.get(root).map(Vec::as_slice).unwrap_or_default();
        let rested = self.plans.get(root).map_or(0, |p| p.rested);
        let mut state = State::Ended(End::Failed);
        for number in effort.iter().rev() {
            if *number < rested {
                return State::Closed;
            }
            match self.plans.get(*number).and_then(|p| p.end) {
                None => return State::Open(*number),
                // A plan that changed nothing left everything as the one before it did.
                Some(End::Failed) => state = State::Ended(End::Failed),
                Some(end) => return State::Ended(end),
            }
        }
        state
    }

    /// The effort that took this one back, unless it was taken back itself, and whether it came to its end.
    fn undone(&self, root: usize) -> Option<(usize, bool)> {
        let undoing = self.undoing.get(&root)?;
        undoing.iter().rev().find_map(|by| {
            // An undo is written after what it undoes: this ends.
            let redone = self.undone(*by).is_some_and(|(_, whole)| whole);
            match self.state(*by) {
                _ if redone => None,
                State::Ended(End::Failed) => None,
                State::Open(_) => Some((*by, false)),
                State::Ended(end) => Some((*by, !end.is_short())),
                State::Closed => Some((*by, true)),
            }
        })
    }

    /// Who works on an effort at this moment.
    fn busy(&self, root: usize) -> io::Result<Option<i64>> {
        for number in self.efforts.get(root).into_iter().flatten() {
            let Some(plan) = self.plans.get(*number).filter(|p| p.end.is_none()) else { continue };
            let intent = self.reading.entry(plan.intent)?;
            let who = intent.get("who").unwrap_or(&Value::Null);
            if alive(who) {
                return Ok(who.get("process").and_then(Value::as_i64));
            }
        }
        Ok(None)
    }

    /// Efforts that never ended, that nobody works on and that no later plan took back; oldest first.
    pub(in crate::response) fn open(&self) -> io::Result<Vec<Past>> {
        let mut open = Vec::new();
        for root in self.roots() {
            if matches!(self.state(root), State::Open(_))
                && self.undone(root).is_none()
                && self.busy(root)?.is_none()
                && let Some(past) = self.effort(root)?
            {
                open.push(past);
            }
        }
        Ok(open)
    }

    /// The efforts that an undo without a name could mean, the newest first: those that changed something, or may have, and
    /// are no undo themselves.
    pub(in crate::response) fn changed(&self) -> impl Iterator<Item = io::Result<Past>> {
        let roots = self.roots().into_iter().rev();
        let roots = roots.filter(|root| self.plans.get(*root).is_some_and(|plan| plan.undoes.is_none()));
        roots.filter_map(|root| match self.effort(root) {
            Ok(Some(past)) if past.may_have_changed() => Some(Ok(past)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// The newest effort that never ended, or ended with requests unsent.
    pub(in crate::response) fn unfinished(&self) -> io::Result<Option<String>> {
        for root in self.roots().into_iter().rev() {
            let short = match self.state(root) {
                State::Open(_) => self.busy(root)?.is_none(),
                State::Ended(end) => end.is_short(),
                State::Closed => false,
            };
            if short && self.undone(root).is_none() {
                return Ok(self.plans.get(root).map(|p| p.id.clone()));
            }
        }
        Ok(None)
    }

    /// The newest effort, and whether it was taken back: what there is to say when nothing is left to do.
    pub(in crate::response) fn newest(&self) -> io::Result<Option<Past>> {
        let last =
            self.roots().into_iter().rev().find(|n| self.plans.get(*n).is_some_and(|p| p.undoes.is_none()));
        last.map_or(Ok(None), |root| self.effort(root))
    }

    /// The effort a plan belongs to, if its intent is in the journal and can be read.
    pub(in crate::response) fn load(&self, id: &str) -> io::Result<Option<Past>> {
        match self.numbers.get(id).and_then(|n| self.plans.get(*n)) {
            Some(plan) => self.effort(plan.root),
            None => Ok(None),
        }
    }

    fn effort(&self, root: usize) -> io::Result<Option<Past>> {
        let Some(first) = self.plans.get(root) else { return Ok(None) };
        let intent = self.reading.entry(first.intent)?;
        let mut past = Past {
            id: first.id.clone(),
            what: text(&intent, "what").to_owned(),
            title: SafeText::new(text(&intent, "title")),
            at: text(&intent, "at").to_owned(),
            who: intent.get("who").cloned().unwrap_or_default(),
            undone: None,
            outcome: match self.state(root) {
                State::Open(_) => None,
                State::Ended(end) => Some(end.word().to_owned()),
                State::Closed => Some("let rest".to_owned()),
            },
            steps: Vec::new(),
            busy: self.busy(root)?,
            last: 0,
            work: Vec::new(),
            unseen: HashSet::new(),
        };
        for number in self.efforts.get(root).into_iter().flatten() {
            let Some(plan) = self.plans.get(*number) else { continue };
            past.last = past.last.max(plan.last);
            let member =
                if *number == root { Some(intent.clone()) } else { self.reading.entry(plan.intent).ok() };
            let work = member.and_then(|mut m| Some(std::mem::take(m.get_mut("work")?)));
            let work = work.and_then(|w| serde_json::from_value::<Vec<Work>>(w).ok());
            match work {
                Some(work) => self.gather(&mut past, plan, work)?,
                None if *number == root => return Ok(None),
                None => {}
            }
        }
        if let Some((by, whole)) = self.undone(root)
            && let Some(plan) = self.plans.get(by)
        {
            let at = text(&self.reading.entry(plan.intent)?, "at").to_owned();
            past.undone = Some(Undone { by: plan.id.clone(), at, whole });
        }
        // The requests of a device stand together, whichever plan brought them.
        past.steps.sort_by_key(|s| s.target);
        Ok(Some(past))
    }

    /// Adds what one plan of an effort was to send, and what was answered.
    fn gather(&self, past: &mut Past, plan: &Brief, work: Vec<Work>) -> io::Result<()> {
        let mut outcome = Value::Null;
        let mut answers: HashMap<(usize, usize), Answered> = HashMap::new();
        for place in &plan.lines {
            let entry = self.reading.entry(*place)?;
            if text(&entry, "kind") == "request" {
                answers.extend(answer(&entry));
            } else {
                outcome = entry;
            }
        }
        // Lines that the disk refused while it ran were told with its outcome.
        let late = outcome.get("requests").and_then(Value::as_array);
        answers.extend(late.into_iter().flatten().filter_map(answer));
        // What a plan that came to its end has no line of was never sent.
        let silent = match plan.end {
            None | Some(End::Left) => Answered::Never,
            Some(_) => Answered::Unsent,
        };
        let mut targets: HashMap<Name, usize> =
            past.work.iter().enumerate().map(|(n, w)| (w.name.clone(), n)).collect();
        let mut known: HashMap<usize, Vec<usize>> = HashMap::new();
        for (n, step) in past.steps.iter().enumerate() {
            known.entry(step.target).or_default().push(n);
        }
        let ended = outcome.get("targets").and_then(Value::as_array).into_iter().flatten();
        let ended: HashMap<&str, &str> =
            ended.map(|target| (text(target, "target"), text(target, "result"))).collect();
        // A word for what was left came later than the journal: there it is called unproven.
        let left = matches!(plan.end, None | Some(End::Left | End::Interrupted));
        for (t, one) in work.into_iter().enumerate() {
            let target = *targets.entry(one.name.clone()).or_insert_with(|| {
                past.work.push(one.clone());
                past.work.len() - 1
            });
            match ended.get(one.name.raw()) {
                Some(&("left" | "open")) => past.unseen.insert(target),
                Some(&"unproven") | None if left => past.unseen.insert(target),
                _ => past.unseen.remove(&target),
            };
            let known = known.entry(target).or_default();
            for (n, request) in one.requests.into_iter().enumerate() {
                let answered = answers.remove(&(t, n)).unwrap_or_else(|| silent.clone());
                let same = known.iter().find(|s| past.steps.get(**s).is_some_and(|s| s.request == request));
                match same.and_then(|n| past.steps.get_mut(*n)) {
                    Some(step) if answered.rank() >= step.answered.rank() => step.answered = answered,
                    Some(_) => {}
                    None => {
                        let seen = Seen::Unknown(SafeText::new("not looked at"));
                        known.push(past.steps.len());
                        past.steps.push(PastStep { target, request, answered, seen });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Which request of its plan an entry is about, and what it says of it.
fn answer(entry: &Value) -> Option<((usize, usize), Answered)> {
    let number = |key: &str| entry.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let place = (number("of")?, number("n")?);
    let flag = |key: &str| entry.get(key).and_then(Value::as_bool).unwrap_or(false);
    let answered = if flag("accepted") {
        let id = entry.get("request_id").and_then(Value::as_str).map(str::to_owned);
        Answered::Accepted { request_id: id }
    } else if flag("certain") {
        Answered::Refused(SafeText::new(text(entry, "said")))
    } else {
        Answered::Never
    };
    Some((place, answered))
}

fn text<'v>(entry: &'v Value, key: &str) -> &'v str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
