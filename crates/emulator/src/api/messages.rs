//! Publishing without MQTT, and retained messages (the data plane's Publish, SendDirectMessage, GetRetainedMessage,
//! ListRetainedMessages).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use bytes::Bytes;
use quell_rules::topics::Dialect;
use serde_json::{Value, json};

use super::connections::{client_id, not_connected};
use super::registry::uuid;
use super::request::{Awaited, encode_token};
use super::{ApiError, Req, Resp, provisioning};
use crate::broker::{Host as _, Principal, Properties, Retained, Routing, Session, publishable};

/// Base64 with or without its padding, as AWS takes it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The largest payload, in bytes.
const LARGEST: usize = 128 * 1024;
/// How long a confirmation is waited for when the request does not say, in real time.
const CONFIRMATION: Duration = Duration::from_secs(5);
/// ListRetainedMessages: at most, and without `maxResults`.
const PAGE: usize = 200;

/// Publish: to every subscriber, as an IAM identity or as the device whose certificate came with the request.
pub(super) fn publish(req: &Req) -> Result<Resp, ApiError> {
    let topic = req.path("topic");
    if Dialect::Aws.valid_topic(topic).is_err() {
        return Err(ApiError::invalid("The topic is not valid."));
    }
    if !publishable(topic) {
        // Reserved, and no request of any service.
        return Err(ApiError::new(403, "ForbiddenException", "Forbidden"));
    }
    if provisioning::is_request(topic) {
        return Err(ApiError::invalid("Fleet provisioning answers over the MQTT connection that asks."));
    }
    let qos = match req.query("qos") {
        None | Some("0") => 0,
        Some("1") => 1,
        Some(_) => return Err(ApiError::invalid("qos must be 0 or 1")),
    };
    if req.body.len() > LARGEST {
        return Err(ApiError::invalid("The payload exceeds 131072 bytes"));
    }
    let properties = properties(req)?;
    let caller = req.device.clone().unwrap_or_else(|| Session {
        client_id: "".into(),
        principal: Principal::Iam(req.caller.clone()),
        serial: 0,
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        attributes: Default::default(),
    });
    // A request to a shadow or to jobs is one over HTTP too.
    if req.account.published(&caller, topic, &req.body, Some(&properties)) == Routing::Subscribers {
        req.account.broker().publish_with(topic, req.body.clone(), qos, req.flag("retain"), properties);
    }
    Resp::json(json!({ "message": "OK", "traceId": uuid() }))
}

/// SendDirectMessage: to one connected client, subscribed or not. With a confirmation, answered once the client has
/// acknowledged the message.
pub(super) fn send_direct(req: &Req) -> Result<Resp, ApiError> {
    let (broker, id) = (req.account.broker(), client_id(req)?);
    let topic = req.required_query("topic")?;
    if Dialect::Aws.valid_topic(topic).is_err() {
        return Err(ApiError::invalid("The topic is not valid."));
    }
    if req.body.len() > LARGEST {
        let text = format!("The payload exceeds {LARGEST} bytes");
        return Err(ApiError::new(413, "RequestEntityTooLargeException", text));
    }
    let (confirm, signal) = match req.flag("confirmation") {
        true => Some(tokio::sync::mpsc::channel(1)).unzip(),
        false => (None, None),
    };
    let patience = match req.long("timeout")?.filter(|_| signal.is_some()) {
        None => CONFIRMATION,
        Some(n) => u64::try_from(n)
            .ok()
            .filter(|n| (1..=15).contains(n))
            .map(Duration::from_secs)
            .ok_or_else(|| ApiError::invalid("timeout must be between 1 and 15"))?,
    };
    if !broker.send_direct(id, topic, req.body.clone(), properties(req)?, confirm) {
        return Err(not_connected());
    }
    let mut resp = Resp::json(json!({ "message": "OK", "traceId": uuid() }))?;
    resp.once = signal.map(|signal| Awaited {
        signal,
        patience,
        otherwise: ApiError::new(
            504,
            "GatewayTimeoutException",
            "The client did not confirm the delivery in time.",
        ),
    });
    Ok(resp)
}

/// The MQTT 5 properties of a Publish: some are headers, some are in the query.
fn properties(req: &Req) -> Result<Properties, ApiError> {
    let text = |name: &str| req.query(name).filter(|v| !v.is_empty()).map(str::to_owned);
    let utf8 = match req.header("x-amz-mqtt5-payload-format-indicator") {
        None | Some("UNSPECIFIED_BYTES") => false,
        Some("UTF8_DATA") => std::str::from_utf8(&req.body)
            .map(|_| true)
            .map_err(|_| ApiError::invalid("The payload is not UTF-8 data"))?,
        Some(_) => return Err(ApiError::invalid("payloadFormatIndicator is not valid")),
    };
    let response_topic = text("responseTopic");
    if response_topic.as_deref().is_some_and(|topic| Dialect::Aws.valid_topic(topic).is_err()) {
        return Err(ApiError::invalid("responseTopic is not valid"));
    }
    let correlation_data = match req.header("x-amz-mqtt5-correlation-data") {
        None => None,
        Some(value) => Some(Bytes::from(
            LENIENT
                .decode(value)
                .map_err(|_| ApiError::invalid("correlationData must be encoded as Base64"))?,
        )),
    };
    let expiry = match req.long("messageExpiry")? {
        None => None,
        Some(n) => Some(
            u32::try_from(n)
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| ApiError::invalid("messageExpiry must be at least 1"))?,
        ),
    };
    let user_properties = match req.header("x-amz-mqtt5-user-properties") {
        None => Vec::new(),
        Some(value) => pairs(value)
            .ok_or_else(|| ApiError::invalid("userProperties must be a JSON array of objects, as Base64"))?,
    };
    Ok(Properties {
        utf8,
        content_type: text("contentType"),
        response_topic,
        correlation_data,
        user_properties,
        expiry,
    })
}

/// User properties as the SDKs send them: Base64 of `[{"name": "value"}, …]`.
fn pairs(header: &str) -> Option<Vec<(String, String)>> {
    let list: Vec<serde_json::Map<String, Value>> =
        serde_json::from_slice(&STANDARD.decode(header).ok()?).ok()?;
    list.into_iter().flatten().map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}

/// GetRetainedMessage.
pub(super) fn get_retained(req: &Req) -> Result<Resp, ApiError> {
    let Some(held) = req.account.broker().retained(req.path("topic")) else {
        return Err(ApiError::not_found("No retained message exists for the specified topic."));
    };
    let mut body = summary(&held);
    body["payload"] = json!(STANDARD.encode(&held.payload));
    if !held.user_properties.is_empty() {
        let list: Vec<Value> = held.user_properties.iter().map(|(k, v)| json!({ k: v })).collect();
        body["userProperties"] = json!(STANDARD.encode(json!(list).to_string()));
    }
    Resp::json(body)
}

/// ListRetainedMessages: topics and sizes, by topic.
pub(super) fn list_retained(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(PAGE, PAGE)?;
    let mut held = req.account.broker().list_retained(page.after.as_deref(), page.size + 1);
    let more = held.len() > page.size;
    held.truncate(page.size);
    let next = held.last().filter(|_| more).map(|last| encode_token(&last.topic));
    let rows = held.iter().map(|held| {
        let mut row = summary(held);
        row["payloadSize"] = json!(held.payload.len());
        row
    });
    Resp::page("retainedTopics", rows, next)
}

fn summary(held: &Retained) -> Value {
    json!({ "topic": held.topic, "qos": held.qos, "lastModifiedTime": held.modified })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_properties_keep_their_order_and_may_repeat() {
        let header = |text: &str| STANDARD.encode(text);
        let pair = |v: &str| ("k".to_owned(), v.to_owned());
        assert_eq!(pairs(&header(r#"[{"k":"1"},{"k":"2"}]"#)), Some(vec![pair("1"), pair("2")]));
        for bad in [r#"{"k":"1"}"#, r#"[{"k":1}]"#, "[1]", "x"] {
            assert_eq!(pairs(&header(bad)), None, "{bad}");
        }
        assert_eq!(pairs("not Base64"), None);
    }
}
