//! Every job and every execution, with the indices that keep a device's request and a tick cheap in a large fleet.

use std::collections::{BTreeSet, HashMap};

use super::changes::Changes;
use super::model::{Execution, Job, JobStatus, Status, Template};
use crate::store::{Table, Wal};

/// Jobs and their executions.
pub struct Jobs {
    pub(super) jobs: Table<Job>,
    pub(super) templates: Table<Template>,
    /// The newest execution under `job/thing`: neither name can hold a slash.
    executions: Table<Execution>,
    /// Executions that a newer one replaced, under `job/thing/number`.
    history: Table<Execution>,
    /// Things the rollout has not reached, under `job/thing`.
    waiting: Table<bool>,
    /// Thing → jobs whose newest execution is not terminal.
    pending: HashMap<String, BTreeSet<String>>,
    /// Job → things by the status of their newest execution.
    counts: HashMap<String, [u64; Status::ALL.len()]>,
    /// When timers run out, with `job/thing`.
    deadlines: BTreeSet<(i64, String)>,
}

fn key(job: &str, thing: &str) -> String {
    format!("{job}/{thing}")
}

fn rows<'a, V: serde::Serialize + serde::de::DeserializeOwned>(
    table: &'a Table<V>,
    prefix: &str,
) -> impl Iterator<Item = (&'a str, &'a V)> + use<'a, V> {
    let prefix = prefix.to_owned();
    table.after(Some(&prefix)).take_while(move |(key, _)| key.starts_with(&prefix))
}

impl Jobs {
    /// Is there a job of that id?
    pub fn has_job(&self, id: &str) -> bool {
        self.jobs.contains(id)
    }

    /// Is there a job template of that id?
    pub fn has_template(&self, id: &str) -> bool {
        self.templates.contains(id)
    }

    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        let mut jobs = Self {
            jobs: Table::open(wal, "jobs"),
            templates: Table::open(wal, "job-templates"),
            executions: Table::open(wal, "job-executions"),
            history: Table::open(wal, "job-execution-history"),
            waiting: Table::open(wal, "job-waiting"),
            pending: HashMap::new(),
            counts: HashMap::new(),
            deadlines: BTreeSet::new(),
        };
        let held: Vec<Execution> = jobs.executions.iter().map(|(_, e)| e.clone()).collect();
        for execution in &held {
            jobs.index(execution);
        }
        jobs
    }

    /// The job of that id.
    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// True when any continuous job is still open to joiners.
    pub(super) fn has_continuous(&self) -> bool {
        self.jobs.iter().any(|(_, job)| job.continuous && job.status == JobStatus::InProgress)
    }

    /// The newest execution of a job on a thing.
    pub fn execution(&self, job: &str, thing: &str) -> Option<&Execution> {
        self.executions.get(&key(job, thing))
    }

    /// The execution of that number, or the newest.
    pub(super) fn numbered(&self, job: &str, thing: &str, number: Option<u64>) -> Option<&Execution> {
        let newest = self.execution(job, thing)?;
        match number {
            Some(number) if number != newest.number => {
                self.history.get(&format!("{}/{number}", key(job, thing)))
            }
            _ => Some(newest),
        }
    }

    /// An execution that is the newest of its job and thing, and those before it.
    pub(super) fn with_earlier<'a>(&'a self, newest: &'a Execution) -> impl Iterator<Item = &'a Execution> {
        let key = key(&newest.job, &newest.thing);
        let before = (1..newest.number).rev();
        std::iter::once(newest).chain(before.filter_map(move |n| self.history.get(&format!("{key}/{n}"))))
    }

    /// The newest executions of a job, with the things' names, in their order.
    pub(super) fn executions_of(&self, job: &str) -> impl Iterator<Item = (&str, &Execution)> {
        rows(&self.executions, &key(job, "")).map(|(_, e)| (e.thing.as_str(), e))
    }

    /// Jobs a thing has or had, with its newest execution of each, in the order of job ids.
    pub(super) fn jobs_of<'a>(&'a self, thing: &str) -> impl Iterator<Item = (&'a str, &'a Execution)> {
        let thing = thing.to_owned();
        self.jobs.iter().filter_map(move |(id, _)| Some((id, self.execution(id, &thing)?)))
    }

    /// The executions a device has before it: in progress first, then queued, each oldest first.
    pub(super) fn pending_of(&self, thing: &str) -> Vec<&Execution> {
        let mut list: Vec<&Execution> = self
            .pending
            .get(thing)
            .into_iter()
            .flatten()
            .filter_map(|job| self.execution(job, thing))
            .collect();
        list.sort_by_key(|e| {
            (e.status != Status::InProgress, e.started_ms.unwrap_or(e.queued_ms), e.queued_ms, e.job.as_str())
        });
        list
    }

    /// How many things have their newest execution of `job` in `status`.
    pub(super) fn count(&self, job: &str, status: Status) -> u64 {
        self.counts.get(job).map_or(0, |counts| counts[status as usize])
    }

    /// True when a thing has still to be reached by the rollout.
    pub(super) fn is_waiting(&self, job: &str) -> bool {
        rows(&self.waiting, &key(job, "")).next().is_some()
    }

    /// The next things the rollout would reach.
    pub(super) fn next_waiting(&self, job: &str, at_most: usize) -> Vec<String> {
        let prefix = key(job, "");
        let of_it = rows(&self.waiting, &prefix).filter_map(|(k, _)| k.strip_prefix(&prefix));
        of_it.take(at_most).map(str::to_owned).collect()
    }

    pub(super) fn wait(&mut self, job: &str, thing: &str) {
        self.waiting.put(&key(job, thing), true);
    }

    pub(super) fn stop_waiting(&mut self, job: &str, thing: &str) {
        self.waiting.remove(&key(job, thing));
    }

    pub(super) fn drop_waiting(&mut self, job: &str) {
        for thing in self.next_waiting(job, usize::MAX) {
            self.stop_waiting(job, &thing);
        }
    }

    /// Stores an execution as the newest of its job and thing; one of another number goes to the history.
    pub(super) fn set(&mut self, execution: Execution, changes: &mut Changes) {
        changes.before(self, &execution.thing);
        let key = key(&execution.job, &execution.thing);
        if let Some(old) = self.executions.get(&key).cloned() {
            self.unindex(&old);
            if old.number != execution.number {
                self.history.put(&format!("{key}/{}", old.number), old);
            }
        }
        self.index(&execution);
        self.executions.put(&key, execution);
    }

    /// Forgets an execution; the history with it unless another number is named.
    pub(super) fn forget(
        &mut self,
        job: &str,
        thing: &str,
        number: u64,
        changes: &mut Changes,
    ) -> Option<Execution> {
        let key = key(job, thing);
        if self.executions.get(&key).is_some_and(|newest| newest.number == number) {
            changes.before(self, thing);
            let gone = self.executions.remove(&key)?;
            self.unindex(&gone);
            // The one before becomes the newest again: a thing's executions stay listed without their last.
            if let Some(previous) = (1..number).rev().find_map(|n| self.history.remove(&format!("{key}/{n}")))
            {
                self.index(&previous);
                self.executions.put(&key, previous);
            }
            return Some(gone);
        }
        self.history.remove(&format!("{key}/{number}"))
    }

    /// Removes a job and all it left behind.
    pub(super) fn erase(&mut self, job: &str, changes: &mut Changes) -> Option<Job> {
        self.drop_waiting(job);
        let all: Vec<(String, u64)> =
            self.executions_of(job).map(|(thing, e)| (thing.to_owned(), e.number)).collect();
        for (thing, number) in all {
            for n in 1..number {
                self.history.remove(&format!("{}/{n}", key(job, &thing)));
            }
            self.forget(job, &thing, number, changes);
        }
        self.counts.remove(job);
        self.jobs.remove(job)
    }

    /// Executions whose timer ran out.
    pub(super) fn overdue(&self, now_ms: i64) -> Vec<Execution> {
        self.deadlines
            .iter()
            .take_while(|(at, _)| *at <= now_ms)
            .filter_map(|(_, key)| self.executions.get(key).cloned())
            .collect()
    }

    /// True when [`Jobs::overdue`] would give any.
    pub(super) fn has_overdue(&self, now_ms: i64) -> bool {
        self.deadlines.first().is_some_and(|(at, _)| *at <= now_ms)
    }

    fn index(&mut self, execution: &Execution) {
        self.counts.entry(execution.job.clone()).or_default()[execution.status as usize] += 1;
        if !execution.status.is_terminal() {
            self.pending.entry(execution.thing.clone()).or_default().insert(execution.job.clone());
        }
        if let Some(at) = execution.deadline_ms() {
            self.deadlines.insert((at, key(&execution.job, &execution.thing)));
        }
    }

    fn unindex(&mut self, execution: &Execution) {
        if let Some(counts) = self.counts.get_mut(&execution.job) {
            let count = &mut counts[execution.status as usize];
            *count = count.saturating_sub(1);
        }
        if let Some(jobs) = self.pending.get_mut(&execution.thing) {
            jobs.remove(&execution.job);
            if jobs.is_empty() {
                self.pending.remove(&execution.thing);
            }
        }
        if let Some(at) = execution.deadline_ms() {
            self.deadlines.remove(&(at, key(&execution.job, &execution.thing)));
        }
    }
}
