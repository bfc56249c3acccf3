//! SNS's notifications over HTTP: answered quickly, believed only with their signature, worked on a few at once.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use color_eyre::eyre::WrapErr as _;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use crate::cli::exit;
use crate::response::alert::Envelope;
use crate::response::alert::accept;
use crate::response::alert::envelope::{Form, parse};
use quell_fleet::text::SafeText;

use super::answer::{Answered, Answerer};
use super::crew::Crew;
use super::{RespondArgs, tell};

/// SNS's largest message, with its envelope.
const BODY: usize = 512 * 1024;
/// Bytes of all bodies that are being read at the same time: beyond it SNS is told to come again.
const BODIES: usize = 32 * 1024 * 1024;
/// Messages that wait; beyond it SNS is told to come again.
const QUEUE: usize = 256;
/// Connections at once; each may hold a body.
const CONNECTIONS: usize = 2_048;
/// Descriptors that are left to everything else: the MQTT connection, requests to AWS, files.
const SPARE: u64 = 64;
/// A request and its answer take no longer.
const WHOLE: Duration = Duration::from_secs(20);

/// After ctrl-c what is under way gets this long to stop and to write down how far it came.
const LEAVE: Duration = Duration::from_secs(30);

pub(super) async fn run(
    answerer: &Answerer,
    address: SocketAddr,
    args: &RespondArgs,
) -> color_eyre::Result<u8> {
    let (queue, mut queued) = mpsc::channel::<Envelope>(QUEUE);
    let door = Door { queue, room: Arc::new(Semaphore::new(BODIES)) };
    let most = descriptors();
    let listener = TcpListener::bind(address).await.wrap_err_with(|| format!("--listen {address}"))?;
    let bound = listener.local_addr()?;
    let _ = writeln!(std::io::stderr(), "listening on http://{bound}/");
    tokio::spawn(accept::serve(listener, most, WHOLE, move |request| door.clone().answer(request)));
    let mut crew = Crew::new(answerer.at_once(), |message: Envelope| -> BoxFuture<'_, Answered> {
        Box::pin(async move { answerer.message(&message, true).await })
    });
    loop {
        tokio::select! {
            biased;
            () = answerer.stopped() => break,
            answered = crew.next() => tell(args, &[answered], false),
            message = queued.recv(), if crew.waiting() < QUEUE => match message {
                Some(message) => crew.add(answerer.about(&message), message),
                None => return Ok(exit::FAILED),
            },
        }
    }
    crew.dismiss();
    let deadline = tokio::time::Instant::now() + LEAVE;
    while !crew.is_idle() {
        let Ok(answered) = tokio::time::timeout_at(deadline, crew.next()).await else { break };
        tell(args, &[answered], false);
    }
    Ok(exit::INTERRUPTED)
}

/// Where SNS posts.
#[derive(Clone)]
struct Door {
    /// What was taken.
    queue: mpsc::Sender<Envelope>,
    /// Bytes that all bodies that are being read may have yet.
    room: Arc<Semaphore>,
}

impl Door {
    async fn answer(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, text) = match (request.uri().path(), request.method()) {
            ("/", &Method::POST) => self.take(request).await,
            ("/", _) => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
            _ => (StatusCode::NOT_FOUND, String::new()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response
    }

    async fn take(&self, request: Request<Incoming>) -> (StatusCode, String) {
        let body = match whole(request, &self.room).await {
            Ok(body) => body,
            Err(status) => return (status, String::new()),
        };
        match parse(&body).and_then(one) {
            Err(why) => {
                let why = SafeText::new(&why);
                let _ = writeln!(std::io::stderr(), "not taken: {why}");
                (StatusCode::BAD_REQUEST, format!("{why}\n"))
            }
            // Whether it is believed is found out in its turn; SNS does not wait for that.
            Ok(message) => match self.queue.try_send(message) {
                Ok(()) => (StatusCode::OK, String::new()),
                Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "later\n".to_owned()),
            },
        }
    }
}

/// The body of a request, of at most [`BODY`] bytes, while there is room for it beside all others that are being read.
async fn whole(request: Request<Incoming>, room: &Semaphore) -> Result<String, StatusCode> {
    let mut parts = request.into_body();
    let (mut body, mut held) = (Vec::new(), Vec::new());
    while let Some(part) = parts.frame().await {
        let part = part.map_err(|_| StatusCode::BAD_REQUEST)?.into_data().unwrap_or_default();
        if body.len() + part.len() > BODY {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let bytes = u32::try_from(part.len()).unwrap_or(u32::MAX);
        held.push(room.try_acquire_many(bytes).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?);
        body.extend_from_slice(&part);
    }
    String::from_utf8(body).map_err(|_| StatusCode::BAD_REQUEST)
}

/// SNS posts one signed notification a request; anything else is not from SNS, whatever stands in it.
fn one(messages: Vec<Envelope>) -> Result<Envelope, String> {
    let mut messages = messages.into_iter();
    match (messages.next(), messages.next()) {
        (Some(message), None) if message.form == Form::Http => Ok(message),
        _ => Err("SNS posts one signed notification a request: this is another kind of event".to_owned()),
    }
}

/// Raises the limit of descriptors as far as this process may, and says how many connections fit below it.
fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = CONNECTIONS as u64 + SPARE;
    let raised = limit.maximum.map_or(wanted, |most| wanted.min(most));
    let mut current = limit.current.unwrap_or(u64::MAX);
    if current < raised {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
            Ok(()) => current = raised,
            Err(error) => tracing::warn!(%error, "the limit of descriptors could not be raised"),
        }
    }
    usize::try_from(current.saturating_sub(SPARE)).unwrap_or(CONNECTIONS).clamp(16, CONNECTIONS)
}
