//! The way to a broker as bytes: each connection can be cut by itself, all can be kept out, and a broker can be made to
//! speak MQTT 3.1.1 only.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct State {
    shut: bool,
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

fn lead(mut client: TcpStream, broker: SocketAddr, state: &Mutex<State>) -> std::io::Result<()> {
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
    let (mut from, mut back) = (upstream.try_clone()?, client.try_clone()?);
    state.lock().unwrap().lines.push([client.try_clone()?, upstream.try_clone()?]);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut client, &mut upstream);
    upstream.shutdown(Shutdown::Both)
}
