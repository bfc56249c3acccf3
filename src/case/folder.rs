//! An open case: a folder for its owner alone. Whatever is put into it is written once, and its sum goes into the custody log.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::response::journal::{Journal, NOTE, who};
use quell_fleet::Ms;

use super::sign::Key;
use super::{ABOUT, CUSTODY, FILES, MOST, SIGNATURE, SUMS, archive, custody};

/// Entries of the journal this long before a case was opened still belong to it.
const BEFORE: Ms = 24 * 3_600_000;

/// What the names of the journal's entries in a case begin with.
pub(super) const JOURNAL: &str = "added/journal";

/// What a case is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Its name: when it was opened, and the first thing.
    pub case: String,
    /// When it was opened, in milliseconds since 1970.
    pub opened: Ms,
    /// The account, where it is known.
    pub account: Option<String>,
    /// The region, where it is known.
    pub region: Option<String>,
    /// The things, exact, each with the folder that holds what was kept of it.
    pub things: Vec<Kept>,
    /// The version of quell that opened it.
    pub quell: String,
    /// Who opened it.
    pub by: Value,
}

/// A thing of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The thing, exact.
    pub thing: String,
    /// Its folder below the case's.
    pub folder: String,
}

/// An open case.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    about: About,
    custody: Journal,
    /// Files and bytes it holds, counted when the first file is put in.
    held: Mutex<Option<(usize, u64)>>,
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A name as part of a file's name: what is not plain becomes `_`, and it is not long.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | ':') { c } else { '_' };
    name.chars().take(40).map(plain).collect()
}

/// What a case opened now about `things` is called.
pub fn name(things: &[String], now: Ms) -> String {
    let at = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
    let first = things.first().map(|thing| plain(thing)).unwrap_or_default();
    format!("case-{}-{first}", at.strftime("%Y%m%dT%H%M%SZ"))
}

impl Folder {
    /// Opens a case in a new folder.
    ///
    /// # Errors
    /// The folder is there already, or cannot be made or written.
    pub fn create(
        path: &Path,
        things: &[String],
        place: Option<(String, String)>,
        arn: Option<&str>,
        now: Ms,
    ) -> io::Result<Self> {
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            std::fs::create_dir_all(above)?;
        }
        std::fs::DirBuilder::new().mode(0o700).create(path)?;
        let (account, region) = place.unzip();
        let kept = things.iter().enumerate().map(|(i, thing)| Kept {
            thing: thing.clone(),
            folder: format!("kept/{:03}-{}", i + 1, plain(thing)),
        });
        let about = About {
            case: name(things, now),
            opened: now,
            account,
            region,
            things: kept.collect(),
            quell: env!("CARGO_PKG_VERSION").to_owned(),
            by: who(arn),
        };
        let custody = Journal::open(&path.join(CUSTODY))?;
        let folder = Self { path: path.to_owned(), about, custody, held: Mutex::default() };
        let text = serde_json::to_string_pretty(&folder.about).map_err(io::Error::other)? + "\n";
        folder.log("opened", now, json!({"things": things, "who": folder.about.by}))?;
        folder.put_as("kept", ABOUT, text.as_bytes(), now)?;
        Ok(folder)
    }

    /// A case that is open.
    ///
    /// # Errors
    /// It is none, or cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let about = about(path)?;
        let custody = Journal::open(&path.join(CUSTODY))?;
        Ok(Self { path: path.to_owned(), about, custody, held: Mutex::default() })
    }

    /// What it is about.
    pub fn about(&self) -> &About {
        &self.about
    }

    fn log(&self, kind: &'static str, at: Ms, fields: Value) -> io::Result<()> {
        self.custody.append(at, kind, &self.about.case, fields)
    }

    /// Keeps what was read, as a new file.
    ///
    /// # Errors
    /// The file is there already, or cannot be written.
    pub fn keep(&self, name: &str, content: &Value, now: Ms) -> io::Result<()> {
        self.put_as("kept", name, format!("{content:#}\n").as_bytes(), now)
    }

    fn put_as(&self, kind: &'static str, name: &str, content: &[u8], now: Ms) -> io::Result<()> {
        self.put_from(kind, name, &mut &*content, now).map(drop)
    }

    /// Writes a new file and its sum, and gives the sum and the size; a case that is full takes no more.
    fn put_from(
        &self,
        kind: &'static str,
        name: &str,
        content: &mut impl Read,
        now: Ms,
    ) -> io::Result<(String, u64)> {
        if !archive::is_name(name) {
            return Err(invalid(format!("{name:?} is no name for a file of a case")));
        }
        let mut held = self.held.lock();
        let (files, bytes_held) = match *held {
            Some(held) => held,
            None => {
                let found = self.files()?;
                (found.len(), found.iter().map(|(_, size)| size).sum())
            }
        };
        if files > FILES {
            return Err(invalid(format!("a case has at most {FILES} files")));
        }
        let room = MOST.saturating_sub(bytes_held);
        let path = self.path.join(name);
        self.folders_to(name)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut sum = Sha256::new();
        let written = copy(&mut content.take(room + 1), |bytes| {
            sum.update(bytes);
            file.write_all(bytes)
        });
        let put = written.and_then(|bytes| {
            if bytes > room {
                return Err(invalid(format!("{name} would make the case larger than {MOST} bytes")));
            }
            file.sync_all()?;
            let sum = hex::encode(sum.finalize());
            self.log(kind, now, json!({"file": name, "bytes": bytes, "sha256": sum}))?;
            Ok((sum, bytes))
        });
        // A file without an entry is none of the case's.
        let (sum, bytes) = put.inspect_err(|_| drop(std::fs::remove_file(&path)))?;
        *held = Some((files + 1, bytes_held + bytes));
        Ok((sum, bytes))
    }

    /// Makes the folders above a file of the case; none of them is a link that leads elsewhere.
    fn folders_to(&self, name: &str) -> io::Result<()> {
        let mut path = self.path.clone();
        let mut parts = name.split('/').peekable();
        while let Some(part) = parts.next().filter(|_| parts.peek().is_some()) {
            path.push(part);
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ if !std::fs::symlink_metadata(&path)?.is_dir() => {
                    return Err(invalid(format!("{part} is not a folder: a case holds no links")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds a copy of a file, as evidence of its kind (`recording`, `alert`, `file`). Says under which name.
    ///
    /// # Errors
    /// It cannot be read or written, or the case would be too large.
    pub fn add(&self, kind: &str, from: &Path, now: Ms) -> io::Result<String> {
        let mut content = File::open(from)?;
        if !content.metadata()?.is_file() {
            return Err(invalid(format!("{}: not a regular file", from.display())));
        }
        let called = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (stem, end) = called.rsplit_once('.').unwrap_or((&called, "bin"));
        let name = self.free(&format!("added/{}-{}", plain(kind), plain(stem)), &plain(end))?;
        self.put_from("added", &name, &mut content, now)?;
        Ok(name)
    }

    /// Adds what an operator has to say.
    ///
    /// # Errors
    /// The custody log cannot be written.
    pub fn note(&self, text: &str, now: Ms) -> io::Result<()> {
        if text.len() > NOTE {
            return Err(invalid(format!("a note of more than {NOTE} bytes: add it as a file")));
        }
        self.log("note", now, json!({"text": text, "who": who(None)}))
    }

    /// Says who touched the case and what for.
    ///
    /// # Errors
    /// The custody log cannot be written.
    pub fn tell(&self, what: &str, now: Ms) -> io::Result<()> {
        self.log("told", now, json!({"what": what}))
    }

    fn free(&self, stem: &str, end: &str) -> io::Result<String> {
        for n in 0..1_000 {
            let name = if n == 0 { format!("{stem}.{end}") } else { format!("{stem}-{n}.{end}") };
            if !self.path.join(&name).try_exists()? {
                return Ok(name);
            }
        }
        Err(invalid(format!("there are a thousand files called {stem} already")))
    }

    /// Adds the journal's entries of the plans and notes that were about the case's things. Says under which name, with sum and size.
    ///
    /// # Errors
    /// A journal cannot be read, or the case not be written.
    fn add_journal(&self, journal: &Path, now: Ms) -> io::Result<Option<(String, (String, u64))>> {
        if !journal.try_exists()? {
            self.tell("there is no journal on this host", now)?;
            return Ok(None);
        }
        let journal = Journal::open(journal)?;
        let from = self.about.opened.saturating_sub(BEFORE);
        let mut plans = std::collections::BTreeSet::new();
        journal.each(|entry| {
            let at =
                entry.get("at").and_then(Value::as_str).and_then(|at| at.parse::<jiff::Timestamp>().ok());
            if at.is_some_and(|at| at.as_millisecond() >= from)
                && self.concerns(&entry)
                && let Some(plan) = entry.get("plan").and_then(Value::as_str)
            {
                plans.insert(plan.to_owned());
            }
        })?;
        let mut lines = Vec::new();
        journal.each(|entry| {
            if entry.get("plan").and_then(Value::as_str).is_some_and(|plan| plans.contains(plan)) {
                lines.extend(entry.to_string().into_bytes());
                lines.push(b'\n');
            }
        })?;
        let name = self.free(JOURNAL, "jsonl")?;
        let sum = self.put_from("added", &name, &mut lines.as_slice(), now)?;
        Ok(Some((name, sum)))
    }

    /// Is an entry of the journal about a thing of the case? A note about nothing in particular is of all that went on.
    fn concerns(&self, entry: &Value) -> bool {
        let is = |value: &Value| {
            let named = value.as_str().or_else(|| value.get("target")?.as_str());
            named.is_some_and(|named| self.about.things.iter().any(|kept| kept.thing == named))
        };
        let targets = entry.get("targets").and_then(Value::as_array).into_iter().flatten();
        let of_all = entry["kind"] == "note" && targets.clone().next().is_none();
        of_all || targets.chain(entry.get("target")).any(is)
    }

    /// The files but those of the signature, in order, each with its size.
    fn files(&self) -> io::Result<Vec<(String, u64)>> {
        let (mut found, mut folders) = (Vec::new(), vec![String::new()]);
        while let Some(within) = folders.pop() {
            for entry in std::fs::read_dir(self.path.join(&within))? {
                let entry = entry?;
                let called = entry.file_name().to_string_lossy().into_owned();
                let name = if within.is_empty() { called } else { format!("{within}/{called}") };
                let held = std::fs::symlink_metadata(entry.path())?;
                if held.is_dir() {
                    folders.push(name);
                } else if !held.is_file() {
                    return Err(invalid(format!("{name} is not a regular file: a case holds no links")));
                } else if name != SUMS && name != SIGNATURE {
                    found.push((name, held.len()));
                }
                if found.len() > FILES {
                    return Err(invalid(format!("a case has at most {FILES} files")));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Sum and size of each of the case's files, as they are now.
    fn sums(&self) -> io::Result<BTreeMap<String, (String, u64)>> {
        self.files()?
            .into_iter()
            .map(|(name, _)| {
                let sum = self.sum(&name)?;
                Ok((name, sum))
            })
            .collect()
    }

    fn sum(&self, name: &str) -> io::Result<(String, u64)> {
        let mut sum = Sha256::new();
        let bytes = copy(&mut File::open(self.path.join(name))?, |bytes| {
            sum.update(bytes);
            Ok(())
        })?;
        Ok((hex::encode(sum.finalize()), bytes))
    }

    /// Closes the case into a new archive, signed with `key`, with what the journal at `journal` says of its things. The folder
    /// stays, and may be closed again later into another archive.
    ///
    /// # Errors
    /// The custody log is broken, a file is not what it says was put in, a file cannot be read or the archive not be written;
    /// then there is none.
    pub fn close(&self, out: &Path, key: &Key, journal: &Path, now: Ms) -> io::Result<()> {
        let exists = |e: io::Error| match e.kind() {
            io::ErrorKind::AlreadyExists => io::Error::new(e.kind(), "an archive is never overwritten"),
            _ => e,
        };
        // What is signed is what was put in, and nothing else.
        let sums = self.sums()?;
        custody::chained(&self.custody).map_err(invalid)?;
        custody::compare(&self.custody, sums.iter().map(|(name, (sum, _))| (name.as_str(), sum.as_str())))
            .map_err(invalid)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(out).map_err(exists)?;
        self.write(file, sums, key, journal, now).inspect_err(|_| drop(std::fs::remove_file(out)))
    }

    fn write(
        &self,
        out: File,
        mut sums: BTreeMap<String, (String, u64)>,
        key: &Key,
        journal: &Path,
        now: Ms,
    ) -> io::Result<()> {
        if let Some((name, sum)) = self.add_journal(journal, now)? {
            sums.insert(name, sum);
        }
        self.log("closed", now, json!({"key": key.public().id(), "who": who(None)}))?;
        for (name, _) in self.files()?.into_iter().filter(|(name, _)| custody::is_own(name)) {
            let sum = self.sum(&name)?;
            sums.insert(name, sum);
        }
        let listed: String = sums.iter().map(|(name, (sum, _))| format!("{sum}  {name}\n")).collect();
        let trusted = format!("timestamp:{} case:{}", now / 1000, self.about.case);
        let signature = key.sign(listed.as_bytes(), &trusted).text();
        let mut files: BTreeMap<String, u64> =
            sums.into_iter().map(|(name, (_, bytes))| (name, bytes)).collect();
        for (name, text) in [(SUMS, &listed), (SIGNATURE, &signature)] {
            std::fs::write(self.path.join(name), text)?;
            files.insert(name.to_owned(), text.len() as u64);
        }
        let mut writer = io::BufWriter::new(out);
        for (name, size) in &files {
            archive::append(&mut writer, name, *size, &mut File::open(self.path.join(name))?)?;
        }
        archive::end(&mut writer)?;
        writer.get_ref().sync_all()
    }
}

/// What the case in a folder is about.
pub(super) fn about(path: &Path) -> io::Result<About> {
    let file = File::open(path.join(ABOUT))
        .map_err(|e| io::Error::new(e.kind(), format!("{}: no case is here: {e}", path.display())))?;
    serde_json::from_reader(file.take(1 << 24)).map_err(|e| invalid(format!("{ABOUT}: {e}")))
}

/// Shows all of `from` piece by piece; how many bytes there were.
pub(super) fn copy(from: &mut impl Read, mut show: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    let (mut piece, mut all) = (vec![0; 1 << 16], 0);
    loop {
        let n = match from.read(&mut piece) {
            Ok(0) => return Ok(all),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        show(piece.get(..n).unwrap_or_default())?;
        all += n as u64;
    }
}
