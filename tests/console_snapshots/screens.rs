//! What every screen promises: sizes, names, hostile text, pausing.

use std::sync::Arc;

use bytes::Bytes;
use quell::console::app::{Effect, Env, Look, Msg};
use quell::console::command;
use quell::console::key::Key;
use quell::console::keymap::Keymap;
use quell_fleet::event::{Batch, Event, LinkEvent, Message, Notice, Poll, PresenceKind, Reading, TopicEntry};
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::{Name, ThingRecord};
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Limits, SourceId};

use crate::world::*;

#[test]
fn the_overview_at_every_size() {
    snapshots("overview", "", &SIZES);
}

#[test]
fn the_other_views() {
    for (name, key) in [
        ("device", "2"),
        ("stream", "3"),
        ("violations", "4"),
        ("shadows", "5"),
        ("jobs", "6"),
        ("help", "?"),
    ] {
        snapshots(name, key, &SIZES[..2]);
    }
    snapshots("payload", "3k\n", &SIZES[1..2]);
    snapshots("palette", ":iso", &SIZES[1..2]);
    snapshots("job_form", "J", &SIZES[1..2]);
}

#[test]
fn nothing_is_known_before_the_network() {
    let fleet = Fleet::new(Limits::default());
    let mut app = App::new(look(false));
    let screen = lines(&render(&mut app, &fleet, NOW, (160, 48)));
    assert!(screen.contains("connecting"), "{screen}");
    assert!(screen.contains("? ALARM"), "unknown is not zero: {screen}");
    assert!(!screen.contains("0 ALARM") && !screen.contains("0 violations"), "{screen}");
    let trouble = Trouble {
        kind: TroubleKind::Denied,
        message: SafeText::new("denied"),
        missing_action: Some(SafeText::new("iot:ListActiveViolations")),
        since: NOW,
    };
    let mut fleet = fleet;
    let poll =
        Poll { source: SourceId::Violations, generation: 1, at: NOW, outcome: Err(trouble), next_at: None };
    fleet.apply(Event::Poll(poll), NOW);
    let screen = lines(&render(&mut app, &fleet, NOW, (160, 48)));
    assert!(screen.contains("iot:ListActiveViolations"), "{screen}");
}

/// What a device calls itself, and what it sends, is drawn in ASCII too, and never as a mark of this screen's own.
#[test]
fn in_ascii_nothing_else_is_drawn() {
    let mut fleet = incident();
    let thing = ThingRecord { name: Name::new("Süd…温度"), thing_type: None };
    poll(&mut fleet, SourceId::Things, Reading::Things(vec![thing.clone()]));
    let topic =
        TopicEntry { id: 9, topic: Arc::from("dt/Süd…/温度"), thing: Some(thing.name), telemetry: true };
    let payload = Bytes::from("{\"Größe\":\"5 µm…\"}".as_bytes().to_vec());
    let message = Message { topic: 9, len: payload.len() as u32, at: NOW - 1_000, payload: Some(payload) };
    fleet.apply(
        Event::Batch(Batch { topics: vec![topic], messages: vec![message], ..Batch::default() }),
        NOW - 500,
    );
    let mut shown = String::new();
    for size in SIZES {
        for (start, _) in command::all().filter(|(_, c)| !c.sentence.starts_with("Plan")) {
            let mut app = App::new(look(true));
            render(&mut app, &fleet, NOW, size);
            app.run(start, &Env { fleet: &fleet, now: NOW });
            press(&mut app, &fleet, "\n");
            let text = lines(&render(&mut app, &fleet, NOW, size));
            assert!(text.is_ascii(), "{text}");
            shown.push_str(&text);
        }
    }
    assert!(shown.contains("S\\u{fc}d...\\u{6e29}\\u{5ea6}"), "its name is escaped");
    assert!(shown.contains("\\u{b5}m..."), "what it sent is escaped");
    assert!(
        shown.contains("SIZE | 10 min <=1.0 kB") && !shown.contains("-1.0 kB"),
        "no limit is a negative number"
    );
}

/// Every command, from every view, at every size: nothing panics, and nothing leaves without a confirmation.
#[test]
fn every_command_on_every_size() {
    let fleet = incident();
    let empty = Fleet::new(Limits::default());
    let mut sizes = SIZES[1..].to_vec();
    sizes.extend([(1, 1), (2, 3), (120, 26), (7, 40), (200, 2)]);
    for (fleet, sizes) in [(&fleet, &sizes[..]), (&empty, &SIZES[1..])] {
        for size in sizes {
            let mut app = App::new(look(size.0 == 80));
            let env = Env { fleet, now: NOW };
            for start in ["overview", "device", "stream", "violations", "shadows", "jobs", "journal"] {
                for (id, command) in command::all() {
                    app.run(command::find(start).unwrap(), &env);
                    app.run(id, &env);
                    press(&mut app, fleet, "x\t");
                    render(&mut app, fleet, NOW, *size);
                    for effect in app.take_effects() {
                        assert!(
                            !matches!(effect, Effect::Confirm { .. }),
                            "{} confirmed by itself",
                            command.id
                        );
                    }
                    press(&mut app, fleet, "\x1b\x1b\x1b");
                }
            }
        }
    }
}

#[test]
fn alarm_then_plan_is_two_keys_and_names_the_thing() {
    let fleet = incident();
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "jjja");
    press(&mut app, &fleet, "i");
    let effects = app.take_effects();
    let Some(Effect::Plan { intent, .. }) = effects.iter().find(|e| matches!(e, Effect::Plan { .. })) else {
        panic!("no plan was asked for: {effects:?}");
    };
    let names: Vec<_> = intent.things().iter().map(|t| t.thing.raw()).collect();
    assert_eq!(names, ["SensorDevice02"]);
}

#[test]
fn a_filter_takes_the_cursor_along_and_nothing_hidden_is_acted_on() {
    let fleet = incident();
    let planned = |app: &mut App| {
        app.take_effects().into_iter().find_map(|effect| match effect {
            Effect::Plan { intent, .. } => {
                Some(intent.things().iter().map(|t| t.thing.raw().to_owned()).collect::<Vec<_>>())
            }
            _ => None,
        })
    };
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "a/dev-XBHY\n");
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "i");
    assert_eq!(planned(&mut app), Some(vec!["dev-XBHY".to_owned()]));
    press(&mut app, &fleet, "\x1b");
    press(&mut app, &fleet, "/nothing is called so\n");
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "i");
    assert_eq!(planned(&mut app), None);
}

#[test]
fn escape_never_quits_and_steps_out_once() {
    let fleet = incident();
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, " /Sensor\n");
    assert_eq!(app.marked(), 1);
    press(&mut app, &fleet, "\x1b");
    assert_eq!(app.marked(), 1, "the filter goes first");
    press(&mut app, &fleet, "\x1b");
    assert_eq!(app.marked(), 0);
    press(&mut app, &fleet, "\x1b\x1b\x1b");
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Quit)));
    press(&mut app, &fleet, "q");
    assert!(app.take_effects().iter().any(|e| matches!(e, Effect::Quit)));
}

#[test]
fn hostile_text_is_only_printable_cells() {
    let hostile = "\x1b[2J\x1b]52;c;QUJD\x07\r\n\u{202e}evil\u{200b}温度\u{9b}31m";
    let mut fleet = Fleet::new(Limits::default());
    fleet.apply(
        Event::Link(LinkEvent::Up { at: NOW - 9_000, client_id: SafeText::new("q"), filters: Vec::new() }),
        NOW - 9_000,
    );
    let mut payload = hostile.as_bytes().to_vec();
    payload.extend([0xff, 0xfe, 0x00]);
    payload.extend(std::iter::repeat_n(b'A', 128 << 10));
    let batch = Batch {
        topics: vec![TopicEntry {
            id: 0,
            topic: Arc::from(hostile),
            thing: Some(Name::new(hostile)),
            telemetry: true,
        }],
        messages: vec![Message {
            topic: 0,
            len: payload.len() as u32,
            at: NOW - 1_000,
            payload: Some(payload.into()),
        }],
        notices: vec![Notice::ShadowDelta {
            thing: Name::new(hostile),
            shadow: Some(SafeText::new(hostile)),
            version: 1,
            state: serde_json::json!({ hostile: hostile }),
            at: NOW,
        }],
        ..Batch::default()
    };
    fleet.apply(Event::Batch(batch), NOW);
    let act = violation("v", hostile, behavior(hostile, hostile, 1, None), 2, NOW);
    fleet.apply(
        Event::Poll(Poll {
            source: SourceId::Violations,
            generation: 1,
            at: NOW,
            outcome: Ok(Reading::Violations(vec![act])),
            next_at: None,
        }),
        NOW,
    );
    for size in SIZES {
        for keys in
            ["", "2", "3", "4", "5", "3k\n", "3k\nl", "3k\nll", ":evil", "/温\u{202e}\x07", "J\t\u{9b}"]
        {
            let mut app = App::new(look(false));
            render(&mut app, &fleet, NOW, size);
            press(&mut app, &fleet, keys);
            for cell in render(&mut app, &fleet, NOW, size).content() {
                for c in cell.symbol().chars() {
                    let bidi =
                        ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{200b}'..='\u{200f}').contains(&c);
                    assert!(!c.is_control() && !bidi, "{:?} on the screen after {keys:?}", cell.symbol());
                }
            }
        }
    }
}

#[test]
fn the_last_of_ten_thousand_devices_is_one_key_away() {
    let mut fleet = Fleet::new(Limits::default());
    let things: Vec<_> = (0..10_000)
        .map(|i| ThingRecord { name: Name::new(&format!("Thing{i:05}")), thing_type: None })
        .collect();
    poll(&mut fleet, SourceId::Things, Reading::Things(things));
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (160, 48));
    press(&mut app, &fleet, "G");
    assert!(lines(&render(&mut app, &fleet, NOW, (160, 48))).contains("Thing09999"));
}

#[test]
fn pausing_freezes_the_view_and_counting_goes_on() {
    let mut fleet = incident();
    let mut app = App::new(look(false));
    press(&mut app, &fleet, "3p");
    let before = lines(&render(&mut app, &fleet, NOW, (80, 24)));
    let message = Message { topic: 0, len: 7, at: NOW, payload: Some(Bytes::from_static(b"brandnw")) };
    fleet.apply(Event::Batch(Batch { messages: vec![message], ..Batch::default() }), NOW);
    let after = lines(&render(&mut app, &fleet, NOW, (80, 24)));
    assert!(before.contains("PAUSED, 0 more") && after.contains("PAUSED, 1 more"), "{after}");
    assert!(!after.contains("brandnw"));
    press(&mut app, &fleet, "p");
    assert!(lines(&render(&mut app, &fleet, NOW, (80, 24))).contains("brandnw"));
}

#[test]
fn a_paste_is_never_a_command() {
    let fleet = incident();
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (80, 24));
    app.update(Msg::Paste("iRDq:".to_owned()), &Env { fleet: &fleet, now: NOW });
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Plan { .. } | Effect::Quit)));
    assert!(app.dialog().is_none());
}

#[test]
fn keys_are_shown_as_they_are_bound() {
    let map = Keymap::merge(&[("mine", "[global]\n\"f5\" = \"isolate\"\n\"?\" = \"help\"\n")]).unwrap();
    let mut app = App::new(Look { keymap: map, ..look(false) });
    let fleet = incident();
    press(&mut app, &fleet, "?");
    let screen = lines(&render(&mut app, &fleet, NOW, (100, 30)));
    assert!(screen.contains("f5") && !screen.contains("ctrl-z"), "{screen}");
    assert!(Key::parse("f5").is_some());
}

#[test]
fn the_worst_is_in_sight_and_under_the_cursor_until_a_key_is_pressed() {
    let mut fleet = Fleet::new(Limits::default());
    let things = |names: &[String]| {
        let record = |name: &String| ThingRecord { name: Name::new(name), thing_type: None };
        Reading::Things(names.iter().map(record).collect())
    };
    let alarm = |thing: &str| {
        let large = behavior("LargeMessageSize", "aws:message-byte-size", 1000, None);
        violation(thing, thing, large, 3000, NOW - 60_000)
    };
    let cursor = |text: &str| text.lines().find(|line| line.contains('▌')).unwrap_or_default().to_owned();
    let mut app = App::new(look(false));
    // One is heard first; the others of the account come later, and one of them is in alarm.
    poll(&mut fleet, SourceId::Things, things(&["zz".to_owned()]));
    assert!(cursor(&lines(&render(&mut app, &fleet, NOW, (80, 24)))).contains("zz"));
    let names: Vec<String> = (0..60).map(|i| format!("thing-{i:02}")).chain(["zz".to_owned()]).collect();
    poll(&mut fleet, SourceId::Things, things(&names));
    poll(&mut fleet, SourceId::Violations, Reading::Violations(vec![alarm("thing-50")]));
    let text = lines(&render(&mut app, &fleet, NOW + 1_000, (80, 24)));
    assert!(cursor(&text).contains("thing-50"), "{text}");
    // From the first key on the cursor stays with its device.
    press(&mut app, &fleet, "j");
    poll(&mut fleet, SourceId::Violations, Reading::Violations(vec![alarm("thing-40"), alarm("thing-50")]));
    let text = lines(&render(&mut app, &fleet, NOW + 2_000, (80, 24)));
    assert!(cursor(&text).contains("thing-00"), "{text}");
}

#[test]
fn a_read_that_never_comes_back_is_not_shown_as_fresh() {
    let mut fleet = Fleet::new(Limits::default());
    let (source, outcome) = (SourceId::Violations, Ok(Reading::Violations(Vec::new())));
    let next_at = Some(NOW + 1_000);
    fleet.apply(Event::Poll(Poll { source, generation: 1, at: NOW, outcome, next_at }), NOW);
    let mut app = App::new(look(false));
    let mut header = |after: i64| {
        let text = lines(&render(&mut app, &fleet, NOW + after, (160, 48)));
        text.lines().next().unwrap_or_default().to_owned()
    };
    assert!(header(8_000).contains("●AWS read 5 s ago"));
    let late = header(20_000);
    assert!(late.contains("○AWS read 20 s ago, no answer yet"), "{late}");
}

#[test]
fn a_device_that_only_tries_to_connect_is_not_heard_at_its_usual_interval() {
    let mut fleet = incident();
    let mut app = App::new(look(false));
    let text = lines(&render(&mut app, &fleet, NOW, (160, 48)));
    assert!(text.contains("heard every 10 s on temperature-device-02"), "{text}");
    let now = NOW + 57_000;
    let refused = Notice::Presence {
        client: Name::new("SensorDevice02"),
        kind: PresenceKind::ConnectFailed,
        reason: Some(SafeText::new("AUTHORIZATION_FAILED")),
        principal: None,
        version: 1,
        at: now - 200,
        address: None,
        session: None,
        received: None,
    };
    fleet.apply(Event::Batch(Batch { notices: vec![refused], ..Batch::default() }), now - 200);
    fleet.tick(now);
    let text = lines(&render(&mut app, &fleet, now, (160, 48)));
    assert!(text.contains("refused to connect just now"), "{text}");
    assert!(!text.contains("heard every") && text.contains("usually every 10 s"), "{text}");
}
