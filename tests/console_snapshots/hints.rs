//! What the footer offers and what keys act on: nothing that cannot be done, and always something that is seen.

use quell::console::app::{Effect, Env, Look, Msg};
use quell::console::dialogs::{Dialog, Naming};
use quell::response::Intent;
use quell_fleet::event::{Event, LinkEvent, Reading};
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Limits, SourceId};

use crate::views::account;
use crate::world::*;

fn footer(app: &mut App, fleet: &quell_fleet::Fleet, size: (u16, u16)) -> String {
    let text = lines(&render(app, fleet, NOW, size));
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn without_aws_no_change_is_offered() {
    let fleet = account();
    let mut app = App::new(Look { aws: false, ..look(false) });
    let foot = footer(&mut app, &fleet, (160, 48));
    assert!(foot.contains("a next alarm") && foot.contains("? keys"), "{foot}");
    for write in ["isolate", "release", "revoke", "job"] {
        assert!(!foot.contains(write), "{write}: {foot}");
    }
}

#[test]
fn a_list_has_a_line_that_keys_act_on_from_the_start() {
    let fleet = account();
    let planned = |keys: &str| {
        let mut app = App::new(look(false));
        press(&mut app, &fleet, keys);
        let effects = app.take_effects();
        let intent = effects.into_iter().find_map(|e| match e {
            Effect::Plan { intent, .. } => Some(intent),
            _ => None,
        });
        (app, intent)
    };
    let (_, cancel) = planned("6X");
    assert!(matches!(cancel, Some(Intent::CancelJob { .. })), "{cancel:?}");
    // The executions of the job are about the same job.
    let (_, cancel) = planned("6\nX");
    assert!(matches!(cancel, Some(Intent::CancelJob { .. })), "{cancel:?}");
    let (_, isolate) = planned("4i");
    assert!(matches!(isolate, Some(Intent::Isolate { .. })), "{isolate:?}");
    // Typed with a time, with a thing's name and without.
    for (line, whom) in
        [(":isolate --for 30m\n", None), (":isolate --for 2h SensorDevice03\n", Some("SensorDevice03"))]
    {
        let (app, isolate) = planned(&format!("4{line}"));
        let Some(Intent::Isolate { things, time: Some(time), .. }) = isolate else {
            panic!("{line}: {isolate:?}")
        };
        assert_eq!(time.words(), if whom.is_some() { "2 h" } else { "30 min" });
        assert!(whom.is_none_or(|whom| things[0].thing.raw() == whom), "{things:?}");
        drop(app);
    }
    let (_, wrong) = planned("4:isolate --for ever SensorDevice03\n");
    assert!(wrong.is_none(), "{wrong:?}");
    let (app, _) = planned("4M");
    let Some(Dialog::Group(form)) = app.dialog() else { panic!("no mitigation is named") };
    assert!(matches!(&form.naming, Naming::Mitigate(ids) if ids.len() == 1));
    // In the audit the same key is about the finding.
    let (app, _) = planned("gaM");
    let Some(Dialog::Form(form)) = app.dialog() else { panic!("no mitigation is picked") };
    assert!(form.title.as_str().to_lowercase().contains("mitigat"), "{}", form.title);
}

#[test]
fn what_is_about_a_line_is_offered_only_where_there_is_one() {
    let empty = Fleet::new(Limits::default());
    for (keys, offered, not) in [
        ("1", vec!["? keys"], vec!["isolate", "details", "mark", "revoke"]),
        ("4", vec!["? keys"], vec!["isolate", "details"]),
        ("6", vec!["J job"], vec!["details", "cancel job"]),
        ("gh", vec!["? keys"], vec!["details", "verdict", "isolate"]),
        ("gr", vec!["n new rule"], vec!["edit", "delete"]),
        ("ga", vec!["n audit now"], vec!["suppress", "mitigate"]),
        ("ga\n", vec!["n audit now", "q back"], vec!["isolate", "release", "revoke", "next pane", "filter"]),
    ] {
        let mut app = App::new(look(false));
        render(&mut app, &empty, NOW, (160, 48));
        press(&mut app, &empty, keys);
        let foot = footer(&mut app, &empty, (160, 48));
        assert!(offered.iter().all(|word| foot.contains(word)), "{keys}: {foot}");
        assert!(!not.iter().any(|word| foot.contains(word)), "{keys}: {foot}");
    }
    // A profile that has the screen is what keys are about, not a thing.
    let fleet = account();
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "gp");
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "\n");
    let foot = footer(&mut app, &fleet, (160, 48));
    assert!(foot.contains("write a profile") && foot.contains("attach"), "{foot}");
    assert!(!foot.contains("isolate") && !foot.contains("revoke"), "{foot}");
    // Where there is only text, nothing is opened; with a thing in alarm in front, containing it stays first.
    for keys in ["2", "2gy"] {
        let mut app = App::new(look(false));
        render(&mut app, &fleet, NOW, (80, 24));
        press(&mut app, &fleet, keys);
        let foot = footer(&mut app, &fleet, (160, 48));
        assert!(foot.trim_start().starts_with("i isolate") && !foot.contains("details"), "{keys}: {foot}");
    }
}

#[test]
fn how_the_aws_cli_reaches_a_local_cloud_is_told_whole_on_the_first_page() {
    let fleet = account();
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (80, 24));
    let command = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 aws --endpoint-url \
                   http://127.0.0.1:4510 iot list-things";
    app.update(Msg::Reach(SafeText::new(command)), &Env { fleet: &fleet, now: NOW });
    press(&mut app, &fleet, "gl");
    let text = lines(&render(&mut app, &fleet, NOW, (80, 24)));
    assert!(command.split(' ').all(|word| text.contains(word)), "{text}");
}

#[test]
fn a_note_leaves_the_keys_that_matter() {
    let fleet = account();
    for size in [(60, 15), (80, 24), (100, 30)] {
        let mut app = App::new(look(false));
        let before = footer(&mut app, &fleet, size);
        let note = "a sentence of some length about something that went wrong just now";
        app.update(Msg::Recorded(Err(SafeText::new(note))), &Env { fleet: &fleet, now: NOW });
        assert_eq!(footer(&mut app, &fleet, size), before, "{size:?}");
        let text = lines(&render(&mut app, &fleet, NOW, size));
        let above = text.lines().rev().nth(1).unwrap_or_default();
        assert!(above.starts_with('╰') && above.contains(" a sentence of some length"), "{text}");
    }
}

#[test]
fn an_account_without_anything_says_what_to_do() {
    let mut fleet = Fleet::new(Limits::default());
    let up = LinkEvent::Up {
        at: NOW - 5_000,
        client_id: SafeText::new("quell-1"),
        filters: vec![SafeText::new("$aws/events/presence/+/+"), SafeText::new("dt/+/data")],
    };
    fleet.apply(Event::Link(up), NOW - 5_000);
    poll(&mut fleet, SourceId::Things, Reading::Things(Vec::new()));
    for size in [(160, 48), (80, 24)] {
        let text = lines(&render(&mut App::new(look(false)), &fleet, NOW, size));
        for word in ["the registry has no things", "to dt/+/data;", "--topic FILTER", "(quell doctor)"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    let text = lines(&render(&mut App::new(Look { aws: false, ..look(false) }), &fleet, NOW, (80, 24)));
    assert!(!text.contains("doctor") && text.contains("quell demo"), "{text}");
}
