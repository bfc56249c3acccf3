//! Whether a journal is whole: the chain from its first entry to its last through all its files, its end, and who may read
//! it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::reading::lines;
use super::{Journal, Link, ORIGIN, digest, readable};

/// So many faults are told; a file of garbage has one a line.
const TOLD: usize = 100;

/// What `quell journal verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Lines that are whole and chained.
    pub lines: u64,
    /// What is wrong, with line numbers; empty when the journal is whole.
    pub faults: Vec<String>,
}

/// The chain as far as it was followed.
#[derive(Default)]
struct Chain {
    lines: u64,
    faults: Vec<String>,
    untold: u64,
    /// The hash of the last entry.
    last: Option<String>,
    /// Number and hash of the entry the head names, until it was met.
    head: Option<(u64, String)>,
}

impl Chain {
    fn fault(&mut self, text: String) {
        if self.faults.len() < TOLD {
            self.faults.push(text);
        } else {
            self.untold += 1;
        }
    }

    /// `place` is `line 7`, with the file where there are several.
    fn line(&mut self, place: &str, line: Option<&[u8]>) {
        let Some((link, line)) = line.and_then(|l| Some((Link::of(l)?, l))) else {
            return self.fault(format!("{place}: not a whole entry (a crash while writing, or damage)"));
        };
        match (&self.last, link.prev.as_deref()) {
            (Some(expected), Some(prev)) if expected == prev => {}
            (None, Some(ORIGIN)) => {}
            (None, _) => self.fault(format!(
                "{place}: the journal does not begin here: what was before entry {} was moved away or removed",
                link.seq.map_or_else(|| "?".to_owned(), |s| s.to_string())
            )),
            (Some(_), _) => self.fault(format!(
                "{place}: does not follow the line before it: one was changed or removed"
            )),
        }
        self.lines += 1;
        let hash = digest(line);
        // A head that names an earlier entry than the last was not written in time for a crash: nothing is missing.
        self.head.take_if(|(seq, named)| link.seq == Some(*seq) && *named == hash);
        self.last = Some(hash);
    }
}

impl Journal {
    /// Checks the chain from the first line to the last, that nothing was cut off, and that nobody else can read it.
    ///
    /// # Errors
    /// A file of it exists and cannot be read.
    pub fn verify(&self) -> io::Result<Verdict> {
        let current = self.shared()?;
        let head = self.read_head()?;
        let mut chain = Chain { head: head.named(), ..Chain::default() };
        let aside = self.set_asides()?;
        for path in &aside {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut n = 0_u64;
            lines(&mut readable(path)?, u64::MAX, |_, line| {
                n += 1;
                chain.line(&format!("{name}: line {n}"), line);
                true
            })?;
        }
        if let Some(mut file) = current {
            let mut n = 0_u64;
            lines(&mut file, u64::MAX, |_, line| {
                n += 1;
                chain.line(&format!("line {n}"), line);
                true
            })?;
        }
        self.check_end(&head, &mut chain);
        for path in aside.iter().chain([&self.path, &self.head()]) {
            exposed(path, "chmod 600", &mut chain);
        }
        if let Some(folder) = self.path.parent().filter(|f| !f.as_os_str().is_empty()) {
            exposed(folder, "chmod 700", &mut chain);
        }
        if chain.untold > 0 {
            chain.faults.push(format!("and {} faults more", chain.untold));
        }
        Ok(Verdict { lines: chain.lines, faults: chain.faults })
    }

    fn read_head(&self) -> io::Result<Head> {
        let file = match readable(&self.head()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Head::Missing),
            opened => opened?,
        };
        let text = io::read_to_string(io::Read::take(file, 200)).unwrap_or_default();
        let Some((seq, hash)) = text.trim().split_once(' ') else { return Ok(Head::Damaged) };
        Ok(match seq.parse() {
            Ok(seq) => Head::Names(seq, hash.trim().to_owned()),
            Err(_) if seq == "-" => Head::Begun,
            Err(_) => Head::Damaged,
        })
    }

    /// Holds the end against the head.
    fn check_end(&self, head: &Head, chain: &mut Chain) {
        let shown = self.head();
        let shown = shown.display();
        match head {
            Head::Missing if chain.last.is_none() => {}
            Head::Missing => chain
                .fault(format!("{shown} is missing: whether entries were cut off at the end cannot be told")),
            Head::Damaged => chain.fault(format!("{shown} is damaged: it names no entry")),
            Head::Begun => {}
            Head::Names(..) if chain.last.is_none() => {
                chain.fault("the journal is gone, its head is still there".to_owned());
            }
            Head::Names(..) if chain.head.is_some() => chain.fault(
                "the end was changed or cut off: the last line is not the last that was written".to_owned(),
            ),
            Head::Names(..) => {}
        }
    }
}

/// What the head says.
enum Head {
    Missing,
    Damaged,
    /// The first entry was about to be written.
    Begun,
    /// Number and hash of an entry that was written.
    Names(u64, String),
}

impl Head {
    fn named(&self) -> Option<(u64, String)> {
        match self {
            Self::Names(seq, hash) => Some((*seq, hash.clone())),
            Self::Missing | Self::Damaged | Self::Begun => None,
        }
    }
}

/// Names what others than its owner can read or change.
fn exposed(path: &Path, mend: &str, chain: &mut Chain) {
    let Ok(found) = std::fs::symlink_metadata(path) else { return };
    if found.mode() & 0o077 != 0 {
        chain.fault(format!(
            "{path}: others can reach it (mode {mode:o}): {mend} {path}",
            path = path.display(),
            mode = found.mode() & 0o777,
        ));
    }
}
