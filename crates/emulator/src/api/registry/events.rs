//! Registry events and the switches that turn them on (docs/aws-iot.md#3.4, #3.7): all off by default, as in AWS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{MembershipChange, Registry, uuid};
use crate::account::Account;
use crate::api::{ApiError, Req, Resp, validate};

/// The kinds AWS knows.
const KINDS: [&str; 11] = [
    "THING",
    "THING_GROUP",
    "THING_TYPE",
    "THING_GROUP_MEMBERSHIP",
    "THING_GROUP_HIERARCHY",
    "THING_TYPE_ASSOCIATION",
    "JOB",
    "JOB_EXECUTION",
    "POLICY",
    "CERTIFICATE",
    "CA_CERTIFICATE",
];

/// The table's only key.
const KEY: &str = "account";

/// Which kinds of events are published.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct EventConfiguration {
    enabled: BTreeMap<String, bool>,
    created_ms: i64,
    modified_ms: i64,
}

impl Registry {
    /// Are events of `kind` (`JOB`, `JOB_EXECUTION`, `THING_GROUP_MEMBERSHIP`, …) published?
    pub fn events_enabled(&self, kind: &str) -> bool {
        self.event_configuration.get(KEY).is_some_and(|c| c.enabled.get(kind).copied().unwrap_or(false))
    }

    /// Turns events of a kind on or off; a kind AWS does not know is refused.
    pub fn enable_events(&mut self, kind: &str, enabled: bool, now_ms: i64) -> Result<(), ApiError> {
        validate::one_of("eventConfigurations", kind, &KINDS)?;
        let mut held = self.event_configuration.get(KEY).cloned().unwrap_or_default();
        if held.created_ms == 0 {
            held.created_ms = now_ms;
        }
        held.modified_ms = now_ms;
        held.enabled.insert(kind.to_owned(), enabled);
        self.event_configuration.put(KEY, held);
        Ok(())
    }
}

/// Publishes one membership event, if they are on.
pub(super) fn membership(account: &Account, change: &MembershipChange) {
    let group_id = {
        let state = account.read();
        if !state.registry.events_enabled("THING_GROUP_MEMBERSHIP") {
            return;
        }
        state.registry.group(&change.group).map(|g| g.id.clone()).unwrap_or_default()
    };
    let (operation, suffix) = if change.added { ("ADDED", "added") } else { ("REMOVED", "removed") };
    let event = json!({
        "eventType": "THING_GROUP_MEMBERSHIP_EVENT",
        "eventId": uuid(),
        "timestamp": account.clock.now_ms(),
        "operation": operation,
        "accountId": account.id,
        "groupArn": account.arn("thinggroup", &change.group),
        "groupId": group_id,
        "thingArn": account.arn("thing", &change.thing),
        "thingId": change.thing_id,
        "membershipId": uuid(),
    });
    let topic = format!(
        "$aws/events/thingGroupMembership/thingGroup/{}/thing/{}/{suffix}",
        change.group, change.thing
    );
    account.broker().publish(&topic, event.to_string().into());
}

/// DescribeEventConfigurations.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let state = req.account.read();
    let registry = &state.registry;
    let kinds: serde_json::Map<String, Value> =
        KINDS.iter().map(|k| ((*k).to_owned(), json!({"Enabled": registry.events_enabled(k)}))).collect();
    let mut body = json!({ "eventConfigurations": kinds });
    if let Some(held) = registry.event_configuration.get(KEY) {
        body["creationDate"] = json!(held.created_ms as f64 / 1000.0);
        body["lastModifiedDate"] = json!(held.modified_ms as f64 / 1000.0);
    }
    Resp::json(body)
}

#[derive(Deserialize)]
struct Update {
    #[serde(default, rename = "eventConfigurations")]
    event_configurations: BTreeMap<String, Switch>,
}

#[derive(Deserialize)]
struct Switch {
    #[serde(default, rename = "Enabled")]
    enabled: bool,
}

/// UpdateEventConfigurations: kinds not named keep their switch.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let body: Update = req.json()?;
    for kind in body.event_configurations.keys() {
        validate::one_of("eventConfigurations", kind, &KINDS)?;
    }
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    for (kind, switch) in &body.event_configurations {
        state.registry.enable_events(kind, switch.enabled, now)?;
    }
    Resp::empty()
}
