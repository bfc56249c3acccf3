//! The keys in force.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::super::app::{App, Env, ListState};
use super::super::command::{self, Danger, Scope};
use super::super::paint::{Paint, Part, inside, part};
use super::super::views::{Place, shown_key, text};
use super::{Component, centered, centre};

/// Columns of help.
const WIDTH: u16 = 96;

/// The keys in force.
#[derive(Default)]
pub struct HelpDialog {
    scroll: ListState,
}

impl Component for HelpDialog {
    fn scroll(&mut self) -> Option<&mut ListState> {
        Some(&mut self.scroll)
    }

    fn place(&self, app: &App, body: Rect) -> Option<Place> {
        let lines = keys_in_force(app).len();
        Some(Place::Dialog { lines, page: inside(centre(body, WIDTH, lines)).height.into() })
    }

    fn hints(&self, _: &App) -> &'static [&'static str] {
        &["escape", "down", "up"]
    }

    fn draw(&self, app: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let lines = keys_in_force(app);
        let area = centered(paint, body, WIDTH, lines.len());
        let inner = paint.pane(area, &[part("Keys in force", theme.brand)], theme.focus);
        text::scrolled(paint, (area, inner), &lines, &self.scroll, theme.dim);
    }
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
                .map(|b| shown_key(&b.shown(), theme))
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
        lines.push(vec![part(scope.heading(), theme.brand)]);
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
