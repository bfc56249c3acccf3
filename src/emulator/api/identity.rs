//! Certificates, policies and attachments (contract §2.4, §4.3).

use crate::emulator::account::Account;
use crate::emulator::store::Wal;

/// Certificates, policies and what is attached to what.
pub struct Identity {}

impl Identity {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        let _ = wal;
        Self {}
    }
}

/// True when the certificate is registered and ACTIVE: the only status that can authenticate.
pub fn is_active(account: &Account, certificate_id: &str) -> bool {
    let _ = (account, certificate_id);
    false
}
