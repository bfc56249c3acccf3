//! The MQTT broker of the emulated account: 3.1.1 and 5, QoS 0 and 1, over any byte stream it is handed.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::clock::Clock;
use super::hooks::{Hooks, Principal};

/// Where a byte stream came from and who authenticated on it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The remote socket address.
    pub remote: SocketAddr,
    /// The local socket address.
    pub local: SocketAddr,
    /// Who the transport authenticated.
    pub principal: Principal,
    /// True over WebSocket: the connection ends after 24 h.
    pub websocket: bool,
}

/// What GetConnection tells about a client id.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Connected now?
    pub connected: bool,
    /// Epoch milliseconds of the last connect.
    pub connected_since: i64,
    /// Epoch milliseconds of the last disconnect, when not connected.
    pub disconnected_since: Option<i64>,
    /// AWS's `disconnectReason`, when not connected.
    pub disconnect_reason: Option<String>,
    /// Negotiated keep-alive in seconds.
    pub keep_alive: u16,
    /// Clean session (3.1.1) or clean start (5).
    pub clean_session: bool,
    /// Session expiry in seconds.
    pub session_expiry: u32,
    /// Who authenticated.
    pub principal: Principal,
    /// The client's socket address.
    pub remote: SocketAddr,
    /// The listener's socket address.
    pub local: SocketAddr,
}

/// The broker. All methods may be called from any thread; none blocks.
pub struct Broker {
    hooks: Hooks,
    clock: Clock,
}

impl Broker {
    /// A broker that asks `hooks` about everything that is AWS.
    pub fn new(hooks: Hooks, clock: Clock) -> Arc<Self> {
        Arc::new(Self { hooks, clock })
    }

    /// Serves one connection until it ends. Never call from an accept loop without spawning.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(self: Arc<Self>, io: S, peer: Peer) {
        let _ = (io, peer, &self.hooks, &self.clock);
    }

    /// Publishes as AWS itself (QoS 0) to every subscriber allowed to receive; returns how many.
    pub fn publish(&self, topic: &str, payload: Bytes) -> usize {
        let _ = (topic, payload);
        0
    }

    /// Delivers to one client only, if it is connected and subscribed to `topic`: the direct responses of jobs requests,
    /// which no third party can observe.
    pub fn reply(&self, client_id: &str, topic: &str, payload: Bytes) -> bool {
        let _ = (client_id, topic, payload);
        false
    }

    /// Cuts a client's connection with an AWS `disconnectReason`; `clean_session` also drops its stored session. False when
    /// it is not connected (and had no session to drop).
    pub fn disconnect(&self, client_id: &str, reason: &str, clean_session: bool, prevent_will: bool) -> bool {
        let _ = (client_id, reason, clean_session, prevent_will);
        false
    }

    /// Cuts every connection of a certificate; returns how many.
    pub fn disconnect_certificate(&self, certificate_id: &str, reason: &str) -> usize {
        let _ = (certificate_id, reason);
        0
    }

    /// The state of a client id, kept for 30 minutes after a disconnect.
    pub fn connection(&self, client_id: &str) -> Option<Connection> {
        let _ = client_id;
        None
    }

    /// The filters a client is subscribed to, with their QoS.
    pub fn subscriptions(&self, client_id: &str) -> Vec<(String, u8)> {
        let _ = client_id;
        Vec::new()
    }
}
