//! The journal: what was done, by whom, and how it ended. Newest first.

use ratatui::layout::Rect;

use super::super::app::{App, Env, ListId};
use super::super::paint::{Paint, part};
use super::super::words;
use super::{cursor_style, frame, quiet};

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let mut facts = Vec::new();
    if let Some(Ok(lines)) = app.journal_lines() {
        facts.push(part(lines.len().to_string(), theme.text));
    }
    if let Some(path) = &app.look.journal {
        facts.push(part(crate::text::SafeText::new(&path.display().to_string()).to_string(), theme.dim));
    }
    let inner = frame(paint, area, true, "Journal", facts);
    let lines = match app.journal_lines() {
        None => return quiet(paint, inner, "reading"),
        Some(Err(why)) => return quiet(paint, inner, &format!("the journal could not be read: {why}")),
        Some(Ok(lines)) if lines.is_empty() => return quiet(paint, inner, "nothing was done yet"),
        Some(Ok(lines)) => lines,
    };
    let keys = app.keys(ListId::Journal, env);
    let list = app.list(ListId::Journal);
    let top = list.window(&keys, inner.height as usize);
    for (i, line) in lines.iter().enumerate().skip(top).take(inner.height as usize) {
        let y = inner.y + (i - top) as u16;
        let style = if line.good { theme.good } else { theme.warning };
        let parts = [
            part(format!(" {:<12} ", words::moment(line.at, env.now, &app.look.zone)), theme.dim),
            part(format!("{:<14} ", line.what), theme.brand),
            part(format!("{:<24} ", line.target), theme.text),
            part(format!("{}  ", line.outcome), style),
            part(line.who.to_string(), theme.dim),
        ];
        paint.line(inner.x, y, inner.width, &parts);
        if list.cursor() == Some(i as u64) {
            paint.style(Rect { y, height: 1, ..inner }, cursor_style(theme, true));
        }
    }
}
