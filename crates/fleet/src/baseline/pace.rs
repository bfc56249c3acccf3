//! Connects and shadow updates: rare for most devices, a loop when they are not.

use crate::Ms;

/// How often something rare happens to a device, by the minute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    minute: i64,
    count: u16,
    peak: u16,
    minutes: u16,
}

impl Pace {
    /// What happened so far in this minute is forgotten.
    pub(crate) fn resume(&mut self) {
        self.count = 0;
    }

    /// Takes one in; the count of this minute and the most before, when that is out of the ordinary: more than twice the
    /// most ever seen and `known` or more, or `new` or more while less than three minutes were seen.
    pub(crate) fn note(&mut self, at: Ms, known: u16, new: u16) -> Option<(u16, u16)> {
        let minute = at.div_euclid(60_000);
        if minute > self.minute {
            self.peak = self.peak.max(self.count);
            self.minutes = self.minutes.saturating_add(u16::from(self.minute != 0));
            (self.minute, self.count) = (minute, 0);
        } else if minute < self.minute {
            return None;
        }
        self.count = self.count.saturating_add(1);
        let limit = if self.minutes < 3 { new } else { known.max(self.peak.saturating_mul(2) + 1) };
        (self.count >= limit).then_some((self.count, self.peak))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_measured_against_its_own_ordinary() {
        let mut steady = Pace::default();
        let mut told = 0;
        for i in 0..120 {
            told += usize::from(steady.note(1_000_000 + i * 10_000, 4, 8).is_some());
        }
        assert_eq!(told, 0, "six connects a minute are how this device works");
        let at = 1_000_000 + 120 * 10_000;
        assert!((0..20).any(|i| steady.note(at + i * 1_000, 4, 8).is_some()));
    }
}
