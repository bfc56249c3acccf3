//! The terminal itself: every size, and always given back as it was.

use std::time::Duration;

use crate::term::Term;

const LIMIT: Duration = Duration::from_secs(60);

/// The console with nothing to reach: what every state of "not connected" looks like.
fn unreachable(cols: u16, rows: u16, home: &std::path::Path) -> Term {
    Term::spawn(
        &[
            "--endpoint-url",
            "http://127.0.0.1:9",
            "--data-endpoint-url",
            "http://127.0.0.1:9",
            "--mqtt-url",
            "ws://127.0.0.1:9/mqtt",
        ],
        cols,
        rows,
        home,
        &[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")],
    )
}

#[test]
fn what_could_not_be_read_is_never_a_zero() {
    let home = tempfile::tempdir().unwrap();
    let term = unreachable(160, 48, home.path());
    let screen = term.wait_for("the reason of the failure", LIMIT, |s| {
        s.contains("Violations")
            && (s.contains("unreachable") || s.contains("not reached") || s.contains("refused"))
    });
    assert!(!screen.contains("0 active"), "an unknown was shown as zero:\n{screen}");
    assert!(!screen.contains("0 ALARM"), "an unknown was shown as zero:\n{screen}");
    assert!(!screen.contains("No violations") && !screen.contains("no violations"), "{screen}");
}

#[test]
fn every_size_is_drawn_and_none_panics() {
    let home = tempfile::tempdir().unwrap();
    let mut term = unreachable(160, 48, home.path());
    term.wait_for("the first frame", LIMIT, |s| s.contains("Devices"));
    for (cols, rows) in [(80, 24), (60, 15), (59, 14), (40, 10), (20, 5), (3, 2), (1, 1), (300, 80), (80, 24)]
    {
        term.resize(cols, rows);
        // Help over whatever there is, back, another pane: no wait in between, as impatient hands type.
        term.keys("?q\t");
    }
    term.wait_for("the overview at 80x24", LIMIT, |s| s.contains("Devices"));
    term.keys("q");
    assert_eq!(term.wait_exit(LIMIT), 0);
    term.wait_restored("q");
}

#[test]
fn signals_restore_the_terminal() {
    for signal in ["TERM", "HUP", "INT", "QUIT"] {
        let home = tempfile::tempdir().unwrap();
        let mut term = unreachable(80, 24, home.path());
        term.wait_for("the first frame", LIMIT, |s| s.contains("Devices"));
        let sent = std::process::Command::new("kill")
            .args([format!("-{signal}"), term.pid().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        term.wait_exit(Duration::from_secs(10));
        term.wait_restored(signal);
    }
}
