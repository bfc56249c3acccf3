//! MQTT client ids by the principal they connect with, as presence events tell them (docs/aws-iot.md#3.5). A thing's name
//! is not its client id: what a response cuts, watches and asks about are the ids that were seen with its principals.

use std::collections::HashMap;
use std::sync::Arc;

use super::Ms;
use super::event::PresenceKind;
use super::model::Name;
use super::text::SafeText;

/// Pairs of principal and client id that are kept. Beyond it those not heard of for longest go.
const KEPT: usize = 100_000;
/// Client ids kept of one principal: a certificate that a whole fleet shares must not fill the table.
const EACH: usize = 64;
/// After an hour offline AWS starts the version of a client's events anew.
const FORGET: Ms = 3_600_000;

/// A client id seen with a principal.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientSeen {
    /// The MQTT client id.
    pub client: Name,
    /// Whether it was connected by the last event that counted; false when it was only refused.
    pub connected: bool,
    /// When that was, by AWS's clock; of one that was only refused, when it last was.
    pub at: Ms,
    /// The address it last connected from; of one that was only refused, the address it tried from.
    pub address: Option<SafeText>,
    /// The version of that event; `None` when it was only refused.
    version: Option<i64>,
    /// When it was last refused.
    refused: Option<Ms>,
    /// That event came since the listening last began: what ended while nobody listened is not known.
    lately: bool,
}

/// The client ids seen, by the principal each was seen with: a certificate's id, or an IAM id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientsSeen {
    of: HashMap<Arc<str>, Vec<ClientSeen>>,
    pairs: usize,
}

impl ClientSeen {
    pub(crate) fn version(&self) -> Option<i64> {
        self.version
    }

    /// When it was last refused.
    pub(crate) fn refused_at(&self) -> Option<Ms> {
        self.refused
    }

    /// When it was last heard of, refused or not.
    fn heard_of(&self) -> Ms {
        self.refused.map_or(self.at, |refused| refused.max(self.at))
    }

    /// True when it is connected by an event that came since the listening last began.
    pub(crate) fn is_there(&self) -> bool {
        self.connected && self.lately
    }

    /// True when the last event that counted came since the listening last began.
    pub(crate) fn is_lately(&self) -> bool {
        self.lately
    }
}

impl ClientsSeen {
    /// The client ids seen with `principal`, the latest last.
    pub fn of(&self, principal: &str) -> &[ClientSeen] {
        self.of.get(principal).map_or(&[], Vec::as_slice)
    }

    /// All of them, each with its principal.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &ClientSeen)> {
        self.of.iter().flat_map(|(principal, seen)| seen.iter().map(move |seen| (&**principal, seen)))
    }

    /// The listening began anew: of none is it known that it is still connected.
    pub(crate) fn listen_anew(&mut self) {
        self.of.values_mut().flatten().for_each(|seen| seen.lately = false);
    }

    /// The principals with which `client` was seen connected. Looks through all.
    pub fn principals_of<'a>(&'a self, client: &'a str) -> impl Iterator<Item = &'a str> {
        let holds =
            move |seen: &Vec<ClientSeen>| seen.iter().any(|s| s.connected && s.client.raw() == client);
        self.of.iter().filter(move |(_, seen)| holds(seen)).map(|(principal, _)| &**principal)
    }

    /// Takes one presence event in. Events come twice and out of order: an older one changes nothing.
    pub fn note(
        &mut self,
        principal: &str,
        client: &Name,
        kind: PresenceKind,
        version: i64,
        at: Ms,
        address: Option<&SafeText>,
    ) {
        if self.pairs >= KEPT {
            self.forget();
        }
        let connected = kind == PresenceKind::Connected;
        // A refused attempt has no version.
        let refused = (kind == PresenceKind::ConnectFailed).then_some(at);
        let version = refused.is_none().then_some(version);
        let seen = match self.of.get_mut(principal) {
            Some(seen) => seen,
            None => self.of.entry(principal.into()).or_default(),
        };
        let Some(i) = seen.iter().position(|s| s.client == *client) else {
            if seen.len() >= EACH {
                seen.remove(0);
                self.pairs -= 1;
            }
            self.pairs += 1;
            return seen.push(ClientSeen {
                client: client.clone(),
                connected,
                at,
                address: address.cloned(),
                version,
                refused,
                lately: true,
            });
        };
        let mut held = seen.remove(i);
        if let Some(refused) = refused {
            // It says nothing of a connection that may still be there, nor of its address.
            held.refused = held.refused.max(Some(refused));
            if held.version.is_none() {
                held.at = held.at.max(at);
            }
            if !held.connected && address.is_some() {
                held.address = address.cloned();
            }
        } else {
            let newer = version > held.version || version == held.version && held.connected && !connected;
            if newer || at - held.at > FORGET {
                let address = address.cloned().or(held.address);
                held = ClientSeen { connected, at, version, address, lately: true, ..held };
            }
        }
        seen.push(held);
    }

    /// Lets the older half go.
    fn forget(&mut self) {
        let mut times: Vec<Ms> = self.of.values().flatten().map(ClientSeen::heard_of).collect();
        let half = times.len() / 2;
        let (_, limit, _) = times.select_nth_unstable(half);
        let limit = *limit;
        self.of.retain(|_, seen| {
            seen.retain(|s| s.heard_of() > limit);
            !seen.is_empty()
        });
        self.pairs = self.of.values().map(Vec::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PresenceKind::{ConnectFailed, Connected, Disconnected};

    fn told(seen: &ClientsSeen, principal: &str) -> Vec<(String, bool)> {
        seen.of(principal).iter().map(|s| (s.client.raw().to_owned(), s.connected)).collect()
    }

    #[test]
    fn a_principal_has_the_client_ids_it_connected_as_the_latest_last() {
        let mut seen = ClientsSeen::default();
        seen.note("c1", &Name::new("gw-7"), Connected, 1, 100, None);
        seen.note("c1", &Name::new("gw-8"), Connected, 1, 200, None);
        seen.note("c2", &Name::new("gw-7"), ConnectFailed, 0, 250, None);
        seen.note("c1", &Name::new("gw-7"), Disconnected, 1, 300, None);
        assert_eq!(told(&seen, "c1"), [("gw-8".to_owned(), true), ("gw-7".to_owned(), false)]);
        assert_eq!(told(&seen, "c2"), [("gw-7".to_owned(), false)], "refused: seen, not connected");
        assert_eq!(seen.principals_of("gw-8").collect::<Vec<_>>(), ["c1"]);
        assert!(seen.of("c3").is_empty());
    }

    #[test]
    fn a_refused_attempt_says_nothing_of_the_session_that_holds() {
        let (mut seen, gw) = (ClientsSeen::default(), Name::new("gw-7"));
        let (own, other) = (SafeText::new("192.0.2.1"), SafeText::new("203.0.113.66"));
        seen.note("c", &gw, Connected, 1, 100, Some(&own));
        seen.note("c", &gw, ConnectFailed, 0, 200, Some(&other));
        assert_eq!((seen.of("c")[0].connected, seen.of("c")[0].address.as_ref()), (true, Some(&own)));
        seen.note("c", &gw, Disconnected, 1, 300, None);
        seen.note("c", &gw, ConnectFailed, 0, 400, Some(&other));
        assert_eq!(seen.of("c")[0].address.as_ref(), Some(&other), "nothing holds: where it tried from");
        assert_eq!((seen.of("c")[0].at, seen.of("c")[0].refused_at()), (300, Some(400)));
        // Versions begin at 0, also after a refusal.
        seen.note("d", &gw, ConnectFailed, 0, 100, None);
        seen.note("d", &gw, Connected, 0, 200, None);
        assert_eq!((seen.of("d")[0].connected, seen.of("d")[0].at), (true, 200));
    }

    #[test]
    fn an_event_that_comes_late_or_twice_changes_nothing() {
        let mut seen = ClientsSeen::default();
        let gw = Name::new("gw-7");
        seen.note("c", &gw, Connected, 4, 400, None);
        seen.note("c", &gw, Disconnected, 3, 350, None);
        seen.note("c", &gw, Connected, 4, 400, None);
        assert_eq!(told(&seen, "c"), [("gw-7".to_owned(), true)]);
        seen.note("c", &gw, Disconnected, 4, 500, None);
        seen.note("c", &gw, Connected, 4, 400, None);
        assert_eq!(told(&seen, "c"), [("gw-7".to_owned(), false)], "of a pair, the disconnect is the later");
        seen.note("c", &gw, Connected, 0, 500 + FORGET + 1, None);
        assert_eq!(told(&seen, "c"), [("gw-7".to_owned(), true)], "AWS counts anew after an hour");
    }

    #[test]
    fn whatever_connects_the_table_keeps_its_size() {
        let mut seen = ClientsSeen::default();
        for i in 0..1_000 {
            seen.note("shared", &Name::new(&format!("client-{i}")), Connected, 0, i, None);
        }
        assert_eq!(seen.of("shared").len(), EACH);
        assert_eq!(seen.of("shared").last().map(|s| s.client.raw()), Some("client-999"));
        for i in 0..Ms::try_from(KEPT).unwrap() + 10 {
            seen.note(&format!("c{i}"), &Name::new("one"), Connected, 0, 1_000 + i, None);
        }
        assert!(seen.pairs <= KEPT, "{}", seen.pairs);
        assert_eq!(seen.pairs, seen.of.values().map(Vec::len).sum::<usize>());
        assert_eq!(seen.of(&format!("c{}", KEPT + 5)).len(), 1, "the latest are kept");
    }
}
