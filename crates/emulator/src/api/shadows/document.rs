//! The shadow document: merge, metadata, delta and the answers of the service, without any I/O (docs/aws-iot.md#3.6, #4.2).
//!
//! Time is passed in as epoch seconds, so the same requests at the same times give the same documents.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Bytes the two state sections may take together, metadata not counted (docs/aws-iot.md#4.2).
pub const MAX_DOCUMENT: usize = 8 * 1024;
/// Levels a section may nest: seven objects around a leaf.
pub const MAX_DEPTH: usize = 8;
/// Bytes of a client token.
pub const MAX_TOKEN: usize = 64;

/// Why a request was refused: the code and text of AWS's error table, and the token to echo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// 400, 404, 409, 413, 415 or 500.
    pub code: u16,
    /// AWS's text.
    pub message: String,
    /// The request's client token, as far as it could be read.
    pub token: Option<String>,
}

impl Rejection {
    /// A refusal without a token.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), token: None }
    }

    fn with(mut self, token: Option<&str>) -> Self {
        self.token = token.map(str::to_owned);
        self
    }

    /// The payload of `…/rejected`.
    pub fn payload(&self, now: i64) -> Value {
        let mut body = json!({"code": self.code, "message": self.message, "timestamp": now});
        set_token(&mut body, self.token.as_deref());
        body
    }
}

/// One shadow. A deleted one stays as a tombstone, because AWS does not reset the version at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shadow {
    desired: Option<Map<String, Value>>,
    reported: Option<Map<String, Value>>,
    desired_meta: Map<String, Value>,
    reported_meta: Map<String, Value>,
    version: u64,
    live: bool,
}

/// What an accepted update says to the world.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// `/update/accepted`, and the REST answer.
    pub accepted: Value,
    /// `/update/documents`.
    pub documents: Value,
    /// `/update/delta`, when desired and reported differ.
    pub delta: Option<Value>,
}

/// An update request whose shape was checked.
#[derive(Clone, Debug, Default)]
pub struct Update {
    desired: Option<Option<Map<String, Value>>>,
    reported: Option<Option<Map<String, Value>>>,
    version: Option<u64>,
    token: Option<String>,
    /// The request was `"state": null`.
    cleared: bool,
}

/// Reads the client token of a get or delete request; an empty payload is a request without one.
///
/// # Errors
/// 400 for what is not a JSON object or carries an invalid token, 415 for what is not UTF-8.
pub fn request_token(payload: &[u8]) -> Result<Option<String>, Rejection> {
    if payload.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    token_of(&object(payload)?)
}

fn object(payload: &[u8]) -> Result<Map<String, Value>, Rejection> {
    let text = std::str::from_utf8(payload)
        .map_err(|_| Rejection::new(415, "Unsupported documented encoding; supported encoding is UTF-8"))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Rejection::new(400, "Invalid JSON")),
    }
}

fn token_of(request: &Map<String, Value>) -> Result<Option<String>, Rejection> {
    match request.get("clientToken") {
        None => Ok(None),
        Some(Value::String(token)) if token.len() <= MAX_TOKEN => Ok(Some(token.clone())),
        Some(_) => Err(Rejection::new(400, "Invalid clientToken")),
    }
}

fn set_token(body: &mut Value, token: Option<&str>) {
    if let (Some(map), Some(token)) = (body.as_object_mut(), token) {
        map.insert("clientToken".into(), token.into());
    }
}

impl Update {
    /// Checks a request against the error table of docs/aws-iot.md#4.2, in AWS's order of concern: encoding, JSON, token,
    /// version, then the state node.
    ///
    /// # Errors
    /// 400 with the table's text, 413 for a request no document could hold, 415 for what is not UTF-8.
    pub fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        let mut request = object(payload)?;
        let token = token_of(&request)?;
        let refuse = |message: &str| Rejection::new(400, message).with(token.as_deref());
        let version = match request.get("version") {
            None => None,
            Some(version) => Some(version.as_u64().ok_or_else(|| refuse("Invalid version"))?),
        };
        let mut state = match request.remove("state") {
            None => return Err(refuse("Missing required node: state")),
            // Both sections go, as if each had been `null`.
            Some(Value::Null) => {
                return Ok(Self { desired: Some(None), reported: Some(None), version, token, cleared: true });
            }
            Some(Value::Object(state)) => state,
            Some(_) => return Err(refuse("State node must be an object")),
        };
        let mut section = |name: &str, message: &str| match state.remove(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::Object(map)) => Ok(Some(Some(map))),
            Some(_) => Err(refuse(message)),
        };
        let desired = section("desired", "Desired node must be an object")?;
        let reported = section("reported", "Reported node must be an object")?;
        if let Some(node) = state.keys().next() {
            return Err(refuse(&invalid_node(node)));
        }
        for map in [&desired, &reported].into_iter().flatten().flatten() {
            if map.values().any(|v| depth(v) >= MAX_DEPTH) {
                return Err(refuse("JSON contains too many levels of nesting; maximum is 6"));
            }
            if let Some(node) = map.iter().find_map(|(key, value)| null_in_array(key, value)) {
                return Err(refuse(&invalid_node(node)));
            }
        }
        Ok(Self { desired, reported, version, token, cleared: false })
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 1,
    }
}

fn invalid_node(name: &str) -> String {
    format!("State contains an invalid node: '{name}'")
}

/// A `null` deletes a key; inside an array there is no key to delete, and AWS refuses it. Gives the key the array stands
/// under.
fn null_in_array<'a>(key: &'a str, value: &'a Value) -> Option<&'a str> {
    match value {
        Value::Object(map) => map.iter().find_map(|(key, value)| null_in_array(key, value)),
        Value::Array(items) => {
            items.iter().find_map(|item| if item.is_null() { Some(key) } else { null_in_array(key, item) })
        }
        _ => None,
    }
}

impl Shadow {
    /// True unless it was never updated or was deleted.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The current version; 0 before the first update.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The reported section.
    pub fn reported(&self) -> Option<&Map<String, Value>> {
        self.reported.as_ref()
    }

    /// The desired section.
    pub fn desired(&self) -> Option<&Map<String, Value>> {
        self.desired.as_ref()
    }

    /// Applies a checked update at `now` (epoch seconds). On refusal nothing has changed.
    ///
    /// # Errors
    /// 409 when the request names another version, 413 when the merged document would be too large.
    pub fn update(&mut self, request: &Update, now: i64) -> Result<Accepted, Rejection> {
        let token = request.token.as_deref();
        if request.version.is_some_and(|wanted| wanted != self.version) {
            return Err(Rejection::new(409, "Version conflict").with(token));
        }
        let mut next = self.clone();
        let desired = apply(&mut next.desired, &mut next.desired_meta, request.desired.as_ref(), now);
        let reported = apply(&mut next.reported, &mut next.reported_meta, request.reported.as_ref(), now);
        if next.state_bytes() > MAX_DOCUMENT {
            return Err(Rejection::new(413, "The payload exceeds the maximum size allowed").with(token));
        }
        next.version += 1;
        next.live = true;

        let mut state = Map::new();
        let mut metadata = Map::new();
        for (name, asked, stamps) in
            [("desired", &request.desired, desired), ("reported", &request.reported, reported)]
        {
            if let Some(section) = asked {
                state.insert(name.into(), section.clone().map_or(Value::Null, Value::Object));
                if section.is_some() {
                    metadata.insert(name.into(), Value::Object(stamps));
                }
            }
        }
        let (state, metadata) = if request.cleared {
            // AWS's own answer to `"state": null`.
            (Value::Null, json!({"timestamp": now}))
        } else {
            (Value::Object(state), Value::Object(metadata))
        };
        let mut accepted =
            json!({"state": state, "metadata": metadata, "version": next.version, "timestamp": now});
        set_token(&mut accepted, token);
        let mut documents =
            json!({"previous": self.versioned(), "current": next.versioned(), "timestamp": now});
        set_token(&mut documents, token);
        let delta = next.delta().map(|(state, metadata)| {
            let mut body =
                json!({"version": next.version, "timestamp": now, "state": state, "metadata": metadata});
            set_token(&mut body, token);
            body
        });
        *self = next;
        Ok(Accepted { accepted, documents, delta })
    }

    /// The document of GetThingShadow and `/get/accepted`; `delta` is there only when something differs.
    pub fn document(&self, now: i64, token: Option<&str>) -> Value {
        let (mut state, metadata) = self.sections();
        if let Some((delta, _)) = self.delta() {
            state.insert("delta".into(), Value::Object(delta));
        }
        let mut body =
            json!({"state": state, "metadata": metadata, "version": self.version, "timestamp": now});
        set_token(&mut body, token);
        body
    }

    /// Deletes the document and keeps its version. Gives the payload of `/delete/accepted`.
    pub fn delete(&mut self, now: i64, token: Option<&str>) -> Value {
        *self = Self { version: self.version, ..Self::default() };
        let mut body = json!({"version": self.version, "timestamp": now});
        set_token(&mut body, token);
        body
    }

    /// What `desired` asks for that `reported` does not show, with desired's timestamps; `None` when nothing differs.
    pub fn delta(&self) -> Option<(Map<String, Value>, Map<String, Value>)> {
        let nothing = Map::new();
        difference(self.desired.as_ref()?, &self.desired_meta, self.reported.as_ref().unwrap_or(&nothing))
    }

    fn sections(&self) -> (Map<String, Value>, Map<String, Value>) {
        let (mut state, mut metadata) = (Map::new(), Map::new());
        for (name, section, stamps) in [
            ("desired", &self.desired, &self.desired_meta),
            ("reported", &self.reported, &self.reported_meta),
        ] {
            if let Some(section) = section {
                state.insert(name.into(), Value::Object(section.clone()));
                metadata.insert(name.into(), Value::Object(stamps.clone()));
            }
        }
        (state, metadata)
    }

    fn versioned(&self) -> Value {
        let (state, metadata) = self.sections();
        json!({"state": state, "metadata": metadata, "version": self.version})
    }

    fn state_bytes(&self) -> usize {
        [&self.desired, &self.reported]
            .into_iter()
            .flatten()
            .map(|section| serde_json::to_vec(section).map_or(usize::MAX / 4, |bytes| bytes.len()))
            .sum()
    }
}

/// Applies one section of a request; gives the metadata of the keys it named.
fn apply(
    section: &mut Option<Map<String, Value>>,
    meta: &mut Map<String, Value>,
    patch: Option<&Option<Map<String, Value>>>,
    now: i64,
) -> Map<String, Value> {
    match patch {
        None => Map::new(),
        Some(None) => {
            *section = None;
            meta.clear();
            Map::new()
        }
        Some(Some(patch)) => {
            let stamped = merge(section.get_or_insert_default(), meta, patch, now);
            // A section without keys is not shown; objects inside it are, empty or not.
            if section.as_ref().is_some_and(Map::is_empty) {
                *section = None;
            }
            stamped
        }
    }
}

/// Objects merge, everything else replaces, `null` deletes. Returns the stamps of what `patch` set.
fn merge(
    target: &mut Map<String, Value>,
    meta: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    now: i64,
) -> Map<String, Value> {
    let mut stamped = Map::new();
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(key);
                meta.shift_remove(key);
            }
            Value::Object(inner) => {
                if !target.get(key).is_some_and(Value::is_object) {
                    target.insert(key.clone(), json!({}));
                    meta.insert(key.clone(), json!({}));
                }
                if let (Some(Value::Object(target)), Some(Value::Object(meta))) =
                    (target.get_mut(key), meta.get_mut(key))
                {
                    stamped.insert(key.clone(), Value::Object(merge(target, meta, inner, now)));
                }
            }
            leaf => {
                target.insert(key.clone(), leaf.clone());
                meta.insert(key.clone(), stamps(leaf, now));
                stamped.insert(key.clone(), stamps(leaf, now));
            }
        }
    }
    stamped
}

/// The metadata of a value: one timestamp for each leaf, array elements included.
fn stamps(value: &Value, now: i64) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), stamps(v, now))).collect(),
        Value::Array(items) => items.iter().map(|item| stamps(item, now)).collect(),
        _ => json!({"timestamp": now}),
    }
}

fn difference(
    desired: &Map<String, Value>,
    meta: &Map<String, Value>,
    reported: &Map<String, Value>,
) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let (mut state, mut metadata) = (Map::new(), Map::new());
    for (key, wanted) in desired {
        let stamp = meta.get(key);
        let (value, stamp) = match (wanted, reported.get(key)) {
            (Value::Object(wanted), Some(Value::Object(shown))) => {
                let nothing = Map::new();
                let stamp = stamp.and_then(Value::as_object).unwrap_or(&nothing);
                let Some((value, stamp)) = difference(wanted, stamp, shown) else { continue };
                (Value::Object(value), Some(Value::Object(stamp)))
            }
            (wanted, Some(shown)) if wanted == shown => continue,
            (wanted, _) => (wanted.clone(), stamp.cloned()),
        };
        state.insert(key.clone(), value);
        if let Some(stamp) = stamp {
            metadata.insert(key.clone(), stamp);
        }
    }
    (!state.is_empty()).then_some((state, metadata))
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
