//! Taking up what was begun earlier: undo and finish, from the journal or from what the start found cut short. Both name the
//! plan of the journal; what is to be sent is computed from what was, and shown before it is.

use crate::response::Intent;
use crate::response::past::Past;
use quell_fleet::event::Stage;
use quell_fleet::text::SafeText;

use super::super::dialogs::{Dialog, EntryDialog, RecoveredDialog};
use super::super::words;
use super::list::ListId;
use super::{App, Effect, Env, JournalLine, Tone, View};

impl App {
    /// The journal's entry under the cursor.
    pub(super) fn entry_here(&self) -> Option<&JournalLine> {
        if let Some(Dialog::Entry(entry)) = &self.dialog {
            return Some(&entry.line);
        }
        if *self.view() != View::Journal {
            return None;
        }
        let Some(Ok(lines)) = &self.journal else { return None };
        let cursor = self.list(ListId::Journal).cursor();
        lines.iter().find(|line| Some(line.key()) == cursor)
    }

    /// Open the journal's entry under the cursor.
    pub(super) fn open_entry(&mut self) {
        if let Some(line) = self.entry_here().cloned() {
            self.dialog = Some(Dialog::Entry(Box::new(EntryDialog::new(line))));
        }
    }

    /// Plan what takes the plan under the cursor back, to what was before it.
    pub(crate) fn undo(&mut self, env: &Env<'_>) {
        if let Some(plan) = self.recovered_here() {
            let asked = SafeText::new(&format!("Undo: {}", plan.title));
            return self.ask(env, asked, Intent::Undo { plan: plan.id });
        }
        let Some(line) = self.entry_here().cloned() else {
            return self.say(SafeText::new("no entry under the cursor"), Tone::Warn, env.now);
        };
        if line.verb == "note" || line.ended_as(&["refused", "failed"]) {
            let text = "nothing was sent then: there is nothing to take back";
            return self.say(SafeText::new(text), Tone::Calm, env.now);
        }
        let asked = SafeText::new(&format!("Undo: {} {}", line.what, line.target));
        self.ask(env, asked, Intent::Undo { plan: line.plan });
    }

    /// Plan what sends the rest of the plan in front, of the journal's under the cursor, or of the response that left the
    /// device under the cursor not held.
    pub(crate) fn finish(&mut self, env: &Env<'_>) {
        if !self.named.is_empty() {
            return self.finish_devices(env);
        }
        if let Some(plan) = self.recovered_here() {
            let asked = SafeText::new(&format!("Finish: {}", plan.title));
            return self.ask(env, asked, Intent::Finish { plan: plan.id });
        }
        if let Some(Dialog::Action(shown)) = &self.dialog {
            let action = self.actions.iter().find(|action| action.id == shown.plan);
            let Some(action) = action.filter(|a| a.finished.is_some() && a.unfinished() > 0) else {
                let text = "nothing of it is left to finish, or it is under way still";
                return self.say(SafeText::new(text), Tone::Calm, env.now);
            };
            let asked = SafeText::new(&format!("Finish: {}", action.title));
            let plan = action.id.to_string();
            return self.ask(env, asked, Intent::Finish { plan });
        }
        if self.dialog.is_none() && *self.view() != View::Journal {
            return self.finish_devices(env);
        }
        let Some(line) = self.entry_here().cloned() else {
            return self.say(SafeText::new("no entry under the cursor"), Tone::Warn, env.now);
        };
        if line.verb == "note" || line.ended_as(&["refused", "proven"]) {
            let text = "it was refused, or came to its end: nothing of it is left to send";
            return self.say(SafeText::new(text), Tone::Calm, env.now);
        }
        let asked = SafeText::new(&format!("Finish: {} {}", line.what, line.target));
        self.ask(env, asked, Intent::Finish { plan: line.plan });
    }

    /// Plan what is left to do for the devices that keys act on, whose response failed or was left.
    fn finish_devices(&mut self, env: &Env<'_>) {
        let ids = self.targets(env);
        let mut plans: Vec<&SafeText> = Vec::new();
        for device in ids.iter().map(|id| env.fleet.device(*id)) {
            if let (Some(Stage::Failed { .. }), Some(plan)) = (device.stage(), device.plan())
                && !plans.contains(&plan)
            {
                plans.push(plan);
            }
        }
        let text = match plans.as_slice() {
            [plan] => {
                let whom = match ids.as_slice() {
                    [one] => env.fleet.device(*one).name().shown().to_string(),
                    many => words::plural(many.len(), "thing", "things"),
                };
                let asked = SafeText::new(&format!("Finish what was begun for {whom}"));
                return self.ask(env, asked, Intent::Finish { plan: plan.to_string() });
            }
            [] if ids.is_empty() => "no thing here: put the cursor on one, or mark some",
            [] => "no response to it failed or was left, as far as is known: the journal has all there were",
            [_, _, ..] => "they belong to several responses: finish one of them, or see the journal",
        };
        self.say(SafeText::new(text), Tone::Warn, env.now);
    }

    fn recovered_here(&self) -> Option<Past> {
        let Some(Dialog::Recovered(state)) = &self.dialog else { return None };
        state.shown().cloned()
    }

    /// What the start found: plans that never ended. Shown at once, unless the operator is in the middle of something.
    pub(super) fn recovered(&mut self, plans: Vec<Past>, env: &Env<'_>) {
        self.effects.push(Effect::ReadJournal);
        let Some(last) = plans.last() else { return };
        let done = last.steps.iter().filter(|s| s.happened()).count();
        let more =
            if plans.len() > 1 { format!(" (and {} earlier)", plans.len() - 1) } else { String::new() };
        let text = format!(
            "{} was cut short: {done} of {} requests done{more}; the journal offers finish and undo",
            last.title,
            last.steps.len(),
        );
        self.say(SafeText::new(&text), Tone::Warn, env.now);
        if self.dialog.is_none() {
            self.dialog = Some(Dialog::Recovered(Box::new(RecoveredDialog::new(plans))));
        }
    }
}

impl JournalLine {
    /// True when its outcome begins with one of these words.
    fn ended_as(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.outcome.as_str().starts_with(word))
    }
}
