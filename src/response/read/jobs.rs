//! Reads jobs: one's status, those that stand on a group, and whom a new one would reach.

use crate::cloud::{Aws, read as cloud};
use crate::response::Rules;
use crate::response::plan::facts::Facts;
use crate::response::plan::{JobRequest, JobTarget};
use quell_fleet::known::Trouble;
use quell_fleet::model::{JobRecord, Name};

use super::groups::group;

/// A job's status; `None` when there is no such job.
pub(in crate::response) async fn job_status(c: &Aws, job: &str) -> Result<Option<String>, Trouble> {
    Ok(cloud::job(c, job).await?.map(|job| job.status.to_string()))
}

/// Continuous jobs bound to a group that still run: whoever joins it gets them.
pub(super) async fn standing(c: &Aws, group: &str) -> Result<Vec<Name>, Trouble> {
    let jobs = cloud::continuous_jobs(c, group).await?;
    let runs = |job: &JobRecord| matches!(job.status.as_str(), "IN_PROGRESS" | "SCHEDULED");
    Ok(jobs.into_iter().filter(runs).map(|job| job.id).collect())
}

pub(super) async fn launch(
    c: &Aws,
    rules: &Rules,
    job: &JobRequest,
    facts: &mut Facts,
) -> Result<(), Trouble> {
    facts.job_status = job_status(c, &job.id).await?;
    let isolated = cloud::members(c, rules.isolate_group.raw(), true).await?.unwrap_or_default();
    let mut reached: Vec<Name> = Vec::new();
    for target in &job.targets {
        match target {
            JobTarget::Thing(name) if cloud::is_registered(c, name.raw()).await? => {
                reached.push(name.clone());
            }
            JobTarget::Thing(name) => facts.missing.push(name.clone()),
            JobTarget::Group(name) => match cloud::members(c, name.raw(), true).await? {
                Some(names) => reached.extend(names),
                None => facts.missing.push(name.clone()),
            },
        }
    }
    reached.sort();
    reached.dedup();
    facts.reached = reached.len();
    facts.isolated = reached.into_iter().filter(|t| isolated.contains(t)).collect();
    facts.group = Some(group(c, &rules.isolate_group, &facts.arn_prefix).await?);
    Ok(())
}
