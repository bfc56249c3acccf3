//! The screens at fixed sizes from a fleet with fixed events and times: the same input must give the same cells.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may unwrap as tests do")]

use std::sync::Arc;

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use quell::console::app::{App, Effect, Env, Look};
use quell::console::command;
use quell::console::key::Key;
use quell::console::keymap::Keymap;
use quell::console::theme::Theme;
use quell::console::views;
use quell::detect::model::{Behavior, ComparisonOperator, Criteria, MetricValue};
use quell::fleet::event::{Batch, Event, LinkEvent, Message, Notice, Poll, Reading, TopicEntry};
use quell::fleet::known::{Trouble, TroubleKind};
use quell::fleet::model::{
    CertificateRecord, Identity, JobCounts, JobRecord, Name, ProfileRecord, ThingRecord, Violation,
};
use quell::fleet::{Fleet, Limits, Ms, SourceId};
use quell::text::SafeText;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

const NOW: Ms = 1_574_254_500_000;
const SIZES: [(u16, u16); 5] = [(160, 48), (80, 24), (60, 15), (40, 10), (20, 5)];

fn look(ascii: bool) -> Look {
    Look {
        theme: Theme::named(None, false, ascii).unwrap(),
        keymap: Keymap::load(None, None).unwrap(),
        zone: TimeZone::UTC,
        badge: Some(SafeText::new("LOCAL ×10")),
        read_only: false,
        aws: true,
        journal: None,
        speed: 10.0,
        isolation_group: "IsolatedDevices".to_owned(),
        update_group: "NeedsUpdate".to_owned(),
    }
}

fn behavior(name: &str, metric: &str, limit: i64, seconds: Option<i64>) -> Behavior {
    Behavior {
        name: name.to_owned(),
        metric: Some(metric.to_owned()),
        metric_dimension: None,
        criteria: Some(Criteria {
            comparison_operator: Some(ComparisonOperator::LessThan),
            value: Some(MetricValue { count: Some(limit), ..MetricValue::default() }),
            duration_seconds: seconds,
            ..Criteria::default()
        }),
        suppress_alerts: None,
        export_metric: None,
    }
}

fn violation(id: &str, thing: &str, behavior: Behavior, got: i64, started: Ms) -> Violation {
    Violation {
        id: id.to_owned(),
        thing: Name::new(thing),
        profile: SafeText::new("LargeMessages"),
        behavior,
        value: Some(MetricValue { count: Some(got), ..MetricValue::default() }),
        verification: None,
        started,
        last: started,
    }
}

fn poll(fleet: &mut Fleet, source: SourceId, reading: Reading) {
    let outcome = Ok(reading);
    fleet.apply(
        Event::Poll(Poll { source, generation: 1, at: NOW - 3_000, outcome, next_at: None }),
        NOW - 3_000,
    );
}

/// Ten minutes of a small fleet in which SensorDevice02 went wrong three minutes ago.
fn incident() -> Fleet {
    let mut fleet = Fleet::new(Limits::default());
    let begin = NOW - 600_000;
    let up = LinkEvent::Up {
        at: begin - 5_000,
        client_id: SafeText::new("quell-1"),
        filters: vec![SafeText::new("temperature-device-01")],
    };
    fleet.apply(Event::Link(up), begin - 5_000);
    let identity = Identity {
        account: SafeText::new("123456789012"),
        arn: SafeText::new("arn:aws:iam::123456789012:user/ops@workshop"),
        region: SafeText::new("us-east-1"),
    };
    poll(&mut fleet, SourceId::Identity, Reading::Identity(identity));
    let names = ["SensorDevice01", "SensorDevice02", "SensorDevice03", "dev-XBHY"];
    let things = names.map(|n| ThingRecord { name: Name::new(n), thing_type: None }).to_vec();
    poll(&mut fleet, SourceId::Things, Reading::Things(things));
    let mut first = Batch::default();
    for (i, name) in names[..3].iter().enumerate() {
        let topic = TopicEntry {
            id: i as u32,
            topic: Arc::from(format!("temperature-device-0{}", i + 1)),
            thing: Some(Name::new(name)),
            telemetry: true,
        };
        first.topics.push(topic);
    }
    first.topics.push(TopicEntry { id: 3, topic: Arc::from("stray/topic"), thing: None, telemetry: true });
    fleet.apply(Event::Batch(first), begin);
    for step in 0..60 {
        let at = begin + step * 10_000;
        let message = |topic: u32, payload: Bytes| Message {
            topic,
            len: payload.len() as u32,
            at,
            payload: Some(payload),
        };
        let normal =
            Bytes::from(format!("{{\"temperature\":21.{},\"pad\":\"{}\"}}", step % 10, "x".repeat(80)));
        let rogue = if step >= 42 { Bytes::from(vec![b'Q'; 3000]) } else { normal.clone() };
        let mut batch = Batch { messages: vec![message(0, normal), message(1, rogue)], ..Batch::default() };
        if step == 50 {
            batch.messages.push(message(3, Bytes::from_static(b"\x1b]52;c;QUJD\x07 \xff\xfe")));
            batch.notices.push(Notice::ShadowDelta {
                thing: Name::new("dev-XBHY"),
                shadow: None,
                version: 2,
                state: serde_json::json!({"quarantine": true, "debug": "off"}),
                at,
            });
        }
        fleet.apply(Event::Batch(batch), at);
    }
    let large = behavior("LargeMessageSize", "aws:message-byte-size", 1000, None);
    let sent = behavior("MsgSentBehavior", "aws:num-messages-sent", 5, Some(300));
    let profile = ProfileRecord {
        name: SafeText::new("LargeMessages"),
        behaviors: vec![large.clone()],
        targets: vec![SafeText::new("all/registered-things")],
    };
    poll(&mut fleet, SourceId::Profiles, Reading::Profiles(vec![profile]));
    let active = vec![
        violation("a1", "SensorDevice02", large, 3000, NOW - 120_000),
        violation("a2", "dev-XBHY", sent, 27, NOW - 540_000),
    ];
    poll(&mut fleet, SourceId::Violations, Reading::Violations(active));
    let certificate = CertificateRecord {
        id: "9f3c".repeat(16),
        status: SafeText::new("ACTIVE"),
        things: vec![Name::new("SensorDevice02"), Name::new("SensorDevice03")],
    };
    let name = Name::new("SensorDevice02");
    poll(&mut fleet, SourceId::Certificates(name.clone()), Reading::Certificates(name, vec![certificate]));
    let job = JobRecord {
        id: Name::new("Update-temp-firmware"),
        status: SafeText::new("IN_PROGRESS"),
        continuous: true,
        targets: vec![SafeText::new("NeedsUpdate")],
        counts: Some(JobCounts { queued: 1, in_progress: 1, succeeded: 3, ..JobCounts::default() }),
        created: Some(NOW - 60_000),
        updated: Some(NOW - 5_000),
        description: None,
    };
    poll(&mut fleet, SourceId::Jobs, Reading::Jobs(vec![job]));
    fleet.tick(NOW);
    fleet
}

fn render(app: &mut App, fleet: &Fleet, now: Ms, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let env = Env { fleet, now };
    app.refresh(&env);
    terminal.draw(|frame| views::draw(app, &env, frame.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in 0..area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < area.width {
            let symbol = buffer.cell((x, y)).unwrap().symbol();
            line.push_str(symbol);
            x += (unicode_width::UnicodeWidthStr::width(symbol) as u16).max(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn press(app: &mut App, fleet: &Fleet, keys: &str) {
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\x1b' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        app.key(KeyEvent::new(code, KeyModifiers::NONE), &Env { fleet, now: NOW });
    }
}

fn snapshots(name: &str, keys: &str, sizes: &[(u16, u16)]) {
    let fleet = incident();
    for size in sizes {
        let mut app = App::new(look(false));
        render(&mut app, &fleet, NOW, *size);
        press(&mut app, &fleet, keys);
        insta::assert_snapshot!(
            format!("{name}_{}x{}", size.0, size.1),
            lines(&render(&mut app, &fleet, NOW, *size))
        );
    }
}

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
    assert!(screen.contains("? alarm"), "unknown is not zero: {screen}");
    assert!(!screen.contains("0 alarm") && !screen.contains("0 violations"), "{screen}");
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

/// Every command, from every view, at every size: nothing panics, and nothing leaves without a confirmation.
#[test]
fn every_command_on_every_size() {
    let fleet = incident();
    let empty = Fleet::new(Limits::default());
    let mut sizes = SIZES.to_vec();
    sizes.extend([(1, 1), (2, 3), (120, 26), (300, 80), (7, 40), (200, 2)]);
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
        counted: Vec::new(),
        notices: vec![Notice::ShadowDelta {
            thing: Name::new(hostile),
            shadow: Some(SafeText::new(hostile)),
            version: 1,
            state: serde_json::json!({ hostile: hostile }),
            at: NOW,
        }],
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
fn ten_thousand_devices_are_drawn_in_no_time() {
    let mut fleet = Fleet::new(Limits::default());
    let things: Vec<_> = (0..10_000)
        .map(|i| ThingRecord { name: Name::new(&format!("Thing{i:05}")), thing_type: None })
        .collect();
    poll(&mut fleet, SourceId::Things, Reading::Things(things));
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (160, 48));
    let began = std::time::Instant::now();
    for _ in 0..20 {
        render(&mut app, &fleet, NOW, (160, 48));
    }
    // Debug build on a shared machine; laying out 10 000 rows 20 times would take many seconds.
    assert!(began.elapsed().as_millis() < 3_000, "{:?}", began.elapsed());
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
    app.paste("iRDq:", &Env { fleet: &fleet, now: NOW });
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Plan { .. } | Effect::Quit)));
    assert!(app.overlay().is_none());
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
