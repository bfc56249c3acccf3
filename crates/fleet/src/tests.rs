//! What the fleet promises, event by event.

use super::event::{Batch, Counted, LinkEvent, Message, TopicEntry};
use super::*;

const T0: Ms = 1_700_000_000_000;

pub(super) fn up(at: Ms) -> Event {
    Event::Link(LinkEvent::Up { at, client_id: "quell-test".into(), filters: Vec::new() })
}

pub(super) fn topic(id: u32, name: &str, thing: Option<&str>) -> TopicEntry {
    TopicEntry { id, topic: name.into(), thing: thing.map(Name::new), telemetry: true }
}

pub(super) fn message(topic: u32, at: Ms, len: u32) -> Message {
    Message { topic, len, at, payload: None }
}

pub(super) fn batch(topics: Vec<TopicEntry>, messages: Vec<Message>) -> Event {
    Event::Batch(Batch { topics, messages, ..Batch::default() })
}

#[test]
fn a_device_is_counted_and_measured() {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    let messages = (0..12).map(|i| message(0, T0 + i * 10_000, 120)).collect();
    fleet.apply(batch(vec![topic(0, "t", Some("Thing01"))], messages), T0 + 110_000);
    let device = fleet.device(fleet.find("Thing01").unwrap());
    assert_eq!((device.received(), device.bytes()), (12, 1440));
    assert_eq!(device.p50(), Some(120));
    assert_eq!(device.cadence(), Some(10_000));
    let rate = device.per_minute(T0 + 110_000).unwrap();
    assert!((5.5..6.5).contains(&rate), "{rate}");
    let mut columns = Vec::new();
    device.series().columns(fleet.watch(), T0 + 110_000, 600_000, 36, &mut columns);
    assert_eq!(columns.len(), 36);
    assert_eq!(columns.first(), Some(&Column::NotWatching));
    assert_eq!(columns.last(), Some(&Column::Largest(120)));
}

fn fleet_with(thing: &str, at: Ms) -> (Fleet, DeviceId) {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(at), at);
    fleet.apply(batch(vec![topic(0, "t", Some(thing))], vec![message(0, at, 100)]), at);
    let id = fleet.find(thing).unwrap();
    (fleet, id)
}

fn poll(source: SourceId, generation: u64, at: Ms, outcome: Result<event::Reading, known::Trouble>) -> Event {
    Event::Poll(event::Poll { source, generation, at, outcome, next_at: None })
}

fn violation(thing: &str) -> Violation {
    let behavior = serde_json::from_value(serde_json::json!({"name": "LargeMessageSize"})).unwrap();
    Violation {
        id: format!("v-{thing}"),
        thing: Name::new(thing),
        profile: "P".into(),
        behavior,
        value: None,
        verification: None,
        note: None,
        started: T0,
        last: T0,
    }
}

fn stage(thing: &str, stage: event::Stage, at: Ms) -> Event {
    Event::Response(event::ResponseEvent::new(Name::new(thing), stage, at))
}

fn trouble(at: Ms) -> known::Trouble {
    known::Trouble {
        kind: known::TroubleKind::Denied,
        message: "refused".into(),
        missing_action: Some("iot:ListActiveViolations".into()),
        since: at,
    }
}

#[test]
fn refused_violations_are_unknown_and_not_zero() {
    let mut fleet = Fleet::new(Limits::default());
    assert!(!fleet.counts().alarms_known);
    fleet.apply(poll(SourceId::Violations, 1, T0, Err(trouble(T0))), T0);
    assert!(!fleet.counts().alarms_known);
    let changes = fleet
        .apply(poll(SourceId::Violations, 2, T0, Ok(event::Reading::Violations(vec![violation("A")]))), T0);
    assert!(changes.contains(Changes::ALARM | Changes::VIOLATIONS));
    assert_eq!(fleet.counts().of(Word::Alarm), 1);
    fleet.apply(poll(SourceId::Violations, 3, T0 + 9, Err(trouble(T0 + 9))), T0 + 9);
    assert_eq!(fleet.counts().of(Word::Alarm), 1, "the old value stays, visibly old");
    assert!(!fleet.violations().is_current());
    let late = fleet.apply(poll(SourceId::Violations, 2, T0, Ok(event::Reading::Violations(vec![]))), T0);
    assert!(late.is_empty(), "an answer of an older generation is dropped");
    assert_eq!(fleet.device(fleet.find("A").unwrap()).word(), Word::Alarm);
}

#[test]
fn a_contained_device_that_speaks_leaks() {
    let (mut fleet, id) = fleet_with("A", T0);
    fleet.apply(poll(SourceId::Violations, 1, T0, Ok(event::Reading::Violations(vec![violation("A")]))), T0);
    assert_eq!(fleet.device(id).word(), Word::Alarm);
    let began = T0 + 1_000;
    fleet.apply(stage("A", event::Stage::Containing { began, waiting_for: "silence".into() }, began), began);
    assert_eq!(fleet.device(id).word(), Word::Containing);
    fleet.apply(stage("A", event::Stage::Contained { began, took: 4_000 }, T0 + 40_000), T0 + 40_000);
    assert_eq!(fleet.device(id).word(), Word::Contained);
    let heard = fleet.apply(batch(vec![], vec![message(0, T0 + 40_001, 100)]), T0 + 40_001);
    assert!(heard.contains(Changes::LEAK), "within that event");
    assert_eq!((fleet.device(id).word(), fleet.counts().of(Word::Leaking)), (Word::Leaking, 1));
    fleet.apply(stage("A", event::Stage::Released, T0 + 61_000), T0 + 61_000);
    fleet.apply(batch(vec![], vec![message(0, T0 + 62_000, 100)]), T0 + 62_000);
    assert_eq!(fleet.device(id).word(), Word::Alarm, "Detect has not cleared it yet");
}

const GROUP: &str = "IsolatedDevices";

fn members(generation: u64, at: Ms, names: &[&str]) -> Event {
    let list = event::Reading::Members(Name::new(GROUP), Some(names.iter().map(|n| Name::new(n)).collect()));
    poll(SourceId::Members(Name::new(GROUP)), generation, at, Ok(list))
}

fn denial(generation: u64, at: Ms, by: Option<&str>) -> Event {
    let reading = event::Reading::Denial(Name::new(GROUP), by.map(Into::into));
    poll(SourceId::Denial(Name::new(GROUP)), generation, at, Ok(reading))
}

fn certificates(thing: &str, at: Ms, ids: &[&str]) -> Event {
    let record = |id: &&str| model::CertificateRecord {
        id: (*id).to_owned(),
        status: "ACTIVE".into(),
        things: Vec::new(),
    };
    let list = event::Reading::Certificates(Name::new(thing), ids.iter().map(record).collect());
    poll(SourceId::Certificates(Name::new(thing)), 1, at, Ok(list))
}

fn presence(kind: event::PresenceKind, version: i64, at: Ms) -> Event {
    let client = Name::new("A");
    let notice = event::Notice::Presence {
        client,
        kind,
        reason: None,
        principal: None,
        version,
        at,
        address: None,
        session: None,
        received: None,
    };
    Event::Batch(Batch { notices: vec![notice], ..Batch::default() })
}

fn answered(asked: Ms) -> Event {
    Event::Link(LinkEvent::Answered { connection: 0, asked, at: asked + 5 })
}

fn missing(fleet: &Fleet, id: DeviceId) -> String {
    match fleet.facets(id).containment {
        state::Containment::InGroup { missing, .. } => missing.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_member_of_a_group_that_denies_nothing_is_never_contained() {
    let (mut fleet, id) = fleet_with("A", T0);
    fleet.apply(members(1, T0 + 1_000, &["A"]), T0 + 1_000);
    assert_eq!(fleet.device(id).word(), Word::Unproven);
    assert_eq!(missing(&fleet, id), "whether IsolatedDevices denies is unknown: its policies not read yet");
    assert!(fleet.take_wanted().contains(&SourceId::Denial(Name::new(GROUP))));
    fleet.apply(denial(1, T0 + 2_000, None), T0 + 2_000);
    assert_eq!(missing(&fleet, id), "IsolatedDevices denies nothing");
    for second in 3..600 {
        let at = T0 + second * 1_000;
        fleet.apply(answered(at), at);
        fleet.tick(at);
    }
    assert_eq!(fleet.device(id).word(), Word::Unproven, "its silence is its own");
    let heard = fleet.apply(batch(vec![], vec![message(0, T0 + 600_000, 100)]), T0 + 600_000);
    assert!(heard.contains(Changes::LEAK), "no grace where nothing denies");
}

#[test]
fn a_sign_before_the_deny_was_read_is_judged_by_what_is_read() {
    let (mut fleet, id) = fleet_with("A", T0);
    fleet.apply(members(1, T0 + 1_000, &["A"]), T0 + 1_000);
    fleet.apply(batch(vec![], vec![message(0, T0 + 5_000, 100)]), T0 + 5_000);
    assert_eq!(fleet.device(id).word(), Word::Unproven, "it may still be held within minutes");
    assert!(fleet.apply(denial(1, T0 + 6_000, None), T0 + 6_000).contains(Changes::LEAK));
    // Somebody attaches a policy: AWS's delay counts from when it was seen.
    fleet.apply(denial(2, T0 + 9_000, Some("Deny")), T0 + 9_000);
    assert_eq!(fleet.device(id).word(), Word::Unproven);
    fleet.apply(batch(vec![], vec![message(0, T0 + 12_000, 100)]), T0 + 12_000);
    assert_eq!(fleet.device(id).word(), Word::Unproven);
    let late = T0 + 9_000 + Limits::default().policy_delay + 1;
    assert!(fleet.apply(batch(vec![], vec![message(0, late, 100)]), late).contains(Changes::LEAK));
}

#[test]
fn a_member_is_contained_when_each_proof_was_seen_and_leaks_within_an_event() {
    use event::PresenceKind::{ConnectFailed, Connected, Disconnected};
    let (mut fleet, id) = fleet_with("A", T0);
    fleet.apply(presence(Connected, 1, T0), T0);
    fleet.apply(members(1, T0 + 1_000, &["A"]), T0 + 1_000);
    fleet.apply(denial(1, T0 + 2_000, Some("Deny")), T0 + 2_000);
    assert!(missing(&fleet, id).contains("its certificates not read yet"), "{}", missing(&fleet, id));
    fleet.apply(certificates("A", T0 + 3_000, &["c1"]), T0 + 3_000);
    assert_eq!(missing(&fleet, id), "still connected");
    fleet.apply(presence(Disconnected, 1, T0 + 4_000), T0 + 4_000);
    assert_eq!(missing(&fleet, id), "AWS may still be applying the policy");
    fleet.apply(presence(ConnectFailed, 0, T0 + 6_000), T0 + 6_000);
    assert_eq!(missing(&fleet, id), "its silence is not proven yet");
    fleet.tick(T0 + 70_000);
    assert_eq!(fleet.device(id).word(), Word::Unproven, "the connection has not answered since");
    fleet.apply(answered(T0 + 71_000), T0 + 71_000);
    fleet.tick(T0 + 71_500);
    assert_eq!(fleet.device(id).word(), Word::Contained);
    // Nobody listens: what was proven was true then.
    fleet.apply(
        Event::Link(LinkEvent::Down { at: T0 + 80_000, reason: "x".into(), retry_at: None }),
        T0 + 80_000,
    );
    assert_eq!((fleet.device(id).word(), fleet.as_of(id)), (Word::Contained, Some(T0 + 80_000)));
    fleet.apply(up(T0 + 90_000), T0 + 90_000);
    assert_eq!(fleet.as_of(id), None);
    let document = model::ShadowDocument { reported: serde_json::json!({"a": 1}), ..Default::default() };
    let notice =
        event::Notice::ShadowDocument { thing: Name::new("A"), shadow: None, document, at: T0 + 95_000 };
    let heard = fleet.apply(Event::Batch(Batch { notices: vec![notice], ..Batch::default() }), T0 + 95_000);
    assert!(heard.contains(Changes::LEAK), "any kind of sign is one");
}

#[test]
fn a_client_of_another_name_is_connected_only_as_far_as_that_is_known() {
    use event::PresenceKind::{ConnectFailed, Connected, Disconnected};
    let as_client = |event: Event| {
        let Event::Batch(mut batch) = event else { panic!("presence is a batch") };
        if let Some(event::Notice::Presence { client, principal, .. }) = batch.notices.first_mut() {
            (*client, *principal) = (Name::new("gw-7"), Some("c1".into()));
        }
        Event::Batch(batch)
    };
    let member = || {
        let (mut fleet, id) = fleet_with("A", T0);
        fleet.apply(members(1, T0 + 1_000, &["A"]), T0 + 1_000);
        fleet.apply(denial(1, T0 + 2_000, Some("Deny")), T0 + 2_000);
        fleet.apply(certificates("A", T0 + 3_000, &["c1"]), T0 + 3_000);
        fleet.apply(as_client(presence(Connected, 1, T0 + 4_000)), T0 + 4_000);
        fleet.apply(presence(Disconnected, 1, T0 + 5_000), T0 + 5_000);
        fleet.apply(presence(ConnectFailed, 0, T0 + 6_000), T0 + 6_000);
        (fleet, id)
    };
    let (mut fleet, id) = member();
    assert_eq!(missing(&fleet, id), "still connected");
    fleet.apply(up(T0 + 9_000), T0 + 9_000);
    assert_eq!(missing(&fleet, id), "whether it is connected is unknown", "it may have gone in the gap");
    fleet.apply(as_client(presence(Disconnected, 1, T0 + 10_000)), T0 + 10_000);
    assert_eq!(missing(&fleet, id), "its silence is not proven yet");
    // Whose client it is, is not known where another thing has the certificate too.
    let (mut fleet, id) = member();
    fleet.apply(certificates("B", T0 + 7_000, &["c1"]), T0 + 7_000);
    assert_eq!(missing(&fleet, id), "whether it is connected is unknown");
}

#[test]
fn without_a_certificate_a_group_reaches_nothing() {
    let (mut fleet, id) = fleet_with("A", T0);
    fleet.apply(members(1, T0 + 1_000, &["A"]), T0 + 1_000);
    fleet.apply(denial(1, T0 + 2_000, Some("Deny")), T0 + 2_000);
    fleet.apply(certificates("A", T0 + 3_000, &[]), T0 + 3_000);
    assert_eq!(missing(&fleet, id), "no certificate: the group's policy reaches nothing");
    let heard = fleet.apply(batch(vec![], vec![message(0, T0 + 4_000, 100)]), T0 + 4_000);
    assert!(heard.contains(Changes::LEAK));
}

#[test]
fn what_was_heard_between_the_silence_and_the_word_about_it_is_a_leak() {
    let (mut fleet, id) = fleet_with("A", T0);
    let contained = |silent_until, at| {
        let stage = event::Stage::Contained { began: T0 + 1_000, took: 100 };
        let told = event::ResponseEvent {
            silent_until: Some(silent_until),
            ..event::ResponseEvent::new(Name::new("A"), stage, at)
        };
        Event::Response(told)
    };
    fleet.apply(contained(T0 + 20_000, T0 + 20_600), T0 + 20_600);
    assert_eq!(fleet.device(id).word(), Word::Contained);
    // Its last word was under way while the proof was told.
    let (mut late, id) = fleet_with("A", T0);
    late.apply(batch(vec![], vec![message(0, T0 + 20_300, 100)]), T0 + 20_300);
    late.apply(contained(T0 + 20_000, T0 + 20_600), T0 + 20_600);
    assert_eq!(late.device(id).word(), Word::Leaking);
}

#[test]
fn whoever_releases_a_device_it_is_not_being_contained_any_more() {
    let (mut fleet, id) = fleet_with("A", T0);
    let began = T0 + 1_000;
    let by = Some("ana".into());
    let stage = event::Stage::Containing { began, waiting_for: "silence".into() };
    let asked = event::ResponseEvent { by, ..event::ResponseEvent::new(Name::new("A"), stage, began) };
    fleet.apply(Event::Response(asked), began);
    assert_eq!((fleet.device(id).word(), fleet.device(id).responder().is_some()), (Word::Containing, true));
    let membership = |added, at| {
        let (group, thing) = (Name::new(GROUP), Name::new("A"));
        let notice = event::Notice::Membership { group, thing, added, at };
        Event::Batch(Batch { notices: vec![notice], ..Batch::default() })
    };
    fleet.apply(membership(true, T0 + 2_000), T0 + 2_000);
    // A list that was read before that takes nothing back.
    fleet.apply(members(1, T0 + 2_500, &[]), T0 + 2_500);
    assert_eq!(fleet.device(id).word(), Word::Containing);
    fleet.apply(membership(false, T0 + 20_000), T0 + 20_000);
    assert_eq!(fleet.device(id).word(), Word::Ok);
}

#[test]
fn what_a_colleague_proved_ends_when_the_groups_and_the_certificates_are_read_without_it() {
    let (mut fleet, id) = fleet_with("A", T0);
    let proved = |fleet: &mut Fleet, by: Option<&str>, at: Ms| {
        let stage = event::Stage::Contained { began: at - 5_000, took: 100 };
        let by = by.map(Into::into);
        let told = event::ResponseEvent { by, ..event::ResponseEvent::new(Name::new("A"), stage, at) };
        fleet.apply(Event::Response(told), at);
    };
    fleet.apply(certificates("A", T0, &["c"]), T0);
    proved(&mut fleet, Some("ana"), T0 + 1_000);
    let quarantine = Name::new("Quarantine");
    let source = SourceId::Members(quarantine.clone());
    let none = event::Reading::Members(quarantine, None);
    fleet.apply(poll(source, 1, T0 + 20_000, Ok(none)), T0 + 20_000);
    fleet.apply(members(1, T0 + 20_000, &[]), T0 + 20_000);
    assert_eq!(fleet.device(id).word(), Word::Contained, "its certificate was not read since");
    fleet.apply(
        poll(SourceId::Certificates(Name::new("A")), 2, T0 + 21_000, {
            let record =
                model::CertificateRecord { id: "c".to_owned(), status: "ACTIVE".into(), things: vec![] };
            Ok(event::Reading::Certificates(Name::new("A"), vec![record]))
        }),
        T0 + 21_000,
    );
    assert_eq!(fleet.device(id).word(), Word::Ok, "somebody let it go");
    proved(&mut fleet, None, T0 + 22_000);
    fleet.apply(members(2, T0 + 60_000, &[]), T0 + 60_000);
    assert_eq!(fleet.device(id).word(), Word::Contained, "what was done here is known here");
}

#[test]
fn a_failed_response_is_not_in_flight() {
    let (mut fleet, id) = fleet_with("A", T0);
    fleet.apply(poll(SourceId::Violations, 1, T0, Ok(event::Reading::Violations(vec![violation("A")]))), T0);
    let stage_of =
        |what: &str, left: &str| event::Stage::Failed { began: T0, what: what.into(), left: left.into() };
    let changes =
        fleet.apply(stage("A", stage_of("AccessDenied", "cut the connection"), T0 + 1_000), T0 + 1_000);
    assert!(changes.contains(Changes::ALARM));
    assert_eq!(fleet.device(id).word(), Word::NotHeld, "worse than the alarm it was to answer");
    let late = stage("A", event::Stage::Containing { began: T0, waiting_for: "x".into() }, T0 + 500);
    fleet.apply(late, T0 + 2_000);
    assert_eq!(fleet.device(id).word(), Word::NotHeld, "the later word counts");
}

#[test]
fn a_fleet_that_falls_silent_at_once_makes_its_connection_suspect() {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    let topics = (0..5).map(|i| topic(i, &format!("t{i}"), Some(&format!("T{i}")))).collect();
    fleet.apply(batch(topics, vec![]), T0);
    for i in 0..20 {
        let at = T0 + i * 1_000;
        fleet.apply(
            batch(vec![], (0..5).map(|t| message(t, at + Ms::from(t) * 100, 100)).collect()),
            at + 500,
        );
        fleet.tick(at + 600);
    }
    let last = T0 + 19_400;
    for second in 1..3 {
        fleet.tick(last + second * 1_000);
        assert_eq!(fleet.heed(), Heed::Hears);
    }
    fleet.tick(last + 3_500);
    assert_eq!(fleet.heed(), Heed::Deaf(state::Deaf::Frozen, last));
    assert_eq!(fleet.rates(last + 3_500), None);
    let id = fleet.find("T0").unwrap();
    for second in 4..120 {
        fleet.tick(last + second * 1_000);
    }
    assert_eq!((fleet.device(id).word(), fleet.as_of(id)), (Word::Ok, Some(last)), "no new SILENT");
    assert!(fleet.device(id).warning().is_none());
    // The broker answers: it is the fleet that is silent.
    fleet.apply(answered(last + 121_000), last + 121_000);
    fleet.tick(last + 122_000);
    assert_eq!((fleet.heed(), fleet.device(id).word()), (Heed::Hears, Word::Silent));
    // A connection that is lost while it is suspect heard nothing since it was.
    let mut other = fleet;
    other.apply(
        batch(vec![], vec![message(0, last + 130_000, 100), message(1, last + 130_000, 100)]),
        last + 130_000,
    );
    assert_eq!(other.device(id).word(), Word::Ok);
}

#[test]
fn at_its_limit_a_connection_hears_nothing_for_certain() {
    let mut fleet = Fleet::new(Limits { ceiling: Some((100.0, 512.0 * 1024.0)), ..Limits::default() });
    fleet.apply(up(T0), T0);
    fleet.apply(batch(vec![topic(0, "a", Some("A")), topic(1, "b", Some("B"))], vec![message(1, T0, 9)]), T0);
    for second in 0..90 {
        let at = T0 + second * 1_000;
        let counted = Counted { topic: 0, count: 120, bytes: 1000, largest: 10, last: 10, at };
        fleet.apply(Event::Batch(Batch { counted: vec![counted], ..Batch::default() }), at);
        fleet.tick(at + 500);
    }
    let b = fleet.find("B").unwrap();
    assert!(matches!(fleet.heed(), Heed::Deaf(state::Deaf::AtLimit, _)));
    assert_eq!(fleet.device(b).word(), Word::Ok, "its silence for 90 s may be the limit's");
    fleet.tick(T0 + 100_000);
    assert_eq!(fleet.heed(), Heed::Hears);
    fleet.tick(T0 + 150_000);
    assert_eq!(fleet.device(b).word(), Word::Ok, "it counts from the limit's end");
    fleet.tick(T0 + 161_000);
    assert_eq!(fleet.device(b).word(), Word::Silent);
}

#[test]
fn a_refused_filter_is_not_silence() {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    let refused = LinkEvent::FilterRefused { at: T0, filter: "dt/#".into(), why: "not allowed".into() };
    fleet.apply(Event::Link(refused), T0);
    let record = |name: &str| model::ThingRecord { name: Name::new(name), thing_type: None };
    fleet.apply(poll(SourceId::Things, 1, T0, Ok(event::Reading::Things(vec![record("A")]))), T0);
    let a = fleet.find("A").unwrap();
    assert_eq!(fleet.device(a).word(), Word::Unknown);
    assert_eq!(
        fleet.facets(a).life.voice,
        state::Voice::Unknown(state::Reason::NeverListened(state::Deaf::Refused(&"dt/#".into())))
    );
}

#[test]
fn an_alarm_that_flaps_keeps_its_age() {
    let mut fleet = Fleet::new(Limits::default());
    let again = |started| Violation { id: format!("v{started}"), started, ..violation("A") };
    let read = |fleet: &mut Fleet, generation, at, list| {
        fleet.apply(poll(SourceId::Violations, generation, at, Ok(event::Reading::Violations(list))), at);
    };
    read(&mut fleet, 1, T0, vec![again(T0)]);
    read(&mut fleet, 2, T0 + 60_000, vec![]);
    read(&mut fleet, 3, T0 + 120_000, vec![again(T0 + 120_000)]);
    assert_eq!(fleet.alarm_since(&again(T0 + 120_000)), T0);
    read(&mut fleet, 4, T0 + 180_000, vec![]);
    read(&mut fleet, 5, T0 + 3_600_000, vec![again(T0 + 3_600_000)]);
    assert_eq!(fleet.alarm_since(&again(T0 + 3_600_000)), T0 + 3_600_000, "another day's");
}

#[test]
fn presence_survives_disorder_and_settles() {
    let (mut fleet, id) = fleet_with("A", T0);
    use event::PresenceKind::{Connected, Disconnected};
    fleet.apply(presence(Disconnected, 4, T0 + 10_000), T0 + 10_000);
    fleet.apply(presence(Connected, 4, T0 + 9_000), T0 + 10_100);
    assert_eq!(fleet.device(id).connected(), Some(false), "the connect of the same pair came late");
    assert_ne!(fleet.device(id).word(), Word::Silent, "five seconds to settle");
    fleet.tick(T0 + 15_100);
    assert_eq!(fleet.device(id).word(), Word::Silent);
    fleet.apply(presence(Connected, 5, T0 + 20_000), T0 + 20_000);
    fleet.apply(presence(Disconnected, 3, T0 + 8_000), T0 + 20_100);
    assert_eq!((fleet.device(id).connected(), fleet.device(id).word()), (Some(true), Word::Ok));
}

#[test]
fn silence_is_one_only_while_somebody_listens() {
    let (mut fleet, id) = fleet_with("A", T0);
    fleet.apply(
        Event::Link(LinkEvent::Down { at: T0 + 1_000, reason: "x".into(), retry_at: None }),
        T0 + 1_000,
    );
    fleet.tick(T0 + 600_000);
    assert_eq!(fleet.device(id).word(), Word::Ok);
    fleet.apply(up(T0 + 600_000), T0 + 600_000);
    fleet.tick(T0 + 601_000);
    assert_eq!(fleet.device(id).word(), Word::Ok);
    fleet.tick(T0 + 661_001);
    assert_eq!(fleet.device(id).word(), Word::Silent);
    let mut columns = Vec::new();
    fleet.device(id).series().columns(fleet.watch(), T0 + 661_000, 600_000, 20, &mut columns);
    assert!(columns.contains(&Column::NotWatching) && columns.contains(&Column::Silent), "{columns:?}");
}

#[test]
fn a_jump_in_size_is_said_before_aws_says_it() {
    let (mut fleet, id) = fleet_with("A", T0);
    for i in 1..20 {
        fleet.apply(batch(vec![], vec![message(0, T0 + i * 10_000, 120)]), T0 + i * 10_000);
    }
    assert!(fleet.device(id).warning().is_none());
    for i in 20..23 {
        fleet.apply(batch(vec![], vec![message(0, T0 + i * 10_000, 3_000)]), T0 + i * 10_000);
    }
    assert_eq!(fleet.device(id).word(), Word::Warning);
    let text = fleet.device(id).warning().unwrap().text.to_string();
    assert!(text.contains("its own baseline"), "{text}");
    for i in 23..27 {
        fleet.apply(batch(vec![], vec![message(0, T0 + i * 10_000, 120)]), T0 + i * 10_000);
    }
    assert_eq!(fleet.device(id).word(), Word::Ok);
}

#[test]
fn payloads_are_let_go_oldest_first_and_counts_stay() {
    let mut fleet = Fleet::new(Limits { payload_bytes: 10_000, ..Limits::default() });
    let messages = (0..100)
        .map(|i| Message { payload: Some(vec![0; 1_000].into()), ..message(0, T0 + i, 1_000) })
        .collect();
    fleet.apply(batch(vec![topic(0, "t", None)], messages), T0);
    let log = fleet.stream();
    assert_eq!((log.received(), log.bytes(), log.len()), (100, 100_000, 100));
    assert!(log.held() <= 10_000);
    assert!(log.get(0).unwrap().payload.is_none() && log.get(99).unwrap().payload.is_some());
    assert_eq!(log.let_go() as usize, log.iter().filter(|k| k.payload.is_none()).count());
    assert_eq!(log.position(42), Some(42));
    assert_eq!(fleet.counts().of(Word::Unattributed), 1);
}

#[test]
fn deltas_are_flat_safe_and_bounded() {
    let state = serde_json::json!({"a": {"b": [1, 2], "\u{1b}[2J": "x\u{202e}"}, "big": "y".repeat(100_000)});
    let (changes, _) = deltas::flatten(&state);
    let lines: Vec<_> = changes.iter().map(|(p, v)| format!("{p}={v}")).collect();
    assert_eq!(lines.first().map(String::as_str), Some("a.b=[1,2]"));
    assert!(
        lines.iter().all(|l| l.len() < 500 && !l.contains('\u{1b}') && !l.contains('\u{202e}')),
        "{lines:?}"
    );
    let wide: serde_json::Map<_, _> = (0..1_000).map(|i| (i.to_string(), i.into())).collect();
    let (changes, more) = deltas::flatten(&wide.into());
    assert!(changes.len() <= 24 && more);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// However messages are split into batches and merged, the counts are the same and exact.
    #[test]
    fn counts_are_exact_however_split(
        sizes in proptest::collection::vec((0..5_u32, 0..200_000_u32, 0..20_000_i64), 1..200),
        cuts in proptest::collection::vec((0..200_usize, proptest::bool::ANY), 0..20),
    ) {
        let mut at = T0;
        let all: Vec<Message> = sizes.iter().map(|(t, len, gap)| { at += gap; message(*t, at, *len) }).collect();
        let topics = || (0..5).map(|i| topic(i, &format!("t{i}"), (i != 4).then_some("A"))).collect::<Vec<_>>();
        let mut fleet = Fleet::new(Limits::default());
        fleet.apply(batch(topics(), vec![]), T0);
        let mut cuts = cuts;
        cuts.sort_unstable();
        let mut rest = all.as_slice();
        let mut done = 0;
        for (cut, merge) in cuts.into_iter().chain([(usize::MAX, false)]) {
            let (head, tail) = rest.split_at(cut.saturating_sub(done).min(rest.len()));
            done += head.len();
            rest = tail;
            if merge {
                let counted = head.iter().map(|m| Counted {
                    topic: m.topic, count: 1, bytes: m.len.into(), largest: m.len, last: m.len, at: m.at,
                }).collect();
                fleet.apply(Event::Batch(Batch { counted, ..Batch::default() }), at);
            } else {
                fleet.apply(batch(vec![], head.to_vec()), at);
            }
        }
        let bytes: u64 = all.iter().map(|m| u64::from(m.len)).sum();
        proptest::prop_assert_eq!(fleet.stream().received(), all.len() as u64);
        proptest::prop_assert_eq!(fleet.stream().bytes(), bytes);
        let by_device: u64 = fleet.devices().map(|(_, d)| d.received()).sum();
        proptest::prop_assert_eq!(by_device, all.len() as u64);
        let counts = fleet.counts();
        proptest::prop_assert_eq!(fleet.len(), counts.devices + counts.of(Word::Unattributed));
    }

    #[test]
    fn packed_sizes_keep_their_order_and_nearly_their_value(a in 0..u32::MAX / 2, b in 0..u32::MAX / 2) {
        let (pa, pb) = (series::pack(a), series::pack(b));
        proptest::prop_assert_eq!(pa.cmp(&pb), if pa == pb { std::cmp::Ordering::Equal } else { a.cmp(&b) });
        let back = f64::from(series::unpack(pa));
        proptest::prop_assert!((back - f64::from(a)).abs() <= f64::from(a) * 0.001, "{} {}", a, back);
    }
}

#[test]
fn a_connection_near_its_limit_says_so() {
    let mut fleet = Fleet::new(Limits { ceiling: Some((100.0, 512.0 * 1024.0)), ..Limits::default() });
    fleet.apply(up(T0), T0);
    let feed = |fleet: &mut Fleet, from: Ms, each: Ms, len: u32| {
        let topics = if fleet.is_empty() { vec![topic(0, "t", Some("Thing01"))] } else { Vec::new() };
        let messages = (0..5_000 / each).map(|i| message(0, from + i * each, len)).collect();
        fleet.apply(batch(topics, messages), from + 5_000);
    };
    feed(&mut fleet, T0 + 10_000, 20, 100);
    assert_eq!(fleet.near_limit(T0 + 15_000), None, "50 a second is half of it");
    feed(&mut fleet, T0 + 20_000, 10, 100);
    assert_eq!(fleet.near_limit(T0 + 25_000), Some(1.0));
    feed(&mut fleet, T0 + 30_000, 100, 50_000);
    let share = fleet.near_limit(T0 + 35_000).unwrap();
    assert!((0.9..1.0).contains(&share), "10 messages a second of 50 kB: {share}");
    let mut any = Fleet::new(Limits::default());
    any.apply(up(T0), T0);
    feed(&mut any, T0 + 20_000, 1, 100);
    assert_eq!(any.near_limit(T0 + 25_000), None, "other brokers have no such limit");
}

#[test]
fn what_nobody_looks_at_any_more_is_not_listed_for_ever() {
    let mut fleet = Fleet::new(Limits::default());
    for i in 0..5_000 {
        let (at, source) = (T0 + i * 5_000, SourceId::GroupsOf(Name::new(&format!("thing-{i}"))));
        let reading = event::Reading::Jobs(Vec::new());
        let next_at = Some(at + 60_000);
        fleet
            .apply(Event::Poll(event::Poll { source, generation: 1, at, outcome: Ok(reading), next_at }), at);
    }
    assert!((64..200).contains(&fleet.polls().count()), "{}", fleet.polls().count());
}
