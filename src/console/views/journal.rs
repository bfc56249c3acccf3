//! The journal: what was done, by whom, and how it ended. Newest first.

use ratatui::layout::Rect;

use super::super::app::{App, EntryState, Env, JournalLine, ListId};
use super::super::command;
use super::super::paint::{Paint, fit, part, wrap};
use super::super::words;
use super::dialogs::centre;
use super::layout::Place;
use super::text::{self, Facts, Line};
use super::{counted, cursor_style, frame, quiet, scroll_bar};

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let mut facts = Vec::new();
    if let Some(Ok(lines)) = app.journal_lines() {
        facts.push(counted(app, ListId::Journal, Some(lines.len()), theme));
    }
    if let Some(path) = &app.look.journal {
        facts
            .push(part(quell_fleet::text::SafeText::new(&path.display().to_string()).to_string(), theme.dim));
    }
    let inner = frame(paint, area, true, "Journal", facts);
    let lines = match app.journal_lines() {
        None => return quiet(paint, inner, "reading"),
        Some(Err(why)) => return quiet(paint, inner, &format!("the journal could not be read: {why}")),
        Some(Ok(lines)) if lines.is_empty() => return quiet(paint, inner, "nothing was done yet"),
        Some(Ok(lines)) => lines,
    };
    let list = app.list(ListId::Journal);
    for (y, line) in (inner.y..inner.bottom()).zip(lines.iter().skip(list.top())) {
        one(app, env, paint, Rect { y, height: 1, ..inner }, line);
        if list.cursor() == Some(line.key()) {
            paint.style(Rect { y, height: 1, ..inner }, cursor_style(theme, true));
        }
    }
    scroll_bar(paint, area, list, true);
}

/// An entry in a line: when, what, to whom, how it ended, by whom.
pub(super) fn one(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, line: &JournalLine) {
    let theme = paint.theme;
    let s = theme.symbols;
    let (shape, style) = if line.good { (s.check, theme.good) } else { (s.warn, theme.warning) };
    let mut parts = vec![
        part(format!(" {:<8} ", words::moment(line.at, env.now, &app.look.zone)), theme.dim),
        part(format!("{:<11} ", line.what), theme.brand),
    ];
    // In a narrow place, such as the device view's, the target is in the title above.
    if area.width >= 58 {
        let target = if area.width >= 110 { 24 } else { 14 };
        let name = fit(line.target.as_str(), target, s.more).into_owned();
        parts.push(part(format!("{name:<target$} "), theme.text));
    }
    parts.push(part(format!("{shape} {}  ", line.outcome), style));
    parts.push(part(line.who.to_string(), theme.dim));
    paint.line(area.x, area.y, area.width.saturating_sub(1), &parts);
}

/// An opened entry, laid out: its requests with their ids, and how each target ended.
fn entry_laid<'a>(app: &'a App, body: Rect, entry: &'a EntryState) -> (Rect, Vec<Line<'a>>) {
    let theme = &app.look.theme;
    let line = &entry.line;
    let width = 110.min(body.width);
    let room = width.saturating_sub(4) as usize;
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
    (centre(body, width, lines.len() + 1), lines)
}

pub(super) fn entry_place(app: &App, body: Rect, entry: &EntryState) -> Place {
    let (area, lines) = entry_laid(app, body, entry);
    text::above_foot_place(area, lines.len())
}

/// Draws an opened entry.
pub(super) fn entry(app: &App, paint: &mut Paint<'_>, body: Rect, entry: &EntryState) {
    let theme = paint.theme;
    let (area, lines) = entry_laid(app, body, entry);
    let title = format!("Journal {} {}", theme.symbols.dot, words::clock(entry.line.at, &app.look.zone));
    paint.clear(area);
    let inner = paint.pane(area, &[part(title, theme.brand)], theme.focus);
    let mut foot = Vec::new();
    for id in ["undo", "finish", "escape"] {
        if let Some(id) = command::find(id)
            && let Some(key) = app.look.keymap.key_for(app.scopes(), id)
        {
            foot.push(part(super::footer::shown_key(&key, theme), theme.key));
            foot.push(part(format!(" {}     ", command::get(id).name), theme.dim));
        }
    }
    text::above_foot(paint, inner, &lines, &entry.scroll, foot);
}
