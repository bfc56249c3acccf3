//! `quell drill`: one drill alone, against oneself: a local cloud of one participant, the console in front of it, and the score
//! when the console is left.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use color_eyre::eyre::Result;
use serde_json::json;
use tokio::sync::mpsc;

use crate::config::{self, Environment};
use quell_emulator::drill;
use quell_emulator::scenario;
use quell_emulator::start::{Options, Participant, Running, start};
use quell_fleet::text::SafeText;

use super::debrief::{Standing, timeline};
use super::local::{Signals, speed};
use super::workshop::{begin_all, debrief, join, tempdir};
use super::{Common, console, demo, exit, output};

/// Flags of `quell drill`.
#[derive(Args, Clone, Debug)]
pub struct DrillArgs {
    /// Which one: a name, or a scenario's file with a [drill]; the list of those that ship without it
    #[arg(value_name = "NAME|FILE")]
    pub name: Option<String>,
    /// Divide every duration of AWS, and of the drill, by N
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = speed)]
    pub speed: f64,
    /// What the simulation's random numbers start from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// No console: say how to join, and end when the drill is over
    #[arg(long)]
    pub headless: bool,
    /// Write debrief.md, standings.csv and standings.json into this folder
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
    /// The result, or the list, as JSON
    #[arg(long)]
    pub json: bool,
}

/// Lists the drills, or runs one.
pub(super) fn run(args: &DrillArgs, common: &Common) -> Result<u8> {
    let Some(name) = &args.name else { return list(args.json) };
    if drill::shipped(name).is_none() && !std::path::Path::new(name).is_file() {
        let known: Vec<&str> = drill::SHIPPED.iter().map(|(name, _)| *name).collect();
        return console::usage(&format!(
            "there is no drill and no file {name:?} (known: {})",
            known.join(", ")
        ));
    }
    let mut settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return console::usage(&error.to_string()),
    };
    let _ = super::log::to(&settings.log, common.verbose);
    let scratch = tempdir()?;
    let participant = Participant::numbered(1)?;
    let keys = (participant.access_key.clone(), participant.secret_key.clone());
    let instructor = Participant::numbered(0)?;
    let options = Options {
        mqtt: None,
        speed: args.speed,
        scenario: Some(super::workshop::scenario(name, scratch.path())?),
        seed: args.seed,
        access_key: instructor.access_key,
        secret_key: instructor.secret_key,
        participants: vec![participant],
        ..Options::on_free_ports()
    };
    let cloud = console::runtime()?;
    let running = match cloud.block_on(start(options)) {
        Ok(running) => running,
        Err(error) => return console::usage(&error.to_string()),
    };
    drop(scratch);
    let Some(drill) = running.drill().cloned() else {
        return console::usage(&format!("{name} has no [drill]; quell local --scenario plays it"));
    };
    let code = if args.headless {
        cloud.block_on(headless(&running, args.speed))?
    } else {
        demo::local(&mut settings, common, "DRILL", (&keys.0, &keys.1), args.speed, None);
        let settings = demo::pointed_at(settings, running.http);
        {
            let _inside = cloud.enter();
            begin_all(&running);
        }
        let runtime = console::runtime()?;
        let (teller, told) = mpsc::channel(2);
        let code = std::thread::scope(|scope| {
            scope.spawn(|| tell(&running, &drill, args.speed, &teller));
            console::open(&runtime, settings, None, std::future::ready(Ok(None)), Some(told))
        });
        runtime.shutdown_timeout(Duration::from_millis(300));
        code?
    };
    let standings: Vec<Standing> =
        running.participants().map(|p| (p.name.clone(), running.sheet(&p.name))).collect();
    debrief(args.export.as_deref(), &drill, &standings, args.json)?;
    if !args.json {
        let lines = standings.iter().filter_map(|(_, sheet)| sheet.as_ref()).flat_map(timeline);
        let lines: Vec<String> =
            lines.map(|line| format!("{:>6}  {}\n", super::debrief::clock(line.at), line.text())).collect();
        output::text(&format!("\n{}", lines.concat()))?;
    }
    cloud.block_on(running.shutdown());
    cloud.shutdown_timeout(Duration::from_millis(300));
    Ok(code)
}

/// Tells who plays what it is about and how long it lasts, then that it is over; ends when the console does.
fn tell(running: &Running, drill: &drill::Drill, speed: f64, teller: &mpsc::Sender<SafeText>) {
    let lasts = super::debrief::clock(drill.lasts.div_f64(speed).as_millis() as i64);
    let about = format!("{} Over in {lasts} at the latest; q leaves it, with the score", drill.title);
    let mut said = teller.blocking_send(SafeText::new(&about));
    let is_over = |name: &str| running.sheet(name).as_ref().is_some_and(drill::Sheet::is_over);
    let mut since = None::<Instant>;
    while said.is_ok() && !teller.is_closed() {
        std::thread::sleep(Duration::from_millis(100));
        let due = since.is_none_or(|said| said.elapsed() >= AGAIN);
        if due && running.participants().all(|p| is_over(&p.name)) {
            since = Some(Instant::now());
            said = teller.blocking_send(SafeText::new("The drill is over: q leaves it, with the score"));
        }
    }
}

/// After how long it is said again that a drill is over: the console shows a note for a few seconds, or until a newer one.
const AGAIN: Duration = Duration::from_secs(10);

/// How long the cloud stays, once all is scored, for a command that is still proving what it did.
const ENDING: Duration = Duration::from_secs(60);

/// Waits until the drill is over and whoever is connected has gone, for a while, or until somebody ends it.
async fn headless(running: &Running, speed: f64) -> Result<u8> {
    let mut signals = Signals::new()?;
    for (_, line) in join(running, speed)? {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    begin_all(running);
    let is_over = |name: &str| running.sheet(name).as_ref().is_some_and(drill::Sheet::is_over);
    let is_connected = || running.participants().any(|p| running.is_connected(&p.name));
    let over = async {
        let mut beat = tokio::time::interval(Duration::from_millis(200));
        while !running.participants().all(|p| is_over(&p.name)) {
            beat.tick().await;
        }
    };
    let gone = async {
        let mut beat = tokio::time::interval(Duration::from_millis(200));
        while is_connected() {
            beat.tick().await;
        }
    };
    tokio::select! {
        () = over => {}
        () = signals.any() => return Ok(exit::INTERRUPTED),
    }
    if is_connected() {
        let seconds = ENDING.as_secs();
        let _ = writeln!(
            std::io::stderr(),
            "The drill is over and scored. The cloud ends when whoever is connected has gone, in {seconds} s at the latest; ctrl-c \
             ends it now."
        );
        // Scored already: however this ends, the drill is done.
        tokio::select! {
            _ = tokio::time::timeout(ENDING, gone) => {}
            () = signals.any() => {}
        }
    }
    Ok(exit::DONE)
}

fn list(json: bool) -> Result<u8> {
    let mut rows = Vec::new();
    for (name, text) in drill::SHIPPED {
        let read = scenario::parse(text).map_err(|what| color_eyre::eyre::eyre!("{name}: {what}"))?;
        let Some(drill) = read.drill else { continue };
        rows.push((name, drill.title, drill.lasts.as_secs() / 60));
    }
    if json {
        let rows: Vec<_> =
            rows.iter().map(|(name, title, m)| json!({"name": name, "title": title, "minutes": m})).collect();
        output::text(&format!("{}\n", json!(rows)))?;
        return Ok(exit::DONE);
    }
    let cells = |(name, title, minutes): &(&str, String, u64)| {
        [SafeText::new(name), SafeText::new(&format!("{minutes} min")), SafeText::new(title)]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    output::text(&(output::table(["NAME", "LASTS", "WHAT"], &rows).join("\n") + "\n"))?;
    Ok(exit::DONE)
}
