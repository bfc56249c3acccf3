//! What happened, from a recording and the journal: when it began, who saw what when, who did what, what proved it, and how
//! long detecting, responding and containing took.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io;

use serde_json::{Value, json};

use crate::event::{Event, LinkEvent, Stage};
use crate::format::{iso_or_ms as iso, markdown as md};
use crate::text::SafeText;
use crate::{Changes, Fleet, Ms, Word};

use super::file::{Damage, Entry, What};
use super::player::Player;

/// Entries of the journal written up to this long after a recording's end, in milliseconds, still tell of it: its outcomes.
pub const AFTER: Ms = 60_000;

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When.
    pub at: Ms,
    /// `early warning`, `finding`, `violation`, `response`, `leak`, `link`, `journal`.
    pub kind: &'static str,
    /// The thing it is about.
    pub thing: Option<SafeText>,
    /// What happened.
    pub text: SafeText,
    /// Who did it, when a person did.
    pub who: Option<SafeText>,
}

/// One thing's incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incident {
    /// The first bad datapoint: a message's time, or the end of a window.
    pub began: Option<Ms>,
    /// When this console first showed a sign of it.
    pub detected: Option<Ms>,
    /// What the first sign was.
    pub sign: Option<SafeText>,
    /// When quell's own finding was made.
    pub found: Option<Ms>,
    /// When AWS's violation was first read.
    pub violation: Option<Ms>,
    /// When somebody confirmed a response.
    pub responded: Option<Ms>,
    /// Who.
    pub who: Option<SafeText>,
    /// When its silence began that was then proven.
    pub contained: Option<Ms>,
    /// How the response ended.
    pub outcome: Option<SafeText>,
    /// When it was heard although it was isolated.
    pub leaked: Option<Ms>,
    /// What the sweep after its containment said, the latest one: a line for each residue.
    pub left: Vec<Left>,
}

/// A line of the sweep after a containment.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// What was looked for, as the journal names it: `retained`.
    pub residue: SafeText,
    /// `clear`, `found` or `unknown`.
    pub mark: SafeText,
    /// What was found, or why it is not known.
    pub text: SafeText,
    /// The request ids it rests on.
    pub requests: Vec<SafeText>,
}

impl Left {
    fn of(line: &Value) -> Self {
        let text = |name: &str| SafeText::new(line.get(name).and_then(Value::as_str).unwrap_or_default());
        let ids = line.get("requestIds").and_then(Value::as_array).into_iter().flatten();
        Self {
            residue: text("residue"),
            mark: text("mark"),
            text: text("text"),
            requests: ids.filter_map(Value::as_str).take(LEFT).map(SafeText::new).collect(),
        }
    }
}

/// Lines kept of one sweep, and request ids of one line: there are ten residues.
const LEFT: usize = 32;

impl Incident {
    fn sign(&mut self, began: Ms, detected: Ms, sign: &str) {
        self.began = Some(self.began.map_or(began, |b| b.min(began)));
        if self.detected.is_none_or(|d| detected < d) {
            self.detected = Some(detected);
            self.sign = Some(SafeText::new(sign));
        }
    }

    /// From the first bad datapoint to the first sign.
    pub fn time_to_detect(&self) -> Option<Ms> {
        Some(self.detected? - self.began?)
    }

    /// From the first sign to the confirmed response.
    pub fn time_to_respond(&self) -> Option<Ms> {
        Some(self.responded? - self.detected?)
    }

    /// From the confirmed response to the silence that was proven.
    pub fn time_to_contain(&self) -> Option<Ms> {
        Some(self.contained? - self.responded?)
    }
}

/// The whole report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// When the recording begins and ends.
    pub span: (Ms, Ms),
    /// By thing: those that did not meet a behaviour, or were responded to.
    pub incidents: BTreeMap<SafeText, Incident>,
    /// Everything worth a line, in order.
    pub timeline: Vec<Line>,
    /// Events the recording lacks.
    pub lost: u64,
    /// True when the recording was cut off or reached its size.
    pub incomplete: bool,
    /// Parts of the recording that could not be read and were skipped.
    pub damages: Vec<Damage>,
}

/// Lines kept: a report is read by a person.
const LINES: usize = 5_000;

struct Teller {
    lines: Vec<Line>,
    incidents: BTreeMap<SafeText, Incident>,
    told: HashSet<(String, String, Ms)>,
}

impl Teller {
    fn line(&mut self, at: Ms, kind: &'static str, thing: Option<&SafeText>, text: &str) {
        if self.lines.len() < LINES {
            let (thing, text) = (thing.cloned(), SafeText::new(text));
            self.lines.push(Line { at, kind, thing, text, who: None });
        }
    }

    fn once(&mut self, thing: &SafeText, what: &str, at: Ms) -> bool {
        self.told.insert((thing.to_string(), what.to_owned(), at))
    }

    fn entry(&mut self, entry: &Entry) {
        match &entry.what {
            What::Event(Event::Response(event)) => {
                let thing = event.thing.shown().clone();
                let incident = self.incidents.entry(thing.clone()).or_default();
                let text = match &event.stage {
                    Stage::Containing { began, waiting_for } => {
                        incident.responded = Some(incident.responded.map_or(*began, |r| r.min(*began)));
                        incident.outcome = Some(SafeText::new("not proven yet"));
                        format!("being contained, waiting for {waiting_for}")
                    }
                    Stage::Contained { began, took } => {
                        incident.responded = Some(incident.responded.map_or(*began, |r| r.min(*began)));
                        incident.contained = Some(began + took);
                        incident.outcome = Some(SafeText::new("proven silent"));
                        format!("proven silent, {} after the response was confirmed", length(*took))
                    }
                    Stage::Unproven { missing, .. } => {
                        incident.outcome = Some(SafeText::new(&format!("not proven: {missing}")));
                        format!("not proven in time: {missing}")
                    }
                    Stage::Failed { what, left, .. } => {
                        incident.outcome = Some(SafeText::new(&format!("not held: {what}; left: {left}")));
                        format!("not held: {what}; left: {left}")
                    }
                    Stage::Released => {
                        incident.outcome = Some(SafeText::new("released"));
                        "released".to_owned()
                    }
                    Stage::Revoked => {
                        incident.outcome = Some(SafeText::new("revoked, proven silent"));
                        "certificate revoked, proven silent".to_owned()
                    }
                };
                self.line(event.at, "response", Some(&thing), &text);
            }
            What::Event(Event::Link(LinkEvent::Down { at, reason, .. })) => {
                self.line(*at, "link", None, &format!("not listening: {reason}"));
            }
            What::Event(Event::Link(LinkEvent::Up { at, .. })) => self.line(*at, "link", None, "listening"),
            What::Lost(events) => {
                self.line(entry.at, "link", None, &format!("{events} events are not in the recording"));
            }
            _ => {}
        }
    }

    fn fleet(&mut self, fleet: &Fleet, at: Ms, changes: Changes) {
        for (_, device) in fleet.devices() {
            let thing = device.name().shown();
            for warning in device.warnings() {
                if self.once(thing, warning.kind.word(), warning.since) {
                    self.line(at, "early warning", Some(thing), warning.sentence.as_str());
                    if device.word() != Word::Ok {
                        let sign = format!("early warning: {}", warning.sentence);
                        self.incidents.entry(thing.clone()).or_default().sign(warning.since, at, &sign);
                    }
                }
            }
            if changes.contains(Changes::LEAK) && device.word() == Word::Leaking {
                self.line(at, "leak", Some(thing), "isolated, yet heard");
                self.incidents.entry(thing.clone()).or_default().leaked.get_or_insert(at);
            }
        }
        if !changes.contains(Changes::VIOLATIONS) {
            return;
        }
        for finding in fleet.own_findings() {
            let (thing, name) = (finding.thing.shown(), SafeText::new(&finding.behavior.name));
            if self.once(thing, &format!("finding {} {name}", finding.profile), finding.bad) {
                let value = serde_json::to_string(&finding.value).unwrap_or_default();
                let text = format!("{name} of {} is not met: {value}", finding.profile);
                self.line(finding.found, "finding", Some(thing), &text);
                let incident = self.incidents.entry(thing.clone()).or_default();
                incident.sign(finding.bad, finding.found, &format!("finding: {name}"));
                incident.found.get_or_insert(finding.found);
            }
        }
        for cloned in fleet.cloned() {
            let thing = cloned.thing.shown();
            if self.once(thing, "cloned identity", cloned.found) {
                self.line(cloned.found, "finding", Some(thing), &cloned.sentence());
                let incident = self.incidents.entry(thing.clone()).or_default();
                incident.sign(cloned.found, cloned.found, &format!("finding: {}", cloned.text()));
                incident.found.get_or_insert(cloned.found);
            }
        }
        for violation in fleet.violations().get().into_iter().flatten() {
            let thing = violation.thing.shown();
            if self.once(thing, &violation.id, 0) {
                let seen = fleet.violation_seen(&violation.id).unwrap_or(at);
                let name = SafeText::new(&violation.behavior.name);
                let late = length(seen - violation.started);
                let text =
                    format!("{name} of {} in alarm, read {late} after AWS's time of it", violation.profile);
                self.line(seen, "violation", Some(thing), &text);
                let incident = self.incidents.entry(thing.clone()).or_default();
                incident.sign(violation.started, seen, &format!("violation: {name}"));
                incident.violation.get_or_insert(seen);
            }
        }
    }

    fn swept(&mut self, entry: &Value, at: Ms) {
        for target in entry.get("targets").and_then(Value::as_array).into_iter().flatten() {
            let Some(thing) = target.get("target").and_then(Value::as_str).map(SafeText::new) else {
                continue;
            };
            let lines = target.get("lines").and_then(Value::as_array).into_iter().flatten();
            let left: Vec<Left> = lines.take(LEFT).map(Left::of).collect();
            let said = crate::format::left_behind(target);
            self.line(at, "journal", Some(&thing), &format!("left behind: {said}"));
            if let Some(incident) = self.incidents.get_mut(&thing) {
                incident.left = left;
            }
        }
    }

    fn journal(&mut self, entries: &[Value], (from, to): (Ms, Ms)) {
        let text = |e: &Value, name: &str| e.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let names = |e: &Value| -> Vec<SafeText> {
            let list = e.get("targets").and_then(Value::as_array).into_iter().flatten();
            list.filter_map(|t| t.as_str().or_else(|| t.get("target")?.as_str())).map(SafeText::new).collect()
        };
        let mut people: BTreeMap<String, SafeText> = BTreeMap::new();
        for entry in entries {
            let Ok(at) = text(entry, "at").parse::<jiff::Timestamp>() else { continue };
            let at = at.as_millisecond();
            if !(from..=to.saturating_add(AFTER)).contains(&at) {
                continue;
            }
            let (kind, plan) = (text(entry, "kind"), text(entry, "plan"));
            let who = ["/who/arn", "/who/user"].iter().find_map(|p| entry.pointer(p)?.as_str());
            if let Some(who) = who {
                people.insert(plan.clone(), SafeText::new(who));
            }
            let who = people.get(&plan).cloned();
            let said = match kind.as_str() {
                "intent" => format!("{} confirmed", text(entry, "what")),
                "refused" => format!("{} refused: {}", text(entry, "what"), text(entry, "reason")),
                "outcome" => format!("ended: {}", text(entry, "outcome")),
                "note" => format!("note: {}", text(entry, "text")),
                "request" => {
                    format!("{} sent, request {}", text(entry, "operation"), text(entry, "request_id"))
                }
                "sweep" => {
                    self.swept(entry, at);
                    continue;
                }
                _ => continue,
            };
            let things = names(entry);
            for thing in &things {
                if kind == "intent"
                    && let Some(incident) = self.incidents.get_mut(thing)
                {
                    incident.who = incident.who.take().or_else(|| who.clone());
                    incident.responded = Some(incident.responded.map_or(at, |r| r.min(at)));
                }
            }
            let thing = things.first().cloned();
            if self.lines.len() < LINES {
                self.lines.push(Line { at, kind: "journal", thing, text: SafeText::new(&said), who });
            }
        }
    }
}

/// Tells what happened. `journal` are the entries of the journal; those of the recording's time belong to it. `look` sees what was
/// recorded, in order: whoever wants more of it need not read it a second time.
///
/// # Errors
/// The recording cannot be read to its end.
pub fn tell(player: &mut Player, journal: &[Value], look: &mut dyn FnMut(&What)) -> io::Result<Report> {
    let span = player.span();
    player.seek(span.0)?;
    let mut teller = Teller { lines: Vec::new(), incidents: BTreeMap::new(), told: HashSet::new() };
    // What stood at the beginning is a sign too.
    teller.fleet(player.fleet(), span.0, Changes::VIOLATIONS);
    while let Some((at, changes)) = player.step(span.1, &mut |_, entry| {
        look(&entry.what);
        teller.entry(entry);
    })? {
        if !changes.is_empty() {
            teller.fleet(player.fleet(), at, changes);
        }
    }
    teller.journal(journal, span);
    teller.lines.sort_by_key(|line| line.at);
    Ok(Report {
        span,
        incidents: teller.incidents,
        timeline: teller.lines,
        lost: player.lost(),
        incomplete: player.is_incomplete(),
        damages: player.damages().to_vec(),
    })
}

/// `3.8 s`, `2 min 5 s`.
fn length(ms: Ms) -> String {
    let ms = ms.max(0);
    if ms < 120_000 {
        format!("{:.1} s", ms as f64 / 1000.0)
    } else {
        format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000)
    }
}

impl Report {
    /// One JSON document.
    pub fn json(&self) -> Value {
        let incidents: Vec<Value> = self
            .incidents
            .iter()
            .map(|(thing, i)| {
                json!({
                    "thing": thing, "began": i.began.map(iso), "detected": i.detected.map(iso),
                    "firstSign": i.sign, "finding": i.found.map(iso), "violationRead": i.violation.map(iso),
                    "responded": i.responded.map(iso), "by": i.who, "contained": i.contained.map(iso),
                    "outcome": i.outcome, "leaked": i.leaked.map(iso),
                    "leftBehind": i.left.iter().map(|l| json!({
                        "residue": l.residue, "mark": l.mark, "text": l.text, "requestIds": l.requests,
                    })).collect::<Vec<_>>(),
                    "timeToDetectMs": i.time_to_detect(), "timeToRespondMs": i.time_to_respond(),
                    "timeToContainMs": i.time_to_contain(),
                })
            })
            .collect();
        let damaged: Vec<Value> = self
            .damages
            .iter()
            .map(|d| json!({"from": iso(d.from), "to": iso(d.to), "why": SafeText::new(&d.what)}))
            .collect();
        let timeline: Vec<Value> = self
            .timeline
            .iter()
            .map(|l| json!({"at": iso(l.at), "kind": l.kind, "thing": l.thing, "text": l.text, "by": l.who}))
            .collect();
        json!({
            "from": iso(self.span.0), "to": iso(self.span.1), "incomplete": self.incomplete,
            "damaged": damaged,
            "eventsLost": self.lost, "incidents": incidents, "timeline": timeline,
        })
    }

    /// A document for people.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "# Incident report\n")?;
        writeln!(out, "Recorded from {} to {}.", iso(self.span.0), iso(self.span.1))?;
        if self.incomplete {
            writeln!(out, "The recording is not complete: it was cut off, or reached its size.")?;
        }
        for d in &self.damages {
            let why = SafeText::new(&d.what);
            writeln!(
                out,
                "Damaged from {} to {}, and skipped: {}.",
                iso(d.from),
                iso(d.to),
                md(why.as_str())
            )?;
        }
        if self.lost > 0 {
            writeln!(out, "{} events are not in it.", self.lost)?;
        }
        if self.incidents.is_empty() {
            writeln!(out, "\nNothing was in alarm, and nothing was done.")?;
        }
        for (thing, i) in &self.incidents {
            writeln!(out, "\n## {}\n", md(thing.as_str()))?;
            let took = |ms: Option<Ms>| ms.map_or("unknown".to_owned(), length);
            writeln!(out, "| | time (UTC) | took |\n| --- | --- | --- |")?;
            let at = |at: Option<Ms>| at.map_or("-".to_owned(), iso);
            writeln!(out, "| began | {} | |", at(i.began))?;
            writeln!(out, "| detected | {} | {} |", at(i.detected), took(i.time_to_detect()))?;
            writeln!(out, "| responded | {} | {} |", at(i.responded), took(i.time_to_respond()))?;
            writeln!(out, "| contained | {} | {} |\n", at(i.contained), took(i.time_to_contain()))?;
            let text = |t: &Option<SafeText>| t.as_ref().map_or("-".to_owned(), |t| md(t.as_str()));
            writeln!(out, "- first sign: {}", text(&i.sign))?;
            writeln!(out, "- quell's finding: {}; AWS's violation read: {}", at(i.found), at(i.violation))?;
            writeln!(out, "- response by: {}; outcome: {}", text(&i.who), text(&i.outcome))?;
            if let Some(leaked) = i.leaked {
                writeln!(out, "- **heard although isolated**, first at {}", iso(leaked))?;
            }
            if !i.left.is_empty() {
                writeln!(out, "\n| left behind | | | request |\n| --- | --- | --- | --- |")?;
            }
            for l in &i.left {
                let ids = l.requests.iter().map(|id| md(id.as_str())).collect::<Vec<_>>().join(" ");
                let (residue, mark) = (md(l.residue.as_str()), md(l.mark.as_str()));
                writeln!(out, "| {residue} | {mark} | {} | {ids} |", md(l.text.as_str()))?;
            }
        }
        writeln!(out, "\n## Timeline\n\n| time (UTC) | what | thing | |\n| --- | --- | --- | --- |")?;
        for l in &self.timeline {
            let thing = l.thing.as_ref().map(|t| md(t.as_str())).unwrap_or_default();
            let who = l.who.as_ref().map(|w| format!(" (by {})", md(w.as_str()))).unwrap_or_default();
            writeln!(out, "| {} | {} | {thing} | {}{who} |", iso(l.at), l.kind, md(l.text.as_str()))?;
        }
        Ok(())
    }
}
