//! What the operator is looking at: views, cursors, marks, filters, dialogs. Commands change it; views draw it.
//!
//! Nothing here awaits or sends: what a message leads to outside is an [`Effect`] that [`App::update`] gives back. What is in
//! sight is laid out there too, so that drawing only reads.

mod answer;
mod audit_form;
mod colleagues;
mod copy;
mod doctor;
pub(super) mod elsewhere;
mod filter;
mod go;
mod guide;
mod hits;
mod input;
mod lines;
mod list;
mod model;
mod mouse;
mod moves;
mod past;
mod policy;
mod profile_form;
mod rows;
mod rule_form;
mod search;
mod state;
mod stream;
mod streamed;
mod tape;
mod targets;
mod update;
mod watch;
mod whatif;

use std::collections::{HashMap, HashSet};

use crate::config::Verb;
use crate::response::{ActionView, HeldFor, PlanId};
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{DeviceId, Ms, SourceId};

use super::dialogs::Dialog;
use super::key::Key as Pressed;
use super::theme::Ground;
use super::views::{Metered, Payload, Show};

pub use copy::Clip;
pub(super) use copy::Offer;
pub(crate) use doctor::{Diagnosis, DoctorLine};
pub(super) use filter::{Filter, matcher, topic_matches};
#[cfg(test)]
pub(crate) use guide::STEPS;
pub(crate) use guide::{Check, Step};
pub(super) use lines::{
    DeltaGroup, cloned_key, delta_groups, delta_key, event_key, finding_key, outstanding_key,
};
pub(super) use list::{Key, ListId, ListState, key_of};
pub use model::{Effect, Env, JournalLine, Look, View};
pub(crate) use model::{Elsewhere, Tone};
pub(super) use model::{Pane, Section};
pub use mouse::Mouse;
pub(super) use policy::Trial;
pub(super) use profile_form::ProfileForm;
pub(super) use rows::DeviceRows;
pub(super) use rule_form::trials;
pub(super) use state::proven_after;
pub(super) use tape::ReplayMove;
pub use update::Msg;
pub(super) use whatif::{WhatIfState, Would};

/// The operator's side of the console.
pub struct App {
    /// How it looks.
    pub look: Look,
    /// Columns and rows of the screen.
    size: (u16, u16),
    views: Vec<View>,
    pane: Pane,
    zoomed: bool,
    lists: [ListState; ListId::COUNT],
    filters: HashMap<ListId, Filter>,
    rows: DeviceRows,
    marks: HashSet<DeviceId>,
    range: Option<moves::Range>,
    /// When the cursor was moved last.
    moved: Option<Ms>,
    log_scale: bool,
    replay: bool,
    recording: bool,
    paused: Option<u64>,
    dialog: Option<Dialog>,
    pending: Vec<Pressed>,
    /// The keys of the command that runs, as they are shown.
    pressed: Option<String>,
    status: Option<(SafeText, Tone, Ms)>,
    effects: Vec<Effect>,
    /// The thing and the metric whose history the open view shows.
    valued: Option<Metered>,
    /// A security profile that was being written.
    draft: Option<Box<ProfileForm>>,
    /// What was run by the palette, the oldest first.
    history: Vec<String>,
    /// Things a command was typed with: it acts on them.
    named: Vec<DeviceId>,
    /// For how long an isolation was typed to last.
    held_for: Option<HeldFor>,
    /// A key was pressed: from then on the cursor stays with its device.
    touched: bool,
    generation: u64,
    /// Counts the fleets that were looked at: another account, or another time of a recording.
    epoch: u64,
    actions: Vec<ActionView>,
    journal: Option<Result<Vec<JournalLine>, SafeText>>,
    startup: Option<Trouble>,
    diagnosis: Diagnosis,
    leaks: Vec<(Name, Ms)>,
    interrupted: Option<Ms>,
    /// How to reach the local cloud that is looked at with the AWS CLI.
    reach: Option<SafeText>,
    /// What was last asked to be read for what is looked at.
    watching: Option<Vec<SourceId>>,
    /// For a cursor in the shadows and a state of the fleet, what is to be read for it.
    shadow_wanted: Option<((Key, u64), Option<SourceId>)>,
    /// Audits and suppressions are shown in place of a finding's details.
    audits: bool,
    /// When audits were last asked for out of turn.
    asked_tasks: Ms,
    confirmed: Vec<(PlanId, Verb)>,
    /// Plans confirmed of which nothing was heard yet.
    unanswered: Vec<PlanId>,
    /// The plan whose outcome the disk refused, and a sentence about it.
    unwritten: Option<(PlanId, SafeText)>,
    /// The profiles of the AWS configuration files.
    profiles: Vec<Name>,
    section: Section,
    instructing: bool,
    whatif: Option<Box<WhatIfState>>,
    trial: Option<Box<Trial>>,
    search: search::Search,
    /// What a search of the stream has found.
    hits: Option<hits::Hits>,
    /// What stands round what was found is shown too.
    around: bool,
    /// The message beside the stream.
    inspected: Option<Box<Payload>>,
    /// How payloads are shown beside the stream, once that was chosen.
    show: Option<Show>,
    streamed: streamed::Streamed,
    /// The newest message shown while following, and since when.
    shown: Option<(u64, Ms)>,
    /// The page of the stream shown while following.
    paged: Option<stream::Page>,
    /// What the terminal said it writes on.
    ground: Option<Ground>,
}

impl App {
    /// A console that has just begun.
    pub fn new(look: Look) -> Self {
        Self {
            look,
            size: (0, 0),
            views: vec![View::Overview],
            pane: Pane::Devices,
            zoomed: false,
            lists: Default::default(),
            filters: HashMap::new(),
            rows: DeviceRows::default(),
            marks: HashSet::new(),
            range: None,
            moved: None,
            log_scale: false,
            replay: false,
            recording: false,
            paused: None,
            dialog: None,
            pending: Vec::new(),
            pressed: None,
            status: None,
            effects: Vec::new(),
            valued: None,
            draft: None,
            history: Vec::new(),
            named: Vec::new(),
            held_for: None,
            touched: false,
            generation: 0,
            epoch: 0,
            actions: Vec::new(),
            journal: None,
            startup: None,
            diagnosis: Diagnosis::Unknown,
            leaks: Vec::new(),
            interrupted: None,
            reach: None,
            watching: None,
            shadow_wanted: None,
            audits: false,
            asked_tasks: 0,
            confirmed: Vec::new(),
            unanswered: Vec::new(),
            unwritten: None,
            profiles: Vec::new(),
            section: Section::Messages,
            instructing: false,
            whatif: None,
            trial: None,
            search: search::Search::default(),
            hits: None,
            around: false,
            inspected: None,
            show: None,
            streamed: streamed::Streamed::default(),
            shown: None,
            paged: None,
            ground: None,
        }
    }

    /// A line for the operator, at the bottom, for a while.
    pub(super) fn say(&mut self, text: SafeText, tone: Tone, now: Ms) {
        self.status = Some((text, tone, now));
    }

    /// The view in front.
    pub fn view(&self) -> &View {
        self.views.last().unwrap_or(&View::Overview)
    }
}
