//! What happens on the broker, told to the services that make it AWS IoT.
//!
//! The broker knows MQTT. Whether a certificate may connect, whether a topic may be used, what a publish to
//! `$aws/things/…` does and what Detect counts is decided here, by handing each event to the family it concerns.

use std::sync::Arc;

use bytes::Bytes;

use super::account::Account;
use super::api;

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
    /// A number no other session of this process has.
    pub serial: u64,
    /// The peer's address.
    pub ip: std::net::IpAddr,
    /// What its CONNECT asked for.
    pub attributes: ConnectAttributes,
}

/// The four actions an IoT policy decides.
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

/// The account's view of its broker. Calls come from connection tasks: none may block or take long.
pub struct Hooks {
    account: Arc<Account>,
}

impl Hooks {
    /// The hooks of `account`.
    pub fn new(account: Arc<Account>) -> Self {
        Self { account }
    }

    /// The log behind the account.
    pub fn wal(&self) -> &crate::store::Wal {
        &self.account.wal
    }

    /// May a connection of this certificate be authenticated at all? False for every status but ACTIVE: the connection is
    /// then refused before any client id is read and no `connect_failed` is published (docs/aws-iot.md#3.5).
    pub fn authenticate(&self, principal: &Principal) -> bool {
        match principal {
            Principal::Certificate(id) => {
                let active = api::identity::is_active(&self.account, id);
                if !active {
                    // All that tells of it: who it claims to be was never read (docs/aws-iot.md#1.1).
                    api::cloudwatch::count(&self.account, "AWS/IoT", "Connection.AuthNError", &[], 1.0);
                }
                active
            }
            Principal::Iam(_) | Principal::Anonymous => true,
        }
    }

    /// Policy decision for a session: IoT policies for a certificate, identity policies for an IAM identity. Anonymous
    /// sessions and the account's own key may do everything.
    pub fn authorize(&self, session: &Session, action: Action, resource: &str) -> bool {
        match &session.principal {
            Principal::Certificate(_) => api::policy::authorize(&self.account, session, action, resource),
            Principal::Iam(key) => self.account.iam.allows_mqtt(&self.account, key, action, resource),
            Principal::Anonymous => true,
        }
    }

    /// A session was accepted (CONNACK 0 is about to be sent).
    pub fn connected(&self, session: &Session) {
        api::audit::on_connected(&self.account, session);
        api::detect::on_connected(&self.account, session);
    }

    /// A session ended; `reason` is one of AWS's `disconnectReason` values. Forgets the session's cached policies.
    pub fn disconnected(&self, session: &Session, reason: &str) {
        api::policy::forget(&self.account, session);
        api::audit::on_disconnected(&self.account, session, reason);
        api::detect::on_disconnected(&self.account, session);
    }

    /// A CONNECT was refused by policy, or a publish or subscribe was denied.
    pub fn denied(&self, session: &Session, action: Action, resource: &str) {
        api::detect::on_denied(&self.account, session, action, resource);
    }

    /// An authorized PUBLISH, before it is routed.
    pub fn published(&self, session: &Session, topic: &str, payload: &Bytes) -> Routing {
        api::detect::on_published(&self.account, session, topic, payload.len());
        api::rules::on_publish(&self.account, session, topic, payload);
        if topic.starts_with("$aws/rules/") {
            return Routing::Consumed;
        }
        if api::provisioning::is_request(topic) {
            api::provisioning::on_publish(&self.account, session, topic, payload);
            return Routing::Consumed;
        }
        let Some(rest) = topic.strip_prefix("$aws/things/") else {
            return Routing::Subscribers;
        };
        let Some((thing, rest)) = rest.split_once('/') else { return Routing::Subscribers };
        if let Some(rest) = rest.strip_prefix("shadow/") {
            // The request itself stays observable by others (docs/aws-iot.md#3.4).
            api::shadows::on_publish(&self.account, session, thing, rest, payload);
            Routing::Subscribers
        } else if let Some(rest) = rest.strip_prefix("jobs/") {
            api::jobs::on_publish(&self.account, session, thing, rest, payload);
            Routing::Consumed
        } else if let Some(rest) = rest.strip_prefix("defender/metrics/") {
            api::detect::on_report(&self.account, thing, rest, payload);
            Routing::Consumed
        } else {
            Routing::Subscribers
        }
    }

    /// A last will, before it is routed: whatever its topic, it reaches subscribers and rules only, no service acts on it.
    pub fn spoke_last(&self, session: &Session, topic: &str, payload: &Bytes) {
        api::detect::on_published(&self.account, session, topic, payload.len());
        api::rules::on_publish(&self.account, session, topic, payload);
    }

    /// AWS itself published: rules see shadow answers and events as well.
    pub fn published_by_aws(&self, topic: &str, payload: &Bytes) {
        api::rules::on_publish_by_aws(&self.account, topic, payload);
    }

    /// A message was handed to a subscriber.
    pub fn delivered(&self, session: &Session, topic: &str) {
        api::detect::on_delivered(&self.account, session, topic);
    }
}
