//! The account's audit settings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::checks::{self, CHECKS};
use super::{CheckSettings, Configuration, NotificationTarget, ONLY, check_role};
use crate::api::arn::is_of;
use crate::api::{ApiError, Req, Resp, validate, when};

/// Thresholds and the check each belongs to; days from 30 to ten years.
const THRESHOLDS: [(&str, &str); 2] = [
    ("DEVICE_CERTIFICATE_AGE_CHECK", "CERT_AGE_THRESHOLD_IN_DAYS"),
    ("DEVICE_CERTIFICATE_EXPIRING_CHECK", "CERT_EXPIRATION_THRESHOLD_IN_DAYS"),
];

/// DescribeAccountAuditConfiguration: every check, whether it was ever set or not.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let state = req.account.read();
    let held = state.audit.configuration.get(ONLY).cloned().unwrap_or_default();
    let mut body = Map::new();
    if !held.role.is_empty() {
        body.insert("roleArn".into(), held.role.into());
    }
    body.insert("auditNotificationTargetConfigurations".into(), json!(held.targets));
    let checks: Map<String, Value> = CHECKS
        .iter()
        .map(|check| {
            let settings = held.checks.get(check.name).cloned().unwrap_or_default();
            (check.name.to_owned(), json!(settings))
        })
        .collect();
    body.insert("auditCheckConfigurations".into(), checks.into());
    Resp::json(Value::Object(body))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Update {
    role_arn: Option<String>,
    audit_notification_target_configurations: BTreeMap<String, NotificationTarget>,
    audit_check_configurations: Option<BTreeMap<String, CheckSettings>>,
}

fn check_settings(name: &str, settings: &CheckSettings) -> Result<(), ApiError> {
    checks::require(name)?;
    for (key, value) in &settings.configuration {
        let belongs = THRESHOLDS.iter().any(|(check, threshold)| *check == name && threshold == key);
        if !belongs {
            return Err(ApiError::invalid(format!("{key} is not a setting of the audit check {name}")));
        }
        if !value.parse::<i64>().is_ok_and(|days| (30..=3652).contains(&days)) {
            return Err(ApiError::invalid(format!("{key} must be between 30 and 3652 days: {value}")));
        }
    }
    Ok(())
}

/// UpdateAccountAuditConfiguration: the first call sets the role and the checks; later ones change what they name. A check a
/// scheduled audit uses cannot be disabled.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let body: Update = req.json()?;
    let mut state = req.account.write();
    let held = state.audit.configuration.get(ONLY).cloned();
    if held.is_none() && (body.role_arn.is_none() || body.audit_check_configurations.is_none()) {
        return Err(ApiError::invalid(
            "roleArn and auditCheckConfigurations are required when audits are configured for the first time",
        ));
    }
    let mut configuration = held.unwrap_or_else(Configuration::default);
    if let Some(role) = body.role_arn {
        check_role("roleArn", &role)?;
        configuration.role = role;
    }
    for (kind, target) in body.audit_notification_target_configurations {
        validate::one_of("auditNotificationTargetConfigurations", &kind, &["SNS"])?;
        if let Some(role) = &target.role_arn {
            check_role("auditNotificationTargetConfigurations.roleArn", role)?;
        }
        if target.enabled && !target.target_arn.as_deref().is_some_and(|t| is_of("sns", t)) {
            return Err(ApiError::invalid("targetArn must be the ARN of an SNS topic"));
        }
        configuration.targets.insert(kind, target);
    }
    for (name, settings) in body.audit_check_configurations.unwrap_or_default() {
        check_settings(&name, &settings)?;
        if !settings.enabled
            && let Some((user, _)) = state.audit.schedules.iter().find(|(_, s)| s.checks.contains(&name))
        {
            return Err(ApiError::invalid(format!(
                "The audit check {name} cannot be disabled: the scheduled audit {user} uses it"
            )));
        }
        configuration.checks.insert(name, settings);
    }
    state.audit.configuration.put(ONLY, configuration);
    Resp::empty()
}

/// DeleteAccountAuditConfiguration: all checks are off again. Scheduled audits must go along.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let mut state = req.account.write();
    if !state.audit.configuration.contains(ONLY) {
        return Err(ApiError::not_found("There is no audit configuration in this account."));
    }
    let scheduled: Vec<String> = state.audit.schedules.iter().map(|(name, _)| name.to_owned()).collect();
    if !scheduled.is_empty() && !req.flag("deleteScheduledAudits") {
        return Err(ApiError::invalid(
            "The account has scheduled audits; delete them, or set deleteScheduledAudits",
        ));
    }
    for name in scheduled {
        state.registry.drop_tags(&req.account.arn("scheduledaudit", &name));
        state.audit.schedules.remove(&name);
    }
    state.audit.configuration.remove(ONLY);
    Resp::empty()
}

/// A required list of check names.
pub(super) fn required_checks(names: Option<Vec<String>>) -> Result<Vec<String>, ApiError> {
    names.ok_or_else(|| when::missing("targetCheckNames"))
}
