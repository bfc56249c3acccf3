//! Plans about jobs.

use crate::response::plan::draft::{Draft, listed};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::facts::Facts;
use super::request::{Proof, Request, Work};
use super::{JobOptions, JobRequest, JobTarget, Level};

/// A job document has at most so many bytes (docs/aws-iot.md#2.6).
const MOST_DOCUMENT: usize = 32_768;

pub(super) fn launch(draft: &mut Draft<'_>, facts: &Facts, job: &JobRequest) {
    let id_fits = (1..=64).contains(&job.id.len())
        && job.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !id_fits {
        draft.refuse("a job id is 1 to 64 of a-z A-Z 0-9 _ -");
    }
    options(draft, &job.options);
    if job.options.source.is_some() || job.options.template.is_some() {
        draft.note(Level::Info, "AWS reads the document itself when the job is created");
    } else if job.document.len() > MOST_DOCUMENT {
        draft.refuse(format!("the job document has {} bytes; AWS takes {MOST_DOCUMENT}", job.document.len()));
    } else if let Err(e) = serde_json::from_str::<serde_json::Value>(&job.document) {
        draft.refuse(format!("the job document is not JSON: {e}"));
    }
    if facts.job_status.is_some() {
        draft.refuse(format!("there is a job {} already", job.id));
    }
    if !facts.missing.is_empty() {
        let names: Vec<&Name> = facts.missing.iter().collect();
        draft.refuse(format!("no such target: {}", listed(&names)));
    }
    if !facts.isolated.is_empty() {
        let names: Vec<&Name> = facts.isolated.iter().collect();
        let text = format!(
            "isolated and in reach of this job: {}. A full deny blocks the jobs topics too: the execution would stay QUEUED",
            listed(&names)
        );
        if facts.group.as_ref().is_some_and(|g| g.full_deny().is_some()) {
            draft.note(Level::Danger, &text);
            draft.refuse(format!(
                "{text}. Release it first, or give the isolation group a policy that leaves $aws/things/…/jobs/*"
            ));
        } else {
            draft.note(Level::Warn, text);
        }
    }
    draft.note(
        Level::Info,
        match facts.reached {
            1 => "reaches 1 thing now".to_owned(),
            n => format!("reaches {n} things now"),
        },
    );
    if job.continuous {
        draft.note(Level::Info, "CONTINUOUS: every thing that joins the group later gets it too");
        draft.note(
            Level::Info,
            "a continuous job never completes: it stays as the group's standing remedy until it is canceled",
        );
        if job.targets.iter().any(|t| matches!(t, JobTarget::Thing(_))) {
            draft.note(Level::Warn, "a continuous job on a single thing has nothing to wait for");
        }
    }
    let targets = job
        .targets
        .iter()
        .map(|t| match t {
            JobTarget::Thing(name) => format!("{}thing/{}", facts.arn_prefix, name.raw()),
            JobTarget::Group(name) => format!("{}thinggroup/{}", facts.arn_prefix, name.raw()),
        })
        .collect();
    let name = Name::new(&job.id);
    draft.work.push(Work::of(
        name.clone(),
        vec![Request::CreateJob {
            id: job.id.clone(),
            targets,
            document: job.document.clone(),
            continuous: job.continuous,
            description: job.description.clone(),
            options: job.options.clone(),
        }],
        Proof::Job { job: name, canceled: false },
    ));
    draft.prove("the job exists; its executions are in the jobs view");
}

/// What AWS would refuse of the options (docs/aws-iot.md#2.6).
fn options(draft: &mut Draft<'_>, options: &JobOptions) {
    if options.source.is_some() && options.template.is_some() {
        draft.refuse("the document comes from S3 or from a template, not from both");
    }
    if options.per_minute.is_some_and(|n| !(1..=1000).contains(&n)) {
        draft.refuse("a rollout notifies 1 to 1000 things a minute");
    }
    if options.timeout_minutes.is_some_and(|n| !(1..=10_080).contains(&n)) {
        draft.refuse("an execution's timeout is 1 to 10080 minutes");
    }
    if let Some(abort) = &options.abort {
        if !["FAILED", "REJECTED", "TIMED_OUT", "ALL"].contains(&abort.failure.as_str()) {
            draft.refuse("a job is given up for FAILED, REJECTED, TIMED_OUT or ALL");
        }
        if !(0.0..=100.0).contains(&abort.percent) || abort.percent == 0.0 || abort.after < 1 {
            draft.refuse("a job is given up above 0 to 100 % of at least one execution");
        }
    }
}

pub(super) fn cancel(draft: &mut Draft<'_>, facts: &Facts, job: &Name, force: bool) {
    match facts.job_status.as_deref() {
        None => return draft.refuse(format!("there is no job {}", job.raw())),
        Some("IN_PROGRESS" | "SCHEDULED") => {}
        Some(status) => {
            draft.nothing = Some(SafeText::new(&format!("the job is {status} already")));
            return draft.refuse(format!("the job is {status} already"));
        }
    }
    if !force {
        draft.note(Level::Info, "executions that are IN_PROGRESS go on");
    }
    let cancel = Request::CancelJob { job: job.clone(), force };
    let proof = Proof::Job { job: job.clone(), canceled: true };
    draft.work.push(Work::of(job.clone(), vec![cancel], proof));
    draft.prove("its status is CANCELED");
}
