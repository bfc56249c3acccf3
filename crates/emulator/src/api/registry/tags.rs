//! Tags on resources, by ARN (TagResource, UntagResource, ListTagsForResource).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Registry;
use crate::account::{Account, State};
use crate::api::{ApiError, Req, Resp};

/// Tags of one resource.
const TAGS: usize = 50;
/// What AWS says of a key it does not take.
const KEY_PATTERN: &str = r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$";

/// `{"Key": …, "Value": …}`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value. AWS refuses a tag without one, though its model allows it.
    pub value: String,
}

fn unsatisfied(value: &str, place: &str, constraint: &str) -> ApiError {
    ApiError::invalid(format!(
        "1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: {constraint}"
    ))
}

fn not_ours(key: &str) -> Result<(), ApiError> {
    if key.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("aws:")) {
        return Err(ApiError::invalid(format!("Tags cannot begin with \"aws:\", offending tag: {key}")));
    }
    Ok(())
}

/// Refuses tags AWS would refuse, before anything is made that would carry them.
pub fn check(tags: &[Tag]) -> Result<(), ApiError> {
    for (n, tag) in (1..).zip(tags) {
        let (key, value) = (format!("tags.{n}.member.key"), format!("tags.{n}.member.value"));
        if tag.key.is_empty() {
            return Err(unsatisfied("", &key, "Member must have length greater than or equal to 1"));
        }
        for (text, place, highest) in [(&tag.key, &key, 128), (&tag.value, &value, 256)] {
            if text.chars().count() > highest {
                let text_too_long = format!("Member must have length less than or equal to {highest}");
                return Err(unsatisfied(text, place, &text_too_long));
            }
            if !text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)) {
                let pattern = format!("Member must satisfy regular expression pattern: {KEY_PATTERN}");
                return Err(unsatisfied(text, place, &pattern));
            }
        }
        not_ours(&tag.key)?;
    }
    if tags.len() > TAGS {
        return Err(too_many());
    }
    Ok(())
}

fn too_many() -> ApiError {
    ApiError::invalid("Too many tags provided in the request. Please check the input.")
}

impl Registry {
    /// The tags of a resource, in the order of their keys.
    pub fn tags_of(&self, arn: &str) -> Vec<Tag> {
        let tags = self.tags.get(arn).into_iter().flatten();
        tags.map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
    }

    /// Sets tags on a resource; those of the same key are replaced.
    pub fn set_tags(&mut self, arn: &str, tags: &[Tag]) -> Result<(), ApiError> {
        if tags.is_empty() {
            return Ok(());
        }
        check(tags)?;
        let mut held: BTreeMap<String, String> = self.tags.get(arn).cloned().unwrap_or_default();
        held.extend(tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
        if held.len() > TAGS {
            return Err(too_many());
        }
        self.tags.put(arn, held);
        Ok(())
    }

    /// Forgets the tags of a resource that is gone.
    pub fn drop_tags(&mut self, arn: &str) {
        self.tags.remove(arn);
    }
}

/// The kind and name in the ARN of a resource that can carry tags, of this account and of any region.
fn taggable<'a>(account: &Account, arn: &'a str) -> Result<(&'a str, &'a str), ApiError> {
    let wrong = || ApiError::invalid("Invalid arn in request");
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", _, "iot", _, owner, resource] = fields.as_slice() else { return Err(wrong()) };
    let (kind, name) = resource.split_once('/').ok_or_else(wrong)?;
    if owner != account.id {
        return Err(ApiError::invalid("ResourceArn doesn't belong in requester's account"));
    }
    match kind {
        "thing" | "cert" | "client" | "topic" | "topicfilter" => {
            Err(ApiError::invalid(format!("Invalid resource type in ARN: {kind}")))
        }
        "thinggroup"
        | "thingtype"
        | "policy"
        | "rule"
        | "job"
        | "jobtemplate"
        | "cacert"
        | "billinggroup"
        | "securityprofile"
        | "mitigationaction"
        | "dimension"
        | "custommetric"
        | "scheduledaudit"
        | "fleetmetric"
        | "rolealias"
        | "authorizer"
        | "domainconfiguration"
        | "provisioningtemplate"
            if !name.is_empty() =>
        {
            Ok((kind, name))
        }
        _ => Err(wrong()),
    }
}

/// Refuses to tag what is not there.
fn require(account: &Account, state: &State, arn: &str) -> Result<(), ApiError> {
    let (kind, name) = taggable(account, arn)?;
    if account.arns.rest_of(arn).is_none() {
        // Another region's.
        return Err(ApiError::invalid("Invalid request exception. Please check the input."));
    }
    let (there, missing) = match kind {
        "thinggroup" => (state.registry.group(name).is_some(), format!("Thing Group {name} does not exist.")),
        "thingtype" => {
            (state.registry.thing_type(name).is_some(), format!("Thing Type {name} does not exist."))
        }
        "policy" => (state.identity.policy(name).is_some(), "This resource is not found".to_owned()),
        "billinggroup" => {
            (state.registry.has_billing_group(name), format!("Billing group {name} does not exist."))
        }
        "rolealias" => (state.role_aliases.contains(name), format!("Role alias {name} does not exist.")),
        "authorizer" => (state.authorizers.has(name), format!("Authorizer {name} not found")),
        // The suffix after a domain configuration's name is part of its ARN.
        "domainconfiguration" => (
            state.domains.iter().any(|(held, domain)| name == format!("{held}/{}", domain.suffix())),
            format!("Domain configuration {name} does not exist."),
        ),
        "provisioningtemplate" => {
            (state.provisioning.contains(name), "Unable to get template id, template not found".to_owned())
        }
        "job" => (state.jobs.has_job(name), format!("Job {name} cannot be found.")),
        "jobtemplate" => (state.jobs.has_template(name), format!("Job Template {name} cannot be found.")),
        "cacert" => (state.authorities.has(name), format!("CA Certificate {name} not found")),
        "securityprofile" => {
            (state.detect.has_profile(name), format!("Security profile {name} cannot be found."))
        }
        _ => (true, String::new()),
    };
    if there { Ok(()) } else { Err(ApiError::not_found(missing)) }
}

/// Rules are under a lock of their own, which is never taken with the account's.
fn require_rule(account: &Account, arn: &str) -> Result<(), ApiError> {
    match account.arns.name_of("rule", arn) {
        Some(name) if !account.rules.has(name) => Err(ApiError::not_found(format!(
            "Rule {name} not found. accountId: {}, resourceArn: {arn}",
            account.id
        ))),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TagBody {
    resource_arn: String,
    tags: Option<Vec<GivenTag>>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GivenTag {
    key: Option<String>,
    value: Option<String>,
}

/// A list that must be there and must have members.
fn some_of<T>(list: Option<Vec<T>>, place: &str) -> Result<Vec<T>, ApiError> {
    match list {
        None => Err(ApiError::invalid(format!(
            "1 validation error detected: Value null at '{place}' failed to satisfy constraint: Member must not be null"
        ))),
        Some(list) if list.is_empty() => Err(ApiError::invalid("The validated collection is empty")),
        Some(list) => Ok(list),
    }
}

/// TagResource.
pub fn tag(req: &Req) -> Result<Resp, ApiError> {
    let body: TagBody = req.json()?;
    let mut tags = Vec::new();
    for given in some_of(body.tags, "tags")? {
        let (Some(key), Some(value)) = (given.key, given.value) else {
            return Err(ApiError::invalid("Invalid request exception. Please check the input."));
        };
        tags.push(Tag { key, value });
    }
    require_rule(&req.account, &body.resource_arn)?;
    let mut state = req.account.write();
    require(&req.account, &state, &body.resource_arn)?;
    state.registry.set_tags(&body.resource_arn, &tags)?;
    Resp::empty()
}

/// UntagResource.
pub fn untag(req: &Req) -> Result<Resp, ApiError> {
    let body: TagBody = req.json()?;
    let keys = some_of(body.tag_keys, "tagKeys")?;
    if let Some(long) = keys.iter().find(|key| key.chars().count() > 128) {
        return Err(ApiError::invalid(format!(
            "1 validation error detected: Value '[{long}]' at 'tagKeys' failed to satisfy constraint: Member must satisfy \
             constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal \
             to 1, Member must satisfy regular expression pattern: {KEY_PATTERN}]"
        )));
    }
    keys.iter().try_for_each(|key| not_ours(key))?;
    require_rule(&req.account, &body.resource_arn)?;
    let mut state = req.account.write();
    require(&req.account, &state, &body.resource_arn)?;
    state.registry.tags.update(&body.resource_arn, |held| held.retain(|k, _| !keys.contains(k)));
    Resp::empty()
}

/// ListTagsForResource: empty for a resource that is not there.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let arn = req.required_query("resourceArn")?;
    taggable(&req.account, arn)?;
    Resp::json(json!({ "tags": req.account.read().registry.tags_of(arn) }))
}
