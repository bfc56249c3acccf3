//! What a message on one of AWS's own topics says (docs/aws-iot.md#3.4 to #3.8). Anything malformed says nothing: it is still
//! counted and shown as bytes.

use serde_json::Value;

use quell_fleet::Ms;
use quell_fleet::event::{Notice, PresenceKind};
use quell_fleet::model::{Name, ShadowDocument};
use quell_fleet::text::SafeText;
use quell_rules::detect::report::Report;

/// The kind of a topic, found once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Telemetry,
    Delta,
    Documents,
    Deleted,
    Rejected,
    Presence,
    JobsNotify,
    Job,
    Execution,
    Membership,
    Defender { accepted: bool },
    Report(Form),
}

/// How an agent's report is written (docs/aws-iot.md#3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Cbor,
}

/// Bytes of an agent's report that is read. Theirs have a few hundred to a few thousand.
const REPORT: usize = 16 * 1024;

/// Arrays and maps of a report in CBOR that stand in one another; theirs are seven deep.
const DEEP: usize = 32;

/// Whose report is published on a topic: that of the thing before `defender/metrics/json` or `…/cbor`, below anything. It is AWS's own topic
/// under `$aws/things`, which AWS shows to nobody (docs/aws-iot.md#3.4); other brokers do, and on AWS an agent may publish the
/// same on a topic of the operator's own.
pub fn reporter(topic: &str) -> Option<&str> {
    report(topic).map(|(thing, _)| thing)
}

fn report(topic: &str) -> Option<(&str, Form)> {
    let (before, form) = topic.rsplit_once('/')?;
    let form = match form {
        "json" => Form::Json,
        "cbor" => Form::Cbor,
        _ => return None,
    };
    let (_, thing) = before.strip_suffix("/defender/metrics")?.rsplit_once('/')?;
    (!thing.is_empty()).then_some((thing, form))
}

impl Form {
    /// The document, where it is one and nothing comes behind it.
    fn read(self, payload: &[u8]) -> Option<Value> {
        if payload.len() > REPORT {
            return None;
        }
        match self {
            Self::Json => serde_json::from_slice(payload).ok(),
            Self::Cbor => {
                let mut rest = payload;
                let document = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEEP).ok()?;
                rest.is_empty().then_some(document)
            }
        }
    }
}

impl Meaning {
    pub(super) fn of(topic: &str) -> Self {
        if let Some((_, form)) = report(topic) {
            return Self::Report(form);
        }
        let Some(rest) = topic.strip_prefix("$aws/") else { return Self::Telemetry };
        let levels: Vec<&str> = rest.split('/').collect();
        let shadow = |tail: &[&str]| match tail {
            ["update", "delta"] => Self::Delta,
            ["update", "documents"] => Self::Documents,
            ["update", "rejected"] => Self::Rejected,
            ["delete", "accepted"] => Self::Deleted,
            _ => Self::Telemetry,
        };
        match levels.as_slice() {
            ["things", _, "shadow", "name", _, tail @ ..] => shadow(tail),
            ["things", _, "shadow", tail @ ..] => shadow(tail),
            ["things", _, "jobs", "notify" | "notify-next"] => Self::JobsNotify,
            ["things", _, "defender", "metrics", _, "accepted"] => Self::Defender { accepted: true },
            ["things", _, "defender", "metrics", _, "rejected"] => Self::Defender { accepted: false },
            ["events", "presence", ..] => Self::Presence,
            ["events", "job", _, _] => Self::Job,
            ["events", "jobExecution", _, _] => Self::Execution,
            ["events", "thingGroupMembership", ..] => Self::Membership,
            _ => Self::Telemetry,
        }
    }

    /// What the message says; `None` for telemetry and for what is not understood.
    pub(super) fn notice(self, topic: &str, payload: &[u8], at: Ms) -> Option<Notice> {
        if self == Self::Telemetry {
            return None;
        }
        let levels: Vec<&str> = topic.split('/').collect();
        let level = |i: usize| levels.get(i).copied();
        let thing = || level(2).map(Name::new);
        let shadow = || (level(4) == Some("name")).then(|| level(5).map(SafeText::new)).flatten();
        let body = || serde_json::from_slice::<Value>(payload).ok();
        let text = |body: &Value, key: &str| body.get(key).and_then(Value::as_str).map(SafeText::new);
        Some(match self {
            Self::Telemetry => return None,
            Self::Delta => {
                let mut body = body()?;
                Notice::ShadowDelta {
                    thing: thing()?,
                    shadow: shadow(),
                    version: body.get("version").and_then(Value::as_i64)?,
                    state: body.get_mut("state").map(Value::take)?,
                    at,
                }
            }
            Self::Documents => {
                let mut body = body()?;
                let document = document(body.get_mut("current")?)?;
                Notice::ShadowDocument { thing: thing()?, shadow: shadow(), document, at }
            }
            Self::Deleted => Notice::ShadowDeleted { thing: thing()?, shadow: shadow(), at },
            Self::Rejected => {
                let body = body()?;
                Notice::ShadowRejected {
                    thing: thing()?,
                    code: body.get("code").and_then(Value::as_i64).unwrap_or_default(),
                    message: text(&body, "message").unwrap_or_default(),
                    at,
                }
            }
            Self::Presence => {
                let body = body()?;
                let kind = match body.get("eventType").and_then(Value::as_str)? {
                    "connected" => PresenceKind::Connected,
                    "disconnected" => PresenceKind::Disconnected,
                    "connect_failed" => PresenceKind::ConnectFailed,
                    _ => return None,
                };
                Notice::Presence {
                    client: Name::new(body.get("clientId").and_then(Value::as_str)?),
                    kind,
                    reason: text(&body, "disconnectReason").or_else(|| text(&body, "connectFailureReason")),
                    principal: text(&body, "principalIdentifier"),
                    version: body.get("versionNumber").and_then(Value::as_i64).unwrap_or_default(),
                    at: body.get("timestamp").and_then(Value::as_i64).unwrap_or(at),
                    address: text(&body, "ipAddress"),
                    session: text(&body, "sessionIdentifier"),
                    received: Some(at),
                }
            }
            Self::JobsNotify => Notice::JobsChanged { thing: thing()?, at },
            Self::Job | Self::Execution => {
                let body = body()?;
                let arn = body.get("thingArn").and_then(Value::as_str);
                Notice::JobEvent {
                    job: Name::new(level(3)?),
                    thing: arn.and_then(|arn| arn.split_once(":thing/")).map(|(_, thing)| Name::new(thing)),
                    status: text(&body, "status")?,
                    at,
                }
            }
            Self::Membership => {
                // $aws/events/thingGroupMembership/thingGroup/G/thing/T/added
                Notice::Membership {
                    group: Name::new(level(4)?),
                    thing: Name::new(level(6)?),
                    added: match level(7)? {
                        "added" => true,
                        "removed" => false,
                        _ => return None,
                    },
                    at,
                }
            }
            Self::Report(form) => {
                let report = Box::new(Report::parse(&form.read(payload)?)?);
                Notice::Report { thing: Name::new(reporter(topic)?), report, at }
            }
            Self::Defender { accepted } => Notice::DefenderReport { thing: thing()?, accepted, at },
        })
    }
}

/// `{"state":{"desired":…,"reported":…},"metadata":…,"version":n}`; the delta is computed, since `documents` has none.
fn document(current: &mut Value) -> Option<ShadowDocument> {
    let version = current.get("version").and_then(Value::as_i64)?;
    let metadata = current.get_mut("metadata").map(Value::take).unwrap_or_default();
    let state = current.get_mut("state")?;
    let desired = state.get_mut("desired").map(Value::take).unwrap_or_default();
    let reported = state.get_mut("reported").map(Value::take).unwrap_or_default();
    let delta = quell_fleet::model::delta(&desired, &reported);
    Some(ShadowDocument { reported, desired, delta, version, metadata })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(topic: &str, payload: &str) -> Option<Notice> {
        Meaning::of(topic).notice(topic, payload.as_bytes(), 7)
    }

    #[test]
    fn an_agent_s_report_is_read_wherever_a_broker_shows_it() {
        let report = r#"{"hed":{"rid":7,"v":"1.0"},"met":{"tp":{"t":3}}}"#;
        for topic in ["fleet/a/Thing01/defender/metrics/json", "$aws/things/Thing01/defender/metrics/json"] {
            let Some(Notice::Report { thing, report, at: 7 }) = notice(topic, report) else {
                panic!("{topic}")
            };
            assert_eq!((thing.raw(), report.id), ("Thing01", 7));
        }
        let large = format!(r#"{{"hed":{{"rid":7,"v":"1.0"}},"met":{{"x":"{}"}}}}"#, "y".repeat(REPORT));
        assert!(notice("x/T/defender/metrics/json", &large).is_none());
        for topic in ["T/defender/metrics/json", "x//defender/metrics/json", "x/T/defender/metrics/xml"] {
            assert!(notice(topic, report).is_none(), "{topic}");
        }
    }

    fn cbor(document: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(document, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_report_in_cbor_says_what_it_says_in_json_with_long_and_short_names() {
        let short = serde_json::json!({"hed": {"rid": 7, "v": "1.0"}, "met": {
            "tp": {"pts": [{"pt": 22}], "t": 1}, "ns": {"bo": 2}}, "cmet": {"cpu": [{"number": 1.5}]}});
        let long = serde_json::json!({"header": {"report_id": 7, "version": "1.0"}, "metrics": {
            "listening_tcp_ports": {"ports": [{"port": 22}], "total": 1}, "network_stats": {"bytes_out": 2}},
            "custom_metrics": {"cpu": [{"number": 1.5}]}});
        let in_json = notice("a/T/defender/metrics/json", &short.to_string()).unwrap();
        for document in [short, long] {
            let topic = "a/T/defender/metrics/cbor";
            let heard = Meaning::of(topic).notice(topic, &cbor(&document), 7);
            assert_eq!(format!("{heard:?}"), format!("{:?}", Some(&in_json)), "{document}");
            assert!(notice(topic, &document.to_string()).is_none(), "JSON is not CBOR");
            let other = "a/T/defender/metrics/json";
            assert!(Meaning::of(other).notice(other, &cbor(&document), 7).is_none());
        }
    }

    #[test]
    fn hostile_cbor_is_no_report() {
        use crate::mutate::{self, Rng, SEED};
        let topic = "a/T/defender/metrics/cbor";
        let heard = |payload: &[u8]| Meaning::of(topic).notice(topic, payload, 7);
        let whole = cbor(&serde_json::json!({"hed": {"rid": 7, "v": "1.0"}, "met": {"tp": {"t": 3}}}));
        assert!(heard(&whole).is_some());
        let behind = [whole.as_slice(), b"\x00"].concat();
        let padded = cbor(&serde_json::json!({"hed": {"rid": 7, "v": "1.0"}, "met": {"tp": {"t": 3}},
            "x": "y".repeat(REPORT)}));
        // Arrays without end in one another; an array, a text and a map that say they have 2^63 of something.
        let deep = vec![0x9f; REPORT];
        let long: [&[u8]; 3] = [&[0x9b], &[0x7b], &[0xbb]];
        let long = long.map(|kind| [kind, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat());
        for payload in [&behind, &padded, &deep].into_iter().chain(&long) {
            assert!(heard(payload).is_none());
        }
        let (mut rng, files) = (Rng::with_seed(SEED), vec![("report".to_owned(), whole)]);
        for _ in 0..10_000 {
            let _ = heard(&mutate::scrambled(&files, &mut rng));
        }
    }

    #[test]
    fn reserved_topics_are_understood() {
        let delta = r#"{"version":3,"timestamp":1,"state":{"quarantine":true}}"#;
        assert!(matches!(
            notice("$aws/things/dev-XBHY/shadow/name/cfg/update/delta", delta),
            Some(Notice::ShadowDelta { version: 3, shadow: Some(s), .. }) if s.as_str() == "cfg"
        ));
        let documents = r#"{"current":{"state":{"desired":{"a":1,"b":{"c":2,"d":3}},"reported":{"a":1,"b":{"c":2}}},"version":4}}"#;
        let Some(Notice::ShadowDocument { document, .. }) =
            notice("$aws/things/t/shadow/update/documents", documents)
        else {
            panic!("no document");
        };
        assert_eq!(document.delta, serde_json::json!({"b":{"d":3}}));
        let presence = r#"{"clientId":"T","timestamp":9,"eventType":"disconnected","disconnectReason":"API_INITIATED_DISCONNECT","versionNumber":2}"#;
        assert!(matches!(
            notice("$aws/events/presence/disconnected/T", presence),
            Some(Notice::Presence { kind: PresenceKind::Disconnected, version: 2, at: 9, .. })
        ));
        assert!(matches!(
            notice("$aws/events/thingGroupMembership/thingGroup/G/thing/T/removed", "{}"),
            Some(Notice::Membership { added: false, .. })
        ));
        assert!(matches!(
            notice("$aws/things/T/defender/metrics/json/rejected", "x"),
            Some(Notice::DefenderReport { accepted: false, .. })
        ));
    }

    #[test]
    fn malformed_messages_say_nothing() {
        for payload in ["", "{", "[]", "null", "\u{0}", r#"{"version":"x"}"#] {
            assert!(notice("$aws/things/t/shadow/update/delta", payload).is_none(), "{payload}");
            assert!(notice("$aws/events/presence/connected/t", payload).is_none(), "{payload}");
        }
        assert!(notice("temperature-device-01", "21.5").is_none());
    }

    #[test]
    fn mutated_messages_on_reserved_topics_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        use quell_fleet::event::{Batch, Event};
        const TOPICS: [&str; 9] = [
            "$aws/events/presence/connected/T",
            "$aws/things/t/shadow/update/delta",
            "$aws/things/t/shadow/name/\u{e9}/update/documents",
            "$aws/things/t/shadow/update/rejected",
            "$aws/events/jobExecution/J/succeeded",
            "$aws/events/thingGroupMembership/thingGroup/G/thing/T/added",
            "$aws/things/t/defender/metrics/json/accepted",
            "$aws/events/job/J/canceled",
            "$aws/",
        ];
        let (mut rng, files) = (Rng::with_seed(SEED), mutate::corpus("tests/corpus/notices"));
        let texts = mutate::texts("tests/corpus/notices");
        let pieces = &["\"current\":{", "\"versionNumber\":", "\"timestamp\":", "\"state\":{"];
        let topics: Vec<String> = TOPICS.iter().map(|topic| (*topic).to_owned()).collect();
        let mut fleet = quell_fleet::Fleet::new(quell_fleet::Limits::default());
        let mut understood = 0;
        for round in 0..10_000 {
            let payload = if rng.bool() {
                mutate::scrambled(&files, &mut rng)
            } else {
                mutate::mutated(&texts, pieces, &mut rng).into_bytes()
            };
            let whole = topics[rng.usize(..topics.len())].clone();
            let topic = if rng.bool() { whole } else { mutate::mutated(&topics, &["/", "shadow"], &mut rng) };
            let Some(notice) = Meaning::of(&topic).notice(&topic, &payload, round) else { continue };
            understood += 1;
            fleet.apply(Event::Batch(Batch { notices: vec![notice], ..Batch::default() }), round);
            fleet.tick(round);
        }
        assert!(understood > 500, "too few of the mutations are understood still: {understood}");
    }
}
