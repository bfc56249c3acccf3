//! A security profile being written, as a dialog: what it means, what is wrong with it, and whom it would have alarmed.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::response::Level;
use quell_fleet::text::SafeText;
use quell_rules::detect::whatif::cautions;

use super::super::app::{App, Env, Offer, ProfileForm};
use super::super::paint::{Paint, part};
use super::super::views::normal;
use super::form::draw;
use super::{Component, Here, Outcome, is_control, type_into};

impl Component for ProfileForm {
    fn takes_text(&self) -> bool {
        true
    }

    /// Every change is judged at once.
    fn key(&mut self, event: KeyEvent, here: &Here<'_>) -> Outcome {
        let control = is_control(event);
        self.refused.clear();
        match event.code {
            KeyCode::Esc => return Outcome::Draft(None),
            KeyCode::Enter => {
                return self.submit(here.env).map_or(Outcome::Taken, |asked| Outcome::Draft(Some(asked)));
            }
            KeyCode::Char('y') if control => {
                let json = serde_json::to_string(&self.document()).unwrap_or_default();
                return Outcome::Copy(Offer::of("profile as JSON", json));
            }
            KeyCode::Down | KeyCode::Tab => {
                self.step(true);
                return Outcome::Taken;
            }
            KeyCode::Up | KeyCode::BackTab => {
                self.step(false);
                return Outcome::Taken;
            }
            KeyCode::Char('n') if control => self.add_behavior(),
            KeyCode::Char('x') if control => self.drop_behavior(),
            KeyCode::PageDown => self.turn_behavior(true),
            KeyCode::PageUp => self.turn_behavior(false),
            // A field with choices turns; in a typed one the same keys are text.
            KeyCode::Char(' ') | KeyCode::Right if self.turn_choice(true) => {}
            KeyCode::Left if self.turn_choice(false) => {}
            _ => {
                if let Some(input) = self.input() {
                    type_into(input, event);
                }
            }
        }
        self.judge(here.env);
        Outcome::Taken
    }

    fn settle(&mut self, env: &Env<'_>) {
        self.keep_judged(env);
    }

    fn draw(&self, _: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let s = theme.symbols;
        let mut told: Vec<(String, Style)> = Vec::new();
        told.extend(self.refused.iter().map(|m| (format!("{} {m}", s.cross), theme.alarm)));
        told.extend(
            self.mistakes().iter().map(|m| (format!("{} {}", s.cross, SafeText::new(m)), theme.alarm)),
        );
        if let Some(behavior) = self.behavior().filter(|_| self.is_sound()) {
            told.push((normal(&behavior), theme.text));
            for note in self.judged.iter().filter(|n| n.level == Level::Danger) {
                told.push((format!("{} {}", s.warn, note.text), theme.alarm));
            }
            for caution in cautions(&behavior, self.devices().unwrap_or(usize::MAX)) {
                told.push((format!("{} {}", s.warn, SafeText::new(&caution)), theme.warning));
            }
            for note in self.judged.iter().filter(|n| n.level != Level::Danger) {
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
        draw(paint, body, "Security profile", &self.lines(), self.focus(), &told, &keys);
    }
}
