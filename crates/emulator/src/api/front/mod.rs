//! The HTTP front: one fallback handler that authenticates, routes, throttles, runs the operation, makes it durable and
//! answers in AWS's form (docs/aws-iot.md#2.1). Operations know nothing of any of this.
//!
//! * `auth.rs`: who signed, for which account and service; what is said of services that are not here.
//! * `device.rs`: requests that come with a client certificate instead of a signature.
//! * `dialect.rs`: the form an error takes.
//! * `gzip.rs`: compressed bodies.
//! * `table.rs`: the route table, compiled.
//! * `throttle.rs`: requests a second for each operation.

mod auth;
mod device;
mod dialect;
mod gzip;
mod table;
mod throttle;

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::registry::uuid;
use super::routes::Route;
use super::{ApiError, Req, Resp, Service, model, query, sns};
use crate::account::Account;
use crate::cloud::{Cloud, Signed};
use crate::faults::{self, End};
use crate::http::{Addrs, Request, Response};
use dialect::Dialect;
use table::{Found, Table};
pub use throttle::Throttle;

/// The largest body read. AWS's own limits are per operation and far lower, but for audit and job documents.
const BODY: usize = 1024 * 1024;
/// Empties an account.
const RESET: &str = "/_quell/reset";

/// Everything the accounts of a cloud answer over HTTP but MQTT.
pub struct Front {
    cloud: Arc<Cloud>,
    table: Table,
    /// What AWS has and this has not.
    absent: Table,
}

impl Front {
    /// The front of the accounts of `cloud`.
    pub fn new(cloud: Arc<Cloud>) -> Self {
        let table = Table::new(super::routes::all());
        let absent = Table::new(super::absent::ROUTES.iter());
        Self { cloud, table, absent }
    }

    /// The answer to a request; none when its connection is to be given up.
    pub async fn answer(&self, request: Request) -> Option<Response> {
        let request_id = uuid();
        let (parts, body) = request.into_parts();
        // A device speaks to the data plane, whatever its client calls the body.
        let dialect = if device::of(&parts).is_some() { Dialect::Rest } else { Dialect::of(&parts) };
        let outcome = match Limited::new(body, BODY).collect().await {
            Ok(body) => self.run(&parts, dialect, body.to_bytes()).await,
            Err(_) => Outcome::error(ApiError::new(
                413,
                "RequestEntityTooLargeException",
                format!("The request is larger than {BODY} bytes"),
            )),
        };
        let mut response = outcome.into_response(dialect, &request_id)?;
        let clock = self.cloud.terms().clock;
        if clock.is_ahead()
            && let Ok(date) = jiff::Timestamp::from_millisecond(clock.now_ms())
            && let Ok(date) = HeaderValue::from_str(&date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        {
            response.headers_mut().insert(header::DATE, date);
        }
        Some(response)
    }
}

/// What a request came to.
struct Outcome {
    result: Result<Resp, ApiError>,
    /// The connection ends without an answer.
    cut: bool,
}

impl End {
    fn outcome(self) -> Outcome {
        match self {
            Self::Answer(error) => Outcome::error(error),
            Self::Drop => Outcome { result: Resp::nothing(), cut: true },
        }
    }
}

impl Outcome {
    fn error(error: ApiError) -> Self {
        Self { result: Err(error), cut: false }
    }

    fn into_response(self, dialect: Dialect, request_id: &str) -> Option<Response> {
        if self.cut {
            return None;
        }
        let code = self.result.as_ref().err().map(|error| error.code);
        let resp = self.result.or_else(|error| dialect.say(error, request_id)).unwrap_or_else(|error| Resp {
            status: error.status,
            content_type: "text/plain",
            body: error.message.into(),
            headers: Vec::new(),
            once: None,
        });
        let Resp { status, content_type, body, headers: extra, once: _ } = resp;
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        if let Some(code) = code {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(code));
        }
        for (name, value) in extra {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
            {
                headers.insert(name, value);
            }
        }
        Some(response)
    }
}

impl Front {
    async fn run(&self, parts: &Parts, dialect: Dialect, body: Bytes) -> Outcome {
        let query = decode_query(parts.uri.query().unwrap_or_default());
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            let arn = query.iter().find(|(name, _)| name == "TopicArn" || name == "SubscriptionArn");
            let account = self.cloud.of_arn(arn.map(|(_, value)| value.as_str()));
            let req = request(account, parts, query.clone(), body.clone());
            if let Some(result) = sns::unsigned(&req, parts.method.as_str(), parts.uri.path()) {
                // A confirmation is a GET that changes something.
                return Outcome { result: commit(&req.account, &Method::POST, result).await, cut: false };
            }
        }
        if let Some(device) = device::of(parts) {
            let account = self.cloud.of_certificate(device.principal.identifier());
            let req = request(account, parts, query, body);
            return self.run_device(device, &parts.method, parts.uri.path(), req).await;
        }
        let Signed { account, access_key, service } = match auth::authenticate(&self.cloud, parts, &body) {
            Ok(signed) => signed,
            Err(error) => return Outcome::error(error),
        };
        if parts.uri.path() == RESET {
            return Outcome { result: self.reset(&account, &access_key, parts), cut: false };
        }
        let Some(service) = auth::service(&service) else {
            return Outcome::error(auth::not_here(&service, dialect, parts, &body));
        };
        let mut req = Req { caller: access_key, ..request(account, parts, query, body) };
        // S3 keeps what it is given; everything else is read here.
        if req.header("content-encoding") == Some("gzip") && service != Service::S3 {
            match gzip::inflate(&req.body, BODY) {
                Some(body) => req.body = body,
                None => return Outcome::error(ApiError::invalid("The body is not gzip, or too large")),
            }
        }
        // CloudWatch's Query and JSON forms are posted to `/`, its newest protocol to paths of the table.
        let form = matches!(service, Service::Sts | Service::Iam | Service::Sns)
            || (service == Service::CloudWatch && parts.uri.path() == "/");
        if form {
            let result = match query::find(service, &req) {
                Ok(form) if let Err(error) = req.account.iam.check(service, form.action, form.req()) => {
                    Err(error)
                }
                Ok(form) => match disturb(&req.account, service, form.action).await {
                    Some(end) => return end.outcome(),
                    None => commit(&req.account, &parts.method, form.run()).await,
                },
                Err(error) => Err(error),
            };
            return Outcome { result, cut: false };
        }
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let result = match self.table.find(service, method, path) {
            Found::Route(index, route, params) => {
                tracing::debug!(op = route.op, caller = %req.caller, "operation");
                req.path = params;
                if let Err(error) = req.account.iam.check(service, route.op, &req) {
                    return Outcome::error(error);
                }
                return self.operate(index, route, &parts.method, req).await;
            }
            other => {
                let absent = self.absent_name(service, method, path);
                match (absent, other) {
                    (Some(op), _) => tracing::warn!(op, "operation not emulated"),
                    (None, Found::OtherMethod) => {
                        return Outcome::error(ApiError::new(
                            405,
                            "MethodNotAllowedException",
                            "The specified HTTP method is not allowed for this resource.",
                        ));
                    }
                    (None, _) => {
                        tracing::warn!(method, path, service = ?service, "no operation of AWS");
                    }
                }
                super::absent::not_here(&req)
            }
        };
        Outcome { result, cut: false }
    }

    /// Runs an operation that its caller may ask for, as far as faults, limits and the service's model let it.
    async fn operate(&self, index: usize, route: &'static Route, method: &Method, req: Req) -> Outcome {
        if let Some(end) = disturb(&req.account, route.service, route.op).await {
            return end.outcome();
        }
        let result = if req.account.throttle.as_ref().is_some_and(|throttle| !throttle.admit(index)) {
            Err(faults::throttled(route.service))
        } else if let Err(error) = model::check(route.service, route.op, &req) {
            Err(error)
        } else {
            commit(&req.account, method, (route.handler)(&req)).await
        };
        // After the operation: what it changed is true by then.
        req.account.ledger.asked(route.service, route.op, method != Method::GET, &req);
        let result = match result {
            Ok(resp) => resp.when_due().await,
            error => error,
        };
        Outcome { result, cut: false }
    }

    /// The name of an operation of AWS that is not here.
    fn absent_name(&self, service: Service, method: &str, path: &str) -> Option<&'static str> {
        match self.absent.find(service, method, path) {
            Found::Route(_, route, _) => Some(route.op),
            Found::OtherMethod | Found::Nothing => None,
        }
    }

    /// Empties the account a request is signed for, and tells which one it was.
    fn reset(&self, account: &Account, key: &str, parts: &Parts) -> Result<Resp, ApiError> {
        if parts.method != Method::POST {
            let what = "The specified HTTP method is not allowed for this resource.";
            return Err(ApiError::new(405, "MethodNotAllowedException", what));
        }
        let peer = parts.extensions.get::<Addrs>().map(|addrs| addrs.remote.ip());
        if !peer.is_some_and(|ip| ip.to_canonical().is_loopback()) {
            let what = "An account is emptied from the emulator's own machine only.";
            return Err(ApiError::new(403, "AccessDeniedException", what));
        }
        if !account.terms.participants.is_empty() {
            let what = "Whoever runs the room empties its accounts: they get their devices anew.";
            return Err(ApiError::new(403, "AccessDeniedException", what));
        }
        if !account.iam.may_do_everything(key) {
            let what =
                format!("User: {} may not do everything, and so not empty the account", account.caller(key));
            return Err(ApiError::new(403, "AccessDeniedException", what));
        }
        self.cloud.reset(account).map_err(|error| {
            tracing::error!(account = account.id, region = account.region, %error, "the account could not be emptied");
            ApiError::internal(format!("The account could not be emptied: {error}"))
        })?;
        tracing::info!(account = account.id, region = account.region, "emptied");
        Resp::json(serde_json::json!({ "account": account.id, "region": account.region }))
    }
}

/// A request before it is known who made it and for which operation.
fn request(account: Arc<Account>, parts: &Parts, query: Vec<(String, String)>, body: Bytes) -> Req {
    Req {
        account,
        caller: String::new(),
        device: None,
        path: Vec::new(),
        query,
        headers: parts
            .headers
            .iter()
            .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect(),
        body,
    }
}

/// What a fault on order does to a request: it may wait here, and may end here.
async fn disturb(account: &Account, service: Service, op: &'static str) -> Option<End> {
    let verdict = account.terms.faults.judge(service, op);
    if !verdict.delay.is_zero() || verdict.end.is_some() {
        tracing::info!(op, delay = ?verdict.delay, end = ?verdict.end, "fault");
        tokio::time::sleep(verdict.delay).await;
    }
    verdict.end
}

/// A change is durable before it is acknowledged, a refused one too: it may have changed something first.
async fn commit(
    account: &Account,
    method: &Method,
    result: Result<Resp, ApiError>,
) -> Result<Resp, ApiError> {
    if method != Method::GET {
        let wal = account.wal.clone();
        let written = tokio::task::spawn_blocking(move || wal.commit()).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::error!(?written, "the state could not be written");
            return Err(ApiError::internal("The state could not be written."));
        }
    }
    result
}

/// Query parameters in order, percent-decoded, `+` as a space.
pub(super) fn decode_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}
