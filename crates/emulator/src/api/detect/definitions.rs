//! Dimensions and custom metrics.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::profiles::listing;
use super::{refresh, seconds};
use crate::api::registry::tags::Tag;
use crate::api::{ApiError, Req, Resp, validate as shape};

/// A TOPIC_FILTER dimension. Its name is its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dimension {
    /// The topic filters.
    pub string_values: Vec<String>,
    created_ms: i64,
    modified_ms: i64,
}

/// A custom metric. Its name is its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CustomMetric {
    display_name: Option<String>,
    metric_type: String,
    created_ms: i64,
    modified_ms: i64,
}

impl CustomMetric {
    /// `string-list`, `ip-address-list`, `number-list` or `number`.
    pub(super) fn metric_type(&self) -> &str {
        &self.metric_type
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    r#type: Option<String>,
    string_values: Vec<String>,
    display_name: Option<String>,
    metric_type: String,
    tags: Vec<Tag>,
}

fn check_values(values: &[String]) -> Result<(), ApiError> {
    if values.is_empty() || values.iter().any(|v| v.is_empty() || v.chars().count() > 256) {
        return Err(ApiError::invalid(
            "stringValues must hold at least one topic filter of 1 to 256 characters",
        ));
    }
    Ok(())
}

fn dimension_json(req: &Req, name: &str, d: &Dimension) -> serde_json::Value {
    json!({"name": name, "arn": req.account.arn("dimension", name), "type": "TOPIC_FILTER", "stringValues": d.string_values,
        "creationDate": seconds(d.created_ms), "lastModifiedDate": seconds(d.modified_ms)})
}

/// CreateDimension.
pub fn create_dimension(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("name");
    shape::name("name", name)?;
    let body: Body = req.json()?;
    shape::one_of("type", body.r#type.as_deref().unwrap_or_default(), &["TOPIC_FILTER"])?;
    check_values(&body.string_values)?;
    let arn = req.account.arn("dimension", name);
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    match state.detect.dimensions.get(name) {
        Some(held) if held.string_values == body.string_values => {}
        Some(_) => {
            return Err(ApiError::already_exists(format!("Dimension {name} already exists"), name, &arn));
        }
        None if state.detect.dimensions.len() >= 10 => return Err(ApiError::limit("At most 10 dimensions")),
        None => {
            let row = Dimension { string_values: body.string_values, created_ms: now, modified_ms: now };
            state.registry.set_tags(&arn, &body.tags)?;
            state.detect.dimensions.put(name, row);
        }
    }
    drop(state);
    Resp::json(json!({"name": name, "arn": arn}))
}

/// UpdateDimension.
pub fn update_dimension(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("name");
    let body: Body = req.json()?;
    check_values(&body.string_values)?;
    let now = req.account.clock.now_ms();
    let updated = req.account.write().detect.dimensions.update(name, |d| {
        d.string_values = body.string_values;
        d.modified_ms = now;
        dimension_json(req, name, d)
    });
    refresh(&req.account);
    Resp::json(updated.ok_or_else(|| ApiError::not_found(format!("Dimension {name} cannot be found.")))?)
}

/// DescribeDimension.
pub fn describe_dimension(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("name");
    let state = req.account.read();
    let row = state.detect.dimensions.get(name);
    let row = row.ok_or_else(|| ApiError::not_found(format!("Dimension {name} cannot be found.")))?;
    Resp::json(dimension_json(req, name, row))
}

/// DeleteDimension: idempotent.
pub fn delete_dimension(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("name");
    {
        let mut state = req.account.write();
        state.detect.dimensions.remove(name);
        state.registry.drop_tags(&req.account.arn("dimension", name));
    }
    refresh(&req.account);
    Resp::empty()
}

/// ListDimensions.
pub fn list_dimensions(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let (rows, token) = page.take(state.detect.dimensions.iter().map(|(n, _)| (n, n.into())));
    Resp::json(listing("dimensionNames", rows, token))
}

fn metric_json(req: &Req, name: &str, m: &CustomMetric) -> serde_json::Value {
    json!({"metricName": name, "metricArn": req.account.arn("custommetric", name), "metricType": m.metric_type,
        "displayName": m.display_name.as_deref().unwrap_or_default(),
        "creationDate": seconds(m.created_ms), "lastModifiedDate": seconds(m.modified_ms)})
}

/// CreateCustomMetric.
pub fn create_metric(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("metricName");
    shape::name("metricName", name)?;
    if name.starts_with("aws:") {
        return Err(ApiError::invalid("A custom metric's name must not start with aws:"));
    }
    let body: Body = req.json()?;
    shape::one_of(
        "metricType",
        &body.metric_type,
        &["string-list", "ip-address-list", "number-list", "number"],
    )?;
    let arn = req.account.arn("custommetric", name);
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    match state.detect.custom_metrics.get(name) {
        Some(held) if held.metric_type == body.metric_type && held.display_name == body.display_name => {}
        Some(_) => {
            return Err(ApiError::already_exists(format!("Custom metric {name} already exists"), name, &arn));
        }
        None if state.detect.custom_metrics.len() >= 100 => {
            return Err(ApiError::limit("At most 100 custom metrics"));
        }
        None => {
            let row = CustomMetric {
                display_name: body.display_name,
                metric_type: body.metric_type,
                created_ms: now,
                modified_ms: now,
            };
            state.registry.set_tags(&arn, &body.tags)?;
            state.detect.custom_metrics.put(name, row);
        }
    }
    drop(state);
    Resp::json(json!({"metricName": name, "metricArn": arn}))
}

/// UpdateCustomMetric: the display name only.
pub fn update_metric(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("metricName");
    let body: Body = req.json()?;
    let now = req.account.clock.now_ms();
    let updated = req.account.write().detect.custom_metrics.update(name, |m| {
        m.display_name = body.display_name;
        m.modified_ms = now;
        metric_json(req, name, m)
    });
    Resp::json(updated.ok_or_else(|| ApiError::not_found(format!("Custom metric {name} cannot be found.")))?)
}

/// DescribeCustomMetric.
pub fn describe_metric(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("metricName");
    let state = req.account.read();
    let row = state.detect.custom_metrics.get(name);
    let row = row.ok_or_else(|| ApiError::not_found(format!("Custom metric {name} cannot be found.")))?;
    Resp::json(metric_json(req, name, row))
}

/// DeleteCustomMetric: idempotent; refused while a profile judges or retains it.
pub fn delete_metric(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("metricName");
    let mut state = req.account.write();
    let user = state.detect.profiles.iter().find(|(_, p)| p.uses_metric(name));
    if let Some((profile, _)) = user {
        return Err(ApiError::invalid(format!("Custom metric {name} is used by security profile {profile}")));
    }
    state.detect.custom_metrics.remove(name);
    state.registry.drop_tags(&req.account.arn("custommetric", name));
    Resp::empty()
}

/// ListCustomMetrics.
pub fn list_metrics(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let (rows, token) = page.take(state.detect.custom_metrics.iter().map(|(n, _)| (n, n.into())));
    Resp::json(listing("metricNames", rows, token))
}
