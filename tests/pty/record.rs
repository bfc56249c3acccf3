//! The demo's incident recorded, replayed and reported by the real binary.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::term::{Term, line_with};

const LIMIT: Duration = Duration::from_secs(60);

/// The incident from the first message to the proof, with `w` pressed at both ends: the recording.
fn recorded(home: &Path) -> PathBuf {
    let mut term = Term::spawn(&["demo"], 160, 48, home, &[]);
    term.wait_for("a live link", LIMIT, |s| s.contains("●MQTT") && s.contains("Thing02"));
    term.keys("w");
    term.wait_for("a recording", LIMIT, |s| s.contains(" REC "));
    term.wait_for("the alarm", LIMIT, |s| line_with(s, &["Thing02", "ALARM"]).is_some());
    term.keys("a");
    term.keys("i");
    term.wait_for("the plan", LIMIT, |s| s.contains("⏎ isolate"));
    term.keys("\r");
    term.wait_for("the proof", LIMIT, |s| s.contains("contained in"));
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
    term.keys("w");
    term.wait_for("the recording's end", LIMIT, |s| !s.contains(" REC "));
    term.keys("q");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
    let mut files = std::fs::read_dir(home.join("state/quell/recordings")).unwrap();
    files.next().unwrap().unwrap().path()
}

/// The screen without what the terminal's own time decides: nothing of it may differ.
fn alarm_screens(file: &str, home: &Path, env: &[(&str, &str)]) -> Vec<String> {
    let mut term = Term::spawn(&["replay", file], 160, 48, home, env);
    term.wait_for("the replay", LIMIT, |s| s.contains("REPLAY") && s.contains("READ-ONLY"));
    let mut screens = Vec::new();
    // Early warning and finding on the first bad message, then the violation: each stands still when it is reached.
    for _ in 0..2 {
        term.keys(">");
        let still = |s: &str| s.contains("REPLAY paused") && s.contains("an alarm; space goes on");
        term.wait_for("an alarm", LIMIT, still);
        // A frame more may follow the first that satisfies: the last one is compared.
        let mut last = term.screen();
        loop {
            std::thread::sleep(Duration::from_millis(1_200));
            let next = term.screen();
            if next == last {
                break;
            }
            last = next;
        }
        screens.push(last);
        // The message goes, so that the next one is a new one.
        term.keys("?");
        term.wait_for("the help", LIMIT, |s| s.contains("Keys in force"));
        term.keys("\x1b");
        // A key right behind Escape is another key: Alt with it.
        term.wait_for("the help's end", LIMIT, |s| !s.contains("Keys in force"));
    }
    // Half a minute on, and back again: the same.
    term.keys("]");
    term.keys("[");
    term.keys("+");
    term.keys(" ");
    term.wait_for("twice the speed", LIMIT, |s| s.contains("REPLAY ×2"));
    // A write does not even get as far as a plan.
    term.keys("i");
    term.wait_for("the refusal", LIMIT, |s| s.contains("nothing can be changed") || s.contains("read-only"));
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
    screens
}

#[test]
fn the_incident_replays_to_identical_frames_off_the_network_and_its_report_holds_the_true_times() {
    let home = tempfile::tempdir().unwrap();
    let file = recorded(home.path());
    let name = file.to_str().unwrap();
    // Whoever connects here asked the network.
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}", trap.local_addr().unwrap());
    let env = [
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("HTTP_PROXY", url.as_str()),
        ("HTTPS_PROXY", url.as_str()),
    ];
    let (one, two) = (alarm_screens(name, home.path(), &env), alarm_screens(name, home.path(), &env));
    assert_eq!(one, two, "the same file, the same cells");
    assert!(line_with(&one[0], &["Thing02"]).is_some_and(|l| l.contains("FINDING") || l.contains("warning")));
    assert!(trap.accept().is_err(), "a replay never touches the network");

    let report = |json: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_quell"))
            .args(["report", name])
            .args(json)
            .env_clear()
            .env("HOME", home.path())
            .env("XDG_STATE_HOME", home.path().join("state"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let told: Value = serde_json::from_str(&report(&["--json"])).unwrap();
    let incident = told["incidents"].as_array().unwrap().iter().find(|i| i["thing"] == "Thing02").unwrap();
    let time = |v: &Value| v.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let journal = std::fs::read_to_string(home.path().join("state/quell/journal.jsonl")).unwrap();
    let entries: Vec<Value> = journal.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
    let of = |kind: &str| time(&entries.iter().find(|e| e["kind"] == kind).unwrap()["at"]);
    let (intent, outcome) = (of("intent"), of("outcome"));
    let (detected, responded) = (time(&incident["detected"]), time(&incident["responded"]));
    let contained = time(&incident["contained"]);
    assert!((responded - intent).abs() < 1_000, "responded {responded}, the journal says {intent}");
    assert!(responded <= contained && contained <= outcome, "{responded} {contained} {outcome}");
    assert!(time(&incident["began"]) <= detected && detected < responded, "{incident}");
    assert!(time(&incident["finding"]) < time(&incident["violationRead"]), "{incident}");
    assert_eq!(incident["timeToRespondMs"], responded - detected);
    assert_eq!(incident["timeToContainMs"], contained - responded);
    assert!(incident["timeToDetectMs"].as_i64().unwrap() < 1_000, "{incident}");
    let text = report(&[]);
    assert!(text.contains("## Thing02") && text.contains("isolate confirmed"), "{text}");
}
