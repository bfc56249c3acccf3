//! What the broker asks and tells its host: everything that is AWS and not MQTT.
//!
//! The broker knows sessions, topics and limits. Whether a certificate may connect, whether a topic may be used and what a
//! publish to `$aws/things/…` does, is the host's to say. The account is the host ([`crate::account::Account`]).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::Properties;

/// Who a transport says it is, before MQTT begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A client certificate, by its AWS certificate id: the SHA-256 of its DER, 64 hexadecimal digits.
    Certificate(String),
    /// An IAM identity that signed the WebSocket request, by access key id. Governed by IAM only, never by IoT policies.
    Iam(String),
    /// Plain TCP without any identity: only behind an explicit listener, may do everything.
    Anonymous,
}

impl Principal {
    /// The `principalIdentifier` of lifecycle events.
    pub fn identifier(&self) -> &str {
        match self {
            Self::Certificate(id) | Self::Iam(id) => id,
            Self::Anonymous => "anonymous",
        }
    }
}

/// What a CONNECT asks for beside the connection: the values of `iot:ConnectAttributes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectAttributes {
    /// A session that outlives the connection.
    pub persistent: bool,
    /// A last will.
    pub last_will: bool,
}

impl ConnectAttributes {
    /// The attributes by the names policies know.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [(self.persistent, "PersistentConnect"), (self.last_will, "LastWill")]
            .into_iter()
            .filter_map(|(asked, name)| asked.then_some(name))
    }
}

/// A connected MQTT session as the services see it, or a device that asks over HTTPS: that one has no client id.
#[derive(Clone, Debug)]
pub struct Session {
    /// The MQTT client id.
    pub client_id: Arc<str>,
    /// Who authenticated.
    pub principal: Principal,
    /// A number no other session of this broker has.
    pub serial: u64,
    /// The peer's address.
    pub ip: IpAddr,
    /// What its CONNECT asked for.
    pub attributes: ConnectAttributes,
}

/// The actions an IoT policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `iot:Connect` on `client/ID`; like the others, asked with the bare name.
    Connect,
    /// `iot:Publish` on `topic/T`.
    Publish,
    /// `iot:RetainPublish` on `topic/T`.
    RetainPublish,
    /// `iot:Subscribe` on `topicfilter/F`.
    Subscribe,
    /// `iot:Receive` on `topic/T`.
    Receive,
}

/// What the broker does with an accepted PUBLISH after the services have seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// Deliver to whoever subscribed.
    Subscribers,
    /// A request to a service whose topic nobody else may observe (defender reports, jobs requests): already handled.
    Consumed,
}

/// The broker's host. Calls come from connection tasks: none may block or take long.
pub trait Host: Send + Sync {
    /// May a connection of this principal be authenticated at all? A connection that may not is closed before any client id
    /// is read, and no `connect_failed` is published (docs/aws-iot.md#3.5).
    fn authenticate(&self, principal: &Principal) -> bool;

    /// Whether a session may do `action` on the bare name `resource`.
    fn authorize(&self, session: &Session, action: Action, resource: &str) -> bool;

    /// A CONNECT was refused by policy, or a publish or subscribe was denied.
    fn denied(&self, session: &Session, action: Action, resource: &str);

    /// A session was accepted (CONNACK 0 is about to be sent).
    fn connected(&self, session: &Session);

    /// A session ended; `reason` is one of AWS's `disconnectReason` values.
    fn disconnected(&self, session: &Session, reason: &str);

    /// An authorized PUBLISH, before it is routed; `with` are its properties where it came with MQTT 5.
    fn published(
        &self,
        session: &Session,
        topic: &str,
        payload: &Bytes,
        with: Option<&Properties>,
    ) -> Routing;

    /// A last will, before it is routed: whatever its topic, it reaches subscribers and rules only, no service acts on it.
    fn spoke_last(&self, session: &Session, topic: &str, payload: &Bytes, with: Option<&Properties>);

    /// AWS itself published: rules see shadow answers and events as well.
    fn published_by_aws(&self, topic: &str, payload: &Bytes);

    /// A message was handed to a subscriber.
    fn delivered(&self, session: &Session, topic: &str);
}
