//! Accept loops: plain MQTT, TLS (MQTT or HTTP by what the client says), and plain HTTP.
//!
//! A handshake never runs in an accept loop: one slow client must not keep the others waiting. The loops end when their
//! future is dropped; HTTP connections then end after the request under way, the others when the broker cuts them or the
//! runtime ends.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::broker::{Peer, Principal};
use super::cloud::Cloud;
use super::http::{Addrs, Http};
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
pub async fn serve_tls(listener: TcpListener, config: Arc<ServerConfig>, cloud: Arc<Cloud>, http: Arc<Http>) {
    let acceptor = TlsAcceptor::from(config);
    let (_open, open) = watch::channel(());
    loop {
        let (stream, remote, local) = accept(&listener).await;
        let remote = cloud.terms().places.seen(remote);
        let (acceptor, cloud, http) = (acceptor.clone(), Arc::clone(&cloud), Arc::clone(&http));
        let open = open.clone();
        tokio::spawn(async move {
            let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%remote, %error, "TLS handshake failed"),
                Err(_) => return tracing::debug!(%remote, "TLS handshake took too long"),
            };
            dispatch(stream, remote, local, &cloud, http, open).await;
        });
    }
}

/// Plain HTTP, which includes WebSocket at `ws://`.
pub async fn serve_http(listener: TcpListener, http: Arc<Http>) {
    let (_open, open) = watch::channel(());
    loop {
        let (stream, remote, local) = accept(&listener).await;
        let addrs = Addrs { remote, local, certificate: None };
        tokio::spawn(Arc::clone(&http).serve(stream, addrs, open.clone()));
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
    http: Arc<Http>,
    open: watch::Receiver<()>,
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
        Box::pin(http.serve(stream, Addrs { remote, local, certificate }, open)).await;
    } else if let Some(id) = certificate {
        let broker = Arc::clone(cloud.of_certificate(&id).broker());
        let peer = Peer { remote, local, principal: Principal::Certificate(id), websocket: false };
        // A task of its own: what the handshake took is not held for as long as the connection lasts.
        tokio::spawn(broker.serve(Box::new(stream), peer));
    } else {
        tracing::debug!(%remote, "MQTT over TLS without a client certificate refused");
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
