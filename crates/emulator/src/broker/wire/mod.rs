//! One vocabulary over MQTT 3.1.1 and 5 packets, so that the connection's logic is written once.

mod decode;
mod encode;

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use super::Properties;
use super::index::SubOptions;
use super::session::Delivery;

/// The largest packet: MQTT 5 allows 146 KB, of which 128 KB are payload.
pub(super) const LARGEST_PACKET: u32 = 149_504;

/// What a CONNECT calls its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// MQTT 3.1, which is understood as far as it is refused.
    Old,
    /// MQTT 3.1.1.
    V4,
    V5,
}

/// How a connection reads and writes, by the version its CONNECT names.
pub(super) struct Wire {
    version: Version,
    /// The largest packet the client takes.
    largest: Option<NonZeroU32>,
}

/// A CONNECT, whatever its version.
pub(super) struct Hello {
    pub(super) client_id: ByteString,
    pub(super) clean: bool,
    pub(super) keep_alive: u16,
    /// Seconds the session outlives its connection; `None` for a 3.1.1 session that is not clean.
    pub(super) expiry: Option<u32>,
    pub(super) receive_max: usize,
    pub(super) will: Option<Box<Will>>,
    /// A reason code when the CONNECT asks for what AWS IoT does not have, whatever else it says.
    pub(super) refusal: Option<u8>,
}

/// A last will.
pub(super) struct Will {
    pub(super) topic: ByteString,
    pub(super) payload: Bytes,
    pub(super) qos: u8,
    pub(super) retain: bool,
    /// MQTT 5: seconds it waits after the connection's end.
    pub(super) delay: u32,
    /// MQTT 5: seconds it may wait for its subscribers.
    pub(super) expiry: Option<u32>,
    pub(super) properties: Option<Properties>,
}

/// A message of a client.
pub(super) struct Publish {
    /// As it was sent: empty when an alias stands for it.
    pub(super) topic: ByteString,
    /// MQTT 5: the number that stands for the topic, or will.
    pub(super) alias: Option<u16>,
    /// At QoS 1 and 2.
    pub(super) id: Option<NonZeroU16>,
    pub(super) qos: u8,
    pub(super) retain: bool,
    /// MQTT 5: seconds it may wait for its subscribers.
    pub(super) expiry: Option<u32>,
    pub(super) properties: Option<Arc<Properties>>,
    pub(super) payload: Bytes,
}

/// What a client sends.
pub(super) enum In {
    Connect(Hello),
    Publish(Publish),
    PubAck(u16),
    Subscribe {
        id: NonZeroU16,
        filters: Vec<(ByteString, SubOptions, bool)>,
        identifier: bool,
    },
    Unsubscribe {
        id: NonZeroU16,
        filters: Vec<ByteString>,
    },
    Ping,
    Disconnect {
        /// It asks for the will all the same.
        with_will: bool,
        /// MQTT 5: the session's life from now on, in seconds.
        expiry: Option<u32>,
    },
    /// A packet no client may send to AWS (QoS 2 flow, AUTH, a server's packet).
    Unsupported,
}

/// What the broker answers with.
pub(super) enum Out<'a> {
    ConnAck {
        code: u8,
        present: bool,
        keep_alive: Option<u16>,
        assigned: Option<ByteString>,
        expiry: Option<u32>,
    },
    Publish {
        delivery: &'a Delivery,
        id: Option<NonZeroU16>,
        dup: bool,
    },
    PubAck {
        id: NonZeroU16,
        code: u8,
    },
    SubAck {
        id: NonZeroU16,
        codes: Vec<u8>,
    },
    UnsubAck {
        id: NonZeroU16,
        found: Vec<bool>,
    },
    Pong,
    Disconnect(u8),
}

/// A malformed packet, with MQTT 5's reason code: the connection ends.
#[derive(Debug)]
pub(super) struct Malformed(pub(super) u8);

impl Wire {
    /// Finds the version in the first bytes of a CONNECT; `None` while they are too few.
    pub(super) fn sniff(buffer: &[u8]) -> Result<Option<Self>, Malformed> {
        Ok(decode::version(buffer)?.map(|version| Self { version, largest: None }))
    }

    pub(super) fn is_v5(&self) -> bool {
        self.version == Version::V5
    }

    /// The next whole packet in `buffer`.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<In>, Malformed> {
        let Some((first, body)) = decode::frame(buffer)? else { return Ok(None) };
        let (packet, largest) = decode::packet(self.version, first, body)?;
        self.largest = largest.or(self.largest);
        Ok(Some(packet))
    }

    /// Appends a packet to `buffer`; false when it was left out because the peer's own limit forbids it, as MQTT 5 asks.
    pub(super) fn encode(&mut self, out: Out<'_>, buffer: &mut BytesMut) -> bool {
        let start = buffer.len();
        let written = encode::packet(self.version, out, buffer).is_some();
        let fits = self.largest.is_none_or(|most| buffer.len() - start <= most.get() as usize);
        if !written || !fits {
            buffer.truncate(start);
            tracing::debug!("a packet could not be encoded for this peer");
        }
        written && fits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONNECTS: [&[u8]; 2] = [
        b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01h",
        b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01h",
    ];

    /// Decodes as a connection does, in pieces of any size; how many packets came out.
    fn feed(pieces: &[&[u8]]) -> usize {
        let (mut wire, mut buffer, mut packets) = (None, BytesMut::new(), 0);
        for piece in pieces {
            buffer.extend_from_slice(piece);
            if wire.is_none() {
                match Wire::sniff(&buffer) {
                    Ok(found) => wire = found,
                    Err(_) => return packets,
                }
            }
            let Some(wire) = &mut wire else { continue };
            loop {
                match wire.decode(&mut buffer) {
                    Ok(Some(_)) => packets += 1,
                    Ok(None) => break,
                    Err(_) => return packets,
                }
            }
            assert!(
                buffer.capacity() < 2 * LARGEST_PACKET as usize,
                "a header alone reserves no more than a packet"
            );
        }
        packets
    }

    #[test]
    fn what_stands_behind_a_packet_s_end_is_malformed() {
        assert_eq!(feed(&[CONNECTS[0], b"\xc0\x00"]), 2);
        for after in [&b"\xc0\x02ab"[..], b"\xe0\x01\x00"] {
            assert_eq!(feed(&[CONNECTS[0], after]), 1, "{after:?}");
        }
        let longer = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x01hx";
        assert_eq!(feed(&[longer]), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), version in 0..3usize) {
            let head = CONNECTS.get(version).copied().unwrap_or_default();
            feed(&[head, &bytes]);
        }

        /// Good packets with a few bytes changed reach deeper than noise does.
        #[test]
        fn changed_packets_do_not_either(
            version in 0..2usize,
            which in prop::collection::vec(0..8usize, 1..6),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let good: [&[u8]; 8] = [
                b"\x32\x0c\x00\x01a\x00\x01\x05\x01\x01\x23\x00\x01x",
                b"\x82\x07\x00\x01\x00\x00\x01a\x01",
                b"\x82\x06\x00\x01\x00\x01a\x00",
                b"\xa2\x06\x00\x01\x00\x00\x01a",
                b"\x40\x02\x00\x01",
                b"\xc0\x00",
                b"\xe0\x07\x00\x05\x11\x00\x00\x00\x09",
                b"\x10\x20\x00\x04MQTT\x05\x06\x00\x3c\x05\x11\x00\x00\x00\x09\x00\x01h\x02\x01\x01\x00\x01t\x00\x01w",
            ];
            let mut bytes: Vec<u8> = which.iter().flat_map(|n| good[*n]).copied().collect();
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            feed(&[CONNECTS[version], &bytes]);
        }

        #[test]
        fn it_does_not_matter_how_bytes_are_cut(version in 0..2usize, cuts in prop::collection::vec(1..5usize, 30)) {
            let bytes = [CONNECTS[version], b"\xc0\x00\x40\x02\x00\x01\xc0\x00"].concat();
            let mut rest = &bytes[..];
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(feed(&pieces), 4);
        }
    }
}
