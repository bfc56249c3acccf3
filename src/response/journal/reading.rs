//! Reading a journal in one pass, whatever its size: a line at a time, and again the lines that turned out to matter.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use super::{Journal, readable};

/// No entry is longer: an intent on the most devices that one plan may have is a tenth of it. What is, is damage, and is
/// not held in memory.
const LONGEST: usize = 64 << 20;

/// Where a line stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::response) struct Place {
    file: u32,
    len: u32,
    at: u64,
}

/// How far a journal was read.
#[derive(Clone, Copy, Debug)]
pub(in crate::response) struct Mark {
    /// Device and inode of the file.
    file: (u64, u64),
    end: u64,
}

/// The files of a journal as they were at one moment: what is appended or set aside later does not disturb the reader.
#[derive(Debug, Default)]
pub(in crate::response) struct Reading {
    /// Oldest first, each with its length.
    files: Vec<(File, u64)>,
}

impl Journal {
    /// Its files as they are now.
    ///
    /// # Errors
    /// One of them exists and cannot be read.
    pub(in crate::response) fn reading(&self) -> io::Result<Reading> {
        let current = self.shared()?;
        let mut files = Vec::new();
        for path in self.set_asides()? {
            let file = readable(&path)?;
            let len = file.metadata()?.len();
            files.push((file, len));
        }
        if let Some(file) = current {
            let len = file.metadata()?.len();
            flock(&file, FlockOperation::Unlock)?;
            files.push((file, len));
        }
        Ok(Reading { files })
    }

    /// Shows each line that came since `mark`, which then stands at the end; without a mark, or when the file was set aside
    /// since, all of them from the first one, of which `anew` is told before.
    ///
    /// # Errors
    /// The journal exists and cannot be read.
    pub(in crate::response) fn since(
        &self,
        mark: &mut Option<Mark>,
        anew: impl FnOnce(),
        mut show: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let Some(mut file) = self.shared()? else { return Ok(()) };
        let found = file.metadata()?;
        let here = Mark { file: (found.dev(), found.ino()), end: found.len() };
        let from = mark.take().filter(|m| m.file == here.file && m.end <= here.end).map(|m| m.end);
        if from.is_none() {
            anew();
            for path in self.set_asides()? {
                lines(&mut readable(&path)?, u64::MAX, |_, line| {
                    line.into_iter().for_each(&mut show);
                    true
                })?;
            }
        }
        let from = from.unwrap_or(0);
        file.seek(SeekFrom::Start(from))?;
        lines(&mut file, here.end - from, |_, line| {
            line.into_iter().for_each(&mut show);
            true
        })?;
        *mark = Some(here);
        Ok(())
    }

    /// Shows each entry that can be read, oldest first, without keeping any.
    ///
    /// # Errors
    /// The journal exists and cannot be read.
    pub fn each(&self, mut show: impl FnMut(Value)) -> io::Result<()> {
        self.reading()?.each(|_, line| {
            if let Ok(entry) = serde_json::from_slice::<Value>(line)
                && entry.is_object()
            {
                show(entry);
            }
        })
    }
}

impl Reading {
    /// Shows each line, oldest first, with its place.
    pub(in crate::response) fn each(&mut self, mut show: impl FnMut(Place, &[u8])) -> io::Result<()> {
        for (n, (file, len)) in self.files.iter_mut().enumerate() {
            file.seek(SeekFrom::Start(0))?;
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            lines(file, *len, |at, line| {
                if let Some(line) = line
                    && let Ok(len) = u32::try_from(line.len())
                {
                    show(Place { file: n, len, at }, line);
                }
                true
            })?;
        }
        Ok(())
    }

    /// The entry at a place that [`Reading::each`] showed.
    pub(in crate::response) fn entry(&self, place: Place) -> io::Result<Value> {
        let gone = || io::Error::new(io::ErrorKind::InvalidData, "a line of the journal is no longer there");
        let (file, _) = self.files.get(place.file as usize).ok_or_else(gone)?;
        let mut line = vec![0; place.len as usize];
        file.read_exact_at(&mut line, place.at)?;
        serde_json::from_slice(&line).map_err(|_| gone())
    }
}

/// Shows the lines of the first `len` bytes with where each begins, until `show` says no; `None` for one that is too long
/// to be an entry.
pub(super) fn lines(
    file: &mut File,
    len: u64,
    mut show: impl FnMut(u64, Option<&[u8]>) -> bool,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(256 << 10, (&mut *file).take(len));
    let (mut line, mut at) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        let read = (&mut reader).take(LONGEST as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let mut long = line.len() > LONGEST && line.last() != Some(&b'\n');
        let begun = at;
        at += read as u64;
        while long && line.last() != Some(&b'\n') {
            line.clear();
            let more = (&mut reader).take(LONGEST as u64).read_until(b'\n', &mut line)?;
            at += more as u64;
            if more == 0 {
                break;
            }
        }
        long |= line.len() > LONGEST + 1;
        let whole = line.strip_suffix(b"\n").unwrap_or(&line);
        if !show(begun, (!long).then_some(whole)) {
            return Ok(());
        }
    }
}
