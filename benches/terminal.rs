//! What a frame costs: bytes written to the terminal and CPU seconds, at 160×48, with fleets from quiet to busy.
//!
//! Time is the fleet's own and nothing sleeps, so the figures of two runs compare: the bytes exactly.
//!
//!     QUELL_BESIDE=../before/target/release/quell cargo bench --bench terminal -- beside [ROUNDS]
//!
//! measures the program itself instead, beside one of another commit: the two take turns on a terminal, so that what else the
//! machine does is in the figures of both.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

#[path = "peers/cost.rs"]
mod cost;
#[expect(dead_code, reason = "shared with the bench beside other programs, which asks for more")]
#[path = "peers/program.rs"]
mod program;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::tz::TimeZone;
use quell::console::app::{App, Env, Look, Msg};
use quell::console::backend::WriteOnly;
use quell::console::keymap::Keymap;
use quell::console::theme::{Colours, Theme};
use quell::console::views;
use quell_fleet::event::{Batch, Event, LinkEvent, Message, TopicEntry};
use quell_fleet::model::Name;
use quell_fleet::{Fleet, Limits, Ms};
use ratatui::Terminal;
use ratatui::layout::Size;

const T0: Ms = 1_700_000_000_000;
/// Frames a second, as over SSH.
const FPS: u64 = 15;
/// Seconds of the fleet's time that are drawn.
const SECONDS: u64 = 20;

/// Counts what is written and lets it go.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicU64>);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn console() -> App {
    App::new(Look {
        theme: Theme::named(None, Colours::Sixteen, false).unwrap(),
        keymap: Keymap::load(None, None).unwrap(),
        zone: TimeZone::UTC,
        badge: None,
        read_only: false,
        aws: false,
        journal: None,
        speed: 1.0,
        isolation_group: "IsolatedDevices".to_owned(),
        update_group: "NeedsUpdate".to_owned(),
        streams_all: None,
    })
}

fn fleet_of(devices: u32) -> Fleet {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(Event::Link(LinkEvent::Up { at: T0, client_id: "q".into(), filters: Vec::new() }), T0);
    let topics = (0..devices).map(|id| TopicEntry {
        id,
        topic: format!("dt/site/device-{id:05}/telemetry").into(),
        thing: Some(Name::new(&format!("device-{id:05}"))),
        telemetry: true,
    });
    fleet.apply(Event::Batch(Batch { topics: topics.collect(), ..Batch::default() }), T0);
    fleet
}

/// Draws [`SECONDS`] of a fleet that sends `rate` messages a second and has done so for `before` seconds, and prints what it
/// cost.
fn measure(name: &str, devices: u32, rate: u64, before: u64) {
    let mut fleet = fleet_of(devices);
    let counter = Counter::default();
    let backend = WriteOnly::to_sink(Box::new(counter.clone()), Size::new(160, 48));
    let mut terminal = Terminal::new(backend).unwrap();
    let mut app = console();
    let payload = Bytes::from_static(br#"{"temperature":21.4,"humidity":40.1,"device":"device"}"#);
    let (mut sent, mut drawing, mut frames) = (0_u64, 0.0, 0_u64);
    let mut first = 0;
    for step in 0..(before + SECONDS) * FPS {
        let now = T0 + (step * 1000 / FPS) as Ms;
        let due = step * rate / FPS;
        let mut batch = Batch::default();
        while sent < due {
            // Every hundredth is large, so that sizes, warnings and the order of rows move too.
            let len = if sent % 100 == 99 { 3_000 } else { 110 + (sent % 7) as u32 };
            let topic = (sent % u64::from(devices)) as u32;
            batch.messages.push(Message { topic, len, at: now, payload: Some(payload.clone()) });
            sent += 1;
        }
        if !batch.messages.is_empty() {
            fleet.apply(Event::Batch(batch), now);
        }
        if step % FPS == 0 {
            fleet.tick(now);
        }
        if step < before * FPS {
            continue;
        }
        let began = Instant::now();
        let env = Env { fleet: &fleet, now };
        app.update(Msg::Resize(160, 48), &env);
        terminal.draw(|frame| views::draw(&app, &env, frame.buffer_mut())).unwrap();
        drawing += began.elapsed().as_secs_f64();
        frames += 1;
        if step == before * FPS {
            first = counter.0.load(Ordering::Relaxed);
        }
    }
    let written = counter.0.load(Ordering::Relaxed) - first;
    println!(
        "{name}: first frame {first} B; then {:.0} B a frame, {:.2} kB/s, {:.0} us a frame",
        written as f64 / (frames - 1) as f64,
        written as f64 / 1e3 / SECONDS as f64,
        drawing * 1e6 / frames as f64,
    );
}

/// The end of a frame.
const FRAME: &str = "\u{1b}[?2026l";
/// Seconds in which what is written to the terminal is counted.
const COUNTED: u64 = 20;
/// Seconds of a fleet before them: charts have begun, names are known.
const BEFORE: u64 = 40;

/// Milliseconds from exec to the first whole frame. Nothing answers: the first frame waits for nobody.
fn first_frame(binary: &str) -> f64 {
    let console = program::Program::start(binary, &["--no-aws", "--mqtt-url", "mqtt://127.0.0.1:9"], "");
    console.until(FRAME);
    console.began.elapsed().as_secs_f64() * 1e3
}

/// The local cloud with the workshop's fleet, in its own time, and the console on it.
fn demo(binary: &str, size: (u16, u16)) -> program::Program {
    let console = program::Program::on(size, binary, &["demo", "--speed", "1"], "");
    console.until(FRAME);
    console
}

/// Milliseconds from a key to what it opens, the median of some.
fn key_to_paint(binary: &str) -> f64 {
    let mut console = demo(binary, (160, 48));
    std::thread::sleep(Duration::from_secs(5));
    let mut taken: Vec<f64> = (0..20)
        .map(|i| {
            std::thread::sleep(Duration::from_millis(40 + i % 7));
            let took = console.key(b":", "Command").as_secs_f64() * 1e3;
            std::thread::sleep(Duration::from_millis(60));
            console.type_in(b"\x1b");
            took
        })
        .collect();
    median(&mut taken)
}

/// Bytes a second to a terminal, at the workshop's load.
fn written(binary: &str, size: (u16, u16)) -> f64 {
    let console = demo(binary, size);
    std::thread::sleep(Duration::from_secs(BEFORE));
    let before = console.written();
    std::thread::sleep(Duration::from_secs(COUNTED));
    (console.written() - before) as f64 / COUNTED as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A figure: its name, how many times more often than once a round it is taken, and how.
type Figure = (&'static str, usize, fn(&str) -> f64);

/// This program and another in turn: the median of each figure, and the median of the ratios of the rounds.
fn beside(other: &str, rounds: usize) {
    let figures: [Figure; 4] = [
        ("first frame after exec, ms", 5, first_frame),
        ("key to paint, ms", 1, key_to_paint),
        ("to a terminal of 80×24, B/s", 1, |binary| written(binary, (80, 24))),
        ("to a terminal of 160×48, B/s", 1, |binary| written(binary, (160, 48))),
    ];
    let this = env!("CARGO_BIN_EXE_quell");
    println!("this: {this}\nbeside: {other}\n");
    println!("| figure | this | beside | this / beside |\n| --- | --- | --- | --- |");
    for (name, often, measure) in figures {
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds * often {
            // Who goes first changes with the round.
            let (a, b) = match round % 2 {
                0 => {
                    let a = measure(this);
                    (a, measure(other))
                }
                _ => {
                    let b = measure(other);
                    (measure(this), b)
                }
            };
            ours.push(a);
            theirs.push(b);
            ratios.push(a / b.max(0.001));
        }
        let (a, b, ratio) = (median(&mut ours), median(&mut theirs), median(&mut ratios));
        println!("| {name} | {a:.1} | {b:.1} | {ratio:.2} |");
    }
}

fn main() {
    let mut args = std::env::args().skip_while(|a| a != "beside").skip(1);
    if std::env::args().any(|a| a == "beside") {
        let other = std::env::var("QUELL_BESIDE");
        let other = other.expect("QUELL_BESIDE names the program to measure beside this one");
        return beside(&other, args.find_map(|a| a.parse().ok()).unwrap_or(3));
    }
    // `cargo test --benches` runs it too: then once, and small.
    let quick = std::env::args().any(|a| a == "--test");
    measure("silent, 6 devices", 6, 0, 0);
    measure("workshop, 6 devices, 1 message/s, just begun", 6, 1, 0);
    measure("workshop, 6 devices, 1 message/s, after ten minutes", 6, 1, 600);
    if quick {
        return;
    }
    measure("busy, 1000 devices, 100 messages/s", 1_000, 100, 0);
    measure("busy, 1000 devices, 10 k messages/s", 1_000, 10_000, 0);
    measure("large, 10 000 devices, 10 k messages/s", 10_000, 10_000, 0);
}
