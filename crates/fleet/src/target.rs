//! A device frozen for a response: what was known of it at one moment, which its plan is computed from.

use std::sync::Arc;

use crate::text::SafeText;

use super::clients::ClientsSeen;
use super::clones::ClonedIdentity;
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
    /// The finding that two devices use its identity, if it stands.
    pub cloned: Option<Arc<ClonedIdentity>>,
}

/// A client id that was seen with a device's principals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientOf<'a> {
    /// The MQTT client id.
    pub client: &'a Name,
    /// The principal it was seen with: a certificate's id or an IAM id; `None` where no event named one.
    pub principal: Option<&'a str>,
    /// Whether it was connected by the last event that counted.
    pub connected: bool,
    /// Whether that came since the listening last began: what ended while nobody listened is not known.
    pub(crate) lately: bool,
    /// When that was, by AWS's clock.
    pub at: Ms,
    /// The address it connected from, where an event named one.
    pub address: Option<&'a SafeText>,
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
            cloned: None,
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
            .map(|topic| topic.text())
            .filter(|text| !text.contains('\\'));
        Target {
            thing: device.name().clone(),
            clients: Arc::clone(&self.clients),
            last_heard: device.last_seen(),
            cadence: device.cadence(),
            topics: topics.map(str::to_owned).collect(),
            unheard: self.unheard(id),
            cloned: self.cloned_of(id).cloned().map(Arc::new),
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

    /// Every client id seen with one of a device's principals, as far as these are known, and the thing's own name where it
    /// was seen at all; the latest last. One that bears the name of another thing is that thing's.
    pub fn clients_of(&self, id: DeviceId) -> impl Iterator<Item = ClientOf<'_>> {
        let device = self.device(id);
        let certificates = device.certificates().get().into_iter().flatten().map(|c| c.id.as_str());
        let mut principals: Vec<&str> = certificates.collect();
        if let Some(seen) = device.principal_seen().map(SafeText::as_str)
            && !principals.contains(&seen)
        {
            principals.push(seen);
        }
        let mut all: Vec<ClientOf<'_>> = Vec::new();
        for principal in principals {
            let of_it = self.clients.of(principal).iter();
            let its = of_it.filter(|seen| self.named(&seen.client).is_none_or(|other| other == id));
            all.extend(its.map(|seen| ClientOf {
                client: &seen.client,
                principal: Some(principal),
                connected: seen.connected,
                lately: seen.is_lately(),
                at: seen.at,
                address: seen.address.as_ref(),
            }));
        }
        if let Some(presence) = device.presence()
            && all.iter().all(|known| known.client != device.name())
        {
            all.push(ClientOf {
                client: device.name(),
                principal: presence.principal().map(SafeText::as_str),
                connected: presence.connected(),
                lately: true,
                at: presence
                    .known()
                    .map_or(presence.refused_at(), |_| Some(presence.since()))
                    .unwrap_or_default(),
                address: None,
            });
        }
        all.sort_by_key(|client| client.at);
        all.into_iter()
    }
}
