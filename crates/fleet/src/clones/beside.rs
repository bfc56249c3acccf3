//! Two client ids of one principal, connected at once.
//!
//! That alone is no clone: an agent beside a program, or an old session that the broker has not given up. Two devices speak
//! where one spoke, or both sessions live on for longer than a dead one can.

use crate::Ms;
use crate::model::Name;
use crate::text::SafeText;

use super::{Sharing, Voice};

/// Usual intervals looked at, and in how many of them it has to speak twice.
const INTERVALS: usize = 12;
const TWICE: usize = 10;
/// AWS ends a connection that does not answer after one and a half times its keep-alive, 1200 s at most
/// (docs/aws-iot.md#3.3); a minute more for the event.
const OUTLIVED: Ms = 1_860_000;

/// Two sessions of one principal.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    principal: SafeText,
    voices: [(Name, Option<SafeText>); 2],
    since: Ms,
    /// The principal is no other thing's: then its sessions are all of one device.
    alone: bool,
    /// The usual interval before the second came.
    usual: Option<Ms>,
    /// Messages in the running interval, and in those before it, the oldest first.
    running: u32,
    index: i64,
    counts: [u8; INTERVALS],
    last: Ms,
}

impl Beside {
    pub(super) fn new(
        principal: SafeText,
        voices: [(Name, Option<SafeText>); 2],
        usual: Option<Ms>,
        since: Ms,
        alone: bool,
    ) -> Self {
        // Intervals shorter than a second are a burst's.
        let usual = usual.filter(|usual| *usual >= 500);
        let counts = [0; INTERVALS];
        Self { principal, voices, since, alone, usual, running: 0, index: 0, counts, last: since }
    }

    pub(super) fn has(&self, client: &Name) -> bool {
        self.voices.iter().any(|(known, _)| known == client)
    }

    pub(super) fn last(&self) -> Ms {
        self.last
    }

    pub(super) fn heard(&mut self, at: Ms, count: u32) {
        let Some(usual) = self.usual else { return };
        if at < self.since {
            return;
        }
        self.last = self.last.max(at);
        let index = (at - self.since) / usual;
        // A silence longer than all intervals leaves nothing of them.
        for _ in 0..(index - self.index).clamp(0, INTERVALS as i64 + 1) {
            self.counts.rotate_left(1);
            if let Some(newest) = self.counts.last_mut() {
                *newest = u8::try_from(self.running).unwrap_or(u8::MAX);
            }
            self.running = 0;
        }
        self.index = self.index.max(index);
        self.running = self.running.saturating_add(count);
    }

    /// What tells two devices from one, if anything does; with the time of the last sign of it.
    pub(super) fn evidence(&self, now: Ms) -> Option<(Sharing, [Voice; 2], Ms)> {
        let times = self.counts.iter().filter(|count| **count >= 2).count();
        let twice = self.usual.filter(|_| times >= TWICE).map(|usual| (times as u8, usual));
        let [(_, one), (_, other)] = &self.voices;
        let apart = one.is_some() && other.is_some() && one != other;
        let outlived = self.alone && apart && now - self.since >= OUTLIVED;
        if twice.is_none() && !outlived {
            return None;
        }
        let last = if outlived { now } else { self.last };
        let sharing =
            Sharing::AtOnce { principal: self.principal.clone(), since: self.since, twice, outlived };
        let voice = |(client, address): &(Name, Option<SafeText>)| Voice {
            client: Some(client.clone()),
            address: address.clone(),
            ..Voice::default()
        };
        let [one, other] = &self.voices;
        Some((sharing, [voice(one), voice(other)], last))
    }
}
