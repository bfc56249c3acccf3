//! The default command: configuration → terminal → first frame; and only then credentials, polls and the stream.

mod elsewhere;
mod wiring;

use std::time::Duration;

use color_eyre::eyre::{Result, WrapErr as _};
use tokio::sync::mpsc;

use crate::cloud::{self, PollHandle, mfa};
use crate::config::{self, Environment, Settings};
use crate::console::app::{App, Look, Msg, Tone};
use crate::console::event_loop::{self, Ended, Inputs, Word};
use crate::console::keymap::Keymap;
use crate::console::theme::{self, Colours, Ground, Theme};
use crate::response::{Answer, Responder, shared};
use crate::stream::StreamHandle;
use quell_fleet::Fleet;
use quell_fleet::event::Event;
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::text::SafeText;

use super::source::Source;
use super::{Common, exit};

use wiring::Wiring;

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
    // A log that cannot be written is done without: the screen comes first.
    let _ = super::log::to(&settings.log, common.verbose);
    let runtime = runtime()?;
    if settings.aws
        && config::region(&settings, &Environment::of_process()).is_none()
        && runtime.block_on(cloud::found_region(&settings)).is_none()
    {
        runtime.shutdown_timeout(LEAVE);
        return usage(&config::no_region(&settings));
    }
    // The last chance to ask on the terminal.
    if let Err(trouble) = runtime.block_on(mfa::prepare(&settings)) {
        runtime.shutdown_timeout(LEAVE);
        return super::reads::complain(&super::reads::sentence(&trouble));
    }
    let result = open(&runtime, settings, Some(common.clone()), std::future::ready(Ok(None)), None);
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

/// Says what it is told, until the console ends; whoever tells sees that then.
async fn pass_on(mut told: mpsc::Receiver<SafeText>, words: mpsc::Sender<Word>) {
    loop {
        let text = tokio::select! {
            text = told.recv() => text,
            () = words.closed() => None,
        };
        let Some(text) = text else { return };
        if words.send(Word::Tell(Msg::Say(text, Tone::Calm))).await.is_err() {
            return;
        }
    }
}

/// Takes the terminal and runs until it is quit. `ready` is waited for behind the first frame; it may hand over settings
/// that were not known before, such as the ports of an emulator that was just started. With `flags`, the configuration
/// file is read again whenever it changes. What comes over `told` is said to whoever looks.
pub(super) fn open(
    runtime: &tokio::runtime::Runtime,
    settings: Settings,
    flags: Option<Common>,
    ready: impl Future<Output = Result<Option<Settings>, SafeText>> + Send + 'static,
    told: Option<mpsc::Receiver<SafeText>>,
) -> Result<u8> {
    let look = match look(&settings) {
        Ok(look) => look,
        Err(text) => return usage(&text),
    };
    let place = event_loop::Place::from(&settings);
    if !place.linear
        && (!std::io::IsTerminal::is_terminal(&std::io::stdout())
            || !std::io::IsTerminal::is_terminal(&std::io::stdin()))
    {
        return usage(
            "the console needs a terminal; --linear tells the same in sentences, `quell watch` gives it as JSON",
        );
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
    let outside = Wiring {
        parts: settled,
        responder: None,
        listener: None,
        polls: None,
        stream: None,
        watched: Vec::new(),
        streamed: None,
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
        if let Some(told) = told {
            tokio::spawn(pass_on(told, outside.words.clone()));
        }
        if let Some(flags) = flags {
            tokio::spawn(super::reload::watch(flags, outside.words.clone()));
        }
        let inputs = Inputs { events: incoming, answers: answered, words: said };
        Box::pin(event_loop::run(app, fleet, inputs, outside, &place)).await
    });
    match ended.wrap_err("the terminal")? {
        Ended::Quit => Ok(exit::DONE),
        Ended::Left | Ended::Cut => Ok(exit::INTERRUPTED),
    }
}

/// How it looks, from the settings; an error is one sentence for the operator.
pub(super) fn look(settings: &Settings) -> Result<Look, String> {
    let environment = Environment::of_process();
    let folder = config::config_dir(&environment).join("keymaps");
    let [keymap_from, theme_from] = &settings.look_from;
    let placed = |from: &str, why: String| if from.is_empty() { why } else { format!("{from}: {why}") };
    let keymap = Keymap::load(settings.keymap.as_deref(), Some(&folder))
        .map_err(|e| placed(keymap_from, e.to_string()));
    let colours = if settings.no_color {
        Colours::None
    } else {
        Colours::of(environment.get("COLORTERM"), environment.get("TERM"))
    };
    let theme = Theme::named(settings.theme.as_deref(), colours, settings.ascii).ok_or_else(|| {
        let asked = settings.theme.as_deref().unwrap_or_default();
        placed(theme_from, format!("there is no theme {asked:?} (known: {})", theme::NAMES.join(", ")))
    });
    // One mistake does not hide the other.
    let (keymap, theme) = match (keymap, theme) {
        (Ok(keymap), Ok(theme)) => (keymap, theme),
        (keymap, theme) => {
            let wrong: Vec<String> = keymap.err().into_iter().chain(theme.err()).collect();
            return Err(wrong.join("\nquell: "));
        }
    };
    let ground = Ground::guess(environment.get("COLORFGBG"));
    let mut theme = ground.map_or_else(|| theme.clone(), |ground| theme.on(ground));
    if settings.linear {
        // Without a picture there are no frames to see.
        theme.symbols =
            theme::Symbols { ascii: settings.ascii, dot: "-", frame: [" "; 6], thumb: " ", ..theme::ASCII };
    }
    let keymap = if settings.linear { keymap.typed() } else { keymap };
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
        streams_all: settings.cannot_narrow().map(SafeText::from),
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
        if let Some(responder) = &responder {
            responder.asks_by(source.stream.questions());
        }
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
        Ok(Some(known)) => {
            if let Some(url) = &known.endpoint_url {
                // The AWS CLI, SDKs and devices can use the same cloud.
                let text = format!(
                    "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION={} aws --endpoint-url {url} iot list-things",
                    known.region.as_deref().unwrap_or("us-east-1")
                );
                let _ = words.send(Word::Tell(Msg::Reach(SafeText::from(text)))).await;
            }
            known
        }
        Ok(None) => settings,
        Err(message) => {
            let since = event_loop::now();
            let trouble = Trouble { kind: TroubleKind::Failed, message, missing_action: None, since };
            let _ = words.send(Word::Tell(Msg::CannotConnect(Some(trouble)))).await;
            return;
        }
    };
    let made = loop {
        match Source::open(&settings, &events).await {
            Ok(source) => break source,
            Err(trouble) => {
                if words.send(Word::Tell(Msg::CannotConnect(Some(trouble)))).await.is_err() {
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    if let Some(aws) = &made.clients {
        tokio::spawn(shared::colleagues(aws.clone(), settings.clone(), events.clone(), None));
    }
    let made = Parts::of(made, &settings, &events, answers);
    if parts.send(made).await.is_ok() {
        let _ = words.send(Word::Settled).await;
    }
    // Last, since what waited for the connection is done now.
    let _ = words.send(Word::Tell(Msg::CannotConnect(None))).await;
    // The words end when the console does; until then the senders here keep its channels open.
    words.closed().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_takes_every_example_of_the_template() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("profiles.json"), r#"{"securityProfileName":"p","behaviors":[]}"#)
            .unwrap();
        let secret = dir.path().join("mqtt");
        std::fs::write(&secret, "hush").unwrap();
        let path = dir.path().join("config.toml");
        let template = config::template().replace("/run/secrets/mqtt", &secret.display().to_string());
        let (mut table, mut keys) = ("", 0);
        for line in template.lines() {
            if line.starts_with('[') {
                table = line;
            }
            let Some(example) = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')) else {
                continue;
            };
            let given = if line.contains("no-aws") { "mqtt.url = 'mqtt://h'\n" } else { "" };
            std::fs::write(&path, format!("{given}{table}\n{example}\n")).unwrap();
            let common = Common { config: Some(path.clone()), ..Common::default() };
            let settings = config::load(&common, &Environment::default()).unwrap();
            look(&settings).unwrap_or_else(|why| panic!("{example}: {why}"));
            keys += 1;
        }
        assert!(keys > 40, "{keys}");
    }
}
