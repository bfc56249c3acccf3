//! What a change of jobs says on MQTT (docs/aws-iot.md#3.7).
//!
//! `notify` is sent when a thing's list of pending executions changed, `notify-next` when its head did; a step from QUEUED
//! to IN_PROGRESS changes neither. So the lists are remembered before the first change and compared after the last.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::device::{summary, view};
use super::model::{Execution, Job, Status};
use super::{Env, Jobs, Messages};
use crate::api::registry::uuid;

/// Summaries of each status in a `notify`.
const MOST_SUMMARIES: usize = 10;

/// The things touched by a change, as they were before, and the events it caused.
#[derive(Default)]
pub(super) struct Changes {
    before: BTreeMap<String, Pending>,
    events: Vec<(String, Value)>,
}

#[derive(PartialEq, Default)]
struct Pending {
    all: BTreeSet<(String, u64)>,
    head: Option<(String, u64)>,
}

impl Pending {
    fn of(jobs: &Jobs, thing: &str) -> Self {
        let list = jobs.pending_of(thing);
        let id = |e: &&Execution| (e.job.clone(), e.number);
        Self { head: list.first().map(id), all: list.iter().map(id).collect() }
    }
}

impl Changes {
    /// Remembers a thing's list before its first change.
    pub(super) fn before(&mut self, jobs: &Jobs, thing: &str) {
        if !self.before.contains_key(thing) {
            self.before.insert(thing.to_owned(), Pending::of(jobs, thing));
        }
    }

    /// An event about an execution that reached a terminal state, or that was deleted.
    pub(super) fn execution(&mut self, env: &Env<'_>, execution: &Execution, operation: &'static str) {
        if !env.registry.events_enabled("JOB_EXECUTION") {
            return;
        }
        let topic = format!("$aws/events/jobExecution/{}/{operation}", execution.job);
        let body = json!({
            "eventType": "JOB_EXECUTION",
            "eventId": uuid(),
            "timestamp": env.now_ms / 1000,
            "operation": operation,
            "jobId": execution.job,
            "thingArn": env.arns.iot("thing", &execution.thing),
            "status": execution.status.as_str(),
            "statusDetails": execution.details,
        });
        self.events.push((topic, body));
    }

    /// The event of the terminal state an execution is in.
    pub(super) fn ended(&mut self, env: &Env<'_>, execution: &Execution) {
        let operation = match execution.status {
            Status::Queued | Status::InProgress => return,
            Status::Succeeded => "succeeded",
            Status::Failed => "failed",
            Status::TimedOut => "timed_out",
            Status::Rejected => "rejected",
            Status::Removed => "removed",
            Status::Canceled => "canceled",
        };
        self.execution(env, execution, operation);
    }

    /// An event about a job.
    pub(super) fn job(&mut self, env: &Env<'_>, jobs: &Jobs, job: &Job, operation: &'static str) {
        if !env.registry.events_enabled("JOB") {
            return;
        }
        let status = match operation {
            "cancellation_in_progress" => "CANCELLATION_IN_PROGRESS",
            "deletion_in_progress" => "DELETION_IN_PROGRESS",
            "deleted" => "DELETED",
            _ => job.status.as_str(),
        };
        let mut body = json!({
            "eventType": "JOB",
            "eventId": uuid(),
            "timestamp": env.now_ms / 1000,
            "operation": operation,
            "jobId": job.id,
            "status": status,
            "targetSelection": if job.continuous { "CONTINUOUS" } else { "SNAPSHOT" },
            "targets": job.targets,
            "createdAt": job.created_ms,
            "lastUpdatedAt": job.updated_ms,
            "jobProcessDetails": jobs.process_details(job),
        });
        let optional = [
            ("description", job.settings.description.clone().map(Value::from)),
            ("completedAt", job.completed_ms.map(Value::from)),
            ("comment", job.comment.clone().map(Value::from)),
        ];
        if let Some(map) = body.as_object_mut() {
            map.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        self.events.push((format!("$aws/events/job/{}/{operation}", job.id), body));
    }

    /// Everything to publish, in the order of things and then of events.
    pub(super) fn messages(self, jobs: &Jobs, env: &Env<'_>) -> Messages {
        let mut out = Messages::new();
        let mut say = |topic: String, body: &Value| out.push((topic, Bytes::from(body.to_string())));
        for (thing, before) in &self.before {
            let after = Pending::of(jobs, thing);
            if after.all != before.all {
                say(format!("$aws/things/{thing}/jobs/notify"), &notify(jobs, thing, env));
            }
            if after.head != before.head {
                say(format!("$aws/things/{thing}/jobs/notify-next"), &notify_next(jobs, thing, env));
            }
        }
        for (topic, body) in &self.events {
            say(topic.clone(), body);
        }
        out
    }
}

fn notify(jobs: &Jobs, thing: &str, env: &Env<'_>) -> Value {
    let mut by_status: Map<String, Value> = Map::new();
    for execution in jobs.pending_of(thing) {
        let list = by_status.entry(execution.status.as_str()).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut()
            && list.len() < MOST_SUMMARIES
        {
            list.push(summary(execution));
        }
    }
    json!({"timestamp": env.now_ms / 1000, "jobs": by_status})
}

fn notify_next(jobs: &Jobs, thing: &str, env: &Env<'_>) -> Value {
    let mut body = json!({"timestamp": env.now_ms / 1000});
    if let Some(head) = jobs.pending_of(thing).first() {
        let mut execution = view(jobs, head, env, true, false);
        if let Some(members) = execution.as_object_mut() {
            // The topic names the thing.
            members.shift_remove("thingName");
        }
        body["execution"] = execution;
    }
    body
}
