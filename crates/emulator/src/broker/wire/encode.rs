//! The broker's answers as packets of each version.

use std::num::{NonZeroU16, NonZeroU32};

use bytestring::ByteString;
use rmqtt_codec::types::QoS;
use rmqtt_codec::v5::PublishProperties;
use rmqtt_codec::{v3, v5};

use super::{LARGEST_PACKET, Out};
use crate::broker::Properties;
use crate::broker::limits::{HIGHEST_ALIAS, MOST_IN_FLIGHT};
use crate::broker::session::Delivery;

/// `None` when MQTT 3.1.1 has nothing to say.
pub(super) fn to_v3(out: Out<'_>) -> Option<v3::Packet> {
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

pub(super) fn to_v5(out: Out<'_>) -> v5::Packet {
    match out {
        Out::ConnAck { code, present, keep_alive, assigned, expiry } => {
            v5::Packet::ConnectAck(Box::new(v5::ConnectAck {
                session_present: present,
                reason_code: v5::ConnectAckReason::try_from(code)
                    .unwrap_or(v5::ConnectAckReason::UnspecifiedError),
                session_expiry_interval_secs: expiry,
                receive_max: NonZeroU16::new(MOST_IN_FLIGHT as u16).unwrap_or(NonZeroU16::MAX),
                max_qos: QoS::AtLeastOnce,
                max_packet_size: Some(LARGEST_PACKET),
                assigned_client_id: assigned,
                topic_alias_max: HIGHEST_ALIAS,
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

/// The properties of a message that did not come over MQTT; `None` when there are none.
pub(in crate::broker) fn properties(properties: Properties) -> Option<PublishProperties> {
    if properties == Properties::default() {
        return None;
    }
    let pairs = properties.user_properties.into_iter();
    Some(PublishProperties {
        content_type: properties.content_type.map(ByteString::from),
        response_topic: properties.response_topic.map(ByteString::from),
        correlation_data: properties.correlation_data,
        user_properties: pairs.map(|(k, v)| (k.into(), v.into())).collect(),
        is_utf8_payload: properties.utf8,
        ..PublishProperties::default()
    })
}
