//! `--log FILE` and `-v` of commands without a screen: each call is told, and no secret.

use std::os::unix::fs::PermissionsExt as _;

use crate::door::Answer;
use crate::world::{Cloud, quell};

#[test]
fn every_command_logs_its_calls_when_asked_and_never_a_secret() {
    let cloud = Cloud::start();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("there/quell.log");
    let run = |command: &str, more: &[&str]| {
        let mut args = vec![command.to_owned()];
        args.extend(cloud.flags()[..4].iter().cloned());
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        let secret = [("AWS_SESSION_TOKEN", "hush-this-is-a-token"), ("RUST_LOG", "trace")];
        quell(&args, &secret).output().unwrap()
    };
    let file = log.to_str().unwrap();
    let output = run("things", &["--log", file, "-v"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let written = std::fs::read_to_string(&log).unwrap();
    let call = written.lines().find(|line| line.contains("operation=\"ListThings\"")).unwrap();
    assert!(call.contains("AWS call") && call.contains("outcome=\"ok\"") && call.contains("ms="), "{call}");
    let id = call.split_once("request_id=\"").unwrap().1.split('"').next().unwrap();
    assert!(id.len() > 8, "{call}");
    assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);

    cloud.door.refuse(|line| {
        let hit = line.contains("/active-violations");
        hit.then(|| Answer::error(403, "AccessDeniedException", "not authorized"))
    });
    let output = run("violations", &["--log", file]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let written = std::fs::read_to_string(&log).unwrap();
    let mut calls = written.lines().filter(|line| line.contains("operation=\"ListActiveViolations\""));
    let refused = calls.next_back().unwrap();
    assert!(refused.contains("outcome=\"403 AccessDeniedException\""), "{refused}");
    assert!(!written.contains("hush-this"), "a secret is in the log");

    cloud.door.relent();
    let output = run("jobs", &["-vv"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("operation=\"ListJobs\"") && !said.contains("hush-this"), "{said}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("AWS call"), "stdout is the result's");
}
