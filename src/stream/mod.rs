//! MQTT in: connect, subscribe, topic → meaning, batch, hand over. In its own thread, so that neither the screen nor the
//! AWS calls can make a keep-alive wait, and a burst here cannot delay a key there.

mod batcher;
mod connection;
mod dial;
mod filters;
mod focus;
mod meaning;
mod pace;
mod proxy;
mod publish;
mod question;
mod session;
mod share;
mod sign;
mod subscribe;
mod tap;
mod target;
mod tls;
mod topics;
mod wire;
mod words;

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::sync::{mpsc, watch};

use crate::config::{MqttSettings, Settings};
use quell_fleet::Ms;
use quell_fleet::event::{Event, LinkEvent};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

pub use batcher::Batcher;
pub use meaning::reporter;
pub use publish::publish;
pub use question::Questions;
pub use topics::Topics;

/// What signs WebSockets, anew at each connect.
#[derive(Clone)]
pub struct Signer {
    /// Where credentials come from; asked at each connect.
    pub credentials: SharedCredentialsProvider,
    /// The region signed for.
    pub region: String,
    /// The time as the service has it: a clock that is wrong here must not keep us out.
    pub now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

/// TLS as the stream has it: one provider, the platform's authorities or the given one.
///
/// # Errors
/// This machine has no certificate authorities, or a file that is named cannot be read.
pub fn tls_config(mqtt: &MqttSettings) -> Result<Arc<tokio_rustls::rustls::ClientConfig>, String> {
    tls::config(mqtt, None)
}

/// AWS's own topics a console listens to, as filters of a policy: where single things are streamed, `*` stands for any.
pub fn reserved_filters(settings: &Settings) -> Vec<&'static str> {
    let narrow = settings.narrows().then_some("$aws/things/*/#");
    filters::RESERVED.iter().copied().chain(narrow).collect()
}

/// Keeps the stream alive; dropping it ends its connections.
#[derive(Debug)]
pub struct StreamHandle {
    _stop: watch::Sender<bool>,
    settings: watch::Sender<Arc<Settings>>,
    only: watch::Sender<Only>,
    questions: Questions,
}

/// The things to stream, what matters most first; `None` for all.
type Only = Option<Arc<[Name]>>;

impl StreamHandle {
    /// Streams only the telemetry of these things, what matters most first, or that of all; as many as AWS's limit of
    /// subscriptions leaves room for. A [`LinkEvent::Focus`] says what came of it. Where the topics cannot be narrowed
    /// to things ([`Settings::cannot_narrow`]) everything goes on.
    pub fn listen_to(&self, only: Option<&[Name]>) {
        self.only.send_if_modified(|known| {
            let other = known.as_deref() != only;
            if other {
                *known = only.map(Arc::from);
            }
            other
        });
    }

    /// What asks the connections whether something is left on its way.
    pub fn questions(&self) -> Questions {
        self.questions.clone()
    }

    /// Other topics, or other rules for whose they are: the connections are made anew for them.
    pub fn take(&self, settings: &Settings) {
        self.settings.send_if_modified(|known| {
            let other = known.topics != settings.topics
                || known.thing_from != settings.thing_from
                || known.narrow != settings.narrow;
            if other {
                *known = Arc::new(settings.clone());
            }
            other
        });
    }
}

/// Starts the stream: from `settings.mqtt.url`, or from `host` (`HOST`, `wss://HOST` or `ws://HOST:PORT` of the account's
/// data endpoint) by WebSocket. On AWS, WebSockets are signed by `signer`. Several connections share the topics where the
/// settings say so. Never blocks.
pub fn spawn(
    settings: &Settings,
    signer: Option<Signer>,
    host: Option<&str>,
    events: mpsc::Sender<Event>,
) -> StreamHandle {
    let (stop, stopped) = watch::channel(false);
    let (changes, changed) = watch::channel(Arc::new(settings.clone()));
    let (only, wanted) = watch::channel(None);
    let (questions, asked) = Questions::new();
    for share in share::Share::all(settings.connections()) {
        let control = session::Control {
            stop: stopped.clone(),
            settings: changed.clone(),
            only: wanted.clone(),
            questions: asked.clone(),
        };
        let settings = settings.clone();
        let (host, signer) = (host.map(String::from), signer.clone());
        let (events, fallback) = (events.clone(), events.clone());
        let thread = std::thread::Builder::new().name("stream".into()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return down(&events, &format!("no runtime: {error}")),
            };
            let target = match target::Target::of(&settings, host.as_deref()) {
                Ok(target) => target,
                Err(message) => return down(&events, &message),
            };
            let mut session = session::Session::new(&settings, target, signer, events, share);
            runtime.block_on(session.run(control));
        });
        if let Err(error) = thread {
            down(&fallback, &format!("no thread: {error}"));
        }
    }
    StreamHandle { _stop: stop, settings: changes, only, questions }
}

fn down(events: &mpsc::Sender<Event>, message: &str) {
    let reason = SafeText::new(message);
    let _ = events.try_send(Event::Link(LinkEvent::Down { at: now_ms(), reason, retry_at: None }));
}

fn now_ms() -> Ms {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| Ms::try_from(since.as_millis()).unwrap_or(Ms::MAX))
}
