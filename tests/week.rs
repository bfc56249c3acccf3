//! A week passes in seconds: millions of messages, hundreds of reconnects, tens of thousands of polls, time passed in. The
//! memory at the end is the memory after the first hours, and the counts are exact.

#![expect(unsafe_code, reason = "a counting allocator: the only honest way to know what is held")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use quell::fleet::event::{
    Batch, Event, LinkEvent, Message, Notice, Poll, PresenceKind, Reading, TopicEntry,
};
use quell::fleet::known::{Trouble, TroubleKind};
use quell::fleet::model::{Name, ThingRecord};
use quell::fleet::{Fleet, Limits, Ms, SourceId};

struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system allocator unchanged; only a counter is kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        USED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const START: Ms = 1_700_000_000_000;
const SECOND: Ms = 1_000;
const HOUR: Ms = 3_600 * SECOND;
const DEVICES: u32 = 24;
/// Messages a second, over all devices.
const RATE: u32 = 4;

fn poll(fleet: &mut Fleet, source: SourceId, generation: u64, at: Ms, outcome: Result<Reading, Trouble>) {
    fleet.apply(Event::Poll(Poll { source, generation, at, outcome, next_at: None }), at);
}

#[test]
fn a_week_leaves_the_memory_as_it_was() {
    let limits = Limits { payload_bytes: 256 * 1024, messages: 5_000, ..Limits::default() };
    let mut fleet = Fleet::new(limits);
    let name = |i: u32| format!("device-{i:02}");
    let mut topics: Vec<TopicEntry> = (0..DEVICES)
        .map(|id| TopicEntry {
            id,
            topic: format!("dt/{}/data", name(id)).into(),
            thing: Some(Name::new(&name(id))),
            telemetry: true,
        })
        .collect();
    let up = |at| {
        Event::Link(LinkEvent::Up { at, client_id: "quell-week".into(), filters: vec!["dt/+/data".into()] })
    };
    fleet.apply(up(START), START);
    let mut sent = 0_u64;
    let mut settled = 0;
    for tick in 0..7 * 24 * 360 {
        // Ten seconds at a time.
        let at = START + tick * 10 * SECOND;
        if tick > 0 && tick % 180 == 0 {
            let reason = "the broker hung up".into();
            fleet.apply(Event::Link(LinkEvent::Down { at, reason, retry_at: Some(at + SECOND) }), at);
            fleet.apply(Event::Link(LinkEvent::Connecting { at: at + SECOND }), at + SECOND);
            fleet.apply(up(at + 2 * SECOND), at + 2 * SECOND);
        }
        let payload = Bytes::from(vec![b'7'; 120]);
        let mut messages = Vec::new();
        for i in 0..RATE * 10 {
            let topic = (u32::try_from(tick % 1_000).unwrap() + i) % DEVICES;
            let len = if topic == 5 && tick % 7_000 < 300 { 3_000 } else { 120 };
            let at = at + 2 * SECOND + Ms::from(i) * 8 * SECOND / Ms::from(RATE * 10);
            messages.push(Message { topic, len, at, payload: Some(payload.clone()) });
        }
        sent += messages.len() as u64;
        let thing = Name::new(&name(u32::try_from(tick).unwrap() % DEVICES));
        let kind = if tick % 2 == 0 { PresenceKind::Connected } else { PresenceKind::Disconnected };
        let state = serde_json::json!({ "n": tick });
        let notices = vec![
            Notice::Presence {
                client: thing.clone(),
                kind,
                reason: None,
                principal: None,
                version: tick,
                at,
            },
            Notice::ShadowDelta { thing, shadow: None, version: tick, state, at },
        ];
        fleet.apply(
            Event::Batch(Batch {
                topics: std::mem::take(&mut topics),
                messages,
                notices,
                ..Batch::default()
            }),
            at + 10 * SECOND,
        );
        if tick % 3 == 0 {
            let generation = u64::try_from(tick).unwrap();
            let outcome = if tick % 90 == 0 {
                let message = "the account asks too much of this API".into();
                Err(Trouble { kind: TroubleKind::Throttled, message, missing_action: None, since: at })
            } else {
                Ok(Reading::Violations(Vec::new()))
            };
            poll(&mut fleet, SourceId::Violations, generation, at, outcome);
            let things =
                (0..DEVICES).map(|i| ThingRecord { name: Name::new(&name(i)), thing_type: None }).collect();
            poll(&mut fleet, SourceId::Things, generation, at, Ok(Reading::Things(things)));
        }
        fleet.tick(at + 10 * SECOND);
        fleet.take_wanted();
        if at == START + 6 * HOUR {
            settled = USED.load(Ordering::Relaxed);
        }
    }
    let end = USED.load(Ordering::Relaxed);
    assert!(sent > 2_000_000);
    assert_eq!(fleet.stream().received(), sent, "counts are exact");
    assert_eq!(fleet.link().reconnects(), 7 * 48 - 1);
    assert_eq!(fleet.len(), DEVICES as usize);
    assert!(settled > 0 && end <= settled + 64 * 1024, "{settled} bytes after six hours, {end} after a week");
}
