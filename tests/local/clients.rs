//! Devices with client libraries that are not ours, as their users have them: the AWS IoT Device SDK v2, Eclipse Paho, the AWS
//! IoT Device Defender Agent, MQTT.js. What each does stands in `tests/clients`.

use std::path::Path;
use std::process::{Command, Output};

use super::Local;
use super::outside::{python_has, skipped};

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

#[track_caller]
fn went_well(output: &Output) {
    let said =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}

/// Runs a script against an empty account, when its library is there.
fn run(script: &str, library: &str, package: &str) {
    run_on(&["--devices", "0"], script, library, package);
}

/// Runs a script against `quell local` with these arguments, when its library is there.
fn run_on(args: &[&str], script: &str, library: &str, package: &str) {
    for (module, package) in [("boto3", "boto3"), (library, package)] {
        if !python_has(module) {
            return skipped(&format!("python3 with {module} is not here (pip install {package})"));
        }
    }
    let local = Local::start(args);
    let script = Path::new(CLIENTS).join(script);
    went_well(&Command::new("python3").arg("-B").arg(script).arg(local.ready.to_string()).output().unwrap());
}

#[test]
fn the_sdk_v2_provisions_a_device_by_a_claim_which_then_has_https_and_credentials() {
    run("provision.py", "awsiot", "awsiotsdk");
}

#[test]
fn paho_speaks_both_protocols_and_its_shadow_answers() {
    run("paho_client.py", "paho.mqtt", "paho-mqtt");
}

#[test]
fn the_report_of_the_defender_agent_is_accepted() {
    run("defender.py", "AWSIoTDeviceDefenderAgentSDK", "AWSIoTDeviceDefenderAgentSDK");
}

#[test]
fn the_workshops_text_is_followed_to_its_end_in_an_account_from_scratch() {
    run_on(&["--from-scratch", "--speed", "60"], "workshop.py", "paho.mqtt", "paho-mqtt");
}

#[test]
fn mqtt_js_hears_itself() {
    let there = Command::new("node").args(["-e", "require('mqtt')"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        return skipped("node with mqtt is not here (npm install mqtt, and NODE_PATH)");
    }
    let dir = tempfile::tempdir().unwrap();
    let local = Local::start(&["--credentials", dir.path().to_str().unwrap()]);
    let mut node = Command::new("node");
    node.arg(Path::new(CLIENTS).join("mqttjs.cjs")).arg(local.ready["mqtts"].as_str().unwrap());
    let files = ["root-CA.pem", "Thing01.cert.pem", "Thing01.private.key"];
    went_well(&node.args(files.map(|file| dir.path().join(file))).output().unwrap());
}
