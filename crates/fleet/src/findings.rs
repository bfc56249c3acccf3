//! quell's own judgement: the account's security profiles, or those of a file, on what this console hears.
//!
//! A *finding* is ours, a *violation* is AWS's. They may differ, and when they do the reason is named (docs/aws-iot.md#6.9): AWS
//! counts per client id, per window and what its broker took; a console counts per topic what reached it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use crate::text::SafeText;
use quell_rules::detect::engine::{self, Engine, Handle, Heard, Outcome, Plan, Profile, Verdict};
use quell_rules::detect::metric::Metric;
use quell_rules::detect::model::{Behavior, MetricValue};
use quell_rules::detect::report::Report;

use super::event::PresenceKind;
use super::held::HeldLog;
use super::kept::{OpenFinding, Resuming};
use super::model::{Name, ProfileRecord};
use super::{Changes, DeviceId, Fleet, Ms, SourceId, names};

/// Findings that are over, kept.
const PAST: usize = 500;
/// Findings that stand, kept: more than a screen can tell of.
const ACTIVE: usize = 10_000;
/// What may be under way when a window ends.
const UNDER_WAY: Ms = 1_000;

/// A behaviour that was not met, by quell's own judgement.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub thing: Name,
    /// The security profile.
    pub profile: SafeText,
    /// The behaviour as it was judged.
    pub behavior: Arc<Behavior>,
    /// The time of the datapoint that made it: the message's, or the end of the window.
    pub bad: Ms,
    /// When it was found.
    pub found: Ms,
    /// The last violating datapoint.
    pub last: Ms,
    /// The last violating value.
    pub value: MetricValue,
    /// When it ended, if it did.
    pub over: Option<Ms>,
    /// It ended because nothing is judged any more, or for two days there was nothing to judge: nobody saw it mended.
    pub invalidated: bool,
}

/// A behaviour that is not judged here, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct NotJudged {
    /// The security profile.
    pub profile: SafeText,
    /// The behaviour.
    pub behavior: SafeText,
    /// Why, in a few words.
    pub why: SafeText,
    /// An agent on the device would report it: not judged on those of which no report was heard yet.
    pub reported: bool,
    /// On how many of the devices that were heard and that the profile is for, where it is not on all that are to come too:
    /// those it is not judged on, and all of them.
    pub on: Option<(usize, usize)>,
    /// Some of those it is not judged on.
    pub things: Vec<Name>,
}

/// Of a profile that asks for what agents report: on which of its devices that is judged.
#[derive(Clone, Debug, Default)]
struct Reporting {
    /// By device: nothing where the profile is not for it, or it was not heard; whether a report of it was.
    devices: Vec<Option<bool>>,
    /// Devices of which none was heard, and all.
    lacking: usize,
    all: usize,
}

impl Reporting {
    fn set(&mut self, id: DeviceId, reports: Option<bool>) {
        if id.index() >= self.devices.len() {
            if reports.is_none() {
                return;
            }
            self.devices.resize(id.index() + 1, None);
        }
        let Some(slot) = self.devices.get_mut(id.index()) else { return };
        let count = |known: Option<bool>| (usize::from(known == Some(false)), usize::from(known.is_some()));
        let (before, after) = (count(*slot), count(reports));
        *slot = reports;
        self.lacking = self.lacking + after.0 - before.0;
        self.all = self.all + after.1 - before.1;
    }

    /// Some devices of which none was heard.
    fn some(&self) -> impl Iterator<Item = usize> {
        const SOME: usize = 5;
        self.devices
            .iter()
            .enumerate()
            .filter(|(_, known)| **known == Some(false))
            .map(|(at, _)| at)
            .take(SOME)
    }
}

/// A window of Detect's as one device filled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardWindow {
    /// When it began and when it ends; of the running one later than now.
    pub time: (Ms, Ms),
    /// Messages heard in it.
    pub messages: u64,
    /// Whether it was listened to all along, so far.
    pub whole: bool,
}

/// The engine, what it judges by, and what it found.
pub(super) struct Detection {
    engine: Engine,
    speed: f64,
    local: Vec<ProfileRecord>,
    profiles: Vec<ProfileRecord>,
    not_judged: Vec<NotJudged>,
    /// By device: the number of its last report.
    reports: HashMap<DeviceId, i64>,
    /// By profile, as `profiles`: of whom reports were heard, where it asks for what they say.
    reporting: Vec<Option<Reporting>>,
    /// The broker tells who connects; or did once.
    presence: bool,
    /// When the profiles in force were taken up.
    since: Ms,
    /// By device: its place in the engine once its profiles are known to it.
    handles: Vec<Option<Handle>>,
    active: Vec<Finding>,
    past: VecDeque<Finding>,
    /// Of an earlier process, and not taken over yet.
    pub(super) resuming: Resuming,
    /// Findings that ended, since the start.
    ended: u64,
    pub(super) held: HeldLog,
}

impl std::fmt::Debug for Detection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detection").field("active", &self.active.len()).finish_non_exhaustive()
    }
}

impl Detection {
    /// Other profiles of a file; [`Fleet::profiles_changed`] makes them hold.
    pub(super) fn set_local(&mut self, local: Vec<ProfileRecord>) {
        self.local = local;
    }

    pub(super) fn new(speed: f64, presence: bool, local: Vec<ProfileRecord>) -> Self {
        let speed = if speed.is_finite() { speed.max(0.001) } else { 1.0 };
        // AWS forgets an alarm without data after two days (docs/aws-iot.md#4.1.4).
        let silence = (172_800_000.0 / speed) as Ms;
        let mut engine = Engine::new(0, silence).with_window_latency(UNDER_WAY);
        engine.deaf(Ms::MIN);
        let base = (300_000.0 / speed) as Ms;
        let mut detection = Self {
            engine,
            speed,
            local,
            profiles: Vec::new(),
            not_judged: Vec::new(),
            reports: HashMap::new(),
            reporting: Vec::new(),
            presence,
            since: Ms::MIN,
            handles: Vec::new(),
            active: Vec::new(),
            past: VecDeque::new(),
            resuming: Resuming::default(),
            ended: 0,
            held: HeldLog::new(base),
        };
        detection.compile(&[], Ms::MIN);
        detection
    }

    /// Says from when on somebody listens, or nobody.
    pub(super) fn listen(&mut self, listening: bool, at: Ms) {
        if listening {
            self.engine.listening(at);
        } else {
            self.engine.deaf(at);
        }
    }

    /// Open windows and alarms, for a restart.
    pub(super) fn keep(&self) -> engine::Kept {
        self.engine.keep()
    }

    /// Takes over what the behaviours in force judge; the devices it was of.
    pub(super) fn take_over(&mut self, kept: &mut engine::Kept, standing: &[OpenFinding]) -> Vec<Arc<str>> {
        let mut taken = self.engine.resume(kept, &|thing, profile, behavior| {
            standing.iter().find(|s| s.is(thing, profile, behavior)).map(|s| s.bad)
        });
        for stands in standing {
            // It may have been told after the windows were kept.
            self.engine.restore(&stands.thing, &stands.profile, &stands.behavior, stands.bad);
            taken.push(stands.thing.as_str().into());
        }
        taken
    }

    /// True when a device disconnected and was not heard since.
    pub(super) fn is_gone(&self, thing: &str) -> bool {
        self.engine.is_gone(thing)
    }

    pub(super) fn absolve(&mut self, thing: &str, now: Ms) -> Vec<Verdict> {
        self.engine.absolve(thing, now)
    }

    /// A profile that is judged by.
    pub(super) fn judged_by_name(&self, name: &str) -> Option<&ProfileRecord> {
        self.profiles.iter().find(|profile| profile.name.as_str() == name)
    }

    /// A finding of an earlier process that is not over.
    pub(super) fn stand(&mut self, device: DeviceId, stands: &OpenFinding, behavior: Behavior) {
        if self.active.len() < ACTIVE {
            self.active.push(Finding {
                device,
                thing: Name::new(&stands.thing),
                profile: stands.profile(),
                behavior: Arc::new(behavior),
                bad: stands.bad,
                found: stands.found,
                last: stands.bad,
                value: stands.value.clone(),
                over: None,
                invalidated: false,
            });
        }
    }

    /// Takes up the account's profiles; one of a file gives way to the account's of the same name.
    fn compile(&mut self, account: &[ProfileRecord], now: Ms) -> Vec<Verdict> {
        let mut profiles = account.to_vec();
        profiles.extend(self.local.iter().filter(|l| account.iter().all(|p| p.name != l.name)).cloned());
        let same = profiles.len() == self.profiles.len()
            && profiles.iter().zip(&self.profiles).all(|(a, b)| {
                (&a.name, &a.behaviors, &a.dimensions) == (&b.name, &b.behaviors, &b.dimensions)
            });
        self.profiles = profiles;
        if same {
            // Targets may have changed: everybody is enrolled anew, alarms stand.
            self.handles.clear();
            return Vec::new();
        }
        self.since = now;
        self.not_judged = self.profiles.iter().flat_map(not_judged).collect();
        let asks = |profile: &ProfileRecord| {
            profile
                .behaviors
                .iter()
                .filter_map(|b| Metric::parse(b.metric.as_deref()?))
                .any(|m| m.is_reported())
        };
        self.reporting = self.profiles.iter().map(|p| asks(p).then(Reporting::default)).collect();
        let compiled: Vec<Profile> = self
            .profiles
            .iter()
            .map(|profile| Profile {
                name: profile.name.shared(),
                behaviors: profile
                    .behaviors
                    .iter()
                    .filter(|b| unheard(profile, b).is_none())
                    .cloned()
                    .collect(),
                retained: Vec::new(),
            })
            .collect();
        let filters = |name: &str| self.profiles.iter().find_map(|p| p.dimensions.get(name).cloned());
        let plan = Plan::new(&compiled, |secs| self.held.lasts(secs), filters);
        self.handles.clear();
        self.engine.set_plan(plan, now)
    }
}

/// Why a behaviour cannot be judged on what a console hears; `None` when it can.
fn unheard(profile: &ProfileRecord, behavior: &Behavior) -> Option<String> {
    let criteria = behavior.criteria.as_ref()?;
    if criteria.ml_detection_config.is_some() {
        return Some("a model AWS learned".to_owned());
    }
    let dimension = behavior.metric_dimension.as_ref().map(|dimension| &dimension.dimension_name);
    if let Some(name) = dimension.filter(|name| !profile.dimensions.contains_key(*name)) {
        return Some(format!("limited to topics by the dimension {name}, which is not known"));
    }
    let limited = |why: &str| dimension.map(|_| why.to_owned());
    match behavior.metric.as_deref().and_then(Metric::parse) {
        Some(Metric::MessagesReceived) => Some("what a device receives is not heard".to_owned()),
        Some(Metric::SourceIp) => {
            limited("a connection is heard, and not where messages on a topic come from")
        }
        Some(Metric::AuthorizationFailures) => limited("a refused connection is heard, and no refused topic"),
        Some(_) => None,
        None => Some("unknown metric".to_owned()),
    }
}

/// What a broker that tells of no connection leaves open.
const UNTOLD: &str = "this broker tells of no connection, as AWS does by its presence events: who connects, from where, and who is \
                      gone is not heard";

/// What is counted of connections.
fn of_presence(metric: &Metric) -> bool {
    matches!(
        metric,
        Metric::AuthorizationFailures
            | Metric::ConnectionAttempts
            | Metric::Disconnects
            | Metric::DisconnectDuration
            | Metric::SourceIp
    )
}

/// What only an agent on the device can measure.
const REPORTED: &str = "measured on the device, and no agent's report is heard; on AWS nobody but Device Defender hears one, unless \
                        it is published on …/THING/defender/metrics/json too";

fn not_judged(profile: &ProfileRecord) -> Vec<NotJudged> {
    let why = |b: &Behavior| {
        let metric = b.metric.as_deref().and_then(Metric::parse);
        let unheard = unheard(profile, b);
        let reported =
            unheard.is_none() && b.criteria.is_some() && metric.is_some_and(|metric| metric.is_reported());
        let why = SafeText::new(&unheard.or_else(|| reported.then(|| REPORTED.to_owned()))?);
        let (profile, behavior) = (profile.name.clone(), SafeText::new(&b.name));
        Some(NotJudged { profile, behavior, why, reported, on: None, things: Vec::new() })
    };
    profile.behaviors.iter().filter_map(why).collect()
}

/// A measured value, for as long as a finding is kept: a device may report thousands of ports.
fn bounded(mut value: MetricValue) -> MetricValue {
    const MOST: usize = 50;
    value.cidrs.iter_mut().for_each(|list| list.truncate(MOST));
    value.ports.iter_mut().for_each(|list| list.truncate(MOST));
    value.numbers.iter_mut().for_each(|list| list.truncate(MOST));
    if let Some(strings) = &mut value.strings {
        strings.truncate(MOST);
        strings.iter_mut().filter(|text| text.len() > 256).for_each(|text| {
            *text = text.chars().take(64).collect();
        });
    }
    value
}

impl Fleet {
    /// Behaviours that are not met right now, by quell's own judgement; the oldest first.
    pub fn own_findings(&self) -> &[Finding] {
        &self.detection.active
    }

    /// Findings that are over, the newest last.
    pub fn past_findings(&self) -> impl DoubleEndedIterator<Item = &Finding> + ExactSizeIterator {
        self.detection.past.iter()
    }

    /// Findings that ended since the start: more than are kept.
    pub fn findings_ended(&self) -> u64 {
        self.detection.ended
    }

    /// The security profiles quell judges by: the account's, and those of a file.
    pub fn judged_by(&self) -> &[ProfileRecord] {
        &self.detection.profiles
    }

    /// Behaviours that cannot be judged on what is heard, and why. What agents report is on each device of which a report was
    /// heard; what is counted of connections, where the broker tells of them.
    pub fn not_judged(&self) -> impl Iterator<Item = NotJudged> {
        let Detection { not_judged, profiles, presence, .. } = &self.detection;
        let known = not_judged.iter().filter_map(|not| {
            if !not.reported {
                return Some(not.clone());
            }
            let reporting = self.reporting(&not.profile)?;
            if reporting.lacking == 0 && reporting.all > 0 {
                return None;
            }
            let name = |at: usize| self.devices.get(at).map(|device| device.name().clone());
            let on = (reporting.lacking < reporting.all).then_some((reporting.lacking, reporting.all));
            Some(NotJudged { on, things: reporting.some().filter_map(name).collect(), ..not.clone() })
        });
        let untold = profiles.iter().filter(move |_| !presence).flat_map(|profile| {
            let counted = |b: &&Behavior| {
                let metric = b.metric.as_deref().and_then(Metric::parse);
                unheard(profile, b).is_none()
                    && b.criteria.is_some()
                    && metric.as_ref().is_some_and(of_presence)
            };
            profile.behaviors.iter().filter(counted).map(|b| NotJudged {
                profile: profile.name.clone(),
                behavior: SafeText::new(&b.name),
                why: SafeText::new(UNTOLD),
                reported: false,
                on: None,
                things: Vec::new(),
            })
        });
        known.chain(untold)
    }

    fn reporting(&self, profile: &SafeText) -> Option<&Reporting> {
        let at = self.detection.profiles.iter().position(|p| p.name == *profile)?;
        self.detection.reporting.get(at)?.as_ref()
    }

    /// Why a behaviour is not judged on a device; none where it is, as far as what it measures is heard.
    pub fn not_judged_on(&self, thing: &Name, profile: &SafeText, behavior: &str) -> Option<SafeText> {
        let id = self.find(thing.raw());
        let reports = id.is_some_and(|id| self.detection.reports.contains_key(&id));
        let named = |not: &NotJudged| not.profile == *profile && not.behavior.as_str() == behavior;
        let not = self.detection.not_judged.iter().find(|not| named(not));
        match not {
            Some(not) if !(not.reported && reports) => Some(not.why.clone()),
            Some(_) => None,
            None => self.not_judged().find(named).map(|not| not.why),
        }
    }

    /// What was heard, for a behaviour that is not in force: of the devices the profile applies to, or of all.
    pub fn held(&self, profile: Option<&ProfileRecord>, now: Ms) -> quell_rules::detect::whatif::Held {
        let whole = |from, to| self.watch().covers(from, to) && self.focus.covers_all(from, to);
        self.detection.held.held(whole, now, |id| {
            let device = self.device(id);
            !device.is_unattributed() && profile.is_none_or(|p| self.covers(p, id))
        })
    }

    /// How long a window of so many seconds lasts here: less against a sped-up emulator.
    pub fn window_ms(&self, seconds: i64) -> Ms {
        self.detection.held.lasts(seconds)
    }

    /// How many messages of a device came in each window of so many seconds that is held, the oldest first and the running one
    /// with them; windows begin at multiples of their length (docs/aws-iot.md#4.1.2).
    pub fn heard_windows(&self, id: DeviceId, seconds: i64, now: Ms) -> Vec<HeardWindow> {
        let (base, per) = (self.detection.held.base_ms(), (seconds / 300).max(1));
        let mut all: Vec<HeardWindow> = Vec::new();
        for (number, messages, _) in self.detection.held.windows_of(id) {
            let begin = number.div_euclid(per) * per * base;
            let time = (begin, begin + per * base);
            match all.last_mut().filter(|last| last.time == time) {
                Some(last) => last.messages += u64::from(messages),
                None => all.push(HeardWindow { time, messages: messages.into(), whole: false }),
            }
        }
        let listening = self.listening(id);
        for window in &mut all {
            window.whole = listening.covers(window.time.0, window.time.1.min(now));
        }
        all
    }

    /// When a violation was first read by this console.
    pub fn violation_seen(&self, id: &str) -> Option<Ms> {
        self.seen_violations.get(id).copied()
    }

    /// True when one of the profile's targets covers the device (docs/aws-iot.md#4.1.7).
    fn covers(&self, profile: &ProfileRecord, id: DeviceId) -> bool {
        let device = self.device(id);
        let registered = device.registered() != Some(false);
        profile.targets.iter().any(|target| match target.as_str().rsplit(':').next().unwrap_or_default() {
            "all/things" => true,
            "all/registered-things" => registered,
            "all/unregistered-things" => !registered,
            other => other.strip_prefix("thinggroup/").is_some_and(|group| {
                self.members(group)
                    .and_then(|known| known.get())
                    .and_then(Option::as_ref)
                    .is_some_and(|members| members.iter().any(|m| m == device.name()))
            }),
        })
    }

    /// True when the members of a group that the profile is for are not read yet.
    fn is_open(&self, profile: &ProfileRecord) -> bool {
        profile.targets.iter().any(|target| {
            let group = target.as_str().rsplit(':').next().and_then(|t| t.strip_prefix("thinggroup/"));
            group.is_some_and(|group| self.members(group).is_none_or(|known| known.get().is_none()))
        })
    }

    /// Says which profiles apply to a device, once. An alarm of an earlier process stands until it is known whom its profile
    /// is for.
    pub(super) fn enroll(&mut self, id: DeviceId, now: Ms) -> Option<Handle> {
        let name = names::name(&self.devices, id);
        let profiles = self.detection.profiles.iter().enumerate();
        let applies = profiles
            .map(|(at, p)| self.covers(p, id) || self.is_open(p) && self.detection.engine.stands(name, at))
            .collect();
        let gone = self.detection.engine.enroll(name, applies, now);
        let handle = self.detection.engine.handle(name);
        let handles = &mut self.detection.handles;
        if id.index() >= handles.len() {
            handles.resize(id.index() + 1, None);
        }
        if let Some(slot) = handles.get_mut(id.index()) {
            *slot = Some(handle);
        }
        self.count_reporting(id);
        if !gone.is_empty() {
            self.verdicts(gone, now);
        }
        Some(handle)
    }

    /// Of which profiles that ask for agents' reports the device is, and whether one was heard.
    fn count_reporting(&mut self, id: DeviceId) {
        if self.detection.reporting.iter().all(Option::is_none) {
            return;
        }
        let reports = self.detection.reports.contains_key(&id);
        let counts = !self.device(id).is_unattributed();
        let covered: Vec<bool> =
            self.detection.profiles.iter().map(|profile| counts && self.covers(profile, id)).collect();
        for (reporting, covered) in self.detection.reporting.iter_mut().zip(covered) {
            if let Some(reporting) = reporting {
                reporting.set(id, covered.then_some(reports));
            }
        }
    }

    fn handle(&mut self, id: DeviceId, now: Ms) -> Option<Handle> {
        match self.detection.handles.get(id.index()) {
            Some(Some(handle)) => Some(*handle),
            _ => self.enroll(id, now),
        }
    }

    /// The hot path: messages of a device, for the log and for the behaviours.
    #[inline]
    pub(super) fn judge_messages(
        &mut self,
        id: DeviceId,
        topic: u32,
        at: Ms,
        (count, bytes, largest): (u32, u64, u32),
        now: Ms,
    ) -> Changes {
        self.detection.held.note(id, at, count, bytes, largest);
        if self.detection.profiles.is_empty() {
            return Changes::NONE;
        }
        let Some(handle) = self.handle(id, now) else { return Changes::NONE };
        let text = self.topics.get(topic).map_or("", |t| t.text());
        let heard = Heard {
            count: count.into(),
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            largest: largest.into(),
            at_ms: at,
        };
        self.detection.engine.heard(handle, text, heard);
        if !self.detection.engine.has_waiting() {
            return Changes::NONE;
        }
        let mut due = Vec::new();
        self.detection.engine.due_messages(now.max(at), &mut due);
        self.verdicts(due, now)
    }

    /// Something counted that is no message: a connection, a refusal.
    pub(super) fn judge_count(&mut self, id: DeviceId, metric: &Metric, at: Ms, now: Ms) {
        if !self.detection.profiles.is_empty() && self.handle(id, now).is_some() {
            let name = names::name(&self.devices, id);
            self.detection.engine.count(name, metric, "", 1, at);
        }
    }

    /// What an agent on the device reports. One that came twice, or late, is counted once, as by AWS.
    pub(super) fn judge_report(&mut self, id: DeviceId, report: &Report, at: Ms, now: Ms) -> Changes {
        if self.detection.reports.get(&id).is_some_and(|last| report.id <= *last) {
            return Changes::NONE;
        }
        if self.detection.reports.insert(id, report.id).is_none() {
            self.count_reporting(id);
        }
        if self.detection.profiles.is_empty() || self.handle(id, now).is_none() {
            return Changes::NONE;
        }
        let name = names::name(&self.devices, id);
        for (metric, amount) in &report.counts {
            self.detection.engine.count(name, metric, "", *amount, at);
        }
        for (metric, value) in &report.samples {
            self.detection.engine.sample(name, metric, value, at);
        }
        self.judge_samples(at, now)
    }

    /// A device connected, from an address, or is gone.
    pub(super) fn judge_presence(
        &mut self,
        id: DeviceId,
        kind: PresenceKind,
        (version, address): (i64, Option<IpAddr>),
        at: Ms,
        now: Ms,
    ) -> Changes {
        self.detection.presence = true;
        if self.detection.profiles.is_empty() || self.handle(id, now).is_none() {
            return Changes::NONE;
        }
        let name = names::name(&self.devices, id);
        let engine = &mut self.detection.engine;
        match kind {
            PresenceKind::Connected => {
                engine.connected(name, version.cast_unsigned());
                if let Some(address) = address {
                    engine.address(name, None, address, at);
                }
            }
            PresenceKind::Disconnected => {
                engine.disconnected(name, version.cast_unsigned(), at);
            }
            PresenceKind::ConnectFailed => {}
        }
        self.judge_samples(at, now)
    }

    /// Any other sign of life.
    pub(super) fn judge_sign(&mut self, id: DeviceId, at: Ms) {
        let Some(device) = self.devices.get(id.index()).filter(|_| !self.detection.profiles.is_empty())
        else {
            return;
        };
        self.detection.engine.here(device.name().raw(), at);
    }

    fn judge_samples(&mut self, at: Ms, now: Ms) -> Changes {
        let mut due = Vec::new();
        self.detection.engine.due_messages(now.max(at), &mut due);
        self.verdicts(due, now)
    }

    /// Windows that ended.
    pub(super) fn judge_windows(&mut self, now: Ms) -> Changes {
        if self.detection.profiles.is_empty() {
            return Changes::NONE;
        }
        let (focus, by_name, devices) = (&self.focus, &self.by_name, &self.devices);
        // What was not listened to all along may have sent more.
        let whole = |device: Option<&str>, from, to| match device.and_then(|name| by_name.find(name, devices))
        {
            Some(id) => focus.covers(id, from, to),
            None => focus.covers_all(from, to),
        };
        let due = self.detection.engine.due_where(now, &whole);
        self.verdicts(due.verdicts, now)
    }

    /// The account's profiles were read.
    pub(super) fn profiles_changed(&mut self, now: Ms) -> Changes {
        let account = self.profiles.get().cloned().unwrap_or_default();
        for profile in &account {
            for target in &profile.targets {
                let group = target.as_str().rsplit(':').next().and_then(|t| t.strip_prefix("thinggroup/"));
                if let Some(group) = group {
                    self.want(SourceId::Members(Name::new(group)));
                }
            }
        }
        let gone = self.detection.compile(&account, now);
        self.verdicts(gone, now) | self.take_over(now)
    }

    /// A group's members are known anew: targets may cover other devices.
    pub(super) fn targets_changed(&mut self, group: &str) {
        let names = |p: &ProfileRecord| p.targets.iter().any(|t| t.as_str().ends_with(group));
        if self.detection.profiles.iter().any(names) {
            self.detection.handles.clear();
        }
    }

    pub(super) fn verdicts(&mut self, verdicts: Vec<Verdict>, now: Ms) -> Changes {
        let mut changes = Changes::NONE;
        for verdict in verdicts {
            let Some(id) = self.find(&verdict.device) else { continue };
            let detection = &mut self.detection;
            let at = detection.active.iter().position(|f| {
                f.device == id
                    && f.behavior.name == verdict.behavior.name
                    && *f.profile.as_str() == *verdict.profile
            });
            match (verdict.outcome, at) {
                (Outcome::Raised, _) if detection.active.len() < ACTIVE => {
                    let thing = self.devices.get(id.index()).map(|d| d.name().clone());
                    let Some(thing) = thing else { continue };
                    detection.active.push(Finding {
                        device: id,
                        thing,
                        profile: SafeText::new(&verdict.profile),
                        behavior: verdict.behavior,
                        bad: verdict.at_ms,
                        found: now.max(verdict.at_ms),
                        last: verdict.at_ms,
                        value: bounded(verdict.value),
                        over: None,
                        invalidated: false,
                    });
                }
                (Outcome::Updated, Some(at)) => {
                    if let Some(finding) = detection.active.get_mut(at) {
                        finding.last = verdict.at_ms;
                        finding.value = bounded(verdict.value);
                    }
                    changes |= Changes::VIOLATIONS;
                    continue;
                }
                (outcome @ (Outcome::Cleared | Outcome::Invalidated), Some(at)) => {
                    let mut finding = detection.active.remove(at);
                    finding.over = Some(verdict.at_ms);
                    finding.invalidated = outcome == Outcome::Invalidated;
                    detection.ended += 1;
                    if detection.past.len() == PAST {
                        detection.past.pop_front();
                    }
                    detection.past.push_back(finding);
                }
                _ => continue,
            }
            changes |= self.count_findings(id, now);
        }
        changes
    }

    /// The device's findings are others than before.
    pub(super) fn count_findings(&mut self, id: DeviceId, now: Ms) -> Changes {
        let standing = self.detection.active.iter().filter(|f| f.device == id).count();
        if let Some(device) = self.devices.get_mut(id.index()) {
            device.set_findings(u16::try_from(standing).unwrap_or(u16::MAX));
        }
        self.judge(id, now) | Changes::VIOLATIONS | Changes::DEVICES
    }

    pub(super) fn judging_since(&self) -> Ms {
        self.detection.since
    }

    pub(super) fn detect_speed(&self) -> f64 {
        self.detection.speed
    }
}
