//! A list's cursor and what is in sight, by the identity of its lines: never by their position.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The identity of a line, stable for the run.
pub type Key = u64;

/// A key made from what names a line.
pub fn key_of(name: impl Hash) -> Key {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// The lists, each with a cursor of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListId {
    /// Devices.
    Devices,
    /// Active violations.
    Violations,
    /// Shadow deltas.
    Deltas,
    /// Messages.
    Stream,
    /// Jobs.
    Jobs,
    /// Executions of one job.
    Executions,
    /// What was done.
    Journal,
    /// Security profiles.
    Profiles,
    /// Past violations.
    History,
    /// Findings of audits.
    Findings,
    /// Topic rules.
    Rules,
    /// Devices a behaviour would have alarmed.
    WhatIf,
    /// Text to scroll in.
    Text,
}

impl ListId {
    /// How many there are.
    pub const COUNT: usize = 13;
}

/// Where a list is.
#[derive(Debug, Default)]
pub struct ListState {
    cursor: Option<Key>,
    /// Where the cursor was last seen: where moving goes on from when its line is gone.
    last_at: Cell<usize>,
    top: Cell<usize>,
    page: Cell<usize>,
}

impl ListState {
    /// The identity under the cursor, whether it is in sight or not.
    pub fn cursor(&self) -> Option<Key> {
        self.cursor
    }

    /// Puts the cursor on a line.
    pub fn set(&mut self, key: Option<Key>) {
        self.cursor = key;
    }

    /// Where the cursor stands among `keys`.
    pub fn position(&self, keys: &[Key]) -> Option<usize> {
        let cursor = self.cursor?;
        let guess = self.last_at.get();
        if keys.get(guess) == Some(&cursor) {
            return Some(guess);
        }
        let at = keys.iter().position(|k| *k == cursor)?;
        self.last_at.set(at);
        Some(at)
    }

    /// Moves by `by` lines; onto the line beside where it was, when its own is gone.
    pub fn step(&mut self, keys: &[Key], by: isize) {
        let Some(last) = keys.len().checked_sub(1) else { return };
        let to = match self.position(keys) {
            Some(at) => at.saturating_add_signed(by).min(last),
            None if self.cursor.is_none() => 0,
            None => self.last_at.get().min(last),
        };
        self.last_at.set(to);
        self.cursor = keys.get(to).copied();
    }

    /// The positions that were last in sight.
    pub fn in_sight(&self) -> std::ops::Range<usize> {
        self.top.get()..self.top.get() + self.page.get()
    }

    /// Half of what was last in sight.
    pub fn half_page(&self) -> isize {
        (self.page.get() / 2).max(1) as isize
    }

    /// The first position to draw so that the cursor is in sight; called by the view that draws `height` lines.
    pub fn window(&self, keys: &[Key], height: usize) -> usize {
        self.page.set(height);
        let most = keys.len().saturating_sub(height);
        let mut top = self.top.get().min(most);
        if let Some(at) = self.position(keys) {
            if at < top {
                top = at;
            } else if at >= top + height {
                top = at + 1 - height;
            }
        }
        self.top.set(top);
        top
    }

    /// For text without a cursor: the first line, kept inside.
    pub fn scroll(&self, lines: usize, height: usize) -> usize {
        self.page.set(height);
        let top = self.top.get().min(lines.saturating_sub(height));
        self.top.set(top);
        top
    }

    /// Scrolls text by `by` lines; the end is found when drawn.
    pub fn scroll_by(&self, by: isize) {
        self.top.set(self.top.get().saturating_add_signed(by));
    }

    /// Scrolls text to a line.
    pub fn scroll_to(&self, line: usize) {
        self.top.set(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_with_its_line() {
        let mut list = ListState::default();
        list.step(&[10, 20, 30], 0);
        list.step(&[10, 20, 30], 1);
        assert_eq!(list.cursor(), Some(20));
        // The list moves under it.
        assert_eq!(list.position(&[30, 10, 20]), Some(2));
        // Its line goes: no other line is taken by itself, and moving goes on from there.
        assert_eq!(list.position(&[30, 10]), None);
        assert_eq!(list.cursor(), Some(20));
        list.step(&[30, 10], 1);
        assert_eq!(list.cursor(), Some(10));
        list.step(&[], 1);
        assert_eq!(list.cursor(), Some(10));
    }

    #[test]
    fn the_window_follows_the_cursor() {
        let keys: Vec<Key> = (0..100).collect();
        let mut list = ListState::default();
        list.set(Some(50));
        assert_eq!(list.window(&keys, 10), 41);
        list.set(Some(45));
        assert_eq!(list.window(&keys, 10), 41);
        list.set(Some(0));
        assert_eq!(list.window(&keys, 10), 0);
        assert_eq!(list.window(&keys[..3], 10), 0);
    }
}
