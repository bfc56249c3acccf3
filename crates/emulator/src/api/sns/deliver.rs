//! How messages leave: HTTP to endpoints on this machine, the outbox file for everybody else.
//!
//! The emulator never sends anything off the machine: an endpoint elsewhere, a mailbox or a function gets a line in the
//! outbox, which whoever runs the workshop can read (`tail -f`) or feed to a handler.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use super::message::timestamp;
use super::store::Subscription;
use crate::account::Account;

/// Messages that may wait; beyond it they are dropped, counted and logged.
const QUEUE: usize = 1000;
/// Deliveries in flight.
const PARALLEL: usize = 16;
/// SNS's default policy for HTTP: three retries, 20 seconds apart.
const RETRIES: u32 = 3;
const DELAY: Duration = Duration::from_secs(20);
/// How long SNS waits for an endpoint.
const PATIENCE: Duration = Duration::from_secs(15);

/// One message for one subscriber.
#[derive(Clone, Debug)]
pub(super) struct Job {
    arn: String,
    topic: String,
    protocol: String,
    endpoint: String,
    kind: &'static str,
    message_id: String,
    body: Value,
}

impl Job {
    pub(super) fn new(arn: &str, row: &Subscription, kind: &'static str, body: Value) -> Self {
        let id = body.get("MessageId").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            arn: arn.to_owned(),
            topic: row.topic.clone(),
            protocol: row.protocol.clone(),
            endpoint: row.endpoint.clone(),
            kind,
            message_id: id,
            body,
        }
    }

    /// With the message's id, which a raw body does not carry.
    pub(super) fn of_message(mut self, id: &str) -> Self {
        id.clone_into(&mut self.message_id);
        self
    }
}

type Http = Client<HttpConnector, Full<Bytes>>;

/// Hands a message on; never waits.
pub(super) fn send(account: &Account, job: Job) {
    let local = job.protocol == "http" && is_loopback(&job.endpoint);
    if !local {
        let written = to_outbox(account, &job);
        return count(account, &job, written);
    }
    let queue = account.sns.queue.get();
    if queue.is_none_or(|q| q.try_send(job.clone()).is_err()) {
        tracing::warn!(endpoint = job.endpoint, "notification dropped: the queue is full or not running");
        count(account, &job, false);
    }
}

fn count(account: &Account, job: &Job, delivered: bool) {
    if job.kind == "Notification" {
        let name = if delivered { "NumberOfNotificationsDelivered" } else { "NumberOfNotificationsFailed" };
        let topic = job.topic.rsplit(':').next().unwrap_or_default();
        super::super::cloudwatch::count(account, "AWS/SNS", name, &[("TopicName", topic)], 1.0);
    }
}

/// Starts the deliveries of an account; to be called once, from within the runtime.
pub(super) fn start(account: &Arc<Account>) {
    let (sender, mut jobs) = mpsc::channel::<Job>(QUEUE);
    if account.sns.queue.set(sender).is_err() {
        return;
    }
    // Weak: deliveries must not keep an account alive that nobody serves any more.
    let account = Arc::downgrade(account);
    tokio::spawn(async move {
        let http: Http = Client::builder(TokioExecutor::new()).build_http();
        let slots = Arc::new(Semaphore::new(PARALLEL));
        while let Some(job) = jobs.recv().await {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let (http, account) = (http.clone(), account.clone());
            tokio::spawn(async move {
                let _slot = slot;
                let Some(delay) = account.upgrade().map(|a| a.clock.scaled(DELAY)) else { return };
                let delivered = post(&http, &job, delay).await;
                if let Some(account) = account.upgrade() {
                    count(&account, &job, delivered);
                }
            });
        }
    });
}

async fn post(http: &Http, job: &Job, delay: Duration) -> bool {
    let body = match &job.body {
        Value::String(raw) => raw.clone(),
        envelope => envelope.to_string(),
    };
    for attempt in 0..=RETRIES {
        if attempt > 0 {
            tokio::time::sleep(delay).await;
        }
        let mut request = hyper::Request::post(&job.endpoint)
            .header("content-type", "text/plain; charset=UTF-8")
            .header("user-agent", "Amazon Simple Notification Service Agent")
            .header("x-amz-sns-message-type", job.kind)
            .header("x-amz-sns-message-id", &job.message_id)
            .header("x-amz-sns-topic-arn", &job.topic);
        if job.kind == "Notification" {
            request = request.header("x-amz-sns-subscription-arn", &job.arn);
        }
        if job.body.is_string() {
            request = request.header("x-amz-sns-rawdelivery", "true");
        }
        let Ok(request) = request.body(Full::from(body.clone())) else { return false };
        match tokio::time::timeout(PATIENCE, http.request(request)).await {
            Ok(Ok(answer)) if answer.status().is_success() => return true,
            // Client errors are permanent, but for these two.
            Ok(Ok(answer))
                if answer.status().is_client_error() && ![408, 429].contains(&answer.status().as_u16()) =>
            {
                tracing::warn!(
                    status = answer.status().as_u16(),
                    endpoint = job.endpoint,
                    "notification refused"
                );
                return false;
            }
            Ok(Ok(answer)) => {
                tracing::debug!(status = answer.status().as_u16(), attempt, "notification not taken");
            }
            Ok(Err(error)) => tracing::debug!(%error, attempt, "notification not delivered"),
            Err(_) => tracing::debug!(attempt, "notification timed out"),
        }
    }
    tracing::warn!(endpoint = job.endpoint, "notification given up");
    false
}

/// Is the endpoint on this machine? Only literal addresses and `localhost`: a name could be resolved to anything.
fn is_loopback(endpoint: &str) -> bool {
    let Ok(uri) = endpoint.parse::<hyper::Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        || host.parse::<SocketAddr>().is_ok_and(|a| a.ip().is_loopback())
}

/// One line for one message: `{at, type, protocol, endpoint, subscriptionArn, body}`.
fn to_outbox(account: &Account, job: &Job) -> bool {
    tracing::info!(protocol = job.protocol, kind = job.kind, topic = job.topic, "notification");
    let Some(path) = account.sns.outbox.get() else { return true };
    let line = json!({
        "at": timestamp(account),
        "type": job.kind,
        "protocol": job.protocol,
        "endpoint": job.endpoint,
        "subscriptionArn": job.arn,
        "body": job.body,
    });
    match append(path, &line) {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, path = %path.display(), "the outbox could not be written");
            false
        }
    }
}

fn append(path: &Path, line: &Value) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}
