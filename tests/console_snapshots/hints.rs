//! What the footer offers and what keys act on: nothing that cannot be done, and always something that is seen.

use quell::console::app::{Effect, Look};
use quell::console::dialogs::{Dialog, Naming};
use quell::response::Intent;

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
    let (app, _) = planned("4M");
    let Some(Dialog::Group(form)) = app.dialog() else { panic!("no mitigation is named") };
    assert!(matches!(&form.naming, Naming::Mitigate(ids) if ids.len() == 1));
    // In the audit the same key is about the finding.
    let (app, _) = planned("gaM");
    let Some(Dialog::Form(form)) = app.dialog() else { panic!("no mitigation is picked") };
    assert!(form.title.as_str().to_lowercase().contains("mitigat"), "{}", form.title);
}
