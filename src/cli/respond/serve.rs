//! SNS's notifications over HTTP: answered quickly, believed only with their signature, worked on a few at once.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::post;
use color_eyre::eyre::WrapErr as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::cli::exit;
use crate::response::alert::Envelope;
use crate::response::alert::envelope::parse;
use quell_fleet::text::SafeText;

use super::answer::{Answered, Answerer};
use super::crew::Crew;
use super::{RespondArgs, tell};

/// SNS's largest message, with its envelope.
const BODY: usize = 512 * 1024;
/// Messages that wait; beyond it SNS is told to come again.
const QUEUE: usize = 256;

/// After ctrl-c what is under way gets this long to stop and to write down how far it came.
const LEAVE: Duration = Duration::from_secs(30);

pub(super) async fn run(
    answerer: Answerer,
    address: SocketAddr,
    args: &RespondArgs,
) -> color_eyre::Result<u8> {
    let (queue, mut queued) = mpsc::channel::<Envelope>(QUEUE);
    let take = move |body: String| {
        let queue = queue.clone();
        async move {
            match parse(&body) {
                Err(why) => {
                    let why = SafeText::new(&why);
                    let _ = writeln!(std::io::stderr(), "not taken: {why}");
                    (StatusCode::BAD_REQUEST, format!("{why}\n"))
                }
                // Whether it is believed is found out in its turn; SNS does not wait for that.
                Ok(messages) => {
                    for message in messages {
                        if queue.try_send(message).is_err() {
                            return (StatusCode::SERVICE_UNAVAILABLE, "later\n".to_owned());
                        }
                    }
                    (StatusCode::OK, String::new())
                }
            }
        }
    };
    let app = axum::Router::new().route("/", post(take)).layer(DefaultBodyLimit::max(BODY));
    let listener =
        tokio::net::TcpListener::bind(address).await.wrap_err_with(|| format!("--listen {address}"))?;
    let bound = listener.local_addr()?;
    let _ = writeln!(std::io::stderr(), "listening on http://{bound}/");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let answerer = &answerer;
    let mut crew = Crew::new(answerer.at_once(), |message: Envelope| -> BoxFuture<'_, Answered> {
        Box::pin(async move { answerer.message(&message, true).await })
    });
    loop {
        tokio::select! {
            message = queued.recv(), if crew.waiting() < QUEUE => match message {
                Some(message) => crew.add(answerer.about(&message), message),
                None => return Ok(exit::FAILED),
            },
            answered = crew.next() => tell(args, &[answered], false)?,
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    crew.dismiss();
    let deadline = tokio::time::Instant::now() + LEAVE;
    while !crew.is_idle() {
        let Ok(answered) = tokio::time::timeout_at(deadline, crew.next()).await else { break };
        tell(args, &[answered], false)?;
    }
    Ok(exit::INTERRUPTED)
}
