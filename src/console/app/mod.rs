//! What the operator is looking at: views, cursors, marks, filters, dialogs. Commands change it; views draw it.
//!
//! Nothing here awaits or sends: what a command wants from outside is an [`Effect`] for the event loop.

mod answer;
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
mod moves;
mod past;
mod profile_form;
mod rows;
mod rule_form;
mod state;
mod tape;
mod targets;
mod whatif;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use jiff::tz::TimeZone;

use crate::fleet::known::Trouble;
use crate::fleet::model::Name;
use crate::fleet::{Changes, DeviceId, Fleet, Ms, SourceId};
use crate::response::{ActionView, Answer, Intent, Plan, PlanId};
use crate::text::SafeText;

use super::key::Key as Pressed;
use super::keymap::Keymap;
use super::theme::Theme;

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
pub use profile_form::{ProfileField, ProfileForm};
pub use rows::{DeviceRows, Sort};
pub use state::{condition_word, done_word, proven_after};
pub use tape::ReplayMove;
pub use whatif::{WhatIfState, Would};

/// What a command or a view may look at.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// The truth.
    pub fleet: &'a Fleet,
    /// The time.
    pub now: Ms,
}

/// A screen.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// The four live things.
    Overview,
    /// One device.
    Device(Name),
    /// Every message.
    Stream,
    /// Violations.
    Violations,
    /// Shadow deltas.
    Shadows,
    /// Jobs.
    Jobs,
    /// Executions of a job.
    Executions(Name),
    /// What was done.
    Journal,
    /// Security profiles.
    Profiles,
    /// Past violations.
    History,
    /// Findings of audits.
    Audit,
    /// Topic rules.
    Rules,
    /// The connection: what it carries, loses and is refused.
    Link,
    /// All devices as cells by state.
    Grid,
    /// Whether the account is ready for an incident.
    Doctor,
    /// A behaviour with other numbers.
    WhatIf,
}

/// The panes of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pane {
    /// Devices.
    Devices,
    /// Violations.
    Violations,
    /// Shadow deltas.
    Deltas,
    /// Telemetry.
    Telemetry,
}

impl Pane {
    /// In the order `Tab` takes.
    pub const ALL: [Self; 4] = [Self::Devices, Self::Violations, Self::Deltas, Self::Telemetry];

    /// The list it shows.
    pub fn list(self) -> ListId {
        match self {
            Self::Devices => ListId::Devices,
            Self::Violations => ListId::Violations,
            Self::Deltas => ListId::Deltas,
            Self::Telemetry => ListId::Stream,
        }
    }
}

/// The parts of the device view beside its facts, in the order `Tab` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What was heard of it last.
    Messages,
    /// Reported, desired, delta.
    Shadow,
    /// An hour of sizes, and how often each size came.
    Sizes,
    /// Past violations.
    Violations,
    /// Policies in effect for its certificates.
    Policies,
    /// Its job executions.
    Jobs,
    /// What was done to it, and by whom.
    Done,
    /// What its Defender agent reports.
    Metrics,
}

impl Section {
    /// In the order `Tab` takes.
    pub const ALL: [Self; 8] = [
        Self::Messages,
        Self::Shadow,
        Self::Sizes,
        Self::Violations,
        Self::Policies,
        Self::Jobs,
        Self::Done,
        Self::Metrics,
    ];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Messages => "Last messages",
            Self::Shadow => "Shadow",
            Self::Sizes => "Sizes",
            Self::Violations => "Violation history",
            Self::Policies => "Policies in effect",
            Self::Jobs => "Job executions",
            Self::Done => "What was done",
            Self::Metrics => "Device-side metrics",
        }
    }
}

/// What a command wants from outside.
#[derive(Debug)]
pub enum Effect {
    /// End.
    Quit,
    /// Go into the background.
    Suspend,
    /// Draw everything again.
    Redraw,
    /// Put a name into the clipboard.
    Copy(SafeText),
    /// Ring.
    Notify(SafeText),
    /// Compute a plan.
    Plan {
        /// Comes back with the answer.
        generation: u64,
        /// What is wanted.
        intent: Intent,
    },
    /// Stop a running response after the requests under way.
    Stop(PlanId),
    /// Carry a plan out.
    Confirm {
        /// The plan.
        plan: Box<Plan>,
        /// What was typed.
        typed: Option<String>,
    },
    /// The open view needs these.
    Watch(Vec<SourceId>),
    /// These have just been changed: read them as soon as possible.
    ReadSoon(Vec<SourceId>),
    /// Read the journal.
    ReadJournal,
    /// Read a file that holds a security profile.
    ImportProfile {
        /// The file.
        path: PathBuf,
        /// Which profile, when the file has several; else empty.
        name: String,
    },
    /// Write a new file.
    ExportProfile {
        /// The file, which must not exist.
        path: PathBuf,
        /// What it is to hold.
        text: String,
    },
    /// Read the names of the profiles.
    ReadProfiles,
    /// Go to another profile or region.
    Switch(Elsewhere),
    /// Look whether the account is ready for an incident.
    Examine,
    /// Begin or end a recording.
    Record,
    /// Move in a recording.
    Replay(ReplayMove),
}

/// Another profile or region to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// A profile of the AWS configuration files.
    Profile(Name),
    /// The same, with a code of its MFA device.
    Coded(Name, crate::config::Secret),
    /// A region.
    Region(Name),
}

/// How much a status line should be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Done, or good to know.
    Calm,
    /// Read this.
    Warn,
}

/// One line of the journal view.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalLine {
    /// When.
    pub at: Ms,
    /// Who.
    pub who: SafeText,
    /// What.
    pub what: SafeText,
    /// To what.
    pub target: SafeText,
    /// How it ended; empty while it runs.
    pub outcome: SafeText,
    /// True when it ended well.
    pub good: bool,
    /// The verb it was asked with: `isolate`, `job create`.
    pub verb: String,
    /// Whom it acted on, exact.
    pub targets: Vec<Name>,
    /// The plan, as undo and finish name it.
    pub plan: String,
    /// Every request with its id, and how each target ended.
    pub details: Vec<SafeText>,
}

/// How the console was set up.
#[derive(Clone, Debug)]
pub struct Look {
    /// Colours and shapes.
    pub theme: Theme,
    /// Keys.
    pub keymap: Keymap,
    /// The time zone of times shown.
    pub zone: TimeZone,
    /// Says that this is not AWS: `LOCAL ×10`.
    pub badge: Option<SafeText>,
    /// Every change is refused.
    pub read_only: bool,
    /// False with `--no-aws`: nothing is polled, so nothing of it is missing.
    pub aws: bool,
    /// Where the journal is.
    pub journal: Option<PathBuf>,
    /// What AWS's durations are divided by: 1 but for a sped-up emulator.
    pub speed: f64,
    /// The thing group that isolation puts things into.
    pub isolation_group: String,
    /// The thing group that updates are offered to.
    pub update_group: String,
}

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
        if lost(list.cursor())
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
        }
        self.leaks.retain(|(name, _)| {
            env.fleet
                .find(name.raw())
                .is_some_and(|id| env.fleet.device(id).condition() == crate::fleet::Condition::Leaking)
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

    /// On the overview, certificates are read for what an operator is about to act on: the cursor's device and the
    /// worst few. Reading them for a whole fleet would use up the account's API quota.
    fn watch_certificates(&mut self, env: &Env<'_>) {
        const FEW: usize = 8;
        if *self.view() != View::Overview {
            self.watched.clear();
            return;
        }
        let here = self.device_at_cursor();
        let worst = self.rows.ids().iter().copied().take(FEW);
        let mut wanted: Vec<DeviceId> =
            here.into_iter().chain(worst).filter(|id| !env.fleet.device(*id).is_unattributed()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted != self.watched {
            let names = wanted.iter().map(|id| env.fleet.device(*id).name().clone());
            self.effects.push(Effect::Watch(names.map(SourceId::Certificates).collect()));
            self.watched = wanted;
        }
    }

    /// CloudWatch is read for the rule under the cursor only: each metric asked for is paid for.
    fn watch_rule(&mut self, env: &Env<'_>) {
        let rule = self.rule_here(env).map(|r| r.name.clone());
        if rule != self.watched_rule {
            if let Some(rule) = &rule {
                self.effects.push(Effect::Watch(vec![SourceId::Rules, SourceId::RuleMetrics(rule.clone())]));
            }
            self.watched_rule = rule;
        }
    }

    /// In the violations' views, AWS's own values of what the cursor is on are read.
    fn watch_values(&mut self, env: &Env<'_>) {
        if !matches!(self.view(), View::Violations | View::History) {
            self.valued = None;
            return;
        }
        let wanted = self.metric_here(env);
        if wanted != self.valued {
            let mut sources = go::VIOLATIONS.to_vec();
            sources.extend(wanted.clone().map(|(thing, metric)| SourceId::Values(thing, metric)));
            self.effects.push(Effect::Watch(sources));
            self.valued = wanted;
        }
    }

    /// The thing and the metric of the violation under the cursor.
    fn metric_here(&self, env: &Env<'_>) -> Option<(Name, SafeText)> {
        let list = self.focused_list();
        let cursor = self.list(list).cursor().or_else(|| self.keys(list, env).first().copied())?;
        if list == ListId::History {
            let event = env.fleet.violation_events().get()?.iter().find(|e| event_key(e) == cursor)?;
            // The event only names its behaviour: an active violation has it whole, else the profile does.
            let active = env.fleet.violations().get().into_iter().flatten().find(|v| v.id == event.id);
            let of_profile = env.fleet.profiles().get().into_iter().flatten();
            let of_profile = of_profile.filter(|p| p.name == event.profile).flat_map(|p| &p.behaviors);
            let behavior = active
                .map(|v| &v.behavior)
                .or_else(|| of_profile.into_iter().find(|b| b.name == event.behavior.as_str()));
            return Some((event.thing.clone(), SafeText::new(behavior?.metric.as_deref()?)));
        }
        let active = env.fleet.violations().get().map_or(&[][..], Vec::as_slice);
        if let Some(violation) = active.iter().find(|v| key_of(&v.id) == cursor) {
            return Some((violation.thing.clone(), SafeText::new(violation.behavior.metric.as_deref()?)));
        }
        let finding = env.fleet.own_findings().iter().find(|f| finding_key(f) == cursor)?;
        Some((finding.thing.clone(), SafeText::new(finding.behavior.metric.as_deref()?)))
    }

    /// Takes note of what the fleet says has changed.
    pub fn note(&mut self, changes: Changes, env: &Env<'_>) {
        if changes.contains(Changes::LEAK) {
            for (_, device) in env.fleet.devices() {
                let known = self.leaks.iter().any(|(name, _)| name == device.name());
                if device.condition() == crate::fleet::Condition::Leaking && !known {
                    self.leaks.push((device.name().clone(), env.now));
                    let text = format!("quell: {} is isolated, yet heard", device.name().shown());
                    self.effects.push(Effect::Notify(SafeText::new(&text)));
                }
            }
        }
    }

    /// Takes an answer of the responder in; one of an older generation is dropped.
    pub fn answer(&mut self, answer: Answer, env: &Env<'_>) {
        match answer {
            Answer::Plan { generation, result } => {
                if let Some(Overlay::Plan(dialog)) = &mut self.overlay
                    && dialog.generation == generation
                {
                    dialog.phase = match result {
                        Ok(plan) => PlanPhase::Ready(plan),
                        Err(trouble) => PlanPhase::Failed(trouble),
                    };
                }
            }
            Answer::Progress(view) => {
                self.keep_action(view);
                self.look_at_tasks(env);
            }
            Answer::Done(view) => {
                let verb = self.verb_of(&view.id);
                let (text, tone) = state::outcome_line(&view, verb, env.now, &self.look);
                self.say(text, tone, env.now);
                self.keep_action(view);
                self.reread();
                self.effects.push(Effect::ReadJournal);
                let changed = state::changed_by(verb);
                if !changed.is_empty() {
                    self.effects.push(Effect::ReadSoon(changed));
                }
                if matches!(verb, Some("setup" | "undo" | "finish")) {
                    self.outdate_diagnosis(env);
                }
            }
            Answer::Recovered { plans } => self.recovered(plans, env),
            Answer::Refused { plan, reason } => {
                self.unanswered.retain(|id| *id != plan);
                self.say(SafeText::new(&format!("refused: {reason}")), Tone::Warn, env.now);
                if matches!(self.overlay, Some(Overlay::Action(_))) {
                    self.overlay = None;
                }
            }
        }
    }

    /// What a view shows was just changed: it is read again, not waited for.
    fn reread(&mut self) {
        let sources = match self.view() {
            View::Rules => {
                let metrics = self.watched_rule.clone().map(SourceId::RuleMetrics);
                std::iter::once(SourceId::Rules).chain(metrics).collect()
            }
            View::Audit => vec![SourceId::Findings, SourceId::AuditSetup, SourceId::AuditTasks],
            _ => return,
        };
        self.effects.push(Effect::ReadSoon(sources));
    }

    /// A task of AWS's was begun here: the view finds it without waiting for its next poll.
    fn look_at_tasks(&mut self, env: &Env<'_>) {
        const BETWEEN: Ms = 1_500;
        let busy = env.fleet.audit_tasks().get().is_some_and(crate::fleet::audit::AuditTasks::busy);
        if *self.view() == View::Audit && !busy && env.now - self.asked_tasks > BETWEEN {
            self.asked_tasks = env.now;
            self.effects.push(Effect::ReadSoon(vec![SourceId::AuditTasks]));
        }
    }

    fn keep_action(&mut self, view: ActionView) {
        self.unanswered.retain(|id| *id != view.id);
        match self.actions.iter_mut().find(|a| a.id == view.id) {
            Some(known) => *known = view,
            None => {
                if self.actions.len() >= 32 {
                    self.actions.remove(0);
                }
                self.actions.push(view);
            }
        }
    }

    /// A plan cannot even be asked for: there is no connection to AWS yet, or none at all.
    pub fn no_plan(&mut self, generation: u64, why: SafeText, now: Ms) {
        if let Some(Overlay::Plan(dialog)) = &mut self.overlay
            && dialog.generation == generation
        {
            let kind = crate::fleet::known::TroubleKind::Unreachable;
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
