//! What the account shows about requests whose answer may have been lost: the truth after a crash.

use std::time::Duration;

use super::{audit, detect, rule};
use crate::cloud::{Aws, read as cloud, read_left};
use crate::response::past::{Past, Seen};
use crate::response::plan::request::Request;
use crate::response::recover;
use crate::response::rules::Rules;
use quell_fleet::Ms;
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::text::SafeText;

/// What a process sent just before it was killed may still be on its way: this long is waited before the account is asked.
const SETTLE: Duration = Duration::from_millis(1_500);
/// What the journal last heard of longer ago than this, in milliseconds, has arrived or never will.
const FRESH: Ms = 60_000;

/// The plan `id` of the journal, each of its requests held against the account.
pub(in crate::response) async fn past(
    c: &Aws,
    rules: &Rules,
    id: &str,
    now: Ms,
) -> Result<Option<Past>, Trouble> {
    let mut past = recover::load(&rules.journal, rules.since, id).await.map_err(|e| Trouble {
        kind: TroubleKind::Failed,
        message: SafeText::new(&format!("the journal cannot be read: {e}")),
        missing_action: None,
        since: now,
    })?;
    if let Some(past) = &mut past {
        settle([&*past], now).await;
        look(c, past, now).await;
    }
    Ok(past)
}

/// Waits for what plans that were cut short a moment ago may have under way.
pub(in crate::response) async fn settle<'p>(plans: impl IntoIterator<Item = &'p Past>, now: Ms) {
    if plans.into_iter().any(|past| past.has_lost() && now.saturating_sub(past.last) < FRESH) {
        tokio::time::sleep(SETTLE).await;
    }
}

/// Holds each request of a plan against the account. What cannot be read is said to be unknown, with the reason.
pub(in crate::response) async fn look(c: &Aws, past: &mut Past, now: Ms) {
    for step in &mut past.steps {
        step.seen = match Box::pin(shows(c, &step.request, now)).await {
            Ok(seen) => seen,
            Err(trouble) => Seen::Unknown(trouble.message),
        };
    }
}

fn yes(is: bool) -> Seen {
    if is { Seen::Yes } else { Seen::No }
}

/// Whether the account is as the request would have it.
pub(in crate::response) async fn shows(c: &Aws, request: &Request, now: Ms) -> Result<Seen, Trouble> {
    Ok(match request {
        Request::AddToGroup { thing, group } => yes(cloud::groups_of(c, thing.raw()).await?.contains(group)),
        Request::RemoveFromGroup { thing, group } => {
            yes(!cloud::groups_of(c, thing.raw()).await?.contains(group))
        }
        Request::Flag { thing, to, .. } => yes(super::flag(c, thing.raw()).await? == *to),
        Request::Certificate { id, status, .. } => {
            let found = cloud::certificate_status(c, id).await?;
            yes(found.as_deref() == Some(status.word()))
        }
        Request::Cut { client } => {
            let connected = cloud::connected(c, client.raw()).await?.unwrap_or(false);
            let is = if connected { "is connected" } else { "is not connected" };
            Seen::Unknown(SafeText::new(&format!("AWS keeps no record of a cut; the client {is} now")))
        }
        Request::ClearRetained { topic } => yes(read_left::retained_on(c, topic).await?.is_none()),
        Request::Ask { .. } => Seen::Unknown(SafeText::new("AWS keeps no record of a direct message")),
        Request::CreateJob { id, .. } => match super::job_status(c, id).await?.as_deref() {
            None => Seen::No,
            Some("IN_PROGRESS" | "SCHEDULED") => Seen::Yes,
            Some(status) => Seen::Over(SafeText::new(status)),
        },
        Request::CancelJob { job, .. } => {
            yes(super::job_status(c, job.raw()).await?.as_deref() == Some("CANCELED"))
        }
        Request::CreateGroup { group } => yes(group_exists(c, group.raw()).await?),
        Request::DeleteGroup { group } => yes(!group_exists(c, group.raw()).await?),
        Request::CreatePolicy { policy, .. } => yes(super::policy_document(c, policy.raw()).await?.is_some()),
        Request::DeletePolicy { policy } => yes(super::policy_document(c, policy.raw()).await?.is_none()),
        Request::AttachPolicy { policy, target } => yes(attached(c, policy.raw(), target).await?),
        Request::DetachPolicy { policy, target } => yes(!attached(c, policy.raw(), target).await?),
        Request::Rule(request) => yes(request.shown_by(rule::read(c, request.rule().raw()).await?.as_ref())),
        Request::Audit(request) => match audit::shows(c, request).await? {
            Some(shown) => yes(shown),
            None => Seen::Unknown(SafeText::new("an audit's id is only in its answer; see the audits")),
        },
        Request::Detect(request) => yes(detect::shows(c, request, now).await?),
        Request::Mitigate { task, .. } => yes(super::mitigation::exists(c, task, false).await?),
        Request::MitigateFindings { task, .. } => yes(super::mitigation::exists(c, task, true).await?),
    })
}

async fn group_exists(c: &Aws, group: &str) -> Result<bool, Trouble> {
    Ok(cloud::describe_thing_group(c, group).await?.is_some())
}

async fn attached(c: &Aws, policy: &str, target: &str) -> Result<bool, Trouble> {
    Ok(cloud::attached(c, target).await?.is_some_and(|names| names.iter().any(|name| name == policy)))
}
