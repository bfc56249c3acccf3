//! What one guard carries, and how long and how well it carries it: a simulated week of 100,000 devices through the fleet and the
//! guard's own judge, with time passed in. Prints memory at the end of each day, CPU for a message and for a look at all devices,
//! how soon what goes wrong is told, and how often what is told is wrong.
//!
//! Sampled: a device sends every 30 minutes, one message of the 180 of a device that sends every 10 s, and the fleet is looked at
//! every ten minutes. What is kept of a device does not depend on how often it speaks. `cargo bench --bench guard`;
//! `QUELL_BENCH_DEVICES=5000 QUELL_BENCH_DAYS=2` makes it smaller. The same seed gives the same figures, but for the CPU.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

#[path = "common/counting.rs"]
mod counting;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use quell::config::AlertKind;
use quell::guard::{Alert, Judge, Step};
use quell_fleet::event::{Batch, Event, LinkEvent, Message, TopicEntry};
use quell_fleet::model::{Name, ProfileRecord};
use quell_fleet::{Fleet, Limits, Ms};

/// A multiple of a day.
const T0: Ms = 1_700_006_400_000;
const DAY: Ms = 86_400_000;
/// Between two looks at all devices here; a guard looks twice a second.
const LOOK: Ms = 600_000;
/// Devices that a look takes, of those whose silence is judged.
const SLICE: usize = 8_192;
/// Between two batches of messages.
const BATCH: Ms = 250;
/// Between two messages of a device.
const EVERY: Ms = 1_800_000;
/// Devices of each kind of fault in a day, of 100,000.
const EACH: usize = 20;
/// What AWS carries to one guard: 16 connections of 100 messages a second (docs/aws-iot.md#3.3).
const CARRIED: f64 = 1_600.0;

/// What goes wrong with a device, once and for the rest of its day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Fault {
    /// It sends 3,000 bytes: the workshop's rogue, against a limit of 1,024.
    Large,
    /// It sends a hundred messages within five minutes: a limit of 50.
    Flood,
    /// It is not heard any more.
    Silent,
    /// It sends ten times as much as ever, below every limit.
    Grown,
}

const FAULTS: [Fault; 4] = [Fault::Large, Fault::Flood, Fault::Silent, Fault::Grown];

impl Fault {
    fn told_as(self) -> AlertKind {
        match self {
            Self::Large | Self::Flood => AlertKind::Alarm,
            Self::Silent => AlertKind::Silence,
            Self::Grown => AlertKind::Warning,
        }
    }
}

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn limits() -> Limits {
    let behaviors = serde_json::json!([
        {"name": "Large", "metric": "aws:message-byte-size", "criteria":
            {"comparisonOperator": "less-than-equals", "value": {"count": 1024}}},
        {"name": "Often", "metric": "aws:num-messages-sent", "criteria":
            {"comparisonOperator": "less-than", "value": {"count": 50}, "durationSeconds": 300}}]);
    let profile = ProfileRecord {
        name: "P".into(),
        behaviors: serde_json::from_value(behaviors).unwrap(),
        targets: vec!["all/things".into()],
        ..ProfileRecord::default()
    };
    Limits { security_profiles: vec![profile], ..Limits::default() }
}

struct World {
    fleet: Fleet,
    judge: Judge,
    rng: Rng,
    devices: usize,
    payload: Bytes,
    /// By device: what is wrong with it today, and since when: from its first message that shows it, once there was one.
    wrong: HashMap<usize, (Fault, Ms)>,
    /// Those of which a message showed it, and when those that fall silent were last heard.
    shown: HashSet<usize>,
    last: HashMap<usize, Ms>,
    /// What was told of a fault, by fault: how long after the first message that shows it, or after the last before a silence.
    delays: BTreeMap<Fault, Vec<Ms>>,
    /// By kind: what was told of a device with which nothing is wrong.
    false_alarms: BTreeMap<AlertKind, u64>,
    told: u64,
    messages: u64,
    hearing: Duration,
    looks: Vec<Duration>,
    windows: Vec<Duration>,
}

impl World {
    fn new(devices: usize) -> Self {
        let mut fleet = Fleet::new(limits());
        fleet.apply(Event::Link(LinkEvent::Up { at: T0, client_id: "q".into(), filters: Vec::new() }), T0);
        let topics = (0..devices).map(|n| TopicEntry {
            id: n as u32,
            topic: format!("dt/site/device-{n:06}/telemetry").into(),
            thing: Some(Name::new(&format!("device-{n:06}"))),
            telemetry: true,
        });
        fleet.apply(Event::Batch(Batch { topics: topics.collect(), ..Batch::default() }), T0);
        Self {
            fleet,
            judge: Judge::new(Vec::new(), 1.0, T0),
            rng: Rng::with_seed(7),
            devices,
            payload: Bytes::from_static(&[b'7'; 120]),
            wrong: HashMap::new(),
            shown: HashSet::new(),
            last: HashMap::new(),
            delays: BTreeMap::new(),
            false_alarms: BTreeMap::new(),
            told: 0,
            messages: 0,
            hearing: Duration::ZERO,
            looks: Vec::new(),
            windows: Vec::new(),
        }
    }

    /// Which devices go wrong in a day, and when: in its first half, so that there is time to find it.
    fn begin_day(&mut self, from: Ms) {
        self.wrong.clear();
        self.shown.clear();
        self.last.clear();
        let each = (EACH * self.devices / 100_000).max(2);
        for fault in FAULTS {
            for _ in 0..each {
                let device = self.rng.usize(..self.devices);
                let at = from + self.rng.i64(DAY / 8..DAY / 2);
                self.wrong.entry(device).or_insert((fault, at));
            }
        }
    }

    /// The devices of one turn: each speaks at its own minute of the half hour, a little early or late.
    fn turn(&mut self, from: Ms) {
        let turn = usize::try_from((from - T0) / LOOK).unwrap();
        let turns = usize::try_from(EVERY / LOOK).unwrap();
        let mut messages = Vec::with_capacity(self.devices / turns + 1);
        for device in (turn % turns..self.devices).step_by(turns) {
            let at = from + (device as Ms * 7_919) % (LOOK - 40_000) + self.rng.i64(0..20_000);
            // Sizes scatter by a tenth.
            let usual = 108 + self.rng.u32(0..24);
            let fault = self.wrong.get(&device).copied().filter(|(_, since)| *since <= at);
            if let Some((fault, _)) = fault.filter(|(fault, _)| *fault != Fault::Silent)
                && self.shown.insert(device)
            {
                self.wrong.insert(device, (fault, at));
            }
            if fault.is_none() && self.wrong.get(&device).is_some_and(|(fault, _)| *fault == Fault::Silent) {
                self.last.insert(device, at);
            }
            let mut say = |at: Ms, len: u32| {
                messages.push(Message { topic: device as u32, len, at, payload: Some(self.payload.clone()) });
            };
            match fault {
                None => say(at, usual),
                Some((Fault::Silent, _)) => {}
                Some((Fault::Large, _)) => say(at, 3_000),
                Some((Fault::Grown, _)) => say(at, usual.min(100) * 10),
                Some((Fault::Flood, _)) => (0..100).for_each(|n| say(at + n * 100, usual)),
            }
        }
        messages.sort_by_key(|message| message.at);
        self.messages += messages.len() as u64;
        // As the stream hands them over, four times a second; what is found is looked at after each batch.
        for batch in messages.chunk_by(|a, b| a.at / BATCH == b.at / BATCH) {
            let now = batch.last().map_or(from, |message| (message.at / BATCH + 1) * BATCH);
            let event = Event::Batch(Batch { messages: batch.to_vec(), ..Batch::default() });
            let began = Instant::now();
            self.fleet.apply(event, now);
            let found = self.judge.findings_of(&self.fleet, now);
            self.hearing += began.elapsed();
            self.note(&found, now);
        }
    }

    fn look(&mut self, now: Ms) {
        let mut told = Vec::new();
        // The windows that ended meanwhile, and then a look in which none did, as nearly all of a guard's are.
        for (now, times) in [(now, &mut self.windows), (now + 500, &mut self.looks)] {
            let began = Instant::now();
            self.fleet.tick(now);
            let found = self.judge.tick(&self.fleet, now);
            times.push(began.elapsed());
            told.push((found, now));
        }
        // A look takes a slice of the fleet; two a second are through it in less than a minute of 100,000 devices. Once in half an
        // hour all of it is looked at here.
        if now % EVERY == 0 {
            for slice in 2..self.devices / SLICE + 2 {
                let now = now + slice as Ms * 500;
                self.fleet.tick(now);
                told.push((self.judge.tick(&self.fleet, now), now));
            }
        }
        for (found, now) in told {
            self.note(&found, now);
        }
    }

    fn note(&mut self, found: &[Alert], now: Ms) {
        for alert in found.iter().filter(|alert| alert.step == Step::InAlarm) {
            self.told += 1;
            let Some(thing) = alert.thing.as_deref().and_then(|name| name.strip_prefix("device-")) else {
                continue;
            };
            let device: usize = thing.parse().unwrap();
            match self.wrong.get(&device).filter(|(_, since)| *since <= now) {
                Some((fault, since)) => {
                    if fault.told_as() == alert.kind {
                        let shown = self.last.get(&device).unwrap_or(since);
                        self.delays.entry(*fault).or_default().push(now - shown);
                    }
                }
                None => *self.false_alarms.entry(alert.kind).or_default() += 1,
            }
        }
    }
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn main() {
    let devices = number("QUELL_BENCH_DEVICES", 100_000);
    let days = number("QUELL_BENCH_DAYS", 7);
    let before = counting::used();
    let mut world = World::new(devices);
    println!(
        "{devices} devices, a message each every 30 min (one in 180 of those of every 10 s), {days} days"
    );
    println!("day  memory MB  bytes/device  open alerts  windows and baselines on disk MB");
    for day in 0..days as Ms {
        let from = T0 + day * DAY;
        world.begin_day(from);
        for turn in 0..DAY / LOOK {
            world.turn(from + turn * LOOK);
            world.look(from + (turn + 1) * LOOK);
        }
        let used = counting::used() - before;
        let kept = world.fleet.keep(from + DAY).to_bytes().unwrap().len();
        println!(
            "{:>3}  {:>9.1}  {:>12}  {:>11}  {:.1}",
            day + 1,
            megabytes(used),
            used / devices,
            world.judge.open().len(),
            megabytes(kept)
        );
    }
    let device_days = (devices * days) as f64;
    let per_message = world.hearing.as_secs_f64() / world.messages as f64;
    let middle = |times: &mut Vec<Duration>| {
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64()
    };
    let (look, windows) = (middle(&mut world.looks), middle(&mut world.windows));
    // Twice a second, and the windows of the ten minutes between two looks here.
    let looking = look * 2.0 + windows / (LOOK as f64 / 1000.0);
    println!("\n{} messages heard, {} alerts told", world.messages, world.told);
    println!(
        "CPU: {:.2} us a message; {:.1} ms a look at all devices (p50), {:.1} ms with two windows of 300 s that ended: {:.1} % of \
         a core at two looks a second",
        per_message * 1e6,
        look * 1e3,
        windows * 1e3,
        looking * 100.0
    );
    println!(
        "one core judges {:.0} messages/s beside the looks; AWS carries {CARRIED:.0}/s to one guard, {:.0} devices of every 10 s: \
         {:.2} % of a core",
        (1.0 - looking).max(0.0) / per_message,
        CARRIED * 10.0,
        CARRIED * per_message * 100.0
    );
    println!("\nfault    told of  delay p50      p95, from the first message that shows it");
    for (fault, delays) in &mut world.delays {
        delays.sort_unstable();
        let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
        println!("{:<7} {:>8}  {:>7.1} s  {:>7.1} s", format!("{fault:?}"), delays.len(), at(0.5), at(0.95));
    }
    println!(
        "(a window of 300 s has to end, and it is looked every 10 min here; a silence is from the last message, of one every 30 min)"
    );
    println!("\nfalse alarms a device and day:");
    for kind in [AlertKind::Alarm, AlertKind::Clone, AlertKind::Silence, AlertKind::Warning] {
        let all = world.false_alarms.get(&kind).copied().unwrap_or_default();
        println!("{:<8} {:>6}  {:.6}", kind.word(), all, all as f64 / device_days);
    }
}
