//! What sends: enough of a broker for one client, and a publisher that a real broker takes messages from.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Bytes of each message.
pub(crate) const BYTES: usize = 120;

/// A connection that messages go out on.
pub(crate) struct Feeder(TcpStream);

impl Feeder {
    /// Enough of a broker, of MQTT 3.1.1: it accepts one client and then only talks.
    pub(crate) fn accept(listener: &TcpListener) -> Self {
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

    /// A client of the broker at `port` that only publishes.
    pub(crate) fn publisher(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        // CONNECT: MQTT 3.1.1, a clean session, no keep-alive, client id `feeder`.
        stream.write_all(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x00\x00\x06feeder").unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        Self(stream)
    }

    /// `count` messages over `topics` topics, `rate` a second or as fast as they are taken.
    pub(crate) fn feed(&mut self, count: u64, topics: u64, rate: Option<u64>) {
        let packets: Vec<Vec<u8>> = (0..topics)
            .map(|i| {
                let topic = format!("dt/site/device-{i:06}/telemetry");
                let length = 2 + topic.len() + BYTES;
                let mut packet = vec![0x30, (length % 128) as u8 | 0x80, (length / 128) as u8];
                packet.extend((topic.len() as u16).to_be_bytes());
                packet.extend(topic.as_bytes());
                packet.extend([b'7'; BYTES]);
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
