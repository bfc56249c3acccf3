//! Keeps the word of each device, and how many have which, with every event and as time passes.

use crate::baseline::WarningKind;
use crate::device::Device;
use crate::event::{ResponseEvent, Stage};
use crate::known::Known;
use crate::text::SafeText;
use crate::{Changes, DeviceId, Fleet, Ms, Warning};

use super::facets::{Facets, Health, Hearing, Life, Reason, Sign, Signs, Voice};
use super::words::{Word, as_of, word};

/// How many words there are.
const WORDS: usize = Word::ALL.len();

/// Devices by word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// All, without unattributed topics.
    pub devices: usize,
    /// False while AWS's violations could never be read: no ALARM then means nothing.
    pub alarms_known: bool,
    by: Tally,
}

impl Counts {
    /// How many rows say this word.
    pub fn of(&self, word: Word) -> usize {
        self.by.of(word)
    }

    /// What there is of each word, the worst first; unattributed topics are no devices.
    pub fn each(&self) -> impl Iterator<Item = (Word, usize)> + '_ {
        let devices = Word::ALL.into_iter().filter(|word| *word != Word::Unattributed);
        devices.map(|word| (word, self.of(word))).filter(|(_, n)| *n > 0)
    }
}

/// Devices by word, kept up to date with every change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally([usize; WORDS]);

impl Tally {
    pub(crate) fn add(&mut self, word: Word) {
        if let Some(n) = self.0.get_mut(word as usize) {
            *n += 1;
        }
    }

    fn remove(&mut self, word: Word) {
        if let Some(n) = self.0.get_mut(word as usize) {
            *n = n.saturating_sub(1);
        }
    }

    fn of(&self, word: Word) -> usize {
        self.0.get(word as usize).copied().unwrap_or(0)
    }
}

/// Devices aged by one call of `tick`: a hundred thousand are through in a second at 15 frames/s.
const SLICE: usize = 8_192;

impl Fleet {
    /// Devices by word.
    pub fn counts(&self) -> Counts {
        Counts {
            devices: self.devices.len() - self.counts.of(Word::Unattributed),
            alarms_known: self.violations.get().is_some(),
            by: self.counts,
        }
    }

    /// What is known of a device. Its word is [`Device::word`], which is made of nothing else.
    pub fn facets(&self, id: DeviceId) -> Facets<'_> {
        self.facets_of(id, self.device(id), self.hearing(id))
    }

    /// Since when the device's word is no longer heard to be true: it carries its age. `None` while it is.
    pub fn as_of(&self, id: DeviceId) -> Option<Ms> {
        let device = self.device(id);
        as_of(device.word(), &self.facets(id), device.word_since())
    }

    fn facets_of<'a>(&'a self, id: DeviceId, device: &'a Device, hearing: Hearing<'a>) -> Facets<'a> {
        let signs = self.signs(device);
        let voice = self.voice(id, device, hearing);
        Facets {
            hearing,
            life: Life { voice, signs },
            health: self.health(device, voice),
            containment: self.containment(device, &signs, &hearing),
        }
    }

    /// When each kind of sign was last seen. AWS's own times are put to this clock.
    fn signs(&self, device: &Device) -> Signs {
        let mut signs = device.signs();
        let skew = self.standing.get().map_or(0, |standing| standing.skew);
        if let Some(presence) = device.presence() {
            // A client under another name may have given a later one.
            let latest = |sign, at: Option<Ms>| signs.of(sign).max(at.map(|at| at.saturating_sub(skew)));
            let presence = [
                (Sign::Presence, latest(Sign::Presence, presence.connected_at())),
                (Sign::RefusedConnect, latest(Sign::RefusedConnect, presence.refused_at())),
            ];
            for (sign, at) in presence {
                signs.set(sign, at);
            }
        }
        signs
    }

    fn voice<'a>(&'a self, id: DeviceId, device: &Device, hearing: Hearing<'a>) -> Voice<'a> {
        match hearing {
            _ if device.last_seen().is_some() && device.is_quiet() => Voice::Silent,
            _ if device.last_seen().is_some() => Voice::Heard,
            Hearing::Listening { .. } => Voice::NoData,
            Hearing::NotListening { .. } if self.listening(id).ever() => Voice::NoData,
            Hearing::NotListening { why, .. } => Voice::Unknown(Reason::NeverListened(why)),
            Hearing::Unknown(reason) => Voice::Unknown(reason),
        }
    }

    fn health<'a>(&'a self, device: &'a Device, voice: Voice<'_>) -> Health<'a> {
        if !device.violations().is_empty() {
            return Health::Alarm { violations: device.violations().len() };
        }
        if device.findings() > 0 {
            return Health::Finding { findings: device.findings() };
        }
        // A device that is silent for good is SILENT; until then its silence is a warning.
        let only_silent = device.warning().is_some_and(|w| w.kind == WarningKind::Silence);
        match device.warning() {
            Some(warning) if !(only_silent && voice == Voice::Silent) => Health::Warning(warning),
            _ if self.violations.get().is_some() => Health::Fine,
            _ => Health::Unknown(match self.violations.trouble() {
                Some(trouble) => Reason::Unreadable("AWS's violations", trouble),
                None => Reason::NotRead("AWS's violations"),
            }),
        }
    }

    /// How many devices are listened to that may speak.
    pub(crate) fn speaking(&self) -> usize {
        let quiet =
            [Word::Contained, Word::Revoked, Word::Silent, Word::NoData, Word::Unknown, Word::Unattributed];
        let quiet: usize = quiet.into_iter().map(|c| self.counts.of(c)).sum();
        let speaking = self.devices.len().saturating_sub(quiet);
        let listened = self.focus.listened().unwrap_or(usize::MAX);
        if self.link.is_up() { speaking.min(listened) } else { 0 }
    }

    /// Judges one device again after something about it changed.
    pub(crate) fn judge(&mut self, id: DeviceId, now: Ms) -> Changes {
        let Some(device) = self.devices.get(id.index()) else { return Changes::NONE };
        if device.is_unattributed() {
            return Changes::NONE;
        }
        let hearing = self.hearing(id);
        let signs = self.signs(device);
        let quiet = self.quiet(device, &signs, &hearing, now);
        let held = self.prove_held(device, &signs, &hearing, now);
        if (quiet, held) != (device.is_quiet(), device.held())
            && let Some(device) = self.devices.get_mut(id.index())
        {
            device.set_quiet(quiet, now);
            device.set_held(held);
        }
        let Some(device) = self.devices.get(id.index()) else { return Changes::NONE };
        let next = word(&self.facets_of(id, device, self.hearing(id)));
        let was = device.word();
        if next == was {
            return Changes::NONE;
        }
        if let Some(device) = self.devices.get_mut(id.index()) {
            device.set_word(next, now);
        }
        self.counts.remove(was);
        self.counts.add(next);
        match next {
            Word::Leaking => Changes::DEVICES | Changes::LEAK,
            Word::NotHeld | Word::Alarm | Word::Finding if was > next => Changes::DEVICES | Changes::ALARM,
            _ => Changes::DEVICES,
        }
    }

    /// Judges all again: what can be heard has changed.
    pub(crate) fn judge_all(&mut self, now: Ms) -> Changes {
        (0..self.devices.len()).fold(Changes::NONE, |changes, i| changes | self.judge(DeviceId::at(i), now))
    }

    /// After how much silence a device counts as silent.
    pub(crate) fn quiet_after(&self, device: &Device) -> Ms {
        device.cadence().map_or(self.limits.stale_after, |c| (c * 5).max(self.limits.stale_after))
    }

    /// Whether the device is silent. What is not heard is not silence: without a listener the last judgement stands.
    fn quiet(&self, device: &Device, signs: &Signs, hearing: &Hearing<'_>, now: Ms) -> bool {
        let Some((_, last)) = signs.last() else { return false };
        if device.last_seen().is_none() {
            return false;
        }
        let Some(listening) = hearing.since() else {
            return device.quiet_since().is_some_and(|since| last <= since);
        };
        if let Some(since) = device.presence().and_then(|p| p.offline_since(now, self.limits.settle))
            && last <= since
        {
            return true;
        }
        if device.connected() == Some(true) && device.cadence().is_none() {
            return false;
        }
        // One that was silent before nobody listened is, until it speaks.
        let was = device.quiet_since().is_some_and(|since| last <= since);
        was && last <= listening || now - last.max(listening) > self.quiet_after(device)
    }

    /// Ages a slice of the fleet.
    pub(crate) fn age(&mut self, now: Ms) -> Changes {
        let mut changes = Changes::NONE;
        for id in std::mem::take(&mut self.settling) {
            changes |= self.judge(id, now);
            let open =
                self.devices.get(id.index()).and_then(Device::presence).is_some_and(|p| p.is_settling(now));
            if open {
                self.settling.push(id);
            }
        }
        for _ in 0..self.devices.len().min(SLICE) {
            self.swept = if self.swept + 1 >= self.devices.len() { 0 } else { self.swept + 1 };
            let id = DeviceId::at(self.swept);
            self.early(id, now);
            changes |= self.judge(id, now);
        }
        changes
    }

    /// Early warning, of what time alone brings.
    fn early(&mut self, id: DeviceId, now: Ms) {
        let watching = self.hearing(id).since();
        let Some(device) = self.devices.get_mut(id.index()) else { return };
        device.expire(now);
        if device.word() != Word::Ok {
            return;
        }
        let Some((silent, cadence, longest)) =
            watching.and_then(|watching| device.unusual_silence(watching, now, &self.ledger))
        else {
            return;
        };
        let seconds = |ms: Ms| ms as f64 / 1000.0;
        let text = format!("silent, usually every {:.0} s", seconds(cadence));
        let sentence = format!(
            "no message for {:.0} s; usually one every {:.0} s, never a pause longer than {:.0} s",
            seconds(silent),
            seconds(cadence),
            seconds(longest)
        );
        device.warn(Warning {
            kind: WarningKind::Silence,
            since: now,
            times: silent as f32 / cadence.max(1) as f32,
            text: SafeText::from(text),
            sentence: SafeText::from(sentence),
            until: None,
        });
    }

    /// Early warning, of what should be rare: connects (refused ones too) and shadow updates.
    pub(crate) fn pace(&mut self, id: DeviceId, kind: WarningKind, at: Ms, now: Ms) -> Changes {
        let connects = kind == WarningKind::Reconnects;
        // A device nothing is known of yet may well report its shadow once a second; five a second is nobody's ordinary.
        let (known, new) = if connects { (4, 8) } else { (10, 300) };
        let Some(device) = self.devices.get_mut(id.index()) else { return Changes::NONE };
        let Some((count, peak)) = device.pace(connects).note(at, known, new) else { return Changes::NONE };
        let what = if connects { "connects" } else { "shadow updates" };
        device.warn(Warning {
            kind,
            since: at,
            times: f32::from(count) / f32::from(peak.max(1)),
            text: SafeText::from(format!("{count} {what} a minute")),
            sentence: SafeText::from(format!(
                "{count} {what} within a minute; never more than {peak} before"
            )),
            until: Some(now.max(at) + 120_000),
        });
        self.judge(id, now) | Changes::DEVICES
    }

    /// A sign of life other than telemetry and presence.
    pub(crate) fn sign(&mut self, id: DeviceId, sign: Sign, at: Ms, now: Ms) -> Changes {
        if let Some(device) = self.devices.get_mut(id.index()) {
            device.note_sign(sign, at);
        }
        if sign != Sign::RefusedConnect {
            self.judge_sign(id, at);
        }
        self.judge(id, now) | Changes::DEVICES
    }

    /// A step of a response, of this console or of another that writes the same journal. Of two consoles the later word
    /// counts, whatever the order in which they are heard.
    pub(crate) fn response(&mut self, event: ResponseEvent, now: Ms) -> Changes {
        let id = self.thing(&event.thing, now);
        if let Some(device) = self.devices.get_mut(id.index()) {
            if device.stage_and_time().is_some_and(|(_, known)| event.at < known) {
                return Changes::NONE;
            }
            device.prove(&mut self.ledger);
            let (thing, ask) = (event.thing.clone(), event.by.is_some());
            if event.stage == Stage::Released {
                device.resume(event.at);
            }
            device.set_stage(event);
            if ask {
                // Whether a certificate holds it tells what a membership that is not there means.
                self.want(crate::SourceId::Certificates(thing));
            }
        }
        self.judge(id, now) | Changes::DEVICES
    }

    /// Puts the active violations to their devices.
    pub(crate) fn assign_violations(&mut self, now: Ms) -> Changes {
        let mut touched = Vec::new();
        for (i, device) in self.devices.iter_mut().enumerate() {
            if !device.violations().is_empty() {
                device.clear_violations();
                touched.push(DeviceId::at(i));
            }
        }
        let named: Vec<_> = Known::get(&self.violations)
            .map_or_else(Vec::new, |list| list.iter().map(|violation| violation.thing.clone()).collect());
        for (i, name) in named.iter().enumerate() {
            let id = self.thing(name, now);
            if let Some(device) = self.devices.get_mut(id.index()) {
                device.add_violation(u32::try_from(i).unwrap_or(u32::MAX));
            }
            touched.push(id);
        }
        touched.into_iter().fold(Changes::NONE, |changes, id| changes | self.judge(id, now))
    }
}
