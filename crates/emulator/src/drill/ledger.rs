//! What an account notes while a drill is on: who asked about what in particular, and when each client was last heard. Without
//! a drill it costs one look at a flag.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::account::Account;
use crate::api::iam::needed;
use crate::api::{Req, Service};
use crate::broker::Session;

/// Questions kept until the next look.
const ASKED: usize = 4096;
/// Clients whose last sign is kept.
const CLIENTS: usize = 4096;
/// Reads that nobody does for a whole list of devices: whoever asks these has one in mind.
const LOOKS: [&str; 6] = [
    "GetConnection",
    "GetEffectivePolicies",
    "GetRetainedMessage",
    "ListRetainedMessages",
    "ListSubscriptions",
    "TestAuthorization",
];
/// Reads that are sent as writes: not even a change of what they name.
const READS: [&str; 3] = ["SearchIndex", "ValidateSecurityProfileBehaviors", "GetBucketsAggregation"];

/// A question or a change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// Epoch milliseconds.
    pub(crate) at: i64,
    /// What it is about, as in the ends of ARNs: `thing/T`, `cert/ID`, `client/C`, `topic/A`; `retained` for their list, and
    /// `shadow/T` for a shadow that was only read.
    pub(crate) about: Vec<String>,
}

/// The account's notes.
#[derive(Default)]
pub(crate) struct Ledger {
    on: AtomicBool,
    asked: Mutex<VecDeque<Asked>>,
    signs: Mutex<HashMap<Arc<str>, i64>>,
}

impl Ledger {
    /// Begins to note.
    pub(crate) fn begin(&self) {
        self.asked.lock().clear();
        self.signs.lock().clear();
        self.on.store(true, Ordering::Relaxed);
    }

    /// Notes no more.
    pub(crate) fn end(&self) {
        self.on.store(false, Ordering::Relaxed);
    }

    /// A client published something that it may publish.
    pub(crate) fn spoke(&self, session: &Session, now_ms: impl Fn() -> i64) {
        if !self.on.load(Ordering::Relaxed) {
            return;
        }
        let mut signs = self.signs.lock();
        if signs.len() < CLIENTS || signs.contains_key(&session.client_id) {
            signs.insert(Arc::clone(&session.client_id), now_ms());
        }
    }

    /// When a client was last heard, epoch milliseconds.
    pub(crate) fn heard(&self, client: &str) -> Option<i64> {
        self.signs.lock().get(client).copied()
    }

    /// Somebody asked for an operation.
    pub(crate) fn asked(&self, service: Service, op: &str, changes: bool, req: &Req) {
        if !self.on.load(Ordering::Relaxed) || req.device.is_some() {
            return;
        }
        let shadow = op == "GetThingShadow";
        if !shadow && !LOOKS.contains(&op) && (!changes || READS.contains(&op)) {
            return;
        }
        let mut about: Vec<String> = needed(service, op, req)
            .into_iter()
            .filter_map(|(_, arn)| arn.splitn(6, ':').nth(5).map(str::to_owned))
            .collect();
        about.extend(req.query("thingName").map(|thing| format!("thing/{thing}")));
        about.extend(req.query("clientId").map(|client| format!("client/{client}")));
        if op == "ListRetainedMessages" {
            about.push("retained".to_owned());
        }
        if op == "PutVerificationStateOnViolation" {
            about.extend(
                violator(&req.account, req.path("violationId")).map(|thing| format!("thing/{thing}")),
            );
        }
        if shadow {
            // A console reads the shadows of a whole list: nobody has one device in mind.
            about.retain(|about| about.starts_with("thing/"));
            about.iter_mut().for_each(|about| *about = about.replacen("thing/", "shadow/", 1));
        }
        let mut asked = self.asked.lock();
        if asked.len() >= ASKED {
            asked.pop_front();
        }
        asked.push_back(Asked { at: req.account.clock.now_ms(), about });
    }

    /// What was asked since the last call.
    pub(crate) fn take(&self) -> Vec<Asked> {
        self.asked.lock().drain(..).collect()
    }
}

/// The thing of a violation.
fn violator(account: &Account, violation: &str) -> Option<String> {
    let state = account.read();
    state.detect.active().find(|held| held.id == violation).map(|held| held.thing.clone())
}
