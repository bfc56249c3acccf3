//! Runs mitigation tasks: one execution after another, each with its time.

use std::sync::Arc;
use std::time::Duration;

use super::act::{self, Outcome};
use super::{Execution, Kind, Task};
use crate::account::Account;
use crate::api::ApiError;

/// How long one action takes.
const ACTION: Duration = Duration::from_secs(2);

/// Runs a task within the runtime this is called from.
pub(super) fn spawn(account: &Account, kind: Kind, id: &str) {
    let id = id.to_owned();
    account.spawn(move |account| drive(account, kind, id));
}

/// Takes up the tasks a restart interrupted. Must be called inside the runtime.
pub fn resume(account: &Account) {
    for kind in [Kind::Audit, Kind::Detect] {
        let open: Vec<String> = {
            let state = account.read();
            let tasks = state.mitigation.desk(kind).tasks.iter();
            tasks.filter(|(_, t)| t.status == "IN_PROGRESS").map(|(id, _)| id.to_owned()).collect()
        };
        for id in open {
            spawn(account, kind, &id);
        }
    }
}

async fn drive(account: Arc<Account>, kind: Kind, id: String) {
    while let Some((key, execution, task)) = begin(&account, kind, &id) {
        commit(&account);
        tokio::time::sleep(account.clock.scaled(ACTION)).await;
        // A cancellation came first: the action is not taken.
        let open = account.read().mitigation.desk(kind).executions.get(&key).is_some_and(Execution::is_open);
        if open {
            let outcome = apply(&account, kind, &task, &execution);
            end(&account, kind, &key, outcome);
            commit(&account);
        }
    }
    finish(&account, kind, &id);
    commit(&account);
}

fn commit(account: &Account) {
    if let Err(error) = account.wal.commit_in_place() {
        tracing::error!(%error, "a mitigation task could not be kept");
    }
}

/// The next open execution, marked as in progress; `None` when nothing is left to do.
fn begin(account: &Account, kind: Kind, id: &str) -> Option<(String, Execution, Task)> {
    let now = account.clock.now_ms();
    let mut state = account.write();
    let desk = state.mitigation.desk_mut(kind);
    let task = desk.tasks.get(id).filter(|t| t.status == "IN_PROGRESS")?.clone();
    let key = desk.executions_of(id).find(|(_, e)| e.is_open()).map(|(key, _)| key.to_owned())?;
    let execution = desk.executions.update(&key, |e| {
        "IN_PROGRESS".clone_into(&mut e.status);
        e.start_ms.get_or_insert(now);
        e.clone()
    })?;
    Some((key, execution, task))
}

fn apply(account: &Account, kind: Kind, task: &Task, execution: &Execution) -> Outcome {
    let Some(definition) = task.definitions.iter().find(|d| d.id == execution.action_id) else {
        return Outcome::Failed(ApiError::internal("The action is not part of the task."));
    };
    match kind {
        Kind::Audit => {
            let finding = account.read().audit.finding(&execution.subject).cloned();
            match finding {
                Some(finding) => {
                    act::on_finding(account, &definition.action_params, &execution.subject, &finding)
                }
                None => Outcome::Failed(ApiError::not_found("The finding is not kept any more.")),
            }
        }
        Kind::Detect => {
            act::on_thing(account, &definition.action_params, execution.thing.as_deref().unwrap_or_default())
        }
    }
}

fn end(account: &Account, kind: Kind, key: &str, outcome: Outcome) {
    let now = account.clock.now_ms();
    account.write().mitigation.desk_mut(kind).executions.update(key, |e| {
        e.end_ms = Some(now);
        e.status = match outcome {
            Outcome::Done => "COMPLETED",
            Outcome::Skipped(why) => {
                e.message = Some(why);
                "SKIPPED"
            }
            Outcome::Failed(error) => {
                tracing::info!(
                    action = e.action,
                    subject = e.subject,
                    error = error.message,
                    "mitigation failed"
                );
                e.code = Some(error.code.to_owned());
                e.message = Some(error.message);
                "FAILED"
            }
        }
        .to_owned();
    });
}

/// Ends a task whose executions are all over: it failed when nothing it tried worked.
fn finish(account: &Account, kind: Kind, id: &str) {
    let now = account.clock.now_ms();
    let mut state = account.write();
    let desk = state.mitigation.desk_mut(kind);
    let (mut failed, mut other) = (0, 0);
    for (_, execution) in desk.executions_of(id) {
        *(if execution.status == "FAILED" { &mut failed } else { &mut other }) += 1;
    }
    let status = if failed > 0 && other == 0 { "FAILED" } else { "COMPLETED" };
    desk.tasks.update(id, |t| {
        if t.status == "IN_PROGRESS" {
            status.clone_into(&mut t.status);
            t.end_ms = Some(now);
        }
    });
}
