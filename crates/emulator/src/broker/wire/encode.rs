//! The broker's answers, written.

use std::num::NonZeroU16;

use bytes::{BufMut as _, BytesMut};

use super::decode::property;
use super::{LARGEST_PACKET, Out, Version};
use crate::broker::Properties;
use crate::broker::limits::{HIGHEST_ALIAS, MOST_IN_FLIGHT};
use crate::broker::session::Delivery;

/// The properties of a server's CONNACK, by their numbers.
const ASSIGNED_ID: u8 = 0x12;
const SERVER_KEEP_ALIVE: u8 = 0x13;
const MAX_QOS: u8 = 0x24;
const SUBSCRIPTIONS_AVAILABLE: u8 = 0x29;

/// Appends a packet; `None`, with nothing of use in `buffer`, when a part of it is longer than MQTT can say. MQTT 3.1.1 has
/// nothing to say instead of some.
pub(super) fn packet(version: Version, out: Out<'_>, buffer: &mut BytesMut) -> Option<()> {
    let v5 = version == Version::V5;
    match out {
        Out::ConnAck { code, present, keep_alive, assigned, expiry } => {
            let mut body = vec![u8::from(present), if v5 { code } else { connect_code(code) }];
            if v5 {
                let mut properties = Vec::new();
                if let Some(seconds) = expiry {
                    properties.put_u8(property::SESSION_EXPIRY);
                    properties.put_u32(seconds);
                }
                properties.put_u8(property::RECEIVE_MAX);
                properties.put_u16(MOST_IN_FLIGHT as u16);
                properties.put_slice(&[MAX_QOS, 1]);
                properties.put_u8(property::MAX_PACKET);
                properties.put_u32(LARGEST_PACKET);
                if let Some(id) = assigned {
                    properties.put_u8(ASSIGNED_ID);
                    text(&mut properties, &id)?;
                }
                properties.put_u8(property::ALIAS_MAX);
                properties.put_u16(HIGHEST_ALIAS);
                properties.put_slice(&[SUBSCRIPTIONS_AVAILABLE, 0]);
                if let Some(seconds) = keep_alive {
                    properties.put_u8(SERVER_KEEP_ALIVE);
                    properties.put_u16(seconds);
                }
                length(&mut body, properties.len())?;
                body.put_slice(&properties);
            }
            whole(buffer, 0x20, &body)
        }
        Out::Publish { delivery, id, dup } => publish(v5, delivery, id, dup, buffer),
        Out::PubAck { id, code } => {
            let mut body = id.get().to_be_bytes().to_vec();
            if v5 && code != 0 {
                body.put_slice(&[code, 0]);
            }
            whole(buffer, 0x40, &body)
        }
        Out::SubAck { id, codes } => {
            let mut body = id.get().to_be_bytes().to_vec();
            if v5 {
                body.put_u8(0);
            }
            // MQTT 3.1.1 has one code for every refusal.
            body.extend(codes.into_iter().map(|code| if v5 || code < 2 { code } else { 0x80 }));
            whole(buffer, 0x90, &body)
        }
        Out::UnsubAck { id, found } => {
            let mut body = id.get().to_be_bytes().to_vec();
            if v5 {
                body.put_u8(0);
                // 0x11: no subscription existed.
                body.extend(found.into_iter().map(|found| if found { 0 } else { 0x11 }));
            }
            whole(buffer, 0xb0, &body)
        }
        Out::Pong => whole(buffer, 0xd0, &[]),
        Out::Disconnect(code) if v5 => whole(buffer, 0xe0, &[code, 0]),
        // A 3.1.1 server says nothing before it closes.
        Out::Disconnect(_) => Some(()),
    }
}

/// The CONNACK code of MQTT 3.1.1 for a reason of MQTT 5.
fn connect_code(reason: u8) -> u8 {
    match reason {
        0 => 0,
        0x84 => 1,
        0x85 => 2,
        0x87 => 5,
        // The server is unavailable.
        _ => 3,
    }
}

fn publish(
    v5: bool,
    delivery: &Delivery,
    id: Option<NonZeroU16>,
    dup: bool,
    buffer: &mut BytesMut,
) -> Option<()> {
    let mut properties = Vec::new();
    if v5 {
        if let Some(at) = delivery.expires {
            let left = at.saturating_duration_since(std::time::Instant::now()).as_secs().max(1);
            properties.put_u8(property::EXPIRY);
            properties.put_u32(u32::try_from(left).unwrap_or(u32::MAX));
        }
        if let Some(carried) = &delivery.properties {
            carry(&mut properties, carried)?;
        }
    }
    let mut head = Vec::with_capacity(4);
    if v5 {
        length(&mut head, properties.len())?;
    }
    let topic = u16::try_from(delivery.topic.len()).ok()?;
    let id = id.map(|id| id.get().to_be_bytes());
    let size = 2
        + delivery.topic.len()
        + id.map_or(0, |id| id.len())
        + head.len()
        + properties.len()
        + delivery.payload.len();
    let qos = u8::from(id.is_some());
    buffer.reserve(size + 5);
    buffer.put_u8(0x30 | u8::from(dup) << 3 | qos << 1 | u8::from(delivery.retain));
    length(buffer, size)?;
    buffer.put_u16(topic);
    buffer.put_slice(delivery.topic.as_bytes());
    if let Some(id) = id {
        buffer.put_slice(&id);
    }
    buffer.put_slice(&head);
    buffer.put_slice(&properties);
    buffer.put_slice(&delivery.payload);
    Some(())
}

/// The properties a message carries to its subscribers.
fn carry(out: &mut Vec<u8>, carried: &Properties) -> Option<()> {
    if carried.utf8 {
        out.put_slice(&[property::UTF8, 1]);
    }
    for (number, value) in
        [(property::CONTENT_TYPE, &carried.content_type), (property::RESPONSE_TOPIC, &carried.response_topic)]
    {
        if let Some(value) = value {
            out.put_u8(number);
            text(out, value)?;
        }
    }
    if let Some(data) = &carried.correlation_data {
        out.put_u8(property::CORRELATION);
        out.put_u16(u16::try_from(data.len()).ok()?);
        out.put_slice(data);
    }
    for (name, value) in &carried.user_properties {
        out.put_u8(property::USER);
        text(out, name)?;
        text(out, value)?;
    }
    Some(())
}

fn text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    out.put_u16(u16::try_from(text.len()).ok()?);
    out.put_slice(text.as_bytes());
    Some(())
}

/// A length of up to four bytes, seven bits in each.
fn length(out: &mut impl bytes::BufMut, mut value: usize) -> Option<()> {
    if value > 0x0fff_ffff {
        return None;
    }
    while value > 0x7f {
        out.put_u8(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
    Some(())
}

fn whole(buffer: &mut BytesMut, first: u8, body: &[u8]) -> Option<()> {
    buffer.reserve(body.len() + 5);
    buffer.put_u8(first);
    length(buffer, body.len())?;
    buffer.put_slice(body);
    Some(())
}
