//! The journal as lines for a person: one for each plan, with how it ended and every request it sent.

use std::collections::{HashMap, VecDeque};

use color_eyre::eyre::Result;
use serde_json::Value;

use crate::console::app::JournalLine;
use crate::console::words;
use crate::response::journal::Journal;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

/// Lines the view keeps.
const LINES: usize = 2_000;
/// Details kept of one line: a bulk action has a request for each thing.
const DETAILS: usize = 400;

/// The journal at `path`, newest first; only the newest [`LINES`] plans of a long one are kept while it is read.
pub(super) fn read(path: &std::path::Path) -> Result<Vec<JournalLine>> {
    let mut latest = Latest::default();
    Journal::open(path)?.each(|entry| latest.add(&entry))?;
    Ok(latest.done())
}

/// The newest plans, oldest first.
#[derive(Default)]
struct Latest {
    lines: VecDeque<JournalLine>,
    /// How many were dropped: a plan's number is its place among all.
    dropped: usize,
    numbers: HashMap<String, usize>,
}

impl Latest {
    fn add(&mut self, entry: &Value) {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("kind") {
            kind @ ("intent" | "refused") => {
                self.push(begun(entry, kind));
            }
            "note" => self.push(noted(entry)),
            "request" => {
                if let Some(line) = self.line(text("plan")) {
                    detail(line, || request(entry));
                }
            }
            "outcome" => {
                if let Some(line) = self.line(text("plan")) {
                    ended(line, entry);
                }
            }
            "sweep" => {
                if let Some(line) = self.line(text("plan")) {
                    swept(line, entry);
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, line: JournalLine) {
        self.numbers.insert(line.plan.clone(), self.dropped + self.lines.len());
        self.lines.push_back(line);
        if self.lines.len() > LINES
            && let Some(oldest) = self.lines.pop_front()
        {
            self.dropped += 1;
            self.numbers.remove(&oldest.plan);
        }
    }

    fn line(&mut self, plan: &str) -> Option<&mut JournalLine> {
        let number = self.numbers.get(plan)?.checked_sub(self.dropped)?;
        self.lines.get_mut(number)
    }

    fn done(self) -> Vec<JournalLine> {
        self.lines.into_iter().rev().collect()
    }
}

/// What an operator had to say: nothing was sent, and nothing is left open.
fn noted(entry: &Value) -> JournalLine {
    let text = entry.get("text").and_then(Value::as_str).unwrap_or_default();
    JournalLine {
        what: SafeText::new("note"),
        verb: "note".to_owned(),
        outcome: SafeText::new(text),
        good: true,
        ..begun(entry, "note")
    }
}

fn begun(entry: &Value, kind: &str) -> JournalLine {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let who = ["/who/user", "/who/arn"].iter().find_map(|p| entry.pointer(p)?.as_str());
    let outcome = match kind {
        "refused" => format!("refused: {}", text("reason")),
        _ => "no outcome written".to_owned(),
    };
    let names: Vec<Name> = entry
        .get("targets")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).map(Name::new).collect())
        .unwrap_or_default();
    let mut line = JournalLine {
        at: text("at").parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond),
        who: SafeText::new(who.unwrap_or("unknown")),
        what: SafeText::new(text("what")),
        target: SafeText::new(
            &names.iter().take(8).map(|n| n.shown().as_str()).collect::<Vec<_>>().join(", "),
        ),
        outcome: SafeText::new(&outcome),
        good: false,
        verb: text("what").to_owned(),
        targets: names,
        plan: text("plan").to_owned(),
        details: Vec::new(),
    };
    for (label, path) in [
        ("identity", "/who/arn"),
        ("host", "/who/host"),
        ("ssh client", "/who/ssh_client"),
        ("region", "/region"),
        ("plan", "/plan"),
        ("undoes", "/undoes"),
        ("finishes", "/finishes"),
    ] {
        if let Some(value) = entry.pointer(path).and_then(Value::as_str) {
            detail(&mut line, || format!("{label}: {value}"));
        }
    }
    line
}

fn request(entry: &Value) -> String {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let verdict = match entry.get("accepted").and_then(Value::as_bool) {
        Some(true) => "accepted",
        Some(false) => "NOT accepted",
        None => "no answer written",
    };
    let said = entry.get("said").and_then(Value::as_str).map(|s| format!("; {s}")).unwrap_or_default();
    let id = entry.get("request_id").and_then(Value::as_str).map(|i| format!(", request {i}"));
    format!(
        "{} {} on {}: {verdict}{}{said}",
        text("at").get(11..19).unwrap_or_default(),
        text("operation"),
        text("resource"),
        id.unwrap_or_default()
    )
}

fn ended(line: &mut JournalLine, entry: &Value) {
    let outcome = entry.get("outcome").and_then(Value::as_str).unwrap_or_default();
    // What is proven was proven with its last step; the entry itself was written a moment later.
    let steps = entry.get("targets").and_then(Value::as_array).into_iter().flatten();
    let steps = steps.filter_map(|target| target.get("steps")?.as_array()).flatten();
    let last = steps.filter_map(|step| step.get("after_ms")?.as_i64()).max();
    let took = last.filter(|_| outcome == "proven").or_else(|| entry.get("took_ms")?.as_i64());
    let took = took.map(|ms| format!(" after {}", words::took(ms))).unwrap_or_default();
    line.outcome = SafeText::new(&format!("{outcome}{took}"));
    line.good = outcome == "proven";
    for target in entry.get("targets").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| target.get(name).and_then(Value::as_str).unwrap_or_default();
        let why = target.get("why").and_then(Value::as_str).map(|w| format!(": {w}")).unwrap_or_default();
        detail(line, || format!("{} {}{why}", text("target"), text("result")));
        for step in target.get("steps").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default();
            let after = step.get("after_ms").and_then(Value::as_i64);
            let after = after.map(|ms| format!(" after {}", words::took(ms))).unwrap_or_default();
            detail(line, || format!("  {}: {}{after}  {}", text("proof"), text("state"), text("detail")));
        }
    }
}

/// What a sweep found, residue by residue.
fn swept(line: &mut JournalLine, entry: &Value) {
    for target in entry.get("targets").and_then(Value::as_array).into_iter().flatten() {
        let name = target.get("target").and_then(Value::as_str).unwrap_or_default();
        detail(line, || format!("{name} left behind"));
        for found in target.get("lines").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default();
            let ids = found.get("requestIds").and_then(Value::as_array).into_iter().flatten();
            let ids: Vec<&str> = ids.filter_map(Value::as_str).collect();
            let ids = if ids.is_empty() { String::new() } else { format!(", request {}", ids.join(" ")) };
            detail(line, || format!("  {}: {}  {}{ids}", text("residue"), text("mark"), text("text")));
        }
    }
}

fn detail(line: &mut JournalLine, text: impl FnOnce() -> String) {
    if line.details.len() < DETAILS {
        line.details.push(SafeText::new(&text()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plan_is_one_line_with_its_requests_and_what_would_undo_it() {
        let entries = [
            json!({"kind": "intent", "at": "2026-11-21T09:16:21.229Z", "plan": "p", "what": "isolate",
                "targets": ["Thing02"], "who": {"arn": "arn:aws:iam::1:user/o", "user": null},
                "steps": [{"resource": "thing/Thing02 thinggroup/Quarantine"}]}),
            json!({"kind": "request", "at": "2026-11-21T09:16:21.300Z", "plan": "p",
                "operation": "iot:AddThingToThingGroup", "resource": "r", "accepted": true, "request_id": "id-1"}),
            json!({"kind": "outcome", "plan": "p", "outcome": "proven", "took_ms": 4806, "targets": []}),
            json!({"kind": "refused", "at": "2026-11-21T09:17:21.229Z", "plan": "q", "what": "revoke",
                "targets": ["Thing03"], "reason": "read-only", "who": {"user": "ann"}}),
        ];
        let mut latest = Latest::default();
        entries.iter().for_each(|entry| latest.add(entry));
        let lines = latest.done();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].outcome.as_str(), "refused: read-only");
        assert_eq!(lines[0].who.as_str(), "ann");
        assert_eq!(lines[1].plan, "p");
        assert_eq!(lines[1].outcome.as_str(), "proven after 4.8 s");
        let mut line = lines[1].clone();
        let steps = json!([{"proof": "disconnected", "state": "done", "after_ms": 2000},
            {"proof": "silent for 3 s", "state": "done", "after_ms": 4400}]);
        ended(&mut line, &json!({"outcome": "proven", "took_ms": 4806, "targets": [{"steps": steps}]}));
        assert_eq!(line.outcome.as_str(), "proven after 4.4 s", "as the staircase said");
        assert!(
            lines[1].details.iter().any(|d| d.as_str().contains("request id-1")),
            "{:?}",
            lines[1].details
        );
    }
}
