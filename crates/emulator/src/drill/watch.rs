//! What is true of an account now, for the score: read off its certificates, policies, connections, retained messages and
//! shadows, by the same code that decides over the devices themselves.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::ledger::Asked;
use super::score::{Mute, Sight};
use super::{Answer, Drill, Incident};
use crate::account::Account;
use crate::api::{identity, policy};
use crate::broker::{ConnectAttributes, Principal, Session};

/// A simulated device as it is when the drill begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Device {
    /// Its thing.
    pub(crate) thing: String,
    /// Where its telemetry goes.
    pub(crate) topic: String,
    /// Its certificates.
    pub(crate) certificates: Vec<String>,
}

impl Device {
    /// A simulated device with the certificates it has now.
    pub(crate) fn of(account: &Account, thing: &str, topic: &str) -> Self {
        let certificates = account.read().identity.principals_of(thing);
        Self { thing: thing.to_owned(), topic: topic.to_owned(), certificates }
    }

    /// May it be heard under this client id, with any of its certificates, as policies are now?
    fn may_speak(&self, account: &Account, client: &str) -> bool {
        self.certificates.iter().any(|certificate| {
            let session = Session {
                client_id: client.into(),
                principal: Principal::Certificate(certificate.clone()),
                serial: 0,
                ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
                attributes: ConnectAttributes::default(),
            };
            identity::is_active(account, certificate) && policy::may_speak(account, &session, &self.topic)
        })
    }

    /// May it be heard as itself?
    pub(crate) fn is_heard(&self, account: &Account) -> bool {
        self.may_speak(account, &self.thing)
    }

    fn has_active(&self, account: &Account) -> bool {
        self.certificates.iter().any(|certificate| identity::is_active(account, certificate))
    }
}

/// Reads off the account what the score needs; `began` is when the drill began, epoch milliseconds.
pub(crate) fn look(account: &Account, drill: &Drill, devices: &[Device], began: i64) -> Sight {
    let asked = account.ledger.take();
    let since = |at: i64| ((at - began) as f64 * account.clock.speed()) as i64;
    let mut sight = Sight::default();
    for incident in &drill.incidents {
        let device = devices.iter().find(|device| device.thing == incident.thing);
        sight.held.push(device.is_some_and(|device| is_answered(account, incident, device)));
        let heard = incident.clients.iter().filter_map(|client| account.ledger.heard(client));
        sight.signs.push(heard.max().map(since));
        let about = |read: bool| {
            let about = |asked: &&Asked| device.is_some_and(|device| concerns(incident, device, asked, read));
            asked.iter().filter(about).map(|asked| since(asked.at)).collect()
        };
        sight.asked.push(about(false));
        sight.looked.push(about(true));
    }
    sight.mute = mute(account, devices);
    sight
}

/// Is it about the incident? With `read` a mere read of a shadow that had to be put right is, too.
fn concerns(incident: &Incident, device: &Device, asked: &Asked, read: bool) -> bool {
    let names = |about: &String| match about.split_once('/') {
        Some(("thing", name)) => name.split('/').next() == Some(&device.thing),
        Some(("shadow", name)) => {
            let restored = matches!(incident.answer, Answer::Restore(_));
            read && restored && name.split('/').next() == Some(&device.thing)
        }
        Some(("client", name)) => incident.clients.contains(name),
        Some(("cert", id)) => device.certificates.iter().any(|certificate| certificate == id),
        Some(("topic", name)) => name == device.topic,
        _ => about == "retained" && incident.answer == Answer::Clear,
    };
    asked.about.iter().any(names)
}

fn is_answered(account: &Account, incident: &Incident, device: &Device) -> bool {
    match &incident.answer {
        Answer::Look => false,
        Answer::Contain => incident.clients.iter().all(|client| {
            let connected = account.broker().connection(client).is_some_and(|held| held.connected);
            !connected && !device.may_speak(account, client)
        }),
        Answer::Clear => account.broker().retained(&device.topic).is_none(),
        Answer::Restore(state) => {
            let held = account.read();
            let shadow = held.shadows.get(&device.thing, None);
            let desired = shadow.and_then(|shadow| shadow.desired());
            !state.as_object().is_some_and(|wrong| {
                wrong.iter().any(|(name, value)| desired.and_then(|desired| desired.get(name)) == Some(value))
            })
        }
    }
}

/// The devices that may not speak, those of one certificate together.
fn mute(account: &Account, devices: &[Device]) -> Vec<Mute> {
    let mut by_certificate: BTreeMap<&[String], Vec<String>> = BTreeMap::new();
    let mut out = Vec::new();
    for device in devices {
        if device.is_heard(account) {
            continue;
        }
        if device.has_active(account) {
            out.push(Mute { things: vec![device.thing.clone()], certificate: false });
        } else {
            by_certificate.entry(&device.certificates).or_default().push(device.thing.clone());
        }
    }
    out.extend(by_certificate.into_values().map(|things| Mute { things, certificate: true }));
    out
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_question_concerns_the_device_it_names_in_any_way() {
        let device = Device {
            thing: "T".to_owned(),
            topic: "dt/T/data".to_owned(),
            certificates: vec!["c1".to_owned()],
        };
        let incident = |answer| Incident {
            thing: "T".to_owned(),
            at: std::time::Duration::ZERO,
            answer,
            what: String::new(),
            clients: ["T".to_owned(), "gw-7".to_owned()].into(),
            par: [std::time::Duration::ZERO; 3],
        };
        let asked = |about: &str| Asked { at: 0, about: vec!["policy/P".to_owned(), about.to_owned()] };
        for about in ["thing/T", "thing/T/shadow", "client/gw-7", "cert/c1", "topic/dt/T/data"] {
            assert!(concerns(&incident(Answer::Contain), &device, &asked(about), false), "{about}");
        }
        for about in ["thing/T2", "client/T2", "cert/c2", "topic/dt/T", "retained", "thinggroup/T"] {
            assert!(!concerns(&incident(Answer::Contain), &device, &asked(about), false), "{about}");
        }
        assert!(concerns(&incident(Answer::Clear), &device, &asked("retained"), false));
        let state = Value::Null;
        let restore = incident(Answer::Restore(state));
        assert!(!concerns(&restore, &device, &asked("retained"), false));
        assert!(concerns(&restore, &device, &asked("shadow/T"), true));
        assert!(!concerns(&restore, &device, &asked("shadow/T"), false));
        assert!(!concerns(&incident(Answer::Contain), &device, &asked("shadow/T"), true));
    }
}
