//! Leaving while a response runs: asked once, written down, told by the exit code; and a terminal that goes away.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::term::{Term, line_with};

const LIMIT: Duration = Duration::from_secs(60);

/// The demo with its isolation of the rogue confirmed and not yet proven, the staircase put away.
fn responding(home: &Path) -> Term {
    // The session may not be cut: the device speaks until AWS applies the policy, a minute and more from then.
    let args = ["demo", "--speed", "4", "--fault", "DeleteConnection=refuse"];
    let mut term = Term::spawn(&args, 120, 36, home, &[]);
    term.wait_for("alarm", 3 * LIMIT, |s| line_with(s, &["Thing02", "ALARM"]).is_some());
    term.keys("ai");
    term.wait_for("plan", LIMIT, |s| s.contains("⏎ isolate"));
    term.keys("\r");
    term.wait_for("the staircase", LIMIT, |s| s.contains("shadow asks for quarantine"));
    assert!(entries(home).iter().any(|entry| entry["kind"] == "intent"), "nothing was confirmed");
    term.keys("\x1b");
    // A key typed at once after Esc would be another key.
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("shadow asks for quarantine"));
    term
}

fn entries(home: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(home.join("state/quell/journal.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What the journal says of how the only response ended.
fn outcome(home: &Path) -> Value {
    let entries = entries(home);
    entries.iter().find(|e| e["kind"] == "outcome").unwrap_or_else(|| panic!("{entries:?}")).clone()
}

#[test]
fn q_asks_once_while_a_response_runs_and_leaving_is_written_down() {
    let home = tempfile::tempdir().unwrap();
    let mut term = responding(home.path());
    term.keys("q");
    let asked = term.wait_for("the question", LIMIT, |s| s.contains("A response is running"));
    assert!(asked.contains("Isolate Thing02 since") && asked.contains("left unproven"), "{asked}");
    term.keys("\x1b");
    term.wait_for("the question to close", LIMIT, |s| !s.contains("A response is running"));
    term.keys("qq");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 130);
    term.wait_restored("q");
    let outcome = outcome(home.path());
    assert_eq!((&outcome["outcome"], &outcome["stopped"]), (&"left unproven".into(), &"left".into()));
    assert!(outcome["targets"][0]["why"].as_str().unwrap().contains("left"), "{outcome}");
}

#[test]
fn a_terminal_that_goes_away_in_a_response_leaves_its_outcome() {
    let home = tempfile::tempdir().unwrap();
    let term = responding(home.path());
    // Not 134: nothing may panic because nobody reads.
    assert_eq!(term.hang_up(Duration::from_secs(15)), 130);
    let outcome = outcome(home.path());
    assert_eq!((&outcome["outcome"], &outcome["stopped"]), (&"left unproven".into(), &"SIGHUP".into()));
}

#[test]
fn a_terminal_that_goes_away_ends_the_console_quietly() {
    let home = tempfile::tempdir().unwrap();
    let term = Term::spawn(&["demo"], 80, 24, home.path(), &[]);
    term.wait_for("device", LIMIT, |s| s.contains("Thing01"));
    assert_eq!(term.hang_up(Duration::from_secs(15)), 130);
}
