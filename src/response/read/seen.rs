//! What the account shows about requests whose answer may have been lost: the truth after a crash.

use crate::cloud::Aws;
use crate::response::aws::{not_found, trouble};
use crate::response::journal::Journal;
use crate::response::past::{self, Past, Seen};
use crate::response::plan::request::Request;
use crate::response::rules::Rules;
use crate::response::{audit, detect, rule};
use quell_fleet::Ms;
use quell_fleet::known::Trouble;
use quell_fleet::text::SafeText;

/// The plan `id` of the journal, each of its requests held against the account.
pub(in crate::response) async fn past(
    c: &Aws,
    rules: &Rules,
    id: &str,
    now: Ms,
) -> Result<Option<Past>, Trouble> {
    let entries = Journal::open(&rules.journal).and_then(|j| j.entries());
    let mut past = entries.ok().and_then(|entries| past::load(&entries, id));
    if let Some(past) = &mut past {
        look(c, past, now).await;
    }
    Ok(past)
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
        Request::AddToGroup { thing, group } => {
            yes(super::groups_of(c, thing.raw(), now).await?.contains(group))
        }
        Request::RemoveFromGroup { thing, group } => {
            yes(!super::groups_of(c, thing.raw(), now).await?.contains(group))
        }
        Request::Flag { thing, to, .. } => yes(super::flag(c, thing.raw(), now).await? == *to),
        Request::Certificate { id, status, .. } => {
            let found = super::certificate_status(c, id, now).await?;
            yes(found.as_deref() == Some(status.word()))
        }
        Request::Cut { client } => {
            let connected = super::connected(c, client.raw(), now).await?.unwrap_or(false);
            let is = if connected { "is connected" } else { "is not connected" };
            Seen::Unknown(SafeText::new(&format!("AWS keeps no record of a cut; the client {is} now")))
        }
        Request::CreateJob { id, .. } => match super::job_status(c, id, now).await?.as_deref() {
            None => Seen::No,
            Some("IN_PROGRESS" | "SCHEDULED") => Seen::Yes,
            Some(status) => Seen::Over(SafeText::new(status)),
        },
        Request::CancelJob { job, .. } => {
            yes(super::job_status(c, job.raw(), now).await?.as_deref() == Some("CANCELED"))
        }
        Request::CreateGroup { group } => yes(group_exists(c, group.raw(), now).await?),
        Request::DeleteGroup { group } => yes(!group_exists(c, group.raw(), now).await?),
        Request::CreatePolicy { policy, .. } => {
            yes(super::policy_document(c, policy.raw(), now).await?.is_some())
        }
        Request::DeletePolicy { policy } => {
            yes(super::policy_document(c, policy.raw(), now).await?.is_none())
        }
        Request::AttachPolicy { policy, target } => yes(attached(c, policy.raw(), target, now).await?),
        Request::DetachPolicy { policy, target } => yes(!attached(c, policy.raw(), target, now).await?),
        Request::Rule(request) => {
            yes(request.shown_by(rule::read(c, request.rule().raw(), now).await?.as_ref()))
        }
        Request::Audit(request) => match audit::shows(c, request, now).await? {
            Some(shown) => yes(shown),
            None => Seen::Unknown(SafeText::new("an audit's id is only in its answer; see the audits")),
        },
        Request::Detect(request) => yes(detect::shows(c, request, now).await?),
        Request::Mitigate { task, .. } => yes(super::mitigation::exists(c, task, false, now).await?),
        Request::MitigateFindings { task, .. } => yes(super::mitigation::exists(c, task, true, now).await?),
    })
}

async fn group_exists(c: &Aws, group: &str, now: Ms) -> Result<bool, Trouble> {
    match c.iot.describe_thing_group().thing_group_name(group).send().await {
        Ok(_) => Ok(true),
        Err(e) if not_found(&e) => Ok(false),
        Err(e) => Err(trouble(&e, "iot:DescribeThingGroup", now)),
    }
}

async fn attached(c: &Aws, policy: &str, target: &str, now: Ms) -> Result<bool, Trouble> {
    let mut pages = c.iot.list_attached_policies().target(target).into_paginator().items().send();
    while let Some(found) = pages.next().await {
        match found {
            Ok(found) if found.policy_name() == Some(policy) => return Ok(true),
            Ok(_) => {}
            Err(e) if not_found(&e) => return Ok(false),
            Err(e) => return Err(trouble(&e, "iot:ListAttachedPolicies", now)),
        }
    }
    Ok(false)
}
