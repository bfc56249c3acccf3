//! The way to a broker up to the first byte of MQTT: TCP, through a proxy where the environment names one, TLS, a WebSocket.
//! The MQTT library gets a connection that stands: it would not tell a refused signature from a closed port.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::{Sink as _, Stream as _};
use hyper::Uri;
use hyper::service::Service as _;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::proxy::Proxy;
use super::wire::{How, Loss, PACKET};
use super::words;

/// Bytes before a packet's body at most: its kind, and four of its length.
const HEADER: usize = 5;

/// What MQTT runs on.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> Socket for T {}

/// The way to a broker.
pub(super) struct Way {
    /// A name or an address, IPv6 in brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) proxy: Option<Proxy>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// The whole URL of a WebSocket, signed where it has to be.
    pub(super) websocket: Option<String>,
}

/// Connects, or gives up after `within`.
pub(super) async fn dial(way: &Way, within: Duration) -> Result<Box<dyn Socket>, Loss> {
    match tokio::time::timeout(within, connect(way, within)).await {
        Ok(dialled) => dialled,
        Err(_) => Err(words::loss(How::Network, words::LATE)),
    }
}

async fn connect(way: &Way, within: Duration) -> Result<Box<dyn Socket>, Loss> {
    let tcp = reach(way, within).await?;
    Ok(match (&way.tls, &way.websocket) {
        (None, None) => Box::new(tcp),
        (Some(tls), None) => Box::new(encrypt(way, tls, tcp).await?),
        (None, Some(url)) => Box::new(upgrade(url, tcp).await?),
        (Some(tls), Some(url)) => Box::new(upgrade(url, encrypt(way, tls, tcp).await?).await?),
    })
}

/// TCP, to the broker or through the proxy. A host with several addresses is tried at them all within the time.
async fn reach(way: &Way, within: Duration) -> Result<TcpStream, Loss> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(within));
    let to = uri(&way.host, way.port)?;
    let reached = match &way.proxy {
        None => TowerToHyperService::new(connector)
            .call(to)
            .await
            .map_err(|error| words::loss(How::Network, words::root(&error)))?,
        Some(proxy) => {
            let mut tunnel = Tunnel::new(uri(&proxy.host, proxy.port)?, connector);
            if let Some(login) = &proxy.login {
                let login = HeaderValue::from_str(login)
                    .map_err(|_| words::loss(How::Network, "the proxy's user name or password is none"))?;
                tunnel = tunnel.with_auth(login);
            }
            TowerToHyperService::new(tunnel).call(to).await.map_err(|error| {
                let why = if error.source().is_some() { words::root(&error) } else { error.to_string() };
                words::loss(How::Network, format!("through the proxy {}:{}: {why}", proxy.host, proxy.port))
            })?
        }
    };
    Ok(reached.into_inner())
}

fn uri(host: &str, port: u16) -> Result<Uri, Loss> {
    // Only the authority counts; the connectors want a scheme all the same.
    let text = format!("http://{host}:{port}/");
    text.parse().map_err(|_| words::loss(How::Network, format!("{host:?} is no name of a host")))
}

async fn encrypt(
    way: &Way,
    config: &Arc<ClientConfig>,
    tcp: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Loss> {
    let wrong = |why: String| words::loss(How::Network, format!("TLS: {why}"));
    let name = way.host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(|error| wrong(error.to_string()))?;
    TlsConnector::from(Arc::clone(config)).connect(name, tcp).await.map_err(|error| {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(rustls::Error::InvalidMessage(_)) => words::loss(How::Network, words::NO_TLS),
            // A port without TLS may do so, and a balancer that has nobody behind it as well.
            None if error.kind() == io::ErrorKind::UnexpectedEof => words::loss(How::Network, words::CUT_TLS),
            _ => wrong(words::root(&error)),
        }
    })
}

/// Opens a WebSocket that carries MQTT.
async fn upgrade<S: Socket>(url: &str, stream: S) -> Result<Frames<S>, Loss> {
    let why = |error| words::websocket(&error, url);
    let mut request = url.into_client_request().map_err(why)?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    // A message holds packets, whole or not: none is taken that is larger than the largest of them.
    let most = Some(PACKET as usize + HEADER);
    let config = WebSocketConfig::default().max_message_size(most).max_frame_size(most);
    let (socket, _) =
        tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await.map_err(why)?;
    Ok(Frames { socket, unread: Bytes::new() })
}

/// A WebSocket as a stream of bytes: packets of MQTT need not align with its messages.
struct Frames<S> {
    socket: WebSocketStream<S>,
    unread: Bytes,
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        // What a broker does that ends the connection underneath.
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => io::ErrorKind::UnexpectedEof.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

impl<S: Socket> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(data))) => self.unread = data,
                Some(Ok(Message::Text(_))) => {
                    // MQTT 5 §6.0: only binary frames carry MQTT.
                    let text =
                        io::Error::new(io::ErrorKind::InvalidData, "a text frame, where MQTT is binary");
                    return Poll::Ready(Err(text));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let n = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..n]);
        self.unread.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> AsyncWrite for Frames<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(broken)?;
        let message = Message::Binary(Bytes::copy_from_slice(data));
        Pin::new(&mut self.socket).start_send(message).map_err(broken)?;
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx).map_err(broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// A server that answers one connection with these bytes, and what it was told.
    async fn answering(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut told = Vec::new();
            while !told.ends_with(b"\r\n\r\n") {
                told.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(told).unwrap()
        });
        (port, told)
    }

    fn way(port: u16) -> Way {
        Way { host: "127.0.0.1".into(), port, proxy: None, tls: None, websocket: None }
    }

    async fn fails(way: &Way) -> Loss {
        dial(way, Duration::from_secs(20)).await.err().unwrap()
    }

    #[tokio::test]
    async fn a_refused_signature_is_told_from_a_closed_port() {
        let (port, told) = answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        let url = format!("ws://127.0.0.1:{port}/mqtt?X-Amz-Signature=abc");
        let loss = fails(&Way { websocket: Some(url), ..way(port) }).await;
        assert_eq!(loss.how, How::Unopened);
        assert!(loss.words.contains("signature") && !loss.words.contains("abc"), "{}", loss.words);
        let told = told.await.unwrap().to_ascii_lowercase();
        assert!(told.contains("sec-websocket-protocol: mqtt\r\n"), "{told}");
        assert!(told.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{told}");

        // The one before is gone: nobody listens there.
        let loss = fails(&way(port)).await;
        assert_eq!(loss.how, How::Network);
        assert!(loss.words.contains("refused"), "{}", loss.words);
    }

    #[tokio::test]
    async fn a_port_without_tls_is_called_that_and_one_that_hangs_up_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(&ca, made.cert.pem()).unwrap();
        let mqtt = crate::config::MqttSettings { ca: Some(ca), ..crate::config::MqttSettings::default() };
        for (answer, words) in
            [(&b"\x20\x02\x00\x01"[..], "does not speak TLS"), (b"", "hung up during the handshake")]
        {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 512]).await.unwrap();
                stream.write_all(answer).await.unwrap();
            });
            let tls = super::super::tls::config(&mqtt, None).unwrap();
            let loss = fails(&Way { tls: Some(tls), ..way(port) }).await;
            assert!(loss.words.contains(words), "{}", loss.words);
        }
    }

    #[tokio::test]
    async fn what_was_not_signed_is_no_refused_signature() {
        let (port, _) = answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        let url = format!("ws://127.0.0.1:{port}/mqtt");
        let loss = fails(&Way { websocket: Some(url), ..way(port) }).await;
        assert_eq!(loss.words, "the WebSocket was refused (HTTP 403)");
    }

    #[tokio::test]
    async fn a_proxy_is_asked_for_the_broker_and_its_refusal_is_said_without_the_password() {
        let login = "Basic dTpwYXNz".to_owned();
        let asked = "CONNECT broker.example:8883 HTTP/1.1\r\n";
        for (answer, words) in [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "authorization required"),
            ("HTTP/1.1 503 No\r\n\r\n", "unsuccessful"),
        ] {
            let (port, told) = answering(answer).await;
            let proxy = Proxy { host: "127.0.0.1".into(), port, login: Some(login.clone()) };
            let loss = fails(&Way { host: "broker.example".into(), proxy: Some(proxy), ..way(8883) }).await;
            assert!(loss.words.contains(words) && loss.words.contains("proxy"), "{}", loss.words);
            assert!(!loss.words.contains("dTpwYXNz"), "{}", loss.words);
            let told = told.await.unwrap();
            assert!(told.starts_with(asked) && told.contains(&login), "{told}");
        }
        let (port, told) = answering("HTTP/1.1 200 OK\r\n\r\n").await;
        let proxy = Proxy { host: "127.0.0.1".into(), port, login: None };
        let way = Way { host: "[::1]".into(), proxy: Some(proxy), ..way(1883) };
        let _line = dial(&way, Duration::from_secs(20)).await.map_err(|loss| loss.words).unwrap();
        assert!(told.await.unwrap().starts_with("CONNECT [::1]:1883 "));
    }
}
