//! The emulator's broker over real sockets: messages a second and CPU seconds per million with many publishers and one `#`
//! subscriber, and what ten thousand idle connections take.
//!
//! Publishers and subscriber are in the same process, so the CPU seconds are theirs and the broker's together: an upper
//! bound. They do as little as they can: the publishers write packets made in advance, the subscriber only counts.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

use std::time::{Duration, Instant};

use quell_emulator::start::{Options, Running, start};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Payload of each message, in bytes: about what a temperature report has.
const PAYLOAD: usize = 100;
/// Messages a publisher writes in one go.
const BURST: usize = 64;

fn main() {
    // `cargo test --all-targets` runs benches without `--bench`: then it is enough that it works.
    let full = std::env::args().any(|a| a == "--bench");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let running = start(Options { devices: Some(0), ..Options::on_free_ports() }).await.unwrap();
        let messages = if full { 1_000_000 } else { 2_000 };
        for publishers in [1, 10, 50] {
            throughput(&running, publishers, messages).await;
        }
        // Each takes a descriptor at either end.
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let room =
            most.map_or(usize::MAX, |n| usize::try_from(n / 2).unwrap_or(usize::MAX)).saturating_sub(500);
        idle(&running, if full { 10_000.min(room) } else { 100 }).await;
        running.shutdown().await;
    });
}

async fn throughput(running: &Running, publishers: usize, messages: usize) {
    let account = running.account();
    let broker = account.broker();
    let mut subscriber = connect(running, "subscriber").await;
    subscriber.write_all(b"\x82\x06\x00\x01\x00\x01#\x00").await.unwrap();
    subscriber.read_exact(&mut [0; 5]).await.unwrap();
    let each = messages / publishers;
    let size = packet("dt/00000/temperature").len();
    let before = broker.counters();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let writing = (0..publishers).map(|n| async move {
        let name = format!("{n:05}");
        let mut stream = connect(running, &name).await;
        let burst = packet(&format!("dt/{name}/temperature")).repeat(BURST);
        let mut left = each * size;
        while left > 0 {
            let part = left.min(burst.len());
            stream.write_all(&burst[..part]).await.unwrap();
            left -= part;
        }
        stream
    });
    let counting = tokio::spawn(async move {
        // A message that was dropped never comes: the flow ends when nothing came for a while.
        let (mut bytes, mut last, mut buffer) = (0, Instant::now(), vec![0; 256 * 1024]);
        while bytes < each * publishers * size {
            match tokio::time::timeout(Duration::from_secs(2), subscriber.read(&mut buffer)).await {
                Ok(Ok(n)) if n > 0 => (bytes, last) = (bytes + n, Instant::now()),
                _ => break,
            }
        }
        (bytes / size, last)
    });
    let streams = futures_util::future::join_all(writing).await;
    let (heard, last) = counting.await.unwrap();
    let (wall, cpu) = (last.duration_since(started).as_secs_f64(), cpu_seconds() - cpu);
    let sent = each * publishers;
    let dropped = broker.counters().dropped - before.dropped;
    println!(
        "{publishers:>3} publishers: {:>9.0} messages/s sent to `#`, {:.2} CPU-s per million with both ends, {dropped} of {sent} dropped",
        heard as f64 / wall,
        cpu * 1e6 / heard as f64,
    );
    drop(streams);
}

async fn idle(running: &Running, connections: usize) {
    let (started, memory) = (Instant::now(), resident_bytes());
    let mut held = Vec::with_capacity(connections);
    for n in 0..connections {
        let mut stream = connect(running, &format!("idle{n:06}")).await;
        stream.write_all(b"\x82\x08\x00\x01\x00\x03cmd\x00").await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        held.push(stream);
    }
    println!(
        "{connections} connections with a subscription in {:.1} s, {:.1} KiB resident each, both ends",
        started.elapsed().as_secs_f64(),
        (resident_bytes() - memory) / connections as f64 / 1024.0,
    );
    let mut publisher = connect(running, "publisher").await;
    let told = Instant::now();
    publisher.write_all(b"\x30\x06\x00\x03cmdx").await.unwrap();
    for stream in &mut held {
        stream.read_exact(&mut [0; 8]).await.unwrap();
    }
    println!("one message to all of them in {:.0} ms", told.elapsed().as_secs_f64() * 1e3);
}

async fn connect(running: &Running, client_id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(running.mqtt.unwrap()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let body =
        [&b"\x00\x04MQTT\x04\x02\x04\xb0\x00"[..], &[client_id.len() as u8], client_id.as_bytes()].concat();
    stream.write_all(&[&[0x10, body.len() as u8], &body[..]].concat()).await.unwrap();
    stream.read_exact(&mut [0; 4]).await.unwrap();
    stream
}

/// A PUBLISH at QoS 0.
fn packet(topic: &str) -> Vec<u8> {
    let body = [&[0, topic.len() as u8], topic.as_bytes(), &[b'7'; PAYLOAD]].concat();
    assert!(body.len() < 128, "the length fits into one byte");
    [&[0x30, body.len() as u8], &body[..]].concat()
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |n: usize| stat.rsplit(") ").next()?.split(' ').nth(n)?.parse::<f64>().ok();
    // 100 ticks a second on every Linux of today.
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0
}
