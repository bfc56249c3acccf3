//! Keys in, commands out; and the dialogs that take text.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use nucleo_matcher::Utf32Str;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use tui_input::backend::crossterm::EventHandler as _;

use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::command;
use super::super::key::Key as Pressed;
use super::super::keymap::Found;
use super::dialogs::{Field, Overlay, PalettePick, PaletteState};
use super::{App, Env, Filter, Tone, View, filter};

/// Text longer than this is not typed, it is an accident with the clipboard.
const PASTE: usize = 4096;
/// Lines the palette keeps.
const FOUND: usize = 50;

impl App {
    /// A key was pressed.
    pub(super) fn key(&mut self, event: KeyEvent, env: &Env<'_>) {
        self.touched = true;
        let pressed = Pressed::from(event);
        if self.takes_text() && self.text_key(event, pressed, env) {
            return;
        }
        self.pending.push(pressed);
        let pending = std::mem::take(&mut self.pending);
        self.pressed = Some(shown(&pending));
        match self.look.keymap.find(self.scopes(), &pending) {
            Found::Command(id) => self.run(id, env),
            Found::Pending(_) => self.pending = pending,
            // A sequence that leads nowhere is dropped; its last key may begin another.
            Found::Nothing if pending.len() > 1 => match self.look.keymap.find(self.scopes(), &[pressed]) {
                Found::Command(id) => {
                    self.pressed = Some(pressed.to_string());
                    self.run(id, env);
                }
                Found::Pending(_) => self.pending = vec![pressed],
                Found::Nothing => self.nothing_here(env),
            },
            Found::Nothing => self.nothing_here(env),
        }
        self.pressed = None;
    }

    /// Says that what was pressed does nothing where one is.
    pub(super) fn nothing_here(&mut self, env: &Env<'_>) {
        let help = command::find("help").and_then(|id| self.look.keymap.key_for(self.scopes(), id));
        let help = help.map(|key| format!("; {key} shows the keys")).unwrap_or_default();
        let what = self.pressed.as_deref().unwrap_or("that");
        self.say(SafeText::new(&format!("{what} does nothing here{help}")), Tone::Brief, env.now);
    }

    /// Text was pasted: it goes where text is typed, and nowhere else, so that a paste is never a command.
    pub(super) fn paste(&mut self, text: &str, env: &Env<'_>) {
        let Some(text) = text.get(..text.len().min(PASTE)) else { return };
        for c in text.chars().filter(|c| !c.is_control()) {
            if !self.takes_text() {
                return;
            }
            let event = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
            self.text_key(event, Pressed::from(event), env);
        }
    }

    fn takes_text(&self) -> bool {
        match &self.overlay {
            Some(
                Overlay::Palette(_)
                | Overlay::Filter(..)
                | Overlay::Job(_)
                | Overlay::Group(_)
                | Overlay::Profile(_)
                | Overlay::Fields(_),
            ) => true,
            Some(Overlay::Plan(dialog)) => dialog.wants_text(),
            _ => false,
        }
    }

    /// Offers a key to the dialog that takes text; false when it is a command after all.
    fn text_key(&mut self, event: KeyEvent, pressed: Pressed, env: &Env<'_>) -> bool {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(event.code, KeyCode::Char('c' | 'z')) {
            // These must work everywhere.
            let id = if event.code == KeyCode::Char('c') { "interrupt" } else { "suspend" };
            if let Some(id) = command::find(id) {
                self.run(id, env);
            }
            return true;
        }
        match &mut self.overlay {
            Some(Overlay::Filter(list, input)) => {
                let list = *list;
                match event.code {
                    KeyCode::Enter => self.overlay = None,
                    KeyCode::Esc => {
                        self.filters.remove(&list);
                        self.rows.outdate();
                        self.overlay = None;
                    }
                    _ => {
                        input.handle_event(&Event::Key(event));
                        let text = input.value().to_owned();
                        self.filters.insert(list, Filter::parse(&text));
                        self.rows.outdate();
                    }
                }
                true
            }
            Some(Overlay::Palette(state)) => {
                match event.code {
                    KeyCode::Esc => self.overlay = None,
                    KeyCode::Enter => {
                        let pick = state.found.get(state.chosen).cloned();
                        self.overlay = None;
                        self.take_pick(pick, env);
                    }
                    KeyCode::Down | KeyCode::Tab => {
                        state.chosen = (state.chosen + 1).min(state.found.len().saturating_sub(1));
                    }
                    KeyCode::Up | KeyCode::BackTab => state.chosen = state.chosen.saturating_sub(1),
                    KeyCode::Char('n') if control => {
                        state.chosen = (state.chosen + 1).min(state.found.len().saturating_sub(1));
                    }
                    KeyCode::Char('p') if control => state.chosen = state.chosen.saturating_sub(1),
                    _ => {
                        input_event(&mut state.input, event);
                        search(state, env, &self.profiles);
                    }
                }
                true
            }
            Some(Overlay::Job(form)) => {
                form.trouble = None;
                let at = Field::ALL.iter().position(|f| *f == form.field).unwrap_or(0);
                match event.code {
                    KeyCode::Esc => self.overlay = None,
                    KeyCode::Enter => self.submit_job(env),
                    KeyCode::Down | KeyCode::Tab => form.field = Field::ALL[(at + 1) % Field::ALL.len()],
                    KeyCode::Up | KeyCode::BackTab => {
                        form.field = Field::ALL[(at + Field::ALL.len() - 1) % Field::ALL.len()];
                    }
                    _ => match form.field {
                        Field::Id => input_event(&mut form.id, event),
                        Field::Target => input_event(&mut form.target, event),
                        Field::Document => input_event(&mut form.document, event),
                        Field::Continuous => {
                            if matches!(event.code, KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right) {
                                form.continuous = !form.continuous;
                            }
                        }
                    },
                }
                true
            }
            Some(Overlay::Fields(form)) => {
                form.trouble = None;
                match event.code {
                    KeyCode::Esc => self.overlay = None,
                    KeyCode::Enter => self.submit_fields(env),
                    KeyCode::Down | KeyCode::Tab => form.step(true),
                    KeyCode::Up | KeyCode::BackTab => form.step(false),
                    KeyCode::Char(' ') | KeyCode::Right if form.turn(true) => {}
                    KeyCode::Left if form.turn(false) => {}
                    _ => {
                        if let Some(input) = form.input() {
                            input_event(input, event);
                        }
                    }
                }
                true
            }
            Some(Overlay::Profile(_)) => self.profile_key(event, control, env),
            Some(Overlay::Group(form)) => {
                form.trouble = None;
                match event.code {
                    KeyCode::Esc => self.overlay = None,
                    KeyCode::Enter => self.submit_group_form(env),
                    KeyCode::Tab | KeyCode::Down => {
                        if let Some(first) = form.known.first() {
                            form.input = tui_input::Input::new(first.raw().to_owned());
                            form.complete(env);
                        }
                    }
                    _ => {
                        input_event(&mut form.input, event);
                        form.complete(env);
                    }
                }
                true
            }
            Some(Overlay::Plan(dialog)) if dialog.editing.is_some() => {
                match event.code {
                    KeyCode::Esc => dialog.editing = None,
                    KeyCode::Enter => self.submit_group(env),
                    _ => {
                        if let Some(input) = &mut dialog.editing {
                            input_event(input, event);
                        }
                    }
                }
                true
            }
            Some(Overlay::Plan(dialog)) => {
                let typing = pressed.typed().is_some()
                    || matches!(
                        event.code,
                        KeyCode::Backspace | KeyCode::Left | KeyCode::Right | KeyCode::Delete
                    )
                    || control;
                if typing {
                    input_event(&mut dialog.typed, event);
                }
                typing
            }
            _ => false,
        }
    }

    /// A key in the form of a security profile; every change is judged at once.
    fn profile_key(&mut self, event: KeyEvent, control: bool, env: &Env<'_>) -> bool {
        let Some(Overlay::Profile(form)) = &mut self.overlay else { return false };
        form.refused.clear();
        match event.code {
            KeyCode::Esc => {
                self.leave_profile(env);
                return true;
            }
            KeyCode::Enter => {
                self.submit_profile(env);
                return true;
            }
            KeyCode::Char('y') if control => {
                self.copy_form(env);
                return true;
            }
            KeyCode::Down | KeyCode::Tab => {
                form.step(true);
                return true;
            }
            KeyCode::Up | KeyCode::BackTab => {
                form.step(false);
                return true;
            }
            KeyCode::Char('n') if control => form.add_behavior(),
            KeyCode::Char('x') if control => form.drop_behavior(),
            KeyCode::PageDown => form.turn_behavior(true),
            KeyCode::PageUp => form.turn_behavior(false),
            // A field with choices turns; in a typed one the same keys are text.
            KeyCode::Char(' ') | KeyCode::Right if form.turn(true) => {}
            KeyCode::Left if form.turn(false) => {}
            _ => {
                if let Some(input) = form.input() {
                    input_event(input, event);
                }
            }
        }
        form.judge(env);
        true
    }

    fn take_pick(&mut self, pick: Option<PalettePick>, env: &Env<'_>) {
        match pick {
            Some(PalettePick::Command(id)) => self.run(id, env),
            Some(PalettePick::Thing(name)) => {
                if let Some(id) = env.fleet.find(name.raw()) {
                    self.list_mut(super::ListId::Devices).set(Some(id.index() as super::Key));
                }
                self.go(View::Device(name));
            }
            Some(PalettePick::View(view)) => self.go(view),
            Some(PalettePick::Elsewhere(to)) => self.switch(to, env),
            None => {}
        }
    }
}

/// Keys pressed after each other.
fn shown(keys: &[Pressed]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn input_event(input: &mut tui_input::Input, event: KeyEvent) {
    if input.value().len() < PASTE || !matches!(event.code, KeyCode::Char(_)) {
        input.handle_event(&Event::Key(event));
    }
}

/// Fills in what matches the typed text: commands and views first, then things.
pub(super) fn search(state: &mut PaletteState, env: &Env<'_>, profiles: &[Name]) {
    state.chosen = 0;
    if let Some(offers) = super::elsewhere::offers(state.input.value(), profiles) {
        state.found = offers;
        return;
    }
    let typed = state.input.value();
    let pattern = Pattern::parse(typed, CaseMatching::Smart, Normalization::Smart);
    // A sentence must hold the words themselves: letters strewn over it would run what nobody meant.
    let words = Pattern::new(typed, CaseMatching::Smart, Normalization::Smart, AtomKind::Substring);
    let mut matcher = filter::matcher();
    let mut chars = Vec::new();
    let mut score = |pattern: &Pattern, text: &str| {
        chars.clear();
        pattern.score(Utf32Str::new(text, &mut chars), &mut matcher)
    };
    let mut found: Vec<(u32, PalettePick)> = command::all()
        .filter(|(_, c)| c.scope != command::Scope::Plan && c.scope != command::Scope::Payload)
        .filter_map(|(id, c)| {
            // The name counts double: who types "iso" wants isolate, not a sentence with these letters.
            let name = score(&pattern, c.name).max(score(&pattern, c.id)).map(|s| s * 2 + 40);
            let exact = if [c.name, c.id].contains(&typed) { 1_000 } else { 0 };
            let found = name.or_else(|| score(&words, c.sentence));
            found.map(|s| (s + exact, PalettePick::Command(id)))
        })
        .collect();
    if !state.input.value().is_empty() {
        found.extend(env.fleet.devices().filter(|(_, d)| !d.is_unattributed()).filter_map(|(_, d)| {
            score(&pattern, d.name().shown().as_str()).map(|s| (s * 2, PalettePick::Thing(d.name().clone())))
        }));
    }
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.truncate(FOUND);
    state.found = found.into_iter().map(|(_, pick)| pick).collect();
    // Of a large account few things are known here; any can be asked for by its name.
    let typed = typed.trim();
    if env.fleet.indexing().used().is_some() && is_thing_name(typed) && env.fleet.find(typed).is_none() {
        state.found.push(PalettePick::Thing(Name::new(typed)));
    }
}

/// What AWS allows as the name of a thing.
fn is_thing_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    (1..=128).contains(&text.len()) && text.chars().all(allowed)
}
