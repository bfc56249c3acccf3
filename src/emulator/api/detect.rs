//! Device Defender Detect: security profiles, metric windows, violations (contract §2.3, §4.1).

use bytes::Bytes;

use crate::emulator::account::Account;
use crate::emulator::hooks::{Action, Session};
use crate::emulator::store::Wal;

/// Security profiles, targets, metric windows, violations.
pub struct DetectStore {}

impl DetectStore {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        let _ = wal;
        Self {}
    }
}

/// `aws:num-connection-attempts`.
pub fn on_connected(account: &Account, session: &Session) {
    let _ = (account, session);
}

/// `aws:num-disconnects`.
pub fn on_disconnected(account: &Account, session: &Session, reason: &str) {
    let _ = (account, session, reason);
}

/// `aws:num-authorization-failures`.
pub fn on_denied(account: &Account, session: &Session, action: Action, resource: &str) {
    let _ = (account, session, action, resource);
}

/// `aws:num-messages-sent`, `aws:message-byte-size`.
pub fn on_published(account: &Account, session: &Session, topic: &str, bytes: usize) {
    let _ = (account, session, topic, bytes);
}

/// `aws:num-messages-received`.
pub fn on_delivered(account: &Account, session: &Session, topic: &str, bytes: usize) {
    let _ = (account, session, topic, bytes);
}

/// A device published a report to `$aws/things/{thing}/defender/metrics/{rest}` (`json` or `cbor`).
pub fn on_report(account: &Account, session: &Session, thing: &str, rest: &str, payload: &Bytes) {
    let _ = (account, session, thing, rest, payload);
}
