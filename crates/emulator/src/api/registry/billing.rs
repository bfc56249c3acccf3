//! Billing groups: a thing belongs to at most one, and it tags what the thing costs. Here they are a registry.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http_groups::named;
use super::tags::{self, Tag};
use super::things::expect_version;
use super::{Registry, uuid};
use crate::api::when::{missing, seconds};
use crate::api::{ApiError, Req, Resp, validate};

/// The kind in a billing group's ARN.
const KIND: &str = "billinggroup";

/// A billing group. Its name is its key; its members are the things that name it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct BillingGroup {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    version: i64,
    created_ms: i64,
}

impl Registry {
    /// Is there a billing group of that name?
    pub fn has_billing_group(&self, name: &str) -> bool {
        self.billing.contains(name)
    }

    pub(super) fn require_billing_group(&self, name: &str) -> Result<&BillingGroup, ApiError> {
        self.billing
            .get(name)
            .ok_or_else(|| ApiError::not_found(format!("Billing group {name} does not exist.")))
    }

    /// Sets or clears the billing group of a thing.
    fn bill(&mut self, thing: &str, group: Option<&str>) {
        self.things.update(thing, |t| {
            t.billing_group = group.map(str::to_owned);
            t.version += 1;
        });
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    billing_group_description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    billing_group_properties: Option<Properties>,
    expected_version: Option<i64>,
    tags: Vec<Tag>,
}

fn checked(properties: Properties) -> Result<Option<String>, ApiError> {
    let text = properties.billing_group_description.filter(|text| !text.is_empty());
    if let Some(text) = &text {
        validate::description("billingGroupProperties.billingGroupDescription", text)?;
    }
    Ok(text)
}

/// CreateBillingGroup.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (req.path("billingGroupName"), req.json::<Body>()?);
    validate::name("billingGroupName", name)?;
    tags::check(&body.tags)?;
    let group = BillingGroup {
        id: uuid(),
        description: checked(body.billing_group_properties.unwrap_or_default())?,
        version: 1,
        created_ms: req.account.clock.now_ms(),
    };
    let (id, arn) = (group.id.clone(), req.account.arn(KIND, name));
    let mut state = req.account.write();
    if let Some(held) = state.registry.billing.get(name) {
        let text = format!("Billing group {name} already exists in account");
        return Err(ApiError::already_exists(text, &held.id, &arn));
    }
    state.registry.billing.put(name, group);
    state.registry.set_tags(&arn, &body.tags)?;
    Resp::json(json!({ "billingGroupName": name, "billingGroupArn": arn, "billingGroupId": id }))
}

/// DescribeBillingGroup.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("billingGroupName");
    let state = req.account.read();
    let group = state.registry.require_billing_group(name)?;
    let mut properties = json!({});
    if let Some(text) = &group.description {
        properties["billingGroupDescription"] = json!(text);
    }
    Resp::json(json!({
        "billingGroupName": name,
        "billingGroupId": group.id,
        "billingGroupArn": req.account.arn(KIND, name),
        "version": group.version,
        "billingGroupProperties": properties,
        "billingGroupMetadata": { "creationDate": seconds(group.created_ms) },
    }))
}

/// UpdateBillingGroup; gives the new version.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let (name, body) = (req.path("billingGroupName"), req.json::<Body>()?);
    let description =
        checked(body.billing_group_properties.ok_or_else(|| missing("billingGroupProperties"))?)?;
    let mut state = req.account.write();
    let held = state.registry.require_billing_group(name)?.version;
    expect_version(body.expected_version, held, || format!("billing group {name}"))?;
    let version = state.registry.billing.update(name, |group| {
        group.description = description;
        group.version += 1;
        group.version
    });
    Resp::json(json!({ "version": version }))
}

/// DeleteBillingGroup: fine when there is none; its things are billed to nobody then.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let (name, expected) = (req.path("billingGroupName"), req.long("expectedVersion")?);
    validate::name("billingGroupName", name)?;
    let mut state = req.account.write();
    let Some(held) = state.registry.billing.get(name) else { return Resp::empty() };
    expect_version(expected, held.version, || format!("billing group {name}"))?;
    let members: Vec<String> = members_of(&state.registry, name).map(str::to_owned).collect();
    for thing in members {
        state.registry.bill(&thing, None);
    }
    state.registry.billing.remove(name);
    state.registry.drop_tags(&req.account.arn(KIND, name));
    Resp::empty()
}

/// ListBillingGroups, all or by prefix.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 50)?;
    let prefix = req.query("namePrefixFilter").unwrap_or_default();
    let state = req.account.read();
    let rows =
        state.registry.billing.after(page.after.as_deref()).filter(|(name, _)| name.starts_with(prefix));
    let rows =
        rows.map(|(name, _)| (name, json!({ "groupName": name, "groupArn": req.account.arn(KIND, name) })));
    let (rows, next) = page.take(rows);
    Resp::page("billingGroups", rows, next)
}

fn members_of<'a>(registry: &'a Registry, group: &'a str) -> impl Iterator<Item = &'a str> {
    registry
        .things()
        .filter(move |(_, thing)| thing.billing_group.as_deref() == Some(group))
        .map(|(name, _)| name)
}

/// ListThingsInBillingGroup.
pub fn list_things(req: &Req) -> Result<Resp, ApiError> {
    let (name, page) = (req.path("billingGroupName"), req.page(250, 50)?);
    let state = req.account.read();
    state.registry.require_billing_group(name)?;
    let (rows, next) = page.take(members_of(&state.registry, name).map(|thing| (thing, Value::from(thing))));
    Resp::page("things", rows, next)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Membership {
    billing_group_name: Option<String>,
    billing_group_arn: Option<String>,
    thing_name: Option<String>,
    thing_arn: Option<String>,
}

impl Membership {
    /// The thing and the group, each by name or ARN; both must exist.
    fn resolve(&self, req: &Req, registry: &Registry) -> Result<(String, String), ApiError> {
        let group =
            named(&req.account, &self.billing_group_name, &self.billing_group_arn, KIND, "BillingGroup")?
                .ok_or_else(|| missing("billingGroupName"))?;
        let thing = named(&req.account, &self.thing_name, &self.thing_arn, "thing", "Thing")?
            .ok_or_else(|| missing("thingName"))?;
        registry.require_billing_group(&group)?;
        registry.require_thing(&thing)?;
        Ok((thing, group))
    }
}

/// AddThingToBillingGroup: idempotent, refused for a thing that is billed to another group.
pub fn add(req: &Req) -> Result<Resp, ApiError> {
    let body: Membership = req.json()?;
    let mut state = req.account.write();
    let (thing, group) = body.resolve(req, &state.registry)?;
    match state.registry.require_thing(&thing)?.billing_group.as_deref() {
        Some(held) if held == group => {}
        Some(held) => {
            return Err(ApiError::invalid(format!("Thing {thing} already belongs to billing group {held}")));
        }
        None => state.registry.bill(&thing, Some(&group)),
    }
    Resp::empty()
}

/// RemoveThingFromBillingGroup: idempotent.
pub fn remove(req: &Req) -> Result<Resp, ApiError> {
    let body: Membership = req.json()?;
    let mut state = req.account.write();
    let (thing, group) = body.resolve(req, &state.registry)?;
    if state.registry.require_thing(&thing)?.billing_group.as_deref() == Some(&group) {
        state.registry.bill(&thing, None);
    }
    Resp::empty()
}
