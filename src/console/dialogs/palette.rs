//! The palette: a search over commands and things, and the way to another profile or region.

use crossterm::event::{KeyCode, KeyEvent};
use nucleo_matcher::Utf32Str;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use ratatui::layout::Rect;
use tui_input::Input;

use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::app::{App, Elsewhere, Env, matcher};
use super::super::command::{self, CommandId};
use super::super::paint::{Paint, part};
use super::super::views::word_style;
use super::{Component, Here, Outcome, is_control, type_into};

/// Lines the palette keeps.
const FOUND: usize = 50;

/// The palette.
#[derive(Default)]
pub struct PaletteDialog {
    /// What is typed.
    input: Input,
    /// What matches, the best first.
    found: Vec<Pick>,
    /// Which of them is chosen.
    chosen: usize,
}

/// Something the palette can go to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pick {
    /// A command.
    Command(CommandId),
    /// A thing.
    Thing(Name),
    /// Another profile or region.
    Elsewhere(Elsewhere),
}

impl Component for PaletteDialog {
    fn takes_text(&self) -> bool {
        true
    }

    fn key(&mut self, event: KeyEvent, here: &Here<'_>) -> Outcome {
        let control = is_control(event);
        match event.code {
            KeyCode::Esc => return Outcome::Leave,
            KeyCode::Enter => {
                return match self.found.get(self.chosen) {
                    Some(pick) => Outcome::Pick(pick.clone()),
                    None => Outcome::Leave,
                };
            }
            KeyCode::Down | KeyCode::Tab => self.step(true),
            KeyCode::Up | KeyCode::BackTab => self.step(false),
            KeyCode::Char('n') if control => self.step(true),
            KeyCode::Char('p') if control => self.step(false),
            _ => {
                type_into(&mut self.input, event);
                self.search(here.env, here.profiles);
            }
        }
        Outcome::Taken
    }

    fn draw(&self, app: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let rows = self.found.len().clamp(1, 14);
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
        let typed = SafeText::new(&super::super::app::elsewhere::shown(self.input.value()));
        let wide =
            paint.text(inner.x + used, inner.y, inner.width.saturating_sub(used), typed.as_str(), theme.text);
        paint.cell(inner.x + used + wide, inner.y, " ", theme.cursor);
        let height = inner.height.saturating_sub(1) as usize;
        let top = (self.chosen + 1).saturating_sub(height);
        if self.found.is_empty() {
            paint.text(inner.x + 2, inner.y + 1, inner.width.saturating_sub(2), "nothing matches", theme.dim);
        }
        for (i, pick) in self.found.iter().enumerate().skip(top).take(height) {
            let y = inner.y + 1 + (i - top) as u16;
            let line = match pick {
                Pick::Command(id) => {
                    let command = command::get(*id);
                    let keys = app.look.keymap.keys_of(*id).join(", ");
                    vec![
                        part(format!("{keys:>9}  "), theme.key),
                        part(format!("{:<16} ", command.name), theme.text),
                        part(command.sentence, theme.dim),
                    ]
                }
                Pick::Thing(name) => {
                    let known = env.fleet.find(name.raw()).map(|id| env.fleet.device(id).word());
                    let word = known.map_or("look it up in AWS", quell_fleet::Word::text);
                    let style = known.map_or(theme.dim, |c| word_style(theme, c));
                    vec![
                        part(format!("{:>9}  ", "thing"), theme.dim),
                        part(format!("{}  ", name.shown()), theme.text),
                        part(word, style),
                    ]
                }
                Pick::Elsewhere(to) => vec![
                    part(format!("{:>9}  ", to.word()), theme.dim),
                    part(to.name().shown().to_string(), theme.text),
                ],
            };
            paint.line(inner.x, y, inner.width, &line);
            if i == self.chosen {
                paint.style(Rect { y, height: 1, ..inner }, theme.cursor);
            }
        }
    }
}

impl PaletteDialog {
    /// With something typed already.
    pub(in crate::console) fn with(text: &str, env: &Env<'_>, profiles: &[Name]) -> Self {
        let mut palette = Self { input: Input::new(text.to_owned()), ..Self::default() };
        palette.search(env, profiles);
        palette
    }

    fn step(&mut self, forward: bool) {
        let last = self.found.len().saturating_sub(1);
        self.chosen = if forward { (self.chosen + 1).min(last) } else { self.chosen.saturating_sub(1) };
    }

    /// More is known to offer: what is chosen stays chosen.
    pub(in crate::console) fn search_again(&mut self, env: &Env<'_>, profiles: &[Name]) {
        let chosen = self.found.get(self.chosen).cloned();
        self.search(env, profiles);
        self.chosen = self.found.iter().position(|pick| Some(pick) == chosen.as_ref()).unwrap_or(0);
    }

    /// Fills in what matches the typed text: commands and views first, then things.
    fn search(&mut self, env: &Env<'_>, profiles: &[Name]) {
        self.chosen = 0;
        if let Some(offers) = super::super::app::elsewhere::offers(self.input.value(), profiles) {
            self.found = offers;
            return;
        }
        let typed = self.input.value();
        let pattern = Pattern::parse(typed, CaseMatching::Smart, Normalization::Smart);
        // A sentence must hold the words themselves: letters strewn over it would run what nobody meant.
        let words = Pattern::new(typed, CaseMatching::Smart, Normalization::Smart, AtomKind::Substring);
        let mut matcher = matcher();
        let mut chars = Vec::new();
        let mut score = |pattern: &Pattern, text: &str| {
            chars.clear();
            pattern.score(Utf32Str::new(text, &mut chars), &mut matcher)
        };
        let mut found: Vec<(u32, Pick)> = command::all()
            .filter(|(_, c)| c.scope != command::Scope::Plan && c.scope != command::Scope::Payload)
            .filter_map(|(id, c)| {
                // The name counts double: who types "iso" wants isolate, not a sentence with these letters.
                let name = score(&pattern, c.name).max(score(&pattern, c.id)).map(|s| s * 2 + 40);
                let exact = if [c.name, c.id].contains(&typed) { 1_000 } else { 0 };
                let found = name.or_else(|| score(&words, c.sentence));
                found.map(|s| (s + exact, Pick::Command(id)))
            })
            .collect();
        if !self.input.value().is_empty() {
            found.extend(env.fleet.devices().filter(|(_, d)| !d.is_unattributed()).filter_map(|(_, d)| {
                score(&pattern, d.name().shown().as_str()).map(|s| (s * 2, Pick::Thing(d.name().clone())))
            }));
        }
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.truncate(FOUND);
        self.found = found.into_iter().map(|(_, pick)| pick).collect();
        // Of a large account few things are known here; any can be asked for by its name.
        let typed = typed.trim();
        if env.fleet.indexing().used().is_some() && is_thing_name(typed) && env.fleet.find(typed).is_none() {
            self.found.push(Pick::Thing(Name::new(typed)));
        }
    }
}

/// What AWS allows as the name of a thing.
fn is_thing_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    (1..=128).contains(&text.len()) && text.chars().all(allowed)
}
