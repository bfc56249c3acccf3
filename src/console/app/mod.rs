//! What the operator is looking at: views, cursors, marks, filters, dialogs. Commands change it; views draw it.
//!
//! Nothing here awaits or sends: what a command wants from outside is an [`Effect`] for the event loop.

mod answer;
mod answered;
mod audit_form;
mod dialogs;
mod doctor;
pub(super) mod elsewhere;
mod fields;
mod filter;
mod form;
mod go;
mod input;
mod lines;
mod list;
mod model;
mod moves;
mod past;
mod profile_form;
mod rows;
mod rule_form;
mod search;
mod state;
mod streamed;
mod tape;
mod targets;
mod watch;
mod whatif;

use std::collections::{HashMap, HashSet};

use crate::response::{ActionView, PlanId};
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{Changes, DeviceId, Ms};

use super::key::Key as Pressed;

pub use dialogs::{
    EntryState, Field, GroupForm, JobForm, Naming, Overlay, PalettePick, PaletteState, PayloadState,
    PlanDialog, PlanPhase, RecoveredState, Show,
};
pub use doctor::{Diagnosis, DoctorLine};
pub use fields::{FieldsForm, FieldsKind, FormField, Said, Value};
pub use filter::{Filter, Subject, topic_matches};
pub use form::{FormKind, FormLine};
pub use lines::{DeltaGroup, delta_groups};
pub(super) use lines::{delta_key, event_key, finding_key};
pub use list::{Key, ListId, ListState, key_of};
pub use model::{Effect, Elsewhere, Env, JournalLine, Look, Pane, Section, Tone, View};
pub use profile_form::{ProfileField, ProfileForm};
pub use rows::{DeviceRows, Sort};
pub use state::{condition_word, done_word, proven_after};
pub use tape::ReplayMove;
pub use whatif::{WhatIfState, Would};

/// The operator's side of the console.
pub struct App {
    /// How it looks.
    pub look: Look,
    views: Vec<View>,
    pane: Pane,
    zoomed: bool,
    lists: [ListState; ListId::COUNT],
    filters: HashMap<ListId, Filter>,
    rows: DeviceRows,
    marks: HashSet<DeviceId>,
    range: Option<DeviceId>,
    log_scale: bool,
    replay: bool,
    recording: bool,
    paused: Option<u64>,
    overlay: Option<Overlay>,
    pending: Vec<Pressed>,
    status: Option<(SafeText, Tone, Ms)>,
    effects: Vec<Effect>,
    /// The thing and the metric whose history the open view shows.
    valued: Option<(Name, SafeText)>,
    /// A security profile that was being written.
    draft: Option<Box<ProfileForm>>,
    /// A key was pressed: from then on the cursor stays with its device.
    touched: bool,
    generation: u64,
    actions: Vec<ActionView>,
    journal: Option<Result<Vec<JournalLine>, SafeText>>,
    startup: Option<Trouble>,
    diagnosis: Diagnosis,
    leaks: Vec<(Name, Ms)>,
    interrupted: Option<Ms>,
    watched: Vec<DeviceId>,
    /// The rule whose metrics are read.
    watched_rule: Option<Name>,
    /// Audits and suppressions are shown in place of a finding's details.
    audits: bool,
    /// When audits were last asked for out of turn.
    asked_tasks: Ms,
    confirmed: Vec<(PlanId, &'static str)>,
    /// Plans confirmed of which nothing was heard yet.
    unanswered: Vec<PlanId>,
    /// The profiles of the AWS configuration files.
    profiles: Vec<Name>,
    section: Section,
    instructing: bool,
    whatif: Option<Box<WhatIfState>>,
    search: search::Search,
    streamed: streamed::Streamed,
    /// The newest message shown while following, and since when.
    shown: Option<(u64, Ms)>,
}

impl App {
    /// A console that has just begun.
    pub fn new(look: Look) -> Self {
        Self {
            look,
            views: vec![View::Overview],
            pane: Pane::Devices,
            zoomed: false,
            lists: Default::default(),
            filters: HashMap::new(),
            rows: DeviceRows::default(),
            marks: HashSet::new(),
            range: None,
            log_scale: false,
            replay: false,
            recording: false,
            paused: None,
            overlay: None,
            pending: Vec::new(),
            status: None,
            effects: Vec::new(),
            valued: None,
            draft: None,
            touched: false,
            generation: 0,
            actions: Vec::new(),
            journal: None,
            startup: None,
            diagnosis: Diagnosis::Unknown,
            leaks: Vec::new(),
            interrupted: None,
            watched: Vec::new(),
            watched_rule: None,
            audits: false,
            asked_tasks: 0,
            confirmed: Vec::new(),
            unanswered: Vec::new(),
            profiles: Vec::new(),
            section: Section::Messages,
            instructing: false,
            whatif: None,
            search: search::Search::default(),
            streamed: streamed::Streamed::default(),
            shown: None,
        }
    }

    /// What commands wanted since the last call.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Something changed: keeps the caches and the leak banner true. Call before drawing.
    pub fn refresh(&mut self, env: &Env<'_>) {
        let filter = self.filters.get(&ListId::Devices);
        // A filter just typed takes the cursor along: what it hides must not be acted on.
        let refiltered = self.rows.is_outdated();
        self.rows.refresh(env, filter, &self.marks);
        let list = &mut self.lists[ListId::Devices as usize];
        let lost = |key: Option<Key>| key.is_none_or(|key| refiltered && !self.rows.keys().contains(&key));
        // Until somebody presses a key the worst is in sight and under the cursor, also when it comes last.
        if (!self.touched || lost(list.cursor()))
            && let Some(first) = self.rows.keys().first()
        {
            list.set(Some(*first));
        }
        self.rest_cursor(env);
        self.follow(env);
        if let Some(Overlay::Profile(form)) = &mut self.overlay {
            form.keep_judged(env);
        }
        // The account's mitigation actions may come while one is being named.
        if let Some(Overlay::Group(form)) = &mut self.overlay {
            form.complete(env);
        }
        self.refresh_what_if(env);
        if self.look.aws {
            self.watch_certificates(env);
            self.watch_rule(env);
            self.watch_values(env);
            self.stream_what_matters(env);
            self.search_index(env);
        }
        self.leaks.retain(|(name, _)| {
            env.fleet
                .find(name.raw())
                .is_some_and(|id| env.fleet.device(id).condition() == quell_fleet::Condition::Leaking)
        });
        if let Some((_, tone, at)) = &self.status {
            let stays = if *tone == Tone::Warn { 15_000 } else { 6_000 };
            if env.now - at > stays {
                self.status = None;
            }
        }
    }

    /// A list that is looked at has a line that keys act on: the first one, until somebody moves. The stream follows its
    /// newest message instead.
    pub(super) fn rest_cursor(&mut self, env: &Env<'_>) {
        let list = self.focused_list();
        let filtered = self.filter_of(list).is_some();
        let settled = self.list(list).cursor().is_some() && !filtered;
        if settled || matches!(list, ListId::Devices | ListId::Stream | ListId::Text) {
            return;
        }
        // A line that left the list is not replaced by itself; one that a filter hides is: nobody acts on what is unseen.
        let keys = self.keys(list, env);
        if self.list(list).cursor().is_none_or(|key| !keys.contains(&key)) {
            self.list_mut(list).set(keys.first().copied());
        }
    }

    /// A dense stream moves on four times a second: faster nobody reads, and every line of it costs bytes on a slow line.
    fn follow(&mut self, env: &Env<'_>) {
        const DENSE: f64 = 20.0;
        const STEP: Ms = 250;
        let newest = env.fleet.stream().iter().next_back().map(|k| k.seq);
        let waits = self.shown.is_some_and(|(seq, at)| {
            (0..STEP).contains(&(env.now - at)) && newest.is_some_and(|newest| newest >= seq)
        });
        if !waits || env.fleet.rates(env.now).messages_per_s < DENSE {
            self.shown = newest.map(|seq| (seq, env.now));
        }
    }

    /// Takes note of what the fleet says has changed.
    pub fn note(&mut self, changes: Changes, env: &Env<'_>) {
        if changes.contains(Changes::LEAK) {
            for (_, device) in env.fleet.devices() {
                let known = self.leaks.iter().any(|(name, _)| name == device.name());
                if device.condition() == quell_fleet::Condition::Leaking && !known {
                    self.leaks.push((device.name().clone(), env.now));
                    let text = format!("quell: {} is isolated, yet heard", device.name().shown());
                    self.effects.push(Effect::Notify(SafeText::new(&text)));
                }
            }
        }
    }

    /// A plan cannot even be asked for: there is no connection to AWS yet, or none at all.
    pub fn no_plan(&mut self, generation: u64, why: SafeText, now: Ms) {
        if let Some(Overlay::Plan(dialog)) = &mut self.overlay
            && dialog.generation == generation
        {
            let kind = quell_fleet::known::TroubleKind::Unreachable;
            dialog.phase =
                PlanPhase::Failed(Trouble { kind, message: why, missing_action: None, since: now });
        }
    }

    /// What stands in the way of reading anything: no credentials, no endpoint.
    pub fn cannot_connect(&mut self, trouble: Option<Trouble>) {
        self.startup = trouble;
    }

    /// The journal was read, or could not be.
    pub fn journal_read(&mut self, lines: Result<Vec<JournalLine>, SafeText>) {
        self.journal = Some(lines);
    }

    /// A line for the operator, at the bottom, for a while.
    pub fn say(&mut self, text: SafeText, tone: Tone, now: Ms) {
        self.status = Some((text, tone, now));
    }

    /// The view in front.
    pub fn view(&self) -> &View {
        self.views.last().unwrap_or(&View::Overview)
    }
}
