//! Things and thing groups as queries see them, and as answers show them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::query::{Document, Leaf, Order, Place, Query, place_of};
use crate::account::{Account, State};
use crate::api::detect::Violation;
use crate::api::registry::{Thing, ThingGroup};
use crate::api::shadows::document::Shadow;
use crate::broker::Connection;

/// What an index is made of, besides the registry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sources {
    /// Thing groups, not things.
    pub(super) groups: bool,
    /// Classic shadows.
    pub(super) shadow: bool,
    /// These named shadows.
    pub(super) named: Vec<String>,
    /// Whether things are connected.
    pub(super) connectivity: bool,
    /// Violations of security profiles.
    pub(super) defender: bool,
    /// Fields that hold locations.
    pub(super) locations: Vec<(String, Order)>,
}

/// Connections by client id.
pub(super) type Presence = HashMap<Arc<str>, Connection>;

/// The connections a query has to know of. The account's lock must not be held.
pub(super) fn presence(account: &Account, sources: &Sources, wanted: bool) -> Presence {
    if !(sources.connectivity && wanted) {
        return Presence::default();
    }
    account.broker().connections().into_iter().collect()
}

/// Everything a look at the account needs, made once for a query.
pub(super) struct View<'a> {
    state: &'a State,
    sources: &'a Sources,
    presence: &'a Presence,
    violations: HashMap<&'a str, Vec<&'a Violation>>,
}

impl<'a> View<'a> {
    pub(super) fn new(state: &'a State, sources: &'a Sources, presence: &'a Presence) -> Self {
        let mut violations: HashMap<&str, Vec<&Violation>> = HashMap::new();
        if sources.defender {
            for violation in state.detect.active() {
                violations.entry(&violation.thing).or_default().push(violation);
            }
        }
        Self { state, sources, presence, violations }
    }

    /// The things that fit, in the order of their names, from after that name on.
    pub(super) fn things<'v>(
        &'v self,
        query: &'v Query,
        after: Option<&'v str>,
    ) -> impl Iterator<Item = ThingView<'v>> + use<'v, 'a> {
        let all = self.state.registry.things_after(after);
        all.map(|(name, thing)| ThingView { view: self, name, thing }).filter(|thing| query.matches(thing))
    }

    /// The thing groups that fit, from after that name on.
    pub(super) fn groups<'v>(
        &'v self,
        query: &'v Query,
        after: Option<&'v str>,
    ) -> impl Iterator<Item = GroupView<'v>> + use<'v, 'a> {
        let all = self.state.registry.groups().filter(move |(name, _)| after.is_none_or(|a| *name > a));
        all.map(|(name, group)| GroupView { state: self.state, name, group })
            .filter(|group| query.matches(group))
    }
}

/// A thing in the index.
pub(super) struct ThingView<'v> {
    view: &'v View<'v>,
    pub(super) name: &'v str,
    thing: &'v Thing,
}

fn text(value: &str) -> Leaf<'_> {
    Leaf::Text(Cow::Borrowed(value))
}

/// The values at a path below a JSON value; arrays stand for their elements.
fn below(value: &Value, path: &[&str], wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    match (value, path) {
        (Value::Array(items), _) => items.iter().any(|item| below(item, path, wanted)),
        (Value::Object(map), [first, rest @ ..]) => map.get(*first).is_some_and(|v| below(v, rest, wanted)),
        (Value::String(s), []) => wanted(text(s)),
        (Value::Number(n), []) => n.as_f64().is_some_and(|n| wanted(Leaf::Number(n))),
        (Value::Bool(b), []) => wanted(Leaf::Bool(*b)),
        _ => false,
    }
}

/// All values below a JSON value.
fn all_below(value: &Value, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|v| all_below(v, wanted)),
        Value::Object(map) => map.values().any(|v| all_below(v, wanted)),
        leaf => below(leaf, &[], wanted),
    }
}

fn at(map: Option<&Map<String, Value>>, path: &[&str], wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    map.and_then(|m| m.get(*first)).is_some_and(|v| below(v, rest, wanted))
}

fn shadow_field(shadow: &Shadow, path: &[&str], wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    match path {
        ["version"] => wanted(Leaf::Number(shadow.version() as f64)),
        ["hasDelta"] => wanted(Leaf::Bool(shadow.delta().is_some())),
        ["reported", rest @ ..] => at(shadow.reported(), rest, wanted),
        ["desired", rest @ ..] => at(shadow.desired(), rest, wanted),
        ["delta", rest @ ..] => at(shadow.delta().as_ref().map(|(state, _)| state), rest, wanted),
        ["metadata", rest @ ..] => below(&shadow.document(0, None)["metadata"], rest, wanted),
        _ => false,
    }
}

/// A shadow as the index shows it.
fn shadow_json(shadow: &Shadow) -> Map<String, Value> {
    let mut document = shadow.document(0, None);
    let mut out = match document["state"].take() {
        Value::Object(state) => state,
        _ => Map::new(),
    };
    out.insert("metadata".into(), document["metadata"].take());
    out.insert("hasDelta".into(), out.contains_key("delta").into());
    out.insert("version".into(), shadow.version().into());
    out
}

impl ThingView<'_> {
    fn shadow(&self, name: Option<&str>) -> Option<&Shadow> {
        self.view.state.shadows.get(self.name, name)
    }

    fn violations(&self) -> &[&Violation] {
        self.view.violations.get(self.name).map_or(&[], |v| v)
    }

    fn groups(&self) -> impl Iterator<Item = &str> {
        let registry = &self.view.state.registry;
        let fixed = registry.groups_of(self.name).iter().map(String::as_str);
        fixed.chain(registry.dynamic_groups_of(self.name))
    }

    fn connectivity(&self, field: &str, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        if !self.view.sources.connectivity {
            return false;
        }
        let held = self.view.presence.get(self.name);
        match field {
            "connected" => wanted(Leaf::Bool(held.is_some_and(|c| c.connected))),
            "timestamp" => held.is_some_and(|c| wanted(Leaf::Number(since(c) as f64))),
            "disconnectReason" => held
                .filter(|c| !c.connected)
                .and_then(|c| c.disconnect_reason.as_deref())
                .is_some_and(|reason| wanted(text(reason))),
            "clientId" => held.is_some_and(|_| wanted(text(self.name))),
            _ => false,
        }
    }

    fn defender(&self, path: &[&str], wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        if !self.view.sources.defender {
            return false;
        }
        match path {
            ["violationCount"] => wanted(Leaf::Number(self.violations().len() as f64)),
            [profile, behavior, rest @ ..] => {
                let mut those = self
                    .violations()
                    .iter()
                    .filter(|v| v.profile == *profile && v.behavior.name == *behavior);
                those.any(|v| below(&violation_json(v), rest, wanted))
            }
            _ => false,
        }
    }

    /// The thing as SearchIndex answers it; its connection is given, because the query may not have needed it.
    pub(super) fn described(&self, connection: Option<&Connection>) -> Value {
        let mut out = json!({"thingName": self.name, "thingId": self.thing.id});
        if let Some(kind) = &self.thing.type_name {
            out["thingTypeName"] = json!(kind);
        }
        let groups: Vec<&str> = self.groups().collect();
        out["thingGroupNames"] = json!(groups);
        if !self.thing.attributes.is_empty() {
            out["attributes"] = json!(self.thing.attributes);
        }
        let sources = self.view.sources;
        if sources.shadow || !sources.named.is_empty() {
            let mut shadow =
                self.shadow(None).filter(|_| sources.shadow).map(shadow_json).unwrap_or_default();
            let named: Map<String, Value> = sources
                .named
                .iter()
                .filter_map(|name| Some((name.clone(), shadow_json(self.shadow(Some(name))?).into())))
                .collect();
            if !named.is_empty() {
                shadow.insert("name".into(), named.into());
            }
            if !shadow.is_empty() {
                out["shadow"] = Value::Object(shadow).to_string().into();
            }
        }
        if sources.defender {
            let mut defender = json!({"violationCount": self.violations().len()});
            for violation in self.violations() {
                defender[&violation.profile][&violation.behavior.name] = violation_json(violation);
            }
            out["deviceDefender"] = defender.to_string().into();
        }
        if sources.connectivity {
            out["connectivity"] = match connection {
                None => json!({"connected": false}),
                Some(held) => {
                    let mut out = json!({
                        "connected": held.connected,
                        "timestamp": since(held),
                        "clientId": self.name,
                        "keepAliveDuration": held.keep_alive,
                        "cleanSession": held.clean_session,
                        "sessionExpiry": held.session_expiry,
                    });
                    if let Some(reason) = held.disconnect_reason.as_ref().filter(|_| !held.connected) {
                        out["disconnectReason"] = json!(reason);
                    }
                    out
                }
            };
        }
        out
    }
}

/// When the connection began or ended, epoch milliseconds.
fn since(connection: &Connection) -> i64 {
    if connection.connected {
        connection.connected_since
    } else {
        connection.disconnected_since.unwrap_or_default()
    }
}

fn violation_json(violation: &Violation) -> Value {
    json!({
        "inViolation": true,
        "lastViolationTime": violation.last_ms,
        "lastViolationValue": violation.value,
    })
}

/// The value at a path into a shadow's reported or desired state.
fn shadow_value<'s>(shadow: &'s Shadow, path: &[&str]) -> Option<&'s Value> {
    let (section, path) = path.split_first()?;
    let state = match *section {
        "reported" => shadow.reported()?,
        "desired" => shadow.desired()?,
        _ => return None,
    };
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(state.get(*first)?, |value, name| value.get(*name))
}

impl Document for ThingView<'_> {
    fn field(&self, name: &str, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        if let Some(attribute) = name.strip_prefix("attributes.") {
            return self.thing.attributes.get(attribute).is_some_and(|v| wanted(text(v)));
        }
        if let Some(field) = name.strip_prefix("connectivity.") {
            return self.connectivity(field, wanted);
        }
        if let Some(path) = name.strip_prefix("shadow.") {
            let path: Vec<&str> = path.split('.').collect();
            let sources = self.view.sources;
            return match path.as_slice() {
                ["name", "*", rest @ ..] => sources
                    .named
                    .iter()
                    .any(|name| self.shadow(Some(name)).is_some_and(|s| shadow_field(s, rest, wanted))),
                ["name", shadow, rest @ ..] => {
                    sources.named.iter().any(|name| name == shadow)
                        && self.shadow(Some(shadow)).is_some_and(|s| shadow_field(s, rest, wanted))
                }
                path => sources.shadow && self.shadow(None).is_some_and(|s| shadow_field(s, path, wanted)),
            };
        }
        if let Some(path) = name.strip_prefix("deviceDefender.") {
            let path: Vec<&str> = path.split('.').collect();
            return self.defender(&path, wanted);
        }
        match name.strip_prefix("registry.").unwrap_or(name) {
            "thingName" => wanted(text(self.name)),
            "thingId" => wanted(text(&self.thing.id)),
            "thingTypeName" => self.thing.type_name.as_deref().is_some_and(|t| wanted(text(t))),
            "thingGroupNames" => {
                self.groups().chain(self.thing.billing_group.as_deref()).any(|g| wanted(text(g)))
            }
            "version" => wanted(Leaf::Number(self.thing.version as f64)),
            _ => false,
        }
    }

    fn any(&self, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        let registry = ["thingName", "thingId", "thingTypeName", "thingGroupNames"];
        let sources = self.view.sources;
        let sections = |s: &Shadow, wanted: &mut dyn FnMut(Leaf<'_>) -> bool| {
            [s.desired(), s.reported()]
                .into_iter()
                .flatten()
                .any(|m| m.values().any(|v| all_below(v, wanted)))
        };
        registry.iter().any(|name| self.field(name, wanted))
            || self.thing.attributes.values().any(|v| wanted(text(v)))
            || (sources.shadow && self.shadow(None).is_some_and(|s| sections(s, wanted)))
            || sources.named.iter().any(|n| self.shadow(Some(n)).is_some_and(|s| sections(s, wanted)))
            || self.violations().iter().any(|v| all_below(&violation_json(v), wanted))
    }

    fn place(&self, name: &str) -> Option<Place> {
        let sources = self.view.sources;
        let (_, order) = sources.locations.iter().find(|(location, _)| location == name)?;
        if let Some(attribute) = name.strip_prefix("attributes.") {
            return place_of(&self.thing.attributes.get(attribute)?.as_str().into(), *order);
        }
        let path: Vec<&str> = name.strip_prefix("shadow.")?.split('.').collect();
        let value = match path.as_slice() {
            ["name", shadow, rest @ ..] if sources.named.iter().any(|name| name == shadow) => {
                shadow_value(self.shadow(Some(shadow))?, rest)
            }
            path if sources.shadow => shadow_value(self.shadow(None)?, path),
            _ => None,
        };
        place_of(value?, *order)
    }
}

/// A thing group in the index.
pub(super) struct GroupView<'v> {
    state: &'v State,
    pub(super) name: &'v str,
    group: &'v ThingGroup,
}

impl GroupView<'_> {
    /// The group as SearchIndex answers it.
    pub(super) fn described(&self) -> Value {
        let mut out = json!({"thingGroupName": self.name, "thingGroupId": self.group.id});
        if let Some(description) = &self.group.description {
            out["thingGroupDescription"] = json!(description);
        }
        if !self.group.attributes.is_empty() {
            out["attributes"] = json!(self.group.attributes);
        }
        let parents = self.state.registry.ancestors(self.name);
        if !parents.is_empty() {
            out["parentGroupNames"] = json!(parents);
        }
        out
    }
}

impl Document for GroupView<'_> {
    fn field(&self, name: &str, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        if let Some(attribute) = name.strip_prefix("attributes.") {
            return self.group.attributes.get(attribute).is_some_and(|v| wanted(text(v)));
        }
        match name {
            "thingGroupName" => wanted(text(self.name)),
            "thingGroupId" => wanted(text(&self.group.id)),
            "description" | "thingGroupDescription" => {
                self.group.description.as_deref().is_some_and(|d| wanted(text(d)))
            }
            "parentGroupNames" => self.state.registry.ancestors(self.name).iter().any(|p| wanted(text(p))),
            "version" => wanted(Leaf::Number(self.group.version as f64)),
            _ => false,
        }
    }

    fn any(&self, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        let fields = ["thingGroupName", "thingGroupId", "description", "parentGroupNames"];
        fields.iter().any(|name| self.field(name, wanted))
            || self.group.attributes.values().any(|v| wanted(text(v)))
    }

    /// Groups have no locations.
    fn place(&self, _: &str) -> Option<Place> {
        None
    }
}
