//! One connection, from its CONNECT to its end.
//!
//! * `hello.rs`: the CONNECT, who may, and the session it resumes or takes over.
//! * `inbound.rs`: what the client publishes and subscribes to.
//! * `end.rs`: why it ends, and what that does to session, will and world.

mod end;
mod hello;
mod inbound;

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use bytestring::ByteString;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::Instant;

use self::end::End;
use super::index::Matched;
use super::limits::MOST_IN_FLIGHT;
use super::pace::Pace;
use super::session::{Live, Outgoing, SessionState};
use super::wire::{In, Out, Will, Wire};
use super::{Broker, Host, Peer, Stream};
use crate::broker::{Action, Session};

/// Deliveries written in one go before the socket is looked at again.
const DELIVERY_ROUND: usize = 256;
/// Likewise in bytes.
const DELIVERY_BYTES: usize = 128 * 1024;
/// Room for the next read: small for the many that say little, large for those that flood.
const SMALL_READ: usize = 1024;
const LARGE_READ: usize = 64 * 1024;
/// A write buffer that is empty is given back beyond this size.
const KEPT_OUTPUT: usize = 4 * 1024;
/// How often a message that waits for its connection's rate is looked at again.
const HELD: Duration = Duration::from_millis(20);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A will that waits until its client has had time to come back.
pub(super) struct LateWill {
    /// How long.
    pub(super) delay: Duration,
    pub(super) session: Arc<SessionState>,
    /// The connection whose will it is.
    pub(super) version: u64,
}

/// Serves a connection whose transport has been authenticated.
pub(super) async fn run(
    broker: &Broker,
    host: &dyn Host,
    mut io: Box<dyn Stream>,
    peer: Peer,
) -> Option<LateWill> {
    broker.sweep();
    // In memory of its own: what it takes to begin is not held for as long as the connection lasts.
    let mut task = Box::pin(hello::welcome(broker, host, &mut io, peer)).await?;
    let end = task.serve(&mut io).await;
    // Before the farewell: a client that sees its connection end finds that everybody knows.
    let later = task.finish(&end);
    if let Some(code) = end.code
        && task.wire.is_v5()
    {
        task.wire.encode(Out::Disconnect(code), &mut task.output);
    }
    farewell(&mut io, &mut task.output).await;
    later.map(|delay| LateWill { delay, session: Arc::clone(&task.session), version: task.version })
}

async fn farewell(io: &mut Box<dyn Stream>, output: &mut BytesMut) {
    // The peer may be gone already.
    let _ = tokio::time::timeout(FAREWELL, async {
        io.write_all_buf(output).await?;
        io.shutdown().await
    })
    .await;
}

/// The state of a running connection.
struct Task<'a> {
    broker: &'a Broker,
    host: &'a dyn Host,
    wire: Wire,
    who: Session,
    live: Arc<Live>,
    session: Arc<SessionState>,
    session_id: String,
    /// The `versionNumber` of this connection's lifecycle events.
    version: u64,
    will: Option<Box<Will>>,
    /// The session's life after this connection, in seconds.
    expiry: u32,
    aliases: HashMap<u16, ByteString>,
    cache: HashMap<ByteString, Arc<Matched>>,
    cache_generation: u64,
    window: usize,
    pace: Pace,
    round: Vec<Outgoing>,
    input: BytesMut,
    room: usize,
    output: BytesMut,
    patience: Duration,
    redelivery: Duration,
    dies: Instant,
    websocket: bool,
    _seat: hello::Seat<'a>,
}

impl Drop for Task<'_> {
    /// A connection that was dropped rather than ended must not keep its successor waiting.
    fn drop(&mut self) {
        let mut inner = self.session.inner.lock();
        if inner.live.as_ref().is_some_and(|live| Arc::ptr_eq(live, &self.live)) {
            self.session.retire();
            inner.live = None;
            self.session.park(&mut inner);
        }
        drop(inner);
        self.live.set_over();
    }
}

impl Task<'_> {
    async fn serve(&mut self, io: &mut Box<dyn Stream>) -> End {
        let mut heard = Instant::now();
        // What came in one segment with the CONNECT.
        if let Err(end) = self.handle_input().await {
            return end;
        }
        loop {
            if let Some(cut) = self.live.cut() {
                return cut.into();
            }
            let more = self.deliver();
            if let Err(end) = self.flush(io).await {
                return end;
            }
            if !more && self.output.capacity() > KEPT_OUTPUT {
                self.output = BytesMut::new();
            }
            let late = (heard + self.patience).min(self.dies);
            let held = self.pace.is_held().then(|| Instant::now() + HELD).filter(|again| *again < late);
            let timer = tokio::time::sleep_until(held.unwrap_or(late));
            // The client's own packets first: a flood of deliveries must not starve its pings and acknowledgements.
            tokio::select! {
                biased;
                read = read(io, &mut self.input, self.room) => {
                    match read {
                        Ok(0) | Err(_) => return End::lost(),
                        Ok(n) => self.adapt(n),
                    }
                    heard = Instant::now();
                    if let Err(end) = self.handle_input().await {
                        return end;
                    }
                }
                () = timer => if held.is_none() {
                    return self.too_late();
                },
                () = self.live.wake.notified() => {}
                () = std::future::ready(()), if more => {}
            }
        }
    }

    fn too_late(&self) -> End {
        if Instant::now() < self.dies {
            End::new("MQTT_KEEP_ALIVE_TIMEOUT", 0x8d)
        } else if self.websocket {
            // 0xa0: maximum connect time.
            End::new("WEBSOCKET_TTL_EXPIRATION", 0xa0)
        } else {
            End::new("SERVER_INITIATED_DISCONNECT", 0xa0)
        }
    }

    /// A read that filled its room asks for more next time, a small one for less.
    fn adapt(&mut self, read: usize) {
        if read >= self.room {
            self.room = (self.room * 2).min(LARGE_READ);
        } else if read < self.room / 4 {
            self.room = (self.room / 2).max(SMALL_READ);
        }
    }

    /// Writes the output. What the peer takes at once needs no patience, and no memory for it.
    async fn flush(&mut self, io: &mut Box<dyn Stream>) -> Result<(), End> {
        if !self.output.has_remaining() {
            return Ok(());
        }
        let at_once = std::future::poll_fn(|cx| {
            while self.output.has_remaining() {
                match Pin::new(&mut *io).poll_write(cx, &self.output) {
                    Poll::Ready(Ok(n)) if n > 0 => self.output.advance(n),
                    Poll::Ready(_) => return Poll::Ready(Err(End::lost())),
                    Poll::Pending => return Poll::Ready(Ok(false)),
                }
            }
            Poll::Ready(match Pin::new(&mut *io).poll_flush(cx) {
                Poll::Ready(Ok(())) => Ok(true),
                Poll::Ready(Err(_)) => Err(End::lost()),
                Poll::Pending => Ok(false),
            })
        });
        if at_once.await? { Ok(()) } else { Box::pin(self.flush_slowly(io)).await }
    }

    async fn flush_slowly(&mut self, io: &mut Box<dyn Stream>) -> Result<(), End> {
        while self.output.has_remaining() {
            tokio::select! {
                biased;
                wrote = tokio::time::timeout(self.broker.limits.write, io.write_buf(&mut self.output)) => match wrote {
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

    /// Writes waiting messages into the output, as far as the window of unacknowledged ones allows; true when more may wait.
    fn deliver(&mut self) -> bool {
        let mut round = std::mem::take(&mut self.round);
        self.pace.hold(false);
        let more = self.session.take(
            self.window,
            self.redelivery,
            DELIVERY_ROUND,
            DELIVERY_BYTES,
            &mut self.pace,
            &mut round,
        );
        self.count_discarded();
        let mut sent = 0;
        for Outgoing { delivery, id, dup } in round.drain(..) {
            let out = Out::Publish { delivery: &delivery, id, dup };
            if self.host.authorize(&self.who, Action::Receive, &delivery.topic)
                && self.wire.encode(out, &mut self.output)
            {
                sent += 1;
                self.host.delivered(&self.who, &delivery.topic);
            } else if let Some(id) = id {
                self.session.withheld(id.get());
            }
        }
        self.round = round;
        self.broker.delivered.fetch_add(sent, Ordering::Relaxed);
        more
    }

    /// Writes all that waits into the output. Before the answer to a question: whoever asked may conclude from it that
    /// nothing is left on its way.
    pub(super) fn deliver_all(&mut self) {
        while self.deliver() {}
    }

    /// Tells of messages that went beyond the connection's rate; its client is not told, as in AWS.
    fn count_discarded(&mut self) {
        let discarded = self.pace.take_discarded();
        if discarded > 0 {
            tracing::debug!(client = &*self.who.client_id, discarded, "beyond the rate of a connection");
            self.broker.dropped.fetch_add(discarded, Ordering::Relaxed);
        }
    }

    async fn handle_input(&mut self) -> Result<(), End> {
        while let Some(packet) = self.wire.decode(&mut self.input).map_err(|e| End::client_error(e.0))? {
            match packet {
                In::Publish(publish) => {
                    self.publish(publish)?;
                    // A flooding publisher must not keep its worker from everybody else.
                    tokio::task::consume_budget().await;
                }
                In::PubAck(id) => self.session.acknowledged(id),
                In::Subscribe { id, filters, identifier } => self.subscribe(id, filters, identifier)?,
                In::Unsubscribe { id, filters } => self.unsubscribe(id, &filters),
                In::Ping => {
                    self.deliver_all();
                    self.wire.encode(Out::Pong, &mut self.output);
                }
                In::Disconnect { with_will, expiry } => return Err(self.goodbye(with_will, expiry)),
                // 0x82: protocol error.
                In::Connect(_) | In::Unsupported => return Err(End::client_error(0x82)),
            }
        }
        Ok(())
    }
}

/// Reads into `input`, up to `room` bytes and more. While a client says little it holds no memory to read into: what comes then
/// passes through one buffer of the thread.
async fn read(io: &mut Box<dyn Stream>, input: &mut BytesMut, room: usize) -> std::io::Result<usize> {
    thread_local! {
        static PASSAGE: RefCell<[u8; 4 * SMALL_READ]> = const { RefCell::new([0; 4 * SMALL_READ]) };
    }
    if room > SMALL_READ {
        if input.is_empty() && input.capacity() > 4 * room {
            *input = BytesMut::new();
        }
        input.reserve(room);
        return io.read_buf(input).await;
    }
    if input.is_empty() {
        *input = BytesMut::new();
    }
    std::future::poll_fn(|cx| {
        PASSAGE.with_borrow_mut(|passage| {
            let mut passage = ReadBuf::new(&mut passage[..]);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut passage))?;
            input.extend_from_slice(passage.filled());
            Poll::Ready(Ok(passage.filled().len()))
        })
    })
    .await
}

/// The most a client may leave unacknowledged, given what it asked for.
fn window(receive_max: usize) -> usize {
    receive_max.clamp(1, MOST_IN_FLIGHT)
}
