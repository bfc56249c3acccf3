//! The three protocols CloudWatch speaks: Smithy RPC v2 CBOR (what current SDKs send), AWS JSON 1.0 and Query/XML.
//!
//! Operations work on documents; here they are read from and written to bytes. Numbers may come as text (Query) and times
//! as text, seconds or a CBOR tag: `ops.rs` accepts any.

use std::fmt::Write as _;

use ciborium::Value as Cbor;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::account::Account;
use crate::api::{ApiError, Req, Resp, query};

const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

/// An answer before it is written: times are marked, as each protocol has its own form of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Out {
    Text(String),
    Number(f64),
    /// Epoch milliseconds.
    Time(i64),
    List(Vec<Out>),
    Fields(Vec<(String, Out)>),
}

impl Out {
    pub(super) fn fields<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Fields(fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect())
    }
}

type Operation = fn(&Account, &Value) -> Result<Option<Out>, ApiError>;

/// Reads the request in its protocol, runs the operation, answers in the same.
pub(super) fn answer(req: &Req, name: &str, operation: Operation) -> Result<Resp, ApiError> {
    if req.header("smithy-protocol") == Some("rpc-v2-cbor") {
        return cbor(from_cbor(&req.body).and_then(|input| operation(&req.account, &input)));
    }
    if req.header("x-amz-target").is_some() {
        return json_answer(req.json().and_then(|input: Value| operation(&req.account, &input)));
    }
    let result = operation(&req.account, &from_form(&req.query))?;
    let mut xml = String::new();
    if let Some(Out::Fields(fields)) = result {
        for (field, value) in fields {
            write_xml(&mut xml, &field, &value);
        }
    }
    query::answer(name, NAMESPACE, &xml)
}

fn from_cbor(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let value: Cbor = ciborium::from_reader(body)
        .map_err(|e| ApiError::new(400, "SerializationException", format!("the body is not CBOR: {e}")))?;
    Ok(cbor_to_json(value))
}

fn cbor_to_json(value: Cbor) -> Value {
    match value {
        Cbor::Integer(n) => i64::try_from(n).map_or(Value::Null, Value::from),
        Cbor::Float(f) => serde_json::Number::from_f64(f).map_or(Value::Null, Value::Number),
        Cbor::Text(t) => Value::String(t),
        Cbor::Bool(b) => Value::Bool(b),
        // Tag 1 is a time in epoch seconds.
        Cbor::Tag(_, inner) => cbor_to_json(*inner),
        Cbor::Array(items) => items.into_iter().map(cbor_to_json).collect(),
        Cbor::Map(entries) => Value::Object(
            entries
                .into_iter()
                .filter_map(|(k, v)| match k {
                    Cbor::Text(key) => Some((key, cbor_to_json(v))),
                    _ => None,
                })
                .collect(),
        ),
        _ => Value::Null,
    }
}

fn to_cbor(value: &Out) -> Cbor {
    match value {
        Out::Text(t) => Cbor::Text(t.clone()),
        Out::Number(n) => Cbor::Float(*n),
        Out::Time(ms) => Cbor::Tag(1, Box::new(Cbor::Float(*ms as f64 / 1000.0))),
        Out::List(items) => Cbor::Array(items.iter().map(to_cbor).collect()),
        Out::Fields(fields) => {
            Cbor::Map(fields.iter().map(|(k, v)| (Cbor::Text(k.clone()), to_cbor(v))).collect())
        }
    }
}

fn cbor(result: Result<Option<Out>, ApiError>) -> Result<Resp, ApiError> {
    let (status, body, error) = match result {
        Ok(out) => (200, to_cbor(&out.unwrap_or(Out::Fields(Vec::new()))), None),
        Err(e) => {
            let body = Out::fields([
                ("__type", Out::Text(format!("com.amazonaws.cloudwatch#{}", e.code))),
                ("message", Out::Text(e.message.clone())),
            ]);
            (e.status, to_cbor(&body), Some(e))
        }
    };
    let mut bytes = Vec::new();
    ciborium::into_writer(&body, &mut bytes).map_err(|e| ApiError::internal(e.to_string()))?;
    let resp = Resp::raw("application/cbor", bytes)?.status(status).header("smithy-protocol", "rpc-v2-cbor");
    Ok(with_query_error(resp, error))
}

/// A refusal that is not an operation's own.
pub(super) fn refuse(error: ApiError, as_cbor: bool) -> Result<Resp, ApiError> {
    if as_cbor { cbor(Err(error)) } else { json_answer(Err(error)) }
}

/// Clients of the Query protocol knew errors by another name; the newer protocols carry it along.
fn with_query_error(resp: Resp, error: Option<ApiError>) -> Resp {
    match error {
        None => resp,
        Some(e) => {
            let side = if e.status < 500 { "Sender" } else { "Receiver" };
            let code = query::code(e.code);
            resp.header("x-amzn-query-error", format!("{code};{side}"))
        }
    }
}

fn to_json(value: &Out) -> Value {
    match value {
        Out::Text(t) => t.as_str().into(),
        Out::Number(n) => serde_json::Number::from_f64(*n).map_or(Value::Null, Value::Number),
        Out::Time(ms) => (*ms as f64 / 1000.0).into(),
        Out::List(items) => items.iter().map(to_json).collect(),
        Out::Fields(fields) => Value::Object(fields.iter().map(|(k, v)| (k.clone(), to_json(v))).collect()),
    }
}

fn json_answer(result: Result<Option<Out>, ApiError>) -> Result<Resp, ApiError> {
    let (status, body, error) = match result {
        Ok(out) => (200, out.as_ref().map_or_else(|| json!({}), to_json), None),
        Err(e) => (
            e.status,
            json!({ "__type": format!("com.amazonaws.cloudwatch#{}", e.code), "message": e.message }),
            Some(e),
        ),
    };
    let resp = Resp::raw("application/x-amz-json-1.0", body.to_string())?.status(status);
    Ok(with_query_error(resp, error))
}

/// `A.member.1.B=x` as `{"A":[{"B":"x"}]}`.
fn from_form(fields: &[(String, String)]) -> Value {
    let mut root = Value::Object(Map::new());
    for (name, text) in fields {
        if name == "Action" || name == "Version" {
            continue;
        }
        let mut at = &mut root;
        for part in name.split('.').filter(|p| *p != "member") {
            // A numbered member; numbers come in order and without gaps from every client, so a gap only shifts it.
            if let Ok(number) = part.parse::<usize>() {
                if !at.is_array() {
                    *at = Value::Array(Vec::new());
                }
                let Value::Array(items) = at else { return root };
                if items.len() < number || items.is_empty() {
                    items.push(Value::Null);
                }
                let last = items.len() - 1;
                at = &mut items[number.saturating_sub(1).min(last)];
            } else {
                if !at.is_object() {
                    *at = Value::Object(Map::new());
                }
                let Value::Object(map) = at else { return root };
                at = map.entry(part.to_owned()).or_insert(Value::Null);
            }
        }
        *at = Value::String(text.clone());
    }
    root
}

fn write_xml(out: &mut String, name: &str, value: &Out) {
    let _ = write!(out, "<{name}>");
    match value {
        Out::Text(t) => out.push_str(&query::escape(t)),
        Out::Number(n) => {
            let _ = write!(out, "{n}");
        }
        Out::Time(ms) => {
            if let Ok(at) = Timestamp::from_millisecond(*ms) {
                let _ = write!(out, "{at}");
            }
        }
        Out::List(items) => items.iter().for_each(|item| write_xml(out, "member", item)),
        // A map with names of its own choosing is a list of entries; the one there is: extended statistics.
        Out::Fields(fields) if name == "ExtendedStatistics" => {
            for (key, value) in fields {
                let _ = write!(out, "<entry><key>{}</key>", query::escape(key));
                write_xml(out, "value", value);
                out.push_str("</entry>");
            }
        }
        Out::Fields(fields) => fields.iter().for_each(|(n, v)| write_xml(out, n, v)),
    }
    let _ = write!(out, "</{name}>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_document() {
        let field = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        let form = [
            field("Action", "PutMetricData"),
            field("MetricData.member.1.MetricName", "a"),
            field("MetricData.member.1.Dimensions.member.1.Name", "d"),
            field("MetricData.member.2.MetricName", "b"),
            field("Namespace", "IoT"),
        ];
        assert_eq!(
            from_form(&form),
            json!({
                "MetricData": [{"MetricName": "a", "Dimensions": [{"Name": "d"}]}, {"MetricName": "b"}],
                "Namespace": "IoT",
            })
        );
        // Numbers from outside never make a list longer than the form.
        assert_eq!(from_form(&[field("A.member.4000000000", "x")]), json!({"A": ["x"]}));
        assert_eq!(from_form(&[field("A.member.0", "x")]), json!({"A": ["x"]}));
    }
}
