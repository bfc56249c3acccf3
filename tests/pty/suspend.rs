//! Into the background and back, without colour, and without AWS.

use std::time::{Duration, Instant};

use crate::term::Term;

const LIMIT: Duration = Duration::from_secs(60);

fn no_aws(home: &std::path::Path, env: &[(&str, &str)]) -> Term {
    Term::spawn(&["--no-aws", "--mqtt-url", "mqtt://127.0.0.1:9"], 80, 24, home, env)
}

/// The state letter of a process: `T` when it is stopped.
fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('?')
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() {
    let home = tempfile::tempdir().unwrap();
    let mut term = no_aws(home.path(), &[]);
    term.wait_for("the first frame", LIMIT, |s| s.contains("Devices"));
    term.keys("\x1a");
    let deadline = Instant::now() + LIMIT;
    while state(term.pid()) != 'T' {
        assert!(Instant::now() < deadline, "not stopped: {}", state(term.pid()));
        std::thread::sleep(Duration::from_millis(20));
    }
    term.wait_restored("ctrl-z");
    let sent = std::process::Command::new("kill").args(["-CONT", &term.pid().to_string()]).status().unwrap();
    assert!(sent.success());
    term.wait_for("the screen again", LIMIT, |s| s.contains("Devices"));
    assert!(term.on_alternate_screen());
    term.keys("q");
    assert_eq!(term.wait_exit(LIMIT), 0);
}

#[test]
fn no_color_writes_no_colour() {
    let home = tempfile::tempdir().unwrap();
    let mut term = no_aws(home.path(), &[("NO_COLOR", "1")]);
    term.wait_for("the reason why nothing is heard", LIMIT, |s| s.contains("down") && s.contains("no AWS"));
    term.keys("?");
    term.wait_for("help", LIMIT, |s| s.contains("Keys in force"));
    let bytes = term.bytes();
    for (i, _) in bytes.windows(2).enumerate().filter(|(_, w)| *w == b"\x1b[") {
        let rest = &bytes[i + 2..];
        let Some(end) = rest.iter().position(u8::is_ascii_alphabetic) else { continue };
        if rest[end] != b'm' {
            continue;
        }
        let text = String::from_utf8_lossy(&rest[..end]).into_owned();
        let colour = text
            .split(';')
            .filter_map(|n| n.parse::<u32>().ok())
            .any(|n| matches!(n, 30..=38 | 40..=48 | 90..=97 | 100..=107));
        assert!(!colour, "ESC[{text}m is a colour");
    }
}
