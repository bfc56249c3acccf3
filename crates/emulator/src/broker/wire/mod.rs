//! One vocabulary over MQTT 3.1.1 and 5 packets, so that the connection's logic is written once.

mod encode;

use std::num::NonZeroU16;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::types::{MQTT_LEVEL_31, QoS};
use rmqtt_codec::v5::PublishProperties;
use rmqtt_codec::version::{ProtocolVersion, VersionCodec};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::index::{RetainHandling, SubOptions};
use super::session::Delivery;
pub(super) use encode::properties;

/// The largest packet: MQTT 5 allows 146 KB, of which 128 KB are payload.
pub(super) const LARGEST_PACKET: u32 = 149_504;

/// The codec of a connection, by the version its CONNECT names.
pub(super) enum Wire {
    V3(v3::Codec),
    V5(v5::Codec),
}

/// A CONNECT, whatever its version.
pub(super) struct Hello {
    pub(super) client_id: ByteString,
    pub(super) clean: bool,
    pub(super) keep_alive: u16,
    /// Seconds the session outlives its connection; `None` for a 3.1.1 session that is not clean.
    pub(super) expiry: Option<u32>,
    pub(super) receive_max: usize,
    pub(super) will: Option<Will>,
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
    pub(super) properties: Option<Arc<PublishProperties>>,
}

/// What a client sends.
pub(super) enum In {
    Connect(Hello),
    Publish(Box<rmqtt_codec::types::Publish>),
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

impl From<DecodeError> for Malformed {
    fn from(error: DecodeError) -> Self {
        // 0x95: packet too large, 0x81: malformed packet.
        Self(if matches!(error, DecodeError::MaxSizeExceeded { .. }) { 0x95 } else { 0x81 })
    }
}

impl Wire {
    /// Finds the version in the first bytes of a CONNECT; `None` while they are too few.
    pub(super) fn sniff(buffer: &mut BytesMut) -> Result<Option<Self>, Malformed> {
        match VersionCodec.decode(buffer)? {
            Some(ProtocolVersion::MQTT3) => Ok(Some(Self::V3(v3::Codec::new(LARGEST_PACKET)))),
            Some(ProtocolVersion::MQTT5) => Ok(Some(Self::V5(v5::Codec::new(LARGEST_PACKET, 0)))),
            None => Ok(None),
        }
    }

    pub(super) fn is_v5(&self) -> bool {
        matches!(self, Self::V5(_))
    }

    /// The next whole packet in `buffer`.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<In>, Malformed> {
        match self {
            Self::V3(codec) => Ok(codec.decode(buffer)?.map(|(packet, _)| from_v3(packet))),
            Self::V5(codec) => {
                let Some((packet, _)) = codec.decode(buffer)? else { return Ok(None) };
                if let v5::Packet::Connect(c) = &packet
                    && let Some(max) = c.max_packet_size
                {
                    codec.set_max_outbound_size(max.get());
                }
                Ok(Some(from_v5(packet)))
            }
        }
    }

    /// Appends a packet to `buffer`; false when it was left out because the peer's own limit forbids it, as MQTT 5 asks.
    pub(super) fn encode(&mut self, out: Out<'_>, buffer: &mut BytesMut) -> bool {
        let start = buffer.len();
        let done = match self {
            Self::V3(codec) => encode::to_v3(out).is_none_or(|packet| codec.encode(packet, buffer).is_ok()),
            Self::V5(codec) => codec.encode(encode::to_v5(out), buffer).is_ok(),
        };
        if !done {
            buffer.truncate(start);
            tracing::debug!("a packet could not be encoded for this peer");
        }
        done
    }
}

fn from_v3(packet: v3::Packet) -> In {
    match packet {
        v3::Packet::Connect(c) => In::Connect(Hello {
            client_id: c.client_id,
            clean: c.clean_session,
            keep_alive: c.keep_alive,
            expiry: if c.clean_session { Some(0) } else { None },
            receive_max: usize::MAX,
            // 0x84: unsupported protocol version. AWS IoT has no MQTT 3.1.
            refusal: (c.protocol.level() == MQTT_LEVEL_31).then_some(0x84),
            will: c.last_will.map(|w| Will {
                topic: w.topic,
                payload: w.message,
                qos: w.qos.value(),
                retain: w.retain,
                delay: 0,
                expiry: None,
                properties: None,
            }),
        }),
        v3::Packet::Publish(p) => In::Publish(p),
        v3::Packet::PublishAck { packet_id } => In::PubAck(packet_id.get()),
        v3::Packet::Subscribe { packet_id, topic_filters } => In::Subscribe {
            id: packet_id,
            filters: topic_filters
                .into_iter()
                .map(|(f, q)| {
                    let options = SubOptions {
                        qos: q.value().min(1),
                        no_local: false,
                        retain_as_published: false,
                        retain_handling: RetainHandling::Every,
                    };
                    (f, options, q == QoS::ExactlyOnce)
                })
                .collect(),
            identifier: false,
        },
        v3::Packet::Unsubscribe { packet_id, topic_filters } => {
            In::Unsubscribe { id: packet_id, filters: topic_filters }
        }
        v3::Packet::PingRequest => In::Ping,
        v3::Packet::Disconnect => In::Disconnect { with_will: false, expiry: None },
        _ => In::Unsupported,
    }
}

fn from_v5(packet: v5::Packet) -> In {
    match packet {
        v5::Packet::Connect(c) => In::Connect(Hello {
            client_id: c.client_id,
            clean: c.clean_start,
            keep_alive: c.keep_alive,
            expiry: Some(c.session_expiry_interval_secs),
            receive_max: c.receive_max.map_or(usize::from(u16::MAX), |m| usize::from(m.get())),
            // 0x8c: bad authentication method. AWS IoT has no enhanced authentication.
            refusal: c.auth_method.is_some().then_some(0x8c),
            will: c.last_will.map(|w| Will {
                qos: w.qos.value(),
                retain: w.retain,
                delay: w.will_delay_interval_sec.unwrap_or(0),
                expiry: w.message_expiry_interval.map(|s| s.get()),
                properties: Some(Arc::new(PublishProperties {
                    correlation_data: w.correlation_data,
                    content_type: w.content_type,
                    user_properties: w.user_properties,
                    is_utf8_payload: w.is_utf8_payload.unwrap_or(false),
                    response_topic: w.response_topic,
                    ..PublishProperties::default()
                })),
                topic: w.topic,
                payload: w.message,
            }),
        }),
        v5::Packet::Publish(p) => In::Publish(p),
        v5::Packet::PublishAck(ack) => In::PubAck(ack.packet_id.get()),
        v5::Packet::Subscribe(s) => In::Subscribe {
            id: s.packet_id,
            identifier: s.id.is_some(),
            filters: s
                .topic_filters
                .into_iter()
                .map(|(f, o)| {
                    let options = SubOptions {
                        qos: o.qos.value().min(1),
                        no_local: o.no_local,
                        retain_as_published: o.retain_as_published,
                        retain_handling: match o.retain_handling {
                            v5::RetainHandling::AtSubscribe => RetainHandling::Every,
                            v5::RetainHandling::AtSubscribeNew => RetainHandling::New,
                            v5::RetainHandling::NoAtSubscribe => RetainHandling::Never,
                        },
                    };
                    (f, options, o.qos == QoS::ExactlyOnce)
                })
                .collect(),
        },
        v5::Packet::Unsubscribe(u) => In::Unsubscribe { id: u.packet_id, filters: u.topic_filters },
        v5::Packet::PingRequest => In::Ping,
        v5::Packet::Disconnect(d) => In::Disconnect {
            with_will: d.reason_code != v5::DisconnectReasonCode::NormalDisconnection,
            expiry: d.session_expiry_interval_secs,
        },
        _ => In::Unsupported,
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
                match Wire::sniff(&mut buffer) {
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
