//! The clone catcher: one identity used by two devices, told apart from one device that flaps.
//!
//! A device that loses its link comes back while the broker still holds its old session, which then ends with
//! DUPLICATE_CLIENTID (docs/aws-iot.md#3.3): a session that was taken over proves nothing. Two devices leave a pattern that
//! one does not. Under *one client id* they cut each other off in turn, so that every other session is of the one, and what
//! tells them apart (address, principal, size, payload, rate) changes with every takeover and comes back with the next.
//! Under *two client ids of one principal* they are connected at once, and the thing speaks in two voices.
//!
//! The judgement is a count, not a model: how unlikely a pattern is to come of one device whose sessions differ by chance.
//! What cannot be told apart (one address, one habit) is not a finding.

mod beside;
mod turns;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::event::PresenceKind;
use super::model::Name;
use super::text::SafeText;
use super::traffic::Heard;
use super::{Changes, DeviceId, Fleet, Ms};
use crate::format::{iso, short};

use beside::Beside;
use turns::{Key, Turns};

/// A finding stands for this long after the last sign of it: ten quiet minutes, and one of the two is gone or was cut.
const LASTS: Ms = 600_000;
/// Devices whose sessions are kept, a few kilobytes each. Beyond it those that were quiet longest make room.
const WATCHED: usize = 4_096;
/// Principals of which it is known whose they are.
const OWNERS: usize = 100_000;
/// Things of one principal that are told apart: one that serves more is a fleet's.
const THINGS: usize = 16;
/// How often it is looked at what is over.
const LOOK: Ms = 1_000;
/// A presence event is never later than this: what says so has another clock.
const LATE: Ms = 600_000;

/// One of the two devices, by what is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Voice {
    /// The client id it connects as.
    pub client: Option<Name>,
    /// The certificate's id, or the IAM id; only where the two differ.
    pub principal: Option<SafeText>,
    /// The address it connects from.
    pub address: Option<SafeText>,
    /// The least and the largest payload, in bytes; only where the two differ.
    pub bytes: Option<(u32, u32)>,
    /// Whether its payloads are JSON; only where the two differ.
    pub json: Option<bool>,
    /// Messages a minute while it is connected; only where the two differ.
    pub per_minute: Option<f64>,
}

impl Voice {
    /// What is known of it, in a few words: `as Thing02, from 192.0.2.7, with messages of 400 bytes`.
    fn words(&self, with_client: bool) -> String {
        let mut said = Vec::new();
        if let (Some(client), true) = (&self.client, with_client) {
            said.push(format!("as {}", client.shown()));
        }
        if let Some(principal) = &self.principal {
            said.push(format!("with principal {}", short(principal.as_str())));
        }
        if let Some(address) = &self.address {
            said.push(format!("from {address}"));
        }
        match self.bytes {
            Some((least, largest)) if least == largest => {
                said.push(format!("with messages of {least} bytes"));
            }
            Some((least, largest)) => said.push(format!("with messages of {least} to {largest} bytes")),
            None => {}
        }
        match self.json {
            Some(true) => said.push("JSON".to_owned()),
            Some(false) => said.push("not JSON".to_owned()),
            None => {}
        }
        if let Some(rate) = self.per_minute {
            said.push(format!("with {rate:.0} messages a minute"));
        }
        said.join(", ")
    }

    fn json(&self) -> Value {
        json!({
            "clientId": self.client.as_ref().map(Name::raw), "principal": self.principal, "address": self.address,
            "bytes": self.bytes.map(|(least, largest)| [least, largest]), "json": self.json,
            "per_minute": self.per_minute,
        })
    }
}

/// How two devices use one identity.
#[derive(Clone, Debug, PartialEq)]
pub enum Sharing {
    /// Under one client id: each takes the session over from the other.
    InTurn {
        /// Sessions in a row in which the two were told apart, the running one included.
        sessions: u32,
        /// Which of the two holds the session, as far as is known: its place in [`ClonedIdentity::voices`].
        holds: Option<usize>,
    },
    /// Under two client ids with one principal, connected at once.
    AtOnce {
        /// The certificate's id, or the IAM id.
        principal: SafeText,
        /// Since when both are connected.
        since: Ms,
        /// Of the last twelve of its usual intervals, those in which it spoke twice or more; and the usual interval.
        twice: Option<(u8, Ms)>,
        /// Both have been connected for longer than AWS leaves a connection that does not answer.
        outlived: bool,
    },
}

/// One identity that two devices use, by quell's own judgement.
#[derive(Clone, Debug, PartialEq)]
pub struct ClonedIdentity {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub thing: Name,
    /// How they use it.
    pub sharing: Sharing,
    /// The two, the smaller messages and the lesser address first; of two client ids the one that was there first.
    pub voices: [Voice; 2],
    /// When it was found.
    pub found: Ms,
    /// The last sign of it.
    pub last: Ms,
}

impl ClonedIdentity {
    /// The client ids it is about: one that both use, or one of each.
    pub fn clients(&self) -> Vec<&Name> {
        let mut all: Vec<&Name> = self.voices.iter().filter_map(|voice| voice.client.as_ref()).collect();
        all.dedup();
        all
    }

    /// In a few words, for a row.
    pub fn text(&self) -> &'static str {
        match self.sharing {
            Sharing::InTurn { .. } => "two devices, one client id",
            Sharing::AtOnce { .. } => "two devices, one certificate",
        }
    }

    /// What one of the two is known by, in words: `from 192.0.2.7, with messages of 400 bytes`.
    pub fn which(&self, voice: usize) -> String {
        let with_client = matches!(self.sharing, Sharing::AtOnce { .. });
        self.voices.get(voice).map_or_else(String::new, |voice| voice.words(with_client))
    }

    /// What tells the two apart, in words.
    pub fn told_apart(&self) -> String {
        format!("one {}; the other {}", self.which(0), self.which(1))
    }

    /// The judgement in a sentence, with its evidence.
    pub fn sentence(&self) -> String {
        let two = self.told_apart();
        match &self.sharing {
            Sharing::InTurn { sessions, .. } => {
                let client = self.clients().first().map_or_else(String::new, |c| c.shown().to_string());
                format!(
                    "two devices use the client id {client}: {sessions} sessions in turn, each cut off by the next \
                     (DUPLICATE_CLIENTID): {two}"
                )
            }
            Sharing::AtOnce { principal, twice, outlived, .. } => {
                let mut why = Vec::new();
                if let Some((times, usual)) = twice {
                    let usual = *usual as f64 / 1000.0;
                    why.push(format!("in {times} of the last 12 of its usual {usual:.0} s it spoke twice"));
                }
                if *outlived {
                    why.push("both for longer than AWS keeps a connection that does not answer".to_owned());
                }
                format!(
                    "two devices use the principal {}, connected at once: {two}; {}",
                    short(principal.as_str()),
                    why.join(", and ")
                )
            }
        }
    }

    /// The finding and its evidence, as `watch` and `things --json` carry it.
    pub fn json(&self) -> Value {
        let mut out = json!({
            "finding": "clone", "sentence": self.sentence(), "first_seen": iso(self.found), "last_seen": iso(self.last),
            "voices": self.voices.iter().map(Voice::json).collect::<Vec<_>>(),
        });
        let more = match &self.sharing {
            Sharing::InTurn { sessions, .. } => {
                json!({"sharing": "in_turn", "sessions": sessions, "reason": "DUPLICATE_CLIENTID"})
            }
            Sharing::AtOnce { principal, since, twice, outlived } => json!({
                "sharing": "at_once", "principal": principal, "since": iso(*since),
                "intervals_spoken_twice": twice.map(|(times, _)| times), "usual_ms": twice.map(|(_, usual)| usual),
                "outlived_keep_alive": outlived,
            }),
        };
        if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
            out.extend(more);
        }
        out
    }
}

/// What is kept of one device whose identity may be used twice. Bounded, and only of devices whose sessions were taken over,
/// or whose principal has two of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Suspect {
    turns: Option<Box<Turns>>,
    beside: Option<Box<Beside>>,
}

impl Suspect {
    /// The hot path: a message of the device.
    #[inline]
    pub(super) fn heard(&mut self, at: Ms, heard: Heard) {
        if let Some(turns) = &mut self.turns {
            turns.heard(at, heard);
        }
        if let Some(beside) = &mut self.beside {
            beside.heard(at, heard.count);
        }
    }

    fn last(&self) -> Ms {
        let turns = self.turns.as_ref().map_or(Ms::MIN, |turns| turns.last());
        self.beside.as_ref().map_or(turns, |beside| turns.max(beside.last()))
    }
}

/// What the clone catcher keeps for the whole fleet.
#[derive(Debug, Default)]
pub(super) struct Clones {
    active: Vec<ClonedIdentity>,
    /// When it was last looked at what is over.
    looked: Ms,
    /// Devices of which a [`Suspect`] is kept.
    watched: Vec<DeviceId>,
    /// Whose each principal is; none where it serves more things than are told apart.
    owners: HashMap<Arc<str>, Vec<DeviceId>>,
    /// What presence events are at least late by, and how far AWS's clock is from ours: added to AWS's times it gives ours.
    offset: Option<Ms>,
}

/// A presence event, as far as it is about sessions.
pub(super) struct Told<'a> {
    pub(super) client: &'a Name,
    pub(super) kind: PresenceKind,
    pub(super) reason: Option<&'a SafeText>,
    pub(super) principal: Option<&'a SafeText>,
    pub(super) address: Option<&'a SafeText>,
    pub(super) session: Option<&'a SafeText>,
    pub(super) version: i64,
    pub(super) at: Ms,
    /// When it was received.
    pub(super) received: Ms,
}

impl Clones {
    /// A time of AWS's on this clock, by the least late event so far: presence events may overtake one another.
    fn here(&mut self, told: &Told<'_>) -> Ms {
        let late = told.received - told.at;
        if late.abs() > LATE {
            return told.received;
        }
        let offset = self.offset.map_or(late, |known| known.min(late));
        self.offset = Some(offset);
        told.at + offset
    }

    /// Says that a principal is a device's.
    pub(super) fn owned(&mut self, principal: &str, by: DeviceId) {
        let room = self.owners.len() < OWNERS;
        match self.owners.get_mut(principal) {
            Some(known) if known.is_empty() || known.contains(&by) => {}
            Some(known) if known.len() >= THINGS => known.clear(),
            Some(known) => known.push(by),
            None if room => {
                self.owners.insert(principal.into(), vec![by]);
            }
            None => {}
        }
    }

    fn owners(&self, principal: &str) -> &[DeviceId] {
        self.owners.get(principal).map_or(&[], Vec::as_slice)
    }
}

impl Fleet {
    /// Identities that two devices use right now, by quell's own judgement; the oldest first.
    pub fn cloned(&self) -> &[ClonedIdentity] {
        &self.clones.active
    }

    /// The finding that a device's identity is used by two.
    pub fn cloned_of(&self, id: DeviceId) -> Option<&ClonedIdentity> {
        self.clones.active.iter().find(|found| found.device == id)
    }

    /// The only thing that a principal is known to serve.
    pub(super) fn owner(&self, principal: &str) -> Option<DeviceId> {
        if let [only] = self.clones.owners(principal) { Some(*only) } else { None }
    }

    /// The thing that bears a client's name. AWS names a client that is no registered thing by its id, so there may be a row
    /// for it that is none.
    pub(super) fn named(&self, client: &Name) -> Option<DeviceId> {
        self.find(client.raw()).filter(|id| self.device(*id).registered() != Some(false))
    }

    /// The listening began anew: no session is known to go on, for what ended in the gap was not told. A finding stands until
    /// it was quiet for long enough while somebody listened.
    pub(super) fn listen_to_clones_anew(&mut self) {
        self.clones.offset = None;
        for id in &self.clones.watched {
            if let Some(device) = self.devices.get_mut(id.index())
                && device.suspect().is_some()
            {
                device.suspect_mut().beside = None;
            }
        }
    }

    /// Takes in what a presence event says of sessions.
    pub(super) fn sessions(&mut self, told: &Told<'_>, now: Ms) -> Changes {
        let named = self.named(told.client);
        if let (Some(id), Some(principal), PresenceKind::Connected) = (named, told.principal, told.kind) {
            self.clones.owned(principal.as_str(), id);
        }
        if told.kind == PresenceKind::ConnectFailed {
            return Changes::NONE;
        }
        let owners = told.principal.map_or_else(Vec::new, |p| self.clones.owners(p.as_str()).to_vec());
        let at = self.clones.here(told);
        let taken = told.kind == PresenceKind::Disconnected
            && told.reason.is_some_and(|why| why.as_str() == "DUPLICATE_CLIENTID");
        let only = if let [only] = owners.as_slice() { Some(*only) } else { None };
        let mut changes = Changes::NONE;
        if let Some(id) = named.or(only) {
            self.take_turns(id, told, (at, taken));
            changes |= self.judge_clone(id, now);
        }
        for id in owners {
            self.stand_beside(id, told, at, only.is_some());
            changes |= self.judge_clone(id, now);
        }
        changes
    }

    /// Sessions of one client id.
    fn take_turns(&mut self, id: DeviceId, told: &Told<'_>, (at, taken): (Ms, bool)) {
        let listening = self.link.watch().since().unwrap_or(Ms::MIN);
        let Some(known) = self.devices.get(id.index()).map(|device| device.suspect().is_some()) else {
            return;
        };
        // Nothing is kept of a device until a session of it is taken over.
        if !known && (!taken || !self.room_for(id)) {
            return;
        }
        let Some(suspect) = self.devices.get_mut(id.index()).map(|device| device.suspect_mut()) else {
            return;
        };
        let other = suspect.turns.as_ref().is_some_and(|turns| {
            // Of two client ids that are fought for the first is watched, until it is quiet.
            turns.client() != told.client && at.saturating_sub(turns.last()) > LASTS
        });
        if taken && (suspect.turns.is_none() || other) {
            suspect.turns = Some(Box::new(Turns::new(told.client.clone())));
        }
        let Some(turns) = suspect.turns.as_mut().filter(|turns| turns.client() == told.client) else {
            return;
        };
        // What happened while nobody listened is not known: whose turn it is has to be found out anew.
        turns.forget_before(listening);
        let key = Key { session: told.session.cloned(), version: told.version };
        if told.kind == PresenceKind::Connected {
            turns.began(key, at, told.principal.cloned(), told.address.cloned());
        } else {
            turns.ended(key, at, taken);
        }
    }

    /// Sessions of one principal under several client ids; `alone` where it is no other thing's.
    fn stand_beside(&mut self, id: DeviceId, told: &Told<'_>, at: Ms, alone: bool) {
        let Some(principal) = told.principal else { return };
        let Some(device) = self.devices.get(id.index()) else { return };
        let standing = device.suspect().and_then(|suspect| suspect.beside.as_ref());
        let among = standing.is_some_and(|beside| beside.has(told.client));
        if told.kind == PresenceKind::Disconnected {
            if let (true, Some(device)) = (among, self.devices.get_mut(id.index())) {
                device.suspect_mut().beside = None;
            }
            return;
        }
        // A client that bears the name of another thing is that thing's.
        let its = |client: &Name| self.named(client).is_none_or(|other| other == id);
        if standing.is_some() || !its(told.client) {
            return;
        }
        // Of a principal that several things share, a client is beside the thing's own.
        let beside = |seen: &&super::ClientSeen| {
            seen.is_there()
                && seen.client != *told.client
                && if alone { its(&seen.client) } else { seen.client == *device.name() }
        };
        let Some(other) = self.clients.of(principal.as_str()).iter().rev().find(beside) else { return };
        let voices =
            [(other.client.clone(), other.address.clone()), (told.client.clone(), told.address.cloned())];
        let usual = device.cadence();
        if device.suspect().is_none() && !self.room_for(id) {
            return;
        }
        if let Some(device) = self.devices.get_mut(id.index()) {
            let beside = Beside::new(principal.clone(), voices, usual, at, alone);
            device.suspect_mut().beside = Some(Box::new(beside));
        }
    }

    /// Makes room for one more device that is watched; false when all are busy.
    fn room_for(&mut self, id: DeviceId) -> bool {
        if self.clones.watched.len() >= WATCHED {
            let last = |id: &DeviceId| self.device(*id).suspect().map_or(Ms::MIN, Suspect::last);
            let found: HashSet<DeviceId> = self.clones.active.iter().map(|found| found.device).collect();
            let others = self.clones.watched.iter().enumerate().filter(|(_, id)| !found.contains(id));
            let Some((i, _)) = others.min_by_key(|(_, id)| last(id)) else { return false };
            let gone = self.clones.watched.swap_remove(i);
            if let Some(device) = self.devices.get_mut(gone.index()) {
                device.clear_suspect();
            }
        }
        self.clones.watched.push(id);
        true
    }

    /// Looks at what is known of one device's sessions.
    fn judge_clone(&mut self, id: DeviceId, now: Ms) -> Changes {
        let Some(device) = self.devices.get(id.index()) else { return Changes::NONE };
        let Some(suspect) = device.suspect() else { return Changes::NONE };
        let in_turn = suspect.turns.as_ref().and_then(|turns| turns.evidence());
        let at_once = suspect.beside.as_ref().and_then(|beside| beside.evidence(now));
        let Some((sharing, voices, last)) = in_turn.or(at_once) else { return Changes::NONE };
        let thing = device.name().clone();
        match self.clones.active.iter_mut().find(|found| found.device == id) {
            Some(known) => {
                let changed = (&known.sharing, &known.voices) != (&sharing, &voices);
                (known.sharing, known.voices, known.last) = (sharing, voices, known.last.max(last));
                if changed { Changes::VIOLATIONS | Changes::DEVICES } else { Changes::NONE }
            }
            None if now - last < LASTS => {
                let found = ClonedIdentity { device: id, thing, sharing, voices, found: now, last };
                self.clones.active.push(found);
                self.cloned_changed(id, now)
            }
            None => Changes::NONE,
        }
    }

    /// Time passes: what is over is over, and two that are connected at once are looked at again.
    pub(super) fn age_clones(&mut self, now: Ms) -> Changes {
        // While nobody listens nothing is quiet, and nothing goes on that is known of.
        let Some(listening) = self.link.watch().since() else { return Changes::NONE };
        if (self.clones.looked..self.clones.looked.saturating_add(LOOK)).contains(&now) {
            return Changes::NONE;
        }
        self.clones.looked = now;
        let mut changes = Changes::NONE;
        let ended = |found: &ClonedIdentity| {
            // What a response let go is judged anew.
            now.saturating_sub(found.last.max(listening)) >= LASTS
                || self.device(found.device).suspect().is_none()
        };
        let (over, active) = self.clones.active.iter().cloned().partition(ended);
        let over: Vec<ClonedIdentity> = over;
        if !over.is_empty() {
            self.clones.active = active;
        }
        for found in over {
            changes |= self.cloned_changed(found.device, now);
        }
        for i in (0..self.clones.watched.len()).rev() {
            let Some(id) = self.clones.watched.get(i).copied() else { continue };
            let (beside, quiet) = match self.device(id).suspect() {
                Some(suspect) => (suspect.beside.is_some(), now.saturating_sub(suspect.last()) > LASTS),
                None => (false, true),
            };
            if beside {
                changes |= self.judge_clone(id, now);
            } else if quiet && self.cloned_of(id).is_none() {
                self.clones.watched.swap_remove(i);
                if let Some(device) = self.devices.get_mut(id.index()) {
                    device.clear_suspect();
                }
            }
        }
        changes
    }

    fn cloned_changed(&mut self, id: DeviceId, now: Ms) -> Changes {
        let cloned = self.cloned_of(id).is_some();
        if let Some(device) = self.devices.get_mut(id.index()) {
            device.set_cloned(cloned);
        }
        self.judge(id, now) | Changes::VIOLATIONS | Changes::DEVICES
    }
}
