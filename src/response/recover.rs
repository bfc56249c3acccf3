//! After a crash: which plans of the journal never ended, and what of them happened, read in the account.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::cloud::Aws;
use quell_fleet::Ms;

use super::journal::{Journal, who};
use super::past::{Answered, Past, Plans, Seen};
use super::read::seen;
use super::run::now;

/// The plans without an outcome that nobody works on any more, as the journal has them; oldest first. One pass over the
/// journal: its time grows with the journal's length, its memory with the number of plans.
///
/// Here and below, plans begun before `since` are not looked at: an emulated account forgets with its process, and what an
/// earlier one of the same name was asked says nothing of this one.
///
/// # Errors
/// The journal cannot be read.
pub fn left_open(journal: &Path, since: Option<Ms>) -> io::Result<Vec<Past>> {
    Plans::of(&Journal::open(journal)?, since)?.open()
}

/// The same, each request held against the account.
///
/// # Errors
/// The journal cannot be read.
pub async fn unfinished(clients: &Aws, journal: &Path, since: Option<Ms>) -> io::Result<Vec<Past>> {
    let mut open = beside(journal, move |path| left_open(path, since)).await?;
    seen::settle(&open, now()).await;
    for past in &mut open {
        Box::pin(seen::look(clients, past, now())).await;
    }
    Ok(open)
}

/// A plan with those that finished it, as the journal has them.
pub(in crate::response) async fn load(
    journal: &Path,
    since: Option<Ms>,
    id: &str,
) -> io::Result<Option<Past>> {
    let id = id.to_owned();
    beside(journal, move |path| Plans::of(&Journal::open(path)?, since)?.load(&id)).await
}

/// Plans that are looked through for one that can still be taken back.
const EARLIER: usize = 1_000;

/// The newest plan that changed something, when an undo can take it back; or a sentence about why not, and which earlier one
/// it could: whoever asks without a name means the newest, and nothing older is taken back in its place.
///
/// # Errors
/// The journal cannot be read.
pub async fn last_undoable(journal: &Path, since: Option<Ms>) -> io::Result<Result<String, String>> {
    beside(journal, move |path| {
        let plans = Plans::of(&Journal::open(path)?, since)?;
        let mut changed = plans.changed();
        let Some(newest) = changed.next().transpose()? else {
            return Ok(Err(format!("the journal has nothing that can be undone{}", stands(plans.newest()?))));
        };
        if newest.can_be_undone() {
            return Ok(Ok(newest.id));
        }
        let mut earlier = String::new();
        for past in changed.take(EARLIER) {
            let past = past?;
            if past.can_be_undone() {
                let (id, title, at) = (past.id, past.title, past.at);
                earlier = format!(". Before it: quell undo {id} takes back {title} of {at}");
                break;
            }
        }
        let why = match &newest.undone {
            Some(_) => "there is nothing left to undo",
            None => "AWS has nothing that takes it back",
        };
        Ok(Err(format!("{why}{}{earlier}", stands(Some(newest)))))
    })
    .await
}

/// The newest plan that never ended, or ended with requests unsent; or a sentence about why there is none.
///
/// # Errors
/// The journal cannot be read.
pub async fn last_unfinished(journal: &Path, since: Option<Ms>) -> io::Result<Result<String, String>> {
    beside(journal, move |path| {
        let plans = Plans::of(&Journal::open(path)?, since)?;
        Ok(match plans.unfinished()? {
            Some(id) => Ok(id),
            None => Err(format!("the journal has no plan that was cut short{}", stands(plans.newest()?))),
        })
    })
    .await
}

/// Where the latest plan stands, as the end of a sentence.
fn stands(newest: Option<Past>) -> String {
    let Some(past) = newest else { return String::new() };
    let how = match (&past.undone, &past.outcome, past.busy) {
        (_, _, Some(process)) => format!("is being worked on by process {process}"),
        (Some(undone), ..) if undone.whole => format!("was undone by {} of {}", undone.by, undone.at),
        (Some(undone), ..) => format!("was undone in part by {} of {}", undone.by, undone.at),
        (None, Some(outcome), _) => format!("ended: {outcome}"),
        (None, None, _) => "never ended".to_owned(),
    };
    format!("; the latest plan, {} ({}), {how}", past.title, past.id)
}

/// Writes down that an operator lets a plan rest as it is.
///
/// # Errors
/// The journal cannot be written, or has no such plan.
pub fn close(journal: &Path, id: &str) -> io::Result<()> {
    let journal = Journal::open(journal)?;
    if Plans::of(&journal, None)?.load(id)?.is_none() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the journal has no such plan"));
    }
    journal.append(now(), "closed", id, json!({"who": who(None)}))
}

/// Writes down that nothing is left to send of a plan that was to be finished, or of the undo of one that was to be taken
/// back: the account shows all of it. What came to an end is left alone.
///
/// # Errors
/// The journal cannot be read or written.
pub fn nothing_left(journal: &Path, id: &str, undo: bool) -> io::Result<()> {
    let journal = Journal::open(journal)?;
    let Some(past) = Plans::of(&journal, None)?.load(id)? else { return Ok(()) };
    let rests = if undo { past.undone.filter(|u| !u.whole).map(|u| u.by) } else { Some(past.id) };
    match rests {
        Some(id) if undo || past.outcome.is_none() => {
            let why = "the account shows all of it: nothing is left to send";
            journal.append(now(), "closed", &id, json!({"who": who(None), "why": why}))
        }
        _ => Ok(()),
    }
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
                Answered::Unsent => ("unsent", None),
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

/// Reads the journal on a thread that may wait for a disk.
async fn beside<T: Send + 'static>(
    journal: &Path,
    read: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let path = journal.to_owned();
    tokio::task::spawn_blocking(move || read(&path)).await.map_err(|e| io::Error::other(e.to_string()))?
}
