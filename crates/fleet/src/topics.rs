//! Topics by their numbers: whose they are, and what they are called.

use super::DeviceId;
use super::text::SafeText;
use super::texts::{Place, Texts};

/// A topic and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Topic<'a> {
    text: &'a str,
    device: Option<DeviceId>,
    telemetry: bool,
    kind: TopicKind,
}

/// What the messages of a topic are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopicKind {
    /// What a device says by itself.
    Telemetry,
    /// A client connected, disconnected, or was refused.
    Presence,
    /// A shadow.
    Shadow,
    /// A job, or one of its executions.
    Job,
    /// What a Defender agent reports, and the answer to it.
    Agent,
    /// Another of AWS's own topics.
    Other,
}

impl TopicKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Telemetry, Self::Presence, Self::Shadow, Self::Job, Self::Agent, Self::Other];

    /// The kind of `topic` (docs/aws-iot.md#3.4): what does not begin with `$aws/` is telemetry.
    pub fn of(topic: &str) -> Self {
        let Some(rest) = topic.strip_prefix("$aws/") else { return Self::Telemetry };
        let mut levels = rest.split('/');
        match (levels.next(), levels.next(), levels.next()) {
            (Some("events"), Some("presence"), _) => Self::Presence,
            (Some("events"), Some("job" | "jobExecution"), _) => Self::Job,
            (Some("things"), Some(_), Some("shadow")) => Self::Shadow,
            (Some("things"), Some(_), Some("jobs")) => Self::Job,
            (Some("things"), Some(_), Some("defender")) => Self::Agent,
            _ => Self::Other,
        }
    }

    /// In a word.
    pub fn text(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Presence => "presence",
            Self::Shadow => "shadow",
            Self::Job => "job",
            Self::Agent => "agent",
            Self::Other => "other",
        }
    }
}

impl<'a> Topic<'a> {
    /// The topic, safe to show.
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The device its messages belong to: an unattributed topic has a row of its own.
    pub fn device(self) -> Option<DeviceId> {
        self.device
    }

    /// True when its messages are telemetry rather than AWS's own notices.
    pub fn is_telemetry(self) -> bool {
        self.telemetry
    }

    /// What its messages are about.
    pub fn kind(self) -> TopicKind {
        self.kind
    }
}

/// What is kept of a topic: twelve bytes and its text.
#[derive(Clone, Copy, Debug)]
struct Slot {
    device: Option<DeviceId>,
    text: Place,
    telemetry: bool,
    kind: TopicKind,
}

/// The topics of a fleet.
#[derive(Debug, Default)]
pub(super) struct Topics {
    slots: Vec<Option<Slot>>,
    texts: Texts,
    known: usize,
}

impl Topics {
    /// One more than the highest number there is.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many there are.
    pub(super) fn known(&self) -> usize {
        self.known
    }

    /// The topic of a number.
    pub(super) fn get(&self, number: u32) -> Option<Topic<'_>> {
        let Slot { device, text, telemetry, kind } = (*self.slots.get(number as usize)?)?;
        Some(Topic { text: self.texts.get(text), device, telemetry, kind })
    }

    /// The device whose telemetry comes on it.
    #[inline]
    pub(super) fn speaker(&self, number: u32) -> Option<DeviceId> {
        let slot = (*self.slots.get(number as usize)?)?;
        slot.device.filter(|_| slot.telemetry)
    }

    /// All with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Topic<'_>)> {
        (0..).zip(&self.slots).filter_map(|(number, _)| Some((number, self.get(number)?)))
    }

    /// Makes one known.
    pub(super) fn set(
        &mut self,
        number: u32,
        text: &SafeText,
        device: Option<DeviceId>,
        telemetry: bool,
        kind: TopicKind,
    ) {
        let index = number as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, None);
        }
        // Told again it is not kept again.
        let before = self.get(number).filter(|topic| topic.text == text.as_str()).is_some();
        let Some(slot) = self.slots.get_mut(index) else { return };
        let place = slot.filter(|_| before).map(|slot| slot.text);
        if let Some(text) = place.or_else(|| self.texts.push(text.as_str())) {
            self.known += usize::from(slot.is_none());
            *slot = Some(Slot { device, text, telemetry, kind });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_takes_twelve_bytes_and_its_text() {
        assert_eq!(size_of::<Option<Slot>>(), 12);
    }

    #[test]
    fn one_that_is_told_again_is_the_newer() {
        let mut topics = Topics::default();
        let device = Some(DeviceId::at(3));
        topics.set(5, &"dt/a".into(), None, true, TopicKind::Telemetry);
        assert_eq!((topics.len(), topics.known(), topics.speaker(5)), (6, 1, None));
        topics.set(5, &"dt/a".into(), device, true, TopicKind::Telemetry);
        topics.set(2, &"$aws/x".into(), device, false, TopicKind::Other);
        assert_eq!((topics.known(), topics.speaker(5), topics.speaker(2)), (2, device, None));
        let all: Vec<_> = topics.iter().map(|(number, topic)| (number, topic.text())).collect();
        assert_eq!(all, [(2, "$aws/x"), (5, "dt/a")]);
    }
}
