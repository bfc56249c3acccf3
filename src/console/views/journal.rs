//! The journal: what was done, by whom, and how it ended. Newest first.

use ratatui::layout::Rect;

use quell_fleet::model::Name;

use super::super::app::{App, Env, JournalLine, ListId};
use super::super::dialogs;
use super::super::paint::{Paint, fit, part};
use super::super::words;
use super::{counted, frame, quiet, scroll_bar};
use super::{layout, text};

/// Where the list is, and below it what its chosen line did.
pub(super) fn parts(app: &App, area: Rect) -> (Rect, Rect) {
    let lines = match app.journal_lines() {
        Some(Ok(lines)) => lines.len(),
        _ => 0,
    };
    layout::above_told(area, lines)
}

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
    let (area, below) = parts(app, area);
    let inner = frame(paint, area, true, "Journal", facts);
    let Some(lines) = entries(app, paint, inner) else { return };
    if lines.is_empty() {
        return quiet(paint, inner, "nothing was done yet");
    }
    let list = app.list(ListId::Journal);
    for (y, line) in (inner.y..inner.bottom()).zip(lines.iter().skip(list.top())) {
        let row = Rect { y, height: 1, ..inner };
        one(app, env, paint, row, line);
        if list.cursor() == Some(line.key()) {
            paint.select(row, true);
        }
    }
    scroll_bar(paint, area, list, true);
    if below.height > 0
        && let Some(line) = lines.iter().find(|line| Some(line.key()) == list.chosen())
    {
        let at = words::moment(line.at, env.now, &app.look.zone);
        let inner = frame(paint, below, false, line.what.as_str(), vec![part(at, theme.dim)]);
        text::lines(paint, inner, &dialogs::told(theme, line, inner.width.saturating_sub(2).into()));
    }
}

/// The journal's entries; else why there are none is drawn in their place.
fn entries<'a>(app: &'a App, paint: &mut Paint<'_>, area: Rect) -> Option<&'a [JournalLine]> {
    let text = match app.journal_lines() {
        None => format!("reading the journal {}", paint.theme.symbols.more),
        Some(Err(why)) => format!("the journal could not be read: {why}"),
        Some(Ok(lines)) => return Some(lines),
    };
    super::sentence(paint, area, &text, paint.theme.unknown);
    None
}

/// What was done, as many lines as there is room for, the newest first.
pub(super) fn all(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let Some(lines) = entries(app, paint, area) else { return };
    if lines.is_empty() {
        return quiet(paint, area, "nothing yet: quell drill rehearses an incident on a cloud of its own");
    }
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        one(app, env, paint, Rect { y, height: 1, ..area }, line);
    }
}

/// What was done to a thing, as many lines as there is room for, the newest first.
pub(super) fn of_thing(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, thing: &Name) {
    let Some(lines) = entries(app, paint, area) else { return };
    let mut mine = lines.iter().filter(|line| line.targets.contains(thing)).peekable();
    if mine.peek().is_none() {
        return quiet(paint, area, "nothing, from this host");
    }
    for (y, line) in (area.y..area.bottom()).zip(mine) {
        one(app, env, paint, Rect { y, height: 1, ..area }, line);
    }
}

/// An entry in a line: when, what, to whom, how it ended, by whom.
fn one(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, line: &JournalLine) {
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
