//! What must not be overseen: a device that is isolated and yet heard.

use bytes::Bytes;
use quell::console::app::{Effect, Env, Look, Msg};
use quell::console::theme::{Colours, Theme};
use quell_fleet::event::{Batch, Event, Message, ResponseEvent, Stage};
use quell_fleet::model::Name;
use quell_fleet::{Changes, Fleet};
use ratatui::style::Color;

use crate::world::*;

/// The rogue was proven contained and speaks again.
fn leaking() -> (Fleet, Changes) {
    let mut fleet = incident();
    let stage = Stage::Contained { began: NOW - 9_500, took: 1_600 };
    let contained = ResponseEvent::new(Name::new("SensorDevice02"), stage, NOW - 8_000);
    fleet.apply(Event::Response(contained), NOW - 8_000);
    let message = Message { topic: 1, len: 3000, at: NOW - 500, payload: Some(Bytes::from_static(b"Q")) };
    let changes = fleet.apply(Event::Batch(Batch { messages: vec![message], ..Batch::default() }), NOW - 400);
    (fleet, changes)
}

#[test]
fn a_contained_device_says_how_long_it_took_until_that_was_proven() {
    let mut fleet = incident();
    let stage = Stage::Contained { began: NOW - 9_000, took: 1_600 };
    fleet.apply(Event::Response(ResponseEvent::new(Name::new("SensorDevice02"), stage, NOW - 4_200)), NOW);
    let mut app = App::new(look(false));
    let text = lines(&render(&mut app, &fleet, NOW, (160, 48)));
    assert!(text.contains("CONTAINED") && text.contains("contained in 4.8 s"), "{text}");
}

#[test]
fn a_leak_is_told_once_by_bell_and_on_every_screen_until_it_is_over() {
    let (fleet, changes) = leaking();
    assert!(changes.contains(Changes::LEAK));
    for keys in ["", "2", "3", "4", "5", "6", "7", "8", "gp", "gh", "ga", "gr", "gm", "?", ":x", "J", "3k\n"]
    {
        for size in SIZES {
            let mut app = App::new(look(false));
            render(&mut app, &fleet, NOW, size);
            press(&mut app, &fleet, keys);
            app.update(Msg::Fleet(changes), &Env { fleet: &fleet, now: NOW });
            let text = lines(&render(&mut app, &fleet, NOW, size));
            assert!(text.contains("LEAKING"), "{keys:?} at {size:?}: {text}");
            let rings = |app: &mut App| {
                let told = app.take_effects();
                told.iter()
                    .filter(|e| matches!(e, Effect::Notify(t) if t.as_str().contains("SensorDevice02")))
                    .count()
            };
            assert_eq!(rings(&mut app), 1, "{keys:?}");
            app.update(Msg::Fleet(changes), &Env { fleet: &fleet, now: NOW });
            assert_eq!(rings(&mut app), 0, "the same leak rings once");
        }
    }
}

#[test]
fn without_colour_the_words_and_shapes_are_still_there() {
    let (fleet, changes) = leaking();
    let mut app = App::new(Look { theme: Theme::named(None, Colours::None, false).unwrap(), ..look(false) });
    app.update(Msg::Fleet(changes), &Env { fleet: &fleet, now: NOW });
    let buffer = render(&mut app, &fleet, NOW, (80, 24));
    for cell in buffer.content() {
        assert!(cell.fg == Color::Reset && cell.bg == Color::Reset, "{cell:?}");
    }
    let text = lines(&buffer);
    for word in ["LEAKING", "▲", "ALARM", "NO DATA"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn without_aws_nothing_of_it_is_missing() {
    let fleet = Fleet::new(quell_fleet::Limits::default());
    let mut app = App::new(Look { aws: false, ..look(false) });
    for keys in ["", "4", "6", "gp", "ga", "gr"] {
        render(&mut app, &fleet, NOW, (160, 48));
        press(&mut app, &fleet, keys);
        let text = lines(&render(&mut app, &fleet, NOW, (160, 48)));
        assert!(text.contains("no AWS") && !text.contains("? ALARM"), "{keys}: {text}");
        assert!(!text.contains("reading "), "{keys}: {text}");
    }
}
