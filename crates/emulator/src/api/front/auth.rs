//! Who signed a request, and for which service.

use axum::http::request::Parts;
use bytes::Bytes;

use crate::account::Account;
use crate::api::{ApiError, Service, iam};
use crate::sigv4;

/// The signer of a request whose signature is good.
pub(super) struct Signer {
    pub(super) access_key: String,
    pub(super) service: Service,
}

/// Checks the signature and reads the service from the credential scope.
pub(super) fn authenticate(account: &Account, parts: &Parts, body: &Bytes) -> Result<Signer, ApiError> {
    let request = sigv4::Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body,
    };
    let verified = sigv4::verify(&request, |key| iam::secret_of(account, key), account.clock.now_ms() / 1000)
        .map_err(|error| ApiError::new(error.status(), error.code(), error.to_string()))?;
    iam::admit(account, &verified.access_key, verified.token.as_deref())
        .map_err(|(code, message)| ApiError::new(403, code, message))?;
    let service = match verified.service.as_str() {
        "iot" | "execute-api" => Service::Iot,
        "iotdata" | "iotdevicegateway" => Service::IotData,
        "iot-jobs-data" => Service::JobsData,
        "sts" => Service::Sts,
        "iam" => Service::Iam,
        "sns" => Service::Sns,
        "monitoring" => Service::CloudWatch,
        "s3" => Service::S3,
        _ => {
            return Err(ApiError::new(
                403,
                "InvalidSignatureException",
                "Credential should be scoped to correct service",
            ));
        }
    };
    Ok(Signer { access_key: verified.access_key, service })
}
