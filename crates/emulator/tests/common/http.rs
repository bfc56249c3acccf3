//! HTTP servers that tests put where something of AWS, or of a user, would be.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A request that was read to its end.
pub type Request = hyper::Request<Bytes>;
/// An answer.
pub type Response = hyper::Response<Full<Bytes>>;

/// Answers every request at `listener` until the runtime ends.
///
/// # Panics
/// On a request that breaks off.
pub fn serve<F>(listener: TcpListener, answer: impl Fn(Request) -> F + Clone + Send + Sync + 'static)
where
    F: Future<Output = Response> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let answer = answer.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    Ok::<_, Infallible>(answer(Request::from_parts(parts, body)).await)
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}

/// An answer of a status alone.
///
/// # Panics
/// When `code` is no status.
pub fn status(code: u16) -> Response {
    hyper::Response::builder().status(code).body(Full::default()).unwrap()
}
