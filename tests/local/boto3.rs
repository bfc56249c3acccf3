//! The workshops' flows walked with boto3, each answer held against AWS's own model: `tests/boto3/walk.py`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::Local;
use super::outside::{python_has, skipped};

#[test]
fn every_operation_is_walked_through_by_boto3() {
    if !python_has("boto3") {
        return skipped("python3 with boto3 is not here, so AWS's own models were not asked");
    }
    let dir = tempfile::tempdir().unwrap();
    let local =
        Local::start(&["--devices", "0", "--speed", "60", "--credentials", dir.path().to_str().unwrap()]);
    let table = Command::new(env!("CARGO_BIN_EXE_quell")).args(["local", "--operations"]).output().unwrap();
    let mut walk = Command::new("python3")
        .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boto3/walk.py")])
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
    writeln!(std::io::stderr(), "boto3: {said}").unwrap();
}
