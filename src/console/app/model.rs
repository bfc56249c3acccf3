//! What the console is made of: screens, panes, what commands want from outside, and how it was set up.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use crate::response::{Intent, Plan, PlanId};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Ms, SourceId};

use super::super::keymap::Keymap;
use super::super::theme::Theme;
use super::{Clip, ListId, ReplayMove};

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
    /// The workshop, step by step.
    Guide,
    /// A behaviour with other numbers.
    WhatIf,
    /// What policies do with what was heard of one device.
    Policy(Name),
}

impl View {
    /// Whether what is chosen in its list can have the screen.
    pub(super) fn has_details(&self) -> bool {
        matches!(self, Self::Shadows | Self::Profiles | Self::Rules | Self::Audit)
    }

    /// Whether it shows what stands in the journal.
    pub(super) fn tells_journal(&self) -> bool {
        matches!(self, Self::Journal | Self::Device(_) | Self::Violations | Self::Guide | Self::Doctor)
    }
}

/// The panes of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pane {
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
    pub(crate) const ALL: [Self; 4] = [Self::Devices, Self::Violations, Self::Deltas, Self::Telemetry];

    /// Its title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Devices => "Devices",
            Self::Violations => "Violations",
            Self::Deltas => "Shadow deltas",
            Self::Telemetry => "Telemetry",
        }
    }

    /// The list it shows.
    pub(crate) fn list(self) -> ListId {
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
pub(crate) enum Section {
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
    pub(crate) const ALL: [Self; 8] = [
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
    pub(crate) fn title(self) -> &'static str {
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
    /// Put text into the clipboard.
    Copy(Clip),
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
    /// Stream only these things' telemetry, what matters most first; all when `None`.
    ListenTo(Option<Vec<Name>>),
    /// These have just been changed: read them as soon as possible.
    ReadSoon(Vec<SourceId>),
    /// Read the journal.
    ReadJournal,
    /// Write what an operator has to say into the journal.
    Note {
        /// What it is about; nothing in particular when empty.
        things: Vec<Name>,
        /// The words.
        text: String,
        /// Whose credentials are used, where that is known.
        arn: Option<SafeText>,
    },
    /// Read a file that holds a policy to try.
    ReadPolicy {
        /// The device whose trial it is.
        thing: Name,
        /// The file.
        path: PathBuf,
    },
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
    /// The other profile or region is open: leave this one for it. The sentence to tell then.
    Arrive(SafeText),
    /// Let go of the other profile or region that was opened.
    Stay,
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
    /// A key that does nothing here: seen, and gone.
    Brief,
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
    /// Why everything is streamed however large the account is; `None` where that can be narrowed.
    pub streams_all: Option<SafeText>,
}
