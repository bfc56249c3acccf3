//! Tools that are not ours. Without one a test says so and ends; where this is CI it fails, for CI installs them all.

use std::io::Write as _;
use std::process::Command;

/// Says that a test did not run, and why.
#[track_caller]
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "a test may not be skipped in CI: {why}");
    let mut said = std::io::stderr();
    writeln!(said, "SKIPPED: {why}").unwrap();
}

/// True when `python3` can import `module`.
pub(crate) fn python_has(module: &str) -> bool {
    let asked = Command::new("python3").args(["-c", &format!("import {module}")]).output();
    asked.is_ok_and(|output| output.status.success())
}
