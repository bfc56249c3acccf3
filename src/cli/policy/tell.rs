//! What a trial and a least policy come to, for people and for programs.

use std::io::{self, Write as _};

use aws_sdk_iot::types::AuthDecision;
use serde_json::{Value, json};

use quell_fleet::flight::fly::{Flight, Flown, Outcome};
use quell_fleet::flight::least::Least;
use quell_fleet::flight::{Heard, Missing, Times};
use quell_fleet::format::seconds;
use quell_fleet::text::SafeText;
use quell_rules::policy::{CHARACTERS, Decision, StatementId, characters};

use crate::cli::output::{iso, table};
use crate::cli::reads::sentence;

use super::ask::Checked;

/// Requests shown to people; `--json` has all.
const ROWS: usize = 500;
/// Damaged parts of a recording shown to people.
const DAMAGES: usize = 5;

/// A trial.
pub(super) struct Told<'a> {
    pub(super) heard: &'a Heard,
    pub(super) flights: &'a [Flight],
    pub(super) checked: Option<&'a Checked>,
    /// Devices whose client id or attachment is assumed.
    pub(super) assumed: usize,
    /// Whether AWS was asked for what cannot be heard.
    pub(super) asked: bool,
}

impl Told<'_> {
    fn today(&self, flight: &Flight, flown: &Flown) -> Option<&(AuthDecision, Option<bool>)> {
        let client = flight.client.clone()?;
        self.checked?.of.get(&(flight.device.clone(), client, flown.request.clone()))
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.flights.iter().flat_map(|flight| &flight.requests).filter(|r| r.outcome == outcome).count()
    }

    /// The table, worst first, and what to know about it.
    pub(super) fn text(&self, all: bool) -> String {
        let mut rows: Vec<(&Flight, &Flown)> =
            self.flights.iter().flat_map(|flight| flight.requests.iter().map(move |r| (flight, r))).collect();
        rows.retain(|(_, flown)| all || flown.outcome != Outcome::Allowed);
        rows.sort_by_key(|(_, flown)| flown.outcome);
        let mut lines = Vec::new();
        if !rows.is_empty() {
            let more = rows.len().saturating_sub(ROWS);
            let cells: Vec<[SafeText; 7]> =
                rows.iter().take(ROWS).map(|(flight, flown)| self.row(flight, flown)).collect();
            lines
                .extend(table(["DECISION", "DEVICE", "CLIENT", "ACTION", "RESOURCE", "TIMES", "BY"], &cells));
            if more > 0 {
                lines.push(format!("… and {more} more: --json has all"));
            }
            lines.push(String::new());
        }
        lines.extend(self.summary());
        lines.join("\n") + "\n"
    }

    fn row(&self, flight: &Flight, flown: &Flown) -> [SafeText; 7] {
        let today = match self.today(flight, flown) {
            Some((decision, Some(false))) => {
                format!(" (AWS today: {}; quell reads it otherwise)", decision.as_str())
            }
            Some((decision, _)) => format!(" (AWS today: {})", decision.as_str()),
            None => String::new(),
        };
        [
            flown.outcome.text().into(),
            SafeText::new(&flight.device),
            SafeText::new(flight.client.as_deref().unwrap_or("?")),
            flown.request.action.into(),
            SafeText::new(&flown.request.resource),
            SafeText::new(&times(&flown.times)),
            SafeText::new(&format!("{}{today}", flown.why())),
        ]
    }

    fn summary(&self) -> Vec<String> {
        let (from, to) = self.heard.span();
        let mut lines = vec![format!(
            "{} devices from {} to {}: {} messages",
            self.heard.devices().len(),
            iso(from),
            iso(to),
            self.heard.messages()
        )];
        lines.push(format!(
            "{} requests allowed, {} refused, {} unknown",
            self.count(Outcome::Allowed),
            self.count(Outcome::Refused),
            self.count(Outcome::Unknown)
        ));
        let unasked = self.heard.devices().filter(|(_, d)| d.subscriptions.is_none()).count();
        if unasked > 0 {
            let next = if self.asked { "AWS did not tell them" } else { "--check-aws asks AWS" };
            lines.push(format!("the subscriptions of {unasked} devices are not known: {next}"));
        }
        let silent = self.flights.iter().filter(|flight| flight.client.is_none()).count();
        if silent > 0 {
            lines.push(format!(
                "of {silent} devices no connect was heard, so their client ids are not known: --as-things takes their names"
            ));
        }
        if self.assumed > 0 {
            let assumed = self.assumed;
            lines.push(format!(
                "of {assumed} devices it is assumed that they connect as themselves (--as-things)"
            ));
        }
        if self.heard.unattributed() > 0 {
            lines.push(format!(
                "{} messages on topics that name no device were not tried: --thing-from says whose they are",
                self.heard.unattributed()
            ));
        }
        if self.heard.others() > 0 {
            lines.push(format!(
                "{} connects and disconnects without a certificate, as a console's, were left out: IAM decides those",
                self.heard.others()
            ));
        }
        if self.heard.left_out() > 0 {
            lines.push(format!("{} deeds beyond quell's limits were not kept", self.heard.left_out()));
        }
        lines.extend(missing(&self.heard.missing()));
        if let Some(checked) = self.checked {
            let (same, other) = checked.agreement();
            lines.push(format!(
                "TestAuthorization was asked about {} of them with the policies of today: quell says the same of {same}, otherwise of {other}",
                checked.of.len()
            ));
            if checked.left > 0 {
                let why = checked.trouble.as_ref().map_or_else(String::new, |t| format!(": {}", sentence(t)));
                lines.push(format!("{} requests were not asked about{why}", checked.left));
            }
        }
        lines
    }

    /// The whole trial.
    pub(super) fn json(&self) -> Value {
        let (from, to) = self.heard.span();
        let devices: Vec<Value> = self
            .flights
            .iter()
            .map(|flight| {
                let requests: Vec<Value> =
                    flight.requests.iter().map(|flown| self.request(flight, flown)).collect();
                json!({"device": flight.device, "clientId": flight.client,
                    "principal": flight.principal, "requests": requests})
            })
            .collect();
        let agreement = self.checked.map(|checked| {
            let (same, other) = checked.agreement();
            json!({"asked": checked.of.len(), "agree": same, "differ": other,
                "notAsked": checked.left, "trouble": checked.trouble.as_ref().map(sentence)})
        });
        let missing = self.heard.missing();
        json!({
            "heard": {
                "from": iso(from), "to": iso(to), "devices": self.heard.devices().len(),
                "messages": self.heard.messages(), "unattributedMessages": self.heard.unattributed(),
                "notKept": self.heard.left_out(), "assumed": self.assumed,
                "eventsLost": missing.lost, "incomplete": missing.incomplete,
                "damaged": missing.damages.iter().map(|d| json!({"from": iso(d.from), "to": iso(d.to),
                    "why": SafeText::new(&d.what)})).collect::<Vec<_>>(),
                "notListened": {"times": missing.interruptions, "ms": missing.not_listened},
            },
            "allowed": self.count(Outcome::Allowed),
            "refused": self.count(Outcome::Refused),
            "unknown": self.count(Outcome::Unknown),
            "testAuthorization": agreement,
            "devices": devices,
        })
    }

    fn request(&self, flight: &Flight, flown: &Flown) -> Value {
        let (statements, missed) = match &flown.decision {
            Decision::Allowed { by } | Decision::ExplicitDeny { by, .. } => (by.as_slice(), &[][..]),
            Decision::ImplicitDeny { missed } => (&[][..], missed.as_slice()),
        };
        let missed: Vec<Value> = missed
            .iter()
            .map(|missed| json!({"statement": statement(&missed.statement), "why": missed.why.to_string()}))
            .collect();
        let mut told = json!({
            "action": flown.request.action,
            "resource": flown.request.resource,
            "times": flown.times.count,
            "inferred": flown.times.inferred,
            "decision": flown.outcome.text(),
            "explicit": matches!(flown.decision, Decision::ExplicitDeny { .. }),
            "statements": statements.iter().map(statement).collect::<Vec<_>>(),
            "missed": missed,
        });
        if let Some((decision, agrees)) = self.today(flight, flown) {
            told["awsToday"] = json!({"authDecision": decision.as_str(), "quellAgrees": agrees});
        }
        told
    }
}

/// What is missing from what was heard, in sentences.
pub(super) fn missing(missing: &Missing) -> Vec<String> {
    let mut lines = Vec::new();
    if missing.incomplete {
        lines.push("the recording is not complete: it was cut off, or reached its size".to_owned());
    }
    if missing.lost > 0 {
        lines.push(format!("{} events are not in the recording", missing.lost));
    }
    for damage in missing.damages.iter().take(DAMAGES) {
        let (from, to) = (iso(damage.from), iso(damage.to));
        lines.push(format!("damaged from {from} to {to}, and skipped: {}", damage.what));
    }
    if missing.damages.len() > DAMAGES {
        lines.push(format!("… and {} more damaged parts", missing.damages.len() - DAMAGES));
    }
    if missing.interruptions > 0 {
        lines.push(format!(
            "{} times nothing was listened to, {} altogether",
            missing.interruptions,
            seconds(missing.not_listened)
        ));
    }
    lines
}

fn times(times: &Times) -> String {
    match (times.count, times.inferred) {
        (0, _) => "-".to_owned(),
        (n, true) => format!("{n} (inferred)"),
        (n, false) => n.to_string(),
    }
}

fn statement(id: &StatementId) -> Value {
    json!({"policy": id.policy, "statement": id.index + 1, "sid": id.sid})
}

/// Which devices a policy is for, how long it is and what to know, on stderr: stdout has documents alone.
///
/// # Errors
/// When stderr cannot be written.
pub(super) fn least_said(least: &Least, together: bool) -> io::Result<()> {
    let mut out = io::stderr().lock();
    let whose = match least.groups.is_empty() {
        true if together => "together".to_owned(),
        true => "in no thing group that is known".to_owned(),
        false => format!("in {}", SafeText::new(&least.groups.join(", "))),
    };
    let lengths: Vec<String> =
        least.documents.iter().map(|document| characters(&document.to_string()).to_string()).collect();
    let lengths = lengths.join(" + ");
    writeln!(
        out,
        "{} device(s) {whose}: {} document(s) of {lengths} characters, of {CHARACTERS} that AWS takes",
        least.devices.len(),
        least.documents.len()
    )?;
    for note in &least.notes {
        writeln!(out, "  {}", SafeText::new(note))?;
    }
    Ok(())
}

/// The policies with whose they are.
pub(super) fn least_json(found: &[Least]) -> Value {
    let each: Vec<Value> = found
        .iter()
        .map(|least| {
            json!({"thingGroupNames": least.groups, "devices": least.devices,
                "policyDocuments": least.documents, "notes": least.notes})
        })
        .collect();
    json!({ "policies": each })
}
