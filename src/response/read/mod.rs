//! Reads the account for a plan, and again for its proofs. Changes nothing.

mod groups;
mod jobs;
mod mitigation;
pub(in crate::response) mod seen;
mod things;

use crate::cloud::Aws;
use quell_fleet::Ms;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

use super::aws::trouble;
use super::plan::facts::{Facts, PrincipalFacts};
use super::plan::{Intent, Target};
use super::rules::Rules;
use super::{audit, detect, rule};
use groups::{group, policy_document, roots};
use jobs::{launch, standing};
use things::{all, effective, flag};

pub(in crate::response) use jobs::job_status;
pub(in crate::response) use mitigation::ended as mitigated;
pub(in crate::response) use things::{certificate_status, connected, groups_of, things_of, would_deny};

/// Everything a plan for `intent` needs to know.
pub(in crate::response) async fn read(
    c: &Aws,
    rules: &Rules,
    intent: &Intent,
    now: Ms,
) -> Result<Facts, Trouble> {
    let mut facts = Facts { arn_prefix: arn_prefix(c, now).await?, ..Facts::default() };
    match intent {
        Intent::Isolate { things, group: wanted } | Intent::Release { things, group: wanted } => {
            let name = wanted.as_ref().unwrap_or(&rules.isolate_group);
            let isolating = matches!(intent, Intent::Isolate { .. });
            let found = group(c, name, &facts.arn_prefix, now).await?;
            let policies: Vec<String> =
                if isolating { found.policies.iter().map(|(n, _)| n.clone()).collect() } else { Vec::new() };
            facts.group = Some(found);
            facts.things = all(c, things, &facts.arn_prefix, &policies, now).await?;
            effective(c, &mut facts.things).await;
            if isolating {
                roots(c, &mut facts.things, now).await?;
            }
        }
        Intent::Deactivate { things, certificate }
        | Intent::Activate { things, certificate }
        | Intent::Revoke { things, certificate } => {
            let mut things = things.clone();
            if let (Some(id), true) = (certificate, things.is_empty()) {
                let arn = format!("{}cert/{id}", facts.arn_prefix);
                let status = certificate_status(c, id, now).await?;
                let served = if status.is_some() { things_of(c, &arn, now).await? } else { Vec::new() };
                things.extend(served.into_iter().map(Target::named));
                let lone = status.is_some() && things.is_empty();
                facts.lone = lone.then(|| PrincipalFacts {
                    arn,
                    certificate: Some(id.clone()),
                    status,
                    things: Vec::new(),
                });
            }
            facts.things = all(c, &things, &facts.arn_prefix, &[], now).await?;
        }
        Intent::Join { things, group: name } | Intent::Leave { things, group: name } => {
            let found = group(c, name, &facts.arn_prefix, now).await?;
            if found.exists {
                facts.standing = standing(c, name.raw(), now).await?;
            }
            facts.group = Some(found);
            facts.things = all(c, things, &facts.arn_prefix, &[], now).await?;
            roots(c, &mut facts.things, now).await?;
        }
        Intent::Rule(change) => facts.rule = rule::read(c, change.rule.raw(), now).await?,
        Intent::Audit(change) => facts.audit = Some(Box::pin(audit::facts(c, change, now)).await?),
        Intent::Detect(change) => {
            facts.detect = Some(detect::facts(c, change, &facts.arn_prefix, now).await?);
        }
        Intent::Mitigate(wanted) => mitigation::read(c, wanted, &mut facts, now).await?,
        Intent::Setup(wanted) => {
            let name = wanted.group.as_ref().unwrap_or(&rules.isolate_group);
            facts.group = Some(group(c, name, &facts.arn_prefix, now).await?);
            let default = if wanted.patchable { "QuarantinePatchable" } else { "DenyAll" };
            let policy = wanted.policy.as_ref().map_or(default, |p| p.raw());
            facts.existing_policy = policy_document(c, policy, now).await?;
        }
        Intent::Undo { plan } | Intent::Finish { plan } => {
            facts.past = seen::past(c, rules, plan, now).await?;
        }
        Intent::LaunchJob(job) => launch(c, rules, job, &mut facts, now).await?,
        Intent::CancelJob { job, .. } => facts.job_status = job_status(c, job.raw(), now).await?,
    }
    Ok(facts)
}

/// The things the certificate called `id` serves, in order of their names.
///
/// # Errors
///
/// When the account cannot be read, or there is no such certificate.
pub async fn things_served(c: &Aws, id: &str) -> Result<Vec<Name>, Trouble> {
    let now = jiff::Timestamp::now().as_millisecond();
    let prefix = arn_prefix(c, now).await?;
    things_of(c, &format!("{prefix}cert/{id}"), now).await
}

/// `arn:aws:iot:REGION:ACCOUNT:`.
async fn arn_prefix(c: &Aws, now: Ms) -> Result<String, Trouble> {
    let who =
        c.sts.get_caller_identity().send().await.map_err(|e| trouble(&e, "sts:GetCallerIdentity", now))?;
    let partition = who.arn().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
    Ok(format!("arn:{partition}:iot:{}:{}:", c.region, who.account().unwrap_or_default()))
}

/// Whether a group exists and carries a policy that denies.
pub(in crate::response) async fn denies(c: &Aws, name: &Name, now: Ms) -> Result<bool, Trouble> {
    let prefix = arn_prefix(c, now).await?;
    let found = group(c, name, &prefix, now).await?;
    Ok(found.exists && found.any_deny().is_some())
}
