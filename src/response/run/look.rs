//! Looks at the account for what would prove one target's work. Changes nothing.

use serde_json::Value;

use crate::cloud::{Aws, read as cloud};
use crate::response::past::Seen;
use crate::response::plan::request::{Proof, Work};
use crate::response::prover::{Look, Wants};
use crate::response::read;

use super::now;

/// Looks at the account for what would prove `work`.
pub(super) async fn look(c: &Aws, work: &Work, wants: Wants) -> Look {
    let at = now();
    let mut look = Look::default();
    match &work.proof {
        Proof::Isolated { group, ask, .. } => {
            if wants.member {
                look.member = cloud::groups_of(c, work.name.raw()).await.ok().map(|g| g.contains(group));
            }
            if wants.denied
                && look.member != Some(false)
                && let Some(question) = ask
            {
                look.denied = match read::would_deny(c, question, &[]).await {
                    Ok(denied) => Some(Ok(denied)),
                    Err(t) => Some(Err(t.message)),
                };
            }
        }
        Proof::OneLeft { .. } => {}
        Proof::Released { group } | Proof::Member { group, .. } => {
            look.member = cloud::groups_of(c, work.name.raw()).await.ok().map(|g| g.contains(group));
        }
        Proof::Barred { certificates, is, .. } => {
            look.status = statuses(c, certificates, is.word()).await;
        }
        Proof::Activated { certificates } => look.status = statuses(c, certificates, "ACTIVE").await,
        Proof::Ready { group, is } => look.status = read::denies(c, group).await.ok().map(|d| d == *is),
        Proof::Mitigated { task, audit: true } => {
            look.task = read::audit::mitigated(c, task).await.ok();
            return look;
        }
        Proof::Mitigated { task, audit: false } => {
            look.status = read::mitigated(c, task, false).await.ok();
        }
        Proof::Audited { task } => {
            if let Some(task) = task {
                look.task = read::audit::progress(c, task).await.ok();
            }
            return look;
        }
        Proof::Shown => {
            let mut all = Some(true);
            for request in &work.requests {
                all = match read::seen::shows(c, request, at).await {
                    Ok(Seen::Yes) => all,
                    Ok(_) => Some(false),
                    Err(_) => None,
                };
                if all != Some(true) {
                    break;
                }
            }
            look.status = all;
            return look;
        }
        Proof::Flagged => {
            if let Ok(Some(shadow)) = cloud::shadow(c, work.name.raw(), None).await {
                let is_set = |part: &Value| part.get("quarantine") == Some(&Value::Bool(true));
                look.status = Some(is_set(&shadow.desired));
                look.answers = Some(is_set(&shadow.reported));
            }
            return look;
        }
        Proof::Job { job, canceled } => {
            look.status = match read::job_status(c, job.raw()).await {
                Ok(status) => Some(status.is_some_and(|s| !canceled || s == "CANCELED")),
                Err(_) => None,
            };
            return look;
        }
    }
    if matches!(work.proof, Proof::Member { .. } | Proof::Ready { .. } | Proof::Mitigated { .. }) {
        return look;
    }
    for client in &work.clients {
        if let Ok(connected) = cloud::connected(c, client.raw()).await {
            look.clients.push((client.clone(), connected));
        }
    }
    look
}

async fn statuses(c: &Aws, certificates: &[String], wanted: &str) -> Option<bool> {
    for id in certificates {
        if cloud::certificate_status(c, id).await.ok()?.as_deref() != Some(wanted) {
            return Some(false);
        }
    }
    Some(true)
}
