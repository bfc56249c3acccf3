//! The palette: a search over commands and things, commands with what they take, and the way to another profile or region. It
//! offers only what works where one is.

use crossterm::event::{KeyCode, KeyEvent};
use nucleo_matcher::Utf32Str;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use ratatui::layout::Rect;
use tui_input::Input;

use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::app::{App, Elsewhere, Env, elsewhere, matcher};
use super::super::command::{self, CommandId, Takes};
use super::super::paint::{Paint, part};
use super::super::theme::NAMES;
use super::super::views::{shown_key, word_style};
use super::super::words;
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
    /// How far back in what was run before, from one.
    back: usize,
}

/// Something the palette can go to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pick {
    /// A command.
    Command(CommandId),
    /// A command with what it takes, as it was typed.
    With(CommandId, String),
    /// A thing.
    Thing(Name),
    /// Another profile or region.
    Elsewhere(Elsewhere),
}

impl Pick {
    /// What is typed to get it again; `None` of what holds a secret.
    pub(in crate::console) fn line(&self) -> Option<String> {
        Some(match self {
            Self::Command(id) => command::get(*id).id.to_owned(),
            Self::With(id, argument) => format!("{} {argument}", command::get(*id).id),
            Self::Thing(name) => name.raw().to_owned(),
            Self::Elsewhere(Elsewhere::Coded(..)) => return None,
            Self::Elsewhere(to) => format!("{} {}", to.word(), to.name().raw()),
        })
    }
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
            KeyCode::Tab => self.complete(here),
            KeyCode::Down if self.back > 0 => self.recall(here, false),
            KeyCode::Up if self.chosen == 0 => self.recall(here, true),
            KeyCode::Down => self.step(true),
            KeyCode::Up | KeyCode::BackTab => self.step(false),
            KeyCode::Char('n') if control => self.step(true),
            KeyCode::Char('p') if control => self.step(false),
            _ => {
                type_into(&mut self.input, event);
                self.back = 0;
                self.search(here);
            }
        }
        Outcome::Taken
    }

    fn draw(&self, app: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let rows = self.found.len().clamp(1, 14);
        let width = 100.min(body.width);
        let height = (rows as u16 + 4).min(body.height);
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
        let typed = SafeText::new(&elsewhere::shown(self.input.value()));
        let wide =
            paint.text(inner.x + used, inner.y, inner.width.saturating_sub(used), typed.as_str(), theme.text);
        paint.cell(inner.x + used + wide, inner.y, " ", theme.cursor);
        let foot = u16::from(inner.height > 3);
        let height = inner.height.saturating_sub(1 + foot) as usize;
        let top = (self.chosen + 1).saturating_sub(height);
        if self.found.is_empty() {
            paint.text(inner.x + 2, inner.y + 1, inner.width.saturating_sub(2), "nothing matches", theme.dim);
        }
        for (i, pick) in self.found.iter().enumerate().skip(top).take(height) {
            let y = inner.y + 1 + (i - top) as u16;
            let line = match pick {
                Pick::Command(id) => {
                    let command = command::get(*id);
                    let keys = app.look.keymap.key_for(app.view_scopes(), *id).unwrap_or_default();
                    let keys = shown_key(&keys, theme);
                    let name = format!("{}{}", command.name, command.takes.shown());
                    vec![
                        part(format!("{keys:>9}  "), theme.key),
                        part(format!("{name:<20} "), theme.text),
                        part(command.sentence, theme.dim),
                    ]
                }
                Pick::With(id, argument) => {
                    let command = command::get(*id);
                    vec![
                        part(format!("{:>9}  ", ""), theme.key),
                        part(format!("{} ", command.id), theme.text),
                        part(SafeText::new(argument).to_string(), theme.brand),
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
        if foot > 0 {
            let key = |key: &'static str, what: &'static str| [part(key, theme.key), part(what, theme.dim)];
            let foot: Vec<_> = [
                key(theme.symbols.enter, " run   "),
                key("tab", " complete   "),
                key(theme.symbols.earlier, " earlier   "),
                key("esc", " leave"),
            ]
            .into_iter()
            .flatten()
            .collect();
            paint.line(inner.x + 1, inner.bottom() - 1, inner.width.saturating_sub(2), &foot);
        }
    }
}

impl PaletteDialog {
    /// With something typed already.
    pub(in crate::console) fn with(text: &str, here: &Here<'_>) -> Self {
        let mut palette = Self { input: Input::new(text.to_owned()), ..Self::default() };
        palette.search(here);
        palette
    }

    /// What a line runs that calls something outright: a command with what it takes, or a thing by its name.
    pub(in crate::console) fn called(line: &str, here: &Here<'_>) -> Option<Pick> {
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let works = || command::all().filter(|(_, c)| c.works(here.scopes, here.barred));
        let exact = works().find(|(_, c)| c.id == word || c.aliases.contains(&word));
        let named = works().find(|(_, c)| c.name == line || c.name == word && rest.is_empty());
        match exact.or(named) {
            Some((_, command))
                if matches!(command.takes, Takes::Profile | Takes::Region) && !rest.is_empty() =>
            {
                elsewhere::offers(line, here.profiles)?.into_iter().next()
            }
            Some((id, command)) if command.takes != Takes::Nothing && !rest.is_empty() => {
                Some(Pick::With(id, rest.to_owned()))
            }
            Some((id, _)) => Some(Pick::Command(id)),
            None => here.env.fleet.find(line).map(|_| Pick::Thing(Name::new(line))),
        }
    }

    fn step(&mut self, forward: bool) {
        let last = self.found.len().saturating_sub(1);
        self.chosen = if forward { (self.chosen + 1).min(last) } else { self.chosen.saturating_sub(1) };
    }

    /// What was run before, the newest first.
    fn recall(&mut self, here: &Here<'_>, back: bool) {
        let to = if back { (self.back + 1).min(here.history.len()) } else { self.back.saturating_sub(1) };
        self.back = to;
        let line = to.checked_sub(1).and_then(|at| here.history.iter().rev().nth(at));
        self.input = Input::new(line.cloned().unwrap_or_default());
        self.search(here);
    }

    /// What is chosen becomes what is typed.
    fn complete(&mut self, here: &Here<'_>) {
        let Some(pick) = self.found.get(self.chosen) else { return };
        let Some(mut line) = pick.line() else { return };
        if let Pick::Command(id) = pick
            && command::get(*id).takes != Takes::Nothing
        {
            line.push(' ');
        }
        self.input = Input::new(line);
        self.search(here);
    }

    /// More is known to offer: what is chosen stays chosen.
    pub(in crate::console) fn search_again(&mut self, here: &Here<'_>) {
        let chosen = self.found.get(self.chosen).cloned();
        self.search(here);
        self.chosen = self.found.iter().position(|pick| Some(pick) == chosen.as_ref()).unwrap_or(0);
    }

    /// Fills in what matches the typed text: commands and views first, then things.
    fn search(&mut self, here: &Here<'_>) {
        self.chosen = 0;
        if let Some(offers) = elsewhere::offers(self.input.value(), here.profiles) {
            self.found = offers;
            return;
        }
        if let Some(found) = self.with_argument(here) {
            self.found = found;
            return;
        }
        let env = here.env;
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
            .filter(|(_, c)| c.works(here.scopes, here.barred))
            .filter_map(|(id, c)| {
                // The name counts double: who types "iso" wants isolate, not a sentence with these letters.
                let name = score(&pattern, c.name).max(score(&pattern, c.id)).map(|s| s * 2 + 40);
                // An alias outranks a name: it is typed by who knows it.
                let exact = match typed {
                    "" => 0,
                    word if c.aliases.contains(&word) => 2_000,
                    word if c.id == word => 1_500,
                    word if c.name == word => 1_000,
                    _ => 0,
                };
                let found = name.or_else(|| score(&words, c.sentence));
                let found = if exact > 0 { found.or(Some(0)) } else { found };
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

    /// What a command that is typed out can be run with; `None` where no such command is typed.
    fn with_argument(&self, here: &Here<'_>) -> Option<Vec<Pick>> {
        let (word, rest) = self.input.value().trim_start().split_once(' ')?;
        let mut called =
            command::all().filter(|(_, c)| c.is_called(word) && c.works(here.scopes, here.barred));
        let (id, command) = called.next()?;
        match command.takes {
            Takes::Nothing | Takes::Profile | Takes::Region => None,
            Takes::Theme => {
                let begins = NAMES.iter().filter(|name| name.starts_with(rest.trim()));
                Some(begins.map(|name| Pick::With(id, (*name).to_owned())).collect())
            }
            Takes::Filter | Takes::Policy | Takes::Note => Some(vec![Pick::With(id, rest.trim().to_owned())]),
            Takes::Things => {
                let (before, last) = rest.rsplit_once(' ').map_or(("", rest), |(a, b)| (a.trim(), b));
                let taken: Vec<&str> = before.split_whitespace().collect();
                // A length of time is no name: what it is about is marked, under the cursor, or to be typed yet.
                if taken.last() == Some(&"--for") {
                    return Some(vec![Pick::With(id, rest.trim().to_owned())]);
                }
                let typed = last.to_lowercase();
                let mut known: Vec<&str> = here
                    .env
                    .fleet
                    .devices()
                    .filter(|(_, d)| !d.is_unattributed())
                    .map(|(_, d)| d.name().raw())
                    .filter(|name| name.to_lowercase().contains(&typed) && !taken.contains(name))
                    .collect();
                known.sort_by(|a, b| {
                    let ahead = |name: &str| (name != last, !name.to_lowercase().starts_with(&typed));
                    ahead(a).cmp(&ahead(b)).then_with(|| words::natural(a, b))
                });
                known.truncate(FOUND);
                let all = |name: &str| {
                    if before.is_empty() { name.to_owned() } else { format!("{before} {name}") }
                };
                let mut found: Vec<Pick> = Vec::new();
                if last.is_empty() && !before.is_empty() {
                    found.push(Pick::With(id, before.to_owned()));
                }
                found.extend(known.into_iter().map(|name| Pick::With(id, all(name))));
                Some(found)
            }
        }
    }
}

/// What AWS allows as the name of a thing.
fn is_thing_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    (1..=128).contains(&text.len()) && text.chars().all(allowed)
}
