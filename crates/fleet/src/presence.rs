//! Who is connected, by the lifecycle events of AWS IoT, which arrive twice and out of order (docs/aws-iot.md#3.5).

use crate::text::SafeText;

use super::Ms;
use super::event::PresenceKind;

/// What is known of one client's connection.
#[derive(Clone, Debug, PartialEq)]
pub struct PresenceState {
    /// The last event that counted: connected or not.
    connected: bool,
    since: Ms,
    heard: Ms,
    version: i64,
    reason: Option<SafeText>,
    principal: Option<SafeText>,
    failed: Option<Ms>,
    /// The refused connect before that, with no connect between.
    failed_before: Option<Ms>,
    /// When it last connected.
    joined: Option<Ms>,
    settle: Ms,
}

/// After an hour offline AWS starts the version anew.
const FORGET: Ms = 3_600_000;

impl PresenceState {
    /// True when connected by the last event that counted; a `disconnected` counts at once here, and for the state of
    /// a device only after it settled.
    pub fn connected(&self) -> bool {
        self.connected
    }

    /// Since when, by AWS's clock.
    pub fn since(&self) -> Ms {
        self.since
    }

    /// The reason of the last disconnect or refused connect.
    pub fn reason(&self) -> Option<&SafeText> {
        self.reason.as_ref()
    }

    /// The certificate id or IAM id it connects with.
    pub fn principal(&self) -> Option<&SafeText> {
        self.principal.as_ref()
    }

    /// When it last tried to connect and was refused: evidence that a contained device keeps trying.
    pub fn refused_at(&self) -> Option<Ms> {
        self.failed
    }

    /// When it tried to connect and was refused for the last time but one, with no connect between.
    pub(super) fn refused_before(&self) -> Option<Ms> {
        self.failed_before
    }

    /// When it last connected.
    pub(super) fn connected_at(&self) -> Option<Ms> {
        self.joined
    }

    /// Since when it is offline, once that settled.
    pub(super) fn offline_since(&self, now: Ms, settle: Ms) -> Option<Ms> {
        (!self.connected && self.heard != Ms::MIN && now - self.heard >= settle).then_some(self.since)
    }

    pub(super) fn is_settling(&self, now: Ms) -> bool {
        !self.connected && now - self.heard < self.settle
    }

    /// The version of the last event that counted.
    pub(super) fn version(&self) -> i64 {
        self.version
    }

    /// `None` when only refused attempts were heard.
    pub(super) fn known(&self) -> Option<bool> {
        (self.version != i64::MIN).then_some(self.connected)
    }

    pub(super) fn new(settle: Ms) -> Self {
        Self {
            connected: false,
            since: Ms::MIN,
            heard: Ms::MIN,
            version: i64::MIN,
            reason: None,
            principal: None,
            failed: None,
            failed_before: None,
            joined: None,
            settle,
        }
    }

    /// Takes in what the fleet index knows of the connection; false when something newer or nearer is known.
    pub(super) fn index(
        &mut self,
        kind: PresenceKind,
        version: i64,
        at: Ms,
        heard: Ms,
        reason: Option<SafeText>,
    ) -> bool {
        if self.version > version || self.version == version && at <= self.since {
            return false;
        }
        self.version = i64::MIN;
        self.note(kind, version, at, heard, reason, None)
    }

    /// Takes one event in; false when it was old or known already.
    pub(super) fn note(
        &mut self,
        kind: PresenceKind,
        version: i64,
        at: Ms,
        heard: Ms,
        reason: Option<SafeText>,
        principal: Option<SafeText>,
    ) -> bool {
        if kind == PresenceKind::ConnectFailed {
            // Carries no version, and says nothing about a connection that may still be there.
            if self.failed.is_some_and(|failed| failed >= at) {
                return false;
            }
            self.failed_before = self.failed;
            self.failed = Some(at);
            self.reason = reason.or(self.reason.take());
            if principal.is_some() {
                self.principal = principal;
            }
            return true;
        }
        let connected = kind == PresenceKind::Connected;
        let fresh = self.version == i64::MIN || at - self.since > FORGET;
        // A connect and its disconnect share a version: of the two, the disconnect is the later.
        let newer = version > self.version || (version == self.version && self.connected && !connected);
        if !fresh && !newer {
            return false;
        }
        self.connected = connected;
        if connected {
            self.joined = self.joined.max(Some(at));
            self.failed_before = None;
        }
        self.since = at;
        self.heard = heard;
        self.version = version;
        self.reason = if connected { None } else { reason };
        if principal.is_some() {
            self.principal = principal;
        }
        true
    }
}
