//! Job templates (contract §2.6): a document and settings that jobs can be made from.

use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{Settings, Template};
use super::validate as check;
use crate::emulator::account::Account;
use crate::emulator::api::registry::tags::Tag;
use crate::emulator::api::{ApiError, Req, Resp};

/// The kind in a template's ARN.
const KIND: &str = "jobtemplate";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Create {
    job_arn: Option<String>,
    document: Option<String>,
    document_source: Option<String>,
    destination_package_versions: Option<Vec<String>>,
    maintenance_windows: Option<Vec<Value>>,
    tags: Vec<Tag>,
    #[serde(flatten)]
    settings: Settings,
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Job template {id} cannot be found."))
}

/// The template a job names, if it names one.
pub(super) fn of(account: &Account, arn: Option<&str>) -> Result<Option<Template>, ApiError> {
    let Some(arn) = arn else { return Ok(None) };
    let id = account
        .arns
        .name_of(KIND, arn)
        .ok_or_else(|| ApiError::invalid(format!("Invalid job template ARN: {arn}")))?;
    account.read().jobs.templates.get(id).cloned().map(Some).ok_or_else(|| missing(id))
}

/// CreateJobTemplate, from a document or from a job.
///
/// # Errors
/// 400 for a member out of bounds, 404 for a job that is not there, 409 for an id in use.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("jobTemplateId");
    check::job_id("jobTemplateId", id)?;
    let body: Create = req.json()?;
    if body.settings.description.as_deref().is_none_or(str::is_empty) {
        return Err(ApiError::invalid("Missing required parameter: description"));
    }
    if body.maintenance_windows.is_some_and(|windows| !windows.is_empty()) {
        return Err(ApiError::invalid("maintenanceWindows are not available in this emulator"));
    }
    check::settings(&body.settings)?;
    let account = &req.account;
    let arn = account.arn(KIND, id);
    let (document, document_source, settings) = match &body.job_arn {
        Some(job_arn) => {
            let state = account.read();
            let name = account.arns.name_of("job", job_arn).unwrap_or_default();
            let job = state
                .jobs
                .job(name)
                .ok_or_else(|| ApiError::not_found(format!("Job {job_arn} cannot be found.")))?;
            let settings = body.settings.over(job.settings.clone());
            (job.document.clone(), job.document_source.clone(), settings)
        }
        None => {
            let document =
                check::document(account, body.document.as_deref(), body.document_source.as_deref())?;
            (document, body.document_source, body.settings)
        }
    };
    let versions =
        body.destination_package_versions.map(|v| ("destinationPackageVersions".to_owned(), json!(v)));
    let template = Template {
        document,
        document_source,
        settings,
        echoed: versions.into_iter().collect(),
        created_ms: account.clock.now_ms(),
    };
    let mut state = account.write();
    if state.jobs.templates.contains(id) {
        return Err(ApiError::already_exists(format!("Job template {id} already exists."), id, &arn));
    }
    if !body.tags.is_empty() {
        state.registry.set_tags(&arn, &body.tags)?;
    }
    state.jobs.templates.put(id, template);
    Resp::json(json!({"jobTemplateArn": arn, "jobTemplateId": id}))
}

/// DescribeJobTemplate.
///
/// # Errors
/// 404 for an unknown template.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("jobTemplateId");
    let state = req.account.read();
    let template = state.jobs.templates.get(id).ok_or_else(|| missing(id))?;
    let mut body = serde_json::to_value(&template.settings).map_err(|e| ApiError::internal(e.to_string()))?;
    body["jobTemplateArn"] = json!(req.account.arn(KIND, id));
    body["jobTemplateId"] = json!(id);
    body["document"] = json!(template.document);
    body["createdAt"] = json!(template.created_ms as f64 / 1000.0);
    if let Some(source) = &template.document_source {
        body["documentSource"] = json!(source);
    }
    for (name, value) in &template.echoed {
        body[name.as_str()] = value.clone();
    }
    Resp::json(body)
}

/// ListJobTemplates, in the order of ids.
///
/// # Errors
/// 400 for a page out of bounds.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let (rows, token) = page.take(state.jobs.templates.iter().map(|(id, template)| {
        let row = json!({
            "jobTemplateArn": req.account.arn(KIND, id),
            "jobTemplateId": id,
            "description": template.settings.description,
            "createdAt": template.created_ms as f64 / 1000.0,
        });
        (id, row)
    }));
    let mut body = json!({ "jobTemplates": rows });
    if let Some(token) = token {
        body["nextToken"] = json!(token);
    }
    Resp::json(body)
}

/// DeleteJobTemplate.
///
/// # Errors
/// 404 for an unknown template.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("jobTemplateId");
    let mut state = req.account.write();
    state.jobs.templates.remove(id).ok_or_else(|| missing(id))?;
    state.registry.drop_tags(&req.account.arn(KIND, id));
    Resp::empty()
}
