//! Shadow deltas: what devices were asked to change, newest first.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::super::app::{App, DeltaGroup, Env, ListId, delta_groups, delta_key};
use super::super::paint::{Paint, inside, part};
use super::super::words;
use super::{filtered, frame, quiet, scroll_bar};

/// Entries that are sure to fit: they have different heights, at least two lines each.
pub(super) fn page(area: Rect) -> usize {
    (inside(area).height / 2).max(1).into()
}

/// Lines that all of it takes.
pub(super) fn lines(env: &Env<'_>) -> usize {
    let groups = delta_groups(env.fleet);
    groups.iter().map(|group| 1 + group.newest.changes.len() + usize::from(group.newest.more)).sum()
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, focused: bool) {
    let theme = paint.theme;
    let mut facts = Vec::new();
    let total = env.fleet.deltas().len();
    if total > 0 {
        facts.push(part(total.to_string(), theme.text));
    }
    facts.extend(filtered(app, ListId::Deltas, theme));
    let inner = frame(paint, area, focused, "Shadow deltas", facts);
    if total == 0 {
        let text = if env.fleet.link().is_up() { "none heard yet" } else { "not listening yet" };
        return quiet(paint, inner, text);
    }
    let list = app.list(ListId::Deltas);
    let mut y = inner.y;
    let groups = delta_groups(env.fleet);
    let mut entries = groups.iter();
    for key in list.in_sight() {
        if y >= inner.bottom() {
            break;
        }
        let Some(entry) = entries.find(|g| delta_key(g.oldest) == *key) else { break };
        let here = focused && list.cursor() == Some(*key);
        let begin = y;
        y = draw_entry(app, paint, inner, y, entry);
        if here {
            paint.select(Rect { y: begin, height: 1, ..inner }, focused);
        }
    }
    scroll_bar(paint, area, list, focused);
}

fn draw_entry(app: &App, paint: &mut Paint<'_>, inner: Rect, y: u16, group: &DeltaGroup<'_>) -> u16 {
    let theme = paint.theme;
    let entry = group.newest;
    let shadow = entry.shadow.as_ref().map(|s| format!(" [{s}]")).unwrap_or_default();
    let parts = [
        part(format!(" {} ", words::clock(entry.at, &app.look.zone)), theme.dim),
        part(entry.thing.shown().as_str(), theme.brand),
        part(shadow, theme.text),
    ];
    let version = match group.count {
        1 => format!("v{} ", entry.version),
        n => format!("{}{n} v{} ", theme.symbols.times, entry.version),
    };
    let wide = version.width() as u16;
    paint.line(inner.x, y, inner.width.saturating_sub(wide + 1), &parts);
    paint.right(inner.x, y, inner.width, &version, theme.dim);
    let mut y = y + 1;
    let longest = entry.changes.iter().map(|(path, _)| path.as_str().width()).max().unwrap_or(0).min(24);
    for (path, value) in &entry.changes {
        if y >= inner.bottom() {
            return y;
        }
        let x = inner.x + 3;
        let room = inner.width.saturating_sub(4);
        paint.text(x, y, room.min(longest as u16), path.as_str(), theme.text);
        let at = (longest as u16 + 1).min(room);
        let text = format!("{} {value}", theme.symbols.arrow);
        paint.text(x + at, y, room.saturating_sub(at), &text, theme.json_value);
        y += 1;
    }
    if entry.more && y < inner.bottom() {
        paint.text(inner.x + 3, y, inner.width.saturating_sub(4), theme.symbols.more, theme.dim);
        y += 1;
    }
    y
}
