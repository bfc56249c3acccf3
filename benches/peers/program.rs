//! A program on a terminal that nobody reads but this, and what it costs.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::cost::cpu_of;

/// A program under way. It is killed with its value.
pub(crate) struct Program {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    written: Arc<AtomicU64>,
    tail: Arc<Mutex<Vec<u8>>>,
    /// When it was started.
    pub(crate) began: Instant,
    _master: Box<dyn MasterPty + Send>,
    _home: tempfile::TempDir,
}

impl Program {
    /// Starts `program` on 160×48, with a home of its own that has `config` as quell's configuration.
    pub(crate) fn start(program: &str, args: &[&str], config: &str) -> Self {
        Self::on((160, 48), program, args, config)
    }

    /// The same on a terminal of another size.
    pub(crate) fn on((cols, rows): (u16, u16), program: &str, args: &[&str], config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".config/quell");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), config).unwrap();
        let pair =
            native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(program);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("HOME", home.path());
        command.args(args);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let (written, tail) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, sink) = (Arc::clone(&written), Arc::clone(&tail));
        let began = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        std::thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                count.fetch_add(n as u64, Ordering::Relaxed);
                let mut tail = sink.lock().unwrap();
                tail.extend_from_slice(&buffer[..n]);
                // Whoever waits for a text looks often.
                let over = tail.len().saturating_sub(1 << 20);
                tail.drain(..over);
            }
        });
        Self { child, writer, written, tail, began, _master: pair.master, _home: home }
    }

    /// The console, connected to the broker at `port`, without AWS.
    pub(crate) fn quell(port: u16, config: &str) -> Self {
        let url = format!("mqtt://127.0.0.1:{port}");
        let args = ["--no-aws", "--mqtt-url", &url, "--thing-from", "dt/+/{thing}/#", "--topic", "dt/#"];
        Self::start(env!("CARGO_BIN_EXE_quell"), &args, config)
    }

    /// How long until the terminal got `text`, from now on; half a minute at most.
    pub(crate) fn until(&self, text: &str) -> Duration {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            let mut tail = self.tail.lock().unwrap();
            if tail.windows(text.len()).any(|w| w == text.as_bytes()) {
                return began.elapsed();
            }
            let keep = tail.len().saturating_sub(64);
            tail.drain(..keep);
            drop(tail);
            std::thread::sleep(Duration::from_micros(100));
        }
        began.elapsed()
    }

    /// Lets go of what was written so far.
    pub(crate) fn forget(&self) {
        self.tail.lock().unwrap().clear();
    }

    /// Types `keys`.
    pub(crate) fn type_in(&mut self, keys: &[u8]) {
        self.writer.write_all(keys).unwrap();
    }

    /// Types `keys`; how long until `text` is drawn.
    pub(crate) fn key(&mut self, keys: &[u8], text: &str) -> Duration {
        self.forget();
        self.type_in(keys);
        self.until(text)
    }

    /// Bytes it wrote to the terminal.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Seconds of processor time of all its threads so far.
    pub(crate) fn cpu(&self) -> f64 {
        cpu_of(self.child.process_id().unwrap())
    }

    /// Its memory at the highest, in MB.
    pub(crate) fn peak_mb(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.process_id().unwrap());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }

    /// Waits until it has nothing left to do.
    pub(crate) fn settle(&self) {
        let mut before = self.cpu();
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let now = self.cpu();
            if now - before < 0.01 {
                return;
            }
            before = now;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
