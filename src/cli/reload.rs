//! The configuration file, looked at while the console runs: read again when it changes, and what is wrong with it said
//! with its place while the old one stays in force.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::{self, Environment};
use crate::console::event_loop::Word;
use quell_fleet::text::SafeText;

use super::Common;

/// How often it is looked at: a look costs one system call.
const LOOK: Duration = Duration::from_secs(1);

/// What tells one state of a file from another.
type Stamp = (u64, u64, i64, i64);

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

/// Runs until nobody listens.
pub(super) async fn watch(flags: Common, words: mpsc::Sender<Word>) {
    let path = config::file_path(&flags, &Environment::of_process());
    let mut known = look(&path).await;
    // Seen once and not read yet: an editor may still be writing.
    let mut settling = None;
    while !words.is_closed() {
        tokio::time::sleep(LOOK).await;
        let now = look(&path).await;
        // Gone is not empty: editors rename, and a moment later there is a file again.
        if now.is_none() || now == known {
            continue;
        }
        if settling != now {
            settling = now;
            continue;
        }
        known = now;
        let flags = flags.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&flags, &Environment::of_process()));
        let word = match loaded.await {
            Ok(Ok(settings)) => Ok(Box::new(settings)),
            Ok(Err(error)) => {
                Err(SafeText::new(&format!("{}; the old configuration stays in force", error.in_a_line())))
            }
            Err(_) => continue,
        };
        if words.send(Word::Config(word)).await.is_err() {
            return;
        }
    }
}

async fn look(path: &Path) -> Option<Stamp> {
    let path: PathBuf = path.to_owned();
    // A home folder on a network may hang.
    tokio::task::spawn_blocking(move || stamp(&path)).await.ok().flatten()
}
