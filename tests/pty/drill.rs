//! A drill alone, on a real terminal: seen, contained and proven with the console, and scored when it is left.

use std::time::Duration;

use crate::term::{Term, line_with};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_drill_is_played_in_the_console_and_scored_when_it_is_left() {
    let home = tempfile::tempdir().unwrap();
    let told = home.path().join("told");
    let export = told.to_str().unwrap();
    let args = ["drill", "oversized", "--speed", "20", "--export", export];
    let mut term = Term::spawn(&args, 160, 48, home.path(), &[]);
    term.wait_for("the badge", LIMIT, |s| s.contains("DRILL ×20"));
    term.wait_for("alarm", LIMIT, |s| line_with(s, &["Thing02", "ALARM"]).is_some());
    term.keys("a");
    term.keys("i");
    term.wait_for("plan", LIMIT, |s| s.contains("Isolate Thing02") && s.contains("⏎ isolate"));
    term.keys("\r");
    term.wait_for("containment", LIMIT, |s| line_with(s, &["Thing02", "CONTAINED"]).is_some());
    // The score wants the device silent for 15 s of the drill's time, as the console's own proof does not.
    std::thread::sleep(Duration::from_secs(2));
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
    term.keys("q");
    let seen = term.wait_for("the score", LIMIT, |s| s.contains("POINTS") && s.contains("p01"));
    // How many points it is depends on how fast this machine is; that nothing was wrong does not.
    let standing = line_with(&seen, &["p01", "done"]).unwrap();
    assert!(standing.split_whitespace().rev().take(2).all(|word| word == "0"), "{standing}");
    assert!(line_with(&seen, &["Thing02", "proven"]).is_some(), "{seen}");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
    let debrief = std::fs::read_to_string(told.join("debrief.md")).unwrap();
    assert!(
        debrief.contains("## p01: ")
            && !debrief.lines().any(|line| line.split(' ').nth(2) == Some("wrong:"))
            && debrief.contains("messages of 3000 bytes"),
        "{debrief}"
    );
    let csv = std::fs::read_to_string(told.join("standings.csv")).unwrap();
    assert!(csv.lines().nth(1).is_some_and(|row| row.starts_with("p01,") && row.contains(",done,")), "{csv}");
}
