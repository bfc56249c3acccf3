//! Security profiles: create, update, describe, delete, list, validate.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{DetectStore, SecurityProfile, check, refresh, seconds};
use crate::account::Account;
use crate::api::registry::tags::Tag;
use crate::api::{ApiError, Req, Resp, validate as shape};
use quell_rules::detect::model::Behavior;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ProfileBody {
    security_profile_description: Option<String>,
    behaviors: Option<Vec<Behavior>>,
    alert_targets: Option<Value>,
    additional_metrics_to_retain: Option<Vec<String>>,
    #[serde(rename = "additionalMetricsToRetainV2")]
    retain_v2: Option<Vec<Value>>,
    metrics_export_config: Option<Value>,
    tags: Vec<Tag>,
    delete_behaviors: bool,
    delete_alert_targets: bool,
    delete_additional_metrics_to_retain: bool,
    delete_metrics_export_config: bool,
}

impl ProfileBody {
    /// Both spellings of the metrics to retain, as the newer one.
    fn retained(&mut self) -> Option<Vec<Value>> {
        let newer = self.retain_v2.take();
        let older = self.additional_metrics_to_retain.take();
        newer.or_else(|| Some(older?.into_iter().map(|m| json!({"metric": m})).collect()))
    }

    /// Everything but the behaviors.
    fn check_others(&self, store: &DetectStore, retain: &[Value]) -> Result<(), ApiError> {
        if self.security_profile_description.as_ref().is_some_and(|t| t.chars().count() > 1000) {
            return Err(ApiError::invalid("securityProfileDescription must have length at most 1000"));
        }
        check::retained(store, retain)?;
        self.alert_targets.as_ref().map_or(Ok(()), check::alert_targets)?;
        self.metrics_export_config.as_ref().map_or(Ok(()), check::export)
    }
}

/// The refusal when `name` is no profile's.
pub(super) fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("Security profile {name} cannot be found."))
}

fn check_behaviors(store: &DetectStore, behaviors: &[Behavior]) -> Result<(), ApiError> {
    match check::behaviors(store, behaviors).as_slice() {
        [] => Ok(()),
        errors => Err(ApiError::invalid(errors.join("; "))),
    }
}

/// CreateSecurityProfile.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("securityProfileName");
    shape::name("securityProfileName", name)?;
    let mut body: ProfileBody = req.json()?;
    let retain = body.retained().unwrap_or_default();
    let behaviors = body.behaviors.take().unwrap_or_default();
    let arn = req.account.arn("securityprofile", name);
    {
        let mut state = req.account.write();
        check_behaviors(&state.detect, &behaviors)?;
        body.check_others(&state.detect, &retain)?;
        if state.detect.profiles.contains(name) {
            return Err(ApiError::already_exists(
                format!("Security profile {name} already exists"),
                name,
                &arn,
            ));
        }
        state.registry.set_tags(&arn, &body.tags)?;
        let now = req.account.clock.now_ms();
        let profile = SecurityProfile {
            description: body.security_profile_description,
            behaviors,
            alert_targets: body.alert_targets,
            retain,
            export: body.metrics_export_config,
            version: 1,
            created_ms: now,
            modified_ms: now,
            ..SecurityProfile::default()
        };
        state.detect.profiles.put(name, profile);
    }
    refresh(&req.account);
    Resp::json(json!({"securityProfileName": name, "securityProfileArn": arn}))
}

fn expected_version(req: &Req) -> Result<Option<i64>, ApiError> {
    req.query("expectedVersion")
        .map(|text| text.parse().map_err(|_| ApiError::invalid("expectedVersion must be a number")))
        .transpose()
}

fn check_version(name: &str, profile: &SecurityProfile, expected: Option<i64>) -> Result<(), ApiError> {
    if expected.is_some_and(|v| v != profile.version) {
        return Err(ApiError::version_conflict(format!(
            "The version of security profile {name} is {}, not the expected one",
            profile.version
        )));
    }
    Ok(())
}

/// UpdateSecurityProfile.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("securityProfileName");
    let mut body: ProfileBody = req.json()?;
    let retain = body.retained();
    for (given, delete, member) in [
        (body.behaviors.is_some(), body.delete_behaviors, "behaviors"),
        (body.alert_targets.is_some(), body.delete_alert_targets, "alertTargets"),
        (retain.is_some(), body.delete_additional_metrics_to_retain, "additionalMetricsToRetain"),
        (body.metrics_export_config.is_some(), body.delete_metrics_export_config, "metricsExportConfig"),
    ] {
        if given && delete {
            return Err(ApiError::invalid(format!("{member} cannot be given and deleted in one request")));
        }
    }
    let expected = expected_version(req)?;
    let now = req.account.clock.now_ms();
    let described = {
        let mut state = req.account.write();
        check_behaviors(&state.detect, body.behaviors.as_deref().unwrap_or_default())?;
        body.check_others(&state.detect, retain.as_deref().unwrap_or_default())?;
        let held = state.detect.profiles.get(name).ok_or_else(|| missing(name))?;
        check_version(name, held, expected)?;
        state.detect.profiles.update(name, |p| {
            p.description = body.security_profile_description.or(p.description.take());
            if let Some(behaviors) = body.behaviors {
                p.behaviors = behaviors;
            }
            p.alert_targets = body.alert_targets.or(p.alert_targets.take());
            if let Some(retain) = retain {
                p.retain = retain;
            }
            p.export = body.metrics_export_config.or(p.export.take());
            if body.delete_behaviors {
                p.behaviors.clear();
            }
            if body.delete_alert_targets {
                p.alert_targets = None;
            }
            if body.delete_additional_metrics_to_retain {
                p.retain.clear();
            }
            if body.delete_metrics_export_config {
                p.export = None;
            }
            p.version += 1;
            p.modified_ms = now;
        });
        let held = state.detect.profiles.get(name).ok_or_else(|| missing(name))?;
        description(&req.account, name, held)
    };
    refresh(&req.account);
    Resp::json(described)
}

fn description(account: &Account, name: &str, profile: &SecurityProfile) -> Value {
    let mut out = Map::new();
    out.insert("securityProfileName".into(), name.into());
    out.insert("securityProfileArn".into(), account.arn("securityprofile", name).into());
    if let Some(text) = &profile.description {
        out.insert("securityProfileDescription".into(), text.as_str().into());
    }
    out.insert("behaviors".into(), json!(profile.behaviors));
    if let Some(targets) = &profile.alert_targets {
        out.insert("alertTargets".into(), targets.clone());
    }
    let metrics: Vec<&Value> = profile.retain.iter().filter_map(|m| m.get("metric")).collect();
    out.insert("additionalMetricsToRetain".into(), json!(metrics));
    out.insert("additionalMetricsToRetainV2".into(), json!(profile.retain));
    out.insert("version".into(), profile.version.into());
    out.insert("creationDate".into(), seconds(profile.created_ms).into());
    out.insert("lastModifiedDate".into(), seconds(profile.modified_ms).into());
    if let Some(export) = &profile.export {
        out.insert("metricsExportConfig".into(), export.clone());
    }
    Value::Object(out)
}

/// DescribeSecurityProfile.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("securityProfileName");
    let state = req.account.read();
    let profile = state.detect.profile(name).ok_or_else(|| missing(name))?;
    Resp::json(description(&req.account, name, profile))
}

/// DeleteSecurityProfile: idempotent.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("securityProfileName");
    let expected = expected_version(req)?;
    {
        let mut state = req.account.write();
        if let Some(held) = state.detect.profiles.get(name) {
            check_version(name, held, expected)?;
            state.detect.profiles.remove(name);
            state.registry.drop_tags(&req.account.arn("securityprofile", name));
        }
    }
    refresh(&req.account);
    Resp::empty()
}

/// ListSecurityProfiles.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 250)?;
    let (metric, dimension) = (req.query("metricName"), req.query("dimensionName"));
    if metric.is_some() && dimension.is_some() {
        return Err(ApiError::invalid("metricName and dimensionName cannot be given together"));
    }
    let state = req.account.read();
    let rows = state.detect.profiles.iter().filter(|(_, p)| {
        metric.is_none_or(|m| p.uses_metric(m)) && dimension.is_none_or(|d| p.uses_dimension(d))
    });
    let (rows, token) =
        page.take(rows.map(|(n, _)| (n, json!({"name": n, "arn": req.account.arn("securityprofile", n)}))));
    Resp::json(listing("securityProfileIdentifiers", rows, token))
}

/// `{name: rows, nextToken}`; no token on the last page.
pub(super) fn listing(name: &str, rows: Vec<Value>, token: Option<String>) -> Value {
    let mut out = Map::new();
    out.insert(name.into(), rows.into());
    if let Some(token) = token {
        out.insert("nextToken".into(), token.into());
    }
    Value::Object(out)
}

/// ValidateSecurityProfileBehaviors.
pub fn validate_behaviors(req: &Req) -> Result<Resp, ApiError> {
    #[derive(Deserialize)]
    struct Body {
        behaviors: Vec<Behavior>,
    }
    let body: Body = req.json()?;
    let errors = check::behaviors(&req.account.read().detect, &body.behaviors);
    let listed: Vec<Value> = errors.iter().map(|e| json!({"errorMessage": e})).collect();
    Resp::json(json!({"valid": errors.is_empty(), "validationErrors": listed}))
}
