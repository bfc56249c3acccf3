//! A device frozen for a response: what was known of it at one moment, which its plan is computed from.

use std::sync::Arc;

use crate::text::SafeText;

use super::clients::ClientsSeen;
use super::model::Name;
use super::state::{Deaf, Hearing, Reason};
use super::{DeviceId, Fleet, Ms};

/// A device as it was known when a plan was asked for. Frozen: what is heard later does not change whom the plan is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The thing.
    pub thing: Name,
    /// The client ids seen till then, by principal. Which principals are the thing's, the registry says.
    pub clients: Arc<ClientsSeen>,
    /// When its telemetry was last heard.
    pub last_heard: Option<Ms>,
    /// Milliseconds it usually lets pass between messages; the silence that proves containment is a multiple of it.
    pub cadence: Option<Ms>,
    /// Its telemetry topics, for asking whether the policy would deny a publish there.
    pub topics: Vec<String>,
    /// Why it could not be heard then, so that its silence proves nothing; `None` where it could, or will be as soon as it is
    /// streamed.
    pub unheard: Option<SafeText>,
}

impl Target {
    /// A device of which only the name is known.
    pub fn named(thing: Name) -> Self {
        Self {
            thing,
            clients: Arc::default(),
            last_heard: None,
            cadence: None,
            topics: Vec::new(),
            unheard: None,
        }
    }

    /// True when its telemetry is known to be heard here.
    pub fn mapped(&self) -> bool {
        self.last_heard.is_some() || !self.topics.is_empty()
    }
}

impl From<Name> for Target {
    fn from(thing: Name) -> Self {
        Self::named(thing)
    }
}

impl Fleet {
    /// Freezes a device for a response. The only way to do so: whoever plans sees the same device.
    pub fn target(&self, id: DeviceId) -> Target {
        let device = self.device(id);
        // A topic with an escape in its shown form is not the topic AWS knows; the others are enough to ask about.
        let topics = device
            .topics()
            .iter()
            .filter_map(|id| self.topic(*id))
            .filter(|topic| topic.is_telemetry())
            .map(|topic| topic.text().as_str())
            .filter(|text| !text.contains('\\'));
        Target {
            thing: device.name().clone(),
            clients: Arc::clone(&self.clients),
            last_heard: device.last_seen(),
            cadence: device.cadence(),
            topics: topics.map(str::to_owned).collect(),
            unheard: self.unheard(id),
        }
    }

    fn unheard(&self, id: DeviceId) -> Option<SafeText> {
        let why = match self.hearing(id) {
            Hearing::NotListening { why, .. } | Hearing::Unknown(Reason::NeverListened(why)) => why,
            Hearing::Listening { .. } | Hearing::Unknown(_) => return None,
        };
        // What a response is about is streamed.
        (why != Deaf::NotStreamed).then(|| SafeText::from(why.to_string()))
    }

    /// A thing by its name, as far as the fleet knows it: a name alone still has the client ids that were seen.
    pub fn target_named(&self, thing: &Name) -> Target {
        match self.find(thing.raw()) {
            Some(id) => self.target(id),
            None => Target { clients: Arc::clone(&self.clients), ..Target::named(thing.clone()) },
        }
    }

    /// The client ids seen, by principal.
    pub fn clients(&self) -> &ClientsSeen {
        &self.clients
    }
}
