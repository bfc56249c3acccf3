//! The console's outside while it runs: what the event loop asks of the responder, the polls, the stream, recordings and
//! the configuration.

use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::cli::{doctor, journal_lines, record};
use crate::cloud::{PollHandle, mfa, now_ms};
use crate::config::{AwsProfiles, Environment, Settings};
use crate::console::app::{Elsewhere, Msg, Tone};
use crate::console::event_loop::{Arrival, Outside, Reconfigured, Word};
use crate::response::journal::Journal;
use crate::response::{Answer, Intent, Listener, Plan, PlanId, Responder, Stop};
use crate::stream::StreamHandle;
use quell_fleet::event::Event;
use quell_fleet::format::few;
use quell_fleet::model::Name;
use quell_fleet::record::{Header, Recorder};
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Ms, SourceId};

use super::elsewhere::{elsewhere, go};
use super::{Parts, look};

/// The console's outside: everything returns at once.
pub(super) struct Wiring {
    pub(super) parts: mpsc::Receiver<Parts>,
    pub(super) responder: Option<Responder>,
    pub(super) listener: Option<Listener>,
    pub(super) polls: Option<PollHandle>,
    /// Held so that the stream lives as long as the console.
    pub(super) stream: Option<StreamHandle>,
    pub(super) watched: Vec<SourceId>,
    /// The things to stream, of an account too large to stream whole.
    pub(super) streamed: Option<Vec<Name>>,
    pub(super) words: mpsc::Sender<Word>,
    pub(super) recorder: Option<Recorder>,
    /// What a recording begun by key says of this session, and where it goes.
    pub(super) record: (Header, PathBuf),
    /// The region in force, once it is known.
    pub(super) region: Option<String>,
    /// The configuration as it was loaded last.
    pub(super) loaded: Settings,
    /// The settings of the source in force.
    pub(super) settings: Settings,
    /// What connects the source in force, and keeps its channels open.
    pub(super) task: Option<AbortHandle>,
    /// The source that is being opened besides.
    pub(super) moving: Option<Moving>,
}

/// Another source on its way.
pub(super) struct Moving {
    pub(super) task: AbortHandle,
    pub(super) arrived: mpsc::Receiver<Moved>,
}

/// Another source, open.
pub(super) struct Moved {
    pub(super) settings: Settings,
    pub(super) parts: Parts,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) answers: mpsc::Receiver<Answer>,
}

impl Wiring {
    fn responder(&self) -> Result<&Responder, SafeText> {
        self.responder.as_ref().ok_or_else(|| {
            SafeText::new(if self.settings.aws {
                "not connected to AWS yet"
            } else {
                "there is no AWS control plane (--no-aws)"
            })
        })
    }
}

impl Wiring {
    fn take(&mut self, parts: Parts) {
        self.listener = parts.responder.as_ref().map(Responder::listener);
        self.responder = parts.responder;
        if let Some(polls) = &parts.polls {
            polls.watch(self.watched.clone());
        }
        self.polls = parts.polls;
        parts.stream.listen_to(self.streamed.as_deref());
        self.stream = Some(parts.stream);
        self.region = parts.region;
        if self.settings.credentials.is_some() {
            // Only the demo learns late where its cloud is.
            self.settings = parts.settings;
        } else {
            // The configuration may have been read again while it was connecting.
            self.hand_on();
        }
    }

    /// Hands the settings to whatever runs.
    fn hand_on(&self) {
        if let Some(responder) = &self.responder {
            responder.take(&self.settings);
        }
        if let Some(polls) = &self.polls {
            polls.take(&self.settings);
        }
        if let Some(stream) = &self.stream {
            stream.take(&self.settings);
        }
    }
}

impl Outside for Wiring {
    fn plan(&mut self, generation: u64, intent: Intent) -> Result<(), SafeText> {
        self.responder()?.plan(generation, intent);
        Ok(())
    }

    fn confirm(&mut self, plan: Plan, typed: Option<String>) -> Result<(), SafeText> {
        self.responder()?.confirm(plan, typed);
        Ok(())
    }

    fn recorder(&mut self) -> Option<&mut Recorder> {
        if self.recorder.as_ref().is_some_and(Recorder::has_ended) {
            self.recorder = None;
        }
        self.recorder.as_mut()
    }

    fn record(&mut self, fleet: &Fleet, now: Ms) -> Result<(bool, SafeText), SafeText> {
        if let Some(recorder) = self.recorder.take() {
            let path = recorder.path().display().to_string();
            let bytes = recorder.finish().map_err(|e| SafeText::from(format!("{path}: {e}")))?;
            return Ok((false, SafeText::from(format!("recorded {bytes} bytes in {path}"))));
        }
        let (header, folder) = &mut self.record;
        header.began = now;
        let name = jiff::Timestamp::from_millisecond(now)
            .map_or_else(|_| now.to_string(), |t| t.strftime("%Y%m%dT%H%M%S").to_string());
        let path = folder.join(format!("{name}-{}.quellrec", std::process::id()));
        let mut recorder = Recorder::create(&path, header, record::LIMIT)
            .map_err(|e| SafeText::from(format!("{}: {e}", path.display())))?;
        for event in fleet.preamble() {
            recorder.event(&event, now);
        }
        self.recorder = Some(recorder);
        Ok((true, SafeText::from(format!("recording to {}, without payloads", path.display()))))
    }

    fn stop(&mut self, plan: &PlanId) {
        if let Some(responder) = &self.responder {
            responder.stop(plan, Stop::Operator);
        }
    }

    fn stop_all(&mut self, why: Stop) {
        if let Some(responder) = &self.responder {
            responder.stop_all(why);
        }
    }

    fn watch(&mut self, sources: Vec<SourceId>) {
        if let Some(polls) = &self.polls {
            polls.watch(sources.clone());
        }
        self.watched = sources;
    }

    fn listen_to(&mut self, things: Option<Vec<Name>>) {
        if let Some(stream) = &self.stream {
            stream.listen_to(things.as_deref());
        }
        self.streamed = things;
    }

    fn read_soon(&mut self, source: SourceId) {
        if let Some(polls) = &self.polls {
            polls.now(source);
        }
    }

    fn read_journal(&mut self) {
        let (path, words) = (self.settings.journal.clone(), self.words.clone());
        tokio::task::spawn_blocking(move || {
            let lines = journal_lines::read(&path).map_err(|e| SafeText::new(&e.to_string()));
            let _ = words.blocking_send(Word::Tell(Msg::Journal(lines)));
        });
    }

    fn note(&mut self, things: Vec<Name>, text: String, arn: Option<SafeText>) {
        let (path, words) = (self.settings.journal.clone(), self.words.clone());
        tokio::task::spawn_blocking(move || {
            let written = Journal::open(&path).and_then(|journal| {
                journal.note(&text, &things, arn.as_ref().map(SafeText::as_str), now_ms())
            });
            let (said, tone) = match written {
                Ok(()) if things.is_empty() => ("noted in the journal".to_owned(), Tone::Calm),
                Ok(()) => {
                    let about = few(&things, |thing| thing.shown().to_string());
                    (format!("noted in the journal, about {about}"), Tone::Calm)
                }
                Err(e) => (format!("not noted: {}: {e}", path.display()), Tone::Warn),
            };
            let _ = words.blocking_send(Word::Tell(Msg::Say(SafeText::new(&said), tone)));
            let lines = journal_lines::read(&path).map_err(|e| SafeText::new(&e.to_string()));
            let _ = words.blocking_send(Word::Tell(Msg::Journal(lines)));
        });
    }

    fn examine(&mut self) -> Result<(), SafeText> {
        self.responder()?;
        let settings = self.settings.clone();
        let words = self.words.clone();
        tokio::spawn(async move {
            let found = Box::pin(doctor::lines(&settings)).await;
            let _ = words.send(Word::Tell(Msg::Examined(Ok(found)))).await;
        });
        Ok(())
    }

    fn listener(&mut self) -> Option<&mut Listener> {
        // The channel is filled before the stream's first event can be folded, so no topic is missed.
        if self.stream.is_none() {
            self.settle();
        }
        self.listener.as_mut()
    }

    fn settle(&mut self) {
        if let Ok(parts) = self.parts.try_recv() {
            self.take(parts);
        }
    }

    fn read_profiles(&mut self) {
        let words = self.words.clone();
        tokio::task::spawn_blocking(move || {
            let profiles = AwsProfiles::read(&Environment::of_process());
            let names = profiles.names().map(Name::new).collect();
            let _ = words.blocking_send(Word::Tell(Msg::Profiles(names)));
        });
    }

    fn switch(&mut self, to: &Elsewhere) -> Result<(), SafeText> {
        self.stay();
        let profiles = AwsProfiles::read(&Environment::of_process());
        let settings = elsewhere(&self.settings, to, self.region.as_deref(), &profiles)?;
        if let Elsewhere::Profile(_) = to
            && let Some(mfa) = mfa::Mfa::of(&settings).map_err(|trouble| trouble.message)?
            && let Some(wanted) = mfa.wanted()
        {
            return Err(super::elsewhere::wants(&settings, &wanted));
        }
        let (there, arrived) = mpsc::channel(1);
        let task = tokio::spawn(go(settings, to.clone(), there, self.words.clone()));
        self.moving = Some(Moving { task: task.abort_handle(), arrived });
        Ok(())
    }

    fn stay(&mut self) {
        if let Some(moving) = self.moving.take() {
            moving.task.abort();
        }
    }

    fn reconfigure(&mut self, new: Settings) -> Result<Reconfigured, SafeText> {
        let mut settings = self.settings.clone();
        let told = settings.take_live(&self.loaded, &new);
        let look = look(&settings)
            .map_err(|why| SafeText::new(&format!("the old configuration stays in force: {why}")))?;
        self.loaded = new;
        self.record.0 = record::header(&settings, false);
        self.settings = settings;
        self.hand_on();
        let mut text = "configuration read again".to_owned();
        if !told.now.is_empty() {
            text.push_str(&format!(": {}", told.now.join(", ")));
        }
        if !told.later.is_empty() {
            text.push_str(&format!("; from the next start on: {}", told.later.join(", ")));
        }
        Ok(Reconfigured { look, limits: self.settings.limits(), text: SafeText::new(&text) })
    }

    fn arrive(&mut self) -> Option<Arrival> {
        let mut moving = self.moving.take()?;
        let moved = moving.arrived.try_recv().ok()?;
        // Nothing of the old source may speak any more: its connection, its polls, its attempts to connect.
        if let Some(task) = self.task.replace(moving.task) {
            task.abort();
        }
        if let Some(recorder) = self.recorder.take() {
            // A recording is of one account; what could not be written is already said by its header's sizes.
            if let Err(error) = recorder.finish() {
                tracing::warn!(%error, "the recording could not be ended");
            }
        }
        let Moved { settings, parts, events, answers } = moved;
        self.record.0 = record::header(&settings, false);
        let fleet = Fleet::new(settings.limits());
        self.settings = settings;
        self.watched.clear();
        self.streamed = None;
        self.take(parts);
        Some(Arrival { fleet, events, answers })
    }
}
