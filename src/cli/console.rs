//! The default command: configuration → terminal → first frame; and only then credentials, polls and the stream.

use std::path::PathBuf;
use std::time::Duration;

use color_eyre::eyre::{Result, WrapErr as _};
use tokio::sync::mpsc;

use crate::cloud::PollHandle;
use crate::config::{self, Environment, Settings};
use crate::console::app::{App, Look};
use crate::console::event_loop::{self, Ended, Inputs, Outside, Word};
use crate::console::keymap::Keymap;
use crate::console::theme::{self, Theme};
use crate::fleet::event::Event;
use crate::fleet::known::{Trouble, TroubleKind};
use crate::fleet::{Fleet, Ms, SourceId};
use crate::record::{Header, Recorder};
use crate::response::{Answer, Intent, Listener, Plan, PlanId, Responder};
use crate::stream::StreamHandle;
use crate::text::SafeText;

use super::source::Source;
use super::{Common, exit};

/// Batches under way to the console; the stream merges into its next batch when there are this many.
const EVENTS: usize = 64;
/// After a failed connect, the next attempt.
const AGAIN: Duration = Duration::from_secs(5);
/// Whatever still runs when the console ends gets this long: a hung-up terminal must not keep the process.
const LEAVE: Duration = Duration::from_millis(500);

/// Runs the console against AWS, or against what the flags say.
pub(super) fn run(common: &Common) -> Result<u8> {
    let settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    super::log_to(&settings.log, common.verbose);
    let runtime = runtime()?;
    let result = open(&runtime, settings, std::future::ready(Ok(None)));
    runtime.shutdown_timeout(LEAVE);
    result
}

/// The runtime of the console: a thread for polls and responses beside the one that draws.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// A wrong keymap, theme or configuration: a sentence, not a report.
pub(super) fn usage(text: &str) -> Result<u8> {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "quell: {text}");
    Ok(exit::USAGE)
}

/// Takes the terminal and runs until it is quit. `ready` is waited for behind the first frame; it may hand over settings
/// that were not known before, such as the ports of an emulator that was just started.
pub(super) fn open(
    runtime: &tokio::runtime::Runtime,
    settings: Settings,
    ready: impl Future<Output = Result<Option<Settings>, SafeText>> + Send + 'static,
) -> Result<u8> {
    let look = match look(&settings) {
        Ok(look) => look,
        Err(text) => return usage(&text),
    };
    if !std::io::IsTerminal::is_terminal(&std::io::stdout())
        || !std::io::IsTerminal::is_terminal(&std::io::stdin())
    {
        return usage("the console needs a terminal; `quell watch` gives the same data as JSON");
    }
    let mut app = App::new(look);
    if settings.instructor {
        app.instruct();
    }
    let (events, incoming) = mpsc::channel(EVENTS);
    let (answers, answered) = mpsc::channel(EVENTS);
    let (words, said) = mpsc::channel(16);
    let (parts, settled) = mpsc::channel(1);
    let fleet = Fleet::new(settings.limits());
    let max_fps = settings.max_fps;
    let outside = Wiring {
        parts: settled,
        responder: None,
        listener: None,
        polls: None,
        stream: None,
        watched: Vec::new(),
        journal: settings.journal.clone(),
        settings: None,
        words: words.clone(),
        aws: settings.aws,
        recorder: None,
        record: (
            super::record::header(&settings, false),
            settings.journal.parent().unwrap_or(std::path::Path::new("")).join("recordings"),
        ),
    };
    let ended = runtime.block_on(async move {
        tokio::spawn(connect(settings, ready, events, answers, words, parts));
        let inputs = Inputs { events: incoming, answers: answered, words: said };
        Box::pin(event_loop::run(app, fleet, inputs, outside, max_fps)).await
    });
    match ended.wrap_err("the terminal")? {
        Ended::Quit => Ok(exit::DONE),
        Ended::Cut => Ok(exit::INTERRUPTED),
    }
}

/// How it looks, from the settings; an error is one sentence for the operator.
pub(super) fn look(settings: &Settings) -> Result<Look, String> {
    let folder = config::config_dir(&Environment::of_process()).join("keymaps");
    let keymap = Keymap::load(settings.keymap.as_deref(), Some(&folder)).map_err(|e| e.to_string())?;
    let theme =
        Theme::named(settings.theme.as_deref(), settings.no_color, settings.ascii).ok_or_else(|| {
            let asked = settings.theme.as_deref().unwrap_or_default();
            format!("there is no theme {asked:?} (known: {})", theme::NAMES.join(", "))
        })?;
    Ok(Look {
        theme,
        keymap,
        zone: jiff::tz::TimeZone::system(),
        badge: settings.badge.clone(),
        read_only: settings.read_only,
        aws: settings.aws,
        journal: Some(settings.journal.clone()),
        speed: settings.aws_speed,
        isolation_group: settings.groups.isolate.clone(),
        update_group: settings.groups.update.clone(),
    })
}

/// What exists once the connections are made.
struct Parts {
    responder: Option<Responder>,
    polls: Option<PollHandle>,
    stream: StreamHandle,
    settings: Settings,
}

/// Connects behind the first frame: clients first, then polls, the stream and the responder. Tries again until it can.
async fn connect(
    settings: Settings,
    ready: impl Future<Output = Result<Option<Settings>, SafeText>> + Send,
    events: mpsc::Sender<Event>,
    answers: mpsc::Sender<Answer>,
    words: mpsc::Sender<Word>,
    parts: mpsc::Sender<Parts>,
) {
    let settings = match ready.await {
        Ok(other) => other.unwrap_or(settings),
        Err(message) => {
            let since = event_loop::now();
            let trouble = Trouble { kind: TroubleKind::Failed, message, missing_action: None, since };
            let _ = words.send(Word::CannotConnect(Some(trouble))).await;
            return;
        }
    };
    let made = loop {
        match Source::open(&settings, &events).await {
            Ok(source) => break source,
            Err(trouble) => {
                if words.send(Word::CannotConnect(Some(trouble))).await.is_err() {
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let _ = words.send(Word::CannotConnect(None)).await;
    let responder = made
        .clients
        .as_ref()
        .map(|clients| Responder::spawn(clients.clone(), &settings, events.clone(), answers));
    let made = Parts { responder, polls: made.polls, stream: made.stream, settings };
    if parts.send(made).await.is_ok() {
        let _ = words.send(Word::Settled).await;
    }
    // The words end when the console does; until then the senders here keep its channels open.
    words.closed().await;
}

/// The console's outside: everything returns at once.
struct Wiring {
    parts: mpsc::Receiver<Parts>,
    responder: Option<Responder>,
    listener: Option<Listener>,
    polls: Option<PollHandle>,
    /// Held so that the stream lives as long as the console.
    stream: Option<StreamHandle>,
    watched: Vec<SourceId>,
    journal: PathBuf,
    /// What the connections were made with.
    settings: Option<Settings>,
    words: mpsc::Sender<Word>,
    aws: bool,
    recorder: Option<Recorder>,
    /// What a recording begun by key says of this session, and where it goes.
    record: (Header, PathBuf),
}

impl Wiring {
    fn responder(&self) -> Result<&Responder, SafeText> {
        self.responder.as_ref().ok_or_else(|| {
            SafeText::new(if self.aws {
                "not connected to AWS yet"
            } else {
                "there is no AWS control plane (--no-aws)"
            })
        })
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
        let mut recorder = Recorder::create(&path, header, super::record::LIMIT)
            .map_err(|e| SafeText::from(format!("{}: {e}", path.display())))?;
        for event in fleet.preamble() {
            recorder.event(&event, now);
        }
        self.recorder = Some(recorder);
        Ok((true, SafeText::from(format!("recording to {}, without payloads", path.display()))))
    }

    fn stop(&mut self, plan: &PlanId) {
        if let Some(responder) = &self.responder {
            responder.stop(plan);
        }
    }

    fn watch(&mut self, sources: Vec<SourceId>) {
        if let Some(polls) = &self.polls {
            polls.watch(sources.clone());
        }
        self.watched = sources;
    }

    fn read_soon(&mut self, source: SourceId) {
        if let Some(polls) = &self.polls {
            polls.now(source);
        }
    }

    fn read_journal(&mut self) {
        let (path, words) = (self.journal.clone(), self.words.clone());
        tokio::task::spawn_blocking(move || {
            let lines = super::journal_lines::read(&path).map_err(|e| SafeText::new(&e.to_string()));
            let _ = words.blocking_send(Word::Journal(lines));
        });
    }

    fn examine(&mut self) -> Result<(), SafeText> {
        self.responder()?;
        let Some(settings) = self.settings.clone() else { return Ok(()) };
        let words = self.words.clone();
        tokio::spawn(async move {
            let found = Box::pin(super::doctor::lines(&settings)).await;
            let _ = words.send(Word::Examined(Ok(found))).await;
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
            self.listener = parts.responder.as_ref().map(Responder::listener);
            self.responder = parts.responder;
            if let Some(polls) = &parts.polls {
                polls.watch(self.watched.clone());
            }
            self.polls = parts.polls;
            self.stream = Some(parts.stream);
            self.settings = Some(parts.settings);
        }
    }
}
