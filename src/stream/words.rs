//! Why a connection ended, in one sentence for a person: never with the signed URL in it.

use rumqttc::v5;

use super::wire::{How, Loss};

const SIGNATURE: &str = "the broker refused the signature (HTTP 403): expired credentials, a policy without iot:Connect \
                         for this client id, or a clock off by more than 5 minutes";
const HUNG_UP: &str = "the broker hung up";
const DEAD: &str = "the broker stopped answering";

/// What a port without TLS answers to one who speaks it, as rustls calls it.
const CORRUPT: &str = "received corrupt message";

fn loss(how: How, words: impl Into<String>) -> Loss {
    let words = words.into();
    if words.contains(CORRUPT) {
        let plain = "the other side does not speak TLS: mqtt:// or ws:// instead of mqtts:// or wss://?";
        return Loss { how, words: plain.to_owned() };
    }
    Loss { how, words }
}

pub(super) fn loss_v4(error: &rumqttc::ConnectionError) -> Loss {
    use rumqttc::{ConnectReturnCode as Code, ConnectionError as E, StateError as S};
    match error {
        E::Websocket(error) => websocket(&error.to_string()),
        E::NetworkTimeout => loss(How::TimedOut, "no connection in time"),
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
        E::MqttState(S::AwaitPingResp) => loss(How::Dead, DEAD),
        E::MqttState(S::Io(error)) | E::Io(error) => io(error),
        E::MqttState(S::Deserialization(_)) | E::NotConnAck(_) => loss(How::Garbled, chain(error)),
        other => loss(How::Network, chain(other)),
    }
}

pub(super) fn loss_v5(error: &v5::ConnectionError) -> Loss {
    use v5::mqttbytes::v5::{ConnectReturnCode as Code, DisconnectReasonCode as Reason};
    use v5::{ConnectionError as E, StateError as S};
    match error {
        E::Websocket(error) => websocket(&error.to_string()),
        E::Timeout(_) => loss(How::TimedOut, "no connection in time"),
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
        E::MqttState(S::Io(error)) | E::Io(error) => io(error),
        E::MqttState(S::Deserialization(_) | S::IncomingPacketTooLarge { .. }) | E::NotConnAck(_) => {
            loss(How::Garbled, chain(error))
        }
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

/// The words of a WebSocket's end; a URL, which would hold the signature, is in none of them.
fn websocket(text: &str) -> Loss {
    if text.contains("403") {
        loss(How::Refused, SIGNATURE)
    } else if text.contains("426") {
        loss(How::Refused, "the broker refused the signature (HTTP 426): the URL expired on the way")
    } else if text.contains("X-Amz-") {
        loss(How::Network, "the WebSocket could not be opened")
    } else {
        loss(How::Network, text)
    }
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
            reason_code: v5::mqttbytes::v5::DisconnectReasonCode::SessionTakenOver,
            reason_string: None,
        };
        assert_eq!(loss_v5(&v5::ConnectionError::MqttState(taken)).how, How::TakenOver);
        assert!(!websocket("bad wss://h/mqtt?X-Amz-Signature=abc").words.contains("abc"));
        assert_eq!(websocket("HTTP error: 403 Forbidden").how, How::Refused);
        let corrupt = std::io::Error::other("received corrupt message of type InvalidContentType");
        assert!(loss_v4(&E::Io(corrupt)).words.contains("does not speak TLS"));
    }
}
