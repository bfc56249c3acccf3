//! A cloned identity and a device under a foreign client id, through the real binary: found, explained, answered.

use std::time::Duration;

use crate::term::{Term, line_with};

const LIMIT: Duration = Duration::from_secs(60);
/// Two devices have to cut each other off some twenty times, every one to three seconds.
const FOUND: Duration = Duration::from_secs(180);

#[test]
fn a_clone_is_found_with_its_evidence_and_the_plan_offers_both_ways() {
    let home = tempfile::tempdir().unwrap();
    let scenario = home.path().join("clone.toml");
    let step = "[[step]]\nat = \"0s\"\nthing = \"Thing02\"\naction = \"clone\"\nbytes = 400\n";
    std::fs::write(&scenario, step).unwrap();
    // Without Detect: an alarm of AWS about the number of messages, which comes in the same minute, would be the row's word.
    let args = ["demo", "--fault", "detect=refuse", "--scenario", scenario.to_str().unwrap()];
    let mut term = Term::spawn(&args, 160, 48, home.path(), &[]);
    term.wait_for("the finding", FOUND, |s| line_with(s, &["Thing02", "FINDING", "two devices,"]).is_some());
    // The evidence, where findings are told.
    term.keys("4");
    let told = term.wait_for("the evidence", LIMIT, |s| {
        line_with(s, &["FINDING", "Thing02", "two devices, one client id"]).is_some()
            && s.contains("DUPLICATE_CLIENTID")
    });
    assert!(told.contains("400 bytes"), "what tells them apart stands there:\n{told}");
    // In the device's own view too, with its client ids.
    term.keys("1");
    term.wait_for("the overview", LIMIT, |s| s.contains("Telemetry ──"));
    term.keys("a\r");
    term.wait_for("the device", LIMIT, |s| {
        s.contains("two devices use the client id")
            && line_with(s, &["client id", "Thing02", "from 127.0.0.1"]).is_some()
    });
    // The isolation, and beside it the cut.
    term.keys("i");
    term.wait_for("the plan", LIMIT, |s| {
        s.contains("Isolate Thing02")
            && s.contains("c cut one session")
            && s.contains("no session is left of the two")
    });
    term.keys("c");
    term.wait_for("the other plan", LIMIT, |s| s.contains("Cut a session of Thing02") && s.contains("⏎ cut"));
    term.keys("\r");
    term.wait_for("that a cut does not hold them", LIMIT, |s| {
        s.contains("taken over again") && s.contains("not proven to stay away")
    });
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
    term.keys("i");
    term.wait_for("the plan again", LIMIT, |s| s.contains("Isolate Thing02") && s.contains("⏎ isolate"));
    term.keys("\r");
    term.wait_for("both to be held", LIMIT, |s| s.contains("contained in"));
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
    term.keys("q");
    term.wait_for("the overview", LIMIT, |s| s.contains("Telemetry ──"));
    term.keys("q");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
    let journal = std::fs::read_to_string(home.path().join("state/quell/journal.jsonl")).unwrap();
    assert!(
        journal.contains("\"what\":\"cut\"") && journal.contains("\"outcome\":\"unproven\""),
        "{journal}"
    );
    assert!(journal.contains("\"outcome\":\"proven\""), "{journal}");
}

#[test]
fn a_device_under_a_foreign_client_id_is_shown_as_what_it_connects_as() {
    let home = tempfile::tempdir().unwrap();
    let mut term = Term::spawn(&["demo", "--scenario", "foreign-client-id"], 160, 48, home.path(), &[]);
    // AWS tells it by the client id, which is a row of its own; quell by the thing whose topic it is.
    term.wait_for("both names of it", LIMIT, |s| {
        line_with(s, &["gw-7", "ALARM"]).is_some() && line_with(s, &["Thing02", "FINDING"]).is_some()
    });
    term.keys("/Thing02\r");
    term.wait_for("the filter", LIMIT, |s| s.contains("1/1 of 7"));
    term.keys("\r");
    term.wait_for("every client id seen with its certificate", LIMIT, |s| {
        line_with(s, &["gw-7", "connected", "from 127.0.0.1"]).is_some()
    });
    term.keys("i");
    term.wait_for("the plan that does not reach it", LIMIT, |s| {
        s.contains("Thing02 connects as gw-7: a group's policy does not reach it")
            && s.contains("its certificate instead")
    });
    term.keys("\x1b");
    term.wait_for("the plan to close", LIMIT, |s| !s.contains("its certificate instead"));
    term.keys("\x03");
    term.keys("\x03");
    term.wait_exit(Duration::from_secs(10));
}
