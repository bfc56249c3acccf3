//! What was heard, held for a question nobody has asked yet: sums by device and window, and single messages.
//!
//! Sums of two hours cost at most 400 bytes a device; single messages are a ring of a few megabytes for the whole fleet,
//! at most an hour. How far back an answer reaches is said with it.

use std::collections::VecDeque;

use crate::detect::whatif::{Held, Single};
use crate::detect::window;

use super::{DeviceId, Ms};

/// Base windows held of a device: an hour's window that is aligned lies wholly in the last two hours.
const WINDOWS: usize = 24;
/// Single messages held.
const MESSAGES: usize = 200_000;
/// For how long, in base windows.
const SPAN: i64 = 12;

#[derive(Clone, Copy, Debug)]
struct Cell {
    number: i64,
    count: u32,
    sum: u32,
}

/// The log of one fleet.
#[derive(Debug)]
pub(super) struct HeldLog {
    base_ms: Ms,
    rows: Vec<Vec<Cell>>,
    messages: VecDeque<Single>,
}

impl HeldLog {
    pub(super) fn new(base_ms: Ms) -> Self {
        Self { base_ms: base_ms.max(1), rows: Vec::new(), messages: VecDeque::new() }
    }

    pub(super) fn base_ms(&self) -> Ms {
        self.base_ms
    }

    /// The hot path: `count` messages with `bytes` bytes together, the largest of them `largest`.
    pub(super) fn note(&mut self, id: DeviceId, at: Ms, count: u32, bytes: u64, largest: u32) {
        let index = id.index();
        if index >= self.rows.len() {
            self.rows.resize_with(index + 1, Vec::new);
        }
        let number = window::number(at, self.base_ms);
        let sum = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some(row) = self.rows.get_mut(index) {
            match row.last_mut() {
                Some(last) if last.number == number => {
                    last.count = last.count.saturating_add(count);
                    last.sum = last.sum.saturating_add(sum);
                }
                Some(last) if last.number > number => {
                    if let Some(cell) = row.iter_mut().rev().find(|c| c.number == number) {
                        cell.count = cell.count.saturating_add(count);
                        cell.sum = cell.sum.saturating_add(sum);
                    }
                }
                _ => {
                    if row.len() == WINDOWS {
                        row.remove(0);
                    }
                    row.push(Cell { number, count, sum });
                }
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

    /// What is held as of `now`, for the devices `covers` says.
    /// `whole` says whether a stretch was listened to from begin to end.
    pub(super) fn held(
        &self,
        whole: impl Fn(Ms, Ms) -> bool,
        now: Ms,
        covers: impl Fn(DeviceId) -> bool,
    ) -> Held {
        let end = window::number(now, self.base_ms);
        let oldest = self.rows.iter().filter_map(|row| row.first()).map(|c| c.number).min().unwrap_or(end);
        let first = oldest.max(end - WINDOWS as i64).min(end);
        let windows = usize::try_from(end - first).unwrap_or(0);
        let devices = self.rows.len();
        let covered: Vec<bool> = (0..devices).map(|i| covers(DeviceId::at(i))).collect();
        let mut counts = vec![0; devices * windows];
        let mut sums = vec![0; devices * windows];
        for (device, row) in self.rows.iter().enumerate().filter(|(i, _)| covered.get(*i) == Some(&true)) {
            for cell in row.iter().filter(|c| (first..end).contains(&c.number)) {
                let at = device * windows + (cell.number - first) as usize;
                if let (Some(count), Some(sum)) = (counts.get_mut(at), sums.get_mut(at)) {
                    (*count, *sum) = (cell.count, cell.sum);
                }
            }
        }
        let partial = (first..end).map(|n| !whole(n * self.base_ms, (n + 1) * self.base_ms)).collect();
        let messages =
            self.messages.iter().filter(|m| covered.get(m.device as usize) == Some(&true)).copied().collect();
        Held { base_ms: self.base_ms, first, windows, partial, devices, counts, sums, messages }
    }
}
