//! One connection, from its CONNECT to its end.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use bytestring::ByteString;
use rmqtt_codec::types::QoS;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use super::index::{Matched, SubOptions};
use super::lifecycle::uuid;
use super::session::{Cut, Delivery, Live, MOST_IN_FLIGHT, SessionState};
use super::wire::{Hello, In, Out, Wire};
use super::{Broker, Connection, Peer, topic};
use crate::emulator::hooks::{Action, Routing, Session};

/// A CONNECT must arrive within this time.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A peer that takes nothing for this long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// AWS ends a WebSocket after a day.
const WEBSOCKET_LIFE: Duration = Duration::from_secs(24 * 3600);
/// AWS's largest payload.
const LARGEST_PAYLOAD: usize = 128 * 1024;
/// AWS's most filters in one SUBSCRIBE, and subscriptions on one connection.
const MOST_FILTERS: usize = 8;
const MOST_SUBSCRIPTIONS: usize = 50;
/// AWS's default and longest life of a session without connection, in seconds.
const SESSION_DEFAULT: u32 = 3600;
const SESSION_LONGEST: u32 = 7 * 24 * 3600;
/// Deliveries written in one go before the socket is looked at again.
const DELIVERY_ROUND: usize = 256;
/// Topics whose subscribers a connection remembers.
const CACHED_TOPICS: usize = 1024;

/// Why a connection ends, in AWS's words, and what MQTT 5 says first.
struct End {
    reason: String,
    code: Option<u8>,
    will: bool,
    clean_session: bool,
}

impl End {
    fn new(reason: &str, code: u8) -> Self {
        Self { reason: reason.to_owned(), code: Some(code), will: true, clean_session: false }
    }

    fn lost() -> Self {
        Self { reason: "CONNECTION_LOST".into(), code: None, will: true, clean_session: false }
    }

    fn client_error(code: u8) -> Self {
        Self::new("CLIENT_ERROR", code)
    }

    /// A denied publish or subscribe.
    fn denied() -> Self {
        Self::new("AUTH_ERROR", 0x87)
    }
}

impl From<Cut> for End {
    fn from(cut: Cut) -> Self {
        Self {
            reason: cut.reason,
            code: Some(cut.code),
            will: !cut.prevent_will,
            clean_session: cut.clean_session,
        }
    }
}

/// Serves a connection whose transport has been authenticated.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(broker: &Broker, mut io: S, peer: Peer) {
    broker.sweep();
    let mut input = BytesMut::with_capacity(4096);
    let greeting = tokio::time::timeout(CONNECT_LIMIT, greet(&mut io, &mut input)).await;
    let Ok(Some((mut wire, hello))) = greeting else { return };
    let mut output = BytesMut::new();

    let (client_id, assigned) = match client_id(&hello) {
        Ok(id) => id,
        Err(code) => {
            refuse(&mut wire, &mut io, output, code).await;
            return;
        }
    };
    let who = Session {
        client_id: Arc::from(&*client_id),
        principal: peer.principal.clone(),
        serial: broker.next_serial(),
        ip: peer.remote.ip(),
    };
    if let Err((action, resource)) = may_connect(broker, &who, &hello) {
        broker.hooks.denied(&who, action, &resource);
        broker.tell_connect_failed(&who);
        refuse(&mut wire, &mut io, output, 0x87).await;
        return;
    }

    let keep_alive = match hello.keep_alive {
        0 | 1201.. => 1200,
        n => n.max(30),
    };
    let expiry = match hello.expiry {
        None => SESSION_DEFAULT,
        Some(seconds) => seconds.min(SESSION_LONGEST),
    };
    let live = Live::new(who.clone());
    let (session, present, version) = broker.admit(
        &live,
        &hello,
        Connection {
            connected: true,
            connected_since: broker.clock.now_ms(),
            disconnected_since: None,
            disconnect_reason: None,
            keep_alive,
            clean_session: hello.clean,
            session_expiry: expiry,
            principal: peer.principal.clone(),
            remote: peer.remote,
            local: peer.local,
        },
    );
    wire.encode(
        Out::ConnAck {
            code: 0,
            present,
            keep_alive: (keep_alive != hello.keep_alive).then_some(keep_alive),
            assigned,
            expiry: (hello.expiry.is_some_and(|asked| asked != expiry)).then_some(expiry),
        },
        &mut output,
    );
    let session_id = uuid();
    broker.connections.fetch_add(1, Ordering::Relaxed);
    broker.hooks.connected(&who);
    broker.tell_connected(&who, &session_id, version);

    let mut task = Task {
        broker,
        wire,
        who,
        live,
        session,
        session_id,
        aliases: HashMap::new(),
        cache: HashMap::new(),
        cache_generation: 0,
        window: hello.receive_max.clamp(1, MOST_IN_FLIGHT),
        input,
        output,
        // A client may be late by half its keep-alive.
        patience: Duration::from_secs(u64::from(keep_alive)).mul_f32(1.5),
        dies: Instant::now() + if peer.websocket { WEBSOCKET_LIFE } else { WEBSOCKET_LIFE * 7 },
        websocket: peer.websocket,
    };
    let end = task.serve(&mut io).await;
    if let Some(code) = end.code
        && task.wire.is_v5()
    {
        task.wire.encode(Out::Disconnect(code), &mut task.output);
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), async {
        io.write_all_buf(&mut task.output).await?;
        io.shutdown().await
    })
    .await;
    task.finish(end, hello, expiry, version);
}

/// Reads until the CONNECT is whole.
async fn greet<S: AsyncRead + Unpin>(io: &mut S, input: &mut BytesMut) -> Option<(Wire, Hello)> {
    let mut wire = None;
    loop {
        if wire.is_none() && !input.is_empty() {
            wire = Wire::sniff(input).ok()?;
        }
        if let Some(w) = &mut wire {
            match w.decode(input).ok()? {
                Some(In::Connect(hello)) => return wire.map(|w| (w, hello)),
                Some(_) => return None,
                None => {}
            }
        }
        if io.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
}

/// The client id to use and, when AWS chose it, that id for the CONNACK. Errors are MQTT 5 reason codes.
fn client_id(hello: &Hello) -> Result<(ByteString, Option<ByteString>), u8> {
    if hello.client_id.is_empty() {
        if !hello.clean {
            return Err(0x85);
        }
        let id = ByteString::from(format!("$GEN/{}", uuid()));
        return Ok((id.clone(), Some(id)));
    }
    if hello.client_id.len() > 128 || hello.client_id.contains('\0') {
        return Err(0x85);
    }
    Ok((hello.client_id.clone(), None))
}

/// A connect is authorized when the client id and the last will's topic are.
fn may_connect(broker: &Broker, who: &Session, hello: &Hello) -> Result<(), (Action, String)> {
    let mut needed = vec![(Action::Connect, who.client_id.to_string())];
    if let Some(will) = &hello.will {
        needed.push((Action::Publish, will.topic.to_string()));
        if will.retain {
            needed.push((Action::RetainPublish, will.topic.to_string()));
        }
    }
    needed.into_iter().try_for_each(|(action, resource)| {
        if broker.hooks.authorize(who, action, &resource) { Ok(()) } else { Err((action, resource)) }
    })
}

async fn refuse<S: AsyncWrite + Unpin>(wire: &mut Wire, io: &mut S, mut output: BytesMut, code: u8) {
    wire.encode(
        Out::ConnAck { code, present: false, keep_alive: None, assigned: None, expiry: None },
        &mut output,
    );
    let _ = tokio::time::timeout(Duration::from_secs(1), async {
        io.write_all_buf(&mut output).await?;
        io.shutdown().await
    })
    .await;
}

impl Broker {
    /// Makes `live` the connection of its client id: evicts the one before, resumes or clears the session.
    fn admit(&self, live: &Arc<Live>, hello: &Hello, info: Connection) -> (Arc<SessionState>, bool, u64) {
        let session = Arc::clone(
            self.sessions
                .lock()
                .entry(Arc::clone(&live.who.client_id))
                .or_insert_with(|| SessionState::new(&live.who.client_id)),
        );
        let (before, fresh) = {
            let mut inner = session.inner.lock();
            let before = inner.live.take();
            let expired = inner.expires.is_some_and(|at| at <= std::time::Instant::now());
            (before, hello.clean || expired)
        };
        if let Some(before) = before {
            before.order(Cut {
                reason: "DUPLICATE_CLIENTID".into(),
                code: 0x8e,
                clean_session: false,
                prevent_will: false,
            });
        }
        if fresh {
            self.drop_session(&session);
        }
        let mut inner = session.inner.lock();
        let present = !fresh && (inner.expires.is_some() || !inner.subscriptions.is_empty());
        inner.expires = None;
        inner.version += 1;
        let version = inner.version;
        inner.info = Some(info);
        // What was sent and not acknowledged goes first, again.
        while let Some((_, delivery)) = inner.in_flight.pop_back() {
            inner.queue.push_front(delivery);
        }
        session.set_live(&mut inner, Some(Arc::clone(live)));
        drop(inner);
        (session, present, version)
    }
}

/// The state of a running connection.
struct Task<'a> {
    broker: &'a Broker,
    wire: Wire,
    who: Session,
    live: Arc<Live>,
    session: Arc<SessionState>,
    session_id: String,
    aliases: HashMap<u16, ByteString>,
    cache: HashMap<ByteString, Arc<Matched>>,
    cache_generation: u64,
    window: usize,
    input: BytesMut,
    output: BytesMut,
    patience: Duration,
    dies: Instant,
    websocket: bool,
}

impl Task<'_> {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&mut self, io: &mut S) -> End {
        let mut heard = Instant::now();
        loop {
            if let Some(cut) = self.live.cut() {
                return cut.into();
            }
            let more = self.deliver();
            if let Err(end) = self.flush(io).await {
                return end;
            }
            if more {
                continue;
            }
            self.input.reserve(16 * 1024);
            let patience = tokio::time::sleep_until((heard + self.patience).min(self.dies));
            tokio::select! {
                biased;
                () = self.live.wake.notified() => {}
                read = io.read_buf(&mut self.input) => {
                    match read {
                        Ok(0) | Err(_) => return End::lost(),
                        Ok(_) => heard = Instant::now(),
                    }
                    if let Err(end) = self.handle_input().await {
                        return end;
                    }
                }
                () = patience => {
                    return if self.websocket && Instant::now() >= self.dies {
                        End::new("WEBSOCKET_TTL_EXPIRATION", 0xa0)
                    } else {
                        End::new("MQTT_KEEP_ALIVE_TIMEOUT", 0x8d)
                    };
                }
            }
        }
    }

    async fn flush<S: AsyncWrite + Unpin>(&mut self, io: &mut S) -> Result<(), End> {
        while self.output.has_remaining() {
            tokio::select! {
                biased;
                wrote = tokio::time::timeout(WRITE_LIMIT, io.write_buf(&mut self.output)) => match wrote {
                    Ok(Ok(n)) if n > 0 => {}
                    _ => return Err(End::lost()),
                },
                () = self.live.wake.notified() => {
                    if let Some(cut) = self.live.cut() {
                        return Err(cut.into());
                    }
                }
            }
        }
        io.flush().await.map_err(|_| End::lost())
    }

    /// Writes waiting messages into the output, as far as the window of unacknowledged ones allows; true when a whole round
    /// was written and more may wait.
    fn deliver(&mut self) -> bool {
        let mut taken = 0;
        while taken < DELIVERY_ROUND {
            let mut inner = self.session.inner.lock();
            let blocked =
                inner.queue.front().is_some_and(|d| d.qos > 0 && inner.in_flight.len() >= self.window);
            if blocked {
                return false;
            }
            let Some(delivery) = inner.queue.pop_front() else { return false };
            drop(inner);
            taken += 1;
            if delivery.expires.is_some_and(|at| at <= std::time::Instant::now())
                || !self.broker.hooks.authorize(&self.who, Action::Receive, &delivery.topic)
            {
                continue;
            }
            let id = if delivery.qos > 0 {
                let mut inner = self.session.inner.lock();
                let id = inner.packet_id();
                inner.in_flight.push_back((id, delivery.clone()));
                NonZeroU16::new(id)
            } else {
                None
            };
            self.wire.encode(Out::Publish { delivery: &delivery, id, dup: false }, &mut self.output);
            self.broker.delivered.fetch_add(1, Ordering::Relaxed);
            self.broker.hooks.delivered(&self.who, &delivery.topic);
        }
        true
    }

    async fn handle_input(&mut self) -> Result<(), End> {
        // 0x81: malformed packet.
        while let Some(packet) = self.wire.decode(&mut self.input).map_err(|_| End::client_error(0x81))? {
            match packet {
                In::Publish(publish) => {
                    self.publish(*publish)?;
                    // A flooding publisher must not keep its worker from everybody else.
                    tokio::task::consume_budget().await;
                }
                In::PubAck(id) => self.session.inner.lock().in_flight.retain(|(held, _)| *held != id),
                In::Subscribe { id, filters, identifier } => self.subscribe(id, filters, identifier)?,
                In::Unsubscribe { id, filters } => self.unsubscribe(id, &filters),
                In::Ping => self.wire.encode(Out::Pong, &mut self.output),
                In::Disconnect(with_will) => {
                    return Err(End {
                        reason: "CLIENT_INITIATED_DISCONNECT".into(),
                        code: None,
                        will: with_will,
                        clean_session: false,
                    });
                }
                // 0x82: protocol error.
                In::Connect(_) | In::Unsupported => return Err(End::client_error(0x82)),
            }
        }
        Ok(())
    }

    fn publish(&mut self, publish: rmqtt_codec::types::Publish) -> Result<(), End> {
        if publish.qos == QoS::ExactlyOnce {
            return Err(End::client_error(0x9b));
        }
        let name = self.resolve_alias(&publish)?;
        if !topic::name_ok(&name) {
            return Err(End::client_error(0x90));
        }
        if publish.payload.len() > LARGEST_PAYLOAD {
            return Err(End::client_error(0x95));
        }
        if !topic::publishable(&name) {
            return Err(End::new("FORBIDDEN_ACCESS", 0x87));
        }
        for action in
            [Some(Action::Publish), publish.retain.then_some(Action::RetainPublish)].into_iter().flatten()
        {
            if !self.broker.hooks.authorize(&self.who, action, &name) {
                self.broker.hooks.denied(&self.who, action, &name);
                if let (Some(id), true) = (publish.packet_id, self.wire.is_v5()) {
                    self.wire.encode(Out::PubAck { id, code: 0x87 }, &mut self.output);
                }
                return Err(End::denied());
            }
        }
        // A copy of its own: the payload otherwise keeps the whole read buffer alive while it waits in queues.
        let payload = Bytes::copy_from_slice(&publish.payload);
        self.broker.published.fetch_add(1, Ordering::Relaxed);
        let routing = self.broker.hooks.published(&self.who, &name, &payload);
        if routing == Routing::Subscribers && !name.starts_with("$aws/rules/") {
            let expires = publish
                .properties
                .as_ref()
                .and_then(|p| p.message_expiry_interval)
                .map(|s| std::time::Instant::now() + Duration::from_secs(u64::from(s.get())));
            let delivery = Delivery {
                topic: name.clone(),
                payload,
                qos: publish.qos.value(),
                retain: publish.retain,
                properties: publish.properties.map(|mut p| {
                    p.topic_alias = None;
                    p.subscription_ids.clear();
                    Arc::new(p)
                }),
                expires,
            };
            if publish.retain {
                self.broker.keep(&delivery);
            }
            let matched = self.matched(&name);
            self.broker.route(&matched, &delivery, Some(&self.who.client_id));
        }
        if let Some(id) = publish.packet_id {
            self.wire.encode(Out::PubAck { id, code: 0 }, &mut self.output);
        }
        Ok(())
    }

    /// MQTT 5: an empty topic with an alias means the topic the alias was given.
    fn resolve_alias(&mut self, publish: &rmqtt_codec::types::Publish) -> Result<ByteString, End> {
        let Some(alias) = publish.properties.as_ref().and_then(|p| p.topic_alias) else {
            return Ok(publish.topic.clone());
        };
        if alias.get() > 8 {
            return Err(End::client_error(0x94));
        }
        if publish.topic.is_empty() {
            return self.aliases.get(&alias.get()).cloned().ok_or_else(|| End::client_error(0x82));
        }
        self.aliases.insert(alias.get(), publish.topic.clone());
        Ok(publish.topic.clone())
    }

    fn matched(&mut self, name: &ByteString) -> Arc<Matched> {
        let generation = self.broker.index.generation();
        if generation != self.cache_generation || self.cache.len() > CACHED_TOPICS {
            self.cache.clear();
            self.cache_generation = generation;
        }
        Arc::clone(
            self.cache.entry(name.clone()).or_insert_with(|| Arc::new(self.broker.index.matches(name))),
        )
    }

    fn subscribe(
        &mut self,
        id: NonZeroU16,
        filters: Vec<(ByteString, SubOptions, bool)>,
        identifier: bool,
    ) -> Result<(), End> {
        if identifier {
            return Err(End::client_error(0xa1));
        }
        if filters.iter().any(|(filter, _, _)| !topic::filter_ok(filter)) {
            return Err(End::client_error(0x8f));
        }
        if filters.iter().any(|(_, _, exactly_once)| *exactly_once) {
            // AWS has no QoS 2 and does not answer such a SUBSCRIBE; MQTT 5 was told so in the CONNACK.
            return if self.wire.is_v5() { Err(End::client_error(0x9b)) } else { Ok(()) };
        }
        if filters.len() > MOST_FILTERS {
            self.wire.encode(Out::SubAck { id, codes: vec![0x97; filters.len()] }, &mut self.output);
            return Ok(());
        }
        let (mut codes, mut granted, mut denied) = (Vec::new(), Vec::new(), false);
        for (filter, options, _) in &filters {
            let plain = topic::share(filter).map_or(&**filter, |(_, inner)| inner);
            if !self.broker.hooks.authorize(&self.who, Action::Subscribe, plain) {
                self.broker.hooks.denied(&self.who, Action::Subscribe, plain);
                codes.push(0x87);
                denied = true;
                continue;
            }
            let mut inner = self.session.inner.lock();
            let known = inner.subscriptions.contains_key(&**filter);
            if !known && inner.subscriptions.len() >= MOST_SUBSCRIPTIONS {
                codes.push(0x97);
                continue;
            }
            inner.subscriptions.insert(filter.to_string(), *options);
            drop(inner);
            self.broker.index.add(filter, &self.session, *options);
            codes.push(options.qos);
            granted.push(filter.to_string());
        }
        self.wire.encode(Out::SubAck { id, codes }, &mut self.output);
        for filter in &granted {
            if let Some(mut held) = self.broker.retained(filter) {
                let options = self.session.inner.lock().subscriptions.get(filter).copied();
                held.qos = held.qos.min(options.map_or(0, |o| o.qos));
                self.session.push(held);
            }
        }
        if !granted.is_empty() {
            self.broker.tell_topics("subscribed", &self.who, &self.session_id, &granted);
        }
        if denied { Err(End::denied()) } else { Ok(()) }
    }

    fn unsubscribe(&mut self, id: NonZeroU16, filters: &[ByteString]) {
        let mut gone = Vec::new();
        let found = filters
            .iter()
            .map(|filter| {
                let had = self.session.inner.lock().subscriptions.remove(&**filter).is_some();
                if had {
                    self.broker.index.remove(filter, &self.session);
                    gone.push(filter.to_string());
                }
                had
            })
            .collect();
        self.wire.encode(Out::UnsubAck { id, found }, &mut self.output);
        if !gone.is_empty() {
            self.broker.tell_topics("unsubscribed", &self.who, &self.session_id, &gone);
        }
    }

    /// The end: the session waits or is dropped, the will is published, the world is told.
    fn finish(self, end: End, hello: Hello, expiry: u32, version: u64) {
        let mut inner = self.session.inner.lock();
        let current = inner.live.as_ref().is_some_and(|l| Arc::ptr_eq(l, &self.live));
        if current {
            self.session.set_live(&mut inner, None);
            if let Some(info) = &mut inner.info {
                info.connected = false;
                info.disconnected_since = Some(self.broker.clock.now_ms());
                info.disconnect_reason = Some(end.reason.clone());
            }
            if expiry > 0 && !end.clean_session {
                inner.expires = Some(std::time::Instant::now() + Duration::from_secs(u64::from(expiry)));
                inner.queue.retain(|d| d.qos > 0);
            }
        }
        drop(inner);
        if current && (expiry == 0 || end.clean_session) {
            self.broker.drop_session(&self.session);
        }
        if let Some(will) = hello.will.filter(|_| end.will) {
            let delivery = Delivery {
                topic: will.topic,
                payload: will.payload,
                qos: will.qos.min(1),
                retain: will.retain,
                properties: None,
                expires: None,
            };
            let routing = self.broker.hooks.published(&self.who, &delivery.topic, &delivery.payload);
            if routing == Routing::Subscribers
                && topic::name_ok(&delivery.topic)
                && topic::publishable(&delivery.topic)
            {
                if will.retain {
                    self.broker.keep(&delivery);
                }
                let matched = self.broker.index.matches(&delivery.topic);
                self.broker.route(&matched, &delivery, None);
            }
        }
        self.broker.hooks.disconnected(&self.who, &end.reason);
        self.broker.tell_disconnected(&self.who, &self.session_id, version, &end.reason);
    }
}
