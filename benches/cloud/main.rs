//! `quell local` beside mosquitto, as programs of their own, in one run: what a message costs them, with and without client
//! certificates, what a connection takes, how soon the first client is let in, and what the control plane answers.
//!
//!     cargo bench --bench cloud
//!
//! Only the servers' processor time counts, and on a machine that others use too only ratios mean something. What identity
//! costs beside TLS (policies looked up and evaluated, Detect's metering) is what the step from plain to certificates costs
//! more than it does in mosquitto, which does only the TLS.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

#[path = "../peers/cost.rs"]
mod cost;
mod servers;

use std::time::{Duration, Instant};

use servers::{Door, Mosquitto, Quell, Server, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Payload of each message, in bytes: about what a temperature report has.
const PAYLOAD: usize = 100;
/// Messages in flight at most when nobody is to be overrun.
const WINDOW: usize = 5_000;

/// How much is measured.
#[derive(Clone, Copy)]
struct Size {
    messages: usize,
    connections: usize,
    requests: usize,
    starts: usize,
}

fn main() {
    // `cargo test --all-targets` runs benches without `--bench`: then it is enough that it works.
    let full = std::env::args().any(|a| a == "--bench");
    let size = if full {
        Size { messages: 200_000, connections: 10_000, requests: 2_000, starts: 10 }
    } else {
        Size { messages: 200, connections: 10, requests: 5, starts: 1 }
    };
    servers::allow_many_connections();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        first_connack(size.starts).await;
        let quell = Quell::start();
        let mosquitto = Mosquitto::start();
        if mosquitto.is_none() {
            println!("mosquitto is not here: there is nothing to compare with");
        }
        messages(&quell, mosquitto.as_ref(), size.messages).await;
        connections(&quell, mosquitto.as_ref(), size.connections).await;
        requests(&quell, size.requests).await;
    });
}

/// From exec to the first CONNACK, the fastest of some.
async fn first_connack(starts: usize) {
    let mut best = Duration::MAX;
    for _ in 0..starts {
        let began = Instant::now();
        let quell = Quell::start();
        quell.door(Door::Plain).connect("first").await;
        best = best.min(began.elapsed());
    }
    println!("start to first CONNACK: {:.0} ms", best.as_secs_f64() * 1e3);
}

/// Processor time a message, through one publisher and one subscriber.
async fn messages(quell: &Quell, mosquitto: Option<&Mosquitto>, count: usize) {
    println!("\n| CPU-s per million messages of {PAYLOAD} bytes | mosquitto | quell local | ratio |");
    println!("| --- | --- | --- | --- |");
    let mut flat = [[0.0; 2]; 2];
    for (n, door) in [Door::Plain, Door::Certificate].into_iter().enumerate() {
        for rate in [Some(10_000), Some(50_000), None] {
            let count = rate.map_or(count, |rate| count.min(rate * 4));
            let ours = cost(quell, door, count, rate).await;
            let theirs = match mosquitto {
                Some(mosquitto) => cost(mosquitto, door, count, rate).await,
                None => f64::NAN,
            };
            let offered = rate.map_or_else(|| "flat out".to_owned(), |rate| format!("{rate}/s"));
            println!("| {door}, {offered} | {theirs:.2} | {ours:.2} | {:.2} |", ours / theirs);
            if rate.is_none() {
                flat[n] = [theirs, ours];
                println!("| messages/s a core, {door} | {:.0} | {:.0} | |", 1e6 / theirs, 1e6 / ours);
            }
        }
    }
    let [[their_plain, our_plain], [their_tls, our_tls]] = flat;
    let identity = (our_tls - our_plain) - (their_tls - their_plain);
    println!(
        "\nPolicies and metering, beside TLS: {:.0} % of a message with a certificate",
        identity / our_tls * 100.0
    );
}

/// CPU-s a million, at `rate` messages a second or as fast as they come through.
async fn cost(server: &impl Server, door: Door, count: usize, rate: Option<usize>) -> f64 {
    let door = server.door(door);
    let mut subscriber = door.connect("subscriber").await;
    subscriber.write_all(b"\x82\x06\x00\x01\x00\x01#\x00").await.unwrap();
    subscriber.flush().await.unwrap();
    subscriber.read_exact(&mut [0; 5]).await.unwrap();
    let mut publisher = door.connect("publisher").await;
    let packet = publish("dt/00001/temperature");
    let size = packet.len();
    let (sender, mut came) = tokio::sync::watch::channel(0usize);
    let reader = tokio::spawn(async move {
        let (mut bytes, mut buffer) = (0, vec![0; 256 * 1024]);
        while bytes < count * size {
            match tokio::time::timeout(Duration::from_secs(5), subscriber.read(&mut buffer)).await {
                Ok(Ok(n)) if n > 0 => bytes += n,
                // What was dropped never comes.
                _ => break,
            }
            let _ = sender.send(bytes / size);
        }
        bytes / size
    });
    let (began, before) = (Instant::now(), server.cpu());
    let mut sent = 0;
    while sent < count {
        let due = match rate {
            Some(rate) => ((began.elapsed().as_secs_f64() * rate as f64) as usize).min(count),
            None => (sent + 500).min(count),
        };
        publisher.write_all(&packet.repeat(due - sent)).await.unwrap();
        publisher.flush().await.unwrap();
        sent = due;
        match rate {
            Some(_) => tokio::time::sleep(Duration::from_micros(500)).await,
            None => {
                let near = |heard: &usize| heard + WINDOW >= sent;
                if tokio::time::timeout(Duration::from_secs(5), came.wait_for(near)).await.is_err() {
                    break;
                }
            }
        }
    }
    let heard = reader.await.unwrap();
    assert!(heard * 10 >= count * 9, "{heard} of {count} messages came through: that is no measurement");
    (server.cpu() - before) * 1e6 / heard as f64
}

/// Memory a connection, with a subscription each.
async fn connections(quell: &Quell, mosquitto: Option<&Mosquitto>, count: usize) {
    println!("\n| KB a connection, {count} of them | mosquitto | quell local |");
    println!("| --- | --- | --- |");
    for door in [Door::Plain, Door::Certificate] {
        let ours = held(quell, door, count).await;
        let theirs = match mosquitto {
            Some(mosquitto) => held(mosquitto, door, count).await,
            None => (f64::NAN, 0.0),
        };
        println!("| {door} | {:.1} | {:.1} |", theirs.0, ours.0);
        println!("| {door}, seconds until all are connected | {:.1} | {:.1} |", theirs.1, ours.1);
    }
}

/// KB each, and seconds until the last is connected.
async fn held(server: &impl Server, door: Door, count: usize) -> (f64, f64) {
    let door = server.door(door);
    let (before, began) = (server.resident_kb(), Instant::now());
    let mut held: Vec<Box<dyn Stream>> = Vec::with_capacity(count);
    while held.len() < count {
        let from = held.len();
        let some = (from..count.min(from + 32)).map(|n| {
            let door = &door;
            async move {
                let mut stream = door.connect(&format!("idle{n:06}")).await;
                stream.write_all(b"\x82\x08\x00\x01\x00\x03cmd\x00").await.unwrap();
                stream.flush().await.unwrap();
                stream.read_exact(&mut [0; 5]).await.unwrap();
                stream
            }
        });
        held.extend(futures_util::future::join_all(some).await);
    }
    let took = began.elapsed().as_secs_f64();
    ((server.resident_kb() - before) / count as f64, took)
}

/// What the control plane answers a second of its processor time.
async fn requests(quell: &Quell, count: usize) {
    let iot = quell.iot();
    println!();
    for what in ["ListThings", "DescribeThing"] {
        let before = quell.cpu();
        let began = Instant::now();
        for _ in 0..count.div_ceil(8) {
            let ask = async || match what {
                "ListThings" => iot.list_things().send().await.map(drop).unwrap(),
                _ => iot.describe_thing().thing_name("Thing01").send().await.map(drop).unwrap(),
            };
            futures_util::future::join_all((0..8).map(|_| ask())).await;
        }
        let asked = count.div_ceil(8) * 8;
        println!(
            "{what}: {:.0}/s, {:.0} a second of processor time",
            asked as f64 / began.elapsed().as_secs_f64(),
            asked as f64 / (quell.cpu() - before),
        );
    }
}

/// A PUBLISH at QoS 0.
fn publish(topic: &str) -> Vec<u8> {
    let body = [&[0, topic.len() as u8], topic.as_bytes(), &[b'7'; PAYLOAD]].concat();
    assert!(body.len() < 128, "the length fits into one byte");
    [&[0x30, body.len() as u8], &body[..]].concat()
}
