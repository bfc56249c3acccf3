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

/// One read of one source.
pub(super) struct Ask {
    pub(super) aws: Aws,
    /// How much of the registry is wished for.
    pub(super) wish: index::Wish,
    /// Which ask of the source it is.
    pub(super) generation: u64,
    pub(super) events: mpsc::Sender<Event>,
}

/// Makes the two answers there are to a source, how long after one read the next is due at AWS's own speed, and the read, from
/// one row each. What the rows name is given at the top.
macro_rules! sources {
    (|$pace:ident, $ask:ident| $($id:pat, every $every:expr => $read:expr;)*) => {
        impl Pace<'_> {
            /// How long after one read of a source the next is due, at AWS's own speed.
            #[expect(unused_variables, reason = "how often a source is read hardly ever depends on what it is about")]
            pub(super) fn of(&self, id: &SourceId) -> Duration {
                let $pace = self;
                match id {
                    $($id => $every,)*
                }
            }
        }

        impl Ask {
            /// Reads it. What comes in pages is told as it comes.
            pub(super) fn read(self, id: SourceId) -> BoxFuture<'static, Result<Reading, Trouble>> {
                Box::pin(async move {
                    let $ask = &self;
                    Ok(match &id {
                        $($id => $read,)*
                    })
                })
            }
        }
    };
}

sources! { |pace, ask|
    SourceId::Identity, every STEADY => Reading::Identity(read::caller_identity(&ask.aws).await?);
    SourceId::Alias, every STEADY => Reading::Alias(alias::alias(&ask.aws).await?);
    SourceId::Standing, every STANDING => Reading::Standing(read::standing(&ask.aws).await?);
    SourceId::Things, every pace.polls.registry => ask.things().await?;
    SourceId::Violations, every if pace.alarm { pace.polls.alarm } else { pace.polls.idle } => {
        Reading::Violations(read::active_violations(&ask.aws, None).await?)
    };
    SourceId::Suppressed, every pace.polls.idle => {
        Reading::Account(Account::Suppressed(read_account::suppressed(&ask.aws).await?))
    };
    SourceId::ViolationEvents, every pace.polls.idle * 4 => {
        let now = now_ms();
        Reading::ViolationEvents(read::violation_events(&ask.aws, now - EVENTS_BACK, now).await?)
    };
    SourceId::Members(group), every if pace.alarm { pace.polls.idle } else { pace.polls.registry } => {
        Reading::Members(group.clone(), read::members(&ask.aws, group.raw(), false).await?)
    };
    SourceId::Denial(group), every pace.polls.registry => {
        Reading::Denial(group.clone(), denial::of_group(&ask.aws, group.raw()).await?)
    };
    SourceId::GroupsOf(thing), every if pace.alarm { pace.polls.idle } else { WATCHED * 3 } => {
        Reading::GroupsOf(thing.clone(), read::groups_of(&ask.aws, thing.raw()).await?)
    };
    SourceId::Certificates(thing), every WATCHED * 3 => {
        Reading::Certificates(thing.clone(), read::certificates(&ask.aws, thing.raw()).await?)
    };
    SourceId::PoliciesOf(thing), every pace.polls.registry => {
        Reading::Account(Account::Policies(thing.clone(), read_account::policies_of(&ask.aws, thing.raw()).await?))
    };
    SourceId::Jobs, every pace.polls.jobs => Reading::Jobs(jobs(&ask.aws).await?);
    SourceId::Executions(job), every pace.polls.jobs => {
        Reading::Executions(job.clone(), read::executions(&ask.aws, job.raw()).await?)
    };
    SourceId::JobDetail(job), every WATCHED * 3 => {
        Reading::Account(Account::JobDetail(job.clone(), read_account::job_detail(&ask.aws, job.raw()).await?))
    };
    SourceId::JobsOf(thing), every pace.polls.jobs => {
        Reading::Account(Account::JobsOf(thing.clone(), read_account::jobs_of(&ask.aws, thing.raw()).await?))
    };
    SourceId::Shadow(thing, shadow), every WATCHED * 3 => {
        let found = read::shadow(&ask.aws, thing.raw(), shadow.as_ref().map(AsRef::as_ref)).await?;
        Reading::Shadow(thing.clone(), shadow.clone(), found)
    };
    SourceId::Outstanding, every pace.polls.registry => {
        let tell = |reading| ask.tell(SourceId::Outstanding, Reading::Outstanding(Box::new(reading)));
        Reading::Outstanding(Box::new(read_shadows::outstanding(&ask.aws, tell).await?))
    };
    SourceId::Profiles, every pace.polls.registry => Reading::Profiles(read::profiles(&ask.aws).await?);
    SourceId::Dimensions, every pace.polls.registry => {
        Reading::Account(Account::Dimensions(read_account::dimensions(&ask.aws).await?))
    };
    SourceId::CustomMetrics, every pace.polls.registry => {
        Reading::Account(Account::CustomMetrics(read_account::custom_metrics(&ask.aws).await?))
    };
    SourceId::Training, every pace.polls.registry => {
        Reading::Account(Account::Training(read_account::training(&ask.aws).await?))
    };
    SourceId::Search(query), every pace.polls.registry => Reading::Found(index::find(&ask.aws, query.raw()).await?);
    SourceId::MetricsOf(thing), every WATCHED => {
        Reading::Account(Account::Metrics(thing.clone(), read_account::metrics_of(&ask.aws, thing.raw()).await?))
    };
    SourceId::Values(thing, metric), every WATCHED => {
        Reading::Account(Account::Values(thing.clone(), read_account::values(&ask.aws, thing.raw(), metric).await?))
    };
    SourceId::Rules, every pace.polls.registry => Reading::Account(Account::Rules(read_account::rules(&ask.aws).await?));
    SourceId::RuleMetrics(rule), every WATCHED => {
        let series = metrics::of_rule(&ask.aws, rule.raw(), now_ms()).await?;
        Reading::Account(Account::RuleMetrics(rule.clone(), series))
    };
    SourceId::Findings, every pace.polls.registry => {
        Reading::Account(Account::Findings(read_audit::findings(&ask.aws).await?))
    };
    SourceId::AuditSetup, every WATCHED * 3 => {
        Reading::Account(Account::AuditSetup(read_audit::setup(&ask.aws).await?))
    };
    SourceId::AuditTasks, every if pace.auditing { BUSY } else { WATCHED * 3 } => {
        Reading::Account(Account::AuditTasks(read_audit::tasks(&ask.aws).await?))
    };
}

impl Ask {
    /// A part of an answer. A console that is busy gets it with the rest.
    fn tell(&self, source: SourceId, reading: Reading) {
        let (at, generation, outcome) = (now_ms(), self.generation, Ok(reading));
        let _ = self.events.try_send(Event::Poll(Poll { source, generation, at, outcome, next_at: None }));
    }

    /// The registry, or what the index tells of one that is too large to list.
    async fn things(&self) -> Result<Reading, Trouble> {
        let mut why_not = match index::things(&self.aws, &self.wish).await? {
            index::Found::Many(reading) => return Ok(Reading::Indexed(reading)),
            index::Found::Few => None,
            index::Found::Unusable(why) => Some(why),
        };
        let mut so_far = 0;
        let page = |things: Vec<_>| {
            so_far += things.len();
            self.tell(SourceId::Things, Reading::ThingsPage(things, so_far));
            if self.wish.is_many(so_far)
                && let Some(why) = why_not.take()
            {
                self.tell(SourceId::Things, Reading::NotIndexed(why));
            }
        };
        Ok(Reading::Things(read::things_seen(&self.aws, page).await?))
    }
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
