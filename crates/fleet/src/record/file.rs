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
/// Bytes before a frame's data.
const HEAD: usize = 24;
/// Looks for the next frame behind a damage are given up after so many that were none.
const TRIES: usize = 1_000;
/// Times an entry can have: 1970 to 9999. Anything else is damage, and would not be a time on the screen.
const TIMES: std::ops::RangeInclusive<Ms> = 0..=253_402_300_799_999;

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
    /// Absent in older ones: then it was not asked.
    #[serde(default = "yes")]
    pub presence: bool,
    pub security_profiles: Vec<ProfileRecord>,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
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
            settle: l.settle,
            connections: l.connections,
            ceiling: l.ceiling,
            quarantine_groups: l.quarantine_groups.iter().map(|g| g.to_string()).collect(),
            detect_speed: l.detect_speed,
            false_alarms: l.false_alarms,
            presence: l.presence,
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
            settle: j.settle,
            connections: j.connections.clamp(1, CONNECTIONS),
            ceiling: j.ceiling,
            quarantine_groups: j.quarantine_groups.iter().map(|g| g.as_str().into()).collect(),
            detect_speed: j.detect_speed,
            false_alarms: j.false_alarms,
            presence: j.presence,
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
    let length = |n: usize| {
        let fits = u32::try_from(n).ok().filter(|n| *n <= FRAME);
        fits.ok_or_else(|| damaged("a frame too long to write"))
    };
    let mut out = Vec::with_capacity(HEAD + packed.len());
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

/// An entry as CBOR. One that could not be read again (longer than a frame) is an event that is lost, and said to be.
pub(super) fn encode_entry(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match encode(entry, &mut bytes) {
        Ok(()) if bytes.len() <= FRAME as usize / 2 => Ok(bytes),
        _ => {
            bytes.clear();
            encode(&Entry { at: entry.at, what: What::Lost(1) }, &mut bytes)?;
            Ok(bytes)
        }
    }
}

/// Reads a value from the front of `rest`. A text in it may be as long as the whole: a device chooses how long its names are.
fn decode<T: for<'d> Deserialize<'d>>(rest: &mut &[u8], scratch: &mut [u8]) -> Result<T, String> {
    ciborium::de::from_reader_with_buffer(rest, scratch).map_err(|e| e.to_string())
}

/// Where a frame is, and what time it covers.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    packed: u32,
    raw: u32,
    first: Ms,
    last: Ms,
}

impl Place {
    /// What the head at `at` says; `None` when no writer can have written it.
    fn of(head: &[u8; HEAD], at: u64) -> Option<Self> {
        let word =
            |i: usize| u32::from_le_bytes(std::array::from_fn(|n| head.get(i + n).copied().unwrap_or(0)));
        let time =
            |i: usize| i64::from_le_bytes(std::array::from_fn(|n| head.get(i + n).copied().unwrap_or(0)));
        let place =
            Self { offset: at + HEAD as u64, packed: word(0), raw: word(4), first: time(8), last: time(16) };
        let fits = place.packed > 0 && place.packed <= FRAME && place.raw > 0 && place.raw <= FRAME;
        (fits && place.first <= place.last && TIMES.contains(&place.first) && TIMES.contains(&place.last))
            .then_some(place)
    }

    fn end(&self) -> u64 {
        self.offset + u64::from(self.packed)
    }
}

/// A part of a recording that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The time before it.
    pub from: Ms,
    /// The time after it.
    pub to: Ms,
    /// What is wrong with it.
    pub what: String,
}

/// An opened recording.
#[derive(Debug)]
pub struct Recording {
    file: File,
    header: Header,
    frames: Vec<Place>,
    damages: Vec<Damage>,
    first: Ms,
    cut: bool,
}

impl Recording {
    /// Opens a recording and reads where its frames are. What is damaged between them is skipped: [`Recording::damages`].
    ///
    /// # Errors
    /// The file cannot be read, is none of ours, or of a newer version, or its header is damaged; in a sentence.
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
        let head = head_at(&mut file, 9, end)?.filter(|place| place.end() <= end);
        let head = head.ok_or_else(|| damaged("a recording without its header"))?;
        let bytes = unpack(&mut file, head)?;
        let header: Header = decode(&mut bytes.as_slice(), &mut vec![0; bytes.len()])
            .map_err(|e| damaged(&format!("the header is not understood: {e}")))?;
        let (mut frames, mut damages): (Vec<Place>, Vec<Damage>) = (Vec::new(), Vec::new());
        let (mut at, mut cut) = (head.end(), false);
        while at < end {
            match head_at(&mut file, at, end)? {
                Some(place) if place.end() <= end => {
                    at = place.end();
                    frames.push(place);
                }
                // The end is missing, unless more frames follow what is damaged here.
                _ => match next_frame(&mut file, at + 1, end)? {
                    Some(place) => {
                        let from = frames.last().map_or(header.began, |f| f.last);
                        let bytes = place.offset - HEAD as u64 - at;
                        let what = format!("{bytes} bytes are no frame of a recording");
                        damages.push(Damage { from, to: place.first, what });
                        at = place.end();
                        frames.push(place);
                    }
                    None => {
                        cut = true;
                        break;
                    }
                },
            }
        }
        let first = frames.iter().map(|f| f.first).min().unwrap_or(header.began);
        Ok(Self { file, header, frames, damages, first, cut })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The times of the first and the last entry.
    pub fn span(&self) -> (Ms, Ms) {
        (self.first, self.frames.iter().map(|f| f.last).fold(self.first, Ms::max))
    }

    /// True when the end is missing: the writer was killed.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// What was found damaged: between the frames when it was opened, in them when they were read.
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }

    /// The entries of a frame, as far as they can be read; what cannot is noted among the damages, once.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn entries(&mut self, frame: usize) -> io::Result<Vec<Entry>> {
        let Some(place) = self.frames.get(frame).copied() else { return Ok(Vec::new()) };
        let mut entries: Vec<Entry> = Vec::new();
        match unpack(&mut self.file, place) {
            Ok(bytes) => {
                let (mut rest, mut scratch) = (bytes.as_slice(), vec![0; bytes.len()]);
                while !rest.is_empty() {
                    match decode::<Entry>(&mut rest, &mut scratch) {
                        Ok(entry) if TIMES.contains(&entry.at) => entries.push(entry),
                        Ok(_) => self.note(frame, entries.last(), "an entry of no possible time".to_owned()),
                        Err(e) => {
                            self.note(frame, entries.last(), format!("an entry is not understood: {e}"));
                            break;
                        }
                    }
                }
            }
            Err(e) if e.kind() == io::ErrorKind::InvalidData => self.note(frame, None, e.to_string()),
            Err(e) => return Err(e),
        }
        Ok(entries)
    }

    fn note(&mut self, frame: usize, after: Option<&Entry>, what: String) {
        let Some(place) = self.frames.get(frame) else { return };
        // A length that is damaged may hide the frames that follow.
        let to = self.frames.get(frame + 1).map_or(place.last, |next| next.first.max(place.last));
        let from = after.map_or(place.first, |e| e.at);
        // One damage can spoil the head of a frame and what is found behind it: it is one part of the time.
        match self.damages.iter_mut().find(|d| d.from <= to && from <= d.to) {
            Some(known) => (known.from, known.to) = (known.from.min(from), known.to.max(to)),
            None => self.damages.push(Damage { from, to, what }),
        }
    }
}

/// The frame whose head stands at `at`, if it is one.
fn head_at(file: &mut File, at: u64, end: u64) -> io::Result<Option<Place>> {
    let mut head = [0; HEAD];
    if end.saturating_sub(at) < HEAD as u64 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut head)?;
    Ok(Place::of(&head, at))
}

/// The next place from `from` on at which a whole frame stands: one whose data can be unpacked.
fn next_frame(file: &mut File, from: u64, end: u64) -> io::Result<Option<Place>> {
    const WINDOW: usize = 1 << 20;
    let (mut at, mut tries) = (from, 0);
    while at < end {
        file.seek(SeekFrom::Start(at))?;
        let mut window = Vec::new();
        (&mut *file).take((WINDOW + HEAD + 2) as u64).read_to_end(&mut window)?;
        for i in 0..window.len().saturating_sub(HEAD + 1).min(WINDOW) {
            let Some(head) = window.get(i..i + HEAD).and_then(|h| <&[u8; HEAD]>::try_from(h).ok()) else {
                break;
            };
            if !window.get(i + HEAD..i + HEAD + 2).is_some_and(is_zlib) {
                continue;
            }
            let place = Place::of(head, at + i as u64).filter(|place| place.end() <= end);
            if let Some(place) = place
                && unpack(file, place).is_ok()
            {
                return Ok(Some(place));
            }
            tries += usize::from(place.is_some());
            if tries > TRIES {
                return Ok(None);
            }
        }
        at += WINDOW as u64;
    }
    Ok(None)
}

/// True of the two bytes that zlib data with a window of 32 KiB begins with.
fn is_zlib(start: &[u8]) -> bool {
    matches!(start, [0x78, flags] if (0x7800 + u16::from(*flags)).is_multiple_of(31))
}

fn unpack(file: &mut File, place: Place) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(place.offset))?;
    let mut packed = vec![0; place.packed as usize];
    file.read_exact(&mut packed)?;
    miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&packed, place.raw as usize)
        .map_err(|_| damaged("a frame that cannot be unpacked"))
}
