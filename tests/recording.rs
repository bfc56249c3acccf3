//! A recording replays to identical frames, limits and connections included, and its report holds the true times.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bytes::Bytes;
use jiff::tz::TimeZone;
use quell::console::app::{App, Env, Look, Msg};
use quell::console::keymap::Keymap;
use quell::console::theme::{Colours, Theme};
use quell::console::views;
use quell_fleet::event::{
    Batch, Event, LinkEvent, Message, Notice, Poll, Reading, ResponseEvent, Stage, TopicEntry,
};
use quell_fleet::model::{Name, ProfileRecord, Violation};
use quell_fleet::record::{Header, Player, Recorder, report};
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Limits, Ms, SourceId};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use serde_json::json;

const T0: Ms = 1_574_254_200_000;
/// The rogue's first bad message.
const BAD: Ms = T0 + 120_000;
/// When the violation is read, the operator confirms, the last message comes, the proof ends.
const READ: Ms = BAD + 41_000;
const CONFIRMED: Ms = BAD + 55_000;
const SILENT: Ms = CONFIRMED + 3_800;
const PROVEN: Ms = CONFIRMED + 34_000;

fn poll(source: SourceId, generation: u64, at: Ms, reading: Reading) -> Event {
    Event::Poll(Poll { source, generation, at, outcome: Ok(reading), next_at: Some(at + 30_000) })
}

fn profile() -> ProfileRecord {
    let behavior = json!({"name": "LargeMessageSize", "metric": "aws:message-byte-size", "criteria":
        {"comparisonOperator": "less-than-equals", "value": {"count": 1024}}});
    // From JSON, so that a field added to the record later does not break the test.
    serde_json::from_value(json!({"name": "DetectLargeMessageSize", "behaviors": [behavior],
        "targets": ["arn:aws:iot:us-east-1:123456789012:all/things"]}))
    .unwrap()
}

/// The incident, as events with the times they were taken in.
fn incident() -> Vec<(Ms, Option<Event>)> {
    let mut events: Vec<(Ms, Option<Event>)> = Vec::new();
    let up = LinkEvent::Up { at: T0, client_id: "quell-1".into(), filters: vec!["t/+".into()] };
    events.push((T0, Some(Event::Link(up))));
    events.push((T0, Some(poll(SourceId::Profiles, 1, T0, Reading::Profiles(vec![profile()])))));
    events.push((T0, Some(poll(SourceId::Violations, 2, T0, Reading::Violations(Vec::new())))));
    let topics = (0..3).map(|id| TopicEntry {
        id,
        topic: format!("temperature-device-0{}", id + 1).into(),
        thing: Some(Name::new(&format!("Thing0{}", id + 1))),
        telemetry: true,
    });
    events.push((T0, Some(Event::Batch(Batch { topics: topics.collect(), ..Batch::default() }))));
    for second in 0..220 {
        let at = T0 + second * 1_000;
        if second % 10 == 0 {
            let mut batch = Batch::default();
            for topic in 0..3 {
                if topic == 1 && at > SILENT {
                    continue;
                }
                let bytes = if topic == 1 && at >= BAD {
                    Bytes::from(vec![b'Q'; 3_000])
                } else {
                    Bytes::from(format!("{{\"t\":2{topic}.{}}}", second % 7))
                };
                batch.messages.push(Message { topic, len: bytes.len() as u32, at, payload: Some(bytes) });
            }
            if second == 180 {
                let thing = Name::new("Thing02");
                let state = json!({"quarantine": true});
                batch.notices.push(Notice::ShadowDelta { thing, shadow: None, version: 2, state, at });
            }
            events.push((at, Some(Event::Batch(batch))));
        }
        if at == READ {
            let violation: Violation = serde_json::from_value(json!({"id": "v1", "thing": "Thing02",
                "profile": "DetectLargeMessageSize", "behavior": profile().behaviors[0], "value": {"count": 3000},
                "verification": null, "started": BAD, "last": BAD}))
            .unwrap();
            events.push((at, Some(poll(SourceId::Violations, 3, at, Reading::Violations(vec![violation])))));
        }
        let stage = |stage| Some(Event::Response(ResponseEvent::new(Name::new("Thing02"), stage, at)));
        if at == CONFIRMED {
            events.push((at, stage(Stage::Containing { began: at, waiting_for: "silence".into() })));
        }
        if at == PROVEN {
            let took = SILENT - CONFIRMED;
            events.push((at, stage(Stage::Contained { began: CONFIRMED, took })));
        }
        events.push((at, None));
    }
    events
}

/// Two connections near their limit.
fn limits() -> Limits {
    Limits { connections: 2, ceiling: Some((30.0, 512.0 * 1024.0)), ..Limits::default() }
}

fn header(payloads: bool) -> Header {
    Header {
        quell: "test".to_owned(),
        began: T0,
        payloads,
        aws: true,
        speed: 1.0,
        badge: None,
        limits: (&limits()).into(),
    }
}

fn look() -> Look {
    Look {
        theme: Theme::named(None, Colours::Sixteen, false).unwrap(),
        keymap: Keymap::load(None, None).unwrap(),
        zone: TimeZone::UTC,
        badge: Some(SafeText::new("LOCAL ×10")),
        read_only: true,
        aws: true,
        journal: None,
        speed: 1.0,
        isolation_group: "IsolatedDevices".to_owned(),
        update_group: "NeedsUpdate".to_owned(),
        streams_all: None,
    }
}

fn frames(app: &mut App, fleet: &Fleet, now: Ms) -> Vec<Buffer> {
    let env = Env { fleet, now };
    let draw = |app: &mut App, size: (u16, u16)| {
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        app.update(Msg::Resize(size.0, size.1), &env);
        terminal.draw(|frame| views::draw(app, &env, frame.buffer_mut())).unwrap();
        terminal.backend().buffer().clone()
    };
    let mut out = Vec::new();
    for view in ["overview", "violations", "stream", "shadows", "device", "link"] {
        app.update(Msg::Run(quell::console::command::find(view).unwrap()), &env);
        for size in [(160, 48), (80, 24)] {
            out.push(draw(app, size));
        }
    }
    out
}

/// Records the incident; the frames of a live console at every twentieth second.
fn record(path: &Path, payloads: bool) -> Vec<(Ms, Vec<Buffer>)> {
    let mut recorder = Recorder::create(path, &header(payloads), 64 << 20).unwrap();
    let mut fleet = Fleet::new(limits());
    let mut app = App::new(look());
    let mut seen = Vec::new();
    for (at, event) in incident() {
        match event {
            Some(event) => {
                recorder.event(&event, at);
                fleet.apply(event, at);
            }
            None => {
                recorder.tick(at);
                fleet.tick(at);
                if (at - T0) % 20_000 == 0 {
                    seen.push((at, frames(&mut app, &fleet, at)));
                }
            }
        }
    }
    assert!(recorder.finish().unwrap() > 0);
    seen
}

#[test]
fn a_recording_replays_to_identical_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("incident.quellrec");
    let live = record(&path, true);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut player = Player::open(&path).unwrap();
    let mut app = App::new(look());
    for (at, expected) in &live {
        player.advance(*at).unwrap();
        assert_eq!(frames(&mut app, player.fleet(), *at), *expected, "at {} s", (at - T0) / 1000);
    }
    assert!(!player.is_incomplete() && player.lost() == 0);
    // Backwards too.
    let (at, expected) = &live[3];
    player.seek(*at).unwrap();
    assert_eq!(frames(&mut App::new(look()), player.fleet(), *at).first(), expected.first());
}

/// Two connections, one of them near its limit; halfway the configuration is read again.
#[test]
fn a_replay_shows_the_limits_and_the_connections_of_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("load.quellrec");
    let mut recorder = Recorder::create(&path, &header(true), 64 << 20).unwrap();
    let mut fleet = Fleet::new(limits());
    let mut app = App::new(look());
    let topics = (0..4).map(|id| TopicEntry {
        id,
        topic: format!("t/{id}").into(),
        thing: Some(Name::new(&format!("Thing0{id}"))),
        telemetry: true,
    });
    let mut events = vec![
        Event::Link(LinkEvent::Up { at: T0, client_id: "quell-1".into(), filters: vec!["t/+".into()] }),
        Event::Batch(Batch { topics: topics.collect(), ..Batch::default() }),
    ];
    let mut live = Vec::new();
    for second in 1..=20 {
        let at = T0 + second * 1_000;
        // Topics go round over the connections: 0 and 2 are carried by one, 1 by the other.
        let load = |topic: u32, n: i64| {
            (0..n).map(move |i| Message {
                topic,
                len: 900,
                at: at + i,
                payload: Some(Bytes::from(vec![b'x'; 900])),
            })
        };
        let messages = load(0, 14).chain(load(2, 13)).chain(load(1, 2)).collect();
        events.push(Event::Batch(Batch { messages, ..Batch::default() }));
        for event in events.drain(..) {
            recorder.event(&event, at);
            fleet.apply(event, at);
        }
        if second == 10 {
            // Fewer payloads are kept, and another group is the quarantine.
            let quarantine_groups = vec!["Cellar".into()];
            let other = Limits { payload_bytes: 20_000, quarantine_groups, ..limits() };
            recorder.limits(&other, at);
            fleet.relimit(&other, at);
        }
        if second == 12 {
            let members = Reading::Members(Name::new("Cellar"), Some(vec![Name::new("Thing03")]));
            let event = poll(SourceId::Members(Name::new("Cellar")), 4, at, members);
            recorder.event(&event, at);
            fleet.apply(event, at);
        }
        recorder.tick(at);
        fleet.tick(at);
        if second % 5 == 0 {
            live.push((at, frames(&mut app, &fleet, at)));
        }
    }
    recorder.finish().unwrap();
    let (at, last) = live.last().unwrap();
    let header: String = last[0].content().iter().take(160).map(|cell| cell.symbol()).collect();
    assert!(header.contains("% of limit"), "{header}");
    assert!(fleet.stream().let_go() > 0 && fleet.near_limit(*at).is_some());
    let mut player = Player::open(&path).unwrap();
    let mut app = App::new(look());
    for (at, expected) in &live {
        player.advance(*at).unwrap();
        assert_eq!(frames(&mut app, player.fleet(), *at), *expected, "at {} s", (at - T0) / 1000);
    }
}

#[test]
fn the_next_alarm_is_the_first_bad_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("incident.quellrec");
    record(&path, true);
    let mut player = Player::open(&path).unwrap();
    assert_eq!(player.next_alarm().unwrap(), Some(BAD));
    assert_eq!(player.fleet().own_findings().len(), 1);
    assert_eq!(player.next_alarm().unwrap(), Some(READ), "AWS's violation");
    while player.next_alarm().unwrap().is_some() {}
    assert_eq!(player.at(), player.span().1);
}

#[test]
fn without_payloads_there_is_no_payload_and_the_sizes_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sizes.quellrec");
    record(&path, false);
    let mut player = Player::open(&path).unwrap();
    player.advance(Ms::MAX).unwrap();
    let fleet = player.fleet();
    assert!(fleet.stream().received() > 40 && fleet.stream().iter().all(|kept| kept.payload.is_none()));
    let rogue = fleet.device(fleet.find("Thing02").unwrap());
    assert_eq!(rogue.last_len(), Some(3_000));
}

#[test]
fn the_report_holds_the_true_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("incident.quellrec");
    record(&path, true);
    let iso = |at: Ms| jiff::Timestamp::from_millisecond(at).unwrap().to_string();
    let journal = [
        json!({"at": iso(CONFIRMED), "kind": "intent", "plan": "p1", "what": "isolate",
            "targets": ["Thing02"], "who": {"arn": "arn:aws:iam::123456789012:user/ops", "user": "ops"}}),
        json!({"at": iso(PROVEN), "kind": "outcome", "plan": "p1", "outcome": "proven", "targets": []}),
        json!({"at": iso(T0 - 86_400_000), "kind": "intent", "plan": "p0", "what": "revoke", "targets": ["Thing02"]}),
    ];
    let report = report::tell(&mut Player::open(&path).unwrap(), &journal, &mut |_| {}).unwrap();
    let incident = &report.incidents["Thing02"];
    assert_eq!((incident.began, incident.detected), (Some(BAD), Some(BAD)));
    assert_eq!((incident.found, incident.violation), (Some(BAD), Some(READ)));
    assert_eq!(incident.time_to_detect(), Some(0));
    assert_eq!(incident.time_to_respond(), Some(CONFIRMED - BAD));
    assert_eq!(incident.time_to_contain(), Some(SILENT - CONFIRMED));
    assert_eq!(incident.who.as_ref().map(SafeText::as_str), Some("arn:aws:iam::123456789012:user/ops"));
    assert_eq!(report.incidents.len(), 1, "{:?}", report.incidents.keys());
    let text = report.markdown();
    for wanted in ["## Thing02", "55.0 s", "3.8 s", "proven silent", "isolate confirmed", "user/ops"] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    assert!(!text.contains("revoke"), "what was done before is not part of it:\n{text}");
    assert!(report.timeline.is_sorted_by_key(|line| line.at));
    assert_eq!(report.json()["incidents"][0]["timeToContainMs"], 3_800);
}

#[test]
fn a_file_cut_off_plays_as_far_as_it_goes_and_other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("incident.quellrec");
    record(&path, true);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let mut player = Player::open(&path).unwrap();
    player.advance(Ms::MAX).unwrap();
    assert!(player.is_incomplete());
    for (content, said) in [(&b"MQTT"[..], "not a recording"), (&b"quellrec\x09"[..], "version 9")] {
        let other = folder.path().join("other");
        std::fs::write(&other, content).unwrap();
        let error = Player::open(&other).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(Recorder::create(&path, &header(true), 1 << 20).is_err(), "a recording is never overwritten");
}

#[test]
fn a_recording_keeps_to_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.quellrec");
    let mut recorder = Recorder::create(&path, &header(true), 20_000).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let mut at = T0;
    while !recorder.has_ended() && std::time::Instant::now() < deadline {
        at += 1;
        let payload: Vec<u8> = (0..2_000).map(|_| rng.u8(..)).collect();
        let messages = vec![Message { topic: 0, len: 2_000, at, payload: Some(payload.into()) }];
        recorder.event(&Event::Batch(Batch { messages, ..Batch::default() }), at);
    }
    assert!(recorder.is_full());
    recorder.finish().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() <= 20_000);
    let mut player = Player::open(&path).unwrap();
    player.advance(Ms::MAX).unwrap();
    assert!(player.is_incomplete());
}
