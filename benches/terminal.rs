//! What a frame costs: bytes written to the terminal and CPU seconds, at 160×48, with fleets from quiet to busy.
//!
//! Time is the fleet's own and nothing sleeps, so the figures of two runs compare: the bytes exactly.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

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

fn main() {
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
