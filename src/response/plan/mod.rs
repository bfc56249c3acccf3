//! What would be done, computed before anything is done: the exact requests in order, whom they touch, what is
//! reversible, and what will prove them.
//!
//! A [`Plan`] can only be made here, from facts read in the account. Its requests are private: what the operator confirmed
//! is what is sent, and nobody can edit it in between.

pub(in crate::response) mod build;
mod certificates;
pub mod facts;
mod groups;
mod jobs;
pub(in crate::response) mod request;

use std::fmt;

use crate::fleet::device::Device;
use crate::fleet::model::Name;
use crate::fleet::{Fleet, Ms};
use crate::text::SafeText;

/// What an operator wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// Contain devices: isolation group, shadow flag, connection cut.
    Isolate {
        /// The devices.
        things: Vec<Target>,
        /// The isolation group; `None` takes the configured one.
        group: Option<Name>,
    },
    /// Let isolated devices speak again.
    Release {
        /// The devices.
        things: Vec<Target>,
        /// The isolation group; `None` takes the configured one.
        group: Option<Name>,
    },
    /// Set the devices' certificates INACTIVE (can be taken back).
    Deactivate {
        /// The devices.
        things: Vec<Target>,
        /// Only this certificate (64 hexadecimal digits); `None` takes all of the thing's.
        certificate: Option<String>,
    },
    /// Set the devices' certificates ACTIVE.
    Activate {
        /// The devices.
        things: Vec<Target>,
        /// Only this certificate; `None` takes all of the thing's.
        certificate: Option<String>,
    },
    /// Set the devices' certificates REVOKED: final.
    Revoke {
        /// The devices.
        things: Vec<Target>,
        /// Only this certificate; `None` takes all of the thing's.
        certificate: Option<String>,
    },
    /// Put devices into a static thing group of any purpose, such as the target of a continuous job.
    Join {
        /// The devices.
        things: Vec<Target>,
        /// The group.
        group: Name,
    },
    /// Take devices out of a thing group.
    Leave {
        /// The devices.
        things: Vec<Target>,
        /// The group.
        group: Name,
    },
    /// Create a job.
    LaunchJob(JobRequest),
    /// Cancel a job.
    CancelJob {
        /// The job's id.
        job: Name,
        /// Also cancel executions that are IN_PROGRESS.
        force: bool,
    },
}

impl Intent {
    /// The command's name, as the journal and the command line say it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Isolate { .. } => "isolate",
            Self::Release { .. } => "release",
            Self::Deactivate { .. } => "deactivate",
            Self::Activate { .. } => "activate",
            Self::Revoke { .. } => "revoke",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::LaunchJob(_) => "job create",
            Self::CancelJob { .. } => "job cancel",
        }
    }

    /// The devices it is about, to fill in what the fleet knows of them.
    pub fn things_mut(&mut self) -> &mut [Target] {
        match self {
            Self::Isolate { things, .. }
            | Self::Release { things, .. }
            | Self::Deactivate { things, .. }
            | Self::Activate { things, .. }
            | Self::Revoke { things, .. }
            | Self::Join { things, .. }
            | Self::Leave { things, .. } => things,
            Self::LaunchJob(_) | Self::CancelJob { .. } => &mut [],
        }
    }

    /// The devices it is about; none for jobs.
    pub fn things(&self) -> &[Target] {
        match self {
            Self::Isolate { things, .. }
            | Self::Release { things, .. }
            | Self::Deactivate { things, .. }
            | Self::Activate { things, .. }
            | Self::Revoke { things, .. }
            | Self::Join { things, .. }
            | Self::Leave { things, .. } => things,
            Self::LaunchJob(_) | Self::CancelJob { .. } => &[],
        }
    }
}

/// A device as the fleet knows it when the plan is asked for. Frozen from here on: the plan's targets are these names.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The thing.
    pub thing: Name,
    /// The MQTT client id it was seen with, when presence told; `None` assumes the thing's name.
    pub client: Option<Name>,
    /// When it was last heard.
    pub last_heard: Option<Ms>,
    /// Milliseconds it usually lets pass between messages; the silence that proves containment is a multiple of it.
    pub cadence: Option<Ms>,
    /// Its telemetry topics, for asking whether the policy would deny a publish there.
    pub topics: Vec<String>,
}

impl Target {
    /// A device of which only the name is known.
    pub fn named(thing: Name) -> Self {
        Self { thing, client: None, last_heard: None, cadence: None, topics: Vec::new() }
    }

    /// A device as the fleet knows it now.
    pub fn seen(fleet: &Fleet, device: &Device) -> Self {
        // A topic with an escape in its shown form is not the topic AWS knows; the others are enough to ask about.
        let topics = device
            .topics()
            .iter()
            .filter_map(|id| fleet.topic(*id))
            .filter(|t| t.is_telemetry())
            .map(|t| t.text().as_str());
        let topics = topics.filter(|t| !t.contains('\\')).map(str::to_owned);
        Self {
            thing: device.name().clone(),
            client: None,
            last_heard: device.last_seen(),
            cadence: device.cadence(),
            topics: topics.collect(),
        }
    }

    /// True when its telemetry is known to be heard here.
    pub fn mapped(&self) -> bool {
        self.last_heard.is_some() || !self.topics.is_empty()
    }

    /// The client id to cut and to watch: the one seen, else the thing's name.
    pub fn client_id(&self) -> &Name {
        self.client.as_ref().unwrap_or(&self.thing)
    }
}

impl From<Name> for Target {
    fn from(thing: Name) -> Self {
        Self::named(thing)
    }
}

/// A job to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRequest {
    /// The job's id: 1 to 64 of `[a-zA-Z0-9_-]`.
    pub id: String,
    /// What it runs on.
    pub targets: Vec<JobTarget>,
    /// The job document: JSON text of at most 32768 bytes.
    pub document: String,
    /// True for CONTINUOUS: things that join the group later get it too. False for SNAPSHOT.
    pub continuous: bool,
    /// The description.
    pub description: Option<String>,
}

/// What a job runs on.
#[derive(Clone, Debug, PartialEq)]
pub enum JobTarget {
    /// One thing.
    Thing(Name),
    /// The members of a thing group.
    Group(Name),
}

impl JobTarget {
    /// The thing's or group's name.
    pub fn name(&self) -> &Name {
        match self {
            Self::Thing(name) | Self::Group(name) => name,
        }
    }
}

/// Names a plan within this process and, through the journal, forever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanId(pub(in crate::response) String);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What would be done. Made by reading the account; confirmed as a whole or not at all.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(in crate::response) id: PlanId,
    pub(in crate::response) intent: Intent,
    pub(in crate::response) title: SafeText,
    pub(in crate::response) targets: Vec<Name>,
    pub(in crate::response) steps: Vec<Step>,
    pub(in crate::response) proofs: Vec<ProofLine>,
    pub(in crate::response) affects: Vec<Note>,
    pub(in crate::response) would_change_nothing: Option<SafeText>,
    pub(in crate::response) refused: Option<SafeText>,
    pub(in crate::response) confirmation: Confirmation,
    pub(in crate::response) reversible: Reversible,
    pub(in crate::response) made: Ms,
    pub(in crate::response) work: Vec<request::Work>,
}

impl Plan {
    /// Computes what `intent` means in an account of which `facts` were read. Pure.
    pub fn build(intent: Intent, facts: &facts::Facts, rules: &super::Rules, id: String, now: Ms) -> Self {
        build::build(intent, facts, rules, PlanId(id), now)
    }

    /// Its name.
    pub fn id(&self) -> &PlanId {
        &self.id
    }

    /// What was asked for, targets frozen; ask again with a changed copy to re-plan (another group, say).
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// `Isolate Thing02`.
    pub fn title(&self) -> &SafeText {
        &self.title
    }

    /// The devices (or the job) it acts on.
    pub fn targets(&self) -> &[Name] {
        &self.targets
    }

    /// What will be done, in order ("will").
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What will be waited for ("then prove"). Numbered on from the steps.
    pub fn proofs(&self) -> &[ProofLine] {
        &self.proofs
    }

    /// Blast radius and warnings ("affects"), worst first.
    pub fn affects(&self) -> &[Note] {
        &self.affects
    }

    /// Why running it would change nothing; shown in red.
    pub fn would_change_nothing(&self) -> Option<&SafeText> {
        self.would_change_nothing.as_ref()
    }

    /// Why it cannot be confirmed at all: with a reason here [`super::Responder::confirm`] answers Refused.
    pub fn refused(&self) -> Option<&SafeText> {
        self.refused.as_ref()
    }

    /// What the operator must do to let it run.
    pub fn confirmation(&self) -> &Confirmation {
        &self.confirmation
    }

    /// Whether it can be taken back, and how.
    pub fn reversible(&self) -> &Reversible {
        &self.reversible
    }
}

/// One numbered line of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// 1, 2, 3 ….
    pub n: usize,
    /// `add to thing group`.
    pub title: SafeText,
    /// `IsolatedDevices`, `{"quarantine":true}`.
    pub detail: SafeText,
    /// What was verified about it beforehand.
    pub check: Check,
    /// The API calls it stands for, in order.
    pub calls: Vec<ApiCall>,
}

/// The result of a verification made while planning.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// Nothing was to be verified.
    None,
    /// Verified: `policy DenyAll denies iot:* on *`.
    Passed(SafeText),
    /// Doubtful.
    Doubtful(SafeText),
    /// Verified to be wrong.
    Failed(SafeText),
}

/// A request as it will be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiCall {
    /// `iot:AddThingToThingGroup`.
    pub operation: &'static str,
    /// The resource it changes.
    pub resource: SafeText,
    /// Its parameters in one line, as the AWS CLI would take them.
    pub summary: SafeText,
}

/// One line of "then prove".
#[derive(Clone, Debug, PartialEq)]
pub struct ProofLine {
    /// Numbered on from the last step.
    pub n: usize,
    /// `no message from this device for 30 s (last heard 2 s ago, usually every 10 s)`.
    pub text: SafeText,
}

/// How much a note should worry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Think about it.
    Warn,
    /// Read it before you confirm.
    Danger,
}

/// One line of "affects".
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// How much it should worry.
    pub level: Level,
    /// The sentence.
    pub text: SafeText,
}

/// What the operator must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Confirmation {
    /// One key.
    Enter,
    /// Type the name as shown; where a certificate is at stake the last eight digits of its id will do too.
    TypeName {
        /// The name.
        name: SafeText,
        /// Accepted as well.
        or: Option<SafeText>,
    },
    /// Type how many devices it acts on.
    TypeCount(usize),
}

impl Confirmation {
    /// True when `typed` satisfies it. `None` is a bare Enter.
    pub fn accepts(&self, typed: Option<&str>) -> bool {
        let typed = typed.map(str::trim);
        match self {
            Self::Enter => true,
            Self::TypeName { name, or } => typed.is_some_and(|t| {
                !t.is_empty() && (t == name.as_str() || or.as_ref().is_some_and(|o| t == o.as_str()))
            }),
            Self::TypeCount(n) => typed.is_some_and(|t| t.parse() == Ok(*n)),
        }
    }
}

/// Whether an action can be taken back.
#[derive(Clone, Debug, PartialEq)]
pub enum Reversible {
    /// Yes, and how.
    Yes(SafeText),
    /// No, and why.
    No(SafeText),
}

#[cfg(test)]
mod tests;
