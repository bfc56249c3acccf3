//! What-if: the numbers moved by keys, who would have alarmed, and what is doubtful about them.

use quell::console::app::{Effect, View};

use crate::views::{account, screen};
use crate::world::*;

const ROGUE: &str = "SensorDevice02";

/// What-if at the first behaviour, the workshop's inverted one: each key pressed, what the screen says.
#[test]
fn the_keys_move_the_numbers_and_the_answer_follows() {
    let fleet = account();
    let mut app = App::new(look(false));
    let text = screen(&mut app, &fleet, "gpgw", (160, 48));
    assert_eq!(*app.view(), View::WhatIf);
    assert!(text.contains("greater-than 2000") && text.contains("as in force"), "{text}");
    assert!(text.contains("inverted?"), "{text}");
    assert!(
        text.contains("2 of 2 devices would have alarmed"),
        "before it went wrong the rogue was small too: {text}"
    );
    // Turned round: greater-than-equals, less-than, less-than-equals.
    let text = screen(&mut app, &fleet, "ooo", (160, 48));
    assert!(text.contains("less-than-equals 2000") && text.contains("tried here only"), "{text}");
    assert!(!text.contains("inverted?"), "{text}");
    assert!(
        text.contains("1 of 2 devices would have alarmed") && text.contains("as in force 2 of 2"),
        "{text}"
    );
    assert!(text.lines().any(|l| l.contains(ROGUE) && l.contains("still") && l.contains('█')), "{text}");
    // The threshold, up past what the rogue sends and down again.
    let text = screen(&mut app, &fleet, ">", (160, 48));
    assert!(text.contains("less-than-equals 4000") && text.contains("0 of 2 devices"), "{text}");
    let text = screen(&mut app, &fleet, "-", (160, 48));
    assert!(text.contains("less-than-equals 3800"), "{text}");
    let text = screen(&mut app, &fleet, "<+", (160, 48));
    assert!(text.contains("less-than-equals 1995") && text.contains("1 of 2 devices"), "{text}");
    // Datapoints: it would be told later, never sooner.
    let text = screen(&mut app, &fleet, "ccCC", (160, 48));
    assert!(text.contains("3 to alarm") && text.contains("3 to clear"), "{text}");
    // A percentile: half of the fleet in every window, by construction; and two devices are noise.
    let text = screen(&mut app, &fleet, "%%%", (160, 48));
    assert!(text.contains("less-than-equals p50") && text.contains("5 min"), "{text}");
    assert!(text.contains("about 50 % of the fleet") && text.contains("2 devices is noise"), "{text}");
    let text = screen(&mut app, &fleet, "d", (160, 48));
    assert!(text.contains("10 min"), "{text}");
    // And back to what is in force.
    let text = screen(&mut app, &fleet, "0", (160, 48));
    assert!(text.contains("greater-than 2000") && text.contains("as in force"), "{text}");
}

#[test]
fn it_begins_where_the_cursor_is_and_leads_to_the_device() {
    let fleet = account();
    let mut app = App::new(look(false));
    // On the second profile of the list.
    let text = screen(&mut app, &fleet, "gpjgw", (160, 48));
    assert!(text.contains("MsgSentBehavior") && text.contains("less-than 50"), "{text}");
    // The next behaviour, round and back.
    let text = screen(&mut app, &fleet, "\t", (160, 48));
    assert!(text.contains("LargeMessageSize"), "{text}");
    assert!(screen(&mut app, &fleet, "ooo", (160, 48)).contains("1 of 2 devices"));
    app.take_effects();
    press(&mut app, &fleet, "y");
    let copied = app.take_effects();
    assert!(
        copied.iter().any(|e| matches!(e, Effect::Copy(t) if t.as_str().contains("\"comparisonOperator\":\"less-than-equals\""))),
        "{copied:?}"
    );
    press(&mut app, &fleet, "j\n");
    assert!(matches!(app.view(), View::Device(name) if name.raw() == ROGUE), "{:?}", app.view());
    // Nothing of this asked for a change of anything.
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Plan { .. })));
}

#[test]
fn without_a_profile_there_is_an_example_and_without_data_a_reason() {
    let fleet = quell_fleet::Fleet::new(quell_fleet::Limits::default());
    let mut app = App::new(look(false));
    let text = screen(&mut app, &fleet, "gw", (80, 24));
    assert!(text.contains("no profile known: an example") && text.contains("no message is held"), "{text}");
    let text = screen(&mut app, &fleet, "%", (80, 24));
    assert!(text.contains("no window is over yet"), "{text}");
}

#[test]
fn what_if_at_its_sizes() {
    let fleet = account();
    for (size, charts) in [((160, 48), 2), ((80, 24), 1), ((60, 15), 0)] {
        let mut app = App::new(look(false));
        let text = screen(&mut app, &fleet, "gpgw", size);
        let drawn =
            ["had which value", "value over time"].iter().filter(|title| text.contains(**title)).count();
        assert_eq!(drawn, charts, "{size:?}: {text}");
    }
    for size in [SIZES[0], SIZES[1], SIZES[5]] {
        for (name, keys) in [("inverted", "gpgw"), ("tried", "gpgwooo"), ("percentile", "gpgwooo%%%")] {
            let mut app = App::new(look(false));
            let text = screen(&mut app, &fleet, keys, size);
            insta::assert_snapshot!(format!("whatif_{name}_{}x{}", size.0, size.1), text);
        }
    }
}
