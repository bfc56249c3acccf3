//! Lifecycle events on `$aws/events/…` (docs/aws-iot.md#3.5), as AWS publishes them: times in milliseconds, no `thingName`.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Broker;
use crate::broker::Session;

impl Broker {
    /// `presence/connected`.
    pub(super) fn tell_connected(&self, who: &Session, session_id: &str, version: u64) {
        let mut event = self.event(who, "connected", session_id);
        event["ipAddress"] = who.ip.to_string().into();
        event["versionNumber"] = version.into();
        self.tell("presence/connected", who, event);
    }

    /// `presence/disconnected`.
    pub(super) fn tell_disconnected(&self, who: &Session, session_id: &str, version: u64, reason: &str) {
        let mut event = self.event(who, "disconnected", session_id);
        event["clientInitiatedDisconnect"] = (reason == "CLIENT_INITIATED_DISCONNECT").into();
        event["disconnectReason"] = reason.into();
        event["versionNumber"] = version.into();
        self.tell("presence/disconnected", who, event);
    }

    /// `presence/connect_failed`: authorization only; a certificate that cannot authenticate is never heard of.
    pub(super) fn tell_connect_failed(&self, who: &Session) {
        let mut event = self.event(who, "connect_failed", &uuid());
        event["connectFailureReason"] = "AUTHORIZATION_FAILED".into();
        event["ipAddress"] = who.ip.to_string().into();
        self.tell("presence/connect_failed", who, event);
    }

    /// `subscriptions/subscribed` or `unsubscribed`.
    pub(super) fn tell_topics(&self, kind: &str, who: &Session, session_id: &str, topics: &[String]) {
        let mut event = self.event(who, kind, session_id);
        event["topics"] = json!(topics);
        self.tell(&format!("subscriptions/{kind}"), who, event);
    }

    fn event(&self, who: &Session, kind: &str, session_id: &str) -> Value {
        json!({
            "clientId": &*who.client_id,
            "timestamp": self.clock.now_ms(),
            "eventType": kind,
            "sessionIdentifier": session_id,
            "principalIdentifier": who.principal.identifier(),
        })
    }

    /// A client id with a wildcard in it has no topic to be told on.
    fn tell(&self, kind: &str, who: &Session, event: Value) {
        if !who.client_id.contains(['#', '+']) {
            self.publish(&format!("$aws/events/{kind}/{}", who.client_id), Bytes::from(event.to_string()));
        }
    }
}

/// A random identifier in UUID form, for session identifiers.
pub(super) fn uuid() -> String {
    let (a, b, c) = (fastrand::u32(..), fastrand::u16(..), fastrand::u16(..0x1000));
    let (d, e) = (fastrand::u16(..0x1000), fastrand::u64(..1 << 48));
    format!("{a:08x}-{b:04x}-4{c:03x}-a{d:03x}-{e:012x}")
}
