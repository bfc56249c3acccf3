//! The workshop's rule and its audit from the keyboard: told why HighHumidity stays silent, the corrected one counted in a
//! chart, and an audit followed from its start to a mitigation action that really acts.

use std::time::Duration;

use crate::term::{Term, line_with};

const LIMIT: Duration = Duration::from_secs(90);

/// Empties the field the cursor is in and types `text`.
fn fill(term: &mut Term, text: &str) {
    term.keys("\x15");
    term.keys(text);
}

/// Closes the dialog and waits until it is gone: an escape with a key at its heels is another key.
fn close(term: &mut Term) {
    term.keys("\x1b");
    term.wait_for("the dialog to close", LIMIT, |s| !s.contains("esc close") && !s.contains("esc leave"));
}

#[test]
fn the_humidity_rule_is_told_why_it_stays_silent_and_the_corrected_one_counts_in_a_chart() {
    let home = tempfile::tempdir().unwrap();
    let mut term = Term::spawn(&["demo", "--speed", "60"], 120, 40, home.path(), &[]);
    term.wait_for("the account", LIMIT, |s| {
        s.contains("IoTTemperatureDemoDevice") && s.contains("●MQTT") && s.contains("us-east-1")
    });
    term.keys("gr");
    term.wait_for("the seeded rule", LIMIT, |s| line_with(s, &["enabled", "HighHumidity"]).is_some());
    // The seed's own rule, word for word.
    term.keys("n");
    term.wait_for("the form", LIMIT, |s| s.contains("Write topic rule"));
    term.keys("SeedHumidity\t");
    term.keys("SELECT Humidity FROM '$aws/things/IoT-Temperature-Device/shadow/update' WHERE Humidity > 50");
    let told = term.wait_for("why it stays silent", LIMIT, |s| s.contains("can never match"));
    assert!(told.contains("state.reported.Humidity"), "where the reading is:\n{told}");
    assert!(told.contains("no thing here is called IoT-Temperature-Device"), "names are exact:\n{told}");
    assert!(told.contains("Sum then counts messages"), "a fixed value counts:\n{told}");
    close(&mut term);

    // The corrected one, under another metric: what it makes of the shadow as it is, then written.
    term.keys("n");
    term.wait_for("the form again", LIMIT, |s| s.contains("Write topic rule"));
    term.keys("WetAir\t");
    term.keys("SELECT state.reported.Humidity AS Humidity FROM '$aws/things/+/shadow/update/accepted' ");
    term.keys("WHERE state.reported.Humidity > 1");
    term.wait_for("it was tried", LIMIT, |s| s.contains("tried on") && s.contains("1 match"));
    term.keys("\t\t\t\t\t");
    fill(&mut term, "WetAir");
    term.wait_for("the metric's name", LIMIT, |s| line_with(s, &["metric", "WetAir"]).is_some());
    term.keys("\r");
    let plan =
        term.wait_for("the plan", LIMIT, |s| s.contains("create topic rule") && s.contains("⏎ rules write"));
    assert!(!plan.contains("can never match"), "{plan}");
    term.keys("\r");
    term.wait_for("the proof", LIMIT, |s| s.contains("✓") && s.contains("the account shows it"));
    close(&mut term);
    term.wait_for("the rule in the list", LIMIT, |s| line_with(s, &["enabled", "WetAir"]).is_some());
    term.keys("G");
    let chart = term.wait_for("its metric in a chart", LIMIT, |s| {
        let title = line_with(s, &["IoT / WetAir", "Sum of each minute, 30 min:"]);
        title.is_some_and(|line| !line.contains("30 min: 0")) && s.contains("TopicMatch")
    });
    assert!(chart.contains("30 min ago") && chart.contains('█'), "bars and an axis:\n{chart}");

    // Off, and on again.
    term.keys("x");
    term.wait_for("the plan to disable", LIMIT, |s| {
        s.contains("Disable topic rule WetAir") && s.contains("⏎")
    });
    term.keys("\r");
    term.wait_for("the proof", LIMIT, |s| s.contains("rule WetAir disabled") && s.contains("esc close"));
    close(&mut term);
    term.wait_for("the rule switched off", LIMIT, |s| line_with(s, &["disabled", "WetAir"]).is_some());
    term.keys("\x03\x03");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
}

#[test]
fn an_audit_is_followed_from_its_start_to_a_mitigation_that_acts() {
    let home = tempfile::tempdir().unwrap();
    let mut term = Term::spawn(&["demo", "--speed", "10"], 120, 40, home.path(), &[]);
    term.wait_for("the account", LIMIT, |s| s.contains("Thing03") && s.contains("●MQTT"));
    term.keys("ga");
    term.wait_for("nothing audited yet", LIMIT, |s| s.contains("0 of 17 checks enabled"));
    term.keys("n");
    let form = term.wait_for("the form", LIMIT, |s| s.contains("Audit the account now"));
    assert!(form.contains("all 17 of them") && form.contains("AWSIoTDeviceDefenderAudit"), "{form}");
    term.keys("\r");
    term.wait_for("the plan", LIMIT, |s| s.contains("enable audit checks") && s.contains("⏎ audit start"));
    term.keys("\r");
    term.wait_for("the bar", LIMIT, |s| s.contains("of 17 checks") && s.contains('#'));
    term.wait_for("the end of the audit", LIMIT, |s| {
        s.contains("COMPLETED") && s.contains("found something") && s.contains("esc close")
    });
    close(&mut term);
    let findings = term.wait_for("the findings", LIMIT, |s| {
        line_with(s, &["CRITICAL", "device certificate shared"]).is_some() && s.contains("17/17 checks")
    });
    assert!(findings.contains("mended by"), "what mends it:\n{findings}");

    // The same every month, by itself; the form says what a month wants.
    term.keys("S");
    term.wait_for("the schedule's form", LIMIT, |s| s.contains("Schedule an audit") && s.contains("DAILY"));
    term.keys("\t   ");
    term.wait_for("what is missing", LIMIT, |s| s.contains("MONTHLY") && s.contains("1 to 31, or LAST"));
    term.keys("\t\x1b[D");
    term.wait_for("the last day", LIMIT, |s| s.contains("LAST") && !s.contains("1 to 31, or LAST"));
    term.keys("\r");
    term.wait_for("its plan", LIMIT, |s| {
        s.contains("monthly on the last day") && s.contains("⏎ audit schedule")
    });
    term.keys("\r");
    term.wait_for("its proof", LIMIT, |s| s.contains("the account shows it") && s.contains("esc close"));
    close(&mut term);
    term.wait_for("the schedule", LIMIT, |s| line_with(s, &["scheduled quell-daily", "monthly"]).is_some());

    // To the shared certificate, and an action that isolates what is on it.
    term.keys("/shared\r");
    term.wait_for("the filter", LIMIT, |s| s.contains("/shared"));
    term.keys("N");
    term.wait_for("the action's form", LIMIT, |s| s.contains("Create mitigation action"));
    term.keys("\r");
    term.wait_for("its plan", LIMIT, |s| {
        s.contains("adds the things to IsolatedDevices") && s.contains("⏎ action create")
    });
    term.keys("\r");
    term.wait_for("its proof", LIMIT, |s| s.contains("the account shows it") && s.contains("esc close"));
    close(&mut term);
    term.wait_for("the action", LIMIT, |s| line_with(s, &["action AddToIsolatedDevices"]).is_some());
    term.keys("m");
    term.wait_for("what to run", LIMIT, |s| {
        s.contains("Run a mitigation action on") && s.contains("there is no rollback")
    });
    term.keys("\r");
    term.wait_for("the plan to run it", LIMIT, |s| {
        s.contains("start AWS's mitigation") && s.contains("⏎ mitigate")
    });
    term.keys("\r");
    term.wait_for("its end", LIMIT, |s| s.contains("of 1 findings 1 dealt with") && s.contains("esc close"));
    close(&mut term);

    // The real effect: the things of that certificate are in the group.
    term.keys("q");
    term.keys("/group:IsolatedDevices\r");
    term.wait_for("the members", LIMIT, |s| {
        ["Thing01", "Thing02", "Thing03"].iter().all(|t| s.contains(t)) && !s.contains("dev-XBHY ")
    });
    term.keys("\x03\x03");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
}
