//! `quell local` as a program: its ready line, its files, its refusals, the account it starts with, what it keeps.

#![cfg(feature = "emulator")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod boto3;
mod clients;
mod docs;
mod kept;
#[path = "../common/outside.rs"]
mod outside;
mod pages;
mod room;
#[path = "../../crates/emulator/tests/common/sdk.rs"]
#[expect(unreachable_pub, reason = "the emulator's tests use it from another crate")]
mod sdk;
mod walk;
mod workshop;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes longer on a machine that is merely busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The names of the commands, in the order of the help, which has them in groups, each under its purpose.
fn commands() -> Vec<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_quell")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    help.lines()
        .skip_while(|line| !line.starts_with("Usage:"))
        .take_while(|line| !line.starts_with("Global options:"))
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// A `quell local` that said it is ready; killed when dropped.
struct Local {
    child: Child,
    ready: serde_json::Value,
}

impl Local {
    /// On free ports, with `args` added.
    fn start(args: &[&str]) -> Self {
        let mut child = local(&[&FREE[..], &["--json"], args].concat());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap() }
    }

    /// The control plane through the real SDK.
    fn iot(&self) -> aws_sdk_iot::Client {
        aws_sdk_iot::Client::new(&sdk::config(self.ready["http"].as_str().unwrap()))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // Ended already: nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until the answer is `Some`; the question is named when it never is.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn local(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_quell"))
        .arg("local")
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

const FREE: [&str; 6] = ["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--mqtts", "127.0.0.1:0"];

#[test]
fn the_ready_line_names_everything_and_a_signal_ends_it_cleanly() {
    let mut child = local(&[&FREE[..], &["--json", "--speed", "10"]].concat());
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let keys: Vec<&str> = ready.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["event", "region", "account", "speed", "http", "mqtt", "mqtts", "ws", "credentials"];
    assert_eq!(keys, expected);
    assert_eq!((&ready["event"], &ready["speed"]), (&"ready".into(), &10.into()));
    let dir = std::path::PathBuf::from(ready["credentials"].as_str().unwrap());
    for file in
        ["root-CA.pem", "operator.env", "Thing02.cert.pem", "Thing02.private.key", "dev-XBHY.cert.pem"]
    {
        assert!(dir.join(file).is_file(), "{file}");
    }
    let shared = |thing: &str| std::fs::read(dir.join(format!("{thing}.cert.pem"))).unwrap();
    assert_eq!(shared("Thing01"), shared("Thing03"), "one certificate is shared, as in the workshop");
    assert_ne!(shared("Thing01"), shared("dev-XBHY"));
    interrupt(&child);
    assert!(child.wait().unwrap().success());
    assert!(!dir.exists(), "the temporary credentials are gone");
}

#[test]
fn a_port_in_use_is_named_with_its_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mqtts = address.to_string();
    let child =
        local(&["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--mqtts", &mqtts, "--devices", "0"]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("--mqtts") && text.contains(&address.port().to_string()), "{text}");
}

#[test]
fn a_scenario_mistake_is_named_by_file_line_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.toml");
    std::fs::write(&path, "[[step]]\nat = \"1s\"\nthing = \"Thing09\"\naction = \"silence\"\n").unwrap();
    let child = local(&[&FREE[..], &["--scenario", path.to_str().unwrap()]].concat());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("s.toml: line 3: thing"), "{text}");
}

#[test]
fn listeners_are_on_loopback_unless_told_and_others_are_warned_of() {
    let help = Command::new(env!("CARGO_BIN_EXE_quell")).args(["local", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for default in ["127.0.0.1:4510", "127.0.0.1:1883", "127.0.0.1:8883"] {
        assert!(help.contains(default), "{help}");
    }
    let mut child = local(&["--http", "127.0.0.1:0", "--no-plain", "--mqtts", "0.0.0.0:0", "--devices", "0"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let warned = lines.by_ref().map(Result::unwrap).find(|l| l.contains("warning") || l.contains("Ctrl-C"));
    interrupt(&child);
    assert!(child.wait().unwrap().success());
    let warned = warned.unwrap();
    assert!(warned.contains("--mqtts 0.0.0.0:") && warned.contains("other machines"), "{warned}");
}
