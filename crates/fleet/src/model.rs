//! Records as read from AWS or heard on MQTT, made safe to show. Names follow AWS.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::text::SafeText;
use quell_rules::detect::model::{Behavior, MetricValue};
use quell_rules::detect::profile::{SecurityProfile, Target};

use super::Ms;

/// The raw name of a thing: what requests carry. Show [`Name::shown`], never the raw text.
#[derive(Clone)]
pub struct Name(Spelling);

/// Nearly every name is printable as it is, and there are a million of them: it is kept once.
#[derive(Clone)]
enum Spelling {
    Printable(SafeText),
    Other(Arc<(SafeText, Arc<str>)>),
}

impl Name {
    /// A name as it came from outside.
    pub fn new(raw: &str) -> Self {
        let shown = SafeText::new(raw);
        Self(if shown.as_str() == raw {
            Spelling::Printable(shown)
        } else {
            Spelling::Other(Arc::new((shown, raw.into())))
        })
    }

    /// The raw name, shared: a key.
    pub(crate) fn key(&self) -> Arc<str> {
        match &self.0 {
            Spelling::Printable(shown) => shown.shared(),
            Spelling::Other(both) => Arc::clone(&both.1),
        }
    }

    /// The exact name, for requests and comparisons.
    pub fn raw(&self) -> &str {
        match &self.0 {
            Spelling::Printable(shown) => shown.as_str(),
            Spelling::Other(both) => &both.1,
        }
    }

    /// The name as it may be shown.
    pub fn shown(&self) -> &SafeText {
        match &self.0 {
            Spelling::Printable(shown) => shown,
            Spelling::Other(both) => &both.0,
        }
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shown().fmt(f)
    }
}

// A name is its raw text.
impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.raw() == other.raw()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.raw().cmp(other.raw())
    }
}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.raw().hash(state);
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.raw())
    }
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer).map(|raw| Self::new(&raw))
    }
}

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Twelve digits.
    pub account: SafeText,
    /// `arn:aws:iam::…:user/ops`.
    pub arn: SafeText,
    /// The region.
    pub region: SafeText,
}

impl Identity {
    /// What ARNs of AWS IoT in this account and region begin with: `arn:aws:iot:us-east-1:123456789012:`.
    pub fn arn_prefix(&self) -> String {
        let partition = self.arn.as_str().split(':').nth(1).unwrap_or("aws");
        format!("arn:{partition}:iot:{}:{}:", self.region, self.account)
    }
}

/// How we stand with AWS, besides who we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// When the credentials end; `None` when they do not.
    pub expires: Option<Ms>,
    /// AWS's clock minus ours, in milliseconds; 0 within a few seconds. It is made up for, and worth saying.
    pub skew: Ms,
}

/// A thing of the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThingRecord {
    /// Its name.
    pub name: Name,
    /// Its thing type, if it has one.
    pub thing_type: Option<SafeText>,
}

/// One certificate of a thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// 64 hexadecimal digits.
    pub id: String,
    /// `ACTIVE`, `INACTIVE`, `REVOKED`, …
    pub status: SafeText,
    /// All things the certificate is attached to, this one included, when known.
    pub things: Vec<Name>,
}

/// A Detect violation that is active (`ActiveViolation`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// 32 hexadecimal digits; the key.
    pub id: String,
    /// The device: a thing name or, unregistered, a client id.
    pub thing: Name,
    /// The security profile.
    pub profile: SafeText,
    /// The behaviour that was not met.
    pub behavior: Behavior,
    /// The last value that violated it.
    pub value: Option<MetricValue>,
    /// `TRUE_POSITIVE`, … when somebody judged it.
    pub verification: Option<SafeText>,
    /// Why, in their words.
    #[serde(default)]
    pub note: Option<SafeText>,
    /// When it began.
    pub started: Ms,
    /// When it last violated.
    pub last: Ms,
}

/// A past violation event (`ViolationEvent`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViolationEvent {
    /// The violation it belongs to.
    pub id: String,
    /// The device.
    pub thing: Name,
    /// The security profile.
    pub profile: SafeText,
    /// The behaviour's name.
    pub behavior: SafeText,
    /// `in-alarm`, `alarm-cleared`, `alarm-invalidated`.
    pub kind: SafeText,
    /// The measured value.
    pub value: Option<MetricValue>,
    /// `TRUE_POSITIVE`, … when somebody judged it.
    pub verification: Option<SafeText>,
    /// Why, in their words.
    #[serde(default)]
    pub note: Option<SafeText>,
    /// When.
    pub at: Ms,
}

/// A job (`JobSummary` and, where read, its process details).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// The job id.
    pub id: Name,
    /// `IN_PROGRESS`, `COMPLETED`, `CANCELED`, …
    pub status: SafeText,
    /// True for CONTINUOUS.
    pub continuous: bool,
    /// Target ARNs, their last segment, safe.
    pub targets: Vec<SafeText>,
    /// Counts by execution status, when read.
    pub counts: Option<JobCounts>,
    /// Creation time.
    pub created: Option<Ms>,
    /// Last update.
    pub updated: Option<Ms>,
    /// The description.
    pub description: Option<SafeText>,
}

/// `jobProcessDetails`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCounts {
    /// Waiting for their device.
    pub queued: u32,
    /// Being worked on.
    pub in_progress: u32,
    /// Done.
    pub succeeded: u32,
    /// Failed.
    pub failed: u32,
    /// Refused by the device.
    pub rejected: u32,
    /// Out of time.
    pub timed_out: u32,
    /// Canceled.
    pub canceled: u32,
    /// Their thing left the target.
    pub removed: u32,
}

impl JobCounts {
    /// All executions.
    pub fn total(&self) -> u32 {
        self.queued
            + self.in_progress
            + self.succeeded
            + self.failed
            + self.rejected
            + self.timed_out
            + self.canceled
            + self.removed
    }
}

/// One thing's execution of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutionRecord {
    /// The job.
    pub job: Name,
    /// The thing.
    pub thing: Name,
    /// `QUEUED`, `IN_PROGRESS`, …
    pub status: SafeText,
    /// Counts up with each retry.
    pub number: i64,
    /// When it was queued.
    pub queued: Option<Ms>,
    /// When the device began.
    pub started: Option<Ms>,
    /// Last update.
    pub updated: Option<Ms>,
}

/// A shadow document as last read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShadowDocument {
    /// `state.reported`.
    pub reported: serde_json::Value,
    /// `state.desired`.
    pub desired: serde_json::Value,
    /// `state.delta`.
    pub delta: serde_json::Value,
    /// The version.
    pub version: i64,
    /// `metadata`, for the age of each key.
    pub metadata: serde_json::Value,
}

/// The part of `desired` that `reported` does not equal; null where there is none.
pub fn delta(desired: &serde_json::Value, reported: &serde_json::Value) -> serde_json::Value {
    difference(desired, reported, 0).unwrap_or_default()
}

fn difference(
    desired: &serde_json::Value,
    reported: &serde_json::Value,
    depth: u32,
) -> Option<serde_json::Value> {
    use serde_json::Value;
    match (desired, reported) {
        // AWS allows eight levels; deeper ones are compared whole.
        (Value::Object(desired), Value::Object(reported)) if depth < 16 => {
            let differing: serde_json::Map<_, _> = desired
                .iter()
                .filter_map(|(key, value)| {
                    let found = match reported.get(key) {
                        Some(reported) => difference(value, reported, depth + 1)?,
                        None => value.clone(),
                    };
                    Some((key.clone(), found))
                })
                .collect();
            (!differing.is_empty()).then_some(Value::Object(differing))
        }
        (desired, reported) => (desired != reported && !desired.is_null()).then(|| desired.clone()),
    }
}

/// A shadow that was read, and whose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowRecord {
    /// The thing.
    pub thing: Name,
    /// The named shadow; `None` for the classic one.
    pub shadow: Option<SafeText>,
    /// The document.
    pub document: ShadowDocument,
}

/// What was read to find the shadows whose desired state is not reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShadowsReading {
    /// The shadows that were read: those with a delta, from an index; else all of the things looked at.
    pub found: Vec<ShadowRecord>,
    /// How the account was looked at.
    pub reach: ShadowsReach,
    /// False while there is more to come.
    pub done: bool,
    /// When the look began; 0 where that is not known. What was heard later is newer than what was read.
    #[serde(default)]
    pub began: Ms,
    /// The things whose shadows were all read, one by one.
    #[serde(default)]
    pub looked: Vec<Name>,
    /// The named shadows that the fleet index was asked for: it knows those of its configuration alone.
    #[serde(default)]
    pub searched: Vec<SafeText>,
}

/// How far shadows were looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShadowsReach {
    /// True where the fleet index was asked, which knows those of all things.
    pub indexed: bool,
    /// Things whose shadows were read one by one.
    pub things: usize,
    /// There are more things, or more shadows, than were looked at.
    pub more: bool,
    /// Why named shadows are not among them, where they are not.
    pub unnamed: Option<SafeText>,
}

/// A security profile with its behaviours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// The profile's name.
    pub name: SafeText,
    /// Its behaviours.
    pub behaviors: Vec<Behavior>,
    /// Target ARNs.
    pub targets: Vec<SafeText>,
    /// Topic filters of the dimensions its behaviours name, as far as they are known.
    #[serde(default)]
    pub dimensions: BTreeMap<String, Vec<String>>,
    /// All of it as AWS has it, exact, for editing and exporting; `None` when only the above is known.
    #[serde(default)]
    pub whole: Option<Box<SecurityProfile>>,
    /// Counts up with each change.
    #[serde(default)]
    pub version: Option<i64>,
}

impl ProfileRecord {
    /// The profile in AWS's shape, targets included.
    pub fn document(&self) -> SecurityProfile {
        let mut out = match &self.whole {
            Some(whole) => (**whole).clone(),
            None => SecurityProfile {
                security_profile_name: self.name.as_str().to_owned(),
                behaviors: self.behaviors.clone(),
                ..SecurityProfile::default()
            },
        };
        out.targets = Some(self.targets.iter().map(|t| Target::Plain(t.as_str().to_owned())).collect());
        out
    }
}
