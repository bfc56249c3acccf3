//! What a fleet is found to be, as alerts: what began and what is over, each once, also across a restart.

use std::collections::{BTreeMap, HashMap, HashSet};

use quell_fleet::text::SafeText;
use quell_fleet::{Device, Finding, Fleet, Heed, Ms, OpenFinding, SourceId, WarningKind};
use quell_rules::detect::model::{Behavior, MetricValue};

use crate::config::{AlertKind, Severity};
use crate::console::views::against;

use super::alert::{self, Alert, OWN, Step};

/// A guard that has just started gets so long to connect before that is worth a word.
const CONNECT: Ms = 30_000;
/// What cannot be seen for a moment, again and again, is one stretch: it is over when it was seen for this long.
const SEEN_AGAIN: Ms = 10_000;
/// Messages of a device after a restart before what was told of it before is believed to be over.
const HEARD: u64 = 3;
/// Two devices that shared an identity before a restart are looked for again for this long.
const CLONES: Ms = 15 * 60_000;
/// What a rule in AWS raised is over when it did not for so long.
const RAISED: Ms = 15 * 60_000;
/// An agent reports once in five minutes (docs/aws-iot.md#3.8): that none was heard is said after two of these.
const REPORTS: Ms = 600_000;
/// Open alerts remembered: as many findings as a fleet holds, and room for the rest. Beyond it nothing new is told but that.
const OPEN: usize = 20_000;

/// What an alert is about: two of the same are one that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    kind: AlertKind,
    thing: Option<String>,
    profile: String,
    behavior: String,
}

impl Key {
    fn of_finding(finding: &Finding) -> Self {
        Self {
            kind: AlertKind::Alarm,
            thing: Some(finding.thing.raw().to_owned()),
            profile: finding.profile.as_str().to_owned(),
            behavior: finding.behavior.name.clone(),
        }
    }

    fn of(alert: &Alert) -> Self {
        Self {
            kind: alert.kind,
            thing: alert.thing.clone(),
            profile: alert.profile.clone(),
            behavior: alert.behavior.name.clone(),
        }
    }
}

/// An alert that is not over.
#[derive(Clone, Debug)]
struct Open {
    alert: Alert,
    /// Of an earlier process, and not found by this one yet.
    carried: bool,
    /// Not found any more since then; of what a rule in AWS raised, when it last did.
    gone: Option<Ms>,
}

/// Remembers what was told.
#[derive(Debug)]
pub struct Judge {
    open: BTreeMap<Key, Open>,
    started: Ms,
    /// Findings that had ended when it was last looked.
    ended: u64,
    /// There were more than can be remembered; told once.
    full: bool,
    /// AWS's durations pass so many times as fast.
    speed: f64,
    /// Why nobody knows which guard acts, and since when.
    lease: Option<(SafeText, Ms)>,
    /// Raised by a rule in AWS, told, and then seen here.
    seen: Vec<Alert>,
}

impl Judge {
    /// Goes on from what was told and is not over.
    pub fn new(open: Vec<Alert>, speed: f64, now: Ms) -> Self {
        let open = open.into_iter().map(|alert| {
            let gone = alert.raised.then_some(now);
            (Key::of(&alert), Open { alert, carried: true, gone })
        });
        Self {
            open: open.collect(),
            started: now,
            ended: 0,
            full: false,
            speed: speed.max(0.001),
            lease: None,
            seen: Vec::new(),
        }
    }

    /// Why nobody knows which guard acts, and since when; none when it is known, or there is one only.
    pub fn lease(&mut self, unknown: Option<(SafeText, Ms)>) {
        self.lease = unknown;
    }

    /// Alerts that are not over.
    pub fn open(&self) -> impl ExactSizeIterator<Item = &Alert> {
        self.open.values().map(|open| &open.alert)
    }

    /// The findings among them, for a fleet to go on from.
    pub fn findings(&self) -> Vec<OpenFinding> {
        let alarms = self.open().filter(|alert| alert.kind == AlertKind::Alarm && !alert.raised);
        let finding = |alert: &Alert| {
            Some(OpenFinding {
                thing: alert.thing.clone()?,
                profile: alert.profile.clone(),
                behavior: alert.behavior.name.clone(),
                bad: alert.at,
                found: alert.found,
                value: alert.value.clone(),
            })
        };
        alarms.filter_map(finding).collect()
    }

    /// Whether an early warning of a thing was told and is not over.
    pub fn is_warned(&self, thing: &str, warning: WarningKind) -> bool {
        let key = Key {
            kind: kind_of(warning),
            thing: Some(thing.to_owned()),
            profile: OWN.to_owned(),
            behavior: warning.word().to_owned(),
        };
        self.open.contains_key(&key)
    }

    /// What is new of behaviours: cheap, after everything that is heard.
    pub fn findings_of(&mut self, fleet: &Fleet, now: Ms) -> Vec<Alert> {
        let mut out = Vec::new();
        let ended = fleet.findings_ended();
        let new = usize::try_from(ended - self.ended).unwrap_or(usize::MAX);
        self.ended = ended;
        let past: Vec<&Finding> = fleet.past_findings().rev().take(new).collect();
        // The oldest first: one that ended and began again between two looks is told in its order.
        for finding in past.into_iter().rev() {
            let found = alarm(fleet, finding);
            let Some(found) = found else { continue };
            let key = Key::of(&found);
            let told = self.open.get(&key).is_some_and(|open| open.alert.at == found.at);
            if !told && !self.begin(&mut out, found, now) {
                continue;
            }
            let step = if finding.invalidated { Step::AlarmInvalidated } else { Step::AlarmCleared };
            self.end(&mut out, &key, step, finding.over.unwrap_or(now), now);
        }
        let mut standing = HashSet::new();
        for finding in fleet.own_findings().iter().filter(|finding| is_told(finding)) {
            let key = Key::of_finding(finding);
            // Built only when there is something to tell: this is looked at after every message.
            let known = self
                .open
                .get(&key)
                .is_some_and(|open| open.alert.at >= finding.bad && !open.carried && !open.alert.raised);
            if !known && let Some(found) = alarm(fleet, finding) {
                self.begin(&mut out, found, now);
            }
            standing.insert(key);
        }
        // What is judged is known once profiles were read, or when there is no account to read them from; until then an alarm
        // of an earlier process stands.
        let known = fleet.polls().all(|(source, _)| *source != SourceId::Profiles)
            && now - self.started > CONNECT
            || fleet.profiles().is_current();
        let judged = |open: &Open| {
            let profile = fleet.judged_by().iter().find(|p| p.name.as_str() == open.alert.profile);
            profile.is_some_and(|p| p.behaviors.iter().any(|b| b.name == open.alert.behavior.name))
        };
        let gone: Vec<Key> = self
            .open
            .iter()
            .filter(|(key, open)| {
                key.kind == AlertKind::Alarm
                    && !open.alert.raised
                    && !standing.contains(*key)
                    && (!open.carried || judged(open) || known)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.end(&mut out, &key, Step::AlarmInvalidated, now, now);
        }
        out
    }

    /// What a rule in AWS raised first and was then seen here: told already, and to be acted on from now on.
    pub fn take_seen(&mut self) -> Vec<Alert> {
        std::mem::take(&mut self.seen)
    }

    /// What rules in AWS raised, each told once, as long as it goes on.
    pub fn raised(&mut self, found: Vec<Alert>, now: Ms) -> Vec<Alert> {
        let mut out = Vec::new();
        let mut raised = self.open().filter(|alert| alert.raised).count();
        for alert in found {
            let key = Key::of(&alert);
            let known = self.open.contains_key(&key);
            // Whoever may publish there can say anything of any number of things: what is seen here has room all the same.
            if known || raised < OPEN / 4 {
                self.begin(&mut out, alert, now);
                raised += usize::from(!known && self.open.contains_key(&key));
            }
        }
        out
    }

    /// What else is new: early warnings, silence, clones, and what cannot be seen. Looks at every device.
    pub fn tick(&mut self, fleet: &Fleet, now: Ms) -> Vec<Alert> {
        let mut out = self.findings_of(fleet, now);
        let mut found: HashMap<Key, Alert> = HashMap::new();
        for (_, device) in fleet.devices().filter(|(_, device)| !device.is_unattributed()) {
            for warning in device.warnings() {
                let kind = kind_of(warning.kind);
                let alert =
                    own(kind, Some(device), warning.kind.word(), &warning.sentence, warning.since, now);
                found.insert(Key::of(&alert), alert);
            }
        }
        for cloned in fleet.cloned() {
            let device = fleet.device(cloned.device);
            let sentence = SafeText::new(&cloned.sentence());
            let alert = own(AlertKind::Clone, Some(device), "clone", &sentence, cloned.found, now);
            found.insert(Key::of(&alert), alert);
        }
        for alert in self.blind(fleet, now) {
            found.insert(Key::of(&alert), alert);
        }
        let gone: Vec<Key> = self
            .open
            .iter_mut()
            .filter(|(key, _)| key.kind != AlertKind::Alarm)
            .filter_map(|(key, open)| {
                if found.contains_key(key) {
                    open.gone = None;
                    return None;
                }
                let since = *open.gone.get_or_insert(now);
                over(key, open, since, fleet, self.started, self.speed, now).then(|| key.clone())
            })
            .collect();
        for key in gone {
            let at = self.open.get(&key).and_then(|open| open.gone).unwrap_or(now);
            self.end(&mut out, &key, Step::AlarmCleared, at, now);
        }
        // A rule says what violates, and nothing of what does not any more.
        let quiet = (RAISED as f64 / self.speed) as Ms;
        let silent: Vec<Key> = self
            .open
            .iter()
            .filter(|(_, open)| open.alert.raised && open.gone.is_some_and(|last| now - last >= quiet))
            .map(|(key, _)| key.clone())
            .collect();
        for key in silent {
            self.end(&mut out, &key, Step::AlarmCleared, now, now);
        }
        // In the order in which they began, whatever the order of a table.
        let mut found: Vec<Alert> = found.into_values().collect();
        found.sort_by(|a, b| (a.at, &a.thing, &a.behavior.name).cmp(&(b.at, &b.thing, &b.behavior.name)));
        for alert in found {
            self.begin(&mut out, alert, now);
        }
        out
    }

    /// Takes up what is found: told when it is new. False when there is no room to remember it.
    fn begin(&mut self, out: &mut Vec<Alert>, found: Alert, now: Ms) -> bool {
        let key = Key::of(&found);
        let room = self.open.len() < OPEN;
        match self.open.get_mut(&key) {
            Some(open) => {
                open.carried = false;
                // Told already, by whichever of the two found it first; what is seen here is over when that is seen.
                if open.alert.raised {
                    open.alert.raised = found.raised;
                    open.gone = found.raised.then_some(now);
                    if !found.raised {
                        open.alert.at = found.at;
                        self.seen.push(open.alert.clone());
                    }
                    return true;
                }
                if found.raised {
                    return true;
                }
                // A behaviour that was met and is not again is another violation.
                if key.kind == AlertKind::Alarm && open.alert.at < found.at {
                    out.push(open.alert.ended(Step::AlarmCleared, found.at, now));
                    open.alert = found.clone();
                    out.push(found);
                }
                true
            }
            None if room => {
                let gone = found.raised.then_some(now);
                self.open.insert(key, Open { alert: found.clone(), carried: false, gone });
                out.push(found);
                true
            }
            None => {
                if !std::mem::replace(&mut self.full, true) {
                    let why = SafeText::new(&format!(
                        "{OPEN} alerts are open: further ones are not told one by one"
                    ));
                    out.push(own(AlertKind::Blind, None, "too_many_alerts", &why, now, now));
                }
                false
            }
        }
    }

    fn end(&mut self, out: &mut Vec<Alert>, key: &Key, step: Step, at: Ms, now: Ms) {
        if let Some(open) = self.open.remove(key) {
            out.push(open.alert.ended(step, at, now));
            self.full &= self.open.len() >= OPEN;
        }
    }

    /// What cannot be seen right now.
    fn blind(&self, fleet: &Fleet, now: Ms) -> Vec<Alert> {
        let mut out = Vec::new();
        let mut say = |name: &str, why: &str, since: Ms| {
            out.push(own(AlertKind::Blind, None, name, &SafeText::new(why), since, now));
        };
        match fleet.heed() {
            Heed::Deaf(why, since) => say(why.key(), &format!("nothing can be judged: {why}"), since),
            Heed::Never(_) if now - self.started > CONNECT => {
                say("never_connected", "nothing can be judged: the broker was never reached", self.started);
            }
            Heed::Hears | Heed::Never(_) => {}
        }
        for (filter, why) in fleet.link().refused() {
            let name = format!("filter_refused {filter}");
            say(
                &name,
                &format!("the broker refused {filter}: {why}; what it would bring is not judged"),
                now,
            );
        }
        let waited = now - self.started >= (REPORTS as f64 / self.speed) as Ms;
        for not in fleet.not_judged().filter(|not| waited || !not.reported) {
            let name = format!("not_judged {} {}", not.profile, not.behavior);
            let on = on(not.on, not.things.iter().map(|thing| thing.shown().clone()));
            say(&name, &format!("{} of {} is not judged{}: {}", not.behavior, not.profile, on, not.why), now);
        }
        if let Some((why, since)) = &self.lease {
            let why =
                format!("which guard acts is not known, and none may: the lease cannot be asked for: {why}");
            say("lease_unknown", &why, *since);
        }
        for (source, state) in fleet.polls() {
            // Detect that is not offered is why there is a guard: only what it judges by is missed.
            let needed = matches!(source, SourceId::Profiles | SourceId::Members(_));
            if let (true, Some(trouble)) = (needed, &state.trouble)
                && trouble.kind != quell_fleet::known::TroubleKind::Refused
            {
                let name = format!("not_read {}", source.name());
                let why = format!(
                    "{} cannot be read, and is judged by as last known: {}",
                    source.words(),
                    trouble.message
                );
                say(&name, &why, trouble.since);
            }
        }
        out
    }
}

/// ` on 3 of 5 devices (A, B, …)`, some of them named; nothing where it is judged on none.
pub(crate) fn on(counts: Option<(usize, usize)>, named: impl IntoIterator<Item = SafeText>) -> String {
    let Some((lacking, all)) = counts else { return String::new() };
    let mut named: Vec<String> = named.into_iter().map(|thing| thing.to_string()).collect();
    if lacking > named.len() {
        named.push("…".to_owned());
    }
    format!(" on {lacking} of {all} devices ({})", named.join(", "))
}

/// Whether what is not found any more, since then, is over.
fn over(key: &Key, open: &Open, since: Ms, fleet: &Fleet, started: Ms, speed: f64, now: Ms) -> bool {
    if key.kind == AlertKind::Blind {
        return now - since >= SEEN_AGAIN;
    }
    if !open.carried {
        return true;
    }
    if key.kind == AlertKind::Clone {
        return now - started >= (CLONES as f64 / speed) as Ms;
    }
    // Heard as usual again.
    let device = key.thing.as_deref().and_then(|thing| fleet.find(thing)).map(|id| fleet.device(id));
    device.is_some_and(|device| device.received() >= HEARD)
}

fn kind_of(warning: WarningKind) -> AlertKind {
    if warning == WarningKind::Silence { AlertKind::Silence } else { AlertKind::Warning }
}

fn groups(device: &Device) -> Vec<String> {
    device.groups().get().into_iter().flatten().map(|group| group.raw().to_owned()).collect()
}

/// An alert that no profile made.
pub(super) fn own(
    kind: AlertKind,
    device: Option<&Device>,
    name: &str,
    sentence: &SafeText,
    at: Ms,
    now: Ms,
) -> Alert {
    let thing = device.map(|device| device.name().raw().to_owned());
    Alert {
        id: alert::id(thing.as_deref().unwrap_or_default(), OWN, name, at),
        kind,
        step: Step::InAlarm,
        at,
        found: now,
        groups: device.map(groups).unwrap_or_default(),
        thing,
        profile: OWN.to_owned(),
        behavior: alert::named(name),
        value: MetricValue::default(),
        severity: Severity::of(kind),
        sentence: sentence.clone(),
        raised: false,
    }
}

/// Whether a finding is told: not where the profile asks for silence (docs/aws-iot.md#4.1.6).
fn is_told(finding: &Finding) -> bool {
    finding.behavior.suppress_alerts != Some(true)
}

/// A finding as an alert; none where it is not told.
fn alarm(fleet: &Fleet, finding: &Finding) -> Option<Alert> {
    if !is_told(finding) {
        return None;
    }
    let behavior: &Behavior = &finding.behavior;
    let thing = finding.thing.raw();
    let profile = finding.profile.as_str();
    Some(Alert {
        id: alert::id(thing, profile, &behavior.name, finding.bad),
        kind: AlertKind::Alarm,
        step: Step::InAlarm,
        at: finding.bad,
        found: finding.found,
        thing: Some(thing.to_owned()),
        groups: groups(fleet.device(finding.device)),
        profile: profile.to_owned(),
        behavior: behavior.clone(),
        value: finding.value.clone(),
        severity: Severity::of(AlertKind::Alarm),
        sentence: SafeText::new(&against(behavior, Some(&finding.value))),
        raised: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quell_fleet::event::{Batch, Event, LinkEvent, Message, Notice, TopicEntry};
    use quell_fleet::model::{Name, ProfileRecord};
    use quell_fleet::{KeptFleet, Limits};
    use serde_json::json;

    const T0: Ms = 1_574_254_200_000;

    fn limits() -> Limits {
        let behaviors = json!([
            {"name": "Size", "metric": "aws:message-byte-size", "criteria":
                {"comparisonOperator": "less-than-equals", "value": {"count": 1024}}},
            {"name": "Hushed", "metric": "aws:message-byte-size", "suppressAlerts": true, "criteria":
                {"comparisonOperator": "less-than-equals", "value": {"count": 1024}}},
            {"name": "Got", "metric": "aws:num-messages-received", "criteria":
                {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300}},
            {"name": "Ports", "metric": "aws:num-listening-tcp-ports", "criteria":
                {"comparisonOperator": "less-than", "value": {"count": 5}}}]);
        let profile = ProfileRecord {
            name: "P".into(),
            behaviors: serde_json::from_value(behaviors).unwrap(),
            targets: vec!["all/things".into()],
            ..ProfileRecord::default()
        };
        Limits { security_profiles: vec![profile], ..Limits::default() }
    }

    fn up(fleet: &mut Fleet, at: Ms) {
        let filters = vec!["t/#".into()];
        fleet.apply(Event::Link(LinkEvent::Up { at, client_id: "g".into(), filters }), at);
        let topics = ["a", "b"].iter().zip(0..).map(|(name, id)| TopicEntry {
            id,
            topic: format!("t/{name}").into(),
            thing: Some(Name::new(name)),
            telemetry: true,
        });
        fleet.apply(Event::Batch(Batch { topics: topics.collect(), ..Batch::default() }), at);
    }

    fn hear(fleet: &mut Fleet, topic: u32, at: Ms, len: u32) {
        let messages = vec![Message { topic, len, at, payload: None }];
        fleet.apply(Event::Batch(Batch { messages, ..Batch::default() }), at);
    }

    fn told(alerts: &[Alert]) -> Vec<(Option<&str>, &str, Step)> {
        alerts.iter().map(|a| (a.thing.as_deref(), a.behavior.name.as_str(), a.step)).collect()
    }

    #[test]
    fn a_behaviour_is_told_once_when_it_breaks_and_once_when_it_is_met() {
        let mut fleet = Fleet::new(limits());
        let mut judge = Judge::new(Vec::new(), 1.0, T0);
        up(&mut fleet, T0);
        let first = judge.tick(&fleet, T0);
        assert_eq!(told(&first), [(None, "not_judged P Got", Step::InAlarm)], "what is not judged is said");
        hear(&mut fleet, 0, T0 + 1, 3_000);
        let alerts = judge.findings_of(&fleet, T0 + 1);
        assert_eq!(
            told(&alerts),
            [(Some("a"), "Size", Step::InAlarm)],
            "a suppressed behaviour is judged and not told"
        );
        assert!(alerts[0].sentence.as_str().contains("got"), "{}", alerts[0].sentence);
        hear(&mut fleet, 0, T0 + 2, 4_000);
        assert_eq!(judge.findings_of(&fleet, T0 + 2), []);
        hear(&mut fleet, 0, T0 + 3, 10);
        let over = judge.findings_of(&fleet, T0 + 3);
        assert_eq!(told(&over), [(Some("a"), "Size", Step::AlarmCleared)]);
        assert_eq!(over[0].id, alerts[0].id);
        // Broken and met between two looks.
        hear(&mut fleet, 0, T0 + 4, 3_000);
        hear(&mut fleet, 0, T0 + 5, 10);
        hear(&mut fleet, 0, T0 + 6, 3_000);
        let steps = judge.findings_of(&fleet, T0 + 6);
        assert_eq!(
            told(&steps),
            [
                (Some("a"), "Size", Step::InAlarm),
                (Some("a"), "Size", Step::AlarmCleared),
                (Some("a"), "Size", Step::InAlarm)
            ]
        );
        assert_ne!(steps[0].id, steps[2].id);
    }

    #[test]
    fn what_a_rule_raised_is_told_once_acted_on_when_it_is_seen_and_over_when_it_is_quiet() {
        let mut fleet = Fleet::new(limits());
        let mut judge = Judge::new(Vec::new(), 1.0, T0);
        up(&mut fleet, T0);
        judge.tick(&fleet, T0);
        hear(&mut fleet, 0, T0 + 50, 3_000);
        let [own] = judge.findings_of(&fleet, T0 + 50).try_into().unwrap();
        let raised = |at: Ms| Alert { at, raised: true, ..own.clone() };
        // Seen here first: what is raised is no news.
        assert_eq!(judge.raised(vec![raised(T0 + 60)], T0 + 60), []);
        assert!(!judge.open().any(|alert| alert.raised));
        // Raised first.
        let mut judge = Judge::new(Vec::new(), 1.0, T0);
        judge.tick(&Fleet::new(limits()), T0);
        assert_eq!(judge.raised(vec![raised(T0 + 10), raised(T0 + 20)], T0 + 20).len(), 1);
        assert!(judge.take_seen().is_empty());
        assert_eq!(judge.findings_of(&fleet, T0 + 60), [], "told already");
        assert_eq!(told(&judge.take_seen()), [(Some("a"), "Size", Step::InAlarm)]);
        assert_eq!(judge.findings_of(&fleet, T0 + 61), [], "and not a second time");
        // However much is raised, there is room for what is seen.
        let mut crowded = Judge::new(Vec::new(), 1.0, T0);
        let many =
            (0..OPEN / 4 + 10).map(|n| Alert { thing: Some(format!("forged-{n}")), ..raised(T0 + 10) });
        assert_eq!(crowded.raised(many.collect(), T0 + 10).len(), OPEN / 4);
        assert!(told(&crowded.findings_of(&fleet, T0 + 60)).contains(&(Some("a"), "Size", Step::InAlarm)));
        // Never seen here: over when it was not raised for a while, counted from the last time.
        let empty = Fleet::new(limits());
        let mut judge = Judge::new(Vec::new(), 1.0, T0);
        judge.raised(vec![raised(T0 + 10)], T0 + 10);
        judge.raised(vec![raised(T0 + 600_000)], T0 + 600_000);
        let over = |alerts: Vec<Alert>| alerts.iter().any(|alert| alert.step == Step::AlarmCleared);
        assert!(!over(judge.tick(&empty, T0 + RAISED + 20)));
        assert!(over(judge.tick(&empty, T0 + 600_000 + RAISED)));
    }

    #[test]
    fn that_no_agent_reports_is_said_once_one_would_have_and_over_when_one_does() {
        let mut fleet = Fleet::new(limits());
        let mut judge = Judge::new(Vec::new(), 2.0, T0);
        up(&mut fleet, T0);
        let ports = |alerts: &[Alert]| -> Vec<Step> {
            let of = |a: &&Alert| a.behavior.name == "not_judged P Ports";
            alerts.iter().filter(of).map(|a| a.step).collect()
        };
        assert_eq!(ports(&judge.tick(&fleet, T0 + 299_999)), []);
        let said = judge.tick(&fleet, T0 + 300_000);
        assert_eq!(ports(&said), [Step::InAlarm]);
        let document = json!({"hed": {"rid": 1, "v": "1.0"}, "met": {"tp": {"t": 9}}});
        let report = Box::new(quell_rules::detect::report::Report::parse(&document).unwrap());
        let notices = vec![Notice::Report { thing: Name::new("a"), report, at: T0 + 301_000 }];
        fleet.apply(Event::Batch(Batch { notices, ..Batch::default() }), T0 + 301_000);
        let found = judge.tick(&fleet, T0 + 301_000);
        assert_eq!(told(&found), [(Some("a"), "Ports", Step::InAlarm)]);
        assert_eq!(ports(&judge.tick(&fleet, T0 + 320_000)), [Step::AlarmCleared]);
    }

    #[test]
    fn devices_without_an_agent_are_named_while_others_have_one() {
        let mut fleet = Fleet::new(limits());
        let mut judge = Judge::new(Vec::new(), 1.0, T0);
        up(&mut fleet, T0);
        for topic in [0, 1] {
            hear(&mut fleet, topic, T0 + 1_000, 10);
        }
        let document = json!({"hed": {"rid": 1, "v": "1.0"}, "met": {"tp": {"t": 1}}});
        let report = Box::new(quell_rules::detect::report::Report::parse(&document).unwrap());
        let notices = vec![Notice::Report { thing: Name::new("a"), report, at: T0 + 2_000 }];
        fleet.apply(Event::Batch(Batch { notices, ..Batch::default() }), T0 + 2_000);
        let said = judge.tick(&fleet, T0 + REPORTS);
        let ports = said.iter().find(|a| a.behavior.name == "not_judged P Ports").unwrap();
        let sentence = ports.sentence.as_str();
        assert!(
            sentence.starts_with("Ports of P is not judged on 1 of 2 devices (b): measured on"),
            "{sentence}"
        );
    }

    #[test]
    fn a_lost_link_is_an_alert_and_a_flutter_is_one() {
        let mut fleet = Fleet::new(Limits::default());
        let mut judge = Judge::new(Vec::new(), 1.0, T0);
        up(&mut fleet, T0);
        assert_eq!(judge.tick(&fleet, T0), []);
        for i in 0..3 {
            let at = T0 + i * 2_000;
            let reason = "closed".into();
            fleet.apply(Event::Link(LinkEvent::Down { at, reason, retry_at: None }), at);
            let alerts = judge.tick(&fleet, at);
            assert_eq!(alerts.len(), usize::from(i == 0), "{alerts:?}");
            up(&mut fleet, at + 1_000);
            assert_eq!(judge.tick(&fleet, at + 1_000), []);
        }
        let over = judge.tick(&fleet, T0 + 30_000);
        assert_eq!(told(&over), [(None, "link_down", Step::AlarmCleared)]);
    }

    /// Whatever is heard and wherever it is killed: what is told is what an uninterrupted guard tells.
    #[test]
    fn a_kill_anywhere_doubles_nothing_and_loses_nothing() {
        let heard: Vec<(u32, u32)> = [
            (0, 100),
            (1, 100),
            (0, 3_000),
            (1, 200),
            (0, 3_000),
            (0, 10),
            (1, 5_000),
            (1, 5_000),
            (0, 2_000),
            (1, 10),
            (0, 10),
            (0, 9_000),
        ]
        .to_vec();
        let run = |cut: Option<usize>| {
            let mut fleet = Fleet::new(limits());
            let mut judge = Judge::new(Vec::new(), 1.0, T0);
            up(&mut fleet, T0);
            let mut all = judge.tick(&fleet, T0);
            for (i, (topic, len)) in heard.iter().enumerate() {
                let at = T0 + (i as Ms + 1) * 1_000;
                if cut == Some(i) {
                    let bytes = fleet.keep(at).to_bytes().unwrap();
                    let open: Vec<Alert> = judge.open().cloned().collect();
                    // The file of windows is older than what was told, by nothing or by everything.
                    let kept = if i % 2 == 0 {
                        KeptFleet::from_bytes(&bytes).unwrap()
                    } else {
                        KeptFleet::default()
                    };
                    judge = Judge::new(open, 1.0, at);
                    fleet = Fleet::new(limits());
                    fleet.resume(kept, judge.findings(), &|thing, kind| judge.is_warned(thing, kind), at);
                    all.extend(judge.tick(&fleet, at));
                    up(&mut fleet, at);
                }
                hear(&mut fleet, *topic, at, *len);
                all.extend(judge.tick(&fleet, at));
            }
            all.into_iter()
                .filter(|a| a.kind == AlertKind::Alarm)
                .map(|a| (a.id, a.step, a.at))
                .collect::<Vec<_>>()
        };
        let whole = run(None);
        assert!(whole.len() >= 6, "{whole:?}");
        for cut in 0..heard.len() {
            assert_eq!(run(Some(cut)), whole, "cut before message {cut}");
        }
    }
}
