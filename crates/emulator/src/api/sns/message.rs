//! Envelopes, in the spelling of each kind of subscriber (docs/aws-iot.md#3.9), and their signature.

use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, KeyPair, SigningKey as _};
use serde_json::{Map, Value, json};
use sha2::Digest as _;

use super::not_found;
use crate::account::Account;
use crate::api::registry::uuid;
use crate::api::{ApiError, Resp};

/// The key messages are signed with: made at start, gone at the end.
pub(super) struct Signer {
    key: KeyPair,
    pem: String,
    /// `/SimpleNotificationService-….pem`.
    path: String,
}

impl Signer {
    fn make() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["sns.amazonaws.com".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "sns.amazonaws.com");
        let certificate = params.self_signed(&key)?;
        // SNS's own names have 32 digits.
        let digest = sha2::Sha256::digest(certificate.der());
        let path =
            format!("/SimpleNotificationService-{}.pem", hex::encode(digest.get(..16).unwrap_or(&digest)));
        Ok(Self { key, pem: certificate.pem(), path })
    }

    /// The account's, made when first needed. `None` when the machine gives no key.
    fn of(account: &Account) -> Option<&Self> {
        account
            .sns
            .signer
            .get_or_init(|| {
                Self::make()
                    .map_err(|error| tracing::error!(%error, "no key to sign notifications with"))
                    .ok()
            })
            .as_ref()
    }
}

/// `GET /SimpleNotificationService-….pem`.
pub(super) fn certificate(account: &Account, path: &str) -> Result<Resp, ApiError> {
    match Signer::of(account) {
        Some(signer) if signer.path == path => Resp::raw("application/x-pem-file", signer.pem.clone()),
        _ => Err(not_found("Certificate")),
    }
}

/// What was published.
#[derive(Clone, Debug)]
pub(super) struct Notification {
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) subject: Option<String>,
    pub(super) message: String,
    /// `{name: {Type, Value}}`.
    pub(super) attributes: Map<String, Value>,
    pub(super) timestamp: String,
}

/// Now, as SNS writes it: `2019-11-15T03:00:36.527Z`.
pub(super) fn timestamp(account: &Account) -> String {
    Timestamp::from_millisecond(account.clock.now_ms())
        .map_or_else(|_| String::new(), |t| t.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}

/// Signs the members in the order and form SNS documents: name, newline, value, newline.
fn sign(account: &Account, members: &[(&str, &str)]) -> (String, String) {
    use base64::Engine as _;
    let Some(signer) = Signer::of(account) else { return (String::new(), String::new()) };
    let text: String = members.iter().flat_map(|(name, value)| [*name, "\n", *value, "\n"]).collect();
    let signature = signer.key.sign(text.as_bytes()).unwrap_or_default();
    (base64::engine::general_purpose::STANDARD.encode(signature), signer.path.clone())
}

impl Notification {
    fn signed(&self, account: &Account) -> (String, String) {
        let mut members = vec![("Message", self.message.as_str()), ("MessageId", &self.id)];
        members.extend(self.subject.as_deref().map(|s| ("Subject", s)));
        members.extend([
            ("Timestamp", self.timestamp.as_str()),
            ("TopicArn", &self.topic),
            ("Type", "Notification"),
        ]);
        sign(account, &members)
    }

    /// What an HTTP endpoint, a queue or a mailbox is sent: `SigningCertURL`, `UnsubscribeURL`, no empty members.
    pub(super) fn envelope(&self, account: &Account, base: &str, subscription: &str) -> Value {
        let (signature, path) = self.signed(account);
        let mut out = Map::new();
        out.insert("Type".into(), "Notification".into());
        out.insert("MessageId".into(), self.id.as_str().into());
        out.insert("TopicArn".into(), self.topic.as_str().into());
        if let Some(subject) = &self.subject {
            out.insert("Subject".into(), subject.as_str().into());
        }
        out.insert("Message".into(), self.message.as_str().into());
        out.insert("Timestamp".into(), self.timestamp.as_str().into());
        out.insert("SignatureVersion".into(), "2".into());
        out.insert("Signature".into(), signature.into());
        out.insert("SigningCertURL".into(), format!("{base}{path}").into());
        out.insert("UnsubscribeURL".into(), unsubscribe_url(base, subscription).into());
        if !self.attributes.is_empty() {
            out.insert("MessageAttributes".into(), self.attributes.clone().into());
        }
        Value::Object(out)
    }

    /// What a Lambda function is called with (seed 004): `SigningCertUrl`, `UnsubscribeUrl`, and every member there.
    pub(super) fn lambda_event(&self, account: &Account, base: &str, subscription: &str) -> Value {
        let (signature, path) = self.signed(account);
        json!({ "Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription,
            "Sns": {
                "Type": "Notification",
                "MessageId": self.id,
                "TopicArn": self.topic,
                "Subject": self.subject,
                "Message": self.message,
                "Timestamp": self.timestamp,
                "SignatureVersion": "2",
                "Signature": signature,
                "SigningCertUrl": format!("{base}{path}"),
                "UnsubscribeUrl": unsubscribe_url(base, subscription),
                "MessageAttributes": self.attributes,
            },
        }]})
    }
}

fn unsubscribe_url(base: &str, subscription: &str) -> String {
    format!("{base}/?Action=Unsubscribe&SubscriptionArn={subscription}")
}

/// What an endpoint is sent before it is sent anything else.
pub(super) fn confirmation(account: &Account, base: &str, topic: &str, token: &str) -> Value {
    let (id, timestamp) = (uuid(), timestamp(account));
    let message = format!(
        "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL included in \
         this message."
    );
    let url = format!("{base}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}");
    let (signature, path) = sign(
        account,
        &[
            ("Message", &message),
            ("MessageId", &id),
            ("SubscribeURL", &url),
            ("Timestamp", &timestamp),
            ("Token", token),
            ("TopicArn", topic),
            ("Type", "SubscriptionConfirmation"),
        ],
    );
    json!({
        "Type": "SubscriptionConfirmation",
        "MessageId": id,
        "Token": token,
        "TopicArn": topic,
        "Message": message,
        "SubscribeURL": url,
        "Timestamp": timestamp,
        "SignatureVersion": "2",
        "Signature": signature,
        "SigningCertURL": format!("{base}{path}"),
    })
}
