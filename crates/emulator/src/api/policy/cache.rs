//! How long a connection lives with the policies it once loaded (docs/aws-iot.md#4.3, #6.1).
//!
//! AWS caches policy documents for 6 to 8 minutes: a device put into a group that denies everything talks on until then.
//! Here the documents are held for each connection for 420 s. When a connection ends they serve the same client id for 20 s
//! more: a device cut by DeleteConnection may come back once or twice before the deny holds, as it may in AWS, and an
//! operator who cuts it again each time gets there in seconds. Both durations shrink with the clock's speed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quell_rules::policy::Bound;

use super::effective;
use crate::account::Account;
use crate::broker::{Action, ConnectAttributes, Session};

/// How long a live connection keeps its documents.
pub(crate) const LIVE: Duration = Duration::from_secs(420);
/// How long the documents of an ended connection serve its client id.
pub(crate) const PARKED: Duration = Duration::from_secs(20);
/// Remembered decisions of one connection: a device that invents topics must not grow the emulator.
const DECISIONS: usize = 512;
/// Sessions are spread over this many locks.
const SHARDS: usize = 16;
/// Entries between two sweeps of a shard.
const SWEEP: usize = 256;
/// Ended connections whose documents are kept; beyond it the stale ones are dropped.
const PARKED_SESSIONS: usize = 4096;

/// The policies of the account's connections.
pub struct PolicyCache {
    shards: [Mutex<HashMap<u64, Arc<Mutex<Entry>>>>; SHARDS],
    parked: Mutex<HashMap<Key, Parked>>,
}

/// Whose documents an ended connection leaves behind: principal and client id, and what its CONNECT asked for, which
/// conditions look at.
type Key = (String, Arc<str>, ConnectAttributes);

fn key(session: &Session) -> Key {
    (session.principal.identifier().to_owned(), Arc::clone(&session.client_id), session.attributes)
}

struct Entry {
    bound: Arc<Bound>,
    ip: IpAddr,
    expires: Instant,
    /// Set when the documents came from an ended connection: until when those may serve.
    parked_until: Option<Instant>,
    /// Decisions by action, then by resource.
    decisions: [HashMap<Box<str>, bool>; 5],
}

struct Parked {
    bound: Arc<Bound>,
    ip: IpAddr,
    expires: Instant,
    until: Instant,
}

impl Default for PolicyCache {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), parked: Mutex::default() }
    }
}

impl PolicyCache {
    /// Decides, loading the session's documents when there are none or they are too old.
    pub(super) fn authorize(
        &self,
        account: &Account,
        session: &Session,
        action: Action,
        resource: &str,
        now: Instant,
    ) -> bool {
        let entry = self.entry(account, session, now);
        let mut entry = entry.lock();
        if now >= entry.expires {
            *entry = fresh(account, session, now);
        }
        let decisions = &mut entry.decisions[action as usize];
        if let Some(decision) = decisions.get(resource) {
            return *decision;
        }
        let arn = account.arns.iot(action.resource_kind(), resource);
        let decision = entry.bound.allows(action.name(), &arn);
        let decisions = &mut entry.decisions[action as usize];
        if decisions.len() >= DECISIONS {
            decisions.clear();
        }
        decisions.insert(resource.into(), decision);
        drop(entry);
        if action == Action::Connect && !decision {
            // A refused connection never lives, so nobody will report its end.
            self.forget(account, session, now);
        }
        decision
    }

    /// The session ended: parks its documents, or drops them when there are none or they have served their time.
    pub(super) fn forget(&self, account: &Account, session: &Session, now: Instant) {
        let Some(entry) = self.shard(session).lock().remove(&session.serial) else { return };
        let entry = entry.lock();
        let until = entry.parked_until.unwrap_or_else(|| now + account.clock.scaled(PARKED));
        if entry.bound.is_empty() || until <= now || entry.expires <= now {
            return;
        }
        let documents =
            Parked { bound: Arc::clone(&entry.bound), ip: entry.ip, expires: entry.expires, until };
        self.park(key(session), documents, now);
    }

    /// The policies an HTTPS request is decided by. A request is a connection that ends at once: what it loads serves the
    /// next ones of the same certificate for as long as the documents of an ended connection.
    pub(super) fn of_request(&self, account: &Account, session: &Session, now: Instant) -> Arc<Bound> {
        let key = key(session);
        if let Some(held) = self.parked.lock().get(&key).filter(|p| p.until > now && p.ip == session.ip) {
            return Arc::clone(&held.bound);
        }
        let Entry { bound, ip, expires, .. } = fresh(account, session, now);
        if !bound.is_empty() {
            let until = now + account.clock.scaled(PARKED);
            self.park(key, Parked { bound: Arc::clone(&bound), ip, expires, until }, now);
        }
        bound
    }

    fn park(&self, key: Key, documents: Parked, now: Instant) {
        let mut parked = self.parked.lock();
        if parked.len() >= PARKED_SESSIONS {
            parked.retain(|_, p| p.until > now);
        }
        parked.insert(key, documents);
    }

    fn shard(&self, session: &Session) -> &Mutex<HashMap<u64, Arc<Mutex<Entry>>>> {
        &self.shards[session.serial as usize % SHARDS]
    }

    fn entry(&self, account: &Account, session: &Session, now: Instant) -> Arc<Mutex<Entry>> {
        if let Some(entry) = self.shard(session).lock().get(&session.serial) {
            return Arc::clone(entry);
        }
        let parked = self.parked.lock().remove(&key(session)).filter(|p| p.until > now && p.ip == session.ip);
        let entry = match parked {
            Some(parked) => Entry {
                bound: parked.bound,
                ip: parked.ip,
                expires: parked.expires,
                parked_until: Some(parked.until),
                decisions: Default::default(),
            },
            None => fresh(account, session, now),
        };
        let entry = Arc::new(Mutex::new(entry));
        let mut shard = self.shard(session).lock();
        if shard.len() % SWEEP == SWEEP - 1 {
            // A connect refused for its last will leaves an entry behind; an idle session loads again when it speaks.
            shard.retain(|_, held| held.try_lock().is_none_or(|held| held.expires > now));
        }
        Arc::clone(shard.entry(session.serial).or_insert(entry))
    }
}

fn fresh(account: &Account, session: &Session, now: Instant) -> Entry {
    Entry {
        bound: Arc::new(effective::load(&account.read(), session, account.clock.now_ms())),
        ip: session.ip,
        expires: now + account.clock.scaled(LIVE),
        parked_until: None,
        decisions: Default::default(),
    }
}
