//! Which devices are listened to, when not all are: a large account is streamed only where it matters. What is not listened
//! to is not silent, not stale and no gap of the connection; it is not known.

use std::collections::{HashMap, HashSet};

use crate::text::SafeText;

use super::link::Watch;
use super::model::Name;
use super::{Changes, DeviceId, Fleet, Ms};

/// How long it is remembered when a device was listened to: as far back as the longest chart.
const KEPT: Ms = 3_600_000;

/// What is listened to.
#[derive(Clone, Debug, Default)]
pub struct Focus {
    /// The devices listened to; `None` for all.
    only: Option<HashSet<DeviceId>>,
    wanted: usize,
    /// When those without a watch of their own were listened to; empty as long as all always were.
    others: Option<Watch>,
    own: HashMap<DeviceId, Watch>,
}

/// When one device was listened to: by the connection, and among others.
#[derive(Clone, Copy, Debug)]
pub struct Listening<'a> {
    link: &'a Watch,
    own: Option<&'a Watch>,
}

impl<'a> From<&'a Watch> for Listening<'a> {
    fn from(link: &'a Watch) -> Self {
        Self { link, own: None }
    }
}

impl Listening<'_> {
    /// Since when without interruption; `None` while it is not.
    pub fn since(&self) -> Option<Ms> {
        let link = self.link.since()?;
        match self.own {
            None => Some(link),
            Some(own) => Some(link.max(own.since()?)),
        }
    }

    /// True when it was listened to at some time.
    pub fn ever(&self) -> bool {
        self.link.ever() && self.own.is_none_or(Watch::ever)
    }

    /// When it was last listened to; `None` while it is, and when it never was.
    pub fn ended(&self) -> Option<Ms> {
        let ended = |watch: &Watch| if watch.since().is_some() { None } else { watch.last_end() };
        match (ended(self.link), self.own.and_then(ended)) {
            (Some(link), Some(own)) => Some(link.min(own)),
            (link, own) => link.or(own),
        }
    }

    /// True when the whole of `from..to` was listened to.
    pub fn covers(&self, from: Ms, to: Ms) -> bool {
        self.link.covers(from, to) && self.own.is_none_or(|own| own.covers(from, to))
    }

    /// True when `from..to` lies in a gap as a whole.
    pub(super) fn misses(&self, from: Ms, to: Ms) -> bool {
        self.link.misses(from, to) || self.own.is_some_and(|own| own.misses(from, to))
    }
}

impl Focus {
    /// True when all devices are listened to, and as far as is remembered always were.
    pub(super) fn is_wide(&self) -> bool {
        self.others.is_none()
    }

    /// How many devices are listened to; `None` for all.
    pub fn listened(&self) -> Option<usize> {
        self.only.as_ref().map(HashSet::len)
    }

    /// How many were asked for: more than are listened to where AWS's limit of subscriptions leaves no room.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// True when the device was listened to in the whole of `from..to`, as far as it is about this.
    pub(super) fn covers(&self, id: DeviceId, from: Ms, to: Ms) -> bool {
        self.watch_of(id).is_none_or(|watch| watch.covers(from, to))
    }

    /// The same for all devices.
    pub(super) fn covers_all(&self, from: Ms, to: Ms) -> bool {
        self.others.as_ref().is_none_or(|watch| watch.covers(from, to))
    }

    fn watch_of(&self, id: DeviceId) -> Option<&Watch> {
        self.own.get(&id).or(self.others.as_ref())
    }

    /// Only these from `at` on; all when `None`.
    fn set(&mut self, only: Option<HashSet<DeviceId>>, wanted: usize, at: Ms) {
        self.wanted = wanted;
        match &only {
            None => {
                for watch in self.own.values_mut().chain(&mut self.others) {
                    watch.begin(at);
                }
            }
            Some(only) => {
                // Until now they all were.
                let others = self.others.get_or_insert_with(Watch::always);
                for (id, watch) in &mut self.own {
                    if !only.contains(id) {
                        watch.end(at);
                    }
                }
                for id in only {
                    self.own.entry(*id).or_insert_with(|| others.clone()).begin(at);
                }
                others.end(at);
            }
        }
        self.only = only;
        self.forget(at - KEPT);
    }

    /// Lets go what is too long ago to be drawn.
    fn forget(&mut self, before: Ms) {
        let others_since = self.others.as_ref().and_then(Watch::since);
        let all = self.only.is_none();
        self.own.retain(|_, watch| match watch.since() {
            // The same as the others by now.
            Some(since) => !all || since.max(others_since.unwrap_or(since)) >= before,
            None => watch.last_end().is_some_and(|end| end >= before),
        });
        if all && self.own.is_empty() && others_since.is_some_and(|since| since < before) {
            self.others = None;
        }
    }
}

impl Fleet {
    /// What is listened to.
    pub fn focus(&self) -> &Focus {
        &self.focus
    }

    /// When a device was listened to: what tells its silence from not listening.
    pub fn listening(&self, id: DeviceId) -> Listening<'_> {
        let own = self.focus.watch_of(id);
        // A topic of no thing is heard by a filter of its own, if it is.
        let always =
            self.device(id).is_unattributed() && self.link.filters().contains(self.device(id).name().shown());
        Listening { link: self.link.watch(), own: own.filter(|_| !always) }
    }

    /// The things listened to and since when that is so; `None` when all are.
    pub(super) fn focus_now(&self) -> Option<(Vec<Name>, Ms)> {
        let only = self.focus.only.as_ref()?;
        let since = self.focus.others.as_ref().and_then(Watch::last_end)?;
        let mut things: Vec<Name> = only.iter().map(|id| self.device(*id).name().clone()).collect();
        things.sort_unstable();
        Some((things, since))
    }

    pub(super) fn focused(
        &mut self,
        things: Option<Vec<Name>>,
        wanted: usize,
        filters: Vec<SafeText>,
        at: Ms,
    ) -> Changes {
        self.link.set_filters(filters);
        let only = things.map(|things| things.iter().map(|thing| self.thing(thing, at)).collect());
        self.focus.set(only, wanted, at);
        Changes::LINK | Changes::DEVICES
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, LinkEvent};
    use super::super::tests::{batch, message, topic, up};
    use super::super::{Column, Limits, Word};
    use super::*;

    const T0: Ms = 1_700_000_000_000;
    const MINUTE: Ms = 60_000;

    fn focus(things: Option<&[&str]>, at: Ms) -> Event {
        let things = things.map(|list| list.iter().map(|name| Name::new(name)).collect());
        Event::Link(LinkEvent::Focus { at, things, wanted: 3, filters: Vec::new() })
    }

    /// Two devices that speak every ten seconds for ten minutes.
    fn fleet() -> Fleet {
        let mut fleet = Fleet::new(Limits::default());
        fleet.apply(up(T0), T0);
        let topics = vec![topic(0, "a", Some("a")), topic(1, "b", Some("b"))];
        let messages = (0..120).map(|i| message(i % 2, T0 + Ms::from(i) * 5_000, 100)).collect();
        fleet.apply(batch(topics, messages), T0 + 10 * MINUTE);
        fleet
    }

    fn word(fleet: &Fleet, name: &str) -> Word {
        fleet.device(fleet.find(name).unwrap()).word()
    }

    #[test]
    fn what_is_not_listened_to_is_neither_silent_nor_stale() {
        let mut fleet = fleet();
        let at = T0 + 10 * MINUTE;
        fleet.apply(focus(Some(&["a", "c"]), at), at);
        assert_eq!((fleet.focus().listened(), fleet.focus().wanted()), (Some(2), 3));
        let later = at + 10 * MINUTE;
        for second in 0..600 {
            fleet.tick(at + second * 1000);
        }
        fleet.tick(later);
        // Neither spoke: of one that is nothing, of the other it is not known.
        assert_eq!(word(&fleet, "a"), Word::Silent);
        assert_eq!(word(&fleet, "b"), Word::Ok);
        let b = fleet.find("b").unwrap();
        assert!(fleet.device(b).warning().is_none(), "{:?}", fleet.device(b).warning());
        assert_eq!(fleet.listening(b).since(), None);
        let mut columns = Vec::new();
        fleet.device(b).series().columns(fleet.listening(b), later, 30 * MINUTE, 10, &mut columns);
        assert_eq!(columns.last(), Some(&Column::NotWatching));
        assert!(columns.contains(&Column::Largest(100)), "what was heard before stays: {columns:?}");
        // It is listened to again: silence counts from here, and the pause is none of the device's.
        fleet.apply(focus(None, later), later);
        assert_eq!(fleet.listening(b).since(), Some(later));
        fleet.apply(batch(Vec::new(), vec![message(1, later + 1_000, 100)]), later + 1_000);
        assert_eq!(fleet.device(b).cadence(), Some(10_000));
        for second in 0..180 {
            fleet.tick(later + second * 1000);
        }
        assert_ne!(word(&fleet, "b"), Word::Ok, "three minutes of silence are one");
        // What is stale stays so until it speaks, however often one looks away and back.
        fleet.apply(focus(Some(&["b"]), later + 4 * MINUTE), later + 4 * MINUTE);
        fleet.apply(focus(Some(&["a"]), later + 5 * MINUTE), later + 5 * MINUTE);
        fleet.tick(later + 5 * MINUTE + 1_000);
        assert_eq!(word(&fleet, "a"), Word::Silent);
    }

    #[test]
    fn a_topic_heard_again_by_another_number_is_not_new() {
        let mut fleet = fleet();
        let at = T0 + 10 * MINUTE;
        let again = vec![topic(2, "b", Some("b"))];
        fleet.apply(batch(again, vec![message(2, at, 100)]), at);
        let b = fleet.find("b").unwrap();
        assert!(fleet.device(b).warning().is_none(), "{:?}", fleet.device(b).warning());
        fleet.apply(batch(vec![topic(3, "b/x", Some("b"))], vec![message(3, at, 100)]), at);
        assert!(fleet.device(b).warning().is_some());
    }

    #[test]
    fn a_week_of_looking_around_is_not_remembered() {
        let mut fleet = fleet();
        for i in 0..2_000 {
            let at = T0 + 10 * MINUTE + i * MINUTE;
            let name = format!("thing-{i}");
            fleet.apply(focus(Some(&[&name]), at), at);
        }
        assert!(fleet.focus.own.len() <= 62, "{}", fleet.focus.own.len());
        let end = T0 + 3_000 * MINUTE;
        fleet.apply(focus(None, end), end);
        fleet.apply(focus(None, end + 2 * KEPT), end + 2 * KEPT);
        assert!(fleet.focus.is_wide() && fleet.focus.own.is_empty());
    }
}
