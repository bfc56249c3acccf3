//! Requests that come with a client certificate instead of a signature: a device publishes, reads its shadow and its jobs
//! over HTTPS (docs/aws-iot.md#3.1), and gets temporary AWS credentials for a role alias.
//!
//! The certificate must be ACTIVE, and IoT policies decide as they do over MQTT. There is no client id: policies of thing
//! groups and thing variables reach such a request only when the certificate belongs to one thing exclusively.

use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Method, header};

use super::table::Found;
use super::{Front, Outcome};
use crate::api::registry::uuid;
use crate::api::{ApiError, Req, Service, cloudwatch, iam, identity, policy, role_aliases};
use crate::broker::{Principal, Session};
use crate::http::Addrs;

/// What a certificate may ask for; the other operations of the data plane want a signature.
const OPERATIONS: [&str; 11] = [
    "Publish",
    "GetRetainedMessage",
    "ListRetainedMessages",
    "GetThingShadow",
    "UpdateThingShadow",
    "DeleteThingShadow",
    "ListNamedShadowsForThing",
    "GetPendingJobExecutions",
    "StartNextPendingJobExecution",
    "DescribeJobExecution",
    "UpdateJobExecution",
];

/// The device behind a request that is not signed and comes over a connection with a client certificate.
pub(super) fn of(parts: &Parts) -> Option<Session> {
    let signed = parts.headers.contains_key(header::AUTHORIZATION)
        || parts.uri.query().is_some_and(|query| query.contains("X-Amz-"));
    let addrs = parts.extensions.get::<Addrs>()?;
    let certificate = addrs.certificate.clone().filter(|_| !signed)?;
    Some(Session {
        client_id: "".into(),
        principal: Principal::Certificate(certificate),
        serial: 0,
        ip: addrs.remote.ip(),
        attributes: Default::default(),
    })
}

/// The data plane says no more than this, and by which trace it can be found.
fn forbidden() -> ApiError {
    let mut error = ApiError::new(403, "ForbiddenException", "Forbidden");
    error.extra.insert("traceId".into(), uuid().into());
    error
}

impl Front {
    /// Answers a device.
    pub(super) async fn run_device(
        &self,
        device: Session,
        method: &Method,
        path: &str,
        mut req: Req,
    ) -> Outcome {
        let account = Arc::clone(&req.account);
        let known = identity::is_active(&account, device.principal.identifier());
        if !known {
            cloudwatch::count(&account, "AWS/IoT", "Connection.AuthNError", &[], 1.0);
        }
        if let Some(alias) = role_aliases::asked_for(method.as_str(), path) {
            let result = if known {
                role_aliases::credentials(&account, &device, &alias, req.header("x-amzn-iot-thingname"))
            } else {
                Err(role_aliases::invalid_certificate())
            };
            return Outcome { result, cut: false };
        }
        if !known {
            return Outcome::error(forbidden());
        }
        let services = [Service::IotData, Service::JobsData];
        let found = services.iter().map(|service| self.table.find(*service, method.as_str(), path));
        let mut other_method = false;
        for found in found {
            match found {
                Found::Route(index, route, params) => {
                    req.path = params;
                    let needed = iam::needed(route.service, route.op, &req);
                    tracing::debug!(op = route.op, certificate = device.principal.identifier(), "operation");
                    if !OPERATIONS.contains(&route.op)
                        || !policy::authorize_request(&account, &device, &needed)
                    {
                        return Outcome::error(forbidden());
                    }
                    req.device = Some(device);
                    return self.operate(index, route, method, req).await;
                }
                Found::OtherMethod => other_method = true,
                Found::Nothing => {}
            }
        }
        if other_method {
            return Outcome::error(ApiError::new(
                405,
                "MethodNotAllowedException",
                "The specified HTTP method is not allowed for this resource.",
            ));
        }
        tracing::warn!(%method, path, "no operation of AWS for a device");
        Outcome::error(forbidden())
    }
}
