//! The views of the account, each at a wide and at a narrow size, and the dialogs of the incident.

use quell::console::app::{Effect, Env, JournalLine, Look, Msg};
use quell::response::{DetectChange, Intent};
use quell_fleet::account::{
    AccountReading, CustomMetricRecord, DimensionRecord, EffectivePolicy, FindingRecord, JobDetail,
    MetricSeries, RuleRecord, RuleSeries, TrainingRecord,
};
use quell_fleet::audit::{
    AuditSetup, AuditTask, AuditTasks, MitigationAction, Resource, Schedule, Suppression,
};
use quell_fleet::event::Reading;
use quell_fleet::model::{ExecutionRecord, Name, ProfileRecord, ShadowDocument, ViolationEvent};
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, SourceId};
use quell_rules::detect::model::{ComparisonOperator, MetricValue};
use ratatui::style::Color;

use crate::world::*;

/// Lets a device connect and publish as itself, on topics it does not use.
const ALLOW: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Sid": "Own", "Effect": "Allow", "Action": ["iot:Connect", "iot:Publish"], "Resource": [
        "arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}",
        "arn:aws:iot:us-east-1:123456789012:topic/dt/${iot:Connection.Thing.ThingName}/*"]}]}"#;
const ROGUE: &str = "SensorDevice02";

/// The incident, with everything the account's views read.
pub(crate) fn account() -> Fleet {
    let mut fleet = incident();
    let mut inverted = behavior("LargeMessageSize", "aws:message-byte-size", 2000, None);
    if let Some(criteria) = &mut inverted.criteria {
        criteria.comparison_operator = Some(ComparisonOperator::GreaterThan);
        criteria.consecutive_datapoints_to_alarm = Some(1);
    }
    let profile = |name: &str, behaviors, targets: &[&str]| ProfileRecord {
        name: SafeText::new(name),
        behaviors,
        targets: targets.iter().map(|t| SafeText::new(t)).collect(),
        ..ProfileRecord::default()
    };
    let profiles = vec![
        profile("DetectLargeMessageSize", vec![inverted], &["arn:aws:iot:us-east-1:123456789012:all/things"]),
        profile(
            "MsgSentSecProfile",
            vec![behavior("MsgSentBehavior", "aws:num-messages-sent", 50, Some(300))],
            &[],
        ),
    ];
    poll(&mut fleet, SourceId::Profiles, Reading::Profiles(profiles));
    let event = |id: &str, kind: &str, thing: &str, at, verdict: Option<&str>| ViolationEvent {
        id: id.to_owned(),
        thing: Name::new(thing),
        profile: SafeText::new("LargeMessages"),
        behavior: SafeText::new("LargeMessageSize"),
        kind: SafeText::new(kind),
        value: Some(MetricValue { count: Some(3000), ..MetricValue::default() }),
        verification: verdict.map(SafeText::new),
        note: verdict.map(|_| SafeText::new("a test of the sensor")),
        at,
    };
    let events = vec![
        event("a1", "in-alarm", ROGUE, NOW - 120_000, None),
        event("old", "in-alarm", "SensorDevice03", NOW - 7_200_000, Some("FALSE_POSITIVE")),
        event("old", "alarm-cleared", "SensorDevice03", NOW - 3_600_000, Some("FALSE_POSITIVE")),
    ];
    poll(&mut fleet, SourceId::ViolationEvents, Reading::ViolationEvents(events));
    let mut learn = |source, reading| poll(&mut fleet, source, Reading::Account(reading));
    let values = vec![SafeText::new("temperature/#")];
    let dimension = DimensionRecord { name: SafeText::new("Temperatures"), values };
    learn(SourceId::Dimensions, AccountReading::Dimensions(vec![dimension]));
    let metric = CustomMetricRecord {
        name: SafeText::new("battery"),
        kind: SafeText::new("number"),
        display: Some(SafeText::new("Battery")),
    };
    learn(SourceId::CustomMetrics, AccountReading::CustomMetrics(vec![metric]));
    let model = TrainingRecord {
        profile: SafeText::new("Learned"),
        behavior: SafeText::new("Sent"),
        status: SafeText::new("PENDING_BUILD"),
        collected: Some(12.5),
        since: Some(NOW - 86_400_000),
        refreshed: None,
    };
    learn(SourceId::Training, AccountReading::Training(vec![model]));
    let mut quiet = behavior("Quiet", "aws:num-disconnects", 5, Some(300));
    quiet.suppress_alerts = Some(true);
    let quiet = violation("s1", "SensorDevice03", quiet, 9, NOW - 60_000);
    learn(SourceId::Suppressed, AccountReading::Suppressed(vec![quiet]));
    let points = (1..=12).map(|i| {
        (
            NOW - i * 300_000,
            MetricValue { count: Some(if i < 3 { 3000 } else { 110 }), ..MetricValue::default() },
        )
    });
    let mut points: Vec<_> = points.collect();
    points.reverse();
    let metric = SafeText::new("aws:message-byte-size");
    let series = MetricSeries { metric: metric.clone(), points };
    let rogue = Name::new(ROGUE);
    learn(SourceId::Values(rogue.clone(), metric), AccountReading::Values(rogue, series));
    let finding = |id: &str, check: &str, severity: &str, suppressed| FindingRecord {
        resource_id: Default::default(),
        id: SafeText::new(id),
        check: SafeText::new(check),
        severity: SafeText::new(severity),
        resource: SafeText::new("device certificate 9f3c9f3c"),
        related: vec![SafeText::new("client id SensorDevice03 at 203.0.113.7")],
        reason: SafeText::new("Certificate shared by multiple devices."),
        suppressed,
        at: NOW - 600_000,
    };
    let findings = vec![
        finding("f1", "DEVICE_CERTIFICATE_SHARED_CHECK", "CRITICAL", false),
        finding("f2", "LOGGING_DISABLED_CHECK", "LOW", true),
    ];
    learn(SourceId::Findings, AccountReading::Findings(findings));
    let rule = |name: &str, sql: &str, disabled| RuleRecord {
        deliveries: Vec::new(),
        metrics: Vec::new(),
        name: Name::new(name),
        disabled,
        sql: SafeText::new(sql),
        sql_version: SafeText::new("2016-03-23"),
        description: SafeText::new("What a sensor measures above 60 percent"),
        actions: vec![SafeText::new("CloudWatch metric IoT / HighHumidity = 1")],
        error_action: None,
        created: Some(NOW - 60_000),
    };
    let rules = vec![
        rule(
            "HighHumidity",
            "SELECT * FROM '$aws/things/+/shadow/update/accepted' WHERE Humidity > 60",
            false,
        ),
        rule("Off", "SELECT * FROM 'dt/+/data'", true),
    ];
    learn(SourceId::Rules, AccountReading::Rules(rules));
    audits_and_metrics(&mut learn);
    let thing = Name::new(ROGUE);
    let policy = EffectivePolicy {
        name: SafeText::new("WorkshopPolicy"),
        hangs_on: SafeText::new("certificate 9f3c9f3c…"),
        statements: vec![SafeText::new("Allow iot:* on *")],
        principal: "9f3c".repeat(16),
        document: Some(ALLOW.to_owned()),
        of_group: false,
    };
    learn(SourceId::PoliciesOf(thing.clone()), AccountReading::Policies(thing.clone(), vec![policy]));
    let execution = ExecutionRecord {
        job: Name::new("Update-temp-firmware"),
        thing: thing.clone(),
        status: SafeText::new("QUEUED"),
        number: 1,
        queued: Some(NOW - 50_000),
        started: None,
        updated: None,
    };
    learn(SourceId::JobsOf(thing.clone()), AccountReading::JobsOf(thing.clone(), vec![execution]));
    let ports = |list: &[i64]| MetricValue { ports: Some(list.to_vec()), ..MetricValue::default() };
    let number = |n: f64| MetricValue { number: Some(n), ..MetricValue::default() };
    let metrics = vec![
        MetricSeries {
            metric: SafeText::new("aws:listening-tcp-ports"),
            points: vec![(NOW - 600_000, ports(&[22])), (NOW - 300_000, ports(&[22, 4444]))],
        },
        // One of the account's own, by the name people gave it.
        MetricSeries {
            metric: SafeText::new("battery"),
            points: vec![(NOW - 600_000, number(80.0)), (NOW - 300_000, number(12.5))],
        },
    ];
    learn(SourceId::MetricsOf(thing.clone()), AccountReading::Metrics(thing, metrics));
    job(&mut fleet);
    fleet.tick(NOW);
    fleet
}

/// What the job runs, and how far its devices are.
fn job(fleet: &mut Fleet) {
    let name = Name::new("Update-temp-firmware");
    let detail = JobDetail {
        document: serde_json::json!({"operation": "update-firmware", "version": "1.1"}),
        per_minute: Some(10),
        growing: None,
        abort: vec![SafeText::new("canceled when 20 % of at least 10 end FAILED")],
        timeout_minutes: None,
        retries: Vec::new(),
    };
    let learnt = Reading::Account(AccountReading::JobDetail(name.clone(), Some(detail)));
    poll(fleet, SourceId::JobDetail(name.clone()), learnt);
    let execution = |thing: &str, status: &str, started: Option<i64>, updated: Option<i64>| ExecutionRecord {
        job: name.clone(),
        thing: Name::new(thing),
        status: SafeText::new(status),
        number: 1,
        queued: Some(NOW - 60_000),
        started: started.map(|ago| NOW - ago),
        updated: updated.map(|ago| NOW - ago),
    };
    let executions = vec![
        execution("SensorDevice01", "SUCCEEDED", Some(55_000), Some(40_000)),
        execution("SensorDevice03", "SUCCEEDED", Some(54_000), Some(22_000)),
        execution("dev-XBHY", "IN_PROGRESS", Some(30_000), Some(30_000)),
        execution(ROGUE, "QUEUED", None, None),
    ];
    poll(fleet, SourceId::Executions(name.clone()), Reading::Executions(name, executions));
}

/// An audit under way, what is suppressed, an action, and what CloudWatch has of a rule.
fn audits_and_metrics(learn: &mut impl FnMut(SourceId, AccountReading)) {
    let audit = |id: &str, status: &str, ended, started| AuditTask {
        id: Name::new(id),
        status: SafeText::new(status),
        schedule: None,
        started: Some(started),
        total: 17,
        ended,
        non_compliant: 2,
        failed: 0,
    };
    let tasks = AuditTasks {
        audits: vec![
            audit("a2", "IN_PROGRESS", 9, NOW - 20_000),
            audit("a1", "COMPLETED", 17, NOW - 600_000),
        ],
        mitigations: Vec::new(),
    };
    learn(SourceId::AuditTasks, AccountReading::AuditTasks(tasks));
    let setup = AuditSetup {
        role: Some(SafeText::new("arn:aws:iam::123456789012:role/service-role/AWSIoTDeviceDefenderAudit")),
        checks: vec![
            (Name::new("LOGGING_DISABLED_CHECK"), true),
            (Name::new("DEVICE_CERTIFICATE_AGE_CHECK"), false),
        ],
        suppressions: vec![Suppression {
            check: Name::new("LOGGING_DISABLED_CHECK"),
            resource: Resource([("account".to_owned(), Name::new("123456789012"))].into()),
            until: Some(NOW + 3 * 86_400_000),
            description: SafeText::new("known"),
        }],
        actions: vec![MitigationAction {
            name: Name::new("AddToIsolatedDevices"),
            kind: SafeText::new("ADD_THINGS_TO_THING_GROUP"),
            does: SafeText::new("adds the things to IsolatedDevices"),
        }],
        schedules: Some(vec![Schedule {
            name: Name::new("nightly"),
            frequency: "WEEKLY".to_owned(),
            day: Some("MON".to_owned()),
            checks: vec!["LOGGING_DISABLED_CHECK".to_owned()],
        }]),
    };
    learn(SourceId::AuditSetup, AccountReading::AuditSetup(setup));
    let minute = NOW / 60_000 * 60_000;
    let series = |namespace: &str, name: &str, points| RuleSeries {
        namespace: SafeText::new(namespace),
        name: SafeText::new(name),
        points,
    };
    let readings = (0..9).map(|i| (minute - (20 - i) * 60_000, (i * 7 % 5) as f64)).collect();
    let all = vec![
        series("IoT", "HighHumidity", readings),
        series("AWS/IoT", "TopicMatch", vec![(minute - 60_000, 42.0)]),
        series("AWS/IoT", "Failure", Vec::new()),
    ];
    let rule = Name::new("HighHumidity");
    learn(SourceId::RuleMetrics(rule.clone()), AccountReading::RuleMetrics(rule, all));
}

fn journal() -> Vec<JournalLine> {
    let line = |verb: &str, outcome: &str, good| JournalLine {
        at: NOW - 30_000,
        who: SafeText::new("ann"),
        what: SafeText::new(verb),
        target: SafeText::new(ROGUE),
        outcome: SafeText::new(outcome),
        good,
        verb: verb.to_owned(),
        targets: vec![Name::new(ROGUE)],
        plan: format!("plan-{verb}"),
        details: vec![SafeText::new(
            "12:54:30 iot:AddThingToThingGroup on thing/SensorDevice02: accepted, request 6065a584-f4d4",
        )],
    };
    vec![line("revoke", "refused: read-only", false), line("isolate", "proven after 4.8 s", true)]
}

pub(crate) fn screen(app: &mut App, fleet: &Fleet, keys: &str, size: (u16, u16)) -> String {
    render(app, fleet, NOW, size);
    press(app, fleet, keys);
    lines(&render(app, fleet, NOW, size))
}

#[test]
fn the_forms_and_facets_of_the_account() {
    let fleet = account();
    for (name, keys) in [
        ("rule_form", "gre"),
        ("audit_form", "gan"),
        ("suppress_form", "gas"),
        ("device_sizes", "2\t\t"),
        ("device_policies", "2\t\t\t\t"),
    ] {
        for size in [SIZES[0], SIZES[1]] {
            let mut app = App::new(look(false));
            app.journal_read(journal());
            let text = screen(&mut app, &fleet, keys, size);
            insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), text);
        }
    }
}

/// Read from a file by the palette, tried, and left again: nothing of it is a plan.
#[test]
fn a_proposed_policy_is_tried_on_the_device_and_nothing_is_changed() {
    let fleet = account();
    let mut app = App::new(look(false));
    let text = screen(&mut app, &fleet, "2gy", (160, 48));
    assert!(text.contains("in effect") && text.contains("its resources do not match"), "{text}");
    app.take_effects();
    press(&mut app, &fleet, ":policy ~/wide.json\n");
    let effects = app.take_effects();
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::ReadPolicy { thing, path } => Some((thing.clone(), path.clone())),
        _ => None,
    });
    let Some((thing, path)) = asked else { panic!("{effects:?}") };
    assert_eq!((thing.raw(), path.to_str()), (ROGUE, Some("~/wide.json")));
    let wide = r#"{"Version": "2012-10-17", "Statement": {"Sid": "All", "Effect": "Allow", "Action": "iot:*",
        "Resource": "*"}}"#;
    let env = Env { fleet: &fleet, now: NOW };
    app.update(Msg::PolicyRead { thing, path: path.clone(), read: Ok(wide.to_owned()) }, &env);
    let text = screen(&mut app, &fleet, "", (160, 48));
    assert!(text.contains("wide.json, proposed") && text.contains("0 refused"), "{text}");
    assert!(text.contains("wide statement 1 (All); refused today"), "{text}");
    let text = screen(&mut app, &fleet, "gy", (80, 24));
    assert!(text.contains("in effect") && !text.contains("proposed"), "{text}");
    app.update(Msg::PolicyRead { thing: Name::new(ROGUE), path, read: Ok("{".to_owned()) }, &env);
    let text = screen(&mut app, &fleet, "", (160, 48));
    assert!(text.contains("not a JSON document") && text.contains("in effect"), "{text}");
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Plan { .. } | Effect::Confirm { .. })));
}

#[test]
fn a_note_is_about_the_thing_under_the_cursor_or_the_marked_ones() {
    let fleet = account();
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (80, 24));
    let mut noted = |keys: &str| {
        app.take_effects();
        press(&mut app, &fleet, keys);
        let found = app.take_effects().into_iter().find_map(|effect| match effect {
            Effect::Note { things, text, .. } => Some((things, text)),
            _ => None,
        });
        found.unwrap()
    };
    let (things, text) = noted("2:note seen at the gate: <b>\n");
    assert_eq!((things, text.as_str()), (vec![Name::new(ROGUE)], "seen at the gate: <b>"));
    // The key opens the palette with its word typed already.
    let (things, text) = noted("7gothe evening is over\n");
    assert_eq!((things.len(), text.as_str()), (0, "the evening is over"));
}

#[test]
fn nothing_read_is_never_nothing_there() {
    let fleet = Fleet::new(quell_fleet::Limits::default());
    for keys in ["gp", "gh", "ga", "gr"] {
        let mut app = App::new(look(false));
        let text = screen(&mut app, &fleet, keys, (80, 24));
        assert!(text.contains("reading"), "{keys}: {text}");
        assert!(!text.contains(" 0 ") && !text.contains("no topic rule"), "{keys}: {text}");
    }
}

#[test]
fn an_inverted_criterion_and_a_rule_that_cannot_match_are_told() {
    let fleet = account();
    let mut app = App::new(look(false));
    let text = screen(&mut app, &fleet, "gp", (160, 48));
    assert!(text.contains("looks inverted"), "{text}");
    let text = screen(&mut app, &fleet, "gr", (160, 48));
    assert!(text.contains("state.reported.Humidity"), "{text}");
    // The next profile is judged by nobody.
    let text = screen(&mut app, &fleet, "gpj", (160, 48));
    assert!(text.contains("attached to nothing"), "{text}");
}

#[test]
fn a_filter_narrows_the_history_by_kind_and_by_word() {
    let fleet = account();
    let mut app = App::new(look(false));
    let text = screen(&mut app, &fleet, "gh/state:alarm-cleared\n", (160, 48));
    assert!(text.contains("1 of 3") && !text.contains(ROGUE), "{text}");
    assert!(text.contains("false positive"), "{text}");
}

#[test]
fn a_room_sees_no_account_and_no_address_and_can_plan_nothing() {
    let fleet = account();
    let mut app = App::new(look(false));
    screen(&mut app, &fleet, "gi", (160, 48));
    for keys in ["1", "2", "ga", "gp", "8"] {
        let text = screen(&mut app, &fleet, keys, (160, 48));
        assert!(!text.contains("123456789012") && !text.contains("203.0.113.7"), "{text}");
        assert!(text.contains("INSTRUCTOR"), "{text}");
    }
    app.take_effects();
    press(&mut app, &fleet, "1");
    for key in ["i", "u", "D", "R"] {
        press(&mut app, &fleet, key);
        assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Plan { .. })), "{key}");
        assert!(app.dialog().is_none(), "{key}");
    }
}

#[test]
fn undo_and_finish_name_the_plan_of_the_journal() {
    let fleet = account();
    let mut app = App::new(look(false));
    app.journal_read(journal());
    let text = screen(&mut app, &fleet, "7j\n", (80, 24));
    assert!(text.contains("6065a584-f4d4") && text.contains("u undo"), "{text}");
    app.take_effects();
    press(&mut app, &fleet, "u");
    let effects = app.take_effects();
    let planned = effects.iter().find_map(|e| match e {
        Effect::Plan { intent, .. } => Some(intent),
        _ => None,
    });
    let Some(Intent::Undo { plan }) = planned else { panic!("{effects:?}") };
    assert_eq!(plan, "plan-isolate");
    // It came to its end: nothing is left to send.
    press(&mut app, &fleet, "\x1b\x1b7F");
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Plan { .. })));
    // What the gate refused was never sent.
    press(&mut app, &fleet, "\x1b7ggu");
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Plan { .. })));
}

#[test]
fn a_group_is_named_before_a_plan_is_asked_for() {
    let fleet = account();
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "+");
    let text = lines(&render(&mut app, &fleet, NOW, (80, 24)));
    assert!(text.contains("Put into a thing group") && text.contains("NeedsUpdate"), "{text}");
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Plan { .. })));
    press(&mut app, &fleet, "2\n");
    let effects = app.take_effects();
    let Some(Effect::Plan { intent: Intent::Join { group, things }, .. }) =
        effects.iter().find(|e| matches!(e, Effect::Plan { .. }))
    else {
        panic!("{effects:?}")
    };
    assert_eq!((group.raw(), things[0].thing.raw()), ("NeedsUpdate2", ROGUE));
}

#[test]
fn read_only_is_on_every_screen_and_no_write_is_hinted_at() {
    let fleet = account();
    for size in SIZES {
        let mut app = App::new(Look { read_only: true, ..look(false) });
        let text = screen(&mut app, &fleet, "", size);
        if size.0 >= 40 {
            assert!(text.contains("READ-ONLY"), "{size:?}: {text}");
        }
        assert!(!text.contains("isolate "), "{size:?}: {text}");
    }
}

/// Sixteen colours are all a shared jump host has: nothing may ask for more.
#[test]
fn every_view_keeps_to_sixteen_colours() {
    let fleet = account();
    for keys in [
        "", "2", "3", "4", "5", "6", "7", "8", "gp", "gh", "ga", "gr", "gm", "gi", "gw", "gy", "?", ":", "J",
        "a+",
    ] {
        let mut app = App::new(look(false));
        render(&mut app, &fleet, NOW, (80, 24));
        press(&mut app, &fleet, keys);
        for cell in render(&mut app, &fleet, NOW, (80, 24)).content() {
            for colour in [cell.fg, cell.bg] {
                assert!(!matches!(colour, Color::Rgb(..) | Color::Indexed(_)), "{keys}: {colour:?}");
            }
        }
    }
}

#[test]
fn a_profile_is_checked_at_every_key_and_planned_only_when_it_is_right() {
    let fleet = account();
    let mut app = App::new(look(false));
    let text = screen(&mut app, &fleet, "gn", (80, 24));
    assert!(text.contains("normal when message size below 1.0 kB"), "{text}");
    insta::assert_snapshot!("profile_form_80x24", text);
    // Normal turned round: the healthy ones would alarm, the rogue would not.
    let text = screen(&mut app, &fleet, "\t\t\t\t\t\t\t  ", (160, 48));
    assert!(text.contains("the WRONG device would alarm: SensorDevice02"), "{text}");
    insta::assert_snapshot!("profile_form_inverted_160x48", text);
    let planned = |app: &mut App| {
        let effects = app.take_effects();
        effects.into_iter().find_map(|e| match e {
            Effect::Plan { intent: Intent::Detect(change), .. } => Some(change),
            _ => None,
        })
    };
    let text = screen(&mut app, &fleet, "\tx\n", (80, 24));
    assert!(text.contains("the limit is a whole number") && text.contains("1000x"), "{text}");
    insta::assert_snapshot!("profile_form_wrong_80x24", text);
    assert!(planned(&mut app).is_none());
    // Left and opened again: nothing is lost.
    let text = screen(&mut app, &fleet, "\x1bgn", (60, 15));
    assert!(text.contains("1000x"), "{text}");
    insta::assert_snapshot!("profile_form_60x15", text);
    press(&mut app, &fleet, "\x1bgpn\n");
    let Some(DetectChange::Apply { profile, heard, .. }) = planned(&mut app) else { panic!("no plan") };
    // One of the workshop's name is there already: it is not what "new" begins with.
    assert_eq!(profile.security_profile_name, "DetectLargeMessageSize-2");
    assert!(heard.iter().any(|n| n.text.as_str().contains("SensorDevice02")), "{heard:?}");
}

#[test]
fn small_forms_say_what_is_wrong_beside_the_field() {
    let fleet = account();
    let planned = |keys: &str| {
        let mut app = App::new(look(false));
        let text = screen(&mut app, &fleet, keys, (80, 24));
        let effects = app.take_effects();
        let change = effects.into_iter().find_map(|e| match e {
            Effect::Plan { intent: Intent::Detect(change), .. } => Some(change),
            _ => None,
        });
        (text, change)
    };
    let (text, none) = planned("gp+\n");
    assert!(text.contains("whom?") && text.contains("judges now: all things") && none.is_none(), "{text}");
    insta::assert_snapshot!("profile_attach_80x24", text);
    let (_, change) = planned("gp+NeedsUpdate\n");
    let Some(DetectChange::Attach { profile, targets }) = change else { panic!("{change:?}") };
    assert_eq!((profile.raw(), targets[0].as_str()), ("DetectLargeMessageSize", "NeedsUpdate"));
    let (_, change) = planned("gp-\n");
    assert!(matches!(change, Some(DetectChange::Detach { .. })), "{change:?}");
    let (text, none) = planned("gpd\tTemperatures\n");
    assert!(text.contains("at least one topic filter") && none.is_none(), "{text}");
    let (_, change) = planned("gpm\tbattery\n");
    assert!(matches!(change, Some(DetectChange::CreateMetric { .. })), "{change:?}");
    let (text, change) = planned("ghv \tno sensor\n");
    let Some(DetectChange::Verify { violations, state, note }) = change else { panic!("{text}") };
    assert_eq!(
        (violations[0].as_str(), state.as_str(), note.as_str()),
        ("a1", "FALSE_POSITIVE", "no sensor")
    );
    let (_, change) = planned("gpX");
    assert!(matches!(change, Some(DetectChange::Delete { .. })), "{change:?}");
}

#[test]
fn a_kind_of_event_that_says_neither_is_neither_bad_news_nor_good() {
    let mut fleet = account();
    let event = |kind: &str, at| ViolationEvent {
        id: kind.to_owned(),
        thing: Name::new(ROGUE),
        profile: SafeText::new("LargeMessages"),
        behavior: SafeText::new("LargeMessageSize"),
        kind: SafeText::new(kind),
        value: None,
        verification: None,
        note: None,
        at,
    };
    // The newest is under the cursor, where colours are others.
    let kinds = ["in-alarm", "alarm-cleared", "alarm-invalidated"];
    let events = kinds.iter().zip(1..).map(|(kind, ago)| event(kind, NOW - ago * 10_000)).collect();
    poll(&mut fleet, SourceId::ViolationEvents, Reading::ViolationEvents(events));
    let good = look(false).theme.good.fg;
    for keys in ["4", "gh"] {
        let mut app = App::new(look(false));
        render(&mut app, &fleet, NOW, (160, 48));
        press(&mut app, &fleet, keys);
        let buffer = render(&mut app, &fleet, NOW, (160, 48));
        let text = lines(&buffer);
        let ink = |word: &str| {
            let (y, line) = text.lines().enumerate().find(|(_, line)| line.contains(word)).unwrap();
            let x = line.split(word).next().unwrap().chars().count();
            buffer.cell((x as u16, y as u16)).unwrap().style().fg
        };
        assert_eq!(ink("alarm-cleared"), good, "{text}");
        assert_ne!(ink("alarm-invalidated"), good, "{text}");
    }
}

/// Every view, with what an account has to show, at every size.
#[test]
fn every_view_at_every_size() {
    let fleet = account();
    let views = [
        ("overview", "1"),
        ("device", "2"),
        ("stream", "3"),
        ("violations", "4"),
        ("shadows", "5"),
        ("jobs", "6"),
        ("journal", "7"),
        ("grid", "8"),
        ("profiles", "gp"),
        ("history", "gh"),
        ("audit", "ga"),
        ("rules", "gr"),
        ("doctor", "gd"),
        ("what_if", "gw"),
        ("connection", "gl"),
        ("guide", "gt"),
        ("executions", "6\n"),
        ("policy", "2gy"),
        ("metrics", "gm"),
        ("instructor", "gi"),
    ];
    for (name, keys) in views {
        let mut screens = String::new();
        for size in [(200, 50), (160, 48), (120, 36), (100, 30), (80, 24), (60, 15), (40, 10)] {
            let mut app = App::new(look(false));
            app.journal_read(journal());
            render(&mut app, &fleet, NOW, size);
            press(&mut app, &fleet, keys);
            screens.push_str(&format!("{}x{}\n", size.0, size.1));
            screens.push_str(&lines(&render(&mut app, &fleet, NOW, size)));
        }
        insta::assert_snapshot!(format!("every_{name}"), screens);
    }
}

#[test]
fn on_a_narrow_screen_enter_gives_what_is_chosen_the_screen_and_esc_the_list_again() {
    let fleet = account();
    for (keys, list, told) in [
        ("gp", "Security profiles", "normal when message size"),
        ("gr", "Topic rules", "on error"),
        ("ga", "Audit findings", "mended by"),
    ] {
        let mut app = App::new(look(false));
        let text = screen(&mut app, &fleet, keys, (80, 24));
        assert!(text.contains(list), "{text}");
        let text = screen(&mut app, &fleet, "\n", (80, 24));
        assert!(!text.contains(list) && text.contains(told), "{text}");
        // It scrolls, and stays that of the same line.
        let text = screen(&mut app, &fleet, "jjk", (80, 24));
        assert!(!text.contains(list), "{text}");
        let text = screen(&mut app, &fleet, "\x1b", (80, 24));
        assert!(text.contains(list), "{text}");
    }
}

/// Without a finding Enter gives the audits the screen: what mends what each check finds is told whole.
#[test]
fn what_mends_what_a_check_finds_is_never_cut() {
    let mut fleet = account();
    poll(&mut fleet, SourceId::Findings, Reading::Account(AccountReading::Findings(Vec::new())));
    let mut setup = fleet.audit_setup().get().unwrap().clone();
    setup.checks =
        ["DEVICE_CERTIFICATE_SHARED_CHECK", "CONFLICTING_CLIENT_IDS_CHECK", "LOGGING_DISABLED_CHECK"]
            .iter()
            .cycle()
            .take(16)
            .map(|check| (Name::new(check), true))
            .collect();
    poll(&mut fleet, SourceId::AuditSetup, Reading::Account(AccountReading::AuditSetup(setup)));
    let mut app = App::new(look(false));
    let text = screen(&mut app, &fleet, "ga", (80, 24));
    assert!(text.contains("shows what mends each"), "{text}");
    insta::assert_snapshot!("audit_no_findings_80x24", text);
    let text = screen(&mut app, &fleet, "\n", (80, 24));
    assert!(!text.contains("Audit findings"), "{text}");
    let all = screen(&mut app, &fleet, "jjjjjj", (80, 24));
    assert!(all.contains("revoke the shared one"), "{all}");
    assert!(all.contains("cannot be cut off alone"), "{all}");
    insta::assert_snapshot!("audit_opened_80x24", all);
    let text = screen(&mut app, &fleet, "\x1b", (80, 24));
    assert!(text.contains("Audit findings"), "{text}");
}

#[test]
fn a_rule_is_shown_with_what_it_makes_of_the_messages_that_are_known() {
    let mut fleet = account();
    let document = ShadowDocument {
        reported: serde_json::json!({"Humidity": 78.5}),
        version: 3,
        ..ShadowDocument::default()
    };
    let thing = Name::new(ROGUE);
    let reading = Reading::Shadow(thing.clone(), None, Some(document));
    poll(&mut fleet, SourceId::Shadow(thing, None), reading);
    let mut app = App::new(look(false));
    let text = screen(&mut app, &fleet, "gr", (160, 48));
    assert!(text.contains("The last messages on its topics"), "{text}");
    insta::assert_snapshot!("rules_tried_160x48", text);
}

#[test]
fn without_a_job_it_is_told_whom_one_would_reach() {
    let mut fleet = account();
    poll(&mut fleet, SourceId::Jobs, Reading::Jobs(Vec::new()));
    let group = Name::new("NeedsUpdate");
    let members = Reading::Members(group.clone(), Some(vec![Name::new("SensorDevice01")]));
    poll(&mut fleet, SourceId::Members(group), members);
    let mut app = App::new(look(false));
    let text = screen(&mut app, &fleet, "6", (160, 48));
    assert!(text.contains("1 thing in NeedsUpdate") && text.contains("Update-temp-firmware"), "{text}");
    insta::assert_snapshot!("jobs_none_160x48", text);
}

#[test]
fn a_finding_about_a_certificate_leads_to_the_policies_of_the_thing_that_has_it() {
    let mut fleet = account();
    let rogue = fleet.find(ROGUE).unwrap();
    let certificate = fleet.device(rogue).certificates().get().unwrap()[0].id.clone();
    let mut finding = fleet.findings().get().unwrap()[0].clone();
    for (id, told) in [(certificate.as_str(), "in effect"), ("0000", "is not known here")] {
        finding.resource_id = Resource([("deviceCertificateId".to_owned(), Name::new(id))].into());
        let findings = AccountReading::Findings(vec![finding.clone()]);
        poll(&mut fleet, SourceId::Findings, Reading::Account(findings));
        let mut app = App::new(look(false));
        let text = screen(&mut app, &fleet, "gagy", (160, 48));
        assert!(text.contains(told), "{text}");
    }
}
