//! What the fleet promises, event by event.

use super::event::{Batch, Counted, LinkEvent, Message, TopicEntry};
use super::*;

const T0: Ms = 1_700_000_000_000;

fn up(at: Ms) -> Event {
    Event::Link(LinkEvent::Up { at, client_id: "quell-test".into(), filters: Vec::new() })
}

fn topic(id: u32, name: &str, thing: Option<&str>) -> TopicEntry {
    TopicEntry { id, topic: name.into(), thing: thing.map(Name::new), telemetry: true }
}

fn message(topic: u32, at: Ms, len: u32) -> Message {
    Message { topic, len, at, payload: None }
}

fn batch(topics: Vec<TopicEntry>, messages: Vec<Message>) -> Event {
    Event::Batch(Batch { topics, messages, ..Batch::default() })
}

#[test]
fn a_device_is_counted_and_measured() {
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(up(T0), T0);
    let messages = (0..12).map(|i| message(0, T0 + i * 10_000, 120)).collect();
    fleet.apply(batch(vec![topic(0, "t", Some("Thing01"))], messages), T0 + 110_000);
    let device = fleet.device(fleet.find("Thing01").unwrap());
    assert_eq!((device.received(), device.bytes()), (12, 1440));
    assert_eq!(device.p50(), Some(120));
    assert_eq!(device.cadence(), Some(10_000));
    let rate = device.per_minute(T0 + 110_000).unwrap();
    assert!((5.5..6.5).contains(&rate), "{rate}");
    let mut columns = Vec::new();
    device.series().columns(fleet.watch(), T0 + 110_000, 600_000, 36, &mut columns);
    assert_eq!(columns.len(), 36);
    assert_eq!(columns.first(), Some(&Column::NotWatching));
    assert_eq!(columns.last(), Some(&Column::Largest(120)));
}
