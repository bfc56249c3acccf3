//! One read each: a table for people, `--json` for programs with AWS's member names.

use std::future::Future;

use clap::Args;
use serde_json::{Value, json};

use crate::cloud::{Aws, denial, now_ms, read};
use crate::config::{self, Environment, Settings};
use crate::response::shared;
use quell_fleet::event::{Event, Poll, Reading};
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::{JobRecord, Name, ThingRecord, Violation};
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, SourceId};

use super::output::{ascii_json, iso, lines, seconds, table};
use super::{Common, exit};

/// Flags of a read.
#[derive(Args, Debug)]
pub struct ReadArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

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
    let settings = match config::load(common, &Environment::of_process()) {
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
            let mut out = std::io::stdout().lock();
            lines(&mut out, if as_json { vec![ascii_json(&json)] } else { people })?;
            Ok(exit::DONE)
        }
        Err(trouble) => complain(&sentence(&trouble)),
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
/// listens here: what only a stream can tell is unknown.
pub(super) fn things(args: &ReadArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    one(common, args.json, |aws| async move {
        let list = read::things(&aws).await?;
        let fleet = Box::pin(known(&aws, &settings, &list)).await;
        let json = list
            .iter()
            .map(|t| {
                let mut thing = json!({"thingName": t.name.raw(), "thingTypeName": t.thing_type});
                let facets = fleet.find(t.name.raw()).map(|id| fleet.facets_json(id));
                if let (Some(Value::Object(facets)), Some(thing)) = (facets, thing.as_object_mut()) {
                    thing.extend(facets);
                }
                thing
            })
            .collect::<Vec<_>>();
        let word =
            |t: &ThingRecord| fleet.find(t.name.raw()).map_or("UNKNOWN", |id| fleet.device(id).word().text());
        let rows: Vec<_> = list
            .iter()
            .map(|t| vec![t.name.shown().clone(), or_dash(t.thing_type.clone()), word(t).into()])
            .collect();
        Ok((json!({ "things": json }), table(&["THING", "TYPE", "STATE"], &rows)))
    })
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
    for source in fleet.take_wanted() {
        if let SourceId::Certificates(thing) = &source {
            let list = read::certificates(aws, thing.raw()).await;
            let list = list.map(|list| Reading::Certificates(thing.clone(), list));
            learn(&mut fleet, source, list);
        }
    }
    if let Ok(we) = read::caller_identity(aws).await {
        let place = shared::Place { account: we.account.to_string(), region: we.region.to_string() };
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
                let value = v.value.as_ref().and_then(|v| serde_json::to_string(v).ok()).unwrap_or_default();
                vec![
                    v.thing.shown().clone(),
                    v.profile.clone(),
                    SafeText::new(&v.behavior.name),
                    SafeText::new(&value),
                    SafeText::new(&iso(v.started)),
                ]
            })
            .collect();
        let people = table(&["THING", "PROFILE", "BEHAVIOR", "LAST VALUE", "SINCE"], &rows);
        Ok((json!({ "activeViolations": json }), people))
    })
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
        let people = table(&["JOB", "STATUS", "TARGETS", "DONE", "FAILED", "OPEN", "CREATED"], &rows);
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

fn job_row(job: &JobRecord) -> Vec<SafeText> {
    let number = |n: Option<u32>| n.map_or_else(|| "-".into(), |n| SafeText::from(n.to_string()));
    let targets: Vec<&str> = job.targets.iter().map(SafeText::as_str).collect();
    vec![
        job.id.shown().clone(),
        job.status.clone(),
        SafeText::new(&targets.join(", ")),
        number(job.counts.map(|c| c.succeeded)),
        number(job.counts.map(|c| c.failed + c.rejected + c.timed_out)),
        number(job.counts.map(|c| c.queued + c.in_progress)),
        or_dash(job.created.map(|at| SafeText::from(iso(at)))),
    ]
}
