//! The hot path: bytes of MQTT → batch → fleet. Prints messages a second, CPU seconds per million, and bytes a device.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

#[path = "common/counting.rs"]
mod counting;

use std::hint::black_box;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput};
use quell::stream::{Batcher, Topics};
use quell_fleet::event::{Batch, Event, LinkEvent, Message, TopicEntry};
use quell_fleet::model::Name;
use quell_fleet::{Fleet, Limits};
use rumqttc::mqttbytes::v4::{Packet, Publish};

const T0: i64 = 1_700_000_000_000;
const TOPICS: u32 = 1_000;

fn entries(count: u32) -> Vec<TopicEntry> {
    (0..count)
        .map(|id| TopicEntry {
            id,
            topic: format!("dt/site/device-{id:06}/telemetry").into(),
            thing: Some(Name::new(&format!("device-{id:06}"))),
            telemetry: true,
        })
        .collect()
}

fn watching() -> Fleet {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(Event::Link(LinkEvent::Up { at: T0, client_id: "q".into(), filters: Vec::new() }), T0);
    fleet
}

/// Messages of `count`, ten milliseconds apart over the topics in turn.
fn messages(count: u32, topics: u32, from: i64) -> Vec<Message> {
    let payload = Bytes::from_static(&[b'7'; 120]);
    (0..count)
        .map(|i| Message {
            topic: i % topics,
            len: 120,
            at: from + i64::from(i) / 10,
            payload: Some(payload.clone()),
        })
        .collect()
}

fn fold(c: &mut Criterion) {
    let mut group = c.benchmark_group("fold");
    for topics in [100, TOPICS, 100_000] {
        let mut fleet = watching();
        fleet.apply(Event::Batch(Batch { topics: entries(topics), ..Batch::default() }), T0);
        let at = std::cell::Cell::new(T0);
        group.throughput(Throughput::Elements(1_000));
        group.bench_function(format!("1000 messages, {topics} topics"), |b| {
            b.iter_batched(
                || {
                    at.set(at.get() + 100);
                    Batch { messages: messages(1_000, topics, at.get()), ..Batch::default() }
                },
                |batch| black_box(fleet.apply(Event::Batch(batch), at.get())),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// The whole path but the socket: decode, intern, batch, fold.
fn path(c: &mut Criterion) {
    let mut wire = BytesMut::new();
    for i in 0..10_000_u32 {
        let topic = format!("dt/site/device-{:06}/telemetry", i % TOPICS);
        Publish::new(topic, rumqttc::QoS::AtMostOnce, vec![b'7'; 120]).write(&mut wire).unwrap();
    }
    let (sender, _receiver) = tokio::sync::mpsc::channel(1);
    let rule = quell::config::ThingFrom::parse("dt/+/{thing}/#").unwrap();
    let mut batcher = Batcher::new(Topics::new(vec![rule], 16 << 20), sender);
    let mut fleet = watching();
    let mut at = T0;
    let mut run = |wire: &mut BytesMut| {
        at += 10;
        while let Ok(packet) = Packet::read(wire, 256 * 1024) {
            if let Packet::Publish(publish) = packet {
                let topic = std::str::from_utf8(&publish.topic).unwrap();
                batcher.push(topic, &publish.payload, at);
            }
            if batcher.len() >= 1_000 {
                fleet.apply(Event::Batch(batcher.take()), at);
            }
        }
        fleet.apply(Event::Batch(batcher.take()), at);
    };
    let mut group = c.benchmark_group("path");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("decode to fold, 10000 messages, 1000 topics", |b| {
        b.iter_batched(|| wire.clone(), |mut wire| run(&mut wire), BatchSize::LargeInput);
    });
    group.finish();

    let began = Instant::now();
    for _ in 0..100 {
        run(&mut wire.clone());
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("decode to fold: {:.0} messages/s, {seconds:.3} s per million", 1_000_000.0 / seconds);
}

fn bytes_per_device() {
    const DEVICES: u32 = 100_000;
    let mut fleet = Fleet::new(Limits { messages: 1, payload_bytes: 0, ..Limits::default() });
    fleet.apply(Event::Link(LinkEvent::Up { at: T0, client_id: "q".into(), filters: Vec::new() }), T0);
    let before = counting::used();
    fleet.apply(Event::Batch(Batch { topics: entries(DEVICES), ..Batch::default() }), T0);
    let silent = counting::used() - before;
    let mut heard = |minutes: std::ops::Range<i64>| {
        for minute in minutes {
            let at = T0 + minute * 60_000;
            let messages = messages(DEVICES, DEVICES, at);
            fleet.apply(Event::Batch(Batch { messages, ..Batch::default() }), at);
        }
        counting::used() - before
    };
    let (first, later) = (heard(0..3), heard(3..150));
    let each = |bytes: usize| bytes / DEVICES as usize;
    println!(
        "bytes a device, its topic included: {} before its first message, {} after three, {} after two hours",
        each(silent),
        each(first),
        each(later)
    );
}

fn main() {
    bytes_per_device();
    let mut criterion = Criterion::default().configure_from_args();
    fold(&mut criterion);
    path(&mut criterion);
    criterion.final_summary();
}
