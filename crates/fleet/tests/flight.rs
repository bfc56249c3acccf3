//! A policy flown on what was heard, and the least policy: through the events that a stream and the polls send.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use quell_fleet::account::EffectivePolicy;
use quell_fleet::event::{
    Batch, Counted, Event, LinkEvent, Message, Notice, Poll, PresenceKind, Reading, TopicEntry,
};
use quell_fleet::flight::fly::{Flight, Outcome, fly};
use quell_fleet::flight::{Heard, Missing, Told, known, least};
use quell_fleet::model::{CertificateRecord, Identity, Name};
use quell_fleet::record::file::Recording;
use quell_fleet::record::{Header, Recorder};
use quell_fleet::{Fleet, Limits, SourceId};
use quell_rules::policy::Document;
use serde_json::{Value, json};

const T0: i64 = 1_574_254_200_000;
const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012:";

/// The id of a certificate, as long as AWS's.
fn id(certificate: &str) -> String {
    let digits: String = certificate.bytes().map(|b| format!("{b:02x}")).collect();
    format!("{digits:0>64}")
}

#[derive(Default)]
struct Ear {
    heard: Heard,
    topics: Vec<String>,
}

impl Ear {
    fn says(&mut self, thing: Option<&str>, topic: &str, times: u32) {
        let (id, fresh) = match self.topics.iter().position(|t| t == topic) {
            Some(i) => (i, false),
            None => {
                self.topics.push(topic.to_owned());
                (self.topics.len() - 1, true)
            }
        };
        let id = u32::try_from(id).unwrap();
        let entry = TopicEntry {
            id,
            topic: topic.into(),
            thing: thing.map(Name::new),
            telemetry: !topic.starts_with("$aws/"),
        };
        let message = Message { topic: id, len: 3, at: T0, payload: None };
        let counted = Counted { topic: id, count: times - 1, bytes: 3, largest: 3, last: 3, at: T0 + 1_000 };
        self.batch(Batch {
            topics: if fresh { vec![entry] } else { Vec::new() },
            messages: vec![message],
            counted: vec![counted],
            ..Batch::default()
        });
    }

    fn connects(&mut self, client: &str, principal: &str) {
        self.batch(Batch {
            notices: vec![Notice::Presence {
                client: Name::new(client),
                kind: PresenceKind::Connected,
                reason: None,
                principal: Some(id(principal).as_str().into()),
                version: 1,
                at: T0,
                address: Some("10.0.0.7".into()),
                session: None,
                received: Some(T0),
            }],
            ..Batch::default()
        });
    }

    fn batch(&mut self, batch: Batch) {
        self.heard.take(&Event::Batch(batch), T0);
    }

    fn told(&mut self, thing: &str, certificates: &[&str], groups: &[&str]) {
        let certificates = certificates.iter().map(|certificate| id(certificate)).collect();
        let groups = Some(groups.iter().map(ToString::to_string).collect());
        let exclusive = Some(Vec::new());
        self.heard.told(thing, Told { registered: true, certificates, exclusive, groups, ..Told::default() });
    }
}

fn policy(statements: Value) -> Vec<(String, Document)> {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    vec![("Proposed".to_owned(), Document::parse(&text).unwrap())]
}

fn outcomes(flights: &[Flight]) -> Vec<(String, Outcome)> {
    let each = flights.iter().flat_map(|flight| &flight.requests);
    each.map(|flown| (format!("{} {}", flown.request.action, flown.request.resource), flown.outcome))
        .collect()
}

fn flown(heard: &Heard, policies: &[(String, Document)]) -> Vec<Flight> {
    fly(heard, policies, PREFIX).collect()
}

fn said(list: &[(&str, Outcome)]) -> Vec<(String, Outcome)> {
    list.iter().map(|(text, outcome)| ((*text).to_owned(), *outcome)).collect()
}

#[test]
fn what_was_heard_is_decided_by_the_statement_that_counts() {
    let mut ear = Ear::default();
    ear.connects("Thing02", "c2");
    ear.says(Some("Thing02"), "dt/Thing02/temperature", 7);
    ear.says(Some("Thing02"), "dt/Thing03/temperature", 1);
    ear.says(None, "somebody/else", 2);
    ear.told("Thing02", &["c2"], &[]);
    ear.heard.subscribed("Thing02", ["cmd/Thing02/#".to_owned(), "somebody/+".to_owned()]);
    let policies = policy(json!([
        {"Sid": "In", "Effect": "Allow", "Action": "iot:Connect", "Resource": format!("{PREFIX}client/${{iot:Connection.Thing.ThingName}}")},
        {"Sid": "Own", "Effect": "Allow", "Action": "iot:Publish", "Resource": format!("{PREFIX}topic/dt/${{iot:Connection.Thing.ThingName}}/*")},
        {"Sid": "Orders", "Effect": "Allow", "Action": ["iot:Subscribe", "iot:Receive"], "Resource": [
            format!("{PREFIX}topicfilter/cmd/${{iot:Connection.Thing.ThingName}}/*")]},
    ]));
    let flights = flown(&ear.heard, &policies);
    assert_eq!(
        outcomes(&flights),
        said(&[
            ("iot:Connect Thing02", Outcome::Allowed),
            ("iot:Publish dt/Thing02/temperature", Outcome::Allowed),
            ("iot:Publish dt/Thing03/temperature", Outcome::Refused),
            ("iot:Subscribe cmd/Thing02/#", Outcome::Allowed),
            ("iot:Subscribe somebody/+", Outcome::Refused),
            ("iot:Receive somebody/else", Outcome::Refused),
        ])
    );
    let why: Vec<String> = flights[0].requests.iter().map(|flown| flown.why()).collect();
    assert_eq!(why[1], "Proposed statement 2 (Own)");
    assert_eq!(why[2], "Proposed statement 2 (Own): its resources do not match");
    assert_eq!(flights[0].requests[1].times.count, 7);
    assert_eq!((ear.heard.messages(), ear.heard.unattributed()), (8, 2));
    assert_eq!(ear.heard.devices().len(), 1, "nobody is made up for a topic that names no device");
}

#[test]
fn what_was_not_heard_is_unknown_until_it_is_assumed_or_told() {
    let mut ear = Ear::default();
    ear.says(Some("Thing02"), "dt/Thing02/temperature", 1);
    let own = policy(json!([{"Effect": "Allow", "Action": "iot:*",
        "Resource": format!("{PREFIX}topic/dt/${{iot:Connection.Thing.ThingName}}/*")}]));
    let publish = |heard: &Heard, policies: &[(String, Document)]| {
        outcomes(&flown(heard, policies)).into_iter().find(|(what, _)| what.contains("Publish")).unwrap().1
    };
    assert_eq!(publish(&ear.heard, &own), Outcome::Unknown);
    let why = flown(&ear.heard, &own)[0].requests[0].why();
    assert!(why.contains("iot:Connection.Thing.ThingName is not known"), "{why}");
    let others = policy(json!([{"Effect": "Allow", "Action": "iot:Publish",
        "Resource": format!("{PREFIX}topic/other/${{iot:Connection.Thing.ThingName}}")}]));
    assert_eq!(publish(&ear.heard, &others), Outcome::Refused, "whatever its name is");
    let all = policy(json!([{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]));
    assert_eq!(publish(&ear.heard, &all), Outcome::Allowed);
    // Connected with a certificate that is not the thing's: it does not act as the thing.
    ear.connects("Thing02", "stolen");
    ear.told("Thing02", &["c2"], &[]);
    assert_eq!(publish(&ear.heard, &own), Outcome::Refused);
    let mut assumed = Ear::default();
    assumed.says(Some("Thing02"), "dt/Thing02/temperature", 1);
    assert_eq!(assumed.heard.assume_names(), 1);
    assert_eq!(publish(&assumed.heard, &own), Outcome::Allowed);
}

#[test]
fn an_address_decides_and_one_that_nobody_told_does_not() {
    let at_home = policy(json!([{"Effect": "Allow", "Action": "iot:Publish", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]));
    let mut ear = Ear::default();
    ear.says(Some("Thing02"), "a", 1);
    let publish = |heard: &Heard| {
        outcomes(&flown(heard, &at_home)).into_iter().find(|(what, _)| what.contains("Publish")).unwrap().1
    };
    assert_eq!(publish(&ear.heard), Outcome::Unknown);
    ear.connects("Thing02", "c2");
    assert_eq!(publish(&ear.heard), Outcome::Allowed);
}

#[test]
fn answers_tell_what_was_published() {
    let mut ear = Ear::default();
    ear.says(None, "$aws/things/Thing02/defender/metrics/cbor/accepted", 1);
    let job = Notice::JobEvent {
        job: Name::new("update-1"),
        thing: Some(Name::new("Thing02")),
        status: "SUCCEEDED".into(),
        at: T0,
    };
    let shadow = |reported: Value| Notice::ShadowDocument {
        thing: Name::new("Thing02"),
        shadow: Some("config".into()),
        document: serde_json::from_value(
            json!({"reported": reported, "desired": null, "delta": null, "version": 1, "metadata": null}),
        )
        .unwrap(),
        at: T0,
    };
    let notices = vec![job, shadow(json!({"a": 1})), shadow(json!({"a": 1})), shadow(json!({"a": 2}))];
    ear.batch(Batch { notices, ..Batch::default() });
    let (_, device) = ear.heard.devices().next().unwrap();
    let told: Vec<(&str, u64, bool)> =
        device.published.iter().map(|(topic, times)| (&**topic, times.count, times.inferred)).collect();
    assert_eq!(
        told,
        [
            ("$aws/things/Thing02/defender/metrics/cbor", 1, true),
            ("$aws/things/Thing02/jobs/update-1/update", 1, true),
            ("$aws/things/Thing02/shadow/name/config/update", 1, true),
        ]
    );
}

#[test]
fn the_least_policy_has_variables_and_one_document_for_each_group() {
    let mut ear = Ear::default();
    for thing in ["Thing01", "Thing02"] {
        ear.connects(thing, &format!("cert-{thing}"));
        ear.says(Some(thing), &format!("dt/{thing}/temperature"), 3);
        ear.says(Some(thing), &format!("fleet-{thing}-up"), 1);
        ear.told(thing, &[&format!("cert-{thing}")], &["Sensors", "IsolatedDevices"]);
        ear.heard.subscribed(thing, [format!("cmd/{thing}/#"), "all/+/news".to_owned()]);
    }
    ear.connects("gw-7", "cert-gw");
    ear.says(Some("gw-7"), "odd/*/${x}?", 1);
    ear.told("gw-7", &[], &[]);
    let found = least::write(&ear.heard, PREFIX, true, &["IsolatedDevices"]);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].groups.len(), found[0].devices.as_slice()), (0, &["gw-7".to_owned()][..]));
    assert_eq!((found[1].groups.as_slice(), found[1].devices.len()), (&["Sensors".to_owned()][..], 2));
    let resources = |document: &Value| -> BTreeMap<String, Vec<String>> {
        let statements = document["Statement"].as_array().unwrap().iter();
        let tail = |arn: &Value| arn.as_str().unwrap().strip_prefix(PREFIX).unwrap().to_owned();
        statements
            .map(|s| {
                let list = s["Resource"].as_array().unwrap().iter().map(tail).collect();
                (s["Action"].as_str().unwrap().to_owned(), list)
            })
            .collect()
    };
    let thing = "${iot:Connection.Thing.ThingName}";
    let sensors = resources(&found[1].documents[0]);
    assert_eq!(sensors["iot:Connect"], [format!("client/{thing}")]);
    assert_eq!(
        sensors["iot:Publish"],
        [format!("topic/dt/{thing}/temperature"), format!("topic/fleet-{thing}-up")]
    );
    assert_eq!(
        sensors["iot:Subscribe"],
        ["topicfilter/all/+/news".to_owned(), format!("topicfilter/cmd/{thing}/#")]
    );
    assert_eq!(sensors["iot:Receive"], ["topic/all/*/news".to_owned(), format!("topic/cmd/{thing}/*")]);
    let other = resources(&found[0].documents[0]);
    assert_eq!(other["iot:Connect"], ["client/gw-7"], "a variable would let it connect under any client id");
    assert_eq!(other["iot:Publish"], ["topic/odd/${*}/${$}{x}${?}"]);
    assert!(
        found[0].notes.iter().any(|note| note.contains("do not name their device")),
        "{:?}",
        found[0].notes
    );
}

/// The least policy of a fleet, and what it does with that fleet.
fn least_flown(ear: &Ear) -> (Vec<Flight>, usize) {
    let found = least::write(&ear.heard, PREFIX, false, &[]);
    let documents: Vec<(String, Document)> = found
        .iter()
        .flat_map(|least| &least.documents)
        .enumerate()
        .map(|(i, document)| {
            let text = document.to_string();
            assert!(quell_rules::policy::characters(&text) <= quell_rules::policy::CHARACTERS, "{text}");
            (i.to_string(), Document::parse(&text).unwrap())
        })
        .collect();
    (flown(&ear.heard, &documents), documents.len())
}

#[test]
fn what_does_not_fit_one_document_is_in_several() {
    let mut ear = Ear::default();
    ear.connects("Thing02", "c");
    ear.told("Thing02", &["c"], &[]);
    for i in 0..200 {
        ear.says(Some("Thing02"), &format!("a/rather/long/topic/of/no/device/{i}"), 1);
    }
    let (flights, documents) = least_flown(&ear);
    assert!(documents > 5, "{documents}");
    assert!(flights.iter().flat_map(|f| &f.requests).all(|r| r.outcome == Outcome::Allowed));
}

#[test]
fn hostile_events_fill_no_memory() {
    let mut ear = Ear::default();
    for i in 0..2_000 {
        ear.says(Some("Thing02"), &format!("invented/{i}"), 1);
        ear.connects(&format!("client-{i}"), "one");
    }
    let (_, device) = ear.heard.devices().find(|(name, _)| *name == "Thing02").unwrap();
    assert!(device.published.len() <= 256);
    assert!(ear.heard.left_out() > 0);
}

proptest! {
    /// Whatever is heard, its least policy allows all of it, and refuses what another device did.
    #[test]
    fn the_least_policy_allows_what_was_heard(
        names in proptest::collection::btree_set("[a-zA-Z*?$+#{}é:_-]{1,9}", 1..4),
        topics in proptest::collection::vec("[a-c*?$+{}é/-]{1,12}", 1..6),
        filters in proptest::collection::vec("([a-c*?$é]{1,3}/){0,2}([+#]|[a-c]{1,3})", 0..4),
        attached in any::<bool>(),
    ) {
        let mut ear = Ear::default();
        for name in &names {
            ear.connects(name, "cert");
            for topic in &topics {
                ear.says(Some(name), &format!("{name}/{topic}"), 1);
                ear.says(Some(name), &format!("x{name}y/{topic}"), 1);
            }
            ear.told(name, if attached { &["cert"] } else { &[] }, &[]);
            ear.heard.subscribed(name, filters.iter().cloned());
        }
        let (flights, _) = least_flown(&ear);
        for (what, outcome) in outcomes(&flights) {
            prop_assert_eq!(outcome, Outcome::Allowed, "{}", what);
        }
    }
}

#[test]
fn clients_that_no_policy_of_iot_governs_are_no_devices() {
    let mut ear = Ear::default();
    let presence = json!({"Presence": {"client": "quell-ops", "kind": "Connected", "reason": null,
        "principal": "AROAEXAMPLE:ops", "version": 1, "at": T0}});
    let notice: Notice = serde_json::from_value(presence).unwrap();
    ear.batch(Batch { notices: vec![notice], ..Batch::default() });
    assert_eq!((ear.heard.devices().len(), ear.heard.others()), (0, 1));
}

#[test]
fn an_identity_is_kept() {
    let mut heard = Heard::default();
    let who = Identity {
        account: "123456789012".into(),
        arn: "arn:aws:iam::1:user/o".into(),
        region: "eu-west-1".into(),
    };
    let outcome = Ok(Reading::Identity(who.clone()));
    let poll = Poll { source: SourceId::Identity, generation: 1, at: T0, outcome, next_at: None };
    heard.take(&Event::Poll(poll), T0);
    assert_eq!(heard.identity(), Some(&who));
}

#[test]
fn a_least_policy_lets_a_shared_subscription_receive_what_its_filter_brings() {
    let mut ear = Ear::default();
    ear.connects("Thing01", "cert");
    ear.says(Some("Thing01"), "dt/Thing01/temperature", 1);
    ear.told("Thing01", &["cert"], &[]);
    ear.heard.subscribed("Thing01", ["$share/workers/dt/#".to_owned()]);
    let found = least::write(&ear.heard, PREFIX, true, &[]);
    let text = found[0].documents[0].to_string();
    assert!(text.contains("topic/dt/*") && !text.contains("topic/$share"), "{text}");
    let policies = vec![("least".to_owned(), Document::parse(&text).unwrap())];
    let flights = flown(&ear.heard, &policies);
    assert!(flights[0].requests.iter().any(|flown| flown.request.action == "iot:Receive"));
    assert!(outcomes(&flights).iter().all(|(_, outcome)| *outcome == Outcome::Allowed), "{flights:?}");
}

#[test]
fn what_is_missing_from_what_was_heard_is_counted() {
    let mut heard = Heard::default();
    let up = |at| Event::Link(LinkEvent::Up { at, client_id: "quell".into(), filters: Vec::new() });
    let down = |at| Event::Link(LinkEvent::Down { at, reason: "lost".into(), retry_at: None });
    for (at, event) in [(T0, up(T0)), (T0 + 5, down(T0 + 5)), (T0 + 7, down(T0 + 7)), (T0 + 15, up(T0 + 15))]
    {
        heard.take(&event, at);
    }
    assert_eq!((heard.missing().interruptions, heard.missing().not_listened), (1, 10));
    heard.take(&down(T0 + 20), T0 + 20);
    heard.take(&Event::Batch(Batch::default()), T0 + 50);
    assert_eq!((heard.missing().interruptions, heard.missing().not_listened), (2, 40));
}

#[test]
fn a_recording_that_was_cut_off_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("day.quell");
    let limits = (&Limits::default()).into();
    let header = Header {
        quell: "test".to_owned(),
        began: T0,
        payloads: false,
        aws: true,
        speed: 1.0,
        badge: None,
        limits,
    };
    let mut recorder = Recorder::create(&path, &header, 1 << 20).unwrap();
    recorder.event(&Event::Batch(Batch::default()), T0);
    recorder.finish().unwrap();
    let heard = || Heard::recorded(&mut Recording::open(&path).unwrap()).unwrap().missing();
    assert_eq!(heard(), Missing::default());
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    assert!(heard().incomplete || !heard().damages.is_empty(), "{:?}", heard());
}

/// A policy of a thing's group holds for the client that acts as the thing alone.
#[test]
fn each_client_is_held_to_the_policies_of_its_certificate() {
    let mut fleet = Fleet::new(Limits::default());
    let poll = |source, reading| {
        Event::Poll(Poll { source, generation: 1, at: T0, outcome: Ok(reading), next_at: None })
    };
    let thing = Name::new("Thing01");
    let who = Identity {
        account: "123456789012".into(),
        arn: "arn:aws:iam::123456789012:user/o".into(),
        region: "us-east-1".into(),
    };
    fleet.apply(poll(SourceId::Identity, Reading::Identity(who.clone())), T0);
    let held = CertificateRecord { id: id("cert"), status: "ACTIVE".into(), things: vec![thing.clone()] };
    let topic =
        TopicEntry { id: 0, topic: "dt/Thing01/data".into(), thing: Some(thing.clone()), telemetry: true };
    let message = Message { topic: 0, len: 3, at: T0, payload: None };
    fleet.apply(
        Event::Batch(Batch {
            topics: vec![topic],
            messages: vec![message.clone(), message],
            ..Batch::default()
        }),
        T0,
    );
    fleet.apply(poll(SourceId::Certificates(thing.clone()), Reading::Certificates(thing, vec![held])), T0);
    let device = fleet.find("Thing01").unwrap();
    let policy = |name: &str, statement: Value, of_group| EffectivePolicy {
        name: name.into(),
        hangs_on: "".into(),
        statements: Vec::new(),
        principal: id("cert"),
        document: Some(json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()),
        of_group,
    };
    let policies = [
        policy("All", json!({"Effect": "Allow", "Action": "iot:*", "Resource": "*"}), false),
        policy("Quarantine", json!({"Effect": "Deny", "Action": "iot:*", "Resource": "*"}), true),
        EffectivePolicy { document: None, ..policy("Lost", json!({}), false) },
    ];
    let flown = |fleet: &Fleet| {
        let (flights, unread) = known::in_effect(&Heard::of(fleet, device), &policies, &who.arn_prefix());
        assert_eq!(unread, ["Lost".into()]);
        outcomes(&flights)
    };
    // No connect was heard: it is taken to connect as itself.
    let denied =
        said(&[("iot:Connect Thing01", Outcome::Refused), ("iot:Publish dt/Thing01/data", Outcome::Refused)]);
    assert_eq!(flown(&fleet), denied);
    let connected = Notice::Presence {
        client: Name::new("gw-7"),
        kind: PresenceKind::Connected,
        reason: None,
        principal: Some(id("cert").as_str().into()),
        version: 1,
        at: T0,
        address: None,
        session: None,
        received: Some(T0),
    };
    fleet.apply(Event::Batch(Batch { notices: vec![connected], ..Batch::default() }), T0);
    // Whether it acts as the thing hangs on an attachment that nobody read.
    let unknown =
        said(&[("iot:Connect gw-7", Outcome::Unknown), ("iot:Publish dt/Thing01/data", Outcome::Unknown)]);
    assert_eq!(flown(&fleet), unknown);
}
