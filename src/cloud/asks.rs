//! What a poll of each source reads, and which API's budget it uses.

use std::time::Duration;

use tokio::sync::mpsc;

use quell_fleet::account::AccountReading;
use quell_fleet::event::{Event, Poll, Reading};
use quell_fleet::known::Trouble;
use quell_fleet::model::Identity;
use quell_fleet::{Ms, SourceId};

use super::{Aws, alias, denial, index, metrics, now_ms, read, read_account, read_audit};

/// Who we are does not wait longer for the account's alias.
const NAMELESS: Duration = Duration::from_secs(3);
/// Jobs whose counts are read each time; finished ones keep theirs.
const COUNTED_JOBS: usize = 20;
/// Past violation events are read this far back.
const EVENTS_BACK: Ms = 24 * 3_600_000;

/// One read of one source.
pub(super) async fn ask(
    aws: &Aws,
    wish: &index::Wish,
    id: &SourceId,
    generation: u64,
    events: &mpsc::Sender<Event>,
) -> Result<Reading, Trouble> {
    Ok(match id {
        SourceId::Identity => {
            let name = tokio::time::timeout(NAMELESS, alias::alias(aws));
            let (identity, alias) = tokio::join!(read::caller_identity(aws), name);
            Reading::Identity(Identity { alias: alias.ok().flatten(), ..identity? })
        }
        SourceId::Standing => Reading::Standing(read::standing(aws).await?),
        SourceId::Things => {
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
            Reading::Things(read::things_seen(aws, page).await?)
        }
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
        SourceId::Denial(group) => Reading::Denial(group.clone(), denial::of_group(aws, group.raw()).await?),
        SourceId::Jobs => {
            let mut jobs = read::jobs(aws).await?;
            for job in jobs.iter_mut().take(COUNTED_JOBS) {
                if let Some(detail) = read::job(aws, job.id.raw()).await? {
                    *job = detail;
                }
            }
            Reading::Jobs(jobs)
        }
        SourceId::Executions(job) => {
            Reading::Executions(job.clone(), read::executions(aws, job.raw()).await?)
        }
        SourceId::Shadow(thing, shadow) => {
            let found = read::shadow(aws, thing.raw(), shadow.as_ref().map(AsRef::as_ref)).await?;
            Reading::Shadow(thing.clone(), shadow.clone(), found)
        }
        SourceId::Profiles => Reading::Profiles(read::profiles(aws).await?),
        SourceId::Search(query) => Reading::Found(index::find(aws, query.raw()).await?),
        SourceId::PoliciesOf(_)
        | SourceId::JobsOf(_)
        | SourceId::MetricsOf(_)
        | SourceId::Rules
        | SourceId::Findings
        | SourceId::RuleMetrics(_)
        | SourceId::AuditSetup
        | SourceId::AuditTasks
        | SourceId::Dimensions
        | SourceId::CustomMetrics
        | SourceId::Training
        | SourceId::Suppressed
        | SourceId::Values(..) => Reading::Account(ask_account(aws, id).await?),
    })
}

/// One read of what only some views need.
async fn ask_account(aws: &Aws, id: &SourceId) -> Result<AccountReading, Trouble> {
    Ok(match id {
        SourceId::PoliciesOf(thing) => {
            AccountReading::Policies(thing.clone(), read_account::policies_of(aws, thing.raw()).await?)
        }
        SourceId::JobsOf(thing) => {
            AccountReading::JobsOf(thing.clone(), read_account::jobs_of(aws, thing.raw()).await?)
        }
        SourceId::MetricsOf(thing) => {
            AccountReading::Metrics(thing.clone(), read_account::metrics_of(aws, thing.raw()).await?)
        }
        SourceId::Findings => AccountReading::Findings(read_audit::findings(aws).await?),
        SourceId::AuditSetup => AccountReading::AuditSetup(read_audit::setup(aws).await?),
        SourceId::AuditTasks => AccountReading::AuditTasks(read_audit::tasks(aws).await?),
        SourceId::RuleMetrics(rule) => {
            let series = metrics::of_rule(aws, rule.raw(), now_ms()).await?;
            AccountReading::RuleMetrics(rule.clone(), series)
        }
        SourceId::Dimensions => AccountReading::Dimensions(read_account::dimensions(aws).await?),
        SourceId::CustomMetrics => AccountReading::CustomMetrics(read_account::custom_metrics(aws).await?),
        SourceId::Training => AccountReading::Training(read_account::training(aws).await?),
        SourceId::Suppressed => AccountReading::Suppressed(read_account::suppressed(aws).await?),
        SourceId::Values(thing, metric) => {
            AccountReading::Values(thing.clone(), read_account::values(aws, thing.raw(), metric).await?)
        }
        _ => AccountReading::Rules(read_account::rules(aws).await?),
    })
}

/// The API whose budget a source uses most.
pub(super) fn action(id: &SourceId) -> &'static str {
    match id {
        SourceId::Identity | SourceId::Standing => "sts:GetCallerIdentity",
        SourceId::Things => "iot:ListThings",
        SourceId::Violations => "iot:ListActiveViolations",
        SourceId::ViolationEvents => "iot:ListViolationEvents",
        SourceId::Members(_) => "iot:ListThingsInThingGroup",
        SourceId::Certificates(_) => "iot:ListThingPrincipals",
        SourceId::GroupsOf(_) => "iot:ListThingGroupsForThing",
        SourceId::Denial(_) => "iot:ListAttachedPolicies",
        SourceId::Jobs => "iot:ListJobs",
        SourceId::Executions(_) => "iot:ListJobExecutionsForJob",
        SourceId::Shadow(..) => "iot:GetThingShadow",
        SourceId::Profiles => "iot:ListSecurityProfiles",
        SourceId::PoliciesOf(_) => "iot:GetEffectivePolicies",
        SourceId::JobsOf(_) => "iot:ListJobExecutionsForThing",
        SourceId::MetricsOf(_) => "iot:ListMetricValues",
        SourceId::Rules => "iot:ListTopicRules",
        SourceId::Findings => "iot:ListAuditFindings",
        SourceId::RuleMetrics(_) => "cloudwatch:GetMetricData",
        SourceId::AuditSetup => "iot:DescribeAccountAuditConfiguration",
        SourceId::AuditTasks => "iot:ListAuditTasks",
        SourceId::Dimensions => "iot:ListDimensions",
        SourceId::CustomMetrics => "iot:ListCustomMetrics",
        SourceId::Training => "iot:GetBehaviorModelTrainingSummaries",
        SourceId::Suppressed => "iot:ListActiveViolations",
        SourceId::Search(_) => "iot:SearchIndex",
        SourceId::Values(..) => "iot:ListMetricValues",
    }
}
