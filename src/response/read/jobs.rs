//! Reads jobs: one's status, those that stand on a group, and whom a new one would reach.

use aws_sdk_iot::types::TargetSelection;

use crate::cloud::Aws;
use crate::response::Rules;
use crate::response::aws::{not_found, trouble};
use crate::response::plan::facts::Facts;
use crate::response::plan::{JobRequest, JobTarget};
use quell_fleet::Ms;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

use super::groups::{group, members};

/// A job's status; `None` when there is no such job.
pub(in crate::response) async fn job_status(c: &Aws, job: &str, now: Ms) -> Result<Option<String>, Trouble> {
    match c.iot.describe_job().job_id(job).send().await {
        Ok(found) => Ok(found.job().and_then(|j| j.status()).map(|s| s.as_str().to_owned())),
        Err(e) if not_found(&e) => Ok(None),
        Err(e) => Err(trouble(&e, "iot:DescribeJob", now)),
    }
}

/// Continuous jobs bound to a group that still run: whoever joins it gets them.
pub(super) async fn standing(c: &Aws, group: &str, now: Ms) -> Result<Vec<Name>, Trouble> {
    let mut pages = c
        .iot
        .list_jobs()
        .thing_group_name(group)
        .target_selection(TargetSelection::Continuous)
        .into_paginator()
        .items()
        .send();
    let mut jobs = Vec::new();
    while let Some(job) = pages.next().await {
        let job = job.map_err(|e| trouble(&e, "iot:ListJobs", now))?;
        if job.status().is_some_and(|s| matches!(s.as_str(), "IN_PROGRESS" | "SCHEDULED")) {
            jobs.extend(job.job_id().map(Name::new));
        }
    }
    Ok(jobs)
}

pub(super) async fn launch(
    c: &Aws,
    rules: &Rules,
    job: &JobRequest,
    facts: &mut Facts,
    now: Ms,
) -> Result<(), Trouble> {
    facts.job_status = job_status(c, &job.id, now).await?;
    let isolated = members(c, rules.isolate_group.raw(), now).await?.unwrap_or_default();
    let mut reached: Vec<Name> = Vec::new();
    for target in &job.targets {
        match target {
            JobTarget::Thing(name) => match c.iot.describe_thing().thing_name(name.raw()).send().await {
                Ok(_) => reached.push(name.clone()),
                Err(e) if not_found(&e) => facts.missing.push(name.clone()),
                Err(e) => return Err(trouble(&e, "iot:DescribeThing", now)),
            },
            JobTarget::Group(name) => match members(c, name.raw(), now).await? {
                Some(names) => reached.extend(names),
                None => facts.missing.push(name.clone()),
            },
        }
    }
    reached.sort();
    reached.dedup();
    facts.reached = reached.len();
    facts.isolated = reached.into_iter().filter(|t| isolated.contains(t)).collect();
    facts.group = Some(group(c, &rules.isolate_group, &facts.arn_prefix, now).await?);
    Ok(())
}
