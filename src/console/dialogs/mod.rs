//! What stands in front of a view, one at a time: help, the palette, plans and responses, forms, what was opened.
//!
//! Each dialog is a component: it holds its state, takes keys and says what came of them, knows what of it is in sight, and
//! draws itself. The console opens dialogs, does what their [`Outcome`]s say, and knows nothing of their insides.

mod action;
mod copy;
mod entry;
mod form;
mod group;
mod help;
mod job;
mod leaving;
mod palette;
mod payload;
mod plan;
mod profile;
mod recovered;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler as _;

use crate::response::Intent;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::app::{App, Effect, Env, ListId, ListState, Look, Offer, ProfileForm};
use super::command::{CommandId, Scope};
use super::paint::Paint;
use super::views::Place;

pub(super) use action::ActionDialog;
pub use copy::CopyDialog;
pub(super) use entry::{EntryDialog, told};
pub use form::Form;
pub(super) use form::{DetectKind, FormField, FormKind, FormLine, Said};
pub use group::{GroupForm, Naming};
pub(super) use help::HelpDialog;
pub(super) use job::JobForm;
pub(super) use leaving::LeavingDialog;
pub(super) use palette::{PaletteDialog, Pick};
pub use payload::PayloadDialog;
pub(super) use plan::{PlanDialog, PlanPhase};
pub(super) use recovered::RecoveredDialog;

/// Text longer than this is not typed, it is an accident with the clipboard.
pub(super) const PASTE: usize = 4096;

/// The dialog in front of the view.
pub enum Dialog {
    /// The keys in force.
    Help(HelpDialog),
    /// Search over commands, views and things.
    Palette(PaletteDialog),
    /// A filter being typed for a list, in the footer.
    Filter(FilterLine),
    /// A plan being computed or read.
    Plan(Box<PlanDialog>),
    /// The staircase of a response.
    Action(ActionDialog),
    /// A job being filled in.
    Job(Box<JobForm>),
    /// A payload.
    Payload(Box<PayloadDialog>),
    /// A thing group being named.
    Group(Box<GroupForm>),
    /// A security profile being written.
    Profile(Box<ProfileForm>),
    /// Fields to fill in.
    Form(Box<Form>),
    /// An entry of the journal.
    Entry(Box<EntryDialog>),
    /// What the start found cut short.
    Recovered(Box<RecoveredDialog>),
    /// Whether to leave although a response runs.
    Leaving(LeavingDialog),
    /// What to copy.
    Copy(CopyDialog),
}

/// What a dialog does.
pub(super) trait Component {
    /// Which commands hold in front of it, the innermost scope first.
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Payload, Scope::Global]
    }

    /// True when keys are text.
    fn takes_text(&self) -> bool {
        false
    }

    /// A key while it takes text.
    fn key(&mut self, _event: KeyEvent, _here: &Here<'_>) -> Outcome {
        Outcome::Command
    }

    /// One step to the side: another way of showing, another of several.
    fn turn(&mut self, _forward: bool) {}

    /// Takes in what became known meanwhile.
    fn settle(&mut self, _env: &Env<'_>) {}

    /// Where its text is, when it scrolls.
    fn scroll(&mut self) -> Option<&mut ListState> {
        None
    }

    /// How much of its text there is, and room for.
    fn place(&self, _app: &App, _body: Rect) -> Option<Place> {
        None
    }

    /// Commands worth a hint in the footer.
    fn hints(&self, _app: &App) -> &'static [&'static str] {
        &[]
    }

    /// Draws it.
    fn draw(&self, app: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect);
}

/// What a dialog may look at when it takes a key.
pub(super) struct Here<'a> {
    pub(super) env: &'a Env<'a>,
    /// The profiles of the AWS configuration files.
    pub(super) profiles: &'a [Name],
    /// Keys and colours.
    pub(super) look: &'a Look,
    /// The scopes that hold in the view behind it.
    pub(super) scopes: &'static [Scope],
    /// Nothing can be changed here.
    pub(super) barred: bool,
    /// What was run by the palette, the oldest first.
    pub(super) history: &'a [String],
    /// Where the view behind it is.
    pub(super) body: Rect,
}

/// What came of a key.
pub(super) enum Outcome {
    /// It is no text: it may be a command.
    Command,
    /// It was taken in.
    Taken,
    /// The dialog is done with.
    Leave,
    /// What was filled in asks for a plan.
    Ask(SafeText, Intent),
    /// The security profile is put aside as a draft, to be found again; and a plan of it is asked for, or not.
    Draft(Option<(SafeText, Intent)>),
    /// Something is wanted from outside, and a sentence.
    Want(Effect, Option<&'static str>),
    /// The filter of a list is this now; `None` takes it away, and the dialog with it.
    Filter(ListId, Option<String>),
    /// Something of the palette.
    Pick(Pick),
    /// This is to be copied.
    Copy(Offer),
    /// A command that does not work here.
    Elsewhere(CommandId),
}

/// A filter being typed, in the footer.
pub struct FilterLine {
    pub(super) list: ListId,
    pub(super) input: Input,
}

impl Component for FilterLine {
    fn takes_text(&self) -> bool {
        true
    }

    fn key(&mut self, event: KeyEvent, _: &Here<'_>) -> Outcome {
        match event.code {
            KeyCode::Enter => Outcome::Leave,
            KeyCode::Esc => Outcome::Filter(self.list, None),
            _ => {
                type_into(&mut self.input, event);
                Outcome::Filter(self.list, Some(self.input.value().to_owned()))
            }
        }
    }

    fn draw(&self, _: &App, _: &Env<'_>, _: &mut Paint<'_>, _: Rect) {
        // The footer shows it.
    }
}

impl Dialog {
    /// True of what stands in front of the view, which then recedes; a filter is typed to see the view.
    pub(super) fn owns_screen(&self) -> bool {
        !matches!(self, Self::Filter(_))
    }

    /// True of what is filled in field by field, or typed letter by letter.
    pub(super) fn is_form(&self) -> bool {
        matches!(
            self,
            Self::Job(_)
                | Self::Group(_)
                | Self::Profile(_)
                | Self::Form(_)
                | Self::Palette(_)
                | Self::Filter(_)
        )
    }

    pub(super) fn component(&self) -> &dyn Component {
        match self {
            Self::Help(dialog) => dialog,
            Self::Palette(dialog) => dialog,
            Self::Filter(line) => line,
            Self::Plan(dialog) => dialog.as_ref(),
            Self::Action(dialog) => dialog,
            Self::Job(form) => form.as_ref(),
            Self::Payload(dialog) => dialog.as_ref(),
            Self::Group(form) => form.as_ref(),
            Self::Profile(form) => form.as_ref(),
            Self::Form(form) => form.as_ref(),
            Self::Entry(dialog) => dialog.as_ref(),
            Self::Recovered(dialog) => dialog.as_ref(),
            Self::Leaving(dialog) => dialog,
            Self::Copy(dialog) => dialog,
        }
    }

    pub(super) fn component_mut(&mut self) -> &mut dyn Component {
        match self {
            Self::Help(dialog) => dialog,
            Self::Palette(dialog) => dialog,
            Self::Filter(line) => line,
            Self::Plan(dialog) => dialog.as_mut(),
            Self::Action(dialog) => dialog,
            Self::Job(form) => form.as_mut(),
            Self::Payload(dialog) => dialog.as_mut(),
            Self::Group(form) => form.as_mut(),
            Self::Profile(form) => form.as_mut(),
            Self::Form(form) => form.as_mut(),
            Self::Entry(dialog) => dialog.as_mut(),
            Self::Recovered(dialog) => dialog.as_mut(),
            Self::Leaving(dialog) => dialog,
            Self::Copy(dialog) => dialog,
        }
    }
}

/// A key for a line of text that is typed.
fn type_into(input: &mut Input, event: KeyEvent) {
    if input.value().len() < PASTE || !matches!(event.code, KeyCode::Char(_)) {
        input.handle_event(&Event::Key(event));
    }
}

fn is_control(event: KeyEvent) -> bool {
    event.modifiers.contains(KeyModifiers::CONTROL)
}

/// The middle of the screen, as large as its lines need and the screen allows.
fn centre(body: Rect, width: u16, lines: usize) -> Rect {
    let width = width.min(body.width);
    let height = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2).min(body.height);
    Rect { x: body.x + (body.width - width) / 2, y: body.y + (body.height - height) / 2, width, height }
}

/// An empty box in the middle.
fn centered(paint: &mut Paint<'_>, body: Rect, width: u16, lines: usize) -> Rect {
    let area = centre(body, width, lines);
    paint.clear(area);
    area
}
