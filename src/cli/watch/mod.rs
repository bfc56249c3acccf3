//! `quell watch`: the live data without a screen, one JSON object a line.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::cloud;
use crate::config::{self, Environment, Settings};
use crate::response::shared;
use quell_fleet::Fleet;

use super::output::lines;
use super::reads::{asked_where, code, sentence, usage};
use super::source::Source;
use super::{Common, exit};

mod losses;
mod made;

use made::Watch;

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
    /// A read of AWS began to fail, began to work, or found another number
    Poll,
    /// A device's word changed; with the four answers it is made of
    State,
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
    #[arg(long = "for", value_name = "DURATION", value_parser = super::output::duration)]
    pub length: Option<Duration>,
    /// End after this many lines
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// Runs until a limit, an interrupt, or the reader is gone.
pub(super) fn run(args: &WatchArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    // No line is asked for: nobody is connected to.
    if args.count == Some(0) {
        return Ok(exit::DONE);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(watch(args, &settings, common)))
}

async fn watch(args: &WatchArgs, settings: &Settings, common: &Common) -> color_eyre::Result<u8> {
    // Before anything that takes time: a signal must find somebody listening, also between two looks.
    let mut signals = Signals::new()?;
    let (sender, mut events) = mpsc::channel(64);
    let opened = tokio::select! {
        opened = Source::open(settings, &sender) => opened,
        () = signals.any() => return Ok(exit::INTERRUPTED),
    };
    let source = match opened {
        Ok(source) => source,
        Err(trouble) => {
            let env = Environment::of_process();
            let place = asked_where(&trouble, settings, common, &env);
            lines(&mut std::io::stderr().lock(), [format!("quell: {}{place}", sentence(&trouble))])?;
            return Ok(code(&trouble));
        }
    };
    if let Some(aws) = &source.clients {
        tokio::spawn(shared::colleagues(aws.clone(), settings.clone(), sender.clone(), None));
    }
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
            () = signals.any() => return Ok(exit::INTERRUPTED),
            () = async { match deadline { Some(at) => tokio::time::sleep_until(at).await, None => never.await } } => {
                return Ok(exit::DONE);
            }
        };
        let now = cloud::now_ms();
        let mut found = match event {
            Some(event) => watch.event(event, now),
            None => watch.tick(now),
        };
        if let Some(polls) = &source.polls {
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

/// The signals that end it.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
