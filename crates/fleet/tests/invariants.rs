//! What must always hold of the words, over a hundred thousand generated sequences of events: signs of life of every kind,
//! responses of two consoles, memberships, policies read or not, connections that come, go, freeze and are full.
//!
//! A plain model beside the fleet keeps what each promise needs and nothing else. A sequence that breaks one is made as short
//! as it can be before it is shown.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use quell_fleet::event::{
    Batch, Counted, Event, LinkEvent, Message, Notice, Poll, PresenceKind, Reading, ResponseEvent, Stage,
    TopicEntry,
};
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::{CertificateRecord, Name, ShadowDocument, Violation};
use quell_fleet::state::{Containment, Denies, Hearing, Proof, word};
use quell_fleet::{DeviceId, Fleet, Limits, Ms, SourceId, Word};

/// Sequences in all.
const SEQUENCES: u64 = 100_000;
/// Steps of one.
const STEPS: usize = 16;
const T0: Ms = 1_700_000_000_000;
/// A silence is no shorter than this.
const SILENCE: Ms = 30_000;
const GROUP: &str = "IsolatedDevices";
const THINGS: [&str; 3] = ["A", "B", "C"];

/// One step: what happens, to whom, and how long after the step before.
#[derive(Clone, Copy, Debug)]
struct Step {
    what: u8,
    whom: usize,
    after: Ms,
}

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

const KINDS: u64 = 27;

fn sequence(seed: u64) -> Vec<Step> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    const AFTER: [Ms; 8] = [1, 50, 900, 1_000, 4_000, 9_000, 70_000, 500_000];
    let length = 4 + dice.roll(STEPS as u64 - 3) as usize;
    // Half of the sequences begin where it gets interesting: connected, and in a group that denies.
    let opening: &[u8] = if dice.roll(2) == 0 { &[16, 1, 11, 14, 8] } else { &[] };
    let opening = opening.iter().map(|what| Step { what: *what, whom: 0, after: 1_000 });
    opening
        .chain((0..length).map(|_| Step {
            what: dice.roll(KINDS) as u8,
            whom: if dice.roll(3) == 0 { dice.roll(3) as usize } else { 0 },
            after: AFTER[dice.roll(8) as usize],
        }))
        .collect()
}

/// What is known of one device, kept the plain way.
#[derive(Clone, Default)]
struct Plain {
    /// The last sign that AWS let through.
    through: Option<Ms>,
    connected: Option<bool>,
    member: Option<Ms>,
    certificates: Option<usize>,
    /// The latest step of a response, by its own time.
    stage: Option<(u8, Ms)>,
}

/// The whole world, kept the plain way.
#[derive(Clone, Default)]
struct World {
    now: Ms,
    things: [Plain; 3],
    denial: Option<bool>,
    up: Option<Ms>,
    answered: Ms,
    /// When the connection last carried too much, and when that was last looked at while it did.
    flood: Ms,
    full: Ms,
    counter: i64,
}

const CONTAINING: u8 = 20;
const CONTAINED: u8 = 21;
const UNPROVEN: u8 = 22;
const FAILED: u8 = 23;
const RELEASED: u8 = 24;
const REVOKED: u8 = 25;

fn notice(notice: Notice) -> Event {
    Event::Batch(Batch { notices: vec![notice], ..Batch::default() })
}

fn poll(world: &World, source: SourceId, outcome: Result<Reading, Trouble>) -> Event {
    Event::Poll(Poll { source, generation: world.counter as u64, at: world.now, outcome, next_at: None })
}

fn trouble() -> Trouble {
    Trouble { kind: TroubleKind::Denied, message: "no".into(), missing_action: None, since: T0 }
}

/// The event of a step, and what the plain model makes of it.
fn event(world: &mut World, step: Step) -> Option<Event> {
    world.now += step.after;
    world.counter += 1;
    // Rates are those of the last five whole seconds.
    if (1..=5).contains(&(world.now / 1_000 - world.flood / 1_000)) {
        world.full = world.now;
    }
    let (now, count) = (world.now, world.counter);
    let name = || Name::new(THINGS[step.whom]);
    let topic = step.whom as u32;
    let presence = |kind| {
        let (reason, principal) = (None, None);
        let (address, session, received) = (None, None, None);
        let (version, at) = (count, now);
        notice(Notice::Presence {
            client: name(),
            kind,
            reason,
            principal,
            version,
            at,
            address,
            session,
            received,
        })
    };
    let message = |topic| Message { topic, len: 100, at: now, payload: None };
    Some(match step.what {
        0 => {
            world.things[step.whom].through = Some(now);
            Event::Batch(Batch { messages: vec![message(topic)], ..Batch::default() })
        }
        1 => {
            world.things.iter_mut().for_each(|thing| thing.through = Some(now));
            Event::Batch(Batch { messages: (0..3).map(message).collect(), ..Batch::default() })
        }
        2 => {
            world.things[step.whom].through = Some(now);
            let document =
                ShadowDocument { reported: count.into(), version: count, ..ShadowDocument::default() };
            notice(Notice::ShadowDocument { thing: name(), shadow: None, document, at: now })
        }
        3 => {
            world.things[step.whom].through = Some(now);
            notice(Notice::DefenderReport { thing: name(), accepted: true, at: now })
        }
        4 => {
            world.things[step.whom].through = Some(now);
            world.things[step.whom].connected = Some(true);
            presence(PresenceKind::Connected)
        }
        5 => {
            world.things[step.whom].connected = Some(false);
            presence(PresenceKind::Disconnected)
        }
        6 => presence(PresenceKind::ConnectFailed),
        7 => {
            world.things[step.whom].through = Some(now);
            let (job, thing) = (Name::new("J"), Some(name()));
            notice(Notice::JobEvent { job, thing, status: "SUCCEEDED".into(), at: now })
        }
        8 | 9 => {
            let added = step.what == 8;
            let thing = &mut world.things[step.whom];
            if !added && thing.member.is_some() && thing.stage.is_none_or(|(_, at)| at <= now) {
                thing.stage = Some((RELEASED, now));
            }
            thing.member = added.then(|| thing.member.unwrap_or(now));
            notice(Notice::Membership { group: Name::new(GROUP), thing: name(), added, at: now })
        }
        10 => {
            let record =
                |i| CertificateRecord { id: format!("c{i}"), status: "ACTIVE".into(), things: vec![] };
            let many = usize::from(!count.unsigned_abs().is_multiple_of(3));
            world.things[step.whom].certificates = Some(many);
            let reading = Reading::Certificates(name(), (0..many).map(record).collect());
            poll(world, SourceId::Certificates(name()), Ok(reading))
        }
        11 | 12 => {
            let by = (step.what == 11).then(|| "Deny".into());
            world.denial = Some(step.what == 11);
            poll(world, SourceId::Denial(Name::new(GROUP)), Ok(Reading::Denial(Name::new(GROUP), by)))
        }
        13 => poll(world, SourceId::Denial(Name::new(GROUP)), Err(trouble())),
        14 => {
            let record = CertificateRecord { id: "c".to_owned(), status: "ACTIVE".into(), things: vec![] };
            world.things[step.whom].certificates = Some(1);
            poll(world, SourceId::Certificates(name()), Ok(Reading::Certificates(name(), vec![record])))
        }
        15 => {
            let violation = |i: usize| Violation {
                id: format!("v{i}"),
                thing: Name::new(THINGS[i]),
                profile: "P".into(),
                behavior: serde_json::from_value(serde_json::json!({"name": "B"})).unwrap(),
                value: None,
                verification: None,
                note: None,
                started: now,
                last: now,
            };
            let list = (0..3).filter(|i| count & (1 << i) != 0).map(violation).collect();
            poll(world, SourceId::Violations, Ok(Reading::Violations(list)))
        }
        16 => {
            if world.up.is_none() {
                world.up = Some(now);
            }
            world.answered = now;
            Event::Link(LinkEvent::Up { at: now, client_id: "q".into(), filters: vec!["t/#".into()] })
        }
        17 => {
            world.up = None;
            Event::Link(LinkEvent::Down { at: now, reason: "cut".into(), retry_at: None })
        }
        18 => {
            world.up?;
            world.answered = now;
            Event::Link(LinkEvent::Answered { connection: 0, asked: now, at: now })
        }
        19 => {
            let (filter, why) = ("x/#".into(), "no".into());
            Event::Link(LinkEvent::FilterRefused { at: now, filter, why })
        }
        stage @ CONTAINING..=REVOKED => {
            let began = now - 10;
            let thing = &mut world.things[step.whom];
            thing.stage = Some((stage, now));
            let stage = match stage {
                CONTAINING => Stage::Containing { began, waiting_for: "silence".into() },
                CONTAINED => Stage::Contained { began, took: 5 },
                UNPROVEN => Stage::Unproven { began, missing: "silence".into() },
                FAILED => Stage::Failed { began, what: "denied".into(), left: "cut".into() },
                RELEASED => Stage::Released,
                _ => Stage::Revoked,
            };
            Event::Response(ResponseEvent::new(name(), stage, now))
        }
        // A second at the limit: the connection carries all it may.
        _ => {
            world.things[2].through = Some(now);
            world.flood = now;
            let counted = Counted { topic: 2, count: 2_000, bytes: 2_000, largest: 1, last: 1, at: now };
            Event::Batch(Batch { counted: vec![counted], ..Batch::default() })
        }
    })
}

fn fleet() -> Fleet {
    let limits = Limits {
        ceiling: Some((100.0, 1e9)),
        messages: 64,
        policy_delay: 60_000,
        stale_after: SILENCE,
        ..Limits::default()
    };
    let mut fleet = Fleet::new(limits);
    let topics = (0..3).map(|i| TopicEntry {
        id: i,
        topic: format!("t/{i}").into(),
        thing: Some(Name::new(THINGS[i as usize])),
        telemetry: true,
    });
    fleet.apply(Event::Batch(Batch { topics: topics.collect(), ..Batch::default() }), T0);
    fleet
}

fn ids(fleet: &Fleet) -> [DeviceId; 3] {
    THINGS.map(|name| fleet.find(name).unwrap())
}

fn words(fleet: &Fleet) -> [Word; 3] {
    ids(fleet).map(|id| fleet.device(id).word())
}

/// Runs a sequence; the promise that is broken, if one is.
fn broken(steps: &[Step]) -> Option<String> {
    let mut world = World { now: T0, answered: Ms::MIN, ..World::default() };
    let (mut here, mut again, mut there) = (fleet(), fleet(), fleet());
    // The other console hears of a response one event later.
    let mut late: Option<Event> = None;
    let mut before = words(&here);
    for (i, step) in steps.iter().enumerate() {
        let was = world.clone();
        let Some(event) = event(&mut world, *step) else { continue };
        let now = world.now;
        here.apply(event.clone(), now);
        again.apply(event.clone(), now);
        let told = late.take();
        match event {
            Event::Response(mine) => {
                late = Some(Event::Response(ResponseEvent { by: Some("ana".into()), ..mine }));
            }
            other => {
                there.apply(other, now);
            }
        }
        if let Some(told) = told {
            there.apply(told, now);
        }
        if let Some(why) = promises(&here, &world, &was, &before, *step) {
            return Some(format!("step {i}, right after the event: {why}"));
        }
        for fleet in [&mut here, &mut again, &mut there] {
            fleet.tick(now);
        }
        if let Some(why) = promises(&here, &world, &world, &words(&here), Step { what: u8::MAX, ..*step }) {
            return Some(format!("step {i}, after a tick: {why}"));
        }
        // 8: the same events give the same words.
        if words(&here) != words(&again) {
            return Some(format!("step {i}: the same events, other words"));
        }
        before = words(&here);
    }
    if let Some(told) = late {
        there.apply(told, world.now);
    }
    // 7: both consoles say the same of every response.
    for id in ids(&here) {
        let kind = |fleet: &Fleet| (facet(&fleet.facets(id).containment), fleet.device(id).stage().cloned());
        if kind(&here) != kind(&there) {
            return Some(format!(
                "two consoles: {:?} and {:?}",
                here.facets(id).containment,
                there.facets(id).containment
            ));
        }
    }
    None
}

fn facet(containment: &Containment<'_>) -> &'static str {
    match containment {
        Containment::None => "none",
        Containment::Asked { .. } => "asked",
        Containment::Failed { .. } => "failed",
        Containment::Unproven { .. } => "unproven",
        Containment::Contained(_) => "contained",
        Containment::Revoked(_) => "revoked",
        Containment::Leaking { .. } => "leaking",
        Containment::InGroup { .. } => "in a group",
    }
}

fn is_sign(what: u8) -> bool {
    matches!(what, 0..=4 | 7)
}

fn promises(fleet: &Fleet, world: &World, was: &World, before: &[Word; 3], step: Step) -> Option<String> {
    // 6: one number for the header, the rows, the grid, `things` and `watch`.
    let counts = fleet.counts();
    let shown: Vec<Word> = fleet.devices().map(|(_, device)| device.word()).collect();
    // Making JSON is the dearest part: it is looked at for some.
    let told = (world.counter % 8 == 0)
        .then(|| fleet.devices().map(|(id, _)| fleet.facets_json(id)["state"].take()).collect::<Vec<_>>());
    for known in Word::ALL {
        let rows = shown.iter().filter(|word| **word == known).count();
        let json =
            told.as_ref().map_or(rows, |told| told.iter().filter(|state| **state == known.text()).count());
        if counts.of(known) != rows || json != rows {
            return Some(format!(
                "6: {} in the header, {rows} rows and {json} in JSON say {known}",
                counts.of(known)
            ));
        }
    }
    for (i, id) in ids(fleet).into_iter().enumerate() {
        let (device, facets, thing) = (fleet.device(id), fleet.facets(id), &world.things[i]);
        let says = device.word();
        if word(&facets) != says {
            return Some(format!(
                "6: {} says {says}, what is known says {}: {facets:?}",
                THINGS[i],
                word(&facets)
            ));
        }
        // 1: only with all proofs.
        if let Containment::Contained(proof) | Containment::Revoked(proof) = facets.containment {
            match proof {
                Proof::Response { proven, .. } => {
                    let proved = matches!(thing.stage, Some((CONTAINED | REVOKED, at)) if at == proven);
                    if !proved || thing.through.is_some_and(|at| at > proven) {
                        return Some(format!(
                            "1: {} is {says} by a response that did not prove it",
                            THINGS[i]
                        ));
                    }
                }
                Proof::Seen { silent_from, proven, .. } => {
                    let whole = world.denial == Some(true)
                        && thing.member.is_some_and(|since| since <= silent_from)
                        && thing.through.is_none_or(|at| at <= silent_from)
                        && silent_from <= proven;
                    // What was there when it was proven.
                    let fresh = proven == world.now;
                    let heard = was.up.is_some_and(|up| up <= silent_from)
                        && was.answered >= silent_from
                        && thing.connected != Some(true)
                        && thing.certificates.is_some_and(|n| n > 0)
                        && !(silent_from < was.full && was.full <= was.answered.min(silent_from + SILENCE));
                    if !whole || fresh && step.what == u8::MAX && !heard {
                        return Some(format!(
                            "1: {} is {says} by {proof:?}, whole {whole}, heard {heard}",
                            THINGS[i]
                        ));
                    }
                }
            }
        }
        // 2: a sign of life after the proof, within that event.
        let spoke = is_sign(step.what) && (step.whom == i || step.what == 1);
        if spoke && matches!(before[i], Word::Contained | Word::Revoked) && says != Word::Leaking {
            return Some(format!("2: {} was {}, spoke, and is {says}", THINGS[i], before[i]));
        }
        // 3: no grace where nothing denies.
        let nothing = world.denial == Some(false) || thing.certificates == Some(0) && world.denial.is_none();
        let unanswered =
            thing.stage.is_none_or(|(stage, at)| stage == RELEASED && thing.member.is_some_and(|m| m > at));
        if let (true, true, Some(since)) = (nothing, unanswered, thing.member)
            && thing.through.is_some_and(|at| at > since)
            && says != Word::Leaking
        {
            return Some(format!("3: {} in a group that denies nothing spoke and is {says}", THINGS[i]));
        }
        if let Containment::InGroup { denies: Denies::Yes { .. }, .. } = facets.containment
            && world.denial != Some(true)
        {
            return Some("3: a deny that was not read".to_owned());
        }
        // 4: what failed or was left, or was released, is not in flight.
        match thing.stage {
            Some((CONTAINING, _)) => {}
            _ if says == Word::Containing => {
                return Some(format!("4: {} CONTAINING with nothing in flight", THINGS[i]));
            }
            Some((FAILED, _)) if says != Word::NotHeld => {
                return Some(format!("4: {} failed and is {says}", THINGS[i]));
            }
            _ => {}
        }
        // 5: no word of now without a listener.
        let listens = matches!(facets.hearing, Hearing::Listening { .. });
        if says.is_present() && fleet.as_of(id).is_some() == listens {
            return Some(format!(
                "5: {} {says}, listened to: {listens}, as of {:?}",
                THINGS[i],
                fleet.as_of(id)
            ));
        }
        if listens && world.up.is_none() {
            return Some(format!("5: {} is listened to without a connection", THINGS[i]));
        }
    }
    None
}

/// The shortest part of a sequence that breaks a promise too.
fn shortest(mut steps: Vec<Step>) -> (Vec<Step>, String) {
    loop {
        let shorter = (0..steps.len()).find_map(|i| {
            let mut fewer = steps.clone();
            fewer.remove(i);
            broken(&fewer).is_some().then_some(fewer)
        });
        match shorter {
            Some(fewer) => steps = fewer,
            None => {
                let why = broken(&steps).unwrap_or_default();
                return (steps, why);
            }
        }
    }
}

#[test]
fn the_eight_promises_hold() {
    let sequences = std::env::var("SEQUENCES").ok().and_then(|n| n.parse().ok()).unwrap_or(SEQUENCES);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(8);
    let failed = std::thread::scope(|scope| {
        let work = |first| {
            move || {
                (first..sequences).step_by(threads as usize).find(|seed| broken(&sequence(*seed)).is_some())
            }
        };
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(work(first))).collect();
        running.into_iter().filter_map(|thread| thread.join().unwrap()).min()
    });
    if let Some(seed) = failed {
        let (steps, why) = shortest(sequence(seed));
        let steps: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
        assert!(failed.is_none(), "seed {seed}: {why}\n{}", steps.join("\n"));
    }
}
