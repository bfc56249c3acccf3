//! Jobs: the control plane, the device's REST and MQTT sides, rollout, events (contract §2.6, §3.7, §4.5).

use bytes::Bytes;

use crate::emulator::account::Account;
use crate::emulator::hooks::Session;
use crate::emulator::store::Wal;

/// Jobs and their executions.
pub struct Jobs {}

impl Jobs {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        let _ = wal;
        Self {}
    }
}

/// A client published to `$aws/things/{thing}/jobs/{rest}`.
pub fn on_publish(account: &Account, session: &Session, thing: &str, rest: &str, payload: &Bytes) {
    let _ = (account, session, thing, rest, payload);
}

/// A thing joined or left a group: continuous jobs of the group queue or remove its execution.
pub fn on_membership(account: &Account, thing: &str, group: &str, added: bool) {
    let _ = (account, thing, group, added);
}
