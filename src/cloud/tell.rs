//! What a guard says in the account in its own name: an alert on a topic of the operator's choice, and which of several guards
//! acts. It is about no device and changes none; what changes a device leaves through [`super::Changes`]. Whoever says it holds a
//! [`Voice`], which nobody has in read-only mode, and has written down before that it will be said.

use aws_smithy_types::Blob;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use serde_json::{Value, json};

use super::call::{Read, failed, one};
use super::{Aws, Voice};

/// Publishes a message once (QoS 1) on a topic (docs/aws-iot.md#2.7).
///
/// # Errors
/// Why AWS did not take it.
pub async fn publish(_held: &impl Voice, aws: &Aws, topic: &str, payload: Vec<u8>) -> Read<()> {
    const ACTION: &str = "iot:Publish";
    let call = aws.data.publish().topic(topic).qos(1).payload(Blob::new(payload));
    failed(ACTION, one!(aws, call, ACTION, false)).map(drop)
}

/// Writes the reported state of a named shadow against the version that was read, or against none (docs/aws-iot.md#4.2). The new
/// version; `None` when another wrote before.
///
/// # Errors
/// Why AWS did not take it, other than that.
pub async fn claim(
    _held: &impl Voice,
    aws: &Aws,
    thing: &str,
    shadow: &str,
    version: Option<i64>,
    reported: &Value,
) -> Read<Option<i64>> {
    const ACTION: &str = "iot:UpdateThingShadow";
    let mut document = json!({"state": {"reported": reported}});
    if let (Some(version), Some(document)) = (version, document.as_object_mut()) {
        document.insert("version".to_owned(), version.into());
    }
    let payload = Blob::new(document.to_string());
    let call = aws.data.update_thing_shadow().thing_name(thing).shadow_name(shadow).payload(payload);
    match one!(aws, call, ACTION, false) {
        Ok(taken) => {
            let bytes = taken.payload().map(Blob::as_ref).unwrap_or_default();
            let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
            Ok(document.get("version").and_then(Value::as_i64))
        }
        Err(error) if error.code() == Some("ConflictException") => Ok(None),
        Err(error) => Err(super::trouble::of(&error, ACTION)),
    }
}
