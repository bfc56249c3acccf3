//! The clone catcher: one device that flaps is never two, and two devices with one identity always are, within so many
//! sessions. Over generated lives of devices, as presence events and messages tell them: twice, late, out of order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use quell_fleet::event::{Batch, Event, LinkEvent, Message, Notice, Poll, PresenceKind, Reading, TopicEntry};
use quell_fleet::model::{CertificateRecord, Name, ThingRecord, Violation};
use quell_fleet::{Fleet, Limits, Ms, Sharing, SourceId, Word};

const T0: Ms = 1_700_000_000_000;
/// Sessions within which two devices that can be told apart are.
const WITHIN: usize = 24;

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// Where a session comes from, and with what.
#[derive(Clone, Copy)]
struct From {
    client: &'static str,
    principal: &'static str,
    address: &'static str,
}

const USUAL: From = From { client: "Thing02", principal: "cert-1", address: "192.0.2.1" };

/// A device's life as it is told.
struct Life {
    fleet: Fleet,
    now: Ms,
    version: i64,
}

impl Life {
    fn new() -> Self {
        let mut fleet = Fleet::new(Limits::default());
        let (client_id, filters) = ("q".into(), vec!["#".into()]);
        fleet.apply(Event::Link(LinkEvent::Up { at: T0, client_id, filters }), T0);
        let topic = |id, thing: &str| TopicEntry {
            id,
            topic: format!("t/{thing}").into(),
            thing: Some(Name::new(thing)),
            telemetry: true,
        };
        let topics = vec![topic(0, "Thing02"), topic(1, "Thing03")];
        fleet.apply(Event::Batch(Batch { topics, ..Batch::default() }), T0);
        Self { fleet, now: T0 + 1_000, version: 0 }
    }

    fn told(&mut self, from: From, kind: PresenceKind, version: i64, reason: Option<&str>, at: Ms) {
        let notice = Notice::Presence {
            client: Name::new(from.client),
            kind,
            reason: reason.map(Into::into),
            principal: Some(from.principal.into()),
            version,
            at,
            address: (kind == PresenceKind::Connected).then(|| from.address.into()),
            session: Some(format!("{}-{version}", from.client).into()),
            received: Some(self.now),
        };
        self.fleet.apply(Event::Batch(Batch { notices: vec![notice], ..Batch::default() }), self.now);
    }

    fn connect(&mut self, from: From) -> i64 {
        self.version += 1;
        self.told(from, PresenceKind::Connected, self.version, None, self.now);
        self.version
    }

    /// The session before ends as `reason` says while this one begins; which is heard first is chance, and both may be heard
    /// twice.
    fn take_over(&mut self, dice: &mut Dice, before: From, from: From, reason: &str) {
        let (old, at) = (self.version, self.now);
        self.version += 1;
        let new = self.version;
        let mut events = [true, false];
        if dice.one_in(2) {
            events.swap(0, 1);
        }
        for _ in 0..1 + u8::from(dice.one_in(5)) {
            for began in events {
                if began {
                    self.told(from, PresenceKind::Connected, new, None, at);
                } else {
                    self.told(before, PresenceKind::Disconnected, old, Some(reason), at);
                }
            }
        }
    }

    fn message(&mut self, payload: &str) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let message = Message { topic: 0, len: payload.len() as u32, at: self.now, payload: Some(payload) };
        self.fleet.apply(Event::Batch(Batch { messages: vec![message], ..Batch::default() }), self.now);
    }

    fn pass(&mut self, ms: Ms) {
        self.now += ms;
        self.fleet.tick(self.now);
    }

    fn word(&self) -> Word {
        self.fleet.device(self.fleet.find("Thing02").unwrap()).word()
    }
}

fn json(bytes: usize) -> String {
    format!("{{\"t\":\"{}\"}}", "x".repeat(bytes.saturating_sub(8)))
}

fn noise(bytes: usize) -> String {
    "Q".repeat(bytes)
}

#[test]
fn one_device_that_flaps_is_never_two() {
    const ADDRESSES: [&str; 3] = ["192.0.2.1", "192.0.2.2", "198.51.100.9"];
    for seed in 0..120 {
        let mut dice = Dice::of(seed);
        let mut life = Life::new();
        let mut from = USUAL;
        life.connect(from);
        // Some are taken over all the time, some mostly end otherwise; some move, some send two kinds of messages.
        let (clean, moves, kinds) = (1 + dice.roll(20), 6 + dice.roll(30), dice.roll(3));
        for session in 0..150 {
            for _ in 0..dice.roll(6) {
                life.pass(100 + dice.roll(9_000) as Ms);
                let large = kinds > 0 && dice.roll(10) < 3;
                let text = match (large, kinds) {
                    (false, _) => json(100 + dice.roll(20) as usize),
                    (true, 1) => json(900),
                    (true, _) => noise(3_000),
                };
                life.message(&text);
            }
            life.pass(200 + dice.roll(20_000) as Ms);
            let before = from;
            if dice.one_in(moves) {
                from = From { address: ADDRESSES[dice.roll(3) as usize], ..from };
            }
            let reason = if dice.one_in(clean) {
                ["CONNECTION_LOST", "MQTT_KEEP_ALIVE_TIMEOUT", "CLIENT_INITIATED_DISCONNECT"]
                    [dice.roll(3) as usize]
            } else {
                "DUPLICATE_CLIENTID"
            };
            life.take_over(&mut dice, before, from, reason);
            let found = life.fleet.cloned();
            assert!(found.is_empty(), "seed {seed}, session {session}: {}", found[0].sentence());
        }
    }
}

#[test]
fn a_device_that_sleeps_and_sends_more_with_every_second_waking_is_never_two() {
    let mut dice = Dice::of(7);
    let mut life = Life::new();
    life.connect(USUAL);
    for waking in 0..60 {
        let text = if waking % 2 == 0 { json(120) } else { json(2_000) };
        life.message(&text);
        life.pass(300_000);
        life.take_over(&mut dice, USUAL, USUAL, "DUPLICATE_CLIENTID");
        assert!(life.fleet.cloned().is_empty(), "waking {waking}");
    }
}

/// What tells the two apart.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Address,
    Principal,
    Size,
    Payload,
    Rate,
    AddressAndSize,
}

const ALL: [By; 6] = [By::Address, By::Principal, By::Size, By::Payload, By::Rate, By::AddressAndSize];

/// Two devices cut each other off in turn; after how many sessions that is found.
fn fight(life: &mut Life, dice: &mut Dice, by: By) -> Option<usize> {
    let other = match by {
        By::Address | By::AddressAndSize => From { address: "203.0.113.5", ..USUAL },
        By::Principal => From { principal: "cert-2", ..USUAL },
        By::Size | By::Payload | By::Rate => USUAL,
    };
    let mut before = USUAL;
    for session in 0..WITHIN {
        let second = session % 2 == 1;
        let from = if second { other } else { USUAL };
        life.take_over(dice, before, from, "DUPLICATE_CLIENTID");
        before = from;
        if !life.fleet.cloned().is_empty() {
            return Some(session + 1);
        }
        let size = 100 + dice.roll(20) as usize;
        let (messages, every, text) = match by {
            By::Rate if second => (25 + dice.roll(20), 200, json(size)),
            By::Rate => (3 + dice.roll(3), 2_000, json(size)),
            By::Size | By::AddressAndSize if second => (1 + dice.roll(3), 900, json(400)),
            By::Payload if second => (1 + dice.roll(3), 900, noise(size)),
            _ => (1 + dice.roll(3), 900, json(size)),
        };
        for _ in 0..messages {
            life.pass(every);
            life.message(&text);
        }
        life.pass(50 + dice.roll(500) as Ms);
    }
    None
}

#[test]
fn two_devices_under_one_client_id_are_told_apart_within_so_many_sessions() {
    for seed in 0..30 {
        for by in ALL {
            let mut dice = Dice::of(seed);
            let mut life = Life::new();
            life.connect(USUAL);
            // A life of its own first, flaps and all.
            for _ in 0..dice.roll(12) {
                life.pass(3_000);
                life.message(&json(100 + dice.roll(20) as usize));
                life.take_over(&mut dice, USUAL, USUAL, "DUPLICATE_CLIENTID");
            }
            life.pass(1_000);
            let after = fight(&mut life, &mut dice, by);
            let Some(after) = after else { panic!("seed {seed}: never by {by:?}") };
            assert!(by != By::AddressAndSize || after <= 16, "two differences are found sooner: {after}");
            assert_eq!(life.word(), Word::Finding, "{by:?}");
            let found = life.fleet.cloned()[0].clone();
            assert!(matches!(found.sharing, Sharing::InTurn { .. }), "{found:?}");
            assert_eq!(found.clients(), [&Name::new("Thing02")]);
            let [one, two] = &found.voices;
            match by {
                By::Address => assert_ne!(one.address, two.address),
                By::Principal => assert_ne!(one.principal, two.principal),
                By::Size | By::AddressAndSize => {
                    assert!(one.bytes.unwrap().1 < 125 && two.bytes == Some((400, 400)), "{found:?}");
                }
                By::Payload => assert_eq!((one.json.is_some(), one.json), (true, two.json.map(|json| !json))),
                By::Rate => assert!(one.per_minute != two.per_minute),
            }
            // The evidence stands in the sentence, in the facets and in nothing else.
            let id = found.device;
            let told = life.fleet.facets_json(id);
            assert_eq!(told["state"], "FINDING");
            assert_eq!(told["health"]["findings"][0]["finding"], "clone", "{told}");
            assert_eq!(told["health"]["findings"][0]["voices"].as_array().map(Vec::len), Some(2));
            // It is over when it is over, and not before.
            life.pass(500_000);
            assert_eq!(life.fleet.cloned().len(), 1);
            life.pass(101_000);
            assert!(life.fleet.cloned().is_empty());
            assert_ne!(life.word(), Word::Finding);
        }
    }
}

#[test]
fn two_that_cannot_be_told_apart_are_no_finding() {
    let mut dice = Dice::of(3);
    let mut life = Life::new();
    life.connect(USUAL);
    for _ in 0..200 {
        life.pass(2_000);
        life.message(&json(100 + dice.roll(20) as usize));
        life.take_over(&mut dice, USUAL, USUAL, "DUPLICATE_CLIENTID");
    }
    assert!(life.fleet.cloned().is_empty(), "one address and one habit: it may be one device");
    assert_ne!(life.word(), Word::Finding);
}

#[test]
fn a_gap_in_listening_is_no_evidence() {
    let mut dice = Dice::of(5);
    let mut life = Life::new();
    life.connect(USUAL);
    // Whose turn it is after a gap is not known; rows on both sides of it do not add up.
    for _ in 0..6 {
        let mut before = USUAL;
        for session in 0..10 {
            let from = if session % 2 == 1 { From { address: "203.0.113.5", ..USUAL } } else { USUAL };
            life.pass(1_000);
            life.take_over(&mut dice, before, from, "DUPLICATE_CLIENTID");
            before = from;
        }
        let at = life.now;
        life.fleet.apply(Event::Link(LinkEvent::Down { at, reason: "cut".into(), retry_at: None }), at);
        life.pass(5_000);
        let (at, client_id, filters) = (life.now, "q".into(), vec!["#".into()]);
        life.fleet.apply(Event::Link(LinkEvent::Up { at, client_id, filters }), at);
        assert!(life.fleet.cloned().is_empty());
    }
}

#[test]
fn the_same_events_give_the_same_finding() {
    let told = |seed| {
        let mut dice = Dice::of(seed);
        let mut life = Life::new();
        life.connect(USUAL);
        fight(&mut life, &mut dice, By::AddressAndSize);
        life.fleet.cloned().iter().map(|found| found.json()).collect::<Vec<_>>()
    };
    assert_eq!(told(11), told(11));
    assert!(!told(11).is_empty());
}

/// A device that speaks every ten seconds, for ten minutes.
fn ordinary(life: &mut Life) {
    life.connect(USUAL);
    for _ in 0..60 {
        life.pass(10_000);
        life.message(&json(100));
    }
}

const BESIDE: From = From { client: "Thing02-b", principal: "cert-1", address: "192.0.2.1" };

#[test]
fn a_second_client_id_that_speaks_beside_the_first_is_a_clone_and_a_silent_one_is_not() {
    for speaks in [true, false] {
        let mut life = Life::new();
        ordinary(&mut life);
        life.connect(BESIDE);
        for _ in 0..30 {
            life.pass(5_000);
            life.message(&json(100));
            life.pass(5_000);
            if speaks {
                life.message(&json(100));
            }
        }
        assert_eq!(!life.fleet.cloned().is_empty(), speaks, "an agent beside a program is no second device");
        if speaks {
            let found = &life.fleet.cloned()[0];
            assert_eq!(found.clients(), [&Name::new("Thing02"), &Name::new("Thing02-b")]);
            assert!(
                matches!(found.sharing, Sharing::AtOnce { twice: Some((12, 10_000)), outlived: false, .. }),
                "{found:?}"
            );
            assert_eq!(life.word(), Word::Finding);
        }
    }
}

/// Nobody listens for so long.
fn gap(life: &mut Life, ms: Ms) {
    let at = life.now;
    life.fleet.apply(Event::Link(LinkEvent::Down { at, reason: "cut".into(), retry_at: None }), at);
    for _ in 0..ms / 10_000 {
        life.pass(10_000);
    }
}

fn listens(life: &mut Life) {
    let (at, client_id, filters) = (life.now, "q".into(), vec!["#".into()]);
    life.fleet.apply(Event::Link(LinkEvent::Up { at, client_id, filters }), at);
}

#[test]
fn a_finding_stands_while_nobody_listens_and_its_evidence_ends_with_the_listening() {
    let mut life = Life::new();
    ordinary(&mut life);
    life.connect(From { address: "203.0.113.5", ..BESIDE });
    for _ in 0..30 {
        life.pass(5_000);
        life.message(&json(100));
    }
    assert_eq!(life.fleet.cloned().len(), 1);
    gap(&mut life, 3_600_000);
    assert_eq!(life.fleet.cloned().len(), 1, "whether it is over nobody knows");
    listens(&mut life);
    life.pass(590_000);
    assert_eq!(life.fleet.cloned().len(), 1, "quiet for less than ten minutes");
    // One of the two went in the gap: nobody told, and nobody speaks twice.
    for _ in 0..240 {
        life.pass(10_000);
        life.message(&json(100));
    }
    assert!(life.fleet.cloned().is_empty(), "what ended in the gap does not outlive any keep-alive");
    // A third that comes is beside nobody of whom it is known that he is there.
    life.connect(From { client: "Thing02-c", address: "203.0.113.9", ..BESIDE });
    for _ in 0..240 {
        life.pass(10_000);
        life.message(&json(100));
    }
    assert!(life.fleet.cloned().is_empty());
}

#[test]
fn a_client_under_another_name_is_its_things_sign_of_life() {
    use quell_fleet::state::Sign;
    let mut life = Life::new();
    let record = CertificateRecord {
        id: "cert-1".to_owned(),
        status: "ACTIVE".into(),
        things: vec![Name::new("Thing02")],
    };
    let at = life.now;
    let source = SourceId::Certificates(Name::new("Thing02"));
    let outcome = Ok(Reading::Certificates(Name::new("Thing02"), vec![record]));
    life.fleet.apply(Event::Poll(Poll { source, generation: 1, at, outcome, next_at: None }), at);
    let gateway = From { client: "gw-7", ..USUAL };
    let id = life.fleet.find("Thing02").unwrap();
    life.told(gateway, PresenceKind::ConnectFailed, 0, Some("AUTHORIZATION_FAILED"), at);
    assert_eq!(life.fleet.facets(id).life.signs.of(Sign::RefusedConnect), Some(at));
    assert_eq!(life.fleet.facets(id).life.signs.of(Sign::Presence), None);
    life.pass(1_000);
    life.connect(gateway);
    assert_eq!(life.fleet.facets(id).life.signs.of(Sign::Presence), Some(at + 1_000));
    // A certificate that serves two things does not say whose the client is.
    let other = life.fleet.find("Thing03").unwrap();
    life.connect(From { client: "gw-8", principal: "cert-9", ..USUAL });
    assert_eq!(life.fleet.facets(other).life.signs.of(Sign::Presence), None);
}

#[test]
fn an_old_session_that_the_broker_has_not_given_up_is_no_second_device() {
    let mut life = Life::new();
    ordinary(&mut life);
    // It moved, under a client id of its own making, and its old session stands until its keep-alive ends.
    life.connect(From { address: "203.0.113.5", ..BESIDE });
    for minute in 0..29 {
        for _ in 0..6 {
            life.pass(10_000);
            life.message(&json(100));
        }
        assert!(life.fleet.cloned().is_empty(), "minute {minute}");
    }
    let at = life.now;
    life.told(USUAL, PresenceKind::Disconnected, 1, Some("MQTT_KEEP_ALIVE_TIMEOUT"), at);
    life.pass(600_000);
    assert!(life.fleet.cloned().is_empty());
}

#[test]
fn two_addresses_that_outlive_every_keep_alive_are_two_devices() {
    for (address, clone) in [("203.0.113.5", true), ("192.0.2.1", false)] {
        let mut life = Life::new();
        ordinary(&mut life);
        life.connect(From { address, ..BESIDE });
        for _ in 0..32 {
            for _ in 0..6 {
                life.pass(10_000);
                life.message(&json(100));
            }
        }
        assert_eq!(!life.fleet.cloned().is_empty(), clone, "{address}");
    }
}

#[test]
fn a_client_beside_the_things_of_a_shared_certificate_is_a_clone_where_one_of_them_speaks_twice() {
    for twice in [false, true] {
        let mut life = Life::new();
        let record = CertificateRecord {
            id: "cert-1".to_owned(),
            status: "ACTIVE".into(),
            things: vec![Name::new("Thing02"), Name::new("Thing03")],
        };
        let at = life.now;
        let source = SourceId::Certificates(Name::new("Thing02"));
        let outcome = Ok(Reading::Certificates(Name::new("Thing02"), vec![record]));
        life.fleet.apply(Event::Poll(Poll { source, generation: 1, at, outcome, next_at: None }), at);
        ordinary(&mut life);
        life.connect(From { client: "Thing03", address: "203.0.113.7", ..USUAL });
        // Sessions from two addresses that live on are what a shared certificate is for.
        life.connect(From { client: "gw", address: "203.0.113.5", ..BESIDE });
        for _ in 0..200 {
            life.pass(5_000);
            life.message(&json(100));
            life.pass(5_000);
            if twice {
                life.message(&json(100));
            }
        }
        let found: Vec<_> = life.fleet.cloned().iter().map(|f| (f.thing.raw(), f.clients())).collect();
        if twice {
            assert_eq!(found, [("Thing02", vec![&Name::new("Thing02"), &Name::new("gw")])]);
        } else {
            assert!(found.is_empty(), "{found:?}");
        }
    }
}

#[test]
fn what_a_response_let_go_is_judged_anew() {
    use quell_fleet::event::{ResponseEvent, Stage};
    let mut dice = Dice::of(2);
    let mut life = Life::new();
    life.connect(USUAL);
    assert!(fight(&mut life, &mut dice, By::Size).is_some());
    let (thing, at) = (Name::new("Thing02"), life.now);
    let told = |stage| Event::Response(ResponseEvent::new(thing.clone(), stage, at));
    life.fleet.apply(told(Stage::Containing { began: at, waiting_for: "silence".into() }), at);
    assert_eq!(life.word(), Word::Containing);
    life.fleet.apply(told(Stage::Released), at);
    life.pass(1_000);
    assert!(life.fleet.cloned().is_empty());
}

#[test]
fn a_client_that_aws_has_a_violation_of_is_no_other_thing() {
    let mut life = Life::new();
    let at = life.now;
    let things = ["Thing02", "Thing03"].map(|name| ThingRecord { name: Name::new(name), thing_type: None });
    let read = |source, reading| {
        Event::Poll(Poll { source, generation: 1, at, outcome: Ok(reading), next_at: None })
    };
    life.fleet.apply(read(SourceId::Things, Reading::Things(things.into())), at);
    life.connect(USUAL);
    // AWS names a client that is no registered thing by its id.
    let violation = Violation {
        id: "v".to_owned(),
        thing: Name::new("gw-7"),
        profile: "P".into(),
        behavior: serde_json::from_value(serde_json::json!({"name": "B"})).unwrap(),
        value: None,
        verification: None,
        note: None,
        started: at,
        last: at,
    };
    life.fleet.apply(read(SourceId::Violations, Reading::Violations(vec![violation])), at);
    life.connect(From { client: "gw-7", ..USUAL });
    let id = life.fleet.find("Thing02").unwrap();
    let told: Vec<_> = life.fleet.clients_of(id).map(|c| c.client.raw().to_owned()).collect();
    assert!(told.contains(&"gw-7".to_owned()), "{told:?}");
}

#[test]
fn every_client_id_seen_with_its_principals_is_told() {
    let mut life = Life::new();
    life.connect(USUAL);
    life.pass(1_000);
    life.connect(From { address: "203.0.113.5", ..BESIDE });
    let at = life.now;
    life.told(BESIDE, PresenceKind::Disconnected, 2, Some("CONNECTION_LOST"), at);
    // Another thing's client with the same certificate is that thing's.
    life.connect(From { client: "Thing03", ..USUAL });
    let id = life.fleet.find("Thing02").unwrap();
    let told: Vec<_> = life.fleet.clients_of(id).map(|c| (c.client.raw().to_owned(), c.connected)).collect();
    assert_eq!(told, [("Thing02".to_owned(), true), ("Thing02-b".to_owned(), false)]);
    let json = life.fleet.facets_json(id);
    assert_eq!(json["clients"][1]["clientId"], "Thing02-b", "{json}");
    assert_eq!(json["clients"][1]["address"], "203.0.113.5");
    assert_eq!(json["clients"][0]["connected"], true);
}
