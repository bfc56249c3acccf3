//! What devices were heard to do, as requests that a policy decides: a proposed policy is flown on it before anything is
//! changed, and the least policy that it needs is written from it.
//!
//! Messages tell topics and, by the rules of attribution, whose they are; presence tells client ids, principals and
//! addresses. What was not heard is not guessed: a client id, an attachment or an address that nobody told is a value that is
//! not known, and a decision that hangs on it is *unknown*. Subscriptions are heard by nobody: they are asked for
//! ([`Heard::subscribed`]).
//!
//! * [`Heard`]: taking events in. [`fly`]: deciding. [`least`]: writing a policy. [`known`]: a device that is looked at.

pub mod fly;
pub mod known;
pub mod least;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use crate::Ms;
use crate::event::{Event, LinkEvent, Notice, PresenceKind, Reading, TopicEntry};
use crate::model::{Identity, Name};
use crate::record::What;
use crate::record::file::{Damage, Recording};

/// Devices that are kept; what further ones do is counted as not kept.
const DEVICES: usize = 200_000;
/// Topics, subscriptions and client ids kept of one device.
const EACH: usize = 256;

/// How often something was done, and when last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Ms,
    /// True when it was concluded from what followed, not heard itself.
    pub inferred: bool,
}

impl Times {
    fn add(&mut self, count: u64, at: Ms) {
        self.count += count;
        self.last = self.last.max(at);
    }
}

/// A client id a device was seen under.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    /// The principal it connected with: a certificate's id.
    pub principal: Option<Arc<str>>,
    /// The address it connected from.
    pub address: Option<Arc<str>>,
    /// Its connects, refused ones included.
    pub connects: Times,
}

/// What one device was heard to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Device {
    /// By client id.
    pub clients: BTreeMap<Arc<str>, Client>,
    /// By topic.
    pub published: BTreeMap<Arc<str>, Times>,
    /// Topic filters it holds; `None` when it was not asked for.
    pub subscriptions: Option<BTreeSet<Arc<str>>>,
    /// Certificates attached to it, by id; `None` when they were not read.
    pub certificates: Option<BTreeSet<Arc<str>>>,
    /// Those attached to it exclusively, under whatever client id; `None` when they were not read.
    pub exclusive: Option<BTreeSet<Arc<str>>>,
    /// Its thing type; the outer `None` when it was not read.
    pub thing_type: Option<Option<Arc<str>>>,
    /// Its attributes; `None` when they were not read.
    pub attributes: Option<BTreeMap<String, String>>,
    /// The thing groups it is in; `None` when they were not read.
    pub groups: Option<BTreeSet<Arc<str>>>,
    /// False for a client that is no thing of the registry, as far as that is known.
    pub registered: bool,
    /// That it connects as itself is assumed where it was not heard.
    pub assumed: bool,
}

/// What AWS tells of a device when it is asked.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Is it a thing of the registry?
    pub registered: bool,
    /// Ids of the certificates attached to it.
    pub certificates: Vec<String>,
    /// Those attached exclusively; `None` when that may not be asked.
    pub exclusive: Option<Vec<String>>,
    /// Its thing type.
    pub thing_type: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// The thing groups it is in; `None` when that may not be asked.
    pub groups: Option<Vec<String>>,
}

/// What is missing from what was heard: nothing that happened in it was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Events that a recording could not take.
    pub lost: u64,
    /// True when a recording was cut off, or reached its size.
    pub incomplete: bool,
    /// Parts of a recording that cannot be read.
    pub damages: Vec<Damage>,
    /// How often the stream was not listened to,
    pub interruptions: u64,
    /// and for how long altogether, in milliseconds.
    pub not_listened: Ms,
}

/// What was heard, device by device.
#[derive(Debug, Default)]
pub struct Heard {
    missing: Missing,
    /// Since when the stream is not listened to.
    down: Option<Ms>,
    devices: BTreeMap<Arc<str>, Device>,
    topics: HashMap<u32, TopicEntry>,
    /// Things of each certificate.
    holders: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    reported: HashMap<(Arc<str>, String), serde_json::Value>,
    identity: Option<Identity>,
    first: Option<Ms>,
    last: Ms,
    messages: u64,
    unattributed: u64,
    left_out: u64,
    others: u64,
}

/// Is it a certificate's id? Clients with other principals, such as consoles with IAM's, are governed by other policies
/// (docs/aws-iot.md#4.3).
fn is_certificate(principal: &str) -> bool {
    principal.len() == 64 && principal.bytes().all(|b| b.is_ascii_hexdigit())
}

impl Heard {
    /// What a recording tells.
    ///
    /// # Errors
    /// The file cannot be read. What is damaged in it is among [`Heard::missing`].
    pub fn recorded(recording: &mut Recording) -> io::Result<Self> {
        let mut heard = Self::default();
        for frame in 0..recording.frames() {
            for entry in recording.entries(frame)? {
                match &entry.what {
                    What::Event(event) => heard.take(event, entry.at),
                    What::Lost(events) => heard.missing.lost += events,
                    What::Full => heard.missing.incomplete = true,
                    What::Tick | What::Limits(_) => {}
                }
            }
        }
        heard.missing.incomplete |= recording.is_cut();
        heard.missing.damages = recording.damages().to_vec();
        Ok(heard)
    }

    /// Takes one event in that came at `at`.
    pub fn take(&mut self, event: &Event, at: Ms) {
        self.first.get_or_insert(at);
        self.last = self.last.max(at);
        match event {
            Event::Batch(batch) => {
                for entry in &batch.topics {
                    self.topics.insert(entry.id, entry.clone());
                }
                for message in &batch.messages {
                    self.message(message.topic, 1, message.at);
                }
                for counted in &batch.counted {
                    self.message(counted.topic, u64::from(counted.count), counted.at);
                }
                batch.notices.iter().for_each(|notice| self.notice(notice));
            }
            Event::Poll(poll) => {
                if let Ok(reading) = &poll.outcome {
                    self.reading(reading);
                }
            }
            Event::Link(LinkEvent::Up { at, .. }) => {
                if let Some(since) = self.down.take() {
                    self.missing.not_listened += at.saturating_sub(since).max(0);
                }
            }
            Event::Link(LinkEvent::Down { at, .. }) => {
                if self.down.is_none() {
                    self.missing.interruptions += 1;
                    self.down = Some(*at);
                }
            }
            Event::Link(_) | Event::Response(_) | Event::Own(_) => {}
        }
    }

    /// The devices, by name.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = (&str, &Device)> {
        self.devices.iter().map(|(name, device)| (&**name, device))
    }

    /// Keeps the devices that `keep` says.
    pub fn retain(&mut self, keep: impl Fn(&str, &Device) -> bool) {
        self.devices.retain(|name, device| keep(name, device));
    }

    /// Who listened; `None` when it was not told.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// From when to when was listened.
    pub fn span(&self) -> (Ms, Ms) {
        (self.first.unwrap_or(self.last), self.last)
    }

    /// Messages of devices' telemetry.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Messages on topics that name no device.
    pub fn unattributed(&self) -> u64 {
        self.unattributed
    }

    /// Connects and disconnects of clients without a certificate, which no policy of IoT governs.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// Deeds that were not kept because there were too many.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What is missing from it, up to now.
    pub fn missing(&self) -> Missing {
        let open = self.down.map_or(0, |since| self.last.saturating_sub(since).max(0));
        Missing { not_listened: self.missing.not_listened + open, ..self.missing.clone() }
    }

    /// The topics on which devices' telemetry was heard.
    pub fn topics(&self) -> BTreeSet<&str> {
        self.topics.values().filter(|entry| entry.telemetry).map(|entry| &*entry.topic).collect()
    }

    /// Says which filters a client of a device holds, as AWS tells them.
    pub fn subscribed(&mut self, device: &str, filters: impl IntoIterator<Item = String>) {
        let Some(device) = self.devices.get_mut(device) else { return };
        let held = device.subscriptions.get_or_insert_default();
        for filter in filters {
            if held.len() < EACH {
                held.insert(filter.into());
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Says what was read of a device.
    pub fn told(&mut self, device: &str, told: Told) {
        let Some(device) = self.devices.get_mut(device) else { return };
        let ids = |list: Vec<String>| list.into_iter().map(Into::into).collect();
        device.certificates = Some(ids(told.certificates));
        device.exclusive = told.exclusive.map(ids);
        device.thing_type = Some(told.thing_type.map(Into::into));
        device.attributes = Some(told.attributes);
        device.groups = told.groups.map(ids);
        device.registered = told.registered;
    }

    /// Says that a device is connected under a client id nobody heard connecting.
    pub fn connected(&mut self, device: &str, client: &str) {
        if let Some(device) = self.devices.get_mut(device) {
            device.clients.entry(client.into()).or_default();
        }
    }

    /// Takes it that each thing connects under its own name with a certificate that is attached to it, where nothing that was
    /// heard or read says otherwise. Of how many that is taken.
    pub fn assume_names(&mut self) -> usize {
        let mut assumed = 0;
        for (name, device) in &mut self.devices {
            let told = device.certificates.is_some()
                && !device.clients.is_empty()
                && device.clients.values().all(|client| client.principal.is_some());
            if !device.registered || told {
                continue;
            }
            if device.clients.is_empty() {
                device.clients.insert(Arc::clone(name), Client::default());
            }
            device.assumed = true;
            assumed += 1;
        }
        assumed
    }

    fn device(&mut self, name: &str) -> Option<&mut Device> {
        if !self.devices.contains_key(name) {
            if self.devices.len() >= DEVICES {
                self.left_out += 1;
                return None;
            }
            self.devices.insert(name.into(), Device::default());
        }
        self.devices.get_mut(name)
    }

    fn message(&mut self, topic: u32, count: u64, at: Ms) {
        let Some(entry) = self.topics.get(&topic) else {
            self.unattributed += count;
            return;
        };
        let (topic, thing) = (Arc::clone(&entry.topic), entry.thing.as_ref().map(Name::key));
        if !entry.telemetry {
            // The answer to a report tells that it was published, and in which format.
            let answered = topic.strip_suffix("/accepted").or_else(|| topic.strip_suffix("/rejected"));
            let mut levels = topic.split('/').skip(1);
            if let (Some(on), Some("things"), Some(thing), Some("defender")) =
                (answered, levels.next(), levels.next(), levels.next())
            {
                let (on, thing): (Arc<str>, String) = (on.into(), thing.to_owned());
                self.published(&thing, on, count, at, true);
            }
            return;
        }
        let Some(thing) = thing else {
            self.unattributed += count;
            return;
        };
        self.messages += count;
        self.published(&thing, topic, count, at, false);
    }

    fn published(&mut self, device: &str, topic: Arc<str>, count: u64, at: Ms, inferred: bool) {
        let Some(device) = self.device(device) else { return };
        // Whatever a message is attributed to is a thing by the rules of attribution.
        device.registered = true;
        let full = device.published.len() >= EACH && !device.published.contains_key(&topic);
        if full {
            self.left_out += 1;
            return;
        }
        let times = device.published.entry(topic).or_insert(Times { inferred, ..Times::default() });
        times.add(count, at);
    }

    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Presence { principal: Some(principal), .. } if !is_certificate(principal.as_str()) => {
                self.others += 1;
            }
            Notice::Presence { client, kind, principal, at, address, .. } => {
                let client = client.key();
                // A disconnect names whoever was there before we listened, too.
                let whose = self.whose(&client, principal.as_ref().map(|p| p.as_str()));
                let Some(device) = self.device(&whose) else { return };
                if device.clients.len() >= EACH && !device.clients.contains_key(&client) {
                    self.left_out += 1;
                    return;
                }
                let seen = device.clients.entry(client).or_default();
                if let Some(principal) = principal {
                    seen.principal = Some(principal.shared());
                }
                if let Some(address) = address {
                    seen.address = Some(address.shared());
                }
                if *kind != PresenceKind::Disconnected {
                    seen.connects.add(1, *at);
                }
            }
            Notice::ShadowDocument { thing, shadow, document, at } => {
                let (thing, name) = (thing.key(), shadow.as_ref().map(|s| s.as_str().to_owned()));
                let key = (Arc::clone(&thing), name.clone().unwrap_or_default());
                let before = self.reported.insert(key, document.reported.clone());
                // The reported part is the device's to write: when it moved, the device wrote it.
                if before.is_some_and(|before| before != document.reported) {
                    let topic = match name {
                        Some(name) => format!("$aws/things/{thing}/shadow/name/{name}/update"),
                        None => format!("$aws/things/{thing}/shadow/update"),
                    };
                    self.published(&thing, topic.into(), 1, *at, true);
                }
                if self.reported.len() > DEVICES {
                    self.reported.clear();
                }
            }
            Notice::JobEvent { job, thing: Some(thing), status, at } => {
                // What only the device says of an execution.
                if matches!(status.as_str(), "IN_PROGRESS" | "SUCCEEDED" | "FAILED" | "REJECTED") {
                    let topic = format!("$aws/things/{}/jobs/{}/update", thing.raw(), job.raw());
                    self.published(thing.raw(), topic.into(), 1, *at, true);
                }
            }
            Notice::Membership { group, thing, added, .. } => {
                if let Some(device) = self.device(thing.raw()) {
                    device.registered = true;
                    let groups = device.groups.get_or_insert_default();
                    if *added {
                        groups.insert(group.key());
                    } else {
                        groups.remove(group.raw());
                    }
                }
            }
            Notice::ShadowDelta { .. }
            | Notice::ShadowDeleted { .. }
            | Notice::ShadowRejected { .. }
            | Notice::JobsChanged { .. }
            | Notice::JobEvent { .. }
            | Notice::DefenderReport { .. }
            | Notice::Report { .. } => {}
        }
    }

    /// The device of a client: the thing of its name, or the only thing of its certificate; else the client itself.
    fn whose(&self, client: &Arc<str>, principal: Option<&str>) -> Arc<str> {
        let held = principal.and_then(|principal| self.holders.get(principal));
        match held {
            Some(things) if things.contains(client) => Arc::clone(client),
            Some(things) if things.len() == 1 => {
                things.first().map_or_else(|| Arc::clone(client), Arc::clone)
            }
            _ => Arc::clone(client),
        }
    }

    fn reading(&mut self, reading: &Reading) {
        match reading {
            Reading::Identity(identity) => self.identity = Some(identity.clone()),
            Reading::Things(things) | Reading::ThingsPage(things, _) => {
                for thing in things {
                    if let Some(device) = self.devices.get_mut(thing.name.raw()) {
                        device.registered = true;
                        device.thing_type = Some(thing.thing_type.as_ref().map(|t| t.shared()));
                    }
                }
            }
            Reading::Certificates(thing, list) => {
                let thing = thing.key();
                for certificate in list {
                    let things = self.holders.entry(certificate.id.as_str().into()).or_default();
                    things.insert(Arc::clone(&thing));
                    things.extend(certificate.things.iter().map(Name::key));
                }
                let ids = list.iter().map(|c| c.id.as_str().into()).collect();
                if let Some(device) = self.device(&thing) {
                    device.registered = true;
                    device.certificates = Some(ids);
                }
            }
            Reading::GroupsOf(thing, groups) => {
                let groups = groups.iter().map(Name::key).collect();
                if let Some(device) = self.device(thing.raw()) {
                    device.registered = true;
                    device.groups = Some(groups);
                }
            }
            Reading::Members(group, Some(members)) => {
                for member in members {
                    if let Some(device) = self.devices.get_mut(member.raw()) {
                        device.groups.get_or_insert_default().insert(group.key());
                    }
                }
            }
            _ => {}
        }
    }
}
