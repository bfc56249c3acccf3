//! What systemd is told: that it is ready, that it lives, that it ends. A datagram to the socket it names in `NOTIFY_SOCKET`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

#[cfg(target_os = "linux")]
fn abstract_name(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

/// Only Linux has them, as it has systemd.
#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whom to tell, if anybody asked to be told.
#[derive(Debug, Default)]
pub struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// As the environment says: `socket` is `NOTIFY_SOCKET`, a path or, with `@` before it, a name without a file.
    ///
    /// # Errors
    /// There is no such socket.
    pub fn to(socket: Option<&OsStr>) -> io::Result<Self> {
        let Some(socket) = socket.filter(|name| !name.is_empty()) else { return Ok(Self(None)) };
        let address = match socket.as_bytes().strip_prefix(b"@") {
            Some(name) => abstract_name(name)?,
            None => SocketAddr::from_pathname(socket)?,
        };
        Ok(Self(Some((UnixDatagram::unbound()?, address))))
    }

    /// Tells `state`, such as `READY=1`; nothing when nobody listens: a guard does not end because of it.
    pub fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.0
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::warn!(%error, "systemd could not be told");
        }
    }

    /// How often it must be told that we live: half of what `WATCHDOG_USEC` allows.
    pub fn watchdog(microseconds: Option<&str>) -> Option<Duration> {
        let allowed: u64 = microseconds?.parse().ok()?;
        (allowed > 0).then(|| Duration::from_micros(allowed / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_arrives_at_a_path_and_at_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        Notify::to(Some(path.as_os_str())).unwrap().tell("READY=1");
        let mut buffer = [0; 64];
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        let name = format!("quell-test-{}", std::process::id());
        let receiver = UnixDatagram::bind_addr(&abstract_name(name.as_bytes()).unwrap()).unwrap();
        Notify::to(Some(OsStr::new(&format!("@{name}")))).unwrap().tell("WATCHDOG=1");
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"WATCHDOG=1");
        Notify::to(None).unwrap().tell("READY=1");
        assert_eq!(Notify::watchdog(Some("30000000")), Some(Duration::from_secs(15)));
        assert_eq!((Notify::watchdog(None), Notify::watchdog(Some("x"))), (None, None));
    }
}
