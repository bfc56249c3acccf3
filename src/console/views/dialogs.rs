//! What stands in front of a view: help, palette, forms. Plans are in `plan`.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::text::SafeText;

use super::super::app::{App, Env, ListState, Overlay, PalettePick, PaletteState};
use super::super::command::{self, Danger, Scope};
use super::super::paint::{Paint, Part, inside, part};
use super::layout::Place;
use super::text;
use super::{form, forms, journal, leaving, payload, plan, recovered, staircase, word_style};

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
    match app.overlay() {
        None | Some(Overlay::Filter(..)) => {}
        Some(Overlay::Help(scroll)) => help(app, paint, body, scroll),
        Some(Overlay::Palette(state)) => palette(app, env, paint, body, state),
        Some(Overlay::Plan(dialog)) => plan::draw(app, paint, body, dialog),
        Some(Overlay::Action(id)) => {
            if let Some(action) = app.actions().iter().find(|a| a.id == *id) {
                staircase::action(app, env, paint, body, action);
            } else {
                staircase::begun(paint, body);
            }
        }
        Some(Overlay::Job(form)) => forms::job(paint, body, form),
        Some(Overlay::Group(form)) => forms::group(paint, body, form),
        Some(Overlay::Profile(form)) => form::profile(env, paint, body, form),
        Some(Overlay::Fields(form)) => form::fields(env, paint, body, form),
        Some(Overlay::Entry(entry)) => journal::entry(app, paint, body, entry),
        Some(Overlay::Leaving) => leaving::draw(app, env, paint, body),
        Some(Overlay::Recovered(state)) => recovered::draw(app, paint, body, state),
        Some(Overlay::Payload(state)) => payload::draw(app, paint, body, state),
    }
}

/// The middle of the screen, as large as its lines need and the screen allows.
pub(super) fn centre(body: Rect, width: u16, lines: usize) -> Rect {
    let width = width.min(body.width);
    let height = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2).min(body.height);
    Rect { x: body.x + (body.width - width) / 2, y: body.y + (body.height - height) / 2, width, height }
}

/// An empty box in the middle.
pub(super) fn centered(paint: &mut Paint<'_>, body: Rect, width: u16, lines: usize) -> Rect {
    let area = centre(body, width, lines);
    paint.clear(area);
    area
}

/// Columns of help.
const HELP: u16 = 96;

pub(super) fn help_place(app: &App, body: Rect) -> Place {
    let lines = keys_in_force(app).len();
    Place::Dialog { lines, page: inside(centre(body, HELP, lines)).height.into() }
}

fn help(app: &App, paint: &mut Paint<'_>, body: Rect, scroll: &ListState) {
    let theme = paint.theme;
    let lines = keys_in_force(app);
    let area = centered(paint, body, HELP, lines.len());
    let inner = paint.pane(area, &[part("Keys in force", theme.brand)], theme.focus);
    text::scrolled(paint, (area, inner), &lines, scroll, theme.dim);
}

fn keys_in_force(app: &App) -> Vec<Vec<Part<'_>>> {
    let theme = &app.look.theme;
    let mut lines: Vec<Vec<Part<'_>>> = Vec::new();
    for scope in Scope::ALL {
        let mut own: Vec<(String, &command::Command)> = Vec::new();
        for (id, command) in command::all() {
            let keys: Vec<String> = app
                .look
                .keymap
                .bindings()
                .iter()
                .filter(|b| b.scope == scope && b.command == id)
                .map(|b| super::footer::shown_key(&b.shown(), theme))
                .collect();
            if !keys.is_empty() {
                own.push((keys.join("  "), command));
            }
        }
        if own.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        lines.push(vec![part(heading(scope), theme.brand)]);
        for (keys, command) in own {
            let style = match command.danger {
                Danger::None => theme.text,
                Danger::Reversible => theme.warning,
                Danger::Permanent => theme.alarm,
            };
            let gap = 18usize.saturating_sub(keys.width()).max(1);
            lines.push(vec![
                part(format!(" {keys}{}", " ".repeat(gap)), theme.key),
                part(command.sentence.to_owned(), style),
            ]);
        }
    }
    lines
}

fn heading(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "Everywhere",
        Scope::List => "In lists",
        Scope::Jobs => "In jobs",
        Scope::Journal => "In the journal",
        Scope::Profiles => "In security profiles",
        Scope::Doctor => "In the doctor",
        Scope::WhatIf => "In what-if",
        Scope::Rules => "In topic rules",
        Scope::Audit => "In the audit",
        Scope::Payload => "In an opened payload",
        Scope::Replay => "In a recording",
        Scope::Plan => "In a plan",
    }
}

fn palette(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect, state: &PaletteState) {
    let theme = paint.theme;
    let rows = state.found.len().clamp(1, 14);
    let width = 90.min(body.width);
    let height = (rows as u16 + 3).min(body.height);
    let area = Rect {
        x: body.x + (body.width - width) / 2,
        y: body.y + u16::from(body.height > 20) * 2,
        width,
        height,
    };
    let area = area.intersection(body);
    paint.clear(area);
    let inner = paint.pane(area, &[part("Commands, views, things", theme.brand)], theme.focus);
    let used = paint.text(inner.x, inner.y, inner.width, ": ", theme.key);
    let typed = SafeText::new(&crate::console::app::elsewhere::shown(state.input.value()));
    let wide =
        paint.text(inner.x + used, inner.y, inner.width.saturating_sub(used), typed.as_str(), theme.text);
    paint.cell(inner.x + used + wide, inner.y, " ", theme.cursor);
    let height = inner.height.saturating_sub(1) as usize;
    let top = (state.chosen + 1).saturating_sub(height);
    if state.found.is_empty() {
        paint.text(inner.x + 2, inner.y + 1, inner.width.saturating_sub(2), "nothing matches", theme.dim);
    }
    for (i, pick) in state.found.iter().enumerate().skip(top).take(height) {
        let y = inner.y + 1 + (i - top) as u16;
        let line = match pick {
            PalettePick::Command(id) => {
                let command = command::get(*id);
                let keys = app.look.keymap.keys_of(*id).join(", ");
                vec![
                    part(format!("{keys:>9}  "), theme.key),
                    part(format!("{:<16} ", command.name), theme.text),
                    part(command.sentence, theme.dim),
                ]
            }
            PalettePick::Thing(name) => {
                let state = env.fleet.find(name.raw()).map(|id| env.fleet.device(id).word());
                let word = state.map_or("look it up in AWS", quell_fleet::Word::text);
                let style = state.map_or(theme.dim, |c| word_style(theme, c));
                vec![
                    part(format!("{:>9}  ", "thing"), theme.dim),
                    part(format!("{}  ", name.shown()), theme.text),
                    part(word, style),
                ]
            }
            PalettePick::View(_) => Vec::new(),
            PalettePick::Elsewhere(to) => vec![
                part(format!("{:>9}  ", to.word()), theme.dim),
                part(to.name().shown().to_string(), theme.text),
            ],
        };
        paint.line(inner.x, y, inner.width, &line);
        if i == state.chosen {
            paint.style(Rect { y, height: 1, ..inner }, theme.cursor);
        }
    }
}
