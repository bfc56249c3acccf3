//! Which certificate connected under which client ids, and which client ids were fought over: what the audit's two
//! connection checks look back at. In memory, bounded, under a lock of its own.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::account::Account;
use crate::broker::{Principal, Session};

/// Client ids remembered of one certificate: the longest unseen is forgotten first.
const CLIENTS: usize = 100;
/// Takeovers remembered of the whole account.
const TAKEOVERS: usize = 1_000;

/// One client id under which a certificate connected. Times are epoch milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The MQTT client id.
    pub client: Arc<str>,
    /// The last connect.
    pub connected_ms: i64,
    /// The last disconnect; `None` while connected.
    pub disconnected_ms: Option<i64>,
}

/// A connection that ended because another one took its client id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// The client id.
    pub client: Arc<str>,
    /// Who was connected until then.
    pub principal: Principal,
    /// Epoch milliseconds.
    pub at_ms: i64,
}

#[derive(Default)]
struct Inner {
    certificates: HashMap<String, Vec<Seen>>,
    takeovers: VecDeque<Takeover>,
}

/// The account's connections as far as the audit looks back.
#[derive(Default)]
pub struct Trail(Mutex<Inner>);

impl Trail {
    /// The client ids of each certificate seen since `from_ms`, newest connection first.
    pub fn certificates(&self, from_ms: i64) -> Vec<(String, Vec<Seen>)> {
        let inner = self.0.lock();
        let mut out = Vec::new();
        for (certificate, seen) in &inner.certificates {
            let lately = |s: &&Seen| s.disconnected_ms.is_none_or(|at| at >= from_ms);
            let mut seen: Vec<Seen> = seen.iter().filter(lately).cloned().collect();
            seen.sort_by_key(|s| std::cmp::Reverse(s.connected_ms));
            if !seen.is_empty() {
                out.push((certificate.clone(), seen));
            }
        }
        out.sort_by(|a, b| a.0.cmp(&b.0));
        out
    }

    /// The takeovers since `from_ms`, newest first.
    pub fn takeovers(&self, from_ms: i64) -> Vec<Takeover> {
        let inner = self.0.lock();
        inner.takeovers.iter().rev().filter(|t| t.at_ms >= from_ms).cloned().collect()
    }

    /// How many client ids connected with a certificate since `from_ms`.
    pub fn clients(&self, from_ms: i64) -> usize {
        let mut ids: Vec<Arc<str>> =
            self.certificates(from_ms).into_iter().flat_map(|(_, seen)| seen).map(|s| s.client).collect();
        ids.extend(self.takeovers(from_ms).into_iter().map(|t| t.client));
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    }

    fn connected(&self, certificate: &str, client: &Arc<str>, now_ms: i64) {
        let mut inner = self.0.lock();
        let seen = match inner.certificates.get_mut(certificate) {
            Some(seen) => seen,
            None => inner.certificates.entry(certificate.to_owned()).or_default(),
        };
        if let Some(held) = seen.iter_mut().find(|s| s.client == *client) {
            held.connected_ms = now_ms;
            held.disconnected_ms = None;
            return;
        }
        if seen.len() >= CLIENTS
            && let Some(oldest) =
                seen.iter().enumerate().min_by_key(|(_, s)| (s.disconnected_ms.is_none(), s.connected_ms))
        {
            let oldest = oldest.0;
            seen.swap_remove(oldest);
        }
        seen.push(Seen { client: Arc::clone(client), connected_ms: now_ms, disconnected_ms: None });
    }

    fn disconnected(&self, session: &Session, reason: &str, now_ms: i64) {
        let mut inner = self.0.lock();
        let taken_over = reason == "DUPLICATE_CLIENTID";
        if let Principal::Certificate(certificate) = &session.principal
            && !taken_over
            && let Some(seen) = inner.certificates.get_mut(certificate)
            && let Some(held) = seen.iter_mut().find(|s| s.client == session.client_id)
        {
            held.disconnected_ms = Some(now_ms);
        }
        if taken_over {
            if inner.takeovers.len() == TAKEOVERS {
                inner.takeovers.pop_front();
            }
            inner.takeovers.push_back(Takeover {
                client: Arc::clone(&session.client_id),
                principal: session.principal.clone(),
                at_ms: now_ms,
            });
        }
    }
}

/// A session was accepted.
pub fn on_connected(account: &Account, session: &Session) {
    if let Principal::Certificate(certificate) = &session.principal {
        account.trail.connected(certificate, &session.client_id, account.clock.now_ms());
    }
}

/// A session ended, for one of AWS's reasons.
pub fn on_disconnected(account: &Account, session: &Session, reason: &str) {
    account.trail.disconnected(session, reason, account.clock.now_ms());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(client: &str, certificate: &str) -> Session {
        Session {
            client_id: client.into(),
            principal: Principal::Certificate(certificate.to_owned()),
            serial: 1,
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            attributes: Default::default(),
        }
    }

    #[test]
    fn a_certificate_has_the_clients_seen_lately_and_no_more_than_its_share() {
        let trail = Trail::default();
        for n in 0..CLIENTS as i64 + 5 {
            trail.connected("c1", &format!("thing{n}").into(), 1_000 + n);
        }
        let (_, seen) = trail.certificates(0).remove(0);
        assert_eq!(seen.len(), CLIENTS);
        assert_eq!(&*seen[0].client, "thing104");
        trail.disconnected(&session("thing104", "c1"), "CONNECTION_LOST", 3_000);
        assert_eq!(trail.certificates(2_999)[0].1.len(), CLIENTS);
        assert_eq!(trail.certificates(3_001)[0].1.len(), CLIENTS - 1);
        assert!(trail.takeovers(0).is_empty());
    }

    #[test]
    fn a_takeover_is_kept_and_leaves_the_client_connected() {
        let trail = Trail::default();
        trail.connected("c1", &"a".into(), 1_000);
        trail.connected("c1", &"a".into(), 2_000);
        trail.disconnected(&session("a", "c1"), "DUPLICATE_CLIENTID", 2_001);
        assert_eq!(trail.takeovers(0).len(), 1);
        assert!(trail.takeovers(2_002).is_empty());
        assert_eq!(trail.certificates(0)[0].1[0].disconnected_ms, None);
        assert_eq!(trail.clients(0), 1);
    }
}
