//! The account as the broker's host: what happens on the broker, handed to the services that make it AWS IoT.

use bytes::Bytes;

use super::account::Account;
use super::api;
use super::broker::{Action, Host, Principal, Properties, Routing, Session};

impl Host for Account {
    /// False for a certificate in every status but ACTIVE (docs/aws-iot.md#3.5).
    fn authenticate(&self, principal: &Principal) -> bool {
        match principal {
            Principal::Certificate(id) => {
                let active = api::identity::is_active(self, id);
                if !active {
                    // All that tells of it: who it claims to be was never read (docs/aws-iot.md#1.1).
                    api::cloudwatch::count(self, "AWS/IoT", "Connection.AuthNError", &[], 1.0);
                }
                active
            }
            Principal::Iam(_) | Principal::Anonymous => true,
        }
    }

    /// IoT policies for a certificate, identity policies for an IAM identity. Anonymous sessions and the account's own key
    /// may do everything.
    fn authorize(&self, session: &Session, action: Action, resource: &str) -> bool {
        match &session.principal {
            Principal::Certificate(_) => api::policy::authorize(self, session, action, resource),
            Principal::Iam(key) => self.iam.allows_mqtt(self, key, action, resource),
            Principal::Anonymous => true,
        }
    }

    fn denied(&self, session: &Session, action: Action, resource: &str) {
        api::detect::on_denied(self, session, action, resource);
    }

    fn connected(&self, session: &Session) {
        api::audit::on_connected(self, session);
        api::detect::on_connected(self, session);
    }

    /// Forgets the session's cached policies, too.
    fn disconnected(&self, session: &Session, reason: &str) {
        api::policy::forget(self, session);
        api::audit::on_disconnected(self, session, reason);
        api::detect::on_disconnected(self, session);
    }

    fn published(
        &self,
        session: &Session,
        topic: &str,
        payload: &Bytes,
        with: Option<&Properties>,
    ) -> Routing {
        self.ledger.spoke(session, || self.clock.now_ms());
        api::detect::on_published(self, session, topic, payload.len());
        api::rules::on_publish(self, session, topic, payload, with);
        if topic.starts_with("$aws/rules/") {
            return Routing::Consumed;
        }
        if api::provisioning::is_request(topic) {
            api::provisioning::on_publish(self, session, topic, payload);
            return Routing::Consumed;
        }
        let Some(rest) = topic.strip_prefix("$aws/things/") else {
            return Routing::Subscribers;
        };
        let Some((thing, rest)) = rest.split_once('/') else { return Routing::Subscribers };
        if let Some(rest) = rest.strip_prefix("shadow/") {
            // The request itself stays observable by others (docs/aws-iot.md#3.4).
            api::shadows::on_publish(self, session, thing, rest, payload);
            Routing::Subscribers
        } else if let Some(rest) = rest.strip_prefix("jobs/") {
            api::jobs::on_publish(self, session, thing, rest, payload);
            Routing::Consumed
        } else if let Some(rest) = rest.strip_prefix("defender/metrics/") {
            api::detect::on_report(self, thing, rest, payload);
            Routing::Consumed
        } else {
            Routing::Subscribers
        }
    }

    fn spoke_last(&self, session: &Session, topic: &str, payload: &Bytes, with: Option<&Properties>) {
        api::detect::on_published(self, session, topic, payload.len());
        api::rules::on_publish(self, session, topic, payload, with);
    }

    fn published_by_aws(&self, topic: &str, payload: &Bytes) {
        api::rules::on_publish_by_aws(self, topic, payload);
    }

    fn delivered(&self, session: &Session, topic: &str) {
        api::detect::on_delivered(self, session, topic);
    }
}
