//! One read each: a table for people, `--json` for programs with AWS's member names.

use std::future::Future;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cloud::{Aws, denial, index, now_ms, read};
use crate::config::{self, Environment, Settings};
use crate::console::words;
use crate::response::shared;
use quell_fleet::event::{Event, Poll, Reading};
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::{JobRecord, Name, ThingRecord, Violation};
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Ms, SourceId};
use quell_rules::detect::model::MetricValue;

use super::output::{ascii_json, iso, lines, seconds, table};
use super::source::Source;
use super::{Common, exit};

/// Flags of a read.
#[derive(Args, Debug)]
pub struct ReadArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Flags of `quell things`.
#[derive(Args, Debug)]
pub struct ThingsArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Listen so long first, to tell when each was heard last: 15s, 2m
    #[arg(long = "for", value_name = "DURATION", value_parser = super::output::duration)]
    pub length: Option<Duration>,
}

/// Of so many things groups and certificates are read one by one.
const DETAILED: usize = 200;
/// Reads under way at once; the budget says how many a second.
const AT_ONCE: usize = 8;

/// Flags of `quell shadow`.
#[derive(Args, Debug)]
pub struct ShadowArgs {
    /// The thing
    pub thing: String,
    /// A named shadow; the classic one without it
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// A result in both forms.
pub(super) type Both = (Value, Vec<String>);

/// Connects, reads, prints.
pub(super) fn one<F, Fut>(common: &Common, as_json: bool, ask: F) -> color_eyre::Result<u8>
where
    F: FnOnce(Aws) -> Fut,
    Fut: Future<Output = Result<Both, Trouble>>,
{
    let env = Environment::of_process();
    let settings = match config::load(common, &env) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    if !settings.aws {
        return usage("this command reads from AWS: leave --no-aws off");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(Box::pin(async { ask(Aws::connect(&settings).await?).await }));
    match outcome {
        Ok((json, people)) => {
            // A head without a line below says neither that there is nothing nor that it was looked for.
            if !as_json && people.len() < 2 && json.as_object().is_some_and(is_empty) {
                lines(&mut std::io::stderr().lock(), ["quell: none, read just now".to_owned()])?;
                return Ok(exit::DONE);
            }
            let mut out = std::io::stdout().lock();
            lines(&mut out, if as_json { vec![ascii_json(&json)] } else { people })?;
            Ok(exit::DONE)
        }
        Err(trouble) => {
            let place = asked_where(&trouble, &settings, common, &env);
            complain(&format!("{}{place}", sentence(&trouble)))?;
            Ok(code(&trouble))
        }
    }
}

/// True of a result that is an empty list.
fn is_empty(result: &serde_json::Map<String, Value>) -> bool {
    result.values().all(|value| value.as_array().is_some_and(Vec::is_empty))
}

/// Where nobody answered, and what said to ask there; nothing where AWS answered.
pub(super) fn asked_where(
    trouble: &Trouble,
    settings: &Settings,
    common: &Common,
    env: &Environment,
) -> String {
    if trouble.kind != TroubleKind::Unreachable {
        return String::new();
    }
    match &settings.endpoint_url {
        Some(url) => {
            let from = config::place("endpoint-url", common, env);
            format!(" ({}, from {from})", SafeText::new(url))
        }
        None => match config::region(settings, env) {
            Some(region) => format!(" (AWS IoT in {})", SafeText::new(&region)),
            None => String::new(),
        },
    }
}

/// What was asked for is not there.
fn none(message: &str) -> Trouble {
    let since = jiff::Timestamp::now().as_millisecond();
    Trouble { kind: TroubleKind::Failed, message: SafeText::new(message), missing_action: None, since }
}

/// A failure in one line, with the permission that would mend it.
pub(super) fn sentence(trouble: &Trouble) -> String {
    match &trouble.missing_action {
        Some(action) => format!("{} (missing permission: {action})", trouble.message),
        None => trouble.message.to_string(),
    }
}

/// The code that a command ends with which could not reach what it is about: nothing was changed; and where nobody said where
/// to ask, it was used wrongly.
pub(super) fn code(trouble: &Trouble) -> u8 {
    if trouble.kind == TroubleKind::Unsaid { exit::USAGE } else { exit::FAILED }
}

/// The same where a command ends with a report.
#[derive(Debug)]
pub(super) struct Unreached {
    text: String,
    /// What the command ends with.
    pub(super) code: u8,
}

impl std::fmt::Display for Unreached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Unreached {}

impl From<&Trouble> for Unreached {
    fn from(trouble: &Trouble) -> Self {
        Self { text: sentence(trouble), code: code(trouble) }
    }
}

pub(super) fn usage(message: &str) -> color_eyre::Result<u8> {
    complain(message).map(|_| exit::USAGE)
}

pub(super) fn complain(message: &str) -> color_eyre::Result<u8> {
    lines(&mut std::io::stderr().lock(), [format!("quell: {message}")])?;
    Ok(exit::FAILED)
}

fn or_dash(text: Option<SafeText>) -> SafeText {
    text.filter(|t| !t.is_empty()).unwrap_or_else(|| "-".into())
}

/// `quell things`: the registry, and of each thing the word and the four answers as far as reads and the journal tell. Nobody
/// listens here unless that is asked for: what only a stream can tell is unknown.
pub(super) fn things(args: &ThingsArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    let length = args.length;
    one(common, args.json, |aws| async move {
        let list = read::things(&aws).await?;
        let mut fleet = Box::pin(known(&aws, &settings, &list)).await;
        if let Some(length) = length {
            Box::pin(listen(&mut fleet, &settings, length)).await?;
        }
        let now = now_ms();
        let rows: Vec<_> = list.iter().map(|thing| thing_row(&fleet, thing, now)).collect();
        let json: Vec<_> = list.iter().map(|thing| thing_json(&fleet, thing)).collect();
        if !list.is_empty() {
            told_besides(&list, length.is_some());
        }
        let head = ["THING", "STATE", "CONNECTION", "LAST HEARD", "GROUPS", "CERTIFICATE", "TYPE"];
        Ok((json!({ "things": json }), table(head, &rows)))
    })
}

/// What a table of things leaves out, on stderr.
fn told_besides(list: &[ThingRecord], listened: bool) {
    let mut said = Vec::new();
    if !listened {
        said.push(
            "quell: nobody listened: what was heard last is unknown; --for 15s listens first".to_owned(),
        );
    }
    if list.len() > DETAILED {
        said.push(format!("quell: groups and certificates were read of the first {DETAILED} things"));
    }
    // Nothing is lost where it cannot be said.
    let _ = lines(&mut std::io::stderr().lock(), said);
}

/// Listens for so long, and reads what the polls read meanwhile.
async fn listen(fleet: &mut Fleet, settings: &Settings, length: Duration) -> Result<(), Trouble> {
    let (sender, mut events) = mpsc::channel(64);
    let source = Source::open(settings, &sender).await?;
    drop(sender);
    let end = tokio::time::Instant::now() + length;
    while let Ok(Some(event)) = tokio::time::timeout_at(end, events.recv()).await {
        fleet.apply(event, now_ms());
        if let Some(polls) = &source.polls {
            fleet.take_wanted().into_iter().for_each(|source| polls.now(source));
        }
    }
    fleet.tick(now_ms());
    Ok(())
}

fn thing_row(fleet: &Fleet, thing: &ThingRecord, now: Ms) -> [SafeText; 7] {
    let device = fleet.find(thing.name.raw()).map(|id| fleet.device(id));
    let dash = || SafeText::from("-");
    let connection = match device.and_then(|d| d.connected()) {
        Some(true) => "connected",
        Some(false) => "disconnected",
        None => "unknown",
    };
    let heard = device.and_then(|d| d.last_seen()).map_or_else(dash, |at| words::ago(now - at).into());
    let groups = device.and_then(|d| d.groups().get()).map_or_else(dash, |groups| {
        let names: Vec<&str> = groups.iter().map(|group| group.shown().as_str()).collect();
        if names.is_empty() { "none".into() } else { SafeText::new(&names.join(", ")) }
    });
    let certificates = device.and_then(|d| d.certificates().get()).map_or_else(dash, |certificates| {
        let each = certificates.iter().map(|c| format!("{} {}", c.id.get(..8).unwrap_or(&c.id), c.status));
        let all: Vec<String> = each.collect();
        if all.is_empty() { "none".into() } else { SafeText::new(&all.join(", ")) }
    });
    [
        thing.name.shown().clone(),
        device.map_or("UNKNOWN", |d| d.word().text()).into(),
        connection.into(),
        heard,
        groups,
        certificates,
        or_dash(thing.thing_type.clone()),
    ]
}

fn thing_json(fleet: &Fleet, thing: &ThingRecord) -> Value {
    let mut told = json!({"thingName": thing.name.raw(), "thingTypeName": thing.thing_type});
    let Some(id) = fleet.find(thing.name.raw()) else { return told };
    let device = fleet.device(id);
    let groups = device.groups().get().map(|groups| groups.iter().map(|g| g.raw()).collect::<Vec<_>>());
    let certificates = device.certificates().get().map(|certificates| {
        let each = certificates.iter().map(|c| json!({"certificateId": c.id, "status": c.status}));
        each.collect::<Vec<_>>()
    });
    let more = json!({"thingGroupNames": groups, "certificates": certificates, "connected": device.connected(),
        "lastHeard": device.last_seen().map(iso)});
    for part in [fleet.facets_json(id), more] {
        if let (Value::Object(part), Some(told)) = (part, told.as_object_mut()) {
            told.extend(part);
        }
    }
    told
}

/// What single reads tell of the things: their violations, who is in an isolation group and whether that denies, and how far
/// responses of this journal came. What cannot be read is unknown, and says why.
async fn known(aws: &Aws, settings: &Settings, things: &[ThingRecord]) -> Fleet {
    let mut fleet = Fleet::new(settings.limits());
    let learn = |fleet: &mut Fleet, source, outcome| {
        let at = now_ms();
        fleet.apply(Event::Poll(Poll { source, generation: 1, at, outcome, next_at: None }), at);
    };
    learn(&mut fleet, SourceId::Things, Ok(Reading::Things(things.to_vec())));
    let violations = read::active_violations(aws, None).await.map(Reading::Violations);
    learn(&mut fleet, SourceId::Violations, violations);
    for group in settings.quarantine_groups() {
        let name = Name::new(group);
        let members = read::members(aws, group, false).await.map(|list| Reading::Members(name.clone(), list));
        learn(&mut fleet, SourceId::Members(name.clone()), members);
        let denial = denial::of_group(aws, group).await.map(|by| Reading::Denial(name.clone(), by));
        learn(&mut fleet, SourceId::Denial(name), denial);
    }
    // The index tells groups and connections of many things in one call, where it is on.
    if let Ok(found) = index::first_things(aws).await {
        learn(&mut fleet, SourceId::Search(Name::new("thingName:*")), Ok(Reading::Found(found)));
    }
    for some in things.chunks(AT_ONCE).take(DETAILED / AT_ONCE) {
        let certificates = join_all(some.iter().map(|thing| read::certificates(aws, thing.name.raw())));
        let groups = join_all(some.iter().map(|thing| read::groups_of(aws, thing.name.raw())));
        let (certificates, groups) = tokio::join!(certificates, groups);
        for ((thing, certificates), groups) in some.iter().zip(certificates).zip(groups) {
            let name = || thing.name.clone();
            let certificates = certificates.map(|list| Reading::Certificates(name(), list));
            learn(&mut fleet, SourceId::Certificates(name()), certificates);
            learn(&mut fleet, SourceId::GroupsOf(name()), groups.map(|list| Reading::GroupsOf(name(), list)));
        }
    }
    if let Ok(we) = read::caller_identity(aws).await {
        let place = shared::Place {
            account: we.account.to_string(),
            region: we.region.to_string(),
            since: settings.account_since,
        };
        for step in shared::told(&settings.journal, place, now_ms()).unwrap_or_default() {
            fleet.apply(Event::Response(step), now_ms());
        }
    }
    fleet
}

/// `quell violations`.
pub(super) fn violations(args: &ReadArgs, common: &Common) -> color_eyre::Result<u8> {
    one(common, args.json, |clients| async move {
        let list = read::active_violations(&clients, None).await?;
        let json: Vec<_> = list.iter().map(violation_json).collect();
        let rows: Vec<_> = list
            .iter()
            .map(|v| {
                let value = last_value(v.value.as_ref());
                [
                    v.thing.shown().clone(),
                    v.profile.clone(),
                    SafeText::new(&v.behavior.name),
                    SafeText::new(&value),
                    SafeText::new(&iso(v.started)),
                ]
            })
            .collect();
        let people = table(["THING", "PROFILE", "BEHAVIOR", "LAST VALUE", "SINCE"], &rows);
        Ok((json!({ "activeViolations": json }), people))
    })
}

/// What was measured last, for people: a number as it is, a list of ports or addresses as AWS writes it.
fn last_value(value: Option<&MetricValue>) -> String {
    match value {
        Some(MetricValue { count: Some(count), .. }) => count.to_string(),
        Some(MetricValue { number: Some(number), .. }) => number.to_string(),
        Some(other) => serde_json::to_string(other).unwrap_or_default(),
        None => "-".to_owned(),
    }
}

/// A violation with AWS's member names.
pub(super) fn violation_json(v: &Violation) -> Value {
    json!({
        "violationId": v.id,
        "thingName": v.thing.raw(),
        "securityProfileName": v.profile,
        "behavior": v.behavior,
        "lastViolationValue": v.value,
        "verificationState": v.verification,
        "violationStartTime": seconds(v.started),
        "lastViolationTime": seconds(v.last),
    })
}

/// `quell shadow THING`.
pub(super) fn shadow(args: &ShadowArgs, common: &Common) -> color_eyre::Result<u8> {
    let (thing, name) = (args.thing.clone(), args.name.clone());
    one(common, args.json, |clients| async move {
        let Some(found) = read::shadow(&clients, &thing, name.as_deref()).await? else {
            let which = name.as_ref().map_or("shadow".to_owned(), |name| format!("shadow called {name}"));
            return Err(none(&format!("{thing} has no {which}, or there is no such thing")));
        };
        let mut state = serde_json::Map::new();
        for (key, value) in [("desired", found.desired), ("reported", found.reported), ("delta", found.delta)]
        {
            if !value.is_null() {
                state.insert(key.to_owned(), value);
            }
        }
        let json = json!({"state": state, "metadata": found.metadata, "version": found.version});
        let pretty = serde_json::to_string_pretty(&json!({"state": state, "version": found.version}));
        let people = pretty.unwrap_or_default().lines().map(|l| SafeText::new(l).to_string()).collect();
        Ok((json, people))
    })
}

/// `quell jobs`.
pub(super) fn jobs(args: &ReadArgs, common: &Common) -> color_eyre::Result<u8> {
    one(common, args.json, |clients| async move {
        let mut list = read::jobs(&clients).await?;
        for job in &mut list {
            if let Some(detail) = read::job(&clients, job.id.raw()).await? {
                *job = detail;
            }
        }
        let json: Vec<_> = list.iter().map(job_json).collect();
        let rows: Vec<_> = list.iter().map(job_row).collect();
        let people = table(["JOB", "STATUS", "TARGETS", "DONE", "FAILED", "OPEN", "CREATED"], &rows);
        Ok((json!({ "jobs": json }), people))
    })
}

fn job_json(job: &JobRecord) -> Value {
    let details = job.counts.map(|c| {
        json!({
            "numberOfQueuedThings": c.queued, "numberOfInProgressThings": c.in_progress,
            "numberOfSucceededThings": c.succeeded, "numberOfFailedThings": c.failed,
            "numberOfRejectedThings": c.rejected, "numberOfTimedOutThings": c.timed_out,
            "numberOfCanceledThings": c.canceled, "numberOfRemovedThings": c.removed,
        })
    });
    json!({
        "jobId": job.id.raw(),
        "status": job.status,
        "targetSelection": if job.continuous { "CONTINUOUS" } else { "SNAPSHOT" },
        "targets": job.targets,
        "description": job.description,
        "createdAt": job.created.map(seconds),
        "lastUpdatedAt": job.updated.map(seconds),
        "jobProcessDetails": details,
    })
}

fn job_row(job: &JobRecord) -> [SafeText; 7] {
    let number = |n: Option<u32>| n.map_or_else(|| "-".into(), |n| SafeText::from(n.to_string()));
    let targets: Vec<&str> = job.targets.iter().map(SafeText::as_str).collect();
    [
        job.id.shown().clone(),
        job.status.clone(),
        SafeText::new(&targets.join(", ")),
        number(job.counts.map(|c| c.succeeded)),
        number(job.counts.map(|c| c.failed + c.rejected + c.timed_out)),
        number(job.counts.map(|c| c.queued + c.in_progress)),
        or_dash(job.created.map(|at| SafeText::from(iso(at)))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_told_as_a_number() {
        assert_eq!(last_value(Some(&MetricValue { count: Some(3000), ..MetricValue::default() })), "3000");
        assert_eq!(last_value(Some(&MetricValue { number: Some(-1.5), ..MetricValue::default() })), "-1.5");
        let ports = MetricValue { ports: Some(vec![22, 4444]), ..MetricValue::default() };
        assert_eq!(last_value(Some(&ports)), r#"{"ports":[22,4444]}"#);
        assert_eq!(last_value(None), "-");
    }
}
