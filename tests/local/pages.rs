//! What a package ships beside the binary, and the reads of what an account is set up to do.

use std::process::Command;

use super::{Local, commands};

fn quell(args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_quell")).args(args).output().unwrap()
}

#[test]
fn the_manual_page_and_the_completions_name_every_command() {
    let commands = commands();
    assert!(["isolate", "man"].iter().all(|one| commands.iter().any(|name| name == one)), "{commands:?}");
    let man = String::from_utf8(quell(&["man"]).stdout).unwrap();
    for command in &commands {
        assert!(man.contains(&format!("QUELL {}", command.to_uppercase())), "{command} is not in the manual");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(quell(&["completions", shell]).stdout).unwrap();
        for command in &commands {
            assert!(script.contains(command), "{command} is not completed by {shell}");
        }
    }
    assert_eq!(quell(&["completions", "cobol"]).status.code(), Some(2));
}

#[test]
fn rules_and_audit_are_read_as_tables_and_as_json() {
    let local = Local::start(&[]);
    let ask = |args: &[&str]| {
        let http = local.ready["http"].as_str().unwrap();
        let out = Command::new(env!("CARGO_BIN_EXE_quell"))
            .args(args)
            .args(["--endpoint-url", http])
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_REGION", "us-east-1"),
            ])
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let table = ask(&["rules"]);
    assert!(
        table.contains("HighHumidity") && table.contains("enabled") && table.contains("SELECT"),
        "{table}"
    );
    let json: serde_json::Value = serde_json::from_str(&ask(&["rules", "--json"])).unwrap();
    assert_eq!(json["rules"][0]["ruleName"], "HighHumidity");
    // Nothing was audited yet.
    let json: serde_json::Value = serde_json::from_str(&ask(&["audit", "--json"])).unwrap();
    assert_eq!(json["findings"], serde_json::json!([]));
}
