//! `quell workshop` and `quell drill` as programs: a room of three, its files, and a score that is told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn quell(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quell")).args(args).output().unwrap()
}

/// What `eval "$(cat FILE)"` exports.
fn environment(file: &Path) -> BTreeMap<String, String> {
    let script = format!("eval \"$(cat '{}')\"; env", file.display());
    let out = Command::new("sh").args(["-c", &script]).output().unwrap();
    let lines = String::from_utf8(out.stdout).unwrap();
    let pairs = lines.lines().filter_map(|line| line.split_once('='));
    pairs
        .filter(|(name, _)| name.starts_with("AWS_") || name.starts_with("QUELL_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

struct Room(Child);

impl Drop for Room {
    fn drop(&mut self) {
        // Ended already: nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn three_play_a_drill_and_the_one_who_answers_it_has_the_points() {
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("told");
    let mut child = Command::new(env!("CARGO_BIN_EXE_quell"))
        .args(["workshop", "--participants", "3", "--scenario", "oversized", "--speed", "30", "--json"])
        .args(["--http", "127.0.0.1:0", "--mqtts", "127.0.0.1:0", "--credentials"])
        .arg(dir.path().join("room"))
        .arg("--export")
        .arg(&told)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let room = Room(child);
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let ready = next();
    let names: Vec<&str> =
        ready["participants"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!((&ready["event"], names), (&"ready".into(), vec!["p01", "p02", "p03"]));
    let envs: Vec<BTreeMap<String, String>> = ready["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| environment(Path::new(p["env"].as_str().unwrap())))
        .collect();
    let secrets: Vec<&String> = envs.iter().map(|env| &env["AWS_SECRET_ACCESS_KEY"]).collect();
    assert!(secrets[0] != secrets[1] && secrets[0].len() == 40);
    let as_second = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quell"));
        command.args(args).env("HOME", dir.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(&envs[1]).output().unwrap()
    };
    // It goes wrong for all of them; only the second does something.
    let mut alarmed = 0;
    while alarmed < 3 {
        let line = next();
        assert_eq!(line["event"], "progress");
        alarmed += usize::from(line["state"] == "alarm");
    }
    let isolated = as_second(&["isolate", "Thing02", "--yes", "--json"]);
    let code = isolated.status.code().unwrap();
    assert!(code == 0 || code == 5, "{code}: {}", String::from_utf8_lossy(&isolated.stderr));
    let journal = dir.path().join("room/p02/journal.jsonl");
    assert!(std::fs::read_to_string(journal).unwrap().contains("Thing02"), "a journal of his own");
    let over = loop {
        let line = next();
        if line["event"] == "over" {
            break line;
        }
    };
    let points: Vec<f64> =
        over["participants"].as_array().unwrap().iter().map(|p| p["points"].as_f64().unwrap()).collect();
    assert!(points[0] == 0.0 && points[2] == 0.0 && points[1] > 0.0, "{points:?}");
    let first = &over["participants"][1]["cards"][0];
    assert!(first["seen"].as_i64() <= first["answered"].as_i64(), "{first}");
    let debrief = std::fs::read_to_string(told.join("debrief.md")).unwrap();
    assert!(debrief.contains("one certificate") && debrief.contains("## p02:"), "{debrief}");
    drop(room);
}

/// A command whose proof outlasts the drill ends as it would have without one: the cloud waits for it.
#[test]
fn a_drill_alone_lets_what_is_under_way_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("short.toml");
    let text = include_str!("../../scenarios/drill-oversized.toml");
    let short: String = text
        .lines()
        .map(|line| if line.starts_with("lasts = ") { "lasts = \"30s\"" } else { line })
        .map(|line| if line.starts_with("at = ") { "at = \"1s\"" } else { line })
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&file, short).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_quell"))
        .arg("drill")
        .arg(&file)
        .args(["--headless", "--speed", "10"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut room = Room(child);
    let line = told.find(|line| line.contains("eval")).unwrap();
    let env = line.split("$(cat ").nth(1).unwrap().split(')').next().unwrap();
    let env = environment(Path::new(env.trim_matches(['\'', '"'])));
    let mut isolate = Command::new(env!("CARGO_BIN_EXE_quell"))
        .args(["isolate", "Thing02", "--yes", "--json"])
        .env("HOME", dir.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(&env)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = told.find(|line| line.starts_with("The drill is over"));
    assert!(said.is_some(), "the drill ended before the isolation was under way, or without waiting");
    assert!(isolate.try_wait().unwrap().is_none(), "still proving");
    assert_eq!(isolate.wait().unwrap().code(), Some(0));
    assert!(room.0.wait().unwrap().success());
}

#[test]
fn the_drills_are_listed_without_what_they_are_about() {
    let list = String::from_utf8(quell(&["drill"]).stdout).unwrap();
    for name in ["oversized", "storm", "stolen", "leak", "return"] {
        assert!(list.contains(name), "{list}");
    }
    assert!(!list.contains("Thing02") && !list.contains("dev-IZWB"), "{list}");
    let json: Value = serde_json::from_slice(&quell(&["drill", "--json"]).stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 5);
    let unknown = quell(&["drill", "flood"]);
    assert_eq!(unknown.status.code(), Some(2));
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(said.contains("\"flood\"") && said.contains("oversized"), "{said}");
}
