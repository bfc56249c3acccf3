//! Mitigation actions of Device Defender: what they do, and the tasks that apply them to audit findings and Detect
//! violations (docs/aws-iot.md#2.3, #2.5).
//!
//! * `actions.rs`: the actions themselves. `act.rs`: one of them really applied.
//! * `engine.rs`: a task's executions, one after another; the same for both kinds of tasks.
//! * `audit_tasks.rs`, `detect_tasks.rs`: the operations on tasks, thin.
//!
//! Nothing here is ever rolled back, as in AWS.

mod act;
pub mod actions;
pub mod audit_tasks;
pub mod detect_tasks;
mod engine;
pub mod routes;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use engine::resume;

use super::{ApiError, when};
use crate::account::State;
use crate::store::{Table, Wal};
use actions::{Action, Params};

/// An action as a task took it over when it started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    name: String,
    id: String,
    role_arn: String,
    action_params: Params,
}

/// A task that applies actions. Its id is its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// `IN_PROGRESS`, `COMPLETED` (Detect says `SUCCESSFUL`), `FAILED`, `CANCELED`.
    status: String,
    /// Epoch milliseconds.
    start_ms: i64,
    /// Epoch milliseconds.
    end_ms: Option<i64>,
    token: String,
    /// The request without its token: `target` and what else it said.
    request: Value,
    definitions: Vec<Definition>,
}

/// One action on one finding or violation. Task, subject and its number are its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    task: String,
    /// The finding's or violation's id.
    subject: String,
    /// The violating thing.
    thing: Option<String>,
    /// The finding's check.
    check: Option<String>,
    action: String,
    action_id: String,
    /// `PENDING`, `IN_PROGRESS`, `COMPLETED`, `FAILED`, `SKIPPED`, `CANCELED`.
    status: String,
    start_ms: Option<i64>,
    end_ms: Option<i64>,
    code: Option<String>,
    message: Option<String>,
}

impl Execution {
    /// Adds when it ran, under the names its kind of task has for that, and why it failed.
    fn tell_end(&self, out: &mut Value, [start, end]: [&str; 2]) {
        for (member, at) in [(start, self.start_ms), (end, self.end_ms)] {
            if let Some(at) = at {
                out[member] = when::seconds(at).into();
            }
        }
        for (member, text) in [("errorCode", &self.code), ("message", &self.message)] {
            if let Some(text) = text {
                out[member] = text.as_str().into();
            }
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.status.as_str(), "PENDING" | "IN_PROGRESS")
    }
}

/// The tasks of one kind and their executions.
pub struct Desk {
    tasks: Table<Task>,
    executions: Table<Execution>,
}

/// What a new task is made of.
struct Order {
    id: String,
    token: Option<String>,
    request: Value,
    definitions: Vec<Definition>,
    executions: Vec<Execution>,
}

impl Desk {
    /// The executions of one task with their keys.
    fn executions_of<'a>(&'a self, task: &str) -> impl Iterator<Item = (&'a str, &'a Execution)> {
        let prefix = format!("{task}\u{1f}");
        self.executions.after(Some(&prefix.clone())).take_while(move |(key, _)| key.starts_with(&prefix))
    }

    /// True when this very request was taken already; refuses another one under the same id or token, and one task more than
    /// `most`.
    fn admit(&self, order: &Order, most: usize) -> Result<bool, ApiError> {
        let token = order.token.as_deref();
        if let Some(held) = self.tasks.get(&order.id) {
            if token.is_some_and(|t| t == held.token) && held.request == order.request {
                return Ok(true);
            }
            return Err(exists(format!("A task with the ID {} already exists", order.id)));
        }
        if token.is_some_and(|t| self.tasks.iter().any(|(_, task)| task.token == t)) {
            return Err(exists("A task with this client request token already exists".to_owned()));
        }
        if self.tasks.iter().filter(|(_, t)| t.status == "IN_PROGRESS").count() >= most {
            return Err(ApiError::limit(format!("At most {most} tasks can be in progress")));
        }
        Ok(false)
    }

    fn put(&mut self, order: Order, now_ms: i64) {
        for (n, execution) in order.executions.into_iter().enumerate() {
            let key = format!("{}\u{1f}{}\u{1f}{n:05}", execution.task, execution.subject);
            self.executions.put(&key, execution);
        }
        let task = Task {
            status: "IN_PROGRESS".to_owned(),
            start_ms: now_ms,
            end_ms: None,
            token: order.token.unwrap_or_default(),
            request: order.request,
            definitions: order.definitions,
        };
        self.tasks.put(&order.id, task);
    }

    /// Ends a task in progress and what is open of it.
    fn cancel(&mut self, id: &str, now_ms: i64) -> Result<(), ApiError> {
        let task = self.tasks.get(id).ok_or_else(|| missing_task(id))?;
        if task.status != "IN_PROGRESS" {
            return Err(ApiError::invalid(format!("Task {id} is {}, not in progress", task.status)));
        }
        let open: Vec<String> =
            self.executions_of(id).filter(|(_, e)| e.is_open()).map(|(key, _)| key.to_owned()).collect();
        for key in open {
            self.executions.update(&key, |e| {
                "CANCELED".clone_into(&mut e.status);
                e.end_ms = Some(now_ms);
            });
        }
        self.tasks.update(id, |t| {
            "CANCELED".clone_into(&mut t.status);
            t.end_ms = Some(now_ms);
        });
        Ok(())
    }
}

fn exists(message: String) -> ApiError {
    ApiError::new(400, "TaskAlreadyExistsException", message)
}

fn missing_task(id: &str) -> ApiError {
    ApiError::not_found(format!("Task {id} cannot be found."))
}

/// Which of the two kinds of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Audit,
    Detect,
}

/// Actions, tasks and executions.
pub struct MitigationStore {
    actions: Table<Action>,
    audit: Desk,
    detect: Desk,
}

impl MitigationStore {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        Self {
            actions: Table::open(wal, "mitigation-actions"),
            audit: Desk {
                tasks: Table::open(wal, "audit-mitigation-tasks"),
                executions: Table::open(wal, "audit-mitigation-executions"),
            },
            detect: Desk {
                tasks: Table::open(wal, "detect-mitigation-tasks"),
                executions: Table::open(wal, "detect-mitigation-executions"),
            },
        }
    }

    fn desk(&self, kind: Kind) -> &Desk {
        match kind {
            Kind::Audit => &self.audit,
            Kind::Detect => &self.detect,
        }
    }

    fn desk_mut(&mut self, kind: Kind) -> &mut Desk {
        match kind {
            Kind::Audit => &mut self.audit,
            Kind::Detect => &mut self.detect,
        }
    }

    /// The actions of those names as they are now.
    fn definitions(&self, names: &[String]) -> Result<Vec<Definition>, ApiError> {
        if !(1..=5).contains(&names.len()) {
            return Err(ApiError::invalid("Between 1 and 5 mitigation actions must be given"));
        }
        let one = |name: &String| {
            let held = self.actions.get(name);
            held.map(|action| action.definition(name))
                .ok_or_else(|| ApiError::invalid(format!("Mitigation action {name} cannot be found.")))
        };
        names.iter().map(one).collect()
    }
}

/// An execution that waits.
fn pending(task: &str, subject: &str, definition: &Definition) -> Execution {
    Execution {
        task: task.to_owned(),
        subject: subject.to_owned(),
        thing: None,
        check: None,
        action: definition.name.clone(),
        action_id: definition.id.clone(),
        status: "PENDING".to_owned(),
        start_ms: None,
        end_ms: None,
        code: None,
        message: None,
    }
}

/// Takes an order: `false` when it had been taken before.
fn accept(state: &mut State, kind: Kind, order: Order, most: usize, now_ms: i64) -> Result<bool, ApiError> {
    let desk = state.mitigation.desk_mut(kind);
    if desk.admit(&order, most)? {
        return Ok(false);
    }
    desk.put(order, now_ms);
    Ok(true)
}
