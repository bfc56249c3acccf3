//! SNS's notifications over HTTP: answered quickly, believed only with their signature, worked on one after the other.

use std::io::Write as _;
use std::net::SocketAddr;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::post;
use color_eyre::eyre::WrapErr as _;
use tokio::sync::mpsc;

use crate::cli::exit;
use crate::response::alert::Envelope;
use crate::response::alert::envelope::parse;
use crate::text::SafeText;

use super::answer::{Answered, Answerer};
use super::{RespondArgs, tell};

/// SNS's largest message, with its envelope.
const BODY: usize = 512 * 1024;
/// Messages that wait; beyond it SNS is told to come again.
const QUEUE: usize = 256;

pub(super) async fn run(
    mut answerer: Answerer,
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
    loop {
        let message = tokio::select! {
            message = queued.recv() => message,
            _ = tokio::signal::ctrl_c() => return Ok(exit::INTERRUPTED),
        };
        let Some(message) = message else { return Ok(exit::FAILED) };
        let answered: Answered = Box::pin(answerer.message(&message, true)).await;
        tell(args, &[answered], false)?;
    }
}
