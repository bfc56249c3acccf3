//! Writing a recording on a thread of its own: the console hands events over and never waits for a disk.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::event::Event;
use crate::{Limits, Ms};

use super::file::{self, Entry, Header, What};

/// Events under way to the writer.
const QUEUE: usize = 1_024;
/// A frame is written when it has this many bytes,
const FRAME: usize = 256 << 10;
/// or is this old: what a crash may lose.
const AGE: Duration = Duration::from_secs(2);
/// The frame that says that the recording is full is shorter than this.
const LAST: u64 = 128;

/// A recording being written. Dropping it writes what is left.
#[derive(Debug)]
pub struct Recorder {
    sender: Option<SyncSender<Entry>>,
    writer: Option<std::thread::JoinHandle<io::Result<()>>>,
    path: PathBuf,
    payloads: bool,
    lost: u64,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicU64,
    ended: AtomicBool,
    full: AtomicBool,
}

impl Recorder {
    /// Begins a recording in a new file, readable by its owner only. It ends by itself at `limit` bytes.
    ///
    /// # Errors
    /// The file is there already or cannot be written.
    pub fn create(path: &Path, header: &Header, limit: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut out = BufWriter::new(file);
        file::begin(&mut out)?;
        let mut raw = Vec::new();
        file::encode(header, &mut raw)?;
        let first = file::frame(&raw, header.began, header.began)?;
        out.write_all(&first)?;
        out.flush()?;
        let head = 9 + first.len() as u64;
        let shared = Arc::new(Shared::default());
        shared.bytes.store(head, Ordering::Relaxed);
        let (sender, receiver) = sync_channel(QUEUE);
        let state = Arc::clone(&shared);
        let writer = std::thread::Builder::new().name("recording".to_owned()).spawn(move || {
            let result = write(&mut out, &receiver, &state, limit);
            state.ended.store(true, Ordering::Relaxed);
            if let Err(error) = &result {
                tracing::error!(%error, "the recording ended");
            }
            result
        })?;
        Ok(Self {
            sender: Some(sender),
            writer: Some(writer),
            path: path.to_owned(),
            payloads: header.payloads,
            lost: 0,
            shared,
        })
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// True when it ended by itself: it is full, or the disk is.
    pub fn has_ended(&self) -> bool {
        self.shared.ended.load(Ordering::Relaxed)
    }

    /// True when it reached its size.
    pub fn is_full(&self) -> bool {
        self.shared.full.load(Ordering::Relaxed)
    }

    /// Notes an event that is applied at `at`.
    pub fn event(&mut self, event: &Event, at: Ms) {
        if self.has_ended() {
            return;
        }
        let mut event = event.clone();
        if !self.payloads
            && let Event::Batch(batch) = &mut event
        {
            batch.messages.iter_mut().for_each(|message| message.payload = None);
        }
        self.send(Entry { at, what: What::Event(event) });
    }

    /// Notes that time passed.
    pub fn tick(&mut self, at: Ms) {
        if !self.has_ended() {
            self.send(Entry { at, what: What::Tick });
        }
    }

    /// Notes that other limits and durations hold from now on.
    pub fn limits(&mut self, limits: &Limits, at: Ms) {
        if !self.has_ended() {
            self.send(Entry { at, what: What::Limits(Box::new(limits.into())) });
        }
    }

    fn send(&mut self, entry: Entry) {
        let Some(sender) = &self.sender else { return };
        if self.lost > 0 {
            let lost = Entry { at: entry.at, what: What::Lost(self.lost) };
            if sender.try_send(lost).is_ok() {
                self.lost = 0;
            }
        }
        let is_event = matches!(entry.what, What::Event(_));
        if sender.try_send(entry).is_err() {
            // A slow disk loses events of the recording, never of the screen; how many is written when it goes on.
            self.lost += u64::from(is_event);
        }
    }

    /// Ends the recording and says how large it became.
    ///
    /// # Errors
    /// What the writer met.
    pub fn finish(mut self) -> io::Result<u64> {
        self.sender = None;
        let result = self.writer.take().map(std::thread::JoinHandle::join);
        match result {
            Some(Ok(result)) => result?,
            Some(Err(_)) => return Err(io::Error::other("the writer failed")),
            None => {}
        }
        Ok(self.bytes())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write(out: &mut impl io::Write, entries: &Receiver<Entry>, shared: &Shared, limit: u64) -> io::Result<()> {
    let (mut raw, mut first, mut last) = (Vec::with_capacity(FRAME * 2), None, Ms::MIN);
    let mut since = Instant::now();
    loop {
        let wait = if first.is_some() { AGE.saturating_sub(since.elapsed()) } else { AGE };
        let over = match entries.recv_timeout(wait) {
            Ok(entry) => {
                if first.is_none() {
                    since = Instant::now();
                }
                first.get_or_insert(entry.at);
                last = last.max(entry.at);
                raw.extend(file::encode_entry(&entry)?);
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        let due = raw.len() >= FRAME || over || since.elapsed() >= AGE;
        if let (true, Some(begun)) = (due, first) {
            let written = shared.bytes.load(Ordering::Relaxed);
            let mut frame = file::frame(&raw, begun, last)?;
            // The last frame says why there is no other; room for it is kept.
            let full = written + frame.len() as u64 + LAST > limit;
            if full {
                raw.clear();
                file::encode(&Entry { at: begun, what: What::Full }, &mut raw)?;
                frame = file::frame(&raw, begun, begun)?;
            }
            out.write_all(&frame)?;
            let bytes = frame.len() as u64;
            out.flush()?;
            shared.bytes.store(written + bytes, Ordering::Relaxed);
            raw.clear();
            first = None;
            if full {
                shared.full.store(true, Ordering::Relaxed);
                return Ok(());
            }
        }
        if over {
            return Ok(());
        }
    }
}
