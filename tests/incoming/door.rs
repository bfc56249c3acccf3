//! A door in front of the emulator: what goes through it can be refused, slowed, cut, or shut out altogether, as networks
//! and services do. Requests keep their Host header, so their signatures stay valid.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a request meets instead of the emulator.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// An error as AWS's REST JSON protocol writes it.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            headers: vec![
                ("x-amzn-errortype".into(), code.into()),
                ("content-type".into(), "application/json".into()),
            ],
            body: serde_json::json!({ "message": message }).to_string(),
        }
    }
}

type Rule = Box<dyn Fn(&str) -> Option<Answer> + Send + Sync>;

#[derive(Default)]
struct State {
    open: bool,
    /// Accepts and reads, and never answers.
    silent: bool,
    delay: Duration,
    rules: Vec<Rule>,
    asked: Vec<String>,
    /// Whose key signed, and the form, of requests that carry one (STS).
    forms: Vec<(String, String)>,
    streams: Vec<TcpStream>,
}

/// The door.
pub(crate) struct Door {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
}

impl Door {
    pub(crate) fn to(inside: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { open: true, ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let Ok(client) = stream.try_clone() else { return };
                    let _ = serve(stream, inside, &state);
                    // A copy is kept for when the door is shut; the other side must learn of the end all the same.
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { state, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections and takes none.
    pub(crate) fn shut(&self) {
        let mut state = self.state.lock().unwrap();
        state.open = false;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().open = true;
    }

    /// Nothing goes through any more, and nobody is told: a cable pulled.
    pub(crate) fn silence(&self, silent: bool) {
        self.state.lock().unwrap().silent = silent;
    }

    /// There and back takes this long, for every request and for what a WebSocket carries.
    pub(crate) fn slow(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// Requests whose first line the rule answers never reach the emulator.
    pub(crate) fn refuse(&self, rule: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) {
        self.state.lock().unwrap().rules.push(Box::new(rule));
    }

    pub(crate) fn relent(&self) {
        self.state.lock().unwrap().rules.clear();
    }

    /// First lines of the requests so far that contain `part`.
    pub(crate) fn asked(&self, part: &str) -> Vec<String> {
        self.state.lock().unwrap().asked.iter().filter(|line| line.contains(part)).cloned().collect()
    }

    /// How many requests so far, and how many of them for a WebSocket.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        let connects = state.asked.iter().filter(|line| line.starts_with("GET /mqtt")).count();
        (state.asked.len() - connects, connects)
    }

    /// Who assumed which role so far: the key id that asked, and the form it sent.
    pub(crate) fn assumed(&self) -> Vec<(String, String)> {
        let state = self.state.lock().unwrap();
        state.forms.iter().filter(|(_, form)| form.contains("Action=AssumeRole")).cloned().collect()
    }
}

fn serve(mut client: TcpStream, inside: SocketAddr, state: &Arc<Mutex<State>>) -> std::io::Result<()> {
    {
        let mut state = state.lock().unwrap();
        if !state.open {
            return client.shutdown(Shutdown::Both);
        }
        state.streams.push(client.try_clone()?);
    }
    let mut unread = Vec::new();
    while let Some((head, body)) = request(&mut client, &mut unread)? {
        let line = head.lines().next().unwrap_or_default().to_owned();
        let (answer, delay) = {
            let mut state = state.lock().unwrap();
            state.asked.push(line.clone());
            if let Some((_, rest)) = head.split_once("Credential=").filter(|_| line.starts_with("POST / ")) {
                let key = rest.split('/').next().unwrap_or_default().to_owned();
                state.forms.push((key, String::from_utf8_lossy(&body).into_owned()));
            }
            (state.rules.iter().find_map(|rule| rule(&line)), state.delay)
        };
        std::thread::sleep(delay);
        while state.lock().unwrap().silent {
            std::thread::sleep(Duration::from_millis(50));
        }
        if let Some(answer) = answer {
            let mut text =
                format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", answer.status, answer.body.len());
            for (name, value) in &answer.headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            client.write_all(format!("{text}\r\n{}", answer.body).as_bytes())?;
            continue;
        }
        let mut upstream = TcpStream::connect(inside)?;
        state.lock().unwrap().streams.push(upstream.try_clone()?);
        if line.starts_with("GET /mqtt") {
            upstream.write_all(head.as_bytes())?;
            upstream.write_all(&unread)?;
            let (mut from, mut to) = (upstream.try_clone()?, client.try_clone()?);
            let shared = Arc::clone(state);
            std::thread::spawn(move || pipe(&mut from, &mut to, &shared, true));
            pipe(&mut client, &mut upstream, state, true);
            return Ok(());
        }
        // One request, one connection: its end is the end of the answer.
        let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        upstream.write_all(head.as_bytes())?;
        upstream.write_all(&body)?;
        pipe(&mut upstream, &mut client, state, false);
        return Ok(());
    }
    Ok(())
}

/// One request: its head, and as much body as it announces.
fn request(client: &mut TcpStream, unread: &mut Vec<u8>) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = unread.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&unread[..end + 4]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let whole = end + 4 + length.unwrap_or(0);
            if unread.len() >= whole {
                let body = unread[end + 4..whole].to_vec();
                unread.drain(..whole);
                return Ok(Some((head, body)));
            }
        }
        match client.read(&mut buffer)? {
            0 => return Ok(None),
            n => unread.extend_from_slice(&buffer[..n]),
        }
    }
}

/// `late`: as late as the door is slow; a request that is answered has waited already.
fn pipe(from: &mut TcpStream, to: &mut TcpStream, state: &Mutex<State>, late: bool) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(n) = from.read(&mut buffer) {
        // Half of it in each direction.
        let delay = state.lock().unwrap().delay / 2;
        if late {
            std::thread::sleep(delay);
        }
        while state.lock().unwrap().silent {
            std::thread::sleep(Duration::from_millis(50));
        }
        if n == 0 || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
