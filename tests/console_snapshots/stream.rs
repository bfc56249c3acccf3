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
    String::from_utf8(payload.message.payload.as_deref().unwrap().to_vec()).unwrap()
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
