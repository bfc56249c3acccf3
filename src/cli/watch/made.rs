//! Events into lines: what each says, and only when it says something new.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use clap::ValueEnum as _;
use serde_json::{Value, json};

use crate::cli::output::{ascii_json, iso};
use crate::cli::reads::violation_json;
use crate::console::views::against;
use quell_fleet::event::{Batch, Event, LinkEvent, Notice, Poll, PresenceKind, Reading};
use quell_fleet::index::IndexReading;
use quell_fleet::known::TroubleKind;
use quell_fleet::model::{Name, Standing};
use quell_fleet::text::SafeText;
use quell_fleet::{Changes, DeviceId, Fleet, Heed, SourceId};

use super::losses::Said;
use super::{Kind, WatchArgs};

/// Turns events into lines; keeps a fleet for what only the whole picture tells.
pub(super) struct Watch {
    pub(super) fleet: Fleet,
    types: HashSet<Kind>,
    things: HashSet<String>,
    payload: bool,
    violations: HashSet<String>,
    warned: HashSet<DeviceId>,
    /// Findings said already: device, profile, behaviour, time of the datapoint.
    found: HashSet<(DeviceId, String, String, i64)>,
    /// Cloned identities said already, and when each was found.
    cloned: HashMap<DeviceId, i64>,
    /// How each source stood when it was last said.
    polls: HashMap<SourceId, Stand>,
    /// Why a large account is listed, as it was said last.
    not_indexed: Option<SafeText>,
    /// The connection is near its limit, as it was said last.
    near: bool,
    /// The words as they were said last, by device.
    states: Vec<quell_fleet::Word>,
    /// Whether anything could be heard, as it was said last.
    deaf: Option<&'static str>,
    /// Stretches at the limit, or throttled, that were said.
    losses: Said,
}

/// How reading a source stands: what it found, or why not.
type Stand = Result<(Option<usize>, Option<Standing>), TroubleKind>;

impl Watch {
    pub(super) fn new(args: &WatchArgs, fleet: Fleet) -> Self {
        Self {
            fleet,
            types: args.types.iter().copied().collect(),
            things: args.things.iter().cloned().collect(),
            payload: args.payload,
            violations: HashSet::new(),
            warned: HashSet::new(),
            found: HashSet::new(),
            cloned: HashMap::new(),
            polls: HashMap::new(),
            not_indexed: None,
            near: false,
            states: Vec::new(),
            deaf: None,
            losses: Said::default(),
        }
    }

    fn wants(&self, kind: Kind, thing: Option<&str>) -> bool {
        (self.types.is_empty() || self.types.contains(&kind))
            && (self.things.is_empty() || thing.is_some_and(|thing| self.things.contains(thing)))
    }

    fn line(&self, out: &mut Vec<String>, kind: Kind, at: i64, thing: Option<&str>, rest: Value) {
        if !self.wants(kind, thing) {
            return;
        }
        let name = kind.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default();
        let mut line = json!({"at": iso(at), "type": name});
        if let (Some(line), Value::Object(rest)) = (line.as_object_mut(), rest) {
            if let Some(thing) = thing {
                line.insert("thing".to_owned(), thing.into());
            }
            line.extend(rest);
        }
        out.push(ascii_json(&line));
    }

    pub(super) fn tick(&mut self, now: i64) -> Vec<String> {
        self.fleet.tick(now);
        let mut out = self.findings(now);
        for (at, rest) in self.losses.ended(self.fleet.losses()) {
            self.line(&mut out, Kind::Gap, at, None, rest);
        }
        let near = self.fleet.near_limit(now);
        if near.is_some() != self.near {
            self.near = near.is_some();
            let rates = self.fleet.rates(now);
            let state = if self.near { "near_limit" } else { "below_limit" };
            let rest = json!({"state": state, "share": near, "messages_per_s": rates.map(|r| r.messages_per_s),
                "bytes_per_s": rates.map(|r| r.bytes_per_s)});
            self.line(&mut out, Kind::Link, now, None, rest);
        }
        self.states(&mut out, now);
        out
    }

    /// A line for each device whose word is another one than was said, and one when nothing can be heard any more, or again.
    fn states(&mut self, out: &mut Vec<String>, now: i64) {
        let deaf = match self.fleet.heed() {
            Heed::Deaf(why, since) => Some((why.key(), why.to_string(), since)),
            Heed::Hears | Heed::Never(_) => None,
        };
        if self.deaf != deaf.as_ref().map(|(key, ..)| *key) {
            let rest = match &deaf {
                Some((key, reason, since)) => {
                    json!({"state": "not_listening", "why": key, "reason": reason, "since": iso(*since)})
                }
                None => json!({"state": "listening"}),
            };
            self.line(out, Kind::Link, now, None, rest);
            self.deaf = deaf.map(|(key, ..)| key);
        }
        let mut changed = Vec::new();
        for (id, device) in self.fleet.devices() {
            match self.states.get_mut(id.index()) {
                Some(said) if *said == device.word() => {}
                Some(said) => changed.push((id, Some(std::mem::replace(said, device.word())))),
                None => {
                    self.states.push(device.word());
                    changed.push((id, None));
                }
            }
        }
        for (id, was) in changed {
            let thing = self.fleet.device(id).name().clone();
            if !self.wants(Kind::State, Some(thing.raw())) {
                continue;
            }
            let mut rest = self.fleet.facets_json(id);
            if let (Some(was), Some(rest)) = (was, rest.as_object_mut()) {
                rest.insert("was".to_owned(), was.text().into());
            }
            self.line(out, Kind::State, self.fleet.device(id).word_since(), Some(thing.raw()), rest);
        }
    }

    fn findings(&mut self, now: i64) -> Vec<String> {
        let mut out = Vec::new();
        let mut warned = HashSet::new();
        for (id, device) in self.fleet.devices() {
            let Some(warning) = device.warning() else { continue };
            warned.insert(id);
            if !self.warned.contains(&id) {
                let rest = json!({"finding": warning.kind.word(), "sentence": warning.sentence, "since": iso(warning.since)});
                self.line(&mut out, Kind::Finding, now, Some(device.name().raw()), rest);
            }
        }
        self.warned = warned;
        let mut found = HashSet::new();
        for finding in self.fleet.own_findings() {
            let behavior = finding.behavior.name.clone();
            let key = (finding.device, finding.profile.to_string(), behavior, finding.bad);
            if !self.found.contains(&key) {
                let sentence = format!("expected: {}", against(&finding.behavior, Some(&finding.value)));
                let rest = json!({"finding": "behavior", "sentence": sentence, "securityProfileName": finding.profile,
                    "behavior": &*finding.behavior, "value": finding.value, "bad": iso(finding.bad),
                    "since": iso(finding.found), "delay_ms": finding.found - finding.bad});
                self.line(&mut out, Kind::Finding, now, Some(finding.thing.raw()), rest);
            }
            found.insert(key);
        }
        self.found = found;
        let cloned: HashMap<DeviceId, i64> =
            self.fleet.cloned().iter().map(|f| (f.device, f.found)).collect();
        for found in self.fleet.cloned() {
            if self.cloned.get(&found.device) != Some(&found.found) {
                self.line(&mut out, Kind::Finding, now, Some(found.thing.raw()), found.json());
            }
        }
        self.cloned = cloned;
        out
    }

    pub(super) fn event(&mut self, event: Event, now: i64) -> Vec<String> {
        let mut out = Vec::new();
        match event {
            Event::Batch(mut batch) => {
                // The topics first: the lines need to know whose they are.
                let topics = std::mem::take(&mut batch.topics);
                self.fleet.apply(Event::Batch(Batch { topics, ..Batch::default() }), now);
                self.messages(&mut out, &batch);
                for notice in &batch.notices {
                    self.notice(&mut out, notice);
                }
                if batch.beyond {
                    let reason = "messages on further topics count, and are told under one of them: a larger --memory-budget tells more apart";
                    let rest =
                        json!({"state": "more_topics", "told_apart": self.fleet.topics(), "reason": reason});
                    self.line(&mut out, Kind::Link, now, None, rest);
                }
                let changes = self.fleet.apply(Event::Batch(batch), now);
                if changes.contains(Changes::LEAK) {
                    self.states(&mut out, now);
                }
            }
            Event::Link(event) => {
                self.link(&mut out, &event);
                self.fleet.apply(Event::Link(event), now);
                self.states(&mut out, now);
            }
            Event::Poll(poll) => {
                if let Ok(Reading::Violations(list)) = &poll.outcome {
                    let known = std::mem::take(&mut self.violations);
                    for violation in list.iter().filter(|v| !known.contains(&v.id)) {
                        let thing = Some(violation.thing.raw());
                        self.line(
                            &mut out,
                            Kind::Violation,
                            violation.started,
                            thing,
                            violation_json(violation),
                        );
                    }
                    self.violations = list.iter().map(|v| v.id.clone()).collect();
                }
                if let Ok(Reading::Indexed(index)) = &poll.outcome
                    && !self.fleet.violations().is_current()
                {
                    self.indexed_violations(&mut out, index);
                }
                self.poll(&mut out, &poll);
                self.fleet.apply(Event::Poll(poll), now);
            }
            Event::Response(event) => {
                let rest = json!({ "stage": format!("{:?}", event.stage) });
                self.line(&mut out, Kind::Response, event.at, Some(event.thing.raw()), rest);
                self.fleet.apply(Event::Response(event), now);
                self.states(&mut out, now);
            }
            Event::Own(own) => drop(self.fleet.apply(Event::Own(own), now)),
        }
        out
    }

    /// Violations as the fleet index has them, while Detect's own list cannot be read: without AWS's id.
    fn indexed_violations(&mut self, out: &mut Vec<String>, index: &IndexReading) {
        let known = std::mem::take(&mut self.violations);
        for violation in index.things.iter().flat_map(|thing| &thing.violations) {
            if !known.contains(&violation.id) {
                let mut rest = violation_json(violation);
                if let Some(id) = rest.get_mut("violationId") {
                    *id = Value::Null;
                }
                let thing = Some(violation.thing.raw());
                self.line(out, Kind::Violation, violation.started, thing, rest);
            }
            self.violations.insert(violation.id.clone());
        }
    }

    /// A line when a source stands differently than it was said last.
    fn poll(&mut self, out: &mut Vec<String>, poll: &Poll) {
        match &poll.outcome {
            Ok(Reading::ThingsPage(..)) => return,
            Ok(Reading::NotIndexed(why)) => {
                if self.not_indexed.as_ref() != Some(why) {
                    let rest = json!({"source": "things", "state": "listing", "reason": why});
                    self.line(out, Kind::Poll, poll.at, None, rest);
                    self.not_indexed = Some(why.clone());
                }
                return;
            }
            _ => {}
        }
        let stand: Stand = poll
            .outcome
            .as_ref()
            .map(|reading| (reading.found(), standing(reading)))
            .map_err(|trouble| trouble.kind);
        if self.polls.get(&poll.source) == Some(&stand) {
            return;
        }
        let (source, subject) = (poll.source.name(), poll.source.about().map(Name::raw));
        let mut rest = json!({ "source": source });
        if let (Some(subject), Some(rest)) = (subject, rest.as_object_mut()) {
            rest.insert("subject".to_owned(), subject.into());
        }
        let more = match &poll.outcome {
            Ok(Reading::Standing(standing)) => json!({"state": "ok", "expires": standing.expires.map(iso),
                "clock_skew_ms": standing.skew}),
            Ok(Reading::Indexed(index)) => json!({"state": "ok", "count": index.total, "indexed": {
                "shown": index.things.len(), "more": index.cut, "in_alarm": index.in_alarm,
                "connected": index.connected, "disconnected": index.disconnected}}),
            Ok(_) => json!({"state": "ok", "count": stand.ok().and_then(|(count, _)| count)}),
            Err(trouble) => json!({
                "state": kind_word(trouble.kind),
                "reason": trouble.message,
                "missing_action": trouble.missing_action,
                // What is still shown is as old as this; nothing was ever read without it.
                "known_since": self.fleet.polls().find(|(id, _)| **id == poll.source)
                    .and_then(|(_, state)| state.last_ok).map(iso),
                "next_at": poll.next_at.map(iso),
            }),
        };
        if let (Some(rest), Value::Object(more)) = (rest.as_object_mut(), more) {
            rest.extend(more);
        }
        self.line(out, Kind::Poll, poll.at, None, rest);
        self.polls.insert(poll.source.clone(), stand);
    }

    fn messages(&self, out: &mut Vec<String>, batch: &Batch) {
        let owner = |id: u32| {
            let topic = self.fleet.topic(id)?;
            let device = topic.device().map(|id| self.fleet.device(id)).filter(|d| !d.is_unattributed());
            Some((topic, device.map(|d| d.name().raw())))
        };
        for message in &batch.messages {
            let Some((topic, thing)) = owner(message.topic).filter(|(topic, _)| topic.is_telemetry()) else {
                continue;
            };
            let mut rest = json!({"topic": topic.text(), "bytes": message.len});
            if let (true, Some(payload), Some(rest)) = (self.payload, &message.payload, rest.as_object_mut())
            {
                match std::str::from_utf8(payload) {
                    Ok(text) => rest.insert("payload".to_owned(), text.into()),
                    Err(_) => rest.insert(
                        "payload_base64".to_owned(),
                        base64::engine::general_purpose::STANDARD.encode(payload).into(),
                    ),
                };
            }
            self.line(out, Kind::Telemetry, message.at, thing, rest);
        }
        for counted in &batch.counted {
            let Some((topic, thing)) = owner(counted.topic) else { continue };
            let rest = json!({"reason": "merged", "topic": topic.text(), "messages": counted.count, "bytes": counted.bytes});
            self.line(out, Kind::Gap, counted.at, thing, rest);
        }
    }

    fn notice(&self, out: &mut Vec<String>, notice: &Notice) {
        match notice {
            Notice::ShadowDelta { thing, shadow, version, state, at } => {
                let rest = json!({"shadow": shadow, "version": version, "state": state});
                self.line(out, Kind::ShadowDelta, *at, Some(thing.raw()), rest);
            }
            Notice::Presence { client, kind, reason, principal, version, at, address, session, .. } => {
                let event = match kind {
                    PresenceKind::Connected => "connected",
                    PresenceKind::Disconnected => "disconnected",
                    PresenceKind::ConnectFailed => "connect_failed",
                };
                let rest = json!({"client": client.raw(), "event": event, "reason": reason,
                    "principal": principal, "version": version, "address": address, "session": session});
                self.line(out, Kind::Presence, *at, Some(client.raw()), rest);
            }
            Notice::JobEvent { job, thing, status, at } => {
                let rest = json!({"job": job.raw(), "status": status});
                self.line(out, Kind::Job, *at, thing.as_ref().map(|t| t.raw()), rest);
            }
            Notice::JobsChanged { thing, at } => {
                self.line(out, Kind::Job, *at, Some(thing.raw()), json!({"status": "CHANGED"}));
            }
            _ => {}
        }
    }

    fn link(&self, out: &mut Vec<String>, event: &LinkEvent) {
        match event {
            LinkEvent::Connecting { at } => {
                self.line(out, Kind::Link, *at, None, json!({"state": "connecting"}));
            }
            LinkEvent::Up { at, client_id, filters } => {
                if let Some((lost, None)) = self.fleet.watch().gaps().last() {
                    let rest =
                        json!({"reason": "not connected", "since": iso(lost), "milliseconds": at - lost});
                    self.line(out, Kind::Gap, *at, None, rest);
                }
                let rest = json!({"state": "up", "client": client_id, "filters": filters});
                self.line(out, Kind::Link, *at, None, rest);
            }
            LinkEvent::Focus { at, things, wanted, .. } => {
                let rest = match things {
                    Some(things) => json!({"state": "focused", "things": things.len(), "wanted": wanted}),
                    None => json!({"state": "focused", "things": "all"}),
                };
                self.line(out, Kind::Link, *at, None, rest);
            }
            LinkEvent::FilterRefused { at, filter, why } => {
                let rest = json!({"state": "filter_refused", "filter": filter, "reason": why});
                self.line(out, Kind::Link, *at, None, rest);
            }
            LinkEvent::Answered { .. } => {}
            LinkEvent::Unanswered { at, asked, .. } => {
                let reason =
                    "the broker was asked and does not answer: what is not heard now may have been said";
                let rest = json!({"state": "suspect", "since": iso(*asked), "reason": reason});
                self.line(out, Kind::Link, *at, None, rest);
            }
            LinkEvent::Down { at, reason, retry_at } => {
                let rest = json!({"state": "down", "reason": reason, "retry_at": retry_at.map(iso)});
                self.line(out, Kind::Link, *at, None, rest);
            }
        }
    }
}

/// Credentials and clock; a clock that drifts by seconds is no news.
fn standing(reading: &Reading) -> Option<Standing> {
    match reading {
        Reading::Standing(standing) => Some(Standing { skew: standing.skew / 30_000, ..*standing }),
        _ => None,
    }
}

fn kind_word(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::Denied => "denied",
        TroubleKind::Throttled => "throttled",
        TroubleKind::Refused => "not_offered",
        TroubleKind::Unreachable => "unreachable",
        TroubleKind::Credentials => "credentials",
        TroubleKind::Unsaid => "unsaid",
        TroubleKind::Failed => "failed",
    }
}
