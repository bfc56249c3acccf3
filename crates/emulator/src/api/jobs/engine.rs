//! What moves jobs: rollout, timers, retries, abort criteria, completion, joiners and leavers (docs/aws-iot.md#4.5).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::changes::Changes;
use super::machine;
use super::model::{Execution, Job, JobStatus, Status};
use super::{Env, Jobs};

/// Things a target ARN stands for now.
fn members(env: &Env<'_>, target: &str) -> BTreeSet<String> {
    if let Some(thing) = env.arns.name_of("thing", target) {
        return env.registry.thing(thing).map(|_| thing.to_owned()).into_iter().collect();
    }
    env.arns.name_of("thinggroup", target).map(|group| env.registry.things_under(group)).unwrap_or_default()
}

fn is_target(env: &Env<'_>, job: &Job, thing: &str) -> bool {
    if env.registry.thing(thing).is_none() {
        return false;
    }
    let groups = env.registry.all_groups_of(thing);
    job.targets.iter().any(|target| {
        env.arns.name_of("thing", target) == Some(thing)
            || env.arns.name_of("thinggroup", target).is_some_and(|group| groups.contains(group))
    })
}

impl Jobs {
    /// Takes in a new job and, unless it is scheduled for later, queues what the rate allows at once.
    pub(super) fn start(&mut self, env: &Env<'_>, changes: &mut Changes, job: Job) {
        let id = job.id.clone();
        let begins = job.status == JobStatus::InProgress;
        let targets = job.targets.clone();
        self.jobs.put(&id, job);
        if begins {
            self.take_aim(env, &id, &targets);
            self.advance(env, changes, &id);
        }
    }

    /// Puts every thing of `targets` that has no open execution on the rollout's list.
    pub(super) fn take_aim(&mut self, env: &Env<'_>, id: &str, targets: &[String]) {
        for thing in targets.iter().flat_map(|target| members(env, target)).collect::<BTreeSet<_>>() {
            if self.execution(id, &thing).is_none_or(|e| e.status.is_terminal()) {
                self.wait(id, &thing);
            }
        }
    }

    /// True when [`Jobs::tick`] would do something at `now_ms`.
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        self.has_overdue(now_ms) || self.jobs.iter().any(|(id, job)| self.job_is_due(id, job, now_ms))
    }

    fn job_is_due(&self, id: &str, job: &Job, now_ms: i64) -> bool {
        match job.status {
            JobStatus::Scheduled => job.start_ms.is_some_and(|at| at <= now_ms),
            JobStatus::InProgress => {
                (!job.stopped && job.end_ms.is_some_and(|at| at <= now_ms)) || self.is_waiting(id)
            }
            JobStatus::Canceled | JobStatus::Completed => false,
        }
    }

    /// Does what has become due.
    pub(super) fn tick(&mut self, env: &Env<'_>, changes: &mut Changes) {
        let mut stirred = BTreeSet::new();
        for mut execution in self.overdue(env.now_ms) {
            machine::end(&mut execution, Status::TimedOut, env.now_ms);
            stirred.insert(execution.job.clone());
            self.ended(env, changes, execution);
        }
        let due = self.jobs.iter().filter(|(id, job)| self.job_is_due(id, job, env.now_ms));
        stirred.extend(due.map(|(id, _)| id.to_owned()));
        for id in stirred {
            self.advance(env, changes, &id);
        }
    }

    /// Stores an execution that may have ended: says so, and queues the retry its job allows.
    pub(super) fn ended(&mut self, env: &Env<'_>, changes: &mut Changes, execution: Execution) {
        changes.ended(env, &execution);
        let job = self.job(&execution.job);
        let open = job.filter(|job| job.status == JobStatus::InProgress && !job.stopped);
        let again = open.and_then(|job| {
            machine::retry(&execution, job.settings.job_executions_retry_config.as_ref(), env.now_ms)
        });
        self.set(execution, changes);
        if let Some(again) = again {
            self.set(again, changes);
        }
    }

    /// Brings one job to where it should be now: start, end, rollout, abort, completion.
    pub(super) fn advance(&mut self, env: &Env<'_>, changes: &mut Changes, id: &str) {
        let Some(job) = self.job(id) else { return };
        if job.status == JobStatus::Scheduled && job.start_ms.is_some_and(|at| at <= env.now_ms) {
            let targets = job.targets.clone();
            self.jobs.update(id, |job| {
                job.status = JobStatus::InProgress;
                job.updated_ms = env.now_ms;
                job.minute_began_ms = env.now_ms;
            });
            self.take_aim(env, id, &targets);
        }
        let Some(job) = self.job(id).filter(|job| job.status == JobStatus::InProgress) else { return };
        if !job.stopped && job.end_ms.is_some_and(|at| at <= env.now_ms) {
            let behavior = job.scheduling.as_ref().and_then(|s| s.end_behavior.clone());
            self.drop_waiting(id);
            self.jobs.update(id, |job| job.stopped = true);
            match behavior.as_deref() {
                Some("CANCEL") => return self.cancel(env, changes, id, false),
                Some("FORCE_CANCEL") => return self.cancel(env, changes, id, true),
                _ => {}
            }
        }
        self.roll_out(env, changes, id);
        // The report that ends a job's last open execution completes it, whatever the criteria say.
        self.complete(env, changes, id);
        if let Some(comment) = self.should_abort(id) {
            self.jobs.update(id, |job| {
                job.reason_code = Some("ABORT_CANCEL".to_owned());
                job.comment = Some(comment);
            });
            self.cancel(env, changes, id, false);
        }
    }

    fn roll_out(&mut self, env: &Env<'_>, changes: &mut Changes, id: &str) {
        let Some(job) = self.job(id).filter(|job| !job.stopped) else { return };
        let rollout = job.settings.job_executions_rollout_config.clone();
        let (mut began, mut queued) = (job.minute_began_ms, job.minute_queued);
        if env.now_ms - began >= env.minute_ms {
            (began, queued) = (env.now_ms, 0);
        }
        let rate = machine::rate(rollout.as_ref(), job.notified, self.count(id, Status::Succeeded));
        let budget = rate.map_or(usize::MAX, |rate| rate.saturating_sub(queued) as usize);
        let things = if budget == 0 { Vec::new() } else { self.next_waiting(id, budget) };
        if things.is_empty() {
            return;
        }
        let reached = things.len();
        for thing in things {
            self.enqueue(env, changes, id, &thing);
        }
        self.jobs.update(id, |job| {
            job.minute_began_ms = began;
            job.minute_queued = queued.saturating_add(u32::try_from(reached).unwrap_or(u32::MAX));
            job.notified += reached as u64;
        });
    }

    /// Queues the next execution of a job on a thing, unless one is open or the thing is gone; false then.
    fn enqueue(&mut self, env: &Env<'_>, changes: &mut Changes, id: &str, thing: &str) -> bool {
        self.stop_waiting(id, thing);
        if env.registry.thing(thing).is_none() {
            return false;
        }
        let number = match self.execution(id, thing) {
            Some(open) if !open.status.is_terminal() => return false,
            Some(over) => over.number + 1,
            None => 1,
        };
        self.set(Execution::queued(id, thing, number, env.now_ms), changes);
        true
    }

    /// What the first abort criterion that is met says; only of a job that runs.
    fn should_abort(&self, id: &str) -> Option<String> {
        let job = self.job(id).filter(|job| job.status == JobStatus::InProgress)?;
        let criteria = &job.settings.abort_config.as_ref()?.criteria_list;
        criteria.iter().find_map(|c| machine::aborts(c, |s| self.count(id, s)))
    }

    fn complete(&mut self, env: &Env<'_>, changes: &mut Changes, id: &str) {
        let Some(job) = self.job(id) else { return };
        let open = self.count(id, Status::Queued) + self.count(id, Status::InProgress);
        if open > 0 || (job.continuous && !job.stopped) || self.is_waiting(id) {
            return;
        }
        self.jobs.update(id, |job| {
            job.status = JobStatus::Completed;
            job.completed_ms = Some(env.now_ms);
            job.updated_ms = env.now_ms;
        });
        if let Some(job) = self.job(id) {
            changes.job(env, self, job, "completed");
        }
    }

    /// Cancels a job: what is queued, and with `force` what is in progress.
    pub(super) fn cancel(&mut self, env: &Env<'_>, changes: &mut Changes, id: &str, force: bool) {
        if let Some(job) = self.job(id) {
            changes.job(env, self, job, "cancellation_in_progress");
        }
        self.drop_waiting(id);
        let open: Vec<Execution> = self
            .executions_of(id)
            .filter(|(_, e)| e.status == Status::Queued || (force && e.status == Status::InProgress))
            .map(|(_, e)| e.clone())
            .collect();
        self.jobs.update(id, |job| {
            job.status = JobStatus::Canceled;
            job.force_canceled |= force;
            job.updated_ms = env.now_ms;
            job.completed_ms = Some(env.now_ms);
        });
        for mut execution in open {
            machine::end(&mut execution, Status::Canceled, env.now_ms);
            changes.ended(env, &execution);
            self.set(execution, changes);
        }
        if let Some(job) = self.job(id) {
            changes.job(env, self, job, "canceled");
        }
    }

    /// A thing joined or left `group`. Joiners are near-instant: the rollout rate is for the first targets only.
    pub(super) fn membership(
        &mut self,
        env: &Env<'_>,
        changes: &mut Changes,
        thing: &str,
        group: &str,
        added: bool,
    ) {
        let mut groups = env.registry.ancestors(group);
        groups.push(group.to_owned());
        let arns: Vec<String> = groups.iter().map(|name| env.arns.iot("thinggroup", name)).collect();
        let concerned: Vec<String> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.continuous && job.status == JobStatus::InProgress && !job.stopped)
            .filter(|(_, job)| job.targets.iter().any(|target| arns.contains(target)))
            .map(|(id, _)| id.to_owned())
            .collect();
        for id in concerned {
            if added {
                if self.enqueue(env, changes, &id, thing) {
                    self.jobs.update(&id, |job| job.notified += 1);
                }
            } else if self.job(&id).is_some_and(|job| !is_target(env, job, thing)) {
                self.stop_waiting(&id, thing);
                if let Some(mut execution) =
                    self.execution(&id, thing).filter(|e| e.status == Status::Queued).cloned()
                {
                    machine::end(&mut execution, Status::Removed, env.now_ms);
                    changes.ended(env, &execution);
                    self.set(execution, changes);
                }
            }
        }
    }

    /// Ends what a deleted thing had open.
    pub(super) fn thing_deleted(&mut self, env: &Env<'_>, changes: &mut Changes, thing: &str) {
        let open: Vec<Execution> = self.pending_of(thing).into_iter().cloned().collect();
        for mut execution in open {
            let job = execution.job.clone();
            machine::end(&mut execution, Status::Removed, env.now_ms);
            changes.ended(env, &execution);
            self.set(execution, changes);
            self.advance(env, changes, &job);
        }
    }

    /// `jobProcessDetails`.
    pub(super) fn process_details(&self, job: &Job) -> Value {
        let count = |status| self.count(&job.id, status);
        let mut details = json!({
            "numberOfCanceledThings": count(Status::Canceled),
            "numberOfSucceededThings": count(Status::Succeeded),
            "numberOfFailedThings": count(Status::Failed),
            "numberOfRejectedThings": count(Status::Rejected),
            "numberOfQueuedThings": count(Status::Queued),
            "numberOfInProgressThings": count(Status::InProgress),
            "numberOfRemovedThings": count(Status::Removed),
            "numberOfTimedOutThings": count(Status::TimedOut),
        });
        if self.is_waiting(&job.id) {
            details["processingTargets"] = json!(job.targets);
        }
        details
    }
}
