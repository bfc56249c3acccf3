//! Certificates and jobs from the keyboard: what a shared certificate would take down, and a job's progress to its end.

use std::time::Duration;

use crate::term::{Term, line_with};

const LIMIT: Duration = Duration::from_secs(60);

fn cells(n: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(n).expect("a screen has cells")
}

/// The colour of the corner that a frame begins with whose title is `title`.
fn frame_of(screen: &vt100::Screen, title: &str) -> Option<vt100::Color> {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let begins = |row, column: u16| {
        let cells = (column + 2..columns).filter_map(|column| screen.cell(row, column));
        let line: String =
            cells.map(|cell| if cell.has_contents() { cell.contents() } else { " " }).collect();
        line.starts_with(title)
    };
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let mut corners = cells.filter_map(|(row, column)| Some((row, column, screen.cell(row, column)?)));
    corners
        .find(|(row, column, cell)| cell.contents() == "╭" && begins(*row, *column))
        .map(|at| at.2.fgcolor())
}

#[test]
fn revoking_a_shared_certificate_names_the_other_things_and_asks_for_more_than_a_key() {
    let home = tempfile::tempdir().unwrap();
    let mut term = Term::spawn(&["demo"], 160, 48, home.path(), &[]);
    term.wait_for("alarm", LIMIT, |s| line_with(s, &["Thing02", "ALARM"]).is_some());
    term.keys("a");
    term.keys("R");
    let plan = term.wait_for("the plan", LIMIT, |s| s.contains("REVOKE") && s.contains("⏎ revoke"));
    let shared = line_with(&plan, &["also serves", "Thing01", "Thing03"]);
    assert!(shared.is_some(), "the other things on the certificate are named:\n{plan}");
    assert!(plan.contains("NOT reversible"), "{plan}");
    let mut seen = vt100::Parser::new(cells(48), cells(160), 0);
    seen.process(&term.bytes());
    let frame = frame_of(seen.screen(), "REVOKE the certificate");
    assert!(matches!(frame, Some(vt100::Color::Idx(1 | 9))), "what is final has a red frame: {frame:?}");

    // Enter alone, and the wrong text, do nothing.
    term.keys("\r");
    term.keys("Thing01\r");
    term.wait_for("the typed text", LIMIT, |s| s.contains("Thing01") && s.contains("⏎ revoke"));
    let journal = std::fs::read_to_string(home.path().join("state/quell/journal.jsonl")).unwrap_or_default();
    assert!(!journal.contains("\"intent\""), "nothing was meant to be done yet:\n{journal}");
    term.keys("\x1b");
    term.wait_for("the plan to close", LIMIT, |s| !s.contains("⏎ revoke"));
    term.keys("q");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
}

#[test]
fn a_continuous_job_is_launched_and_its_bar_moves_to_the_end() {
    let home = tempfile::tempdir().unwrap();
    let mut term = Term::spawn(&["demo"], 80, 24, home.path(), &[]);
    term.wait_for("devices", LIMIT, |s| s.contains("Thing01") && s.contains("●MQTT"));
    term.keys("J");
    term.wait_for("the job form", LIMIT, |s| {
        s.contains("Update-temp-firmware") && s.contains("NeedsUpdate") && s.contains("CONTINUOUS")
    });
    term.keys("\r");
    term.wait_for("the job's plan", LIMIT, |s| {
        s.contains("Launch job Update-temp-firmware") && s.contains("⏎ job create")
    });
    term.keys("\r");
    term.wait_for("the job to exist", LIMIT, |s| s.contains("esc close") && s.contains("✓  the job exists"));
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
    term.keys("6");
    term.wait_for("the bar of a job begun", LIMIT, |s| {
        s.contains("0/3 succeeded") || s.contains("in progress")
    });
    term.wait_for("the bar of a job done", LIMIT, |s| s.contains("3/3 succeeded"));
    term.keys("\x03");
    term.keys("\x03");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
}
