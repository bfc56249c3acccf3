//! The way to a broker as bytes: each connection can be cut by itself, all can be kept out, nothing may get through any more
//! though all seem to stand, and a broker can be made to speak MQTT 3.1.1 only.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct State {
    shut: bool,
    /// Nothing is carried, in either direction.
    frozen: bool,
    /// Whoever speaks MQTT 5 is answered as a broker of 3.1.1 does.
    old: bool,
    levels: Vec<u8>,
    lines: Vec<[TcpStream; 2]>,
    knocks: usize,
}

/// A way to a broker.
pub(crate) struct Cable {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
}

impl Cable {
    pub(crate) fn to(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = lead(stream, broker, &state);
                });
            }
        });
        Self { state, address }
    }

    /// A broker behind it that never heard of MQTT 5.
    pub(crate) fn to_old(broker: SocketAddr) -> Self {
        let cable = Self::to(broker);
        cable.state.lock().unwrap().old = true;
        cable
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the `n`th of the connections so far, the first being 0.
    pub(crate) fn cut(&self, n: usize) {
        for end in &self.state.lock().unwrap().lines[n] {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Whether nobody gets through any more who is not through already.
    pub(crate) fn shut(&self, shut: bool) {
        self.state.lock().unwrap().shut = shut;
    }

    /// Whether nothing is carried any more, while every connection stands: what a cable pulled behind a router looks like.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.state.lock().unwrap().frozen = frozen;
    }

    /// How many have got through so far, and how many have tried.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.lines.len(), state.knocks)
    }

    /// The protocol levels asked for so far: 5, or 4 for 3.1.1.
    pub(crate) fn levels(&self) -> Vec<u8> {
        self.state.lock().unwrap().levels.clone()
    }
}

fn lead(mut client: TcpStream, broker: SocketAddr, state: &Arc<Mutex<State>>) -> std::io::Result<()> {
    let old = {
        let mut state = state.lock().unwrap();
        state.knocks += 1;
        if state.shut {
            return client.shutdown(Shutdown::Both);
        }
        state.old
    };
    let mut first = Vec::new();
    if old {
        // CONNECT, its length in one or two bytes, "MQTT", and the level.
        let mut byte = [0];
        while !first.ends_with(b"MQTT") && first.len() < 16 {
            client.read_exact(&mut byte)?;
            first.push(byte[0]);
        }
        client.read_exact(&mut byte)?;
        first.push(byte[0]);
        state.lock().unwrap().levels.push(byte[0]);
        if byte[0] != 4 {
            // "unacceptable protocol version", and the end.
            client.write_all(&[0x20, 2, 0, 1])?;
            return client.shutdown(Shutdown::Both);
        }
    }
    let mut upstream = TcpStream::connect(broker)?;
    upstream.write_all(&first)?;
    let (from, back) = (upstream.try_clone()?, client.try_clone()?);
    state.lock().unwrap().lines.push([client.try_clone()?, upstream.try_clone()?]);
    let shared = Arc::clone(state);
    std::thread::spawn(move || carry(from, back, &shared));
    carry(client, upstream, state);
    Ok(())
}

/// One direction, until its end.
fn carry(mut from: TcpStream, mut to: TcpStream, state: &Mutex<State>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        while state.lock().unwrap().frozen {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
