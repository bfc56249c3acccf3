//! Device shadows over REST and MQTT (contract §3.6, §4.2).

use bytes::Bytes;

use crate::emulator::account::Account;
use crate::emulator::hooks::Session;
use crate::emulator::store::Wal;

/// Classic and named shadows.
pub struct Shadows {}

impl Shadows {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        let _ = wal;
        Self {}
    }
}

/// A client published to `$aws/things/{thing}/shadow/{rest}`.
pub fn on_publish(account: &Account, session: &Session, thing: &str, rest: &str, payload: &Bytes) {
    let _ = (account, session, thing, rest, payload);
}
