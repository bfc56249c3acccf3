//! Shadows: what is outstanding from the start, the oldest first; reported and desired side by side.

use quell_fleet::event::{Event, LinkEvent, Notice, Reading};
use quell_fleet::model::{Name, ShadowDocument, ShadowRecord, ShadowsReach, ShadowsReading};
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Limits, SourceId};
use serde_json::{Value, json};

use crate::world::*;

fn record(thing: &str, shadow: Option<&str>, desired: &Value, reported: &Value, at: i64) -> ShadowRecord {
    let times = |state: &Value| {
        let each =
            state.as_object().unwrap().keys().map(|key| (key.clone(), json!({"timestamp": at / 1_000})));
        each.collect::<serde_json::Map<_, _>>()
    };
    ShadowRecord {
        thing: Name::new(thing),
        shadow: shadow.map(SafeText::new),
        document: ShadowDocument {
            desired: desired.clone(),
            reported: reported.clone(),
            delta: quell_fleet::model::delta(desired, reported),
            version: 7,
            metadata: json!({"desired": times(desired)}),
        },
    }
}

/// Three shadows of which two are outstanding, read at the start.
fn read() -> Fleet {
    let mut fleet = Fleet::new(Limits::default());
    let up = LinkEvent::Up { at: NOW - 5_000, client_id: SafeText::new("q"), filters: Vec::new() };
    fleet.apply(Event::Link(up), NOW - 5_000);
    let found = vec![
        record(
            "Pump",
            None,
            &json!({"quarantine": true, "rate": 5, "name": "p"}),
            &json!({"rate": 5, "name": "p"}),
            NOW - 600_000,
        ),
        record(
            "Lamp",
            Some("config"),
            &json!({"on": false}),
            &json!({"on": true, "lux": 3}),
            NOW - 7_200_000,
        ),
        record("Fan", None, &json!({"speed": 1}), &json!({"speed": 1}), NOW - 60_000),
    ];
    let reach = ShadowsReach { things: 3, ..ShadowsReach::default() };
    let reading = ShadowsReading { found, reach, done: true, ..ShadowsReading::default() };
    poll(&mut fleet, SourceId::Outstanding, Reading::Outstanding(Box::new(reading)));
    fleet
}

#[test]
fn what_is_outstanding_is_known_from_the_start_the_oldest_first() {
    let fleet = read();
    for size in [(160, 48), (120, 36), (80, 24), (60, 15)] {
        let mut app = App::new(look(false));
        render(&mut app, &fleet, NOW, size);
        press(&mut app, &fleet, "5");
        let text = lines(&render(&mut app, &fleet, NOW, size));
        let at = |name: &str| text.find(name).unwrap_or_else(|| panic!("{name} at {size:?}: {text}"));
        assert!(at("Lamp") < at("Pump"), "{text}");
        assert!(!text.contains("Fan"), "it did what it was told: {text}");
        insta::assert_snapshot!(format!("outstanding_{}x{}", size.0, size.1), text);
    }
}

#[test]
fn enter_gives_the_shadow_the_screen_and_keys_stay_about_its_thing() {
    let fleet = read();
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "5");
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "j\n");
    let text = lines(&render(&mut app, &fleet, NOW, (80, 24)));
    assert!(text.contains("≠ quarantine") && text.contains("REPORTED"), "{text}");
    assert!(text.contains("  rate") && !text.contains("≠ rate"), "{text}");
    press(&mut app, &fleet, "i");
    let planned = app.take_effects().into_iter().find_map(|effect| match effect {
        quell::console::app::Effect::Plan { intent, .. } => Some(intent),
        _ => None,
    });
    // No thing of that name is known to the registry of this fleet: nothing is planned for another one.
    assert!(planned.is_none_or(|intent| intent.things().iter().all(|t| t.thing.raw() == "Pump")));
    press(&mut app, &fleet, "q");
    let text = lines(&render(&mut app, &fleet, NOW, (80, 24)));
    assert!(text.contains("oldest first"), "q takes the screen back first: {text}");
}

#[test]
fn what_is_reported_is_outstanding_no_more_and_a_new_delta_is() {
    let mut fleet = read();
    let document = ShadowDocument {
        desired: json!({"on": false}),
        reported: json!({"on": false}),
        version: 8,
        ..ShadowDocument::default()
    };
    let (thing, shadow) = (Name::new("Lamp"), Some(SafeText::new("config")));
    let done = Notice::ShadowDocument { thing, shadow, document, at: NOW };
    let (thing, state) = (Name::new("Stranger"), json!({"\u{1b}[31m": "\u{202e}x"}));
    let asked = Notice::ShadowDelta { thing, shadow: None, version: 1, state, at: NOW };
    let batch = quell_fleet::event::Batch { notices: vec![done, asked], ..Default::default() };
    fleet.apply(Event::Batch(batch), NOW);
    let names: Vec<String> = fleet.outstanding().iter().map(|one| one.thing.raw().to_owned()).collect();
    assert_eq!(names, ["Pump", "Stranger"]);
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (160, 48));
    press(&mut app, &fleet, "5");
    let text = lines(&render(&mut app, &fleet, NOW, (160, 48)));
    assert!(text.contains("Stranger") && text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
}
