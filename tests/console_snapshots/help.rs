//! Help and the palette: what works here, by what it is for, searched by typing, run from where it is found.

use quell::console::app::{Effect, Look, View};

use crate::views::account;
use crate::world::*;

#[test]
fn help_shows_this_view_first_and_typing_searches_and_enter_runs() {
    let fleet = incident();
    for size in [(160, 48), (80, 24), (40, 10)] {
        let mut app = App::new(look(false));
        render(&mut app, &fleet, NOW, size);
        press(&mut app, &fleet, "3?");
        let text = lines(&render(&mut app, &fleet, NOW, size));
        assert!(text.contains("In the stream"), "{size:?}: {text}");
        if let (Some(own), Some(rest)) = (text.find("In the stream"), text.find("Go")) {
            assert!(own < rest, "{text}");
        }
        press(&mut app, &fleet, "shadow");
        let text = lines(&render(&mut app, &fleet, NOW, size));
        assert!(text.contains("/ shadow"), "{text}");
        press(&mut app, &fleet, "s\n");
        render(&mut app, &fleet, NOW, size);
        assert_eq!(app.view(), &View::Shadows);
        assert!(app.dialog().is_none());
    }
}

#[test]
fn what_does_not_work_here_is_found_but_not_run() {
    let fleet = incident();
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (160, 48));
    press(&mut app, &fleet, "?cancellation\n");
    let text = lines(&render(&mut app, &fleet, NOW, (160, 48)));
    assert!(text.contains("cancel job works in jobs"), "{text}");
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Plan { .. })));
}

#[test]
fn a_command_takes_the_things_it_is_typed_with_and_no_others() {
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
    // Marks are of others: what is typed is meant.
    press(&mut app, &fleet, " ");
    press(&mut app, &fleet, ":isolate SensorDevice03\n");
    assert_eq!(planned(&mut app), Some(vec!["SensorDevice03".to_owned()]));
    press(&mut app, &fleet, "\x1b:iso SensorDevice01 SensorDevice03\n");
    assert_eq!(planned(&mut app), Some(vec!["SensorDevice01".to_owned(), "SensorDevice03".to_owned()]));
    // A name that is none plans nothing.
    press(&mut app, &fleet, "\x1b:isolate NoSuchThing\n");
    assert_eq!(planned(&mut app), None);
    press(&mut app, &fleet, "\x1b:dev SensorDevice02\n");
    assert!(matches!(app.view(), View::Device(name) if name.raw() == "SensorDevice02"));
}

#[test]
fn the_palette_offers_only_what_works_here_and_remembers() {
    let fleet = account();
    let mut app = App::new(Look { read_only: true, ..look(false) });
    render(&mut app, &fleet, NOW, (160, 48));
    press(&mut app, &fleet, ":isol");
    let text = lines(&render(&mut app, &fleet, NOW, (160, 48)));
    assert!(!text.contains("Plan the isolation"), "nothing can be changed here: {text}");
    press(&mut app, &fleet, "\x1b:cancel job");
    let text = lines(&render(&mut app, &fleet, NOW, (160, 48)));
    assert!(!text.contains("Plan the cancellation"), "{text}");
    for (alias, view) in [("viol", View::Violations), ("sh", View::Shadows), ("ov", View::Overview)] {
        press(&mut app, &fleet, &format!("\x1b:{alias}\n"));
        assert_eq!(app.view(), &view, "{alias}");
    }
    press(&mut app, &fleet, ":");
    let up = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Up);
    let env = quell::console::app::Env { fleet: &fleet, now: NOW };
    for _ in 0..2 {
        app.update(quell::console::app::Msg::Key(up), &env);
    }
    press(&mut app, &fleet, "\n");
    assert_eq!(app.view(), &View::Shadows, "the one before the last");
    press(&mut app, &fleet, ":q\n");
    assert!(app.take_effects().iter().any(|e| matches!(e, Effect::Quit)));
}

#[test]
fn a_key_that_does_nothing_says_so() {
    let fleet = incident();
    for keys in ["6\t", "4L", "6p", "7S", "gd/"] {
        let mut app = App::new(look(false));
        render(&mut app, &fleet, NOW, (80, 24));
        press(&mut app, &fleet, keys);
        let text = lines(&render(&mut app, &fleet, NOW, (80, 24)));
        assert!(text.contains("does nothing here"), "{keys:?}: {text}");
        let text = lines(&render(&mut app, &fleet, NOW + 2_500, (80, 24)));
        assert!(!text.contains("does nothing here"), "{keys:?}: {text}");
    }
}

#[test]
fn what_is_copied_is_chosen_and_what_cannot_be_is_said() {
    let fleet = incident();
    let copied = |app: &mut App| {
        app.take_effects().into_iter().find_map(|effect| match effect {
            Effect::Copy(text) => Some(text.as_str().to_owned()),
            _ => None,
        })
    };
    let mut app = App::new(look(false));
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "y");
    assert_eq!(copied(&mut app).as_deref(), Some("SensorDevice02"));
    press(&mut app, &fleet, "Y");
    let text = lines(&render(&mut app, &fleet, NOW, (80, 24)));
    for what in ["thing", "client id", "ARN", "certificate id"] {
        assert!(text.contains(what), "{what}: {text}");
    }
    press(&mut app, &fleet, "3");
    assert_eq!(copied(&mut app).as_deref(), Some("arn:aws:iot:us-east-1:123456789012:thing/SensorDevice02"));
    press(&mut app, &fleet, "Y2");
    let text = lines(&render(&mut app, &fleet, NOW, (80, 24)));
    assert!(text.contains("client id was not copied: no connection of it was seen"), "{text}");
    // A payload that is no text is not copied as something else.
    press(&mut app, &fleet, "3/stray\nY2");
    render(&mut app, &fleet, NOW, (80, 24));
    assert_eq!(copied(&mut app), None);
}
