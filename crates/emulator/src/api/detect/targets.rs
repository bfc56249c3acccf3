//! What security profiles watch: attach, detach, list both ways.

use serde_json::{Value, json};

use super::profiles::{listing, missing};
use super::refresh;
use crate::account::State;
use crate::api::{ApiError, Req, Resp};

/// Profiles one target may have.
const PROFILES_PER_TARGET: usize = 5;

/// Checks that the ARN is one of `all/…` or a thing group of this account.
fn check_target(req: &Req, state: &State, arn: &str) -> Result<(), ApiError> {
    match req.account.arns.rest_of(arn) {
        Some("all/things" | "all/registered-things" | "all/unregistered-things") => Ok(()),
        Some(rest) => match rest.strip_prefix("thinggroup/") {
            Some(group) => state.registry.require_group(group).map(drop),
            None => Err(ApiError::invalid(format!("Invalid security profile target: {arn}"))),
        },
        None => Err(ApiError::invalid(format!("Invalid security profile target: {arn}"))),
    }
}

/// AttachSecurityProfile.
pub fn attach(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("securityProfileName");
    let arn = req.required_query("securityProfileTargetArn")?;
    {
        let mut state = req.account.write();
        state.detect.profile(name).ok_or_else(|| missing(name))?;
        check_target(req, &state, arn)?;
        let others =
            state.detect.profiles.iter().filter(|(n, p)| *n != name && p.targets.contains(arn)).count();
        if others >= PROFILES_PER_TARGET {
            return Err(ApiError::limit(format!(
                "A target can have at most {PROFILES_PER_TARGET} security profiles"
            )));
        }
        state.detect.profiles.update(name, |p| p.targets.insert(arn.to_owned()));
    }
    refresh(&req.account);
    Resp::empty()
}

/// DetachSecurityProfile: idempotent for a profile that exists.
pub fn detach(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("securityProfileName");
    let arn = req.required_query("securityProfileTargetArn")?;
    req.account
        .write()
        .detect
        .profiles
        .update(name, |p| p.targets.remove(arn))
        .ok_or_else(|| missing(name))?;
    refresh(&req.account);
    Resp::empty()
}

/// ListTargetsForSecurityProfile.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("securityProfileName");
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let profile = state.detect.profile(name).ok_or_else(|| missing(name))?;
    let (rows, token) = page.take(profile.targets.iter().map(|arn| (arn, json!({"arn": arn}))));
    Resp::json(listing("securityProfileTargets", rows, token))
}

/// ListSecurityProfilesForTarget; `recursive` also asks the groups above.
pub fn profiles_for(req: &Req) -> Result<Resp, ApiError> {
    let arn = req.required_query("securityProfileTargetArn")?;
    let page = req.page(250, 250)?;
    let state = req.account.read();
    check_target(req, &state, arn)?;
    let mut targets = vec![arn.to_owned()];
    if req.flag("recursive")
        && let Some(group) = req.account.arns.name_of("thinggroup", arn)
    {
        targets.extend(state.registry.ancestors(group).iter().map(|g| req.account.arn("thinggroup", g)));
        targets.dedup();
    }
    let mut rows: Vec<(String, Value)> = Vec::new();
    for (name, profile) in state.detect.profiles.iter() {
        for target in targets.iter().filter(|t| profile.targets.contains(*t)) {
            let identifier = json!({"name": name, "arn": req.account.arn("securityprofile", name)});
            let row = json!({"securityProfileIdentifier": identifier, "target": {"arn": target}});
            rows.push((format!("{name}\u{1f}{target}"), row));
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.dedup_by(|a, b| a.0 == b.0);
    let (rows, token) = page.take(rows.into_iter());
    Resp::json(listing("securityProfileTargetMappings", rows, token))
}
