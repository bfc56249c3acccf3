//! What a handler is given and what it answers.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ApiError;
use crate::account::Account;
use crate::broker::Session;

/// One authenticated request, its path matched.
pub struct Req {
    /// The account it is for.
    pub account: Arc<Account>,
    /// The access key id that signed it; empty when nobody did.
    pub caller: String,
    /// The device whose client certificate stands for a signature.
    pub device: Option<Session>,
    /// Path parameters by name, percent-decoded.
    pub path: Vec<(&'static str, String)>,
    /// Query parameters in order, percent-decoded; a name may repeat.
    pub query: Vec<(String, String)>,
    /// Header names (lower case) and values.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Bytes,
}

impl Req {
    /// A path parameter the route declares; empty when it does not.
    pub fn path(&self, name: &str) -> &str {
        self.path.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v)
    }

    /// The first query parameter of that name.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A query parameter that must be there.
    pub fn required_query(&self, name: &str) -> Result<&str, ApiError> {
        self.query(name).ok_or_else(|| ApiError::invalid(format!("Missing required parameter: {name}")))
    }

    /// A boolean query parameter; absent means false.
    pub fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    /// Does a list of certificates' and policies' kind go backwards? Ascending unless said otherwise.
    pub fn descending(&self) -> bool {
        self.query("isAscendingOrder").or_else(|| self.query("ascendingOrder")) == Some("false")
    }

    /// A whole-number query parameter.
    pub fn long(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.query(name)
            .map(|text| {
                text.parse().map_err(|_| ApiError::invalid(format!("{name} must be a number: {text}")))
            })
            .transpose()
    }

    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as a document; an absent body is `{}`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let body: &[u8] = if self.body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &self.body };
        serde_json::from_slice(body).map_err(|e| ApiError::invalid(format!("Invalid request body: {e}")))
    }

    /// One page of `rows` (an iterator in key order that already starts after the token).
    ///
    /// Reads `maxResults`/`pageSize` and `nextToken`/`marker`; see [`Page`].
    pub fn page(&self, highest: usize, default: usize) -> Result<Page, ApiError> {
        let size = match self.query("maxResults").or_else(|| self.query("pageSize")) {
            None => default,
            Some(text) => match text.parse::<usize>() {
                Ok(n) if (1..=highest).contains(&n) => n,
                _ => {
                    return Err(ApiError::invalid(format!(
                        "1 validation error detected: Value '{text}' at 'maxResults' failed to satisfy constraint: \
                         Member must have value between 1 and {highest}"
                    )));
                }
            },
        };
        let after = match self.query("nextToken").or_else(|| self.query("marker")) {
            None => None,
            Some(token) => Some(decode_token(token).ok_or_else(|| ApiError::invalid("Invalid nextToken"))?),
        };
        Ok(Page { size, after })
    }
}

/// Which rows a list call wants: `size` of them after the key `after`.
#[derive(Clone, Debug)]
pub struct Page {
    /// How many rows at most.
    pub size: usize,
    /// The last key of the page before.
    pub after: Option<String>,
}

impl Page {
    /// The page a body asks for with `maxResults` and `nextToken`; `highest` rows when it does not say.
    ///
    /// # Errors
    /// `InvalidRequestException` for a size outside 1..=`highest` or a token that is none of ours.
    pub fn of_body(size: Option<i64>, token: Option<&str>, highest: usize) -> Result<Self, ApiError> {
        let size = match size {
            None => highest,
            Some(n) => usize::try_from(n).ok().filter(|n| (1..=highest).contains(n)).ok_or_else(|| {
                ApiError::invalid(format!(
                    "1 validation error detected: Value '{n}' at 'maxResults' failed to satisfy constraint: Member must \
                     have value between 1 and {highest}"
                ))
            })?,
        };
        let after = token
            .map(|token| decode_token(token).ok_or_else(|| ApiError::invalid("Invalid nextToken")))
            .transpose()?;
        Ok(Self { size, after })
    }

    /// Takes a page of `rows`, which must be ordered by the key they carry; skips those up to [`Page::after`]. Gives the
    /// rows and the token of the next page.
    pub fn take<K: AsRef<str>, V>(&self, rows: impl Iterator<Item = (K, V)>) -> (Vec<V>, Option<String>) {
        self.take_where(rows, |key, after| key > after)
    }

    /// [`Page::take`] of rows in descending order.
    pub fn take_descending<K: AsRef<str>, V>(
        &self,
        rows: impl Iterator<Item = (K, V)>,
    ) -> (Vec<V>, Option<String>) {
        self.take_where(rows, |key, after| key < after)
    }

    fn take_where<K: AsRef<str>, V>(
        &self,
        rows: impl Iterator<Item = (K, V)>,
        beyond: fn(&str, &str) -> bool,
    ) -> (Vec<V>, Option<String>) {
        let mut out = Vec::new();
        let mut last: Option<K> = None;
        for (key, row) in rows {
            if self.after.as_deref().is_some_and(|a| !beyond(key.as_ref(), a)) {
                continue;
            }
            if out.len() == self.size {
                return (out, last.map(|k| encode_token(k.as_ref())));
            }
            out.push(row);
            last = Some(key);
        }
        (out, None)
    }
}

/// Makes an opaque token of a key.
pub fn encode_token(key: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("v1:{key}"))
}

/// The key of a token; `None` when it is not one of ours.
pub fn decode_token(token: &str) -> Option<String> {
    use base64::Engine as _;
    let raw = base64::engine::general_purpose::STANDARD.decode(token).ok()?;
    String::from_utf8(raw).ok()?.strip_prefix("v1:").map(str::to_owned)
}

/// What a handler answers.
#[derive(Debug)]
pub struct Resp {
    /// HTTP status, 200 unless said otherwise.
    pub status: u16,
    /// The `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// Further headers; a `content-type` here wins over [`Resp::content_type`].
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// What has to happen before it is sent.
    pub once: Option<Awaited>,
}

/// Something an answer waits for: it is sent after the signal, and an error in its place when that does not come.
#[derive(Debug)]
pub struct Awaited {
    /// Gives the signal, or ends without.
    pub signal: tokio::sync::mpsc::Receiver<()>,
    /// How long it may take.
    pub patience: std::time::Duration,
    /// The answer without it.
    pub otherwise: ApiError,
}

impl Resp {
    /// A JSON document.
    pub fn json(value: impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(&value).map_err(|e| ApiError::internal(e.to_string()))?;
        Ok(Self {
            status: 200,
            content_type: "application/json",
            body: body.into(),
            headers: Vec::new(),
            once: None,
        })
    }

    /// Waits for what it has to wait for.
    pub(super) async fn when_due(mut self) -> Result<Self, ApiError> {
        let Some(Awaited { mut signal, patience, otherwise }) = self.once.take() else { return Ok(self) };
        match tokio::time::timeout(patience, signal.recv()).await {
            Ok(Some(())) => Ok(self),
            Ok(None) | Err(_) => Err(otherwise),
        }
    }

    /// `{}`.
    pub fn empty() -> Result<Self, ApiError> {
        Self::json(Value::Object(serde_json::Map::new()))
    }

    /// A page of a list: `{member: rows, "nextToken": next}`.
    pub fn page(
        member: &str,
        rows: impl IntoIterator<Item = impl Into<Value>>,
        next: Option<String>,
    ) -> Result<Self, ApiError> {
        Self::page_as(member, rows, "nextToken", next)
    }

    /// [`Resp::page`] with another name for the token: `nextMarker` in the certificate and policy lists.
    pub fn page_as(
        member: &str,
        rows: impl IntoIterator<Item = impl Into<Value>>,
        token: &str,
        next: Option<String>,
    ) -> Result<Self, ApiError> {
        let mut body = serde_json::Map::new();
        body.insert(member.to_owned(), Value::Array(rows.into_iter().map(Into::into).collect()));
        if let Some(next) = next {
            body.insert(token.to_owned(), next.into());
        }
        Self::json(Value::Object(body))
    }

    /// No body at all.
    pub fn nothing() -> Result<Self, ApiError> {
        Self::raw("application/json", Bytes::new())
    }

    /// Bytes as they are.
    pub fn raw(content_type: &'static str, body: impl Into<Bytes>) -> Result<Self, ApiError> {
        Ok(Self { status: 200, content_type, body: body.into(), headers: Vec::new(), once: None })
    }

    /// The same with another status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with one more header.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}
