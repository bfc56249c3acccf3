//! After a crash: which plans of the journal never ended, and what of them happened, read in the account.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::cloud::Aws;

use super::journal::{Journal, who};
use super::past::{self, Answered, Past, Seen};
use super::read::seen;
use super::run::now;

/// The plans without an outcome that nobody works on any more, each request held against the account; oldest first.
///
/// # Errors
/// The journal cannot be read.
pub async fn unfinished(clients: &Aws, journal: &Path) -> io::Result<Vec<Past>> {
    let entries = entries(journal).await?;
    let mut open = past::open(&entries, past::alive);
    for past in &mut open {
        Box::pin(seen::look(clients, past, now())).await;
    }
    Ok(open)
}

/// The newest plan that an undo could take back.
///
/// # Errors
/// The journal cannot be read.
pub async fn last_undoable(journal: &Path) -> io::Result<Option<String>> {
    Ok(past::undoable(&entries(journal).await?))
}

/// The newest plan that never ended, or ended with requests unsent.
///
/// # Errors
/// The journal cannot be read.
pub async fn last_unfinished(journal: &Path) -> io::Result<Option<String>> {
    let entries = entries(journal).await?;
    if let Some(open) = past::open(&entries, past::alive).pop() {
        return Ok(Some(open.id));
    }
    let intents = entries.iter().rev().filter(|e| e.get("kind").and_then(Value::as_str) == Some("intent"));
    Ok(intents
        .filter_map(|e| past::load(&entries, e.get("plan")?.as_str()?))
        .find(|p| {
            let short = matches!(p.outcome.as_deref(), Some("partly" | "failed" | "interrupted"));
            short && p.superseded.is_none()
        })
        .map(|p| p.id))
}

/// Writes down that an operator lets a plan rest as it is.
///
/// # Errors
/// The journal cannot be written, or has no such plan.
pub fn close(journal: &Path, id: &str) -> io::Result<()> {
    let journal = Journal::open(journal)?;
    if past::load(&journal.entries()?, id).is_none() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the journal has no such plan"));
    }
    journal.append(now(), "closed", id, json!({"who": who(None)}))
}

/// One plan as the command line tells programs.
pub fn json(past: &Past) -> Value {
    let steps: Vec<Value> = past
        .steps
        .iter()
        .map(|step| {
            let (answered, request_id) = match step.answered() {
                Answered::Accepted { request_id } => ("accepted", request_id.clone()),
                Answered::Refused(_) => ("refused", None),
                Answered::Never => ("lost", None),
            };
            let account = match step.seen() {
                Seen::Yes | Seen::Over(_) => "done",
                Seen::No => "not done",
                Seen::Unknown(_) => "unknown",
            };
            json!({
                "target": past.target_of(step).map(|t| t.raw()),
                "operation": step.operation(),
                "resource": step.resource(),
                "answer": answered,
                "requestId": request_id,
                "account": account,
                "happened": step.happened(),
                "truth": step.truth(),
            })
        })
        .collect();
    json!({
        "id": past.id, "what": past.what, "title": past.title, "at": past.at, "who": past.who,
        "outcome": past.outcome, "steps": steps,
    })
}

async fn entries(journal: &Path) -> io::Result<Vec<Value>> {
    let path = journal.to_owned();
    tokio::task::spawn_blocking(move || Journal::open(&path)?.entries())
        .await
        .map_err(|e| io::Error::other(e.to_string()))?
}
