//! What the loop and the wiring around it say to each other.

use tokio::sync::mpsc;

use crate::config::Settings;
use crate::console::app::{Elsewhere, Look, Msg};
use crate::response::{Answer, Intent, Listener, Plan, PlanId, Stop};
use quell_fleet::event::Event;
use quell_fleet::model::Name;
use quell_fleet::record::Recorder;
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Limits, Ms, SourceId};

/// What the wiring does for the console. Every call returns at once.
pub(crate) trait Outside {
    /// Compute a plan; the answer carries the generation.
    fn plan(&mut self, generation: u64, intent: Intent) -> Result<(), SafeText>;
    /// Carry a plan out.
    fn confirm(&mut self, plan: Plan, typed: Option<String>) -> Result<(), SafeText>;
    /// Stop a running response after the requests under way.
    fn stop(&mut self, plan: &PlanId);
    /// Stop all that runs: the console is left, or its terminal went away.
    fn stop_all(&mut self, why: Stop);
    /// The recording that is being written, if one is.
    fn recorder(&mut self) -> Option<&mut Recorder>;
    /// Begin a recording, or end it: whether one runs now, and a sentence.
    fn record(&mut self, fleet: &Fleet, now: Ms) -> Result<(bool, SafeText), SafeText>;
    /// The open view needs these read.
    fn watch(&mut self, sources: Vec<SourceId>);
    /// Stream only these things' telemetry, what matters most first; all when `None`.
    fn listen_to(&mut self, things: Option<Vec<Name>>) {
        let _ = things;
    }
    /// Read this soon.
    fn read_soon(&mut self, source: SourceId);
    /// Read the journal; it comes back as a [`Msg::Journal`].
    fn read_journal(&mut self);
    /// Write a note into the journal; a [`Msg::Say`] tells how that went, and the journal is read again.
    fn note(&mut self, things: Vec<Name>, text: String, arn: Option<SafeText>);
    /// Look whether the account is ready for an incident; it comes back as a [`Msg::Examined`].
    fn examine(&mut self) -> Result<(), SafeText>;
    /// The responder's ear, as soon as there is one; asked before every event.
    fn listener(&mut self) -> Option<&mut Listener>;
    /// Something that was being set up may be there now.
    fn settle(&mut self);
    /// Read the names of the profiles; they come back as [`Msg::Profiles`].
    fn read_profiles(&mut self) {}
    /// Go to another profile or region; [`Msg::Moved`] tells how that went.
    ///
    /// # Errors
    /// Why that cannot be.
    fn switch(&mut self, to: &Elsewhere) -> Result<(), SafeText> {
        Err(SafeText::new(&format!("there is no other {} here", to.word())))
    }
    /// Leaves the old source and takes up the one that was opened; `None` when there is none any more.
    fn arrive(&mut self) -> Option<Arrival> {
        None
    }
    /// Drops the source that was opened.
    fn stay(&mut self) {}
    /// Another configuration: hands it to whatever runs.
    ///
    /// # Errors
    /// What of it cannot be used: all of the old one stays in force.
    fn reconfigure(&mut self, settings: Settings) -> Result<Reconfigured, SafeText> {
        let _ = settings;
        Err(SafeText::new("nothing can be configured here"))
    }
}

/// What another configuration means for the screen.
pub(crate) struct Reconfigured {
    /// How it looks now.
    pub look: Look,
    /// What the fleet holds now.
    pub limits: Limits,
    /// What holds now, and what only later, in a sentence.
    pub text: SafeText,
}

/// Another account or region, from its beginning.
pub(crate) struct Arrival {
    /// Nothing is known there yet.
    pub fleet: Fleet,
    /// Its events.
    pub events: mpsc::Receiver<Event>,
    /// Its responder's answers.
    pub answers: mpsc::Receiver<Answer>,
}

/// What the wiring tells the console, besides fleet events and answers.
#[derive(Debug)]
pub(crate) enum Word {
    /// What the reducer is to know.
    Tell(Msg),
    /// The clients and the responder are there: [`Outside::settle`] picks them up.
    Settled,
    /// The configuration was read again, or what is wrong with it.
    Config(Result<Box<Settings>, SafeText>),
}

/// What comes into the loop.
pub(crate) struct Inputs {
    /// Fleet events.
    pub events: mpsc::Receiver<Event>,
    /// Answers of the responder.
    pub answers: mpsc::Receiver<Answer>,
    /// The wiring's own.
    pub words: mpsc::Receiver<Word>,
}
