//! The HTTP front: one fallback handler that authenticates, routes, throttles, runs the operation, makes it durable and
//! answers in AWS's form (docs/aws-iot.md#2.1). Operations know nothing of any of this.
//!
//! * `auth.rs`: SigV4, and which service the credential scope names.
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

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;

use super::registry::uuid;
use super::routes::Route;
use super::{ApiError, Req, Resp, Service, model, query, sns};
use crate::account::Account;
use crate::faults::{self, End};
use dialect::Dialect;
use table::{Found, Table};
use throttle::Throttle;

/// The largest body read. AWS's own limits are per operation and far lower, but for audit and job documents.
const BODY: usize = 1024 * 1024;

struct Front {
    account: Arc<Account>,
    table: Table,
    /// What AWS has and this has not.
    absent: Table,
    throttle: Throttle,
}

/// Everything the account answers over HTTP.
pub fn router(account: Arc<Account>) -> axum::Router {
    if tokio::runtime::Handle::try_current().is_ok() {
        sns::start(&account);
    }
    let table = Table::new(super::routes::all());
    let absent = Table::new(super::absent::ROUTES.iter());
    let throttle = Throttle::new(super::routes::all());
    axum::Router::new().fallback(answer).with_state(Arc::new(Front { account, table, absent, throttle }))
}

async fn answer(State(front): State<Arc<Front>>, request: Request) -> Response {
    let request_id = uuid();
    let (parts, body) = request.into_parts();
    let dialect = Dialect::of(&parts);
    let outcome = match axum::body::to_bytes(body, BODY).await {
        Ok(body) => front.run(&parts, body).await,
        Err(_) => Outcome::error(ApiError::new(
            413,
            "RequestEntityTooLargeException",
            format!("The request is larger than {BODY} bytes"),
        )),
    };
    let mut response = outcome.into_response(dialect, &request_id);
    let clock = front.account.clock;
    if clock.is_ahead()
        && let Ok(date) = jiff::Timestamp::from_millisecond(clock.now_ms())
        && let Ok(date) = HeaderValue::from_str(&date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
    {
        response.headers_mut().insert(header::DATE, date);
    }
    response
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

    fn into_response(self, dialect: Dialect, request_id: &str) -> Response {
        if self.cut {
            // A body that fails before its first byte: the server gives the connection up with nothing sent.
            let broken = futures_util::stream::once(async {
                Err::<Bytes, _>(std::io::Error::other("cut by a fault"))
            });
            return Response::new(Body::from_stream(broken));
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
        let mut response = Response::new(Body::from(body));
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
        response
    }
}

impl Front {
    async fn run(&self, parts: &axum::http::request::Parts, body: Bytes) -> Outcome {
        let mut req = Req {
            account: Arc::clone(&self.account),
            caller: String::new(),
            device: None,
            path: Vec::new(),
            query: decode_query(parts.uri.query().unwrap_or_default()),
            headers: parts
                .headers
                .iter()
                .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
                .collect(),
            body,
        };
        if !parts.headers.contains_key(header::AUTHORIZATION)
            && let Some(result) = sns::unsigned(&req, parts.method.as_str(), parts.uri.path())
        {
            // A confirmation is a GET that changes something.
            return Outcome { result: self.commit(&Method::POST, result).await, cut: false };
        }
        if let Some(device) = device::of(parts) {
            return self.run_device(device, &parts.method, parts.uri.path(), req).await;
        }
        let signer = match auth::authenticate(&self.account, parts, &req.body) {
            Ok(signer) => signer,
            Err(error) => return Outcome::error(error),
        };
        req.caller = signer.access_key;
        // S3 keeps what it is given; everything else is read here.
        if req.header("content-encoding") == Some("gzip") && signer.service != Service::S3 {
            match gzip::inflate(&req.body, BODY) {
                Some(body) => req.body = body,
                None => return Outcome::error(ApiError::invalid("The body is not gzip, or too large")),
            }
        }
        // CloudWatch's Query and JSON forms are posted to `/`, its newest protocol to paths of the table.
        let form = matches!(signer.service, Service::Sts | Service::Iam | Service::Sns)
            || (signer.service == Service::CloudWatch && parts.uri.path() == "/");
        if form {
            let result = match query::find(signer.service, &req) {
                Ok(form)
                    if let Err(error) = self.account.iam.check(signer.service, form.action, form.req()) =>
                {
                    Err(error)
                }
                Ok(form) => match self.disturb(signer.service, form.action).await {
                    Some(end) => return end.outcome(),
                    None => self.commit(&parts.method, form.run()).await,
                },
                Err(error) => Err(error),
            };
            return Outcome { result, cut: false };
        }
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let result = match self.table.find(signer.service, method, path) {
            Found::Route(index, route, params) => {
                tracing::debug!(op = route.op, caller = %req.caller, "operation");
                req.path = params;
                if let Err(error) = self.account.iam.check(signer.service, route.op, &req) {
                    return Outcome::error(error);
                }
                return self.operate(index, route, &parts.method, req).await;
            }
            other => {
                let absent = self.absent_name(signer.service, method, path);
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
                        tracing::warn!(method, path, service = ?signer.service, "no operation of AWS");
                    }
                }
                super::absent::not_here(&req)
            }
        };
        Outcome { result, cut: false }
    }

    /// Runs an operation that its caller may ask for, as far as faults, limits and the service's model let it.
    async fn operate(&self, index: usize, route: &'static Route, method: &Method, req: Req) -> Outcome {
        if let Some(end) = self.disturb(route.service, route.op).await {
            return end.outcome();
        }
        let result = if !self.throttle.admit(index) {
            Err(faults::throttled(route.service))
        } else if let Err(error) = model::check(route.service, route.op, &req) {
            Err(error)
        } else {
            self.commit(method, (route.handler)(&req)).await
        };
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

    /// What a fault on order does to a request: it may wait here, and may end here.
    async fn disturb(&self, service: Service, op: &'static str) -> Option<End> {
        let verdict = self.account.faults.judge(service, op);
        if !verdict.delay.is_zero() || verdict.end.is_some() {
            tracing::info!(op, delay = ?verdict.delay, end = ?verdict.end, "fault");
            tokio::time::sleep(verdict.delay).await;
        }
        verdict.end
    }

    /// A change is durable before it is acknowledged, a refused one too: it may have changed something first.
    async fn commit(&self, method: &Method, result: Result<Resp, ApiError>) -> Result<Resp, ApiError> {
        if method != Method::GET {
            let wal = self.account.wal.clone();
            let written = tokio::task::spawn_blocking(move || wal.commit()).await;
            if !matches!(written, Ok(Ok(()))) {
                tracing::error!(?written, "the state could not be written");
                return Err(ApiError::internal("The state could not be written."));
            }
        }
        result
    }
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
