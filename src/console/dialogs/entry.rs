//! An opened entry of the journal.

use ratatui::layout::Rect;

use super::super::app::{App, Env, JournalLine, ListState};
use super::super::command::{self, Scope};
use super::super::paint::{Paint, part, wrap};
use super::super::theme::Theme;
use super::super::views::text::{self, Facts, Line};
use super::super::views::{Place, shown_key};
use super::super::words;
use super::{Component, centre};

/// An opened entry of the journal.
pub struct EntryDialog {
    /// The entry.
    pub(in crate::console) line: JournalLine,
    scroll: ListState,
}

impl EntryDialog {
    pub(in crate::console) fn new(line: JournalLine) -> Self {
        Self { line, scroll: ListState::default() }
    }
}

impl Component for EntryDialog {
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Journal, Scope::Payload, Scope::Global]
    }

    fn scroll(&mut self) -> Option<&mut ListState> {
        Some(&mut self.scroll)
    }

    fn place(&self, app: &App, body: Rect) -> Option<Place> {
        let (area, lines) = laid(app, body, &self.line);
        Some(text::above_foot_place(area, lines.len()))
    }

    fn hints(&self, _: &App) -> &'static [&'static str] {
        &["escape", "undo", "finish", "down"]
    }

    fn draw(&self, app: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let (area, lines) = laid(app, body, &self.line);
        let title = format!("Journal {} {}", theme.symbols.dot, words::clock(self.line.at, &app.look.zone));
        paint.clear(area);
        let inner = paint.pane(area, &[part(title, theme.brand)], theme.focus);
        let mut foot = Vec::new();
        for id in ["undo", "finish", "escape"] {
            if let Some(id) = command::find(id)
                && let Some(key) = app.look.keymap.key_for(app.scopes(), id)
            {
                foot.push(part(shown_key(&key, theme), theme.key));
                foot.push(part(format!(" {}     ", command::get(id).name), theme.dim));
            }
        }
        text::above_foot(paint, inner, &lines, &self.scroll, foot);
    }
}

/// An opened entry, laid out.
fn laid<'a>(app: &App, body: Rect, line: &'a JournalLine) -> (Rect, Vec<Line<'a>>) {
    let width = 110.min(body.width);
    let lines = told(&app.look.theme, line, width.saturating_sub(4).into());
    (centre(body, width, lines.len() + 1), lines)
}

/// An entry in full: its requests with their ids, and how each target ended.
pub(in crate::console) fn told<'a>(theme: &Theme, line: &'a JournalLine, room: usize) -> Vec<Line<'a>> {
    let style = if line.good { theme.good } else { theme.warning };
    let mut facts = Facts::new(9, room.saturating_sub(9), theme);
    facts.say("what", line.what.as_str(), theme.brand);
    facts.say("to", line.target.as_str(), theme.text);
    facts.say("outcome", line.outcome.as_str(), style);
    facts.say("by", line.who.as_str(), theme.text);
    let mut lines = facts.lines;
    lines.push(Vec::new());
    for detail in &line.details {
        lines.extend(wrap(detail.as_str(), room).into_iter().map(|l| vec![part(l, theme.text)]));
    }
    lines
}
