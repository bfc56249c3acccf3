//! Versions of provisioning templates: numbers count up and are never used again, a template keeps five.

use serde::Deserialize;
use serde_json::{Value, json};

use super::body;
use super::templates::{KIND, Version, absent, require};
use crate::api::when::{missing, seconds};
use crate::api::{ApiError, Req, Resp};

/// Versions a template may have.
const VERSIONS: usize = 5;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    template_body: Option<String>,
}

fn number(req: &Req) -> Result<u32, ApiError> {
    let text = req.path("versionId");
    text.parse().map_err(|_| ApiError::invalid(format!("versionId is not a number: {text}")))
}

/// CreateProvisioningTemplateVersion.
pub(super) fn create(req: &Req) -> Result<Resp, ApiError> {
    let (name, default) = (req.path("templateName"), req.flag("setAsDefault"));
    let text = req.json::<Body>()?.template_body.ok_or_else(|| missing("templateBody"))?;
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    let held = require(&state, name)?;
    body::check(&text)?;
    if held.versions.len() >= VERSIONS {
        let text = format!(
            "Can't create a template version for the template {name}, the maximum number of template versions has been reached"
        );
        return Err(ApiError::new(409, "VersionsLimitExceededException", text));
    }
    let number = held.next;
    state.provisioning.update(name, |held| {
        held.versions.insert(number, Version { body: text, created_ms: now });
        held.next += 1;
        if default {
            held.default = number;
        }
        held.modified_ms = now;
    });
    Resp::json(json!({
        "templateArn": req.account.arn(KIND, name),
        "templateName": name,
        "versionId": number,
        "isDefaultVersion": default,
    }))
}

/// DescribeProvisioningTemplateVersion.
pub(super) fn describe(req: &Req) -> Result<Resp, ApiError> {
    let (name, number) = (req.path("templateName"), number(req)?);
    let state = req.account.read();
    let held = state.provisioning.get(name);
    let held = held.ok_or_else(|| ApiError::not_found(format!("Unable to find a template named {name}")))?;
    let version = held.versions.get(&number).ok_or_else(|| {
        ApiError::not_found(format!("Unable to find a template version with ID {number} for template {name}"))
    })?;
    Resp::json(json!({
        "versionId": number,
        "creationDate": seconds(version.created_ms),
        "templateBody": version.body,
        "isDefaultVersion": number == held.default,
    }))
}

/// DeleteProvisioningTemplateVersion: not the one in force.
pub(super) fn delete(req: &Req) -> Result<Resp, ApiError> {
    let (name, number) = (req.path("templateName"), number(req)?);
    let mut state = req.account.write();
    let held = state.provisioning.get(name).ok_or_else(|| absent(name))?;
    if !held.versions.contains_key(&number) {
        return Err(ApiError::not_found(format!("Unable to find template version {number}")));
    }
    if held.default == number {
        return Err(ApiError::invalid(format!(
            "Unable to delete template version {number}, it is the default version"
        )));
    }
    state.provisioning.update(name, |held| held.versions.remove(&number));
    Resp::nothing()
}

/// ListProvisioningTemplateVersions: all of them in one page, as in AWS.
pub(super) fn list(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("templateName");
    let state = req.account.read();
    let held = state.provisioning.get(name);
    let held = held.ok_or_else(|| ApiError::not_found(format!("Template named {name} not found")))?;
    let rows = held.versions.iter().map(|(number, version)| {
        json!({
            "versionId": number,
            "creationDate": seconds(version.created_ms),
            "isDefaultVersion": *number == held.default,
        })
    });
    Resp::json(json!({ "versions": rows.collect::<Vec<Value>>() }))
}
