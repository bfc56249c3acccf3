//! The door in front of the account: counts changing requests, and holds, refuses or swallows those a test picks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use parking_lot::Mutex;
use quell_emulator_tests::http::{Request, Response};

use crate::world::LONG;

/// What the door does with a changing request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Pass,
    /// Answered with InternalFailureException before it reaches the account.
    Refuse,
    /// Held forever before it reaches the account.
    Hold,
    /// Carried out, its answer held forever.
    Swallow,
}

type Rule = Box<dyn Fn(usize, &str) -> Verdict + Send>;

/// The account behind the door.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) http: SocketAddr,
    pub(crate) client: Client<HttpConnector, Full<Bytes>>,
}

impl Account {
    /// Its answer to a request that passed.
    async fn ask(&self, mut request: Request) -> Response {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        *request.uri_mut() = format!("http://{}{path}", self.http).parse().unwrap();
        let (parts, body) = self.client.request(request.map(Full::new)).await.unwrap().into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes().into())
    }
}

/// Counts requests, and the changing ones, in order.
#[derive(Default)]
pub(crate) struct Door {
    changes: Mutex<Vec<String>>,
    requests: Mutex<Vec<(Instant, String)>>,
    rule: Mutex<Option<Rule>>,
    /// Reads whose path has one of these in it are not allowed.
    unreadable: Mutex<Vec<&'static str>>,
    held: AtomicBool,
}

/// An answer that the account did not give.
fn injected(status: u16, kind: &str, said: &'static str) -> Response {
    let answer = hyper::Response::builder().status(status).header("x-amzn-errortype", kind);
    answer.header("x-amzn-requestid", "injected").body(said.into()).unwrap()
}

impl Door {
    pub(crate) async fn pass(&self, request: Request, account: &Account) -> Response {
        let path = request.uri().path().to_owned();
        self.requests.lock().push((Instant::now(), format!("{} {path}", request.method())));
        let reads = request.method() == hyper::Method::GET
            || [
                "/test-authorization",
                "/attached-policies/",
                "/effective-policies",
                "/policy-targets/",
                "/audit/findings",
                "/audit/suppressions/list",
                "/security-profile-behaviors/validate",
            ]
            .iter()
            .any(|p| path.starts_with(p))
            || path.ends_with("/connectivity-data")
            // A direct message to a client changes nothing in the account.
            || path.ends_with("/messages")
            || path == "/";
        if reads && self.unreadable.lock().iter().any(|part| path.contains(part)) {
            let said = r#"{"message":"User: u is not authorized to perform: iot:Refused on resource: *"}"#;
            return injected(403, "AccessDeniedException", said);
        }
        if reads {
            return account.ask(request).await;
        }
        let line = format!("{} {}", request.method(), request.uri());
        let n = {
            let mut changes = self.changes.lock();
            changes.push(line.clone());
            changes.len() - 1
        };
        let verdict = self.rule.lock().as_ref().map_or(Verdict::Pass, |rule| rule(n, &line));
        match verdict {
            Verdict::Pass => account.ask(request).await,
            Verdict::Refuse => injected(400, "InvalidRequestException", r#"{"message":"injected"}"#),
            Verdict::Hold => {
                self.held.store(true, Ordering::SeqCst);
                std::future::pending().await
            }
            Verdict::Swallow => {
                let _ = account.ask(request).await;
                self.held.store(true, Ordering::SeqCst);
                std::future::pending().await
            }
        }
    }

    pub(crate) fn forget(&self) {
        self.changes.lock().clear();
        self.requests.lock().clear();
        self.held.store(false, Ordering::SeqCst);
    }

    /// Lets nobody read where the path has one of `parts` in it.
    pub(crate) fn unreadable(&self, parts: &[&'static str]) {
        *self.unreadable.lock() = parts.to_vec();
    }

    pub(crate) fn changes(&self) -> Vec<String> {
        self.changes.lock().clone()
    }

    /// All requests, reads too: when, the method and the path.
    pub(crate) fn requests(&self) -> Vec<(Instant, String)> {
        self.requests.lock().clone()
    }

    pub(crate) fn rule(&self, rule: impl Fn(usize, &str) -> Verdict + Send + 'static) {
        *self.rule.lock() = Some(Box::new(rule));
    }

    pub(crate) fn open(&self) {
        *self.rule.lock() = None;
    }

    /// True while a request is held.
    pub(crate) fn is_holding(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    /// Waits until a request is held.
    pub(crate) async fn held(&self) {
        let end = tokio::time::Instant::now() + LONG;
        while !self.held.load(Ordering::SeqCst) {
            assert!(tokio::time::Instant::now() < end, "nothing was held: {:?}", self.changes());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
