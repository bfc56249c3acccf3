//! Keeps the [`Lease`] of an account by AWS's shadow service, beside everything else a guard does, and carries in it what was done
//! lately: who takes over does not do it again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use quell_fleet::Ms;
use quell_fleet::text::SafeText;

use crate::cloud::{Aws, now_ms, read, tell};
use crate::response::Voice;
use crate::response::journal::Journal;

use super::alert;
use super::lease::{Found, Lease, Move, SHADOW};

/// A holder that was not heard of for so long is gone, before an emulator's speed divides it.
pub const LENGTH: Duration = Duration::from_secs(30);
/// What was done that is carried along: a shadow has 8 KB (docs/aws-iot.md#4.2), and one of these less than 60 bytes.
const CARRIED: usize = 64;

#[derive(Debug)]
struct State {
    lease: Lease,
    /// Why the lease cannot be asked for, and since when, when it cannot.
    trouble: Option<(SafeText, Instant, Ms)>,
    /// What this guard, or the one before it, did: a thing and behaviour by their hash, and when.
    done: VecDeque<(String, Ms)>,
}

/// Which of several guards acts.
#[derive(Debug)]
pub struct Leader {
    state: Arc<Mutex<State>>,
    began: Instant,
    aws: Aws,
    voice: Voice,
    log: Log,
    thing: String,
    length: Duration,
    task: JoinHandle<()>,
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the journal says of the lease: that it is asked for, before it is, and when it was taken and lost.
#[derive(Clone, Debug)]
struct Log {
    journal: PathBuf,
    fields: Value,
}

impl Log {
    fn append(&self, state: &str) -> std::io::Result<()> {
        let mut fields = self.fields.clone();
        fields["state"] = state.into();
        Journal::open(&self.journal)?.append(now_ms(), "lease", "", fields).map(drop)
    }

    /// As [`Self::append`], beside everything else. What cannot be written is logged: the lease itself was written down before.
    async fn write(&self, state: &'static str) {
        let log = self.clone();
        let written = tokio::task::spawn_blocking(move || log.append(state)).await;
        if let Err(error) = written.unwrap_or_else(|e| Err(std::io::Error::other(e))) {
            tracing::warn!(%error, state, "what became of the lease could not be written down");
        }
    }
}

fn key(thing: &str, behavior: &str) -> String {
    alert::id(thing, "", behavior, 0).chars().take(16).collect()
}

fn since(began: Instant) -> Ms {
    Ms::try_from(began.elapsed().as_millis()).unwrap_or(Ms::MAX)
}

fn document(state: &State, holder: &str) -> Value {
    json!({"holder": holder, "done": state.done})
}

impl Leader {
    /// Begins to ask for the lease of `thing`; that it does is in `journal` before.
    ///
    /// # Errors
    /// It could not be written down: then it is not asked for.
    pub fn begin(
        aws: Aws,
        voice: Voice,
        thing: &str,
        host: &str,
        length: Duration,
        journal: &Path,
    ) -> std::io::Result<Self> {
        let me = format!("{host} {} {:08x}", std::process::id(), fastrand::u32(..));
        let log = Log {
            journal: journal.to_owned(),
            fields: json!({"thing": thing, "shadow": SHADOW, "holder": me, "region": aws.region}),
        };
        log.append("asked for")?;
        let began = Instant::now();
        let lease = Lease::new(me.clone(), Ms::try_from(length.as_millis()).unwrap_or(Ms::MAX));
        let state = Arc::new(Mutex::new(State { lease, trouble: None, done: VecDeque::new() }));
        let task =
            keep(aws.clone(), voice.clone(), thing.to_owned(), me, Arc::clone(&state), began, log.clone());
        let task = tokio::spawn(task);
        Ok(Self { state, began, aws, voice, log, thing: thing.to_owned(), length, task })
    }

    /// Whether this guard acts now.
    pub fn leads(&self) -> bool {
        self.state.lock().lease.is_held(since(self.began))
    }

    /// Another guard acts, as far as is known.
    pub fn follows(&self) -> bool {
        !self.leads() && self.state.lock().lease.holder().is_some()
    }

    /// Why nobody knows who acts, and since when: the lease cannot be asked for, and that for longer than any holder may be unheard
    /// of.
    pub fn unknown(&self) -> Option<(SafeText, Ms)> {
        let state = self.state.lock();
        let (why, since, at) = state.trouble.as_ref()?;
        let known = state.lease.is_held(self::since(self.began)) || since.elapsed() < self.length;
        (!known).then(|| (why.clone(), *at))
    }

    /// The thing whose shadow is the lease.
    pub fn thing(&self) -> &str {
        &self.thing
    }

    /// How long a holder may be unheard of.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Who acts, in a few words: `held` when it is this guard.
    pub fn words(&self) -> String {
        if self.leads() {
            return "held".to_owned();
        }
        let state = self.state.lock();
        match (&state.trouble, state.lease.holder()) {
            (Some((why, ..)), _) => format!("not known: {why}"),
            (None, Some(holder)) => format!("held by {}", SafeText::new(holder)),
            (None, None) => "asked for".to_owned(),
        }
    }

    /// Something was done about a thing and a behaviour.
    pub fn did(&self, thing: &str, behavior: &str, at: Ms) {
        let mut state = self.state.lock();
        if state.done.len() == CARRIED {
            state.done.pop_front();
        }
        state.done.push_back((key(thing, behavior), at));
    }

    /// Whether something was done about a thing and a behaviour since a moment, by whichever guard.
    pub fn was_done(&self, thing: &str, behavior: &str, since: Ms) -> bool {
        let key = key(thing, behavior);
        self.state.lock().done.iter().any(|(known, at)| *known == key && *at >= since)
    }

    /// Gives it up, so that another takes it at once.
    pub async fn give_up(self) {
        self.task.abort();
        let (version, document) = {
            let mut state = self.state.lock();
            (state.lease.give_up(), document(&state, ""))
        };
        if version.is_some() {
            self.log.write("given up").await;
            // Where it cannot be written it is over by itself.
            let _ = tell::claim(&self.voice, &self.aws, &self.thing, SHADOW, version, &document).await;
        }
    }
}

async fn keep(
    aws: Aws,
    voice: Voice,
    thing: String,
    me: String,
    state: Arc<Mutex<State>>,
    began: Instant,
    log: Log,
) {
    let mut held = false;
    loop {
        let now = since(began);
        let holds = state.lock().lease.is_held(now);
        if holds != std::mem::replace(&mut held, holds) {
            log.write(if holds { "taken" } else { "lost" }).await;
        }
        let (to_do, document) = {
            let mut state = state.lock();
            (state.lease.next(now), document(&state, &me))
        };
        let trouble = match to_do {
            Move::Wait => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            Move::Read => match read::shadow(&aws, &thing, Some(SHADOW)).await {
                Ok(found) => {
                    let mut state = state.lock();
                    let found = found.map(|found| {
                        state.done = done(&found.reported);
                        let holder = found.reported.get("holder").and_then(Value::as_str).unwrap_or_default();
                        Found { holder: holder.to_owned(), version: found.version }
                    });
                    state.lease.read(found, since(began));
                    None
                }
                Err(trouble) => Some(trouble),
            },
            Move::Write(version) => match tell::claim(&voice, &aws, &thing, SHADOW, version, &document).await
            {
                Ok(written) => {
                    state.lock().lease.written(written, now);
                    None
                }
                Err(trouble) => Some(trouble),
            },
        };
        let mut state = state.lock();
        if let Some(trouble) = &trouble {
            state.lease.failed(since(began));
            if state.trouble.is_none() {
                tracing::warn!(why = %trouble.message, "the lease cannot be asked for: nothing is acted on");
            }
        }
        let (began, at) =
            state.trouble.take().map_or_else(|| (Instant::now(), now_ms()), |(_, began, at)| (began, at));
        state.trouble = trouble.map(|trouble| (trouble.message, began, at));
    }
}

/// What another guard wrote that it did.
fn done(reported: &Value) -> VecDeque<(String, Ms)> {
    let all = reported.get("done").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|entry| Some((entry.get(0)?.as_str()?.to_owned(), entry.get(1)?.as_i64()?)))
        .take(CARRIED)
        .collect()
}
