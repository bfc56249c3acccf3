//! What is marked is what was pointed at: under another order, in a range, and while an incident moves the rows; and a new
//! profile never begins as one that exists.

use std::time::Duration;

use crate::term::{Term, line_with};

const LIMIT: Duration = Duration::from_secs(90);
const THINGS: [&str; 6] =
    ["IoTTemperatureDemoDevice", "Thing01", "Thing02", "Thing03", "dev-IZWB", "dev-XBHY"];

/// The demo, with all its things in the list; what comes later is no part of a range. A form needs to know whose account it is.
fn demo(home: &std::path::Path) -> Term {
    let term = Term::spawn(&["demo"], 160, 48, home, &[]);
    term.wait_for("devices", LIMIT, |s| {
        s.contains("●MQTT") && s.contains("123456789012") && order(s).len() == THINGS.len()
    });
    term
}

/// The things in the order of the list, from the left edge of the screen alone: other panes name them too.
fn order(screen: &str) -> Vec<&'static str> {
    let rows = screen.lines().skip_while(|line| !line.contains("THING ") || !line.contains("STATE"));
    let left = rows.map(|line| line.chars().take(40).collect::<String>());
    let named = left.filter_map(|line| THINGS.into_iter().find(|thing| line.contains(&format!("{thing} "))));
    named.take(THINGS.len()).collect()
}

/// The things whose rows are marked.
fn marked(screen: &str) -> Vec<&'static str> {
    let rows = screen.lines().filter(|line| line.chars().take(4).any(|c| c == '◆'));
    rows.filter_map(|line| THINGS.into_iter().find(|thing| line.contains(thing))).collect()
}

/// Moves the cursor to the row of a thing, a step at a time, wherever the row is by then.
fn point_at(term: &mut Term, thing: &str) {
    for _ in 0..3 * THINGS.len() {
        let screen = term.screen();
        if line_with(&screen, &["▌", thing]).is_some() {
            return;
        }
        let at = |wanted: &str| order(&screen).iter().position(|each| *each == wanted);
        let here = THINGS.into_iter().find(|each| line_with(&screen, &["▌", each]).is_some());
        let down = here.and_then(at) < at(thing);
        term.keys(if down { "j" } else { "k" });
        term.wait_for("the cursor to move", LIMIT, |s| {
            here.is_none_or(|here| line_with(s, &["▌", here]).is_none())
        });
    }
    panic!("the cursor never came to {thing}:\n{}", term.screen());
}

#[test]
fn what_is_marked_stays_marked_under_another_order_and_is_what_the_plan_names() {
    let home = tempfile::tempdir().unwrap();
    let mut term = demo(home.path());
    point_at(&mut term, "Thing03");
    term.keys(" ");
    term.wait_for("the mark", LIMIT, |s| marked(s) == ["Thing03"]);
    let before = order(&term.screen());
    // The same backwards, then other orders; and meanwhile the incident moves rows by itself.
    let mut moved = false;
    for _ in 0..4 {
        let title = term.screen().lines().find(|l| l.contains("╭ Devices")).unwrap_or_default().to_owned();
        let title: String = title.chars().take(30).collect();
        term.keys("S");
        let screen = term.wait_for("another order", LIMIT, |s| {
            s.contains("╭ Devices") && !s.contains(title.trim()) && order(s).len() == THINGS.len()
        });
        moved |= order(&screen) != before;
        assert_eq!(marked(&screen), ["Thing03"], "{screen}");
    }
    assert!(moved, "no order was another: {before:?}");
    term.wait_for("the incident", LIMIT, |s| s.contains("1 ALARM"));
    assert_eq!(marked(&term.screen()), ["Thing03"], "{}", term.screen());
    term.keys("i");
    let plan = term.wait_for("the plan", LIMIT, |s| s.contains("then prove"));
    assert!(plan.contains("╭ Isolate Thing03 "), "{plan}");
    term.keys("\x1b");
    term.wait_for("the plan to close", LIMIT, |s| !s.contains("then prove"));
    let journal = std::fs::read_to_string(home.path().join("state/quell/journal.jsonl")).unwrap_or_default();
    assert!(!journal.contains("\"intent\""), "{journal}");
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
}

#[test]
fn a_range_is_of_what_was_shown_and_the_plan_names_it() {
    let home = tempfile::tempdir().unwrap();
    let mut term = demo(home.path());
    // Rows stand still while a hand is on them: what is read here is what is marked.
    term.keys("gg");
    term.wait_for("the cursor", LIMIT, |s| {
        order(s).first().is_some_and(|first| line_with(s, &["▌", first]).is_some())
    });
    term.keys("V");
    let screen = term.wait_for("a range of one", LIMIT, |s| s.contains("1 marked"));
    let shown = order(&screen);
    assert_eq!(marked(&screen), [shown[0]], "{screen}");
    term.keys("jj");
    let screen = term.wait_for("a range of three", LIMIT, |s| s.contains("3 marked"));
    assert_eq!(marked(&screen), shown[..3], "{screen}");
    // Back by one, and it ends: later moves mark nothing.
    term.keys("kVj");
    let screen = term.wait_for("a range of two", LIMIT, |s| s.contains("2 marked"));
    assert_eq!(marked(&screen), shown[..2], "{screen}");
    term.keys("i");
    let plan =
        term.wait_for("the plan", LIMIT, |s| s.contains("╭ Isolate 2 devices") && s.contains("then prove"));
    let on = line_with(&plan, &["on ", shown[0], shown[1]]);
    let named = on.unwrap_or_else(|| panic!("the plan names both:\n{plan}"));
    for other in &shown[2..] {
        assert!(!named.contains(other), "{other}: {named}");
    }
    term.keys("\x1b");
    term.wait_for("the plan to close", LIMIT, |s| !s.contains("then prove"));
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
}

#[test]
fn a_new_profile_never_begins_as_one_that_exists() {
    let home = tempfile::tempdir().unwrap();
    let mut term = demo(home.path());
    term.keys("gp");
    term.wait_for("the profiles", LIMIT, |s| {
        s.contains("Security profiles ──") && s.contains("DetectLargeMessageSize")
    });
    term.keys("n");
    let form = term.wait_for("the form", LIMIT, |s| s.contains("DetectLargeMessageSize-2"));
    assert!(form.contains("normal when"), "{form}");
    term.keys("\r");
    let plan = term.wait_for("the plan", LIMIT, |s| s.contains("then prove"));
    assert!(plan.contains("Write security profile DetectLargeMessageSize-2"), "{plan}");
    term.keys("\x1b");
    term.wait_for("the plan to close", LIMIT, |s| !s.contains("then prove"));
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
    let journal = std::fs::read_to_string(home.path().join("state/quell/journal.jsonl")).unwrap_or_default();
    assert!(!journal.contains("\"intent\""), "{journal}");
}
