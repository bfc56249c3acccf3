//! MQTT in: connect, subscribe, topic → meaning, batch, hand over. In its own thread, so that neither the screen nor the
//! AWS calls can make a keep-alive wait, and a burst here cannot delay a key there.

mod batcher;
mod filters;
mod meaning;
mod session;
mod sign;
mod target;
mod tls;
mod topics;

use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::sync::{mpsc, watch};

use crate::config::Settings;
use crate::fleet::Ms;
use crate::fleet::event::{Event, LinkEvent};
use crate::text::SafeText;

pub use batcher::Batcher;
pub use topics::Topics;

/// Keeps the stream alive; dropping it ends the connection.
#[derive(Debug)]
pub struct StreamHandle {
    _stop: watch::Sender<bool>,
}

/// Starts the stream: from `settings.mqtt.url`, or from `host` (`HOST` or `HOST:PORT` of the account's data endpoint) by
/// WebSocket. WebSockets are signed with `credentials` for `region`, anew at each connect. Never blocks.
pub fn spawn(
    settings: &Settings,
    credentials: Option<SharedCredentialsProvider>,
    region: &str,
    host: Option<&str>,
    events: mpsc::Sender<Event>,
) -> StreamHandle {
    let (stop, stopped) = watch::channel(false);
    let settings = settings.clone();
    let (region, host) = (region.to_owned(), host.map(String::from));
    let fallback = events.clone();
    let thread = std::thread::Builder::new().name("stream".into()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return down(&events, &format!("no runtime: {error}")),
        };
        let target = match target::Target::of(&settings, host.as_deref()) {
            Ok(target) => target,
            Err(message) => return down(&events, &message),
        };
        let mut session = session::Session::new(&settings, target, credentials, region, events);
        runtime.block_on(session.run(stopped));
    });
    if let Err(error) = thread {
        down(&fallback, &format!("no thread: {error}"));
    }
    StreamHandle { _stop: stop }
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
