//! One device: what was heard of it, what is registered about it, and what it is judged to be.

mod change;

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::text::SafeText;

use super::Ms;
use super::baseline::{Ledger, Pace, WarningKind};
use super::clones::Suspect;
use super::event::Stage;
use super::kept::KeptTraffic;
use super::known::Known;
use super::model::{CertificateRecord, Name};
use super::presence::PresenceState;
use super::series::Series;
use super::state::{Held, Sign, Signs, Word};
use super::traffic::Traffic;

/// A device's number within one run: dense, never reused. Kept plus one, so that "no device" takes no room of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(NonZeroU32);

impl DeviceId {
    pub(super) fn at(index: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    /// The position in [`super::Fleet::devices`].
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A judgement of quell's own, before AWS's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// What is out of the ordinary.
    pub kind: WarningKind,
    /// Since when.
    pub since: Ms,
    /// How many times the ordinary.
    pub times: f32,
    /// The judgement in a few words.
    pub text: SafeText,
    /// The judgement in a sentence, with its numbers.
    pub sentence: SafeText,
    /// When it is over by itself, if it is.
    pub(super) until: Option<Ms>,
}

/// One device, or one topic that belongs to none.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "a word for all, four for the few that speak on several topics")]
pub struct Device {
    name: Name,
    /// [`Word::Unattributed`] for a topic that belongs to none, and for no other.
    word: Word,
    registered: Option<bool>,
    findings: u16,
    /// The topic it was heard on, or [`NO_TOPIC`]; of no meaning where there are several.
    topic: u32,
    /// All, where there are several.
    topics: Option<Box<Vec<u32>>>,
    word_since: Ms,
    /// Since when it is silent for longer than usual; the least time there is while it is not.
    quiet: Ms,
    traffic: Traffic,
    presence: Option<Box<PresenceState>>,
    rest: Option<Box<Rest>>,
}

/// No number of a topic: there is no room for so many.
const NO_TOPIC: u32 = u32::MAX;

/// What few devices have.
#[derive(Debug, Default)]
struct Rest {
    /// The worst kind first.
    warnings: Vec<Warning>,
    violations: Vec<u32>,
    thing_type: Option<SafeText>,
    certificates: Known<Vec<CertificateRecord>>,
    groups: Known<Vec<Name>>,
    stage: Option<(Stage, Ms)>,
    /// Whose response that is; `None` for this console's.
    responder: Option<SafeText>,
    /// The plan of the journal that is.
    plan: Option<SafeText>,
    /// Until when the silence is known that proved it.
    silent_until: Option<Ms>,
    /// Shadow reports and job updates: other signs have their own place.
    signs: Signs,
    held: Option<Held>,
    quarantined: Option<(Name, Ms)>,
    report: Option<(Ms, bool)>,
    connects: Pace,
    shadow_updates: Pace,
    suspect: Option<Box<Suspect>>,
    /// Its identity is used by two devices.
    cloned: bool,
    /// When it was last let go by a response.
    resumed: Option<Ms>,
}

fn nothing() -> &'static Rest {
    static NOTHING: OnceLock<Rest> = OnceLock::new();
    NOTHING.get_or_init(Rest::default)
}

pub(super) fn nobody() -> &'static Device {
    static NOBODY: OnceLock<Device> = OnceLock::new();
    NOBODY.get_or_init(|| Device::new(Name::new(""), true, 0))
}

impl Device {
    pub(super) fn new(name: Name, unattributed: bool, now: Ms) -> Self {
        let word = if unattributed { Word::Unattributed } else { Word::Unknown };
        Self {
            name,
            word,
            registered: None,
            findings: 0,
            topic: NO_TOPIC,
            topics: None,
            word_since: now,
            quiet: Ms::MIN,
            traffic: Traffic::None,
            presence: None,
            rest: None,
        }
    }

    /// The thing's name; the topic for an unattributed one.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// True for a topic that belongs to no known thing.
    pub fn is_unattributed(&self) -> bool {
        self.word == Word::Unattributed
    }

    /// The worst true thing about it, by [`super::Fleet::facets`] and the table of words.
    pub fn word(&self) -> Word {
        self.word
    }

    /// Since when.
    pub fn word_since(&self) -> Ms {
        self.word_since
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet != Ms::MIN
    }

    pub(super) fn quiet_since(&self) -> Option<Ms> {
        self.is_quiet().then_some(self.quiet)
    }

    pub(super) fn held(&self) -> Option<Held> {
        self.rest().held
    }

    /// When it last gave a sign of life, but for those of its connection.
    pub(super) fn signs(&self) -> Signs {
        let mut signs = self.rest().signs;
        signs.set(Sign::Telemetry, self.last_seen());
        signs.set(Sign::AgentReport, self.agent_report().map(|(at, _)| at));
        signs
    }

    /// Whose response brought it where it stands; `None` for this console's own.
    pub fn responder(&self) -> Option<&SafeText> {
        self.rest().responder.as_ref()
    }

    /// The plan of the journal that brought it where it stands, as finish and undo name it.
    pub fn plan(&self) -> Option<&SafeText> {
        self.rest().plan.as_ref()
    }

    /// Until when the silence is known that proved a response.
    pub(super) fn silent_until(&self) -> Option<Ms> {
        self.rest().silent_until
    }

    /// Whether the registry has it; `None` when the registry was never read.
    pub fn registered(&self) -> Option<bool> {
        self.registered
    }

    /// Its thing type.
    pub fn thing_type(&self) -> Option<&SafeText> {
        self.rest().thing_type.as_ref()
    }

    /// Whether it is connected, by the last presence event that counted; `None` when none was heard. Only a disconnect
    /// that settled makes a device stale.
    pub fn connected(&self) -> Option<bool> {
        self.presence.as_ref().and_then(|p| p.known())
    }

    /// What presence events said.
    pub fn presence(&self) -> Option<&PresenceState> {
        self.presence.as_deref()
    }

    /// The principal it connects with, by presence events.
    pub fn principal_seen(&self) -> Option<&SafeText> {
        self.presence.as_ref().and_then(|p| p.principal())
    }

    /// Telemetry messages a minute; `None` when never heard, and before there is enough to measure it by.
    /// [`super::Fleet::per_minute`] tells it only while the device can be heard.
    pub fn per_minute(&self, now: Ms) -> Option<f64> {
        self.traffic.per_minute(now)
    }

    /// Length of the last telemetry payload, in bytes.
    pub fn last_len(&self) -> Option<u32> {
        self.traffic.last_len()
    }

    /// When telemetry was last heard.
    pub fn last_seen(&self) -> Option<Ms> {
        self.traffic.last()
    }

    /// The usual interval between telemetry messages: the median of the last eight.
    pub fn cadence(&self) -> Option<Ms> {
        self.traffic.cadence()
    }

    /// Whether its telemetry stays away: two of its usual intervals and a second are over without any. Other signs of life, such
    /// as a refused connect, do not count.
    pub fn is_overdue(&self, now: Ms) -> bool {
        self.traffic.overdue(now)
    }

    /// Median payload length of the last two dozen messages (at most one a second counts).
    pub fn p50(&self) -> Option<u32> {
        self.traffic.p50()
    }

    /// Largest payload of the ten minutes before it was last heard.
    pub fn max(&self) -> Option<u32> {
        self.traffic.largest()
    }

    /// Telemetry messages since the start: exact.
    pub fn received(&self) -> u64 {
        self.traffic.received()
    }

    /// Telemetry payload bytes since the start: exact.
    pub fn bytes(&self) -> u64 {
        self.traffic.bytes()
    }

    /// Sizes over time; made on the spot for a device that said little so far.
    pub fn series(&self) -> Cow<'_, Series> {
        self.traffic.series()
    }

    /// How it usually speaks, for a restart; `None` when never heard.
    pub(super) fn kept_traffic(&self) -> Option<KeptTraffic> {
        self.traffic.keep()
    }

    /// quell's own early warning; the worst when there are several.
    pub fn warning(&self) -> Option<&Warning> {
        self.rest().warnings.first()
    }

    /// All that is out of its ordinary, the worst kind first.
    pub fn warnings(&self) -> &[Warning] {
        &self.rest().warnings
    }

    /// How long it is silent, and how long it ever was, when that is out of its ordinary.
    pub(super) fn unusual_silence(&self, watching: Ms, now: Ms, ledger: &Ledger) -> Option<(Ms, Ms, Ms)> {
        let baseline = self.traffic.baseline()?;
        let (cadence, last) = (self.traffic.cadence()?, self.traffic.last()?);
        let limit = baseline.silence_limit(Some(cadence), ledger)?;
        let silent = now - last;
        // One that was held back is silent because of that until it speaks again.
        (silent > limit && last > watching && last >= self.resumed())
            .then(|| (silent, cadence, baseline.longest()))
    }

    fn resumed(&self) -> Ms {
        self.rest.as_ref().and_then(|rest| rest.resumed).unwrap_or(Ms::MIN)
    }

    /// How many of quell's findings are about it: of [`super::Fleet::own_findings`] and of [`super::Fleet::cloned`].
    pub fn findings(&self) -> u16 {
        self.findings.saturating_add(self.rest().cloned.into())
    }

    /// What is kept of its sessions, if its identity may be used twice.
    pub(super) fn suspect(&self) -> Option<&Suspect> {
        self.rest.as_ref()?.suspect.as_deref()
    }

    /// Positions in [`super::Fleet::violations`].
    pub fn violations(&self) -> &[u32] {
        &self.rest().violations
    }

    /// Its certificates.
    pub fn certificates(&self) -> &Known<Vec<CertificateRecord>> {
        &self.rest().certificates
    }

    /// Its groups.
    pub fn groups(&self) -> &Known<Vec<Name>> {
        &self.rest().groups
    }

    /// How far a response of ours brought it.
    pub fn stage(&self) -> Option<&Stage> {
        self.rest().stage.as_ref().map(|(stage, _)| stage)
    }

    /// Milliseconds from the operator's confirmation to the proof that it is silent; `None` when we did not contain it.
    pub fn contained_after(&self) -> Option<Ms> {
        match &self.rest().stage {
            Some((Stage::Contained { began, .. }, proven)) => Some((proven - began).max(0)),
            _ => None,
        }
    }

    /// The quarantine group it is a member of, whoever put it there.
    pub fn quarantined_in(&self) -> Option<&Name> {
        self.rest().quarantined.as_ref().map(|(group, _)| group)
    }

    /// Numbers of the topics it was heard on.
    pub fn topics(&self) -> &[u32] {
        match &self.topics {
            Some(several) => several,
            None if self.topic == NO_TOPIC => &[],
            None => std::slice::from_ref(&self.topic),
        }
    }

    /// When its Defender agent last reported, and whether the report was accepted.
    pub fn agent_report(&self) -> Option<(Ms, bool)> {
        self.rest().report
    }

    fn rest(&self) -> &Rest {
        match &self.rest {
            Some(rest) => rest,
            None => nothing(),
        }
    }

    fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// How far a response brought it, and when.
    pub fn stage_and_time(&self) -> Option<(&Stage, Ms)> {
        self.rest().stage.as_ref().map(|(stage, at)| (stage, *at))
    }

    pub(super) fn quarantined_since(&self) -> Option<Ms> {
        self.rest().quarantined.as_ref().map(|(_, since)| *since)
    }
}
