//! The default command: configuration → terminal → first frame; and only then credentials, polls and the stream.

use std::path::PathBuf;
use std::time::Duration;

use color_eyre::eyre::{Result, WrapErr as _};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::cloud::{PollHandle, mfa};
use crate::config::{self, AwsProfiles, Environment, Settings};
use crate::console::app::{App, Elsewhere, Look};
use crate::console::event_loop::{self, Arrival, Ended, Inputs, Outside, Reconfigured, Word};
use crate::console::keymap::Keymap;
use crate::console::theme::{self, Theme};
use crate::fleet::event::Event;
use crate::fleet::known::{Trouble, TroubleKind};
use crate::fleet::model::Name;
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
    // The last chance to ask on the terminal.
    if let Err(trouble) = runtime.block_on(mfa::prepare(&settings)) {
        runtime.shutdown_timeout(LEAVE);
        return super::reads::complain(&super::reads::sentence(&trouble));
    }
    let result = open(&runtime, settings, Some(common.clone()), std::future::ready(Ok(None)));
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
/// that were not known before, such as the ports of an emulator that was just started. With `flags`, the configuration
/// file is read again whenever it changes.
pub(super) fn open(
    runtime: &tokio::runtime::Runtime,
    settings: Settings,
    flags: Option<Common>,
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
    mfa::leave_the_terminal();
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
        words: words.clone(),
        recorder: None,
        record: (
            super::record::header(&settings, false),
            settings.journal.parent().unwrap_or(std::path::Path::new("")).join("recordings"),
        ),
        loaded: settings.clone(),
        settings: settings.clone(),
        region: None,
        task: None,
        moving: None,
    };
    let ended = runtime.block_on(async move {
        let mut outside = outside;
        let task = tokio::spawn(connect(settings, ready, events, answers, words, parts));
        outside.task = Some(task.abort_handle());
        if let Some(flags) = flags {
            tokio::spawn(super::reload::watch(flags, outside.words.clone()));
        }
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
        zone: super::zone::local(),
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
    region: Option<String>,
    settings: Settings,
}

impl Parts {
    fn of(
        source: Source,
        settings: &Settings,
        events: &mpsc::Sender<Event>,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        let responder = source
            .clients
            .as_ref()
            .map(|clients| Responder::spawn(clients.clone(), settings, events.clone(), answers));
        let region = source.clients.map(|clients| clients.region);
        let settings = settings.clone();
        Self { responder, polls: source.polls, stream: source.stream, region, settings }
    }
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
    let made = Parts::of(made, &settings, &events, answers);
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
    words: mpsc::Sender<Word>,
    recorder: Option<Recorder>,
    /// What a recording begun by key says of this session, and where it goes.
    record: (Header, PathBuf),
    /// The region in force, once it is known.
    region: Option<String>,
    /// The configuration as it was loaded last.
    loaded: Settings,
    /// The settings of the source in force.
    settings: Settings,
    /// What connects the source in force, and keeps its channels open.
    task: Option<AbortHandle>,
    /// The source that is being opened besides.
    moving: Option<Moving>,
}

/// Another source on its way.
struct Moving {
    task: AbortHandle,
    arrived: mpsc::Receiver<Moved>,
}

/// Another source, open.
struct Moved {
    settings: Settings,
    parts: Parts,
    events: mpsc::Receiver<Event>,
    answers: mpsc::Receiver<Answer>,
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
        let (path, words) = (self.settings.journal.clone(), self.words.clone());
        tokio::task::spawn_blocking(move || {
            let lines = super::journal_lines::read(&path).map_err(|e| SafeText::new(&e.to_string()));
            let _ = words.blocking_send(Word::Journal(lines));
        });
    }

    fn examine(&mut self) -> Result<(), SafeText> {
        self.responder()?;
        let settings = self.settings.clone();
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
            self.take(parts);
        }
    }

    fn read_profiles(&mut self) {
        let words = self.words.clone();
        tokio::task::spawn_blocking(move || {
            let profiles = AwsProfiles::read(&Environment::of_process());
            let names = profiles.names().map(Name::new).collect();
            let _ = words.blocking_send(Word::Profiles(names));
        });
    }

    fn switch(&mut self, to: &Elsewhere) -> Result<(), SafeText> {
        self.stay();
        let profiles = AwsProfiles::read(&Environment::of_process());
        let settings = elsewhere(&self.settings, to, self.region.as_deref(), &profiles)?;
        if let (Elsewhere::Profile(name), Some(mfa)) = (to, mfa::Mfa::of(&settings))
            && !mfa.is_met()
        {
            let name = name.shown();
            let words = format!(
                "profile {name} wants a code of {}: type `:profile {name} CODE`",
                SafeText::new(mfa.serial())
            );
            return Err(SafeText::new(&words));
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
        let look = look(&settings).map_err(|why| {
            SafeText::new(&format!("the configuration changed, the old one stays in force: {why}"))
        })?;
        self.loaded = new;
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
        self.record.0 = super::record::header(&settings, false);
        let fleet = Fleet::new(settings.limits());
        self.settings = settings;
        self.watched.clear();
        self.take(parts);
        Some(Arrival { fleet, events, answers })
    }
}

/// The settings for another profile or region. Endpoints that were given outright stay; the broker of the old account
/// does not.
fn elsewhere(
    settings: &Settings,
    to: &Elsewhere,
    region: Option<&str>,
    profiles: &AwsProfiles,
) -> Result<Settings, SafeText> {
    if !settings.aws {
        return Err(SafeText::new("there is no AWS control plane (--no-aws)"));
    }
    if settings.credentials.is_some() {
        return Err(SafeText::new("the demo is one account in one region: begin `quell` for another"));
    }
    let mut settings = settings.clone();
    match to {
        Elsewhere::Region(name) => settings.region = Some(name.raw().to_owned()),
        Elsewhere::Profile(name) | Elsewhere::Coded(name, _) => {
            settings.profile = Some(name.raw().to_owned());
            settings.profile_outright = true;
            // The profile's own region, or else the one where we are.
            let own = profiles.get(name.raw(), "region").or(region);
            settings.region = own.map(str::to_owned).or(settings.region);
        }
    }
    if settings.endpoint_url.is_none() {
        settings.mqtt.url = None;
        settings.data_endpoint_url = None;
    }
    Ok(settings)
}

/// Opens another source, and keeps its channels open once it is taken up.
async fn go(settings: Settings, to: Elsewhere, there: mpsc::Sender<Moved>, words: mpsc::Sender<Word>) {
    let (sender, events) = mpsc::channel(EVENTS);
    let (answering, answers) = mpsc::channel(EVENTS);
    let failed = |why: &SafeText| {
        let text = format!("stayed here: {} {}: {why}", to.word(), to.name().shown());
        Word::Moved(Err(SafeText::new(&text)))
    };
    if let (Elsewhere::Coded(_, code), Some(mfa)) = (&to, mfa::Mfa::of(&settings))
        && let Err(trouble) = mfa.assume(&settings, &code.0).await
    {
        let _ = words.send(failed(&trouble.message)).await;
        return;
    }
    let (source, identity) = match Source::open_proven(&settings, &sender).await {
        Ok(open) => open,
        Err(trouble) => {
            let _ = words.send(failed(&trouble.message)).await;
            return;
        }
    };
    let region = source.clients.as_ref().map(|clients| clients.region.clone()).unwrap_or_default();
    let text = format!("{} {}: {} {region}", to.word(), to.name().shown(), identity.account);
    let parts = Parts::of(source, &settings, &sender, answering);
    if there.send(Moved { settings, parts, events, answers }).await.is_ok() {
        let _ = words.send(Word::Moved(Ok(SafeText::new(&text)))).await;
    }
    // Until the console ends or goes on to yet another place.
    words.closed().await;
    drop(sender);
}
