//! The worst true thing about a device: one word, always the same order.

use crate::text::SafeText;

use super::baseline::WarningKind;
use super::device::Device;
use super::event::{ResponseEvent, Stage};
use super::known::Known;
use super::{Changes, DeviceId, Fleet, Ms, Warning};

/// A device's state, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    /// Isolated, yet still heard.
    Leaking,
    /// Detect has an active violation for it.
    Alarm,
    /// A behaviour is not met by quell's own judgement.
    Finding,
    /// Out of its own ordinary, before Detect says so.
    EarlyWarning,
    /// Isolation was asked for and is not proven.
    Containing,
    /// Quarantined and silent. Proven only when [`Device::stage`] says so.
    Contained,
    /// Its certificate was revoked and it is silent.
    Revoked,
    /// Not heard for much longer than usual, or disconnected.
    Stale,
    /// Nothing against it.
    Ok,
    /// A topic that belongs to no known thing.
    Unattributed,
}

/// How many conditions there are.
const CONDITIONS: usize = 10;

/// Devices by condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All, without unattributed topics.
    pub devices: usize,
    /// In alarm; `None` when the violations could never be read: that is not zero.
    pub alarm: Option<usize>,
    /// Isolated, yet heard.
    pub leaking: usize,
    /// Not meeting a behaviour by quell's own judgement, and not in alarm.
    pub finding: usize,
    /// Out of their own ordinary.
    pub early_warning: usize,
    /// Being isolated.
    pub containing: usize,
    /// Isolated and silent.
    pub contained: usize,
    /// Revoked and silent.
    pub revoked: usize,
    /// Silent or disconnected.
    pub stale: usize,
    /// Nothing against them.
    pub ok: usize,
    /// Topics that belong to no known thing.
    pub unattributed: usize,
}

/// Devices by condition, kept up to date with every change.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally([usize; CONDITIONS]);

impl Tally {
    pub(super) fn add(&mut self, condition: Condition) {
        if let Some(n) = self.0.get_mut(condition as usize) {
            *n += 1;
        }
    }

    fn remove(&mut self, condition: Condition) {
        if let Some(n) = self.0.get_mut(condition as usize) {
            *n = n.saturating_sub(1);
        }
    }

    fn of(&self, condition: Condition) -> usize {
        self.0.get(condition as usize).copied().unwrap_or(0)
    }
}

/// Devices aged by one call of `tick`: a hundred thousand are through in a second at 15 frames/s.
const SLICE: usize = 8_192;

impl Fleet {
    /// Devices by condition.
    pub fn counts(&self) -> Counts {
        let of = |c| self.counts.of(c);
        let in_alarm = self.devices.iter().filter(|d| !d.violations().is_empty());
        Counts {
            devices: self.devices.len() - of(Condition::Unattributed),
            // A leaking device in alarm counts as both: nobody may read a smaller number of alarms than there are.
            alarm: self.violations.get().map(|_| in_alarm.count()),
            leaking: of(Condition::Leaking),
            finding: of(Condition::Finding),
            early_warning: of(Condition::EarlyWarning),
            containing: of(Condition::Containing),
            contained: of(Condition::Contained),
            revoked: of(Condition::Revoked),
            stale: of(Condition::Stale),
            ok: of(Condition::Ok),
            unattributed: of(Condition::Unattributed),
        }
    }

    /// How many devices are listened to that may speak.
    pub(super) fn speaking(&self) -> usize {
        let quiet = [Condition::Contained, Condition::Revoked, Condition::Stale, Condition::Unattributed];
        let quiet: usize = quiet.into_iter().map(|c| self.counts.of(c)).sum();
        let speaking = self.devices.len().saturating_sub(quiet);
        let listened = self.focus.listened().unwrap_or(usize::MAX);
        if self.link.is_up() { speaking.min(listened) } else { 0 }
    }

    /// Judges one device again after something about it changed.
    pub(super) fn judge(&mut self, id: DeviceId, now: Ms) -> Changes {
        let Some(device) = self.devices.get(id.index()) else { return Changes::NONE };
        let next = self.condition_of(id, device, now);
        let was = device.condition();
        if next == was {
            return Changes::NONE;
        }
        if let Some(device) = self.devices.get_mut(id.index()) {
            device.set_condition(next, now);
        }
        self.counts.remove(was);
        self.counts.add(next);
        match next {
            Condition::Leaking => Changes::DEVICES | Changes::LEAK,
            Condition::Alarm | Condition::Finding if was > next => Changes::DEVICES | Changes::ALARM,
            _ => Changes::DEVICES,
        }
    }

    fn condition_of(&self, id: DeviceId, device: &Device, now: Ms) -> Condition {
        if device.is_unattributed() {
            return Condition::Unattributed;
        }
        let contained = self.containment(id, device, now);
        if contained == Some(Condition::Leaking) {
            return Condition::Leaking;
        }
        // What the operator is doing about a device is the answer to its alarm: the row must show that it was taken up.
        let answered = matches!(device.stage(), Some(Stage::Containing { .. } | Stage::Unproven { .. }));
        if contained.is_none() || (contained == Some(Condition::Containing) && !answered) {
            if !device.violations().is_empty() {
                return Condition::Alarm;
            }
            if device.findings() > 0 {
                return Condition::Finding;
            }
            // A device that is silent for good is stale; until then its silence is a warning.
            let only_silent = device.warning().is_some_and(|w| w.kind == WarningKind::Silence);
            if device.warning().is_some() && !(only_silent && self.is_stale(id, device, now)) {
                return Condition::EarlyWarning;
            }
        } else if !device.violations().is_empty() {
            // Without data the alarm stays for up to 48 hours (docs/aws-iot.md#6.11), whatever was done about the device: a
            // silent one shows what was reached, and its violation beside it.
            return contained.unwrap_or(Condition::Alarm);
        }
        if let Some(contained) = contained {
            return contained;
        }
        if self.is_stale(id, device, now) { Condition::Stale } else { Condition::Ok }
    }

    /// Where a device stands on the staircase, by what we proved or by the group somebody put it in.
    fn containment(&self, id: DeviceId, device: &Device, now: Ms) -> Option<Condition> {
        let last = device.last_seen().unwrap_or(Ms::MIN);
        let limits = &self.limits;
        match device.stage_and_time() {
            Some((Stage::Containing { .. }, _)) => return Some(Condition::Containing),
            Some((stage @ (Stage::Contained { .. } | Stage::Revoked), proven)) => {
                let heard = last > proven + limits.in_flight && now - last < self.quiet_after(device);
                let calm = if *stage == Stage::Revoked { Condition::Revoked } else { Condition::Contained };
                return Some(if heard { Condition::Leaking } else { calm });
            }
            Some((Stage::Unproven { began, .. }, at)) => {
                let heard = last > at.max(*began + limits.policy_delay);
                return Some(if heard { Condition::Leaking } else { Condition::Containing });
            }
            // The group may be read as it was for a moment; what we let go is let go.
            Some((Stage::Released, at)) if device.quarantined_since().is_none_or(|since| since <= at) => {
                return None;
            }
            Some((Stage::Released, _)) | None => {}
        }
        let since = device.quarantined_since()?;
        let heard = last > since && now - last < self.quiet_after(device);
        // Nobody who does not listen may call it silent; what was found before stands.
        let listened = self.focus.listened().is_none() || self.listening(id).since().is_some();
        Some(match (heard, last > since + limits.policy_delay) {
            (false, _) if !listened && device.condition() != Condition::Contained => Condition::Containing,
            (false, _) => Condition::Contained,
            (true, true) => Condition::Leaking,
            (true, false) => Condition::Containing,
        })
    }

    /// After how much silence a device counts as silent.
    fn quiet_after(&self, device: &Device) -> Ms {
        device.cadence().map_or(self.limits.stale_after, |c| (c * 5).max(self.limits.stale_after))
    }

    fn is_stale(&self, id: DeviceId, device: &Device, now: Ms) -> bool {
        let last = device.last_seen();
        if let Some(presence) = device.presence()
            && let Some(since) = presence.offline_since(now, self.limits.settle)
            && last.is_none_or(|last| last <= since)
        {
            return true;
        }
        if device.connected() == Some(true) {
            return false;
        }
        // What was not listened to is not silence; while it is not known, the last judgement stands.
        let was = device.condition() == Condition::Stale;
        let Some(watching) = self.listening(id).since() else { return was };
        // One that was silent before nobody listened is, until it speaks.
        let last = last.unwrap_or(Ms::MIN);
        was && last <= watching || now - last.max(watching) > self.quiet_after(device)
    }

    /// Ages a slice of the fleet.
    pub(super) fn age(&mut self, now: Ms) -> Changes {
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
            self.early(now);
            self.swept = if self.swept + 1 >= self.devices.len() { 0 } else { self.swept + 1 };
            changes |= self.judge(DeviceId::at(self.swept), now);
        }
        changes
    }

    /// Early warning, of what time alone brings.
    fn early(&mut self, now: Ms) {
        let next = if self.swept + 1 >= self.devices.len() { 0 } else { self.swept + 1 };
        let watching = self.listening(DeviceId::at(next)).since();
        let Some(device) = self.devices.get_mut(next) else { return };
        device.expire(now);
        if device.condition() != Condition::Ok {
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
    pub(super) fn pace(&mut self, id: DeviceId, kind: WarningKind, at: Ms, now: Ms) -> Changes {
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

    pub(super) fn response(&mut self, event: ResponseEvent, now: Ms) -> Changes {
        let id = self.thing(&event.thing, now);
        if let Some(device) = self.devices.get_mut(id.index()) {
            device.prove(&mut self.ledger);
            if event.stage == Stage::Released {
                device.resume(event.at);
            }
            device.set_stage(event.stage, event.at);
        }
        self.judge(id, now) | Changes::DEVICES
    }

    /// Puts the active violations to their devices.
    pub(super) fn assign_violations(&mut self, now: Ms) -> Changes {
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
