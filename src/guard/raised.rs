//! What topic rules made by `quell guard --in-aws` raise, as alerts. AWS's rules engine judged it, whoever carries the messages.
//!
//! MQTT does not tell who published a message: whoever may publish on [`TOPIC`] can raise what no rule found. So an alert from
//! there is told and never acted on, and one is believed only of a behaviour that is judged here too, for a value that violates it.

use std::collections::HashSet;

use serde::Deserialize;

use quell_fleet::event::Batch;
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Ms};
use quell_rules::detect::judge::is_normal;
use quell_rules::detect::metric::Metric;
use quell_rules::detect::model::MetricValue;

use crate::config::{AlertKind, Severity, ThingFrom};
use crate::console::views::against;
use crate::stream;

use super::alert::{self, Alert, Step};

/// The topic that such rules hand on to. Only the rules engine's role should be allowed to publish there.
pub const TOPIC: &str = "quell/guard/raised";

/// A rule raises within seconds: what is said to have been longer ago, or is to come, was when it was heard.
const LATE: Ms = 3_600_000;
/// Bytes of a topic at most (docs/aws-iot.md#3.3).
const LONGEST: usize = 256;

/// A raised message, as [`quell_rules::detect::in_aws::statement`] selects it.
#[derive(Deserialize)]
struct Message {
    profile: String,
    behavior: String,
    topic: String,
    at: Ms,
    client: Option<String>,
    bytes: Option<f64>,
    value: Option<f64>,
    address: Option<String>,
}

impl Message {
    /// What was measured, as far as a message can say it.
    fn measured(&self, metric: &Metric) -> Option<MetricValue> {
        let count = |number: f64| (0.0..=1e9).contains(&number).then_some(number as i64);
        let mut value = MetricValue::default();
        match (metric, self.bytes, self.value, &self.address) {
            (Metric::MessageByteSize, Some(bytes), ..) => value.count = Some(count(bytes)?),
            (Metric::SourceIp, _, _, Some(address)) => {
                value.cidrs = Some(vec![address.parse::<std::net::IpAddr>().ok()?.to_string()]);
            }
            (Metric::Custom(_), _, Some(number), _) => value.number = Some(number),
            (Metric::SourceIp | Metric::MessageByteSize, ..) => return None,
            (_, _, Some(number), _) => value.count = Some(count(number)?),
            _ => return None,
        }
        Some(value)
    }

    /// Whose it is: the client that connected, the thing of an agent's report, or whose the topic is.
    fn thing(&self, metric: &Metric, rules: &[ThingFrom]) -> Option<String> {
        let named = |name: &str| (!name.is_empty() && name.len() <= 128).then(|| name.to_owned());
        match metric {
            Metric::SourceIp => self.client.as_deref().and_then(named),
            metric if metric.is_reported() => stream::reporter(&self.topic).and_then(named),
            _ => ThingFrom::of(rules, &self.topic),
        }
    }
}

/// Takes what was raised out of what is heard.
#[derive(Debug, Default)]
pub struct Raised {
    /// The numbers of the topic; each connection has its own.
    numbers: HashSet<u32>,
    thing_from: Vec<ThingFrom>,
}

impl Raised {
    /// `thing_from` says whose a topic is.
    pub fn new(thing_from: Vec<ThingFrom>) -> Self {
        Self { numbers: HashSet::new(), thing_from }
    }

    /// Other rules for whose a topic is.
    pub fn set_rules(&mut self, thing_from: Vec<ThingFrom>) {
        self.thing_from = thing_from;
    }

    /// What was raised in `batch`, which loses it: it is no device's telemetry.
    pub fn take(&mut self, batch: &mut Batch, fleet: &Fleet, now: Ms) -> Vec<Alert> {
        batch.topics.retain(|entry| {
            let is = &*entry.topic == TOPIC;
            if is {
                self.numbers.insert(entry.id);
            }
            !is
        });
        if self.numbers.is_empty() {
            return Vec::new();
        }
        let mut out = Vec::new();
        batch.messages.retain(|message| {
            let is = self.numbers.contains(&message.topic);
            if is {
                let payload = message.payload.as_deref().unwrap_or_default();
                match self.alert(payload, fleet, message.at.min(now)) {
                    Some(alert) => out.push(alert),
                    None => tracing::debug!(bytes = payload.len(), "what was raised is not believed"),
                }
            }
            !is
        });
        batch.counted.retain(|counted| !self.numbers.contains(&counted.topic));
        out
    }

    fn alert(&self, payload: &[u8], fleet: &Fleet, found: Ms) -> Option<Alert> {
        let message: Message = serde_json::from_slice(payload).ok()?;
        let profile = fleet.judged_by().iter().find(|p| p.name.as_str() == message.profile)?;
        let behavior = profile.behaviors.iter().find(|b| b.name == message.behavior)?.clone();
        let criteria = behavior.criteria.as_ref()?;
        if behavior.suppress_alerts == Some(true) || message.topic.len() > LONGEST {
            return None;
        }
        let metric = Metric::parse(behavior.metric.as_deref()?)?;
        let value = message.measured(&metric)?;
        let normal = is_normal(&value, criteria.comparison_operator?, criteria.value.as_ref()?)?;
        let thing = message.thing(&metric, &self.thing_from)?;
        let device = fleet.find(&thing).map(|id| fleet.device(id));
        // Consoles connect too, from wherever people are: where all things were listed, a client that is none of them is no device.
        if metric == Metric::SourceIp
            && device.is_none()
            && fleet.registered().get().is_some()
            && fleet.indexing().used().is_none()
        {
            return None;
        }
        let groups = device.and_then(|device| device.groups().get()).into_iter().flatten();
        let at = if (found - LATE..=found).contains(&message.at) { message.at } else { found };
        (!normal).then(|| Alert {
            id: alert::id(&thing, &message.profile, &behavior.name, at),
            kind: AlertKind::Alarm,
            step: Step::InAlarm,
            at,
            found,
            groups: groups.map(|group| group.raw().to_owned()).collect(),
            profile: message.profile.clone(),
            severity: Severity::of(AlertKind::Alarm),
            sentence: SafeText::new(&format!(
                "{}, by a rule in AWS on {}",
                against(&behavior, Some(&value)),
                message.topic
            )),
            behavior: behavior.clone(),
            thing: Some(thing),
            value,
            raised: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use quell_fleet::Limits;
    use quell_fleet::event::{Message as Heard, TopicEntry};
    use quell_fleet::model::ProfileRecord;
    use serde_json::{Value, json};

    use super::*;

    fn fleet() -> Fleet {
        let behaviors = json!([{"name": "Size", "metric": "aws:message-byte-size", "criteria":
            {"comparisonOperator": "less-than-equals", "value": {"count": 1024}}},
            {"name": "Home", "metric": "aws:source-ip-address", "criteria":
            {"comparisonOperator": "in-cidr-set", "value": {"cidrs": ["10.0.0.0/8"]}}},
            {"name": "Ports", "metric": "aws:num-listening-tcp-ports", "criteria":
            {"comparisonOperator": "less-than", "value": {"count": 5}}}]);
        let profile = ProfileRecord {
            name: "P".into(),
            behaviors: serde_json::from_value(behaviors).unwrap(),
            targets: vec!["all/things".into()],
            ..ProfileRecord::default()
        };
        Fleet::new(Limits { security_profiles: vec![profile], ..Limits::default() })
    }

    fn take(said: &[Value]) -> (Vec<Alert>, Batch) {
        let mut raised = Raised::new(vec![ThingFrom::parse("dt/{thing}/data").unwrap()]);
        let entry = |id, topic: &str| TopicEntry { id, topic: topic.into(), thing: None, telemetry: true };
        let of = |topic, payload: Vec<u8>| Heard {
            topic,
            len: payload.len() as u32,
            at: 2_000,
            payload: Some(payload.into()),
        };
        let mut messages: Vec<Heard> = said.iter().map(|said| of(1, said.to_string().into_bytes())).collect();
        messages.push(of(0, b"x".to_vec()));
        let topics = vec![entry(0, "dt/A/data"), entry(1, TOPIC)];
        let mut batch = Batch { topics, messages, ..Batch::default() };
        let alerts = raised.take(&mut batch, &fleet(), 3_000);
        (alerts, batch)
    }

    #[test]
    fn what_a_rule_raised_is_an_alert_and_nobody_s_telemetry() {
        let said = json!({"profile": "P", "behavior": "Size", "topic": "dt/A/data", "client": "gw", "at": 1_000, "bytes": 3000});
        let (alerts, batch) = take(std::slice::from_ref(&said));
        let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
        assert_eq!((alert.thing.as_deref(), alert.at, alert.value.count), (Some("A"), 1_000, Some(3000)));
        assert!(alert.raised && alert.sentence.as_str().contains("by a rule in AWS"), "{alert:?}");
        assert_eq!((batch.topics.len(), batch.messages.len()), (1, 1), "the device's own stay");
    }

    #[test]
    fn an_address_is_of_the_client_and_a_report_of_the_thing_in_its_topic() {
        let presence = json!({"profile": "P", "behavior": "Home", "topic": "$aws/events/presence/connected/B", "client": "B",
            "at": 1_000, "address": "203.0.113.9"});
        let report = json!({"profile": "P", "behavior": "Ports", "topic": "fleet/C/defender/metrics/json", "client": "gw",
            "at": 1_000, "value": 9});
        let inside = json!({"profile": "P", "behavior": "Home", "topic": "x", "client": "B", "at": 1, "address": "10.0.0.1"});
        let odd = json!({"profile": "P", "behavior": "Home", "topic": "x", "client": "B", "at": 1, "address": "here"});
        let (alerts, _) = take(&[presence, report, inside, odd]);
        let told: Vec<_> = alerts.iter().map(|a| (a.thing.as_deref(), a.behavior.name.as_str())).collect();
        assert_eq!(told, [(Some("B"), "Home"), (Some("C"), "Ports")]);
    }

    #[test]
    fn a_time_that_no_clock_shows_is_that_of_the_hearing() {
        for at in [i64::MIN, -1 - LATE, 2_001, i64::MAX] {
            let said =
                json!({"profile": "P", "behavior": "Size", "topic": "dt/A/data", "at": at, "bytes": 3000});
            let (alerts, _) = take(&[said]);
            assert_eq!(alerts.iter().map(|alert| alert.at).collect::<Vec<_>>(), [2_000]);
        }
    }

    #[test]
    fn what_nobody_judges_or_what_is_normal_is_not_believed() {
        let said = |key: &str, value: Value| {
            let mut said =
                json!({"profile": "P", "behavior": "Size", "topic": "dt/A/data", "at": 1, "bytes": 3000});
            said[key] = value;
            said
        };
        let all = [
            said("bytes", json!(1024)),
            said("bytes", json!(-1)),
            said("bytes", json!(1e300)),
            said("bytes", json!("3000")),
            said("profile", json!("Q")),
            said("behavior", json!("Rate")),
            said("topic", json!("other/A")),
            said("topic", json!(format!("dt/{}/data", "A".repeat(300)))),
            json!([1, 2]),
        ];
        let (alerts, batch) = take(&all);
        assert!(alerts.is_empty(), "{alerts:?}");
        assert_eq!(batch.messages.len(), 1);
    }
}
