//! The forms an alert arrives in: a Lambda event, an HTTP notification, or the bare message (docs/aws-iot.md#1.5, #3.9). Pure.

use serde_json::Value;

use crate::config::{AlertKind, Severity};
use quell_fleet::Ms;
use quell_fleet::text::SafeText;

/// More than SNS ever sends (256 KiB), and no reason to read on.
pub const MOST: usize = 1024 * 1024;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the event of a Lambda function: whoever may call it was checked by AWS.
    Lambda,
    /// As SNS posts it to an HTTP endpoint: anybody may post there, only its signature speaks for it.
    Http,
    /// The message alone.
    Raw,
}

/// What SNS wants with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message.
    Notification,
    /// The endpoint is asked whether it wants messages.
    SubscriptionConfirmation,
    /// The endpoint was unsubscribed.
    UnsubscribeConfirmation,
}

impl Kind {
    /// As SNS writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// One message with what SNS says about it; texts are exact, as signatures need them.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the members are SNS's, under SNS's names")]
pub struct Envelope {
    pub form: Form,
    pub kind: Kind,
    pub message_id: String,
    pub topic_arn: String,
    pub subject: Option<String>,
    pub message: String,
    pub timestamp: String,
    pub token: Option<String>,
    pub subscribe_url: Option<String>,
    pub signature_version: String,
    pub signature: String,
    pub signing_cert_url: String,
}

/// Reads all messages of a text.
///
/// # Errors
/// A sentence about what it is not.
pub fn parse(text: &str) -> Result<Vec<Envelope>, String> {
    if text.len() > MOST {
        return Err("too large to be an SNS message".to_owned());
    }
    let value: Value = serde_json::from_str(text).map_err(|e| format!("this is no JSON: {e}"))?;
    if let Some(records) = value.get("Records").and_then(Value::as_array) {
        let all: Vec<Envelope> = records
            .iter()
            .map(|record| {
                let sns = record.get("Sns").ok_or("a record without Sns: this event is not from SNS")?;
                envelope(sns, Form::Lambda)
            })
            .collect::<Result<_, String>>()?;
        return if all.is_empty() { Err("an event without records".to_owned()) } else { Ok(all) };
    }
    if value.get("Type").is_some() && value.get("Message").is_some() {
        return Ok(vec![envelope(&value, Form::Http)?]);
    }
    if value.get("violationEventType").is_some() {
        return Ok(vec![Envelope {
            form: Form::Raw,
            kind: Kind::Notification,
            message_id: String::new(),
            topic_arn: String::new(),
            subject: None,
            message: text.to_owned(),
            timestamp: String::new(),
            token: None,
            subscribe_url: None,
            signature_version: String::new(),
            signature: String::new(),
            signing_cert_url: String::new(),
        }]);
    }
    Err("this is neither an SNS event, nor an SNS notification, nor an alert of Device Defender".to_owned())
}

fn envelope(value: &Value, form: Form) -> Result<Envelope, String> {
    let text = |names: &[&str]| names.iter().find_map(|n| value.get(*n)?.as_str()).map(str::to_owned);
    let kind = match text(&["Type"]).as_deref() {
        Some("Notification") => Kind::Notification,
        Some("SubscriptionConfirmation") => Kind::SubscriptionConfirmation,
        Some("UnsubscribeConfirmation") => Kind::UnsubscribeConfirmation,
        other => return Err(format!("SNS has no message type {:?}", SafeText::new(other.unwrap_or("")))),
    };
    let needed = |name: &str| text(&[name]).ok_or_else(|| format!("an SNS message without {name}"));
    Ok(Envelope {
        form,
        kind,
        message_id: needed("MessageId")?,
        topic_arn: needed("TopicArn")?,
        subject: text(&["Subject"]),
        message: needed("Message")?,
        timestamp: needed("Timestamp")?,
        token: text(&["Token"]),
        subscribe_url: text(&["SubscribeURL"]),
        signature_version: text(&["SignatureVersion"]).unwrap_or_default(),
        signature: text(&["Signature"]).unwrap_or_default(),
        // The Lambda form spells it otherwise.
        signing_cert_url: text(&["SigningCertURL", "SigningCertUrl"]).unwrap_or_default(),
    })
}

/// An alert of Device Defender Detect.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The thing, exact.
    pub thing: String,
    /// `in-alarm`, `alarm-cleared` or `alarm-invalidated`.
    pub event: String,
    /// 32 hexadecimal digits: the key of the violation.
    pub violation: String,
    /// The security profile.
    pub profile: String,
    /// The behavior.
    pub behavior: String,
    /// `aws:num-messages-sent`, when it is known.
    pub metric: Option<String>,
    /// When AWS judged it.
    pub at: Option<Ms>,
    /// The violating value as JSON, for people.
    pub value: Option<String>,
    /// What it is about; Device Defender's are alarms, a guard's say it.
    pub kind: AlertKind,
    /// How much it matters; a guard's say it.
    pub severity: Severity,
}

impl Alert {
    /// Reads the message of a notification.
    ///
    /// # Errors
    /// What it lacks.
    pub fn parse(message: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(message)
            .map_err(|e| format!("the message is no alert of Device Defender: {e}"))?;
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let needed = |name: &str| {
            text(&format!("/{name}"))
                .filter(|t| !t.is_empty())
                .ok_or_else(|| format!("the message is no alert of Device Defender: it has no {name}"))
        };
        /// What a guard adds to AWS's members.
        fn said<T: serde::de::DeserializeOwned>(value: &Value, name: &str) -> Option<T> {
            T::deserialize(value.get("quell")?.get(name)?).ok()
        }
        let thing = needed("thingName")?;
        // A name goes into requests: only what AWS allows in one (docs/aws-iot.md#2.2).
        let fits = thing.len() <= 128
            && thing.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-'));
        if !fits {
            return Err("the alert's thingName is no name of a thing".to_owned());
        }
        let kind = said(&value, "kind").unwrap_or(AlertKind::Alarm);
        Ok(Self {
            thing,
            event: needed("violationEventType")?,
            violation: needed("violationId")?,
            profile: needed("securityProfileName")?,
            behavior: text("/behavior/name").unwrap_or_default(),
            metric: text("/behavior/metric"),
            at: value.get("violationEventTime").and_then(Value::as_i64),
            value: value.get("metricValue").map(Value::to_string),
            kind,
            severity: said(&value, "severity").unwrap_or(Severity::of(kind)),
        })
    }

    /// What a person is told, in the words of the workshop's own function.
    pub fn sentence(&self) -> String {
        format!(
            "IoT Device Defender alert! Thing name: {} | Security profile: {} | Behavior name: {} | {}{}",
            self.thing,
            self.profile,
            self.behavior,
            self.event,
            self.value.as_ref().map(|v| format!(" | value: {v}")).unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = include_str!("../../../tests/response/event.json");

    #[test]
    fn the_workshop_s_event_is_read_in_each_form() {
        let from_lambda = parse(EVENT).unwrap();
        let [message] = from_lambda.as_slice() else { panic!("{from_lambda:?}") };
        assert_eq!((message.form, message.kind), (Form::Lambda, Kind::Notification));
        assert!(message.signing_cert_url.ends_with(".pem"));
        let alert = Alert::parse(&message.message).unwrap();
        assert_eq!((alert.thing.as_str(), alert.event.as_str()), ("dev-IZWB", "in-alarm"));
        assert_eq!((alert.behavior.as_str(), alert.at), ("MessagesPub", Some(1_573_786_800_000)));
        let raw = parse(&message.message).unwrap();
        assert_eq!(raw[0].form, Form::Raw);
        assert_eq!(Alert::parse(&raw[0].message).unwrap(), alert);
        let value: Value = serde_json::from_str(EVENT).unwrap();
        let http = parse(&value["Records"][0]["Sns"].to_string()).unwrap();
        assert_eq!((http[0].form, &http[0].message), (Form::Http, &message.message));
    }

    #[test]
    fn garbage_is_named() {
        for garbage in ["", "hello", "[]", "{}", r#"{"Records":[]}"#, r#"{"Records":[{"s3":{}}]}"#] {
            assert!(parse(garbage).is_err(), "{garbage}");
        }
        assert!(Alert::parse("hello").is_err());
        let hostile = r#"{"thingName":"../x","violationEventType":"in-alarm","violationId":"1","securityProfileName":"p"}"#;
        assert!(Alert::parse(hostile).unwrap_err().contains("thingName"));
    }

    #[test]
    fn mutated_notifications_and_alerts_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        use crate::response::alert::signature;
        let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("tests/corpus/sns"));
        let alerts = mutate::texts("tests/corpus/alerts");
        let pieces = &["\"Records\":[", "\"Sns\":{", "\"Type\":", "Notification", "\"Message\":\"{", "../"];
        for text in texts.iter().chain(&alerts) {
            parse(text).unwrap();
        }
        let mut read = 0;
        for _ in 0..10_000 {
            for envelope in parse(&mutate::mutated(&texts, pieces, &mut rng)).into_iter().flatten() {
                read += 1;
                let _ = Alert::parse(&envelope.message);
                let _ = signature::trusted(&envelope.signing_cert_url, None);
                assert!(signature::verify(&envelope, b"no certificate", 0).is_err());
            }
            if let Ok(alert) = Alert::parse(&mutate::mutated(&alerts, pieces, &mut rng)) {
                let _ = alert.sentence();
            }
        }
        assert!(read > 500, "too few of the mutations are notifications still: {read}");
    }
}
