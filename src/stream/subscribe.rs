//! What a session asks for and gives up while its connection stays: other things to stream, a filter that is refused.

use std::time::Instant;

use tokio::sync::watch;

use quell_fleet::event::LinkEvent;
use quell_fleet::text::SafeText;

use super::focus::{self, Wish};
use super::session::Session;
use super::wire::Asker;
use super::{Only, now_ms, question};

impl Session {
    /// Other things are to be streamed, on a connection that is there. False when there is no room to ask.
    pub(super) fn refocus(&mut self, only: &mut watch::Receiver<Only>, asker: &Asker) -> bool {
        self.only.clone_from(&only.borrow_and_update());
        self.take_aim();
        if !self.up {
            // It is subscribing: what is new is asked for after what is asked now.
            return true;
        }
        if !self.leave(asker) {
            return false;
        }
        // What was given up is not listened to from here on, whatever still arrives.
        self.tell_focus();
        self.proceed(asker)
    }

    /// Works out what to subscribe to; [`Self::proceed`] does it.
    pub(super) fn take_aim(&mut self) {
        let wish = Wish {
            index: self.share.index,
            of: self.share.of,
            only: self.only.as_deref(),
            forbidden: self.forbidden,
        };
        let aim = focus::aim(&self.settings, &wish);
        if aim.over != self.aim.over {
            aim.over.iter().cloned().map(over_limit).for_each(|event| self.tell(event));
        }
        self.filters.aim(aim.filters.clone());
        self.aim = aim;
    }

    /// Gives up what is not wanted any more, sends the next SUBSCRIBE, or says that the link is up when there is none
    /// left. False when there is no room to ask.
    pub(super) fn proceed(&mut self, asker: &Asker) -> bool {
        if !self.leave(asker) {
            return false;
        }
        if self.filters.is_asking() {
            return true;
        }
        if let Some(filters) = self.filters.next() {
            return asker.subscribe(filters);
        }
        self.tell_focus();
        if !self.up {
            self.up = true;
            let client_id = SafeText::new(&self.client_id);
            self.tell(LinkEvent::Up { at: now_ms(), client_id, filters: self.accepted() });
        }
        true
    }

    /// Gives up what is not wanted any more. False when there is no room to.
    fn leave(&mut self, asker: &Asker) -> bool {
        let left = self.filters.take_left();
        self.asked.give_up(left.len());
        asker.unsubscribe(left)
    }

    /// Asks the broker a question that changes nothing ([`super::question`]). False when there is no room to.
    pub(super) fn ask(&mut self, asker: &Asker) -> bool {
        self.asked.ask(Instant::now(), now_ms());
        asker.unsubscribe(vec![question::FILTER.to_owned()])
    }

    fn accepted(&self) -> Vec<SafeText> {
        self.filters.accepted().iter().map(|f| SafeText::new(f)).collect()
    }

    /// Says which things are listened to, when that is not what was said last.
    fn tell_focus(&mut self) {
        let heard = |filters: &[String]| filters.iter().all(|filter| self.filters.is_settled(filter));
        let things = match &self.aim.things {
            Some(things) => {
                let heard = things.iter().filter(|(_, own)| heard(own));
                Some(heard.map(|(name, _)| name.clone()).collect())
            }
            // Until everything is asked for again, only the little that was still is.
            None if self.told.is_some()
                && !self.aim.filters.iter().all(|(f, _)| self.filters.is_settled(f)) =>
            {
                Some(Vec::new())
            }
            None => None,
        };
        if things == self.told {
            return;
        }
        self.told.clone_from(&things);
        let wanted = self.only.as_ref().map_or(0, |only| only.len());
        self.tell(LinkEvent::Focus { at: now_ms(), things, wanted, filters: self.accepted() });
    }

    /// Says that a filter was refused. One that narrows is no use for one thing and not for the next: everything is
    /// asked for instead.
    pub(super) fn refuse(&mut self, filter: String, why: &str) {
        let part = self.filters.part(&filter);
        if part.is_none() && !self.aim.filters.iter().any(|(f, _)| *f == filter) {
            // It was asked for together with another that was refused, and is not wanted any more.
            return;
        }
        let instead = if part.is_some() { "; everything is streamed instead" } else { "" };
        let (filter, why) = (SafeText::new(&filter), SafeText::new(&format!("{why}{instead}")));
        self.tell(LinkEvent::FilterRefused { at: now_ms(), filter, why });
        if let Some(part) = part {
            self.forbidden.note(part);
            self.take_aim();
        }
    }
}

fn over_limit(filter: String) -> LinkEvent {
    LinkEvent::FilterRefused {
        at: now_ms(),
        filter: SafeText::new(&filter),
        why: "over AWS's limit of 50 subscriptions a connection".into(),
    }
}
