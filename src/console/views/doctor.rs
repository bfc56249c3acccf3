//! Is this account ready for an incident? One line for each thing it needs, with the command that mends what is not there.

use ratatui::layout::Rect;

use super::super::app::{App, Diagnosis, DoctorLine, ListId};
use super::super::paint::{Paint, Part, inside, part, wrap};
use super::layout::Place;
use super::{Theme, frame, quiet};

/// The column of the checks' names.
const NAME: usize = 14;

pub(super) fn draw(app: &App, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let mut facts: Vec<Part<'_>> = Vec::new();
    if let Diagnosis::Found(lines) = app.diagnosis() {
        let bad = lines.iter().filter(|l| !l.ok).count();
        facts.push(match bad {
            0 => part("ready for an incident", theme.good),
            n => part(format!("{n} of {} missing", lines.len()), theme.alarm),
        });
    }
    let inner = frame(paint, area, true, "Doctor", facts);
    let found = match app.diagnosis() {
        Diagnosis::Unknown => return quiet(paint, inner, "not looked at yet"),
        Diagnosis::Looking => {
            return quiet(paint, inner, "looking at credentials, journal, group, policies, devices");
        }
        Diagnosis::Failed(why) => return quiet(paint, inner, &format!("it could not be looked at: {why}")),
        Diagnosis::Found(found) => found,
    };
    let top = app.list(ListId::Text).top();
    for (i, line) in lines(theme, found, inner).iter().skip(top).take(inner.height as usize).enumerate() {
        paint.line(inner.x, inner.y + i as u16, inner.width.saturating_sub(1), line);
    }
}

fn lines<'a>(theme: &Theme, found: &'a [DoctorLine], inner: Rect) -> Vec<Vec<Part<'a>>> {
    let room = (inner.width as usize).saturating_sub(NAME + 5);
    found.iter().flat_map(|line| one(theme, line, room)).collect()
}

pub(super) fn place(app: &App, area: Rect) -> Place {
    let inner = inside(area);
    let lines = match app.diagnosis() {
        Diagnosis::Found(found) => lines(&app.look.theme, found, inner).len(),
        _ => 0,
    };
    Place::Text { lines, page: inner.height.into() }
}

fn one<'a>(theme: &Theme, line: &'a DoctorLine, room: usize) -> Vec<Vec<Part<'a>>> {
    let s = theme.symbols;
    let (shape, style) = if line.ok { (s.check, theme.good) } else { (s.cross, theme.alarm) };
    let mut out = Vec::new();
    for (i, text) in wrap(line.text.as_str(), room).into_iter().enumerate() {
        let lead = if i == 0 { format!(" {shape} {:<NAME$}", line.check) } else { " ".repeat(NAME + 3) };
        out.push(vec![part(lead, style), part(text, if line.ok { theme.dim } else { theme.text })]);
    }
    if let Some(mend) = &line.mend {
        for (i, text) in wrap(mend.as_str(), room.saturating_sub(2)).into_iter().enumerate() {
            let lead = if i == 0 { "> " } else { "  " };
            out.push(vec![part(format!("{}{lead}", " ".repeat(NAME + 3)), theme.dim), part(text, theme.key)]);
        }
    }
    out
}
