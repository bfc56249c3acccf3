//! The room and the fleet: thirty devices by name at every size, ten thousand by group, the loud ones named.

use quell_fleet::event::{Event, LinkEvent, Reading};
use quell_fleet::model::{Name, ThingRecord, Violation};
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Limits, SourceId};
use quell_rules::detect::model::MetricValue;

use crate::views::screen;
use crate::world::*;

fn fleet(count: usize, types: usize, alarms: &[&str]) -> Fleet {
    let mut fleet = Fleet::new(Limits::default());
    let up = LinkEvent::Up { at: NOW - 5_000, client_id: SafeText::new("q"), filters: Vec::new() };
    fleet.apply(Event::Link(up), NOW - 5_000);
    let things = (1..=count).map(|i| ThingRecord {
        name: Name::new(&format!("participant-{i:02}")),
        thing_type: (types > 0).then(|| SafeText::new(&format!("Sensor-{}", i % types.max(1)))),
    });
    poll(&mut fleet, SourceId::Things, Reading::Things(things.collect()));
    let large = behavior("LargeMessageSize", "aws:message-byte-size", 1000, None);
    let violations: Vec<Violation> = alarms
        .iter()
        .map(|thing| Violation {
            value: Some(MetricValue { count: Some(3000), ..MetricValue::default() }),
            ..violation(thing, thing, large.clone(), 3000, NOW - 60_000)
        })
        .collect();
    poll(&mut fleet, SourceId::Violations, Reading::Violations(violations));
    let members = Some(vec![Name::new("participant-03")]);
    let group = Name::new("IsolatedDevices");
    poll(&mut fleet, SourceId::Members(group.clone()), Reading::Members(group, members));
    fleet.tick(NOW);
    fleet
}

#[test]
fn a_room_of_thirty_is_named_at_every_size() {
    let fleet = fleet(30, 0, &["participant-17"]);
    for size in [(200, 50), (160, 48), (80, 24)] {
        let mut app = App::new(look(false));
        let text = screen(&mut app, &fleet, "gi", size);
        if size.0 == 80 {
            for i in 1..=30 {
                assert!(text.contains(&format!("participant-{i:02}")), "{i} at {size:?}:\n{text}");
            }
        }
        insta::assert_snapshot!(format!("room_{}x{}", size.0, size.1), text);
    }
}

/// Large figures and tiles with their words tell it: a legend of letters that no tile shows would tell it once more.
#[test]
fn the_words_of_a_room_are_counted_in_large_and_letters_have_a_legend() {
    for (count, legend) in [(6, false), (300, true)] {
        let fleet = fleet(count, 0, &["participant-03"]);
        let mut app = App::new(look(false));
        let text = screen(&mut app, &fleet, "gi", (160, 48));
        assert_eq!(text.contains(" A 1 ALARM "), legend, "{text}");
    }
}

#[test]
fn ten_thousand_devices_fit_by_group_and_the_loud_ones_are_named() {
    let mut fleet = fleet(10_000, 4, &["participant-4711", "participant-42"]);
    let members = (1..=500).map(|i| Name::new(&format!("participant-{i:02}"))).collect();
    let group = Name::new("Floor1");
    poll(&mut fleet, SourceId::Members(group.clone()), Reading::Members(group, Some(members)));
    for size in [(200, 50), (80, 24)] {
        let mut app = App::new(look(false));
        let text = screen(&mut app, &fleet, "8", size);
        assert!(text.contains("ALARM participant-4711") && text.contains("ALARM participant-42"), "{text}");
        assert!(text.contains("thing group Floor1: 500 devices"), "{text}");
        assert!(text.contains("A 2 ALARM"), "{text}");
        insta::assert_snapshot!(format!("fleet_{}x{}", size.0, size.1), text);
    }
}
