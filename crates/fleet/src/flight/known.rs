//! What a fleet knows of one device, and what the policies in effect do with it: the answer while one looks at the device.

use std::collections::BTreeMap;
use std::sync::Arc;

use quell_rules::policy::Document;

use crate::account::EffectivePolicy;
use crate::text::SafeText;
use crate::{DeviceId, Fleet};

use super::fly::{self, Flight, Outcome};
use super::{Client, Device, EACH, Heard, Times};

impl Heard {
    /// What `fleet` knows of one device: its topics, with how often each is among the messages kept, the client ids seen with
    /// its certificates, and what was read of it. Where no connect was heard it is taken to connect as itself, which
    /// [`Device::assumed`] says.
    pub fn of(fleet: &Fleet, id: DeviceId) -> Self {
        let known = fleet.device(id);
        let name = known.name().key();
        let mut heard = Self { identity: fleet.identity().get().cloned(), ..Self::default() };
        let mut device = Device { registered: known.registered() != Some(false), ..Device::default() };
        if known.registered().is_some() {
            device.thing_type = Some(known.thing_type().map(|kind| kind.as_str().into()));
        }
        let certificates = known.certificates().get();
        device.certificates =
            certificates.map(|list| list.iter().map(|held| held.id.as_str().into()).collect());
        device.groups = known.groups().get().map(|list| list.iter().map(|group| group.key()).collect());
        for seen in fleet.clients_of(id).filter(|seen| seen.principal.is_none_or(super::is_certificate)) {
            let client = Client {
                principal: seen.principal.map(Into::into),
                address: seen.address.map(|address| address.as_str().into()),
                connects: Times { count: 1, last: seen.at, inferred: false },
            };
            device.clients.insert(seen.client.key(), client);
        }
        let mut kept: BTreeMap<u32, Times> = BTreeMap::new();
        for topic in known.topics().iter().take(EACH) {
            kept.insert(*topic, Times::default());
        }
        for message in fleet.stream().iter() {
            if let Some(times) = kept.get_mut(&message.topic) {
                times.add(1, message.at);
            }
        }
        for (topic, times) in kept {
            if let Some(topic) = fleet.topic(topic).filter(|topic| topic.is_telemetry()) {
                heard.messages += times.count;
                device.published.insert(topic.text().into(), times);
            }
        }
        // The reported part is the device's to write.
        let reports = fleet.shadow(&name, None).and_then(|shadow| shadow.get()?.as_ref());
        if reports.is_some_and(|document| !document.reported.is_null()) {
            let times = Times { inferred: true, ..Times::default() };
            device.published.insert(format!("$aws/things/{name}/shadow/update").into(), times);
        }
        heard.devices.insert(name, device);
        heard.assume_names();
        heard
    }

    /// The same device with the clients of one principal of which this is known: whether they act as the thing. One that was
    /// seen without a principal counts for each.
    fn under(&self, principal: &str, acting: Option<bool>) -> Self {
        let mut heard = Self { identity: self.identity.clone(), ..Self::default() };
        for (name, device) in &self.devices {
            let mut device = device.clone();
            device.clients.retain(|_, client| client.principal.as_deref().is_none_or(|p| p == principal));
            for client in device.clients.values_mut() {
                client.principal.get_or_insert_with(|| principal.into());
            }
            let acts = |id: &&Arc<str>| fly::attached(name, &device, Some(id), Some(principal)) == acting;
            let with: Vec<Arc<str>> = device.clients.keys().filter(acts).cloned().collect();
            device.clients.retain(|id, _| with.contains(id));
            if !device.clients.is_empty() {
                heard.devices.insert(Arc::clone(name), device);
            }
        }
        heard
    }
}

/// What the policies in effect do with what was heard, each client under those of its own certificate; and the policies
/// that could not be read. Those of a thing's groups hold for a client that acts as the thing alone (docs/aws-iot.md#4.3); where
/// that is not known, what hangs on it is unknown.
pub fn in_effect(heard: &Heard, policies: &[EffectivePolicy], prefix: &str) -> (Vec<Flight>, Vec<SafeText>) {
    let mut of: BTreeMap<&str, Vec<&EffectivePolicy>> = BTreeMap::new();
    for policy in policies {
        of.entry(&policy.principal).or_default().push(policy);
    }
    let (mut flights, mut unread) = (Vec::new(), Vec::new());
    for (principal, policies) in of {
        let (mut all, mut own) = (Vec::new(), Vec::new());
        for policy in policies {
            match policy.document.as_deref().map(Document::parse) {
                Some(Ok(document)) => {
                    let named = (policy.name.to_string(), document);
                    if !policy.of_group {
                        own.push(named.clone());
                    }
                    all.push(named);
                }
                _ if !unread.contains(&policy.name) => unread.push(policy.name.clone()),
                _ => {}
            }
        }
        flights.extend(fly::fly(&heard.under(principal, Some(true)), &all, prefix));
        flights.extend(fly::fly(&heard.under(principal, Some(false)), &own, prefix));
        let doubtful = heard.under(principal, None);
        let without: Vec<Flight> = fly::fly(&doubtful, &own, prefix).collect();
        for (mut flight, without) in fly::fly(&doubtful, &all, prefix).zip(without) {
            for (flown, other) in flight.requests.iter_mut().zip(without.requests) {
                if flown.outcome != other.outcome {
                    flown.outcome = Outcome::Unknown;
                }
            }
            flights.push(flight);
        }
    }
    (flights, unread)
}
