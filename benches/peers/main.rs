//! The whole path with the real program on a real terminal (socket, decode, fold, frame), beside the programs one would use
//! instead: tables for docs/performance.md, with machine, versions and date.
//!
//!     cargo bench --bench peers [-- [ROUNDS] [peers] [console] [scale]]
//!
//! Peers take turns at each rate, and each round is compared with the bare loop of the same round: on a machine that others
//! use too, only such ratios mean something. mosquitto carries the messages; what is not on `PATH` is left out, and said.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

mod bare;
mod cost;
mod feeder;
mod program;

use std::cell::Cell;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use feeder::{BYTES, Feeder};
use program::Program;

/// Topics, each of a device of its own.
const TOPICS: u64 = 1_000;
/// Seconds that are measured at each rate.
const SECONDS: u64 = 6;
/// The feeder speaks no other version.
const V4: &str = "[mqtt]\nversion = '3.1.1'\n";

/// A subscriber that is compared.
#[derive(Clone, Copy, PartialEq)]
enum Peer {
    Bare,
    Reads,
    Coalesced,
    MosquittoSub,
    Lazymqtt,
    Quell,
}

impl Peer {
    const ALL: [Self; 6] =
        [Self::Bare, Self::Reads, Self::Coalesced, Self::MosquittoSub, Self::Lazymqtt, Self::Quell];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare rumqttc loop",
            Self::Reads => "only reads, looks at nothing",
            Self::Coalesced => "the library, reads 5 ms apart",
            Self::MosquittoSub => "mosquitto_sub to a terminal",
            Self::Lazymqtt => "lazymqtt",
            Self::Quell => "quell",
        }
    }

    /// Why it cannot be measured here.
    fn missing(self) -> Option<&'static str> {
        match self {
            Self::MosquittoSub if version("mosquitto_sub", "--help").is_none() => Some("not on PATH"),
            Self::Lazymqtt if version("lazymqtt", "--version").is_none() => {
                Some("not on PATH (cargo install lazymqtt)")
            }
            _ => None,
        }
    }

    fn start(self, port: u16) -> Program {
        let (own, number) = (std::env::current_exe().unwrap(), port.to_string());
        let own = own.to_str().unwrap();
        match self {
            Self::Bare => Program::start(own, &["bare", &number], ""),
            Self::Reads => Program::start(own, &["reads", &number], ""),
            Self::Coalesced => Program::start(own, &["coalesced", &number], ""),
            Self::MosquittoSub => Program::start(&path("mosquitto_sub"), &["-p", &number, "-t", "dt/#"], ""),
            Self::Lazymqtt => Program::start(
                &path("lazymqtt"),
                &["--host", "127.0.0.1", "--port", &number, "--topic", "dt/#"],
                "",
            ),
            Self::Quell => Program::quell(port, ""),
        }
    }
}

/// Where a program of this name is.
fn path(name: &str) -> String {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths)
        .chain(["/usr/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|p| p.is_file());
    found.map_or_else(|| name.to_owned(), |path| path.to_string_lossy().into_owned())
}

/// The first line a program says of itself.
fn version(name: &str, flag: &str) -> Option<String> {
    let out = Command::new(path(name)).arg(flag).output().ok()?;
    let text =
        String::from_utf8_lossy(if out.stdout.is_empty() { &out.stderr } else { &out.stdout }).into_owned();
    text.lines().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
}

/// mosquitto on a port of its own.
struct Broker {
    child: Child,
    port: u16,
    /// Messages it has let go of, as it said last.
    dropped: Cell<u64>,
    _folder: tempfile::TempDir,
}

impl Broker {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.path().join("mosquitto.conf");
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nsys_interval 1\n"
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new(path("mosquitto"))
            .arg("-c")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, port, dropped: Cell::new(0), _folder: folder })
    }

    /// Messages it has let go of so far, because a subscriber did not take them; where `mosquitto_sub` is there to ask.
    fn dropped(&self) -> Option<u64> {
        // What is counted is told once a second.
        std::thread::sleep(Duration::from_millis(1_200));
        let out = Command::new(path("mosquitto_sub"))
            .args(["-p", &self.port.to_string(), "-C", "1", "-W", "1"])
            .args(["-t", "$SYS/broker/publish/messages/dropped"])
            .output()
            .ok()?;
        // It is told when it changes, and kept for a minute: where nothing is there, nothing changed.
        if let Ok(dropped) = String::from_utf8_lossy(&out.stdout).trim().parse() {
            self.dropped.set(dropped);
        }
        Some(self.dropped.get())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor seconds per million messages, MB at the highest, and messages the broker let go of.
struct Cost {
    cpu: f64,
    peak_mb: f64,
    lost: Option<u64>,
    kb_per_s: f64,
}

fn measure(peer: Peer, broker: &Broker, rate: u64) -> Cost {
    let before = broker.dropped();
    let program = peer.start(broker.port);
    std::thread::sleep(Duration::from_millis(1_500));
    let mut feeder = Feeder::publisher(broker.port);
    // The table first, so that the figure is of messages and not of getting to know the devices.
    feeder.feed(2 * TOPICS, TOPICS, Some(2_000));
    program.settle();
    let (cpu, bytes, began) = (program.cpu(), program.written(), Instant::now());
    let count = rate * SECONDS;
    feeder.feed(count, TOPICS, Some(rate));
    let took = began.elapsed().as_secs_f64();
    let kb_per_s = (program.written() - bytes) as f64 / 1e3 / took;
    program.settle();
    let cpu = (program.cpu() - cpu) * 1e6 / count as f64;
    let lost = before.zip(broker.dropped()).map(|(before, after)| after.saturating_sub(before));
    Cost { cpu, peak_mb: program.peak_mb(), lost, kb_per_s }
}

/// A table for each rate: the peers' cost as a ratio to the bare loop of the same round.
fn peers(rounds: usize) {
    let Some(broker) = Broker::start() else {
        println!("mosquitto is not here: no peer was measured");
        return;
    };
    println!("\n## Beside others\n");
    println!(
        "Processor time of the subscriber per message of {BYTES} bytes through mosquitto, {TOPICS} topics, as a ratio to the bare loop of the same round; {rounds} rounds.\n"
    );
    let there: Vec<Peer> = Peer::ALL.into_iter().filter(|peer| peer.missing().is_none()).collect();
    for peer in Peer::ALL {
        if let Some(why) = peer.missing() {
            println!("{} is left out: {why}.", peer.name());
        }
    }
    println!("| offered | {} |", there.iter().map(|peer| peer.name()).collect::<Vec<_>>().join(" | "));
    println!("| --- |{}", " --- |".repeat(there.len()));
    for rate in [1_000, 10_000, 100_000] {
        let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); there.len()];
        let mut last: Vec<Option<Cost>> = there.iter().map(|_| None).collect();
        for _ in 0..rounds {
            let costs: Vec<Cost> = there.iter().map(|peer| measure(*peer, &broker, rate)).collect();
            let bare = costs.first().map_or(1.0, |cost| cost.cpu);
            for ((cost, ratios), last) in costs.into_iter().zip(&mut ratios).zip(&mut last) {
                ratios.push(cost.cpu / bare);
                *last = Some(cost);
            }
        }
        let cells = ratios.iter().zip(&last).map(|(ratios, last)| {
            let (low, high) = ratios.iter().fold((f64::MAX, 0.0_f64), |(l, h), r| (l.min(*r), h.max(*r)));
            let last = last.as_ref().unwrap();
            let lost = match last.lost {
                Some(0) => String::new(),
                Some(n) => format!(", {n} lost"),
                None => ", losses unknown".to_owned(),
            };
            format!(
                "{low:.2}–{high:.2} ({:.1} s/M, {:.0} MB, {:.1} kB/s to the terminal{lost})",
                last.cpu, last.peak_mb, last.kb_per_s
            )
        });
        println!("| {} k/s | {} |", rate / 1_000, cells.collect::<Vec<_>>().join(" | "));
    }
}

fn percentile(taken: &mut [Duration], at: f64) -> f64 {
    taken.sort_unstable();
    taken[((taken.len() - 1) as f64 * at) as usize].as_secs_f64() * 1e3
}

/// The end of a frame.
const FRAME: &str = "\u{1b}[?2026l";

/// What the console costs by itself.
fn console(listener: &TcpListener, port: u16) {
    println!("\n## The console\n\n| figure | measured |\n| --- | --- |");
    let mut firsts: Vec<Duration> = (0..25)
        .map(|_| {
            let console = Program::quell(port, V4);
            console.until(FRAME);
            let first = console.began.elapsed();
            let _ = listener.accept();
            first
        })
        .collect();
    let (half, most) = (percentile(&mut firsts, 0.5), percentile(&mut firsts, 0.95));
    println!("| first frame after exec, p50 / p95 of 25 | {half:.1} / {most:.1} ms |");
    {
        let console = Program::quell(port, V4);
        let _feeder = Feeder::accept(listener);
        console.settle();
        let (before, bytes) = (console.cpu(), console.written());
        std::thread::sleep(Duration::from_secs(10));
        let (cpu, bytes) = (console.cpu() - before, console.written() - bytes);
        println!("| idle | {:.2} % of a core, {} B/s to the terminal |", cpu * 10.0, bytes / 10);
    }
    for rate in [0, 1_000, 10_000, 50_000] {
        let mut console = Program::quell(port, V4);
        let mut feeder = Feeder::accept(listener);
        let load = std::thread::spawn(move || {
            if rate > 0 {
                feeder.feed(rate * 6, TOPICS, Some(rate));
            }
            feeder
        });
        std::thread::sleep(Duration::from_millis(1_000));
        let mut taken: Vec<Duration> = (0..40)
            .map(|i| {
                // The palette opens with `:` and is gone with Esc; its title is on no other screen.
                std::thread::sleep(Duration::from_millis(40 + i % 7));
                let took = console.key(b":", "Command");
                std::thread::sleep(Duration::from_millis(30));
                console.type_in(b"\x1b");
                took
            })
            .collect();
        let (half, most) = (percentile(&mut taken, 0.5), percentile(&mut taken, 0.95));
        println!("| key to paint at {} k/s, p50 / p95 | {half:.1} / {most:.1} ms |", rate / 1_000);
        let _feeder = load.join().unwrap();
    }
}

/// What many devices cost: memory, and what a person waits for.
fn scale(listener: &TcpListener, port: u16) {
    println!(
        "\n## Many devices\n\nEach on a topic of its own, three messages each as fast as they are taken.\n"
    );
    println!("| devices | all heard after | peak memory | sort | grid | back | palette, p50 / p95 |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for devices in [1_000_u64, 100_000, 1_000_000] {
        let budget = (devices * 80).max(16 << 20) >> 20;
        let config = format!("memory-budget = '{}MB'\n{V4}", budget + 1);
        let mut console = Program::quell(port, &config);
        let mut feeder = Feeder::accept(listener);
        let began = Instant::now();
        feeder.feed(3 * devices, devices, None);
        console.settle();
        let took = began.elapsed().as_secs_f64();
        let ms = |took: Duration| format!("{:.1} ms", took.as_secs_f64() * 1e3);
        // The list alone, and no message under way: what is drawn is drawn because of the key.
        console.key(b"2", FRAME);
        console.settle();
        let sort = ms(console.key(b"S", FRAME));
        console.settle();
        let grid = ms(console.key(b"8", FRAME));
        console.settle();
        let back = ms(console.key(b"1", FRAME));
        console.settle();
        let mut taken: Vec<Duration> = (0..20)
            .map(|_| {
                let took = console.key(b":", "Command");
                std::thread::sleep(Duration::from_millis(100));
                console.type_in(b"\x1b");
                std::thread::sleep(Duration::from_millis(100));
                took
            })
            .collect();
        let (half, most) = (percentile(&mut taken, 0.5), percentile(&mut taken, 0.95));
        println!(
            "| {devices} | {took:.1} s | {:.0} MB | {sort} | {grid} | {back} | {half:.1} / {most:.1} ms |",
            console.peak_mb()
        );
    }
}

/// Machine, date and versions.
fn conditions() {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let date = jiff::Zoned::now().date();
    println!(
        "{date}, {cores} cores of {}.",
        model.trim_start_matches(|c: char| c.is_whitespace() || c == ':')
    );
    for (name, flag) in [("mosquitto", "-h"), ("mosquitto_sub", "--help"), ("lazymqtt", "--version")] {
        println!("{name}: {}", version(name, flag).unwrap_or_else(|| "not here".to_owned()));
    }
    let own = Command::new(env!("CARGO_BIN_EXE_quell")).arg("--version").output().unwrap();
    println!("{}", String::from_utf8_lossy(&own.stdout).lines().next().unwrap_or_default());
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if let [kind @ ("bare" | "coalesced" | "reads"), port] =
        args.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let port = port.parse().unwrap();
        return if kind == "reads" { bare::read(port) } else { bare::run(port, kind == "coalesced") };
    }
    let rounds = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(2);
    let wanted = |name: &str| {
        let named = |arg: &String| ["peers", "console", "scale"].contains(&arg.as_str());
        !args.iter().any(named) || args.iter().any(|arg| arg == name)
    };
    conditions();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    if wanted("console") {
        console(&listener, port);
    }
    if wanted("scale") {
        scale(&listener, port);
    }
    if wanted("peers") {
        peers(rounds);
    }
}
