//! Keys in, commands out; text goes to the dialog that takes it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::response::{HeldFor, timed};
use quell_fleet::text::SafeText;

use super::super::command;
use super::super::dialogs::{ActionDialog, Dialog, Here, Outcome, PASTE, PaletteDialog, Pick};
use super::super::key::Key as Pressed;
use super::super::keymap::Found;
use super::super::views;
use super::profile_form::NO_FILES;
use super::{App, Effect, Env, Filter, Key, ListId, Tone, View};

impl App {
    /// A key was pressed.
    pub(super) fn key(&mut self, event: KeyEvent, env: &Env<'_>) {
        self.touched = true;
        let pressed = Pressed::from(event);
        if self.takes_text() && self.text_key(event, env) {
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
            self.text_key(event, env);
        }
    }

    fn takes_text(&self) -> bool {
        self.dialog.as_ref().is_some_and(|dialog| dialog.component().takes_text())
    }

    /// Offers a key to the dialog that takes text; false when it is a command after all.
    fn text_key(&mut self, event: KeyEvent, env: &Env<'_>) -> bool {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(event.code, KeyCode::Char('c' | 'z')) {
            // These must work everywhere.
            if event.code == KeyCode::Char('c') {
                self.interrupt(env);
            } else {
                self.suspend(env);
            }
            return true;
        }
        let Some(mut dialog) = self.dialog.take() else { return false };
        let outcome = dialog.component_mut().key(event, &self.here(env));
        self.dialog = Some(dialog);
        match outcome {
            Outcome::Command => return false,
            Outcome::Taken => {}
            Outcome::Leave => self.dialog = None,
            Outcome::Ask(asked, intent) => self.ask(env, asked, intent),
            Outcome::Draft(plan) => self.keep_draft(plan, env),
            Outcome::Want(Effect::ExportProfile { .. }, _) if self.look.read_only => {
                self.say(SafeText::new(NO_FILES), Tone::Warn, env.now);
            }
            Outcome::Want(effect, said) => {
                self.effects.push(effect);
                if let Some(said) = said {
                    self.say(SafeText::new(said), Tone::Calm, env.now);
                }
            }
            Outcome::Filter(list, text) => match text {
                Some(text) => self.set_filter(list, &text),
                None => {
                    self.filters.remove(&list);
                    self.dialog = None;
                    self.rows.outdate();
                }
            },
            Outcome::Pick(pick) => {
                self.dialog = None;
                self.take_pick(pick, env);
            }
            Outcome::Copy(offer) => {
                // A form is copied from, and stays.
                self.dialog.take_if(|dialog| matches!(dialog, Dialog::Copy(_)));
                self.put(offer, env);
            }
            Outcome::Elsewhere(id) => {
                let command = command::get(id);
                let text = match self.is_barred() && command.danger != command::Danger::None {
                    true => format!("{}: nothing can be changed here", command.name),
                    false => format!("{} works {}", command.name, command.scope.heading().to_lowercase()),
                };
                self.say(SafeText::new(&text), Tone::Brief, env.now);
            }
        }
        true
    }

    /// What a dialog may look at.
    pub(super) fn here<'a>(&'a self, env: &'a Env<'a>) -> Here<'a> {
        Here {
            env,
            profiles: &self.profiles,
            look: &self.look,
            scopes: self.view_scopes(),
            barred: self.is_barred(),
            history: &self.history,
            body: views::body(self, env, self.size),
        }
    }

    fn take_pick(&mut self, pick: Pick, env: &Env<'_>) {
        const HISTORY: usize = 50;
        if let Some(line) = pick.line() {
            self.history.retain(|known| *known != line);
            if self.history.len() >= HISTORY {
                self.history.remove(0);
            }
            self.history.push(line);
        }
        match pick {
            Pick::Command(id) => self.run(id, env),
            Pick::With(id, argument) => self.run_with(id, &argument, env),
            Pick::Thing(name) => {
                if let Some(id) = env.fleet.find(name.raw()) {
                    self.list_mut(ListId::Devices).set(Some(id.index() as Key));
                }
                self.go(View::Device(name));
            }
            Pick::Elsewhere(to) => self.switch(to, env),
        }
    }

    /// A line was typed where there is no screen: it is what the palette would run, if it is called outright.
    pub(super) fn line(&mut self, line: &str, env: &Env<'_>) {
        if command::acts_on_plans(line) && self.line_to_plan(line, env) {
            return;
        }
        match PaletteDialog::called(line, &self.here(env)) {
            Some(pick) => {
                self.dialog = None;
                self.take_pick(pick, env);
            }
            None => {
                let text = format!("there is no command {}; help lists them", SafeText::new(line));
                self.say(SafeText::new(&text), Tone::Brief, env.now);
            }
        }
    }

    /// A command for the plan or the response in front; without one, for the latest response. False where it is about
    /// neither.
    fn line_to_plan(&mut self, line: &str, env: &Env<'_>) -> bool {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let Some(id) = command::find(word) else { return false };
        let here = matches!(self.dialog, Some(Dialog::Plan(_) | Dialog::Action(_)));
        match (word, &self.dialog) {
            ("edit", Some(Dialog::Plan(plan))) if plan.has_group() => match plan.with_group(rest) {
                Some((asked, intent)) => self.ask(env, asked, intent),
                None => {
                    let text = "edit takes the name of the other group";
                    self.say(SafeText::new(text), Tone::Calm, env.now);
                }
            },
            // Things that are named are meant, whatever stands in front.
            _ if !rest.trim().is_empty() => return false,
            _ if here => self.run(id, env),
            // In the journal it is about the entry that is looked at.
            ("finish", _) if *self.view() == View::Journal => return false,
            ("finish" | "clear-retained" | "stop", _) => {
                let Some(latest) = self.actions.last() else { return false };
                self.dialog = Some(Dialog::Action(ActionDialog { plan: latest.id.clone() }));
                self.run(id, env);
            }
            _ => self.nothing_here(env),
        }
        true
    }

    /// Runs a command with what was typed behind it.
    fn run_with(&mut self, id: command::CommandId, argument: &str, env: &Env<'_>) {
        match command::get(id).takes {
            command::Takes::Things => {
                let mut named = Vec::new();
                let mut words = argument.split_whitespace().peekable();
                // `isolate --for 30m THING`, as on a shell's line.
                let mut time = None;
                if command::get(id).id == "isolate" && words.next_if_eq(&"--for").is_some() {
                    match timed::length(words.next().unwrap_or_default()) {
                        Ok(length) => time = Some(HeldFor::of(length)),
                        Err(why) => return self.say(SafeText::new(&why), Tone::Warn, env.now),
                    }
                }
                for name in words {
                    match env.fleet.find(name) {
                        Some(id) if !named.contains(&id) => named.push(id),
                        Some(_) => {}
                        None => {
                            let text = format!("no thing is called {}", SafeText::new(name));
                            return self.say(SafeText::new(&text), Tone::Warn, env.now);
                        }
                    }
                }
                (self.named, self.held_for) = (named, time);
                self.run(id, env);
                self.named.clear();
                self.held_for = None;
            }
            command::Takes::Filter => {
                let list = self.focused_list();
                if !self.has_filter(list) {
                    return self.nothing_here(env);
                }
                self.set_filter(list, argument);
            }
            command::Takes::Theme => match self.look.theme.renamed(argument) {
                Some(theme) => {
                    self.look.theme = theme;
                    self.stand_on_ground();
                }
                None => self.theme(env),
            },
            command::Takes::Policy => self.propose_policy(argument, env),
            command::Takes::Note => self.note_down(argument, env),
            command::Takes::Nothing | command::Takes::Profile | command::Takes::Region => self.run(id, env),
        }
    }

    /// Filters a list, or searches the stream.
    pub(super) fn set_filter(&mut self, list: ListId, text: &str) {
        let filter = match list {
            ListId::Stream => Filter::of_messages(text),
            _ => Filter::parse(text),
        };
        self.filters.insert(list, filter);
        self.rows.outdate();
    }
}

/// Keys pressed after each other.
fn shown(keys: &[Pressed]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
