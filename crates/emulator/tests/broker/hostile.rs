//! Clients that break the protocol, vanish without a word, or never read: the broker and everybody else go on.

use std::time::Duration;

use proptest::prelude::*;
use quell_emulator::Limits;
use quell_emulator::start::Options;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::{LONG, World};

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01h";
const CONNECT5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01h";

/// Sends bytes and gives all that came back until the broker closed.
async fn closed_after(world: &World, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", world.plain())).await.unwrap();
    let mut back = Vec::new();
    let _ = stream.write_all(bytes).await;
    let _ = timeout(LONG, stream.read_to_end(&mut back)).await.expect("the broker closes");
    back
}

#[tokio::test]
async fn a_broken_packet_ends_its_connection_only() {
    let world = World::start().await;
    let mut witness = world.client("witness").await;
    witness.subscribe(&["own"]).await;
    let packets: &[(&str, &[u8])] = &[
        ("not MQTT", b"GET / HTTP/1.1\r\n\r\n"),
        ("another protocol name", b"\x10\x0d\x00\x04MQTX\x04\x02\x00\x3c\x00\x01h"),
        ("an unknown level", b"\x10\x0d\x00\x04MQTT\x09\x02\x00\x3c\x00\x01h"),
        ("a length that never ends", b"\x10\xff\xff\xff\xff\xff"),
        ("a packet larger than any", b"\x10\xff\xff\xff\x7f\x00\x04MQTT\x04"),
        ("PUBLISH before CONNECT", b"\x30\x05\x00\x01aXX"),
        ("a reserved connect flag", b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x3c\x00\x01h"),
        ("a client id beyond the packet", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\xff\xffh"),
        ("a client id that is not UTF-8", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\xff"),
        ("a NUL in the client id", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\x00"),
    ];
    for (what, bytes) in packets {
        let back = closed_after(&world, bytes).await;
        assert!(back.is_empty() || back[0] == 0x20 && back[3] != 0, "{what}: {back:x?}");
    }
    let after: &[(&str, &[u8])] = &[
        ("a second CONNECT", CONNECT),
        ("a server's packet", b"\x20\x02\x00\x00"),
        ("PINGRESP", b"\xd0\x00"),
        ("a reserved type", b"\x00\x00"),
        ("QoS 3", b"\x36\x05\x00\x01a\x00\x01"),
        ("an empty topic", b"\x30\x03\x00\x00x"),
        ("a topic with a wildcard", b"\x30\x04\x00\x01#x"),
        ("a topic that is not UTF-8", b"\x30\x04\x00\x01\xffx"),
        ("packet identifier 0", b"\x32\x05\x00\x01a\x00\x00"),
        ("SUBSCRIBE without a filter", b"\x82\x02\x00\x01"),
        ("SUBSCRIBE with the wrong flags", b"\x80\x06\x00\x01\x00\x01a\x00"),
        ("UNSUBSCRIBE without a filter", b"\xa2\x02\x00\x01"),
        ("PUBREL", b"\x62\x02\x00\x01"),
    ];
    for (what, bytes) in after {
        let back = closed_after(&world, &[CONNECT, bytes].concat()).await;
        assert_eq!(back, [0x20, 2, 0, 0], "{what}");
        let back = closed_after(&world, &[CONNECT5, bytes].concat()).await;
        assert_eq!((back[0], back[3]), (0x20, 0), "{what}: {back:x?}");
    }
    witness.publish("own", "fine").await;
    assert_eq!(witness.text().await.1, "fine");
}

#[tokio::test]
async fn what_follows_the_connect_in_the_same_segment_is_served() {
    let world = World::start().await;
    let mut console = world.client("console").await;
    console.subscribe(&["a"]).await;
    let mut stream = TcpStream::connect(("127.0.0.1", world.plain())).await.unwrap();
    stream.write_all(&[CONNECT, b"\x32\x06\x00\x01a\x00\x01x"].concat()).await.unwrap();
    let mut back = [0; 8];
    timeout(LONG, stream.read_exact(&mut back)).await.expect("an answer").unwrap();
    assert_eq!(back, [0x20, 2, 0, 0, 0x40, 2, 0, 1]);
    assert_eq!(console.text().await.1, "x");
}

#[tokio::test]
async fn a_packet_may_come_byte_by_byte() {
    let world = World::start().await;
    let mut stream = TcpStream::connect(("127.0.0.1", world.plain())).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in [CONNECT5, b"\xc0\x00"].concat() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut head = [0; 2];
    timeout(LONG, stream.read_exact(&mut head)).await.expect("a CONNACK").unwrap();
    let mut rest = vec![0; usize::from(head[1]) + 2];
    timeout(LONG, stream.read_exact(&mut rest)).await.expect("a PINGRESP").unwrap();
    assert_eq!(rest[rest.len() - 2..], [0xd0, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// A burst of random connections, each after a good CONNECT or without one.
    #[test]
    fn random_bytes_hurt_nobody(bursts in prop::collection::vec((0..3u8, prop::collection::vec(any::<u8>(), 0..600)), 20..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::start().await;
            for (kind, bytes) in bursts {
                let mut stream = TcpStream::connect(("127.0.0.1", world.plain())).await.unwrap();
                let head = [&b""[..], CONNECT, CONNECT5][usize::from(kind)];
                let _ = stream.write_all(&[head, &bytes].concat()).await;
                let _ = stream.shutdown().await;
                let mut back = Vec::new();
                let _ = timeout(LONG, stream.read_to_end(&mut back)).await.expect("the broker closes");
            }
            let mut witness = world.client("witness").await;
            witness.subscribe(&["own"]).await;
            witness.publish("own", "fine").await;
            assert_eq!(witness.text().await.1, "fine");
        });
    }
}

/// An account whose broker has short limits.
async fn impatient(limits: Limits) -> World {
    World::with(Options { limits, ..Options::on_free_ports() }).await
}

#[tokio::test]
async fn a_silent_client_is_given_up_after_one_and_a_half_keep_alives() {
    let limits = Limits { keep_alive: 2..=1200, ..Limits::default() };
    let world = impatient(limits).await;
    let (broker, port) = (world.running.account().broker().clone(), world.plain());
    // A half-open connection: the socket stays, nothing comes.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let start = Instant::now();
    stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x02\x00\x01h").await.unwrap();
    let mut back = Vec::new();
    timeout(LONG, stream.read_to_end(&mut back)).await.expect("given up").unwrap();
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(2900), "{took:?}");
    assert_eq!(broker.connection("h").unwrap().disconnect_reason.as_deref(), Some("MQTT_KEEP_ALIVE_TIMEOUT"));
    // One that pings stays.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x02\x00\x01h").await.unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        stream.write_all(b"\xc0\x00").await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(broker.connection("h").unwrap().connected);
}

#[tokio::test]
async fn a_client_that_never_says_connect_is_given_up() {
    let limits = Limits { connect: Duration::from_millis(200), ..Limits::default() };
    let world = impatient(limits).await;
    let (broker, port) = (world.running.account().broker().clone(), world.plain());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(&CONNECT[..5]).await.unwrap();
    let mut back = Vec::new();
    timeout(LONG, stream.read_to_end(&mut back)).await.expect("given up").unwrap();
    assert!(back.is_empty());
    assert_eq!(broker.counters().connections, 0);
}

#[tokio::test]
async fn a_subscriber_that_never_reads_is_bounded_and_then_cut() {
    let limits = Limits { write: Duration::from_secs(1), ..Limits::default() };
    let world = impatient(limits).await;
    let (broker, port) = (world.running.account().broker().clone(), world.plain());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(&[CONNECT, b"\x82\x06\x00\x01\x00\x01#\x00"].concat()).await.unwrap();
    let mut back = [0; 9];
    timeout(LONG, stream.read_exact(&mut back)).await.expect("a SUBACK").unwrap();
    let mut console = crate::client::Client::connect(crate::client::options("console", port)).await;
    console.subscribe(&["own"]).await;
    let payload = vec![b'x'; 100 * 1024];
    let deadline = Instant::now() + LONG;
    let mut held = 0;
    while broker.connection("h").unwrap().connected {
        assert!(Instant::now() < deadline, "it is cut");
        console.publish("flood", payload.clone()).await;
        held = held.max(broker.queued_bytes());
    }
    assert!(held <= Limits::default().session_bytes + 200 * 1024, "{held} bytes were queued");
    assert_eq!(broker.connection("h").unwrap().disconnect_reason.as_deref(), Some("CONNECTION_LOST"));
    console.publish("own", "fine").await;
    assert_eq!(console.text().await.1, "fine");
    crate::until("its queue goes with it", async || (broker.queued_bytes() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_messages_does_not_starve_the_subscribers_own_requests() {
    let world = World::start().await;
    let mut stream = TcpStream::connect(("127.0.0.1", world.plain())).await.unwrap();
    stream.write_all(&[CONNECT, b"\x82\x0c\x00\x01\x00\x07flood/#\x00"].concat()).await.unwrap();
    let mut back = [0; 9];
    timeout(LONG, stream.read_exact(&mut back)).await.expect("a SUBACK").unwrap();
    let port = world.plain();
    let flooding = tokio::spawn(async move {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01f").await.unwrap();
        let messages = MESSAGE.repeat(500);
        while stream.write_all(&messages).await.is_ok() {}
    });
    // Every packet is a MESSAGE or a PINGRESP: a reader of whole packets finds the pongs.
    let (read, mut write) = stream.into_split();
    let mut read = tokio::io::BufReader::with_capacity(64 * 1024, read);
    timeout(LONG, read.read_exact(&mut [0; MESSAGE.len()])).await.expect("the flood").unwrap();
    for _ in 0..5 {
        write.write_all(b"\xc0\x00").await.unwrap();
        let pong = async {
            loop {
                let mut head = [0; 2];
                read.read_exact(&mut head).await.unwrap();
                if head == [0xd0, 0] {
                    return;
                }
                assert_eq!(head, MESSAGE[..2]);
                read.read_exact(&mut [0; MESSAGE.len() - 2]).await.unwrap();
            }
        };
        timeout(LONG, pong).await.expect("a pong in the flood");
    }
    flooding.abort();
}

const MESSAGE: &[u8] = b"\x30\x0a\x00\x07flood/xy";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_connections_are_served() {
    let world = World::start().await;
    let mut held = Vec::new();
    for n in 0..2000 {
        let mut stream = TcpStream::connect(("127.0.0.1", world.plain())).await.unwrap();
        let id = format!("{n:05}");
        let packets = [
            b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05",
            id.as_bytes(),
            b"\x82\x08\x00\x01\x00\x03cmd\x00",
        ];
        stream.write_all(&packets.concat()).await.unwrap();
        let mut back = [0; 9];
        timeout(LONG, stream.read_exact(&mut back)).await.expect("an answer").unwrap();
        assert_eq!(back[..4], [0x20, 2, 0, 0]);
        held.push(stream);
    }
    world.client("console").await.publish("cmd", "x").await;
    for stream in &mut held {
        let mut message = [0; 8];
        timeout(LONG, stream.read_exact(&mut message)).await.expect("the message").unwrap();
        assert_eq!(&message, b"\x30\x06\x00\x03cmdx");
    }
    drop(held);
    let broker = world.running.account().broker().clone();
    crate::until("all are gone", async || broker.connected_clients().is_empty().then_some(())).await;
}
