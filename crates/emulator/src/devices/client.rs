//! The MQTT 3.1.1 client of a simulated device: the few packets firmware needs, and no more memory than they take. A fleet of
//! ten thousand is ten thousand of these.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The keep-alive it asks for, in seconds.
const KEEP_ALIVE: u16 = 30;
/// Without a word of its own for so long it sends a PINGREQ.
const PING: Duration = Duration::from_secs(25);
/// The largest packet it takes.
const LARGEST: usize = 256 * 1024;
/// What waits to be sent at most: QoS 0 is lost on a slow line.
const WAITING: usize = 256 * 1024;
/// Bytes of one read.
const READ: usize = 8 * 1024;

/// What a device hears.
#[derive(Debug)]
pub(super) enum Heard {
    /// Its CONNECT was accepted.
    Accepted,
    /// A SUBSCRIBE was answered.
    Subscribed,
    /// A message.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Bytes,
    },
}

/// A transport.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A transport that is still to be made.
pub(super) type Dial = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

enum Line {
    Dialling(Dial),
    Up(Box<dyn Io>),
}

/// A connection, from its dialling to its end. Dropping it closes the socket without a DISCONNECT, as a power cut does.
pub(super) struct Client {
    line: Line,
    accepted: bool,
    input: BytesMut,
    output: BytesMut,
    /// What was published before the CONNECT was accepted.
    early: BytesMut,
    /// When it pings unless it says something before.
    ping_at: Instant,
    /// A PINGREQ was not answered yet.
    pinged: bool,
}

impl Client {
    /// Connects with a clean session over what `dial` makes.
    pub(super) fn new(client_id: &str, dial: Dial) -> Self {
        let mut output = BytesMut::new();
        let body = 12 + client_id.len();
        head(&mut output, 0x10, body);
        output.put_slice(b"\x00\x04MQTT\x04\x02");
        output.put_u16(KEEP_ALIVE);
        put_text(&mut output, client_id);
        Self {
            line: Line::Dialling(dial),
            accepted: false,
            input: BytesMut::new(),
            output,
            early: BytesMut::new(),
            ping_at: Instant::now() + PING,
            pinged: false,
        }
    }

    /// Queues a message at QoS 0; false when it is lost, because too much waits already.
    pub(super) fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) -> bool {
        let size = 2 + topic.len() + payload.len();
        let out = if self.accepted { &mut self.output } else { &mut self.early };
        if size > LARGEST || out.len() + size > WAITING {
            return false;
        }
        head(out, 0x30 | u8::from(retain), size);
        put_text(out, topic);
        out.put_slice(payload);
        self.ping_at = Instant::now() + PING;
        true
    }

    /// Asks for filters at QoS 1.
    pub(super) fn subscribe<'a>(&mut self, filters: impl Iterator<Item = &'a str> + Clone) {
        let size = 2 + filters.clone().map(|filter| 3 + filter.len()).sum::<usize>();
        head(&mut self.output, 0x82, size);
        // One SUBSCRIBE a connection: its number is of no importance.
        self.output.put_u16(1);
        for filter in filters {
            put_text(&mut self.output, filter);
            self.output.put_u8(1);
        }
    }

    /// What is heard next; the connection has ended after an error. May be dropped and asked again.
    pub(super) async fn next(&mut self) -> io::Result<Heard> {
        loop {
            while let Some((first, body)) = packet(&mut self.input)? {
                if let Some(heard) = self.hear(first, body)? {
                    return Ok(heard);
                }
            }
            let ping = tokio::time::sleep_until(self.ping_at);
            tokio::select! {
                done = poll_fn(|cx| self.poll(cx)) => done?,
                () = ping => self.ping()?,
            }
        }
    }

    fn ping(&mut self) -> io::Result<()> {
        if self.pinged || !self.accepted {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.pinged = true;
        self.ping_at = Instant::now() + PING;
        self.output.put_slice(b"\xc0\x00");
        Ok(())
    }

    /// Dials, writes what waits, and reads; ready when something came.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        thread_local! {
            static PASSAGE: RefCell<[u8; READ]> = const { RefCell::new([0; READ]) };
        }
        loop {
            match &mut self.line {
                Line::Dialling(dial) => self.line = Line::Up(ready!(dial.as_mut().poll(cx))?),
                Line::Up(io) => {
                    while !self.output.is_empty()
                        && let Poll::Ready(sent) = Pin::new(&mut *io).poll_write(cx, &self.output)?
                    {
                        if sent == 0 {
                            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                        }
                        self.output.advance(sent);
                    }
                    if self.output.is_empty() {
                        self.output = BytesMut::new();
                        // What is not flushed now goes out with the next poll.
                        let _ = Pin::new(&mut *io).poll_flush(cx)?;
                    }
                    return PASSAGE.with_borrow_mut(|passage| {
                        let mut passage = ReadBuf::new(&mut passage[..]);
                        ready!(Pin::new(&mut *io).poll_read(cx, &mut passage))?;
                        if passage.filled().is_empty() {
                            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                        }
                        self.input.extend_from_slice(passage.filled());
                        Poll::Ready(Ok(()))
                    });
                }
            }
        }
    }

    fn hear(&mut self, first: u8, mut body: Bytes) -> io::Result<Option<Heard>> {
        Ok(match first >> 4 {
            2 => {
                if body.get(1) != Some(&0) {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                self.accepted = true;
                let early = std::mem::take(&mut self.early);
                self.output.unsplit(early);
                Some(Heard::Accepted)
            }
            3 => {
                let topic = text(&mut body)?;
                if first & 0x06 != 0 {
                    let id = body.try_get_u16().map_err(io::Error::other)?;
                    self.output.put_slice(b"\x40\x02");
                    self.output.put_u16(id);
                }
                Some(Heard::Message { topic, payload: body })
            }
            9 => Some(Heard::Subscribed),
            13 => {
                self.pinged = false;
                None
            }
            _ => None,
        })
    }
}

/// The fixed header of a packet whose rest has `size` bytes.
fn head(out: &mut BytesMut, first: u8, mut size: usize) {
    out.put_u8(first);
    loop {
        let more = size >= 0x80;
        out.put_u8((size & 0x7f) as u8 | u8::from(more) << 7);
        size >>= 7;
        if !more {
            return;
        }
    }
}

/// A text of at most 65,535 bytes: topics and client ids are far shorter.
fn put_text(out: &mut BytesMut, text: &str) {
    out.put_u16(text.len() as u16);
    out.put_slice(text.as_bytes());
}

fn text(body: &mut Bytes) -> io::Result<String> {
    let length = usize::from(body.try_get_u16().map_err(io::Error::other)?);
    if body.len() < length {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(String::from_utf8_lossy(&body.split_to(length)).into_owned())
}

/// The next whole packet: its first byte, and what stands behind its length.
fn packet(input: &mut BytesMut) -> io::Result<Option<(u8, Bytes)>> {
    let Some(first) = input.first().copied() else {
        // Nothing is held while nothing comes.
        *input = BytesMut::new();
        return Ok(None);
    };
    let (mut size, mut at) = (0usize, 1);
    loop {
        let Some(byte) = input.get(at).copied() else { return Ok(None) };
        size |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if at > 4 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    if size > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if input.len() < at + size {
        return Ok(None);
    }
    input.advance(at);
    Ok(Some((first, input.split_to(size).freeze())))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn client() -> (Client, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let client = Client::new("T", Box::pin(async { Ok(Box::new(ours) as Box<dyn Io>) }));
        (client, theirs)
    }

    async fn reads(from: &mut tokio::io::DuplexStream, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        from.read_exact(&mut got).await.unwrap();
        assert_eq!(got, bytes);
    }

    #[tokio::test]
    async fn it_says_and_hears_what_a_device_needs() {
        let (mut client, mut broker) = client().await;
        assert!(client.publish("a", b"early", true));
        broker.write_all(b"\x20\x02\x00\x00\x32\x07\x00\x01t\x00\x09xy").await.unwrap();
        assert!(matches!(client.next().await.unwrap(), Heard::Accepted));
        client.subscribe(["f", "g/h"].into_iter());
        assert!(client.publish("a", &[b'p'; 200], false));
        let Heard::Message { topic, payload } = client.next().await.unwrap() else { panic!() };
        assert_eq!((topic.as_str(), &payload[..]), ("t", &b"xy"[..]));
        broker.write_all(b"\x90\x04\x00\x01\x01\x01").await.unwrap();
        assert!(matches!(client.next().await.unwrap(), Heard::Subscribed));
        reads(&mut broker, b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x1e\x00\x01T").await;
        reads(&mut broker, b"\x31\x08\x00\x01aearly").await;
        reads(&mut broker, b"\x82\x0c\x00\x01\x00\x01f\x01\x00\x03g/h\x01").await;
        reads(&mut broker, &[&b"\x30\xcb\x01\x00\x01a"[..], &[b'p'; 200]].concat()).await;
        reads(&mut broker, b"\x40\x02\x00\x09").await;
        drop(broker);
        assert_eq!(client.next().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_refusal_and_what_is_no_packet_end_it() {
        for bytes in
            [&b"\x20\x02\x00\x05"[..], b"\x20\x01\x00", b"\x30\xff\xff\xff\xff\x01", b"\x30\x02\x00\x09"]
        {
            let (mut client, mut broker) = client().await;
            broker.write_all(bytes).await.unwrap();
            assert!(client.next().await.is_err(), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_a_slow_line_does_not_take_is_lost() {
        let (mut client, _broker) = client().await;
        let payload = vec![0; 100_000];
        assert!(client.publish("a", &payload, false) && client.publish("a", &payload, false));
        assert!(!client.publish("a", &payload, false));
    }

    #[tokio::test]
    async fn it_pings_and_gives_up_when_nobody_answers() {
        let (mut client, mut broker) = client().await;
        broker.write_all(b"\x20\x02\x00\x00").await.unwrap();
        client.next().await.unwrap();
        reads(&mut broker, b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x1e\x00\x01T").await;
        client.ping_at = Instant::now();
        tokio::select! {
            heard = client.next() => panic!("{heard:?}"),
            () = reads(&mut broker, b"\xc0\x00") => {}
        }
        assert!(client.ping_at > Instant::now());
        client.ping_at = Instant::now();
        assert_eq!(client.next().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
