//! Reading accessors for the views, and the words for what is.

use crate::config::Verb;
use crate::response::{ActionView, Outcome, PlanId, RowState, Sweep, Swept, TargetOutcome};
use quell_fleet::text::SafeText;
use quell_fleet::{DeviceId, Ms};

use super::super::command::{self, Scope};
use super::super::dialogs::Dialog;
use super::super::key::Key as Pressed;
use super::super::views::{Metered, shown_key};
use super::super::words;
use super::{App, DeviceRows, Filter, JournalLine, ListId, ListState, Pane, Section, Tone, View};
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;

/// How an action ended, in one line.
pub(super) fn outcome_line(
    view: &ActionView,
    verb: Option<Verb>,
    now: Ms,
    look: &super::Look,
) -> (SafeText, Tone) {
    let (word, tone) = match &view.finished {
        Some(Outcome::Proven) => {
            let whom = match view.targets.as_slice() {
                [only] => only.name.shown().to_string(),
                many => words::plural(many.len(), "thing", "things"),
            };
            let time = proven_after(view).map(|ms| format!(" in {}", words::took(ms))).unwrap_or_default();
            let (check, at) = (look.theme.symbols.check, words::clock(now, &look.zone));
            let text = format!(
                "journal {check} {at} {whom} {}{time}",
                verb.map_or("proven", |verb| verb.words().proven)
            );
            return (SafeText::new(&text), Tone::Calm);
        }
        Some(Outcome::Unproven) => {
            (verb.map_or("done, but not proven", |verb| verb.words().unproven), Tone::Warn)
        }
        Some(Outcome::Partly) => ("partly done", Tone::Warn),
        Some(Outcome::Failed) => (verb.map_or("nothing was changed", |verb| verb.words().failed), Tone::Warn),
        Some(Outcome::Interrupted) => ("interrupted", Tone::Warn),
        Some(Outcome::Left) => ("left unproven", Tone::Warn),
        None => (verb.map_or("under way", |verb| verb.words().doing), Tone::Calm),
    };
    (SafeText::new(&format!("{}: {word}", view.title)), tone)
}

/// Milliseconds from the confirmation to the last proof of the slowest target: the whole wait, not the first of its
/// steps.
pub(crate) fn proven_after(view: &ActionView) -> Option<Ms> {
    view.targets
        .iter()
        .filter(|t| matches!(t.outcome, Some(TargetOutcome::Proven { .. })))
        .flat_map(|t| &t.rows)
        .filter_map(|row| match row.state {
            RowState::Done(after) => Some(after),
            _ => None,
        })
        .max()
}

impl App {
    /// The verb a plan was confirmed with.
    pub(crate) fn verb_of(&self, plan: &PlanId) -> Option<Verb> {
        self.confirmed.iter().find(|(id, _)| id == plan).map(|(_, verb)| *verb)
    }

    /// Whether a room is being shown the console: nothing is planned, and what is private is masked.
    pub(crate) fn is_instructing(&self) -> bool {
        self.instructing
    }

    /// Which fleet is looked at: another number, and nothing told of the one before holds.
    pub(in crate::console) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Columns and rows of the screen.
    pub(crate) fn size(&self) -> (u16, u16) {
        self.size
    }

    /// The key that runs a command here, as the eye knows it; `None` where none does.
    pub(crate) fn key_for(&self, id: &str) -> Option<String> {
        let key = self.look.keymap.key_for(self.scopes(), command::find(id)?)?;
        Some(shown_key(&key, &self.look.theme))
    }

    /// The focused part of the device view.
    pub(crate) fn section(&self) -> Section {
        self.section
    }

    /// Whether audits and suppressions are shown in place of a finding's details.
    pub(crate) fn shows_audits(&self) -> bool {
        self.audits
    }

    /// The focused pane of the overview.
    pub(crate) fn pane(&self) -> Pane {
        self.pane
    }

    /// Whether the focused pane has the whole screen.
    pub(crate) fn zoomed(&self) -> bool {
        self.zoomed
    }

    /// True while the line that is chosen in a list has the screen.
    pub(crate) fn shows_one(&self) -> bool {
        self.zoomed && self.view().has_details()
    }

    /// A list's cursor and window.
    pub(crate) fn list(&self, id: ListId) -> &ListState {
        &self.lists[id as usize]
    }

    pub(super) fn list_mut(&mut self, id: ListId) -> &mut ListState {
        &mut self.lists[id as usize]
    }

    /// The list keys go to.
    pub(crate) fn focused_list(&self) -> ListId {
        match self.view() {
            View::Overview => self.pane.list(),
            View::Device(_) => ListId::Text,
            View::Stream => ListId::Stream,
            View::Violations => ListId::Violations,
            _ if self.shows_one() => ListId::Text,
            View::Shadows => ListId::Shadows,
            View::Jobs => ListId::Jobs,
            View::Executions(_) => ListId::Executions,
            View::Journal => ListId::Journal,
            View::Profiles => ListId::Profiles,
            View::History => ListId::History,
            View::Audit => ListId::Findings,
            View::Rules => ListId::Rules,
            View::Grid | View::Doctor | View::Link | View::Guide | View::Policy(_) => ListId::Text,
            View::WhatIf => ListId::WhatIf,
        }
    }

    /// The filter of a list, if there is one.
    pub(crate) fn filter_of(&self, list: ListId) -> Option<&Filter> {
        self.filters.get(&list).filter(|f| !f.is_empty())
    }

    /// The device rows, filtered and sorted.
    pub(crate) fn rows(&self) -> &DeviceRows {
        &self.rows
    }

    /// The devices in sight, as they were laid out.
    pub(crate) fn devices_in_sight(&self) -> impl Iterator<Item = DeviceId> {
        let list = self.list(ListId::Devices);
        self.rows.ids().iter().skip(list.top()).take(list.in_sight().len()).copied()
    }

    /// Whether a device is marked.
    pub(crate) fn is_marked(&self, id: DeviceId) -> bool {
        self.marks.contains(&id)
    }

    /// How many devices are marked.
    pub fn marked(&self) -> usize {
        self.marks.len()
    }

    /// Whether sparklines are logarithmic.
    pub(crate) fn is_log_scale(&self) -> bool {
        self.log_scale
    }

    /// The dialog in front.
    pub fn dialog(&self) -> Option<&Dialog> {
        self.dialog.as_ref()
    }

    /// Keys of a sequence that has begun.
    pub(crate) fn pending(&self) -> &[Pressed] {
        &self.pending
    }

    /// The status line.
    pub(crate) fn status(&self) -> Option<(&SafeText, Tone, Ms)> {
        self.status.as_ref().map(|(text, tone, at)| (text, *tone, *at))
    }

    /// Responses of this session, the newest last.
    pub(crate) fn actions(&self) -> &[ActionView] {
        &self.actions
    }

    /// The latest sweep of a thing in this session.
    pub(crate) fn sweep_of(&self, thing: &Name) -> Option<&Sweep> {
        self.actions.iter().rev().find_map(|action| match &action.swept {
            Swept::Done(sweeps) => sweeps.iter().find(|sweep| sweep.thing == *thing),
            _ => None,
        })
    }

    /// The journal as last read.
    pub(crate) fn journal_lines(&self) -> Option<&Result<Vec<JournalLine>, SafeText>> {
        self.journal.as_ref()
    }

    /// What stands in the way of reading anything.
    pub(crate) fn startup_trouble(&self) -> Option<&Trouble> {
        self.startup.as_ref()
    }

    /// How to reach the local cloud that is looked at with the AWS CLI.
    pub(crate) fn reach(&self) -> Option<&SafeText> {
        self.reach.as_ref()
    }

    /// The thing and the metric whose history the open view shows.
    pub(in crate::console) fn valued(&self) -> Option<&Metered> {
        self.valued.as_ref()
    }

    /// Devices that are isolated, yet heard.
    pub(crate) fn leaks(&self) -> &[(Name, Ms)] {
        &self.leaks
    }

    /// The scopes that hold now, the innermost first.
    pub(crate) fn scopes(&self) -> &'static [Scope] {
        match &self.dialog {
            Some(dialog) => dialog.component().scopes(),
            None => self.view_scopes(),
        }
    }

    /// Whether nothing can be changed: read-only, in front of a room, of a recording, or without AWS.
    pub(crate) fn is_barred(&self) -> bool {
        self.look.read_only || self.instructing || !self.look.aws
    }

    /// The scopes that hold in the view, whatever stands in front of it.
    pub(crate) fn view_scopes(&self) -> &'static [Scope] {
        let own = match self.view() {
            View::WhatIf => Some(Scope::WhatIf),
            View::Stream => Some(Scope::Stream),
            // What changes something is not offered in front of a recording.
            _ if self.replay => None,
            View::Rules => Some(Scope::Rules),
            View::Audit => Some(Scope::Audit),
            View::Jobs | View::Executions(_) => Some(Scope::Jobs),
            View::Profiles => Some(Scope::Profiles),
            View::Journal => Some(Scope::Journal),
            View::Doctor => Some(Scope::Doctor),
            _ => None,
        };
        Scope::of_view(own, self.replay)
    }
}
