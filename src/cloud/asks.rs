//! How each source is read, and how often: one row each.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use quell_fleet::account::AccountReading as Account;
use quell_fleet::event::{Event, Poll, Reading};
use quell_fleet::known::Trouble;
use quell_fleet::model::JobRecord;
use quell_fleet::{Ms, SourceId};

use crate::config::Polls;

use super::{Aws, alias, denial, index, metrics, now_ms, read, read_account, read_audit, read_shadows};

/// Jobs whose counts are read each time; finished ones keep theirs.
const COUNTED_JOBS: usize = 20;
/// Past violation events are read this far back.
const EVENTS_BACK: Ms = 24 * 3_600_000;
/// Who we are does not change while a program runs.
const STEADY: Duration = Duration::from_secs(900);
/// Credentials and clock cost nothing to look at.
const STANDING: Duration = Duration::from_secs(15);
/// How long what a view asks for stays fresh enough not to be asked again.
const WATCHED: Duration = Duration::from_secs(20);
/// An audit task somebody watches moves on within seconds.
const BUSY: Duration = Duration::from_secs(2);

/// What the intervals depend on.
pub(super) struct Pace<'a> {
    /// The configured intervals.
    pub(super) polls: &'a Polls,
    /// A device is in alarm.
    pub(super) alarm: bool,
    /// An audit or a mitigation task is under way.
    pub(super) auditing: bool,
}

impl Pace<'_> {
    /// How long after one read of a source the next is due, at AWS's own speed.
    pub(super) fn of(&self, id: &SourceId) -> Duration {
        let Self { polls, alarm, auditing } = *self;
        match id {
            SourceId::Identity | SourceId::Alias => STEADY,
            SourceId::Standing => STANDING,
            SourceId::Violations if alarm => polls.alarm,
            SourceId::Violations | SourceId::Suppressed => polls.idle,
            SourceId::ViolationEvents => polls.idle * 4,
            SourceId::Members(_) | SourceId::GroupsOf(_) if alarm => polls.idle,
            SourceId::AuditTasks if auditing => BUSY,
            SourceId::Members(_)
            | SourceId::Denial(_)
            | SourceId::Things
            | SourceId::Outstanding
            | SourceId::Profiles
            | SourceId::Rules
            | SourceId::Findings
            | SourceId::PoliciesOf(_)
            | SourceId::Dimensions
            | SourceId::CustomMetrics
            | SourceId::Training
            | SourceId::Search(_) => polls.registry,
            SourceId::Jobs | SourceId::Executions(_) | SourceId::JobsOf(_) => polls.jobs,
            SourceId::MetricsOf(_) | SourceId::Values(..) | SourceId::RuleMetrics(_) => WATCHED,
            SourceId::Certificates(_)
            | SourceId::GroupsOf(_)
            | SourceId::Shadow(..)
            | SourceId::JobDetail(_)
            | SourceId::AuditTasks
            | SourceId::AuditSetup => WATCHED * 3,
        }
    }
}

/// One read of one source. What comes in pages is told as it comes.
pub(super) fn ask<'a>(
    aws: &'a Aws,
    wish: &'a index::Wish,
    id: &'a SourceId,
    generation: u64,
    events: &'a mpsc::Sender<Event>,
) -> BoxFuture<'a, Result<Reading, Trouble>> {
    Box::pin(async move {
        Ok(match id {
            SourceId::Identity => Reading::Identity(read::caller_identity(aws).await?),
            SourceId::Alias => Reading::Alias(alias::alias(aws).await?),
            SourceId::Standing => Reading::Standing(read::standing(aws).await?),
            SourceId::Things => things(aws, wish, generation, events).await?,
            SourceId::Violations => Reading::Violations(read::active_violations(aws, None).await?),
            SourceId::ViolationEvents => {
                let now = now_ms();
                Reading::ViolationEvents(read::violation_events(aws, now - EVENTS_BACK, now).await?)
            }
            SourceId::Members(group) => {
                Reading::Members(group.clone(), read::members(aws, group.raw(), false).await?)
            }
            SourceId::Certificates(thing) => {
                Reading::Certificates(thing.clone(), read::certificates(aws, thing.raw()).await?)
            }
            SourceId::GroupsOf(thing) => {
                Reading::GroupsOf(thing.clone(), read::groups_of(aws, thing.raw()).await?)
            }
            SourceId::Denial(group) => {
                Reading::Denial(group.clone(), denial::of_group(aws, group.raw()).await?)
            }
            SourceId::Jobs => Reading::Jobs(jobs(aws).await?),
            SourceId::Executions(job) => {
                Reading::Executions(job.clone(), read::executions(aws, job.raw()).await?)
            }
            SourceId::Shadow(thing, shadow) => {
                let found = read::shadow(aws, thing.raw(), shadow.as_ref().map(AsRef::as_ref)).await?;
                Reading::Shadow(thing.clone(), shadow.clone(), found)
            }
            SourceId::Outstanding => {
                let tell = |reading| {
                    let (source, at) = (SourceId::Outstanding, now_ms());
                    let outcome = Ok(Reading::Outstanding(Box::new(reading)));
                    // A console that is busy gets them with the rest.
                    let poll = Poll { source, generation, at, outcome, next_at: None };
                    let _ = events.try_send(Event::Poll(poll));
                };
                Reading::Outstanding(Box::new(read_shadows::outstanding(aws, tell).await?))
            }
            SourceId::Profiles => Reading::Profiles(read::profiles(aws).await?),
            SourceId::Search(query) => Reading::Found(index::find(aws, query.raw()).await?),
            SourceId::PoliciesOf(thing) => {
                let policies = read_account::policies_of(aws, thing.raw()).await?;
                Reading::Account(Account::Policies(thing.clone(), policies))
            }
            SourceId::JobsOf(thing) => {
                let jobs = read_account::jobs_of(aws, thing.raw()).await?;
                Reading::Account(Account::JobsOf(thing.clone(), jobs))
            }
            SourceId::JobDetail(job) => {
                let detail = read_account::job_detail(aws, job.raw()).await?;
                Reading::Account(Account::JobDetail(job.clone(), detail))
            }
            SourceId::MetricsOf(thing) => {
                let metrics = read_account::metrics_of(aws, thing.raw()).await?;
                Reading::Account(Account::Metrics(thing.clone(), metrics))
            }
            SourceId::Rules => Reading::Account(Account::Rules(read_account::rules(aws).await?)),
            SourceId::Findings => Reading::Account(Account::Findings(read_audit::findings(aws).await?)),
            SourceId::AuditSetup => Reading::Account(Account::AuditSetup(read_audit::setup(aws).await?)),
            SourceId::AuditTasks => Reading::Account(Account::AuditTasks(read_audit::tasks(aws).await?)),
            SourceId::RuleMetrics(rule) => {
                let series = metrics::of_rule(aws, rule.raw(), now_ms()).await?;
                Reading::Account(Account::RuleMetrics(rule.clone(), series))
            }
            SourceId::Dimensions => {
                Reading::Account(Account::Dimensions(read_account::dimensions(aws).await?))
            }
            SourceId::CustomMetrics => {
                Reading::Account(Account::CustomMetrics(read_account::custom_metrics(aws).await?))
            }
            SourceId::Training => Reading::Account(Account::Training(read_account::training(aws).await?)),
            SourceId::Suppressed => {
                Reading::Account(Account::Suppressed(read_account::suppressed(aws).await?))
            }
            SourceId::Values(thing, metric) => {
                let values = read_account::values(aws, thing.raw(), metric).await?;
                Reading::Account(Account::Values(thing.clone(), values))
            }
        })
    })
}

/// The registry, or what the index tells of one that is too large to list.
async fn things(
    aws: &Aws,
    wish: &index::Wish,
    generation: u64,
    events: &mpsc::Sender<Event>,
) -> Result<Reading, Trouble> {
    let tell = |reading| {
        let (source, at, outcome) = (SourceId::Things, now_ms(), Ok(reading));
        // A console that is busy gets them with the last page.
        let _ = events.try_send(Event::Poll(Poll { source, generation, at, outcome, next_at: None }));
    };
    let mut why_not = match index::things(aws, wish).await? {
        index::Found::Many(reading) => return Ok(Reading::Indexed(reading)),
        index::Found::Few => None,
        index::Found::Unusable(why) => Some(why),
    };
    let mut so_far = 0;
    let page = |things: Vec<_>| {
        so_far += things.len();
        tell(Reading::ThingsPage(things, so_far));
        if wish.is_many(so_far)
            && let Some(why) = why_not.take()
        {
            tell(Reading::NotIndexed(why));
        }
    };
    Ok(Reading::Things(read::things_seen(aws, page).await?))
}

/// Jobs, the latest with their counts.
async fn jobs(aws: &Aws) -> Result<Vec<JobRecord>, Trouble> {
    let mut jobs = read::jobs(aws).await?;
    for job in jobs.iter_mut().take(COUNTED_JOBS) {
        if let Some(detail) = read::job(aws, job.id.raw()).await? {
            *job = detail;
        }
    }
    Ok(jobs)
}
