//! What was heard, held for a question nobody has asked yet: sums by device and window, and single messages.
//!
//! Sums are kept by window, not by device: a window is two flat rows over the devices that spoke, two bytes a cell until
//! one of them needs four, so two hours cost about 100 bytes a device. Single messages are a ring of a few megabytes for the
//! whole fleet, at most an hour. How far back an answer reaches is said with it.

use std::collections::VecDeque;

use quell_rules::detect::whatif::{Held, Single};
use quell_rules::detect::window;

use super::{DeviceId, Ms};

/// Base windows told: an hour's window that is aligned lies wholly in the last two hours.
const WINDOWS: usize = 24;
/// Base windows held: those, and the running one.
const COLUMNS: usize = WINDOWS + 1;
/// Single messages held.
const MESSAGES: usize = 200_000;
/// For how long, in base windows.
const SPAN: i64 = 12;

/// Numbers by row, as narrow as the largest of them allows.
#[derive(Debug)]
enum Cells {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl Cells {
    fn new(rows: usize) -> Self {
        Self::Narrow(Vec::with_capacity(rows))
    }

    fn get(&self, row: usize) -> u32 {
        match self {
            Self::Narrow(cells) => cells.get(row).copied().unwrap_or(0).into(),
            Self::Wide(cells) => cells.get(row).copied().unwrap_or(0),
        }
    }

    fn add(&mut self, row: usize, amount: u32) {
        let sum = self.get(row).saturating_add(amount);
        if let Self::Narrow(cells) = self {
            if let Ok(sum) = u16::try_from(sum) {
                put(cells, row, sum);
                return;
            }
            *self = Self::Wide(cells.iter().map(|cell| u32::from(*cell)).collect());
        }
        if let Self::Wide(cells) = self {
            put(cells, row, sum);
        }
    }
}

fn put<T: Copy + Default>(cells: &mut Vec<T>, row: usize, value: T) {
    if row >= cells.len() {
        cells.resize(row + 1, T::default());
    }
    if let Some(cell) = cells.get_mut(row) {
        *cell = value;
    }
}

/// One base window of all devices.
#[derive(Debug)]
struct Column {
    number: i64,
    counts: Cells,
    sums: Cells,
}

/// The log of one fleet.
#[derive(Debug)]
pub(super) struct HeldLog {
    base_ms: Ms,
    /// By device: its row plus one in the columns, 0 while it never spoke.
    rows: Vec<u32>,
    /// Devices that spoke.
    spoke: u32,
    /// In the order of their numbers.
    columns: VecDeque<Column>,
    messages: VecDeque<Single>,
}

impl HeldLog {
    pub(super) fn new(base_ms: Ms) -> Self {
        Self {
            base_ms: base_ms.max(1),
            rows: Vec::new(),
            spoke: 0,
            columns: VecDeque::new(),
            // What is never written takes no memory; a ring that doubles ends a third too long.
            messages: VecDeque::with_capacity(MESSAGES),
        }
    }

    pub(super) fn base_ms(&self) -> Ms {
        self.base_ms
    }

    /// How long so many of AWS's seconds last here.
    pub(super) fn lasts(&self, seconds: i64) -> Ms {
        (self.base_ms.saturating_mul(seconds) / 300).max(1)
    }

    /// The hot path: `count` messages with `bytes` bytes together, the largest of them `largest`.
    pub(super) fn note(&mut self, id: DeviceId, at: Ms, count: u32, bytes: u64, largest: u32) {
        let index = id.index();
        if index >= self.rows.len() {
            self.rows.resize(index + 1, 0);
        }
        let number = window::number(at, self.base_ms);
        let sum = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some(row) = self.rows.get_mut(index) {
            if *row == 0 {
                self.spoke += 1;
                *row = self.spoke;
            }
            let row = *row as usize - 1;
            if let Some(column) = self.column(number) {
                column.counts.add(row, count);
                column.sums.add(row, sum);
            }
        }
        if self.messages.len() == MESSAGES {
            self.messages.pop_front();
        }
        let device = u32::try_from(index).unwrap_or(u32::MAX);
        self.messages.push_back(Single { device, len: largest, at_ms: at });
        while self.messages.front().is_some_and(|old| at - old.at_ms > SPAN * self.base_ms) {
            self.messages.pop_front();
        }
    }

    /// The column of a window, made if it is not there; `None` for one that is older than what is held.
    fn column(&mut self, number: i64) -> Option<&mut Column> {
        let newer = self.columns.iter().rev().take_while(|c| c.number > number).count();
        let mut place = self.columns.len() - newer;
        if place.checked_sub(1).and_then(|i| self.columns.get(i)).is_none_or(|c| c.number != number) {
            if self.columns.len() == COLUMNS {
                place = place.checked_sub(1)?;
                self.columns.pop_front();
            }
            let rows = self.spoke as usize;
            self.columns.insert(place, Column { number, counts: Cells::new(rows), sums: Cells::new(rows) });
            place += 1;
        }
        self.columns.get_mut(place - 1)
    }

    /// What a device filled each base window with, the oldest first: its number, messages and payload bytes.
    pub(super) fn windows_of(&self, id: DeviceId) -> impl Iterator<Item = (i64, u32, u32)> {
        let row = self.rows.get(id.index()).and_then(|row| row.checked_sub(1));
        let of = move |column: &Column| {
            let row = row? as usize;
            Some((column.number, column.counts.get(row), column.sums.get(row)))
        };
        self.columns.iter().filter_map(of)
    }

    /// What is held as of `now`, for the devices `covers` says.
    /// `whole` says whether a stretch was listened to from begin to end.
    pub(super) fn held(
        &self,
        whole: impl Fn(Ms, Ms) -> bool,
        now: Ms,
        covers: impl Fn(DeviceId) -> bool,
    ) -> Held {
        let end = window::number(now, self.base_ms);
        let oldest = self.columns.front().map_or(end, |c| c.number);
        let first = oldest.max(end - WINDOWS as i64).min(end);
        let windows = usize::try_from(end - first).unwrap_or(0);
        let devices = self.rows.len();
        let covered: Vec<bool> = (0..devices).map(|i| covers(DeviceId::at(i))).collect();
        let mut counts = vec![0; devices * windows];
        let mut sums = vec![0; devices * windows];
        for column in self.columns.iter().filter(|c| (first..end).contains(&c.number)) {
            let rows = self.rows.iter().enumerate();
            for (device, row) in rows.filter(|(i, row)| **row > 0 && covered.get(*i) == Some(&true)) {
                let (at, row) = (device * windows + (column.number - first) as usize, *row as usize - 1);
                if let (Some(count), Some(sum)) = (counts.get_mut(at), sums.get_mut(at)) {
                    (*count, *sum) = (column.counts.get(row), column.sums.get(row));
                }
            }
        }
        let partial = (first..end).map(|n| !whole(n * self.base_ms, (n + 1) * self.base_ms)).collect();
        let messages =
            self.messages.iter().filter(|m| covered.get(m.device as usize) == Some(&true)).copied().collect();
        Held { base_ms: self.base_ms, first, windows, partial, devices, counts, sums, messages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Ms = 300_000;

    #[test]
    fn two_hours_are_held_by_device_and_window() {
        let mut log = HeldLog::new(BASE);
        for number in 0..40 {
            log.note(DeviceId::at(3), number * BASE, 2, 100, 60);
            if number % 2 == 0 {
                log.note(DeviceId::at(1), number * BASE + 1, 1, 70_000, 70_000);
            }
        }
        // Late, for a window that is held, and for one that is not.
        log.note(DeviceId::at(1), 25 * BASE, 3, 30, 10);
        log.note(DeviceId::at(1), 0, 3, 30, 10);
        let held = log.held(|_, _| false, 39 * BASE + 5, |_| true);
        assert_eq!((held.first, held.windows, held.devices), (15, 24, 4));
        let mine: Vec<_> = log.windows_of(DeviceId::at(3)).collect();
        assert_eq!((mine.len(), mine.last()), (25, Some(&(39, 2, 100))));
        assert_eq!(log.windows_of(DeviceId::at(1)).find(|(number, ..)| *number == 25), Some((25, 3, 30)));
        assert_eq!(log.windows_of(DeviceId::at(2)).count(), 0);
        let of = |device: usize, number: usize| {
            let at = device * held.windows + number - 15;
            (held.counts[at], held.sums[at])
        };
        assert_eq!((of(3, 15), of(3, 38)), ((2, 100), (2, 100)));
        assert_eq!((of(1, 15), of(1, 16), of(1, 25)), ((0, 0), (1, 70_000), (3, 30)));
        assert!((15..39).all(|number| of(0, number) == (0, 0)), "device 0 never spoke");
    }

    #[test]
    fn what_is_not_covered_is_not_told() {
        let mut log = HeldLog::new(BASE);
        log.note(DeviceId::at(0), 0, 1, 10, 10);
        log.note(DeviceId::at(1), 1, 1, 20, 20);
        let held = log.held(|_, _| false, BASE, |id| id.index() == 1);
        assert_eq!((held.counts.as_slice(), held.sums.as_slice()), (&[0, 1][..], &[0, 20][..]));
        assert_eq!(held.messages.len(), 1);
    }
}
