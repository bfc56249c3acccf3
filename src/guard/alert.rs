//! An alert: what it is about, and the forms it is told in.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use quell_fleet::Ms;
use quell_fleet::format::iso_or_ms as iso;
use quell_fleet::text::SafeText;
use quell_rules::detect::model::{Behavior, MetricValue};

use crate::config::{AlertFormat, AlertKind, Severity};

/// The security profile's name in alerts that no profile made.
pub const OWN: &str = "quell";

/// What happened to what it is about, in AWS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// It began.
    InAlarm,
    /// It is over.
    AlarmCleared,
    /// It is not judged any more: nobody saw it mended.
    AlarmInvalidated,
}

impl Step {
    /// As AWS writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::InAlarm => "in-alarm",
            Self::AlarmCleared => "alarm-cleared",
            Self::AlarmInvalidated => "alarm-invalidated",
        }
    }
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// 32 hexadecimal digits, the same whoever finds it and in each of its steps.
    pub id: String,
    /// What it is about.
    pub kind: AlertKind,
    /// What happened.
    pub step: Step,
    /// When: the datapoint's time.
    pub at: Ms,
    /// When it was found.
    pub found: Ms,
    /// The thing, exact; none when it is about the guard itself.
    pub thing: Option<String>,
    /// The thing's groups, as far as they are known.
    pub groups: Vec<String>,
    /// The security profile, or [`OWN`].
    pub profile: String,
    /// The behaviour, or what stands for one.
    pub behavior: Behavior,
    /// The measured value.
    pub value: MetricValue,
    /// How much it matters.
    pub severity: Severity,
    /// What is the matter, for people.
    pub sentence: SafeText,
    /// A rule in AWS raised it, and nobody here saw it: it is told, and not acted on.
    #[serde(default)]
    pub raised: bool,
}

/// The id of what is found of a thing under a behaviour at a time: whoever finds it again, after a restart, finds the same.
pub fn id(thing: &str, profile: &str, behavior: &str, at: Ms) -> String {
    let mut hash = Sha256::new();
    for part in [thing, profile, behavior] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(at.to_be_bytes());
    hex::encode(hash.finalize().get(..16).unwrap_or_default())
}

impl Alert {
    /// The word of its step. An early warning, a silence and what cannot be seen are no alarms of Device Defender, and have words of
    /// their own, so that a program that answers alarms leaves them alone.
    pub fn event(&self) -> String {
        match (self.kind, self.step) {
            (AlertKind::Alarm | AlertKind::Clone, step) => step.word().to_owned(),
            (kind, Step::InAlarm) => format!("quell-{}", kind.word()),
            (kind, Step::AlarmCleared | Step::AlarmInvalidated) => format!("quell-{}-cleared", kind.word()),
        }
    }

    /// The message of SNS, member by member as AWS writes it (docs/aws-iot.md#3.9).
    pub fn aws(&self) -> Value {
        let mut message = json!({
            "violationEventTime": self.at,
            "thingName": self.thing,
            "behavior": self.behavior,
            "violationEventType": self.event(),
            "metricValue": self.value,
            "violationId": self.id,
            "securityProfileName": self.profile,
        });
        if let Some(message) = message.as_object_mut()
            && self.thing.is_none()
        {
            message.shift_remove("thingName");
        }
        message
    }

    /// The same, with what only quell knows under `quell`.
    pub fn line(&self) -> Value {
        let mut line = self.aws();
        if let Some(line) = line.as_object_mut() {
            line.insert(
                "quell".to_owned(),
                json!({
                    "kind": self.kind.word(), "severity": self.severity.word(), "sentence": self.sentence,
                    "groups": self.groups, "at": iso(self.at), "found": iso(self.found),
                }),
            );
        }
        line
    }

    /// In the form a sink asks for.
    pub fn formatted(&self, format: AlertFormat) -> Value {
        match format {
            AlertFormat::Aws => self.line(),
            AlertFormat::Ocsf => self.ocsf(),
        }
    }

    /// An OCSF Detection Finding, class 2004 of version 1.3: `activity_id` 1 is create and 3 close; `severity_id` 2 to 5 is low
    /// to critical; `status_id` 1 is new and 4 resolved.
    pub fn ocsf(&self) -> Value {
        let opens = self.step == Step::InAlarm;
        let activity = if opens { 1 } else { 3 };
        json!({
            "category_uid": 2, "category_name": "Findings",
            "class_uid": 2004, "class_name": "Detection Finding",
            "activity_id": activity, "activity_name": if opens { "Create" } else { "Close" },
            "type_uid": 200_400 + activity,
            "time": self.at,
            "severity_id": self.severity as u8 + 2,
            "severity": match self.severity {
                Severity::Low => "Low",
                Severity::Medium => "Medium",
                Severity::High => "High",
                Severity::Critical => "Critical",
            },
            "status_id": if opens { 1 } else { 4 }, "status": if opens { "New" } else { "Resolved" },
            "message": self.sentence,
            "finding_info": {
                "uid": self.id, "title": self.title(), "desc": self.sentence,
                "created_time": self.found,
                "types": [self.kind.word()],
                "analytic": {"type_id": 1, "type": "Rule", "name": self.behavior.name, "uid": self.profile},
            },
            "resources": self.thing.iter().map(|thing| json!({
                "type": "AWS::IoT::Thing", "name": thing, "uid": thing,
                "group": self.groups.first().map(|group| json!({"name": group})),
            })).collect::<Vec<_>>(),
            "metadata": {
                "version": "1.3.0",
                "product": {"name": "quell", "vendor_name": "quell", "version": env!("CARGO_PKG_VERSION")},
            },
            "unmapped": {"metricValue": self.value, "violationEventType": self.event(), "groups": self.groups},
        })
    }

    /// In a few words.
    pub fn title(&self) -> String {
        let whom =
            self.thing.as_deref().map(|thing| format!("{}: ", SafeText::new(thing))).unwrap_or_default();
        let what = match self.kind {
            AlertKind::Alarm => {
                format!("{} of {}", SafeText::new(&self.behavior.name), SafeText::new(&self.profile))
            }
            AlertKind::Clone => "one identity, two devices".to_owned(),
            AlertKind::Silence => "silent".to_owned(),
            AlertKind::Warning => format!("out of its ordinary ({})", SafeText::new(&self.behavior.name)),
            AlertKind::Blind => format!("cannot be seen ({})", SafeText::new(&self.behavior.name)),
            AlertKind::Action => SafeText::new(&self.behavior.name).as_str().to_owned(),
        };
        let over = match self.step {
            Step::InAlarm => "",
            Step::AlarmCleared => " (over)",
            Step::AlarmInvalidated => " (not judged any more)",
        };
        format!("{whom}{what}{over}")
    }

    /// What was done about an alert of a thing: `isolated`, `refused`, …, and a sentence.
    pub fn of_action(thing: &str, result: &str, sentence: &SafeText, now: Ms) -> Self {
        Self {
            id: id(thing, OWN, result, now),
            kind: AlertKind::Action,
            step: Step::InAlarm,
            at: now,
            found: now,
            thing: Some(thing.to_owned()),
            groups: Vec::new(),
            profile: OWN.to_owned(),
            behavior: named(result),
            value: MetricValue::default(),
            severity: Severity::of(AlertKind::Action),
            sentence: sentence.clone(),
            raised: false,
        }
    }

    /// The step that ends it.
    #[must_use]
    pub fn ended(&self, step: Step, at: Ms, now: Ms) -> Self {
        Self { step, at, found: now, ..self.clone() }
    }
}

/// A behaviour that stands for what no profile judges.
pub(super) fn named(name: &str) -> Behavior {
    Behavior {
        name: name.to_owned(),
        metric: None,
        metric_dimension: None,
        criteria: None,
        suppress_alerts: None,
        export_metric: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::alert::Alert as Answered;

    pub(crate) fn alert(kind: AlertKind) -> Alert {
        let behavior = json!({"name": "MessagesPub", "metric": "aws:num-messages-sent", "criteria": {
            "comparisonOperator": "less-than", "value": {"count": 10}, "durationSeconds": 300}});
        Alert {
            id: id("dev-IZWB", "MySecProfile", "MessagesPub", 1_573_786_800_000),
            kind,
            step: Step::InAlarm,
            at: 1_573_786_800_000,
            found: 1_573_786_836_000,
            thing: Some("dev-IZWB".to_owned()),
            groups: vec!["Sensors".to_owned()],
            profile: "MySecProfile".to_owned(),
            behavior: serde_json::from_value(behavior).unwrap(),
            value: MetricValue { count: Some(54), ..MetricValue::default() },
            severity: Severity::of(kind),
            sentence: SafeText::new("54 messages"),
            raised: false,
        }
    }

    #[test]
    fn an_alarm_is_told_as_aws_tells_it_and_read_by_respond() {
        let found = alert(AlertKind::Alarm);
        let event: Value = serde_json::from_str(include_str!("../../tests/response/event.json")).unwrap();
        let theirs: Value =
            serde_json::from_str(event["Records"][0]["Sns"]["Message"].as_str().unwrap()).unwrap();
        let ours = found.aws();
        let keys = |value: &Value| {
            let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
            keys.sort();
            keys
        };
        assert_eq!(keys(&ours), keys(&theirs), "the members are AWS's");
        let read = Answered::parse(&ours.to_string()).unwrap();
        assert_eq!((read.thing.as_str(), read.event.as_str()), ("dev-IZWB", "in-alarm"));
        assert_eq!((read.behavior.as_str(), read.at), ("MessagesPub", Some(1_573_786_800_000)));
        assert!(found.id.len() == 32 && found.id.bytes().all(|b| b.is_ascii_hexdigit()));
        let over = found.ended(Step::AlarmCleared, found.at + 300_000, found.found + 300_000);
        assert_eq!(over.id, found.id);
        assert_eq!(Answered::parse(&over.aws().to_string()).unwrap().event, "alarm-cleared");
        // With more in it, it is still one.
        assert!(Answered::parse(&found.line().to_string()).is_ok());
    }

    #[test]
    fn what_is_no_alarm_of_device_defender_is_not_taken_for_one() {
        for kind in [AlertKind::Warning, AlertKind::Silence, AlertKind::Action] {
            let read = Answered::parse(&alert(kind).line().to_string()).unwrap();
            assert_ne!(read.event, "in-alarm", "{kind:?}");
        }
        let blind = Alert { thing: None, ..alert(AlertKind::Blind) };
        assert!(Answered::parse(&blind.line().to_string()).is_err(), "it names no thing");
    }

    #[test]
    fn an_ocsf_finding_names_its_class_and_closes() {
        let found = alert(AlertKind::Clone).ocsf();
        assert_eq!((found["class_uid"].as_u64(), found["type_uid"].as_u64()), (Some(2004), Some(200_401)));
        assert_eq!(found["severity_id"], 5);
        let over = alert(AlertKind::Alarm).ended(Step::AlarmCleared, 1, 2).ocsf();
        assert_eq!((over["activity_id"].as_u64(), over["status_id"].as_u64()), (Some(3), Some(4)));
    }
}
