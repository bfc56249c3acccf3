//! Times as requests carry them: ISO-8601 in query strings, epoch seconds in bodies (docs/aws-iot.md#2.1).

use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::{ApiError, Req};

/// A query parameter that is a time, in epoch milliseconds. Seconds since the epoch are taken too.
///
/// # Errors
/// `InvalidRequestException` for what is neither.
pub fn query_time(req: &Req, name: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = req.query(name) else { return Ok(None) };
    if let Some(ms) = text.parse::<f64>().ok().and_then(millis) {
        return Ok(Some(ms));
    }
    text.parse::<Timestamp>()
        .map(|t| Some(t.as_millisecond()))
        .map_err(|_| ApiError::invalid(format!("{name} is not a date-time: {text}")))
}

/// The required query parameters `startTime` and `endTime`, in epoch milliseconds, both included.
///
/// # Errors
/// `InvalidRequestException` when one is missing, is no time, or the end lies before the start.
pub fn query_range(req: &Req) -> Result<RangeInclusive<i64>, ApiError> {
    let one = |name: &str| query_time(req, name)?.ok_or_else(|| missing(name));
    range(one("startTime")?, one("endTime")?)
}

/// The times from `start` to `end`, both included, in epoch milliseconds.
///
/// # Errors
/// `InvalidRequestException` when the end lies before the start.
pub fn range(start: i64, end: i64) -> Result<RangeInclusive<i64>, ApiError> {
    if start > end {
        return Err(ApiError::invalid("startTime must not be after endTime"));
    }
    Ok(start..=end)
}

/// Epoch seconds of a body in epoch milliseconds; `None` for what is no time of this world.
pub fn millis(seconds: f64) -> Option<i64> {
    let ms = seconds * 1000.0;
    (ms.is_finite() && ms.abs() < 1e16).then(|| ms.round() as i64)
}

/// Epoch milliseconds as the epoch seconds of a body.
pub fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// The refusal of a request without a required member, in AWS's words.
pub fn missing(member: &str) -> ApiError {
    ApiError::invalid(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}
