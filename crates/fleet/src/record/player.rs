//! Playing a recording back: the same events at the same times into a fleet of its own, forwards, backwards, to the next
//! alarm.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use crate::{Changes, Fleet, Limits, Ms, Word};

use super::file::{Damage, Entry, Header, Recording, What};

/// A recording being played. Time stands where it was last brought to.
#[derive(Debug)]
pub struct Player {
    recording: Recording,
    fleet: Fleet,
    at: Ms,
    frame: usize,
    queue: VecDeque<Entry>,
    lost: u64,
    full: bool,
}

impl Player {
    /// Opens a recording; time stands at its beginning.
    ///
    /// # Errors
    /// As [`Recording::open`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let recording = Recording::open(path)?;
        let fleet = Fleet::new(Limits::from(&recording.header().limits));
        let at = recording.span().0;
        Ok(Self { recording, fleet, at, frame: 0, queue: VecDeque::new(), lost: 0, full: false })
    }

    /// The recording's header.
    pub fn header(&self) -> &Header {
        self.recording.header()
    }

    /// What was true at [`Player::at`].
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// What was true, to be looked at by those who take from it.
    pub fn fleet_mut(&mut self) -> &mut Fleet {
        &mut self.fleet
    }

    /// The time it stands at.
    pub fn at(&self) -> Ms {
        self.at
    }

    /// When the recording begins and ends.
    pub fn span(&self) -> (Ms, Ms) {
        self.recording.span()
    }

    /// Events the recording does not have because the disk was too slow.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The parts of the recording that could not be read and were skipped, as far as it was played.
    pub fn damages(&self) -> &[Damage] {
        self.recording.damages()
    }

    /// True when the recording ended at its size limit, or was cut off.
    pub fn is_incomplete(&self) -> bool {
        self.full || self.recording.is_cut()
    }

    /// The next entry up to `to`, without applying it.
    fn next(&mut self, to: Ms) -> io::Result<Option<Entry>> {
        while self.queue.is_empty() && self.frame < self.recording.frames() {
            self.queue = self.recording.entries(self.frame)?.into();
            self.frame += 1;
        }
        match self.queue.front() {
            Some(entry) if entry.at <= to => Ok(self.queue.pop_front()),
            _ => Ok(None),
        }
    }

    /// Applies the next entry if it is not later than `to`: the entry's time and what it changed. `look` sees each event
    /// before it is applied.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn step(
        &mut self,
        to: Ms,
        look: &mut impl FnMut(&Fleet, &Entry),
    ) -> io::Result<Option<(Ms, Changes)>> {
        let Some(entry) = self.next(to)? else {
            return Ok(None);
        };
        look(&self.fleet, &entry);
        let at = entry.at;
        self.at = self.at.max(at);
        let changes = match entry.what {
            What::Event(event) => self.fleet.apply(event, at),
            What::Tick => self.fleet.tick(at),
            What::Limits(judged) => self.fleet.relimit(&Limits::from(judged.as_ref()), at),
            What::Lost(events) => {
                self.lost += events;
                Changes::NONE
            }
            What::Full => {
                self.full = true;
                Changes::NONE
            }
        };
        // What a live console would have read because of it is in the recording, if it was read.
        self.fleet.take_wanted();
        Ok(Some((at, changes)))
    }

    /// Brings time forward to `to`.
    ///
    /// # Errors
    /// As [`Player::step`].
    pub fn advance(&mut self, to: Ms) -> io::Result<Changes> {
        let mut changes = Changes::NONE;
        while let Some((_, more)) = self.step(to, &mut |_, _| {})? {
            changes |= more;
        }
        self.at = self.at.max(to.min(self.span().1));
        Ok(changes)
    }

    /// Brings time to `to`, backwards too: then everything is played again from the beginning.
    ///
    /// # Errors
    /// As [`Player::step`].
    pub fn seek(&mut self, to: Ms) -> io::Result<()> {
        let (begin, end) = self.span();
        let to = to.clamp(begin, end);
        if to < self.at {
            self.fleet = Fleet::new(Limits::from(&self.recording.header().limits));
            (self.at, self.frame, self.lost, self.full) = (begin, 0, 0, false);
            self.queue.clear();
        }
        self.advance(to)?;
        Ok(())
    }

    /// Brings time to the next device that comes into alarm, leaks, or is warned of; `None` when there is none, and then
    /// time stands at the end.
    ///
    /// # Errors
    /// As [`Player::step`].
    pub fn next_alarm(&mut self) -> io::Result<Option<Ms>> {
        let end = self.span().1;
        let mut warned = self.fleet.counts().of(Word::Warning);
        while let Some((at, changes)) = self.step(end, &mut |_, _| {})? {
            let now = if changes.is_empty() { warned } else { self.fleet.counts().of(Word::Warning) };
            let loud = changes.contains(Changes::ALARM) || changes.contains(Changes::LEAK) || now > warned;
            warned = now;
            if loud {
                // What was taken in at the same time belongs to it.
                self.advance(at)?;
                return Ok(Some(at));
            }
        }
        self.at = end;
        Ok(None)
    }
}
