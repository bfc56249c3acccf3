//! Reads of what Detect judges by: security profiles, dimensions, custom metrics, and what was said of violations.

use aws_sdk_iot::types as sdk;
use aws_smithy_types::DateTime;

use quell_fleet::Ms;
use quell_fleet::model::Name;
use quell_rules::detect::profile::SecurityProfile;

use super::call::{Read, failed, one, pages};
use super::{Aws, profile, trouble};

/// The names of the security profiles, or of those that use a dimension or a custom metric (ListSecurityProfiles); `None` when
/// there is no such dimension or metric.
///
/// # Errors
/// When the call fails.
pub async fn profile_names(
    aws: &Aws,
    dimension: Option<&str>,
    metric: Option<&str>,
) -> Read<Option<Vec<String>>> {
    let call = aws.iot.list_security_profiles().max_results(250);
    let call = call.set_dimension_name(dimension.map(str::to_owned));
    let call = call.set_metric_name(metric.map(str::to_owned));
    match pages!(aws, call, "iot:ListSecurityProfiles", security_profile_identifiers) {
        Ok(list) => Ok(Some(list.into_iter().map(|found| found.name).collect())),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:ListSecurityProfiles")),
    }
}

/// A security profile without its targets, and its version (DescribeSecurityProfile); `None` when there is none of that name.
///
/// # Errors
/// When the call fails.
pub async fn profile(aws: &Aws, name: &str) -> Read<Option<(SecurityProfile, i64)>> {
    let call = aws.iot.describe_security_profile().security_profile_name(name);
    match one!(aws, call, "iot:DescribeSecurityProfile", true) {
        Ok(found) => Ok(Some((profile::whole(&found), found.version()))),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:DescribeSecurityProfile")),
    }
}

/// The ARNs of a security profile's targets (ListTargetsForSecurityProfile); `None` when there is no such profile.
///
/// # Errors
/// When the call fails.
pub async fn profile_targets(aws: &Aws, name: &str) -> Read<Option<Vec<String>>> {
    let call = aws.iot.list_targets_for_security_profile().security_profile_name(name).max_results(250);
    match pages!(aws, call, "iot:ListTargetsForSecurityProfile", security_profile_targets) {
        Ok(list) => Ok(Some(list.into_iter().map(|target| target.arn).collect())),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:ListTargetsForSecurityProfile")),
    }
}

/// How many security profiles judge a target (ListSecurityProfilesForTarget).
///
/// # Errors
/// When the call fails.
pub async fn profiles_of_target(aws: &Aws, target: &str) -> Read<usize> {
    let call = aws.iot.list_security_profiles_for_target().security_profile_target_arn(target);
    let list = pages!(aws, call, "iot:ListSecurityProfilesForTarget", security_profile_target_mappings);
    Ok(failed("iot:ListSecurityProfilesForTarget", list)?.len())
}

/// What ValidateSecurityProfileBehaviors says against behaviours, in its words; nothing when they are valid.
///
/// # Errors
/// When the call fails.
pub async fn invalid(aws: &Aws, behaviors: Vec<sdk::Behavior>) -> Read<Vec<String>> {
    const ACTION: &str = "iot:ValidateSecurityProfileBehaviors";
    let call = aws.iot.validate_security_profile_behaviors().set_behaviors(Some(behaviors));
    let answer = failed(ACTION, one!(aws, call, ACTION, true))?;
    if answer.valid() {
        return Ok(Vec::new());
    }
    let said = answer.validation_errors.unwrap_or_default();
    let said: Vec<String> = said.into_iter().filter_map(|error| error.error_message).collect();
    Ok(if said.is_empty() { vec!["the behaviours are not valid".to_owned()] } else { said })
}

/// The filters of a dimension (DescribeDimension); `None` when there is none of that name.
///
/// # Errors
/// When the call fails.
pub async fn dimension(aws: &Aws, name: &str) -> Read<Option<Vec<String>>> {
    match one!(aws, aws.iot.describe_dimension().name(name), "iot:DescribeDimension", true) {
        Ok(found) => Ok(Some(found.string_values.unwrap_or_default())),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:DescribeDimension")),
    }
}

/// The type of a custom metric and what people call it (DescribeCustomMetric); `None` when there is none of that name.
///
/// # Errors
/// When the call fails.
pub async fn custom_metric(aws: &Aws, name: &str) -> Read<Option<(String, Option<String>)>> {
    match one!(aws, aws.iot.describe_custom_metric().metric_name(name), "iot:DescribeCustomMetric", true) {
        Ok(found) => {
            let kind = found.metric_type().map_or("", |kind| kind.as_str()).to_owned();
            Ok(Some((kind, found.display_name.filter(|display| !display.is_empty()))))
        }
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:DescribeCustomMetric")),
    }
}

/// How many violations of a security profile are active, suppressed ones too (ListActiveViolations).
///
/// # Errors
/// When the call fails.
pub async fn active_of_profile(aws: &Aws, name: &str) -> Read<usize> {
    let call = aws.iot.list_active_violations().security_profile_name(name);
    let call = call.list_suppressed_alerts(true).max_results(250);
    let list = pages!(aws, call, "iot:ListActiveViolations", active_violations);
    Ok(failed("iot:ListActiveViolations", list)?.len())
}

/// What somebody said of a violation, exact.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The violation.
    pub id: String,
    /// The device.
    pub thing: Name,
    /// The behaviour's name.
    pub behavior: String,
    /// `TRUE_POSITIVE`, … and why, when somebody judged it.
    pub was: Option<(String, String)>,
}

/// What was said of violations so far: of active ones by the list, of past ones by their events between `from` and `to`, in
/// milliseconds. Those that are in neither are left out.
///
/// # Errors
/// When a call fails.
pub async fn judged(aws: &Aws, ids: &[String], from: Ms, to: Ms) -> Read<Vec<Judged>> {
    let was = |state: Option<&sdk::VerificationState>, note: Option<&str>| {
        state.map(|state| (state.as_str().to_owned(), note.unwrap_or_default().to_owned()))
    };
    let name = |behavior: Option<&sdk::Behavior>| behavior.map(|b| b.name().to_owned()).unwrap_or_default();
    let mut out: Vec<Judged> = Vec::new();
    let call = aws.iot.list_active_violations().list_suppressed_alerts(true).max_results(250);
    let list = pages!(aws, call, "iot:ListActiveViolations", active_violations);
    for found in &failed("iot:ListActiveViolations", list)? {
        let Some(id) = found.violation_id().filter(|id| ids.iter().any(|wanted| wanted == id)) else {
            continue;
        };
        out.push(Judged {
            id: id.to_owned(),
            thing: Name::new(found.thing_name().unwrap_or_default()),
            behavior: name(found.behavior()),
            was: was(found.verification_state(), found.verification_state_description()),
        });
    }
    if out.len() == ids.len() {
        return Ok(out);
    }
    let call = aws.iot.list_violation_events().list_suppressed_alerts(true).max_results(250);
    let call = call.start_time(DateTime::from_millis(from)).end_time(DateTime::from_millis(to));
    let list = pages!(aws, call, "iot:ListViolationEvents", violation_events);
    for found in &failed("iot:ListViolationEvents", list)? {
        let Some(id) = found.violation_id().filter(|id| ids.iter().any(|wanted| wanted == id)) else {
            continue;
        };
        if out.iter().any(|known| known.id == id) {
            continue;
        }
        out.push(Judged {
            id: id.to_owned(),
            thing: Name::new(found.thing_name().unwrap_or_default()),
            behavior: name(found.behavior()),
            was: was(found.verification_state(), found.verification_state_description()),
        });
    }
    Ok(out)
}

/// The status of a mitigation task on violations (DescribeDetectMitigationActionsTask); `None` when there is no such task.
///
/// # Errors
/// When the call fails.
pub async fn mitigation_status(aws: &Aws, task: &str) -> Read<Option<String>> {
    const ACTION: &str = "iot:DescribeDetectMitigationActionsTask";
    match one!(aws, aws.iot.describe_detect_mitigation_actions_task().task_id(task), ACTION, true) {
        Ok(found) => {
            let status = found.task_summary().and_then(|s| s.task_status());
            Ok(status.map(|s| s.as_str().to_owned()))
        }
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, ACTION)),
    }
}
