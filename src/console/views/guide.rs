//! The workshop as a guide: each step with its mark, and what to do for those that are open.

use ratatui::layout::Rect;

use super::super::app::{App, Check, Env, ListId, Step};
use super::super::command;
use super::super::paint::{Paint, fit, inside, part, wrap};
use super::frame;
use super::layout::Place;
use super::text::Line;

/// The column of the labels.
const LABEL: usize = 10;

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let guided = app.guided(env);
    let done = guided.iter().filter(|(_, check)| matches!(check, Check::Done(_))).count();
    let style = if done == guided.len() { theme.good } else { theme.text };
    let facts = vec![part(format!("{done} of {} done", guided.len()), style)];
    let inner = frame(paint, area, true, "The workshop, step by step", facts);
    let lines = lines(app, &guided, inner);
    let top = app.list(ListId::Text).top();
    for (y, line) in (inner.y..inner.bottom()).zip(lines.iter().skip(top)) {
        paint.line(inner.x, y, inner.width.saturating_sub(1), line);
    }
}

pub(super) fn place(app: &App, env: &Env<'_>, area: Rect) -> Place {
    let inner = inside(area);
    Place::Text { lines: lines(app, &app.guided(env), inner).len(), page: inner.height.into() }
}

fn lines(app: &App, guided: &[(&'static Step, Check)], inner: Rect) -> Vec<Line<'static>> {
    let theme = &app.look.theme;
    let s = theme.symbols;
    let room = usize::from(inner.width).saturating_sub(LABEL + 6);
    let mut out: Vec<Line<'static>> = Vec::new();
    let mut told = "";
    for (step, check) in guided {
        if step.part != told {
            if !told.is_empty() {
                out.push(Vec::new());
            }
            out.push(vec![part(format!(" {}", step.part), theme.brand)]);
            told = step.part;
        }
        let (mark, style, found) = match check {
            Check::Done(found) => (s.check, theme.good, found),
            Check::Open(found) => (s.waiting, theme.text, found),
            Check::Unknown(found) => ("?", theme.unknown, found),
        };
        let head = format!(" {mark} {}  ", step.title);
        let beside = usize::from(inner.width).saturating_sub(head.chars().count() + 2);
        let found = quell_fleet::text::SafeText::new(found);
        out.push(vec![part(head, style), part(fit(found.as_str(), beside, s.more).into_owned(), theme.dim)]);
        if matches!(check, Check::Done(_)) {
            continue;
        }
        for (label, text, style) in
            [("here", keyed(app, step.here), theme.key), ("on AWS", step.aws.to_owned(), theme.dim)]
        {
            for (n, line) in wrap(&text, room).into_iter().enumerate() {
                let label = if n == 0 { label } else { "" };
                out.push(vec![part(format!("     {label:<LABEL$}"), theme.dim), part(line, style)]);
            }
        }
    }
    out
}

/// The text with each command in braces as its key, or as it is typed where it has none.
fn keyed(app: &App, text: &str) -> String {
    let mut parts = text.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        let key = command::find(name).and_then(|id| app.look.keymap.keys_of(id).into_iter().next());
        out.push_str(&key.unwrap_or_else(|| format!(":{name}")));
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::app::STEPS;
    use super::command;

    #[test]
    fn every_command_that_a_step_names_is_there() {
        let mut named = 0;
        for step in &STEPS {
            for part in step.here.split('{').skip(1) {
                let name = part.split_once('}').expect("a closing brace").0;
                assert!(command::find(name).is_some(), "{}: {name}", step.title);
                named += 1;
            }
        }
        assert!(named > 15, "only {named}");
    }
}
