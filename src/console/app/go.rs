//! Where the operator is: opening, jumping, leaving, and the dialogs that only look.

use tui_input::Input;

use quell_fleet::DeviceId;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::dialogs::{ActionDialog, Dialog, FilterLine, HelpDialog, LeavingDialog};
use super::list::{ListId, ListState};
use super::{App, Effect, Env, Filter, Tone, View};

/// A second ctrl-c this soon ends quell.
const TWICE: i64 = 2_000;

impl App {
    /// Open what is under the cursor.
    pub(crate) fn open(&mut self, env: &Env<'_>) {
        if self.dialog.is_some() || self.focused_list() == ListId::Text {
            return self.nothing_here(env);
        }
        match self.focused_list() {
            // Without a finding the audits themselves can have the screen.
            list if self.view().has_details()
                && (self.list(list).chosen().is_some() || *self.view() == View::Audit) =>
            {
                *self.list_mut(ListId::Text) = ListState::default();
                self.zoomed = true;
            }
            ListId::Stream => self.open_payload(env),
            ListId::Journal => self.open_entry(),
            ListId::Jobs => {
                if let Some(job) = self.job_under_cursor(env) {
                    self.go(View::Executions(job));
                }
            }
            _ => {
                if let Some(id) = self.thing_here(env) {
                    self.open_device(env, id);
                }
            }
        }
    }

    /// A thing has a view of its own; a topic of no known thing is shown as what was heard on it: AWS is never asked
    /// about a thing that may not exist.
    fn open_device(&mut self, env: &Env<'_>, id: DeviceId) {
        let device = env.fleet.device(id);
        if device.is_unattributed() {
            let topic = device.name().raw();
            // A topic may hold what parts words, or quotes them.
            let topic = match topic.contains([' ', '"']) || topic.contains(char::is_whitespace) {
                true => format!("topic:\"{}\"", topic.replace('"', "\\\"")),
                false => format!("topic:{topic}"),
            };
            self.filters.insert(ListId::Stream, Filter::of_messages(&topic));
            self.go(View::Stream);
        } else {
            self.go(View::Device(Name::clone(device.name())));
        }
    }

    /// Type a filter.
    pub(crate) fn filter(&mut self, env: &Env<'_>) {
        let list = self.focused_list();
        if !self.has_filter(list) || self.dialog.is_some() {
            return self.nothing_here(env);
        }
        let text = self.filter_of(list).map(|f| f.text().to_owned()).unwrap_or_default();
        self.dialog = Some(Dialog::Filter(FilterLine { list, input: Input::new(text) }));
    }

    /// Whether a list can be filtered.
    pub(super) fn has_filter(&self, list: ListId) -> bool {
        !matches!(list, ListId::Text | ListId::Journal | ListId::WhatIf)
    }

    /// Search everything.
    pub(crate) fn palette(&mut self, env: &Env<'_>) {
        self.palette_with("", env);
    }

    /// The keys in force.
    pub(crate) fn help(&mut self, _: &Env<'_>) {
        self.dialog = match self.dialog {
            Some(Dialog::Help(_)) => None,
            _ => Some(Dialog::Help(HelpDialog::default())),
        };
    }

    /// The staircase of the last response.
    pub(crate) fn last_action(&mut self, env: &Env<'_>) {
        match self.actions.last() {
            Some(action) => {
                self.dialog = Some(Dialog::Action(ActionDialog { plan: action.id.clone() }));
            }
            None => self.say(SafeText::new("nothing was done in this session yet"), Tone::Calm, env.now),
        }
    }

    pub(super) fn go(&mut self, view: View) {
        self.dialog = None;
        self.zoomed = false;
        *self.list_mut(ListId::Text) = ListState::default();
        if view.tells_journal() {
            self.effects.push(Effect::ReadJournal);
        }
        if view == View::Overview {
            self.views.truncate(1);
        } else if *self.view() != view {
            // Digits jump: a stack deeper than a person remembers would make `q` a surprise.
            self.views.retain(|v| *v != view);
            self.views.push(view);
            if self.views.len() > 4 {
                self.views.remove(1);
            }
        }
    }

    /// The overview.
    pub(crate) fn view_overview(&mut self, _: &Env<'_>) {
        self.go(View::Overview);
    }

    /// The device under the cursor.
    pub(crate) fn view_device(&mut self, env: &Env<'_>) {
        let id = self.thing_here(env).or_else(|| self.device_at_cursor());
        if let Some(id) = id {
            self.open_device(env, id);
        }
    }

    /// The stream.
    pub(crate) fn view_stream(&mut self, _: &Env<'_>) {
        self.go(View::Stream);
    }

    /// Violations.
    pub(crate) fn view_violations(&mut self, _: &Env<'_>) {
        self.go(View::Violations);
    }

    /// Shadows.
    pub(crate) fn view_shadows(&mut self, _: &Env<'_>) {
        self.go(View::Shadows);
    }

    /// Jobs.
    pub(crate) fn view_jobs(&mut self, _: &Env<'_>) {
        self.go(View::Jobs);
    }

    /// The journal.
    pub(crate) fn view_journal(&mut self, _: &Env<'_>) {
        self.go(View::Journal);
    }

    /// Security profiles.
    pub(crate) fn view_profiles(&mut self, _: &Env<'_>) {
        self.go(View::Profiles);
    }

    /// Past violations.
    pub(crate) fn view_history(&mut self, _: &Env<'_>) {
        self.go(View::History);
    }

    /// Findings of audits.
    pub(crate) fn view_audit(&mut self, _: &Env<'_>) {
        self.go(View::Audit);
    }

    /// Topic rules.
    pub(crate) fn view_rules(&mut self, _: &Env<'_>) {
        self.go(View::Rules);
    }

    /// The connection.
    pub(crate) fn view_link(&mut self, _: &Env<'_>) {
        self.go(View::Link);
    }

    /// All devices by state.
    pub(crate) fn view_grid(&mut self, _: &Env<'_>) {
        self.go(View::Grid);
    }

    /// What the Defender agent of the device under the cursor reports.
    pub(crate) fn view_metrics(&mut self, env: &Env<'_>) {
        self.view_device(env);
        self.section = super::Section::Metrics;
    }

    /// Begins in front of a room.
    pub(crate) fn instruct(&mut self) {
        self.instructing = true;
        self.go(View::Grid);
    }

    /// Begin or end showing the console to a room: nothing is planned, and what is private is masked.
    pub(crate) fn instructor(&mut self, env: &Env<'_>) {
        self.instructing = !self.instructing;
        let text = if self.instructing {
            self.go(View::Grid);
            "instructor mode: account ids and addresses are masked, nothing is planned or sent"
        } else {
            "instructor mode is over"
        };
        self.say(SafeText::new(text), Tone::Calm, env.now);
    }

    /// One step out; never quits.
    pub(crate) fn escape(&mut self, _: &Env<'_>) {
        let list = self.focused_list();
        if self.dialog.take().is_some() {
        } else if self.filters.remove(&list).is_some() {
            self.rows.outdate();
        } else if self.range.take().is_some() || !self.marks.is_empty() {
            self.marks.clear();
            self.rows.outdate();
        } else if self.zoomed {
            self.zoomed = false;
        } else if self.views.len() > 1 {
            self.leave();
        }
    }

    fn leave(&mut self) {
        self.views.pop();
        if let Some(view) = self.views.pop() {
            self.go(view);
        }
        if self.views.is_empty() {
            self.views.push(View::Overview);
        }
    }

    /// Back; at the root, quit.
    pub(crate) fn back(&mut self, env: &Env<'_>) {
        if matches!(self.dialog, Some(Dialog::Leaving(_))) {
            self.effects.push(Effect::Quit);
        } else if self.dialog.take().is_some() {
        } else if self.shows_one() {
            self.zoomed = false;
        } else if self.views.len() > 1 {
            self.leave();
        } else if self.zoomed {
            self.zoomed = false;
        } else {
            // While something runs it is asked once: it would be left unproven.
            self.quit(env);
        }
    }

    /// Quit; asked once more while a response runs.
    pub(crate) fn quit(&mut self, _: &Env<'_>) {
        if self.is_responding() {
            self.dialog = Some(Dialog::Leaving(LeavingDialog));
        } else {
            self.effects.push(Effect::Quit);
        }
    }

    /// Into the background.
    pub(crate) fn suspend(&mut self, _: &Env<'_>) {
        self.effects.push(Effect::Suspend);
    }

    /// Everything again.
    pub(crate) fn redraw(&mut self, _: &Env<'_>) {
        self.effects.push(Effect::Redraw);
    }

    /// The first says how, the second quits.
    pub(crate) fn interrupt(&mut self, env: &Env<'_>) {
        if self.interrupted.is_some_and(|at| env.now - at < TWICE) {
            self.effects.push(Effect::Quit);
        } else {
            self.interrupted = Some(env.now);
            let text = if self.is_responding() {
                "ctrl-c once more quits, and leaves the response that is running unproven"
            } else {
                "ctrl-c once more quits"
            };
            self.say(SafeText::new(text), Tone::Warn, env.now);
        }
    }

    /// Quit.
    pub(crate) fn force_quit(&mut self, _: &Env<'_>) {
        self.effects.push(Effect::Quit);
    }
}
