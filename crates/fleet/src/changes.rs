//! Which parts of a screen an event touched: an empty set needs no frame.

use std::ops::{BitOr, BitOrAssign};

/// A set of touched parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes(u16);

impl Changes {
    /// Nothing: no frame needed.
    pub const NONE: Self = Self(0);
    /// Devices: their numbers, their state, their order.
    pub const DEVICES: Self = Self(1);
    /// Active or past violations.
    pub const VIOLATIONS: Self = Self(1 << 1);
    /// Shadow deltas or documents.
    pub const DELTAS: Self = Self(1 << 2);
    /// Messages.
    pub const STREAM: Self = Self(1 << 3);
    /// Jobs or executions.
    pub const JOBS: Self = Self(1 << 4);
    /// The MQTT connection.
    pub const LINK: Self = Self(1 << 5);
    /// The age or trouble of something polled.
    pub const POLLS: Self = Self(1 << 6);
    /// A contained device was heard: ring the bell.
    pub const LEAK: Self = Self(1 << 7);
    /// A device newly came into alarm: ring the bell.
    pub const ALARM: Self = Self(1 << 8);

    /// True when no frame is needed.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when something happened, and not only numbers moved: an alarm, a leak, a violation, a job, the connection.
    pub fn is_news(self) -> bool {
        let news = Self::VIOLATIONS | Self::JOBS | Self::LINK | Self::LEAK | Self::ALARM;
        self.0 & news.0 != 0
    }

    /// True when all of `other` are in the set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Changes {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Changes {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
