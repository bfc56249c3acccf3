//! What AWS's answers mean to a response: request ids for the journal, and failures with the time they were met.

use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iot::operation::RequestId;
use aws_smithy_runtime_api::http::Response;

use crate::cloud;
use quell_fleet::Ms;
use quell_fleet::known::Trouble;

/// A failed call. `action` is the IAM action (`iot:UpdateCertificate`).
pub(in crate::response) fn trouble<E>(error: &SdkError<E, Response>, action: &str, now: Ms) -> Trouble
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    Trouble { since: now, ..cloud::trouble::of(error, action) }
}

/// The AWS request id of an answer or a failure, when it carried one.
pub(in crate::response) fn request_id(answer: &impl RequestId) -> Option<String> {
    answer.request_id().map(str::to_owned)
}

/// True when the service says that what was asked about does not exist.
pub(in crate::response) fn not_found<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> bool {
    cloud::trouble::is_not_found(error)
}
