//! The changing requests of what Detect judges by.

use aws_sdk_iot::types::{CustomMetricType, DimensionType, VerificationState};

use crate::cloud::{Aws, Changes, profile};
use crate::response::plan::detect::request::DetectRequest;
use crate::response::read;
use quell_fleet::Ms;
use quell_rules::detect::profile::SecurityProfile;

use super::{Accepted, Failed, Sent, failed};

/// Sends one request of a granted plan; the caller has the grant.
pub(in crate::response) async fn send(
    c: &Aws,
    door: Changes<'_>,
    request: &DetectRequest,
    now: Ms,
) -> Result<Accepted, Failed> {
    let sent = Sent { action: request.operation(), now };
    match request {
        DetectRequest::CreateProfile { profile } => {
            let alerts = said(profile::alert_targets(profile))?;
            sent.done(
                door.iot()
                    .create_security_profile()
                    .security_profile_name(&profile.security_profile_name)
                    .set_security_profile_description(profile.security_profile_description.clone())
                    .set_behaviors(Some(said(profile::behaviors(profile))?))
                    .set_alert_targets(Some(alerts).filter(|a| !a.is_empty()))
                    .set_additional_metrics_to_retain_v2(Some(said(profile::to_retain(profile))?))
                    .set_metrics_export_config(said(profile::export(profile))?)
                    .send()
                    .await,
            )
        }
        DetectRequest::UpdateProfile { to, was, version } => {
            let version = match version {
                Some(version) => *version,
                None => unchanged(c, was).await?,
            };
            let behaviors = said(profile::behaviors(to))?;
            let alerts = said(profile::alert_targets(to))?;
            let kept = said(profile::to_retain(to))?;
            let export = said(profile::export(to))?;
            // An empty member means "leave it": what is to be empty is asked to be deleted.
            let clear = |empty: bool| empty.then_some(true);
            sent.done(
                door.iot()
                    .update_security_profile()
                    .security_profile_name(&to.security_profile_name)
                    .expected_version(version)
                    .security_profile_description(to.security_profile_description.clone().unwrap_or_default())
                    .set_delete_behaviors(clear(behaviors.is_empty()))
                    .set_behaviors(Some(behaviors).filter(|b| !b.is_empty()))
                    .set_delete_alert_targets(clear(alerts.is_empty()))
                    .set_alert_targets(Some(alerts).filter(|a| !a.is_empty()))
                    .set_delete_additional_metrics_to_retain(clear(kept.is_empty()))
                    .set_additional_metrics_to_retain_v2(Some(kept).filter(|k| !k.is_empty()))
                    .set_delete_metrics_export_config(clear(export.is_none()))
                    .set_metrics_export_config(export)
                    .send()
                    .await,
            )
        }
        DetectRequest::DeleteProfile { was, version } => {
            let version = match version {
                Some(version) => *version,
                None => unchanged(c, was).await?,
            };
            let name = &was.security_profile_name;
            sent.done(
                door.iot()
                    .delete_security_profile()
                    .security_profile_name(name)
                    .expected_version(version)
                    .send()
                    .await,
            )
        }
        DetectRequest::Attach { profile, target } => sent.done(
            door.iot()
                .attach_security_profile()
                .security_profile_name(profile)
                .security_profile_target_arn(target)
                .send()
                .await,
        ),
        DetectRequest::Detach { profile, target } => sent.done(
            door.iot()
                .detach_security_profile()
                .security_profile_name(profile)
                .security_profile_target_arn(target)
                .send()
                .await,
        ),
        DetectRequest::CreateDimension { name, values } => sent.done(
            door.iot()
                .create_dimension()
                .name(name)
                .r#type(DimensionType::TopicFilter)
                .set_string_values(Some(values.clone()))
                .send()
                .await,
        ),
        DetectRequest::UpdateDimension { name, to, .. } => sent
            .done(door.iot().update_dimension().name(name).set_string_values(Some(to.clone())).send().await),
        DetectRequest::DeleteDimension { name, .. } => {
            sent.done(door.iot().delete_dimension().name(name).send().await)
        }
        DetectRequest::CreateMetric { name, kind, display } => sent.done(
            door.iot()
                .create_custom_metric()
                .metric_name(name)
                .metric_type(CustomMetricType::from(kind.as_str()))
                .set_display_name(display.clone())
                .send()
                .await,
        ),
        DetectRequest::DeleteMetric { name, .. } => {
            sent.done(door.iot().delete_custom_metric().metric_name(name).send().await)
        }
        DetectRequest::Verify { violation, state, note, .. } => sent.done(
            door.iot()
                .put_verification_state_on_violation()
                .violation_id(violation)
                .verification_state(VerificationState::from(state.as_str()))
                .set_verification_state_description(Some(note.clone()).filter(|n| !n.is_empty()))
                .send()
                .await,
        ),
    }
}

fn said<T>(value: Result<T, String>) -> Result<T, Failed> {
    value.map_err(|why| Failed::local(&why))
}

/// The version of a profile that is still `was`; anything else was changed by somebody meanwhile.
async fn unchanged(c: &Aws, was: &SecurityProfile) -> Result<i64, Failed> {
    match read::detect::read(c, &was.security_profile_name).await.map_err(|t| failed(t, None))? {
        Some((found, version)) if found.same(was) => Ok(version),
        Some(_) => Err(Failed::local("the profile was changed since: not sent, plan again")),
        None => Err(Failed::local("the profile is gone: not sent")),
    }
}
