//! Why a connection ended, in one sentence for a person: never with the signed URL in it.

use rumqttc_v5 as v5;
use tokio_tungstenite::tungstenite;

use super::wire::{How, Loss};

const SIGNATURE: &str = "the broker refused the signature (HTTP 403): expired credentials, a policy without iot:Connect \
                         for this client id, or a clock off by more than 5 minutes";
const HUNG_UP: &str = "the broker hung up";
const DEAD: &str = "the broker stopped answering";
/// What a connection that was not made in time is called.
pub(super) const LATE: &str = "no connection in time";
/// What a handshake that the other side ended is called.
pub(super) const CUT_TLS: &str = "TLS: the other side hung up during the handshake";
/// What a handshake that met no TLS is called.
pub(super) const NO_TLS: &str =
    "the other side does not speak TLS: mqtt:// or ws:// instead of mqtts:// or wss://?";

pub(super) fn loss(how: How, words: impl Into<String>) -> Loss {
    Loss { how, words: words.into() }
}

pub(super) fn loss_v4(error: &rumqttc::ConnectionError) -> Loss {
    use rumqttc::mqttbytes::Error as P;
    use rumqttc::{ConnectReturnCode as Code, ConnectionError as E, StateError as S};
    match error {
        E::NetworkTimeout => loss(How::TimedOut, LATE),
        E::ConnectionRefused(Code::RefusedProtocolVersion) => {
            loss(How::Version, "the broker does not speak MQTT 3.1.1")
        }
        E::ConnectionRefused(Code::NotAuthorized) => loss(
            How::Refused,
            "the broker refused the connection: not authorized (on AWS: iot:Connect for this client id)",
        ),
        E::ConnectionRefused(Code::BadUserNamePassword) => {
            loss(How::Refused, "the broker refused the user name or password")
        }
        E::ConnectionRefused(code) => {
            loss(How::Refused, format!("the broker refused the connection: {code:?}"))
        }
        E::MqttState(S::ConnectionAborted) => loss(How::HungUp, HUNG_UP),
        E::MqttState(S::AwaitPingResp) | E::FlushTimeout => loss(How::Dead, DEAD),
        E::MqttState(S::Io(error) | S::Deserialization(P::Io(error))) | E::Io(error) => io(error),
        E::MqttState(S::Deserialization(_) | S::ProtocolViolation(_)) | E::NotConnAck(_) => {
            loss(How::Garbled, chain(error))
        }
        other => loss(How::Network, chain(other)),
    }
}

pub(super) fn loss_v5(error: &v5::ConnectionError) -> Loss {
    use v5::mqttbytes::Error as P;
    use v5::{
        ConnectReturnCode as Code, ConnectionError as E, DisconnectReasonCode as Reason, StateError as S,
    };
    match error {
        E::Timeout(_) => loss(How::TimedOut, LATE),
        E::ConnectionRefused(Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion) => {
            loss(How::Version, "the broker does not speak MQTT 5")
        }
        E::ConnectionRefused(Code::NotAuthorized) => loss(
            How::Refused,
            "the broker refused the connection: not authorized (on AWS: iot:Connect for this client id)",
        ),
        E::ConnectionRefused(Code::BadUserNamePassword) => {
            loss(How::Refused, "the broker refused the user name or password")
        }
        E::ConnectionRefused(code) => {
            loss(How::Refused, format!("the broker refused the connection: {code:?}"))
        }
        E::MqttState(S::ServerDisconnect { reason_code, .. }) => match reason_code {
            Reason::SessionTakenOver => loss(How::TakenOver, "another client connected with our client id"),
            Reason::NotAuthorized => loss(How::NotAllowed, "the broker hung up: not authorized"),
            Reason::AdministrativeAction => {
                loss(How::HungUp, "the broker hung up: an administrator's action")
            }
            Reason::KeepAliveTimeout => loss(How::Dead, "the broker hung up: it heard nothing from here"),
            Reason::QuotaExceeded | Reason::MessageRateTooHigh => {
                loss(How::HungUp, "the broker hung up: a limit of the connection was exceeded")
            }
            other => loss(How::HungUp, format!("the broker hung up: {other:?}")),
        },
        E::MqttState(S::ConnectionAborted) => loss(How::HungUp, HUNG_UP),
        E::MqttState(S::AwaitPingResp) => loss(How::Dead, DEAD),
        E::MqttState(S::Io(error) | S::Deserialization(P::Io(error))) | E::Io(error) => io(error),
        E::MqttState(S::Deserialization(_) | S::ProtocolViolation(_) | S::IncomingPacketTooLarge { .. })
        | E::NotConnAck(_) => loss(How::Garbled, chain(error)),
        other => loss(How::Network, chain(other)),
    }
}

fn io(error: &std::io::Error) -> Loss {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let how = match error.kind() {
        ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof => How::HungUp,
        _ => How::Network,
    };
    loss(how, chain(error))
}

/// Why a WebSocket at `url` could not be opened; a URL, which would hold the signature, is in none of the words.
pub(super) fn websocket(error: &tungstenite::Error, url: &str) -> Loss {
    if let tungstenite::Error::Http(response) = error {
        let status = response.status().as_u16();
        return match (status, url.contains("X-Amz-Signature=")) {
            (403, true) => loss(How::Unopened, SIGNATURE),
            (426, true) => {
                let expired = "the broker refused the signature (HTTP 426): the URL expired on the way";
                loss(How::Unopened, expired)
            }
            _ => loss(How::Unopened, format!("the WebSocket was refused (HTTP {status})")),
        };
    }
    let text = chain(error);
    if text.contains("X-Amz-") {
        loss(How::Network, "the WebSocket could not be opened")
    } else {
        loss(How::Network, text)
    }
}

/// The first cause of an error.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}

/// An error with its causes, each said once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        next = error.source();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_apart_and_signatures_are_not_shown() {
        let v4 = |error| loss_v4(&error).how;
        use rumqttc::{ConnectReturnCode, ConnectionError as E, StateError as S};
        assert_eq!(v4(E::MqttState(S::AwaitPingResp)), How::Dead);
        assert_eq!(v4(E::MqttState(S::ConnectionAborted)), How::HungUp);
        assert_eq!(v4(E::ConnectionRefused(ConnectReturnCode::NotAuthorized)), How::Refused);
        let taken = v5::StateError::ServerDisconnect {
            reason_code: v5::DisconnectReasonCode::SessionTakenOver,
            reason_string: None,
        };
        assert_eq!(loss_v5(&v5::ConnectionError::MqttState(taken)).how, How::TakenOver);
        // The library wraps what the socket says in what it says of packets.
        let reset = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(v4(E::MqttState(S::Deserialization(reset().into()))), How::HungUp);
        let reset = v5::StateError::from(v5::mqttbytes::Error::from(reset()));
        assert_eq!(loss_v5(&v5::ConnectionError::MqttState(reset)).how, How::HungUp);
        let url = "bad wss://h/mqtt?X-Amz-Signature=abc".to_owned();
        let unable = tungstenite::Error::Url(tungstenite::error::UrlError::UnableToConnect(url));
        assert!(!websocket(&unable, "wss://h/mqtt?X-Amz-Signature=abc").words.contains("abc"));
    }
}
