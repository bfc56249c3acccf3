//! Forms of labelled fields: the focused one is always in sight, and what is wrong stands beside its field.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::response::Level;
use quell_fleet::text::SafeText;
use quell_rules::detect::whatif::cautions;

use super::super::app::{Env, FieldsForm, FieldsKind, FormKind, FormLine, ProfileForm, Said};
use super::super::paint::{Paint, Part, part, wrap};
use super::behavior;
use super::dialogs::centered;

/// Columns of a label.
const LABEL: u16 = 18;
/// Rows kept for fields, whatever is said below them.
const FIELDS: usize = 6;

/// A security profile being written: what it means, what is wrong with it, and whom it would have alarmed.
pub(super) fn profile(_: &Env<'_>, paint: &mut Paint<'_>, body: Rect, form: &ProfileForm) {
    let theme = paint.theme;
    let s = theme.symbols;
    let mut told: Vec<(String, Style)> = Vec::new();
    told.extend(form.refused.iter().map(|m| (format!("{} {m}", s.cross), theme.alarm)));
    told.extend(form.mistakes().iter().map(|m| (format!("{} {}", s.cross, SafeText::new(m)), theme.alarm)));
    if let Some(behavior) = form.behavior().filter(|_| form.is_sound()) {
        told.push((behavior::normal(&behavior), theme.text));
        for note in form.judged.iter().filter(|n| n.level == Level::Danger) {
            told.push((format!("{} {}", s.warn, note.text), theme.alarm));
        }
        for caution in cautions(&behavior, form.devices().unwrap_or(usize::MAX)) {
            told.push((format!("{} {}", s.warn, SafeText::new(&caution)), theme.warning));
        }
        for note in form.judged.iter().filter(|n| n.level != Level::Danger) {
            told.push((note.text.to_string(), theme.dim));
        }
    }
    let keys = [
        part(s.enter, theme.key),
        part(" plan  ", theme.dim),
        part("tab", theme.key),
        part(" next  ", theme.dim),
        part(s.space, theme.key),
        part(" turns  ", theme.dim),
        part("^n ^x", theme.key),
        part(" behaviours  ", theme.dim),
        part("^y", theme.key),
        part(" copy  ", theme.dim),
        part("esc", theme.key),
        part(" leave", theme.dim),
    ];
    draw(paint, body, "Security profile", &form.lines(), form.focus(), &told, &keys);
}

/// A form of labelled fields, and below them what is to be said of what stands in them.
pub(super) fn fields(env: &Env<'_>, paint: &mut Paint<'_>, body: Rect, form: &FieldsForm) {
    let theme = paint.theme;
    let s = theme.symbols;
    let mut told: Vec<(String, Style)> = Vec::new();
    if let Some(trouble) = &form.trouble {
        told.push((format!("{} {trouble}", s.cross), theme.alarm));
    }
    for (said, text) in form.said(env) {
        let (mark, style) = match said {
            Said::Wrong => (s.cross, theme.alarm),
            Said::Doubtful => (s.warn, theme.warning),
            Said::Good => (s.check, theme.good),
            Said::Plain => (s.dot, theme.dim),
        };
        let line = format!("{mark} {}", SafeText::new(&text));
        if !told.iter().any(|(known, _)| *known == line) {
            told.push((line, style));
        }
    }
    let does = match form.kind {
        FieldsKind::Detect(FormKind::Import) => " read  ",
        FieldsKind::Detect(FormKind::Export { .. }) => " write  ",
        _ => " plan  ",
    };
    let keys = [
        part(s.enter, theme.key),
        part(does, theme.dim),
        part("tab", theme.key),
        part(" next field  ", theme.dim),
        part(s.space, theme.key),
        part(" turns a choice  ", theme.dim),
        part("esc", theme.key),
        part(" leave", theme.dim),
    ];
    draw(paint, body, form.title.as_str(), &form.lines(), form.at, &told, &keys);
}

fn draw(
    paint: &mut Paint<'_>,
    body: Rect,
    title: &str,
    lines: &[FormLine],
    focus: usize,
    told: &[(String, Style)],
    keys: &[Part<'_>],
) {
    let theme = paint.theme;
    let s = theme.symbols;
    let width = 96.min(body.width);
    let room = width.saturating_sub(4);
    let mut told: Vec<(String, Style)> = told
        .iter()
        .flat_map(|(text, style)| wrap(text, room as usize).into_iter().map(move |line| (line, *style)))
        .collect();
    // A field is one row, or two when what is wrong with it does not fit beside it.
    let beside = |line: &FormLine| {
        let used = LABEL as usize + line.shown.as_str().chars().count().max(12) + 4;
        line.trouble.as_ref().is_some_and(|t| used + t.chars().count() <= room as usize)
    };
    let tall = |line: &FormLine| if line.trouble.is_some() && !beside(line) { 2 } else { 1 };
    let wanted: usize = lines.iter().map(tall).sum();
    // Frame, keys, and the space above what is said.
    let high = (body.height as usize).saturating_sub(3);
    let below = told.len().min(high.saturating_sub(wanted.min(FIELDS.max(high / 2)) + 1));
    if below < told.len() {
        told.truncate(below);
        if let Some((last, _)) = told.last_mut() {
            last.push_str(" …");
        }
    }
    let area = centered(paint, body, width, wanted + told.len() + 2);
    let inner = paint.pane(area, &[part(SafeText::new(title).to_string(), theme.brand)], theme.focus);
    let x = inner.x + 1;
    let space = (inner.height as usize).saturating_sub(told.len() + 2).max(1);
    // The first line shown: as far up as keeps the focused field in sight.
    let mut top = 0;
    while top < focus && lines.iter().take(focus + 1).skip(top).map(tall).sum::<usize>() > space {
        top += 1;
    }
    let mut y = inner.y;
    let end = inner.y + u16::try_from(space).unwrap_or(u16::MAX).min(inner.height.saturating_sub(1).max(1));
    let mut shown = top;
    for (i, line) in lines.iter().enumerate().skip(top) {
        if y >= end {
            break;
        }
        field(paint, Rect { x, y, width: room, height: 1 }, line, i == focus, beside(line));
        y += 1;
        if tall(line) == 2 && y < end {
            let text = format!("{} {}", s.cross, line.trouble.as_deref().unwrap_or_default());
            let x = x + LABEL.min(room / 3);
            paint.text(x, y, room.saturating_sub(LABEL.min(room / 3)), &text, theme.alarm);
            y += 1;
        }
        shown = i + 1;
    }
    if top > 0 || shown < lines.len() {
        let text = format!("{}-{} of {} ", top + 1, shown, lines.len());
        paint.right(inner.x, area.y, inner.width.saturating_sub(1), &text, theme.dim);
    }
    y = end.max(y);
    for (line, style) in &told {
        if y + 1 < inner.bottom() {
            y += 1;
            paint.text(x, y.min(inner.bottom().saturating_sub(2)), room, line, *style);
        }
    }
    if inner.height > 1 {
        paint.line(x, inner.bottom() - 1, room, keys);
    }
}

fn field(paint: &mut Paint<'_>, row: Rect, line: &FormLine, here: bool, beside: bool) {
    let theme = paint.theme;
    let Rect { x, y, width, .. } = row;
    let label = LABEL.min(width / 3 + 2);
    let style = if here { theme.key } else { theme.dim };
    paint.text(x, y, label, line.label, style);
    let x = x + label;
    let mut space = width.saturating_sub(label + 1);
    let trouble = line.trouble.as_ref().filter(|_| beside);
    let trouble = trouble.map(|t| format!("{} {t}", theme.symbols.cross));
    if let Some(text) = &trouble {
        space = space.saturating_sub(u16::try_from(text.chars().count()).unwrap_or(u16::MAX) + 2);
    }
    // The cursor stays in sight: what is before it is shown, then what is after it.
    let text: Vec<char> = line.shown.as_str().chars().collect();
    let skip =
        if here && !line.choice { line.cursor.saturating_sub(space.saturating_sub(1) as usize) } else { 0 };
    let shown: String = text.iter().skip(skip).collect();
    let style = if line.trouble.is_some() { theme.alarm } else { theme.text };
    let wide = paint.text(x, y, space, &shown, style);
    if here && line.choice {
        paint.style(Rect { x, y, width: wide.max(1), height: 1 }, theme.cursor);
    } else if here {
        let at = u16::try_from(line.cursor - skip).unwrap_or(u16::MAX).min(space.saturating_sub(1));
        let under = text.get(line.cursor).map_or(" ".to_owned(), ToString::to_string);
        paint.cell(x + at, y, &under, theme.cursor);
    }
    if let Some(text) = trouble {
        paint.text(
            x + wide.max(12) + 2,
            y,
            width.saturating_sub(label + wide.max(12) + 2),
            &text,
            theme.alarm,
        );
    } else if let Some(hint) = line.hint.as_ref().filter(|_| here && line.trouble.is_none()) {
        let from = wide + 3;
        if from + 12 < width.saturating_sub(label) {
            paint.text(x + from, y, width.saturating_sub(label + from), hint, theme.dim);
        }
    }
}
