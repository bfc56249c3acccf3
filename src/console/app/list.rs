//! A list's cursor and what is in sight, by the identity of its lines: never by their position.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The identity of a line, stable for the run.
pub(crate) type Key = u64;

/// A key made from what names a line.
pub(crate) fn key_of(name: impl Hash) -> Key {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// The lists, each with a cursor of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ListId {
    /// Devices.
    Devices,
    /// Active violations.
    Violations,
    /// Shadow deltas.
    Deltas,
    /// Shadows whose desired state is not reported.
    Shadows,
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
    pub(crate) const COUNT: usize = 14;
}

/// Where a list is, and what of it is in sight. What is in sight is laid out when something happened, before it is drawn, so
/// that a key acts on what was shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListState {
    cursor: Option<Key>,
    /// Where the cursor was last seen: where moving goes on from when its line is gone.
    last_at: usize,
    /// Whether the cursor's line was in the list when it was laid out.
    found: bool,
    top: usize,
    page: usize,
    total: usize,
    sight: Vec<Key>,
}

impl ListState {
    /// The identity under the cursor, whether it is in sight or not.
    pub(crate) fn cursor(&self) -> Option<Key> {
        self.cursor
    }

    /// Puts the cursor on a line.
    pub(super) fn set(&mut self, key: Option<Key>) {
        self.cursor = key;
    }

    /// Where the cursor stands among `keys`.
    pub(super) fn position(&self, keys: &[Key]) -> Option<usize> {
        let cursor = self.cursor?;
        if keys.get(self.last_at) == Some(&cursor) {
            return Some(self.last_at);
        }
        keys.iter().position(|k| *k == cursor)
    }

    /// Moves by `by` lines; onto the line beside where it was, when its own is gone.
    pub(super) fn step(&mut self, keys: &[Key], by: isize) {
        let Some(last) = keys.len().checked_sub(1) else { return };
        let to = match self.position(keys) {
            Some(at) => at.saturating_add_signed(by).min(last),
            None if self.cursor.is_none() => 0,
            None => self.last_at.min(last),
        };
        self.last_at = to;
        self.cursor = keys.get(to).copied();
    }

    /// Half of what is in sight.
    pub(super) fn half_page(&self) -> isize {
        (self.page / 2).max(1) as isize
    }

    /// Lays the list out in `page` lines, so that the cursor is in sight.
    pub(super) fn lay_out(&mut self, keys: &[Key], page: usize) {
        let mut top = self.top.min(keys.len().saturating_sub(page));
        let at = self.position(keys);
        if let Some(at) = at {
            self.last_at = at;
            if at < top {
                top = at;
            } else if at >= top + page {
                top = at + 1 - page.max(1);
            }
        }
        (self.top, self.page, self.total, self.found) = (top, page, keys.len(), at.is_some());
        self.sight.clear();
        self.sight.extend(keys.iter().skip(top).take(page));
    }

    /// Lays out lines that were picked elsewhere: the end of a stream that is followed.
    pub(super) fn lay_out_end(&mut self, sight: Vec<Key>, page: usize) {
        (self.top, self.page, self.total, self.found) = (0, page, sight.len(), false);
        self.sight = sight;
    }

    /// Lays out `lines` of text, which has no cursor, in `page` of them.
    pub(super) fn lay_out_text(&mut self, lines: usize, page: usize) {
        self.top = self.top.min(lines.saturating_sub(page));
        (self.page, self.total) = (page, lines);
    }

    /// The lines in sight.
    pub(crate) fn in_sight(&self) -> &[Key] {
        &self.sight
    }

    /// The cursor, if its line is in the list: one that left is not replaced by another.
    pub(crate) fn chosen(&self) -> Option<Key> {
        self.cursor.filter(|_| self.found)
    }

    /// The place of the cursor in the list, counted from one, and how many lines there are.
    pub(crate) fn place(&self) -> Option<(usize, usize)> {
        self.found.then_some((self.last_at + 1, self.total))
    }

    /// The position of the first line in sight.
    pub(crate) fn top(&self) -> usize {
        self.top
    }

    /// How many lines there are.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// How many lines there is room for.
    pub(crate) fn page(&self) -> usize {
        self.page
    }

    /// Scrolls text by `by` lines; its end is kept to when it is laid out.
    pub(in crate::console) fn scroll_by(&mut self, by: isize) {
        self.top = self.top.saturating_add_signed(by);
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
        list.lay_out(&[30, 10, 20], 10);
        assert_eq!((list.place(), list.chosen()), (Some((3, 3)), Some(20)));
        // Its line goes: no other line is taken by itself, and moving goes on from there.
        list.lay_out(&[30, 10], 10);
        assert_eq!((list.place(), list.chosen()), (None, None));
        assert_eq!(list.cursor(), Some(20));
        list.step(&[30, 10], 1);
        assert_eq!(list.cursor(), Some(10));
        list.step(&[], 1);
        assert_eq!(list.cursor(), Some(10));
    }

    #[test]
    fn what_is_in_sight_follows_the_cursor() {
        let keys: Vec<Key> = (0..100).collect();
        let mut list = ListState::default();
        for (cursor, first) in [(50, 41), (45, 41), (0, 0)] {
            list.set(Some(cursor));
            list.lay_out(&keys, 10);
            assert_eq!((list.in_sight().first(), list.in_sight().len()), (Some(&first), 10));
        }
        list.lay_out(&keys[..3], 10);
        assert_eq!(list.in_sight(), [0, 1, 2]);
        list.lay_out(&keys, 0);
        assert!(list.in_sight().is_empty());
    }

    #[test]
    fn text_scrolls_to_its_end_and_no_further() {
        let mut text = ListState::default();
        text.scroll_by(isize::MAX);
        text.lay_out_text(30, 10);
        assert_eq!(text.top(), 20);
        text.scroll_by(-1);
        text.lay_out_text(30, 10);
        assert_eq!(text.top(), 19, "one back from the end is seen at once");
    }
}
