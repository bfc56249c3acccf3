//! `quell watch`: the live data without a screen, one JSON object a line.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cloud::{self, Clients};
use crate::config::{self, Environment, Settings};
use crate::fleet::event::{Batch, Event, LinkEvent, Notice, PresenceKind, Reading};
use crate::fleet::{DeviceId, Fleet};
use crate::stream;

use super::output::{ascii_json, iso, lines};
use super::reads::{sentence, usage, violation_json};
use super::{Common, exit};

/// Kinds of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// A message of a device
    Telemetry,
    /// A shadow delta
    ShadowDelta,
    /// A client connected, disconnected, or was refused
    Presence,
    /// An active violation that is new
    Violation,
    /// quell's own early warning
    Finding,
    /// A job or one of its executions changed
    Job,
    /// A response moved a device along
    Response,
    /// The MQTT connection changed
    Link,
    /// Something was not seen one by one
    Gap,
}

/// Flags of `quell watch`.
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// Only these kinds of lines
    #[arg(long, value_delimiter = ',', value_name = "TYPE")]
    pub types: Vec<Kind>,
    /// Only this thing (repeatable)
    #[arg(long = "thing", value_name = "NAME")]
    pub things: Vec<String>,
    /// With the payload: as text, or base64 where it is none
    #[arg(long)]
    pub payload: bool,
    /// End after this long: 30s, 5m, 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub length: Option<Duration>,
    /// End after this many lines
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

fn duration(written: &str) -> Result<Duration, String> {
    let digits = written.len() - written.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = written.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("use a number with ms, s, m or h".into()),
    };
    let number: f64 = number.parse().map_err(|_| "use a number with ms, s, m or h".to_owned())?;
    Duration::try_from_secs_f64(number * scale).map_err(|e| e.to_string())
}

/// Runs until a limit, an interrupt, or the reader is gone.
pub(super) fn run(args: &WatchArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(watch(args, &settings)))
}

async fn watch(args: &WatchArgs, settings: &Settings) -> color_eyre::Result<u8> {
    let (sender, mut events) = mpsc::channel(64);
    let clients = if settings.aws {
        match Clients::connect(settings).await {
            Ok(clients) => Some(clients),
            Err(trouble) => {
                lines(&mut std::io::stderr().lock(), [format!("quell: {}", sentence(&trouble))])?;
                return Ok(exit::FAILED);
            }
        }
    } else {
        None
    };
    let _stream = stream::spawn(
        settings,
        clients.as_ref().map(|c| c.credentials.clone()),
        clients.as_ref().map_or("", |c| c.region.as_str()),
        clients.as_ref().and_then(|c| c.mqtt_host.as_deref()),
        sender.clone(),
    );
    let polls = clients.map(|clients| cloud::spawn_polls(clients, settings, sender.clone()));
    drop(sender);
    let mut watch = Watch::new(args, Fleet::new(settings.limits()));
    let deadline = args.length.map(|length| tokio::time::Instant::now() + length);
    let mut out = std::io::stdout().lock();
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let mut written = 0;
    loop {
        let never = std::future::pending::<()>();
        let event = tokio::select! {
            event = events.recv() => match event {
                Some(event) => Some(event),
                None => return Ok(exit::FAILED),
            },
            _ = tick.tick() => None,
            _ = tokio::signal::ctrl_c() => return Ok(exit::INTERRUPTED),
            () = async { match deadline { Some(at) => tokio::time::sleep_until(at).await, None => never.await } } => {
                return Ok(exit::DONE);
            }
        };
        let now = cloud::now_ms();
        let mut found = match event {
            Some(event) => watch.event(event, now),
            None => watch.tick(now),
        };
        if let Some(polls) = &polls {
            watch.fleet.take_wanted().into_iter().for_each(|source| polls.now(source));
        }
        if let Some(most) = args.count {
            found.truncate(usize::try_from(most - written).unwrap_or(usize::MAX));
        }
        written += found.len() as u64;
        if !found.is_empty() && !lines(&mut out, found)? || args.count.is_some_and(|most| written >= most) {
            return Ok(exit::DONE);
        }
    }
}

/// Turns events into lines; keeps a fleet for what only the whole picture tells.
struct Watch {
    fleet: Fleet,
    types: HashSet<Kind>,
    things: HashSet<String>,
    payload: bool,
    violations: HashSet<String>,
    warned: HashSet<DeviceId>,
}

impl Watch {
    fn new(args: &WatchArgs, fleet: Fleet) -> Self {
        Self {
            fleet,
            types: args.types.iter().copied().collect(),
            things: args.things.iter().cloned().collect(),
            payload: args.payload,
            violations: HashSet::new(),
            warned: HashSet::new(),
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

    fn tick(&mut self, now: i64) -> Vec<String> {
        self.fleet.tick(now);
        self.findings(now)
    }

    fn findings(&mut self, now: i64) -> Vec<String> {
        let mut out = Vec::new();
        let mut warned = HashSet::new();
        for (id, device) in self.fleet.devices() {
            let Some(warning) = device.warning() else { continue };
            warned.insert(id);
            if !self.warned.contains(&id) {
                let rest = json!({"finding": "size", "sentence": warning.text, "since": iso(warning.since)});
                self.line(&mut out, Kind::Finding, now, Some(device.name().raw()), rest);
            }
        }
        self.warned = warned;
        out
    }

    fn event(&mut self, event: Event, now: i64) -> Vec<String> {
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
                self.fleet.apply(Event::Batch(batch), now);
            }
            Event::Link(event) => {
                self.link(&mut out, &event);
                self.fleet.apply(Event::Link(event), now);
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
                if let Err(trouble) = &poll.outcome {
                    tracing::warn!(source = ?poll.source, message = %trouble.message, "poll failed");
                }
                self.fleet.apply(Event::Poll(poll), now);
            }
            Event::Response(event) => {
                let rest = json!({ "stage": format!("{:?}", event.stage) });
                self.line(&mut out, Kind::Response, event.at, Some(event.thing.raw()), rest);
                self.fleet.apply(Event::Response(event), now);
            }
        }
        out
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
            Notice::Presence { client, kind, reason, principal, version, at } => {
                let event = match kind {
                    PresenceKind::Connected => "connected",
                    PresenceKind::Disconnected => "disconnected",
                    PresenceKind::ConnectFailed => "connect_failed",
                };
                let rest = json!({"client": client.raw(), "event": event, "reason": reason,
                    "principal": principal, "version": version});
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
            LinkEvent::FilterRefused { at, filter } => {
                self.line(out, Kind::Link, *at, None, json!({"state": "filter_refused", "filter": filter}));
            }
            LinkEvent::Down { at, reason, retry_at } => {
                let rest = json!({"state": "down", "reason": reason, "retry_at": retry_at.map(iso)});
                self.line(out, Kind::Link, *at, None, rest);
            }
        }
    }
}
