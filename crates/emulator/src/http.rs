//! HTTP: one connection at a time given to hyper, and which of the two doors a request goes through: MQTT over WebSocket at
//! `/mqtt`, everything else in the front.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::api::front::Front;
use crate::cloud::Cloud;
use crate::ws;

/// A request whose body is still on its way.
pub type Request = hyper::Request<Incoming>;
/// An answer.
pub type Response = hyper::Response<Full<Bytes>>;

/// What HTTP runs on.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// Where an HTTP connection came from; each of its requests carries it among its extensions.
#[derive(Clone, Debug)]
pub struct Addrs {
    /// The client's socket address.
    pub remote: SocketAddr,
    /// The listener's socket address.
    pub local: SocketAddr,
    /// The AWS certificate id of the client's certificate, when it has shown one.
    pub certificate: Option<String>,
}

/// Everything a cloud answers over HTTP.
pub struct Http {
    cloud: Arc<Cloud>,
    front: Front,
}

/// A request that is not answered: its connection is given up.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut by a fault")
    }
}

impl std::error::Error for Cut {}

impl Http {
    /// The doors of a cloud.
    pub fn new(cloud: Arc<Cloud>) -> Arc<Self> {
        let front = Front::new(Arc::clone(&cloud));
        Arc::new(Self { cloud, front })
    }

    /// Serves one connection until it ends. Once the sender of `open` is gone it ends after the request under way.
    pub async fn serve(self: Arc<Self>, stream: impl Stream, addrs: Addrs, mut open: watch::Receiver<()>) {
        let remote = addrs.remote;
        let service = service_fn(|mut request: Request| {
            let http = Arc::clone(&self);
            request.extensions_mut().insert(addrs.clone());
            async move { http.answer(request).await.ok_or(Cut) }
        });
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = open.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%remote, %error, "an HTTP connection broke off");
        }
    }

    async fn answer(&self, request: Request) -> Option<Response> {
        if request.uri().path() == "/mqtt" {
            return Some(ws::upgrade(&self.cloud, request));
        }
        self.front.answer(request).await
    }
}
