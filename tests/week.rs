//! A week passes in seconds: millions of messages, hundreds of reconnects, tens of thousands of polls, time passed in. The
//! memory at the end is the memory after the first hour, and the counts are exact.
//!
//! The first hour is a rough one: what is bounded by a number (losses, gaps, shadow deltas, messages, clients nobody knows)
//! meets its bound in it. So whatever grows afterwards grows for ever, or is bounded by a longer time than an hour: that is
//! the sums of two hours of windows, and they are counted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../benches/common/counting.rs"]
mod counting;

use bytes::Bytes;
use quell_fleet::event::{Batch, Event, LinkEvent, Message, Notice, Poll, PresenceKind, Reading, TopicEntry};
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::{JobRecord, Name, ThingRecord, Violation};
use quell_fleet::{Fleet, Limits, Ms, SourceId};

const START: Ms = 1_700_000_000_000;
const SECOND: Ms = 1_000;
const DEVICES: i64 = 24;
/// Messages a second, over all devices.
const RATE: i64 = 4;
/// Ticks of an hour, ten seconds each.
const HOURLY: i64 = 360;
/// The sums of a window are kept for two hours: count and bytes, two bytes each until they need four, of twelve windows
/// that the first hour has not seen, and what keeps each window.
const SECOND_HOUR: usize = 12 * (DEVICES as usize * 2 * 4 + 200);

fn poll(fleet: &mut Fleet, source: SourceId, generation: u64, at: Ms, outcome: Result<Reading, Trouble>) {
    fleet.apply(Event::Poll(Poll { source, generation, at, outcome, next_at: None }), at);
}

fn name(i: i64) -> String {
    format!("device-{:02}", i.rem_euclid(DEVICES))
}

fn up(at: Ms) -> Event {
    Event::Link(LinkEvent::Up { at, client_id: "quell-week".into(), filters: vec!["dt/+/data".into()] })
}

/// In the first hour the connection breaks all the time, then every half hour.
fn breaks(tick: i64) -> bool {
    (1..=250).contains(&tick) || tick > 0 && tick % (HOURLY / 2) == 0
}

fn messages(tick: i64, at: Ms) -> Vec<Message> {
    let payload = Bytes::from(vec![b'7'; 120]);
    let one = |i: i64| {
        let topic = u32::try_from((tick % 1_000 + i) % DEVICES).unwrap();
        // A device that speaks of something else for a while: a kind of message that is new, and one that grows.
        let len = if topic == 5 && tick % 7_000 < 300 { 3_000 } else { 120 };
        let at = at + 2 * SECOND + i * 8 * SECOND / (RATE * 10);
        Message { topic, len, at, payload: Some(payload.clone()) }
    };
    (0..RATE * 10).map(one).collect()
}

fn notices(tick: i64, at: Ms) -> Vec<Notice> {
    let presence = |client: String| {
        let kind = if tick % 2 == 0 { PresenceKind::Connected } else { PresenceKind::Disconnected };
        let client = Name::new(&client);
        Notice::Presence {
            client,
            kind,
            reason: None,
            principal: None,
            version: tick,
            at,
            address: None,
            session: None,
            received: None,
        }
    };
    // A client id for each run of each script: nobody ever sees it again.
    let mut all = vec![presence(name(tick)), presence(format!("script-{tick:06}"))];
    let rough = tick < HOURLY;
    for i in 0..if rough { 24 } else { 4 } {
        let thing = Name::new(&name(tick + i));
        let state = serde_json::json!({ "n": tick % 10, "more": "the same length every time" });
        all.push(Notice::ShadowDelta { thing, shadow: None, version: tick, state, at });
    }
    all
}

/// Violations and jobs that come and go: each is new, and there are always as many.
fn polls(fleet: &mut Fleet, tick: i64, at: Ms) {
    let generation = u64::try_from(tick).unwrap();
    let violation = |i: i64| Violation {
        id: format!("{:032x}", tick / 90 * 8 + i),
        thing: Name::new(&name(tick / 90 + i)),
        profile: "sizes".into(),
        behavior: serde_json::from_value(serde_json::json!({"name": "small"})).unwrap(),
        value: None,
        verification: None,
        note: None,
        started: at - tick % 90 * 10 * SECOND,
        last: at,
    };
    let outcome = if tick % 90 == 0 {
        let message = "the account asks too much of this API".into();
        Err(Trouble { kind: TroubleKind::Throttled, message, missing_action: None, since: at })
    } else {
        Ok(Reading::Violations((0..3).map(violation).collect()))
    };
    poll(fleet, SourceId::Violations, generation, at, outcome);
    let thing = |i| ThingRecord { name: Name::new(&name(i)), thing_type: None };
    poll(fleet, SourceId::Things, generation, at, Ok(Reading::Things((0..DEVICES).map(thing).collect())));
    let job = |i: i64| JobRecord {
        id: Name::new(&format!("patch-{:06}", tick / 360 + i)),
        status: "IN_PROGRESS".into(),
        continuous: false,
        targets: Vec::new(),
        counts: None,
        created: Some(at),
        updated: Some(at),
        description: None,
    };
    poll(fleet, SourceId::Jobs, generation, at, Ok(Reading::Jobs((0..20).map(job).collect())));
}

#[test]
fn a_week_leaves_the_memory_as_it_was_after_an_hour() {
    let limits = Limits { payload_bytes: 256 * 1024, messages: 5_000, strangers: 250, ..Limits::default() };
    let mut fleet = Fleet::new(limits);
    let mut topics: Vec<TopicEntry> = (0..DEVICES)
        .map(|id| TopicEntry {
            id: u32::try_from(id).unwrap(),
            topic: format!("dt/{}/data", name(id)).into(),
            thing: Some(Name::new(&name(id))),
            telemetry: true,
        })
        .collect();
    fleet.apply(up(START), START);
    let (mut sent, mut reconnects) = (0_u64, 0_u64);
    let (mut settled, mut most, mut when) = (0, 0, 0);
    for tick in 0..7 * 24 * HOURLY {
        let at = START + tick * 10 * SECOND;
        if breaks(tick) {
            let reason = "the broker hung up".into();
            fleet.apply(Event::Link(LinkEvent::Down { at, reason, retry_at: Some(at + SECOND) }), at);
            fleet.apply(Event::Link(LinkEvent::Connecting { at: at + SECOND }), at + SECOND);
            fleet.apply(up(at + 2 * SECOND), at + 2 * SECOND);
            reconnects += 1;
        }
        let (messages, notices) = (messages(tick, at), notices(tick, at));
        sent += messages.len() as u64;
        let topics = std::mem::take(&mut topics);
        let batch = Batch { topics, messages, notices, ..Batch::default() };
        fleet.apply(Event::Batch(batch), at + 10 * SECOND);
        if tick % 3 == 0 {
            polls(&mut fleet, tick, at);
        }
        fleet.tick(at + 10 * SECOND);
        fleet.take_wanted();
        let used = counting::used();
        if tick == HOURLY {
            settled = used;
        } else if tick > HOURLY && used > most {
            (most, when) = (used, tick);
        }
    }
    assert!(sent > 2_000_000 && reconnects > 500);
    assert_eq!(fleet.stream().received(), sent, "counts are exact");
    assert_eq!(fleet.link().reconnects(), reconnects);
    assert_eq!(fleet.len(), DEVICES as usize);
    assert!(
        settled > 0 && most <= settled + SECOND_HOUR,
        "{settled} bytes after an hour, {most} after {} hours",
        when / HOURLY
    );
}
