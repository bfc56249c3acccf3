//! Reads the account for a plan, and again for its proofs. Changes nothing.

pub(in crate::response) mod audit;
mod clients;
pub(in crate::response) mod detect;
mod groups;
mod jobs;
mod mitigation;
pub(in crate::response) mod retained;
pub(in crate::response) mod rule;
pub(in crate::response) mod seen;
mod things;

use crate::cloud::{Aws, read as cloud};
use quell_fleet::Ms;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

use super::plan::facts::{Facts, PrincipalFacts, ThingFacts};
use super::plan::{Intent, Target};
use super::rules::Rules;
use super::timed::{self, HeldFor};
use groups::{group, policy_document, roots};
use jobs::{launch, standing};
use things::{all, effective, flag};

pub(in crate::response) use jobs::job_status;
pub(in crate::response) use mitigation::ended as mitigated;
pub(in crate::response) use things::{things_of, would_deny};

/// Everything a plan for `intent` needs to know.
pub(in crate::response) async fn read(
    c: &Aws,
    rules: &Rules,
    intent: &Intent,
    now: Ms,
) -> Result<Facts, Trouble> {
    let mut facts = Facts { arn_prefix: arn_prefix(c).await?, ..Facts::default() };
    match intent {
        Intent::Isolate { things, group: wanted, .. } | Intent::Release { things, group: wanted } => {
            let name = wanted.as_ref().unwrap_or(&rules.isolate_group);
            let isolating = matches!(intent, Intent::Isolate { .. });
            let found = group(c, name, &facts.arn_prefix).await?;
            let policies: Vec<String> =
                if isolating { found.policies.iter().map(|(n, _)| n.clone()).collect() } else { Vec::new() };
            facts.group = Some(found);
            facts.things = all(c, things, &facts.arn_prefix, &policies).await?;
            effective(c, &mut facts.things).await;
            if isolating && let [only] = facts.things.as_mut_slice() {
                clients::exclusive(c, only.target.thing.raw(), &mut only.principals).await;
            }
            if let Intent::Isolate { time: Some(HeldFor { waits: false, .. }), .. } = intent {
                facts.releaser = Some(timed::releaser(&rules.journal).await);
            }
            if isolating {
                roots(c, &mut facts.things).await?;
            }
        }
        Intent::Deactivate { things, certificate }
        | Intent::Activate { things, certificate }
        | Intent::Revoke { things, certificate } => {
            let mut things = things.clone();
            if let (Some(id), true) = (certificate, things.is_empty()) {
                let arn = format!("{}cert/{id}", facts.arn_prefix);
                let status = cloud::certificate_status(c, id).await?;
                let served = if status.is_some() { things_of(c, &arn).await? } else { Vec::new() };
                things.extend(served.into_iter().map(Target::named));
                let lone = status.is_some() && things.is_empty();
                facts.lone = lone.then(|| PrincipalFacts {
                    arn,
                    certificate: Some(id.clone()),
                    status,
                    things: Vec::new(),
                    exclusive: None,
                });
            }
            facts.things = all(c, &things, &facts.arn_prefix, &[]).await?;
        }
        Intent::Cut { things, .. } | Intent::Flag { things } => {
            facts.things = all(c, things, &facts.arn_prefix, &[]).await?;
        }
        Intent::Join { things, group: name } | Intent::Leave { things, group: name } => {
            let found = group(c, name, &facts.arn_prefix).await?;
            if found.exists {
                facts.standing = standing(c, name.raw()).await?;
            }
            facts.group = Some(found);
            facts.things = all(c, things, &facts.arn_prefix, &[]).await?;
            roots(c, &mut facts.things).await?;
        }
        Intent::ClearRetained { things, topics } => {
            facts.things = all(c, things, &facts.arn_prefix, &[]).await?;
            (facts.retained, facts.unlisted) = retained::of(c, rules, &facts.things, topics).await?;
        }
        Intent::Rule(change) => facts.rule = rule::read(c, change.rule.raw()).await?,
        Intent::Audit(change) => facts.audit = Some(Box::pin(audit::facts(c, change)).await?),
        Intent::Detect(change) => {
            facts.detect = Some(detect::facts(c, change, &facts.arn_prefix, now).await?);
        }
        Intent::Mitigate(wanted) => mitigation::facts(c, wanted, &mut facts).await?,
        Intent::Setup(wanted) => {
            let name = wanted.group.as_ref().unwrap_or(&rules.isolate_group);
            facts.group = Some(group(c, name, &facts.arn_prefix).await?);
            let default = if wanted.patchable { "QuarantinePatchable" } else { "DenyAll" };
            let policy = wanted.policy.as_ref().map_or(default, |p| p.raw());
            facts.existing_policy = policy_document(c, policy).await?;
        }
        Intent::Undo { plan } | Intent::Finish { plan } => {
            facts.past = seen::past(c, rules, plan, now).await?;
        }
        Intent::LaunchJob(job) => launch(c, rules, job, &mut facts).await?,
        Intent::CancelJob { job, .. } => facts.job_status = job_status(c, job.raw()).await?,
    }
    Ok(facts)
}

/// What is known of each of `targets`, without anything that only an isolation asks.
pub(in crate::response) async fn things(
    c: &Aws,
    targets: &[Target],
    prefix: &str,
) -> Result<Vec<ThingFacts>, Trouble> {
    all(c, targets, prefix, &[]).await
}

/// The things the certificate called `id` serves, in order of their names.
///
/// # Errors
///
/// When the account cannot be read, or there is no such certificate.
pub async fn things_served(c: &Aws, id: &str) -> Result<Vec<Name>, Trouble> {
    let prefix = arn_prefix(c).await?;
    things_of(c, &format!("{prefix}cert/{id}")).await
}

/// `arn:aws:iot:REGION:ACCOUNT:`.
pub(in crate::response) async fn arn_prefix(c: &Aws) -> Result<String, Trouble> {
    Ok(cloud::caller_identity(c).await?.arn_prefix())
}

/// Whether a group exists and carries a policy that denies.
pub(in crate::response) async fn denies(c: &Aws, name: &Name) -> Result<bool, Trouble> {
    let prefix = arn_prefix(c).await?;
    let found = group(c, name, &prefix).await?;
    Ok(found.exists && found.any_deny().is_some())
}
