//! What audits found.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Finding, ResourceIdentifier, checks, suppressions};
use crate::api::request::Page;
use crate::api::{ApiError, Req, Resp, when};

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Audit finding {id} cannot be found."))
}

/// A finding as DescribeAuditFinding gives it; also what a mitigation action tells a topic.
pub fn described(id: &str, finding: &Finding) -> Value {
    json!({
        "findingId": id,
        "taskId": finding.task,
        "checkName": finding.check,
        "taskStartTime": when::seconds(finding.task_start_ms),
        "findingTime": when::seconds(finding.at_ms),
        "severity": checks::find(&finding.check).map_or("LOW", |c| c.severity),
        "nonCompliantResource": finding.resource,
        "relatedResources": finding.related,
        "reasonForNonCompliance": finding.reason,
        "reasonForNonComplianceCode": finding.code,
        "isSuppressed": finding.suppressed,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListBody {
    task_id: Option<String>,
    check_name: Option<String>,
    resource_identifier: Option<ResourceIdentifier>,
    start_time: Option<f64>,
    end_time: Option<f64>,
    list_suppressed_findings: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// ListAuditFindings: of one audit or of a time; suppressed ones only, all but those, or both when not said.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let body: ListBody = req.json()?;
    let time = |name: &str, seconds: f64| {
        when::millis(seconds).ok_or_else(|| ApiError::invalid(format!("{name} is not a time: {seconds}")))
    };
    let range = match (&body.task_id, body.start_time, body.end_time) {
        (Some(_), None, None) => i64::MIN..=i64::MAX,
        (None, Some(start), Some(end)) => when::range(time("startTime", start)?, time("endTime", end)?)?,
        _ => return Err(ApiError::invalid("Either taskId, or both startTime and endTime, must be given")),
    };
    if let Some(name) = &body.check_name {
        checks::require(name)?;
    }
    let page = Page::of_body(body.max_results, body.next_token.as_deref(), 250)?;
    let state = req.account.read();
    let rows = state
        .audit
        .findings
        .after(page.after.as_deref())
        .filter(|(_, f)| range.contains(&f.at_ms))
        .filter(|(_, f)| body.task_id.as_ref().is_none_or(|id| *id == f.task))
        .filter(|(_, f)| body.check_name.as_ref().is_none_or(|name| *name == f.check))
        .filter(|(_, f)| body.list_suppressed_findings.is_none_or(|wanted| wanted == f.suppressed))
        .filter(|(_, f)| {
            let wanted = body.resource_identifier.as_ref();
            wanted.is_none_or(|id| suppressions::names(&req.account, id, &f.resource.resource_identifier))
        })
        .map(|(id, f)| (id, described(id, f)));
    let (findings, next) = page.take(rows);
    Resp::page("findings", findings, next)
}

/// DescribeAuditFinding.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("findingId");
    super::check_id("findingId", id, 128)?;
    let state = req.account.read();
    let finding = state.audit.findings.get(id).ok_or_else(|| missing(id))?;
    Resp::json(json!({"finding": described(id, finding)}))
}

/// ListRelatedResourcesForAuditFinding.
pub fn related(req: &Req) -> Result<Resp, ApiError> {
    let id = req.query("findingId").ok_or_else(|| when::missing("findingId"))?;
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let finding = state.audit.findings.get(id).ok_or_else(|| missing(id))?;
    let rows = finding.related.iter().enumerate().map(|(n, r)| (format!("{n:06}"), json!(r)));
    let (resources, next) = page.take(rows);
    Resp::page("relatedResources", resources, next)
}
