//! The bare loop of the client library: it subscribes and counts, and does nothing else; and a loop without any library that only
//! reads. They are this bench's own binary, started once more, so that their processor time is their own.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

/// How long the coalescing loop lets messages gather.
const GATHER: Duration = Duration::from_millis(5);

/// Listens to `dt/#` at `port` until it is killed; `coalesced` sleeps after everything that was there was taken.
pub(crate) fn run(port: u16, coalesced: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut options = MqttOptions::new("bare", ("127.0.0.1", port));
        options.set_keep_alive(30);
        let (client, mut eventloop) = AsyncClient::builder(options).capacity(10).build();
        client.subscribe("dt/#", QoS::AtMostOnce).await.unwrap();
        let mut heard = 0_u64;
        while let Ok(event) = eventloop.poll().await {
            heard += u64::from(matches!(event, Event::Incoming(Packet::Publish(_))));
            if coalesced && eventloop.state.events.is_empty() {
                tokio::time::sleep(GATHER).await;
            }
        }
        std::hint::black_box(heard);
    });
}

/// Reads everything that comes for `dt/#` at `port`, and looks at none of it, until it is killed: what no subscriber can do without.
pub(crate) fn read(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // CONNECT: MQTT 3.1.1, a clean session, no keep-alive, client id `reads`; SUBSCRIBE at QoS 0.
    stream.write_all(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05reads").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    stream.write_all(b"\x82\x09\x00\x01\x00\x04dt/#\x00").unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let mut came = 0;
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => came += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return,
            }
        }
        // As seldom as nothing is lost over it.
        std::thread::sleep(Duration::from_millis(if came > buffer.len() { 5 } else { 40 }));
    }
}
