//! What Detect judges by, in the account: what is read before a change, and how the account shows it afterwards.

use crate::cloud::{Aws, profile, read as cloud, read_detect};
use crate::response::plan::DetectChange;
use crate::response::plan::detect::request::DetectRequest;
use crate::response::plan::detect::{DetectFacts, ViolationFacts};
use quell_fleet::Ms;
use quell_fleet::known::Trouble;
use quell_rules::detect::profile::{SecurityProfile, Target, target_arn};

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
            known(c, &profile.security_profile_name, &mut facts).await?;
            // What is wrong by itself is not worth a call: the plan refuses it anyway.
            if profile.mistakes().is_empty() {
                facts.invalid = invalid(c, profile).await?;
                unknown(c, profile, &mut facts).await?;
            }
            let wanted: Vec<&str> = profile.targets.iter().flatten().map(Target::arn).collect();
            load(c, &wanted, prefix, &mut facts).await?;
        }
        DetectChange::Delete { profile } | DetectChange::Detach { profile, .. } => {
            known(c, profile.raw(), &mut facts).await?;
        }
        DetectChange::Attach { profile, targets } => {
            known(c, profile.raw(), &mut facts).await?;
            let wanted: Vec<&str> = targets.iter().map(String::as_str).collect();
            load(c, &wanted, prefix, &mut facts).await?;
        }
        DetectChange::PutDimension { name, .. } | DetectChange::DeleteDimension { name } => {
            facts.dimension = read_detect::dimension(c, name.raw()).await?;
            if facts.dimension.is_some() {
                facts.used_by =
                    read_detect::profile_names(c, Some(name.raw()), None).await?.unwrap_or_default();
            }
        }
        DetectChange::CreateMetric { name, .. } | DetectChange::DeleteMetric { name } => {
            facts.metric = read_detect::custom_metric(c, name.raw()).await?;
            if facts.metric.is_some() {
                facts.used_by =
                    read_detect::profile_names(c, None, Some(name.raw())).await?.unwrap_or_default();
            }
        }
        DetectChange::Verify { violations, .. } => {
            facts.violations = judged(c, violations, now).await?;
        }
    }
    Ok(facts)
}

/// The profile as it is, and how many of its violations are active.
async fn known(c: &Aws, name: &str, facts: &mut DetectFacts) -> Result<(), Trouble> {
    let Some((profile, version)) = read(c, name).await? else { return Ok(()) };
    facts.profile = Some(profile);
    facts.version = Some(version);
    facts.active = read_detect::active_of_profile(c, name).await?;
    Ok(())
}

/// A profile with its targets, and its version; `None` when there is none of that name.
pub(in crate::response) async fn read(
    c: &Aws,
    name: &str,
) -> Result<Option<(SecurityProfile, i64)>, Trouble> {
    let Some((mut profile, version)) = read_detect::profile(c, name).await? else { return Ok(None) };
    profile.targets = Some(targets(c, name).await?.into_iter().map(Target::Plain).collect());
    Ok(Some((profile, version)))
}

/// The ARNs of a profile's targets; none when there is no such profile.
async fn targets(c: &Aws, name: &str) -> Result<Vec<String>, Trouble> {
    Ok(read_detect::profile_targets(c, name).await?.unwrap_or_default())
}

/// What ValidateSecurityProfileBehaviors says against the behaviours.
async fn invalid(c: &Aws, wanted: &SecurityProfile) -> Result<Vec<String>, Trouble> {
    if wanted.behaviors.is_empty() {
        return Ok(Vec::new());
    }
    let behaviors = match profile::behaviors(wanted) {
        Ok(behaviors) => behaviors,
        Err(why) => return Ok(vec![why]),
    };
    read_detect::invalid(c, behaviors).await
}

/// Dimensions and custom metrics that the profile names and the account does not have.
async fn unknown(c: &Aws, wanted: &SecurityProfile, facts: &mut DetectFacts) -> Result<(), Trouble> {
    for name in wanted.dimensions() {
        if read_detect::dimension(c, name).await?.is_none() {
            facts.unknown.push(format!("dimension {name}"));
        }
    }
    for name in wanted.custom_metrics() {
        if read_detect::custom_metric(c, name).await?.is_none() {
            facts.unknown.push(format!("custom metric {name}"));
        }
    }
    Ok(())
}

/// How many profiles judge each of the targets already.
async fn load(c: &Aws, wanted: &[&str], prefix: &str, facts: &mut DetectFacts) -> Result<(), Trouble> {
    for text in wanted {
        let Ok(arn) = target_arn(text, prefix) else { continue };
        if let Some((_, group)) = arn.split_once(":thinggroup/")
            && cloud::describe_thing_group(c, group).await?.is_none()
        {
            facts.targets.push((arn, None));
            continue;
        }
        let count = read_detect::profiles_of_target(c, &arn).await?;
        facts.targets.push((arn, Some(count)));
    }
    Ok(())
}

/// What was said of violations so far.
async fn judged(c: &Aws, ids: &[String], now: Ms) -> Result<Vec<ViolationFacts>, Trouble> {
    let found = read_detect::judged(c, ids, now - RETENTION, now).await?;
    let facts = |found: read_detect::Judged| ViolationFacts {
        id: found.id,
        thing: found.thing,
        behavior: found.behavior,
        was: found.was,
    };
    Ok(found.into_iter().map(facts).collect())
}

/// Whether the account is as the request would have it.
pub(in crate::response) async fn shows(c: &Aws, request: &DetectRequest, now: Ms) -> Result<bool, Trouble> {
    Ok(match request {
        DetectRequest::CreateProfile { profile } | DetectRequest::UpdateProfile { to: profile, .. } => {
            let found = read(c, &profile.security_profile_name).await?;
            found.is_some_and(|(found, _)| found.same(profile))
        }
        DetectRequest::DeleteProfile { was, .. } => read(c, &was.security_profile_name).await?.is_none(),
        DetectRequest::Attach { profile, target } => targets(c, profile).await?.contains(target),
        DetectRequest::Detach { profile, target } => !targets(c, profile).await?.contains(target),
        DetectRequest::CreateDimension { name, values }
        | DetectRequest::UpdateDimension { name, to: values, .. } => {
            read_detect::dimension(c, name).await?.as_ref() == Some(values)
        }
        DetectRequest::DeleteDimension { name, .. } => read_detect::dimension(c, name).await?.is_none(),
        DetectRequest::CreateMetric { name, kind, display } => {
            read_detect::custom_metric(c, name).await? == Some((kind.clone(), display.clone()))
        }
        DetectRequest::DeleteMetric { name, .. } => read_detect::custom_metric(c, name).await?.is_none(),
        DetectRequest::Verify { violation, state, note, .. } => {
            let found = judged(c, std::slice::from_ref(violation), now).await?;
            let is = found.first().and_then(|v| v.was.clone());
            is.unwrap_or_else(|| ("UNKNOWN".to_owned(), String::new())) == (state.clone(), note.clone())
        }
    })
}
