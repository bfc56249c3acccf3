//! The whole path with the real program on a real terminal: socket → decode → fold → frame. Prints what performance.md
//! asks for: first frame, idle processor time, CPU seconds per million messages at several rates, memory, bytes to the
//! terminal, and key to paint under load.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

/// The program on a terminal of 160×48 that nobody reads but this.
struct Console {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    written: Arc<AtomicU64>,
    tail: Arc<Mutex<Vec<u8>>>,
    began: Instant,
    _master: Box<dyn portable_pty::MasterPty + Send>,
    _home: tempfile::TempDir,
}

impl Console {
    fn start(port: u16) -> Self {
        let home = tempfile::tempdir().unwrap();
        // The feeder below speaks 3.1.1.
        let config = home.path().join("config.toml");
        std::fs::write(&config, "[mqtt]\nversion = '3.1.1'\n").unwrap();
        let pair = native_pty_system()
            .openpty(PtySize { rows: 48, cols: 160, pixel_width: 0, pixel_height: 0 })
            .unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_quell"));
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("HOME", home.path());
        let url = format!("mqtt://127.0.0.1:{port}");
        command.args([
            "--config",
            config.to_str().unwrap(),
            "--no-aws",
            "--mqtt-url",
            &url,
            "--thing-from",
            "dt/+/{thing}/#",
        ]);
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
                sink.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        Self { child, writer, written, tail, began, _master: pair.master, _home: home }
    }

    /// How long until the terminal got `text`, from now on.
    fn until(&self, text: &str) -> Duration {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
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

    fn forget(&self) {
        self.tail.lock().unwrap().clear();
    }

    fn status(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.child.process_id().unwrap());
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn cpu(&self) -> f64 {
        let path = format!("/proc/{}/task", self.child.process_id().unwrap());
        // Nanoseconds of each thread; the ticks of `stat` are too coarse.
        std::fs::read_dir(path)
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
            .sum::<f64>()
            / 1e9
    }

    fn peak_mb(&self) -> f64 {
        let status = self.status("status");
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }

    /// Waits until it has nothing left to do.
    fn settle(&self) {
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

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Enough of a broker: it accepts one client and then only talks.
struct Feeder(TcpStream);

impl Feeder {
    fn accept(listener: &TcpListener) -> Self {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut head = [0; 2];
        let mut subscribed = false;
        while !subscribed {
            stream.read_exact(&mut head).unwrap();
            let mut rest = vec![0; usize::from(head[1])];
            stream.read_exact(&mut rest).unwrap();
            match head[0] >> 4 {
                1 => stream.write_all(&[0x20, 2, 0, 0]).unwrap(),
                8 => {
                    stream.write_all(&[0x90, 3, rest[0], rest[1], 0]).unwrap();
                    subscribed = true;
                }
                _ => {}
            }
        }
        let mut answers = stream.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut ping = [0; 2];
            while answers.read_exact(&mut ping).is_ok() && answers.write_all(&[0xd0, 0]).is_ok() {}
        });
        Self(stream)
    }

    /// `count` messages of 120 bytes over `topics` topics, `rate` a second or as fast as they are taken.
    fn feed(&mut self, count: u64, topics: u64, rate: Option<u64>) {
        let packets: Vec<Vec<u8>> = (0..topics)
            .map(|i| {
                let topic = format!("dt/site/device-{i:06}/telemetry");
                let length = 2 + topic.len() + 120;
                let mut packet = vec![0x30, (length % 128) as u8 | 0x80, (length / 128) as u8];
                packet.extend((topic.len() as u16).to_be_bytes());
                packet.extend(topic.as_bytes());
                packet.extend([b'7'; 120]);
                packet
            })
            .collect();
        let began = Instant::now();
        let mut sent = 0;
        let mut buffer = Vec::new();
        while sent < count {
            let due = match rate {
                Some(rate) => ((began.elapsed().as_secs_f64() * rate as f64) as u64).min(count),
                None => (sent + 500).min(count),
            };
            buffer.clear();
            while sent < due {
                buffer.extend_from_slice(&packets[(sent % topics) as usize]);
                sent += 1;
            }
            self.0.write_all(&buffer).unwrap();
            if rate.is_some() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }
}

fn percentile(sorted: &[Duration], at: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * at) as usize].as_secs_f64() * 1e3
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();

    let mut firsts: Vec<Duration> = (0..15)
        .map(|_| {
            let console = Console::start(port);
            console.until("\u{1b}[?2026l");
            let first = console.began.elapsed();
            let _ = listener.accept();
            first
        })
        .collect();
    firsts.sort_unstable();
    println!("first frame after exec: {:.1} ms median of 15", percentile(&firsts, 0.5));

    {
        let console = Console::start(port);
        let _feeder = Feeder::accept(&listener);
        console.settle();
        let (before, bytes) = (console.cpu(), console.written.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_secs(5));
        let bytes = console.written.load(Ordering::Relaxed) - bytes;
        println!(
            "idle: {:.2} % of a core, {} bytes/s to the terminal",
            (console.cpu() - before) * 20.0,
            bytes / 5
        );
    }

    for (name, rate, count) in [
        ("1 k/s", Some(1_000), 6_000),
        ("10 k/s", Some(10_000), 60_000),
        ("100 k/s", Some(100_000), 600_000),
        ("flat out", None, 3_000_000_u64),
    ] {
        let console = Console::start(port);
        let mut feeder = Feeder::accept(&listener);
        // The table first, so that the figure is of messages and not of getting to know the devices.
        feeder.feed(2_000, 1_000, Some(2_000));
        console.settle();
        let (before, bytes, began) = (console.cpu(), console.written.load(Ordering::Relaxed), Instant::now());
        feeder.feed(count, 1_000, rate);
        let took = began.elapsed().as_secs_f64();
        let written = console.written.load(Ordering::Relaxed) - bytes;
        console.settle();
        println!(
            "{name}: {:.0} messages/s, {:.2} CPU s per million, peak {:.0} MB, {:.1} kB/s to the terminal",
            count as f64 / took,
            (console.cpu() - before) * 1e6 / count as f64,
            console.peak_mb(),
            written as f64 / 1e3 / took,
        );
    }

    {
        let console = Console::start(port);
        let mut feeder = Feeder::accept(&listener);
        feeder.feed(300_000, 100_000, None);
        console.settle();
        println!("100 k topics: peak {:.0} MB", console.peak_mb());
    }

    for rate in [10_000, 50_000] {
        let mut console = Console::start(port);
        let mut feeder = Feeder::accept(&listener);
        let load = std::thread::spawn(move || feeder.feed(rate * 6, 1_000, Some(rate)));
        std::thread::sleep(Duration::from_millis(1_000));
        let mut taken: Vec<Duration> = (0..40)
            .map(|i| {
                // The palette opens with `:` and is gone with Esc; its title is on no other screen.
                std::thread::sleep(Duration::from_millis(40 + i % 7));
                console.forget();
                console.writer.write_all(b":").unwrap();
                let took = console.until("Command");
                std::thread::sleep(Duration::from_millis(30));
                console.writer.write_all(b"\x1b").unwrap();
                took
            })
            .collect();
        taken.sort_unstable();
        println!(
            "key to paint at {} k/s: p50 {:.1} ms, p95 {:.1} ms",
            rate / 1_000,
            percentile(&taken, 0.5),
            percentile(&taken, 0.95)
        );
        load.join().unwrap();
    }
}
