//! One vocabulary over MQTT 3.1.1 and 5 packets, so that the connection's logic is written once.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use rmqtt_codec::types::QoS;
use rmqtt_codec::version::{ProtocolVersion, VersionCodec};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::index::SubOptions;
use super::session::Delivery;

/// The largest packet: MQTT 5 allows 146 KB, of which 128 KB are payload.
const LARGEST_PACKET: u32 = 149_504;

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
}

/// A last will.
pub(super) struct Will {
    pub(super) topic: ByteString,
    pub(super) payload: Bytes,
    pub(super) qos: u8,
    pub(super) retain: bool,
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
    /// A DISCONNECT; true asks for the will all the same.
    Disconnect(bool),
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

/// A malformed packet: the connection ends.
#[derive(Debug)]
pub(super) struct Malformed;

impl Wire {
    /// Finds the version in the first bytes of a CONNECT; `None` while they are too few.
    pub(super) fn sniff(buffer: &mut BytesMut) -> Result<Option<Self>, Malformed> {
        match VersionCodec.decode(buffer).map_err(|_| Malformed)? {
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
            Self::V3(codec) => {
                Ok(codec.decode(buffer).map_err(|_| Malformed)?.map(|(packet, _)| from_v3(packet)))
            }
            Self::V5(codec) => {
                let Some((packet, _)) = codec.decode(buffer).map_err(|_| Malformed)? else { return Ok(None) };
                if let v5::Packet::Connect(c) = &packet
                    && let Some(max) = c.max_packet_size
                {
                    codec.set_max_outbound_size(max.get());
                }
                Ok(Some(from_v5(packet)))
            }
        }
    }

    /// Appends a packet to `buffer`. A packet the peer's own limit forbids is left out, as MQTT 5 asks.
    pub(super) fn encode(&mut self, out: Out<'_>, buffer: &mut BytesMut) {
        let done = match self {
            Self::V3(codec) => to_v3(out).is_none_or(|packet| codec.encode(packet, buffer).is_ok()),
            Self::V5(codec) => codec.encode(to_v5(out), buffer).is_ok(),
        };
        if !done {
            tracing::debug!("a packet could not be encoded for this peer");
        }
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
            will: c.last_will.map(|w| Will {
                topic: w.topic,
                payload: w.message,
                qos: w.qos.value(),
                retain: w.retain,
            }),
        }),
        v3::Packet::Publish(p) => In::Publish(p),
        v3::Packet::PublishAck { packet_id } => In::PubAck(packet_id.get()),
        v3::Packet::Subscribe { packet_id, topic_filters } => In::Subscribe {
            id: packet_id,
            filters: topic_filters
                .into_iter()
                .map(|(f, q)| {
                    (
                        f,
                        SubOptions { qos: q.value().min(1), no_local: false, retain_as_published: false },
                        q == QoS::ExactlyOnce,
                    )
                })
                .collect(),
            identifier: false,
        },
        v3::Packet::Unsubscribe { packet_id, topic_filters } => {
            In::Unsubscribe { id: packet_id, filters: topic_filters }
        }
        v3::Packet::PingRequest => In::Ping,
        v3::Packet::Disconnect => In::Disconnect(false),
        _ => In::Unsupported,
    }
}

fn from_v5(packet: v5::Packet) -> In {
    match packet {
        v5::Packet::Connect(c) => {
            if c.auth_method.is_some() {
                return In::Unsupported;
            }
            In::Connect(Hello {
                client_id: c.client_id,
                clean: c.clean_start,
                keep_alive: c.keep_alive,
                expiry: Some(c.session_expiry_interval_secs),
                receive_max: c.receive_max.map_or(usize::from(u16::MAX), |m| usize::from(m.get())),
                will: c.last_will.map(|w| Will {
                    topic: w.topic,
                    payload: w.message,
                    qos: w.qos.value(),
                    retain: w.retain,
                }),
            })
        }
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
                    };
                    (f, options, o.qos == QoS::ExactlyOnce)
                })
                .collect(),
        },
        v5::Packet::Unsubscribe(u) => In::Unsubscribe { id: u.packet_id, filters: u.topic_filters },
        v5::Packet::PingRequest => In::Ping,
        v5::Packet::Disconnect(d) => {
            In::Disconnect(d.reason_code == v5::DisconnectReasonCode::DisconnectWithWillMessage)
        }
        _ => In::Unsupported,
    }
}

fn to_v3(out: Out<'_>) -> Option<v3::Packet> {
    Some(match out {
        Out::ConnAck { code, present, .. } => v3::Packet::ConnectAck(v3::ConnectAck {
            return_code: match code {
                0 => v3::ConnectAckReason::ConnectionAccepted,
                0x85 => v3::ConnectAckReason::IdentifierRejected,
                0x84 => v3::ConnectAckReason::UnacceptableProtocolVersion,
                0x87 => v3::ConnectAckReason::NotAuthorized,
                _ => v3::ConnectAckReason::ServiceUnavailable,
            },
            session_present: present,
        }),
        Out::Publish { delivery, id, dup } => {
            v3::Packet::Publish(Box::new(publish(delivery, id, dup, false)))
        }
        Out::PubAck { id, .. } => v3::Packet::PublishAck { packet_id: id },
        Out::SubAck { id, codes } => v3::Packet::SubscribeAck {
            packet_id: id,
            status: codes
                .into_iter()
                .map(|c| match c {
                    0 => v3::SubscribeReturnCode::Success(QoS::AtMostOnce),
                    1 => v3::SubscribeReturnCode::Success(QoS::AtLeastOnce),
                    _ => v3::SubscribeReturnCode::Failure,
                })
                .collect(),
        },
        Out::UnsubAck { id, .. } => v3::Packet::UnsubscribeAck { packet_id: id },
        Out::Pong => v3::Packet::PingResponse,
        // A 3.1.1 server says nothing before it closes.
        Out::Disconnect(_) => return None,
    })
}

fn to_v5(out: Out<'_>) -> v5::Packet {
    match out {
        Out::ConnAck { code, present, keep_alive, assigned, expiry } => {
            v5::Packet::ConnectAck(Box::new(v5::ConnectAck {
                session_present: present,
                reason_code: v5::ConnectAckReason::try_from(code)
                    .unwrap_or(v5::ConnectAckReason::UnspecifiedError),
                session_expiry_interval_secs: expiry,
                receive_max: NonZeroU16::new(100).unwrap_or(NonZeroU16::MAX),
                max_qos: QoS::AtLeastOnce,
                max_packet_size: Some(LARGEST_PACKET),
                assigned_client_id: assigned,
                topic_alias_max: 8,
                retain_available: true,
                wildcard_subscription_available: true,
                subscription_identifiers_available: false,
                shared_subscription_available: true,
                server_keepalive_sec: keep_alive,
                ..v5::ConnectAck::default()
            }))
        }
        Out::Publish { delivery, id, dup } => v5::Packet::Publish(Box::new(publish(delivery, id, dup, true))),
        Out::PubAck { id, code } => v5::Packet::PublishAck(v5::PublishAck {
            packet_id: id,
            reason_code: v5::PublishAckReason::try_from(code)
                .unwrap_or(v5::PublishAckReason::UnspecifiedError),
            properties: Vec::new(),
            reason_string: None,
        }),
        Out::SubAck { id, codes } => v5::Packet::SubscribeAck(v5::SubscribeAck {
            packet_id: id,
            properties: Vec::new(),
            reason_string: None,
            status: codes
                .into_iter()
                .map(|c| {
                    v5::SubscribeAckReason::try_from(c).unwrap_or(v5::SubscribeAckReason::UnspecifiedError)
                })
                .collect(),
        }),
        Out::UnsubAck { id, found } => v5::Packet::UnsubscribeAck(v5::UnsubscribeAck {
            packet_id: id,
            properties: Vec::new(),
            reason_string: None,
            status: found
                .into_iter()
                .map(|f| {
                    if f {
                        v5::UnsubscribeAckReason::Success
                    } else {
                        v5::UnsubscribeAckReason::NoSubscriptionExisted
                    }
                })
                .collect(),
        }),
        Out::Pong => v5::Packet::PingResponse,
        Out::Disconnect(code) => v5::Packet::Disconnect(v5::Disconnect {
            reason_code: v5::DisconnectReasonCode::try_from(code)
                .unwrap_or(v5::DisconnectReasonCode::UnspecifiedError),
            session_expiry_interval_secs: None,
            server_reference: None,
            reason_string: None,
            user_properties: Vec::new(),
        }),
    }
}

fn publish(delivery: &Delivery, id: Option<NonZeroU16>, dup: bool, v5: bool) -> rmqtt_codec::types::Publish {
    let properties = v5.then(|| {
        let mut properties = delivery.properties.as_deref().cloned().unwrap_or_default();
        if let Some(at) = delivery.expires {
            let left = at.saturating_duration_since(std::time::Instant::now()).as_secs().max(1);
            properties.message_expiry_interval = NonZeroU32::new(u32::try_from(left).unwrap_or(u32::MAX));
        }
        properties
    });
    rmqtt_codec::types::Publish {
        dup,
        retain: delivery.retain,
        qos: if id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
        topic: delivery.topic.clone(),
        packet_id: id,
        payload: delivery.payload.clone(),
        properties,
    }
}
