//! A fleet with fixed events and times, and the screens made of it.

use std::sync::Arc;

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use quell::console::app::{self, Effect, Env, JournalLine, Look, Msg};
use quell::console::command::CommandId;
use quell::console::keymap::Keymap;
use quell::console::theme::{Colours, Theme};
use quell::console::views;
use quell_fleet::event::{Batch, Event, LinkEvent, Message, Notice, Poll, Reading, TopicEntry};
use quell_fleet::model::{
    CertificateRecord, Identity, JobCounts, JobRecord, Name, ProfileRecord, ThingRecord, Violation,
};
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Limits, Ms, SourceId};
use quell_rules::detect::model::{Behavior, ComparisonOperator, Criteria, MetricValue};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

pub(crate) const NOW: Ms = 1_574_254_500_000;
pub(crate) const SIZES: [(u16, u16); 8] =
    [(160, 48), (80, 24), (200, 50), (120, 36), (100, 30), (60, 15), (40, 10), (20, 5)];

pub(crate) fn look(ascii: bool) -> Look {
    Look {
        theme: Theme::named(None, Colours::Sixteen, ascii).unwrap(),
        keymap: Keymap::load(None, None).unwrap(),
        zone: TimeZone::UTC,
        badge: Some(SafeText::new("LOCAL ×10")),
        read_only: false,
        aws: true,
        journal: None,
        speed: 10.0,
        isolation_group: "IsolatedDevices".to_owned(),
        update_group: "NeedsUpdate".to_owned(),
        streams_all: None,
    }
}

pub(crate) fn behavior(name: &str, metric: &str, limit: i64, seconds: Option<i64>) -> Behavior {
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

pub(crate) fn violation(id: &str, thing: &str, behavior: Behavior, got: i64, started: Ms) -> Violation {
    Violation {
        id: id.to_owned(),
        thing: Name::new(thing),
        profile: SafeText::new("LargeMessages"),
        behavior,
        value: Some(MetricValue { count: Some(got), ..MetricValue::default() }),
        verification: None,
        note: None,
        started,
        last: started,
    }
}

pub(crate) fn poll(fleet: &mut Fleet, source: SourceId, reading: Reading) {
    let outcome = Ok(reading);
    fleet.apply(
        Event::Poll(Poll { source, generation: 1, at: NOW - 3_000, outcome, next_at: None }),
        NOW - 3_000,
    );
}

/// Ten minutes of a small fleet in which SensorDevice02 went wrong three minutes ago.
pub(crate) fn incident() -> Fleet {
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
        ..ProfileRecord::default()
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

/// The console, and what it wanted so far.
pub(crate) struct App {
    app: app::App,
    effects: Vec<Effect>,
}

impl std::ops::Deref for App {
    type Target = app::App;

    fn deref(&self) -> &app::App {
        &self.app
    }
}

impl App {
    pub(crate) fn new(look: Look) -> Self {
        Self { app: app::App::new(look), effects: Vec::new() }
    }

    pub(crate) fn update(&mut self, msg: Msg, env: &Env<'_>) {
        self.effects.extend(self.app.update(msg, env));
    }

    pub(crate) fn run(&mut self, id: CommandId, env: &Env<'_>) {
        self.update(Msg::Run(id), env);
    }

    pub(crate) fn journal_read(&mut self, lines: Vec<JournalLine>) {
        let fleet = Fleet::new(Limits::default());
        self.update(Msg::Journal(Ok(lines)), &Env { fleet: &fleet, now: NOW });
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

pub(crate) fn render(app: &mut App, fleet: &Fleet, now: Ms, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let env = Env { fleet, now };
    app.update(Msg::Resize(width, height), &env);
    terminal.draw(|frame| views::draw(app, &env, frame.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

pub(crate) fn lines(buffer: &Buffer) -> String {
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

pub(crate) fn press(app: &mut App, fleet: &Fleet, keys: &str) {
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\x1b' => KeyCode::Esc,
            // ctrl-u, which empties a line that is typed.
            '\x15' => KeyCode::Char('u'),
            c => KeyCode::Char(c),
        };
        let modifiers = if key == '\x15' { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
        app.update(Msg::Key(KeyEvent::new(code, modifiers)), &Env { fleet, now: NOW });
    }
}

pub(crate) fn snapshots(name: &str, keys: &str, sizes: &[(u16, u16)]) {
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
