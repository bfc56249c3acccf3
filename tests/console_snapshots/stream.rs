//! The stream: the line that is shown is the line that is opened, whatever came meanwhile.

use bytes::Bytes;
use quell::console::app::View;
use quell::console::dialogs::Dialog;
use quell_fleet::event::{Batch, Event, LinkEvent, Message, TopicEntry};
use quell_fleet::model::Name;
use quell_fleet::{Fleet, Limits, Ms};

use crate::world::*;

/// Two devices: one under `z2m/`, one that is far more talkative.
struct Traffic {
    fleet: Fleet,
    sent: u64,
}

impl Traffic {
    fn new() -> Self {
        let mut fleet = Fleet::new(Limits::default());
        let (client_id, filters) = ("quell-1".into(), vec!["#".into()]);
        fleet.apply(Event::Link(LinkEvent::Up { at: NOW - 60_000, client_id, filters }), NOW - 60_000);
        let topic = |id, topic: &str, thing: &str| TopicEntry {
            id,
            topic: topic.into(),
            thing: Some(Name::new(thing)),
            telemetry: true,
        };
        let topics = vec![topic(0, "z2m/kitchen", "Lamp"), topic(1, "dt/pump/7", "Pump")];
        fleet.apply(Event::Batch(Batch { topics, ..Batch::default() }), NOW - 60_000);
        Self { fleet, sent: 0 }
    }

    fn hear(&mut self, topic: u32, at: Ms) {
        self.sent += 1;
        let payload = Bytes::from(format!("no {} on {topic}", self.sent));
        let message = Message { topic, len: payload.len() as u32, at, payload: Some(payload) };
        self.fleet.apply(Event::Batch(Batch { messages: vec![message], ..Batch::default() }), at);
    }
}

/// The payload on the last line of the stream that is shown.
fn last_line(text: &str) -> String {
    let line = text.lines().rfind(|line| line.contains("no ")).unwrap_or_default();
    line.split_once("no ")
        .map(|(_, rest)| format!("no {}", rest.trim_end_matches(['│', ' '])))
        .unwrap_or_default()
}

fn opened(app: &App) -> String {
    let Some(Dialog::Payload(payload)) = app.dialog() else { panic!("nothing is open") };
    String::from_utf8(payload.shown.message.payload.as_deref().unwrap().to_vec()).unwrap()
}

const SIZE: (u16, u16) = (120, 30);

#[test]
fn with_a_filter_the_line_shown_is_opened_and_not_the_newest_of_the_stream() {
    let mut traffic = Traffic::new();
    for i in 0..40 {
        traffic.hear(u32::from(i % 4 != 0), NOW - 40_000 + i * 1_000);
    }
    let mut app = App::new(look(false));
    render(&mut app, &traffic.fleet, NOW, SIZE);
    press(&mut app, &traffic.fleet, "3/z2m\n");
    let shown = last_line(&lines(&render(&mut app, &traffic.fleet, NOW, SIZE)));
    assert_eq!(shown, "no 37 on 0");
    // Between the frame and the key others speak, of the filter's topics too.
    traffic.hear(1, NOW);
    traffic.hear(0, NOW);
    press(&mut app, &traffic.fleet, "\n");
    assert_eq!(opened(&app), shown);
    // The next frame shows what came, and then that is opened.
    press(&mut app, &traffic.fleet, "\x1b");
    let shown = last_line(&lines(&render(&mut app, &traffic.fleet, NOW, SIZE)));
    assert_eq!(shown, "no 42 on 0");
    press(&mut app, &traffic.fleet, "\n");
    assert_eq!(opened(&app), shown);
}

#[test]
fn held_the_last_line_shown_is_opened_and_moved_from() {
    let mut traffic = Traffic::new();
    for i in 0..40 {
        traffic.hear(u32::from(i % 4 != 0), NOW - 40_000 + i * 1_000);
    }
    for filter in ["", "/z2m\n"] {
        let mut app = App::new(look(false));
        press(&mut app, &traffic.fleet, &format!("3{filter}"));
        render(&mut app, &traffic.fleet, NOW, SIZE);
        press(&mut app, &traffic.fleet, "p");
        for _ in 0..5 {
            traffic.hear(0, NOW);
        }
        let shown = last_line(&lines(&render(&mut app, &traffic.fleet, NOW, SIZE)));
        press(&mut app, &traffic.fleet, "\n");
        assert_eq!(opened(&app), shown, "{filter:?}");
        // A first move begins at the line shown, not at the newest one.
        press(&mut app, &traffic.fleet, "\x1bk\n");
        assert_eq!(opened(&app), shown, "{filter:?}");
    }
}

#[test]
fn a_dense_stream_is_opened_and_held_where_it_is_shown() {
    let mut traffic = Traffic::new();
    for i in 0..400 {
        traffic.hear(1, NOW - 10_000 + i * 25);
    }
    let mut app = App::new(look(false));
    press(&mut app, &traffic.fleet, "3");
    let shown = last_line(&lines(&render(&mut app, &traffic.fleet, NOW, SIZE)));
    // The view moves four times a second: what comes now is not shown yet.
    for _ in 0..20 {
        traffic.hear(1, NOW + 10);
    }
    let again = last_line(&lines(&render(&mut app, &traffic.fleet, NOW + 10, SIZE)));
    assert_eq!(again, shown);
    press(&mut app, &traffic.fleet, "\n");
    assert_eq!(opened(&app), shown);
    press(&mut app, &traffic.fleet, "\x1bp");
    let held = lines(&render(&mut app, &traffic.fleet, NOW + 2_000, SIZE));
    assert_eq!(last_line(&held), shown, "{held}");
    assert!(held.contains("PAUSED, 20 more"), "{held}");
}

#[test]
fn a_cursor_that_a_filter_hides_is_let_go() {
    let mut traffic = Traffic::new();
    for i in 0..40 {
        traffic.hear(u32::from(i % 4 != 0), NOW - 40_000 + i * 1_000);
    }
    let mut app = App::new(look(false));
    press(&mut app, &traffic.fleet, "3");
    render(&mut app, &traffic.fleet, NOW, SIZE);
    // On a message of the pump, then only the lamp is shown.
    press(&mut app, &traffic.fleet, "k/z2m\n");
    let shown = last_line(&lines(&render(&mut app, &traffic.fleet, NOW, SIZE)));
    press(&mut app, &traffic.fleet, "\n");
    assert_eq!((opened(&app), app.view()), (shown, &View::Stream));
}

/// A stream with payloads worth searching.
fn searched() -> Traffic {
    let mut traffic = Traffic::new();
    for i in 0..30_i64 {
        let payload = match i % 10 {
            3 => format!("{{\"temperature\": {}.5, \"mode\": \"Full Speed\"}}", 40 + i),
            7 => format!("status {i} \u{1b}[31m alarm"),
            _ => format!("{{\"temperature\": 21.{i}}}"),
        };
        let len = payload.len() as u32;
        let message = Message { topic: 0, len, at: NOW - 30_000 + i * 1_000, payload: Some(payload.into()) };
        traffic.fleet.apply(
            Event::Batch(Batch { messages: vec![message], ..Batch::default() }),
            NOW - 30_000 + i * 1_000,
        );
    }
    traffic
}

#[test]
fn a_search_finds_words_phrases_patterns_and_values_and_says_why_it_finds_nothing() {
    let traffic = searched();
    let shown = |search: &str| {
        let mut app = App::new(look(false));
        render(&mut app, &traffic.fleet, NOW, SIZE);
        press(&mut app, &traffic.fleet, &format!("3/{search}\n"));
        lines(&render(&mut app, &traffic.fleet, NOW, SIZE))
    };
    for (search, hits) in [
        ("temperature>40", "3 hits"),
        ("\"full speed\"", "3 hits"),
        ("payload:status.*alarm", "3 hits"),
        ("temperature>60 mode=\"Full Speed\"", "1 hit "),
        ("size>30 kitchen", "3 hits"),
        ("topic:z2m/+ temperature<25", "24 hits"),
    ] {
        let text = shown(search);
        assert!(text.contains(hits), "{search}: {text}");
    }
    for (search, why) in [
        ("temperature>400", "none of the 30 messages searched has temperature>400"),
        ("payload:[", "payload:[ is no pattern"),
        ("topic:a+b", "topic:a+b is no filter"),
        ("status Full", "has all of it: status 3, Full 3"),
    ] {
        let text = shown(search);
        assert!(text.contains(why), "{search}: {text}");
    }
}

#[test]
fn from_hit_to_hit_among_the_other_messages_too() {
    let traffic = searched();
    let mut app = App::new(look(false));
    render(&mut app, &traffic.fleet, NOW, SIZE);
    press(&mut app, &traffic.fleet, "3/temperature>40\no");
    let text = lines(&render(&mut app, &traffic.fleet, NOW, SIZE));
    assert!(text.contains("status 27"), "the others are shown too: {text}");
    press(&mut app, &traffic.fleet, "n\n");
    assert!(opened(&app).contains("63.5"), "the newest first");
    press(&mut app, &traffic.fleet, "\x1bNN\n");
    assert!(opened(&app).contains("43.5"));
    press(&mut app, &traffic.fleet, "\x1bN");
    let text = lines(&render(&mut app, &traffic.fleet, NOW, SIZE));
    assert!(text.contains("no older message was found"), "{text}");
}

#[test]
fn a_search_takes_no_more_of_a_key_than_of_another_however_much_is_kept() {
    let mut traffic = Traffic::new();
    let payload = Bytes::from(vec![b'x'; 4_000]);
    for i in 0..4_000 {
        let message = Message { topic: 1, len: 4_000, at: NOW - 4_000 + i, payload: Some(payload.clone()) };
        let batch = Batch { messages: vec![message], ..Batch::default() };
        traffic.fleet.apply(Event::Batch(batch), NOW - 4_000 + i);
    }
    let mut app = App::new(look(false));
    render(&mut app, &traffic.fleet, NOW, SIZE);
    press(&mut app, &traffic.fleet, "3/nothing is called so\n");
    let first = lines(&render(&mut app, &traffic.fleet, NOW, SIZE));
    assert!(first.contains("so far"), "a step does not look at all of it: {first}");
    for _ in 0..40 {
        render(&mut app, &traffic.fleet, NOW, SIZE);
    }
    let done = lines(&render(&mut app, &traffic.fleet, NOW, SIZE));
    assert!(!done.contains("so far") && done.contains("none of the 4000 messages"), "{done}");
    // What comes after is found too.
    traffic.hear(0, NOW);
    press(&mut app, &traffic.fleet, "/\x15kitchen\n");
    let found = lines(&render(&mut app, &traffic.fleet, NOW, SIZE));
    assert!(found.contains("1 hit"), "{found}");
}

#[test]
fn beside_the_stream_stands_the_message_keys_are_about_and_what_changed_in_it() {
    let traffic = searched();
    let mut app = App::new(look(false));
    render(&mut app, &traffic.fleet, NOW, (160, 48));
    press(&mut app, &traffic.fleet, "3/mode=\"Full Speed\"\n");
    let text = lines(&render(&mut app, &traffic.fleet, NOW, (160, 48)));
    // The newest hit is shown as a tree, and its temperature as other than in the message before.
    assert!(text.contains("temperature: 63.5"), "{text}");
    assert!(text.contains("temperature: 21.22 → 63.5") && text.contains("+ mode:"), "{text}");
    press(&mut app, &traffic.fleet, "\t");
    let text = lines(&render(&mut app, &traffic.fleet, NOW, (160, 48)));
    assert!(text.contains("[text]"), "{text}");
    insta::assert_snapshot!("stream_search_160x48", text);
}
