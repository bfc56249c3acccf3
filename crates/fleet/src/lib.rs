//! What is true: devices, telemetry, shadows, violations, jobs, containment.
//!
//! Pure: no I/O, no async, no clock of its own, no terminal. [`Fleet::apply`] is the one way in; the same events with the
//! same times give the same state, which is what makes record and replay, and tests, honest.

// What is cut by a byte that a device chose may be cut inside a character, or behind the end.
#![cfg_attr(not(test), deny(clippy::string_slice, clippy::indexing_slicing))]

pub mod account;
mod agreement;
mod alarms;
mod apply;
pub mod audit;
mod baseline;
mod changes;
mod clients;
mod clones;
mod deltas;
pub mod device;
pub mod event;
mod findings;
pub mod flight;
mod focus;
pub mod format;
mod held;
pub mod index;
mod kept;
pub mod known;
mod limits;
mod link;
mod log;
mod losses;
pub mod model;
mod names;
mod notices;
mod own;
pub mod policy;
mod polls;
mod preamble;
mod presence;
pub mod record;
mod series;
pub mod shell;
mod source;
pub mod state;
mod target;
pub mod text;
pub mod texts;
mod topics;
mod traffic;

#[cfg(test)]
mod findings_tests;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub use agreement::Agreement;
pub use baseline::WarningKind;
pub use changes::Changes;
pub use clients::{ClientSeen, ClientsSeen};
pub use clones::{ClonedIdentity, Sharing, Voice as CloneVoice};
pub use deltas::{DeltaEntry, Outstanding};
pub use device::{Device, DeviceId, Warning};
pub use findings::{Finding, HeardWindow, NotJudged};
pub use focus::{Focus, Listening};
pub use index::Indexing;
pub use kept::{Kept as KeptFleet, OpenFinding};
pub use limits::Limits;
pub use link::{Link, LinkState, Rates, Watch};
pub use log::{Kept, MessageLog};
pub use losses::{Loss, LossKind, LossTotals, Losses};
pub use polls::PollState;
pub use presence::PresenceState;
pub use series::{Column, Series};
pub use source::SourceId;
pub use state::{Counts, Facets, Heed, Word};
pub use target::{ClientOf, Target};
pub use topics::{Topic, TopicKind};

use event::Event;
use known::Known;
use model::{
    ExecutionRecord, Identity, JobRecord, Name, ProfileRecord, ShadowDocument, Standing, Violation,
    ViolationEvent,
};

/// Milliseconds since the Unix epoch, UTC.
pub type Ms = i64;

/// What is true about a fleet, as far as it was heard or read.
#[derive(Debug)]
pub struct Fleet {
    limits: Limits,
    revision: u64,
    devices: Vec<Device>,
    by_name: names::Names,
    topics: topics::Topics,
    log: MessageLog,
    deltas: VecDeque<DeltaEntry>,
    violations: Known<Vec<Violation>>,
    violation_events: Known<Vec<ViolationEvent>>,
    things: Known<usize>,
    identity: Known<Identity>,
    alias: Known<Option<crate::text::SafeText>>,
    standing: Known<Standing>,
    /// Things read so far of a registry that is being read.
    reading: Option<usize>,
    indexing: Indexing,
    profiles: Known<Vec<ProfileRecord>>,
    jobs: Known<Vec<JobRecord>>,
    executions: HashMap<Arc<str>, Known<Vec<ExecutionRecord>>>,
    shadows: deltas::Shadows,
    members: HashMap<Arc<str>, Known<Option<Vec<Name>>>>,
    denials: HashMap<Arc<str>, Known<state::Denial>>,
    strangers: HashMap<Arc<str>, PresenceState>,
    clients: Arc<ClientsSeen>,
    clones: clones::Clones,
    link: Link,
    focus: Focus,
    losses: Losses,
    own: own::OwnMessages,
    beyond: bool,
    polls: std::collections::BTreeMap<SourceId, PollState>,
    counts: state::Tally,
    wanted: Vec<SourceId>,
    swept: usize,
    settling: Vec<DeviceId>,
    ledger: baseline::Ledger,
    detection: findings::Detection,
    /// When each active violation was first read.
    seen_violations: HashMap<String, Ms>,
    alarms: alarms::Alarms,
    account: account::Account,
}

impl Fleet {
    /// A fleet of which nothing is known.
    pub fn new(limits: Limits) -> Self {
        Self {
            log: MessageLog::new(limits.messages, limits.payload_bytes),
            shadows: deltas::Shadows::new(limits.shadows),
            ledger: baseline::Ledger::new(limits.false_alarms),
            detection: findings::Detection::new(
                limits.detect_speed,
                limits.presence,
                limits.security_profiles.clone(),
            ),
            seen_violations: HashMap::new(),
            alarms: alarms::Alarms::default(),
            link: Link::with(limits.connections),
            limits,
            revision: 0,
            devices: Vec::new(),
            by_name: names::Names::default(),
            topics: topics::Topics::default(),
            deltas: VecDeque::new(),
            violations: Known::default(),
            violation_events: Known::default(),
            things: Known::default(),
            identity: Known::default(),
            alias: Known::default(),
            standing: Known::default(),
            reading: None,
            indexing: Indexing::Unused,
            profiles: Known::default(),
            jobs: Known::default(),
            executions: HashMap::new(),
            members: HashMap::new(),
            denials: HashMap::new(),
            strangers: HashMap::new(),
            clients: Arc::default(),
            clones: clones::Clones::default(),
            focus: Focus::default(),
            losses: Losses::default(),
            own: own::OwnMessages::default(),
            beyond: false,
            polls: std::collections::BTreeMap::new(),
            counts: state::Tally::default(),
            wanted: Vec::new(),
            swept: 0,
            settling: Vec::new(),
            account: account::Account::default(),
        }
    }

    /// Other thresholds while it runs: the payload budget, how patient early warning is, the quarantine groups, and the
    /// profiles of a file. Everything known stays known.
    pub fn relimit(&mut self, limits: &Limits, now: Ms) -> Changes {
        self.log.set_budget(limits.payload_bytes);
        self.ledger.set_budget(limits.false_alarms);
        self.detection.set_local(limits.security_profiles.clone());
        self.limits = Limits {
            payload_bytes: limits.payload_bytes,
            false_alarms: limits.false_alarms,
            quarantine_groups: limits.quarantine_groups.clone(),
            security_profiles: limits.security_profiles.clone(),
            ..self.limits.clone()
        };
        self.revision += 1;
        self.profiles_changed(now) | Changes::DEVICES | Changes::VIOLATIONS
    }

    /// Folds one event in; the answer says which parts of a screen it touched. `now` is the time of folding: it ages
    /// what is known, while messages count at the time they were received.
    pub fn apply(&mut self, event: Event, now: Ms) -> Changes {
        let changes = match event {
            Event::Batch(batch) => self.fold(batch, now),
            Event::Link(event) => self.link_event(event, now),
            Event::Poll(poll) => self.poll(poll, now),
            Event::Response(event) => self.response(event, now),
            Event::Own(own) => self.own.expect(&own),
        };
        if !changes.is_empty() {
            self.revision += 1;
        }
        changes
    }

    /// Lets time pass: silence becomes stale, a disconnect that settled becomes true. Cheap: a slice of the fleet a call.
    pub fn tick(&mut self, now: Ms) -> Changes {
        self.ledger.listened(self.speaking(), now);
        let mut changes =
            self.heed_link(now) | self.age(now) | self.judge_windows(now) | self.age_clones(now);
        if self.losses.load(self.near_limit(now), now) {
            changes |= Changes::LINK;
        }
        if !changes.is_empty() {
            self.revision += 1;
        }
        changes
    }

    /// Grows with every change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What should be read again soon because of what was heard (a membership notice, presence, a delta missed while
    /// the link was down), each source once. Hand each to `cloud::PollHandle::now`.
    pub fn take_wanted(&mut self) -> Vec<SourceId> {
        std::mem::take(&mut self.wanted)
    }

    fn want(&mut self, source: SourceId) {
        // A flood of notices must not grow a list nobody drains.
        if self.wanted.len() < 64 && !self.wanted.contains(&source) {
            self.wanted.push(source);
        }
    }

    /// A device by its number. Numbers come from this fleet only; one of another fleet gives the first device or an
    /// empty one, never a panic.
    pub fn device(&self, id: DeviceId) -> &Device {
        self.devices.get(id.index()).unwrap_or(device::nobody())
    }

    /// A thing by its raw name.
    pub fn find(&self, raw_name: &str) -> Option<DeviceId> {
        self.by_name.find(raw_name, &self.devices)
    }

    /// All devices in the order they became known.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = (DeviceId, &Device)> {
        self.devices.iter().enumerate().map(|(i, d)| (DeviceId::at(i), d))
    }

    /// How many devices, unattributed topics included.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// True when nothing is known yet.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// Active violations.
    pub fn violations(&self) -> &Known<Vec<Violation>> {
        &self.violations
    }

    /// Past violation events.
    pub fn violation_events(&self) -> &Known<Vec<ViolationEvent>> {
        &self.violation_events
    }

    /// How many things the registry has.
    pub fn registered(&self) -> &Known<usize> {
        &self.things
    }

    /// Things read so far, while the registry is being read for the first time or takes several pages.
    pub fn reading(&self) -> Option<usize> {
        self.reading
    }

    /// When the credentials end, and how wrong the clock is.
    pub fn standing(&self) -> &Known<Standing> {
        &self.standing
    }

    /// Shadow deltas, newest last.
    pub fn deltas(&self) -> impl DoubleEndedIterator<Item = &DeltaEntry> + ExactSizeIterator {
        self.deltas.iter()
    }

    /// The messages kept, and the totals of all.
    pub fn stream(&self) -> &MessageLog {
        &self.log
    }

    /// A topic by its number.
    pub fn topic(&self, id: u32) -> Option<Topic<'_>> {
        self.topics.get(id)
    }

    /// True when more topics came than are told apart: the others share a row.
    pub fn has_more_topics(&self) -> bool {
        self.beyond
    }

    /// How many topics were seen, as far as they are told apart.
    pub fn topics(&self) -> usize {
        self.topics.known()
    }

    /// Jobs.
    pub fn jobs(&self) -> &Known<Vec<JobRecord>> {
        &self.jobs
    }

    /// Executions of a job, if they were ever asked for.
    pub fn executions(&self, job: &str) -> Option<&Known<Vec<ExecutionRecord>>> {
        self.executions.get(job)
    }

    /// The shadows whose desired state is not reported, the oldest first.
    pub fn outstanding(&self) -> Vec<Outstanding<'_>> {
        self.shadows.outstanding(&self.deltas)
    }

    /// How far the account was looked through for them.
    pub fn shadows_reach(&self) -> &Known<model::ShadowsReach> {
        &self.shadows.reach
    }

    /// Whether the last look for what is outstanding was at the classic shadow of a thing too: where it is not
    /// [`Fleet::outstanding`] then, it asked for nothing.
    pub fn shadow_was_looked_at(&self, thing: &str) -> bool {
        self.shadows.was_looked_at(thing)
    }

    /// A shadow, if it was ever heard or asked for; its value is `None` when the thing has none.
    pub fn shadow(&self, thing: &str, shadow: Option<&str>) -> Option<&Known<Option<ShadowDocument>>> {
        self.shadows.get(thing, shadow)
    }

    /// Security profiles.
    pub fn profiles(&self) -> &Known<Vec<ProfileRecord>> {
        &self.profiles
    }

    /// Who we are.
    pub fn identity(&self) -> &Known<Identity> {
        &self.identity
    }

    /// The account's alias, where it has one and it may be read.
    pub fn alias(&self) -> Option<&crate::text::SafeText> {
        self.alias.get().and_then(Option::as_ref)
    }

    /// Members of a group, if it was ever asked for; the value is `None` when the group does not exist.
    pub fn members(&self, group: &str) -> Option<&Known<Option<Vec<Name>>>> {
        self.members.get(group)
    }

    /// Groups whose members were asked for, or that a device is known to be in; by name.
    pub fn groups_known(&self) -> Vec<Name> {
        let asked = self.members.keys().map(|name| Name::new(name));
        let of_devices = self.devices.iter().filter_map(|d| d.groups().get()).flatten().cloned();
        let mut all: Vec<Name> = asked.chain(of_devices).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The MQTT connection.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// When there was a connection to listen by; [`Self::listening`] tells it for one device.
    pub fn watch(&self) -> &Watch {
        self.link.watch()
    }

    /// What is polled, and how that went.
    pub fn polls(&self) -> impl Iterator<Item = (&SourceId, &PollState)> {
        self.polls.iter()
    }

    /// Messages and bytes a second, over the last five seconds; `None` while nothing can be heard: then there is no rate.
    pub fn rates(&self, now: Ms) -> Option<Rates> {
        (self.link.is_up() && self.link.suspect().is_none()).then(|| self.link.rates(now))
    }

    /// Telemetry messages a minute of a device; `None` when never heard, while it cannot be heard, and before there is enough
    /// to measure it by.
    pub fn per_minute(&self, id: DeviceId, now: Ms) -> Option<f64> {
        self.hearing(id).since()?;
        self.device(id).per_minute(now)
    }

    /// What was not seen, and when.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// What one connection may carry, messages and bytes a second, where there is such a limit.
    pub fn ceiling(&self) -> Option<(f64, f64)> {
        self.limits.ceiling
    }

    /// How near the busiest connection is to what AWS lets it carry, when that is near: 1 is the limit. Beyond it messages are
    /// discarded without a word, so what is seen is no longer all there is.
    pub fn near_limit(&self, now: Ms) -> Option<f64> {
        let (messages, bytes) = self.limits.ceiling?;
        let share = self
            .link
            .each(now)
            .map(|rates| (rates.messages_per_s / messages).max(rates.bytes_per_s / bytes))
            .fold(0.0, f64::max);
        (share >= link::NEAR).then_some(share)
    }

    /// True while a connection carries all AWS lets it: what is not heard then may have been discarded.
    pub fn is_at_limit(&self, now: Ms) -> bool {
        self.near_limit(now).is_some_and(|share| share >= losses::FULL)
    }

    /// Presence of an MQTT client that is no known thing: group policies will not apply to it (docs/aws-iot.md#6.2).
    pub fn strangers(&self) -> impl Iterator<Item = (&str, &PresenceState)> {
        self.strangers.iter().map(|(name, state)| (&**name, state))
    }
}
