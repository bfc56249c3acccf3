//! What CreateJob and UpdateJob are given, checked member by member (docs/aws-iot.md#2.6).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::model::{Scheduling, Settings};
use super::settings;
use crate::account::Account;
use crate::api::arn::Arns;
use crate::api::registry::Registry;
use crate::api::registry::tags::Tag;
use crate::api::{ApiError, s3, validate};

/// Targets of one request.
const MOST_TARGETS: usize = 100;
/// Bytes of a job document.
const LONGEST_DOCUMENT: usize = 32_768;
/// AWS wants a start at least this far ahead, and an end as far behind the start.
const LEAST_NOTICE_MINUTES: i64 = 30;

/// The body of CreateJob.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CreateJob {
    pub(super) targets: Vec<String>,
    pub(super) document: Option<String>,
    pub(super) document_source: Option<String>,
    pub(super) target_selection: Option<String>,
    pub(super) scheduling_config: Option<Scheduling>,
    pub(super) document_parameters: Option<BTreeMap<String, String>>,
    pub(super) job_template_arn: Option<String>,
    pub(super) namespace_id: Option<String>,
    pub(super) destination_package_versions: Option<Vec<String>>,
    pub(super) tags: Vec<Tag>,
    #[serde(flatten)]
    pub(super) settings: Settings,
}

/// Ids of jobs and templates: `[a-zA-Z0-9_-]{1,64}`.
pub(super) fn job_id(field: &str, id: &str) -> Result<(), ApiError> {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if (1..=64).contains(&id.len()) && id.chars().all(word) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "1 validation error detected: Value '{id}' at '{field}' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: [a-zA-Z0-9_-]{{1,64}}"
    )))
}

fn length(field: &str, value: Option<&str>, highest: usize) -> Result<(), ApiError> {
    match value {
        Some(text) if text.chars().count() > highest => Err(ApiError::invalid(format!(
            "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must have length less \
             than or equal to {highest}"
        ))),
        _ => Ok(()),
    }
}

/// Free text of CancelJob and its kin.
pub(super) fn remarks(reason: Option<&str>, comment: Option<&str>) -> Result<(), ApiError> {
    length("reasonCode", reason, 128)?;
    length("comment", comment, 2028)
}

/// Checks target ARNs: 1 to 100, each a thing or a thing group of this account that is there.
pub(super) fn targets(targets: &[String], arns: &Arns, registry: &Registry) -> Result<(), ApiError> {
    if targets.is_empty() || targets.len() > MOST_TARGETS {
        return Err(ApiError::invalid(format!(
            "1 validation error detected: Value at 'targets' failed to satisfy constraint: Member must have between 1 and \
             {MOST_TARGETS} items"
        )));
    }
    for target in targets {
        if let Some(thing) = arns.name_of("thing", target) {
            registry.require_thing(thing)?;
        } else if let Some(group) = arns.name_of("thinggroup", target) {
            registry.require_group(group)?;
        } else {
            let fields: Vec<&str> = target.splitn(6, ':').collect();
            return Err(match fields.as_slice() {
                // One of another region or account is one that is not there.
                ["arn", _, "iot", _, _, name]
                    if name.starts_with("thing/") || name.starts_with("thinggroup/") =>
                {
                    ApiError::not_found(format!("Target {target} not found."))
                }
                _ => ApiError::invalid(format!("Invalid target ARN: {target}")),
            });
        }
    }
    Ok(())
}

impl CreateJob {
    /// Checks all but the targets and the document's source; gives the times of the schedule.
    pub(super) fn check(&self, now_ms: i64, minute_ms: i64) -> Result<Times, ApiError> {
        settings::check(&self.settings)?;
        if let Some(selection) = &self.target_selection {
            validate::one_of("targetSelection", selection, &["SNAPSHOT", "CONTINUOUS"])?;
        }
        if self.document_parameters.as_ref().is_some_and(|p| !p.is_empty()) {
            return Err(ApiError::invalid(
                "documentParameters can only be used with an AWS managed job template",
            ));
        }
        length("namespaceId", self.namespace_id.as_deref(), 64)?;
        self.scheduling_config.as_ref().map_or(Ok(Times::default()), |s| times(s, now_ms, minute_ms))
    }
}

/// The job document, from the request itself or from the S3 object it names.
pub(super) fn document(
    account: &Account,
    given: Option<&str>,
    source: Option<&str>,
) -> Result<String, ApiError> {
    length("documentSource", source, 1350)?;
    let (document, place) = match (given, source) {
        (Some(document), None) => (document.to_owned(), "request input"),
        (None, Some(source)) => (fetched(account, source)?, source),
        (None, None) => {
            return Err(ApiError::invalid("Neither job document nor job document source is specified."));
        }
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "Job document and job document source cannot be specified at the same time.",
            ));
        }
    };
    if document.len() > LONGEST_DOCUMENT {
        return Err(match source {
            Some(source) => ApiError::limit(format!(
                "Job document from {source} exceeds size limit {LONGEST_DOCUMENT} bytes."
            )),
            None => ApiError::invalid(format!("The job document is longer than {LONGEST_DOCUMENT} bytes")),
        });
    }
    if serde_json::from_str::<Value>(&document).is_err() {
        return Err(not_json(place));
    }
    Ok(document)
}

/// The emulator's own address serves S3 too.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Does an address name S3, AWS's or the emulator's own?
pub(super) fn is_s3(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .and_then(|rest| rest.split(['/', ':']).next());
    url.starts_with("s3://")
        || host.is_some_and(|host| {
            host.starts_with("s3.") || host.starts_with("s3-") || host.contains(".s3") || is_here(host)
        })
}

fn not_json(place: &str) -> ApiError {
    ApiError::invalid(format!("Job document located at {place} is an invalid JSON document."))
}

/// The S3 object a source names. The texts are AWS's.
fn fetched(account: &Account, source: &str) -> Result<String, ApiError> {
    if !is_s3(source) {
        return Err(ApiError::invalid(format!("Job document source {source} is invalid.")));
    }
    let (bucket, key) = s3::parse_url(source).ok_or_else(|| {
        ApiError::invalid(format!("Provided S3 url is not valid: {source}. Error: Key cannot be null"))
    })?;
    if !s3::has_bucket(account, &bucket) {
        return Err(ApiError::invalid(format!("Bucket specified by url: {source} is not found.")));
    }
    let object = s3::get_object(account, &bucket, &key);
    let object =
        object.ok_or_else(|| ApiError::invalid(format!("Job document located at {source} is not found.")))?;
    String::from_utf8(object.to_vec()).map_err(|_| not_json(source))
}

/// `schedulingConfig` in epoch milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Times {
    pub(super) start_ms: Option<i64>,
    pub(super) end_ms: Option<i64>,
}

fn times(scheduling: &Scheduling, now_ms: i64, minute_ms: i64) -> Result<Times, ApiError> {
    if scheduling.maintenance_windows.as_ref().is_some_and(|windows| !windows.is_empty()) {
        return Err(ApiError::invalid("maintenanceWindows are not available in this emulator"));
    }
    let notice = LEAST_NOTICE_MINUTES * minute_ms;
    let start_ms = scheduling.start_time.as_deref().map(|text| moment("startTime", text)).transpose()?;
    let end_ms = scheduling.end_time.as_deref().map(|text| moment("endTime", text)).transpose()?;
    if start_ms.is_some_and(|start| start < now_ms + notice) {
        return Err(ApiError::invalid("startTime must be at least 30 minutes after the current time"));
    }
    if end_ms.is_some_and(|end| end < start_ms.unwrap_or(now_ms) + notice) {
        return Err(ApiError::invalid("endTime must be at least 30 minutes after startTime"));
    }
    match (&scheduling.end_behavior, end_ms) {
        (Some(_), None) => Err(ApiError::invalid("endBehavior needs an endTime")),
        (Some(behavior), _) => {
            validate::one_of("endBehavior", behavior, &["STOP_ROLLOUT", "CANCEL", "FORCE_CANCEL"])?;
            Ok(Times { start_ms, end_ms })
        }
        (None, _) => Ok(Times { start_ms, end_ms }),
    }
}

/// ISO-8601, with an offset or (as AWS's console writes it) in UTC without one.
fn moment(field: &str, text: &str) -> Result<i64, ApiError> {
    let with_offset = text.parse::<jiff::Timestamp>();
    let moment = with_offset.or_else(|_| {
        let civil = text.parse::<jiff::civil::DateTime>()?;
        Ok::<_, jiff::Error>(civil.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp())
    });
    moment.map(|m| m.as_millisecond()).map_err(|_| ApiError::invalid(format!("Invalid {field}: {text}")))
}
