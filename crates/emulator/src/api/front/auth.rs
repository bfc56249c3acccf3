//! Which service a signed request is for, and what is said of services that are not here.

use bytes::Bytes;
use hyper::http::request::Parts;

use super::dialect::Dialect;
use crate::api::{ApiError, Service};
use crate::cloud::{Cloud, Signed};
use crate::sigv4;

/// Checks the signature and finds the account it is for.
pub(super) fn authenticate(cloud: &Cloud, parts: &Parts, body: &Bytes) -> Result<Signed, ApiError> {
    let request = sigv4::Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body,
    };
    cloud.signed(&request, |name| service(name).is_some_and(|s| !matches!(s, Service::Iam | Service::Sts)))
}

/// The service a credential scope names; `None` for one that is not here.
pub(super) fn service(name: &str) -> Option<Service> {
    Some(match name {
        "iot" | "execute-api" => Service::Iot,
        "iotdata" | "iotdevicegateway" => Service::IotData,
        "iot-jobs-data" => Service::JobsData,
        "sts" => Service::Sts,
        "iam" => Service::Iam,
        "sns" => Service::Sns,
        "monitoring" => Service::CloudWatch,
        "s3" => Service::S3,
        _ => return None,
    })
}

/// What is answered for a service that is not here: what AWS says to an operation it does not know, in the protocol it was
/// asked in. The log names the service and the operation.
pub(super) fn not_here(service: &str, dialect: Dialect, parts: &Parts, body: &Bytes) -> ApiError {
    let operation = operation(dialect, parts, body);
    tracing::warn!(service, operation, "service not emulated");
    let message = format!("This emulator of AWS IoT has no service '{service}' (asked for {operation}).");
    match dialect {
        Dialect::Query | Dialect::Ec2 => ApiError::new(400, "InvalidAction", message),
        Dialect::Json { .. } | Dialect::Cbor { .. } => {
            ApiError::new(400, "UnknownOperationException", message)
        }
        Dialect::S3 | Dialect::RestXml => ApiError::new(501, "NotImplemented", message),
        Dialect::Rest => ApiError::new(404, "UnknownOperationException", message),
    }
}

/// The operation by its name, or by method and path where the protocol has no names.
fn operation(dialect: Dialect, parts: &Parts, body: &Bytes) -> String {
    let path = parts.uri.path();
    let named = match dialect {
        Dialect::Json { .. } => {
            let target = parts.headers.get("x-amz-target").and_then(|v| v.to_str().ok());
            target.and_then(|target| target.rsplit('.').next()).map(str::to_owned)
        }
        Dialect::Cbor { .. } => path.rsplit('/').next().map(str::to_owned),
        Dialect::Query | Dialect::Ec2 => {
            let mut fields = super::decode_query(parts.uri.query().unwrap_or_default());
            fields.extend(super::decode_query(&String::from_utf8_lossy(body)));
            fields.into_iter().find(|(name, _)| name == "Action").map(|(_, value)| value)
        }
        Dialect::S3 | Dialect::RestXml | Dialect::Rest => None,
    };
    let name = named.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("{} {path}", parts.method));
    // Somebody else's text, for a log and a message.
    name.chars().filter(|c| !c.is_control()).take(128).collect()
}
