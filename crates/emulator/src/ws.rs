//! MQTT over WebSocket at `/mqtt`, signed with SigV4 (docs/aws-iot.md#3.1, #3.2). A bad signature is refused before the upgrade.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::{Sink as _, Stream as _};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use hyper::upgrade::Upgraded;
use hyper::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::broker::{Peer, Principal};
use super::cloud::Cloud;
use super::http::{Addrs, Request, Response};
use super::sigv4;

/// The largest WebSocket message: the largest MQTT packet, with room for clients that send several at once.
const MESSAGE: usize = 1024 * 1024;
/// The sub-protocols spoken, the preferred first.
const PROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// What a signature for a WebSocket is scoped to.
const DATA: [&str; 2] = ["iotdevicegateway", "iotdata"];

/// Answers a request at `/mqtt`; one that is signed and asks for a WebSocket goes on as a client of its account's broker.
pub fn upgrade(cloud: &Cloud, mut request: Request) -> Response {
    let signed = sigv4::Request {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: request.headers(),
        body: &[],
    };
    let signer = match cloud.signed(&signed, |service| DATA.contains(&service)) {
        Ok(signer) => signer,
        Err(error) => return refuse(error.code, &error.message),
    };
    if !DATA.contains(&signer.service.as_str()) {
        return refuse("InvalidSignatureException", "Credential should be scoped to correct service");
    }
    let Some(addrs) = request.extensions().get::<Addrs>().cloned() else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "a connection from nowhere");
    };
    let mut response = match create_response_with_body(&request, Full::default) {
        Ok(response) => response,
        Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if let Some(protocol) = agreed(request.headers()) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    let upgrading = hyper::upgrade::on(&mut request);
    let broker = Arc::clone(signer.account.broker());
    tokio::spawn(async move {
        let upgraded = match upgrading.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "no WebSocket came of it"),
        };
        let config = WebSocketConfig::default().max_message_size(Some(MESSAGE)).max_frame_size(Some(MESSAGE));
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
        let peer = Peer {
            remote: addrs.remote,
            local: addrs.local,
            principal: Principal::Iam(signer.access_key),
            websocket: true,
        };
        broker.serve(Box::new(WsIo { socket, unread: Bytes::new(), owed: 0 }), peer).await;
    });
    response
}

/// The first of our sub-protocols that the client asks for.
fn agreed(headers: &HeaderMap) -> Option<&'static str> {
    let asked: Vec<&str> = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .collect();
    PROTOCOLS.into_iter().find(|ours| asked.contains(ours))
}

fn plain(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Full::from(text.to_owned()));
    *response.status_mut() = status;
    response
}

fn refuse(code: &'static str, message: &str) -> Response {
    let mut response = plain(StatusCode::FORBIDDEN, &serde_json::json!({ "message": message }).to_string());
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(code));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A WebSocket as a byte stream: MQTT packets need not align with messages.
struct WsIo {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    unread: Bytes,
    /// Bytes of the packet being sent that did not come with its beginning.
    owed: usize,
}

/// How long the packet is that `data` begins with; all of it when that cannot be said yet.
fn packet(data: &[u8]) -> usize {
    let mut length = 0;
    for (n, byte) in data.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return length + n + 2;
        }
    }
    data.len()
}

impl AsyncRead for WsIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(data))) => self.unread = data,
                // MQTT 4.x §6.0.1: only binary frames carry MQTT.
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "text frame")));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let n = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..n]);
        self.unread.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WsIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(io::Error::other)?;
        // A frame for each packet, as AWS sends them: there are clients that read only the first of a frame.
        let whole = if self.owed > 0 { self.owed } else { packet(data) };
        let now = whole.min(data.len());
        let message = Message::Binary(Bytes::copy_from_slice(&data[..now]));
        Pin::new(&mut self.socket).start_send(message).map_err(io::Error::other)?;
        self.owed = whole - now;
        Poll::Ready(Ok(now))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::packet;

    #[test]
    fn a_packet_is_as_long_as_its_header_says() {
        assert_eq!(packet(&[0xd0, 0, 0x30]), 2);
        assert_eq!(packet(&[0x30, 3, 1, 2, 3, 0xd0, 0]), 5);
        let mut large = vec![0x30, 0xc8, 0x01];
        large.resize(500, 0);
        assert_eq!(packet(&large), 203);
        assert_eq!((packet(&[0x30]), packet(&[0x30, 0x80])), (1, 2), "the length is not there yet");
    }
}
