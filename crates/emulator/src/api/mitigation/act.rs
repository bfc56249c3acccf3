//! One mitigation action, really applied.

use super::actions::Params;
use crate::account::Account;
use crate::api::audit::findings::described;
use crate::api::audit::{Finding, Resource};
use crate::api::identity::{CertStatus, set_certificate_status};
use crate::api::{ApiError, registry, sns};

/// What an action came to.
pub(super) enum Outcome {
    /// It was done, or was so already.
    Done,
    /// There was nothing to do, for this reason.
    Skipped(String),
    /// It could not be done.
    Failed(ApiError),
}

impl From<Result<(), ApiError>> for Outcome {
    fn from(result: Result<(), ApiError>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) => Self::Failed(error),
        }
    }
}

/// Applies an action to an audit finding. Takes the account's lock itself.
pub(super) fn on_finding(account: &Account, params: &Params, id: &str, finding: &Finding) -> Outcome {
    match params {
        Params::DeviceCertificate { .. } => certificate(&finding.resource)
            .and_then(|id| set_certificate_status(account, id, CertStatus::Inactive))
            .into(),
        Params::CaCertificate { .. } => {
            let id = finding.resource.resource_identifier.ca_certificate_id.as_deref();
            let now = account.clock.now_ms();
            id.ok_or_else(|| ApiError::invalid("The finding is not about a CA certificate"))
                .and_then(|id| account.write().authorities.deactivate(id, now))
                .into()
        }
        Params::Groups { thing_group_names, override_dynamic_groups } => {
            let things = certificate(&finding.resource).and_then(|id| {
                let things = account.read().identity.things_of(id);
                if things.is_empty() {
                    return Err(ApiError::not_found(format!(
                        "No thing is attached to the certificate {id}."
                    )));
                }
                Ok(things)
            });
            things
                .and_then(|things| {
                    let over = override_dynamic_groups.unwrap_or(false);
                    let names: Vec<&str> = things.iter().map(|(name, _)| name.as_str()).collect();
                    add(account, &names, thing_group_names, over)
                })
                .into()
        }
        Params::Policy { .. } => blank_policy(account, &finding.resource),
        Params::Logging { role_arn_for_logging, log_level } => {
            account.write().logging.enable(role_arn_for_logging, log_level).into()
        }
        Params::Sns { topic_arn } => {
            let message = described(id, finding).to_string();
            sns::publish(account, topic_arn, None, &message).map(drop).into()
        }
    }
}

/// Applies an action to a thing in violation: only groups can be given.
pub(super) fn on_thing(account: &Account, params: &Params, thing: &str) -> Outcome {
    match params {
        Params::Groups { thing_group_names, override_dynamic_groups } => {
            add(account, &[thing], thing_group_names, override_dynamic_groups.unwrap_or(false)).into()
        }
        other => {
            let text = format!("{} cannot be applied to a violation", other.kind());
            Outcome::Failed(ApiError::invalid(text))
        }
    }
}

fn certificate(resource: &Resource) -> Result<&str, ApiError> {
    let id = resource.resource_identifier.device_certificate_id.as_deref();
    id.ok_or_else(|| ApiError::invalid("The finding is not about a device certificate"))
}

/// Adds things to groups: all that can be; the first refusal is what is reported.
fn add(account: &Account, things: &[&str], groups: &[String], over: bool) -> Result<(), ApiError> {
    let mut first = Ok(());
    for thing in things {
        for group in groups {
            let result = registry::add_to_group(account, thing, group, over);
            first = first.and(result);
        }
    }
    first
}

/// Puts a blank version in force, unless the version that was found is not in force any more.
fn blank_policy(account: &Account, resource: &Resource) -> Outcome {
    let version = resource.resource_identifier.policy_version_identifier.as_ref();
    let Some((name, found)) =
        version.and_then(|v| Some((v.policy_name.as_deref()?, v.policy_version_id.as_deref()?)))
    else {
        return Outcome::Failed(ApiError::invalid("The finding is not about a policy"));
    };
    let now = account.clock.now_ms();
    let mut state = account.write();
    match state.identity.require_policy(name) {
        Ok(policy) if policy.default.to_string() != found => {
            Outcome::Skipped(format!("Version {found} of policy {name} is not the default version any more."))
        }
        Ok(_) => state.identity.replace_with_blank(name, now).map(drop).into(),
        Err(error) => Outcome::Failed(error),
    }
}
