//! Things by name: a table of numbers only, because every device keeps its own name.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

use super::{Device, DeviceId};

/// The table; `devices` is always the same list, in which numbers are positions.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: HashTable<DeviceId>,
    /// Names are chosen by devices: a keyed hash.
    hasher: RandomState,
}

/// The raw name of a device; of none it is empty.
pub(super) fn name(devices: &[Device], id: DeviceId) -> &str {
    devices.get(id.index()).map_or("", |d| d.name().raw())
}

impl Names {
    /// The thing of a raw name.
    pub(super) fn find(&self, raw: &str, devices: &[Device]) -> Option<DeviceId> {
        self.table.find(self.hasher.hash_one(raw), |id| name(devices, *id) == raw).copied()
    }

    /// Adds the device at `id`, whose name is not in the table.
    pub(super) fn insert(&mut self, id: DeviceId, devices: &[Device]) {
        let hash = |id: &DeviceId| self.hasher.hash_one(name(devices, *id));
        self.table.insert_unique(hash(&id), id, hash);
    }
}
