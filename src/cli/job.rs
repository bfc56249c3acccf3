//! `quell job create | list | show | cancel`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use color_eyre::eyre::eyre;
use serde_json::{Value, json};

use crate::cloud::{Aws, read};
use crate::response::{Intent, JobAbort, JobOptions, JobRequest, JobTarget};
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::respond_cmds::{How, respond, runtime, settings};
use super::{Common, exit, output};

/// Arguments of `quell job`.
#[derive(Args, Debug)]
pub struct JobArgs {
    /// What to do
    #[command(subcommand)]
    pub command: JobCommand,
}

/// The subcommands of `quell job`.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Create a job: plan, confirm, send, prove
    Create(CreateArgs),
    /// List jobs
    List {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show one job with its executions counted
    Show {
        /// The job's id
        job: String,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Cancel a job
    Cancel {
        /// The job's id
        job: String,
        /// Also cancel executions that are IN_PROGRESS
        #[arg(long)]
        force: bool,
        /// How to run
        #[command(flatten)]
        how: How,
    },
}

/// Arguments of `quell job create`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct CreateArgs {
    /// The job's id: 1 to 64 of a-z A-Z 0-9 _ -
    pub id: String,
    /// A thing it runs on (repeatable)
    #[arg(long = "thing", value_name = "THING", required_unless_present = "groups")]
    pub things: Vec<String>,
    /// A thing group it runs on (repeatable)
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// The job document as a file
    #[arg(long, value_name = "FILE", group = "what")]
    pub document: Option<PathBuf>,
    /// The job document itself
    #[arg(long, value_name = "JSON", group = "what")]
    pub document_json: Option<String>,
    /// The job document in S3: its URL
    #[arg(long, value_name = "URL", group = "what")]
    pub document_source: Option<String>,
    /// A job template: its ARN
    #[arg(long, value_name = "ARN", group = "what")]
    pub template: Option<String>,
    /// Notify at most so many things a minute
    #[arg(long, value_name = "N")]
    pub per_minute: Option<i32>,
    /// Give the job up when so many of those who executed it end so, e.g. FAILED:20:10 for 20 % of at least 10
    #[arg(long, value_name = "TYPE:PERCENT:COUNT", value_parser = abort)]
    pub abort: Option<JobAbort>,
    /// How long one thing may be at it, e.g. 30m
    #[arg(long, value_name = "DURATION", value_parser = output::duration)]
    pub job_timeout: Option<std::time::Duration>,
    /// Things that join the group later get it too
    #[arg(long)]
    pub continuous: bool,
    /// The description
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

/// `FAILED:20:10`.
fn abort(text: &str) -> Result<JobAbort, String> {
    let mut parts = text.split(':');
    let (failure, percent, after) = (parts.next(), parts.next(), parts.next());
    let parsed = (|| {
        Some(JobAbort {
            failure: failure?.to_ascii_uppercase(),
            percent: percent?.trim_end_matches('%').parse().ok()?,
            after: after?.parse().ok()?,
        })
    })();
    parsed
        .filter(|_| parts.next().is_none())
        .ok_or_else(|| "use TYPE:PERCENT:COUNT, e.g. FAILED:20:10".to_owned())
}

pub(super) fn run(args: JobArgs, common: &Common) -> color_eyre::Result<u8> {
    match args.command {
        JobCommand::Create(create) => {
            let document = match (&create.document, create.document_json) {
                (Some(file), _) => {
                    let text = std::fs::read_to_string(file).map_err(|e| eyre!("{}: {e}", file.display()))?;
                    // Editors of Windows put a byte-order mark before the text; it is no JSON.
                    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
                }
                (None, text) => text.unwrap_or_default(),
            };
            let options = JobOptions {
                source: create.document_source,
                template: create.template,
                per_minute: create.per_minute,
                abort: create.abort,
                // AWS counts minutes: a shorter time is one.
                timeout_minutes: create
                    .job_timeout
                    .map(|t| i64::try_from(t.as_secs().div_ceil(60)).unwrap_or(i64::MAX).max(1)),
            };
            let things = create.things.iter().map(|t| JobTarget::Thing(Name::new(t)));
            let targets =
                things.chain(create.groups.iter().map(|g| JobTarget::Group(Name::new(g)))).collect();
            let request = JobRequest {
                id: create.id,
                targets,
                document,
                continuous: create.continuous,
                description: create.description,
                options,
            };
            respond(Intent::LaunchJob(request), &create.how, common)
        }
        JobCommand::Cancel { job, force, how } => {
            respond(Intent::CancelJob { job: Name::new(&job), force }, &how, common)
        }
        JobCommand::List { json } => reading(common, None, json),
        JobCommand::Show { job, json } => reading(common, Some(&job), json),
    }
}

fn reading(common: &Common, job: Option<&str>, as_json: bool) -> color_eyre::Result<u8> {
    let settings = match settings(common) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    runtime()?.block_on(async {
        let clients = Aws::connect(&settings).await.map_err(|t| failed(&t))?;
        let found = match job {
            Some(job) => vec![Box::pin(show(&clients, job)).await?],
            None => Box::pin(list(&clients)).await?,
        };
        let mut out = String::new();
        if as_json {
            let document = match (job, found.as_slice()) {
                (Some(_), [one]) => one.clone(),
                (_, all) => json!({"jobs": all}),
            };
            writeln!(out, "{document:#}")?;
        } else {
            for job in &found {
                let text = |key: &str| SafeText::new(job.get(key).and_then(Value::as_str).unwrap_or("-"));
                write!(out, "{:<32} {:<12} {:<11}", text("jobId"), text("status"), text("targetSelection"))?;
                if let Some(Value::Object(counts)) = job.get("jobProcessDetails") {
                    for (name, n) in counts.iter().filter(|(_, n)| n.as_i64() != Some(0)) {
                        write!(out, " {name}={n}")?;
                    }
                }
                writeln!(out)?;
            }
        }
        output::text(&out)?;
        Ok(exit::DONE)
    })
}

/// A failed call in the words every command uses.
fn failed(trouble: &Trouble) -> color_eyre::Report {
    super::reads::Unreached::from(trouble).into()
}

async fn list(clients: &Aws) -> color_eyre::Result<Vec<Value>> {
    let mut jobs = Vec::new();
    for job in read::listed_jobs(clients).await.map_err(|t| failed(&t))? {
        jobs.push(json!({
            "jobId": job.job_id(),
            "jobArn": job.job_arn(),
            "status": job.status().map(|s| s.as_str()),
            "targetSelection": job.target_selection().map(|s| s.as_str()),
            "createdAt": job.created_at().map(|t| t.as_secs_f64()),
            "lastUpdatedAt": job.last_updated_at().map(|t| t.as_secs_f64()),
        }));
    }
    Ok(jobs)
}

async fn show(clients: &Aws, job: &str) -> color_eyre::Result<Value> {
    let found = read::described_job(clients, job).await.map_err(|t| failed(&t))?;
    let job = found.ok_or_else(|| eyre!("there is no job {job}"))?;
    let counts = job.job_process_details().map(|d| {
        json!({
            "numberOfQueuedThings": d.number_of_queued_things(),
            "numberOfInProgressThings": d.number_of_in_progress_things(),
            "numberOfSucceededThings": d.number_of_succeeded_things(),
            "numberOfFailedThings": d.number_of_failed_things(),
            "numberOfRejectedThings": d.number_of_rejected_things(),
            "numberOfTimedOutThings": d.number_of_timed_out_things(),
            "numberOfCanceledThings": d.number_of_canceled_things(),
            "numberOfRemovedThings": d.number_of_removed_things(),
        })
    });
    Ok(json!({
        "jobId": job.job_id(),
        "jobArn": job.job_arn(),
        "status": job.status().map(|s| s.as_str()),
        "targetSelection": job.target_selection().map(|s| s.as_str()),
        "targets": job.targets(),
        "description": job.description(),
        "createdAt": job.created_at().map(|t| t.as_secs_f64()),
        "jobProcessDetails": counts,
    }))
}
