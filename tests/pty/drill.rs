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
    term.wait_for("what it is about", LIMIT, |s| {
        s.contains("One of six devices does not do what it should. Over in 1:00 at the latest")
    });
    term.wait_for("alarm", LIMIT, |s| line_with(s, &["Thing02", "ALARM"]).is_some());
    term.keys("a");
    term.keys("i");
    term.wait_for("plan", LIMIT, |s| s.contains("Isolate Thing02") && s.contains("⏎ isolate"));
    term.keys("\r");
    term.wait_for("containment", LIMIT, |s| line_with(s, &["Thing02", "CONTAINED"]).is_some());
    // The score wants the device silent for 15 s of the drill's time, as the console's own proof does not.
    term.wait_for("that it is over", LIMIT, |s| s.contains("The drill is over: q leaves it"));
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
    term.keys("q");
    // The timeline is told last.
    let scored = |s: &str| s.contains("POINTS") && line_with(s, &["Thing02", "proven"]).is_some();
    let seen = term.wait_for("the score", LIMIT, scored);
    // How many points it is depends on how fast this machine is; that nothing was wrong does not.
    let standing = line_with(&seen, &["p01", "done"]).unwrap();
    assert!(standing.split_whitespace().rev().take(2).all(|word| word == "0"), "{standing}");
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

/// What the page about drills says a stage is worth: all of its share up to its time, then less, down to half at the end.
fn stage(card: &serde_json::Value, stage: &str, share: f64, par: f64, lasts: f64) -> f64 {
    let (Some(at), Some(when)) = (card["at"].as_f64(), card[stage].as_f64()) else { return 0.0 };
    let (late, room) = (when - at - par * 1000.0, lasts - at - par * 1000.0);
    share * if late <= 0.0 { 1.0 } else { 1.0 - 0.5 * (late / room).min(1.0) }
}

#[test]
fn three_play_on_the_board_and_each_score_is_what_the_page_says() {
    let home = tempfile::tempdir().unwrap();
    let (room, told) = (home.path().join("room"), home.path().join("told"));
    let mut args =
        vec!["workshop", "--participants", "3", "--scenario", "oversized", "--speed", "20", "--board"];
    args.extend(["--http", "127.0.0.1:0", "--mqtts", "127.0.0.1:0", "--begin-after", "20s"]);
    args.extend(["--credentials", room.to_str().unwrap(), "--export", told.to_str().unwrap()]);
    // Small: states in letters, not in large ones.
    let mut term = Term::spawn(&args, 60, 12, home.path(), &[]);
    let whose = |who: &str, args: &str| {
        let script = format!("eval \"$(cat {}/{who}.env)\"; exec \"$QUELL\" {args}", room.display());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).env("QUELL", env!("CARGO_BIN_EXE_quell")).env("HOME", home.path());
        command.env("AWS_EC2_METADATA_DISABLED", "true").output().unwrap()
    };
    term.wait_for("the board", LIMIT, |s| s.contains("p03") && s.contains("WAIT"));
    // What is offered is read by the instructor alone; nothing is under way yet.
    term.keys("x");
    term.wait_for("the menu", LIMIT, |s| s.contains("goes wrong now: Thing02: messages of 3000"));
    term.keys("1y");
    term.wait_for("that there is no drill", LIMIT, |s| s.contains("No drill is under way"));
    term.wait_for("the beginning", LIMIT, |s| s.contains("CALM"));
    // Ahead of its time, for all.
    term.keys("xa1");
    term.wait_for("the question", LIMIT, |s| s.contains("For all now:"));
    term.keys("y");
    term.wait_for("alarm", LIMIT, |s| s.matches("ALARM").count() == 3);
    // The second answers it; the third takes a healthy device off the air.
    let isolated = whose("p02", "isolate Thing02 --yes --json");
    assert!(matches!(isolated.status.code(), Some(0 | 5)), "{}", String::from_utf8_lossy(&isolated.stderr));
    let wrong = whose("p03", "isolate Thing01 --yes --json");
    assert!(matches!(wrong.status.code(), Some(0 | 5)), "{}", String::from_utf8_lossy(&wrong.stderr));
    term.wait_for("the mistake", LIMIT, |s| s.contains("1 wrong"));
    // Looked at again until the device has been silent for long enough.
    let deadline = std::time::Instant::now() + LIMIT;
    while !term.screen().contains("DONE") {
        assert!(std::time::Instant::now() < deadline, "{}", term.screen());
        whose("p02", "sweep Thing02 --json");
    }
    term.keys("xx");
    term.wait_for("a hint", LIMIT, |s| s.contains("Tell p01: A healthy device"));
    term.keys("\r");
    term.wait_for("the timeline", LIMIT, |s| s.contains("made to, by the instructor"));
    term.keys("q");
    term.wait_for("the tiles", LIMIT, |s| s.contains("p02"));
    term.keys("q");
    term.wait_for("the question", LIMIT, |s| s.contains("End the room"));
    term.keys("y");
    term.wait_exit(Duration::from_secs(10));
    let text = std::fs::read_to_string(told.join("standings.json")).unwrap();
    let standings: serde_json::Value = serde_json::from_str(&text).unwrap();
    let points: Vec<f64> = standings["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|who| {
            let (card, lasts) = (&who["cards"][0], who["lasts"].as_f64().unwrap());
            let stages = [("seen", 20.0, 180.0), ("answered", 50.0, 360.0), ("proven", 30.0, 600.0)];
            let earned: f64 =
                stages.iter().map(|(name, share, par)| stage(card, name, *share, *par, lasts)).sum();
            let wrong = 15.0 * who["mistakes"].as_array().unwrap().len() as f64;
            let expected = (earned - wrong - 5.0 * who["hints"].as_f64().unwrap()).clamp(0.0, 100.0);
            let given = who["points"].as_f64().unwrap();
            assert!((given - expected).abs() < 1.0, "{given} is not {expected}: {who}");
            assert_eq!(who["injected"].as_array().unwrap().len(), 1, "{who}");
            given
        })
        .collect();
    // Whoever looks at the certificate that three devices share has looked at the right one, too.
    assert!(points[0] == 0.0 && points[1] > 60.0 && points[2] <= 5.0, "{points:?}");
    let debrief = std::fs::read_to_string(told.join("debrief.md")).unwrap();
    assert!(debrief.contains("wrong: took Thing01 off the air (−15)"), "{debrief}");
}
