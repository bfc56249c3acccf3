//! The thread that writes the journal: whoever plans, sends or listens hands an entry over and waits for its answer without
//! holding up anything else. Entries that come together are synced together.

use std::io;
use std::path::Path;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use quell_fleet::Ms;

use super::{Entry, Journal};

/// Entries under way to the thread; beyond it their writers wait.
const QUEUE: usize = 64;

/// An entry and who waits for it.
type Asked = (Entry, oneshot::Sender<Result<(), String>>);

/// A cheap handle to the thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub(in crate::response) struct Scribe {
    asks: mpsc::Sender<Asked>,
}

impl Scribe {
    /// Starts the thread of the journal at `path`; a system that gives none shows with the first entry.
    pub(in crate::response) fn start(path: &Path) -> Self {
        let (asks, asked) = mpsc::channel(QUEUE);
        let of = path.to_owned();
        let spawned = std::thread::Builder::new().name("journal".to_owned()).spawn(move || serve(&of, asked));
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for the journal");
        }
        Self { asks }
    }

    /// Appends one entry and returns when it is on disk.
    ///
    /// # Errors
    /// It is not on disk, and nothing of it is: then nothing may be sent.
    pub(in crate::response) async fn append(
        &self,
        at: Ms,
        kind: &'static str,
        plan: &str,
        fields: Value,
    ) -> io::Result<()> {
        let gone = |_| io::Error::other("its thread has ended");
        let (done, written) = oneshot::channel();
        let entry = Entry { at, kind, plan: plan.to_owned(), fields };
        self.asks.send((entry, done)).await.map_err(|_| io::Error::other("its thread has ended"))?;
        written.await.map_err(gone)?.map_err(io::Error::other)
    }
}

fn serve(path: &Path, mut asked: mpsc::Receiver<Asked>) {
    while let Some(first) = asked.blocking_recv() {
        let (mut entries, mut waiting) = (vec![first.0], vec![first.1]);
        while entries.len() < QUEUE
            && let Ok((entry, done)) = asked.try_recv()
        {
            entries.push(entry);
            waiting.push(done);
        }
        let written = Journal::open(path).and_then(|journal| journal.append_all(&entries));
        if let Err(error) = &written {
            tracing::error!(%error, path = %path.display(), "the journal could not be written");
        }
        let told = written.map_err(|e| e.to_string());
        for done in waiting {
            // Whoever asked may have given up waiting; the entry is on disk all the same.
            let _ = done.send(told.clone());
        }
    }
}
