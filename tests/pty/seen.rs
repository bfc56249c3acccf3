//! What a hand can be sure of: whom a plan acts on, that a read-only plan offers no Enter, that the line shown is the line
//! opened, that the mouse is never listened to unasked; and a response without a screen.

use std::time::Duration;

use crate::term::{Term, line_with};

const LIMIT: Duration = Duration::from_secs(60);

/// Whether a frame's upper edge holds all of `parts`.
fn titled(screen: &str, parts: &[&str]) -> bool {
    let mut edges = screen.lines().filter(|line| line.trim_start().starts_with('╭'));
    edges.any(|line| parts.iter().all(|part| line.contains(part)))
}

fn demo(args: &[&str], home: &std::path::Path) -> Term {
    let term = Term::spawn(&[&["demo"], args].concat(), 160, 48, home, &[]);
    term.wait_for("devices", LIMIT, |s| {
        s.contains("Thing01") && s.contains("MQTT") && s.contains("6 things")
    });
    term
}

#[test]
fn a_plan_for_many_names_them_and_asks_for_their_number() {
    let home = tempfile::tempdir().unwrap();
    let mut term = demo(&[], home.path());
    term.keys("*");
    term.wait_for("the marks", LIMIT, |s| s.contains("6 marked"));
    term.keys("i");
    let plan = term.wait_for("the plan", LIMIT, |s| s.contains("type the number to confirm"));
    let named = line_with(&plan, &["on ", "Thing01", ", +1"]);
    assert!(named.is_some(), "the first five are named, the rest is counted:\n{plan}");
    term.keys("\t");
    let all = term.wait_for("all names", LIMIT, |s| s.contains("all 6 it acts on"));
    for thing in ["Thing01", "Thing02", "Thing03", "dev-IZWB", "dev-XBHY", "IoTTemperatureDemoDevice"] {
        assert!(all.contains(thing), "{thing}:\n{all}");
    }
    // The wrong number sends nothing.
    term.keys("5\r");
    term.wait_for("the refusal", LIMIT, |s| s.contains("that is not what was asked for"));
    let journal = std::fs::read_to_string(home.path().join("state/quell/journal.jsonl")).unwrap_or_default();
    assert!(!journal.contains("\"intent\""), "{journal}");
    term.keys("\x1b");
    term.wait_for("the plan to close", LIMIT, |s| !s.contains("type the number"));
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
}

#[test]
fn a_read_only_plan_says_so_and_offers_no_enter() {
    let home = tempfile::tempdir().unwrap();
    let mut term = demo(&["--read-only"], home.path());
    term.keys("i");
    let plan = term.wait_for("the plan", LIMIT, |s| s.contains("then prove") && s.contains("esc leave"));
    assert!(plan.contains("read-only: this quell changes nothing"), "{plan}");
    assert!(!plan.contains("⏎ isolate"), "{plan}");
    term.keys("\r");
    term.keys("\x1b");
    term.wait_for("the plan to close", LIMIT, |s| !s.contains("esc leave"));
    let journal = std::fs::read_to_string(home.path().join("state/quell/journal.jsonl")).unwrap_or_default();
    assert!(!journal.contains("\"intent\""), "{journal}");
    term.keys("q");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
}

#[test]
fn what_is_searched_for_is_what_enter_opens() {
    let home = tempfile::tempdir().unwrap();
    let mut term = demo(&[], home.path());
    term.keys("3");
    term.wait_for("the stream", LIMIT, |s| s.contains("Stream ──") && s.contains("Thing03"));
    term.keys("/Thing03\r");
    term.wait_for("hits", LIMIT, |s| titled(s, &["Stream ──", "hit", "/Thing03"]));
    term.keys("\r");
    let opened = term.wait_for("the message", LIMIT, |s| s.contains("esc leave"));
    let title = titled(&opened, &["temperature-device-03", "[json]"]);
    assert!(title, "others speak all the time, this one is opened:\n{opened}");
    term.keys("\x1b");
    term.wait_for("the stream again", LIMIT, |s| !s.contains("esc leave"));
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
}

#[test]
fn the_mouse_is_listened_to_only_where_it_is_asked_for_and_only_chooses() {
    let home = tempfile::tempdir().unwrap();
    let mouse_mode = |term: &Term| term.bytes().windows(8).any(|w| w == b"\x1b[?1000h");
    let mut term = demo(&[], home.path());
    assert!(!mouse_mode(&term));
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
    let mut term = demo(&["--mouse"], home.path());
    assert!(mouse_mode(&term));
    // Before all are listed a name may stand in another pane alone. While something is marked the rows stay where they are.
    term.wait_for("all devices", LIMIT, |s| s.contains("6 things"));
    term.keys(" ");
    let screen = term.wait_for("the mark", LIMIT, |s| s.contains("1 marked"));
    let row = screen.lines().position(|line| line.contains("Thing03")).unwrap();
    // A click on its line: the cursor goes there, and nothing else happens.
    term.keys(&format!("\x1b[<0;12;{}M\x1b[<0;12;{}m", row + 1, row + 1));
    term.wait_for("the cursor", LIMIT, |s| line_with(s, &["▌", "Thing03"]).is_some());
    // A click on the head of a column sorts by it.
    let head = screen.lines().position(|line| line.contains("THING ")).unwrap();
    term.keys(&format!("\x1b[<0;6;{}M", head + 1));
    term.wait_for("the order", LIMIT, |s| s.contains("by name"));
    let journal = std::fs::read_to_string(home.path().join("state/quell/journal.jsonl")).unwrap_or_default();
    assert!(!journal.contains("\"intent\""), "{journal}");
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
    assert!(term.bytes().windows(8).any(|w| w == b"\x1b[?1000l"), "the mode is taken back");
}

#[test]
fn a_given_size_is_the_screen_s_and_a_terminal_that_tells_none_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let mut term = Term::spawn(&["demo", "--size", "100x30"], 160, 48, home.path(), &[]);
    let screen = term.wait_for("devices", LIMIT, |s| s.contains("Thing01"));
    assert!(screen.lines().all(|line| line.chars().count() <= 100), "{screen}");
    assert!(!term.bytes().windows(5).any(|w| w == b"\x1b[18t"), "it was given, not asked for");
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
    let mut term = Term::spawn(&["demo", "--size", "ask"], 160, 48, home.path(), &[]);
    term.keys("\x1b[8;20;70t");
    let screen = term.wait_for("devices", LIMIT, |s| s.contains("Thing01"));
    assert!(term.bytes().windows(5).any(|w| w == b"\x1b[18t"));
    assert!(screen.lines().all(|line| line.chars().count() <= 70), "{screen}");
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
}

#[test]
fn without_a_screen_a_response_is_asked_for_confirmed_and_proven_in_sentences() {
    let home = tempfile::tempdir().unwrap();
    let mut term = Term::spawn(&["demo", "--linear"], 160, 48, home.path(), &[]);
    term.wait_for("the rogue", LIMIT, |s| {
        line_with(s, &["Thing02 is FINDING"]).or(line_with(s, &["Thing02 is ALARM"])).is_some()
    });
    assert!(!term.on_alternate_screen(), "nothing is drawn over");
    // A view is told when it has been read, not while it is.
    term.keys("profiles\r");
    let told = term.wait_for("what was read", LIMIT, |s| s.contains("judges"));
    assert!(!told.contains("reading profiles"), "{told}");
    term.keys("isolate Thing02\r");
    term.wait_for("the question", LIMIT, |s| s.contains("Type yes to isolate"));
    // Anything else leaves it.
    term.keys("maybe\r");
    term.wait_for("the answer", LIMIT, |s| s.contains("nothing was sent"));
    term.keys("isolate Thing02\r");
    term.wait_for("the question again", LIMIT, |s| s.matches("Type yes to isolate").count() >= 2);
    // The plan can be asked for with another group, and is read out anew.
    term.keys("edit NoSuchGroup\r");
    term.wait_for("another plan", LIMIT, |s| s.contains("NoSuchGroup"));
    term.keys("\r");
    term.keys("isolate Thing02\r");
    term.wait_for("the question again", LIMIT, |s| s.matches("Type yes to isolate").count() >= 3);
    term.keys("yes\r");
    term.wait_for("the proof", LIMIT, |s| s.contains("Thing02 is CONTAINED"));
    // What is under way can be stopped, and what was cut short is finished: by its own name, whatever is under the cursor.
    term.keys("isolate Thing03\r");
    term.wait_for("the question", LIMIT, |s| {
        s.split("Plan: Isolate Thing03").nth(1).is_some_and(|after| after.contains("Type yes to isolate"))
    });
    term.keys("yes\r");
    term.wait_for("it runs", LIMIT, |s| s.contains("Isolate Thing03: "));
    term.keys("stop\r");
    term.wait_for("it ends", LIMIT, |s| s.contains("Thing03 is NOT HELD"));
    term.keys("finish\r");
    let told = term.wait_for("what is left", LIMIT, |s| s.contains("Type yes to finish"));
    assert!(told.contains("Finish: Isolate Thing03") || told.contains("Plan: Finish"), "{told}");
    term.keys("\r");
    term.keys("quit\r");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
    let bytes = term.bytes();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.is_ascii(), "plain ASCII");
    assert!(!text.contains('\x1b'), "no sequence of a screen");
    for line in text.lines().filter(|line| line.contains(" is ALARM: ")) {
        assert!(!line.trim_end().contains("  "), "a sentence, not columns: {line}");
    }
}
