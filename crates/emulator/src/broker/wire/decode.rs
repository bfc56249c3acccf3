//! Packets of clients, read: the half of MQTT 3.1.1 and 5 that a broker hears. Whatever is wrong in one ends its connection.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use bytestring::ByteString;

use super::{Hello, In, LARGEST_PACKET, Malformed, Publish, Version, Will};
use crate::broker::Properties;
use crate::broker::index::{RetainHandling, SubOptions};

type Read<T> = Result<T, Malformed>;

const MALFORMED: Malformed = Malformed(0x81);
const TOO_LARGE: Malformed = Malformed(0x95);
const CONNECT: u8 = 0x10;

/// The protocol's name and level in the first bytes of a CONNECT; `None` while they are too few.
pub(super) fn version(buffer: &[u8]) -> Read<Option<Version>> {
    let Some((first, rest)) = buffer.split_first() else { return Ok(None) };
    if *first != CONNECT {
        return Err(MALFORMED);
    }
    let Some((_, used)) = length(rest)? else { return Ok(None) };
    let head = &rest[used..];
    for (start, version) in [
        (&b"\x00\x04MQTT\x04"[..], Version::V4),
        (b"\x00\x04MQTT\x05", Version::V5),
        // The level 3 of MQTT 3.1, which is refused in its own words.
        (b"\x00\x06MQIsdp\x03", Version::Old),
    ] {
        if head.starts_with(start) {
            return Ok(Some(version));
        }
        if start.starts_with(head) {
            return Ok(None);
        }
    }
    Err(MALFORMED)
}

/// A length of up to four bytes and how many they are; `None` while they are too few.
fn length(bytes: &[u8]) -> Read<Option<(usize, usize)>> {
    let mut value = 0;
    for (n, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Ok(Some((value, n + 1)));
        }
    }
    if bytes.len() >= 4 { Err(MALFORMED) } else { Ok(None) }
}

/// The next whole packet in `buffer`: its first byte and what stands behind its length.
pub(super) fn frame(buffer: &mut BytesMut) -> Read<Option<(u8, Bytes)>> {
    let Some((first, rest)) = buffer.split_first() else { return Ok(None) };
    let first = *first;
    let Some((size, used)) = length(rest)? else { return Ok(None) };
    if size > LARGEST_PACKET as usize {
        return Err(TOO_LARGE);
    }
    let whole = 1 + used + size;
    if buffer.len() < whole {
        return Ok(None);
    }
    let mut packet = buffer.split_to(whole).freeze();
    packet.advance(1 + used);
    Ok(Some((first, packet)))
}

/// A packet of a client. For a CONNECT also the largest packet it takes.
pub(super) fn packet(version: Version, first: u8, body: Bytes) -> Read<(In, Option<NonZeroU32>)> {
    let mut body = Reader(body);
    let v5 = version == Version::V5;
    let packet = match first {
        CONNECT => return connect(version, &mut body),
        0x30..=0x3f => publish(v5, first & 0xf, body)?,
        0x40 => acknowledgement(v5, &mut body)?,
        0x82 => subscribe(v5, &mut body)?,
        0xa2 => unsubscribe(v5, &mut body)?,
        0xc0 => {
            body.end()?;
            In::Ping
        }
        0xe0 => disconnect(v5, &mut body)?,
        // What only a server sends, QoS 2's flow, and AUTH.
        0x20 | 0x50 | 0x62 | 0x70 | 0x90 | 0xb0 | 0xd0 => In::Unsupported,
        0xf0 if v5 => In::Unsupported,
        _ => return Err(MALFORMED),
    };
    Ok((packet, None))
}

/// What is left of a packet.
struct Reader(Bytes);

impl Reader {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing may stand behind what was read.
    fn end(&self) -> Read<()> {
        if self.is_empty() { Ok(()) } else { Err(MALFORMED) }
    }

    fn byte(&mut self) -> Read<u8> {
        self.0.try_get_u8().map_err(|_| MALFORMED)
    }

    fn short(&mut self) -> Read<u16> {
        self.0.try_get_u16().map_err(|_| MALFORMED)
    }

    fn long(&mut self) -> Read<u32> {
        self.0.try_get_u32().map_err(|_| MALFORMED)
    }

    fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(MALFORMED),
        }
    }

    /// A number that may not be zero: of a packet, an alias, a window.
    fn id(&mut self) -> Read<NonZeroU16> {
        NonZeroU16::new(self.short()?).ok_or(MALFORMED)
    }

    fn take(&mut self, size: usize) -> Read<Bytes> {
        if self.0.len() < size { Err(MALFORMED) } else { Ok(self.0.split_to(size)) }
    }

    fn bytes(&mut self) -> Read<Bytes> {
        let size = self.short()?;
        self.take(usize::from(size))
    }

    fn text(&mut self) -> Read<ByteString> {
        ByteString::try_from(self.bytes()?).map_err(|_| MALFORMED)
    }

    fn variable(&mut self) -> Read<usize> {
        let (value, used) = length(&self.0)?.ok_or(MALFORMED)?;
        self.0.advance(used);
        Ok(value)
    }

    /// The properties of a packet of MQTT 5, of those that may stand in it; none of them twice, unless it is a user's.
    fn properties(&mut self, known: &[u8]) -> Read<Vec<Property>> {
        let size = self.variable()?;
        let mut section = Self(self.take(size)?);
        let (mut found, mut seen) = (Vec::new(), 0_u64);
        while !section.is_empty() {
            let kind = section.byte()?;
            let bit = 1_u64.checked_shl(u32::from(kind)).ok_or(MALFORMED)?;
            if !known.contains(&kind) || seen & bit != 0 {
                return Err(MALFORMED);
            }
            if ![property::USER, property::SUBSCRIPTION].contains(&kind) {
                seen |= bit;
            }
            found.push(section.property(kind)?);
        }
        Ok(found)
    }

    fn property(&mut self, kind: u8) -> Read<Property> {
        Ok(match kind {
            property::UTF8 => Property::Utf8(self.flag()?),
            property::EXPIRY => Property::Expiry(NonZeroU32::new(self.long()?).ok_or(MALFORMED)?.get()),
            property::CONTENT_TYPE => Property::ContentType(self.text()?),
            property::RESPONSE_TOPIC => Property::ResponseTopic(self.text()?),
            property::CORRELATION => Property::Correlation(self.bytes()?),
            property::SUBSCRIPTION => match self.variable()? {
                0 => return Err(MALFORMED),
                _ => Property::Subscription,
            },
            property::SESSION_EXPIRY => Property::SessionExpiry(self.long()?),
            property::METHOD => {
                self.text()?;
                Property::Method
            }
            property::WILL_DELAY => Property::WillDelay(self.long()?),
            property::RECEIVE_MAX => Property::ReceiveMax(self.id()?),
            property::ALIAS => Property::Alias(self.id()?),
            property::USER => Property::User(self.text()?, self.text()?),
            property::MAX_PACKET => Property::MaxPacket(NonZeroU32::new(self.long()?).ok_or(MALFORMED)?),
            property::METHOD_DATA => {
                self.bytes()?;
                Property::Other
            }
            property::PROBLEMS | property::RESPONSES => {
                self.flag()?;
                Property::Other
            }
            property::REASON | property::SERVER => {
                self.text()?;
                Property::Other
            }
            property::ALIAS_MAX => {
                self.short()?;
                Property::Other
            }
            _ => return Err(MALFORMED),
        })
    }
}

/// The properties a client sends, by their numbers.
pub(super) mod property {
    pub(in super::super) const UTF8: u8 = 0x01;
    pub(in super::super) const EXPIRY: u8 = 0x02;
    pub(in super::super) const CONTENT_TYPE: u8 = 0x03;
    pub(in super::super) const RESPONSE_TOPIC: u8 = 0x08;
    pub(in super::super) const CORRELATION: u8 = 0x09;
    pub(in super::super) const SUBSCRIPTION: u8 = 0x0b;
    pub(in super::super) const SESSION_EXPIRY: u8 = 0x11;
    pub(in super::super) const METHOD: u8 = 0x15;
    pub(in super::super) const METHOD_DATA: u8 = 0x16;
    pub(in super::super) const PROBLEMS: u8 = 0x17;
    pub(in super::super) const WILL_DELAY: u8 = 0x18;
    pub(in super::super) const RESPONSES: u8 = 0x19;
    pub(in super::super) const SERVER: u8 = 0x1c;
    pub(in super::super) const REASON: u8 = 0x1f;
    pub(in super::super) const RECEIVE_MAX: u8 = 0x21;
    pub(in super::super) const ALIAS_MAX: u8 = 0x22;
    pub(in super::super) const ALIAS: u8 = 0x23;
    pub(in super::super) const USER: u8 = 0x26;
    pub(in super::super) const MAX_PACKET: u8 = 0x27;
}

/// A property of a packet.
enum Property {
    Utf8(bool),
    Expiry(u32),
    ContentType(ByteString),
    ResponseTopic(ByteString),
    Correlation(Bytes),
    Subscription,
    SessionExpiry(u32),
    /// Of an enhanced authentication.
    Method,
    WillDelay(u32),
    ReceiveMax(NonZeroU16),
    Alias(NonZeroU16),
    User(ByteString, ByteString),
    MaxPacket(NonZeroU32),
    /// One that changes nothing here.
    Other,
}

/// Puts what a message carries to its subscribers, in memory of its own, where it belongs; gives back any other property.
fn carried(property: Property, carries: &mut Properties) -> Option<Property> {
    match property {
        Property::Utf8(utf8) => carries.utf8 = utf8,
        Property::ContentType(text) => carries.content_type = Some(text.to_string()),
        Property::ResponseTopic(text) => carries.response_topic = Some(text.to_string()),
        Property::Correlation(data) => carries.correlation_data = Some(Bytes::copy_from_slice(&data)),
        Property::User(name, value) => carries.user_properties.push((name.to_string(), value.to_string())),
        other => return Some(other),
    }
    None
}

fn qos(bits: u8) -> Read<u8> {
    if bits > 2 { Err(MALFORMED) } else { Ok(bits) }
}

fn connect(version: Version, body: &mut Reader) -> Read<(In, Option<NonZeroU32>)> {
    let v5 = version == Version::V5;
    // Name and level were looked at by [`version`].
    body.text()?;
    body.byte()?;
    let flags = body.byte()?;
    let will = flags & 0x04 != 0;
    if flags & 0x01 != 0 || !will && flags & 0x38 != 0 {
        return Err(MALFORMED);
    }
    let clean = flags & 0x02 != 0;
    let keep_alive = body.short()?;
    let mut hello = Hello {
        client_id: ByteString::new(),
        clean,
        keep_alive,
        expiry: (v5 || clean).then_some(0),
        receive_max: if v5 { usize::from(u16::MAX) } else { usize::MAX },
        will: None,
        // 0x84: unsupported protocol version. AWS IoT has no MQTT 3.1.
        refusal: (version == Version::Old).then_some(0x84),
    };
    let mut largest = None;
    if v5 {
        for property in body.properties(&[
            property::SESSION_EXPIRY,
            property::METHOD,
            property::METHOD_DATA,
            property::PROBLEMS,
            property::RESPONSES,
            property::RECEIVE_MAX,
            property::ALIAS_MAX,
            property::USER,
            property::MAX_PACKET,
        ])? {
            match property {
                Property::SessionExpiry(seconds) => hello.expiry = Some(seconds),
                Property::ReceiveMax(most) => hello.receive_max = usize::from(most.get()),
                Property::MaxPacket(size) => largest = Some(size),
                // 0x8c: bad authentication method. AWS IoT has no enhanced authentication.
                Property::Method => hello.refusal = Some(0x8c),
                _ => {}
            }
        }
    }
    hello.client_id = body.text()?;
    if will {
        hello.will = Some(Box::new(last_will(v5, flags, body)?));
    }
    if flags & 0x80 != 0 {
        body.text()?;
    }
    if flags & 0x40 != 0 {
        body.bytes()?;
    }
    body.end()?;
    Ok((In::Connect(hello), largest))
}

fn last_will(v5: bool, flags: u8, body: &mut Reader) -> Read<Will> {
    let (mut delay, mut expiry, mut carries) = (0, None, Properties::default());
    if v5 {
        for property in body.properties(&[
            property::WILL_DELAY,
            property::UTF8,
            property::EXPIRY,
            property::CONTENT_TYPE,
            property::RESPONSE_TOPIC,
            property::CORRELATION,
            property::USER,
        ])? {
            match carried(property, &mut carries) {
                Some(Property::WillDelay(seconds)) => delay = seconds,
                Some(Property::Expiry(seconds)) => expiry = Some(seconds),
                _ => {}
            }
        }
    }
    Ok(Will {
        // Memory of their own: they outlive the buffer they came in.
        topic: ByteString::from(&*body.text()?),
        payload: Bytes::copy_from_slice(&body.bytes()?),
        qos: qos(flags >> 3 & 3)?,
        retain: flags & 0x20 != 0,
        delay,
        expiry,
        properties: carries.carried(),
    })
}

fn publish(v5: bool, flags: u8, mut body: Reader) -> Read<In> {
    let topic = body.text()?;
    if topic.is_empty() && !v5 {
        return Err(MALFORMED);
    }
    let qos = qos(flags >> 1 & 3)?;
    let id = if qos == 0 { None } else { Some(body.id()?) };
    let (mut alias, mut expiry, mut carries) = (None, None, Properties::default());
    if v5 {
        for property in body.properties(&[
            property::UTF8,
            property::EXPIRY,
            property::CONTENT_TYPE,
            property::RESPONSE_TOPIC,
            property::CORRELATION,
            property::SUBSCRIPTION,
            property::ALIAS,
            property::USER,
        ])? {
            match carried(property, &mut carries) {
                Some(Property::Alias(number)) => alias = Some(number.get()),
                Some(Property::Expiry(seconds)) => expiry = Some(seconds),
                _ => {}
            }
        }
    }
    Ok(In::Publish(Publish {
        topic,
        alias,
        id,
        qos,
        retain: flags & 1 != 0,
        expiry,
        properties: carries.carried().map(Arc::new),
        payload: body.0,
    }))
}

fn acknowledgement(v5: bool, body: &mut Reader) -> Read<In> {
    let id = body.id()?;
    if v5 && !body.is_empty() {
        body.byte()?;
        if !body.is_empty() {
            body.properties(&[property::REASON, property::USER])?;
        }
    }
    if body.is_empty() { Ok(In::PubAck(id.get())) } else { Err(MALFORMED) }
}

fn subscribe(v5: bool, body: &mut Reader) -> Read<In> {
    let id = body.id()?;
    let properties =
        if v5 { body.properties(&[property::SUBSCRIPTION, property::USER])? } else { Vec::new() };
    let mut filters = Vec::new();
    while !body.is_empty() {
        let filter = body.text()?;
        let bits = body.byte()?;
        if v5 && bits & 0xc0 != 0 || !v5 && filter.is_empty() {
            return Err(MALFORMED);
        }
        let qos = qos(bits & 3)?;
        let options = SubOptions {
            qos: qos.min(1),
            no_local: v5 && bits & 0x04 != 0,
            retain_as_published: v5 && bits & 0x08 != 0,
            retain_handling: match bits >> 4 & 3 {
                _ if !v5 => RetainHandling::Every,
                0 => RetainHandling::Every,
                1 => RetainHandling::New,
                2 => RetainHandling::Never,
                _ => return Err(MALFORMED),
            },
        };
        filters.push((filter, options, qos == 2));
    }
    if filters.is_empty() {
        return Err(MALFORMED);
    }
    let identifier = properties.iter().any(|property| matches!(property, Property::Subscription));
    Ok(In::Subscribe { id, filters, identifier })
}

fn unsubscribe(v5: bool, body: &mut Reader) -> Read<In> {
    let id = body.id()?;
    if v5 {
        body.properties(&[property::USER])?;
    }
    let mut filters = Vec::new();
    while !body.is_empty() {
        filters.push(body.text()?);
    }
    if filters.is_empty() || !v5 && filters.iter().any(|filter| filter.is_empty()) {
        return Err(MALFORMED);
    }
    Ok(In::Unsubscribe { id, filters })
}

fn disconnect(v5: bool, body: &mut Reader) -> Read<In> {
    let (mut reason, mut expiry) = (0, None);
    if v5 && !body.is_empty() {
        reason = body.byte()?;
        if !matches!(reason, 0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99) {
            return Err(MALFORMED);
        }
        if !body.is_empty() {
            let known = [property::SESSION_EXPIRY, property::REASON, property::USER, property::SERVER];
            for property in body.properties(&known)? {
                if let Property::SessionExpiry(seconds) = property {
                    expiry = Some(seconds);
                }
            }
        }
    }
    body.end()?;
    Ok(In::Disconnect { with_will: reason != 0, expiry })
}
