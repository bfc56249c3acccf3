//! The stream: which messages are shown, and which of them a key is about. The line that is shown is the line that is
//! opened: followed, held or filtered.

use quell_fleet::text::SafeText;
use quell_fleet::{Kept, Ms};

use super::super::dialogs::{Dialog, PayloadDialog};
use super::filter::{self, Subject};
use super::list::{Key, ListId};
use super::{App, Env, Tone, View};

/// Messages looked back through for those to show: AWS's own notices may come between them.
const FAR: usize = 2_000;

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
    fn streams(&self, message: &Kept, env: &Env<'_>) -> bool {
        *self.view() == View::Stream || env.fleet.topic(message.topic).is_none_or(|t| t.is_telemetry())
    }

    /// Whether a message passes what is typed as a filter, by its thing, its topic and its size.
    fn passes(&self, message: &Kept, env: &Env<'_>, matcher: &mut nucleo_matcher::Matcher) -> bool {
        let Some(filter) = self.filter_of(ListId::Stream) else { return true };
        let topic = env.fleet.topic(message.topic);
        let text = topic.map_or("", |t| t.text().as_str());
        let on_topic = |wanted: &str| super::topic_matches(wanted, text);
        let thing =
            topic.and_then(|t| t.device()).map_or("", |id| env.fleet.device(id).name().shown().as_str());
        let both = format!("{thing} {text}");
        let subject =
            Subject { size: Some(f64::from(message.len)), on_topic: &on_topic, ..Subject::text(&both) };
        filter.accepts(&subject, matcher)
    }

    /// The messages of the stream, the oldest first; while it is held, no newer ones.
    pub(super) fn stream_keys(&self, env: &Env<'_>) -> Vec<Key> {
        let end = self.paused.unwrap_or(u64::MAX);
        let mut matcher = filter::matcher();
        let kept = env.fleet.stream().iter().filter(|k| k.seq <= end && self.streams(k, env));
        kept.filter(|k| self.passes(k, env, &mut matcher)).map(|k| k.seq).collect()
    }

    /// Lays out the stream: from its end while it is followed, else round the cursor.
    pub(super) fn lay_out_stream(&mut self, env: &Env<'_>, page: usize) {
        if self.list(ListId::Stream).cursor().is_some() {
            let keys = self.stream_keys(env);
            return self.list_mut(ListId::Stream).lay_out(&keys, page);
        }
        let end = self.newest_shown();
        let newest = env.fleet.stream().iter().rev().skip_while(|k| k.seq > end);
        let mut sight: Vec<Key> = if self.filter_of(ListId::Stream).is_none() {
            // The common case costs what is in sight, not what is kept.
            newest.take(FAR).filter(|k| self.streams(k, env)).take(page).map(|k| k.seq).collect()
        } else {
            let mut matcher = filter::matcher();
            let shown = newest.filter(|k| self.streams(k, env) && self.passes(k, env, &mut matcher));
            shown.take(page).map(|k| k.seq).collect()
        };
        sight.reverse();
        self.list_mut(ListId::Stream).lay_out_end(sight, page);
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
        let hidden = log
            .position(cursor)
            .and_then(|at| log.get(at))
            .is_some_and(|kept| !(self.streams(kept, env) && self.passes(kept, env, &mut filter::matcher())));
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
        let log = env.fleet.stream();
        let Some(seq) = self.message_here() else { return };
        let Some(message) = log.position(seq).and_then(|at| log.get(at)).cloned() else {
            let text = "this message is no longer kept; counts stay exact";
            return self.say(SafeText::new(text), Tone::Warn, env.now);
        };
        let topic = env.fleet.topic(message.topic).map(|t| t.text().clone()).unwrap_or_default();
        self.dialog = Some(Dialog::Payload(Box::new(PayloadDialog::new(message, topic))));
    }
}
