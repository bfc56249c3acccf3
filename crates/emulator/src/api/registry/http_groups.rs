//! Thing groups and membership over HTTP.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::groups::GroupChange;
use super::http_things::AttributePayload;
use super::tags::{self, Tag};
use super::{DynamicQuery, GroupSpec, ThingGroup, add_to_group, announce, remove_from_group};
use crate::account::{Account, State};
use crate::api::{ApiError, Req, Resp, indexing, validate};

/// The only index there is.
const INDEX: &str = "AWS_Things";
/// The query language's version.
const QUERY_VERSION: &str = "2017-09-30";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    thing_group_description: Option<String>,
    attribute_payload: Option<AttributePayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupBody {
    parent_group_name: Option<String>,
    thing_group_properties: Option<Properties>,
    #[serde(default)]
    tags: Vec<Tag>,
    index_name: Option<String>,
    query_string: Option<String>,
    query_version: Option<String>,
    expected_version: Option<i64>,
}

/// CreateThingGroup.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let body: GroupBody = req.json()?;
    create_with(req, body, None)
}

/// CreateDynamicThingGroup: fleet indexing must be on, and finds its members from then on.
pub fn create_dynamic(req: &Req) -> Result<Resp, ApiError> {
    let body: GroupBody = req.json()?;
    let Some(query) = body.query_string.clone().filter(|q| !q.trim().is_empty()) else {
        return Err(ApiError::invalid("queryString must not be empty"));
    };
    let index_name = body.index_name.clone().unwrap_or_else(|| INDEX.to_owned());
    if index_name != INDEX {
        return Err(ApiError::not_found(format!("Index {index_name} cannot be found.")));
    }
    let query_version = body.query_version.clone().unwrap_or_else(|| QUERY_VERSION.to_owned());
    if query_version != QUERY_VERSION {
        return Err(ApiError::invalid(format!("Query version {query_version} is not supported")));
    }
    create_with(req, body, Some(DynamicQuery { index_name, query, query_version }))
}

fn create_with(req: &Req, body: GroupBody, dynamic: Option<DynamicQuery>) -> Result<Resp, ApiError> {
    let name = req.path("thingGroupName");
    let properties = body.thing_group_properties.unwrap_or_default();
    let spec = GroupSpec {
        parent: body.parent_group_name.filter(|_| dynamic.is_none()),
        description: properties.thing_group_description.filter(|d| !d.is_empty()),
        attributes: properties.attribute_payload.and_then(|p| p.attributes).unwrap_or_default(),
        dynamic,
    };
    let arn = req.account.arn("thinggroup", name);
    tags::check(&body.tags)?;
    let mut state = req.account.write();
    let again = state.registry.group(name).is_some();
    if let Some(dynamic) = &spec.dynamic {
        indexing::check_query(&state, &dynamic.query)?;
        state.registry.dynamic_made(name);
    }
    let group = state.registry.create_group(name, spec, req.account.clock.now_ms())?;
    let mut out = json!({ "thingGroupName": name, "thingGroupArn": arn, "thingGroupId": group.id });
    if let Some(query) = &group.dynamic {
        with_query(&mut out, query);
    }
    let id = group.id.clone();
    if again {
        let mut wanted = body.tags;
        wanted.sort_by(|a, b| a.key.cmp(&b.key));
        if wanted != state.registry.tags_of(&arn) {
            return Err(ApiError::already_exists(
                format!("Resource {arn} already exists in current account with different properties"),
                &id,
                &arn,
            ));
        }
    } else {
        state.registry.set_tags(&arn, &body.tags)?;
    }
    Resp::json(out)
}

fn with_query(out: &mut Value, query: &DynamicQuery) {
    out["indexName"] = json!(query.index_name);
    out["queryString"] = json!(query.query);
    out["queryVersion"] = json!(query.query_version);
}

/// DescribeThingGroup, static or dynamic.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("thingGroupName");
    validate::name("thingGroupName", name)?;
    let state = req.account.read();
    let Some(group) = state.registry.group(name) else {
        return Err(ApiError::not_found(format!("ThingGroup {}:{name} not found.", req.account.id)));
    };
    let mut metadata = json!({ "creationDate": group.created_ms as f64 / 1000.0 });
    if let Some(parent) = &group.parent {
        metadata["parentGroupName"] = json!(parent);
        let above: Vec<Value> =
            state.registry.ancestors(name).iter().map(|g| reference(&req.account, g)).collect();
        metadata["rootToParentThingGroups"] = json!(above);
    }
    let mut out = json!({
        "thingGroupName": name,
        "thingGroupId": group.id,
        "thingGroupArn": req.account.arn("thinggroup", name),
        "version": group.version,
        "thingGroupProperties": properties_of(group),
        "thingGroupMetadata": metadata,
    });
    if let Some(query) = &group.dynamic {
        with_query(&mut out, query);
        out["status"] = json!(state.registry.dynamic_status(name));
    }
    Resp::json(out)
}

fn properties_of(group: &ThingGroup) -> Value {
    let mut out = json!({});
    if let Some(text) = &group.description {
        out["thingGroupDescription"] = json!(text);
    }
    if !group.attributes.is_empty() {
        out["attributePayload"] = json!({ "attributes": group.attributes });
    }
    out
}

pub(super) fn reference(account: &Account, group: &str) -> Value {
    json!({ "groupName": group, "groupArn": account.arn("thinggroup", group) })
}

/// UpdateThingGroup: static groups only.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    update_with(req, false)
}

/// UpdateDynamicThingGroup.
pub fn update_dynamic(req: &Req) -> Result<Resp, ApiError> {
    update_with(req, true)
}

fn update_with(req: &Req, dynamic: bool) -> Result<Resp, ApiError> {
    let (name, body) = (req.path("thingGroupName"), req.json::<GroupBody>()?);
    let Some(properties) = body.thing_group_properties else {
        return Err(ApiError::invalid("Missing required parameter: thingGroupProperties"));
    };
    let payload = properties.attribute_payload.unwrap_or_default();
    let change = GroupChange {
        description: properties.thing_group_description,
        attributes: payload.attributes,
        merge: payload.merge.unwrap_or(false),
        expected_version: body.expected_version,
        query: body.query_string,
    };
    let mut state = req.account.write();
    if state.registry.group(name).is_none() {
        return Err(ApiError::not_found(format!("Group {name} does not exist")));
    }
    check_kind(&state.registry, name, dynamic)?;
    if let Some(query) = change.query.as_deref().filter(|_| dynamic) {
        indexing::check_query(&state, query)?;
    }
    let version = state.registry.update_group(name, change)?;
    Resp::json(json!({ "version": version }))
}

fn check_kind(registry: &super::Registry, name: &str, dynamic: bool) -> Result<(), ApiError> {
    match (registry.is_dynamic(name), dynamic) {
        (true, false) => Err(ApiError::invalid(format!("Thing group {name} is a dynamic thing group"))),
        (false, true) => Err(ApiError::invalid(format!("Thing group {name} is not a dynamic thing group"))),
        _ => Ok(()),
    }
}

/// DeleteThingGroup: fine when there is none.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    delete_with(req, false)
}

/// DeleteDynamicThingGroup: fine when there is none.
pub fn delete_dynamic(req: &Req) -> Result<Resp, ApiError> {
    delete_with(req, true)
}

fn delete_with(req: &Req, dynamic: bool) -> Result<Resp, ApiError> {
    let name = req.path("thingGroupName");
    let expected = req.long("expectedVersion")?;
    let changes = {
        let mut state = req.account.write();
        if state.registry.group(name).is_none() {
            return Resp::empty();
        }
        check_kind(&state.registry, name, dynamic)?;
        let changes = state.registry.delete_group(name, expected)?;
        state.identity.drop_group(name);
        state.registry.drop_tags(&req.account.arn("thinggroup", name));
        changes
    };
    announce(&req.account, &changes);
    Resp::empty()
}

/// ListThingGroups: children of a parent (all below it when recursive), by prefix, or all.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 50)?;
    let prefix = req.query("namePrefixFilter").unwrap_or_default();
    // Only `recursive=false` narrows: AWS lists everything below by default.
    let recursive = req.query("recursive").is_none_or(|v| v.eq_ignore_ascii_case("true"));
    let state = req.account.read();
    let registry = &state.registry;
    let scope: Option<BTreeSet<String>> = match req.query("parentGroup") {
        Some(parent) => {
            registry.require_group(parent)?;
            Some(if recursive {
                registry.descendants(parent)
            } else {
                registry.children_of(parent).map(str::to_owned).collect()
            })
        }
        None => None,
    };
    let rows = registry
        .groups_after(page.after.as_deref())
        .filter(|(name, group)| match &scope {
            Some(scope) => scope.contains(*name),
            None => recursive || group.parent.is_none(),
        })
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, _)| (name, reference(&req.account, name)));
    let (groups, next) = page.take(rows);
    Resp::page("thingGroups", groups, next)
}

/// ListThingsInThingGroup; with `recursive`, of the groups below too.
pub fn list_things(req: &Req) -> Result<Resp, ApiError> {
    let (name, page) = (req.path("thingGroupName"), req.page(250, 50)?);
    let state = req.account.read();
    state.registry.require_group(name)?;
    let (things, next) = if req.flag("recursive") {
        page.take(state.registry.things_under(name).into_iter().map(|t| (t.clone(), t)))
    } else {
        page.take(state.registry.things_in(name).map(|t| (t, t.to_owned())))
    };
    Resp::page("things", things, next)
}

/// The groups a thing is a member of itself, by name.
pub(super) fn direct_groups<'a>(state: &'a State, thing: &'a str) -> BTreeSet<&'a str> {
    let fixed = state.registry.groups_of(thing).iter().map(String::as_str);
    fixed.chain(state.registry.dynamic_groups_of(thing)).collect()
}

/// ListThingGroupsForThing: direct memberships only.
pub fn list_for_thing(req: &Req) -> Result<Resp, ApiError> {
    let (name, page) = (req.path("thingName"), req.page(250, 50)?);
    let state = req.account.read();
    if state.registry.thing(name).is_none() {
        return Err(ApiError::not_found("thing does not exist"));
    }
    let (groups, next) =
        page.take(direct_groups(&state, name).into_iter().map(|g| (g, reference(&req.account, g))));
    Resp::page("thingGroups", groups, next)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MembershipBody {
    thing_group_name: Option<String>,
    thing_group_arn: Option<String>,
    thing_name: Option<String>,
    thing_arn: Option<String>,
    #[serde(default)]
    override_dynamic_groups: bool,
}

impl MembershipBody {
    /// The thing and the group, each by name or ARN.
    fn resolve(&self, account: &Account) -> Result<(String, String), ApiError> {
        let group = named(
            account,
            &self.thing_group_name,
            &self.thing_group_arn,
            "thinggroup",
            "ThingGroup",
        )?
        .ok_or_else(|| {
            ApiError::invalid(
                "Both thingGroupArn and thingGroupName are empty. Need to specify at least one of them",
            )
        })?;
        let thing =
            named(account, &self.thing_name, &self.thing_arn, "thing", "Thing")?.ok_or_else(|| {
                ApiError::invalid(
                    "Both thingArn and thingName are empty. Need to specify at least one of them",
                )
            })?;
        if self.thing_group_name.as_deref().is_some_and(|name| name != group) {
            return Err(ApiError::invalid(
                "ThingGroupName from thingGroupArn does not match specified thingGroupName in request",
            ));
        }
        if self.thing_name.as_deref().is_some_and(|name| name != thing) {
            return Err(ApiError::invalid(
                "ThingName in thingArn does not match specified thingName in request",
            ));
        }
        Ok((thing, group))
    }
}

/// What an ARN names, or else the name itself; the ARN's account is checked, its region is not.
pub(super) fn named(
    account: &Account,
    name: &Option<String>,
    arn: &Option<String>,
    kind: &str,
    shown: &str,
) -> Result<Option<String>, ApiError> {
    let Some(arn) = arn else { return Ok(name.clone()) };
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", _, "iot", _, owner, resource] = fields.as_slice() else {
        return Err(ApiError::invalid("Invalid arn in request"));
    };
    if owner != account.id {
        return Err(ApiError::invalid("ResourceArn doesn't belong in requester's account"));
    }
    match resource.split_once('/') {
        Some((held, name)) if held == kind && !name.is_empty() => Ok(Some(name.to_owned())),
        _ => Err(ApiError::invalid(format!("Invalid {shown}Arn"))),
    }
}

/// AddThingToThingGroup.
pub fn add(req: &Req) -> Result<Resp, ApiError> {
    let body: MembershipBody = req.json()?;
    let (thing, group) = body.resolve(&req.account)?;
    add_to_group(&req.account, &thing, &group, body.override_dynamic_groups)?;
    Resp::empty()
}

/// RemoveThingFromThingGroup.
pub fn remove(req: &Req) -> Result<Resp, ApiError> {
    let body: MembershipBody = req.json()?;
    let (thing, group) = body.resolve(&req.account)?;
    remove_from_group(&req.account, &thing, &group)?;
    Resp::empty()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateForThing {
    thing_name: Option<String>,
    #[serde(default)]
    thing_groups_to_add: Vec<String>,
    #[serde(default)]
    thing_groups_to_remove: Vec<String>,
    #[serde(default)]
    override_dynamic_groups: bool,
}

/// UpdateThingGroupsForThing: removals, then additions, one after another; stops at the first refusal and keeps what was
/// done, as in AWS.
pub fn update_for_thing(req: &Req) -> Result<Resp, ApiError> {
    let body: UpdateForThing = req.json()?;
    let thing = body.thing_name.ok_or_else(|| ApiError::invalid("Missing required parameter: thingName"))?;
    for group in &body.thing_groups_to_remove {
        remove_from_group(&req.account, &thing, group)?;
    }
    for group in &body.thing_groups_to_add {
        add_to_group(&req.account, &thing, group, body.override_dynamic_groups)?;
    }
    Resp::empty()
}
