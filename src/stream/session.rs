//! The connection's life: connect, subscribe, listen, come back. The connection is made anew each time: then a signature is
//! never old, and nothing of a lost session is sent again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::config::{MqttVersion, Settings};
use quell_fleet::Ms;
use quell_fleet::event::{Event, LinkEvent};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::batcher::Batcher;
use super::filters::{Filters, Lesson};
use super::focus::{Aim, Forbidden};
use super::question::Asked;
use super::share::Share;
use super::target::Target;
use super::topics::Topics;
use super::wire::{How, Loss, Version};
use super::{Only, Signer, now_ms};

/// First and last step of the back-off. AWS takes one CONNECT a second of a client id.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A connection that lasted this long was healthy: the back-off begins anew.
const HEALTHY: Duration = Duration::from_secs(30);

pub(super) struct Session {
    pub(super) settings: Settings,
    pub(super) target: Target,
    pub(super) signer: Option<Signer>,
    pub(super) client_id: String,
    pub(super) filters: Filters,
    /// What this connection is to subscribe to, and what it last said of that.
    pub(super) aim: Aim,
    pub(super) told: Option<Vec<Name>>,
    pub(super) only: Only,
    pub(super) forbidden: Forbidden,
    /// Connected, and every filter was answered.
    pub(super) up: bool,
    pub(super) batcher: Batcher,
    pub(super) version: Version,
    /// A broker answered in this version: no other is tried.
    pub(super) version_proven: bool,
    /// Another client took our client id, as the broker said when it was back.
    pub(super) usurped: bool,
    /// When the broker last said anything.
    pub(super) heard: Ms,
    /// The questions of this connection.
    pub(super) asked: Asked,
    events: mpsc::Sender<Event>,
    /// Link events the console had no room for yet; they wait for the messages before them.
    outbox: VecDeque<LinkEvent>,
    takeovers: u32,
    pub(super) share: Share,
}

/// What comes from outside while it runs.
pub(super) struct Control {
    /// To end.
    pub(super) stop: watch::Receiver<bool>,
    /// Other topics.
    pub(super) settings: watch::Receiver<Arc<Settings>>,
    /// Which things to stream.
    pub(super) only: watch::Receiver<Only>,
    /// A question is wanted.
    pub(super) questions: watch::Receiver<u64>,
}

/// Waits until it is to end, or other settings are in force.
pub(super) async fn called(
    stop: &mut watch::Receiver<bool>,
    settings: &mut watch::Receiver<Arc<Settings>>,
) -> End {
    tokio::select! {
        _ = stop.changed() => End::Stopped,
        changed = settings.changed() => if changed.is_err() { End::Stopped } else { End::Changed },
    }
}

/// Waits until other things are to be streamed, or a question is wanted.
pub(super) async fn wished<T>(wish: &mut watch::Receiver<T>) {
    if wish.changed().await.is_err() {
        // Nobody can wish any more; the end is told elsewhere.
        std::future::pending::<()>().await;
    }
}

/// Why a connection ended.
pub(super) enum End {
    Stopped,
    /// On purpose: to be signed anew before AWS's limit.
    Renewed,
    /// On purpose: there are other topics.
    Changed,
    Lost(Loss),
}

/// What comes after a loss.
enum Next {
    /// Wait this long and try again.
    After(Duration),
    /// Never: a person must decide.
    Never,
}

impl Session {
    pub(super) fn new(
        settings: &Settings,
        target: Target,
        signer: Option<Signer>,
        events: mpsc::Sender<Event>,
        share: Share,
    ) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(0);
        let (rules, budget) = (settings.thing_from.clone(), settings.memory_budget);
        let topics = Topics::of_connection(rules, budget, number(share.index), number(share.of));
        let mut session = Self {
            settings: settings.clone(),
            target,
            signer: if settings.aws { signer } else { None },
            client_id: match &settings.mqtt.client_id {
                Some(id) if share.index > 0 => format!("{id}-{}", share.index + 1),
                Some(id) => id.clone(),
                None => client_id(),
            },
            filters: Filters::new(settings.aws),
            aim: Aim::default(),
            told: None,
            only: None,
            forbidden: Forbidden::default(),
            up: false,
            batcher: Batcher::new(topics, events.clone()),
            version: if settings.mqtt.version == MqttVersion::V4 { Version::V4 } else { Version::V5 },
            version_proven: settings.mqtt.version != MqttVersion::Auto,
            usurped: false,
            heard: 0,
            asked: Asked::new(false, Instant::now()),
            events,
            outbox: VecDeque::new(),
            takeovers: 0,
            share,
        };
        session.take_aim();
        session
    }

    pub(super) async fn run(&mut self, mut control: Control) {
        let mut wait = BACKOFF.0;
        loop {
            self.tell(LinkEvent::Connecting { at: now_ms() });
            self.up = false;
            let began = Instant::now();
            let loss = match self.connection(&mut control).await {
                End::Stopped => return,
                End::Changed => {
                    self.take(&control.settings.borrow_and_update().clone());
                    let words = "the topics in the configuration changed".to_owned();
                    Loss { how: How::Network, words }
                }
                End::Renewed => {
                    // Refused filters get another chance once a day.
                    self.filters.forgive();
                    self.forbidden = Forbidden::default();
                    self.take_aim();
                    let words = "signed anew, ahead of AWS's limit of 24 hours".to_owned();
                    Loss { how: How::Network, words }
                }
                End::Lost(loss) => loss,
            };
            if began.elapsed() >= HEALTHY {
                wait = BACKOFF.0;
            }
            let at = if loss.how == How::Dead && self.heard > 0 { self.heard } else { now_ms() };
            let (next, reason) = self.consider(loss, &mut wait);
            let pause = match next {
                Next::After(pause) => Some(pause),
                Next::Never => None,
            };
            let retry_at = pause.map(|pause| now_ms() + Ms::try_from(pause.as_millis()).unwrap_or(0));
            let again_in_ms = pause.map(|pause| pause.as_millis());
            tracing::info!(reason = %SafeText::limited(reason.as_bytes(), 300), ?again_in_ms, "the stream is down");
            self.tell(LinkEvent::Down { at, reason: SafeText::limited(reason.as_bytes(), 300), retry_at });
            if self.rest(pause, &mut control).await {
                return;
            }
        }
    }

    /// Other topics from the next connection on.
    fn take(&mut self, settings: &Settings) {
        self.settings.topics.clone_from(&settings.topics);
        if self.settings.thing_from != settings.thing_from {
            self.settings.thing_from.clone_from(&settings.thing_from);
            self.batcher.set_rules(settings.thing_from.clone());
        }
        self.settings.narrow = settings.narrow;
        self.filters = Filters::new(self.settings.aws);
        self.forbidden = Forbidden::default();
        self.take_aim();
    }

    /// What a loss means, and when to try again.
    fn consider(&mut self, loss: Loss, wait: &mut Duration) -> (Next, String) {
        let Loss { how, words } = loss;
        if how == How::TakenOver || std::mem::take(&mut self.usurped) {
            self.filters.lost();
            return self.taken_over();
        }
        let lesson = match how {
            How::HungUp | How::NotAllowed => self.filters.hung_up(),
            _ => {
                self.filters.lost();
                Lesson::Nothing
            }
        };
        // Whatever teaches something is no reason to wait longer: there are at most fifty filters to learn about.
        let soon = Next::After(BACKOFF.0.mul_f64(1.0 + 0.25 * fastrand::f64()));
        match lesson {
            Lesson::Blamed(filter, why) => {
                let words =
                    format!("the broker hung up over the filter {filter} ({why}); going on without it");
                self.refuse(filter, &why);
                return (soon, words);
            }
            Lesson::Narrowed => {
                return (soon, format!("{words} while subscribing; asking for the filters one by one"));
            }
            Lesson::Nothing => {}
        }
        if !self.version_proven && !matches!(how, How::Network | How::Unopened | How::Dead)
            || how == How::Version
        {
            // Perhaps a broker that hangs up, or answers nonsense, because it is older or newer.
            self.version = if self.version == Version::V5 { Version::V4 } else { Version::V5 };
        }
        // Jitter of half: consoles that lost a broker together must not come back together, and none within the second.
        let pause = wait.mul_f64(1.0 + 0.5 * fastrand::f64());
        *wait = (*wait * 2).min(BACKOFF.1);
        (Next::After(pause), words)
    }

    /// The same client id on two machines: each would throw the other out for ever (docs/aws-iot.md#6.26).
    fn taken_over(&mut self) -> (Next, String) {
        self.takeovers += 1;
        let id = self.client_id.clone();
        if self.takeovers >= 2 {
            let words = format!(
                "another client took over our client id {id} twice: stopped, so as not to throw each other out; end the \
                 other one, or give each its own client-id"
            );
            return (Next::Never, words);
        }
        if self.settings.mqtt.client_id.is_none() {
            self.client_id = client_id();
        }
        (Next::After(BACKOFF.0 * 5), format!("another client connected with our client id {id}"))
    }

    /// Waits; what could not be handed over yet is tried again meanwhile. True when it is time to end.
    async fn rest(&mut self, pause: Option<Duration>, control: &mut Control) -> bool {
        let until = pause.map(|pause| Instant::now() + pause);
        while until.is_none_or(|until| Instant::now() < until) {
            let flushed = self.flush();
            let most = if flushed && until.is_none() { 60_000 } else { 200 };
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            tokio::select! {
                end = called(&mut control.stop, &mut control.settings) => {
                    if matches!(end, End::Stopped) {
                        return true;
                    }
                    let settings = control.settings.borrow_and_update().clone();
                    self.take(&settings);
                }
                () = wished(&mut control.only) => {
                    let only = control.only.borrow_and_update().clone();
                    self.only = only;
                    self.take_aim();
                }
                () = tokio::time::sleep(left.min(Duration::from_millis(most))) => {}
            }
        }
        self.batcher.is_closed()
    }

    pub(super) fn tell(&mut self, event: LinkEvent) {
        let Some(event) = self.share.together(event) else { return };
        // A link that flaps while nobody takes events: the latest are what counts.
        if self.outbox.len() >= 256 {
            self.outbox.pop_front();
        }
        // Of several answers that wait the latest says all.
        let answer = |event: &LinkEvent| matches!(event, LinkEvent::Answered { .. });
        if answer(&event) && self.outbox.back().is_some_and(answer) {
            self.outbox.pop_back();
        }
        self.outbox.push_back(event);
        self.flush();
    }

    /// Messages first: they were received before what the outbox says.
    pub(super) fn flush(&mut self) -> bool {
        if !self.batcher.flush() {
            return false;
        }
        while let Some(event) = self.outbox.pop_front() {
            if let Err(error) = self.events.try_send(Event::Link(event)) {
                if let mpsc::error::TrySendError::Full(Event::Link(event)) = error {
                    self.outbox.push_front(event);
                }
                return false;
            }
        }
        true
    }
}

/// `quell-<user>-<random>`: unique, recognisable, and never a thing's name by accident.
pub(super) fn client_id() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let user: String = user.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(24).collect();
    let user = if user.is_empty() { "ops" } else { &user };
    format!("quell-{user}-{:08x}", fastrand::u32(..))
}
