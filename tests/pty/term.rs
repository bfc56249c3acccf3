//! A real terminal for the real binary: a pty, a terminal emulator that reads what was written to it, and waiting by
//! condition with a deadline.

use std::io::{Read as _, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// The binary running in a pty.
pub(crate) struct Term {
    shared: Arc<Mutex<Seen>>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
}

struct Seen {
    parser: vt100::Parser,
    /// Of a frame that is not all there: a terminal shows frames, not halves of them.
    held: Vec<u8>,
    bytes: Vec<u8>,
    open: bool,
    /// Nobody reads any more.
    closed: bool,
}

/// What a frame is between (synchronized output).
const FRAME: (&[u8], &[u8]) = (b"\x1b[?2026h", b"\x1b[?2026l");

impl Seen {
    /// Shows what was written, up to a frame that is not all there.
    fn show(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
        let mut whole = 0;
        loop {
            let rest = &self.held[whole..];
            let Some(begin) = find(rest, FRAME.0) else {
                // Its beginning may be cut itself.
                let cut = (1..FRAME.0.len()).rev().find(|n| rest.ends_with(&FRAME.0[..*n])).unwrap_or(0);
                whole = self.held.len() - cut;
                break;
            };
            let Some(end) = find(&rest[begin..], FRAME.1) else {
                whole += begin;
                break;
            };
            whole += begin + end + FRAME.1.len();
        }
        self.parser.process(&self.held[..whole]);
        self.held.drain(..whole);
    }
}

impl Term {
    /// Starts `quell ARGS` on a terminal of `cols`×`rows`; `home` receives every file it writes.
    pub(crate) fn spawn(args: &[&str], cols: u16, rows: u16, home: &Path, env: &[(&str, &str)]) -> Self {
        let pair = native_pty_system()
            .openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })
            .expect("a pty");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_quell"));
        command.args(args);
        command.env_clear();
        for keep in ["PATH", "USER", "LANG"] {
            if let Ok(value) = std::env::var(keep) {
                command.env(keep, value);
            }
        }
        command.env("TERM", "xterm-256color");
        command.env("HOME", home);
        command.env("XDG_STATE_HOME", home.join("state"));
        command.env("XDG_CONFIG_HOME", home.join("config"));
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        for (name, value) in env {
            command.env(name, value);
        }
        command.cwd(home);
        let child = pair.slave.spawn_command(command).expect("the binary starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("a writer");
        let shared = Arc::new(Mutex::new(Seen {
            parser: vt100::Parser::new(size(rows), size(cols), 0),
            held: Vec::new(),
            bytes: Vec::new(),
            open: true,
            closed: false,
        }));
        let sink = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            loop {
                let read = reader.read(&mut buffer).unwrap_or(0);
                let mut seen = sink.lock().expect("the reader did not panic");
                if read == 0 || seen.closed {
                    let rest = std::mem::take(&mut seen.held);
                    seen.parser.process(&rest);
                    seen.open = false;
                    break;
                }
                seen.show(&buffer[..read]);
                seen.bytes.extend_from_slice(&buffer[..read]);
            }
        });
        Self { shared, writer, child, master: pair.master }
    }

    /// Types keys, as bytes.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.writer.flush().expect("the terminal takes keys");
    }

    /// The screen as text, one line a row.
    pub(crate) fn screen(&self) -> String {
        self.shared.lock().expect("the reader did not panic").parser.screen().contents()
    }

    /// Every byte the program has written.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.shared.lock().expect("the reader did not panic").bytes.clone()
    }

    /// True while the alternate screen is shown.
    pub(crate) fn on_alternate_screen(&self) -> bool {
        self.shared.lock().expect("the reader did not panic").parser.screen().alternate_screen()
    }

    /// After the exit: the last bytes written have left the alternate screen and shown the cursor.
    #[track_caller]
    pub(crate) fn wait_restored(&self, after: &str) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let seen = self.shared.lock().expect("the reader did not panic");
            let screen = seen.parser.screen();
            if !screen.alternate_screen() && !screen.hide_cursor() {
                return;
            }
            drop(seen);
            assert!(Instant::now() < deadline, "the terminal was not restored after {after}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Changes the terminal's size, as a window manager would.
    pub(crate) fn resize(&mut self, cols: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).expect("a resize");
        self.shared
            .lock()
            .expect("the reader did not panic")
            .parser
            .screen_mut()
            .set_size(size(rows), size(cols));
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().expect("a running child")
    }

    /// Waits until the screen satisfies `wanted`, and gives that screen; fails with the last screen otherwise.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, limit: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + limit;
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            let open = self.shared.lock().expect("the reader did not panic").open;
            assert!(
                open && Instant::now() < deadline,
                "no {what} within {limit:?} (still running: {open}); the screen:\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Closes the terminal, as its window or its line would; the exit code.
    #[track_caller]
    pub(crate) fn hang_up(mut self, limit: Duration) -> u32 {
        self.shared.lock().expect("the reader did not panic").closed = true;
        // The reader ends with the next thing the program writes: its clock, at the latest.
        let Self { ref shared, .. } = self;
        let deadline = Instant::now() + limit;
        while shared.lock().expect("the reader did not panic").open {
            assert!(Instant::now() < deadline, "nothing was written within {limit:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        // Both other ends of the terminal are ours: without them it is gone.
        self.writer = Box::new(std::io::sink());
        let pair = native_pty_system()
            .openpty(PtySize { rows: 1, cols: 1, pixel_width: 0, pixel_height: 0 })
            .expect("a pty");
        self.master = pair.master;
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "still running after {limit:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the process to end, and for its last words on the screen, and gives its exit code.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> u32 {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                // A process of its own may hold the terminal open for longer.
                let read = Instant::now() + Duration::from_secs(5);
                while self.shared.lock().expect("the reader did not panic").open && Instant::now() < read {
                    std::thread::sleep(Duration::from_millis(5));
                }
                return status.exit_code();
            }
            assert!(
                Instant::now() < deadline,
                "still running after {limit:?}; the screen:\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// vt100 takes no empty screen; neither does a pty.
fn size(cells: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(cells).expect("a terminal has cells")
}

impl Drop for Term {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line of `screen` that contains every one of `parts`.
pub(crate) fn line_with<'a>(screen: &'a str, parts: &[&str]) -> Option<&'a str> {
    // The upper edge of a frame is a title, no line of a list.
    let mut lines = screen.lines().filter(|line| !line.trim_start().starts_with('╭'));
    lines.find(|line| parts.iter().all(|part| line.contains(part)))
}
