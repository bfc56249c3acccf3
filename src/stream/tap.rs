//! Messages taken out of the bytes before the MQTT library sees them. What a subscriber hears is nearly all PUBLISH of QoS 0, which
//! nobody answers: the library's way for it (a packet, an event, a queue, reads of 8 KiB) costs several times what the message
//! does. Everything else, and every PUBLISH that is anything out of the ordinary, passes untouched and stays the library's to judge.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::dial::Socket;
use super::wire::{Heard, Version};

/// Bytes taken from the system at once, and of the longest packet that is taken here: a longer one costs the library little for
/// its size.
const CHUNK: usize = 64 * 1024;
/// PUBLISH of QoS 0, not a duplicate; the lowest bit says whether it is a retained one.
const PUBLISH: u8 = 0x30;

/// Messages that were read together, in order.
pub(super) struct Messages {
    raw: Bytes,
    spans: Vec<Span>,
}

/// Where a message lies: [`CHUNK`] and what was left before it are far below 4 GiB.
struct Span {
    topic: Range<u32>,
    payload: Range<u32>,
}

impl Messages {
    /// Topic and payload of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let of = |span: &Range<u32>| self.raw.get(span.start as usize..span.end as usize).unwrap_or_default();
        let topic = move |span: &Span| std::str::from_utf8(of(&span.topic)).unwrap_or_default();
        self.spans.iter().map(move |span| (topic(span), of(&span.payload)))
    }
}

/// What was heard and not taken yet, in order: messages from here, everything else from the library.
#[derive(Clone, Default)]
pub(super) struct Inbox(Arc<Mutex<VecDeque<Heard>>>);

impl Inbox {
    pub(super) fn push(&self, heard: Heard) {
        self.0.lock().push_back(heard);
    }

    pub(super) fn pop(&self) -> Option<Heard> {
        self.0.lock().pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Waits until everything was taken. Whoever takes looks again without being woken.
    pub(super) async fn taken(&self) {
        std::future::poll_fn(|_| if self.is_empty() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// A connection as the library reads it: without the messages, which go to the inbox. While some wait there nothing more is read;
/// whoever takes them looks at the library again.
pub(super) struct Tap<S> {
    line: S,
    version: Version,
    inbox: Inbox,
    raw: BytesMut,
    /// Bytes of the packet at hand that are the library's.
    pass: usize,
    /// The first packet, which answers the greeting, went through: before it nothing is a message.
    greeted: bool,
    ended: bool,
}

/// What bytes begin with.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// A packet that is not all there yet.
    Unfinished,
    /// A message, by where its topic is, where its payload begins and where it ends.
    Message { topic: Range<usize>, payload: usize, end: usize },
    /// A packet of this many bytes that is the library's.
    Other(usize),
}

/// The packet that `raw` begins with.
fn head(raw: &[u8], version: Version) -> Head {
    let (mut length, mut at) = (0_usize, 1);
    loop {
        let Some(byte) = raw.get(at) else { return Head::Unfinished };
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if at > 4 {
            // No length at all: what follows has no packets any more.
            return Head::Other(usize::MAX);
        }
    }
    let end = at + length;
    if raw.first().is_none_or(|kind| kind & !1 != PUBLISH) || end > CHUNK {
        return Head::Other(end);
    }
    let Some(packet) = raw.get(..end) else { return Head::Unfinished };
    message(packet, at, version).unwrap_or(Head::Other(end))
}

/// The message in a whole packet whose header is `at` bytes long; `None` where it is anything out of the ordinary.
fn message(packet: &[u8], at: usize, version: Version) -> Option<Head> {
    let size = packet.get(at..at + 2)?;
    let topic = at + 2..at + 2 + usize::from(u16::from_be_bytes([size[0], size[1]]));
    let name = packet.get(topic.clone())?;
    let odd = |byte: &u8| matches!(byte, 0 | b'+' | b'#');
    if name.is_empty() || name.iter().any(odd) || std::str::from_utf8(name).is_err() {
        return None;
    }
    let payload = match version {
        Version::V4 => topic.end,
        // Properties are the library's to read.
        Version::V5 if packet.get(topic.end) == Some(&0) => topic.end + 1,
        Version::V5 => return None,
    };
    Some(Head::Message { topic, payload, end: packet.len() })
}

impl<S: Socket> Tap<S> {
    pub(super) fn new(line: S, version: Version, inbox: Inbox) -> Self {
        Self { line, version, inbox, raw: BytesMut::new(), pass: 0, greeted: false, ended: false }
    }

    /// Moves the messages at the front to the inbox, up to what is the library's or not all there.
    fn sort(&mut self) {
        if self.pass > 0 {
            return;
        }
        let (mut spans, mut taken) = (Vec::new(), 0);
        while let Some(rest) = self.raw.get(taken..).filter(|rest| !rest.is_empty()) {
            match head(rest, self.version) {
                Head::Message { topic, payload, end } if self.greeted => {
                    let at = |n: usize| (taken + n) as u32;
                    spans.push(Span { topic: at(topic.start)..at(topic.end), payload: at(payload)..at(end) });
                    taken += end;
                    continue;
                }
                Head::Message { end, .. } | Head::Other(end) => {
                    self.greeted = true;
                    self.pass = end;
                }
                // It will not be finished.
                Head::Unfinished if self.ended => self.pass = rest.len(),
                Head::Unfinished => {}
            }
            break;
        }
        if !spans.is_empty() {
            let raw = self.raw.split_to(taken).freeze();
            self.inbox.push(Heard::Messages(Messages { raw, spans }));
        }
    }
}

impl<S: Socket> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tap = &mut *self;
        loop {
            tap.sort();
            if tap.pass > 0 && !tap.raw.is_empty() {
                let n = tap.pass.min(tap.raw.len()).min(buf.remaining());
                buf.put_slice(&tap.raw[..n]);
                tap.raw.advance(n);
                tap.pass -= n;
                return Poll::Ready(Ok(()));
            }
            if tap.ended {
                return Poll::Ready(Ok(()));
            }
            if !tap.inbox.is_empty() {
                return Poll::Pending;
            }
            tap.raw.reserve(CHUNK);
            tap.ended = ready!(pin!(tap.line.read_buf(&mut tap.raw)).poll(cx))? == 0;
        }
    }
}

impl<S: Socket> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutate::{Rng, SEED};
    use rumqttc_v5 as v5;

    /// A connection that gives these bytes, a few at a time, and then ends.
    struct Line {
        bytes: Vec<u8>,
        at: usize,
        rng: Rng,
    }

    impl AsyncRead for Line {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let left = (self.bytes.len() - self.at).min(buf.remaining());
            let n = if left == 0 { 0 } else { self.rng.usize(1..=left.min(200)) };
            buf.put_slice(&self.bytes[self.at..self.at + n]);
            self.at += n;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Line {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(data.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What a stream of bytes says: each message, anything else by its looks, and the end of what is MQTT.
    type Said = Vec<(Vec<u8>, Vec<u8>)>;

    /// Takes whole packets off the front as the library does. False when it would hang up.
    fn library(raw: &mut BytesMut, version: Version, said: &mut Said) -> bool {
        loop {
            let before = raw.len();
            let packet = match version {
                Version::V4 => match rumqttc::Packet::read(raw, usize::MAX) {
                    Ok(rumqttc::Packet::Publish(p)) if p.qos == rumqttc::QoS::AtMostOnce => {
                        (p.topic.to_vec(), p.payload.to_vec())
                    }
                    Ok(other) => (format!("{other:?}").into_bytes(), Vec::new()),
                    // Of a packet that is all there it says so of its inside, and goes on with the next.
                    Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) if raw.len() < before => continue,
                    Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => return true,
                    Err(_) => return false,
                },
                Version::V5 => match v5::Packet::read(raw, None) {
                    Ok(v5::Packet::Publish(p)) if p.qos == v5::QoS::AtMostOnce => {
                        (p.topic.to_vec(), p.payload.to_vec())
                    }
                    Ok(other) => (format!("{other:?}").into_bytes(), Vec::new()),
                    Err(v5::mqttbytes::Error::InsufficientBytes(_)) if raw.len() < before => continue,
                    Err(v5::mqttbytes::Error::InsufficientBytes(_)) => return true,
                    Err(_) => return false,
                },
            };
            said.push(packet);
        }
    }

    /// The same through a tap: what it takes, and what the library reads of the rest, in order; and how many messages it took.
    fn tapped(bytes: &[u8], version: Version, rng: &mut Rng) -> (Said, bool, usize) {
        let inbox = Inbox::default();
        let line = Line { bytes: bytes.to_vec(), at: 0, rng: rng.fork() };
        let mut tap = Tap::new(line, version, inbox.clone());
        let (mut said, mut rest, mut taken) = (Said::new(), BytesMut::new(), 0);
        let mut context = Context::from_waker(std::task::Waker::noop());
        loop {
            let mut space = [0; 96];
            let mut buf = ReadBuf::new(&mut space);
            let read = Pin::new(&mut tap).poll_read(&mut context, &mut buf);
            let waited = inbox.is_empty();
            while let Some(Heard::Messages(messages)) = inbox.pop() {
                said.extend(messages.iter().map(|(topic, payload)| (topic.into(), payload.to_vec())));
                taken += messages.iter().count();
            }
            match read {
                Poll::Pending => assert!(!waited, "nothing would ever wake it"),
                Poll::Ready(read) => {
                    read.unwrap();
                    if buf.filled().is_empty() {
                        return (said, true, taken);
                    }
                    rest.extend_from_slice(buf.filled());
                    if !library(&mut rest, version, &mut said) {
                        return (said, false, taken);
                    }
                }
            }
        }
    }

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        let (mut packet, mut left) = (vec![kind], body.len());
        loop {
            let more = if left > 127 { 0x80 } else { 0 };
            packet.push((left % 128) as u8 | more);
            left /= 128;
            if left == 0 {
                break;
            }
        }
        packet.extend(body);
        packet
    }

    fn generated(version: Version, rng: &mut Rng) -> Vec<u8> {
        let five = version == Version::V5;
        let mut bytes = packet(0x20, if five { &[0, 0, 0] } else { &[0, 0] });
        for _ in 0..rng.usize(1..8) {
            let odd = rng.usize(..16) == 0;
            let topic =
                if odd { ["", "a/+", "a\0b"][rng.usize(..3)] } else { ["a", "temp\u{e9}/y"][rng.usize(..2)] };
            let qos = if rng.usize(..4) == 0 { 1 } else { 0 };
            let mut body = (topic.len() as u16).to_be_bytes().to_vec();
            body.extend(topic.as_bytes());
            if qos == 1 {
                body.extend([0, 9]);
            }
            if five {
                // None, or the format of the payload.
                body.extend(if rng.bool() { &[0][..] } else { &[2, 1, 1] });
            }
            body.extend(std::iter::repeat_n(b'7', [0, 1, 120, 300, 120, 300, 120, CHUNK][rng.usize(..8)]));
            bytes.extend(match rng.usize(..32) {
                0..4 => packet(0xd0, &[]),
                // Of a message that was never sent.
                4 => packet(0x40, &[0, 9]),
                5 => packet(rng.u8(..), &body),
                _ => packet(PUBLISH | qos << 1 | u8::from(rng.bool()), &body),
            });
        }
        for _ in 0..rng.usize(..4).saturating_sub(1) {
            let at = rng.usize(..bytes.len());
            match rng.usize(..3) {
                0 => bytes[at] = rng.u8(..),
                1 => bytes.truncate(at + 1),
                _ => bytes.insert(at, rng.u8(..)),
            }
        }
        bytes
    }

    /// Both say the same of any bytes, in the same order, and hang up over the same.
    #[test]
    fn a_tap_hears_what_the_library_hears() {
        let mut rng = Rng::with_seed(SEED);
        let (mut taken, mut ended) = (0, 0);
        for round in 0..6_000 {
            let version = if rng.bool() { Version::V4 } else { Version::V5 };
            let bytes = generated(version, &mut rng);
            let mut said = Said::new();
            let lives = library(&mut BytesMut::from(&bytes[..]), version, &mut said);
            let (heard, tapped_lives, by_tap) = tapped(&bytes, version, &mut rng);
            assert!(heard == said && tapped_lives == lives, "round {round}: {version:?} {bytes:02x?}");
            taken += by_tap;
            ended += usize::from(!lives);
        }
        assert!(taken > 3_000 && ended > 300, "{taken} messages taken, {ended} ends: too few");
    }

    #[test]
    fn what_is_in_order_is_taken_and_the_rest_passes() {
        let message = packet(0x30, b"\0\x01axyz");
        assert_eq!(head(&message, Version::V4), Head::Message { topic: 4..5, payload: 5, end: 8 });
        assert_eq!(head(&message[..7], Version::V4), Head::Unfinished);
        // In MQTT 5 `x` would be the length of properties.
        assert_eq!(head(&message, Version::V5), Head::Other(8));
        assert_eq!(head(&packet(0x32, b"\0\x01a\0\x09xyz"), Version::V4), Head::Other(10));
        assert_eq!(head(&packet(0x30, b"\0\x09a"), Version::V4), Head::Other(5));
        assert_eq!(head(b"\x30\xff\xff\xff\xff", Version::V4), Head::Other(usize::MAX));
        assert_eq!(head(&packet(0x30, &[0; CHUNK])[..5], Version::V4), Head::Other(CHUNK + 4));
    }
}
