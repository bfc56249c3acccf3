//! The format: a magic, a version, a header, then frames; each frame deflated on its own, so that a file cut off by a crash
//! loses its last seconds and nothing else, and a player can jump.
//!
//! `quellrec`, version (1 byte), then frames of: compressed length, length (u32 LE), time of the first and of the last entry
//! (i64 LE, epoch milliseconds), zlib data. The first frame holds the [`Header`], the others [`Entry`] after entry, in CBOR.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::model::ProfileRecord;
use crate::text::SafeText;
use crate::{Limits, Ms};

/// The first bytes of a recording.
pub const MAGIC: &[u8; 8] = b"quellrec";
/// The version written, and the newest one read.
pub const VERSION: u8 = 2;
/// A frame is never longer than this, deflated or not: what says so is damaged, or made to fill memory.
const FRAME: u32 = 64 << 20;

/// What a player needs to know before the first event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of quell that wrote it.
    pub quell: String,
    /// When the recording began.
    pub began: Ms,
    /// Whether payloads were kept.
    pub payloads: bool,
    /// False without an AWS control plane.
    pub aws: bool,
    /// What AWS's durations were divided by.
    pub speed: f64,
    /// What the header showed: `LOCAL ×10`.
    pub badge: Option<SafeText>,
    /// The limits and durations the fleet judged by.
    pub limits: Judged,
}

/// The part of [`Limits`] that decides what is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the field of Limits of the same name")]
pub struct Judged {
    pub payload_bytes: u64,
    pub messages: usize,
    pub deltas: usize,
    pub shadows: usize,
    pub strangers: usize,
    pub stale_after: Ms,
    pub policy_delay: Ms,
    pub in_flight: Ms,
    pub settle: Ms,
    /// Absent in version 1, which one connection was enough for.
    #[serde(default = "one")]
    pub connections: u32,
    /// Absent in version 1: then how near the limit is was not known.
    #[serde(default)]
    pub ceiling: Option<(f64, f64)>,
    pub quarantine_groups: Vec<String>,
    pub detect_speed: f64,
    pub false_alarms: f64,
    pub security_profiles: Vec<ProfileRecord>,
}

fn one() -> u32 {
    1
}

impl From<&Limits> for Judged {
    fn from(l: &Limits) -> Self {
        Self {
            payload_bytes: l.payload_bytes,
            messages: l.messages,
            deltas: l.deltas,
            shadows: l.shadows,
            strangers: l.strangers,
            stale_after: l.stale_after,
            policy_delay: l.policy_delay,
            in_flight: l.in_flight,
            settle: l.settle,
            connections: l.connections,
            ceiling: l.ceiling,
            quarantine_groups: l.quarantine_groups.iter().map(|g| g.to_string()).collect(),
            detect_speed: l.detect_speed,
            false_alarms: l.false_alarms,
            security_profiles: l.security_profiles.clone(),
        }
    }
}

impl From<&Judged> for Limits {
    fn from(j: &Judged) -> Self {
        // A recording is outside data: what it asks for is kept within what a session of ours could have asked.
        const MOST: usize = 1_000_000;
        const CONNECTIONS: u32 = 10_000;
        Self {
            payload_bytes: j.payload_bytes.min(1 << 30),
            messages: j.messages.min(MOST),
            deltas: j.deltas.min(MOST),
            shadows: j.shadows.min(MOST),
            strangers: j.strangers.min(MOST),
            stale_after: j.stale_after,
            policy_delay: j.policy_delay,
            in_flight: j.in_flight,
            settle: j.settle,
            connections: j.connections.clamp(1, CONNECTIONS),
            ceiling: j.ceiling,
            quarantine_groups: j.quarantine_groups.iter().map(|g| g.as_str().into()).collect(),
            detect_speed: j.detect_speed,
            false_alarms: j.false_alarms,
            security_profiles: j.security_profiles.clone(),
        }
    }
}

/// One thing that happened, and when it was taken in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The `now` it was applied with.
    pub at: Ms,
    /// What it was.
    pub what: What,
}

/// What an entry is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum What {
    /// An event.
    Event(Event),
    /// Time passed.
    Tick,
    /// From here on other limits and durations held: the configuration was read again.
    Limits(Box<Judged>),
    /// So many events could not be written in time: from here on the recording is not the whole truth.
    Lost(u64),
    /// The recording ended because it had reached its size.
    Full,
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Writes the magic and the version.
pub(super) fn begin(out: &mut impl Write) -> io::Result<()> {
    out.write_all(MAGIC)?;
    out.write_all(&[VERSION])
}

/// One frame as it is written.
pub(super) fn frame(raw: &[u8], first: Ms, last: Ms) -> io::Result<Vec<u8>> {
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(raw, 6);
    let length = |n: usize| u32::try_from(n).map_err(|_| damaged("a frame too long to write"));
    let mut out = Vec::with_capacity(24 + packed.len());
    out.extend(length(packed.len())?.to_le_bytes());
    out.extend(length(raw.len())?.to_le_bytes());
    out.extend(first.to_le_bytes());
    out.extend(last.to_le_bytes());
    out.extend(packed);
    Ok(out)
}

/// A value as CBOR, appended.
pub(super) fn encode(value: &impl Serialize, out: &mut Vec<u8>) -> io::Result<()> {
    ciborium::into_writer(value, out).map_err(|e| io::Error::other(e.to_string()))
}

/// Where a frame is, and what time it covers.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    packed: u32,
    raw: u32,
    last: Ms,
}

/// An opened recording.
#[derive(Debug)]
pub struct Recording {
    file: File,
    header: Header,
    frames: Vec<Place>,
    first: Ms,
    cut: bool,
}

impl Recording {
    /// Opens a recording and reads where its frames are.
    ///
    /// # Errors
    /// The file cannot be read, is none of ours, or of a newer version; in a sentence.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut start = [0; 9];
        file.read_exact(&mut start).map_err(|_| damaged("not a recording of quell"))?;
        if start.get(..8) != Some(MAGIC) {
            return Err(damaged("not a recording of quell"));
        }
        if start[8] == 0 || start[8] > VERSION {
            return Err(damaged(&format!(
                "a recording of version {}: this quell reads up to {VERSION}",
                start[8]
            )));
        }
        let end = file.seek(SeekFrom::End(0))?;
        let mut frames = Vec::new();
        let (mut at, mut first, mut cut) = (9_u64, Ms::MAX, false);
        while at < end {
            let mut head = [0; 24];
            file.seek(SeekFrom::Start(at))?;
            if end - at < 24 || file.read_exact(&mut head).is_err() {
                cut = true;
                break;
            }
            let word =
                |i: usize| u32::from_le_bytes(std::array::from_fn(|n| head.get(i + n).copied().unwrap_or(0)));
            let time =
                |i: usize| i64::from_le_bytes(std::array::from_fn(|n| head.get(i + n).copied().unwrap_or(0)));
            let place = Place { offset: at + 24, packed: word(0), raw: word(4), last: time(16) };
            if place.packed > FRAME || place.raw > FRAME {
                return Err(damaged("a frame longer than any that was written: the file is damaged"));
            }
            if place.offset + u64::from(place.packed) > end {
                cut = true;
                break;
            }
            if !frames.is_empty() {
                first = first.min(time(8));
            }
            frames.push(place);
            at = place.offset + u64::from(place.packed);
        }
        let head = frames.first().copied().ok_or_else(|| damaged("a recording without its header"))?;
        let bytes = unpack(&mut file, head)?;
        let header: Header = ciborium::from_reader(bytes.as_slice())
            .map_err(|e| damaged(&format!("the header is not understood: {e}")))?;
        frames.remove(0);
        let first = if first == Ms::MAX { header.began } else { first };
        Ok(Self { file, header, frames, first, cut })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The times of the first and the last entry.
    pub fn span(&self) -> (Ms, Ms) {
        (self.first, self.frames.last().map_or(self.first, |f| f.last.max(self.first)))
    }

    /// True when the end is missing: the writer was killed.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// The entries of a frame.
    ///
    /// # Errors
    /// The file cannot be read or is damaged there.
    pub fn entries(&mut self, frame: usize) -> io::Result<Vec<Entry>> {
        let Some(place) = self.frames.get(frame).copied() else { return Ok(Vec::new()) };
        let bytes = unpack(&mut self.file, place)?;
        let mut rest = bytes.as_slice();
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let entry = ciborium::from_reader(&mut rest)
                .map_err(|e| damaged(&format!("an entry is not understood: {e}")))?;
            entries.push(entry);
        }
        Ok(entries)
    }
}

fn unpack(file: &mut File, place: Place) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(place.offset))?;
    let mut packed = vec![0; place.packed as usize];
    file.read_exact(&mut packed)?;
    miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&packed, place.raw as usize)
        .map_err(|_| damaged("a frame cannot be unpacked: the file is damaged"))
}
