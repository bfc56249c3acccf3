//! Accept loops: plain MQTT, TLS (MQTT or HTTP by what the client says), and plain HTTP.
//!
//! A handshake never runs in an accept loop: one slow client must not keep the others waiting. The loops end when their
//! future is dropped; connections they spawned live on until the runtime ends or the broker cuts them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::broker::{Peer, Principal};
use super::cloud::Cloud;
use super::tls;

/// How long a client may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Raises the limit of open files to what the system allows: often it is 1024, and each connection takes one.
pub fn allow_many_connections() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit of open files stays");
        }
    }
}

/// Plain MQTT without identity: everyone who can reach `listener` may do everything in the default account.
pub async fn serve_tcp(listener: TcpListener, cloud: Arc<Cloud>) {
    loop {
        let (stream, remote, local) = accept(&listener).await;
        let broker = Arc::clone(cloud.main().broker());
        tokio::spawn(async move {
            let peer = Peer { remote, local, principal: Principal::Anonymous, websocket: false };
            broker.serve(Box::new(stream), peer).await;
        });
    }
}

/// TLS: MQTT for clients with a certificate, HTTP (which includes WebSocket) for those that ask for it by ALPN, or by
/// sending HTTP when they say nothing.
pub async fn serve_tls(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    cloud: Arc<Cloud>,
    http: axum::Router,
) {
    let acceptor = TlsAcceptor::from(config);
    let (sender, receiver) = mpsc::channel(64);
    let local = listener.local_addr().ok();
    let accepting = async {
        loop {
            let (stream, remote, local) = accept(&listener).await;
            let (acceptor, cloud, sender) = (acceptor.clone(), Arc::clone(&cloud), sender.clone());
            tokio::spawn(async move {
                let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => return tracing::debug!(%remote, %error, "TLS handshake failed"),
                    Err(_) => return tracing::debug!(%remote, "TLS handshake took too long"),
                };
                dispatch(stream, remote, local, &cloud, sender).await;
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = serve_handed(receiver, local, http) => {}
    }
}

/// Plain HTTP, which includes WebSocket at `ws://`.
pub async fn serve_http(listener: TcpListener, http: axum::Router) {
    let (sender, receiver) = mpsc::channel(64);
    let local = listener.local_addr().ok();
    let accepting = async {
        loop {
            let (stream, remote, local) = accept(&listener).await;
            let addrs = Addrs { remote, local, certificate: None };
            if sender.send((Box::new(stream) as Box<dyn Stream>, addrs)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = serve_handed(receiver, local, http) => {}
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                // A lost option only costs latency.
                let _ = stream.set_nodelay(true);
                if let Ok(local) = stream.local_addr() {
                    return (stream, remote, local);
                }
            }
            Err(error) => {
                // Out of descriptors, most likely: an accept loop that spins would make it worse.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn dispatch(
    mut stream: TlsStream<TcpStream>,
    remote: SocketAddr,
    local: SocketAddr,
    cloud: &Cloud,
    http: mpsc::Sender<(Box<dyn Stream>, Addrs)>,
) {
    let session = stream.get_ref().1;
    let certificate = session.peer_certificates().and_then(|c| c.first()).map(|c| tls::certificate_id(c));
    let by_name = session.alpn_protocol().map(|name| name == tls::ALPN_MQTT);
    let mut first = [0u8; 1];
    let (mqtt, head) = match by_name {
        Some(mqtt) => (mqtt, Bytes::new()),
        // MQTT begins with CONNECT, HTTP with a letter.
        None => match tokio::time::timeout(HANDSHAKE, stream.read(&mut first)).await {
            Ok(Ok(1)) => (first[0] == 0x10, Bytes::copy_from_slice(&first)),
            _ => return,
        },
    };
    let stream = Prefixed { head, io: stream };
    if !mqtt {
        // The HTTP side is gone only while the emulator stops.
        let _ = http.send((Box::new(stream), Addrs { remote, local, certificate })).await;
    } else if let Some(id) = certificate {
        let broker = Arc::clone(cloud.of_certificate(&id).broker());
        let peer = Peer { remote, local, principal: Principal::Certificate(id), websocket: false };
        broker.serve(Box::new(stream), peer).await;
    } else {
        tracing::debug!(%remote, "MQTT over TLS without a client certificate refused");
    }
}

/// Where an HTTP connection came from, for handlers: `ConnectInfo<Addrs>`.
#[derive(Clone, Debug)]
pub struct Addrs {
    /// The client's socket address.
    pub remote: SocketAddr,
    /// The listener's socket address.
    pub local: SocketAddr,
    /// The AWS certificate id of the client's certificate, when it has shown one.
    pub certificate: Option<String>,
}

/// What HTTP runs on.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// Connections accepted elsewhere, handed to axum.
struct Handed {
    receiver: mpsc::Receiver<(Box<dyn Stream>, Addrs)>,
    local: SocketAddr,
}

impl axum::serve::Listener for Handed {
    type Io = Box<dyn Stream>;
    type Addr = Addrs;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.receiver.recv().await {
            Some(handed) => handed,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Addrs { remote: self.local, local: self.local, certificate: None })
    }
}

impl Connected<IncomingStream<'_, Handed>> for Addrs {
    fn connect_info(stream: IncomingStream<'_, Handed>) -> Self {
        stream.remote_addr().clone()
    }
}

async fn serve_handed(
    receiver: mpsc::Receiver<(Box<dyn Stream>, Addrs)>,
    local: Option<SocketAddr>,
    http: axum::Router,
) {
    let local = local.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
    let service = http.into_make_service_with_connect_info::<Addrs>();
    if let Err(error) = axum::serve(Handed { receiver, local }, service).await {
        tracing::error!(%error, "the HTTP server ended");
    }
}

/// A stream whose first bytes were read already.
struct Prefixed<S> {
    head: Bytes,
    io: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.head.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let n = self.head.len().min(buf.remaining());
        buf.put_slice(&self.head[..n]);
        self.head.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
