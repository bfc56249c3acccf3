//! Where simulated devices seem to be. All of them connect over loopback; one that a scenario puts elsewhere is told as
//! connecting from there: in presence events, `aws:SourceIp`, GetConnection and everywhere else an address is told.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;

/// The sockets of this process that stand for a device elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Mutex<HashMap<SocketAddr, IpAddr>>>);

/// A socket's place, until dropped.
#[derive(Debug)]
pub struct Held {
    places: Places,
    socket: SocketAddr,
}

impl Places {
    /// A connection from `socket` is one from `place` for as long as the answer is held.
    #[must_use = "the place is forgotten when this is dropped"]
    pub fn put(&self, socket: SocketAddr, place: IpAddr) -> Held {
        self.0.lock().insert(socket, place);
        Held { places: self.clone(), socket }
    }

    /// Where a connection from `remote` comes from: the port stays.
    pub fn seen(&self, remote: SocketAddr) -> SocketAddr {
        match self.0.lock().get(&remote) {
            Some(place) => SocketAddr::new(*place, remote.port()),
            None => remote,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.places.0.lock().remove(&self.socket);
    }
}
