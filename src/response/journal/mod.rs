//! The journal: one JSON object a line, append-only, on disk before the first request leaves.
//!
//! Each line carries the SHA-256 of the line before it, and a small file beside the journal (its head) keeps the latest one,
//! so that a changed, removed or cut-off line shows. Several consoles of one host share it under a file lock. It never holds
//! secrets: only names, operations, request ids and outcomes.
//!
//! A journal that has grown to [`ROTATE`] bytes is set aside under its first entry's number (`journal.jsonl.000000000000`)
//! and a new file goes on; the chain runs through all of them. Nothing is ever deleted.
//!
//! * [`Journal`]: appending. [`reading`]: reading in one pass, whatever its size. [`verify`]: whether it is whole.
//! * [`scribe`]: the thread that writes for those who must not wait for a disk.

pub(in crate::response) mod reading;
pub(in crate::response) mod scribe;
mod verify;
pub(in crate::response) mod who;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use quell_fleet::Ms;
use quell_fleet::model::Name;

pub use verify::Verdict;
pub(crate) use who::who;

/// What the first line names as the one before it.
const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// A file of this size is set aside before the next entry: 16 MiB, some 20,000 entries.
const ROTATE: u64 = 16 << 20;
/// The longest note, in bytes; what is longer is a file, which a case takes.
pub(crate) const NOTE: usize = 16_384;
/// Digits of the number a file is set aside under: enough that names sort as the entries do.
const DIGITS: usize = 12;

/// An open journal. Cheap to keep; the file is locked only while lines are written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    rotate: u64,
}

/// One entry to be written.
#[derive(Debug)]
pub(in crate::response) struct Entry {
    /// When it happened, in milliseconds since 1970.
    pub(in crate::response) at: Ms,
    /// `intent`, `request`, `outcome`, `refused`, `closed` or `alert`.
    pub(in crate::response) kind: &'static str,
    /// The plan it belongs to.
    pub(in crate::response) plan: String,
    /// The rest, an object.
    pub(in crate::response) fields: Value,
}

/// The part of a line that chains it.
#[derive(Deserialize)]
struct Link {
    seq: Option<u64>,
    prev: Option<String>,
}

impl Link {
    /// `None` when the line is no entry.
    fn of(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

impl Journal {
    /// A journal at `path`; its folder is made (0700) when it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::rotating(path, ROTATE)
    }

    /// The same, whose files are set aside at `rotate` bytes.
    fn rotating(path: &Path, rotate: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(Self { path: path.to_owned(), rotate })
    }

    /// Appends one entry and returns when it is on disk.
    ///
    /// # Errors
    /// The file cannot be opened, locked, written or synced: then nothing may be sent, and nothing of the entry is left.
    pub fn append(&self, at: Ms, kind: &'static str, plan: &str, fields: Value) -> io::Result<()> {
        self.append_all(&[Entry { at, kind, plan: plan.to_owned(), fields }])
    }

    /// Writes what an operator has to say, about `things` where it is about any; `arn` is whose credentials are used.
    ///
    /// # Errors
    /// As [`Journal::append`]; or it is longer than [`NOTE`].
    pub fn note(&self, text: &str, things: &[Name], arn: Option<&str>, now: Ms) -> io::Result<()> {
        if text.len() > NOTE {
            let why = format!("a note of more than {NOTE} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        // A note is no plan; a name of its own keeps it apart from them.
        let name = format!("note-{now:x}-{:08x}", fastrand::u32(..));
        let things: Vec<&str> = things.iter().map(Name::raw).collect();
        self.append(now, "note", &name, json!({"text": text, "targets": things, "who": who(arn)}))
    }

    /// Appends entries, all of them or none, and returns when they are on disk.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub(in crate::response) fn append_all(&self, entries: &[Entry]) -> io::Result<()> {
        let mut file = self.locked()?;
        let mut tail = Tail::of(&mut file)?;
        if tail.line.is_some() && tail.end >= self.rotate {
            // The old file stays locked until the new one is: nobody writes a line in between.
            self.set_aside(&mut file)?;
            let mut next = self.locked()?;
            tail = Tail::of(&mut next)?;
            file = next;
        }
        let last = match tail.line {
            Some(line) => Some(line),
            None => self.last_set_aside()?,
        };
        let (mut seq, mut prev) = match &last {
            None => (0, ORIGIN.to_owned()),
            Some(line) => (sequence(line).map_or(0, |s| s + 1), digest(line)),
        };
        let head = self.head();
        if !exists(&head)? {
            // Before the line: a head that is not there is a fault, one that is a line behind is a crash.
            let before = seq.checked_sub(1).map_or_else(|| "-".to_owned(), |s| s.to_string());
            write_head(&head, &before, &prev)?;
        }
        // A line cut short by a crash is ended, so that it damages nothing but itself.
        let mut text = if tail.clean { String::new() } else { "\n".to_owned() };
        let first = seq;
        for entry in entries {
            let line = line(entry, seq, &prev);
            text.push_str(&line);
            text.push('\n');
            prev = digest(line.as_bytes());
            seq += 1;
        }
        let written = file
            .seek(SeekFrom::End(0))
            .and_then(|_| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_data())
            .and_then(|()| if tail.end == 0 { self.sync_folder() } else { Ok(()) })
            .and_then(|()| match seq.checked_sub(1) {
                Some(last) if seq > first => write_head(&head, &last.to_string(), &prev),
                _ => Ok(()),
            });
        if let Err(error) = written {
            // What was not written whole is taken out again: a torn line, or a plan that is said not to have begun, would be
            // found by the next start. Making a file shorter needs no room.
            let _ = file.set_len(tail.end);
            let _ = file.sync_data();
            return Err(error);
        }
        Ok(())
    }

    /// The journal's file, locked for writing and for its owner alone; made when it is not there.
    fn locked(&self) -> io::Result<File> {
        loop {
            if let Some(file) = self.still_there(private(&self.path)?, FlockOperation::LockExclusive)? {
                self.tighten(&file)?;
                return Ok(file);
            }
        }
    }

    /// The journal's file, locked for reading: no line is half written and no file is set aside while it is held. `None`
    /// when there is none.
    fn shared(&self) -> io::Result<Option<File>> {
        loop {
            let file = match readable(&self.path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            if let Some(file) = self.still_there(file, FlockOperation::LockShared)? {
                return Ok(Some(file));
            }
        }
    }

    /// Locks a file that was just opened; `None` when it was set aside before the lock was had.
    fn still_there(&self, file: File, how: FlockOperation) -> io::Result<Option<File>> {
        flock(&file, how)?;
        let held = file.metadata()?;
        match std::fs::symlink_metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (held.dev(), held.ino()) => Ok(Some(file)),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Takes from others what they need not read: the file, and a folder that is quell's own.
    fn tighten(&self, file: &File) -> io::Result<()> {
        let (me, held) = (rustix::process::getuid().as_raw(), file.metadata()?);
        if held.mode() & 0o077 != 0 && held.uid() == me {
            rustix::fs::fchmod(file, rustix::fs::Mode::from_raw_mode(0o600))?;
        }
        if let Some(folder) = self.path.parent().filter(|f| f.file_name().is_some_and(|n| n == "quell"))
            && let Ok(found) = std::fs::symlink_metadata(folder)
            && found.is_dir()
            && found.mode() & 0o077 != 0
            && found.uid() == me
        {
            rustix::fs::chmod(folder, rustix::fs::Mode::from_raw_mode(0o700))?;
        }
        Ok(())
    }

    /// Renames the full file after its first entry.
    fn set_aside(&self, file: &mut File) -> io::Result<()> {
        let mut number = first_line(file)?.as_deref().and_then(sequence).unwrap_or(0);
        loop {
            let aside = self.aside(number);
            // Never over another: the number of a damaged first line may be taken.
            if !exists(&aside)? {
                std::fs::rename(&self.path, &aside)?;
                return self.sync_folder();
            }
            number += 1;
        }
    }

    fn aside(&self, number: u64) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number:0DIGITS$}"));
        name.into()
    }

    /// The files set aside, oldest first.
    fn set_asides(&self) -> io::Result<Vec<PathBuf>> {
        let folder = self.path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Some(name) = self.path.file_name() else { return Ok(Vec::new()) };
        let listed = match std::fs::read_dir(folder) {
            Ok(listed) => listed,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut found: Vec<PathBuf> = Vec::new();
        for entry in listed {
            let entry = entry?;
            let candidate = entry.file_name();
            let rest = candidate.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
            let number = rest.and_then(|r| r.strip_prefix(b"."));
            if number.is_some_and(|n| n.len() == DIGITS && n.iter().all(u8::is_ascii_digit)) {
                found.push(self.path.with_file_name(candidate));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The last entry that was set aside, for a file that is new.
    fn last_set_aside(&self) -> io::Result<Option<Vec<u8>>> {
        for path in self.set_asides()?.iter().rev() {
            if let Some(line) = Tail::of(&mut readable(path)?)?.line {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Makes a new name as lasting as what stands under it.
    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn head(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".head");
        name.into()
    }
}

fn line(entry: &Entry, seq: u64, prev: &str) -> String {
    let mut object = Map::new();
    object.insert("seq".to_owned(), json!(seq));
    object.insert("at".to_owned(), json!(moment(entry.at)));
    object.insert("kind".to_owned(), json!(entry.kind));
    object.insert("plan".to_owned(), json!(entry.plan));
    if let Value::Object(more) = &entry.fields {
        object.extend(more.clone());
    }
    object.insert("prev".to_owned(), json!(prev));
    Value::Object(object).to_string()
}

/// Overwrites the head in place and always with as many bytes: neither a crash nor a full disk leaves half of it.
fn write_head(path: &Path, seq: &str, hash: &str) -> io::Result<()> {
    let file = private(path)?;
    let text = format!("{seq:<20} {hash}\n");
    file.write_all_at(text.as_bytes(), 0)?;
    if file.metadata()?.len() > text.len() as u64 {
        file.set_len(text.len() as u64)?;
    }
    Ok(())
}

fn exists(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Opens a file of the journal for writing, made for its owner alone; never through a link, never a device or a pipe.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    plain(&mut options, path)
}

/// Opens a file of the journal for reading; never through a link, never a device or a pipe.
fn readable(path: &Path) -> io::Result<File> {
    plain(OpenOptions::new().read(true), path)
}

fn plain(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let not = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {what}", path.display()));
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default()).open(path);
    let file = match opened {
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(not("a symbolic link: the journal is not written through one; \
                            `journal` in the configuration names another file"));
        }
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Err(not("not a regular file: the journal is not kept in it"));
    }
    Ok(file)
}

/// How a file of the journal ends.
struct Tail {
    /// The last line that is an entry.
    line: Option<Vec<u8>>,
    /// Whether the file ends with a line's end.
    clean: bool,
    /// Its length.
    end: u64,
}

impl Tail {
    fn of(file: &mut File) -> io::Result<Self> {
        let end = file.seek(SeekFrom::End(0))?;
        let (mut from, mut step, mut clean) = (end, 64 * 1024, true);
        while from > 0 {
            from = from.saturating_sub(step);
            // An entry of many devices is long: each look reaches twice as far.
            step *= 2;
            file.seek(SeekFrom::Start(from))?;
            let mut tail = Vec::new();
            (&mut *file).take(end - from).read_to_end(&mut tail)?;
            clean = tail.last() == Some(&b'\n');
            // The first piece may have begun earlier, unless this is the whole file.
            let pieces: Vec<&[u8]> = tail.split(|b| *b == b'\n').skip(usize::from(from > 0)).collect();
            if let Some(line) = pieces.iter().rev().find(|l| Link::of(l).is_some()) {
                return Ok(Self { line: Some(line.to_vec()), clean, end });
            }
        }
        Ok(Self { line: None, clean, end })
    }
}

/// The first line that is an entry.
fn first_line(file: &mut File) -> io::Result<Option<Vec<u8>>> {
    let mut first = None;
    file.seek(SeekFrom::Start(0))?;
    reading::lines(file, u64::MAX, |_, line| {
        let found = line.filter(|l| Link::of(l).is_some());
        first = found.map(<[u8]>::to_vec);
        first.is_none()
    })?;
    Ok(first)
}

fn digest(line: &[u8]) -> String {
    hex::encode(Sha256::digest(line))
}

fn sequence(line: &[u8]) -> Option<u64> {
    Link::of(line)?.seq
}

fn moment(at: Ms) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |t| format!("{t:.3}"))
}

#[cfg(test)]
mod tests;
