//! The indexing configuration: off by default, as in AWS.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::document::Sources;
use super::fleet_metrics::FleetMetric;
use super::query::Order;
use super::{GROUPS, THINGS};
use crate::api::{ApiError, Req, Resp, validate};
use crate::store::{Table, Wal};

/// How long an index takes to be built, in seconds. AWS's needs minutes, or hours for a large fleet.
const BUILD_SECS: u64 = 10;
/// Custom fields of an index.
const CUSTOM_FIELDS: usize = 5;
/// Named shadows that are indexed.
const NAMED_SHADOWS: usize = 10;
const ONLY: &str = "account";

/// A field aggregations can use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Field {
    pub(super) name: String,
    /// `Number`, `String`, `Boolean`.
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    named_shadow_names: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    geo_locations: Vec<GeoLocation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connectivity: Option<Value>,
}

/// A field that holds locations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct GeoLocation {
    name: String,
    /// `LatLon` or `LonLat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThingIndexing {
    thing_indexing_mode: String,
    #[serde(default = "off")]
    thing_connectivity_indexing_mode: String,
    #[serde(default = "off")]
    device_defender_indexing_mode: String,
    #[serde(default = "off")]
    named_shadow_indexing_mode: String,
    #[serde(default)]
    custom_fields: Vec<Field>,
    #[serde(default)]
    filter: Filter,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupIndexing {
    thing_group_indexing_mode: String,
    #[serde(default)]
    custom_fields: Vec<Field>,
}

fn off() -> String {
    "OFF".to_owned()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Configuration {
    things: ThingIndexing,
    groups: GroupIndexing,
    /// When each index is built, epoch milliseconds; and whether it had been before.
    things_ready_ms: i64,
    things_rebuilt: bool,
    groups_ready_ms: i64,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            things: ThingIndexing {
                thing_indexing_mode: off(),
                thing_connectivity_indexing_mode: off(),
                device_defender_indexing_mode: off(),
                named_shadow_indexing_mode: off(),
                custom_fields: Vec::new(),
                filter: Filter::default(),
            },
            groups: GroupIndexing { thing_group_indexing_mode: off(), custom_fields: Vec::new() },
            things_ready_ms: 0,
            things_rebuilt: false,
            groups_ready_ms: 0,
        }
    }
}

impl Configuration {
    /// Registry, shadows, connectivity and violations of things, and thing groups; built already.
    fn everything() -> Self {
        let mut all = Self::default();
        "REGISTRY_AND_SHADOW".clone_into(&mut all.things.thing_indexing_mode);
        "STATUS".clone_into(&mut all.things.thing_connectivity_indexing_mode);
        "VIOLATIONS".clone_into(&mut all.things.device_defender_indexing_mode);
        "ON".clone_into(&mut all.groups.thing_group_indexing_mode);
        all
    }
}

/// The indexing configuration, and the metrics made of the index.
pub struct IndexStore {
    configuration: Table<Configuration>,
    pub(super) fleet_metrics: Table<FleetMetric>,
}

impl IndexStore {
    /// What `wal` held. An account that was never configured has everything indexed when `on`, and nothing otherwise.
    pub fn open(wal: &Wal, on: bool) -> Self {
        let mut configuration = Table::open(wal, "indexing-configuration");
        if on && !configuration.contains(ONLY) {
            configuration.put(ONLY, Configuration::everything());
        }
        Self { configuration, fleet_metrics: Table::open(wal, "fleet-metrics") }
    }

    fn held(&self) -> Configuration {
        self.configuration.get(ONLY).cloned().unwrap_or_default()
    }

    /// What an index is made of; `None` when there is no such index, or it is off.
    pub(super) fn sources(&self, index: &str) -> Option<Sources> {
        let held = self.held();
        match index {
            THINGS if held.things.thing_indexing_mode != "OFF" => Some(Sources {
                groups: false,
                shadow: held.things.thing_indexing_mode == "REGISTRY_AND_SHADOW",
                named: if held.things.named_shadow_indexing_mode == "ON" {
                    held.things.filter.named_shadow_names
                } else {
                    Vec::new()
                },
                connectivity: held.things.thing_connectivity_indexing_mode == "STATUS",
                defender: held.things.device_defender_indexing_mode == "VIOLATIONS",
                locations: held
                    .things
                    .filter
                    .geo_locations
                    .into_iter()
                    .map(|location| {
                        let lon_first = location.order.as_deref() == Some("LonLat");
                        (location.name, if lon_first { Order::LonLat } else { Order::LatLon })
                    })
                    .collect(),
            }),
            GROUPS if held.groups.thing_group_indexing_mode == "ON" => {
                Some(Sources { groups: true, ..Sources::default() })
            }
            _ => None,
        }
    }

    /// `indexStatus`, for an index that is on.
    pub(super) fn status(&self, index: &str, now_ms: i64) -> &'static str {
        let held = self.held();
        let at = if index == THINGS { held.things_ready_ms } else { held.groups_ready_ms };
        if now_ms >= at {
            "ACTIVE"
        } else if index == THINGS && held.things_rebuilt {
            "REBUILDING"
        } else {
            "BUILDING"
        }
    }

    /// The fields of an index that aggregations can use: managed and custom ones.
    pub(super) fn fields(&self, index: &str) -> Vec<Field> {
        let held = self.held();
        let mut out = if index == THINGS { managed(&held.things) } else { managed_of_groups() };
        out.extend(if index == THINGS { held.things.custom_fields } else { held.groups.custom_fields });
        out
    }
}

fn field(name: impl Into<String>, kind: &str) -> Field {
    Field { name: name.into(), kind: kind.to_owned() }
}

fn managed(things: &ThingIndexing) -> Vec<Field> {
    if things.thing_indexing_mode == "OFF" {
        return Vec::new();
    }
    let mut out = vec![
        field("thingId", "String"),
        field("thingName", "String"),
        field("registry.version", "Number"),
        field("registry.thingTypeName", "String"),
        field("registry.thingGroupNames", "String"),
    ];
    if things.thing_indexing_mode == "REGISTRY_AND_SHADOW" {
        out.extend([field("shadow.version", "Number"), field("shadow.hasDelta", "Boolean")]);
    }
    if things.named_shadow_indexing_mode == "ON" {
        out.extend([field("shadow.name.*.version", "Number"), field("shadow.name.*.hasDelta", "Boolean")]);
    }
    if things.thing_connectivity_indexing_mode == "STATUS" {
        out.extend([
            field("connectivity.timestamp", "Number"),
            field("connectivity.version", "Number"),
            field("connectivity.connected", "Boolean"),
            field("connectivity.disconnectReason", "String"),
        ]);
    }
    if things.device_defender_indexing_mode == "VIOLATIONS" {
        out.push(field("deviceDefender.violationCount", "Number"));
    }
    out
}

fn managed_of_groups() -> Vec<Field> {
    vec![
        field("description", "String"),
        field("parentGroupNames", "String"),
        field("version", "Number"),
        field("thingGroupId", "String"),
        field("thingGroupName", "String"),
    ]
}

/// GetIndexingConfiguration.
pub(super) fn get_configuration(req: &Req) -> Result<Resp, ApiError> {
    let held = req.account.read().indexing.held();
    let mut things = json!(held.things);
    let mut groups = json!(held.groups);
    things["managedFields"] = json!(managed(&held.things));
    if held.groups.thing_group_indexing_mode == "ON" {
        groups["managedFields"] = json!(managed_of_groups());
    }
    Resp::json(json!({"thingIndexingConfiguration": things, "thingGroupIndexingConfiguration": groups}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    thing_indexing_configuration: Option<Value>,
    thing_group_indexing_configuration: Option<Value>,
}

/// A member of the request, with AWS's refusal when it does not have the required mode.
fn read<T: serde::de::DeserializeOwned>(member: &str, value: Value) -> Result<T, ApiError> {
    serde_json::from_value(value).map_err(|e| ApiError::invalid(format!("{member} is not valid: {e}")))
}

fn check_fields(fields: &[Field], managed: &[Field]) -> Result<(), ApiError> {
    if fields.len() > CUSTOM_FIELDS {
        return Err(ApiError::invalid(format!("At most {CUSTOM_FIELDS} custom fields are allowed")));
    }
    for (n, field) in fields.iter().enumerate() {
        validate::one_of("customFields.type", &field.kind, &["Number", "String", "Boolean"])?;
        if managed.iter().any(|m| m.name == field.name) {
            return Err(ApiError::invalid(format!("{} is a managed field", field.name)));
        }
        if field.name.is_empty() || fields[..n].iter().any(|f| f.name == field.name) {
            return Err(ApiError::invalid(format!("Custom field '{}' is empty or given twice", field.name)));
        }
    }
    Ok(())
}

fn check_things(things: &ThingIndexing) -> Result<(), ApiError> {
    validate::one_of(
        "thingIndexingMode",
        &things.thing_indexing_mode,
        &["OFF", "REGISTRY", "REGISTRY_AND_SHADOW"],
    )?;
    let (connectivity, defender, named) = (
        &things.thing_connectivity_indexing_mode,
        &things.device_defender_indexing_mode,
        &things.named_shadow_indexing_mode,
    );
    validate::one_of("thingConnectivityIndexingMode", connectivity, &["OFF", "STATUS"])?;
    validate::one_of("deviceDefenderIndexingMode", defender, &["OFF", "VIOLATIONS"])?;
    validate::one_of("namedShadowIndexingMode", named, &["OFF", "ON"])?;
    let on = [connectivity, defender, named].iter().any(|mode| *mode != "OFF");
    if on && things.thing_indexing_mode == "OFF" {
        return Err(ApiError::invalid(
            "thingIndexingMode must not be OFF while another source of things is indexed",
        ));
    }
    let names = &things.filter.named_shadow_names;
    if named == "ON" && names.is_empty() {
        return Err(ApiError::invalid("filter.namedShadowNames must name the shadows to index"));
    }
    if names.len() > NAMED_SHADOWS {
        return Err(ApiError::invalid(format!("At most {NAMED_SHADOWS} named shadows can be indexed")));
    }
    for location in &things.filter.geo_locations {
        validate::one_of(
            "geoLocations.order",
            location.order.as_deref().unwrap_or("LatLon"),
            &["LatLon", "LonLat"],
        )?;
        if !["attributes.", "shadow."].iter().any(|source| location.name.starts_with(source)) {
            let name = &location.name;
            return Err(ApiError::invalid(format!("{name} is neither an attribute nor in a shadow")));
        }
    }
    check_fields(&things.custom_fields, &managed(things))
}

/// UpdateIndexingConfiguration: each of the two indexes keeps its settings when not given. A changed index is built anew.
pub(super) fn update_configuration(req: &Req) -> Result<Resp, ApiError> {
    let body: Update = req.json()?;
    let ready = req.account.clock.now_ms() + req.account.clock.scaled_secs_ms(BUILD_SECS);
    let mut state = req.account.write();
    let mut held = state.indexing.held();
    if let Some(value) = body.thing_indexing_configuration {
        let things: ThingIndexing = read("thingIndexingConfiguration", value)?;
        check_things(&things)?;
        if things != held.things {
            held.things_rebuilt = held.things.thing_indexing_mode != "OFF";
            held.things_ready_ms = ready;
            held.things = things;
        }
    }
    if let Some(value) = body.thing_group_indexing_configuration {
        let groups: GroupIndexing = read("thingGroupIndexingConfiguration", value)?;
        validate::one_of("thingGroupIndexingMode", &groups.thing_group_indexing_mode, &["OFF", "ON"])?;
        check_fields(&groups.custom_fields, &managed_of_groups())?;
        if groups != held.groups {
            held.groups_ready_ms = ready;
            held.groups = groups;
        }
    }
    state.indexing.configuration.put(ONLY, held);
    Resp::empty()
}
