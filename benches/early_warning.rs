//! How soon early warning speaks and how often it is wrong, over generated fleets.
//!
//! Not timed by criterion: delays are in the fleet's own time, and false alarms are counted. `cargo bench --bench
//! early_warning` prints a table; the same seed gives the same one.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use fastrand::Rng;
use quell_fleet::event::{Batch, Event, LinkEvent, Message, TopicEntry};
use quell_fleet::model::Name;
use quell_fleet::{Fleet, Limits, Ms, WarningKind};

const T0: Ms = 1_700_006_400_000;
const DAY: Ms = 86_400_000;
const DAYS: Ms = 7;
const EACH: u32 = 5;

/// How a device of the generated fleet behaves when nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Habit {
    /// The workshop's: a number every 10 s.
    Steady,
    /// Sizes that scatter by a third, every 10 s and a little.
    Scattered,
    /// A heartbeat every 30 s and a report twenty times as large every hour.
    Reports,
    /// Events as they happen, one a minute on average.
    Events,
    /// Ten messages at once every five minutes.
    Bursts,
    /// Sizes that follow the day.
    Daily,
}

const HABITS: [Habit; 6] =
    [Habit::Steady, Habit::Scattered, Habit::Reports, Habit::Events, Habit::Bursts, Habit::Daily];

fn gauss(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}

/// The next message of a device: after how long, and how large.
fn next(habit: Habit, at: Ms, n: u64, rng: &mut Rng) -> (Ms, u32) {
    match habit {
        Habit::Steady => (10_000, 117 + rng.u32(0..6)),
        Habit::Scattered => (10_000 + rng.i64(-500..500), (200.0 * (0.33 * gauss(rng)).exp()) as u32),
        Habit::Reports if n % 120 == 60 => (30_000, 2_000 + rng.u32(0..50)),
        Habit::Reports => (30_000, 95 + rng.u32(0..10)),
        Habit::Events => ((-60_000.0 * (1.0 - rng.f64()).ln()) as Ms + 1, 80 + rng.u32(0..80)),
        Habit::Bursts if n.is_multiple_of(10) => (300_000 - 9 * 200, 150 + rng.u32(0..20)),
        Habit::Bursts => (200, 150 + rng.u32(0..20)),
        Habit::Daily => {
            let hour = (at % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
            (20_000, (300.0 + 150.0 * hour.sin() + 10.0 * gauss(rng)).max(1.0) as u32)
        }
    }
}

/// What goes wrong in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Fault {
    TenTimes,
    Double,
    NotJson,
    Flood,
    Silence,
}

const FAULTS: [Fault; 5] = [Fault::TenTimes, Fault::Double, Fault::NotJson, Fault::Flood, Fault::Silence];

struct Run {
    fleet: Fleet,
    rng: Rng,
    /// By device: when it speaks next, and its how-manieth.
    queue: std::collections::BinaryHeap<std::cmp::Reverse<(Ms, u32)>>,
    counts: Vec<u64>,
    ticked: Ms,
}

impl Run {
    fn new(seed: u64, budget: f64) -> Self {
        let mut fleet =
            Fleet::new(Limits { false_alarms: budget, payload_bytes: 1 << 16, ..Limits::default() });
        fleet.apply(Event::Link(LinkEvent::Up { at: T0, client_id: "q".into(), filters: Vec::new() }), T0);
        let devices = HABITS.len() as u32 * EACH;
        let topics = (0..devices).map(|id| TopicEntry {
            id,
            topic: format!("t/{id}").into(),
            thing: Some(Name::new(&format!("{id}"))),
            telemetry: true,
        });
        fleet.apply(Event::Batch(Batch { topics: topics.collect(), ..Batch::default() }), T0);
        let mut rng = Rng::with_seed(seed);
        let queue = (0..devices).map(|d| std::cmp::Reverse((T0 + rng.i64(0..30_000), d))).collect();
        Self { fleet, rng, queue, counts: vec![0; devices as usize], ticked: T0 }
    }

    fn habit(device: u32) -> Habit {
        HABITS[(device / EACH) as usize]
    }

    /// Runs until `end`; `fault` changes what devices send; `seen` hears of warnings that began.
    fn until(&mut self, end: Ms, fault: Option<(Fault, u32)>, seen: &mut impl FnMut(u32, WarningKind, Ms)) {
        let json = Bytes::from_static(b"{\"v\":1}");
        let other = Bytes::from_static(b"QX8ZQX8Z");
        let mut standing: HashMap<u32, Vec<WarningKind>> = HashMap::new();
        while let Some(std::cmp::Reverse((at, device))) = self.queue.peek().copied() {
            if at >= end {
                break;
            }
            self.queue.pop();
            while self.ticked + 1_000 <= at {
                self.ticked += 1_000;
                if self.ticked % 5_000 == 0 || fault.is_some() {
                    self.fleet.tick(self.ticked);
                    for (id, found) in self.fleet.devices() {
                        if found.warnings().iter().any(|w| w.kind == WarningKind::Silence) {
                            let device = id.index() as u32;
                            let known = standing.entry(device).or_default();
                            if !known.contains(&WarningKind::Silence) {
                                known.push(WarningKind::Silence);
                                seen(device, WarningKind::Silence, self.ticked);
                            }
                        }
                    }
                }
            }
            let count = &mut self.counts[device as usize];
            let (mut wait, mut len) = next(Self::habit(device), at, *count, &mut self.rng);
            *count += 1;
            let mut payload = json.clone();
            match fault.filter(|(_, whose)| *whose == device).map(|(fault, _)| fault) {
                Some(Fault::TenTimes) => len *= 10,
                Some(Fault::Double) => len = len * 2 + 5,
                Some(Fault::NotJson) => payload = other.clone(),
                Some(Fault::Flood) => wait = 100,
                Some(Fault::Silence) => continue,
                None => {}
            }
            self.queue.push(std::cmp::Reverse((at + wait, device)));
            let messages = vec![Message { topic: device, len, at, payload: Some(payload) }];
            self.fleet.apply(Event::Batch(Batch { messages, ..Batch::default() }), at);
            let id = self.fleet.find(&format!("{device}")).unwrap();
            let now: Vec<_> = self.fleet.device(id).warnings().iter().map(|w| w.kind).collect();
            let known = standing.entry(device).or_default();
            for kind in now.iter().filter(|k| !known.contains(k)) {
                seen(device, *kind, at);
            }
            *known = now;
        }
    }
}

fn false_alarms(budget: f64) {
    let mut run = Run::new(7, budget);
    let mut wrong: BTreeMap<(Habit, WarningKind), u32> = BTreeMap::new();
    run.until(T0 + DAYS * DAY, None, &mut |device, kind, _| {
        *wrong.entry((Run::habit(device), kind)).or_default() += 1;
    });
    let device_days = (HABITS.len() as u32 * EACH) as f64 * DAYS as f64;
    let total: u32 = wrong.values().sum();
    let rate = f64::from(total) / device_days;
    let kept = if rate <= budget { "kept" } else { "NOT KEPT" };
    println!(
        "budget {budget:>6} a device-day: {rate:.4} false alarms a device-day ({total} in {device_days} device-days), {kept}"
    );
    for ((habit, kind), count) in wrong {
        println!("    {habit:?} {}: {count}", kind.word());
    }
}

/// One device at a time goes wrong, after three hours in which the fleet spent of its budget what it had to: a device of each
/// habit, for each fault.
fn delays(budget: f64) {
    println!(
        "\nbudget {budget}: delay from the first bad message (of silence: from the last message), median and worst, seconds:"
    );
    for fault in FAULTS {
        for habit in HABITS {
            let mut late: Vec<f64> = Vec::new();
            for device in (0..HABITS.len() as u32 * EACH).filter(|d| Run::habit(*d) == habit) {
                let mut run = Run::new(11 + u64::from(device), budget);
                let start = T0 + 3 * 3_600_000;
                run.until(start, None, &mut |_, _, _| {});
                let began = match fault {
                    Fault::Silence => {
                        run.fleet.find(&format!("{device}")).and_then(|id| run.fleet.device(id).last_seen())
                    }
                    _ => run.queue.iter().find(|std::cmp::Reverse((_, d))| *d == device).map(|r| r.0.0),
                };
                let (mut told, until) = (None, start + 1_800_000);
                run.until(until, Some((fault, device)), &mut |d, _, at| {
                    if d == device {
                        told.get_or_insert(at);
                    }
                });
                late.extend(told.zip(began).map(|(told, began)| (told - began) as f64 / 1000.0));
            }
            late.sort_by(f64::total_cmp);
            let found = late.len();
            let median = late.get(found / 2).map_or("-".to_owned(), |s| format!("{s:.1}"));
            let worst = late.last().map_or("-".to_owned(), |s| format!("{s:.1}"));
            println!(
                "    {:<9} {:<10} found {found}/{EACH}  {median:>6}  {worst:>6}",
                format!("{fault:?}"),
                format!("{habit:?}")
            );
        }
    }
}

/// The workshop's incident as it is: three sensors, two minutes, then 3000 bytes that are no JSON, or that are.
fn workshop(budget: f64) {
    let mut delays = Vec::new();
    for json in [false, true] {
        let mut fleet = Fleet::new(Limits { false_alarms: budget, ..Limits::default() });
        let up = LinkEvent::Up { at: T0, client_id: "q".into(), filters: Vec::new() };
        fleet.apply(Event::Link(up), T0);
        let topics = (0..3).map(|id| TopicEntry {
            id,
            topic: format!("temperature-device-0{id}").into(),
            thing: Some(Name::new(&format!("Thing0{id}"))),
            telemetry: true,
        });
        fleet.apply(Event::Batch(Batch { topics: topics.collect(), ..Batch::default() }), T0);
        let mut told = None;
        for n in 0..30 {
            for topic in 0..3 {
                let at = T0 + n * 10_000 + i64::from(topic) * 700;
                let bad = n >= 12 && topic == 1;
                let payload = if bad && !json { "QX8Z" } else { "{\"v\":1}" };
                let len = if bad { 3_000 } else { 118 + (n % 4) as u32 };
                let messages =
                    vec![Message { topic, len, at, payload: Some(Bytes::from_static(payload.as_bytes())) }];
                fleet.apply(Event::Batch(Batch { messages, ..Batch::default() }), at);
                fleet.tick(at);
                if fleet.counts().of(quell_fleet::Word::Warning) > 0 {
                    told.get_or_insert(at - (T0 + 12 * 10_000 + 700));
                }
            }
        }
        delays.push(told.map_or("never".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1000.0)));
    }
    println!("budget {budget:>6}: the workshop's rogue after {} (not JSON), {} (JSON)", delays[0], delays[1]);
}

fn main() {
    // Under `cargo test` a short look is enough.
    if std::env::args().any(|a| a == "--test") {
        return workshop(0.01);
    }
    const BUDGETS: [f64; 3] = [1.0, 0.1, 0.01];
    BUDGETS.into_iter().for_each(false_alarms);
    BUDGETS.into_iter().for_each(workshop);
    BUDGETS.into_iter().for_each(delays);
}
