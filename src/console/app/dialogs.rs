//! Dialogs: one at a time, in front of the view.

use tui_input::Input;

use crate::response::{Intent, Plan, PlanId, Target};
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{Kept, Ms};

use super::super::command::CommandId;
use super::list::ListId;
use super::{ListState, View};

/// What is in front of the view.
pub enum Overlay {
    /// The keys in force.
    Help(ListState),
    /// Search over commands, views and things.
    Palette(PaletteState),
    /// A filter being typed for a list.
    Filter(ListId, Input),
    /// A plan being computed or read.
    Plan(Box<PlanDialog>),
    /// The staircase of a response.
    Action(PlanId),
    /// A job being filled in.
    Job(Box<JobForm>),
    /// A payload.
    Payload(Box<PayloadState>),
    /// A thing group being named.
    Group(Box<GroupForm>),
    /// A security profile being written.
    Profile(Box<super::ProfileForm>),
    /// Fields to fill in.
    Fields(Box<super::FieldsForm>),
    /// An entry of the journal.
    Entry(Box<EntryState>),
    /// What the start found cut short.
    Recovered(Box<RecoveredState>),
    /// Whether to leave although a response runs.
    Leaving,
}

impl Overlay {
    /// Where its text is, when it scrolls.
    pub(super) fn scroll(&mut self) -> Option<&mut ListState> {
        match self {
            Self::Help(scroll) => Some(scroll),
            Self::Payload(payload) => Some(&mut payload.scroll),
            Self::Plan(dialog) => Some(&mut dialog.scroll),
            Self::Entry(entry) => Some(&mut entry.scroll),
            Self::Recovered(state) => Some(&mut state.scroll),
            _ => None,
        }
    }
}

/// A plan on the screen.
pub struct PlanDialog {
    /// Comes back with the answer.
    pub generation: u64,
    /// What was asked for, in a few words, until the plan has a title.
    pub asked: SafeText,
    /// Since when it is being computed.
    pub since: Ms,
    /// How far it is.
    pub phase: PlanPhase,
    /// What it was asked with: asked again, changed, by editing.
    pub intent: Intent,
    /// The changed group being typed.
    pub editing: Option<Input>,
    /// What is typed to confirm.
    pub typed: Input,
    /// Whether the requests are shown.
    pub calls: bool,
    /// Where its text is.
    pub scroll: ListState,
}

/// How far a plan is.
pub enum PlanPhase {
    /// The account is being read.
    Computing,
    /// Here it is.
    Ready(Box<Plan>),
    /// It could not be computed.
    Failed(Trouble),
}

impl PlanDialog {
    /// True when keys are text.
    pub fn wants_text(&self) -> bool {
        use crate::response::Confirmation;
        if self.editing.is_some() {
            return true;
        }
        matches!(&self.phase, PlanPhase::Ready(plan)
            if plan.refused().is_none() && !matches!(plan.confirmation(), Confirmation::Nothing | Confirmation::Enter))
    }
}

/// What is being named, and for what.
#[derive(Clone, Debug, PartialEq)]
pub enum Naming {
    /// A thing group to put things into.
    Join,
    /// A thing group to take things out of.
    Leave,
    /// A mitigation action of AWS for these violations.
    Mitigate(Vec<String>),
}

/// A thing group, or a mitigation action, being named.
pub struct GroupForm {
    /// For what.
    pub naming: Naming,
    /// The things.
    pub things: Vec<Target>,
    /// The things, in words.
    pub whom: SafeText,
    /// What is typed.
    pub input: Input,
    /// Groups, or mitigation actions, the fleet knows, that match what is typed.
    pub known: Vec<Name>,
    /// What is wrong with it.
    pub trouble: Option<SafeText>,
}

/// An opened entry of the journal.
pub struct EntryState {
    /// The entry.
    pub line: super::JournalLine,
    /// Where its text is.
    pub scroll: ListState,
}

/// Plans that an earlier process began and never ended.
pub struct RecoveredState {
    /// The plans, oldest first.
    pub plans: Vec<crate::response::past::Past>,
    /// Which of them is shown.
    pub chosen: usize,
    /// Where its text is.
    pub scroll: ListState,
}

impl RecoveredState {
    /// The one before, or the one after.
    pub(super) fn turn(&mut self, forward: bool) {
        let step = if forward { 1 } else { self.plans.len() - 1 };
        self.chosen = (self.chosen + step) % self.plans.len().max(1);
        self.scroll = ListState::default();
    }
}

/// The palette.
pub struct PaletteState {
    /// What is typed.
    pub input: Input,
    /// What matches, the best first.
    pub found: Vec<PalettePick>,
    /// Which of them is chosen.
    pub chosen: usize,
}

/// Something the palette can go to.
#[derive(Clone, Debug, PartialEq)]
pub enum PalettePick {
    /// A command.
    Command(CommandId),
    /// A thing.
    Thing(Name),
    /// A view.
    View(View),
    /// Another profile or region.
    Elsewhere(super::Elsewhere),
}

/// How a payload is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// As a JSON tree.
    Json,
    /// As text.
    Text,
    /// As bytes.
    Hex,
}

/// An opened message.
pub struct PayloadState {
    /// The message, kept here: it may be let go by the ring meanwhile.
    pub message: Kept,
    /// Its topic.
    pub topic: SafeText,
    /// How it is shown.
    pub show: Show,
    /// The parsed payload, when it is JSON.
    pub json: Option<serde_json::Value>,
    /// Where its text is.
    pub scroll: ListState,
}

/// Fields of the job form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The job's id.
    Id,
    /// What it runs on.
    Target,
    /// Snapshot or continuous.
    Continuous,
    /// The document.
    Document,
}

impl Field {
    /// In the order of the form.
    pub const ALL: [Self; 4] = [Self::Id, Self::Target, Self::Continuous, Self::Document];
}

/// A job being filled in.
pub struct JobForm {
    /// The job's id.
    pub id: Input,
    /// A group, or things.
    pub target: Input,
    /// Things the marks named: used when `target` is empty or says so.
    pub things: Vec<Name>,
    /// CONTINUOUS rather than SNAPSHOT.
    pub continuous: bool,
    /// The job document.
    pub document: Input,
    /// Which field is being filled in.
    pub field: Field,
    /// What is wrong with it.
    pub trouble: Option<SafeText>,
}

impl PayloadState {
    /// A message, opened as JSON when it is JSON and small enough to be read as a tree.
    pub fn new(message: quell_fleet::Kept, topic: SafeText) -> Self {
        const TREE: usize = 64 << 10;
        let json = message
            .payload
            .as_deref()
            .filter(|bytes| bytes.len() <= TREE)
            .and_then(|bytes| serde_json::from_slice(bytes).ok());
        let text = message.payload.as_deref().is_some_and(|bytes| std::str::from_utf8(bytes).is_ok());
        let show = match (&json, text) {
            (Some(_), _) => Show::Json,
            (None, true) => Show::Text,
            (None, false) => Show::Hex,
        };
        Self { message, topic, show, json, scroll: ListState::default() }
    }

    /// The next way of showing, or the previous one.
    pub(super) fn turn(&mut self, forward: bool) {
        let ways: &[Show] =
            if self.json.is_some() { &[Show::Json, Show::Text, Show::Hex] } else { &[Show::Text, Show::Hex] };
        let at = ways.iter().position(|s| *s == self.show).unwrap_or(0);
        let next = if forward { at + 1 } else { at + ways.len() - 1 };
        self.show = ways[next % ways.len()];
        self.scroll = ListState::default();
    }
}
