//! `quell record`, `quell replay`, `quell report`: a session's events to a file, the same screen from the file, and what
//! happened in it.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cloud;
use crate::config::{self, Environment, Settings};
use crate::console::app::App;
use crate::console::event_loop::{self, Ended};
use crate::response::journal::Journal;
use quell_fleet::Fleet;
use quell_fleet::record::{Header, Player, Recorder, report};

use super::output::lines;
use super::reads::{sentence, usage};
use super::source::Source;
use super::{Common, exit, output};

/// How large a recording grows without being told.
pub(super) const LIMIT: u64 = 256 << 20;

/// Arguments of `quell record`.
#[derive(Args, Debug)]
pub struct RecordArgs {
    /// The file to write; it must not be there yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// With the payloads of messages; without it only their sizes are recorded
    #[arg(long)]
    pub payload: bool,
    /// End after this long: 30s, 5m, 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = super::output::duration)]
    pub length: Option<Duration>,
    /// End at this size, e.g. 64MB
    #[arg(long, value_name = "SIZE", value_parser = config::parse_size, default_value = "256MB")]
    pub max_size: u64,
}

/// Arguments of `quell replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// A recording
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Arguments of `quell report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// A recording
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// One JSON document instead of Markdown
    #[arg(long)]
    pub json: bool,
    /// Another journal than the configured one
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
}

/// The header of a recording made under `settings`.
pub(super) fn header(settings: &Settings, payloads: bool) -> Header {
    Header {
        quell: env!("CARGO_PKG_VERSION").to_owned(),
        began: cloud::now_ms(),
        payloads,
        aws: settings.aws,
        speed: settings.aws_speed,
        badge: settings.badge.clone(),
        limits: (&settings.limits()).into(),
    }
}

fn fail(text: &str) -> color_eyre::Result<u8> {
    writeln!(std::io::stderr(), "quell: {text}")?;
    Ok(exit::FAILED)
}

/// Records until a limit, an interrupt, or the file is full.
pub(super) fn record(args: &RecordArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(recording(args, &settings)))
}

async fn recording(args: &RecordArgs, settings: &Settings) -> color_eyre::Result<u8> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut recorder = match Recorder::create(&args.file, &header(settings, args.payload), args.max_size) {
        Ok(recorder) => recorder,
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            return usage(&format!(
                "{} is there already: a recording is never overwritten",
                args.file.display()
            ));
        }
        Err(e) => return usage(&format!("{}: {e}", args.file.display())),
    };
    let (sender, mut events) = mpsc::channel(64);
    let opened = tokio::select! {
        opened = Source::open(settings, &sender) => opened,
        _ = interrupt.recv() => return Ok(exit::INTERRUPTED),
        _ = terminate.recv() => return Ok(exit::INTERRUPTED),
    };
    let source = match opened {
        Ok(source) => source,
        Err(trouble) => {
            lines(&mut std::io::stderr().lock(), [format!("quell: {}", sentence(&trouble))])?;
            return Ok(super::reads::code(&trouble));
        }
    };
    drop(sender);
    // The fleet says what to read because of what was heard, as a console would.
    let mut fleet = Fleet::new(settings.limits());
    let deadline = args.length.map(|length| tokio::time::Instant::now() + length);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let code = loop {
        let event = tokio::select! {
            event = events.recv() => match event {
                Some(event) => Some(event),
                None => break exit::FAILED,
            },
            _ = tick.tick() => None,
            _ = interrupt.recv() => break exit::INTERRUPTED,
            _ = terminate.recv() => break exit::INTERRUPTED,
            () = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => break exit::DONE,
        };
        let now = cloud::now_ms();
        match event {
            Some(event) => {
                recorder.event(&event, now);
                fleet.apply(event, now);
            }
            None => {
                recorder.tick(now);
                fleet.tick(now);
            }
        }
        if let Some(polls) = &source.polls {
            fleet.take_wanted().into_iter().for_each(|source| polls.now(source));
        }
        if recorder.has_ended() {
            break exit::DONE;
        }
    };
    let full = recorder.is_full();
    match recorder.finish() {
        Ok(bytes) => {
            let why = if full { ": the size it may have is reached" } else { "" };
            let text = format!(
                "{}: {bytes} bytes, {} messages{why}",
                args.file.display(),
                fleet.stream().received()
            );
            lines(&mut std::io::stderr().lock(), [text])?;
            Ok(code)
        }
        Err(e) => fail(&format!("{}: {e}", args.file.display())),
    }
}

/// The console in front of a recording.
pub(super) fn replay(args: &ReplayArgs, common: &Common) -> color_eyre::Result<u8> {
    let mut settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    let player = match Player::open(&args.file) {
        Ok(player) => player,
        Err(e) => return fail(&format!("{}: {e}", args.file.display())),
    };
    settings.aws = player.header().aws;
    settings.aws_speed = player.header().speed;
    settings.read_only = true;
    // A log that cannot be written is done without: the screen comes first.
    let _ = super::log::to(&settings.log, common.verbose);
    let look = match super::console::look(&settings) {
        Ok(look) => look,
        Err(text) => return usage(&text),
    };
    let place = event_loop::Place::from(&settings);
    if !place.linear
        && (!std::io::IsTerminal::is_terminal(&std::io::stdout())
            || !std::io::IsTerminal::is_terminal(&std::io::stdin()))
    {
        return usage("a replay needs a terminal; `quell report` tells what a recording holds");
    }
    let mut app = App::new(look);
    if settings.instructor {
        app.instruct();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(Box::pin(event_loop::replay(app, player, &place)))?;
    Ok(if ended == Ended::Quit { exit::DONE } else { exit::INTERRUPTED })
}

/// What happened in a recording.
pub(super) fn tell(args: &ReportArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    let told = Player::open(&args.file).and_then(|mut player| {
        let journal = args.journal.as_ref().unwrap_or(&settings.journal);
        // A journal that is not there is no journal: nothing was done from this host.
        let mut entries = Vec::new();
        if journal.exists() {
            // Only what was written while it was recorded is told: a journal of years is not held in memory.
            let (from, to) = player.span();
            Journal::open(journal)?.each(|entry| {
                let at = entry.get("at").and_then(serde_json::Value::as_str).unwrap_or_default();
                let at = at.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
                if at.is_ok_and(|at| (from..=to.saturating_add(report::AFTER)).contains(&at)) {
                    entries.push(entry);
                }
            })?;
        }
        report::tell(&mut player, &entries, &mut |_| {})
    });
    let report = match told {
        Ok(report) => report,
        Err(e) => return fail(&format!("{}: {e}", args.file.display())),
    };
    let mut out = std::io::stdout().lock();
    let written =
        if args.json { writeln!(out, "{:#}", report.json()) } else { write!(out, "{}", report.markdown()) };
    output::written(written)?;
    Ok(exit::DONE)
}
