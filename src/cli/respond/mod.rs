//! `quell respond`: answers Device Defender's alerts, from stdin, over HTTP, or as it polls them itself.

pub(super) mod answer;
pub(super) mod crew;
mod serve;

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cloud;
use crate::config::{AlertKind, Severity};
use crate::console::event_loop::Ends;
use crate::response::alert::envelope::{MOST, parse};
use crate::response::alert::{Alert, AlertRules};

use super::respond_cmds::{runtime, settings};
use super::{Common, exit, output};
use answer::{Answered, Answerer, How};

/// Arguments of `quell respond`.
#[derive(Args, Debug)]
pub struct RespondArgs {
    /// Act; without it, only what would be done is said
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Say what would be done (the default)
    #[arg(long)]
    pub dry_run: bool,
    /// One JSON document, or with --listen and --poll one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Which alert leads to what (TOML); without it every alarm isolates
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Take SNS's notifications over HTTP here; subscriptions are confirmed
    #[arg(long, value_name = "ADDR", conflicts_with = "poll")]
    pub listen: Option<SocketAddr>,
    /// Believe these topics only; without it, those of this account (repeatable)
    #[arg(long = "topic-arn", value_name = "ARN")]
    pub topic_arns: Vec<String>,
    /// Ask AWS for violations instead of waiting to be told
    #[arg(long)]
    pub poll: bool,
    /// The isolation group instead of the configured one
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Believe notifications on stdin whose signature cannot be checked
    #[arg(long)]
    pub no_signature_check: bool,
    /// Give up waiting for a proof after so long, e.g. 90s, 5m
    #[arg(long, value_name = "DURATION", value_parser = output::duration)]
    pub timeout: Option<Duration>,
}

pub(super) fn run(args: &RespondArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match settings(common) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let rules = match &args.rules {
        None => AlertRules::default(),
        Some(file) => {
            let read = std::fs::read_to_string(file).map_err(|e| e.to_string());
            match read.and_then(|text| AlertRules::parse(&text)) {
                Ok(rules) => rules,
                Err(error) => {
                    use std::io::Write as _;
                    let _ = writeln!(io::stderr(), "quell: {}: {error}", file.display());
                    return Ok(exit::USAGE);
                }
            }
        }
    };
    // Read before anything is connected: garbage must not even reach AWS.
    let stdin = if args.listen.is_none() && !args.poll {
        let mut text = Vec::new();
        io::stdin().lock().take(MOST as u64 + 1).read_to_end(&mut text)?;
        let parsed = String::from_utf8(text).map_err(|_| "this is no UTF-8".to_owned());
        match parsed.and_then(|text| parse(&text)) {
            Ok(messages) => Some(messages),
            Err(why) => {
                tell(args, &[Answered::ignored(None, &why, exit::FAILED)], true);
                return Ok(exit::FAILED);
            }
        }
    } else {
        None
    };
    let how = How {
        acts: args.yes && !args.dry_run,
        checks_stdin: !args.no_signature_check,
        topics: args.topic_arns.clone(),
        group: args.group.clone(),
        timeout: args.timeout,
    };
    runtime()?.block_on(async {
        let answerer = Arc::new(Box::pin(Answerer::open(&settings, rules, how)).await?);
        let (mut ends, told) = (Ends::new()?, Arc::clone(&answerer));
        tokio::spawn(async move {
            let signal = ends.any().await;
            tracing::info!(signal, "ending");
            told.stop();
        });
        if let Some(address) = args.listen {
            return Box::pin(serve::run(&answerer, address, args)).await;
        }
        if args.poll {
            return Box::pin(poll(&answerer, args, settings.scaled(settings.polls.alarm))).await;
        }
        let mut answers = Vec::new();
        for message in stdin.unwrap_or_default() {
            if answerer.is_stopping() {
                break;
            }
            answers.push(Box::pin(answerer.message(&message, false)).await);
        }
        tell(args, &answers, true);
        if answerer.is_stopping() {
            return Ok(exit::INTERRUPTED);
        }
        Ok(answers.iter().map(|a| a.code).max_by_key(|c| severity(*c)).unwrap_or(exit::FAILED))
    })
}

/// Which of several exit codes tells most.
fn severity(code: u8) -> u8 {
    match code {
        exit::DONE => 0,
        exit::UNPROVEN => 1,
        exit::FAILED => 2,
        exit::PARTLY => 3,
        exit::REFUSED => 4,
        _ => 5,
    }
}

/// Says what became of alerts: one document, or one line each. A line that cannot be written keeps no alert from being
/// answered.
fn tell(args: &RespondArgs, answers: &[Answered], whole: bool) {
    if !args.json {
        return output::result(&answers.iter().map(Answered::line).collect::<String>());
    }
    let all: Vec<Value> = answers.iter().map(Answered::json).collect();
    if whole {
        return output::result(&format!("{:#}\n", json!({ "alerts": all })));
    }
    output::result(&all.iter().map(|a| format!("{}\n", output::ascii_json(a))).collect::<String>());
}

/// Takes each violation as it is first seen for an alarm.
async fn poll(answerer: &Answerer, args: &RespondArgs, every: Duration) -> color_eyre::Result<u8> {
    let mut tick = tokio::time::interval(every.max(Duration::from_secs(1)));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen: Vec<String> = Vec::new();
    // What failed is tried again at each poll; people are told of it once, and once of its end.
    let mut failed: HashMap<String, &'static str> = HashMap::new();
    let mut unread = false;
    loop {
        tokio::select! {
            biased;
            () = answerer.stopped() => return Ok(exit::INTERRUPTED),
            _ = tick.tick() => {}
        }
        let found = tokio::select! {
            () = answerer.stopped() => return Ok(exit::INTERRUPTED),
            found = Box::pin(cloud::read::active_violations(answerer.clients(), None)) => found,
        };
        let found = match found {
            Ok(found) => {
                if std::mem::take(&mut unread) {
                    answerer.people("violations can be read again").await;
                }
                found
            }
            Err(trouble) => {
                tracing::warn!(message = %trouble.message, "violations could not be read");
                if !std::mem::replace(&mut unread, true) {
                    let why = format!("violations cannot be read, and are not answered: {}", trouble.message);
                    answerer.people(&why).await;
                }
                continue;
            }
        };
        for violation in &found {
            if seen.contains(&violation.id) {
                continue;
            }
            let alert = Alert {
                thing: violation.thing.raw().to_owned(),
                event: "in-alarm".to_owned(),
                violation: violation.id.clone(),
                profile: violation.profile.as_str().to_owned(),
                behavior: violation.behavior.name.to_string(),
                metric: None,
                at: Some(violation.started),
                value: None,
                kind: AlertKind::Alarm,
                severity: Severity::High,
            };
            let before = failed.remove(&violation.id);
            let answered = Box::pin(answerer.alert(&alert, "", before)).await;
            // What failed is tried again at the next poll.
            if answered.code == exit::FAILED {
                failed.insert(violation.id.clone(), answered.result().0);
            } else {
                seen.push(violation.id.clone());
            }
            tell(args, &[answered], false);
            if answerer.is_stopping() {
                return Ok(exit::INTERRUPTED);
            }
        }
        seen.retain(|id| found.iter().any(|v| v.id == *id));
        failed.retain(|id, _| found.iter().any(|v| v.id == *id));
    }
}
