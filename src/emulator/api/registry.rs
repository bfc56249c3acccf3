//! Things and thing groups (contract §2.4, §4.4).

use crate::emulator::store::Wal;

/// Things, thing groups and who is in which.
pub struct Registry {}

impl Registry {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        let _ = wal;
        Self {}
    }
}
