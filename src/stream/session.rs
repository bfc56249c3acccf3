//! The connection's life: connect, subscribe, listen, come back. rumqttc's event loop is made anew for each connection:
//! then a signature is never old, and nothing of a lost session is sent again.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use rumqttc::{
    AsyncClient, ConnectionError, Event as Packet, EventLoop, Incoming, MqttOptions, Outgoing, QoS,
    SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};
use tokio::sync::{mpsc, watch};

use crate::config::Settings;
use crate::fleet::Ms;
use crate::fleet::event::{Event, LinkEvent, Notice, PresenceKind};
use crate::text::SafeText;

use super::batcher::Batcher;
use super::filters::Filters;
use super::now_ms;
use super::sign::signed_url;
use super::target::{Scheme, Target};
use super::tls;
use super::topics::Topics;

/// AWS allows 128 KiB of payload; topic, header and a pair of 8 KB shadow states come on top.
const PACKET: usize = 256 * 1024;
/// First and last step of the back-off.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A connection that lasted this long was healthy: the back-off begins anew.
const HEALTHY: Duration = Duration::from_secs(30);
/// AWS ends a signed WebSocket after 24 hours: better at a time of our choosing.
const RENEW: Duration = Duration::from_secs(23 * 3600);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// While traffic is dense the socket is left to fill for this long before each read (performance.md: it is waking up
/// for each packet that costs).
const COALESCE: Duration = Duration::from_millis(5);
/// Traffic is dense from this many messages in [`WINDOW`]: 250 a second.
const DENSE: u32 = 25;
/// See [`DENSE`].
const WINDOW: Duration = Duration::from_millis(100);
/// A dense stream is handed over this often; a quiet one at once.
const HAND_OVER: Duration = Duration::from_millis(20);

pub(super) struct Session {
    settings: Settings,
    target: Target,
    credentials: Option<SharedCredentialsProvider>,
    region: String,
    client_id: String,
    filters: Filters,
    batcher: Batcher,
    events: mpsc::Sender<Event>,
    /// Link events the console had no room for yet; they wait for the messages before them.
    outbox: VecDeque<LinkEvent>,
    /// Another client took our client id.
    usurped: bool,
    /// When the broker last said anything.
    heard: Ms,
}

/// Why a connection ended.
enum End {
    Stopped,
    Lost(String),
    /// Nothing came for so long that it must have been lost when the broker was last heard.
    Dead(String),
}

impl Session {
    pub(super) fn new(
        settings: &Settings,
        target: Target,
        credentials: Option<SharedCredentialsProvider>,
        region: String,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let (filters, over) = Filters::new(settings);
        let refused =
            |filter: String| LinkEvent::FilterRefused { at: now_ms(), filter: SafeText::new(&filter) };
        Self {
            settings: settings.clone(),
            target,
            credentials: if settings.aws { credentials } else { None },
            region,
            client_id: client_id(),
            filters,
            batcher: Batcher::new(Topics::new(settings.thing_from.clone()), events.clone()),
            events,
            outbox: over.into_iter().map(refused).collect(),
            usurped: false,
            heard: 0,
        }
    }

    pub(super) async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        let mut wait = BACKOFF.0;
        loop {
            self.tell(LinkEvent::Connecting { at: now_ms() });
            let began = Instant::now();
            let (reason, at) = match self.connection(&mut stop).await {
                End::Stopped => return,
                End::Lost(reason) => (reason, now_ms()),
                End::Dead(reason) => (reason, self.heard),
            };
            if let Some(filter) = self.filters.lost() {
                self.tell(LinkEvent::FilterRefused { at: now_ms(), filter: SafeText::new(&filter) });
            }
            let reason = if std::mem::take(&mut self.usurped) {
                self.client_id = client_id();
                "another client connected with our client id; a new one is taken".to_owned()
            } else {
                reason
            };
            if began.elapsed() >= HEALTHY {
                wait = BACKOFF.0;
            }
            // Jitter of a quarter either way: consoles that lost a broker together must not come back together.
            let pause = wait.mul_f64(0.75 + 0.5 * fastrand::f64());
            wait = (wait * 2).min(BACKOFF.1);
            let retry_at = now_ms() + Ms::try_from(pause.as_millis()).unwrap_or(0);
            self.tell(LinkEvent::Down {
                at,
                reason: SafeText::limited(reason.as_bytes(), 300),
                retry_at: Some(retry_at),
            });
            let until = Instant::now() + pause;
            // What could not be handed over yet is tried again while waiting.
            while Instant::now() < until {
                self.flush();
                let step = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(200));
                tokio::select! {
                    _ = stop.changed() => return,
                    () = tokio::time::sleep(step) => {}
                }
            }
            if self.batcher.is_closed() {
                return;
            }
        }
    }

    fn tell(&mut self, event: LinkEvent) {
        // A link that flaps while nobody takes events: the latest are what counts.
        if self.outbox.len() >= 256 {
            self.outbox.pop_front();
        }
        self.outbox.push_back(event);
        self.flush();
    }

    /// Messages first: they were received before what the outbox says.
    fn flush(&mut self) -> bool {
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

    async fn options(&self) -> Result<MqttOptions, String> {
        let target = &self.target;
        let mut options = if target.is_websocket() {
            let url = match &self.credentials {
                Some(provider) => {
                    let credentials = provider
                        .provide_credentials()
                        .await
                        .map_err(|e| format!("credentials: {}", chain(&e)))?;
                    signed_url(target, &credentials, &self.region, SystemTime::now())?
                }
                None => target.url(),
            };
            MqttOptions::new(&self.client_id, url, target.port)
        } else {
            MqttOptions::new(&self.client_id, &target.host, target.port)
        };
        match target.scheme {
            Scheme::Ws => {
                options.set_transport(Transport::ws());
            }
            Scheme::Wss => {
                let tls = TlsConfiguration::Rustls(tls::config(&self.settings.mqtt, None)?);
                options.set_transport(Transport::wss_with_config(tls));
            }
            Scheme::Mqtts => {
                // On 443 AWS tells MQTT from HTTPS by ALPN (contract §3.1).
                let alpn = (target.port == 443).then_some(&b"x-amzn-mqtt-ca"[..]);
                let tls = TlsConfiguration::Rustls(tls::config(&self.settings.mqtt, alpn)?);
                options.set_transport(Transport::tls_with_config(tls));
            }
            Scheme::Mqtt => {}
        }
        options
            .set_keep_alive(self.settings.mqtt.keep_alive)
            .set_max_packet_size(PACKET, PACKET)
            .set_clean_session(true);
        Ok(options)
    }

    async fn connection(&mut self, stop: &mut watch::Receiver<bool>) -> End {
        let options = tokio::select! {
            _ = stop.changed() => return End::Stopped,
            options = self.options() => match options {
                Ok(options) => options,
                Err(reason) => return End::Lost(reason),
            },
        };
        let (client, mut eventloop) = AsyncClient::new(options, 16);
        eventloop.network_options.set_tcp_nodelay(true);
        eventloop.network_options.set_connection_timeout(CONNECT.as_secs());
        let renew = tokio::time::Instant::now() + RENEW;
        let mut renewal = pin!(tokio::time::sleep_until(renew));
        let mut pace = Pace::default();
        let mut asked_id = None;
        loop {
            let packet = tokio::select! {
                biased;
                packet = self.next(&mut eventloop, &mut pace) => packet,
                _ = stop.changed() => return End::Stopped,
                () = &mut renewal => return End::Lost("renewed before AWS's limit of 24 hours".into()),
            };
            if matches!(packet, Ok(Packet::Incoming(_))) {
                self.heard = now_ms();
            }
            match packet {
                Ok(Packet::Incoming(Incoming::Publish(publish))) => {
                    self.batcher.push(&publish.topic, &publish.payload, self.heard);
                    pace.heard();
                    self.look_for_usurper();
                    if self.batcher.is_closed() {
                        return End::Stopped;
                    }
                }
                Ok(Packet::Incoming(Incoming::ConnAck(_))) => {
                    self.filters.begin();
                    if !self.subscribe(&client) {
                        return End::Lost("no room to subscribe".into());
                    }
                }
                Ok(Packet::Outgoing(Outgoing::Subscribe(id))) => asked_id = Some(id),
                Ok(Packet::Incoming(Incoming::SubAck(ack))) if Some(ack.pkid) == asked_id => {
                    let accepted: Vec<bool> = ack
                        .return_codes
                        .iter()
                        .map(|c| matches!(c, SubscribeReasonCode::Success(_)))
                        .collect();
                    for filter in self.filters.answered(&accepted) {
                        self.tell(LinkEvent::FilterRefused { at: now_ms(), filter: SafeText::new(&filter) });
                    }
                    if !self.subscribe(&client) {
                        return End::Lost("no room to subscribe".into());
                    }
                }
                Ok(Packet::Incoming(Incoming::Disconnect)) => return End::Lost("the broker hung up".into()),
                Ok(_) => {}
                Err(error @ ConnectionError::MqttState(rumqttc::StateError::AwaitPingResp)) => {
                    return End::Dead(words(&error));
                }
                Err(error) => return End::Lost(words(&error)),
            }
        }
    }

    /// Sends the next SUBSCRIBE, or says that the link is up when there is none left.
    fn subscribe(&mut self, client: &AsyncClient) -> bool {
        match self.filters.next() {
            Some(filters) => {
                let filters =
                    filters.iter().map(|path| SubscribeFilter { path: path.clone(), qos: QoS::AtMostOnce });
                // `try_`: waiting for room here would wait for ourselves.
                client.try_subscribe_many(filters.collect::<Vec<_>>()).is_ok()
            }
            None => {
                let filters = self.filters.accepted().iter().map(|f| SafeText::new(f)).collect();
                let client_id = SafeText::new(&self.client_id);
                self.tell(LinkEvent::Up { at: now_ms(), client_id, filters });
                true
            }
        }
    }

    /// The next packet. Meanwhile batches are handed over; the event loop's own future is never dropped half-way except
    /// when the connection ends.
    async fn next(&mut self, eventloop: &mut EventLoop, pace: &mut Pace) -> Result<Packet, ConnectionError> {
        let connected = eventloop.network.is_some();
        let mut poll = pin!(eventloop.poll());
        let ready = std::future::poll_fn(|context| Poll::Ready(poll.as_mut().poll(context))).await;
        if let Poll::Ready(packet) = ready {
            // A stream that never pauses must not keep its batch.
            if pace.is_due() {
                self.flush();
            }
            return packet;
        }
        if connected && pace.is_dense() {
            if pace.is_due() {
                self.flush();
            }
            // This thread has nothing else to do: sleeping it coalesces better than a timer of the runtime.
            std::thread::sleep(COALESCE);
            if let Poll::Ready(packet) =
                std::future::poll_fn(|context| Poll::Ready(poll.as_mut().poll(context))).await
            {
                return packet;
            }
        }
        loop {
            if self.flush() {
                pace.flushed();
                return poll.await;
            }
            // The console is busy: try again soon, and keep reading meanwhile.
            if let Ok(packet) = tokio::time::timeout(HAND_OVER, poll.as_mut()).await {
                return packet;
            }
        }
    }

    /// The same client id on two machines: each would throw the other out for ever (contract §6.26).
    fn look_for_usurper(&mut self) {
        if let Some(Notice::Presence {
            client, kind: PresenceKind::Disconnected, reason: Some(reason), ..
        }) = self.batcher.notices().last()
            && client.raw() == self.client_id
            && reason.as_str() == "DUPLICATE_CLIENTID"
        {
            self.usurped = true;
        }
    }
}

/// How dense the traffic is.
#[derive(Debug)]
struct Pace {
    since: Instant,
    heard: u32,
    before: u32,
    flushed: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        let now = Instant::now();
        Self { since: now, heard: 0, before: 0, flushed: now }
    }
}

impl Pace {
    fn heard(&mut self) {
        self.heard += 1;
    }

    fn is_dense(&mut self) -> bool {
        let elapsed = self.since.elapsed();
        if elapsed >= WINDOW {
            self.before = if elapsed < WINDOW * 2 { self.heard } else { 0 };
            self.heard = 0;
            self.since = Instant::now();
        }
        self.before >= DENSE || self.heard >= DENSE
    }

    fn is_due(&mut self) -> bool {
        // Looking at the clock for each message would cost more than the message.
        if !self.heard.is_multiple_of(64) && self.heard != 0 {
            return false;
        }
        let due = self.flushed.elapsed() >= HAND_OVER;
        if due {
            self.flushed = Instant::now();
        }
        due
    }

    fn flushed(&mut self) {
        self.flushed = Instant::now();
    }
}

/// `quell-<user>-<random>`: unique, recognisable, and never a thing's name by accident.
fn client_id() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let user: String = user.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(24).collect();
    let user = if user.is_empty() { "ops" } else { &user };
    format!("quell-{user}-{:08x}", fastrand::u32(..))
}

/// One sentence for what went wrong, without the signed URL.
fn words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Websocket(error) if error.to_string().contains("403") => {
            "the broker refused the signature (HTTP 403): credentials, iot:Connect, or a clock off by 5 minutes".into()
        }
        ConnectionError::NetworkTimeout => "no connection in time".into(),
        ConnectionError::ConnectionRefused(code) => format!("the broker refused the connection: {code:?}"),
        ConnectionError::MqttState(rumqttc::StateError::ConnectionAborted) => "the broker hung up".into(),
        ConnectionError::MqttState(rumqttc::StateError::AwaitPingResp) => "the broker stopped answering".into(),
        other => chain(other),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        next = error.source();
    }
    out
}
