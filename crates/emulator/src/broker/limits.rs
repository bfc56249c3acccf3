//! What the broker allows: AWS's limits (docs/aws-iot.md#3.3), and the bounds that keep the emulator's memory finite.

use std::ops::RangeInclusive;
use std::time::Duration;

/// AWS's largest payload, in bytes.
pub(super) const LARGEST_PAYLOAD: usize = 128 * 1024;
/// AWS's most filters in one SUBSCRIBE.
pub(super) const MOST_FILTERS: usize = 8;
/// AWS's most subscriptions on one connection.
pub(super) const MOST_SUBSCRIPTIONS: usize = 50;
/// AWS's limit of unacknowledged outbound messages.
pub(super) const MOST_IN_FLIGHT: usize = 100;
/// AWS's highest topic alias.
pub(super) const HIGHEST_ALIAS: u16 = 8;
/// AWS's default life of a session without connection, in seconds.
pub(super) const SESSION_DEFAULT: u32 = 3600;
/// AWS's longest life of a session without connection, in seconds.
pub(super) const SESSION_LONGEST: u32 = 7 * 24 * 3600;

/// The limits that take time or memory to reach. [`Limits::default`] is what the emulator runs with; tests of a limit
/// lower it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A CONNECT must arrive within this time.
    pub connect: Duration,
    /// A peer that takes nothing for this long is gone.
    pub write: Duration,
    /// The keep-alive in seconds: what a client asks for is moved into this range, 0 to its end. A client may be late by
    /// half of it.
    pub keep_alive: RangeInclusive<u16>,
    /// AWS ends a WebSocket after a day.
    pub websocket_life: Duration,
    /// AWS ends a connection with a certificate after one to two weeks.
    pub certificate_life: Duration,
    /// Messages a connection may send and receive a second, together; more with a faster clock.
    pub messages_per_second: u32,
    /// Bytes of topics and payloads, likewise.
    pub bytes_per_second: u32,
    /// Connections at the same time; one more is refused.
    pub connections: usize,
    /// Messages a second that all connections together may send, more with a faster clock; the excess is let go like that of
    /// one connection. No limit without it.
    pub all_messages_per_second: Option<u32>,
    /// How long an unacknowledged message is held for an MQTT 3.1.1 client.
    pub redelivery_v3: Duration,
    /// How long an unacknowledged message is held for an MQTT 5 client.
    pub redelivery_v5: Duration,
    /// Messages that wait for one client; beyond it new ones are dropped and counted.
    pub session_messages: usize,
    /// Bytes that wait for one client, likewise.
    pub session_bytes: usize,
    /// Bytes that wait for all clients together, likewise. A payload that waits for two is counted twice.
    pub all_bytes: usize,
    /// Bytes of all retained messages; beyond it a message is delivered and not kept.
    pub retained_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            write: Duration::from_secs(30),
            keep_alive: 30..=1200,
            websocket_life: Duration::from_secs(24 * 3600),
            certificate_life: Duration::from_secs(7 * 24 * 3600),
            messages_per_second: 100,
            bytes_per_second: 512 * 1024,
            connections: 500_000,
            all_messages_per_second: None,
            redelivery_v3: Duration::from_secs(3600),
            redelivery_v5: Duration::from_secs(16 * 60),
            session_messages: 20_000,
            session_bytes: 16 * 1024 * 1024,
            all_bytes: 512 * 1024 * 1024,
            retained_bytes: 256 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// The keep-alive granted to a client that asks for `asked` seconds.
    pub(super) fn keep_alive(&self, asked: u16) -> u16 {
        let (low, high) = (*self.keep_alive.start(), *self.keep_alive.end());
        if asked == 0 { high } else { asked.clamp(low, high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_alives_are_moved_into_the_range() {
        let limits = Limits::default();
        for (asked, granted) in [(0, 1200), (1, 30), (30, 30), (600, 600), (1200, 1200), (u16::MAX, 1200)] {
            assert_eq!(limits.keep_alive(asked), granted);
        }
    }
}
