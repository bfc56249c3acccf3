//! Findings: with Detect refused, beside Detect, and over gaps.

use serde_json::json;

use super::event::{Batch, Event, LinkEvent, Message, Poll, Reading, TopicEntry};
use super::known::{Trouble, TroubleKind};
use super::model::{ProfileRecord, Violation};
use super::*;

/// A multiple of 300 s.
const T0: Ms = 1_574_254_200_000;

fn profile(behavior: serde_json::Value) -> ProfileRecord {
    ProfileRecord {
        name: "DetectLargeMessageSize".into(),
        behaviors: vec![serde_json::from_value(behavior).unwrap()],
        targets: vec!["arn:aws:iot:us-east-1:123456789012:all/things".into()],
        ..ProfileRecord::default()
    }
}

fn large() -> ProfileRecord {
    profile(json!({"name": "LargeMessageSize", "metric": "aws:message-byte-size", "criteria":
        {"comparisonOperator": "less-than-equals", "value": {"count": 1024}}}))
}

fn up(at: Ms) -> Event {
    Event::Link(LinkEvent::Up { at, client_id: "quell-test".into(), filters: Vec::new() })
}

fn topics(names: &[&str]) -> Event {
    let topics = names.iter().zip(0..).map(|(name, id)| TopicEntry {
        id,
        topic: format!("t/{name}").into(),
        thing: Some(Name::new(name)),
        telemetry: true,
    });
    Event::Batch(Batch { topics: topics.collect(), ..Batch::default() })
}

fn heard(topic: u32, at: Ms, len: u32) -> Event {
    let messages = vec![Message { topic, len, at, payload: None }];
    Event::Batch(Batch { messages, ..Batch::default() })
}

fn read(source: SourceId, generation: u64, at: Ms, outcome: Result<Reading, Trouble>) -> Event {
    Event::Poll(Poll { source, generation, at, outcome, next_at: None })
}

fn refused(at: Ms) -> Trouble {
    Trouble {
        kind: TroubleKind::Refused,
        message: "Device Defender Detect is not offered to this account".into(),
        missing_action: None,
        since: at,
    }
}

#[test]
fn with_detect_refused_the_rogue_is_found_by_a_profile_of_a_file() {
    let limits = Limits { security_profiles: vec![large()], ..Limits::default() };
    let mut fleet = Fleet::new(limits);
    fleet.apply(up(T0), T0);
    fleet.apply(topics(&["Thing01", "Thing02"]), T0);
    fleet.apply(read(SourceId::Violations, 1, T0, Err(refused(T0))), T0);
    fleet.apply(read(SourceId::Profiles, 1, T0, Err(refused(T0))), T0);
    for i in 0..3 {
        fleet.apply(heard(0, T0 + i * 10_000, 120), T0 + i * 10_000);
        fleet.apply(heard(1, T0 + i * 10_000, 120), T0 + i * 10_000);
    }
    assert!(fleet.own_findings().is_empty());
    let changes = fleet.apply(heard(1, T0 + 30_000, 3000), T0 + 30_020);
    assert!(changes.contains(Changes::ALARM | Changes::VIOLATIONS));
    let [finding] = fleet.own_findings() else { panic!("one finding: {:?}", fleet.own_findings()) };
    assert_eq!((finding.thing.raw(), finding.value.count), ("Thing02", Some(3000)));
    assert_eq!(finding.found - finding.bad, 20, "on its first bad message");
    let Agreement::Open(why) = fleet.aws_on(finding, T0 + 31_000) else { panic!("AWS cannot say anything") };
    assert!(why.as_str().contains("not offered"), "{why}");
    let rogue = fleet.find("Thing02").unwrap();
    assert_eq!(fleet.device(rogue).word(), Word::Finding);
    assert_eq!((fleet.counts().of(Word::Finding), fleet.counts().alarms_known), (1, false));
    // Back to what is normal: the next message clears it, and it is remembered.
    fleet.apply(heard(1, T0 + 40_000, 120), T0 + 40_000);
    assert!(fleet.own_findings().is_empty());
    assert_eq!(fleet.past_findings().next_back().and_then(|f| f.over), Some(T0 + 40_000));
    assert_eq!(fleet.device(rogue).word(), Word::Ok);
}

fn violation(profile: &ProfileRecord, thing: &str, at: Ms) -> Violation {
    Violation {
        id: "v1".to_owned(),
        thing: Name::new(thing),
        profile: profile.name.clone(),
        behavior: profile.behaviors[0].clone(),
        value: None,
        verification: None,
        note: None,
        started: at,
        last: at,
    }
}

#[test]
fn with_detect_on_the_finding_comes_first_and_both_are_told() {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    fleet.apply(topics(&["Thing01", "Thing02"]), T0);
    fleet.apply(read(SourceId::Profiles, 1, T0, Ok(Reading::Profiles(vec![large()]))), T0);
    fleet.apply(read(SourceId::Violations, 1, T0, Ok(Reading::Violations(Vec::new()))), T0);
    fleet.apply(heard(1, T0 + 5_000, 3000), T0 + 5_000);
    let finding = fleet.own_findings()[0].clone();
    let early = fleet.aws_on(&finding, T0 + 6_000);
    assert!(
        matches!(&early, Agreement::Open(text) if text.as_str().contains("not judged it yet")),
        "{early:?}"
    );
    let list = vec![violation(&large(), "Thing02", T0 + 5_000)];
    fleet.apply(
        read(SourceId::Violations, 2, T0 + 46_000, Ok(Reading::Violations(list.clone()))),
        T0 + 46_000,
    );
    fleet.apply(
        read(SourceId::Violations, 3, T0 + 76_000, Ok(Reading::Violations(list.clone()))),
        T0 + 76_000,
    );
    let agreed = Agreement::Agree { ours: T0 + 5_000, aws: T0 + 46_000 };
    assert_eq!(fleet.aws_on(&finding, T0 + 80_000), agreed);
    assert_eq!(fleet.ours_on(&list[0]), agreed);
    assert_eq!(fleet.findings_alone().count(), 0);
    assert_eq!(fleet.device(finding.device).word(), Word::Alarm);
    // A violation we know nothing of says why.
    let unknown = violation(&large(), "Thing77", T0 + 50_000);
    assert!(matches!(fleet.ours_on(&unknown), Agreement::Differ(text) if text.as_str().contains("--topic")));
    // AWS read long after and without it: that is a disagreement, with its reason.
    let late = T0 + 600_000;
    fleet.apply(read(SourceId::Violations, 4, late, Ok(Reading::Violations(Vec::new()))), late);
    assert!(matches!(fleet.aws_on(&finding, late), Agreement::Differ(_)));
}

#[test]
fn a_window_that_was_not_heard_whole_proves_only_what_no_message_could_mend() {
    let few = profile(json!({"name": "few", "metric": "aws:num-messages-sent", "criteria":
        {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300}}));
    let many = profile(json!({"name": "many", "metric": "aws:num-messages-sent", "criteria":
        {"comparisonOperator": "greater-than", "value": {"count": 20}, "durationSeconds": 300}}));
    let many = ProfileRecord { name: "Other".into(), ..many };
    let limits = Limits { security_profiles: vec![few, many], ..Limits::default() };
    let mut fleet = Fleet::new(limits);
    fleet.apply(up(T0 + 100_000), T0 + 100_000);
    fleet.apply(topics(&["Thing01"]), T0 + 100_000);
    for i in 0..10 {
        fleet.apply(heard(0, T0 + 110_000 + i, 10), T0 + 110_000 + i);
    }
    let changes = fleet.tick(T0 + 301_000);
    assert!(changes.contains(Changes::VIOLATIONS));
    let names: Vec<_> = fleet.own_findings().iter().map(|f| f.behavior.name.as_str()).collect();
    assert_eq!(names, ["few"], "ten are too many whatever was missed; they are not too few for sure");
    for i in 0..10 {
        fleet.apply(heard(0, T0 + 400_000 + i, 10), T0 + 400_000 + i);
    }
    fleet.tick(T0 + 601_000);
    let names: Vec<_> = fleet.own_findings().iter().map(|f| f.behavior.name.as_str()).collect();
    assert_eq!(names, ["few", "many"], "the whole window counts");
}

#[test]
fn targets_decide_and_what_cannot_be_heard_is_named() {
    let mut grouped = large();
    grouped.targets = vec!["arn:aws:iot:us-east-1:123456789012:thinggroup/Sensors".into()];
    grouped.behaviors.push(
        serde_json::from_value(json!({"name": "home", "metric": "aws:source-ip-address", "criteria":
            {"comparisonOperator": "in-cidr-set", "value": {"cidrs": ["10.0.0.0/8"]}}}))
        .unwrap(),
    );
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    fleet.apply(topics(&["Thing01", "Thing02"]), T0);
    fleet.apply(read(SourceId::Profiles, 1, T0, Ok(Reading::Profiles(vec![grouped]))), T0);
    assert!(fleet.take_wanted().contains(&SourceId::Members(Name::new("Sensors"))));
    fleet.apply(heard(1, T0 + 1_000, 3000), T0 + 1_000);
    assert!(fleet.own_findings().is_empty(), "the group's members are not known yet");
    let members = Reading::Members(Name::new("Sensors"), Some(vec![Name::new("Thing02")]));
    fleet.apply(read(SourceId::Members(Name::new("Sensors")), 2, T0 + 2_000, Ok(members)), T0 + 2_000);
    fleet.apply(heard(0, T0 + 3_000, 3000), T0 + 3_000);
    fleet.apply(heard(1, T0 + 4_000, 3000), T0 + 4_000);
    let things: Vec<_> = fleet.own_findings().iter().map(|f| f.thing.raw()).collect();
    assert_eq!(things, ["Thing02"]);
    assert_eq!(fleet.not_judged().next(), None, "where it connects from is heard");
}

#[test]
fn what_was_held_answers_a_profile_that_is_not_in_force() {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0 - 1_000), T0 - 1_000);
    fleet.apply(topics(&["Thing01", "Thing02"]), T0);
    for i in 0..60 {
        fleet.apply(heard(0, T0 + i * 10_000, 120), T0 + i * 10_000);
        fleet.apply(heard(1, T0 + i * 10_000 + 5, 3000), T0 + i * 10_000 + 5);
    }
    let held = fleet.held(None, T0 + 601_000);
    assert_eq!((held.windows, held.devices, held.messages.len()), (2, 2, 120));
    assert_eq!((held.counts.as_slice(), held.sums[2]), (&[30, 30, 30, 30][..], 90_000));
    assert_eq!(held.partial, [false, false]);
    let result = quell_rules::detect::whatif::judge(&held, &large().behaviors[0]).unwrap();
    assert_eq!((result.alarmed, result.judged), (1, 2));
    assert_eq!(result.steps[0].at_ms, T0 + 5);
    // What a behaviour that counts messages is judged on, of one device: the running window too.
    fleet.apply(heard(0, T0 + 600_500, 120), T0 + 600_500);
    let id = fleet.find("Thing01").unwrap();
    let told = |seconds| {
        let all = fleet.heard_windows(id, seconds, T0 + 601_000);
        all.iter().map(|w| (w.time.0 - T0, w.time.1 - T0, w.messages, w.whole)).collect::<Vec<_>>()
    };
    let base = [(0, 300_000, 30, true), (300_000, 600_000, 30, true), (600_000, 900_000, 1, true)];
    assert_eq!(told(300), base);
    let long = told(3_600);
    assert_eq!(long.iter().map(|w| w.2).sum::<u64>(), 61);
    assert!(!long[0].3, "it was not listened to from the beginning of the hour");
    assert_eq!(fleet.window_ms(600), 600_000);
}

fn payload(topic: u32, at: Ms, bytes: &str) -> Event {
    let payload = Some(bytes::Bytes::copy_from_slice(bytes.as_bytes()));
    let messages = vec![Message { topic, len: bytes.len() as u32, at, payload }];
    Event::Batch(Batch { messages, ..Batch::default() })
}

fn kinds(fleet: &Fleet, thing: &str) -> Vec<WarningKind> {
    fleet.device(fleet.find(thing).unwrap()).warnings().iter().map(|w| w.kind).collect()
}

/// Two devices, ten minutes of one message every ten seconds.
fn ordinary() -> (Fleet, Ms) {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    fleet.apply(topics(&["Thing01", "Thing02"]), T0);
    for i in 0..60 {
        for topic in [0, 1] {
            let at = T0 + i * 10_000 + Ms::from(topic) * 500;
            fleet.apply(payload(topic, at, &format!("{{\"t\":2{}.{}}}", i % 7, i % 10)), at);
        }
    }
    fleet.tick(T0 + 595_000);
    assert_eq!((kinds(&fleet, "Thing01"), fleet.counts().of(Word::Warning)), (vec![], 0));
    (fleet, T0 + 600_000)
}

#[test]
fn the_first_bad_message_is_told_with_its_numbers() {
    let (mut fleet, at) = ordinary();
    fleet.apply(payload(1, at, &"QX8Z".repeat(750)), at);
    assert_eq!(
        kinds(&fleet, "Thing02"),
        [WarningKind::Size, WarningKind::NotJson],
        "in the same millisecond"
    );
    let id = fleet.find("Thing02").unwrap();
    assert_eq!(fleet.device(id).word(), Word::Warning);
    let sentence = fleet.device(id).warning().unwrap().sentence.to_string();
    assert!(sentence.contains("3000 bytes") && sentence.contains("its usual 10"), "{sentence}");
    for i in 1..6 {
        fleet.apply(payload(1, at + i * 10_000, "{\"t\":21.1}"), at + i * 10_000);
    }
    assert_eq!(kinds(&fleet, "Thing02"), []);
}

#[test]
fn a_flood_a_silence_and_a_new_topic_are_out_of_the_ordinary() {
    let (mut fleet, at) = ordinary();
    for i in 0..60 {
        fleet.apply(payload(1, at + i * 100, "{\"t\":21.1}"), at + i * 100);
    }
    assert_eq!(kinds(&fleet, "Thing02"), [WarningKind::Rate]);
    let (mut fleet, at) = ordinary();
    // The connection answers all along: it is the devices that are silent.
    let answered = |fleet: &mut Fleet, at| {
        fleet.apply(Event::Link(event::LinkEvent::Answered { connection: 0, asked: at, at }), at);
        fleet.tick(at);
    };
    for second in 1..=30 {
        answered(&mut fleet, at + second * 1_000);
    }
    assert_eq!(kinds(&fleet, "Thing01"), [WarningKind::Silence]);
    answered(&mut fleet, at + 61_000);
    let id = fleet.find("Thing01").unwrap();
    assert_eq!(fleet.device(id).word(), Word::Silent, "silent for good is no early warning");
    fleet.apply(payload(0, at + 70_000, "{\"t\":21.1}"), at + 70_000);
    assert_eq!(kinds(&fleet, "Thing01"), []);
    let entry =
        TopicEntry { id: 2, topic: "exfil".into(), thing: Some(Name::new("Thing01")), telemetry: true };
    fleet.apply(Event::Batch(Batch { topics: vec![entry], ..Batch::default() }), at + 80_000);
    assert_eq!(kinds(&fleet, "Thing01"), [WarningKind::NewTopic]);
}

#[test]
fn loops_and_churn_are_out_of_the_ordinary() {
    let (mut fleet, at) = ordinary();
    let presence = |version: i64, at: Ms| {
        Event::Batch(Batch {
            notices: vec![event::Notice::Presence {
                client: Name::new("Thing01"),
                kind: event::PresenceKind::Connected,
                reason: None,
                principal: None,
                version,
                at,
                address: None,
                session: None,
                received: None,
            }],
            ..Batch::default()
        })
    };
    for i in 0..12 {
        fleet.apply(presence(i, at + i * 2_000), at + i * 2_000);
    }
    assert_eq!(kinds(&fleet, "Thing01"), [WarningKind::Reconnects]);
    let delta = |version: i64, at: Ms| {
        let notice = event::Notice::ShadowDelta {
            thing: Name::new("Thing02"),
            shadow: None,
            version,
            state: json!({"n": version}),
            at,
        };
        Event::Batch(Batch { notices: vec![notice], ..Batch::default() })
    };
    for i in 0..100 {
        fleet.apply(delta(i, at + i * 1_000), at + i * 1_000);
    }
    assert_eq!(kinds(&fleet, "Thing02"), [], "once a second may be how a device reports");
    for i in 0..700 {
        fleet.apply(delta(100 + i, at + 100_000 + i * 50), at + 100_000 + i * 50);
    }
    assert_eq!(kinds(&fleet, "Thing02"), [WarningKind::ShadowChurn]);
    // Each is over by itself.
    fleet.tick(at + 200_000);
    assert!(!kinds(&fleet, "Thing01").contains(&WarningKind::Reconnects));
}

#[test]
fn a_released_device_that_speaks_again_is_not_flagged_for_its_own_silence() {
    let (mut fleet, at) = ordinary();
    let stage = |stage, at| Event::Response(event::ResponseEvent::new(Name::new("Thing02"), stage, at));
    // It goes wrong, is isolated, tries to connect again and again, and is let go.
    fleet.apply(payload(1, at, &"QX8Z".repeat(750)), at);
    fleet.apply(stage(event::Stage::Containing { began: at, waiting_for: "silence".into() }, at), at);
    fleet.apply(stage(event::Stage::Contained { began: at, took: 0 }, at + 34_000), at + 34_000);
    for i in 0..20 {
        let notice = event::Notice::Presence {
            client: Name::new("Thing02"),
            kind: event::PresenceKind::ConnectFailed,
            reason: None,
            principal: None,
            version: i,
            at: at + 60_000 + i * 1_000,
            address: None,
            session: None,
            received: None,
        };
        let batch = Batch { notices: vec![notice], ..Batch::default() };
        fleet.apply(Event::Batch(batch), at + 60_000 + i * 1_000);
    }
    let free = at + 80_000;
    fleet.apply(stage(event::Stage::Released, free), free);
    let id = fleet.find("Thing02").unwrap();
    for second in 0..5 {
        fleet.tick(free + second * 1_000);
        assert_eq!((kinds(&fleet, "Thing02"), fleet.counts().of(Word::Warning)), (vec![], 0), "{second}");
    }
    // A backlog at once, then as ever.
    for i in 0..12 {
        fleet.apply(payload(1, free + 5_000 + i, "{\"t\":21.1}"), free + 5_000 + i);
        assert_eq!(kinds(&fleet, "Thing02"), [], "message {i} of the backlog");
    }
    for i in 1..6 {
        let at = free + 5_000 + i * 10_000;
        fleet.apply(payload(1, at, "{\"t\":21.1}"), at);
        fleet.tick(at + 500);
        assert_eq!((kinds(&fleet, "Thing02"), fleet.device(id).word()), (vec![], Word::Ok), "{i}");
    }
    // What is bad again is told again, on its first message; and so is a silence of its own.
    let bad = free + 65_000;
    fleet.apply(payload(1, bad, &"QX8Z".repeat(750)), bad);
    assert_eq!(kinds(&fleet, "Thing02"), [WarningKind::Size, WarningKind::NotJson]);
    for i in 1..6 {
        fleet.apply(payload(1, bad + i * 10_000, "{\"t\":21.1}"), bad + i * 10_000);
    }
    for second in 51..90 {
        fleet.tick(bad + second * 1_000);
    }
    assert_eq!(kinds(&fleet, "Thing02"), [WarningKind::Silence]);
}

#[test]
fn a_kind_of_message_that_meant_nothing_once_must_come_twice() {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    fleet.apply(topics(&["Thing01", "Thing02", "Thing03"]), T0);
    let mut at = T0;
    let mut round = |fleet: &mut Fleet, special: Option<(u32, u32)>| {
        at += 10_000;
        for topic in 0..3 {
            let len =
                special.filter(|(t, _)| *t == topic).map_or(100 + at as u32 / 10_000 % 7, |(_, len)| len);
            fleet.apply(heard(topic, at + Ms::from(topic), len), at + Ms::from(topic));
        }
    };
    for _ in 0..30 {
        round(&mut fleet, None);
    }
    // The first report of the first device is told at once: nobody knows yet that it means nothing.
    round(&mut fleet, Some((0, 2_000)));
    assert_eq!(kinds(&fleet, "Thing01"), [WarningKind::Size]);
    for _ in 0..3 {
        round(&mut fleet, None);
    }
    assert_eq!(kinds(&fleet, "Thing01"), []);
    // The others' first report, and the first one's second, tell nothing.
    round(&mut fleet, Some((1, 2_030)));
    round(&mut fleet, Some((2, 1_980)));
    round(&mut fleet, Some((0, 2_010)));
    assert_eq!(fleet.counts().of(Word::Warning), 0);
    // Between the usual and the report is still nobody's ordinary.
    round(&mut fleet, Some((0, 900)));
    assert_eq!(kinds(&fleet, "Thing01"), [WarningKind::Size]);
    // And what comes on and on is no report: told on its second message.
    round(&mut fleet, Some((1, 5_000)));
    assert_eq!(kinds(&fleet, "Thing02"), [WarningKind::Size], "a size nobody sent is told at once");
    for _ in 0..4 {
        round(&mut fleet, None);
    }
    for n in 0..6 {
        round(&mut fleet, Some((2, 2_000)));
        assert_eq!(kinds(&fleet, "Thing03").is_empty(), n < 3, "{n}");
    }
}

/// The fleet, gone on from after a restart; what stands is what was told.
fn restarted(fleet: &Fleet, limits: Limits, now: Ms) -> Fleet {
    let bytes = fleet.keep(now).to_bytes().unwrap();
    assert!(
        KeptFleet::from_bytes(&bytes[..bytes.len() / 2]).is_err() && KeptFleet::from_bytes(b"\x09").is_err()
    );
    let standing = fleet.own_findings().iter().map(OpenFinding::of).collect();
    let warned: Vec<_> = fleet
        .devices()
        .flat_map(|(_, d)| d.warnings().iter().map(|w| (d.name().raw().to_owned(), w.kind)))
        .collect();
    let mut next = Fleet::new(limits);
    let told = |thing: &str, kind| warned.contains(&(thing.to_owned(), kind));
    next.resume(KeptFleet::from_bytes(&bytes).unwrap(), standing, &told, now);
    next
}

#[test]
fn a_restart_keeps_a_finding_that_stands_and_what_led_to_the_next() {
    let often = profile(json!({"name": "Often", "metric": "aws:num-messages-sent", "criteria":
        {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300}}));
    let often = ProfileRecord { name: "Sent".into(), ..often };
    let limits = || Limits { security_profiles: vec![large(), often.clone()], ..Limits::default() };
    let mut fleet = Fleet::new(limits());
    fleet.apply(up(T0), T0);
    fleet.apply(topics(&["Thing01", "Thing02"]), T0);
    for i in 0..3 {
        fleet.apply(heard(0, T0 + i * 10_000, 120), T0 + i * 10_000);
        fleet.apply(heard(1, T0 + i * 10_000, 3_000), T0 + i * 10_000);
    }
    fleet.apply(heard(0, T0 + 30_000, 120), T0 + 30_000);
    assert_eq!(fleet.own_findings().len(), 1);

    let at = T0 + 60_000;
    let mut next = restarted(&fleet, limits(), at);
    let of = |fleet: &Fleet| fleet.own_findings().iter().map(OpenFinding::of).collect::<Vec<_>>();
    assert_eq!(of(&next), of(&fleet));
    let id = next.find("Thing02").unwrap();
    assert_eq!(next.device(id).findings(), 1);
    next.apply(up(at), at);
    next.apply(topics(&["Thing01", "Thing02"]), at);
    next.apply(heard(1, at, 3_000), at);
    assert_eq!(next.own_findings().len(), 1, "it is not found twice");
    next.apply(heard(1, at + 1, 10), at + 1);
    assert_eq!(next.own_findings(), []);
    assert_eq!(next.past_findings().next_back().map(|f| (f.bad, f.invalidated)), Some((T0, false)));
    // Four before and one after: together they are five in one window, and who heard four alone would not have found it.
    next.apply(heard(0, at + 2, 120), at + 2);
    next.tick(T0 + 300_000 + 5_000);
    let found: Vec<_> =
        next.own_findings().iter().map(|f| (f.thing.raw().to_owned(), f.value.count)).collect();
    assert!(found.contains(&("Thing01".to_owned(), Some(5))), "{found:?}");
}

#[test]
fn a_device_s_own_ordinary_outlives_a_restart_and_a_warning_is_not_put_up_twice() {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    fleet.apply(topics(&["Thing01", "Thing02"]), T0);
    for i in 0..40 {
        fleet.apply(heard(0, T0 + i * 10_000, 120), T0 + i * 10_000);
        fleet.apply(heard(1, T0 + i * 10_000, 120), T0 + i * 10_000);
    }
    let at = T0 + 400_000;
    fleet.apply(heard(1, at, 3_000), at);
    let id = fleet.find("Thing02").unwrap();
    let warned = fleet.device(id).warnings().to_vec();
    assert_eq!(warned.len(), 1);
    let mut next = restarted(&fleet, Limits::default(), at);
    next.apply(up(at), at);
    next.apply(topics(&["Thing02", "Thing01"]), at);
    let [rogue, other] = ["Thing02", "Thing01"].map(|name| next.find(name).unwrap());
    assert_eq!(next.device(rogue).warnings(), warned);
    // The other is judged by what it was before, on its first message.
    next.apply(heard(1, at + 10_000, 3_000), at + 10_000);
    next.apply(heard(1, at + 20_000, 3_000), at + 20_000);
    assert_eq!(next.device(other).warnings().first().map(|w| w.kind), Some(WarningKind::Size));
    for i in 1..6 {
        next.apply(heard(0, at + i * 10_000, 120), at + i * 10_000);
    }
    assert_eq!(next.device(rogue).warnings(), [], "and it is over as it would have been");
}

#[test]
fn what_led_to_a_finding_outlives_a_second_restart_before_the_profiles_were_read() {
    let often = profile(json!({"name": "Often", "metric": "aws:num-messages-sent", "criteria":
        {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300}}));
    let profiles = |at| read(SourceId::Profiles, 1, at, Ok(Reading::Profiles(vec![often.clone()])));
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    fleet.apply(topics(&["Thing01"]), T0);
    fleet.apply(profiles(T0), T0);
    for i in 0..4 {
        fleet.apply(heard(0, T0 + i * 10_000, 120), T0 + i * 10_000);
    }
    // AWS cannot be reached after the first; a message comes in all the same, which is judged by nothing.
    let mut next = restarted(&fleet, Limits::default(), T0 + 60_000);
    next.apply(up(T0 + 60_000), T0 + 60_000);
    next.apply(topics(&["Thing00", "Thing01"]), T0 + 60_000);
    next.apply(heard(0, T0 + 60_500, 120), T0 + 60_500);
    let mut last = restarted(&next, Limits::default(), T0 + 90_000);
    last.apply(up(T0 + 90_000), T0 + 90_000);
    last.apply(topics(&["Thing01"]), T0 + 90_000);
    last.apply(profiles(T0 + 91_000), T0 + 91_000);
    last.apply(heard(0, T0 + 92_000, 120), T0 + 92_000);
    last.tick(T0 + 300_000 + 5_000);
    let found: Vec<_> = last.own_findings().iter().map(|f| (f.thing.raw(), f.value.count)).collect();
    assert_eq!(found, [("Thing01", Some(5))]);
}

fn report(thing: &str, id: i64, ports: &[i64], bytes_out: i64, at: Ms) -> Event {
    let ports: Vec<_> = ports.iter().map(|port| json!({"port": port})).collect();
    let document = json!({"hed": {"rid": id, "v": "1.0"}, "met": {
        "tp": {"pts": ports, "t": ports.len()}, "ns": {"bo": bytes_out}}, "cmet": {"battery": [{"number": 20}]}});
    let report = Box::new(quell_rules::detect::report::Report::parse(&document).unwrap());
    let notices = vec![event::Notice::Report { thing: Name::new(thing), report, at }];
    Event::Batch(Batch { notices, ..Batch::default() })
}

fn judged_by(behaviors: serde_json::Value) -> Fleet {
    let profile = ProfileRecord {
        name: "P".into(),
        behaviors: serde_json::from_value(behaviors).unwrap(),
        targets: vec!["all/things".into()],
        ..ProfileRecord::default()
    };
    let mut fleet = Fleet::new(Limits { security_profiles: vec![profile], ..Limits::default() });
    fleet.apply(up(T0 - 1_000), T0 - 1_000);
    fleet.apply(topics(&["Thing01", "Thing02"]), T0);
    fleet
}

fn standing(fleet: &Fleet) -> Vec<(&str, &str)> {
    fleet.own_findings().iter().map(|f| (f.thing.raw(), f.behavior.name.as_str())).collect()
}

#[test]
fn what_an_agent_reports_is_judged_where_it_is_heard_and_said_to_be_missed_until_then() {
    let mut fleet = judged_by(json!([
        {"name": "Ports", "metric": "aws:listening-tcp-ports", "criteria":
            {"comparisonOperator": "in-port-set", "value": {"ports": [22, 443]}}},
        {"name": "Few", "metric": "aws:num-listening-tcp-ports", "criteria":
            {"comparisonOperator": "less-than", "value": {"count": 3}}},
        {"name": "Out", "metric": "aws:all-bytes-out", "criteria":
            {"comparisonOperator": "less-than", "value": {"count": 1000}, "durationSeconds": 300}},
        {"name": "Battery", "metric": "battery", "criteria":
            {"comparisonOperator": "greater-than", "value": {"number": 10}}}]));
    let missed: Vec<_> = fleet.not_judged().map(|not| (not.behavior.to_string(), not.reported)).collect();
    assert_eq!(missed, ["Ports", "Few", "Out", "Battery"].map(|name| (name.to_owned(), true)));
    let aligned = (T0 / 300_000 + 1) * 300_000;
    fleet.apply(report("Thing01", 1, &[22], 400, aligned + 1_000), aligned + 1_000);
    assert_eq!((fleet.not_judged().count(), standing(&fleet)), (0, vec![]));
    fleet.apply(report("Thing02", 7, &[22, 23, 4444], 700, aligned + 2_000), aligned + 2_000);
    assert_eq!(standing(&fleet), [("Thing02", "Ports"), ("Thing02", "Few")]);
    // The same again, as MQTT may deliver it, is no further report.
    fleet.apply(report("Thing02", 7, &[22], 700, aligned + 3_000), aligned + 3_000);
    assert_eq!(standing(&fleet).len(), 2);
    fleet.tick(aligned + 302_000);
    assert_eq!(standing(&fleet).len(), 2, "700 bytes went out, not 1,400");
    fleet.apply(report("Thing02", 8, &[22], 1_200, aligned + 303_000), aligned + 303_000);
    assert_eq!(standing(&fleet), [], "its ports are as they should be");
    fleet.tick(aligned + 602_000);
    assert_eq!(standing(&fleet), [("Thing02", "Out")]);
}

#[test]
fn what_an_agent_reports_is_judged_on_those_that_have_one_and_said_to_be_missed_on_the_rest() {
    let mut fleet = judged_by(json!([
        {"name": "Ports", "metric": "aws:listening-tcp-ports", "criteria":
            {"comparisonOperator": "in-port-set", "value": {"ports": [22, 443]}}},
        {"name": "Small", "metric": "aws:message-byte-size", "criteria":
            {"comparisonOperator": "less-than", "value": {"count": 1000}}}]));
    let missed = |fleet: &Fleet| -> Vec<_> {
        let names =
            |not: &crate::NotJudged| not.things.iter().map(|t| t.raw().to_owned()).collect::<Vec<_>>();
        fleet.not_judged().map(|not| (not.behavior.to_string(), not.on, names(&not))).collect()
    };
    let ports = |on, things: &[&str]| {
        vec![("Ports".to_owned(), on, things.iter().map(|t| (*t).to_owned()).collect())]
    };
    assert_eq!(missed(&fleet), ports(None, &[]), "nothing was heard yet");
    fleet.apply(heard(0, T0 + 1_000, 10), T0 + 1_000);
    fleet.apply(heard(1, T0 + 1_000, 10), T0 + 1_000);
    assert_eq!(missed(&fleet), ports(None, &["Thing01", "Thing02"]), "of nobody");
    fleet.apply(report("Thing02", 1, &[22], 400, T0 + 2_000), T0 + 2_000);
    assert_eq!(missed(&fleet), ports(Some((1, 2)), &["Thing01"]));
    let on =
        |fleet: &Fleet, thing: &str| fleet.not_judged_on(&Name::new(thing), &"P".into(), "Ports").is_some();
    assert!(on(&fleet, "Thing01") && !on(&fleet, "Thing02") && on(&fleet, "Thing03"));
    assert_eq!(fleet.not_judged_on(&Name::new("Thing01"), &"P".into(), "Small"), None);
    fleet.apply(report("Thing01", 9, &[22], 400, T0 + 3_000), T0 + 3_000);
    assert_eq!(missed(&fleet), vec![]);
}

#[test]
fn a_broker_that_tells_of_no_connection_is_said_to_until_it_does() {
    let behaviors = json!([
        {"name": "Home", "metric": "aws:source-ip-address", "criteria":
            {"comparisonOperator": "in-cidr-set", "value": {"cidrs": ["10.0.0.0/8"]}}},
        {"name": "Small", "metric": "aws:message-byte-size", "criteria":
            {"comparisonOperator": "less-than", "value": {"count": 1000}}}]);
    let profile = judged_by(behaviors).judged_by()[0].clone();
    let limits = Limits { presence: false, security_profiles: vec![profile], ..Limits::default() };
    let mut fleet = Fleet::new(limits);
    fleet.apply(up(T0), T0);
    fleet.apply(topics(&["Thing01"]), T0);
    let missed: Vec<_> = fleet.not_judged().map(|not| not.behavior.to_string()).collect();
    assert_eq!(missed, ["Home"]);
    assert!(
        fleet.not_judged().all(|not| !not.reported && not.why.as_str().contains("tells of no connection"))
    );
    let notice = event::Notice::Presence {
        client: Name::new("Thing01"),
        kind: event::PresenceKind::Connected,
        reason: None,
        principal: None,
        version: 1,
        at: T0 + 1_000,
        address: Some("10.1.2.3".into()),
        session: None,
        received: Some(T0 + 1_000),
    };
    fleet.apply(Event::Batch(Batch { notices: vec![notice], ..Batch::default() }), T0 + 1_000);
    assert_eq!(fleet.not_judged().next(), None);
}

#[test]
fn thousands_of_reported_ports_are_judged_and_not_kept() {
    let mut fleet = judged_by(json!([{"name": "Ports", "metric": "aws:listening-tcp-ports", "criteria":
        {"comparisonOperator": "not-in-port-set", "value": {"ports": [6_000]}}}]));
    let ports: Vec<i64> = (1..=6_000).collect();
    fleet.apply(report("Thing01", 1, &ports, 0, T0 + 1_000), T0 + 1_000);
    assert_eq!(standing(&fleet), [("Thing01", "Ports")], "the last of them breaks it");
    assert_eq!(fleet.own_findings()[0].value.ports.as_ref().map(Vec::len), Some(50));
}

#[test]
fn where_a_device_connects_from_and_how_long_it_is_gone_is_heard() {
    let mut fleet = judged_by(json!([
        {"name": "Home", "metric": "aws:source-ip-address", "criteria":
            {"comparisonOperator": "in-cidr-set", "value": {"cidrs": ["10.0.0.0/8"]}}},
        {"name": "There", "metric": "aws:disconnect-duration", "criteria":
            {"comparisonOperator": "less-than", "value": {"count": 10}}}]));
    let presence = |thing: &str, kind, version, address: Option<&str>, at: Ms| {
        let notice = event::Notice::Presence {
            client: Name::new(thing),
            kind,
            reason: None,
            principal: None,
            version,
            at,
            address: address.map(Into::into),
            session: None,
            received: Some(at),
        };
        Event::Batch(Batch { notices: vec![notice], ..Batch::default() })
    };
    use event::PresenceKind::{Connected, Disconnected};
    let aligned = (T0 / 300_000 + 1) * 300_000;
    fleet.apply(presence("Thing01", Connected, 1, Some("10.1.2.3"), aligned), aligned);
    fleet.apply(presence("Thing02", Connected, 1, Some("203.0.113.9"), aligned), aligned);
    assert_eq!(standing(&fleet), [("Thing02", "Home")]);
    fleet.apply(presence("Thing01", Disconnected, 1, None, aligned + 1_000), aligned + 1_000);
    fleet.tick(aligned + 599_000);
    assert_eq!(standing(&fleet).len(), 1, "not ten minutes yet");
    // A restart in between.
    let kept = crate::KeptFleet::from_bytes(&fleet.keep(aligned + 600_000).to_bytes().unwrap()).unwrap();
    let mut fleet = Fleet::new(fleet.limits.clone());
    fleet.resume(kept, Vec::new(), &|_, _| false, aligned + 601_000);
    fleet.apply(up(aligned + 602_000), aligned + 602_000);
    fleet.apply(topics(&["Thing01", "Thing02"]), aligned + 602_000);
    fleet.tick(aligned + 905_000);
    assert_eq!(standing(&fleet), [("Thing01", "There")]);
    // That it connected again was missed; it is heard.
    fleet.apply(heard(0, aligned + 906_000, 10), aligned + 906_000);
    fleet.tick(aligned + 1_205_000);
    assert_eq!(standing(&fleet), []);
}

#[test]
fn a_dimension_that_is_known_limits_what_is_judged() {
    let behavior = json!([{"name": "Own", "metric": "aws:message-byte-size",
        "metricDimension": {"dimensionName": "D", "operator": "NOT_IN"},
        "criteria": {"comparisonOperator": "less-than", "value": {"count": 100}}}]);
    let fleet = judged_by(behavior);
    assert!(fleet.not_judged().next().is_some_and(|not| not.why.as_str().contains("dimension D")));
    let mut profile = fleet.judged_by()[0].clone();
    profile.dimensions.insert("D".to_owned(), vec!["t/${iot:ClientId}/x".to_owned(), "t/Thing01".to_owned()]);
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    fleet.apply(topics(&["Thing01", "Thing02"]), T0);
    fleet.apply(read(SourceId::Profiles, 1, T0, Ok(Reading::Profiles(vec![profile]))), T0);
    assert_eq!(fleet.not_judged().next(), None);
    fleet.apply(heard(0, T0 + 1_000, 3000), T0 + 1_000);
    fleet.apply(heard(1, T0 + 1_000, 3000), T0 + 1_000);
    assert_eq!(standing(&fleet), [("Thing02", "Own")]);
}
