//! Commands that move: cursors, panes, marks, what is frozen and how it is sorted.

use std::collections::HashSet;

use quell_fleet::text::SafeText;
use quell_fleet::{DeviceId, Ms, Word};

use super::list::{Key, ListId};
use super::{App, Env, Pane, Section, Tone, View};

/// Rows stay where they are so long after the cursor moved.
const HELD: Ms = 2_000;

impl App {
    pub(super) fn step(&mut self, env: &Env<'_>, by: isize) {
        if let Some(dialog) = &mut self.dialog {
            match dialog.component_mut().scroll() {
                Some(scroll) => scroll.scroll_by(by),
                None => self.nothing_here(env),
            }
            return;
        }
        let list = self.focused_list();
        if list == ListId::Text {
            return self.list_mut(list).scroll_by(by);
        }
        let keys = self.keys(list, env);
        if list == ListId::Stream && self.list(list).cursor().is_none() {
            // The newest shown is at the bottom: that is where a first move begins.
            let begin = self.message_here();
            return self.list_mut(list).set(begin);
        }
        self.list_mut(list).step(&keys, by);
        self.moved = Some(env.now);
        self.extend_range();
    }

    /// Rows stay where they are for a moment after the cursor moved, and while marks are being set: what is marked, and
    /// what the next key is about, is what was seen.
    pub(super) fn order_is_held(&self, now: Ms) -> bool {
        let moved = self.moved.is_some_and(|at| (0..HELD).contains(&(now - at)));
        moved || self.range.is_some() || !self.marks.is_empty()
    }

    fn half(&mut self) -> isize {
        let list = self.focused_list();
        match self.dialog.as_mut().and_then(|dialog| dialog.component_mut().scroll()) {
            Some(scroll) => scroll.half_page(),
            None => self.list(list).half_page(),
        }
    }

    /// One down.
    pub(crate) fn down(&mut self, env: &Env<'_>) {
        self.step(env, 1);
    }

    /// One up.
    pub(crate) fn up(&mut self, env: &Env<'_>) {
        self.step(env, -1);
    }

    /// Half a page down.
    pub(crate) fn half_page_down(&mut self, env: &Env<'_>) {
        let half = self.half();
        self.step(env, half);
    }

    /// Half a page up.
    pub(crate) fn half_page_up(&mut self, env: &Env<'_>) {
        let half = self.half();
        self.step(env, -half);
    }

    /// To the first line.
    pub(crate) fn first(&mut self, env: &Env<'_>) {
        self.step(env, -(i32::MAX as isize));
    }

    /// To the last line.
    pub(crate) fn last(&mut self, env: &Env<'_>) {
        self.step(env, i32::MAX as isize);
        // At the end of the stream the view follows again.
        if self.focused_list() == ListId::Stream && self.dialog.is_none() && self.paused.is_none() {
            self.list_mut(ListId::Stream).set(None);
        }
    }

    /// The previous way of showing, or the previous pane.
    pub(crate) fn left(&mut self, env: &Env<'_>) {
        match &mut self.dialog {
            Some(dialog) => dialog.component_mut().turn(false),
            None => self.focus_previous(env),
        }
    }

    /// The next way of showing, or the next pane.
    pub(crate) fn right(&mut self, env: &Env<'_>) {
        match &mut self.dialog {
            Some(dialog) => dialog.component_mut().turn(true),
            None => self.focus_next(env),
        }
    }

    fn turn_focus(&mut self, by: usize) {
        if *self.view() == View::Stream && self.dialog.is_none() {
            self.turn_payload(by == 1);
        }
        if matches!(self.view(), View::Device(_)) && self.dialog.is_none() {
            let at = Section::ALL.iter().position(|s| *s == self.section).unwrap_or(0);
            self.section = Section::ALL[(at + by) % Section::ALL.len()];
        }
        if *self.view() == View::Overview && self.dialog.is_none() {
            let at = Pane::ALL.iter().position(|p| *p == self.pane).unwrap_or(0);
            self.pane = Pane::ALL[(at + by) % Pane::ALL.len()];
        }
    }

    /// Whether there is another pane, or another way to show what is shown.
    fn has_panes(&self) -> bool {
        match self.view() {
            View::Overview | View::Device(_) => true,
            View::Stream => self.inspected.is_some(),
            _ => false,
        }
    }

    /// Next pane.
    pub(crate) fn focus_next(&mut self, env: &Env<'_>) {
        if !self.has_panes() {
            return self.nothing_here(env);
        }
        self.turn_focus(1);
    }

    /// Previous pane.
    pub(crate) fn focus_previous(&mut self, env: &Env<'_>) {
        if !self.has_panes() {
            return self.nothing_here(env);
        }
        let parts = if matches!(self.view(), View::Device(_)) { Section::ALL.len() } else { Pane::ALL.len() };
        self.turn_focus(parts - 1);
    }

    /// The focused pane alone, or all again.
    pub(crate) fn zoom(&mut self, env: &Env<'_>) {
        let zooms = matches!(self.view(), View::Overview | View::Device(_)) || self.view().has_details();
        if !zooms || self.dialog.is_some() {
            return self.nothing_here(env);
        }
        self.zoomed = !self.zoomed;
        if self.shows_one() {
            *self.list_mut(ListId::Text) = super::ListState::default();
        }
    }

    /// The same order backwards, then the next one.
    pub(in crate::console) fn sort(&mut self, env: &Env<'_>) {
        if !self.on_devices() {
            return self.nothing_here(env);
        }
        self.rows.set_sort(self.rows.sort().next());
    }

    /// Linear or logarithmic.
    pub(crate) fn log_scale(&mut self, env: &Env<'_>) {
        if !matches!(self.view(), View::Overview | View::Device(_)) {
            return self.nothing_here(env);
        }
        self.log_scale = !self.log_scale;
    }

    /// The next device that is leaking or in alarm, the worst first.
    pub(crate) fn next_alarm(&mut self, env: &Env<'_>) {
        let mut loud: Vec<_> = env
            .fleet
            .devices()
            .filter(|(_, d)| {
                matches!(d.word(), Word::Leaking | Word::Alarm | Word::Finding) || !d.violations().is_empty()
            })
            .map(|(id, d)| (d.word(), d.name().raw(), id))
            .collect();
        loud.sort_unstable();
        if loud.is_empty() {
            let known = env.fleet.violations().get().is_some() || !self.look.aws;
            let text = if known {
                "nothing is in alarm"
            } else {
                "violations could not be read yet: nothing is known to be in alarm"
            };
            self.say(SafeText::new(text), Tone::Calm, env.now);
            return;
        }
        let here = self.device_at_cursor().filter(|_| self.on_devices());
        let at = loud.iter().position(|(_, _, id)| Some(*id) == here).map_or(0, |at| (at + 1) % loud.len());
        if let Some((_, _, id)) = loud.get(at) {
            let id = *id;
            self.views = vec![View::Overview];
            self.dialog = None;
            self.pane = Pane::Devices;
            if !self.rows.ids().contains(&id) {
                // Asking for an alarm outranks a filter that hides it.
                self.filters.remove(&ListId::Devices);
                self.rows.outdate();
            }
            self.list_mut(ListId::Devices).set(Some(id.index() as Key));
        }
    }

    /// Mark or unmark.
    pub(in crate::console) fn mark(&mut self, env: &Env<'_>) {
        if self.range.take().is_some() {
            return;
        }
        if !self.on_devices() {
            return self.nothing_here(env);
        }
        if let Some(id) = self.device_at_cursor() {
            if !self.marks.remove(&id) {
                self.marks.insert(id);
            }
            let keys = self.rows.keys().to_vec();
            self.list_mut(ListId::Devices).step(&keys, 1);
            self.moved = Some(env.now);
        }
    }

    /// Mark every thing that passes the filter; when all of them are marked, none.
    pub(in crate::console) fn mark_all(&mut self, env: &Env<'_>) {
        if !self.on_devices() {
            return self.nothing_here(env);
        }
        self.range = None;
        let ids = self.rows.ids().iter().copied();
        let all: HashSet<DeviceId> = ids.filter(|id| !env.fleet.device(*id).is_unattributed()).collect();
        if all.is_subset(&self.marks) {
            self.marks.clear();
        } else {
            self.marks.extend(all);
        }
    }

    /// Begin or end a range, over the rows as they are shown now.
    pub(in crate::console) fn range(&mut self, env: &Env<'_>) {
        if self.range.take().is_some() {
            return;
        }
        if !self.on_devices() {
            return self.nothing_here(env);
        }
        if let Some(from) = self.device_at_cursor() {
            let order = self.rows.ids().to_vec();
            let shown = order.iter().copied().collect();
            self.range = Some(Range { from, order, shown, before: self.marks.clone() });
            self.extend_range();
        }
    }

    /// While a range is being marked, how many rows came since: they are in no range of what was shown then.
    pub(in crate::console) fn joined_since_range(&self) -> Option<usize> {
        let range = self.range.as_ref()?;
        Some(self.rows.ids().iter().filter(|id| !range.shown.contains(id)).count())
    }

    fn extend_range(&mut self) {
        let (Some(range), Some(to)) = (&self.range, self.device_at_cursor()) else { return };
        let at = |id| range.order.iter().position(|i| *i == id);
        if let (Some(a), Some(b)) = (at(range.from), at(to)) {
            let between = range.order.iter().skip(a.min(b)).take(a.abs_diff(b) + 1).copied();
            self.marks = range.before.iter().copied().chain(between).collect();
        }
    }
}

/// A range being marked: from where, in the order that was shown when it began, besides what was marked before.
pub(super) struct Range {
    from: DeviceId,
    order: Vec<DeviceId>,
    /// The same, to be looked up.
    shown: HashSet<DeviceId>,
    before: HashSet<DeviceId>,
}
