//! The main job, through the real binary on a real terminal: an incident seen, answered and proven.

use std::time::Duration;

use crate::term::{Term, line_with};

/// The issue's promise: the rogue thing is an ALARM within a minute of launch.
const ALARM_LIMIT: Duration = Duration::from_secs(60);
/// Generous beside what is measured (a few seconds): a loaded two-core machine must not fail the test.
const LIMIT: Duration = Duration::from_secs(60);

fn demo(cols: u16, rows: u16, home: &std::path::Path) -> Term {
    Term::spawn(&["demo"], cols, rows, home, &[])
}

/// The whole incident at one size: seen, answered, proven, journalled, released.
fn incident(cols: u16, rows: u16) {
    let home = tempfile::tempdir().unwrap();
    let mut term = demo(cols, rows, home.path());

    // Live before any key: devices are heard and the link is up.
    term.wait_for("device", LIMIT, |s| s.contains("Thing01") && s.contains("Thing02"));

    // The rogue rises to the top of the device table as ALARM.
    let screen = term.wait_for("alarm", ALARM_LIMIT, |s| line_with(s, &["Thing02", "ALARM"]).is_some());
    let mut lines = screen.lines().filter(|l| !l.starts_with('╭'));
    let first_device = lines.find(|l| l.contains("Thing0") || l.contains("dev-")).unwrap();
    assert!(first_device.contains("Thing02"), "the worst comes first:\n{screen}");
    let jump = line_with(&screen, &["Thing02", "ALARM"]).unwrap();
    assert!(
        jump.contains('▁') && (jump.contains('█') || jump.contains('▇')),
        "no jump to be seen in: {jump}"
    );
    if cols >= 160 {
        for pane in ["Devices", "Violations", "Shadow deltas", "Telemetry"] {
            assert!(
                screen.contains(pane),
                "the four live things are on one screen; {pane} is not:\n{screen}"
            );
        }
    }

    // a, i: the computed plan, naming the device and the group.
    term.keys("a");
    term.keys("i");
    let plan = term.wait_for("plan", LIMIT, |s| {
        s.contains("Isolate Thing02") && s.contains("IsolatedDevices") && s.contains("⏎ isolate")
    });
    assert!(plan.contains("quarantine"), "the plan tells the shadow request:\n{plan}");
    assert!(!journal(home.path()).contains("\"intent\""), "nothing is journalled before it is confirmed");

    // Enter: confirmed, executed, proven, with a measured time.
    term.keys("\r");
    term.wait_for("containment", LIMIT, |s| line_with(s, &["Thing02", "CONTAINED"]).is_some());
    let proven = term.wait_for("a measured time", LIMIT, |s| {
        let told =
            s.lines().any(|l| (l.contains("contained in") || l.contains("proven in")) && l.contains(" s"));
        // The device's row says so first; when the journal has it too, nothing is offered to be stopped any more.
        told && s.lines().last().is_some_and(|foot| !foot.contains("s stop"))
    });
    let written = journal(home.path());
    let (intent, outcome) = (written.find("\"intent\""), written.find("\"outcome\""));
    assert!(intent.is_some() && intent < outcome, "intent, then outcome:\n{written}\n{proven}");

    // u: released, and heard again.
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
    term.keys("u");
    term.wait_for("the release plan", LIMIT, |s| s.contains("Release Thing02") && s.contains("⏎ release"));
    term.keys("\r");
    term.wait_for("the device speaking again", LIMIT, |s| {
        line_with(s, &["Thing02"]).is_some_and(|l| !l.contains("CONTAIN") && !l.contains("LEAKING"))
    });

    // q leaves, and the terminal is as it was; while a response ran it would ask first.
    term.wait_for("the release proven", LIMIT, |s| s.contains("released"));
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
    term.keys("q");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
    term.wait_restored("q");
}

fn journal(home: &std::path::Path) -> String {
    std::fs::read_to_string(home.join("state/quell/journal.jsonl")).unwrap_or_default()
}

#[test]
fn the_incident_from_launch_to_release_at_160x48() {
    incident(160, 48);
}

#[test]
fn the_incident_from_launch_to_release_at_80x24() {
    incident(80, 24);
}
