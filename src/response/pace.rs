//! Keeps what is asked for many devices within the rates AWS allows, so that it is not throttled and then slowed down.

use std::time::Duration;

/// Keeps the requests of a bulk within AWS's rates, each operation by itself.
#[derive(Debug, Default)]
pub(in crate::response) struct Pace {
    next: parking_lot::Mutex<std::collections::HashMap<&'static str, tokio::time::Instant>>,
}

impl Pace {
    /// Waits for the turn of one more request of `operation` (docs/aws-iot.md#2.4 to #2.7: 50 or 10 a second).
    pub(in crate::response) async fn turn(&self, operation: &'static str) {
        let apart = match operation {
            "iot:AddThingToThingGroup"
            | "iot:RemoveThingFromThingGroup"
            | "iot:UpdateThingShadow"
            | "iot:DeleteConnection" => Duration::from_millis(20),
            // Five a second.
            "iot:GetEffectivePolicies" => Duration::from_millis(220),
            "iot:ListThingPrincipals" => Duration::from_millis(55),
            _ => Duration::from_millis(110),
        };
        let at = {
            let mut next = self.next.lock();
            let now = tokio::time::Instant::now();
            let at = next.get(operation).copied().unwrap_or(now).max(now);
            next.insert(operation, at + apart);
            at
        };
        tokio::time::sleep_until(at).await;
    }
}
