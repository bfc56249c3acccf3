//! AWS's errors: a name, a status, a message, and what else the body carries.

use serde_json::{Map, Value};

/// An error as a client sees it: `x-amzn-ErrorType: code`, body `{"message": …}` plus `extra`.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `ResourceNotFoundException`, …
    pub code: &'static str,
    /// The message, AWS's own wording where it is known.
    pub message: String,
    /// Further members of the body (`resourceId`, `resourceArn`).
    pub extra: Map<String, Value>,
}

impl ApiError {
    /// An error of any name and status.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), extra: Map::new() }
    }

    /// `InvalidRequestException`, 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidRequestException", message)
    }

    /// `ResourceNotFoundException`, 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "ResourceNotFoundException", message)
    }

    /// `ResourceAlreadyExistsException`, 409, with the resource that exists.
    pub fn already_exists(message: impl Into<String>, id: &str, arn: &str) -> Self {
        let mut error = Self::new(409, "ResourceAlreadyExistsException", message);
        error.extra.insert("resourceId".into(), id.into());
        error.extra.insert("resourceArn".into(), arn.into());
        error
    }

    /// `LimitExceededException`, 410.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(410, "LimitExceededException", message)
    }

    /// `VersionConflictException`, 409.
    pub fn version_conflict(message: impl Into<String>) -> Self {
        Self::new(409, "VersionConflictException", message)
    }

    /// `InternalFailureException`, 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalFailureException", message)
    }
}
