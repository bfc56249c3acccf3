//! What Detect judges by, in the account: what is read before a change, the changing requests themselves, and how the
//! account shows them afterwards.

use aws_sdk_iot::types::{CustomMetricType, DimensionType, VerificationState};
use aws_smithy_types::DateTime;

use crate::cloud::{Aws, profile};
use quell_fleet::Ms;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_rules::detect::profile::{SecurityProfile, Target, target_arn};

use super::aws::{not_found, trouble};
use super::execute::{Accepted, Failed, Sent, failed};
use super::plan::DetectChange;
use super::plan::detect::request::DetectRequest;
use super::plan::detect::{DetectFacts, ViolationFacts};

/// AWS keeps violation events this long.
const RETENTION: Ms = 30 * 24 * 3_600_000;

/// Everything a plan for `change` needs to know.
pub(in crate::response) async fn facts(
    c: &Aws,
    change: &DetectChange,
    prefix: &str,
    now: Ms,
) -> Result<DetectFacts, Trouble> {
    let mut facts = DetectFacts::default();
    match change {
        DetectChange::Apply { profile, .. } => {
            known(c, &profile.security_profile_name, &mut facts, now).await?;
            // What is wrong by itself is not worth a call: the plan refuses it anyway.
            if profile.mistakes().is_empty() {
                facts.invalid = invalid(c, profile, now).await?;
                unknown(c, profile, &mut facts, now).await?;
            }
            let wanted: Vec<&str> = profile.targets.iter().flatten().map(Target::arn).collect();
            load(c, &wanted, prefix, &mut facts, now).await?;
        }
        DetectChange::Delete { profile } | DetectChange::Detach { profile, .. } => {
            known(c, profile.raw(), &mut facts, now).await?;
        }
        DetectChange::Attach { profile, targets } => {
            known(c, profile.raw(), &mut facts, now).await?;
            let wanted: Vec<&str> = targets.iter().map(String::as_str).collect();
            load(c, &wanted, prefix, &mut facts, now).await?;
        }
        DetectChange::PutDimension { name, .. } | DetectChange::DeleteDimension { name } => {
            facts.dimension = dimension(c, name.raw(), now).await?;
            if facts.dimension.is_some() {
                facts.used_by = using(c, Some(name.raw()), None, now).await?;
            }
        }
        DetectChange::CreateMetric { name, .. } | DetectChange::DeleteMetric { name } => {
            facts.metric = metric(c, name.raw(), now).await?;
            if facts.metric.is_some() {
                facts.used_by = using(c, None, Some(name.raw()), now).await?;
            }
        }
        DetectChange::Verify { violations, .. } => {
            facts.violations = judged(c, violations, now).await?;
        }
    }
    Ok(facts)
}

/// The profile as it is, and how many of its violations are active.
async fn known(c: &Aws, name: &str, facts: &mut DetectFacts, now: Ms) -> Result<(), Trouble> {
    let Some((profile, version)) = read(c, name, now).await? else { return Ok(()) };
    facts.profile = Some(profile);
    facts.version = Some(version);
    let call = c.iot.list_active_violations().security_profile_name(name).list_suppressed_alerts(true);
    let mut pages = call.into_paginator().items().send();
    while let Some(found) = pages.next().await {
        found.map_err(|e| trouble(&e, "iot:ListActiveViolations", now))?;
        facts.active += 1;
    }
    Ok(())
}

/// DescribeSecurityProfile with its targets, and its version; `None` when there is none of that name.
async fn read(c: &Aws, name: &str, now: Ms) -> Result<Option<(SecurityProfile, i64)>, Trouble> {
    let found = match c.iot.describe_security_profile().security_profile_name(name).send().await {
        Ok(found) => found,
        Err(e) if not_found(&e) => return Ok(None),
        Err(e) => return Err(trouble(&e, "iot:DescribeSecurityProfile", now)),
    };
    let mut profile = profile::whole(&found);
    profile.targets = Some(targets(c, name, now).await?.into_iter().map(Target::Plain).collect());
    Ok(Some((profile, found.version())))
}

/// The ARNs of a profile's targets; none when there is no such profile.
async fn targets(c: &Aws, name: &str, now: Ms) -> Result<Vec<String>, Trouble> {
    let call = c.iot.list_targets_for_security_profile().security_profile_name(name);
    let mut pages = call.into_paginator().items().send();
    let mut out = Vec::new();
    while let Some(found) = pages.next().await {
        match found {
            Ok(found) => out.push(found.arn().to_owned()),
            Err(e) if not_found(&e) => return Ok(Vec::new()),
            Err(e) => return Err(trouble(&e, "iot:ListTargetsForSecurityProfile", now)),
        }
    }
    Ok(out)
}

/// What ValidateSecurityProfileBehaviors says against the behaviours.
async fn invalid(c: &Aws, wanted: &SecurityProfile, now: Ms) -> Result<Vec<String>, Trouble> {
    if wanted.behaviors.is_empty() {
        return Ok(Vec::new());
    }
    let behaviors = match profile::behaviors(wanted) {
        Ok(behaviors) => behaviors,
        Err(why) => return Ok(vec![why]),
    };
    let asked = c.iot.validate_security_profile_behaviors().set_behaviors(Some(behaviors)).send().await;
    let answer = asked.map_err(|e| trouble(&e, "iot:ValidateSecurityProfileBehaviors", now))?;
    if answer.valid() {
        return Ok(Vec::new());
    }
    let said: Vec<String> =
        answer.validation_errors().iter().filter_map(|e| e.error_message()).map(str::to_owned).collect();
    Ok(if said.is_empty() { vec!["the behaviours are not valid".to_owned()] } else { said })
}

/// Dimensions and custom metrics that the profile names and the account does not have.
async fn unknown(c: &Aws, wanted: &SecurityProfile, facts: &mut DetectFacts, now: Ms) -> Result<(), Trouble> {
    for name in wanted.dimensions() {
        if dimension(c, name, now).await?.is_none() {
            facts.unknown.push(format!("dimension {name}"));
        }
    }
    for name in wanted.custom_metrics() {
        if metric(c, name, now).await?.is_none() {
            facts.unknown.push(format!("custom metric {name}"));
        }
    }
    Ok(())
}

/// How many profiles judge each of the targets already.
async fn load(
    c: &Aws,
    wanted: &[&str],
    prefix: &str,
    facts: &mut DetectFacts,
    now: Ms,
) -> Result<(), Trouble> {
    for text in wanted {
        let Ok(arn) = target_arn(text, prefix) else { continue };
        if let Some((_, group)) = arn.split_once(":thinggroup/") {
            match c.iot.describe_thing_group().thing_group_name(group).send().await {
                Ok(_) => {}
                Err(e) if not_found(&e) => {
                    facts.targets.push((arn, None));
                    continue;
                }
                Err(e) => return Err(trouble(&e, "iot:DescribeThingGroup", now)),
            }
        }
        let call = c.iot.list_security_profiles_for_target().security_profile_target_arn(&arn);
        let mut pages = call.into_paginator().items().send();
        let mut count = 0;
        while let Some(found) = pages.next().await {
            found.map_err(|e| trouble(&e, "iot:ListSecurityProfilesForTarget", now))?;
            count += 1;
        }
        facts.targets.push((arn, Some(count)));
    }
    Ok(())
}

async fn dimension(c: &Aws, name: &str, now: Ms) -> Result<Option<Vec<String>>, Trouble> {
    match c.iot.describe_dimension().name(name).send().await {
        Ok(found) => Ok(Some(found.string_values().to_vec())),
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:DescribeDimension", now)),
    }
}

async fn metric(c: &Aws, name: &str, now: Ms) -> Result<Option<(String, Option<String>)>, Trouble> {
    match c.iot.describe_custom_metric().metric_name(name).send().await {
        Ok(found) => {
            let kind = found.metric_type().map_or("", |t| t.as_str()).to_owned();
            Ok(Some((kind, found.display_name().filter(|d| !d.is_empty()).map(str::to_owned))))
        }
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:DescribeCustomMetric", now)),
    }
}

/// Names of the profiles that use a dimension or a custom metric.
async fn using(
    c: &Aws,
    dimension: Option<&str>,
    metric: Option<&str>,
    now: Ms,
) -> Result<Vec<String>, Trouble> {
    let call = c.iot.list_security_profiles();
    let call = call.set_dimension_name(dimension.map(str::to_owned));
    let call = call.set_metric_name(metric.map(str::to_owned));
    let mut pages = call.into_paginator().items().send();
    let mut out = Vec::new();
    while let Some(found) = pages.next().await {
        match found {
            Ok(found) => out.push(found.name().to_owned()),
            Err(e) if not_found(&e) => return Ok(Vec::new()),
            Err(e) => return Err(trouble(&e, "iot:ListSecurityProfiles", now)),
        }
    }
    Ok(out)
}

/// What was said of violations so far: of active ones by the list, of past ones by their newest event.
async fn judged(c: &Aws, ids: &[String], now: Ms) -> Result<Vec<ViolationFacts>, Trouble> {
    let mut out: Vec<ViolationFacts> = Vec::new();
    let mut pages =
        c.iot.list_active_violations().list_suppressed_alerts(true).into_paginator().items().send();
    while let Some(found) = pages.next().await {
        let found = found.map_err(|e| trouble(&e, "iot:ListActiveViolations", now))?;
        let Some(id) = found.violation_id().filter(|id| ids.iter().any(|wanted| wanted == id)) else {
            continue;
        };
        out.push(ViolationFacts {
            id: id.to_owned(),
            thing: Name::new(found.thing_name().unwrap_or_default()),
            behavior: found.behavior().map(|b| b.name().to_owned()).unwrap_or_default(),
            was: was(found.verification_state(), found.verification_state_description()),
        });
    }
    if out.len() == ids.len() {
        return Ok(out);
    }
    let call = c.iot.list_violation_events().list_suppressed_alerts(true);
    let call = call.start_time(DateTime::from_millis(now - RETENTION)).end_time(DateTime::from_millis(now));
    let mut pages = call.into_paginator().items().send();
    while let Some(found) = pages.next().await {
        let found = found.map_err(|e| trouble(&e, "iot:ListViolationEvents", now))?;
        let Some(id) = found.violation_id().filter(|id| ids.iter().any(|wanted| wanted == id)) else {
            continue;
        };
        if out.iter().any(|known| known.id == id) {
            continue;
        }
        out.push(ViolationFacts {
            id: id.to_owned(),
            thing: Name::new(found.thing_name().unwrap_or_default()),
            behavior: found.behavior().map(|b| b.name().to_owned()).unwrap_or_default(),
            was: was(found.verification_state(), found.verification_state_description()),
        });
    }
    Ok(out)
}

fn was(state: Option<&VerificationState>, note: Option<&str>) -> Option<(String, String)> {
    state.map(|state| (state.as_str().to_owned(), note.unwrap_or_default().to_owned()))
}

/// Sends one request of a granted plan; the caller has the grant.
pub(in crate::response) async fn send(c: &Aws, request: &DetectRequest, now: Ms) -> Result<Accepted, Failed> {
    let sent = Sent { action: request.operation(), now };
    match request {
        DetectRequest::CreateProfile { profile } => {
            let alerts = said(profile::alert_targets(profile))?;
            sent.done(
                c.iot
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
                None => unchanged(c, was, now).await?,
            };
            let behaviors = said(profile::behaviors(to))?;
            let alerts = said(profile::alert_targets(to))?;
            let kept = said(profile::to_retain(to))?;
            let export = said(profile::export(to))?;
            // An empty member means "leave it": what is to be empty is asked to be deleted.
            let clear = |empty: bool| empty.then_some(true);
            sent.done(
                c.iot
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
                None => unchanged(c, was, now).await?,
            };
            let name = &was.security_profile_name;
            sent.done(
                c.iot
                    .delete_security_profile()
                    .security_profile_name(name)
                    .expected_version(version)
                    .send()
                    .await,
            )
        }
        DetectRequest::Attach { profile, target } => sent.done(
            c.iot
                .attach_security_profile()
                .security_profile_name(profile)
                .security_profile_target_arn(target)
                .send()
                .await,
        ),
        DetectRequest::Detach { profile, target } => sent.done(
            c.iot
                .detach_security_profile()
                .security_profile_name(profile)
                .security_profile_target_arn(target)
                .send()
                .await,
        ),
        DetectRequest::CreateDimension { name, values } => sent.done(
            c.iot
                .create_dimension()
                .name(name)
                .r#type(DimensionType::TopicFilter)
                .set_string_values(Some(values.clone()))
                .send()
                .await,
        ),
        DetectRequest::UpdateDimension { name, to, .. } => {
            sent.done(c.iot.update_dimension().name(name).set_string_values(Some(to.clone())).send().await)
        }
        DetectRequest::DeleteDimension { name, .. } => {
            sent.done(c.iot.delete_dimension().name(name).send().await)
        }
        DetectRequest::CreateMetric { name, kind, display } => sent.done(
            c.iot
                .create_custom_metric()
                .metric_name(name)
                .metric_type(CustomMetricType::from(kind.as_str()))
                .set_display_name(display.clone())
                .send()
                .await,
        ),
        DetectRequest::DeleteMetric { name, .. } => {
            sent.done(c.iot.delete_custom_metric().metric_name(name).send().await)
        }
        DetectRequest::Verify { violation, state, note, .. } => sent.done(
            c.iot
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
async fn unchanged(c: &Aws, was: &SecurityProfile, now: Ms) -> Result<i64, Failed> {
    match read(c, &was.security_profile_name, now).await.map_err(|t| failed(t, None))? {
        Some((found, version)) if found.same(was) => Ok(version),
        Some(_) => Err(Failed::local("the profile was changed since: not sent, plan again")),
        None => Err(Failed::local("the profile is gone: not sent")),
    }
}

/// Whether the account is as the request would have it.
pub(in crate::response) async fn shows(c: &Aws, request: &DetectRequest, now: Ms) -> Result<bool, Trouble> {
    Ok(match request {
        DetectRequest::CreateProfile { profile } | DetectRequest::UpdateProfile { to: profile, .. } => {
            let found = read(c, &profile.security_profile_name, now).await?;
            found.is_some_and(|(found, _)| found.same(profile))
        }
        DetectRequest::DeleteProfile { was, .. } => read(c, &was.security_profile_name, now).await?.is_none(),
        DetectRequest::Attach { profile, target } => targets(c, profile, now).await?.contains(target),
        DetectRequest::Detach { profile, target } => !targets(c, profile, now).await?.contains(target),
        DetectRequest::CreateDimension { name, values }
        | DetectRequest::UpdateDimension { name, to: values, .. } => {
            dimension(c, name, now).await?.as_ref() == Some(values)
        }
        DetectRequest::DeleteDimension { name, .. } => dimension(c, name, now).await?.is_none(),
        DetectRequest::CreateMetric { name, kind, display } => {
            metric(c, name, now).await? == Some((kind.clone(), display.clone()))
        }
        DetectRequest::DeleteMetric { name, .. } => metric(c, name, now).await?.is_none(),
        DetectRequest::Verify { violation, state, note, .. } => {
            let found = judged(c, std::slice::from_ref(violation), now).await?;
            let is = found.first().and_then(|v| v.was.clone());
            is.unwrap_or_else(|| ("UNKNOWN".to_owned(), String::new())) == (state.clone(), note.clone())
        }
    })
}
