//! Job templates (docs/aws-iot.md#2.6): a document and settings that jobs can be made from.

use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{Settings, Template};
use super::validate as check;
use super::{presign, settings as limits};
use crate::account::Account;
use crate::api::registry::tags::Tag;
use crate::api::when::missing as missing_member;
use crate::api::{ApiError, Req, Resp};

/// The kind in a template's ARN.
const KIND: &str = "jobtemplate";
/// What jobs here cannot have: kept in a template, refused when a job is made from it.
pub(super) const WINDOWS: &str = "maintenanceWindows";

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
    ApiError::not_found(format!("Job Template {id} cannot be found."))
}

/// The template a job names, if it names one.
pub(super) fn of(account: &Account, arn: Option<&str>) -> Result<Option<Template>, ApiError> {
    let Some(arn) = arn else { return Ok(None) };
    let Some(id) = account.arns.name_of(KIND, arn) else {
        let kind = account.arns.rest_of(arn).and_then(|rest| rest.split_once('/')).map(|(kind, _)| kind);
        return Err(ApiError::invalid(match kind {
            Some(kind) => {
                format!("Resource type should be {KIND} but found invalid resource type {kind}")
            }
            None => format!("Invalid job template ARN: {arn}"),
        }));
    };
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
        return Err(missing_member("description"));
    }
    limits::check(&body.settings)?;
    let account = &req.account;
    let arn = account.arn(KIND, id);
    let (document, document_source, settings) = match &body.job_arn {
        Some(job_arn) => {
            let state = account.read();
            let name = account.arns.name_of("job", job_arn).unwrap_or_default();
            let job = state
                .jobs
                .job(name)
                .ok_or_else(|| ApiError::not_found(format!("Job {name} cannot be found.")))?;
            let settings = body.settings.over(job.settings.clone());
            let own = body.document.is_some() || body.document_source.is_some();
            let (own, held) = (own.then_some((body.document, body.document_source)), job.clone());
            drop(state);
            match own {
                // The request's document replaces the job's.
                Some((document, source)) => {
                    let document = check::document(account, document.as_deref(), source.as_deref())?;
                    (document, source, settings)
                }
                None => (held.document, held.document_source, settings),
            }
        }
        None => {
            let document =
                check::document(account, body.document.as_deref(), body.document_source.as_deref())?;
            (document, body.document_source, body.settings)
        }
    };
    presign::check(&document, &settings, id)?;
    let versions =
        body.destination_package_versions.map(|v| ("destinationPackageVersions".to_owned(), json!(v)));
    let windows = body.maintenance_windows.filter(|w| !w.is_empty());
    let windows = windows.map(|w| (WINDOWS.to_owned(), json!(w)));
    let template = Template {
        document,
        document_source,
        settings,
        echoed: versions.into_iter().chain(windows).collect(),
        created_ms: account.clock.now_ms(),
    };
    let mut state = account.write();
    if state.jobs.templates.contains(id) {
        let mut conflict =
            ApiError::new(409, "ConflictException", format!("Job Template {id} already exists."));
        conflict.extra.insert("resourceId".into(), id.into());
        return Err(conflict);
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

/// ListJobTemplates, newest first.
///
/// # Errors
/// 400 for a page out of bounds.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let mut templates: Vec<_> = state
        .jobs
        .templates
        .iter()
        .map(|(id, template)| (format!("{:016}{id}", template.created_ms), id, template))
        .collect();
    templates.sort_by(|a, b| b.0.cmp(&a.0));
    let (rows, token) = page.take_descending(templates.into_iter().map(|(key, id, template)| {
        let row = json!({
            "jobTemplateArn": req.account.arn(KIND, id),
            "jobTemplateId": id,
            "description": template.settings.description,
            "createdAt": template.created_ms as f64 / 1000.0,
        });
        (key, row)
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
    Resp::nothing()
}
