//! MQTT over WebSocket at `/mqtt`, signed with SigV4 (docs/aws-iot.md#3.1, #3.2). A bad signature is refused before the upgrade.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use bytes::{Buf as _, Bytes};
use futures_util::{Sink as _, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::broker::{Peer, Principal};
use super::cloud::Cloud;
use super::listen::Addrs;
use super::sigv4;

/// The largest WebSocket message: the largest MQTT packet, with room for clients that send several at once.
const MESSAGE: usize = 1024 * 1024;

/// The route `/mqtt`, to be merged into the HTTP front's router. Must be served with `ConnectInfo<Addrs>`.
pub fn router(cloud: Arc<Cloud>) -> axum::Router {
    axum::Router::new().route("/mqtt", any(upgrade)).with_state(cloud)
}

async fn upgrade(
    State(cloud): State<Arc<Cloud>>,
    ConnectInfo(addrs): ConnectInfo<Addrs>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let request = sigv4::Request {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: &headers,
        body: &[],
    };
    let signer = match cloud.signed(&request) {
        Ok(signer) => signer,
        Err(error) => return refuse(error.code, &error.message),
    };
    if !["iotdevicegateway", "iotdata"].contains(&signer.service.as_str()) {
        return refuse("InvalidSignatureException", "Credential should be scoped to correct service");
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let broker = Arc::clone(signer.account.broker());
    upgrade.protocols(["mqtt", "mqttv3.1"]).max_message_size(MESSAGE).max_frame_size(MESSAGE).on_upgrade(
        move |socket| async move {
            let peer = Peer {
                remote: addrs.remote,
                local: addrs.local,
                principal: Principal::Iam(signer.access_key),
                websocket: true,
            };
            broker.serve(Box::new(WsIo { socket, unread: Bytes::new(), owed: 0 }), peer).await;
        },
    )
}

fn refuse(code: &'static str, message: &str) -> Response {
    let body = serde_json::json!({ "message": message }).to_string();
    let headers = [("x-amzn-errortype", code), ("content-type", "application/json")];
    (StatusCode::FORBIDDEN, headers, body).into_response()
}

/// A WebSocket as a byte stream: MQTT packets need not align with messages.
struct WsIo {
    socket: WebSocket,
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
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
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
