//! Which of several guards of an account acts: the one whose name stands in a named shadow, written again and again against the
//! version that was read. AWS takes a version that is not the current one for a conflict (docs/aws-iot.md#4.2), so that of two who write
//! one succeeds. Nobody's clock is compared with another's: a holder is gone when the version did not change for the whole
//! time, by the clock of whoever watches it, and a holder that could not write for two thirds of it stops acting by itself.
//!
//! Pure: what is to be done comes out, what came of it goes in.

use quell_fleet::Ms;

/// The shadow's name.
pub const SHADOW: &str = "lease";

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Read the shadow.
    Read,
    /// Write our name against this version; against none where there is no shadow.
    Write(Option<i64>),
    /// Nothing yet.
    Wait,
}

/// What stands in the shadow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose name; empty when it was given up.
    pub holder: String,
    /// Its version.
    pub version: i64,
}

/// A guard's view of the lease; times are of a clock that never jumps.
#[derive(Debug)]
pub struct Lease {
    me: String,
    /// How long a holder may be unheard of.
    length: Ms,
    /// Another's version, and since when it is known.
    other: Option<(Found, Ms)>,
    /// Ours: its version, and when the write that made it began.
    held: Option<(i64, Ms)>,
    /// When it was last read or written.
    asked: Option<Ms>,
    /// What was read: to be written against.
    claim: Option<Option<i64>>,
    /// A shadow is being made, by whoever finds none: that is against no version.
    makes: bool,
    /// What we wrote last was against no version. It may have been written over a holder who does not know yet, so it is
    /// nobody's until it has stood for the whole time.
    made: bool,
}

impl Lease {
    /// A guard called `me`, which nobody else is; `length` milliseconds.
    pub fn new(me: String, length: Ms) -> Self {
        Self {
            me,
            length: length.max(300),
            other: None,
            held: None,
            asked: None,
            claim: None,
            makes: false,
            made: false,
        }
    }

    /// What to do at this time.
    pub fn next(&mut self, now: Ms) -> Move {
        if let Some(version) = self.claim.take() {
            self.makes = version.is_none();
            return Move::Write(version);
        }
        let due = self.asked.is_none_or(|asked| now - asked >= self.length / 6);
        match &self.held {
            _ if !due => Move::Wait,
            Some((version, _)) => Move::Write(Some(*version)),
            None => Move::Read,
        }
    }

    /// What was read; none where there is no shadow.
    pub fn read(&mut self, found: Option<Found>, now: Ms) {
        self.asked = Some(now);
        let Some(found) = found else {
            self.claim = Some(None);
            return;
        };
        let since = match &self.other {
            Some((known, since)) if *known == found => *since,
            _ => now,
        };
        let ours = found.holder == self.me && !self.made;
        let free = found.holder.is_empty() || ours || now - since >= self.length;
        if free {
            self.claim = Some(Some(found.version));
        }
        self.other = Some((found, since));
    }

    /// What came of a write that began at `began`: the new version, or none when another wrote before.
    pub fn written(&mut self, version: Option<i64>, began: Ms) {
        self.asked = Some(began);
        if std::mem::take(&mut self.makes) {
            // Another may have made it at the same time, and hold it already: it is read who is in it.
            self.made = true;
            self.asked = None;
            return;
        }
        match version {
            Some(version) => {
                self.held = Some((version, began));
                self.made = false;
                self.other = None;
            }
            None => {
                self.held = None;
                // Who it was is read at once.
                self.asked = None;
            }
        }
    }

    /// It could not be asked: nothing is known, and in time it is not held any more.
    pub fn failed(&mut self, now: Ms) {
        self.made |= std::mem::take(&mut self.makes);
        self.asked = Some(now);
    }

    /// Whether this guard acts.
    pub fn is_held(&self, now: Ms) -> bool {
        self.held.is_some_and(|(_, since)| now - since < self.length / 3 * 2)
    }

    /// Who acts instead, as far as is known.
    pub fn holder(&self) -> Option<&str> {
        let other = self.other.as_ref().map(|(found, _)| found.holder.as_str());
        other.filter(|holder| !holder.is_empty() && *holder != self.me)
    }

    /// The version to give it up against, when it is ours.
    pub fn give_up(&mut self) -> Option<i64> {
        self.held.take().map(|(version, _)| version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Ms = 30_000;

    /// The shadow service: a version, compared and set.
    #[derive(Default)]
    struct Shadow(Option<Found>);

    impl Shadow {
        fn write(&mut self, who: &str, version: Option<i64>) -> Option<i64> {
            let current = self.0.as_ref().map(|found| found.version);
            if version.is_some() && version != current {
                return None;
            }
            let next = current.unwrap_or(0) + 1;
            self.0 = Some(Found { holder: who.to_owned(), version: next });
            Some(next)
        }
    }

    /// One request.
    fn step(lease: &mut Lease, shadow: &mut Shadow, now: Ms) -> bool {
        match lease.next(now) {
            Move::Read => lease.read(shadow.0.clone(), now),
            Move::Write(version) => {
                let me = lease.me.clone();
                let written = shadow.write(&me, version);
                lease.written(written, now);
            }
            Move::Wait => return false,
        }
        true
    }

    fn turn(lease: &mut Lease, shadow: &mut Shadow, now: Ms) {
        for _ in 0..6 {
            if !step(lease, shadow, now) {
                return;
            }
        }
    }

    /// A shadow that nobody holds.
    fn free() -> Shadow {
        Shadow(Some(Found { holder: String::new(), version: 1 }))
    }

    #[test]
    fn who_makes_it_waits_for_those_it_may_have_written_over() {
        let mut shadow = Shadow::default();
        let (mut a, mut b) = (Lease::new("a".into(), LENGTH), Lease::new("b".into(), LENGTH));
        // a finds none, and stands still; b finds none, makes it, and holds it in time.
        assert!(step(&mut a, &mut shadow, 0));
        for now in (0..60_000).step_by(1_000) {
            turn(&mut b, &mut shadow, now);
        }
        assert!(b.is_held(60_000) && !a.is_held(60_000));
        // a goes on with what it had begun: over what b holds.
        for now in (60_000..180_000).step_by(1_000) {
            turn(&mut a, &mut shadow, now);
            assert!(!(a.is_held(now) && b.is_held(now)), "both at {now}");
            turn(&mut b, &mut shadow, now);
            assert!(!(a.is_held(now) && b.is_held(now)), "both at {now}");
        }
        assert!(a.is_held(180_000) != b.is_held(180_000), "one of them acts again");
    }

    #[test]
    fn one_holds_it_and_the_other_takes_over_within_its_time() {
        let mut shadow = free();
        let (mut a, mut b) = (Lease::new("a".into(), LENGTH), Lease::new("b".into(), LENGTH));
        for now in (0..120_000).step_by(1_000) {
            turn(&mut a, &mut shadow, now);
            turn(&mut b, &mut shadow, now);
            assert!(a.is_held(now) && !b.is_held(now), "at {now}");
            assert_eq!(b.holder(), Some("a"));
        }
        // a dies.
        let mut taken = None;
        for now in (120_000..240_000).step_by(1_000) {
            turn(&mut b, &mut shadow, now);
            assert!(!(a.is_held(now) && b.is_held(now)), "both at {now}");
            if b.is_held(now) && taken.is_none() {
                taken = Some(now);
            }
        }
        assert!(taken.is_some_and(|at| at <= 120_000 + LENGTH + LENGTH / 3), "{taken:?}");
        // And comes back: it does not act again.
        turn(&mut a, &mut shadow, 240_000);
        assert!(!a.is_held(240_000) && b.is_held(240_000));
    }

    #[test]
    fn what_is_given_up_is_taken_at_once_and_who_cannot_write_stops() {
        let mut shadow = free();
        let (mut a, mut b) = (Lease::new("a".into(), LENGTH), Lease::new("b".into(), LENGTH));
        turn(&mut a, &mut shadow, 0);
        let version = a.give_up().unwrap();
        shadow.write("", Some(version)).unwrap();
        turn(&mut b, &mut shadow, 1_000);
        assert!(b.is_held(1_000) && !a.is_held(1_000));
        b.failed(10_000);
        assert!(b.is_held(20_000) && !b.is_held(21_001), "in doubt it does not act");
    }

    proptest::proptest! {
        /// However their requests fall, however long each stands still, and whatever of their requests fails: never two at once.
        #[test]
        fn never_two_at_once(turns in proptest::collection::vec((0_usize..3, 0_i64..20_000, proptest::bool::ANY), 1..300)) {
            let mut shadow = Shadow::default();
            let names = ["a", "b", "c"];
            let mut leases = names.map(|name| Lease::new(name.to_owned(), LENGTH));
            let mut now = 0;
            for (who, pause, fails) in turns {
                now += pause;
                // One request each: between a read and the write that follows it anybody may come.
                if fails {
                    leases[who].failed(now);
                } else {
                    step(&mut leases[who], &mut shadow, now);
                }
                let held = leases.iter().filter(|lease| lease.is_held(now)).count();
                proptest::prop_assert!(held <= 1, "{held} at {now}");
            }
        }
    }
}
