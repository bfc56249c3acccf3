//! The beginning: a CONNECT that is whole in time, allowed, and given a session.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use bytestring::ByteString;
use tokio::time::Instant;

use super::{SMALL_READ, Task, farewell, read, window};
use crate::broker::lifecycle::uuid;
use crate::broker::limits::{SESSION_DEFAULT, SESSION_LONGEST};
use crate::broker::pace::Pace;
use crate::broker::session::{Cut, Live, SessionState};
use crate::broker::wire::{Hello, In, Malformed, Out, Wire};
use crate::broker::{Action, Broker, ConnectAttributes, Connection, Host, Peer, Session, Stream, topic};

/// One of the connections there may be at the same time.
pub(super) struct Seat<'a>(&'a AtomicUsize);

impl<'a> Seat<'a> {
    fn take(broker: &'a Broker) -> Option<Self> {
        let seat = Self(&broker.live);
        // Given back by the drop where it was one too many.
        (broker.live.fetch_add(1, Ordering::Relaxed) < broker.limits.connections).then_some(seat)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The session of a new connection.
struct Admitted {
    session: Arc<SessionState>,
    present: bool,
    version: u64,
}

/// Reads the CONNECT and answers it; `None` when the connection was refused.
pub(super) async fn welcome<'a>(
    broker: &'a Broker,
    host: &'a dyn Host,
    io: &mut Box<dyn Stream>,
    peer: Peer,
) -> Option<Task<'a>> {
    let mut input = BytesMut::new();
    let greeting = tokio::time::timeout(broker.limits.connect, greet(io, &mut input)).await;
    let (mut wire, hello) = greeting.ok()??;
    let (client_id, assigned) = match acceptable(&hello) {
        Ok(id) => id,
        Err(code) => {
            refuse(&mut wire, io, code).await;
            return None;
        }
    };
    let who = Session {
        client_id: Arc::from(&*client_id),
        principal: peer.principal.clone(),
        serial: broker.next_serial(),
        ip: peer.remote.ip(),
        attributes: ConnectAttributes {
            persistent: !hello.clean || hello.expiry != Some(0),
            last_will: hello.will.is_some(),
        },
    };
    if let Err((action, resource)) = may_connect(host, &who, &hello) {
        host.denied(&who, action, &resource);
        broker.tell_connect_failed(&who);
        refuse(&mut wire, io, 0x87).await;
        return None;
    }

    let Some(seat) = Seat::take(broker) else {
        tracing::warn!(client = %who.client_id, "refused: as many connections as there may be");
        // Quota exceeded; server unavailable in 3.1.1.
        refuse(&mut wire, io, 0x97).await;
        return None;
    };
    let keep_alive = broker.limits.keep_alive(hello.keep_alive);
    let expiry = match hello.expiry {
        None => SESSION_DEFAULT,
        Some(seconds) => seconds.min(SESSION_LONGEST),
    };
    let live = Live::new(who.clone());
    let info = Connection {
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
    };
    let Admitted { session, present, version } = broker.admit(&live, hello.clean, info).await;
    let limits = &broker.limits;
    let life = if peer.websocket { limits.websocket_life } else { limits.certificate_life };
    let mut task = Task {
        broker,
        host,
        // A client may be late by half its keep-alive.
        patience: Duration::from_secs(u64::from(keep_alive)).mul_f32(1.5),
        redelivery: if wire.is_v5() { limits.redelivery_v5 } else { limits.redelivery_v3 },
        wire,
        who,
        live,
        session,
        session_id: uuid(),
        version,
        will: hello.will,
        expiry,
        aliases: HashMap::new(),
        cache: HashMap::new(),
        cache_generation: 0,
        window: window(hello.receive_max),
        pace: Pace::new(&peer.principal, &broker.limits, broker.clock.speed()),
        round: Vec::new(),
        input,
        room: SMALL_READ,
        output: BytesMut::new(),
        dies: Instant::now() + life,
        websocket: peer.websocket,
        _seat: seat,
    };
    task.wire.encode(
        Out::ConnAck {
            code: 0,
            present,
            keep_alive: (keep_alive != hello.keep_alive).then_some(keep_alive),
            assigned,
            expiry: hello.expiry.is_some_and(|asked| asked != expiry).then_some(expiry),
        },
        &mut task.output,
    );
    broker.connections.fetch_add(1, Ordering::Relaxed);
    host.connected(&task.who);
    broker.tell_connected(&task.who, &task.session_id, version);
    Some(task)
}

/// Reads until the CONNECT is whole.
async fn greet(io: &mut Box<dyn Stream>, input: &mut BytesMut) -> Option<(Wire, Hello)> {
    let mut wire = None;
    loop {
        if wire.is_none() && !input.is_empty() {
            wire = Wire::sniff(input).ok()?;
        }
        if let Some(w) = &mut wire {
            match w.decode(input) {
                Ok(Some(In::Connect(hello))) => return wire.map(|w| (w, hello)),
                Ok(None) => {}
                Ok(Some(_)) | Err(Malformed(_)) => return None,
            }
        }
        if read(io, input, SMALL_READ).await.ok()? == 0 {
            return None;
        }
    }
}

/// The client id to use and, when AWS chose it, that id for the CONNACK. Errors are MQTT 5 reason codes.
fn acceptable(hello: &Hello) -> Result<(ByteString, Option<ByteString>), u8> {
    if let Some(code) = hello.refusal {
        return Err(code);
    }
    if let Some(will) = &hello.will {
        // A will is a publish that is checked now, because nobody is there to be told later.
        if !topic::name_ok(&will.topic) || !topic::publishable(&will.topic) {
            return Err(0x90);
        }
        if will.qos > 1 {
            return Err(0x9b);
        }
    }
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
fn may_connect(host: &dyn Host, who: &Session, hello: &Hello) -> Result<(), (Action, String)> {
    let mut needed = vec![(Action::Connect, who.client_id.to_string())];
    if let Some(will) = &hello.will {
        needed.push((Action::Publish, will.topic.to_string()));
        if will.retain {
            needed.push((Action::RetainPublish, will.topic.to_string()));
        }
    }
    needed.into_iter().try_for_each(|(action, resource)| {
        if host.authorize(who, action, &resource) { Ok(()) } else { Err((action, resource)) }
    })
}

async fn refuse(wire: &mut Wire, io: &mut Box<dyn Stream>, code: u8) {
    let mut output = BytesMut::new();
    let ack = Out::ConnAck { code, present: false, keep_alive: None, assigned: None, expiry: None };
    wire.encode(ack, &mut output);
    farewell(io, &mut output).await;
}

impl Broker {
    /// Makes `live` the connection of its client id, after the one before has ended; resumes or clears the session.
    async fn admit(&self, live: &Arc<Live>, clean: bool, info: Connection) -> Admitted {
        loop {
            let before = match self.try_admit(live, clean, &info) {
                Ok(admitted) => return admitted,
                Err(before) => before,
            };
            // 0x8e: session taken over.
            before.order(Cut {
                reason: "DUPLICATE_CLIENTID".into(),
                code: 0x8e,
                clean_session: false,
                prevent_will: false,
            });
            before.over().await;
        }
    }

    /// Fails with the connection that has the client id now.
    fn try_admit(&self, live: &Arc<Live>, clean: bool, info: &Connection) -> Result<Admitted, Arc<Live>> {
        // Both locks, so that a sweep forgets the session either before or not at all.
        let mut sessions = self.sessions.lock();
        let session = Arc::clone(
            sessions
                .entry(Arc::clone(&live.who.client_id))
                .or_insert_with(|| SessionState::new(&live.who.client_id, &self.queued_bytes)),
        );
        let mut inner = session.inner.lock();
        if let Some(before) = &inner.live {
            return Err(Arc::clone(before));
        }
        let held = inner.expires.take();
        let present = !clean && held.is_some_and(|at| at > std::time::Instant::now());
        let mut words = inner.will.take();
        if present {
            // The client is back in time: it did not die.
            words = None;
        } else {
            for (filter, _) in session.clear(&mut inner).iter() {
                self.index.remove(filter, &session);
            }
        }
        inner.version += 1;
        let version = inner.version;
        inner.info = Some(Box::new(info.clone()));
        session.set_live(&mut inner, Arc::clone(live));
        drop(inner);
        drop(sessions);
        self.speak(words);
        Ok(Admitted { session, present, version })
    }
}
