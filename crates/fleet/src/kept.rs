//! What judging a fleet needs to go on after a restart as if there had been none: each device's own ordinary, open windows, and
//! how far each alarm is on its way. Not what is on a screen: telemetry, shadows and words are heard and read again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use quell_rules::detect::engine;
use quell_rules::detect::model::MetricValue;

use super::baseline::Baseline;
use super::device::Warning;
use super::model::Name;
use super::text::SafeText;
use super::{Changes, DeviceId, Fleet, Ms, WarningKind};

/// A device that was not heard for so long is not kept: as long as AWS remembers an alarm (docs/aws-iot.md#4.1.4).
const FORGOTTEN: Ms = 2 * 86_400_000;
/// Devices kept: with more, the least recently heard are left out.
const MOST: usize = 1_000_000;

/// The form of the bytes; another one is not read.
const VERSION: u8 = 1;
/// The largest file that is taken for one: a million devices need a third of it.
const LARGEST: usize = 1 << 30;

/// A fleet as a file can hold it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    engine: engine::Kept,
    devices: Vec<KeptDevice>,
}

impl Kept {
    /// The bytes of a file: a version, and deflated CBOR.
    ///
    /// # Errors
    /// What could not be written down.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut plain = Vec::new();
        ciborium::into_writer(self, &mut plain).map_err(|error| error.to_string())?;
        let mut out = vec![VERSION];
        // The fastest level: it is written every few seconds.
        out.extend(miniz_oxide::deflate::compress_to_vec(&plain, 1));
        Ok(out)
    }

    /// Reads them back.
    ///
    /// # Errors
    /// They are of another version, or none of these.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (version, packed) = bytes.split_first().ok_or("it is empty")?;
        if *version != VERSION {
            return Err(format!("it is of version {version}, and this quell reads {VERSION}"));
        }
        let plain = miniz_oxide::inflate::decompress_to_vec_with_limit(packed, LARGEST)
            .map_err(|_| "it is damaged".to_owned())?;
        ciborium::from_reader(plain.as_slice()).map_err(|error| error.to_string())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptDevice {
    thing: Arc<str>,
    ordinary: KeptTraffic,
    warnings: Vec<Warning>,
}

/// How a device usually speaks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptTraffic {
    pub(super) first: Ms,
    pub(super) last: Ms,
    pub(super) last_len: u32,
    pub(super) intervals: Vec<u16>,
    pub(super) interval_count: u8,
    pub(super) baseline: Baseline,
}

/// A finding that was told and is not over: it is not found a second time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenFinding {
    /// The thing.
    pub thing: String,
    /// The security profile.
    pub profile: String,
    /// The behaviour's name.
    pub behavior: String,
    /// The datapoint that made it.
    pub bad: Ms,
    /// When it was found.
    pub found: Ms,
    /// The violating value.
    pub value: MetricValue,
}

/// What was told before a restart, and what is still to be taken over.
#[derive(Debug, Default)]
pub(super) struct Resuming {
    engine: engine::Kept,
    standing: Vec<OpenFinding>,
}

impl Fleet {
    /// What judging it needs after a restart.
    pub fn keep(&self, now: Ms) -> Kept {
        let mut devices: Vec<KeptDevice> = self
            .devices()
            .filter(|(_, device)| !device.is_unattributed())
            .filter_map(|(_, device)| {
                let ordinary = device.kept_traffic().filter(|t| now - t.last < FORGOTTEN)?;
                Some(KeptDevice {
                    thing: device.name().key(),
                    ordinary,
                    warnings: device.warnings().to_vec(),
                })
            })
            .collect();
        if devices.len() > MOST {
            devices.sort_unstable_by_key(|device| std::cmp::Reverse(device.ordinary.last));
            devices.truncate(MOST);
        }
        let engine = self.detection.keep();
        // Until the profiles are read nothing was taken over, and it would be gone with a second restart.
        let engine = match self.profiles.get() {
            None => engine.and(&self.detection.resuming.engine),
            Some(_) => engine,
        };
        Kept { engine, devices }
    }

    /// Goes on from what was kept. `standing` and `warned` are what was told and is not over: the file of a fleet may be older
    /// than what was told, and what was told counts. Behaviours of profiles that are read later are taken over then.
    pub fn resume(
        &mut self,
        kept: Kept,
        standing: Vec<OpenFinding>,
        warned: &dyn Fn(&str, WarningKind) -> bool,
        now: Ms,
    ) -> Changes {
        for device in kept.devices {
            let id = self.thing(&Name::new(&device.thing), now);
            let Some(known) = self.devices.get_mut(id.index()) else { continue };
            let (stand, over): (Vec<_>, Vec<_>) =
                device.warnings.into_iter().partition(|warning| warned(&device.thing, warning.kind));
            let mut ordinary = device.ordinary;
            if !over.is_empty() {
                ordinary.baseline.resume();
            }
            known.resume_traffic(ordinary);
            for warning in stand {
                known.warn(warning);
            }
        }
        self.detection.resuming = Resuming { engine: kept.engine, standing };
        self.take_over(now) | Changes::DEVICES
    }

    /// Forgets that findings of a thing stand: it was held back for them and is let go, and what it does next is a finding of
    /// its own.
    pub fn absolve(&mut self, thing: &str, now: Ms) -> Changes {
        let gone = self.detection.absolve(thing, now);
        self.verdicts(gone, now)
    }

    /// Takes over what the behaviours in force know of.
    pub(super) fn take_over(&mut self, now: Ms) -> Changes {
        let Resuming { mut engine, standing } = std::mem::take(&mut self.detection.resuming);
        if engine.is_empty() && standing.is_empty() {
            return Changes::NONE;
        }
        let taken = self.detection.take_over(&mut engine, &standing);
        let mut changes = Changes::NONE;
        let mut left = Vec::new();
        for stands in standing {
            let behavior = self
                .detection
                .judged_by_name(&stands.profile)
                .and_then(|profile| profile.behaviors.iter().find(|b| b.name == stands.behavior))
                .cloned();
            let Some(behavior) = behavior else {
                left.push(stands);
                continue;
            };
            let id = self.thing(&Name::new(&stands.thing), now);
            self.detection.stand(id, &stands, behavior);
            changes |= self.count_findings(id, now);
        }
        // Who is gone says nothing that would make it known.
        for name in taken.iter().filter(|name| self.detection.is_gone(name)).cloned().collect::<Vec<_>>() {
            self.thing(&Name::new(&name), now);
        }
        let named: Vec<DeviceId> = taken.iter().filter_map(|name| self.find(name)).collect();
        for id in named {
            self.enroll(id, now);
        }
        self.detection.resuming = Resuming { engine, standing: left };
        changes
    }
}

impl OpenFinding {
    /// A finding, as it stands.
    pub fn of(finding: &super::Finding) -> Self {
        Self {
            thing: finding.thing.raw().to_owned(),
            profile: finding.profile.as_str().to_owned(),
            behavior: finding.behavior.name.clone(),
            bad: finding.bad,
            found: finding.found,
            value: finding.value.clone(),
        }
    }

    pub(super) fn is(&self, thing: &str, profile: &str, behavior: &str) -> bool {
        self.thing == thing && self.profile == profile && self.behavior == behavior
    }

    pub(super) fn profile(&self) -> SafeText {
        SafeText::new(&self.profile)
    }
}
