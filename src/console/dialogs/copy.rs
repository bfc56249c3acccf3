//! What to copy: each thing that can be, with what it is.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::text::SafeText;

use super::super::app::{App, Env, Offer};
use super::super::paint::{Paint, fit_middle, part};
use super::{Component, Here, Outcome, centered};

/// What to copy.
pub struct CopyDialog {
    offers: Vec<Offer>,
    chosen: usize,
}

impl CopyDialog {
    pub(in crate::console) fn new(offers: Vec<Offer>) -> Self {
        Self { offers, chosen: 0 }
    }
}

impl Component for CopyDialog {
    fn takes_text(&self) -> bool {
        true
    }

    fn key(&mut self, event: KeyEvent, _: &Here<'_>) -> Outcome {
        let last = self.offers.len().saturating_sub(1);
        match event.code {
            KeyCode::Esc | KeyCode::Char('q') => return Outcome::Leave,
            KeyCode::Enter | KeyCode::Char('y') => {
                return self.offers.get(self.chosen).cloned().map_or(Outcome::Leave, Outcome::Copy);
            }
            KeyCode::Char(c @ '1'..='9') => {
                let at = c.to_digit(10).map_or(0, |n| n as usize - 1);
                if let Some(offer) = self.offers.get(at) {
                    return Outcome::Copy(offer.clone());
                }
            }
            KeyCode::Down | KeyCode::Tab | KeyCode::Char('j') => self.chosen = (self.chosen + 1).min(last),
            KeyCode::Up | KeyCode::BackTab | KeyCode::Char('k') => {
                self.chosen = self.chosen.saturating_sub(1);
            }
            _ => {}
        }
        Outcome::Taken
    }

    fn draw(&self, _: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let area = centered(paint, body, 84, self.offers.len() + 1);
        let inner = paint.pane(area, &[part("Copy", theme.brand)], theme.focus);
        let label = self.offers.iter().map(|offer| offer.what.width()).max().unwrap_or(0);
        let room = usize::from(inner.width).saturating_sub(label + 8);
        for (at, (offer, y)) in self.offers.iter().zip(inner.y..inner.bottom()).enumerate() {
            let (text, style) = match &offer.text {
                Ok(text) => {
                    let more = text.lines().count().saturating_sub(1);
                    let first = SafeText::new(text.lines().next().unwrap_or_default());
                    let more = if more > 0 { format!(" +{more}") } else { String::new() };
                    let room = room.saturating_sub(more.width());
                    (format!("{}{more}", fit_middle(first.as_str(), room, theme.symbols.more)), theme.text)
                }
                Err(why) => (SafeText::new(why).to_string(), theme.dim),
            };
            let line = [
                part(format!(" {}  ", at + 1), theme.key),
                part(format!("{:<label$}  ", offer.what), theme.label),
                part(text, style),
            ];
            paint.line(inner.x, y, inner.width, &line);
            if at == self.chosen {
                paint.style(Rect { y, height: 1, ..inner }, theme.cursor);
            }
        }
        if inner.height > 1 {
            let foot = [
                part(theme.symbols.enter, theme.key),
                part(" copy   ", theme.dim),
                part("esc", theme.key),
                part(" leave", theme.dim),
            ];
            paint.line(inner.x + 1, inner.bottom() - 1, inner.width.saturating_sub(2), &foot);
        }
    }
}
