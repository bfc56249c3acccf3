//! What the journal says of plans that were begun: whether they came to an end, and which of their requests were answered.
//! Pure: entries in, truths out; the account is asked elsewhere.

use serde_json::Value;

use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

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

/// What the journal knows of the answer to one request.
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
            Answered::Refused(_) => false,
            Answered::Never => matches!(self.seen, Seen::Yes | Seen::Over(_)),
        }
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
            (Answered::Never, Seen::No) => "not done".to_owned(),
            (Answered::Never, Seen::Unknown(why)) => format!("not known: {why}"),
        };
        SafeText::new(&words)
    }
}

/// A plan of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// Its name.
    pub id: String,
    /// `isolate`.
    pub what: String,
    /// `Isolate Thing02`.
    pub title: SafeText,
    /// When its intent was written.
    pub at: String,
    /// Who began it, as the journal has it.
    pub who: Value,
    /// The plan that undid or finished it, if one did.
    pub superseded: Option<String>,
    /// The word of its outcome; `None` when it never ended.
    pub outcome: Option<String>,
    /// Its requests, target by target, in order.
    pub steps: Vec<PastStep>,
    pub(in crate::response) work: Vec<Work>,
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
}

fn text<'v>(entry: &'v Value, key: &str) -> &'v str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The plan called `id`, if its intent is in the journal and can be read.
pub(in crate::response) fn load(entries: &[Value], id: &str) -> Option<Past> {
    let mut of_plan = entries.iter().filter(|e| text(e, "plan") == id);
    let intent = of_plan.clone().find(|e| text(e, "kind") == "intent")?;
    let work: Vec<Work> = serde_json::from_value(intent.get("work")?.clone()).ok()?;
    let unseen = || Seen::Unknown(SafeText::new("not looked at"));
    let mut steps: Vec<PastStep> = Vec::new();
    for (target, work) in work.iter().enumerate() {
        steps.extend(work.requests.iter().map(|request| PastStep {
            target,
            request: request.clone(),
            answered: Answered::Never,
            seen: unseen(),
        }));
    }
    for entry in of_plan.clone().filter(|e| text(e, "kind") == "request") {
        let place = (entry.get("of").and_then(Value::as_u64), entry.get("n").and_then(Value::as_u64));
        let (Some(target), Some(n)) = place else { continue };
        let (Ok(target), Ok(n)) = (usize::try_from(target), usize::try_from(n)) else { continue };
        let Some(step) = steps.iter_mut().filter(|s| s.target == target).nth(n) else { continue };
        let flag = |key: &str| entry.get(key).and_then(Value::as_bool).unwrap_or(false);
        step.answered = if flag("accepted") {
            let id = entry.get("request_id").and_then(Value::as_str).map(str::to_owned);
            Answered::Accepted { request_id: id }
        } else if flag("certain") {
            Answered::Refused(SafeText::new(text(entry, "said")))
        } else {
            Answered::Never
        };
    }
    let outcome = of_plan.find(|e| text(e, "kind") == "outcome").map(|e| text(e, "outcome").to_owned());
    Some(Past {
        id: id.to_owned(),
        what: text(intent, "what").to_owned(),
        title: SafeText::new(text(intent, "title")),
        at: text(intent, "at").to_owned(),
        who: intent.get("who").cloned().unwrap_or_default(),
        superseded: superseded(entries, id),
        outcome,
        steps,
        work,
    })
}

/// The plan that undid or finished `id`; one that changed nothing does not count.
fn superseded(entries: &[Value], id: &str) -> Option<String> {
    entries
        .iter()
        .filter(|e| text(e, "kind") == "intent" && (text(e, "undoes") == id || text(e, "finishes") == id))
        .map(|e| text(e, "plan"))
        .find(|later| {
            let mut ends =
                entries.iter().filter(|e| text(e, "plan") == *later && text(e, "kind") == "outcome");
            ends.next().is_none_or(|e| text(e, "outcome") != "failed")
        })
        .map(str::to_owned)
}

/// Plans whose intent has no outcome, that nobody works on and that no later plan took over; oldest first.
pub(in crate::response) fn open(entries: &[Value], alive: impl Fn(&Value) -> bool) -> Vec<Past> {
    let ended = |id: &str| {
        entries.iter().any(|e| matches!(text(e, "kind"), "outcome" | "closed") && text(e, "plan") == id)
    };
    entries
        .iter()
        .filter(|e| text(e, "kind") == "intent" && !ended(text(e, "plan")))
        .filter(|e| !alive(e.get("who").unwrap_or(&Value::Null)))
        .filter_map(|e| load(entries, text(e, "plan")))
        .filter(|p| p.superseded.is_none())
        .collect()
}

/// The newest plan that an undo could take back: it ended, changed something, and was not undone.
pub(in crate::response) fn undoable(entries: &[Value]) -> Option<String> {
    entries.iter().rev().filter(|e| text(e, "kind") == "intent").find_map(|e| {
        if !text(e, "undoes").is_empty() {
            return None;
        }
        let past = load(entries, text(e, "plan"))?;
        let back = past.steps.iter().any(|s| s.happened() && s.request.inverse().is_some());
        (back && past.superseded.is_none()).then_some(past.id)
    })
}

/// Whether the process that wrote `who` still runs here. A process id is used again, so its start counts too.
pub(in crate::response) fn alive(who: &Value) -> bool {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let Some(pid) = who.get("process").and_then(Value::as_i64).and_then(|p| i32::try_from(p).ok()) else {
        return false;
    };
    if who.get("host").and_then(Value::as_str) != Some(host.as_str()) {
        return false;
    }
    match (who.get("process_started").and_then(Value::as_u64), started(pid)) {
        (Some(then), Some(now)) => then == now,
        _ => rustix::process::Pid::from_raw(pid)
            .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok()),
    }
}

/// When a process started, in clock ticks since boot (Linux).
pub(in crate::response) fn started(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; the start is field 22, the 20th after it.
    let mut after = stat.rsplit_once(')')?.1.split_whitespace();
    let state = after.next()?;
    if state == "Z" {
        return None;
    }
    after.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entries() -> Vec<Value> {
        let work = json!([{
            "name": "Thing02", "client": "Thing02", "mapped": true,
            "requests": [
                {"AddToGroup": {"thing": "Thing02", "group": "G"}},
                {"Flag": {"thing": "Thing02", "to": true, "was": null}},
                {"Cut": {"client": "Thing02"}},
            ],
            "proof": {"Isolated": {"group": "G", "ask": null, "silence": 30000}},
        }]);
        vec![
            json!({"kind": "intent", "plan": "a", "what": "isolate", "title": "Isolate Thing02", "work": work, "who": {}}),
            json!({"kind": "request", "plan": "a", "of": 0, "n": 0, "accepted": true, "request_id": "r1"}),
            json!({"kind": "request", "plan": "a", "of": 0, "n": 1, "accepted": false, "certain": false}),
        ]
    }

    #[test]
    fn an_intent_without_an_outcome_is_open_and_its_answers_are_known() {
        let entries = entries();
        let open = open(&entries, |_| false);
        let [past] = open.as_slice() else { panic!("{open:?}") };
        assert!(matches!(&past.steps[0].answered, Answered::Accepted { request_id: Some(id) } if id == "r1"));
        assert_eq!(past.steps[1].answered, Answered::Never, "an answer that is uncertain is none");
        assert!(past.steps[0].happened() && !past.steps[2].happened());
        assert!(super::open(&entries, |_| true).is_empty(), "somebody works on it");
    }

    #[test]
    fn an_outcome_or_a_later_plan_closes_it() {
        let mut ended = entries();
        ended.push(json!({"kind": "outcome", "plan": "a", "outcome": "proven"}));
        assert!(open(&ended, |_| false).is_empty());
        assert_eq!(undoable(&ended).as_deref(), Some("a"));
        let mut undone = entries();
        undone.push(json!({"kind": "intent", "plan": "b", "undoes": "a", "work": []}));
        undone.push(json!({"kind": "outcome", "plan": "b", "outcome": "failed"}));
        assert_eq!(open(&undone, |_| false).len(), 1, "an undo that changed nothing closes nothing");
        undone.pop();
        undone.push(json!({"kind": "outcome", "plan": "b", "outcome": "proven"}));
        assert!(open(&undone, |_| false).is_empty());
        assert_eq!(undoable(&undone), None);
    }

    #[test]
    fn this_process_is_alive_and_another_start_of_its_number_is_not() {
        let mut who = super::super::journal::who(None);
        assert!(alive(&who));
        who["process_started"] = json!(1);
        assert!(!alive(&who));
        who["host"] = json!("elsewhere");
        assert!(!alive(&who));
    }
}
