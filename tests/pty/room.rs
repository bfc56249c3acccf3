//! Instructor mode from the command line: what a room sees, and that nothing can be sent from it.

use std::time::Duration;

use crate::term::Term;

const LIMIT: Duration = Duration::from_secs(60);

fn room(cols: u16, rows: u16) {
    let home = tempfile::tempdir().unwrap();
    let mut term = Term::spawn(&["demo", "--devices", "30", "--instructor"], cols, rows, home.path(), &[]);
    let screen = term.wait_for("the room", LIMIT, |s| {
        s.contains("Devices by state") && s.contains("INSTRUCTOR") && s.contains("29 ok")
    });
    assert!(screen.contains("READ-ONLY"), "{screen}");
    for keys in ["i", "u", "R", "J"] {
        term.keys(keys);
    }
    // Everywhere else too: the account's number is nobody's business.
    for keys in ["1", "2", "gp", "8"] {
        term.keys(keys);
        let screen = term.wait_for("a screen", LIMIT, |s| s.contains("INSTRUCTOR"));
        assert!(!screen.contains("123456789012"), "{screen}");
        assert!(!screen.contains("⏎ isolate") && !screen.contains("⏎ revoke"), "{screen}");
    }
    let journal = std::fs::read_to_string(home.path().join("state/quell/journal.jsonl")).unwrap_or_default();
    assert!(!journal.contains("\"intent\""), "{journal}");
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
}

#[test]
fn a_room_of_thirty_on_a_projector() {
    room(200, 50);
}

#[test]
fn a_room_of_thirty_at_80x24() {
    room(80, 24);
}
