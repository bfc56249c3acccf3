//! An opened message.

use ratatui::layout::Rect;

use super::super::app::{App, Env, ListState};
use super::super::paint::{Paint, inside, part};
use super::super::views::{Payload, Place};
use super::super::words;
use super::Component;

/// An opened message.
pub struct PayloadDialog {
    /// The message and its payload.
    pub shown: Payload,
    scroll: ListState,
}

impl PayloadDialog {
    /// A message, opened.
    pub(in crate::console) fn new(shown: Payload) -> Self {
        Self { shown, scroll: ListState::default() }
    }
}

impl Component for PayloadDialog {
    /// The next way of showing, or the previous one.
    fn turn(&mut self, forward: bool) {
        self.shown.turn(forward);
        self.scroll = ListState::default();
    }

    fn scroll(&mut self) -> Option<&mut ListState> {
        Some(&mut self.scroll)
    }

    fn place(&self, app: &App, body: Rect) -> Option<Place> {
        let inner = inside(area(body));
        let lines = self.shown.lines(app, inner.width.saturating_sub(2));
        Some(Place::Dialog { lines, page: inner.height.into() })
    }

    fn hints(&self, _: &App) -> &'static [&'static str] {
        &["escape", "left", "right", "copy", "down"]
    }

    fn draw(&self, app: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let area = area(body);
        paint.clear(area);
        let message = &self.shown.message;
        let facts = format!(
            "  {}  {}  ",
            words::bytes(f64::from(message.len)),
            words::clock(message.at, &app.look.zone)
        );
        let mut title = vec![part(self.shown.topic.as_str(), theme.brand), part(facts, theme.dim)];
        title.extend(self.shown.tabs(theme));
        let inner = paint.pane(area, &title, theme.focus);
        self.shown.draw(paint, inner, &self.scroll);
    }
}

fn area(body: Rect) -> Rect {
    let width = body.width.min(100.max(body.width * 4 / 5));
    Rect { x: body.x + (body.width - width) / 2, width, ..body }
}
