//! quell's own judgement through the real binary: the rogue found, explained and isolated with Detect refused, and ahead of
//! Detect where there is one.

use std::time::Duration;

use crate::term::{Term, line_with};

const LIMIT: Duration = Duration::from_secs(60);

/// The corrected profile, as `aws iot describe-security-profile` would print it.
const PROFILE: &str = r#"{"securityProfileName": "DetectLargeMessageSize", "behaviors": [{"name": "LargeMessageSize",
    "metric": "aws:message-byte-size", "criteria": {"comparisonOperator": "less-than-equals", "value": {"count": 1024}}}],
    "targets": ["arn:aws:iot:us-east-1:123456789012:all/things"]}"#;

fn without_detect(cols: u16, rows: u16) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("profiles.json");
    std::fs::write(&file, PROFILE).unwrap();
    let file = file.display().to_string();
    let mut term = Term::spawn(
        &["demo", "--fault", "detect=refuse", "--security-profiles", &file],
        cols,
        rows,
        home.path(),
        &[],
    );
    term.wait_for("the finding", LIMIT, |s| line_with(s, &["Thing02", "FINDING"]).is_some());
    term.keys("4");
    term.wait_for("what was found, and what was expected beside it", LIMIT, |s| {
        line_with(s, &["FINDING", "Thing02", "LargeMessageSize"]).is_some()
            && s.contains("3.0 kB")
            && s.contains("1.0 kB")
    });
    let why = "Detect cannot be read";
    term.wait_for("why AWS says nothing", LIMIT, |s| s.contains(why) || s.contains("not offered"));
    term.keys("1");
    term.keys("a");
    term.keys("i");
    term.wait_for("the plan", LIMIT, |s| {
        s.contains("Isolate Thing02") && s.contains("IsolatedDevices") && s.contains("⏎ isolate")
    });
    term.keys("\r");
    term.wait_for("containment", LIMIT, |s| line_with(s, &["Thing02", "CONTAINED"]).is_some());
    let screen = term.wait_for("a measured time", LIMIT, |s| s.contains("contained in"));
    assert!(line_with(&screen, &["│", "Thing02", "ALARM"]).is_none(), "AWS never said a word:\n{screen}");
    let journal = std::fs::read_to_string(home.path().join("state/quell/journal.jsonl")).unwrap();
    assert!(journal.contains("\"intent\"") && journal.contains("\"proven\""), "{journal}");
}

#[test]
fn with_detect_refused_the_rogue_is_found_explained_and_isolated_at_160x48() {
    without_detect(160, 48);
}

#[test]
fn with_detect_refused_the_rogue_is_found_explained_and_isolated_at_80x24() {
    without_detect(80, 24);
}

#[test]
fn with_detect_the_finding_precedes_the_violation_and_both_are_told() {
    let home = tempfile::tempdir().unwrap();
    let mut term = Term::spawn(&["demo"], 160, 48, home.path(), &[]);
    let found = term.wait_for("the finding", LIMIT, |s| {
        ["FINDING", "ALARM"].iter().any(|word| line_with(s, &["Thing02", word]).is_some())
    });
    assert!(line_with(&found, &["Thing02", "FINDING"]).is_some(), "the finding is first:\n{found}");
    term.keys("4");
    let screen = term.wait_for("both, agreeing", LIMIT, |s| {
        line_with(s, &["ALARM", "Thing02"]).is_some() && s.contains("before AWS's violation was read")
    });
    let delay = line_with(&screen, &["agreed: quell found it"]).unwrap();
    let seconds = delay.split("found it ").nth(1).and_then(|t| t.split(' ').next()).unwrap();
    assert!(seconds.parse::<f64>().is_ok_and(|s| s > 0.0), "{delay}");
}
