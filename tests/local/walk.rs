//! What a new user does first, by the script that a release walks in a clean root.

use std::path::Path;
use std::process::Command;

use crate::outside;

#[test]
fn a_new_user_s_path_is_walked_to_its_end() {
    if !outside::python_has("json") {
        return outside::skipped("python3 is not here");
    }
    let beside = Path::new(env!("CARGO_BIN_EXE_quell")).parent().unwrap().display();
    let path = format!("{beside}:{}", std::env::var("PATH").unwrap());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ci/walk");
    let walked = Command::new("python3").arg(script).env("PATH", path).output().unwrap();
    let said = String::from_utf8_lossy(&walked.stdout);
    let complained = String::from_utf8_lossy(&walked.stderr);
    assert!(walked.status.success() && said.ends_with("walked\n"), "{said}{complained}");
}
