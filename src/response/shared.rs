//! What colleagues do, read from the journal that this console shares with them: each line becomes the step of a response that
//! the fleet believes one event later. What this process writes is not told again, and what a process that is gone left
//! unfinished is told as left.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use quell_fleet::Ms;
use quell_fleet::event::{Event, OwnMessage, ResponseEvent, Stage};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::journal::who::alive;
use super::timed::Isolated;
use crate::cloud::{Aws, read};
use crate::config::Settings;

/// How often the file is looked at: its length costs one call.
const LOOK: Duration = Duration::from_millis(300);
/// Who we are is asked again after this long.
const AGAIN: Duration = Duration::from_secs(3);
/// At the start so much of the end of a journal is read: what stands further back is a week old.
const BACK: u64 = 4 << 20;
/// An announcement older than this announces nothing.
const FRESH: Ms = 10_000;
/// Plans under way that are remembered.
const PLANS: usize = 1_000;
/// How often it is looked whether those who have plans under way are still there, in looks.
const ALIVE: u32 = 10;

/// A plan whose end was not read yet.
#[derive(Debug)]
struct Open {
    targets: Vec<(Name, Aim)>,
    began: Ms,
    who: Value,
    by: Option<SafeText>,
    /// Where it isolates: for how long, when that was said, and by which group.
    isolates: Option<(Option<Ms>, String)>,
}

/// What a plan is to do to a device, by what was to prove it: an undo of an isolation is a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    Hold,
    /// For good: its certificates are revoked.
    Revoke,
    LetGo,
}

impl Aim {
    /// Of one target of an intent; `None` for what neither holds a device nor lets it go.
    fn of(work: &Value) -> Option<(Name, Self)> {
        let aim = match work.get("proof")?.as_object()?.iter().next()? {
            (kind, _) if kind == "Isolated" => Self::Hold,
            (kind, proof) if kind == "Barred" => match proof.get("is").and_then(Value::as_str) {
                Some("REVOKED") => Self::Revoke,
                _ => Self::Hold,
            },
            (kind, _) if kind == "Released" || kind == "Activated" => Self::LetGo,
            _ => return None,
        };
        Some((Name::new(work.get("name")?.as_str()?), aim))
    }
}

/// What the lines of a journal mean for the devices, line by line.
#[derive(Debug)]
pub struct Steps {
    open: HashMap<String, Open>,
    /// The process whose lines are not told.
    own: u32,
    place: Place,
    /// Isolations, for whoever ends those that are for a time.
    isolated: Vec<Isolated>,
}

/// Where the devices are: one journal serves all accounts and regions of an operator, and names are the same in several.
#[derive(Clone, Debug)]
pub struct Place {
    /// Twelve digits.
    pub account: String,
    /// The region.
    pub region: String,
    /// When the account began, where that is known: an emulated one forgets with its process, and what an earlier one of the
    /// same name was asked says nothing of this one. UTC, milliseconds.
    pub since: Option<Ms>,
}

impl Place {
    fn has(&self, entry: &Value) -> bool {
        let region = entry.get("region").and_then(Value::as_str);
        // `arn:aws:sts::123456789012:assumed-role/…`
        let account = entry.pointer("/who/arn").and_then(Value::as_str).and_then(|arn| arn.split(':').nth(4));
        region == Some(self.region.as_str()) && account == Some(self.account.as_str())
    }
}

impl Steps {
    /// Nothing read yet; lines of the process `own`, and of other places, are not told.
    pub fn new(own: u32, place: Place) -> Self {
        Self { open: HashMap::new(), own, place, isolated: Vec::new() }
    }

    /// The messages on devices' topics that another process announces by a line: each comes back to whoever listens as if the
    /// device had sent it.
    fn announced(&self, entry: &Value, now: Ms) -> Vec<OwnMessage> {
        if entry.get("kind").and_then(Value::as_str) != Some("intent") || !self.place.has(entry) {
            return Vec::new();
        }
        // What was sent long ago was heard long ago.
        let at = entry.get("at").and_then(Value::as_str).and_then(|at| at.parse::<jiff::Timestamp>().ok());
        if at.is_none_or(|at| now.saturating_sub(at.as_millisecond()) > FRESH) {
            return Vec::new();
        }
        if self.is_own(entry) {
            return Vec::new();
        }
        let work = entry.get("work").and_then(Value::as_array).into_iter().flatten();
        let requests = work.filter_map(|work| work.get("requests")?.as_array()).flatten();
        let topics = requests.filter_map(|request| request.pointer("/ClearRetained/topic")?.as_str());
        topics.map(|topic| OwnMessage { topic: topic.into(), at: now }).collect()
    }

    /// True for a line that this process wrote.
    fn is_own(&self, entry: &Value) -> bool {
        entry.get("who").is_some_and(|who| {
            who.get("process").and_then(Value::as_u64) == Some(self.own.into()) && alive(who)
        })
    }

    /// The steps that a line tells of.
    pub fn line(&mut self, entry: &Value) -> Vec<ResponseEvent> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let Some(at) = text("at").parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond()) else {
            return Vec::new();
        };
        if self.place.since.is_some_and(|since| at < since) {
            return Vec::new();
        }
        let plan = text("plan").to_owned();
        match text("kind") {
            "intent" => self.intent(entry, plan, at),
            "outcome" => {
                let Some(open) = self.open.remove(&plan) else { return Vec::new() };
                let told = entry.get("targets").and_then(Value::as_array).into_iter().flatten();
                self.isolated.extend(told.clone().filter_map(|target| open.held(&plan, target, at)));
                told.filter_map(|target| open.ended(&plan, target, at)).collect()
            }
            // From the moment it may speak on purpose, hearing it is no leak.
            "request" if entry.get("accepted").and_then(Value::as_bool) == Some(true) => {
                let Some(open) = self.open.get(&plan) else { return Vec::new() };
                let released = |name: &Name| open.step(&plan, name.clone(), Stage::Released, at);
                let let_go = |(name, aim): &&(Name, Aim)| *aim == Aim::LetGo && name.raw() == text("target");
                open.targets.iter().filter(let_go).map(|(name, _)| released(name)).collect()
            }
            "closed" => {
                self.open.remove(&plan);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn intent(&mut self, entry: &Value, plan: String, at: Ms) -> Vec<ResponseEvent> {
        let who = entry.get("who").cloned().unwrap_or_default();
        if !self.place.has(entry) {
            return Vec::new();
        }
        if self.is_own(entry) {
            return Vec::new();
        }
        let work = entry.get("work").and_then(Value::as_array).into_iter().flatten();
        let targets: Vec<(Name, Aim)> = work.clone().filter_map(Aim::of).collect();
        let by =
            ["sudo_user", "user", "arn"].iter().find_map(|key| who.get(key)?.as_str()).map(SafeText::new);
        // What the account shows is isolated, whoever wrote it down; what is for a time begins with its end.
        let group = work.clone().find_map(|work| work.pointer("/proof/Isolated/group")?.as_str());
        let length = entry.get("held_for_ms").and_then(Value::as_i64).filter(|ms| *ms > 0);
        let isolates = group.map(|group| (length, group.to_owned()));
        let open = Open { targets, began: at, who, by, isolates };
        if let (Some((None, group)), true) = (&open.isolates, entry["what"] == "isolate") {
            self.isolated.extend(open.held_back().map(|thing| Isolated {
                plan: plan.clone(),
                thing: thing.clone(),
                group: group.clone(),
                length: None,
                at,
                whole: true,
            }));
        }
        let stage = Stage::Containing { began: at, waiting_for: SafeText::new("their proof") };
        let steps = open.held_back().map(|name| open.step(&plan, name.clone(), stage.clone(), at)).collect();
        if self.open.len() < PLANS {
            self.open.insert(plan, open);
        }
        steps
    }

    /// Isolations by other processes that the lines told of since this was asked last, oldest first.
    pub fn take_isolated(&mut self) -> Vec<Isolated> {
        std::mem::take(&mut self.isolated)
    }

    /// The devices whose response was left: whoever ran it is not there any more.
    pub fn left(&mut self, at: Ms) -> Vec<ResponseEvent> {
        let gone: Vec<String> =
            self.open.iter().filter(|(_, open)| !alive(&open.who)).map(|(plan, _)| plan.clone()).collect();
        let mut steps = Vec::new();
        let open = gone.iter().filter_map(|plan| Some((plan, self.open.remove(plan)?)));
        for (plan, open) in open {
            // When it was left nobody knows; it is told when it was seen, unless something newer is known.
            let at = if open.began + 3_600_000 < at { open.began + 1 } else { at };
            let stage = Stage::Failed {
                began: open.began,
                what: SafeText::new("left: the process that ran it is gone"),
                left: SafeText::new("the rest of the plan"),
            };
            if let Some((Some(length), group)) = &open.isolates {
                self.isolated.extend(open.held_back().map(|thing| Isolated {
                    plan: plan.clone(),
                    thing: thing.clone(),
                    group: group.clone(),
                    length: Some(*length),
                    at,
                    whole: false,
                }));
            }
            steps.extend(open.held_back().map(|thing| open.step(plan, thing.clone(), stage.clone(), at)));
        }
        steps
    }
}

impl Open {
    /// The devices it is to hold back.
    fn held_back(&self) -> impl Iterator<Item = &Name> {
        self.targets.iter().filter(|(_, aim)| *aim != Aim::LetGo).map(|(name, _)| name)
    }

    fn step(&self, plan: &str, thing: Name, stage: Stage, at: Ms) -> ResponseEvent {
        let plan = Some(SafeText::new(plan));
        ResponseEvent { by: self.by.clone(), plan, ..ResponseEvent::new(thing, stage, at) }
    }

    /// A target that is isolated for a time from the end of the plan on.
    fn held(&self, plan: &str, target: &Value, at: Ms) -> Option<Isolated> {
        let (Some(length), group) = self.isolates.as_ref()? else { return None };
        let whole = match target.get("result")?.as_str()? {
            "proven" | "unproven" => true,
            // Some of it may have been done: that ends in its time too.
            "partly" | "left" | "open" => false,
            _ => return None,
        };
        let thing = Name::new(target.get("target")?.as_str()?);
        let (plan, group) = (plan.to_owned(), group.clone());
        Some(Isolated { plan, thing, group, length: Some(*length), at, whole })
    }

    /// How a target of the plan ended.
    fn ended(&self, plan: &str, target: &Value, at: Ms) -> Option<ResponseEvent> {
        let text = |key: &str| target.get(key).and_then(Value::as_str).unwrap_or_default();
        let thing = Name::new(target.get("target").and_then(Value::as_str)?);
        let (_, aim) = self.targets.iter().find(|(name, _)| *name == thing)?;
        let (began, why) = (self.began, SafeText::new(text("why")));
        let stage = match (aim, text("result")) {
            (Aim::Revoke, "proven") => Stage::Revoked,
            (Aim::Hold, "proven") => Stage::Contained {
                began,
                took: target.get("took_ms").and_then(Value::as_i64).unwrap_or_default(),
            },
            (Aim::Hold | Aim::Revoke, "unproven") => Stage::Unproven { began, missing: why },
            (Aim::Hold | Aim::Revoke, "failed" | "partly" | "left" | "open") => {
                let steps = target.get("steps").and_then(Value::as_array).into_iter().flatten();
                let undone = steps.filter(|step| step.get("state").and_then(Value::as_str) != Some("done"));
                let left: Vec<&str> = undone.filter_map(|step| step.get("proof")?.as_str()).collect();
                let what = if why.is_empty() { SafeText::new("it was left") } else { why };
                Stage::Failed { began, what, left: SafeText::new(&left.join(", ")) }
            }
            // It was let go, whether or not it was heard again: what was accepted of it is told by its requests.
            (Aim::LetGo, "proven") => Stage::Released,
            _ => return None,
        };
        let silent_until = text("silent_until").parse::<jiff::Timestamp>().ok();
        Some(ResponseEvent {
            silent_until: silent_until.map(jiff::Timestamp::as_millisecond),
            ..self.step(plan, thing, stage, at)
        })
    }
}

/// The lines that came to a file since the last look.
#[derive(Debug, Default)]
struct Tail {
    /// Which file, and how far it was read.
    read: Option<(u64, u64)>,
}

impl Tail {
    fn lines(&mut self, path: &Path) -> io::Result<Vec<Value>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.read = None;
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let known = file.metadata()?;
        let (number, length) = (known.ino(), known.len());
        let from = match self.read {
            Some((same, at)) if same == number && at <= length => at,
            // Another file, set aside or cut: from its beginning, or not from further back than it is worth.
            _ => length.saturating_sub(BACK),
        };
        if from == length {
            self.read = Some((number, from));
            return Ok(Vec::new());
        }
        file.seek(SeekFrom::Start(from))?;
        let mut text = Vec::new();
        file.take((length - from).min(BACK)).read_to_end(&mut text)?;
        // A line under way is read when it is whole.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.read = Some((number, from + whole as u64));
        let lines = text.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}

/// The steps that the end of a journal tells of, oldest first, of other processes than this one: what `things` believes of
/// responses.
///
/// # Errors
/// The journal exists and cannot be read.
pub fn told(journal: &Path, place: Place, now: Ms) -> io::Result<Vec<ResponseEvent>> {
    let (mut tail, mut steps) = (Tail::default(), Steps::new(std::process::id(), place));
    let mut all: Vec<ResponseEvent> =
        tail.lines(journal)?.iter().flat_map(|entry| steps.line(entry)).collect();
    all.extend(steps.left(now));
    Ok(all)
}

/// Follows the journal once it is known where we are, for as long as somebody takes the events. `isolated` is told of isolations,
/// where somebody ends those that are for a time.
pub async fn colleagues(
    aws: Aws,
    settings: Settings,
    events: mpsc::Sender<Event>,
    isolated: Option<mpsc::Sender<Isolated>>,
) {
    while !events.is_closed() {
        match read::caller_identity(&aws).await {
            Ok(we) => {
                let (account, region) = (we.account.to_string(), we.region.to_string());
                let place = Place { account, region, since: settings.account_since };
                return follow(settings.journal, place, events, isolated);
            }
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// Follows a journal for as long as somebody takes the events. Runs on a thread of its own: a disk may be slow.
fn follow(
    journal: PathBuf,
    place: Place,
    events: mpsc::Sender<Event>,
    isolated: Option<mpsc::Sender<Isolated>>,
) {
    let watch = move || {
        let (mut tail, mut steps) = (Tail::default(), Steps::new(std::process::id(), place));
        let mut looks = 0_u32;
        let mut said = false;
        while !events.is_closed() {
            let lines = tail.lines(&journal).unwrap_or_else(|error| {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(%error, "the shared journal cannot be followed");
                }
                Vec::new()
            });
            let now = super::run::now();
            for own in lines.iter().flat_map(|entry| steps.announced(entry, now)) {
                if events.blocking_send(Event::Own(own)).is_err() {
                    return;
                }
            }
            let mut told: Vec<ResponseEvent> = lines.iter().flat_map(|entry| steps.line(entry)).collect();
            if looks.is_multiple_of(ALIVE) {
                told.extend(steps.left(now));
            }
            looks = looks.wrapping_add(1);
            for one in steps.take_isolated() {
                // Whoever does not listen is not waited for: the events end with them.
                if isolated.as_ref().is_some_and(|isolated| isolated.blocking_send(one).is_err()) {
                    break;
                }
            }
            for step in told {
                if events.blocking_send(Event::Response(step)).is_err() {
                    return;
                }
            }
            std::thread::sleep(LOOK);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("journal".to_owned()).spawn(watch) {
        tracing::warn!(%error, "the shared journal cannot be followed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::Write as _;

    const ARN: &str = "arn:aws:iam::123456789012:user/ana";

    fn place() -> Place {
        Place { account: "123456789012".to_owned(), region: "us-east-1".to_owned(), since: None }
    }

    fn intent(plan: &str, verb: &str, who: Value) -> Value {
        let proof = match verb {
            "isolate" => json!({"Isolated": {"group": "G", "ask": null, "silence": 30_000}}),
            _ => json!({"Released": {"group": "G"}}),
        };
        json!({
            "region": "us-east-1", "at": "2026-11-28T04:00:00.000Z", "kind": "intent", "plan": plan, "what": verb,
            "targets": ["A"], "work": [{"name": "A", "proof": proof}], "who": who,
        })
    }

    fn ana() -> Value {
        super::super::journal::who(Some(ARN))
    }

    fn outcome_of(plan: &str, result: &str) -> Value {
        json!({"at": "2026-11-28T04:00:09.000Z", "kind": "outcome", "plan": plan, "targets": [
            {"target": "A", "result": result, "took_ms": 800, "why": "AccessDenied", "steps": [
                {"proof": "add to IsolatedDevices", "state": "done"}, {"proof": "cut the connection", "state": "failed"}]}]})
    }

    #[test]
    fn each_line_is_a_step_and_ones_own_is_none() {
        let mut steps = Steps::new(0, place());
        let asked = steps.line(&intent("p", "isolate", ana()));
        assert!(matches!(
            asked.as_slice(),
            [ResponseEvent { stage: Stage::Containing { .. }, by: Some(_), .. }]
        ));
        assert_eq!(asked[0].plan.as_ref().map(SafeText::as_str), Some("p"), "what finish and undo name");
        let failed = steps.line(&outcome_of("p", "partly"));
        let [ResponseEvent { stage: Stage::Failed { what, left, .. }, .. }] = failed.as_slice() else {
            unreachable!("{failed:?}")
        };
        assert_eq!((what.as_str(), left.as_str()), ("AccessDenied", "cut the connection"));
        assert!(steps.line(&outcome_of("p", "proven")).is_empty(), "it has ended");
        // An undo says so, and lets go: from its first answer on hearing the device is no leak.
        steps.line(&intent("q", "undo", ana()));
        let removed = json!({"at": "2026-11-28T04:00:01.000Z", "kind": "request", "plan": "q", "target": "A",
            "operation": "iot:RemoveThingFromThingGroup", "accepted": true});
        let [ResponseEvent { stage: Stage::Released, .. }] = steps.line(&removed)[..] else {
            unreachable!("released")
        };
        let [ResponseEvent { stage: Stage::Released, .. }] = steps.line(&outcome_of("q", "proven"))[..]
        else {
            unreachable!("released")
        };
        let elsewhere = Place { account: "210987654321".to_owned(), ..place() };
        assert!(
            Steps::new(0, elsewhere).line(&intent("p", "isolate", ana())).is_empty(),
            "another account's"
        );
        let mut own = Steps::new(std::process::id(), place());
        assert!(own.line(&intent("p", "isolate", ana())).is_empty());
    }

    #[test]
    fn a_proof_says_until_when_it_was_silent_and_what_was_left_is_not_held() {
        let mut steps = Steps::new(0, place());
        steps.line(&intent("p", "isolate", ana()));
        let mut proven = outcome_of("p", "proven");
        proven["targets"][0]["silent_until"] = json!("2026-11-28T04:00:08.400Z");
        let told = steps.line(&proven);
        let [ResponseEvent { stage: Stage::Contained { .. }, silent_until: Some(until), at, .. }] = told[..]
        else {
            unreachable!("{told:?}")
        };
        assert_eq!(at - until, 600);
        steps.line(&intent("q", "isolate", ana()));
        let left = steps.line(&outcome_of("q", "left"));
        assert!(matches!(left.as_slice(), [ResponseEvent { stage: Stage::Failed { .. }, .. }]), "{left:?}");
    }

    #[test]
    fn an_isolation_for_a_time_is_told_at_its_end_and_one_for_good_at_its_beginning() {
        let mut steps = Steps::new(0, place());
        let mut timed = intent("p", "isolate", ana());
        timed["held_for_ms"] = json!(60_000);
        steps.line(&timed);
        assert_eq!(steps.take_isolated(), []);
        steps.line(&outcome_of("p", "proven"));
        let [one] = steps.take_isolated().try_into().unwrap();
        assert_eq!(
            (one.thing.raw(), one.group.as_str(), one.length, one.whole),
            ("A", "G", Some(60_000), true)
        );
        assert_eq!(one.at, "2026-11-28T04:00:09.000Z".parse::<jiff::Timestamp>().unwrap().as_millisecond());
        for (result, told) in [("partly", Some(false)), ("failed", None), ("unproven", Some(true))] {
            steps.line(&timed);
            steps.line(&outcome_of("p", result));
            assert_eq!(steps.take_isolated().first().map(|one| one.whole), told, "{result}");
        }
        steps.line(&intent("q", "isolate", ana()));
        let [one] = steps.take_isolated().try_into().unwrap();
        assert_eq!((one.plan.as_str(), one.length), ("q", None));
        steps.line(&outcome_of("q", "proven"));
        steps.line(&intent("r", "release", ana()));
        assert_eq!(steps.take_isolated(), [], "a release is none");
        // Whoever asked was killed over it: what was done ends all the same.
        let mut gone = ana();
        gone["process"] = json!(2_000_000_000);
        gone["process_started"] = json!(1);
        timed["who"] = gone;
        steps.line(&timed);
        steps.left(1_900_000_000_000);
        let [one] = steps.take_isolated().try_into().unwrap();
        assert_eq!((one.length, one.whole), (Some(60_000), false));
        // What another process of the same number wrote is not ours, what this one wrote is.
        let mut own = Steps::new(std::process::id(), place());
        own.line(&intent("q", "isolate", ana()));
        assert_eq!(own.take_isolated(), []);
    }

    #[test]
    fn a_colleagues_clear_announces_the_message_that_comes_back() {
        let at: jiff::Timestamp = "2026-11-28T04:00:00.000Z".parse().unwrap();
        let now = at.as_millisecond() + 300;
        let mut clear = intent("p", "clear", ana());
        clear["work"][0]["requests"] = json!([{"ClearRetained": {"topic": "dt/A/state"}}]);
        let own = Steps::new(std::process::id(), place());
        assert!(own.announced(&clear, now).is_empty(), "one's own is told by oneself");
        let steps = Steps::new(0, place());
        let announced = steps.announced(&clear, now);
        assert_eq!(announced, [OwnMessage { topic: "dt/A/state".into(), at: now }]);
        assert!(steps.announced(&clear, now + FRESH).is_empty(), "it was heard long ago");
        let elsewhere = Steps::new(0, Place { region: "eu-west-1".to_owned(), ..place() });
        assert!(elsewhere.announced(&clear, now).is_empty());
    }

    #[test]
    fn what_a_process_that_is_gone_left_is_not_in_flight() {
        let mut steps = Steps::new(0, place());
        let mut gone = ana();
        gone["process"] = json!(2_000_000_000);
        gone["process_started"] = json!(1);
        assert_eq!(steps.line(&intent("p", "isolate", gone)).len(), 1);
        let left = steps.left(1_900_000_000_000);
        assert!(matches!(left.as_slice(), [ResponseEvent { stage: Stage::Failed { .. }, .. }]), "{left:?}");
        assert!(steps.left(1_900_000_000_000).is_empty(), "once");
    }

    #[test]
    fn lines_are_read_once_whole_and_from_the_file_that_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut tail = Tail::default();
        assert!(tail.lines(&path).unwrap().is_empty());
        let mut file = File::create(&path).unwrap();
        write!(file, "{}\n{{\"kind\":", json!({"n": 1})).unwrap();
        assert_eq!(tail.lines(&path).unwrap(), [json!({"n": 1})]);
        writeln!(file, "2}}").unwrap();
        assert_eq!(tail.lines(&path).unwrap(), [json!({"kind": 2})]);
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        std::fs::write(&path, "{\"n\":3}\n").unwrap();
        assert_eq!(tail.lines(&path).unwrap(), [json!({"n": 3})]);
        assert!(tail.lines(&path).unwrap().is_empty());
    }
}
