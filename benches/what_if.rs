//! How long a what-if takes: an hour of 10,000 devices, as the console holds and judges it.
//!
//! `cargo bench --bench what_if` prints the median and the worst of several runs for each kind of criterion, and fails
//! above the 100 ms that a key may take.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

use std::time::{Duration, Instant};

use fastrand::Rng;
use quell_fleet::event::{Batch, Event, LinkEvent, Message, TopicEntry};
use quell_fleet::model::Name;
use quell_fleet::{Fleet, Limits, Ms};
use quell_rules::detect::model::Behavior;
use quell_rules::detect::whatif;

const T0: Ms = 1_700_006_400_000;
const HOUR: Ms = 3_600_000;
const MOST: Duration = Duration::from_millis(100);

/// A fleet that was heard for an hour, every device once every `every` milliseconds.
fn heard(devices: u32, every: Ms) -> Fleet {
    let mut fleet = Fleet::new(Limits { messages: 1_000, payload_bytes: 1, ..Limits::default() });
    fleet.apply(Event::Link(LinkEvent::Up { at: T0, client_id: "q".into(), filters: Vec::new() }), T0);
    let topics = (0..devices).map(|id| TopicEntry {
        id,
        topic: format!("t/{id}").into(),
        thing: Some(Name::new(&format!("thing-{id:05}"))),
        telemetry: true,
    });
    fleet.apply(Event::Batch(Batch { topics: topics.collect(), ..Batch::default() }), T0);
    let mut rng = Rng::with_seed(3);
    let mut at = T0;
    while at < T0 + HOUR {
        let message = |topic| {
            let len = if topic % 100 == 7 && at > T0 + HOUR / 2 { 3_000 } else { 110 + rng.u32(0..20) };
            Message { topic, len, at: at + Ms::from(topic) % every, payload: None }
        };
        let messages = (0..devices).map(message).collect();
        fleet.apply(Event::Batch(Batch { messages, ..Batch::default() }), at + every);
        at += every;
    }
    fleet
}

fn main() {
    // Under `cargo test` a short look is enough.
    let short = std::env::args().any(|a| a == "--test");
    let (devices, every, runs) = if short { (200, 60_000, 2) } else { (10_000, 10_000, 15) };
    let fleet = heard(devices, every);
    let now = T0 + HOUR;
    let criteria = [
        ("aws:message-byte-size", r#"{"comparisonOperator":"less-than-equals","value":{"count":1024}}"#),
        (
            "aws:message-byte-size",
            r#"{"comparisonOperator":"less-than","statisticalThreshold":{"statistic":"p99"},"durationSeconds":300}"#,
        ),
        (
            "aws:message-byte-size",
            r#"{"comparisonOperator":"greater-than","statisticalThreshold":{"statistic":"p50"},"durationSeconds":300}"#,
        ),
        (
            "aws:num-messages-sent",
            r#"{"comparisonOperator":"less-than-equals","value":{"count":29},"durationSeconds":300}"#,
        ),
        (
            "aws:num-messages-sent",
            r#"{"comparisonOperator":"less-than-equals","value":{"count":400},"durationSeconds":3600}"#,
        ),
    ];
    println!(
        "what-if over an hour of {devices} devices' windows, {runs} runs: taking what is held, and judging it"
    );
    let mut worst_of_all = Duration::ZERO;
    for (metric, text) in criteria {
        let json = format!(r#"{{"name":"b","metric":"{metric}","criteria":{text}}}"#);
        let behavior: Behavior = serde_json::from_str(&json).unwrap();
        let mut times = Vec::new();
        let mut said = String::new();
        for _ in 0..runs {
            let began = Instant::now();
            let held = fleet.held(None, now);
            let taken = began.elapsed();
            let result = whatif::judge(&held, &behavior).unwrap();
            times.push((began.elapsed(), taken));
            said = format!("{} of {} over {} min", result.alarmed, result.judged, result.span_ms / 60_000);
        }
        times.sort_unstable();
        let (median, taken) = times[times.len() / 2];
        let worst = times[times.len() - 1].0;
        worst_of_all = worst_of_all.max(worst);
        println!("    {median:>9.2?} (held {taken:.2?}), worst {worst:>9.2?}  {said:<32} {metric} {text}");
    }
    // Without optimisation a figure means nothing.
    if !cfg!(debug_assertions) {
        assert!(worst_of_all < MOST, "{worst_of_all:?} is more than {MOST:?}");
    }
}
