//! The journal: one JSON object a line, append-only, on disk before the first request leaves.
//!
//! Each line carries the SHA-256 of the line before it, and a small file beside the journal keeps the latest one, so that a
//! changed, removed or cut-off line shows. Several consoles of one host share it under a file lock. It never holds secrets:
//! only names, operations, request ids and outcomes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use quell_fleet::Ms;

/// What the first line names as the one before it.
const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An open journal. Cheap to keep; the file is locked only while a line is written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
}

/// What `quell journal verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Lines that are whole and chained.
    pub lines: u64,
    /// What is wrong, with line numbers; empty when the journal is whole.
    pub faults: Vec<String>,
}

impl Journal {
    /// A journal at `path`; its folder is made (0700) when it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Appends one entry and returns when it is on disk.
    ///
    /// # Errors
    /// The file cannot be opened, locked, written or synced: then nothing may be sent.
    pub fn append(&self, at: Ms, kind: &str, plan: &str, fields: Value) -> io::Result<()> {
        let mut file = private(&self.path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        let (last, clean) = last_line(&mut file)?;
        let (seq, prev) = match &last {
            None => (0, ORIGIN.to_owned()),
            Some(line) => (sequence(line).map_or(0, |s| s + 1), digest(line)),
        };
        let mut entry = Map::new();
        entry.insert("seq".to_owned(), json!(seq));
        entry.insert("at".to_owned(), json!(moment(at)));
        entry.insert("kind".to_owned(), json!(kind));
        entry.insert("plan".to_owned(), json!(plan));
        if let Value::Object(more) = fields {
            entry.extend(more);
        }
        entry.insert("prev".to_owned(), json!(prev));
        let line = Value::Object(entry).to_string();
        // A line cut short by a crash is ended, so that it damages nothing but itself.
        let text = if clean { format!("{line}\n") } else { format!("\n{line}\n") };
        file.seek(SeekFrom::End(0))?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        let mut head = private(&self.head())?;
        head.set_len(0)?;
        head.write_all(format!("{seq} {}\n", digest(line.as_bytes())).as_bytes())
    }

    /// The entries that can be read, oldest first.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn entries(&self) -> io::Result<Vec<Value>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut entries = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            if let Ok(entry) = serde_json::from_slice(&line?) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Checks the chain from the first line to the last, and that nothing was cut off.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn verify(&self) -> io::Result<Verdict> {
        let mut verdict = Verdict { lines: 0, faults: Vec::new() };
        let mut prev: Option<Vec<u8>> = None;
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if self.head().exists() {
                    verdict.faults.push("the journal is gone, its head is still there".to_owned());
                }
                return Ok(verdict);
            }
            Err(e) => return Err(e),
        };
        flock(&file, FlockOperation::LockShared)?;
        for (i, line) in BufReader::new(file).split(b'\n').enumerate() {
            let (line, n) = (line?, i + 1);
            let Ok(entry) = serde_json::from_slice::<Value>(&line) else {
                verdict
                    .faults
                    .push(format!("line {n}: not a whole entry (a crash while writing, or damage)"));
                continue;
            };
            let expected = prev.as_deref().map_or_else(|| ORIGIN.to_owned(), digest);
            if entry.get("prev").and_then(Value::as_str) != Some(expected.as_str()) {
                verdict.faults.push(format!(
                    "line {n}: does not follow the line before it: one was changed or removed"
                ));
            }
            verdict.lines += 1;
            prev = Some(line);
        }
        if let Ok(head) = std::fs::read_to_string(self.head())
            && let Some((seq, hash)) = head.trim().split_once(' ')
        {
            let last = prev.as_deref().map(digest).unwrap_or_default();
            let reached = prev.as_deref().and_then(sequence);
            // A head that is one behind was interrupted between the two writes; one that is ahead shows a cut.
            let behind = seq.parse::<u64>().is_ok_and(|s| reached.is_some_and(|r| r > s));
            if hash != last && !behind {
                verdict.faults.push(
                    "the end was changed or cut off: the last line is not the last that was written"
                        .to_owned(),
                );
            }
        }
        Ok(verdict)
    }

    fn head(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".head");
        name.into()
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The last line that is an entry, and whether the file ends with a line's end.
fn last_line(file: &mut File) -> io::Result<(Option<Vec<u8>>, bool)> {
    const STEP: u64 = 64 * 1024;
    let end = file.seek(SeekFrom::End(0))?;
    if end == 0 {
        return Ok((None, true));
    }
    let mut from = end;
    loop {
        from = from.saturating_sub(STEP);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        file.take(end - from).read_to_end(&mut tail)?;
        let clean = tail.last() == Some(&b'\n');
        // The first piece may have begun earlier, unless this is the whole file.
        let pieces: Vec<&[u8]> = tail.split(|b| *b == b'\n').skip(usize::from(from > 0)).collect();
        let found = pieces.iter().rev().find(|l| serde_json::from_slice::<Value>(l).is_ok());
        if let Some(line) = found {
            return Ok((Some(line.to_vec()), clean));
        }
        if from == 0 {
            return Ok((None, clean));
        }
    }
}

fn digest(line: &[u8]) -> String {
    hex::encode(Sha256::digest(line))
}

fn sequence(line: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(line).ok()?.get("seq")?.as_u64()
}

fn moment(at: Ms) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |t| format!("{t:.3}"))
}

/// Who acts: the AWS identity, and the person and host as far as they are known.
pub(in crate::response) fn who(arn: Option<&str>) -> Value {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    json!({
        "arn": arn,
        "user": user_of(rustix::process::getuid().as_raw()).or_else(|| var("USER")).or_else(|| var("LOGNAME")),
        "sudo_user": var("SUDO_USER"),
        "uid": rustix::process::getuid().as_raw(),
        "host": host,
        "ssh_client": var("SSH_CLIENT").and_then(|c| c.split(' ').next().map(str::to_owned)),
        "process": std::process::id(),
        "process_started": i32::try_from(std::process::id()).ok().and_then(super::past::started),
    })
}

/// The name of a user id, which nobody can set as they like in their environment.
fn user_of(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn filled(lines: i64) -> (tempfile::TempDir, Journal, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quell/journal.jsonl");
        let journal = Journal::open(&path).unwrap();
        for i in 0..lines {
            journal.append(1_700_000_000_000 + i, "intent", "p", json!({"n": i})).unwrap();
        }
        (folder, journal, path)
    }

    #[test]
    fn a_whole_journal_verifies_and_is_private() {
        let (_folder, journal, path) = filled(3);
        assert_eq!(journal.verify().unwrap(), Verdict { lines: 3, faults: Vec::new() });
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let folder = path.parent().unwrap();
        assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        let entries = journal.entries().unwrap();
        assert_eq!(entries[2]["seq"], 2);
        assert_eq!(entries[0]["at"], "2023-11-14T22:13:20.000Z");
    }

    #[test]
    fn a_changed_a_removed_and_a_cut_off_line_show() {
        for damage in [
            |text: &str| text.replacen("\"n\":1", "\"n\":7", 1),
            |text: &str| {
                text.lines().enumerate().filter(|(i, _)| *i != 1).map(|(_, l)| format!("{l}\n")).collect()
            },
            |text: &str| text.lines().take(2).map(|l| format!("{l}\n")).collect(),
        ] {
            let (_folder, journal, path) = filled(3);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, damage(&text)).unwrap();
            assert!(!journal.verify().unwrap().faults.is_empty());
        }
    }

    #[test]
    fn who_acts_is_known_without_the_environment() {
        let who = who(Some("arn:aws:iam::1:user/ops"));
        assert_eq!(who["uid"], rustix::process::getuid().as_raw());
        assert_eq!(user_of(0).as_deref(), Some("root"));
        assert!(who["host"].as_str().is_some_and(|h| !h.is_empty()), "{who}");
        assert_eq!(who["process"], std::process::id());
    }

    #[test]
    fn several_writers_share_one_chain() {
        let (_folder, _, path) = filled(1);
        let writers: Vec<_> = (0..4)
            .map(|w| {
                let path = path.clone();
                std::thread::spawn(move || {
                    // Each opens the file anew, as another console would.
                    for i in 0..25 {
                        let journal = Journal::open(&path).unwrap();
                        journal.append(1_700_000_000_000, "request", "p", json!({"w": w, "i": i})).unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.verify().unwrap(), Verdict { lines: 101, faults: Vec::new() });
        let seqs: Vec<u64> = journal.entries().unwrap().iter().map(|e| e["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (0..101).collect::<Vec<u64>>());
    }

    #[test]
    fn a_line_cut_short_by_a_crash_spoils_only_itself() {
        let (_folder, journal, path) = filled(2);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"seq\":2,\"at\":\"20").unwrap();
        journal.append(1_700_000_000_009, "outcome", "p", json!({})).unwrap();
        let entries = journal.entries().unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[2]["seq"], 2);
        let verdict = journal.verify().unwrap();
        assert_eq!(verdict.lines, 3);
        assert_eq!(verdict.faults.len(), 1, "{verdict:?}");
        assert!(verdict.faults[0].starts_with("line 3:"), "{verdict:?}");
    }
}
