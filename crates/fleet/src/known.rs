//! What was read from outside, with its age; and why it could not be read.
//!
//! "0 violations" and "the call was refused" must never look alike. So everything that is polled is a [`Known`], and a
//! screen that wants the value has to meet the case where there is none.

use serde::{Deserialize, Serialize};

use crate::text::SafeText;

use super::Ms;

/// A value read from outside: perhaps never, perhaps long ago, perhaps with the latest attempt failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Known<T> {
    value: Option<(T, Ms)>,
    trouble: Option<Trouble>,
}

/// Why the latest attempt to read something failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// What kind of failure.
    pub kind: TroubleKind,
    /// One sentence for a person, outside text made safe.
    pub message: SafeText,
    /// The IAM action that is missing, when that is the reason (`iot:ListActiveViolations`).
    pub missing_action: Option<SafeText>,
    /// When the first of the uninterrupted failures happened.
    pub since: Ms,
}

/// The kinds of failure a screen words differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TroubleKind {
    /// IAM refused the call.
    Denied,
    /// The account asks too much of this API.
    Throttled,
    /// The service is not offered to this account (Detect since 2026-08-31).
    Refused,
    /// No answer, or one that is not understood.
    Unreachable,
    /// Credentials are missing or expired.
    Credentials,
    /// Nothing was asked: who runs this did not say where, such as in which region.
    Unsaid,
    /// Anything else the service answered.
    Failed,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { value: None, trouble: None }
    }
}

/// A [`Known`] of whatever type, where only a failure is told to it.
pub(super) trait Fallible {
    /// As [`Known::fail`].
    fn fail(&mut self, trouble: Trouble);
}

impl<T> Fallible for Known<T> {
    fn fail(&mut self, trouble: Trouble) {
        Known::fail(self, trouble);
    }
}

impl<T> Known<T> {
    /// A successful read at `at`; clears the trouble.
    pub fn learn(&mut self, value: T, at: Ms) {
        self.value = Some((value, at));
        self.trouble = None;
    }

    /// A failed read: the old value stays, visibly old. The time of the first of several failures is kept.
    pub fn fail(&mut self, trouble: Trouble) {
        let since = self.trouble.as_ref().map_or(trouble.since, |t| t.since);
        self.trouble = Some(Trouble { since, ..trouble });
    }

    /// The last value read, however old.
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref().map(|(v, _)| v)
    }

    /// The last value read, to be changed in place by a later event.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut().map(|(v, _)| v)
    }

    /// When the value was read.
    pub fn read_at(&self) -> Option<Ms> {
        self.value.as_ref().map(|(_, at)| *at)
    }

    /// How old the value is, in milliseconds.
    pub fn age(&self, now: Ms) -> Option<Ms> {
        self.read_at().map(|at| (now - at).max(0))
    }

    /// Why the latest attempt failed, if it did.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// True when there is a value and the latest attempt did not fail.
    pub fn is_current(&self) -> bool {
        self.value.is_some() && self.trouble.is_none()
    }
}
