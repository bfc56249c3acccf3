//! Who signed a request, and for which service.

use axum::http::request::Parts;
use bytes::Bytes;

use crate::emulator::account::Account;
use crate::emulator::api::{ApiError, Service};
use crate::emulator::sigv4;

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
    let secret = |key: &str| (key == account.access_key).then_some(account.secret_key.as_str());
    let verified = sigv4::verify(&request, secret, account.clock.now_ms() / 1000)
        .map_err(|error| ApiError::new(error.status(), error.code(), error.to_string()))?;
    let service = match verified.service.as_str() {
        "iot" | "execute-api" => Service::Iot,
        "iotdata" | "iotdevicegateway" => Service::IotData,
        "iot-jobs-data" => Service::JobsData,
        "sts" => Service::Sts,
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
