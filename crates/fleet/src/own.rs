//! Messages that this console publishes itself. The broker brings them back as it brings a device's, and no message says who
//! sent it: an empty one that was announced is taken for the console's, once, and for a short time.

use crate::text::SafeText;

use super::event::OwnMessage;
use super::{Changes, Ms};

/// Announced messages that are waited for.
const MOST: usize = 256;
/// One that did not come within this time does not come.
const WITHIN: Ms = 30_000;

/// What is announced and was not heard yet.
#[derive(Debug, Default)]
pub(super) struct OwnMessages {
    expected: Vec<(SafeText, Ms)>,
}

impl OwnMessages {
    pub(super) fn expect(&mut self, own: &OwnMessage) -> Changes {
        self.expected.retain(|(_, at)| own.at.saturating_sub(*at) <= WITHIN);
        if self.expected.len() < MOST {
            self.expected.push((SafeText::new(&own.topic), own.at));
        }
        Changes::NONE
    }

    /// True when a message on `topic` was announced; the next one on it is somebody else's.
    pub(super) fn take(&mut self, topic: &str, at: Ms) -> bool {
        let announced = self
            .expected
            .iter()
            .position(|(t, since)| t.as_str() == topic && (0..=WITHIN).contains(&at.saturating_sub(*since)));
        announced.is_some_and(|i| {
            self.expected.remove(i);
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_message_is_own_once_and_for_a_short_time() {
        let mut own = OwnMessages::default();
        let topic = "dt/T/data";
        let announce = |own: &mut OwnMessages, at| {
            own.expect(&OwnMessage { topic: "dt/T/data".into(), at });
        };
        announce(&mut own, 1_000);
        assert!(!own.take("dt/U/data", 1_100));
        assert!(own.take(topic, 1_100));
        assert!(!own.take(topic, 1_200), "the next one is somebody else's");
        // A damaged recording has times that no clock shows.
        announce(&mut own, Ms::MIN);
        announce(&mut own, Ms::MAX);
        assert!(!own.take(topic, Ms::MIN + 1) || own.expected.len() <= MOST);
        announce(&mut own, 2_000);
        assert!(!own.take(topic, 1_999) && !own.take(topic, 2_001 + WITHIN));
        for at in 0..10_000 {
            announce(&mut own, at);
        }
        assert!(own.expected.len() <= MOST);
    }
}
