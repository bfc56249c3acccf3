//! Folding batches of messages: the hot path.

use crate::text::SafeText;

use super::baseline::{Shape, WarningKind};
use super::event::{Batch, TopicEntry};
use super::model::Name;
use super::traffic::Heard;
use super::{Changes, Device, DeviceId, Fleet, Ms, TopicKind, Warning};

/// Messages heard of a device before a topic of it is new.
const KNOWN: u64 = 30;
/// A device with more topics than this makes new ones all the time.
const TOPICS: usize = 4;
/// A new topic is news for this long.
const NEW_TOPIC: Ms = 600_000;

impl Fleet {
    pub(super) fn fold(&mut self, batch: Batch, now: Ms) -> Changes {
        let mut changes = Changes::NONE;
        for entry in batch.topics {
            self.introduce(entry, now);
            changes |= Changes::DEVICES;
        }
        if batch.beyond && !self.beyond {
            self.beyond = true;
            changes |= Changes::LINK | Changes::DEVICES;
        }
        // Messages of one batch mostly share a second and a connection: the rate is noted once for a run of them, not
        // once a message.
        let connections = self.link.connections() as u32;
        let (mut second, mut connection) = (Ms::MIN, 0_u32);
        let (mut messages, mut bytes) = (0_u64, 0_u64);
        let last = batch.messages.last().map(|m| m.at).max(batch.counted.last().map(|c| c.at));
        let last = last.max((!batch.notices.is_empty()).then_some(now));
        for message in batch.messages {
            let len = u64::from(message.len);
            let own = if connections > 1 { message.topic % connections } else { 0 };
            if message.at.div_euclid(1000) != second || own != connection {
                self.link.note(connection, second.saturating_mul(1000), messages, bytes);
                (second, connection) = (message.at.div_euclid(1000), own);
                (messages, bytes) = (0, 0);
            }
            messages += 1;
            bytes += len;
            let shape = Shape::of(message.payload.as_deref());
            let heard = Heard { count: 1, bytes: len, largest: message.len, last: message.len, shape };
            if message.len > 0 || !self.is_own(message.topic, message.at) {
                changes |= self.hear(message.topic, message.at, heard, now);
            }
            self.log.push(message.topic, message.len, message.at, message.payload);
        }
        if messages > 0 {
            self.link.note(connection, second.saturating_mul(1000), messages, bytes);
            changes |= Changes::STREAM | Changes::DEVICES;
        }
        for counted in batch.counted {
            self.losses.merged(u64::from(counted.count), counted.at);
            self.link.note(counted.topic, counted.at, u64::from(counted.count), counted.bytes);
            self.log.count(u64::from(counted.count), counted.bytes);
            changes |= Changes::STREAM | Changes::DEVICES;
            let heard = Heard {
                count: counted.count,
                bytes: counted.bytes,
                largest: counted.largest,
                last: counted.last,
                shape: Shape::Unknown,
            };
            changes |= self.hear(counted.topic, counted.at, heard, now);
        }
        if let Some(at) = last {
            self.link.alive(at);
        }
        for notice in batch.notices {
            changes |= self.notice(notice, now);
        }
        changes
    }

    /// True when an empty message is the one that this console published itself.
    #[cold]
    fn is_own(&mut self, topic: u32, at: Ms) -> bool {
        self.topics.get(topic).is_some_and(|topic| self.own.take(topic.text(), at))
    }

    #[inline]
    fn hear(&mut self, topic: u32, at: Ms, heard: Heard, now: Ms) -> Changes {
        let Some(id) = self.topics.speaker(topic) else { return Changes::NONE };
        // A pause in which nobody listened is none of the device's.
        let since = if self.focus.is_wide() { self.link.watch().since() } else { self.listening(id).since() };
        let Some(device) = self.devices.get_mut(id.index()) else { return Changes::NONE };
        let mut changes = if device.hear(at, since.unwrap_or(Ms::MIN), heard, &mut self.ledger) {
            self.judge(id, now)
        } else {
            Changes::NONE
        };
        changes |= self.judge_messages(id, topic, at, (heard.count, heard.bytes, heard.largest), now);
        changes
    }

    fn introduce(&mut self, entry: TopicEntry, now: Ms) {
        // Numbers are dense; a sender that skips further than this is broken, and must not make us allocate.
        if entry.id as usize > self.topics.len() + 1_000_000 {
            return;
        }
        let text = SafeText::new(&entry.topic);
        let device = match (&entry.thing, entry.telemetry) {
            (Some(thing), true) => Some(self.thing(thing, now)),
            (Some(thing), false) => self.find(thing.raw()),
            (None, true) => {
                let id = DeviceId::at(self.devices.len());
                self.counts.add(super::Word::Unattributed);
                self.devices.push(Device::new(Name::new(&entry.topic), true, now));
                Some(id)
            }
            (None, false) => None,
        };
        let topics = &self.topics;
        let same = |number: u32| topics.get(number).is_some_and(|known| known.text() == text.as_str());
        if entry.telemetry
            && let Some(device) = device.and_then(|id| self.devices.get_mut(id.index()))
            // The same topic under another number, by another connection or after other rules, is no new one.
            && !device.renumber_topic(entry.id, same)
        {
            if device.received() >= KNOWN && (1..=TOPICS).contains(&device.topics().len()) {
                let before = device.topics().len();
                let text =
                    SafeText::from(format!("new topic {}", SafeText::limited(entry.topic.as_bytes(), 60)));
                let sentence = SafeText::from(format!(
                    "speaks on a topic it never used, {}; {} messages on {before} before",
                    SafeText::new(&entry.topic),
                    device.received()
                ));
                let until = Some(now + NEW_TOPIC);
                device.warn(Warning {
                    kind: WarningKind::NewTopic,
                    since: now,
                    times: 1.0,
                    text,
                    sentence,
                    until,
                });
            }
            device.add_topic(entry.id);
        }
        let kind = if entry.telemetry { TopicKind::Telemetry } else { TopicKind::of(&entry.topic) };
        self.topics.set(entry.id, &text, device, entry.telemetry, kind);
    }

    /// The device of a thing, made known if it is not.
    pub(super) fn thing(&mut self, name: &Name, now: Ms) -> DeviceId {
        if let Some(id) = self.find(name.raw()) {
            return id;
        }
        let id = DeviceId::at(self.devices.len());
        let mut device = Device::new(name.clone(), false, now);
        // Only a list of all says that something is not registered.
        if self.things.get().is_some() && self.indexing.used().is_none() {
            device.set_registered(false);
        }
        if let Some(presence) = self.strangers.remove(name.raw()) {
            device.adopt_presence(presence);
        }
        self.counts.add(device.word());
        self.devices.push(device);
        self.by_name.insert(id, &self.devices);
        id
    }
}
