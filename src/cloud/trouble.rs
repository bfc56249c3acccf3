//! Why a call failed, in the words a screen needs. IAM's refusals are in no API model, so the code string decides
//! (docs/aws-iot.md#2.1).

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use tokio_rustls::rustls;

use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::text::SafeText;

use super::keys;

/// Classifies a failed call of `action` (`iot:ListThings`).
pub fn of<E: ProvideErrorMetadata + std::error::Error + 'static>(
    error: &SdkError<E, Response>,
    action: &str,
) -> Trouble {
    let code = error.code().unwrap_or_default();
    let message = error.message().unwrap_or_default();
    let status = error.raw_response().map(|response| response.status().as_u16());
    let (kind, words) = match error {
        SdkError::ServiceError(_) => service(code, message, status),
        SdkError::TimeoutError(_) => (TroubleKind::Unreachable, "no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) => {
            let connector = failure.as_connector_error().map(|e| e as &(dyn std::error::Error + 'static));
            match of_credentials(connector) {
                Some(words) => (TroubleKind::Credentials, words),
                None => (TroubleKind::Unreachable, format!("not reached: {}", root(connector))),
            }
        }
        SdkError::ConstructionFailure(_) => {
            let words = root(std::error::Error::source(error));
            let kind =
                if words.contains("credential") { TroubleKind::Credentials } else { TroubleKind::Failed };
            (kind, words)
        }
        _ => (TroubleKind::Unreachable, format!("the answer to {action} is not understood")),
    };
    Trouble {
        kind,
        message: SafeText::limited(words.as_bytes(), 400),
        missing_action: (kind == TroubleKind::Denied).then(|| SafeText::new(&missing(message, action))),
        since: super::now_ms(),
    }
}

/// A failure of a service that is asked without an SDK client.
pub(super) fn answered(code: &str, message: &str, status: u16, action: &str) -> Trouble {
    let (kind, words) = service(code, message, Some(status));
    Trouble {
        kind,
        message: SafeText::limited(words.as_bytes(), 400),
        missing_action: (kind == TroubleKind::Denied).then(|| SafeText::new(&missing(message, action))),
        since: super::now_ms(),
    }
}

fn service(code: &str, message: &str, status: Option<u16>) -> (TroubleKind, String) {
    let said = |lead: &str| if message.is_empty() { lead.to_owned() } else { format!("{lead}: {message}") };
    match code {
        "AccessDeniedException" | "AccessDenied" | "ForbiddenException"
            if message.contains("no longer") || message.contains("not available to new customers") =>
        {
            (TroubleKind::Refused, said("Device Defender Detect is not offered to this account"))
        }
        "AccessDeniedException"
        | "AccessDenied"
        | "ForbiddenException"
        | "UnauthorizedException"
        | "AuthorizationError" => (TroubleKind::Denied, said("refused by IAM")),
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "RequestExpired" => (TroubleKind::Credentials, said("the credentials were refused")),
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded" => {
            (TroubleKind::Throttled, said("the account asks too much of this API"))
        }
        // The SDK retries it as throttling, but it is a quota (docs/aws-iot.md#2.1).
        "LimitExceededException" => (TroubleKind::Failed, said("a limit of the account is reached")),
        _ if status == Some(429) => (TroubleKind::Throttled, said("the account asks too much of this API")),
        // Something else stands in for AWS: a proxy, a page to log in to a network.
        "" if status.is_some_and(|s| (200..300).contains(&s)) => {
            (TroubleKind::Failed, said("the answer is not understood"))
        }
        "" => (TroubleKind::Failed, said(&status.map_or("failed".into(), |s| format!("HTTP {s}")))),
        code => (TroubleKind::Failed, said(code)),
    }
}

/// IAM names the missing action in its message: "… is not authorized to perform: iot:ListThings on resource: …".
fn missing(message: &str, action: &str) -> String {
    let named = message
        .split_once("to perform: ")
        .and_then(|(_, rest)| rest.split(|c: char| c.is_whitespace() || c == ',').next())
        .filter(|named| named.contains(':') && named.len() <= 128);
    named.unwrap_or(action).to_owned()
}

/// What the chain of credentials says, when it is that what failed: nobody was asked then.
fn of_credentials(error: Option<&(dyn std::error::Error + 'static)>) -> Option<String> {
    let mut next = error;
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            return Some(keys::words(error));
        }
        next = error.source();
    }
    None
}

/// The innermost reason: the outer ones only say "dispatch failure".
fn root(error: Option<&(dyn std::error::Error + 'static)>) -> String {
    let mut last = None;
    let mut next = error;
    while let Some(error) = next {
        if is_unencrypted(error) {
            return "the other side does not speak TLS: http:// instead of https://?".to_owned();
        }
        last = Some(error);
        next = error.source();
    }
    last.map_or_else(|| "unknown".to_owned(), ToString::to_string)
}

/// A handshake that was answered by bytes that are no TLS, however they were none. An error of I/O hides what it is made of from
/// the chain of sources, and may be wrapped in another.
fn is_unencrypted(error: &(dyn std::error::Error + 'static)) -> bool {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().is_some_and(|inner| is_unencrypted(inner)),
        None => matches!(error.downcast_ref(), Some(rustls::Error::InvalidMessage(_))),
    }
}

/// How long AWS, or a proxy before it, asks to wait.
pub(super) fn retry_after<E>(error: &SdkError<E, Response>) -> Option<std::time::Duration> {
    let headers = error.raw_response()?.headers();
    let number = |name: &str| headers.get(name)?.trim().parse::<u64>().ok();
    let millis = number("x-amz-retry-after");
    let seconds = number("retry-after").map(|seconds| seconds.saturating_mul(1_000));
    // An hour is as long as anybody means it.
    millis.or(seconds).map(|ms| std::time::Duration::from_millis(ms.min(3_600_000)))
}

/// True when the thing asked for does not exist.
pub fn is_not_found<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> bool {
    error.code() == Some("ResourceNotFoundException")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_throttles_and_quotas_are_told_apart() {
        let kind = |code, message, status| service(code, message, Some(status)).0;
        assert_eq!(kind("AccessDeniedException", "User x is not authorized", 403), TroubleKind::Denied);
        assert_eq!(kind("ForbiddenException", "", 403), TroubleKind::Denied);
        assert_eq!(kind("ThrottlingException", "Rate exceeded", 400), TroubleKind::Throttled);
        assert_eq!(kind("", "", 429), TroubleKind::Throttled);
        assert_eq!(kind("LimitExceededException", "", 410), TroubleKind::Failed);
        assert_eq!(kind("ExpiredTokenException", "", 403), TroubleKind::Credentials);
        assert_eq!(service("", "", Some(200)).1, "the answer is not understood");
        assert_eq!(service("", "", Some(502)).1, "HTTP 502");
        let text = "User: u is not authorized to perform: iot:ListThings on resource: *";
        assert_eq!(missing(text, "x"), "iot:ListThings");
        assert_eq!(missing("no", "iot:GetX"), "iot:GetX");
        for what in [rustls::InvalidMessage::InvalidContentType, rustls::InvalidMessage::MessageTooLarge] {
            let error =
                std::io::Error::new(std::io::ErrorKind::InvalidData, rustls::Error::InvalidMessage(what));
            assert!(root(Some(&error)).contains("http:// instead of https://"));
            let wrapped = std::io::Error::other(error);
            assert!(root(Some(&wrapped)).contains("http:// instead of https://"));
        }
        let other = std::io::Error::other(rustls::Error::DecryptError);
        assert!(!root(Some(&other)).contains("http://"));
    }
}
