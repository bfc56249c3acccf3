//! The stream: which messages are shown, and which of them a key is about. The line that is shown is the line that is
//! opened: followed, held or filtered.

use quell_fleet::text::SafeText;
use quell_fleet::{Kept, Ms};

use super::super::dialogs::{Dialog, PayloadDialog};
use super::super::views::{self, Payload};
use super::filter;
use super::list::{Key, ListId};
use super::{App, Env, Tone, View};

/// Messages looked back through for those to show: AWS's own notices may come between them.
const FAR: usize = 2_000;

/// A page of the stream while it is followed.
#[derive(Debug)]
pub(super) struct Page {
    /// The first message on it.
    from: Key,
    /// The first of as many as there is room for.
    first: Key,
    of: PageOf,
}

/// What a page is of; on one of anything else lines stand elsewhere.
#[derive(Debug, PartialEq)]
struct PageOf {
    view: View,
    rows: usize,
    /// What is searched for, while only what was found is shown.
    search: Option<String>,
}

impl App {
    /// The last message shown while paused.
    pub(crate) fn paused_at(&self) -> Option<u64> {
        self.paused
    }

    /// The newest message that is shown: the one the view is held at, or the one it has followed to.
    fn newest_shown(&self) -> u64 {
        self.paused.unwrap_or_else(|| self.shown.map_or(u64::MAX, |(seq, _)| seq))
    }

    /// Whether a message belongs into the stream as it is shown: the overview keeps to telemetry, the stream view has
    /// AWS's own notices too.
    pub(super) fn streams(&self, message: &Kept, env: &Env<'_>) -> bool {
        *self.view() == View::Stream || env.fleet.topic(message.topic).is_none_or(|t| t.is_telemetry())
    }

    /// Whether a message passes what is searched for.
    fn passes(&self, message: &Kept, env: &Env<'_>) -> bool {
        let Some(filter) = self.filter_of(ListId::Stream) else { return true };
        self.message(message, env, |subject| filter.accepts(subject, &mut filter::matcher()))
    }

    /// Whether only what was found is shown, or all messages with what was found marked.
    pub(crate) fn shows_only_hits(&self) -> bool {
        !self.around
    }

    /// The messages of the stream, the oldest first; while it is held, no newer ones.
    pub(super) fn stream_keys(&self, env: &Env<'_>) -> Vec<Key> {
        let end = self.paused.unwrap_or(u64::MAX);
        match self.hits().filter(|_| self.shows_only_hits()) {
            Some(hits) => hits.found().take_while(|seq| *seq <= end).collect(),
            None => {
                let kept = env.fleet.stream().iter();
                kept.filter(|k| k.seq <= end && self.streams(k, env)).map(|k| k.seq).collect()
            }
        }
    }

    /// Lays out the stream: from its end while it is followed, else round the cursor.
    ///
    /// Followed, lines stay where they are and new ones come below, until there is no room for more: then it moves on by as
    /// much as comes in some seconds, half a page at most. A text that moves cannot be read, and every line of it costs bytes
    /// on a slow line.
    pub(super) fn lay_out_stream(&mut self, env: &Env<'_>, page: usize) {
        if self.list(ListId::Stream).cursor().is_some() {
            let keys = self.stream_keys(env);
            return self.list_mut(ListId::Stream).lay_out(&keys, page);
        }
        let end = self.newest_shown();
        let mut sight: Vec<Key> = match self.hits().filter(|_| self.shows_only_hits()) {
            Some(hits) => hits.found().rev().skip_while(|seq| *seq > end).take(page).collect(),
            None => {
                // It costs what is in sight, not what is kept.
                let newest = env.fleet.stream().iter().rev().skip_while(|k| k.seq > end);
                newest.take(FAR).filter(|k| self.streams(k, env)).take(page).map(|k| k.seq).collect()
            }
        };
        sight.reverse();
        let from = self.page_from(env, &sight, page);
        sight.retain(|seq| *seq >= from);
        self.list_mut(ListId::Stream).lay_out_end(sight, page);
    }

    /// The first message shown of the newest `page` of them.
    fn page_from(&mut self, env: &Env<'_>, newest: &[Key], page: usize) -> Key {
        /// What comes in this time finds room without a line that moves.
        const SECONDS: f64 = 4.0;
        let first = newest.first().copied().unwrap_or_default();
        let hits = self.hits().filter(|_| self.shows_only_hits());
        let search = hits.map(|hits| hits.text().to_owned());
        let of = PageOf { view: self.view().clone(), rows: page, search };
        // A search finds older messages after newer ones: its page is then another.
        let before = self.paged.take().filter(|paged| paged.of == of && paged.first <= first);
        // All that came since the page began is there, and there is room for more: it stays.
        if let Some(Page { from, .. }) = before
            && newest.contains(&from)
        {
            self.paged = Some(Page { from, first, of });
            return from;
        }
        let moved = before.is_some();
        let rate = env.fleet.rates(env.now).map_or(0.0, |rates| rates.messages_per_s);
        let free = if moved { ((rate * SECONDS) as usize).clamp(1, (page / 2).max(1)) - 1 } else { 0 };
        let from = newest.get(free).copied().unwrap_or(first);
        self.paged = Some(Page { from, first, of });
        from
    }

    /// The message a key is about: the one under the cursor, else the last one shown.
    pub(super) fn message_here(&self) -> Option<Key> {
        let list = self.list(ListId::Stream);
        list.cursor().or_else(|| list.in_sight().last().copied())
    }

    /// A cursor on a message that a filter, or another view of the stream, hides is let go: the stream is followed again.
    pub(super) fn rest_in_stream(&mut self, env: &Env<'_>) {
        let Some(cursor) = self.list(ListId::Stream).cursor() else { return };
        let log = env.fleet.stream();
        let hidden = log.position(cursor).and_then(|at| log.get(at)).is_some_and(|kept| {
            !(self.streams(kept, env) && (!self.shows_only_hits() || self.passes(kept, env)))
        });
        if hidden {
            self.list_mut(ListId::Stream).set(None);
        }
    }

    /// A dense stream moves on four times a second: faster nobody reads, and every line of it costs bytes on a slow line.
    pub(super) fn follow(&mut self, env: &Env<'_>) {
        const DENSE: f64 = 20.0;
        const STEP: Ms = 250;
        let newest = env.fleet.stream().iter().next_back().map(|k| k.seq);
        let waits = self.shown.is_some_and(|(seq, at)| {
            (0..STEP).contains(&(env.now - at)) && newest.is_some_and(|newest| newest >= seq)
        });
        if !waits || env.fleet.rates(env.now).is_none_or(|rates| rates.messages_per_s < DENSE) {
            self.shown = newest.map(|seq| (seq, env.now));
        }
    }

    /// Freeze the stream at what is shown, or follow it again.
    pub(in crate::console) fn pause(&mut self, env: &Env<'_>) {
        if self.dialog.is_some() || !matches!(self.view(), View::Overview | View::Stream) {
            return self.nothing_here(env);
        }
        let newest = env.fleet.stream().iter().next_back().map(|k| k.seq);
        match (self.paused.take(), newest) {
            (Some(_), _) => self.list_mut(ListId::Stream).set(None),
            (None, Some(newest)) => self.paused = Some(newest.min(self.newest_shown())),
            (None, None) => {
                let text = "nothing was heard yet: there is nothing to hold";
                self.say(SafeText::new(text), Tone::Calm, env.now);
            }
        }
    }

    /// Open the message that is shown.
    pub(super) fn open_payload(&mut self, env: &Env<'_>) {
        let Some(seq) = self.message_here() else {
            let text = "there is no message here to open";
            return self.say(SafeText::new(text), Tone::Brief, env.now);
        };
        let Some(payload) = self.payload_of(env, seq) else {
            let text = "this message is no longer kept; counts stay exact";
            return self.say(SafeText::new(text), Tone::Warn, env.now);
        };
        self.dialog = Some(Dialog::Payload(Box::new(PayloadDialog::new(payload))));
    }

    /// A message with its payload read, and the message before it on its topic.
    pub(super) fn payload_of(&self, env: &Env<'_>, seq: Key) -> Option<Payload> {
        let log = env.fleet.stream();
        let at = log.position(seq)?;
        let message = log.get(at)?.clone();
        let older = log.iter().rev().skip(log.len() - at).take(FAR);
        let before = older.into_iter().find(|kept| kept.topic == message.topic).cloned();
        let topic = env.fleet.topic(message.topic);
        let thing = topic
            .and_then(|t| t.device())
            .map(|id| env.fleet.device(id))
            .filter(|device| !device.is_unattributed())
            .map(|device| device.name().clone());
        let topic = topic.map(|t| SafeText::limited(t.text().as_bytes(), usize::MAX)).unwrap_or_default();
        Some(Payload::new(message, topic, thing, before.as_ref(), self.show))
    }

    /// What stands beside the stream, where there is room: the message a key is about.
    pub(crate) fn inspected(&self) -> Option<&Payload> {
        self.inspected.as_deref()
    }

    /// Reads the message beside the stream, when it is another than before.
    pub(super) fn inspect(&mut self, env: &Env<'_>) {
        let wanted = (*self.view() == View::Stream && views::has_details(self.size))
            .then(|| self.message_here())
            .flatten();
        if wanted != self.inspected.as_ref().map(|payload| payload.message.seq) {
            self.inspected = wanted.and_then(|seq| self.payload_of(env, seq)).map(Box::new);
        }
    }

    /// The next way, or the previous one, to show the message beside the stream.
    pub(super) fn turn_payload(&mut self, forward: bool) {
        if let Some(payload) = &mut self.inspected {
            self.show = Some(payload.turn(forward));
        }
    }

    /// To the next message that was found.
    pub(in crate::console) fn next_hit(&mut self, env: &Env<'_>) {
        self.go_to_hit(env, true);
    }

    /// To the previous message that was found.
    pub(in crate::console) fn previous_hit(&mut self, env: &Env<'_>) {
        self.go_to_hit(env, false);
    }

    fn go_to_hit(&mut self, env: &Env<'_>, newer: bool) {
        let end = self.paused.unwrap_or(u64::MAX);
        let Some(hits) = self.hits() else {
            let key = self.key_for("filter").map(|key| format!("; {key} searches")).unwrap_or_default();
            let text = format!("nothing is searched for{key}");
            return self.say(SafeText::new(&text), Tone::Brief, env.now);
        };
        let here = self.list(ListId::Stream).cursor();
        let mut shown = hits.found().filter(|seq| *seq <= end);
        let to = match here {
            // Followed, the newest is where one looks.
            None => shown.next_back(),
            Some(here) if newer => shown.find(|seq| *seq > here),
            Some(here) => shown.rfind(|seq| *seq < here),
        };
        drop(shown);
        match to {
            Some(seq) => self.list_mut(ListId::Stream).set(Some(seq)),
            None => {
                let text = match (self.nothing_found(), newer) {
                    (Some(why), _) => why,
                    (None, true) => "no newer message was found".to_owned(),
                    (None, false) => "no older message was found".to_owned(),
                };
                self.say(SafeText::new(&text), Tone::Brief, env.now);
            }
        }
    }

    /// Only what was found, or what stands around it too.
    pub(in crate::console) fn around_hits(&mut self, env: &Env<'_>) {
        self.around = !self.around;
        if self.hits().is_none() {
            let text = match self.around {
                true => "a search marks what it finds and shows the other messages too",
                false => "a search shows only what it finds",
            };
            self.say(SafeText::new(text), Tone::Calm, env.now);
        }
    }
}
