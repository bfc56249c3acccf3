//! The bare loop of the client library: it subscribes and counts, and does nothing else. It is this bench's own binary, started
//! once more, so that its processor time is its own.

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
