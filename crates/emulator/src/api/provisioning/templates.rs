//! Provisioning templates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::body;
use crate::account::State;
use crate::api::registry::tags::{self, Tag};
use crate::api::when::{missing, seconds};
use crate::api::{ApiError, Req, Resp, audit, validate};

/// The kind in a template's ARN.
pub(super) const KIND: &str = "provisioningtemplate";
const TYPES: [&str; 2] = ["FLEET_PROVISIONING", "JITP"];

/// One version of a template's body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) body: String,
    pub(super) created_ms: i64,
}

/// A provisioning template. Its name is its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Template {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    enabled: bool,
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hook: Option<Value>,
    kind: String,
    created_ms: i64,
    pub(super) modified_ms: i64,
    pub(super) versions: BTreeMap<u32, Version>,
    pub(super) default: u32,
    /// The number the next version gets.
    pub(super) next: u32,
}

impl Template {
    /// The body in force.
    pub(super) fn body(&self) -> &str {
        self.versions.get(&self.default).map_or("", |version| &version.body)
    }

    /// May devices use it?
    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Does a Lambda function decide on each device?
    pub(super) fn has_hook(&self) -> bool {
        self.hook.is_some()
    }

    /// Is it for devices that come with a claim certificate?
    pub(super) fn serves_claims(&self) -> bool {
        self.kind == TYPES[0]
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    template_name: Option<String>,
    description: Option<String>,
    template_body: Option<String>,
    enabled: Option<bool>,
    provisioning_role_arn: Option<String>,
    pre_provisioning_hook: Option<Value>,
    remove_pre_provisioning_hook: bool,
    default_version_id: Option<u32>,
    r#type: Option<String>,
    tags: Vec<Tag>,
}

impl Body {
    /// The members that creation and update share, checked.
    fn check(&mut self) -> Result<(), ApiError> {
        if self.description.as_deref().is_some_and(|text| text.chars().count() > 500) {
            return Err(ApiError::invalid(
                "1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have length less \
                 than or equal to 500",
            ));
        }
        if let Some(role) = &self.provisioning_role_arn {
            audit::check_role("provisioningRoleArn", role)?;
        }
        if let Some(hook) = &mut self.pre_provisioning_hook {
            if hook.get("targetArn").and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(missing("preProvisioningHook.targetArn"));
            }
            if hook.get("payloadVersion").is_none_or(Value::is_null) {
                hook["payloadVersion"] = json!("2020-04-01");
            }
        }
        Ok(())
    }
}

/// The refusal of a template that is not there.
pub(super) fn absent(name: &str) -> ApiError {
    ApiError::not_found(format!("Unable to find template named {name}"))
}

pub(super) fn require<'a>(state: &'a State, name: &str) -> Result<&'a Template, ApiError> {
    state.provisioning.get(name).ok_or_else(|| absent(name))
}

/// CreateProvisioningTemplate: version 1, in force.
pub(super) fn create(req: &Req) -> Result<Resp, ApiError> {
    let mut given: Body = req.json()?;
    let name = given.template_name.take().ok_or_else(|| missing("templateName"))?;
    validate::template_name(&name)?;
    given.check()?;
    let text = given.template_body.ok_or_else(|| missing("templateBody"))?;
    let role = given.provisioning_role_arn.ok_or_else(|| missing("provisioningRoleArn"))?;
    let kind = given.r#type.unwrap_or_else(|| TYPES[0].to_owned());
    validate::one_of("type", &kind, &TYPES)?;
    tags::check(&given.tags)?;
    body::check(&text)?;
    let (now, arn) = (req.account.clock.now_ms(), req.account.arn(KIND, &name));
    let mut state = req.account.write();
    if state.provisioning.contains(&name) {
        let text = format!("Template with name {name} already exists");
        return Err(ApiError::already_exists(text, &name, &arn));
    }
    let template = Template {
        description: given.description,
        enabled: given.enabled.unwrap_or(false),
        role,
        hook: given.pre_provisioning_hook,
        kind,
        created_ms: now,
        modified_ms: now,
        versions: BTreeMap::from([(1, Version { body: text, created_ms: now })]),
        default: 1,
        next: 2,
    };
    state.provisioning.put(&name, template);
    state.registry.set_tags(&arn, &given.tags)?;
    Resp::json(json!({ "templateArn": arn, "templateName": name, "defaultVersionId": 1 }))
}

/// DescribeProvisioningTemplate, with the body in force.
pub(super) fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("templateName");
    let state = req.account.read();
    let held = require(&state, name)?;
    let mut out = summary(req, name, held);
    out["defaultVersionId"] = json!(held.default);
    out["templateBody"] = json!(held.body());
    out["provisioningRoleArn"] = json!(held.role);
    if let Some(text) = &held.description {
        out["description"] = json!(text);
    }
    if let Some(hook) = &held.hook {
        out["preProvisioningHook"] = hook.clone();
    }
    Resp::json(out)
}

fn summary(req: &Req, name: &str, held: &Template) -> Value {
    json!({
        "templateArn": req.account.arn(KIND, name),
        "templateName": name,
        "creationDate": seconds(held.created_ms),
        "lastModifiedDate": seconds(held.modified_ms),
        "enabled": held.enabled,
        "type": held.kind,
    })
}

/// UpdateProvisioningTemplate: an empty body; what is not mentioned stays.
pub(super) fn update(req: &Req) -> Result<Resp, ApiError> {
    let (name, mut given) = (req.path("templateName"), req.json::<Body>()?);
    given.check()?;
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    let held = require(&state, name)?;
    if let Some(version) = given.default_version_id
        && !held.versions.contains_key(&version)
    {
        return Err(ApiError::invalid(format!(
            "Unable to set version {version} as the default, version does not exist"
        )));
    }
    if given.remove_pre_provisioning_hook && given.pre_provisioning_hook.is_some() {
        return Err(ApiError::invalid(
            "preProvisioningHook and removePreProvisioningHook cannot be used together",
        ));
    }
    state.provisioning.update(name, |held| {
        if given.description.is_some() {
            held.description = given.description;
        }
        held.enabled = given.enabled.unwrap_or(held.enabled);
        held.default = given.default_version_id.unwrap_or(held.default);
        if let Some(role) = given.provisioning_role_arn {
            held.role = role;
        }
        if given.remove_pre_provisioning_hook {
            held.hook = None;
        } else if given.pre_provisioning_hook.is_some() {
            held.hook = given.pre_provisioning_hook;
        }
        held.modified_ms = now;
    });
    Resp::nothing()
}

/// DeleteProvisioningTemplate.
pub(super) fn delete(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("templateName");
    let mut state = req.account.write();
    let gone = state.provisioning.remove(name);
    gone.ok_or_else(|| ApiError::not_found("Unable to delete template, template not found"))?;
    state.registry.drop_tags(&req.account.arn(KIND, name));
    Resp::nothing()
}

/// ListProvisioningTemplates.
pub(super) fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let rows = state.provisioning.after(page.after.as_deref());
    let (rows, next) = page.take(rows.map(|(name, held)| (name, summary(req, name, held))));
    Resp::page("templates", rows, next)
}
