//! IoT policies: documents, variables, evaluation, inheritance, and the cache of 6 to 8 minutes (contract §4.3).

use crate::emulator::account::Account;
use crate::emulator::hooks::{Action, Session};

/// Decides one action of one session, from the policies cached for it.
pub fn authorize(account: &Account, session: &Session, action: Action, resource: &str) -> bool {
    let _ = (account, session, action, resource);
    false
}

/// Forgets what was cached for a session that ended.
pub fn forget(account: &Account, session: &Session) {
    let _ = (account, session);
}
