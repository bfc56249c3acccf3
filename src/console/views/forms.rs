//! Forms: what is filled in before a plan is asked for.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::text::SafeText;

use super::super::app::{Field, GroupForm, JobForm, Naming};
use super::super::paint::{Paint, part, wrap};
use super::dialogs::centered;

/// A thing group being named.
pub(super) fn group(paint: &mut Paint<'_>, body: Rect, form: &GroupForm) {
    let theme = paint.theme;
    let known: Vec<_> = form.known.iter().take(6).collect();
    let area = centered(paint, body, 72, 4 + known.len() + usize::from(form.trouble.is_some()));
    let (title, what) = match &form.naming {
        Naming::Join => ("Put into a thing group", "thing group  "),
        Naming::Leave => ("Take out of a thing group", "thing group  "),
        Naming::Mitigate(_) => ("Run a mitigation action of AWS", "action       "),
    };
    let inner = paint.pane(area, &[part(title, theme.brand)], theme.focus);
    let (x, room) = (inner.x + 1, inner.width.saturating_sub(2));
    let mut y = inner.y;
    paint.line(x, y, room, &[part("things       ", theme.dim), part(form.whom.as_str(), theme.text)]);
    y += 1;
    let used = paint.text(x, y, room, what, theme.key);
    let typed = SafeText::new(form.input.value());
    let space = room.saturating_sub(used + 1);
    let wide = paint.text(x + used, y, space, &tail(typed.as_str(), space as usize), theme.text);
    paint.cell(x + used + wide, y, " ", theme.cursor);
    y += 1;
    for name in known {
        if y + 1 >= inner.bottom() {
            break;
        }
        paint.text(x + used, y, space, name.shown().as_str(), theme.dim);
        y += 1;
    }
    if let Some(trouble) = &form.trouble
        && y + 1 < inner.bottom()
    {
        paint.text(x, y, room, trouble.as_str(), theme.alarm);
    }
    let keys = [
        part(theme.symbols.enter, theme.key),
        part(" plan   ", theme.dim),
        part("tab", theme.key),
        part(" completes   ", theme.dim),
        part("esc", theme.key),
        part(" leave", theme.dim),
    ];
    if inner.height > 2 {
        paint.line(x, inner.bottom() - 1, room, &keys);
    }
}

pub(super) fn job(paint: &mut Paint<'_>, body: Rect, form: &JobForm) {
    let theme = paint.theme;
    let s = theme.symbols;
    let area = centered(paint, body, 86, 9);
    let inner = paint.pane(area, &[part("Launch a job", theme.brand)], theme.focus);
    let room = inner.width.saturating_sub(2);
    for (i, field) in Field::ALL.into_iter().enumerate() {
        let y = inner.y + i as u16;
        if y >= inner.bottom() {
            break;
        }
        let here = form.field == field;
        let x = inner.x + 1;
        let (label, value) = match field {
            Field::Id => ("job id", SafeText::new(form.id.value())),
            Field::Target => ("thing group", SafeText::new(form.target.value())),
            Field::Continuous => {
                let text = if form.continuous {
                    "CONTINUOUS: things that join the group later get it too"
                } else {
                    "SNAPSHOT: the things that are in the target now"
                };
                ("kind", SafeText::new(text))
            }
            Field::Document => ("document", SafeText::new(form.document.value())),
        };
        let used =
            paint.text(x, y, room, &format!("{:<13}", label), if here { theme.key } else { theme.dim });
        let empty = value.is_empty() && field == Field::Target && !form.things.is_empty();
        let shown = if empty {
            let names =
                form.things.iter().take(4).map(|n| n.shown().to_string()).collect::<Vec<_>>().join(", ");
            let more = form.things.len().saturating_sub(4);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            SafeText::new(&format!("(the marked things: {names}{more})"))
        } else {
            value
        };
        let style = if empty { theme.dim } else { theme.text };
        let space = room.saturating_sub(used + 1);
        // The end of a long text is where one types.
        let text = tail(shown.as_str(), space as usize);
        let wide = paint.text(x + used, y, space, &text, style);
        if here {
            let at = if empty { x + used } else { x + used + wide };
            if field != Field::Continuous {
                paint.cell(at, y, " ", theme.cursor);
            } else {
                paint.style(Rect { x: x + used, y, width: wide, height: 1 }, theme.cursor);
            }
        }
    }
    let y = inner.y + 5;
    if let Some(trouble) = &form.trouble
        && y < inner.bottom()
    {
        paint.text(inner.x + 1, y, room, trouble.as_str(), theme.alarm);
    }
    let y = inner.bottom().saturating_sub(1);
    let keys = [
        part(s.enter, theme.key),
        part(" plan   ", theme.dim),
        part("tab", theme.key),
        part(" next field   ", theme.dim),
        part(s.space, theme.key),
        part(" changes the kind   ", theme.dim),
        part("esc", theme.key),
        part(" leave", theme.dim),
    ];
    if inner.height > 4 {
        paint.line(inner.x + 1, y, room, &keys);
    }
}

/// The last `width` cells of a text.
pub(super) fn tail(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    wrap(&text.chars().rev().collect::<String>(), width)
        .first()
        .map(|line| line.chars().rev().collect())
        .unwrap_or_default()
}
