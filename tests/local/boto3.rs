//! The workshops' flows walked with boto3, each answer held against AWS's own model: `tests/boto3/walk.py`; and every operation
//! asked about what is not there: `tests/boto3/probe.py`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::Local;
use super::outside::{python_has, skipped};

#[test]
fn every_operation_is_walked_through_by_boto3() {
    run("walk.py");
}

#[test]
fn no_operation_breaks_down_over_what_is_not_there() {
    run("probe.py");
}

/// Runs one of `tests/boto3` against an empty account; it is told the table of operations.
fn run(script: &str) {
    if !python_has("boto3") {
        return skipped("python3 with boto3 is not here, so AWS's own models were not asked");
    }
    let dir = tempfile::tempdir().unwrap();
    let local = Local::start(&[
        "--devices",
        "0",
        "--speed",
        "60",
        "--any-key",
        "--credentials",
        dir.path().to_str().unwrap(),
    ]);
    let table = Command::new(env!("CARGO_BIN_EXE_quell")).args(["local", "--operations"]).output().unwrap();
    let mut walk = Command::new("python3")
        .arg("-B")
        .arg(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boto3")).join(script))
        .arg(local.ready.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    walk.stdin.take().unwrap().write_all(&table.stdout).unwrap();
    let output = walk.wait_with_output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    let mut told = std::io::stderr();
    writeln!(told, "boto3: {said}").unwrap();
}
