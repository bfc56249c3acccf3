//! What AWS's answers mean to a response: request ids for the journal, and failures as one sentence.

use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iot::operation::RequestId;

use crate::fleet::Ms;
use crate::fleet::known::{Trouble, TroubleKind};
use crate::text::SafeText;

/// A failed call. `action` is the IAM action (`iot:UpdateCertificate`).
pub(in crate::response) fn trouble<E, R>(error: &SdkError<E, R>, action: &str, now: Ms) -> Trouble
where
    E: ProvideErrorMetadata,
{
    let code = error.code().unwrap_or_default();
    let said = error.message().unwrap_or_default();
    let kind = match code {
        "AccessDeniedException" | "ForbiddenException" | "UnauthorizedException" | "AccessDenied" => {
            TroubleKind::Denied
        }
        "ThrottlingException" | "TooManyRequestsException" => TroubleKind::Throttled,
        "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredToken" => TroubleKind::Credentials,
        "" => TroubleKind::Unreachable,
        _ => TroubleKind::Failed,
    };
    let message = match error {
        SdkError::TimeoutError(_) => format!("{action}: no answer in time"),
        SdkError::DispatchFailure(failure) => {
            format!(
                "{action}: {}",
                failure.as_connector_error().map_or_else(|| "not reached".to_owned(), root_cause)
            )
        }
        SdkError::ConstructionFailure(_) => format!("{action}: the request could not be built"),
        SdkError::ResponseError(_) => format!("{action}: the answer was not understood"),
        _ if kind == TroubleKind::Denied => format!("not permitted: {action}"),
        _ if said.is_empty() => format!("{action}: {code}"),
        _ => format!("{action}: {code}: {said}"),
    };
    Trouble {
        kind,
        message: SafeText::new(&message),
        missing_action: (kind == TroubleKind::Denied).then(|| SafeText::new(action)),
        since: now,
    }
}

fn root_cause(error: &(impl std::error::Error + 'static)) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// The AWS request id of an answer or a failure, when it carried one.
pub(in crate::response) fn request_id(answer: &impl RequestId) -> Option<String> {
    answer.request_id().map(str::to_owned)
}

/// True when the service says that what was asked about does not exist.
pub(in crate::response) fn not_found<E, R>(error: &SdkError<E, R>) -> bool
where
    E: ProvideErrorMetadata,
{
    error.code() == Some("ResourceNotFoundException")
}
